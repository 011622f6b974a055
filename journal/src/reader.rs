//! Opens a journal for reading: maps the segments, judges their headers. Takes no lock.

use crate::error::{Finding, JournalError};
use crate::frame::{Rules, is_zero, seed};
use crate::frames::Frames;
use crate::header::{FirstPage, PAGE, SegmentHeader, VERSION, file_name, layout_hash, number_of};
use crate::map;
use crate::preparer::OPEN_MODE;
use memmap2::Mmap;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A journal opened for reading. It may be unsealed (after a kill). While a writer is alive, only
/// slots below its watermark are settled; the tail beyond may look torn.
#[derive(Debug)]
pub struct Journal {
    pub(crate) dir: PathBuf,
    /// The segments in use, in order, without the spares behind them.
    pub(crate) segments: Vec<Mapped>,
    pub(crate) rules: Rules,
    /// Where the first spare holds a byte that is not zero.
    pub(crate) spare: Option<(u32, u64)>,
    /// True if a whole spare is the segment after the last one in use.
    pub(crate) goes_on_in_spare: bool,
}

/// A segment in use, mapped.
#[derive(Debug)]
pub(crate) struct Mapped {
    pub(crate) number: u32,
    pub(crate) map: Mmap,
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
    /// Maps all segments and looks at their headers. Damage is left for [`Frames`] to meet, so that
    /// all that lies before it can be read.
    ///
    /// # Errors
    /// There is no journal ([`JournalError::NoJournal`]), nothing in it was written by this engine
    /// ([`JournalError::NotAJournal`]), a whole header is of another format or layout
    /// ([`JournalError::NewerFormat`], [`JournalError::OtherLayout`]), or a segment is no file or
    /// cannot be mapped.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, JournalError> {
        let dir = dir.as_ref();
        let mut segments: Vec<Mapped> = Vec::new();
        let mut spares = Vec::new();
        for number in numbers(dir)? {
            let Some(mapped) = Mapped::open(dir, number, segments.is_empty())? else {
                spares.push(number);
                continue;
            };
            // A segment in use behind an empty one: the empty one lost its header.
            for number in spares.drain(..) {
                segments.push(Mapped::headless(dir, number)?);
            }
            segments.push(mapped);
        }
        let Some(first) = segments.first() else {
            return Err(JournalError::NoJournal { dir: dir.to_owned() });
        };
        let rules = Rules::new();
        if segments.iter().all(|segment| segment.foreign && !segment.has_frames(&rules)) {
            return Err(JournalError::NotAJournal { path: dir.join(file_name(first.number)) });
        }
        let dir = dir.to_owned();
        let mut journal = Self { dir, segments, rules, spare: None, goes_on_in_spare: false };
        journal.look_at(&spares)?;
        Ok(journal)
    }

    /// All frames from the beginning.
    pub fn frames(&self) -> Frames<'_> {
        Frames::new(self)
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
    fn look_at(&mut self, spares: &[u32]) -> Result<(), JournalError> {
        let last = self.segments.last().map(|last| (last.number.saturating_add(1), last.map.len()));
        for number in spares {
            let spare = Mapped::headless(&self.dir, *number)?;
            if let Some(at) = crate::frame::first_set(spare.head()) {
                self.spare = Some((*number, at as u64));
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
    fn open(dir: &Path, number: u32, first: bool) -> Result<Option<Self>, JournalError> {
        let path = dir.join(file_name(number));
        let mut mapped = Self::headless(dir, number)?;
        let page = &mapped.map[..mapped.map.len().min(PAGE)];
        mapped.header = match SegmentHeader::read(page) {
            // Spares can be written: only a segment in use is sealed.
            FirstPage::Spare if mapped.read_only || first && !is_zero(mapped.head()) => {
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

    fn headless(dir: &Path, number: u32) -> Result<Self, JournalError> {
        let path = dir.join(file_name(number));
        let metadata = std::fs::metadata(&path).map_err(JournalError::io("look up", &path))?;
        if !metadata.is_file() {
            // Not opened: a pipe would block.
            return Err(JournalError::NotAFile { path });
        }
        let file = File::open(&path).map_err(JournalError::io("open", &path))?;
        let map = map::map_readable(&file).map_err(JournalError::io("map", &path))?;
        let what = if map.is_empty() { "the file is empty" } else { "the header is empty" };
        let mode = metadata.permissions().mode() & 0o777;
        Ok(Self {
            number,
            map,
            header: Err(what.to_owned()),
            read_only: mode & 0o222 == 0,
            private: mode == OPEN_MODE,
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

/// True if the directory holds a segment with anything in it. Files of zeros that the writer's
/// permissions mark as its own are leftovers of a start that was killed before its first header.
pub(crate) fn has_segment(dir: &Path) -> Result<bool, JournalError> {
    for number in segment_numbers(dir)? {
        let file = Mapped::headless(dir, number)?;
        if !file.private || !is_zero(&file.map) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Deletes all segments, the first one first: a kill on the way leaves spares only.
pub(crate) fn remove_segments(dir: &Path) -> Result<(), JournalError> {
    for number in segment_numbers(dir)? {
        let path = dir.join(file_name(number));
        std::fs::remove_file(&path).map_err(JournalError::io("delete", &path))?;
    }
    Ok(())
}

/// The segments' numbers, in order; at least one.
fn numbers(dir: &Path) -> Result<Vec<u32>, JournalError> {
    let numbers = segment_numbers(dir)?;
    if numbers.is_empty() {
        return Err(JournalError::NoJournal { dir: dir.to_owned() });
    }
    Ok(numbers)
}

fn segment_numbers(dir: &Path) -> Result<Vec<u32>, JournalError> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        entries => entries
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(JournalError::io("list", dir))?,
    };
    let mut numbers: Vec<u32> =
        entries.iter().filter_map(|entry| number_of(entry.file_name().to_str()?)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}
