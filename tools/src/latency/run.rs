//! `latency run`: the engine under a steady load, each input measured from the moment it was due, with the floors
//! of the same minute beside it.

use super::{percentiles, table};
use crate::cli;
use crate::config;
use crate::policy;
use crate::run::{
    Beside, answer as run_answer, broker, build, conclude, grouped, latency_log, next_free,
};
use crate::say::{Exit, Say, aside};
use engine::Problem;
use engine::layout::{Layout, Wait};
use engine::run::Order;
use engine::runtime::clock::Clock;
use engine::runtime::controls::Controls;
use engine::runtime::floor::{hiccups, raw_hop};
use engine::runtime::host::machine;
use engine::runtime::latency::Measure;
use engine::runtime::sequencer::Pace;
use engine::source::SourceConfig;
use engine::summary::Summary;
use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Length of the idle loop.
const IDLE: Duration = Duration::from_secs(2);
/// Length of each of the two bare hops: a virtual machine's cores come to share a cache and part again within
/// seconds, which is 110 against 300 ns a hop, so it is measured on both sides of the run.
const HOP: Duration = Duration::from_secs(1);

/// What was measured beside the engine.
struct Floors {
    clock_ns: f64,
    before: Histogram<u64>,
    after: Histogram<u64>,
    hiccups: Histogram<u64>,
}

/// `latency run …`
pub fn run(
    arguments: &cli::LatencyRun,
    say: Say,
    controls: &Arc<Controls>,
) -> Result<Exit, Problem> {
    let mut config = config::load(arguments.config.as_deref())?;
    config.resolve()?;
    let (policies, weights) = policy::of_run(&mut config)?;
    if let Some(layout) = &arguments.layout {
        config.host.layout.clone_from(layout);
    }
    let layout = Layout::of(&config.host)?;
    let rate = arguments.rate as f64;
    aside(&format!("machine  {}", machine()));
    aside(&layout.table());
    let core = |i: usize| layout.threads.get(i).and_then(|thread| thread.core);
    let wait = layout.threads.first().map_or(Wait::Yield, |thread| thread.wait);
    let (slots, cores) = (config.host.ring_slots, [core(0), core(1)]);
    let hop = |stop: &AtomicBool| raw_hop(rate, HOP, slots, cores, wait, stop);
    let before = hop(&controls.stop)?;
    let hiccups = hiccups(IDLE, &controls.stop);
    let spec = format!("synthetic:bench,ticks={}", arguments.rate * arguments.seconds);
    let source = SourceConfig::of(&spec);
    let source = gateways::open(&source, &config.catalog())?;
    if controls.stop.load(Ordering::Relaxed) {
        return Err(Problem::new("interrupted before the run started", "", "run it again"));
    }
    let made = arguments.journal.is_none();
    let dir = match arguments.journal.clone() {
        Some(dir) => dir,
        None => next_free(Path::new("journal"))?,
    };
    let mut beside = Beside::default();
    let place = dir.clone();
    let journal = dir.clone();
    let order = Order {
        policies,
        weights,
        policies_of: Box::new(move |config| policy::of_journal(config, &journal)),
        pace: Pace::Rate { per_second: rate, burst: arguments.burst },
        controls: Arc::clone(controls),
        broker: broker(&config, &dir),
        latency_log: Some(latency_log(&beside.latency)),
        build: build(),
        ..Order::new(config, layout, vec![source], dir)
    };
    let outcome = engine::run::run(order, |dir| beside.start(dir, controls), |_| ());
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
    // A run that was interrupted still says what it saw.
    let after = hop(&AtomicBool::new(false))?;
    let floors = Floors { clock_ns: Clock::default().cost_ns(), before, after, hiccups };
    say.text(&people(arguments, &floors, &outcome.summary));
    let answer = answer(arguments, &floors, &outcome.summary);
    Ok(conclude(say, answer, &outcome))
}

/// The way from due to journaled in raw hops, medians, against the mean of the two hops.
fn hops(floors: &Floors, summary: &Summary) -> Option<f64> {
    let journaled = summary.latency.iter().find(|(name, _)| name == Measure::Journaled.name());
    let median = |histogram: &Histogram<u64>| histogram.value_at_quantile(0.5) as f64;
    let hop = f64::midpoint(median(&floors.before), median(&floors.after));
    let (_, journaled) = journaled?;
    (hop > 0.0).then(|| median(journaled) / hop)
}

fn people(arguments: &cli::LatencyRun, floors: &Floors, summary: &Summary) -> String {
    let rate = grouped(arguments.rate);
    let clock = floors.clock_ns;
    let beside = [
        ("hop before".to_string(), floors.before.clone()),
        ("hop after".to_string(), floors.after.clone()),
        ("hiccups".to_string(), floors.hiccups.clone()),
    ];
    let hops = hops(floors, summary).map_or("none".to_string(), |hops| format!("{hops:.1}"));
    let (seconds, idle) = (HOP.as_secs(), IDLE.as_secs());
    let burst = arguments.burst;
    format!(
        "{rate} ticks/s in bursts of {burst} for {} s; a look at the clock costs {clock:.1} ns\n\n{}\n\n\
         floors of the same run: a bare ring's hop at the same rate, {seconds} s before and after; gaps of \
         1 µs and more in {idle} s of an idle loop\n{}\n\ndue to journaled, p50: {hops} raw hops\njournal {}",
        arguments.seconds,
        table(&summary.latency),
        table(&beside),
        summary.dir,
    )
}

fn answer(arguments: &cli::LatencyRun, floors: &Floors, summary: &Summary) -> Map<String, Value> {
    let floors_json = json!({
        "clock_ns": floors.clock_ns,
        "hop_before": percentiles(&floors.before),
        "hop_after": percentiles(&floors.after),
        "hiccups": percentiles(&floors.hiccups),
    });
    let mut map = run_answer(summary);
    map.insert("machine".into(), json!(machine()));
    map.insert("rate".into(), json!(arguments.rate));
    map.insert("burst".into(), json!(arguments.burst));
    map.insert("seconds".into(), json!(arguments.seconds));
    map.insert("floors_ns".into(), floors_json);
    map.insert("journaled_p50_hops".into(), json!(hops(floors, summary)));
    map
}
