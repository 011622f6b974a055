//! A vendor's symbols and ours: which are wanted, what they are called here, whether they are defined.

use engine::Problem;
use engine::instrument::{Catalog, InstrumentDef};
use engine::source::{SourceConfig, SymbolUse};
use std::collections::BTreeMap;

/// The symbols of one source, numbered as they are met.
#[derive(Clone, Debug)]
pub(crate) struct Naming {
    wanted: Vec<String>,
    rename: BTreeMap<String, String>,
    known: Vec<Known>,
    /// Ours, and where it was met first.
    undefined: Vec<(String, String)>,
}

/// A symbol that is wanted and defined.
#[derive(Clone, Debug)]
struct Known {
    definition: InstrumentDef,
    trades: bool,
}

impl Naming {
    /// What `config` asks for.
    pub(crate) fn of(config: &SourceConfig) -> Self {
        Self {
            wanted: config.symbols.clone(),
            rename: config.rename.clone(),
            known: Vec::new(),
            undefined: Vec::new(),
        }
    }

    /// Our name of a vendor's symbol; `None` if it is not wanted.
    pub(crate) fn ours(&self, vendors: &str) -> Option<String> {
        let upper = vendors.to_uppercase();
        let ours = self.rename.get(&upper).cloned().unwrap_or(upper);
        (self.wanted.is_empty() || self.wanted.contains(&ours)).then_some(ours)
    }

    /// The number of a vendor's symbol in [`Source::symbols`](engine::source::Source::symbols) and its
    /// definition. `None` if it is not wanted, or not defined: [`Naming::finish`] tells then, with `place`.
    /// `trades` is true where prints of it come.
    pub(crate) fn meet(
        &mut self,
        vendors: &str,
        trades: bool,
        place: &str,
        catalog: &Catalog,
    ) -> Option<(u32, &InstrumentDef)> {
        let ours = self.ours(vendors)?;
        let found = self.known.iter().position(|known| known.definition.symbol == ours);
        let at = if let Some(at) = found {
            at
        } else {
            let Some(definition) = catalog.get(&ours) else {
                if !self.undefined.iter().any(|(symbol, _)| *symbol == ours) {
                    self.undefined.push((ours, place.to_string()));
                }
                return None;
            };
            self.known.push(Known { definition, trades: false });
            self.known.len() - 1
        };
        let known = &mut self.known[at];
        known.trades |= trades;
        Some((at as u32, &known.definition))
    }

    /// What the source delivers.
    ///
    /// # Errors
    /// A symbol that is wanted and not defined, or that the files do not hold.
    pub(crate) fn finish(&self, place: &str) -> Result<Vec<SymbolUse>, Problem> {
        if !self.undefined.is_empty() {
            return Err(undefined(&self.undefined));
        }
        let held =
            |wanted: &&String| !self.known.iter().any(|known| known.definition.symbol == **wanted);
        if let Some(absent) = self.wanted.iter().find(held) {
            let names: Vec<_> =
                self.known.iter().map(|known| known.definition.symbol.as_str()).take(10).collect();
            let found =
                if names.is_empty() { "none of those asked for".into() } else { names.join(", ") };
            return Err(Problem::new(
                format!("the source holds no `{absent}`, which `symbols` asks for"),
                place,
                format!("correct `symbols`; the files hold {found}"),
            ));
        }
        let uses = |known: &Known| SymbolUse {
            symbol: known.definition.symbol.clone(),
            trades: known.trades,
        };
        Ok(self.known.iter().map(uses).collect())
    }
}

/// Instruments without a definition.
pub(crate) fn undefined(symbols: &[(String, String)]) -> Problem {
    let names: Vec<_> = symbols.iter().take(10).map(|(name, _)| format!("`{name}`")).collect();
    let more = if symbols.len() > 10 { ", …" } else { "" };
    let plural = if symbols.len() == 1 { "" } else { "s" };
    Problem::new(
        format!("no definition of the instrument{plural} {}{more}", names.join(", ")),
        symbols[0].1.clone(),
        format!(
            "add to the config, once for each: [[semantic.instrument]] with symbol = \"{}\", tick, \
             multiplier, calendar; or leave it out with the source's `symbols`",
            symbols[0].0
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(symbols: &[&str], rename: &[(&str, &str)]) -> Naming {
        let pair = |(a, b): &(&str, &str)| ((*a).to_string(), (*b).to_string());
        Naming::of(&SourceConfig {
            symbols: symbols.iter().map(ToString::to_string).collect(),
            rename: rename.iter().map(pair).collect(),
            ..SourceConfig::of("csv:x")
        })
    }

    #[test]
    fn symbols_are_renamed_filtered_and_numbered_as_they_come() {
        let catalog = Catalog::default();
        let mut names = naming(&["SPY", "GC.201312"], &[("GCZ3", "GC.201312")]);
        let mut number = |vendors: &str| names.meet(vendors, true, "f", &catalog).map(|(n, _)| n);
        assert_eq!(number("gcz3"), Some(0));
        assert_eq!(number("IBM"), None);
        assert_eq!(number("spy"), Some(1));
        assert_eq!(number("GCZ3"), Some(0));
        let uses = names.finish("f").unwrap();
        assert_eq!(
            uses.iter().map(|u| u.symbol.as_str()).collect::<Vec<_>>(),
            ["GC.201312", "SPY"]
        );
    }

    #[test]
    fn an_undefined_symbol_and_one_that_never_came_are_problems() {
        let catalog = Catalog::default();
        let mut names = naming(&[], &[]);
        assert!(names.meet("XYZ", true, "file 3", &catalog).is_none());
        let problem = names.finish("f").unwrap_err();
        assert!(problem.what.contains("XYZ") && problem.place == "file 3", "{problem}");
        let mut names = naming(&["SPY", "IBM"], &[]);
        names.meet("SPY", true, "f", &catalog);
        let problem = names.finish("f").unwrap_err();
        assert!(problem.what.contains("IBM") && problem.fix.contains("SPY"), "{problem}");
    }
}
