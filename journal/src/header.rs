//! The first page of a segment.
//!
//! ```text
//!        0       1       2       3       4       5       6       7
//!    ┌───────────────────────────────────────────────────────────────┐
//!  0 │ magic: 89 'G' 'M' 'J' CR LF 1A LF                             │
//!    ├───────────────┬───────────────┬───────────────────────────────┤
//!  8 │ version       │ header_len    │ crc32c                        │
//!    ├───────────────┴───────────────┼───────────────────────────────┤
//! 16 │ segment                       │ epoch                         │
//!    ├───────────────────────────────┴───────────────────────────────┤
//! 24 │ base_seq                                                      │
//! 32 │ segment_bytes                                                 │
//! 40 │ created_ns                                                    │
//! 48 │ layout (XXH3-64 of all field tables)                          │
//! 56 │ reserved                                                      │
//!    ╞═══════════════════════════════════════════════════════════════╡
//! 64 │ previous_digest (of the previous segment's footer)            │
//! 72 │ reserved                                             56 bytes │
//!    ├───────────────────────────────────────────────────────────────┤
//! 128│ zeros to 4096                                                 │
//! ```
//!
//! The first line is written when the segment is taken into use; `crc32c` covers its bytes 0..12 and
//! 16..`header_len`, a rule that later versions keep. `previous_digest` is not known at that time
//! (the previous segment is being digested by the helper thread), so it lies outside the CRC, is
//! stored when this segment is sealed, and is covered by this segment's footer. It is 0 in the first
//! segment and where the previous one was not sealed. All zeros: a spare, not yet in use; so is a page
//! with nothing but part of a header without its magic, which is stored last.

use crate::frame::is_zero;
use bytemuck::{Pod, Zeroable};
use ringbuf_layout::frame::{Field, Kind, SHARED_FIELDS, fields_of};
use std::fmt::Write;
use std::sync::OnceLock;

/// Bytes of a page; the header takes one, no frame crosses one.
pub const PAGE: usize = 4096;
/// Length of a segment unless an option says otherwise.
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// The shortest segment. Under Miri, which takes seconds for a page, a few slots a segment.
pub const SEGMENT_BYTES_MIN: u64 = if cfg!(miri) { 16 << 10 } else { 256 << 10 };
/// The longest segment: a map of it still fits any address space.
pub const SEGMENT_BYTES_MAX: u64 = 4 << 30;
/// Version of the format that this build writes, and the newest that it reads.
pub const VERSION: u16 = 1;
/// A non-ASCII byte, CR LF, the DOS end-of-file byte and LF: whatever mangles text mangles this.
pub const MAGIC: [u8; 8] = [0x89, b'G', b'M', b'J', b'\r', b'\n', 0x1A, b'\n'];

const CRC_AT: usize = 12;
const CRC_END: usize = 16;
const FIRST_LINE: usize = 64;

/// The header of a segment, as it lies in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct SegmentHeader {
    /// [`MAGIC`].
    pub magic: [u8; 8],
    /// [`VERSION`].
    pub version: u16,
    /// Bytes that the CRC covers up to: 64.
    pub header_len: u16,
    /// CRC32C of bytes 0..12 and 16..`header_len`.
    pub crc32c: u32,
    /// Number of the segment, as in its file name.
    pub segment: u32,
    /// Life of the journal directory that wrote it, from 1.
    pub epoch: u32,
    /// First sequence in it.
    pub base_seq: u64,
    /// Length of the file.
    pub segment_bytes: u64,
    /// When the journal was made, ns UTC.
    pub created_ns: i64,
    /// [`layout_hash`] of the build that wrote it.
    pub layout: u64,
    /// Zero.
    pub reserved: u64,
    /// Digest in the previous segment's footer, stored on sealing.
    pub previous_digest: u64,
    /// Zero.
    pub reserved2: [u64; 7],
}

/// Where `previous_digest` lies.
pub(crate) const PREVIOUS_DIGEST_AT: u64 = 64;

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<SegmentHeader>() == 128);
    assert!(offset_of!(SegmentHeader, magic) == 0);
    assert!(offset_of!(SegmentHeader, version) == 8);
    assert!(offset_of!(SegmentHeader, header_len) == 10);
    assert!(offset_of!(SegmentHeader, crc32c) == CRC_AT);
    assert!(offset_of!(SegmentHeader, segment) == CRC_END);
    assert!(offset_of!(SegmentHeader, epoch) == 20);
    assert!(offset_of!(SegmentHeader, base_seq) == 24);
    assert!(offset_of!(SegmentHeader, segment_bytes) == 32);
    assert!(offset_of!(SegmentHeader, created_ns) == 40);
    assert!(offset_of!(SegmentHeader, layout) == 48);
    assert!(offset_of!(SegmentHeader, reserved) == 56);
    assert!(offset_of!(SegmentHeader, previous_digest) == PREVIOUS_DIGEST_AT as usize);
    assert!(offset_of!(SegmentHeader, reserved2) == 72);
};

/// What the first page of a segment's file turned out to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum FirstPage {
    /// All zeros: made ahead, not in use.
    Spare,
    /// A header of this version and layout.
    Header(SegmentHeader),
    /// Something else altogether.
    Foreign,
    /// A whole header of a newer version.
    Newer(u16),
    /// A whole header of another layout.
    OtherLayout(u64),
    /// A header that is not what was written.
    Damaged(&'static str),
}

