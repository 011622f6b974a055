//! Marks and side rings: where a stage leaves its rare outputs, beside the ring.
//!
//! ```text
//!  marks, one a slot (16 bytes)          side ring (slots × bound records)
//!  ┌──────────────┬───────────────┐      ┌────────┬────────┬────────┬─────
//!  │ seq          │ handle ───────┼────▶ │ record │ record │ record │ …
//!  └──────────────┴───────────────┘      └────────┴────────┴────────┴─────
//! ```
//!
//! A mark whose `seq` is not the slot's own says "nothing here": a quiet input writes nothing and costs
//! a reader one load. The ring gates the writer of slot `n` behind the last reader of `n − slots`, and
//! the side ring has room for the stage's bound in every slot, so an entry is never overwritten
//! while someone may read it, and nobody waits for a side ring.
//!
//! One writer a lane: [`LaneWriter`] cannot be cloned. Entries are relaxed atomic words (plain moves on
//! x86-64); order comes from the ring, and every record read is checked to carry the slot's sequence.

use crate::frame::Frame;
use core::fmt;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;

/// Where the records of one slot lie in a side ring: the first, and how many.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Handle {
    /// Running number of the first record.
    pub first: u64,
    /// Records of this slot.
    pub count: u8,
}

impl Handle {
    fn pack(self) -> u64 {
        self.first << 8 | u64::from(self.count)
    }

    fn unpack(word: u64) -> Self {
        Self { first: word >> 8, count: word as u8 }
    }
}

#[repr(C, align(16))]
struct Mark {
    seq: AtomicU64,
    handle: AtomicU64,
}

const _: () = assert!(size_of::<Mark>() == 16);

struct Lane<T> {
    marks: Box<[Mark]>,
    words: Box<[AtomicU64]>,
    records: usize,
    record: PhantomData<fn() -> T>,
}

impl<T: Frame> Lane<T> {
    const WORDS: usize = size_of::<T>() / 8;

    #[inline]
    fn mark(&self, seq: u64) -> &Mark {
        &self.marks[seq as usize & (self.marks.len() - 1)]
    }

    #[inline]
    fn count(&self, seq: u64) -> u8 {
        let mark = self.mark(seq);
        if mark.seq.load(Relaxed) == seq { mark.handle.load(Relaxed) as u8 } else { 0 }
    }

    fn entry(&self, number: u64) -> &[AtomicU64] {
        let at = (number as usize & (self.records - 1)) * Self::WORDS;
        &self.words[at..at + Self::WORDS]
    }
}

/// The writing end of a lane: its stage's own.
pub struct LaneWriter<T> {
    lane: Arc<Lane<T>>,
    next: u64,
    bound: u8,
}

/// The reading end of a lane: for the stages after it and the sinks.
pub struct LaneReader<T> {
    lane: Arc<Lane<T>>,
}

/// A lane for a ring of `slots` slots, with at most `bound` records a slot.
///
/// # Panics
/// If `slots` is not a power of two or `bound` is 0.
pub fn lane<T: Frame>(slots: usize, bound: u8) -> (LaneWriter<T>, LaneReader<T>) {
    assert!(slots.is_power_of_two() && bound > 0, "Condition failed: {slots} slots, bound {bound}");
    let records = slots * usize::from(bound).next_power_of_two();
    let zero = || AtomicU64::new(0);
    let lane = Arc::new(Lane {
        marks: (0..slots).map(|_| Mark { seq: AtomicU64::new(u64::MAX), handle: zero() }).collect(),
        words: (0..records * Lane::<T>::WORDS).map(|_| zero()).collect(),
        records,
        record: PhantomData,
    });
    (LaneWriter { lane: Arc::clone(&lane), next: 0, bound }, LaneReader { lane })
}

impl<T: Frame> LaneWriter<T> {
    /// How many records the slot of `seq` has so far.
    pub fn count(&self, seq: u64) -> u8 {
        self.lane.count(seq)
    }

    /// Appends a record to the slot of `seq` and returns how many it has there now.
    ///
    /// # Panics
    /// If the record carries another sequence, or the stage exceeds its bound: both would break a
    /// promise that readers rely on.
    pub fn push(&mut self, seq: u64, record: &T) -> u8 {
        assert_eq!(record.head().seq, seq, "Invariant: an output carries its input's sequence");
        let mark = self.lane.mark(seq);
        let mut handle = Handle::unpack(mark.handle.load(Relaxed));
        if mark.seq.load(Relaxed) != seq {
            handle = Handle { first: self.next, count: 0 };
        }
        assert!(handle.count < self.bound, "Invariant: at most {} outputs a slot", self.bound);
        let words: &[u64] = bytemuck::cast_slice(bytemuck::bytes_of(record));
        for (cell, word) in self.lane.entry(self.next).iter().zip(words) {
            cell.store(*word, Relaxed);
        }
        self.next += 1;
        handle.count += 1;
        mark.handle.store(handle.pack(), Relaxed);
        mark.seq.store(seq, Relaxed);
        handle.count
    }
}

impl<T: Frame> LaneReader<T> {
    /// How many records the slot of `seq` has.
    #[inline]
    pub fn count(&self, seq: u64) -> u8 {
        self.lane.count(seq)
    }

