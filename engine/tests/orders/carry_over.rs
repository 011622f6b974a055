//! At most sixteen order events and sixteen fills a slot; the rest, in order, with the next inputs.

use crate::bench::{Bench, CENT, EVEN, def};
use engine::orders::intent::Intent;
use ringbuf_layout::names::Command;
use ringbuf_layout::{Execution, Price, Side};

fn with_limits(count: i64) -> Bench {
    let mut bench = Bench::plain(EVEN);
    for i in 0..count {
        bench.place(Intent::limit(Side::Buy, 1, Price((9_000 + i) * CENT)));
    }
    bench
}

#[test]
fn the_seventeenth_event_goes_out_with_the_next_input_in_order() {
    let mut bench = with_limits(17);
    let first = bench.command(Command::CancelAll);
    assert_eq!((first.events.len(), bench.oms.carried_over()), (16, 1));
    let second = bench.beat();
    assert_eq!((second.events.len(), bench.oms.carried_over()), (1, 0));
    let ids: Vec<_> =
        first.orders().iter().chain(&second.orders()).map(|order| order.order_seq).collect();
    assert!(ids.is_sorted() && ids.len() == 17);
    assert_eq!(second.orders()[0].head.index, 1, "it has the index of its slot");
}

#[test]
fn a_full_book_that_one_print_fills_goes_out_over_four_slots_with_its_account() {
    let mut bench = with_limits(64);
    let mut brought = vec![bench.print(1, 8_000, 64)];
    while bench.oms.carried_over() > 0 {
        assert_eq!(bench.position(), 64, "oms knows at once");
        brought.push(bench.beat());
    }
    let kinds: Vec<_> = brought.iter().map(|b| (b.orders().len(), b.fills().len())).collect();
    assert_eq!(kinds, [(16, 16); 4]);
    assert!(brought.iter().all(|b| b.accounts.len() == 16));
    assert_eq!(bench.account().position.0, 64);
    let events: Vec<Execution> = brought.into_iter().flat_map(|b| b.events).collect();
    for pair in events.chunks(2) {
        let (order, fill) = (pair[0].order().unwrap(), pair[1].fill().unwrap());
        assert_eq!(order.order_seq, fill.order_seq, "a fill follows its order's event");
    }
}

#[test]
fn the_venue_rests_while_events_wait() {
    let mut bench = with_limits(40);
    bench.place(Intent::stop(Side::Buy, 5, Price(20_000 * CENT)));
    bench.command(Command::CancelAll);
    bench.propose(Intent::market(Side::Buy, 7));
    assert_eq!(bench.beat().events.len(), 16);
    assert!(bench.oms.carried_over() > 0);
    assert_eq!(bench.print(5, 10_000, 100).fills(), [], "the order itself may not be out yet");
    assert_eq!(bench.oms.carried_over(), 0);
    assert_eq!(bench.print(5, 10_000, 100).trades(), [(7, 10_000)]);
}

#[test]
fn an_order_made_while_events_wait_has_an_identity_of_its_own() {
    let mut bench = with_limits(40);
    bench.command(Command::CancelAll);
    bench.propose(Intent::market(Side::Buy, 1));
    bench.propose(Intent::market(Side::Buy, 2));
    let mut made = Vec::new();
    loop {
        let news = bench.beat().orders().into_iter().filter(|order| order.state == 0);
        made.extend(news.map(|order| (order.order_seq, order.order_index, order.qty.0)));
        if bench.oms.carried_over() == 0 {
            break;
        }
    }
    assert_eq!(made.len(), 2);
    assert_eq!(made[0].0, made[1].0, "of the same input");
    assert_ne!(made[0].1, made[1].1);
}

#[test]
fn an_order_that_no_index_can_count_is_denied_and_says_so() {
    let names: Vec<String> = (0..8).map(|i| format!("I{i}")).collect();
    let defs: Vec<_> = names.iter().map(|name| def(name)).collect();
    let mut bench = Bench::with(EVEN, &defs);
    for instrument in 0..8 {
        for cents in 0..64 {
            let limit = Intent::limit(Side::Buy, 1, Price((9_000 + cents) * CENT));
            assert!(bench.oms.propose(instrument, limit));
            bench.beat();
        }
    }
    for instrument in 0..7 {
        bench.command_of(instrument, Command::CancelAll);
    }
    assert!(bench.oms.carried_over() > 255);
    bench.propose(Intent::market(Side::Buy, 1));
    let mut events = Vec::new();
    while bench.oms.carried_over() > 0 {
        events.extend(bench.beat().why());
    }
    assert_eq!(events.last(), Some(&("denied", "outputs_full")));
    assert_eq!(bench.oms.desk(0).unwrap().odd.unnumbered, 1);
}
