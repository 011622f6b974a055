//! The symbols of a `csv` source: one for every row, or those of the configured instruments.

use crate::csv_plan::Declared;
use engine::Problem;
use engine::instrument::{Catalog, SYMBOL_MAX};
use engine::source::SymbolUse;
use std::collections::BTreeMap;

/// Index and size precision of each symbol.
pub(crate) struct Symbols {
    names: Vec<String>,
    known: BTreeMap<Vec<u8>, (u32, u8)>,
    /// Of every row, if one is declared.
    fixed: Option<(u32, u8)>,
}

impl Symbols {
    pub(crate) fn new(
        declared: &Declared,
        catalog: &Catalog,
        place: &str,
    ) -> Result<Self, Problem> {
        let mut symbols = Self { names: Vec::new(), known: BTreeMap::new(), fixed: None };
        if let Some(symbol) = &declared.symbol {
            let Some(definition) = catalog.get(symbol) else {
                return Err(Problem::new(
                    format!("no definition of the instrument `{symbol}`"),
                    place,
                    format!(
                        "add to the config: [[semantic.instrument]] with symbol = \"{symbol}\", \
                         tick, multiplier, calendar"
                    ),
                ));
            };
            symbols.names.push(symbol.clone());
            symbols.fixed = Some((0, definition.size_precision));
            return Ok(symbols);
        }
        if catalog.configured.is_empty() {
            return Err(Problem::new(
                "the rows name their symbols, but no instrument is configured",
                place,
                "add to the config a [[semantic.instrument]] for each symbol the file may hold",
            ));
        }
        for (index, definition) in (0..).zip(&catalog.configured) {
            let symbol = definition.symbol.clone();
            symbols.known.insert(symbol.clone().into_bytes(), (index, definition.size_precision));
            symbols.names.push(symbol);
        }
        Ok(symbols)
    }

    pub(crate) fn uses(&self, trades: bool) -> Vec<SymbolUse> {
        self.names
            .iter()
            .map(|name| SymbolUse { symbol: name.clone(), trades, bars_s: 0 })
            .collect()
    }

    /// The symbol of every row, if one is declared.
    pub(crate) fn fixed(&self) -> Option<(u32, u8)> {
        self.fixed
    }

    /// A symbol of a row, in either case; `None` if no instrument is configured under it.
    pub(crate) fn find(&self, text: &[u8]) -> Option<(u32, u8)> {
        let mut upper = [0; SYMBOL_MAX];
        let upper = upper.get_mut(..text.len())?;
        upper.copy_from_slice(text);
        upper.make_ascii_uppercase();
        self.known.get(&*upper).copied()
    }
}
