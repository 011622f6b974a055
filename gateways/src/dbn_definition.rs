//! A DBN `definition` record as an instrument's definition.

use crate::dbn_layout::{field, text};
use crate::files::Fault;
use dbn::{v1, v2, v3};
use ringbuf_layout::units::PRICE_ONE;

/// What is taken from a `definition` record. Prices and amounts in 1e-9; an absent one is `None`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Definition {
    pub symbol: String,
    /// One character: `F` a future, `K` a share, others for options and spreads.
    pub class: u8,
    pub exchange: String,
    /// The kind of future, such as `ES`.
    pub asset: String,
    currency: String,
    tick: Option<i64>,
    /// Money that a tick of one contract is worth.
    tick_amount: Option<i64>,
    contract_multiplier: Option<i32>,
    quantity: Option<i64>,
}

/// US venues of shares, by MIC.
const US_SHARES: [&str; 12] = [
    "XNAS", "XNYS", "ARCX", "XASE", "XCHI", "XBOS", "XPSX", "XCIS", "BATS", "EDGX", "IEXG", "MEMX",
];

/// The record in one version's layout.
macro_rules! read {
    ($bytes:expr, $record:ty) => {{
        macro_rules! chars {
            ($field:ident, $length:expr) => {{
                let at = core::mem::offset_of!($record, $field);
                text(&$bytes[at..at + $length])
            }};
        }
        let bytes = $bytes;
        let price = |value: i64| (value != i64::MAX).then_some(value);
        let multiplier = field!(bytes, $record, contract_multiplier, i32);
        Definition {
            symbol: chars!(raw_symbol, SYMBOL),
            class: field!(bytes, $record, instrument_class, u8),
            exchange: chars!(exchange, 5),
            asset: chars!(asset, ASSET),
            currency: chars!(currency, 4),
            tick: price(field!(bytes, $record, min_price_increment, i64)),
            tick_amount: price(field!(bytes, $record, min_price_increment_amount, i64)),
            contract_multiplier: (multiplier != i32::MAX).then_some(multiplier),
            quantity: price(field!(bytes, $record, unit_of_measure_qty, i64)),
        }
    }};
}

