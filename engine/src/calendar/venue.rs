//! Built-in calendars as data: a zone, the usual hours of each era, and what is not usual.

use super::holidays::{Holiday, is_weekend, kept_on};
use jiff::civil::Date;
use ringbuf_layout::names::SessionPhase::{self, Closed, Regular};

/// A phase of a session: from an offset to the next, in minutes from local midnight of the trading date
/// (negative: the evening before).
pub(super) type Phases = &'static [(i32, SessionPhase)];

/// Hours in force from a trading date on (yyyymmdd).
pub(super) struct Era {
    pub(super) from: i32,
    /// The phases of a trading date; the last one is `Closed`. A `Closed` in the middle is a break.
    pub(super) phases: Phases,
}

/// How a trading date differs from the usual hours of its era.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Day {
    Usual,
    Closed,
    /// The usual hours, cut at this minute.
    Until(i32),
    /// Hours of its own.
    Hours(Phases),
}

/// A built-in calendar.
pub(super) struct Venue {
    pub(super) name: &'static str,
    pub(super) zone: &'static str,
    /// True if weekends trade.
    pub(super) all_week: bool,
    pub(super) eras: &'static [Era],
    /// What its rules say of a date.
    pub(super) day: fn(Date) -> Day,
    /// Its holidays, in words: which years are known to the day, and what holds after them.
    pub(super) holidays: &'static str,
}

/// What is said of a market that keeps none.
pub(super) const NO_HOLIDAYS: &str = "none";

/// All of them.
pub(super) const VENUES: [&Venue; 6] = [
    &super::xnys::XNYS,
    &super::cmes::CMES,
    &super::metals::METALS,
    &GLBX,
    &SYNTH,
    &ROUND_THE_CLOCK,
];

/// Currencies, interest rates and crypto at CME and CBOT, Chicago time. Their half days differ by product and
/// are not modelled: a session of usual length there rejects no real print.
const GLBX: Venue = Venue {
    name: "GLBX",
    zone: "America/Chicago",
    all_week: false,
    eras: &[Era { from: 0, phases: &[(-420, Regular), (960, Closed)] }],
    day: |date| match kept_on(date) {
        Some(Holiday::NewYear | Holiday::GoodFriday | Holiday::Christmas) => Day::Closed,
        _ => Day::Usual,
    },
    holidays: "New Year, Good Friday and Christmas, by rule; half days are not known",
};

/// The synthetic market: 23 hours, 22:00 UTC to 21:00 UTC.
const SYNTH: Venue = Venue {
    name: "SYNTH",
    zone: "UTC",
    all_week: false,
    eras: &[Era { from: 0, phases: &[(-120, Regular), (1260, Closed)] }],
    day: |_| Day::Usual,
    holidays: NO_HOLIDAYS,
};

/// Round the clock: one session a UTC day.
const ROUND_THE_CLOCK: Venue = Venue {
    name: "24/7",
    zone: "UTC",
    all_week: true,
    eras: &[Era { from: 0, phases: &[(0, Regular), (1440, Closed)] }],
    day: |_| Day::Usual,
    holidays: NO_HOLIDAYS,
};

impl Venue {
    /// Calls `each` with the phases of a trading date, in order; never on a date that does not trade.
    pub(super) fn phases(&self, date: Date, mut each: impl FnMut(i32, SessionPhase)) {
        if is_weekend(date) && !self.all_week {
            return;
        }
        let yyyymmdd = yyyymmdd(date);
        let era = self.eras.iter().rfind(|era| era.from <= yyyymmdd);
        let usual: Phases = era.map_or(&[], |era| era.phases);
        let (phases, until) = match (self.day)(date) {
            Day::Usual => (usual, None),
            Day::Closed => return,
            Day::Until(minute) => (usual, Some(minute)),
            Day::Hours(own) => (own, None),
        };
        let within = |minute: i32| until.is_none_or(|until| minute < until);
        phases.iter().filter(|(minute, _)| within(*minute)).for_each(|(m, p)| each(*m, *p));
        if let Some(minute) = until {
            each(minute, Closed);
        }
    }
}

/// A date as the records have it.
pub(super) fn yyyymmdd(date: Date) -> i32 {
    i32::from(date.year()) * 10_000 + i32::from(date.month()) * 100 + i32::from(date.day())
}
