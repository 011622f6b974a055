//! One row of a LEAN trade file: `ms_since_midnight,price,size,exchange,conditions,suspicious`.

use crate::decimals::{self, Scale};
use crate::files::{Fault, quoted};
use crate::lean_name::Market;
use crate::local_time;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use ringbuf_layout::units::{MILLISECOND, parse_decimal};
use ringbuf_layout::{Price, Size};

const COLUMNS: [&str; 6] = ["ms", "price", "size", "exchange", "conditions", "suspicious"];
const DAY_MS: i64 = 86_400_000;

/// What a row says. Exchange and conditions are not carried: no stage reads them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Row {
    /// ns UTC.
    pub ts: i64,
    /// Traded price; zero and negative are for `validate` to judge.
    pub price: Price,
    /// Traded size.
    pub size: Size,
    /// The venue doubts the print.
    pub suspicious: bool,
}

/// How the rows of one file are read: its day, its zone, its units.
#[derive(Debug)]
pub(crate) struct RowReader {
    scale: Scale,
    size_digits: u32,
    date: Date,
    zone: TimeZone,
    /// Local midnight, ns UTC.
    midnight: i64,
    /// True if the clock runs through from midnight to midnight, so that a row's time is a sum.
    steady: bool,
}

impl RowReader {
    /// A reader for a file of `date`.
    pub(crate) fn new(market: Market, date: Date, size_digits: u8) -> Result<Self, String> {
        let (zone, scale) = match market {
            Market::Equity => (
                engine::calendar::zone("America/New_York").ok_or("no zone America/New_York")?,
                Scale::TEN_THOUSANDTH,
            ),
            Market::Future => (TimeZone::UTC, Scale::ONE),
        };
        let midnight = local_time::instant(&zone, date.to_datetime(Time::midnight()))?;
        let tomorrow = date.tomorrow().map_err(|e| e.to_string())?;
        let next = local_time::instant(&zone, tomorrow.to_datetime(Time::midnight()))?;
        let steady = next - midnight == DAY_MS * MILLISECOND;
        Ok(Self { scale, size_digits: u32::from(size_digits), date, zone, midnight, steady })
    }

    /// Local midnight, ns UTC: no row is earlier.
    pub(crate) fn midnight(&self) -> i64 {
        self.midnight
    }

    /// Reads one row.
    #[inline]
    pub(crate) fn read(&self, line: &[u8]) -> Result<Row, Fault> {
        let [ms, price, size, _exchange, _conditions, suspicious] = split(line)?;
        let suspicious = match suspicious {
            b"0" | b"" => false,
            b"1" => true,
            other => {
                return Err(Fault::new("suspicious", format!("{} is not 0 or 1", quoted(other))));
            }
        };
        Ok(Row {
            ts: self.time(ms)?,
            price: self
                .scale
                .price(price)
                .map_err(|error| decimals::fault("price", price, error))?,
            size: parse_decimal(size, self.size_digits)
                .map(Size)
                .map_err(|error| decimals::fault("size", size, error))?,
            suspicious,
        })
    }

