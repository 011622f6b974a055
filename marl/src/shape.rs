//! The sizes of the actors, and what must agree with the engine's matrices.

use engine::indicators::matrices::{MATRICES, MatrixShape};

/// Actors of one matrix.
pub const ACTORS: usize = 3;
/// Width of both hidden layers.
pub const HIDDEN: usize = 64;
/// Outputs: short, hold, long.
pub const ACTIONS: usize = 3;

/// The actors of one matrix.
#[derive(Clone, Copy, Debug)]
pub struct Level {
    /// Its name in files.
    pub name: &'static str,
    /// The matrix that its actors read: its place in [`MATRICES`].
    pub matrix: usize,
    /// Their names, in the order of their weights.
    pub actors: [&'static str; ACTORS],
}

/// Reads the slow matrix.
pub const STRATEGIC: Level =
    Level { name: "strategic", matrix: 0, actors: ["mlmi", "nwrqk", "regime"] };
/// Reads the fast matrix.
pub const TACTICAL: Level =
    Level { name: "tactical", matrix: 1, actors: ["fvg", "momentum", "entry"] };
/// Both, in the order of a weights file.
pub const LEVELS: [Level; 2] = [STRATEGIC, TACTICAL];

impl Level {
    /// Cells of its matrix.
    pub const fn inputs(&self) -> usize {
        let MatrixShape { rows, columns, .. } = MATRICES[self.matrix];
        rows * columns.len()
    }

    /// Its widths, input to output.
    pub const fn layers(&self) -> [usize; 4] {
        [self.inputs(), HIDDEN, HIDDEN, ACTIONS]
    }

    /// Weights and biases of its actors.
    pub const fn floats(&self) -> usize {
        let [a, b, c, d] = self.layers();
        ACTORS * (a * b + b + b * c + c + c * d + d)
    }
}

/// Floats of a weights file.
pub const FLOATS: usize = STRATEGIC.floats() + TACTICAL.floats();

const _: () = assert!(STRATEGIC.inputs() == 48 * 8 && TACTICAL.inputs() == 60 * 7);
// Up to 512 terms the matrix product never splits a sum, whatever the caches of the machine: `gemm` takes
// max(512, what fits) terms at once. Beyond, the order of additions would depend on the cache sizes.
const _: () = assert!(STRATEGIC.inputs() <= 512 && TACTICAL.inputs() <= 512);
