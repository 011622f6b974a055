//! Carries a recovery out: reads, decides by the table in `recovery.rs`, and writes.
//!
//! Every step leaves a directory that the next recovery decides alike, wherever it is cut off:
//!
//! 1. whole segments behind the end, and spares, deleted, the last one first; directory synced
//! 2. bytes behind the end zeroed; what the disk may not have written again; synced
//! 3. unsealed segments sealed, the first one first
//! 4. superblock: `durable`, and for a writer the next epoch, both copies
//!
//! Written again, because a sync that failed leaves pages clean in the cache that the disk does not have: a
//! sync alone would then succeed for them.

use crate::disk::Disk;
use crate::error::JournalError;
use crate::frame::{first_set, seed};
use crate::frames::{End, Frames};
use crate::header::{PAGE, file_name};
use crate::lock::Lock;
use crate::options::Options;
use crate::reader::{Journal, Mapped, segment_numbers};
use crate::recovery::{Action, Block, Case, Facts, Place, Recovery, decide};
use crate::seal::Contents;
use crate::store::{Store, StoreFile};
use crate::superblock::{FILE_NAME, Found, Superblock, SuperblockFile};
use ringbuf_layout::frame::{Kind, LINE};
use std::path::Path;

/// What a writer goes on from.
pub(crate) struct Resumed {
    pub(crate) recovery: Recovery,
    pub(crate) superblock: SuperblockFile,
    pub(crate) lock: Lock,
    pub(crate) previous_digest: u64,
}

/// Looks at a journal that nobody writes and says how a run would go on; with `write`, mends it, so that it
/// reads whole. The epoch stays.
///
/// # Errors
/// As for [`Writer::resume`](crate::Writer::resume).
pub fn recover(dir: impl AsRef<Path>, write: bool) -> Result<Recovery, JournalError> {
    recover_on(&Disk::default(), dir, write)
}

/// As [`recover`], on this store.
///
/// # Errors
/// As for [`recover`].
pub fn recover_on(
    store: &dyn Store,
    dir: impl AsRef<Path>,
    write: bool,
) -> Result<Recovery, JournalError> {
    let dir = dir.as_ref();
    if !write {
        return match store.lock_held(dir) {
            Some(refusal) => Err(refusal),
            None => Ok(Examined::of(store, dir)?.recovery),
        };
    }
    let mut lock = locked(store, dir)?;
    let mended = mended(store, dir);
    // Who is refused later is not sent to a process that has ended.
    lock.clear()?;
    mended
}

fn mended(store: &dyn Store, dir: &Path) -> Result<Recovery, JournalError> {
    let examined = Examined::of(store, dir)?;
    let (mut superblock, _) = examined.mend(store, dir)?;
    let (durable, last_segment) = (examined.recovery.next_seq, examined.last_segment());
    superblock.store_both(|block| (block.durable, block.last_segment) = (durable, last_segment))?;
    Ok(Recovery { written: true, ..examined.recovery })
}

/// Takes the lock, recovers, and begins the next epoch.
pub(crate) fn resume(store: &dyn Store, options: &Options) -> Result<Resumed, JournalError> {
    let mut lock = locked(store, &options.dir)?;
    match begun(store, options) {
        Ok((recovery, superblock, previous_digest)) => {
            Ok(Resumed { recovery, superblock, lock, previous_digest })
        }
        Err(error) => {
            lock.clear()?;
            Err(error)
        }
    }
}

fn begun(
    store: &dyn Store,
    options: &Options,
) -> Result<(Recovery, SuperblockFile, u64), JournalError> {
    let dir = &options.dir;
    let examined = Examined::of(store, dir)?;
    let (mut superblock, previous_digest) = examined.mend(store, dir)?;
    let mut recovery = examined.recovery.clone();
    superblock.store_both(|block| {
        block.durable = recovery.next_seq;
        block.last_segment = examined.last_segment();
        block.epoch += 1;
        if options.new_chain {
            block.chain += 1;
            block.chain_first_seq = recovery.next_seq;
        }
    })?;
    let now = superblock.now();
    recovery.epoch_after = now.epoch;
    (recovery.chain, recovery.chain_first_seq) = (now.chain, now.chain_first_seq);
    recovery.written = true;
    Ok((recovery, superblock, previous_digest))
}

