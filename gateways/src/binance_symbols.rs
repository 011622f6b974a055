//! The symbols of a raw Binance source: those that its files hold, or those that a live one may bring.

use crate::binance_input::Input;
use crate::binance_line::{self, Event, Line};
use crate::files::Fault;
use crate::naming::{self, Naming};
use engine::Problem;
use engine::instrument::Catalog;
use engine::source::SourceConfig;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The venue's symbols, upper case, and ours.
pub(crate) struct Symbols {
    pub naming: Naming,
    /// Number and size precision of each; `None` of one that is not wanted.
    pub known: BTreeMap<String, Option<(u32, u8)>>,
    /// True if none can come that is not known.
    scanned: bool,
}

impl Symbols {
    /// What `config` asks for.
    pub(crate) fn new(config: &SourceConfig) -> Self {
        Self { naming: Naming::of(config), known: BTreeMap::new(), scanned: false }
    }

    fn meet(&mut self, vendors: &str, trades: bool, place: &str, catalog: &Catalog) {
        let met = self.naming.meet(vendors, trades, place, catalog);
        let met = met.map(|(number, definition)| (number, definition.size_precision));
        self.known.insert(vendors.to_string(), met);
    }

    /// Those that a live source may bring.
    pub(crate) fn declare(
        &mut self,
        config: &SourceConfig,
        catalog: &Catalog,
        place: &str,
    ) -> Result<(), Problem> {
        let configured = catalog.configured.iter().map(|definition| definition.symbol.clone());
        let ours =
            if config.symbols.is_empty() { configured.collect() } else { config.symbols.clone() };
        if ours.is_empty() {
            return Err(Problem::new(
                "no symbols are declared, and no instrument is configured",
                place,
                "add to the config a [[semantic.instrument]] for each symbol that may come",
            ));
        }
        for ours in ours {
            let vendors = config.rename.iter().find(|(_, name)| **name == ours);
            let vendors = vendors.map_or(ours.clone(), |(vendors, _)| vendors.clone());
            self.meet(&vendors, true, place, catalog);
        }
        Ok(())
    }

    /// Reads the files for the symbols that they hold. A line that cannot be read ends the source when it is
    /// reached: what comes after it does not count.
    pub(crate) fn scan(&mut self, paths: &[PathBuf], catalog: &Catalog) -> Result<(), Problem> {
        let mut met: BTreeMap<String, bool> = BTreeMap::new();
        'files: for path in paths {
            let mut current = Input::File(path.clone()).open()?;
            loop {
                let line = match current.lines.next() {
                    Ok(Some(line)) => binance_line::read(line),
                    Ok(None) => break,
                    Err(_) => break 'files,
                };
                let Ok(Line { symbol, event, .. }) = line else { break 'files };
                let Some(symbol) = symbol.filter(|_| !matches!(event, Event::Other)) else {
                    continue;
                };
                let trades = matches!(event, Event::Trade { .. });
                if met.get(symbol).is_none_or(|had| trades && !had) {
                    let symbol = symbol.to_string();
                    let place = format!("{}, line {}", current.place, current.lines.number());
                    self.meet(&symbol.to_uppercase(), trades, &place, catalog);
                    met.insert(symbol, trades);
                }
            }
        }
        self.scanned = true;
        Ok(())
    }

    /// The symbol of a line. One that a live source was not told of and that is wanted is a fault.
    pub(crate) fn find(&mut self, symbol: Option<&str>) -> Result<Option<(u32, u8)>, Fault> {
        let Some(symbol) = symbol else {
            let mut all = self.known.values();
            return match (all.next(), all.next()) {
                (Some(only), None) => Ok(*only),
                _ => Err(Fault::new(
                    "",
                    "a depth snapshot says no symbol, and the source holds several: give it a \
                     stream, as in {\"stream\":\"btcusdt@snapshot\",\"data\":…}",
                )),
            };
        };
        if let Some(known) = self.known.get(symbol) {
            return Ok(*known);
        }
        let upper = symbol.to_uppercase();
        if let Some(known) = self.known.get(&upper) {
            return Ok(*known);
        }
        if self.scanned || self.naming.ours(&upper).is_none() {
            return Ok(None);
        }
        let problem = naming::undefined(&[(upper, String::new())]);
        Err(Fault::new("s", problem.what))
    }
}
