//! The one writer of a journal: frames into the mapped segment, the watermark behind them.

use crate::copy::{Crc, prefetch_for_writing};
use crate::error::JournalError;
use crate::frame::{self, FOOTER_ROOM, SLOT_BYTES_MAX};
use crate::header::{self, PAGE, SegmentHeader};
use crate::lock::Lock;
use crate::preparer::{Helper, Maker, Rolled, Segment, Stop};
use crate::reader::{has_segment, remove_segments};
use crate::{Watermark, map};
use ringbuf_layout::frame::LINE;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How far ahead of the writer a line is asked for.
const PREFETCH: usize = 1_024;

/// How a journal is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Its directory; made, with its parents, if missing.
    pub dir: PathBuf,
    /// Length of a segment: a multiple of 4 KiB from 256 KiB to 4 GiB.
    pub segment_bytes: u64,
    /// Segments kept ready ahead of the one being written, at least 1. All of them are made before
    /// the writer starts, so a large number takes the making out of a measurement.
    pub ready_segments: usize,
    /// Life of the directory, from 1.
    pub epoch: u32,
    /// The time now, ns UTC: this crate reads no clock.
    pub created_ns: i64,
}

impl Options {
    /// The defaults: segments of 64 MiB, two ready, epoch 1.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            segment_bytes: header::SEGMENT_BYTES,
            ready_segments: 2,
            epoch: 1,
            created_ns: 0,
        }
    }

    fn check(&self) -> Result<(), JournalError> {
        let (bytes, least, most) =
            (self.segment_bytes, header::SEGMENT_BYTES_MIN, header::SEGMENT_BYTES_MAX);
        let what = if !bytes.is_multiple_of(PAGE as u64) || !(least..=most).contains(&bytes) {
            format!("segment_bytes is {bytes}: a multiple of {PAGE} from {least} to {most}")
        } else if !(1..=100_000).contains(&self.ready_segments) {
            format!("ready_segments is {}: from 1 to 100000", self.ready_segments)
        } else if self.epoch == 0 {
            "epoch is 0: from 1".to_owned()
        } else {
            return Ok(());
        };
        Err(JournalError::Options { what })
    }
}

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
    watermark: Arc<Watermark>,
    /// Frames in this segment.
    frames: u64,
    first_seq: u64,
    /// Of the segments before this one.
    done: Stats,
    epoch: u32,
    created_ns: i64,
    failed: Option<JournalError>,
    /// Dropped, and so joined, before the lock goes.
    helper: Helper,
    lock: Lock,
}

impl Writer {
    /// Makes a new journal, which begins with sequence 0, and takes its lock.
    ///
    /// Where it fails, no segment is left that would block another try. A start that was killed before
    /// its first header leaves segment files of zeros, mode 0600: if there is nothing else, they are
    /// deleted.
    ///
    /// # Errors
    /// [`JournalError::Exists`], [`JournalError::Locked`], [`JournalError::DiskFull`], and whatever
    /// else keeps a journal from being made.
    pub fn create(options: &Options) -> Result<Self, JournalError> {
        options.check()?;
        let dir = &options.dir;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(JournalError::io("create", dir))?;
        if let Some(name) =
            map::refused_file_system(dir).map_err(JournalError::io("look up the disk of", dir))?
        {
            return Err(JournalError::FileSystem { dir: dir.clone(), name });
        }
        let exists = || JournalError::Exists { dir: dir.clone() };
        // Asked before the lock is taken, which makes a file, and again under it.
        if has_segment(dir)? {
            return Err(Lock::held(dir).unwrap_or_else(exists));
        }
        let mut lock = Lock::take(dir)?;
        if has_segment(dir)? {
            return Err(exists());
        }
        remove_segments(dir)?;
        lock.sign(options.epoch)?;
        let (segment, helper) = prepare(options).inspect_err(|_| {
            // The first error is the one to tell.
            let _ = remove_segments(dir).and_then(|()| lock.clear());
        })?;
        Ok(Self {
            at: PAGE,
            slot_end: 0,
            next_seq: 0,
            index: 0,
            crc: Crc::detect(),
            seed: frame::seed(options.epoch, segment.number),
            watermark: Arc::new(Watermark::new(0)),
            frames: 0,
            first_seq: 0,
            done: Stats::default(),
            epoch: options.epoch,
            created_ns: options.created_ns,
            failed: None,
            helper,
            lock,
            segment,
        })
    }

