//! A run: sources in, a sealed journal and a summary out.

use crate::begun::{begin, plan};
use crate::config::Config;
use crate::layout::{Layout, Wait};
use crate::manifest::Listed;
use crate::pipeline::{self, Pipeline};
use crate::policy::Policies;
use crate::problem::Problem;
use crate::resume::{Consent, Rebuilt};
use crate::retain::{Retainer, is_dropped};
use crate::runtime::clock::Clock;
use crate::runtime::controls::{Controls, ExitGauges, Gauges};
use crate::runtime::egress::{ENTRY_WORDS, Outlet};
use crate::runtime::fail_point::FailPoint;
use crate::runtime::feed::Filter;
use crate::runtime::feed_gauge::FeedGauge;
use crate::runtime::gateway::{Broker, Closing, Comparator, Gateway, Release, Settle};
use crate::runtime::group::Group;
use crate::runtime::handler::Fault;
use crate::runtime::latency::{Collector, Interval, Measure, Stamps};
use crate::runtime::sequencer::{Beside, Inputs, Pace, Sequencer};
use crate::runtime::sink::{Progress, Recorder, Tally};
use crate::runtime::threads::{self, Driven, Watch, publish};
use crate::source::Source;
use crate::start::wall_ns;
use crate::summary::Summary;
use journal::{Durability, Stats, Writer};
use ringbuf_layout::frame::LINE;
use ringbuf_layout::names::EndReason;
use ringbuf_layout::{ExecutionReport, Part};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use sync::{Gauge, ListReader, Stop};

/// Empty rounds after which the watcher is called every time: the loop sleeps by then.
const IDLE_BEFORE_LOOKS: u32 = 256;
/// Rounds between two looks of the progress watcher: a few milliseconds at full speed.
const ROUNDS_BETWEEN_LOOKS: u32 = 1_024;
/// Reports that can wait for the sequencer; the gateway keeps the rest.
const REPORTS: usize = 1_024;

/// Takes each second's histograms.
pub type LatencyLog = Box<dyn FnMut(&Interval)>;

/// Is told how a state was rebuilt.
pub type Told = Box<dyn FnOnce(&Rebuilt)>;
/// Makes the policies of a config.
pub type PolicyMaker = Box<dyn FnMut(&Config) -> Result<Policies, Problem>>;

/// What to run.
pub struct Order {
    /// The config.
    pub config: Config,
    /// The threads, planned for this host.
    pub layout: Layout,
    /// The opened sources.
    pub sources: Vec<Source>,
    /// Journal directory.
    pub dir: PathBuf,
    /// How fast.
    pub pace: Pace,
    /// What of the sources is wanted.
    pub filter: Filter,
    /// Stop flags, kill word, commands and gauges: shared with signals and `ctl`.
    pub controls: Arc<Controls>,
    /// Who decides, and who runs in shadow.
    pub policies: Policies,
    /// The file of the weights that the policies run, if they run any: kept with the journal.
    pub weights: Option<Vec<u8>>,
    /// Who takes orders in broker mode.
    pub broker: Option<Box<dyn Broker>>,
    /// Where each second's histograms go.
    pub latency_log: Option<LatencyLog>,
    /// Build identity.
    pub build: String,
    /// What the run may do with a journal that is there already.
    pub consent: Consent,
    /// Makes the policies of the runs before in the same journal, from their config: their outputs are compared.
    pub policies_of: PolicyMaker,
    /// Told once the state of a journal that is there was rebuilt.
    pub rebuilt: Option<Told>,
    /// A fail point: this part panics at this input. For tests of what follows.
    pub fault: Option<FailPoint>,
}

impl Order {
    /// A run of these sources into `dir` as fast as it goes, in paper mode, by the rule baseline.
    pub fn new(config: Config, layout: Layout, sources: Vec<Source>, dir: PathBuf) -> Self {
        Self {
            config,
            layout,
            sources,
            dir,
            pace: Pace::Max,
            filter: Filter::default(),
            controls: Arc::default(),
            policies: Policies::default(),
            weights: None,
            broker: None,
            latency_log: None,
            build: "unknown build".to_string(),
            consent: Consent::default(),
            policies_of: Box::new(|_| Ok(Policies::default())),
            rebuilt: None,
            fault: None,
        }
    }
}

