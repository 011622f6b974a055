//! The figures of a histogram: five percentiles and the maximum.

use crate::run::grouped;
use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

/// Key in JSON, head in a table, and how many of 10,000 records are at or below.
const PERCENTILES: [(&str, &str, u64); 5] = [
    ("p50", "p50", 5_000),
    ("p90", "p90", 9_000),
    ("p99", "p99", 9_900),
    ("p999", "p99.9", 9_990),
    ("p9999", "p99.99", 9_999),
];

/// The figures in the order of the keys: percentiles, then the maximum.
pub type Figures = [u64; 6];

/// The keys of the figures.
pub fn keys() -> impl Iterator<Item = &'static str> {
    PERCENTILES.iter().map(|(key, ..)| *key).chain(["max"])
}

/// The figures, 0 if nothing was recorded. Ranks are counted in integers: in floats 0.99 of some counts
/// comes out a hair above a whole number, and the next record would be taken.
pub fn figures(histogram: &Histogram<u64>) -> Figures {
    let mut figures = [0; 6];
    figures[5] = if histogram.is_empty() { 0 } else { histogram.max() };
    let count = u128::from(histogram.len());
    let ranks = PERCENTILES.map(|(.., of_10_000)| (count * u128::from(of_10_000)).div_ceil(10_000));
    let (mut below, mut next) = (0_u128, 0);
    for bin in histogram.iter_recorded() {
        below += u128::from(bin.count_at_value());
        while next < ranks.len() && ranks[next] <= below {
            figures[next] = bin.value_iterated_to();
            next += 1;
        }
    }
    figures
}

/// The figures and the count of a histogram of nanoseconds, with the keys p50 p90 p99 p999 p9999 max count.
pub fn percentiles(histogram: &Histogram<u64>) -> Value {
    let figures = keys().zip(figures(histogram)).map(|(key, ns)| (key.to_string(), json!(ns)));
    let count = ("count".to_string(), json!(histogram.len()));
    Value::Object(figures.chain([count]).collect::<Map<_, _>>())
}

/// A table for people: a line a histogram of nanoseconds, under its tag. No line ends the last line.
pub fn table(histograms: &[(String, Histogram<u64>)]) -> String {
    let rows = histograms.iter().map(|(tag, histogram)| {
        let figures = figures(histogram).map(|ns| for_people(histogram, ns));
        vec![tag.clone(), grouped(histogram.len())].into_iter().chain(figures).collect()
    });
    columns(&["tag"], rows.collect())
}

/// A figure for people; a dash where nothing was recorded.
pub fn for_people(histogram: &Histogram<u64>, ns: u64) -> String {
    if histogram.is_empty() { "-".to_string() } else { duration(ns) }
}

/// Rows under `words`, `count` and the figures; words to the left, numbers to the right.
pub fn columns(words: &[&str], mut rows: Vec<Vec<String>>) -> String {
    let heads = PERCENTILES.iter().map(|(_, head, _)| *head);
    let head = words.iter().copied().chain(["count"]).chain(heads).chain(["max"]);
    rows.insert(0, head.map(str::to_string).collect());
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column < words.len() { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        cells.collect::<Vec<_>>().join("  ")
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Nanoseconds with three significant digits, in the unit that leaves one to three before the point.
fn duration(ns: u64) -> String {
    if ns < 1_000 {
        return format!("{ns} ns");
    }
    // Rounded first, so that 999.6 µs becomes 1.00 ms.
    let step = 10_u64.pow(ns.ilog10() - 2);
    let rounded = (ns / step + u64::from(ns % step >= step.div_ceil(2))).saturating_mul(step);
    let (unit, per) = match rounded {
        0..1_000_000 => ("µs", 1e3),
        1_000_000..1_000_000_000 => ("ms", 1e6),
        _ => ("s", 1e9),
    };
    let number = rounded as f64 / per;
    let decimals = if number < 10.0 { 2 } else { usize::from(number < 100.0) };
    format!("{number:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_three_digits_and_its_unit() {
        for (ns, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.00 µs"),
            (1_005, "1.01 µs"),
            (12_345, "12.3 µs"),
            (999_499, "999 µs"),
            (999_500, "1.00 ms"),
            (1_551_892_480, "1.55 s"),
            (3_600_000_000_000, "3600 s"),
        ] {
            assert_eq!(duration(ns), text, "{ns}");
        }
        assert!(duration(u64::MAX).ends_with(" s"));
    }
}
