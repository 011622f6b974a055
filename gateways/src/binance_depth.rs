//! The order book of one symbol from Binance's depth events, checked by their update numbers.
//!
//! An event tells the changes of updates `U..=u`, as absolute sizes. The next one begins at `u + 1` at the
//! latest (of futures: it names `u` as `pu`). One that begins later shows that updates are lost: the book is
//! void from there. One that ends no later than the book stands is a repetition, or came too late, and is left out.
//!
//! A book is whole from a snapshot on. Where a recording has had none, the book is made of the events alone and
//! told to the engine all the same: it holds every level that has changed since it began, so near the touch it is
//! soon right, and a level that rested untouched is missing. The best bid and ask of the ticker help: a best
//! price that no event has spoken of is taken from there. Once a symbol has had a snapshot, its book is told
//! only while it is whole: after a gap, from the next snapshot on.

use crate::depth_window::{Change, DEPTH, DepthWindow, Level};
use crate::full_book::FullBook;
use ringbuf_layout::Side;

/// What became of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// It is in the book.
    Applied,
    /// It is in the book, and so many updates before it are lost.
    AfterGap(u64),
    /// It says nothing new, or nothing that fits, and is left out.
    LeftOut,
}

/// The numbers of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Updates {
    pub first: u64,
    pub last: u64,
    /// The update before the event, where the venue names it.
    pub before: Option<u64>,
}

/// A best price of the ticker that no depth event has spoken of.
#[derive(Clone, Copy, Debug)]
struct Unspoken {
    update: u64,
    side: Side,
    level: Level,
}

/// Best prices that wait for the depth event of their update; a later one of the same side takes the place of the
/// oldest.
const UNSPOKEN_MAX: usize = 32;

/// The book of one symbol.
#[derive(Clone, Debug)]
pub(crate) struct DepthChain {
    book: FullBook,
    window: DepthWindow,
    /// First update that the book was told of.
    first: u64,
    /// Last update that is in the book; none before the first event.
    last: Option<u64>,
    /// It has had a snapshot.
    had_snapshot: bool,
    unspoken: Vec<Unspoken>,
}

impl DepthChain {
    pub(crate) fn new() -> Self {
        Self {
            book: FullBook::default(),
            window: DepthWindow::new(DEPTH),
            first: 0,
            last: None,
            had_snapshot: false,
            unspoken: Vec::new(),
        }
    }

    /// Levels that are held: what memory goes by.
    pub(crate) fn len(&self) -> usize {
        self.book.len()
    }

    /// Takes an event.
    pub(crate) fn event(&mut self, updates: Updates, bids: &[Level], asks: &[Level]) -> Outcome {
        let Updates { first, last, before } = updates;
        let mut lost = 0;
        if let Some(known) = self.last {
            if last <= known {
                return Outcome::LeftOut;
            }
            let follows =
                first <= known.saturating_add(1) || before.is_some_and(|before| before <= known);
            if !follows {
                lost = before.unwrap_or(first - 1) - known;
                self.book.clear();
                self.unspoken.clear();
                self.window.restart();
                self.last = None;
            }
        }
        if self.last.is_none() {
            self.first = first;
        }
        self.last = Some(last);
        for (side, levels) in [(Side::Buy, bids), (Side::Sell, asks)] {
            for level in levels {
                self.book.set(side, *level);
            }
        }
        self.take_unspoken(last);
        if lost > 0 { Outcome::AfterGap(lost) } else { Outcome::Applied }
    }

    /// Takes a snapshot that stands after update `last`.
    pub(crate) fn snapshot(&mut self, last: u64, bids: &[Level], asks: &[Level]) -> Outcome {
        let is_newer = self.last.is_none_or(|known| known < last);
        if is_newer {
            self.book.clear();
            self.last = Some(last);
            self.window.restart();
        } else if self.book.is_whole() || self.first > last.saturating_add(1) {
            // The book knows better, or updates between the snapshot and the book are unknown.
            return Outcome::LeftOut;
        }
        // An older one fills in what no event has spoken of: that is what has not changed since.
        for (side, levels) in [(Side::Buy, bids), (Side::Sell, asks)] {
            for level in levels {
                self.book.fill(side, *level);
            }
        }
        self.book.complete();
        self.unspoken.clear();
        self.had_snapshot = true;
        Outcome::Applied
    }

