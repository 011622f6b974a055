//! `data bars-audit`: the bars of journals against a vendor's.

use crate::cli;
use crate::config;
use crate::say::{Exit, Lines, Say};
use engine::Problem;
use engine::audit::{Counts, Difference, Values, What, audit};
use engine::calendar::utc;
use engine::config::Config;
use engine::source::SourceConfig;
use serde_json::{Map, Value, json};
use std::path::Path;

/// `data bars-audit …`
pub(super) fn bars_audit(arguments: &cli::BarsAudit, say: Say) -> Result<Exit, Problem> {
    let config = config::load(arguments.config.as_deref())?;
    let against = against(&config, &arguments.against)?;
    let mut answers = Vec::new();
    let mut clean = true;
    for dir in &arguments.dirs {
        let source = gateways::open(&against, &config.catalog())?;
        let mut listed = Vec::new();
        let counts = audit(dir, source, &mut |difference| {
            say.text(&line(difference));
            if say.json {
                listed.push(object(difference));
            }
        })?;
        clean &= counts.is_clean();
        say.text(&summary(dir, &counts));
        answers.push(answer(dir, &counts, &listed));
    }
    say.answer(Map::from_iter([("audits".to_string(), Value::Array(answers))]));
    Ok(if clean { Exit::Done } else { Exit::Findings })
}

/// The config's source of this name, or a source of its own.
fn against(config: &Config, spec: &str) -> Result<SourceConfig, Problem> {
    let named = config.sources.iter().find(|source| source.name == spec);
    let is_format = gateways::FORMATS.iter().any(|(format, _)| *format == spec);
    if named.is_none() && !spec.contains(':') && !is_format {
        let names: Vec<&str> = config.sources.iter().map(|source| source.name.as_str()).collect();
        return Err(Problem::new(
            format!("there is no [[source]] {spec}"),
            "--against",
            match engine::config::walk::nearest(spec, &names) {
                Some(near) => format!("did you mean {near}?"),
                None if names.is_empty() => {
                    "name it as FORMAT:PATH, or -c a config that has it".into()
                }
                None => format!("name it as FORMAT:PATH, or one of {}", names.join(", ")),
            },
        ));
    }
    Ok(named.cloned().unwrap_or_else(|| SourceConfig::of(spec)))
}

fn line(difference: &Difference) -> String {
    let Difference { symbol, timeframe_s, ts_open, seq, what } = difference;
    let place = format!("{symbol} {timeframe_s} s {}", utc(*ts_open));
    let seq = seq.map_or_else(String::new, |seq| format!(" (sequence {seq})"));
    match what {
        What::Missing(values) => format!("missing  {place}: the vendor has {}", text(values)),
        What::Extra(values) => {
            format!("extra    {place}{seq}: only the journal has {}", text(values))
        }
        What::Field(name, ours, theirs) => {
            format!("differs  {place}{seq}: {name} {ours}, the vendor {theirs}")
        }
    }
}

fn text(values: &Values) -> String {
    values.prices.map(|price| price.to_string()).join(" ")
}

fn object(difference: &Difference) -> Value {
    let Difference { symbol, timeframe_s, ts_open, seq, what } = difference;
    let (kind, field, ours, theirs) = match what {
        What::Missing(values) => ("missing", None, None, Some(text(values))),
        What::Extra(values) => ("extra", None, Some(text(values)), None),
        What::Field(name, ours, theirs) => {
            ("field", Some(*name), Some(ours.clone()), Some(theirs.clone()))
        }
    };
    json!({
        "kind": kind, "symbol": symbol, "timeframe_s": timeframe_s, "ts_open": ts_open, "seq": seq,
        "field": field, "journal": ours, "vendor": theirs,
    })
}

fn summary(dir: &Path, counts: &Counts) -> String {
    let mut lines = Lines(format!("{}\n", dir.display()));
    lines.put("compared", format!("{} bars, {} equal", counts.compared, counts.equal));
    lines.put("differ", format!("{} fields", counts.fields));
    lines.put("missing", format!("{} bars that only the vendor has", counts.missing));
    lines.put("extra", format!("{} bars that only the journal has", counts.extra));
    lines.put(
        "filled",
        format!("{} bars in which nothing traded, and the vendor has none", counts.filled),
    );
    lines.put(
        "outside",
        format!("{} bars of other times or symbols than the other side's", counts.outside),
    );
    lines.0.trim_end().to_string()
}

fn answer(dir: &Path, counts: &Counts, differences: &[Value]) -> Value {
    json!({
        "dir": dir.display().to_string(), "compared": counts.compared, "equal": counts.equal,
        "fields": counts.fields, "missing": counts.missing, "extra": counts.extra,
        "filled": counts.filled, "outside": counts.outside, "differences": differences,
    })
}
