//! A journal goes on where the last whole slot ended, whatever ended it; and where a durable record is
//! not what was written, it does not go on at all.

use crate::skipped::skipped;
use crate::support::{
    Random, SMALL, Slot, append, append_slot, closed, options, patch, path, places, read,
    segment_files, slot, synced, writable,
};
use journal::{
    Case, Disk, End, Journal, JournalError, Options, Recovery, SyncBackend, Writer, recover, verify,
};
use ringbuf_layout::Kind;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

fn sound(dir: &Path) -> journal::Report {
    let report = verify(dir, &mut |_| ()).unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    report
}

/// Resumes, appends this many slots and closes; everything must then read back.
fn go_on(dir: &Path, mut slots: Vec<Slot>, more: u64, seed: u64) -> (Recovery, Vec<Slot>) {
    let (mut writer, recovery) = Writer::resume(&options(dir)).unwrap();
    assert_eq!(recovery.next_seq, writer.next_seq());
    assert_eq!(writer.durable().next_seq(), recovery.next_seq, "what was recovered is durable");
    assert_eq!(recovery.epoch_after, recovery.epoch_before + 1);
    slots.truncate(recovery.next_seq as usize);
    let from = recovery.next_seq;
    slots.extend(append(&mut writer, from, from + more, &mut Random(seed)));
    writer.close().unwrap();
    assert!(read(dir).unwrap() == (slots.clone(), End::Sealed));
    assert!(sound(dir).is_sealed());
    (recovery, slots)
}

#[test]
fn a_closed_journal_goes_on_in_a_new_segment_of_a_new_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let mut slots = closed(dir.path(), 300, 1);
    for life in 2..5 {
        let (recovery, now) = go_on(dir.path(), slots, 300, life);
        assert_eq!((recovery.case, recovery.cut_bytes), (Case::A, 0));
        assert_eq!(u64::from(recovery.epoch_after), life);
        slots = now;
    }
    let journal = Journal::open(dir.path()).unwrap();
    let epochs: Vec<_> = journal.segments().map(|info| info.header.epoch).collect();
    assert!(epochs.is_sorted() && epochs.first() == Some(&1) && epochs.last() == Some(&4));
    assert_eq!(journal.durable(), 1_200);
}

#[test]
fn a_killed_journal_loses_no_whole_slot_and_its_torn_one_is_cut() {
    for (seed, at) in (0..20).map(|seed| (seed, 1 + seed * 37)) {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::create(&options(dir.path())).unwrap();
        let mut random = Random(seed);
        let slots = append(&mut writer, 0, at, &mut random);
        let torn = seed % 2 == 1;
        if torn {
            let input = crate::support::frame(Kind::Trade, at, 0, &mut random);
            writer.begin(at).unwrap();
            writer.append(&input, false);
        }
        drop(writer);
        let found = recover(dir.path(), false).unwrap();
        let before = std::fs::read(path(dir.path(), 0)).unwrap();
        assert!(!found.written && found.next_seq == at);
        let (recovery, _) = go_on(dir.path(), slots, 100, seed + 1_000);
        assert_eq!(recovery.case, if torn { Case::D } else { Case::C }, "{recovery:?}");
        assert_eq!((recovery.cut_bytes > 0, recovery.cut_frames), (torn, u64::from(torn)));
        assert_eq!((recovery.next_seq, recovery.durable_before), (at, 0));
        assert_eq!((found.case, found.segment, found.offset), {
            (recovery.case, recovery.segment, recovery.offset)
        });
        let end = recovery.offset as usize;
        if recovery.segment == 0 {
            assert!(std::fs::read(path(dir.path(), 0)).unwrap()[4096..end] == before[4096..end]);
        }
    }
}

