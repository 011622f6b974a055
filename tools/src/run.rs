//! `run`: config and sources in; a journal, a summary and what to try next out.

use crate::cli;
use crate::config;
use crate::control::Server;
use crate::latency;
use crate::log::Log;
use crate::policy;
use crate::progress::Progress;
use crate::rebuilt;
use crate::say::{Exit, Lines, Say, aside, error_object};
use crate::sources;
use crate::window;
use engine::Problem;
use engine::config::Config;
use engine::layout::Layout;
use engine::resume::Consent;
use engine::run::{Order, Outcome};
use engine::runtime::controls::Controls;
use engine::runtime::gateway::Broker;
use engine::runtime::latency::Measure;
use engine::runtime::sequencer::Pace;
use engine::runtime::sink::Standing;
use engine::source::{Source, SourceConfig};
use engine::summary::Summary;
use gateways::recording::RecordingBroker;
use latency::LatencyLog;
use ringbuf_layout::{Kind, Reasons};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};
use sync::Trading;

/// Build identity: version, commit, and the SIMD level by which the agents' kernels round.
pub fn build() -> String {
    let level = if is_x86_feature_detected!("avx512f") {
        "v4"
    } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        "v3"
    } else {
        "v2"
    };
    let (version, commit) = (env!("CARGO_PKG_VERSION"), env!("GRANDMODEL_BUILD"));
    format!("{version} {commit} x86-64-{level}")
}

/// What the recording broker writes in the journal's directory.
const BROKER_FILE: &str = "broker.csv";
/// A `.hgrm` is in microseconds.
const NS_PER_US: f64 = 1e3;

/// `run …`
pub fn run(arguments: &cli::Run, say: Say, controls: &Arc<Controls>) -> Result<Exit, Problem> {
    let mut config = resolve(arguments)?;
    config.resolve()?;
    let (policies, weights) = policy::of_run(&mut config)?;
    let layout = Layout::of(&config.host)?;
    let pace = pace(&arguments.pace)?;
    let filter = window::filter(&arguments.window)?;
    let sources = sources::open(&mut config)?;
    if controls.stop.load(Ordering::Relaxed) {
        return Err(Problem::new("interrupted before the run started", "", "run it again"));
    }
    let dir = match arguments.journal.clone().or(config.host.journal.clone().map(PathBuf::from)) {
        Some(dir) => dir,
        None => next_free(Path::new("journal"))?,
    };
    let hint: Option<u64> = sources.iter().map(|source| source.records_hint).sum();
    announce(&config, &sources, &dir, hint);
    aside(&layout.table());
    let paced = pace != Pace::Max;
    let mut progress = Progress::new(hint, paced);
    let mut beside = Beside::default();
    let made = arguments.journal.is_none();
    let place = dir.clone();
    let journal = dir.clone();
    let order = Order {
        policies_of: Box::new(move |config| policy::of_journal(config, &journal)),
        pace,
        filter,
        controls: Arc::clone(controls),
        policies,
        weights,
        broker: broker(&config, &dir),
        latency_log: Some(latency_log(&beside.latency)),
        build: build(),
        consent: Consent {
            accept_change: arguments.accept_change,
            skip_unprocessed: arguments.skip_unprocessed,
        },
        rebuilt: Some(Box::new(|rebuilt| aside(rebuilt::text(rebuilt).trim_end()))),
        ..Order::new(config, layout, sources, dir)
    };
    let started = |dir: &Path| beside.start(dir, controls);
    let outcome = engine::run::run(order, started, |tally| progress.look(tally));
    progress.finish();
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(problem) => {
            if made {
                beside.take_back(&place);
            }
            return Err(problem);
        }
    };
    beside.finish(&outcome.summary);
    say.text(&people(&outcome.summary));
    let mut answer = answer(&outcome.summary);
    if let Some(rebuilt) = &outcome.rebuilt {
        answer.insert("rebuilt".into(), rebuilt::json_of(rebuilt));
    }
    match &outcome.snapshot {
        Some(Ok(path)) => drop(answer.insert("snapshot".into(), json!(path.display().to_string()))),
        Some(Err(problem)) => aside(&format!("warning: no snapshot was saved: {problem}")),
        None => {}
    }
    Ok(conclude(say, answer, &outcome))
}

