//! Rows of the deciding stages: indicator, matrix, synergy, decision, risk, order, fill.

use super::Cell;
use super::rows::{Symbols, money, price, text};
use engine::indicators::matrices::MATRICES;
use engine::indicators::{Feature, Features};
use ringbuf_layout::input::text_of;
use ringbuf_layout::names::{
    Action, DecisionReason, Liquidity, OrderReason, OrderState, OrderType, PolicyCode, RiskReasons,
    TimeInForce,
};
use ringbuf_layout::{Decision, Fill, Indicator, Matrix, Money, Order, Risk, Side, Size, Synergy};

/// A row of features.
pub fn indicator(record: &Indicator, symbols: &Symbols) -> Vec<Cell> {
    let features = Features::from(record);
    let mut row = vec![
        Cell::Int(record.head.seq as i64),
        symbols.symbol(record.tail.instrument),
        Cell::Int(i64::from(record.timeframe_s)),
        Cell::Int(record.ts_close),
    ];
    let values = Feature::ALL.into_iter().map(|feature| features.get(feature));
    row.extend(values.map(|value| value.map_or(Cell::Empty, Cell::Float)));
    row
}

/// A row of a matrix: its hash, not its values.
pub fn matrix(record: &Matrix, symbols: &Symbols) -> Vec<Cell> {
    let name = MATRICES.get(record.name as usize).map_or("", |shape| shape.name);
    vec![
        Cell::Int(record.head.seq as i64),
        symbols.symbol(record.tail.instrument),
        text(name),
        Cell::Int(i64::from(record.rows)),
        Cell::Int(i64::from(record.cols)),
        Cell::Text(format!("{:016x}", record.hash)),
    ]
}

/// A row of a completed sequence.
pub fn synergy(record: &Synergy, symbols: &Symbols) -> Vec<Cell> {
    let direction = match record.tail.side {
        side if side == Side::Buy as u8 => Action::Long,
        _ => Action::Short,
    };
    vec![
        Cell::Int(record.head.seq as i64),
        symbols.symbol(record.tail.instrument),
        Cell::Int(record.head.ts_event),
        Cell::Int(i64::from(record.kind)),
        text(direction.name()),
        Cell::Int(i64::from(record.bars_to_complete)),
        Cell::Float(record.strength),
    ]
}

/// An action, and a confidence where there is an action.
fn vote(action: u8, confidence: f64) -> [Cell; 2] {
    Action::from_byte(action)
        .map_or([Cell::Empty, Cell::Empty], |action| [text(action.name()), Cell::Float(confidence)])
}

/// A row of a decision; what nobody said is empty.
pub fn decision(record: &Decision, symbols: &Symbols) -> Vec<Cell> {
    let mut row = vec![
        Cell::Int(record.head.seq as i64),
        symbols.symbol(record.tail.instrument),
        Cell::Int(record.head.ts_event),
    ];
    row.extend(vote(record.action, record.confidence));
    row.extend(vote(record.strategic_action, record.strategic_confidence));
    row.extend(vote(record.tactical_action, record.tactical_confidence));
    let [shadow, shadow_confidence] = vote(record.shadow, record.shadow_confidence);
    let policy = u8::try_from(record.policy).ok().and_then(PolicyCode::from_byte);
    let reason = |code: u16| {
        let code = u8::try_from(code).ok().and_then(DecisionReason::from_byte);
        text(code.map_or("", DecisionReason::name))
    };
    row.extend([shadow, text(policy.map_or("", PolicyCode::name)), reason(record.reason)]);
    row.extend([shadow_confidence, reason(record.shadow_reason)]);
    row
}

/// A row of a verdict.
pub fn risk(record: &Risk, symbols: &Symbols) -> Vec<Cell> {
    let instrument = record.tail.instrument;
    let size = |size: Size| symbols.size(size, instrument);
    // What could not be valued is not there.
    let known = |amount: Money| if amount.0 == i128::MAX { Cell::Empty } else { money(amount) };
    vec![
        Cell::Int(record.head.seq as i64),
        symbols.symbol(instrument),
        Cell::Int(i64::from(record.approved)),
        text(&RiskReasons(record.reason).to_string()),
        size(record.size),
        Cell::Float(record.total_risk),
        Cell::Float(record.position_risk),
        Cell::Float(record.portfolio_risk),
        Cell::Float(record.correlation_risk),
        Cell::Float(record.var),
        Cell::Float(record.kelly),
        text(Side::name(record.tail.side)),
        size(record.target),
        size(record.position),
        size(record.atr_size),
        size(record.instrument_room),
        size(record.gross_room),
        size(record.position_room),
        size(record.loss_room),
        price(record.atr),
        price(record.price),
        money(record.equity),
        money(record.day_loss),
        known(record.gross),
        known(record.at_risk),
    ]
}

/// What an order is called: the epoch, sequence and index at which it was made.
pub fn order_id(epoch: u32, seq: u64, index: u8) -> String {
    format!("{epoch}-{seq}-{index}")
}

/// A row of an order after an event of its life.
pub fn order(record: &Order, symbols: &Symbols) -> Vec<Cell> {
    let instrument = record.tail.instrument;
    let parent = match record.parent_epoch {
        0 => Cell::Empty,
        epoch => Cell::Text(order_id(epoch, record.parent_seq, record.parent_index)),
    };
    let state = OrderState::from_byte(record.state).map_or("", OrderState::name);
    let reason = u8::try_from(record.reason).ok().and_then(OrderReason::from_byte);
    let order_type = OrderType::from_byte(record.order_type).map_or("", OrderType::name);
    let tif = TimeInForce::from_byte(record.tif).map_or("", TimeInForce::name);
    vec![
        Cell::Int(record.head.seq as i64),
        Cell::Text(order_id(record.order_epoch, record.order_seq, record.order_index)),
        parent,
        symbols.symbol(instrument),
        Cell::Int(record.head.ts_event),
        text(Side::name(record.tail.side)),
        text(order_type),
        price(record.price),
        symbols.size(record.qty, instrument),
        symbols.size(record.filled, instrument),
        text(state),
        reason.map_or_else(|| Cell::Text(record.reason.to_string()), |r| text(r.name())),
        price(record.limit_price),
        price(record.stop_price),
        text(tif),
        Cell::Int(i64::from(record.venue)),
        text(text_of(&record.client_id)),
    ]
}

/// A row of an execution.
pub fn fill(record: &Fill, symbols: &Symbols) -> Vec<Cell> {
    let instrument = record.tail.instrument;
    // The paper venue gives no identity: the place in the journal is one.
    let own = format!("{}-{}-{}", record.order_epoch, record.head.seq, record.head.index);
    let exec_id = text_of(&record.exec_id);
    vec![
        Cell::Int(record.head.seq as i64),
        Cell::Text(if exec_id.is_empty() { own } else { exec_id.to_string() }),
        Cell::Text(order_id(record.order_epoch, record.order_seq, record.order_index)),
        symbols.symbol(instrument),
        Cell::Int(record.head.ts_event),
        text(Side::name(record.tail.side)),
        price(record.price),
        symbols.size(record.qty, instrument),
        money(record.fee),
        text(Liquidity::from_byte(record.liquidity).map_or("", Liquidity::name)),
    ]
}
