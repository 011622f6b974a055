//! oms: orders, their state machine, execution algorithms, the deterministic gate, the paper venue.
//!
//! In this version it emits only a drill's orders: it is wired, hashed and replayed like the others, and the
//! decisions issue fills it in.

use crate::config::Semantic;
use crate::earlier::AfterRisk;
use crate::stage::{Digest, Emit, Stage};
use crate::stages::drill::Drill;
use ringbuf_layout::{Execution, Part, Slot};

/// The stage.
#[derive(Debug)]
pub struct OmsStage {
    drill: Option<Drill>,
}

impl OmsStage {
    /// The stage of a config, for at most `instruments` instruments.
    pub fn new(semantic: &Semantic, instruments: usize) -> Self {
        let every = semantic.drill.order_every;
        Self { drill: (every > 0).then(|| Drill::new(every, instruments)) }
    }
}

impl Stage for OmsStage {
    const PART: Part = Part::Oms;
    // From the decisions issue on: deadlines fall due, and resting orders match, at any input.
    const EVERY_TICK: bool = true;
    type Earlier = AfterRisk;
    /// Order events and fills share one lane, in the order of their index.
    type Output = Execution;
    type Standing<'a> = ();

    fn on_input(&mut self, slot: &Slot, _: &AfterRisk, (): (), out: &mut Emit<'_, Execution>) {
        if let Some(drill) = &mut self.drill {
            drill.on_input(slot, out);
        }
    }

    fn digest(&self, digest: &mut Digest) {
        if let Some(drill) = &self.drill {
            drill.digest(digest);
        }
    }
}
