//! Published and recomputed numbers of the project's domain notes, §2 (named in brackets).

use crate::naive::{self, Variant};
use crate::series::{check_near, one_wave, two_waves};
use engine::indicators::average::wma;
use engine::indicators::mlmi::{Mlmi, MlmiValues};
use engine::indicators::nwrqk::{Kernel, Nwrqk, rational_quadratic};
use engine::indicators::rsi::Rsi;
use engine::indicators::window::Window;

/// Bars at which the notes give predictions.
const AT: [usize; 6] = [45, 80, 120, 200, 300, 399];

fn closes() -> Vec<f64> {
    (0..400).map(two_waves).collect()
}

fn mlmi() -> (Vec<MlmiValues>, u64) {
    let mut index = Mlmi::default();
    let values = closes().into_iter().map(|close| index.on_close(close)).collect();
    (values, index.events_stored())
}

/// Slow and quick feature by the engine's own parts.
fn features_at(t: usize) -> [f64; 2] {
    [20, 5].map(|period| {
        let (mut rsi, mut window) = (Rsi::new(period), Window::<20>::default());
        for value in closes()[..=t].iter().filter_map(|close| rsi.push(*close)) {
            window.push(value);
        }
        wma(window.full().unwrap())
    })
}

#[test]
fn the_momentum_features_are_the_published_ones_at_bars_120_and_399() {
    // [2.1]
    let at = |t: usize, expected: [f64; 2]| {
        for (found, expected) in features_at(t).into_iter().zip(expected) {
            check_near(found, expected, 5e-12 * 100.0);
        }
    };
    at(120, [41.575_669_835, 29.344_283_011]);
    at(399, [52.473_989_840, 72.072_516_866]);
    let closes = closes();
    check_near(wma(&closes[116..=120]), 99.242_543_199, 5e-12);
    check_near(wma(&closes[101..=120]), 99.843_070_879, 5e-12);
}

#[test]
fn the_golden_series_has_23_events_and_each_is_stored_once() {
    // [2.1] (40,+), (66,−), (80,+), (107,−), (121,+): bar and side of the crossing.
    assert_eq!(mlmi().1, 23);
    let index = naive::Momentum::new(&closes());
    let events = index.events();
    assert_eq!(events.len(), 23);
    let upward = |t: usize| index.quick_average[t].unwrap() > index.slow_average[t].unwrap();
    let first: Vec<(usize, bool)> = events[..5].iter().map(|e| (e.t, upward(e.t))).collect();
    assert_eq!(first, [(40, true), (66, false), (80, true), (107, false), (121, true)]);
}

#[test]
fn five_neighbours_without_sentinel_stored_before_predicting_sum_to_the_published_labels() {
    // [2.1] k = 5, no sentinel: 0, 0, 1, 0, −2, 5. As values: (1 + Σ / n) / 2 with the n that were summed.
    let (values, _) = mlmi();
    for (t, sum, count) in [(80, 0, 3), (120, 1, 4), (200, 0, 5), (300, -2, 5), (399, 5, 5)] {
        let expected = f64::midpoint(1.0, f64::from(sum) / f64::from(count));
        check_near(values[t].value.unwrap(), expected, 1e-12);
    }
    assert!(values[45].value.is_none(), "the spec's formulas begin at bar 50");
    let last = values[399];
    assert_eq!((last.value, last.signal, last.confidence), (Some(1.0), Some(1.0), Some(1.0)));
}

#[test]
fn two_hundred_neighbours_of_23_events_are_the_sum_of_all_labels() {
    // [2.1] k = 200 with a sentinel, which makes the first label +1: 1, 1, 2, 2, 1, 1. Ours has none: one less.
    let (values, _) = mlmi();
    let found = AT.map(|t| values[t].knn);
    assert_eq!(found, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0].map(Some));
}

#[test]
fn the_naive_reference_gives_every_published_variant_of_the_prediction() {
    // [2.1] So the reference that the properties compare with is itself held to the published numbers.
    let index = naive::Momentum::new(&closes());
    let check = |k, sentinel, predict_first, expected: [i32; 6]| {
        let variant = Variant { k, sentinel, predict_first };
        let found = AT.map(|t| index.neighbours(t, variant).unwrap().0);
        assert_eq!(found, expected, "k {k}, sentinel {sentinel}, predict first {predict_first}");
    };
    check(5, true, false, [1, 1, 2, 1, -1, 5]);
    check(5, false, false, [0, 0, 1, 0, -2, 5]);
    check(5, true, true, [1, 2, 2, 1, -1, 5]);
    check(200, true, false, [1, 1, 2, 2, 1, 1]);
}

#[test]
fn the_momentum_features_begin_at_index_39() {
    // [2.1 d] Slow feature at 39, quick at 24: both are there from 39 on.
    let (values, _) = mlmi();
    assert_eq!(values.iter().position(|v| v.knn.is_some()), Some(39));
    let index = naive::Momentum::new(&closes());
    assert_eq!(index.slow.iter().position(Option::is_some), Some(39));
    assert_eq!(index.quick.iter().position(Option::is_some), Some(24));
}

#[test]
fn the_kernel_weights_are_the_published_ones() {
    // [2.2] h = 8, r = 8: lags 0 to 4 and 25; h = 6: lags 1 and 25.
    let expected = [1.0, 0.992_221_720_8, 0.969_292_240_0, 0.932_388_870_6, 0.883_350_255_0];
    for (lag, weight) in expected.into_iter().enumerate() {
        check_near(rational_quadratic(lag, 8.0, 8.0), weight, 5e-11);
    }
    check_near(rational_quadratic(25, 8.0, 8.0), 0.022_112_325_0, 5e-11);
    check_near(rational_quadratic(1, 6.0, 8.0), 0.986_218_993_1, 5e-11);
    check_near(rational_quadratic(25, 6.0, 8.0), 0.002_799_212_1, 5e-11);
}

#[test]
fn both_kernel_estimates_are_the_published_ones_at_bars_60_and_199() {
    // [2.2] y1 with h = 8, y2 with h − lag = 6, both over 27 lags; y1 over all history differs.
    let closes: Vec<f64> = (0..200).map(one_wave).collect();
    let check = |t: usize, [y1, y2, all]: [f64; 3]| {
        let window = &closes[t - 26..=t];
        check_near(Kernel::new(8.0, 8.0).estimate(window), y1, 5e-13);
        check_near(Kernel::new(6.0, 8.0).estimate(window), y2, 5e-13);
        check_near(naive::kernel(&closes, t, 1_000, 8.0, 8.0), all, 5e-13);
        let mut state = Nwrqk::default();
        let last = closes[..=t].iter().map(|close| state.on_close(*close, None)).last().unwrap();
        check_near(last.kernel.unwrap(), y1, 5e-13);
    };
    check(60, [106.432_166_546_9, 106.968_875_306_2, 106.382_654_072_8]);
    check(199, [112.065_386_340_1, 111.738_238_681_5, 112.024_447_189_4]);
}

#[test]
fn a_very_large_relative_weight_is_the_gaussian() {
    // [2.2] r → ∞.
    for lag in 0..30 {
        let gaussian = libm::exp(-((lag * lag) as f64) / (2.0 * 64.0));
        check_near(rational_quadratic(lag, 8.0, 1e9), gaussian, 1e-6);
    }
}
