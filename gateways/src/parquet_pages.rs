//! The bytes of a parquet file, with bounds that the crate does not set: a page header says how long
//! its page is, packed and not, and how many values a dictionary has, and the crate takes as much memory as it says.

use crate::containment;
use crate::thrift_shape::{self, FILE_META_DATA, Flaw, KEPT, PAGE_HEADER, Walked};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Largest page, packed or not. Writers make pages of about 1 MiB; those that make one page of a row group's column
/// come to 8 MiB in a million rows. Each column holds one.
pub(crate) const PAGE_MAX: usize = 32 << 20;
/// Largest header of a page.
const HEADER_MAX: u64 = 16 << 20;
/// Largest description of a file: a thousand columns in a thousand row groups have about 100 MiB.
const FOOTER_MAX: u64 = 128 << 20;

/// Why a file cannot be read that is whole.
pub(crate) const ENCRYPTED: &str = "it is encrypted";

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

    /// What the file's end says of it; true if columns of it are encrypted, which the crate does not tell.
    pub(crate) fn metadata(&self) -> core::result::Result<(ParquetMetaData, bool), String> {
        let mut end = [0; 8];
        let at = self.length.checked_sub(8).ok_or("it is too short")?;
        self.file.read_exact_at(&mut end, at).map_err(|e| e.to_string())?;
        let footer = u64::from(u32::from_le_bytes([end[0], end[1], end[2], end[3]]));
        if &end[4..] == b"PARE" {
            return Err(ENCRYPTED.to_string());
        }
        if &end[4..] != b"PAR1" {
            return Err("it does not end like one".to_string());
        }
        if footer > at || footer > FOOTER_MAX {
            return Err(format!("its description is said to have {footer} bytes"));
        }
        let mut bytes = vec![0; footer as usize];
        self.file.read_exact_at(&mut bytes, at - footer).map_err(|e| e.to_string())?;
        let walked = thrift_shape::walk(&bytes, FILE_META_DATA);
        let walked = walked.map_err(|_| "its description is damaged")?;
        let metadata = contained(|| ParquetMetaDataReader::decode_metadata(&bytes))?;
        Ok((metadata, walked.kept[0].is_some()))
    }

    pub(crate) fn len(&self) -> u64 {
        self.length
    }

    /// The bytes of a page.
    pub(crate) fn body(&self, start: u64, length: usize) -> Result<Vec<u8>> {
        let end = start.checked_add(length as u64).filter(|end| *end <= self.length);
        if end.is_none() || length > PAGE_MAX {
            let what = format!("a page of {length} bytes does not lie in the file");
            return Err(ParquetError::General(what));
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes)
    }

    /// The header of the page at `start`, whole, and the numbers in it that are looked at. Most have some 60 bytes;
    /// statistics of long texts can be long.
    pub(crate) fn header(&self, start: u64) -> Result<(Vec<u8>, PageHeader)> {
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

/// What is said of a page header that cannot be.
#[cold]
pub(crate) fn damaged() -> ParquetError {
    ParquetError::General("a page header is damaged".to_string())
}

/// What a page header says of its page.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct PageHeader {
    /// Bytes, unpacked and packed.
    pub(crate) sizes: [usize; 2],
    /// How many it holds.
    pub(crate) values: u32,
    pub(crate) holds: Holds,
}

/// What a page holds; encodings by their numbers in the format.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Holds {
    Index,
    Dictionary,
    Data {
        encoding: i32,
        level_encoding: i32,
    },
    /// Of the second version.
    NewData {
        encoding: i32,
        /// Bytes of the levels before the values, which are never packed.
        levels: usize,
        is_packed: bool,
    },
}

impl PageHeader {
    /// Of what a walk through [`PAGE_HEADER`] kept: the numbers of the structure of its kind. A negative number is no size
    /// and no count, and the crate keeps 32 bits.
    fn new(kept: [Option<i64>; KEPT]) -> Option<Self> {
        let number = |place: usize| i32::try_from(kept[place]?).ok();
        let size = |place: usize| usize::try_from(number(place)?).ok();
        let count = |place: usize| u32::try_from(number(place)?).ok();
        let (values, holds) = match number(0)? {
            0 => (count(3)?, Holds::Data { encoding: number(4)?, level_encoding: number(5)? }),
            1 => (0, Holds::Index),
            2 => (count(6)?, Holds::Dictionary),
            3 => {
                let levels = size(9)? + size(10)?;
                let is_packed = kept[11] != Some(0);
                (count(7)?, Holds::NewData { encoding: number(8)?, levels, is_packed })
            }
            _ => return None,
        };
        Some(Self { sizes: [size(1)?, size(2)?], values, holds })
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
        let sizes = [0x15, 0x80, 0x01, 0x15, 20];
        let header = |kind: u8, more: &[u8]| [&[0x15, 2 * kind], &sizes[..], more].concat();
        let read = |values, holds| Some(PageHeader { sizes: [64, 10], values, holds });
        let dictionary = header(2, &[0x4c, 0x15, 6, 0x15, 0, 0, 0]);
        assert_eq!(page_header(&dictionary), read(3, Holds::Dictionary));
        // With a checksum.
        let data = header(0, &[0x15, 0xff, 0x01, 0x1c, 0x15, 8, 0x15, 14, 0x15, 6, 0x15, 6, 0, 0]);
        assert_eq!(page_header(&data), read(4, Holds::Data { encoding: 7, level_encoding: 3 }));
        assert_eq!(page_header(&header(1, &[0x3c, 0, 0])), read(0, Holds::Index));
        let new = [0x5c, 0x15, 8, 0x15, 0, 0x15, 8, 0x15, 12, 0x15, 10, 0x15, 2];
        for (flag, is_packed) in [(&[][..], true), (&[0x11], true), (&[0x12], false)] {
            let new = header(3, &[&new, flag, &[0, 0]].concat());
            let holds = Holds::NewData { encoding: 6, levels: 6, is_packed };
            assert_eq!(page_header(&new), read(4, holds));
        }
        // A page of data's structure, then the dictionary's own, whose number counts.
        let both = header(2, &[0x2c, 0x15, 6, 0, 0x2c, 0x15, 8, 0, 0]);
        assert_eq!(page_header(&both), read(4, Holds::Dictionary));
        let bad: [&[u8]; 8] = [
            &[0],
            &header(0, &[0]), // no structure of its kind
            &header(2, &[0x2c, 0x15, 6, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0]), // that of another
            &header(2, &[0x4c, 0x15, 1, 0, 0]), // -1 values
            &header(4, &[0x4c, 0x15, 6, 0, 0]), // of a fifth kind
            &[0x15, 4, 0x15, 1, 0x15, 4, 0x4c, 0x15, 6, 0, 0], // a size of -1
            &[0x15, 4, 0x15, 0x80, 0x80, 0x80, 0x80, 0x20, 0x15, 4, 0x4c, 0x15, 6, 0, 0], // 2^32
            &header(3, &[0x5c, 0x15, 8, 0x15, 0, 0x15, 8, 0x15, 12, 0x15, 1, 0x15, 2, 0, 0]), // levels of -1
        ];
        for bad in bad {
            assert_eq!(page_header(bad), None, "{bad:?}");
        }
    }
}
