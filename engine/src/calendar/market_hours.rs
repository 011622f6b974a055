//! Reads a calendar from a market-hours file: the JSON in which LEAN keeps the hours of all markets.
//!
//! `entries` has an object for each `SecurityType-market-symbol`, with `exchangeTimeZone`, the segments of each weekday
//! (`start`, `end`, `state`), and dates: `holidays`, `earlyCloses`, `lateOpens`, `bankHolidays`. The market's own entry,
//! `SecurityType-market-[*]`, stands in for what an entry lacks: a zone, a weekday, and the dates of which the entry says
//! nothing at all. What an entry says of a date, it knows better: a bank holiday of gold futures is a usual day though
//! the market's entry has a holiday.

use super::timetable::{DATES_MAX, DAY_S, DAYS, Segment, Timetable};
use crate::config::walk::nearest;
use crate::problem::Problem;
use jiff::civil::Date;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// Larger files are refused: the whole world's hours are 3 MB.
pub const FILE_MAX: u64 = 32 << 20;

/// Reads an entry of a file.
///
/// # Errors
/// What cannot be read or understood, where, and what to do about it.
pub fn read(path: &Path, entry: &str) -> Result<Timetable, Problem> {
    let place = path.display().to_string();
    let unread = |what: String| {
        let fix = "name a market-hours JSON file (\"entries\", \"exchangeTimeZone\", …) that this user can read";
        Problem::new(format!("cannot read the calendar's file: {what}"), place.clone(), fix)
    };
    // Before it is opened: a pipe would make us wait for who writes it.
    let metadata = std::fs::metadata(path).map_err(|error| unread(error.to_string()))?;
    if !metadata.is_file() {
        return Err(unread("it is not a regular file".to_string()));
    }
    let file = File::open(path).map_err(|error| unread(error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(|error| unread(error.to_string()))?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(unread(format!("it is larger than {} MiB", FILE_MAX >> 20)));
    }
    parse(&bytes, entry, &place)
}

/// Reads an entry of a file's content; `place` names the file in messages.
///
/// # Errors
/// What cannot be understood, where, and what to do about it.
pub fn parse(bytes: &[u8], entry: &str, place: &str) -> Result<Timetable, Problem> {
    let place = Place { file: place, entry };
    let root: Value = serde_json::from_slice(bytes)
        .map_err(|error| place.problem("", format!("it is not valid JSON: {error}")))?;
    let entries = root
        .get("entries")
        .and_then(Value::as_object)
        .ok_or_else(|| place.problem("", "it has no \"entries\""))?;
    let Some(own) = entries.get(entry) else {
        let names: Vec<&str> = entries.keys().take(10_000).map(String::as_str).collect();
        let near = nearest(entry, &names);
        let near = near.map_or(String::new(), |name| format!("; did you mean \"{name}\"?"));
        return Err(Problem::new(
            format!("the market-hours file has no entry \"{entry}\"{near}"),
            place.file,
            "name one of its entries, such as \"Equity-usa-[*]\" or \"Future-cme-ES\"",
        ));
    };
    let own = Entry::of(own, &place)?;
    let name = usual_name(entry).filter(|name| name != entry);
    let usual = name.as_ref().and_then(|name| Some((name, entries.get(name)?)));
    let usual = usual.map(|(name, value)| Entry::of(value, &Place { entry: name, ..place }));
    own.or(usual.transpose()?).timetable(&place)
}

/// The entry that stands in for what another lacks.
fn usual_name(entry: &str) -> Option<String> {
    let mut parts = entry.splitn(3, '-');
    let (kind, market) = (parts.next()?, parts.next()?);
    parts.next().map(|_| format!("{kind}-{market}-[*]"))
}

/// Where something is wrong.
#[derive(Clone, Copy)]
struct Place<'a> {
    file: &'a str,
    entry: &'a str,
}

impl Place<'_> {
    fn problem(&self, key: &str, what: impl Into<String>) -> Problem {
        let what: String = what.into();
        let mut place = self.file.to_string();
        if !key.is_empty() {
            place = format!("{place}: {}: {key}", self.entry);
        }
        Problem::new(
            format!("the market-hours file cannot be used: {what}"),
            place,
            "correct it there, or name another entry or file in [[semantic.calendar]]",
        )
    }
}

