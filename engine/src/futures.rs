//! Which instruments of a run are the contracts of one future, by what its sources declare.
//!
//! Sources that share a contract speak of one future: the files of two days, or prints and bars.

use crate::config::not_among;
use crate::manifest::Listed;
use crate::problem::Problem;
use crate::runtime::feed::Filter;
use crate::runtime::front::Misfit;
use crate::runtime::schedule::Schedule;
use crate::source::Source;

/// A future, by the symbols of its contracts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Future {
    /// In the order of their sources.
    symbols: Vec<String>,
    /// The front before its first session has ended.
    first: Option<String>,
}

impl Future {
    /// True if this is one of its contracts.
    pub(crate) fn has(&self, symbol: &str) -> bool {
        self.symbols.iter().any(|contract| contract == symbol)
    }
}

/// The futures that these sources follow, as far as their symbols are wanted.
///
/// # Errors
/// A first front that its source does not hold, or that is not wanted; two for one future; a future whose contracts come
/// without volume.
pub(crate) fn futures(sources: &[Source], filter: &Filter) -> Result<Vec<Future>, Problem> {
    let mut futures: Vec<Future> = Vec::new();
    for source in sources {
        let Some(front) = &source.front else { continue };
        let held: Vec<&str> = source.symbols.iter().map(|used| used.symbol.as_str()).collect();
        if let Some(first) = front.first.as_ref() {
            is_held(first, &held, source, filter)?;
        }
        let wanted = held.into_iter().filter(|symbol| filter.wants(symbol)).map(str::to_string);
        let mut future = Future { symbols: wanted.collect(), first: front.first.clone() };
        let shares = |other: &Future| other.symbols.iter().any(|s| future.symbols.contains(s));
        let (of_it, others): (Vec<_>, Vec<_>) = futures.into_iter().partition(shares);
        futures = others;
        // The oldest first: its first contract names the future.
        for old in of_it.into_iter().rev() {
            future = old.with(future)?;
        }
        if !future.symbols.is_empty() {
            futures.push(future);
        }
    }
    futures.iter().try_for_each(|future| has_volume(future, sources))?;
    Ok(futures)
}

fn is_held(first: &String, held: &[&str], source: &Source, filter: &Filter) -> Result<(), Problem> {
    if !held.contains(&first.as_str()) {
        return Err(Problem::new(
            format!("front_first {}", not_among(first, held, "the source's symbols")),
            source.name.clone(),
            "name one that the source delivers, as it is called here after `rename`",
        ));
    }
    if !filter.wants(first) {
        return Err(Problem::new(
            format!("--symbols leaves out {first}, which front_first names"),
            source.name.clone(),
            "name it there too, or leave out front_first",
        ));
    }
    Ok(())
}

/// Without prints or bars every volume would be 0, and nothing could ever be opened.
fn has_volume(future: &Future, sources: &[Source]) -> Result<(), Problem> {
    let uses = || sources.iter().flat_map(|source| &source.symbols);
    let mut of_it = uses().filter(|used| future.symbols.contains(&used.symbol));
    if of_it.any(|used| used.trades || used.bars_s > 0) {
        return Ok(());
    }
    Err(Problem::new(
        format!("no source has trades or bars of {}", future.symbols.join(", ")),
        "front = \"volume\"",
        "add a source of their trades or bars, or leave out `front`",
    ))
}

impl Future {
    fn with(mut self, other: Self) -> Result<Self, Problem> {
        match (&self.first, other.first) {
            (Some(one), Some(two)) if *one != two => {
                return Err(Problem::new(
                    format!("two sources of one future have {one} and {two} as front_first"),
                    "the sources",
                    "give one of them, or the same to both",
                ));
            }
            (None, Some(first)) => self.first = Some(first),
            _ => {}
        }
        for symbol in other.symbols {
            if !self.symbols.contains(&symbol) {
                self.symbols.push(symbol);
            }
        }
        Ok(self)
    }

