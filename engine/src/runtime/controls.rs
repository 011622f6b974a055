//! The handle on a running engine for those outside the spine: the operators' kill word, their commands on
//! the way to the sequencer, what the gauges say.

use crate::layout::ThreadPlan;
use crate::problem::Problem;
use crate::runtime::egress::ENTRY_WORDS;
use crate::runtime::feed_gauge::{FeedGauge, FeedReading};
use crate::runtime::sink::Progress;
use crate::start::wall_ns;
use bytemuck::Zeroable;
use journal::{Durability, Watermark};
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::names::{Command, Latch};
use ringbuf_layout::{Frame, Operator};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;
use sync::{Gauge, KillWord, ListGauge, Trading};

/// Commands that can wait for the sequencer: it takes them between two batches.
const COMMANDS: usize = 1_024;

/// What can be read of a machine while it runs.
#[derive(Debug)]
pub struct Gauges {
    /// Sequences below this are published.
    pub published: Arc<Gauge>,
    /// The parts of each group, and the first sequence that it has not yet taken.
    pub groups: Vec<(String, Arc<Gauge>)>,
    /// How far the journal reaches.
    pub journaled: Arc<Watermark>,
    /// How far it is on the disk, and how the disk is.
    pub disk: Durability,
    /// What the sink counted.
    pub progress: Arc<Progress>,
    /// Orders on their way out, and those that went or came back; none in paper mode.
    pub exit: Option<ExitGauges>,
    /// Symbol and decimal digits of a size, by instrument number.
    pub instruments: Vec<(String, u8)>,
    /// The threads.
    pub layout: Vec<ThreadPlan>,
    /// The sources, in their order.
    pub feeds: Vec<Arc<FeedGauge>>,
    /// When the run began.
    pub began: Instant,
}

/// What the exit counts.
#[derive(Clone, Debug)]
pub struct ExitGauges {
    /// Orders waiting for the watermark or the broker.
    pub list: ListGauge<ENTRY_WORDS>,
    /// Orders and cancel requests that left.
    pub sent: Arc<Gauge>,
    /// Orders that were held back.
    pub held: Arc<Gauge>,
}

/// The handle.
#[derive(Debug)]
pub struct Controls {
    /// Read by the gateway before every order.
    pub kill: KillWord,
    /// Set by SIGINT and SIGTERM: the run drains.
    pub stop: Arc<AtomicBool>,
    /// Set by a second one: the run ends without draining. A third ends the process.
    pub abort: Arc<AtomicBool>,
    queue: Mutex<Queue>,
    commands: Mutex<Option<rtrb::Consumer<Operator>>>,
    gauges: OnceLock<Gauges>,
    last_error: Mutex<Option<String>>,
    /// True once the halt that stands is on its way to the journal.
    recorded: AtomicBool,
    halt_file: OnceLock<PathBuf>,
    disk: OnceLock<Durability>,
}

/// Operator records on their way to the sequencer.
#[derive(Debug)]
struct Queue {
    records: rtrb::Producer<Operator>,
    over: bool,
}

impl Queue {
    fn enqueue(
        &mut self,
        command: Command,
        instrument: Option<u32>,
        (uid, pid): (u32, u32),
    ) -> Result<(), Problem> {
        let fix = "see its summary; begin a new run";
        if self.over {
            return Err(Problem::new("the run has ended", "the engine", fix));
        }
        let head = Operator::header(0, wall_ns());
        let mut record = Operator { head, uid, pid, ..Operator::zeroed() };
        record.tail.instrument = instrument.unwrap_or(NO_INSTRUMENT);
        record.tail.side = command as u8;
        self.records.push(record).map_err(|_| {
            Problem::new(
                format!("{COMMANDS} commands wait already; a halt took effect all the same"),
                "the engine",
                "wait a moment and send it again",
            )
        })
    }
}

impl Default for Controls {
    fn default() -> Self {
        let (queue, commands) = rtrb::RingBuffer::new(COMMANDS);
        Self {
            kill: KillWord::default(),
            stop: Arc::default(),
            abort: Arc::default(),
            queue: Mutex::new(Queue { records: queue, over: false }),
            halt_file: OnceLock::new(),
            disk: OnceLock::new(),
            commands: Mutex::new(Some(commands)),
            gauges: OnceLock::new(),
            last_error: Mutex::default(),
            recorded: AtomicBool::new(false),
        }
    }
}

/// What a command did at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Commanded {
    /// The trading state from now on.
    pub state: Trading,
    /// Orders that had left or were leaving when the word was set: after a halt no other leaves.
    pub sent: u64,
}

impl Controls {
    /// The number of an instrument.
    pub fn instrument(&self, symbol: &str) -> Option<u32> {
        let gauges = self.gauges()?;
        gauges.instruments.iter().position(|(known, _)| known == symbol).map(|number| number as u32)
    }

    /// The sequencer's end of the commands; a run takes it once.
    pub fn commands(&self) -> Option<rtrb::Consumer<Operator>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Shows the gauges of a machine that starts.
    pub fn show(&self, gauges: Gauges) {
        // A second run with the same handle keeps the first one's gauges: there is none.
        drop(self.gauges.set(gauges));
    }

