//! A state that is saved and loaded is the state: whatever came before, whatever comes after.

use engine::policy::{Action, Choice, Policies, Policy, View};
use engine::replay::{Options, replay};
use engine::run::run;
use engine::snapshot::{shelf, take};
use engine::stage::Digest;
use engine::state::{Codec, State, StateError};
use proptest::prelude::*;
use ringbuf_layout::{
    Bar, Decision, Fill, Frame, Indicator, InputCell, Kind, Matrix, Order, Portfolio, Risk, Synergy,
};
use std::path::Path;
use tests::bar_script::bar_scripts;
use tests::halves::{go_on, inputs_of, outputs, play, story};
use tests::market::{SYMBOLS, cell, listed, ns, quote, steady_prints};
use tests::real_run::{by_rule, memory_source, order, replay_of, run_into};
use tests::recording::Recording;
use tests::scene::Scene;
use tests::script::{Mix, scripts};
use tests::seeds::check_cases;
use tests::tamper::patch;

/// A run over weeks of synthetic sessions, with orders of its own, gaps, quotes, five calendars.
fn long_scene(records: usize) -> Scene {
    let instruments: Vec<_> = SYMBOLS.map(|symbol| listed(symbol, false)).into();
    let from = ns("2013-10-07T19:50:00Z");
    let prints = steady_prints(&instruments, records, from, 1_900_000_000);
    let mut sources = vec![Vec::new(), Vec::new()];
    for (i, print) in prints.iter().enumerate() {
        sources[(i / 7) % 2].push(cell(print));
        if i % 90 == 0 {
            let mut ask = print.price;
            ask.0 += 3;
            sources[0].push(cell(&quote(1, print.head.ts_event, print.price, ask)));
        }
    }
    let mut scene = Scene::new(instruments, sources).timeframes(&[5, 60, 300]).roles(5, 60);
    scene.semantic.orders.bracket = engine::config::Bracket::Atr;
    scene
}

/// At each cut: what a machine does that was loaded is what the one does that ran through, and it ends with the
/// same state to the byte.
fn check_cuts(scene: &Scene, cuts: &[usize]) -> Result<Recording, TestCaseError> {
    let whole = scene.record();
    let inputs = inputs_of(&whole);
    let (_, end) = play(scene, None, &inputs);
    for cut in cuts.iter().map(|cut| cut % inputs.len()) {
        let (first, image) = play(scene, None, &inputs[..cut]);
        let (second, state) = play(scene, Some(&image), &inputs[cut..]);
        let bytes = [&first.bytes[..], &second.bytes].concat();
        prop_assert!(bytes == whole.bytes, "cut at {} of {}: other bytes", cut, inputs.len());
        for (ours, theirs) in state.sections.iter().zip(&end.sections) {
            prop_assert!(ours == theirs, "cut at {}: {} ends in another state", cut, ours.name);
        }
    }
    Ok(whole)
}

#[test]
fn every_stage_goes_on_from_its_saved_state_wherever_a_random_market_is_cut() {
    for (mix, cases) in [(Mix::Prints, 120), (Mix::Quotes, 60), (Mix::BusyPrints, 40)] {
        let strategy = (scripts(mix, 150), proptest::collection::vec(any::<usize>(), 4));
        check_cases("cuts of random markets", cases, &strategy, |(script, cuts)| {
            check_cuts(&script.scene(), &cuts).map(drop)
        });
    }
}

#[test]
fn every_stage_goes_on_from_its_saved_state_over_long_runs_with_all_kinds_of_outputs() {
    let scene = long_scene(14_000);
    let inputs = inputs_of(&scene.record()).len();
    let cuts: Vec<usize> = (1..12).map(|i| i * inputs / 12 + i % 5).collect();
    let whole = check_cuts(&scene, &cuts).unwrap();
    for kind in [
        Kind::Bar,
        Kind::Indicator,
        Kind::Matrix,
        Kind::Decision,
        Kind::Risk,
        Kind::Order,
        Kind::Fill,
        Kind::Portfolio,
    ] {
        assert!(whole.tally.of(kind) > 20, "{} {}", whole.tally.of(kind), kind.name());
    }
    let mut drill = long_scene(3_000);
    drill.semantic.drill.order_every = 7;
    check_cuts(&drill, &[500, 1_501, 2_502]).unwrap();
}

