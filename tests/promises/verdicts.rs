//! Every reason of `validate` has a case that gives exactly it, with its outcome.

use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::names::TRADE_SUSPICIOUS;
use ringbuf_layout::units::PRICE_ONE;
use ringbuf_layout::{Conditions, InputCell, Price, Reasons, Size, Trade, Verdict};
use tests::market::{cell, external_bar, level, listed, ns, quote, trade};
use tests::scene::Scene;

const SECOND: i64 = 1_000_000_000;
/// SPY at 167.41.
const PRICE: i64 = 167 * PRICE_ONE + 410_000_000;
/// SPY, tick 0.01, New York; GC.201312, tick 0.1, closed 17:15 to 18:00 New York.
const SPY: u32 = 0;
const GC: u32 = 1;

/// Tuesday 2013-10-08, 14:00 UTC: 10:00 in New York.
fn at(seconds: i64) -> i64 {
    ns("2013-10-08T14:00:00Z") + seconds * SECOND
}

fn print(seconds: i64) -> InputCell {
    cell(&trade(SPY, at(seconds), PRICE, 100))
}

fn priced(seconds: i64, price: i64) -> InputCell {
    cell(&trade(SPY, at(seconds), price, 100))
}

fn sized(seconds: i64, size: i64) -> InputCell {
    cell(&trade(SPY, at(seconds), PRICE, size))
}

/// The verdict on the last of these records: its reasons in words, and whether it is rejected.
fn verdict_on_last(records: &[InputCell], reject: &[Reasons]) -> (String, bool) {
    let mut instruments = vec![listed("SPY", false), listed("GC.201312", false)];
    instruments[0].def.no_price = Conditions::ODD_LOT.with(Conditions::FORM_T);
    let mut scene = Scene::new(instruments, vec![records.to_vec()]);
    scene.semantic.validate.reject = reject.iter().fold(Reasons::NONE, |all, r| all.with(*r));
    let recording = scene.record();
    let last = recording.inputs().filter(|view| view.tail().source == 1 && view.head().kind != 10);
    let seq = last.last().expect("a market record").head().seq;
    let verdicts = recording.all::<Verdict>();
    let verdict = verdicts.iter().find(|verdict| verdict.head.seq == seq);
    verdict.map_or((String::new(), false), |verdict| {
        let (instrument, record) = (verdict.tail.instrument, &records[records.len() - 1]);
        assert_eq!(instrument, record.tail().instrument, "a verdict names its instrument");
        (Reasons(verdict.reasons).to_string(), verdict.tail.side == 1)
    })
}

fn accepted(records: &[InputCell], reason: &str) {
    assert_eq!(verdict_on_last(records, &[]), (reason.to_string(), false), "{reason}");
}

fn rejected(records: &[InputCell], reason: &str) {
    assert_eq!(verdict_on_last(records, &[]), (reason.to_string(), true), "{reason}");
}

#[test]
fn a_print_on_the_grid_in_regular_hours_is_ok() {
    accepted(&[print(0)], "");
    accepted(&[print(0), print(0), print(1)], "");
}

#[test]
fn a_price_that_is_not_above_zero_is_rejected() {
    rejected(&[priced(0, 0)], "price");
    rejected(&[priced(0, -PRICE)], "price");
    let missing = Price::UNDEFINED;
    rejected(&[cell(&quote(SPY, at(0), missing, missing))], "price");
    rejected(&[cell(&quote(SPY, at(0), Price(0), Price(PRICE)))], "price");
    rejected(&[cell(&quote(SPY, at(0), Price(PRICE), Price(-PRICE_ONE)))], "price+crossed");
    rejected(&[cell(&level(SPY, at(0), 0, 5))], "price");
    rejected(&[cell(&external_bar(SPY, at(0), 0, 5))], "price");
    let mut bar = external_bar(SPY, at(0), PRICE, 5);
    bar.high = Price(PRICE - 1);
    rejected(&[cell(&bar)], "price");
}

#[test]
fn a_print_at_the_undefined_price_is_rejected_and_no_bar_misses_it() {
    rejected(&[priced(0, Price::UNDEFINED.0)], "price+off_grid");
}

#[test]
fn a_negative_size_is_rejected() {
    rejected(&[sized(0, -1)], "size");
    rejected(&[cell(&level(SPY, at(0), PRICE, -5))], "size");
    rejected(&[cell(&external_bar(SPY, at(0), PRICE, -5))], "size");
    let mut bad = quote(SPY, at(0), Price(PRICE), Price(PRICE + 10_000_000));
    bad.ask_size = Size(-1);
    rejected(&[cell(&bad)], "size");
}

