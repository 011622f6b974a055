//! A segment's memory, and the system calls behind it: reserve, map, sync, populate; and the file
//! system's name.
//!
//! ```text
//!             ┌───────────── Region: the mapping, alive while anybody holds it ────────────┐
//!  Map ───────┤ bytes: the one owner alone reads and writes them                           │
//!  Region ────┤ range calls: `msync` and `madvise` look at no byte, so any thread may      │
//!             └────────────────────────────────────────────────────────────────────────────┘
//! ```
#![allow(unsafe_code)] // `mmap` and libc calls: nothing safe offers them.

use memmap2::{Advice, Mmap, MmapMut, MmapOptions, MmapRaw, UncheckedAdvice};
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::ops::{Deref, DerefMut, Range};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;

/// Reserves disk blocks for the whole file, so that no later store can meet a full disk (SIGBUS).
pub(crate) fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    // SAFETY: the descriptor is open for the life of `file`; the call touches no memory of ours.
    match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, bytes as libc::off_t) } {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// A mapping, or memory that stands for one in a simulated disk. Its bytes are out of reach here.
#[derive(Debug)]
pub struct Region(Memory);

#[derive(Debug)]
enum Memory {
    Mapped(MmapRaw),
    #[cfg(feature = "sim")]
    Heap(Box<[std::cell::UnsafeCell<u8>]>),
}

// SAFETY: the bytes are reached through the one `Map` of a region, which is not `Clone`, and through
// `Region::copy_out` and `copy_in`, which serve a simulated disk that runs on its writer's own thread.
// `msync` and `madvise` read and write no byte in the sense of the language.
unsafe impl Sync for Region {}
// SAFETY: as above; nothing in it belongs to a thread.
unsafe impl Send for Region {}

impl Region {
    fn ptr(&self) -> *mut u8 {
        match &self.0 {
            Memory::Mapped(map) => map.as_mut_ptr(),
            #[cfg(feature = "sim")]
            Memory::Heap(bytes) => std::cell::UnsafeCell::raw_get(bytes.as_ptr()),
        }
    }

    fn len(&self) -> usize {
        match &self.0 {
            Memory::Mapped(map) => map.len(),
            #[cfg(feature = "sim")]
            Memory::Heap(bytes) => bytes.len(),
        }
    }

    /// `msync(MS_SYNC)` of these bytes and of the pages around them: data and what is needed to read it
    /// again, of this range only. Nothing on a heap region.
    ///
    /// # Errors
    /// The system's; after one the pages count as clean whatever the disk has, so nobody may try again.
    pub fn sync(&self, range: Range<usize>) -> io::Result<()> {
        match &self.0 {
            Memory::Mapped(map) => map.flush_range(range.start, range.len()),
            #[cfg(feature = "sim")]
            Memory::Heap(_) => Ok(()),
        }
    }

    /// Faults these pages in, writable. No byte changes.
    ///
    /// # Errors
    /// The pages cannot be had, or the kernel (before 5.14) has no `MADV_POPULATE_WRITE`.
    pub fn populate(&self, range: Range<usize>) -> io::Result<()> {
        match &self.0 {
            Memory::Mapped(map) => {
                map.advise_range(Advice::PopulateWrite, range.start, range.len())
            }
            #[cfg(feature = "sim")]
            Memory::Heap(_) => Ok(()),
        }
    }

    /// Takes these whole pages out of the process's page table at once; the page cache keeps what was
    /// stored. Without it a sync write-protects page by page, and each page costs every core that runs a
    /// thread of this process an interrupt (TLB shootdown): 30,000 a second at a million trades a second.
    pub fn let_go(&self, range: Range<usize>) {
        match &self.0 {
            // SAFETY: a shared mapping of a file: the next look at such a page finds the same bytes.
            // Where it is refused, the sync is only dearer.
            Memory::Mapped(map) => drop(unsafe {
                map.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, range.len())
            }),
            #[cfg(feature = "sim")]
            Memory::Heap(_) => {}
        }
    }

    #[cfg(feature = "sim")]
    /// Bytes of a heap region, for a simulated disk on the writer's own thread.
    ///
    /// # Panics
    /// If the region is a mapping, or shorter.
    pub(crate) fn copy_out(&self, at: usize, bytes: &mut [u8]) {
        let from = self.heap(at, bytes.len());
        // SAFETY: `heap` checked the bounds; the simulated disk runs on the thread that owns the map,
        // which lends no reference to it meanwhile.
        unsafe { std::ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), bytes.len()) };
    }

    #[cfg(feature = "sim")]
    /// The other way round.
    ///
    /// # Panics
    /// As for `copy_out`.
    pub(crate) fn copy_in(&self, at: usize, bytes: &[u8]) {
        let to = self.heap(at, bytes.len());
        // SAFETY: as in `copy_out`.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
    }

    #[cfg(feature = "sim")]
    fn heap(&self, at: usize, len: usize) -> *mut u8 {
        assert!(matches!(self.0, Memory::Heap(_)), "Invariant: only a simulated disk looks inside");
        assert!(at.checked_add(len).is_some_and(|end| end <= self.len()), "Invariant: in bounds");
        self.ptr().wrapping_add(at)
    }
}

