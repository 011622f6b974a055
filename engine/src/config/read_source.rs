//! Reads `[[source]]`: which format, which symbols, and what its rows are declared to hold.

use super::read::DAY_S;
use super::walk::{Section, Walk, nearest};
use crate::source::{COLUMN_FIELDS, Column, Columns, Front, SourceConfig, Stamp, TimeUnit};
use ringbuf_layout::Price;
use ringbuf_layout::units::{PRICE_DIGITS, PRICE_ONE};
use std::collections::BTreeMap;
use toml_edit::Value;

/// Formats whose columns are declared.
const OF_ROWS: [&str; 3] = ["csv", "parquet", "hdf5"];
/// Keys that only these formats know.
const ROW_KEYS: [&str; 8] =
    ["columns", "header", "delimiter", "ts_unit", "zone", "ts_format", "stamp", "timeframe_s"];

pub(super) fn source<'t>(walk: &Walk<'t>, mut s: Section<'t>) -> SourceConfig {
    let spec = s.text(walk, "spec").unwrap_or_default();
    if spec.is_empty() {
        s.violate(walk, "spec", "is needed, such as \"synthetic\" or \"lean-trade:FILE.zip\"");
    }
    let name = s.text(walk, "name").unwrap_or_else(|| spec.clone());
    let format = spec.split_once(':').map_or(spec.as_str(), |(format, _)| format).to_string();
    let mut columns = None;
    if s.is_set("csv") {
        // The first spelling: the same keys in a table of their own.
        let mut csv = s.section(walk, "csv");
        if format == "csv" {
            columns = Some(rows(walk, &mut csv, &format));
            csv.finish(walk);
        } else {
            s.violate(walk, "csv", "only a source of format csv has it");
        }
    } else if OF_ROWS.contains(&format.as_str()) && s.is_set("columns") {
        columns = Some(rows(walk, &mut s, &format));
    }
    for key in ROW_KEYS {
        if columns.is_none() && s.is_set(key) {
            let what = if OF_ROWS.contains(&format.as_str()) {
                "needs `columns`, which says which column holds what".to_string()
            } else {
                format!("only a source of {} declares it", OF_ROWS.join(", "))
            };
            s.violate(walk, key, what);
            s.raw(key);
        }
    }
    let mut of = |key: &'static str, formats: &[&str]| {
        let reads = columns.is_none() && formats.contains(&format.as_str());
        if s.is_set(key) && !reads && columns.is_none() {
            s.violate(walk, key, format!("only a source of {} has it", formats.join(", ")));
            s.raw(key);
        }
        reads && s.is_set(key)
    };
    let [has_symbol, has_scale] =
        [of("symbol", &["kraken", "binance-vision"]), of("price_scale", &["databento-csv"])];
    let has_security = of("security", &["lean-trade", "lean-quote", "lean-bar"]);
    let has_ttl = of("quote_ttl_s", &["lean-quote"]);
    let symbol = has_symbol.then(|| s.text(walk, "symbol")).flatten();
    let symbol = symbol.map(|text| text.to_uppercase());
    let price_scale = has_scale.then(|| scale(walk, &mut s)).flatten();
    let price_scale = price_scale.map(|scale| Price(scale).to_string());
    let security = has_security.then(|| s.word(walk, "security", &SECURITIES)).flatten();
    let quote_ttl_s = has_ttl.then(|| s.whole(walk, "quote_ttl_s", 1..=DAY_S)).flatten();
    let quote_ttl_s = quote_ttl_s.map(|seconds| seconds as u32);
    let upper = |text: String| text.to_uppercase();
    let symbols: Vec<String> =
        s.text_list(walk, "symbols").unwrap_or_default().into_iter().map(upper).collect();
    let front = front(walk, &mut s, &symbols);
    let rename = rename(walk, &mut s);
    s.finish(walk);
    SourceConfig {
        spec,
        name,
        columns,
        symbol,
        price_scale,
        security,
        quote_ttl_s,
        symbols,
        rename,
        front,
    }
}

/// `THEIRS=OURS`, both upper case.
fn rename<'t>(walk: &Walk<'t>, s: &mut Section<'t>) -> BTreeMap<String, String> {
    let mut rename = BTreeMap::new();
    for pair in s.text_list(walk, "rename").unwrap_or_default() {
        let halves = pair.split_once('=').map(|(a, b)| (a.trim(), b.trim()));
        match halves.filter(|(theirs, ours)| !theirs.is_empty() && !ours.is_empty()) {
            Some((theirs, ours)) => drop(rename.insert(theirs.to_uppercase(), ours.to_uppercase())),
            None => s.violate(walk, "rename", format!("\"{pair}\" is not \"THEIRS=OURS\"")),
        }
    }
    rename
}

/// Whether the symbols are the contracts of one future, and which of them is its first front.
fn front<'t>(walk: &Walk<'t>, s: &mut Section<'t>, symbols: &[String]) -> Option<Front> {
    let is_followed = s.is_set("front");
    let rule = s.word(walk, "front", &["volume"]);
    let first = s.text(walk, "front_first").map(|text| text.to_uppercase());
    if let Some(first) = &first {
        if !is_followed {
            s.violate(walk, "front_first", "needs front = \"volume\", which says what follows it");
        }
        if !symbols.is_empty() && !symbols.contains(first) {
            let names: Vec<&str> = symbols.iter().map(String::as_str).collect();
            s.violate(walk, "front_first", not_among(first, &names, "`symbols`"));
        }
    }
    rule.map(|_| Front { first })
}

