//! Opens a journal for reading: maps the segments, judges their headers. Takes no lock.

use crate::disk::Disk;
use crate::error::{Finding, JournalError};
use crate::frame::{Rules, is_zero, seed};
use crate::frames::{Bookmark, Frames};
use crate::header::{
    FirstPage, MAGIC, PAGE, SegmentHeader, VERSION, file_name, layout_hash, number_of,
};
use crate::store::{Bytes, OPEN_MODE, Store};
use crate::superblock::{FILE_NAME, Found, Superblock};
use std::io;
use std::path::{Path, PathBuf};

/// A journal opened for reading. It may be unsealed (after a kill). While a writer is alive, only
/// slots below its watermark are settled; the tail beyond may look torn.
#[derive(Debug)]
pub struct Journal {
    pub(crate) dir: PathBuf,
    /// The segments in use, in order, without the spares behind them.
    pub(crate) segments: Vec<Mapped>,
    pub(crate) rules: Rules,
    /// None in a journal of an earlier build: then nothing is known to be durable.
    pub(crate) superblock: Option<Superblock>,
    /// How many of its two copies are whole.
    pub(crate) superblock_copies: u8,
    /// True if something was appended to them.
    pub(crate) superblock_longer: bool,
    /// The first spare that is not empty, and where its first byte lies that is not zero.
    pub(crate) spare: Option<(Mapped, u64)>,
    /// True if a whole spare is the segment after the last one in use.
    pub(crate) goes_on_in_spare: bool,
}

/// A segment in use, mapped.
#[derive(Debug)]
pub(crate) struct Mapped {
    pub(crate) number: u32,
    pub(crate) map: Bytes,
    /// The header, or what is wrong with it.
    pub(crate) header: Result<SegmentHeader, String>,
    /// True if its permissions say that it was sealed.
    pub(crate) read_only: bool,
    /// True if its permissions are those that the writer gave it.
    private: bool,
    /// True if nothing in its header is a segment's.
    foreign: bool,
}

/// What a segment's header says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentInfo {
    /// Its file.
    pub path: PathBuf,
    /// Its header.
    pub header: SegmentHeader,
}

