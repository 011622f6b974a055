//! `gm-sync`: brings the journal to the disk behind the writer, and says how far it is.
//!
//! ```text
//!  segment   ┌──────────────────┬───────────────────────┬──────────────┬─────────────┬────────┐
//!            │ synced           │ a run: synced as soon │ active: last │ populated   │        │
//!            │                  │ as it is 1 MiB long   │ 256 KiB      │ window 4 MiB│        │
//!            └──────────────────┴───────────────────────┴──────────────┴─────────────┴────────┘
//!                                                                      ▲ the writer
//!  durable:  data synced ─▶ superblock written, synced ─▶ watermark
//! ```
//!
//! While data flows the active pages are left alone: a page that was synced is write-protected, and the
//! writer's next store into it faults (3.9 µs against 35 ns). Once an order waits, or the interval has
//! passed, everything journaled is synced. A segment that was rolled is synced to its end and called durable at
//! once. Ranges only, never a whole mapped file in use.
//!
//! The first error is final. The kernel has then marked pages clean that the disk does not have, so a
//! second try could succeed for lost records: `durable` stays where it is, and nothing is sealed.

use crate::durability::{Durability, Place};
use crate::error::JournalError;
use crate::header::PAGE;
use crate::helpers::{ABANDON, CLOSE, Roll, SharedSuperblock, Stop};
use crate::maker::Segment;
use crate::map::Region;
use crate::seal::Contents;
use crate::store::StoreFile;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Bytes behind the writer that are left alone while data flows.
const ACTIVE: u64 = 256 << 10;
/// A finished run this long is synced without waiting for the interval.
const RUN: u64 = 1 << 20;
/// Bytes ahead of the writer that are kept populated.
const WINDOW: u64 = 4 << 20;
/// Older pages may have been written back, and so write-protected, by the kernel (its flusher wakes every
/// 5 s).
const STALE: Duration = Duration::from_secs(5);
/// How often it looks.
const POLL: Duration = Duration::from_millis(1);

/// What the syncer holds of the segment being written.
#[derive(Debug)]
pub(crate) struct Current {
    number: u32,
    path: Arc<Path>,
    file: Arc<dyn StoreFile>,
    region: Arc<Region>,
    bytes: u64,
    populated_at: Instant,
}

impl Current {
    /// Allocates nothing: the writer makes one at each roll.
    pub(crate) fn of(segment: &Segment) -> Self {
        Self {
            number: segment.number,
            path: segment.path.clone(),
            file: segment.file.clone(),
            region: segment.map.region().clone(),
            bytes: segment.map.len() as u64,
            populated_at: segment.made_at,
        }
    }

    fn sync(&self, from: u64, to: u64) -> Result<(), JournalError> {
        let page = PAGE as u64;
        let range = from / page * page..to.next_multiple_of(page).min(self.bytes);
        if range.is_empty() {
            return Ok(());
        }
        // The writer is in the last page, or behind it: what it left it never touches again.
        let left = range.start as usize..(to / page * page) as usize;
        if !left.is_empty() {
            self.region.let_go(left);
        }
        self.file.sync_range(&self.region, range).map_err(JournalError::io("sync", &self.path))
    }
}

/// The thread's state.
#[derive(Debug)]
pub(crate) struct Syncer {
    rolls: rtrb::Consumer<Roll>,
    to_segments: rtrb::Producer<Roll>,
    /// None once the last segment was handed on.
    current: Option<Current>,
    /// Bytes of the current segment that are on the disk, and those that are populated.
    synced: u64,
    populated: u64,
    durability: Durability,
    superblock: SharedSuperblock,
    interval: Duration,
    caught_up: Instant,
    closing: bool,
}

impl Syncer {
    pub(crate) fn new(
        (rolls, to_segments): (rtrb::Consumer<Roll>, rtrb::Producer<Roll>),
        current: Current,
        durability: Durability,
        superblock: SharedSuperblock,
        interval: Duration,
    ) -> Self {
        Self {
            rolls,
            to_segments,
            synced: 0,
            populated: current.bytes,
            current: Some(current),
            durability,
            superblock,
            interval,
            caught_up: Instant::now(),
            closing: false,
        }
    }

    /// Until told to stop; `next` is the thread that takes what is handed on.
    pub(crate) fn run(mut self, stop: &Stop, next: &Thread) -> Result<(), JournalError> {
        loop {
            // Read before the queue: what was pushed before a close is seen after it.
            let how = stop.get();
            if how == ABANDON {
                return Ok(());
            }
            if how == CLOSE {
                self.finish();
            }
            if self.step(Instant::now()) {
                next.unpark();
            }
            if how == CLOSE {
                return self.durability.failure().map_or(Ok(()), Err);
            }
            std::thread::park_timeout(POLL);
        }
    }

    /// From now on everything is synced at once.
    pub(crate) fn finish(&mut self) {
        self.closing = true;
    }

