//! An imported journal: definitions and market data, and nothing that a run computes. `run --source journal:DIR`
//! runs it.
//!
//! ```text
//!  run start · instrument … · market records in the order of a run: by (event time, source, source sequence) · run end
//! ```
//!
//! Nothing is judged: what `validate` would flag or reject is kept, as the run that follows judges it by its own
//! config. The manifest says that the journal was imported; `replay` and a run that would go on in it say so too.

use crate::config::Config;
use crate::instrument::InstrumentDef;
use crate::manifest;
use crate::problem::Problem;
use crate::runtime::feed::Filter;
use crate::source::{Decoder, Feed, Source};
use crate::start;
use bytemuck::Zeroable as _;
use journal::Writer;
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::names::EndReason;
use ringbuf_layout::units::MILLISECOND;
use ringbuf_layout::{BookLevel, ExternalBar, Frame, InputCell, Kind, Price, Quote, RunEnd, Trade};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Records between two looks of the watcher, and between two moves of the watermark.
const EVERY: u64 = 4_096;

/// What to import.
#[allow(missing_debug_implementations)] // a source holds a trait object
pub struct Import<'a> {
    /// The config: definitions, and what is recorded with the journal.
    pub config: &'a Config,
    /// The opened sources.
    pub sources: Vec<Source>,
    /// Directory of the new journal.
    pub dir: PathBuf,
    /// What of the sources is wanted.
    pub filter: Filter,
    /// Build identity.
    pub build: String,
    /// Set from outside: what was read so far is sealed.
    pub stop: &'a AtomicBool,
}

/// What became of one source's records.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its specification.
    pub spec: String,
    /// Records that it gave.
    pub read: u64,
    /// Records in the journal.
    pub delivered: u64,
    /// Records before `--from`.
    pub before_from: u64,
    /// Records at or after `--to`.
    pub after_to: u64,
    /// Records of symbols that `--symbols` does not name.
    pub other_symbols: u64,
    /// Records whose symbol nobody defines: they have no number to be journaled under.
    pub unknown_instrument: u64,
    /// What the source itself left out, by reason.
    pub left_out: Vec<(&'static str, u64)>,
    /// True if its reading ended with `--to`: what follows was not looked at.
    pub ended_at_to: bool,
}

/// Records of one symbol by kind: trade, quote, book level, external bar, source status.
pub type Kinds = [u64; 5];

/// The kinds of [`Kinds`].
pub const KINDS: [Kind; 5] =
    [Kind::Trade, Kind::Quote, Kind::BookLevel, Kind::ExternalBar, Kind::SourceStatus];

/// What an import did.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Imported {
    /// Where.
    pub dir: PathBuf,
    /// Every source, in order.
    pub sources: Vec<Account>,
    /// Every instrument of the journal, in the order of their numbers.
    pub symbols: Vec<Delivered>,
    /// First and last event time, ns UTC.
    pub span: Option<(i64, i64)>,
    /// First and last sequence.
    pub seqs: (u64, u64),
    /// Bytes of frames.
    pub bytes: u64,
    /// Why it ended.
    pub ended: Option<EndReason>,
    /// What ended it early: the journal is sealed and holds what came before.
    pub failure: Option<Problem>,
}

/// Imports until the sources end, one fails, or it is stopped. `watch` is told now and then how many records are in.
///
/// # Errors
/// What keeps it from starting, or from writing: the directory is then as it was, or not sealed.
pub fn import(order: Import<'_>, mut watch: impl FnMut(u64)) -> Result<Imported, Problem> {
    let Import { config, sources, dir, filter, build, stop } = order;
    start::refuse_twins(&sources)?;
    let table = start::instrument_table(config, &sources, &filter)?;
    let calendars = start::calendars(&table, &config.semantic)?;
    let Some(mut writer) = start::create_writer(&dir, config)? else {
        return Err(Problem::new(
            "there is a journal already",
            dir.display().to_string(),
            "import into another directory; to run what is there: --source journal:DIR",
        ));
    };
    let number = |symbol: &str| table.iter().position(|l| l.def.symbol == symbol).map(|n| n as u32);
    let names: Vec<Vec<Option<u32>>> = sources
        .iter()
        .map(|source| source.symbols.iter().map(|used| number(&used.symbol)).collect())
        .collect();
    let first = start::prologue_of_import(&dir, config, &table, &calendars, &sources, &build);
    let first = match first {
        Ok(first) => first,
        Err(problem) => {
            writer.abandon().map_err(|e| Problem::from_journal(&e))?;
            return Err(problem);
        }
    };
    let mut out = Out { seq: 0, ticks: 0 };
    for cell in first {
        out.write(&mut writer, cell)?;
    }
    let reorder = config.semantic.validate.reorder_ms * MILLISECOND;
    let lanes = sources.into_iter().zip(names).enumerate();
    let lanes = lanes.map(|(i, (source, numbers))| Lane::new(source, i as u16 + 1, numbers));
    let merge = Merge { lanes: lanes.collect(), filter: &filter, reorder, failure: None };
    let symbols = table.into_iter().map(|l| Delivered::of(l.def)).collect();
    let mut pour = Pour { merge, symbols, span: None, records: 0 };
    let stopped = pour.all(&mut writer, &mut out, stop, &mut watch)?;
    let Pour { merge, symbols, span, records } = pour;
    let ended = match (&merge.failure, stopped) {
        (Some(_), _) => EndReason::SourceFailed,
        (None, true) => EndReason::Interrupted,
        (None, false) => EndReason::SourceEnded,
    };
    out.end(&mut writer, span.map_or(0, |(_, to)| to), ended)?;
    let stats = writer.close().map_err(|e| Problem::from_journal(&e))?;
    watch(records);
    Ok(Imported {
        dir,
        sources: merge.lanes.into_iter().map(Lane::account).collect(),
        symbols,
        span,
        seqs: (0, out.seq - 1),
        bytes: stats.bytes,
        ended: Some(ended),
        failure: merge.failure,
    })
}

