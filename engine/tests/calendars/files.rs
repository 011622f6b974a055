//! Market-hours files: their quirks, and whatever else may be in them.

use super::*;
use engine::Problem;
use engine::calendar::market_hours::{FILE_MAX, parse, read};
use engine::calendar::timetable::Timetable;
use jiff::civil::date;
use proptest::prelude::*;
use std::sync::Arc;

/// A small file with the quirks of large ones.
pub(crate) const JSON: &str = r#"{ "entries": {
  "Equity-usa-[*]": {
    "dataTimeZone": "America/New_York", "exchangeTimeZone": "America/New_York",
    "sunday": [], "saturday": [],
    "monday": [ { "start": "04:00:00", "end": "09:30:00", "state": "premarket" },
                { "start": "09:30:00", "end": "16:00:00", "state": "market" },
                { "start": "16:00:00", "end": "20:00:00", "state": "postmarket" } ],
    "tuesday": [ { "start": "09:30:00", "end": "16:00:00", "state": "market" } ],
    "wednesday": [ { "start": "09:30:00", "end": "16:00:00", "state": "market" } ],
    "thursday": [ { "start": "09:30:00", "end": "16:00:00", "state": "market" } ],
    "friday": [ { "start": "09:30:00", "end": "16:00:00", "state": "market" } ],
    "holidays": [ "1/1/2024", "7/4/2024" ],
    "earlyCloses": { "7/3/2024": "13:00:00" }
  },
  "Future-cme-[*]": {
    "exchangeTimeZone": "America/Chicago",
    "saturday": [], "monday": [ { "start": "09:00:00", "end": "10:00:00", "state": "market" } ],
    "holidays": [ "3/29/2024", "1/15/2024", "12/25/2024" ]
  },
  "Future-cme-ES": {
    "exchangeTimeZone": "America/New_York",
    "sunday": [ { "start": "18:00:00", "end": "1.00:00:00", "state": "premarket" } ],
    "monday": [ { "start": "18:00:00", "end": "24:00:00", "state": "postmarket" },
                { "start": "00:00:00", "end": "09:30:00", "state": "premarket" },
                { "start": "09:30:00", "end": "17:00:00", "state": "market" } ],
    "tuesday": [ { "start": "00:00:00", "end": "17:00:00", "state": "market" },
                 { "start": "18:00:00", "end": "1:00:00:00", "state": "postmarket" } ],
    "wednesday": [ { "start": "00:00", "end": "17:00:00", "state": "market" },
                   { "start": "18:00:00", "end": "1.17:00:00", "state": "market" } ],
    "thursday": [ { "start": "18:00:00", "end": "1.00:00:00", "state": "market" } ],
    "friday": [ { "start": "00:00:00", "end": "17:00:00", "state": "market" } ],
    "holidays": [ "12/25/2026" ],
    "earlyCloses": { "1/15/2024": "13:00:00", "12/31/2024": "17:00:00" },
    "lateOpens": { "1/15/2024": "18:00:00", "1/1/2025": "18:00:00" },
    "bankHolidays": [ "1/15/2024", "1/1/2025" ]
  },
  "Forex-oanda-EURUSD": {
    "exchangeTimeZone": "America/New_York",
    "sunday": [ { "start": "17:00:00", "end": "1.00:00:00", "state": "market" } ],
    "monday": [ { "start": "00:00:00", "end": "1.00:00:00", "state": "market" } ],
    "tuesday": [ { "start": "00:00:00", "end": "1.00:00:00", "state": "market" } ],
    "wednesday": [ { "start": "00:00:00", "end": "1.00:00:00", "state": "market" } ],
    "thursday": [ { "start": "00:00:00", "end": "1.00:00:00", "state": "market" } ],
    "friday": [ { "start": "00:00:00", "end": "17:00:00", "state": "market" } ],
    "holidays": [ "1/1/2024" ]
  },
  "Crypto-x-BTC": {
    "exchangeTimeZone": "UTC",
    "sunday": [ { "start": "00:00:00", "end": "1.00:00:00", "state": "market" } ],
    "monday": [ { "start": "00:00:00", "end": "1.00:00:00", "state": "market" } ],
    "tuesday": [ { "start": "00:00:00", "end": "1.00:00:00", "state": "market" } ],
    "wednesday": [ { "start": "00:00:00", "end": "1.00:00:00", "state": "market" } ],
    "thursday": [ { "start": "00:00:00", "end": "1.00:00:00", "state": "market" } ],
    "friday": [ { "start": "00:00:00", "end": "1.00:00:00", "state": "market" } ],
    "saturday": [ { "start": "00:00:00", "end": "1.00:00:00", "state": "market" } ]
  },
  "Odd-x-Y": {
    "exchangeTimeZone": "America/New_York",
    "sunday": [ { "start": "01:30:00", "end": "02:15:00", "state": "premarket" },
                { "start": "02:15:00", "end": "02:45:00", "state": "market" },
                { "start": "02:45:00", "end": "03:00:00", "state": "postmarket" },
                { "start": "22:0:00", "end": "1.03:00:00", "state": "market" } ],
    "monday": [ { "start": "04:00:00", "end": "05:00:00", "state": "closed" } ]
  }
} }"#;

