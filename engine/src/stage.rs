//! A pure stage: a plain struct that turns an input and earlier results into its own result.
//!
//! No threads, clocks, atomics, I/O, locks, hash-map iteration, randomness, or allocation after
//! start-up: the runtime owns those. So the same struct runs pinned and spinning, cooperatively
//! on one core, stepped in a test, or in replay, with the same bytes out.

use crate::earlier::Earlier;
use crate::state::State;
use ringbuf_layout::{Frame, LaneWriter, Part, Slot};
use xxhash_rust::xxh3::Xxh3;

/// A state hash is taken after every input whose sequence is a multiple of this.
pub const CHECKPOINT_INPUTS: u64 = 10_000;

/// One of the nine pure stages. Its whole state can be saved and loaded: what is digested comes back.
pub trait Stage: Send + State {
    /// Which part it is: gives its name in code, threads, metrics and docs.
    const PART: Part;
    /// True if it must see every tick. The others are woken by closed bars and by inputs that are not
    /// ticks, so a quiet tick costs them one look at a mark, and they leave nothing in its slot.
    const EVERY_TICK: bool;
    /// The lanes that it may read.
    type Earlier: Earlier;
    /// The record that it leaves.
    type Output: Frame;
    /// What it reads as plain fields of its own thread: positions and orders as they stood after the
    /// previous input, for `marl` and `risk`; `()` for the others.
    type Standing<'a>;

    /// Takes the next input. Inputs come in sequence, each exactly once.
    fn on_input(
        &mut self,
        slot: &Slot,
        earlier: &Self::Earlier,
        standing: Self::Standing<'_>,
        out: &mut Emit<'_, Self::Output>,
    );

    /// True if this slot is nothing to it.
    #[inline]
    fn sleeps(slot: &Slot, earlier: &Self::Earlier) -> bool {
        !Self::EVERY_TICK && slot.input.is_tick() && !earlier.bar_closed(slot)
    }

    /// Feeds its whole state to the hash: little-endian fields in a fixed order.
    fn digest(&self, digest: &mut Digest);
}

/// Where a stage leaves its outputs.
pub struct Emit<'a, T> {
    lane: &'a mut LaneWriter<T>,
    slot: &'a Slot,
    earlier: &'a dyn Earlier,
}

impl<'a, T: Frame> Emit<'a, T> {
    /// An emitter for one slot.
    pub fn new(lane: &'a mut LaneWriter<T>, slot: &'a Slot, earlier: &'a dyn Earlier) -> Self {
        Self { lane, slot, earlier }
    }

    /// The index that the next output gets.
    pub fn next_index(&self) -> u8 {
        1 + self.earlier.outputs(self.slot) + self.lane.count(self.slot.seq())
    }

    /// Leaves one output: sets its sequence, and its index behind the outputs of earlier stages.
    pub fn push(&mut self, mut record: T) {
        let seq = self.slot.seq();
        let index = self.next_index();
        let head = record.head_mut();
        head.seq = seq;
        head.index = index;
        self.lane.push(seq, &record);
    }
}

impl<T> core::fmt::Debug for Emit<'_, T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Emit({})", self.slot.seq())
    }
}

/// The hash of a stage's state: XXH3-64 over its fields, floats as bits with one NaN.
#[derive(Clone)]
pub struct Digest(Xxh3);

impl Default for Digest {
    fn default() -> Self {
        Self(Xxh3::new())
    }
}

impl Digest {
    /// A signed field.
    pub fn int(&mut self, value: i64) {
        self.0.update(&value.to_le_bytes());
    }

    /// An unsigned field.
    pub fn word(&mut self, value: u64) {
        self.0.update(&value.to_le_bytes());
    }

    /// A wide field.
    pub fn wide(&mut self, value: i128) {
        self.0.update(&value.to_le_bytes());
    }

    /// A float, by its bits; every NaN is the same NaN.
    pub fn float(&mut self, value: f64) {
        let bits = if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
        self.word(bits);
    }

    /// The digest.
    pub fn finish(&self) -> u64 {
        self.0.digest()
    }
}

impl core::fmt::Debug for Digest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Digest({:016x})", self.finish())
    }
}
