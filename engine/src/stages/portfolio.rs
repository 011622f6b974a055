//! portfolio: positions, cash, profit and loss, in integers.
//!
//! In this version it marks: the opening account is recorded in the slot of the run start, and every
//! closed bar of an instrument that is held marks the position and records the account. Fills, which
//! make positions, come with the decisions issue.

use crate::config::Account;
use crate::earlier::AfterOms;
use crate::stage::{Digest, Emit, Stage};
use bytemuck::Zeroable;
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::units::{PRICE_ONE, div_half_even};
use ringbuf_layout::{
    Frame, Header, Instrument, Money, Part, Portfolio, Price, RunStart, Size, Slot, Tail,
};

/// One instrument's position.
#[derive(Clone, Copy, Debug, Default)]
struct Position {
    /// Signed, in the instrument's size unit.
    quantity: i64,
    /// Signed cost of what is open: Σ price × quantity, in 1e-9 of a price × size unit.
    open_cost: i128,
    /// Last mark, in price units; 0 before the first bar.
    mark: i64,
    /// Money of one price point of one unit, 1e-9.
    multiplier: i64,
    /// Size units in one share, contract or coin.
    size_one: i64,
}

impl Position {
    /// Profit at the mark: (mark × quantity − open cost) × multiplier, rounded half to even once.
    fn unrealized(&self) -> Option<i128> {
        let value = i128::from(self.mark).checked_mul(i128::from(self.quantity))?;
        let points = value.checked_sub(self.open_cost)?;
        let scaled = points.checked_mul(i128::from(self.multiplier))?;
        div_half_even(scaled, i128::from(PRICE_ONE) * i128::from(self.size_one))
    }

    fn average(&self) -> Price {
        div_half_even(self.open_cost, i128::from(self.quantity))
            .map_or(Price::UNDEFINED, |price| Price(price as i64))
    }
}

/// The stage.
#[derive(Debug)]
pub struct PortfolioStage {
    positions: Vec<Position>,
    cash: i128,
    realized: i128,
    opened: bool,
}

impl PortfolioStage {
    /// An account with opening cash, for at most `instruments` instruments.
    pub fn new(account: &Account, instruments: usize) -> Self {
        Self {
            positions: vec![Position::default(); instruments],
            cash: i128::from(account.cash),
            realized: 0,
            opened: false,
        }
    }

    fn account(&self, head: &Header, instrument: u32) -> Portfolio {
        let position = self.positions.get(instrument as usize).copied().unwrap_or_default();
        let unrealized: i128 = self
            .positions
            .iter()
            .filter(|p| p.quantity != 0)
            .map(|p| p.unrealized().expect("Invariant: a position's value fits an i128"))
            .sum();
        Portfolio {
            head: Portfolio::header(head.ts_event, head.ts_recv),
            position: Size(position.quantity),
            avg_price: position.average(),
            tail: Tail { instrument, ..Tail::default() },
            realized_pnl: Money(self.realized),
            unrealized_pnl: Money(unrealized),
            cash: Money(self.cash),
            equity: Money(self.cash + self.realized + unrealized),
            ..Portfolio::zeroed()
        }
    }
}

impl Stage for PortfolioStage {
    const PART: Part = Part::Portfolio;
    // From the decisions issue on: a fill can come with any tick.
    const EVERY_TICK: bool = true;
    type Earlier = AfterOms;
    type Output = Portfolio;
    type Standing<'a> = ();

    #[inline]
    fn on_input(&mut self, slot: &Slot, earlier: &AfterOms, (): (), out: &mut Emit<'_, Portfolio>) {
        let head = slot.input.head();
        if earlier.bars.count(slot.seq()) > 0 {
            // Every bar of a slot is of one instrument and closes at the same price.
            let bars = earlier.bars.read(slot.seq());
            if let Some(bar) = bars.last()
                && let Some(position) = self.positions.get_mut(bar.tail.instrument as usize)
            {
                let moved = position.mark != bar.close.0;
                position.mark = bar.close.0;
                if moved && position.quantity != 0 {
                    out.push(self.account(head, bar.tail.instrument));
                }
            }
        } else if let Some(instrument) = slot.input.get::<Instrument>() {
            if let Some(position) = self.positions.get_mut(instrument.tail.instrument as usize) {
                position.multiplier = instrument.multiplier;
                position.size_one = 10_i64.pow(u32::from(instrument.size_precision.min(9)));
            }
        } else if slot.input.is::<RunStart>() && !self.opened {
            self.opened = true;
            out.push(self.account(head, NO_INSTRUMENT));
        }
    }

    fn digest(&self, digest: &mut Digest) {
        digest.wide(self.cash);
        digest.wide(self.realized);
        for position in self.positions.iter().filter(|p| p.size_one != 0) {
            digest.int(position.quantity);
            digest.wide(position.open_cost);
            digest.int(position.mark);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_position_is_marked_in_exact_money() {
        // Two GC contracts bought at 1313.7, marked at 1314.2: 0.5 × 2 × 100 = 100.
        let position = Position {
            quantity: 2,
            open_cost: 2 * 1_313_700_000_000,
            mark: 1_314_200_000_000,
            multiplier: 100 * PRICE_ONE,
            size_one: 1,
        };
        assert_eq!(Money(position.unrealized().unwrap()).to_string(), "100");
        assert_eq!(position.average().to_string(), "1313.7");
        // Short 0.5 of an 8-digit coin at 90.54, marked at 90.55: a loss of 0.005.
        let position = Position {
            quantity: -50_000_000,
            open_cost: -50_000_000 * 90_540_000_000,
            mark: 90_550_000_000,
            multiplier: PRICE_ONE,
            size_one: 100_000_000,
        };
        assert_eq!(Money(position.unrealized().unwrap()).to_string(), "-0.005");
        assert_eq!(Position::default().average(), Price::UNDEFINED);
    }
}
