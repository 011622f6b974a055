//! The contracts of a future: only the front is opened, and one that is left is flattened.

use crate::bench::{BRACKET, BROKER, Bench, CENT, EVEN, LONG, SHORT};
use engine::orders::intent::Intent;
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::names::{Command, Exec, OrderState, RiskReasons, TimeInForce};
use ringbuf_layout::{Price, Side, Size};

/// Another contract of the same future.
const OTHER: u32 = 1;

fn long(config: &str) -> Bench {
    let mut bench = Bench::plain(config);
    assert_eq!(bench.roll(0).events, []);
    bench.decision(LONG, 10_000, 100);
    bench.print(1, 10_000, 9_999);
    assert_eq!(bench.position(), 2_000);
    bench
}

#[test]
fn a_contract_that_is_not_the_front_opens_nothing_and_says_why() {
    for front in [OTHER, NO_INSTRUMENT] {
        let mut bench = Bench::plain(EVEN);
        assert_eq!(bench.roll(front).events, []);
        bench.propose(Intent::market(Side::Buy, 1));
        assert_eq!(bench.beat().why(), [("denied", "not_front")]);
        let decided = bench.decision(LONG, 10_000, 100);
        assert_eq!(
            (decided.risks[0].approved, decided.risks[0].reason),
            (0, RiskReasons::NOT_FRONT.0)
        );
        assert_eq!(decided.events, []);
        // Once it is the front it trades like any other.
        bench.roll(0);
        let decided = bench.decision(LONG, 10_000, 100);
        assert_eq!((decided.risks[0].approved, decided.orders()[0].qty), (1, Size(2_000)));
    }
}

#[test]
fn a_front_that_is_left_is_cancelled_and_closed_at_the_market_and_reduces_until_it_is() {
    let mut bench = long(BRACKET);
    bench.place(Intent::limit(Side::Buy, 1, Price(9_000 * CENT)));
    assert_eq!(bench.roll(0).events, [], "it is the front still");
    let rolled = bench.roll(OTHER);
    let cancelled = ("cancelled", "roll");
    assert_eq!(rolled.why(), [cancelled, cancelled, cancelled, ("new", "")]);
    let flatten = rolled.orders()[3];
    assert_eq!((flatten.tail.side, flatten.qty), (Side::Sell as u8, Size(2_000)));
    assert_eq!(flatten.tif, TimeInForce::GoodTillCancelled as u8, "its session is over");
    assert_eq!(bench.roll(2).events, [], "another front changes nothing for it");
    // The way back is closed, the way out is taken already.
    let decided = bench.decision(LONG, 10_000, 100);
    assert_eq!((decided.risks[0].approved, decided.risks[0].reason), (0, RiskReasons::NOT_FRONT.0));
    bench.propose(Intent::market(Side::Sell, 1));
    assert_eq!(bench.beat().why(), [("denied", "not_front")], "2,000 of 2,000 are on their way");
    assert_eq!(bench.print(1, 10_000, 9_999).trades(), [(-2_000, 10_000)]);
    assert_eq!((bench.position(), bench.working().len()), (0, 0));
}

#[test]
fn a_decision_the_other_way_closes_a_contract_that_was_left_and_opens_nothing() {
    let mut bench = long(EVEN);
    bench.command(Command::Halt);
    assert_eq!(bench.roll(OTHER).events, []);
    let mut reduce = bench.decision(SHORT, 10_000, 100);
    assert_eq!(reduce.risks[0].approved, 0, "halted");
    // What the halt kept from being flattened is flattened when it is over.
    assert_eq!(bench.command(Command::Reduce).why(), [("new", "")]);
    bench.command(Command::CancelAll);
    reduce = bench.decision(SHORT, 10_000, 100);
    assert_eq!((reduce.risks[0].approved, reduce.risks[0].target.0), (1, 0));
    assert_eq!(reduce.orders()[0].qty, Size(2_000));
    bench.print(1, 10_000, 9_999);
    assert_eq!(bench.position(), 0);
    // Both say so.
    let both = RiskReasons::REDUCING.with(RiskReasons::NOT_FRONT);
    assert_eq!(bench.decision(SHORT, 10_000, 100).risks[0].reason, both.0);
    bench.command(Command::Resume);
    assert_eq!(bench.decision(SHORT, 10_000, 100).risks[0].reason, RiskReasons::NOT_FRONT.0);
}

#[test]
fn what_fills_at_a_broker_after_a_roll_is_closed_too() {
    let mut bench = Bench::plain(BROKER);
    bench.roll(0);
    let order = bench.decision(LONG, 10_000, 100).orders()[0];
    assert_eq!(bench.roll(OTHER).states(), [OrderState::CancelRequested]);
    let filled = bench.report(&order, Exec::Fill, |report| {
        (report.qty, report.cum_qty) = (Size(2_000), Size(2_000));
        report.price = Price(10_000 * CENT);
    });
    assert_eq!(filled.states(), [OrderState::Filled, OrderState::New]);
    let closing = filled.orders()[1];
    assert_eq!((closing.tail.side, closing.qty), (Side::Sell as u8, Size(2_000)));
}

#[test]
fn the_rank_of_a_contract_is_in_the_hash_and_goes_with_a_snapshot() {
    use engine::stage::Stage as _;
    use engine::stages::oms::OmsStage;
    use engine::state::{Codec, State};
    let mut digests = Vec::new();
    for front in [None, Some(0), Some(OTHER)] {
        let mut bench = Bench::plain(EVEN);
        bench.beat();
        match front {
            Some(front) => bench.roll(front),
            None => bench.beat(),
        };
        digests.push(bench.digest()[1]);
        let mut bytes = Vec::new();
        bench.oms.state(&mut Codec::save(&mut bytes)).unwrap();
        let mut other = OmsStage::new(&bench.semantic, 1);
        other.state(&mut Codec::load(&bytes)).unwrap();
        assert_eq!(other.desk(0).unwrap().is_back(), front == Some(OTHER));
        let mut digest = engine::stage::Digest::default();
        other.digest(&mut digest);
        assert_eq!(digest.finish(), digests[digests.len() - 1]);
    }
    assert!(digests[0] != digests[1] && digests[1] != digests[2] && digests[0] != digests[2]);
}
