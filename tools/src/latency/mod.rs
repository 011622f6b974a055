//! `latency …`: histograms of every second of a run, in a log that other `HdrHistogram` tools read too.
//!
//! * `log`: an `.hlog`, written and read; `line` and `payload`: what one line of it may hold.
//! * `percentiles`: the figures of a histogram, for people and as JSON; `hgrm`: its whole distribution.
//! * `run`, `report`, `diff`: a file a command.

mod diff;
mod hgrm;
mod line;
mod log;
mod payload;
mod percentiles;
mod report;
mod run;

pub use hgrm::write_hgrm;
pub use log::{FILE_NAME, LatencyLog, Log, Summed, read};
pub use percentiles::{percentiles, table};

use crate::cli::{self, LatencyCommand};
use crate::say::{Exit, Say};
use engine::Problem;
use engine::runtime::controls::Controls;
use std::sync::Arc;

/// `latency …`
pub(crate) fn latency(
    arguments: &cli::Latency,
    say: Say,
    controls: &Arc<Controls>,
) -> Result<Exit, Problem> {
    match &arguments.command {
        LatencyCommand::Run(arguments) => run::run(arguments, say, controls),
        LatencyCommand::Report { paths } => report::report(paths, say),
        LatencyCommand::Diff { a, b } => diff::diff(a, b, say),
    }
}
