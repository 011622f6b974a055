//! How a journal is made and synced.

use crate::disk::Disk;
use crate::error::JournalError;
use crate::header::{self, PAGE};
use crate::store::Store;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How the journal comes to the disk behind the writer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SyncBackend {
    /// `msync` of ranges.
    #[default]
    Msync,
    /// Ranged `fdatasync` by `io_uring`.
    IoUring,
    /// Not at all, but for sealed segments: `durable` moves when the journal is closed. For journals in
    /// memory and for benches.
    Off,
}

/// How a journal is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Its directory; made, with its parents, if missing.
    pub dir: PathBuf,
    /// Length of a segment: a multiple of 4 KiB from 256 KiB to 4 GiB.
    pub segment_bytes: u64,
    /// Segments kept ready ahead of the one being written, at least 1. All of them are made before
    /// the writer starts, so a large number takes the making out of a measurement.
    pub ready_segments: usize,
    /// Full segments that a slow disk may leave unsynced before the writer has to wait, at least 1: at
    /// the default length, 2 GiB.
    pub backlog_segments: usize,
    /// Life of the directory, from 1. [`Writer::resume`](crate::Writer::resume) counts on from the superblock instead.
    pub epoch: u32,
    /// True if what is written from here on cannot be replayed together with what is there: a new chain.
    pub new_chain: bool,
    /// The time now, ns UTC: this crate reads no wall clock.
    pub created_ns: i64,
    /// How the journal is synced.
    pub sync_backend: SyncBackend,
    /// The longest that a journaled slot stays unsynced while the disk keeps up, from 1 ms.
    pub sync_interval_ms: u64,
    /// Free bytes below which [`Durability::is_below_floor`](crate::Durability::is_below_floor) says so.
    pub free_floor_bytes: u64,
}

impl Options {
    /// The defaults: segments of 64 MiB, two ready, epoch 1, synced by `msync` every 10 ms, floor 1 GiB.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            segment_bytes: header::SEGMENT_BYTES,
            ready_segments: 2,
            backlog_segments: 32,
            epoch: 1,
            new_chain: false,
            created_ns: 0,
            sync_backend: SyncBackend::default(),
            sync_interval_ms: 10,
            free_floor_bytes: 1 << 30,
        }
    }

    pub(crate) fn check(&self) -> Result<(), JournalError> {
        let (bytes, least, most) =
            (self.segment_bytes, header::SEGMENT_BYTES_MIN, header::SEGMENT_BYTES_MAX);
        let what = if !bytes.is_multiple_of(PAGE as u64) || !(least..=most).contains(&bytes) {
            format!("segment_bytes is {bytes}: a multiple of {PAGE} from {least} to {most}")
        } else if !(1..=100_000).contains(&self.ready_segments) {
            format!("ready_segments is {}: from 1 to 100000", self.ready_segments)
        } else if !(1..=100_000).contains(&self.backlog_segments) {
            format!("backlog_segments is {}: from 1 to 100000", self.backlog_segments)
        } else if !(1..=60_000).contains(&self.sync_interval_ms) {
            format!("sync_interval_ms is {}: from 1 to 60000", self.sync_interval_ms)
        } else if self.epoch == 0 {
            "epoch is 0: from 1".to_owned()
        } else {
            return Ok(());
        };
        Err(JournalError::Options { what })
    }

    /// In line there is no clock: an order that waits, a roll or a close brings a sync.
    pub(crate) fn sync_interval(&self, inline: bool) -> Option<Duration> {
        let interval =
            if inline { Duration::MAX } else { Duration::from_millis(self.sync_interval_ms) };
        (self.sync_backend != SyncBackend::Off).then_some(interval)
    }

    pub(crate) fn disk(&self) -> Result<Arc<dyn Store>, JournalError> {
        let disk = Disk::new(self.sync_backend);
        Ok(Arc::new(disk.map_err(JournalError::io("get an io_uring for", &self.dir))?))
    }
}
