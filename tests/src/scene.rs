//! A machine and what goes into it, stepped on one thread, its frames kept in memory.

use crate::market::number_source;
use crate::recording::Recording;
use bytemuck::Zeroable;
use engine::calendar::Calendar;
use engine::config::{Config, Semantic};
use engine::layout::{Cores, Layout};
use engine::manifest::Listed;
use engine::pipeline::{self, HANDLERS, Pipeline};
use engine::policy::Policies;
use engine::run::{close, drive, tally};
use engine::runtime::feed::{FeedEnd, Inflow};
use engine::runtime::merge::{Inlet, Merge};
use engine::runtime::schedule::Schedule;
use engine::runtime::sequencer::{Beside, Inputs, Pace, Plan, Ready, Sequencer};
use engine::runtime::sink::Tally;
use engine::runtime::threads;
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::names::SourceState;
use ringbuf_layout::{Frame, InputCell, RunStart, SourceStatus, Trade};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use sync::Stop;

static DEFAULT: LazyLock<Semantic> = LazyLock::new(|| Config::default().semantic);
static CALENDARS: LazyLock<BTreeMap<&str, Arc<Calendar>>> = LazyLock::new(|| {
    let open = |name| Calendar::built_in(name).map(|calendar| (name, Arc::new(calendar)));
    engine::calendar::names().filter_map(open).collect()
});

/// The built-in calendar of this name.
///
/// # Panics
/// If there is none: a mistake in a test.
pub fn calendar(name: &str) -> Arc<Calendar> {
    Arc::clone(&CALENDARS[name])
}

/// What goes into a machine, and how it is cut and stepped.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The config that decides outputs.
    pub semantic: Semantic,
    /// The instrument table.
    pub instruments: Vec<Listed>,
    /// The sources, finite, in order of their numbers.
    pub sources: Vec<Vec<InputCell>>,
    /// The contracts of each future whose front is followed, and its first front.
    pub futures: Vec<(Vec<u32>, Option<u32>)>,
    /// Who decides.
    pub policies: fn() -> Policies,
    /// Slots of the ring.
    pub slots: usize,
    /// Handlers that begin a further group.
    pub cuts: Vec<usize>,
    /// Seed of when the inputs hesitate, which ends a batch early; 0 never does.
    pub hesitation: u64,
    /// SIGINT after so many inputs.
    pub stop_after: Option<u64>,
    /// Sources as records in memory instead of a queue; for prints only.
    pub in_memory: bool,
}

impl Scene {
    /// A fused machine with the default config and 64 slots.
    pub fn new(instruments: Vec<Listed>, mut sources: Vec<Vec<InputCell>>) -> Self {
        for (number, records) in (1..).zip(&mut sources) {
            number_source(records, number);
        }
        Self {
            semantic: DEFAULT.clone(),
            instruments,
            sources,
            futures: Vec::new(),
            policies: Policies::default,
            slots: 64,
            cuts: Vec::new(),
            hesitation: 0,
            stop_after: None,
            in_memory: false,
        }
    }

    /// The same with these timeframes.
    #[must_use]
    pub fn timeframes(mut self, timeframes_s: &[u32]) -> Self {
        self.semantic.bars.timeframes_s = timeframes_s.to_vec();
        self
    }

    /// The same with two of its timeframes in these roles.
    #[must_use]
    pub fn roles(mut self, fast_s: u32, slow_s: u32) -> Self {
        (self.semantic.synergy.fast_s, self.semantic.synergy.slow_s) = (fast_s, slow_s);
        self
    }

    /// The same with these policies.
    #[must_use]
    pub fn policies(mut self, policies: fn() -> Policies) -> Self {
        self.policies = policies;
        self
    }

    /// The calendar of an instrument.
    pub fn calendar(&self, instrument: u32) -> Arc<Calendar> {
        calendar(&self.instruments[instrument as usize].def.calendar)
    }

    /// Runs it on this thread.
    ///
    /// # Panics
    /// If a sink fails: memory never does.
    pub fn record(&self) -> Recording {
        let mut recording = Recording::default();
        let mut machine = self.machine(&mut recording);
        let mut inputs = self.inputs();
        drive(&mut inputs, &mut machine, &mut |_| {}).expect("Invariant: memory takes all frames");
        close(&mut machine).expect("Invariant: memory takes all frames");
        let counted = tally(&machine);
        drop(machine);
        recording.tally = counted;
        recording
    }

    /// Runs it with a thread for each group and one for the sequencer.
    ///
    /// # Panics
    /// If a sink fails: memory never does.
    pub fn record_on_threads(&self) -> Recording {
        let mut recording = Recording::default();
        let mut machine = self.machine(&mut recording);
        let mut inputs = self.inputs();
        let layout = self.layout();
        threads::drive(&mut inputs, &mut machine, &layout, &Stop::new(), &mut |_: &Tally| {})
            .expect("Invariant: memory takes all frames");
        close(&mut machine).expect("Invariant: memory takes all frames");
        let counted = tally(&machine);
        drop(machine);
        recording.tally = counted;
        recording
    }

