//! A run: sources in, a sealed journal and a summary out.

use crate::calendar::Calendar;
use crate::config::{BarPrice, Config};
use crate::instrument::Catalog;
use crate::layout::{Layout, Wait};
use crate::manifest::{self, Listed};
use crate::pipeline::{self, Pipeline};
use crate::problem::Problem;
use crate::runtime::fail_point::FailPoint;
use crate::runtime::feed::{self, Filter};
use crate::runtime::group::Group;
use crate::runtime::handler::Fault;
use crate::runtime::merge::{Inlet, Merge};
use crate::runtime::schedule::Schedule;
use crate::runtime::sequencer::{Inputs, Pace, Plan, Sequencer};
use crate::runtime::sink::{Recorder, Tally};
use crate::runtime::threads::{self, publish};
use crate::source::Source;
use crate::summary::Summary;
use bytemuck::Zeroable;
use journal::{Options, Stats, Writer};
use ringbuf_layout::frame::{LINE, NO_INSTRUMENT};
use ringbuf_layout::input::fixed_text;
use ringbuf_layout::names::{EndReason, SourceState};
use ringbuf_layout::{Frame, InputCell, Part, RunStart, SourceStatus};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

/// Instruments that one run can have: every stage keeps state for all of them from the start.
const INSTRUMENTS_MAX: usize = 1_024;
/// Empty rounds after which the watcher is called every time: the loop sleeps by then.
const IDLE_BEFORE_LOOKS: u32 = 256;
/// Rounds between two looks of the progress watcher: a few milliseconds at full speed.
const ROUNDS_BETWEEN_LOOKS: u32 = 1_024;

/// What to run.
#[derive(Debug)]
pub struct Order {
    /// The config.
    pub config: Config,
    /// The threads, planned for this host.
    pub layout: Layout,
    /// The opened sources.
    pub sources: Vec<Source>,
    /// Journal directory.
    pub dir: PathBuf,
    /// How fast.
    pub pace: Pace,
    /// What of the sources is wanted.
    pub filter: Filter,
    /// Set by SIGINT and SIGTERM.
    pub stop: Arc<AtomicBool>,
    /// Build identity.
    pub build: String,
    /// A fail point: this part panics at this input. For tests of what follows.
    pub fault: Option<FailPoint>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// What it did.
    pub summary: Summary,
    /// What went wrong once it was running: the journal holds what came before.
    pub failure: Option<Problem>,
}