/// What was journaled of one instrument.
#[derive(Clone, PartialEq, Debug)]
pub struct Delivered {
    /// The instrument.
    pub def: InstrumentDef,
    /// Records by kind.
    pub kinds: Kinds,
    /// Records that are earlier than one before them.
    pub out_of_order: u64,
    /// Records with a price that is no multiple of the tick: a run flags or rejects them.
    pub off_tick: u64,
    newest: i64,
}

impl Delivered {
    fn of(def: InstrumentDef) -> Self {
        Self { def, kinds: Kinds::default(), out_of_order: 0, off_tick: 0, newest: i64::MIN }
    }

    fn count(&mut self, cell: &InputCell) {
        if let Some(place) = KINDS.iter().position(|kind| Some(*kind) == cell.kind()) {
            self.kinds[place] += 1;
        }
        let ts = cell.head().ts_event;
        self.out_of_order += u64::from(ts < self.newest);
        self.newest = self.newest.max(ts);
        let tick = self.def.tick.0;
        let is_off = |price: Price| price.is_defined() && tick > 0 && price.0 % tick != 0;
        let off = if let Some(trade) = cell.get::<Trade>() {
            is_off(trade.price)
        } else if let Some(quote) = cell.get::<Quote>() {
            is_off(quote.bid) || is_off(quote.ask)
        } else if let Some(level) = cell.get::<BookLevel>() {
            is_off(level.price)
        } else if let Some(bar) = cell.get::<ExternalBar>() {
            [bar.open, bar.high, bar.low, bar.close].into_iter().any(is_off)
        } else {
            false
        };
        self.off_tick += u64::from(off);
    }
}

/// The records on their way, counted.
struct Pour<'a> {
    merge: Merge<'a>,
    symbols: Vec<Delivered>,
    span: Option<(i64, i64)>,
    records: u64,
}

impl Pour<'_> {
    /// Writes all records; true if it was stopped from outside.
    fn all(
        &mut self,
        writer: &mut Writer,
        out: &mut Out,
        stop: &AtomicBool,
        watch: &mut impl FnMut(u64),
    ) -> Result<bool, Problem> {
        loop {
            if self.records.is_multiple_of(EVERY) {
                writer.publish();
                watch(self.records);
                if stop.load(Ordering::Relaxed) {
                    return Ok(true);
                }
            }
            let Some(cell) = self.merge.next() else { return Ok(false) };
            self.count(&cell);
            out.write(writer, cell)?;
        }
    }

    fn count(&mut self, cell: &InputCell) {
        self.records += 1;
        let ts = cell.head().ts_event;
        self.span = Some(self.span.map_or((ts, ts), |(from, to)| (from.min(ts), to.max(ts))));
        if let Some(symbol) = self.symbols.get_mut(cell.tail().instrument as usize) {
            symbol.count(cell);
        }
    }
}

/// Numbers inputs on their way into the journal.
struct Out {
    seq: u64,
    ticks: u64,
}

impl Out {
    fn write(&mut self, writer: &mut Writer, mut cell: InputCell) -> Result<(), Problem> {
        cell.head_mut().seq = self.seq;
        self.ticks += u64::from(cell.is_tick());
        writer.begin(self.seq).map_err(|e| Problem::from_journal(&e))?;
        writer.append(cell.bytes(), true);
        self.seq += 1;
        Ok(())
    }

