//! The helper thread: makes segments ahead of the writer and seals those behind it.
//!
//! ```text
//!              ready (made, zero-filled, mapped, populated)
//!   gm-segments ──────────────────────────────────────────▶ writer
//!   gm-segments ◀────────────────────────────────────────── writer
//!              rolled (full, to be digested, sealed, unmapped)
//! ```
//!
//! A segment is always owned by one side. Both queues are wait-free; the helper parks when there is
//! nothing to do, and the writer unparks it when it rolls.

use crate::error::JournalError;
use crate::header::{PAGE, PREVIOUS_DIGEST_AT, file_name};
use crate::{copy::Crc, frame, map};
use bytemuck::Zeroable;
use memmap2::MmapMut;
use ringbuf_layout::frame::{Frame, NO_INSTRUMENT};
use ringbuf_layout::names::FOOTER_FINAL;
use ringbuf_layout::{Footer, Header};
use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;

/// Permissions of a segment while it can be written.
pub(crate) const OPEN_MODE: u32 = 0o600;
/// Permissions of a sealed segment. Readers take them, or any without a write bit, as a second
/// witness of the seal.
const SEALED_MODE: u32 = 0o444;
const ZEROS: usize = 1 << 20;

/// A mapped segment file.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) number: u32,
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) map: MmapMut,
}

/// A segment that the writer has left, with what its footer says.
#[derive(Debug)]
pub(crate) struct Rolled {
    pub(crate) segment: Segment,
    pub(crate) epoch: u32,
    /// Where the last frame ends.
    pub(crate) end: usize,
    pub(crate) frames: u64,
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    /// True if the journal is closed with it.
    pub(crate) is_final: bool,
}

/// Makes segments, one after the other.
#[derive(Debug)]
pub(crate) struct Maker {
    dir: PathBuf,
    dir_file: File,
    bytes: u64,
    next: u32,
}

/// What a full disk has no room for.
const WHAT: &str = "the next journal segment";

impl Maker {
    pub(crate) fn new(dir: &Path, bytes: u64) -> Result<Self, JournalError> {
        let dir_file = File::open(dir).map_err(JournalError::io("open", dir))?;
        Ok(Self { dir: dir.to_owned(), dir_file, bytes, next: 0 })
    }

    /// The next segment, reserved, zero-filled, synced, mapped and populated; `None` if `stop` says
    /// so meanwhile. Where it fails, no file is left.
    pub(crate) fn make(&mut self, stop: &Stop) -> Result<Option<Segment>, JournalError> {
        let path = self.dir.join(file_name(self.next));
        // A file that someone else put there is never ours to remove.
        let file = self.create(&path)?;
        let made = self.fill(file, &path, stop);
        match &made {
            Ok(Some(_)) => self.next += 1,
            // A stop without a close leaves the half-made file, as a crash would.
            Ok(None) if stop.get() == ABANDON => {}
            Ok(None) | Err(_) => drop(std::fs::remove_file(&path)),
        }
        made
    }

    fn create(&self, path: &Path) -> Result<File, JournalError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(OPEN_MODE);
        options.open(path).map_err(JournalError::disk("create", path, WHAT, self.bytes))
    }

    fn fill(&self, file: File, path: &Path, stop: &Stop) -> Result<Option<Segment>, JournalError> {
        let disk = |action| JournalError::disk(action, path, WHAT, self.bytes);
        map::reserve(&file, self.bytes).map_err(disk("reserve"))?;
        // Written, not only reserved: a reserved block costs a conversion at its first sync.
        let zeros = vec![0; ZEROS.min(self.bytes as usize)];
        for at in (0..self.bytes).step_by(zeros.len()) {
            if stop.get() != RUN {
                return Ok(None);
            }
            let len = (self.bytes - at).min(zeros.len() as u64) as usize;
            file.write_all_at(&zeros[..len], at).map_err(disk("zero-fill"))?;
        }
        file.sync_all().map_err(disk("sync"))?;
        self.dir_file.sync_all().map_err(disk("sync the directory of"))?;
        let map = map::map_writable(&file, self.bytes as usize).map_err(disk("map"))?;
        Ok(Some(Segment { number: self.next, path: path.to_owned(), file, map }))
    }
}

impl Rolled {
    /// Writes the footer, makes the file read-only, unmaps it; returns the digest.
    ///
    /// The footer goes by one `write` within a page: a killed process leaves all of it or nothing.
    pub(crate) fn seal(self, previous_digest: u64) -> Result<u64, JournalError> {
        let io = |action| JournalError::io(action, &self.segment.path);
        let file = &self.segment.file;
        file.write_all_at(&previous_digest.to_le_bytes(), PREVIOUS_DIGEST_AT)
            .map_err(io("write the header of"))?;
        let at = frame::place(self.end, size_of::<Footer>());
        let digest = xxhash_rust::xxh3::xxh3_64(&self.segment.map[..at]);
        let seed = frame::seed(self.epoch, self.segment.number);
        let mut bytes = [0; size_of::<Footer>()];
        Crc::detect().store(&mut bytes, bytemuck::bytes_of(&self.footer(at, digest)), seed, true);
        assert!(at % PAGE + bytes.len() <= PAGE, "Invariant: a footer crosses no page");
        file.write_all_at(&bytes, at as u64).map_err(io("write the footer of"))?;
        file.sync_all().map_err(io("sync"))?;
        file.set_permissions(Permissions::from_mode(SEALED_MODE)).map_err(io("make read-only"))?;
        Ok(digest)
    }

