//! The three stages on a bench: inputs go in by hand, decisions and bars with them, and every output is kept.

use bytemuck::Zeroable;
use engine::config::{Config, Semantic};
use engine::earlier::{
    AfterBar, AfterIndicator, AfterMarl, AfterMatrix, AfterOms, AfterRisk, AfterSynergy,
    AfterValidate,
};
use engine::instrument::InstrumentDef;
use engine::orders::intent::Intent;
use engine::orders::order::Working;
use engine::stage::{Digest, Emit, Stage};
use engine::stages::oms::OmsStage;
use engine::stages::portfolio::PortfolioStage;
use engine::stages::risk::{ATR_FEATURE, RiskStage};
use engine::stages::validate::Validate;
use ringbuf_layout::names::{Command, Exec, OrderReason, OrderState, SessionPhase};
use ringbuf_layout::{
    Bar, BookLevel, Conditions, Decision, Execution, ExecutionReport, Fill, Frame, Heartbeat,
    Indicator, InputCell, LaneReader, LaneWriter, Operator, Order, Portfolio, Price, Quote, Risk,
    RunStart, Session, Side, Size, Slot, SourceStatus, Timer, Trade, VerdictWriter, lane,
    verdict_cell,
};

const SLOTS: usize = 16;
/// One cent.
pub const CENT: i64 = 10_000_000;
/// One millisecond.
pub const MS: i64 = 1_000_000;
/// When a bench begins, and its session with it.
pub const OPEN: i64 = 1_700_000_000_000_000_000;
pub const DAY: i64 = 86_400_000_000_000;

/// What one input brought.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Brought {
    pub risks: Vec<Risk>,
    pub events: Vec<Execution>,
    pub accounts: Vec<Portfolio>,
}

impl Brought {
    pub fn orders(&self) -> Vec<Order> {
        self.events.iter().filter_map(Execution::order).collect()
    }

    pub fn fills(&self) -> Vec<Fill> {
        self.events.iter().filter_map(Execution::fill).collect()
    }

    /// States of the order events, in order.
    pub fn states(&self) -> Vec<OrderState> {
        self.orders().iter().map(|o| OrderState::from_byte(o.state).unwrap()).collect()
    }

    /// State and reason of the order events, in order.
    pub fn why(&self) -> Vec<(&'static str, &'static str)> {
        let words = |o: &Order| {
            let reason = OrderReason::from_byte(o.reason as u8).unwrap().name();
            (OrderState::from_byte(o.state).unwrap().name(), reason)
        };
        self.orders().iter().map(words).collect()
    }

    /// Signed size and price in cents of the fills.
    pub fn trades(&self) -> Vec<(i64, i64)> {
        let trade = |f: &Fill| {
            let sign = if f.tail.side == Side::Sell as u8 { -1 } else { 1 };
            (sign * f.qty.0, f.price.0 / CENT)
        };
        self.fills().iter().map(trade).collect()
    }
}

/// What comes with a timer.
#[derive(Clone, Copy, Debug)]
pub struct Decided {
    pub action: u8,
    pub close: i64,
    pub atr: Option<i64>,
}

struct Ends {
    cells: VerdictWriter,
    bars: LaneWriter<Bar>,
    indicators: LaneWriter<Indicator>,
    decisions: LaneWriter<Decision>,
    risks: LaneWriter<Risk>,
    orders: LaneWriter<Execution>,
    accounts: LaneWriter<Portfolio>,
    accounts_in: LaneReader<Portfolio>,
}

/// The bench.
pub struct Bench {
    pub semantic: Semantic,
    validate: Validate,
    pub risk: RiskStage,
    pub oms: OmsStage,
    pub portfolio: PortfolioStage,
    ends: Ends,
    before_portfolio: AfterOms,
    seq: u64,
    pub now: i64,
    pub history: Vec<Brought>,
}

