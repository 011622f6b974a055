//! The sequencer: the only producer. Merges sources, numbers inputs, keeps engine time, injects timers,
//! session changes and heartbeats, and ends the run.
//!
//! Engine time is the newest `ts_event` of any market record; it never falls. Everything due at or
//! before a record's engine time is published before the record.

use crate::problem::Problem;
use crate::runtime::merge::{Head, Merge};
use crate::runtime::schedule::Schedule;
use bytemuck::Zeroable;
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::names::{EndReason, SourceState};
use ringbuf_layout::units::MILLISECOND;
use ringbuf_layout::{Frame, InputCell, RunEnd, SourceStatus};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// What the producer finds when it asks for the next input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ready {
    /// One is ready: [`Inputs::write`] puts it into a slot.
    Input,
    /// None now.
    Idle,
    /// The run end has been written: nothing follows.
    End,
}

/// Where inputs come from: the sequencer in a run, a journal in a replay.
pub trait Inputs {
    /// Is there a next input? Never blocks, and asking twice changes nothing.
    fn poll(&mut self) -> Ready;
    /// Writes the input that `poll` announced, numbered.
    fn write(&mut self, cell: &mut InputCell);
    /// The sequence of the next input.
    fn next_seq(&self) -> u64;
}

/// How fast a finite source runs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Pace {
    /// As fast as the spine.
    Max,
    /// So many times the pace of event time; 1 is real time.
    Times(f64),
}

/// What a run's sequencer needs to know.
#[derive(Debug)]
pub struct Plan {
    /// First sequence.
    pub base_seq: u64,
    /// Published first, in order: run start, instruments, sources up.
    pub prologue: Vec<InputCell>,
    /// The sources.
    pub merge: Merge,
    /// What is due in event time.
    pub schedule: Schedule,
    /// How fast.
    pub pace: Pace,
    /// Wall time after which a live boundary is released.
    pub bar_close_delay_ms: i64,
    /// Set by SIGINT and SIGTERM.
    pub stop: Arc<AtomicBool>,
    /// A fail point: panics when this input is about to be written. For tests of what follows a panic.
    pub fail_at: Option<u64>,
}

enum Next {
    Nothing,
    Staged,
    Data(usize),
}

#[derive(PartialEq)]
enum Phase {
    /// Run start, instruments, sources.
    Prologue,
    Running,
    /// Timers up to the next boundary follow the last record of finite sources.
    Boundaries,
    RunEnd,
    Over,
}

/// The sequencer.
pub struct Sequencer {
    plan: Plan,
    prologue: VecDeque<InputCell>,
    staged: InputCell,
    next: Next,
    phase: Phase,
    reason: EndReason,
    failure: Option<Problem>,
    seq: u64,
    ticks: u64,
    engine_time: i64,
    /// Event time and wall time of the latest record: a live market's clock runs on from here.
    anchor: Option<(i64, Instant)>,
    any_live: bool,
    /// Event time and wall time of the first record, for a paced run.
    origin: Option<(i64, Instant)>,
}

impl Sequencer {
    /// A sequencer at the start of a run.
    pub fn new(mut plan: Plan) -> Self {
        Self {
            prologue: std::mem::take(&mut plan.prologue).into(),
            staged: InputCell::default(),
            next: Next::Nothing,
            phase: Phase::Prologue,
            reason: EndReason::SourceEnded,
            failure: None,
            seq: plan.base_seq,
            ticks: 0,
            engine_time: 0,
            anchor: None,
            any_live: plan.merge.any_live(),
            origin: None,
            plan,
        }
    }

    /// Why the sources ended, if one failed.
    pub fn failure(&self) -> Option<&Problem> {
        self.failure.as_ref()
    }

    /// Why the run ended.
    pub fn reason(&self) -> EndReason {
        self.reason
    }

    /// Newest event time of any market record.
    pub fn engine_time(&self) -> i64 {
        self.engine_time
    }

    fn stage(&mut self, cell: &InputCell) -> Ready {
        self.staged.copy_from(cell);
        self.next = Next::Staged;
        Ready::Input
    }

    fn prologue(&mut self) -> Ready {
        if let Some(cell) = self.prologue.pop_front() {
            return self.stage(&cell);
        }
        self.phase = Phase::Running;
        self.poll()
    }

    #[inline]
    fn running(&mut self) -> Ready {
        if self.plan.stop.load(Ordering::Relaxed) {
            self.reason = EndReason::Interrupted;
            self.phase = Phase::RunEnd;
            return self.poll();
        }
        match self.plan.merge.head() {
            Head::Record(inlet, ts) => self.record(inlet, ts),
            Head::Wait => self.idle(),
            Head::Ended(inlet, failure) => self.source_down(inlet, failure),
            Head::End => {
                self.phase = Phase::Boundaries;
                self.poll()
            }
        }
    }

