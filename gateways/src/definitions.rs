//! Instrument definitions out of files: Databento's `definition` records, LEAN's symbol properties.
//!
//! [`resolve`] reads what `[[semantic.instruments_from]]` names and puts it into the config as if it had
//! been written there, so that what is hashed and journaled is what the files say, wherever they lie.

use crate::dbn_definition::Definition;
use crate::dbn_file;
use crate::dbn_layout::Kind;
use crate::lean_properties::{self, EVERY, Properties};
use engine::Problem;
use engine::config::{InstrumentsFrom, Semantic};
use engine::instrument::{
    FEE_PER_CONTRACT, FEE_PER_SHARE, InstrumentDef, SYMBOL_MAX, future_calendar, future_root,
};
use ringbuf_layout::units::PRICE_ONE;
use ringbuf_layout::{Price, Size};
use std::collections::BTreeMap;
use std::path::Path;

/// Most definitions that are taken from files: a run has no more instruments.
const DEFINITIONS_MAX: usize = 1_024;

/// Reads the files that a config names for definitions. A `[[semantic.instrument]]` goes before a file's.
///
/// # Errors
/// A file that cannot be read, a symbol that it does not define, or defines in a way that cannot be used.
pub fn resolve(semantic: &mut Semantic) -> Result<(), Problem> {
    let written = semantic.instruments.len();
    for from in std::mem::take(&mut semantic.instruments_from) {
        for definition in load(&from)? {
            let is_same = |other: &InstrumentDef| other.symbol == definition.symbol;
            if semantic.instruments[..written].iter().any(is_same) {
                continue;
            }
            if semantic.instruments[written..].iter().any(is_same) {
                return Err(Problem::new(
                    format!("{} is defined by two files", definition.symbol),
                    from.file,
                    "name it in the `symbols` of one of the two [[semantic.instruments_from]]",
                ));
            }
            semantic.instruments.push(definition);
        }
    }
    Ok(())
}

/// The definitions that one file holds of the wanted symbols.
///
/// # Errors
/// As for [`resolve`].
pub fn load(from: &InstrumentsFrom) -> Result<Vec<InstrumentDef>, Problem> {
    match &from.market {
        Some(market) => of_properties(from, market),
        None => of_dbn(from),
    }
}

/// A definition as far as a file says, and its calendar completed.
fn complete(
    from: &InstrumentsFrom,
    mut definition: InstrumentDef,
    known_calendar: Option<&str>,
) -> Result<InstrumentDef, Problem> {
    let symbol = &definition.symbol;
    let is_symbol = (1..=SYMBOL_MAX).contains(&symbol.len())
        && symbol.bytes().all(|b| b.is_ascii_graphic() && b != b',');
    if !is_symbol {
        return Err(Problem::new(
            format!("{} is no symbol that a record holds", crate::files::quoted(symbol.as_bytes())),
            from.file.clone(),
            format!("symbols are 1 to {SYMBOL_MAX} characters; leave it out with `symbols`"),
        ));
    }
    let is_currency = definition.currency.len() == 3
        && definition.currency.bytes().all(|b| b.is_ascii_uppercase());
    if !is_currency {
        let currency = crate::files::quoted(definition.currency.as_bytes());
        return Err(Problem::new(
            format!("{symbol} is in {currency}, which is no currency of three letters"),
            from.file.clone(),
            "write its [[semantic.instrument]] by hand",
        ));
    }
    let Some(calendar) = from.calendar.as_deref().or(known_calendar) else {
        return Err(Problem::new(
            format!("nothing says when {symbol} is traded"),
            from.file.clone(),
            "add `calendar` to its [[semantic.instruments_from]]",
        ));
    };
    definition.calendar = calendar.to_string();
    Ok(definition)
}

fn of_properties(from: &InstrumentsFrom, market: &str) -> Result<Vec<InstrumentDef>, Problem> {
    let is_kind = |kind: &str| from.security_type.as_deref().is_none_or(|wanted| wanted == kind);
    let names_it = |row: &str| {
        row == EVERY || from.symbols.iter().any(|s| row == s || Some(row) == future_root(s))
    };
    let rows = lean_properties::read(Path::new(&from.file), market, |row, kind| {
        is_kind(kind) && names_it(row)
    })?;
    let mut found = Vec::new();
    for symbol in &from.symbols {
        let row = row_of(from, market, symbol, &rows)?;
        let is_equity = row.security_type == "equity";
        let known = match row.security_type.as_str() {
            "equity" if market == "usa" => Some("XNYS"),
            "crypto" | "cryptofuture" => Some("24/7"),
            "future" => future_calendar(&row.symbol),
            _ => None,
        };
        let definition = InstrumentDef {
            symbol: symbol.clone(),
            tick: Price(row.tick),
            multiplier: row.multiplier,
            lot: Size(row.lot),
            size_precision: row.size_precision,
            fee: from.fee.unwrap_or(usual_fee(is_equity || row.multiplier == PRICE_ONE)),
            currency: row.currency.clone(),
            calendar: String::new(),
            no_price: from.no_price,
            no_volume: from.no_volume,
        };
        found.push(complete(from, definition, known)?);
    }
    Ok(found)
}

