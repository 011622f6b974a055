//! oms: orders, their state machine, the deterministic gate, the paper venue.
//!
//! In a slot: first the market meets the orders that work already (paper) or a broker's report is booked, then
//! operators, sessions and rolls, then the end of a day that has lost its part, then the decision that `risk` approved, or a drill's order. At most sixteen order
//! events and sixteen fills go out, the rest with the next inputs; while any wait, the paper venue rests.
//!
//! It keeps its own position of each instrument, from its own fills: the account is behind by what waits.

use crate::accounting::Rates;
use crate::config::{Bracket, Semantic};
use crate::earlier::AfterRisk;
use crate::orders::book::{FINISHED_IN_A_DRILL, FINISHED_MAX};
use crate::orders::bracket::{Distances, Multiples};
use crate::orders::desk::{Desk, Moment};
use crate::orders::exec::Exec;
use crate::orders::intent::Intent;
use crate::orders::outbox::Outbox;
use crate::orders::venue::{Print, Rules};
use crate::stage::{Digest, Emit, Stage};
use crate::stages::drill::Drill;
use crate::stages::portfolio::PortfolioStage;
use crate::stages::risk::RiskStage;
use crate::state::{Codec, State, StateError};
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::names::{Command, OrderReason};
use ringbuf_layout::output::ORDERS_MAX;
use ringbuf_layout::units::{MILLISECOND, SECOND};
use ringbuf_layout::{
    BookLevel, Execution, ExecutionReport, ExternalBar, Instrument, Operator, Part, Quote, Reasons,
    Risk, RunStart, Session, Side, Slot, SourceStatus, Trade,
};

/// The stage.
#[derive(Debug)]
pub struct OmsStage {
    desks: Vec<Desk>,
    outbox: Outbox,
    epoch: u32,
    /// Engine time.
    now: i64,
    /// Before it no desk has to close for its session.
    next_closing: i64,
    paper: bool,
    bracket: Option<Multiples>,
    drill: Option<Drill>,
    /// The day's loss had reached its limit at the input before.
    day_is_over: bool,
    /// What was proposed beside the decisions, for the next slot.
    proposed: Vec<(u32, Intent)>,
    /// Reports that say nothing that is known, or on no instrument.
    unreadable: u64,
}

impl OmsStage {
    /// The stage of a config, for at most `instruments` instruments.
    pub fn new(semantic: &Semantic, instruments: usize) -> Self {
        let venue = &semantic.venue;
        let rules = Rules {
            paper: venue.mode == "paper",
            latency: venue.latency_ms * MILLISECOND,
            slippage_ticks: venue.slippage_ticks,
            flat_before: semantic
                .orders
                .flat_at_close
                .then_some(semantic.orders.flat_before_close_s * SECOND),
        };
        let orders = &semantic.orders;
        let millionths = |multiple: f64| libm::round(multiple * 1e6) as i64;
        let bracket = (orders.bracket == Bracket::Atr).then(|| Multiples {
            stop: millionths(orders.stop_atr),
            target: millionths(orders.target_atr),
        });
        let every = semantic.drill.order_every;
        let drilled = every > 0 && !rules.paper;
        let kept = if drilled { FINISHED_IN_A_DRILL } else { FINISHED_MAX };
        let desk = |number| Desk::new(number, rules, kept);
        Self {
            desks: (0..instruments as u32).map(desk).collect(),
            outbox: Outbox::new(instruments),
            epoch: 0,
            now: 0,
            next_closing: i64::MAX,
            paper: rules.paper,
            bracket,
            drill: (every > 0).then(|| Drill::new(every)),
            day_is_over: false,
            proposed: Vec::with_capacity(ORDERS_MAX),
            unreadable: 0,
        }
    }

    /// Proposes an order beside the decisions, for a rule of the user's own or an algorithm: the next input's slot
    /// makes it, after the market. False if sixteen wait.
    pub fn propose(&mut self, instrument: u32, intent: Intent) -> bool {
        let fits = self.proposed.len() < ORDERS_MAX;
        if fits {
            self.proposed.push((instrument, intent));
        }
        fits
    }

    /// The desk of an instrument.
    pub fn desk(&self, instrument: u32) -> Option<&Desk> {
        self.desks.get(instrument as usize)
    }

    /// The desks of all instruments, by their number.
    pub fn desks(&self) -> &[Desk] {
        &self.desks
    }

    /// Order events and fills that wait for the next inputs.
    pub fn carried_over(&self) -> usize {
        self.outbox.len()
    }