    /// A record waits: what is due before it goes first.
    #[inline]
    fn record(&mut self, inlet: usize, ts: i64) -> Ready {
        let now = self.engine_time.max(ts);
        if self.origin.is_none() {
            self.plan.schedule.start(now);
            self.origin = Some((now, Instant::now()));
        }
        let allowed = match self.plan.pace {
            Pace::Max => now,
            Pace::Times(times) => now.min(self.paced_time(times)),
        };
        if self.plan.schedule.is_due(allowed)
            && let Some(cell) = self.plan.schedule.pop(allowed)
        {
            return self.stage(&cell);
        }
        if allowed < now {
            return Ready::Idle;
        }
        self.next = Next::Data(inlet);
        Ready::Input
    }

    fn paced_time(&self, times: f64) -> i64 {
        let Some((event, wall)) = self.origin else { return i64::MAX };
        event.saturating_add((wall.elapsed().as_nanos() as f64 * times) as i64)
    }

    /// Nothing to publish. A live market's clock goes on: its boundaries are released after a delay.
    fn idle(&mut self) -> Ready {
        if let Some((event, wall)) = self.anchor
            && self.plan.merge.any_live()
        {
            let delay = self.plan.bar_close_delay_ms * MILLISECOND;
            let now = event.saturating_add(wall.elapsed().as_nanos() as i64).saturating_sub(delay);
            if self.plan.schedule.is_due(now)
                && let Some(cell) = self.plan.schedule.pop(now)
            {
                return self.stage(&cell);
            }
        }
        Ready::Idle
    }

    /// A source ended: its status is an input. If it failed, the run ends without further timers.
    fn source_down(&mut self, inlet: usize, failure: Option<Problem>) -> Ready {
        if let Some(problem) = failure {
            self.failure = Some(problem);
            self.reason = EndReason::SourceFailed;
            self.phase = Phase::RunEnd;
        }
        let mut down = SourceStatus {
            head: SourceStatus::header(self.engine_time, self.engine_time),
            ..SourceStatus::zeroed()
        };
        down.tail.instrument = NO_INSTRUMENT;
        down.tail.source = inlet as u16 + 1;
        down.tail.side = SourceState::Down as u8;
        self.stage(&InputCell::from(&down))
    }

    fn boundaries(&mut self) -> Ready {
        if let Some(cell) = self.plan.schedule.pop_at_end() {
            return self.stage(&cell);
        }
        self.phase = Phase::RunEnd;
        self.poll()
    }

    fn run_end(&mut self) -> Ready {
        let end = self.end_record();
        self.phase = Phase::Over;
        self.stage(&InputCell::from(&end))
    }

    /// The run end of a run that panicked, numbered: the machine no longer takes it.
    pub fn end_of_panic(&mut self) -> InputCell {
        self.reason = EndReason::Panicked;
        self.phase = Phase::Over;
        let mut cell = InputCell::from(&self.end_record());
        cell.head_mut().seq = self.seq;
        self.seq += 1;
        cell
    }

    fn end_record(&self) -> RunEnd {
        let mut end = RunEnd {
            head: RunEnd::header(self.engine_time, self.engine_time),
            inputs: self.seq - self.plan.base_seq + 1,
            ticks: self.ticks,
            ..RunEnd::zeroed()
        };
        end.tail.instrument = NO_INSTRUMENT;
        end.tail.side = self.reason as u8;
        end
    }
}

impl Inputs for Sequencer {
    #[inline]
    fn poll(&mut self) -> Ready {
        if !matches!(self.next, Next::Nothing) {
            return Ready::Input;
        }
        match self.phase {
            Phase::Running => self.running(),
            Phase::Prologue => self.prologue(),
            Phase::Boundaries => self.boundaries(),
            Phase::RunEnd => self.run_end(),
            Phase::Over => Ready::End,
        }
    }

    #[inline]
    fn write(&mut self, cell: &mut InputCell) {
        match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Data(inlet) => {
                self.plan.merge.take(inlet, cell);
                let ts = cell.head().ts_event;
                self.engine_time = self.engine_time.max(ts);
                self.plan.schedule.note(self.engine_time);
                self.plan.schedule.open_buckets(cell.tail().instrument, ts);
                self.ticks += u64::from(cell.is_tick());
                if self.any_live {
                    self.anchor = Some((self.engine_time, Instant::now()));
                }
            }
            Next::Staged => cell.copy_from(&self.staged),
            Next::Nothing => panic!("Invariant: write follows a poll that announced an input"),
        }
        assert!(Some(self.seq) != self.plan.fail_at, "fail point of sequencer at {}", self.seq);
        let head = cell.head_mut();
        head.seq = self.seq;
        self.seq += 1;
    }

    fn next_seq(&self) -> u64 {
        self.seq
    }
}

impl core::fmt::Debug for Sequencer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Sequencer(next {})", self.seq)
    }
}
