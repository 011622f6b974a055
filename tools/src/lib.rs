//! The `grandmodel` command.
//!
//! * `cli`: what can be typed; `say`: how answers and errors are printed, and the exit code.
//! * `run`, `replay`, `journal`, `config`, `data`: a file a command; `export`: a journal as tables.
//! * `sources`, `window`: what is opened, and what of it.
//! * `policy`: who decides.
//! * `control`, `ctl`: the two ends of the control socket; `signals`: what ends or halts a run.
//! * `latency`: histograms in logs, reported and compared.
//!
//! Exit codes: 0 ended, or interrupted and drained; 1 findings, or the run ended early; 2 did not start.

mod cli;
mod config;
mod control;
mod ctl;
mod data;
mod diff;
mod export;
mod follow;
mod journal_command;
pub mod latency;
mod log;
mod policy;
mod progress;
mod rebuilt;
mod recover;
mod replay;
mod run;
mod say;
mod signals;
mod sources;
mod torture;
mod window;

use clap::Parser as _;
use cli::{Cli, Command};
use engine::Problem;
use engine::runtime::controls::Controls;
use say::{Exit, Say};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;

/// Parses the command line, runs the command, prints its answer and returns its exit code: 0, 1 or 2, and
/// nothing else, also after a panic or a signal.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return say::usage(&error),
    };
    let say = Say { json: cli.json };
    gateways::keep_quiet_of_contained_panics();
    let result = signals::install(drains(&cli.command))
        .map_or_else(Err, |controls| caught(|| command(&cli, say, &controls)));
    let code = match result {
        Ok(Exit::Done) => 0,
        Ok(Exit::Findings) => 1,
        Err(problem) => {
            say.problem(&problem);
            if problem.damage { 1 } else { 2 }
        }
    };
    ExitCode::from(if code == 0 && say::stdout_is_broken() { 1 } else { code })
}

/// True for a command that ends in its own time after a signal: the engine drains, a follower stores its place.
fn drains(command: &Command) -> bool {
    let load = |latency: &cli::Latency| matches!(latency.command, cli::LatencyCommand::Run(_));
    let imports = |data: &cli::Data| matches!(data.command, cli::DataCommand::Import(_));
    let follows =
        |journal: &cli::Journal| matches!(journal.command, cli::JournalCommand::Follow(_));
    match command {
        Command::Run(_) => true,
        Command::Data(data) => imports(data),
        Command::Latency(latency) => load(latency),
        Command::Journal(journal) => follows(journal),
        _ => false,
    }
}

fn command(cli: &Cli, say: Say, controls: &Arc<Controls>) -> Result<Exit, Problem> {
    match &cli.command {
        Command::Run(arguments) => run::run(arguments, say, controls),
        Command::Replay(arguments) => replay::replay(arguments, say),
        Command::Journal(arguments) => journal_command::journal(arguments, say, controls),
        Command::Data(arguments) => data::data(arguments, say, controls),
        Command::Ctl(arguments) => ctl::ctl(arguments, say),
        Command::Config(arguments) => config::config(arguments, say),
        Command::Latency(arguments) => latency::latency(arguments, say, controls),
    }
}

/// A panic of the command itself is a finding about it: exit 1, with its message above.
fn caught(command: impl FnOnce() -> Result<Exit, Problem>) -> Result<Exit, Problem> {
    catch_unwind(AssertUnwindSafe(command)).unwrap_or_else(|_| {
        say::aside("error: the command panicked; please report it with the message above");
        Ok(Exit::Findings)
    })
}