impl Journal {
    /// Maps all segments and looks at their headers. Damage in segments is left for [`Frames`] to meet, so
    /// that all that lies before it can be read.
    ///
    /// # Errors
    /// There is no journal ([`JournalError::NoJournal`]), nothing in it was written by this engine
    /// ([`JournalError::NotAJournal`]), a whole header is of another format or layout
    /// ([`JournalError::NewerFormat`], [`JournalError::OtherLayout`]), no copy of the superblock is whole
    /// ([`JournalError::SuperblockDamaged`]), or a segment is no file or cannot be mapped.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, JournalError> {
        Self::open_on(&Disk::default(), dir)
    }

    /// As [`Journal::open`], on this store.
    ///
    /// # Errors
    /// As for [`Journal::open`].
    pub fn open_on(store: &dyn Store, dir: impl AsRef<Path>) -> Result<Self, JournalError> {
        let dir = dir.as_ref();
        loop {
            // Before the segments: what it calls durable must then be found in them.
            let block = superblock_of(store, dir)?;
            let opened = Self::open_as(store, dir, block);
            // Retention may have removed the first ones meanwhile; it says so before it does.
            let first = |block: Option<Superblock>| block.map(|block| block.first_segment);
            if first(superblock_of(store, dir)?.0) == first(block.0) {
                return opened;
            }
        }
    }

    fn open_as(
        store: &dyn Store,
        dir: &Path,
        (superblock, superblock_copies, superblock_longer): Block,
    ) -> Result<Self, JournalError> {
        let first = superblock.map_or(0, |block| block.first_segment);
        let mut segments: Vec<Mapped> = Vec::new();
        let mut spares = Vec::new();
        // Older ones are what a retention that was killed has left.
        for number in numbers(store, dir)?.into_iter().filter(|number| *number >= first) {
            let Some(mapped) = Mapped::open(store, dir, number, segments.is_empty())? else {
                spares.push(number);
                continue;
            };
            // A segment in use behind an empty one: the empty one lost its header.
            for number in spares.drain(..) {
                segments.push(Mapped::headless(store, dir, number)?);
            }
            segments.push(mapped);
        }
        let Some(first) = segments.first() else {
            return Err(match superblock {
                Some(block) if block.durable > 0 => JournalError::Damaged {
                    segment: block.first_segment,
                    offset: 0,
                    expected_seq: block.first_seq,
                    what: format!("sequences below {} were durable, and are gone", block.durable),
                },
                _ => JournalError::NoJournal { dir: dir.to_owned() },
            });
        };
        let rules = Rules::new();
        if segments.iter().all(|segment| segment.foreign && !segment.has_frames(&rules)) {
            return Err(JournalError::NotAJournal { path: dir.join(file_name(first.number)) });
        }
        let mut journal = Self {
            dir: dir.to_owned(),
            segments,
            rules,
            superblock,
            superblock_copies,
            superblock_longer,
            spare: None,
            goes_on_in_spare: false,
        };
        journal.look_at(store, &spares)?;
        Ok(journal)
    }

    /// Every sequence below this one is on the disk, as the superblock says; 0 in a journal of an earlier
    /// build, which has none.
    pub fn durable(&self) -> u64 {
        self.superblock.map_or(0, |block| block.durable)
    }

    /// What the superblock says, if there is one.
    pub fn superblock(&self) -> Option<&Superblock> {
        self.superblock.as_ref()
    }

    /// All frames from the beginning.
    pub fn frames(&self) -> Frames<'_> {
        Frames::new(self)
    }

    /// The frames behind a place where an earlier reading of this same journal stopped.
    pub fn frames_at(&self, mark: Bookmark) -> Frames<'_> {
        Frames::at(self, mark)
    }

    /// All frames from the beginning of the segment that holds this sequence: what lies before it is neither
    /// read nor checked. Of the segments before it only the headers are looked at.
    pub fn frames_from(&self, seq: u64) -> Frames<'_> {
        let mut frames = Frames::new(self);
        let begins =
            |segment: &Mapped| segment.header.as_ref().is_ok_and(|header| header.base_seq <= seq);
        if let Some(index) = self.segments.iter().rposition(begins)
            && index > 0
        {
            frames.resume(index);
        }
        frames
    }

    /// The segments in use whose headers are whole, in order.
    pub fn segments(&self) -> impl Iterator<Item = SegmentInfo> + '_ {
        self.segments.iter().filter_map(|segment| {
            let header = *segment.header.as_ref().ok()?;
            Some(SegmentInfo { path: self.dir.join(file_name(segment.number)), header })
        })
    }

    /// Where a spare holds something, and whether the first one is the next segment. The first page
    /// of frames is looked at, as a segment in use always starts there.
    fn look_at(&mut self, store: &dyn Store, spares: &[u32]) -> Result<(), JournalError> {
        let last = self.segments.last().map(|last| (last.number.saturating_add(1), last.map.len()));
        for number in spares {
            let spare = Mapped::headless(store, &self.dir, *number)?;
            if let Some(at) = first_set_in_spare(spare.head()) {
                self.spare = Some((spare, at as u64));
                return Ok(());
            }
            // Spares further on may be half-made, but a roll takes only a whole one.
            self.goes_on_in_spare |= spare.private && last == Some((*number, spare.map.len()));
        }
        Ok(())
    }
}

impl Mapped {
    /// Maps a segment; `None` for a spare.
    fn open(
        store: &dyn Store,
        dir: &Path,
        number: u32,
        first: bool,
    ) -> Result<Option<Self>, JournalError> {
        let path = dir.join(file_name(number));
        let mut mapped = Self::headless(store, dir, number)?;
        let page = &mapped.map[..mapped.map.len().min(PAGE)];
        mapped.header = match SegmentHeader::read(page) {
            // Spares can be written: only a segment in use is sealed.
            FirstPage::Spare
                if mapped.read_only || first && first_set_in_spare(mapped.head()).is_some() =>
            {
                return Ok(Some(mapped));
            }
            FirstPage::Spare => return Ok(None),
            FirstPage::Foreign => {
                mapped.foreign = true;
                Err("the header is not a segment's".to_owned())
            }
            FirstPage::Newer(found) => {
                return Err(JournalError::NewerFormat { path, found, known: VERSION });
            }
            FirstPage::OtherLayout(found) => {
                return Err(JournalError::OtherLayout { path, found, ours: layout_hash() });
            }
            FirstPage::Damaged(why) => Err(why.to_owned()),
            FirstPage::Header(header) => header.fits(number, mapped.map.len()).map(|()| header),
        };
        Ok(Some(mapped))
    }

