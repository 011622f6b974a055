//! The built-in calendars against recorded ones, where these are present. The hours themselves are tested on
//! well-known days.

use super::*;
use crate::skipped::skipped;
use engine::calendar::market_hours;
use jiff::civil::{Weekday, date};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;

/// A recorded file; `None`, said aloud, where it is not there.
fn recorded(name: &str) -> Option<PathBuf> {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/calendars").join(name);
    if !path.exists() {
        skipped("shared data not present");
        return None;
    }
    Some(path)
}

/// Weekdays from 2012 to 2026.
fn weekdays() -> impl Iterator<Item = Date> {
    let days = date(2012, 1, 1).series(jiff::ToSpan::days(1));
    let days = days.take_while(|day| day.year() <= 2026);
    days.filter(|day| !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday))
}

/// First open and last close of a trading date, as local minutes from its midnight; `None` if it is closed.
type Session = Option<(i64, i64)>;

fn session(calendar: &Calendar, date: Date, zone: &TimeZone) -> Session {
    let parts: Vec<(i64, i64)> = calendar.sessions(date).collect();
    let (first, last) = (parts.first()?.0, parts.last()?.1);
    Some((local_minutes(first, date, zone), local_minutes(last, date, zone)))
}

fn local_minutes(at: i64, date: Date, zone: &TimeZone) -> i64 {
    let local = zone.to_datetime(Timestamp::from_nanosecond(at.into()).unwrap());
    let days = i64::from(local.date().since(date).unwrap().get_days());
    days * 1_440 + i64::from(local.hour()) * 60 + i64::from(local.minute())
}

/// Compares disagreements with those that are explained: none may be missing on either side.
fn check_explained(what: &str, found: &BTreeMap<Date, String>, explained: &[(&str, &[Date])]) {
    let mut left = found.clone();
    for (why, dates) in explained {
        println!("{what}: {} dates: {why}", dates.len());
        for date in *dates {
            assert!(left.remove(date).is_some(), "{what}: {date} agrees now, though: {why}");
        }
    }
    assert!(left.is_empty(), "{what}: not explained: {left:#?}");
}

/// Mornings of holidays: 10:30 until May 2014, as the ES entry of the market-hours file and the exchange's notices have
/// it (July 4 of 2013 among them); cmes.csv has 12:00 throughout.
const TEN_THIRTY: [Date; 14] = [
    date(2012, 1, 16),
    date(2012, 2, 20),
    date(2012, 5, 28),
    date(2012, 7, 4),
    date(2012, 9, 3),
    date(2012, 11, 22),
    date(2013, 1, 21),
    date(2013, 2, 18),
    date(2013, 5, 27),
    date(2013, 7, 4),
    date(2013, 9, 2),
    date(2013, 11, 28),
    date(2014, 1, 20),
    date(2014, 2, 17),
];
const TEN_THIRTY_WHY: &str = "holidays closed at 10:30 until May 2014, not at 12:00";

/// Half days: 12:15, as the ES entry has it, and as recorded bars of NQ trade after 12:00 on 2020-11-27, 2020-12-24,
/// 2021-11-26 and 2022-11-25; cmes.csv has 12:00.
const QUARTER_PAST: [Date; 25] = [
    date(2012, 11, 23),
    date(2012, 12, 24),
    date(2013, 11, 29),
    date(2013, 12, 24),
    date(2014, 11, 28),
    date(2014, 12, 24),
    date(2015, 11, 27),
    date(2015, 12, 24),
    date(2016, 11, 25),
    date(2017, 11, 24),
    date(2018, 11, 23),
    date(2018, 12, 24),
    date(2019, 11, 29),
    date(2019, 12, 24),
    date(2020, 11, 27),
    date(2020, 12, 24),
    date(2021, 11, 26),
    date(2022, 11, 25),
    date(2023, 11, 24),
    date(2024, 11, 29),
    date(2024, 12, 24),
    date(2025, 11, 28),
    date(2025, 12, 24),
    date(2026, 11, 27),
    date(2026, 12, 24),
];
const QUARTER_PAST_WHY: &str =
    "half days close at 12:15, 15 minutes after the cash market, not at 12:00";

