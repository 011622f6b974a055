//! The pages of one column of a row group, unpacked here and decoded by the crate.
//!
//! The crate unpacks gzip, brotli and LZ4 to their end, whatever size the page's header says, and takes counts within a
//! page at their word: a page of 15 bytes can ask for 2^60. So a page is unpacked to the size that was said and bounded,
//! and its counts are looked at, before the crate sees it; it is told that the column is not packed.

use crate::parquet_pages::{Holds, PAGE_MAX, PageHeader, Pages, damaged};
use crate::thrift_shape::{number, signed};
use bytes::Bytes;
use parquet::basic::{Compression, Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length};
use std::io::{Cursor, Read};
use std::sync::{Arc, Mutex, PoisonError};

/// Most values of a dictionary: the crate keeps 32 bytes for each text. Writers end a dictionary at 1 MiB or so.
const DICTIONARY_MAX: usize = 1 << 21;
/// Most texts of a page that are packed by their differences: the crate keeps two lengths for each.
const DELTAS_MAX: u32 = 1 << 22;
/// Longest begin that a text shares with the one before: the crate copies it for each of a batch of them.
const PREFIX_MAX: i64 = 16 << 10;

/// What the crate reads a column from.
pub(crate) struct ColumnPages {
    pages: Arc<Pages>,
    codec: Compression,
    physical: Type,
    /// Bytes of a value of fixed length.
    width: usize,
    level_max: i16,
    /// Where the body of the page lies whose header was read last.
    next: Mutex<Option<(u64, PageHeader)>>,
}

impl ColumnPages {
    /// With what the crate is to believe of the column: that it is not packed.
    ///
    /// # Errors
    /// What the crate says.
    pub(crate) fn new(
        pages: Arc<Pages>,
        column: &ColumnChunkMetaData,
    ) -> Result<(Self, ColumnChunkMetaData)> {
        let description = column.column_descr();
        let pages = Self {
            pages,
            codec: column.compression(),
            physical: column.column_type(),
            width: usize::try_from(description.type_length()).unwrap_or(0),
            level_max: description.max_def_level(),
            next: Mutex::default(),
        };
        let builder = column.clone().into_builder();
        Ok((pages, builder.set_compression(Compression::UNCOMPRESSED).build()?))
    }

    /// The body of a page as it was before it was packed.
    fn unpacked(&self, page: &PageHeader, packed: Vec<u8>) -> Result<Vec<u8>> {
        let [size, packed_size] = page.sizes;
        let (levels, is_packed) = match page.holds {
            Holds::NewData { levels, is_packed, .. } => (levels, is_packed),
            _ => (0, true),
        };
        if !is_packed || self.codec == Compression::UNCOMPRESSED {
            return if size == packed_size { Ok(packed) } else { Err(damaged()) };
        }
        if levels > size.min(packed_size) {
            return Err(damaged());
        }
        if levels == size {
            // Missing values only: nothing was packed.
            return Ok(packed[..levels].to_vec());
        }
        let values = unpack(self.codec, &packed[levels..], size - levels)?;
        Ok(if levels == 0 { values } else { [&packed[..levels], &values].concat() })
    }

    /// The counts in a body, and those said of it.
    fn check(&self, page: &PageHeader, body: &[u8]) -> Option<()> {
        let (encoding, levels) = match page.holds {
            Holds::Index => return Some(()),
            Holds::Dictionary => {
                let values = page.values as usize;
                let fits = values.checked_mul(self.bytes_of_a_value())? <= body.len();
                return (fits && values <= DICTIONARY_MAX).then_some(());
            }
            Holds::Data { encoding, level_encoding } => {
                (encoding, self.levels_before(body, level_encoding, page.values)?)
            }
            Holds::NewData { encoding, levels, .. } => (encoding, levels),
        };
        let values = body.get(levels..)?;
        check_deltas(encoding, values, page.values)
    }

