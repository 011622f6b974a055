//! What calendars drive: bars, session flags, staleness, the trading date; and calendars of a user, which a journal
//! takes with it.

use engine::config::Config;
use engine::instrument::built_in;
use engine::manifest::Listed;
use engine::resume::Consent;
use engine::run::{Order, Outcome, run};
use engine::snapshot::take;
use engine::source::Source;
use ringbuf_layout::names::BarSource;
use ringbuf_layout::names::SessionPhase;
use ringbuf_layout::{Bar, InputCell, Reasons, Session, Timer, Trade, Verdict};
use std::path::{Path, PathBuf};
use tests::halves::{go_on, inputs_of, play, story};
use tests::market::{cell, ns, trade};
use tests::naive_bars::check_bars;
use tests::real_run::{by_rule, memory_source, order, replay_of, run_into};
use tests::recording::Recording;
use tests::scene::Scene;

const MINUTE: i64 = 60_000_000_000;
const PRICE: i64 = 1_700_000_000_000;

/// A print of size 1 every minute.
fn prints(from: &str, to: &str) -> Vec<InputCell> {
    let (from, to) = (ns(from), ns(to));
    (0..(to - from) / MINUTE).map(|i| cell(&trade(0, from + i * MINUTE, PRICE, 1))).collect()
}

fn recorded(symbol: &str, prints: Vec<InputCell>) -> Recording {
    let instruments = vec![Listed { def: built_in(symbol).unwrap(), bars_from: BarSource::Trades }];
    let recording =
        Scene::new(instruments.clone(), vec![prints]).timeframes(&[300, 1_800]).record();
    check_bars(&recording, &instruments, &[300, 1_800]).unwrap();
    recording
}

/// Trading date, phase, and close of every session record.
fn sessions(recording: &Recording) -> Vec<(i32, SessionPhase, i64)> {
    let phase = |session: &Session| SessionPhase::from_byte(session.tail.side).unwrap();
    recording.all::<Session>().iter().map(|s| (s.trading_date, phase(s), s.close)).collect()
}

/// Times of the prints with this reason, and whether they are rejected.
fn with_reason(recording: &Recording, reason: Reasons) -> Vec<(i64, bool)> {
    let verdicts = recording.all::<Verdict>();
    let of = verdicts.iter().filter(|v| v.reasons & reason.0 != 0);
    of.map(|v| (v.head.ts_event, v.tail.side == 1)).collect()
}

#[test]
fn bars_of_a_half_day_end_at_the_early_close() {
    // The Friday after Thanksgiving: index futures close at 12:15 in Chicago.
    let recording = recorded("ES.201312", prints("2013-11-29T17:00:00Z", "2013-11-29T19:00:00Z"));
    let close = ns("2013-11-29T18:15:00Z");
    assert_eq!(sessions(&recording)[0], (20_131_129, SessionPhase::Regular, close));
    let bars = recording.all::<Bar>();
    let slow: Vec<_> = bars.iter().filter(|bar| bar.timeframe_s == 1_800).collect();
    let last = slow.last().unwrap();
    assert_eq!((last.ts_open, last.volume.0), (ns("2013-11-29T18:00:00Z"), 15));
    assert!(recording.all::<Timer>().iter().any(|t| t.head.ts_event == close && t.closes == 3));
    assert_eq!(bars.iter().filter(|b| b.timeframe_s == 300).map(|b| b.volume.0).sum::<i64>(), 75);
    let closed = with_reason(&recording, Reasons::CLOSED_SESSION);
    assert_eq!(closed.len(), 45);
    assert!(closed.iter().all(|(at, rejected)| *at >= close && *rejected));
}

#[test]
fn prints_after_one_on_a_half_day_of_new_york_are_extended_and_after_five_closed() {
    let recording = recorded("SPY", prints("2013-07-03T16:00:00Z", "2013-07-03T22:00:00Z"));
    let (one, five) = (ns("2013-07-03T17:00:00Z"), ns("2013-07-03T21:00:00Z"));
    let extended = with_reason(&recording, Reasons::EXTENDED_HOURS);
    assert_eq!(extended.len(), 240);
    assert!(extended.iter().all(|(at, rejected)| (one..five).contains(at) && !rejected));
    let closed = with_reason(&recording, Reasons::CLOSED_SESSION);
    assert_eq!(closed.len(), 60);
    assert!(closed.iter().all(|(at, rejected)| *at >= five && *rejected));
}

#[test]
fn a_print_on_a_holiday_is_of_a_closed_session_and_makes_no_bar() {
    let mut all = prints("2013-11-27T20:00:00Z", "2013-11-27T21:00:00Z");
    all.extend(prints("2013-11-28T15:00:00Z", "2013-11-28T16:00:00Z"));
    all.extend(prints("2013-11-29T15:00:00Z", "2013-11-29T16:00:00Z"));
    let recording = recorded("SPY", all);
    let closed = with_reason(&recording, Reasons::CLOSED_SESSION);
    assert_eq!(closed.len(), 60);
    let (from, to) = (ns("2013-11-28T15:00:00Z"), ns("2013-11-28T16:00:00Z"));
    assert!(closed.iter().all(|(at, rejected)| (from..to).contains(at) && *rejected));
    assert!(recording.all::<Bar>().iter().all(|bar| !(from..to).contains(&bar.ts_open)));
    assert!(sessions(&recording).iter().all(|(date, ..)| *date != 20_131_128));
}

