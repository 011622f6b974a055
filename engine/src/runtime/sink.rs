//! The journal sink: walks a slot's input and outputs in their order, hands each frame to a recorder,
//! and counts. The same walk feeds the journal in a run and the comparison in a replay.

use crate::earlier::{AfterPortfolio, Earlier};
use crate::problem::Problem;
use crate::runtime::exposure::Exposure;
use crate::runtime::handler::{Checkpoints, Fault, Handler, Pass, Saved};
use crate::stage::Digest;
use crate::state::{Codec, State, StateError, state};
use bytemuck::{Zeroable, bytes_of};
use ringbuf_layout::frame::LINE;
use ringbuf_layout::lane::DigestReader;
use ringbuf_layout::names::{Action, EndReason, OrderReason, OrderState, RiskReasons};
use ringbuf_layout::{
    BarFlags, Decision, Frame, InputCell, Instrument, Kind, LaneReader, Money, Order, Part,
    Portfolio, Reasons, Risk, Side, Slot, StateHash, Tail, Trade, Unprocessed,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// Where the frames of whole slots go.
pub trait Recorder: Send {
    /// A slot begins.
    ///
    /// # Errors
    /// If there is no room for it, or (replay) the journal has another slot.
    fn begin(&mut self, seq: u64) -> Result<(), Problem>;

    /// The next frame of the slot: the input, then the outputs in the order of their index.
    ///
    /// # Errors
    /// As for [`Recorder::begin`].
    fn frame(&mut self, frame: &[u8], last: bool) -> Result<(), Problem>;

    /// A whole slot of one line: a quiet tick.
    ///
    /// # Errors
    /// As for [`Recorder::begin`].
    #[inline]
    fn line(&mut self, seq: u64, line: &[u8; LINE]) -> Result<(), Problem> {
        self.begin(seq)?;
        self.frame(line, true)
    }

    /// Every slot so far is whole: the watermark may advance.
    fn publish(&mut self) {}

    /// Takes back the frames of a slot that was begun and never ended: its writer panicked.
    fn rewind(&mut self) {}

    /// No slot follows.
    ///
    /// # Errors
    /// If the end cannot be recorded.
    fn close(&mut self) -> Result<(), Problem> {
        Ok(())
    }
}

/// The account as last recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Realised profit, fees included.
    pub realized: Money,
    /// Unrealised profit at the marks.
    pub unrealized: Money,
    /// Opening cash and both.
    pub equity: Money,
    /// Largest fall of equity from its highest value, in 1e-9 of that value.
    pub max_drawdown: i64,
    /// Gross notional of all positions at their marks.
    pub exposure: Money,
}

impl Standing {
    const NONE: Self = Self {
        realized: Money(0),
        unrealized: Money(0),
        equity: Money(0),
        max_drawdown: 0,
        exposure: Money(0),
    };

    /// The largest fall as a fraction, 0.1 for a tenth.
    pub fn drawdown(&self) -> f64 {
        self.max_drawdown as f64 / 1e9
    }
}

state!(Standing { realized, unrealized, equity, max_drawdown, exposure });

/// What passed through the sink.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Inputs.
    pub inputs: u64,
    /// Trades and quotes among them, accepted or not.
    pub ticks: u64,
    /// Rejected market records by reason: bit i of [`Reasons`].
    pub rejected: [u64; 32],
    /// Market records that were flagged but accepted, by reason.
    pub flagged: [u64; 32],
    /// Rejected market records.
    pub rejected_records: u64,
    /// Those of them that are ticks: others are a vendor's bars.
    pub rejected_ticks: u64,
    /// Outputs by kind.
    pub outputs: [u64; 64],
    /// Bars in which nothing traded, among the bars.
    pub filled: u64,
    /// Decisions by [`Action`].
    pub decisions: [u64; 3],
    /// Parent orders.
    pub parents: u64,
    /// Orders that were denied or came back, by [`OrderReason`].
    pub denied: [u64; 32],
    /// Decisions that `risk` denied, by reason: bit i of [`RiskReasons`].
    pub risk_denied: [u64; 32],
    /// Latest account record.
    pub account: Option<Standing>,
    /// Latest state hash.
    pub state_hash: Option<u64>,
    /// First and last sequence.
    pub seqs: Option<(u64, u64)>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            inputs: 0,
            ticks: 0,
            rejected: [0; 32],
            flagged: [0; 32],
            rejected_records: 0,
            rejected_ticks: 0,
            outputs: [0; 64],
            filled: 0,
            decisions: [0; 3],
            parents: 0,
            denied: [0; 32],
            risk_denied: [0; 32],
            account: None,
            state_hash: None,
            seqs: None,
        }
    }
}

