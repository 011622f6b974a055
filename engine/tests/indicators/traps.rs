//! What earlier systems and ports of these indicators got wrong, a test each.

use crate::naive;
use crate::series::{
    BOTH, bar, check_near, feature_set, features_of, lively_bars, one_price, one_wave, two_waves,
};
use engine::indicators::fvg::{Fvg, FvgValues, Gap, GapEvent};
use engine::indicators::heikin_ashi::HeikinAshi;
use engine::indicators::lvn::{Lvn, Node};
use engine::indicators::mlmi::Mlmi;
use engine::indicators::nwrqk::Nwrqk;
use engine::indicators::rsi::Rsi;
use engine::indicators::time::LocalTime;
use engine::indicators::{ClosedBar, FEATURES, Feature, FeatureSet, Features, Roles};
use ringbuf_layout::Price;
use ringbuf_layout::units::{PRICE_ONE, SECOND};

const SLOW: Roles = Roles { slow: true, fast: false };
const FAST: Roles = Roles { slow: false, fast: true };
const NEITHER: Roles = Roles { slow: false, fast: false };

fn names(features: &Features) -> Vec<&'static str> {
    let known = Feature::ALL.into_iter().filter(|feature| features.get(*feature).is_some());
    known.map(Feature::name).collect()
}

/// Bit by bit.
#[track_caller]
fn check_same(a: &Features, b: &Features) {
    assert_eq!((a.valid, a.values.map(f64::to_bits)), (b.valid, b.values.map(f64::to_bits)));
}

#[test]
fn every_feature_is_known_from_its_warm_up_on_and_never_before() {
    let features = features_of(BOTH, true, &lively_bars(400));
    let sometimes_absent = ["fvg_nearest_level", "fvg_age", "fvg_gap_size_pct"];
    let nodes = ["lvn_nearest_price", "lvn_nearest_strength", "lvn_distance_points"];
    for feature in Feature::ALL {
        let (name, warm_up) = (feature.name(), feature.warm_up_bars() as usize);
        let known: Vec<bool> = features.iter().map(|f| f.get(feature).is_some()).collect();
        assert!(known[..warm_up - 1].iter().all(|known| !known), "{name} is early");
        assert!(known.iter().any(|known| *known), "{name} never comes");
        if !sometimes_absent.contains(&name) && !nodes.contains(&name) {
            assert!(known[warm_up - 1..].iter().all(|known| *known), "{name} is late or has holes");
        }
    }
    for features in &features {
        assert_eq!(features.valid >> FEATURES.len(), 0);
        assert!(features.values.iter().all(|value| value.is_finite()));
    }
}

#[test]
fn averages_that_are_equal_but_for_rounding_cross_nothing() {
    // In cents: 14 Σ w·c of the last five is Σ w·c of all twenty, but the floats are 3e-15 apart, on the other side
    // of the bar before.
    let tie = [
        10_011, 10_011, 10_005, 10_010, 10_011, 10_019, 10_008, 10_009, 10_012, 10_003, 10_000,
        10_018, 10_004, 10_009, 10_016, 10_007, 10_020, 10_008, 10_007, 10_010,
    ];
    let weighted = |closes: &[i64]| (1..).zip(closes).map(|(w, c): (i64, _)| w * c).sum::<i64>();
    assert_eq!(14 * weighted(&tie[15..]), weighted(&tie));
    let mut index = Mlmi::default();
    let mut stored = 0;
    for cents in (0..40).map(|t| 10_000 + t * 7 % 13).chain(tie) {
        stored = index.events_stored();
        index.on_close(cents as f64 / 100.0);
    }
    assert!(stored > 0);
    assert_eq!(index.events_stored(), stored);
}

