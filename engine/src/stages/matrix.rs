//! matrix: 48×8 of the slow timeframe, 60×7 of the fast one, 96×3 for the regime; z-score, clip ±3.
//!
//! The record carries shape and hash. Whoever reads the values (`marl`, on its own thread) keeps windows of its
//! own, fed by the same indicator records: a copy of 13 KB an instrument instead of cells that two threads share.

use crate::config::{Semantic, Synergy};
use crate::earlier::AfterIndicator;
use crate::indicators::matrices::MatrixSet;
use crate::indicators::{Features, Roles};
use crate::stage::{Digest, Emit, Stage};
use crate::state::{Codec, State, StateError};
use bytemuck::Zeroable;
use ringbuf_layout::{Frame, Matrix, Part, Slot, Tail};

/// The stage.
#[derive(Debug)]
pub struct MatrixStage {
    roles: Synergy,
    instruments: Vec<MatrixSet>,
}

impl MatrixStage {
    /// A stage for the roles of a config and at most `instruments` instruments.
    pub fn new(semantic: &Semantic, instruments: usize) -> Self {
        Self {
            roles: semantic.synergy.clone(),
            instruments: (0..instruments).map(|_| MatrixSet::default()).collect(),
        }
    }
}

impl Stage for MatrixStage {
    const PART: Part = Part::Matrix;
    const EVERY_TICK: bool = false;
    type Earlier = AfterIndicator;
    type Output = Matrix;
    type Standing<'a> = ();

    fn on_input(
        &mut self,
        slot: &Slot,
        earlier: &AfterIndicator,
        (): (),
        out: &mut Emit<'_, Matrix>,
    ) {
        let head = slot.input.head();
        for record in earlier.indicators.read(slot.seq()) {
            let instrument = record.tail.instrument;
            let Some(set) = self.instruments.get_mut(instrument as usize) else { continue };
            let roles = Roles::of(record.timeframe_s, &self.roles);
            set.on_features(roles, &Features::from(&record), |number, window| {
                out.push(Matrix {
                    head: Matrix::header(head.ts_event, head.ts_recv),
                    hash: window.hash(),
                    rows: window.shape().rows as u32,
                    cols: window.shape().columns.len() as u32,
                    name: number as u32,
                    tail: Tail { instrument, ..Tail::default() },
                    ..Matrix::zeroed()
                });
            });
        }
    }

    fn digest(&self, digest: &mut Digest) {
        self.instruments.iter().for_each(|set| set.digest(digest));
    }
}

impl State for MatrixStage {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { roles, instruments } = self;
        codec.same(&(roles.fast_s, roles.slow_s), "fast_s and slow_s")?;
        codec.rows(instruments)
    }
}
