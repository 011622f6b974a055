//! From what the actors say to what is done.
//!
//! 1. An actor's logits become probabilities by a softmax; it votes for the likeliest action, as sure as that
//!    action is likely. Where two actions are equally likely, it votes hold.
//! 2. The votes of a level are weighed: an action's score is Σ weight × confidence of the actors for it, and the
//!    best score is how sure the level is. Below [`THRESHOLD`] the level holds.
//! 3. The tactical action is done if the strategic level agrees or holds; else hold.

use crate::shape::{ACTIONS, ACTORS};
use crate::trio::Logits;
use engine::policy::{Action, Choice, DecisionReason, Vote};

/// A level that is less sure than this holds.
pub const THRESHOLD: f64 = 0.65;

/// Weights of mlmi, nwrqk, regime.
pub const STRATEGIC_WEIGHTS: [f64; ACTORS] = [1.0 / 3.0; ACTORS];

/// Weights of fvg, momentum, entry after a synergy of this type, or without one.
pub fn tactical_weights(synergy: Option<u32>) -> [f64; ACTORS] {
    match synergy {
        Some(1) => [0.50, 0.30, 0.20],
        Some(2) => [0.40, 0.40, 0.20],
        Some(3) => [0.30, 0.50, 0.20],
        Some(4) => [0.35, 0.35, 0.30],
        _ => [0.33, 0.33, 0.34],
    }
}

/// What a level says.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Verdict {
    /// Its action, hold if it is not sure enough, and its best score.
    pub vote: Vote,
    /// False where it holds because it is not sure enough.
    pub sure: bool,
}

/// Probabilities of an actor's actions: in f32, from the largest, in the order short, hold, long. None if a logit
/// is not finite.
pub fn softmax(logits: [f32; ACTIONS]) -> Option<[f32; ACTIONS]> {
    if !logits.iter().all(|logit| logit.is_finite()) {
        return None;
    }
    let [short, hold, long] = logits;
    let largest = short.max(hold).max(long);
    let powers = logits.map(|logit| libm::expf(logit - largest));
    let sum = powers[0] + powers[1] + powers[2];
    Some(powers.map(|power| power / sum))
}

/// The action with the largest value; hold where another has as much.
fn favourite<T: PartialOrd>([short, hold, long]: [T; ACTIONS]) -> Action {
    if long > hold && long > short {
        Action::Long
    } else if short > hold && short > long {
        Action::Short
    } else {
        Action::Hold
    }
}

/// The votes of a level's actors. None if a logit is not finite.
pub fn votes(logits: &Logits) -> Option<[Vote; ACTORS]> {
    let mut votes = [Vote { action: Action::Hold, confidence: 0.0 }; ACTORS];
    for (vote, logits) in votes.iter_mut().zip(logits) {
        let likely = softmax(*logits)?;
        let action = favourite(likely);
        *vote = Vote { action, confidence: f64::from(likely[action as usize]) };
    }
    Some(votes)
}

/// What a level says, from the votes of its actors in order.
pub fn tally(votes: &[Vote; ACTORS], weights: &[f64; ACTORS]) -> Verdict {
    let mut scores = [0.0; ACTIONS];
    for (vote, weight) in votes.iter().zip(weights) {
        scores[vote.action as usize] += weight * vote.confidence;
    }
    let action = favourite(scores);
    let confidence = scores.into_iter().fold(0.0, f64::max);
    let sure = confidence >= THRESHOLD;
    let action = if sure { action } else { Action::Hold };
    Verdict { vote: Vote { action, confidence }, sure }
}

/// What is done: the tactical action, if the strategic level agrees or holds. It is as sure as the tactical
/// level; a hold that had to be has no confidence, and its reason.
pub fn act(strategic: Verdict, tactical: Verdict) -> Choice {
    let opposed = match (strategic.vote.action, tactical.vote.action) {
        (Action::Hold, _) | (_, Action::Hold) => false,
        (strategic, tactical) => strategic != tactical,
    };
    let choice = if !tactical.sure {
        Choice::held(DecisionReason::BelowThreshold)
    } else if opposed {
        Choice::held(DecisionReason::Disagreement)
    } else {
        Choice::new(tactical.vote.action, tactical.vote.confidence)
    };
    Choice { strategic: Some(strategic.vote), tactical: Some(tactical.vote), ..choice }
}
