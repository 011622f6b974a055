//! The six actors as a policy.

use crate::coordination::{STRATEGIC_WEIGHTS, act, tactical_weights, tally, votes};
use crate::manifest::Status;
use crate::shape::{ACTORS, STRATEGIC, TACTICAL};
use crate::trio::Trio;
use crate::weights::Weights;
use burn::tensor::Device;
use core::fmt;
use engine::Problem;
use engine::policy::{Choice, DecisionReason, Policy, View, Vote};
use engine::stage::Digest;
use ringbuf_layout::names::PolicyCode;
use std::path::Path;

/// Why the agents cannot say anything: they hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A weight or bias is not finite.
    Weights,
    /// A matrix has another number of cells than the actors have inputs.
    Shape,
    /// A cell of a matrix is not finite.
    Input,
    /// An actor's output is not finite.
    Output,
}

impl Fault {
    /// The reason in the record.
    pub fn reason(self) -> DecisionReason {
        match self {
            Self::Weights => DecisionReason::WeightsNotFinite,
            Self::Shape => DecisionReason::MatrixShape,
            Self::Input => DecisionReason::InputNotFinite,
            Self::Output => DecisionReason::OutputNotFinite,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Weights => "a weight is not finite",
            Self::Shape => "a matrix of another shape",
            Self::Input => "a matrix cell is not finite",
            Self::Output => "an actor's output is not finite",
        })
    }
}

/// Six actors and their coordination. They remember nothing between decisions.
#[derive(Debug)]
pub struct Agents {
    strategic: Trio,
    tactical: Trio,
    status: Status,
    sha256: [u8; 32],
    /// False if a weight is not finite.
    sound: bool,
}

impl Agents {
    /// Agents with these weights.
    pub fn new(weights: &Weights) -> Self {
        let device = Device::flex();
        let (strategic, tactical) = weights.values().split_at(STRATEGIC.floats());
        Self {
            strategic: Trio::new(&STRATEGIC, strategic, &device),
            tactical: Trio::new(&TACTICAL, tactical, &device),
            status: weights.manifest().status,
            sha256: weights.sha256(),
            sound: weights.values().iter().all(|value| value.is_finite()),
        }
    }

    /// Agents with the embedded weights, UNTRAINED.
    pub fn embedded() -> Self {
        Self::new(&Weights::untrained())
    }

    /// Agents with the weights of a file.
    ///
    /// # Errors
    /// If it cannot be read, is not what was written, or is for something else than this build.
    pub fn load(path: &Path) -> Result<Self, Problem> {
        Weights::read(path).map(|weights| Self::new(&weights))
    }

    /// False for weights from a seed.
    pub fn is_trained(&self) -> bool {
        self.status == Status::Trained
    }

    /// SHA-256 of the file of their weights.
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// What they choose for the slow and the fast matrix, row by row and oldest row first, and the type of the
    /// synergy that this input completed.
    ///
    /// # Errors
    /// Why they cannot say anything.
    pub fn choose(
        &self,
        slow: &[f32],
        fast: &[f32],
        synergy: Option<u32>,
    ) -> Result<Choice, Fault> {
        if !self.sound {
            return Err(Fault::Weights);
        }
        // 1. Both levels speak.
        let strategic = self.strategic.votes_on(slow)?;
        let tactical = self.tactical.votes_on(fast)?;
        // 2. Their votes are weighed.
        let strategic = tally(&strategic, &STRATEGIC_WEIGHTS);
        let tactical = tally(&tactical, &tactical_weights(synergy));
        // 3. The tactical level acts, if the strategic one lets it.
        Ok(act(strategic, tactical))
    }
}

impl Trio {
    fn votes_on(&self, cells: &[f32]) -> Result<[Vote; ACTORS], Fault> {
        if !cells.iter().all(|cell| cell.is_finite()) {
            return Err(Fault::Input);
        }
        let logits = self.logits(cells).ok_or(Fault::Shape)?;
        votes(&logits).ok_or(Fault::Output)
    }
}

impl Policy for Agents {
    fn name(&self) -> &str {
        // Nobody shall take seeded weights for a strategy.
        if self.is_trained() { "burn" } else { "burn UNTRAINED" }
    }

    fn decide(&mut self, view: &View<'_>) -> Choice {
        let slow = view.matrices[STRATEGIC.matrix];
        let fast = view.matrices[TACTICAL.matrix];
        let synergy = view.synergy.map(|synergy| synergy.kind);
        self.choose(slow, fast, synergy).unwrap_or_else(|fault| Choice::held(fault.reason()))
    }

    /// They remember nothing; what they run is part of the state all the same.
    fn digest(&self, digest: &mut Digest) {
        digest.word(u64::from_le_bytes(self.weights()));
    }

    fn code(&self) -> PolicyCode {
        PolicyCode::Burn
    }

    fn weights(&self) -> [u8; 8] {
        let mut first = [0; 8];
        first.copy_from_slice(&self.sha256[..8]);
        first
    }
}
