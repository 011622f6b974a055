//! A simulated disk: memory that loses, reorders and tears what was not synced, at a simulated power cut.
//!
//! ```text
//!   write_at, stores into maps ─▶ cache ─ sync ─▶ disk
//!                                   │
//!   power cut:  any subset of the pages that differ, each whole or torn at 512-byte sectors;
//!               any subset of the files made or deleted since `sync_dir`, and of the mode changes
//! ```
//!
//! Every call that touches the disk is numbered, so that a test can cut the power, or fail a call, at each
//! one in turn. It stands for one machine with one thread: use it in line.

use crate::buffer::Buffer;
use crate::error::JournalError;
use crate::header::PAGE;
use crate::lock::Lock;
use crate::map::{Map, Region};
use crate::store::{Bytes, OPEN_MODE, SEALED_MODE, Store, StoreFile, View};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The atomic unit of a disk.
pub const SECTOR: usize = 512;

/// A simulated disk; clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Sim(Arc<Mutex<State>>);

/// What a numbered call is to do instead of its work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The power goes: this call and all later ones fail, and the cache is as it was.
    Cut,
    /// It fails, once. A sync that fails leaves its pages clean, as Linux does.
    Fail(ErrorKind),
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<PathBuf, SimFile>,
    /// Deleted since the directory was synced.
    deleted: BTreeMap<PathBuf, SimFile>,
    calls: u64,
    fault: Option<(u64, Fault)>,
    /// The name of the call that met the fault.
    met: Option<&'static str>,
    /// The files as they were when the power went.
    frozen: Option<Frozen>,
    /// Syncs of ranges do nothing and say that they did: a canary.
    lies: bool,
}

type Frozen = (BTreeMap<PathBuf, SimFile>, BTreeMap<PathBuf, SimFile>);

#[derive(Clone, Debug)]
struct SimFile {
    cache: Cache,
    disk: Arc<Buffer>,
    mode: u32,
    disk_mode: u32,
    /// Its name is on the disk.
    linked: bool,
    /// Pages that a failed sync left clean, as they were then.
    lost: BTreeMap<usize, Vec<u8>>,
}

#[derive(Clone, Debug)]
enum Cache {
    Held(Arc<Buffer>),
    Mapped(Arc<Region>, usize),
}

impl Cache {
    fn bytes(&self) -> Arc<Buffer> {
        match self {
            Self::Held(bytes) => bytes.clone(),
            Self::Mapped(region, len) => {
                let mut bytes = Buffer::of(&[], *len);
                region.copy_out(0, &mut bytes);
                Arc::new(bytes)
            }
        }
    }
}

/// One thing that a power cut may or may not have brought to the disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Pending {
    /// A page of a file.
    Page(PathBuf, usize),
    /// A file's length.
    Length(PathBuf),
    /// A file's permissions.
    Mode(PathBuf),
    /// A new file's name.
    Link(PathBuf),
    /// A file's deletion.
    Unlink(PathBuf),
}

/// How much of a pending page came to the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Came {
    /// Nothing of it.
    No,
    /// All of it.
    Whole,
    /// Only the sectors of this mask, if it is a page.
    Torn(u8),
}

fn no_file() -> io::Error {
    io::Error::from(ErrorKind::NotFound)
}

impl Sim {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbered calls so far.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// From now on this call (counted from 1 over the disk's life) meets the fault.
    pub fn set_fault(&self, call: u64, fault: Fault) {
        self.state().fault = Some((call, fault));
    }

