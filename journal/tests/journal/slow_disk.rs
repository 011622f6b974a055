//! A sync that takes long holds up `durable` and nothing else: the writer goes on until its backlog is
//! full, and only then waits; nothing is dropped.
//!
//! `GRANDMODEL_SLOW_MS=30000 cargo test --release -p journal --test journal slow_disk -- --nocapture`

use crate::hooked::Hooked;
use crate::support::{Random, append_slot, campaign, memory_dir, read, slot, synced, wait_for};
use journal::{End, Options, Stats, Writer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Writes slots at a pace while every sync of a range takes this long; the time of each append, sorted.
fn write(stall: Duration, slots: u64, backlog_segments: usize) -> (Vec<Duration>, Stats, u64) {
    let parent = memory_dir();
    let dir = parent.path().join("journal");
    let (syncs, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let (counted, ended) = (syncs.clone(), over.clone());
    let store = Hooked::new(move |call| {
        if call == "sync_range" {
            counted.fetch_add(1, Ordering::Relaxed);
            let started = Instant::now();
            while started.elapsed() < stall && !ended.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(())
    });
    let options = Options { backlog_segments, ..synced(&dir) };
    let mut writer = Writer::create_on(store, &options, false).unwrap();
    let mut random = Random(1);
    let all: Vec<_> = (0..slots).map(|seq| slot(seq, &mut random)).collect();
    append_slot(&mut writer, 0, &all[0]).unwrap();
    writer.durability().want_now(0);
    wait_for("a sync", || syncs.load(Ordering::Relaxed) > 0);
    let begun = Instant::now();
    let mut times = Vec::new();
    for (seq, slot) in (1..).zip(&all[1..]) {
        let started = Instant::now();
        append_slot(&mut writer, seq, slot).unwrap();
        times.push(started.elapsed());
        // Spread over nine tenths of the stall, so that it is under way all the while.
        let due = stall * 9 / 10 * seq as u32 / slots as u32;
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
    }
    let durable = writer.durable().next_seq();
    over.store(true, Ordering::Release);
    let stats = writer.close().unwrap();
    assert!(read(&dir).unwrap() == (all, End::Sealed), "nothing is dropped");
    times.sort_unstable();
    (times, stats, durable)
}

#[test]
fn a_sync_that_takes_long_never_makes_the_writer_wait_below_the_backlog() {
    let (ms, _) = campaign("GRANDMODEL_SLOW_MS", 1_000);
    let slots = 4_000;
    let (quick, ..) = write(Duration::ZERO, slots, 32);
    let (slow, stats, durable) = write(Duration::from_millis(ms), slots, 32);
    let at = |times: &[Duration], per_mille: usize| times[(times.len() - 1) * per_mille / 1_000];
    println!(
        "a sync of {ms} ms: an append p50 {:?} (quick disk {:?}), p99 {:?} ({:?}), p99.9 {:?} ({:?}), \
         longest {:?} ({:?}), {} waits for a segment, durable {durable} of {slots}",
        at(&slow, 500),
        at(&quick, 500),
        at(&slow, 990),
        at(&quick, 990),
        at(&slow, 999),
        at(&quick, 999),
        at(&slow, 1_000),
        at(&quick, 1_000),
        stats.segment_waits,
    );
    assert!(durable <= 1, "the sync was under way all the while");
    assert_eq!(stats.segment_waits, 0);
    // Other work of the host can take a while; a wait for the disk would take the whole stall.
    assert!(at(&slow, 1_000) < Duration::from_millis(ms / 2), "{:?}", at(&slow, 1_000));
}

/// The canary: with next to no backlog the wait is there, and is seen.
#[test]
fn a_writer_that_waits_for_the_disk_is_noticed() {
    let (slow, stats, _) = write(Duration::from_millis(300), 4_000, 1);
    assert!(stats.segment_waits > 0);
    assert!(*slow.last().unwrap() > Duration::from_millis(20), "{:?}", slow.last());
}