#[test]
fn a_market_that_is_closed_over_holidays_is_not_stale() {
    // Christmas Eve's half day, Christmas, and on to the day after, with nothing said in between.
    let mut all = prints("2013-12-24T17:00:00Z", "2013-12-24T18:00:00Z");
    all.extend(prints("2013-12-26T14:00:00Z", "2013-12-26T15:00:00Z"));
    let recording = recorded("ES.201403", all);
    let verdicts: Vec<Verdict> = recording.all();
    assert!(verdicts.is_empty(), "every print is ok: {verdicts:?}");
    // The risk day turns with the trading date of the next session, in the evening of Christmas.
    let open = ns("2013-12-25T23:00:00Z");
    let opens = recording.all::<Session>();
    let next = opens.iter().find(|session| session.trading_date > 20_131_224).unwrap();
    assert_eq!((next.trading_date, next.head.ts_event, next.open), (20_131_226, open, open));
}

/// A market of a user: open from 09:00 to 17:00 in Chicago, closed on 2013-10-08, early on the next day.
const HOURS: &str = r#"{ "entries": { "Future-my-[*]": {
    "exchangeTimeZone": "America/Chicago",
    "monday": [ { "start": "09:00:00", "end": "17:00:00", "state": "market" } ],
    "tuesday": [ { "start": "09:00:00", "end": "17:00:00", "state": "market" } ],
    "wednesday": [ { "start": "09:00:00", "end": "17:00:00", "state": "market" } ],
    "thursday": [ { "start": "09:00:00", "end": "17:00:00", "state": "market" } ],
    "friday": [ { "start": "09:00:00", "end": "17:00:00", "state": "market" } ],
    "holidays": [ "10/8/2013" ], "earlyCloses": { "10/9/2013": "12:00:00" } } } }"#;

fn file(dir: &Path, name: &str, hours: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, hours).unwrap();
    path
}

fn config(file: &Path) -> String {
    format!(
        "[[semantic.calendar]]\nname = \"MYCAL\"\nfile = \"{}\"\nentry = \"Future-my-[*]\"\n\
         [[semantic.instrument]]\nsymbol = \"X\"\ntick = \"0.01\"\ncalendar = \"MYCAL\"\n\
         [host]\nsegment_mib = 1\nring_slots = 256\n",
        file.display()
    )
}

fn day(name: &str, from: &str, to: &str) -> Source {
    let trades = prints(from, to).iter().map(|cell| *cell.get::<Trade>().unwrap()).collect();
    memory_source(name, &["X"], trades)
}

fn is_proved(dir: &Path) -> Recording {
    let proof = replay_of(dir);
    assert!(proof.verified(), "{proof:?}");
    let report = journal::verify(dir, &mut |_| {}).unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    Recording::read(dir).unwrap().0
}

fn goes_on(dir: &Path, config: &str, source: Source, consent: Consent) -> Outcome {
    let order = Order { consent, ..order(dir, config, vec![source]) };
    let outcome = run(order, |_| {}, |_| {}).unwrap_or_else(|problem| panic!("{problem}"));
    assert_eq!(outcome.failure, None);
    outcome
}

#[test]
fn a_calendar_of_a_user_goes_with_the_journal() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("J");
    let hours = file(place.path(), "hours.json", HOURS);
    // Monday to Wednesday: Tuesday is closed, Wednesday ends at noon.
    run_into(
        &dir,
        &config(&hours),
        vec![day("one", "2013-10-07T14:00:00Z", "2013-10-09T20:00:00Z")],
    );
    std::fs::remove_file(&hours).unwrap();
    let recording = is_proved(&dir);
    let closed = with_reason(&recording, Reasons::CLOSED_SESSION);
    let until = |text| ns(text);
    assert!(closed.iter().all(|(_, rejected)| *rejected));
    let monday = closed.iter().filter(|(at, _)| *at < until("2013-10-08T05:00:00Z")).count();
    assert_eq!(monday, 7 * 60, "from 17:00 to midnight");
    let open = closed.iter().filter(|(at, _)| {
        (until("2013-10-09T14:00:00Z")..until("2013-10-09T17:00:00Z")).contains(at)
    });
    assert_eq!(open.count(), 0);
    assert!(closed.iter().any(|(at, _)| *at == until("2013-10-09T17:00:00Z")));
    // The same content under another name is the same semantics: the run goes on, also from a snapshot.
    let moved = file(place.path(), "moved.json", &HOURS.replace(", ", ",   "));
    take(&dir, by_rule, |_| {}).unwrap();
    let tuesday = day("two", "2013-10-10T15:00:00Z", "2013-10-10T23:00:00Z");
    let outcome = goes_on(&dir, &config(&moved), tuesday, Consent::default());
    assert!(!outcome.rebuilt.unwrap().chain);
    std::fs::remove_file(&moved).unwrap();
    let recording = is_proved(&dir);
    assert_eq!(sessions(&recording).last().unwrap().0, 20_131_010);
    // An object that is damaged is found.
    let objects = dir.join("objects");
    let own = std::fs::read_dir(&objects).unwrap().flatten().map(|entry| entry.path());
    let own = own.into_iter().find(|path| {
        std::fs::read_to_string(path).is_ok_and(|text| text.contains("bank_holidays"))
    });
    std::fs::remove_file(own.expect("the calendar is an object")).unwrap();
    let lost = engine::replay::replay(&dir, engine::replay::Options::default(), by_rule, |_| {});
    assert!(lost.is_err());
}

