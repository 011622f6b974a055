//! `data import`: sources into a journal of definitions and market data, with an account of every record.

use crate::cli;
use crate::config;
use crate::run::{build, grouped, mib, next_free};
use crate::say::{Exit, Lines, Say, aside, error_object, watched};
use crate::sources;
use crate::window;
use engine::Problem;
use engine::calendar::utc;
use engine::import::{Account, Delivered, Import, Imported, KINDS, Kinds};
use engine::runtime::controls::Controls;
use indicatif::{ProgressBar, ProgressStyle};
use ringbuf_layout::names::EndReason;
use serde_json::{Map, Value, json};
use std::path::Path;

/// `data import …`
pub fn import(arguments: &cli::Import, say: Say, controls: &Controls) -> Result<Exit, Problem> {
    let mut config = config::load(arguments.config.as_deref())?;
    config.resolve()?;
    sources::choose(&mut config, &arguments.sources)?;
    if config.sources.is_empty() {
        let fix =
            "name them: FORMAT:PATH, or -c FILE with [[source]]; `data inspect FILE` proposes both";
        return Err(Problem::new("no source to import", "command line", fix));
    }
    let filter = window::filter(&arguments.window)?;
    let sources = sources::open(&mut config)?;
    let hint: Option<u64> = sources.iter().map(|source| source.records_hint).sum();
    let made = arguments.journal.is_none();
    let dir = match &arguments.journal {
        Some(dir) => dir.clone(),
        None => next_free(Path::new("journal"))?,
    };
    let bar = progress(hint);
    let stop = &controls.stop;
    let order = Import { config: &config, sources, dir: dir.clone(), filter, build: build(), stop };
    let imported = engine::import::import(order, |records| bar.set_position(records));
    bar.finish_and_clear();
    let imported = imported.inspect_err(|_| {
        if made {
            // Ours, and empty unless something was written before it failed.
            drop(std::fs::remove_dir(&dir));
        }
    })?;
    let mut answer = json_of(&imported);
    let fronts = config.sources.len() > 1 && config.sources.iter().any(|s| s.front.is_some());
    say.text(text_of(&imported, arguments.config.as_deref(), fronts).trim_end());
    if let Some(problem) = &imported.failure {
        answer.extend(error_object(problem));
        aside(&format!("error: {problem}"));
        aside("the import ended early; what came before is journaled");
    } else if is_empty(&imported) {
        aside("note: the journal holds no record of the market; `skipped` above says why");
    } else if imported.ended == Some(EndReason::Interrupted) {
        aside("interrupted: what came before is journaled");
    }
    say.answer(answer);
    Ok(if imported.failure.is_some() { Exit::Findings } else { Exit::Done })
}

