//! `[[semantic.calendar]]`: calendars of a config, beside the built-in ones.

use super::timetable::Timetable;
use super::{Calendar, market_hours};
use crate::manifest::from_hex;
use crate::problem::Problem;
use journal::objects;
use std::path::Path;
use std::sync::Arc;

/// What the file of a resolved calendar is called: the object that holds it.
pub const OBJECT: &str = "sha256:";
/// Longest name that the instrument record holds.
pub const NAME_MAX: usize = 16;

/// A calendar of a config.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserCalendar {
    /// What instruments call it.
    pub name: String,
    /// The path of a market-hours file; once it is resolved, the `sha256:` of its content.
    pub file: String,
    /// Which entry of the file; once it is resolved, none.
    pub entry: String,
    /// Its content, once it is resolved.
    pub timetable: Option<Arc<Timetable>>,
}

impl UserCalendar {
    /// Reads its file, and names it by its content.
    ///
    /// # Errors
    /// The file cannot be read or understood, or is the name of an object of some journal.
    pub fn resolve(&mut self) -> Result<(), Problem> {
        if self.timetable.is_some() {
            return Ok(());
        }
        if self.file.starts_with(OBJECT) {
            return Err(Problem::new(
                format!("calendar {} is named by its content, not by a file", self.name),
                "semantic.calendar.file",
                "name the market-hours file, and the entry in it, that it was read from",
            ));
        }
        let timetable = market_hours::read(Path::new(&self.file), &self.entry)?;
        self.file = format!("{OBJECT}{}", objects::hex(&timetable.sha256()));
        self.entry.clear();
        self.timetable = Some(Arc::new(timetable));
        Ok(())
    }

    /// Reads its content from the journal in `dir`.
    ///
    /// # Errors
    /// The object is missing or damaged.
    pub fn resolve_from(&mut self, dir: &Path) -> Result<(), Problem> {
        let hash = self.file.strip_prefix(OBJECT).and_then(from_hex).ok_or_else(|| {
            Problem::new(
                format!(
                    "calendar {} of the journaled config is not named by its content",
                    self.name
                ),
                dir.display().to_string(),
                "restore the objects folder from a copy of this journal",
            )
        })?;
        let bytes = objects::get(dir, &hash).map_err(|error| Problem::from_journal(&error))?;
        let place = dir.join("objects").join(objects::hex(&hash)).display().to_string();
        self.timetable = Some(Arc::new(Timetable::parse(&bytes, &place)?));
        Ok(())
    }
}

/// The calendar of this name: built in, or one of a config's that are resolved.
pub fn open(name: &str, own: &[UserCalendar]) -> Option<Calendar> {
    Calendar::built_in(name).or_else(|| {
        let found = own.iter().find(|calendar| calendar.name == name)?;
        Calendar::of(name, Arc::clone(found.timetable.as_ref()?))
    })
}

/// What to say where an instrument's calendar is not to be had.
pub fn unknown_calendar(symbol: &str, name: &str) -> Problem {
    Problem::new(
        format!("{symbol} has the calendar {name}, which is neither built in nor in the config"),
        "the instrument table",
        format!("define it: [[semantic.calendar]] name = \"{name}\", file, entry"),
    )
}
