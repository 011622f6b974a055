//! Whatever comes: nothing looks ahead, the same inputs give the same state, the books agree.

use crate::bench::{BRACKET, BROKER_BRACKET, Bench, Brought, CENT, Decided, EVEN, def};
use engine::orders::intent::Intent;
use engine::orders::order::Working;
use proptest::prelude::*;
use ringbuf_layout::names::{Command, Exec, OrderState, OrderType, SessionPhase};
use ringbuf_layout::{Order, Price, Side, Size};

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
                let decided = Decided { action: 2, close, atr: Some(price) };
                bench.bar_of(0, decided);
            }
            assert_eq!(bench.portfolio.account().refused(), 0, "{price} {size}");
        }
    }
}

/// Eight instruments, each at a price of its own that stands still, so that equity and marks do as well.
fn price_of(instrument: u32) -> i64 {
    5_000 + 1_700 * i64::from(instrument)
}

#[derive(Clone, Copy, Debug)]
enum Shared {
    Decide(u32, u8, i64),
    Print(u32, i64),
    Command(u32, u8),
}

fn shared() -> impl Strategy<Value = Vec<Shared>> {
    let step = prop_oneof![
        6 => (0..8_u32, 0..3_u8, 1..400_i64).prop_map(|(i, a, atr)| Shared::Decide(i, a, atr)),
        3 => (0..8_u32, 0..2_000_i64).prop_map(|(i, size)| Shared::Print(i, size)),
        1 => (0..8_u32, 3..6_u8).prop_map(|(i, command)| Shared::Command(i, command)),
    ];
    proptest::collection::vec(step, 1..150)
}

