//! Wall clocks of a zone as instants, and the time columns of a row.

use crate::files::quoted;
use engine::source::TimeUnit;
use jiff::civil::DateTime;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use ringbuf_layout::units::{DecimalError, parse_decimal};

/// Times from here on are a mistaken unit, not a market: 2200-01-01T00:00:00Z.
const TOO_LATE: i64 = 7_258_118_400 * ringbuf_layout::units::SECOND;

/// The instant of a wall clock, ns UTC. Where the clock was set back and shows a time twice, the
/// earlier one is taken; a time that the clock skipped is an error.
pub(crate) fn instant(zone: &TimeZone, wall: DateTime) -> Result<i64, String> {
    let ambiguous = zone.to_ambiguous_timestamp(wall);
    if let AmbiguousOffset::Gap { .. } = ambiguous.offset() {
        return Err(format!("the local time {wall} does not exist: the clock was set forward"));
    }
    let stamp = ambiguous.earlier().map_err(|e| e.to_string())?;
    within_reason(stamp.as_nanosecond())
}

fn within_reason(ns: i128) -> Result<i64, String> {
    i64::try_from(ns)
        .ok()
        .filter(|ns| (0..TOO_LATE).contains(ns))
        .ok_or_else(|| "the time is not between 1970 and 2200: is the unit right?".to_string())
}

/// How the time columns of a file are read.
#[derive(Debug)]
pub(crate) enum Clock {
    /// A number of units since 1970 UTC; so many digits of it lie before a nanosecond.
    Number(u32),
    /// Text in a format, in a zone.
    Text {
        /// `strptime` format.
        format: Vec<u8>,
        /// Zone of texts that carry no offset.
        zone: TimeZone,
    },
}

impl Clock {
    /// The clock of a unit; a format and a zone only for text.
    pub(crate) fn new(unit: TimeUnit, format: &str, zone: &str) -> Result<Self, String> {
        Ok(match unit {
            TimeUnit::Seconds => Self::Number(9),
            TimeUnit::Milliseconds => Self::Number(6),
            TimeUnit::Microseconds => Self::Number(3),
            TimeUnit::Nanoseconds => Self::Number(0),
            TimeUnit::Text if format.is_empty() => {
                return Err("text times need a `ts_format`".to_string());
            }
            TimeUnit::Text => Self::Text {
                format: format.as_bytes().to_vec(),
                zone: engine::calendar::zone(zone)
                    .ok_or_else(|| format!("there is no time zone {}", quoted(zone.as_bytes())))?,
            },
        })
    }

    /// Unit and zone as text that is the same however the clock was declared.
    pub(crate) fn canonical(&self) -> (String, &str) {
        match self {
            Self::Number(digits) => (format!("1e-{} s", 9 - digits), ""),
            Self::Text { format, zone } => {
                (String::from_utf8_lossy(format).into_owned(), zone.iana_name().unwrap_or_default())
            }
        }
    }

