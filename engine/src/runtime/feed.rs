//! A gateway thread: runs a decoder, names instruments, restores order within `reorder_ms`, and hands
//! records to the sequencer through a bounded queue.

use crate::problem::Problem;
use crate::runtime::feed_gauge::FeedGauge;
use crate::runtime::taken::Taken;
use crate::source::{Decoder, Feed, Source};
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::units::MILLISECOND;
use ringbuf_layout::{InputCell, Trade};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Records that a queue holds: 1 MiB, about a millisecond of the spine at full speed.
const QUEUE_RECORDS: usize = 8_192;
/// How long a gateway thread sleeps when its queue is full.
const FULL_SLEEP: Duration = Duration::from_micros(50);

/// What of a source is wanted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// First event time, ns UTC.
    pub from: Option<i64>,
    /// First event time that is no longer wanted.
    pub to: Option<i64>,
    /// Symbols; all if empty.
    pub symbols: Vec<String>,
}

impl Filter {
    /// True if records of this symbol are wanted.
    pub fn wants(&self, symbol: &str) -> bool {
        self.symbols.is_empty() || self.symbols.iter().any(|s| s == symbol)
    }

    /// True if records of this event time are wanted.
    pub fn holds(&self, ts: i64) -> bool {
        self.from.is_none_or(|from| ts >= from) && self.to.is_none_or(|to| ts < to)
    }
}

/// How a feed ended; read once its queue is empty and abandoned.
pub type FeedEnd = Arc<Mutex<Option<Problem>>>;

/// The sequencer's end of a feed.
#[derive(Debug)]
pub enum Inflow {
    /// From a gateway thread.
    Queue {
        /// The records.
        records: rtrb::Consumer<InputCell>,
        /// Why it stopped, if it failed.
        end: FeedEnd,
        /// The thread; it ends by itself when the queue is dropped.
        thread: Option<JoinHandle<()>>,
        /// Asks the thread to end.
        stop: Arc<AtomicBool>,
    },
    /// From memory: nothing but the spine runs.
    Memory {
        /// The records.
        records: Vec<Trade>,
        /// The next of them.
        at: usize,
    },
}

impl Drop for Inflow {
    fn drop(&mut self) {
        if let Self::Queue { thread, stop, .. } = self {
            stop.store(true, Ordering::Relaxed);
            // A thread that is blocked in a read of stdin cannot be joined; it owns nothing of ours.
            drop(thread.take());
        }
    }
}

/// Starts a source's gateway thread, or readies its records.
///
/// `numbers` maps the source's symbols to the instrument table; `None` for those the filter drops. Of a source
/// that delivered into the same journal before, `taken` is what is journaled: a finite one leaves that out, a live
/// one numbers on behind it.
///
/// # Errors
/// If the thread cannot be started.
pub fn start(
    source: Source,
    number: u16,
    numbers: Vec<Option<u32>>,
    filter: Filter,
    reorder_ms: i64,
    taken: Taken,
    gauge: Arc<FeedGauge>,
) -> Result<Inflow, Problem> {
    let first = if source.live { taken.end() } else { 0 };
    let lane = Labels { number, numbers, filter, taken };
    match source.feed {
        Feed::Memory(mut records) => {
            let mut sequence = first;
            records.retain_mut(|trade| lane.label_trade(trade, &mut sequence));
            Ok(Inflow::Memory { records, at: 0 })
        }
        Feed::Decoder(decoder) => {
            let (queue, records) = rtrb::RingBuffer::new(QUEUE_RECORDS);
            // Stands until the thread says how it ended: a panic says nothing.
            let panicked = Problem::new(
                format!("the thread of source {number} panicked"),
                format!("thread gm-source-{number}"),
                "report the panic printed above; what came before it is journaled",
            );
            let end: FeedEnd = Arc::new(Mutex::new(Some(panicked)));
            let stop = Arc::new(AtomicBool::new(false));
            let outlet = Outlet { queue, stop: Arc::clone(&stop) };
            let mut pump = Pump {
                decoder,
                lane,
                gauge,
                outlet,
                reorder: reorder_ms * MILLISECOND,
                held: BinaryHeap::new(),
                newest: i64::MIN,
                sequence: first,
            };
            let theirs = Arc::clone(&end);
            let thread = std::thread::Builder::new()
                .name(format!("gm-source-{number}"))
                .spawn(move || {
                    let failure = pump.run().err();
                    *theirs.lock().unwrap_or_else(PoisonError::into_inner) = failure;
                    // Only now: whoever sees the queue abandoned finds why.
                    drop(pump);
                })
                .map_err(|e| {
                    Problem::new(format!("cannot start a thread: {e}"), "", "check ulimit -u")
                })?;
            Ok(Inflow::Queue { records, end, thread: Some(thread), stop })
        }
    }
}

