//! What a closing bar costs, part by part: features, matrices and a decision, with the agents in shadow and
//! without, beside the same run's quiet ticks.
//!
//! `cargo run --release -p benches --bin closing_bar [-- ROUNDS [DAYS]]`
//!
//! The market is the default one, fused; bars of 5 and 30 seconds, so that there are as many decisions as a
//! month of the usual ones has. The floor is the price of a stamp: each figure holds one.

use engine::config::Config;
use engine::layout::Layout;
use engine::policy::Policies;
use engine::run::{Latency, Order};
use engine::runtime::clock::Clock;
use engine::source::SourceConfig;
use marl::Agents;
use ringbuf_layout::{Kind, Part};
use std::error::Error;
use std::hint::black_box;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const CONFIG: &str = "[semantic.bars]\ntimeframes_s = [5, 30]\n\
                      [semantic.synergy]\nfast_s = 5\nslow_s = 30\n\
                      [host]\nlayout = \"fused\"\n";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let rounds: usize = arguments.next().map_or(Ok(3), |text| text.parse())?;
    let days: u32 = arguments.next().map_or(Ok(5), |text| text.parse())?;
    println!("machine  {}", engine::runtime::host::machine());
    println!("load     {}", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    println!("floor    a stamp {:.1} ns", stamp_ns());
    // Alternated, so that a busy moment meets both.
    for round in 1..=rounds {
        for agents in [false, true] {
            let (latency, decisions, seconds) = run(days, agents)?;
            let who = if agents { "the rule, agents in shadow" } else { "the rule alone" };
            println!("\nround {round}: {who}: {decisions} decisions in {seconds:.2} s");
            report(&latency);
        }
    }
    Ok(())
}

/// Nanoseconds of one look at the run's clock.
fn stamp_ns() -> f64 {
    const LOOKS: u64 = 1_000_000;
    let clock = Clock::default();
    let from = clock.now();
    for _ in 0..LOOKS {
        black_box(clock.now());
    }
    (clock.now() - from) as f64 / LOOKS as f64
}

fn run(days: u32, agents: bool) -> Result<(Latency, u64, f64)> {
    let dir = tempfile::tempdir()?;
    let config = Config::parse(CONFIG, "closing_bar")?;
    let spec = format!("synthetic:days={days}");
    let source = SourceConfig::of(&spec);
    let source = gateways::open(&source, &config.catalog())?;
    let layout = Layout::of(&config.host)?;
    let mut order = Order::new(config, layout, vec![source], dir.path().join("journal"));
    if agents {
        order.policies = Policies::default().with_shadow(Agents::embedded());
    }
    let outcome = engine::run::run(order, |_| (), |_| ())?;
    if let Some(problem) = outcome.failure {
        return Err(problem.into());
    }
    let summary = outcome.summary;
    Ok((summary.latency, summary.tally.of(Kind::Decision), summary.elapsed_s))
}

/// A line a part: the closing bars, and the ticks that stand for the others.
fn report(latency: &Latency) {
    let of = |name: &str| latency.iter().find(|(tag, _)| tag == name).map(|(_, h)| h);
    println!("{:<12}{:>10}{:>10}{:>10}{:>10}", "part", "bars", "p50 ns", "p99 ns", "p99.9 ns");
    let mut sum = 0;
    for part in Part::ALL.into_iter().skip(1) {
        let Some(closing) = of(&format!("closing-{}", part.name())) else { continue };
        let at = |quantile| closing.value_at_quantile(quantile);
        sum += at(0.5);
        println!(
            "{:<12}{:>10}{:>10}{:>10}{:>10}",
            part.name(),
            closing.len(),
            at(0.5),
            at(0.99),
            at(0.999)
        );
    }
    println!("{:<12}{:>10}{sum:>10}", "sum of p50", "");
}
