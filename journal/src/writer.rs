//! The one writer of a journal: frames into the mapped segment, the watermark behind them.

use crate::Watermark;
use crate::copy::{Crc, prefetch_for_writing};
use crate::durability::Durability;
use crate::error::JournalError;
use crate::frame::{self, FOOTER_ROOM, SLOT_BYTES_MAX};
use crate::header::{PAGE, SegmentHeader};
use crate::helpers::{Helpers, Plan, Roll, SharedSuperblock, Stop};
use crate::lock::Lock;
use crate::maker::{Maker, Segment};
use crate::options::Options;
use crate::reader::{has_segment, remove_segments};
use crate::recover::{self, Resumed};
use crate::recovery::Recovery;
use crate::retention::Retention;
use crate::seal::{Contents, Rolled};
use crate::store::Store;
use crate::superblock::{FILE_NAME, Found, Superblock, SuperblockFile};
use crate::syncer::Current;
use ringbuf_layout::frame::LINE;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How far ahead of the writer a line is asked for.
const PREFETCH: usize = 1_024;

/// What a writer has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Bytes of frames, page padding included, headers and footers not.
    pub bytes: u64,
    /// Frames.
    pub frames: u64,
    /// Segments in use.
    pub segments: u64,
    /// Times that no segment was ready and the writer had to wait: 0 if the disk keeps up.
    pub segment_waits: u64,
}

/// The one writer. `begin` a slot, `append` its frames, `publish` when convenient, `close`.
///
/// Dropped without `close` it leaves the files as a crash would: no footer, spares in place.
#[derive(Debug)]
pub struct Writer {
    /// The segment being written; nobody else touches it.
    segment: Segment,
    /// Where the last frame ends.
    at: usize,
    /// Bound of the open slot; 0 while none is open.
    slot_end: usize,
    /// Sequence of the open slot, else of the next one.
    next_seq: u64,
    /// Index of the open slot's next frame.
    index: u16,
    crc: Crc,
    seed: u32,
    durability: Durability,
    /// Frames in this segment.
    frames: u64,
    first_seq: u64,
    /// Of the segments before this one.
    done: Stats,
    epoch: u32,
    created_ns: i64,
    failed: Option<JournalError>,
    store: Arc<dyn Store>,
    superblock: SharedSuperblock,
    /// Dropped, and so joined, before the lock goes.
    helpers: Helpers,
    lock: Lock,
}

/// What a writer starts from.
struct Start {
    store: Arc<dyn Store>,
    superblock: SuperblockFile,
    lock: Lock,
    /// Number of the first segment, and the first sequence in it.
    segment: u32,
    next_seq: u64,
    previous_digest: u64,
    inline: bool,
}

impl Writer {
    /// Makes a new journal, which begins with sequence 0, and takes its lock.
    ///
    /// Where it fails, no segment is left that would block another try. A start that was killed before
    /// its first header leaves segment files of zeros, mode 0600, and perhaps a superblock: if there is
    /// nothing else, they are deleted.
    ///
    /// # Errors
    /// [`JournalError::Exists`], [`JournalError::Locked`], [`JournalError::DiskFull`], and whatever
    /// else keeps a journal from being made.
    pub fn create(options: &Options) -> Result<Self, JournalError> {
        options.check()?;
        Self::create_on(options.disk()?, options, false)
    }

    /// Goes on with a journal that was closed, killed or cut off: takes the lock, recovers
    /// ([`Recovery`] says what was found and done), and starts a new segment of a new epoch, which is on
    /// the disk before the first frame.
    ///
    /// # Errors
    /// [`JournalError::NoJournal`], [`JournalError::Locked`], [`JournalError::Damaged`] where a durable
    /// record is not what was written, [`JournalError::NoSuperblock`],
    /// [`JournalError::SuperblockDamaged`], and whatever else keeps a journal from being read or written.
    pub fn resume(options: &Options) -> Result<(Self, Recovery), JournalError> {
        options.check()?;
        Self::resume_on(options.disk()?, options, false)
    }

