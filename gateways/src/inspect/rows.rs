//! Delimited rows: whose they are, by header and shape, and what a declaration of them says.

use super::columns::{self, Found, Rows};
use super::head;
use super::kind::{Kind, quoted, symbol_of};
use super::known;
use super::stamps::{Reading, Stamps};
use crate::local_time::Clock;
use crate::row_fields::Fields;
use engine::Problem;
use engine::source::TimeUnit;
use std::collections::BTreeMap;
use std::path::Path;

/// Symbols that stand in the rows of one file.
pub(super) const SYMBOLS_MAX: usize = 1_000;
/// Distances between bars that are counted apart.
const STEPS_MAX: usize = 64;

/// What a look at all rows finds.
#[derive(Debug, Default)]
struct Scan {
    stamps: Stamps,
    symbols: Vec<String>,
    more_symbols: bool,
    rows: u64,
}

/// The delimiter that gives every one of the first rows as many fields as the first; a comma if there is none.
pub(super) fn delimiter(lines: &[String]) -> u8 {
    let count = |line: &String, d: char| line.matches(d).count();
    let even = |d: &char| {
        let first = lines.first().map_or(0, |line| count(line, *d));
        first > 0 && lines.iter().all(|line| count(line, *d) == first)
    };
    let any = |d: &char| lines.first().is_some_and(|line| count(line, *d) > 0);
    let all = [',', ';', '\t', '|'];
    let found = all.into_iter().find(even).or_else(|| all.into_iter().find(any));
    found.unwrap_or(',') as u8
}

/// The fields of a line, as text.
pub(super) fn split(line: &str, delimiter: u8) -> Vec<String> {
    let mut fields = Fields::new(delimiter);
    if fields.split(line.as_bytes()).is_err() {
        return Vec::new();
    }
    let text = |i| fields.get(i).map(|f| String::from_utf8_lossy(f).trim().to_string());
    (0..fields.len()).filter_map(text).collect()
}

fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && text.bytes().any(|b| b.is_ascii_digit())
        && text.bytes().filter(|b| *b == b'.').count() < 2
}

/// True if the first row names columns.
fn has_header(first: &[String]) -> bool {
    let is_name = |text: &String| text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let flags = ["true", "false"];
    first.iter().filter(|t| is_name(t) && !flags.contains(&t.to_lowercase().as_str())).count() * 2
        > first.len()
}

/// What these rows are; `None` if nothing that is known.
///
/// # Errors
/// Rows of the market that cannot be declared as they are.
pub(super) fn classify(path: &Path, lines: &[String]) -> Result<Option<Kind>, Problem> {
    let delimiter = delimiter(lines);
    let Some(first) = lines.first().map(|line| split(line, delimiter)) else { return Ok(None) };
    if has_header(&first) {
        return with_header(path, delimiter, &first, lines);
    }
    without_header(path, delimiter, lines, &first)
}

fn with_header(
    path: &Path,
    delimiter: u8,
    header: &[String],
    lines: &[String],
) -> Result<Option<Kind>, Problem> {
    let has = |name: &str| header.iter().any(|column| column == name);
    if has("exchange") && has("local_timestamp") && has("timestamp") {
        if known("tardis") {
            let mut kind = Kind::of("tardis");
            kind.inferred("tardis, by the header's exchange, timestamp and local_timestamp");
            symbols_of_rows(path, delimiter, header, "symbol", &mut kind)?;
            return Ok(Some(kind));
        }
        if has("is_snapshot") {
            return Ok(Some(Kind::of("tardis")));
        }
    }
    if has("ts_event") && has("rtype") {
        let mut kind = Kind::of("databento-csv");
        kind.inferred("databento-csv, by the header's ts_event and rtype");
        let names = if has("symbol") { "symbol" } else { "instrument_id" };
        symbols_of_rows(path, delimiter, header, names, &mut kind)?;
        price_scale(delimiter, header, lines, &mut kind);
        return Ok(Some(kind));
    }
    let vision = [
        ["open_time", "close_time", "taker_buy_volume"],
        ["agg_trade_id", "first_trade_id", "is_buyer_maker"],
        ["id", "quote_qty", "is_buyer_maker"],
    ];
    if vision.iter().any(|names| names.iter().all(|name| has(name))) && known("binance-vision") {
        return Ok(Some(binance_vision(path)));
    }
    let Some(found) = columns::find(header) else { return Ok(None) };
    if found.split_time {
        return Err(Problem::new(
            "date and time of day stand in two columns, which a `csv` source cannot declare",
            format!("{}, line 1", path.display()),
            "join the two columns into one, then inspect it again",
        ));
    }
    declared(path, delimiter, Some(header), &found).map(Some)
}

