//! Reads a whole journal, digests included, and reports. Never writes.

use crate::disk::Disk;
use crate::error::{Finding, JournalError};
use crate::frames::{End, FrameRef, Frames};
use crate::header::PAGE;
use crate::reader::Journal;
use crate::store::Store;
use ringbuf_layout::{Footer, Kind};
use std::path::Path;

/// How far `verify` has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Bytes of segments read.
    pub done: u64,
    /// Bytes of all segments in use.
    pub total: u64,
}

/// What `verify` found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Segments in use.
    pub segments: u64,
    /// Those with a footer whose digest matches.
    pub sealed_segments: u64,
    /// Frames of whole slots, without footers.
    pub frames: u64,
    /// Whole slots: inputs.
    pub slots: u64,
    /// Bytes in use: header pages, frames, padding, footers.
    pub bytes: u64,
    /// First and last sequence, if there is any slot.
    pub seqs: Option<(u64, u64)>,
    /// Earliest and latest `ts_event` of the inputs, ns UTC.
    pub ts_event: Option<(i64, i64)>,
    /// How it ends; `None` if damage hides it.
    pub end: Option<End>,
    /// What the superblock says is on the disk: sequences below it. `None` without a superblock.
    pub durable: Option<u64>,
    /// Whole copies of the superblock, of two; fewer are no damage yet: a cut during a write leaves one.
    pub superblock_copies: u8,
    /// True if something was appended to the superblock: no damage, and the next run cuts it.
    pub superblock_longer: bool,
    /// All damage, in order: at most one a segment, as nothing behind it can be trusted.
    pub findings: Vec<Finding>,
    by_kind: Vec<(Kind, u64)>,
}

impl Report {
    /// Inputs by kind, in number order, those that occur.
    pub fn inputs(&self) -> impl Iterator<Item = (Kind, u64)> + '_ {
        self.by_kind.iter().copied().filter(|(kind, _)| kind.is_input())
    }

    /// Outputs by kind, in number order, those that occur.
    pub fn outputs(&self) -> impl Iterator<Item = (Kind, u64)> + '_ {
        self.by_kind.iter().copied().filter(|(kind, _)| !kind.is_input())
    }

    /// True if the journal was closed and nothing is damaged.
    pub fn is_sealed(&self) -> bool {
        self.findings.is_empty() && self.end == Some(End::Sealed)
    }
}

/// Reads every byte of the segments in use: headers, frames, padding, footers, digests, free space. Of
/// spares it reads the pages where a segment in use would begin.
/// `progress` is called every few MiB.
///
/// # Errors
/// As for [`Journal::open`]. Damage is no error here: it is listed in [`Report::findings`]. Objects are
/// checked by [`objects::verify_all`](crate::objects::verify_all).
pub fn verify(
    dir: impl AsRef<Path>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, JournalError> {
    verify_on(&Disk::default(), dir, progress)
}

/// As [`verify`], on this store.
///
/// # Errors
/// As for [`verify`].
pub fn verify_on(
    store: &dyn Store,
    dir: impl AsRef<Path>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, JournalError> {
    let journal = Journal::open_on(store, dir)?;
    let mut frames = journal.frames();
    let mut tally = Tally::new(&journal, progress);
    loop {
        let next = frames.next();
        for (index, footer) in frames.take_footers() {
            tally.footer(index, &footer);
        }
        match next {
            Ok(Some(frame)) => tally.frame(frame, frames.index()),
            Ok(None) => break,
            Err(JournalError::Damaged { segment, offset, expected_seq, what }) => {
                tally.findings.push(Finding { segment, offset, expected_seq, what });
                if frames.index() + 1 == journal.segments.len() {
                    break;
                }
                frames.resume(frames.index() + 1);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(tally.report(&frames))
}

/// Bytes between two calls of the progress function.
const STEP: u64 = 4 << 20;

struct Tally<'a> {
    journal: &'a Journal,
    progress: &'a mut dyn FnMut(Progress),
    shown: u64,
    /// Bytes of the segments before each one.
    starts: Vec<u64>,
    /// Where the last frame read in each segment ends.
    used: Vec<u64>,
    counts: [u64; 256],
    seqs: Option<(u64, u64)>,
    ts_event: Option<(i64, i64)>,
    sealed_segments: u64,
    findings: Vec<Finding>,
}

impl<'a> Tally<'a> {
    fn new(journal: &'a Journal, progress: &'a mut dyn FnMut(Progress)) -> Self {
        let starts = std::iter::once(0)
            .chain(journal.segments.iter().scan(0, |sum, segment| {
                *sum += segment.map.len() as u64;
                Some(*sum)
            }))
            .collect();
        Self {
            journal,
            progress,
            shown: 0,
            starts,
            used: vec![PAGE as u64; journal.segments.len()],
            counts: [0; 256],
            seqs: None,
            ts_event: None,
            sealed_segments: 0,
            findings: Vec::new(),
        }
    }

    fn frame(&mut self, frame: FrameRef<'_>, index: usize) {
        let head = frame.head();
        self.counts[usize::from(head.kind)] += 1;
        if head.index == 0 {
            let (first, _) = self.seqs.unwrap_or((head.seq, head.seq));
            self.seqs = Some((first, head.seq));
            let (from, to) = self.ts_event.unwrap_or((head.ts_event, head.ts_event));
            self.ts_event = Some((from.min(head.ts_event), to.max(head.ts_event)));
        }
        self.used[index] = frame.offset + frame.bytes.len() as u64;
        self.show(self.starts[index] + self.used[index]);
    }

    /// Checks the digest of a segment that was read to its end.
    fn footer(&mut self, index: usize, footer: &Footer) {
        let segment = &self.journal.segments[index];
        let at = footer.bytes as usize;
        if xxhash_rust::xxh3::xxh3_64(&segment.map[..at]) == footer.digest {
            self.sealed_segments += 1;
        } else {
            let what = "the segment's digest does not match".to_owned();
            self.findings.push(segment.finding(at, footer.last_seq, what));
        }
        self.used[index] = footer.bytes + size_of::<Footer>() as u64;
        self.show(self.starts[index + 1]);
    }

    fn show(&mut self, done: u64) {
        let total = self.starts[self.journal.segments.len()];
        if done >= self.shown + STEP || done == total {
            self.shown = done;
            (self.progress)(Progress { done, total });
        }
    }

    fn report(self, frames: &Frames<'_>) -> Report {
        let kinds = Kind::ALL.into_iter().map(|kind| (kind, self.counts[kind as usize]));
        let by_kind: Vec<_> = kinds.filter(|(_, count)| *count > 0).collect();
        Report {
            segments: self.used.len() as u64,
            sealed_segments: self.sealed_segments,
            frames: by_kind.iter().map(|(_, count)| count).sum(),
            slots: by_kind.iter().filter(|(kind, _)| kind.is_input()).map(|(_, n)| n).sum(),
            bytes: self.used.iter().sum(),
            seqs: self.seqs,
            ts_event: self.ts_event,
            end: frames.end().cloned(),
            durable: self.journal.superblock.map(|block| block.durable),
            superblock_copies: self.journal.superblock_copies,
            superblock_longer: self.journal.superblock_longer,
            findings: self.findings,
            by_kind,
        }
    }
}
