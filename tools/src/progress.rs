//! Progress: a bar on a terminal, nothing in a pipe; paced runs print a line a second.

use crate::say::{aside, watched};
use engine::runtime::sink::Tally;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

/// Shows how far a run has come.
pub struct Progress {
    bar: ProgressBar,
    lines: bool,
    last: Instant,
}

impl Progress {
    /// A progress display of so many ticks, where that is known; `lines` for a paced run.
    pub fn new(ticks: Option<u64>, lines: bool) -> Self {
        let bar = if watched() && !lines {
            ticks.map_or_else(ProgressBar::no_length, ProgressBar::new)
        } else {
            ProgressBar::hidden()
        };
        let template = if ticks.is_some() {
            "{elapsed_precise} {bar:40} {human_pos}/{human_len} {msg}"
        } else {
            "{elapsed_precise} {spinner} {human_pos} {msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, lines, last: Instant::now() }
    }

    /// Called now and then by the run.
    pub fn look(&mut self, tally: &Tally) {
        let every = Duration::from_millis(if self.lines { 1_000 } else { 100 });
        if self.last.elapsed() < every {
            return;
        }
        self.last = Instant::now();
        self.bar.set_position(tally.ticks);
        if self.lines {
            let bars = tally.bars();
            let rejected = tally.rejected_records;
            aside(&format!("{} ticks, {bars} bars, {rejected} rejected", tally.ticks));
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
