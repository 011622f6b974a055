//! The best levels of a book as they were told last, and what changed since.
//!
//! A book is told by price: a level that leaves the best [`LEVELS`] is deleted though it may still be
//! there, one that comes in is set, and one whose price and size stay is not told again, whatever its
//! number is by then.

use ringbuf_layout::Side;

/// Levels a side.
pub(crate) const LEVELS: usize = 10;

/// Price in 1e-9 and size in the instrument's unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Level {
    pub price: i64,
    pub size: i64,
}

/// One side, the best first.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Levels {
    levels: [Level; LEVELS],
    count: usize,
}

impl Levels {
    /// The first [`LEVELS`] of `levels`.
    pub(crate) fn of(levels: impl IntoIterator<Item = Level>) -> Self {
        let mut side = Self::default();
        for (place, level) in side.levels.iter_mut().zip(levels) {
            *place = level;
            side.count += 1;
        }
        side
    }

    pub(crate) fn as_slice(&self) -> &[Level] {
        &self.levels[..self.count]
    }

    /// The best level.
    pub(crate) fn best(&self) -> Option<Level> {
        self.as_slice().first().copied()
    }
}

/// What is to be told of a level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Change {
    pub side: Side,
    /// Where it is, or was; best = 0.
    pub level: u8,
    pub price: i64,
    /// 0 deletes it.
    pub size: i64,
}

/// Tells what makes `old` into `new`: first what goes, then what comes or changes, each from the best on.
pub(crate) fn changes(side: Side, old: &Levels, new: &Levels, mut tell: impl FnMut(Change)) {
    let (old, new) = (old.as_slice(), new.as_slice());
    // Most changes are of one level: what is equal before and behind it need not be compared crosswise.
    let front = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let ends = old[front..].iter().rev().zip(new[front..].iter().rev());
    let back = ends.take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[front..old.len() - back], &new[front..new.len() - back]);
    for (at, level) in old.iter().enumerate() {
        if !new.iter().any(|now| now.price == level.price) {
            tell(Change { side, level: (front + at) as u8, price: level.price, size: 0 });
        }
    }
    for (at, level) in new.iter().enumerate() {
        if !old.contains(level) {
            let Level { price, size } = *level;
            tell(Change { side, level: (front + at) as u8, price, size });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn side(levels: &[(i64, i64)]) -> Levels {
        Levels::of(levels.iter().map(|(price, size)| Level { price: *price, size: *size }))
    }

    #[test]
    fn only_what_changed_is_told() {
        let check = |old: &[(i64, i64)], new: &[(i64, i64)], expected: &[(u8, i64, i64)]| {
            let mut told = Vec::new();
            changes(Side::Buy, &side(old), &side(new), |c| told.push((c.level, c.price, c.size)));
            assert_eq!(told, expected, "{old:?} to {new:?}");
        };
        let book = &[(9, 1), (8, 2), (7, 3)][..];
        check(book, book, &[]);
        check(&[], book, &[(0, 9, 1), (1, 8, 2), (2, 7, 3)]);
        check(book, &[], &[(0, 9, 0), (1, 8, 0), (2, 7, 0)]);
        check(book, &[(9, 1), (8, 5), (7, 3)], &[(1, 8, 5)]);
        check(book, &[(8, 2), (7, 3)], &[(0, 9, 0)]);
        check(book, &[(10, 4), (9, 1), (8, 2)], &[(2, 7, 0), (0, 10, 4)]);
        check(book, &[(9, 1), (6, 2), (7, 3)], &[(1, 8, 0), (1, 6, 2)]);
    }

    proptest! {
        #[test]
        fn a_reader_who_keeps_prices_has_the_same_levels(
            books in proptest::collection::vec(
                proptest::collection::btree_map(0_i64..30, 1_i64..4, 0..15), 1..8),
        ) {
            let mut told = Levels::default();
            let mut reader = BTreeMap::new();
            for book in books {
                let best = book.iter().rev().take(LEVELS);
                let now = Levels::of(best.map(|(p, s)| Level { price: *p, size: *s }));
                changes(Side::Buy, &told, &now, |change| {
                    match change.size {
                        0 => assert!(reader.remove(&change.price).is_some()),
                        size => drop(reader.insert(change.price, size)),
                    }
                });
                told = now;
                let kept: Vec<_> =
                    reader.iter().rev().map(|(p, s)| Level { price: *p, size: *s }).collect();
                prop_assert_eq!(kept, told.as_slice());
            }
        }
    }
}
