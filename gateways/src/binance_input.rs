//! The files of a raw Binance recording, or stdin, as lines.

use crate::files;
use crate::lines::{LineError, Lines};
use crate::packed;
use engine::Problem;
use std::path::PathBuf;

/// Longest line: a snapshot of 5,000 levels a side takes 400 KB.
const LONGEST: usize = 1 << 20;

/// Where lines come from.
pub(crate) enum Input {
    File(PathBuf),
    Stdin,
}

impl Input {
    /// Opens it.
    pub(crate) fn open(&self) -> Result<Current, Problem> {
        let (bytes, place) = match self {
            Self::File(path) => packed::open(path)?,
            Self::Stdin => {
                let bytes = packed::unpacked(std::io::stdin());
                (bytes.map_err(|e| files::unreadable(&e, "stdin"))?, "stdin".to_string())
            }
        };
        Ok(Current { lines: Lines::of_at_most(LONGEST, bytes), place })
    }
}

/// A file being read.
pub(crate) struct Current {
    pub lines: Lines,
    pub place: String,
}

impl Current {
    /// Lines that cannot be read any further.
    #[cold]
    pub(crate) fn broken(&self, error: &LineError) -> Problem {
        let what = match error {
            LineError::Io(e) => format!("the file cannot be read or unpacked any further: {e}"),
            LineError::TooLong => format!("no line end in {LONGEST} bytes"),
        };
        let fix = "check that the file is whole and holds `<ns> <json>` lines; those before were \
                   delivered";
        Problem::new(what, format!("{}, line {}", self.place, self.lines.number()), fix)
    }
}
