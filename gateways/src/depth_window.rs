//! The best levels of a book, and what changed of them since they were last told.
//!
//! The whole book of a venue stays in its decoder; the engine keeps a fixed number of levels a side. Told of
//! every change among the best `depth` levels it always holds exactly those: what falls out of them is a
//! delete, what moves up into them a set. Deletes come first, worst level first, then sets, best first, so that
//! a side never holds more than `depth` levels, and each record's level is where its price stands at that
//! moment. With the first update of each minute the whole window is told anew, so that a run that begins within
//! the data, or lost a record, soon has the book.

use ringbuf_layout::names::{BOOK_UPDATE_END, BookAction};
use ringbuf_layout::units::SECOND;
use ringbuf_layout::{BookLevel, Frame, Price, Side, Size, Tail};

/// Levels a side that go to the engine where the format does not hold fewer.
pub(crate) const DEPTH: usize = engine::depth::LEVELS;

/// How often the whole window is told, in event time.
const MINUTE: i64 = 60 * SECOND;

/// Price and size of a level.
pub(crate) type Level = (i64, i64);

/// What happened to a level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Change {
    pub action: BookAction,
    pub side: Side,
    /// Where the price stands in its side, best = 0: after a set, before a delete.
    pub level: u8,
    pub price: i64,
    pub size: i64,
}

impl Change {
    /// The record of this change; `ends` is true for the last of its update.
    pub(crate) fn record(
        &self,
        ts_event: i64,
        ts_recv: i64,
        instrument: u32,
        ends: bool,
    ) -> BookLevel {
        BookLevel {
            head: BookLevel::header(ts_event, ts_recv),
            price: Price(self.price),
            size: Size(self.size),
            source_seq: BookLevel::place(self.level, self.action),
            tail: Tail {
                instrument,
                side: self.side as u8,
                flags: if ends { BOOK_UPDATE_END } else { 0 },
                ..Tail::default()
            },
        }
    }
}

/// The levels of one book that the engine was told of.
#[derive(Clone, Debug)]
pub(crate) struct DepthWindow {
    depth: usize,
    /// Bids and asks, best first.
    told: [Vec<Level>; 2],
    scratch: Vec<Level>,
    /// Minute of event time in which the whole window was told; none before the first, or if that is void.
    minute: Option<i64>,
}

impl DepthWindow {
    /// A window of the best `depth` levels a side, at most 255.
    pub(crate) fn new(depth: usize) -> Self {
        let side = || Vec::with_capacity(depth);
        let depth = depth.min(usize::from(u8::MAX));
        Self { depth, told: [side(), side()], scratch: side(), minute: None }
    }

    /// What the engine knows is void: the next update is told as a snapshot.
    pub(crate) fn restart(&mut self) {
        self.minute = None;
    }

    /// Appends to `out` what changed in the window of a book that has these levels at `ts`, best first, prices
    /// strictly in order. Nothing is appended where the change lies behind the window.
    pub(crate) fn update(
        &mut self,
        ts: i64,
        bids: impl Iterator<Item = Level>,
        asks: impl Iterator<Item = Level>,
        out: &mut Vec<Change>,
    ) {
        let minute = Some(ts.div_euclid(MINUTE));
        if self.minute != minute {
            self.minute = minute;
            self.told.iter_mut().for_each(Vec::clear);
            let (action, side) = (BookAction::Snapshot, Side::None);
            out.push(Change { action, side, level: 0, price: 0, size: 0 });
        }
        self.side(Side::Buy, bids, out);
        self.side(Side::Sell, asks, out);
    }

