//! Every bar equals the one that a naive builder makes of the same run.

use bytemuck::Zeroable;
use engine::bars::{ExtraBar, Gap};
use engine::conditions::ConditionTable;
use engine::manifest::Listed;
use proptest::prelude::*;
use ringbuf_layout::names::BarSource;
use ringbuf_layout::{
    Bar, BarFlags, Conditions, Decision, ExternalBar, Fill, Frame, Indicator, InputCell, Kind,
    Reasons, Trade, Verdict,
};
use std::cell::Cell;
use tests::bar_script::bar_scripts;
use tests::market::{ROUND_THE_CLOCK, cell, external_bar, listed, ns, steady_prints, trade};
use tests::naive_bars::{Checked, check_all, check_bars};
use tests::recording::Recording;
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
        cell(&external_bar(0, noon, 7_000_000, 1)),
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

/// `GRANDMODEL_BAR_CASES`, else 10,000.
fn bar_cases() -> u32 {
    let set = std::env::var("GRANDMODEL_BAR_CASES").ok();
    set.map_or(10_000, |text| text.parse().expect("Condition failed: a number of cases"))
}

#[test]
fn bars_of_every_kind_and_gap_policy_equal_the_naive_builder() {
    const COUNTED: [&str; 7] =
        ["bars", "gaps", "session ends", "filled", "extra", "external", "prints without a price"];
    let seen = [const { Cell::new(0_u64) }; COUNTED.len()];
    let cases = bar_cases();
    check_cases("bars of every kind", cases, &bar_scripts(50), |script| {
        let scene = script.scene();
        let recording = scene.record();
        let checked = check_all(&recording, &scene.instruments, &scene.semantic.bars)
            .map_err(TestCaseError::fail)?;
        let Checked { bars, gaps, cut_short, filled, extra, external, aside, .. } = checked;
        let counts = [bars, gaps, cut_short, filled, extra, external, aside];
        seen.iter().zip(counts).for_each(|(sum, count)| sum.set(sum.get() + count));
        Ok(())
    });
    for (what, count) in COUNTED.iter().zip(seen.map(|sum| sum.get())) {
        println!("{count} {what}");
        assert!(count > u64::from(cases) / 20, "the markets have too few {what}: {count}");
    }
}

#[test]
fn a_bar_that_is_wrong_in_any_field_is_found() {
    // The offsets of a bar record's times, numbers, flags, prices, volume and kind.
    const FIELDS: [usize; 17] =
        [16, 24, 32, 40, 48, 52, 63, 64, 72, 80, 88, 96, 104, 112, 120, 160, 168];
    let bars = Cell::new(0_usize);
    check_cases("bars with a fault", 300, &bar_scripts(40), |script| {
        let scene = script.scene();
        let mut recording = scene.record();
        let config = &scene.semantic.bars;
        check_all(&recording, &scene.instruments, config).map_err(TestCaseError::fail)?;
        let mut places = Vec::new();
        let mut at = 0;
        for frame in recording.frames() {
            if frame.kind() == Kind::Bar {
                places.push(at);
            }
            at += frame.bytes().len();
        }
        for (i, place) in places.into_iter().enumerate().take(FIELDS.len()) {
            let byte = place + FIELDS[(bars.get() + i) % FIELDS.len()];
            recording.bytes[byte] ^= 1;
            let found = check_all(&recording, &scene.instruments, config);
            prop_assert!(found.is_err(), "a fault in byte {} of a bar", byte - place);
            recording.bytes[byte] ^= 1;
            bars.set(bars.get() + 1);
        }
        Ok(())
    });
    assert!(bars.get() > 300, "too few bars: {}", bars.get());
}

