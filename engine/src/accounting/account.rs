//! An account over many instruments: what is realised, what the marks say, and how far it has fallen.

use crate::accounting::position::{Position, Terms};
use crate::accounting::rates::{Rates, Worth};
use crate::accounting::round::mul_div_half_even;
use crate::stage::Digest;
use crate::state::{Codec, State, StateError, state};
use core::fmt;

/// Why a fill or a mark was not booked. The account is as it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccountError {
    /// No size, or no price.
    NotAFill,
    /// The instrument is not defined.
    UnknownInstrument,
    /// Nothing says yet what its currency is worth.
    NoRate,
    /// A position or an amount would not fit.
    Overflow,
}

impl fmt::Display for AccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAFill => "not_a_fill",
            Self::UnknownInstrument => "unknown_instrument",
            Self::NoRate => "no_rate",
            Self::Overflow => "overflow",
        })
    }
}

/// Drawdown is in 1e-9 of the highest equity.
const RATIO_ONE: i128 = 1_000_000_000;

/// One instrument: its position, and the two amounts of it that are in the account's sums, in the account's currency.
#[derive(Clone, Copy, Debug, Default)]
struct Holding {
    terms: Option<Terms>,
    position: Position,
    unrealized: i128,
    /// What it cost, where it was paid for in full.
    paid: i128,
}

impl Holding {
    /// Values the position, in the account's currency.
    fn value(&mut self, terms: Terms, worth: Worth) -> Option<()> {
        let money = |points: i128| worth.convert(terms.money(points)?);
        self.unrealized = money(self.position.unrealized_points()?)?;
        self.paid = if terms.is_paid_in_full() { money(self.position.open_cost)? } else { 0 };
        Some(())
    }
}

/// The sums over all instruments.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sums {
    /// Realised profit, fees included.
    pub realized: i128,
    /// Unrealised profit at the marks.
    pub unrealized: i128,
    /// Fees, which are in `realized` already.
    pub fees: i128,
    /// Cost of what was paid for in full.
    paid: i128,
}

/// The account. Money in 1e-9 of its currency.
#[derive(Clone, Debug)]
pub struct Account {
    opening: i128,
    rates: Rates,
    holdings: Vec<Holding>,
    sums: Sums,
    highest: i128,
    max_drawdown: i64,
    refused: u64,
}

impl Account {
    /// An account with opening cash, for at most `instruments` instruments in its own currency.
    pub fn new(opening: i128, instruments: usize) -> Self {
        Self::with_rates(opening, Rates::none(instruments), instruments)
    }

    /// The same with instruments in other currencies.
    pub fn with_rates(opening: i128, rates: Rates, instruments: usize) -> Self {
        Self {
            opening,
            rates,
            holdings: vec![Holding::default(); instruments],
            sums: Sums::default(),
            highest: opening,
            max_drawdown: 0,
            refused: 0,
        }
    }

    /// Learns what an instrument's points are worth.
    pub fn define(&mut self, instrument: u32, terms: Terms) {
        if let Some(holding) = self.holdings.get_mut(instrument as usize) {
            holding.terms = Some(terms);
        }
    }

    /// The rates, which an account with instruments of several currencies knows from their definitions.
    pub fn rates(&self) -> &Rates {
        &self.rates
    }

    /// The rates, to tell them of a definition.
    pub fn rates_mut(&mut self) -> &mut Rates {
        &mut self.rates
    }

    /// Books a fill: `signed` units at `price`, which becomes the mark, and its fee, both in the instrument's currency.
    ///
    /// realised += realised points as money − fee, rounded once (fees are whole already), and once more where it is
    /// converted, at the rate of now.
    ///
    /// # Errors
    /// If it cannot be booked; it is counted then, and nothing else changes.
    pub fn fill(
        &mut self,
        instrument: u32,
        signed: i64,
        price: i64,
        fee: i128,
    ) -> Result<(), AccountError> {
        let booked = self.try_fill(instrument, signed, price, fee);
        self.refused += u64::from(booked.is_err());
        booked
    }

