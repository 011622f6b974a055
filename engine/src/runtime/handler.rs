//! Runs a stage over a batch of slots and leaves its digest at checkpoints.

use crate::policy::Policies;
use crate::problem::Problem;
use crate::runtime::latency::{Measure, Stamps, stamped};
use crate::runtime::sink::Tally;
use crate::stage::{CHECKPOINT_INPUTS, Digest, Emit, Stage};
use crate::stages::marl::MarlStage;
use crate::stages::oms::OmsStage;
use crate::stages::portfolio::PortfolioStage;
use crate::stages::risk::RiskStage;
use crate::stages::validate::Validate;
use crate::state::State;
use ringbuf_layout::lane::DigestWriter;
use ringbuf_layout::{BookLevel, InputCell, LaneWriter, Part, RunEnd, Slot, Timer, VerdictWriter};
use std::any::Any;

/// What a group runs: a stage, the decide group, or a sink.
pub trait Handler: Send {
    /// The parts that it runs, in order: one, or the four of `decide`.
    fn parts(&self) -> &'static [Part];

    /// Takes the next slots, in sequence.
    ///
    /// # Errors
    /// Only sinks fail (a full disk); the run then ends.
    fn on_batch(&mut self, batch: &[&Slot], pass: &mut Pass) -> Result<(), Problem>;

    /// Records inputs that will never run through all stages, after a panic. Only the journal does.
    ///
    /// # Errors
    /// If they cannot be recorded.
    fn on_unprocessed(&mut self, _: &Slot, _: &Fault) -> Result<(), Problem> {
        Ok(())
    }

    /// Records how a run ended that ended by a panic. Only the journal does.
    ///
    /// # Errors
    /// If it cannot be recorded.
    fn on_panic(&mut self, _: &InputCell, _: &Fault) -> Result<(), Problem> {
        Ok(())
    }

    /// Ends its work in good order: the journal seals itself.
    ///
    /// # Errors
    /// If that fails.
    fn close(&mut self) -> Result<(), Problem> {
        Ok(())
    }

    /// Order events that it let out. Only egress lets any out.
    fn orders_out(&self) -> u64 {
        0
    }

    /// What it counted, if it counts.
    fn tally(&self) -> Option<&Tally> {
        None
    }

    /// Shows what of it goes into a snapshot, in order, by name. Called while nothing runs.
    fn states(&mut self, _: &mut dyn FnMut(&'static str, &mut dyn Saved)) {}
}

/// What goes into a snapshot.
pub trait Saved: State {
    /// Its digest, as in the state hash; `None` of what is not hashed by itself.
    fn hash(&self) -> Option<u64> {
        None
    }
}

impl<S: Stage> Saved for S {
    fn hash(&self) -> Option<u64> {
        let mut digest = Digest::default();
        self.digest(&mut digest);
        Some(digest.finish())
    }
}

impl Saved for Validate {
    fn hash(&self) -> Option<u64> {
        let mut digest = Digest::default();
        self.digest(&mut digest);
        Some(digest.finish())
    }
}

/// Where a group is: one store a slot, read only after a panic.
#[derive(Clone, Copy, Debug)]
pub struct At {
    /// The part that runs.
    pub part: Part,
    /// The sequence that it is at.
    pub seq: u64,
}

/// A group's way through a batch: where it is, and its stamps if it measures.
#[derive(Debug)]
pub struct Pass {
    /// Where it is.
    pub at: At,
    /// Who measures; nobody in a replay.
    pub stamps: Option<Stamps>,
    /// Bit i: slot i of the batch is stamped at every part.
    stamped: u64,
}

/// When a part took a slot that is stamped; 0 for any other.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    at: u64,
    /// True if the slot closes a bar.
    closing: bool,
}

impl Pass {
    /// Before the first batch.
    pub fn new() -> Self {
        Self { at: At { part: Part::Validate, seq: 0 }, stamps: None, stamped: 0 }
    }

    /// A batch comes: asks for its first stamp, of the slot behind the last one taken.
    #[inline]
    pub fn ask(&self) {
        if let Some(stamps) = &self.stamps {
            stamps.ask(self.at.seq + 1);
        }
    }

    /// Looks up which slots of a batch are stamped.
    #[inline]
    pub fn enter(&mut self, batch: &[&Slot]) {
        if self.stamps.is_some() {
            self.stamped = stamped(batch);
        }
    }

    /// A part takes slot `i` of the batch.
    #[inline]
    pub fn take(&self, i: usize, slot: &Slot) -> Taken {
        if self.stamped >> i & 1 == 0 {
            return Taken { at: 0, closing: false };
        }
        Taken { at: self.now(), closing: slot.input.is::<Timer>() }
    }

