//! The memory-mapped journal: one writer appends frames to segments, readers check every byte.
//!
//! ```text
//!  DIR/LOCK                     one writer, by OS lock
//!  DIR/segment-00000000.gmj     ┌────────┬───────┬───────┬─ ─ ─┬────────┬──────────┐
//!                               │ header │ frame │ frame │     │ footer │ zeros    │
//!                               └────────┴───────┴───────┴─ ─ ─┴────────┴──────────┘
//!                                 4 KiB    multiples of 64 B, none crosses a 4 KiB page
//!  DIR/segment-00000001.gmj     the next one; the last one has no footer until it is closed
//!  DIR/segment-0000000N.gmj     spares: made, zero-filled and mapped ahead by a helper thread
//!  DIR/objects/<sha256>         what a run start names: config, instruments, weights
//!  DIR/followers/NAME           how far a follower has read
//!  DIR/superblock               epoch, chain, `durable`, first and last segment; two copies by turns
//! ```
//!
//! * [`Writer`]: appends slots (an input and its outputs), moves the [`Watermark`] by whole slots;
//!   [`Writer::resume`] goes on with a journal that was closed, killed or cut off.
//! * [`Durability`]: how far the disk is, who waits for it, whether it failed; for any thread.
//! * [`recover`]: what a run would go on from; the table of cases is in `recovery.rs`.
//! * [`Journal`] and [`Frames`]: read whole slots and tell a torn tail from damage.
//! * [`Follower`]: reads behind a living writer, in any process; [`followers`] keep their places.
//!   [`Retention`]: removes old segments.
//! * [`verify`]: reads everything, digests included, and reports.
//! * [`objects`]: files by content hash. [`plain`]: files that may be something else.
//! * [`store`]: the boundary to the disk; `sim` (a feature) is one that loses, reorders and tears.
//!
//! The CRC of a frame is its commit: there is no commit word. The crate knows bytes and sequences,
//! not trading. `unsafe` is in `map.rs` and `uring.rs` (system calls) and `copy.rs` (one CPU instruction)
//! only.

pub mod buffer;
mod copy;
mod disk;
mod durability;
mod error;
mod follower;
pub mod followers;
pub mod frame;
mod frames;
pub mod header;
mod helpers;
mod lock;
mod maker;
mod map;
pub mod objects;
mod options;
pub mod plain;
mod reader;
mod recover;
mod recovery;
mod retention;
mod seal;
#[cfg(feature = "sim")]
pub mod sim;
pub mod store;
mod superblock;
mod syncer;
mod uring;
mod verify;
mod writer;

/// The parts of the append path, for benches that measure a floor with the same copy and CRC.
pub mod floor {
    pub use crate::copy::Crc;
    pub use crate::map::map_writable;
}

pub use disk::Disk;
pub use durability::Durability;
pub use error::{Finding, JournalError};
pub use follower::{Follower, Position, Until};
pub use frames::{Bookmark, End, FrameRef, Frames};
pub use lock::Lock;
pub use map::{Map, Region};
pub use options::{Options, SyncBackend};
pub use reader::{Journal, SegmentInfo};
pub use recover::{recover, recover_on};
pub use recovery::{Case, Facts, Recovery};
pub use retention::{Limits, Removed, Retention};
pub use superblock::Superblock;
pub use sync::Watermark;
pub use verify::{Progress, Report, verify, verify_on};
pub use writer::{Stats, Writer};
