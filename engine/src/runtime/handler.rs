//! Runs a stage over a batch of slots and leaves its digest at checkpoints.

use crate::earlier::{AfterMarl, AfterOms, AfterRisk, AfterSynergy};
use crate::problem::Problem;
use crate::runtime::sink::Tally;
use crate::stage::{CHECKPOINT_INPUTS, Digest, Emit, Stage};
use crate::stages::marl::MarlStage;
use crate::stages::oms::OmsStage;
use crate::stages::portfolio::PortfolioStage;
use crate::stages::risk::RiskStage;
use crate::stages::validate::Validate;
use ringbuf_layout::lane::DigestWriter;
use ringbuf_layout::{
    Decision, Execution, LaneWriter, Portfolio, Risk, RunEnd, Slot, VerdictWriter,
};

/// What a group runs: a stage, the decide group, or a sink.
pub trait Handler: Send {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Takes the next slots, in sequence.
    ///
    /// # Errors
    /// Only sinks fail (a full disk); the run then ends.
    fn on_batch(&mut self, batch: &[&Slot]) -> Result<(), Problem>;

    /// Ends its work in good order: the journal seals itself.
    ///
    /// # Errors
    /// If that fails.
    fn close(&mut self) -> Result<(), Problem> {
        Ok(())
    }

    /// What it counted, if it counts.
    fn tally(&self) -> Option<&Tally> {
        None
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

fn digest_of(feed: impl FnOnce(&mut Digest)) -> u64 {
    let mut digest = Digest::default();
    feed(&mut digest);
    digest.finish()
}

/// `validate`, which writes its cell for every slot.
#[derive(Debug)]
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
    fn name(&self) -> &'static str {
        "validate"
    }

    fn on_batch(&mut self, batch: &[&Slot]) -> Result<(), Problem> {
        let checkpoints = Checkpoints::of(batch);
        for slot in batch {
            let found = self.stage.judge(&slot.input);
            self.cells.write(slot, found);
            if checkpoints.has(slot.seq()) {
                self.digests.write(slot.seq(), digest_of(|d| self.stage.digest(d)));
            }
        }
        Ok(())
    }
}

/// A stage that leaves its outputs in a lane.
#[derive(Debug)]
pub struct StageHandler<S: Stage> {
    stage: S,
    earlier: S::Earlier,
    lane: LaneWriter<S::Output>,
    digests: DigestWriter,
}

impl<S: Stage> StageHandler<S> {
    /// The handler of a stage.
    pub fn new(
        stage: S,
        earlier: S::Earlier,
        lane: LaneWriter<S::Output>,
        digests: DigestWriter,
    ) -> Self {
        Self { stage, earlier, lane, digests }
    }
}

impl<S: for<'a> Stage<Standing<'a> = ()>> Handler for StageHandler<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }

    fn on_batch(&mut self, batch: &[&Slot]) -> Result<(), Problem> {
        let checkpoints = Checkpoints::of(batch);
        for slot in batch {
            let mut out = Emit::new(&mut self.lane, slot, &self.earlier);
            self.stage.on_input(slot, &self.earlier, (), &mut out);
            if checkpoints.has(slot.seq()) {
                self.digests.write(slot.seq(), digest_of(|d| self.stage.digest(d)));
            }
        }
        Ok(())
    }
}

/// A stage of the decide group with its lanes.
#[derive(Debug)]
pub struct Seat<S: Stage> {
    stage: S,
    earlier: S::Earlier,
    lane: LaneWriter<S::Output>,
    digests: DigestWriter,
}

impl<S: Stage> Seat<S> {
    /// A seat in the decide group.
    pub fn new(
        stage: S,
        earlier: S::Earlier,
        lane: LaneWriter<S::Output>,
        digests: DigestWriter,
    ) -> Self {
        Self { stage, earlier, lane, digests }
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

macro_rules! take_seat {
    ($seat:expr, $slot:expr, $standing:expr) => {{
        let seat = &mut $seat;
        let mut out = Emit::new(&mut seat.lane, $slot, &seat.earlier);
        seat.stage.on_input($slot, &seat.earlier, $standing, &mut out);
    }};
}

impl Handler for DecideHandler {
    fn name(&self) -> &'static str {
        "decide"
    }

    fn on_batch(&mut self, batch: &[&Slot]) -> Result<(), Problem> {
        let checkpoints = Checkpoints::of(batch);
        for slot in batch {
            take_seat!(self.marl, slot, &self.portfolio.stage);
            take_seat!(self.risk, slot, (&self.portfolio.stage, &self.oms.stage));
            take_seat!(self.oms, slot, ());
            take_seat!(self.portfolio, slot, ());
            if checkpoints.has(slot.seq()) {
                let seq = slot.seq();
                self.marl.digests.write(seq, digest_of(|d| self.marl.stage.digest(d)));
                self.risk.digests.write(seq, digest_of(|d| self.risk.stage.digest(d)));
                self.oms.digests.write(seq, digest_of(|d| self.oms.stage.digest(d)));
                self.portfolio.digests.write(seq, digest_of(|d| self.portfolio.stage.digest(d)));
            }
        }
        Ok(())
    }
}

/// The lanes that the decide group needs, by name, so that the wiring reads in one place.
#[derive(Debug)]
pub struct DecideLanes {
    /// Decisions.
    pub decisions: LaneWriter<Decision>,
    /// Risk verdicts.
    pub risks: LaneWriter<Risk>,
    /// Order events and fills.
    pub orders: LaneWriter<Execution>,
    /// Account records.
    pub accounts: LaneWriter<Portfolio>,
}

/// What the decide group's stages may read, in order.
pub type DecideEarlier = (AfterSynergy, AfterMarl, AfterRisk, AfterOms);
