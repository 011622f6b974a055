//! Which of our instruments a number in a DBN file stands for.
//!
//! A number is named by the last mapping of it in the stream; else by the metadata's mapping in force
//! at the record's time of receipt; else it is its own name, as text. [`Survey`] finds out, before
//! the run, which names market records have; [`Numbers`] is what is left of that for the run.

use crate::dbn_file::Record;
use crate::dbn_layout::{self, Action, Kind, field};
use crate::dbn_metadata::Mapping;
use crate::naming::Naming;
use dbn::{MboMsg, TradeMsg};
use engine::Problem;
use engine::instrument::Catalog;
use std::collections::{BTreeMap, BTreeSet};

/// Most mappings in a stream that are kept.
const MAPPINGS_MAX: usize = 1 << 20;
/// Undefined symbols after which it is clear that the catalog does not fit the file.
const UNDEFINED_MAX: usize = 64;
/// What is remembered of numbers that nobody wants, before that is forgotten and found out again.
const UNWANTED_MAX: usize = 1 << 20;

/// A number, from a time (inclusive) to a time (exclusive), and its instrument.
#[derive(Clone, Copy, Debug)]
struct Span {
    id: u32,
    from: u64,
    until: u64,
    index: u32,
}

/// Numbers of one file, for reading it: only those that are wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    /// From the metadata, by number and time.
    spans: Vec<Span>,
    /// Those that are their own name, by number.
    own: Vec<(u32, u32)>,
    /// Names that mappings in the stream may give, and their instruments.
    named: Vec<(String, u32)>,
    /// Numbers that a mapping in the stream named so far; `None`: as something that is not wanted.
    streamed: BTreeMap<u32, Option<u32>>,
    /// The last one found: most records follow one of the same instrument.
    last: Option<Span>,
}

impl Numbers {
    /// The instrument that `id` stands for at `time`; `None` if it is not wanted.
    #[inline]
    pub(crate) fn find(&mut self, id: u32, time: u64) -> Option<u32> {
        match self.last {
            Some(last) if last.id == id && (last.from..last.until).contains(&time) => {
                Some(last.index)
            }
            _ => self.look_up(id, time),
        }
    }

    fn look_up(&mut self, id: u32, time: u64) -> Option<u32> {
        if let Some(index) = self.streamed.get(&id) {
            let index = (*index)?;
            self.last = Some(Span { id, from: 0, until: u64::MAX, index });
            return Some(index);
        }
        let after = self.spans.partition_point(|span| (span.id, span.from) <= (id, time));
        let span = after.checked_sub(1).map(|at| self.spans[at]);
        if let Some(span) = span.filter(|span| span.id == id && time < span.until) {
            self.last = Some(span);
            return Some(span.index);
        }
        let at = self.own.binary_search_by_key(&id, |(own, _)| *own).ok()?;
        let index = self.own[at].1;
        if self.spans.binary_search_by_key(&id, |span| span.id).is_err() {
            self.last = Some(Span { id, from: 0, until: u64::MAX, index });
        }
        Some(index)
    }

    /// A mapping in the stream: from here on the number stands for this symbol.
    pub(crate) fn map(&mut self, id: u32, symbol: &str) {
        self.last = None;
        let index = self.named.iter().find(|(name, _)| name == symbol).map(|(_, index)| *index);
        // What nobody asks for need not be kept, unless something else would answer for it.
        if index.is_some() || self.streamed.contains_key(&id) || self.is_known(id) {
            self.streamed.insert(id, index);
        }
    }

    fn is_known(&self, id: u32) -> bool {
        self.spans.binary_search_by_key(&id, |span| span.id).is_ok()
            || self.own.binary_search_by_key(&id, |(own, _)| *own).is_ok()
    }
}

/// Finds the symbols of one file's market records, and whether prints of them come.
pub(crate) struct Survey<'a> {
    naming: &'a mut Naming,
    catalog: &'a Catalog,
    mappings: Vec<Mapping>,
    /// Instrument of each mapping that a record was of.
    found: BTreeMap<usize, u32>,
    streamed: BTreeMap<u32, String>,
    numbers: Numbers,
    unwanted: BTreeSet<(u32, u64)>,
    undefined: BTreeSet<String>,
    /// Symbols that are numbers and not defined: a file without metadata is not yet named.
    pub unnamed: bool,
    last: Option<Seen>,
}

/// The last record's number, the span of its name, and what it said.
#[derive(Clone, Copy)]
struct Seen {
    id: u32,
    from: u64,
    until: u64,
    prints: bool,
}

/// Where a number's name comes from.
enum Named {
    Stream,
    Metadata(usize),
    Itself,
}

impl<'a> Survey<'a> {
    pub(crate) fn new(
        naming: &'a mut Naming,
        catalog: &'a Catalog,
        mappings: Vec<Mapping>,
    ) -> Self {
        Self {
            naming,
            catalog,
            mappings,
            found: BTreeMap::new(),
            streamed: BTreeMap::new(),
            numbers: Numbers::default(),
            unwanted: BTreeSet::new(),
            undefined: BTreeSet::new(),
            unnamed: false,
            last: None,
        }
    }

