//! Volatility, momentum and acceleration of closes, in percent.

use crate::indicators::statistics::{mean_and_deviation, simple_returns};
use crate::indicators::window::Window;
use crate::stage::Digest;
use crate::state::state;

/// Returns in `volatility_30`; it needs one close more.
pub const VOLATILITY_RETURNS: usize = 30;
/// How far `price_momentum_5` looks back, in bars.
pub const MOMENTUM_BARS: usize = 5;

/// The closes that the three features share.
#[derive(Clone, Copy, Debug, Default)]
pub struct Momentum {
    closes: Window<{ VOLATILITY_RETURNS + 1 }>,
}

/// Its values after a bar, in percent; each `None` until its window is full.
#[derive(Clone, Copy, Debug, Default)]
pub struct MomentumValues {
    /// `volatility_30`: 100 × population standard deviation of the last 30 simple returns.
    pub volatility: Option<f64>,
    /// `price_momentum_5`: 100 × (P / P₋₅ − 1).
    pub momentum: Option<f64>,
    /// `price_acceleration`: the last percent change minus the one before it.
    pub acceleration: Option<f64>,
}

impl Momentum {
    /// Takes the next close.
    pub fn on_close(&mut self, close: f64) -> MomentumValues {
        self.closes.push(close);
        let mut returns = [0.0; VOLATILITY_RETURNS];
        MomentumValues {
            volatility: self.closes.full().map(|closes| {
                let (_, deviation) = mean_and_deviation(simple_returns(closes, &mut returns));
                100.0 * deviation
            }),
            momentum: self
                .closes
                .newest(MOMENTUM_BARS + 1)
                .map(|closes| 100.0 * (close - closes[0]) / closes[0]),
            acceleration: self.closes.newest(3).map(|closes| {
                let change = |from: f64, to: f64| 100.0 * (to - from) / from;
                change(closes[1], closes[2]) - change(closes[0], closes[1])
            }),
        }
    }

    /// Feeds its state to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        self.closes.digest(digest);
    }
}

state!(Momentum { closes });
