//! Reads a journal behind its writer, in this process or another one, frame by frame.
//!
//! ```text
//!  segment 7 ─ footer ─▶ segment 8 …… position ……▶ limit          writer
//!                                       seq         │ `journaled`, by the writer's own watermark, or
//!                                                   │ `durable`, by the superblock: any process may look
//! ```
//!
//! A follower stops at a watermark, never at the first zero, and the writer does not know of it: it maps
//! files and reads. Another process goes by `durable`, so that no sink ever holds a record that a power cut
//! takes from the journal. Retention spares what a follower has not read if it is told the position.

use crate::Watermark;
use crate::disk::Disk;
use crate::error::JournalError;
use crate::frame::{Found as Place, Rules, head, seed};
use crate::frames::FrameRef;
use crate::header::{FirstPage, PAGE, SegmentHeader, file_name};
use crate::reader::has_segment;
use crate::store::{Bytes, Store};
use crate::superblock::{Found, Superblock};
use ringbuf_layout::frame::{FLAGS_OFFSET, Kind, LAST};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A place between two slots, to be stored with what was made of the slots before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// Segment of the next slot, or of the end of the one before it.
    pub segment: u32,
    /// Its first byte, or where the one before it ends.
    pub offset: u64,
    /// Its sequence.
    pub seq: u64,
}

/// How far a follower may read.
#[derive(Clone, Debug)]
pub enum Until {
    /// What the writer of this process has journaled.
    Journaled(Arc<Watermark>),
    /// What the superblock calls durable. With syncing off that is nothing until the journal is closed.
    Durable,
}

/// Reads whole slots behind a writer.
#[derive(Debug)]
pub struct Follower {
    store: Arc<dyn Store>,
    dir: PathBuf,
    rules: Rules,
    until: Until,
    /// Slots below it may be read.
    limit: u64,
    /// Where the next frame lies, and which frame of its slot it is.
    at: Position,
    index: u16,
    /// The last place between two slots.
    settled: Position,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    bytes: Bytes,
    header: SegmentHeader,
}

impl Follower {
    /// From a stored position, or from the first segment there is.
    ///
    /// # Errors
    /// There is no journal, its superblock is damaged, or the position was retired.
    pub fn open(
        dir: impl AsRef<Path>,
        position: Option<Position>,
        until: Until,
    ) -> Result<Self, JournalError> {
        Self::open_on(Arc::new(Disk::default()), dir, position, until)
    }

    /// As [`Follower::open`], on this store.
    ///
    /// # Errors
    /// As for [`Follower::open`].
    pub fn open_on(
        store: Arc<dyn Store>,
        dir: impl AsRef<Path>,
        position: Option<Position>,
        until: Until,
    ) -> Result<Self, JournalError> {
        let dir = dir.as_ref().to_owned();
        let block = superblock(&*store, &dir)?;
        let (segment, seq) = (block.first_segment, block.first_seq);
        let first = Position { segment, offset: PAGE as u64, seq };
        // All that it had read is gone, and nothing else.
        let at = position.filter(|at| at.segment >= segment || at.seq != seq).unwrap_or(first);
        // What is durable ends in the last segment that the superblock knows, or where the next one begins.
        let last = block.last_segment.saturating_add(1);
        if matches!(until, Until::Durable) && at.segment > last {
            let Position { segment, offset, seq } = at;
            return Err(JournalError::PositionGone { segment, offset, seq });
        }
        if at.segment < block.first_segment {
            return Err(JournalError::Retired { segment: at.segment, first: block.first_segment });
        }
        let rules = Rules::new();
        Ok(Self { store, dir, rules, until, limit: 0, at, index: 0, settled: at, open: None })
    }

    /// The place behind the last whole slot that was read.
    pub fn position(&self) -> Position {
        self.settled
    }

