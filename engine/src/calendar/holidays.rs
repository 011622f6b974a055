//! Holidays of the United States by rule, as its exchanges keep them.
//!
//! The rules are those of NYSE rule 7.2 and of the CME holiday calendars: the same days, of which one is closed and
//! the other closes early.

use jiff::civil::{Date, Weekday};

/// A day that is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Holiday {
    NewYear,
    King,
    Washington,
    GoodFriday,
    Memorial,
    Juneteenth,
    Independence,
    Labor,
    Thanksgiving,
    Christmas,
}

/// The first year in which exchanges kept the day of Martin Luther King.
const KING_FROM: i16 = 1998;
/// … and the nineteenth of June, a federal holiday since 2021-06-17.
const JUNETEENTH_FROM: i16 = 2022;

/// The holiday that is kept on this date, if one is.
pub(super) fn kept_on(date: Date) -> Option<Holiday> {
    let (year, month, day) = (date.year(), date.month(), date.day());
    let monday = date.weekday() == Weekday::Monday;
    match month {
        // The third Monday of January and of February.
        1 if monday && (15..=21).contains(&day) && year >= KING_FROM => Some(Holiday::King),
        2 if monday && (15..=21).contains(&day) => Some(Holiday::Washington),
        // The last Monday of May, the first of September.
        5 if monday && day >= 25 => Some(Holiday::Memorial),
        9 if monday && day <= 7 => Some(Holiday::Labor),
        // The fourth Thursday of November.
        11 if date.weekday() == Weekday::Thursday && (22..=28).contains(&day) => {
            Some(Holiday::Thanksgiving)
        }
        1 if is_new_year(date) => Some(Holiday::NewYear),
        6 if is_observed(date, 19) && year >= JUNETEENTH_FROM => Some(Holiday::Juneteenth),
        7 if is_observed(date, 4) => Some(Holiday::Independence),
        12 if is_observed(date, 25) => Some(Holiday::Christmas),
        3 | 4 if is_good_friday(date) => Some(Holiday::GoodFriday),
        _ => None,
    }
}

/// True on this day of the month, on the Friday before it where it is a Saturday, on the Monday after it where it is
/// a Sunday.
fn is_observed(date: Date, day: i8) -> bool {
    let on = match date.weekday() {
        Weekday::Friday => day == date.day() || day == date.day() + 1,
        Weekday::Monday => day == date.day() || day == date.day() - 1,
        _ => day == date.day(),
    };
    on && !is_weekend(date)
}

/// The first of January, or the Monday after it where it is a Sunday. Where it is a Saturday it is not kept: the
/// Friday before ends a year of accounts.
fn is_new_year(date: Date) -> bool {
    let monday = date.weekday() == Weekday::Monday;
    !is_weekend(date) && (date.day() == 1 || monday && date.day() == 2)
}

/// A Saturday or a Sunday.
pub(super) fn is_weekend(date: Date) -> bool {
    matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// Monday to Thursday: eves that are half days.
pub(super) fn is_early_in_the_week(date: Date) -> bool {
    !is_weekend(date) && date.weekday() != Weekday::Friday
}

/// The Friday after Thanksgiving.
pub(super) fn is_after_thanksgiving(date: Date) -> bool {
    date.weekday() == Weekday::Friday && date.month() == 11 && (23..=29).contains(&date.day())
}

/// Christmas Eve or the eve of Independence Day, where both it and the day after are working days.
pub(super) fn is_eve(date: Date) -> bool {
    is_early_in_the_week(date) && matches!((date.month(), date.day()), (12, 24) | (7, 3))
}

/// Two days before Easter Sunday, by the Gregorian computus (Meeus, Jones, Butcher).
fn is_good_friday(date: Date) -> bool {
    if date.weekday() != Weekday::Friday {
        return false;
    }
    let year = i32::from(date.year());
    let (golden, century, in_century) = (year % 19, year / 100, year % 100);
    // Days from March 21 to the paschal full moon, and from there to a Sunday.
    let correction = (8 * century + 13) / 25;
    let moon = (19 * golden + century - century / 4 - correction + 15) % 30;
    let leap = 2 * (century % 4) + 2 * (in_century / 4) - in_century % 4;
    let sunday = (32 + leap - moon) % 7;
    let late = (golden + 11 * moon + 22 * sunday) / 451;
    let days = moon + sunday - 7 * late + 114;
    // Days since the first of March, of Easter Sunday and of this Friday.
    let easter = (days / 31 - 3) * 31 + days % 31;
    let friday = (i32::from(date.month()) - 3) * 31 + i32::from(date.day()) - 1;
    friday == easter - 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn holidays_fall_where_the_exchanges_kept_them() {
        for (date, holiday) in [
            (date(2012, 1, 2), Holiday::NewYear),
            (date(2019, 1, 21), Holiday::King),
            (date(2024, 2, 19), Holiday::Washington),
            (date(2013, 3, 29), Holiday::GoodFriday),
            (date(2014, 4, 18), Holiday::GoodFriday),
            (date(2018, 3, 30), Holiday::GoodFriday),
            (date(2021, 4, 2), Holiday::GoodFriday),
            (date(2026, 4, 3), Holiday::GoodFriday),
            (date(2021, 5, 31), Holiday::Memorial),
            (date(2022, 6, 20), Holiday::Juneteenth),
            (date(2027, 6, 18), Holiday::Juneteenth),
            (date(2015, 7, 3), Holiday::Independence),
            (date(2021, 7, 5), Holiday::Independence),
            (date(2020, 9, 7), Holiday::Labor),
            (date(2023, 11, 23), Holiday::Thanksgiving),
            (date(2021, 12, 24), Holiday::Christmas),
            (date(2022, 12, 26), Holiday::Christmas),
        ] {
            assert_eq!(kept_on(date), Some(holiday), "{date}");
        }
        // A Saturday's new year, weekends, the June before it was kept, an Easter Sunday and Monday.
        for date in [
            date(2021, 12, 31),
            date(2022, 1, 1),
            date(2021, 6, 18),
            date(2020, 7, 4),
            date(2018, 4, 1),
            date(2018, 4, 2),
            date(2021, 11, 26),
        ] {
            assert_eq!(kept_on(date), None, "{date}");
        }
    }

    #[test]
    fn each_year_has_its_holidays_once() {
        for year in 1998..2100 {
            let first = date(year, 1, 1);
            let days = first.series(jiff::ToSpan::days(1)).take_while(|day| day.year() == year);
            let kept: Vec<Holiday> = days.filter_map(kept_on).collect();
            let saturday = first.weekday() == Weekday::Saturday;
            let usual = if year < JUNETEENTH_FROM { 9 } else { 10 };
            assert_eq!(kept.len(), usual - usize::from(saturday), "{year}: {kept:?}");
        }
    }
}
