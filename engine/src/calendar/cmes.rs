//! `CMES`: equity index futures of the CME, Chicago time.

use super::holidays::{Holiday, is_after_thanksgiving, is_eve, kept_on};
use super::venue::{Day, Era, Venue, yyyymmdd};
use jiff::civil::Date;
use ringbuf_layout::names::SessionPhase::{Closed, Regular};

pub(super) const CMES: Venue = Venue {
    name: "CMES",
    zone: "America/Chicago",
    all_week: false,
    // From 17:00 of the evening before. A break at 15:15 ended on 2021-06-28; the close moved from 16:30 to 16:15 on
    // 2012-11-19, and to 16:00 on 2015-09-21. (Before 2012-11-19 the half hour of 15:30 to 16:30 cleared with the
    // next trading date, and Fridays had none; here it is of its own date.)
    eras: &[
        Era { from: 0, phases: &[(-420, Regular), (915, Closed), (930, Regular), (990, Closed)] },
        Era {
            from: 20_121_119,
            phases: &[(-420, Regular), (915, Closed), (930, Regular), (975, Closed)],
        },
        Era {
            from: 20_150_921,
            phases: &[(-420, Regular), (915, Closed), (930, Regular), (960, Closed)],
        },
        Era { from: 20_210_628, phases: &[(-420, Regular), (960, Closed)] },
    ],
    day,
    holidays: "to the day from 2012 to 2026; later years by the same rules, without closures that are yet unknown",
};

/// Closes at noon on the holidays on which the cash market alone is closed; at 10:30 until May 2014.
const NOON: i32 = 720;
const MORNING: i32 = 630;
const NOON_FROM: i32 = 20_140_526;
/// On the cash market's half days, 15 minutes after it.
const HALF_DAY: i32 = 735;
/// On Good Fridays with a jobs report, 45 minutes after that.
const JOBS_REPORT: i32 = 495;
/// Days on which the cash market was closed and no rule says so: the futures ended with their night, as the exchange
/// announced.
const NIGHT_ONLY: [(i32, i32); 4] = [
    (20_121_029, 495), // Hurricane Sandy, two days
    (20_121_030, 495), //
    (20_181_205, 510), // mourning for a president
    (20_250_109, 510), // mourning for a president
];

/// The holiday calendars of CME Globex for equity products.
fn day(date: Date) -> Day {
    let yyyymmdd = yyyymmdd(date);
    match kept_on(date) {
        Some(Holiday::NewYear | Holiday::Christmas) => Day::Closed,
        // The jobs report comes on the first Friday of the month, holiday or not.
        Some(Holiday::GoodFriday) if date.day() > 7 || date.month() != 4 => Day::Closed,
        Some(Holiday::GoodFriday) => Day::Until(JOBS_REPORT),
        Some(_) if yyyymmdd < NOON_FROM => Day::Until(MORNING),
        Some(_) => Day::Until(NOON),
        None if is_after_thanksgiving(date) || is_eve(date) => Day::Until(HALF_DAY),
        None => NIGHT_ONLY
            .iter()
            .find(|(date, _)| *date == yyyymmdd)
            .map_or(Day::Usual, |(_, minute)| Day::Until(*minute)),
    }
}
