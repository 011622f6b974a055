//! The columns of each record, in the order of the header.

use crate::cli::Record;

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    /// A whole number.
    Int,
    /// A text.
    Text,
    /// An exact decimal; in Parquet with nine digits after the point.
    Decimal,
    /// A float.
    Float,
}

/// A column's name and type.
pub type Column = (&'static str, Type);

use Type::{Decimal, Float, Int, Text};

const TICK: &[Column] = &[
    ("seq", Int),
    ("symbol", Text),
    ("ts_event", Int),
    ("ts_recv", Int),
    ("kind", Text),
    ("price", Decimal),
    ("size", Decimal),
    ("side", Text),
    ("bid", Decimal),
    ("ask", Decimal),
    ("bid_size", Decimal),
    ("ask_size", Decimal),
    ("flags", Text),
    ("verdict", Text),
];

const BAR: &[Column] = &[
    ("seq", Int),
    ("symbol", Text),
    ("timeframe_s", Int),
    ("ts_open", Int),
    ("ts_close", Int),
    ("open", Decimal),
    ("high", Decimal),
    ("low", Decimal),
    ("close", Decimal),
    ("volume", Decimal),
    ("ticks", Int),
    ("flags", Text),
    ("bar_type", Text),
    ("ts_first", Int),
    ("ts_last", Int),
    ("vwap", Decimal),
    ("micro_count", Int),
    ("micro_vwap", Decimal),
    ("micro_change", Decimal),
    ("micro_volatility", Float),
];

const PORTFOLIO: &[Column] = &[
    ("seq", Int),
    ("ts", Int),
    ("symbol", Text),
    ("position", Decimal),
    ("avg_price", Decimal),
    ("realized_pnl", Decimal),
    ("unrealized_pnl", Decimal),
    ("cash", Decimal),
    ("equity", Decimal),
];

/// The columns of a record.
pub fn of(record: Record) -> &'static [Column] {
    match record {
        Record::Tick => TICK,
        Record::Bar => BAR,
        Record::Portfolio => PORTFOLIO,
    }
}