#[test]
fn a_print_before_the_last_released_boundary_is_late_and_rejected() {
    // The boundary at 300 s is released by the record after it; one at the boundary is not late.
    rejected(&[print(10), print(301), print(299)], "late");
    accepted(&[print(10), print(301), print(300)], "disorder");
    // Another instrument's boundaries do not count.
    let gold = cell(&trade(GC, at(10), 1_313 * PRICE_ONE, 1));
    accepted(&[gold, print(301), print(299)], "disorder");
}

#[test]
fn a_print_before_the_open_of_the_session_in_which_the_run_began_is_late() {
    // 14:00 UTC is within SPY's session since 08:00; 7 hours earlier is not.
    rejected(&[print(0), print(-7 * 3_600)], "late+stale");
}

#[test]
fn an_unknown_instrument_is_rejected() {
    rejected(&[cell(&trade(NO_INSTRUMENT, at(0), PRICE, 100))], "unknown_instrument");
}

#[test]
fn a_size_that_would_overflow_the_sum_of_its_session_is_rejected() {
    rejected(&[sized(0, i64::MAX), sized(1, 1)], "overflow");
    rejected(&[sized(0, 1), sized(400, i64::MAX)], "overflow");
    accepted(&[sized(0, 1), sized(1, i64::MAX - 1)], "");
    // The next session counts from zero.
    let next_day = 24 * 3_600;
    accepted(&[sized(0, i64::MAX), sized(next_day, i64::MAX)], "");
}

#[test]
fn a_print_outside_every_session_is_rejected() {
    // 02:00 UTC is 22:00 in New York: after the post-market.
    rejected(&[print(12 * 3_600)], "closed_session");
    // Gold pauses from 21:15 to 22:00 UTC.
    let gold = |text| cell(&trade(GC, ns(text), 1_313 * PRICE_ONE, 1));
    rejected(&[gold("2013-10-08T21:15:00Z")], "closed_session");
    rejected(&[gold("2013-10-08T21:00:00Z"), gold("2013-10-08T21:59:59Z")], "closed_session");
    accepted(&[gold("2013-10-08T21:14:59Z")], "");
    accepted(&[gold("2013-10-08T21:00:00Z"), gold("2013-10-08T22:00:00Z")], "");
    // Saturday.
    rejected(&[print(4 * 24 * 3_600)], "closed_session");
}

#[test]
fn a_price_off_the_tick_is_flagged() {
    accepted(&[priced(0, PRICE + 1)], "off_grid");
    let ask = Price(PRICE + 5_000_000);
    accepted(&[cell(&quote(SPY, at(0), Price(PRICE), ask))], "off_grid");
    accepted(&[cell(&level(SPY, at(0), PRICE + 1, 5))], "off_grid");
    // Every time again, and at the middle of a quote that was accepted.
    accepted(&[priced(0, PRICE + 1), priced(1, PRICE + 1)], "off_grid");
    let spread = cell(&quote(SPY, at(0), Price(PRICE), Price(PRICE + 10_000_000)));
    accepted(&[spread, priced(1, PRICE + 5_000_000)], "off_grid");
    accepted(&[priced(0, PRICE + 1), priced(1, PRICE), priced(2, PRICE)], "");
}

#[test]
fn a_price_far_from_the_last_accepted_one_is_flagged() {
    // 5 % of 100 is 5: at the limit is no jump, one tick beyond is.
    let hundred = 100 * PRICE_ONE;
    let cent = PRICE_ONE / 100;
    accepted(&[priced(0, hundred), priced(1, hundred + 5 * PRICE_ONE)], "");
    accepted(&[priced(0, hundred), priced(1, hundred + 5 * PRICE_ONE + cent)], "jump");
    accepted(&[priced(0, hundred), priced(1, hundred - 5 * PRICE_ONE - cent)], "jump");
    // A rejected print is not the last accepted one.
    let far = cell(&trade(SPY, at(1), 2 * hundred, -1));
    accepted(&[priced(0, hundred), far, priced(2, hundred)], "");
}

#[test]
fn a_bid_above_the_ask_is_flagged() {
    let crossed = quote(SPY, at(0), Price(PRICE + 10_000_000), Price(PRICE));
    accepted(&[cell(&crossed)], "crossed");
    accepted(&[cell(&quote(SPY, at(0), Price(PRICE), Price(PRICE + 10_000_000)))], "");
}

