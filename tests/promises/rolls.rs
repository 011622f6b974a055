//! The front of a future goes by the volume of the session before: told after its close, the old contract flattened, the
//! new one opened, and all of it again in a replay, after a stop, and out of a journal.

use crate::snapshots::check_halves;
use engine::Problem;
use engine::config::Config;
use engine::instrument::Catalog;
use engine::market_tape::survey;
use engine::policy::{Action, Choice, Policies, Policy, View};
use engine::replay::{Options, replay};
use engine::run::{Order, run};
use engine::runtime::schedule::Schedule;
use engine::snapshot::take;
use engine::source::{Feed, Front, Source, SourceConfig};
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::names::{OrderReason, OrderState, RiskReasons, SessionPhase};
use ringbuf_layout::{Bar, ExternalBar, Fill, InputCell, Risk, Session, Side, SourceStatus, Trade};
use std::path::Path;
use tests::halves::{go_on, inputs_of, play};
use tests::market::{cell, external_bar, listed, ns, trade};
use tests::naive_bars::check_bars;
use tests::real_run::{memory_source, order};
use tests::recording::Recording;
use tests::scene::{Scene, calendar};
use tests::sources::root;

const SYMBOLS: [&str; 2] = ["GC.201312", "GC.201402"];
const OLD: u32 = 0;
const NEW: u32 = 1;
const SECOND: i64 = 1_000_000_000;
/// Closes of the first two sessions, 17:15 in New York, and the open of the third.
const CLOSES: [&str; 2] = ["2013-10-07T21:15:00Z", "2013-10-08T21:15:00Z"];
const OPEN: &str = "2013-10-08T22:00:00Z";
/// When something trades: 80, 15 and 15 minutes.
const DAYS: [(&str, i64); 3] =
    [("2013-10-07T19:30:00Z", 4_800), ("2013-10-08T20:30:00Z", 900), (OPEN, 900)];
const CONFIG: &str = "[semantic.bars]\ntimeframes_s = [5, 30]\n\n\
                      [semantic.synergy]\nfast_s = 5\nslow_s = 30\n\n\
                      [host]\nsegment_mib = 1\nring_slots = 256\n";

/// Wants to be long, always.
struct Long;

impl Policy for Long {
    fn name(&self) -> &'static str {
        "long"
    }

    fn decide(&mut self, _: &View<'_>) -> Choice {
        Choice::new(Action::Long, 1.0)
    }
}

fn long() -> Policies {
    Policies::own(Long)
}

fn long_of(_: &Config) -> Result<Policies, Problem> {
    Ok(long())
}

/// Prints of a day, of both contracts in turn, one a second. The old one is the larger in the first session alone.
fn day(number: usize) -> Vec<Trade> {
    let (from, count) = DAYS[number];
    let sizes = if number == 0 { [10, 1] } else { [1, 10] };
    let tick = listed(SYMBOLS[0], false).def.tick.0;
    let print = |i: i64| {
        let contract = i % 2;
        // Up and down within a dollar.
        let price = (13_000 + 10 * contract + (i / 2 * 7) % 11) * tick;
        let ts = ns(from) + i * SECOND;
        trade(contract as u32, ts, price, sizes[contract as usize])
    };
    (0..count).map(print).collect()
}

fn scene(first: Option<u32>) -> Scene {
    let instruments = SYMBOLS.map(|symbol| listed(symbol, false)).into();
    let prints: Vec<InputCell> = (0..3).flat_map(day).map(|print| cell(&print)).collect();
    let mut scene = Scene::new(instruments, vec![prints]).timeframes(&[5, 30]).roles(5, 30);
    scene.futures = vec![(vec![OLD, NEW], first)];
    scene.policies(long)
}

/// When which contract was told of which front.
fn rolls(recording: &Recording) -> Vec<(i64, u32, u32)> {
    let all = recording.all::<SourceStatus>().into_iter();
    let told = all.filter_map(|status| {
        let (future, front) = status.rolled()?;
        assert_eq!(future, OLD, "its first contract names the future");
        Some((status.head.ts_event, status.tail.instrument, front))
    });
    told.collect()
}

