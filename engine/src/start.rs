//! What a run needs before its first input: its sources checked, its instruments numbered, its journal made,
//! its first records written.

use crate::bars::span::can_be_made;
use crate::calendar::Calendar;
use crate::calendar::user::{open, unknown_calendar};
use crate::config::{BarPrice, Bars, Config, Semantic};
use crate::instrument::Catalog;
use crate::ledger::Ledger;
use crate::manifest::{self, Listed};
use crate::problem::Problem;
use crate::runtime::feed::{self, Filter};
use crate::runtime::feed_gauge::FeedGauge;
use crate::runtime::merge::Inlet;
use crate::runtime::taken::Taken;
use crate::source::{Source, SymbolUse};
use bytemuck::Zeroable;
use journal::{JournalError, Options, Recovery, SyncBackend, Writer};
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::input::fixed_text;
use ringbuf_layout::names::{BarSource, SourceState};
use ringbuf_layout::{Frame, InputCell, RunStart, SourceStatus};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Instruments that one run can have: every stage keeps state for all of them from the start.
const INSTRUMENTS_MAX: usize = 1_024;

/// The writer of a new journal, in a directory of our own from here on; `None` if there is a journal already that
/// nobody writes.
///
/// # Errors
/// If the directory cannot be written.
pub fn create_writer(dir: &Path, config: &Config) -> Result<Option<Writer>, Problem> {
    match Writer::create(&options(dir, config)) {
        Ok(writer) => Ok(Some(writer)),
        Err(JournalError::Exists { .. }) => Ok(None),
        Err(error) => Err(Problem::from_journal(&error)),
    }
}

/// The writer of a journal that is there already, in a new epoch, and what was found at its end.
///
/// # Errors
/// If somebody else writes it, or it is damaged where it was durable.
pub fn resume_writer(
    dir: &Path,
    config: &Config,
    new_chain: bool,
) -> Result<(Writer, Recovery), Problem> {
    let options = Options { new_chain, ..options(dir, config) };
    Writer::resume(&options).map_err(|e| Problem::from_journal(&e))
}

fn options(dir: &Path, config: &Config) -> Options {
    let host = &config.host;
    Options {
        segment_bytes: host.segment_mib << 20,
        ready_segments: host.ready_segments,
        created_ns: wall_ns(),
        sync_backend: match host.sync_backend.as_str() {
            "io-uring" => SyncBackend::IoUring,
            _ => SyncBackend::Msync,
        },
        sync_interval_ms: host.sync_interval_ms as u64,
        free_floor_bytes: host.free_floor_mib << 20,
        ..Options::new(dir)
    }
}

/// Where a run begins: at the beginning of a journal, or behind what it holds.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// Life of the directory.
    pub epoch: u32,
    /// First sequence.
    pub base_seq: u64,
    /// What the journal says so far; nothing of a new one.
    pub ledger: Option<&'a Ledger>,
    /// Inputs of the run before that come first.
    pub again: &'a [InputCell],
}

impl Opening<'_> {
    /// The beginning of a new journal.
    pub const FIRST: Self = Opening { epoch: 1, base_seq: 0, ledger: None, again: &[] };

    fn engine_time(&self) -> i64 {
        self.ledger.map_or(0, |ledger| ledger.engine_time)
    }

    fn taken(&self, source: &Source) -> Option<&Taken> {
        self.ledger.and_then(|ledger| ledger.taken(&source.identity))
    }
}

/// Writes what a run start names, and makes the inputs that come first: run start, instruments that are new, inputs
/// of the run before that it never processed, sources up.
///
/// # Errors
/// If an object cannot be written.
pub fn prologue(
    dir: &Path,
    opening: &Opening<'_>,
    config: &Config,
    table: &[Listed],
    calendars: &[Arc<Calendar>],
    sources: &[Source],
    build: &str,
    weights: Option<&[u8]>,
) -> Result<Vec<InputCell>, Problem> {
    let in_use: BTreeMap<&str, &Calendar> =
        calendars.iter().map(|c| (c.name.as_str(), c.as_ref())).collect();
    let in_use: Vec<&Calendar> = in_use.into_values().collect();
    let manifest = manifest::write(dir, config, table, &in_use, sources, weights, false)?;
    let now = opening.engine_time();
    let mut prologue = vec![InputCell::from(&run_start(opening, config, &manifest, build))];
    let known = opening.ledger.map_or(0, |ledger| ledger.instruments.len());
    for (number, listed) in table.iter().enumerate().skip(known) {
        let price = listed.bars_from as u8;
        prologue.push(InputCell::from(&listed.def.record(number as u32, price, now)));
    }
    // Before the sources are numbered anew: these carry the numbers that theirs had.
    prologue.extend_from_slice(opening.again);
    for (i, source) in sources.iter().enumerate() {
        let taken = opening.taken(source);
        let up = source_status(i, source, SourceState::Up, taken, now);
        prologue.push(InputCell::from(&up));
        if source.live && taken.is_some() {
            let gap = source_status(i, source, SourceState::Gap, taken, now);
            prologue.push(InputCell::from(&gap));
        }
    }
    Ok(prologue)
}

