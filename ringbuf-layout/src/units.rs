//! Prices, sizes and money: integers only, so that sums are exact and replay is bit-equal.
//!
//! | quantity | type | unit |
//! |---|---|---|
//! | price | `i64` | 1e-9 of the quote currency (finer instruments are refused) |
//! | size | `i64` | 10^-precision of the instrument |
//! | money | `i128` | 1e-9 of the account currency |
//! | time | `i64` | nanoseconds since 1970-01-01T00:00:00Z |

use bytemuck::{Pod, Zeroable};
use core::fmt;

/// Decimal digits of a price and of money.
pub const PRICE_DIGITS: u32 = 9;
/// One unit of the quote currency, in price units.
pub const PRICE_ONE: i64 = 1_000_000_000;
/// Nanoseconds in a second.
pub const SECOND: i64 = 1_000_000_000;
/// Nanoseconds in a millisecond.
pub const MILLISECOND: i64 = 1_000_000;

/// A price in 1e-9 of the quote currency.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Pod, Zeroable)]
#[repr(transparent)]
pub struct Price(pub i64);

/// A quantity in 10^-precision of its instrument (shares and contracts have precision 0).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Pod, Zeroable)]
#[repr(transparent)]
pub struct Size(pub i64);

/// Money in 1e-9 of the account currency. Stored as `i128`: 1e9 contracts at 1e9 a piece with a
/// multiplier of 1e6 still leaves five decimal digits of room.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Pod, Zeroable)]
#[repr(transparent)]
pub struct Money(pub i128);

impl Price {
    /// A side of a quote that is not there (Databento's convention, so that no price is lost).
    pub const UNDEFINED: Self = Self(i64::MAX);

    /// True unless this is [`Price::UNDEFINED`].
    pub fn is_defined(self) -> bool {
        self != Self::UNDEFINED
    }
}

/// Why a text is not a decimal that fits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecimalError {
    /// Empty, or something other than digits, one point and a leading sign.
    NotANumber,
    /// More non-zero digits after the point than the unit holds.
    TooFine,
    /// Larger than the integer holds.
    TooLarge,
}

impl fmt::Display for DecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotANumber => "is not a decimal number",
            Self::TooFine => "has more decimal digits than the unit holds",
            Self::TooLarge => "is too large",
        })
    }
}

/// Parses decimal text into an integer of 10^-`digits`, exactly: no float, no rounding.
///
/// ```
/// use ringbuf_layout::units::{DecimalError, parse_decimal};
/// assert_eq!(parse_decimal(b"1313.7", 9), Ok(1_313_700_000_000));
/// assert_eq!(parse_decimal(b"-0.5", 1), Ok(-5));
/// assert_eq!(parse_decimal(b"0.25", 1), Err(DecimalError::TooFine));
/// assert_eq!(parse_decimal(b"12x", 9), Err(DecimalError::NotANumber));
/// ```
///
/// # Errors
/// [`DecimalError`] says which of three ways the text does not fit.
pub fn parse_decimal(text: &[u8], digits: u32) -> Result<i64, DecimalError> {
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (mut value, mut seen, mut point, mut after) = (0_i64, false, false, 0_u32);
    for &byte in text {
        match byte {
            b'.' if !point => point = true,
            b'0'..=b'9' => {
                seen = true;
                let digit = i64::from(byte - b'0');
                if point {
                    if after == digits {
                        if digit != 0 {
                            return Err(DecimalError::TooFine);
                        }
                        continue;
                    }
                    after += 1;
                }
                value = value
                    .checked_mul(10)
                    .and_then(|v| v.checked_add(digit))
                    .ok_or(DecimalError::TooLarge)?;
            }
            _ => return Err(DecimalError::NotANumber),
        }
    }
    if !seen {
        return Err(DecimalError::NotANumber);
    }
    let scale = 10_i64.checked_pow(digits - after).ok_or(DecimalError::TooLarge)?;
    let value = value.checked_mul(scale).ok_or(DecimalError::TooLarge)?;
    Ok(if negative { -value } else { value })
}

