//! Synergies: the four orders and everything that must not be one.

use crate::series::check_near;
use engine::indicators::synergies::SignalKind::{Fvg, Mlmi, Nwrqk};
use engine::indicators::synergies::{
    ORDERS, Signal, SignalKind, SynergyDetector, SynergyFound, SynergyRules,
};
use engine::indicators::{Feature, Features};
use engine::stage::Digest;
use ringbuf_layout::units::SECOND;

/// A fast bar.
const BAR: i64 = 300 * SECOND;

fn detector() -> SynergyDetector {
    SynergyDetector::new(SynergyRules::default())
}

fn signal(kind: SignalKind, direction: i8, bar: i64) -> Signal {
    Signal { kind, direction, strength: 0.5, ts: bar * BAR }
}

/// What comes of signals (kind, direction, bar), with the place of the signal that completed it.
fn found(signals: &[(SignalKind, i8, i64)]) -> Vec<(usize, SynergyFound)> {
    let mut detector = detector();
    let take = |(i, (kind, direction, bar)): (usize, &(SignalKind, i8, i64))| {
        Some((i, detector.on_signal(signal(*kind, *direction, *bar))?))
    };
    signals.iter().enumerate().filter_map(take).collect()
}

fn kinds(signals: &[(SignalKind, i8, i64)]) -> Vec<(usize, u32)> {
    found(signals).into_iter().map(|(i, synergy)| (i, synergy.kind)).collect()
}

/// The features of a slow bar.
fn slow(mlmi_value: f64, kernel_signal: f64, kernel_slope: f64) -> Features {
    let mut features = Features::default();
    let sign = if mlmi_value > 0.5 { 1.0 } else { -1.0 };
    features.set(Feature::MlmiValue, Some(mlmi_value));
    features.set(Feature::MlmiSignal, Some(sign));
    features.set(Feature::NwrqkKernelSignal, Some(kernel_signal));
    features.set(Feature::NwrqkKernelSlope, Some(kernel_slope));
    features
}

/// The features of a fast bar.
fn fast(mitigation: f64, size_pct: Option<f64>) -> Features {
    let mut features = Features::default();
    features.set(Feature::FvgMitigationSignal, Some(mitigation));
    features.set(Feature::FvgGapSizePct, size_pct);
    features
}

#[test]
fn each_of_the_four_orders_is_its_type_in_both_directions() {
    for (number, order) in (1..).zip(ORDERS) {
        for direction in [1, -1] {
            let signals: Vec<_> = (0..3).map(|i| (order[i], direction, i as i64)).collect();
            let found = found(&signals);
            assert_eq!(found.len(), 1);
            let synergy = found[0].1;
            assert_eq!((synergy.kind, synergy.direction), (number, direction));
            assert_eq!(synergy.bars_to_complete, 3);
        }
    }
}

#[test]
fn an_order_that_begins_with_a_gap_is_none_and_jams_nothing() {
    for order in [[Fvg, Mlmi, Nwrqk], [Fvg, Nwrqk, Mlmi]] {
        let mut signals: Vec<_> = order.iter().map(|kind| (*kind, 1, 0)).collect();
        assert_eq!(kinds(&signals), []);
        // An earlier system kept the three until they expired, and lost the next sequence.
        signals.extend([(Mlmi, 1, 1), (Nwrqk, 1, 1), (Fvg, 1, 1)]);
        assert_eq!(kinds(&signals), [(5, 1)]);
    }
}

#[test]
fn the_window_is_ten_whole_bars_from_the_first_signal() {
    assert_eq!(kinds(&[(Mlmi, 1, 0), (Nwrqk, 1, 9), (Fvg, 1, 10)]), [(2, 1)]);
    assert_eq!(kinds(&[(Mlmi, 1, 0), (Nwrqk, 1, 9), (Fvg, 1, 11)]), []);
    // A second short of the eleventh bar is still the tenth.
    let mut detector = detector();
    detector.on_signal(signal(Mlmi, 1, 0));
    detector.on_signal(signal(Nwrqk, 1, 5));
    let late = Signal { ts: 11 * BAR - SECOND, ..signal(Fvg, 1, 0) };
    assert_eq!(detector.on_signal(late).map(|synergy| synergy.bars_to_complete), Some(11));
}

#[test]
fn a_signal_after_the_window_begins_the_next_sequence() {
    let signals = [(Mlmi, 1, 0), (Nwrqk, 1, 11), (Mlmi, 1, 12), (Fvg, 1, 21)];
    assert_eq!(kinds(&signals), [(3, 4)], "NWRQK, MLMI, FVG from bar 11");
}

#[test]
fn a_signal_the_other_way_begins_the_next_sequence() {
    let signals = [(Mlmi, 1, 0), (Nwrqk, -1, 1), (Mlmi, -1, 2), (Fvg, -1, 3)];
    assert_eq!(kinds(&signals), [(3, 4)]);
    let flipped = [(Mlmi, 1, 0), (Nwrqk, 1, 1), (Mlmi, -1, 2), (Nwrqk, -1, 3), (Fvg, -1, 4)];
    assert_eq!(kinds(&flipped), [(4, 1)], "its own kind too: the market changed its mind");
}

#[test]
fn a_second_signal_of_a_kind_is_ignored_and_moves_no_window() {
    let signals = [(Mlmi, 1, 0), (Mlmi, 1, 5), (Nwrqk, 1, 6), (Nwrqk, 1, 7), (Fvg, 1, 10)];
    assert_eq!(found(&signals)[0].1.bars_to_complete, 11);
    assert_eq!(kinds(&[(Mlmi, 1, 0), (Mlmi, 1, 5), (Nwrqk, 1, 6), (Fvg, 1, 11)]), []);
}

