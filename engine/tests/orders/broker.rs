//! Execution reports of a broker: the same `apply` books them.

use crate::bench::{BROKER, Bench, CENT, LONG, SHORT};
use ringbuf_layout::names::{Command, Exec, OrderReason, OrderState};
use ringbuf_layout::{ExecutionReport, Money, Order, Price, Size};

fn entered() -> (Bench, Order) {
    let mut bench = Bench::plain(BROKER);
    let order = bench.decision(LONG, 10_000, 100).orders()[0];
    (bench, order)
}

fn fill(qty: i64, cum: i64, name: u8) -> impl FnOnce(&mut ExecutionReport) {
    move |report| {
        (report.qty, report.cum_qty) = (Size(qty), Size(cum));
        (report.price, report.fee) = (Price(10_000 * CENT), Money(5));
        report.exec_id[0] = name;
    }
}

fn none(_: &mut ExecutionReport) {}

#[test]
fn prints_fill_nothing_and_reports_do() {
    let (mut bench, order) = entered();
    assert_eq!(bench.print(5, 10_000, 9_999).events, []);
    assert_eq!(bench.report(&order, Exec::Accepted, none).states(), [OrderState::Accepted]);
    let part = bench.report(&order, Exec::PartialFill, fill(500, 500, 1));
    assert_eq!(
        (part.trades(), part.states()),
        (vec![(500, 10_000)], vec![OrderState::PartiallyFilled])
    );
    assert_eq!(part.fills()[0].exec_id[0], 1);
    assert_eq!(part.accounts[0].realized_pnl, Money(-5));
    let whole = bench.report(&order, Exec::Fill, fill(1_500, 2_000, 2));
    assert_eq!(whole.states(), [OrderState::Filled]);
    assert_eq!(bench.position(), 2_000);
}

#[test]
fn a_repeated_execution_is_booked_once() {
    let (mut bench, order) = entered();
    for again in 0..3 {
        let said = bench.report(&order, Exec::PartialFill, fill(500, 500, 1));
        assert_eq!(said.fills().len(), usize::from(again == 0));
        // Without a size so far, the name alone tells.
        let said = bench.report(&order, Exec::PartialFill, fill(100, 0, 2));
        assert_eq!(said.fills().len(), usize::from(again == 0));
    }
    assert_eq!((bench.position(), bench.oms.desk(0).unwrap().odd.repeated), (600, 4));
}

#[test]
fn a_lost_report_is_made_up_for_by_the_next_and_is_nothing_when_it_comes() {
    let (mut bench, order) = entered();
    let said = bench.report(&order, Exec::PartialFill, fill(200, 700, 2));
    assert_eq!(said.trades(), [(700, 10_000)]);
    assert_eq!(bench.report(&order, Exec::PartialFill, fill(500, 500, 1)).events, []);
    // Even a cancel tells of it.
    let said = bench.report(&order, Exec::Cancelled, fill(0, 900, 3));
    assert_eq!(said.trades(), [(200, 10_000)]);
    assert_eq!(said.states(), [OrderState::PartiallyFilled, OrderState::Cancelled]);
    assert_eq!(bench.position(), 900);
}

#[test]
fn a_fill_that_crosses_the_end_of_its_order_is_booked() {
    let (mut bench, order) = entered();
    bench.report(&order, Exec::Cancelled, none);
    let late = bench.report(&order, Exec::PartialFill, fill(10, 10, 1));
    assert_eq!((late.trades(), late.states()), (vec![(10, 10_000)], vec![OrderState::Cancelled]));
    assert_eq!(bench.position(), 10);
}

#[test]
fn more_than_was_ordered_is_not_booked_and_is_counted() {
    let (mut bench, order) = entered();
    bench.report(&order, Exec::Fill, fill(2_000, 2_000, 1));
    assert_eq!(bench.report(&order, Exec::Fill, fill(5, 2_005, 2)).events, []);
    assert_eq!(bench.position(), 2_000);
    assert_eq!(bench.oms.desk(0).unwrap().odd.illegal.iter().sum::<u64>(), 1);
}

#[test]
fn what_the_exit_holds_back_comes_back_with_its_reason() {
    let (mut bench, order) = entered();
    let said = bench.report(&order, Exec::Rejected, |r| r.reason = OrderReason::TooOld as u16);
    assert_eq!(said.why(), [("rejected", "too_old")]);
    // The target is not reached: the next decision orders anew.
    assert_eq!(bench.decision(LONG, 10_000, 100).orders()[0].qty, Size(2_000));
}

#[test]
fn a_refused_cancel_leaves_the_order_at_work() {
    let (mut bench, order) = entered();
    bench.report(&order, Exec::Accepted, none);
    assert_eq!(bench.command(Command::CancelAll).why(), [("cancel_requested", "operator")]);
    let said = bench.report(&order, Exec::Rejected, |r| r.reason = OrderReason::EgressFull as u16);
    assert_eq!(said.why(), [("accepted", "egress_full")]);
    bench.report(&order, Exec::PartialFill, fill(5, 5, 1));
    bench.command(Command::CancelAll);
    assert_eq!(bench.report(&order, Exec::Rejected, none).states(), [OrderState::PartiallyFilled]);
    bench.command(Command::CancelAll);
    assert_eq!(bench.report(&order, Exec::Cancelled, none).states(), [OrderState::Cancelled]);
}