    /// The paper venue, on an accepted print or vendor's bar. It rests while events of earlier inputs wait.
    #[inline]
    fn on_tick(&mut self, slot: &Slot, earlier: &AfterRisk, at: impl FnOnce() -> Moment) {
        if !self.paper || !self.outbox.is_empty() {
            return;
        }
        let Some(desk) = self.desks.get_mut(slot.input.tail().instrument as usize) else { return };
        let Some(contract) = desk.contract.filter(|_| !desk.orders().is_empty()) else { return };
        let found = earlier.verdict.read(slot);
        if found.rejected {
            return;
        }
        let print = match (slot.input.get::<Trade>(), slot.input.get::<Quote>()) {
            // Its size was traded, at a price that is not the market's.
            (Some(_), _) if found.reasons.has(Reasons::CONDITION) => return,
            (Some(trade), _) if !contract.quoted && !contract.barred => {
                let (seq, ts) = (slot.seq(), trade.head.ts_event);
                Print::trade(seq, ts, found.price.0, found.size.0)
            }
            (_, Some(quote)) if contract.quoted => Print::quote(quote),
            _ => match slot.input.get::<ExternalBar>() {
                Some(bar) if contract.barred => Print::bar(bar, desk.rules.latency),
                _ => return,
            },
        };
        desk.on_print(print, &at(), &mut self.outbox);
    }

    /// The paper venue, on a new top of a book: to an instrument without trades it is a quote.
    fn on_book(&mut self, slot: &Slot, earlier: &AfterRisk, at: impl FnOnce() -> Moment) {
        if !self.paper || !self.outbox.is_empty() {
            return;
        }
        let Some(desk) = self.desks.get_mut(slot.input.tail().instrument as usize) else { return };
        if desk.orders().is_empty() || !desk.contract.is_some_and(|contract| contract.quoted) {
            return;
        }
        if let Some(top) = earlier.verdict.top(slot) {
            let print = Print::top(slot.seq(), slot.input.head().ts_event, &top);
            desk.on_print(print, &at(), &mut self.outbox);
        }
    }

    /// What is not a tick.
    fn on_other(&mut self, slot: &Slot, at: &Moment) {
        let input = &slot.input;
        if let Some(start) = input.get::<RunStart>() {
            self.epoch = start.epoch;
            return;
        }
        let desk = self.desks.get_mut(input.tail().instrument as usize);
        if let Some(report) = input.get::<ExecutionReport>() {
            match (desk, Exec::of(report)) {
                (Some(desk), Some(exec)) if !self.paper => desk.apply(&exec, at, &mut self.outbox),
                _ => self.unreadable += 1,
            }
            return;
        }
        let Some(desk) = desk else { return };
        if let Some(instrument) = input.get::<Instrument>() {
            desk.define(instrument);
        } else if let Some(session) = input.get::<Session>() {
            desk.on_session(session, at, &mut self.outbox);
            self.plan();
        } else if let Some((_, front)) = input.get().and_then(SourceStatus::rolled) {
            let front = (front != NO_INSTRUMENT).then_some(front);
            desk.on_roll(front, at, &mut self.outbox);
        } else if let Some(operator) = input.get::<Operator>()
            && let Some(command) = Command::from_byte(operator.tail.side)
        {
            desk.on_command(command, at, &mut self.outbox);
        }
    }

    /// When the next desk has to close for its session.
    fn plan(&mut self) {
        let open = self.desks.iter().filter(|desk| !desk.is_closing());
        self.next_closing = open.map(|desk| desk.flat_from).min().unwrap_or(i64::MAX);
    }

    /// Desks whose session ends soon, one an input: the others with the next inputs.
    #[cold]
    fn on_closing(&mut self, at: &Moment) {
        let now = self.now;
        if let Some(desk) = self.desks.iter_mut().find(|desk| desk.is_closing_due(now)) {
            desk.close_for_session(at, &mut self.outbox);
        }
        self.plan();
    }

    /// The day's loss has reached its limit: what would still open something is cancelled, once.
    #[cold]
    fn on_lost_day(&mut self, is_over: bool, at: &Moment) {
        self.day_is_over = is_over;
        if is_over {
            for desk in &mut self.desks {
                desk.cancel_openings(OrderReason::DailyLoss, at, &mut self.outbox);
            }
        }
    }