impl Bench {
    /// A bench of one instrument: tick 0.01, lot 1, multiplier 1, no fee.
    pub fn plain(config: &str) -> Self {
        Self::with(config, &[def("TEST")])
    }

    /// A bench that has started, in the session of its instruments.
    pub fn with(config: &str, defs: &[InstrumentDef]) -> Self {
        let semantic = Config::parse(config, "a test").unwrap_or_else(|p| panic!("{p}")).semantic;
        let (cells, verdict) = verdict_cell();
        let (bars, bars_in) = lane(SLOTS, 4);
        let (indicators, indicators_in) = lane(SLOTS, 4);
        let (_, matrices_in) = lane(SLOTS, 4);
        let (_, synergies_in) = lane(SLOTS, 1);
        let (decisions, decisions_in) = lane(SLOTS, 1);
        let (risks, risks_in) = lane(SLOTS, 1);
        let (orders, orders_in) = lane(SLOTS, 32);
        let (accounts, accounts_in) = lane(SLOTS, 17);
        let after = AfterBar::new(AfterValidate { verdict }, bars_in);
        let after = AfterMatrix::new(AfterIndicator::new(after, indicators_in), matrices_in);
        let after = AfterMarl::new(AfterSynergy::new(after, synergies_in), decisions_in);
        let mut bench = Self {
            validate: Validate::new(&semantic.validate, defs.len()),
            risk: RiskStage::new(&semantic, defs.len()),
            oms: OmsStage::new(&semantic, defs.len()),
            portfolio: PortfolioStage::new(&semantic, defs.len()),
            semantic,
            ends: Ends { cells, bars, indicators, decisions, risks, orders, accounts, accounts_in },
            before_portfolio: AfterOms::new(AfterRisk::new(after, risks_in), orders_in),
            seq: 0,
            now: OPEN,
            history: Vec::new(),
        };
        let start = RunStart { head: RunStart::header(0, 0), epoch: 1, ..RunStart::zeroed() };
        bench.feed(&InputCell::from(&start), None);
        for (number, def) in (0..).zip(defs) {
            bench.feed(&InputCell::from(&def.record(number, 0, 0)), None);
            bench.session(number, SessionPhase::Regular, 20_240_102);
        }
        bench
    }

    /// One input through the stages.
    pub fn feed(&mut self, cell: &InputCell, decided: Option<Decided>) -> Brought {
        let mut cell = *cell;
        cell.head_mut().seq = self.seq;
        self.seq += 1;
        let slot = Slot::holding(&cell);
        let found = self.validate.judge(&slot.input);
        self.ends.cells.write(&slot, found);
        if let Some(top) = self.validate.news().filter(|_| slot.input.is::<BookLevel>()) {
            self.ends.cells.write_top(&slot, top);
        }
        let after = &self.before_portfolio;
        if let Some(decided) = decided {
            decide(&mut self.ends, after, &slot, decided, self.semantic.synergy.fast_s);
        }
        // Each stage in its place, as the decide handler runs them.
        let earlier: &AfterMarl = after;
        let mut out = Emit::new(&mut self.ends.risks, &slot, earlier);
        if !RiskStage::sleeps(&slot, earlier) {
            self.risk.on_input(&slot, earlier, (&self.portfolio, &self.oms), &mut out);
        }
        let earlier: &AfterRisk = after;
        let mut out = Emit::new(&mut self.ends.orders, &slot, earlier);
        self.oms.on_input(&slot, earlier, (&self.risk, &self.portfolio), &mut out);
        let mut out = Emit::new(&mut self.ends.accounts, &slot, after);
        self.portfolio.on_input(&slot, after, (), &mut out);
        let seq = slot.seq();
        let brought = Brought {
            risks: after.risks.read(seq).collect(),
            events: after.orders.read(seq).collect(),
            accounts: self.ends.accounts_in.read(seq).collect(),
        };
        self.history.push(brought.clone());
        brought
    }

