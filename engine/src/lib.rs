//! The spine: an input goes through nine pure stages and two sinks, and the same inputs give the same
//! bytes on any layout and in replay.
//!
//! Read in this order: [`pipeline`] (the whole machine on one page), [`stage`] (what a stage is),
//! [`stages`] (one file each), [`earlier`] (who may read what), [`runtime`] (who spins, waits and writes),
//! [`replay`] (how a run is proved).

pub mod accounting;
pub mod audit;
pub mod bars;
mod begun;
pub mod calendar;
pub mod conditions;
pub mod config;
mod conversion;
pub mod depth;
pub mod earlier;
mod futures;
pub mod image;
pub mod import;
pub mod indicators;
pub mod instrument;
pub mod layout;
pub mod ledger;
pub mod legs;
pub mod limits;
pub mod manifest;
pub mod market_tape;
pub mod orders;
pub mod pipeline;
pub mod policy;
pub mod problem;
pub mod replay;
pub mod resume;
pub mod retain;
pub mod run;
pub mod runtime;
pub mod snapshot;
pub mod source;
pub mod stage;
pub mod stages;
pub mod start;
pub mod state;
pub mod summary;
pub mod tape;
pub mod trusted;

pub use problem::Problem;