    /// What each source has delivered so far.
    pub fn feeds(&self) -> Vec<FeedReading> {
        self.gauges()
            .map(|gauges| gauges.feeds.iter().map(|feed| feed.read()).collect())
            .unwrap_or_default()
    }

    /// The gauges, once the machine is wired.
    pub fn gauges(&self) -> Option<&Gauges> {
        self.gauges.get()
    }

    /// Takes a command: the word is set at once, and an operator record follows through the sequencer, from
    /// which on `oms` acts on it. For one instrument, or for all.
    ///
    /// # Errors
    /// If too many commands wait, a halt cannot be taken back, or the run has ended.
    pub fn command(
        &self,
        command: Command,
        instrument: Option<u32>,
        (uid, pid): (u32, u32),
    ) -> Result<Commanded, Problem> {
        if command == Command::Halt {
            // Before the lock: nothing shall hold a halt up.
            self.kill.tighten(Trading::Halted);
        }
        // Word and record under one lock: who comes last is last in both.
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = match command {
            Command::Halt => self.kill.tighten(Trading::Halted),
            Command::Reduce => self.kill.tighten(Trading::Reducing),
            Command::Resume => self.resume()?,
            Command::Flatten | Command::CancelAll => self.kill.announced(),
        };
        queue.enqueue(command, instrument, (uid, pid))?;
        if matches!(command, Command::Halt | Command::Resume) {
            self.recorded.store(command == Command::Halt, Relaxed);
        }
        Ok(Commanded { state: self.kill.state(), sent })
    }

    /// What operators said in the run before holds in this one until they say otherwise. It is on record already.
    pub fn stand(&self, trading: Trading) {
        if trading != Trading::Active {
            self.kill.tighten(trading);
            self.recorded.store(true, Relaxed);
        }
    }

    /// Back to trading, unless a fault or a file keeps it halted.
    fn resume(&self) -> Result<u64, Problem> {
        let refused = |what: String, fix: &str| Err(Problem::new(what, "this run", fix));
        if let Some(fault) = self.latch_reason() {
            let fix =
                "find out why, then begin a new run; only halts of an operator can be resumed";
            return refused(format!("trading stays halted: {}", fault.name()), fix);
        }
        if let Some(file) = self.halt_file.get().filter(|file| file.symlink_metadata().is_ok()) {
            let what = format!("trading stays halted: {} is there", file.display());
            return refused(what, "remove the file, then resume");
        }
        if !self.kill.resume() {
            return refused(
                "a halt came at the same moment".to_string(),
                "resume again, if you mean it",
            );
        }
        Ok(self.kill.announced())
    }

    /// Where a file halts trading: looked at from now on, and once at once.
    pub fn watch_file(&self, file: PathBuf) {
        drop(self.halt_file.set(file));
        self.look_at_file();
    }

    /// Whose disk is looked at from now on.
    pub fn watch_disk(&self, disk: Durability) {
        drop(self.disk.set(disk));
    }

    /// Halts, for the rest of the run, if a sync of the journal has failed or its disk is nearly full: before every
    /// order, and now and then.
    pub fn look_at_disk(&self) {
        let Some(disk) = self.disk.get() else { return };
        let (latch, error) = if disk.has_failed() {
            let failure = disk.failure().map_or_else(String::new, |error| error.to_string());
            (
                Latch::SyncFailed,
                format!("a sync of the journal failed, trading is halted: {failure}"),
            )
        } else if disk.is_below_floor() {
            let free = disk.free_bytes() >> 20;
            (Latch::DiskLow, format!("only {free} MiB are free, trading is halted"))
        } else {
            return;
        };
        if self.latch_reason().is_none() {
            self.kill.latch(latch as u32);
            self.note_error(error);
        }
    }

    /// Halts if the file is there.
    pub fn look_at_file(&self) {
        let is_there = |file: &PathBuf| file.symlink_metadata().is_ok();
        if self.kill.operator_state() != Trading::Halted
            && self.halt_file.get().is_some_and(is_there)
        {
            self.kill.tighten(Trading::Halted);
        }
    }

    /// A signal or a file sets only the word; this makes its record. Called now and then by who watches.
    pub fn record_halts(&self) {
        if self.kill.operator_state() != Trading::Halted || self.recorded.load(Relaxed) {
            return;
        }
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        // Where the queue is full or over, the next look tries again.
        let recorded = queue.enqueue(Command::Halt, None, (0, 0)).is_ok();
        self.recorded.store(recorded, Relaxed);
    }

    /// The sequencer takes no command after those that are in the queue now.
    pub fn close_commands(&self) {
        self.record_halts();
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).over = true;
    }

    /// Why trading is halted for the rest of the run, if it is.
    pub fn latch_reason(&self) -> Option<Latch> {
        Latch::from_byte(self.kill.latched() as u8)
    }

    /// Why no order leaves, if none does: `operator` or a latch's word.
    pub fn halt_reason(&self) -> Option<&'static str> {
        let operator = (self.kill.state() == Trading::Halted).then_some("operator");
        self.latch_reason().map(Latch::name).or(operator)
    }

    /// Keeps an error for `status`.
    pub fn note_error(&self, error: impl Into<String>) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.into());
    }

    /// The last error.
    pub fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
