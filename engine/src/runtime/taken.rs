//! Which records of a source are journaled: what a source that comes again need not deliver.
//!
//! Records come nearly in the order of their source: all up to some sequence, and a few behind it. A filter, or a
//! queue that was lost, leaves holes; they cost a bit a record, not more.

use crate::state::{Codec, State, StateError};
use std::collections::BTreeMap;

/// Sequences in a page of bits.
const PAGE: u64 = 4_096;
const WORDS: usize = (PAGE / 64) as usize;

/// Source sequences.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Taken {
    /// Every sequence below this.
    below: u64,
    /// Pages at or behind it, by their number.
    pages: BTreeMap<u64, [u64; WORDS]>,
    /// One more than the highest.
    end: u64,
}

impl Taken {
    /// Takes a sequence.
    pub fn take(&mut self, sequence: u64) {
        self.end = self.end.max(sequence + 1);
        if sequence < self.below {
            return;
        }
        // The usual case: the next one, and nothing behind it.
        if sequence == self.below && self.pages.is_empty() {
            self.below += 1;
            return;
        }
        let page = self.pages.entry(sequence / PAGE).or_insert([0; WORDS]);
        page[(sequence % PAGE / 64) as usize] |= 1 << (sequence % 64);
        self.settle();
    }

    /// Moves the lower bound over what is taken behind it, and forgets pages below it.
    fn settle(&mut self) {
        while let Some(page) = self.pages.get(&(self.below / PAGE)) {
            let word = page[(self.below % PAGE / 64) as usize] >> (self.below % 64);
            let run = u64::from((!word).trailing_zeros()).min(64 - self.below % 64);
            if run == 0 {
                return;
            }
            let number = self.below / PAGE;
            self.below += run;
            if self.below / PAGE != number {
                self.pages.remove(&number);
            }
        }
    }

    /// True if it is taken.
    #[inline]
    pub fn holds(&self, sequence: u64) -> bool {
        sequence < self.below
            || self.pages.get(&(sequence / PAGE)).is_some_and(|page| {
                page[(sequence % PAGE / 64) as usize] >> (sequence % 64) & 1 == 1
            })
    }

    /// The first that is not.
    pub fn first_missing(&self) -> u64 {
        self.below
    }

    /// One more than the highest that is.
    pub fn end(&self) -> u64 {
        self.end
    }
}

impl State for Taken {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { below, pages, end } = self;
        below.state(codec)?;
        end.state(codec)?;
        let mut list: Vec<(u64, [u64; WORDS])> =
            pages.iter().map(|(number, page)| (*number, *page)).collect();
        codec.list(&mut list, usize::MAX, || (0, [0; WORDS]))?;
        if codec.is_loading() {
            *pages = list.into_iter().collect();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn agrees(taken: &Taken, set: &BTreeSet<u64>, most: u64) -> Result<(), TestCaseError> {
        for sequence in 0..most {
            prop_assert_eq!(taken.holds(sequence), set.contains(&sequence), "{}", sequence);
        }
        let missing = (0..=most).find(|sequence| !set.contains(sequence)).unwrap_or(most);
        prop_assert_eq!(taken.first_missing(), missing);
        prop_assert_eq!(taken.end(), set.last().map_or(0, |last| last + 1));
        Ok(())
    }

    proptest! {
        #[test]
        fn it_holds_what_was_taken_in_whatever_order(
            skips in proptest::collection::vec((0..9_000_u64, 1..300_u64), 1..30)
        ) {
            let (mut taken, mut set) = (Taken::default(), BTreeSet::new());
            for (from, count) in skips {
                for sequence in from..from + count {
                    taken.take(sequence);
                    set.insert(sequence);
                }
            }
            agrees(&taken, &set, 9_400)?;
            let mut bytes = Vec::new();
            taken.state(&mut Codec::save(&mut bytes)).unwrap();
            let mut other = Taken::default();
            other.state(&mut Codec::load(&bytes)).unwrap();
            prop_assert_eq!(&other, &taken);
        }

        #[test]
        fn a_source_in_order_but_for_a_window_leaves_no_pages(window in 1..500_usize) {
            let mut order: Vec<u64> = (0..20_000).collect();
            order.chunks_mut(window).for_each(<[u64]>::reverse);
            let mut taken = Taken::default();
            for sequence in order {
                taken.take(sequence);
            }
            prop_assert_eq!((taken.first_missing(), taken.end()), (20_000, 20_000));
            prop_assert!(taken.pages.len() <= 1);
        }
    }
}
