//! The handle on a running engine for those outside the spine: the operators' kill word, their commands on
//! the way to the sequencer, what the gauges say.

use crate::layout::ThreadPlan;
use crate::problem::Problem;
use crate::runtime::egress::ENTRY_WORDS;
use crate::runtime::sink::Progress;
use bytemuck::Zeroable;
use journal::Watermark;
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::names::{Command, Latch};
use ringbuf_layout::{Frame, Operator};
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
    /// What the sink counted.
    pub progress: Arc<Progress>,
    /// Orders on their way out, and those that went or came back; none in paper mode.
    pub exit: Option<ExitGauges>,
    /// Symbol and decimal digits of a size, by instrument number.
    pub instruments: Vec<(String, u8)>,
    /// The threads.
    pub layout: Vec<ThreadPlan>,
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
    /// Set by each SIGINT and SIGTERM, and taken back by who watches: a second one aborts.
    pub interrupt: Arc<AtomicBool>,
    /// The run ends without draining. One more signal then ends the process.
    pub abort: Arc<AtomicBool>,
    queue: Mutex<rtrb::Producer<Operator>>,
    commands: Mutex<Option<rtrb::Consumer<Operator>>>,
    gauges: OnceLock<Gauges>,
    last_error: Mutex<Option<String>>,
    /// True once the halt that a signal or a file asked for is on its way to the journal.
    recorded: AtomicBool,
}

impl Default for Controls {
    fn default() -> Self {
        let (queue, commands) = rtrb::RingBuffer::new(COMMANDS);
        Self {
            kill: KillWord::default(),
            stop: Arc::default(),
            interrupt: Arc::default(),
            abort: Arc::default(),
            queue: Mutex::new(queue),
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

    /// The gauges, once the machine is wired.
    pub fn gauges(&self) -> Option<&Gauges> {
        self.gauges.get()
    }

    /// Takes a command: the word is set at once, and an operator record follows through the sequencer, from
    /// which on `oms` acts on it. For one instrument, or for all.
    ///
    /// # Errors
    /// If too many commands wait, or a halt cannot be taken back.
    pub fn command(
        &self,
        command: Command,
        instrument: Option<u32>,
        (uid, pid): (u32, u32),
    ) -> Result<Commanded, Problem> {
        let sent = match command {
            Command::Halt => self.kill.set(Trading::Halted),
            Command::Reduce => self.kill.set(Trading::Reducing),
            Command::Resume if !self.kill.resume() => return Err(self.latched()),
            Command::Resume | Command::Flatten | Command::CancelAll => self.kill.announced(),
        };
        if command == Command::Halt {
            self.recorded.store(true, Relaxed);
        }
        if command == Command::Resume {
            self.recorded.store(false, Relaxed);
        }
        self.enqueue(command, instrument, (uid, pid))?;
        Ok(Commanded { state: self.kill.state(), sent })
    }

    fn latched(&self) -> Problem {
        let reason = self.latch_reason().map_or("a fault", Latch::name);
        Problem::new(
            format!("trading stays halted: {reason}"),
            "this run",
            "find out why, then begin a new run; only halts of an operator can be resumed",
        )
    }

    fn enqueue(
        &self,
        command: Command,
        instrument: Option<u32>,
        (uid, pid): (u32, u32),
    ) -> Result<(), Problem> {
        let mut record = Operator { head: Operator::header(0, 0), uid, pid, ..Operator::zeroed() };
        record.tail.instrument = instrument.unwrap_or(NO_INSTRUMENT);
        record.tail.side = command as u8;
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push(record).map_err(|_| {
            Problem::new(
                format!("{COMMANDS} commands wait already; a halt took effect all the same"),
                "the engine",
                "wait a moment and send it again",
            )
        })
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

    /// A signal or a file sets only the word; this makes its record. Called now and then by who watches.
    pub fn record_halts(&self) {
        let is_new = self.kill.state() == Trading::Halted && !self.recorded.swap(true, Relaxed);
        if is_new && let Err(problem) = self.enqueue(Command::Halt, None, (0, 0)) {
            self.note_error(problem.to_string());
        }
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
