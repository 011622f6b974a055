//! The `grandmodel` command.
//!
//! * `cli`: what can be typed; `say`: how answers and errors are printed, and the exit code.
//! * `run`, `replay`, `journal`, `config`: a file a command; `export`: a journal as tables.
//!
//! Exit codes: 0 ended, or interrupted and drained; 1 findings, or the run ended early; 2 did not start.

mod cli;
mod config;
mod export;
mod journal_command;
mod log;
mod progress;
mod replay;
mod run;
mod say;

use clap::Parser as _;
use cli::{Cli, Command};
use say::{Exit, Say};
use std::process::ExitCode;

/// Parses the command line, runs the command, prints its answer and returns its exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return say::usage(&error),
    };
    let say = Say { json: cli.json };
    let result = match cli.command {
        Command::Run(arguments) => run::run(&arguments, say),
        Command::Replay(arguments) => replay::replay(&arguments, say),
        Command::Journal(arguments) => journal_command::journal(&arguments, say),
        Command::Config(arguments) => config::config(&arguments, say),
    };
    match result {
        Ok(Exit::Done) => ExitCode::SUCCESS,
        Ok(Exit::Findings) => ExitCode::from(1),
        Err(problem) => {
            say.problem(&problem);
            ExitCode::from(2)
        }
    }
}
