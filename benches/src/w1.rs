//! W1: 20 M ticks of one instrument through the whole fused spine into a journal on tmpfs, with the
//! floors measured in the same run and interleaved with it.
//!
//! `cargo run --release -p benches --bin w1 [-- ROUNDS [TICKS]]`
//!
//! What the clock covers: first publish to last journaled. What it does not: making the ticks, and
//! making the journal's segments (all are made ahead; a second figure keeps the usual two ready and
//! shows what that costs on this machine).

use disruptor::{BusySpin, Polling, Producer as _, build_single_producer};
use engine::config::Config;
use engine::layout::Layout;
use engine::run::Order;
use engine::runtime::threads::keep_helpers_on;
use engine::source::{Feed, Source, SourceConfig};
use journal::floor::{Crc, map_writable};
use journal::{Follower, JournalError, Until};
use memmap2::MmapMut;
use ringbuf_layout::{Slot, Trade};
use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Bytes of a trade: the floors move as many bytes as the spine does, once.
const LINE: usize = 64;
const BATCH: u64 = 64;
/// How long a follower sleeps where there is nothing new.
const NAP: Duration = Duration::from_millis(10);

/// Nanoseconds a tick of each measured thing, one entry a round.
#[derive(Default)]
struct Figures {
    spine: Vec<f64>,
    spine_two_ready: Vec<f64>,
    spine_followed: Vec<f64>,
    copy_crc: Vec<f64>,
    hop: Vec<f64>,
    hop_two_threads: Vec<f64>,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let rounds: usize = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let ticks: usize = arguments.next().map_or(Ok(20_000_000), |text| text.parse())?;
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
    println!("machine  {}", engine::runtime::host::machine());
    println!("load     {}", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    println!("W1       {ticks} ticks, {rounds} rounds, journal in {}", parent.display());
    let mut figures = Figures::default();
    let trades = trades(ticks)?;
    for round in 1..=rounds {
        figures.copy_crc.push(copy_crc(&parent, &trades)?);
        figures.hop.push(hop(&trades));
        figures.hop_two_threads.push(hop_two_threads(&trades));
        figures.spine.push(spine(&parent, ticks, true, false)?);
        figures.spine_two_ready.push(spine(&parent, ticks, false, false)?);
        figures.spine_followed.push(spine(&parent, ticks, true, true)?);
        println!("round {round}: spine {:.1} ns a tick", figures.spine[round - 1]);
    }
    report(&figures);
    Ok(())
}

fn report(figures: &Figures) {
    let floor = median(&figures.copy_crc) + median(&figures.hop);
    println!("\n{:<52}{:>8}{:>8}{:>8}{:>12}", "ns a tick", "median", "best", "worst", "M ticks/s");
    for (name, values) in [
        ("floor: memcpy + CRC32C, mapped populated file", &figures.copy_crc),
        ("floor: raw disruptor hop, one thread, batch 64", &figures.hop),
        ("floor: raw disruptor hop, two threads, batch 64", &figures.hop_two_threads),
        ("spine, segments made ahead", &figures.spine),
        ("spine, two segments ready (default)", &figures.spine_two_ready),
        ("spine, made ahead, a follower behind it", &figures.spine_followed),
    ] {
        let best = values.iter().copied().fold(f64::INFINITY, f64::min);
        let worst = values.iter().copied().fold(0.0, f64::max);
        let middle = median(values);
        println!("{name:<52}{middle:>8.1}{best:>8.1}{worst:>8.1}{:>12.1}", 1e3 / middle);
    }
    let ratio = median(&figures.spine) / floor;
    println!("\nratio spine / (memcpy + CRC32C + hop on one thread): {ratio:.2}");
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn open(ticks: usize) -> Result<Source> {
    let spec = format!("synthetic:bench,ticks={ticks}");
    let config = SourceConfig::of(&spec);
    Ok(gateways::open(&config, &Config::default().catalog())?)
}

fn trades(ticks: usize) -> Result<Vec<Trade>> {
    match open(ticks)?.feed {
        Feed::Memory(trades) => Ok(trades),
        Feed::Decoder(_) => Err("synthetic:bench is made in memory".into()),
    }
}

/// One run of the fused spine; `followed` by a reader on a thread of its own, which must come to the end.
fn spine(parent: &Path, ticks: usize, made_ahead: bool, followed: bool) -> Result<f64> {
    let dir = tempfile::tempdir_in(parent)?;
    let mut config = Config::default();
    if made_ahead {
        // One segment that holds the whole run: every tick is a line, and outputs, headers and page
        // padding are less than an eighth of that. The helper thread then has nothing to do meanwhile.
        config.host.segment_mib = ((ticks as u64 * 72) >> 20) + 2;
        config.host.ready_segments = 1;
    }
    let layout = Layout::of(&config.host)?;
    let apart = layout.helpers.clone();
    let journal = dir.path().join("journal");
    let order = Order::new(config, layout, vec![open(ticks)?], journal.clone());
    let over = AtomicBool::new(false);
    let (outcome, read) = std::thread::scope(|scope| {
        let reader = followed.then(|| scope.spawn(|| follow(&journal, &over, &apart)));
        let outcome = engine::run::run(order, |_| (), |_| ());
        over.store(true, Ordering::Release);
        (outcome, reader.map(std::thread::ScopedJoinHandle::join))
    });
    let outcome = outcome?;
    if let Some(problem) = outcome.failure {
        return Err(problem.into());
    }
    if let Some(read) = read {
        let read = read.map_err(|_| "the follower panicked")?.map_err(|error| error.to_string())?;
        assert_eq!(read, outcome.summary.tally.inputs, "Condition failed: it read to the end");
    }
    Ok(outcome.summary.elapsed_s * 1e9 / ticks as f64)
}

/// Reads behind the writer until the run is over and nothing is left; returns the inputs that it read. Like any
/// helper it is kept off the spine's cores, as far as there are others.
fn follow(
    journal: &Path,
    over: &AtomicBool,
    apart: &[usize],
) -> std::result::Result<u64, JournalError> {
    drop(keep_helpers_on(apart));
    let mut follower = loop {
        match Follower::open(journal, None, Until::Durable) {
            Ok(follower) => break follower,
            // The run has not made it yet.
            Err(_) if !over.load(Ordering::Acquire) => std::thread::sleep(NAP),
            Err(error) => return Err(error),
        }
    };
    let mut inputs = 0;
    loop {
        let last_look = over.load(Ordering::Acquire);
        while let Some(frame) = follower.next()? {
            inputs += u64::from(frame.is_last());
        }
        if last_look {
            return Ok(inputs);
        }
        std::thread::sleep(NAP);
    }
}

/// The same bytes, each copied with its CRC32C into a mapped, populated file.
fn copy_crc(parent: &Path, trades: &[Trade]) -> Result<f64> {
    let mut map = populated(parent, size_of_val(trades))?;
    let crc = Crc::detect();
    let start = Instant::now();
    for (target, trade) in map.chunks_exact_mut(LINE).zip(trades) {
        crc.store(target, bytemuck::bytes_of(trade), 0, true);
    }
    let elapsed = start.elapsed();
    black_box(&map);
    Ok(elapsed.as_nanos() as f64 / trades.len() as f64)
}

fn populated(parent: &Path, bytes: usize) -> Result<MmapMut> {
    let file: File = tempfile::tempfile_in(parent)?;
    file.set_len(bytes as u64)?;
    Ok(map_writable(&file, bytes)?)
}

/// Publish and poll of the same ticks in the engine's slots, on one thread, 64 at a time.
fn hop(trades: &[Trade]) -> f64 {
    let builder = build_single_producer(4_096, Slot::default, BusySpin);
    let (mut poller, builder) = builder.new_event_poller();
    let mut producer = builder.build();
    let start = Instant::now();
    let mut sum = 0;
    for batch in trades.chunks(BATCH as usize) {
        for trade in batch {
            let published = producer.try_publish(|slot| slot.input.put(trade));
            assert!(published.is_ok(), "Invariant: the ring was just emptied");
        }
        if let Ok(mut slots) = poller.take(BATCH) {
            for slot in &mut slots {
                sum += slot.seq();
            }
        }
    }
    let elapsed = start.elapsed();
    black_box(sum);
    elapsed.as_nanos() as f64 / trades.len() as f64
}

/// The same with the consumer on a thread of its own; both yield when they have nothing to do.
fn hop_two_threads(trades: &[Trade]) -> f64 {
    let builder = build_single_producer(4_096, Slot::default, BusySpin);
    let (mut poller, builder) = builder.new_event_poller();
    let mut producer = builder.build();
    let start = Instant::now();
    let elapsed = std::thread::scope(|scope| {
        let consumer = scope.spawn(move || {
            let mut sum = 0;
            loop {
                match poller.take(BATCH) {
                    Ok(mut slots) => (&mut slots).for_each(|slot| sum += slot.seq()),
                    Err(Polling::NoEvents) => std::thread::yield_now(),
                    Err(Polling::Shutdown) => break,
                }
            }
            black_box(sum);
        });
        for trade in trades {
            while producer.try_publish(|slot| slot.input.put(trade)).is_err() {
                std::thread::yield_now();
            }
        }
        drop(producer);
        let joined = consumer.join();
        assert!(joined.is_ok(), "Invariant: the consumer only counts");
        start.elapsed()
    });
    elapsed.as_nanos() as f64 / trades.len() as f64
}
