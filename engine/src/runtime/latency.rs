//! Latency: when each input was due, how long each part took over it, and when it was through.
//!
//! ```text
//!  sequencer ──due──▶ a lane of stamps beside the ring (never in slots, records or hashes)
//!  a group's thread ──▶ its own histograms ──full──▶ watching thread: one interval a second, and the sum
//!                                          ◀─spare──
//! ```
//!
//! Every input that closes a bar or speaks of an order is stamped at every part; others one in 1,024.
//! (Ten stamps a tick cost four fifths of the speed.) A batch is stamped once as it enters. In a paced run
//! the stamp is the moment the input was *due*, however late the machine took it, and the way from due to
//! journaled is recorded for every input: a stall is seen by all the inputs it delays.

use crate::runtime::clock::Clock;
use crate::runtime::group::Group;
use crate::runtime::host::{AHEAD, prefetch, prefetch_to_write};
use hdrhistogram::Histogram;
use ringbuf_layout::{Kind, Part, Slot};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Quiet ticks whose sequence is a multiple of this are stamped.
pub const STAMPED_TICKS: u64 = 1_024;
/// Longest latency that is told from a longer one: an hour.
const LONGEST_NS: u64 = 3_600_000_000_000;
/// Significant decimal digits of a histogram: 3 is 0.1 %.
const DIGITS: u8 = 3;

/// What is measured: the time a part takes over one input, or a way through the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measure {
    /// From the moment a part takes an input until it leaves it.
    Part(Part),
    /// The same of the inputs that close a bar alone: what features, matrices and a decision cost.
    Closing(Part),
    /// From the moment an input was due (paced) or published until its whole slot is journaled.
    Journaled,
    /// From the same moment until an order of it left the engine.
    Order,
}

impl Measure {
    /// All of them, in the order of the table: the parts behind the sequencer, the same for closing bars, then
    /// the ways.
    pub fn all() -> impl Iterator<Item = Self> {
        let parts = || Part::ALL.into_iter().skip(1);
        let closing = parts().map(Self::Closing);
        parts().map(Self::Part).chain(closing).chain([Self::Journaled, Self::Order])
    }

    /// Parts behind the sequencer.
    const PARTS: usize = Part::ALL.len() - 1;
    const COUNT: usize = 2 * Self::PARTS + 2;

    fn index(self) -> usize {
        match self {
            Self::Part(part) => part as usize - 1,
            Self::Closing(part) => Self::PARTS + part as usize - 1,
            Self::Journaled => 2 * Self::PARTS,
            Self::Order => 2 * Self::PARTS + 1,
        }
    }

    /// Its word in tables and its tag in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Part(part) => part.name(),
            Self::Closing(part) => CLOSING[part as usize - 1],
            Self::Journaled => "journaled",
            Self::Order => "order",
        }
    }
}

/// The words of closing bars: a tag is one word.
const CLOSING: [&str; Measure::PARTS] = [
    "closing-validate",
    "closing-bar",
    "closing-indicator",
    "closing-matrix",
    "closing-synergy",
    "closing-marl",
    "closing-risk",
    "closing-oms",
    "closing-portfolio",
    "closing-journal",
    "closing-egress",
];

/// An empty histogram of nanoseconds up to an hour, its memory touched: recording never allocates or faults.
///
/// # Panics
/// Never: the bounds are constants that the library takes.
pub fn histogram() -> Histogram<u64> {
    let mut histogram = Histogram::new_with_bounds(1, LONGEST_NS, DIGITS)
        .expect("Invariant: 1 ns to an hour with three digits is a valid histogram");
    histogram.reset();
    histogram
}

/// One stamp a cache line: on a shared one the reader of the last stamp takes the line from the writer of
/// the next, and 300 ns of a paced input went by until it came back from a distant core.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Due(AtomicU64);

/// The stamp of each slot of the ring: the sequencer's end.
#[derive(Debug)]
pub struct DueWriter(Arc<[Due]>);

/// The stamp of each slot of the ring, for those who measure. The ring's cursors order writes and reads.
#[derive(Clone, Debug)]
pub struct DueReader(Arc<[Due]>);