    fn footer(&self, at: usize, digest: u64) -> Footer {
        let mut footer = Footer {
            head: Header { seq: self.last_seq, ..Footer::header(0, 0) },
            frames: self.frames,
            first_seq: self.first_seq,
            last_seq: self.last_seq,
            digest,
            bytes: at as u64,
            ..Footer::zeroed()
        };
        footer.tail.instrument = NO_INSTRUMENT;
        footer.tail.flags = if self.is_final { FOOTER_FINAL } else { 0 };
        footer
    }
}

/// What the writer's side asks of the helper.
#[derive(Debug, Default)]
pub(crate) struct Stop(AtomicU8);

/// Go on.
const RUN: u8 = 0;
/// Seal what was rolled, then end.
const CLOSE: u8 = 1;
/// End at once and leave everything as it is.
const ABANDON: u8 = 2;

impl Stop {
    fn get(&self) -> u8 {
        self.0.load(Ordering::Acquire)
    }
}

/// The writer's handle: two queues and the thread, which is joined on every path.
#[derive(Debug)]
pub(crate) struct Helper {
    pub(crate) ready: rtrb::Consumer<Result<Segment, JournalError>>,
    pub(crate) rolled: rtrb::Producer<Rolled>,
    stop: Arc<Stop>,
    thread: Option<JoinHandle<Result<(), JournalError>>>,
}

impl Helper {
    /// Starts the thread, which keeps as many segments ready as `made` holds.
    pub(crate) fn start(maker: Maker, made: Vec<Segment>) -> Result<Self, JournalError> {
        // Every rolled segment was once ready, and each round makes one and seals one.
        let target = made.len();
        let (mut to_writer, ready) = rtrb::RingBuffer::new(target + 2);
        let (rolled, from_writer) = rtrb::RingBuffer::new(target + 4);
        for segment in made {
            let pushed = to_writer.push(Ok(segment));
            assert!(pushed.is_ok(), "Invariant: the queue holds all segments made ahead");
        }
        let stop = Arc::new(Stop::default());
        let dir = maker.dir.clone();
        let work = Work { maker, target, to_writer, from_writer, stop: stop.clone() };
        let thread = std::thread::Builder::new()
            .name("gm-segments".to_owned())
            .spawn(move || work.run())
            .map_err(JournalError::io("start a thread for", &dir))?;
        Ok(Self { ready, rolled, stop, thread: Some(thread) })
    }

    /// Tells the helper that there is work.
    pub(crate) fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// Lets the helper seal everything rolled so far, then deletes the spares.
    pub(crate) fn close(mut self) -> Result<(), JournalError> {
        let sealed = self.end(CLOSE);
        while let Ok(ready) = self.ready.pop() {
            // A spare that could not be made is no longer needed.
            if let Ok(Segment { path, .. }) = ready {
                std::fs::remove_file(&path).map_err(JournalError::io("delete the spare", &path))?;
            }
        }
        sealed
    }

    fn end(&mut self, how: u8) -> Result<(), JournalError> {
        self.stop.0.store(how, Ordering::Release);
        self.wake();
        let ended = self.thread.take().map(JoinHandle::join);
        ended.unwrap_or(Ok(Ok(()))).unwrap_or(Err(JournalError::HelperGone))
    }
}

impl Drop for Helper {
    /// Without a close, also during a panic: files stay as a crash would leave them.
    fn drop(&mut self) {
        let _ = self.end(ABANDON);
    }
}

/// The thread's side.
struct Work {
    maker: Maker,
    target: usize,
    to_writer: rtrb::Producer<Result<Segment, JournalError>>,
    from_writer: rtrb::Consumer<Rolled>,
    stop: Arc<Stop>,
}

impl Work {
    fn run(mut self) -> Result<(), JournalError> {
        let mut making = true;
        let mut previous_digest = 0;
        loop {
            // Read before the queue: what was pushed before a close is seen after it.
            let stop = self.stop.get();
            if stop == ABANDON {
                return Ok(());
            }
            let ready = self.to_writer.buffer().capacity() - self.to_writer.slots();
            let short = making && stop == RUN && ready < self.target;
            if short {
                making = self.refill();
            }
            if let Ok(rolled) = self.from_writer.pop() {
                match rolled.seal(previous_digest) {
                    Ok(digest) => previous_digest = digest,
                    // The first failure is final: nothing is sealed or made after it.
                    Err(error) => {
                        let _ = self.to_writer.push(Err(error.clone()));
                        return Err(error);
                    }
                }
            } else if stop == CLOSE {
                return Ok(());
            } else if !short {
                std::thread::park();
            }
        }
    }

    /// Makes one segment; false once that has failed: the writer learns it when it needs one.
    fn refill(&mut self) -> bool {
        match self.maker.make(&self.stop) {
            Ok(None) => true,
            Ok(Some(segment)) => {
                let pushed = self.to_writer.push(Ok(segment));
                assert!(pushed.is_ok(), "Invariant: the queue has room for what it lacks");
                true
            }
            Err(error) => {
                let _ = self.to_writer.push(Err(error));
                false
            }
        }
    }
}
