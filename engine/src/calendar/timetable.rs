//! A calendar as data: weekly hours of local dates, and the dates that differ.
//!
//! Hours are of local dates, as market-hours files have them, and sessions are made of them: a run of segments that
//! touch is a session, over midnight too, and its trading date is the local date in which it ends. So a futures session
//! that begins on Sunday evening is Monday's. A run that would be longer than a day (round the clock, or currencies
//! from Sunday to Friday) is cut at every midnight instead.
//!
//! An evening that belongs to the next date's session is closed where that date does not begin at midnight: the evening
//! before a holiday is the holiday's. A holiday itself is closed from midnight to midnight.

use super::venue::yyyymmdd;
use crate::problem::Problem;
use arrayvec::ArrayVec;
use jiff::civil::Date;
use ringbuf_layout::names::SessionPhase::{self, Closed, Extended, Regular};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Segments of a weekday, at most.
pub const SEGMENTS_MAX: usize = 16;
/// Dates of each list, at most: a century of two in a week.
pub const DATES_MAX: usize = 10_000;
/// Seconds of a local day: hours are of the clock on the wall.
pub const DAY_S: u32 = 86_400;

/// A part of a local date in which the market is open.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// Seconds from midnight.
    pub start_s: u32,
    /// Seconds from midnight of its end; a day's for midnight.
    pub end_s: u32,
    /// True before and after regular hours.
    pub extended: bool,
}

/// Weekly hours, and the dates that differ (yyyymmdd, ascending, times in seconds from midnight).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timetable {
    /// IANA zone.
    pub zone: String,
    /// Segments of each weekday from Monday on.
    pub week: [Vec<Segment>; 7],
    /// Local dates that are closed.
    pub holidays: Vec<i32>,
    /// When a date closes early. With a later late open on the same date, it opens again then.
    pub early_closes: Vec<(i32, u32)>,
    /// When a date opens late.
    pub late_opens: Vec<(i32, u32)>,
    /// Days on which banks are closed and the market is not. They change nothing.
    pub bank_holidays: Vec<i32>,
}

type Segments = ArrayVec<Segment, { SEGMENTS_MAX + 1 }>;

