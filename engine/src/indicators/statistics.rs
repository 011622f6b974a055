//! Mean, standard deviation, skewness and slope of a window.

/// Mean and population standard deviation (divisor n) of `values`, which must not be empty.
///
/// Sums run over differences from the oldest value: so equal values have a deviation of exactly 0, where a
/// plain sum of 48 × 0.1 leaves a residue that a z-score would blow up to ±1.
pub fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let (n, origin) = (values.len() as f64, values[0]);
    let mut sum = 0.0;
    for value in values {
        sum += value - origin;
    }
    let shift = sum / n;
    let mut squares = 0.0;
    for value in values {
        let deviation = (value - origin) - shift;
        squares += deviation * deviation;
    }
    (origin + shift, libm::sqrt(squares / n))
}

/// Mean of ((x − mean) / deviation)³, the population skewness; `None` where all values are equal.
pub fn skewness(values: &[f64]) -> Option<f64> {
    let (mean, deviation) = mean_and_deviation(values);
    if deviation <= 0.0 {
        return None;
    }
    let mut sum = 0.0;
    for value in values {
        let z = (value - mean) / deviation;
        sum += z * z * z;
    }
    Some(sum / values.len() as f64)
}

/// Slope of the least-squares line through `values` at 0, 1, 2, …: what a polynomial fit of degree 1 gives.
pub fn slope(values: &[f64]) -> f64 {
    let centre = (values.len() as f64 - 1.0) / 2.0;
    let (mean, _) = mean_and_deviation(values);
    let (mut products, mut squares) = (0.0, 0.0);
    for (i, value) in values.iter().enumerate() {
        let x = i as f64 - centre;
        products += x * (value - mean);
        squares += x * x;
    }
    products / squares
}

/// Simple returns of consecutive values: `values[i + 1] / values[i] − 1` into `returns`, one fewer than values.
///
/// # Panics
/// If `returns` is not one shorter.
pub fn simple_returns<'a>(values: &[f64], returns: &'a mut [f64]) -> &'a [f64] {
    assert_eq!(returns.len() + 1, values.len(), "Invariant: a return needs two values");
    for (pair, out) in values.windows(2).zip(returns.iter_mut()) {
        *out = (pair[1] - pair[0]) / pair[0];
    }
    returns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_no_deviation_skewness_or_slope_at_all() {
        let values = [0.1; 48];
        assert_eq!(mean_and_deviation(&values).1.to_bits(), 0);
        assert_eq!(skewness(&values), None);
        assert_eq!(slope(&values).to_bits() << 1, 0, "a zero of either sign");
    }

    #[test]
    fn a_line_has_its_slope_and_a_known_spread() {
        let values = [1.0, 3.0, 5.0, 7.0];
        let (mean, deviation) = mean_and_deviation(&values);
        assert!((mean - 4.0).abs() < 1e-15 && (deviation - libm::sqrt(5.0)).abs() < 1e-15);
        assert!((slope(&values) - 2.0).abs() < 1e-15);
        // Population skewness of 0, 0, 0, 1 is 2 / √3.
        let skew = skewness(&[0.0, 0.0, 0.0, 1.0]).unwrap();
        assert!((skew - 2.0 / libm::sqrt(3.0)).abs() < 1e-15, "{skew}");
    }
}
