//! What is written is what is read, and there is one writer.

use crate::skipped::skipped;
use crate::support::{
    Random, SMALL, append, append_slot, closed, options, path, places, read, segment_files, slot,
};
use journal::{End, Journal, JournalError, Options, Stats, Writer, verify};
use ringbuf_layout::Kind;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

#[test]
fn every_frame_comes_back_bit_for_bit_over_many_segments() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(&options(dir.path())).unwrap();
    let slots = append(&mut writer, 0, 5_000, &mut Random(1));
    assert_eq!(writer.stats().frames, slots.iter().map(Vec::len).sum::<usize>() as u64);
    let stats = writer.close().unwrap();
    assert!(stats.segments > 10, "{stats:?}");
    assert_eq!(segment_files(dir.path()) as u64, stats.segments, "spares are deleted");
    let (found, end) = read(dir.path()).unwrap();
    assert_eq!(end, End::Sealed);
    assert!(found == slots);

    let mut last = 0;
    let report = verify(dir.path(), &mut |progress| {
        assert!(progress.done > last && progress.done <= progress.total);
        last = progress.done;
    })
    .unwrap();
    assert!(report.is_sealed() && last == stats.segments * SMALL, "{report:?}");
    assert_eq!((report.segments, report.sealed_segments), (stats.segments, stats.segments));
    assert_eq!((report.frames, report.slots), (stats.frames, 5_000));
    assert_eq!(report.seqs, Some((0, 4_999)));
    assert_eq!(report.ts_event, Some((1_000, 5_999)));
    let trades = slots.iter().filter(|slot| slot[0][4] == Kind::Trade as u8).count() as u64;
    assert_eq!(report.inputs().find(|(kind, _)| *kind == Kind::Trade), Some((Kind::Trade, trades)));
    assert_eq!(report.inputs().chain(report.outputs()).map(|(_, n)| n).sum::<u64>(), stats.frames);
}

#[test]
fn frames_never_cross_a_page_and_slots_never_cross_a_segment() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 2_000, 2);
    let mut open_in = None;
    for (segment, offset, len, _, last) in places(dir.path()) {
        assert!(offset % 4096 + len as u64 <= 4096 && offset >= 4096);
        assert!(open_in.is_none_or(|open| open == segment));
        open_in = (!last).then_some(segment);
    }
}

#[test]
fn files_are_private_and_sealed_ones_read_only() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("a/b");
    let writer = Writer::create(&options(&dir)).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&path(&dir, 0)), 0o600);
    assert_eq!(mode(&dir.join("LOCK")), 0o600);
    assert_eq!(segment_files(&dir), 3, "one in use, two ready");
    writer.close().unwrap();
    assert_eq!(mode(&path(&dir, 0)), 0o444);
    assert_eq!(read(&dir).unwrap(), (Vec::new(), End::Sealed));
}

#[test]
fn the_watermark_moves_by_whole_slots_and_what_it_covers_is_readable() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(&options(dir.path())).unwrap();
    let watermark = writer.watermark();
    assert_eq!(watermark.next_seq(), 0);
    let mut random = Random(3);
    for seq in 0..100 {
        let slot = slot(seq, &mut random);
        writer.begin(seq).unwrap();
        for (index, frame) in slot.iter().enumerate() {
            writer.publish();
            assert_eq!(watermark.next_seq(), seq, "an open slot is not covered");
            writer.append(frame, index + 1 == slot.len());
        }
        assert_eq!(watermark.next_seq(), seq, "only `publish` moves it");
        writer.publish();
        assert!(watermark.covers(seq) && !watermark.covers(seq + 1));
        if seq % 10 == 0 {
            let (slots, end) = read(dir.path()).unwrap();
            assert_eq!(slots.len() as u64, seq + 1);
            assert!(matches!(end, End::Open { segment: 0, .. }), "{end:?}");
        }
    }
}

#[test]
fn a_second_writer_is_refused_and_told_who_writes() {
    let dir = tempfile::tempdir().unwrap();
    let first = Writer::create(&options(dir.path())).unwrap();
    let error = Writer::create(&options(dir.path())).unwrap_err();
    let (what, place, fix) = error.parts();
    assert!(matches!(error, JournalError::Locked { .. }), "{error}");
    assert!(what.contains(&format!("pid {}", std::process::id())), "{what}");
    assert_eq!(place, dir.path().display().to_string());
    assert!(!fix.is_empty());
    drop(first);
    let error = Writer::create(&options(dir.path())).unwrap_err();
    assert!(matches!(error, JournalError::Exists { .. }), "the lock is free again: {error}");
}

