//! The spine on its threads: one a group, named, pinned, each with its own way of waiting.
//!
//! The calling thread does not spin: it watches. Threads end when the run end has gone through them, or
//! when one of them fails: then everyone stops at the next look at the halt word.

use crate::layout::{Layout, ThreadPlan, Wait};
use crate::pipeline::{Pipeline, Producer};
use crate::problem::Problem;
use crate::runtime::group::{BATCH, Group};
use crate::runtime::handler::{At, Fault};
use crate::runtime::host;
use crate::runtime::sequencer::{Inputs, Ready};
use crate::runtime::sink::{Progress, Tally};
use disruptor::Producer as _;
use ringbuf_layout::{InputCell, Part, Slot};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Scope, Thread};
use std::time::{Duration, Instant};
use sync::{StartGate, Stop};

/// Empty rounds that spin, then that yield, before a yielding thread sleeps.
const SPINS: u32 = 64;
const YIELDS: u32 = 256;
const IDLE_SLEEP: Duration = Duration::from_micros(50);
/// How often the watcher looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Wait {
    /// Waits after `idle` empty rounds in a row.
    #[inline]
    pub fn wait(self, idle: u32) {
        match self {
            Self::BusySpin => {}
            Self::SpinHint => std::hint::spin_loop(),
            Self::Yield if idle < SPINS => std::hint::spin_loop(),
            Self::Yield if idle < YIELDS => std::thread::yield_now(),
            Self::Yield | Self::Sleep => std::thread::sleep(IDLE_SLEEP),
        }
    }
}

/// Who looks at a running machine from the calling thread, every 20 ms.
pub trait Watch {
    /// A look; false ends the run at once, without draining.
    fn look(&mut self, progress: &Progress) -> bool;
}

impl<F: FnMut(&Tally)> Watch for F {
    fn look(&mut self, progress: &Progress) -> bool {
        self(&progress.tally());
        true
    }
}

/// What a thread needs to run its part.
struct Seat<'s> {
    plan: ThreadPlan,
    halt: &'s Stop,
    start: &'s StartGate,
}

/// What a drive came to.
#[derive(Clone, Debug, Default)]
pub struct Driven {
    /// Seconds from the first publish to the last slot.
    pub seconds: f64,
    /// The panic that ended it, if one did.
    pub fault: Option<Fault>,
    /// True if the watcher ended it without draining.
    pub aborted: bool,
}

impl Driven {
    /// True if it ended with its inputs.
    pub fn is_clean(&self) -> bool {
        self.fault.is_none() && !self.aborted
    }
}

/// Runs the machine on the layout's threads until the inputs end and the ring is drained, or a part
/// panics: then the parts behind it still take what it had handed on. `halt` is the word that every wait
/// looks at; it is set when a thread fails.
///
/// # Errors
/// The first failure of a thread: a sink's, or a core that cannot be had.
pub fn drive(
    inputs: &mut (impl Inputs + Send),
    machine: &mut Pipeline<'_>,
    layout: &Layout,
    halt: &Stop,
    watch: &mut impl Watch,
) -> Result<Driven, Problem> {
    let start = StartGate::new(layout.threads.len());
    let ended = AtomicUsize::new(0);
    let Pipeline { producer, groups, progress } = machine;
    let mut groups = groups.iter_mut();
    std::thread::scope(|scope| {
        let mut threads = Vec::with_capacity(layout.threads.len());
        let mut first = Some((inputs, producer));
        for plan in &layout.threads {
            let group = if plan.handlers.is_empty() { None } else { groups.next() };
            let seat = Seat { plan: plan.clone(), halt, start: &start };
            let spawned = match first.take() {
                Some((inputs, producer)) => {
                    spawn(scope, plan, &ended, move || seat.lead(inputs, producer, group))
                }
                None => spawn(scope, plan, &ended, move || seat.follow(group)),
            };
            threads.push(spawned.inspect_err(|_| halt.set())?);
        }
        let mut driven = Driven::default();
        while ended.load(Ordering::Relaxed) < threads.len() {
            std::thread::park_timeout(LOOK_EVERY);
            if !watch.look(progress) {
                driven.aborted = true;
                halt.set();
            }
        }
        let mut span: Option<(Instant, Instant)> = None;
        let mut failure = Ok(());
        for thread in threads {
            match thread.join().map_err(|payload| Fault::caught(UNKNOWN, payload.as_ref())) {
                Ok(Ok(ran)) => {
                    let (from, to) = span.unwrap_or((ran.from, ran.to));
                    span = Some((from.min(ran.from), to.max(ran.to)));
                    driven.fault = driven.fault.take().or(ran.fault);
                }
                Ok(Err(problem)) => failure = failure.and(Err(problem)),
                Err(fault) => driven.fault = Some(fault),
            }
        }
        driven.seconds = span.map_or(0.0, |(from, to)| (to - from).as_secs_f64());
        failure.map(|()| driven)
    })
}

