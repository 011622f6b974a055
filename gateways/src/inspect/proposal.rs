//! The config that imports a file, as it was found.

use super::kind::{Kind, quoted};
use super::{Seen, Tally, ladder};
use engine::config::InstrumentsFrom;
use engine::instrument::{InstrumentDef, SYMBOL_MAX, built_in};
use ringbuf_layout::Price;
use ringbuf_layout::units::Decimal;
use std::fmt::Write as _;
use std::path::Path;

/// Prices below which a tick is only a guess.
const FEW_PRICES: u64 = 50;

/// The `[[source]]` alone; `zone` where the file's own is open.
pub(super) fn source(path: &Path, kind: &Kind, zone: Option<&str>) -> String {
    let mut out = String::new();
    let spec = quoted(&format!("{}:{}", kind.format, path.display()));
    put(&mut out, format_args!("[[source]]\nspec = {spec}"));
    for (key, value) in &kind.keys {
        put(&mut out, format_args!("{key} = {value}"));
    }
    let renames: Vec<String> = kind
        .symbols
        .iter()
        .filter(|symbol| ours(symbol) != **symbol)
        .map(|symbol| quoted(&format!("{symbol} = {}", ours(symbol))))
        .collect();
    if !renames.is_empty() {
        put(&mut out, format_args!("rename = [{}]", renames.join(", ")));
    }
    if kind.columns.is_empty() {
        return out;
    }
    // A `csv` declares in a table of its own; other tables beside the specification.
    let table = if kind.format == "csv" { "source.csv" } else { "source" };
    if kind.format == "csv" {
        put(&mut out, format_args!("[source.csv]"));
    }
    for (key, value) in &kind.csv {
        put(&mut out, format_args!("{key} = {value}"));
    }
    if let Some(zone) =
        zone.filter(|_| kind.zone_is_open && !kind.csv.iter().any(|(k, _)| *k == "zone"))
    {
        put(&mut out, format_args!("zone = {}", quoted(zone)));
    }
    put(&mut out, format_args!("[{table}.columns]"));
    for (field, column) in &kind.columns {
        put(&mut out, format_args!("{field} = {column}"));
    }
    out
}

fn put(out: &mut String, line: core::fmt::Arguments<'_>) {
    // A String takes all text.
    let _ = writeln!(out, "{line}");
}

/// A symbol as an instrument can be called.
fn ours(symbol: &str) -> String {
    let allowed =
        |c: char| if c.is_ascii_graphic() && c != ',' { c.to_ascii_uppercase() } else { '_' };
    symbol.chars().map(allowed).take(SYMBOL_MAX).collect()
}

/// Source and instruments, with what was inferred and what is asked for as comments.
pub(super) fn config(path: &Path, kind: &mut Kind, seen: &Seen, calendar: &str) -> String {
    // Rows that name their symbols know only those that the config defines.
    let define_all = !kind.symbols.is_empty();
    kind.symbols = seen.symbols.iter().map(|(symbol, _)| symbol.clone()).collect();
    let mut instruments = String::new();
    let mut defined_already: Vec<String> = Vec::new();
    for (symbol, tally) in seen.symbols.iter().filter(|(_, tally)| tally.records() > 0) {
        // Two of the vendor's may come to one of ours; the rename shows it.
        if defined_already.contains(&ours(symbol)) {
            continue;
        }
        defined_already.push(ours(symbol));
        match built_in(symbol) {
            Some(def) if define_all => defined(&mut instruments, &def),
            Some(def) => put(
                &mut instruments,
                format_args!(
                    "\n# {symbol} is built in: tick {}, calendar {}",
                    def.tick, def.calendar
                ),
            ),
            None => instrument(&mut instruments, symbol, tally, seen.size_precision, calendar),
        }
    }
    let mut out = String::new();
    for (word, notes) in [("inferred", &kind.inferred), ("ASKED", &kind.asked)] {
        for note in notes {
            put(&mut out, format_args!("# {word}: {}", note.replace(['\n', '\r'], " ")));
        }
    }
    out.push_str(&source(path, kind, None));
    if kind.bars_s > 0 {
        let seconds = kind.bars_s.min(86_400);
        put(&mut out, format_args!("\n[semantic.bars]\ntimeframes_s = [{seconds}]"));
    }
    out + &instruments
}