#[test]
fn an_event_is_stored_once_however_many_bars_follow() {
    // An earlier system walked all history at each bar and stored every crossing again.
    let mut index = Mlmi::default();
    let mut stored = Vec::new();
    for t in 0..400 {
        index.on_close(two_waves(t));
        stored.push(index.events_stored());
    }
    assert!(stored.windows(2).all(|pair| pair[1] - pair[0] <= 1));
    assert_eq!(*stored.last().unwrap(), 23);
}

#[test]
fn only_the_newest_events_count_once_the_store_is_full() {
    let mut small = Mlmi::new(3);
    for t in 0..400 {
        let values = small.on_close(two_waves(t));
        if let Some(knn) = values.knn {
            assert!(knn.abs() <= 3.0, "three labels at most");
        }
    }
    assert_eq!(small.events_stored(), 23);
}

#[test]
fn heikin_ashi_is_applied_once_and_only_to_the_slow_timeframes_three() {
    let bars = lively_bars(120);
    let mut state = HeikinAshi::default();
    let smooth: Vec<ClosedBar> = bars.iter().map(|raw| state.on_bar(raw)).collect();
    let on_slow = features_of(SLOW, true, &bars);
    let on_smooth = features_of(NEITHER, true, &smooth);
    let raw = features_of(NEITHER, true, &bars);
    for t in 0..bars.len() {
        for feature in Feature::ALL {
            let name = feature.name();
            let of_the_three = ["mlmi", "nwrqk", "lvn"].iter().any(|part| name.starts_with(part));
            // The kernel's slope is of smooth bars, in the ATR of raw ones.
            if name == "nwrqk_kernel_slope" {
                continue;
            }
            let source = if of_the_three { &on_smooth } else { &raw };
            assert_eq!(on_slow[t].get(feature), source[t].get(feature), "{name} at {t}");
        }
    }
    let switched_off = features_of(SLOW, false, &bars);
    check_same(&switched_off[119], &raw[119]);
}

#[test]
fn a_heikin_ashi_bar_is_the_mean_of_prices_between_the_middle_of_the_bar_before() {
    let prices = |bar: &ClosedBar| [bar.open, bar.high, bar.low, bar.close].map(f64::to_bits);
    let mut state = HeikinAshi::default();
    let first = state.on_bar(&bar(0, [10.0, 14.0, 8.0, 12.0], 5.0));
    assert_eq!(prices(&first), [11.0, 14.0, 8.0, 11.0].map(f64::to_bits));
    let second = state.on_bar(&bar(1, [20.0, 21.0, 19.0, 20.0], 5.0));
    // The open is below the raw low, so it is the low.
    assert_eq!(prices(&second), [11.0, 21.0, 11.0, 20.0].map(f64::to_bits));
}

#[test]
fn the_rsi_is_seeded_with_real_changes_only() {
    // Changes +1, −1, +1: with a zero change at index 0 as seed the first value would come early and be 50.
    let mut rsi = Rsi::new(3);
    let found: Vec<Option<f64>> = [10.0, 11.0, 10.0, 11.0].map(|close| rsi.push(close)).into();
    assert_eq!(found[..3], [None; 3]);
    check_near(found[3].unwrap(), 200.0 / 3.0, 1e-12);
}