/// The lock of a directory that holds something: looked at first, as taking it makes a file.
fn locked(store: &dyn Store, dir: &Path) -> Result<Lock, JournalError> {
    if segment_numbers(store, dir)?.is_empty() && Superblock::find(store, dir)? == Found::Absent {
        return Err(JournalError::NoJournal { dir: dir.to_owned() });
    }
    let mut lock = store.lock(dir)?;
    lock.sign(0)?;
    Ok(lock)
}

/// A segment that stays, and what its footer is to say.
#[derive(Debug)]
struct Kept {
    contents: Contents,
    /// Digest in its footer, if that one stands.
    digest: Option<u64>,
}

/// A journal that was read to its end, and what is to be done.
#[derive(Debug)]
struct Examined {
    journal: Journal,
    kept: Vec<Kept>,
    superblock: Superblock,
    recovery: Recovery,
}

impl Examined {
    /// Reads everything. Refuses where the table does.
    fn of(store: &dyn Store, dir: &Path) -> Result<Self, JournalError> {
        let journal = Journal::open_on(store, dir)?;
        let Some(superblock) = journal.superblock else {
            return Err(refusal_of(
                Facts { superblock: Block::Absent, ..Facts::NOTHING },
                dir,
                None,
            ));
        };
        let mut walk = Walk::of(&journal);
        let facts = walk.facts(&journal, &superblock);
        let case = decide(facts);
        if case.action() == Action::Refuse {
            return Err(refusal_of(facts, dir, Some(walk)));
        }
        walk.drop_empty_end();
        let (cut_bytes, cut_frames, cut_segments) = walk.cut(&journal, superblock.epoch);
        let last = walk.kept.last();
        let first = superblock.first_segment;
        let recovery = Recovery {
            case,
            epoch_before: superblock.epoch,
            epoch_after: superblock.epoch,
            next_seq: walk.next_seq,
            durable_before: superblock.durable,
            chain: superblock.chain,
            chain_first_seq: superblock.chain_first_seq,
            segment: last.map_or(first, |kept| kept.contents.number),
            offset: last.map_or(PAGE, |kept| kept.contents.end) as u64,
            segment_after: last.map_or(first, |kept| kept.contents.number + 1),
            cut_bytes,
            cut_frames,
            cut_segments,
            found: walk.found,
            written: false,
        };
        Ok(Self { kept: walk.kept, superblock, recovery, journal })
    }

    fn last_segment(&self) -> u32 {
        self.kept.last().map_or(self.superblock.first_segment, |kept| kept.contents.number)
    }

    /// Steps 1 to 3; the digest that the next segment follows.
    fn mend(&self, store: &dyn Store, dir: &Path) -> Result<(SuperblockFile, u64), JournalError> {
        let superblock = SuperblockFile::open(store, dir, self.superblock)?;
        let stays = |number: &u32| self.kept.iter().any(|kept| kept.contents.number == *number);
        let mut removed = false;
        for number in segment_numbers(store, dir)?.into_iter().rev().filter(|n| !stays(n)) {
            let path = dir.join(file_name(number));
            store.remove(&path).map_err(JournalError::io("delete", &path))?;
            removed = true;
        }
        if removed {
            store.sync_dir(dir).map_err(JournalError::io("sync", dir))?;
        }
        let mut previous_digest = 0;
        for (kept, mapped) in self.kept.iter().zip(&self.journal.segments) {
            assert_eq!(kept.contents.number, mapped.number, "Invariant: kept from the first on");
            previous_digest = match kept.digest {
                Some(digest) if mapped.read_only => digest,
                _ => kept.seal(store, dir, mapped, previous_digest)?,
            };
        }
        Ok((superblock, previous_digest))
    }
}

