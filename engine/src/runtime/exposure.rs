//! Gross notional at the marks, kept from the records as they pass: what the summary calls exposure.

use crate::accounting::Terms;
use crate::state::{Codec, State, StateError, state};
use ringbuf_layout::{Instrument, Portfolio};

/// One instrument as last recorded.
#[derive(Clone, Copy, Debug)]
struct Held {
    terms: Terms,
    mark: i64,
    position: i64,
    /// |position × mark| in money.
    notional: i128,
}

/// All instruments; a row each, made once.
#[derive(Clone, Debug)]
pub struct Exposure(Vec<Held>);

impl Exposure {
    /// Nothing held of so many instruments.
    pub fn new(instruments: usize) -> Self {
        let terms = Terms { multiplier: 0, size_one: 1 };
        Self(vec![Held { terms, mark: 0, position: 0, notional: 0 }; instruments])
    }

    /// Learns what an instrument's points are worth.
    pub fn define(&mut self, instrument: &Instrument) {
        if let Some(held) = self.0.get_mut(instrument.tail.instrument as usize) {
            held.terms = Terms::of(instrument);
        }
    }

    /// The price of a closed bar or a fill, which becomes the mark.
    pub fn mark(&mut self, instrument: u32, price: i64) {
        if let Some(held) = self.0.get_mut(instrument as usize) {
            held.mark = price;
        }
    }

    /// Takes an account record, which follows every change of a position or of what it is worth, and returns the
    /// exposure, which was `before`.
    pub fn account(&mut self, account: &Portfolio, before: i128) -> i128 {
        let Some(held) = self.0.get_mut(account.tail.instrument as usize) else { return before };
        held.position = account.position.0;
        let notional = held.terms.notional(held.mark, held.position).unwrap_or(i128::MAX);
        let old = std::mem::replace(&mut held.notional, notional.saturating_abs());
        before.saturating_sub(old).saturating_add(held.notional)
    }
}

state!(Held { terms, mark, position, notional });

impl State for Exposure {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        codec.rows(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable;
    use ringbuf_layout::units::PRICE_ONE;

    #[test]
    fn it_is_the_sum_of_what_is_held_at_the_last_prices_whatever_the_side() {
        let mut exposure = Exposure::new(2);
        for number in 0..2 {
            let mut instrument = Instrument::zeroed();
            (instrument.tail.instrument, instrument.multiplier) = (number, 10 * PRICE_ONE);
            exposure.define(&instrument);
        }
        let mut total = 0;
        let mut at = |number: u32, position: i64, price: i64| {
            let mut account = Portfolio::zeroed();
            (account.tail.instrument, account.position.0) = (number, position);
            exposure.mark(number, price * PRICE_ONE);
            total = exposure.account(&account, total);
            total / i128::from(PRICE_ONE)
        };
        assert_eq!(at(0, 3, 100), 3_000);
        assert_eq!(at(1, -2, 50), 4_000);
        assert_eq!(at(0, 3, 110), 4_300);
        assert_eq!(at(1, 0, 60), 3_300);
        assert_eq!(at(u32::MAX, 0, 1), 3_300, "the opening account is of no instrument");
    }
}