    /// Fewest bytes of a value in a dictionary.
    fn bytes_of_a_value(&self) -> usize {
        match self.physical {
            Type::BOOLEAN => 1,
            Type::INT32 | Type::FLOAT | Type::BYTE_ARRAY => 4,
            Type::INT64 | Type::DOUBLE => 8,
            Type::INT96 => 12,
            Type::FIXED_LEN_BYTE_ARRAY => self.width.max(1),
        }
    }

    /// Bytes before the values of a page of the first version: which of them are there.
    fn levels_before(&self, body: &[u8], level_encoding: i32, values: u32) -> Option<usize> {
        const RLE: i32 = 3;
        const BIT_PACKED: i32 = 4;
        let bits = (i16::BITS - self.level_max.leading_zeros()) as usize;
        match level_encoding {
            _ if bits == 0 => Some(0),
            RLE => {
                let length = u32::from_le_bytes(*body.first_chunk()?);
                (length as usize).checked_add(4)
            }
            BIT_PACKED => Some((bits * values as usize).div_ceil(8)),
            _ => None,
        }
    }
}

/// A page's bytes unpacked to as many as they are said to be.
fn unpack(codec: Compression, packed: &[u8], size: usize) -> Result<Vec<u8>> {
    let whole = match codec {
        Compression::SNAPPY if snap::raw::decompress_len(packed).is_ok_and(|said| said == size) => {
            snap::raw::Decoder::new().decompress_vec(packed).ok()
        }
        Compression::GZIP(_) => bounded(flate2::read::MultiGzDecoder::new(packed), size),
        Compression::BROTLI(_) => bounded(brotli::Decompressor::new(packed, 4096), size),
        Compression::ZSTD(_) => zstd::bulk::decompress(packed, size).ok(),
        Compression::LZ4_RAW => lz4_flex::block::decompress(packed, size).ok(),
        // As Hadoop frames it, as LZ4 does, or a bare block: the format did not say.
        Compression::LZ4 => hadoop_lz4(packed, size)
            .or_else(|| bounded(lz4_flex::frame::FrameDecoder::new(packed), size))
            .or_else(|| lz4_flex::block::decompress(packed, size).ok()),
        Compression::LZO => {
            return Err(ParquetError::NYI("pages packed by LZO".to_string()));
        }
        _ => None,
    };
    whole.filter(|whole| whole.len() == size).ok_or_else(|| {
        ParquetError::General(format!(
            "a page does not unpack to the {size} bytes that it is said to have"
        ))
    })
}

/// What a reader gives, unless it is more than `size`.
fn bounded(reader: impl Read, size: usize) -> Option<Vec<u8>> {
    let mut whole = Vec::with_capacity(size + 1);
    reader.take(size as u64 + 1).read_to_end(&mut whole).ok()?;
    Some(whole)
}

/// LZ4 as Hadoop frames it: blocks, each after its sizes unpacked and packed, big-endian.
fn hadoop_lz4(mut packed: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut whole = Vec::with_capacity(size);
    let number = |bytes: &[u8; 4]| u32::from_be_bytes(*bytes) as usize;
    while !packed.is_empty() {
        let (unpacked, rest) =
            packed.split_first_chunk().map(|(four, rest)| (number(four), rest))?;
        let (length, rest) = rest.split_first_chunk().map(|(four, rest)| (number(four), rest))?;
        let block = rest.get(..length)?;
        if unpacked > size - whole.len() {
            return None;
        }
        whole.extend(lz4_flex::block::decompress(block, unpacked).ok()?);
        packed = &rest[length..];
    }
    Some(whole)
}

/// Texts that are packed by the differences of their lengths: at most `most`, and no prefix is long.
fn check_deltas(encoding: i32, values: &[u8], most: u32) -> Option<()> {
    const LENGTHS: i32 = 6;
    const PREFIXES_AND_LENGTHS: i32 = 7;
    if !matches!(encoding, LENGTHS | PREFIXES_AND_LENGTHS) || values.is_empty() {
        return Some(());
    }
    if most > DELTAS_MAX {
        return None;
    }
    let start = match encoding {
        LENGTHS => 0,
        _ => walk_deltas(values, most, PREFIX_MAX)?,
    };
    walk_deltas(values.get(start..)?, most, values.len() as i64).map(drop)
}