pub(crate) fn timetable(json: &str, entry: &str) -> Result<Timetable, Problem> {
    parse(json.as_bytes(), entry, "hours.json")
}

fn calendar(entry: &str) -> Calendar {
    let timetable = timetable(JSON, entry).unwrap_or_else(|problem| panic!("{problem}"));
    Calendar::of("OWN", Arc::new(timetable)).expect("a zone")
}

#[test]
fn a_futures_session_is_of_the_date_in_which_it_ends() {
    let es = calendar("Future-cme-ES");
    check(&es, date(2024, 2, 4), &[]);
    check(&es, date(2024, 2, 5), &["-18:00 extended", "09:30 regular", "17:00 closed"]);
    check(&es, date(2024, 2, 6), &["-18:00 extended", "00:00 regular", "17:00 closed"]);
    // Wednesday evening's segment says that it ends on Thursday at 17:00.
    check(&es, date(2024, 2, 8), &["-18:00 regular", "17:00 closed"]);
    check(&es, date(2024, 2, 9), &["-18:00 regular", "17:00 closed"]);
    check(&es, date(2024, 2, 10), &[]);
}

#[test]
fn a_holiday_takes_the_evening_before_with_it() {
    let es = calendar("Future-cme-ES");
    // Good Friday is a holiday of the market's entry: Thursday ends at 17:00, Monday begins on Sunday evening.
    check(&es, date(2024, 3, 28), &["-18:00 regular", "17:00 closed"]);
    check(&es, date(2024, 3, 29), &[]);
    check(&es, date(2024, 4, 1), &["-18:00 extended", "09:30 regular", "17:00 closed"]);
    // The file's own words on Martin Luther King's day win: an early close, and open again in the evening.
    check(&es, date(2024, 1, 15), &["-18:00 extended", "09:30 regular", "13:00 closed"]);
    check(&es, date(2024, 1, 16), &["-18:00 extended", "00:00 regular", "17:00 closed"]);
    // New Year's Day opens late, in its evening, which is the next date's.
    check(&es, date(2025, 1, 1), &[]);
    check(&es, date(2025, 1, 2), &["-18:00 regular", "17:00 closed"]);
}

#[test]
fn what_runs_longer_than_a_day_is_cut_at_midnight() {
    let euro = calendar("Forex-oanda-EURUSD");
    check(&euro, date(2024, 2, 4), &["17:00 regular", "-00:00 closed"]);
    check(&euro, date(2024, 2, 5), &["00:00 regular", "-00:00 closed"]);
    check(&euro, date(2024, 2, 9), &["00:00 regular", "17:00 closed"]);
    // A holiday is closed from midnight to midnight, and takes nothing else with it.
    check(&euro, date(2023, 12, 31), &["17:00 regular", "-00:00 closed"]);
    check(&euro, date(2024, 1, 1), &[]);
}

#[test]
fn half_days_and_holidays_of_the_file_are_those_of_its_dates() {
    let shares = calendar("Equity-usa-[*]");
    check(
        &shares,
        date(2024, 7, 1),
        &["04:00 extended", "09:30 regular", "16:00 extended", "20:00 closed"],
    );
    check(&shares, date(2024, 7, 3), &["09:30 regular", "13:00 closed"]);
    check(&shares, date(2024, 7, 4), &[]);
    assert_eq!(
        shares.describe()["holidays"],
        "2 holidays, 1 early closes, 0 late opens from 2024 to 2024; in other years the weekly hours alone"
    );
}

#[test]
fn a_phase_within_a_skipped_hour_never_begins() {
    let odd = calendar("Odd-x-Y");
    check(
        &odd,
        date(2024, 3, 3),
        &["01:30 extended", "02:15 regular", "02:45 extended", "03:00 closed"],
    );
    check(&odd, date(2024, 3, 10), &["01:30 extended", "03:00 closed"]);
    check(&odd, date(2024, 3, 11), &["-22:00 regular", "03:00 closed"]);
}

#[test]
fn the_same_hours_have_the_same_bytes_wherever_they_come_from() {
    let es = timetable(JSON, "Future-cme-ES").unwrap();
    let again = Timetable::parse(&es.bytes(), "an object").unwrap();
    assert_eq!(again, es);
    assert_eq!(again.sha256(), es.sha256());
    // Other spaces and another order of keys are no other content; another hour is.
    let spaced = JSON.replace(", ", ",\n    ");
    assert_eq!(timetable(&spaced, "Future-cme-ES").unwrap().sha256(), es.sha256());
    let other = JSON.replace("\"12/31/2024\": \"17:00:00\"", "\"12/31/2024\": \"16:00:00\"");
    assert_ne!(timetable(&other, "Future-cme-ES").unwrap().sha256(), es.sha256());
}

