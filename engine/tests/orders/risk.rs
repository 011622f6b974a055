//! Limits to the unit, and a verdict that says every number and every reason.

use crate::bench::{Bench, Brought, CENT, Decided, EVEN, LONG, SHORT, def};
use engine::accounting::Worth;
use engine::config::Config;
use engine::limits::{Facts, Limits, Others, rule};
use engine::orders::desk::Mode;
use engine::orders::intent::Intent;
use engine::orders::venue::Contract;
use ringbuf_layout::names::{RiskReasons, SessionPhase};
use ringbuf_layout::units::PRICE_ONE;
use ringbuf_layout::{Risk, Side};

const MILLION: i128 = 1_000_000 * PRICE_ONE as i128;

fn limits(text: &str) -> Limits {
    Limits::new(
        &Config::parse(&format!("[semantic.risk]\n{text}\n"), "a test").unwrap().semantic.risk,
    )
}

/// A million of equity, flat, price 100, ATR 1.
fn facts() -> Facts {
    Facts {
        mode: Mode::Active,
        not_front: false,
        rate_only: false,
        contract: Some(Contract::of(&def("TEST").record(0, 0, 0))),
        worth: Some(Worth::ONE),
        price: 100 * PRICE_ONE,
        atr: PRICE_ONE,
        position: 0,
        equity: MILLION,
        others: Ok(Others::default()),
        resting: 0,
        day_opening: MILLION,
        day_is_over: false,
    }
}

/// Target and reasons for a long.
fn long(facts: &Facts, text: &str) -> (bool, i64, String) {
    let ruling = rule(1, facts, &limits(text));
    (ruling.approved, ruling.target, ruling.reasons.to_string())
}

#[test]
fn a_move_of_two_atr_costs_its_part_of_equity_and_not_a_unit_more() {
    let wide = "max_instrument_pct = 1000.0\nmax_gross_pct = 10000.0\n";
    assert_eq!(long(&facts(), wide), (true, 2_500, String::new()));
    let one_more = Facts { atr: PRICE_ONE + PRICE_ONE / 2_500, ..facts() };
    assert_eq!(long(&one_more, wide).1, 2_499);
    let exact = Facts { atr: 2_500 * PRICE_ONE, ..facts() };
    assert_eq!(long(&exact, wide), (true, 1, String::new()));
    let below = Facts { atr: 2_500 * PRICE_ONE + 1, ..facts() };
    assert_eq!(long(&below, wide), (false, 0, "below_one_lot".into()));
}

