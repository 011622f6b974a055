//! NWRQK: the spec's risk-adjusted momentum, and the Nadaraya-Watson estimate with a rational quadratic kernel.

use crate::indicators::SPEC_HISTORY_BARS;
use crate::indicators::statistics::{mean_and_deviation, simple_returns, slope};
use crate::indicators::window::Window;
use crate::stage::Digest;
use crate::state::state;

/// Terms of the kernel's sum: lags 0 … 26. The public script sums to `size + x_0` with `x_0` = 25, and its
/// `size` is that of an array with one element; ports that take the bar index for it sum all history.
pub const KERNEL_LAGS: usize = 27;
/// Look-back h of the public script.
pub const KERNEL_H: f64 = 8.0;
/// Relative weight r of the public script.
pub const KERNEL_R: f64 = 8.0;
/// Closes of the spec's formula: 19 returns.
pub const MOMENTUM_CLOSES: usize = 20;
/// Keeps the spec's ratio finite where nothing moves.
const SPEC_EPSILON: f64 = 1e-8;

/// Weight of the close `lag` bars back: (1 + i² / (2 r h²))^(−r). It depends on the lag alone; a port that puts
/// price distances there computes another thing.
pub fn rational_quadratic(lag: usize, h: f64, r: f64) -> f64 {
    let lag = lag as f64;
    libm::pow(1.0 + lag * lag / (2.0 * r * h * h), -r)
}

/// A kernel's weights, computed once.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    /// By lag.
    weights: [f64; KERNEL_LAGS],
    total: f64,
}

impl Kernel {
    /// The kernel of look-back `h` and relative weight `r`.
    pub fn new(h: f64, r: f64) -> Self {
        let weights = core::array::from_fn(|lag| rational_quadratic(lag, h, r));
        let mut total = 0.0;
        for weight in weights {
            total += weight;
        }
        Self { weights, total }
    }

    /// Σ w(i) × close i bars back / Σ w(i), over 27 `closes`, oldest first.
    ///
    /// # Panics
    /// If there are not 27: fewer would need other weights in the divisor.
    pub fn estimate(&self, closes: &[f64]) -> f64 {
        assert_eq!(closes.len(), KERNEL_LAGS, "Invariant: a kernel is estimated over its lags");
        let mut sum = 0.0;
        for (weight, close) in self.weights.iter().zip(closes.iter().rev()) {
            sum += weight * close;
        }
        sum / self.total
    }
}

/// State of the six features.
#[derive(Clone, Copy, Debug)]
pub struct Nwrqk {
    bars: u32,
    closes: Window<KERNEL_LAGS>,
    kernel: Kernel,
    estimates: Window<3>,
}

/// Its values after a bar.
#[derive(Clone, Copy, Debug, Default)]
pub struct NwrqkValues {
    /// `nwrqk_value`: slope / (volatility + 1e-8). Spec; from 50 bars on, as the next two.
    pub value: Option<f64>,
    /// `nwrqk_slope`: least-squares slope of the last 19 simple returns against 0 … 18.
    pub slope: Option<f64>,
    /// `nwrqk_volatility`: their population standard deviation.
    pub volatility: Option<f64>,
    /// `nwrqk_kernel`: the estimate, a price. Public, from 27 bars on.
    pub kernel: Option<f64>,
    /// `nwrqk_kernel_slope`: its change since the bar before, in ATR: comparable between instruments, where a
    /// relative change is about 1e-4 and never reaches a gate made for ratios.
    pub kernel_slope: Option<f64>,
    /// `nwrqk_kernel_signal`: +1 on the bar on which it turns up, −1 down, else 0. (The public script's alert
    /// names are swapped, and its stream says +1 on turning down.)
    pub kernel_signal: Option<f64>,
}

impl Default for Nwrqk {
    fn default() -> Self {
        Self {
            bars: 0,
            closes: Window::default(),
            kernel: Kernel::new(KERNEL_H, KERNEL_R),
            estimates: Window::default(),
        }
    }
}

impl Nwrqk {
    /// Takes the next close, and the ATR after the same bar.
    pub fn on_close(&mut self, close: f64, atr: Option<f64>) -> NwrqkValues {
        self.bars = self.bars.saturating_add(1);
        self.closes.push(close);
        let kernel = self.closes.full().map(|closes| self.kernel.estimate(closes));
        if let Some(estimate) = kernel {
            self.estimates.push(estimate);
        }
        NwrqkValues {
            kernel,
            kernel_slope: atr.and_then(|atr| self.kernel_slope(atr)),
            kernel_signal: self.estimates.full().map(turn),
            ..self.spec_values()
        }
    }

    fn spec_values(&self) -> NwrqkValues {
        let Some(closes) = self.closes.newest(MOMENTUM_CLOSES) else {
            return NwrqkValues::default();
        };
        if self.bars < SPEC_HISTORY_BARS {
            return NwrqkValues::default();
        }
        let mut returns = [0.0; MOMENTUM_CLOSES - 1];
        let returns = simple_returns(closes, &mut returns);
        let (_, volatility) = mean_and_deviation(returns);
        let slope = slope(returns);
        NwrqkValues {
            value: Some(slope / (volatility + SPEC_EPSILON)),
            slope: Some(slope),
            volatility: Some(volatility),
            ..NwrqkValues::default()
        }
    }

    fn kernel_slope(&self, atr: f64) -> Option<f64> {
        let estimates = self.estimates.newest(2)?;
        let change = estimates[1] - estimates[0];
        if atr > 0.0 {
            return Some(change / atr);
        }
        // Nothing has ever moved; a kernel that did not move either has no slope in any unit.
        (change == 0.0).then_some(0.0)
    }

    /// Feeds its state to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        digest.word(u64::from(self.bars));
        self.closes.digest(digest);
        self.estimates.digest(digest);
    }
}

/// +1 where the middle of three estimates, oldest first, is the lowest, −1 where it is the highest.
fn turn(estimates: &[f64]) -> f64 {
    let (before, at, now) = (estimates[0], estimates[1], estimates[2]);
    if before > at && at < now {
        1.0
    } else if before < at && at > now {
        -1.0
    } else {
        0.0
    }
}

// A kernel is made of constants.
state!(Nwrqk { bars, closes, estimates } fixed { kernel });
