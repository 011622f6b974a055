//! A run replays to the same bytes, and whatever is not as it was is named.

use engine::Problem;
use engine::replay::{Divergence, Options, Proof, replay};
use engine::run::run;
use engine::runtime::feed::{self, Filter};
use engine::runtime::feed_gauge::FeedGauge;
use engine::runtime::merge::{Head, Inlet, Merge};
use engine::runtime::taken::Taken;
use engine::source::Source;
use journal::End;
use ringbuf_layout::{
    Bar, Frame, InputCell, Kind, Portfolio, RunEnd, SourceStatus, StateHash, Trade, Verdict,
};
use std::path::Path;
use std::sync::atomic::Ordering;
use tempfile::TempDir;
use tests::market::{SYMBOLS, cell, level, listed, ns, quote, steady_prints, trade};
use tests::naive_bars::check_bars;
use tests::real_run::{by_rule, decoded_source, memory_source, order, replay_of, run_into};
use tests::recording::Recording;
use tests::tamper::{patch, places, rewrite, write_again};

/// Timeframes and segments that make a short run close many bars and fill several segments.
const CONFIG: &str = "[semantic.bars]\ntimeframes_s = [5, 60, 1800]\n\n\
                      [[semantic.instrument]]\nsymbol = \"COIN\"\ntick = \"0.007\"\n\
                      size_precision = 8\ncalendar = \"24/7\"\n\n\
                      [host]\nsegment_mib = 1\nring_slots = 256\n";
const RECORDS: usize = 24_000;

/// Prints of five calendars from memory, and quotes, levels and bad prints from a gateway thread.
fn sources() -> Vec<Source> {
    let instruments: Vec<_> = SYMBOLS.map(|symbol| listed(symbol, false)).into();
    let from = ns("2013-10-07T19:50:00Z");
    let step = 1_900_000_000;
    let prints = steady_prints(&instruments, RECORDS, from, step);
    let mut others: Vec<InputCell> = Vec::new();
    for print in prints.iter().step_by(40) {
        let mut ask = print.price;
        ask.0 += 3;
        others.push(cell(&quote(1, print.head.ts_event, print.price, ask)));
        others.push(cell(&level(2, print.head.ts_event, print.price.0, 5)));
        others.push(cell(&trade(3, print.head.ts_event - step, -1, 5)));
        others.push(cell(&trade(0, print.head.ts_event, print.price.0 + 1, 0)));
    }
    vec![
        memory_source("prints", &SYMBOLS, prints),
        decoded_source("others", &["SPY", "GC.201312", "SYN1", "ES.201309"], others, None),
    ]
}

fn recorded() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    run_into(dir.path(), CONFIG, sources());
    dir
}

fn check_divergence(proof: &Proof, expected: (u64, &str, &str, &str, &str)) {
    let (seq, stage, field, journaled, recomputed) = expected;
    let expected = Divergence {
        seq,
        stage: stage.to_string(),
        field: field.to_string(),
        journaled: journaled.to_string(),
        recomputed: recomputed.to_string(),
    };
    assert_eq!(proof.divergence.as_ref(), Some(&expected));
    assert_eq!(proof.damage, None);
    assert!(!proof.verified());
}

/// A journal without wall time, which stands only in `ts_recv` of the run start and of its slot.
fn without_wall_time(dir: &Path) -> Recording {
    let (mut recording, end) = Recording::read(dir).unwrap();
    assert_eq!(end, End::Sealed);
    let slot = recording.frames().take_while(|view| view.head().seq == 0);
    let lengths: Vec<usize> = slot.map(|view| view.bytes().len()).collect();
    let mut at = 0;
    for length in lengths {
        recording.bytes[at + 24..at + 32].fill(0);
        at += length;
    }
    recording
}

