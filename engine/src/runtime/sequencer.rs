//! The sequencer: the only producer. Merges sources, numbers inputs, keeps engine time, injects timers,
//! session changes and heartbeats, and ends the run.
//!
//! Engine time is the newest `ts_event` of any market record; it never falls. Everything due at or
//! before a record's engine time is published before the record.

use crate::problem::Problem;
use crate::runtime::clock::Clock;
use crate::runtime::controls::Controls;
use crate::runtime::gateway::{Settle, Settling};
use crate::runtime::latency::DueWriter;
use crate::runtime::merge::{Head, Merge};
use crate::runtime::schedule::{Schedule, is_of_the_market};
use bytemuck::Zeroable;
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::names::{EndReason, SourceState};
use ringbuf_layout::units::MILLISECOND;
use ringbuf_layout::{ExecutionReport, Frame, InputCell, Operator, RunEnd, SourceStatus};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use sync::Gauge;

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
    /// Called before each batch: a look at what changes rarely.
    fn refresh(&mut self) {}
}

/// How fast a finite source runs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Pace {
    /// As fast as the spine.
    Max,
    /// So many times the pace of event time; 1 is real time.
    Times(f64),
    /// So many ticks a second, whatever their event times, `burst` of them due at once.
    Rate {
        /// Mean ticks a second.
        per_second: f64,
        /// Ticks that are due at the same moment; 1 spreads them evenly.
        burst: u64,
    },
}

/// What reaches the sequencer from beside the spine, and what it leaves there. Empty in a stepped test.
#[derive(Debug, Default)]
pub struct Beside {
    /// The run's clock: paces are kept and stamps are taken by it.
    pub clock: Clock,
    /// Stamps of the ring's slots, if anybody measures.
    pub due: Option<DueWriter>,
    /// Sequences below this are published.
    pub published: Arc<Gauge>,
    /// What operators command.
    pub commands: Option<rtrb::Consumer<Operator>>,
    /// What the gateway brings back.
    pub reports: Option<rtrb::Consumer<ExecutionReport>>,
    /// Whether every order has left or come back, before the run ends.
    pub settle: Option<Settle>,
    /// Told when no further command is taken.
    pub controls: Option<Arc<Controls>>,
}

/// What a run's sequencer needs to know.
#[derive(Debug)]
pub struct Plan {
    /// First sequence.
    pub base_seq: u64,
    /// Engine time of the run before it in the same journal; 0 if it is the first.
    pub engine_time: i64,
    /// Published first, in order: run start, instruments, inputs of the run before it that were never processed,
    /// sources up.
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
    /// Instruments of the table: a command for all is expanded to one each.
    pub instruments: u32,
    /// The way in from beside the spine.
    pub beside: Beside,
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
    /// Orders leave or come back.
    Settling,
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
    /// Event time of the first record and when it came, by the run's clock, for a paced run.
    origin: Option<(i64, u64)>,
    /// When the next input was due (paced), or this batch began.
    stamp: u64,
    /// A command for all instruments on its way: the next instrument.
    expanding: Option<(Operator, u32)>,
    /// True if the way in from beside had something when this batch began.
    asked: bool,
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
            engine_time: plan.engine_time,
            anchor: None,
            any_live: plan.merge.any_live(),
            origin: None,
            stamp: plan.beside.clock.now(),
            expanding: None,
            asked: false,
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

    /// The next input is not of the market: it is due now, unless a pace says otherwise.
    fn stage(&mut self, cell: &InputCell) -> Ready {
        self.staged.copy_from(cell);
        self.next = Next::Staged;
        if self.plan.beside.due.is_some() {
            self.stamp = self.plan.beside.clock.now();
        }
        Ready::Input
    }

    fn prologue(&mut self) -> Ready {
        if let Some(cell) = self.prologue.pop_front() {
            if is_of_the_market(&cell) {
                self.engine_time = self.engine_time.max(cell.head().ts_event);
                self.ticks += u64::from(cell.is_tick());
            }
            self.plan.schedule.observe(&cell, self.engine_time);
            return self.stage(&cell);
        }
        self.phase = Phase::Running;
        self.poll()
    }

    #[inline]
    fn running(&mut self) -> Ready {
        if self.plan.stop.load(Ordering::Relaxed) {
            self.reason = EndReason::Interrupted;
            self.phase = Phase::Settling;
            return self.poll();
        }
        if self.asked && self.stage_from_beside() {
            return Ready::Input;
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
            self.plan.schedule.begin(now);
            self.origin = Some((now, self.plan.beside.clock.now()));
        }
        match self.plan.pace {
            Pace::Max => self.release(inlet, now, true),
            Pace::Times(times) => self.paced(inlet, now, times),
            Pace::Rate { per_second, burst } => {
                let (_, began) = self.origin.unwrap_or_default();
                let before = self.ticks - self.ticks % burst;
                let due = began + (before as f64 * 1e9 / per_second) as u64;
                if self.plan.beside.clock.now() < due {
                    return Ready::Idle;
                }
                let ready = self.release(inlet, now, true);
                self.stamp = due;
                ready
            }
        }
    }

