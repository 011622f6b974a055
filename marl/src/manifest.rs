//! The first line of a weights file: what the numbers behind it are.

use crate::features::{NORMALISER, description, hash_of};
use crate::shape::{ACTORS, FLOATS, LEVELS, Level};
use engine::Problem;
use serde::{Deserialize, Serialize};

/// The format that this version writes and reads.
pub const FORMAT: u32 = 1;

/// Where weights come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Status {
    /// From a seed: they know nothing.
    #[serde(rename = "UNTRAINED")]
    Untrained,
    /// From training.
    #[serde(rename = "trained")]
    Trained,
}

/// The actors of a level.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelShape {
    /// Their names, in the order of their weights.
    pub actors: [String; ACTORS],
    /// Widths, input to output.
    pub layers: [usize; 4],
}

impl From<&Level> for LevelShape {
    fn from(level: &Level) -> Self {
        Self { actors: level.actors.map(String::from), layers: level.layers() }
    }
}

/// The manifest, in the order of its line; the hash before it is [`crate::weights`]' affair.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// Where the weights come from.
    pub status: Status,
    /// What they were made with.
    pub seed: u64,
    /// Hash of the feature list that they were made for; see [`crate::features`].
    pub features: String,
    /// How the matrices are normalised, by name.
    pub normaliser: String,
    /// Actors of the slow matrix.
    pub strategic: LevelShape,
    /// Actors of the fast one.
    pub tactical: LevelShape,
    /// Numbers behind the line, 4 bytes each.
    pub floats: usize,
}

impl Manifest {
    /// The manifest of weights for this build.
    pub fn of(status: Status, seed: u64) -> Self {
        let [strategic, tactical] = LEVELS.map(|level| LevelShape::from(&level));
        Self {
            format: FORMAT,
            status,
            seed,
            features: hash_of(&description()),
            normaliser: NORMALISER.into(),
            strategic,
            tactical,
            floats: FLOATS,
        }
    }

    /// Refuses weights that were made for something else than this build runs.
    ///
    /// # Errors
    /// The first thing that does not agree.
    pub fn check(&self, place: &str) -> Result<(), Problem> {
        let here = Self::of(self.status, self.seed);
        let differs = |what: &str, theirs: &str, ours: &str, fix: &str| {
            let what = format!("weights for {what} {theirs}, this build has {ours}");
            Err(Problem::new(what, place, fix))
        };
        if self.format != here.format {
            let (theirs, ours) = (self.format.to_string(), here.format.to_string());
            return differs("format", &theirs, &ours, "write them with this version");
        }
        for (name, theirs, ours) in [
            ("strategic", &self.strategic, &here.strategic),
            ("tactical", &self.tactical, &here.tactical),
        ] {
            if theirs != ours {
                let what = format!("{name} actors of another shape,");
                return differs(&what, &theirs.text(), &ours.text(), "train them for this shape");
            }
        }
        if self.floats != here.floats {
            let (theirs, ours) = (self.floats.to_string(), here.floats.to_string());
            return differs("another number of floats,", &theirs, &ours, "write them again");
        }
        if self.features != here.features {
            let fix = "train them again for these features, or run the build that they are for";
            return differs("another feature list,", &self.features, &here.features, fix);
        }
        if self.normaliser != here.normaliser {
            let fix = "train them with this normaliser";
            return differs("the normaliser", &self.normaliser, &here.normaliser, fix);
        }
        Ok(())
    }
}

impl LevelShape {
    fn text(&self) -> String {
        let layers: Vec<_> = self.layers.iter().map(usize::to_string).collect();
        format!("{} {}", self.actors.join("+"), layers.join("→"))
    }
}