    fn end(&mut self, writer: &mut Writer, now: i64, reason: EndReason) -> Result<(), Problem> {
        let head = RunEnd::header(now, start::wall_ns());
        let mut end = RunEnd { head, inputs: self.seq + 1, ticks: self.ticks, ..RunEnd::zeroed() };
        end.tail.instrument = NO_INSTRUMENT;
        end.tail.side = reason as u8;
        self.write(writer, InputCell::from(&end))
    }
}

/// A source and its next record.
struct Lane {
    decoder: Box<dyn Decoder>,
    source: u16,
    /// Our number of each of its symbols; `None` for those that are not wanted.
    numbers: Vec<Option<u32>>,
    head: Option<InputCell>,
    ended: bool,
    sequence: u64,
    account: Account,
}

/// Records in memory, one after another.
struct Memory(std::vec::IntoIter<Trade>);

impl Decoder for Memory {
    fn next(&mut self, cell: &mut InputCell) -> Result<bool, Problem> {
        Ok(self.0.next().map(|trade| cell.put(&trade)).is_some())
    }
}

impl Lane {
    fn new(source: Source, number: u16, numbers: Vec<Option<u32>>) -> Self {
        let account =
            Account { name: source.name.clone(), spec: source.spec.clone(), ..Account::default() };
        let decoder = match source.feed {
            Feed::Decoder(decoder) => decoder,
            Feed::Memory(records) => Box::new(Memory(records.into_iter())),
        };
        Self { decoder, source: number, numbers, head: None, ended: false, sequence: 0, account }
    }

    /// Reads on to its next wanted record.
    fn fill(&mut self, filter: &Filter, reorder: i64) -> Result<(), Problem> {
        let mut cell = InputCell::default();
        while self.head.is_none() && !self.ended {
            if !self.decoder.next(&mut cell)? {
                self.ended = true;
                break;
            }
            self.account.read += 1;
            let ts = cell.head().ts_event;
            // As a run does: past what a record that comes late could still be.
            if filter.to.is_some_and(|to| ts.saturating_sub(reorder) >= to) {
                self.account.after_to += 1;
                (self.ended, self.account.ended_at_to) = (true, true);
                break;
            }
            cell.set_source_sequence(self.sequence);
            self.sequence += 1;
            let local = cell.tail().instrument;
            let number = self.numbers.get(local as usize).copied();
            let skipped = match number {
                _ if filter.from.is_some_and(|from| ts < from) => &mut self.account.before_from,
                _ if filter.to.is_some_and(|to| ts >= to) => &mut self.account.after_to,
                None => &mut self.account.unknown_instrument,
                Some(None) => &mut self.account.other_symbols,
                Some(Some(number)) => {
                    let tail = cell.tail_mut();
                    (tail.instrument, tail.source) = (number, self.source);
                    self.account.delivered += 1;
                    self.head = Some(cell);
                    break;
                }
            };
            *skipped += 1;
        }
        Ok(())
    }

    fn account(self) -> Account {
        let left_out = self.decoder.left_out();
        let read = self.account.read + left_out.iter().map(|(_, count)| count).sum::<u64>();
        Account { read, left_out, ..self.account }
    }
}

/// All sources as one stream, in the order of a run.
struct Merge<'a> {
    lanes: Vec<Lane>,
    filter: &'a Filter,
    reorder: i64,
    failure: Option<Problem>,
}

impl Merge<'_> {
    /// The earliest record; `None` at the end, or where a source failed and what came before it is out.
    fn next(&mut self) -> Option<InputCell> {
        for lane in &mut self.lanes {
            if let Err(problem) = lane.fill(self.filter, self.reorder) {
                lane.ended = true;
                self.failure.get_or_insert(problem);
            }
        }
        if self.failure.is_some() {
            // What the other sources had read ahead was not written.
            for lane in &mut self.lanes {
                lane.account.delivered -= u64::from(lane.head.take().is_some());
            }
            return None;
        }
        let earliest =
            |lane: &&mut Lane| lane.head.as_ref().map_or(i64::MAX, |c| c.head().ts_event);
        let lanes = self.lanes.iter_mut().filter(|lane| lane.head.is_some());
        lanes.min_by_key(earliest).and_then(|lane| lane.head.take())
    }
}

/// Refuses what needs a run's outputs.
///
/// # Errors
/// If the manifest with this hash is of an imported journal.
pub(crate) fn refuse_imported(dir: &Path, manifest: &[u8; 32]) -> Result<(), Problem> {
    if manifest::read(dir, manifest)?.imported { Err(refusal(dir)) } else { Ok(()) }
}

/// Why an imported journal is neither replayed nor gone on with.
pub(crate) fn refusal(dir: &Path) -> Problem {
    let shown = dir.display().to_string();
    Problem::new(
        "this is an imported journal: it holds definitions and market data, and no outputs of a run",
        shown.clone(),
        format!("run it: grandmodel run --source journal:{shown} --journal ANOTHER"),
    )
}