impl Tally {
    /// Outputs of a kind.
    pub fn of(&self, kind: Kind) -> u64 {
        self.outputs[kind as usize]
    }

    /// Closed bars in which something traded.
    pub fn bars(&self) -> u64 {
        self.of(Kind::Bar) - self.filled
    }

    /// Counts what came later as well: of another leg of the same journal.
    pub fn absorb(&mut self, later: &Self) {
        let sum = |ours: &mut [u64], theirs: &[u64]| {
            ours.iter_mut().zip(theirs).for_each(|(ours, theirs)| *ours += theirs);
        };
        self.inputs += later.inputs;
        self.ticks += later.ticks;
        self.rejected_records += later.rejected_records;
        self.rejected_ticks += later.rejected_ticks;
        self.parents += later.parents;
        self.filled += later.filled;
        sum(&mut self.rejected, &later.rejected);
        sum(&mut self.flagged, &later.flagged);
        sum(&mut self.outputs, &later.outputs);
        sum(&mut self.decisions, &later.decisions);
        sum(&mut self.denied, &later.denied);
        sum(&mut self.risk_denied, &later.risk_denied);
        self.account = later.account.or(self.account);
        self.state_hash = later.state_hash.or(self.state_hash);
        let first = self.seqs.or(later.seqs).map(|(first, _)| first);
        self.seqs = first.zip(later.seqs.or(self.seqs).map(|(_, last)| last));
    }

    fn order(&mut self, order: &Order) {
        let state = OrderState::from_byte(order.state);
        self.parents += u64::from(order.parent_epoch == 0 && state == Some(OrderState::New));
        if matches!(state, Some(OrderState::Denied | OrderState::Rejected)) {
            self.denied[usize::from(order.reason & 31)] += 1;
        }
    }

    fn risk(&mut self, risk: &Risk) {
        if risk.approved == 0 {
            for (bit, count) in self.risk_denied.iter_mut().enumerate() {
                *count += u64::from(risk.reason >> bit & 1);
            }
        }
    }

    /// Denied decisions, denied and rejected orders: reason and count.
    pub fn denials(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let of = |reason: RiskReasons| self.risk_denied[reason.0.trailing_zeros() as usize];
        let decisions = RiskReasons::WORDS.iter().map(|(reason, word)| (*word, of(*reason)));
        let mut all: Vec<(&'static str, u64)> = decisions.filter(|(_, count)| *count > 0).collect();
        for (code, count) in (0_u8..).zip(self.denied).filter(|(_, count)| *count > 0) {
            let word = OrderReason::from_byte(code).map_or("other", OrderReason::name);
            let word = if word.is_empty() { "venue" } else { word };
            // A limit and the gate may say the same of different decisions.
            match all.iter_mut().find(|(known, _)| *known == word) {
                Some((_, total)) => *total += count,
                None => all.push((word, count)),
            }
        }
        all.into_iter()
    }

    fn decision(&mut self, decision: &Decision) {
        if let Some(count) = self.decisions.get_mut(usize::from(decision.action)) {
            *count += 1;
        }
    }

    /// Decisions: action and count, zeros too.
    pub fn decisions_by_action(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let actions = [Action::Short, Action::Hold, Action::Long];
        actions.into_iter().map(|action| (action.name(), self.decisions[action as usize]))
    }

    fn verdict(&mut self, reasons: Reasons, rejected: bool, is_tick: bool) {
        let counts = if rejected { &mut self.rejected } else { &mut self.flagged };
        for (bit, count) in counts.iter_mut().enumerate() {
            *count += u64::from(reasons.0 >> bit & 1);
        }
        self.rejected_records += u64::from(rejected);
        self.rejected_ticks += u64::from(rejected && is_tick);
    }
}

/// How far the sink has come, for whoever watches from another thread: its only writer stores once a
/// batch.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Progress {
    inputs: AtomicU64,
    ticks: AtomicU64,
    bars: AtomicU64,
    rejected: AtomicU64,
    orders: AtomicU64,
    fills: AtomicU64,
    /// Size of the new orders journaled so far, an instrument's buys and sells.
    approved: Box<[[AtomicU64; 2]]>,
    /// Signed position of an instrument as last journaled.
    positions: Box<[AtomicI64]>,
    /// Equity as last journaled, in 1e-6: an `i64` of those holds nine trillion.
    equity: AtomicI64,
}