/// The summary as JSON, latencies included.
pub fn answer(summary: &Summary) -> Map<String, Value> {
    let mut answer = summary.json();
    let measured = summary.latency.iter().map(|(name, h)| (name.clone(), latency::percentiles(h)));
    answer.insert("latency_ns".into(), measured.collect());
    answer
}

/// Prints the answer and how the run ended; the exit code that follows from it.
pub fn conclude(say: Say, mut answer: Map<String, Value>, outcome: &Outcome) -> Exit {
    let Outcome { summary, failure, .. } = outcome;
    tracing::info!(
        ended = %summary.ended,
        inputs = summary.tally.inputs,
        state_hash = summary.tally.state_hash.map(|hash| format!("{hash:016x}")),
        "run ends"
    );
    if let Some((_, last)) = summary.tally.seqs.filter(|_| summary.ended == "interrupted") {
        aside(&format!("drained to seq {last}"));
    }
    if let Some(problem) = failure {
        answer.extend(error_object(problem));
        aside(&format!("error: {problem}"));
        aside(&format!("the run ended early: {}; what came before is journaled", summary.ended));
    }
    say.answer(answer);
    let halted = summary.state == Trading::Halted;
    if halted {
        // The last line names state and reason.
        aside(&format!("the run ended Halted: {}", summary.state_reason.unwrap_or("operator")));
    }
    if failure.is_some() || halted { Exit::Findings } else { Exit::Done }
}

/// Who takes orders in broker mode.
pub fn broker(config: &Config, dir: &Path) -> Option<Box<dyn Broker>> {
    config.host.broker.as_ref()?;
    Some(Box::new(RecordingBroker::into_file(dir.join(BROKER_FILE))))
}

/// What runs beside the engine: the log, the control socket, the latency log. None of them keeps a run from
/// starting; what cannot be had is said.
#[derive(Default)]
pub struct Beside {
    log: Option<Log>,
    server: Option<Server>,
    /// The latency log, once it is open.
    pub latency: Rc<RefCell<Option<LatencyLog>>>,
    dir: PathBuf,
}

impl Beside {
    /// The journal directory is ours: opens them in it.
    pub fn start(&mut self, dir: &Path, controls: &Arc<Controls>) {
        dir.clone_into(&mut self.dir);
        self.log = Log::start(dir);
        tracing::info!(build = build(), journal = %dir.display(), "run starts");
        self.server = said(Server::open(dir, Arc::clone(controls)));
        let file = dir.join(latency::FILE_NAME);
        set_aside(&file);
        *self.latency.borrow_mut() = said(LatencyLog::create(&file, SystemTime::now()));
    }

    /// A run that did not start, in a directory that was made for it: takes away what is ours, and the
    /// directories if they are then empty.
    pub fn take_back(self, dir: &Path) {
        drop(self.server);
        drop(self.log);
        let is_journal = dir.join("segment-00000000.gmj").exists();
        for name in ["log", latency::FILE_NAME].iter().filter(|_| !is_journal) {
            drop(std::fs::remove_file(dir.join(name)));
        }
        drop(std::fs::remove_dir(dir));
        drop(dir.parent().map(std::fs::remove_dir));
    }

    /// The whole distributions, and what was lost on the way.
    pub fn finish(self, summary: &Summary) {
        // The ways through the machine; the parts are in the log.
        let ways = [Measure::Journaled.name(), Measure::Order.name()];
        for (name, histogram) in summary.latency.iter().filter(|(n, _)| ways.contains(&n.as_str()))
        {
            let path = self.dir.join(format!("latency-{name}.hgrm"));
            set_aside(&path);
            said(latency::write_hgrm(&path, histogram, NS_PER_US));
        }
        if let Some(dropped) = self.log.map(|log| log.dropped()).filter(|dropped| *dropped > 0) {
            aside(&format!("{dropped} log lines were dropped"));
        }
    }
}

/// A run before left a file of this name in the same journal: it stays, under its number.
fn set_aside(file: &Path) {
    let extension = file.extension().unwrap_or_default().display();
    let numbered = |n: u32| file.with_extension(format!("{n}.{extension}"));
    if file.exists()
        && let Some(free) = (1..u32::MAX).map(numbered).find(|path| !path.exists())
    {
        said(std::fs::rename(file, &free).map_err(|error| {
            let what = format!("cannot rename an earlier run's file: {error}");
            Problem::new(what, file.display().to_string(), "look at the directory's permissions")
        }));
    }
}

