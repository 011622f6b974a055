//! `lean-bar`: bars of a minute or a second.
//!
//! ```text
//! trade  ms,open,high,low,close,volume
//! quote  ms,bid open,high,low,close,size,ask open,high,low,close,size
//! ```
//!
//! The time is the bar's open, so its record comes at its close: a trade bar as an external bar, a
//! quote bar as the quote that it ended with, for a bar of quotes has no one price. An empty side
//! of a quote bar is absent.

use crate::decimals::{self, Scale};
use crate::files::Fault;
use crate::lean_day::Day;
use crate::lean_merge;
use crate::lean_name::{Kind, LeanName, Resolution};
use crate::lean_trade::{split, wrong_count};
use ringbuf_layout::units::{SECOND, parse_decimal};
use ringbuf_layout::{ExternalBar, Frame, InputCell, Price, Quote, Size, Tail};

const TRADE: [&str; 6] = ["ms", "open", "high", "low", "close", "volume"];
const QUOTE: [&str; 11] = [
    "ms",
    "bid_open",
    "bid_high",
    "bid_low",
    "bid_close",
    "bid_size",
    "ask_open",
    "ask_high",
    "ask_low",
    "ask_close",
    "ask_size",
];

/// What a bar leaves.
#[derive(Clone, Copy, Debug)]
enum Bar {
    /// Open, high, low, close.
    Trades { prices: [Price; 4], volume: Size },
    /// Price and size of each side at the end.
    Quotes { bid: (Price, Size), ask: (Price, Size) },
}

/// A bar and its ends, ns UTC.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    open: i64,
    close: i64,
    bar: Bar,
}

/// How the rows of one file are read.
#[derive(Debug)]
pub(crate) struct BarRows {
    day: Day,
    kind: Kind,
    /// ns.
    length: i64,
    scale: Scale,
    size_digits: u32,
}

impl BarRows {
    fn price(&self, name: &str, text: &[u8]) -> Result<Price, Fault> {
        self.scale.price(text).map_err(|error| decimals::fault(name, text, error))
    }

    fn size(&self, name: &str, text: &[u8]) -> Result<Size, Fault> {
        let size = parse_decimal(text, self.size_digits).map(Size);
        size.map_err(|error| decimals::fault(name, text, error))
    }

    /// The closing price and size of a side, from its five columns; all prices must be prices.
    fn side(&self, names: &[&str], columns: &[&[u8]]) -> Result<(Price, Size), Fault> {
        let [open, high, low, close, size] = columns else { unreachable!("Invariant: five") };
        if [open, high, low, close].iter().all(|text| text.is_empty()) {
            return Ok((Price::UNDEFINED, Size(0)));
        }
        let mut last = Price(0);
        for (name, text) in names.iter().zip([open, high, low, close]) {
            last = self.price(name, text)?;
        }
        Ok((last, self.size(names[4], size)?))
    }
}

impl lean_merge::RowReader for BarRows {
    type Row = Row;
    const FORMAT: &'static str = "lean-bar";
    const SHAPES: (&'static str, &'static str) = (
        "bars of a minute or a second",
        "`YYYYMMDD_root_minute_trade_YYYYMM.csv` (future) and `YYYYMMDD_symbol_minute_trade.csv`, \
         `minute` or `second`, `trade` or `quote`",
    );

    fn new(name: &LeanName, size_digits: u8) -> Option<Result<Self, String>> {
        let length = match name.resolution {
            Resolution::Tick => return None,
            Resolution::Second => SECOND,
            Resolution::Minute => 60 * SECOND,
        };
        Some(name.market.day(name.date).map(|day| Self {
            day,
            kind: name.kind,
            length,
            scale: name.market.scale(),
            size_digits: u32::from(size_digits),
        }))
    }

    fn midnight(&self) -> i64 {
        self.day.midnight()
    }

    fn read(&mut self, line: &[u8]) -> Result<Row, Fault> {
        let bar = match (self.kind, split::<11>(line)) {
            (Kind::Trade, Some((columns, 6))) => {
                let mut prices = [Price(0); 4];
                for (at, price) in prices.iter_mut().enumerate() {
                    *price = self.price(TRADE[1 + at], columns[1 + at])?;
                }
                Bar::Trades { prices, volume: self.size(TRADE[5], columns[5])? }
            }
            (Kind::Quote, Some((columns, 11))) => Bar::Quotes {
                bid: self.side(&QUOTE[1..6], &columns[1..6])?,
                ask: self.side(&QUOTE[6..], &columns[6..])?,
            },
            (Kind::Trade, _) => return Err(wrong_count(line, &TRADE)),
            (Kind::Quote, _) => return Err(wrong_count(line, &QUOTE)),
        };
        let first = line.split(|b| *b == b',').next().unwrap_or_default();
        let open = self.day.time(first)?;
        Ok(Row { open, close: open + self.length, bar })
    }

    fn ts(row: &Row) -> i64 {
        row.close
    }

    fn put(row: &Row, instrument: u32, cell: &mut InputCell) {
        let tail = Tail { instrument, ..Tail::default() };
        match row.bar {
            Bar::Trades { prices: [open, high, low, close], volume } => cell.put(&ExternalBar {
                head: ExternalBar::header(row.close, row.close),
                ts_open: row.open,
                volume,
                source_seq: 0,
                tail,
                open,
                high,
                low,
                close,
                timeframe_s: ((row.close - row.open) / SECOND) as u32,
                ticks: 0,
                reserved: [0; 3],
            }),
            Bar::Quotes { bid, ask } => cell.put(&Quote {
                head: Quote::header(row.close, row.close),
                bid: bid.0,
                ask: ask.0,
                source_seq: 0,
                tail,
                bid_size: bid.1,
                ask_size: ask.1,
                reserved: [0; 6],
            }),
        }
    }
}
