//! marl: asks the policy, at each input that closes a fast bar of an instrument whose matrices are ready, and its
//! shadow with it: one decision, hold included.

use crate::config::{Semantic, Synergy as Config};
use crate::earlier::AfterSynergy;
use crate::indicators::matrices::{MATRICES, MatrixSet};
use crate::indicators::{Features, Roles};
use crate::policy::{Action, Choice, Policies, View};
use crate::stage::{Digest, Emit, Stage};
use crate::stages::portfolio::PortfolioStage;
use crate::state::{Codec, State, StateError, state};
use bytemuck::Zeroable;
use ringbuf_layout::{Bar, Decision, Frame, Header, Part, Size, Slot, Tail};

/// What it keeps of one instrument.
#[derive(Debug, Default)]
struct Seen {
    /// Windows of its own, fed by the same records as those of `matrix`: the values that policies read.
    matrices: MatrixSet,
    fast: Features,
    slow: Features,
}

/// The stage.
#[derive(Debug)]
pub struct MarlStage {
    roles: Config,
    policies: Policies,
    instruments: Vec<Seen>,
}

impl MarlStage {
    /// A stage with these policies, for the roles of a config and at most `instruments` instruments.
    pub fn new(semantic: &Semantic, instruments: usize, policies: Policies) -> Self {
        Self {
            roles: semantic.synergy.clone(),
            policies,
            instruments: (0..instruments).map(|_| Seen::default()).collect(),
        }
    }

    /// The policies, to save and to load them.
    pub fn policies_mut(&mut self) -> &mut Policies {
        &mut self.policies
    }

    /// The features of this slot. Returns the instrument that they are of.
    fn take(&mut self, slot: &Slot, earlier: &AfterSynergy) -> Option<u32> {
        let seq = slot.seq();
        let mut taken = None;
        let mut matrices = earlier.matrices.read(seq);
        for record in earlier.indicators.read(seq) {
            let instrument = record.tail.instrument;
            let Some(seen) = self.instruments.get_mut(instrument as usize) else { continue };
            let roles = Roles::of(record.timeframe_s, &self.roles);
            let features = Features::from(&record);
            seen.matrices.on_features(roles, &features, |number, window| {
                let journaled = matrices.next().map(|matrix| (matrix.name as usize, matrix.hash));
                assert_eq!(
                    journaled,
                    Some((number, window.hash())),
                    "Invariant: policies read the matrices that are journaled"
                );
            });
            if roles.slow {
                seen.slow = features;
            }
            if roles.fast {
                seen.fast = features;
            }
            taken = Some(instrument);
        }
        taken
    }

    /// The closed fast and slow bar of a slot.
    fn bars(&self, slot: &Slot, earlier: &AfterSynergy) -> (Option<Bar>, Option<Bar>) {
        let (mut fast, mut slow) = (None, None);
        for bar in earlier.bars.read(slot.seq()) {
            let roles = Roles::of(bar.timeframe_s, &self.roles);
            fast = roles.fast.then_some(bar).or(fast);
            slow = roles.slow.then_some(bar).or(slow);
        }
        (fast, slow)
    }

    fn decide(
        &mut self,
        slot: &Slot,
        earlier: &AfterSynergy,
        portfolio: &PortfolioStage,
    ) -> Option<Decision> {
        let instrument = self.take(slot, earlier)?;
        // What an earlier config had opened in it, they may close.
        if portfolio.account().rates().is_only_a_rate(instrument)
            && position_of(portfolio, instrument).0 == 0
        {
            return None;
        }
        let (fast_bar, slow_bar) = self.bars(slot, earlier);
        let seen = &self.instruments[instrument as usize];
        let synergy = earlier.synergies.read(slot.seq()).next();
        let head = slot.input.head();
        let view = View {
            ts: head.ts_event,
            instrument,
            fast_bar: fast_bar.as_ref()?,
            slow_bar: slow_bar.as_ref(),
            fast: &seen.fast,
            slow: &seen.slow,
            matrices: all_ready(&seen.matrices)?,
            synergy: synergy.as_ref(),
            position: position_of(portfolio, instrument),
        };
        let choice = self.policies.decide.decide(&view).checked();
        let shadow = self.policies.shadow.as_mut().map(|shadow| shadow.decide(&view).checked());
        Some(self.record(head, instrument, &choice, shadow.as_ref()))
    }

    fn record(
        &self,
        head: &Header,
        instrument: u32,
        choice: &Choice,
        shadow: Option<&Choice>,
    ) -> Decision {
        let action = |vote: Option<Action>| vote.map_or(Action::NONE, |action| action as u8);
        let policies = &self.policies;
        let mut weights = policies.decide.weights();
        if let Some(shadow) = policies.shadow.as_ref().filter(|_| weights == [0; 8]) {
            weights = shadow.weights();
        }
        Decision {
            head: Decision::header(head.ts_event, head.ts_recv),
            confidence: choice.confidence,
            action: choice.action as u8,
            strategic_action: action(choice.strategic.map(|vote| vote.action)),
            tactical_action: action(choice.tactical.map(|vote| vote.action)),
            shadow: action(shadow.map(|choice| choice.action)),
            policy: policies.decide.code() as u16,
            reason: choice.reason as u16,
            shadow_reason: shadow.map_or(0, |choice| choice.reason as u16),
            tail: Tail { instrument, ..Tail::default() },
            strategic_confidence: choice.strategic.map_or(0.0, |vote| vote.confidence),
            tactical_confidence: choice.tactical.map_or(0.0, |vote| vote.confidence),
            shadow_confidence: shadow.map_or(0.0, |choice| choice.confidence),
            weights,
            ..Decision::zeroed()
        }
    }
}

/// The matrices, once the windows that agents read are full: 30m and 5m. The regime's takes 126 slow bars; until
/// then it is empty.
fn all_ready(set: &MatrixSet) -> Option<[&[f32]; MATRICES.len()]> {
    Some([set.cells(0)?, set.cells(1)?, set.cells(2).unwrap_or_default()])
}

/// The position as it stood after the previous input.
fn position_of(portfolio: &PortfolioStage, instrument: u32) -> Size {
    Size(portfolio.account().position(instrument).quantity)
}

impl Stage for MarlStage {
    const PART: Part = Part::Marl;
    const EVERY_TICK: bool = false;
    type Earlier = AfterSynergy;
    type Output = Decision;
    /// Positions as they stood after the previous input.
    type Standing<'a> = &'a PortfolioStage;

    fn on_input(
        &mut self,
        slot: &Slot,
        earlier: &AfterSynergy,
        portfolio: &PortfolioStage,
        out: &mut Emit<'_, Decision>,
    ) {
        if let Some(decision) = self.decide(slot, earlier, portfolio) {
            out.push(decision);
        }
    }

    fn digest(&self, digest: &mut Digest) {
        for seen in &self.instruments {
            seen.matrices.digest(digest);
            for features in [&seen.fast, &seen.slow] {
                features.digest(digest);
            }
        }
        self.policies.decide.digest(digest);
        if let Some(shadow) = &self.policies.shadow {
            shadow.digest(digest);
        }
    }
}

state!(Seen { matrices, fast, slow });

impl State for MarlStage {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        // What the policies remember is saved apart.
        let Self { roles, policies: _, instruments } = self;
        codec.same(&(roles.fast_s, roles.slow_s), "fast_s and slow_s")?;
        codec.rows(instruments)
    }
}
