//! Who decides: the boundary between the engine and a policy, the rule baseline, and what runs in shadow.
//!
//! ```
//! use engine::policy::{Action, Choice, Policies, Policy, View};
//!
//! /// Goes with the last slow bar.
//! struct Follow;
//!
//! impl Policy for Follow {
//!     fn name(&self) -> &str {
//!         "follow"
//!     }
//!
//!     fn decide(&mut self, view: &View<'_>) -> Choice {
//!         let Some(bar) = view.slow_bar else { return Choice::HOLD };
//!         let up = bar.close > bar.open;
//!         Choice::new(if up { Action::Long } else { Action::Short }, 0.8)
//!     }
//! }
//!
//! let policies = Policies::own(Follow).with_shadow(engine::policy::Rule);
//! assert_eq!((policies.name(), policies.shadow_name()), ("follow", "rule"));
//! ```
//!
//! `examples/own_policy.rs` runs one on the synthetic market.

use crate::indicators::synergies::SynergyRules;
use crate::indicators::{Feature, Features};
use crate::stage::Digest;
use crate::state::{Codec, State, StateError};
use ringbuf_layout::names::PolicyCode;
use ringbuf_layout::{Bar, Size, Synergy};

pub use ringbuf_layout::names::{Action, DecisionReason};

/// Decides at each closed fast bar of an instrument whose matrices are ready.
///
/// A policy is part of a pure stage: the same views give the same choices, on every thread and in every replay.
/// No clock, no file, no thread, no randomness but from a seed that it was made with, no hash-map iteration, and
/// no memory taken in [`Policy::decide`]. A panic ends the run like one of the engine's own.
pub trait Policy: Send {
    /// Its name in summaries.
    fn name(&self) -> &str;

    /// What it chooses.
    fn decide(&mut self, view: &View<'_>) -> Choice;

    /// Feeds what it remembers between views to the state hash, if it remembers anything.
    fn digest(&self, _: &mut Digest) {}

    /// Saves what it remembers between views into a snapshot, or loads it from one, if it remembers anything: the
    /// same walk for both, see [`crate::state`]. What [`Policy::digest`] hashes must come back.
    ///
    /// # Errors
    /// Loading: the bytes are not its own.
    fn state(&mut self, _: &mut Codec<'_>) -> Result<(), StateError> {
        Ok(())
    }

    /// Which of the known policies it is, in records.
    fn code(&self) -> PolicyCode {
        PolicyCode::Own
    }

    /// First 8 bytes of the SHA-256 of the weights that it runs; 0 if it has none.
    fn weights(&self) -> [u8; 8] {
        [0; 8]
    }
}

/// What a policy sees: everything up to and including this input, and nothing later.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Event time, ns UTC.
    pub ts: i64,
    /// The instrument, by its number in the journal's table.
    pub instrument: u32,
    /// The fast bar that this input closed.
    pub fast_bar: &'a Bar,
    /// The slow bar, if this input closed one too.
    pub slow_bar: Option<&'a Bar>,
    /// Features after that fast bar: `view.fast.get(Feature::FvgAge)`.
    pub fast: &'a Features,
    /// Features after the newest slow bar, which may have closed earlier.
    pub slow: &'a Features,
    /// The matrices, in the order and shape of [`crate::indicators::matrices::MATRICES`]: row by row, oldest row
    /// first. The regime's, the last, is empty until its window of 96 slow bars is full.
    pub matrices: [&'a [f32]; 3],
    /// The synergy that this input completed, if it did; `tail.side` is its direction.
    pub synergy: Option<&'a Synergy>,
    /// Signed position as it stood after the previous input, in the instrument's size unit.
    pub position: Size,
}

impl View<'_> {
    /// −1 or +1 if this input completed a synergy, else 0.
    pub fn synergy_direction(&self) -> i8 {
        self.synergy.map_or(0, |synergy| if synergy.tail.side == 1 { 1 } else { -1 })
    }
}

/// An action and how sure of it somebody is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Vote {
    /// What.
    pub action: Action,
    /// 0 to 1.
    pub confidence: f64,
}

/// What a policy chose.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Choice {
    /// What to do.
    pub action: Action,
    /// 0 to 1. Anything else, NaN included, is recorded as a hold with a reason.
    pub confidence: f64,
    /// Why it holds, where it had to.
    pub reason: DecisionReason,
    /// What its strategic part said, if it has one.
    pub strategic: Option<Vote>,
    /// What its tactical part said, if it has one.
    pub tactical: Option<Vote>,
}

impl Choice {
    /// Hold, in full confidence.
    pub const HOLD: Self = Self::new(Action::Hold, 1.0);

    /// An action with a confidence of 0 to 1.
    pub const fn new(action: Action, confidence: f64) -> Self {
        let reason = DecisionReason::None;
        Self { action, confidence, reason, strategic: None, tactical: None }
    }

    /// Hold for a reason.
    pub const fn held(reason: DecisionReason) -> Self {
        Self { reason, ..Self::new(Action::Hold, 0.0) }
    }

