//! The words by which threads order one another. Everything else that crosses threads goes through the
//! ring (the `disruptor` crate) or through queues to helper threads (`rtrb`).
//!
//! Read in this order:
//!
//! 1. [`watermark`]: how far the journal reaches; one release store, one acquire load.
//! 2. [`list`]: orders on their way from egress to the gateway, one writer, one reader.
//! 3. [`kill`]: the word that the gateway looks at before every order leaves.
//! 4. [`stop`]: the end of a run, and the gate at its start.
//! 5. [`gauge`]: how far a thread has come.
//! 6. [`shim`]: the one place that names the atomics, and the site of every ordering that matters.
//!
//! `tests/models.rs` explores the interleavings with loom, and checks that it would notice if any one of
//! the sites in [`shim::Site`] were relaxed:
//! `RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -p sync --release --test models`.
//!
//! Nothing here loops, but the start gate; who waits, and how, is the caller's. Nothing allocates after
//! it was made.

pub mod gauge;
pub mod kill;
mod line;
pub mod list;
pub mod shim;
pub mod stop;
pub mod watermark;

pub use gauge::Gauge;
pub use kill::{KillWord, Trading};
pub use line::Line;
pub use list::{ListGauge, ListReader, ListWriter, order_list};
pub use stop::{StartGate, Stop};
pub use watermark::Watermark;