/// Each contract is told of this front.
fn told(at: &str, front: u32) -> [(i64, u32, u32); 2] {
    [OLD, NEW].map(|contract| (ns(at), contract, front))
}

/// The rolls of the market above.
fn expected() -> Vec<(i64, u32, u32)> {
    [told(DAYS[0].0, OLD), told(CLOSES[1], NEW)].concat()
}

fn fills(recording: &Recording, contract: u32) -> Vec<Fill> {
    let all = recording.all::<Fill>().into_iter();
    all.filter(|fill| fill.tail.instrument == contract).collect()
}

fn signed(fill: &Fill) -> i64 {
    if fill.tail.side == Side::Sell as u8 { -fill.qty.0 } else { fill.qty.0 }
}

#[test]
fn after_the_close_the_old_front_is_flattened_and_only_the_new_one_opens() {
    let scene = scene(Some(OLD));
    let recording = scene.record();
    assert_eq!(rolls(&recording), expected());
    // Behind both closes and before both opens.
    let frames: Vec<_> = recording.inputs().collect();
    let is_roll = |cell: &SourceStatus| cell.rolled() == Some((OLD, NEW));
    let at = frames.iter().position(|f| f.get().as_ref().is_some_and(is_roll)).unwrap();
    let phase = |i: usize| frames[i].get::<Session>().map(|s| (s.tail.side, s.head.ts_event));
    let closed = Some((SessionPhase::Closed as u8, ns(CLOSES[1])));
    let opened = Some((SessionPhase::Regular as u8, ns(OPEN)));
    assert_eq!([at - 2, at - 1].map(phase), [closed; 2]);
    let opens = frames[at + 2..].iter().filter_map(|frame| frame.get::<Session>());
    assert_eq!(
        opens.map(|s| Some((s.tail.side, s.head.ts_event))).take(2).collect::<Vec<_>>(),
        [opened; 2]
    );

    // The old contract was held over the first close, and is sold with the first print after the roll.
    let close = ns(CLOSES[1]);
    let old = fills(&recording, OLD);
    let (before, after): (Vec<_>, Vec<_>) = old.iter().partition(|f| f.head.ts_event < close);
    let held: i64 = before.iter().map(|fill| signed(fill)).sum();
    assert!(held > 0 && before.iter().all(|fill| signed(fill) > 0));
    assert_eq!(after.iter().map(|fill| signed(fill)).collect::<Vec<_>>(), [-held]);
    assert_eq!(after[0].head.ts_event, ns(OPEN), "a print that comes with the open");
    // The new one is opened from there on, and never before.
    let new = fills(&recording, NEW);
    assert!(!new.is_empty() && new.iter().all(|f| f.head.ts_event > close && signed(f) > 0));
    // Both wanted to be long all the time: what was denied was denied for this reason.
    let denied = |contract: u32, before: bool| {
        let all = recording.all::<Risk>().into_iter();
        let of = all.filter(|risk| {
            risk.tail.instrument == contract && (risk.head.ts_event < close) == before
        });
        let of: Vec<_> = of.collect();
        let by_rank = |risk: &&Risk| risk.reason & RiskReasons::NOT_FRONT.0 != 0;
        (of.iter().filter(by_rank).count(), of.len())
    };
    let (old_then, new_then) = (denied(OLD, true), denied(NEW, true));
    let (old_now, new_now) = (denied(OLD, false), denied(NEW, false));
    assert!(old_then.1 > 100 && new_then.1 > 100 && old_now.1 > 100 && new_now.1 > 100);
    assert_eq!((old_then.0, new_then.0), (0, new_then.1));
    assert_eq!((old_now.0, new_now.0), (old_now.1, 0));
    // Each has its own bars, without a jump, before and after.
    check_bars(&recording, &scene.instruments, &[5, 30]).unwrap();
    let bars = recording.all::<Bar>();
    let later =
        |c: u32| bars.iter().filter(|b| b.tail.instrument == c && b.ts_open > close).count();
    assert!(later(OLD) > 150 && later(NEW) > 150);
}

