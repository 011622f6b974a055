//! a × b / d, rounded half to even once, where a × b need not fit.

/// `a × b / d` rounded half to even; `None` where the result does not fit or `d` is not above 0.
///
/// a = q·d + r (Euclid), so a·b/d = q·b + r·b/d: the first part is whole, the second is less than |b|.
pub fn mul_div_half_even(a: i128, b: i128, d: i128) -> Option<i128> {
    if d <= 0 {
        return None;
    }
    let rest = a.rem_euclid(d).checked_mul(b)?;
    let whole = a.div_euclid(d).checked_mul(b)?.checked_add(rest.div_euclid(d))?;
    let up = match rest.rem_euclid(d).checked_mul(2)?.cmp(&d) {
        core::cmp::Ordering::Less => false,
        core::cmp::Ordering::Greater => true,
        core::cmp::Ordering::Equal => whole % 2 != 0,
    };
    if up { whole.checked_add(1) } else { Some(whole) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ringbuf_layout::units::div_half_even;

    #[test]
    fn a_product_wider_than_128_bits_is_divided_all_the_same() {
        assert_eq!(mul_div_half_even(i128::MAX / 2, 6, 6), Some(i128::MAX / 2));
        assert_eq!(mul_div_half_even(i128::MAX / 2, 6, 2), None);
        assert_eq!(mul_div_half_even(1, 1, 0), None);
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_plain_division(a in any::<i64>(), b in any::<i64>(), d in 1..i64::MAX) {
            let (a, b, d) = (i128::from(a), i128::from(b), i128::from(d));
            prop_assert_eq!(mul_div_half_even(a, b, d), div_half_even(a * b, d));
        }

        #[test]
        fn ties_go_to_the_even_neighbour(a in -50_i128..50, b in -50_i128..50, d in 1_i128..20) {
            prop_assert_eq!(mul_div_half_even(a, b, d), div_half_even(a * b, d));
        }
    }
}