    /// The choice as it is recorded and acted upon: one with a confidence that is none, its own or that of a
    /// part, is a hold. Of its parts, those with a valid confidence stay.
    #[must_use]
    pub fn checked(self) -> Self {
        let valid = |vote: Option<Vote>| vote.filter(|vote| fault(vote.confidence).is_none());
        let (strategic, tactical) = (valid(self.strategic), valid(self.tactical));
        let votes = [self.strategic, self.tactical].into_iter().flatten();
        let mut confidences = std::iter::once(self.confidence).chain(votes.map(|v| v.confidence));
        match confidences.find_map(fault) {
            Some(reason) => Self { strategic, tactical, ..Self::held(reason) },
            None => self,
        }
    }
}

/// What is wrong with a confidence.
fn fault(confidence: f64) -> Option<DecisionReason> {
    if confidence.is_nan() {
        Some(DecisionReason::ConfidenceNan)
    } else if (0.0..=1.0).contains(&confidence) {
        None
    } else {
        Some(DecisionReason::ConfidenceRange)
    }
}

/// The rule baseline: at a synergy its direction; else, if a slow bar closed and the kernel turned, that way; else
/// hold. It is as sure of a synergy as that is strong, of a turn as it is steep, and of holding fully.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rule;

impl Policy for Rule {
    #[expect(clippy::unnecessary_literal_bound, reason = "the trait lets a policy own its name")]
    fn name(&self) -> &str {
        "rule"
    }

    fn decide(&mut self, view: &View<'_>) -> Choice {
        if let Some(synergy) = view.synergy {
            return Choice::new(Action::towards(view.synergy_direction()), synergy.strength);
        }
        let slow = view.slow_bar.map(|_| view.slow);
        let turn = slow.and_then(|slow| slow.get(Feature::NwrqkKernelSignal));
        match turn.map(|turn| Action::towards(i8::from(turn > 0.0) - i8::from(turn < 0.0))) {
            None | Some(Action::Hold) => Choice::HOLD,
            Some(action) => {
                let slope = view.slow.get(Feature::NwrqkKernelSlope).unwrap_or(0.0);
                let full = SynergyRules::default().slope_full;
                Choice::new(action, (libm::fabs(slope) / full).min(1.0))
            }
        }
    }

    fn code(&self) -> PolicyCode {
        PolicyCode::Rule
    }
}

/// Who decides, and who is asked the same without effect.
pub struct Policies {
    /// Its choices are acted upon.
    pub decide: Box<dyn Policy>,
    /// Its choices are computed and recorded, and change nothing.
    pub shadow: Option<Box<dyn Policy>>,
}

impl Policies {
    /// A user's own policy, without a shadow.
    pub fn own(policy: impl Policy + 'static) -> Self {
        Self { decide: Box::new(policy), shadow: None }
    }

    /// The same with another policy in shadow.
    #[must_use]
    pub fn with_shadow(self, policy: impl Policy + 'static) -> Self {
        Self { shadow: Some(Box::new(policy)), ..self }
    }

    /// Name of who decides.
    pub fn name(&self) -> &str {
        self.decide.name()
    }

    /// Both names.
    pub fn names(&self) -> (String, String) {
        (self.name().to_string(), self.shadow_name().to_string())
    }

    /// Name of who runs in shadow: `none` if nobody does.
    pub fn shadow_name(&self) -> &str {
        self.shadow.as_ref().map_or("none", |shadow| shadow.name())
    }
}

impl Default for Policies {
    /// The rule baseline, without a shadow.
    fn default() -> Self {
        Self::own(Rule)
    }
}

impl State for Policies {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        codec.same_text(self.decide.name(), "the policy")?;
        codec.same(&self.decide.weights(), "the policy's weights")?;
        self.decide.state(codec)?;
        codec.same_text(self.shadow_name(), "the shadow")?;
        let Some(shadow) = &mut self.shadow else { return Ok(()) };
        codec.same(&shadow.weights(), "the shadow's weights")?;
        shadow.state(codec)
    }
}

impl core::fmt::Debug for Policies {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Policies({}, shadow {})", self.name(), self.shadow_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confidence_that_is_none_is_a_hold_with_a_reason() {
        for (confidence, reason) in [
            (f64::NAN, DecisionReason::ConfidenceNan),
            (-0.1, DecisionReason::ConfidenceRange),
            (1.000_000_1, DecisionReason::ConfidenceRange),
            (f64::INFINITY, DecisionReason::ConfidenceRange),
            (f64::NEG_INFINITY, DecisionReason::ConfidenceRange),
        ] {
            let choice = Choice::new(Action::Long, confidence).checked();
            assert_eq!(choice, Choice::held(reason), "{confidence}");
            let vote = Some(Vote { action: Action::Long, confidence });
            let sure = Some(Vote { action: Action::Short, confidence: 0.9 });
            let of_parts =
                Choice { strategic: vote, tactical: sure, ..Choice::new(Action::Long, 0.9) };
            let expected = Choice { tactical: sure, ..Choice::held(reason) };
            assert_eq!(of_parts.checked(), expected, "{confidence}");
        }
        for confidence in [0.0, -0.0, 0.5, 1.0] {
            let choice = Choice::new(Action::Short, confidence);
            assert_eq!(choice.checked(), choice);
        }
    }

    #[test]
    fn an_action_is_a_direction_and_back() {
        for action in [Action::Short, Action::Hold, Action::Long] {
            assert_eq!(Action::towards(action.direction()), action);
            assert_eq!(Action::from_byte(action as u8), Some(action));
        }
        assert_eq!(Action::from_byte(Action::NONE), None);
    }
}
