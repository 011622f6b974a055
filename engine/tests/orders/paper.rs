//! The paper venue, a sentence a case.

use crate::bench::{Bench, CENT, EVEN, HOLD, LONG, MS, SHORT, def};
use bytemuck::Zeroable;
use engine::orders::intent::Intent;
use ringbuf_layout::names::{Liquidity, OrderState, SessionPhase, TimeInForce};
use ringbuf_layout::{Conditions, Frame, InputCell, Price, Side, Size, Trade};

fn buy(qty: i64) -> Intent {
    Intent::market(Side::Buy, qty)
}

fn sell(qty: i64) -> Intent {
    Intent::market(Side::Sell, qty)
}

fn at(cents: i64) -> Price {
    Price(cents * CENT)
}

const NOW: &str = "[semantic.venue]\nslippage_ticks = 0\nlatency_ms = 0\n";

#[test]
fn no_print_of_the_slot_that_makes_an_order_fills_it_even_without_latency() {
    let mut bench = Bench::plain(NOW);
    bench.propose(buy(5));
    let made = bench.print(1, 10_000, 100);
    assert_eq!((made.states(), made.trades()), (vec![OrderState::New], vec![]));
    // The next one may come at the same instant.
    assert_eq!(bench.print(0, 10_001, 100).trades(), [(5, 10_001)]);
}

#[test]
fn a_market_order_fills_at_the_next_print_after_its_latency() {
    let mut bench = Bench::plain("[semantic.venue]\nslippage_ticks = 0\nlatency_ms = 3\n");
    bench.place(buy(5));
    assert_eq!(bench.print(2, 10_000, 100).trades(), []);
    let filled = bench.print(1, 10_007, 100);
    assert_eq!(filled.trades(), [(5, 10_007)]);
    assert_eq!(filled.states(), [OrderState::Filled]);
    assert_eq!(filled.fills()[0].liquidity, Liquidity::Took as u8);
    assert_eq!(bench.position(), 5);
}

#[test]
fn slippage_is_so_many_ticks_against_the_order_and_no_price_is_below_a_tick() {
    let mut bench = Bench::plain("[semantic.venue]\nslippage_ticks = 2\nlatency_ms = 1\n");
    bench.place(buy(1));
    assert_eq!(bench.print(1, 10_000, 9).trades(), [(1, 10_002)]);
    bench.place(sell(1));
    assert_eq!(bench.print(1, 10_000, 9).trades(), [(-1, 9_998)]);
    bench.place(sell(1));
    assert_eq!(bench.print(1, 1, 9).trades(), [(-1, 1)]);
}

#[test]
fn an_order_fills_in_parts_by_traded_size_and_a_print_is_consumed_once() {
    let mut bench = Bench::plain(EVEN);
    bench.propose(buy(5));
    bench.propose(sell(4));
    bench.beat();
    let first = bench.print(1, 10_000, 3);
    assert_eq!(first.trades(), [(3, 10_000)]);
    assert_eq!(first.states(), [OrderState::PartiallyFilled, OrderState::Accepted]);
    let second = bench.print(1, 10_001, 3);
    assert_eq!(second.trades(), [(2, 10_001), (-1, 10_001)]);
    assert_eq!(second.orders()[0].price, Price(10_000 * CENT + 4 * CENT / 10), "average");
    assert_eq!(bench.print(1, 10_002, 0).trades(), [], "a print of size 0 is no trade");
    assert_eq!(bench.print(1, 10_003, 100).trades(), [(-3, 10_003)]);
    assert_eq!((bench.position(), bench.working().len()), (1, 0));
}

#[test]
fn a_print_that_sets_no_price_fills_nothing_and_triggers_no_stop() {
    let mut odd = def("ODD");
    odd.no_price = Conditions::ODD_LOT;
    let mut bench = Bench::with(EVEN, &[odd]);
    let print = |bench: &mut Bench, conditions: Conditions, cents: i64| {
        bench.now += MS;
        let mut trade = Trade { head: Trade::header(bench.now, bench.now), ..Trade::zeroed() };
        (trade.price, trade.size) = (at(cents), Size(100));
        trade.source_seq = Trade::with_conditions(conditions);
        bench.feed(&InputCell::from(&trade), None).trades()
    };
    bench.place(buy(5));
    assert_eq!(print(&mut bench, Conditions::ODD_LOT, 9_000), []);
    assert_eq!(print(&mut bench, Conditions::OPENING, 10_000), [(5, 10_000)]);
    bench.place(Intent::stop(Side::Sell, 5, at(9_500)));
    assert_eq!(print(&mut bench, Conditions::ODD_LOT, 9_000), []);
    assert_eq!(print(&mut bench, Conditions::NONE, 9_900), []);
    assert_eq!(bench.working().len(), 1);
}