#[test]
fn a_size_of_zero_is_flagged() {
    accepted(&[sized(0, 0)], "zero_size");
}

#[test]
fn a_print_before_or_after_regular_hours_is_flagged() {
    let new_york = |text| cell(&trade(SPY, ns(text), PRICE, 100));
    accepted(&[new_york("2013-10-08T08:00:00Z")], "extended_hours");
    accepted(&[new_york("2013-10-08T13:29:59Z")], "extended_hours");
    accepted(&[new_york("2013-10-08T13:30:00Z")], "");
    accepted(&[new_york("2013-10-08T19:59:59Z")], "");
    accepted(&[new_york("2013-10-08T20:00:00Z")], "extended_hours");
    rejected(&[new_york("2013-10-09T00:00:00Z")], "closed_session");
}

#[test]
fn a_print_that_the_venue_suspects_is_flagged() {
    let mut record = trade(SPY, at(0), PRICE, 100);
    record.tail.flags = TRADE_SUSPICIOUS;
    accepted(&[cell(&record)], "suspicious");
}

#[test]
fn a_print_older_than_its_predecessor_is_flagged() {
    accepted(&[print(10), print(9)], "disorder");
    accepted(&[print(10), print(10)], "");
    // A rejected record moves the clock of its instrument as well.
    accepted(&[print(8), sized(10, -1), print(9)], "disorder");
}

#[test]
fn a_record_that_is_old_when_it_comes_is_flagged() {
    let received = |after_ms: i64| {
        let mut record = trade(SPY, at(0), PRICE, 100);
        record.head.ts_recv = at(0) + after_ms * 1_000_000;
        cell(&record)
    };
    accepted(&[received(5_001)], "stale");
    accepted(&[received(5_000)], "");
    // Against the newest record of any instrument.
    let gold = cell(&trade(GC, at(6), 1_313 * PRICE_ONE, 1));
    accepted(&[gold, print(0)], "stale");
}

#[test]
fn a_print_with_a_condition_of_its_instruments_table_is_flagged_and_no_jump_is_measured_from_it() {
    let with = |mut record: Trade, conditions: Conditions| {
        record.source_seq = Trade::with_conditions(conditions);
        cell(&record)
    };
    let hundred = 100 * PRICE_ONE;
    let print = |seconds, price, conditions| with(trade(SPY, at(seconds), price, 100), conditions);
    accepted(&[print(0, hundred, Conditions::ODD_LOT)], "condition");
    accepted(&[print(0, hundred, Conditions::ODD_LOT.with(Conditions::OPENING))], "condition");
    accepted(&[print(0, hundred, Conditions::OPENING)], "");
    // Gold has no table.
    let gold = trade(GC, at(0), 1_313 * PRICE_ONE, 1);
    accepted(&[with(gold, Conditions::ODD_LOT)], "");
    let far = |seconds, conditions| print(seconds, 2 * hundred, conditions);
    accepted(&[priced(0, hundred), far(1, Conditions::FORM_T)], "jump+condition");
    accepted(&[priced(0, hundred), far(1, Conditions::FORM_T), priced(2, hundred)], "");
    accepted(&[priced(0, hundred), far(1, Conditions::NONE), priced(2, hundred)], "jump");
    let odd = [print(0, hundred, Conditions::ODD_LOT)];
    assert_eq!(verdict_on_last(&odd, &[Reasons::CONDITION]), ("condition".into(), true));
    // Its size counts.
    let most = print(0, hundred, Conditions::ODD_LOT);
    let mut all = *most.get::<Trade>().unwrap();
    all.size = Size(i64::MAX);
    rejected(&[cell(&all), sized(1, 1)], "overflow");
}

#[test]
fn a_flag_that_the_config_rejects_is_rejected() {
    let jump = [priced(0, 100 * PRICE_ONE), priced(1, 200 * PRICE_ONE)];
    assert_eq!(verdict_on_last(&jump, &[Reasons::JUMP]), ("jump".into(), true));
    assert_eq!(verdict_on_last(&jump, &[Reasons::OFF_GRID]), ("jump".into(), false));
    assert_eq!(verdict_on_last(&[sized(0, 0)], &[Reasons::ZERO_SIZE]), ("zero_size".into(), true));
}

#[test]
fn several_reasons_are_all_named() {
    assert_eq!(
        verdict_on_last(&[print(10), print(301), cell(&trade(SPY, at(9), PRICE + 1, 0))], &[]),
        ("late+off_grid+zero_size+stale".into(), true)
    );
}