/// What an entry says of one date.
#[derive(Clone, Copy, Default, Debug)]
struct OfDate {
    holiday: bool,
    bank_holiday: bool,
    early_close: Option<u32>,
    late_open: Option<u32>,
}

/// An entry as it stands in the file.
struct Entry {
    zone: Option<String>,
    week: [Option<Vec<Segment>>; 7],
    dates: BTreeMap<i32, OfDate>,
}

impl Entry {
    fn of(value: &Value, place: &Place<'_>) -> Result<Self, Problem> {
        let object =
            value.as_object().ok_or_else(|| place.problem("the entry", "it is not an object"))?;
        let zone = match present(object, "exchangeTimeZone") {
            None => None,
            Some(Value::String(name)) if super::zone(name).is_some() => Some(name.clone()),
            Some(other) => {
                let what = format!("{other} is not an IANA time zone");
                return Err(place.problem("exchangeTimeZone", what));
            }
        };
        let mut entry = Self { zone, week: Default::default(), dates: BTreeMap::new() };
        entry.read_week(object, place)?;
        for key in ["holidays", "bankHolidays"] {
            for date in list(object, key, place)? {
                let text = date.as_str().unwrap_or_default();
                let of = entry.dates.entry(date_of(text, key, place)?).or_default();
                if key == "holidays" { of.holiday = true } else { of.bank_holiday = true }
            }
        }
        for key in ["earlyCloses", "lateOpens"] {
            let Some(value) = present(object, key) else { continue };
            let times = value
                .as_object()
                .ok_or_else(|| place.problem(key, "it is not an object of dates"))?;
            bounded(times.len(), key, place)?;
            for (date, time) in times {
                let seconds = time.as_str().and_then(seconds_of).filter(|s| *s <= DAY_S);
                let Some(seconds) = seconds else {
                    return Err(
                        place.problem(key, format!("{time} of {date} is not a time of day"))
                    );
                };
                let of = entry.dates.entry(date_of(date, key, place)?).or_default();
                let slot =
                    if key == "earlyCloses" { &mut of.early_close } else { &mut of.late_open };
                if slot.replace(seconds).is_some_and(|other| other != seconds) {
                    return Err(place.problem(key, format!("{date} is there twice")));
                }
            }
        }
        Ok(entry)
    }

    /// The segments of each weekday. One that ends after midnight ends in the next weekday.
    fn read_week(&mut self, object: &Map<String, Value>, place: &Place<'_>) -> Result<(), Problem> {
        for (number, day) in DAYS.into_iter().enumerate() {
            if present(object, day).is_none() {
                continue;
            }
            self.week[number].get_or_insert_default();
            for segment in list(object, day, place)? {
                let Some((segment, next)) = segment_of(segment, day, place)? else { continue };
                self.week[number].get_or_insert_default().push(segment);
                if let Some(next) = next {
                    self.week[(number + 1) % 7].get_or_insert_default().push(next);
                }
            }
        }
        self.week.iter_mut().flatten().for_each(|segments| segments.sort_unstable());
        Ok(())
    }

    /// This entry, with another standing in for what it lacks.
    fn or(mut self, usual: Option<Self>) -> Self {
        let Some(usual) = usual else { return self };
        self.zone = self.zone.or(usual.zone);
        for (own, usual) in self.week.iter_mut().zip(usual.week) {
            *own = own.take().or(usual);
        }
        for (date, of) in usual.dates {
            self.dates.entry(date).or_insert(of);
        }
        self
    }

    fn timetable(self, place: &Place<'_>) -> Result<Timetable, Problem> {
        let zone = self.zone.ok_or_else(|| {
            place.problem("exchangeTimeZone", "neither it nor its market has one")
        })?;
        let dates = |is: fn(&OfDate) -> bool| {
            let found = self.dates.iter().filter(|(_, of)| is(of)).map(|(date, _)| *date);
            found.collect::<BTreeSet<i32>>().into_iter().collect::<Vec<i32>>()
        };
        let times = |time: fn(&OfDate) -> Option<u32>| {
            self.dates.iter().filter_map(|(date, of)| Some((*date, time(of)?))).collect()
        };
        let timetable = Timetable {
            zone,
            holidays: dates(|of| of.holiday),
            early_closes: times(|of| of.early_close),
            late_opens: times(|of| of.late_open),
            bank_holidays: dates(|of| of.bank_holiday),
            week: self.week.map(Option::unwrap_or_default),
        };
        timetable.check().map_err(|what| place.problem("the hours", what))?;
        Ok(timetable)
    }
}

