//! synergy: four ordered signal sequences, window, cooldown.

use crate::config::{Semantic, Synergy as Config};
use crate::earlier::AfterMatrix;
use crate::indicators::synergies::{SynergyDetector, SynergyFound, SynergyRules};
use crate::indicators::{Features, Roles};
use crate::stage::{Digest, Emit, Stage};
use crate::state::{Codec, State, StateError};
use bytemuck::Zeroable;
use ringbuf_layout::{Frame, Part, Side, Slot, Synergy, Tail};

/// The stage.
#[derive(Debug)]
pub struct SynergyStage {
    roles: Config,
    instruments: Vec<SynergyDetector>,
}

impl SynergyStage {
    /// A stage with the rules of a config for at most `instruments` instruments.
    pub fn new(semantic: &Semantic, instruments: usize) -> Self {
        let roles = semantic.synergy.clone();
        let rules = SynergyRules {
            fast_s: roles.fast_s,
            window_bars: roles.window_bars,
            cooldown_bars: roles.cooldown_bars,
            ..SynergyRules::default()
        };
        let instruments = (0..instruments).map(|_| SynergyDetector::new(rules)).collect();
        Self { roles, instruments }
    }

    /// What the features of a slot complete. Time is the instant at which its bars closed, the same for both.
    fn detect(&mut self, slot: &Slot, earlier: &AfterMatrix) -> Option<(u32, SynergyFound)> {
        let (seq, ts) = (slot.seq(), slot.input.head().ts_event);
        let instrument = earlier.indicators.read(seq).next()?.tail.instrument;
        let detector = self.instruments.get_mut(instrument as usize)?;
        let mut found = None;
        // The lane has the fast bar first; the slow one speaks first.
        for record in earlier.indicators.read(seq) {
            if Roles::of(record.timeframe_s, &self.roles).slow {
                found = detector.on_slow(ts, &Features::from(&record));
            }
        }
        for record in earlier.indicators.read(seq) {
            if Roles::of(record.timeframe_s, &self.roles).fast {
                // One signal cannot complete what a synergy has just emptied.
                found = found.or(detector.on_fast(ts, &Features::from(&record)));
            }
        }
        found.map(|found| (instrument, found))
    }
}

impl Stage for SynergyStage {
    const PART: Part = Part::Synergy;
    const EVERY_TICK: bool = false;
    type Earlier = AfterMatrix;
    type Output = Synergy;
    type Standing<'a> = ();

    fn on_input(
        &mut self,
        slot: &Slot,
        earlier: &AfterMatrix,
        (): (),
        out: &mut Emit<'_, Synergy>,
    ) {
        let Some((instrument, found)) = self.detect(slot, earlier) else { return };
        let side = if found.direction > 0 { Side::Buy } else { Side::Sell };
        let head = slot.input.head();
        out.push(Synergy {
            head: Synergy::header(head.ts_event, head.ts_recv),
            strength: found.strength,
            kind: found.kind,
            bars_to_complete: found.bars_to_complete,
            tail: Tail { instrument, side: side as u8, ..Tail::default() },
            ..Synergy::zeroed()
        });
    }

    fn digest(&self, digest: &mut Digest) {
        self.instruments.iter().for_each(|detector| detector.digest(digest));
    }
}

impl State for SynergyStage {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { roles, instruments } = self;
        codec.same(&(roles.fast_s, roles.slow_s), "fast_s and slow_s")?;
        codec.rows(instruments)
    }
}
