//! Who an order is: epoch, sequence of the input that made it, index among its outputs.

use crate::stage::Digest;
use crate::state::state;

/// An order's identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct OrderId {
    /// Life of the journal directory, from 1; 0 is no order.
    pub epoch: u32,
    /// Sequence of the input that made it.
    pub seq: u64,
    /// Place among that input's outputs.
    pub index: u8,
}

impl OrderId {
    /// No order.
    pub const NONE: Self = Self { epoch: 0, seq: 0, index: 0 };

    /// The name that the venue knows the order by: the three numbers in hexadecimal, at most 28 of the 32 bytes.
    /// The same order has the same name in every replay.
    pub fn client_id(self) -> [u8; 32] {
        let mut text = Hex { bytes: [0; 32], len: 0 };
        text.number(u64::from(self.epoch));
        text.byte(b'-');
        text.number(self.seq);
        text.byte(b'-');
        text.number(u64::from(self.index));
        text.bytes
    }

    /// Feeds it to the hash.
    pub fn digest(self, digest: &mut Digest) {
        digest.word(u64::from(self.epoch));
        digest.word(self.seq);
        digest.word(u64::from(self.index));
    }
}

/// Text without an allocation.
struct Hex {
    bytes: [u8; 32],
    len: usize,
}

impl Hex {
    fn byte(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    fn number(&mut self, number: u64) {
        let digits = (64 - (number | 1).leading_zeros()).div_ceil(4);
        for i in (0..digits).rev() {
            self.byte(b"0123456789abcdef"[(number >> (4 * i)) as usize & 15]);
        }
    }
}

state!(OrderId { epoch, seq, index });

#[cfg(test)]
mod tests {
    use super::*;
    use ringbuf_layout::input::text_of;

    #[test]
    fn a_client_id_names_epoch_sequence_and_index() {
        let check = |epoch, seq, index, expected: &str| {
            assert_eq!(text_of(&OrderId { epoch, seq, index }.client_id()), expected);
        };
        check(1, 0, 3, "1-0-3");
        check(2, 1_000_000, 16, "2-f4240-10");
        check(u32::MAX, u64::MAX, u8::MAX, "ffffffff-ffffffffffffffff-ff");
    }
}