    /// Hands on what was rolled, syncs what is due; true if anything was handed on.
    pub(crate) fn step(&mut self, now: Instant) -> bool {
        let (place, handed_on) = self.hand_on();
        self.catch_up(place, now, handed_on);
        handed_on
    }

    /// Syncs each segment that was rolled to its end and hands it on to be sealed. How far the journal is on the
    /// disk then, or, if that is more, where the writer was before.
    pub(crate) fn hand_on(&mut self) -> (Place, bool) {
        // Before the rolls: a segment that is published has come through the queue, or comes now.
        let mut place = self.durability.published();
        let mut handed_on = false;
        while let Ok(mut roll) = self.rolls.pop() {
            let Contents { number, end, next_seq, .. } = roll.rolled.contents;
            self.attempt(|syncer| syncer.sync_to(end as u64));
            if place.journaled < next_seq {
                place = Place { journaled: next_seq, segment: number, offset: end as u64 };
            }
            self.current = roll.next.take();
            self.synced = 0;
            self.populated = self.current.as_ref().map_or(0, |current| current.bytes);
            let pushed = self.to_segments.push(roll);
            assert!(pushed.is_ok(), "Invariant: the queue holds all rolled segments");
            handed_on = true;
        }
        (place, handed_on)
    }

    /// Syncs what is due; after a roll at once.
    pub(crate) fn catch_up(&mut self, place: Place, now: Instant, rolled: bool) {
        self.attempt(|syncer| syncer.bring(place, now, rolled));
    }

    /// Nothing is tried again once anything has failed.
    fn attempt(&mut self, work: impl FnOnce(&mut Self) -> Result<(), JournalError>) {
        if !self.durability.has_failed()
            && let Err(error) = work(self)
        {
            self.durability.fail(error);
        }
    }

    fn sync_to(&mut self, end: u64) -> Result<(), JournalError> {
        if let Some(current) = &self.current
            && self.synced < end
        {
            current.sync(self.synced, end)?;
            self.synced = end;
        }
        Ok(())
    }

    /// The writer was at `offset` of `segment` when it had journaled everything below `journaled`, or
    /// behind that place. Segments before the current one are synced to their ends.
    fn bring(&mut self, place: Place, now: Instant, rolled: bool) -> Result<(), JournalError> {
        let Place { journaled, segment, offset } = place;
        // It can have rolled since: then its segment is synced whole.
        let here = self.current.as_ref().is_some_and(|current| current.number == segment);
        // After a roll at once: a sealed segment is durable, however long the interval.
        if self.is_due(journaled, now, rolled) {
            if here {
                self.sync_to(offset)?;
                // At once: the superblock takes as long again, and the writer comes back to this page.
                self.reopen(offset);
            }
            self.caught_up = now;
            let mut block = self.superblock.lock().unwrap_or_else(PoisonError::into_inner);
            // The journal may have been closed since: what is durable never falls.
            if block.now().durable < journaled {
                block.store(|block| (block.durable, block.last_segment) = (journaled, segment))?;
                self.durability.durable().store(journaled);
            }
            drop(block);
        } else if here && offset >= self.synced + ACTIVE + RUN {
            self.sync_to((offset - ACTIVE) / PAGE as u64 * PAGE as u64)?;
        }
        if here {
            self.populate(offset, now);
        }
        Ok(())
    }

    fn is_due(&self, journaled: u64, now: Instant, rolled: bool) -> bool {
        let durable = self.durability.durable().next_seq();
        let wanted = self.durability.wanted();
        let waits = wanted > durable && wanted <= journaled;
        let late = now.saturating_duration_since(self.caught_up) >= self.interval;
        journaled > durable && (waits || late || rolled || self.closing)
    }

    /// The page that was just synced is write-protected; so that the writer does not meet that (from 270 to
    /// 330 faults a million trades at 200,000 a second to 120 to 180).
    fn reopen(&self, offset: u64) {
        if let Some(current) = &self.current {
            let page = offset as usize / PAGE * PAGE;
            // Where it cannot be done, the writer faults once.
            let _ = current.region.populate(page..(page + PAGE).min(current.bytes as usize));
        }
    }

    /// Segments come populated as a whole; that lasts until the kernel writes their zeros back. A moving
    /// window alone falls behind a fast writer: at a million trades a second 3,200 faults a million, against
    /// 50 so.
    fn populate(&mut self, offset: u64, now: Instant) {
        let Some(current) = &mut self.current else { return };
        let stale = now.saturating_duration_since(current.populated_at) >= STALE;
        let ahead = current.bytes.min(offset + WINDOW / 2);
        if !stale && self.populated >= ahead {
            return;
        }
        let start = offset / PAGE as u64 * PAGE as u64;
        let end = current.bytes.min(start + WINDOW);
        // A page that cannot be had now is faulted in by the writer, as without this.
        let _ = current.region.populate(start as usize..end as usize);
        current.populated_at = now;
        self.populated = end;
    }
}
