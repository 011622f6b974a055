//! Series and bars that the tests share.

use engine::indicators::{ClosedBar, FeatureSet, Features, Roles};
use ringbuf_layout::Price;
use ringbuf_layout::units::{PRICE_ONE, SECOND};

/// Price step of the generated bars: a power of two, so that sums of prices are exact.
pub const TICK: f64 = 0.25;
/// Fast and slow at once: every feature is computed.
pub const BOTH: Roles = Roles { slow: true, fast: true };

/// Within `tolerance`, or relatively so for numbers above 1.
#[track_caller]
pub fn check_near(found: f64, expected: f64, tolerance: f64) {
    let allowed = tolerance * expected.abs().max(1.0);
    assert!((found - expected).abs() <= allowed, "{found} is not {expected} ± {allowed}");
}

/// The golden series of the momentum index: 100 + 5 sin(t/7) + 3 sin(t/3.1) + 0.02 t.
pub fn two_waves(t: u32) -> f64 {
    let t = f64::from(t);
    100.0 + 5.0 * libm::sin(t / 7.0) + 3.0 * libm::sin(t / 3.1) + 0.02 * t
}

/// The golden series of the kernel: 100 + 5 sin(t/7) + 0.05 t.
pub fn one_wave(t: u32) -> f64 {
    let t = f64::from(t);
    100.0 + 5.0 * libm::sin(t / 7.0) + 0.05 * t
}

/// A bar of these prices and volume, the `i`-th of 5 minutes, UTC.
pub fn bar(i: usize, [open, high, low, close]: [f64; 4], volume: f64) -> ClosedBar {
    let ts_close = (i as i64 + 1) * 300 * SECOND;
    ClosedBar { open, high, low, close, volume, ts_close, utc_offset_s: 0, after_break: false }
}

/// A bar of one price.
pub fn one_price(i: usize, price: f64, volume: f64) -> ClosedBar {
    bar(i, [price; 4], volume)
}

/// A set that knows its tick.
pub fn feature_set(roles: Roles, heikin_ashi: bool) -> FeatureSet {
    let mut set = FeatureSet::new(roles, heikin_ashi);
    set.set_tick(Price(PRICE_ONE / 4));
    set
}

/// The features after each of `bars`.
pub fn features_of(roles: Roles, heikin_ashi: bool, bars: &[ClosedBar]) -> Vec<Features> {
    let mut set = feature_set(roles, heikin_ashi);
    bars.iter().map(|bar| *set.on_bar(bar)).collect()
}

/// Bars that move in every way: a fixed stream of numbers (Knuth's MMIX generator), no file and no seed.
pub fn lively_bars(count: usize) -> Vec<ClosedBar> {
    let mut state = 42_u64;
    let mut below = |n: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    let mut price = 4_000;
    let mut bars = Vec::with_capacity(count);
    for i in 0..count {
        let open = price + below(9) as i64 - 4;
        let close = open + below(25) as i64 - 12;
        let high = open.max(close) + below(6) as i64;
        let low = open.min(close) - below(6) as i64;
        price = close;
        let prices = [open, high, low, close].map(|ticks| ticks as f64 * TICK);
        bars.push(bar(i, prices, (1 + below(500)) as f64));
    }
    bars
}
