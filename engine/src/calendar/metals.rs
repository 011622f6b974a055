//! `METALS`: COMEX metals, New York time.

use super::holidays::{Holiday, is_after_thanksgiving, is_eve, kept_on};
use super::venue::{Day, Era, Venue, yyyymmdd};
use jiff::civil::{Date, Weekday};
use ringbuf_layout::names::SessionPhase::{Closed, Regular};

pub(super) const METALS: Venue = Venue {
    name: "METALS",
    zone: "America/New_York",
    all_week: false,
    // 18:00 of the evening before to 17:15 until 2015-09-20, then to 17:00.
    eras: &[
        Era { from: 0, phases: &[(-360, Regular), (1035, Closed)] },
        Era { from: 20_150_921, phases: &[(-360, Regular), (1020, Closed)] },
    ],
    day,
    holidays: "to the day from 2012 to 2026; later years by the same rules, without closures that are yet unknown",
};

/// Half days: the Friday after Thanksgiving until 2024, and Christmas Eve.
const HALF_DAY: i32 = 825;
/// The Friday after Thanksgiving from 2025 on.
const HALF_DAY_FROM_2025: i32 = 885;

/// The holiday calendars of CME Globex for NYMEX and COMEX products.
fn day(date: Date) -> Day {
    match kept_on(date) {
        Some(Holiday::NewYear | Holiday::GoodFriday | Holiday::Christmas) => Day::Closed,
        Some(_) => Day::Until(holiday_close(date)),
        None if is_after_thanksgiving(date) && date.year() >= 2025 => {
            Day::Until(HALF_DAY_FROM_2025)
        }
        // The third of July is a usual day.
        None if is_after_thanksgiving(date) || is_eve(date) && date.month() == 12 => {
            Day::Until(HALF_DAY)
        }
        None => Day::Usual,
    }
}

/// 13:15 until May 2014, 13:00 until 2021, 14:30 since; 13:00 where no session follows before the weekend.
fn holiday_close(date: Date) -> i32 {
    match yyyymmdd(date) {
        ..20_140_526 => 795,
        20_220_101.. if date.weekday() != Weekday::Friday => 870,
        _ => 780,
    }
}