impl core::fmt::Debug for Order {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Order({} sources into {})", self.sources.len(), self.dir.display())
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// What it did.
    pub summary: Summary,
    /// What went wrong once it was running: the journal holds what came before.
    pub failure: Option<Problem>,
    /// How its state was rebuilt, if it went on with a journal.
    pub rebuilt: Option<Rebuilt>,
    /// The snapshot of its end, or why there is none. Only a run that ended in good order leaves one.
    pub snapshot: Option<Result<PathBuf, Problem>>,
}

/// Runs until the sources end, one fails, the disk is full, or SIGINT stops it. `started` is called once the
/// journal directory is ours, `watch` now and then while it runs.
///
/// # Errors
/// What keeps the run from starting. A directory that was not a journal before is not one then; a journal is as it was.
pub fn run(
    mut order: Order,
    started: impl FnOnce(&Path),
    mut watch: impl FnMut(&Tally),
) -> Result<Outcome, Problem> {
    let mut begun = begin(&mut order, started, &mut watch)?;
    let (slots, controls) = (order.config.host.ring_slots, Arc::clone(&order.controls));
    let clock = Clock::default();
    let (mut collector, due) = Collector::new(&clock, slots, order.pace != Pace::Max);
    let (outlet, list) = order.broker.as_ref().map(|_| exit_of(&order)).unzip();
    let pushed = outlet.as_ref().map(Outlet::pushed).unwrap_or_default();
    let Some(writer) = begun.writer.take() else { unreachable!("Invariant: it has begun") };
    let disk = writer.durability();
    let mut writer = JournalRecorder::new(writer);
    let (semantic, instruments) = (&order.config.semantic, begun.table.len());
    let (cuts, names) = (order.layout.cuts(), order.policies.names());
    let policies = std::mem::take(&mut order.policies);
    let mut machine =
        pipeline::build(semantic, instruments, slots, &cuts, &mut writer, outlet, policies);
    begun.stand(&mut machine, &order.dir)?;
    collector.attach(&mut machine.groups);
    if let Some(fault) = order.fault {
        machine.inject(fault);
    }
    let halt = Arc::new(Stop::new());
    controls.watch_file(order.dir.join(HALT_FILE));
    controls.watch_disk(disk.clone());
    let mut beside = Beside {
        clock,
        due: Some(due),
        commands: controls.commands(),
        controls: Some(Arc::clone(&controls)),
        ..Beside::default()
    };
    let mut exit = None;
    if let Some((broker, list)) = order.broker.take().zip(list) {
        let durable = (order.config.host.release == "durable").then(|| disk.clone());
        let release = Release { journaled: Arc::clone(disk.journaled()), durable };
        let gate = Gate { order: &order, release, halt: &halt, pushed: &pushed };
        let stamps = collector.stamps(&[Measure::Order]);
        exit = Some(gate.open(broker, list, &machine, &mut beside, stamps)?);
    }
    let exit_gauges = exit.as_ref().map(|exit| exit.gauges.clone());
    let published = Arc::clone(&beside.published);
    controls.show(gauges(&machine, disk, published, exit_gauges, &begun.table, &order));
    let plan = plan(&mut order, &mut begun, beside)?;
    let mut sequencer = Sequencer::new(plan);
    let mut watcher = Watcher {
        controls: &controls,
        retainer: begun.retainer.take(),
        collector,
        log: order.latency_log.unwrap_or_else(|| Box::new(|_| ())),
        watch: &mut watch,
    };
    let driven = threads::drive(&mut sequencer, &mut machine, &order.layout, &halt, &mut watcher);
    let clean = driven.as_ref().is_ok_and(Driven::is_clean);
    let (stamps, left) = exit.map(|exit| exit.close(clean, pushed.get())).unwrap_or_default();
    let latency = watcher.finish(&mut machine, stamps);
    let elapsed_s = driven.as_ref().map_or(0.0, |driven| driven.seconds);
    let driven = driven.and_then(|driven| at_once(&driven, &mut sequencer, &mut machine));
    let driven = driven.and(close(&mut machine)).and(left.map_or(Ok(()), Err));
    let (tally, orders) = (tally(&machine), egress_orders(&machine));
    let image = (driven.is_ok() && !is_dropped(&order.dir)).then(|| machine.save());
    drop(machine);
    let snapshot = image.map(|image| begun.leave(image, &order.dir, &order.config));
    warn_of(snapshot.as_ref().and_then(|left| left.as_ref().err()), &controls);
    let mut summary = Summary::new(tally, names, elapsed_s, &order.dir);
    summary.no_decisions = order.config.never_decides();
    (summary.layout, summary.egress_orders, summary.latency) =
        (order.layout.threads, orders, latency);
    (summary.bytes, summary.segment_waits) = (writer.stats.bytes, writer.stats.segment_waits);
    (summary.state, summary.state_reason) = (controls.kill.state(), controls.halt_reason());
    summary.feeds = controls.feeds();
    let (summary, failure) = outcome(summary, driven, &sequencer);
    Ok(Outcome { summary, failure, rebuilt: begun.rebuilt, snapshot })
}

