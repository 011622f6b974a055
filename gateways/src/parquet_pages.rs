//! The bytes of a parquet file, with bounds that the crate does not set: a page header says how long
//! its page is, packed and not, and how many values a dictionary has, and the crate takes as much memory as it says.

use crate::table_rows;
use crate::thrift_shape::{self, FILE_META_DATA, Flaw, PAGE_HEADER};
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
    table_rows::contained(|| work().map_err(|error| error.to_string()))
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

    /// The header of the page at `start`, whole. Most have some 60 bytes; statistics of long texts can be long.
    fn header(&self, start: u64) -> Result<Vec<u8>> {
        for room in [256, 64 << 10, HEADER_MAX] {
            let have = self.length.saturating_sub(start).min(room);
            let mut bytes = vec![0; have as usize];
            self.file.read_exact_at(&mut bytes, start)?;
            match thrift_shape::walk(&bytes, PAGE_HEADER) {
                Ok(length) => {
                    bytes.truncate(length);
                    return Ok(bytes);
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
        let header = self.header(start)?;
        let PageHeader { kind, sizes, values } = page_header(&header).ok_or_else(damaged)?;
        // A value has a byte at least. A dictionary is unpacked as a whole: 2^31 values are 16 GiB.
        if kind == DICTIONARY && values > sizes[0] {
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

/// Kind of a page that holds a dictionary.
const DICTIONARY: u64 = 2;

/// What a page header begins with.
#[derive(PartialEq, Eq, Debug)]
struct PageHeader {
    kind: u64,
    /// Bytes, unpacked and packed.
    sizes: [u64; 2],
    /// How many it holds.
    values: u64,
}

/// Reads the begin of a page header: Thrift's compact protocol with kind, unpacked and packed size, a checksum or
/// none, and the header of its kind, whose first field is the number of values; as every writer has it.
fn page_header(header: &[u8]) -> Option<PageHeader> {
    const NEXT_FIELD_I32: u8 = 0x15;
    const STRUCT: u8 = 12;
    /// The number of the field that holds the header of a page's kind: of data, an index, a dictionary, data again.
    const OF_KIND: [u8; 4] = [5, 6, 7, 8];
    let mut bytes = header.iter().copied();
    let number = |bytes: &mut dyn Iterator<Item = u8>| {
        let (mut raw, mut shift) = (0_u64, 0);
        loop {
            let byte = bytes.next()?;
            raw |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                // Zigzag; a negative one is no size and no count.
                return (raw & 1 == 0).then_some(raw >> 1);
            }
            if shift > 28 {
                return None;
            }
        }
    };
    let mut first = [0; 3];
    for value in &mut first {
        if bytes.next()? != NEXT_FIELD_I32 {
            return None;
        }
        *value = number(&mut bytes)?;
    }
    let (mut field, mut at) = (bytes.next()?, 3);
    if field == NEXT_FIELD_I32 {
        // The checksum may be negative: only its end matters.
        while bytes.next()? & 0x80 != 0 {}
        (field, at) = (bytes.next()?, 4);
    }
    let of_kind = usize::try_from(first[0]).ok().and_then(|kind| OF_KIND.get(kind))?;
    if field & 0xf != STRUCT || at + (field >> 4) != *of_kind || bytes.next()? != NEXT_FIELD_I32 {
        return None;
    }
    let values = number(&mut bytes)?;
    Some(PageHeader { kind: first[0], sizes: [first[1], first[2]], values })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_begin_of_a_page_header_is_read_or_refused() {
        let plain = [0x15, 4, 0x15, 0x80, 0x01, 0x15, 20, 0x4c, 0x15, 6];
        let read = PageHeader { kind: 2, sizes: [64, 10], values: 3 };
        assert_eq!(page_header(&plain), Some(read));
        let with_checksum = [0x15, 0, 0x15, 2, 0x15, 4, 0x15, 0xff, 0x01, 0x1c, 0x15, 8];
        assert_eq!(
            page_header(&with_checksum),
            Some(PageHeader { kind: 0, sizes: [1, 2], values: 4 })
        );
        // A dictionary in the field of a page of data, before its own.
        let elsewhere = [0x15, 4, 0x15, 0x80, 0x01, 0x15, 20, 0x2c, 0x15, 6, 0, 0x2c, 0x15, 8];
        assert_eq!(page_header(&elsewhere), None);
        for bad in [&[][..], &[0x15], &[0x15, 0, 0x15, 1, 0x15, 2], &[0x25, 0, 0x15, 2, 0x15, 2]] {
            assert_eq!(page_header(bad), None, "{bad:?}");
        }
        let endless = [0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(page_header(&endless), None);
    }
}