    fn headless(store: &dyn Store, dir: &Path, number: u32) -> Result<Self, JournalError> {
        let path = dir.join(file_name(number));
        let view = store.view(&path).map_err(JournalError::io("map", &path))?;
        if !view.is_file {
            return Err(JournalError::NotAFile { path });
        }
        let map = view.bytes;
        let what = if map.is_empty() { "the file is empty" } else { "the header is empty" };
        Ok(Self {
            number,
            map,
            header: Err(what.to_owned()),
            read_only: view.mode & 0o222 == 0,
            private: view.mode == OPEN_MODE,
            foreign: false,
        })
    }

    /// The header page and the first page of frames, as far as there are any.
    fn head(&self) -> &[u8] {
        &self.map[..self.map.len().min(2 * PAGE)]
    }

    /// True if any frame of this segment is valid, whatever the header says.
    fn has_frames(&self, rules: &Rules) -> bool {
        let in_header = self.map.get(20..24).and_then(|bytes| bytes.first_chunk());
        let epochs = [1, in_header.map_or(1, |bytes| u32::from_le_bytes(*bytes))];
        let mut seeds = epochs.iter().map(|epoch| seed(*epoch, self.number));
        seeds.any(|seed| rules.search(&self.map, PAGE, seed).is_some())
    }

    pub(crate) fn finding(&self, offset: usize, expected_seq: u64, what: String) -> Finding {
        Finding { segment: self.number, offset: offset as u64, expected_seq, what }
    }
}

impl SegmentHeader {
    fn fits(&self, number: u32, len: usize) -> Result<(), String> {
        if self.segment != number {
            return Err(format!("the header is of segment {}", self.segment));
        }
        if self.segment_bytes != len as u64 || len < 2 * PAGE {
            return Err(format!("the file has {len} bytes of {}", self.segment_bytes));
        }
        Ok(())
    }
}

/// The superblock, how many of its copies are whole, and whether something lies behind them.
type Block = (Option<Superblock>, u8, bool);

fn superblock_of(store: &dyn Store, dir: &Path) -> Result<Block, JournalError> {
    let path = || dir.join(FILE_NAME);
    match Superblock::find(store, dir)? {
        Found::Absent => Ok((None, 0, false)),
        Found::Whole(block, copies, longer) => Ok((Some(block), copies, longer)),
        Found::Damaged(why) => {
            // A start that was killed before its first segment had not finished writing it.
            if !has_segment(store, dir)? {
                return Err(JournalError::NoJournal { dir: dir.to_owned() });
            }
            Err(JournalError::SuperblockDamaged { path: path(), what: why })
        }
        Found::Newer(found) => {
            let known = crate::superblock::VERSION;
            Err(JournalError::NewerFormat { path: path(), found, known })
        }
    }
}

/// Where a spare holds anything, in these first bytes of it. Part of a header without its magic, which is
/// stored last, is what a kill in the middle of taking it into use leaves.
fn first_set_in_spare(head: &[u8]) -> Option<usize> {
    let unsigned = is_zero(&head[..head.len().min(MAGIC.len())]);
    let skip = if unsigned { size_of::<SegmentHeader>().min(head.len()) } else { 0 };
    crate::frame::first_set(&head[skip..]).map(|at| skip + at)
}

/// True if the directory holds a segment with anything in it. Files of zeros that the writer's
/// permissions mark as its own are leftovers of a start that was killed before its first header.
pub(crate) fn has_segment(store: &dyn Store, dir: &Path) -> Result<bool, JournalError> {
    for number in segment_numbers(store, dir)? {
        let file = Mapped::headless(store, dir, number)?;
        if !file.private || !is_zero(&file.map) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Deletes all segments, the first one first: a kill on the way leaves spares only.
pub(crate) fn remove_segments(store: &dyn Store, dir: &Path) -> Result<(), JournalError> {
    for number in segment_numbers(store, dir)? {
        let path = dir.join(file_name(number));
        store.remove(&path).map_err(JournalError::io("delete", &path))?;
    }
    Ok(())
}

/// The segments' numbers, in order; at least one.
fn numbers(store: &dyn Store, dir: &Path) -> Result<Vec<u32>, JournalError> {
    let numbers = segment_numbers(store, dir)?;
    if numbers.is_empty() && Superblock::find(store, dir)? == Found::Absent {
        return Err(JournalError::NoJournal { dir: dir.to_owned() });
    }
    Ok(numbers)
}

pub(crate) fn segment_numbers(store: &dyn Store, dir: &Path) -> Result<Vec<u32>, JournalError> {
    let names = match store.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        names => names.map_err(JournalError::io("list", dir))?,
    };
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| number_of(name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}
