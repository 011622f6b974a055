//! Brackets: one cancels the other.

use crate::bench::{BRACKET, BROKER_BRACKET, Bench, Brought, CENT, LONG, SHORT};
use engine::orders::intent::Intent;
use ringbuf_layout::names::{Exec, OrderState, OrderType, SessionPhase};
use ringbuf_layout::{Order, Price, Side, Size};

/// Long 2,000 at 100.00 with an ATR of 1: stop at 98, target at 103.
fn long() -> (Bench, Vec<Order>) {
    let mut bench = Bench::plain(BRACKET);
    bench.decision(LONG, 10_000, 100);
    let entered = bench.print(1, 10_000, 9_999);
    assert_eq!(entered.trades(), [(2_000, 10_000)]);
    let exits = entered.orders()[1..].to_vec();
    (bench, exits)
}

#[test]
fn a_stop_and_a_target_follow_the_entry_and_name_it_as_their_parent() {
    let (bench, exits) = long();
    let entry = &bench.history[bench.history.len() - 2].orders()[0];
    let told: Vec<_> = exits
        .iter()
        .map(|o| (o.order_type, o.stop_price.0 / CENT, o.limit_price.0 / CENT, o.qty.0))
        .collect();
    let none = i64::MAX / CENT;
    assert_eq!(
        told,
        [
            (OrderType::Stop as u8, 9_800, none, 2_000),
            (OrderType::Limit as u8, none, 10_300, 2_000)
        ]
    );
    for exit in &exits {
        assert_eq!(exit.tail.side, Side::Sell as u8);
        assert_eq!((exit.parent_seq, exit.parent_index), (entry.order_seq, entry.order_index));
        assert_eq!((exit.parent_epoch, exit.order_index), (1, exit.head.index));
    }
}

#[test]
fn the_target_fills_and_cancels_the_stop_in_the_same_slot() {
    let (mut bench, _) = long();
    bench.print(1, 10_100, 9);
    let out = bench.print(1, 10_300, 9_999);
    assert_eq!(out.trades(), [(-2_000, 10_300)]);
    assert_eq!(out.why(), [("filled", ""), ("cancelled", "one_cancels_other")]);
    assert_eq!((bench.position(), bench.working().len()), (0, 0));
}

#[test]
fn the_stop_is_triggered_and_cancels_the_target_in_the_same_slot() {
    let (mut bench, _) = long();
    let out = bench.print(1, 9_700, 9_999);
    assert_eq!((out.trades(), out.why()[0]), (vec![], ("cancelled", "one_cancels_other")));
    assert_eq!(bench.print(1, 9_690, 9_999).trades(), [(-2_000, 9_690)]);
    assert_eq!((bench.position(), bench.working().len()), (0, 0));
}

#[test]
fn a_target_filled_in_part_makes_the_stop_as_much_smaller() {
    let (mut bench, _) = long();
    bench.print(1, 10_100, 9);
    let out = bench.print(1, 10_300, 500);
    assert_eq!(out.why(), [("partially_filled", ""), ("accepted", "one_cancels_other")]);
    assert_eq!(out.orders()[1].qty.0, 1_500);
    bench.print(1, 9_700, 9);
    assert_eq!(bench.print(1, 9_700, 9_999).trades(), [(-1_500, 9_700)]);
    assert_eq!((bench.position(), bench.working().len()), (0, 0));
}

#[test]
fn a_reversal_cancels_the_bracket_and_gets_its_own() {
    let (mut bench, _) = long();
    let out = bench.decision(SHORT, 10_000, 100);
    let superseded = ("cancelled", "superseded");
    assert_eq!(out.why(), [superseded, superseded, ("new", "")]);
    let entered = bench.print(1, 10_000, 9_999);
    let prices: Vec<_> = entered.orders()[1..]
        .iter()
        .map(|o| (o.tail.side, o.qty.0, o.stop_price.0.min(o.limit_price.0) / CENT))
        .collect();
    assert_eq!(prices, [(Side::Buy as u8, 2_000, 10_200), (Side::Buy as u8, 2_000, 9_700)]);
}

