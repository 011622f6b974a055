//! Decisions as a journal holds them, in place of the policies that made them: for a replay on a host whose
//! floating-point kernels round otherwise, or where the weights are no longer at hand.

use crate::policy::{Action, Choice, DecisionReason, Policies, Policy, View, Vote};
use crate::stage::Digest;
use journal::Journal;
use ringbuf_layout::names::PolicyCode;
use ringbuf_layout::{Decision, RunStart};
use std::collections::VecDeque;

/// Says what was decided, in the order in which it was.
struct Trusted {
    name: String,
    code: PolicyCode,
    weights: [u8; 8],
    choices: VecDeque<Choice>,
}

/// The decisions of a journal from a sequence to the end of that run, as policies; the names are those of who made
/// them. What is not in the journal is a hold, which the comparison then names.
/// Damage is left to the replay, which names it.
pub(crate) fn policies(journal: &Journal, (decide, shadow): (&str, &str), from: u64) -> Policies {
    let mut frames = journal.frames_from(from);
    let mut decisions = Vec::new();
    while let Ok(Some(frame)) = frames.next() {
        if frame.head().seq > from && frame.get::<RunStart>().is_some() {
            break;
        }
        if frame.head().seq >= from {
            decisions.extend(frame.get::<Decision>().copied());
        }
    }
    let first = decisions.first().copied();
    let code = first.and_then(|first| PolicyCode::from_byte(first.policy as u8));
    let code = code.unwrap_or(PolicyCode::Rule);
    let weights = first.map_or([0; 8], |first| first.weights);
    let burn_decides = code == PolicyCode::Burn;
    let trusted = |name: &str, code, weights, choices| {
        Box::new(Trusted { name: name.to_string(), code, weights, choices }) as Box<dyn Policy>
    };
    let of_shadow: VecDeque<Choice> = decisions.iter().filter_map(shadowed).collect();
    let shadow = (!of_shadow.is_empty()).then(|| {
        let weights = if burn_decides { [0; 8] } else { weights };
        trusted(shadow, PolicyCode::Own, weights, of_shadow)
    });
    let weights = if burn_decides { weights } else { [0; 8] };
    let choices = decisions.iter().map(decided).collect();
    Policies { decide: trusted(decide, code, weights, choices), shadow }
}

fn decided(record: &Decision) -> Choice {
    Choice {
        action: Action::from_byte(record.action).unwrap_or(Action::Hold),
        confidence: record.confidence,
        reason: reason(record.reason),
        strategic: vote(record.strategic_action, record.strategic_confidence),
        tactical: vote(record.tactical_action, record.tactical_confidence),
    }
}

fn shadowed(record: &Decision) -> Option<Choice> {
    let Vote { action, confidence } = vote(record.shadow, record.shadow_confidence)?;
    let reason = reason(record.shadow_reason);
    Some(Choice { action, confidence, reason, strategic: None, tactical: None })
}

fn vote(action: u8, confidence: f64) -> Option<Vote> {
    Action::from_byte(action).map(|action| Vote { action, confidence })
}

fn reason(code: u16) -> DecisionReason {
    let code = u8::try_from(code).ok();
    code.and_then(DecisionReason::from_byte).unwrap_or(DecisionReason::None)
}

impl Policy for Trusted {
    fn name(&self) -> &str {
        &self.name
    }

    fn decide(&mut self, _: &View<'_>) -> Choice {
        self.choices.pop_front().unwrap_or(Choice::HOLD)
    }

    /// As the agents do: what they ran is part of the state.
    fn digest(&self, digest: &mut Digest) {
        if self.weights != [0; 8] {
            digest.word(u64::from_le_bytes(self.weights));
        }
    }

    fn code(&self) -> PolicyCode {
        self.code
    }

    fn weights(&self) -> [u8; 8] {
        self.weights
    }
}
