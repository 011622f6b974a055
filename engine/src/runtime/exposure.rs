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