#[test]
fn two_runs_of_the_same_sources_write_the_same_bytes_and_replay_to_the_same_hash() {
    let (one, two) = (recorded(), recorded());
    let first = without_wall_time(one.path());
    assert_eq!(first.difference(&without_wall_time(two.path())), None);
    let hashes = first.all::<StateHash>();
    assert!(hashes.len() >= 3, "{} state hashes", hashes.len());
    for dir in [one.path(), two.path()] {
        let proof = replay_of(dir);
        assert!(proof.verified(), "{proof:?}");
        assert_eq!(proof.summary.tally.state_hash, hashes.last().map(|hash| hash.hash));
        assert_eq!(proof.summary.ended, "sealed");
        assert_eq!(proof.build, "test build");
    }
    let counts = |kind: Kind| first.frames().filter(|frame| frame.kind() == kind).count();
    println!(
        "{} frames: {} trades, {} quotes, {} verdicts, {} bars, {} state hashes",
        first.frames().count(),
        counts(Kind::Trade),
        counts(Kind::Quote),
        counts(Kind::Verdict),
        counts(Kind::Bar),
        hashes.len()
    );
}

#[test]
fn bars_in_a_real_journal_equal_the_naive_builder() {
    let dir = recorded();
    let (recording, _) = Recording::read(dir.path()).unwrap();
    let instruments: Vec<_> = SYMBOLS.map(|symbol| listed(symbol, false)).into();
    let checked = check_bars(&recording, &instruments, &[5, 60, 1_800]).unwrap();
    println!("{checked:?}");
    assert!(checked.bars > 1_000);
}

#[test]
fn a_replay_up_to_a_sequence_stops_there() {
    let dir = recorded();
    for until in [0, 1, 9_999, 10_000, 15_000] {
        let proof = replay(
            dir.path(),
            Options { until: Some(until), ..Options::default() },
            by_rule,
            |_| {},
        )
        .unwrap();
        assert!(proof.verified(), "{proof:?}");
        assert_eq!(proof.summary.tally.seqs, Some((0, until)));
    }
}

#[test]
fn a_flipped_byte_is_named_by_file_offset_and_sequence() {
    let dir = recorded();
    let trades = places(dir.path(), Kind::Trade);
    for (at, byte) in [(0, 33), (trades.len() / 2, 40), (trades.len() - 1, 63), (7, 0), (8, 4)] {
        let place = &trades[at];
        let seq = u64::from_le_bytes(place.bytes[8..16].try_into().unwrap());
        patch(&place.path, place.offset + byte, &[place.bytes[byte as usize] ^ 0x10]);
        let proof = replay_of(dir.path());
        let damage = proof.damage.expect("the damage is found");
        let file = place.path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(damage.place.contains(&file), "{damage}");
        assert!(damage.place.contains(&format!("offset {}", place.offset)), "{damage}");
        assert!(damage.what.contains(&format!("sequence {seq}")), "{damage}");
        // What came before is verified, nothing after is used.
        assert_eq!(proof.divergence, None);
        assert_eq!(proof.summary.tally.seqs, Some((0, seq - 1)));
        patch(&place.path, place.offset, &place.bytes);
    }
    assert!(replay_of(dir.path()).verified(), "the patches are undone");
}

