//! A run on a journal that is there: it recovers, rebuilds, and goes on as if nothing had happened, or says why not.

use crate::snapshots::check_halves;
use engine::Problem;
use engine::replay::{Options, Proof, replay};
use engine::resume::Consent;
use engine::run::{Order, Outcome, run};
use engine::runtime::controls::Controls;
use engine::runtime::fail_point::FailPoint;
use engine::snapshot::{shelf, take};
use engine::source::{Decoder, Feed, Source};
use ringbuf_layout::names::{Command, SourceState};
use ringbuf_layout::{
    Bar, InputCell, Instrument, Kind, Part, Portfolio, RunStart, SourceStatus, Trade,
};
use std::path::Path;
use std::sync::Arc;
use sync::Trading;
use tempfile::TempDir;
use tests::halves::{inputs_of, story};
use tests::market::{cell, listed, ns, steady_prints, trade};
use tests::real_run::{by_rule, decoded_source, memory_source, order, replay_of};
use tests::recording::Recording;
use tests::tamper::killed_after;

const SYMBOLS: [&str; 3] = ["SPY", "SYN1", "GC.201312"];
const CONFIG: &str = "[semantic.bars]\ntimeframes_s = [5, 60, 300]\n\n\
                      [semantic.synergy]\nfast_s = 5\nslow_s = 60\n\n\
                      [semantic.orders]\nbracket = \"atr\"\n\n\
                      [host]\nsegment_mib = 1\nring_slots = 256\n";
const BEGIN: &str = "2013-10-07T19:50:00Z";

fn prints(symbols: &[&str], count: usize, from: &str) -> Vec<Trade> {
    let instruments: Vec<_> = symbols.iter().map(|symbol| listed(symbol, false)).collect();
    steady_prints(&instruments, count, ns(from), 1_900_000_000)
}

/// Prints from memory, and others from a gateway thread that come out of order within a second.
fn sources() -> Vec<Source> {
    let all = prints(&SYMBOLS, 12_000, BEGIN);
    let mut others: Vec<InputCell> = all
        .iter()
        .step_by(5)
        .map(|print| {
            let mut other = *print;
            other.head.ts_event += 700_000_000;
            cell(&other)
        })
        .collect();
    others.chunks_mut(2).for_each(<[InputCell]>::reverse);
    vec![memory_source("prints", &SYMBOLS, all), decoded_source("others", &SYMBOLS, others, None)]
}

fn config() -> String {
    format!("[semantic.validate]\nreorder_ms = 30000\n\n{CONFIG}")
}

fn went_well(order: Order) -> Outcome {
    let outcome = run(order, |_| {}, |_| {}).unwrap_or_else(|problem| panic!("{problem}"));
    assert_eq!(outcome.failure, None);
    assert!(matches!(outcome.snapshot, Some(Ok(_))), "{:?}", outcome.snapshot);
    outcome
}

fn refused(order: Order) -> Problem {
    match run(order, |_| {}, |_| {}) {
        Err(problem) => problem,
        Ok(outcome) => panic!("it was not refused: {outcome:?}"),
    }
}

fn from_snapshot(dir: &Path) -> Proof {
    let options = Options { from_snapshot: true, ..Options::default() };
    replay(dir, options, by_rule, |_| {}).unwrap()
}

/// From its beginning and from its newest snapshot it replays, and every byte is sound.
fn is_sound(dir: &Path) -> Proof {
    let proof = replay_of(dir);
    assert!(proof.verified(), "{proof:?}");
    let fast = from_snapshot(dir);
    assert!(fast.verified() && fast.from_snapshot.is_some(), "{fast:?}");
    let report = journal::verify(dir, &mut |_| {}).unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    proof
}

fn read(dir: &Path) -> Recording {
    Recording::read(dir).unwrap().0
}

fn uninterrupted() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    went_well(order(dir.path(), &config(), sources()));
    dir
}