    /// The target that `risk` approved.
    fn on_risk(&mut self, risk: &Risk, at: &Moment) {
        let Some(desk) = self.desks.get_mut(risk.tail.instrument as usize) else { return };
        let tick = desk.contract.map_or(1, |contract| contract.tick);
        let exits = self.bracket.filter(|_| risk.target.0 != 0);
        let distances = |multiples| Distances::of(multiples, risk.atr.0, tick, risk.price.0);
        desk.target(risk.target.0, exits.and_then(distances), at, &mut self.outbox);
    }

    fn on_proposed(&mut self, at: &Moment) {
        for (instrument, intent) in self.proposed.drain(..) {
            if let Some(desk) = self.desks.get_mut(instrument as usize) {
                desk.submit(&intent, at, &mut self.outbox);
            }
        }
    }

    /// A drill's order, where one is due: never in an instrument that is only a rate, or whose own is missing or old.
    fn on_drill(&mut self, slot: &Slot, rates: &Rates, at: &Moment) {
        let instrument = slot.input.tail().instrument;
        let desk = self.desks.get_mut(instrument as usize);
        let desk = desk.and_then(|desk| desk.contract.map(|contract| (desk, contract.lot)));
        let Some(drill) = &mut self.drill else { return };
        drill.count();
        if let Some((desk, lot)) = desk
            && rates.fresh_worth(instrument, at.now).is_some()
            && !rates.is_only_a_rate(instrument)
            && let Some(intent) = drill.due(lot)
        {
            desk.give_up_oldest();
            let made = desk.submit(&intent, at, &mut self.outbox).is_some();
            drill.note(made);
        }
    }
}

impl Stage for OmsStage {
    const PART: Part = Part::Oms;
    // Resting orders match at any print.
    const EVERY_TICK: bool = true;
    type Earlier = AfterRisk;
    /// Order events and fills share one lane, in the order of their index.
    type Output = Execution;
    /// Whether the day's loss has reached its limit, after this input; what money is worth, after the previous one.
    type Standing<'a> = (&'a RiskStage, &'a PortfolioStage);

    #[inline]
    fn on_input(
        &mut self,
        slot: &Slot,
        earlier: &AfterRisk,
        (risk, account): (&RiskStage, &PortfolioStage),
        out: &mut Emit<'_, Execution>,
    ) {
        let head = slot.input.head();
        self.now = self.now.max(head.ts_event);
        let (epoch, now) = (self.epoch, self.now);
        let at = || Moment::of(head, epoch, now, out.next_index());
        if slot.input.is_tick() || slot.input.is::<ExternalBar>() {
            self.on_tick(slot, earlier, at);
        } else if slot.input.is::<BookLevel>() {
            self.on_book(slot, earlier, at);
        } else {
            self.on_other(slot, &at());
        }
        if self.now >= self.next_closing {
            self.on_closing(&at());
        }
        if risk.day_is_over() != self.day_is_over {
            self.on_lost_day(risk.day_is_over(), &at());
        }
        if self.drill.is_some() {
            let at = Moment { epoch: self.epoch, ..at() };
            self.on_drill(slot, account.account().rates(), &at);
        } else if !slot.input.is_tick() && earlier.risks.count(slot.seq()) > 0 {
            // No bar closes with a tick, so no decision comes with one.
            for risk in earlier.risks.read(slot.seq()).filter(|risk| risk.approved == 1) {
                self.on_risk(&risk, &at());
            }
        }
        if !self.proposed.is_empty() {
            self.on_proposed(&at());
        }
        if !self.outbox.is_empty() {
            self.outbox.flush(out);
        }
    }

    fn digest(&self, digest: &mut Digest) {
        digest.word(u64::from(self.epoch));
        digest.int(self.now);
        digest.int(self.next_closing);
        digest.word(self.unreadable);
        digest.word(u64::from(self.day_is_over));
        digest.word(self.proposed.len() as u64);
        self.outbox.digest(digest);
        self.desks.iter().for_each(|desk| desk.digest(digest));
        if let Some(drill) = &self.drill {
            drill.digest(digest);
        }
    }
}

impl State for OmsStage {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self {
            desks,
            outbox,
            epoch,
            now,
            next_closing,
            paper,
            bracket: _,
            drill,
            day_is_over,
            proposed,
            unreadable,
        } = self;
        // A position on paper is none at a broker.
        codec.same(paper, "the paper venue")?;
        codec.rows(desks)?;
        outbox.state(codec)?;
        epoch.state(codec)?;
        now.state(codec)?;
        next_closing.state(codec)?;
        codec.part(drill, "the drill")?;
        day_is_over.state(codec)?;
        codec.list(proposed, ORDERS_MAX, || (0, Intent::market(Side::Buy, 0)))?;
        unreadable.state(codec)
    }
}