/// Eves of Independence Day: half days of the cash market and so of its futures (the ES entry, and the exchange's notice
/// of 2013); cmes.csv has usual days.
const JULY: [Date; 9] = [
    date(2012, 7, 3),
    date(2013, 7, 3),
    date(2014, 7, 3),
    date(2017, 7, 3),
    date(2018, 7, 3),
    date(2019, 7, 3),
    date(2023, 7, 3),
    date(2024, 7, 3),
    date(2025, 7, 3),
];
const JULY_WHY: &str =
    "the third of July is a half day where the cash market has one, not a usual day";

/// Good Fridays with a jobs report: open until 8:15 (the ES entry, and recorded bars of NQ on 2021-04-02 and 2023-04-07);
/// cmes.csv has no session.
const JOBS: [Date; 5] =
    [date(2012, 4, 6), date(2015, 4, 3), date(2021, 4, 2), date(2023, 4, 7), date(2026, 4, 3)];
const JOBS_WHY: &str = "Good Fridays with a jobs report are open until 8:15, not closed";

/// As the exchange announced on 2012-10-28 and 2012-10-29; cmes.csv has usual days.
const SANDY: [Date; 2] = [date(2012, 10, 29), date(2012, 10, 30)];
const SANDY_WHY: &str = "Hurricane Sandy: closed at 8:15, not usual days";

/// As the exchange announced on 2018-12-02 and 2024-12-30; cmes.csv has no session.
const MOURNING: [Date; 2] = [date(2018, 12, 5), date(2025, 1, 9)];
const MOURNING_WHY: &str = "days of mourning: the night session until 8:30, not closed";

/// What cmes.csv says of each trading date.
fn cmes_csv(zone: &TimeZone) -> Option<BTreeMap<Date, (i64, i64)>> {
    let text = std::fs::read_to_string(recorded("cmes.csv")?).expect("it is there");
    let row = |line: &str| {
        let mut fields = line.split(',');
        let mut next = || fields.next().unwrap_or_default();
        let (date, open, close) = (next(), next(), next());
        let date: Date = date.get(..10)?.parse().ok()?;
        let minutes = |text| local_minutes(ns(text), date, zone);
        (!open.is_empty()).then(|| (date, (minutes(open), minutes(close))))
    };
    Some(text.lines().skip(1).filter_map(row).collect())
}

#[test]
fn index_futures_have_the_sessions_of_the_recorded_calendar_if_present() {
    let zone = engine::calendar::zone("America/Chicago").unwrap();
    let Some(recorded) = cmes_csv(&zone) else { return };
    let cmes = built_in("CMES");
    let (mut usual, mut early, mut closed) = (0, 0, 0);
    let mut found = BTreeMap::new();
    for date in weekdays() {
        // The recorded sessions run to 17:00, through the daily pause in which nothing trades: in each year the same.
        let last = match date {
            d if d < jiff::civil::date(2012, 11, 19) => 990,
            d if d < jiff::civil::date(2015, 9, 21) => 975,
            _ => 960,
        };
        let theirs = recorded.get(&date).map(|(o, c)| (*o, if *c == 1_020 { last } else { *c }));
        let ours = session(&cmes, date, &zone);
        if ours != theirs {
            found.insert(date, format!("ours {ours:?}, theirs {theirs:?}"));
        }
        match theirs {
            None => closed += 1,
            Some((_, close)) if close == last => usual += 1,
            Some(_) => early += 1,
        }
    }
    println!("{usual} usual days, {early} that close early, {closed} without a session");
    assert!(usual > 3_700 && early > 110 && closed > 40);
    check_explained(
        "CMES",
        &found,
        &[
            (TEN_THIRTY_WHY, &TEN_THIRTY),
            (QUARTER_PAST_WHY, &QUARTER_PAST),
            (JULY_WHY, &JULY),
            (JOBS_WHY, &JOBS),
            (SANDY_WHY, &SANDY),
            (MOURNING_WHY, &MOURNING),
        ],
    );
}

/// A calendar of the market-hours file.
fn of_file(entry: &str) -> Option<Calendar> {
    let timetable = market_hours::read(&recorded("market-hours-database.json")?, entry);
    let timetable = timetable.unwrap_or_else(|problem| panic!("{problem}"));
    Calendar::of(entry, Arc::new(timetable))
}