/// Bars of prints of one instrument, as (minutes from noon, close in ticks, prints, flags).
fn bars_of(
    configure: impl FnOnce(&mut Scene),
    prints: &[(i64, i64)],
    timeframe_s: u32,
) -> Vec<(i64, i64, u32, String)> {
    const TICK: i64 = 7_000_000;
    let noon = ns("2024-02-05T12:00:00Z");
    let minute = 60_000_000_000;
    let print = |(at, ticks): &(i64, i64)| cell(&trade(0, noon + at * minute, ticks * TICK, 5));
    let instruments = vec![listed(ROUND_THE_CLOCK, false)];
    let mut scene = Scene::new(instruments, vec![prints.iter().map(print).collect()]);
    scene = scene.timeframes(&[timeframe_s]);
    configure(&mut scene);
    let recording = scene.record();
    check_all(&recording, &scene.instruments, &scene.semantic.bars).unwrap();
    let row = |bar: &Bar| {
        let flags = BarFlags(bar.tail.flags).to_string();
        ((bar.ts_open - noon) / minute, bar.close.0 / TICK, bar.ticks, flags)
    };
    recording.all::<Bar>().iter().map(row).collect()
}

fn rows(rows: &[(i64, i64, u32, &str)]) -> Vec<(i64, i64, u32, String)> {
    rows.iter().map(|(at, close, ticks, flags)| (*at, *close, *ticks, flags.to_string())).collect()
}

#[test]
fn an_empty_bucket_makes_no_bar_or_a_flat_one_as_the_policy_says() {
    let prints = [(0, 100), (16, 103), (17, 104)];
    let with = |gap| bars_of(|scene| scene.semantic.bars.gap = gap, &prints, 300);
    let last = (15, 104, 2, "gap+end_of_source");
    assert_eq!(with(Gap::None), rows(&[(0, 100, 1, "gap"), last]));
    let filled = [(5, 100, 0, "filled"), (10, 100, 0, "filled")];
    let flat = [(0, 100, 1, "gap"), filled[0], filled[1], (15, 104, 2, "end_of_source")];
    assert_eq!(with(Gap::Flat), rows(&flat));
}

#[test]
fn only_carry_fills_before_the_first_print_of_a_session() {
    // Four hours a bar; noon to midnight, and the next day from eight.
    let prints = [(1, 100), (20 * 60 + 1, 90), (24 * 60 + 1, 91)];
    let with = |gap| bars_of(|scene| scene.semantic.bars.gap = gap, &prints, 4 * 3_600);
    let hours = |rows: Vec<(i64, i64, u32, String)>| -> Vec<(i64, i64, String)> {
        rows.into_iter().map(|(at, close, _, flags)| (at / 60, close, flags)).collect()
    };
    let rows = |rows: &[(i64, i64, &str)]| -> Vec<(i64, i64, String)> {
        rows.iter().map(|(at, close, flags)| (*at, *close, flags.to_string())).collect()
    };
    let today = [(0, 100, "gap"), (4, 100, "filled"), (8, 100, "filled")];
    let tail = [(20, 90, ""), (24, 91, "end_of_source")];
    let flat = [today[0], today[1], today[2], (20, 90, "gap"), tail[1]];
    assert_eq!(hours(with(Gap::Flat)), rows(&flat));
    let night = [(12, 100, "filled"), (16, 100, "filled")];
    let carry = [today[0], today[1], today[2], night[0], night[1], tail[0], tail[1]];
    assert_eq!(hours(with(Gap::Carry)), rows(&carry));
}

/// Bars of a minute of prints: seconds from noon, price in ticks, size, whether it sets no price. Each bar as open,
/// high, low, close and vwap in ticks, volume, prints.
fn bars_with_odd_lots(
    configure: impl FnOnce(&mut Scene),
    prints: &[(i64, i64, i64, bool)],
) -> Vec<([i64; 5], i64, u32)> {
    const TICK: i64 = 7_000_000;
    let noon = ns("2024-02-05T12:00:00Z");
    let print = |(at, ticks, size, aside): &(i64, i64, i64, bool)| {
        let mut print = trade(0, noon + at * 1_000_000_000, ticks * TICK, *size);
        let conditions = if *aside { Conditions::ODD_LOT } else { Conditions::OPENING };
        print.source_seq = Trade::with_conditions(conditions);
        cell(&print)
    };
    let mut instruments = vec![listed(ROUND_THE_CLOCK, false)];
    instruments[0].def.no_price = Conditions::ODD_LOT;
    let mut scene = Scene::new(instruments, vec![prints.iter().map(print).collect()]);
    scene = scene.timeframes(&[60]);
    configure(&mut scene);
    let recording = scene.record();
    let checked = check_all(&recording, &scene.instruments, &scene.semantic.bars).unwrap();
    assert_eq!(checked.aside as usize, prints.iter().filter(|print| print.3).count());
    let row = |bar: &Bar| {
        let prices = [bar.open, bar.high, bar.low, bar.close, bar.vwap].map(|p| p.0 / TICK);
        (prices, bar.volume.0, bar.ticks)
    };
    recording.all::<Bar>().iter().map(row).collect()
}