impl DueWriter {
    /// Stamps the slot of `seq`.
    #[inline]
    pub fn put(&mut self, seq: u64, stamp: u64) {
        let due = &self.0[seq as usize & (self.0.len() - 1)];
        prefetch_to_write(due, AHEAD);
        due.0.store(stamp, Relaxed);
    }
}

impl DueReader {
    #[inline]
    fn cell(&self, seq: u64) -> &Due {
        &self.0[seq as usize & (self.0.len() - 1)]
    }

    /// The stamp of a slot that is still in the ring.
    #[inline]
    pub fn get(&self, seq: u64) -> u64 {
        self.cell(seq).0.load(Relaxed)
    }
}

/// Histograms of one stretch of time.
#[derive(Debug)]
pub struct Interval {
    /// When it began, by the run's clock.
    pub from: u64,
    /// When it ended.
    pub to: u64,
    histograms: Vec<Option<Histogram<u64>>>,
}

impl Interval {
    fn of(measures: impl Iterator<Item = Measure>) -> Self {
        let mut histograms: Vec<_> = (0..Measure::COUNT).map(|_| None).collect();
        measures.for_each(|measure| histograms[measure.index()] = Some(histogram()));
        Self { from: 0, to: 0, histograms }
    }

    #[inline]
    fn record(&mut self, measure: Measure, ns: u64) {
        if let Some(histogram) = &mut self.histograms[measure.index()] {
            histogram.saturating_record(ns);
        }
    }

    /// What it holds of one measure, if anything.
    pub fn get(&self, measure: Measure) -> Option<&Histogram<u64>> {
        self.histograms[measure.index()].as_ref().filter(|histogram| !histogram.is_empty())
    }

    fn take_from(&mut self, other: &Self) {
        for measure in Measure::all() {
            if let Some((sum, part)) =
                self.histograms[measure.index()].as_mut().zip(other.get(measure))
            {
                // Both have the same bounds.
                let added = sum.add(part);
                debug_assert!(added.is_ok(), "Invariant: histograms of one shape add up");
            }
        }
    }

    fn reset(&mut self) {
        self.histograms.iter_mut().flatten().for_each(Histogram::reset);
    }
}

/// One thread's stamps: its clock, and the histograms that it alone writes.
#[derive(Debug)]
pub struct Stamps {
    clock: Clock,
    due: DueReader,
    every: bool,
    interval: Box<Interval>,
    full: rtrb::Producer<Box<Interval>>,
    spare: rtrb::Consumer<Box<Interval>>,
    wanted: Arc<AtomicU64>,
    given: u64,
}

impl Stamps {
    /// Now.
    #[inline]
    pub fn now(&self) -> u64 {
        self.clock.now()
    }

    /// True if the way from due to journaled is recorded for every input: in a paced run.
    #[inline]
    pub fn every(&self) -> bool {
        self.every
    }

    /// Asks for the cache line of a stamp.
    #[inline]
    pub fn ask(&self, seq: u64) {
        prefetch(self.due.cell(seq));
    }

    /// The stamp of an input that is still in the ring.
    #[inline]
    pub fn due(&self, seq: u64) -> u64 {
        self.due.get(seq)
    }

    /// Records what lies between two stamps; a moment that was not due yet counts as nothing.
    #[inline]
    pub fn record(&mut self, measure: Measure, from: u64, to: u64) {
        self.interval.record(measure, to.saturating_sub(from));
    }

    /// Hands its histograms to the watching thread if that asked for them. Once a batch.
    #[inline]
    pub fn hand_over(&mut self) {
        if self.wanted.load(Relaxed) != self.given {
            self.swap();
        }
    }

    #[cold]
    fn swap(&mut self) {
        self.given = self.wanted.load(Relaxed);
        // Without a spare the watching thread is late: this interval goes on.
        if let Ok(mut spare) = self.spare.pop() {
            spare.from = self.clock.now();
            let mut full = std::mem::replace(&mut self.interval, spare);
            full.to = self.interval.from;
            let handed = self.full.push(full);
            debug_assert!(handed.is_ok(), "Invariant: the queue holds both intervals of a thread");
        }
    }
}

/// Kinds that every part stamps: bit i is kind i.
const STAMPED_KINDS: u64 =
    1 << Kind::Timer as u64 | 1 << Kind::ExecutionReport as u64 | 1 << Kind::Operator as u64;

