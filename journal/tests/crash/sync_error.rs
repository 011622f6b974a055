//! The first sync that fails is the last: `durable` stands still, nobody tries again, and whoever waits is
//! told. Once at the store, once under the C library.

use crate::hooked::Hooked;
use crate::skipped::skipped;
use crate::support::{Random, append_slot, slot, synced, unlocked, wait_for};
use journal::{Journal, JournalError, Writer, recover};
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Writes, waiting for `durable` after each slot, until a sync fails; then some more. Returns what was
/// durable then.
fn write_until_a_sync_fails(mut writer: Writer, more: u64) -> (u64, Duration, JournalError) {
    let durability = writer.durability();
    let mut random = Random(1);
    let mut seq = 0;
    let late = loop {
        append_slot(&mut writer, seq, &slot(seq, &mut random)).unwrap();
        durability.want_now(seq);
        seq += 1;
        let asked = Instant::now();
        wait_for("an answer", || durability.durable().covers(seq - 1) || durability.has_failed());
        if durability.has_failed() {
            break asked.elapsed();
        }
    };
    let durable = durability.durable().next_seq();
    assert!(durable < seq, "the slot that met the failure is not covered");
    for seq in seq..seq + more {
        append_slot(&mut writer, seq, &slot(seq, &mut random)).unwrap();
        durability.want_now(seq);
    }
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(durability.durable().next_seq(), durable, "it never moves again");
    let failure = writer.sync_failure().expect("it can be read");
    let closed = writer.close().expect_err("a close does not hide it");
    assert_eq!(closed.to_string(), failure.to_string());
    assert_eq!(durability.durable().next_seq(), durable);
    (durable, late, failure)
}

#[test]
fn the_first_sync_that_fails_latches_and_is_never_tried_again() {
    for (call, nth) in
        ["sync_range", "sync_data"].iter().flat_map(|call| [1, 2, 7].map(|n| (*call, n)))
    {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("journal");
        let (met, after) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (seen, later) = (met.clone(), after.clone());
        let store = Hooked::new(move |name| {
            // Making segments ahead goes on: those are other files.
            if seen.load(Ordering::Acquire) >= nth && matches!(name, "sync_range" | "sync_data") {
                later.fetch_add(1, Ordering::Relaxed);
            }
            if name == call && seen.fetch_add(1, Ordering::AcqRel) + 1 == nth {
                return Err(io::Error::from_raw_os_error(5));
            }
            Ok(())
        });
        let writer = Writer::create_on(store, &synced(&dir), false).unwrap();
        let (durable, late, failure) = write_until_a_sync_fails(writer, 400);
        assert!(failure.to_string().contains("os error 5"), "{failure}");
        assert_eq!(durable, nth - 1, "{call} {nth}: one slot a sync");
        assert_eq!(after.load(Ordering::Relaxed), 0, "{call} {nth}: tried again");
        assert!(late < Duration::from_secs(5), "{late:?}");
        let journal = Journal::open(&dir).unwrap();
        assert!(journal.durable() <= nth, "the superblock says no more");
        let recovery = unlocked(|| recover(&dir, true)).unwrap();
        assert!(recovery.next_seq >= durable);
    }
}

const SHIM: &str = include_str!("sync_shim.c");

/// Builds the shim; `None` where there is no C compiler.
fn shim(dir: &Path) -> Option<std::path::PathBuf> {
    let (source, library) = (dir.join("shim.c"), dir.join("shim.so"));
    std::fs::write(&source, SHIM).unwrap();
    let mut gcc = Command::new("gcc");
    gcc.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl");
    gcc.output().is_ok_and(|output| output.status.success()).then_some(library)
}

const DIR: &str = "JOURNAL_SYNC_ERROR_TEST_DIR";

#[test]
fn an_error_of_msync_or_fdatasync_itself_latches_and_is_never_tried_again() {
    let parent = tempfile::tempdir().unwrap();
    let Some(library) = shim(parent.path()) else {
        skipped("no gcc");
        return;
    };
    let mut met = Vec::new();
    for nth in 1..=8 {
        let (dir, log) =
            (parent.path().join(format!("journal{nth}")), parent.path().join(format!("log{nth}")));
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "sync_error::child_whose_syncs_fail", "--nocapture"])
            .env("LD_PRELOAD", &library)
            .env("JOURNAL_SHIM_LOG", &log)
            .env("JOURNAL_SHIM_NTH", nth.to_string())
            .env(DIR, &dir)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{nth}: {text}");
        let durable: u64 = text
            .lines()
            .find_map(|line| line.split("durable=").nth(1)?.split(' ').next()?.parse().ok())
            .expect("the child says what was durable");
        let calls = std::fs::read_to_string(&log).unwrap();
        let fails = calls.lines().position(|line| line.ends_with("fails")).expect("one failed");
        assert_eq!(fails as u64 + 1, nth);
        // One msync and one fdatasync a slot; none after the one that failed.
        assert_eq!(calls.lines().count() as u64, nth, "tried again: {calls}");
        assert_eq!(durable, (nth - 1) / 2, "{calls}");
        met.push(calls.lines().last().unwrap().to_owned());
        assert!(unlocked(|| recover(&dir, true)).unwrap().next_seq >= durable);
    }
    println!("sync errors under the C library: {met:?}");
}

/// Not a test by itself: does nothing unless the test above starts it.
#[test]
fn child_whose_syncs_fail() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let options = journal::Options { sync_interval_ms: 60_000, ..synced(Path::new(&dir)) };
    let writer = Writer::create(&options).unwrap();
    let (durable, _, failure) = write_until_a_sync_fails(writer, 300);
    println!("\ndurable={durable} {failure}");
}
