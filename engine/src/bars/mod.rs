//! Bars as plain arithmetic: prints or a vendor's bars in, bars out.
//!
//! ```text
//! prints, quotes ─▶ piece ─▶ a bucket of each timeframe ─┐
//!              └──▶ extra (tick, volume, notional bars) ─┼─▶ bars
//! vendor's bars ──▶ vendor (their own, and larger ones) ─┘
//! ```
//!
//! * `piece`: open, high, low, close and sums of prints; `micro_batch`: the finest averages of all.
//! * `extra`: bars that no length in time ends; `fill`: buckets in which nothing traded.
//! * `span`: which bucket a vendor's bar is of, for the sequencer's timers and the stage alike; `vendor`: the bars.

pub mod extra;
pub mod fill;
pub mod micro_batch;
pub mod piece;
pub mod span;
pub mod vendor;

pub use extra::ExtraBar;
pub use fill::Gap;

use ringbuf_layout::units::SECOND;

/// Start of the bucket of `ts`, counted from the session's open.
pub fn bucket_start(session_open: i64, timeframe_s: u32, ts: i64) -> i64 {
    ts - (ts - session_open).rem_euclid(i64::from(timeframe_s) * SECOND)
}
