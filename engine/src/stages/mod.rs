//! The nine pure stages, a file each, in the order in which they run.

pub mod bar;
pub mod drill;
pub mod grid;
pub mod indicator;
pub mod marl;
pub mod matrix;
pub mod oms;
pub mod portfolio;
pub mod risk;
pub mod synergy;
pub mod validate;

/// Their names, in order: code, threads, metrics and docs use the same words.
pub const NAMES: [&str; 9] =
    ["validate", "bar", "indicator", "matrix", "synergy", "marl", "risk", "oms", "portfolio"];