    /// The time in `text`, ns UTC.
    pub(crate) fn read(&self, text: &[u8]) -> Result<i64, String> {
        if text.is_empty() {
            return Err("the field is empty".to_string());
        }
        match self {
            Self::Number(digits) => match parse_decimal(text, *digits) {
                Ok(ns) => within_reason(i128::from(ns)),
                Err(DecimalError::TooLarge) => within_reason(i128::MAX),
                Err(error) => Err(format!("{} {error}", quoted(text))),
            },
            Self::Text { format, zone } => {
                let parts = BrokenDownTime::parse(format, text).map_err(|e| {
                    let format = String::from_utf8_lossy(format);
                    format!("{} does not match the format `{format}`: {e}", quoted(text))
                })?;
                // An offset or `%s` in the text says the instant itself.
                if parts.offset().is_some() || parts.timestamp().is_some() {
                    let stamp = parts.to_timestamp().map_err(|e| e.to_string())?;
                    return within_reason(stamp.as_nanosecond());
                }
                instant(zone, parts.to_datetime().map_err(|e| e.to_string())?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOON_NS: i64 = 1_381_147_200_123_456_789; // 2013-10-07T12:00:00.123456789Z

    fn text(format: &str, zone: &str) -> Clock {
        Clock::new(TimeUnit::Text, format, zone).unwrap()
    }

    #[test]
    fn numbers_are_exact_in_every_unit() {
        let check = |unit, input: &str, expected| {
            let clock = Clock::new(unit, "", "").unwrap();
            assert_eq!(clock.read(input.as_bytes()), Ok(expected), "{input}");
        };
        check(TimeUnit::Nanoseconds, "1381147200123456789", NOON_NS);
        check(TimeUnit::Microseconds, "1381147200123456.789", NOON_NS);
        check(TimeUnit::Milliseconds, "1381147200123", NOON_NS - 456_789);
        check(TimeUnit::Seconds, "1381147200.123456789", NOON_NS);
        check(TimeUnit::Seconds, "1381147200", NOON_NS - 123_456_789);
    }

    #[test]
    fn a_wrong_unit_shows_instead_of_making_times_of_the_year_50000() {
        let seconds = Clock::new(TimeUnit::Seconds, "", "").unwrap();
        for input in ["1381147200123", "1381147200123456789", "-1", "99999999999999999999"] {
            assert!(seconds.read(input.as_bytes()).unwrap_err().contains("unit"), "{input}");
        }
        assert!(seconds.read(b"1381147200.0000000001").unwrap_err().contains("digits"));
        assert!(seconds.read(b"").unwrap_err().contains("empty"));
        assert!(seconds.read(b"7:30").unwrap_err().contains("`7:30`"));
    }

    #[test]
    fn text_times_follow_their_zone_and_its_clock_changes() {
        let clock = text("%Y-%m-%d %H:%M:%S%.f", "America/New_York");
        let check = |input: &str, expected: &str| {
            let expected: jiff::Timestamp = expected.parse().unwrap();
            let ns = i64::try_from(expected.as_nanosecond()).unwrap();
            assert_eq!(clock.read(input.as_bytes()), Ok(ns), "{input}");
        };
        check("2013-10-07 08:00:00.123456789", "2013-10-07T12:00:00.123456789Z");
        check("2013-12-07 08:00:00", "2013-12-07T13:00:00Z");
        // Shown twice: the earlier one.
        check("2013-11-03 01:30:00", "2013-11-03T05:30:00Z");
        check("2013-11-03 02:00:00", "2013-11-03T07:00:00Z");
        // Skipped.
        assert!(clock.read(b"2013-03-10 02:30:00").unwrap_err().contains("does not exist"));
    }

    #[test]
    fn an_offset_in_the_text_wins_over_the_zone() {
        let clock = text("%Y-%m-%dT%H:%M:%S%z", "America/New_York");
        assert_eq!(clock.read(b"2013-10-07T14:00:00+0200"), Ok(NOON_NS - 123_456_789));
        assert_eq!(text("%s", "UTC").read(b"1381147200"), Ok(NOON_NS - 123_456_789));
    }

    #[test]
    fn a_text_clock_needs_a_format_and_a_zone_that_exists() {
        assert!(Clock::new(TimeUnit::Text, "", "UTC").is_err());
        assert!(Clock::new(TimeUnit::Text, "%s", "Mars/Olympus").unwrap_err().contains("Mars"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_time_or_an_error(
            input in proptest::collection::vec(any::<u8>(), 0..40),
            shaped in "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}",
            format in "[%YmdHMSzsfQ.: -]{0,12}",
        ) {
            for unit in [TimeUnit::Seconds, TimeUnit::Nanoseconds] {
                let _ = Clock::new(unit, "", "").unwrap().read(&input);
            }
            let _ = text("%Y-%m-%d %H:%M", "Europe/Berlin").read(shaped.as_bytes());
            if let Ok(clock) = Clock::new(TimeUnit::Text, &format, "Asia/Tokyo") {
                let _ = clock.read(&input);
                let _ = clock.read(shaped.as_bytes());
            }
        }
    }
}
