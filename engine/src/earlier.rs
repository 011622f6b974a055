//! What each stage may read: the lanes of the stages before it, and no others, by type.
//!
//! ```text
//! AfterValidate ◀ AfterBar ◀ AfterIndicator ◀ AfterMatrix ◀ AfterSynergy ◀ AfterMarl ◀ AfterRisk ◀ AfterOms ◀ AfterPortfolio
//!   .verdict        .bars      .indicators      .matrices     .synergies     .decisions   .risks      .orders     .accounts
//! ```
//!
//! Each dereferences to the one before it, so `earlier.bars` works from `AfterBar` on, and reading a
//! later stage's lane is no runtime check but a compile error:
//!
//! ```compile_fail,E0609
//! fn indicator_reads_what_comes_later(earlier: &engine::earlier::AfterBar, seq: u64) {
//!     earlier.decisions.read(seq);
//! }
//! ```
//!
//! ```
//! fn marl_reads_what_came_before(earlier: &engine::earlier::AfterSynergy, seq: u64) {
//!     earlier.bars.read(seq);
//! }
//! ```

use ringbuf_layout::{
    Bar, Decision, Execution, Indicator, LaneReader, Matrix, Portfolio, Reasons, Risk, Slot,
    Synergy, VerdictReader,
};
use std::ops::Deref;

/// The outputs before a stage, counted: they give the index of its own.
pub trait Earlier: Send {
    /// How many outputs the stages before left in this slot.
    fn outputs(&self, slot: &Slot) -> u8;

    /// True if a bar closed in this slot: what wakes the stages that need not see every tick.
    fn bar_closed(&self, slot: &Slot) -> bool;
}

/// Read access after `validate`.
#[derive(Clone, Debug)]
pub struct AfterValidate {
    /// The verdict on the slot's input.
    pub verdict: VerdictReader,
}

impl Earlier for AfterValidate {
    #[inline]
    fn outputs(&self, slot: &Slot) -> u8 {
        u8::from(self.verdict.read(slot).reasons != Reasons::NONE)
    }

    #[inline]
    fn bar_closed(&self, _: &Slot) -> bool {
        false
    }
}

macro_rules! after {
    ($($(#[$meta:meta])* $name:ident = $before:ident + $lane:ident: $record:ident,
        bars: |$this:ident| $bars:expr;)*) => { $(
        $(#[$meta])*
        #[derive(Clone, Debug)]
        pub struct $name {
            before: $before,
            /// The lane of the last stage before.
            pub $lane: LaneReader<$record>,
        }
        impl $name {
            /// Adds the next stage's lane.
            pub fn new(before: $before, $lane: LaneReader<$record>) -> Self {
                Self { before, $lane }
            }
        }
        impl Deref for $name {
            type Target = $before;
            #[inline]
            fn deref(&self) -> &$before {
                &self.before
            }
        }
        impl Earlier for $name {
            #[inline]
            fn outputs(&self, slot: &Slot) -> u8 {
                self.before.outputs(slot) + self.$lane.count(slot.seq())
            }
            #[inline]
            fn bar_closed(&self, slot: &Slot) -> bool {
                let $this = self;
                $bars.count(slot.seq()) > 0
            }
        }
    )* };
}

after! {
    /// Read access after `bar`.
    AfterBar = AfterValidate + bars: Bar, bars: |s| s.bars;
    /// Read access after `indicator`.
    AfterIndicator = AfterBar + indicators: Indicator, bars: |s| s.bars;
    /// Read access after `matrix`.
    AfterMatrix = AfterIndicator + matrices: Matrix, bars: |s| s.bars;
    /// Read access after `synergy`.
    AfterSynergy = AfterMatrix + synergies: Synergy, bars: |s| s.bars;
    /// Read access after `marl`.
    AfterMarl = AfterSynergy + decisions: Decision, bars: |s| s.bars;
    /// Read access after `risk`.
    AfterRisk = AfterMarl + risks: Risk, bars: |s| s.bars;
    /// Read access after `oms`: order events and fills, in the order of their index.
    AfterOms = AfterRisk + orders: Execution, bars: |s| s.bars;
    /// Read access after `portfolio`: what the sinks read.
    AfterPortfolio = AfterOms + accounts: Portfolio, bars: |s| s.bars;
}