#[test]
fn a_directory_with_a_journal_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let slots = closed(dir.path(), 10, 4);
    let lock = std::fs::read(dir.path().join("LOCK")).unwrap();
    for _ in 0..2 {
        let other = Options { epoch: 9, ..options(dir.path()) };
        let error = Writer::create(&other).unwrap_err();
        assert!(matches!(error, JournalError::Exists { .. }), "{error}");
        assert_eq!(std::fs::read(dir.path().join("LOCK")).ok(), Some(lock.clone()));
    }
    std::fs::remove_file(dir.path().join("LOCK")).unwrap();
    let error = Writer::create(&options(dir.path())).unwrap_err();
    assert!(matches!(error, JournalError::Exists { .. }), "{error}");
    assert!(!dir.path().join("LOCK").exists());
    assert_eq!(read(dir.path()).unwrap(), (slots, End::Sealed));
}

#[test]
fn leftovers_of_a_start_that_was_killed_before_its_first_header_are_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let leave = |segment, bytes: &[u8], mode| {
        let path = path(dir.path(), segment);
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    };
    let zeros = vec![0; SMALL as usize];
    leave(0, &zeros, 0o600);
    leave(1, &zeros, 0o600);
    let mut with_data = zeros.clone();
    with_data[SMALL as usize - 1] = 1;
    for (bytes, mode) in [(&with_data, 0o600), (&zeros, 0o444), (&zeros, 0o644)] {
        leave(2, bytes, mode);
        let error = Writer::create(&options(dir.path())).unwrap_err();
        assert!(matches!(error, JournalError::Exists { .. }), "mode {mode:o}: {error}");
        assert_eq!(segment_files(dir.path()), 3);
    }
    leave(2, &zeros[..5_000], 0o600);
    leave(7, b"", 0o600);
    let mut writer = Writer::create(&options(dir.path())).unwrap();
    assert_eq!(segment_files(dir.path()), 3);
    let slots = append(&mut writer, 0, 10, &mut Random(30));
    writer.close().unwrap();
    assert_eq!(read(dir.path()).unwrap(), (slots, End::Sealed));
}

#[test]
fn an_abandoned_writer_leaves_nothing_that_refuses_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let mut writer = Writer::create(&options(dir.path())).unwrap();
        writer.begin(0).unwrap();
        writer.abandon().unwrap();
        assert_eq!(segment_files(dir.path()), 0);
        assert_eq!(std::fs::read(dir.path().join("LOCK")).unwrap(), b"");
    }
    let mut writer = Writer::create(&options(dir.path())).unwrap();
    let slots = append(&mut writer, 0, 1, &mut Random(31));
    writer.abandon().unwrap();
    assert!(read(dir.path()).unwrap().0 == slots, "a journal with a slot stays");
}

#[test]
fn a_slot_taken_back_leaves_no_trace_and_begins_again() {
    let (dir, twin) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut writer = Writer::create(&options(dir.path())).unwrap();
    let mut random = Random(32);
    let mut slots = Vec::new();
    for seq in 0..1_000 {
        let slot = slot(seq, &mut random);
        writer.rewind();
        writer.begin(seq).unwrap();
        for frame in &slot[..random.below(slot.len() + 1).min(slot.len() - 1)] {
            writer.append(frame, false);
        }
        writer.rewind();
        writer.rewind();
        writer.publish();
        assert_eq!(writer.watermark().next_seq(), seq);
        append_slot(&mut writer, seq, &slot).unwrap();
        slots.push(slot);
    }
    writer.begin(1_000).unwrap();
    writer.append(&crate::support::frame(Kind::Trade, 1_000, 0, &mut random), false);
    writer.rewind();
    let stats = writer.close().unwrap();
    assert_eq!(read(dir.path()).unwrap(), (slots.clone(), End::Sealed));

    let mut writer = Writer::create(&options(twin.path())).unwrap();
    for (seq, slot) in (0..).zip(&slots) {
        append_slot(&mut writer, seq, slot).unwrap();
    }
    let Stats { bytes, frames, segments, .. } = writer.close().unwrap();
    assert_eq!((stats.bytes, stats.frames, stats.segments), (bytes, frames, segments));
    for segment in 0..segments as u32 {
        let [ours, theirs] = [&dir, &twin].map(|d| std::fs::read(path(d.path(), segment)).unwrap());
        assert!(ours == theirs, "segment {segment}");
    }
}

#[test]
fn a_directory_without_segments_is_no_journal() {
    let dir = tempfile::tempdir().unwrap();
    for dir in [dir.path().to_owned(), dir.path().join("missing")] {
        let error = Journal::open(&dir).unwrap_err();
        assert!(matches!(error, JournalError::NoJournal { .. }), "{error}");
        assert!(matches!(verify(&dir, &mut |_| ()), Err(JournalError::NoJournal { .. })));
    }
}