#[test]
fn a_drill_outruns_its_broker_and_every_fill_is_booked_all_the_same() {
    let mut bench = Bench::plain(&format!("{BROKER}[semantic.drill]\norder_every = 1\n"));
    let orders: Vec<_> = (0..1_000).flat_map(|_| bench.print(1, 10_000, 1).orders()).collect();
    assert!(orders.iter().all(|order| order.state == OrderState::New as u8));
    assert_eq!((orders.len(), bench.working().len()), (1_000, 64));
    bench.command(Command::Halt);
    let booked = orders.iter().map(|order| {
        bench.report(order, Exec::Accepted, none);
        bench.report(order, Exec::Fill, fill(1, 1, 0)).fills().len()
    });
    assert_eq!(booked.sum::<usize>(), 1_000);
    assert_eq!((bench.position(), bench.account().position.0), (0, 0));
}

#[test]
fn reports_without_sense_change_nothing_and_are_counted() {
    let (mut bench, order) = entered();
    for exec in [Exec::PartialFill, Exec::Fill] {
        assert_eq!(bench.report(&order, exec, |r| r.qty = Size(5)).events, [], "no price");
        assert_eq!(bench.report(&order, exec, |r| r.price = Price(5)).events, [], "no size");
        assert_eq!(bench.report(&order, exec, fill(-5, 5, 0)).events, [], "below zero");
        assert_eq!(bench.report(&order, exec, fill(i64::MIN, i64::MIN, 0)).events, []);
    }
    assert_eq!(bench.report(&order, Exec::Correction, none).events, []);
    let mut other = order;
    other.order_seq += 1;
    assert_eq!(bench.report(&other, Exec::Fill, fill(5, 5, 0)).events, []);
    let odd = bench.oms.desk(0).unwrap().odd;
    assert_eq!((odd.senseless, odd.unknown, odd.corrections), (8, 1, 1));
    assert_eq!(bench.position(), 0);
}

#[test]
fn the_first_fill_of_an_exit_asks_for_the_other_to_be_cancelled() {
    let config = "[semantic.orders]\nbracket = \"atr\"\n[semantic.venue]\nmode = \"broker\"\n";
    let mut bench = Bench::plain(config);
    let order = bench.decision(SHORT, 10_000, 100).orders()[0];
    let exits = bench.report(&order, Exec::Fill, fill(2_000, 2_000, 1)).orders()[1..].to_vec();
    assert_eq!(exits.len(), 2);
    let said = bench.report(&exits[1], Exec::PartialFill, fill(1, 1, 2));
    assert_eq!(said.why(), [("partially_filled", ""), ("cancel_requested", "one_cancels_other")]);
}

#[test]
fn what_is_being_cancelled_is_never_ordered_twice() {
    let (mut bench, first) = entered();
    // Short: the buy may still fill, and must not be undone before it has.
    let second = bench.decision(SHORT, 10_000, 100);
    assert_eq!(second.states(), [OrderState::CancelRequested, OrderState::New]);
    let second = second.orders()[1];
    assert_eq!(second.qty, Size(2_000));
    // Long again: the first buy is as good as an order for it.
    let third = bench.decision(LONG, 10_000, 100);
    assert_eq!(third.states(), [OrderState::CancelRequested]);
    // It fills after all, and so does the sale: what is missing follows with the report.
    bench.report(&first, Exec::Fill, fill(2_000, 2_000, 1));
    let report = bench.report(&second, Exec::Fill, fill(2_000, 2_000, 2));
    assert_eq!(report.states(), [OrderState::Filled, OrderState::New]);
    assert_eq!((bench.position(), report.orders()[1].qty), (0, Size(2_000)));
}

#[test]
fn the_report_of_a_cancel_brings_the_rest_of_a_target() {
    let (mut bench, first) = entered();
    // A smaller target: too much is on its way, and what of it fills is not known.
    let smaller = bench.decision(LONG, 10_000, 250);
    assert_eq!(smaller.why(), [("cancel_requested", "superseded")]);
    bench.report(&first, Exec::PartialFill, fill(300, 300, 1));
    let ended = bench.report(&first, Exec::Cancelled, none);
    assert_eq!(ended.states(), [OrderState::Cancelled, OrderState::New]);
    assert_eq!(ended.orders()[1].qty, Size(700));
    // An operator's word replaces it.
    let (mut bench, first) = entered();
    bench.decision(LONG, 10_000, 250);
    bench.command(Command::CancelAll);
    assert_eq!(bench.report(&first, Exec::Cancelled, none).states(), [OrderState::Cancelled]);
}