/// A key that is there and not null.
fn present<'v>(object: &'v Map<String, Value>, key: &str) -> Option<&'v Value> {
    object.get(key).filter(|value| !value.is_null())
}

fn list<'v>(
    object: &'v Map<String, Value>,
    key: &str,
    place: &Place<'_>,
) -> Result<&'v [Value], Problem> {
    let Some(value) = present(object, key) else { return Ok(&[]) };
    let list = value.as_array().ok_or_else(|| place.problem(key, "it is not a list"))?;
    bounded(list.len(), key, place)?;
    Ok(list)
}

fn bounded(count: usize, key: &str, place: &Place<'_>) -> Result<(), Problem> {
    if count <= DATES_MAX {
        return Ok(());
    }
    Err(place.problem(key, format!("it has {count} elements, more than {DATES_MAX}")))
}

/// A segment, and what of it lies after midnight; `None` for one that says that the market is closed.
fn segment_of(
    value: &Value,
    day: &str,
    place: &Place<'_>,
) -> Result<Option<(Segment, Option<Segment>)>, Problem> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let wrong = |what: &str| place.problem(day, format!("{value} {what}"));
    let extended = match text("state").map(str::to_ascii_lowercase).as_deref() {
        Some("market") => false,
        Some("premarket" | "postmarket") => true,
        Some("closed") => return Ok(None),
        _ => return Err(wrong("has no state: premarket, market or postmarket")),
    };
    let (Some(start_s), Some(end_s)) =
        (text("start").and_then(seconds_of), text("end").and_then(seconds_of))
    else {
        return Err(wrong("has no start and end, such as 09:30:00 and 1.00:00:00"));
    };
    if start_s >= DAY_S || end_s <= start_s || end_s - start_s > DAY_S {
        return Err(wrong("does not end after it begins; midnight is 1.00:00:00 or 24:00:00"));
    }
    let first = Segment { start_s, end_s: end_s.min(DAY_S), extended };
    let next = (end_s > DAY_S).then(|| Segment { start_s: 0, end_s: end_s - DAY_S, extended });
    Ok(Some((first, next)))
}

/// A date as `M/D/YYYY`.
fn date_of(text: &str, key: &str, place: &Place<'_>) -> Result<i32, Problem> {
    let wrong = || place.problem(key, format!("\"{text}\" is not a date such as 12/25/2026"));
    let mut numbers = text.split('/').map(|part| number_of(part, 4));
    let (Some(Some(month)), Some(Some(day)), Some(Some(year)), None) =
        (numbers.next(), numbers.next(), numbers.next(), numbers.next())
    else {
        return Err(wrong());
    };
    let date = Date::new(year as i16, month.min(99) as i8, day.min(99) as i8);
    date.map(super::venue::yyyymmdd).map_err(|_| wrong())
}

/// A time of day in seconds, at most two days: `HH:MM`, `HH:MM:SS`, and with days `D.HH:MM:SS` or `D:HH:MM:SS`.
fn seconds_of(text: &str) -> Option<u32> {
    let (days, clock) = match text.split_once('.') {
        Some((days, clock)) => (number_of(days, 1)?, clock),
        None if text.matches(':').count() == 3 => {
            let (days, clock) = text.split_once(':')?;
            (number_of(days, 1)?, clock)
        }
        None => (0, text),
    };
    let mut parts = clock.split(':').map(|part| number_of(part, 2));
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let seconds = parts.next().unwrap_or(Some(0))?;
    let whole = parts.next().is_none() && hours <= 24 && minutes < 60 && seconds < 60 && days <= 2;
    let total = days * DAY_S + hours * 3_600 + minutes * 60 + seconds;
    (whole && total <= 2 * DAY_S).then_some(total)
}

/// Digits only, at most `digits` of them.
fn number_of(text: &str, digits: usize) -> Option<u32> {
    let plain = (1..=digits).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}