#[test]
fn new_york_has_the_hours_of_the_market_hours_file_if_present() {
    let Some(file) = of_file("Equity-usa-[*]") else { return };
    let xnys = built_in("XNYS");
    let regular = |calendar: &Calendar, date| -> Vec<(i64, i64)> {
        let changes: Vec<PhaseChange> = calendar.changes(date).collect();
        let pairs = changes.windows(2).filter(|pair| pair[0].phase == SessionPhase::Regular);
        pairs.map(|pair| (pair[0].at, pair[1].at)).collect()
    };
    let (mut days, mut half) = (0, Vec::new());
    for date in weekdays() {
        assert_eq!(regular(&xnys, date), regular(&file, date), "{date}");
        days += 1;
        if !xnys.changes(date).eq(file.changes(date)) {
            half.push(date);
        }
    }
    // The one disagreement: on half days the file's day ends at 13:00, and ours has a post-market until 17:00, as the
    // electronic exchanges have.
    let until = |date, phase| {
        let found = xnys.changes(date).rfind(|change| change.phase == phase).unwrap();
        utc(found.at + i64::from(found.utc_offset_s) * 1_000_000_000)[11..16].to_string()
    };
    for date in &half {
        assert_eq!(until(*date, SessionPhase::Extended), "13:00", "{date}");
        assert_eq!(until(*date, SessionPhase::Closed), "17:00", "{date}");
    }
    println!("XNYS: {days} weekdays, {} half days with a post-market", half.len());
    assert_eq!(half.len(), 34);
}

/// Disagreements of a built-in calendar with an entry of the file, in when a day ends that does not end as usual.
fn early_closes(built_in: &Calendar, file: &Calendar, zone: &TimeZone) -> BTreeMap<Date, String> {
    let early = |calendar: &Calendar, date| match session(calendar, date, zone) {
        None => Some(0),
        Some((_, close)) => Some(close).filter(|close| *close < 900),
    };
    let differs = |date: &Date| early(built_in, *date) != early(file, *date);
    let say = |date| {
        let (ours, theirs) = (early(built_in, date), early(file, date));
        (date, format!("ours {ours:?}, theirs {theirs:?}"))
    };
    weekdays().filter(differs).map(say).collect()
}

/// The file's entry of a future calls these a bank holiday, and so no holiday of its own; nothing traded before the
/// evening.
const BANK_HOLIDAYS: [Date; 12] = [
    date(2014, 12, 25),
    date(2015, 1, 1),
    date(2016, 12, 26),
    date(2017, 1, 2),
    date(2017, 12, 25),
    date(2018, 1, 1),
    date(2018, 12, 25),
    date(2019, 1, 1),
    date(2019, 12, 25),
    date(2020, 1, 1),
    date(2022, 12, 26),
    date(2023, 1, 2),
];
const CHRISTMAS_2025: (&str, &[Date]) = (
    "a slip of the entry: its early close at 17:00 leaves the morning of Christmas open",
    &[date(2025, 12, 25)],
);
const BANK_HOLIDAYS_WHY: &str = "the entry has them as bank holidays only, and not as closed";

#[test]
fn index_futures_close_early_as_in_the_market_hours_file_if_present() {
    let Some(file) = of_file("Future-cme-ES") else { return };
    let zone = engine::calendar::zone("America/Chicago").unwrap();
    let found = early_closes(&built_in("CMES"), &file, &zone);
    let missing = [date(2023, 7, 3), date(2024, 7, 3), date(2024, 11, 29), date(2025, 1, 9)];
    check_explained(
        "CMES against Future-cme-ES",
        &found,
        &[
            (BANK_HOLIDAYS_WHY, &BANK_HOLIDAYS),
            CHRISTMAS_2025,
            (SANDY_WHY, &SANDY),
            ("the night session until 8:30, not closed", &MOURNING[..1]),
            ("the entry lacks these half days", &missing),
        ],
    );
}

#[test]
fn metals_close_early_as_in_the_market_hours_file_if_present() {
    // Gold's own entry begins in 2024; crude oil keeps the same holidays and has them all.
    let Some(file) = of_file("Future-nymex-CL") else { return };
    let zone = engine::calendar::zone("America/New_York").unwrap();
    let found = early_closes(&built_in("METALS"), &file, &zone);
    let more = [
        date(2012, 1, 2),
        date(2012, 12, 25),
        date(2013, 1, 1),
        date(2013, 12, 25),
        date(2014, 1, 1),
    ];
    let usual = [date(2012, 10, 29), date(2012, 10, 30), date(2018, 12, 5)];
    check_explained(
        "METALS against Future-nymex-CL",
        &found,
        &[
            (BANK_HOLIDAYS_WHY, &BANK_HOLIDAYS),
            (BANK_HOLIDAYS_WHY, &more),
            CHRISTMAS_2025,
            (
                "closures of shares, which the market's entry has copied: metals traded as usual",
                &usual,
            ),
            ("the entry lacks this half day", &[date(2024, 11, 29)]),
        ],
    );
}