    /// The next frame; `None` where the limit is reached for now.
    ///
    /// # Errors
    /// A record below the limit is not what was written, retention was faster, or a recovery has cut what
    /// was read before ([`JournalError::PositionGone`]).
    ///
    /// # Panics
    /// Never: a frame that was found lies in an open segment.
    #[expect(clippy::should_implement_trait, reason = "it lends from itself")]
    pub fn next(&mut self) -> Result<Option<FrameRef<'_>>, JournalError> {
        let (start, len) = loop {
            if self.at.seq >= self.limit {
                self.limit = self.look()?;
                if self.at.seq >= self.limit {
                    return Ok(None);
                }
            }
            if self.open.is_none() {
                self.open = Some(self.enter()?);
            }
            if let Some(found) = self.find()? {
                break found;
            }
            self.at = Position { segment: self.at.segment + 1, offset: PAGE as u64, ..self.at };
            self.open = None;
        };
        self.at.offset = (start + len) as u64;
        self.index += 1;
        let (segment, offset) = (self.at.segment, start as u64);
        let bytes = &self.open.as_ref().expect("Invariant: a frame was found in it").bytes;
        let bytes = &bytes[start..start + len];
        if bytes[FLAGS_OFFSET] & LAST != 0 {
            self.at.seq += 1;
            self.index = 0;
            self.settled = self.at;
        }
        Ok(Some(FrameRef { bytes, segment, offset }))
    }

    fn look(&self) -> Result<u64, JournalError> {
        match &self.until {
            Until::Journaled(watermark) => Ok(watermark.next_seq()),
            Until::Durable => Ok(superblock(&*self.store, &self.dir)?.durable),
        }
    }

    /// The frame at this place, in order; `None` where the segment ends.
    fn find(&self) -> Result<Option<(usize, usize)>, JournalError> {
        let open = self.open.as_ref().expect("Invariant: it was entered");
        let (at, seed) = (self.at.offset as usize, seed(open.header.epoch, open.header.segment));
        let why = match self.rules.find(&open.bytes, at, seed) {
            Place::Frame(start, frame) => {
                let head = head(frame);
                if head.kind == Kind::Footer as u8 {
                    return if self.goes_on()? { Ok(None) } else { Err(self.gone()) };
                }
                if (head.seq, u16::from(head.index)) == (self.at.seq, self.index) {
                    return Ok(Some((start, frame.len())));
                }
                "another frame"
            }
            // Left by the writer; its footer is being written, or was never.
            Place::Nothing | Place::Bad(..) if self.index == 0 && self.goes_on()? => {
                return Ok(None);
            }
            Place::Nothing => "zeros where a frame should be",
            Place::Bad(_, why) => why,
        };
        if self.cut()? {
            return Err(self.gone());
        }
        Err(self.damage(why))
    }

    /// True if the next segment begins with the sequence that is due.
    fn goes_on(&self) -> Result<bool, JournalError> {
        let next = self.view(self.at.segment.saturating_add(1))?;
        Ok(next.is_some_and(|next| next.header.base_seq == self.at.seq))
    }

    /// True if a later segment begins below the sequence that is due: a recovery went back further.
    fn cut(&self) -> Result<bool, JournalError> {
        let next = self.view(self.at.segment + 1)?;
        Ok(next.is_some_and(|next| next.header.base_seq < self.at.seq))
    }

    fn gone(&self) -> JournalError {
        let Position { segment, offset, seq } = self.at;
        JournalError::PositionGone { segment, offset, seq }
    }

    fn damage(&self, what: &str) -> JournalError {
        let Position { segment, offset, seq: expected_seq } = self.at;
        JournalError::Damaged { segment, offset, expected_seq, what: what.to_owned() }
    }

    /// Maps the segment of the position.
    fn enter(&self) -> Result<Open, JournalError> {
        let Some(open) = self.view(self.at.segment)? else {
            let first = superblock(&*self.store, &self.dir)?.first_segment;
            return Err(if first > self.at.segment {
                JournalError::Retired { segment: self.at.segment, first }
            } else {
                self.damage("the segment is missing, or not in use")
            });
        };
        let begins = self.at.offset == PAGE as u64;
        let base_seq = open.header.base_seq;
        if base_seq > self.at.seq || begins && base_seq != self.at.seq {
            return Err(self.gone());
        }
        Ok(open)
    }

    /// A segment in use; `None` for one that is not there, or a spare.
    fn view(&self, segment: u32) -> Result<Option<Open>, JournalError> {
        let path = self.dir.join(file_name(segment));
        let bytes = match self.store.view(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            view => view.map_err(JournalError::io("map", &path))?.bytes,
        };
        match SegmentHeader::read(&bytes[..bytes.len().min(PAGE)]) {
            FirstPage::Header(header) if header.segment == segment => {
                Ok(Some(Open { bytes, header }))
            }
            FirstPage::Spare => Ok(None),
            _ => Err(self.damage("the segment's header is not what was written")),
        }
    }
}

fn superblock(store: &dyn Store, dir: &Path) -> Result<Superblock, JournalError> {
    let path = || dir.join(crate::superblock::FILE_NAME);
    match Superblock::find(store, dir)? {
        Found::Whole(block, ..) => Ok(block),
        Found::Absent if !has_segment(store, dir)? => {
            Err(JournalError::NoJournal { dir: dir.to_owned() })
        }
        Found::Absent => Err(JournalError::NoSuperblock { dir: dir.to_owned() }),
        Found::Damaged(what) => Err(JournalError::SuperblockDamaged { path: path(), what }),
        Found::Newer(found) => {
            let known = crate::superblock::VERSION;
            Err(JournalError::NewerFormat { path: path(), found, known })
        }
    }
}