fn progress(hint: Option<u64>) -> ProgressBar {
    if !watched() {
        return ProgressBar::hidden();
    }
    let bar = hint.map_or_else(ProgressBar::no_length, ProgressBar::new);
    let template = if hint.is_some() {
        "{elapsed_precise} {bar:40} {human_pos}/{human_len} records"
    } else {
        "{elapsed_precise} {spinner} {human_pos} records, {per_sec}"
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// Why records of a source are not in the journal: skipped by wish or by the format.
fn skipped(account: &Account) -> Vec<(&'static str, u64)> {
    let by_wish = [
        ("before_from", account.before_from),
        ("after_to", account.after_to),
        ("other_symbols", account.other_symbols),
    ];
    by_wish.into_iter().chain(account.left_out.iter().copied()).filter(|(_, n)| *n > 0).collect()
}

fn counted(pairs: impl IntoIterator<Item = (&'static str, u64)>) -> Map<String, Value> {
    pairs.into_iter().map(|(word, count)| (word.to_string(), json!(count))).collect()
}

fn by_kind(kinds: &Kinds) -> impl Iterator<Item = (&'static str, u64)> {
    let named = KINDS.iter().zip(kinds).map(|(kind, count)| (kind.name(), *count));
    named.filter(|(_, count)| *count > 0).collect::<Vec<_>>().into_iter()
}

/// Records were read, and none of them is in the journal.
fn is_empty(imported: &Imported) -> bool {
    let sum = |of: fn(&Account) -> u64| imported.sources.iter().map(of).sum::<u64>();
    sum(|account| account.delivered) == 0 && sum(|account| account.read) > 0
}

/// What a run will flag or reject.
fn odd(symbol: &Delivered) -> [(&'static str, u64); 2] {
    [("out_of_order", symbol.out_of_order), ("off_tick", symbol.off_tick)]
}

fn json_of(imported: &Imported) -> Map<String, Value> {
    let source = |account: &Account| {
        json!({
            "name": account.name, "spec": account.spec, "read": account.read,
            "delivered": account.delivered, "skipped": counted(skipped(account)),
            "rejected": counted(
                [("unknown_instrument", account.unknown_instrument)].into_iter().filter(|(_, n)| *n > 0)
            ),
            "ended_at_to": account.ended_at_to,
        })
    };
    let symbols: Map<String, Value> = imported
        .symbols
        .iter()
        .map(|symbol| {
            let odd = odd(symbol).into_iter().filter(|(_, count)| *count > 0);
            let counts = by_kind(&symbol.kinds).chain(odd);
            (symbol.def.symbol.clone(), Value::Object(counted(counts)))
        })
        .collect();
    let sum = |of: fn(&Account) -> u64| imported.sources.iter().map(of).sum::<u64>();
    let (from, to) = imported.span.unzip();
    let value = json!({
        "journal": {
            "dir": imported.dir.display().to_string(), "first_seq": imported.seqs.0,
            "last_seq": imported.seqs.1, "bytes": imported.bytes,
        },
        "read": sum(|a| a.read), "delivered": sum(|a| a.delivered),
        "rejected": sum(|a| a.unknown_instrument),
        "first_ts_event": from, "last_ts_event": to, "symbols": symbols,
        "sources": imported.sources.iter().map(source).collect::<Vec<_>>(),
        "ended": imported.ended.map(EndReason::name),
    });
    if let Value::Object(map) = value { map } else { Map::new() }
}

fn text_of(imported: &Imported, config: Option<&Path>, fronts: bool) -> String {
    let mut lines = Lines::default();
    let words = |pairs: &mut dyn Iterator<Item = (&'static str, u64)>| {
        let words: Vec<String> =
            pairs.map(|(word, count)| format!("{word} {}", grouped(count))).collect();
        if words.is_empty() { "none".to_string() } else { words.join(", ") }
    };
    for account in &imported.sources {
        let (read, delivered) = (grouped(account.read), grouped(account.delivered));
        lines.put("source", &account.spec);
        lines.put("records", format!("{read} read, {delivered} journaled"));
        lines.put("skipped", words(&mut skipped(account).into_iter()));
        if account.unknown_instrument > 0 {
            let count = grouped(account.unknown_instrument);
            lines.put("rejected", format!("unknown_instrument {count}: no definition, no number"));
        }
        if account.ended_at_to {
            lines.put("", "reading ended with --to; what follows was not looked at");
        }
    }
    for symbol in &imported.symbols {
        let name = &symbol.def.symbol;
        lines.put("symbol", format!("{name}: {}", words(&mut by_kind(&symbol.kinds))));
        let odd = odd(symbol).into_iter().filter(|(_, count)| *count > 0);
        let odd: Vec<_> =
            odd.map(|(what, n)| format!("{} {}", grouped(n), what.replace('_', " "))).collect();
        if !odd.is_empty() {
            lines.put("", format!("journaled as they are: {}", odd.join(", ")));
        }
    }
    if let Some((from, to)) = imported.span {
        lines.put("event time", format!("{} to {}", utc(from), utc(to)));
    }
    let (dir, (first, last)) = (imported.dir.display(), imported.seqs);
    lines.put("journal", format!("{dir}: sequences {first} to {last}, {}", mib(imported.bytes)));
    if fronts {
        let what = format!(
            "spec = \"journal:{dir}\" in each [[source]] of the config, `symbols` and `front` as they are"
        );
        lines.put("next", what);
        lines.put("", "grandmodel run -c FILE");
        return lines.0;
    }
    // Its bars, calendars and fronts are the config's: without it the journal may not even start.
    let config = config.map_or(String::new(), |config| format!("-c {} ", config.display()));
    lines.put("next", format!("grandmodel run {config}--source journal:{dir}"));
    lines.0
}
