//! Prices and sizes from text: exact integers, or a fault that says why not.

use crate::files::{Fault, quoted};
use ringbuf_layout::Price;
use ringbuf_layout::units::{DecimalError, PRICE_DIGITS, parse_decimal};

/// What a price of 1 in a file is worth: `times` × 10^-`digits`, exactly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Scale {
    times: i64,
    digits: u32,
}

impl Scale {
    /// Prices as they are.
    pub(crate) const ONE: Self = Self { times: 1, digits: 0 };
    /// Prices × 10,000, as in LEAN's equity files.
    pub(crate) const TEN_THOUSANDTH: Self = Self { times: 1, digits: 4 };

    /// The scale in decimal text such as `0.0001` or `0.25`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let whole = parse_decimal(text.as_bytes(), PRICE_DIGITS).ok()?;
        let (mut times, mut digits) = (whole, PRICE_DIGITS);
        while digits > 0 && times % 10 == 0 {
            times /= 10;
            digits -= 1;
        }
        (whole > 0).then_some(Self { times, digits })
    }

    /// Text that is the same however the scale was written: `25e-2` of `0.25` and of `0.250`.
    pub(crate) fn canonical(self) -> String {
        format!("{}e-{}", self.times, self.digits)
    }

    /// The price in `text`.
    #[inline]
    pub(crate) fn price(self, text: &[u8]) -> Result<Price, DecimalError> {
        let units = parse_decimal(text, PRICE_DIGITS - self.digits)?;
        let price = units.checked_mul(self.times).ok_or(DecimalError::TooLarge)?;
        // The largest integer means "no such side" and is no price.
        if price == Price::UNDEFINED.0 { Err(DecimalError::TooLarge) } else { Ok(Price(price)) }
    }
}

/// A field that is no price or size that fits.
#[cold]
pub(crate) fn fault(column: &str, text: &[u8], error: DecimalError) -> Fault {
    if text.is_empty() {
        return Fault::new(column, "the field is empty");
    }
    Fault::new(column, format!("{} {error}", quoted(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_scale_multiplies_exactly_or_not_at_all() {
        let check = |scale: &str, text: &str, expected: Result<i64, DecimalError>| {
            let scale = Scale::parse(scale).unwrap();
            assert_eq!(scale.price(text.as_bytes()), expected.map(Price), "{text} × {scale:?}");
        };
        check("1", "1313.7", Ok(1_313_700_000_000));
        check("0.0001", "1674100", Ok(167_410_000_000));
        check("0.0001", "1674100.00001", Ok(167_410_000_001));
        check("0.0001", "1674100.000001", Err(DecimalError::TooFine));
        check("0.25", "3", Ok(750_000_000));
        check("100", "0.5", Ok(50_000_000_000));
        check("1000000000", "10", Err(DecimalError::TooLarge));
        check("1", "9223372036.854775807", Err(DecimalError::TooLarge));
        check("1", "12a", Err(DecimalError::NotANumber));
    }

    #[test]
    fn a_scale_is_positive_and_no_finer_than_a_price() {
        for text in ["", "0", "-1", "0.0000000001", "x", "1e-4"] {
            assert_eq!(Scale::parse(text), None, "{text}");
        }
        assert_eq!(Scale::parse("1.0"), Some(Scale::ONE));
        assert_eq!(Scale::parse("0.0001"), Some(Scale::TEN_THOUSANDTH));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_price_or_an_error(
            text in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let _ = Scale::ONE.price(&text);
            let _ = Scale::TEN_THOUSANDTH.price(&text);
        }
    }
}
