//! `data inspect`: what files are and hold, and the config that imports them.

use super::inspect_text::{conditions, text_of};
use crate::cli;
use crate::run::grouped;
use crate::say::{Exit, Say, error_object, print, stdout_is_gone, watched};
use engine::Problem;
use gateways::inspect::{Gap, KINDS, Report, Tally, inspect as look, ladder};
use indicatif::{ProgressBar, ProgressStyle};
use ringbuf_layout::Price;
use ringbuf_layout::units::Decimal;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// `data inspect …`
pub fn inspect(arguments: &cli::Inspect, say: Say) -> Result<Exit, Problem> {
    let mut reports = Vec::new();
    let mut exit = Exit::Done;
    for (i, file) in arguments.files.iter().enumerate() {
        if stdout_is_gone() {
            break;
        }
        let bar = if watched() { ProgressBar::no_length() } else { ProgressBar::hidden() };
        if let Ok(style) =
            ProgressStyle::with_template("{elapsed_precise} {spinner} {human_pos} records {msg}")
        {
            bar.set_style(style);
        }
        bar.set_message(file.display().to_string());
        let report = look(file, &mut |records| bar.set_position(records));
        bar.finish_and_clear();
        // Of several files one that is no data does not hide the others.
        let report = match report {
            Ok(report) => report,
            Err(problem) if arguments.files.len() == 1 => return Err(problem),
            Err(problem) => {
                exit = Exit::Findings;
                let mut refused =
                    Map::from_iter([("file".into(), json!(file.display().to_string()))]);
                refused.extend(error_object(&problem));
                reports.push(Value::Object(refused));
                say.text(&format!("file       {}\nerror: {problem}\n", file.display()));
                continue;
            }
        };
        if report.damage.is_some() {
            exit = Exit::Findings;
        }
        if say.json {
            reports.push(json_of(&report));
        } else {
            let apart = if i + 1 < arguments.files.len() { "\n" } else { "" };
            print(&format!("{}{apart}", text_of(&report).trim_end()));
        }
        if let Some(problem) = &report.damage {
            crate::say::aside(&format!("error: {problem}"));
        }
    }
    say.answer(Map::from_iter([("files".to_string(), json!(reports))]));
    Ok(exit)
}

/// A price, or nothing.
pub fn price(price: i64) -> String {
    Price(price).to_string()
}

/// The proposed tick, and how many prices are off it.
pub fn tick(tally: &Tally) -> (String, u64) {
    let (step, off) = tally.prices.proposed(&ladder());
    (price(i64::try_from(step).unwrap_or(i64::MAX)), off)
}

/// The step of all sizes.
pub fn size_step(tally: &Tally, precision: u8) -> String {
    Decimal { value: i128::from(tally.sizes.step), digits: u32::from(precision) }.to_string()
}

fn json_of(report: &Report) -> Value {
    let (from, to) = report.span.unzip();
    let symbols: Map<String, Value> = report
        .symbols
        .iter()
        .map(|(symbol, tally)| (symbol.clone(), symbol_json(tally, report.size_precision)))
        .collect();
    let fits: Vec<Value> = report
        .fits
        .iter()
        .map(|fit| {
            json!({
                "zone": fit.zone, "calendar": fit.calendar, "outside_pct": fit.outside_pct,
                "silent_pct": fit.silent_pct,
            })
        })
        .collect();
    let quiet: Vec<Value> = report
        .activity
        .quiet()
        .iter()
        .map(
            |q| json!({ "from": q.from, "begin_minute": q.begin * 15, "minutes": q.quarters * 15 }),
        )
        .collect();
    let latency = report.latency.range.filter(|_| report.latency.is_measured());
    let latency = latency.map(|(min, max)| {
        let (median, sampled) = report.latency.median().unwrap_or_default();
        json!({ "min_ns": min, "median_ns": median, "max_ns": max, "sampled": sampled })
    });
    let mut value = json!({
        "file": report.file.display().to_string(), "format": report.format,
        "packing": report.packing, "records": report.records,
        "left_out": report.left_out.iter().cloned().collect::<BTreeMap<_, _>>(),
        "unknown_symbols": report.unknown, "first_ts_event": from, "last_ts_event": to,
        "zone": report.zone, "symbols": symbols, "hours_utc": report.activity.hours,
        "quiet": quiet, "fits": fits, "latency": latency, "facts": report.facts, "inferred": report.inferred,
        "asked": report.asked, "config": report.config,
    });
    if let Some(problem) = &report.damage
        && let Value::Object(map) = &mut value
    {
        map.extend(error_object(problem));
    }
    value
}

fn symbol_json(tally: &Tally, precision: u8) -> Value {
    let kinds: Map<String, Value> = KINDS
        .iter()
        .zip(tally.kinds)
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| (kind.name().to_string(), json!(count)))
        .collect();
    let gaps = |gaps: &[Gap]| {
        let gap = |gap: &Gap| json!({ "from": gap.from, "to": gap.to, "length_ns": gap.length() });
        gaps.iter().map(gap).collect::<Vec<_>>()
    };
    let (tick, off) = tick(tally);
    let (from, to) = tally.span.unzip();
    json!({
        "kinds": kinds, "first_ts_event": from, "last_ts_event": to,
        "lowest": tally.range.map(|range| price(range.0)),
        "highest": tally.range.map(|range| price(range.1)),
        "tick": tick, "off_tick": off,
        "price_step": price(i64::try_from(tally.prices.step).unwrap_or(i64::MAX)),
        "size_step": size_step(tally, precision), "disorder": tally.disorder,
        "worst_disorder_ns": tally.worst_disorder, "ties": tally.ties,
        "equal_neighbours": tally.equal_neighbours, "zero_sizes": tally.zero_sizes,
        "bad_prices": tally.bad_prices, "jumps": tally.jumps, "crossed": tally.crossed,
        "one_sided": tally.one_sided, "flagged": tally.flagged, "gaps": gaps(&tally.gaps),
        "long_gaps": gaps(&tally.long_gaps), "conditions": conditions(tally).collect::<BTreeMap<_, _>>(),
    })
}

/// `kind count, kind count`.
pub fn kinds(tally: &Tally) -> String {
    let named = KINDS.iter().zip(tally.kinds).filter(|(_, count)| *count > 0);
    let words = named.map(|(kind, count)| format!("{} {}", kind.name(), grouped(count)));
    words.collect::<Vec<_>>().join(", ")
}