/// Whole prices of Databento are units of 1e-9, or plain ones without a fraction: by their size.
fn price_scale(delimiter: u8, header: &[String], lines: &[String], kind: &mut Kind) {
    let at = header.iter().position(|name| ["price", "open", "bid_px_00"].contains(&name.as_str()));
    let row = lines.get(1).map(|line| split(line, delimiter));
    let price = at.zip(row).and_then(|(at, row)| row.get(at).cloned()).unwrap_or_default();
    if price.is_empty() || !price.bytes().all(|b| b.is_ascii_digit()) {
        return;
    }
    let scale = if price.len() > 9 { "0.000000001" } else { "1" };
    kind.asked.push(format!(
        "price_scale: is a whole price such as {price} in units of 1e-9, or plain? By its size it is \"{scale}\""
    ));
    kind.keys.push(("price_scale", quoted(scale)));
}

fn binance_vision(path: &Path) -> Kind {
    let mut kind = Kind::of("binance-vision");
    kind.inferred("binance-vision, by the number and kinds of its columns");
    kind.symbol_from_name(&symbol_of(path));
    kind
}

fn without_header(
    path: &Path,
    delimiter: u8,
    lines: &[String],
    first: &[String],
) -> Result<Option<Kind>, Problem> {
    let numbers: Vec<bool> = first.iter().map(|text| is_number(text)).collect();
    let is_flag = |at: usize| {
        first.get(at).is_some_and(|text| ["true", "false"].contains(&text.to_lowercase().as_str()))
    };
    let all_numbers =
        |range: core::ops::Range<usize>| numbers.get(range).is_some_and(|n| n.iter().all(|n| *n));
    let vision = match first.len() {
        12 => all_numbers(0..12),
        8 => all_numbers(0..6) && is_flag(6) && is_flag(7),
        7 => all_numbers(0..5) && is_flag(5) && is_flag(6),
        _ => false,
    };
    if vision && known("binance-vision") {
        return Ok(Some(binance_vision(path)));
    }
    let mut stamps = Stamps::default();
    let sample: Vec<Vec<String>> = lines.iter().map(|line| split(line, delimiter)).collect();
    for row in &sample {
        stamps.note(row.first().map_or("", String::as_str));
    }
    if !stamps.is_time() {
        return Ok(None);
    }
    let seconds = stamps.reading().is_ok_and(|reading| reading.unit == "s");
    if first.len() == 3 && all_numbers(1..3) {
        if seconds && known("kraken") {
            let mut kind = Kind::of("kraken");
            kind.inferred("kraken, by rows of unix_seconds,price,volume without a header");
            kind.symbol_from_name(&symbol_of(path));
            return Ok(Some(kind));
        }
        let fields = vec![("ts_event", 0), ("price", 1), ("size", 2)];
        let found = Found { rows: Rows::Trades, fields, split_time: false };
        return declared(path, delimiter, None, &found).map(|mut kind| {
            kind.inferred("rows of time,price,size without a header");
            Some(kind)
        });
    }
    let value = |row: &[String], at: usize| row.get(at).and_then(|t| t.parse::<f64>().ok());
    let is_bar = |row: &Vec<String>| {
        let [open, high, low, close] = [1, 2, 3, 4].map(|at| value(row, at));
        let (Some(open), Some(high), Some(low), Some(close)) = (open, high, low, close) else {
            return false;
        };
        high >= open.max(close) && low <= open.min(close)
    };
    if first.len() >= 6 && sample.iter().all(is_bar) {
        let names = ["ts_event", "open", "high", "low", "close", "volume"];
        let fields = names.into_iter().zip(0..).collect();
        let found = Found { rows: Rows::Bars, fields, split_time: false };
        return declared(path, delimiter, None, &found).map(|mut kind| {
            kind.inferred(
                "rows of time,open,high,low,close,volume without a header, by which is largest",
            );
            Some(kind)
        });
    }
    Ok(None)
}

