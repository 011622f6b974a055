//! All levels of one instrument's book, by price, as a stream of changes builds it.

use crate::depth_window::Level;
use ringbuf_layout::Side;
use std::collections::{BTreeMap, BTreeSet};

/// One side.
#[derive(Clone, Debug, Default)]
struct Ladder {
    levels: BTreeMap<i64, i64>,
    /// Prices that were spoken of and have no level.
    gone: BTreeSet<i64>,
}

/// The book. It is *partial* until a snapshot has come: then it knows which prices were spoken of, so that a
/// snapshot of an earlier moment can fill in the others.
#[derive(Clone, Debug, Default)]
pub(crate) struct FullBook {
    sides: [Ladder; 2],
    whole: bool,
}

impl FullBook {
    /// True once a snapshot has come.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Prices that are held: what memory goes by.
    pub(crate) fn len(&self) -> usize {
        self.sides.iter().map(|side| side.levels.len() + side.gone.len()).sum()
    }

    /// Forgets everything; a snapshot or a change comes next.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// A price has this size now; none for size 0.
    pub(crate) fn set(&mut self, side: Side, (price, size): Level) {
        let ladder = &mut self.sides[usize::from(side == Side::Sell)];
        if size != 0 {
            ladder.levels.insert(price, size);
            ladder.gone.remove(&price);
            return;
        }
        ladder.levels.remove(&price);
        if !self.whole {
            ladder.gone.insert(price);
        }
    }

    /// True if a partial book was told of this price, or a whole one has it.
    pub(crate) fn has_spoken(&self, side: Side, price: i64) -> bool {
        let ladder = &self.sides[usize::from(side == Side::Sell)];
        ladder.levels.contains_key(&price) || ladder.gone.contains(&price)
    }

    /// The level of a snapshot that is older than what the book was told: only of a price that was not spoken of.
    pub(crate) fn fill(&mut self, side: Side, (price, size): Level) {
        let ladder = &mut self.sides[usize::from(side == Side::Sell)];
        if size != 0 && !ladder.gone.contains(&price) {
            ladder.levels.entry(price).or_insert(size);
        }
    }

    /// The snapshot is complete: from now on the book is whole.
    pub(crate) fn complete(&mut self) {
        self.whole = true;
        self.sides.iter_mut().for_each(|side| side.gone.clear());
    }

    /// The bids, best first.
    pub(crate) fn bids(&self) -> impl Iterator<Item = Level> + '_ {
        self.sides[0].levels.iter().rev().map(|(price, size)| (*price, *size))
    }

    /// The asks, best first.
    pub(crate) fn asks(&self) -> impl Iterator<Item = Level> + '_ {
        self.sides[1].levels.iter().map(|(price, size)| (*price, *size))
    }
}