/// What can be read of a machine that starts.
fn gauges(
    machine: &Pipeline<'_>,
    disk: Durability,
    published: Arc<Gauge>,
    exit: Option<ExitGauges>,
    table: &[Listed],
    order: &Order,
) -> Gauges {
    Gauges {
        published,
        groups: machine.groups.iter().map(Group::gauge).collect(),
        journaled: Arc::clone(disk.journaled()),
        disk,
        progress: Arc::clone(&machine.progress),
        exit,
        instruments: table.iter().map(Listed::shown).collect(),
        layout: order.layout.threads.clone(),
        feeds: FeedGauge::of(&order.sources),
        began: Instant::now(),
    }
}

fn egress_orders(machine: &Pipeline<'_>) -> u64 {
    let handlers = machine.groups.iter().flat_map(Group::handlers);
    handlers.map(|handler| handler.orders_out()).sum()
}

/// Says what did not work out beside a run that did.
fn warn_of(problem: Option<&Problem>, controls: &Controls) {
    if let Some(problem) = problem {
        tracing::warn!("{problem}");
        controls.note_error(problem.to_string());
    }
}

/// How it ended, in words, and what went wrong.
fn outcome(
    mut summary: Summary,
    driven: Result<(), Problem>,
    sequencer: &Sequencer,
) -> (Summary, Option<Problem>) {
    let reason = sequencer.reason();
    summary.ended = match (&driven, reason) {
        (Err(_), EndReason::SourceEnded) => "sink_failed".to_string(),
        (_, reason) => reason.name().to_string(),
    };
    let failed_source = sequencer.failure().filter(|_| reason == EndReason::SourceFailed);
    (summary, driven.err().or(failed_source.cloned()))
}

/// A file of this name in the journal's directory halts trading.
pub const HALT_FILE: &str = "halt";

/// Broker mode needs a broker, and paper mode has none.
pub(crate) fn refuse_exit(config: &Config, broker: bool) -> Result<(), Problem> {
    let needs = config.semantic.venue.mode == "broker";
    match (needs, broker) {
        (true, false) => Err(Problem::new(
            "broker mode without a broker",
            "semantic.venue.mode",
            "set host.broker = \"recording\" for a drill, or mode = \"paper\"",
        )),
        (false, true) => Err(Problem::new(
            "a broker without broker mode",
            "host.broker",
            "set semantic.venue.mode = \"broker\", or leave host.broker out",
        )),
        _ => Ok(()),
    }
}

fn exit_of(order: &Order) -> (Outlet, ListReader<ENTRY_WORDS>) {
    Outlet::new(order.config.host.egress_orders, Arc::clone(&order.controls))
}

/// What a gateway shares with its run.
struct Gate<'a> {
    order: &'a Order,
    release: Release,
    halt: &'a Arc<Stop>,
    pushed: &'a Arc<Gauge>,
}

/// The gateway's thread, and what ends it.
struct Exit {
    thread: JoinHandle<Stamps>,
    closing: Arc<Closing>,
    halt: Arc<Stop>,
    gauges: ExitGauges,
    bound: Duration,
}

