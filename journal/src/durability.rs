//! What the journal's threads tell one another, and the engine: how far the disk is, who waits for it,
//! and whether it failed.
//!
//! ```text
//!  writer ── position, watermark ──▶ syncer ── durable, failure ──▶ gateway, egress, sequencer
//!                                      ▲
//!  gateway, egress ────── wanted ──────┘
//! ```

use crate::Watermark;
use crate::error::JournalError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use sync::Line;

/// A handle on the disk's side of a journal; cheap to clone, for any thread. Nothing here waits.
#[derive(Clone, Debug)]
pub struct Durability(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    journaled: Arc<Watermark>,
    durable: Arc<Watermark>,
    /// Every slot below it waits for `durable`.
    wanted: AtomicU64,
    /// Where the writer is: segment in the upper half, offset / 64 in the lower.
    position: Line<AtomicU64>,
    failed: AtomicBool,
    failure: OnceLock<JournalError>,
    /// Free bytes of the disk when last looked at, and how few are too few.
    free: AtomicU64,
    floor: u64,
    /// The syncer, once it runs.
    syncer: OnceLock<Thread>,
}

/// Where the writer was: everything below `journaled` lies before `offset` of `segment`, or in segments before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) journaled: u64,
    pub(crate) segment: u32,
    pub(crate) offset: u64,
}

impl Durability {
    pub(crate) fn new(next_seq: u64, floor: u64) -> Self {
        Self(Arc::new(Shared {
            journaled: Arc::new(Watermark::new(next_seq)),
            durable: Arc::new(Watermark::new(next_seq)),
            wanted: AtomicU64::new(0),
            position: Line(AtomicU64::new(0)),
            failed: AtomicBool::new(false),
            failure: OnceLock::new(),
            free: AtomicU64::new(u64::MAX),
            floor,
            syncer: OnceLock::new(),
        }))
    }

    /// The watermark that survives `kill -9`.
    pub fn journaled(&self) -> &Arc<Watermark> {
        &self.0.journaled
    }

    /// The watermark that survives a power cut: sequences below it are on the disk, and the superblock
    /// says so.
    pub fn durable(&self) -> &Arc<Watermark> {
        &self.0.durable
    }

    /// Says that something waits for the slot of this sequence. No system call: the syncer looks once a
    /// millisecond. Fit for the spine.
    #[inline]
    pub fn want(&self, seq: u64) {
        // Relaxed: the syncer needs the number only; what it syncs it learns from the watermark.
        self.0.wanted.fetch_max(seq + 1, Ordering::Relaxed);
    }

    /// As [`Durability::want`], and wakes the syncer: a system call of about a microsecond if it sleeps.
    pub fn want_now(&self, seq: u64) {
        self.want(seq);
        self.wake();
    }

    pub(crate) fn wake(&self) {
        if let Some(syncer) = self.0.syncer.get() {
            syncer.unpark();
        }
    }

    /// True once a sync has failed: `durable` never moves again and only a new run clears it.
    #[inline]
    pub fn has_failed(&self) -> bool {
        self.0.failed.load(Ordering::Acquire)
    }

    /// The first sync that failed.
    pub fn failure(&self) -> Option<JournalError> {
        self.0.failure.get().cloned()
    }

    /// Free bytes of the journal's disk when a helper last looked (each second, and at each new
    /// segment); [`u64::MAX`] before the first look.
    pub fn free_bytes(&self) -> u64 {
        self.0.free.load(Ordering::Relaxed)
    }

    /// True while less is free than [`Options::free_floor_bytes`](crate::Options::free_floor_bytes): the
    /// engine lets no new order out, so that the run can end by itself before the disk is full.
    pub fn is_below_floor(&self) -> bool {
        self.free_bytes() < self.0.floor
    }

    /// The writer's: it has come to here. Release, so that who sees a position in a segment also sees
    /// the message that brought that segment.
    #[inline]
    pub(crate) fn publish(&self, segment: u32, offset: usize, next_seq: u64) {
        let position = u64::from(segment) << 32 | (offset >> 6) as u64;
        self.0.position.0.store(position, Ordering::Release);
        self.0.journaled.store(next_seq);
    }

    /// The syncer's: the watermark, and a position at or behind it: stored before, loaded after.
    pub(crate) fn published(&self) -> Place {
        let journaled = self.0.journaled.next_seq();
        let position = self.0.position.0.load(Ordering::Acquire);
        let (segment, offset) = ((position >> 32) as u32, (position & 0xFFFF_FFFF) << 6);
        Place { journaled, segment, offset }
    }

    pub(crate) fn wanted(&self) -> u64 {
        self.0.wanted.load(Ordering::Relaxed)
    }

    /// The first failure stays.
    pub(crate) fn fail(&self, error: JournalError) {
        let _ = self.0.failure.set(error);
        self.0.failed.store(true, Ordering::Release);
    }

    pub(crate) fn set_free(&self, bytes: u64) {
        self.0.free.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn set_syncer(&self, thread: Thread) {
        let _ = self.0.syncer.set(thread);
    }
}
