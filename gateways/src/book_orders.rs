//! A book of single orders, as `mbo` data describes it, summed to levels.
//!
//! Orders are kept by publisher, side and number, so that several venues can share a book; a level is the
//! sum over all of them. Data that begins within a session cancels and changes orders that were never
//! seen: a cancel of one is passed over, a change is its arrival, as Databento's own description says.

use crate::book_levels::{LEVELS, Level, Levels};
use crate::files::Fault;
use foldhash::fast::RandomState;
use ringbuf_layout::{Price, Side};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

/// Most orders that rest in all books of a source: some 100 MB.
pub(crate) const ORDERS_MAX: usize = 1 << 21;
/// A side of a venue that is empty keeps room for so many: more would be walked at every clear to come.
const KEPT_ROOM: usize = 64;

/// Who numbered an order, and how.
type OrderKey = (u16, u64);

#[derive(Clone, Copy, Debug)]
struct Order {
    price: i64,
    size: u32,
}

/// Bids and asks of a publisher, apart: a venue that publishes its best alone clears a side with each record, and
/// must not walk the orders of others for it (1.4 ms a record beside 300,000).
type Venue = [HashMap<u64, Order, RandomState>; 2];

/// The orders of one instrument.
///
/// A quick hasher, ten levels walked only when one of them may have changed, and compared only where they were walked:
/// 138 to 190 ns a record; with the hasher of `std` and both sides walked every time it was 348 (two shared cores).
#[derive(Debug)]
pub(crate) struct OrderBook {
    venues: HashMap<u16, Venue, RandomState>,
    /// Bids and asks.
    sides: [SideBook; 2],
    /// Orders in all venues.
    resting: usize,
    /// What one of a size is in the instrument's unit.
    unit: i64,
}

impl OrderBook {
    /// An empty book, whose sizes are told times `unit`.
    pub(crate) fn new(unit: i64) -> Self {
        let sides = [Side::Buy, Side::Sell].map(SideBook::new);
        Self { venues: HashMap::default(), sides, resting: 0, unit }
    }

    /// Orders in it.
    pub(crate) fn len(&self) -> usize {
        self.resting
    }

    /// An order arrives, or comes to another price, size or side. One without a side or a price does not rest.
    ///
    /// # Errors
    /// A size beyond what a level can hold.
    pub(crate) fn set(
        &mut self,
        (publisher, number): OrderKey,
        side: Side,
        price: i64,
        size: u32,
    ) -> Result<(), Fault> {
        let venue = self.venues.entry(publisher).or_default();
        let rests = side != Side::None && price != Price::UNDEFINED.0 && size != 0;
        for (at, orders) in venue.iter_mut().enumerate() {
            if rests && at == place(side) {
                continue;
            }
            if let Some(old) = orders.remove(&number) {
                self.sides[at].lower(old.price, old.size);
                self.resting -= 1;
                give_room_back(orders);
            }
        }
        if !rests {
            return Ok(());
        }
        let book = &mut self.sides[place(side)];
        match venue[place(side)].entry(number) {
            Entry::Occupied(mut entry) => {
                let old = entry.insert(Order { price, size });
                book.lower(old.price, old.size);
            }
            Entry::Vacant(entry) => {
                entry.insert(Order { price, size });
                self.resting += 1;
            }
        }
        book.raise(price, size)
    }

    /// Part or all of an order goes; it is looked for on `side` first. False if it was never seen.
    pub(crate) fn cancel(&mut self, (publisher, number): OrderKey, side: Side, size: u32) -> bool {
        let Some(venue) = self.venues.get_mut(&publisher) else { return false };
        let first = place(side);
        for at in [first, 1 - first] {
            let Entry::Occupied(mut entry) = venue[at].entry(number) else { continue };
            let order = entry.get_mut();
            let gone = size.min(order.size);
            order.size -= gone;
            let Order { price, size } = *order;
            if size == 0 {
                entry.remove();
                self.resting -= 1;
                give_room_back(&mut venue[at]);
            }
            self.sides[at].lower(price, gone);
            return true;
        }
        false
    }

    /// All orders of a publisher go, of one side or of both (`None`).
    pub(crate) fn clear(&mut self, publisher: u16, side: Side) {
        let Some(venue) = self.venues.get_mut(&publisher) else { return };
        for (at, orders) in venue.iter_mut().enumerate() {
            if side != Side::None && at != place(side) {
                continue;
            }
            self.resting -= orders.len();
            for (_, order) in orders.drain() {
                self.sides[at].lower(order.price, order.size);
            }
            give_room_back(orders);
        }
    }

