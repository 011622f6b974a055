//! The spine on its threads: one a group, named, pinned, each with its own way of waiting.
//!
//! The calling thread does not spin: it watches. Threads end when the run end has gone through them, or
//! when one of them fails: then everyone stops at the next look at the halt word.

use crate::layout::{Layout, ThreadPlan, Wait};
use crate::pipeline::{Pipeline, Producer};
use crate::problem::Problem;
use crate::runtime::group::{BATCH, Group};
use crate::runtime::sequencer::{Inputs, Ready};
use crate::runtime::sink::{Progress, Tally};
use disruptor::Producer as _;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Scope;
use std::time::{Duration, Instant};

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

/// One word that every wait looks at.
#[derive(Debug, Default)]
struct Halt(AtomicBool);

impl Halt {
    fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Where the threads meet before the clock starts.
#[derive(Debug)]
struct Start {
    missing: AtomicUsize,
}

impl Start {
    /// Waits for the others, or for a halt: one of them could not be started.
    fn wait(&self, halt: &Halt) {
        self.missing.fetch_sub(1, Ordering::AcqRel);
        while self.missing.load(Ordering::Acquire) > 0 && !halt.is_set() {
            std::thread::yield_now();
        }
    }
}

/// What a thread needs to run its part.
struct Seat<'s> {
    plan: ThreadPlan,
    halt: &'s Halt,
    start: &'s Start,
}

/// Runs the machine on the layout's threads until the inputs end and the ring is drained; returns the
/// seconds from the first publish to the last journaled slot.
///
/// # Errors
/// The first failure of a thread: a sink's, or a core that cannot be had.
///
/// # Panics
/// Goes on with the panic of a thread, after all of them have stopped.
pub fn drive(
    inputs: &mut (impl Inputs + Send),
    machine: &mut Pipeline<'_>,
    layout: &Layout,
    watch: &mut impl FnMut(&Tally),
) -> Result<f64, Problem> {
    let halt = Halt::default();
    let start = Start { missing: AtomicUsize::new(layout.threads.len()) };
    let Pipeline { producer, groups, progress } = machine;
    let mut groups = groups.iter_mut();
    std::thread::scope(|scope| {
        let mut threads = Vec::with_capacity(layout.threads.len());
        let mut first = Some((inputs, producer));
        for plan in &layout.threads {
            let group = if plan.handlers.is_empty() { None } else { groups.next() };
            let seat = Seat { plan: plan.clone(), halt: &halt, start: &start };
            let spawned = match first.take() {
                Some((inputs, producer)) => {
                    spawn(scope, plan, move || seat.lead(inputs, producer, group))
                }
                None => spawn(scope, plan, move || seat.follow(group)),
            };
            threads.push(spawned.inspect_err(|_| halt.set())?);
        }
        while threads.iter().any(|thread| !thread.is_finished()) {
            std::thread::park_timeout(LOOK_EVERY);
            look(progress, watch);
        }
        let mut span: Option<(Instant, Instant)> = None;
        let mut failure = Ok(());
        for thread in threads {
            match thread.join() {
                Ok(Ok((from, to))) => {
                    span = Some(span.map_or((from, to), |(a, b)| (a.min(from), b.max(to))));
                }
                Ok(Err(problem)) => failure = failure.and(Err(problem)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        failure.map(|()| span.map_or(0.0, |(from, to)| (to - from).as_secs_f64()))
    })
}

type Ran = Result<(Instant, Instant), Problem>;

fn spawn<'scope>(
    scope: &'scope Scope<'scope, '_>,
    plan: &ThreadPlan,
    body: impl FnOnce() -> Ran + Send + 'scope,
) -> Result<std::thread::ScopedJoinHandle<'scope, Ran>, Problem> {
    let watcher = std::thread::current();
    let run = move || {
        let ran = body();
        watcher.unpark();
        ran
    };
    std::thread::Builder::new().name(plan.name()).spawn_scoped(scope, run).map_err(|error| {
        Problem::new(format!("cannot start a thread: {error}"), plan.name(), "check ulimit -u")
    })
}

fn look(progress: &Progress, watch: &mut impl FnMut(&Tally)) {
    watch(&progress.tally());
}

/// Sets the halt word if its thread leaves early, by an error or a panic.
struct Guard<'s> {
    halt: &'s Halt,
    done: bool,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.halt.set();
        }
    }
}

impl Seat<'_> {
    /// Pins the thread, waits for the others, runs `body`, and halts everyone if it fails.
    fn run(&self, body: impl FnOnce() -> Result<(), Problem>) -> Ran {
        let mut guard = Guard { halt: self.halt, done: false };
        let pinned = self.plan.core.map_or(Ok(()), pin);
        self.start.wait(self.halt);
        pinned?;
        let from = Instant::now();
        body()?;
        guard.done = true;
        Ok((from, Instant::now()))
    }

    /// The sequencer's thread: publishes, and runs its own handlers if it has any.
    fn lead(
        self,
        inputs: &mut impl Inputs,
        producer: &mut Producer,
        mut group: Option<&mut Group<'_>>,
    ) -> Ran {
        self.run(|| {
            let mut idle = 0;
            while !self.halt.is_set() {
                let (mut moved, ended) = publish(inputs, producer);
                if let Some(group) = &mut group {
                    moved += group.step()?;
                }
                if ended && group.as_ref().is_none_or(|group| group.ended()) {
                    return Ok(());
                }
                idle = if moved > 0 { 0 } else { idle + 1 };
                if moved == 0 {
                    self.plan.wait.wait(idle);
                }
            }
            Ok(())
        })
    }

    /// Any other thread: runs its handlers until the run end has gone through them.
    fn follow(self, group: Option<&mut Group<'_>>) -> Ran {
        self.run(|| {
            let Some(group) = group else { return Ok(()) };
            let mut idle = 0;
            while !group.ended() {
                if group.step()? > 0 {
                    idle = 0;
                    continue;
                }
                // What was handed on before the halt is still taken.
                if self.halt.is_set() {
                    return Ok(());
                }
                idle += 1;
                self.plan.wait.wait(idle);
            }
            Ok(())
        })
    }
}

/// Publishes at most a batch; returns how many, and whether the run end was published.
#[inline]
pub fn publish(inputs: &mut impl Inputs, producer: &mut Producer) -> (usize, bool) {
    let mut moved = 0;
    while moved < BATCH {
        match inputs.poll() {
            Ready::Input => {
                if producer.try_publish(|slot| inputs.write(&mut slot.input)).is_err() {
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

/// Pins the calling thread to a core and reads it back.
fn pin(core: usize) -> Result<(), Problem> {
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

/// Keeps the threads that this one starts from now on off `cores`, where others are left: helper
/// threads inherit it.
pub fn keep_helpers_off(cores: &[usize]) {
    if let Ok(mut allowed) = sched_getaffinity(None) {
        for core in cores {
            allowed.unset(*core);
        }
        if allowed.count() > 0 {
            // Where the host refuses, helpers run where they may.
            let _ = sched_setaffinity(None, &allowed);
        }
    }
}