    /// Takes note of a record; false when it is no use to go on.
    ///
    /// # Errors
    /// More mappings in the stream than are kept.
    #[inline]
    pub(crate) fn note(&mut self, record: Record<'_>, place: &str) -> Result<bool, Problem> {
        let Record { kind, bytes } = record;
        match kind {
            Kind::Definition | Kind::Other => return Ok(true),
            Kind::Mapping => return self.map(bytes, place),
            _ => {}
        }
        let id = dbn_layout::instrument_id(bytes);
        let time = dbn_layout::index_time(kind, bytes);
        let prints = is_print(kind, bytes);
        if let Some(last) = self.last
            && last.id == id
            && (last.from..last.until).contains(&time)
            && last.prints >= prints
        {
            return Ok(true);
        }
        self.meet(id, time, prints, place);
        Ok(self.undefined.len() < UNDEFINED_MAX)
    }

    fn meet(&mut self, id: u32, time: u64, prints: bool, place: &str) {
        let (named, from, until) = self.name(id, time);
        if self.unwanted.contains(&(id, from)) {
            return;
        }
        let symbol = match named {
            Named::Stream => self.streamed[&id].clone(),
            Named::Metadata(at) => self.mappings[at].symbol.clone(),
            Named::Itself => id.to_string(),
        };
        let known = self.naming.meet(&symbol, prints, place, self.catalog).map(|(index, _)| index);
        let Some(index) = known else {
            if self.naming.ours(&symbol).is_some() {
                self.unnamed |= matches!(named, Named::Itself);
                self.undefined.insert(symbol);
            } else {
                if self.unwanted.len() >= UNWANTED_MAX {
                    self.unwanted.clear();
                }
                self.unwanted.insert((id, from));
            }
            return;
        };
        self.last = Some(Seen { id, from, until, prints });
        match named {
            Named::Metadata(at) => drop(self.found.insert(at, index)),
            Named::Stream => {
                if !self.numbers.named.iter().any(|(name, _)| *name == symbol) {
                    self.numbers.named.push((symbol, index));
                }
            }
            Named::Itself => {
                let own = &mut self.numbers.own;
                if let Err(at) = own.binary_search_by_key(&id, |(own, _)| *own) {
                    own.insert(at, (id, index));
                }
            }
        }
    }

    /// Who names the number at this time, from when to when, and how.
    fn name(&self, id: u32, time: u64) -> (Named, u64, u64) {
        if self.streamed.contains_key(&id) {
            return (Named::Stream, 0, u64::MAX);
        }
        let after = self.mappings.partition_point(|m| (m.id, m.from) <= (id, time));
        if let Some(at) = after.checked_sub(1) {
            let mapping = &self.mappings[at];
            if mapping.id == id && time < mapping.until {
                return (Named::Metadata(at), mapping.from, mapping.until);
            }
        }
        // No mapping begins at the end of time, so this span is of this name alone.
        (Named::Itself, u64::MAX, u64::MAX)
    }

    fn map(&mut self, bytes: &[u8], place: &str) -> Result<bool, Problem> {
        let id = dbn_layout::instrument_id(bytes);
        let symbol = dbn_layout::mapped_symbol(bytes);
        self.last = None;
        self.unwanted.remove(&(id, 0));
        self.streamed.insert(id, symbol);
        if self.streamed.len() <= MAPPINGS_MAX {
            return Ok(true);
        }
        Err(Problem::new(
            format!("the stream maps more than {MAPPINGS_MAX} numbers"),
            place,
            "record fewer symbols into one file",
        ))
    }

    /// What reading the file needs to know.
    pub(crate) fn numbers(self) -> Numbers {
        let Self { found, mappings, mut numbers, .. } = self;
        let span = |(at, index): (usize, u32)| {
            let Mapping { id, from, until, .. } = mappings[at];
            Span { id, from, until, index }
        };
        // In the order of the mappings: by number, then by time.
        numbers.spans = found.into_iter().map(span).collect();
        numbers
    }
}

/// True if the record is a print, or holds one.
#[inline]
fn is_print(kind: Kind, bytes: &[u8]) -> bool {
    let action = match kind {
        Kind::Trade => return true,
        Kind::Top | Kind::ConsolidatedTop | Kind::Levels => field!(bytes, TradeMsg, action, u8),
        Kind::Order => field!(bytes, MboMsg, action, u8),
        _ => return false,
    };
    Action::of(action) == Ok(Action::Trade)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers() -> Numbers {
        let span = |id, from, until, index| Span { id, from, until, index };
        Numbers {
            spans: vec![span(5, 10, 20, 0), span(5, 20, 30, 1), span(7, 10, 30, 0)],
            own: vec![(9, 2)],
            named: vec![("A".into(), 0), ("B".into(), 1)],
            ..Numbers::default()
        }
    }

    #[test]
    fn a_number_is_what_its_mapping_of_the_time_says() {
        let mut numbers = numbers();
        for (id, time, expected) in [
            (5, 9, None),
            (5, 10, Some(0)),
            (5, 19, Some(0)),
            (5, 20, Some(1)),
            (5, 30, None),
            (7, 29, Some(0)),
            (6, 15, None),
            (9, 0, Some(2)),
        ] {
            assert_eq!(numbers.find(id, time), expected, "{id} at {time}");
            assert_eq!(numbers.find(id, time), expected, "{id} at {time}, again");
        }
    }

    #[test]
    fn a_mapping_in_the_stream_holds_from_there_on() {
        let mut numbers = numbers();
        assert_eq!(numbers.find(7, 15), Some(0));
        numbers.map(7, "B");
        assert_eq!(numbers.find(7, 15), Some(1));
        numbers.map(7, "unwanted");
        assert_eq!(numbers.find(7, 15), None);
        numbers.map(11, "unwanted");
        numbers.map(12, "A");
        assert_eq!((numbers.find(11, 15), numbers.find(12, 15)), (None, Some(0)));
        assert_eq!(numbers.streamed.len(), 2);
    }
}