#[test]
fn each_limit_binds_at_its_edge_and_is_named() {
    let check = |facts: Facts, text: &str, size: i64, reasons: &str| {
        assert_eq!(long(&facts, text), (size > 0, size, reasons.to_string()), "{text}");
    };
    // 20% of a million at 100 is 2,000; a unit of price more and it is 1,999.
    check(facts(), "", 2_000, "max_instrument_pct");
    check(Facts { price: 100 * PRICE_ONE + 1, ..facts() }, "", 1_999, "max_instrument_pct");
    check(facts(), "max_instrument_pct = 25.0", 2_500, "");
    check(facts(), "max_instrument_pct = 0.01", 1, "max_instrument_pct");
    check(facts(), "max_instrument_pct = 0.0099", 0, "max_instrument_pct");
    // 200% gross, the others hold 1.9 million less one.
    let gross = |gross: i128| {
        let others = Others { gross: gross * i128::from(PRICE_ONE), at_risk: 0 };
        Facts { others: Ok(others), ..facts() }
    };
    check(gross(1_800_000), "max_instrument_pct = 25.0", 2_000, "max_gross_pct");
    check(gross(1_800_001), "max_instrument_pct = 25.0", 1_999, "max_gross_pct");
    check(gross(1_999_900), "", 1, "max_gross_pct");
    check(gross(1_999_901), "", 0, "max_gross_pct");
    check(gross(5_000_000), "", 0, "max_gross_pct");
    check(facts(), "max_position_lots = 7", 7, "max_position_lots");
    check(facts(), "max_position_lots = 0", 0, "max_position_lots");
    // 5% a day; 46,000 are lost of what the day began with, so 4,000 are left: 2,000 of them at two ATR of 1.
    let lost =
        |lost: i128| Facts { day_opening: MILLION + lost * i128::from(PRICE_ONE), ..facts() };
    let wide = "max_instrument_pct = 1000.0\nmax_gross_pct = 10000.0\n";
    check(lost(52_000), wide, 300, "daily_loss_pct");
    check(lost(52_630), wide, 0, "daily_loss_pct");
    check(Facts { day_is_over: true, ..facts() }, wide, 0, "daily_loss_pct");
    // What two ATR cost the others is not there any more: 50,000 less 49,400 and less 50,000.
    let at_risk = |money: i128| {
        let others = Others { gross: 0, at_risk: money * i128::from(PRICE_ONE) };
        Facts { others: Ok(others), ..facts() }
    };
    check(at_risk(49_400), wide, 300, "daily_loss_pct");
    check(at_risk(50_000), wide, 0, "daily_loss_pct");
    // Nor is what rests on the same side; each limit that is the smallest is named.
    check(Facts { resting: 1_500, ..facts() }, "", 500, "max_instrument_pct");
    check(facts(), "max_position_lots = 2000", 2_000, "max_instrument_pct+max_position_lots");
}

#[test]
fn a_room_in_another_currency_is_what_the_accounts_money_pays_for_there() {
    let at = |worth: Option<Worth>| Facts { worth, ..facts() };
    // 200,000 dollars are 250,000 euros at 0.8: 2,500 at 100 a piece. At 0.9 they are 222,222.22.
    let euro = |price: i64| at(Worth::times(price));
    assert_eq!(long(&euro(PRICE_ONE * 8 / 10), "").1, 2_500);
    assert_eq!(long(&euro(PRICE_ONE * 9 / 10), "").1, 2_222);
    // Size by ATR too: 5,000 dollars are 2,500 euros at 2, and two ATR of 1 cost 2 a piece.
    let wide = "max_instrument_pct = 1000.0\nmax_gross_pct = 10000.0\n";
    assert_eq!(long(&euro(2 * PRICE_ONE), wide).1, 1_250);
    // 150 yen a dollar: 30 million yen.
    assert_eq!(long(&at(Worth::over(150 * PRICE_ONE)), "max_position_lots = 400000").1, 300_000);
    assert_eq!(long(&at(None), ""), (false, 0, "no_rate".into()));
    // What reduces is let through.
    let short = Facts { position: -7, ..at(None) };
    assert_eq!(long(&short, ""), (true, 0, "no_rate".into()));
}

#[test]
fn a_denial_always_has_a_reason() {
    let nothing = Facts { equity: 1, day_opening: 1, ..facts() };
    let all = "below_one_lot+max_instrument_pct+max_gross_pct+max_position_lots+daily_loss_pct";
    let (approved, target, reasons) = long(&nothing, "max_position_lots = 0");
    let mut named: Vec<_> = reasons.split('+').collect();
    let mut expected: Vec<_> = all.split('+').collect();
    named.sort_unstable();
    expected.sort_unstable();
    assert_eq!((approved, target, named), (false, 0, expected));
}

#[test]
fn the_size_is_rounded_down_to_a_lot() {
    let mut lots = def("LOTS");
    lots.lot = ringbuf_layout::Size(300);
    let contract = Some(Contract::of(&lots.record(0, 0, 0)));
    assert_eq!(long(&Facts { contract, ..facts() }, "").1, 1_800);
    lots.lot = ringbuf_layout::Size(2_001);
    let contract = Some(Contract::of(&lots.record(0, 0, 0)));
    let denied = (false, 0, "max_instrument_pct".to_string());
    assert_eq!(long(&Facts { contract, ..facts() }, ""), denied);
    lots.lot = ringbuf_layout::Size(2_501);
    let contract = Some(Contract::of(&lots.record(0, 0, 0)));
    assert_eq!(long(&Facts { contract, ..facts() }, "").2, "below_one_lot+max_instrument_pct");
}