impl Progress {
    /// Nothing so far, for so many instruments.
    pub fn new(instruments: usize) -> Self {
        Self {
            approved: (0..instruments).map(|_| Default::default()).collect(),
            positions: (0..instruments).map(|_| AtomicI64::default()).collect(),
            ..Self::default()
        }
    }

    /// Size of the new orders of an instrument and side (0 buy, 1 sell) that are journaled: who has seen the
    /// watermark pass an order sees it counted here.
    pub fn approved(&self, instrument: usize, side: usize) -> u64 {
        self.approved.get(instrument).map_or(0, |sides| sides[side].load(Relaxed))
    }

    pub(crate) fn approve(&self, order: &Order) {
        let side = usize::from(order.tail.side == Side::Sell as u8);
        if let Some(sides) = self.approved.get(order.tail.instrument as usize) {
            let total = sides[side].load(Relaxed).saturating_add(order.qty.0.unsigned_abs());
            sides[side].store(total, Relaxed);
        }
    }

    fn account(&self, account: &Portfolio) {
        if let Some(position) = self.positions.get(account.tail.instrument as usize) {
            position.store(account.position.0, Relaxed);
        }
        self.equity.store((account.equity.0 / 1_000) as i64, Relaxed);
    }

    /// Signed positions by instrument.
    pub fn positions(&self) -> Vec<i64> {
        self.positions.iter().map(|position| position.load(Relaxed)).collect()
    }

    /// Equity.
    pub fn equity(&self) -> Money {
        Money(i128::from(self.equity.load(Relaxed)) * 1_000)
    }

    /// Where positions and equity stand before the first input.
    fn stand(&self, positions: &[i64], equity: Money) {
        self.positions
            .iter()
            .zip(positions)
            .for_each(|(cell, position)| cell.store(*position, Relaxed));
        self.equity.store((equity.0 / 1_000) as i64, Relaxed);
    }

    fn store(&self, tally: &Tally) {
        self.inputs.store(tally.inputs, Relaxed);
        self.ticks.store(tally.ticks, Relaxed);
        self.bars.store(tally.bars(), Relaxed);
        self.rejected.store(tally.rejected_records, Relaxed);
        self.orders.store(tally.parents, Relaxed);
        self.fills.store(tally.of(Kind::Fill), Relaxed);
    }

    /// The counts as a tally with nothing else in it.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally {
            inputs: self.inputs.load(Relaxed),
            ticks: self.ticks.load(Relaxed),
            rejected_records: self.rejected.load(Relaxed),
            parents: self.orders.load(Relaxed),
            ..Tally::default()
        };
        tally.outputs[Kind::Bar as usize] = self.bars.load(Relaxed);
        tally.outputs[Kind::Fill as usize] = self.fills.load(Relaxed);
        tally
    }
}

/// The sink.
#[derive(Debug)]
#[repr(align(128))]
pub struct Sink<R> {
    recorder: R,
    lanes: AfterPortfolio,
    digests: [DigestReader; 9],
    tally: Tally,
    held: Exposure,
    progress: Arc<Progress>,
}

impl<R: Recorder> Sink<R> {
    /// A sink that reads all lanes and hands their frames to `recorder`.
    pub fn new(
        recorder: R,
        lanes: AfterPortfolio,
        digests: [DigestReader; 9],
        held: Exposure,
        progress: Arc<Progress>,
    ) -> Self {
        Self { recorder, lanes, digests, tally: Tally::default(), held, progress }
    }

    /// True for a trade that nobody had anything to say about. Four looks instead of nine: the stages that
    /// sleep through ticks leave nothing where no bar closed.
    #[inline]
    fn is_quiet(&self, slot: &Slot) -> bool {
        let (lanes, seq) = (&self.lanes, slot.seq());
        lanes.verdict.read(slot).reasons == Reasons::NONE
            && lanes.bars.count(seq) == 0
            && lanes.orders.count(seq) == 0
            && lanes.accounts.count(seq) == 0
    }

