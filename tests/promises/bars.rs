//! Every bar equals the one that a naive builder makes of the same run.

use proptest::prelude::*;
use std::cell::Cell;
use tests::naive_bars::check_bars;
use tests::script::{Mix, scripts};
use tests::seeds::check_cases;

/// Bars of random markets against the naive ones; prints what was seen, so that a generator that no
/// longer reaches a corner is noticed.
fn check(name: &str, mix: Mix, cases: u32, records: usize) {
    let seen = [const { Cell::new(0_u64) }; 6];
    check_cases(name, cases, &scripts(mix, records), |script| {
        let scene = script.scene();
        let recording = scene.record();
        let timeframes = &scene.semantic.bars.timeframes_s;
        let checked =
            check_bars(&recording, &scene.instruments, timeframes).map_err(TestCaseError::fail)?;
        let counts = [
            checked.bars,
            checked.prints,
            checked.gaps,
            checked.cut_short,
            checked.disordered,
            recording.inputs().count() as u64,
        ];
        seen.iter().zip(counts).for_each(|(sum, count)| sum.set(sum.get() + count));
        Ok(())
    });
    let [bars, prints, gaps, cut_short, disordered, inputs] = seen.map(|sum| sum.get());
    println!(
        "{bars} bars of {prints} accepted prints in {inputs} inputs; {gaps} after a gap, \
         {cut_short} cut short by their session, {disordered} prints out of order"
    );
    for (what, count) in [("gaps", gaps), ("session ends", cut_short)] {
        assert!(count > u64::from(cases) / 20, "the markets have too few {what}: {count}");
    }
}

#[test]
fn bars_of_prints_equal_the_naive_builder_and_hold_every_accepted_size() {
    check("bars of prints", Mix::Prints, 10_000, 160);
}

#[test]
fn bars_of_quotes_equal_the_naive_builder() {
    check("bars of quotes", Mix::Quotes, 3_000, 120);
}

#[test]
fn bars_of_ordered_prints_equal_the_naive_builder_in_longer_runs() {
    check("bars of ordered prints", Mix::OrderedPrints, 800, 700);
}

#[test]
fn bars_of_busy_markets_equal_the_naive_builder_with_their_micro_batches() {
    check("bars of busy markets", Mix::BusyPrints, 1_500, 900);
}
