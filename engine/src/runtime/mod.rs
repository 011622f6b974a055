//! Everything that the stages must not do: threads, clocks, waiting, files.

pub mod clock;
pub mod controls;
pub mod egress;
pub mod exposure;
pub mod fail_point;
pub mod feed;
pub mod feed_gauge;
pub mod floor;
pub mod front;
pub mod gateway;
pub mod group;
pub mod handler;
pub mod host;
pub mod latency;
pub mod merge;
pub mod schedule;
pub mod sequencer;
pub mod signal;
pub mod sink;
pub mod taken;
pub mod threads;
mod track;
