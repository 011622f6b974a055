//! The day that the rows of a LEAN file count from: milliseconds since the midnight of its zone.

use crate::decimals;
use crate::files::{Fault, quoted};
use crate::local_time;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use ringbuf_layout::units::{MILLISECOND, parse_decimal};

const DAY_MS: i64 = 86_400_000;

/// A date in a zone.
#[derive(Debug)]
pub(crate) struct Day {
    date: Date,
    zone: TimeZone,
    /// Local midnight, ns UTC.
    midnight: i64,
    /// True if the clock runs through from midnight to midnight, so that a row's time is a sum.
    steady: bool,
}

impl Day {
    pub(crate) fn new(date: Date, zone: TimeZone) -> Result<Self, String> {
        let midnight = local_time::instant(&zone, date.to_datetime(Time::midnight()))?;
        let tomorrow = date.tomorrow().map_err(|e| e.to_string())?;
        let next = local_time::instant(&zone, tomorrow.to_datetime(Time::midnight()))?;
        let steady = next - midnight == DAY_MS * MILLISECOND;
        Ok(Self { date, zone, midnight, steady })
    }

    /// Local midnight, ns UTC: no row is earlier.
    pub(crate) fn midnight(&self) -> i64 {
        self.midnight
    }

    /// The instant of a row's first column, ns UTC.
    #[inline]
    pub(crate) fn time(&self, text: &[u8]) -> Result<i64, Fault> {
        // Six digits below the millisecond: some files have fractions, and they are exact in ns.
        let ns = parse_decimal(text, 6).map_err(|error| decimals::fault("ms", text, error))?;
        if !(0..DAY_MS * MILLISECOND).contains(&ns) {
            let what = format!("{} is not a time of day in milliseconds", quoted(text));
            return Err(Fault::new("ms", what));
        }
        if self.steady {
            return Ok(self.midnight + ns);
        }
        self.time_of_a_changing_clock(ns)
    }

    /// Milliseconds count on the wall clock, so on the day of a change they are no plain sum.
    #[cold]
    fn time_of_a_changing_clock(&self, ns: i64) -> Result<i64, Fault> {
        let wall = jiff::SignedDuration::from_nanos(ns);
        self.date
            .to_datetime(Time::midnight())
            .checked_add(wall)
            .map_err(|e| e.to_string())
            .and_then(|wall| local_time::instant(&self.zone, wall))
            .map_err(|what| Fault::new("ms", what))
    }
}
