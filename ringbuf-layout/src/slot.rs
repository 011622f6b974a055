//! What lies in the ring: 192 bytes a slot.
//!
//! ```text
//!   0 ┌─────────────────────────────────────────────┐
//!     │ input cell, line 1: header, 24 bytes, tail  │  written by the sequencer, read by all
//!  64 ├─────────────────────────────────────────────┤
//!     │ input cell, line 2: only records over 64    │
//! 128 ├─────────────────────────────────────────────┤
//!     │ validate cell: the verdict                  │  written by validate, read by those after it
//! 192 └─────────────────────────────────────────────┘
//! ```
//!
//! The producer writes the input cell through the `&mut Slot` that the ring gives it; everyone else has
//! `&Slot`. The validate cell is eight relaxed atomic words, so its one writer needs no `unsafe` and
//! compiles to plain moves; the ring's cursors order them.

use crate::frame::{Frame, Header, Kind, Tail};
use crate::input::SOURCE_SEQ_MASK;
use crate::names::Reasons;
use crate::units::{Price, Size, div_half_even};
use crate::{BookLevel, ExternalBar, Quote, SourceStatus, Trade, Verdict};
use bytemuck::Zeroable;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// 128 bytes: any input record.
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub struct InputCell {
    words: [u64; 16],
}

impl InputCell {
    /// Copies a record in. The second line is left alone by records of one line.
    ///
    /// # Panics
    /// Never: every input is one or two lines, checked at compile time.
    #[inline]
    pub fn put<T: Frame>(&mut self, record: &T) {
        const { assert!(size_of::<T>() <= 128 && size_of::<T>().is_multiple_of(64)) };
        bytemuck::bytes_of_mut(self)[..size_of::<T>()].copy_from_slice(bytemuck::bytes_of(record));
    }

    /// Copies the bytes of a journaled input: one line or two.
    ///
    /// # Panics
    /// If there are more than 128.
    pub fn put_bytes(&mut self, bytes: &[u8]) {
        bytemuck::bytes_of_mut(self)[..bytes.len()].copy_from_slice(bytes);
    }

    /// Copies another cell's record: one line or two, as its length says.
    #[inline]
    pub fn copy_from(&mut self, other: &Self) {
        self.words[..8].copy_from_slice(&other.words[..8]);
        if other.head().len > 64 {
            self.words[8..].copy_from_slice(&other.words[8..]);
        }
    }

    /// The shared header.
    #[inline]
    pub fn head(&self) -> &Header {
        bytemuck::from_bytes(bytemuck::cast_slice(&self.words[..4]))
    }

    /// The shared header, to number it.
    #[inline]
    pub fn head_mut(&mut self) -> &mut Header {
        bytemuck::from_bytes_mut(bytemuck::cast_slice_mut(&mut self.words[..4]))
    }

    /// The shared tail.
    #[inline]
    pub fn tail(&self) -> &Tail {
        bytemuck::from_bytes(bytemuck::cast_slice(&self.words[7..8]))
    }

    /// The shared tail, to name instrument and source.
    #[inline]
    pub fn tail_mut(&mut self) -> &mut Tail {
        bytemuck::from_bytes_mut(bytemuck::cast_slice_mut(&mut self.words[7..8]))
    }

    /// Sets the low 48 bits of `source_seq`, which lies at offset 48 in every market record.
    #[inline]
    pub fn set_source_sequence(&mut self, sequence: u64) {
        let kept = self.words[6] & !SOURCE_SEQ_MASK;
        self.words[6] = kept | (sequence & SOURCE_SEQ_MASK);
    }

    /// True if the record is of kind `T`.
    #[inline]
    pub fn is<T: Frame>(&self) -> bool {
        self.head().kind == T::KIND as u8
    }

    /// The record as a `T`, if that is what it is.
    #[inline]
    pub fn get<T: Frame>(&self) -> Option<&T> {
        const { assert!(size_of::<T>() <= 128 && align_of::<T>() <= 64) };
        self.is::<T>().then(|| bytemuck::from_bytes(&bytemuck::bytes_of(self)[..size_of::<T>()]))
    }