#[test]
fn a_run_killed_between_any_two_inputs_goes_on_to_the_same_bars_decisions_and_portfolio() {
    let whole = uninterrupted();
    let expected = read(whole.path());
    let slots = inputs_of(&expected).len() as u64;
    assert!(expected.frames().filter(|frame| frame.kind() == Kind::Fill).count() > 20);
    // Among the first inputs, at the end, and all over.
    let mut cuts: Vec<u64> = (1..9).map(|i| i * slots / 9 + i % 4).collect();
    cuts.extend([1, 3, 5, 6, 9, slots - 1, slots - 2, slots - 4]);
    for at in cuts {
        let dir = tempfile::tempdir().unwrap();
        killed_after(whole.path(), dir.path(), at);
        let outcome = went_well(order(dir.path(), &config(), sources()));
        let rebuilt = outcome.rebuilt.expect("it went on");
        assert_eq!((rebuilt.from, rebuilt.inputs, rebuilt.base_seq), (None, at, at));
        assert_eq!((rebuilt.epoch, rebuilt.chain, rebuilt.unprocessed), (2, false, 0));
        let recording = read(dir.path());
        let (first, second) = recording.halves(at);
        check_halves(&expected, &first, &second)
            .unwrap_or_else(|error| panic!("cut at {at}: {error}"));
        let proof = is_sound(dir.path());
        assert_eq!(proof.summary.tally.account, outcome.summary.tally.account, "cut at {at}");
    }
}

#[test]
fn a_run_goes_on_from_the_newest_snapshot_and_its_tail() {
    let whole = uninterrupted();
    let dir = tempfile::tempdir().unwrap();
    killed_after(whole.path(), dir.path(), 9_000);
    let taken = take(dir.path(), by_rule, |_| {}).unwrap();
    // The journal goes on in the meantime: here, as it would have.
    let longer = tempfile::tempdir().unwrap();
    killed_after(whole.path(), longer.path(), 10_000);
    std::fs::rename(dir.path().join("snapshots"), longer.path().join("snapshots")).unwrap();
    let outcome = went_well(order(longer.path(), &config(), sources()));
    let rebuilt = outcome.rebuilt.unwrap();
    assert_eq!((rebuilt.from, rebuilt.inputs), (Some(taken.seq), 1_000));
    let (first, second) = read(longer.path()).halves(10_000);
    check_halves(&read(whole.path()), &first, &second).unwrap();
    is_sound(longer.path());
}

#[test]
fn a_snapshot_of_records_that_were_lost_never_comes_back() {
    let whole = uninterrupted();
    let dir = tempfile::tempdir().unwrap();
    killed_after(whole.path(), dir.path(), 8_000);
    // It stands at the end of the whole run: this journal has lost that.
    let shelf_of = |dir: &Path| dir.join("snapshots");
    std::fs::create_dir(shelf_of(dir.path())).unwrap();
    let newest = shelf::list(whole.path()).unwrap()[0].path.clone();
    let lost = shelf_of(dir.path()).join(newest.file_name().unwrap());
    std::fs::copy(&newest, &lost).unwrap();
    let outcome = went_well(order(dir.path(), &config(), sources()));
    assert_eq!(outcome.rebuilt.unwrap().from, None);
    assert!(!lost.exists());
    is_sound(dir.path());
}