#[test]
fn an_offline_recovery_changes_nothing_unless_told_to_and_then_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(&options(dir.path())).unwrap();
    let slots = append(&mut writer, 0, 500, &mut Random(3));
    assert!(matches!(recover(dir.path(), false), Err(JournalError::Locked { .. })));
    assert!(matches!(recover(dir.path(), true), Err(JournalError::Locked { .. })));
    drop(writer);
    let files = segment_files(dir.path());
    let dry = recover(dir.path(), false).unwrap();
    assert_eq!(segment_files(dir.path()), files);
    let wet = recover(dir.path(), true).unwrap();
    assert_eq!(wet, Recovery { written: true, ..dry });
    assert_eq!(read(dir.path()).unwrap().1, End::Open { segment: wet.segment_after, offset: 4096 });
    let again = recover(dir.path(), true).unwrap();
    assert_eq!((again.case, again.next_seq, again.epoch_after), (Case::B, 500, 1));
    assert_eq!(again.durable_before, 500);
    go_on(dir.path(), slots, 10, 4);
}

/// A killed journal of one segment, where nothing is durable.
fn killed(dir: &Path, slots: u64, seed: u64) -> Vec<Slot> {
    let mut writer = Writer::create(&options(dir)).unwrap();
    append(&mut writer, 0, slots, &mut Random(seed))
}

#[test]
fn a_gap_above_durable_is_cut_with_all_that_lies_behind_it_which_never_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let slots = killed(dir.path(), 1_500, 5);
    let places = places(dir.path());
    let last = places.last().unwrap().0;
    let here: Vec<_> = places.iter().filter(|place| place.0 == last).collect();
    let hole = *here[here.len() / 2];
    patch(dir.path(), hole.0, hole.1, &vec![0; hole.2]);
    let (recovery, slots) = go_on(dir.path(), slots, 700, 6);
    assert_eq!(recovery.case, Case::E, "{recovery:?}");
    assert_eq!(recovery.next_seq, hole.3);
    let behind = places.iter().filter(|place| place.3 > hole.3).count() as u64;
    assert!((behind..behind + 20).contains(&recovery.cut_frames), "{recovery:?}, {behind}");
    assert_eq!(recovery.segment, last, "{recovery:?}");
    go_on(dir.path(), slots, 10, 7);
}

#[test]
fn damage_at_or_below_durable_is_refused_by_segment_offset_and_sequence() {
    let dir = tempfile::tempdir().unwrap();
    let on = Options { sync_backend: SyncBackend::Msync, ..options(dir.path()) };
    let mut writer = Writer::create(&on).unwrap();
    append(&mut writer, 0, 300, &mut Random(8));
    let durability = writer.durability();
    durability.want_now(299);
    while durability.durable().next_seq() < 300 {
        std::thread::yield_now();
    }
    drop(writer);
    let places = places(dir.path());
    let last = *places.last().unwrap();
    let whole = std::fs::read(path(dir.path(), last.0)).unwrap();
    for place in [last, places[200]] {
        patch(dir.path(), place.0, place.1 + 40, &[whole[place.1 as usize + 40] ^ 1]);
        let read_error = support_error(read(dir.path()).map(|_| ()));
        for error in [
            support_error(recover(dir.path(), true).map(|_| ())),
            support_error(Writer::resume(&on).map(|_| ())),
            read_error,
        ] {
            let JournalError::Damaged { segment, offset, expected_seq, what } = error else {
                panic!("{error}");
            };
            assert_eq!((segment, offset, expected_seq), (place.0, place.1, place.3), "{what}");
        }
        patch(dir.path(), place.0, 0, &whole);
    }
    let slot_start = places.iter().find(|place| place.3 == 299).unwrap().1;
    writable(dir.path(), last.0).write_all_at(&[0; 64], slot_start).unwrap();
    let lost = support_error(recover(dir.path(), true).map(|_| ()));
    assert!(lost.is_damage(), "{lost}");
}

fn support_error(result: Result<(), JournalError>) -> JournalError {
    result.expect_err("it is refused")
}

