//! Bars of a journal against those of a vendor: every difference, field by field.
//!
//! Both come in order of time. A bar is looked for by symbol, timeframe and start; what has found no counterpart when
//! both sides are past it is missing or extra. Only timeframes that the vendor has are compared, and only the time
//! that both cover: the journal from its first market record to its last, the vendor from its first bar to its
//! last. A bar of ours that the gap policy made and
//! that the vendor does not have is no difference: nothing traded in it. Memory holds what is not past yet.

use crate::problem::Problem;
use crate::source::{Feed, Source};
use journal::{FrameRef, Frames, Journal};
use ringbuf_layout::input::text_of;
use ringbuf_layout::names::BarKind;
use ringbuf_layout::units::SECOND;
use ringbuf_layout::{Bar, BarFlags, ExternalBar, InputCell, Instrument, Kind, Price, Size};
use std::collections::BTreeMap;
use std::path::Path;

const DAY: i64 = 86_400 * SECOND;

/// One side of a comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Values {
    /// Open, high, low and close.
    pub prices: [Price; 4],
    /// Traded size.
    pub volume: Size,
    /// Prints; 0 where a vendor does not say.
    pub ticks: u32,
}

/// What differs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// The vendor has a bar where the journal has none.
    Missing(Values),
    /// The journal has one where the vendor has none.
    Extra(Values),
    /// A field: its name, ours, the vendor's, as decimal text.
    Field(&'static str, String, String),
}

/// A difference, and where it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// Our symbol.
    pub symbol: String,
    /// Length in seconds.
    pub timeframe_s: u32,
    /// Start of the bar, ns UTC.
    pub ts_open: i64,
    /// Sequence of our bar's input; `None` where there is no bar.
    pub seq: Option<u64>,
    /// What differs.
    pub what: What,
}

/// What a comparison counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Bars that both have.
    pub compared: u64,
    /// Those of them that are equal in every field.
    pub equal: u64,
    /// Bars that only the vendor has.
    pub missing: u64,
    /// Bars that only the journal has.
    pub extra: u64,
    /// Fields that differ.
    pub fields: u64,
    /// Bars of the journal in which nothing traded and that the vendor does not have.
    pub filled: u64,
    /// Bars outside the time or the symbols of the other side.
    pub outside: u64,
}

impl Counts {
    /// True if nothing differs.
    pub fn is_clean(&self) -> bool {
        self.missing + self.extra + self.fields == 0
    }
}

/// Symbol number, timeframe, start.
type Key = (u32, u32, i64);

enum Side {
    Ours(u64, bool, Values),
    Theirs(Values),
}

/// The comparison of one journal and one vendor.
struct Auditor<'a> {
    symbols: Vec<(String, u8)>,
    /// Length of each symbol's bars of the vendor; 0 if it has none of it.
    lengths: Vec<u32>,
    /// In order of time: what has no counterpart yet.
    waiting: BTreeMap<(i64, Key), Side>,
    /// First and last event time of the journal's market, as far as it is read.
    covered: Option<(i64, i64)>,
    /// Start of the vendor's first bar and end of its last, as far as it is read.
    vendors: Option<(i64, i64)>,
    counts: Counts,
    tell: &'a mut dyn FnMut(&Difference),
}

/// Compares the bars of a journal with those of a source, and tells every difference.
///
/// # Errors
/// The journal or the source cannot be read, or they have no timeframe in common.
pub fn audit(
    dir: &Path,
    source: Source,
    tell: &mut dyn FnMut(&Difference),
) -> Result<Counts, Problem> {
    let journal = Journal::open(dir).map_err(|e| Problem::from_journal(&e))?;
    let table = crate::replay::instruments(&journal, dir)?;
    let shown = |i: &Instrument| (text_of(&i.symbol).to_string(), i.size_precision);
    let place = format!("source `{}`", source.spec);
    if source.symbols.iter().all(|used| used.bars_s == 0) {
        let fix = "give a source of a vendor's bars";
        return Err(Problem::new("the source delivers no bars", place, fix));
    }
    let Feed::Decoder(mut decoder) = source.feed else {
        return Err(Problem::new("the source is no file of bars", place, "give another"));
    };
    let symbols: Vec<(String, u8)> = table.iter().map(shown).collect();
    // The source's number of a symbol → the journal's.
    let number = |symbol: &String| symbols.iter().position(|(ours, _)| ours == symbol);
    let ours: Vec<_> = source.symbols.iter().map(|used| number(&used.symbol)).collect();
    let mut lengths = vec![0; symbols.len()];
    for (used, ours) in source.symbols.iter().zip(&ours) {
        if let Some(ours) = ours {
            lengths[*ours] = used.bars_s;
        }
    }
    let mut auditor = Auditor {
        symbols,
        lengths,
        waiting: BTreeMap::new(),
        covered: None,
        vendors: None,
        counts: Counts::default(),
        tell,
    };
    let mut frames = journal.frames();
    let mut cell = InputCell::default();
    while decoder.next(&mut cell)? {
        let Some(bar) = cell.get::<ExternalBar>() else { continue };
        let at = ours.get(bar.tail.instrument as usize).copied().flatten();
        let (first, last) = auditor.vendors.unwrap_or((bar.ts_open, bar.head.ts_event));
        auditor.vendors = Some((first.min(bar.ts_open), last.max(bar.head.ts_event)));
        auditor.read_to(&mut frames, bar.head.ts_event)?;
        match at {
            Some(at) => auditor.theirs(at as u32, bar),
            None => auditor.counts.outside += 1,
        }
    }
    auditor.read_to(&mut frames, i64::MAX)?;
    auditor.settle(i64::MAX);
    if auditor.counts == (Counts { outside: auditor.counts.outside, ..Counts::default() }) {
        let what = "the journal and the source have no bar in common to compare";
        let fix =
            "run the journal with the source's symbols and timeframe (semantic.bars.timeframes_s)";
        return Err(Problem::new(what, format!("{} and {place}", dir.display()), fix));
    }
    Ok(auditor.counts)
}