/// The one owner of a region's bytes: a plain slice, whatever is behind it.
#[derive(Debug)]
pub struct Map {
    /// Kept beside the region, so that an append reads no enum.
    ptr: NonNull<u8>,
    len: usize,
    region: Arc<Region>,
}

// SAFETY: a `Map` owns its bytes as a `Box<[u8]>` would; the pointer is into the region it keeps alive.
unsafe impl Send for Map {}
// SAFETY: as above: `&Map` gives `&[u8]` only.
unsafe impl Sync for Map {}

impl Map {
    fn new(memory: Memory) -> Self {
        // Asked where it stays: a box that moves takes the right of pointers into it away (Miri).
        let region = Arc::new(Region(memory));
        let ptr = NonNull::new(region.ptr()).expect("Invariant: memory has an address");
        Self { ptr, len: region.len(), region }
    }

    #[cfg(feature = "sim")]
    /// Memory of a simulated disk.
    pub(crate) fn heap(bytes: &[u8]) -> Self {
        let bytes: *mut [u8] = Box::into_raw(bytes.into());
        // SAFETY: `UnsafeCell<u8>` has the layout of `u8`; the box was ours alone. (Cell by cell Miri takes
        // seconds a page.)
        let cells = unsafe { Box::from_raw(bytes as *mut [std::cell::UnsafeCell<u8>]) };
        Self::new(Memory::Heap(cells))
    }

    /// A mapping for its one writer.
    fn of(map: MmapMut) -> Self {
        Self::new(Memory::Mapped(map.into()))
    }

    /// What other threads may hold of it.
    pub fn region(&self) -> &Arc<Region> {
        &self.region
    }
}

impl Deref for Map {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: `region` keeps `len` bytes at `ptr` alive; this is their one owner, so nobody writes
        // while the slice is borrowed from it.
        unsafe { std::slice::from_raw_parts(self.ptr.as_ptr(), self.len) }
    }
}

impl DerefMut for Map {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`; the owner is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.as_ptr(), self.len) }
    }
}

/// Maps a reserved segment for its one writer and faults every page in, writable.
///
/// A touch of a page costs 3.4–9.4 µs after `fallocate`, 35 ns after this.
///
/// # Errors
/// The map or its pages cannot be had.
pub fn map_writable(file: &File, bytes: usize) -> io::Result<MmapMut> {
    // SAFETY: the file was made exclusively by this process, is 0600 in a 0700 directory under the
    // held LOCK, is never shortened, and this map is the only writable one: it moves by value between
    // the writer and the helper threads.
    let mut map = unsafe { MmapOptions::new().len(bytes).map_mut(file)? };
    map.advise(Advice::DontFork)?;
    match map.advise(Advice::PopulateWrite) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            // Before Linux 5.14. The volatile store cannot be optimised away.
            for page in map.chunks_mut(crate::header::PAGE) {
                // SAFETY: `page` is a non-empty chunk of the map, all of it zero.
                unsafe { page.as_mut_ptr().write_volatile(0) };
            }
        }
        other => other?,
    }
    Ok(map)
}

/// As [`map_writable`], as the journal holds it.
pub(crate) fn map_segment(file: &File, bytes: usize) -> io::Result<Map> {
    map_writable(file, bytes).map(Map::of)
}

/// Maps a segment for reading. Of what may be shortened only a copy is read.
pub(crate) fn map_readable(file: &File) -> io::Result<Mmap> {
    // SAFETY: a segment is never shortened once made. Its bytes may still grow while a writer is
    // alive; readers take no decision on bytes whose CRC does not match and keep no reference to
    // types with invalid values (records are plain bytes).
    unsafe { MmapOptions::new().map(file) }
}

fn path_for_c(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

/// The name of a file system on which a mapped journal cannot keep its promises: a remote one, or
/// one whose preallocation does not hold for the next write (copy on write).
pub(crate) fn refused_file_system(dir: &Path) -> io::Result<Option<&'static str>> {
    let path = path_for_c(dir)?;
    let mut found = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: `path` is a C string and `found` is large enough; both outlive the call.
    if unsafe { libc::statfs(path.as_ptr(), found.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so it filled `found`.
    let kind = unsafe { found.assume_init() }.f_type;
    Ok(match kind {
        libc::NFS_SUPER_MAGIC => Some("NFS"),
        libc::BTRFS_SUPER_MAGIC => Some("btrfs"),
        _ => None,
    })
}

/// Bytes that this user can still write on the directory's disk.
pub(crate) fn free_bytes(dir: &Path) -> io::Result<u64> {
    let path = path_for_c(dir)?;
    let mut found = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: as for `statfs` above.
    if unsafe { libc::statvfs(path.as_ptr(), found.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so it filled `found`.
    let found = unsafe { found.assume_init() };
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}
