//! A disk whose calls meet a test's hook first, or that has a fault which a campaign must notice.
#![allow(dead_code)] // Two test binaries share it.

use journal::store::{Store, StoreFile, View};
use journal::{Disk, JournalError, Lock, Map, Region, SyncBackend};
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Hook = dyn Fn(&'static str) -> io::Result<()> + Send + Sync;

/// A fault of the store that a campaign must notice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Defect {
    None,
    /// The lock excludes nobody: each writer takes one of its own.
    NoLock,
    /// A mapped segment has no blocks on the disk, as where nobody had reserved them.
    NoBlocks,
}

/// Real files; `hook` is called with the name of each call that may block or fail, before it is made.
#[derive(Clone)]
pub struct Hooked {
    disk: Arc<Disk>,
    hook: Arc<Hook>,
    defect: Defect,
}

impl Hooked {
    pub fn new(hook: impl Fn(&'static str) -> io::Result<()> + Send + Sync + 'static) -> Arc<Self> {
        let disk = Arc::new(Disk::new(SyncBackend::Msync).unwrap());
        Arc::new(Self { disk, hook: Arc::new(hook), defect: Defect::None })
    }

    pub fn with(defect: Defect) -> Arc<Self> {
        let disk = Arc::new(Disk::new(SyncBackend::Msync).unwrap());
        Arc::new(Self { disk, hook: Arc::new(|_| Ok(())), defect })
    }

    fn file(
        &self,
        file: io::Result<Arc<dyn StoreFile>>,
        path: &Path,
    ) -> io::Result<Arc<dyn StoreFile>> {
        let path = (self.defect == Defect::NoBlocks).then(|| path.to_owned());
        Ok(Arc::new(HookedFile { file: file?, hook: self.hook.clone(), stretched: path }))
    }
}

impl fmt::Debug for Hooked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooked")
    }
}

impl Store for Hooked {
    fn make_dir(&self, dir: &Path) -> Result<(), JournalError> {
        self.disk.make_dir(dir)
    }

    fn lock(&self, dir: &Path) -> Result<Lock, JournalError> {
        if self.defect != Defect::NoLock {
            return self.disk.lock(dir);
        }
        // Held by the open file, wherever that lay.
        let elsewhere = tempfile::tempdir().unwrap();
        self.disk.lock(elsewhere.path())
    }

    fn lock_held(&self, dir: &Path) -> Option<JournalError> {
        self.disk.lock_held(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn StoreFile>> {
        self.file(self.disk.create(path), path)
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn StoreFile>> {
        self.file(self.disk.open(path), path)
    }

    fn view(&self, path: &Path) -> io::Result<View> {
        (self.hook)("view")?;
        self.disk.view(path)
    }

    fn head(&self, path: &Path, most: usize) -> io::Result<Option<Vec<u8>>> {
        self.disk.head(path, most)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        self.disk.free_bytes(dir)
    }
}

struct HookedFile {
    file: Arc<dyn StoreFile>,
    hook: Arc<Hook>,
    /// Where its blocks are given back once it is mapped.
    stretched: Option<PathBuf>,
}

impl fmt::Debug for HookedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

impl StoreFile for HookedFile {
    fn reserve(&self, bytes: u64) -> io::Result<()> {
        self.file.reserve(bytes)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.file.write_at(bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        (self.hook)("sync")?;
        self.file.sync()
    }

    fn sync_data(&self) -> io::Result<()> {
        (self.hook)("sync_data")?;
        self.file.sync_data()
    }

    fn sync_range(&self, region: &Region, range: Range<u64>) -> io::Result<()> {
        (self.hook)("sync_range")?;
        self.file.sync_range(region, range)
    }

    fn set_read_only(&self) -> io::Result<()> {
        self.file.set_read_only()
    }

    fn map(&self, bytes: usize) -> io::Result<Map> {
        let map = self.file.map(bytes)?;
        if let Some(path) = &self.stretched {
            let file = File::options().write(true).open(path)?;
            file.set_len(0)?;
            file.set_len(bytes as u64)?;
        }
        Ok(map)
    }
}