/// Where a panic was that no part's own guard caught: in the runtime itself.
const UNKNOWN: At = At { part: Part::Sequencer, seq: 0 };

/// How a thread ended.
struct Ended {
    from: Instant,
    to: Instant,
    fault: Option<Fault>,
}

type Ran = Result<Ended, Problem>;

fn spawn<'scope>(
    scope: &'scope Scope<'scope, '_>,
    plan: &ThreadPlan,
    ended: &'scope AtomicUsize,
    body: impl FnOnce() -> Ran + Send + 'scope,
) -> Result<std::thread::ScopedJoinHandle<'scope, Ran>, Problem> {
    let watcher = std::thread::current();
    let run = move || {
        // Said before the watcher is woken: `is_finished` turns true only after, and it would sleep on.
        let _said = Ending { ended, watcher };
        body()
    };
    std::thread::Builder::new().name(plan.name()).spawn_scoped(scope, run).map_err(|error| {
        Problem::new(format!("cannot start a thread: {error}"), plan.name(), "check ulimit -u")
    })
}

/// Says that a thread ends, however it does.
struct Ending<'s> {
    ended: &'s AtomicUsize,
    watcher: Thread,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.watcher.unpark();
    }
}

/// Stops everyone if a thread unwinds outside the guards of its parts.
struct HaltOnUnwind<'s>(&'s Stop);

impl Drop for HaltOnUnwind<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.set();
        }
    }
}

/// Why a thread's loop ended.
enum Left {
    /// The run end has gone through it, or another thread halted.
    Done,
    /// Its own part panicked.
    Panicked(Fault),
}

/// Runs one step and catches its panic, at the part and sequence where it was.
fn step(group: &mut Group<'_>) -> Result<Result<usize, Problem>, Fault> {
    // A group that panicked is not stepped again: its slots go to the journal as unprocessed.
    let caught = catch_unwind(AssertUnwindSafe(|| group.step()));
    caught.map_err(|payload| Fault::caught(group.at(), payload.as_ref()))
}

impl Seat<'_> {
    /// Pins the thread, waits for the others, runs `body`, and halts everyone if it fails.
    fn run(&self, body: impl FnOnce() -> Result<Left, Problem>) -> Ran {
        let _unwinding = HaltOnUnwind(self.halt);
        let pinned =
            self.plan.core.map_or(Ok(()), pin).and_then(|()| prioritise(self.plan.priority));
        if pinned.is_err() {
            self.halt.set();
        }
        self.start.arrive_and_wait(self.halt, std::thread::yield_now);
        pinned?;
        let from = Instant::now();
        let left = body();
        if !matches!(left, Ok(Left::Done)) {
            self.halt.set();
        }
        let fault = match left? {
            Left::Done => None,
            Left::Panicked(fault) => Some(fault),
        };
        Ok(Ended { from, to: Instant::now(), fault })
    }

    /// The sequencer's thread: publishes, and runs its own handlers if it has any.
    fn lead(
        self,
        inputs: &mut impl Inputs,
        producer: &mut Producer,
        mut group: Option<&mut Group<'_>>,
    ) -> Ran {
        self.run(|| {
            let mut idle = 0_u32;
            while !self.halt.is_set() {
                let published = catch_unwind(AssertUnwindSafe(|| publish(inputs, producer)));
                let (mut moved, ended) = match published {
                    Ok(published) => published,
                    Err(payload) => {
                        let at = At { part: Part::Sequencer, seq: inputs.next_seq() };
                        return Ok(Left::Panicked(Fault::caught(at, payload.as_ref())));
                    }
                };
                if let Some(group) = &mut group {
                    match step(group) {
                        Ok(stepped) => moved += stepped?,
                        Err(fault) => return Ok(Left::Panicked(fault)),
                    }
                }
                if ended && group.as_ref().is_none_or(|group| group.ended()) {
                    return Ok(Left::Done);
                }
                idle = if moved > 0 { 0 } else { idle.saturating_add(1) };
                if moved == 0 {
                    self.plan.wait.wait(idle);
                }
            }
            Ok(Left::Done)
        })
    }

    /// Any other thread: runs its handlers until the run end has gone through them.
    fn follow(self, group: Option<&mut Group<'_>>) -> Ran {
        self.run(|| {
            let Some(group) = group else { return Ok(Left::Done) };
            let mut idle = 0_u32;
            while !group.ended() {
                // Read first: what was handed on before the halt is still taken.
                let halted = self.halt.is_set();
                let moved = match step(group) {
                    Ok(stepped) => stepped?,
                    Err(fault) => return Ok(Left::Panicked(fault)),
                };
                if moved > 0 {
                    idle = 0;
                } else if halted {
                    break;
                } else {
                    idle = idle.saturating_add(1);
                    self.plan.wait.wait(idle);
                }
            }
            Ok(Left::Done)
        })
    }
}

