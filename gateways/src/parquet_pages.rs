//! The bytes of a parquet file, with bounds that the crate does not set: a page header says how long
//! its page is, packed and not, and the crate takes as much memory as it says.

use crate::table_rows;
use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::{ChunkReader, Length};
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

/// Largest page, packed or not. Writers make pages of about 1 MiB.
const PAGE_MAX: u64 = 128 << 20;
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
        contained(|| ParquetMetaDataReader::new().parse_and_finish(&self.file))
    }
}

impl Length for Pages {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Pages {
    type T = BufReader<File>;

    /// The header of a page: looked at here, read by the crate.
    fn get_read(&self, start: u64) -> Result<Self::T> {
        let mut begin = [0; 24];
        let have = self.length.saturating_sub(start).min(begin.len() as u64) as usize;
        self.file.read_exact_at(&mut begin[..have], start)?;
        let sizes = page_sizes(&begin[..have])
            .ok_or_else(|| ParquetError::General("a page header is damaged".to_string()))?;
        if sizes.iter().any(|size| *size > PAGE_MAX) {
            let what = format!("a page is said to have {} bytes", sizes[0].max(sizes[1]));
            return Err(ParquetError::General(what));
        }
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(start))?;
        Ok(BufReader::new(file))
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

/// Unpacked and packed size of a page, from the begin of its header: Thrift's compact protocol with
/// three integers in a row, kind, unpacked and packed size, as every writer has it.
fn page_sizes(header: &[u8]) -> Option<[u64; 2]> {
    const NEXT_FIELD_I32: u8 = 0x15;
    let mut bytes = Cursor::new(header).bytes().map_while(core::result::Result::ok);
    let mut sizes = [0; 3];
    for size in &mut sizes {
        if bytes.next()? != NEXT_FIELD_I32 {
            return None;
        }
        let (mut raw, mut shift) = (0_u64, 0);
        loop {
            let byte = bytes.next()?;
            raw |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
            if shift > 28 {
                return None;
            }
        }
        // Zigzag; a negative size is none.
        if raw & 1 == 1 {
            return None;
        }
        *size = raw >> 1;
    }
    Some([sizes[1], sizes[2]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sizes_of_a_page_header_are_read_or_refused() {
        assert_eq!(page_sizes(&[0x15, 0, 0x15, 0x80, 0x01, 0x15, 20, 0x2c]), Some([64, 10]));
        for bad in [&[][..], &[0x15], &[0x15, 0, 0x15, 1, 0x15, 2], &[0x25, 0, 0x15, 2, 0x15, 2]] {
            assert_eq!(page_sizes(bad), None, "{bad:?}");
        }
        let endless = [0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(page_sizes(&endless), None);
    }
}
