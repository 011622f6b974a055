//! oms: orders, their state machine, execution algorithms, the deterministic gate, the paper venue.
//!
//! Emits nothing yet: it is wired, hashed and replayed like the others, and the decisions issue fills
//! it in.

use crate::earlier::AfterRisk;
use crate::stage::{Digest, Emit, Stage};
use ringbuf_layout::{Execution, Part, Slot};

/// The stage; no state yet.
#[derive(Debug, Default)]
pub struct OmsStage;

impl Stage for OmsStage {
    const PART: Part = Part::Oms;
    // From the decisions issue on: deadlines fall due, and resting orders match, at any input.
    const EVERY_TICK: bool = true;
    type Earlier = AfterRisk;
    /// Order events and fills share one lane, in the order of their index.
    type Output = Execution;
    type Standing<'a> = ();

    fn on_input(&mut self, _: &Slot, _: &AfterRisk, (): (), _: &mut Emit<'_, Execution>) {}

    fn digest(&self, _: &mut Digest) {}
}
