//! One frame into the map: copy, `last` bit, CRC32C.
//!
//! Plain stores, a CRC a frame. Non-temporal stores were measured against them (`examples/append_ns.rs`, a
//! line a tick, three rounds by turns on a busy host): with the fence that they need before each publish,
//! 108 ns a tick in the cache and 170 to 230 to memory, against 9.5 and 17 to 21; with one publish in 64,
//! 11 to 15 and 13 to 22, against 9.3 and 15 to 21. A paced run publishes each tick, so they lose there by
//! far more than they could gain at full speed. A CRC over a batch would read back what was just stored,
//! which costs more than it saves (see [`Crc::store`]); chains of neighbouring frames overlap as it is.
#![allow(unsafe_code)] // Calls of functions that need SSE4.2, after it was detected.

use ringbuf_layout::frame::{FLAGS_OFFSET, LAST, LINE};

/// Where the CRC's cover begins: behind the CRC itself.
const COVER_AT: usize = 4;
/// From here on the crate's three-way interleaving is faster than one chain of instructions.
const LONG: usize = 512;

/// How this CPU computes CRC32C: chosen once, so the hot path reads no atomic.
#[derive(Clone, Copy, Debug)]
pub struct Crc {
    /// Invariant: true only if `detect` found SSE4.2.
    hardware: bool,
}

impl Crc {
    /// Looks what this CPU has.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        let hardware = std::arch::is_x86_feature_detected!("sse4.2");
        #[cfg(not(target_arch = "x86_64"))]
        let hardware = false;
        Self { hardware }
    }

    /// CRC32C of a frame's bytes 4..len, from this start value.
    #[inline]
    pub fn of(self, frame: &[u8], seed: u32) -> u32 {
        #[cfg(target_arch = "x86_64")]
        if self.hardware && frame.len() < LONG {
            // SAFETY: `hardware` says that this CPU has SSE4.2 (see `detect`).
            return unsafe { sse42::crc(frame, seed) };
        }
        crc32c::crc32c_append(seed, &frame[COVER_AT..])
    }

    /// Copies `frame` to `target`, with the `last` bit as told and the CRC filled in.
    ///
    /// # Panics
    /// If the two are not of one length.
    ///
    /// The CRC is taken from the source: reading back what was just stored would wait for the
    /// target's cache line to come from memory (62 against 25 ns for 128 bytes to memory).
    #[inline]
    pub fn store(self, target: &mut [u8], frame: &[u8], seed: u32, last: bool) {
        assert_eq!(target.len(), frame.len(), "Invariant: a frame fills its place");
        let (line, rest) = frame.split_at(LINE);
        let (target_line, target_rest) = target.split_at_mut(LINE);
        let line: &[u8; LINE] = line.try_into().expect("Invariant: split at one line");
        let target_line = target_line.try_into().expect("Invariant: split at one line");
        #[cfg(target_arch = "x86_64")]
        if self.hardware {
            // SAFETY: `hardware` says that this CPU has SSE4.2 (see `detect`).
            unsafe {
                if rest.is_empty() {
                    sse42::store_line(target_line, line, seed, last);
                } else {
                    sse42::store_long(target_line, line, target_rest, rest, seed, last);
                }
            }
            return;
        }
        *target_line = *line;
        target_line[FLAGS_OFFSET] = line[FLAGS_OFFSET] & !LAST | if last { LAST } else { 0 };
        let crc = crc32c::crc32c_append(seed, &target_line[COVER_AT..]);
        let crc = crc32c::crc32c_append(crc, rest);
        target_line[..COVER_AT].copy_from_slice(&crc.to_le_bytes());
        target_rest.copy_from_slice(rest);
    }
}

/// Asks for the line at `at` for writing, without waiting for it.
#[inline]
pub(crate) fn prefetch_for_writing(bytes: &[u8], at: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(byte) = bytes.get(at) {
        use core::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        // SAFETY: a prefetch reads and writes nothing; `byte` is valid, and SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_ET0>(core::ptr::from_ref(byte).cast::<i8>()) };
    }
}