    fn try_fill(
        &mut self,
        instrument: u32,
        signed: i64,
        price: i64,
        fee: i128,
    ) -> Result<(), AccountError> {
        let (mut holding, terms) = self.holding(instrument)?;
        let points = holding.position.fill(signed, price)?;
        holding.position.mark = price;
        let worth = self.rates.worth(instrument).ok_or(AccountError::NoRate)?;
        let profit = terms.money(points).and_then(|money| money.checked_sub(fee));
        let booked = profit.and_then(|profit| Some((worth.convert(profit)?, worth.convert(fee)?)));
        holding.value(terms, worth).ok_or(AccountError::Overflow)?;
        self.commit(instrument, holding, booked.ok_or(AccountError::Overflow)?)
    }

    /// Marks an instrument. True if that moved the value of something held.
    ///
    /// # Errors
    /// If the value does not fit; the old mark stays and the refusal is counted.
    pub fn mark(&mut self, instrument: u32, price: i64) -> Result<bool, AccountError> {
        let (mut holding, terms) = self.holding(instrument)?;
        if holding.position.mark == price {
            return Ok(false);
        }
        holding.position.mark = price;
        let is_held = holding.position.quantity != 0;
        // What is not held is worth nothing at any rate.
        let worth = if is_held { self.rates.worth(instrument) } else { Some(Worth::ONE) };
        let valued = worth.ok_or(AccountError::NoRate).and_then(|worth| {
            holding.value(terms, worth).ok_or(AccountError::Overflow)?;
            self.commit(instrument, holding, (0, 0))
        });
        self.refused += u64::from(valued.is_err());
        valued.map(|()| is_held)
    }

    /// A bar of an instrument closed, whose last price is of `ts`: marks it and, where it is a rate, values anew what is
    /// held at that rate. True if that moved the value of something held. What does not fit keeps its old value and is
    /// counted.
    pub fn on_close(&mut self, instrument: u32, close: i64, ts: i64) -> bool {
        if !self.rates.on_close(instrument, close, ts) {
            return self.mark(instrument, close) == Ok(true);
        }
        // All at once: a drawdown between two marks of one moment would be of no moment.
        let (mut sums, mut has_moved) = (self.sums, false);
        for (number, old) in (0..).zip(&mut self.holdings) {
            let mut new = *old;
            if number == instrument {
                new.position.mark = close;
            } else if old.position.quantity == 0 || self.rates.rate_of(number) != Some(instrument) {
                continue;
            }
            let Some((terms, worth)) = old.terms.zip(self.rates.worth(number)) else { continue };
            let changed = new.value(terms, worth).and_then(|()| sums.changed(old, &new, (0, 0)));
            if let Some(changed) = changed.filter(|sums| equity(self.opening, sums).is_some()) {
                has_moved |= new.position.quantity != 0;
                (sums, *old) = (changed, new);
            } else {
                self.refused += 1;
            }
        }
        self.settle(sums);
        has_moved
    }

    fn holding(&self, instrument: u32) -> Result<(Holding, Terms), AccountError> {
        let holding = self.holdings.get(instrument as usize).copied();
        let holding = holding.ok_or(AccountError::UnknownInstrument)?;
        Ok((holding, holding.terms.ok_or(AccountError::UnknownInstrument)?))
    }

    /// Puts a changed holding in the place of the old one, in the sums too, with the profit and fee booked by it; or
    /// changes nothing.
    fn commit(
        &mut self,
        instrument: u32,
        holding: Holding,
        booked: (i128, i128),
    ) -> Result<(), AccountError> {
        let old = self.holdings[instrument as usize];
        let sums = self.sums.changed(&old, &holding, booked).ok_or(AccountError::Overflow)?;
        equity(self.opening, &sums).ok_or(AccountError::Overflow)?;
        self.holdings[instrument as usize] = holding;
        self.settle(sums);
        Ok(())
    }