fn refused(json: &str, entry: &str, what: &str, place: &str) {
    let problem = timetable(json, entry).expect_err(what);
    assert!(problem.what.contains(what), "{problem}");
    assert!(problem.place.contains(place) && !problem.fix.is_empty(), "{problem}");
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_place() {
    refused("{", "A-b-C", "not valid JSON", "hours.json");
    refused("[]", "A-b-C", "no \"entries\"", "hours.json");
    refused(JSON, "Future-cme-EX", "did you mean \"Future-cme-ES\"?", "hours.json");
    let with = |from: &str, to: &str| {
        assert!(JSON.contains(from), "{from}");
        JSON.replace(from, to)
    };
    let es = "Future-cme-ES";
    let zone = with(
        "\"America/New_York\",\n    \"sunday\": [ { \"start\": \"18",
        "\"Mars\",\n    \"sunday\": [ { \"start\": \"18",
    );
    refused(&zone, es, "\"Mars\" is not an IANA time zone", "Future-cme-ES: exchangeTimeZone");
    refused(&with("12/25/2026", "25/12/2026"), es, "is not a date", "ES: holidays");
    refused(
        &with("12/31/2024\": \"17:00:00", "12/31/2024\": \"27:00"),
        es,
        "time of day",
        "earlyCloses",
    );
    refused(&with("\"00:00\"", "\"17:30\""), es, "does not end after it begins", "ES: wednesday");
    refused(&with("\"00:00\"", "\"0 h\""), es, "has no start and end", "ES: wednesday");
    refused(
        &with("\"end\": \"1.17:00:00\"", "\"end\": \"1.19:00:00\""),
        es,
        "does not end",
        "wednesday",
    );
    refused(
        &with("\"00:00:00\", \"end\": \"09:30:00\"", "\"00:00:00\", \"end\": \"09:31:00\""),
        es,
        "overlap",
        "the hours",
    );
    let state = with("1.17:00:00\", \"state\": \"market", "1.17:00:00\", \"state\": \"open");
    refused(&state, es, "has no state", "ES: wednesday");
    let many: String = (0..20_000).map(|_| "\"1/1/2024\", ").collect();
    refused(
        &with("\"12/25/2026\"", &format!("{many}\"12/25/2026\"")),
        es,
        "20001 elements",
        "holidays",
    );
}

#[test]
fn a_file_that_is_none_or_too_large_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing.json");
    assert!(read(&missing, "A-b-C").unwrap_err().what.contains("cannot read"));
    assert!(read(dir.path(), "A-b-C").unwrap_err().what.contains("not a regular file"));
    let large = dir.path().join("large.json");
    std::fs::File::create(&large).unwrap().set_len(FILE_MAX + 1).unwrap();
    assert!(read(&large, "A-b-C").unwrap_err().what.contains("larger than 32 MiB"));
    let good = dir.path().join("good.json");
    std::fs::write(&good, JSON).unwrap();
    assert!(read(&good, "Future-cme-ES").is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    /// Any change of a file gives a calendar that works, or a clear problem.
    #[test]
    fn a_mutated_file_is_a_calendar_or_a_problem(
        cuts in prop::collection::vec((0..JSON.len(), 0_usize..12, "[0-9:./\",{}\\[\\]a-z ]{0,8}"), 1..4),
        entry in prop::sample::select(vec!["Future-cme-ES", "Equity-usa-[*]", "Odd-x-Y", "Crypto-x-BTC"]),
        at in ns("2005-01-01T00:00:00Z")..ns("2035-01-01T00:00:00Z"),
    ) {
        let mut bytes = JSON.as_bytes().to_vec();
        for (from, length, put) in cuts {
            let from = from.min(bytes.len());
            let to = (from + length).min(bytes.len());
            bytes.splice(from..to, put.bytes());
        }
        match parse(&bytes, entry, "hours.json") {
            Ok(timetable) => {
                prop_assert_eq!(timetable.check(), Ok(()));
                let calendar = Calendar::of("OWN", Arc::new(timetable)).expect("a zone");
                if let Some(now) = calendar.phase_at(at) {
                    prop_assert!(now.open <= now.at && now.at <= now.close && now.at <= at);
                }
                if let Some(next) = calendar.next_after(at) {
                    prop_assert!(next.at > at);
                }
            }
            Err(problem) => {
                prop_assert!(!problem.what.is_empty() && !problem.place.is_empty());
                prop_assert!(!problem.fix.is_empty(), "{}", problem);
            }
        }
    }
}
