//! Runs the command and reads what it says.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A folder of its own, with the command run inside it.
pub struct Place {
    dir: TempDir,
}

/// What a command said.
pub struct Said {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Place {
    pub fn new() -> Self {
        Self { dir: TempDir::new().expect("a temporary folder") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file in a temporary folder");
    }

    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_grandmodel"));
        command.args(arguments.split_whitespace()).current_dir(self.dir.path());
        command.stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &str) -> Said {
        Said::of(&self.command(arguments).output().expect("the command starts"))
    }

    /// Runs a command that must succeed, with `--json`.
    pub fn json(&self, arguments: &str) -> Value {
        let said = self.run(&format!("{arguments} --json"));
        assert_eq!(said.code, Some(0), "{arguments}: {}", said.err);
        said.json()
    }

    /// One synthetic day of 20,000 ticks into journal `name`.
    pub fn small_run(&self, name: &str) -> Value {
        self.json(&format!("run -c small.toml --source {SMALL} --journal {name}"))
    }

    /// The config that `small_run` uses: segments that a small disk holds.
    pub fn with_small_config(self) -> Self {
        self.write("small.toml", "[host]\nsegment_mib = 1\n");
        self
    }

    pub fn segment(&self, journal: &str, number: u32) -> PathBuf {
        self.path(journal).join(format!("segment-{number:08}.gmj"))
    }
}

/// A day that runs in a moment.
pub const SMALL: &str = "synthetic:days=1,ticks=20000";

impl Said {
    pub fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}", self.out))
    }
}

/// Changes one byte of a file.
pub fn flip(path: &Path, offset: usize) {
    let mut bytes = std::fs::read(path).expect("a segment");
    bytes[offset] ^= 0x10;
    // A sealed segment is read-only; a new file in its place is what a damaged disk would show.
    std::fs::remove_file(path).expect("our own file");
    std::fs::write(path, bytes).expect("our own folder");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o444);
    std::fs::set_permissions(path, mode).expect("our own file");
}