/// Which slots of a batch every part stamps, bit i for slot i: those that close a bar or speak of an order, and
/// those that stand for the others.
#[inline]
pub fn stamped(batch: &[&Slot]) -> u64 {
    let mut bits = 0;
    for (i, slot) in batch.iter().enumerate() {
        bits |= (STAMPED_KINDS >> (slot.input.head().kind & 63) & 1) << i;
    }
    let first = batch.first().map_or(0, |slot| slot.seq());
    let standing = first.next_multiple_of(STAMPED_TICKS) - first;
    if standing < batch.len() as u64 { bits | 1 << standing } else { bits }
}

struct Exchange {
    full: rtrb::Consumer<Box<Interval>>,
    spare: rtrb::Producer<Box<Interval>>,
}

/// The watching thread's end: cuts an interval a second and keeps the sum.
pub struct Collector {
    clock: Clock,
    every: bool,
    due: DueReader,
    wanted: Arc<AtomicU64>,
    exchanges: Vec<Exchange>,
    sum: Interval,
    cut: u64,
}

/// Length of an interval.
const SECOND_NS: u64 = 1_000_000_000;

impl Collector {
    /// A lane of stamps for a ring of `slots`, and who collects; `every` for a paced run.
    pub fn new(clock: &Clock, slots: usize, every: bool) -> (Self, DueWriter) {
        let lane: Arc<[Due]> = (0..slots).map(|_| Due::default()).collect();
        let collector = Self {
            clock: clock.clone(),
            every,
            due: DueReader(Arc::clone(&lane)),
            wanted: Arc::default(),
            exchanges: Vec::new(),
            sum: Interval::of(Measure::all()),
            cut: clock.now(),
        };
        (collector, DueWriter(lane))
    }

    /// Stamps for a thread that takes these measures.
    pub fn stamps(&mut self, measures: &[Measure]) -> Stamps {
        let (full, full_out) = rtrb::RingBuffer::new(2);
        let (mut spare, spare_out) = rtrb::RingBuffer::new(2);
        let interval = || Box::new(Interval::of(measures.iter().copied()));
        let pushed = spare.push(interval());
        debug_assert!(pushed.is_ok(), "Invariant: an empty queue takes one");
        let mut first = interval();
        first.from = self.clock.now();
        self.exchanges.push(Exchange { full: full_out, spare });
        Stamps {
            clock: self.clock.clone(),
            due: self.due.clone(),
            every: self.every,
            interval: first,
            full,
            spare: spare_out,
            wanted: Arc::clone(&self.wanted),
            given: 0,
        }
    }

    /// Gives each group of a machine its stamps.
    pub fn attach(&mut self, groups: &mut [Group<'_>]) {
        for group in groups {
            let parts = group.handlers().iter().flat_map(|handler| handler.parts());
            let both = |part: &Part| [Measure::Part(*part), Measure::Closing(*part)];
            let mut measures: Vec<Measure> = parts.flat_map(both).collect();
            if measures.contains(&Measure::Part(Part::Journal)) {
                measures.push(Measure::Journaled);
            }
            if measures.contains(&Measure::Part(Part::Egress)) {
                measures.push(Measure::Order);
            }
            let stamps = self.stamps(&measures);
            group.stamp_with(stamps);
        }
    }

    /// Asks for an interval when a second has passed, and hands those that have come to `log`.
    pub fn look(&mut self, log: &mut impl FnMut(&Interval)) {
        let now = self.clock.now();
        if now - self.cut >= SECOND_NS {
            self.cut = now;
            self.wanted.fetch_add(1, Relaxed);
        }
        for exchange in &mut self.exchanges {
            while let Ok(mut interval) = exchange.full.pop() {
                log(&interval);
                self.sum.take_from(&interval);
                interval.reset();
                drop(exchange.spare.push(interval));
            }
        }
    }

    /// Takes what a thread that has ended still holds.
    pub fn finish(&mut self, mut stamps: Stamps, log: &mut impl FnMut(&Interval)) {
        stamps.interval.to = self.clock.now();
        log(&stamps.interval);
        self.sum.take_from(&stamps.interval);
    }

    /// The sum of all intervals so far.
    pub fn sum(&self) -> &Interval {
        &self.sum
    }
}

impl core::fmt::Debug for Collector {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Collector of {} threads", self.exchanges.len())
    }
}
