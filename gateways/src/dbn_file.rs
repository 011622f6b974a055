//! A DBN file as a stream of records: packed or plain, with metadata or a fragment without, told
//! apart by its first bytes. One fixed buffer, whatever the file says of its lengths.

use crate::dbn_layout::{HEADER, Kind, RECORD_MAX};
use crate::dbn_metadata::{self, Mapping};
use crate::files::{self, Bytes, Fault};
use engine::Problem;
use std::io::{self, Cursor, ErrorKind, Read};
use std::path::Path;
use zstd::stream::read::Decoder as Unpacked;

/// Bytes read at a time: a few thousand records.
const BUFFER: usize = 1 << 18;
/// First bytes of a file with metadata.
const DBN: &[u8] = b"DBN";
/// First bytes of a zstd frame.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Last three of the first four bytes of a skippable zstd frame; the first is 0x50 to 0x5f.
const SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];
/// Bytes before the metadata proper.
const PRELUDE: usize = 8;
/// Longest metadata: some 400,000 symbols.
pub(crate) const METADATA_MAX: u32 = 64 << 20;
/// Versions that are read.
const VERSIONS: core::ops::RangeInclusive<u8> = 1..=3;

const GET_AGAIN: &str = "fetch or copy the file again; the records before were delivered";
const READS: &str = "`databento` reads DBN versions 1 to 3: .dbn, .dbn.frag and both as .zst";

/// What stands before the records.
#[derive(Debug, Default)]
pub(crate) struct Start {
    /// True if the file is packed.
    pub packed: bool,
    /// DBN version; `None` for a fragment.
    pub version: Option<u8>,
    /// The schema's name; `None` where the file does not say, or holds several.
    pub schema: Option<&'static str>,
    /// Which numbers stand for which symbols, and when.
    pub mappings: Vec<Mapping>,
}

/// One record. Its length fits its kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub kind: Kind,
    pub bytes: &'a [u8],
}

/// The records of a file, in order.
pub(crate) struct Records {
    input: Bytes,
    place: String,
    buffer: Vec<u8>,
    /// First byte not yet given out.
    start: usize,
    /// First byte not yet read.
    end: usize,
    /// Where the buffer begins in the unpacked file.
    offset: u64,
    /// The record given out last, from 1.
    number: u64,
    /// Why nothing more can be read. What was read before goes first.
    failed: Option<io::Error>,
}

/// Opens a file and reads what stands before its records.
pub(crate) fn open(path: &Path) -> Result<(Start, Records), Problem> {
    let place = path.display().to_string();
    let io = |e: &io::Error| files::unreadable(e, &place);
    let mut file = files::open_file(path)?;
    let mut front = [0; 8];
    let have = read_up_to(&mut file, &mut front).map_err(|e| io(&e))?;
    let front = &front[..have];
    let skippable = have >= 4 && front[0] & 0xf0 == 0x50 && front[1..4] == SKIPPABLE;
    if skippable {
        // DBZ keeps its metadata in a skippable frame before the records' own.
        return Err(retired(&place));
    }
    let whole = Cursor::new(front.to_vec()).chain(file);
    let packed = front.starts_with(&ZSTD);
    let mut input: Bytes =
        if packed { Box::new(Unpacked::new(whole).map_err(|e| io(&e))?) } else { Box::new(whole) };
    let mut prelude = [0; PRELUDE];
    let have = read_up_to(&mut input, &mut prelude).map_err(|e| io(&e))?;
    let prelude = &prelude[..have];
    let mut start = Start { packed, ..Start::default() };
    let mut records = Records {
        input,
        place,
        buffer: vec![0; BUFFER],
        start: 0,
        end: 0,
        offset: 0,
        number: 0,
        failed: None,
    };
    if prelude.starts_with(DBN) {
        metadata(prelude, &mut start, &mut records)?;
    } else {
        records.buffer[..have].copy_from_slice(prelude);
        records.end = have;
        records.looks_like_records()?;
    }
    Ok((start, records))
}

