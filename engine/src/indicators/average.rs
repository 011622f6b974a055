//! Moving averages: linearly weighted, exponential, Wilder's.

use crate::stage::Digest;
use crate::state::state;

/// WMA of all `values`, oldest first: weights 1, 2, …, n, the newest has n; divided by n(n + 1) / 2.
pub fn wma(values: &[f64]) -> f64 {
    let (mut sum, mut weights) = (0.0, 0.0);
    for (weight, value) in (1_u32..).zip(values) {
        sum += f64::from(weight) * value;
        weights += f64::from(weight);
    }
    sum / weights
}

/// A recursive average: seeded with the simple average of the first n values, so that the first result comes
/// with the n-th, then a ← a + α (x − a).
#[derive(Clone, Copy, Debug)]
pub struct Smoothed {
    period: u32,
    alpha: f64,
    seen: u32,
    /// Sum of the first values while fewer than `period` were seen, then the average.
    state: f64,
}

impl Smoothed {
    /// The exponential average of n values: α = 2 / (n + 1).
    pub fn exponential(period: u32) -> Self {
        Self::new(period, 2.0 / (f64::from(period) + 1.0))
    }

    /// Wilder's average (1978): α = 1 / n, which is his (a × (n − 1) + x) / n.
    pub fn wilder(period: u32) -> Self {
        Self::new(period, 1.0 / f64::from(period))
    }

    fn new(period: u32, alpha: f64) -> Self {
        assert!(period > 0, "Condition failed: an average is over at least one value");
        Self { period, alpha, seen: 0, state: 0.0 }
    }

    /// Takes the next value.
    pub fn push(&mut self, value: f64) -> Option<f64> {
        if self.seen == self.period {
            self.state += self.alpha * (value - self.state);
            return Some(self.state);
        }
        self.seen += 1;
        self.state += value;
        if self.seen < self.period {
            return None;
        }
        self.state /= f64::from(self.period);
        Some(self.state)
    }

    /// Feeds its state to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        digest.word(u64::from(self.seen));
        digest.float(self.state);
    }
}

state!(Smoothed { seen, state } fixed { period, alpha } check |average| average.seen <= average.period);