#[test]
fn a_print_that_sets_no_price_is_in_volume_and_ticks_and_in_no_price_of_its_bar() {
    let nothing = |_: &mut Scene| {};
    // Before, between and after those that set prices.
    let prints = [
        (0, 50, 9, true),
        (1, 100, 1, false),
        (2, 900, 5, true),
        (3, 102, 1, false),
        (4, 1, 7, true),
    ];
    let bars = bars_with_odd_lots(nothing, &prints);
    assert_eq!(bars, [([100, 102, 100, 102, 101], 23, 5)]);
    // Where there is no other, the prices are its own.
    let alone = [(0, 50, 1, true), (1, 54, 3, true), (2, 52, 0, true)];
    assert_eq!(bars_with_odd_lots(nothing, &alone), [([50, 54, 50, 52, 53], 4, 3)]);
}

#[test]
fn the_bucket_of_a_vendors_own_length_that_reaches_over_midnight_is_the_next_days_and_filled_once()
{
    const HOUR: i64 = 3_600_000_000_000;
    let midnight = ns("2024-02-06T00:00:00Z");
    for gap in [Gap::None, Gap::Flat, Gap::Carry] {
        // Hours that end at the half, as in a zone of half hours: the last before midnight, and one much later.
        let ends = [midnight - 90 * HOUR / 60, midnight + 270 * HOUR / 60];
        let bar = |end: i64| {
            let mut bar = external_bar(0, end, 70_000_000, 5);
            (bar.ts_open, bar.timeframe_s) = (end - HOUR, 3_600);
            cell(&bar)
        };
        let mut coin = listed(ROUND_THE_CLOCK, false);
        coin.bars_from = BarSource::External;
        let mut scene = Scene::new(vec![coin], vec![ends.map(bar).to_vec()]).timeframes(&[3_600]);
        scene.semantic.bars.gap = gap;
        let recording = scene.record();
        check_all(&recording, &scene.instruments, &scene.semantic.bars).unwrap();
        let halves = |bar: &Bar| (bar.ts_close - midnight) / (HOUR / 2);
        let closes: Vec<i64> = recording.all::<Bar>().iter().map(halves).collect();
        let expected: &[i64] = match gap {
            Gap::None => &[-3, 9],
            // A session's first bar begins what is filled.
            Gap::Flat => &[-3, -1, 9],
            Gap::Carry => &[-3, -1, 1, 3, 5, 7, 9],
        };
        assert_eq!(closes, expected, "{gap:?}");
    }
}

#[test]
fn an_official_close_repeats_an_auction_and_is_in_no_volume() {
    let open = ns("2013-10-07T13:30:00Z");
    let print = |(at, cents, size, conditions): (i64, i64, i64, Conditions)| {
        let mut print = trade(0, open + at * 1_000_000_000, cents * 10_000_000, size);
        print.source_seq = Trade::with_conditions(conditions);
        cell(&print)
    };
    let auction = (2, 10_100, 1_000_000, Conditions::CLOSING);
    let official = (3, 10_100, 1_000_000, Conditions::OFFICIAL_CLOSE);
    let prints = [(1, 10_000, 5, Conditions::NONE), auction, official];
    let volume_of = |table: Option<&ConditionTable>| {
        let mut instruments = vec![listed("SPY", false)];
        if let Some(table) = table {
            let def = &mut instruments[0].def;
            (def.no_price, def.no_volume) = (table.no_price, table.no_volume);
        }
        let scene = Scene::new(instruments, vec![prints.map(print).to_vec()]).timeframes(&[60]);
        let recording = scene.record();
        check_all(&recording, &scene.instruments, &scene.semantic.bars).unwrap();
        let [bar] = recording.all::<Bar>()[..] else { panic!("one bar") };
        (bar.volume.0, bar.ticks, bar.close.0)
    };
    let [table] = engine::conditions::built_in();
    assert_eq!(volume_of(Some(&table)), (1_000_005, 3, 101_000_000_000));
    assert_eq!(volume_of(None), (2_000_005, 3, 101_000_000_000));
}