/// Runs until the sources end, one fails, the disk is full, or `stop` is set. `started` is called once the
/// journal directory is ours, `watch` now and then while it runs.
///
/// # Errors
/// What keeps the run from starting; the journal directory is then not a journal.
pub fn run(
    order: Order,
    started: impl FnOnce(&Path),
    mut watch: impl FnMut(&Tally),
) -> Result<Outcome, Problem> {
    let Order { config, layout, sources, dir, pace, filter, stop, build, fault } = order;
    refuse_twins(&sources)?;
    let table = instrument_table(&config, &sources, &filter)?;
    let calendars = calendars(&table)?;
    let host = &config.host;
    let spine: Vec<usize> = layout.threads.iter().filter_map(|thread| thread.core).collect();
    threads::keep_helpers_off(&spine);
    let writer = create_writer(&dir, &config)?;
    started(&dir);
    let prologue = match prologue(&dir, &config, &table, &calendars, &sources, &build) {
        Ok(prologue) => prologue,
        Err(problem) => {
            // Nothing was journaled: the directory shall not look like a journal.
            writer.abandon().map_err(|e| Problem::from_journal(&e))?;
            return Err(problem);
        }
    };
    let instruments = table.len();
    let schedule = Schedule::new(
        &config.semantic.bars.timeframes_s,
        config.semantic.clock.heartbeat_ms,
        calendars,
    );
    let reorder_ms = config.semantic.validate.reorder_ms;
    let merge = Merge::new(inlets(sources, &table, &filter, reorder_ms)?);
    let mut sequencer = Sequencer::new(Plan {
        base_seq: 0,
        prologue,
        merge,
        schedule,
        pace,
        bar_close_delay_ms: config.semantic.clock.bar_close_delay_ms,
        stop,
        fail_at: fault.filter(|point| point.part == Part::Sequencer).map(|point| point.seq),
    });
    let mut writer = JournalRecorder::new(writer);
    let mut machine = pipeline::build(
        &config.semantic,
        instruments,
        host.ring_slots,
        &layout.cuts(),
        &mut writer,
    );
    if let Some(fault) = fault {
        machine.inject(fault);
    }
    let driven = threads::drive(&mut sequencer, &mut machine, &layout, &mut watch);
    let elapsed_s = driven.as_ref().map_or(0.0, |driven| driven.seconds);
    let driven = driven.and_then(|driven| match driven.fault {
        Some(fault) => Err(after_panic(&fault, &mut sequencer, &mut machine)),
        None => Ok(()),
    });
    let closed = close(&mut machine);
    let tally = tally(&machine);
    let handlers = machine.groups.iter().flat_map(Group::handlers);
    let egress_orders = handlers.map(|handler| handler.orders_out()).sum();
    drop(machine);
    let mut summary = Summary::new(tally, &config, elapsed_s, dir.display().to_string());
    summary.layout = layout.threads;
    summary.egress_orders = egress_orders;
    summary.bytes = writer.stats.bytes;
    summary.segment_waits = writer.stats.segment_waits;
    summary.ended = match (&driven, sequencer.reason()) {
        (Err(_), EndReason::SourceEnded) => "sink_failed".to_string(),
        (_, reason) => reason.name().to_string(),
    };
    let failed_source =
        sequencer.failure().cloned().filter(|_| sequencer.reason() == EndReason::SourceFailed);
    let failure = driven.and(closed).err().or(failed_source);
    Ok(Outcome { summary, failure })
}

/// The journal's writer, in a directory of our own from here on.
fn create_writer(dir: &Path, config: &Config) -> Result<Writer, Problem> {
    let host = &config.host;
    let options = Options {
        segment_bytes: host.segment_mib << 20,
        ready_segments: host.ready_segments,
        created_ns: wall_ns(),
        ..Options::new(dir)
    };
    Writer::create(&options).map_err(|e| Problem::from_journal(&e))
}

/// Writes what a run start names, and makes the inputs that come first: run start, instruments, sources up.
fn prologue(
    dir: &Path,
    config: &Config,
    table: &[Listed],
    calendars: &[Arc<Calendar>],
    sources: &[Source],
    build: &str,
) -> Result<Vec<InputCell>, Problem> {
    let in_use: BTreeMap<&str, &Calendar> =
        calendars.iter().map(|c| (c.name, c.as_ref())).collect();
    let in_use: Vec<&Calendar> = in_use.into_values().collect();
    let manifest = manifest::write(dir, config, table, &in_use, sources)?;
    let mut prologue = vec![InputCell::from(&run_start(config, &manifest, build))];
    for (number, listed) in table.iter().enumerate() {
        let price = u8::from(listed.bars_from_mid);
        prologue.push(InputCell::from(&listed.def.record(number as u32, price, 0)));
    }
    for (i, source) in sources.iter().enumerate() {
        prologue.push(InputCell::from(&source_up(i, source)));
    }
    Ok(prologue)
}

/// What follows a panic: the ring's unprocessed inputs and a record of the panic are journaled.
fn after_panic(fault: &Fault, sequencer: &mut Sequencer, machine: &mut Pipeline<'_>) -> Problem {
    let mut recorded = threads::record_unprocessed(&mut machine.groups, fault);
    let end = sequencer.end_of_panic();
    for handler in machine.groups.iter_mut().flat_map(Group::handlers_mut) {
        recorded = recorded.and_then(|()| handler.on_panic(&end, fault));
    }
    let kept = match recorded {
        Ok(()) => "the unprocessed inputs and the panic are journaled".to_string(),
        Err(problem) => format!("and what followed could not be journaled: {}", problem.what),
    };
    Problem::new(
        format!("{} panicked: {}", fault.part.name(), fault.message),
        format!("sequence {}; {kept}", fault.seq),
        "replay the journal to reproduce it; report it with the journal",
    )
}

