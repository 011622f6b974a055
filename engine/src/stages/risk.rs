//! risk: value at risk, Kelly, correlation, limits: approve with a size, or deny.
//!
//! Emits nothing yet: it is wired, hashed and replayed like the others, and the decisions issue fills
//! it in.

use crate::earlier::AfterMarl;
use crate::stage::{Digest, Emit, Stage};
use crate::stages::oms::OmsStage;
use crate::stages::portfolio::PortfolioStage;
use ringbuf_layout::{Part, Risk, Slot};

/// The stage; no state yet.
#[derive(Debug, Default)]
pub struct RiskStage;

impl Stage for RiskStage {
    const PART: Part = Part::Risk;
    const EVERY_TICK: bool = false;
    type Earlier = AfterMarl;
    type Output = Risk;
    /// Positions and working orders as they stood after the previous input.
    type Standing<'a> = (&'a PortfolioStage, &'a OmsStage);

    fn on_input(
        &mut self,
        _: &Slot,
        _: &AfterMarl,
        _: (&PortfolioStage, &OmsStage),
        _: &mut Emit<'_, Risk>,
    ) {
    }

    fn digest(&self, _: &mut Digest) {}
}