#[test]
fn gold_closes_early_as_in_the_market_hours_file_since_2024_if_present() {
    let Some(file) = of_file("Future-comex-GC") else { return };
    let zone = engine::calendar::zone("America/New_York").unwrap();
    let mut found = early_closes(&built_in("METALS"), &file, &zone);
    found.retain(|date, _| date.year() >= 2024);
    check_explained(
        "METALS against Future-comex-GC",
        &found,
        &[
            ("a closure of shares, which the market's entry has copied", &[date(2025, 1, 9)]),
            ("the entry lacks this half day", &[date(2024, 11, 29)]),
        ],
    );
}

#[test]
fn every_entry_of_the_market_hours_file_can_be_read_if_present() {
    let Some(path) = recorded("market-hours-database.json") else { return };
    let bytes = std::fs::read(&path).unwrap();
    let root: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let names: Vec<&String> = root["entries"].as_object().unwrap().keys().collect();
    assert_eq!(names.len(), 549);
    // Each is parsed from a file of its own and its market's, as the whole is large.
    let mut without_hours = Vec::new();
    for name in names {
        let mut entries = serde_json::Map::new();
        let (kind, market) =
            name.split_once('-').map(|(k, m)| (k, m.split('-').next().unwrap())).unwrap();
        for key in [name.clone(), format!("{kind}-{market}-[*]")] {
            if let Some(entry) = root["entries"].get(&key) {
                entries.insert(key, entry.clone());
            }
        }
        let small = serde_json::json!({ "entries": entries }).to_string();
        match market_hours::parse(small.as_bytes(), name, "the file") {
            Ok(timetable) => assert!(Calendar::of("OWN", Arc::new(timetable)).is_some(), "{name}"),
            Err(problem) => without_hours.push(format!("{name}: {problem}")),
        }
    }
    assert!(without_hours.is_empty(), "{without_hours:#?}");
}

/// Recorded half-hour bars of NQ over three years: trades on half days after noon and on Good Fridays are among them.
#[test]
fn every_recorded_bar_of_nq_begins_within_a_session_if_present() {
    let Some(path) = recorded("../bars/nq-30min-20200629-20230630.csv.gz") else { return };
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    // Day first, in two styles; the zone is inferred.
    let zone = engine::calendar::zone("Asia/Jerusalem").unwrap();
    let began = |line: &str| {
        let stamp = line.split(',').next().unwrap();
        let numbers =
            stamp.split(['/', '-', ' ', ':']).map(|number| number.parse::<i16>().unwrap());
        let [day, month, year, hour, minute] = *numbers.take(5).collect::<Vec<_>>() else {
            panic!("{stamp}");
        };
        let year = if year < 100 { 2_000 + year } else { year };
        let local = date(year, month as i8, day as i8).at(hour as i8, minute as i8, 0, 0);
        let instant = zone.to_ambiguous_timestamp(local).compatible().unwrap();
        i64::try_from(instant.as_nanosecond()).unwrap()
    };
    let cmes = built_in("CMES");
    let mut of_dates: BTreeMap<i32, i64> = BTreeMap::new();
    let bars = text.lines().skip(1).map(began);
    for at in bars {
        let phase = cmes.phase_at(at).unwrap();
        assert_eq!(phase.phase, SessionPhase::Regular, "{}", utc(at));
        *of_dates.entry(phase.trading_date).or_default() += 1;
    }
    assert_eq!(of_dates.values().sum::<i64>(), 35_502);
    // From 17:00 to 12:15, and to 8:15: a bar begins every half hour, so the last one tells.
    for half_day in [20_201_127, 20_201_224, 20_211_126, 20_221_125] {
        assert_eq!(of_dates[&half_day], 39, "{half_day}");
    }
    assert_eq!((of_dates[&20_210_402], of_dates[&20_230_407]), (31, 31));
}
