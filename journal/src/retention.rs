//! Removes whole closed segments from the front: too old or too many, read by all, and before the newest
//! snapshot.
//!
//! ```text
//!   removed │ first_segment …… follower …… snapshot …… last_segment
//!           │ the superblock says so, both copies, before the first file goes
//! ```

use crate::durability::Durability;
use crate::error::JournalError;
use crate::follower::Position;
use crate::header::{FirstPage, PAGE, SegmentHeader, file_name};
use crate::helpers::SharedSuperblock;
use crate::reader::segment_numbers;
use crate::store::{Store, View};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

/// What may go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Segments last written this long ago or longer may go.
    pub max_age_ns: Option<i64>,
    /// While the segments take more than this, the first one may go.
    pub max_bytes: Option<u64>,
    /// Nothing of this sequence or a later one goes: that of the newest valid snapshot, 0 without one.
    pub keep_from_seq: u64,
    /// Nothing that one of these has not read goes.
    pub followers: Vec<Position>,
}

/// What went.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Removed {
    /// Segments.
    pub segments: u32,
    /// Their bytes.
    pub bytes: u64,
    /// The first segment that is left.
    pub first_segment: u32,
    /// Its first sequence.
    pub first_seq: u64,
}

/// A writer's retention, for any thread but the spine's: it waits for the disk.
#[derive(Clone, Debug)]
pub struct Retention {
    store: Arc<dyn Store>,
    dir: PathBuf,
    superblock: SharedSuperblock,
    durability: Durability,
}

struct Closed {
    number: u32,
    bytes: u64,
    modified_ns: i64,
    /// First sequence of the segment behind it.
    next_seq: u64,
}

impl Retention {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        dir: PathBuf,
        superblock: SharedSuperblock,
        durability: Durability,
    ) -> Self {
        Self { store, dir, superblock, durability }
    }

    /// Removes what may go, from the first segment on.
    ///
    /// # Errors
    /// A file could not be read or deleted, or the superblock not be written, which is final for the writer like
    /// any other sync that fails. Files that the superblock no longer counts are passed over by readers and
    /// deleted by the next run.
    pub fn apply(&self, limits: &Limits, now_ns: i64) -> Result<Removed, JournalError> {
        // Not held while files are looked at: the syncer waits for it, and a thousand segments take 20 ms.
        let lock = || self.superblock.lock().unwrap_or_else(PoisonError::into_inner);
        let now = *lock().now();
        let (first, last) = (now.first_segment, now.last_segment);
        let numbers = segment_numbers(&*self.store, &self.dir)?;
        let numbers: Vec<u32> =
            numbers.into_iter().filter(|n| (first..=last).contains(n)).collect();
        let mut total = 0;
        for number in &numbers {
            total += self.view(*number)?.bytes.len() as u64;
        }
        let mut removed =
            Removed { first_segment: first, first_seq: now.first_seq, ..Removed::default() };
        let mut gone = Vec::new();
        for pair in numbers.windows(2) {
            let Some(closed) = self.closed(pair[0], pair[1])? else { break };
            if !limits.allow(&closed, total - removed.bytes, now_ns) {
                break;
            }
            gone.push(closed.number);
            removed.segments += 1;
            removed.bytes += closed.bytes;
            (removed.first_segment, removed.first_seq) = (pair[1], closed.next_seq);
        }
        if gone.is_empty() {
            return Ok(removed);
        }
        // No superblock is written after a sync that failed, and none that fails is written again.
        if let Some(failure) = self.durability.failure() {
            return Err(failure);
        }
        let stored = lock().store_both(|block| {
            (block.first_segment, block.first_seq) = (removed.first_segment, removed.first_seq);
        });
        if let Err(failure) = stored {
            self.durability.fail(failure.clone());
            return Err(failure);
        }
        for number in gone {
            let path = self.dir.join(file_name(number));
            self.store.remove(&path).map_err(JournalError::io("delete", &path))?;
        }
        self.store.sync_dir(&self.dir).map_err(JournalError::io("sync", &self.dir))?;
        Ok(removed)
    }

    fn view(&self, number: u32) -> Result<View, JournalError> {
        let path = self.dir.join(file_name(number));
        self.store.view(&path).map_err(JournalError::io("map", &path))
    }

    /// A sealed segment, and where the one behind it begins.
    fn closed(&self, number: u32, next: u32) -> Result<Option<Closed>, JournalError> {
        let (view, behind) = (self.view(number)?, self.view(next)?);
        let page = &behind.bytes[..behind.bytes.len().min(PAGE)];
        let FirstPage::Header(header) = SegmentHeader::read(page) else { return Ok(None) };
        let closed = view.mode & 0o222 == 0 && next == number + 1 && header.segment == next;
        Ok(closed.then(|| Closed {
            number,
            bytes: view.bytes.len() as u64,
            modified_ns: view.modified_ns,
            next_seq: header.base_seq,
        }))
    }
}

impl Limits {
    fn allow(&self, closed: &Closed, total: u64, now_ns: i64) -> bool {
        let old = self.max_age_ns.is_some_and(|most| now_ns - closed.modified_ns >= most);
        let many = self.max_bytes.is_some_and(|most| total > most);
        let read = self
            .followers
            .iter()
            .all(|follower| follower.segment >= closed.number && follower.seq >= closed.next_seq);
        (old || many) && read && closed.next_seq <= self.keep_from_seq
    }
}