#[test]
fn another_day_another_source_and_a_new_instrument_go_on_in_the_same_journal() {
    let dir = tempfile::tempdir().unwrap();
    let first = memory_source("monday", &["SPY", "SYN1"], prints(&["SPY", "SYN1"], 9_000, BEGIN));
    went_well(order(dir.path(), CONFIG, vec![first]));
    let symbols = ["GC.201312", "SYN1", "SPY"];
    let tuesday = || {
        let prints = prints(&symbols, 9_000, "2013-10-08T13:00:00Z");
        memory_source("tuesday", &symbols, prints)
    };
    let outcome = went_well(order(dir.path(), CONFIG, vec![tuesday()]));
    let rebuilt = outcome.rebuilt.unwrap();
    assert_eq!(
        (rebuilt.from, rebuilt.inputs),
        (Some(rebuilt.base_seq - 1), 0),
        "its tail is empty"
    );
    let recording = read(dir.path());
    let starts = recording.all::<RunStart>();
    assert_eq!(
        starts.iter().map(|s| (s.epoch, s.base_seq)).collect::<Vec<_>>(),
        [(1, 0), (2, rebuilt.base_seq)]
    );
    let numbers: Vec<(u32, String)> = recording
        .all::<Instrument>()
        .iter()
        .map(|i| (i.tail.instrument, ringbuf_layout::input::text_of(&i.symbol).to_string()))
        .collect();
    let expected = ["SPY", "SYN1", "GC.201312"].map(str::to_string);
    assert_eq!(numbers, (0..).zip(expected).collect::<Vec<_>>(), "defined once, the new one last");
    // Tuesday's prints are all accepted, under the numbers of Monday.
    let later = recording.all::<Trade>();
    let of = |number| later.iter().filter(|t| t.tail.instrument == number).count();
    assert_eq!((of(0), of(1), of(2)), (4_500 + 3_000, 4_500 + 3_000, 3_000));
    let bars = recording.all::<Bar>();
    assert!(bars.iter().any(|bar| bar.tail.instrument == 2));
    // No bar is closed twice.
    let mut closed: Vec<_> =
        bars.iter().map(|b| (b.tail.instrument, b.timeframe_s, b.ts_open)).collect();
    closed.sort_unstable();
    let count = closed.len();
    closed.dedup();
    assert_eq!(closed.len(), count);
    is_sound(dir.path());
    // The same again: nothing is left of it, and nothing is delivered twice.
    let again = went_well(order(dir.path(), CONFIG, vec![tuesday()]));
    assert_eq!(again.summary.tally.ticks, 0);
    is_sound(dir.path());
}

#[test]
fn an_instrument_that_is_defined_otherwise_is_refused() {
    let define = |tick: &str| {
        format!("[[semantic.instrument]]\nsymbol = \"X\"\ntick = \"{tick}\"\n\n{CONFIG}")
    };
    let dir = tempfile::tempdir().unwrap();
    let source = |name| {
        let trades = (0..100).map(|i| trade(0, ns(BEGIN) + i, 70_000_000_000, 1)).collect();
        memory_source(name, &["X"], trades)
    };
    went_well(order(dir.path(), &define("0.01"), vec![source("one")]));
    let mut changed = order(dir.path(), &define("0.05"), vec![source("two")]);
    changed.consent.accept_change = true;
    let problem = refused(changed);
    assert!(problem.what.contains("X is defined otherwise"), "{problem}");
    went_well(order(dir.path(), &define("0.01"), vec![source("two")]));
    is_sound(dir.path());
}

#[test]
fn a_live_source_that_comes_again_tells_of_a_gap_and_numbers_on() {
    use SourceState::{Down, Gap, Up};
    let dir = tempfile::tempdir().unwrap();
    let live = |from: i64| {
        let records = (0..50).map(|i| cell(&trade(0, from + i, 167_000_000_000, 1))).collect();
        Source { live: true, ..decoded_source("live", &["SPY"], records, None) }
    };
    let noon = ns("2013-10-08T16:00:00Z");
    went_well(order(dir.path(), CONFIG, vec![live(noon)]));
    went_well(order(dir.path(), CONFIG, vec![live(noon + 1_000_000)]));
    let recording = read(dir.path());
    let sequences: Vec<u64> = recording.all::<Trade>().iter().map(Trade::source_sequence).collect();
    assert_eq!(sequences, (0..100).collect::<Vec<_>>());
    let told: Vec<_> = recording
        .all::<SourceStatus>()
        .iter()
        .map(|s| (SourceState::from_byte(s.tail.side).unwrap(), s.first_source_seq))
        .collect();
    assert_eq!(told, [(Up, 0), (Down, 0), (Up, 50), (Gap, 50), (Down, 0)]);
    is_sound(dir.path());
}

/// An operator who resumes as soon as the run, halted, asks for its first record: `watch` may not be called in time on a
/// busy host.
struct Resuming {
    controls: Arc<Controls>,
    records: std::vec::IntoIter<InputCell>,
}

impl Decoder for Resuming {
    fn next(&mut self, cell: &mut InputCell) -> Result<bool, Problem> {
        if self.controls.kill.state() == Trading::Halted {
            self.controls.command(Command::Resume, None, (1, 2))?;
        }
        let Some(record) = self.records.next() else { return Ok(false) };
        cell.copy_from(&record);
        Ok(true)
    }
}