/// What came of it, or an aside.
fn said<T>(made: Result<T, Problem>) -> Option<T> {
    made.inspect_err(|problem| aside(&format!("warning: {problem}"))).ok()
}

/// Writes each second's histograms, until that fails once.
pub fn latency_log(log: &Rc<RefCell<Option<LatencyLog>>>) -> engine::run::LatencyLog {
    let log = Rc::clone(log);
    Box::new(move |interval| {
        let from = Duration::from_nanos(interval.from);
        let length = Duration::from_nanos(interval.to.saturating_sub(interval.from));
        let held = Measure::all().filter_map(|m| Some((m.name(), interval.get(m)?)));
        for (name, histogram) in held {
            let mut log = log.borrow_mut();
            let Some(open) = log.as_mut() else { return };
            if said(open.interval(name, from, length, histogram)).is_none() {
                *log = None;
            }
        }
    })
}

/// The config with what was typed on top of it.
fn resolve(arguments: &cli::Run) -> Result<Config, Problem> {
    let mut config = config::load(arguments.config.as_deref())?;
    if let Some(layout) = &arguments.layout {
        config.host.layout.clone_from(layout);
    }
    sources::choose(&mut config, &arguments.source)?;
    if config.sources.is_empty() {
        let (spec, name) = ("synthetic".to_string(), "synthetic".to_string());
        config.sources.push(SourceConfig { name, ..SourceConfig::of(&spec) });
    }
    Ok(config)
}

fn pace(text: &str) -> Result<Pace, Problem> {
    match text {
        "max" => Ok(Pace::Max),
        "realtime" => Ok(Pace::Times(1.0)),
        _ => match text.parse::<f64>() {
            Ok(times) if times.is_finite() && times > 0.0 => Ok(Pace::Times(times)),
            _ => Err(Problem::new(
                format!("\"{text}\" is not a pace"),
                "--pace",
                "use max, realtime, or a number above 0 such as 10",
            )),
        },
    }
}

/// `parent/1`, `parent/2`, …: the first that is not there. It is made here, so that two commands that start
/// together never get the same.
pub fn next_free(parent: &Path) -> Result<PathBuf, Problem> {
    let failed = |error: std::io::Error| {
        let fix = "choose a directory with --journal";
        Problem::new(format!("cannot make a directory: {error}"), parent.display().to_string(), fix)
    };
    std::fs::create_dir_all(parent).map_err(failed)?;
    let mut number = 1_u64;
    loop {
        let dir = parent.join(number.to_string());
        match std::fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(failed(error)),
        }
    }
}

fn announce(config: &Config, sources: &[Source], dir: &Path, hint: Option<u64>) {
    let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    let segments = (config.host.ready_segments as u64 + 1) * (config.host.segment_mib << 20);
    // 64 bytes a trade, 128 a quote; outputs are rare.
    let needed = segments + hint.unwrap_or(0) * 72;
    let free = free_bytes(dir).map_or("unknown".to_string(), mib);
    aside(&format!("sources  {}", names.join(", ")));
    let semantic = &config.semantic;
    for rate in &semantic.rates {
        let by = config.catalog().get(&rate.symbol).map(|def| def.currency);
        let (one, account) = (&rate.currency, &semantic.account.currency);
        let of = if by.as_ref() == Some(account) { "" } else { "1/" };
        aside(&format!("rate     1 {one} = {of}{} {account}", rate.symbol));
    }
    if let Some(why) = config.never_decides() {
        aside(&format!("warning: {why}"));
    }
    aside(&format!("journal  {}: needs about {}, {free} free", dir.display(), mib(needed)));
}

/// Free bytes of the disk that will hold `dir`.
fn free_bytes(dir: &Path) -> Option<u64> {
    let existing = dir.ancestors().find(|path| path.exists());
    let existing = existing.filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let disk = rustix::fs::statvfs(existing).ok()?;
    Some(disk.f_bavail * disk.f_frsize)
}

/// Bytes for people.
pub fn mib(bytes: u64) -> String {
    if bytes >= 10 << 30 {
        format!("{} GiB", bytes >> 30)
    } else {
        format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
    }
}