    /// The bytes of the record: its length says how many.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &bytemuck::bytes_of(self)[..usize::from(self.head().len).min(128)]
    }

    /// The first line.
    #[inline]
    pub fn line(&self) -> &[u8; 64] {
        bytemuck::cast_ref::<[u64; 8], [u8; 64]>(self.words.first_chunk().unwrap_or(&[0; 8]))
    }

    /// True for a trade or a quote: what `ticks` counts.
    #[inline]
    pub fn is_tick(&self) -> bool {
        self.is::<Trade>() || self.is::<Quote>()
    }

    /// True for what only a source delivers: market data, and what the source found wrong with it.
    #[inline]
    pub fn is_of_the_market(&self) -> bool {
        self.is_tick()
            || self.is::<BookLevel>()
            || self.is::<ExternalBar>()
            || self.get::<SourceStatus>().is_some_and(SourceStatus::is_of_its_data)
    }

    /// The kind, where the byte names one.
    pub fn kind(&self) -> Option<Kind> {
        Kind::from_byte(self.head().kind)
    }
}

impl Default for InputCell {
    fn default() -> Self {
        Self::zeroed()
    }
}

impl<T: Frame> From<&T> for InputCell {
    fn from(record: &T) -> Self {
        let mut cell = Self::zeroed();
        cell.put(record);
        cell
    }
}

#[derive(Debug, Default)]
#[repr(C, align(64))]
struct VerdictCell {
    words: [AtomicU64; 8],
}

/// One slot of the ring.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Slot {
    /// The input; the sequencer's.
    pub input: InputCell,
    verdict: VerdictCell,
}

const _: () = {
    assert!(size_of::<Slot>() == 192);
    assert!(core::mem::offset_of!(Slot, input) == 0);
    assert!(core::mem::offset_of!(Slot, verdict) == 128);
};

impl Slot {
    /// A slot outside the ring that holds a copy of an input.
    pub fn holding(input: &InputCell) -> Self {
        Self { input: *input, ..Self::default() }
    }

    /// The sequence of the input.
    #[inline]
    pub fn seq(&self) -> u64 {
        self.input.head().seq
    }
}

/// The right to write validate cells: one a pipeline, not clonable.
#[derive(Debug)]
pub struct VerdictWriter(());

/// The right to read validate cells: held by the stages after `validate`.
#[derive(Clone, Debug)]
pub struct VerdictReader(());

/// The two ends of the validate cells of one pipeline.
pub fn verdict_cell() -> (VerdictWriter, VerdictReader) {
    (VerdictWriter(()), VerdictReader(()))
}

impl VerdictWriter {
    /// Writes the verdict of this slot's input: reasons (with `rejected` in the word's high half), the
    /// normalised price and size. Three stores; the rest of the record is derived on reading.
    ///
    /// [`Found`] says no top of a book: [`VerdictWriter::write_top`] adds it.
    #[inline]
    pub fn write(&mut self, slot: &Slot, found: Found) {
        let words = &slot.verdict.words;
        let state = u64::from(found.reasons.0) | u64::from(found.rejected) << 32;
        words[0].store(slot.seq(), Relaxed);
        words[1].store(state, Relaxed);
        words[2].store(found.price.0 as u64, Relaxed);
        words[3].store(found.size.0 as u64, Relaxed);
    }

    /// Adds the top of the book to the verdict of this slot, which was written before.
    pub fn write_top(&mut self, slot: &Slot, top: Top) {
        let words = &slot.verdict.words;
        words[1].store(words[1].load(Relaxed) | HAS_TOP, Relaxed);
        let fields = [top.bid.0, top.ask.0, top.bid_size.0, top.ask_size.0];
        for (word, field) in words[4..].iter().zip(fields) {
            word.store(field as u64, Relaxed);
        }
    }
}

/// Bit of the verdict's second word: the cell holds the top of a book.
const HAS_TOP: u64 = 1 << 33;

/// The best bid and ask of a book. An empty side has [`Price::UNDEFINED`] and size 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Top {
    /// Best bid.
    pub bid: Price,
    /// Best ask.
    pub ask: Price,
    /// Size at the bid.
    pub bid_size: Size,
    /// Size at the ask.
    pub ask_size: Size,
}

impl Top {
    /// The middle, half a unit rounded to even; undefined where a side is empty.
    pub fn middle(&self) -> Price {
        if !self.bid.is_defined() || !self.ask.is_defined() {
            return Price::UNDEFINED;
        }
        let sum = i128::from(self.bid.0) + i128::from(self.ask.0);
        div_half_even(sum, 2).map_or(Price::UNDEFINED, |middle| Price(middle as i64))
    }

    /// Ask less bid, in price units; `None` where a side is empty.
    pub fn spread(&self) -> Option<i64> {
        let both = self.bid.is_defined() && self.ask.is_defined();
        both.then(|| self.ask.0.saturating_sub(self.bid.0))
    }

