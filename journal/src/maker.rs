//! Makes segments ahead of the writer.

use crate::error::JournalError;
use crate::header::{PAGE, SegmentHeader, file_name};
use crate::helpers::{ABANDON, RUN, Stop};
use crate::map::Map;
use crate::store::{Store, StoreFile};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Bytes of one write of zeros: a page, so that the page cache holds single pages. Longer writes make it
/// hold large folios, and a sync write-protects and writes whole ones, ahead of the writer too: with
/// writes of 1 MiB on ext4 (Linux 6.18) each page faulted once, 14,860 faults a million trades at
/// 200,000 a second and an append of 6.6 µs at p99; with single pages 120 to 330, and 0.09 µs.
const ZEROS: usize = PAGE;
/// What a full disk has no room for.
const WHAT: &str = "the next journal segment";

/// A mapped segment file.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) number: u32,
    /// Shared: a roll must not allocate.
    pub(crate) path: Arc<Path>,
    pub(crate) file: Arc<dyn StoreFile>,
    pub(crate) map: Map,
    /// When its pages were populated.
    pub(crate) made_at: Instant,
}

impl Segment {
    /// Takes it into use, by stores into its first, populated page: a `write` can wait for the disk (a
    /// page under write-back, a journal commit). The magic goes last, so that a process killed here
    /// leaves a spare.
    pub(crate) fn put_header(&mut self, header: &SegmentHeader) {
        let bytes = bytemuck::bytes_of(header);
        let magic = header.magic.len();
        self.map[magic..bytes.len()].copy_from_slice(&bytes[magic..]);
        // A kill shows the stores in program order, so only the compiler must be told.
        std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::Release);
        self.map[..magic].copy_from_slice(&bytes[..magic]);
    }
}

/// Makes segments, one after the other.
#[derive(Debug)]
pub(crate) struct Maker {
    store: Arc<dyn Store>,
    dir: PathBuf,
    bytes: u64,
    next: u32,
}

impl Maker {
    pub(crate) fn new(store: Arc<dyn Store>, dir: &Path, bytes: u64, next: u32) -> Self {
        Self { store, dir: dir.to_owned(), bytes, next }
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The next segment, reserved, zero-filled, synced, mapped and populated; `None` if `stop` says
    /// so meanwhile. Where it fails, no file is left.
    pub(crate) fn make(&mut self, stop: &Stop) -> Result<Option<Segment>, JournalError> {
        let path = self.dir.join(file_name(self.next));
        // A file that someone else put there is never ours to remove.
        let file = self.store.create(&path);
        let file = file.map_err(JournalError::disk("create", &path, WHAT, self.bytes))?;
        let made = self.fill(file, &path, stop);
        match &made {
            Ok(Some(_)) => self.next += 1,
            // A stop without a close leaves the half-made file, as a crash would.
            Ok(None) if stop.get() == ABANDON => {}
            Ok(None) | Err(_) => drop(self.store.remove(&path)),
        }
        made
    }

    fn fill(
        &self,
        file: Arc<dyn StoreFile>,
        path: &Path,
        stop: &Stop,
    ) -> Result<Option<Segment>, JournalError> {
        let disk = |action| JournalError::disk(action, path, WHAT, self.bytes);
        file.reserve(self.bytes).map_err(disk("reserve"))?;
        // Written, not only reserved: a reserved block costs a conversion at its first sync.
        let zeros = vec![0; ZEROS.min(self.bytes as usize)];
        for at in (0..self.bytes).step_by(zeros.len()) {
            if stop.get() != RUN {
                return Ok(None);
            }
            let len = (self.bytes - at).min(zeros.len() as u64) as usize;
            file.write_at(&zeros[..len], at).map_err(disk("zero-fill"))?;
        }
        file.sync().map_err(disk("sync"))?;
        self.store.sync_dir(&self.dir).map_err(disk("sync the directory of"))?;
        let map = file.map(self.bytes as usize).map_err(disk("map"))?;
        assert_eq!(map.len() % PAGE, 0, "Invariant: a segment is whole pages");
        let path = Arc::from(path);
        Ok(Some(Segment { number: self.next, path, file, map, made_at: Instant::now() }))
    }
}
