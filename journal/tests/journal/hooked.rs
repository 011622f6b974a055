//! A disk whose calls meet a test's hook first.

use journal::store::{Store, StoreFile, View};
use journal::{Disk, JournalError, Lock, Map, Region, SyncBackend};
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

type Hook = dyn Fn(&'static str) -> io::Result<()> + Send + Sync;

/// Real files; `hook` is called with the name of each call that may block or fail, before it is made.
#[derive(Clone)]
pub struct Hooked {
    disk: Arc<Disk>,
    hook: Arc<Hook>,
}

impl Hooked {
    pub fn new(hook: impl Fn(&'static str) -> io::Result<()> + Send + Sync + 'static) -> Arc<Self> {
        let disk = Arc::new(Disk::new(SyncBackend::Msync).unwrap());
        Arc::new(Self { disk, hook: Arc::new(hook) })
    }

    fn file(&self, file: io::Result<Arc<dyn StoreFile>>) -> io::Result<Arc<dyn StoreFile>> {
        Ok(Arc::new(HookedFile { file: file?, hook: self.hook.clone() }))
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
        self.disk.lock(dir)
    }

    fn lock_held(&self, dir: &Path) -> Option<JournalError> {
        self.disk.lock_held(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn StoreFile>> {
        self.file(self.disk.create(path))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn StoreFile>> {
        self.file(self.disk.open(path))
    }

    fn view(&self, path: &Path) -> io::Result<View> {
        self.disk.view(path)
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
        self.file.map(bytes)
    }
}