impl SegmentHeader {
    pub(crate) fn new(
        segment: u32,
        epoch: u32,
        base_seq: u64,
        bytes: u64,
        created_ns: i64,
    ) -> Self {
        let mut header = Self {
            magic: MAGIC,
            version: VERSION,
            header_len: FIRST_LINE as u16,
            crc32c: 0,
            segment,
            epoch,
            base_seq,
            segment_bytes: bytes,
            created_ns,
            layout: layout_hash(),
            ..Self::zeroed()
        };
        header.crc32c = crc_of(&bytemuck::bytes_of(&header)[..FIRST_LINE]);
        header
    }

    /// Judges a file by its first page, from whatever bytes there are.
    pub(crate) fn read(page: &[u8]) -> FirstPage {
        let unsigned = page.len() > size_of::<Self>() && is_zero(&page[..MAGIC.len()]);
        if is_zero(page) || unsigned && is_zero(&page[size_of::<Self>()..]) {
            return FirstPage::Spare;
        }
        let Some(bytes) = page.get(..size_of::<Self>()) else {
            return if page.iter().zip(MAGIC).all(|(found, magic)| *found == magic) {
                FirstPage::Damaged("the file ends inside the header")
            } else {
                FirstPage::Foreign
            };
        };
        let header: Self = bytemuck::pod_read_unaligned(bytes);
        if header.magic != MAGIC {
            // One flipped bit in the magic of a whole header is damage, not another file type.
            let mut mended = header;
            mended.magic = MAGIC;
            let crc = crc_of(&bytemuck::bytes_of(&mended)[..FIRST_LINE]);
            return if crc == header.crc32c {
                FirstPage::Damaged("the magic bytes are wrong")
            } else {
                FirstPage::Foreign
            };
        }
        let covered = page.get(..usize::from(header.header_len)).filter(|c| c.len() >= FIRST_LINE);
        if covered.is_none_or(|covered| crc_of(covered) != header.crc32c) {
            return FirstPage::Damaged("the header's CRC does not match");
        }
        if header.version > VERSION {
            return FirstPage::Newer(header.version);
        }
        if header.layout != layout_hash() && !READ_TOO.contains(&header.layout) {
            return FirstPage::OtherLayout(header.layout);
        }
        if usize::from(header.header_len) != FIRST_LINE
            || header.reserved != 0
            || header.reserved2 != [0; 7]
        {
            return FirstPage::Damaged("a reserved byte of the header is not zero");
        }
        FirstPage::Header(header)
    }
}

fn crc_of(covered: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&covered[..CRC_AT]), &covered[CRC_END..])
}

/// Layouts of earlier builds whose records are those of today, with zeros where a field has been named since: zero says
/// there what was meant before. A field that took the place of another is none of these.
///
/// 2026-11-26: `Instrument.no_volume` (no condition), `Risk.rate_instrument` (the account's own currency).
const READ_TOO: [u64; 1] = [6_883_509_067_158_339_162];

/// XXH3-64 over the field tables of all kinds: changes with any name, offset, size or type.
pub fn layout_hash() -> u64 {
    static HASH: OnceLock<u64> = OnceLock::new();
    *HASH.get_or_init(|| {
        let mut text = String::new();
        for kind in Kind::ALL {
            let (fields, len) = fields_of(kind);
            let _ = writeln!(text, "{} {} {len}", kind as u8, kind.name());
            for Field { name, offset, size, type_name } in SHARED_FIELDS.iter().chain(fields) {
                let _ = writeln!(text, "{name} {offset} {size} {type_name}");
            }
        }
        xxhash_rust::xxh3::xxh3_64(text.as_bytes())
    })
}

/// Name of a segment's file.
pub fn file_name(segment: u32) -> String {
    format!("segment-{segment:08}.gmj")
}

/// The segment that a file name stands for; names are unique, so only the exact form counts.
pub(crate) fn number_of(name: &str) -> Option<u32> {
    let number = name.strip_prefix("segment-")?.strip_suffix(".gmj")?.parse().ok()?;
    (file_name(number) == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Vec<u8> {
        let mut page = vec![0; PAGE];
        let header = SegmentHeader::new(7, 1, 100, SEGMENT_BYTES, 5);
        page[..128].copy_from_slice(bytemuck::bytes_of(&header));
        page
    }

    #[test]
    fn a_header_reads_back_and_an_empty_page_is_a_spare() {
        let header = SegmentHeader::new(7, 1, 100, SEGMENT_BYTES, 5);
        assert_eq!(SegmentHeader::read(&page()), FirstPage::Header(header));
        assert_eq!(SegmentHeader::read(&[0; PAGE]), FirstPage::Spare);
        assert_eq!(SegmentHeader::read(&[]), FirstPage::Spare);
        assert_eq!(SegmentHeader::read(b"hello"), FirstPage::Foreign);
        assert!(matches!(SegmentHeader::read(&page()[..100]), FirstPage::Damaged(_)));
    }

    #[test]
    fn every_bit_of_the_first_line_counts() {
        for bit in 0..FIRST_LINE * 8 {
            let mut page = page();
            page[bit / 8] ^= 1 << (bit % 8);
            let found = SegmentHeader::read(&page);
            assert!(matches!(found, FirstPage::Damaged(_)), "bit {bit}: {found:?}");
        }
    }

    #[test]
    fn file_names_round_trip_and_only_the_exact_form_counts() {
        assert_eq!(number_of(&file_name(12)), Some(12));
        for name in ["segment-12.gmj", "segment-+0000012.gmj", "segment-00000012.gm", "LOCK"] {
            assert_eq!(number_of(name), None, "{name}");
        }
    }
}