#[test]
fn a_section_that_is_cut_or_lies_never_panics_and_never_passes_for_the_state() {
    let scene = long_scene(2_000);
    let inputs = inputs_of(&scene.record());
    let (_, image) = play(&scene, None, &inputs);
    let (mut refused, mut total) = (0, 0);
    for (number, section) in image.sections.iter().enumerate() {
        let step = (section.bytes.len() / 97).max(1);
        for at in (0..section.bytes.len()).step_by(step) {
            let mut other = image.clone();
            other.sections[number].bytes[at] ^= 0x80;
            let mut recording = Recording::default();
            let mut machine = scene.machine(&mut recording);
            // What loads all the same is a state with another digest, or one that no digest holds.
            let loaded = machine.load(&other);
            refused += usize::from(loaded.is_err());
            total += 1;
            let mut cut = image.clone();
            cut.sections[number].bytes.truncate(at);
            let mut recording = Recording::default();
            assert!(scene.machine(&mut recording).load(&cut).is_err(), "{}", section.name);
        }
    }
    println!("{refused} of {total} flipped bytes refused");
    assert!(refused * 2 > total, "{refused} of {total}");
}

/// What two halves of a run made, against the whole.
pub fn check_halves(
    whole: &Recording,
    first: &Recording,
    second: &Recording,
) -> Result<(), TestCaseError> {
    let inputs = [inputs_of(first), inputs_of(second)].concat();
    let (ours, theirs) = (story(&inputs), story(&inputs_of(whole)));
    let at = ours.iter().zip(&theirs).position(|(ours, theirs)| ours != theirs);
    let (all, cut) = (theirs.len(), story(&inputs_of(first)).len());
    let told = |story: &[Vec<u8>], at: usize| {
        let (from, to) = (at.saturating_sub(2), (at + 3).min(story.len()));
        story[from..to].iter().map(|bytes| shown(bytes)).collect::<Vec<_>>().join("\n    ")
    };
    let shorter = ours.len().min(all);
    if let Some(at) = at.or((ours.len() != all).then_some(shorter)) {
        let (ours, theirs) = (told(&ours, at), told(&theirs, at));
        let what = format!(
            "inputs differ at {at} of {all}, cut at {cut}:\n    {ours}\n  not\n    {theirs}"
        );
        return Err(TestCaseError::fail(what));
    }
    same::<Bar>(whole, first, second)?;
    same::<Indicator>(whole, first, second)?;
    same::<Matrix>(whole, first, second)?;
    same::<Synergy>(whole, first, second)?;
    same::<Decision>(whole, first, second)?;
    same::<Risk>(whole, first, second)?;
    same::<Portfolio>(whole, first, second)
}

/// An input in words.
fn shown(bytes: &[u8]) -> String {
    let mut cell = InputCell::default();
    cell.put_bytes(bytes);
    let kind = cell.kind().map_or("?", Kind::name);
    format!("{kind} of {} at {}", cell.tail().instrument, cell.head().ts_event)
}

fn same<T: Frame + std::fmt::Debug>(
    whole: &Recording,
    first: &Recording,
    second: &Recording,
) -> Result<(), TestCaseError> {
    let (ours, theirs) = (outputs::<T>(&[first, second]), outputs::<T>(&[whole]));
    let at = ours.iter().zip(&theirs).position(|(ours, theirs)| ours != theirs);
    let words = |list: &[Vec<u8>], at: usize| {
        list.get(at).map(|bytes| format!("{:?}", bytemuck::pod_read_unaligned::<T>(bytes)))
    };
    let name = T::KIND.name();
    if let Some(at) = at {
        let (ours, theirs) = (words(&ours, at), words(&theirs, at));
        return Err(TestCaseError::fail(format!("{name} {at}: {ours:?}\n    not {theirs:?}")));
    }
    prop_assert_eq!(ours.len(), theirs.len(), "{}", name);
    Ok(())
}

