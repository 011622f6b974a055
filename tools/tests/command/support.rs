//! Runs the command and reads what it says.

use serde_json::Value;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::register_conditional_default;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
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

    /// Starts a command that the test talks to while it runs.
    pub fn start(&self, arguments: &str) -> Running {
        signals_by_default();
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Running(Some(command.spawn().expect("the command starts")))
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

/// Where the tests run in the background of a script, SIGINT is ignored, and so it would be in every process that
/// they start until its handlers are installed: one that comes before is lost, and a run of hours goes on. A
/// signal that is caught here is at its default there.
fn signals_by_default() {
    static CAUGHT: OnceLock<()> = OnceLock::new();
    CAUGHT.get_or_init(|| {
        for signal in [SIGINT, SIGTERM] {
            let always = Arc::new(AtomicBool::new(true));
            register_conditional_default(signal, always).expect("a signal that can be caught");
        }
    });
}

/// A process of the command; killed if the test fails before it ends.
pub struct Running(Option<Child>);

impl Running {
    fn child(&mut self) -> &mut Child {
        self.0.as_mut().expect("it is waited for once")
    }

    pub fn pid(&mut self) -> u32 {
        self.child().id()
    }

    /// Sends it a signal such as `-INT`. It is our child and not yet waited for, so its number is its own.
    pub fn signal(&mut self, signal: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.is_ok_and(|status| status.success()));
    }

    pub fn has_ended(&mut self) -> bool {
        self.child().try_wait().expect("our own process").is_some()
    }

    /// Waits for its end.
    pub fn end(mut self) -> Said {
        let child = self.0.take().expect("it is waited for once");
        Said::of(&child.wait_with_output().expect("our own process"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            drop(child.kill().and_then(|()| child.wait()));
        }
    }
}

/// Waits until something holds, at most a minute: a start syncs its segments, and a busy disk takes its time.
pub fn until(mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_mins(1), "it never came to hold");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A day that runs in a moment.
pub const SMALL: &str = "synthetic:days=1,ticks=20000";

/// A config of a drill: an order every so many inputs, to a broker that records them in its file.
pub fn drill(order_every: u32, host: &str) -> String {
    format!(
        "[semantic.venue]\nmode = \"broker\"\n[semantic.drill]\norder_every = {order_every}\n\
         [host]\nbroker = \"recording\"\nsegment_mib = 1\n{host}"
    )
}

impl Place {
    /// The frames of a kind in a journal, field by field.
    pub fn frames(&self, journal: &str, kind: &str) -> Vec<Value> {
        let said = self.run(&format!("journal dump {journal} --json --kind {kind}"));
        assert_eq!(said.code, Some(0), "{}", said.err);
        said.out.lines().map(|line| serde_json::from_str(line).expect("an object")).collect()
    }

    /// The orders that the broker recorded, without the header.
    pub fn recorded(&self, journal: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path(&format!("{journal}/broker.csv")));
        text.unwrap_or_default().lines().skip(1).map(str::to_string).collect()
    }
}

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
