//! The disk, as the journal sees it: everything that can fail goes through here.
//!
//! ```text
//!  writer ─ stores into ─▶ Map ◀─ msync, madvise ─ syncer
//!  maker, sealer, superblock, recovery, retention, readers
//!           │
//!           ▼
//!  Store / StoreFile ──▶ `disk.rs`: files, maps, msync or io_uring
//!                    └─▶ `sim.rs`: memory that loses, reorders and tears what was not synced
//! ```
//!
//! An append touches none of this: the writer owns its [`Map`], a plain slice on either side.

use crate::buffer::Buffer;
use crate::error::JournalError;
use crate::lock::Lock;
use crate::map::{Map, Region};
use memmap2::Mmap;
use std::fmt::Debug;
use std::io;
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;

/// Permissions of a segment while it can be written.
pub(crate) const OPEN_MODE: u32 = 0o600;
/// Permissions of a sealed segment. Readers take them, or any without a write bit, as a second
/// witness of the seal.
pub(crate) const SEALED_MODE: u32 = 0o444;

/// A directory's disk. Calls on one journal come from one thread at a time, but for reads, `free_bytes`
/// and the range calls of different files.
pub trait Store: Debug + Send + Sync {
    /// Makes the directory, private, and refuses a disk that cannot keep a journal's promises.
    ///
    /// # Errors
    /// [`JournalError::Io`] or [`JournalError::FileSystem`].
    fn make_dir(&self, dir: &Path) -> Result<(), JournalError>;

    /// Takes the journal's lock.
    ///
    /// # Errors
    /// [`JournalError::Locked`] or [`JournalError::Io`].
    fn lock(&self, dir: &Path) -> Result<Lock, JournalError>;

    /// The refusal, if a writer holds the lock. Changes nothing.
    fn lock_held(&self, dir: &Path) -> Option<JournalError>;

    /// A new file, mode 0600.
    ///
    /// # Errors
    /// The system's; one of that name exists.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn StoreFile>>;

    /// A file that is there, for reading and writing.
    ///
    /// # Errors
    /// The system's.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn StoreFile>>;

    /// A file's bytes, to be read.
    ///
    /// # Errors
    /// The system's.
    fn view(&self, path: &Path) -> io::Result<View>;

    /// At most the first `most` bytes of a file, copied: of one that may be shortened while it is read, as the
    /// superblock by a recovery. `None` if it is no file.
    ///
    /// # Errors
    /// The system's.
    fn head(&self, path: &Path, most: usize) -> io::Result<Option<Vec<u8>>>;

    /// The names in a directory; none if it does not exist.
    ///
    /// # Errors
    /// The system's.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Deletes a file.
    ///
    /// # Errors
    /// The system's.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes what was created and deleted in a directory durable.
    ///
    /// # Errors
    /// The system's.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Bytes that can still be written.
    ///
    /// # Errors
    /// The system's.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;
}

/// An open file.
pub trait StoreFile: Debug + Send + Sync {
    /// Reserves this many bytes; the file then has that length.
    ///
    /// # Errors
    /// The system's; the disk is full.
    fn reserve(&self, bytes: u64) -> io::Result<()>;

    /// Writes all bytes at a place.
    ///
    /// # Errors
    /// The system's.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Data and metadata of the whole file. Never of a mapped file in use: it faults every populated
    /// page again.
    ///
    /// # Errors
    /// The system's.
    fn sync(&self) -> io::Result<()>;

    /// Data of a file that is never mapped: the superblock.
    ///
    /// # Errors
    /// The system's.
    fn sync_data(&self) -> io::Result<()>;

    /// Data of a range of a mapped file in use. The file's length and blocks are durable already.
    ///
    /// # Errors
    /// The system's; nobody may try again.
    fn sync_range(&self, region: &Region, range: Range<u64>) -> io::Result<()>;

    /// Takes the right to write away, for readers to see that it is sealed.
    ///
    /// # Errors
    /// The system's.
    fn set_read_only(&self) -> io::Result<()>;

    /// Maps and populates a reserved file, for its one writer.
    ///
    /// # Errors
    /// The system's.
    fn map(&self, bytes: usize) -> io::Result<Map>;
}

/// A file as a reader sees it.
#[derive(Debug)]
pub struct View {
    /// Its bytes; none if it is no regular file.
    pub bytes: Bytes,
    /// False for a directory, pipe, socket or device, which is not opened.
    pub is_file: bool,
    /// Its permission bits.
    pub mode: u32,
    /// When it was last changed, ns UTC.
    pub modified_ns: i64,
}

/// Bytes that are mapped, or simulated.
#[derive(Debug)]
pub enum Bytes {
    /// A mapping: it goes on changing while a writer is alive.
    Mapped(Mmap),
    /// A copy.
    Held(Arc<Buffer>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Held(bytes) => bytes,
        }
    }
}
