//! A day's journal is opened and verified in full; who stored a position comes back to it without a look at
//! what lies before it.
//!
//! `GRANDMODEL_FRAMES=20000000 cargo test --release -p journal --test journal opening -- --nocapture` takes
//! 4 GB in the directory for temporary files, and 100 million frames by the same variable 20 GB.

use crate::hooked::Hooked;
use crate::support::{Random, append_slot, campaign, path, slot, synced};
use journal::{Follower, Journal, Options, Position, Until, Writer, verify};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Slots of as many frames, or a few more: how many slots, how many frames.
fn write(dir: &Path, most: u64, seed: u64) -> (u64, u64) {
    let segment_bytes = Options::new(dir).segment_bytes;
    let mut writer = Writer::create(&Options { segment_bytes, ..synced(dir) }).unwrap();
    let mut random = Random(seed);
    let (mut seq, mut frames) = (0, 0);
    while frames < most {
        let slot = slot(seq, &mut random);
        append_slot(&mut writer, seq, &slot).unwrap();
        frames += slot.len() as u64;
        seq += 1;
    }
    writer.close().unwrap();
    (seq, frames)
}

/// Takes these files out of the page cache; false where that cannot be asked for.
fn evict(dir: &Path, segments: u64) -> bool {
    (0..segments as u32).all(|segment| {
        let mut dd = Command::new("dd");
        dd.arg(format!("if={}", path(dir, segment).display())).args(["iflag=nocache", "count=0"]);
        dd.output().is_ok_and(|output| output.status.success())
    })
}

#[test]
fn a_day_of_frames_is_read_in_full_and_a_stored_position_is_found_in_its_segment_alone() {
    let (most, seed) = campaign("GRANDMODEL_FRAMES", 1_000_000);
    let dir = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let (slots, frames) = write(dir.path(), most, seed);
    let written = started.elapsed();

    let started = Instant::now();
    let journal = Journal::open(dir.path()).unwrap();
    let opened = started.elapsed();
    let last = journal.segments().last().unwrap().header;
    let segments = journal.segments().count() as u64;
    drop(journal);

    let from = if evict(dir.path(), segments) { "the disk" } else { "the cache" };
    let started = Instant::now();
    let report = verify(dir.path(), &mut |_| ()).unwrap();
    let verified = started.elapsed();
    assert!(report.is_sealed(), "{report:?}");
    assert_eq!((report.frames, report.slots), (frames, slots));
    assert_eq!((report.segments, report.sealed_segments), (segments, segments));
    assert!(segments >= 3 || most < 1_000_000, "several segments: {segments}");

    let looks = Arc::new(AtomicU64::new(0));
    let counted = looks.clone();
    let store = Hooked::new(move |call| {
        counted.fetch_add(u64::from(call == "view"), Ordering::Relaxed);
        Ok(())
    });
    let at = Position { segment: last.segment, offset: 4_096, seq: last.base_seq };
    let mut follower = Follower::open_on(store, dir.path(), Some(at), Until::Durable).unwrap();
    let mut read = 0;
    while let Some(frame) = follower.next().unwrap() {
        read += u64::from(frame.is_last());
    }
    assert_eq!(read, slots - last.base_seq);
    assert_eq!(looks.load(Ordering::Relaxed), 1, "segments looked at");
    println!(
        "opening: seed {seed}, {frames} frames in {slots} slots, {} bytes in {segments} segments, written in \
         {:.1} s; open {:.3} s, verify {:.2} s from {from} ({:.1} M frames/s); from a position 1 segment \
         of {segments} looked at",
        report.bytes,
        written.as_secs_f64(),
        opened.as_secs_f64(),
        verified.as_secs_f64(),
        frames as f64 / 1e6 / verified.as_secs_f64(),
    );
}
