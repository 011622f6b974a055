//! `binance-vision`: the public archive of Binance, `SYMBOL-KIND-DATE.zip` or the CSV in it.
//!
//! `aggTrades` and `trades` give trades, with the aggressor's side; an interval (`1m`, `4h`, …)
//! gives bars, whose stamp is their open. There may be a header or none. Times are milliseconds,
//! and microseconds in files of the spot market from 2025-01-01 on: told apart by their 13 or 16
//! digits. The symbol is the begin of the name, unless `symbol` says it.

use crate::files;
use crate::presets::{columns, one_symbol, placed, source, stem};
use engine::Problem;
use engine::instrument::Catalog;
use engine::source::{Source, SourceConfig, Stamp, TimeUnit};
use std::path::Path;

/// Lengths of bars in seconds. A month (`1mo`) has no one length.
const INTERVALS: [(&str, u32); 15] = [
    ("1s", 1),
    ("1m", 60),
    ("3m", 180),
    ("5m", 300),
    ("15m", 900),
    ("30m", 1_800),
    ("1h", 3_600),
    ("2h", 7_200),
    ("4h", 14_400),
    ("6h", 21_600),
    ("8h", 28_800),
    ("12h", 43_200),
    ("1d", 86_400),
    ("3d", 259_200),
    ("1w", 604_800),
];

/// `SYMBOL` and `KIND` of a stem.
fn parts(stem: &str) -> (&str, &str) {
    let (symbol, rest) = stem.split_once('-').unwrap_or((stem, ""));
    (symbol, rest.split('-').next().unwrap_or_default())
}

/// The kind of all files.
fn kind(paths: &[impl AsRef<Path>]) -> Result<String, Problem> {
    let mut found: Option<String> = None;
    for path in paths {
        let (path, stem) = (path.as_ref(), stem(path.as_ref()));
        let (_, kind) = parts(&stem);
        let is_known = ["aggTrades", "trades"].contains(&kind)
            || INTERVALS.iter().any(|(name, _)| *name == kind);
        let place = path.display().to_string();
        if !is_known {
            return Err(Problem::new(
                format!("the name says nothing that is read: {}", files::quoted(kind.as_bytes())),
                place,
                "name it as the archive does: SYMBOL-aggTrades-DATE, SYMBOL-trades-DATE, or an \
                 interval such as SYMBOL-1m-DATE (a month has no one length)",
            ));
        }
        if found.get_or_insert_with(|| kind.to_string()) != kind {
            return Err(Problem::new(
                "the files of one source are of several kinds",
                place,
                "give each kind a [[source]] of its own",
            ));
        }
    }
    Ok(found.unwrap_or_default())
}

/// Opens the files that `pattern` names: all of one symbol and one kind.
pub(crate) fn open(
    config: &SourceConfig,
    pattern: &str,
    catalog: &Catalog,
) -> Result<Source, Problem> {
    let (symbol, paths) = one_symbol(config, pattern, |stem| parts(stem).0.to_string())?;
    let kind = kind(&paths)?;
    let mut rows = columns(TimeUnit::MillisecondsOrMicroseconds, Some(symbol));
    rows.columns = match kind.as_str() {
        "aggTrades" => placed(&[("ts_event", 5), ("price", 1), ("size", 2), ("buyer_maker", 6)]),
        "trades" => placed(&[("ts_event", 4), ("price", 1), ("size", 2), ("buyer_maker", 5)]),
        interval => {
            rows.stamp = Some(Stamp::Open);
            let length = INTERVALS.iter().find(|(name, _)| *name == interval);
            rows.timeframe_s = length.map(|(_, seconds)| *seconds);
            placed(&[
                ("ts_event", 0),
                ("open", 1),
                ("high", 2),
                ("low", 3),
                ("close", 4),
                ("volume", 5),
                ("ticks", 8),
            ])
        }
    };
    source(config, &rows, paths, catalog, |declared| declared.optional_header = true)
}
