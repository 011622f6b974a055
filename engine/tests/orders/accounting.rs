//! Money: the golden case, the identity, and a naive account that knows no average cost at all.

use engine::accounting::{Account, Terms};
use proptest::prelude::*;
use ringbuf_layout::Price;
use ringbuf_layout::units::PRICE_ONE;

const POINT: i64 = PRICE_ONE;
const OPENING: i128 = 1_000_000 * PRICE_ONE as i128;

fn close_to(actual: i128, expected: f64) {
    let actual = actual as f64 / 1e9;
    assert!((actual - expected).abs() < 1e-8, "{actual} is not {expected}");
}

/// domain.md §3.6: the Trading Technologies example as `NautilusTrader` computes it, fee 0.01% of notional.
#[test]
fn the_golden_case_is_met_to_a_hundred_millionth() {
    let mut account = Account::new(OPENING, 1);
    account.define(0, Terms { multiplier: PRICE_ONE, size_one: 1 });
    let mut fill = |signed: i64, price: i64| {
        let fee = i128::from(signed.abs()) * i128::from(price) * i128::from(POINT) / 10_000;
        account.fill(0, signed, price * POINT, fee).unwrap();
        (account.position(0), account.sums().realized)
    };
    fill(12, 100);
    let (position, realized) = fill(17, 99);
    close_to(i128::from(position.average().0), 99.413_793_103_448_27);
    close_to(realized, -0.2883);
    close_to(fill(-9, 101).1, 13.896_662_07);
    close_to(fill(-4, 105).1, 36.199_489_66);
    let (position, realized) = fill(3, 103);
    close_to(i128::from(position.average().0), 99.980_036_297_640_65);
    close_to(realized, 36.168_589_66);
    assert_eq!(position.quantity, 19);
}

/// A naive account: money that went, and what is left at the mark. No cost, no average, no rounding.
#[derive(Default)]
struct Naive {
    /// Σ −f·p, in points.
    flow: i128,
    quantity: i128,
    fees: i128,
    mark: i128,
}

impl Naive {
    fn fill(&mut self, signed: i64, price: i64, fee: i128) {
        self.flow -= i128::from(signed) * i128::from(price);
        self.quantity += i128::from(signed);
        self.fees += fee;
        self.mark = price.into();
    }

    /// Σ −f·p + q·mark.
    fn profit(&self) -> i128 {
        self.flow + self.quantity * self.mark
    }
}

