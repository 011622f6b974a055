//! The spine.

pub mod calendar;
pub mod config;
pub mod instrument;
pub mod problem;
pub mod source;

pub use problem::Problem;
