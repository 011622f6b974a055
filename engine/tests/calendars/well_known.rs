//! Days whose hours everybody can look up.

use super::*;
use jiff::civil::date;

const XNYS_USUAL: [&str; 4] = ["04:00 extended", "09:30 regular", "16:00 extended", "20:00 closed"];
const XNYS_HALF: [&str; 4] = ["04:00 extended", "09:30 regular", "13:00 extended", "17:00 closed"];

#[test]
fn new_york_is_closed_on_its_holidays_and_when_no_rule_says_so() {
    let xnys = built_in("XNYS");
    for holiday in [
        date(2012, 1, 2),
        date(2012, 10, 29),
        date(2012, 10, 30),
        date(2013, 3, 29),
        date(2015, 7, 3),
        date(2016, 1, 18),
        date(2018, 12, 5),
        date(2021, 12, 24),
        date(2022, 6, 20),
        date(2024, 6, 19),
        date(2025, 1, 9),
        date(2026, 4, 3),
        date(2030, 12, 25),
        date(2024, 1, 6),
    ] {
        check(&xnys, holiday, &[]);
    }
    // New Year's Day of 2022 was a Saturday, and the nineteenth of June was no holiday in 2021.
    for usual in [date(2021, 12, 31), date(2021, 6, 18), date(2013, 7, 5), date(2020, 7, 2)] {
        check(&xnys, usual, &XNYS_USUAL);
    }
}

#[test]
fn half_days_of_new_york_end_at_one_and_their_post_market_at_five() {
    let xnys = built_in("XNYS");
    for half in [
        date(2013, 7, 3),
        date(2013, 11, 29),
        date(2013, 12, 24),
        date(2017, 7, 3),
        date(2024, 7, 3),
        date(2025, 11, 28),
        date(2031, 12, 24),
    ] {
        check(&xnys, half, &XNYS_HALF);
    }
}

#[test]
fn index_futures_close_early_on_holidays_of_the_cash_market() {
    let cmes = built_in("CMES");
    for (date, close) in [
        (date(2013, 1, 21), "10:30 closed"),
        (date(2019, 1, 21), "12:00 closed"),
        (date(2022, 6, 20), "12:00 closed"),
        (date(2020, 7, 3), "12:00 closed"),
        (date(2023, 11, 23), "12:00 closed"),
        (date(2023, 11, 24), "12:15 closed"),
        (date(2024, 12, 24), "12:15 closed"),
        (date(2013, 7, 3), "12:15 closed"),
        (date(2023, 4, 7), "08:15 closed"),
        (date(2012, 10, 29), "08:15 closed"),
        (date(2018, 12, 5), "08:30 closed"),
        (date(2025, 1, 9), "08:30 closed"),
    ] {
        check(&cmes, date, &["-17:00 regular", close]);
    }
    for closed in [date(2013, 3, 29), date(2022, 4, 15), date(2021, 12, 24), date(2024, 1, 1)] {
        check(&cmes, closed, &[]);
    }
    // The evening before a closed date is closed too; that of a holiday is the next date's.
    let good_friday = cmes.phase_at(ns("2022-04-14T23:00:00Z")).expect("a phase");
    assert_eq!((good_friday.phase, good_friday.trading_date), (SessionPhase::Closed, 20_220_414));
    assert_eq!(
        utc(cmes.next_after(ns("2022-04-15T12:00:00Z")).unwrap().at),
        "2022-04-17T22:00:00Z"
    );
    let evening = cmes.phase_at(ns("2019-01-21T23:00:00Z")).expect("a phase");
    assert_eq!((evening.phase, evening.trading_date), (SessionPhase::Regular, 20_190_122));
}

#[test]
fn the_hours_of_index_futures_changed_four_times() {
    let cmes = built_in("CMES");
    let with_break = |close| ["-17:00 regular", "15:15 closed", "15:30 regular", close];
    check(&cmes, date(2012, 11, 16), &with_break("16:30 closed"));
    check(&cmes, date(2012, 11, 19), &with_break("16:15 closed"));
    check(&cmes, date(2015, 9, 18), &with_break("16:15 closed"));
    check(&cmes, date(2015, 9, 21), &with_break("16:00 closed"));
    check(&cmes, date(2021, 6, 25), &with_break("16:00 closed"));
    check(&cmes, date(2021, 6, 28), &["-17:00 regular", "16:00 closed"]);
}

#[test]
fn metals_close_later_than_index_futures_and_know_no_half_day_in_july() {
    let metals = built_in("METALS");
    for (date, close) in [
        (date(2013, 1, 21), "13:15 closed"),
        (date(2013, 7, 3), "17:15 closed"),
        (date(2013, 7, 4), "13:15 closed"),
        (date(2013, 11, 29), "13:45 closed"),
        (date(2019, 9, 2), "13:00 closed"),
        (date(2022, 1, 17), "14:30 closed"),
        (date(2025, 7, 4), "13:00 closed"),
        (date(2025, 11, 28), "14:45 closed"),
        (date(2025, 12, 24), "13:45 closed"),
        (date(2025, 1, 9), "17:00 closed"),
    ] {
        check(&metals, date, &["-18:00 regular", close]);
    }
    for closed in [date(2021, 4, 2), date(2023, 4, 7), date(2024, 12, 25)] {
        check(&metals, closed, &[]);
    }
}

#[test]
fn clocks_change_between_sessions_and_between_america_and_europe() {
    let cmes = built_in("CMES");
    let opens = |date| cmes.changes(date).next().map(|change| utc(change.at)).unwrap();
    // America changes on 2024-03-10 and 2024-11-03, Europe on 2024-03-31 and 2024-10-27.
    assert_eq!(opens(date(2024, 3, 8)), "2024-03-07T23:00:00Z");
    assert_eq!(opens(date(2024, 3, 11)), "2024-03-10T22:00:00Z");
    assert_eq!(opens(date(2024, 11, 4)), "2024-11-03T23:00:00Z");
    let xnys = built_in("XNYS");
    let regular = |date| xnys.changes(date).nth(1).map(|change| utc(change.at)).unwrap();
    assert_eq!(regular(date(2024, 3, 28)), "2024-03-28T13:30:00Z");
    assert_eq!(regular(date(2024, 10, 28)), "2024-10-28T13:30:00Z");
    assert_eq!(regular(date(2024, 11, 4)), "2024-11-04T14:30:00Z");
}

#[test]
fn the_synthetic_market_and_round_the_clock_have_no_holidays() {
    let christmas = date(2024, 12, 25);
    check(&built_in("SYNTH"), christmas, &["-22:00 regular", "21:00 closed"]);
    let round = built_in("24/7").changes(christmas).map(|change| utc(change.at));
    assert!(round.eq(["2024-12-25T00:00:00Z", "2024-12-26T00:00:00Z"].map(String::from)));
}

#[test]
fn a_calendar_describes_its_holidays_and_the_release_of_its_zones() {
    let text = |name| built_in(name).describe();
    assert!(text("XNYS")["holidays"].as_str().unwrap().starts_with("to the day from 2005 to 2026"));
    assert_eq!(text("24/7")["holidays"], "none");
    let zones = text("CMES")["zones"].as_str().unwrap().to_string();
    let release =
        zones.strip_prefix("bundled IANA database 20").expect("a release of this century");
    assert!(release.len() == 3 && release.ends_with(|c: char| c.is_ascii_lowercase()), "{zones}");
}
