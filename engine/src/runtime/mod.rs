//! Everything that the stages must not do: threads, clocks, waiting, files.

pub mod fail_point;
pub mod feed;
pub mod group;
pub mod handler;
pub mod host;
pub mod merge;
pub mod schedule;
pub mod sequencer;
pub mod sink;
pub mod threads;
