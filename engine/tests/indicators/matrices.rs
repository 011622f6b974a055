//! Matrices: shape, order of rows, z-score, clip, hash, cells that are unknown.

use crate::naive;
use crate::series::{BOTH, check_near, features_of, lively_bars};
use engine::indicators::matrices::{MATRICES, MatrixShape, MatrixWindow};
use engine::indicators::{Feature, Features};
use engine::stage::Digest;
use xxhash_rust::xxh3::xxh3_64;

/// A shape without warm-up: the two time columns are known from the first bar.
const SMALL: MatrixShape = MatrixShape {
    name: "small",
    rows: 4,
    columns: &[Feature::TimeHourSin, Feature::TimeWeekday],
    slow: true,
};

fn features(values: [Option<f64>; 2]) -> Features {
    let mut features = Features::default();
    features.set(Feature::TimeHourSin, values[0]);
    features.set(Feature::TimeWeekday, values[1]);
    features
}

/// The matrix after these rows.
fn matrix_of(rows: &[[Option<f64>; 2]]) -> Option<Vec<f32>> {
    let mut window = MatrixWindow::new(SMALL);
    rows.iter().map(|row| window.on_features(&features(*row)).map(<[f32]>::to_vec)).last()?
}

#[test]
fn the_shapes_and_columns_are_the_contract() {
    let named = |shape: &MatrixShape| {
        let columns: Vec<&str> = shape.columns.iter().map(|feature| feature.name()).collect();
        (shape.name, shape.rows, columns.join(" "), shape.slow)
    };
    let expected = [
        (
            "30m",
            48,
            "mlmi_value mlmi_signal nwrqk_value nwrqk_slope lvn_distance_points \
             lvn_nearest_strength time_hour_sin time_hour_cos",
            true,
        ),
        (
            "5m",
            60,
            "fvg_bullish_active fvg_bearish_active fvg_nearest_level fvg_age \
             fvg_mitigation_signal price_momentum_5 volume_ratio",
            false,
        ),
        ("regime", 96, "volatility_30 volume_profile_skew price_acceleration", true),
    ];
    for (shape, (name, rows, columns, slow)) in MATRICES.iter().zip(expected) {
        assert_eq!(named(shape), (name, rows, columns.to_string(), slow));
    }
}

#[test]
fn a_matrix_is_ready_after_the_warm_up_of_its_columns_and_its_window() {
    let features = features_of(BOTH, true, &lively_bars(200));
    for (shape, first) in MATRICES.into_iter().zip([49 + 48, 19 + 60, 30 + 96]) {
        let mut window = MatrixWindow::new(shape);
        let ready = |features: &Features| window.on_features(features).is_some();
        let bars: Vec<bool> = features.iter().map(ready).collect();
        assert_eq!(bars.iter().position(|ready| *ready), Some(first - 1), "{}", shape.name);
        assert!(bars[first - 1..].iter().all(|ready| *ready));
    }
}

#[test]
fn a_cell_is_the_population_z_score_of_its_column_oldest_row_first() {
    let rows = [1.0, 2.0, 3.0, 6.0].map(|x| [Some(x), Some(7.0)]);
    let matrix = matrix_of(&rows).unwrap();
    let (mean, deviation, _) = naive::moments(&[1.0, 2.0, 3.0, 6.0]);
    for (i, x) in [1.0, 2.0, 3.0, 6.0].into_iter().enumerate() {
        check_near(f64::from(matrix[2 * i]), (x - mean) / deviation, 1e-7);
        // A column that stands still has deviation 0, taken as 1.
        assert_eq!(matrix[2 * i + 1].to_bits(), 0.0_f32.to_bits());
    }
}

#[test]
fn a_column_of_equal_decimals_is_zero_and_not_rounding_noise() {
    // The sum of 48 × 0.1 is not 4.8: a plain mean would leave a deviation of 1e-17 and cells of ±1.
    let shape = MatrixShape { rows: 48, ..SMALL };
    let mut window = MatrixWindow::new(shape);
    let row = features([Some(0.1), Some(0.3)]);
    let matrix = (0..48).filter_map(|_| window.on_features(&row).map(<[f32]>::to_vec)).last();
    assert!(matrix.unwrap().iter().all(|cell| cell.abs() <= 0.0));
}