#[test]
fn an_empty_bucket_is_filled_at_the_last_price_that_was_set() {
    let flat = |scene: &mut Scene| scene.semantic.bars.gap = Gap::Flat;
    let prints = [(0, 70, 1, true), (120, 100, 1, false), (180, 500, 2, true), (300, 90, 1, false)];
    let closes: Vec<(i64, u32)> =
        bars_with_odd_lots(flat, &prints).into_iter().map(|bar| (bar.0[3], bar.2)).collect();
    assert_eq!(closes, [(70, 1), (70, 0), (100, 1), (500, 1), (100, 0), (90, 1)]);
}

#[test]
fn the_print_that_completes_a_bar_belongs_to_it_whole() {
    let prints = [(0, 100), (1, 101), (2, 102), (3, 103), (4, 104)];
    let extra = |text: &str| {
        let extra = vec![ExtraBar::parse(text).unwrap()];
        let rows = bars_of(|scene| scene.semantic.bars.extra = extra, &prints, 86_400);
        rows.into_iter().map(|(at, close, ticks, _)| (at, close, ticks)).collect::<Vec<_>>()
    };
    // A day's bar, counted from midnight, closes with the source and comes first.
    let day = (-720, 104, 5);
    assert_eq!(extra("tick:2"), [(0, 101, 2), (2, 103, 2), day, (4, 104, 1)]);
    // Sizes of 5e-8 each: the second print has more than is missing, and nothing is carried.
    assert_eq!(extra("volume:0.00000008"), [(0, 101, 2), (2, 103, 2), day, (4, 104, 1)]);
    // One print larger than the length closes one bar.
    assert_eq!(extra("volume:0.00000001").len(), 6);
    // 0.7 × 5e-8 = 3.5e-8 for the first.
    assert_eq!(extra("notional:0.000000035")[0], (0, 100, 1));
}

/// A vendor's bars of `length_s`, from those that the machine made of prints.
fn as_vendors(bars: &[Bar], length_s: u32) -> Vec<InputCell> {
    let of_length = bars.iter().filter(|bar| bar.timeframe_s == length_s && bar.kind == 0);
    of_length
        .map(|bar| {
            let head = ExternalBar::header(bar.ts_close, bar.ts_close);
            let mut vendors = ExternalBar { head, ts_open: bar.ts_open, ..ExternalBar::zeroed() };
            (vendors.open, vendors.high, vendors.low) = (bar.open, bar.high, bar.low);
            (vendors.close, vendors.volume) = (bar.close, bar.volume);
            (vendors.timeframe_s, vendors.ticks) = (length_s, bar.ticks);
            vendors.tail.instrument = bar.tail.instrument;
            cell(&vendors)
        })
        .collect()
}

