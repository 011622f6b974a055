//! `journaled`: how far the journal reaches, shared with whoever must not run ahead of it.

use core::sync::atomic::{AtomicU64, Ordering};

/// The next sequence to be journaled: every slot below it lies whole in the mapped file, so 0 means
/// nothing yet. It moves by whole slots and never falls.
///
/// Promise P1: a slot below the watermark survives `kill -9` of the process, because the kernel owns
/// the mapped pages. It does not yet survive a power cut; that is a later watermark, `durable`.
#[derive(Debug)]
pub struct Watermark(AtomicU64);

impl Watermark {
    pub(crate) fn new(next_seq: u64) -> Self {
        Self(AtomicU64::new(next_seq))
    }

    /// The first sequence that is not yet journaled. Acquire: who has read `n` here also sees the
    /// bytes of every slot below `n` in a map of the same files.
    #[inline]
    pub fn next_seq(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// True if the slot of this sequence is journaled.
    #[inline]
    pub fn covers(&self, seq: u64) -> bool {
        seq < self.next_seq()
    }

    /// Release: the frames before it are stored before it, for the compiler and for the CPU.
    #[inline]
    pub(crate) fn store(&self, next_seq: u64) {
        self.0.store(next_seq, Ordering::Release);
    }
}
