//! What is written is what is read, and there is one writer.

use crate::support::{
    Random, SMALL, append, append_slot, closed, options, path, places, read, segment_files, slot,
};
use journal::{End, Journal, JournalError, Options, Writer, verify};
use ringbuf_layout::Kind;
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
    let error = Writer::create(&options(dir.path())).unwrap_err();
    assert!(matches!(error, JournalError::Exists { .. }), "{error}");
    assert_eq!(read(dir.path()).unwrap(), (slots, End::Sealed));
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
        eprintln!("skipped: a_full_disk_…: mounting a tmpfs is not permitted");
        return;
    }
    let mounted = Mounted(dir.path());
    let too_many = Options { ready_segments: 9, ..options(&mounted.0.join("x")) };
    let error = Writer::create(&too_many).unwrap_err();
    assert!(matches!(error, JournalError::DiskFull { bytes: SMALL, .. }), "{error}");
    assert_eq!(segment_files(&mounted.0.join("x")), 0, "a refused start leaves no segment");

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
    writer.close().unwrap();
    assert!(read(&journal).unwrap() == (slots, End::Sealed), "and can still be closed");
}

struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}
