//! Time features, from the bar's own instant in the venue's local time, never from a clock.

use ringbuf_layout::units::SECOND;

/// Seconds in a day.
const DAY_S: i64 = 86_400;

/// Where in its day and week an instant lies, in the venue's local time.
#[derive(Clone, Copy, Debug)]
pub struct LocalTime {
    /// sin(2π h / 24), h the fractional hour, 0 ≤ h < 24.
    pub hour_sin: f64,
    /// cos(2π h / 24).
    pub hour_cos: f64,
    /// 0 Monday … 6 Sunday, of the calendar date: at midnight, of the day that begins.
    pub weekday: f64,
}

impl LocalTime {
    /// The instant `ts` (ns UTC) where local time is `utc_offset_s` seconds east of UTC.
    pub fn new(ts: i64, utc_offset_s: i32) -> Self {
        // Seconds first: a sum in nanoseconds could leave an i64.
        let seconds = ts.div_euclid(SECOND) + i64::from(utc_offset_s);
        let second_of_day = seconds.rem_euclid(DAY_S) as f64;
        let fraction = ts.rem_euclid(SECOND) as f64 / SECOND as f64;
        let hour = (second_of_day + fraction) / 3_600.0;
        let angle = 2.0 * core::f64::consts::PI * hour / 24.0;
        // 1970-01-01 was a Thursday.
        let weekday = (seconds.div_euclid(DAY_S) + 3).rem_euclid(7);
        Self { hour_sin: libm::sin(angle), hour_cos: libm::cos(angle), weekday: weekday as f64 }
    }
}