#[test]
fn the_rsi_of_no_loss_is_100_of_no_gain_0_and_of_no_movement_50() {
    let last = |closes: [f64; 6]| {
        let mut rsi = Rsi::new(5);
        closes.map(|close| rsi.push(close))[5]
    };
    assert_eq!(last([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), Some(100.0));
    assert_eq!(last([6.0, 5.0, 4.0, 3.0, 2.0, 1.0]), Some(0.0));
    assert_eq!(last([7.0; 6]), Some(50.0));
}

#[test]
fn the_label_of_an_event_is_the_price_change_since_the_event_before() {
    // It looks back: the first has none, and no later price changes it.
    let closes: Vec<f64> = (0..400).map(two_waves).collect();
    let events = naive::Momentum::new(&closes).events();
    let (first, second) = (events[0], events[1]);
    let label = |t: usize| {
        let mut index = Mlmi::default();
        closes[..=t].iter().map(|close| index.on_close(*close).knn).last().unwrap().unwrap()
    };
    check_near(label(first.t), 0.0, 0.0);
    let expected = if second.close >= first.close { 1.0 } else { -1.0 };
    check_near(label(second.t), expected, 0.0);
    check_near(label(second.t + 1), expected, 0.0);
}

#[test]
fn before_the_first_event_the_value_is_the_middle_and_says_so() {
    // A straight line crosses nothing.
    let mut index = Mlmi::default();
    let values = (0..60).map(|t| index.on_close(100.0 + f64::from(t))).last().unwrap();
    assert_eq!(index.events_stored(), 0);
    assert_eq!((values.value, values.confidence, values.knn), (Some(0.5), Some(0.0), Some(0.0)));
}

#[test]
fn the_value_is_a_share_of_one_and_not_a_sum_of_labels() {
    // An earlier system handed −k … k to gates made for 0 … 100.
    let mut index = Mlmi::default();
    for t in 0..400 {
        let values = index.on_close(two_waves(t));
        assert!(values.value.is_none_or(|value| (0.0..=1.0).contains(&value)));
        assert!(values.confidence.is_none_or(|value| (0.0..=1.0).contains(&value)));
    }
}

#[test]
fn the_kernel_weighs_by_lag_and_not_by_price() {
    // Doubling the distance of one price must move the estimate in proportion: linear in every close.
    let estimate = |moved: f64| {
        let mut state = Nwrqk::default();
        let closes = (0..40).map(|t| one_wave(t) + if t == 35 { moved } else { 0.0 });
        closes.map(|close| state.on_close(close, None)).last().unwrap().kernel.unwrap()
    };
    let (still, one, ten) = (estimate(0.0), estimate(1.0), estimate(10.0));
    check_near((ten - still) / (one - still), 10.0, 1e-9);
}

#[test]
fn the_kernel_forgets_what_is_27_bars_old() {
    let estimate = |oldest: f64, bars: u32| {
        let mut state = Nwrqk::default();
        state.on_close(oldest, None);
        (1..bars).map(|t| state.on_close(one_wave(t), None)).last().unwrap().kernel
    };
    assert_ne!(estimate(50.0, 27), estimate(500.0, 27));
    assert_eq!(estimate(50.0, 28), estimate(500.0, 28));
    assert_eq!(estimate(50.0, 26), None);
}

#[test]
fn a_bar_enters_the_kernel_once_whatever_is_computed_of_it() {
    // An earlier system fed a second bar into the history to get the slope.
    let closes: Vec<f64> = (0..80).map(one_wave).collect();
    let mut state = Nwrqk::default();
    for (t, close) in closes.iter().enumerate() {
        let found = state.on_close(*close, Some(2.0));
        let expected = |t: usize| naive::kernel(&closes, t, 27, 8.0, 8.0);
        assert_eq!(found.kernel.is_some(), t >= 26);
        if t >= 27 {
            let change = expected(t) - expected(t - 1);
            check_near(found.kernel_slope.unwrap(), change / 2.0, 1e-12);
        }
    }
}

#[test]
fn plus_one_is_turning_up() {
    // The public script's alert names are swapped, and ports copy them.
    let mut state = Nwrqk::default();
    let valley = |t: i32| 100.0 + f64::from((t - 60).abs());
    let signals: Vec<f64> = (0..120)
        .filter_map(|t| state.on_close(valley(t), None).kernel_signal)
        .filter(|signal| *signal != 0.0)
        .collect();
    assert_eq!(signals, [1.0]);
    let mut state = Nwrqk::default();
    let hill = |t: i32| 200.0 - f64::from((t - 60).abs());
    let signals: Vec<f64> = (0..120)
        .filter_map(|t| state.on_close(hill(t), None).kernel_signal)
        .filter(|signal| *signal != 0.0)
        .collect();
    assert_eq!(signals, [-1.0]);
}

#[test]
fn the_specs_slope_is_of_simple_returns() {
    // Returns 1 %, 2 %, … 19 %: slope 0.01 a bar; differences of prices or of logarithms have another.
    let mut closes = vec![100.0; 31];
    for i in 1..=19 {
        closes.push(closes.last().unwrap() * (1.0 + 0.01 * f64::from(i)));
    }
    let mut state = Nwrqk::default();
    let last = closes.iter().map(|close| state.on_close(*close, None)).last().unwrap();
    check_near(last.slope.unwrap(), 0.01, 1e-12);
    // Population deviation of 1 … 19 is √30.
    check_near(last.volatility.unwrap(), 0.01 * libm::sqrt(30.0), 1e-12);
    check_near(last.value.unwrap(), 0.01 / (0.01 * libm::sqrt(30.0) + 1e-8), 1e-12);
}

/// Runs candles (open, high, low, close) through a detector.
fn gaps_of(candles: &[[f64; 4]]) -> (Vec<FvgValues>, Vec<(usize, GapEvent)>) {
    let mut detector = Fvg::default();
    let mut events = Vec::new();
    let values = candles.iter().enumerate().filter_map(|(t, prices)| {
        detector.on_bar(&bar(t, *prices, 10.0), |event| events.push((t, event)))
    });
    (values.collect(), events)
}

/// A rise that leaves 101 … 102 untraded, known with the third candle.
const RISE: [[f64; 4]; 3] =
    [[100.0, 101.0, 99.0, 100.5], [100.5, 104.0, 100.5, 103.5], [103.5, 105.0, 102.0, 104.0]];

#[test]
fn a_gap_is_known_at_the_close_of_its_third_candle_and_not_of_its_middle_one() {
    let (values, events) = gaps_of(&RISE);
    let gap = Gap { bullish: true, bottom: 101.0, top: 102.0, age: 0, touched: false };
    assert_eq!(events, [(2, GapEvent::Opened(gap))]);
    assert_eq!(values.len(), 1);
    assert_eq!((values[0].bullish_active, values[0].bearish_active), (1.0, 0.0));
    assert_eq!(values[0].gap, Some(gap));
    check_near(gap.size_pct(), 100.0 / 101.0, 1e-12);
}

#[test]
fn equal_prices_are_no_gap() {
    let mut candles = RISE;
    candles[2][2] = 101.0;
    assert_eq!(gaps_of(&candles).1, []);
}

#[test]
fn touching_the_near_edge_keeps_a_gap_and_reaching_the_far_edge_fills_it() {
    let mut candles = RISE.to_vec();
    candles.push([104.0, 104.0, 102.0, 103.0]);
    candles.push([103.0, 103.0, 101.5, 102.0]);
    candles.push([102.0, 103.0, 101.0, 102.5]);
    candles.push([102.5, 103.0, 102.0, 102.5]);
    let (values, events) = gaps_of(&candles);
    let told: Vec<(usize, &str)> = events
        .iter()
        .map(|(t, event)| match event {
            GapEvent::Opened(_) => (*t, "opened"),
            GapEvent::Touched(_) => (*t, "touched"),
            GapEvent::Filled(_) => (*t, "filled"),
            GapEvent::Expired(_) => (*t, "expired"),
        })
        .collect();
    assert_eq!(told, [(2, "opened"), (3, "touched"), (5, "filled")]);
    let signals: Vec<f64> = values.iter().map(|v| v.mitigation_signal).collect();
    assert_eq!(signals, [0.0, 0.0, 0.0, 1.0, 0.0], "a bullish gap that fills says +1, once");
    let active: Vec<f64> = values.iter().map(|v| v.bullish_active).collect();
    assert_eq!(active, [1.0, 1.0, 1.0, 0.0, 0.0]);
    // On the bar that fills it, its size is still told: without it no synergy could ever complete.
    assert_eq!(values[3].gap.map(|gap| (gap.age, gap.bottom)), Some((3, 101.0)));
    assert_eq!(values[4].gap, None);
}

#[test]
fn a_bearish_gap_is_the_mirror_and_fills_with_minus_one() {
    let mirror = |[open, high, low, close]: [f64; 4]| {
        [200.0 - open, 200.0 - low, 200.0 - high, 200.0 - close]
    };
    let mut candles = RISE.map(mirror).to_vec();
    candles.push([96.0, 99.0, 95.0, 98.0]);
    let (values, _) = gaps_of(&candles);
    assert_eq!((values[0].bearish_active, values[0].bullish_active), (1.0, 0.0));
    let gap = values[0].gap.unwrap();
    assert_eq!((gap.bottom, gap.top, gap.far_edge()), (98.0, 99.0, 99.0));
    assert_eq!((values[1].mitigation_signal, values[1].bearish_active), (-1.0, 0.0));
}

#[test]
fn a_gap_expires_after_50_bars_and_filling_one_is_told_while_others_live() {
    let mut candles = RISE.to_vec();
    candles.extend([[104.0, 105.0, 103.0, 104.0]; 51]);
    let (values, events) = gaps_of(&candles);
    assert_eq!(values[50].gap.map(|gap| gap.age), Some(50));
    assert_eq!((values[51].gap, values[51].bullish_active), (None, 0.0));
    assert!(matches!(events.last(), Some((53, GapEvent::Expired(_)))), "{events:?}");
    // Two gaps, 101 … 102 and 105 … 106: the upper is filled, the lower stays.
    let mut candles = RISE.to_vec();
    candles.push([104.0, 108.0, 104.0, 107.0]);
    candles.push([107.0, 109.0, 106.0, 108.0]);
    candles.push([108.0, 108.0, 104.5, 105.0]);
    let (values, _) = gaps_of(&candles);
    let last = values.last().unwrap();
    assert_eq!((last.mitigation_signal, last.bullish_active), (1.0, 1.0));
    assert_eq!(last.gap.map(|gap| gap.bottom), Some(105.0));
}

#[test]
fn made_up_bars_and_session_breaks_make_no_gap() {
    let run = |change: &dyn Fn(usize, &mut ClosedBar)| {
        let mut detector = Fvg::default();
        for (t, prices) in RISE.into_iter().enumerate() {
            let mut bar = bar(t, prices, 10.0);
            change(t, &mut bar);
            detector.on_bar(&bar, |_| {});
        }
        detector.gaps().len()
    };
    assert_eq!(run(&|_, _| {}), 1);
    for hollow in 0..3 {
        // One price, no volume: an empty bucket filled in, at the close of that candle.
        let flatten = |t: usize, bar: &mut ClosedBar| {
            if t == hollow {
                *bar = one_price(t, bar.close, 0.0);
            }
        };
        assert_eq!(run(&flatten), 0, "candle {hollow} is hollow");
    }
    assert_eq!(run(&|t, bar| bar.after_break = t == 1), 0);
    assert_eq!(run(&|t, bar| bar.after_break = t == 2), 0);
    assert_eq!(run(&|t, bar| bar.after_break = t == 0), 1, "the break lies before the three");
}

#[test]
fn gaps_are_looked_for_on_fast_bars_only() {
    let bars = lively_bars(60);
    for (roles, expected) in [(FAST, 6), (SLOW, 0), (NEITHER, 0), (BOTH, 6)] {
        let last = *features_of(roles, true, &bars).last().unwrap();
        let found = names(&last).iter().filter(|name| name.starts_with("fvg")).count();
        assert!(found == expected || found + 3 == expected, "{roles:?}: {found}");
    }
}

/// A profile of 20 bars at single prices: (level in ticks, volume), then the node at the last bar's price.
fn node_of(prints: &[(i64, f64)], close: i64) -> Option<Node> {
    let mut lvn = Lvn::default();
    lvn.set_tick(Price(PRICE_ONE / 10));
    let mut bars: Vec<ClosedBar> =
        prints.iter().map(|(level, volume)| one_price(0, *level as f64 / 10.0, *volume)).collect();
    while bars.len() < 20 {
        // No volume: not traded, so it widens no range.
        bars.insert(0, one_price(0, 1.0, 0.0));
    }
    let last = bars.last_mut().unwrap();
    last.close = close as f64 / 10.0;
    bars.iter().map(|bar| lvn.on_bar(bar)).last().unwrap()
}

#[test]
fn without_a_node_there_is_no_price_rather_than_zero() {
    assert_eq!(node_of(&[(1000, 10.0)], 1000), None, "one price");
    assert_eq!(node_of(&[(1000, 10.0), (1001, 8.0), (1002, 9.0)], 1001), None, "8 is above 30 %");
    assert_eq!(node_of(&[], 10), None, "no volume at all");
    assert_eq!(node_of(&[(1000, 1.0), (1001, 10.0), (1002, 1.0)], 1001), None, "the ends are none");
}

#[test]
fn a_node_is_a_minimum_inside_with_at_most_30_percent_of_the_most() {
    let node = node_of(&[(1000, 10.0), (1001, 3.0), (1002, 9.0)], 1002).unwrap();
    assert_eq!(node.price.to_string(), "100.1");
    check_near(node.strength, 70.0, 1e-12);
    check_near(node.distance, 0.1, 1e-12);
    // A bin without volume between traded ones is one, a step of a staircase is none.
    let stairs = [(1000, 10.0), (1001, 2.0), (1002, 2.0), (1003, 1.0), (1005, 9.0)];
    let node = node_of(&stairs, 1000).unwrap();
    assert_eq!((node.price.to_string().as_str(), node.strength), ("100.4", 100.0));
}

#[test]
fn of_two_nodes_equally_near_the_lower_is_told() {
    // 0.1 is no float, so the distances to 100.1 and 100.5 from 100.3 differ in their last bits.
    let prints = [(1000, 10.0), (1001, 1.0), (1002, 9.0), (1004, 9.0), (1005, 1.0), (1006, 9.0)];
    let mut with_middle = prints.to_vec();
    with_middle.push((1003, 9.0));
    let node = node_of(&with_middle, 1003).unwrap();
    assert_eq!(node.price.to_string(), "100.1");
}

#[test]
fn without_a_tick_there_are_no_levels() {
    let mut set = FeatureSet::new(BOTH, false);
    let bars = lively_bars(40);
    let last = bars.iter().map(|bar| *set.on_bar(bar)).last().unwrap();
    assert_eq!(last.get(Feature::LvnNearestPrice), None);
    set.set_tick(Price(PRICE_ONE / 4));
    let mut other = feature_set(BOTH, false);
    for bar in &bars {
        other.on_bar(bar);
    }
    let next = lively_bars(41)[40];
    // Levels are made at each bar, so none is missed.
    check_same(set.on_bar(&next), other.on_bar(&next));
}

#[test]
fn time_is_the_venues_and_midnight_belongs_to_the_day_that_begins() {
    let hour = |time: LocalTime| {
        let angle = libm::atan2(time.hour_sin, time.hour_cos);
        (angle / std::f64::consts::TAU * 24.0).rem_euclid(24.0)
    };
    // 2013-10-07 14:30 UTC, a Monday, is 09:30 in Chicago.
    let ts = 1_381_156_200 * SECOND;
    let local = LocalTime::new(ts, -5 * 3_600);
    check_near(hour(local), 9.5, 1e-12);
    check_near(local.weekday, 0.0, 0.0);
    // Ten hours before midnight UTC it is Tuesday in Auckland.
    check_near(LocalTime::new(ts, 13 * 3_600).weekday, 1.0, 0.0);
    let midnight = LocalTime::new(1_381_190_400 * SECOND, 0);
    check_near(midnight.hour_cos, 1.0, 0.0);
    check_near(midnight.weekday, 1.0, 0.0);
    // Before 1970 too: Wednesday 1969-12-31 18:00.
    let early = LocalTime::new(-6 * 3_600 * SECOND, 0);
    check_near(hour(early), 18.0, 1e-12);
    check_near(early.weekday, 2.0, 0.0);
}

#[test]
fn a_market_without_volume_has_no_volume_features_and_all_others() {
    let bars: Vec<ClosedBar> =
        lively_bars(120).into_iter().map(|bar| ClosedBar { volume: 0.0, ..bar }).collect();
    let last = *features_of(BOTH, true, &bars).last().unwrap();
    assert_eq!(last.get(Feature::VolumeRatio), None);
    assert_eq!(last.get(Feature::VolumeProfileSkew), None);
    assert_eq!(last.get(Feature::LvnNearestPrice), None);
    let known = names(&last);
    assert!(known.len() >= FEATURES.len() - 8, "{known:?}");
}

#[test]
fn a_price_that_never_moves_gives_numbers_and_no_signal() {
    for price in [0.1, 1.0, 4_000.25, 9e9] {
        let bars: Vec<ClosedBar> = (0..150).map(|i| one_price(i, price, 5.0)).collect();
        let last = *features_of(BOTH, true, &bars).last().unwrap();
        let zero = [
            Feature::MlmiConfidence,
            Feature::MlmiKnn,
            Feature::NwrqkValue,
            Feature::NwrqkKernelSlope,
            Feature::NwrqkKernelSignal,
            Feature::FvgBullishActive,
            Feature::FvgMitigationSignal,
            Feature::Atr,
            Feature::Volatility30,
            Feature::PriceMomentum5,
            Feature::PriceAcceleration,
        ];
        for feature in zero {
            assert_eq!(last.get(feature), Some(0.0), "{} at {price}", feature.name());
        }
        check_near(last.get(Feature::NwrqkKernel).unwrap(), price, 1e-15);
        check_near(last.get(Feature::VolumeRatio).unwrap(), 1.0, 1e-12);
    }
}

#[test]
fn a_price_that_moves_once_and_then_stands_still_makes_no_event_out_of_rounding() {
    let mut index = Mlmi::default();
    let mut state = Nwrqk::default();
    let mut late_signals = 0;
    for t in 0..5_000 {
        let close = if t < 60 { two_waves(t) } else { 100.1 };
        index.on_close(close);
        // An ATR that decays towards zero divides a change that is exactly zero.
        let atr = libm::pow(13.0 / 14.0, f64::from(t));
        let values = state.on_close(close, Some(atr));
        if t > 90 {
            late_signals += u32::from(values.kernel_signal != Some(0.0));
            assert_eq!(values.kernel_slope, Some(0.0));
        }
    }
    let events = index.events_stored();
    for _ in 0..100 {
        index.on_close(100.1);
    }
    assert_eq!((index.events_stored(), late_signals), (events, 0));
}

#[test]
fn a_bar_that_no_market_makes_changes_nothing() {
    let bars = lively_bars(80);
    let mut clean = feature_set(BOTH, true);
    let mut soiled = feature_set(BOTH, true);
    let sound = bars[0];
    let unsound = [
        ClosedBar { close: f64::NAN, ..sound },
        ClosedBar { volume: f64::NAN, ..sound },
        ClosedBar { high: f64::INFINITY, ..sound },
        ClosedBar { low: 0.0, ..sound },
        ClosedBar { volume: -1.0, ..sound },
        ClosedBar { high: sound.low, low: sound.high, ..sound },
    ];
    for bar in &bars {
        for bad in &unsound {
            assert_eq!(soiled.on_bar(bad).valid, 0);
        }
        check_same(clean.on_bar(bar), soiled.on_bar(bar));
    }
}
