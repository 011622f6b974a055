//! Gross notional at the marks, kept from the records as they pass: what the summary calls exposure.

use crate::accounting::{Rates, Terms};
use crate::state::{Codec, State, StateError, state};
use ringbuf_layout::{Instrument, Money, Portfolio};

/// One instrument as last recorded.
#[derive(Clone, Copy, Debug)]
struct Held {
    terms: Terms,
    mark: i64,
    position: i64,
    /// |position × mark| in money of the account.
    notional: i128,
}

/// All instruments; a row each, made once.
#[derive(Clone, Debug)]
pub struct Exposure {
    rates: Rates,
    rows: Vec<Held>,
    sum: i128,
}

impl Exposure {
    /// Nothing held of so many instruments.
    pub fn new(rates: Rates, instruments: usize) -> Self {
        let terms = Terms { multiplier: 0, size_one: 1 };
        let held = Held { terms, mark: 0, position: 0, notional: 0 };
        Self { rates, rows: vec![held; instruments], sum: 0 }
    }

    /// Learns what an instrument's points are worth.
    pub fn define(&mut self, instrument: &Instrument) {
        self.rates.define(instrument);
        if let Some(held) = self.rows.get_mut(instrument.tail.instrument as usize) {
            held.terms = Terms::of(instrument);
        }
    }

    /// The price of a fill, which becomes the mark.
    pub fn mark(&mut self, instrument: u32, price: i64) {
        if let Some(held) = self.rows.get_mut(instrument as usize) {
            held.mark = price;
        }
    }

    /// The close of a bar, which becomes the mark, and converts what is held at the rate that it is.
    pub fn on_close(&mut self, instrument: u32, close: i64) {
        self.mark(instrument, close);
        // How old it is, only what is opened asks.
        if !self.rates.on_close(instrument, close, 0) {
            return;
        }
        for number in 0..self.rows.len() as u32 {
            if self.rates.rate_of(number) == Some(instrument) {
                self.value(number);
            }
        }
    }

    /// Takes an account record, which follows every change of a position or of what it is worth, and returns the
    /// exposure.
    pub fn account(&mut self, account: &Portfolio) -> Money {
        let instrument = account.tail.instrument;
        if let Some(held) = self.rows.get_mut(instrument as usize) {
            held.position = account.position.0;
            self.value(instrument);
        }
        Money(self.sum)
    }

    fn value(&mut self, instrument: u32) {
        let worth = self.rates.worth(instrument);
        let held = &mut self.rows[instrument as usize];
        let notional = held.terms.notional(held.mark, held.position);
        let notional = notional.zip(worth).and_then(|(money, worth)| worth.convert(money));
        let new = if held.position == 0 { 0 } else { notional.unwrap_or(i128::MAX) };
        let old = std::mem::replace(&mut held.notional, new.saturating_abs());
        self.sum = self.sum.saturating_sub(old).saturating_add(held.notional);
    }
}

state!(Held { terms, mark, position, notional });

impl State for Exposure {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { rates, rows, sum } = self;
        rates.state(codec)?;
        codec.rows(rows)?;
        sum.state(codec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable;
    use ringbuf_layout::units::PRICE_ONE;

    #[test]
    fn it_is_the_sum_of_what_is_held_at_the_last_prices_whatever_the_side() {
        let mut exposure = Exposure::new(Rates::none(2), 2);
        for number in 0..2 {
            let mut instrument = Instrument::zeroed();
            (instrument.tail.instrument, instrument.multiplier) = (number, 10 * PRICE_ONE);
            exposure.define(&instrument);
        }
        let mut at = |number: u32, position: i64, price: i64| {
            let mut account = Portfolio::zeroed();
            (account.tail.instrument, account.position.0) = (number, position);
            exposure.mark(number, price * PRICE_ONE);
            exposure.account(&account).0 / i128::from(PRICE_ONE)
        };
        assert_eq!(at(0, 3, 100), 3_000);
        assert_eq!(at(1, -2, 50), 4_000);
        assert_eq!(at(0, 3, 110), 4_300);
        assert_eq!(at(1, 0, 60), 3_300);
        assert_eq!(at(u32::MAX, 0, 1), 3_300, "the opening account is of no instrument");
    }
}