    /// An input that never ran through all stages, with the part that stopped.
    fn unprocessed(&mut self, slot: &Slot, fault: &Fault) -> Result<(), Problem> {
        let seq = slot.seq();
        let mut record = Unprocessed {
            head: Unprocessed::header(slot.input.head().ts_event, slot.input.head().ts_recv),
            part: fault.part as u32,
            tail: *slot.input.tail(),
            ..Unprocessed::zeroed()
        };
        (record.head.seq, record.head.index) = (seq, 1);
        (record.tail.side, record.tail.flags) = (0, 0);
        self.recorder.begin(seq)?;
        self.recorder.frame(slot.input.bytes(), false)?;
        self.recorder.frame(bytes_of(&record), true)?;
        self.tally.ticks += u64::from(slot.input.is_tick());
        self.tally.outputs[Kind::Unprocessed as usize] += 1;
        self.count(seq);
        Ok(())
    }

    fn count(&mut self, seq: u64) {
        let start = self.tally.seqs.map_or(seq, |(start, _)| start);
        self.tally.seqs = Some((start, seq));
        self.tally.inputs += 1;
    }

    /// One whole slot.
    #[inline]
    fn slot(&mut self, slot: &Slot, checkpoint: bool) -> Result<(), Problem> {
        if slot.input.is::<Trade>() && self.is_quiet(slot) && !checkpoint {
            self.recorder.line(slot.seq(), slot.input.line())?;
            self.tally.ticks += 1;
            return Ok(());
        }
        if let Some(instrument) = slot.input.get::<Instrument>() {
            self.held.define(instrument);
        }
        let count = self.lanes.outputs(slot) + u8::from(checkpoint);
        self.recorder.begin(slot.seq())?;
        self.recorder.frame(slot.input.bytes(), count == 0)?;
        if count > 0 {
            self.outputs(slot, count, checkpoint)?;
        }
        self.tally.ticks += u64::from(slot.input.is_tick());
        Ok(())
    }

    /// The outputs of a slot that has any, in stage order: that is the order of their index.
    fn outputs(&mut self, slot: &Slot, count: u8, checkpoint: bool) -> Result<(), Problem> {
        let seq = slot.seq();
        let mut walk =
            Walk { recorder: &mut self.recorder, tally: &mut self.tally, count, index: 0 };
        if let Some(verdict) = self.lanes.verdict.record(slot) {
            let rejected = self.lanes.verdict.read(slot).rejected;
            walk.tally.verdict(Reasons(verdict.reasons), rejected, slot.input.is_tick());
            walk.frame(&verdict)?;
        }
        for bar in self.lanes.bars.read(seq) {
            self.held.on_close(bar.tail.instrument, bar.close.0);
            walk.tally.filled += u64::from(BarFlags(bar.tail.flags).has(BarFlags::FILLED));
            walk.frame(&bar)?;
        }
        walk.lane(&self.lanes.indicators, seq)?;
        walk.lane(&self.lanes.matrices, seq)?;
        walk.lane(&self.lanes.synergies, seq)?;
        for decision in self.lanes.decisions.read(seq) {
            walk.tally.decision(&decision);
            walk.frame(&decision)?;
        }
        for risk in self.lanes.risks.read(seq) {
            walk.tally.risk(&risk);
            walk.frame(&risk)?;
        }
        for execution in self.lanes.orders.read(seq) {
            if let Some(fill) = execution.fill() {
                self.held.mark(fill.tail.instrument, fill.price.0);
            }
            if let Some(order) = execution.order() {
                walk.tally.order(&order);
                if order.state == OrderState::New as u8 {
                    self.progress.approve(&order);
                }
            }
            walk.frame(&execution)?;
        }
        for account in self.lanes.accounts.read(seq) {
            walk.tally.account = Some(Standing {
                realized: account.realized_pnl,
                unrealized: account.unrealized_pnl,
                equity: account.equity,
                max_drawdown: account.max_drawdown,
                exposure: self.held.account(&account),
            });
            self.progress.account(&account);
            walk.frame(&account)?;
        }
        if checkpoint {
            let hash = state_hash(slot, count, &self.digests);
            walk.tally.state_hash = Some(hash.hash);
            walk.frame(&hash)?;
        }
        assert_eq!(walk.index, count, "Invariant: every output of slot {seq} was recorded");
        Ok(())
    }
}

/// Records outputs one by one and checks that their index is the next.
struct Walk<'a, R> {
    recorder: &'a mut R,
    tally: &'a mut Tally,
    count: u8,
    index: u8,
}