#[test]
fn without_a_first_front_nothing_is_opened_before_a_session_has_ended() {
    let recording = scene(None).record();
    let none = told(DAYS[0].0, NO_INSTRUMENT);
    assert_eq!(rolls(&recording), [none, told(CLOSES[0], OLD), told(CLOSES[1], NEW)].concat());
    let first = fills(&recording, OLD)[0].head.ts_event;
    assert!(first > ns(DAYS[1].0) && first < ns(CLOSES[1]), "the second session has its front");
    let denied = recording.all::<Risk>();
    let denied: Vec<_> = denied.iter().filter(|r| r.head.ts_event < ns(CLOSES[0])).collect();
    assert!(!denied.is_empty());
    assert!(denied.iter().all(|risk| risk.reason & RiskReasons::NOT_FRONT.0 != 0));
}

#[test]
fn a_run_without_futures_is_told_of_no_front_and_trades_both() {
    let mut scene = scene(None);
    scene.futures.clear();
    let recording = scene.record();
    assert_eq!(rolls(&recording), []);
    assert!(fills(&recording, OLD).len() == 1 && fills(&recording, NEW).len() == 1);
}

/// What was told, with everything around it: rolls are no part of the story of a market.
fn told_in(recordings: [&Recording; 2]) -> Vec<(i64, u32, u32)> {
    recordings.iter().flat_map(|recording| rolls(recording)).collect()
}

#[test]
fn a_run_that_was_cut_anywhere_tells_the_same_rolls_and_trades_the_same() {
    let scene = scene(Some(OLD));
    let whole = scene.record();
    let inputs = inputs_of(&whole);
    let is_roll = |input: &InputCell| input.get().is_some_and(SourceStatus::is_roll);
    let places: Vec<usize> = (0..inputs.len()).filter(|i| is_roll(&inputs[*i])).collect();
    assert_eq!(places.len(), 4);
    // All around the rolls, around the first close, and now and then.
    let mut cuts: Vec<usize> = places.iter().flat_map(|at| at - 3..at + 4).collect();
    let first_close = inputs
        .iter()
        .position(|input| input.get::<Session>().is_some_and(|s| s.head.ts_event == ns(CLOSES[0])));
    let first_close = first_close.unwrap();
    cuts.extend(first_close - 1..first_close + 4);
    cuts.extend((1..6).map(|i| i * inputs.len() / 6));
    cuts.sort_unstable();
    cuts.dedup();
    for at in cuts {
        let (first, image) = play(&scene, None, &inputs[..at]);
        let second = go_on(&scene, &image, &inputs[..at]);
        assert_eq!(told_in([&first, &second]), expected(), "cut at {at}");
        check_halves(&whole, &first, &second)
            .unwrap_or_else(|error| panic!("cut at {at}: {error}"));
    }
}

/// A source of one day, or of several, whose contracts are those of a future.
fn followed(name: &str, days: &[usize], first: Option<&str>) -> Source {
    let prints = days.iter().flat_map(|number| day(*number)).collect();
    let front = Some(Front { first: first.map(str::to_string) });
    Source { front, ..memory_source(name, &SYMBOLS, prints) }
}

fn ordered(dir: &Path, sources: Vec<Source>) -> Order {
    let (policies, policies_of) = (long(), Box::new(long_of));
    Order { policies, policies_of, ..order(dir, CONFIG, sources) }
}

fn went_well(order: Order) -> Recording {
    let dir = order.dir.clone();
    let outcome = run(order, |_| {}, |_| {}).unwrap_or_else(|problem| panic!("{problem}"));
    assert_eq!(outcome.failure, None);
    assert!(matches!(outcome.snapshot, Some(Ok(_))), "{:?}", outcome.snapshot);
    for from_snapshot in [false, true] {
        let options = Options { from_snapshot, ..Options::default() };
        let proof = replay(&dir, options, long_of, |_| {}).unwrap();
        assert!(proof.verified(), "{proof:?}");
    }
    Recording::read(&dir).unwrap().0
}

