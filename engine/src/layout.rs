//! Thread layouts: which parts share a thread, on which core it runs, and how it waits.
//!
//! The parts in order: `sequencer`, then the eight handlers of [`pipeline::HANDLERS`]. A layout cuts this
//! row into contiguous groups; `decide` is one part, so it is never split. Every layout gives the
//! same bytes.

use crate::config::Host;
use crate::config::walk::nearest;
use crate::pipeline::HANDLERS;
use crate::problem::Problem;
use std::ops::Range;
use std::str::FromStr as _;

/// How a thread waits when it has nothing to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// Polls without a pause: the lowest latency, a whole core.
    BusySpin,
    /// Polls with the CPU's pause hint: kinder to a hyper-thread sibling.
    SpinHint,
    /// Polls, then yields, then sleeps 50 µs: for fewer cores than threads, and for development.
    Yield,
    /// Sleeps 50 µs between polls.
    Sleep,
}

const WAITS: [(&str, Wait); 4] = [
    ("busy-spin", Wait::BusySpin),
    ("spin-hint", Wait::SpinHint),
    ("yield", Wait::Yield),
    ("sleep", Wait::Sleep),
];

impl Wait {
    /// Its word in config, command line and start-up table.
    pub fn name(self) -> &'static str {
        WAITS.iter().find(|(_, wait)| *wait == self).map_or("", |(name, _)| name)
    }

    /// True if it keeps a core busy while there is nothing to do.
    pub fn spins(self) -> bool {
        matches!(self, Self::BusySpin | Self::SpinHint)
    }
}

/// One thread of the spine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ThreadPlan {
    /// True for the thread that runs the sequencer: always the first.
    pub sequencer: bool,
    /// Its handlers, by position in [`HANDLERS`]; none for a sequencer alone.
    pub handlers: Range<usize>,
    /// The core that it is pinned to.
    pub core: Option<usize>,
    /// How it waits.
    pub wait: Wait,
    /// Its `SCHED_FIFO` priority; 0 leaves it to the usual scheduler.
    pub priority: u8,
}

impl ThreadPlan {
    /// The parts that it runs, in order.
    pub fn parts(&self) -> Vec<&'static str> {
        let first = self.sequencer.then_some("sequencer");
        first.into_iter().chain(HANDLERS[self.handlers.clone()].iter().copied()).collect()
    }

    /// The thread's name: at most 15 bytes, as the kernel keeps them.
    pub fn name(&self) -> String {
        let parts = self.parts();
        let whole = if parts.len() == 9 { "fused" } else { parts.first().copied().unwrap_or("") };
        format!("gm-{whole}").chars().take(15).collect()
    }
}

/// The threads of a run, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    /// The threads.
    pub threads: Vec<ThreadPlan>,
    /// Cores of the helper threads: those that the spine leaves, or all where it leaves none.
    pub helpers: Vec<usize>,
}

/// The cores that a run may use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cores {
    /// What `taskset` and cgroups leave us, ascending.
    pub allowed: Vec<usize>,
    /// Those of them that the kernel keeps free of other work (`isolcpus`).
    pub isolated: Vec<usize>,
}

impl Layout {
    /// The layout of `spec`: `auto`, `fused`, `per-stage` or groups such as
    /// `sequencer+validate+bar,indicator+matrix+synergy,decide,journal+egress`, each with an optional
    /// `:WAIT`.
    ///
    /// # Errors
    /// An unknown word, parts that are missing or out of order, or more spinning threads than cores.
    pub fn plan(spec: &str, cores: &Cores) -> Result<Self, Problem> {
        let (groups, wait) = spec.split_once(':').unwrap_or((spec, "auto"));
        let wait = if wait == "auto" { None } else { Some(wait_of(wait)?) };
        let groups = match groups {
            "auto" => return Ok(Self::auto(cores, wait)),
            "fused" => vec![(true, 0..HANDLERS.len())],
            "per-stage" => per_stage(),
            text => parse(text)?,
        };
        Self::place(groups, wait, cores)
    }

    /// Fused and yielding where no core is isolated; else as many groups as isolated cores carry.
    fn auto(cores: &Cores, wait: Option<Wait>) -> Self {
        let groups = match cores.isolated.len() {
            0 | 1 => vec![(true, 0..8)],
            2 | 3 => vec![(true, 0..6), (false, 6..8)],
            4..=8 => vec![(true, 0..2), (false, 2..5), (false, 5..6), (false, 6..8)],
            _ => per_stage(),
        };
        let pinned = !cores.isolated.is_empty();
        let usual = if pinned { Wait::BusySpin } else { Wait::Yield };
        let core = |i: usize| cores.isolated.get(i).copied();
        let threads = groups.into_iter().enumerate();
        let plan = |(i, (sequencer, handlers))| ThreadPlan {
            sequencer,
            handlers,
            core: core(i),
            wait: wait.unwrap_or(usual),
            priority: 0,
        };
        Self::with_helpers(threads.map(plan).collect(), cores)
    }