    /// (bid size − ask size) / (bid size + ask size), from −1 to 1; `None` without sizes.
    pub fn imbalance(&self) -> Option<f64> {
        let (bid, ask) = (self.bid_size.0 as f64, self.ask_size.0 as f64);
        (bid + ask > 0.0).then(|| (bid - ask) / (bid + ask))
    }
}

/// What `validate` found, as the later stages read it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// Why it is not simply `ok`.
    pub reasons: Reasons,
    /// True if nothing after `validate` may use it.
    pub rejected: bool,
    /// The normalised price.
    pub price: Price,
    /// The normalised size.
    pub size: Size,
}

impl Found {
    /// Nothing to say: for inputs that carry no market data.
    pub const OK: Self =
        Self { reasons: Reasons::NONE, rejected: false, price: Price(0), size: Size(0) };
}

impl VerdictReader {
    /// What `validate` found on this slot's input.
    ///
    /// # Panics
    /// If the cell holds another sequence: the stage runs before `validate`, a wiring mistake.
    #[inline]
    pub fn read(&self, slot: &Slot) -> Found {
        let words = &slot.verdict.words;
        assert_eq!(words[0].load(Relaxed), slot.seq(), "Invariant: validate ran on this slot");
        let state = words[1].load(Relaxed);
        Found {
            reasons: Reasons(state as u32),
            rejected: state >> 32 & 1 != 0,
            price: Price(words[2].load(Relaxed) as i64),
            size: Size(words[3].load(Relaxed) as i64),
        }
    }

    /// The top of the book after this slot's input: where it ends an update of a book, changed the top, and was
    /// accepted.
    ///
    /// # Panics
    /// As [`VerdictReader::read`].
    #[inline]
    pub fn top(&self, slot: &Slot) -> Option<Top> {
        let words = &slot.verdict.words;
        assert_eq!(words[0].load(Relaxed), slot.seq(), "Invariant: validate ran on this slot");
        let field = |word: usize| words[word].load(Relaxed) as i64;
        (words[1].load(Relaxed) & HAS_TOP != 0).then(|| Top {
            bid: Price(field(4)),
            ask: Price(field(5)),
            bid_size: Size(field(6)),
            ask_size: Size(field(7)),
        })
    }

    /// The verdict as the record that is journaled, unless the verdict is `ok`.
    #[inline]
    pub fn record(&self, slot: &Slot) -> Option<Verdict> {
        let found = self.read(slot);
        (found.reasons != Reasons::NONE).then(|| {
            let input = &slot.input;
            let mut head = Verdict::header(input.head().ts_event, input.head().ts_recv);
            head.seq = slot.seq();
            head.index = 1;
            Verdict {
                head,
                reasons: found.reasons.0,
                reserved: 0,
                price: found.price,
                size: found.size,
                tail: Tail {
                    instrument: input.tail().instrument,
                    source: input.tail().source,
                    side: u8::from(found.rejected),
                    flags: 0,
                },
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "validate ran on this slot")]
    fn a_verdict_of_another_sequence_is_never_believed() {
        let (mut writer, reader) = verdict_cell();
        let mut slot = Slot::default();
        writer.write(&slot, Found::OK);
        slot.input.head_mut().seq = 7;
        reader.read(&slot);
    }

    #[test]
    fn a_top_is_of_its_own_slot_and_gone_with_the_next_verdict() {
        let (mut writer, reader) = verdict_cell();
        let slot = Slot::default();
        let found = Found { reasons: Reasons::CROSSED, rejected: true, ..Found::OK };
        let top = Top { bid: Price(5), ask: Price(8), bid_size: Size(3), ask_size: Size(1) };
        for (found, top) in [(found, Some(top)), (Found::OK, None), (Found::OK, Some(top))] {
            writer.write(&slot, found);
            if let Some(top) = top {
                writer.write_top(&slot, top);
            }
            assert_eq!((reader.read(&slot), reader.top(&slot)), (found, top));
        }
        assert_eq!((top.middle(), top.spread(), top.imbalance()), (Price(6), Some(3), Some(0.5)));
        let one_sided = Top { ask: Price::UNDEFINED, ask_size: Size(0), ..top };
        assert_eq!((one_sided.middle(), one_sided.spread()), (Price::UNDEFINED, None));
    }

    #[test]
    fn a_one_line_record_leaves_the_second_line_alone() {
        let mut cell = InputCell { words: [u64::MAX; 16] };
        cell.put(&Trade::zeroed());
        assert_eq!(cell.words[..8], [0; 8]);
        assert_eq!(cell.words[8..], [u64::MAX; 8]);
    }
}