/// What to say of a symbol that is not among these.
pub(crate) fn not_among(symbol: &str, names: &[&str], of: &str) -> String {
    const SHOWN: usize = 20;
    let near = nearest(symbol, names).map_or(String::new(), |n| format!("; did you mean \"{n}\"?"));
    let (shown, more) = match names.get(..SHOWN) {
        Some(shown) if names.len() > SHOWN => (shown, ", …"),
        _ => (names, ""),
    };
    format!("\"{symbol}\" is not among {of}: {}{more}{near}", shown.join(", "))
}

/// LEAN's kinds of instruments whose names do not tell them apart.
const SECURITIES: [&str; 4] = ["equity", "forex", "cfd", "crypto"];

fn scale<'t>(walk: &Walk<'t>, s: &mut Section<'t>) -> Option<i64> {
    let scale = s.decimal(walk, "price_scale", PRICE_DIGITS)?;
    if scale <= 0 {
        s.violate(walk, "price_scale", "must be above 0");
    }
    Some(scale)
}

/// The declared columns and how their texts are read.
fn rows<'t>(walk: &Walk<'t>, s: &mut Section<'t>, format: &str) -> Columns {
    let is_csv = format == "csv";
    let delimiter = s.text(walk, "delimiter").unwrap_or_else(|| ",".into());
    if delimiter.len() != 1 {
        s.violate(walk, "delimiter", "must be one ASCII character");
    }
    let header = s.boolean(walk, "header").unwrap_or(true);
    for key in ["delimiter", "header"] {
        if !is_csv && s.is_set(key) {
            s.violate(walk, key, format!("{format} has none: its columns have names"));
        }
    }
    let columns = columns(walk, s.section(walk, "columns"));
    let has = |field: &str| columns.iter().any(|(name, _)| name == field);
    let symbol = s.text(walk, "symbol").map(|text| text.to_uppercase());
    if symbol.is_some() == has("symbol") {
        s.violate(walk, "symbol", "give either a symbol or a symbol column, not both or none");
    }
    if !has("ts_event") {
        s.violate(walk, "columns", "needs ts_event");
    }
    let bar = ["open", "high", "low", "close", "volume"].into_iter().all(has);
    let (trade, quote) = (has("price") && has("size"), has("bid") && has("ask"));
    if !trade && !quote && !bar {
        let what = "needs price and size, or bid and ask, or open, high, low, close and volume";
        s.violate(walk, "columns", what);
    }
    let stamp = s.is_set("stamp").then(|| s.word(walk, "stamp", &["open", "close"])).flatten();
    let timeframe_s = s.whole(walk, "timeframe_s", 1..=DAY_S * 7);
    for (key, missing) in [("stamp", stamp.is_none()), ("timeframe_s", timeframe_s.is_none())] {
        if bar && missing && !s.is_set(key) {
            s.violate(walk, key, "is needed for bars: neither end nor length is guessed");
        } else if !bar && s.is_set(key) {
            s.violate(walk, key, "is of bars only");
        }
    }
    let (ts_unit, zone, ts_formats) = clock(walk, s, is_csv);
    let scale = scale(walk, s).unwrap_or(PRICE_ONE);
    Columns {
        header,
        delimiter: delimiter.as_bytes().first().copied().unwrap_or(b','),
        symbol,
        columns,
        ts_unit,
        zone,
        ts_formats,
        price_scale: Price(scale).to_string(),
        stamp: stamp.map(|word| if word == "open" { Stamp::Open } else { Stamp::Close }),
        timeframe_s: timeframe_s.map(|seconds| seconds as u32),
    }
}

/// Unit, zone and formats of the times.
fn clock<'t>(
    walk: &Walk<'t>,
    s: &mut Section<'t>,
    is_csv: bool,
) -> (TimeUnit, String, Vec<String>) {
    let units = TimeUnit::WORDS.map(|(_, word)| word);
    let word = s.word(walk, "ts_unit", &units);
    if !s.is_set("ts_unit") && is_csv {
        s.violate(walk, "ts_unit", format!("is needed: one of {}", units.join(", ")));
    }
    let unit = TimeUnit::WORDS.into_iter().find(|(_, w)| word.as_deref() == Some(w));
    let unit = unit.map_or(TimeUnit::Typed, |(unit, _)| unit);
    let zone = s.text(walk, "zone");
    let formats = match s.raw("ts_format") {
        None => Vec::new(),
        Some(Value::String(_)) => s.text(walk, "ts_format").into_iter().collect(),
        Some(_) => s.text_list(walk, "ts_format").unwrap_or_default(),
    };
    if unit == TimeUnit::Text && (zone.is_none() || formats.is_empty()) {
        s.violate(walk, "ts_unit", "\"text\" needs zone and ts_format: neither is guessed");
    }
    if let Some(zone) = &zone
        && crate::calendar::zone(zone).is_none()
    {
        s.violate(walk, "zone", format!("\"{zone}\" is not an IANA time zone"));
    }
    (unit, zone.unwrap_or_else(|| "UTC".into()), formats)
}

fn columns<'t>(walk: &Walk<'t>, mut s: Section<'t>) -> Vec<(String, Column)> {
    let mut columns = Vec::new();
    for field in COLUMN_FIELDS {
        let Some(value) = s.raw(field) else { continue };
        let column = match value {
            Value::String(name) => Some(Column::Name(name.value().clone())),
            Value::Integer(at) => usize::try_from(*at.value()).ok().map(Column::Position),
            _ => None,
        };
        match column {
            Some(column) => columns.push((field.to_string(), column)),
            None => s.violate(walk, field, "must be a column's name or its position from 0"),
        }
    }
    s.finish(walk);
    columns
}
