//! Whoever reads behind the writer gets every slot once, in order, and costs it nothing; old segments go
//! when all have read them and a snapshot covers them.

use crate::hooked::Hooked;
use crate::support::{
    Random, SMALL, Slot, append, options, patch, path, read, read_then_cut, segment_files, strip,
    synced,
};
use journal::{
    Follower, Journal, JournalError, Limits, Options, Position, Until, Writer, recover, verify,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Reads what there is, into slots.
fn take(follower: &mut Follower, slots: &mut Vec<Slot>) -> Result<(), JournalError> {
    let mut slot = Slot::new();
    while let Some(frame) = follower.next()? {
        slot.push(strip(frame.bytes));
        if frame.is_last() {
            slots.push(std::mem::take(&mut slot));
        }
    }
    assert!(slot.is_empty(), "only whole slots below the limit");
    Ok(())
}

#[test]
fn followers_read_every_slot_in_order_while_the_writer_runs_and_rolls() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(&synced(dir.path())).unwrap();
    let (done, watermark) = (AtomicBool::new(false), writer.watermark());
    let ways = [Until::Journaled(watermark), Until::Durable];
    let (written, read) = std::thread::scope(|scope| {
        let followers = ways.map(|until| {
            let (dir, done) = (dir.path(), &done);
            scope.spawn(move || {
                let (mut slots, mut stored, mut lives) = (Vec::new(), None, 0);
                loop {
                    let last = done.load(Ordering::Acquire);
                    // It dies after each visit and goes on from what it stored.
                    let mut follower = Follower::open(dir, stored, until.clone()).unwrap();
                    take(&mut follower, &mut slots).unwrap();
                    stored = Some(follower.position());
                    assert_eq!(follower.position().seq, slots.len() as u64);
                    lives += 1;
                    if last {
                        return (slots, lives);
                    }
                }
            })
        });
        let written = append(&mut writer, 0, 6_000, &mut Random(1));
        writer.close().unwrap();
        done.store(true, Ordering::Release);
        (written, followers.map(|follower| follower.join().unwrap()))
    });
    for (slots, lives) in read {
        println!("{lives} lives of a follower");
        assert!(slots == written, "{} of {}", slots.len(), written.len());
    }
}

#[test]
fn a_stored_position_goes_on_from_any_slot_over_epochs() {
    let dir = tempfile::tempdir().unwrap();
    let mut all = Vec::new();
    for life in 0..4 {
        let mut writer = match life {
            0 => Writer::create(&options(dir.path())).unwrap(),
            _ => Writer::resume(&options(dir.path())).unwrap().0,
        };
        let from = writer.next_seq();
        all.extend(append(&mut writer, from, from + 500, &mut Random(life)));
        if life < 3 { drop(writer) } else { drop(writer.close()) }
    }
    let mut follower = Follower::open(dir.path(), None, Until::Durable).unwrap();
    let mut positions = vec![follower.position()];
    while let Some(frame) = follower.next().unwrap() {
        if frame.is_last() {
            positions.push(follower.position());
        }
    }
    assert_eq!(positions.len(), all.len() + 1);
    for position in positions.iter().step_by(83) {
        let mut follower = Follower::open(dir.path(), Some(*position), Until::Durable).unwrap();
        let mut slots = Vec::new();
        take(&mut follower, &mut slots).unwrap();
        assert!(slots == all[position.seq as usize..], "{position:?}");
    }
}

#[test]
fn damage_below_the_limit_stops_a_follower_by_name() {
    let dir = tempfile::tempdir().unwrap();
    crate::support::closed(dir.path(), 200, 2);
    let (segment, offset, _, seq, _) = crate::support::places(dir.path())[70];
    patch(dir.path(), segment, offset + 20, &[0xA5]);
    let mut follower = Follower::open(dir.path(), None, Until::Durable).unwrap();
    let error = take(&mut follower, &mut Vec::new()).unwrap_err();
    let JournalError::Damaged { segment: s, expected_seq, .. } = error else { panic!("{error}") };
    assert_eq!((s, expected_seq), (segment, seq));
}

#[test]
fn what_a_power_cut_took_from_a_follower_is_said_and_not_skipped() {
    let dir = Path::new("/sim");
    let (image, ahead) = read_then_cut(dir);
    let (mut writer, recovery) =
        Writer::resume_on(Arc::new(image.clone()), &synced(dir), true).unwrap();
    assert_eq!(recovery.next_seq, 20);
    append(&mut writer, 20, 60, &mut Random(5));
    let until = Until::Journaled(writer.watermark());
    let mut follower = Follower::open_on(Arc::new(image.clone()), dir, Some(ahead), until).unwrap();
    let error = take(&mut follower, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, JournalError::PositionGone { seq: 40, .. }), "{error}");
}

fn limits() -> Limits {
    Limits { max_age_ns: None, max_bytes: None, keep_from_seq: u64::MAX, followers: Vec::new() }
}