    /// As [`Writer::create`], on this store; `inline`: without threads, helpers work when the writer
    /// rolls, closes or calls [`Writer::pump`].
    ///
    /// # Errors
    /// As for [`Writer::create`].
    #[expect(clippy::needless_pass_by_value, reason = "as `resume_on`, which keeps it")]
    pub fn create_on(
        store: Arc<dyn Store>,
        options: &Options,
        inline: bool,
    ) -> Result<Self, JournalError> {
        options.check()?;
        let dir = &options.dir;
        store.make_dir(dir)?;
        let exists = || JournalError::Exists { dir: dir.clone() };
        // Asked before the lock is taken, which makes a file, and again under it.
        if has_journal(&*store, dir)? {
            return Err(store.lock_held(dir).unwrap_or_else(exists));
        }
        let mut lock = store.lock(dir)?;
        if has_journal(&*store, dir)? {
            return Err(exists());
        }
        remove_journal(&*store, dir)?;
        lock.sign(options.epoch)?;
        // Before the first segment: a journal of this build always has it.
        let superblock = SuperblockFile::create(&*store, dir, Superblock::new(options.epoch));
        let made = superblock.and_then(|superblock| {
            let (segment, next_seq, previous_digest) = (0, 0, 0);
            let cleared = lock.clone();
            let store = store.clone();
            let start = Start {
                store,
                superblock,
                lock: cleared,
                segment,
                next_seq,
                previous_digest,
                inline,
            };
            Self::start(options, start)
        });
        made.inspect_err(|_| {
            // The first error is the one to tell.
            let _ = remove_journal(&*store, dir).and_then(|()| lock.clear());
        })
    }

    /// As [`Writer::resume`], on this store.
    ///
    /// # Errors
    /// As for [`Writer::resume`].
    pub fn resume_on(
        store: Arc<dyn Store>,
        options: &Options,
        inline: bool,
    ) -> Result<(Self, Recovery), JournalError> {
        options.check()?;
        let Resumed { mut recovery, superblock, mut lock, previous_digest } =
            recover::resume(&*store, options)?;
        let (segment, next_seq) = (recovery.segment_after, recovery.next_seq);
        recovery.epoch_after = superblock.now().epoch;
        lock.sign(recovery.epoch_after)?;
        let start = Start { store, superblock, lock, segment, next_seq, previous_digest, inline };
        Ok((Self::start(options, start)?, recovery))
    }

    /// Makes the first segment and those ready behind it, and starts the helpers.
    fn start(options: &Options, start: Start) -> Result<Self, JournalError> {
        let Start { store, superblock, lock, segment, next_seq, previous_digest, inline } = start;
        let mut maker = Maker::new(store.clone(), &options.dir, options.segment_bytes, segment);
        let run = Stop::default();
        let mut made = Vec::with_capacity(options.ready_segments + 1);
        while made.len() <= options.ready_segments {
            made.extend(maker.make(&run)?);
        }
        let mut segment = made.remove(0);
        let (epoch, created_ns) = (superblock.now().epoch, options.created_ns);
        let superblock = Arc::new(Mutex::new(superblock));
        let durability = Durability::new(next_seq, options.free_floor_bytes);
        segment.put_header(&header_of(&segment, epoch, next_seq, created_ns));
        durability.publish(segment.number, PAGE, next_seq);
        let plan = Plan {
            maker,
            durability: durability.clone(),
            superblock: superblock.clone(),
            previous_digest,
            backlog: options.backlog_segments,
            sync_interval: options.sync_interval(inline),
            inline,
        };
        let helpers = Helpers::start(plan, made, Current::of(&segment))?;
        Ok(Self {
            at: PAGE,
            slot_end: 0,
            next_seq,
            index: 0,
            crc: Crc::detect(),
            seed: frame::seed(epoch, segment.number),
            durability,
            frames: 0,
            first_seq: next_seq,
            done: Stats::default(),
            epoch,
            created_ns,
            failed: None,
            store,
            superblock,
            helpers,
            lock,
            segment,
        })
    }

