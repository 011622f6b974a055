//! Recorded data that lies beside a checkout and not in it: each test says so and passes where it is missing.
//! `golden` and `traps` cover the same behaviour on generated bars.

use crate::series::check_near;
use engine::indicators::fvg::{Fvg, GapEvent};
use engine::indicators::matrices::{MATRICES, MatrixWindow};
use engine::indicators::profile::Profile;
use engine::indicators::synergies::{SynergyDetector, SynergyRules};
use engine::indicators::{ClosedBar, FeatureSet, Roles};
use flate2::read::GzDecoder;
use ringbuf_layout::Price;
use ringbuf_layout::units::PRICE_ONE;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// The rows of a CSV file without its header, if the file is there.
fn rows(test: &str, name: &str) -> Option<Vec<Vec<String>>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    let Ok(bytes) = std::fs::read(&path) else {
        println!("{test}: skipped, {} is not there", path.display());
        return None;
    };
    let mut text = String::new();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        GzDecoder::new(&*bytes).read_to_string(&mut text).unwrap();
    } else {
        text = String::from_utf8(bytes).unwrap();
    }
    let fields = |line: &str| line.trim_end().split(',').map(str::to_string).collect();
    Some(text.lines().skip(1).map(fields).collect())
}

fn number(text: &str) -> f64 {
    text.parse().unwrap()
}

#[test]
fn gaps_and_touches_of_eurusd_are_those_of_an_independent_package() {
    let test = "gaps_and_touches_of_eurusd_are_those_of_an_independent_package";
    let (Some(bars), Some(expected)) =
        (rows(test, "golden/EURUSD_15M.csv.gz"), rows(test, "golden/fvg_result_data.csv.gz"))
    else {
        return;
    };
    let bars: Vec<ClosedBar> = bars
        .iter()
        .map(|row| ClosedBar {
            open: number(&row[1]),
            high: number(&row[2]),
            low: number(&row[3]),
            close: number(&row[4]),
            volume: number(&row[5]),
            ..ClosedBar::default()
        })
        .collect();
    // Its rows name the middle candle, and it wants the middle body to point the way of the gap.
    let mut detector = Fvg::new(bars.len() as u32);
    let mut found: BTreeMap<usize, (bool, f64, f64, usize)> = BTreeMap::new();
    for (t, bar) in bars.iter().enumerate() {
        detector.on_bar(bar, |event| match event {
            GapEvent::Opened(gap) => {
                let body = bars[t - 1].close - bars[t - 1].open;
                if (gap.bullish && body > 0.0) || (!gap.bullish && body < 0.0) {
                    found.insert(t - 1, (gap.bullish, gap.top, gap.bottom, 0));
                }
            }
            GapEvent::Touched(gap) => {
                if let Some(row) = found.get_mut(&(t - gap.age as usize - 1)) {
                    row.3 = t;
                }
            }
            GapEvent::Filled(_) | GapEvent::Expired(_) => {}
        });
    }
    let listed = expected.iter().enumerate().filter(|(_, row)| !row[0].is_empty());
    let mut count = 0;
    for (middle, row) in listed {
        let (bullish, top, bottom, touched) = found.remove(&middle).expect("a gap at this candle");
        assert_eq!(bullish, number(&row[0]) > 0.0, "row {middle}");
        check_near(top, number(&row[1]), 0.0);
        check_near(bottom, number(&row[2]), 0.0);
        assert_eq!(touched, number(&row[3]) as usize, "row {middle} is touched");
        count += 1;
    }
    println!("{test}: {count} gaps");
    assert_eq!((count, found.len()), (5_020, 0));
}

#[test]
fn the_profile_of_google_has_the_published_point_of_control_and_value_area() {
    let test = "the_profile_of_google_has_the_published_point_of_control_and_value_area";
    let Some(rows) = rows(test, "golden/google.csv") else { return };
    // As the package has it: a bar's whole volume at its close, rounded up to a row of 0.05.
    let prints: Vec<(i64, f64)> =
        rows.iter().map(|row| ((number(&row[1]) / 0.05).ceil() as i64, number(&row[5]))).collect();
    let low = prints.iter().map(|print| print.0).min().unwrap();
    let high = prints.iter().map(|print| print.0).max().unwrap();
    let mut profile = Profile::new((high - low + 1) as usize);
    profile.span(low, high);
    for (level, volume) in prints {
        profile.add(level, level, volume);
    }
    let price = |bin: usize| profile.middle(bin) as f64 / 2.0 * 0.05;
    check_near(price(profile.poc().unwrap()), 944.50, 1e-9);
    let (area_low, area_high) = profile.value_area(0.70).unwrap();
    check_near(price(area_low), 944.20, 1e-9);
    check_near(price(area_high), 958.95, 1e-9);
    check_near(price(0), 927.75, 1e-9);
    check_near(price(profile.volumes().len() - 1), 959.30, 1e-9);
}

#[test]
fn real_bars_fill_every_feature_with_numbers_and_make_synergies() {
    let test = "real_bars_fill_every_feature_with_numbers_and_make_synergies";
    let Some(rows) = rows(test, "bars/nq-30min-20200629-20230630.csv.gz") else { return };
    let mut set = FeatureSet::new(Roles { slow: true, fast: true }, true);
    set.set_tick(Price(PRICE_ONE / 4));
    let mut matrices = MATRICES.map(MatrixWindow::new);
    let rules = SynergyRules { fast_s: 1_800, ..SynergyRules::default() };
    let mut detector = SynergyDetector::new(rules);
    let (mut counts, mut synergies) = ([0_u32; 64], [0_u32; 4]);
    for (i, row) in rows.iter().enumerate() {
        let bar = ClosedBar {
            open: number(&row[1]),
            high: number(&row[2]),
            low: number(&row[3]),
            close: number(&row[4]),
            volume: number(&row[5]),
            ts_close: i as i64 * 1_800_000_000_000,
            ..ClosedBar::default()
        };
        let features = set.on_bar(&bar);
        assert!(features.values.iter().all(|value| value.is_finite()));
        (0..64).for_each(|bit| counts[bit] += (features.valid >> bit & 1) as u32);
        let of_slow = detector.on_slow(bar.ts_close, features);
        let found = detector.on_fast(bar.ts_close, features).or(of_slow);
        if let Some(synergy) = found {
            synergies[synergy.kind as usize - 1] += 1;
        }
        for matrix in &mut matrices {
            if let Some(cells) = matrix.on_features(features) {
                assert!(cells.iter().all(|cell| cell.abs() <= 3.0));
            }
        }
    }
    println!("{test}: {} bars, synergies {synergies:?}, known {counts:?}", rows.len());
    assert!(rows.len() > 30_000 && counts[..29].iter().all(|count| *count > 1_000));
    // The gates are not so high that nothing passes them, nor so low that every bar does.
    assert!((1..1_000).contains(&synergies.iter().sum::<u32>()), "{synergies:?}");
}
