//! Promises of the calendars: days that everybody knows, any instant, recorded calendars, files of any kind.

mod files;
mod properties;
mod real_data;
#[path = "../../../tests/src/skipped.rs"]
mod skipped;
mod well_known;

use engine::calendar::{Calendar, PhaseChange, utc};
use jiff::Timestamp;
use jiff::civil::Date;
use ringbuf_layout::names::SessionPhase;

fn ns(text: &str) -> i64 {
    let time: Timestamp = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    i64::try_from(time.as_nanosecond()).expect("fits")
}

fn built_in(name: &str) -> Calendar {
    Calendar::built_in(name).unwrap_or_else(|| panic!("{name} is built in"))
}

/// The phases of a trading date as text: local wall times, such as `09:30 regular`.
fn phases(calendar: &Calendar, date: Date) -> Vec<String> {
    let text = |change: PhaseChange| {
        let local = change.at + i64::from(change.utc_offset_s) * 1_000_000_000;
        let time = utc(local);
        let day = if time.starts_with(&date.to_string()) { "" } else { "-" };
        let phase = match change.phase {
            SessionPhase::Closed => "closed",
            SessionPhase::Regular => "regular",
            SessionPhase::Extended => "extended",
        };
        format!("{day}{} {phase}", &time[11..16])
    };
    calendar.changes(date).map(text).collect()
}

fn check(calendar: &Calendar, date: Date, expected: &[&str]) {
    assert_eq!(phases(calendar, date), expected, "{} on {date}", calendar.name);
}