    /// Takes a journal back that was made but cannot be used, as where a run does not start after
    /// all: deletes its segments and superblock, empties LOCK and leaves the directory, so that the next
    /// try is not refused. A journal with any frame in it, of this life or an earlier one, stays as it is,
    /// as if the writer were dropped.
    ///
    /// # Errors
    /// A segment could not be deleted, or LOCK not be written.
    pub fn abandon(self) -> Result<(), JournalError> {
        let is_empty = self.stats().frames == 0 && self.next_seq == 0;
        let Self { segment, helpers, mut lock, store, .. } = self;
        // Joined first: it makes segments.
        drop(helpers);
        if is_empty && let Some(dir) = segment.path.parent() {
            remove_journal(&*store, dir)?;
            lock.clear()?;
        }
        Ok(())
    }

    /// Starts the slot of an input. Goes on in the next segment where this one might not hold it.
    ///
    /// # Errors
    /// No further segment could be made, or an earlier one could not be sealed. The journal stays
    /// whole up to the previous slot, and every later `begin` fails alike.
    ///
    /// # Panics
    /// If a slot is open, or `seq` does not follow the previous one.
    #[inline]
    pub fn begin(&mut self, seq: u64) -> Result<(), JournalError> {
        assert_eq!(self.slot_end, 0, "Invariant: the previous slot is whole");
        assert_eq!(seq, self.next_seq, "Invariant: sequences have no gaps");
        if self.at + SLOT_BYTES_MAX + FOOTER_ROOM > self.segment.map.len() {
            self.roll()?;
        }
        self.slot_end = self.at + SLOT_BYTES_MAX;
        self.index = 0;
        Ok(())
    }

    /// Appends a frame to the open slot: `last` ends it. The copy gets its CRC and `last` bit.
    ///
    /// A whole tick (`begin`, one frame of 64 bytes, `publish`) into populated pages: 8.0 ns where the
    /// target is in the cache, 13–15 ns where each line comes from memory, on a shared server core
    /// with a busy neighbour (`examples/append_ns.rs`).
    ///
    /// # Panics
    /// If no slot is open, the slot outgrows [`SLOT_BYTES_MAX`], or the frame's own length, sequence
    /// or index is not what its place demands.
    #[inline]
    pub fn append(&mut self, frame: &[u8], last: bool) {
        let len = frame.len();
        assert!(len >= LINE && len.is_multiple_of(LINE), "Invariant: frames are whole lines");
        // Word by word: a wider load would wait for the stores that have just made the frame.
        let word = |at: usize| u64::from_le_bytes(*frame[at..].first_chunk().unwrap_or(&[0; 8]));
        let (head, seq) = (word(0), word(8));
        assert_eq!((head >> 48) as usize, len, "Invariant: the frame knows its length");
        assert_eq!(seq, self.next_seq, "Invariant: the frame is of the open slot");
        assert_eq!((head >> 40) as u8 as u16, self.index, "Invariant: indexes have no gaps");
        let at = frame::place(self.at, len);
        assert!(at + len <= self.slot_end, "Invariant: a slot is open and keeps its bound");
        self.crc.store(&mut self.segment.map[at..at + len], frame, self.seed, last);
        self.at = at + len;
        self.frames += 1;
        self.index += 1;
        if last {
            self.slot_end = 0;
            self.next_seq += 1;
        }
    }

