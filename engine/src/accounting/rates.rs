//! What money of one currency is worth in the account's.
//!
//! A rate is the close of an instrument that the run takes in like any other. One in the account's currency (EURUSD or
//! 6E for euros, with an account in USD) is worth its price; one in the other currency (USDJPY for yen) one over it.
//! Prices, costs and fees stay in the instrument's own currency: profit is converted when it is realised, open profit
//! at the newest rate, as a broker does who lends the foreign money. So a rate is a function of journaled inputs, and
//! moves what is held only when a bar of its instrument closes.

use crate::accounting::round::mul_div_half_even;
use crate::config::{Rate as RateConfig, Semantic};
use crate::stage::Digest;
use crate::state::{Codec, State, StateError};
use ringbuf_layout::Instrument;
use ringbuf_layout::input::{fixed_text, text_of};
use ringbuf_layout::units::PRICE_ONE;

/// Money of one currency in another: times `num`, over `den`, both above 0 and below 2^63.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Worth {
    num: i64,
    den: i64,
}

impl Worth {
    /// The same currency.
    pub const ONE: Self = Self { num: 1, den: 1 };

    /// Of a price of the account's currency for one unit of the other.
    pub fn times(price: i64) -> Option<Self> {
        (price > 0).then_some(Self { num: price, den: PRICE_ONE })
    }

    /// Of a price of the other currency for one unit of the account's.
    pub fn over(price: i64) -> Option<Self> {
        (price > 0).then_some(Self { num: PRICE_ONE, den: price })
    }

    /// Money of the other currency in the account's, rounded once, half to even; `None` where it does not fit.
    #[inline]
    pub fn convert(self, money: i128) -> Option<i128> {
        if self == Self::ONE {
            return Some(money);
        }
        mul_div_half_even(money, self.num.into(), self.den.into())
    }

    /// Money of the account's currency in the other, rounded down: what it pays for.
    #[inline]
    pub fn pays(self, money: i128) -> Option<i128> {
        let (num, den) = (i128::from(self.num), i128::from(self.den));
        // q·den + r·den/num, where r·den is below 2^126.
        let rest = money.rem_euclid(num) * den / num;
        money.div_euclid(num).checked_mul(den)?.checked_add(rest)
    }
}

/// One `[[semantic.rate]]`.
#[derive(Clone, Debug)]
struct Rate {
    currency: [u8; 4],
    symbol: [u8; 24],
    /// ns; older, and nothing is opened.
    max_age: i64,
    traded: bool,
    /// The instrument of the symbol, once it is defined.
    instrument: Option<u32>,
}

/// What it knows of one instrument.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    symbol: [u8; 24],
    /// Zeros before it is defined: the account's.
    currency: [u8; 4],
    /// Close of its newest bar; 0 before the first, and where it is no rate.
    close: i64,
    /// Event time of the last price in that bar.
    closed_at: i64,
}

/// More currencies than there are.
const CURRENCIES_MAX: usize = 1_024;

/// Which symbol converts a currency, in a saved state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Named {
    currency: [u8; 4],
    symbol: [u8; 24],
}

impl Named {
    fn of(rate: &Rate) -> Self {
        Self { currency: rate.currency, symbol: rate.symbol }
    }
}

impl State for Named {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { currency, symbol } = self;
        codec.bytes(currency)?;
        codec.bytes(symbol)
    }
}

/// The rates of a run, and the currency of each of its instruments.
#[derive(Clone, Debug)]
pub struct Rates {
    account: [u8; 4],
    by_currency: Vec<Rate>,
    known: Vec<Known>,
}

impl Rates {
    /// The rates of a config, for at most `instruments` instruments.
    pub fn new(semantic: &Semantic, instruments: usize) -> Self {
        let rate = |rate: &RateConfig| Rate {
            currency: fixed_text(&rate.currency),
            symbol: fixed_text(&rate.symbol),
            max_age: rate.max_age_s.saturating_mul(1_000_000_000),
            traded: rate.trade,
            instrument: None,
        };
        Self {
            account: fixed_text(&semantic.account.currency),
            by_currency: semantic.rates.iter().map(rate).collect(),
            known: vec![Known::default(); instruments],
        }
    }

    /// Rates of an account whose instruments are all in its own currency.
    pub fn none(instruments: usize) -> Self {
        Self {
            account: [0; 4],
            by_currency: Vec::new(),
            known: vec![Known::default(); instruments],
        }
    }

    /// Learns the currency of an instrument, and whether it is a rate.
    pub fn define(&mut self, instrument: &Instrument) {
        let number = instrument.tail.instrument;
        let Some(known) = self.known.get_mut(number as usize) else { return };
        (known.symbol, known.currency) = (instrument.symbol, instrument.currency);
        for rate in self.by_currency.iter_mut().filter(|rate| rate.symbol == instrument.symbol) {
            rate.instrument = Some(number);
        }
    }

    /// A bar of an instrument closed, whose last price is of `ts`. True if it is a rate that moved by it.
    pub fn on_close(&mut self, instrument: u32, close: i64, ts: i64) -> bool {
        if !self.by_currency.iter().any(|rate| rate.instrument == Some(instrument)) {
            return false;
        }
        let Some(known) = self.known.get_mut(instrument as usize) else { return false };
        let moved = known.close != close;
        (known.close, known.closed_at) = (close, ts);
        moved
    }

    /// The instrument whose closes convert the money of this one; none if it is in the account's currency, or there is
    /// no such rate.
    pub fn rate_of(&self, instrument: u32) -> Option<u32> {
        self.rate(instrument).ok().flatten().and_then(|rate| rate.instrument)
    }

