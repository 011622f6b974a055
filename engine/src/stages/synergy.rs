//! synergy: four ordered signal sequences, window, cooldown.
//!
//! Emits nothing yet: it is wired, hashed and replayed like the others, and the decisions issue fills
//! it in.

use crate::earlier::AfterMatrix;
use crate::stage::{Digest, Emit, Stage};
use ringbuf_layout::{Part, Slot, Synergy};

/// The stage; no state yet.
#[derive(Debug, Default)]
pub struct SynergyStage;

impl Stage for SynergyStage {
    const PART: Part = Part::Synergy;
    const EVERY_TICK: bool = false;
    type Earlier = AfterMatrix;
    type Output = Synergy;
    type Standing<'a> = ();

    fn on_input(&mut self, _: &Slot, _: &AfterMatrix, (): (), _: &mut Emit<'_, Synergy>) {}

    fn digest(&self, _: &mut Digest) {}
}