impl<R: Recorder> Walk<'_, R> {
    fn frame<T: Frame>(&mut self, record: &T) -> Result<(), Problem> {
        self.index += 1;
        let head = record.head();
        assert_eq!(head.index, self.index, "Invariant: outputs are numbered in stage order");
        self.tally.outputs[usize::from(head.kind & 63)] += 1;
        let bytes = &bytes_of(record)[..usize::from(head.len)];
        self.recorder.frame(bytes, self.index == self.count)
    }

    fn lane<T: Frame>(&mut self, lane: &LaneReader<T>, seq: u64) -> Result<(), Problem> {
        lane.read(seq).try_for_each(|record| self.frame(&record))
    }
}

/// XXH3-64 over the nine digests, in stage order.
fn state_hash(slot: &Slot, index: u8, digests: &[DigestReader; 9]) -> StateHash {
    let head = slot.input.head();
    let mut record = StateHash {
        head: StateHash::header(head.ts_event, head.ts_recv),
        tail: Tail { instrument: ringbuf_layout::frame::NO_INSTRUMENT, ..Tail::default() },
        ..StateHash::zeroed()
    };
    record.head.seq = head.seq;
    record.head.index = index;
    let mut whole = Digest::default();
    for (stage, reader) in record.stages.iter_mut().zip(digests) {
        *stage = reader.read(head.seq);
        whole.word(*stage);
    }
    record.hash = whole.finish();
    record
}

impl<R: Recorder> Handler for Sink<R> {
    fn parts(&self) -> &'static [Part] {
        &[Part::Journal]
    }

    fn on_batch(&mut self, batch: &[&Slot], pass: &mut Pass) -> Result<(), Problem> {
        let checkpoints = Checkpoints::of(batch);
        pass.at.part = Part::Journal;
        for (i, slot) in batch.iter().enumerate() {
            let seq = slot.seq();
            pass.at.seq = seq;
            let mut taken = pass.take(i, slot);
            self.slot(slot, checkpoints.has(seq))?;
            self.count(seq);
            pass.leave(&mut taken, Part::Journal);
        }
        self.recorder.publish();
        pass.through(batch);
        self.progress.store(&self.tally);
        Ok(())
    }

    fn on_unprocessed(&mut self, slot: &Slot, fault: &Fault) -> Result<(), Problem> {
        let seq = slot.seq();
        if self.tally.seqs.is_some_and(|(_, last)| seq <= last) {
            // It was journaled: a sink behind the journal failed.
            return Ok(());
        }
        self.recorder.rewind();
        self.unprocessed(slot, fault)
    }

    fn on_panic(&mut self, end: &InputCell, fault: &Fault) -> Result<(), Problem> {
        let seq = end.head().seq;
        self.recorder.rewind();
        if end.tail().side == EndReason::Aborted as u8 {
            // Nothing panicked: the run end is one more input that was not processed.
            return self.unprocessed(&Slot::holding(end), fault);
        }
        let mut record = ringbuf_layout::Panic {
            head: ringbuf_layout::Panic::header(end.head().ts_event, end.head().ts_recv),
            message_hash: fault.message_hash(),
            part: fault.part as u32,
            at_seq: fault.seq,
            tail: Tail { instrument: ringbuf_layout::frame::NO_INSTRUMENT, ..Tail::default() },
            ..ringbuf_layout::Panic::zeroed()
        };
        (record.head.seq, record.head.index) = (seq, 1);
        self.recorder.begin(seq)?;
        self.recorder.frame(end.bytes(), false)?;
        self.recorder.frame(bytes_of(&record), true)?;
        self.tally.outputs[Kind::Panic as usize] += 1;
        self.count(seq);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Problem> {
        self.recorder.close()
    }

    fn tally(&self) -> Option<&Tally> {
        Some(&self.tally)
    }

    fn states(&mut self, show: &mut dyn FnMut(&'static str, &mut dyn Saved)) {
        show(Part::Journal.name(), self);
    }
}

/// The account as last recorded, so that a run that goes on can show it before its first fill. Counts are of a
/// run, and begin anew.
impl<R: Recorder> State for Sink<R> {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        codec.option(&mut self.tally.account, || Standing::NONE)?;
        self.held.state(codec)?;
        let mut positions = self.progress.positions();
        codec.rows(&mut positions)?;
        if codec.is_loading() {
            let equity = self.tally.account.map_or(Money(0), |standing| standing.equity);
            self.progress.stand(&positions, equity);
        }
        Ok(())
    }
}

impl<R: Recorder> Saved for Sink<R> {}