/// Reads the metadata behind `prelude`: no more is set aside than the file holds.
fn metadata(prelude: &[u8], start: &mut Start, records: &mut Records) -> Result<(), Problem> {
    let place = &records.place;
    let Some(&[_, _, _, version, a, b, c, d]) = prelude.first_chunk::<PRELUDE>() else {
        return Err(Problem::new("the file ends within its first 8 bytes", place, GET_AGAIN));
    };
    if !VERSIONS.contains(&version) {
        let fix = format!("{READS}; write it again in one of these, such as with the `dbn` tool");
        let what = format!("DBN version {version} is not read");
        return Err(Problem::new(what, place, fix));
    }
    let length = u32::from_le_bytes([a, b, c, d]);
    if length > METADATA_MAX {
        return Err(Problem::new(
            format!("the metadata is {length} bytes long; at most {METADATA_MAX} are read"),
            place,
            "check the file, or ask for fewer symbols in one file",
        ));
    }
    let mut bytes = prelude.to_vec();
    let read = (&mut records.input).take(u64::from(length)).read_to_end(&mut bytes);
    read.map_err(|e| files::unreadable(&e, place))?;
    if bytes.len() < PRELUDE + length as usize {
        let fix = "fetch or copy the file again";
        return Err(Problem::new("the file ends within its metadata", place, fix));
    }
    let metadata = dbn_metadata::parse(&bytes, place)?;
    start.version = Some(version);
    start.schema = metadata.schema;
    start.mappings = metadata.mappings;
    records.offset = bytes.len() as u64;
    Ok(())
}

fn retired(place: &str) -> Problem {
    Problem::new(
        "this is a DBZ file, a format that Databento retired in favour of DBN",
        place,
        "download it again as DBN, or convert it with the `dbn` command: `dbn FILE.dbz -o FILE.dbn`",
    )
}

/// Reads until `out` is full or the input ends.
fn read_up_to(input: &mut impl Read, out: &mut [u8]) -> io::Result<usize> {
    let mut have = 0;
    while have < out.len() {
        match input.read(&mut out[have..]) {
            Ok(0) => break,
            Ok(n) => have += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(have)
}

impl Records {
    /// The next record; `None` at the end of the file.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Record<'_>>, Problem> {
        if self.end - self.start < RECORD_MAX && !self.fill()? {
            return Ok(None);
        }
        let available = &self.buffer[self.start..self.end];
        let length = 4 * usize::from(available[0]);
        let record_type = available.get(1).copied().unwrap_or_default();
        let (Some(kind), Some(bytes)) = (Kind::of(record_type), available.get(..length)) else {
            return Err(self.broken(length, record_type));
        };
        if length < HEADER || !kind.fits(length) {
            return Err(self.broken(length, record_type));
        }
        self.start += length;
        self.number += 1;
        Ok(Some(Record { kind, bytes }))
    }

    /// Reads until a whole record is there, if the file has one; false at its end.
    #[cold]
    fn fill(&mut self) -> Result<bool, Problem> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.offset += self.start as u64;
        self.end -= self.start;
        self.start = 0;
        while self.end < RECORD_MAX && self.failed.is_none() {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => break,
                Ok(n) => self.end += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => self.failed = Some(e),
            }
        }
        let whole = self.end > 0 && self.end >= 4 * usize::from(self.buffer[0]);
        match &self.failed {
            Some(e) if !whole => {
                let what = format!("the file cannot be read or unpacked any further: {e}");
                Err(Problem::new(what, self.here(), GET_AGAIN))
            }
            _ => Ok(self.end > 0),
        }
    }

    /// A fragment has no magic of its own: its first record must be one.
    fn looks_like_records(&mut self) -> Result<(), Problem> {
        let (at, number) = (self.start, self.number);
        match self.next() {
            Ok(_) => {
                (self.start, self.number) = (at, number);
                Ok(())
            }
            Err(problem) => Err(Problem::new(
                format!("this is no DBN file: {}", problem.what),
                self.place.clone(),
                READS,
            )),
        }
    }

    /// Why the bytes at `start` are no record.
    #[cold]
    fn broken(&self, length: usize, record_type: u8) -> Problem {
        let have = self.end - self.start;
        let what = match Kind::of(record_type) {
            _ if have < 2 || (length >= HEADER && length > have) => {
                format!("the file ends within a record: {have} bytes of {length}")
            }
            None => format!("there is no record type 0x{record_type:02x} in DBN 1 to 3"),
            Some(_) => {
                format!("a record of type 0x{record_type:02x} does not have {length} bytes")
            }
        };
        Problem::new(what, self.here(), GET_AGAIN)
    }

    /// Where the next record stands, for messages.
    fn here(&self) -> String {
        let (next, byte) = (self.number + 1, self.offset + self.start as u64);
        format!("{}, record {next} at byte {byte}", self.place)
    }

    /// The problem of the record given out last.
    #[cold]
    pub(crate) fn problem(&self, fault: Fault) -> Problem {
        let column =
            if fault.column.is_empty() { String::new() } else { format!(", {}", fault.column) };
        Problem::new(
            fault.what,
            format!("{}, record {}{column}", self.place, self.number),
            "check the file; everything before it was delivered",
        )
    }

    /// The file, for messages.
    pub(crate) fn file(&self) -> &str {
        &self.place
    }
}