/// Names a source's records in the engine's terms.
struct Labels {
    number: u16,
    numbers: Vec<Option<u32>>,
    filter: Filter,
    /// What is journaled already.
    taken: Taken,
}

impl Labels {
    /// The instrument number; `None` drops the record.
    fn instrument(&self, local: u32, ts: i64) -> Option<u32> {
        if !self.filter.holds(ts) {
            return None;
        }
        match self.numbers.get(local as usize) {
            Some(number) => *number,
            None => self.filter.symbols.is_empty().then_some(NO_INSTRUMENT),
        }
    }

    fn label_trade(&self, trade: &mut Trade, sequence: &mut u64) -> bool {
        let is_taken = self.taken.holds(*sequence);
        trade.source_seq |= *sequence;
        *sequence += 1;
        trade.tail.source = self.number;
        let instrument = self.instrument(trade.tail.instrument, trade.head.ts_event);
        trade.tail.instrument = instrument.unwrap_or(NO_INSTRUMENT);
        instrument.is_some() && !is_taken
    }

    fn label(&self, cell: &mut InputCell, sequence: u64) -> bool {
        cell.set_source_sequence(sequence);
        let instrument = self.instrument(cell.tail().instrument, cell.head().ts_event);
        let tail = cell.tail_mut();
        tail.source = self.number;
        tail.instrument = instrument.unwrap_or(NO_INSTRUMENT);
        instrument.is_some()
    }
}

/// The gateway thread's end of the queue.
struct Outlet {
    queue: rtrb::Producer<InputCell>,
    stop: Arc<AtomicBool>,
}

impl Outlet {
    /// Hands a record on; false when nobody wants it any more.
    fn send(&mut self, mut cell: InputCell) -> bool {
        loop {
            match self.queue.push(cell) {
                Ok(()) => return true,
                Err(rtrb::PushError::Full(back)) => cell = back,
            }
            if self.stop.load(Ordering::Relaxed) || self.queue.is_abandoned() {
                return false;
            }
            std::thread::sleep(FULL_SLEEP);
        }
    }
}

struct Pump {
    decoder: Box<dyn Decoder>,
    lane: Labels,
    gauge: Arc<FeedGauge>,
    outlet: Outlet,
    reorder: i64,
    held: BinaryHeap<Reverse<(i64, u64, Held)>>,
    newest: i64,
    /// Of the next record.
    sequence: u64,
}

/// A record in the reorder heap; ordered by time and source sequence alone.
struct Held(InputCell);

impl PartialEq for Held {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for Held {}
impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Held {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl Pump {
    fn run(&mut self) -> Result<(), Problem> {
        let mut cell = InputCell::default();
        let failure = loop {
            match self.decoder.next(&mut cell) {
                Ok(true) => {}
                Ok(false) => break None,
                Err(problem) => break Some(problem),
            }
            // Past the end of what is wanted, and past what a reordered record could still be: a live source
            // would never end by itself.
            let past = cell.head().ts_event.saturating_sub(self.reorder);
            if self.lane.filter.to.is_some_and(|to| past >= to) {
                break None;
            }
            let sequence = self.sequence;
            self.sequence += 1;
            if !self.lane.label(&mut cell, sequence) {
                continue;
            }
            self.gauge.note(cell.head().ts_event, cell.head().ts_recv);
            if !self.deliver(cell, sequence) {
                return Ok(());
            }
        };
        for (reason, count) in self.decoder.left_out() {
            tracing::info!(source = self.lane.number, reason, count, "records left out");
        }
        while let Some(Reverse((_, _, Held(cell)))) = self.held.pop() {
            if !self.outlet.send(cell) {
                return Ok(());
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Sends a record, or holds it until newer ones show that no older one can come.
    ///
    /// One that is journaled already is not sent, but shows the same: so the others come in the order in which they
    /// would have come.
    fn deliver(&mut self, cell: InputCell, sequence: u64) -> bool {
        let is_taken = self.lane.taken.holds(sequence);
        if self.reorder == 0 {
            return is_taken || self.outlet.send(cell);
        }
        let ts = cell.head().ts_event;
        self.newest = self.newest.max(ts);
        if !is_taken {
            self.held.push(Reverse((ts, sequence, Held(cell))));
        }
        let due = self.newest.saturating_sub(self.reorder);
        while self.held.peek().is_some_and(|Reverse((ts, ..))| *ts <= due) {
            let Some(Reverse((_, _, Held(cell)))) = self.held.pop() else { break };
            if !self.outlet.send(cell) {
                return false;
            }
        }
        true
    }
}