#[test]
fn bars_to_complete_counts_the_bar_of_the_first_signal() {
    let bars = |last| found(&[(Mlmi, 1, 0), (Nwrqk, 1, 0), (Fvg, 1, last)])[0].1.bars_to_complete;
    assert_eq!((bars(0), bars(1), bars(10)), (1, 2, 11));
}

#[test]
fn for_five_bars_after_a_synergy_another_is_used_up_in_silence() {
    let again = |bar: i64| {
        let mut signals = vec![(Mlmi, 1, 0), (Nwrqk, 1, 0), (Fvg, 1, 0)];
        signals.extend([(Mlmi, 1, bar), (Nwrqk, 1, bar), (Fvg, 1, bar)]);
        kinds(&signals)
    };
    assert_eq!(again(4), [(2, 1)], "blocked in the fourth bar");
    assert_eq!(again(5), [(2, 1), (5, 1)], "free in the fifth");
    // What completed in the cooldown is gone: its signals do not complete again after it.
    let mut signals = vec![(Mlmi, 1, 0), (Nwrqk, 1, 0), (Fvg, 1, 0)];
    signals.extend([(Mlmi, 1, 4), (Nwrqk, 1, 4), (Fvg, 1, 4), (Fvg, 1, 6)]);
    assert_eq!(kinds(&signals), [(2, 1)]);
}

#[test]
fn a_slow_bar_signals_once_and_momentum_comes_before_the_kernel() {
    let mut detector = detector();
    let both = slow(1.0, 1.0, 0.2);
    assert_eq!(detector.on_slow(0, &both), None);
    let synergy = detector.on_fast(BAR, &fast(1.0, Some(0.5))).unwrap();
    assert_eq!(synergy.kind, 1, "MLMI, NWRQK, FVG");
    check_near(synergy.strength, (1.0 + 1.0 + 0.5) / 3.0, 1e-12);
    // The same slow bar is told again with later fast bars: nothing comes of it.
    for i in 6..12 {
        assert_eq!(detector.on_slow(0, &both), None);
        assert_eq!(detector.on_fast(i * BAR, &fast(1.0, Some(0.5))), None, "fast bar {i}");
    }
}

#[test]
fn a_slow_bar_can_complete_a_sequence() {
    let mut detector = detector();
    detector.on_slow(0, &slow(0.5, 1.0, 0.05));
    detector.on_fast(2 * BAR, &fast(1.0, Some(2.0)));
    let synergy = detector.on_slow(6 * BAR, &slow(0.75, 0.0, 0.05)).unwrap();
    assert_eq!((synergy.kind, synergy.bars_to_complete), (3, 7));
    check_near(synergy.strength, (0.5 + 1.0 + 0.5) / 3.0, 1e-12);
}

#[test]
fn gates_are_inclusive_and_below_them_there_is_no_signal() {
    // MLMI 0.25 from the middle, kernel slope 0.02 ATR, gap 0.1 %.
    let completes = |mlmi: f64, turn: f64, slope: f64, gap: Option<f64>| {
        let mut detector = detector();
        let none = detector.on_slow(0, &slow(mlmi, turn, slope)).is_none();
        assert!(none);
        let direction = if mlmi > 0.5 { 1.0 } else { -1.0 };
        detector.on_fast(BAR, &fast(direction, gap)).is_some()
    };
    assert!(completes(0.75, 1.0, 0.02, Some(0.1)));
    assert!(completes(0.25, -1.0, -0.02, Some(0.1)));
    assert!(!completes(0.74, 1.0, 0.02, Some(0.1)));
    assert!(!completes(0.75, 1.0, 0.019, Some(0.1)));
    assert!(!completes(0.75, 0.0, 0.5, Some(0.1)), "a slope without a turn");
    assert!(!completes(0.75, 1.0, 0.02, Some(0.099)));
    assert!(!completes(0.75, 1.0, 0.02, None));
    assert!(!completes(0.75, -1.0, -0.02, Some(0.1)), "MLMI up, kernel down");
    assert!(!completes(f64::NAN, 1.0, 0.02, Some(0.1)), "a feature that is not known");
}

#[test]
fn strengths_are_full_at_one() {
    let mut detector = detector();
    detector.on_slow(0, &slow(0.0, -1.0, -5.0));
    let synergy = detector.on_fast(0, &fast(-1.0, Some(30.0))).unwrap();
    check_near(synergy.strength, 1.0, 0.0);
    assert_eq!(synergy.direction, -1);
}

#[test]
fn a_night_in_between_ends_a_sequence() {
    assert_eq!(kinds(&[(Mlmi, 1, 0), (Nwrqk, 1, 1), (Fvg, 1, 12 * 16)]), []);
}

#[test]
fn every_field_of_the_state_is_in_the_digest() {
    let digest = |signals: &[(SignalKind, i8, i64)], slow_ts: Option<i64>| {
        let mut detector = detector();
        for (kind, direction, bar) in signals {
            detector.on_signal(signal(*kind, *direction, *bar));
        }
        if let Some(ts) = slow_ts {
            detector.on_slow(ts, &Features::default());
        }
        let mut digest = Digest::default();
        detector.digest(&mut digest);
        digest.finish()
    };
    let mut all = vec![
        digest(&[], None),
        digest(&[], Some(0)),
        digest(&[], Some(1)),
        digest(&[(Mlmi, 1, 0)], None),
        digest(&[(Nwrqk, 1, 0)], None),
        digest(&[(Mlmi, -1, 0)], None),
        digest(&[(Mlmi, 1, 1)], None),
        digest(&[(Mlmi, 1, 0), (Nwrqk, 1, 0)], None),
        digest(&[(Mlmi, 1, 0), (Nwrqk, 1, 0), (Fvg, 1, 0)], None),
    ];
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}
