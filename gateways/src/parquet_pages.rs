//! The bytes of a parquet file, with bounds that the crate does not set: a page header says how long
//! its page is, packed and not, and how many values a dictionary has, and the crate takes as much memory as it says.

use crate::containment;
use crate::thrift_shape::{self, FILE_META_DATA, Flaw, PAGE_HEADER, Walked};
use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::{ChunkReader, Length};
use std::fs::File;
use std::io::Cursor;
use std::os::unix::fs::FileExt;

/// Largest page, packed or not. Writers make pages of about 1 MiB; those that make one page of a row group's column
/// come to 8 MiB in a million rows. Each column holds one.
const PAGE_MAX: u64 = 32 << 20;
/// Largest header of a page.
const HEADER_MAX: u64 = 16 << 20;
/// Largest description of a file: a thousand columns in a thousand row groups have about 100 MiB.
const FOOTER_MAX: u64 = 128 << 20;

/// A file whose pages are looked at before they are read.
#[derive(Debug)]
pub(crate) struct Pages {
    file: File,
    length: u64,
}

/// What the crate answers.
pub(crate) fn contained<T>(work: impl FnOnce() -> Result<T>) -> core::result::Result<T, String> {
    containment::contained(|| work().map_err(|error| error.to_string()))
}

impl Pages {
    pub(crate) fn new(file: File) -> core::result::Result<Self, String> {
        let length = file.metadata().map_err(|e| e.to_string())?.len();
        Ok(Self { file, length })
    }

    /// What the file's end says of it.
    pub(crate) fn metadata(&self) -> core::result::Result<ParquetMetaData, String> {
        let mut end = [0; 8];
        let at = self.length.checked_sub(8).ok_or("it is too short")?;
        self.file.read_exact_at(&mut end, at).map_err(|e| e.to_string())?;
        let footer = u64::from(u32::from_le_bytes([end[0], end[1], end[2], end[3]]));
        if &end[4..] == b"PARE" {
            return Err("it is encrypted".to_string());
        }
        if &end[4..] != b"PAR1" {
            return Err("it does not end like one".to_string());
        }
        if footer > at || footer > FOOTER_MAX {
            return Err(format!("its description is said to have {footer} bytes"));
        }
        let mut bytes = vec![0; footer as usize];
        self.file.read_exact_at(&mut bytes, at - footer).map_err(|e| e.to_string())?;
        thrift_shape::walk(&bytes, FILE_META_DATA).map_err(|_| "its description is damaged")?;
        contained(|| ParquetMetaDataReader::decode_metadata(&bytes))
    }

    /// The header of the page at `start`, whole, and the numbers in it that are looked at. Most have some 60 bytes;
    /// statistics of long texts can be long.
    fn header(&self, start: u64) -> Result<(Vec<u8>, PageHeader)> {
        for room in [256, 64 << 10, HEADER_MAX] {
            let have = self.length.saturating_sub(start).min(room);
            let mut bytes = vec![0; have as usize];
            self.file.read_exact_at(&mut bytes, start)?;
            match thrift_shape::walk(&bytes, PAGE_HEADER) {
                Ok(Walked { length, kept }) => {
                    bytes.truncate(length);
                    return PageHeader::new(kept).map(|page| (bytes, page)).ok_or_else(damaged);
                }
                Err(Flaw::Short) if have == room => {}
                Err(_) => break,
            }
        }
        Err(damaged())
    }
}

#[cold]
fn damaged() -> ParquetError {
    ParquetError::General("a page header is damaged".to_string())
}

impl Length for Pages {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Pages {
    type T = Cursor<Vec<u8>>;