    /// So many times real time: what is due by now goes, stamped with when that was.
    fn paced(&mut self, inlet: usize, now: i64, times: f64) -> Ready {
        let (event, began) = self.origin.unwrap_or_default();
        let elapsed = self.plan.beside.clock.now().saturating_sub(began);
        let reached = event.saturating_add((elapsed as f64 * times) as i64).min(now);
        let ready = self.release(inlet, reached, reached == now);
        if ready == Ready::Idle {
            return ready;
        }
        let at = match &self.next {
            Next::Staged => self.staged.head().ts_event,
            Next::Data(_) | Next::Nothing => now,
        };
        self.stamp = began + (at.saturating_sub(event).max(0) as f64 / times) as u64;
        ready
    }

    /// What is due up to `reached` in event time goes first, then the record if it is due as well.
    #[inline]
    fn release(&mut self, inlet: usize, reached: i64, record: bool) -> Ready {
        if self.plan.schedule.is_due(reached)
            && let Some(cell) = self.plan.schedule.pop(reached)
        {
            return self.stage(&cell);
        }
        if !record {
            return Ready::Idle;
        }
        self.next = Next::Data(inlet);
        Ready::Input
    }

    /// A command or a report, if one waits: true if it is staged. Both happen at engine time.
    #[cold]
    fn stage_from_beside(&mut self) -> bool {
        // Nothing of the market is under way: `next` is free.
        let report = |beside: &mut Beside| beside.reports.as_mut()?.pop().ok();
        let cell = if let Some(operator) = self.command() {
            InputCell::from(&operator)
        } else if let Some(report) = report(&mut self.plan.beside) {
            InputCell::from(&report)
        } else {
            self.asked = false;
            return false;
        };
        self.stage(&cell);
        self.staged.head_mut().ts_event = self.engine_time;
        true
    }

    /// The next command, a command for all expanded to one for each instrument.
    fn command(&mut self) -> Option<Operator> {
        let (mut operator, instrument) = if let Some(expanding) = self.expanding.take() {
            expanding
        } else {
            let operator = self.plan.beside.commands.as_mut()?.pop().ok()?;
            if operator.tail.instrument != NO_INSTRUMENT {
                return Some(operator);
            }
            (operator, 0)
        };
        if instrument + 1 < self.plan.instruments {
            self.expanding = Some((operator, instrument + 1));
        }
        operator.tail.instrument = instrument;
        Some(operator)
    }

    /// Before the run end: commands end; in broker mode every order leaves or comes back, within bounds.
    fn settling(&mut self) -> Ready {
        let seq = self.seq;
        let settle = self.plan.beside.settle.as_mut();
        let progress = settle.map_or(Settling::Settled, |settle| settle.look(seq));
        // Looked at after the gauges: what they say is done has its reports in the queue.
        if progress != Settling::Over && self.stage_from_beside() {
            return Ready::Input;
        }
        match progress {
            Settling::Waiting => return Ready::Idle,
            Settling::Quiet => {
                if let Some(settle) = &self.plan.beside.settle {
                    settle.close();
                }
                return Ready::Idle;
            }
            Settling::Settled | Settling::Over => {}
        }
        if let Some(controls) = self.plan.beside.controls.take() {
            // What came before they were closed still counts.
            controls.close_commands();
            return Ready::Idle;
        }
        self.phase = Phase::RunEnd;
        self.poll()
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
            self.phase = Phase::Settling;
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
        self.phase = Phase::Settling;
        self.poll()
    }

    fn run_end(&mut self) -> Ready {
        let end = self.end_record();
        self.phase = Phase::Over;
        self.stage(&InputCell::from(&end))
    }

    /// The run end of a run that stopped where it stood, numbered: the machine no longer takes it.
    pub fn end_at_once(&mut self, reason: EndReason) -> InputCell {
        self.reason = reason;
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
            Phase::Settling => self.settling(),
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
                self.plan.schedule.open_buckets(cell.tail().instrument, ts, cell);
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
        if let Some(due) = &mut self.plan.beside.due {
            due.put(self.seq, self.stamp);
        }
        self.seq += 1;
    }

    fn next_seq(&self) -> u64 {
        self.seq
    }

    fn refresh(&mut self) {
        let beside = &mut self.plan.beside;
        beside.published.set(self.seq);
        if beside.due.is_some() && (self.plan.pace == Pace::Max || self.origin.is_none()) {
            self.stamp = beside.clock.now();
        }
        let waits = |queue: &rtrb::Consumer<Operator>| !queue.is_empty();
        let commanded = beside.commands.as_ref().is_some_and(waits) || self.expanding.is_some();
        self.asked = commanded || beside.reports.as_ref().is_some_and(|queue| !queue.is_empty());
    }
}

impl core::fmt::Debug for Sequencer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Sequencer(next {})", self.seq)
    }
}
