//! `latency diff`: two logs side by side. It never judges: whether a difference is one is not in two logs.

use super::percentiles::{columns, figures, for_people, keys, percentiles};
use super::report::{read, shown};
use crate::run::grouped;
use crate::say::{Exit, Say};
use engine::Problem;
use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};
use std::path::Path;

/// `latency diff A B`
pub fn diff(a: &Path, b: &Path, say: Say) -> Result<Exit, Problem> {
    let (in_a, in_b) = (shown(&read(a)?), shown(&read(b)?));
    let (mut rows, mut both) = (Vec::new(), Map::new());
    for (tag, of_a) in &in_a {
        let Some((_, of_b)) = in_b.iter().find(|(other, _)| other == tag) else { continue };
        rows.extend([side(tag, "A", of_a), side("", "B", of_b), ratio_row(of_a, of_b)]);
        let ratio = keys().map(str::to_string).zip(ratios(of_a, of_b).map(|ratio| json!(ratio)));
        let ratio: Map<String, Value> = ratio.collect();
        let sides = json!({ "a": percentiles(of_a), "b": percentiles(of_b), "ratio": ratio });
        both.insert(tag.clone(), sides);
    }
    let (only_a, only_b) = (missing(&in_a, &in_b), missing(&in_b, &in_a));
    say.text(&format!("A  {}\nB  {}\n", a.display(), b.display()));
    if !rows.is_empty() {
        say.text(&columns(&["tag", ""], rows));
    }
    for (side, tags) in [("A", &only_a), ("B", &only_b)] {
        if !tags.is_empty() {
            say.text(&format!("only in {side}: {}", tags.join(", ")));
        }
    }
    let answer = [
        ("a", json!(a.display().to_string())),
        ("b", json!(b.display().to_string())),
        ("latency_ns", Value::Object(both)),
        ("only_in_a", json!(only_a)),
        ("only_in_b", json!(only_b)),
    ];
    say.answer(answer.map(|(key, value)| (key.to_string(), value)).into_iter().collect());
    Ok(Exit::Done)
}

/// B over A for each figure; none where there is nothing to divide or to divide by.
fn ratios(a: &Histogram<u64>, b: &Histogram<u64>) -> [Option<f64>; 6] {
    let (of_a, of_b) = (figures(a), figures(b));
    std::array::from_fn(|i| {
        let whole = of_a[i] > 0 && !b.is_empty();
        whole.then(|| of_b[i] as f64 / of_a[i] as f64)
    })
}

fn side(tag: &str, side: &str, histogram: &Histogram<u64>) -> Vec<String> {
    let words = [tag.to_string(), side.to_string(), grouped(histogram.len())];
    words.into_iter().chain(figures(histogram).map(|ns| for_people(histogram, ns))).collect()
}

fn ratio_row(a: &Histogram<u64>, b: &Histogram<u64>) -> Vec<String> {
    let text = |ratio: Option<f64>| ratio.map_or("-".to_string(), |ratio| format!("{ratio:.2}"));
    let words = ["", "B/A", ""].map(str::to_string);
    words.into_iter().chain(ratios(a, b).map(text)).collect()
}

/// The tags of `these` that `those` have not.
fn missing(these: &[(String, Histogram<u64>)], those: &[(String, Histogram<u64>)]) -> Vec<String> {
    let tags = these.iter().map(|(tag, _)| tag);
    tags.filter(|tag| !those.iter().any(|(other, _)| other == *tag)).cloned().collect()
}