    /// The records of the slot of `seq`, in order.
    #[inline]
    pub fn read(&self, seq: u64) -> Records<'_, T> {
        let mark = self.lane.mark(seq);
        let handle = if mark.seq.load(Relaxed) == seq {
            Handle::unpack(mark.handle.load(Relaxed))
        } else {
            Handle::default()
        };
        Records { lane: &self.lane, seq, next: handle.first, left: handle.count }
    }
}

/// The records of one slot, copied out one by one.
pub struct Records<'a, T> {
    lane: &'a Lane<T>,
    seq: u64,
    next: u64,
    left: u8,
}

impl<T: Frame> Iterator for Records<'_, T> {
    type Item = T;

    /// # Panics
    /// If an entry carries another sequence than its slot: the writer lapped a reader.
    fn next(&mut self) -> Option<T> {
        if self.left == 0 {
            return None;
        }
        let mut record = T::zeroed();
        let words: &mut [u64] = bytemuck::cast_slice_mut(bytemuck::bytes_of_mut(&mut record));
        for (word, cell) in words.iter_mut().zip(self.lane.entry(self.next)) {
            *word = cell.load(Relaxed);
        }
        assert_eq!(record.head().seq, self.seq, "Invariant: a side ring entry is of its slot");
        self.next += 1;
        self.left -= 1;
        Some(record)
    }
}

/// Digests that a stage leaves at a checkpoint, one a slot: a lane whose record is one word.
pub struct DigestWriter(Arc<[Mark]>);

/// The reading end of a stage's digests.
pub struct DigestReader(Arc<[Mark]>);

/// A digest lane for a ring of `slots` slots.
///
/// # Panics
/// If `slots` is not a power of two.
pub fn digest_lane(slots: usize) -> (DigestWriter, DigestReader) {
    assert!(slots.is_power_of_two(), "Condition failed: {slots} slots");
    let marks: Arc<[Mark]> = (0..slots)
        .map(|_| Mark { seq: AtomicU64::new(u64::MAX), handle: AtomicU64::new(0) })
        .collect();
    (DigestWriter(Arc::clone(&marks)), DigestReader(marks))
}

impl DigestWriter {
    /// Leaves the stage's digest after the input `seq`.
    pub fn write(&mut self, seq: u64, digest: u64) {
        let mark = &self.0[seq as usize & (self.0.len() - 1)];
        mark.handle.store(digest, Relaxed);
        mark.seq.store(seq, Relaxed);
    }
}

impl DigestReader {
    /// The digest after the input `seq`.
    ///
    /// # Panics
    /// If the stage left none: it runs after the reader, a wiring mistake.
    pub fn read(&self, seq: u64) -> u64 {
        let mark = &self.0[seq as usize & (self.0.len() - 1)];
        assert_eq!(mark.seq.load(Relaxed), seq, "Invariant: every stage left its digest");
        mark.handle.load(Relaxed)
    }
}

impl<T> Clone for LaneReader<T> {
    fn clone(&self) -> Self {
        Self { lane: Arc::clone(&self.lane) }
    }
}

macro_rules! opaque_debug {
    ($($name:ident $(<$t:ident>)?),*) => { $(
        impl$(<$t>)? fmt::Debug for $name$(<$t>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )* };
}
opaque_debug!(LaneWriter<T>, LaneReader<T>, DigestWriter, DigestReader);

impl<T> fmt::Debug for Records<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Records({} of {})", self.left, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Frame, Matrix};
    use bytemuck::Zeroable;

    fn record(seq: u64, hash: u64) -> Matrix {
        let mut record = Matrix { hash, ..Matrix::zeroed() };
        record.head = Matrix::header(0, 0);
        record.head.seq = seq;
        record
    }

    #[test]
    fn a_quiet_slot_has_no_records_on_any_lap() {
        let (mut writer, reader) = lane::<Matrix>(4, 2);
        writer.push(1, &record(1, 10));
        writer.push(1, &record(1, 11));
        assert_eq!(reader.read(1).map(|r| r.hash).collect::<Vec<_>>(), [10, 11]);
        // Slot 5 shares the place of slot 1; the old mark must not speak for it.
        assert_eq!(reader.count(5), 0);
        assert_eq!(reader.read(5).count(), 0);
        writer.push(5, &record(5, 50));
        assert_eq!(reader.read(5).map(|r| r.hash).collect::<Vec<_>>(), [50]);
    }

    #[test]
    fn a_side_ring_holds_the_bound_in_every_slot() {
        let (mut writer, reader) = lane::<Matrix>(8, 3);
        for lap in 0..3 {
            for slot in 0..8 {
                let seq = lap * 8 + slot;
                for k in 0..3 {
                    writer.push(seq, &record(seq, seq * 10 + k));
                }
            }
            for seq in lap * 8..lap * 8 + 8 {
                let hashes: Vec<_> = reader.read(seq).map(|r| r.hash).collect();
                assert_eq!(hashes, [seq * 10, seq * 10 + 1, seq * 10 + 2]);
            }
        }
    }

    #[test]
    #[should_panic(expected = "at most 1 outputs a slot")]
    fn a_stage_that_exceeds_its_bound_is_stopped() {
        let (mut writer, _reader) = lane::<Matrix>(4, 1);
        writer.push(0, &record(0, 0));
        writer.push(0, &record(0, 0));
    }

    #[test]
    #[should_panic(expected = "carries its input's sequence")]
    fn an_output_of_another_input_is_stopped() {
        lane::<Matrix>(4, 1).0.push(3, &record(2, 0));
    }
}
