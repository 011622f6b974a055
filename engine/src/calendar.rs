//! Trading sessions of the built-in instruments, as instants in UTC.
//!
//! A calendar is a zone and, for each era of a venue's hours, the phases of a trading date as offsets
//! from local midnight of that date. Only the sequencer reads calendars; stages learn sessions and UTC
//! offsets from the session records that it injects, so replay needs no calendar.
//!
//! Weekly hours only, in this version: no holidays, early closes or late opens. A print on a holiday
//! is accepted, and a half day's bars run to the usual close.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use ringbuf_layout::names::SessionPhase;
use ringbuf_layout::units::SECOND;

/// A phase of a session: from an offset to the next, in minutes from local midnight of the trading date
/// (negative: the evening before).
type Phases = &'static [(i32, SessionPhase)];

/// Hours in force from a trading date on (yyyymmdd).
struct Era {
    from: i32,
    /// The phases of a trading date; the last one is `Closed`. A `Closed` in the middle is a break.
    phases: Phases,
}

/// A venue's sessions.
pub struct Calendar {
    /// Its name in instrument definitions.
    pub name: &'static str,
    zone_name: &'static str,
    zone: TimeZone,
    all_week: bool,
    eras: &'static [Era],
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

use SessionPhase::{Closed, Extended, Regular};

/// Built-in calendars: name, zone, whether weekends trade, eras.
const BUILT_IN: [(&str, &str, bool, &[Era]); 6] = [
    // New York equities: pre-market from 04:00, regular hours, post-market to 20:00.
    (
        "XNYS",
        "America/New_York",
        false,
        &[Era {
            from: 0,
            phases: &[(240, Extended), (570, Regular), (960, Extended), (1200, Closed)],
        }],
    ),
    // CME equity index futures, Chicago time. The break at 15:15 ended on 2021-06-28; the close moved from
    // 16:15 to 16:00 on 2015-09-21.
    (
        "CMES",
        "America/Chicago",
        false,
        &[
            Era {
                from: 0,
                phases: &[(-420, Regular), (915, Closed), (930, Regular), (975, Closed)],
            },
            Era {
                from: 20_150_921,
                phases: &[(-420, Regular), (915, Closed), (930, Regular), (960, Closed)],
            },
            Era { from: 20_210_628, phases: &[(-420, Regular), (960, Closed)] },
        ],
    ),
    // COMEX metals, New York time: 18:00 to 17:15 until 2015-09-20, then to 17:00.
    (
        "METALS",
        "America/New_York",
        false,
        &[
            Era { from: 0, phases: &[(-360, Regular), (1035, Closed)] },
            Era { from: 20_150_921, phases: &[(-360, Regular), (1020, Closed)] },
        ],
    ),
    // Currencies, interest rates and crypto at CME and CBOT: 17:00 to 16:00, Chicago time.
    (
        "GLBX",
        "America/Chicago",
        false,
        &[Era { from: 0, phases: &[(-420, Regular), (960, Closed)] }],
    ),
    // The synthetic market: 23 hours, 22:00 UTC to 21:00 UTC.
    ("SYNTH", "UTC", false, &[Era { from: 0, phases: &[(-120, Regular), (1260, Closed)] }]),
    // Round the clock: one session a UTC day.
    ("24/7", "UTC", true, &[Era { from: 0, phases: &[(0, Regular), (1440, Closed)] }]),
];

/// Names of the built-in calendars.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, ..)| *name)
}

impl core::fmt::Debug for Calendar {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Calendar({})", self.name)
    }
}

impl Calendar {
    /// The built-in calendar of this name.
    pub fn built_in(name: &str) -> Option<Self> {
        let (name, zone_name, all_week, eras) = BUILT_IN.iter().find(|(n, ..)| *n == name)?;
        let zone = TimeZone::get(zone_name).ok()?;
        Some(Self { name, zone_name, zone, all_week: *all_week, eras })
    }

    /// The calendar as text: what lies in the journal's object store.
    pub fn describe(&self) -> serde_json::Value {
        let phase = |(m, p): &(i32, SessionPhase)| serde_json::json!([m, p.name()]);
        let eras: Vec<_> = self
            .eras
            .iter()
            .map(|era| {
                let phases: Vec<_> = era.phases.iter().map(phase).collect();
                serde_json::json!({ "from": era.from, "phases": phases })
            })
            .collect();
        serde_json::json!({
            "name": self.name, "zone": self.zone_name, "all_week": self.all_week, "eras": eras,
            "zones": "bundled IANA database of jiff", "holidays": false,
        })
    }

    /// The phase in force at `at`: the last change at or before it.
    pub fn phase_at(&self, at: i64) -> Option<PhaseChange> {
        let day = self.local_date(at)?;
        // A session reaches at most a day and a half back from any of its instants; a weekend adds two.
        (-5..=1)
            .filter_map(|days| day.checked_add(SignedDuration::from_hours(24 * days)).ok())
            .flat_map(|date| self.changes(date))
            .filter(|change| change.at <= at)
            .last()
    }

    /// The first change after `at`.
    pub fn next_after(&self, at: i64) -> Option<PhaseChange> {
        let day = self.local_date(at)?;
        (-1..=5)
            .filter_map(|days| day.checked_add(SignedDuration::from_hours(24 * days)).ok())
            .flat_map(|date| self.changes(date))
            .find(|change| change.at > at)
    }

    fn local_date(&self, at: i64) -> Option<Date> {
        let instant = Timestamp::from_nanosecond(i128::from(at)).ok()?;
        Some(self.zone.to_datetime(instant).date())
    }

    /// The phase changes of a trading date, in order; none on a weekend.
    fn changes(&self, date: Date) -> impl Iterator<Item = PhaseChange> + '_ {
        let weekend = matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
        let trading_date =
            i32::from(date.year()) * 10_000 + i32::from(date.month()) * 100 + i32::from(date.day());
        let era = self.eras.iter().rfind(|era| era.from <= trading_date);
        let phases: Phases =
            if weekend && !self.all_week { &[] } else { era.map_or(&[], |era| era.phases) };
        (0..phases.len()).filter_map(move |i| {
            let (at, utc_offset_s) = self.instant(date, phases[i].0)?;
            // The session around a change: from the last Closed before it to the next Closed. A closing
            // change still names the session that it closes.
            let opens = phases[..i].iter().rposition(|p| p.1 == Closed).map_or(0, |c| c + 1);
            let closes = i + phases[i..].iter().position(|p| p.1 == Closed)?;
            Some(PhaseChange {
                at,
                phase: phases[i].1,
                open: self.instant(date, phases[opens.min(i)].0)?.0,
                close: self.instant(date, phases[closes].0)?.0,
                trading_date,
                utc_offset_s,
            })
        })
    }

    /// The instant of a local wall time, `minutes` from midnight of `date`, and the UTC offset there. A
    /// time that a clock change skips is the instant after the gap; one that it repeats is the first.
    fn instant(&self, date: Date, minutes: i32) -> Option<(i64, i32)> {
        let midnight = date.at(0, 0, 0, 0);
        let local = midnight.checked_add(SignedDuration::from_mins(i64::from(minutes))).ok()?;
        let instant = self.zone.to_ambiguous_timestamp(local).compatible().ok()?;
        let offset = self.zone.to_offset(instant).seconds();
        let nanoseconds = i64::try_from(instant.as_nanosecond()).ok()?;
        Some((nanoseconds, offset))
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