/// The `crc32` instruction: 3 cycles of latency for 8 bytes, one started each cycle, so the chains
/// of neighbouring frames overlap.
#[cfg(target_arch = "x86_64")]
mod sse42 {
    use super::{LAST, LINE, LONG};
    use core::arch::x86_64::{_mm_crc32_u32, _mm_crc32_u64};

    #[target_feature(enable = "sse4.2")]
    pub(super) fn crc(frame: &[u8], seed: u32) -> u32 {
        let (words, rest) = frame.as_chunks::<8>();
        assert!(rest.is_empty(), "Invariant: frames are whole words");
        let Some((first, words)) = words.split_first() else {
            return seed;
        };
        let state = u64::from(_mm_crc32_u32(!seed, (u64::from_le_bytes(*first) >> 32) as u32));
        !(chain(state, words) as u32)
    }

    #[inline]
    #[target_feature(enable = "sse4.2")]
    fn chain(mut state: u64, words: &[[u8; 8]]) -> u64 {
        for word in words {
            state = _mm_crc32_u64(state, u64::from_le_bytes(*word));
        }
        state
    }

    /// A trade, the common case: copy and CRC from the same eight registers.
    #[target_feature(enable = "sse4.2")]
    pub(super) fn store_line(target: &mut [u8; LINE], line: &[u8; LINE], seed: u32, last: bool) {
        let words = words_of(line, last);
        put(target, words, first_line(&words, seed));
    }

    #[target_feature(enable = "sse4.2")]
    pub(super) fn store_long(
        target: &mut [u8; LINE],
        line: &[u8; LINE],
        target_rest: &mut [u8],
        rest: &[u8],
        seed: u32,
        last: bool,
    ) {
        let words = words_of(line, last);
        let state = first_line(&words, seed);
        let state = if rest.len() < LONG {
            chain(state, rest.as_chunks::<8>().0)
        } else {
            u64::from(!crc32c::crc32c_append(!(state as u32), rest))
        };
        put(target, words, state);
        target_rest.copy_from_slice(rest);
    }

    #[inline]
    fn words_of(line: &[u8; LINE], last: bool) -> [u64; 8] {
        let mut words = [0; 8];
        for (word, bytes) in words.iter_mut().zip(line.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        words[7] = words[7] & !(u64::from(LAST) << 56) | u64::from(last) << 63;
        words
    }

    #[inline]
    #[target_feature(enable = "sse4.2")]
    fn first_line(words: &[u64; 8], seed: u32) -> u64 {
        let mut state = u64::from(_mm_crc32_u32(!seed, (words[0] >> 32) as u32));
        for word in &words[1..] {
            state = _mm_crc32_u64(state, *word);
        }
        state
    }

    #[inline]
    fn put(target: &mut [u8; LINE], mut words: [u64; 8], state: u64) {
        words[0] = words[0] >> 32 << 32 | u64::from(!(state as u32));
        for (bytes, word) in target.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_instruction_and_the_crate_agree_on_every_frame(
            lines in 1_usize..=64,
            seed: u32,
            last: bool,
            bytes in proptest::collection::vec(any::<u8>(), 64 * LINE),
        ) {
            let frame = &bytes[..lines * LINE];
            let (mut ours, mut oracle) = (frame.to_vec(), frame.to_vec());
            oracle[FLAGS_OFFSET] = oracle[FLAGS_OFFSET] & !LAST | if last { LAST } else { 0 };
            let crc = crc32c::crc32c_append(seed, &oracle[COVER_AT..]);
            oracle[..COVER_AT].copy_from_slice(&crc.to_le_bytes());

            Crc::detect().store(&mut ours, frame, seed, last);
            prop_assert_eq!(&ours, &oracle);
            prop_assert_eq!(Crc::detect().of(&ours, seed), crc);
            Crc { hardware: false }.store(&mut ours, frame, seed, last);
            prop_assert_eq!(&ours, &oracle);
        }
    }
}