fn check_kill(
    scene: &Scene,
    inputs: &[InputCell],
    whole: &Recording,
    at: usize,
) -> Result<(), TestCaseError> {
    let (first, image) = play(scene, None, &inputs[..at]);
    let second = go_on(scene, &image, &inputs[..at]);
    check_halves(whole, &first, &second)
}

#[test]
fn a_run_that_was_killed_anywhere_goes_on_to_the_same_inputs_bars_and_accounts() {
    for (mix, cases) in [(Mix::Prints, 150), (Mix::Quotes, 60)] {
        let strategy = (scripts(mix, 80), proptest::collection::vec(any::<usize>(), 6));
        check_cases("kills of random markets", cases, &strategy, |(script, cuts)| {
            let mut scene = script.scene();
            scene.hesitation = 0;
            let whole = scene.record();
            let inputs = inputs_of(&whole);
            for cut in cuts {
                // Never before the run start, nor behind the run end.
                check_kill(&scene, &inputs, &whole, 1 + cut % (inputs.len() - 1))?;
            }
            Ok(())
        });
    }
}

#[test]
fn bars_of_every_kind_and_what_fills_their_gaps_go_on_wherever_a_run_is_cut_or_killed() {
    let strategy = (bar_scripts(60), proptest::collection::vec(any::<usize>(), 3));
    check_cases("cuts and kills of bars of every kind", 400, &strategy, |(script, cuts)| {
        let mut scene = script.scene();
        scene.hesitation = 0;
        let whole = check_cuts(&scene, &cuts)?;
        let inputs = inputs_of(&whole);
        for cut in cuts {
            check_kill(&scene, &inputs, &whole, 1 + cut % (inputs.len() - 1))?;
        }
        Ok(())
    });
}

#[test]
fn a_trading_run_that_was_killed_goes_on_to_the_same_decisions_and_portfolio() {
    let scene = long_scene(9_000);
    let whole = scene.record();
    assert!(whole.tally.of(Kind::Fill) > 20 && whole.tally.of(Kind::Decision) > 100);
    let inputs = inputs_of(&whole);
    for i in 1..8 {
        check_kill(&scene, &inputs, &whole, i * inputs.len() / 8 + i % 3).unwrap();
    }
    let fills = |recordings: &[&Recording]| {
        let of = |r: &&Recording| r.all::<Fill>().into_iter().map(|f| (f.price, f.qty, f.fee));
        recordings.iter().flat_map(of).collect::<Vec<_>>()
    };
    let (first, image) = play(&scene, None, &inputs[..inputs.len() / 2]);
    let second = go_on(&scene, &image, &inputs[..inputs.len() / 2]);
    assert_eq!(fills(&[&first, &second]), fills(&[&whole]));
    // Orders of the second half carry its epoch, so that none has the name of one before.
    let at_half = inputs[inputs.len() / 2].head().seq;
    let made = second.all::<Order>().into_iter().filter(|order| order.order_seq >= at_half);
    let epochs: Vec<u32> = made.map(|order| order.order_epoch).collect();
    assert!(!epochs.is_empty() && epochs.iter().all(|epoch| *epoch == 2));
}

const CONFIG: &str = "[semantic.bars]\ntimeframes_s = [5, 60, 1800]\n\n[host]\nsegment_mib = 1\n";

fn recorded(dir: &Path) {
    let instruments = [listed("SPY", false), listed("SYN1", false)];
    let prints = steady_prints(&instruments, 24_000, ns("2013-10-07T19:50:00Z"), 1_900_000_000);
    run_into(dir, CONFIG, vec![memory_source("prints", &["SPY", "SYN1"], prints)]);
}

fn from_snapshot(dir: &Path, until: Option<u64>) -> engine::replay::Proof {
    let options = Options { until, from_snapshot: true, ..Options::default() };
    replay(dir, options, by_rule, |_| {}).unwrap()
}

