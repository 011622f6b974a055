//! The symbols of a source of rows: one for every row, or those that its rows may name.
//!
//! Where `symbols` says what is wanted, rows of others are skipped; else the configured instruments
//! are delivered, and a row of any other goes on without an instrument and is rejected by name.

use crate::naming::{Naming, undefined};
use crate::row_plan::Declared;
use engine::Problem;
use engine::instrument::{Catalog, InstrumentDef};
use engine::source::{SourceConfig, SymbolUse};
use std::collections::BTreeMap;

/// Longest symbol of a vendor, its exchange included.
const VENDORS_MAX: usize = 128;

/// What a row is called that `symbols` does not choose.
pub(crate) const NOT_CHOSEN: &str = "symbol_not_chosen";

/// Number and size precision of an instrument.
pub(crate) type Known = (u32, u8);

/// What a row's symbol is to this source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lookup {
    Known(Known),
    /// No instrument is configured under it.
    Undefined,
    Unwanted,
}

/// Number and size precision of each symbol.
pub(crate) struct Symbols {
    names: Vec<String>,
    /// The vendor's symbol, upper case, alone or after `EXCHANGE:`.
    vendors: BTreeMap<Vec<u8>, Known>,
    /// Of every row, if one is declared.
    fixed: Option<Known>,
    /// True if `symbols` says what is wanted.
    chosen: bool,
    /// Rows of others, passed over.
    pub(crate) unwanted: u64,
    /// The last exchange and symbol looked up, as they stand in the file: most rows repeat them.
    last: Last,
}

struct Last {
    exchange: Vec<u8>,
    symbol: Vec<u8>,
    found: Option<Lookup>,
}

impl Symbols {
    pub(crate) fn new(
        config: &SourceConfig,
        declared: &Declared,
        catalog: &Catalog,
        place: &str,
    ) -> Result<Self, Problem> {
        let mut symbols = Self {
            names: Vec::new(),
            vendors: BTreeMap::new(),
            fixed: None,
            chosen: !config.symbols.is_empty(),
            unwanted: 0,
            last: Last { exchange: Vec::new(), symbol: Vec::new(), found: None },
        };
        if let Some(symbol) = &declared.symbol {
            let mut naming = Naming::of(config);
            let known = naming.meet(symbol, true, place, catalog);
            symbols.fixed = known.map(|(number, definition)| (number, definition.size_precision));
            symbols.names = naming.finish(place)?.into_iter().map(|used| used.symbol).collect();
            return Ok(symbols);
        }
        let wanted = wanted(config, catalog, place)?;
        if wanted.is_empty() {
            return Err(Problem::new(
                "the rows name their symbols, but no instrument is configured",
                place,
                "add to the config a [[semantic.instrument]] for each symbol the file may hold, or \
                 give the source's `symbols`",
            ));
        }
        for (number, definition) in (0..).zip(&wanted) {
            let known = (number, definition.size_precision);
            symbols.vendors.insert(definition.symbol.clone().into_bytes(), known);
            symbols.names.push(definition.symbol.clone());
        }
        // A vendor's symbol that is renamed is no longer itself.
        for theirs in config.rename.keys() {
            symbols.vendors.remove(theirs.as_bytes());
        }
        for (theirs, ours) in &config.rename {
            if let Some(number) = wanted.iter().position(|definition| definition.symbol == *ours) {
                let known = (number as u32, wanted[number].size_precision);
                symbols.vendors.insert(theirs.clone().into_bytes(), known);
            }
        }
        Ok(symbols)
    }

    /// What the rows deliver: prints or not, bars of so many seconds or, with 0, none.
    pub(crate) fn uses(&self, trades: bool, bars_s: u32) -> Vec<SymbolUse> {
        let used = |name: &String| SymbolUse { symbol: name.clone(), trades, bars_s };
        self.names.iter().map(used).collect()
    }

    /// The symbol of every row, if one is declared.
    pub(crate) fn fixed(&self) -> Lookup {
        self.fixed.map_or(Lookup::Undefined, Lookup::Known)
    }

    /// A symbol of a row, in either case. `EXCHANGE:SYMBOL` is looked up before `SYMBOL` alone.
    #[inline]
    pub(crate) fn find(&mut self, exchange: &[u8], symbol: &[u8]) -> Lookup {
        if let Some(found) = self.last.found
            && self.last.symbol == symbol
            && self.last.exchange == exchange
        {
            return found;
        }
        let found = self.look_up(exchange, symbol);
        self.last.found = None;
        if exchange.len() + symbol.len() < VENDORS_MAX {
            for (kept, text) in
                [(&mut self.last.exchange, exchange), (&mut self.last.symbol, symbol)]
            {
                kept.clear();
                kept.extend_from_slice(text);
            }
            self.last.found = Some(found);
        }
        found
    }

    fn look_up(&self, exchange: &[u8], symbol: &[u8]) -> Lookup {
        let other = if self.chosen { Lookup::Unwanted } else { Lookup::Undefined };
        let mut text = [0; VENDORS_MAX];
        let length = exchange.len() + 1 + symbol.len();
        let Some(text) = text.get_mut(..length) else { return other };
        text[..exchange.len()].copy_from_slice(exchange);
        text[exchange.len()] = b':';
        text[exchange.len() + 1..].copy_from_slice(symbol);
        text.make_ascii_uppercase();
        let alone = &text[exchange.len() + 1..];
        let found = self.vendors.get(&*text).or_else(|| self.vendors.get(alone));
        found.map_or(other, |known| Lookup::Known(*known))
    }
}

/// The definitions of what is wanted: of `symbols`, or of all that is configured.
fn wanted(
    config: &SourceConfig,
    catalog: &Catalog,
    place: &str,
) -> Result<Vec<InstrumentDef>, Problem> {
    if config.symbols.is_empty() {
        return Ok(catalog.configured.clone());
    }
    let (mut defined, mut missing) = (Vec::<InstrumentDef>::new(), Vec::new());
    for symbol in &config.symbols {
        match catalog.get(symbol) {
            Some(definition) if defined.iter().any(|d| d.symbol == definition.symbol) => {}
            Some(definition) => defined.push(definition),
            None => missing.push((symbol.clone(), place.to_string())),
        }
    }
    if missing.is_empty() { Ok(defined) } else { Err(undefined(&missing)) }
}
