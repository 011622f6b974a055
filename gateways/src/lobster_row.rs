//! The rows of LOBSTER's two files.
//!
//! A message: `time,type,order_id,size,price,direction`; time in seconds after midnight in New York, price
//! × 10,000, direction that of the *resting* order. A book: `ask price,ask size,bid price,bid size` for each
//! level, best first, as it stands after the message of the same row; the price of an empty level is
//! ±9999999999.

use crate::decimals::{self, Scale};
use crate::depth_window::Level;
use crate::files::{Fault, quoted};
use crate::local_time;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use ringbuf_layout::names::SourceState;
use ringbuf_layout::units::{SECOND, parse_decimal};
use ringbuf_layout::{Price, Side, Size};

const COLUMNS: [&str; 6] = ["time", "type", "order_id", "size", "price", "direction"];
const DAY: i64 = 86_400 * SECOND;

/// What a message says that the engine is told of; orders themselves show in the book.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Message {
    /// An order came, shrank or went.
    Order,
    /// An execution, of a visible or a hidden order.
    Trade { price: Price, size: Size, aggressor: Side },
    /// The print of a cross, such as an auction.
    Cross { price: Price, size: Size },
    /// Trading is halted, or goes on.
    Status(SourceState),
}

/// How the rows of one day are read.
#[derive(Debug)]
pub(crate) struct RowReader {
    size_digits: u32,
    date: Date,
    zone: TimeZone,
    /// Local midnight, ns UTC.
    midnight: i64,
    /// True if the clock runs through from midnight to midnight, so that a row's time is a sum.
    steady: bool,
}

impl RowReader {
    pub(crate) fn new(date: Date, size_digits: u8) -> Result<Self, String> {
        let zone = TimeZone::get("America/New_York").map_err(|e| e.to_string())?;
        let midnight = local_time::instant(&zone, date.to_datetime(Time::midnight()))?;
        let tomorrow = date.tomorrow().map_err(|e| e.to_string())?;
        let next = local_time::instant(&zone, tomorrow.to_datetime(Time::midnight()))?;
        let (size_digits, steady) = (u32::from(size_digits), next - midnight == DAY);
        Ok(Self { size_digits, date, zone, midnight, steady })
    }

    /// Local midnight, ns UTC: no row is earlier.
    pub(crate) fn midnight(&self) -> i64 {
        self.midnight
    }

    /// Time, ns UTC, and content of a message.
    pub(crate) fn message(&self, line: &[u8]) -> Result<(i64, Message), Fault> {
        let mut columns = [&line[..0]; 6];
        let mut count = 0;
        for column in line.split(|byte| *byte == b',') {
            if let Some(place) = columns.get_mut(count) {
                *place = column;
            }
            count += 1;
        }
        if count != COLUMNS.len() {
            let expected = COLUMNS.join(",");
            return Err(Fault::new("", format!("the row has {count} columns, not {expected}")));
        }
        let [time, kind, _, size, price, direction] = columns;
        let ts = self.time(time)?;
        let resting = match direction {
            b"1" => Side::Buy,
            b"-1" => Side::Sell,
            other => {
                return Err(Fault::new("direction", format!("{} is not 1 or -1", quoted(other))));
            }
        };
        let print = || {
            let price = Scale::TEN_THOUSANDTH
                .price(price)
                .map_err(|error| decimals::fault("price", price, error))?;
            Ok((price, self.size("size", size)?))
        };
        let message = match kind {
            b"1" | b"2" | b"3" => Message::Order,
            b"4" | b"5" => {
                let (price, size) = print()?;
                let aggressor = if resting == Side::Buy { Side::Sell } else { Side::Buy };
                Message::Trade { price, size, aggressor }
            }
            b"6" => {
                let (price, size) = print()?;
                Message::Cross { price, size }
            }
            b"7" => Message::Status(match price {
                b"-1" => SourceState::Halt,
                b"0" => SourceState::Quoting,
                b"1" => SourceState::Resume,
                other => {
                    let what = format!("{} is not -1, 0 or 1, as of a halt", quoted(other));
                    return Err(Fault::new("price", what));
                }
            }),
            other => return Err(Fault::new("type", format!("{} is not 1 to 7", quoted(other)))),
        };
        Ok((ts, message))
    }

    /// The best levels of a book row, at most `depth` a side, into `bids` and `asks`.
    pub(crate) fn book(
        &self,
        line: &[u8],
        levels: usize,
        depth: usize,
        bids: &mut Vec<Level>,
        asks: &mut Vec<Level>,
    ) -> Result<(), Fault> {
        bids.clear();
        asks.clear();
        let mut columns = line.split(|byte| *byte == b',');
        let mut count = 0;
        let mut next = || columns.next().inspect(|_| count += 1);
        for level in 0..levels.min(depth) {
            let [Some(ask), Some(ask_size), Some(bid), Some(bid_size)] =
                [next(), next(), next(), next()]
            else {
                break;
            };
            self.level(level, (ask, ask_size), b"9999999999", Side::Sell, asks)?;
            self.level(level, (bid, bid_size), b"-9999999999", Side::Buy, bids)?;
        }
        while next().is_some() {}
        if count == 4 * levels {
            return Ok(());
        }
        Err(Fault::new("", format!("the row has {count} columns instead of 4 for {levels} levels")))
    }