    /// Takes a journal back that was made but cannot be used, as where a run does not start after
    /// all: deletes its segments, empties LOCK and leaves the directory, so that the next try is not
    /// refused. A journal with any frame in it stays as it is, as if the writer were dropped.
    ///
    /// # Errors
    /// A segment could not be deleted, or LOCK not be written.
    pub fn abandon(self) -> Result<(), JournalError> {
        let is_empty = self.stats().frames == 0;
        let Self { segment, helper, mut lock, .. } = self;
        // Joined first: it makes segments.
        drop(helper);
        if is_empty && let Some(dir) = segment.path.parent() {
            remove_segments(dir)?;
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

    /// Moves the watermark over all whole slots.
    #[inline]
    pub fn publish(&mut self) {
        self.watermark.store(self.next_seq);
    }

    /// The watermark, for those who must not run ahead of the journal.
    pub fn watermark(&self) -> Arc<Watermark> {
        self.watermark.clone()
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
    /// A segment could not be sealed; it is readable up to its last whole slot.
    ///
    /// # Panics
    /// If a slot is open.
    pub fn close(mut self) -> Result<Stats, JournalError> {
        assert_eq!(self.slot_end, 0, "Invariant: the last slot is whole");
        self.publish();
        let stats = self.stats();
        let dir = self.segment.path.parent().unwrap_or(Path::new(".")).to_owned();
        let Self { segment, epoch, at, frames, first_seq, next_seq, mut helper, lock, .. } = self;
        let last_seq = if frames == 0 { first_seq } else { next_seq - 1 };
        let is_final = true;
        let rolled = Rolled { segment, epoch, end: at, frames, first_seq, last_seq, is_final };
        let pushed = helper.rolled.push(rolled).is_ok();
        let sealed = helper.close();
        assert!(pushed || sealed.is_err(), "Invariant: the queue holds all rolled segments");
        sealed?;
        let sync = File::open(&dir).and_then(|file| file.sync_all());
        sync.map_err(JournalError::io("sync", &dir))?;
        drop(lock);
        Ok(stats)
    }

    /// Leaves the segment to the helper and goes on in the next one.
    #[cold]
    fn roll(&mut self) -> Result<(), JournalError> {
        let next = match &self.failed {
            Some(error) => return Err(error.clone()),
            None => self.next_segment().inspect_err(|error| self.failed = Some(error.clone()))?,
        };
        self.seed = frame::seed(self.epoch, next.number);
        let stats = self.stats();
        self.done = stats;
        let segment = std::mem::replace(&mut self.segment, next);
        let rolled = Rolled {
            segment,
            epoch: self.epoch,
            end: self.at,
            frames: self.frames,
            first_seq: self.first_seq,
            last_seq: self.next_seq - 1,
            is_final: false,
        };
        self.at = PAGE;
        self.frames = 0;
        self.first_seq = self.next_seq;
        let pushed = self.helper.rolled.push(rolled);
        assert!(
            pushed.is_ok() || self.helper.rolled.is_abandoned(),
            "Invariant: the queue holds all rolled segments"
        );
        self.helper.wake();
        Ok(())
    }

    /// The next segment that is ready, waiting for it where the helper is behind.
    fn next_segment(&mut self) -> Result<Segment, JournalError> {
        let mut rounds = 0_u32;
        loop {
            if let Ok(ready) = self.helper.ready.pop() {
                let segment = ready?;
                write_header(&segment, self.epoch, self.next_seq, self.created_ns)?;
                return Ok(segment);
            }
            if self.helper.ready.is_abandoned() && self.helper.ready.is_empty() {
                return Err(JournalError::HelperGone);
            }
            if rounds == 0 {
                self.done.segment_waits += 1;
                self.helper.wake();
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

/// Takes a segment into use, by one `write` within a page: a killed process leaves all of the header or
/// a spare.
fn write_header(
    segment: &Segment,
    epoch: u32,
    base_seq: u64,
    created_ns: i64,
) -> Result<(), JournalError> {
    let Segment { number, path, file, map } = segment;
    let header = SegmentHeader::new(*number, epoch, base_seq, map.len() as u64, created_ns);
    file.write_all_at(bytemuck::bytes_of(&header), 0)
        .map_err(JournalError::io("write the header of", path))
}

/// Makes the first segment and those ready behind it, and starts the helper.
fn prepare(options: &Options) -> Result<(Segment, Helper), JournalError> {
    let mut maker = Maker::new(&options.dir, options.segment_bytes)?;
    let run = Stop::default();
    let mut made = Vec::with_capacity(options.ready_segments + 1);
    while made.len() <= options.ready_segments {
        made.extend(maker.make(&run)?);
    }
    let segment = made.remove(0);
    write_header(&segment, options.epoch, 0, options.created_ns)?;
    Ok((segment, Helper::start(maker, made)?))
}
