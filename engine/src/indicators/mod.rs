//! Indicators, matrices and synergies as plain mathematics: a closed bar in, numbers out.
//!
//! ```text
//!             ┌─ raw ──────────────▶ atr · momentum · volume · time · fvg (fast bars only) ─┐
//! closed bar ─┤                                                                             ├─▶ features ─▶ matrices
//!             └─ raw, or on the slow timeframe Heikin-Ashi ─▶ mlmi · nwrqk · lvn ───────────┘        └─────▶ synergies
//! ```
//!
//! Every struct here is state plus one `on_…` method. Memory is taken when it is made and never after; a value
//! that is not known is `None`, never 0 or NaN. Windows are recomputed from their values, oldest first, at
//! each bar, so no rounding error runs on; only recursive definitions (Wilder, EMA, Heikin-Ashi) do. The same
//! bars give the same bits on every machine: no fused multiply-add, functions from `libm`.
//!
//! Sources of the formulas are named at each of them: *spec* is the specification this engine follows,
//! *public* the published indicator of that name, Wilder 1978 is "New Concepts in Technical Trading Systems".

pub mod atr;
pub mod average;
pub mod features;
pub mod fvg;
pub mod heikin_ashi;
pub mod lvn;
pub mod matrices;
pub mod mlmi;
pub mod momentum;
pub mod nwrqk;
pub mod profile;
pub mod rsi;
pub mod statistics;
pub mod synergies;
pub mod time;
pub mod volume;
pub mod window;

pub use features::{FEATURES, Feature, FeatureSet, Features, Roles};

use ringbuf_layout::units::PRICE_ONE;
use ringbuf_layout::{Bar, Price};

/// Bars that the spec wants before it computes its own formulas. Features of public models have warm-ups of
/// their own.
pub const SPEC_HISTORY_BARS: u32 = 50;

/// A price as a float: the nearest one to its decimal text, because both operands of the division are exact.
pub fn price_to_float(price: Price) -> f64 {
    price.0 as f64 / PRICE_ONE as f64
}

/// A closed bar as the indicators see it.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClosedBar {
    /// First price, in units of the quote currency.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Sum of sizes, in any unit: every use of it is a ratio.
    pub volume: f64,
    /// Nominal end, ns UTC: the instant that the time features describe.
    pub ts_close: i64,
    /// Seconds east of UTC of the venue's local time.
    pub utc_offset_s: i32,
    /// A session boundary or a roll lies between the bar before and this one: the price between them was not
    /// traded through, so no gap is found across it. An empty bucket within a session is none.
    pub after_break: bool,
}

impl ClosedBar {
    /// The bar of a record, with what the record does not say.
    pub fn from_record(bar: &Bar, utc_offset_s: i32, after_break: bool) -> Self {
        Self {
            open: price_to_float(bar.open),
            high: price_to_float(bar.high),
            low: price_to_float(bar.low),
            close: price_to_float(bar.close),
            volume: bar.volume.0 as f64,
            ts_close: bar.ts_close,
            utc_offset_s,
            after_break,
        }
    }

    /// False for a bar that no market makes: a single NaN would stay in every recursive average for ever.
    pub fn is_sound(&self) -> bool {
        let finite = [self.open, self.high, self.low, self.close, self.volume];
        finite.iter().all(|value| value.is_finite())
            && self.low > 0.0
            && self.low <= self.open.min(self.close)
            && self.high >= self.open.max(self.close)
            && self.volume >= 0.0
    }
}
