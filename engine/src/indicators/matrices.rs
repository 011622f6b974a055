//! The matrices that agents read: windows of features, each column a z-score over its window.

use crate::indicators::features::{Feature, Features, Roles};
use crate::indicators::statistics::mean_and_deviation;
use crate::stage::Digest;
use crate::state::state;
use xxhash_rust::xxh3::Xxh3;

/// Largest magnitude of a cell.
pub const CLIP: f64 = 3.0;
/// Most rows of a matrix.
pub const ROWS_MAX: usize = 96;

/// Shape of a matrix.
#[derive(Clone, Copy, Debug)]
pub struct MatrixShape {
    /// Its name in exports.
    pub name: &'static str,
    /// Bars, oldest first.
    pub rows: usize,
    /// Features, in order.
    pub columns: &'static [Feature],
    /// True: of the slow timeframe, false: of the fast one.
    pub slow: bool,
}

/// The matrices; a record names one by its place here. The 48×13 variant of the first needs the MMD scores,
/// which do not exist yet.
pub const MATRICES: [MatrixShape; 3] = [
    MatrixShape {
        name: "30m",
        rows: 48,
        columns: &[
            Feature::MlmiValue,
            Feature::MlmiSignal,
            Feature::NwrqkValue,
            Feature::NwrqkSlope,
            Feature::LvnDistancePoints,
            Feature::LvnNearestStrength,
            Feature::TimeHourSin,
            Feature::TimeHourCos,
        ],
        slow: true,
    },
    MatrixShape {
        name: "5m",
        rows: 60,
        columns: &[
            Feature::FvgBullishActive,
            Feature::FvgBearishActive,
            Feature::FvgNearestLevel,
            Feature::FvgAge,
            Feature::FvgMitigationSignal,
            Feature::PriceMomentum5,
            Feature::VolumeRatio,
        ],
        slow: false,
    },
    MatrixShape {
        name: "regime",
        rows: 96,
        columns: &[Feature::Volatility30, Feature::VolumeProfileSkew, Feature::PriceAcceleration],
        slow: true,
    },
];

impl MatrixShape {
    /// Bars before the first row: until every column is past its warm-up.
    pub fn warm_up_bars(&self) -> u32 {
        let last = self.columns.iter().map(|feature| feature.warm_up_bars()).max().unwrap_or(1);
        last - 1
    }
}

/// One matrix of one instrument.
///
/// A cell is (x − mean) / deviation over its column's window, population deviation, 0 where all values are
/// equal, clipped to ±3 (spec). A feature that is past its warm-up may be unknown (no gap, no node, no volume):
/// such a cell does not enter mean and deviation, and is 0, the column's mean.
#[derive(Clone, Debug)]
pub struct MatrixWindow {
    shape: MatrixShape,
    /// Bars still to ignore.
    cold: u32,
    /// Rows in the window.
    len: usize,
    /// Raw values, row by row, oldest first; NaN marks an unknown one.
    raw: Box<[f64]>,
    /// The matrix, row by row, oldest first.
    cells: Box<[f32]>,
}

impl MatrixWindow {
    /// An empty matrix of this shape.
    ///
    /// # Panics
    /// If it has no column, no row, or more than [`ROWS_MAX`].
    pub fn new(shape: MatrixShape) -> Self {
        assert!(
            (1..=ROWS_MAX).contains(&shape.rows) && !shape.columns.is_empty(),
            "Condition failed: a matrix has 1 to {ROWS_MAX} rows and a column"
        );
        let cells = shape.rows * shape.columns.len();
        Self {
            shape,
            cold: shape.warm_up_bars(),
            len: 0,
            raw: vec![f64::NAN; cells].into(),
            cells: vec![0.0; cells].into(),
        }
    }

    /// Takes the features of the next bar; gives the matrix, row by row and oldest row first, once its window
    /// is full.
    pub fn on_features(&mut self, features: &Features) -> Option<&[f32]> {
        if self.cold > 0 {
            self.cold -= 1;
            return None;
        }
        let width = self.shape.columns.len();
        self.raw.copy_within(width.., 0);
        let newest = self.raw.len() - width;
        for (cell, feature) in self.raw[newest..].iter_mut().zip(self.shape.columns) {
            *cell = features.get(*feature).unwrap_or(f64::NAN);
        }
        self.len = (self.len + 1).min(self.shape.rows);
        if self.len < self.shape.rows {
            return None;
        }
        (0..width).for_each(|column| self.normalise(column));
        Some(&self.cells)
    }

    fn normalise(&mut self, column: usize) {
        let width = self.shape.columns.len();
        let mut known = [0.0; ROWS_MAX];
        let mut count = 0;
        for value in self.raw.iter().skip(column).step_by(width).filter(|value| !value.is_nan()) {
            known[count] = *value;
            count += 1;
        }
        let (mean, deviation) = match count {
            0 => (0.0, 0.0),
            _ => mean_and_deviation(&known[..count]),
        };
        let raw = self.raw.iter().skip(column).step_by(width);
        let cells = self.cells.iter_mut().skip(column).step_by(width);
        for (cell, value) in cells.zip(raw) {
            *cell = if value.is_nan() || deviation <= 0.0 {
                0.0
            } else {
                ((value - mean) / deviation).clamp(-CLIP, CLIP) as f32
            };
        }
    }

    /// Its shape.
    pub fn shape(&self) -> &MatrixShape {
        &self.shape
    }

    /// The matrix, row by row and oldest row first, if its window is full.
    pub fn cells(&self) -> Option<&[f32]> {
        (self.len == self.shape.rows).then_some(&*self.cells)
    }

    /// XXH3-64 of the matrix as little-endian floats, row by row and oldest row first.
    pub fn hash(&self) -> u64 {
        let mut hash = Xxh3::new();
        self.cells.iter().for_each(|cell| hash.update(&cell.to_le_bytes()));
        hash.digest()
    }

    /// Feeds its state to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        digest.word(u64::from(self.cold));
        digest.word(self.len as u64);
        let first = self.raw.len() - self.len * self.shape.columns.len();
        self.raw[first..].iter().for_each(|value| digest.float(*value));
    }
}

/// The matrices of one instrument: a window for each of [`MATRICES`], fed by its features.
#[derive(Clone, Debug)]
pub struct MatrixSet {
    windows: [MatrixWindow; MATRICES.len()],
}

impl Default for MatrixSet {
    fn default() -> Self {
        Self { windows: MATRICES.map(MatrixWindow::new) }
    }
}

impl MatrixSet {
    /// Takes the features after a bar of a timeframe in these roles, and hands each matrix that this makes ready
    /// or moves on to `ready`, with its place in [`MATRICES`].
    pub fn on_features(
        &mut self,
        roles: Roles,
        features: &Features,
        mut ready: impl FnMut(usize, &MatrixWindow),
    ) {
        for (number, window) in self.windows.iter_mut().enumerate() {
            let concerns = if window.shape.slow { roles.slow } else { roles.fast };
            if concerns && window.on_features(features).is_some() {
                ready(number, window);
            }
        }
    }

    /// The matrix at this place of [`MATRICES`], if its window is full.
    pub fn cells(&self, number: usize) -> Option<&[f32]> {
        self.windows.get(number)?.cells()
    }

    /// Feeds its state to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        self.windows.iter().for_each(|window| window.digest(digest));
    }
}

// The slices have the shape's length, or do not load.
state!(MatrixWindow { cold, len, raw, cells } fixed { shape } check |window| window.len <= window.shape.rows);
state!(MatrixSet { windows });
