//! Snapshots: the state after an input, so that a run goes on and a replay begins without the journal before it.
//!
//! ```text
//!  DIR/snapshots/00000000000001000000.gms        stands after input 1,000,000; replay goes on at 1,000,001
//!  DIR/snapshots/00000000000001000000-2.gms      where epoch 2 began a new chain
//! ```
//!
//! A snapshot is a cache of what the journal says: one that is damaged is passed over for an older one, or for the
//! journal from its beginning, and whoever loads it is told. Never written on the spine: after a run, or offline.
//!
//! * [`file`]: its bytes.
//! * [`shelf`]: the directory.
//! * [`take()`]: the offline command.

pub mod file;
pub mod shelf;
mod take;

pub use file::{Snapshot, Stand};
pub use take::{Taken, take};
pub(crate) use take::{leave, sound};
