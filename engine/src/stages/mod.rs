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