#[test]
fn what_is_not_known_denies_by_name() {
    let check = |facts: Facts, reason: &str| {
        assert_eq!(long(&facts, ""), (false, 0, reason.to_string()));
    };
    check(Facts { contract: None, ..facts() }, "unknown_instrument");
    check(Facts { price: 0, ..facts() }, "no_price");
    check(Facts { atr: 0, ..facts() }, "no_atr");
    check(Facts { atr: -1, ..facts() }, "no_atr");
    check(Facts { equity: 0, ..facts() }, "no_equity");
    check(Facts { equity: i128::MAX, ..facts() }, "overflow");
    check(Facts { others: Err(RiskReasons::OVERFLOW), ..facts() }, "overflow");
    check(Facts { mode: Mode::Halted, ..facts() }, "halted");
}

#[test]
fn an_order_that_reduces_is_never_denied_by_a_limit() {
    let short = Facts { position: -50, ..facts() };
    for (facts, reasons) in [
        (Facts { atr: 0, ..short }, "no_atr"),
        (Facts { equity: -5, ..short }, "no_equity"),
        (Facts { day_is_over: true, ..short }, "daily_loss_pct"),
        (Facts { equity: i128::MAX, ..short }, "overflow"),
        (Facts { mode: Mode::Reducing, ..short }, "reducing"),
        (Facts { not_front: true, ..short }, "not_front"),
        (Facts { rate_only: true, ..short }, "rate_only"),
    ] {
        assert_eq!(long(&facts, ""), (true, 0, reasons.to_string()));
    }
    let halted = Facts { mode: Mode::Halted, day_is_over: true, ..short };
    assert!(!long(&halted, "").0);
    // On the same side it is kept as it is, or made smaller by the size that the limits leave.
    let held = Facts { position: 3_000, ..facts() };
    assert_eq!(long(&held, ""), (true, 2_000, "max_instrument_pct".into()));
    assert_eq!(long(&Facts { mode: Mode::Reducing, ..held }, "").1, 2_000);
    let held = Facts { position: 3_000, day_is_over: true, ..facts() };
    assert!(!long(&held, "").0);
    let held = Facts { position: 1_000, mode: Mode::Reducing, ..facts() };
    assert_eq!(long(&held, ""), (false, 1_000, "reducing".into()));
    let left = Facts { mode: Mode::Active, not_front: true, ..held };
    assert_eq!(long(&left, ""), (false, 1_000, "not_front".into()));
}

fn only(brought: &Brought) -> Risk {
    assert_eq!(brought.risks.len(), 1);
    brought.risks[0]
}

#[test]
fn the_verdict_carries_every_number_it_used() {
    let mut bench = Bench::plain(EVEN);
    bench.decision(LONG, 10_000, 100);
    bench.print(1, 10_000, 9_999);
    let risk = only(&bench.decision(SHORT, 9_900, 100));
    let told = [
        risk.size.0,
        risk.target.0,
        risk.position.0,
        risk.atr_size.0,
        risk.instrument_room.0,
        risk.gross_room.0,
        risk.position_room.0,
        risk.loss_room.0,
        risk.lot.0,
        i64::from(risk.trading_date),
    ];
    // 2,000 held from 100, marked there: the mark of this slot comes after the verdict.
    assert_eq!(
        told,
        [2_020, -2_020, 2_000, 2_500, 2_020, 20_202, 1_000_000, 25_000, 1, 20_240_102]
    );
    assert_eq!((risk.atr.0, risk.price.0), (100 * CENT, 9_900 * CENT));
    assert_eq!((risk.equity.0, risk.day_loss.0, risk.gross.0), (MILLION, 0, 0));
    assert_eq!(risk.reason, RiskReasons::INSTRUMENT_NOTIONAL.0);
    assert_eq!((risk.approved, risk.tail.side), (1, Side::Sell as u8));
    assert!((risk.position_risk - 0.9999).abs() < 1e-9 && risk.total_risk >= risk.portfolio_risk);
    assert_eq!(bench.decision(1, 9_900, 100).risks, [], "hold asks for nothing");
}

