//! matrix: 48×8 of 30 minutes, 60×7 of 5 minutes, regime; z-score, clip ±3.
//!
//! Emits nothing yet: it is wired, hashed and replayed like the others, and the decisions issue fills
//! it in.

use crate::earlier::AfterIndicator;
use crate::stage::{Digest, Emit, Stage};
use ringbuf_layout::{Matrix, Part, Slot};

/// The stage; no state yet.
#[derive(Debug, Default)]
pub struct MatrixStage;

impl Stage for MatrixStage {
    const PART: Part = Part::Matrix;
    const EVERY_TICK: bool = false;
    type Earlier = AfterIndicator;
    type Output = Matrix;
    type Standing<'a> = ();

    fn on_input(&mut self, _: &Slot, _: &AfterIndicator, (): (), _: &mut Emit<'_, Matrix>) {}

    fn digest(&self, _: &mut Digest) {}
}
