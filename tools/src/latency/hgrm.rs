//! `.hgrm`: the percentile distribution that the plotter of `HdrHistogram` reads.
//!
//! The text is the one of `outputPercentileDistribution` of Java, row for row. The library's own quantile
//! iterator adds 0.1 three times to 0.30000000000000004 and so takes other rows where a tick falls on a
//! whole rank; Java counts in percents, where 10 + 10 + 10 is 30.

use engine::Problem;
use hdrhistogram::Histogram;
use std::path::Path;

/// Rows until half of what is left to 100 % is passed.
const TICKS_PER_HALF: f64 = 5.0;

/// Writes the distribution with its values divided by `unit_ratio`: 1000 gives microseconds.
///
/// # Errors
/// The file cannot be written.
pub fn write_hgrm(path: &Path, histogram: &Histogram<u64>, unit_ratio: f64) -> Result<(), Problem> {
    std::fs::write(path, text(histogram, unit_ratio)).map_err(|error| {
        let what = format!("cannot write the distribution: {error}");
        Problem::new(what, path.display().to_string(), "choose a place that can be written")
    })
}

fn text(histogram: &Histogram<u64>, unit_ratio: f64) -> String {
    let [value, percentile, total, inverse] =
        ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"];
    let mut text = format!("{value:>12} {percentile:>14} {total:>10} {inverse:>14}\n\n");
    for row in rows(histogram) {
        let (value, part) = (row.value as f64 / unit_ratio, row.percent / 100.0);
        text.push_str(&format!("{value:12.3} {} {:10}", twelve_decimals(part), row.total));
        if row.percent < 100.0 {
            text.push_str(&format!(" {:14.2}", 1.0 / (1.0 - part)));
        }
        text.push('\n');
    }
    let (mean, deviation) = (histogram.mean() / unit_ratio, histogram.stdev() / unit_ratio);
    let (max, count) = (histogram.max() as f64 / unit_ratio, histogram.len());
    let (buckets, sub_buckets) = (histogram.buckets(), sub_buckets(histogram.sigfig()));
    text.push_str(&format!("#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]\n"));
    text.push_str(&format!("#[Max     = {max:12.3}, Total count    = {count:12}]\n"));
    text.push_str(&format!("#[Buckets = {buckets:12}, SubBuckets     = {sub_buckets:12}]\n"));
    text
}

struct Row {
    value: u64,
    percent: f64,
    total: u64,
}

/// `PercentileIterator` of Java: a row for each tick, at the first bin that reaches it, and one at 100 %.
fn rows(histogram: &Histogram<u64>) -> Vec<Row> {
    let count = histogram.len();
    let (mut rows, mut total, mut tick) = (Vec::new(), 0_u64, 0.0_f64);
    for bin in histogram.iter_recorded() {
        let value = bin.value_iterated_to();
        total += bin.count_at_value();
        let reached = 100.0 * total as f64 / count as f64;
        while reached >= tick {
            rows.push(Row { value, percent: tick, total });
            // Beyond 2^50 counts a tick can be too small to move on.
            let next = tick + step(tick);
            tick = if next > tick { next } else { f64::INFINITY };
            if total == count {
                break;
            }
        }
        if total == count {
            rows.push(Row { value, percent: 100.0, total });
            break;
        }
    }
    rows
}

/// From one tick to the next: a fifth of half of what was left to 100 % at the last halving.
fn step(tick: f64) -> f64 {
    let halvings = ((100.0 / (100.0 - tick)).ln() / 2.0_f64.ln()).trunc();
    100.0 / (TICKS_PER_HALF * (halvings + 1.0).exp2())
}

/// As Java rounds: the shortest decimal that means this float, half up. Ticks beyond 99.9 % have a thirteenth
/// decimal, a 5, and the float itself may lie below it.
fn twelve_decimals(part: f64) -> String {
    const ONE: u64 = 10_u64.pow(12);
    let shortest = part.to_string();
    let decimals = shortest.split_once('.').map_or("", |(_, decimals)| decimals).as_bytes();
    let decimal = |i: usize| decimals.get(i).map_or(0, |digit| u64::from(digit - b'0'));
    let kept = (0..12).fold(part as u64, |kept, i| 10 * kept + decimal(i));
    let rounded = kept + u64::from(decimal(12) >= 5);
    format!("{}.{:012}", rounded / ONE, rounded % ONE)
}

/// Bins of a bucket: enough to tell any two values of so many digits apart.
fn sub_buckets(digits: u8) -> u64 {
    (2 * 10_u64.pow(u32::from(digits))).next_power_of_two()
}