    pub fn session(&mut self, instrument: u32, phase: SessionPhase, date: i32) -> Brought {
        self.session_record(instrument, phase, OPEN + DAY, date)
    }

    /// A session that opens now.
    pub fn session_until(&mut self, instrument: u32, close: i64, date: i32) -> Brought {
        self.session_record(instrument, SessionPhase::Regular, close, date)
    }

    fn session_record(
        &mut self,
        instrument: u32,
        phase: SessionPhase,
        close: i64,
        date: i32,
    ) -> Brought {
        let mut session = Session {
            head: Session::header(self.now, self.now),
            open: close - DAY,
            close,
            trading_date: date,
            ..Session::zeroed()
        };
        (session.tail.instrument, session.tail.side) = (instrument, phase as u8);
        self.feed(&InputCell::from(&session), None)
    }

    /// A print, `ms` later, at so many cents.
    pub fn print(&mut self, ms: i64, cents: i64, size: i64) -> Brought {
        self.print_of(0, ms, cents, size)
    }

    pub fn print_of(&mut self, instrument: u32, ms: i64, cents: i64, size: i64) -> Brought {
        self.now += ms * MS;
        let mut trade = Trade {
            head: Trade::header(self.now, self.now),
            price: Price(cents * CENT),
            size: Size(size),
            ..Trade::zeroed()
        };
        trade.tail.instrument = instrument;
        self.feed(&InputCell::from(&trade), None)
    }

    /// A quote: bid and ask as cents and size.
    pub fn quote(&mut self, ms: i64, bid: (i64, i64), ask: (i64, i64)) -> Brought {
        self.now += ms * MS;
        let quote = Quote {
            head: Quote::header(self.now, self.now),
            bid: Price(bid.0 * CENT),
            ask: Price(ask.0 * CENT),
            bid_size: Size(bid.1),
            ask_size: Size(ask.1),
            ..Quote::zeroed()
        };
        self.feed(&InputCell::from(&quote), None)
    }

    /// A fast bar closes at so many cents, and a decision comes with it. The ATR is in cents.
    pub fn decision(&mut self, action: u8, close: i64, atr: i64) -> Brought {
        self.bar_of(0, Decided { action, close: close * CENT, atr: Some(atr * CENT) })
    }

    pub fn bar_of(&mut self, instrument: u32, decided: Decided) -> Brought {
        self.now += MS;
        let mut timer = Timer { head: Timer::header(self.now, self.now), ..Timer::zeroed() };
        timer.tail.instrument = instrument;
        self.feed(&InputCell::from(&timer), Some(decided))
    }

    pub fn command(&mut self, command: Command) -> Brought {
        self.command_of(0, command)
    }

    pub fn command_of(&mut self, instrument: u32, command: Command) -> Brought {
        let mut operator =
            Operator { head: Operator::header(self.now, self.now), ..Operator::zeroed() };
        (operator.tail.instrument, operator.tail.side) = (instrument, command as u8);
        self.feed(&InputCell::from(&operator), None)
    }

    /// The first instrument is told of the front of its future.
    pub fn roll(&mut self, front: u32) -> Brought {
        self.feed(&InputCell::from(&SourceStatus::roll(self.now, 0, 0, front)), None)
    }

    pub fn report(
        &mut self,
        order: &Order,
        exec: Exec,
        with: impl FnOnce(&mut ExecutionReport),
    ) -> Brought {
        let mut report = ExecutionReport {
            head: ExecutionReport::header(self.now, self.now),
            order_seq: order.order_seq,
            order_epoch: order.order_epoch,
            order_index: order.order_index,
            exec: exec as u8,
            ..ExecutionReport::zeroed()
        };
        report.tail = order.tail;
        with(&mut report);
        self.feed(&InputCell::from(&report), None)
    }

    /// An intent that the next input's slot makes an order of.
    pub fn propose(&mut self, intent: Intent) {
        assert!(self.oms.propose(0, intent));
    }