type Step = (usize, i64, i64, i64, i64);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..3_usize, -40_i64..=40, 1_i64..2_000_000_000_000, 0_i64..5_000_000_000, 0..4_i64);
    proptest::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// Futures with whole multipliers: not one unit of money is lost or made, whatever the fills.
    #[test]
    fn equity_is_cash_flow_less_fees_plus_what_is_held_at_the_mark_exactly(steps in steps()) {
        let multipliers = [1_i64, 50, 100];
        let mut account = Account::new(OPENING, 3);
        let mut naive: [Naive; 3] = Default::default();
        for (number, multiplier) in (0..).zip(multipliers) {
            account.define(number, Terms { multiplier: multiplier * PRICE_ONE, size_one: 1 });
        }
        for (number, signed, price, fee, kind) in steps {
            if kind == 0 {
                account.mark(number as u32, price).unwrap();
                naive[number].mark = price.into();
            } else if signed != 0 {
                account.fill(number as u32, signed, price, fee.into()).unwrap();
                naive[number].fill(signed, price, fee.into());
            }
            let profits = naive.iter().zip(multipliers);
            let profit: i128 = profits.map(|(n, m)| n.profit() * i128::from(m) - n.fees).sum();
            prop_assert_eq!(account.equity(), OPENING + profit);
            let sums = account.sums();
            prop_assert_eq!(account.equity(), OPENING + sums.realized + sums.unrealized);
            let position = account.position(number as u32);
            prop_assert_eq!(i128::from(position.quantity), naive[number].quantity);
            // Shares are paid for: cash and market value make equity too.
            let held = account.position(0);
            let value = i128::from(held.quantity) * i128::from(held.mark);
            let futures: i128 = [1, 2].map(|i| {
                let p = account.position(i);
                (i128::from(p.mark) * i128::from(p.quantity) - p.open_cost) * i128::from(multipliers[i as usize])
            }).iter().sum();
            prop_assert_eq!(account.cash() + value + futures, account.equity());
        }
    }

    /// Where a point is not whole money (coins), each fill is off by at most half a unit, and so is the mark.
    #[test]
    fn a_rounded_account_is_within_half_a_unit_a_fill(steps in steps()) {
        let terms = Terms { multiplier: PRICE_ONE / 3, size_one: 100_000 };
        let mut account = Account::new(OPENING, 1);
        account.define(0, terms);
        let (mut naive, mut fills) = (Naive::default(), 0);
        for (_, signed, price, fee, _) in steps.into_iter().filter(|step| step.1 != 0) {
            account.fill(0, signed, price, fee.into()).unwrap();
            naive.fill(signed, price, fee.into());
            fills += 1;
        }
        // Twice the difference as a rational over the value of one unit.
        let one = i128::from(PRICE_ONE) * i128::from(terms.size_one);
        let exact = naive.profit() * i128::from(terms.multiplier);
        let ours = (account.equity() - OPENING + naive.fees) * one;
        prop_assert!((ours - exact).abs() * 2 <= (fills + 1) * one, "{} {}", ours, exact);
    }

    /// Average cost by fractions: what is realised is what the rule says, and order of parts does not matter.
    #[test]
    fn a_fill_in_parts_at_one_price_is_the_fill(q in 1_i64..1_000, parts in 1_i64..10, price in 1_i64..1_000_000) {
        let run = |fills: &[(i64, i64)]| {
            let mut account = Account::new(OPENING, 1);
            account.define(0, Terms { multiplier: PRICE_ONE, size_one: 1 });
            for (signed, price) in fills {
                account.fill(0, *signed, *price, 0).unwrap();
            }
            (account.equity(), account.position(0).quantity, account.sums())
        };
        let mut fills = vec![(q, 777)];
        let mut left = q;
        for _ in 1..parts {
            let part = (q / parts).max(1).min(left);
            if part > 0 { fills.push((-part, price)); }
            left -= part;
        }
        if left > 0 { fills.push((-left, price)); }
        prop_assert_eq!(run(&fills), run(&[(q, 777), (-q, price)]));
    }
}

#[test]
fn drawdown_is_the_largest_fall_from_the_highest_equity_the_opening_included() {
    let mut account = Account::new(1_000 * OPENING / 1_000_000, 1);
    account.define(0, Terms { multiplier: PRICE_ONE, size_one: 1 });
    let mut at = |price: i64| {
        account.mark(0, price * POINT).unwrap();
        (account.equity() / i128::from(POINT), account.max_drawdown())
    };
    assert_eq!(at(100), (1_000, 0));
    account.fill(0, 10, 100 * POINT, 0).unwrap();
    let mut at = |price: i64| {
        account.mark(0, price * POINT).unwrap();
        (account.equity() / i128::from(POINT), account.max_drawdown())
    };
    assert_eq!(at(90), (900, 100_000_000), "a tenth of the opening");
    assert_eq!(at(120), (1_200, 100_000_000));
    assert_eq!(at(105), (1_050, 125_000_000), "an eighth of the highest");
    assert_eq!(at(110), (1_100, 125_000_000));
}

#[test]
fn what_does_not_fit_is_refused_counted_and_changes_nothing() {
    let mut account = Account::new(OPENING, 1);
    assert_eq!(account.fill(0, 1, 1, 0).unwrap_err().to_string(), "unknown_instrument");
    account.define(0, Terms { multiplier: i64::MAX, size_one: 1 });
    assert_eq!(account.fill(0, 0, 1, 0).unwrap_err().to_string(), "not_a_fill");
    assert_eq!(account.fill(0, 1, Price::UNDEFINED.0, 0).unwrap_err().to_string(), "not_a_fill");
    account.fill(0, i64::MAX / 2, 2, 0).unwrap();
    let before = (account.sums(), account.position(0));
    assert_eq!(account.fill(0, i64::MAX, 1, 0).unwrap_err().to_string(), "overflow");
    assert_eq!(account.mark(0, i64::MAX - 1).unwrap_err().to_string(), "overflow");
    assert_eq!(account.fill(0, 1, 2, i128::MIN).unwrap_err().to_string(), "overflow");
    assert_eq!((account.sums(), account.position(0)), before);
    assert_eq!(account.refused(), 6);
}