    /// A part leaves the slot that it took, and the next part of the same thread takes it.
    #[inline]
    pub fn leave(&mut self, taken: &mut Taken, part: Part) {
        if taken.at != 0 {
            let now = self.now();
            if let Some(stamps) = &mut self.stamps {
                stamps.record(Measure::Part(part), taken.at, now);
                if taken.closing {
                    stamps.record(Measure::Closing(part), taken.at, now);
                }
            }
            taken.at = now;
        }
    }

    #[cold]
    fn now(&self) -> u64 {
        self.stamps.as_ref().map_or(0, Stamps::now)
    }

    /// A batch has come through: records the way from due to here, of every input in a paced run, of the
    /// stamped ones otherwise.
    pub fn through(&mut self, batch: &[&Slot]) {
        let Some(stamps) = &mut self.stamps else { return };
        if self.stamped == 0 && !stamps.every() {
            return;
        }
        let now = stamps.now();
        for (i, slot) in batch.iter().enumerate() {
            if stamps.every() || self.stamped >> i & 1 == 1 {
                let due = stamps.due(slot.seq());
                stamps.record(Measure::Journaled, due, now);
            }
        }
    }
}

impl Default for Pass {
    fn default() -> Self {
        Self::new()
    }
}

/// A panic of one part, caught at its thread.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Which part.
    pub part: Part,
    /// The sequence that it was at.
    pub seq: u64,
    /// What it said.
    pub message: String,
}

impl Fault {
    /// XXH3-64 of the message: what the journal keeps and a replay compares.
    pub fn message_hash(&self) -> u64 {
        xxhash_rust::xxh3::xxh3_64(self.message.as_bytes())
    }

    /// The fault of a caught panic.
    pub fn caught(at: At, payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_string());
        let message = text.or_else(|| payload.downcast_ref::<String>().cloned());
        let message = message.unwrap_or_else(|| "a panic without a message".to_string());
        Self { part: at.part, seq: at.seq, message }
    }
}

/// Which slots of a batch are checkpoints: at most one multiple of 10,000, and a run end, which is
/// always the last slot of its batch. Computed once a batch, so that a quiet slot costs two compares.
#[derive(Clone, Copy, Debug)]
pub struct Checkpoints {
    multiple: u64,
    end: u64,
}

impl Checkpoints {
    /// The checkpoints of a batch.
    #[inline]
    pub fn of(batch: &[&Slot]) -> Self {
        let first = batch.first().map_or(0, |slot| slot.seq());
        let last = batch.last().filter(|slot| slot.input.is::<RunEnd>());
        Self {
            multiple: first.next_multiple_of(CHECKPOINT_INPUTS),
            end: last.map_or(u64::MAX, |slot| slot.seq()),
        }
    }

    /// True if the state is hashed after this input. Not after input 0: the run start is outside.
    #[inline]
    pub fn has(self, seq: u64) -> bool {
        (seq == self.multiple && seq != 0) || seq == self.end
    }
}

/// `validate`, which writes its cell for every slot.
#[derive(Debug)]
#[repr(align(128))]
pub struct ValidateHandler {
    stage: Validate,
    cells: VerdictWriter,
    digests: DigestWriter,
}

impl ValidateHandler {
    /// The handler of `validate`.
    pub fn new(stage: Validate, cells: VerdictWriter, digests: DigestWriter) -> Self {
        Self { stage, cells, digests }
    }
}

impl Handler for ValidateHandler {
    fn parts(&self) -> &'static [Part] {
        &[Part::Validate]
    }

    fn on_batch(&mut self, batch: &[&Slot], pass: &mut Pass) -> Result<(), Problem> {
        let checkpoints = Checkpoints::of(batch);
        pass.at.part = Part::Validate;
        for (i, slot) in batch.iter().enumerate() {
            pass.at.seq = slot.seq();
            let mut taken = pass.take(i, slot);
            let found = self.stage.judge(&slot.input);
            self.cells.write(slot, found);
            if slot.input.is::<BookLevel>()
                && let Some(top) = self.stage.news()
            {
                self.cells.write_top(slot, top);
            }
            pass.leave(&mut taken, Part::Validate);
            if checkpoints.has(slot.seq()) {
                let mut digest = Digest::default();
                self.stage.digest(&mut digest);
                self.digests.write(slot.seq(), digest.finish());
            }
        }
        Ok(())
    }

    fn states(&mut self, show: &mut dyn FnMut(&'static str, &mut dyn Saved)) {
        show(Part::Validate.name(), &mut self.stage);
    }
}