    fn level(
        &self,
        level: usize,
        (price, size): (&[u8], &[u8]),
        empty: &[u8],
        side: Side,
        out: &mut Vec<Level>,
    ) -> Result<(), Fault> {
        if price == empty {
            return Ok(());
        }
        let column = || {
            let side = if side == Side::Sell { "ask" } else { "bid" };
            format!("{side} of level {}", level + 1)
        };
        let price = Scale::TEN_THOUSANDTH
            .price(price)
            .map_err(|error| decimals::fault(&column(), price, error))?;
        let size = self.size(&column(), size)?;
        let is_behind = |best: &Level| match side {
            Side::Sell => best.0 < price.0,
            _ => best.0 > price.0,
        };
        if price.0 <= 0 || size.0 <= 0 || !out.last().is_none_or(is_behind) {
            let what = format!("{} at {price} is no level behind those before it", size.0);
            return Err(Fault::new(column(), what));
        }
        out.push((price.0, size.0));
        Ok(())
    }

    fn size(&self, column: &str, text: &[u8]) -> Result<Size, Fault> {
        parse_decimal(text, self.size_digits)
            .map(Size)
            .map_err(|error| decimals::fault(column, text, error))
    }

    fn time(&self, text: &[u8]) -> Result<i64, Fault> {
        let ns = parse_decimal(text, 9).map_err(|error| decimals::fault("time", text, error))?;
        if !(0..DAY).contains(&ns) {
            let what = format!("{} is not a time of day in seconds", quoted(text));
            return Err(Fault::new("time", what));
        }
        if self.steady {
            return Ok(self.midnight + ns);
        }
        // Seconds count on the wall clock, so on the day of a change they are no plain sum.
        self.date
            .to_datetime(Time::midnight())
            .checked_add(jiff::SignedDuration::from_nanos(ns))
            .map_err(|e| e.to_string())
            .and_then(|wall| local_time::instant(&self.zone, wall))
            .map_err(|what| Fault::new("time", what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    fn reader() -> RowReader {
        RowReader::new(date(2012, 6, 21), 0).unwrap()
    }

    #[test]
    fn times_are_of_new_york_to_the_nanosecond_and_the_aggressor_is_the_other_side() {
        let (ts, message) = reader().message(b"34200.017459617,4,5,21,5859100,-1").unwrap();
        let expected: jiff::Timestamp = "2012-06-21T13:30:00.017459617Z".parse().unwrap();
        assert_eq!(i128::from(ts), expected.as_nanosecond());
        let price = Price(585_910_000_000);
        assert_eq!(message, Message::Trade { price, size: Size(21), aggressor: Side::Buy });
        let (_, message) = reader().message(b"34200,5,0,1,5859150,1").unwrap();
        let price = Price(585_915_000_000);
        assert_eq!(message, Message::Trade { price, size: Size(1), aggressor: Side::Sell });
    }

    #[test]
    fn every_type_is_what_the_documentation_says() {
        let check = |row: &str, expected| {
            assert_eq!(reader().message(row.as_bytes()).unwrap().1, expected, "{row}");
        };
        for kind in [1, 2, 3] {
            check(&format!("1.5,{kind},7,100,10000,1"), Message::Order);
        }
        check(
            "1.5,6,-1,100,10000,-1",
            Message::Cross { price: Price(1_000_000_000), size: Size(100) },
        );
        check("1.5,7,0,0,-1,-1", Message::Status(SourceState::Halt));
        check("1.5,7,0,0,0,-1", Message::Status(SourceState::Quoting));
        check("1.5,7,0,0,1,-1", Message::Status(SourceState::Resume));
    }

    #[test]
    fn a_bad_field_is_named_by_its_column() {
        let check = |row: &str, column: &str| {
            assert_eq!(reader().message(row.as_bytes()).unwrap_err().column, column, "{row}");
        };
        check("1.5,8,7,100,10000,1", "type");
        check("86400,4,7,100,10000,1", "time");
        check("1.5,4,7,1.5,10000,1", "size");
        check("1.5,4,7,1,0.000001,1", "price");
        check("1.5,4,7,1,1,0", "direction");
        check("1.5,7,0,0,2,-1", "price");
        check("1.5,4,7,1,1", "");
        check("1.5,4,7,1,1,1,", "");
    }

    fn book(row: &str, levels: usize, depth: usize) -> Result<(Vec<Level>, Vec<Level>), Fault> {
        let (mut bids, mut asks) = (vec![(1, 1)], Vec::new());
        reader().book(row.as_bytes(), levels, depth, &mut bids, &mut asks)?;
        Ok((bids, asks))
    }

    #[test]
    fn empty_levels_are_no_levels_and_levels_behind_the_depth_are_not_read() {
        let tick = 100_000;
        let row = "103,5,101,7,9999999999,0,-9999999999,0";
        assert_eq!(book(row, 2, 2), Ok((vec![(101 * tick, 7)], vec![(103 * tick, 5)])));
        let row = "103,5,101,7,104,x,100,8";
        assert_eq!(book(row, 2, 1), Ok((vec![(101 * tick, 7)], vec![(103 * tick, 5)])));
        assert_eq!(book(row, 2, 2).unwrap_err().column, "ask of level 2");
        assert!(book("103,5,101,7", 2, 2).unwrap_err().what.contains("4 columns instead"));
        let disordered = book("103,5,101,7,103,5,100,1", 2, 2).unwrap_err();
        assert_eq!(disordered.column, "ask of level 2");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_row_or_a_fault(
            line in prop::collection::vec(any::<u8>(), 0..60), shaped in "[0-9.,-]{0,40}",
        ) {
            let (mut bids, mut asks) = (Vec::new(), Vec::new());
            for line in [&line[..], shaped.as_bytes()] {
                let _ = reader().message(line);
                let _ = reader().book(line, 2, 2, &mut bids, &mut asks);
            }
        }
    }
}