#[test]
fn a_superblock_that_is_missing_damaged_or_from_the_past_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let slots = closed(dir.path(), 50, 9);
    let block = dir.path().join("superblock");
    let first = std::fs::read(&block).unwrap();
    std::fs::remove_file(&block).unwrap();
    let error = support_error(Writer::resume(&options(dir.path())).map(|_| ()));
    assert!(matches!(error, JournalError::NoSuperblock { .. }), "{error}");
    assert!(read(dir.path()).unwrap() == (slots.clone(), End::Sealed), "but it reads");
    assert_eq!(sound(dir.path()).durable, None);

    for copy in [0, 4096] {
        let mut damaged = first.clone();
        damaged[copy + 41] ^= 4;
        std::fs::write(&block, &damaged).unwrap();
        let report = sound(dir.path());
        assert_eq!((report.durable, report.superblock_copies), (Some(50), 1), "both said it");
        damaged[(copy ^ 4096) + 17] ^= 4;
        std::fs::write(&block, &damaged).unwrap();
        for error in [
            support_error(recover(dir.path(), true).map(|_| ())),
            support_error(Journal::open(dir.path()).map(|_| ())),
        ] {
            assert!(matches!(error, JournalError::SuperblockDamaged { .. }), "{error}");
            assert!(error.is_damage());
        }
    }
    std::fs::write(&block, &first).unwrap();
    go_on(dir.path(), slots, 5, 10);
    std::fs::write(&block, &first).unwrap();
    let error = support_error(recover(dir.path(), true).map(|_| ()));
    assert!(error.to_string().contains("earlier epoch"), "{error}");
}

#[test]
fn a_journal_without_a_slot_goes_on_too_and_nothing_at_all_is_no_journal() {
    let dir = tempfile::tempdir().unwrap();
    for case in [Case::C, Case::A] {
        let (recovery, _) = {
            let writer = Writer::create(&options(dir.path()));
            match writer {
                Ok(writer) if case == Case::C => drop(writer),
                Ok(_) => panic!("it was there"),
                Err(error) => assert!(matches!(error, JournalError::Exists { .. }), "{error}"),
            }
            go_on(dir.path(), Vec::new(), 0, 0)
        };
        assert_eq!((recovery.case, recovery.next_seq), (case, 0));
    }
    let empty = tempfile::tempdir().unwrap();
    for error in [
        support_error(recover(empty.path(), true).map(|_| ())),
        support_error(Writer::resume(&options(empty.path())).map(|_| ())),
    ] {
        assert!(matches!(error, JournalError::NoJournal { .. }), "{error}");
    }
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn a_chain_begins_where_it_is_told_to_and_goes_on_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 20, 11);
    for (new_chain, chain, first) in [(false, 1, 0), (true, 2, 30), (false, 2, 30), (true, 3, 50)] {
        let options = Options { new_chain, ..options(dir.path()) };
        let (mut writer, recovery) = Writer::resume(&options).unwrap();
        assert_eq!((recovery.chain, recovery.chain_first_seq), (chain, first));
        let from = recovery.next_seq;
        append(&mut writer, from, from + 10, &mut Random(12));
        writer.close().unwrap();
        let journal = Journal::open(dir.path()).unwrap();
        let block = journal.superblock().unwrap();
        assert_eq!((block.chain, block.chain_first_seq), (chain, first));
    }
}

#[test]
fn one_order_and_then_silence_is_durable_within_two_intervals() {
    let dir = tempfile::tempdir().unwrap();
    for sync_backend in [SyncBackend::Msync, SyncBackend::IoUring] {
        let dir = dir.path().join(format!("{sync_backend:?}"));
        let on = Options { sync_backend, sync_interval_ms: 2_000, ..options(&dir) };
        let mut writer = match Writer::create(&on) {
            Err(error @ JournalError::Io { .. }) if sync_backend == SyncBackend::IoUring => {
                skipped(format!("{error}"));
                continue;
            }
            writer => writer.unwrap(),
        };
        let durability = writer.durability();
        let mut random = Random(13);
        append_slot(&mut writer, 0, &slot(0, &mut random)).unwrap();
        durability.want(0);
        let started = std::time::Instant::now();
        while !durability.durable().covers(0) {
            assert!(started.elapsed().as_millis() < 1_000, "an order waits: no interval passes");
            std::thread::yield_now();
        }
        append_slot(&mut writer, 1, &slot(1, &mut random)).unwrap();
        let started = std::time::Instant::now();
        while !durability.durable().covers(1) {
            assert!(started.elapsed().as_millis() < 4_000, "nobody waits: two intervals");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert_eq!(Journal::open(&dir).unwrap().durable(), 2, "the superblock says so too");
        assert!(writer.sync_failure().is_none());
        writer.close().unwrap();
        assert!(SMALL > 0 && sound(&dir).is_sealed());
    }
}

#[test]
fn a_closed_segment_is_durable_at_once_however_long_the_interval() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { sync_interval_ms: 60_000, ..synced(dir.path()) };
    let mut writer = Writer::create(&options).unwrap();
    let (durability, mut random) = (writer.durability(), Random(14));
    // A roll in the middle of what is published at once, as the engine does it, and then silence.
    for round in 0..40 {
        for _ in 0..200 + random.below(400) {
            let seq = writer.next_seq();
            let frames = slot(seq, &mut random);
            writer.begin(seq).unwrap();
            for (index, frame) in frames.iter().enumerate() {
                writer.append(frame, index + 1 == frames.len());
            }
        }
        writer.publish();
        let (mut newest, started) = (0, std::time::Instant::now());
        while newest == 0 || durability.durable().next_seq() < newest {
            assert!(started.elapsed().as_secs() < 5, "round {round}: below {newest}");
            let journal = Journal::open(dir.path()).unwrap();
            newest = journal.segments().last().map_or(0, |info| info.header.base_seq);
            if journal.segments().count() == 1 {
                break;
            }
        }
    }
    assert!(writer.stats().segments > 5, "{:?}", writer.stats());
    let journal = Journal::open(dir.path()).unwrap();
    assert!(journal.superblock().unwrap().last_segment > 4);
    writer.close().unwrap();
}