/// Writes what the run start of an imported journal names, and makes the inputs that come first: run start and
/// instruments.
///
/// # Errors
/// If an object cannot be written.
pub(crate) fn prologue_of_import(
    dir: &Path,
    config: &Config,
    table: &[Listed],
    calendars: &[Arc<Calendar>],
    sources: &[Source],
    build: &str,
) -> Result<Vec<InputCell>, Problem> {
    let in_use: BTreeMap<&str, &Calendar> =
        calendars.iter().map(|c| (c.name.as_str(), c.as_ref())).collect();
    let in_use: Vec<&Calendar> = in_use.into_values().collect();
    let manifest = manifest::write(dir, config, table, &in_use, sources, None, true)?;
    let start = run_start(&Opening::FIRST, config, &manifest, build);
    let instruments = table.iter().enumerate().map(|(number, listed)| {
        InputCell::from(&listed.def.record(number as u32, listed.bars_from as u8, 0))
    });
    Ok(std::iter::once(InputCell::from(&start)).chain(instruments).collect())
}

/// The same records twice are never meant.
///
/// # Errors
/// Both names.
pub fn refuse_twins(sources: &[Source]) -> Result<(), Problem> {
    for (i, source) in sources.iter().enumerate() {
        if let Some(twin) = sources[..i].iter().find(|twin| twin.identity == source.identity) {
            return Err(Problem::new(
                format!("{} and {} are the same source", twin.name, source.name),
                "the sources",
                "name it once; its prints would count twice",
            ));
        }
    }
    Ok(())
}

/// The instruments of all sources, in the order of sources and symbols: their numbers.
///
/// # Errors
/// A symbol that is unknown, or that no source delivers; none or too many.
pub fn instrument_table(
    config: &Config,
    sources: &[Source],
    filter: &Filter,
) -> Result<Vec<Listed>, Problem> {
    let catalog: Catalog = config.catalog();
    let mut table: Vec<Listed> = Vec::new();
    let wanted = |symbol: &String| filter.wants(symbol);
    for used in sources.iter().flat_map(|s| &s.symbols).filter(|used| wanted(&used.symbol)) {
        let bars_from = bars_from(config.semantic.bars.price, used);
        if let Some(listed) = table.iter_mut().find(|l| l.def.symbol == used.symbol) {
            // Prints of one source make the bars though another has only quotes.
            listed.bars_from = better(listed.bars_from, bars_from);
            continue;
        }
        let def = catalog.get(&used.symbol).ok_or_else(|| {
            Problem::new(
                format!("{} is not a known instrument", used.symbol),
                "the instrument table",
                "define it in the config: [[semantic.instrument]] symbol, tick, multiplier",
            )
        })?;
        table.push(Listed { def, bars_from });
    }
    let all = sources.iter().flat_map(|s| &s.symbols).map(|used| used.symbol.as_str());
    let mut all: Vec<&str> = all.collect();
    let missing: Vec<&str> = filter.symbols.iter().map(String::as_str).collect();
    let missing: Vec<&str> = missing.into_iter().filter(|symbol| !all.contains(symbol)).collect();
    all.truncate(20);
    if !missing.is_empty() {
        return Err(Problem::new(
            format!("no source delivers {}", missing.join(", ")),
            "--symbols",
            format!("choose from {}", all.join(", ")),
        ));
    }
    if table.is_empty() {
        return Err(Problem::new(
            "the sources hold no market data",
            "the sources",
            "check with `data inspect`; a file of definitions belongs into [[semantic.instruments_from]]",
        ));
    }
    if table.len() > INSTRUMENTS_MAX {
        return Err(Problem::new(
            format!("the sources deliver {} instruments", table.len()),
            "the sources",
            format!("choose 1 to {INSTRUMENTS_MAX} with --symbols"),
        ));
    }
    Ok(table)
}

/// What the bars of a symbol are made from, as far as one source goes.
fn bars_from(price: BarPrice, used: &SymbolUse) -> BarSource {
    match price {
        BarPrice::Auto if used.trades => BarSource::Trades,
        BarPrice::Auto if used.bars_s > 0 => BarSource::External,
        BarPrice::Auto | BarPrice::Mid => BarSource::Mid,
        BarPrice::Trade => BarSource::Trades,
        BarPrice::External => BarSource::External,
    }
}

/// Prints before a vendor's bars before quotes.
fn better(one: BarSource, other: BarSource) -> BarSource {
    let order = [BarSource::Trades, BarSource::External, BarSource::Mid];
    order.into_iter().find(|source| [one, other].contains(source)).unwrap_or(one)
}