#[test]
fn what_operators_halted_stays_halted_until_they_say_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = order(
        dir.path(),
        CONFIG,
        vec![memory_source("one", &["SPY"], prints(&["SPY"], 500, BEGIN))],
    );
    first.controls.command(Command::Halt, None, (1, 2)).unwrap();
    first.build = "test build".to_string();
    let halted = run(first, |_| {}, |_| {}).unwrap();
    assert_eq!(halted.summary.state, Trading::Halted);
    let second = order(
        dir.path(),
        CONFIG,
        vec![memory_source("two", &["SPY"], prints(&["SPY"], 500, "2013-10-08T14:00:00Z"))],
    );
    let outcome = went_well(second);
    assert_eq!(
        (outcome.summary.state, outcome.summary.state_reason),
        (Trading::Halted, Some("operator"))
    );
    let records =
        prints(&["SPY"], 500, "2013-10-08T16:00:00Z").iter().map(cell).collect::<Vec<_>>();
    let mut third = order(dir.path(), CONFIG, Vec::new());
    let feed = Resuming { controls: Arc::clone(&third.controls), records: records.into_iter() };
    third.sources.push(Source {
        feed: Feed::Decoder(Box::new(feed)),
        ..decoded_source("three", &["SPY"], Vec::new(), None)
    });
    let resumed = run(third, |_| {}, |_| {}).unwrap();
    assert_eq!(resumed.summary.state, Trading::Active);
    is_sound(dir.path());
}

fn day(name: &'static str, from: &str) -> Source {
    memory_source(name, &["SPY", "SYN1"], prints(&["SPY", "SYN1"], 6_000, from))
}

#[test]
fn another_config_needs_consent_and_a_stop_and_begins_a_chain_from_its_own_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    went_well(order(dir.path(), CONFIG, vec![day("monday", BEGIN)]));
    let other = CONFIG.replace("[5, 60, 300]", "[5, 60]").replace("\"atr\"", "\"none\"");
    let tuesday = || day("tuesday", "2013-10-08T13:00:00Z");
    let problem = refused(order(dir.path(), &other, vec![tuesday()]));
    assert!(
        problem.what.contains("another [semantic] config")
            && problem.fix.contains("--accept-change"),
        "{problem}"
    );
    let mut consenting = order(dir.path(), &other, vec![tuesday()]);
    consenting.consent.accept_change = true;
    let outcome = went_well(consenting);
    let rebuilt = outcome.rebuilt.unwrap();
    assert!(rebuilt.chain, "{rebuilt:?}");
    assert_eq!(rebuilt.anew, ["bar", "indicator", "matrix", "synergy", "marl", "policies"]);
    // The account goes on.
    let recording = read(dir.path());
    let (before, after) = recording.halves(rebuilt.base_seq);
    let last = before.all::<Portfolio>().pop().unwrap();
    let next = after.all::<Portfolio>().into_iter().next().unwrap();
    let moved = (last.realized_pnl.0 - next.realized_pnl.0).abs();
    assert!(last.realized_pnl.0 != 0 && moved < last.realized_pnl.0.abs() / 10, "{moved}");
    assert!(after.all::<Bar>().iter().all(|bar| bar.timeframe_s != 300));
    is_sound(dir.path());
    // It goes on in its own chain without asking.
    went_well(order(dir.path(), &other, vec![day("wednesday", "2013-10-09T13:00:00Z")]));
    is_sound(dir.path());
    // The first config is another one now.
    refused(order(dir.path(), CONFIG, vec![day("thursday", "2013-10-10T13:00:00Z")]));
    // Without its snapshot the chain cannot be replayed, and that is said; what is before it can.
    let chain = shelf::list(dir.path()).unwrap().into_iter().find(|l| l.stand.unwrap().chain);
    std::fs::remove_file(chain.unwrap().path).unwrap();
    let problem = replay(dir.path(), Options::default(), by_rule, |_| {}).unwrap_err();
    assert!(problem.what.contains("lost its snapshot"), "{problem}");
    let until = Some(rebuilt.base_seq - 1);
    let options = Options { until, ..Options::default() };
    assert!(replay(dir.path(), options, by_rule, |_| {}).unwrap().verified());
    assert!(from_snapshot(dir.path()).verified(), "behind it stands another");
}