#[test]
fn cells_are_clipped_at_three() {
    let shape = MatrixShape { rows: 20, ..SMALL };
    let mut window = MatrixWindow::new(shape);
    for i in 0..20 {
        // One of twenty: z = √19 = 4.36.
        let x = f64::from(u8::from(i == 10));
        window.on_features(&features([Some(x), Some(-x)]));
    }
    let matrix = window.cells().unwrap();
    assert_eq!(matrix[20..22], [3.0, -3.0]);
    assert!(matrix.iter().all(|cell| cell.abs() <= 3.0));
}

#[test]
fn an_unknown_cell_is_its_columns_mean_and_moves_no_other() {
    let known = [1.0, 3.0, 8.0];
    let rows = [Some(known[0]), None, Some(known[1]), Some(known[2])].map(|x| [x, None]);
    let matrix = matrix_of(&rows).unwrap();
    let (mean, deviation, _) = naive::moments(&known);
    for (cell, x) in [matrix[0], matrix[4], matrix[6]].into_iter().zip(known) {
        check_near(f64::from(cell), (x - mean) / deviation, 1e-7);
    }
    assert_eq!(matrix[2].to_bits(), 0);
    assert!([1, 3, 5, 7].iter().all(|i| matrix[*i].to_bits() == 0), "a column that nothing fills");
}

#[test]
fn the_window_slides_by_a_row_a_bar() {
    let row = |x: f64| [Some(x), Some(-x)];
    let rows: Vec<[Option<f64>; 2]> = [9.0, 9.0, 1.0, 2.0, 4.0, 8.0].map(row).into();
    assert_eq!(matrix_of(&rows), matrix_of(&rows[2..]));
    assert_eq!(matrix_of(&rows[..3]), None);
}

#[test]
fn the_hash_is_of_the_little_endian_floats_row_by_row() {
    let mut window = MatrixWindow::new(SMALL);
    for x in [1.0, 2.0, 3.0, 6.0] {
        window.on_features(&features([Some(x), Some(x * x)]));
    }
    let bytes: Vec<u8> = window.cells().unwrap().iter().flat_map(|c| c.to_le_bytes()).collect();
    assert_eq!(bytes.len(), 32);
    assert_eq!(window.hash(), xxh3_64(&bytes));
}

#[test]
fn real_matrices_agree_with_a_computation_from_scratch() {
    let features = features_of(BOTH, true, &lively_bars(220));
    for shape in MATRICES {
        let mut window = MatrixWindow::new(shape);
        for features in &features {
            window.on_features(features);
        }
        let cells = window.cells().unwrap();
        let newest = &features[features.len() - shape.rows..];
        for (c, feature) in shape.columns.iter().enumerate() {
            let known: Vec<f64> = newest.iter().filter_map(|f| f.get(*feature)).collect();
            let (mean, deviation, _) = naive::moments(&known);
            for (r, features) in newest.iter().enumerate() {
                let z = |x: f64| ((x - mean) / deviation).clamp(-3.0, 3.0);
                let flat = deviation < 1e-12;
                let expected = features.get(*feature).filter(|_| !flat).map_or(0.0, z);
                check_near(f64::from(cells[r * shape.columns.len() + c]), expected, 1e-6);
            }
        }
    }
}

#[test]
fn a_matrix_that_saw_other_rows_has_another_digest() {
    let digest = |last: f64| {
        let mut window = MatrixWindow::new(SMALL);
        for x in [1.0, 2.0, 3.0, last] {
            window.on_features(&features([Some(x), None]));
        }
        let mut digest = Digest::default();
        window.digest(&mut digest);
        digest.finish()
    };
    assert_eq!(digest(4.0), digest(4.0));
    assert_ne!(digest(4.0), digest(5.0));
}
