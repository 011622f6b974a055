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
    /// Milliseconds of 13 digits or microseconds of 16 since 1970 UTC.
    ThirteenOrSixteen,
    /// Text in one of several formats, in a zone.
    Text {
        /// `strptime` formats.
        formats: Vec<String>,
        /// Zone of texts that carry no offset.
        zone: TimeZone,
    },
}

impl Clock {
    /// The clock of a unit; a format and a zone only for text.
    pub(crate) fn new(unit: TimeUnit, formats: &[String], zone: &str) -> Result<Self, String> {
        Ok(match unit {
            TimeUnit::Seconds => Self::Number(9),
            TimeUnit::Milliseconds => Self::Number(6),
            TimeUnit::Microseconds => Self::Number(3),
            // A column that is a time by its type comes as nanoseconds.
            TimeUnit::Nanoseconds | TimeUnit::Typed => Self::Number(0),
            TimeUnit::MillisecondsOrMicroseconds => Self::ThirteenOrSixteen,
            TimeUnit::Text if formats.is_empty() || formats.iter().any(String::is_empty) => {
                return Err("text times need a `ts_format`".to_string());
            }
            TimeUnit::Text => Self::Text {
                formats: formats.to_vec(),
                zone: engine::calendar::zone(zone)
                    .ok_or_else(|| format!("there is no time zone {}", quoted(zone.as_bytes())))?,
            },
        })
    }

    /// Unit and zone as text that is the same however the clock was declared.
    pub(crate) fn canonical(&self) -> (String, &str) {
        match self {
            Self::Number(digits) => (format!("1e-{} s", 9 - digits), ""),
            Self::ThirteenOrSixteen => ("1e-3 s or 1e-6 s".to_string(), ""),
            Self::Text { formats, zone } => {
                (formats.join("\n"), zone.iana_name().unwrap_or_default())
            }
        }
    }

    /// The time in `text`, ns UTC.
    pub(crate) fn read(&self, text: &[u8]) -> Result<i64, String> {
        if text.is_empty() {
            return Err("the field is empty".to_string());
        }
        match self {
            Self::Number(digits) => number(text, *digits),
            Self::ThirteenOrSixteen => match text.iter().take_while(|b| b.is_ascii_digit()).count()
            {
                13 => number(text, 6),
                16 => number(text, 3),
                _ => Err(format!(
                    "{} has neither the 13 digits of milliseconds nor the 16 of microseconds",
                    quoted(text)
                )),
            },
            Self::Text { formats, zone } => {
                if let [format] = &formats[..] {
                    return formatted(text, format, zone);
                }
                let mut found: Option<(i64, &str)> = None;
                let mut first = None;
                for format in formats {
                    match (formatted(text, format, zone), found) {
                        (Ok(ns), None) => found = Some((ns, format)),
                        (Ok(ns), Some((other, one))) if ns != other => {
                            return Err(format!(
                                "{} is one time by `{one}` and another by `{format}`",
                                quoted(text)
                            ));
                        }
                        (Err(what), _) => first = first.or(Some(what)),
                        (Ok(_), Some(_)) => {}
                    }
                }
                found.map(|(ns, _)| ns).ok_or_else(|| first.unwrap_or_default())
            }
        }
    }
}

fn number(text: &[u8], digits: u32) -> Result<i64, String> {
    match parse_decimal(text, digits) {
        Ok(ns) => within_reason(i128::from(ns)),
        Err(DecimalError::TooLarge) => within_reason(i128::MAX),
        Err(error) => Err(format!("{} {error}", quoted(text))),
    }
}

/// A text that fits a format as a whole.
fn formatted(text: &[u8], format: &str, zone: &TimeZone) -> Result<i64, String> {
    let parts = BrokenDownTime::parse(format, text)
        .map_err(|e| format!("{} does not match the format `{format}`: {e}", quoted(text)))?;
    // An offset or `%s` in the text says the instant itself.
    if parts.offset().is_some() || parts.timestamp().is_some() {
        let stamp = parts.to_timestamp().map_err(|e| e.to_string())?;
        return within_reason(stamp.as_nanosecond());
    }
    instant(zone, parts.to_datetime().map_err(|e| e.to_string())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOON_NS: i64 = 1_381_147_200_123_456_789; // 2013-10-07T12:00:00.123456789Z

    fn text(format: &str, zone: &str) -> Clock {
        Clock::new(TimeUnit::Text, &[format.to_string()], zone).unwrap()
    }

    #[test]
    fn numbers_are_exact_in_every_unit() {
        let check = |unit, input: &str, expected| {
            let clock = Clock::new(unit, &[], "").unwrap();
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
        let seconds = Clock::new(TimeUnit::Seconds, &[], "").unwrap();
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
        assert!(Clock::new(TimeUnit::Text, &[], "UTC").is_err());
        let formats = ["%s".to_string()];
        let problem = Clock::new(TimeUnit::Text, &formats, "Mars/Olympus").unwrap_err();
        assert!(problem.contains("Mars"));
    }

    #[test]
    fn of_several_formats_the_one_that_fits_the_whole_text_counts_and_two_meanings_are_an_error() {
        let clock = |formats: &[&str]| {
            let formats: Vec<_> = formats.iter().map(ToString::to_string).collect();
            Clock::new(TimeUnit::Text, &formats, "Asia/Jerusalem").unwrap()
        };
        let styles = clock(&["%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M"]);
        let check = |input: &str, expected: &str| {
            let expected: jiff::Timestamp = expected.parse().unwrap();
            let ns = i64::try_from(expected.as_nanosecond()).unwrap();
            assert_eq!(styles.read(input.as_bytes()), Ok(ns), "{input}");
        };
        check("29/06/2020 01:30:00", "2020-06-28T22:30:00Z");
        check("1/7/2020 1:30", "2020-06-30T22:30:00Z");
        check("31/12/2020 23:30", "2020-12-31T21:30:00Z");
        assert!(styles.read(b"1/7/2020 1:30 x").unwrap_err().contains("does not match"));
        assert!(styles.read(b"1/13/2020 1:30").is_err());
        let unsure = clock(&["%d/%m/%Y", "%m/%d/%Y"]);
        assert!(unsure.read(b"05/06/2020").unwrap_err().contains("one time by"));
    }

    #[test]
    fn milliseconds_and_microseconds_are_told_apart_by_their_digits() {
        let clock = Clock::new(TimeUnit::MillisecondsOrMicroseconds, &[], "").unwrap();
        assert_eq!(clock.read(b"1381147200123"), Ok(NOON_NS - 456_789));
        assert_eq!(clock.read(b"1381147200123456"), Ok(NOON_NS - 789));
        for text in ["1381147200", "138114720012345", "1381147200123456789", "x"] {
            assert!(clock.read(text.as_bytes()).unwrap_err().contains("13 digits"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_time_or_an_error(
            input in proptest::collection::vec(any::<u8>(), 0..40),
            shaped in "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}",
            format in "[%YmdHMSzsfQ.: -]{0,12}",
        ) {
            for unit in [TimeUnit::Seconds, TimeUnit::Nanoseconds] {
                let _ = Clock::new(unit, &[], "").unwrap().read(&input);
            }
            let _ = text("%Y-%m-%d %H:%M", "Europe/Berlin").read(shaped.as_bytes());
            if let Ok(clock) = Clock::new(TimeUnit::Text, &[format], "Asia/Tokyo") {
                let _ = clock.read(&input);
                let _ = clock.read(shaped.as_bytes());
            }
        }
    }
}