    fn with_helpers(threads: Vec<ThreadPlan>, cores: &Cores) -> Self {
        let spine: Vec<usize> = threads.iter().filter_map(|thread| thread.core).collect();
        let left = cores.allowed.iter().copied().filter(|core| !spine.contains(core));
        let left: Vec<usize> = left.collect();
        let helpers = if left.is_empty() { cores.allowed.clone() } else { left };
        Self { threads, helpers }
    }

    fn place(
        groups: Vec<(bool, Range<usize>)>,
        wait: Option<Wait>,
        cores: &Cores,
    ) -> Result<Self, Problem> {
        let enough_isolated = groups.len() <= cores.isolated.len();
        let pool = if enough_isolated { &cores.isolated } else { &cores.allowed };
        let own_core = groups.len() <= pool.len();
        let usual = if own_core { Wait::BusySpin } else { Wait::Yield };
        let wait = wait.unwrap_or(usual);
        if wait.spins() && !own_core {
            return Err(Problem::new(
                format!("{} spinning threads need as many cores", groups.len()),
                format!("--layout; {} cores are allowed", pool.len()),
                "use :yield, fewer groups, or more cores: eight spinning threads on two cores take \
                 300 ms an event",
            ));
        }
        let core = |i: usize| if own_core { pool.get(i).copied() } else { None };
        let threads = groups.into_iter().enumerate();
        let plan = |(i, (sequencer, handlers))| ThreadPlan {
            sequencer,
            handlers,
            core: core(i),
            wait,
            priority: 0,
        };
        Ok(Self::with_helpers(threads.map(plan).collect(), cores))
    }

    /// Where the row of handlers is cut: the first handler of every group but the first.
    pub fn cuts(&self) -> Vec<usize> {
        let with_handlers = self.threads.iter().filter(|thread| !thread.handlers.is_empty());
        with_handlers.skip(1).map(|thread| thread.handlers.start).collect()
    }

    /// The layout that a config asks for, on the cores of this process.
    ///
    /// # Errors
    /// As for [`Layout::plan`].
    pub fn of(host: &Host) -> Result<Self, Problem> {
        let cores = Cores::of_this_process();
        Self::plan(&host.layout, &cores)?.with_priority(host.fifo_priority, &cores)
    }

    /// The same under `SCHED_FIFO`, unless its spinning threads would leave no core to anything else: the
    /// host would then hang.
    fn with_priority(mut self, priority: u8, cores: &Cores) -> Result<Self, Problem> {
        let spinning = self.threads.iter().filter(|thread| thread.wait.spins()).count();
        if priority > 0 && spinning >= cores.allowed.len() {
            return Err(Problem::new(
                format!(
                    "{spinning} spinning threads under SCHED_FIFO would leave no core to the host"
                ),
                format!("host.fifo_priority; {} cores are allowed", cores.allowed.len()),
                "use :yield, fewer groups, or fifo_priority = 0",
            ));
        }
        self.threads.iter_mut().for_each(|thread| thread.priority = priority);
        Ok(self)
    }

    /// The start-up table: thread, core, scheduling policy, wait, parts.
    pub fn table(&self) -> String {
        let mut table = format!("{:<16}{:<6}{:<8}{:<11}parts", "thread", "core", "policy", "wait");
        for thread in &self.threads {
            let core = thread.core.map_or("any".to_string(), |core| core.to_string());
            let (name, wait, parts) = (thread.name(), thread.wait.name(), thread.parts().join("+"));
            let policy = match thread.priority {
                0 => "other".to_string(),
                priority => format!("fifo {priority}"),
            };
            table += &format!("\n{name:<16}{core:<6}{policy:<8}{wait:<11}{parts}");
        }
        let helpers: Vec<String> = self.helpers.iter().map(ToString::to_string).collect();
        let helpers = helpers.join(",");
        table
            + &format!(
                "\n{:<16}{helpers:<6}{:<8}{:<11}everything else",
                "helpers", "other", "sleep"
            )
    }
}

fn per_stage() -> Vec<(bool, Range<usize>)> {
    std::iter::once((true, 0..0)).chain((0..HANDLERS.len()).map(|i| (false, i..i + 1))).collect()
}

fn wait_of(word: &str) -> Result<Wait, Problem> {
    let words: Vec<&str> = WAITS.iter().map(|(name, _)| *name).collect();
    WAITS.iter().find(|(name, _)| *name == word).map(|(_, wait)| *wait).ok_or_else(|| {
        let near = nearest(word, &words).map_or(String::new(), |w| format!("; did you mean {w}?"));
        let fix = format!("one of auto, {}{near}", words.join(", "));
        Problem::new(format!("\"{word}\" is no wait strategy"), "--layout", fix)
    })
}

/// Groups of parts, contiguous and complete.
fn parse(text: &str) -> Result<Vec<(bool, Range<usize>)>, Problem> {
    let row: Vec<&str> = std::iter::once("sequencer").chain(HANDLERS).collect();
    let mut groups = Vec::new();
    let mut next = 0;
    for group in text.split(',') {
        let start = next;
        for part in group.split('+') {
            if row.get(next) != Some(&part) {
                return Err(out_of_order(part, row.get(next).copied(), &row));
            }
            next += 1;
        }
        groups.push((start == 0, start.max(1) - 1..next - 1));
    }
    match row.get(next) {
        None => Ok(groups),
        missing => Err(out_of_order("", missing.copied(), &row)),
    }
}