/// A vendor's bars make every timeframe, or the run does not start: one that is never built would be missed late.
///
/// # Errors
/// Bars of several lengths, or of one that does not make a timeframe.
pub(crate) fn lengths_fit(
    bars: &Bars,
    table: &[Listed],
    sources: &[Source],
) -> Result<(), Problem> {
    let external = table.iter().filter(|listed| listed.bars_from == BarSource::External);
    for listed in external {
        let symbol = &listed.def.symbol;
        let used = sources.iter().flat_map(|s| &s.symbols).filter(|used| used.symbol == *symbol);
        let mut lengths: Vec<u32> = used.map(|used| used.bars_s).filter(|s| *s > 0).collect();
        lengths.sort_unstable();
        lengths.dedup();
        let place = "semantic.bars.timeframes_s";
        let [length] = lengths[..] else {
            let what = format!("{symbol} has bars of {lengths:?} seconds in its sources");
            let fix = "its bars are made of one vendor's, of one length: name one such source";
            return Err(Problem::new(what, "the sources", fix));
        };
        let not_made = |s: &&u32| !can_be_made(**s, length);
        if let Some(timeframe) = bars.timeframes_s.iter().find(not_made) {
            return Err(Problem::new(
                format!("{symbol} has bars of {length} s, which make none of {timeframe} s"),
                place,
                format!("list {length} and multiples of it, or give a source with finer bars"),
            ));
        }
        if !bars.extra.is_empty() && table.len() == 1 {
            return Err(Problem::new(
                format!("{symbol} has bars and no prints, which `extra` counts"),
                "semantic.bars.extra",
                "remove it, or give a source with prints",
            ));
        }
    }
    Ok(())
}

/// The calendar of each instrument, shared where it is the same.
///
/// # Errors
/// A name that is neither built in nor in the config.
pub fn calendars(table: &[Listed], semantic: &Semantic) -> Result<Vec<Arc<Calendar>>, Problem> {
    let mut opened: BTreeMap<&str, Arc<Calendar>> = BTreeMap::new();
    for listed in table {
        let name = listed.def.calendar.as_str();
        if !opened.contains_key(name) {
            let unknown = || unknown_calendar(&listed.def.symbol, name);
            let calendar = open(name, &semantic.calendars).ok_or_else(unknown)?;
            opened.insert(name, Arc::new(calendar));
        }
    }
    Ok(table.iter().map(|listed| Arc::clone(&opened[listed.def.calendar.as_str()])).collect())
}

/// Starts every source on a thread of its own.
///
/// # Errors
/// A thread that cannot be started.
pub fn inlets(
    sources: Vec<Source>,
    table: &[Listed],
    filter: &Filter,
    reorder_ms: i64,
    ledger: Option<&Ledger>,
    feeds: &[Arc<FeedGauge>],
) -> Result<Vec<Inlet>, Problem> {
    let number = |symbol: &str| table.iter().position(|l| l.def.symbol == symbol).map(|n| n as u32);
    sources
        .into_iter()
        .zip(feeds)
        .enumerate()
        .map(|(i, (source, feed))| {
            let live = source.live;
            let numbers = source.symbols.iter().map(|used| number(&used.symbol)).collect();
            let taken = ledger.and_then(|ledger| ledger.taken(&source.identity));
            let (number, taken) = (i as u16 + 1, taken.cloned().unwrap_or_default());
            let (filter, gauge) = (filter.clone(), Arc::clone(feed));
            let inflow = feed::start(source, number, numbers, filter, reorder_ms, taken, gauge)?;
            Ok(Inlet { inflow, live, ended: false })
        })
        .collect()
}

fn run_start(opening: &Opening<'_>, config: &Config, manifest: &[u8; 32], build: &str) -> RunStart {
    let mut semantic_hash = [0; 8];
    semantic_hash.copy_from_slice(&config.semantic_hash()[..8]);
    let mut start = RunStart {
        head: RunStart::header(opening.engine_time(), wall_ns()),
        semantic_hash,
        epoch: opening.epoch,
        format: 1,
        base_seq: opening.base_seq,
        manifest: *manifest,
        build: fixed_text(build),
        ..RunStart::zeroed()
    };
    start.tail.instrument = NO_INSTRUMENT;
    start
}

fn source_status(
    index: usize,
    source: &Source,
    state: SourceState,
    taken: Option<&Taken>,
    now: i64,
) -> SourceStatus {
    let head = SourceStatus::header(now, now);
    let mut status = SourceStatus { head, ..SourceStatus::zeroed() };
    let first = |taken: &Taken| if source.live { taken.end() } else { taken.first_missing() };
    status.first_source_seq = taken.map_or(0, first);
    status.identity.copy_from_slice(&source.identity[..8]);
    status.tail.instrument = NO_INSTRUMENT;
    status.tail.source = index as u16 + 1;
    status.tail.side = state as u8;
    status
}

/// Wall time, ns UTC: goes only into `ts_recv` and file headers.
pub fn wall_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as i64)
}