#[test]
fn bars_of_a_vendor_run_the_same_indicators_and_decisions_as_the_prints_behind_them() {
    let instruments = vec![listed("SYN1", false)];
    let from = ns("2024-02-05T22:00:00Z");
    let prints = steady_prints(&instruments, 40_000, from, 2_000_000_000);
    let prints: Vec<_> = prints.iter().map(cell).collect();
    let scene = |instruments: Vec<Listed>, source, timeframes: &[u32]| {
        let mut scene = Scene::new(instruments, vec![source]).roles(60, 300);
        scene.semantic.venue.latency_ms = 0;
        scene.timeframes(timeframes)
    };
    let of_prints = scene(instruments.clone(), prints, &[60, 300]).record();
    let vendors = as_vendors(&of_prints.all::<Bar>(), 60);
    let mut external = instruments;
    external[0].bars_from = BarSource::External;
    let of_bars = scene(external.clone(), vendors, &[60, 300]);
    let of_bars_recording = of_bars.record();
    check_all(&of_bars_recording, &external, &of_bars.semantic.bars).unwrap();
    let values = |recording: &Recording| {
        let features = recording.all::<Indicator>().into_iter();
        let features =
            features.map(|i| (i.ts_close, i.timeframe_s, i.valid, i.values.map(f64::to_bits)));
        let decisions = recording.all::<Decision>().into_iter();
        let decisions = decisions.map(|d| (d.head.ts_event, d.action, d.confidence.to_bits()));
        (features.collect::<Vec<_>>(), decisions.collect::<Vec<_>>())
    };
    let (ours, theirs) = (values(&of_prints), values(&of_bars_recording));
    assert!(ours.0.len() > 1_000 && ours.1.len() > 500, "{} {}", ours.0.len(), ours.1.len());
    // The last boundary comes by a timer there, by the last bar here.
    assert_eq!(ours.0, theirs.0);
    assert_eq!(ours.1, theirs.1);
}

#[test]
fn an_order_that_a_vendor_s_bar_decides_fills_at_the_next_bar_s_open_and_never_in_its_own() {
    let instruments = vec![listed("SYN1", false)];
    let from = ns("2024-02-05T22:00:00Z");
    let prints = steady_prints(&instruments, 40_000, from, 2_000_000_000);
    let prints: Vec<_> = prints.iter().map(cell).collect();
    let of_prints = Scene::new(instruments.clone(), vec![prints]).timeframes(&[60, 300]).record();
    let mut external = instruments;
    external[0].bars_from = BarSource::External;
    let vendors = as_vendors(&of_prints.all::<Bar>(), 60);
    let mut scene = Scene::new(external, vec![vendors]).timeframes(&[60, 300]).roles(60, 300);
    scene.semantic.venue.slippage_ticks = 0;
    let recording = scene.record();
    let bars = recording.all::<ExternalBar>();
    let fills = recording.all::<Fill>();
    assert!(fills.len() > 5, "{} fills", fills.len());
    for fill in fills {
        let bar = bars.iter().find(|bar| bar.head.seq == fill.head.seq).expect("a bar fills it");
        assert_eq!(fill.price, bar.open);
        let decided =
            bars.iter().rfind(|bar| bar.head.seq <= fill.order_seq).expect("a bar decided");
        assert!(decided.head.ts_event <= bar.ts_open && fill.order_seq < fill.head.seq);
    }
}

#[test]
fn a_vendor_s_bar_that_comes_twice_or_late_makes_no_second_bar() {
    let noon = ns("2024-02-05T12:00:00Z");
    let minute = 60_000_000_000;
    let bar = |end: i64, close: i64| {
        let mut bar = external_bar(0, noon + end * minute, close * 7_000_000, 5);
        (bar.ts_open, bar.timeframe_s) = (bar.head.ts_event - minute, 60);
        cell(&bar)
    };
    let bars = vec![bar(1, 100), bar(1, 200), bar(3, 101), bar(2, 300), bar(4, 102), bar(6, 103)];
    let mut instruments = vec![listed(ROUND_THE_CLOCK, false)];
    instruments[0].bars_from = BarSource::External;
    let recording = Scene::new(instruments, vec![bars]).timeframes(&[60, 300]).record();
    let closes: Vec<(u32, i64, i64)> = recording
        .all::<Bar>()
        .iter()
        .map(|bar| (bar.timeframe_s / 60, (bar.ts_open - noon) / minute, bar.close.0 / 7_000_000))
        .collect();
    // The larger bar lacks its last minute, so the timer closes it; the next one ends with the source.
    let own = [(1, 0, 100), (1, 2, 101), (1, 3, 102)];
    assert_eq!(closes, [own[0], own[1], own[2], (5, 0, 102), (1, 5, 103), (5, 5, 103)]);
    let late = recording.all::<Verdict>().into_iter().filter(|v| v.reasons & Reasons::LATE.0 != 0);
    assert_eq!(late.count(), 2);
}
