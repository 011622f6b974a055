//! One instrument's position: a signed quantity and what it cost.

use crate::accounting::AccountError;
use crate::accounting::round::mul_div_half_even;
use crate::stage::Digest;
use crate::state::state;
use ringbuf_layout::units::{PRICE_ONE, div_half_even};
use ringbuf_layout::{Instrument, Price};

/// What a point of an instrument is worth. A point is one price unit (1e-9) of one size unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    /// Money of one price point of one share, contract or coin, in 1e-9.
    pub multiplier: i64,
    /// Size units in one share, contract or coin.
    pub size_one: i64,
}

impl Terms {
    /// The terms of an instrument record.
    pub fn of(instrument: &Instrument) -> Self {
        Self {
            multiplier: instrument.multiplier,
            size_one: 10_i64.pow(u32::from(instrument.size_precision.min(9))),
        }
    }

    /// Points as money in 1e-9: points × multiplier / (1e9 × size units), rounded once, half to even.
    pub fn money(&self, points: i128) -> Option<i128> {
        let one = i128::from(PRICE_ONE) * i128::from(self.size_one);
        mul_div_half_even(points, i128::from(self.multiplier), one)
    }

    /// Money of `size` units at `price`.
    pub fn notional(&self, price: i64, size: i64) -> Option<i128> {
        self.money(i128::from(price).checked_mul(i128::from(size))?)
    }

    /// True for what is paid for in full: shares and coins, whose multiplier is 1.
    pub fn is_paid_in_full(&self) -> bool {
        self.multiplier == PRICE_ONE
    }
}

/// A position. Open cost and realised points are exact: a reducing fill takes a whole number of points of
/// cost, and what it does not take stays, so that Σ −f·p + q·mark = Σ realised + unrealised in points.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Position {
    /// Signed, in the instrument's size unit.
    pub quantity: i64,
    /// Signed cost of what is open: Σ price × quantity, in points. Below 2^126, whatever the prices.
    pub open_cost: i128,
    /// Last mark, in price units; 0 before the first.
    pub mark: i64,
}

impl Position {
    /// Books a fill of `signed` units (above 0 bought) and returns the realised points. A fill past zero closes
    /// what is open at its cost and opens the rest at its own price.
    ///
    /// # Errors
    /// If it is no fill, or the position would not fit; nothing is changed then.
    pub fn fill(&mut self, signed: i64, price: i64) -> Result<i128, AccountError> {
        if signed == 0 || signed == i64::MIN || price <= 0 || price == Price::UNDEFINED.0 {
            return Err(AccountError::NotAFill);
        }
        let quantity = self.quantity.checked_add(signed).filter(|q| *q != i64::MIN);
        let quantity = quantity.ok_or(AccountError::Overflow)?;
        let closes = if self.quantity.signum() == -signed.signum() {
            signed.abs().min(self.quantity.abs())
        } else {
            0
        };
        // A closing fill has the sign against the position.
        let opens = signed.abs() - closes;
        let taken = if closes > 0 { self.share(closes)? } else { 0 };
        let (price, sign) = (i128::from(price), i128::from(self.quantity.signum()));
        let realized = sign * price * i128::from(closes) - taken;
        let added = price * i128::from(opens) * i128::from(signed.signum());
        let cost = (self.open_cost - taken).checked_add(added).ok_or(AccountError::Overflow)?;
        (self.quantity, self.open_cost) = (quantity, cost);
        Ok(realized)
    }

    /// The cost of `closes` of the open units, rounded half to even; all of it for all of them.
    fn share(&self, closes: i64) -> Result<i128, AccountError> {
        let (closes, open) = (i128::from(closes), i128::from(self.quantity.abs()));
        mul_div_half_even(self.open_cost, closes, open).ok_or(AccountError::Overflow)
    }

    /// Profit at the mark, in points: mark × quantity − open cost.
    pub fn unrealized_points(&self) -> Option<i128> {
        let value = i128::from(self.mark).checked_mul(i128::from(self.quantity))?;
        value.checked_sub(self.open_cost)
    }

    /// Average price of what is open, rounded half to even; undefined when flat.
    pub fn average(&self) -> Price {
        div_half_even(self.open_cost, i128::from(self.quantity))
            .map_or(Price::UNDEFINED, |price| Price(price as i64))
    }

    /// Feeds its state to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        digest.int(self.quantity);
        digest.wide(self.open_cost);
        digest.int(self.mark);
    }
}

state!(Terms { multiplier, size_one } check |terms| terms.size_one > 0);
state!(Position { quantity, open_cost, mark });

#[cfg(test)]
mod tests {
    use super::*;
    use ringbuf_layout::Money;

    const GC: Terms = Terms { multiplier: 100 * PRICE_ONE, size_one: 1 };
    const COIN: Terms = Terms { multiplier: PRICE_ONE, size_one: 100_000_000 };

    #[test]
    fn a_long_position_is_marked_in_exact_money() {
        // Two GC contracts bought at 1313.7, marked at 1314.2: 0.5 × 2 × 100 = 100.
        let mut position = Position { mark: 1_314_200_000_000, ..Position::default() };
        assert_eq!(position.fill(2, 1_313_700_000_000), Ok(0));
        let money = |position: &Position, terms: Terms| {
            Money(terms.money(position.unrealized_points().unwrap()).unwrap()).to_string()
        };
        assert_eq!(money(&position, GC), "100");
        assert_eq!(position.average().to_string(), "1313.7");
        // Short 0.5 of an 8-digit coin at 90.54, marked at 90.55: a loss of 0.005.
        let mut position = Position { mark: 90_550_000_000, ..Position::default() };
        assert_eq!(position.fill(-50_000_000, 90_540_000_000), Ok(0));
        assert_eq!(money(&position, COIN), "-0.005");
        assert_eq!(Position::default().average(), Price::UNDEFINED);
    }

    #[test]
    fn a_reversal_closes_at_cost_and_opens_at_its_own_price() {
        let mut position = Position::default();
        position.fill(3, 100).unwrap();
        // Sells 5 at 110: 3 closed for 30, 2 short at 110 and not at the old average.
        assert_eq!(position.fill(-5, 110), Ok(30));
        assert_eq!((position.quantity, position.open_cost), (-2, -220));
        assert_eq!(position.average(), Price(110));
        assert_eq!(position.fill(2, 100), Ok(20));
        assert_eq!((position.quantity, position.open_cost), (0, 0));
    }

    #[test]
    fn the_extremes_are_errors_and_change_nothing() {
        let mut position = Position::default();
        for (signed, price) in [(0, 1), (1, 0), (1, -1), (1, i64::MAX), (i64::MIN, 1)] {
            assert_eq!(position.fill(signed, price), Err(AccountError::NotAFill));
        }
        position.fill(i64::MAX, i64::MAX - 1).unwrap();
        let before = position;
        assert_eq!(position.fill(1, 1), Err(AccountError::Overflow));
        assert_eq!(position, before);
        assert!(position.unrealized_points().is_some());
        assert_eq!(Terms { multiplier: i64::MAX, size_one: 1 }.money(position.open_cost), None);
    }
}