impl Kept {
    /// Steps 2 and 3 for one segment.
    fn seal(
        &self,
        store: &dyn Store,
        dir: &Path,
        mapped: &Mapped,
        previous_digest: u64,
    ) -> Result<u64, JournalError> {
        let path = dir.join(file_name(mapped.number));
        let io = |action| JournalError::io(action, &path);
        let file = store.open(&path).map_err(io("open"))?;
        let end = self.contents.end;
        // A copy: the file is written under the map.
        let mut bytes = mapped.map.to_vec();
        if let Some(digest) = self.digest {
            // Only its permissions are lacking. The footer stays all the while: the next segment may be
            // sealed, and names it.
            file.write_at(&bytes, 0).map_err(io("write again"))?;
            file.sync().map_err(io("sync"))?;
            file.set_read_only().map_err(io("make read-only"))?;
            return Ok(digest);
        }
        zero(&*file, &mut bytes, end).map_err(io("zero the tail of"))?;
        file.write_at(&bytes[..end], 0).map_err(io("write again"))?;
        file.sync().map_err(io("sync"))?;
        let digest = self.contents.digest(&bytes, previous_digest);
        self.contents.seal(&*file, &path, digest, previous_digest)?;
        Ok(digest)
    }
}

/// Zeroes what is set behind `end`, page by page.
fn zero(file: &dyn StoreFile, bytes: &mut [u8], end: usize) -> std::io::Result<()> {
    let mut at = end;
    while let Some(set) = first_set(&bytes[at..]) {
        let from = at + set;
        let to = (from + 1).next_multiple_of(PAGE).min(bytes.len());
        bytes[from..to].fill(0);
        file.write_at(&bytes[from..to], from as u64)?;
        at = to;
    }
    Ok(())
}

/// What reading from the first frame to the last met.
#[derive(Debug)]
struct Walk {
    kept: Vec<Kept>,
    place: Place,
    next_seq: u64,
    /// Where the error is that a refusal names: segment, offset.
    at: (u32, u64),
    found: String,
}

