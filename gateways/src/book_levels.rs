//! The best levels of a book as they were told last, and what changed since.
//!
//! A book is told by price: a level that leaves the best [`LEVELS`] is deleted though it may still be
//! there, one that comes in is set, and one whose price and size stay is not told again, whatever its
//! number is by then.

use ringbuf_layout::{Price, Side};

/// Levels a side.
pub(crate) const LEVELS: usize = 10;

/// Price in 1e-9 and size in the instrument's unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Level {
    pub price: i64,
    pub size: i64,
}

/// No level: it has no price and size 0.
pub(crate) const ABSENT: Level = Level { price: Price::UNDEFINED.0, size: 0 };

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

    /// The level at this place, best = 0; [`ABSENT`] behind the last.
    #[inline]
    pub(crate) fn at(&self, place: usize) -> Level {
        self.as_slice().get(place).copied().unwrap_or(ABSENT)
    }

    /// Makes these the levels that `now` gives by their places, up to the first that is [`ABSENT`], and tells what makes
    /// the old ones into them.
    #[inline]
    pub(crate) fn update(
        &mut self,
        side: Side,
        now: impl Fn(usize) -> Level,
        tell: impl FnMut(Change),
    ) {
        // Bits instead of branches: which level differs cannot be foreseen.
        let (mut differs, mut moved, mut absent) = (0_u32, 0_u32, 1_u32 << LEVELS);
        for (at, level) in self.levels.iter().enumerate() {
            let now = now(at);
            differs |= u32::from(now != *level) << at;
            moved |= u32::from(now.price != level.price) << at;
            absent |= u32::from(now == ABSENT) << at;
        }
        let count = absent.trailing_zeros() as usize;
        let both = (1 << count.min(self.count)) - 1;
        (differs, moved) = (differs & both, moved & both);
        if count == self.count && moved == 0 {
            self.resize(side, differs, now, tell);
        } else {
            let front = (differs | !both).trailing_zeros() as usize;
            self.replace(side, front, &Self::of((0..count).map(now)), tell);
        }
    }

    /// The levels of these places have other sizes; most records change no more.
    #[inline]
    fn resize(
        &mut self,
        side: Side,
        mut places: u32,
        now: impl Fn(usize) -> Level,
        mut tell: impl FnMut(Change),
    ) {
        while places != 0 {
            let at = places.trailing_zeros() as usize;
            places &= places - 1;
            let Level { price, size } = now(at);
            self.levels[at].size = size;
            tell(Change { side, level: at as u8, price, size });
        }
    }

    /// Prices came or went: first what goes, then what comes or changes, each from the best on. Before `front` the levels
    /// are equal.
    fn replace(&mut self, side: Side, front: usize, now: &Self, mut tell: impl FnMut(Change)) {
        let (old, new) = (&self.as_slice()[front..], &now.as_slice()[front..]);
        let mut next = 0;
        for (at, level) in old.iter().enumerate() {
            if !has(new, &mut next, |now| now.price == level.price) {
                tell(Change { side, level: (front + at) as u8, price: level.price, size: 0 });
            }
        }
        next = 0;
        for (at, level) in new.iter().enumerate() {
            if !has(old, &mut next, |old| old == level) {
                let Level { price, size } = *level;
                tell(Change { side, level: (front + at) as u8, price, size });
            }
        }
        *self = *now;
    }
}

/// True if one of these levels is the one. It is looked for from `next` on, which is then set behind it: both sides of
/// a comparison are in order, so most are found at once.
fn has(levels: &[Level], next: &mut usize, is_it: impl Fn(&Level) -> bool) -> bool {
    let (before, behind) = levels.split_at(*next);
    if let Some(at) = behind.iter().position(&is_it) {
        *next += at + 1;
        return true;
    }
    before.iter().any(is_it)
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
            let (mut levels, now) = (side(old), side(new));
            let tell = |c: Change| told.push((c.level, c.price, c.size));
            levels.update(Side::Buy, |at| now.at(at), tell);
            assert_eq!(told, expected, "{old:?} to {new:?}");
            assert_eq!(levels.as_slice(), now.as_slice(), "{old:?} to {new:?}");
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
                told.update(Side::Buy, |at| now.at(at), |change| {
                    match change.size {
                        0 => assert!(reader.remove(&change.price).is_some()),
                        size => drop(reader.insert(change.price, size)),
                    }
                });
                prop_assert_eq!(told.as_slice(), now.as_slice());
                let kept: Vec<_> =
                    reader.iter().rev().map(|(p, s)| Level { price: *p, size: *s }).collect();
                prop_assert_eq!(kept, told.as_slice());
            }
        }
    }

    /// What is told, each level compared with each.
    fn crosswise(old: &[Level], new: &[Level]) -> Vec<(u8, i64, i64)> {
        let is_gone = |level: &Level| !new.iter().any(|now| now.price == level.price);
        let gone = (0..).zip(old).filter(|(_, level)| is_gone(level));
        let come = (0..).zip(new).filter(|(_, level)| !old.contains(level));
        let gone = gone.map(|(at, level)| (at, level.price, 0));
        gone.chain(come.map(|(at, level)| (at, level.price, level.size))).collect()
    }

    proptest! {
        #[test]
        fn small_steps_of_a_book_are_told_as_if_each_level_were_compared_with_each(
            begin in proptest::collection::btree_map(0_i64..16, 1_i64..4, 0..16),
            steps in proptest::collection::vec((0_i64..16, 0_i64..4), 1..60),
        ) {
            let (mut book, mut told) = (begin, Levels::default());
            for (price, size) in steps {
                if size == 0 { book.remove(&price); } else { book.insert(price, size); }
                let now = Levels::of(book.iter().map(|(p, s)| Level { price: *p, size: *s }));
                let expected = crosswise(told.as_slice(), now.as_slice());
                let mut changes = Vec::new();
                let tell = |c: Change| changes.push((c.level, c.price, c.size));
                told.update(Side::Sell, |at| now.at(at), tell);
                prop_assert_eq!(changes, expected);
                prop_assert_eq!(told.as_slice(), now.as_slice());
            }
        }
    }
}