/// `value` × 10^-`digits` as exact decimal text without trailing zeros.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    /// The integer.
    pub value: i128,
    /// How many of its digits stand after the point.
    pub digits: u32,
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = 10_u128.pow(self.digits);
        let magnitude = self.value.unsigned_abs();
        let sign = if self.value < 0 { "-" } else { "" };
        let (whole, mut rest) = (magnitude / scale, magnitude % scale);
        write!(f, "{sign}{whole}")?;
        if rest == 0 {
            return Ok(());
        }
        let mut width = self.digits as usize;
        while rest.is_multiple_of(10) {
            rest /= 10;
            width -= 1;
        }
        write!(f, ".{rest:0width$}")
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Decimal { value: i128::from(self.0), digits: PRICE_DIGITS }.fmt(f)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Decimal { value: self.0, digits: PRICE_DIGITS }.fmt(f)
    }
}

impl Size {
    /// The size as decimal text, for an instrument whose sizes have `precision` decimal digits.
    pub fn decimal(self, precision: u8) -> Decimal {
        Decimal { value: i128::from(self.0), digits: u32::from(precision) }
    }
}

/// `n / d` rounded half to even; `None` where the result does not fit or `d` is 0.
///
/// Half to even is the one rounding rule of the engine (design §1): it has no bias over many fills.
pub fn div_half_even(n: i128, d: i128) -> Option<i128> {
    let (q, r) = (n.checked_div_euclid(d)?, n.checked_rem_euclid(d)?);
    // With Euclid's division 0 <= r < |d|, and q moves towards the next integer by sign(d).
    let twice = r.checked_mul(2)?;
    let up = match twice.cmp(&d.checked_abs()?) {
        core::cmp::Ordering::Less => false,
        core::cmp::Ordering::Greater => true,
        core::cmp::Ordering::Equal => q % 2 != 0,
    };
    if up { q.checked_add(d.signum()) } else { Some(q) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_print_without_trailing_zeros_and_keep_the_sign() {
        let check = |value: i64, expected: &str| assert_eq!(Price(value).to_string(), expected);
        check(0, "0");
        check(1_313_700_000_000, "1313.7");
        check(-1, "-0.000000001");
        check(-500_000_000, "-0.5");
        check(i64::MIN, "-9223372036.854775808");
        assert_eq!(Size(150).decimal(2).to_string(), "1.5");
        assert_eq!(Size(150).decimal(0).to_string(), "150");
    }

    #[test]
    fn text_that_is_no_decimal_is_refused_by_name() {
        for (text, error) in [
            ("", DecimalError::NotANumber),
            ("-", DecimalError::NotANumber),
            (".", DecimalError::NotANumber),
            ("1.2.3", DecimalError::NotANumber),
            ("1e5", DecimalError::NotANumber),
            ("NaN", DecimalError::NotANumber),
            ("0.0000000001", DecimalError::TooFine),
            ("9223372037", DecimalError::TooLarge),
            ("99999999999999999999", DecimalError::TooLarge),
        ] {
            assert_eq!(parse_decimal(text.as_bytes(), 9), Err(error), "{text}");
        }
        assert_eq!(parse_decimal(b"0.0000000010", 9), Ok(1));
    }

    #[test]
    fn division_rounds_half_to_even_for_every_sign() {
        for (n, d, expected) in [
            (5, 2, 2),
            (7, 2, 4),
            (-5, 2, -2),
            (-7, 2, -4),
            (5, -2, -2),
            (7, -2, -4),
            (1, 3, 0),
            (2, 3, 1),
            (-2, 3, -1),
        ] {
            assert_eq!(div_half_even(n, d), Some(expected), "{n}/{d}");
        }
        assert_eq!(div_half_even(1, 0), None);
    }

    proptest! {
        #[test]
        fn every_price_survives_its_own_text(value in any::<i64>()) {
            let text = Price(value).to_string();
            // i64::MIN has no positive twin; its text is one past what the parser accumulates.
            prop_assume!(value != i64::MIN);
            prop_assert_eq!(parse_decimal(text.as_bytes(), 9), Ok(value));
        }
    }
}