/// The declaration of a `csv` source.
fn declared(
    path: &Path,
    delimiter: u8,
    header: Option<&[String]>,
    found: &Found,
) -> Result<Kind, Problem> {
    let mut kind = Kind::of("csv");
    let time = found.position("ts_event").unwrap_or_default();
    let scan = scan(path, delimiter, header.is_some(), time, found.position("symbol"))?;
    kind.csv.push(("header", header.is_some().to_string()));
    kind.csv.push(("delimiter", quoted(&char::from(delimiter).to_string())));
    for (field, at) in &found.fields {
        let column = header.and_then(|names| names.get(*at));
        let value = column.map_or(at.to_string(), |name| quoted(name));
        kind.columns.push((field, value));
    }
    if header.is_some() {
        let named: Vec<_> = kind.columns.iter().map(|(f, c)| format!("{f} = {c}")).collect();
        kind.inferred(format!("columns by their names: {}", named.join(", ")));
    }
    match found.position("symbol") {
        Some(_) => take_symbols(&mut kind, scan.symbols.clone(), scan.more_symbols),
        None => kind.symbol_from_name(&symbol_of(path)),
    }
    let reading = scan.stamps.reading().map_err(|what| {
        let fix = "declare the source by hand: `grandmodel config init` shows how";
        Problem::new(what, format!("{}, the time column", path.display()), fix)
    })?;
    declare_times(&mut kind, &reading);
    if found.rows == Rows::Bars {
        let (clock, mut steps) = (clock_of(&reading), Steps::default());
        walk(path, delimiter, header.is_some(), |fields| {
            let text = fields.get(time).unwrap_or_default();
            if let Some(now) = clock.as_ref().and_then(|clock| clock.read(text).ok()) {
                steps.note(now);
            }
        })?;
        steps.declare(&mut kind);
    }
    Ok(kind)
}

pub(super) fn declare_times(kind: &mut Kind, reading: &Reading) {
    kind.csv.push(("ts_unit", quoted(reading.unit)));
    kind.inferred(format!("ts_unit \"{}\": {}", reading.unit, reading.why));
    if reading.unit != "text" {
        return;
    }
    let formats: Vec<String> = reading.formats.iter().map(|format| quoted(format)).collect();
    let value = match &formats[..] {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    };
    kind.csv.push(("ts_format", value));
    if reading.day_is_open {
        kind.asked.push(
            "is the day or the month first? No number goes beyond 12, so both read; day first is written below"
                .to_string(),
        );
    }
    kind.zone_is_open = !reading.has_zone;
    if reading.has_zone {
        kind.csv.push(("zone", quoted("UTC")));
    }
}

/// Distances of neighbours in seconds, and how many there are.
#[derive(Debug, Default)]
pub(super) struct Steps {
    counts: BTreeMap<i64, u64>,
    before: Option<i64>,
}

