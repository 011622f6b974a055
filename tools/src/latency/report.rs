//! `latency report`: the percentiles of every tag.

use super::log::{self, Log};
use super::percentiles::{percentiles, table};
use crate::say::{Exit, Say, aside};
use engine::Problem;
use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// `latency report PATH…`: each log, and if there are several, their sum.
pub fn report(paths: &[PathBuf], say: Say) -> Result<Exit, Problem> {
    let mut together: Vec<(String, Histogram<u64>)> = Vec::new();
    let mut logs = Vec::new();
    for path in paths {
        let log = read(path)?;
        let tags = shown(&log);
        say.text(&format!("{}\n{}\n", path.display(), table(&tags)));
        logs.push(describe(path, &log, &tags));
        for (tag, histogram) in tags {
            match together.iter_mut().find(|(other, _)| *other == tag) {
                Some((_, sum)) => log::add(sum, histogram).map_err(|what| {
                    Problem::new(what, path.display().to_string(), "report fewer logs at once")
                })?,
                None => together.push((tag, histogram)),
            }
        }
    }
    if paths.len() > 1 {
        say.text(&format!("all {} logs together\n{}\n", paths.len(), table(&together)));
    }
    let answer = [("latency_ns", latency_ns(&together)), ("logs", Value::Array(logs))];
    say.answer(answer.map(|(key, value)| (key.to_string(), value)).into_iter().collect());
    Ok(Exit::Done)
}

/// Reads a log, and says if its end is missing.
pub fn read(path: &Path) -> Result<Log, Problem> {
    let log = log::read(path)?;
    if let Some(line) = log.cut {
        aside(&format!(
            "{}, line {line}: cut off, so the writer was killed; the lines before it are used",
            path.display()
        ));
    }
    Ok(log)
}

/// The sums of a log under the names that people see.
pub fn shown(log: &Log) -> Vec<(String, Histogram<u64>)> {
    let tags = log.tags.iter();
    tags.map(|sum| (log.shown(&sum.tag).to_string(), sum.histogram.clone())).collect()
}

fn latency_ns(tags: &[(String, Histogram<u64>)]) -> Value {
    let object: Map<String, Value> =
        tags.iter().map(|(tag, histogram)| (tag.clone(), percentiles(histogram))).collect();
    Value::Object(object)
}

fn describe(path: &Path, log: &Log, tags: &[(String, Histogram<u64>)]) -> Value {
    let intervals: Map<String, Value> = log
        .tags
        .iter()
        .map(|sum| {
            let seconds = (sum.seconds * 1e3).round() / 1e3;
            let what = json!({
                "count": sum.intervals, "first_start_s": sum.first_start_s, "seconds": seconds,
            });
            (log.shown(&sum.tag).to_string(), what)
        })
        .collect();
    json!({
        "path": path.display().to_string(), "latency_ns": latency_ns(tags), "intervals": intervals,
        "cut_line": log.cut,
    })
}