#[test]
fn an_entry_that_ends_in_part_is_bracketed_for_that_part_and_the_bracket_outlives_the_session() {
    let mut bench = Bench::plain(BRACKET);
    bench.decision(LONG, 10_000, 100);
    bench.print(1, 10_000, 700);
    let closed = bench.session(0, SessionPhase::Closed, 20_240_102);
    assert_eq!(closed.why(), [("expired", "session_end"), ("new", ""), ("new", "")]);
    assert_eq!(bench.working().iter().map(|o| o.qty).collect::<Vec<_>>(), [700, 700]);
}

#[test]
fn a_bracket_of_this_slot_sees_the_next_print_first() {
    let mut bench = Bench::plain(
        "[semantic.orders]\nbracket = \"atr\"\n[semantic.venue]\nslippage_ticks = 0\nlatency_ms = 0\n",
    );
    bench.decision(LONG, 10_000, 1);
    // The entry takes 2,000 of it; the rest is far past the target at 100.03 and fills nothing.
    assert_eq!(bench.print(1, 10_000, 99_999).fills().len(), 1);
    assert_eq!(bench.print(0, 10_003, 99_999).trades(), [(-2_000, 10_003)]);
    // An entry in two parts: the target around its average is far below the second print, which made it.
    bench.decision(LONG, 10_000, 1);
    bench.print(1, 10_000, 1_000);
    let entered = bench.print(1, 10_100, 99_999);
    assert_eq!(entered.trades(), [(1_000, 10_100)]);
    assert_eq!(entered.orders()[2].limit_price.0 / CENT, 10_053);
    assert_eq!(bench.print(0, 10_100, 99_999).trades(), [(-2_000, 10_100)]);
}

/// Sizes of the exits that work.
fn exits(bench: &Bench) -> Vec<i64> {
    let live =
        |order: &&engine::orders::order::Working| order.is_exit() && order.can_be_cancelled();
    bench.working().iter().filter(live).map(|order| order.qty).collect()
}

/// A report that all of an order is filled, at 100.00.
fn filled(bench: &mut Bench, order: &Order) -> Brought {
    bench.report(order, Exec::Fill, |report| {
        (report.qty, report.cum_qty) = (order.qty, order.qty);
        report.price = Price(10_000 * CENT);
    })
}

fn cancelled(bench: &mut Bench, order: &Order) -> Brought {
    bench.report(order, Exec::Cancelled, |_| ())
}

#[test]
fn a_second_entry_gets_one_bracket_for_the_whole_position() {
    let mut bench = Bench::plain(BRACKET);
    bench.decision(LONG, 10_000, 250);
    bench.decision(LONG, 10_000, 100);
    let entered = bench.print(1, 10_000, 9_999);
    assert_eq!(entered.trades(), [(1_000, 10_000), (1_000, 10_000)]);
    let superseded = ("cancelled", "superseded");
    let first = [("filled", ""), ("new", ""), ("new", "")];
    let second = [("filled", ""), superseded, superseded, ("new", ""), ("new", "")];
    assert_eq!(entered.why(), [&first[..], &second[..]].concat());
    assert_eq!(exits(&bench), [2_000, 2_000]);
}

#[test]
fn at_a_broker_the_new_bracket_waits_until_the_old_one_is_gone() {
    let mut bench = Bench::plain(BROKER_BRACKET);
    let first = bench.decision(LONG, 10_000, 250).orders()[0];
    let second = bench.decision(LONG, 10_000, 100).orders()[0];
    let pair = filled(&mut bench, &first).orders()[1..].to_vec();
    assert_eq!(exits(&bench), [1_000, 1_000]);
    let requested = [OrderState::Filled, OrderState::CancelRequested, OrderState::CancelRequested];
    assert_eq!(filled(&mut bench, &second).states(), requested);
    assert_eq!(cancelled(&mut bench, &pair[0]).states(), [OrderState::Cancelled]);
    let placed = cancelled(&mut bench, &pair[1]);
    assert_eq!(placed.states(), [OrderState::Cancelled, OrderState::New, OrderState::New]);
    assert_eq!(exits(&bench), [2_000, 2_000]);
}

