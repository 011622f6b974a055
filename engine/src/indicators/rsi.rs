//! Wilder's relative strength index.

use crate::indicators::average::Smoothed;
use crate::stage::Digest;
use crate::state::state;

/// RSI(n) of closes, 0 to 100 (Wilder 1978): 100 − 100 / (1 + gain / loss), gain and loss being Wilder
/// averages of the rises and falls. A change needs two closes, so the averages are seeded with changes 1 … n
/// and the first value is at index n. (Seeding with a zero change at index 0 is a known bug.)
///
/// No loss gives 100. No movement at all gives 50: neither direction, where Pine says 100.
#[derive(Clone, Copy, Debug)]
pub struct Rsi {
    gain: Smoothed,
    loss: Smoothed,
    previous: Option<f64>,
}

impl Rsi {
    /// An RSI of this period.
    pub fn new(period: u32) -> Self {
        Self { gain: Smoothed::wilder(period), loss: Smoothed::wilder(period), previous: None }
    }

    /// Takes the next close.
    pub fn push(&mut self, close: f64) -> Option<f64> {
        let change = close - self.previous.replace(close)?;
        let gain = self.gain.push(change.max(0.0));
        let loss = self.loss.push((-change).max(0.0));
        let (gain, loss) = (gain?, loss?);
        Some(match (gain > 0.0, loss > 0.0) {
            (_, true) => 100.0 - 100.0 / (1.0 + gain / loss),
            (true, false) => 100.0,
            (false, false) => 50.0,
        })
    }

    /// Feeds its state to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        self.gain.digest(digest);
        self.loss.digest(digest);
        digest.word(u64::from(self.previous.is_some()));
        digest.float(self.previous.unwrap_or(0.0));
    }
}

state!(Rsi { gain, loss, previous });
