//! The columns of each record, in the order of the header.

use crate::cli::Record;
use engine::indicators::FEATURES;

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
    ("length", Decimal),
];

const BEFORE_FEATURES: [Column; 4] =
    [("seq", Int), ("symbol", Text), ("timeframe_s", Int), ("ts_close", Int)];

/// A column a feature, in the order of their bits.
const INDICATOR: [Column; BEFORE_FEATURES.len() + FEATURES.len()] = {
    let mut columns = [("", Float); BEFORE_FEATURES.len() + FEATURES.len()];
    let mut i = 0;
    while i < columns.len() {
        columns[i] = match i.checked_sub(BEFORE_FEATURES.len()) {
            None => BEFORE_FEATURES[i],
            Some(feature) => (FEATURES[feature], Float),
        };
        i += 1;
    }
    columns
};

const MATRIX: &[Column] =
    &[("seq", Int), ("symbol", Text), ("name", Text), ("rows", Int), ("cols", Int), ("hash", Text)];

/// With `--values`: a row a cell; `row` 0 is the oldest.
pub const MATRIX_VALUES: &[Column] = &[
    ("seq", Int),
    ("symbol", Text),
    ("name", Text),
    ("row", Int),
    ("column", Text),
    ("value", Float),
];

const SYNERGY: &[Column] = &[
    ("seq", Int),
    ("symbol", Text),
    ("ts", Int),
    ("kind", Int),
    ("direction", Text),
    ("bars_to_complete", Int),
    ("strength", Float),
];

const DECISION: &[Column] = &[
    ("seq", Int),
    ("symbol", Text),
    ("ts", Int),
    ("action", Text),
    ("confidence", Float),
    ("strategic_action", Text),
    ("strategic_confidence", Float),
    ("tactical_action", Text),
    ("tactical_confidence", Float),
    ("shadow", Text),
    ("policy", Text),
    ("reason", Text),
    ("shadow_confidence", Float),
    ("shadow_reason", Text),
];

const RISK: &[Column] = &[
    ("seq", Int),
    ("symbol", Text),
    ("approved", Int),
    ("reason", Text),
    ("size", Decimal),
    ("total_risk", Float),
    ("position_risk", Float),
    ("portfolio_risk", Float),
    ("correlation_risk", Float),
    ("var", Float),
    ("kelly", Float),
    ("side", Text),
    ("target", Decimal),
    ("position", Decimal),
    ("atr_size", Decimal),
    ("instrument_room", Decimal),
    ("gross_room", Decimal),
    ("position_room", Decimal),
    ("loss_room", Decimal),
    ("atr", Decimal),
    ("price", Decimal),
    ("equity", Decimal),
    ("day_loss", Decimal),
    ("gross", Decimal),
    ("at_risk", Decimal),
];

const ORDER: &[Column] = &[
    ("seq", Int),
    ("order_id", Text),
    ("parent_id", Text),
    ("symbol", Text),
    ("ts", Int),
    ("side", Text),
    ("type", Text),
    ("price", Decimal),
    ("qty", Decimal),
    ("filled", Decimal),
    ("state", Text),
    ("reason", Text),
    ("limit_price", Decimal),
    ("stop_price", Decimal),
    ("tif", Text),
    ("venue", Int),
    ("client_id", Text),
];

const FILL: &[Column] = &[
    ("seq", Int),
    ("fill_id", Text),
    ("order_id", Text),
    ("symbol", Text),
    ("ts", Int),
    ("side", Text),
    ("price", Decimal),
    ("qty", Decimal),
    ("fee", Decimal),
    ("liquidity", Text),
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
    ("max_drawdown", Decimal),
];

/// The columns of a record.
pub fn of(record: Record) -> &'static [Column] {
    match record {
        Record::Tick => TICK,
        Record::Bar => BAR,
        Record::Indicator => &INDICATOR,
        Record::Matrix => MATRIX,
        Record::Synergy => SYNERGY,
        Record::Decision => DECISION,
        Record::Risk => RISK,
        Record::Order => ORDER,
        Record::Fill => FILL,
        Record::Portfolio => PORTFOLIO,
    }
}