    /// The best levels of both sides, sizes in the instrument's unit; `None` if they are those of the last call.
    ///
    /// # Errors
    /// A size that does not fit.
    pub(crate) fn best_if_changed(&mut self) -> Result<Option<[&Levels; 2]>, Fault> {
        let mut has_changed = false;
        for side in &mut self.sides {
            has_changed |= side.read(self.unit)?;
        }
        Ok(has_changed.then(|| self.sides.each_ref().map(|side| &side.best)))
    }

    /// The next call gives the best levels, whether they changed or not: another schema told others.
    pub(crate) fn tell_again(&mut self) {
        for side in &mut self.sides {
            side.is_stale = true;
        }
    }
}

/// Of a side that is empty.
fn give_room_back(orders: &mut HashMap<u64, Order, RandomState>) {
    if orders.is_empty() && orders.capacity() > KEPT_ROOM {
        *orders = HashMap::default();
    }
}

/// Where a side's orders are; what has no side is looked for among the asks first.
fn place(side: Side) -> usize {
    usize::from(side != Side::Buy)
}

/// The levels of one side.
#[derive(Debug)]
struct SideBook {
    side: Side,
    /// Sizes by price.
    levels: BTreeMap<i64, u64>,
    /// The best of them as they were read last.
    best: Levels,
    /// True if one of the best may be another since: only then are ten levels walked.
    is_stale: bool,
}

impl SideBook {
    fn new(side: Side) -> Self {
        Self { side, levels: BTreeMap::new(), best: Levels::default(), is_stale: false }
    }

    fn raise(&mut self, price: i64, size: u32) -> Result<(), Fault> {
        self.touch(price);
        let level = self.levels.entry(price).or_default();
        *level = level
            .checked_add(u64::from(size))
            .ok_or_else(|| Fault::new("size", "the level's size does not fit"))?;
        Ok(())
    }

    fn lower(&mut self, price: i64, size: u32) {
        self.touch(price);
        if let Some(level) = self.levels.get_mut(&price) {
            *level = level.saturating_sub(u64::from(size));
            if *level == 0 {
                self.levels.remove(&price);
            }
        }
    }

    /// A level at `price` changes: of no matter if it is behind the tenth.
    fn touch(&mut self, price: i64) {
        let tenth = self.best.as_slice().get(LEVELS - 1);
        let is_behind = tenth.is_some_and(|tenth| match self.side {
            Side::Buy => price < tenth.price,
            _ => price > tenth.price,
        });
        self.is_stale |= !is_behind;
    }

