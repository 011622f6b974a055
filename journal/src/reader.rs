//! Opens a journal for reading: maps the segments, judges their headers. Takes no lock.

use crate::error::{Finding, JournalError};
use crate::frame::{Rules, is_zero};
use crate::frames::Frames;
use crate::header::{FirstPage, PAGE, SegmentHeader, VERSION, file_name, layout_hash, number_of};
use crate::map;
use crate::preparer::SEALED_MODE;
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
    /// Maps all segments and checks their headers.
    ///
    /// # Errors
    /// There is no journal, it is of another format or layout, or a header is damaged (then the
    /// sequence that should follow is found by reading what lies before it).
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, JournalError> {
        let journal = Self::scan(dir.as_ref())?;
        if journal.segments.iter().any(|segment| segment.header.is_err()) {
            let mut frames = journal.frames();
            while frames.next()?.is_some() {}
        }
        Ok(journal)
    }

    /// Like `open`, with damaged headers left for [`Frames`] to meet.
    pub(crate) fn scan(dir: &Path) -> Result<Self, JournalError> {
        let mut segments = Vec::new();
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
        if segments.is_empty() {
            return Err(JournalError::NoJournal { dir: dir.to_owned() });
        }
        let mut journal = Self { dir: dir.to_owned(), segments, rules: Rules::new(), spare: None };
        journal.spare = journal.set_spare(&spares)?;
        Ok(journal)
    }

    /// All frames from the beginning.
    pub fn frames(&self) -> Frames<'_> {
        Frames::new(self)
    }

    /// The segments in use, in order.
    pub fn segments(&self) -> impl Iterator<Item = SegmentInfo> + '_ {
        self.segments.iter().filter_map(|segment| {
            let header = *segment.header.as_ref().ok()?;
            Some(SegmentInfo { path: self.dir.join(file_name(segment.number)), header })
        })
    }

    /// Where a spare holds something: its first page of frames is looked at, as a segment in use
    /// always starts there.
    fn set_spare(&self, spares: &[u32]) -> Result<Option<(u32, u64)>, JournalError> {
        for number in spares {
            let spare = Mapped::headless(&self.dir, *number)?;
            let head = &spare.map[..spare.map.len().min(2 * PAGE)];
            if let Some(at) = crate::frame::first_set(head) {
                return Ok(Some((*number, at as u64)));
            }
        }
        Ok(None)
    }
}

impl Mapped {
    /// Maps a segment; `None` for a spare.
    fn open(dir: &Path, number: u32, first: bool) -> Result<Option<Self>, JournalError> {
        let path = dir.join(file_name(number));
        let mut mapped = Self::headless(dir, number)?;
        let page = &mapped.map[..mapped.map.len().min(PAGE)];
        mapped.header = match SegmentHeader::read(page) {
            FirstPage::Spare
                if first && !is_zero(&mapped.map[..mapped.map.len().min(2 * PAGE)]) =>
            {
                return Ok(Some(mapped));
            }
            FirstPage::Spare => return Ok(None),
            FirstPage::Foreign if first => return Err(JournalError::NotAJournal { path }),
            FirstPage::Foreign => Err("the header is not a segment's".to_owned()),
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
        let file = File::open(&path).map_err(JournalError::io("open", &path))?;
        let metadata = file.metadata().map_err(JournalError::io("look up", &path))?;
        let map = map::map_readable(&file).map_err(JournalError::io("map", &path))?;
        let header = Err("the header is empty, but data follows".to_owned());
        let read_only = metadata.permissions().mode() & 0o777 == SEALED_MODE;
        Ok(Self { number, map, header, read_only })
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

/// True if the directory holds any segment, spares included.
pub(crate) fn has_segment(dir: &Path) -> Result<bool, JournalError> {
    match numbers(dir) {
        Ok(_) => Ok(true),
        Err(JournalError::NoJournal { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The segments' numbers, in order; at least one.
fn numbers(dir: &Path) -> Result<Vec<u32>, JournalError> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        entries => entries
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(JournalError::io("list", dir))?,
    };
    let mut numbers: Vec<u32> =
        entries.iter().filter_map(|entry| number_of(entry.file_name().to_str()?)).collect();
    numbers.sort_unstable();
    if numbers.is_empty() {
        return Err(JournalError::NoJournal { dir: dir.to_owned() });
    }
    Ok(numbers)
}