fn out_of_order(part: &str, expected: Option<&str>, row: &[&str]) -> Problem {
    let what = match (expected, row.contains(&part)) {
        (Some(expected), _) if part.is_empty() => format!("the layout ends before {expected}"),
        (Some(expected), true) => format!("{part} stands where {expected} should"),
        (None, true) => format!("{part} stands after the last part"),
        (_, false) => {
            let mut words = vec!["fused", "per-stage", "auto"];
            words.extend(row);
            let near =
                nearest(part, &words).map_or(String::new(), |w| format!("; did you mean {w}?"));
            format!("\"{part}\" is no part of the engine{near}")
        }
    };
    let fix = format!("fused, per-stage, auto, or groups of {}", row.join(","));
    Problem::new(what, "--layout", fix)
}

impl Cores {
    /// The cores of this process.
    pub fn of_this_process() -> Self {
        let allowed: Vec<usize> = rustix::thread::sched_getaffinity(None)
            .map(|set| {
                (0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect()
            })
            .unwrap_or_default();
        let isolated = std::fs::read_to_string("/sys/devices/system/cpu/isolated");
        let isolated = cpu_list(isolated.unwrap_or_default().trim());
        let isolated = isolated.into_iter().filter(|cpu| allowed.contains(cpu)).collect();
        Self { allowed, isolated }
    }
}

/// The kernel's list format: `0-2,5`.
fn cpu_list(text: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some(usize::from_str(from).ok()?..=usize::from_str(to).ok()?)
    };
    text.split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cores(allowed: usize, isolated: usize) -> Cores {
        Cores { allowed: (0..allowed).collect(), isolated: (allowed - isolated..allowed).collect() }
    }

    fn shape(spec: &str, cores: &Cores) -> Vec<(String, Option<usize>, &'static str)> {
        let layout = Layout::plan(spec, cores).unwrap_or_else(|p| panic!("{spec}: {p}"));
        let thread = |t: &ThreadPlan| (t.parts().join("+"), t.core, t.wait.name());
        layout.threads.iter().map(thread).collect()
    }

    #[test]
    fn auto_never_spins_more_threads_than_cores() {
        for allowed in 1..20 {
            for isolated in 0..=allowed {
                let layout = Layout::plan("auto", &cores(allowed, isolated)).expect("auto");
                let spinning = layout.threads.iter().filter(|t| t.wait.spins()).count();
                assert!(spinning <= isolated, "{allowed} cores, {isolated} isolated");
                let parts: usize = layout.threads.iter().map(|t| t.parts().len()).sum();
                assert_eq!(parts, 9);
            }
        }
    }

    #[test]
    fn groups_get_cores_of_their_own_or_yield() {
        let four = "sequencer+validate+bar,indicator+matrix+synergy,decide,journal+egress";
        let threads = shape(four, &cores(8, 4));
        assert_eq!(threads[0], ("sequencer+validate+bar".into(), Some(4), "busy-spin"));
        assert_eq!(threads[3], ("journal+egress".into(), Some(7), "busy-spin"));
        assert!(
            shape(four, &cores(2, 0))
                .iter()
                .all(|(_, core, wait)| { core.is_none() && *wait == "yield" })
        );
        assert_eq!(shape("per-stage:yield", &cores(2, 0)).len(), 9);
        assert_eq!(shape("fused:sleep", &cores(2, 0))[0].2, "sleep");
        assert_eq!(Layout::plan(four, &cores(4, 0)).unwrap().cuts(), [2, 5, 6]);
        assert_eq!(
            Layout::plan("per-stage:yield", &cores(1, 0)).unwrap().cuts(),
            [1, 2, 3, 4, 5, 6, 7]
        );
    }

    #[test]
    fn more_spinning_threads_than_cores_are_refused_with_the_reason() {
        for spec in ["per-stage:busy-spin", "per-stage:spin-hint"] {
            let problem = Layout::plan(spec, &cores(2, 0)).expect_err("refused");
            assert!(problem.to_string().contains("300 ms"), "{problem}");
        }
    }

    #[test]
    fn a_layout_that_is_no_layout_is_refused_by_name() {
        for (spec, word) in [
            ("fusd", "did you mean"),
            ("sequencer+validate", "ends before bar"),
            ("sequencer,bar", "bar stands where validate should"),
            ("fused:spin", "no wait strategy"),
            ("sequencer+validate+bar+indicator+matrix+synergy+marl,journal+egress", "marl"),
            ("", "ends before sequencer"),
        ] {
            let problem = Layout::plan(spec, &cores(4, 0)).expect_err(spec);
            assert!(problem.to_string().contains(word), "{spec}: {problem}");
        }
    }

    #[test]
    fn the_kernels_list_of_cores_is_read() {
        assert_eq!(cpu_list("0-2,5"), [0, 1, 2, 5]);
        assert_eq!(cpu_list(""), Vec::<usize>::new());
    }
}
