//! The spine.

pub mod instrument;
pub mod problem;
pub mod source;

pub use problem::Problem;