#[test]
fn a_run_leaves_a_snapshot_of_its_end_and_replays_from_zero_and_from_it_end_in_one_hash() {
    let dir = tempfile::tempdir().unwrap();
    recorded(dir.path());
    let snapshots = shelf::list(dir.path()).unwrap();
    let whole = replay_of(dir.path());
    let (_, last) = whole.summary.tally.seqs.unwrap();
    assert_eq!(snapshots.len(), 1);
    assert_eq!(snapshots[0].stand.unwrap().seq, last);
    let proof = from_snapshot(dir.path(), None);
    assert_eq!((proof.from_snapshot, proof.verified()), (Some(last), true), "{proof:?}");
    // Nothing is behind it: one that stands in the middle proves more.
    std::fs::remove_dir_all(dir.path().join("snapshots")).unwrap();
    let half = tempfile::tempdir().unwrap();
    tests::tamper::killed_after(dir.path(), half.path(), 15_003);
    let taken = take(half.path(), by_rule, |_| {}).unwrap();
    assert_eq!((taken.seq, taken.from_snapshot, taken.inputs), (15_002, None, 15_003));
    let again = take(half.path(), by_rule, |_| {}).unwrap();
    assert_eq!((again.seq, again.from_snapshot, again.inputs), (15_002, Some(15_002), 0));
    std::fs::rename(half.path().join("snapshots"), dir.path().join("snapshots")).unwrap();
    let proof = from_snapshot(dir.path(), None);
    // The frames before it were written again, in one epoch and the same segments: with the same CRC.
    assert_eq!((proof.from_snapshot, proof.verified()), (Some(15_002), true), "{proof:?}");
    assert_eq!(proof.summary.tally.state_hash, whole.summary.tally.state_hash);
    assert_eq!(proof.summary.tally.account, whole.summary.tally.account);
    assert_eq!(proof.summary.tally.seqs, Some((15_003, last)));
    for until in [15_002, 15_003, 20_000] {
        let proof = from_snapshot(dir.path(), Some(until));
        assert_eq!((proof.from_snapshot, proof.verified()), (Some(15_002), true), "{proof:?}");
    }
    let before = from_snapshot(dir.path(), Some(15_001));
    assert_eq!((before.from_snapshot, before.verified()), (None, true), "{before:?}");
}

#[test]
fn a_damaged_snapshot_falls_back_to_an_older_one_or_to_zero_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    recorded(dir.path());
    let half = tempfile::tempdir().unwrap();
    tests::tamper::killed_after(dir.path(), half.path(), 12_001);
    take(half.path(), by_rule, |_| {}).unwrap();
    let older = shelf::list(half.path()).unwrap()[0].path.clone();
    let newer = shelf::list(dir.path()).unwrap()[0].path.clone();
    let place = dir.path().join("snapshots").join(older.file_name().unwrap());
    std::fs::copy(&older, &place).unwrap();
    // A bit of the newer one's content; then of the older one's header; then a lie about where it stands.
    patch(&newer, 5_000, &[std::fs::read(&newer).unwrap()[5_000] ^ 1]);
    let proof = from_snapshot(dir.path(), None);
    assert_eq!((proof.from_snapshot, proof.verified()), (Some(12_000), true), "{proof:?}");
    assert_eq!(proof.notes.len(), 1);
    assert!(proof.notes[0].place.contains(newer.file_name().unwrap().to_str().unwrap()));
    patch(&place, 3, b"X");
    let proof = from_snapshot(dir.path(), None);
    assert_eq!((proof.from_snapshot, proof.verified()), (None, true), "{proof:?}");
    assert_eq!(proof.notes.len(), 2, "{:?}", proof.notes);
    // Half-written, under its name as if the rename had come first.
    std::fs::write(&place, &std::fs::read(&older).unwrap()[..4_000]).unwrap();
    assert_eq!(from_snapshot(dir.path(), None).from_snapshot, None);
}