    fn side(&mut self, side: Side, levels: impl Iterator<Item = Level>, out: &mut Vec<Change>) {
        self.scratch.clear();
        self.scratch.extend(levels.take(self.depth));
        let old = &mut self.told[usize::from(side == Side::Sell)];
        let new = &mut self.scratch;
        let is_better = |a: i64, b: i64| if side == Side::Sell { a < b } else { a > b };
        let mut left = new.len();
        for level in (0..old.len()).rev() {
            let (price, _) = old[level];
            while left > 0 && is_better(price, new[left - 1].0) {
                left -= 1;
            }
            if left == 0 || new[left - 1].0 != price {
                let action = BookAction::Delete;
                out.push(Change { action, side, level: level as u8, price, size: 0 });
            }
        }
        let mut at = 0;
        for (level, &(price, size)) in new.iter().enumerate() {
            while old.get(at).is_some_and(|old| is_better(old.0, price)) {
                at += 1;
            }
            if old.get(at) != Some(&(price, size)) {
                let action = BookAction::Set;
                out.push(Change { action, side, level: level as u8, price, size });
            }
        }
        std::mem::swap(old, new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Whoever follows the changes by the rules of the record.
    #[derive(Default)]
    struct Follower {
        sides: [Vec<Level>; 2],
        longest: usize,
    }

    impl Follower {
        fn follow(&mut self, change: &Change) {
            let levels = &mut self.sides[usize::from(change.side == Side::Sell)];
            let at = usize::from(change.level);
            match change.action {
                BookAction::Set => match levels.iter_mut().find(|level| level.0 == change.price) {
                    Some(level) => level.1 = change.size,
                    None => levels.insert(at, (change.price, change.size)),
                },
                BookAction::Delete => assert_eq!(levels.remove(at).0, change.price),
                BookAction::Clear => levels.clear(),
                BookAction::Snapshot => self.sides = [Vec::new(), Vec::new()],
            }
            if change.action == BookAction::Set {
                let levels = &self.sides[usize::from(change.side == Side::Sell)];
                assert_eq!(levels[at].0, change.price, "the level is where the price stands");
            }
            self.longest = self.sides.iter().map(Vec::len).max().unwrap().max(self.longest);
        }
    }

    #[test]
    fn a_change_behind_the_window_is_not_told_and_one_that_moves_up_is() {
        let mut window = DepthWindow::new(2);
        let mut told = |bids: &[Level]| {
            let mut out = Vec::new();
            window.update(59, bids.iter().copied(), std::iter::empty(), &mut out);
            out.iter().map(|c| (c.action.name(), c.level, c.price, c.size)).collect::<Vec<_>>()
        };
        let first = told(&[(9, 1), (8, 1), (7, 1)]);
        assert_eq!(first, [("snapshot", 0, 0, 0), ("set", 0, 9, 1), ("set", 1, 8, 1)]);
        assert_eq!(told(&[(9, 1), (8, 1), (7, 5)]), []);
        assert_eq!(told(&[(8, 1), (7, 5)]), [("delete", 0, 9, 0), ("set", 1, 7, 5)]);
        assert_eq!(told(&[(9, 2), (8, 1)]), [("delete", 1, 7, 0), ("set", 0, 9, 2)]);
        assert_eq!(told(&[]), [("delete", 1, 8, 0), ("delete", 0, 9, 0)]);
    }

    #[test]
    fn a_window_is_told_anew_with_each_minute() {
        let mut window = DepthWindow::new(2);
        let mut told = |ts| {
            let mut out = Vec::new();
            window.update(ts, [(9, 1)].into_iter(), std::iter::empty(), &mut out);
            out.iter().map(|change| change.action.name()).collect::<Vec<_>>()
        };
        assert_eq!(told(0), ["snapshot", "set"]);
        assert_eq!(told(MINUTE - 1), [""; 0]);
        assert_eq!(told(MINUTE), ["snapshot", "set"]);
        assert_eq!(told(MINUTE + 5), [""; 0]);
    }

    proptest! {
        #[test]
        fn whoever_follows_the_changes_holds_the_best_levels_and_never_more(
            depth in 1_usize..6,
            steps in prop::collection::vec((any::<bool>(), 0_i64..12, 0_i64..3, 0_u8..20), 1..200),
        ) {
            let mut books = [BTreeMap::new(), BTreeMap::new()];
            let (mut window, mut follower) = (DepthWindow::new(depth), Follower::default());
            for (ts, (is_ask, price, size, restart)) in (0..).step_by(7 * SECOND as usize).zip(steps) {
                let side = &mut books[usize::from(is_ask)];
                if size == 0 { side.remove(&price); } else { side.insert(price, size); }
                if restart == 0 { window.restart(); }
                let bids = books[0].iter().rev().map(|(p, s)| (*p, *s));
                let asks = books[1].iter().map(|(p, s)| (*p, *s));
                let mut out = Vec::new();
                window.update(ts, bids.clone(), asks.clone(), &mut out);
                for change in &out {
                    follower.follow(change);
                }
                prop_assert_eq!(&follower.sides[0], &bids.take(depth).collect::<Vec<_>>());
                prop_assert_eq!(&follower.sides[1], &asks.take(depth).collect::<Vec<_>>());
            }
            prop_assert!(follower.longest <= depth);
        }
    }
}