impl Auditor<'_> {
    /// Reads the journal until its market has passed an instant: every bar that ended by then has come.
    fn read_to(&mut self, frames: &mut Frames<'_>, until: i64) -> Result<(), Problem> {
        while self.covered.is_none_or(|(_, last)| last <= until) {
            let Some(frame) = frames.next().map_err(|e| Problem::from_journal(&e))? else { break };
            self.ours(&frame);
            let read = self.covered.map_or(i64::MIN, |(_, last)| last.min(until));
            // A vendor's bars come in the order of their end: of any that begins earlier the end has come.
            self.settle(read.saturating_sub(2 * DAY));
        }
        Ok(())
    }

    fn ours(&mut self, frame: &FrameRef<'_>) {
        if frame.kind() == Kind::Bar {
            let bar: Bar = bytemuck::pod_read_unaligned(frame.bytes);
            let length = self.lengths.get(bar.tail.instrument as usize).copied().unwrap_or(0);
            if bar.kind == BarKind::Time as u8 && bar.timeframe_s == length {
                let prices = [bar.open, bar.high, bar.low, bar.close];
                let values = Values { prices, volume: bar.volume, ticks: bar.ticks };
                let filled = BarFlags(bar.tail.flags).has(BarFlags::FILLED);
                let key = (bar.tail.instrument, bar.timeframe_s, bar.ts_open);
                self.put(key, Side::Ours(bar.head.seq, filled, values));
            }
        } else if is_market(frame.kind()) {
            let ts = frame.head().ts_event;
            let (first, last) = self.covered.unwrap_or((ts, ts));
            self.covered = Some((first.min(ts), last.max(ts)));
        }
    }

    fn theirs(&mut self, instrument: u32, bar: &ExternalBar) {
        let prices = [bar.open, bar.high, bar.low, bar.close];
        let values = Values { prices, volume: bar.volume, ticks: bar.ticks };
        self.put((instrument, bar.timeframe_s, bar.ts_open), Side::Theirs(values));
    }

    fn put(&mut self, key: Key, side: Side) {
        let place = (key.2, key);
        match (self.waiting.remove(&place), side) {
            (Some(Side::Ours(seq, _, ours)), Side::Theirs(theirs))
            | (Some(Side::Theirs(theirs)), Side::Ours(seq, _, ours)) => {
                self.compare(key, seq, &ours, &theirs);
            }
            // The same side twice: the first finds no counterpart any more.
            (Some(before), side) => {
                self.alone(key, &before);
                self.waiting.insert(place, side);
            }
            (None, side) => drop(self.waiting.insert(place, side)),
        }
    }

    fn compare(&mut self, key: Key, seq: u64, ours: &Values, theirs: &Values) {
        let precision = self.symbols[key.0 as usize].1;
        let before = self.counts.fields;
        for (i, name) in ["open", "high", "low", "close"].into_iter().enumerate() {
            if ours.prices[i] != theirs.prices[i] {
                let (a, b) = (ours.prices[i].to_string(), theirs.prices[i].to_string());
                self.tell(key, Some(seq), What::Field(name, a, b));
            }
        }
        if ours.volume != theirs.volume {
            let text = |size: Size| size.decimal(precision).to_string();
            let what = What::Field("volume", text(ours.volume), text(theirs.volume));
            self.tell(key, Some(seq), what);
        }
        if theirs.ticks != 0 && ours.ticks != theirs.ticks {
            let what = What::Field("ticks", ours.ticks.to_string(), theirs.ticks.to_string());
            self.tell(key, Some(seq), what);
        }
        self.counts.compared += 1;
        self.counts.equal += u64::from(self.counts.fields == before);
    }

    /// What begins before an instant finds no counterpart any more.
    fn settle(&mut self, before: i64) {
        while let Some(entry) = self.waiting.first_entry().filter(|entry| entry.key().0 < before) {
            let ((_, key), side) = entry.remove_entry();
            self.alone(key, &side);
        }
    }

    fn alone(&mut self, key: Key, side: &Side) {
        match side {
            Side::Ours(_, true, _) => self.counts.filled += 1,
            Side::Ours(..) if !covers(self.vendors, key) => self.counts.outside += 1,
            Side::Ours(seq, _, values) => self.tell(key, Some(*seq), What::Extra(*values)),
            Side::Theirs(_) if !covers(self.covered, key) => self.counts.outside += 1,
            Side::Theirs(values) => self.tell(key, None, What::Missing(*values)),
        }
    }

    fn tell(&mut self, key: Key, seq: Option<u64>, what: What) {
        match what {
            What::Missing(_) => self.counts.missing += 1,
            What::Extra(_) => self.counts.extra += 1,
            What::Field(..) => self.counts.fields += 1,
        }
        let symbol = self.symbols[key.0 as usize].0.clone();
        let (timeframe_s, ts_open) = (key.1, key.2);
        (self.tell)(&Difference { symbol, timeframe_s, ts_open, seq, what });
    }
}

/// True if a span of time has a part of a bar.
fn covers(span: Option<(i64, i64)>, (_, timeframe_s, start): Key) -> bool {
    let end = start.saturating_add(i64::from(timeframe_s) * SECOND);
    span.is_some_and(|(first, last)| first < end && start < last)
}

fn is_market(kind: Kind) -> bool {
    matches!(kind, Kind::Trade | Kind::Quote | Kind::BookLevel | Kind::ExternalBar)
}
