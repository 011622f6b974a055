//! The spine does not allocate once it runs, counted by an allocator that looks at one thread only.
#![allow(unsafe_code)] // A global allocator cannot be written without it.

use bytemuck::Zeroable;
use engine::Problem;
use engine::config::Config;
use engine::pipeline;
use engine::policy::{Choice, Policies, Policy, Rule, View};
use engine::run::{JournalRecorder, close, drive};
use engine::runtime::clock::Clock;
use engine::runtime::feed;
use engine::runtime::feed_gauge::FeedGauge;
use engine::runtime::latency::Collector;
use engine::runtime::merge::{Inlet, Merge};
use engine::runtime::sequencer::Sequencer;
use engine::runtime::sink::{Recorder, Tally};
use engine::runtime::taken::Taken;
use engine::source::Source;
use marl::Agents;
use ringbuf_layout::names::{BOOK_UPDATE_END, BookAction, SourceState};
use ringbuf_layout::{BookLevel, Frame, InputCell, Kind, SourceStatus};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tests::market::{cell, level, listed, ns, quote, steady_prints, trade};
use tests::real_run::{decoded_source, memory_source};
use tests::recording::Recording;
use tests::scene::Scene;

thread_local! {
    /// Allocations and frees inside the agents: Burn takes memory for every tensor.
    static INSIDE: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
    /// True while this thread's allocations count.
    static COUNTING: Cell<bool> = const { Cell::new(false) };
    static ALLOCATED: Cell<u64> = const { Cell::new(0) };
    static FREED: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

fn count(counter: &'static std::thread::LocalKey<Cell<u64>>) {
    // A thread that is ending has no counter any more, and counts for nothing.
    let _ = COUNTING.try_with(|counting| {
        if counting.get() {
            counter.with(|count| count.set(count.get() + 1));
        }
    });
}

// SAFETY: every call goes to the system's allocator as it came; the counters are plain cells of the
// calling thread and allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(&ALLOCATED);
        // SAFETY: the caller's promise, handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(&ALLOCATED);
        // SAFETY: the caller's promise, handed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // A new block, and the old one is gone.
        count(&ALLOCATED);
        count(&FREED);
        // SAFETY: the caller's promise, handed on.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(&FREED);
        // SAFETY: the caller's promise, handed on.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations and frees of this thread while it counted, and what happened meanwhile.
#[derive(Debug)]
struct Counted {
    allocated: u64,
    freed: u64,
    /// Of these, those inside Burn at a decision.
    inside: (u64, u64),
    inputs: u64,
    bars: u64,
    decisions: u64,
    verdicts: u64,
}

const WARM_UP_INPUTS: u64 = 50_000;

/// Counts from the first look after the warm-up to the last look of the run.
#[derive(Default)]
struct Counter {
    from: Option<Tally>,
    last: Option<Counted>,
}

impl Counter {
    fn look(&mut self, tally: &Tally) {
        if let Some(from) = &self.from {
            let of = |kind| tally.of(kind) - from.of(kind);
            self.last = Some(Counted {
                allocated: ALLOCATED.get(),
                freed: FREED.get(),
                inside: INSIDE.get(),
                inputs: tally.inputs - from.inputs,
                bars: of(Kind::Bar),
                decisions: of(Kind::Decision),
                verdicts: of(Kind::Verdict),
            });
        } else if tally.inputs >= WARM_UP_INPUTS {
            self.from = Some(tally.clone());
            ALLOCATED.set(0);
            FREED.set(0);
            INSIDE.set((0, 0));
            COUNTING.set(true);
        }
    }

    fn stop(self) -> Counted {
        COUNTING.set(false);
        self.last.expect("the run is longer than its warm-up")
    }
}

/// The agents, with what they allocate counted apart.
struct Apart(Agents);

impl Policy for Apart {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn decide(&mut self, view: &View<'_>) -> Choice {
        let before = (ALLOCATED.get(), FREED.get());
        let choice = self.0.decide(view);
        let (allocated, freed) = INSIDE.get();
        INSIDE.set((allocated + ALLOCATED.get() - before.0, freed + FREED.get() - before.1));
        choice
    }
}

const CONFIG: &str = "[semantic.bars]\ntimeframes_s = [5, 60, 300, 1800]\n\n\
                      [semantic.synergy]\nfast_s = 5\nslow_s = 60\n\n\
                      [host]\nsegment_mib = 1\nready_segments = 4\n";
const SYMBOLS: [&str; 3] = ["SPY", "GC.201312", "SYN1"];
const TICKS: usize = 1_200_000;

/// Prints over ten days: sessions of three calendars open and close, and silence brings heartbeats.
fn prints() -> Vec<ringbuf_layout::Trade> {
    let instruments: Vec<_> = SYMBOLS.map(|symbol| listed(symbol, false)).into();
    let per_day = TICKS / 10;
    let days = (0..10).map(|day| ns("2013-10-07T13:00:00Z") + day * 86_400_000_000_000);
    let mut prints = Vec::with_capacity(TICKS);
    for from in days {
        // 120,000 in 10 hours of day, then silence until the next.
        prints.extend(steady_prints(&instruments, per_day, from, 300_000_000));
    }
    prints
}

/// Drives sources through the fused spine into a journal, all on this thread, and prints what was counted
/// on it.
fn counted_run(what: &str, sources: Vec<Source>, policies: Policies) -> Counted {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::parse(CONFIG, "a test").unwrap();
    let options = journal::Options {
        segment_bytes: config.host.segment_mib << 20,
        ready_segments: config.host.ready_segments,
        ..journal::Options::new(dir.path())
    };
    let mut recorder = JournalRecorder::new(journal::Writer::create(&options).unwrap());
    let instruments: Vec<_> = SYMBOLS.map(|symbol| listed(symbol, false)).into();
    let mut scene = Scene::new(instruments, Vec::new());
    scene.semantic = config.semantic;
    scene.semantic.drill.order_every = 1_000;
    let slots = config.host.ring_slots;
    let clock = Clock::default();
    let (mut collector, due) = Collector::new(&clock, slots, false);
    let mut plan = scene.plan(Arc::new(AtomicBool::new(false)));
    plan.merge = Merge::new((1..).zip(sources).map(|(i, source)| inlet(i, source)).collect());
    plan.beside.due = Some(due);
    let mut inputs = Sequencer::new(plan);
    let mut machine =
        pipeline::build(&scene.semantic, 3, slots, &[], &mut recorder, None, policies);
    collector.attach(&mut machine.groups);
    let mut counter = Counter::default();
    let clock = std::time::Instant::now();
    drive(&mut inputs, &mut machine, &mut |tally| counter.look(tally)).unwrap();
    let seconds = clock.elapsed().as_secs_f64();
    let counted = counter.stop();
    close(&mut machine).unwrap();
    drop(machine);
    let segments = recorder.stats.bytes >> 20;
    let (recording, _) = Recording::read(dir.path()).unwrap();
    let inputs_of = |kind| recording.inputs().filter(|view| view.kind() == kind).count();
    println!(
        "{what}: {seconds:.2} s, {segments} segments, {} waits, {} sessions, {} timers, {} heartbeats; {counted:?}",
        recorder.stats.segment_waits,
        inputs_of(Kind::Session),
        inputs_of(Kind::Timer),
        inputs_of(Kind::Heartbeat),
    );
    assert!(segments > 50 && inputs_of(Kind::Session) > 20 && inputs_of(Kind::Heartbeat) > 500);
    assert!(counted.decisions > 50_000, "{counted:?}");
    assert!(counted.inputs > 1_000_000 && counted.bars > 10_000, "{counted:?}");
    counted
}

fn inlet(number: u16, source: Source) -> Inlet {
    let numbers = (0..SYMBOLS.len() as u32).map(Some).collect();
    let gauge = FeedGauge::of(std::slice::from_ref(&source)).remove(0);
    let inflow =
        feed::start(source, number, numbers, feed::Filter::default(), 0, Taken::default(), gauge)
            .unwrap();
    Inlet { inflow, live: false, ended: false }
}

#[test]
fn the_spine_allocates_nothing_for_a_million_ticks_from_memory() {
    let sources = vec![memory_source("prints", &SYMBOLS, prints())];
    let counted = counted_run("memory", sources, Policies::default().with_shadow(Rule));
    assert_eq!((counted.allocated, counted.freed), (0, 0), "{counted:?}");
}

#[test]
fn with_agents_in_shadow_the_spine_allocates_inside_burn_alone() {
    let sources = vec![memory_source("prints", &SYMBOLS, prints())];
    let policies = Policies::default().with_shadow(Apart(Agents::embedded()));
    let counted = counted_run("agents in shadow", sources, policies);
    let (allocated, freed) = counted.inside;
    println!(
        "{:.1} allocations a decision inside Burn, {} outside",
        allocated as f64 / counted.decisions as f64,
        counted.allocated - allocated
    );
    assert!(allocated > counted.decisions, "it is Burn that is counted: {counted:?}");
    assert_eq!((counted.allocated, counted.freed), (allocated, freed), "{counted:?}");
    assert_eq!(allocated, freed, "nothing is kept between decisions: {counted:?}");
}

#[test]
fn the_spine_allocates_nothing_for_a_million_ticks_from_a_gateway_thread() {
    let prints = prints();
    let mut others: Vec<InputCell> = Vec::new();
    for print in prints.iter().step_by(10) {
        let (ts, mut ask) = (print.head.ts_event, print.price);
        ask.0 += 3;
        others.push(cell(&quote(1, ts, print.price, ask)));
        others.push(cell(&trade(2, ts - 400_000_000_000, -1, 0)));
        // A book that begins anew, is void, and moves: of the instrument that quotes do not speak for.
        let begins = others.len().is_multiple_of(50);
        others.push(cell(&book_level(2, ts, print.price.0, begins)));
        if others.len().is_multiple_of(300) {
            others.push(cell(&gap(2, ts)));
        }
    }
    let cells = prints.iter().map(cell).collect();
    let sources = vec![
        decoded_source("prints", &SYMBOLS, cells, None),
        decoded_source("others", &SYMBOLS, others, None),
    ];
    let counted = counted_run("gateway threads", sources, Policies::default());
    assert!(counted.verdicts > 100_000, "{counted:?}");
    assert_eq!((counted.allocated, counted.freed), (0, 0), "{counted:?}");
}

fn book_level(instrument: u32, ts: i64, price: i64, begins: bool) -> BookLevel {
    let mut record = level(instrument, ts, price, 1 + price % 3);
    let action = if begins { BookAction::Snapshot } else { BookAction::Set };
    record.source_seq = BookLevel::place(0, action);
    record.tail.side = 1 + (price % 2) as u8;
    record.tail.flags = BOOK_UPDATE_END;
    record
}

fn gap(instrument: u32, ts: i64) -> SourceStatus {
    let mut gap = SourceStatus { head: SourceStatus::header(ts, ts), ..SourceStatus::zeroed() };
    (gap.tail.instrument, gap.tail.side) = (instrument, SourceState::Gap as u8);
    gap
}

/// A recorder with a defect: one slot in a hundred thousand allocates.
struct Defective(u64);

impl Recorder for &mut Defective {
    fn begin(&mut self, seq: u64) -> Result<(), Problem> {
        if seq.is_multiple_of(100_000) {
            self.0 += String::from_utf8_lossy(&seq.to_le_bytes()).into_owned().len() as u64;
        }
        Ok(())
    }

    fn frame(&mut self, _: &[u8], _: bool) -> Result<(), Problem> {
        Ok(())
    }
}

#[test]
fn one_allocation_in_a_hundred_thousand_inputs_is_caught() {
    let instruments: Vec<_> = SYMBOLS.map(|symbol| listed(symbol, false)).into();
    let cells = prints().iter().take(500_000).map(cell).collect();
    let mut scene = Scene::new(instruments, vec![cells]);
    scene.slots = 1_024;
    let mut defective = Defective(0);
    let policies = Policies::default();
    let mut machine =
        pipeline::build(&scene.semantic, 3, scene.slots, &[], &mut defective, None, policies);
    let mut inputs = Sequencer::new(scene.plan(Arc::new(AtomicBool::new(false))));
    let mut counter = Counter::default();
    drive(&mut inputs, &mut machine, &mut |tally| counter.look(tally)).unwrap();
    let counted = counter.stop();
    close(&mut machine).unwrap();
    println!("defective: {counted:?}");
    assert!((4..=20).contains(&counted.allocated), "{counted:?}");
}