/// What a file without a record of the market is good for: its definitions, if it has any. Empty if not.
pub(super) fn definitions(path: &Path, kind: &mut Kind) -> String {
    let from = InstrumentsFrom { file: path.display().to_string(), ..InstrumentsFrom::default() };
    let mut out = String::new();
    if kind.format != "databento" {
        return out;
    }
    match crate::definitions::load(&from) {
        Ok(found) if found.is_empty() => return out,
        Ok(found) => put(&mut out, format_args!("# {} shares and futures", found.len())),
        Err(problem) => {
            kind.asked.push(format!("definitions: {}; {}", problem.what, problem.fix));
        }
    }
    put(&mut out, format_args!("[[semantic.instruments_from]]\nfile = {}", quoted(&from.file)));
    out
}

/// The currency that a pair is quoted in, by the end of its name.
fn currency_of(symbol: &str) -> Option<&'static str> {
    const KNOWN: [&str; 16] = [
        "USD", "EUR", "GBP", "JPY", "CHF", "AUD", "CAD", "NZD", "SEK", "NOK", "DKK", "HKD", "SGD",
        "KRW", "BRL", "TRY",
    ];
    let letters: String = symbol.chars().filter(char::is_ascii_alphanumeric).collect();
    let (_, end) =
        letters.len().checked_sub(3).filter(|at| *at >= 3).map(|at| letters.split_at(at))?;
    KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(end))
}

/// A definition as it is built in.
fn defined(out: &mut String, def: &InstrumentDef) {
    let (fee, lot) = (Price(def.fee), def.lot.decimal(def.size_precision));
    put(out, format_args!("\n[[semantic.instrument]]   # as it is built in"));
    put(out, format_args!("symbol = {}\ntick = \"{}\"", quoted(&def.symbol), def.tick));
    put(
        out,
        format_args!(
            "multiplier = \"{}\"\nsize_precision = {}",
            Price(def.multiplier),
            def.size_precision
        ),
    );
    put(
        out,
        format_args!(
            "lot = \"{lot}\"\nfee_per_contract = \"{fee}\"\ncalendar = \"{}\"",
            def.calendar
        ),
    );
}

fn instrument(out: &mut String, symbol: &str, tally: &Tally, digits: u8, calendar: &str) {
    let ladder = ladder();
    let (tick, off) = tally.prices.proposed(&ladder);
    let tick = i64::try_from(tick).ok().filter(|tick| *tick > 0).unwrap_or(1);
    let lot = tally.sizes.step.max(1);
    // Digits that every size leaves empty are not needed.
    let (mut precision, mut unit) = (digits, lot);
    while precision > 0 && unit.is_multiple_of(10) {
        (precision, unit) = (precision - 1, unit / 10);
    }
    if tally.sizes.step == 0 {
        (precision, unit) = (0, 1);
    }
    // Of sizes that all are even hundreds, the smallest step is still one.
    let unit = if precision == 0 { 1 } else { unit };
    let lot = Decimal { value: i128::from(unit), digits: u32::from(precision) };
    put(out, format_args!("\n[[semantic.instrument]]\nsymbol = {}", quoted(&ours(symbol))));
    let values = tally.prices.values;
    let exact = if off == 0 { String::new() } else { format!(", {off} are off it") };
    // A handful of prices lies on a coarser grid than the market's more often than not.
    let word = if values < FEW_PRICES { "ASKED: inferred" } else { "inferred" };
    put(out, format_args!("tick = \"{}\"   # {word} from {values} prices{exact}", Price(tick)));
    put(
        out,
        format_args!("multiplier = \"1\"   # ASKED: money that a price point of one unit is worth"),
    );
    put(
        out,
        format_args!("size_precision = {precision}   # inferred: decimal digits of the sizes"),
    );
    put(out, format_args!("lot = \"{lot}\"   # inferred: the largest step that all sizes are on"));
    let (currency, why) = match currency_of(symbol) {
        Some(currency) => (currency, "inferred: the name ends with it"),
        None => ("USD", "ASKED: of price and fee"),
    };
    put(out, format_args!("currency = \"{currency}\"   # {why}"));
    put(
        out,
        format_args!("calendar = \"{calendar}\"   # inferred from the hours that have records"),
    );
}
