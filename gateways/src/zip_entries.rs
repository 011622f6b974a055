//! The files inside a zip, read as streams: never decompressed as a whole, checked at their
//! end.

use crate::files::{self, Bytes};
use engine::Problem;
use flate2::Crc;
use flate2::read::DeflateDecoder;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use zip::{CompressionMethod, ZipArchive};

/// One file inside a zip.
#[derive(Debug)]
pub(crate) struct Entry {
    pub path: PathBuf,
    /// How messages name it: zip and inner name.
    pub place: String,
    /// Its name within the zip.
    pub name: String,
    offset: u64,
    packed: u64,
    length: u64,
    crc: u32,
    deflated: bool,
}

const GET_AGAIN: &str = "fetch or copy the file again; it is not whole";

/// The files inside a zip, in the order of its directory.
pub(crate) fn list(path: &Path) -> Result<Vec<Entry>, Problem> {
    let place = path.display().to_string();
    let damaged = |e: &zip::result::ZipError| {
        Problem::new(format!("not a whole zip file: {e}"), place.clone(), GET_AGAIN)
    };
    let file = BufReader::new(files::open_file(path)?);
    let mut archive = ZipArchive::new(file).map_err(|e| damaged(&e))?;
    let mut entries = Vec::new();
    for index in 0..archive.len() {
        let inner = archive.by_index_raw(index).map_err(|e| damaged(&e))?;
        if inner.is_dir() {
            continue;
        }
        let name = String::from_utf8_lossy(inner.name_raw()).into_owned();
        let place = format!("{place}, {}", name.escape_debug());
        let deflated = match inner.compression() {
            CompressionMethod::Deflated => true,
            CompressionMethod::Stored => false,
            other => return Err(unpackable(&format!("compressed by {other}"), place)),
        };
        if inner.encrypted() {
            return Err(unpackable("encrypted", place));
        }
        let Some(offset) = inner.data_start() else {
            return Err(Problem::new("the file inside the zip has no start", place, GET_AGAIN));
        };
        let (packed, length, crc) = (inner.compressed_size(), inner.size(), inner.crc32());
        let path = path.to_path_buf();
        entries.push(Entry { path, place, name, offset, packed, length, crc, deflated });
    }
    Ok(entries)
}

fn unpackable(how: &str, place: String) -> Problem {
    Problem::new(
        format!("the file inside the zip is {how}, which is not read"),
        place,
        "pack it again with a plain `zip`",
    )
}

impl Entry {
    /// The bytes of the file, decompressed as they are read.
    pub(crate) fn open(&self) -> Result<Bytes, Problem> {
        let mut file = files::open_file(&self.path)?;
        file.seek(SeekFrom::Start(self.offset)).map_err(|e| files::unreadable(&e, &self.place))?;
        let packed = file.take(self.packed);
        let plain: Bytes = if self.deflated {
            Box::new(DeflateDecoder::new_with_buf(packed, vec![0; 1 << 16]))
        } else {
            Box::new(packed)
        };
        let (length, crc) = (self.length, self.crc);
        Ok(Box::new(Checked { plain, seen: Crc::new(), length, crc }))
    }
}

/// Compares what was read with what the directory promises.
struct Checked {
    plain: Bytes,
    seen: Crc,
    /// Bytes still to come.
    length: u64,
    crc: u32,
}

impl Read for Checked {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let damaged = |what: &str| Err(io::Error::new(ErrorKind::InvalidData, what));
        let n = self.plain.read(out)?;
        if n as u64 > self.length {
            return damaged("it is longer than the zip's directory says");
        }
        self.length -= n as u64;
        self.seen.update(&out[..n]);
        if n == 0 && !out.is_empty() {
            if self.length > 0 {
                return damaged("it ends before its end");
            }
            if self.seen.sum() != self.crc {
                return damaged("its checksum is wrong");
            }
        }
        Ok(n)
    }
}
