//! How far the journal reaches, shared with whoever must not run ahead of it.

use crate::line::Line;
use crate::shim::{AtomicU64, Site, ordering};

/// The next sequence to be journaled: every slot below it lies whole in the mapped file, so 0 means
/// nothing yet. It moves by whole slots and never falls.
///
/// Promise P1: a slot below the watermark survives `kill -9` of the process, because the kernel owns
/// the mapped pages. It does not survive a power cut; that is the journal's other watermark, `durable`.
#[derive(Debug)]
pub struct Watermark(Line<AtomicU64>);

impl Watermark {
    /// A watermark of a journal whose next slot is `next_seq`.
    pub fn new(next_seq: u64) -> Self {
        Self(Line(AtomicU64::new(next_seq)))
    }

    /// The first sequence that is not yet journaled. Acquire: who has read `n` here also sees the
    /// bytes of every slot below `n` in a map of the same files.
    #[inline]
    pub fn next_seq(&self) -> u64 {
        self.0.0.load(ordering(Site::WatermarkLoad))
    }

    /// True if the slot of this sequence is journaled.
    #[inline]
    pub fn covers(&self, seq: u64) -> bool {
        seq < self.next_seq()
    }

    /// Moves it; the journal's writer alone does. Release: the frames before it are stored before it,
    /// for the compiler and for the CPU.
    #[inline]
    pub fn store(&self, next_seq: u64) {
        self.0.0.store(next_seq, ordering(Site::WatermarkStore));
    }
}