#[test]
fn other_hours_are_another_config_and_begin_a_chain_that_closes_what_was_open() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("J");
    let hours = file(place.path(), "hours.json", HOURS);
    run_into(
        &dir,
        &config(&hours),
        vec![day("one", "2013-10-07T15:00:00Z", "2013-10-07T18:00:00Z")],
    );
    // From now on Monday ends at noon in Chicago, 17:00 UTC: it is over already.
    let shorter = HOURS.replacen("17:00:00", "12:00:00", 1);
    let other = file(place.path(), "other.json", &shorter);
    let second = || day("two", "2013-10-07T18:30:00Z", "2013-10-07T19:00:00Z");
    let refused = run(order(&dir, &config(&other), vec![second()]), |_| {}, |_| {});
    assert!(refused.unwrap_err().what.contains("another [semantic] config"));
    let consent = Consent { accept_change: true, ..Consent::default() };
    let outcome = goes_on(&dir, &config(&other), second(), consent);
    let rebuilt = outcome.rebuilt.unwrap();
    assert!(rebuilt.chain);
    let recording = is_proved(&dir);
    let (_, after) = recording.halves(rebuilt.base_seq);
    assert_eq!(sessions(&after), [(20_131_007, SessionPhase::Closed, ns("2013-10-07T17:00:00Z"))]);
    assert_eq!(with_reason(&after, Reasons::CLOSED_SESSION).len(), 30);
    // It goes on in its chain without asking; Wednesday is as it was.
    let third = day("three", "2013-10-09T14:30:00Z", "2013-10-09T16:00:00Z");
    let outcome = goes_on(&dir, &config(&other), third, Consent::default());
    let (_, after) = is_proved(&dir).halves(outcome.rebuilt.unwrap().base_seq);
    assert!(with_reason(&after, Reasons::CLOSED_SESSION).is_empty());
    // An instrument of the journal keeps its place in the table, so its calendar is needed.
    let without = "[host]\nsegment_mib = 1\nring_slots = 256\n";
    let spy = memory_source("four", &["SPY"], vec![trade(0, ns("2013-10-10T15:00:00Z"), PRICE, 1)]);
    let order = Order { consent, ..order(&dir, without, vec![spy]) };
    let problem = run(order, |_| {}, |_| {}).unwrap_err();
    assert!(problem.what.contains("X has the calendar MYCAL"), "{problem}");
}

#[test]
fn the_hash_is_of_the_content_of_a_calendar() {
    let place = tempfile::tempdir().unwrap();
    let hash = |path: &Path| {
        let mut config = Config::parse(&config(path), "a test").unwrap();
        config.resolve().unwrap_or_else(|problem| panic!("{problem}"));
        config.semantic_hash()
    };
    let one = hash(&file(place.path(), "one.json", HOURS));
    assert_eq!(hash(&file(place.path(), "two.json", &HOURS.replace(", ", ",  "))), one);
    assert_ne!(
        hash(&file(place.path(), "three.json", &HOURS.replace("10/8/2013", "10/7/2013"))),
        one
    );
}

#[test]
fn a_run_over_a_half_day_and_a_holiday_goes_on_from_any_input() {
    let mut all = prints("2013-11-27T20:30:00Z", "2013-11-27T21:00:00Z");
    all.extend(prints("2013-11-28T17:45:00Z", "2013-11-28T18:00:00Z"));
    all.extend(prints("2013-11-29T17:45:00Z", "2013-11-29T18:30:00Z"));
    let instruments = vec![Listed { def: built_in("SPY").unwrap(), bars_from: BarSource::Trades }];
    let scene = Scene::new(instruments, vec![all]).timeframes(&[300, 1_800]);
    let whole = scene.record();
    let inputs = inputs_of(&whole);
    // What a half does not have to tell again: nothing but the beginning of a run.
    let told = story(&inputs);
    for at in (10..inputs.len() - 3).step_by(7) {
        let (_, image) = play(&scene, None, &inputs[..at]);
        let rest = go_on(&scene, &image, &inputs[..at]);
        let both = [story(&inputs[..at]), story(&inputs_of(&rest))].concat();
        assert_eq!(both, told, "cut at {at}");
    }
}