#[test]
fn the_other_instruments_are_counted_at_their_marks() {
    let config = format!("{EVEN}[semantic.risk]\nmax_gross_pct = 30.0\n");
    let mut bench = Bench::with(&config, &[def("ONE"), def("TWO")]);
    bench.decision(LONG, 10_000, 100);
    bench.print(1, 10_000, 9_999);
    let decided = Decided { action: SHORT, close: 5_000 * CENT, atr: Some(CENT) };
    let risk = only(&bench.bar_of(1, decided));
    assert_eq!(risk.gross.to_string(), "200000");
    // 300,000 less 200,000 at 50: 2,000 of the second.
    assert_eq!((risk.gross_room.0, risk.target.0), (2_000, -2_000));
}

#[test]
fn a_day_that_has_lost_its_part_is_over_until_the_next_trading_date() {
    let mut bench = Bench::plain(EVEN);
    bench.decision(LONG, 10_000, 100);
    bench.print(1, 10_000, 9_999);
    // 2,000 × 25 is 5% of a million; a cent less is not.
    let at = |bench: &mut Bench, cents| {
        bench.decision(1, cents, 100);
        // The stage sees an account as of the previous input.
        only(&bench.decision(LONG, cents, 100))
    };
    assert_eq!(at(&mut bench, 7_501).approved, 1);
    let over = at(&mut bench, 7_500);
    assert_eq!((over.approved, over.day_loss.to_string()), (0, "50000".into()));
    assert!(RiskReasons(over.reason).has(RiskReasons::DAILY_LOSS));
    // It recovers, and is over all the same; the position on the other side may be closed.
    assert_eq!(at(&mut bench, 10_000).approved, 0);
    let closes = only(&bench.decision(SHORT, 10_000, 100));
    assert_eq!((closes.approved, closes.target.0), (1, 0));
    bench.session(0, SessionPhase::Closed, 20_240_102);
    bench.session(0, SessionPhase::Regular, 20_240_103);
    assert_eq!(only(&bench.decision(LONG, 10_000, 100)).approved, 1);
}

#[test]
fn what_works_at_the_market_counts_as_held() {
    let mut bench = Bench::plain(EVEN);
    bench.decision(LONG, 10_000, 100);
    assert_eq!(only(&bench.decision(LONG, 10_000, 100)).position.0, 2_000);
    bench.place(Intent::limit(Side::Buy, 1, ringbuf_layout::Price(CENT)));
    assert_eq!(only(&bench.decision(LONG, 10_000, 100)).position.0, 2_000);
}

/// So many instruments that all go long at one boundary, before anything fills.
fn at_one_boundary(text: &str, instruments: u32) -> (Bench, Vec<Risk>) {
    let names: Vec<String> = (0..instruments).map(|i| format!("I{i}")).collect();
    let defs: Vec<_> = names.iter().map(|name| def(name)).collect();
    let mut bench = Bench::with(&format!("{EVEN}[semantic.risk]\n{text}\n"), &defs);
    let decided = Decided { action: LONG, close: 10_000 * CENT, atr: Some(100 * CENT) };
    let risks = (0..instruments).map(|i| only(&bench.bar_of(i, decided))).collect();
    for instrument in 0..instruments {
        bench.print_of(instrument, 1, 10_000, 99_999);
    }
    (bench, risks)
}

fn sizes(risks: &[Risk]) -> Vec<(i64, String)> {
    risks.iter().map(|risk| (risk.size.0, RiskReasons(risk.reason).to_string())).collect()
}