/// The one row that is of this symbol: its own, its root's, or the one of every symbol.
fn row_of<'r>(
    from: &InstrumentsFrom,
    market: &str,
    symbol: &str,
    rows: &'r [Properties],
) -> Result<&'r Properties, Problem> {
    let candidates = [Some(symbol), future_root(symbol), Some(EVERY)];
    for name in candidates.into_iter().flatten() {
        // Options on futures are listed under the future's root.
        let is_future = future_root(symbol) == Some(name);
        let of_name =
            |row: &&Properties| row.symbol == name && (!is_future || row.security_type == "future");
        let mut found = rows.iter().filter(of_name);
        let Some(row) = found.next() else { continue };
        if let Some(other) = found.next() {
            return Err(Problem::new(
                format!(
                    "`{market}` has {name} as {} and {}",
                    row.security_type, other.security_type
                ),
                format!("{}, lines {} and {}", from.file, row.line, other.line),
                format!("add type = \"{}\" or the other", row.security_type),
            ));
        }
        return Ok(row);
    }
    Err(Problem::new(
        format!("the file has no {symbol} in the market `{market}`"),
        from.file.clone(),
        "check symbol, market and type; a future is listed by its root",
    ))
}

fn usual_fee(is_share: bool) -> i64 {
    if is_share { FEE_PER_SHARE } else { FEE_PER_CONTRACT }
}

/// Definitions in a DBN file, by symbol. A symbol that is defined more than once must stay the same.
fn of_dbn(from: &InstrumentsFrom) -> Result<Vec<InstrumentDef>, Problem> {
    let (_, mut records) = dbn_file::open(Path::new(&from.file))?;
    let mut found: BTreeMap<String, InstrumentDef> = BTreeMap::new();
    while let Some(record) = records.next()? {
        if record.kind != Kind::Definition {
            continue;
        }
        let read = Definition::read(record.bytes);
        let symbol = read.symbol.to_uppercase();
        let wanted = from.symbols.contains(&symbol);
        if !wanted && (!from.symbols.is_empty() || !read.is_outright()) {
            continue;
        }
        let (tick, multiplier) = read
            .tick()
            .and_then(|tick| Ok((tick, read.multiplier()?)))
            .map_err(|fault| records.problem(fault))?;
        let definition = of_record(from, &read, symbol, tick, multiplier)?;
        if let Some(before) = found.get(&definition.symbol).filter(|other| **other != definition) {
            return Err(Problem::new(
                format!(
                    "{} is defined twice: tick {} and {}, multiplier {} and {}",
                    definition.symbol,
                    before.tick,
                    definition.tick,
                    Price(before.multiplier),
                    Price(definition.multiplier)
                ),
                from.file.clone(),
                "write its [[semantic.instrument]] by hand, or take a file of fewer days",
            ));
        }
        found.insert(definition.symbol.clone(), definition);
        if found.len() > DEFINITIONS_MAX {
            return Err(Problem::new(
                format!("the file defines more than {DEFINITIONS_MAX} shares and futures"),
                from.file.clone(),
                "name those that are needed with `symbols`",
            ));
        }
    }
    if let Some(absent) = from.symbols.iter().find(|symbol| !found.contains_key(*symbol)) {
        return Err(Problem::new(
            format!("the file does not define {absent}"),
            from.file.clone(),
            "check `symbols`: they are raw symbols such as ESH1",
        ));
    }
    Ok(found.into_values().collect())
}

/// A record's definition. Databento's sizes are whole shares and contracts.
fn of_record(
    from: &InstrumentsFrom,
    read: &Definition,
    symbol: String,
    tick: i64,
    multiplier: i64,
) -> Result<InstrumentDef, Problem> {
    let is_share = read.class == b'K';
    let known = match read.class {
        b'K' => read.is_us_share().then_some("XNYS"),
        b'F' => future_calendar(&read.asset),
        _ => None,
    };
    let definition = InstrumentDef {
        symbol,
        tick: Price(tick),
        multiplier,
        lot: Size(1),
        size_precision: 0,
        fee: from.fee.unwrap_or(usual_fee(is_share)),
        currency: read.currency().to_string(),
        calendar: String::new(),
        no_price: from.no_price,
        no_volume: from.no_volume,
    };
    complete(from, definition, known)
}