/// The bytes that numbers of 32 bits take which are packed by their differences (`DELTA_BINARY_PACKED`); `None` if they
/// are damaged, more than `most`, or one is not within 0 and `highest`.
///
/// Format: <https://parquet.apache.org/docs/file-format/data-pages/encodings/>.
fn walk_deltas(bytes: &[u8], most: u32, highest: i64) -> Option<usize> {
    let mut rest = bytes;
    let [block, minis, count] = [number(&mut rest), number(&mut rest), number(&mut rest)];
    let (block, minis, count) = (block.ok()?, minis.ok()?, count.ok()?);
    let mut number = signed(&mut rest).ok()?;
    let within = |number: i64| (0..=highest).contains(&number);
    if count > u64::from(most) || minis == 0 || block > 1 << 20 || block % minis != 0 {
        return None;
    }
    if count > 0 && !within(number) {
        return None;
    }
    let (each, minis) = ((block / minis) as usize, minis as usize);
    let mut left = count.saturating_sub(1) as usize;
    if each == 0 || each % 8 != 0 {
        return None;
    }
    while left > 0 {
        let least = signed(&mut rest).ok()?;
        let (widths, packed) = rest.split_at_checked(minis)?;
        rest = packed;
        for width in widths.iter().map(|width| usize::from(*width)) {
            // Those behind the last number have a width and no bytes.
            let here = left.min(each);
            if here == 0 {
                break;
            }
            if width > 32 {
                return None;
            }
            let (packed, behind) = rest.split_at_checked(each * width / 8)?;
            for at in 0..here {
                let difference = least.wrapping_add(bits(packed, at * width, width));
                number = i64::from(number.wrapping_add(difference) as i32);
                if !within(number) {
                    return None;
                }
            }
            (rest, left) = (behind, left - here);
        }
    }
    Some(bytes.len() - rest.len())
}

/// `width` bits from bit `at` on, the least first; 32 at most.
fn bits(packed: &[u8], at: usize, width: usize) -> i64 {
    let mut word = [0; 8];
    let bytes = &packed[at / 8..(at + width).div_ceil(8)];
    word[..bytes.len()].copy_from_slice(bytes);
    let number = u64::from_le_bytes(word) >> (at % 8) & ((1 << width) - 1);
    number as i64
}

impl Length for ColumnPages {
    fn len(&self) -> u64 {
        self.pages.len()
    }
}

impl ChunkReader for ColumnPages {
    type T = Cursor<Vec<u8>>;

    /// The header of a page: looked at here, read by the crate.
    fn get_read(&self, start: u64) -> Result<Self::T> {
        let (header, page) = self.pages.header(start)?;
        if let Some(size) = page.sizes.iter().find(|size| **size > PAGE_MAX) {
            return Err(ParquetError::General(format!("a page is said to have {size} bytes")));
        }
        let body = start + header.len() as u64;
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some((body, page));
        Ok(Cursor::new(header))
    }

