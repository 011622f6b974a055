//! Every bar equals the one that a naive builder makes of the same run.

use proptest::prelude::*;
use ringbuf_layout::Bar;
use std::cell::Cell;
use tests::market::{ROUND_THE_CLOCK, cell, listed, ns, trade};
use tests::naive_bars::check_bars;
use tests::scene::Scene;
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

#[test]
fn a_micro_batch_ends_after_a_hundred_prints_or_a_millisecond() {
    let noon = ns("2024-02-05T12:00:00Z");
    let check = |times: &mut dyn Iterator<Item = i64>, expected: (u32, i64)| {
        let print =
            |(i, ns): (i64, i64)| cell(&trade(0, noon + ns, (1_000 + i * i) * 7_000_000, 1));
        let prints: Vec<_> = (0..).zip(times).map(print).collect();
        let scene = Scene::new(vec![listed(ROUND_THE_CLOCK, false)], vec![prints]);
        let recording = scene.timeframes(&[60]).record();
        check_bars(&recording, &[listed(ROUND_THE_CLOCK, false)], &[60]).unwrap();
        let bar = recording.all::<Bar>()[0];
        assert_eq!((bar.micro_count, bar.micro_change / 7_000_000), expected);
    };
    // The second hundred is complete when the 201st print comes: from 100² to 199².
    check(&mut std::iter::repeat_n(0, 200), (100, 99 * 99));
    check(&mut std::iter::repeat_n(0, 201), (100, 199 * 199 - 100 * 100));
    // A print 1 ms after the first of its batch begins the next one.
    check(&mut [0, 999_999].into_iter(), (0, 0));
    check(&mut [0, 999_999, 1_000_000].into_iter(), (2, 1));
    check(&mut [0, 500_000, 1_000_000, 1_999_999, 2_000_000].into_iter(), (2, 9 - 4));
}

#[test]
fn sizes_up_to_the_limit_on_both_sides_of_midnight_overflow_no_sum() {
    let midnight = ns("2024-02-06T00:00:00Z");
    let print = |ns, size| cell(&trade(0, midnight + ns, 7_000_000, size));
    let prints = vec![print(-100, i64::MAX), print(0, i64::MAX), print(2_000_000, 0)];
    let instruments = vec![listed(ROUND_THE_CLOCK, false)];
    let scene = Scene::new(instruments.clone(), vec![prints]).timeframes(&[1, 3_600]);
    let recording = scene.record();
    let checked = check_bars(&recording, &instruments, &[1, 3_600]).unwrap();
    assert_eq!((checked.prints, checked.bars), (3, 4));
}

#[test]
fn a_print_older_than_a_level_of_its_book_belongs_to_the_level_s_bucket() {
    let noon = ns("2024-02-05T12:00:00Z");
    let second = 1_000_000_000;
    for newer in [
        cell(&tests::market::level(0, noon, 7_000_000, 1)),
        cell(&tests::market::external_bar(0, noon, 7_000_000, 1)),
        cell(&trade(0, noon, -1, 1)),
    ] {
        let print = |ts| cell(&trade(0, ts, 7_000_000, 1));
        let prints = vec![newer, print(noon - second), print(noon + second)];
        let instruments = vec![listed(ROUND_THE_CLOCK, false)];
        let recording = Scene::new(instruments, vec![prints]).timeframes(&[60]).record();
        let bars = recording.all::<Bar>();
        assert_eq!(bars.len(), 1);
        assert_eq!((bars[0].ts_open, bars[0].ticks), (noon, 2));
        assert_eq!(bars[0].ts_first, noon - second);
    }
}
