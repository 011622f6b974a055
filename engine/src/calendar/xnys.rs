//! `XNYS`: New York equities.

use super::holidays::{is_after_thanksgiving, is_eve, kept_on};
use super::venue::{Day, Era, Phases, Venue, yyyymmdd};
use jiff::civil::Date;
use ringbuf_layout::names::SessionPhase::{Closed, Extended, Regular};

/// Pre-market from 04:00, regular hours, post-market to 20:00.
const USUAL: Phases = &[(240, Extended), (570, Regular), (960, Extended), (1200, Closed)];

/// A half day: regular hours to 13:00; the post-market of the electronic exchanges ends at 17:00.
const HALF: Phases = &[(240, Extended), (570, Regular), (780, Extended), (1020, Closed)];

/// Closures that no rule gives, since 2005.
const CLOSED: [i32; 5] = [
    20_070_102, // mourning for a president
    20_121_029, // Hurricane Sandy, two days
    20_121_030, //
    20_181_205, // mourning for a president
    20_250_109, // mourning for a president
];

pub(super) const XNYS: Venue = Venue {
    name: "XNYS",
    zone: "America/New_York",
    all_week: false,
    eras: &[Era { from: 0, phases: USUAL }],
    day,
    holidays: "to the day from 2005 to 2026; later years by the same rules, without closures that are yet unknown",
};

/// NYSE rule 7.2 for holidays; its yearly notices for the half days: the Friday after Thanksgiving, and the eves of
/// Christmas and Independence Day from Monday to Thursday.
fn day(date: Date) -> Day {
    if kept_on(date).is_some() || CLOSED.contains(&yyyymmdd(date)) {
        Day::Closed
    } else if is_after_thanksgiving(date) || is_eve(date) {
        Day::Hours(HALF)
    } else {
        Day::Usual
    }
}