/// Publishes and processes until the inputs end and the ring is drained, all on this thread.
///
/// # Errors
/// A sink's failure.
pub fn drive(
    inputs: &mut impl Inputs,
    machine: &mut Pipeline<'_>,
    watch: &mut impl FnMut(&Tally),
) -> Result<(), Problem> {
    let (mut idle, mut rounds) = (0, 0_u32);
    loop {
        let (mut moved, ended) = publish(inputs, &mut machine.producer);
        for group in &mut machine.groups {
            moved += group.step()?;
        }
        if moved == 0 {
            if ended {
                return Ok(());
            }
            Wait::Yield.wait(idle);
            idle += 1;
        } else {
            idle = 0;
        }
        rounds = rounds.wrapping_add(1);
        if rounds.is_multiple_of(ROUNDS_BETWEEN_LOOKS) || idle > IDLE_BEFORE_LOOKS {
            look(machine, watch);
        }
    }
}

fn look(machine: &Pipeline<'_>, watch: &mut impl FnMut(&Tally)) {
    let handlers = machine.groups.iter().flat_map(Group::handlers);
    handlers.filter_map(|handler| handler.tally()).for_each(watch);
}

/// What the machine's sink counted.
pub fn tally(machine: &Pipeline<'_>) -> Tally {
    let mut tally = Tally::default();
    look(machine, &mut |counted: &Tally| tally = counted.clone());
    tally
}

/// Closes every handler.
///
/// # Errors
/// The first failure.
pub fn close(machine: &mut Pipeline<'_>) -> Result<(), Problem> {
    let mut result = Ok(());
    for group in &mut machine.groups {
        let closed = group.close();
        result = result.and(closed);
    }
    result
}

/// Frames into the journal.
#[derive(Debug)]
pub struct JournalRecorder {
    writer: Option<Writer>,
    /// What was written, once it is closed.
    pub stats: Stats,
}

impl JournalRecorder {
    /// A recorder that writes with `writer` and closes it.
    pub fn new(writer: Writer) -> Self {
        Self { writer: Some(writer), stats: Stats::default() }
    }
}

const OPEN: &str = "Invariant: the journal is closed once, after the last slot";

impl Recorder for &mut JournalRecorder {
    #[inline]
    fn begin(&mut self, seq: u64) -> Result<(), Problem> {
        let writer = self.writer.as_mut().expect(OPEN);
        writer.begin(seq).map_err(|e| Problem::from_journal(&e))
    }

    #[inline]
    fn frame(&mut self, frame: &[u8], last: bool) -> Result<(), Problem> {
        self.writer.as_mut().expect(OPEN).append(frame, last);
        Ok(())
    }

    #[inline]
    fn line(&mut self, seq: u64, line: &[u8; LINE]) -> Result<(), Problem> {
        let writer = self.writer.as_mut().expect(OPEN);
        writer.append_slot(seq, line).map_err(|e| Problem::from_journal(&e))
    }

    fn publish(&mut self) {
        self.writer.as_mut().expect(OPEN).publish();
    }

    fn rewind(&mut self) {
        if let Some(writer) = self.writer.as_mut() {
            writer.rewind();
        }
    }

    fn close(&mut self) -> Result<(), Problem> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        self.stats = writer.stats();
        self.stats = writer.close().map_err(|e| Problem::from_journal(&e))?;
        Ok(())
    }
}

