//! What the tests across crates share: random markets, a machine stepped on one thread that keeps its
//! frames in memory, real runs into real journals, and bars built a second time by another method.
//!
//! * [`market`]: records and instruments by hand.
//! * [`script`]: random markets with shrinking.
//! * [`scene`]: what goes into a machine; [`recording`]: the frames that come out.
//! * [`bar_script`]: random markets for bars of every kind.
//! * [`naive_bars`]: the bars of a recording, from the specification's text alone.
//! * [`real_run`]: sources into a journal directory and back; [`tamper`]: journals with a lie in them.
//! * [`halves`]: a run in two halves, with a state saved between them.
//! * [`seeds`]: random cases with a printed, replayable seed; [`sources`]: the workspace's own text.

pub mod bar_script;
pub mod halves;
pub mod market;
pub mod naive_bars;
mod naive_kinds;
mod naive_vendor;
pub mod real_run;
pub mod recording;
pub mod scene;
pub mod script;
pub mod seeds;
pub mod skipped;
pub mod sources;
pub mod tamper;