/// 1234567 as 1,234,567.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The summary for people, and what to try next.
fn people(summary: &Summary) -> String {
    let mut text = counts(summary);
    if !summary.latency.is_empty() {
        text.push_str(&format!("\n{}\n", latency::table(&summary.latency)));
    }
    let dir = &summary.dir;
    let kept = !engine::retain::is_dropped(Path::new(dir));
    let next = [
        kept.then(|| (format!("grandmodel replay {dir}"), "prove it bit for bit")),
        Some((format!("grandmodel journal describe {dir}"), "see what it holds")),
        Some((
            format!("grandmodel journal export {dir} --record bar -o bars.csv"),
            "take the bars",
        )),
    ];
    text.push_str("\nnext\n");
    for (command, what) in next.into_iter().flatten() {
        text.push_str(&format!("  {command:<58} {what}\n"));
    }
    text.trim_end().to_string()
}

/// The counts of a run or a replay.
pub fn counts(summary: &Summary) -> String {
    let tally = &summary.tally;
    let mut lines = Lines::default();
    lines.put("inputs", grouped(tally.inputs));
    let accepted = tally.ticks.saturating_sub(tally.rejected_ticks);
    lines.put("ticks", format!("{}, accepted {}", grouped(tally.ticks), grouped(accepted)));
    lines.put("rejected", reasons(&tally.rejected));
    lines.put("flagged", reasons(&tally.flagged));
    for feed in &summary.feeds {
        if let Some(latency) = feed.latency {
            let seconds = |ns: i64| format!("{:+.3} s", ns as f64 / 1e9);
            let (least, most) = (seconds(latency.least), seconds(latency.most));
            lines.put(
                "latency",
                format!("{}: received {least} to {most} after the event", feed.name),
            );
        }
    }
    let filled = match tally.filled {
        0 => String::new(),
        filled => format!(", and {} in which nothing traded", grouped(filled)),
    };
    lines.put("bars", format!("{}{filled}", grouped(tally.bars())));
    lines.put("decisions", decisions(summary));
    if let Some(why) = &summary.no_decisions {
        lines.put("", why);
    }
    lines.put("orders", format!("{}, fills {}", tally.parents, tally.of(Kind::Fill)));
    let denied: Vec<String> =
        tally.denials().map(|(reason, count)| format!("{reason} {}", grouped(count))).collect();
    if !denied.is_empty() {
        lines.put("denied", denied.join(", "));
    }
    if let Some(account) = tally.account {
        let Standing { realized, unrealized, equity, exposure, .. } = account;
        lines.put("equity", format!("{equity}, realized {realized}, unrealized {unrealized}"));
        let drawdown = 100.0 * account.drawdown();
        lines.put("exposure", format!("{exposure}, largest drawdown {drawdown:.3} %"));
    }
    let rate = grouped(summary.ticks_per_s() as u64);
    lines.put("time", format!("{:.3} s, {rate} ticks/s", summary.elapsed_s));
    let hash = tally.state_hash.map_or("none".to_string(), |hash| format!("{hash:016x}"));
    lines.put("state hash", hash);
    let (first, last) = tally.seqs.unwrap_or_default();
    let bytes = mib(summary.bytes);
    lines.put("journal", format!("{}: sequences {first} to {last}, {bytes}", summary.dir));
    lines.put("ended", &summary.ended);
    if summary.state != Trading::Active {
        lines.put("trading", summary.state.name());
    }
    lines.0
}

/// How many, by action, and by whom.
fn decisions(summary: &Summary) -> String {
    let tally = &summary.tally;
    let named = tally.decisions_by_action().map(|(word, n)| format!("{word} {}", grouped(n)));
    let count = grouped(tally.of(Kind::Decision));
    let by_action = named.collect::<Vec<_>>().join(", ");
    format!("{count}: {by_action} (policy {}, shadow {})", summary.policy, summary.shadow)
}

fn reasons(counts: &[u64; 32]) -> String {
    let of = |reason: Reasons| counts[reason.0.trailing_zeros() as usize];
    let named: Vec<String> = Reasons::WORDS
        .iter()
        .filter(|(reason, _)| of(*reason) > 0)
        .map(|(reason, word)| format!("{word} {}", grouped(of(*reason))))
        .collect();
    if named.is_empty() { "none".to_string() } else { named.join(", ") }
}