impl Steps {
    pub(super) fn note(&mut self, now: i64) {
        if let Some(before) = self.before.replace(now) {
            let seconds = now.saturating_sub(before) / 1_000_000_000;
            let kept = self.counts.len() < STEPS_MAX || self.counts.contains_key(&seconds);
            if seconds > 0 && kept {
                *self.counts.entry(seconds).or_default() += 1;
            }
        }
    }

    /// Length of the bars: the most frequent distance. Which end a stamp is, only a person knows.
    pub(super) fn declare(&self, kind: &mut Kind) {
        let total: u64 = self.counts.values().sum();
        let most = self.counts.iter().max_by_key(|(seconds, count)| (**count, -**seconds));
        if let Some((seconds, count)) = most {
            kind.inferred(format!(
                "timeframe_s {seconds}: {count} of {total} neighbours are that far apart"
            ));
        } else {
            kind.asked
                .push("timeframe_s: how long is a bar? There are too few to tell".to_string());
        }
        // Longest that a config takes: a week.
        let seconds = most.map_or(60, |(seconds, _)| (*seconds).min(604_800));
        kind.bars_s = u32::try_from(seconds).unwrap_or(60);
        kind.csv.push(("timeframe_s", seconds.to_string()));
        kind.asked.push(
            "stamp: is the time a bar's open or its close? \"open\" is written below, as most vendors have it"
                .to_string(),
        );
        kind.csv.push(("stamp", quoted("open")));
    }
}

/// The clock that reads such times, in UTC.
pub(super) fn clock_of(reading: &Reading) -> Option<Clock> {
    let unit = TimeUnit::WORDS.iter().find(|(_, word)| *word == reading.unit)?.0;
    Clock::new(unit, &reading.formats, "UTC").ok()
}

/// Hands every row's fields to `each`, as far as the file can be read: who delivers its records names the damage.
fn walk(
    path: &Path,
    delimiter: u8,
    header: bool,
    mut each: impl FnMut(&Fields),
) -> Result<(), Problem> {
    let mut lines = head::lines(path)?;
    let mut fields = Fields::new(delimiter);
    let mut skip = header;
    while let Ok(Some(line)) = lines.next() {
        if std::mem::take(&mut skip) {
            continue;
        }
        if fields.split(line).is_err() {
            break;
        }
        each(&fields);
    }
    Ok(())
}

fn scan(
    path: &Path,
    delimiter: u8,
    header: bool,
    time: usize,
    symbol: Option<usize>,
) -> Result<Scan, Problem> {
    let mut scan = Scan::default();
    let mut newest: Vec<u8> = Vec::new();
    walk(path, delimiter, header, |fields| {
        scan.rows += 1;
        let text = fields.get(time).map(String::from_utf8_lossy);
        // A row that is cut off is damage, for the decoder to name.
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            scan.stamps.note(&text);
        }
        let Some(symbol) = symbol.and_then(|at| fields.get(at)) else { return };
        if symbol == newest {
            return;
        }
        newest = symbol.to_vec();
        let symbol = String::from_utf8_lossy(symbol).trim().to_uppercase();
        if !symbol.is_empty() && !scan.symbols.contains(&symbol) {
            if scan.symbols.len() < SYMBOLS_MAX {
                scan.symbols.push(symbol);
            } else {
                scan.more_symbols = true;
            }
        }
    })?;
    Ok(scan)
}

fn symbols_of_rows(
    path: &Path,
    delimiter: u8,
    header: &[String],
    column: &str,
    kind: &mut Kind,
) -> Result<(), Problem> {
    let at = header.iter().position(|name| name == column);
    let scan = scan(path, delimiter, true, 0, at)?;
    take_symbols(kind, scan.symbols, scan.more_symbols);
    Ok(())
}

pub(super) fn take_symbols(kind: &mut Kind, symbols: Vec<String>, more: bool) {
    if more {
        kind.asked.push(format!(
            "the file holds more than {SYMBOLS_MAX} symbols: which? Others are read without an instrument"
        ));
    }
    kind.symbols = symbols;
}