    /// Makes an order now, in the slot of a heartbeat.
    pub fn place(&mut self, intent: Intent) -> Order {
        self.propose(intent);
        self.beat().orders()[0]
    }

    pub fn beat(&mut self) -> Brought {
        let mut beat =
            Heartbeat { head: Heartbeat::header(self.now, self.now), ..Heartbeat::zeroed() };
        beat.tail.instrument = u32::MAX;
        self.feed(&InputCell::from(&beat), None)
    }

    pub fn position(&self) -> i64 {
        self.oms.desk(0).unwrap().position
    }

    pub fn working(&self) -> Vec<Working> {
        self.oms.desk(0).unwrap().orders().to_vec()
    }

    /// The last account record.
    pub fn account(&self) -> Portfolio {
        *self.history.iter().rev().find_map(|b| b.accounts.last()).unwrap()
    }

    /// State of the three stages.
    pub fn digest(&self) -> [u64; 3] {
        let mut digests = [Digest::default(), Digest::default(), Digest::default()];
        self.risk.digest(&mut digests[0]);
        self.oms.digest(&mut digests[1]);
        self.portfolio.digest(&mut digests[2]);
        digests.map(|digest| digest.finish())
    }
}

fn decide(ends: &mut Ends, after: &AfterOms, slot: &Slot, decided: Decided, fast_s: u32) {
    let head = slot.input.head();
    let mut bar = Bar {
        head: Bar::header(head.ts_event, head.ts_recv),
        timeframe_s: fast_s,
        ts_last: head.ts_event,
        close: Price(decided.close),
        ..Bar::zeroed()
    };
    bar.tail.instrument = slot.input.tail().instrument;
    let before: &AfterValidate = after;
    Emit::new(&mut ends.bars, slot, before).push(bar);
    let mut indicator =
        Indicator { head: Indicator::header(0, 0), timeframe_s: fast_s, ..Indicator::zeroed() };
    if let Some(atr) = decided.atr {
        indicator.valid = 1 << ATR_FEATURE;
        indicator.values[ATR_FEATURE] = atr as f64 / 1e9;
    }
    let before: &AfterBar = after;
    Emit::new(&mut ends.indicators, slot, before).push(indicator);
    let mut decision =
        Decision { head: Decision::header(0, 0), action: decided.action, ..Decision::zeroed() };
    decision.tail.instrument = bar.tail.instrument;
    let before: &AfterSynergy = after;
    Emit::new(&mut ends.decisions, slot, before).push(decision);
}

/// A plain instrument.
pub fn def(symbol: &str) -> InstrumentDef {
    InstrumentDef {
        symbol: symbol.to_string(),
        tick: Price(CENT),
        multiplier: 1_000_000_000,
        lot: Size(1),
        size_precision: 0,
        fee: 0,
        currency: "USD".to_string(),
        calendar: "24/7".to_string(),
        no_price: Conditions::NONE,
        no_volume: Conditions::NONE,
    }
}

/// No slippage, a millisecond on the way.
pub const EVEN: &str = "[semantic.venue]\nslippage_ticks = 0\nlatency_ms = 1\n";
/// As `EVEN`, and a bracket at 2 and 3 ATR follows each entry.
pub const BRACKET: &str =
    "[semantic.orders]\nbracket = \"atr\"\n[semantic.venue]\nslippage_ticks = 0\nlatency_ms = 1\n";
/// As `BRACKET`, at the broker.
pub const BROKER_BRACKET: &str =
    "[semantic.orders]\nbracket = \"atr\"\n[semantic.venue]\nmode = \"broker\"\n";
/// The broker.
pub const BROKER: &str = "[semantic.venue]\nmode = \"broker\"\n";
pub const LONG: u8 = 2;
pub const SHORT: u8 = 0;
pub const HOLD: u8 = 1;