#[test]
fn sizes_are_filled_in_lots() {
    let mut lots = def("LOTS");
    lots.lot = Size(10);
    let mut bench = Bench::with(EVEN, &[lots]);
    bench.place(buy(30));
    assert_eq!(bench.print(1, 100, 9).trades(), []);
    assert_eq!(bench.print(1, 100, 25).trades(), [(20, 100)]);
    assert_eq!(bench.print(1, 100, 10).trades(), [(10, 100)]);
    assert_eq!(bench.place(buy(15)).state, OrderState::Denied as u8);
}

#[test]
fn a_resting_limit_fills_at_its_limit_when_the_market_trades_at_or_through_it() {
    let mut bench = Bench::plain(EVEN);
    bench.place(Intent::limit(Side::Buy, 6, at(9_990)));
    assert_eq!(bench.print(1, 9_991, 100).states(), [OrderState::Accepted]);
    let touched = bench.print(1, 9_990, 2);
    assert_eq!(touched.trades(), [(2, 9_990)]);
    assert_eq!(touched.fills()[0].liquidity, Liquidity::Added as u8);
    assert_eq!(bench.print(1, 9_950, 100).trades(), [(4, 9_990)]);
}

#[test]
fn a_limit_that_the_market_has_passed_already_takes_the_better_price() {
    let slip = "[semantic.venue]\nslippage_ticks = 2\nlatency_ms = 1\n";
    let mut bench = Bench::plain(slip);
    bench.place(Intent::limit(Side::Buy, 1, at(10_000)));
    assert_eq!(bench.print(1, 9_900, 9).trades(), [(1, 9_902)]);
    bench.place(Intent::limit(Side::Buy, 1, at(10_000)));
    assert_eq!(bench.print(1, 9_999, 9).trades(), [(1, 10_000)], "slippage ends at the limit");
    bench.place(Intent::limit(Side::Sell, 1, at(10_000)));
    assert_eq!(bench.print(1, 10_100, 9).trades(), [(-1, 10_098)]);
}

#[test]
fn own_orders_come_in_turn_by_price_and_then_by_time() {
    let mut bench = Bench::plain(EVEN);
    let limits = [9_990, 9_995, 9_995].map(|cents| Intent::limit(Side::Buy, 2, at(cents)));
    let ids = limits.map(|limit| bench.place(limit).order_seq);
    bench.print(1, 10_000, 1);
    let filled = bench.print(1, 9_980, 5);
    let turn: Vec<_> = filled.fills().iter().map(|f| (f.order_seq, f.qty.0)).collect();
    assert_eq!(turn, [(ids[1], 2), (ids[2], 2), (ids[0], 1)]);
}

#[test]
fn a_stop_is_triggered_by_a_print_and_fills_with_the_next_gap_and_all() {
    let mut bench = Bench::plain("[semantic.venue]\nslippage_ticks = 1\nlatency_ms = 1\n");
    bench.place(Intent::stop(Side::Sell, 3, at(9_900)));
    assert_eq!(bench.print(1, 9_901, 100).trades(), []);
    // The market falls through the stop: that print was somebody else's.
    assert_eq!(bench.print(1, 9_700, 100).trades(), []);
    assert_eq!(bench.print(1, 9_650, 100).trades(), [(-3, 9_649)]);
    bench.place(Intent::stop(Side::Buy, 3, at(9_700)));
    assert_eq!(bench.print(1, 9_700, 100).trades(), [], "at the stop is enough");
    assert_eq!(bench.print(1, 9_600, 100).trades(), [(3, 9_601)], "and it stays triggered");
}

#[test]
fn a_rejected_print_fills_and_triggers_nothing() {
    let mut bench = Bench::plain(EVEN);
    bench.place(buy(5));
    bench.session(0, SessionPhase::Extended, 20_240_102);
    assert_eq!(bench.print(1, -5, 100).trades(), []);
    assert_eq!(bench.print(1, 10_000, -100).trades(), []);
    assert_eq!(bench.print(1, 10_000, 100).trades(), [(5, 10_000)], "a flagged one does");
}

#[test]
fn a_print_before_the_order_in_event_time_does_not_fill_it() {
    let mut bench = Bench::plain(EVEN);
    bench.print(10, 10_000, 1);
    bench.place(buy(5));
    assert_eq!(bench.print(-5, 9_000, 100).trades(), [], "it came late and was there before");
    assert_eq!(bench.print(10, 10_000, 100).trades(), [(5, 10_000)]);
}