/// A stage with its lanes: a handler by itself, or a seat of the decide group.
#[derive(Debug)]
#[repr(align(128))]
pub struct Seat<S: Stage> {
    stage: S,
    earlier: S::Earlier,
    lane: LaneWriter<S::Output>,
    digests: DigestWriter,
}

impl<S: Stage> Seat<S> {
    /// A stage, what it may read, and where it writes.
    pub fn new(
        stage: S,
        earlier: S::Earlier,
        lane: LaneWriter<S::Output>,
        digests: DigestWriter,
    ) -> Self {
        Self { stage, earlier, lane, digests }
    }

    /// One slot through the stage.
    #[inline]
    fn take(&mut self, slot: &Slot, standing: S::Standing<'_>) {
        if !S::sleeps(slot, &self.earlier) {
            let mut out = Emit::new(&mut self.lane, slot, &self.earlier);
            self.stage.on_input(slot, &self.earlier, standing, &mut out);
        }
    }

    fn checkpoint(&mut self, seq: u64) {
        let mut digest = Digest::default();
        self.stage.digest(&mut digest);
        self.digests.write(seq, digest.finish());
    }
}

impl<S: for<'a> Stage<Standing<'a> = ()>> Handler for Seat<S> {
    fn parts(&self) -> &'static [Part] {
        const { std::slice::from_ref(&S::PART) }
    }

    fn on_batch(&mut self, batch: &[&Slot], pass: &mut Pass) -> Result<(), Problem> {
        let checkpoints = Checkpoints::of(batch);
        pass.at.part = S::PART;
        for (i, slot) in batch.iter().enumerate() {
            pass.at.seq = slot.seq();
            let mut taken = pass.take(i, slot);
            self.take(slot, ());
            pass.leave(&mut taken, S::PART);
            if checkpoints.has(slot.seq()) {
                self.checkpoint(slot.seq());
            }
        }
        Ok(())
    }

    fn states(&mut self, show: &mut dyn FnMut(&'static str, &mut dyn Saved)) {
        show(S::PART.name(), &mut self.stage);
    }
}

/// marl, risk, oms and portfolio: always on one thread, slot by slot, so that marl and risk read
/// positions and orders as they stood after the previous input, as plain fields.
#[derive(Debug)]
pub struct DecideHandler {
    /// The policy.
    pub marl: Seat<MarlStage>,
    /// The limits.
    pub risk: Seat<RiskStage>,
    /// The orders.
    pub oms: Seat<OmsStage>,
    /// The account.
    pub portfolio: Seat<PortfolioStage>,
}

impl Handler for DecideHandler {
    fn parts(&self) -> &'static [Part] {
        &[Part::Marl, Part::Risk, Part::Oms, Part::Portfolio]
    }

    fn on_batch(&mut self, batch: &[&Slot], pass: &mut Pass) -> Result<(), Problem> {
        let checkpoints = Checkpoints::of(batch);
        for (i, slot) in batch.iter().enumerate() {
            let mut taken = pass.take(i, slot);
            pass.at = At { part: Part::Marl, seq: slot.seq() };
            self.marl.take(slot, &self.portfolio.stage);
            pass.leave(&mut taken, Part::Marl);
            pass.at.part = Part::Risk;
            self.risk.take(slot, (&self.portfolio.stage, &self.oms.stage));
            pass.leave(&mut taken, Part::Risk);
            pass.at.part = Part::Oms;
            self.oms.take(slot, (&self.risk.stage, &self.portfolio.stage));
            pass.leave(&mut taken, Part::Oms);
            pass.at.part = Part::Portfolio;
            self.portfolio.take(slot, ());
            pass.leave(&mut taken, Part::Portfolio);
            if checkpoints.has(slot.seq()) {
                self.marl.checkpoint(slot.seq());
                self.risk.checkpoint(slot.seq());
                self.oms.checkpoint(slot.seq());
                self.portfolio.checkpoint(slot.seq());
            }
        }
        Ok(())
    }

    fn states(&mut self, show: &mut dyn FnMut(&'static str, &mut dyn Saved)) {
        show(Part::Marl.name(), &mut self.marl.stage);
        show(POLICIES, self.marl.stage.policies_mut());
        show(Part::Risk.name(), &mut self.risk.stage);
        show(Part::Oms.name(), &mut self.oms.stage);
        show(Part::Portfolio.name(), &mut self.portfolio.stage);
    }
}

/// What the policies remember: apart from the stage that asks them, because a change of policies leaves its
/// windows alone.
pub const POLICIES: &str = "policies";

impl Saved for Policies {}
