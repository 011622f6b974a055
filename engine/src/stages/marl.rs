//! marl: agents and their coordinated vote, or a user's own policy.
//!
//! Emits nothing yet: it is wired, hashed and replayed like the others, and the decisions issue fills
//! it in.

use crate::earlier::AfterSynergy;
use crate::stage::{Digest, Emit, Stage};
use crate::stages::portfolio::PortfolioStage;
use ringbuf_layout::{Decision, Part, Slot};

/// The stage; no state yet.
#[derive(Debug, Default)]
pub struct MarlStage;

impl Stage for MarlStage {
    const PART: Part = Part::Marl;
    const EVERY_TICK: bool = false;
    type Earlier = AfterSynergy;
    type Output = Decision;
    /// Positions as they stood after the previous input.
    type Standing<'a> = &'a PortfolioStage;

    fn on_input(
        &mut self,
        _: &Slot,
        _: &AfterSynergy,
        _: &PortfolioStage,
        _: &mut Emit<'_, Decision>,
    ) {
    }

    fn digest(&self, _: &mut Digest) {}
}