#[test]
fn retention_takes_whole_closed_segments_that_all_have_read_and_a_snapshot_covers() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(&synced(dir.path())).unwrap();
    let mut all = append(&mut writer, 0, 3_000, &mut Random(6));
    writer.close().unwrap();
    let (mut writer, _) = Writer::resume(&synced(dir.path())).unwrap();
    let segments: Vec<_> =
        Journal::open(dir.path()).unwrap().segments().map(|info| info.header).collect();
    assert!(segments.len() > 6);
    let retention = writer.retention();
    let few = Some(3 * SMALL);
    let none = |limits: &Limits| {
        assert_eq!(retention.apply(limits, 0).unwrap().segments, 0, "{limits:?}");
    };
    none(&limits());
    none(&Limits { max_bytes: Some(1 << 40), ..limits() });
    none(&Limits { max_bytes: few, keep_from_seq: 0, ..limits() });
    none(&Limits { max_age_ns: Some(1 << 60), ..limits() });
    none(&Limits { max_bytes: few, keep_from_seq: segments[1].base_seq - 1, ..limits() });
    let at = |segment: usize, seq| Position { segment: segment as u32, offset: 4096, seq };
    let followers = vec![at(9, 9_999), at(0, 3)];
    none(&Limits { max_bytes: few, followers, ..limits() });

    let followers = vec![at(2, segments[2].base_seq)];
    let some = Limits { max_bytes: few, followers, ..limits() };
    let removed = retention.apply(&some, 0).unwrap();
    assert_eq!((removed.segments, removed.first_segment), (2, 2));
    assert!(!path(dir.path(), 1).exists() && path(dir.path(), 2).exists());
    let early = Some(Position { segment: 1, offset: 5_000, seq: 200 });
    let error = Follower::open(dir.path(), early, Until::Durable).unwrap_err();
    assert!(matches!(error, JournalError::Retired { segment: 1, first: 2 }), "{error}");

    let removed = retention.apply(&Limits { max_age_ns: Some(0), ..limits() }, i64::MAX).unwrap();
    assert!(removed.segments > 0 && segment_files(dir.path()) > 0, "{removed:?}");
    let from = writer.next_seq();
    all.extend(append(&mut writer, from, from + 50, &mut Random(7)));
    drop(writer);
    let kept = read(dir.path()).unwrap().0;
    assert!(kept == all[removed.first_seq as usize..], "the rest reads from its first segment on");
    assert!(verify(dir.path(), &mut |_| ()).unwrap().findings.is_empty());
    let recovery = recover(dir.path(), true).unwrap();
    assert_eq!(recovery.next_seq, all.len() as u64);
    let (writer, _) = Writer::resume(&synced(dir.path())).unwrap();
    writer.close().unwrap();
    assert!(read(dir.path()).unwrap().0 == kept);
}

#[test]
fn the_free_space_floor_is_seen_before_the_disk_is_full() {
    let dir = tempfile::tempdir().unwrap();
    for (free_floor_bytes, below) in [(0, false), (u64::MAX, true)] {
        let dir = dir.path().join(free_floor_bytes.to_string());
        let writer = Writer::create(&Options { free_floor_bytes, ..options(&dir) }).unwrap();
        let durability = writer.durability();
        let started = std::time::Instant::now();
        while durability.free_bytes() == u64::MAX && started.elapsed().as_secs() < 10 {
            std::thread::yield_now();
        }
        assert_eq!(durability.is_below_floor(), below);
        assert!(durability.free_bytes() > 0 && durability.free_bytes() < u64::MAX);
    }
}

#[test]
fn reading_from_a_sequence_begins_with_its_segment_and_looks_at_none_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(&synced(dir.path())).unwrap();
    let all = append(&mut writer, 0, 2_000, &mut Random(8));
    writer.close().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let bases: Vec<u64> = journal.segments().map(|info| info.header.base_seq).collect();
    assert!(bases.len() > 4, "{bases:?}");
    for seq in [0, 1, bases[1] - 1, bases[1], bases[2] + 1, 1_999, 5_000] {
        let begins = *bases.iter().rfind(|base| **base <= seq).unwrap();
        let mut frames = journal.frames_from(seq);
        let mut next = begins;
        while let Some(frame) = frames.next().unwrap() {
            assert_eq!(frame.head().seq, next, "from {seq}");
            next += u64::from(frame.is_last());
        }
        assert_eq!(next, all.len() as u64, "from {seq}: to the end");
        assert_eq!(frames.end(), Some(&journal::End::Sealed));
    }
    // What is damaged before it is not met; from the beginning it is.
    patch(dir.path(), 1, 4_096 + 40, &[0xA5; 3]);
    let journal = Journal::open(dir.path()).unwrap();
    let read = |mut frames: journal::Frames<'_>| loop {
        match frames.next() {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(()),
            Err(error) => return Err(error),
        }
    };
    read(journal.frames_from(bases[2])).unwrap();
    let error = read(journal.frames_from(bases[1])).unwrap_err();
    assert!(matches!(error, JournalError::Damaged { segment: 1, .. }), "{error}");
    assert!(read(journal.frames()).is_err());
}

#[test]
fn a_superblock_that_retention_cannot_write_is_a_sync_that_failed_once_and_for_all() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(&synced(dir.path())).unwrap();
    append(&mut writer, 0, 2_000, &mut Random(9));
    writer.close().unwrap();
    let (fails, met) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (told, seen) = (fails.clone(), met.clone());
    let store = Hooked::new(move |name| {
        if name != "sync_data" || !told.load(Ordering::Acquire) {
            return Ok(());
        }
        seen.fetch_add(1, Ordering::Relaxed);
        Err(std::io::Error::from_raw_os_error(5))
    });
    // The syncer has nothing to do meanwhile.
    let (writer, _) = Writer::resume_on(store, &synced(dir.path()), false).unwrap();
    let files = segment_files(dir.path());
    fails.store(true, Ordering::Release);
    let all = Limits { max_bytes: Some(0), ..limits() };
    writer.retention().apply(&all, 0).unwrap_err();
    fails.store(false, Ordering::Release);
    assert!(writer.sync_failure().is_some(), "it is latched");
    writer.retention().apply(&all, 0).unwrap_err();
    assert_eq!((met.load(Ordering::Relaxed), segment_files(dir.path())), (1, files));
}