    /// A whole slot of one frame of one line, which is what a quiet tick is: `begin` and `append` in one.
    ///
    /// # Errors
    /// As for [`Writer::begin`].
    ///
    /// # Panics
    /// As for [`Writer::begin`] and [`Writer::append`].
    #[inline]
    pub fn append_slot(&mut self, seq: u64, line: &[u8; LINE]) -> Result<(), JournalError> {
        assert_eq!(self.slot_end, 0, "Invariant: the previous slot is whole");
        assert_eq!(seq, self.next_seq, "Invariant: sequences have no gaps");
        let head = frame::head(line);
        let fits = (usize::from(head.len), head.index, head.seq) == (LINE, 0, seq);
        assert!(fits, "Invariant: the frame knows its length, index and sequence");
        if self.at + SLOT_BYTES_MAX + FOOTER_ROOM > self.segment.map.len() {
            self.roll()?;
        }
        // A line never crosses a page: both are multiples of it.
        prefetch_for_writing(&self.segment.map, self.at + PREFETCH);
        self.crc.store(&mut self.segment.map[self.at..self.at + LINE], line, self.seed, true);
        self.at += LINE;
        self.frames += 1;
        self.next_seq += 1;
        Ok(())
    }

    /// Takes an open slot back, as where its sink panicked in the middle of it: its bytes are zero
    /// again and the same sequence can begin again. Without an open slot it does nothing.
    #[cold]
    pub fn rewind(&mut self) {
        if self.slot_end == 0 {
            return;
        }
        let start = self.slot_end - SLOT_BYTES_MAX;
        self.segment.map[start..self.slot_end].fill(0);
        self.at = start;
        self.frames -= u64::from(self.index);
        self.index = 0;
        self.slot_end = 0;
    }

    /// Stores only the first bytes of a frame, as where a process is killed inside an append. For tests of
    /// recovery; nothing may be appended after it.
    ///
    /// # Panics
    /// If no slot is open.
    #[cfg(feature = "sim")]
    pub fn append_part(&mut self, frame: &[u8], last: bool, bytes: usize) {
        assert_ne!(self.slot_end, 0, "Invariant: a slot is open");
        let at = frame::place(self.at, frame.len());
        let mut whole = vec![0; frame.len()];
        self.crc.store(&mut whole, frame, self.seed, last);
        self.segment.map[at..at + bytes].copy_from_slice(&whole[..bytes]);
    }

    /// Moves the watermark over all whole slots.
    #[inline]
    pub fn publish(&mut self) {
        self.durability.publish(self.segment.number, self.at, self.next_seq);
    }

    /// The watermark, for those who must not run ahead of the journal.
    pub fn watermark(&self) -> Arc<Watermark> {
        self.durability.journaled().clone()
    }

    /// The watermark of what survives a power cut.
    pub fn durable(&self) -> Arc<Watermark> {
        self.durability.durable().clone()
    }

    /// The disk's side, for whoever waits for it; it outlives the writer.
    pub fn durability(&self) -> Durability {
        self.durability.clone()
    }

    /// The sync that failed, if any did: the engine halts.
    pub fn sync_failure(&self) -> Option<JournalError> {
        self.durability.failure()
    }

    /// What removes old segments while this writer is alive, for another thread.
    pub fn retention(&self) -> Retention {
        let dir = self.segment.path.parent().unwrap_or(Path::new("."));
        Retention::new(
            self.store.clone(),
            dir.to_owned(),
            self.superblock.clone(),
            self.durability.clone(),
        )
    }

    /// The life of the directory that this writer writes.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Sequence of the next slot.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// In line: lets the helpers do what is to be done.
    pub fn pump(&mut self) {
        self.helpers.wake();
    }

    /// What was done so far.
    pub fn stats(&self) -> Stats {
        Stats {
            bytes: self.done.bytes + (self.at - PAGE) as u64,
            frames: self.done.frames + self.frames,
            segments: self.done.segments + 1,
            segment_waits: self.done.segment_waits,
        }
    }

