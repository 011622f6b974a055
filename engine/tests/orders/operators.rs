//! halt, reduce, resume, flatten, cancel-all act.

use crate::bench::{BRACKET, BROKER, Bench, CENT, EVEN, LONG, SHORT};
use engine::orders::intent::Intent;
use ringbuf_layout::names::{Command, Exec, OrderState, TimeInForce};
use ringbuf_layout::{Price, Side, Size};

fn long() -> Bench {
    let mut bench = Bench::plain(EVEN);
    bench.decision(LONG, 10_000, 100);
    bench.print(1, 10_000, 9_999);
    assert_eq!(bench.position(), 2_000);
    bench
}

#[test]
fn a_halt_cancels_what_works_and_denies_what_comes_until_it_is_resumed() {
    let mut bench = long();
    bench.place(Intent::limit(Side::Buy, 1, Price(9_000 * CENT)));
    assert_eq!(bench.command(Command::Halt).why(), [("cancelled", "halted")]);
    assert_eq!(bench.command(Command::Halt).events, [], "once");
    bench.propose(Intent::market(Side::Sell, 1));
    assert_eq!(bench.beat().why(), [("denied", "halted")]);
    let decided = bench.decision(SHORT, 10_000, 100);
    assert_eq!((decided.risks[0].approved, decided.events), (0, vec![]));
    bench.propose(Intent::market(Side::Buy, 1));
    assert_eq!(bench.command(Command::Flatten).why(), [("denied", "halted"); 2]);
    assert_eq!(bench.position(), 2_000);
    bench.command(Command::Resume);
    assert_eq!(bench.decision(SHORT, 10_000, 100).orders()[0].qty, Size(4_000));
}

#[test]
fn reducing_lets_out_only_what_reduces_and_cancels_what_does_not() {
    let mut bench = long();
    bench.place(Intent::limit(Side::Buy, 1, Price(9_000 * CENT)));
    bench.place(Intent::limit(Side::Sell, 500, Price(11_000 * CENT)));
    assert_eq!(bench.command(Command::Reduce).why(), [("cancelled", "reducing")]);
    let mut check = |intent: Intent, expected: (&str, &str)| {
        bench.propose(intent);
        assert_eq!(bench.beat().why(), [expected]);
    };
    check(Intent::market(Side::Buy, 1), ("denied", "reducing"));
    // 500 of the 2,000 are offered already.
    check(Intent::market(Side::Sell, 1_501), ("denied", "reducing"));
    check(Intent::market(Side::Sell, 1_500), ("new", ""));
    bench.command(Command::CancelAll);
    // A decision the other way closes and does not open.
    let decided = bench.decision(SHORT, 10_000, 100);
    assert_eq!((decided.risks[0].approved, decided.risks[0].target.0), (1, 0));
    assert_eq!(decided.orders()[0].qty, Size(2_000));
    bench.print(1, 10_000, 9_999);
    assert_eq!(bench.position(), 0);
    assert_eq!(bench.decision(LONG, 10_000, 100).risks[0].approved, 0);
}

#[test]
fn flatten_cancels_what_works_and_closes_at_the_market_even_after_the_session() {
    let mut bench = long();
    bench.place(Intent::limit(Side::Sell, 500, Price(11_000 * CENT)));
    let said = bench.command(Command::Flatten);
    assert_eq!(said.why(), [("cancelled", "operator"), ("new", "")]);
    assert_eq!(said.orders()[1].tif, TimeInForce::GoodTillCancelled as u8);
    assert_eq!(bench.command(Command::Flatten).events, [], "it is on its way");
    assert_eq!(bench.print(1, 10_000, 9_999).trades(), [(-2_000, 10_000)]);
    assert_eq!(bench.command(Command::Flatten).events, [], "nothing to close");
}

#[test]
fn orders_that_would_reverse_together_do_not_stay_while_reducing() {
    let mut bench = Bench::plain(EVEN);
    bench.place(Intent::market(Side::Buy, 10));
    bench.print(1, 10_000, 9_999);
    for cents in [11_000, 11_001] {
        bench.place(Intent::limit(Side::Sell, 8, Price(cents * CENT)));
    }
    bench.place(Intent::limit(Side::Sell, 2, Price(11_002 * CENT)));
    assert_eq!(bench.command(Command::Reduce).why(), [("cancelled", "reducing")]);
    bench.print(1, 10_000, 1);
    bench.print(1, 12_000, 9_999);
    assert_eq!(bench.position(), 0);
}

#[test]
fn what_fills_after_a_flatten_at_a_broker_is_closed_too() {
    let mut bench = Bench::plain(BROKER);
    let order = bench.decision(LONG, 10_000, 100).orders()[0];
    assert_eq!(bench.command(Command::Flatten).states(), [OrderState::CancelRequested]);
    let filled = bench.report(&order, Exec::Fill, |report| {
        (report.qty, report.cum_qty) = (Size(2_000), Size(2_000));
        report.price = Price(10_000 * CENT);
    });
    assert_eq!(filled.states(), [OrderState::Filled, OrderState::New]);
    assert_eq!(
        (filled.orders()[1].tail.side, filled.orders()[1].qty),
        (Side::Sell as u8, Size(2_000))
    );
}

#[test]
fn flatten_works_while_reducing() {
    let mut bench = long();
    bench.command(Command::Reduce);
    assert_eq!(bench.command(Command::Flatten).states(), [OrderState::New]);
    bench.print(1, 10_000, 9_999);
    assert_eq!(bench.position(), 0);
}

#[test]
fn flatten_takes_the_bracket_with_it() {
    let mut bench = Bench::plain(BRACKET);
    bench.decision(LONG, 10_000, 100);
    bench.print(1, 10_000, 9_999);
    let operator = ("cancelled", "operator");
    assert_eq!(bench.command(Command::Flatten).why(), [operator, operator, ("new", "")]);
    bench.print(1, 10_000, 9_999);
    assert_eq!((bench.position(), bench.working().len()), (0, 0));
}

#[test]
fn cancel_all_cancels_what_works_and_nothing_else() {
    let mut bench = long();
    bench.place(Intent::limit(Side::Sell, 500, Price(11_000 * CENT)));
    bench.place(Intent::stop(Side::Buy, 500, Price(11_000 * CENT)));
    assert_eq!(bench.command(Command::CancelAll).why(), [("cancelled", "operator"); 2]);
    assert_eq!(bench.position(), 2_000);
    assert_eq!(bench.command(Command::CancelAll).events, []);
    assert_eq!(bench.decision(SHORT, 10_000, 100).states(), [OrderState::New], "trading goes on");
}

#[test]
fn at_a_broker_requests_leave_and_a_halt_leaves_them_to_the_gateway() {
    let mut bench = Bench::plain(BROKER);
    bench.decision(LONG, 10_000, 100);
    assert_eq!(bench.command(Command::Halt).events, []);
    assert_eq!(bench.command(Command::CancelAll).states(), [OrderState::CancelRequested]);
}