impl Gate<'_> {
    /// Starts the gateway's thread and opens the way back to the sequencer.
    fn open(
        self,
        broker: Box<dyn Broker>,
        list: ListReader<ENTRY_WORDS>,
        machine: &Pipeline<'_>,
        beside: &mut Beside,
        stamps: Stamps,
    ) -> Result<Exit, Problem> {
        let host = &self.order.config.host;
        let (reports, way_back) = rtrb::RingBuffer::<ExecutionReport>::new(REPORTS);
        let closing = Arc::<Closing>::default();
        let bound = Duration::from_millis(host.drain_ms);
        let (sent, held) = (Arc::<Gauge>::default(), Arc::<Gauge>::default());
        let gauges =
            ExitGauges { list: list.gauge(), sent: Arc::clone(&sent), held: Arc::clone(&held) };
        let taken = machine.groups.last().map(Group::gauge).unwrap_or_default().1;
        beside.reports = Some(way_back);
        beside.settle = Some(Settle {
            taken,
            pushed: Arc::clone(self.pushed),
            closing: Arc::clone(&closing),
            bound,
            since: None,
        });
        let instruments = machine.progress.positions().len();
        let gateway = Gateway {
            broker,
            list,
            release: self.release,
            controls: Arc::clone(&self.order.controls),
            stop: Arc::clone(self.halt),
            closing: Arc::clone(&closing),
            reports,
            comparator: Comparator::new(Arc::clone(&machine.progress), instruments),
            max_age: Duration::from_millis(host.order_max_age_ms),
            clock: beside.clock.clone(),
            stamps,
            sent,
            held,
        };
        let thread = std::thread::Builder::new().name("gm-gateway".into());
        let thread = thread.spawn(move || gateway.run()).map_err(|error| {
            Problem::new(format!("cannot start a thread: {error}"), "gm-gateway", "check ulimit -u")
        })?;
        Ok(Exit { thread, closing, halt: Arc::clone(self.halt), gauges, bound })
    }
}

impl Exit {
    /// Ends the gateway, at once where the spine failed, and returns its stamps and what is left undone: orders
    /// that neither left nor came back, or a broker that does not return from a call within the bound. It is
    /// then left behind: nothing leaves after this.
    fn close(self, clean: bool, pushed: u64) -> (Option<Stamps>, Option<Problem>) {
        if !clean {
            self.halt.set();
        }
        self.closing.closed.set();
        self.closing.finished.set();
        let began = Instant::now();
        while !self.thread.is_finished() && began.elapsed() < self.bound.max(LEAST_PATIENCE) {
            std::thread::sleep(Duration::from_micros(100));
        }
        let problem = |what: String| {
            let fix = "ask the broker what became of them; a longer host.drain_ms waits longer";
            Some(Problem::new(what, "the exit", fix))
        };
        if !self.thread.is_finished() {
            return (None, problem("the broker does not return from a call".to_string()));
        }
        let undone = pushed.saturating_sub(self.gauges.sent.get() + self.gauges.held.get());
        let left = if clean && undone > 0 {
            problem(format!("{undone} orders neither left nor came back"))
        } else {
            None
        };
        (self.thread.join().ok(), left)
    }
}

/// How long a gateway may take to end even where nothing shall be waited for.
const LEAST_PATIENCE: Duration = Duration::from_millis(200);

/// Looks at the machine from the calling thread: the halt file, intervals, progress, interrupts.
struct Watcher<'a, W> {
    controls: &'a Controls,
    retainer: Option<Retainer>,
    collector: Collector,
    log: LatencyLog,
    watch: &'a mut W,
}

impl<W: FnMut(&Tally)> Watch for Watcher<'_, W> {
    fn look(&mut self, progress: &Progress) -> bool {
        self.controls.look_at_file();
        self.controls.look_at_disk();
        self.controls.record_halts();
        self.retain();
        self.collector.look(&mut self.log);
        (self.watch)(&progress.tally());
        !self.controls.abort.load(Ordering::Relaxed)
    }
}

impl<W> Watcher<'_, W> {
    /// What cannot be removed stays: the free-space floor acts.
    fn retain(&mut self) {
        let looked = self.retainer.as_mut().map_or(Ok(()), |retainer| retainer.look(wall_ns()));
        warn_of(looked.as_ref().err(), self.controls);
    }

    /// The sums of the whole run, once every thread has ended.
    fn finish(mut self, machine: &mut Pipeline<'_>, exit: Option<Stamps>) -> Latency {
        self.collector.look(&mut self.log);
        let groups = machine.groups.iter_mut().filter_map(Group::take_stamps);
        for stamps in groups.chain(exit) {
            self.collector.finish(stamps, &mut self.log);
        }
        let sum = self.collector.sum();
        let named =
            |measure: Measure| Some((measure.name().to_string(), sum.get(measure)?.clone()));
        Measure::all().filter_map(named).collect()
    }
}

/// Histograms of a run, by what they measure.
pub type Latency = Vec<(String, hdrhistogram::Histogram<u64>)>;