#[test]
fn instruments_that_decide_at_one_boundary_share_the_gross_limit() {
    for instruments in [2, 8] {
        let (bench, risks) = at_one_boundary("max_gross_pct = 25.0", instruments);
        let mut expected =
            vec![(2_000, "max_instrument_pct".into()), (500, "max_gross_pct".into())];
        expected.resize(instruments as usize, (0, "max_gross_pct".into()));
        assert_eq!(sizes(&risks), expected);
        let account = bench.portfolio.account();
        let held: i64 = (0..instruments).map(|i| account.position(i).quantity).sum();
        assert_eq!(held, 2_500, "a quarter of a million at 100");
    }
}

#[test]
fn instruments_that_decide_at_one_boundary_share_what_the_day_may_lose() {
    // 10,000 may be lost; a size by ATR costs 5,000 at two ATR.
    let text = "daily_loss_pct = 1.0\nmax_gross_pct = 10000.0\nmax_instrument_pct = 1000.0";
    let (_, risks) = at_one_boundary(text, 3);
    let told = [(2_500, String::new()), (2_500, String::new()), (0, "daily_loss_pct".into())];
    assert_eq!(sizes(&risks), told);
    assert_eq!(risks[1].at_risk.to_string(), "5000");
}

#[test]
fn what_rests_counts_for_its_own_instrument_and_for_the_others() {
    let config = format!("{EVEN}[semantic.risk]\nmax_gross_pct = 30.0\n");
    let mut bench = Bench::with(&config, &[def("ONE"), def("TWO")]);
    bench.decision(1, 10_000, 100);
    bench.place(Intent::limit(Side::Buy, 1_500, ringbuf_layout::Price(9_000 * CENT)));
    let decided = Decided { action: LONG, close: 10_000 * CENT, atr: Some(100 * CENT) };
    let other = only(&bench.bar_of(1, decided));
    assert_eq!((other.gross.to_string().as_str(), other.size.0), ("150000", 1_500));
    let own = only(&bench.decision(LONG, 10_000, 100));
    assert_eq!((own.size.0, RiskReasons(own.reason)), (0, RiskReasons::GROSS_EXPOSURE));
}

#[test]
fn a_position_without_a_mark_or_an_atr_denies_the_others() {
    let mut bench = Bench::with(EVEN, &[def("ONE"), def("TWO")]);
    bench.place(Intent::market(Side::Buy, 1));
    let decided = Decided { action: LONG, close: 10_000 * CENT, atr: Some(100 * CENT) };
    let reason = |bench: &mut Bench| RiskReasons(only(&bench.bar_of(1, decided)).reason);
    assert_eq!(reason(&mut bench), RiskReasons::NO_PRICE);
    bench.print(1, 10_000, 9);
    assert_eq!(reason(&mut bench), RiskReasons::NO_ATR);
    bench.decision(1, 10_000, 100);
    assert_eq!(reason(&mut bench), RiskReasons::INSTRUMENT_NOTIONAL);
}

#[test]
fn a_day_that_is_lost_cancels_what_would_still_open() {
    let mut bench = Bench::plain(&format!("{EVEN}[semantic.risk]\ndaily_loss_pct = 0.5\n"));
    bench.decision(LONG, 10_000, 100);
    assert_eq!(bench.print(1, 10_000, 500).trades(), [(500, 10_000)]);
    bench.place(Intent::limit(Side::Sell, 400, ringbuf_layout::Price(20_000 * CENT)));
    // 500 × 10 is half a percent of a million.
    assert_eq!(bench.decision(1, 9_000, 100).events, []);
    assert_eq!(bench.beat().why(), [("cancelled", "daily_loss_pct")]);
    assert_eq!(bench.beat().events, [], "once");
    assert_eq!(bench.print(1, 9_000, 9_999).trades(), []);
    assert_eq!(bench.working().len(), 1, "what reduces stays");
}