    /// Brings `best` up to date; true if it may be another than before.
    fn read(&mut self, unit: i64) -> Result<bool, Fault> {
        if !self.is_stale {
            return Ok(false);
        }
        let mut fits = true;
        let level = |(price, size): (&i64, &u64)| {
            let size = i64::try_from(*size).ok().and_then(|size| size.checked_mul(unit));
            fits &= size.is_some();
            Level { price: *price, size: size.unwrap_or_default() }
        };
        let levels = self.levels.iter();
        self.best = match self.side {
            Side::Buy => Levels::of(levels.rev().take(LEVELS).map(level)),
            _ => Levels::of(levels.take(LEVELS).map(level)),
        };
        self.is_stale = !fits;
        if fits { Ok(true) } else { Err(Fault::new("size", "the level's size does not fit")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn best(book: &mut OrderBook) -> [Vec<(i64, i64)>; 2] {
        let levels = |book: &OrderBook| {
            let side =
                |side: &SideBook| side.best.as_slice().iter().map(|l| (l.price, l.size)).collect();
            book.sides.each_ref().map(side)
        };
        let before: [Vec<_>; 2] = levels(book);
        let has_changed = book.best_if_changed().unwrap().is_some();
        assert!(has_changed || before == levels(book));
        assert!(book.best_if_changed().unwrap().is_none());
        levels(book)
    }

    #[test]
    fn orders_add_up_to_levels_and_leave_them() {
        let mut book = OrderBook::new(1);
        book.set((1, 1), Side::Buy, 10, 5).unwrap();
        book.set((1, 2), Side::Buy, 10, 3).unwrap();
        book.set((1, 3), Side::Buy, 9, 1).unwrap();
        book.set((2, 1), Side::Sell, 11, 7).unwrap();
        assert_eq!(best(&mut book), [vec![(10, 8), (9, 1)], vec![(11, 7)]]);
        book.cancel((1, 1), Side::Buy, 2);
        assert_eq!(best(&mut book)[0], [(10, 6), (9, 1)]);
        // More than there is, and of an order never seen.
        book.cancel((1, 1), Side::None, 9);
        book.cancel((1, 77), Side::Sell, 9);
        assert_eq!(best(&mut book)[0], [(10, 3), (9, 1)]);
        // A change moves it; of an order never seen, it is its arrival.
        book.set((1, 2), Side::Buy, 9, 4).unwrap();
        book.set((1, 8), Side::Sell, 12, 2).unwrap();
        assert_eq!(best(&mut book), [vec![(9, 5)], vec![(11, 7), (12, 2)]]);
        // One venue's clear leaves the other's orders.
        book.clear(1, Side::None);
        assert_eq!(best(&mut book), [vec![], vec![(11, 7)]]);
        assert_eq!(book.len(), 1);
        for (side, price, size) in
            [(Side::None, 1, 1), (Side::Buy, Price::UNDEFINED.0, 1), (Side::Buy, 1, 0)]
        {
            book.set((3, 3), side, price, size).unwrap();
            assert_eq!(book.len(), 1);
        }
    }

    #[test]
    fn a_size_that_does_not_fit_is_a_fault() {
        let mut book = OrderBook::new(1);
        for number in 0..3 {
            book.set((1, number), Side::Buy, 10, u32::MAX).unwrap();
        }
        assert!(book.best_if_changed().is_ok());
        let mut book = OrderBook::new(1_000_000_000);
        for number in 0..3 {
            book.set((1, number), Side::Buy, 10, u32::MAX).unwrap();
        }
        for _ in 0..2 {
            assert_eq!(book.best_if_changed().unwrap_err().column, "size");
        }
    }

    #[test]
    fn a_side_that_was_emptied_keeps_no_room_to_walk_and_no_orders_of_others_go() {
        let mut book = OrderBook::new(1);
        for number in 0..10_000 {
            book.set((1, number), Side::Buy, 10, 1).unwrap();
        }
        // A venue that publishes its best alone: its side has nothing else.
        for size in 1..100_000 {
            book.clear(2, Side::Buy);
            book.set((2, 0), Side::Buy, 11, size).unwrap();
        }
        assert_eq!(
            (book.len(), best(&mut book)),
            (10_001, [vec![(11, 99_999), (10, 10_000)], vec![]])
        );
        book.clear(1, Side::None);
        assert!(book.venues[&1].iter().all(|orders| orders.capacity() <= KEPT_ROOM));
        assert_eq!((book.len(), best(&mut book)[0].clone()), (1, vec![(11, 99_999)]));
        book.tell_again();
        assert!(book.best_if_changed().unwrap().is_some());
        // It goes to the other side, and a cancel that names the wrong one finds it.
        book.set((2, 0), Side::Sell, 12, 5).unwrap();
        assert!(book.cancel((2, 0), Side::Buy, 2));
        assert_eq!((book.len(), best(&mut book)), (1, [vec![], vec![(12, 3)]]));
    }

    proptest! {
        #[test]
        fn levels_are_the_sum_of_the_orders(
            steps in proptest::collection::vec(
                (0_u8..9, 0_u16..2, 0_u64..30, any::<bool>(), 1_i64..25, 0_u32..9), 0..200),
        ) {
            let mut book = OrderBook::new(1);
            for (what, publisher, number, buys, price, size) in steps {
                let side = if buys { Side::Buy } else { Side::Sell };
                match what {
                    0..6 => book.set((publisher, number), side, price, size).unwrap(),
                    6 | 7 => {
                        book.cancel((publisher, number), side, size);
                    }
                    _ => book.clear(publisher, side),
                }
                let mut sums = [BTreeMap::new(), BTreeMap::new()];
                let mut resting = 0;
                for (side, orders) in book.venues.values().flat_map(|venue| venue.iter().enumerate()) {
                    resting += orders.len();
                    for order in orders.values() {
                        *sums[side].entry(order.price).or_default() += u64::from(order.size);
                    }
                }
                prop_assert_eq!(book.len(), resting);
                let [bids, asks] = sums.each_ref().map(|side: &BTreeMap<i64, u64>| {
                    side.iter().map(|(price, size)| (*price, *size as i64)).collect::<Vec<_>>()
                });
                // Ten are told, and what is behind them is not walked: more levels than that rest.
                let bids: Vec<_> = bids.into_iter().rev().take(LEVELS).collect();
                let asks: Vec<_> = asks.into_iter().take(LEVELS).collect();
                // Several changes between two looks.
                if number % 3 != 1 {
                    prop_assert_eq!(best(&mut book), [bids, asks]);
                }
                prop_assert_eq!(sums, book.sides.each_ref().map(|side| side.levels.clone()));
            }
        }
    }
}