#[test]
fn another_build_needs_consent_and_never_follows_a_kill() {
    let whole = tempfile::tempdir().unwrap();
    went_well(order(whole.path(), CONFIG, vec![day("monday", BEGIN)]));
    let dir = tempfile::tempdir().unwrap();
    killed_after(whole.path(), dir.path(), 4_000);
    let newer = |consent: Consent| {
        let order = order(dir.path(), CONFIG, vec![day("monday", BEGIN)]);
        Order { build: "newer build".to_string(), consent, ..order }
    };
    let problem = refused(newer(Consent::default()));
    assert!(problem.what.contains("test build, not newer build"), "{problem}");
    let consent = Consent { accept_change: true, ..Consent::default() };
    let problem = refused(newer(consent));
    assert!(problem.what.contains("cut off"), "{problem}");
    went_well(order(dir.path(), CONFIG, vec![day("monday", BEGIN)]));
    let outcome = went_well(newer(consent));
    let rebuilt = outcome.rebuilt.unwrap();
    assert!(rebuilt.chain && rebuilt.anew.is_empty(), "{rebuilt:?}");
    assert_eq!(is_sound(dir.path()).build, "newer build");
}

#[test]
fn a_venue_that_is_another_never_takes_over_positions_of_paper() {
    let dir = tempfile::tempdir().unwrap();
    went_well(order(dir.path(), CONFIG, vec![day("monday", BEGIN)]));
    let broker = format!("[semantic.venue]\nmode = \"broker\"\n\n{CONFIG}");
    let mut order = order(dir.path(), &broker, vec![day("tuesday", "2013-10-08T13:00:00Z")]);
    order.consent.accept_change = true;
    order.broker = Some(Box::new(gateways::recording::RecordingBroker::into_file(
        dir.path().join("broker.csv"),
    )));
    let problem = refused(order);
    assert!(problem.what.contains("cannot be taken over"), "{problem}");
}

/// A run that panicked in the middle of its batch.
fn panicked(dir: &Path, part: Part, seq: u64) {
    let mut order = order(dir, CONFIG, vec![day("monday", BEGIN)]);
    order.fault = Some(FailPoint { part, seq });
    let outcome = run(order, |_| {}, |_| {}).unwrap();
    assert!(outcome.failure.is_some());
}

#[test]
fn after_a_panic_the_inputs_that_were_never_processed_come_first_or_are_left_out_or_the_run_is_refused()
 {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|info| {
        let text = info.to_string();
        if !text.contains("fail point") {
            eprintln!("{text}");
        }
    }));
    let whole = tempfile::tempdir().unwrap();
    went_well(order(whole.path(), CONFIG, vec![day("monday", BEGIN)]));
    let expected = read(whole.path());
    for (part, seq) in [(Part::Indicator, 3_001), (Part::Oms, 5_002), (Part::Bar, 700)] {
        let accept = tempfile::tempdir().unwrap();
        panicked(accept.path(), part, seq);
        let problem = refused(order(accept.path(), CONFIG, vec![day("monday", BEGIN)]));
        assert!(
            problem.what.contains("never processed") && problem.fix.contains("--skip-unprocessed"),
            "{problem}"
        );

        let mut mended = order(accept.path(), CONFIG, vec![day("monday", BEGIN)]);
        mended.consent.accept_change = true;
        mended.build = "mended build".to_string();
        let outcome = went_well(mended);
        let rebuilt = outcome.rebuilt.unwrap();
        assert!(rebuilt.unprocessed > 0 && rebuilt.chain);
        // What the stages took of both runs is what they would have taken of one.
        let recording = read(accept.path());
        let (before, after) = recording.halves(rebuilt.base_seq);
        let processed = without_unprocessed(&before);
        check_halves(&expected, &processed, &after)
            .unwrap_or_else(|error| panic!("{part:?}: {error}"));
        is_sound(accept.path());

        let skip = tempfile::tempdir().unwrap();
        panicked(skip.path(), part, seq);
        let mut order = order(skip.path(), CONFIG, vec![day("monday", BEGIN)]);
        order.consent.skip_unprocessed = true;
        let rebuilt = went_well(order).rebuilt.unwrap();
        let (before, after) = read(skip.path()).halves(rebuilt.base_seq);
        let (first, second) = (inputs_of(&without_unprocessed(&before)), inputs_of(&after));
        let trades = |inputs: &[InputCell]| inputs.iter().filter(|i| i.is::<Trade>()).count();
        let left_out = inputs_of(&before).len() - first.len();
        assert!(left_out > 0 && trades(&first) + trades(&second) < 6_000);
        assert!(trades(&first) + trades(&second) + left_out >= 6_000);
        assert!(!story(&second).is_empty());
        is_sound(skip.path());
    }
    std::panic::set_hook(hook);
}