#[test]
fn an_altered_output_is_named_by_sequence_stage_field_and_both_values() {
    let dir = recorded();
    let check =
        |kind, at: usize, offset: usize, bytes: &[u8], stage, field, values: (&str, &str)| {
            let place = places(dir.path(), kind).swap_remove(at);
            let seq = u64::from_le_bytes(place.bytes[8..16].try_into().unwrap());
            rewrite(&place, |frame| frame[offset..offset + bytes.len()].copy_from_slice(bytes));
            let proof = replay_of(dir.path());
            check_divergence(&proof, (seq, stage, field, values.0, values.1));
            patch(&place.path, place.offset, &place.bytes);
        };
    let bars = places(dir.path(), Kind::Bar);
    let bar: Bar = bytemuck::pod_read_unaligned(&bars[500].bytes);
    let volume = bar.volume.0 + 1;
    let values = (volume.to_string(), bar.volume.0.to_string());
    let values = (values.0.as_str(), values.1.as_str());
    check(Kind::Bar, 500, 96, &volume.to_le_bytes(), "bar", "volume", values);
    let close = ringbuf_layout::Price(123_450_000_000);
    let values = ("123.45", bar.close.to_string());
    check(Kind::Bar, 500, 88, &close.0.to_le_bytes(), "bar", "close", (values.0, &values.1));
    let ticks = (9_999.to_string(), bar.ticks.to_string());
    check(Kind::Bar, 500, 52, &9_999_u32.to_le_bytes(), "bar", "ticks", (&ticks.0, &ticks.1));

    // The flags byte also holds the `last` bit, which is not compared.
    let last = bars[500].bytes[63] & 0x80;
    let (theirs, ours) = ((bar.tail.flags & 0x7F) ^ 4, bar.tail.flags & 0x7F);
    let flags = (theirs.to_string(), ours.to_string());
    check(Kind::Bar, 500, 63, &[theirs | last], "bar", "flags", (&flags.0, &flags.1));

    let verdicts = places(dir.path(), Kind::Verdict);
    let verdict: Verdict = bytemuck::pod_read_unaligned(&verdicts[77].bytes);
    let (theirs, ours) = ((verdict.reasons ^ 4).to_string(), verdict.reasons.to_string());
    let reasons = (verdict.reasons ^ 4).to_le_bytes();
    check(Kind::Verdict, 77, 32, &reasons, "validate", "reasons", (&theirs, &ours));
    let (theirs, ours) = ((1 - verdict.tail.side).to_string(), verdict.tail.side.to_string());
    check(Kind::Verdict, 77, 62, &[1 - verdict.tail.side], "validate", "side", (&theirs, &ours));

    let account: Portfolio =
        bytemuck::pod_read_unaligned(&places(dir.path(), Kind::Portfolio)[0].bytes);
    assert_eq!(account.cash.to_string(), "1000000");
    let cash = 1_000_001_000_000_000_i128.to_le_bytes();
    check(Kind::Portfolio, 0, 96, &cash, "portfolio", "cash", ("1000001", "1000000"));

    let hash: StateHash =
        bytemuck::pod_read_unaligned(&places(dir.path(), Kind::StateHash)[1].bytes);
    let (theirs, ours) = ((hash.hash ^ 1).to_string(), hash.hash.to_string());
    let bytes = (hash.hash ^ 1).to_le_bytes();
    check(Kind::StateHash, 1, 32, &bytes, "state_hash", "hash", (&theirs, &ours));
    assert!(replay_of(dir.path()).verified(), "the changes are undone");
}

#[test]
fn a_state_hash_that_differs_names_the_first_stage_that_does() {
    let dir = recorded();
    let place = places(dir.path(), Kind::StateHash).swap_remove(0);
    let hash: StateHash = bytemuck::pod_read_unaligned(&place.bytes);
    let names =
        ringbuf_layout::Part::ALL.iter().filter(|part| part.is_stage()).map(|part| part.name());
    for (stage, name) in names.enumerate() {
        rewrite(&place, |frame| {
            frame[32] ^= 1;
            frame[64 + 8 * stage] ^= 1;
            frame[128] ^= 1;
        });
        let (theirs, ours) = ((hash.hash ^ 1).to_string(), hash.hash.to_string());
        let seq = hash.head.seq;
        // The last stage's own bit cancels itself out: then no digest differs.
        let name = if stage == 8 { "state_hash" } else { name };
        check_divergence(&replay_of(dir.path()), (seq, name, "hash", &theirs, &ours));
    }
}

#[test]
fn an_altered_input_is_named_by_the_first_output_that_it_changes() {
    let dir = recorded();
    let trades = places(dir.path(), Kind::Trade);
    let verdicts = Recording::read(dir.path()).unwrap().0.all::<Verdict>();
    let is_ok = |place: &&tests::tamper::Place| {
        let trade: Trade = bytemuck::pod_read_unaligned(&place.bytes);
        verdicts.binary_search_by_key(&trade.head.seq, |verdict| verdict.head.seq).is_err()
    };
    let place = trades.iter().skip(5_000).find(is_ok).unwrap();
    let seq = u64::from_le_bytes(place.bytes[8..16].try_into().unwrap());
    rewrite(place, |frame| frame[40] ^= 0x40);
    let divergence = replay_of(dir.path()).divergence.expect("the change is found");
    assert!(divergence.seq > seq, "{divergence:?}");
    assert_eq!((divergence.stage.as_str(), divergence.field.as_str()), ("bar", "volume"));
}