    /// The name of the call that met the fault, once one has.
    pub fn met(&self) -> Option<&'static str> {
        self.state().met
    }

    /// Syncs of ranges say that they worked and do nothing, as a disk that lies about a flush.
    pub fn lie(&self) {
        self.state().lies = true;
    }

    /// A numbered call that does nothing: a place where a test wants a cut between two stores.
    pub fn step(&self) {
        let _ = self.state().call("step");
    }

    /// All that a power cut now (or then, if it was cut) might or might not have brought to the disk.
    pub fn pending(&self) -> Vec<Pending> {
        let state = self.state();
        let (files, deleted) = state.at_cut();
        let mut pending = Vec::new();
        for (path, file) in &files {
            if !file.linked {
                pending.push(Pending::Link(path.clone()));
            }
            let cache = file.cache.bytes();
            if cache.len() != file.disk.len() {
                pending.push(Pending::Length(path.clone()));
            }
            if file.mode != file.disk_mode {
                pending.push(Pending::Mode(path.clone()));
            }
            let pages = file.dirty_pages(&cache, 0..cache.len());
            pending.extend(pages.into_iter().map(|page| Pending::Page(path.clone(), page)));
        }
        pending.extend(deleted.keys().map(|path| Pending::Unlink(path.clone())));
        pending
    }

    /// The disk after a cut that brought just these of `pending` to it; every other one is lost.
    #[must_use]
    pub fn after_cut(&self, came: &[(Pending, Came)]) -> Self {
        let state = self.state();
        let (files, deleted) = state.at_cut();
        let is = |wanted: &Pending| {
            came.iter().find(|(pending, _)| pending == wanted).map_or(Came::No, |(_, came)| *came)
        };
        let mut left = BTreeMap::new();
        for (path, file) in deleted {
            if is(&Pending::Unlink(path.clone())) == Came::No {
                left.insert(path, SimFile::settled(file.disk.clone(), file.disk_mode));
            }
        }
        for (path, file) in files {
            if !file.linked && is(&Pending::Link(path.clone())) == Came::No {
                continue;
            }
            let cache = file.cache.bytes();
            let mut disk = file.disk.clone();
            if cache.len() != disk.len() && is(&Pending::Length(path.clone())) != Came::No {
                disk = Arc::new(Buffer::of(&disk, cache.len()));
            }
            for (pending, came) in came {
                let Pending::Page(of, page) = pending else { continue };
                if *of == path && page * PAGE < disk.len() {
                    bring(Arc::<Buffer>::make_mut(&mut disk), &cache, *page, *came);
                }
            }
            let moded = is(&Pending::Mode(path.clone())) != Came::No;
            let mode = if moded { file.mode } else { file.disk_mode };
            left.insert(path, SimFile::settled(disk, mode));
        }
        Self(Arc::new(Mutex::new(State { files: left, ..State::default() })))
    }

    /// Changes bytes of a file on the disk and in the cache, as rot would.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn rot(&self, path: &Path, change: impl FnOnce(&mut [u8])) {
        let mut state = self.state();
        let file = state.files.get_mut(path).expect("a file to damage");
        let mut bytes = file.cache.bytes();
        // Nobody else holds them then, so nothing is copied.
        (file.disk, file.cache) = (Arc::default(), Cache::Held(Arc::default()));
        change(Arc::<Buffer>::make_mut(&mut bytes));
        file.disk = bytes.clone();
        file.cache = Cache::Held(bytes);
    }
}

/// Copies a page, or its sectors of a mask.
fn bring(disk: &mut [u8], cache: &[u8], page: usize, came: Came) {
    let mask = match came {
        Came::No => return,
        Came::Whole => u8::MAX,
        Came::Torn(mask) => mask,
    };
    for sector in 0..PAGE / SECTOR {
        let from = page * PAGE + sector * SECTOR;
        let to = (from + SECTOR).min(disk.len()).min(cache.len());
        if mask & 1 << sector != 0 && from < to {
            disk[from..to].copy_from_slice(&cache[from..to]);
        }
    }
}

impl State {
    fn call(&mut self, name: &'static str) -> io::Result<()> {
        if self.frozen.is_some() {
            return Err(io::Error::other("the power is gone"));
        }
        self.calls += 1;
        match self.fault {
            Some((call, fault)) if call == self.calls => {
                self.met = Some(name);
                match fault {
                    Fault::Fail(kind) => Err(io::Error::from(kind)),
                    Fault::Cut => {
                        self.frozen = Some(self.at_cut());
                        Err(io::Error::other("the power is gone"))
                    }
                }
            }
            _ => Ok(()),
        }
    }

