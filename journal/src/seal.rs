//! Seals segments: the digest, the footer, the permissions.

use crate::copy::Crc;
use crate::error::JournalError;
use crate::frame;
use crate::header::{PAGE, PREVIOUS_DIGEST_AT};
use crate::maker::Segment;
use crate::store::StoreFile;
use bytemuck::Zeroable;
use ringbuf_layout::frame::{Frame, NO_INSTRUMENT};
use ringbuf_layout::names::FOOTER_FINAL;
use ringbuf_layout::{Footer, Header};
use std::path::Path;

/// What a footer says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Contents {
    pub(crate) number: u32,
    pub(crate) epoch: u32,
    /// Where the last frame ends.
    pub(crate) end: usize,
    pub(crate) frames: u64,
    pub(crate) first_seq: u64,
    /// The sequence behind its last one.
    pub(crate) next_seq: u64,
    /// True if the journal is closed with it.
    pub(crate) is_final: bool,
}

/// A segment that the writer has left.
#[derive(Debug)]
pub(crate) struct Rolled {
    pub(crate) segment: Segment,
    pub(crate) contents: Contents,
}

impl Rolled {
    /// Unmaps the segment, writes the footer, makes the file read-only; returns the digest.
    pub(crate) fn seal(self, previous_digest: u64) -> Result<u64, JournalError> {
        let Segment { path, file, map, .. } = self.segment;
        let digest = self.contents.digest(&map, previous_digest);
        // The file is written now: nobody may hold its bytes as a slice meanwhile (Miri).
        drop(map);
        self.contents.seal(&*file, &path, digest, previous_digest)?;
        Ok(digest)
    }
}

impl Contents {
    /// Where the footer goes.
    fn footer_at(&self) -> usize {
        frame::place(self.end, size_of::<Footer>())
    }

    /// The digest of a segment with these bytes, as the file will read once it is sealed, whether or not
    /// `bytes` has the previous digest yet.
    pub(crate) fn digest(&self, bytes: &[u8], previous_digest: u64) -> u64 {
        let at = self.footer_at();
        assert!(at + size_of::<Footer>() <= bytes.len(), "Invariant: room was kept for the footer");
        let field = PREVIOUS_DIGEST_AT as usize;
        let mut digest = xxhash_rust::xxh3::Xxh3::new();
        digest.update(&bytes[..field]);
        digest.update(&previous_digest.to_le_bytes());
        digest.update(&bytes[field + 8..at]);
        digest.digest()
    }

    /// Writes the footer of a segment of this digest, syncs the file and makes it read-only. All of it is
    /// on the disk before the permissions say so.
    ///
    /// The footer goes by one `write` within a page: a killed process leaves all of it or nothing.
    pub(crate) fn seal(
        &self,
        file: &dyn StoreFile,
        path: &Path,
        digest: u64,
        previous_digest: u64,
    ) -> Result<(), JournalError> {
        let io = |action| JournalError::io(action, path);
        file.write_at(&previous_digest.to_le_bytes(), PREVIOUS_DIGEST_AT)
            .map_err(io("write the header of"))?;
        let at = self.footer_at();
        let seed = frame::seed(self.epoch, self.number);
        let mut footer = [0; size_of::<Footer>()];
        Crc::detect().store(&mut footer, bytemuck::bytes_of(&self.footer(at, digest)), seed, true);
        assert!(at % PAGE + footer.len() <= PAGE, "Invariant: a footer crosses no page");
        file.write_at(&footer, at as u64).map_err(io("write the footer of"))?;
        file.sync().map_err(io("sync"))?;
        file.set_read_only().map_err(io("make read-only"))
    }

    fn footer(&self, at: usize, digest: u64) -> Footer {
        let last_seq = if self.frames == 0 { self.first_seq } else { self.next_seq - 1 };
        let mut footer = Footer {
            head: Header { seq: last_seq, ..Footer::header(0, 0) },
            frames: self.frames,
            first_seq: self.first_seq,
            last_seq,
            digest,
            bytes: at as u64,
            ..Footer::zeroed()
        };
        footer.tail.instrument = NO_INSTRUMENT;
        footer.tail.flags = if self.is_final { FOOTER_FINAL } else { 0 };
        footer
    }
}
