//! What a test says where it cannot run.

use std::fmt::Display;
use std::io::Write as _;

/// Names the test of this thread, and why it is skipped. Past the harness, which shows what passing tests print to nobody.
pub fn skipped(why: impl Display) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    drop(writeln!(std::io::stderr(), "skipped {test}: {why}"));
}