#[test]
fn a_missing_and_an_extra_output_are_named() {
    let dir = recorded();
    let (recording, _) = Recording::read(dir.path()).unwrap();
    let bars = recording.all::<Bar>();
    let check = |seq: u64, edit: &dyn Fn(&mut Vec<Vec<u8>>), stage, journaled, recomputed| {
        let other = tempfile::tempdir().unwrap();
        write_again(dir.path(), other.path(), |slot| {
            if slot[0][8..16] == seq.to_le_bytes() {
                edit(slot);
            }
        });
        let proof = replay_of(other.path());
        check_divergence(&proof, (seq, stage, "output", journaled, recomputed));
    };
    let same = tempfile::tempdir().unwrap();
    write_again(dir.path(), same.path(), |_| {});
    assert!(replay_of(same.path()).verified(), "written again as it was");

    // A slot with one bar, and one with several.
    let alone = |bar: &&Bar| bars.iter().filter(|b| b.head.seq == bar.head.seq).count() == 1;
    let one = bars.iter().find(alone).unwrap().head.seq;
    let several = bars.iter().find(|bar| bar.head.index == 2).unwrap().head.seq;
    let verdict = recording.all::<Verdict>()[50].head.seq;
    let quiet = recording.inputs().map(|view| view.head().seq).find(|seq| {
        let frames = recording.frames().filter(|view| view.head().seq == *seq);
        *seq > 500 && frames.count() == 1
    });
    let remove_last = |slot: &mut Vec<Vec<u8>>| drop(slot.pop());
    let remove_first = |slot: &mut Vec<Vec<u8>>| drop(slot.remove(1));
    let remove_second = |slot: &mut Vec<Vec<u8>>| drop(slot.remove(2));
    check(one, &remove_first, "bar", "nothing", "bar");
    check(several, &remove_second, "bar", "nothing", "bar");
    check(several, &remove_last, "indicator", "nothing", "indicator");
    check(verdict, &remove_first, "validate", "nothing", "verdict");
    let end = recording.all::<RunEnd>()[0].head.seq;
    check(end, &remove_last, "state_hash", "nothing", "state_hash");

    let add = |kind: Kind| {
        let frame = recording.frames().find(|view| view.kind() == kind).unwrap().bytes().to_vec();
        move |slot: &mut Vec<Vec<u8>>| {
            let mut frame = frame.clone();
            frame[8..16].copy_from_slice(&slot[0][8..16]);
            slot.push(frame);
        }
    };
    check(quiet.unwrap(), &add(Kind::Verdict), "validate", "verdict", "nothing");
    check(quiet.unwrap(), &add(Kind::Bar), "bar", "bar", "nothing");
    check(one, &add(Kind::Bar), "bar", "bar", "nothing");
    check(verdict, &add(Kind::Portfolio), "portfolio", "portfolio", "nothing");
}

#[test]
fn a_source_that_fails_ends_the_run_with_its_reason_and_what_came_before_replays() {
    let dir = tempfile::tempdir().unwrap();
    let noon = ns("2013-10-08T16:00:00Z");
    let records = (0..100).map(|i| cell(&trade(0, noon + i, 167_000_000_000, 1))).collect();
    let problem = Problem::new("line 101 is no row", "a.csv, line 101", "correct the row");
    let source = decoded_source("fails", &["SPY"], records, Some(problem.clone()));
    let outcome = run(order(dir.path(), "", vec![source]), |_| {}, |_| {}).unwrap();
    assert_eq!(outcome.failure, Some(problem));
    assert_eq!(outcome.summary.ended, "source_failed");
    assert_eq!(outcome.summary.tally.ticks, 100);
    let proof = replay_of(dir.path());
    assert!(proof.verified(), "{proof:?}");
}