    /// Takes sums whose equity fits.
    fn settle(&mut self, sums: Sums) {
        self.sums = sums;
        let equity = self.equity();
        self.highest = self.highest.max(equity);
        self.max_drawdown = self.max_drawdown.max(drawdown(self.highest, equity));
    }

    /// The sums.
    pub fn sums(&self) -> Sums {
        self.sums
    }

    /// Opening cash and what is realised, less the cost of what was paid for in full.
    pub fn cash(&self) -> i128 {
        self.opening + self.sums.realized - self.sums.paid
    }

    /// Opening cash, realised and unrealised profit.
    pub fn equity(&self) -> i128 {
        self.opening + self.sums.realized + self.sums.unrealized
    }

    /// Highest equity so far, the opening included.
    pub fn highest(&self) -> i128 {
        self.highest
    }

    /// Largest fall from it, in 1e-9 of it.
    pub fn max_drawdown(&self) -> i64 {
        self.max_drawdown
    }

    /// Fills and marks that could not be booked.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// The position of an instrument.
    pub fn position(&self, instrument: u32) -> Position {
        self.holdings.get(instrument as usize).map_or_else(Position::default, |h| h.position)
    }

    /// Feeds its state to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        let sums = &self.sums;
        for amount in [self.opening, sums.realized, sums.unrealized, sums.fees, sums.paid] {
            digest.wide(amount);
        }
        digest.wide(self.highest);
        digest.int(self.max_drawdown);
        digest.word(self.refused);
        for holding in &self.holdings {
            let Some(terms) = holding.terms else {
                digest.word(0);
                continue;
            };
            digest.int(terms.multiplier);
            digest.int(terms.size_one);
            holding.position.digest(digest);
            digest.wide(holding.unrealized);
            digest.wide(holding.paid);
        }
        self.rates.digest(digest);
    }
}

impl Sums {
    fn changed(&self, old: &Holding, new: &Holding, booked: (i128, i128)) -> Option<Self> {
        let (profit, fee) = booked;
        let replace =
            |sum: i128, old: i128, new: i128| sum.checked_sub(old).and_then(|s| s.checked_add(new));
        Some(Self {
            realized: self.realized.checked_add(profit)?,
            unrealized: replace(self.unrealized, old.unrealized, new.unrealized)?,
            fees: self.fees.checked_add(fee)?,
            paid: replace(self.paid, old.paid, new.paid)?,
        })
    }
}

/// Equity, if it and the cash fit.
fn equity(opening: i128, sums: &Sums) -> Option<i128> {
    let settled = opening.checked_add(sums.realized)?;
    settled.checked_sub(sums.paid)?;
    settled.checked_add(sums.unrealized)
}

/// (highest − equity) / highest in 1e-9; the largest `i64` where it is more, or there is nothing to divide by.
fn drawdown(highest: i128, equity: i128) -> i64 {
    if equity >= highest {
        return 0;
    }
    let fall = highest.checked_sub(equity);
    let ratio = fall.and_then(|fall| mul_div_half_even(fall, RATIO_ONE, highest));
    ratio.and_then(|ratio| i64::try_from(ratio).ok()).unwrap_or(i64::MAX)
}

impl State for Holding {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { terms, position, unrealized, paid } = self;
        codec.option(terms, || Terms { multiplier: 0, size_one: 1 })?;
        position.state(codec)?;
        unrealized.state(codec)?;
        paid.state(codec)
    }
}

state!(Sums { realized, unrealized, fees, paid });

impl State for Account {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { opening, rates, holdings, sums, highest, max_drawdown, refused } = self;
        opening.state(codec)?;
        rates.state(codec)?;
        codec.rows(holdings)?;
        sums.state(codec)?;
        highest.state(codec)?;
        max_drawdown.state(codec)?;
        refused.state(codec)
    }
}