    /// Lets a schedule follow it.
    ///
    /// # Errors
    /// Contracts with different calendars, or of different futures of the journal.
    pub(crate) fn follow(&self, table: &[Listed], schedule: &mut Schedule) -> Result<(), Problem> {
        let number = |symbol: &String| table.iter().position(|listed| listed.def.symbol == *symbol);
        let number = |symbol: &String| number(symbol).map(|number| number as u32);
        let contracts: Vec<u32> = self.symbols.iter().filter_map(number).collect();
        let first = self.first.as_ref().and_then(number);
        schedule.follow(&contracts, first).map_err(|misfit| {
            let def = |number: u32| table.get(number as usize).map(|listed| &listed.def);
            let symbol = |number| def(number).map_or("", |def| def.symbol.as_str());
            let calendar = |number| def(number).map_or("", |def| def.calendar.as_str());
            let (what, fix) = match misfit {
                Misfit::Calendars(a, b) => (
                    format!(
                        "{} has the calendar {} and {} has {}: contracts of one future have one",
                        symbol(a),
                        calendar(a),
                        symbol(b),
                        calendar(b)
                    ),
                    "define them alike, or choose the contracts with the source's `symbols`",
                ),
                Misfit::Futures(a, b) => (
                    format!("{} and {} are of two futures in this journal", symbol(a), symbol(b)),
                    "choose the contracts with the source's `symbols`, or begin in another directory",
                ),
            };
            Problem::new(what, "front = \"volume\"", fix)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Feed, Front, SymbolUse};

    fn source(name: &str, symbols: &[&str], first: Option<&str>) -> Source {
        let used = |s: &&str| SymbolUse { symbol: (*s).to_string(), trades: true, bars_s: 0 };
        Source {
            name: name.to_string(),
            spec: name.to_string(),
            identity: [0; 32],
            live: false,
            symbols: symbols.iter().map(used).collect(),
            front: Some(Front { first: first.map(str::to_string) }),
            records_hint: None,
            feed: Feed::Memory(Vec::new()),
        }
    }

    fn found(sources: &[Source]) -> Vec<(String, Option<String>)> {
        let all =
            futures(sources, &Filter::default()).unwrap_or_else(|problem| panic!("{problem}"));
        all.into_iter().map(|future| (future.symbols.join(" "), future.first)).collect()
    }

    fn refused(sources: &[Source], filter: &Filter) -> String {
        futures(sources, filter).expect_err("it is refused").to_string()
    }

    #[test]
    fn sources_that_share_a_contract_speak_of_one_future() {
        let mut plain = source("d", &["SPY"], None);
        plain.front = None;
        let sources = [
            source("a", &["G1", "G2"], None),
            source("b", &["E1", "E2"], Some("E1")),
            source("c", &["G2", "G3"], Some("G3")),
            plain,
        ];
        let e = ("E1 E2".to_string(), Some("E1".to_string()));
        assert_eq!(found(&sources), [e, ("G1 G2 G3".to_string(), Some("G3".to_string()))]);
        // One that bridges two makes them one.
        let bridged = [
            source("a", &["G1"], None),
            source("b", &["G2"], None),
            source("c", &["G2", "G1"], None),
        ];
        assert_eq!(found(&bridged), [("G1 G2".to_string(), None)]);
    }

    #[test]
    fn a_first_front_that_is_not_there_is_refused_with_what_is() {
        let all = Filter::default();
        let message =
            refused(&[source("gc", &["GC.201312", "GC.201402"], Some("GC.201321"))], &all);
        assert!(message.contains("GC.201312, GC.201402"), "{message}");
        assert!(message.contains("did you mean \"GC.201312\"?"), "{message}");
        let some = Filter { symbols: vec!["B".to_string()], ..Filter::default() };
        let message = refused(&[source("gc", &["A", "B"], Some("A"))], &some);
        assert!(message.contains("--symbols leaves out A"), "{message}");
        let two = [source("a", &["A", "B"], Some("A")), source("b", &["B", "C"], Some("B"))];
        assert!(refused(&two, &all).contains("A and B as front_first"));
    }

    #[test]
    fn a_future_without_volume_is_refused() {
        let mut quotes = source("quotes", &["A", "B"], None);
        quotes.symbols.iter_mut().for_each(|used| used.trades = false);
        let message = refused(&[quotes], &Filter::default());
        assert!(message.contains("no source has trades or bars of A, B"), "{message}");
        let mut bars = source("bars", &["A", "B"], None);
        bars.symbols.iter_mut().for_each(|used| (used.trades, used.bars_s) = (false, 60));
        assert_eq!(found(&[bars]).len(), 1);
    }
}
