//! LEAN's conditions of an equity's trade: `TradeConditionFlags`, 32 bits in hexadecimal.
//!
//! Bit k is `1 << k`, from 0 for a regular trade (LEAN, `Common/Data/Auxiliary/TradeConditionFlags.cs`). Its sample
//! files agree: of SPY on 2013-10-07, bit 6 stands on prints of 09:30:00 alone and bit 7 on those of 16:00:00, bits 26
//! and 24 on one print each of an exchange at its open and its close, bit 13 on 8,855 of the 9,097 prints outside regular
//! hours. Bits that do not bear on prices are not carried.

use crate::files::{Fault, quoted};
use ringbuf_layout::Conditions;

/// LEAN's bits and ours.
#[rustfmt::skip] // a table
const BITS: [(u32, Conditions); 18] = [
    (1,  Conditions::CASH),
    (2,  Conditions::NEXT_DAY),
    (3,  Conditions::SELLER),
    (6,  Conditions::OPENING),
    (7,  Conditions::CLOSING),
    (8,  Conditions::REOPENING),
    (9,  Conditions::DERIVATIVELY_PRICED),
    (10, Conditions::FORM_T),
    (11, Conditions::OUT_OF_SEQUENCE),     // sold last
    (13, Conditions::FORM_T),              // extended hours
    (14, Conditions::OUT_OF_SEQUENCE),
    (18, Conditions::CONTINGENT),          // stock-option trade
    (20, Conditions::AVERAGE_PRICE),
    (22, Conditions::PRICE_VARIATION),
    (24, Conditions::OFFICIAL_CLOSE),
    (25, Conditions::PRIOR_REFERENCE),
    (26, Conditions::OFFICIAL_OPEN),
    (31, Conditions::ODD_LOT),
];

/// Every bit that is carried.
const CARRIED: u32 = {
    let (mut all, mut i) = (0, 0);
    while i < BITS.len() {
        all |= 1 << BITS[i].0;
        i += 1;
    }
    all
};

/// The conditions that a field names; none if it is empty.
#[inline]
pub(crate) fn parse(text: &[u8]) -> Result<Conditions, Fault> {
    let flags = hexadecimal(text).ok_or_else(|| wrong(text))?;
    Ok(if flags & CARRIED == 0 { Conditions::NONE } else { of(flags) })
}

fn of(flags: u32) -> Conditions {
    let set = BITS.into_iter().filter(|(bit, _)| flags >> bit & 1 == 1);
    set.map(|(_, ours)| ours).fold(Conditions::NONE, Conditions::with)
}

fn hexadecimal(text: &[u8]) -> Option<u32> {
    if text.len() > 8 {
        return None;
    }
    text.iter().try_fold(0, |flags: u32, byte| {
        let digit = char::from(*byte).to_digit(16)?;
        Some(flags << 4 | digit)
    })
}

#[cold]
fn wrong(text: &[u8]) -> Fault {
    Fault::new("conditions", format!("{} is no hexadecimal number of 32 bits", quoted(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let found = parse(text.as_bytes()).map(|conditions| conditions.to_string());
        assert_eq!(found.ok().as_deref(), Some(expected), "{text}");
    }

    #[test]
    fn the_values_of_real_files_are_told_by_their_bits() {
        for regular in ["", "0", "1", "20", "20000020", "20000001"] {
            check(regular, "");
        }
        check("2000", "form_t");
        check("20002020", "form_t");
        check("102000", "average_price+form_t");
        check("4800", "out_of_sequence");
        check("20100200", "average_price+derivatively_priced");
        check("20000040", "opening");
        check("20000080", "closing");
        check("20040200", "derivatively_priced+contingent");
        check("4000000", "official_open");
        check("1000000", "official_close");
        check("20000002", "cash");
        check("20000004", "next_day");
        check("20000008", "seller");
        check("80000000", "odd_lot");
        check("FFFFFFFF", &Conditions(u16::MAX).to_string());
    }

    #[test]
    fn what_is_no_number_of_32_bits_is_a_fault() {
        for wrong in ["x", "-1", "0x20", " 1", "123456789", "1 ", "é"] {
            let fault = parse(wrong.as_bytes()).expect_err(wrong);
            assert_eq!(fault.column, "conditions");
        }
    }
}
