//! What a person is told when something cannot be done: what, where, and what to do about it.

use core::fmt;

/// One clear message. Every error that reaches the user is one of these.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// What is wrong.
    pub what: String,
    /// Where: file and line, config key, segment and offset.
    pub place: String,
    /// What to do next.
    pub fix: String,
    /// True for bytes that are not what was written: a finding (exit 1), not a start that failed (exit 2).
    pub damage: bool,
}

impl Problem {
    /// A problem in three parts.
    pub fn new(what: impl Into<String>, place: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), place: place.into(), fix: fix.into(), damage: false }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        if !self.place.is_empty() {
            write!(f, "\n  where: {}", self.place)?;
        }
        if !self.fix.is_empty() {
            write!(f, "\n  do:    {}", self.fix)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

impl Problem {
    /// A journal's error in the three parts.
    pub fn from_journal(error: &journal::JournalError) -> Self {
        let (what, place, fix) = error.parts();
        Self { what, place, fix, damage: error.is_damage() }
    }
}