#[test]
fn a_reversal_that_is_taken_back_leaves_the_position_with_a_bracket() {
    let (mut bench, _) = long();
    bench.decision(SHORT, 10_000, 100);
    let back = bench.decision(LONG, 10_000, 100);
    assert_eq!(back.why(), [("cancelled", "superseded"), ("new", ""), ("new", "")]);
    assert_eq!(
        (exits(&bench), back.orders()[1].stop_price),
        (vec![2_000, 2_000], Price(9_800 * CENT))
    );
}

#[test]
fn a_reversal_that_is_rejected_leaves_the_position_with_a_bracket() {
    let mut bench = Bench::plain(BROKER_BRACKET);
    let order = bench.decision(LONG, 10_000, 100).orders()[0];
    let pair = filled(&mut bench, &order).orders()[1..].to_vec();
    // What the exits may still fill counts: first what is held is closed.
    let turned = bench.decision(SHORT, 10_000, 100);
    let entry = *turned.orders().last().unwrap();
    assert_eq!((entry.tail.side, entry.qty), (Side::Sell as u8, Size(2_000)));
    cancelled(&mut bench, &pair[0]);
    // With the second report the rest follows.
    let rest = cancelled(&mut bench, &pair[1]).orders()[1];
    assert_eq!((rest.tail.side, rest.qty), (Side::Sell as u8, Size(2_000)));
    bench.report(&entry, Exec::Rejected, |_| ());
    let last = bench.report(&rest, Exec::Rejected, |_| ());
    assert_eq!(last.states(), [OrderState::Rejected, OrderState::New, OrderState::New]);
    assert_eq!((exits(&bench), bench.position()), (vec![2_000, 2_000], 2_000));
}

#[test]
fn exits_follow_a_position_that_something_else_reduces() {
    let (mut bench, _) = long();
    bench.place(Intent::market(Side::Sell, 500));
    bench.print(1, 10_000, 9_999);
    assert_eq!((bench.position(), exits(&bench)), (1_500, vec![1_500, 1_500]));
    let mut bench = Bench::plain(BROKER_BRACKET);
    let order = bench.decision(LONG, 10_000, 100).orders()[0];
    let pair = filled(&mut bench, &order).orders()[1..].to_vec();
    let sale = bench.place(Intent::market(Side::Sell, 500));
    filled(&mut bench, &sale);
    assert!(exits(&bench).is_empty());
    cancelled(&mut bench, &pair[0]);
    let placed = cancelled(&mut bench, &pair[1]).orders()[1..].to_vec();
    assert_eq!(exits(&bench), [1_500, 1_500]);
    assert_eq!(
        (placed[0].stop_price, placed[1].limit_price),
        (pair[0].stop_price, pair[1].limit_price)
    );
}

#[test]
fn a_bracket_that_finds_no_place_says_so() {
    let mut bench = Bench::plain(BRACKET);
    bench.decision(1, 10_000, 100);
    for i in 0..63 {
        bench.place(Intent::limit(Side::Buy, 1, Price((5_000 + i) * CENT)));
    }
    bench.decision(LONG, 10_000, 100);
    let entered = bench.print(1, 10_000, 9_999);
    let denied = ("denied", "book_full");
    assert_eq!(entered.why()[..3], [("filled", ""), denied, denied]);
    let told = &entered.orders()[1];
    assert_eq!((told.stop_price, told.parent_epoch), (Price(9_800 * CENT), 1));
    assert_eq!(bench.oms.desk(0).unwrap().odd.unprotected, 1);
}