    /// The header of a page: looked at here, read by the crate.
    fn get_read(&self, start: u64) -> Result<Self::T> {
        let (header, PageHeader { kind, sizes, values }) = self.header(start)?;
        // A value has a byte at least. A dictionary is unpacked as a whole: 2^31 values are 16 GiB.
        if kind == DICTIONARY && u64::from(values) > sizes[0] {
            return Err(damaged());
        }
        if sizes.iter().any(|size| *size > PAGE_MAX) {
            let what = format!("a page is said to have {} bytes", sizes[0].max(sizes[1]));
            return Err(ParquetError::General(what));
        }
        Ok(Cursor::new(header))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let end = start.checked_add(length as u64).filter(|end| *end <= self.length);
        if end.is_none() || length as u64 > PAGE_MAX {
            let what = format!("a page of {length} bytes does not lie in the file");
            return Err(ParquetError::General(what));
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(Bytes::from(bytes))
    }
}

/// Kinds of pages; the others hold data.
const INDEX: u32 = 1;
const DICTIONARY: u32 = 2;

/// What a page header says of its page.
#[derive(PartialEq, Eq, Debug)]
struct PageHeader {
    kind: u32,
    /// Bytes, unpacked and packed.
    sizes: [u64; 2],
    /// How many it holds.
    values: u32,
}

impl PageHeader {
    /// Of what a walk through [`PAGE_HEADER`] kept: kind, sizes, and the values by kind, which are none of an index.
    /// A negative number is no size and no count, and the crate keeps 32 bits.
    fn new([kind, unpacked, packed, values @ ..]: [Option<i64>; 7]) -> Option<Self> {
        let number = |kept: Option<i64>| i32::try_from(kept?).ok()?.try_into().ok();
        let kind: u32 = number(kind)?;
        let sizes = [number(unpacked)?.into(), number(packed)?.into()];
        let of_kind = *values.get(kind as usize)?;
        let values = if kind == INDEX { 0 } else { number(of_kind)? };
        Some(Self { kind, sizes, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_header(bytes: &[u8]) -> Option<PageHeader> {
        thrift_shape::walk(bytes, PAGE_HEADER).ok().and_then(|walked| PageHeader::new(walked.kept))
    }

    #[test]
    fn the_numbers_of_a_page_header_are_those_of_its_kind_or_it_is_damaged() {
        let plain = [0x15, 4, 0x15, 0x80, 0x01, 0x15, 20, 0x4c, 0x15, 6, 0, 0];
        let read = PageHeader { kind: 2, sizes: [64, 10], values: 3 };
        assert_eq!(page_header(&plain), Some(read));
        let with_checksum = [0x15, 0, 0x15, 2, 0x15, 4, 0x15, 0xff, 0x01, 0x1c, 0x15, 8, 0, 0];
        let read = PageHeader { kind: 0, sizes: [1, 2], values: 4 };
        assert_eq!(page_header(&with_checksum), Some(read));
        let index = [0x15, 2, 0x15, 2, 0x15, 4, 0x3c, 0, 0];
        let read = PageHeader { kind: 1, sizes: [1, 2], values: 0 };
        assert_eq!(page_header(&index), Some(read));
        // A page of data's structure, then the dictionary's own, whose number counts.
        let both = [0x15, 4, 0x15, 2, 0x15, 4, 0x2c, 0x15, 6, 0, 0x2c, 0x15, 8, 0, 0];
        let read = PageHeader { kind: 2, sizes: [1, 2], values: 4 };
        assert_eq!(page_header(&both), Some(read));
        let bad: [&[u8]; 7] = [
            &[0],
            &[0x15, 0, 0x15, 2, 0x15, 4, 0], // no structure of its kind
            &[0x15, 4, 0x15, 2, 0x15, 4, 0x2c, 0x15, 6, 0, 0], // that of another
            &[0x15, 0, 0x15, 1, 0x15, 4, 0x2c, 0x15, 6, 0, 0], // a size of -1
            &[0x15, 0, 0x15, 2, 0x15, 4, 0x2c, 0x15, 1, 0, 0], // -1 values
            &[0x15, 8, 0x15, 2, 0x15, 4, 0x2c, 0x15, 6, 0, 0], // of a fifth kind
            &[0x15, 0, 0x15, 0x80, 0x80, 0x80, 0x80, 0x20, 0x15, 4, 0x2c, 0x15, 6, 0, 0], // 2^32
        ];
        for bad in bad {
            assert_eq!(page_header(bad), None, "{bad:?}");
        }
    }
}