impl Timetable {
    /// What lies in the journal's object store: the same content is the same bytes.
    ///
    /// # Panics
    /// Never: it has no map with keys that are no text.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("Invariant: plain data is JSON");
        bytes.push(b'\n');
        bytes
    }

    /// What names it in a config: the hash of these bytes.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.bytes()).into()
    }

    /// Reads those bytes back.
    ///
    /// # Errors
    /// Bytes that are no timetable.
    pub fn parse(bytes: &[u8], place: &str) -> Result<Self, Problem> {
        let broken = |what: String| {
            let what = format!("the calendar in the journal is not one: {what}");
            Problem::new(what, place, "restore the objects folder from a copy of this journal")
        };
        let timetable: Self =
            serde_json::from_slice(bytes).map_err(|error| broken(error.to_string()))?;
        timetable.check().map_err(broken)?;
        Ok(timetable)
    }

    /// Checks every bound and order that the walk over it relies on.
    ///
    /// # Errors
    /// The first thing that does not hold, in words.
    pub fn check(&self) -> Result<(), String> {
        if super::zone(&self.zone).is_none() {
            return Err(format!("\"{}\" is not a time zone", self.zone));
        }
        for (day, segments) in DAYS.iter().zip(&self.week) {
            if segments.len() > SEGMENTS_MAX {
                return Err(format!("{day} has more than {SEGMENTS_MAX} segments"));
            }
            if segments.iter().any(|s| s.start_s >= s.end_s || s.end_s > DAY_S) {
                return Err(format!("a segment of {day} does not end after it begins"));
            }
            if segments.windows(2).any(|pair| pair[1].start_s < pair[0].end_s) {
                return Err(format!("two segments of {day} overlap"));
            }
        }
        if self.week.iter().all(Vec::is_empty) {
            return Err("no weekday has any hours".to_string());
        }
        let early = self.early_closes.iter().map(|(date, _)| *date).collect();
        let late = self.late_opens.iter().map(|(date, _)| *date).collect();
        for (list, dates) in [
            ("holidays", &self.holidays),
            ("earlyCloses", &early),
            ("lateOpens", &late),
            ("bankHolidays", &self.bank_holidays),
        ] {
            if dates.len() > DATES_MAX {
                return Err(format!("{list} has more than {DATES_MAX} dates"));
            }
            if !dates.is_sorted_by(|a, b| a < b) {
                return Err(format!("{list} is not in order, or has a date twice"));
            }
        }
        let times = self.early_closes.iter().chain(&self.late_opens);
        if times.map(|(_, time)| *time).any(|time| time > DAY_S) {
            return Err("an early close or a late open is not within its day".to_string());
        }
        Ok(())
    }

    /// Which dates it knows, in words.
    pub fn covers(&self) -> String {
        let early = self.early_closes.iter().chain(&self.late_opens).map(|(date, _)| *date);
        let years = || early.clone().chain(self.holidays.iter().copied()).map(|date| date / 10_000);
        match (years().min(), years().max()) {
            (Some(first), Some(last)) => format!(
                "{} holidays, {} early closes, {} late opens from {first} to {last}; \
                 in other years the weekly hours alone",
                self.holidays.len(),
                self.early_closes.len(),
                self.late_opens.len()
            ),
            _ => "none".to_string(),
        }
    }

    /// Calls `each` with the phases of a trading date, in order, in seconds from its midnight.
    pub(super) fn phases(&self, date: Date, mut each: impl FnMut(i32, SessionPhase)) {
        let mut until: Option<(i32, bool)> = None;
        let mut segment = |start: i32, end: i32, extended: bool| {
            let phase = if extended { Extended } else { Regular };
            match until {
                Some((end, was)) if end == start && was == extended => {}
                Some((end, _)) if end < start => {
                    each(end, Closed);
                    each(start, phase);
                }
                _ => each(start, phase),
            }
            until = Some((end, extended));
        };
        let today = self.open(date);
        if today.first().is_some_and(|first| first.start_s == 0)
            && let Ok(before) = date.yesterday()
            && self.goes_on(before)
        {
            let evening = self.open(before);
            for s in &evening[evening_from(&evening)..] {
                segment(s.start_s as i32 - DAY_S as i32, s.end_s as i32 - DAY_S as i32, s.extended);
            }
        }
        let own = if self.goes_on(date) { evening_from(&today) } else { today.len() };
        for s in &today[..own] {
            segment(s.start_s as i32, s.end_s as i32, s.extended);
        }
        if let Some((end, _)) = until {
            each(end, Closed);
        }
    }

    fn weekday(&self, date: Date) -> &[Segment] {
        let number = date.weekday().to_monday_zero_offset();
        &self.week[number as usize]
    }

    /// True if by the weekly hours the evening of this date belongs to the next one's session.
    fn goes_on(&self, date: Date) -> bool {
        let Ok(tomorrow) = date.tomorrow() else { return false };
        let (today, next) = (self.weekday(date), self.weekday(tomorrow));
        let evening = today.get(evening_from(today)).map_or(DAY_S, |first| first.start_s);
        let (before, after) = (DAY_S - evening, morning_until(next));
        before > 0 && after > 0 && before + after <= DAY_S
    }

    /// What of a local date is open.
    fn open(&self, date: Date) -> Segments {
        let yyyymmdd = yyyymmdd(date);
        let mut open = Segments::new();
        if self.holidays.binary_search(&yyyymmdd).is_ok() {
            return open;
        }
        let time = |list: &[(i32, u32)]| {
            list.binary_search_by_key(&yyyymmdd, |(date, _)| *date).ok().map(|at| list[at].1)
        };
        let windows = match (time(&self.early_closes), time(&self.late_opens)) {
            (Some(early), Some(late)) if early < late => [(0, early), (late, DAY_S)],
            (early, late) => [(late.unwrap_or(0), early.unwrap_or(DAY_S)), (0, 0)],
        };
        for (from, to) in windows {
            for segment in self.weekday(date) {
                let (start_s, end_s) = (segment.start_s.max(from), segment.end_s.min(to));
                if start_s < end_s {
                    open.push(Segment { start_s, end_s, extended: segment.extended });
                }
            }
        }
        open
    }
}

/// Names of the weekdays, as market-hours files have them, from Monday.
pub(super) const DAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Until when the segments run from midnight on without a gap; 0 if none begins then.
fn morning_until(segments: &[Segment]) -> u32 {
    let mut until = 0;
    for segment in segments {
        if segment.start_s != until {
            break;
        }
        until = segment.end_s;
    }
    until
}

/// Where the segments begin that run to midnight without a gap; behind the last if none does.
fn evening_from(segments: &[Segment]) -> usize {
    let mut start = DAY_S;
    let mut from = segments.len();
    for (i, segment) in segments.iter().enumerate().rev() {
        if segment.end_s != start {
            break;
        }
        (from, start) = (i, segment.start_s);
    }
    from
}