#[test]
fn a_journal_that_goes_on_counts_and_remembers_the_front_from_its_inputs_or_its_snapshot() {
    let whole = tempfile::tempdir().unwrap();
    let whole =
        went_well(ordered(whole.path(), vec![followed("all", &[0, 1, 2], Some(SYMBOLS[0]))]));
    assert_eq!(rolls(&whole), expected());
    assert!(!fills(&whole, NEW).is_empty());
    for with_snapshots in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        // A source a day: the close that ends the second session comes in the third run.
        for number in 0..3 {
            let name = format!("day {number}");
            // The first front is of the first session: named again, it changes nothing.
            let source = followed(&name, &[number], Some(SYMBOLS[0]));
            let recording = went_well(ordered(dir, vec![source]));
            let count = if number < 2 { 2 } else { 4 };
            assert_eq!(rolls(&recording), expected()[..count]);
            if !with_snapshots {
                std::fs::remove_dir_all(dir.join("snapshots")).unwrap();
            }
        }
        let recording = Recording::read(dir).unwrap().0;
        let trades = |recording: &Recording, contract| {
            fills(recording, contract)
                .iter()
                .map(|f| (f.head.ts_event, signed(f)))
                .collect::<Vec<_>>()
        };
        for contract in [OLD, NEW] {
            assert_eq!(trades(&recording, contract), trades(&whole, contract));
        }
        take(dir, long_of, |_| {}).unwrap();
    }
}

#[test]
fn a_journal_as_a_source_holds_no_rolls_and_makes_them_again() {
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let one = followed("all", &[0, 1, 2], Some(SYMBOLS[0]));
    let whole = went_well(ordered(dirs[0].path(), vec![one]));
    let records: i64 = DAYS.iter().map(|(_, count)| count).sum();
    assert_eq!(survey(dirs[0].path()).unwrap().records, records as u64);
    let spec = format!("journal:{}", dirs[0].path().display());
    let open = |front| {
        let config = SourceConfig { front, ..SourceConfig::of(&spec) };
        gateways::open(&config, &Catalog::default()).unwrap()
    };
    let front = Front { first: Some(SYMBOLS[0].to_string()) };
    let again = went_well(ordered(dirs[1].path(), vec![open(Some(front))]));
    assert_eq!(rolls(&again), expected());
    let hash = |recording: &Recording| recording.all::<Bar>().len();
    assert_eq!((hash(&again), fills(&again, NEW).len()), (hash(&whole), fills(&whole, NEW).len()));
    let plain = tempfile::tempdir().unwrap();
    assert_eq!(rolls(&went_well(ordered(plain.path(), vec![open(None)]))), []);
}

#[test]
fn contracts_with_other_sessions_and_a_first_front_that_is_not_there_keep_a_run_from_starting() {
    let refused = |source: Source| {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("J");
        let problem = run(ordered(&dir, vec![source]), |_| {}, |_| {}).expect_err("it is refused");
        assert!(!dir.join("objects").exists(), "nothing is left that looks like a journal");
        problem.to_string()
    };
    let message = refused(followed("gc", &[0], Some("GC.201321")));
    assert!(message.contains("GC.201312, GC.201402; did you mean"), "{message}");
    let mut mixed = followed("mixed", &[0], None);
    mixed.symbols[1].symbol = "ES.201312".to_string();
    let message = refused(mixed);
    assert!(message.contains("GC.201312 has the calendar METALS"), "{message}");
    assert!(message.contains("ES.201312 has CMES"), "{message}");
}

#[test]
fn what_was_cancelled_by_a_roll_says_so() {
    // A bracket works when the front is left.
    let mut scene = scene(Some(OLD));
    scene.semantic.orders.bracket = engine::config::Bracket::Atr;
    (scene.semantic.orders.stop_atr, scene.semantic.orders.target_atr) = (100.0, 100.0);
    let recording = scene.record();
    let close = ns(CLOSES[1]);
    let orders = recording.all::<ringbuf_layout::Order>();
    let at_roll: Vec<_> = orders
        .iter()
        .filter(|order| order.head.ts_event == close)
        .map(|order| (order.state, order.reason))
        .collect();
    let cancelled = (OrderState::Cancelled as u8, OrderReason::Roll as u16);
    assert_eq!(at_roll, [cancelled, cancelled, (OrderState::New as u8, 0)]);
}