#[test]
fn options_out_of_bounds_create_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("journal");
    for wrong in [
        Options { segment_bytes: SMALL - 4096, ..options(&dir) },
        Options { segment_bytes: SMALL + 64, ..options(&dir) },
        Options { ready_segments: 0, ..options(&dir) },
        Options { backlog_segments: 0, ..options(&dir) },
        Options { sync_interval_ms: 60_001, ..options(&dir) },
        Options { epoch: 0, ..options(&dir) },
    ] {
        let error = Writer::create(&wrong).unwrap_err();
        assert!(matches!(error, JournalError::Options { .. }), "{error}");
        assert!(!dir.exists());
    }
}

#[test]
fn a_journal_made_ahead_in_full_never_waits_for_a_segment() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { ready_segments: 20, ..options(dir.path()) };
    let mut writer = Writer::create(&options).unwrap();
    assert_eq!(segment_files(dir.path()), 21);
    append(&mut writer, 0, 3_000, &mut Random(5));
    let stats = writer.close().unwrap();
    assert!(stats.segments > 5 && stats.segments <= 21, "{stats:?}");
    assert_eq!(stats.segment_waits, 0);
}

#[test]
fn a_writer_dropped_without_close_leaves_all_slots_and_no_footer() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(&options(dir.path())).unwrap();
    let slots = append(&mut writer, 0, 2_000, &mut Random(6));
    drop(writer);
    let (found, end) = read(dir.path()).unwrap();
    assert!(found == slots);
    assert!(matches!(end, End::Open { .. }), "{end:?}");
    let report = verify(dir.path(), &mut |_| ()).unwrap();
    assert!(report.findings.is_empty() && !report.is_sealed() && report.slots == 2_000);
}

#[test]
fn a_panic_with_an_open_slot_leaves_the_whole_slots_and_frees_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(&options(dir.path())).unwrap();
    let slots = append(&mut writer, 0, 50, &mut Random(7));
    let panicked = std::thread::spawn(move || {
        let input = crate::support::frame(Kind::Trade, 50, 0, &mut Random(8));
        writer.begin(50).unwrap();
        writer.append(&input, false);
        writer.begin(51).unwrap();
    })
    .join();
    assert!(panicked.is_err(), "a slot cannot begin inside another");
    let (found, end) = read(dir.path()).unwrap();
    assert!(found == slots);
    assert!(matches!(end, End::Torn { bytes: 64, .. }), "{end:?}");
    assert!(matches!(Writer::create(&options(dir.path())), Err(JournalError::Exists { .. })));
}

#[test]
fn a_full_disk_stops_the_writer_by_name_and_every_appended_slot_stays_readable() {
    let dir = tempfile::tempdir().unwrap();
    let size = format!("size={}", 5 * SMALL);
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path());
    if !mount.output().is_ok_and(|output| output.status.success()) {
        skipped("mounting a tmpfs is not permitted");
        return;
    }
    let mounted = Mounted(dir.path());
    let too_many = Options { ready_segments: 9, ..options(&mounted.0.join("x")) };
    let error = Writer::create(&too_many).unwrap_err();
    assert!(matches!(error, JournalError::DiskFull { bytes: SMALL, .. }), "{error}");
    assert_eq!(error.parts().0, "no space for the next journal segment of 262144 bytes");
    assert_eq!(segment_files(&mounted.0.join("x")), 0, "a refused start leaves no segment");
    assert_eq!(std::fs::read(mounted.0.join("x/LOCK")).unwrap(), b"");
    Writer::create(&options(&mounted.0.join("x"))).unwrap().abandon().unwrap();

    let journal = mounted.0.join("journal");
    let mut writer = Writer::create(&options(&journal)).unwrap();
    let (mut random, mut slots) = (Random(9), Vec::new());
    let error = loop {
        let next = slot(slots.len() as u64, &mut random);
        match append_slot(&mut writer, slots.len() as u64, &next) {
            Ok(()) => slots.push(next),
            Err(error) => break error,
        }
        assert!(slots.len() < 100_000, "the disk is never full");
    };
    assert!(matches!(error, JournalError::DiskFull { bytes: SMALL, .. }), "{error}");
    let again = writer.begin(slots.len() as u64).unwrap_err();
    assert!(matches!(again, JournalError::DiskFull { .. }), "it stays: {again}");
    assert!(read(&journal).unwrap().0 == slots);
    let error = journal::objects::put(&journal, &vec![1; SMALL as usize]).unwrap_err();
    assert_eq!(error.parts().0, "no space for an object of 262144 bytes");
    writer.close().unwrap();
    assert!(read(&journal).unwrap() == (slots, End::Sealed), "and can still be closed");
}

struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}