/// Two copies that differ, a damaged frame between what each calls durable, and a byte behind them.
#[test]
fn what_was_appended_to_the_superblock_makes_no_recovery_believe_the_older_copy() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Disk::default());
    let mut writer = Writer::create_on(store, &synced(dir.path()), true).unwrap();
    let mut random = Random(3);
    for (from, to) in [(0, 20), (20, 40)] {
        append(&mut writer, from, to, &mut random);
        writer.durability().want(to - 1);
        writer.pump();
        assert_eq!(writer.durable().next_seq(), to, "one copy of the superblock says so");
    }
    drop(writer);
    let (segment, offset, ..) = places(dir.path()).into_iter().find(|place| place.3 == 30).unwrap();
    let bytes = std::fs::read(path(dir.path(), segment)).unwrap();
    patch(dir.path(), segment, offset + 40, &[bytes[offset as usize + 40] ^ 1]);
    let refusal = || recover(dir.path(), false).unwrap_err().to_string();
    let as_it_was = refusal();
    let file = dir.path().join("superblock");
    std::fs::write(&file, [std::fs::read(&file).unwrap(), vec![7]].concat()).unwrap();
    let report = verify(dir.path(), &mut |_| ()).unwrap();
    assert_eq!((report.superblock_copies, report.superblock_longer), (2, true));
    assert_eq!((refusal(), report.durable), (as_it_was, Some(40)));
    recover(dir.path(), true).unwrap_err();
    let lock = std::fs::read(dir.path().join("LOCK")).unwrap();
    assert!(lock.is_empty(), "a recovery that has ended holds nothing");
}

#[test]
fn what_was_appended_to_the_superblock_is_cut_when_the_journal_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let slots = closed(dir.path(), 50, 1);
    let file = dir.path().join("superblock");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, [&bytes[..], &[7]].concat()).unwrap();
    go_on(dir.path(), slots, 50, 2);
    assert_eq!(std::fs::metadata(&file).unwrap().len(), bytes.len() as u64);
}

struct Ended<'a>(&'a std::sync::atomic::AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn a_look_at_who_holds_the_lock_never_keeps_a_writer_out() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 5, 1);
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Also where a life panics: the looks would never end.
        let ended = Ended(&over);
        scope.spawn(|| {
            let lock = std::fs::File::open(dir.path().join("LOCK")).unwrap();
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                lock.lock_shared().unwrap();
                std::thread::sleep(std::time::Duration::from_micros(200));
                lock.unlock().unwrap();
                std::thread::sleep(std::time::Duration::from_micros(500));
            }
        });
        let live = |_| Writer::resume(&options(dir.path())).and_then(|(writer, _)| writer.close());
        let lives: Vec<_> = (0..20).map(live).collect();
        drop(ended);
        for life in lives {
            life.unwrap();
        }
    });
}
