//! What one decision costs: `cargo run --release --manifest-path marl/Cargo.toml --example decision_cost`

use std::hint::black_box;
use std::time::Instant;

use marl::Agents;
use marl::seeded::SplitMix;
use marl::shape::{STRATEGIC, TACTICAL};

const DECISIONS: usize = 20_000;

fn main() {
    let start = Instant::now();
    let agents = Agents::embedded();
    println!("start-up {:.1} ms", start.elapsed().as_secs_f64() * 1e3);

    let mut dice = SplitMix(1);
    let mut cells = |count| (0..count).map(|_| 6.0 * dice.next_unit() - 3.0).collect::<Vec<f32>>();
    let views: Vec<_> =
        (0..16).map(|_| (cells(STRATEGIC.inputs()), cells(TACTICAL.inputs()))).collect();
    let decide = |i: usize| {
        let (slow, fast) = &views[i % views.len()];
        black_box(agents.choose(black_box(slow), black_box(fast), None)).is_ok()
    };
    (0..2_000).for_each(|i| assert!(decide(i)));

    let mut took: Vec<_> = (0..DECISIONS)
        .map(|i| {
            let start = Instant::now();
            assert!(decide(i));
            start.elapsed().as_nanos() as u64
        })
        .collect();
    took.sort_unstable();
    let mean = took.iter().sum::<u64>() as f64 / DECISIONS as f64 / 1e3;
    let at = |share: f64| took[(share * DECISIONS as f64) as usize] as f64 / 1e3;
    println!("a decision of six actors, {DECISIONS} times:");
    println!("mean {mean:.1} µs, p50 {:.1}, p99 {:.1}, p99.9 {:.1}", at(0.5), at(0.99), at(0.999));
}