    /// The body of that page, unpacked.
    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner).take();
        let page = next.filter(|(body, page)| (*body, page.sizes[1]) == (start, length));
        let (_, page) = page.ok_or_else(damaged)?;
        let body = self.unpacked(&page, self.pages.body(start, length)?)?;
        self.check(&page, &body).ok_or_else(|| {
            ParquetError::General("a page has fewer values than it says".to_string())
        })?;
        Ok(Bytes::from(body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::basic::{BrotliLevel, GzipLevel, ZstdLevel};
    use std::io::Write;

    #[test]
    fn a_page_is_unpacked_to_its_size_and_no_further() {
        const BOMB: usize = 256 << 20;
        let zeros = vec![0; BOMB];
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&zeros).unwrap();
        let mut framed = lz4_flex::frame::FrameEncoder::new(Vec::new());
        framed.write_all(&zeros).unwrap();
        let mut brotli = brotli::CompressorWriter::new(Vec::new(), 4096, 1, 22);
        brotli.write_all(&zeros).unwrap();
        let block = lz4_flex::block::compress(&zeros);
        let sizes = [BOMB, block.len()].map(|size| (size as u32).to_be_bytes());
        let bombs = [
            (Compression::GZIP(GzipLevel::default()), gzip.finish().unwrap()),
            (Compression::BROTLI(BrotliLevel::default()), brotli.into_inner()),
            (Compression::ZSTD(ZstdLevel::default()), zstd::bulk::compress(&zeros, 1).unwrap()),
            (Compression::SNAPPY, snap::raw::Encoder::new().compress_vec(&zeros).unwrap()),
            (Compression::LZ4, framed.finish().unwrap()),
            (Compression::LZ4, [sizes.as_flattened(), &block].concat()),
            (Compression::LZ4_RAW, block),
        ];
        for (codec, bomb) in bombs {
            assert_eq!(unpack(codec, &bomb, BOMB).unwrap(), zeros, "{codec:?}");
            for size in [0, 45_000, BOMB - 1, BOMB + 1] {
                let problem = unpack(codec, &bomb, size).unwrap_err().to_string();
                assert!(problem.contains(&format!("the {size} bytes")), "{codec:?}: {problem}");
            }
        }
        // What is looked at is no more than what was said.
        assert_eq!(bounded(std::io::repeat(0), 1000).map(|whole| whole.len()), Some(1001));
    }

    #[test]
    fn counts_and_prefixes_of_packed_texts_are_bounded_by_the_page() {
        // Blocks of 128 numbers in 4: three numbers, 5, 7 and 6: least difference -1, widths 2 and three that take no
        // bytes.
        let begin = [0x80, 0x01, 4, 3, 10];
        let block = [1, 2, 9, 9, 9, 0b0011, 0, 0, 0, 0, 0, 0, 0];
        let numbers = [&begin[..], &block].concat();
        let end = numbers.len();
        assert_eq!(walk_deltas(&[&numbers[..], b"behind"].concat(), 3, 7), Some(end));
        assert_eq!(walk_deltas(&numbers, 2, 7), None, "three of two");
        assert_eq!(walk_deltas(&numbers, 3, 6), None, "7 of 6");
        for cut in 0..end {
            assert_eq!(walk_deltas(&numbers[..cut], 3, 7), None, "{cut}");
        }
        // 2^40 of them in no bits; 2^62; blocks of 0, of 2^60, in 0 parts.
        let nothing = [0, 0, 0, 0, 0, 0];
        let counts: [&[u8]; 5] = [
            &[0x80, 0x01, 4, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0],
            &[0x80, 0x01, 4, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40, 0],
            &[0, 1, 3, 0],
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10, 1, 3, 0],
            &[0x80, 0x01, 0, 3, 0],
        ];
        for count in counts {
            assert_eq!(walk_deltas(&[count, &nothing].concat(), 1_000, 7), None, "{count:?}");
        }
        let one = |number: u8| vec![0x80, 0x01, 4, 1, 2 * number];
        assert_eq!(check_deltas(6, &one(3), 1), Some(()));
        assert_eq!(check_deltas(7, &[one(0), one(3)].concat(), 1), Some(()));
        assert_eq!(check_deltas(7, &one(0), 1), None, "no lengths");
        let long = [0x80, 0x01, 4, 1, 0x82, 0x80, 0x02];
        assert_eq!(check_deltas(7, &[&long[..], &one(3)].concat(), 1), None, "a prefix of 16,385");
        assert_eq!(check_deltas(0, &[0xff; 9], 1), Some(()));
    }
}