/// A vendor's hours of both contracts: the last of each session ends with its close.
#[test]
fn the_bar_that_ends_at_the_close_counts_for_its_session() {
    let mut bars = Vec::new();
    for (i, volumes) in [[5, 4], [5, 6], [1, 1]].into_iter().enumerate() {
        let close = ns(CLOSES[0]) + i as i64 * 86_400 * SECOND;
        for (from, part) in [(2, [0, 0]), (1, volumes)] {
            for contract in [OLD, NEW] {
                let end = close - (from - 1) * 900 * SECOND;
                let volume = part[contract as usize];
                let mut bar = external_bar(contract, end, 13_000 * 100_000_000, volume);
                (bar.ts_open, bar.timeframe_s) = (end - 900 * SECOND, 900);
                bars.push(cell::<ExternalBar>(&bar));
            }
        }
    }
    let mut instruments = SYMBOLS.map(|symbol| listed(symbol, false));
    for listed in &mut instruments {
        listed.bars_from = ringbuf_layout::names::BarSource::External;
    }
    let mut scene = Scene::new(instruments.into(), vec![bars]).timeframes(&[900]);
    scene.futures = vec![(vec![OLD, NEW], Some(OLD))];
    let recording = scene.record();
    let all = rolls(&recording);
    // 1 ns after the close: the bar of the new contract, the larger, came with it.
    assert_eq!(
        all[2..],
        told(CLOSES[1], NEW).map(|(at, contract, front)| (at + 1, contract, front))
    );
    // Whatever is cut off, the rest is told.
    let inputs = inputs_of(&recording);
    for at in 3..inputs.len() - 2 {
        let (first, image) = play(&scene, None, &inputs[..at]);
        let second = go_on(&scene, &image, &inputs[..at]);
        assert_eq!(told_in([&first, &second]), all, "cut at {at}");
        check_halves(&recording, &first, &second)
            .unwrap_or_else(|error| panic!("cut at {at}: {error}"));
    }
}

#[test]
fn after_a_day_of_gold_in_ten_months_the_front_is_december() {
    const FILE: &str = "../shared/data/lean/gc-20131007-trade.zip";
    let path = root().join(FILE);
    if !path.exists() {
        println!(
            "after_a_day_of_gold_in_ten_months_the_front_is_december: skipped, {FILE} is not there"
        );
        return;
    }
    let front = Some(Front::default());
    let spec = format!("lean-trade:{}", path.display());
    let config = SourceConfig { front, ..SourceConfig::of(&spec) };
    let source = gateways::open(&config, &Catalog::default()).unwrap();
    let symbols: Vec<String> = source.symbols.iter().map(|used| used.symbol.clone()).collect();
    assert_eq!(symbols.len(), 10);
    let december = symbols.iter().position(|symbol| symbol == "GC.201312").unwrap() as u32;
    let Feed::Decoder(mut decoder) = source.feed else { panic!("a decoder") };
    let bars = Config::default().semantic.bars;
    let mut schedule = Schedule::new(&bars, 1_000, vec![calendar("METALS"); 10]);
    schedule.follow(&(0..10).collect::<Vec<_>>(), None).unwrap();
    let (mut record, mut rows, mut now) = (InputCell::default(), [0; 10], 0);
    let mut all = Vec::new();
    let mut pop = |schedule: &mut Schedule, now: i64| {
        while let Some(due) = schedule.pop(now) {
            all.extend(due.get::<SourceStatus>().and_then(SourceStatus::rolled));
        }
    };
    while decoder.next(&mut record).unwrap() {
        now = now.max(record.head().ts_event);
        schedule.begin(now);
        pop(&mut schedule, now);
        schedule.open_buckets(record.tail().instrument, record.head().ts_event, &record);
        rows[record.tail().instrument as usize] += 1;
    }
    assert_eq!((rows.iter().sum::<i32>(), rows[december as usize]), (40_192, 39_702));
    pop(&mut schedule, ns(CLOSES[0]));
    assert_eq!(all, [[(0, NO_INSTRUMENT); 10], [(0, december); 10]].concat());
}