#[test]
fn a_snapshot_of_another_journal_is_not_believed() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    recorded(one.path());
    let instruments = [listed("SPY", false), listed("SYN1", false)];
    let prints = steady_prints(&instruments, 23_000, ns("2013-10-07T19:51:00Z"), 2_000_000_000);
    run_into(two.path(), CONFIG, vec![memory_source("prints", &["SPY", "SYN1"], prints)]);
    std::fs::remove_dir_all(one.path().join("snapshots")).unwrap();
    std::fs::rename(two.path().join("snapshots"), one.path().join("snapshots")).unwrap();
    let proof = from_snapshot(one.path(), None);
    assert_eq!((proof.from_snapshot, proof.verified()), (None, true), "{proof:?}");
    assert_eq!(proof.notes.len(), 1, "{:?}", proof.notes);
}

#[test]
fn a_run_that_ends_by_a_fault_leaves_no_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let instruments = [listed("SPY", false)];
    let prints = steady_prints(&instruments, 2_000, ns("2013-10-07T15:00:00Z"), 1_000_000_000);
    let mut order = order(dir.path(), CONFIG, vec![memory_source("prints", &["SPY"], prints)]);
    let part = ringbuf_layout::Part::Bar;
    order.fault = Some(engine::runtime::fail_point::FailPoint { part, seq: 500 });
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let outcome = run(order, |_| {}, |_| {}).unwrap();
    std::panic::set_hook(hook);
    assert!(outcome.failure.is_some() && outcome.snapshot.is_none());
    assert_eq!(shelf::list(dir.path()).unwrap(), []);
    // One that is taken of it stands before the first input that was never processed.
    let taken = take(dir.path(), by_rule, |_| {}).unwrap();
    assert!(taken.seq < 500, "{taken:?}");
    let proof = from_snapshot(dir.path(), None);
    assert_eq!((proof.from_snapshot, &proof.divergence), (Some(taken.seq), &None));
}

/// Changes its mind at every third question.
#[derive(Default)]
struct Fickle {
    asked: u64,
    saves: bool,
}

impl Policy for Fickle {
    fn name(&self) -> &'static str {
        "fickle"
    }

    fn decide(&mut self, _: &View<'_>) -> Choice {
        self.asked += 1;
        let action = [Action::Long, Action::Hold, Action::Short][(self.asked % 3) as usize];
        Choice::new(action, 0.9)
    }

    fn digest(&self, digest: &mut Digest) {
        digest.word(self.asked);
    }

    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        if self.saves { self.asked.state(codec) } else { Ok(()) }
    }
}

#[test]
fn a_policy_of_the_user_comes_back_with_what_it_remembers_and_one_that_forgets_is_refused() {
    let fickle = |saves: bool| Policies::own(Fickle { asked: 0, saves });
    let mut scene = long_scene(9_000);
    scene.policies = || Policies::own(Fickle { asked: 0, saves: true });
    let inputs = inputs_of(&scene.record()).len();
    let whole = check_cuts(&scene, &[inputs / 2, inputs * 3 / 4, inputs - 9]).unwrap();
    assert!(whole.tally.decisions.iter().all(|count| *count > 20), "{:?}", whole.tally.decisions);

    let dir = tempfile::tempdir().unwrap();
    let instruments = [listed("SPY", false), listed("SYN1", false)];
    let prints = steady_prints(&instruments, 9_000, ns("2013-10-08T13:40:00Z"), 1_900_000_000);
    let config =
        "[semantic.bars]\ntimeframes_s = [5, 60]\n\n[semantic.synergy]\nfast_s = 5\nslow_s = 60\n";
    for (saves, verified) in [(true, true), (false, false)] {
        let place = dir.path().join(saves.to_string());
        let source = memory_source("prints", &["SPY", "SYN1"], prints.clone());
        let order =
            engine::run::Order { policies: fickle(saves), ..order(&place, config, vec![source]) };
        let outcome = run(order, |_| {}, |_| {}).unwrap();
        assert!(matches!(outcome.snapshot, Some(Ok(_))), "{:?}", outcome.snapshot);
        let options = Options { from_snapshot: true, ..Options::default() };
        let proof = replay(&place, options, |_| Ok(fickle(saves)), |_| {});
        match proof {
            Ok(proof) => {
                assert!(verified && proof.verified() && proof.from_snapshot.is_some(), "{proof:?}");
            }
            Err(problem) => assert!(!verified && problem.what.contains("marl"), "{problem}"),
        }
    }
}
