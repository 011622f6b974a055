//! Properties over random bars: no look-ahead, no NaN, and the same as from scratch.

use crate::naive;
use crate::series::{BOTH, TICK, bar, feature_set, features_of};
use engine::indicators::{ClosedBar, Feature, Roles};
use engine::stage::Digest;
use proptest::collection::vec;
use proptest::prelude::*;
use ringbuf_layout::units::SECOND;

/// One bar's moves in ticks, and what kind of bar it is.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// From the close before to the open, from there to the close, wicks up and down.
    moves: [i64; 4],
    volume: u32,
    /// 0 to 19: most are ordinary.
    kind: u8,
}

prop_compose! {
    fn step()(
        jump in -6..=6_i64,
        body in -14..=14_i64,
        up in 0..=5_i64,
        down in 0..=5_i64,
        volume in 0..400_u32,
        kind in 0..20_u8,
    ) -> Step {
        Step { moves: [jump, body, up, down], volume, kind }
    }
}

/// Bars with the unlikely in them: flat, of one price, without volume, with big jumps, after breaks.
fn bars(steps: &[Step]) -> Vec<ClosedBar> {
    let mut price: i64 = 4_000;
    let mut out = Vec::new();
    for (i, Step { moves: [jump, body, up, down], volume, kind }) in steps.iter().enumerate() {
        let scale = if *kind == 0 { 40 } else { 1 };
        let [jump, body, up, down] = match kind {
            1..=4 => [0; 4],
            5 => [*jump, 0, 0, 0],
            _ => [jump * scale, body * scale, *up, *down],
        };
        let open = (price + jump).max(200);
        let close = (open + body).max(200);
        price = close;
        let prices = [open, open.max(close) + up, open.min(close) - down, close];
        let volume = if *kind % 7 == 3 { 0 } else { *volume };
        let mut bar = bar(i, prices.map(|ticks| ticks as f64 * TICK), f64::from(volume));
        bar.after_break = *kind == 6;
        bar.utc_offset_s = -18_000 + i32::from(*kind) * 900;
        bar.ts_close += i64::from(volume % 3 * 7) * SECOND / 4;
        out.push(bar);
    }
    out
}

/// A stretch of one kind, so that flat and empty markets of some length come up.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let stretch = (step(), 1..50_usize).prop_map(|(step, count)| vec![step; count]);
    let mixed = vec(step(), 1..80);
    vec(prop_oneof![3 => mixed, 1 => stretch], 1..6).prop_map(|parts| parts.concat())
}

fn agree(found: Option<f64>, expected: Option<f64>) -> bool {
    match (found, expected) {
        (Some(found), Some(expected)) => (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
        (None, None) => true,
        _ => false,
    }
}

proptest! {
    #[test]
    fn every_feature_at_every_bar_is_what_a_computation_from_scratch_gives(
        steps in steps(),
        heikin_ashi in any::<bool>(),
        fast in any::<bool>(),
    ) {
        let bars = bars(&steps);
        let found = features_of(Roles { slow: true, fast }, heikin_ashi, &bars);
        let expected = naive::features(&bars, heikin_ashi, fast);
        for feature in Feature::ALL {
            let series = &expected[feature.name()];
            for (t, features) in found.iter().enumerate() {
                let (found, expected) = (features.get(feature), series[t]);
                prop_assert!(
                    agree(found, expected),
                    "{} at bar {t}: {found:?}, from scratch {expected:?}", feature.name()
                );
            }
        }
    }

    #[test]
    fn no_bar_changes_anything_before_it(steps in steps(), other in steps(), cut in any::<usize>()) {
        let whole = bars(&steps);
        let cut = cut % (whole.len() + 1);
        let mut changed = steps[..cut].to_vec();
        changed.extend(other);
        let [whole, cut_off, changed] = [whole.clone(), whole[..cut].to_vec(), bars(&changed)]
            .map(|bars| features_of(BOTH, true, &bars));
        for t in 0..cut {
            for other in [&cut_off[t], &changed[t]] {
                prop_assert_eq!(whole[t].valid, other.valid);
                prop_assert_eq!(whole[t].values.map(f64::to_bits), other.values.map(f64::to_bits));
            }
        }
    }

    #[test]
    fn a_known_feature_is_a_number_and_an_unknown_one_is_zero(steps in steps()) {
        for features in features_of(BOTH, true, &bars(&steps)) {
            for feature in Feature::ALL {
                let stored = features.values[feature as usize];
                prop_assert!(stored.is_finite());
                prop_assert!(features.get(feature).is_some() || stored == 0.0);
            }
        }
    }

    #[test]
    fn equal_bars_give_equal_digests_and_another_last_bar_another(steps in steps()) {
        let bars = bars(&steps);
        let digest_of = |bars: &[ClosedBar]| {
            let mut set = feature_set(BOTH, true);
            for bar in bars {
                set.on_bar(bar);
            }
            let mut digest = Digest::default();
            set.digest(&mut digest);
            digest.finish()
        };
        prop_assert_eq!(digest_of(&bars), digest_of(&bars));
        let mut changed = bars.clone();
        changed.last_mut().unwrap().high += TICK;
        prop_assert_ne!(digest_of(&bars), digest_of(&changed));
    }
}
