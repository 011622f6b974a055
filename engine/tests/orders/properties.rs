//! Whatever comes: nothing looks ahead, the same inputs give the same state, the books agree.

use crate::bench::{BRACKET, Bench, Brought, CENT, def};
use engine::orders::intent::Intent;
use proptest::prelude::*;
use ringbuf_layout::names::{Command, OrderState, SessionPhase};
use ringbuf_layout::{Price, Side};

#[derive(Clone, Debug)]
enum Input {
    Print(i64, i64, i64),
    Decide(u8, i64, i64),
    Command(u8),
    Session(bool),
    Limit(bool, i64, i64),
    Stop(bool, i64, i64),
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let cents = 9_000_i64..11_000;
    let input = prop_oneof![
        10 => (0..3_i64, cents.clone(), 0..4_000_i64).prop_map(|(ms, c, s)| Input::Print(ms, c, s)),
        3 => (0..3_u8, cents.clone(), 0..300_i64).prop_map(|(a, c, atr)| Input::Decide(a, c, atr)),
        1 => (1..6_u8).prop_map(Input::Command),
        1 => any::<bool>().prop_map(Input::Session),
        2 => (any::<bool>(), 1..50_i64, cents.clone()).prop_map(|(b, q, c)| Input::Limit(b, q, c)),
        2 => (any::<bool>(), 1..50_i64, cents).prop_map(|(b, q, c)| Input::Stop(b, q, c)),
    ];
    proptest::collection::vec(input, 1..120)
}

fn step(bench: &mut Bench, input: &Input) -> Brought {
    let side = |buy: bool| if buy { Side::Buy } else { Side::Sell };
    match *input {
        Input::Print(ms, cents, size) => bench.print(ms, cents, size),
        Input::Decide(action, close, atr) => bench.decision(action, close, atr),
        Input::Command(code) => bench.command(Command::from_byte(code).unwrap()),
        Input::Session(open) => {
            let phase = if open { SessionPhase::Regular } else { SessionPhase::Closed };
            bench.session(0, phase, 20_240_103)
        }
        Input::Limit(buy, qty, cents) => {
            bench.propose(Intent::limit(side(buy), qty, Price(cents * CENT)));
            bench.beat()
        }
        Input::Stop(buy, qty, cents) => {
            bench.propose(Intent::stop(side(buy), qty, Price(cents * CENT)));
            bench.beat()
        }
    }
}

fn feed(inputs: &[Input]) -> Bench {
    let mut contract = def("TEST");
    contract.fee = 2_250_000_000;
    let mut bench = Bench::with(BRACKET, &[contract]);
    for input in inputs {
        step(&mut bench, input);
    }
    bench
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn truncating_the_input_anywhere_changes_nothing_before_it(inputs in inputs(), cut in 0..120_usize) {
        let cut = cut.min(inputs.len());
        let (whole, part) = (feed(&inputs), feed(&inputs[..cut]));
        prop_assert_eq!(&whole.history[..part.history.len()], &part.history[..]);
        let again = feed(&inputs);
        prop_assert_eq!(again.digest(), whole.digest());
    }

    #[test]
    fn the_books_of_oms_and_portfolio_agree_and_no_bound_is_passed(inputs in inputs()) {
        let mut bench = feed(&inputs);
        for brought in &bench.history {
            prop_assert!(brought.orders().len() <= 16 && brought.fills().len() <= 16);
        }
        while bench.oms.carried_over() > 0 {
            bench.beat();
        }
        let fills: Vec<_> = bench.history.iter().flat_map(Brought::fills).collect();
        let sign = |side: u8| if side == Side::Sell as u8 { -1 } else { 1 };
        let net: i64 = fills.iter().map(|f| sign(f.tail.side) * f.qty.0).sum();
        prop_assert_eq!((net, net), (bench.position(), bench.portfolio.account().position(0).quantity));
        prop_assert_eq!(bench.portfolio.account().refused(), 0);
        // Equity is cash flow less fees plus what is held, in money to the last unit.
        let account = bench.portfolio.account();
        let flow: i128 = fills.iter().map(|f| {
            -i128::from(sign(f.tail.side)) * i128::from(f.qty.0) * i128::from(f.price.0) - f.fee.0
        }).sum();
        let held = i128::from(net) * i128::from(account.position(0).mark);
        prop_assert_eq!(account.equity(), 1_000_000_000_000_000 + flow + held);
        prop_assert_eq!(account.cash() + held, account.equity());
        prop_assert_eq!(bench.oms.desk(0).unwrap().odd.illegal, [0; 6]);
        // An order is filled by what its fills say, and ends once.
        for order in bench.history.iter().flat_map(Brought::orders) {
            let is = |f: &&ringbuf_layout::Fill| (f.order_seq, f.order_index) == (order.order_seq, order.order_index);
            let filled: i64 = fills.iter().filter(is).map(|f| f.qty.0).sum();
            prop_assert!(order.filled.0 <= filled && filled <= order.qty.0.max(order.filled.0) || order.reason != 0);
            let full = order.state == OrderState::Filled as u8;
            prop_assert!(!full || order.filled == order.qty);
        }
    }

    #[test]
    fn an_exit_never_opens_a_position(inputs in inputs()) {
        let mut bench = feed(&[]);
        for input in &inputs {
            let before = bench.position();
            let brought = step(&mut bench, input);
            let after = bench.position();
            let exits = brought.orders().iter().filter(|o| o.parent_epoch != 0 && o.state == 3).count();
            if exits == brought.fills().len() && exits > 0 {
                prop_assert!(before.signum() != -after.signum(), "{} to {}", before, after);
            }
        }
    }
}

#[test]
fn the_extremes_of_price_and_size_do_no_harm() {
    let extremes = [1, i64::MAX - 1, i64::MAX, 0, -1, i64::MIN];
    for price in extremes {
        for size in extremes {
            let mut bench = Bench::plain("[semantic.venue]\nslippage_ticks = 1000\n");
            bench.propose(Intent::market(Side::Buy, i64::MAX));
            bench.propose(Intent::market(Side::Sell, 1));
            bench.propose(Intent::market(Side::Buy, 5));
            bench.beat();
            for _ in 0..3 {
                bench.now += 10_000_000;
                let mut trade = <ringbuf_layout::Trade as bytemuck::Zeroable>::zeroed();
                trade.head =
                    <ringbuf_layout::Trade as ringbuf_layout::Frame>::header(bench.now, bench.now);
                (trade.price.0, trade.size.0) = (price, size);
                bench.feed(&ringbuf_layout::InputCell::from(&trade), None);
                let close = price.max(1);
                let decided = crate::bench::Decided { action: 2, close, atr: Some(price) };
                bench.bar_of(0, decided);
            }
            assert_eq!(bench.portfolio.account().refused(), 0, "{price} {size}");
        }
    }
}
