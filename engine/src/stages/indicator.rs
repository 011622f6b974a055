//! indicator: MLMI, NWRQK, FVG, LVN, time, ATR, volatility, momentum.
//!
//! Emits nothing yet: it is wired, hashed and replayed like the others, and the decisions issue fills
//! it in.

use crate::earlier::AfterBar;
use crate::stage::{Digest, Emit, Stage};
use ringbuf_layout::{Indicator, Part, Slot};

/// The stage; no state yet.
#[derive(Debug, Default)]
pub struct IndicatorStage;

impl Stage for IndicatorStage {
    const PART: Part = Part::Indicator;
    const EVERY_TICK: bool = false;
    type Earlier = AfterBar;
    type Output = Indicator;
    type Standing<'a> = ();

    fn on_input(&mut self, _: &Slot, _: &AfterBar, (): (), _: &mut Emit<'_, Indicator>) {}

    fn digest(&self, _: &mut Digest) {}
}