impl Definition {
    /// Reads a record whose length was checked.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        if bytes.len() >= size_of::<v3::InstrumentDefMsg>() {
            const SYMBOL: usize = v3::SYMBOL_CSTR_LEN;
            const ASSET: usize = v3::ASSET_CSTR_LEN;
            read!(bytes, v3::InstrumentDefMsg)
        } else if bytes.len() >= size_of::<v2::InstrumentDefMsg>() {
            const SYMBOL: usize = v2::SYMBOL_CSTR_LEN;
            const ASSET: usize = v2::ASSET_CSTR_LEN;
            read!(bytes, v2::InstrumentDefMsg)
        } else {
            const SYMBOL: usize = v1::SYMBOL_CSTR_LEN;
            const ASSET: usize = v1::ASSET_CSTR_LEN;
            read!(bytes, v1::InstrumentDefMsg)
        }
    }

    /// True for what is traded outright: futures and shares.
    pub(crate) fn is_outright(&self) -> bool {
        matches!(self.class, b'F' | b'K')
    }

    /// True for a share of a US venue: it trades in cents and dollars, whether the venue says so or not.
    pub(crate) fn is_us_share(&self) -> bool {
        self.class == b'K' && US_SHARES.contains(&self.exchange.as_str())
    }

    /// Three letters; US share venues send none.
    pub(crate) fn currency(&self) -> &str {
        if self.currency.is_empty() && self.is_us_share() { "USD" } else { &self.currency }
    }

    /// Smallest price step.
    pub(crate) fn tick(&self) -> Result<i64, Fault> {
        let stated = self.tick.filter(|tick| *tick > 0);
        // US share venues send no step: Rule 612 sets it for all of them.
        let usual = self.is_us_share().then_some(PRICE_ONE / 100);
        stated.or(usual).ok_or_else(|| {
            Fault::new("min_price_increment", format!("{} has no smallest price step", self.symbol))
        })
    }

    /// Money that a price point of one unit is worth, in 1e-9.
    ///
    /// A future's is what a tick is worth by what a tick is: the size of the contract would not do, since a
    /// bond of 100,000 is quoted in points of 1,000, and wheat in cents. A share is worth its price.
    pub(crate) fn multiplier(&self) -> Result<i64, Fault> {
        let unknown = |what: &str| Fault::new("", format!("{}: {what}", self.symbol));
        if let Some(amount) = self.tick_amount.filter(|amount| *amount > 0) {
            let tick = i128::from(self.tick()?);
            let whole = i128::from(amount) * i128::from(PRICE_ONE);
            let exact = (whole % tick == 0).then_some(whole / tick);
            return exact
                .and_then(|multiplier| i64::try_from(multiplier).ok())
                .ok_or_else(|| unknown("a tick's worth by a tick is no exact decimal"));
        }
        if self.class == b'K' {
            return Ok(PRICE_ONE);
        }
        let stated = self.contract_multiplier.filter(|multiplier| *multiplier > 0);
        stated
            .map(|multiplier| i64::from(multiplier) * PRICE_ONE)
            .or(self.quantity.filter(|quantity| *quantity > 0))
            .ok_or_else(|| unknown("nothing says what a price point is worth"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(class: u8, tick: i64, amount: i64, multiplier: i32, quantity: i64) -> Definition {
        Definition {
            symbol: "X".into(),
            class,
            exchange: "XCME".into(),
            asset: "X".into(),
            currency: "USD".into(),
            tick: (tick > 0).then_some(tick),
            tick_amount: (amount > 0).then_some(amount),
            contract_multiplier: (multiplier > 0).then_some(multiplier),
            quantity: (quantity > 0).then_some(quantity),
        }
    }

    #[test]
    fn every_version_says_the_same() {
        let chars = |text: &str| text.bytes().map(|b| b as i8).collect::<Vec<_>>();
        let mut first = v1::InstrumentDefMsg {
            min_price_increment: 250_000_000,
            min_price_increment_amount: 12_500_000_000,
            unit_of_measure_qty: 50 * PRICE_ONE,
            contract_multiplier: i32::MAX,
            instrument_class: b'F' as i8,
            ..v1::InstrumentDefMsg::default()
        };
        first.raw_symbol[..4].copy_from_slice(&chars("ESH1"));
        first.exchange[..4].copy_from_slice(&chars("XCME"));
        first.asset[..2].copy_from_slice(&chars("ES"));
        first.currency[..3].copy_from_slice(&chars("USD"));
        let (second, third) =
            (v2::InstrumentDefMsg::from(&first), v3::InstrumentDefMsg::from(&first));
        let read = Definition::read(first.as_ref());
        let expected = Definition {
            symbol: "ESH1".into(),
            asset: "ES".into(),
            ..definition(b'F', 250_000_000, 12_500_000_000, 0, 50 * PRICE_ONE)
        };
        assert_eq!(read, expected);
        assert_eq!(Definition::read(second.as_ref()), expected);
        assert_eq!(Definition::read(third.as_ref()), expected);
    }

    #[test]
    fn a_us_share_has_cents_and_dollars_unless_it_says_otherwise() {
        let share = |exchange: &str| Definition {
            exchange: exchange.into(),
            currency: String::new(),
            ..definition(b'K', 0, 0, 0, 0)
        };
        let us = share("XNAS");
        assert_eq!(
            (us.tick(), us.currency(), us.multiplier()),
            (Ok(10_000_000), "USD", Ok(PRICE_ONE))
        );
        let nickel = Definition { tick: Some(50_000_000), ..us };
        assert_eq!(nickel.tick(), Ok(50_000_000));
        let elsewhere = share("XETR");
        assert!(elsewhere.tick().is_err() && elsewhere.currency().is_empty());
    }

    #[test]
    fn a_price_point_is_worth_what_its_ticks_are() {
        let check = |of: Definition, expected: Option<i64>| {
            assert_eq!(of.multiplier().ok(), expected, "{of:?}");
        };
        // ES, ZN (100,000 in points of 1,000), 6E.
        check(
            definition(b'F', 250_000_000, 12_500_000_000, 0, 50 * PRICE_ONE),
            Some(50 * PRICE_ONE),
        );
        let zn = definition(b'F', 15_625_000, 15_625_000_000, 0, 100_000 * PRICE_ONE);
        check(zn, Some(1_000 * PRICE_ONE));
        check(definition(b'F', 50_000, 6_250_000_000, 0, 0), Some(125_000 * PRICE_ONE));
        check(definition(b'K', 10_000_000, 0, 0, 0), Some(PRICE_ONE));
        check(definition(b'F', 10_000_000, 0, 100, 0), Some(100 * PRICE_ONE));
        check(definition(b'F', 10_000_000, 0, 0, 5 * PRICE_ONE), Some(5 * PRICE_ONE));
        check(definition(b'F', 10_000_000, 0, 0, 0), None);
        check(definition(b'F', 300_000_000, 100_000_000, 0, 0), None);
        check(definition(b'F', 0, 100_000_000, 0, 0), None);
    }
}