#[test]
fn without_trades_a_buy_finds_the_ask_and_a_sell_the_bid() {
    let mut quoted = Bench::with(EVEN, &[]);
    assert!(quoted.oms.desk(0).is_none());
    quoted = Bench::plain(EVEN);
    quoted.feed(&InputCell::from(&def("TEST").record(0, 1, 0)), None);
    quoted.propose(buy(5));
    quoted.propose(sell(5));
    quoted.beat();
    assert_eq!(quoted.print(1, 10_000, 100).trades(), [], "trades do not count then");
    let filled = quoted.quote(1, (9_999, 2), (10_001, 3));
    assert_eq!(filled.trades(), [(3, 10_001), (-2, 9_999)]);
    // A quote without sizes has room for all.
    assert_eq!(quoted.quote(1, (9_998, 0), (10_002, 0)).trades(), [(2, 10_002), (-3, 9_998)]);
    // An absent side fills nothing.
    quoted.place(buy(1));
    let mut lame = quoted.quote(1, (9_000, 5), (9_223_372_036, 0));
    assert_eq!(lame.trades().len(), 1);
    quoted.place(Intent::limit(Side::Buy, 1, at(100)));
    lame = quoted.quote(1, (90, 1), (101, 1));
    assert_eq!(lame.trades(), []);
    assert_eq!(quoted.quote(1, (90, 1), (99, 1)).trades(), [(1, 100)]);
}

#[test]
fn fees_are_by_unit_and_rounded_once() {
    let mut coin = def("COIN");
    (coin.size_precision, coin.fee) = (8, 7);
    let mut bench = Bench::with(EVEN, &[coin]);
    bench.place(buy(150_000_000));
    let filled = bench.print(1, 100, 1_000_000_000);
    // 7 × 1.5 = 10.5, half to even.
    assert_eq!(filled.fills()[0].fee.0, 10);
    assert_eq!(filled.accounts[0].realized_pnl.0, -10);
}

#[test]
fn a_day_order_ends_with_its_session_and_a_lasting_one_stays() {
    let mut bench = Bench::plain(EVEN);
    bench.place(Intent::limit(Side::Buy, 1, at(9_000)));
    let lasting = TimeInForce::GoodTillCancelled;
    bench.place(Intent { tif: lasting, ..Intent::limit(Side::Buy, 2, at(9_000)) });
    let closed = bench.session(0, SessionPhase::Closed, 20_240_102);
    assert_eq!(closed.why(), [("expired", "session_end")]);
    assert_eq!(bench.working().iter().map(|o| o.qty).collect::<Vec<_>>(), [2]);
    bench.session(0, SessionPhase::Regular, 20_240_103);
    assert_eq!(bench.print(1, 8_999, 9).trades(), [(2, 8_999)]);
}

#[test]
fn a_session_that_ends_does_not_close_the_position() {
    let mut bench = Bench::plain(EVEN);
    bench.place(buy(5));
    bench.print(1, 10_000, 100);
    assert_eq!(bench.session(0, SessionPhase::Closed, 20_240_102).events, []);
    assert_eq!(bench.position(), 5);
}

#[test]
fn flat_at_close_closes_before_the_session_ends_and_opens_nothing_until_the_next() {
    let config = format!("[semantic.orders]\nflat_at_close = true\n{EVEN}");
    let mut bench = Bench::plain(&config);
    bench.decision(LONG, 10_000, 100);
    bench.print(1, 10_000, 9_999);
    bench.place(Intent::limit(Side::Sell, 1, at(20_000)));
    bench.now = crate::bench::OPEN + crate::bench::DAY - 60_000 * MS - MS;
    assert_eq!(bench.print(0, 10_000, 9).events.len(), 1, "accepts the limit, no more");
    let due = bench.print(1, 10_000, 9);
    assert_eq!(due.why(), [("cancelled", "session_end"), ("new", "")]);
    assert_eq!(bench.print(1, 10_000, 9_999).trades(), [(-2_000, 10_000)]);
    assert_eq!(bench.decision(SHORT, 10_000, 100).risks[0].approved, 0);
    bench.propose(buy(1));
    assert_eq!(bench.beat().why(), [("denied", "reducing")]);
    bench.session(0, SessionPhase::Closed, 20_240_102);
    bench.now = crate::bench::OPEN + crate::bench::DAY;
    bench.session_until(0, bench.now + crate::bench::DAY, 20_240_103);
    assert_eq!(bench.decision(SHORT, 10_000, 100).risks[0].approved, 1);
}

