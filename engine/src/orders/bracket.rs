//! A bracket: a stop and a target around an entry, of which one cancels the other.
//!
//! The pair is placed when the entry has ended with something filled, for the whole position, good till
//! cancelled. Distances are multiples of the ATR that `risk` sized the entry by (domain.md §1.6: 2 and 3).

use crate::accounting::round::mul_div_half_even;
use crate::stage::Digest;
use crate::state::state;
use ringbuf_layout::Side;

/// Multiples are in millionths.
pub const MULTIPLE_ONE: i64 = 1_000_000;

/// The multiples of a config.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Multiples {
    /// Of the stop, in millionths of an ATR.
    pub stop: i64,
    /// Of the target, in millionths of an ATR.
    pub target: i64,
}

/// How far stop and target are from the entry's average price, above 0, on the grid.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Distances {
    /// Of the stop.
    pub stop: i64,
    /// Of the target.
    pub target: i64,
    /// Price that they are measured from where the entry has no fills, and what was held before it stays: the
    /// close that the decision saw; 0 for none.
    pub from: i64,
}

impl Distances {
    /// multiple × ATR, to the nearest tick, one at least; `None` without an ATR or where it does not fit.
    pub fn of(multiples: Multiples, atr: i64, tick: i64, from: i64) -> Option<Self> {
        let distance = |multiple: i64| {
            let far = mul_div_half_even(atr.into(), multiple.into(), MULTIPLE_ONE.into())?;
            to_grid(i64::try_from(far).ok()?, tick)
        };
        (atr > 0).then_some(())?;
        Some(Self { stop: distance(multiples.stop)?, target: distance(multiples.target)?, from })
    }

    /// Stop and target prices around `reference` for a position opened on `side`; none below one tick. `None`
    /// where a price would not fit.
    pub fn around(self, reference: i64, side: Side, tick: i64) -> Option<(i64, i64)> {
        let below = |distance: i64| to_grid(reference.saturating_sub(distance).max(tick), tick);
        let above = |distance: i64| to_grid(reference.checked_add(distance)?, tick);
        match side {
            Side::Sell => Some((above(self.stop)?, below(self.target)?)),
            _ => Some((below(self.stop)?, above(self.target)?)),
        }
    }
}

impl Distances {
    /// Feeds them to the hash.
    pub fn digest(self, digest: &mut Digest) {
        for field in [self.stop, self.target, self.from] {
            digest.int(field);
        }
    }
}

/// The nearest multiple of the tick, one tick at least.
fn to_grid(price: i64, tick: i64) -> Option<i64> {
    let ticks = mul_div_half_even(price.into(), 1, tick.into())?;
    i64::try_from(ticks.max(1).checked_mul(tick.into())?).ok().filter(|price| *price < i64::MAX)
}

state!(Distances { stop, target, from });

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_AND_THREE: Multiples = Multiples { stop: 2_000_000, target: 3_000_000 };

    #[test]
    fn distances_are_multiples_of_atr_on_the_grid() {
        let distances = Distances::of(TWO_AND_THREE, 26, 10, 7).unwrap();
        assert_eq!(distances, Distances { stop: 50, target: 80, from: 7 });
        assert_eq!(distances.around(1_000, Side::Buy, 10), Some((950, 1_080)));
        assert_eq!(distances.around(1_000, Side::Sell, 10), Some((1_050, 920)));
        // An average price off the grid is brought back to it.
        assert_eq!(distances.around(1_003, Side::Buy, 10), Some((950, 1_080)));
    }

    #[test]
    fn no_distance_is_below_a_tick_and_no_price_out_of_bounds() {
        let of = |atr| Distances::of(TWO_AND_THREE, atr, 10, 0);
        assert_eq!(of(1), Some(Distances { stop: 10, target: 10, from: 0 }));
        assert_eq!(of(0), None);
        let far = Distances { stop: 500, target: 500, from: 0 };
        assert_eq!(far.around(100, Side::Buy, 10), Some((10, 600)));
        assert_eq!(far.around(i64::MAX - 100, Side::Buy, 10), None);
        assert_eq!(of(i64::MAX), None);
    }
}
