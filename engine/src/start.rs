//! What a run needs before its first input: its sources checked, its instruments numbered, its journal made,
//! its first records written.

use crate::calendar::Calendar;
use crate::config::{BarPrice, Config};
use crate::instrument::Catalog;
use crate::manifest::{self, Listed};
use crate::problem::Problem;
use crate::runtime::feed::{self, Filter};
use crate::runtime::merge::Inlet;
use crate::source::Source;
use bytemuck::Zeroable;
use journal::{Options, Writer};
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::input::fixed_text;
use ringbuf_layout::names::SourceState;
use ringbuf_layout::{Frame, InputCell, RunStart, SourceStatus};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Instruments that one run can have: every stage keeps state for all of them from the start.
const INSTRUMENTS_MAX: usize = 1_024;

/// The journal's writer, in a directory of our own from here on.
///
/// # Errors
/// If the directory holds a journal already, or cannot be written.
pub fn create_writer(dir: &Path, config: &Config) -> Result<Writer, Problem> {
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
///
/// # Errors
/// If an object cannot be written.
pub fn prologue(
    dir: &Path,
    config: &Config,
    table: &[Listed],
    calendars: &[Arc<Calendar>],
    sources: &[Source],
    build: &str,
    weights: Option<&[u8]>,
) -> Result<Vec<InputCell>, Problem> {
    let in_use: BTreeMap<&str, &Calendar> =
        calendars.iter().map(|c| (c.name, c.as_ref())).collect();
    let in_use: Vec<&Calendar> = in_use.into_values().collect();
    let manifest = manifest::write(dir, config, table, &in_use, sources, weights)?;
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

/// The calendar of each instrument, shared where it is the same.
///
/// # Errors
/// A name that is not built in.
pub fn calendars(table: &[Listed]) -> Result<Vec<Arc<Calendar>>, Problem> {
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

/// Starts every source on a thread of its own.
///
/// # Errors
/// A thread that cannot be started.
pub fn inlets(
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
pub fn wall_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as i64)
}