    #[inline]
    fn time(&self, text: &[u8]) -> Result<i64, Fault> {
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

/// The six columns of a row.
#[inline]
fn split(line: &[u8]) -> Result<[&[u8]; 6], Fault> {
    let mut columns = [&line[..0]; 6];
    let (mut start, mut count) = (0, 0);
    for (at, byte) in line.iter().enumerate() {
        if *byte == b',' {
            if count == 5 {
                return Err(wrong_count(line));
            }
            columns[count] = &line[start..at];
            (start, count) = (at + 1, count + 1);
        }
    }
    if count != 5 {
        return Err(wrong_count(line));
    }
    columns[5] = &line[start..];
    Ok(columns)
}

#[cold]
fn wrong_count(line: &[u8]) -> Fault {
    let count = memchr::memchr_iter(b',', line).count() + 1;
    let first_missing = COLUMNS.get(count).copied().unwrap_or_default();
    let plural = if count == 1 { "" } else { "s" };
    Fault::new(
        first_missing,
        format!("the row has {count} column{plural} instead of {}", COLUMNS.join(",")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    fn equity(day: Date) -> RowReader {
        RowReader::new(Market::Equity, day, 0).unwrap()
    }

    fn ns(text: &str) -> i64 {
        text.parse::<jiff::Timestamp>().unwrap().as_nanosecond() as i64
    }

    #[test]
    fn equity_prices_are_ten_thousandths_and_times_new_york() {
        let row = equity(date(2013, 10, 7)).read(b"14400464,1674100,100,P,20002000,0").unwrap();
        assert_eq!(row.ts, ns("2013-10-07T08:00:00.464Z"));
        assert_eq!(
            (row.price.to_string().as_str(), row.size, row.suspicious),
            ("167.41", Size(100), false)
        );
        let row = equity(date(2013, 12, 2)).read(b"14400464,1674100.5,100.0,P,,1").unwrap();
        assert_eq!(row.ts, ns("2013-12-02T09:00:00.464Z"));
        assert_eq!(
            (row.price.to_string().as_str(), row.size, row.suspicious),
            ("167.41005", Size(100), true)
        );
    }

    #[test]
    fn future_prices_are_plain_and_times_utc() {
        let reader = RowReader::new(Market::Future, date(2013, 10, 7), 0).unwrap();
        let row = reader.read(b"4933381,1313.8,0,usa,,0").unwrap();
        assert_eq!(row.ts, ns("2013-10-07T01:22:13.381Z"));
        assert_eq!((row.price.to_string().as_str(), row.size), ("1313.8", Size(0)));
    }

    #[test]
    fn milliseconds_count_on_the_wall_clock_on_days_of_a_change() {
        let check = |day, ms: i64, expected: &str| {
            let row = equity(day).read(format!("{ms},10000,1,P,,0").as_bytes()).unwrap();
            assert_eq!(row.ts, ns(expected), "{day} {ms}");
        };
        let half_past_nine = 34_200_000;
        check(date(2013, 3, 8), half_past_nine, "2013-03-08T14:30:00Z");
        check(date(2013, 3, 10), half_past_nine, "2013-03-10T13:30:00Z");
        check(date(2013, 3, 10), 3_600_000, "2013-03-10T06:00:00Z");
        check(date(2013, 11, 3), half_past_nine, "2013-11-03T14:30:00Z");
        // 01:30 came twice: the earlier one.
        check(date(2013, 11, 3), 5_400_000, "2013-11-03T05:30:00Z");
        check(date(2013, 11, 3), 86_399_999, "2013-11-04T04:59:59.999Z");
        let skipped = equity(date(2013, 3, 10)).read(b"9000000,10000,1,P,,0").unwrap_err();
        assert_eq!(skipped.column, "ms");
        assert!(skipped.what.contains("does not exist"), "{}", skipped.what);
    }

    #[test]
    fn a_bad_field_is_named_by_its_column() {
        let check = |line: &str, column: &str, what: &str| {
            let fault = equity(date(2013, 10, 7)).read(line.as_bytes()).unwrap_err();
            assert_eq!(fault.column, column, "{line}");
            assert!(fault.what.contains(what), "{line}: {}", fault.what);
        };
        check("1,abc,1,P,,0", "price", "`abc` is not a decimal number");
        check("1,,1,P,,0", "price", "empty");
        check("1,1.000001,1,P,,0", "price", "more decimal digits");
        check("1,99999999999999,1,P,,0", "price", "too large");
        check("1,1,1.5,P,,0", "size", "more decimal digits");
        check("x,1,1,P,,0", "ms", "`x`");
        check("-1,1,1,P,,0", "ms", "time of day");
        check("86400000,1,1,P,,0", "ms", "time of day");
        check("1,1,1,P,,2", "suspicious", "not 0 or 1");
        check("1,1,1,P", "conditions", "4 columns");
        check("1", "price", "1 column instead");
        check("1,1,1,P,,0,7", "", "7 columns");
    }

    #[test]
    fn zero_and_negative_values_are_passed_on_for_validate_to_judge() {
        let reader = equity(date(2013, 10, 7));
        let row = reader.read(b"0,-5,-7,,,").unwrap();
        assert_eq!((row.price, row.size), (Price(-500_000), Size(-7)));
        let row = reader.read(b"0,0,0,,,0").unwrap();
        assert_eq!((row.price, row.size), (Price(0), Size(0)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_row_or_a_fault(
            line in proptest::collection::vec(any::<u8>(), 0..60),
            shaped in "[0-9.,x-]{0,40}",
        ) {
            for day in [date(2013, 10, 7), date(2013, 3, 10)] {
                let _ = equity(day).read(&line);
                let _ = equity(day).read(shaped.as_bytes());
            }
        }

        #[test]
        fn a_mutated_row_is_a_row_or_a_fault(at in 0_usize..33, byte in any::<u8>()) {
            let mut line = *b"14400464,1674100,100,P,20002000,0";
            line[at] = byte;
            let _ = equity(date(2013, 11, 3)).read(&line);
        }
    }
}