    /// Publishes, seals every segment, deletes the spares and syncs the directory.
    ///
    /// # Errors
    /// A segment could not be synced or sealed; it is readable up to its last whole slot.
    ///
    /// # Panics
    /// If a slot is open.
    pub fn close(mut self) -> Result<Stats, JournalError> {
        assert_eq!(self.slot_end, 0, "Invariant: the last slot is whole");
        self.publish();
        let stats = self.stats();
        let contents = self.contents(true);
        let Self { segment, mut helpers, lock, store, .. } = self;
        let path = segment.path.clone();
        let dir = path.parent().unwrap_or(Path::new("."));
        let rolled = Rolled { segment, contents };
        let pushed = helpers.rolls.push(Roll { rolled, next: None }).is_ok();
        let sealed = helpers.close(&*store);
        assert!(pushed || sealed.is_err(), "Invariant: the queue holds all rolled segments");
        sealed?;
        store.sync_dir(dir).map_err(JournalError::io("sync", dir))?;
        drop(lock);
        Ok(stats)
    }

    fn contents(&self, is_final: bool) -> Contents {
        Contents {
            number: self.segment.number,
            epoch: self.epoch,
            end: self.at,
            frames: self.frames,
            first_seq: self.first_seq,
            next_seq: self.next_seq,
            is_final,
        }
    }

    /// Leaves the segment to the helpers and goes on in the next one.
    #[cold]
    fn roll(&mut self) -> Result<(), JournalError> {
        let next = match &self.failed {
            Some(error) => return Err(error.clone()),
            None => self.next_segment().inspect_err(|error| self.failed = Some(error.clone()))?,
        };
        // The syncer calls all of a rolled segment durable, which never passes what is journaled.
        self.publish();
        self.seed = frame::seed(self.epoch, next.number);
        self.done = self.stats();
        let contents = self.contents(false);
        let current = Current::of(&next);
        let segment = std::mem::replace(&mut self.segment, next);
        self.at = PAGE;
        self.frames = 0;
        self.first_seq = self.next_seq;
        let rolled = Rolled { segment, contents };
        let pushed = self.helpers.rolls.push(Roll { rolled, next: Some(current) });
        assert!(
            pushed.is_ok() || self.helpers.rolls.is_abandoned(),
            "Invariant: the queue holds all rolled segments"
        );
        self.helpers.wake();
        Ok(())
    }

    /// The next segment that is ready, waiting for it where the helper is behind.
    fn next_segment(&mut self) -> Result<Segment, JournalError> {
        let mut rounds = 0_u32;
        loop {
            if let Ok(ready) = self.helpers.ready.pop() {
                let mut segment = ready?;
                let header = header_of(&segment, self.epoch, self.next_seq, self.created_ns);
                segment.put_header(&header);
                return Ok(segment);
            }
            if self.helpers.ready.is_abandoned() && self.helpers.ready.is_empty() {
                return Err(JournalError::HelperGone);
            }
            if rounds == 0 {
                self.done.segment_waits += 1;
                self.helpers.wake();
            }
            rounds += 1;
            if rounds < 100 {
                std::thread::yield_now();
            } else {
                std::thread::sleep(Duration::from_micros(50));
            }
        }
    }
}

fn header_of(segment: &Segment, epoch: u32, base_seq: u64, created_ns: i64) -> SegmentHeader {
    SegmentHeader::new(segment.number, epoch, base_seq, segment.map.len() as u64, created_ns)
}

/// True if the directory holds anything of a journal that is worth keeping: a segment, or a superblock
/// that speaks of records.
fn has_journal(store: &dyn Store, dir: &Path) -> Result<bool, JournalError> {
    let spoken_of = match Superblock::find(store, dir)? {
        Found::Whole(block, ..) => block.durable > 0,
        Found::Newer(_) => true,
        // A start that was killed while it wrote the file.
        Found::Absent | Found::Damaged(_) => false,
    };
    Ok(spoken_of || has_segment(store, dir)?)
}

/// Deletes the segments, then the superblock.
fn remove_journal(store: &dyn Store, dir: &Path) -> Result<(), JournalError> {
    remove_segments(store, dir)?;
    let path = dir.join(FILE_NAME);
    match store.remove(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(JournalError::io("delete", &path)(error))
        }
        _ => Ok(()),
    }
}