    fn at_cut(&self) -> Frozen {
        let still = |files: &BTreeMap<PathBuf, SimFile>| {
            let still =
                |file: &SimFile| SimFile { cache: Cache::Held(file.cache.bytes()), ..file.clone() };
            files.iter().map(|(path, file)| (path.clone(), still(file))).collect()
        };
        self.frozen.clone().unwrap_or_else(|| (still(&self.files), still(&self.deleted)))
    }

    fn file(&mut self, path: &Path) -> io::Result<&mut SimFile> {
        self.files.get_mut(path).ok_or_else(no_file)
    }
}

impl SimFile {
    fn new() -> Self {
        Self {
            cache: Cache::Held(Arc::default()),
            disk: Arc::default(),
            mode: OPEN_MODE,
            disk_mode: OPEN_MODE,
            linked: false,
            lost: BTreeMap::new(),
        }
    }

    fn settled(disk: Arc<Buffer>, mode: u32) -> Self {
        let cache = Cache::Held(disk.clone());
        Self { cache, disk, mode, disk_mode: mode, linked: true, lost: BTreeMap::new() }
    }

    /// Pages of a range that differ from the disk's, zeros being what it has behind its end.
    fn dirty_pages(&self, cache: &[u8], range: Range<usize>) -> Vec<usize> {
        if std::ptr::eq(cache.as_ptr(), self.disk.as_ptr()) {
            return Vec::new();
        }
        let zeros = [0; PAGE];
        let pages = range.start / PAGE..range.end.div_ceil(PAGE).min(cache.len().div_ceil(PAGE));
        pages
            .filter(|page| {
                let at = page * PAGE;
                let now = &cache[at..cache.len().min(at + PAGE)];
                let before = self.disk.get(at..self.disk.len().min(at + PAGE)).unwrap_or(&[]);
                let clean = self.lost.get(page).is_some_and(|then| then == now);
                let known = before.len().min(now.len());
                let rest = &now[known..];
                let same = before[..known] == now[..known] && *rest == zeros[..rest.len()];
                !same && !clean
            })
            .collect()
    }

    /// Brings a range to the disk, but pages that an earlier failure left clean.
    fn sync(&mut self, range: Range<usize>) {
        let cache = self.cache.bytes();
        let pages = self.dirty_pages(&cache, range);
        if cache.len() != self.disk.len() {
            self.disk = Arc::new(Buffer::of(&self.disk, cache.len()));
        }
        for page in pages {
            bring(Arc::<Buffer>::make_mut(&mut self.disk), &cache, page, Came::Whole);
            self.lost.remove(&page);
        }
    }

    /// A sync that failed: the kernel calls the pages clean.
    fn fail(&mut self, range: Range<usize>) {
        let cache = self.cache.bytes();
        for page in self.dirty_pages(&cache, range) {
            let at = page * PAGE;
            self.lost.insert(page, cache[at..cache.len().min(at + PAGE)].to_vec());
        }
    }
}

#[derive(Debug)]
struct Handle {
    sim: Sim,
    path: PathBuf,
}

impl Handle {
    fn change(
        &self,
        name: &'static str,
        change: impl FnOnce(&mut SimFile),
        fail: impl FnOnce(&mut SimFile),
    ) -> io::Result<()> {
        let mut state = self.sim.state();
        match state.call(name) {
            Ok(()) => state.file(&self.path).map(change),
            Err(error) => {
                if state.frozen.is_none() {
                    state.file(&self.path).map(fail)?;
                }
                Err(error)
            }
        }
    }
}

