//! `data inspect|import|bars-audit`: what a file is, files into a journal, its bars against a vendor's.

mod bars_audit;
mod import;
mod inspect;
mod inspect_text;

use crate::cli::{self, DataCommand};
use crate::say::{Exit, Say};
use engine::Problem;
use engine::runtime::controls::Controls;

/// `data …`
pub fn data(arguments: &cli::Data, say: Say, controls: &Controls) -> Result<Exit, Problem> {
    match &arguments.command {
        DataCommand::Inspect(arguments) => inspect::inspect(arguments, say),
        DataCommand::BarsAudit(arguments) => bars_audit::bars_audit(arguments, say),
        DataCommand::Import(arguments) => import::import(arguments, say, controls),
    }
}