/// What follows a panic or a second interrupt: the ring's unprocessed inputs and a record of why are journaled.
fn at_once(
    driven: &Driven,
    sequencer: &mut Sequencer,
    machine: &mut Pipeline<'_>,
) -> Result<(), Problem> {
    let (fault, reason) = match (&driven.fault, driven.aborted) {
        (Some(fault), _) => (fault.clone(), EndReason::Panicked),
        (None, true) if !machine.groups.iter().all(Group::ended) => {
            let message = "interrupted twice".to_string();
            let seq = sequencer.next_seq();
            (Fault { part: Part::Sequencer, seq, message }, EndReason::Aborted)
        }
        (None, _) => return Ok(()),
    };
    let mut recorded = threads::record_unprocessed(&mut machine.groups, &fault);
    let end = sequencer.end_at_once(reason);
    for handler in machine.groups.iter_mut().flat_map(Group::handlers_mut) {
        recorded = recorded.and_then(|()| handler.on_panic(&end, &fault));
    }
    let kept = match recorded {
        Ok(()) => "the unprocessed inputs and the reason are journaled".to_string(),
        Err(problem) => format!("and what followed could not be journaled: {}", problem.what),
    };
    let place = format!("sequence {}; {kept}", fault.seq);
    Err(match reason {
        EndReason::Aborted => {
            Problem::new("ended without draining, by a second interrupt", place, "")
        }
        _ => Problem::new(
            format!("{} panicked: {}", fault.part.name(), fault.message),
            place,
            "replay the journal to reproduce it; report it with the journal",
        ),
    })
}

/// Publishes and processes until the inputs end and the ring is drained, all on this thread.
///
/// # Errors
/// A sink's failure.
pub fn drive(
    inputs: &mut impl Inputs,
    machine: &mut Pipeline<'_>,
    watch: &mut impl FnMut(&Tally),
) -> Result<(), Problem> {
    let (mut idle, mut rounds) = (0, 0_u32);
    loop {
        let (mut moved, ended) = publish(inputs, &mut machine.producer);
        for group in &mut machine.groups {
            moved += group.step()?;
        }
        if moved == 0 {
            if ended {
                return Ok(());
            }
            Wait::Yield.wait(idle);
            idle += 1;
        } else {
            idle = 0;
        }
        rounds = rounds.wrapping_add(1);
        if rounds.is_multiple_of(ROUNDS_BETWEEN_LOOKS) || idle > IDLE_BEFORE_LOOKS {
            look(machine, watch);
        }
    }
}

fn look(machine: &Pipeline<'_>, watch: &mut impl FnMut(&Tally)) {
    let handlers = machine.groups.iter().flat_map(Group::handlers);
    handlers.filter_map(|handler| handler.tally()).for_each(watch);
}

/// What the machine's sink counted.
pub fn tally(machine: &Pipeline<'_>) -> Tally {
    let mut tally = Tally::default();
    look(machine, &mut |counted: &Tally| tally = counted.clone());
    tally
}

/// Closes every handler.
///
/// # Errors
/// The first failure.
pub fn close(machine: &mut Pipeline<'_>) -> Result<(), Problem> {
    let mut result = Ok(());
    for group in &mut machine.groups {
        let closed = group.close();
        result = result.and(closed);
    }
    result
}

/// Frames into the journal.
#[derive(Debug)]
pub struct JournalRecorder {
    writer: Option<Writer>,
    /// What was written, once it is closed.
    pub stats: Stats,
}

impl JournalRecorder {
    /// A recorder that writes with `writer` and closes it.
    pub fn new(writer: Writer) -> Self {
        Self { writer: Some(writer), stats: Stats::default() }
    }
}

const OPEN: &str = "Invariant: the journal is closed once, after the last slot";

impl Recorder for &mut JournalRecorder {
    #[inline]
    fn begin(&mut self, seq: u64) -> Result<(), Problem> {
        let writer = self.writer.as_mut().expect(OPEN);
        writer.begin(seq).map_err(|e| Problem::from_journal(&e))
    }

    #[inline]
    fn frame(&mut self, frame: &[u8], last: bool) -> Result<(), Problem> {
        self.writer.as_mut().expect(OPEN).append(frame, last);
        Ok(())
    }

    #[inline]
    fn line(&mut self, seq: u64, line: &[u8; LINE]) -> Result<(), Problem> {
        let writer = self.writer.as_mut().expect(OPEN);
        writer.append_slot(seq, line).map_err(|e| Problem::from_journal(&e))
    }

    fn publish(&mut self) {
        self.writer.as_mut().expect(OPEN).publish();
    }

    fn rewind(&mut self) {
        if let Some(writer) = self.writer.as_mut() {
            writer.rewind();
        }
    }

    fn close(&mut self) -> Result<(), Problem> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        self.stats = writer.stats();
        self.stats = writer.close().map_err(|e| Problem::from_journal(&e))?;
        Ok(())
    }
}