    /// The scene's cuts as a layout of yielding threads, the sequencer on one of its own.
    fn layout(&self) -> Layout {
        let mut parts: Vec<String> = HANDLERS.iter().map(|part| format!("+{part}")).collect();
        for cut in std::iter::once(0).chain(self.cuts.iter().copied()) {
            parts[cut].replace_range(..1, ",");
        }
        let spec = format!("sequencer{}:yield", parts.concat());
        Layout::plan(&spec, &Cores::of_this_process()).expect("Invariant: cuts make a layout")
    }

    /// The machine, wired.
    pub fn machine<'r>(&self, recording: &'r mut Recording) -> Pipeline<'r> {
        pipeline::build(
            &self.semantic,
            self.instruments.len(),
            self.slots,
            &self.cuts,
            recording,
            None,
            (self.policies)(),
        )
    }

    fn inputs(&self) -> Watched {
        let stop = Arc::new(AtomicBool::new(false));
        let sequencer = Sequencer::new(self.plan(Arc::clone(&stop)));
        let (left, random) = (self.stop_after.unwrap_or(u64::MAX), self.hesitation);
        Watched { sequencer, stop, left, random }
    }

    /// Lets a schedule follow the fronts of the futures.
    ///
    /// # Panics
    /// If their contracts do not fit together: a mistake in a test.
    pub fn follow(&self, schedule: &mut Schedule) {
        for (contracts, first) in &self.futures {
            schedule.follow(contracts, *first).expect("Condition failed: contracts of one future");
        }
    }

    /// The plan of the sequencer: what `run` makes of a config and sources.
    pub fn plan(&self, stop: Arc<AtomicBool>) -> Plan {
        let mut start = RunStart { head: RunStart::header(0, 0), epoch: 1, ..RunStart::zeroed() };
        start.tail.instrument = NO_INSTRUMENT;
        let mut prologue = vec![InputCell::from(&start)];
        for (number, listed) in (0..).zip(&self.instruments) {
            let bar_price = listed.bars_from as u8;
            prologue.push(InputCell::from(&listed.def.record(number, bar_price, 0)));
        }
        for (number, _) in (1..).zip(&self.sources) {
            let mut up =
                SourceStatus { head: SourceStatus::header(0, 0), ..SourceStatus::zeroed() };
            up.tail.instrument = NO_INSTRUMENT;
            up.tail.source = number;
            up.tail.side = SourceState::Up as u8;
            prologue.push(InputCell::from(&up));
        }
        let inflow = |records: &Vec<InputCell>| {
            if self.in_memory { in_memory(records) } else { queued(records) }
        };
        let inlet = |records| Inlet { inflow: inflow(records), live: false, ended: false };
        let calendars = self.instruments.iter().map(|listed| calendar(&listed.def.calendar));
        let (bars, heartbeat_ms) = (&self.semantic.bars, self.semantic.clock.heartbeat_ms);
        let mut schedule = Schedule::new(bars, heartbeat_ms, calendars.collect());
        self.follow(&mut schedule);
        Plan {
            base_seq: 0,
            engine_time: 0,
            prologue,
            merge: Merge::new(self.sources.iter().map(inlet).collect()),
            schedule,
            pace: Pace::Max,
            bar_close_delay_ms: self.semantic.clock.bar_close_delay_ms,
            stop,
            instruments: self.instruments.len() as u32,
            beside: Beside::default(),
            fail_at: None,
        }
    }
}

/// A queue that holds all records of a source whose thread has ended.
fn queued(records: &[InputCell]) -> Inflow {
    let (mut queue, consumer) = rtrb::RingBuffer::new(records.len().max(1));
    for record in records {
        queue.push(*record).expect("Invariant: the queue holds all records");
    }
    let stop = Arc::new(AtomicBool::new(false));
    Inflow::Queue { records: consumer, end: FeedEnd::default(), thread: None, stop }
}

fn in_memory(records: &[InputCell]) -> Inflow {
    let trade = |cell: &InputCell| *cell.get::<Trade>().expect("Condition failed: prints only");
    Inflow::Memory { records: records.iter().map(trade).collect(), at: 0 }
}

/// A sequencer that is interrupted after some inputs and hesitates now and then.
struct Watched {
    sequencer: Sequencer,
    stop: Arc<AtomicBool>,
    left: u64,
    random: u64,
}

impl Inputs for Watched {
    fn next_seq(&self) -> u64 {
        self.sequencer.next_seq()
    }

    fn poll(&mut self) -> Ready {
        if self.left == 0 {
            self.stop.store(true, Ordering::Relaxed);
        }
        // xorshift64; it hesitates at one poll in five.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        if self.random != 0 && self.random.is_multiple_of(5) {
            return Ready::Idle;
        }
        self.sequencer.poll()
    }

    fn write(&mut self, cell: &mut InputCell) {
        self.left = self.left.saturating_sub(1);
        self.sequencer.write(cell);
    }
}