/// After a panic: the slots that were published and did not leave the machine, oldest first, go to the
/// journal as unprocessed inputs. Every other thread has stopped, so the groups can be asked.
///
/// # Errors
/// If they cannot be journaled.
pub fn record_unprocessed(groups: &mut [Group<'_>], fault: &Fault) -> Result<(), Problem> {
    // A group's pending slots begin where the group before it stopped, so the last group has the oldest.
    let mut slots: Vec<InputCell> = Vec::new();
    for group in groups.iter_mut().rev() {
        group.pending(|slot| slots.push(slot.input));
    }
    for input in slots {
        let slot = Slot::holding(&input);
        for handler in groups.iter_mut().flat_map(Group::handlers_mut) {
            handler.on_unprocessed(&slot, fault)?;
        }
    }
    Ok(())
}

/// Publishes at most a batch; returns how many, and whether the run end was published.
#[inline]
pub fn publish(inputs: &mut impl Inputs, producer: &mut Producer) -> (usize, bool) {
    let mut moved = 0;
    inputs.refresh();
    while moved < BATCH {
        match inputs.poll() {
            Ready::Input => {
                let write = |slot: &mut Slot| {
                    host::prefetch_to_write(slot, host::AHEAD);
                    inputs.write(&mut slot.input);
                };
                if producer.try_publish(write).is_err() {
                    break;
                }
                moved += 1;
            }
            Ready::Idle => break,
            Ready::End => return (moved, true),
        }
    }
    (moved, false)
}

/// Puts the calling thread under `SCHED_FIFO` and reads it back; 0 leaves it where it is.
fn prioritise(priority: u8) -> Result<(), Problem> {
    if priority == 0 {
        return Ok(());
    }
    host::set_fifo(priority).map_err(|error| {
        Problem::new(
            format!("cannot run a thread under SCHED_FIFO {priority}: {error}"),
            "host.fifo_priority",
            "allow it (ulimit -r, CAP_SYS_NICE), or set 0",
        )
    })
}

/// Pins the calling thread to a core and reads it back.
///
/// # Errors
/// If the core cannot be had.
pub fn pin(core: usize) -> Result<(), Problem> {
    let mut wanted = CpuSet::new();
    wanted.set(core);
    let set = sched_setaffinity(None, &wanted).and_then(|()| sched_getaffinity(None));
    match set {
        Ok(found) if found == wanted => Ok(()),
        Ok(_) => Err(Problem::new(
            format!("core {core} was asked for and another was given"),
            "--layout",
            "check cgroups and cpusets of this host",
        )),
        Err(error) => Err(Problem::new(
            format!("cannot pin a thread to core {core}: {error}"),
            "--layout",
            "check taskset and the host's cpusets",
        )),
    }
}

/// Puts this thread, and those it starts from now on, on the helpers' cores, and reads back where they are.
///
/// # Errors
/// Where they are instead: the run goes on, but its latencies will show it.
pub fn keep_helpers_on(cores: &[usize]) -> Result<(), Problem> {
    let mut wanted = CpuSet::new();
    for core in cores {
        wanted.set(*core);
    }
    let found = sched_setaffinity(None, &wanted).and_then(|()| sched_getaffinity(None));
    if found.is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    Err(Problem::new(
        "helper threads share the spine's cores",
        format!("cores {cores:?} were asked for"),
        "check cgroups and cpusets of this host",
    ))
}