impl StoreFile for Handle {
    fn reserve(&self, bytes: u64) -> io::Result<()> {
        let grow = |file: &mut SimFile| {
            file.cache = Cache::Held(Arc::new(Buffer::of(&file.cache.bytes(), bytes as usize)));
        };
        self.change("reserve", grow, |_| ())
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let at = at as usize;
        let write = |file: &mut SimFile| {
            // Written again is dirty again.
            for page in at / PAGE..(at + bytes.len()).div_ceil(PAGE) {
                file.lost.remove(&page);
            }
            match &mut file.cache {
                Cache::Mapped(region, _) => region.copy_in(at, bytes),
                Cache::Held(data) => {
                    let data = Arc::make_mut(data);
                    if data.len() < at + bytes.len() {
                        *data = Buffer::of(data, at + bytes.len());
                    }
                    data[at..at + bytes.len()].copy_from_slice(bytes);
                }
            }
        };
        self.change("write", write, |_| ())
    }

    fn sync(&self) -> io::Result<()> {
        self.change(
            "sync",
            |file| {
                file.sync(0..usize::MAX - PAGE);
                file.disk_mode = file.mode;
            },
            |file| file.fail(0..usize::MAX - PAGE),
        )
    }

    fn sync_data(&self) -> io::Result<()> {
        let all = 0..usize::MAX - PAGE;
        self.change("sync_data", |file| file.sync(all.clone()), |file| file.fail(all.clone()))
    }

    fn sync_range(&self, _: &Region, range: Range<u64>) -> io::Result<()> {
        let lies = self.sim.state().lies;
        let range = range.start as usize..range.end as usize;
        let sync = |file: &mut SimFile| {
            if !lies {
                file.sync(range.clone());
            }
        };
        self.change("sync_range", sync, |file| file.fail(range.clone()))
    }

    fn set_read_only(&self) -> io::Result<()> {
        self.change("set_read_only", |file| file.mode = SEALED_MODE, |_| ())
    }

    fn map(&self, bytes: usize) -> io::Result<Map> {
        let mut state = self.sim.state();
        state.call("map")?;
        let file = state.file(&self.path)?;
        let map = Map::heap(&file.cache.bytes()[..bytes]);
        file.cache = Cache::Mapped(map.region().clone(), bytes);
        Ok(map)
    }
}

impl Store for Sim {
    fn make_dir(&self, dir: &Path) -> Result<(), JournalError> {
        self.state().call("make_dir").map_err(JournalError::io("create", dir))
    }

    fn lock(&self, dir: &Path) -> Result<Lock, JournalError> {
        self.state().call("lock").map_err(JournalError::io("lock", dir))?;
        Ok(Lock::simulated(dir))
    }

    fn lock_held(&self, _: &Path) -> Option<JournalError> {
        None
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn StoreFile>> {
        let mut state = self.state();
        state.call("create")?;
        if state.files.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        state.deleted.remove(path);
        state.files.insert(path.to_owned(), SimFile::new());
        Ok(Arc::new(Handle { sim: self.clone(), path: path.to_owned() }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn StoreFile>> {
        let mut state = self.state();
        state.call("open")?;
        state.file(path)?;
        Ok(Arc::new(Handle { sim: self.clone(), path: path.to_owned() }))
    }

    fn view(&self, path: &Path) -> io::Result<View> {
        let mut state = self.state();
        state.call("view")?;
        let file = state.file(path)?;
        let bytes = Bytes::Held(file.cache.bytes());
        Ok(View { bytes, is_file: true, mode: file.mode, modified_ns: 0 })
    }

    fn head(&self, path: &Path, most: usize) -> io::Result<Option<Vec<u8>>> {
        let bytes = self.view(path)?.bytes;
        Ok(Some(bytes[..bytes.len().min(most)].to_vec()))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.call("list")?;
        let name = |path: &PathBuf| {
            let here = path.parent() == Some(dir);
            path.file_name().filter(|_| here).map(|name| name.to_string_lossy().into_owned())
        };
        Ok(state.files.keys().filter_map(name).collect())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.call("remove")?;
        let mut file = state.files.remove(path).ok_or_else(no_file)?;
        file.cache = Cache::Held(file.cache.bytes());
        if file.linked {
            state.deleted.insert(path.to_owned(), file);
        }
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.call("sync_dir")?;
        state.deleted.clear();
        state.files.values_mut().for_each(|file| file.linked = true);
        Ok(())
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}