/// The same records twice are never meant.
fn refuse_twins(sources: &[Source]) -> Result<(), Problem> {
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
fn instrument_table(
    config: &Config,
    sources: &[Source],
    filter: &Filter,
) -> Result<Vec<Listed>, Problem> {
    let catalog: Catalog = config.catalog();
    let mut table: Vec<Listed> = Vec::new();
    let wanted = |symbol: &String| filter.wants(symbol);
    for used in sources.iter().flat_map(|s| &s.symbols).filter(|used| wanted(&used.symbol)) {
        let from_mid = match config.semantic.bars.price {
            BarPrice::Auto => !used.trades,
            BarPrice::Trade => false,
            BarPrice::Mid => true,
        };
        if let Some(listed) = table.iter_mut().find(|l| l.def.symbol == used.symbol) {
            // Prints of one source make the bars though another has only quotes.
            listed.bars_from_mid &= from_mid;
            continue;
        }
        let def = catalog.get(&used.symbol).ok_or_else(|| {
            Problem::new(
                format!("{} is not a known instrument", used.symbol),
                "the instrument table",
                "define it in the config: [[semantic.instrument]] symbol, tick, multiplier",
            )
        })?;
        table.push(Listed { def, bars_from_mid: from_mid });
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
    if table.is_empty() || table.len() > INSTRUMENTS_MAX {
        return Err(Problem::new(
            format!("the sources deliver {} instruments", table.len()),
            "the sources",
            format!("choose 1 to {INSTRUMENTS_MAX} with --symbols"),
        ));
    }
    Ok(table)
}

fn calendars(table: &[Listed]) -> Result<Vec<Arc<Calendar>>, Problem> {
    let mut opened: BTreeMap<&str, Arc<Calendar>> = BTreeMap::new();
    for listed in table {
        let name = listed.def.calendar.as_str();
        let unknown =
            || Problem::new(format!("calendar {name} is not built in"), "", "choose another");
        let calendar = Calendar::built_in(name).ok_or_else(unknown)?;
        opened.entry(name).or_insert_with(|| Arc::new(calendar));
    }
    Ok(table.iter().map(|listed| Arc::clone(&opened[listed.def.calendar.as_str()])).collect())
}

fn inlets(
    sources: Vec<Source>,
    table: &[Listed],
    filter: &Filter,
    reorder_ms: i64,
) -> Result<Vec<Inlet>, Problem> {
    let number = |symbol: &str| table.iter().position(|l| l.def.symbol == symbol).map(|n| n as u32);
    sources
        .into_iter()
        .enumerate()
        .map(|(i, source)| {
            let live = source.live;
            let numbers = source.symbols.iter().map(|used| number(&used.symbol)).collect();
            let inflow = feed::start(source, i as u16 + 1, numbers, filter.clone(), reorder_ms)?;
            Ok(Inlet { inflow, live, ended: false })
        })
        .collect()
}

fn run_start(config: &Config, manifest: &[u8; 32], build: &str) -> RunStart {
    let now = wall_ns();
    let mut semantic_hash = [0; 8];
    semantic_hash.copy_from_slice(&config.semantic_hash()[..8]);
    let mut start = RunStart {
        head: RunStart::header(0, now),
        semantic_hash,
        epoch: 1,
        format: 1,
        base_seq: 0,
        manifest: *manifest,
        build: fixed_text(build),
        ..RunStart::zeroed()
    };
    start.tail.instrument = NO_INSTRUMENT;
    start
}

fn source_up(index: usize, source: &Source) -> SourceStatus {
    let mut up = SourceStatus { head: SourceStatus::header(0, 0), ..SourceStatus::zeroed() };
    up.identity.copy_from_slice(&source.identity[..8]);
    up.tail.instrument = NO_INSTRUMENT;
    up.tail.source = index as u16 + 1;
    up.tail.side = SourceState::Up as u8;
    up
}

/// Wall time, ns UTC: goes only into `ts_recv` and file headers.
fn wall_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as i64)
}