/// Worst notional of all instruments, and what is held, in cents.
fn notionals(bench: &Bench) -> (i128, i128) {
    let sum = |size: &dyn Fn(u32) -> i128| -> i128 {
        (0..8_u32).map(|i| size(i) * i128::from(price_of(i))).sum()
    };
    let worst = sum(&|i| bench.oms.desk(i).unwrap().worst());
    let account = bench.portfolio.account();
    (worst, sum(&|i| i128::from(account.position(i).quantity).abs()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn the_gross_limit_holds_at_every_input_whoever_decides_when(steps in shared(), percent in 5..60_i128) {
        let names: Vec<String> = (0..8).map(|i| format!("I{i}")).collect();
        let defs: Vec<_> = names.iter().map(|name| def(name)).collect();
        let risk = format!("[semantic.risk]\nmax_gross_pct = {percent}.0\nmax_instrument_pct = 40.0\n");
        let mut bench = Bench::with(&format!("{EVEN}{risk}"), &defs);
        let limit = percent * 1_000_000;
        for step in steps {
            match step {
                Shared::Decide(i, action, atr) => {
                    let close = price_of(i) * CENT;
                    bench.bar_of(i, Decided { action, close, atr: Some(atr * CENT) });
                }
                Shared::Print(i, size) => { bench.print_of(i, 1, price_of(i), size); }
                Shared::Command(i, code) => {
                    bench.command_of(i, Command::from_byte(code).unwrap());
                }
            }
            let (worst, held) = notionals(&bench);
            prop_assert!(held <= worst && worst <= limit, "{} held, {} at worst of {}", held, worst, limit);
        }
    }
}

/// What a broker does next.
#[derive(Clone, Copy, Debug)]
enum Next {
    /// A decision: action and ATR in cents.
    Decide(u8, i64),
    /// A report on one of the orders that it has: which, and what.
    Report(usize, u8, i64),
}

fn at_a_broker() -> impl Strategy<Value = Vec<Next>> {
    let next = prop_oneof![
        1 => (0..3_u8, 80..400_i64).prop_map(|(a, atr)| Next::Decide(a, atr)),
        3 => (0..70_usize, 0..6_u8, 1..2_000_i64).prop_map(|(i, c, q)| Next::Report(i, c, q)),
    ];
    proptest::collection::vec(next, 1..120)
}

/// The orders that a broker has, by their last event, and which of each bracket's two has filled: of what is one
/// cancels the other, one fills.
#[derive(Default)]
struct Venue(Vec<Order>, Vec<(u64, u8)>);

impl Venue {
    fn note(&mut self, brought: &Brought) {
        for order in brought.orders() {
            let is_other =
                |o: &Order| (o.order_seq, o.order_index) != (order.order_seq, order.order_index);
            self.0.retain(is_other);
            let state = OrderState::from_byte(order.state).unwrap();
            if !state.is_final() {
                self.0.push(order);
            }
        }
    }

    fn other_has_filled(&self, exit: &Order) -> bool {
        let is_other = |(seq, kind): &(u64, u8)| *seq == exit.order_seq && *kind != exit.order_type;
        self.1.iter().any(is_other)
    }

    /// Fills so much of an order.
    fn fill(&mut self, bench: &mut Bench, order: &Order, qty: i64) {
        self.1.push((order.order_seq, order.order_type));
        let left = order.qty.0 - order.filled.0;
        let (qty, exec) = if qty < left { (qty, Exec::PartialFill) } else { (left, Exec::Fill) };
        let brought = bench.report(order, exec, |report| {
            (report.qty, report.cum_qty) = (Size(qty), Size(order.filled.0 + qty));
            report.price = Price(10_000 * CENT);
        });
        self.note(&brought);
    }

    fn say(&mut self, bench: &mut Bench, order: &Order, exec: Exec) {
        let brought = bench.report(order, exec, |_| ());
        self.note(&brought);
    }
}

/// One step: the target so far, and whether anything keeps it from being reached.
fn apply_one(bench: &mut Bench, venue: &mut Venue, step: Next, so_far: &mut (i64, bool)) {
    let (target, disturbed) = so_far;
    match step {
        Next::Decide(action, atr) => {
            let brought = bench.decision(action, 10_000, atr);
            venue.note(&brought);
            if let Some(risk) = brought.risks.first().filter(|risk| risk.approved == 1) {
                (*target, *disturbed) = (risk.target.0, false);
            }
        }
        Next::Report(which, what, qty) if !venue.0.is_empty() => {
            let order = venue.0[which % venue.0.len()];
            let requested = order.state == OrderState::CancelRequested as u8;
            let is_exit = order.order_type != OrderType::Market as u8;
            match what {
                0 => venue.say(bench, &order, Exec::Accepted),
                1 if requested => venue.say(bench, &order, Exec::Cancelled),
                3 if !is_exit && !requested => {
                    *disturbed = true;
                    venue.say(bench, &order, Exec::Rejected);
                }
                _ if is_exit && venue.other_has_filled(&order) => {}
                _ => {
                    *disturbed |= is_exit;
                    venue.fill(bench, &order, qty);
                }
            }
        }
        Next::Report(..) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    /// Whatever a broker does between a request to cancel and its report, no position is ordered twice, no exit
    /// is larger than the position, and once everything is reported the target is reached.
    #[test]
    fn at_a_broker_no_position_passes_its_target_and_no_exit_its_position(steps in at_a_broker()) {
        let (mut bench, mut venue) = (Bench::plain(BROKER_BRACKET), Venue::default());
        let mut so_far = (0, false);
        for step in steps {
            apply_one(&mut bench, &mut venue, step, &mut so_far);
            let position = bench.position();
            prop_assert!(position.abs() <= 2_000, "{}", position);
            let working = bench.working();
            for kind in [OrderType::Stop, OrderType::Limit] {
                let live = working.iter().filter(|o| o.is_exit() && o.can_be_cancelled() && o.kind == kind);
                let open: i64 = live.map(Working::left).sum();
                prop_assert!(open <= position.abs(), "{} of {}", open, position);
            }
        }
        // The broker answers everything, and takes what is at the market.
        let mut rounds = 0;
        while let Some(order) = venue.0.iter().copied().find(|order| {
            order.state == OrderState::CancelRequested as u8 || order.order_type == OrderType::Market as u8
        }) {
            if order.state == OrderState::CancelRequested as u8 {
                venue.say(&mut bench, &order, Exec::Cancelled);
            } else {
                venue.fill(&mut bench, &order, i64::MAX);
            }
            rounds += 1;
            prop_assert!(rounds < 1_000, "it does not end");
        }
        let (target, disturbed) = so_far;
        prop_assert!(disturbed || bench.position() == target, "{} and not {}", bench.position(), target);
    }
}