#[test]
fn a_stop_before_the_first_record_still_seals_a_journal_that_replays() {
    let dir = tempfile::tempdir().unwrap();
    let order = order(dir.path(), CONFIG, sources());
    order.controls.stop.store(true, Ordering::Relaxed);
    let outcome = run(order, |_| {}, |_| {}).unwrap();
    assert_eq!((outcome.failure, outcome.summary.tally.ticks), (None, 0));
    assert_eq!(outcome.summary.ended, "interrupted");
    assert!(replay_of(dir.path()).verified());
}

#[test]
fn two_empty_sources_end_in_order_of_their_numbers_whichever_thread_is_faster() {
    struct Slow(u64);
    impl engine::source::Decoder for Slow {
        fn next(&mut self, _: &mut InputCell) -> Result<bool, Problem> {
            std::thread::sleep(std::time::Duration::from_millis(self.0));
            Ok(false)
        }
    }
    let ends = |first_ms, second_ms| {
        let dir = tempfile::tempdir().unwrap();
        let source = |name, ms| {
            let feed = engine::source::Feed::Decoder(Box::new(Slow(ms)));
            tests::real_run::source(name, &["SPY"], feed)
        };
        run_into(dir.path(), "", vec![source("one", first_ms), source("two", second_ms)]);
        let (recording, _) = Recording::read(dir.path()).unwrap();
        recording
            .all::<SourceStatus>()
            .iter()
            .map(|s| (s.tail.source, s.tail.side))
            .collect::<Vec<_>>()
    };
    let expected = [(1, 1), (2, 1), (1, 2), (2, 2)];
    assert_eq!(ends(0, 150), expected);
    assert_eq!(ends(150, 0), expected);
    assert_eq!(SourceStatus::KIND, Kind::SourceStatus);
}

#[test]
fn a_source_that_fails_is_never_taken_for_one_that_ended() {
    const TIMES: usize = 500;
    // Records that were held back to restore their order: their memory is freed as the thread ends.
    let records: Vec<InputCell> = (0..2_000).map(|i| cell(&trade(0, i, 1, 1))).collect();
    let mut missed = 0;
    for _ in 0..TIMES {
        let problem = Problem::new("line 1 is no row", "a.csv", "correct it");
        let source = decoded_source("fails", &["SPY"], records.clone(), Some(problem));
        let gauge = FeedGauge::of(std::slice::from_ref(&source)).remove(0);
        let (all, none) = (Filter::default(), Taken::default());
        let inflow =
            feed::start(source, 1, vec![Some(0)], all, 60_000, none, gauge).expect("a thread");
        let mut merge = Merge::new(vec![Inlet { inflow, live: false, ended: false }]);
        let mut taken = InputCell::default();
        let failure = loop {
            match merge.head() {
                Head::Record(inlet, _) => merge.take(inlet, &mut taken),
                Head::Ended(_, failure) => break failure,
                _ => std::hint::spin_loop(),
            }
        };
        missed += usize::from(failure.is_none());
    }
    assert_eq!(missed, 0, "of {TIMES} failures");
}

#[test]
fn a_source_whose_thread_panics_is_a_source_that_failed() {
    struct Panics;
    impl engine::source::Decoder for Panics {
        fn next(&mut self, _: &mut InputCell) -> Result<bool, Problem> {
            panic!("expected in this test")
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let feed = engine::source::Feed::Decoder(Box::new(Panics));
    let order = order(dir.path(), "", vec![tests::real_run::source("panics", &["SPY"], feed)]);
    let outcome = run(order, |_| {}, |_| {}).unwrap();
    assert_eq!(outcome.summary.ended, "source_failed");
    assert!(outcome.failure.expect("a failure").what.contains("panicked"));
    assert!(replay_of(dir.path()).verified());
}
