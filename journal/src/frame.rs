//! Frames in a segment: where they may lie and when they are valid.
//!
//! ```text
//!      page n                                             page n+1
//!   ┌────────┬─────────────┬────────┬───────────────────┬──────────────────────────┬─ ─
//!   │ 64     │ 192         │ 64     │ zeros: the next   │ 576                      │
//!   │        │             │        │ frame is too long │                          │
//!   └────────┴─────────────┴────────┴───────────────────┴──────────────────────────┴─ ─
//!   slot n:    input, outputs 1, 2, …, the last with the `last` bit; all in one segment
//! ```

use crate::copy::Crc;
use crate::header::PAGE;
use ringbuf_layout::frame::{Header, Kind, LINE, fields_of};

/// Bound of a slot's bytes in a segment, page padding included. Where less is left, the writer
/// goes on in the next segment.
pub const SLOT_BYTES_MAX: usize = if cfg!(miri) { 4 << 10 } else { 32 << 10 };
/// Room kept for the footer: its two lines, and one of padding where a page ends between them.
pub(crate) const FOOTER_ROOM: usize = 3 * LINE;

/// Start value of the CRC in a segment: a frame of another segment or epoch never fits.
pub(crate) fn seed(epoch: u32, segment: u32) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&epoch.to_le_bytes()), &segment.to_le_bytes())
}

/// Where a frame of `len` bytes goes if the previous one ended at `at`.
#[inline]
pub(crate) fn place(at: usize, len: usize) -> usize {
    let room = PAGE - at % PAGE;
    if len > room { at + room } else { at }
}

/// True if all bytes are zero.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    let (chunks, rest) = bytes.as_chunks::<LINE>();
    let whole = |chunk: &[u8; LINE]| chunk.iter().fold(0, |all, byte| all | byte) == 0;
    chunks.iter().all(whole) && rest.iter().all(|byte| *byte == 0)
}

/// Where the first byte lies that is not zero.
pub(crate) fn first_set(bytes: &[u8]) -> Option<usize> {
    let line = bytes.chunks(LINE).position(|line| !is_zero(line))? * LINE;
    Some(line + bytes[line..].iter().position(|byte| *byte != 0)?)
}

/// The shared header of a frame whose bytes are at least one line.
pub(crate) fn head(frame: &[u8]) -> Header {
    bytemuck::pod_read_unaligned(&frame[..size_of::<Header>()])
}

/// What lies at a place.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// A valid frame, at this offset: the place itself, or the next page after zero padding.
    Frame(usize, &'a [u8]),
    /// Zeros here, and where the next page would go on.
    Nothing,
    /// Something that is no valid frame, at this offset, and why.
    Bad(usize, &'static str),
}

/// What makes a frame valid, whatever the bytes.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    crc: Crc,
    /// Length by kind, 0 for a kind that is not known.
    lengths: [u16; 256],
}

impl Rules {
    pub(crate) fn new() -> Self {
        let mut lengths = [0; 256];
        for kind in Kind::ALL {
            lengths[kind as usize] = fields_of(kind).1 as u16;
        }
        Self { crc: Crc::detect(), lengths }
    }

    /// The valid frame at `at`, `None` for a line of zeros, or why it is neither.
    fn read<'a>(
        &self,
        segment: &'a [u8],
        at: usize,
        seed: u32,
    ) -> Result<Option<&'a [u8]>, &'static str> {
        let Some(line) = segment.get(at..at + LINE) else {
            return Err("the segment ends inside a frame");
        };
        let head = head(line);
        let len = usize::from(self.lengths[usize::from(head.kind)]);
        if len == 0 {
            return if is_zero(line) { Ok(None) } else { Err("the frame's kind is unknown") };
        }
        if usize::from(head.len) != len {
            return Err("the frame's length is not its kind's");
        }
        if at % PAGE + len > PAGE {
            return Err("the frame crosses a page");
        }
        let Some(frame) = segment.get(at..at + len) else {
            return Err("the segment ends inside a frame");
        };
        if self.crc.of(frame, seed) != head.crc32c {
            return Err("the frame's CRC does not match");
        }
        Ok(Some(frame))
    }

    /// What lies at `at`, or behind the padding that starts there.
    pub(crate) fn find<'a>(&self, segment: &'a [u8], at: usize, seed: u32) -> Found<'a> {
        if at >= segment.len() {
            return Found::Nothing;
        }
        match self.read(segment, at, seed) {
            Ok(Some(frame)) => return Found::Frame(at, frame),
            Err(why) => return Found::Bad(at, why),
            Ok(None) if at.is_multiple_of(PAGE) => return Found::Nothing,
            Ok(None) => {}
        }
        let page = at.next_multiple_of(PAGE).min(segment.len());
        if !is_zero(&segment[at..page]) {
            return Found::Bad(at, "padding is not zero");
        }
        if page == segment.len() {
            return Found::Nothing;
        }
        match self.read(segment, page, seed) {
            Ok(Some(frame)) if at + frame.len() <= page => {
                Found::Bad(at, "zeros where a frame should be")
            }
            Ok(Some(frame)) => Found::Frame(page, frame),
            Err(why) => Found::Bad(page, why),
            Ok(None) => Found::Nothing,
        }
    }

    /// The first valid frame from `from` on, searched at every line.
    pub(crate) fn search(&self, segment: &[u8], from: usize, seed: u32) -> Option<usize> {
        (from..segment.len())
            .step_by(LINE)
            .find(|at| matches!(self.read(segment, *at, seed), Ok(Some(_))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_does_not_fit_the_page_goes_to_the_next() {
        assert_eq!(place(4096, 4096), 4096);
        assert_eq!(place(8192 - 64, 64), 8192 - 64);
        assert_eq!(place(8192 - 64, 128), 8192);
    }

    #[test]
    fn zeros_are_told_from_anything_else_at_every_byte() {
        let mut bytes = vec![0; 1000];
        assert!(is_zero(&bytes) && first_set(&bytes).is_none());
        for at in 0..bytes.len() {
            bytes[at] = 1;
            assert!(!is_zero(&bytes));
            assert_eq!(first_set(&bytes), Some(at));
            bytes[at] = 0;
        }
    }
}