fn without_unprocessed(recording: &Recording) -> Recording {
    let marks = |frame: &tests::recording::View<'_>| {
        matches!(frame.kind(), Kind::Unprocessed | Kind::Panic)
    };
    let first = recording.frames().find(marks).map_or(u64::MAX, |frame| frame.head().seq);
    recording.halves(first).0
}

/// Where the child of the kill test runs, if this process is one.
const CHILD: &str = "GRANDMODEL_TEST_CHILD_DIR";

#[test]
fn child_of_the_kill_test() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    went_well(order(Path::new(&dir), &config(), sources()));
}

#[test]
fn a_process_killed_again_and_again_comes_to_the_same_bars_decisions_and_portfolio() {
    let kills: u32 = std::env::var("GRANDMODEL_KILLS").map_or(12, |n| n.parse().expect("a number"));
    let whole = uninterrupted();
    let expected = read(whole.path());
    let mut random = tests::seeds::seed().wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let (mut killed, mut runs) = (0, 0);
    while killed < kills {
        let dir = tempfile::tempdir().unwrap();
        // Longer each time: a busy host shall come to the end as well.
        for life in 1.. {
            let mut child = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "continuing::child_of_the_kill_test", "-q"])
                .env(CHILD, dir.path())
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap();
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let patience = 1_000 + random % (50_000 * life);
            std::thread::sleep(std::time::Duration::from_micros(patience));
            runs += 1;
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                break;
            }
            child.kill().unwrap();
            let status = child.wait().unwrap();
            if status.success() {
                break;
            }
            killed += 1;
        }
        let recording = read(dir.path());
        check_halves(&expected, &recording, &Recording::default()).unwrap();
        is_sound(dir.path());
    }
    println!("{killed} of {runs} processes killed");
}

#[test]
fn a_journal_whose_beginning_was_removed_goes_on_and_replays_from_its_snapshot_and_says_so_otherwise()
 {
    let dir = tempfile::tempdir().unwrap();
    went_well(order(dir.path(), &config(), sources()));
    let stand = shelf::list(dir.path()).unwrap()[0].stand.unwrap();
    let options = journal::Options { segment_bytes: 1 << 20, ..journal::Options::new(dir.path()) };
    let (writer, _) = journal::Writer::resume(&options).unwrap();
    let limits = journal::Limits {
        max_age_ns: None,
        max_bytes: Some(1),
        keep_from_seq: stand.seq,
        followers: Vec::new(),
    };
    let removed = writer.retention().apply(&limits, 0).unwrap();
    drop(writer);
    assert!(removed.segments >= 2 && removed.first_seq <= stand.seq, "{removed:?}");
    let problem = replay(dir.path(), Options::default(), by_rule, |_| {}).unwrap_err();
    assert!(
        problem.what.contains("retention") && problem.fix.contains("--from-snapshot"),
        "{problem}"
    );
    let proof = from_snapshot(dir.path());
    assert_eq!((proof.from_snapshot, proof.verified()), (Some(stand.seq), true), "{proof:?}");
    // The run before is known by the snapshot alone.
    let changed = format!("[semantic.risk]\ndaily_loss_pct = 4.0\n\n{}", config());
    let problem =
        refused(order(dir.path(), &changed, vec![day("tuesday", "2013-10-09T13:00:00Z")]));
    assert!(problem.what.contains("another [semantic] config"), "{problem}");
    let outcome =
        went_well(order(dir.path(), &config(), vec![day("tuesday", "2013-10-09T13:00:00Z")]));
    assert_eq!(outcome.rebuilt.unwrap().from, Some(stand.seq));
    assert!(from_snapshot(dir.path()).verified());
}