    /// Hears the best bid and ask after `update`. A price that is not in the book of events waits for the event of
    /// that update: if that does not speak of it either, it is a level that has rested since before the book began.
    pub(crate) fn ticker(&mut self, update: u64, bid: Level, ask: Level) {
        if self.book.is_whole() || self.had_snapshot || self.last.is_none() {
            return;
        }
        for (side, level) in [(Side::Buy, bid), (Side::Sell, ask)] {
            if level.0 > 0 && level.1 > 0 && !self.book.has_spoken(side, level.0) {
                if self.unspoken.len() == UNSPOKEN_MAX {
                    self.unspoken.remove(0);
                }
                self.unspoken.push(Unspoken { update, side, level });
            }
        }
    }

    /// Best prices of updates up to `last`: those that still nobody has spoken of are levels of the book.
    fn take_unspoken(&mut self, last: u64) {
        let book = &mut self.book;
        self.unspoken.retain(|unspoken| {
            let is_due = unspoken.update <= last;
            if is_due && !book.has_spoken(unspoken.side, unspoken.level.0) {
                book.fill(unspoken.side, unspoken.level);
            }
            !is_due
        });
    }

    /// Appends to `out` what changed among the best levels up to `ts`, if the book is one to be told.
    pub(crate) fn changes(&mut self, ts: i64, out: &mut Vec<Change>) {
        if self.last.is_some() && (self.book.is_whole() || !self.had_snapshot) {
            self.window.update(ts, self.book.bids(), self.book.asks(), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn at(first: u64, last: u64) -> Updates {
        Updates { first, last, before: None }
    }

    fn bids(chain: &DepthChain) -> Vec<Level> {
        chain.book.bids().collect()
    }

    #[test]
    fn an_event_that_begins_too_late_is_a_gap_of_so_many_updates() {
        let mut chain = DepthChain::new();
        assert_eq!(chain.event(at(5, 8), &[(10, 1)], &[]), Outcome::Applied);
        assert_eq!(chain.event(at(9, 9), &[(11, 1)], &[]), Outcome::Applied);
        assert_eq!(chain.event(at(7, 12), &[(12, 1)], &[]), Outcome::Applied);
        assert_eq!(chain.event(at(7, 12), &[(13, 1)], &[]), Outcome::LeftOut);
        assert_eq!(chain.event(at(15, 16), &[(9, 2)], &[]), Outcome::AfterGap(2));
        assert_eq!(bids(&chain), [(9, 2)]);
    }

    #[test]
    fn futures_are_chained_by_the_update_before() {
        let mut chain = DepthChain::new();
        let at = |first, last, before| Updates { first, last, before: Some(before) };
        assert_eq!(chain.snapshot(20, &[(10, 1)], &[(11, 1)]), Outcome::Applied);
        assert_eq!(chain.event(at(15, 25, 12), &[], &[]), Outcome::Applied);
        assert_eq!(chain.event(at(31, 40, 25), &[], &[]), Outcome::Applied);
        assert_eq!(chain.event(at(50, 60, 44), &[], &[]), Outcome::AfterGap(4));
    }

    #[test]
    fn a_snapshot_that_comes_behind_its_events_fills_in_what_they_did_not_speak_of() {
        let mut chain = DepthChain::new();
        chain.event(at(5, 8), &[(10, 1), (9, 0)], &[]);
        assert_eq!(chain.snapshot(3, &[(8, 1)], &[]), Outcome::LeftOut, "update 4 is unknown");
        assert_eq!(chain.snapshot(6, &[(10, 7), (9, 7), (8, 7)], &[(20, 7)]), Outcome::Applied);
        assert_eq!(bids(&chain), [(10, 1), (8, 7)]);
        assert_eq!(chain.snapshot(7, &[(8, 1)], &[]), Outcome::LeftOut, "the book is whole");
        assert_eq!(chain.snapshot(30, &[(8, 1)], &[]), Outcome::Applied, "newer than the book");
        assert_eq!(bids(&chain), [(8, 1)]);
        assert_eq!(chain.event(at(25, 30), &[(7, 1)], &[]), Outcome::LeftOut);
        assert_eq!(chain.event(at(29, 31), &[(7, 1)], &[]), Outcome::Applied);
    }

    #[test]
    fn after_a_gap_a_book_that_had_a_snapshot_is_silent_until_the_next() {
        let mut chain = DepthChain::new();
        let told = |chain: &mut DepthChain| {
            let mut out = Vec::new();
            chain.changes(0, &mut out);
            out.len()
        };
        chain.event(at(1, 1), &[(10, 1)], &[]);
        assert_eq!(told(&mut chain), 2, "no snapshot yet, and told all the same");
        chain.snapshot(2, &[(10, 1), (9, 1)], &[]);
        assert_eq!(told(&mut chain), 3);
        assert_eq!(chain.event(at(5, 5), &[(10, 2)], &[]), Outcome::AfterGap(2));
        assert_eq!(told(&mut chain), 0);
        chain.snapshot(7, &[(10, 3)], &[]);
        assert_eq!(told(&mut chain), 2);
    }

    #[test]
    fn a_best_price_that_no_event_speaks_of_is_taken_from_the_ticker_of_its_update() {
        let mut chain = DepthChain::new();
        chain.event(at(1, 2), &[(10, 1)], &[(12, 1)]);
        chain.ticker(4, (9, 5), (12, 1));
        chain.ticker(6, (8, 5), (12, 1));
        assert_eq!(chain.event(at(3, 4), &[(10, 0)], &[]), Outcome::Applied);
        assert_eq!(bids(&chain), [(9, 5)], "update 6 is not reached");
        chain.event(at(5, 7), &[(9, 0), (8, 2)], &[]);
        assert_eq!(bids(&chain), [(8, 2)], "the event knows better");
    }

    /// Changes of a book: price, size, and how many of them an event carries.
    fn steps() -> impl Strategy<Value = Vec<(bool, i64, i64)>> {
        prop::collection::vec((any::<bool>(), 1_i64..15, 0_i64..4), 10..150)
    }

    proptest! {
        #[test]
        fn a_book_is_the_venues_wherever_its_snapshot_comes(
            steps in steps(), began in 0_usize..40, taken in 0_usize..80, lag in 0_usize..30,
        ) {
            // One change an update; the recording begins after `began`, the snapshot of update `taken` comes
            // `lag` later.
            let mut venue: Vec<[BTreeMap<i64, i64>; 2]> = vec![Default::default()];
            for (is_ask, price, size) in &steps {
                let mut book = venue.last().unwrap().clone();
                let side = &mut book[usize::from(*is_ask)];
                if *size == 0 { side.remove(price); } else { side.insert(*price, *size); }
                venue.push(book);
            }
            let levels = |side: &BTreeMap<i64, i64>| side.iter().map(|(p, s)| (*p, *s)).collect::<Vec<_>>();
            let mut chain = DepthChain::new();
            for (update, (is_ask, price, size)) in (1..).zip(&steps) {
                if update > began {
                    let level = [(*price, *size)];
                    let (bids, asks) = if *is_ask { (&[][..], &level[..]) } else { (&level[..], &[][..]) };
                    chain.event(at(update as u64, update as u64), bids, asks);
                }
                if update == taken + lag && taken > 0 {
                    chain.snapshot(taken as u64, &levels(&venue[taken][0]), &levels(&venue[taken][1]));
                }
                if chain.book.is_whole() && chain.last == Some(update as u64) {
                    let mut expected = levels(&venue[update][0]);
                    expected.reverse();
                    prop_assert_eq!(bids(&chain), expected);
                    prop_assert_eq!(chain.book.asks().collect::<Vec<_>>(), levels(&venue[update][1]));
                }
            }
            // It is of use where every update since is in the book or comes.
            let came = taken + lag;
            let usable = taken >= began || (came <= began && began >= steps.len());
            let usable = usable && taken > 0 && came <= steps.len();
            prop_assert_eq!(chain.book.is_whole(), usable);
        }
    }
}
