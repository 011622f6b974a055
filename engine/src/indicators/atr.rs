//! Wilder's average true range.

use crate::indicators::ClosedBar;
use crate::indicators::average::Smoothed;
use crate::stage::Digest;
use crate::state::state;

/// Bars of the `atr` feature (Wilder 1978).
pub const ATR_PERIOD: u32 = 14;

/// ATR(14), in price units: Wilder's average of the true range max(H − L, |H − C₋₁|, |L − C₋₁|). The first
/// bar has no close before it and counts with H − L, as in Wilder and Pine, so the first value is at index 13
/// (libraries that drop that bar have it at 14).
#[derive(Clone, Copy, Debug)]
pub struct Atr {
    average: Smoothed,
    previous_close: Option<f64>,
}

impl Default for Atr {
    fn default() -> Self {
        Self { average: Smoothed::wilder(ATR_PERIOD), previous_close: None }
    }
}

impl Atr {
    /// Takes the next bar.
    pub fn on_bar(&mut self, bar: &ClosedBar) -> Option<f64> {
        let before = self.previous_close.replace(bar.close).unwrap_or(bar.close);
        // With its own close in the place of the missing one, the first bar's range is H − L.
        self.average.push(bar.high.max(before) - bar.low.min(before))
    }

    /// Feeds its state to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        self.average.digest(digest);
        digest.word(u64::from(self.previous_close.is_some()));
        digest.float(self.previous_close.unwrap_or(0.0));
    }
}

state!(Atr { average, previous_close });