    /// The rate of an instrument's currency: `Ok(None)` for the account's, an error where there is none.
    fn rate(&self, instrument: u32) -> Result<Option<&Rate>, ()> {
        let currency = self.known.get(instrument as usize).map_or([0; 4], |known| known.currency);
        if currency == self.account || currency == [0; 4] {
            return Ok(None);
        }
        self.by_currency.iter().find(|rate| rate.currency == currency).map(Some).ok_or(())
    }

    /// What money of this instrument is worth; none before the first close of its rate.
    #[inline]
    pub fn worth(&self, instrument: u32) -> Option<Worth> {
        if self.by_currency.is_empty() {
            return Some(Worth::ONE);
        }
        match self.rate(instrument) {
            Ok(None) => Some(Worth::ONE),
            Ok(Some(rate)) => self.worth_by(rate),
            Err(()) => None,
        }
    }

    fn worth_by(&self, rate: &Rate) -> Option<Worth> {
        let source = self.known.get(rate.instrument? as usize)?;
        let is_direct = source.currency == self.account;
        if is_direct { Worth::times(source.close) } else { Worth::over(source.close) }
    }

    /// The same where something is opened at `now`: none if the rate is older than it may be.
    pub fn fresh_worth(&self, instrument: u32, now: i64) -> Option<Worth> {
        if let Ok(Some(rate)) = self.rate(instrument) {
            let source = self.known.get(rate.instrument? as usize)?;
            if now.saturating_sub(source.closed_at) > rate.max_age {
                return None;
            }
        }
        self.worth(instrument)
    }

    /// True if the instrument is there to convert only: policies do not trade it.
    pub fn is_only_a_rate(&self, instrument: u32) -> bool {
        let mut of = self.by_currency.iter().filter(|rate| rate.instrument == Some(instrument));
        of.clone().next().is_some() && of.all(|rate| !rate.traded)
    }

    /// Feeds its state to the hash: nothing where no rate is used.
    pub fn digest(&self, digest: &mut Digest) {
        for rate in &self.by_currency {
            let source = rate.instrument.and_then(|number| self.known.get(number as usize));
            let source = source.copied().unwrap_or_default();
            digest.word(rate.instrument.map_or(0, |number| u64::from(number) + 1));
            digest.int(source.close);
            digest.int(source.closed_at);
        }
    }
}

impl State for Known {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { symbol, currency, close, closed_at } = self;
        codec.bytes(symbol)?;
        codec.bytes(currency)?;
        close.state(codec)?;
        closed_at.state(codec)
    }
}

impl State for Rates {
    /// The instruments as defined; which of them are rates, the config says, which may be another now.
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { account, by_currency, known } = self;
        codec.same_text(text_of(account), "the account's currency")?;
        codec.rows(known)?;
        let ours: Vec<Named> = by_currency.iter().map(Named::of).collect();
        let mut named = ours.clone();
        codec.list(&mut named, CURRENCIES_MAX, Named::default)?;
        if codec.is_loading() {
            let number_of = |symbol: [u8; 24]| known.iter().position(|k| k.symbol == symbol);
            for rate in by_currency.iter_mut() {
                rate.instrument = number_of(rate.symbol).map(|number| number as u32);
            }
            // What is held, or on its way, is counted by this rate: without it a fill could not be booked.
            let is_used = |named: &&Named| known.iter().any(|k| k.currency == named.currency);
            if let Some(lost) = named.iter().filter(is_used).find(|named| !ours.contains(named)) {
                let (currency, symbol) = (text_of(&lost.currency), text_of(&lost.symbol));
                let what =
                    format!("{currency} is converted by {symbol}, and the config says so no more");
                return Err(StateError::new(what));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_euro_at_1_0843_is_worth_that_many_dollars_and_157_yen_are_worth_one() {
        let euro = Worth::times(1_084_300_000).unwrap();
        assert_eq!(euro.convert(250_000_000_000), Some(271_075_000_000));
        let yen = Worth::over(157 * PRICE_ONE).unwrap();
        assert_eq!(yen.convert(157 * 42 * i128::from(PRICE_ONE)), Some(42 * i128::from(PRICE_ONE)));
        // A third of a yen's 1e-9 and less is nothing; half goes to the even neighbour.
        assert_eq!(Worth::over(2 * PRICE_ONE).unwrap().convert(3), Some(2));
        assert_eq!(Worth::over(2 * PRICE_ONE).unwrap().convert(5), Some(2));
        assert_eq!([Worth::times(0), Worth::over(-1)], [None, None]);
        assert_eq!(Worth::times(i64::MAX).unwrap().convert(i128::MAX), None);
    }

    proptest! {
        #[test]
        fn what_an_amount_pays_for_is_the_most_that_costs_no_more(
            price in 1_i64..i64::MAX, money in 0_i128..(1_i128 << 100), over in any::<bool>(),
        ) {
            let worth = if over { Worth::over(price) } else { Worth::times(price) }.unwrap();
            let (num, den) = (i128::from(worth.num), i128::from(worth.den));
            if let Some(paid) = worth.pays(money) {
                // paid·num ≤ money·den < (paid + 1)·num, by parts that fit.
                let (q, r) = (money / num, money % num);
                let left = paid - q * den;
                prop_assert!(left * num <= r * den && r * den < (left + 1) * num);
            }
        }

        #[test]
        fn a_conversion_there_and_back_loses_less_than_a_unit_of_the_other(
            price in 1_000_i64..1_000_000_000_000_000, money in 0_i128..10_i128.pow(27),
        ) {
            let worth = Worth::times(price).unwrap();
            let there = worth.convert(money).unwrap();
            let back = worth.pays(there).unwrap();
            let unit = i128::from(PRICE_ONE) / i128::from(price) + 1;
            prop_assert!((money - back).abs() <= unit, "{} of {}", back, money);
        }
    }
}