impl Walk {
    fn of(journal: &Journal) -> Self {
        let mut frames = journal.frames();
        let mut kept: Vec<Kept> = Vec::new();
        let stop = loop {
            let next = frames.next();
            enter(&mut kept, journal, &frames);
            for (index, footer) in frames.take_footers() {
                if let Some(kept) = kept.get_mut(index) {
                    kept.digest = Some(footer.digest);
                    kept.contents.is_final =
                        footer.tail.flags & ringbuf_layout::names::FOOTER_FINAL != 0;
                }
            }
            match next {
                Ok(Some(frame)) => {
                    let contents = &mut kept[frames.index()].contents;
                    contents.frames += 1;
                    if frame.is_last() {
                        contents.end = frame.offset as usize + frame.bytes.len();
                        contents.next_seq = frame.head().seq + 1;
                    }
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        let mut walk = Self {
            place: Place::Bad,
            next_seq: frames.next_seq(),
            at: (0, 0),
            found: String::new(),
            kept,
        };
        match (stop, frames.end()) {
            (Some(JournalError::Damaged { segment, offset, what, .. }), _) => {
                (walk.at, walk.found) = ((segment, offset), what);
            }
            (Some(other), _) => walk.found = other.to_string(),
            (None, Some(end)) => walk.ended(end, journal),
            (None, None) => unreachable!("Invariant: reading ends with an end"),
        }
        walk
    }

    fn ended(&mut self, end: &End, journal: &Journal) {
        let last = journal.segments.last().map_or(0, |mapped| mapped.number);
        let (place, at, found) = match end {
            End::Sealed => (Place::Closed, (last, 0), "the footer of a close".to_owned()),
            End::Open { segment, offset } if *segment > last => {
                (Place::Rolled, (*segment, *offset), "the footer of a roll".to_owned())
            }
            End::Open { segment, offset } => {
                (Place::Clean, (*segment, *offset), "zeros behind a whole slot".to_owned())
            }
            End::Torn { segment, offset, reason, .. } => {
                (Place::Bad, (*segment, *offset), reason.clone())
            }
        };
        (self.place, self.at, self.found) = (place, at, found);
    }

    fn facts(&self, journal: &Journal, superblock: &Superblock) -> Facts {
        let behind = self.behind(journal);
        let bad = self.place == Place::Bad;
        Facts {
            superblock: Block::Whole,
            place: self.place,
            durable: self.next_seq < superblock.durable,
            sealed: behind.iter().any(|mapped| mapped.read_only),
            followed: bad && self.valid_behind(journal, superblock.epoch, self.next_seq) > 0,
            older: journal
                .segments
                .iter()
                .any(|mapped| mapped.header.as_ref().is_ok_and(|h| h.epoch > superblock.epoch)),
        }
    }

    /// The segment where it stopped, and those behind it; none if that is a spare.
    fn behind<'a>(&self, journal: &'a Journal) -> &'a [Mapped] {
        &journal.segments[journal.segments.partition_point(|mapped| mapped.number < self.at.0)..]
    }

    /// Where the cut in a segment lies: behind its last whole slot; 0 where none of it stays.
    fn end_in(&self, mapped: &Mapped) -> usize {
        let kept = self.kept.iter().find(|kept| kept.contents.number == mapped.number);
        kept.map_or(0, |kept| kept.contents.end)
    }

    /// Valid frames behind the end, in all segments, but those of the slot `not`.
    fn valid_behind(&self, journal: &Journal, epoch: u32, not: u64) -> u64 {
        let count = |mapped: &Mapped| {
            let epoch = mapped.header.as_ref().map_or(epoch, |header| header.epoch);
            let seed = seed(epoch, mapped.number);
            let mut at = self.end_in(mapped).max(PAGE);
            let mut count = 0;
            while let Some(found) = journal.rules.search(&mapped.map, at, seed) {
                let head = crate::frame::head(&mapped.map[found..found + LINE]);
                // A footer is no record.
                count += u64::from(head.seq != not && head.kind != Kind::Footer as u8);
                at = found + usize::from(head.len);
            }
            count
        };
        let spare = journal.spare.as_ref().map(|(spare, _)| spare);
        self.behind(journal).iter().chain(spare).map(count).sum()
    }

    /// Bytes, valid frames and whole segments behind the end.
    fn cut(&self, journal: &Journal, epoch: u32) -> (u64, u64, u32) {
        if self.place != Place::Bad {
            return (0, 0, 0);
        }
        let (mut bytes, mut segments) = (0, 0);
        let spare = journal.spare.as_ref().map(|(spare, _)| spare);
        for mapped in self.behind(journal).iter().chain(spare) {
            let end = self.end_in(mapped);
            let used = mapped.map.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            bytes += used.saturating_sub(end) as u64;
            segments += u32::from(end == 0);
        }
        (bytes, self.valid_behind(journal, epoch, u64::MAX), segments)
    }

    /// A segment without a slot goes, unless it is all there is to continue from. Frames of a slot that is
    /// not whole do not count.
    fn drop_empty_end(&mut self) {
        let empty = |kept: &Kept| kept.contents.end == PAGE && kept.digest.is_none();
        if (self.place == Place::Bad || self.place == Place::Clean)
            && self.kept.last().is_some_and(empty)
            && (self.kept.len() > 1 || self.next_seq == 0)
        {
            self.kept.pop();
        }
    }
}

/// Opens the books of the segments that reading has come to.
fn enter(kept: &mut Vec<Kept>, journal: &Journal, frames: &Frames<'_>) {
    let reached = if frames.is_inside() { frames.index() + 1 } else { frames.index() };
    while kept.len() < reached {
        let mapped = &journal.segments[kept.len()];
        let header = mapped.header.as_ref().expect("Invariant: reading went through it");
        let (first_seq, next_seq) = (header.base_seq, header.base_seq);
        let (number, epoch) = (mapped.number, header.epoch);
        let contents =
            Contents { number, epoch, end: PAGE, frames: 0, first_seq, next_seq, is_final: false };
        kept.push(Kept { contents, digest: None });
    }
}

impl Facts {
    const NOTHING: Self = Self {
        superblock: Block::Whole,
        place: Place::Bad,
        durable: false,
        sealed: false,
        followed: false,
        older: false,
    };
}

/// What a refusal says: the case, and the place, sequence and finding.
fn refusal_of(facts: Facts, dir: &Path, walk: Option<Walk>) -> JournalError {
    let case = decide(facts);
    match (case, walk) {
        (Case::I, _) | (_, None) => JournalError::NoSuperblock { dir: dir.to_owned() },
        (Case::K, Some(_)) => {
            let path = dir.join(FILE_NAME);
            JournalError::SuperblockDamaged {
                path,
                what: "it is of an earlier epoch than a segment",
            }
        }
        (_, Some(walk)) => JournalError::Damaged {
            segment: walk.at.0,
            offset: walk.at.1,
            expected_seq: walk.next_seq,
            what: format!("{}: {}", case.words(), walk.found),
        },
    }
}
