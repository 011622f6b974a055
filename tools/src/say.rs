//! How the command speaks: one JSON object on stdout with `--json`, else text for people.

use engine::Problem;
use serde_json::{Map, Value, json};
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// How a command that started ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// 0
    Done,
    /// 1: findings, or the run ended early.
    Findings,
}

/// The two ways of speaking.
#[derive(Clone, Copy, Debug)]
pub struct Say {
    /// One JSON object on stdout; people's text goes to stderr.
    pub json: bool,
}

impl Say {
    /// Text for people: stdout, or stderr where stdout carries JSON.
    pub fn text(self, text: &str) {
        if self.json { aside(text) } else { print(text) }
    }

    /// The answer as JSON, where JSON was asked for.
    pub fn answer(self, answer: Map<String, Value>) {
        if self.json {
            print(&Value::Object(answer).to_string());
        }
    }

    /// An error: as JSON on stdout where JSON was asked for, and always for people on stderr.
    pub fn problem(self, problem: &Problem) {
        if self.json {
            self.answer(error_object(problem));
        }
        aside(&format!("error: {problem}"));
    }
}

/// `{"error":{"what","where","do"}}`
pub fn error_object(problem: &Problem) -> Map<String, Value> {
    let error = json!({ "what": problem.what, "where": problem.place, "do": problem.fix });
    Map::from_iter([("error".to_string(), error)])
}

/// What became of stdout: 0 well, 1 its reader went away, 2 it cannot be written.
static STDOUT: AtomicU8 = AtomicU8::new(0);

/// A line on stdout. A reader that went away (`| head`) is no error of ours: nothing more is printed, and
/// the command keeps its own exit code.
pub fn print(text: &str) {
    if STDOUT.load(Relaxed) == 0
        && let Err(error) = writeln!(io::stdout(), "{text}")
    {
        stdout_failed(&error);
    }
}

/// Notes that stdout could not be written.
pub fn stdout_failed(error: &io::Error) {
    if error.kind() == io::ErrorKind::BrokenPipe {
        STDOUT.store(1, Relaxed);
    } else if STDOUT.swap(2, Relaxed) == 0 {
        aside(&format!("error: cannot write to stdout: {error}"));
    }
}

/// True once nobody reads stdout any more, or it cannot be written.
pub fn stdout_is_gone() -> bool {
    STDOUT.load(Relaxed) != 0
}

/// True if something that should be on stdout is not, though someone reads it.
pub fn stdout_is_broken() -> bool {
    if let Err(error) = io::stdout().flush() {
        stdout_failed(&error);
    }
    STDOUT.load(Relaxed) == 2
}

/// A line on stderr, if someone is there.
pub fn aside(text: &str) {
    drop(writeln!(io::stderr(), "{text}"));
}

/// True if a person watches stderr.
pub fn watched() -> bool {
    io::stderr().is_terminal()
}

/// What was typed cannot be understood, or help was asked for.
pub fn usage(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    if error.use_stderr() && json {
        let text = error.to_string();
        let what = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        let fix = "`grandmodel --help` lists what can be typed";
        Say { json }.answer(error_object(&Problem::new(what, "command line", fix)));
    }
    if error.use_stderr() {
        drop(error.print());
        return ExitCode::from(2);
    }
    print(error.render().to_string().trim_end());
    ExitCode::from(u8::from(stdout_is_broken()))
}

/// A text of `key value` lines.
#[derive(Debug, Default)]
pub struct Lines(pub String);

impl Lines {
    /// Adds a line.
    pub fn put(&mut self, key: &str, value: impl std::fmt::Display) {
        self.0.push_str(&format!("{key:<11}{value}\n"));
    }
}
