//! `lean-trade`: trade ticks, `ms_since_midnight,price,size,exchange,conditions,suspicious`.
//!
//! A `suspicious` 1 is [`TRADE_SUSPICIOUS`]. The conditions of an equity are LEAN's `TradeConditionFlags`, 32 bits in
//! hexadecimal ([`lean_conditions`]); other markets have none that are known. Exchanges are not carried.

use crate::decimals::{self, Scale};
use crate::files::{Fault, quoted};
use crate::lean_conditions;
use crate::lean_day::Day;
use crate::lean_merge;
use crate::lean_name::{Kind, LeanName, Market, Resolution};
use ringbuf_layout::names::TRADE_SUSPICIOUS;
use ringbuf_layout::units::parse_decimal;
use ringbuf_layout::{Conditions, Frame, InputCell, Price, Size, Tail, Trade};

const COLUMNS: [&str; 6] = ["ms", "price", "size", "exchange", "conditions", "suspicious"];

/// What a row says. Exchanges are not carried: no stage reads them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Row {
    /// ns UTC.
    pub ts: i64,
    /// Traded price; zero and negative are for `validate` to judge.
    pub price: Price,
    /// Traded size.
    pub size: Size,
    /// How the print came about.
    pub conditions: Conditions,
    /// The venue doubts the print.
    pub suspicious: bool,
}

/// How the rows of one file are read: its day, its zone, its units.
#[derive(Debug)]
pub(crate) struct TradeRows {
    day: Day,
    scale: Scale,
    size_digits: u32,
    /// The conditions are those of an equity.
    has_conditions: bool,
}

impl lean_merge::RowReader for TradeRows {
    type Row = Row;
    const FORMAT: &'static str = "lean-trade";
    const SHAPES: (&'static str, &'static str) = (
        "trade ticks",
        "`YYYYMMDD_symbol_Trade_Tick.csv` (equity), `YYYYMMDD_root_tick_trade_YYYYMM.csv` (future) \
         and `YYYYMMDD_symbol_tick_trade.csv` (forex, cfd, crypto)",
    );

    fn new(name: &LeanName, size_digits: u8) -> Option<Result<Self, String>> {
        (name.resolution == Resolution::Tick && name.kind == Kind::Trade).then(|| {
            let day = name.market.day(name.date)?;
            let size_digits = u32::from(size_digits);
            let has_conditions = name.market == Market::Equity;
            Ok(Self { day, scale: name.market.scale(), size_digits, has_conditions })
        })
    }

    fn midnight(&self) -> i64 {
        self.day.midnight()
    }

    #[inline]
    fn read(&mut self, line: &[u8]) -> Result<Row, Fault> {
        let Some(([ms, price, size, _exchange, conditions, suspicious], 6)) = split::<6>(line)
        else {
            return Err(wrong_count(line, &COLUMNS));
        };
        Ok(Row {
            ts: self.day.time(ms)?,
            price: self
                .scale
                .price(price)
                .map_err(|error| decimals::fault("price", price, error))?,
            size: parse_decimal(size, self.size_digits)
                .map(Size)
                .map_err(|error| decimals::fault("size", size, error))?,
            conditions: if self.has_conditions {
                lean_conditions::parse(conditions)?
            } else {
                Conditions::NONE
            },
            suspicious: is_suspicious(suspicious)?,
        })
    }

    #[inline]
    fn ts(row: &Row) -> i64 {
        row.ts
    }

    #[inline]
    fn put(row: &Row, instrument: u32, cell: &mut InputCell) {
        cell.put(&Trade {
            head: Trade::header(row.ts, row.ts),
            price: row.price,
            size: row.size,
            source_seq: Trade::with_conditions(row.conditions),
            tail: Tail {
                instrument,
                flags: if row.suspicious { TRADE_SUSPICIOUS } else { 0 },
                ..Tail::default()
            },
        });
    }
}

/// The last column of a tick.
#[inline]
pub(crate) fn is_suspicious(text: &[u8]) -> Result<bool, Fault> {
    match text {
        b"0" | b"" => Ok(false),
        b"1" => Ok(true),
        other => Err(Fault::new("suspicious", format!("{} is not 0 or 1", quoted(other)))),
    }
}

/// The columns of a row and how many there are; `None` if there are more than `N`.
#[inline]
pub(crate) fn split<const N: usize>(line: &[u8]) -> Option<([&[u8]; N], usize)> {
    let mut columns = [&line[..0]; N];
    let (mut start, mut count) = (0, 0);
    for (at, byte) in line.iter().enumerate() {
        if *byte == b',' {
            if count == N - 1 {
                return None;
            }
            columns[count] = &line[start..at];
            (start, count) = (at + 1, count + 1);
        }
    }
    columns[count] = &line[start..];
    Some((columns, count + 1))
}

#[cold]
pub(crate) fn wrong_count(line: &[u8], columns: &[&str]) -> Fault {
    let count = memchr::memchr_iter(b',', line).count() + 1;
    let first_missing = columns.get(count).copied().unwrap_or_default();
    let plural = if count == 1 { "" } else { "s" };
    Fault::new(
        first_missing,
        format!("the row has {count} column{plural} instead of {}", columns.join(",")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lean_merge::RowReader as _;
    use crate::lean_name::Market;
    use jiff::civil::{Date, date};
    use proptest::prelude::*;

    fn reader(market: Market, date: Date) -> TradeRows {
        let (resolution, kind) = (Resolution::Tick, Kind::Trade);
        let name = LeanName { date, symbol: "X".to_string(), market, resolution, kind };
        TradeRows::new(&name, 0).unwrap().unwrap()
    }

    fn equity(date: Date) -> TradeRows {
        reader(Market::Equity, date)
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
        let mut reader = reader(Market::Future, date(2013, 10, 7));
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
        check("1,1,1,P,xyz,0", "conditions", "`xyz` is no hexadecimal number of 32 bits");
        check("1,1,1,P,,2", "suspicious", "not 0 or 1");
        check("1,1,1,P", "conditions", "4 columns");
        check("1", "price", "1 column instead");
        check("1,1,1,P,,0,7", "", "7 columns");
    }

    #[test]
    fn zero_and_negative_values_are_passed_on_for_validate_to_judge() {
        let mut reader = equity(date(2013, 10, 7));
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
