//! The store on real files.

use crate::error::JournalError;
use crate::lock::Lock;
use crate::map::{self, Map, Region};
use crate::options::SyncBackend;
use crate::store::{Bytes, OPEN_MODE, SEALED_MODE, Store, StoreFile, View};
use crate::uring::Uring;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Files of a local file system.
#[derive(Debug, Default)]
pub struct Disk {
    /// Only the syncer takes it, so it is never contended.
    ring: Option<Arc<Mutex<Uring>>>,
}

impl Disk {
    /// With the sync backend that the options name.
    ///
    /// # Errors
    /// The kernel gives no `io_uring`.
    pub fn new(backend: SyncBackend) -> io::Result<Self> {
        let ring = match backend {
            SyncBackend::IoUring => Some(Arc::new(Mutex::new(Uring::new()?))),
            SyncBackend::Msync | SyncBackend::Off => None,
        };
        Ok(Self { ring })
    }

    fn file(&self, file: File) -> Arc<dyn StoreFile> {
        Arc::new(DiskFile { file, ring: self.ring.clone() })
    }
}

impl Store for Disk {
    fn make_dir(&self, dir: &Path) -> Result<(), JournalError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(JournalError::io("create", dir))?;
        let name = map::refused_file_system(dir);
        match name.map_err(JournalError::io("look up the disk of", dir))? {
            Some(name) => Err(JournalError::FileSystem { dir: dir.to_owned(), name }),
            None => Ok(()),
        }
    }

    fn lock(&self, dir: &Path) -> Result<Lock, JournalError> {
        Lock::take(dir)
    }

    fn lock_held(&self, dir: &Path) -> Option<JournalError> {
        Lock::held(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn StoreFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(OPEN_MODE);
        options.open(path).map(|file| self.file(file))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn StoreFile>> {
        OpenOptions::new().read(true).write(true).open(path).map(|file| self.file(file))
    }

    fn view(&self, path: &Path) -> io::Result<View> {
        let metadata = std::fs::metadata(path)?;
        let is_file = metadata.is_file();
        // Not opened otherwise: a pipe would block.
        let bytes = if is_file {
            Bytes::Mapped(map::map_readable(&File::open(path)?)?)
        } else {
            Bytes::Held(Arc::default())
        };
        let mode = metadata.permissions().mode() & 0o777;
        let modified_ns = metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec();
        Ok(View { bytes, is_file, mode, modified_ns })
    }

    fn head(&self, path: &Path, most: usize) -> io::Result<Option<Vec<u8>>> {
        // Not opened otherwise: a pipe would block.
        if !std::fs::metadata(path)?.is_file() {
            return Ok(None);
        }
        let mut bytes = Vec::with_capacity(most);
        File::open(path)?.take(most as u64).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?.collect::<Result<Vec<_>, _>>()?,
        };
        // Names of ours are ASCII; another is nobody's.
        Ok(entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        map::free_bytes(dir)
    }
}

#[derive(Debug)]
struct DiskFile {
    file: File,
    ring: Option<Arc<Mutex<Uring>>>,
}

impl StoreFile for DiskFile {
    fn reserve(&self, bytes: u64) -> io::Result<()> {
        map::reserve(&self.file, bytes)?;
        // It only ever lengthens a file.
        if self.file.metadata()?.len() > bytes { self.file.set_len(bytes) } else { Ok(()) }
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn sync_range(&self, region: &Region, range: Range<u64>) -> io::Result<()> {
        match &self.ring {
            None => region.sync(range.start as usize..range.end as usize),
            Some(ring) => {
                let mut ring =
                    ring.lock().map_err(|_| io::Error::other("the ring's thread died"))?;
                ring.sync_range(&self.file, range)
            }
        }
    }

    fn set_read_only(&self) -> io::Result<()> {
        self.file.set_permissions(Permissions::from_mode(SEALED_MODE))
    }

    fn map(&self, bytes: usize) -> io::Result<Map> {
        map::map_segment(&self.file, bytes)
    }
}