#[test]
fn the_gate_names_what_is_wrong_with_an_order() {
    let mut bench = Bench::plain(EVEN);
    let mut check = |intent: Intent, reason: &str| {
        bench.propose(intent);
        assert_eq!(bench.beat().why(), [("denied", reason)]);
    };
    check(buy(0), "size");
    check(buy(-1), "size");
    check(Intent { side: Side::None, ..buy(1) }, "size");
    check(Intent::limit(Side::Buy, 1, Price(1)), "price");
    check(Intent::limit(Side::Buy, 1, Price(0)), "price");
    check(Intent::limit(Side::Buy, 1, Price(-CENT)), "price");
    check(Intent::stop(Side::Buy, 1, Price::UNDEFINED), "price");
    check(Intent { limit: at(1), ..buy(1) }, "price");
    let mut dear = def("DEAR");
    dear.multiplier = i64::MAX;
    let mut bench = Bench::with(EVEN, &[dear]);
    bench.propose(Intent::limit(Side::Buy, i64::MAX, at(900_000_000_000)));
    assert_eq!(bench.beat().why(), [("denied", "overflow")]);
    // A market order has no price to check before there is a print.
    bench.place(buy(i64::MAX));
    let refused = bench.print(1, 900_000_000_000, 1_000_000_000_000_000_000);
    assert_eq!((refused.why(), refused.trades()), (vec![("rejected", "overflow")], vec![]));
}

#[test]
fn sixty_four_orders_work_and_the_next_is_denied() {
    let mut bench = Bench::plain(EVEN);
    for i in 0..64 {
        assert_eq!(bench.place(Intent::limit(Side::Buy, 1, at(100 + i))).state, 0);
    }
    bench.propose(buy(1));
    assert_eq!(bench.beat().why(), [("denied", "book_full")]);
}

#[test]
fn a_decision_reverses_and_hold_keeps() {
    let mut bench = Bench::plain(EVEN);
    bench.print(1, 10_000, 1);
    // 0.5% of a million over two ATR of one: 2,500; 20% of a million at 100: 2,000.
    bench.decision(LONG, 10_000, 100);
    bench.print(1, 10_000, 9_999);
    assert_eq!(bench.position(), 2_000);
    assert_eq!(bench.decision(HOLD, 10_000, 100).events, []);
    assert_eq!(bench.decision(LONG, 10_000, 100).events, [], "it is there already");
    let reversed = bench.decision(SHORT, 10_000, 100);
    assert_eq!(reversed.orders()[0].qty, Size(4_000));
    let filled = bench.print(1, 10_010, 9_999);
    assert_eq!(filled.trades(), [(-4_000, 10_010)]);
    let account = filled.accounts[0];
    assert_eq!((account.position.0, account.avg_price), (-2_000, at(10_010)));
    assert_eq!(account.realized_pnl.to_string(), "200");
    assert_eq!(account.equity.to_string(), "1000200");
}

#[test]
fn what_is_on_its_way_at_the_market_counts_towards_the_target() {
    let mut bench = Bench::plain(EVEN);
    bench.decision(LONG, 10_000, 100);
    assert_eq!(bench.decision(LONG, 10_000, 100).events, [], "no second order");
    bench.print(1, 10_000, 500);
    // 500 are held; the rest of the order goes, and does not fill against the decision.
    let reversed = bench.decision(SHORT, 10_000, 100);
    assert_eq!(reversed.why(), [("cancelled", "superseded"), ("new", "")]);
    assert_eq!(reversed.orders()[1].qty, Size(2_500));
    assert_eq!(bench.print(1, 10_000, 99_999).trades(), [(-2_500, 10_000)]);
    assert_eq!(bench.position(), -2_000);
}

#[test]
fn a_smaller_target_takes_the_place_of_an_order_that_is_too_large() {
    let mut bench = Bench::plain(EVEN);
    bench.decision(LONG, 10_000, 100);
    let smaller = bench.decision(LONG, 10_000, 250);
    assert_eq!(smaller.why(), [("cancelled", "superseded"), ("new", "")]);
    assert_eq!(smaller.orders()[1].qty, Size(1_000));
    // A larger one adds to it.
    assert_eq!(bench.decision(LONG, 10_000, 100).orders()[0].qty, Size(1_000));
    assert_eq!(bench.print(1, 10_000, 99_999).trades(), [(1_000, 10_000), (1_000, 10_000)]);
}

#[test]
fn opposing_orders_never_stack() {
    let mut bench = Bench::plain(EVEN);
    for i in 0..20 {
        bench.decision(if i % 2 == 0 { LONG } else { SHORT }, 10_000, 100);
        assert_eq!(bench.working().len(), 1);
    }
    bench.print(1, 10_000, 99_999);
    assert_eq!(bench.position(), -2_000);
}

#[test]
fn the_drill_fills_on_paper_like_any_order() {
    let mut bench = Bench::plain("[semantic.drill]\norder_every = 4\n");
    let mut fills = 0;
    for i in 0..100 {
        fills += bench.print(1, 10_000 + i % 7, 5).fills().len();
        assert!(bench.position() == 0 || bench.position() == 1);
    }
    assert_eq!(fills, 25);
    assert!(bench.now > MS);
}
