//! A book of single orders, as `mbo` data describes it, summed to levels.
//!
//! Orders are kept by publisher and number, so that several venues can share a book; a level is the
//! sum over all of them. Data that begins within a session cancels and changes orders that were never
//! seen: a cancel of one is passed over, a change is its arrival, as Databento's own description says.

use crate::book_levels::{Level, Levels};
use crate::files::Fault;
use ringbuf_layout::{Price, Side};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

/// Most orders that rest in all books of a source: some 100 MB.
pub(crate) const ORDERS_MAX: usize = 1 << 21;

/// Who numbered an order, and how.
type OrderKey = (u16, u64);

#[derive(Clone, Copy, Debug)]
struct Order {
    side: Side,
    price: i64,
    size: u32,
}

/// The orders of one instrument.
#[derive(Debug, Default)]
pub(crate) struct OrderBook {
    orders: HashMap<OrderKey, Order>,
    bids: BTreeMap<i64, u64>,
    asks: BTreeMap<i64, u64>,
}

impl OrderBook {
    /// Orders in it.
    pub(crate) fn len(&self) -> usize {
        self.orders.len()
    }

    /// An order arrives, or comes to another price or size. One without a side or a price does not rest.
    ///
    /// # Errors
    /// A size beyond what a level can hold.
    pub(crate) fn set(
        &mut self,
        key: OrderKey,
        side: Side,
        price: i64,
        size: u32,
    ) -> Result<(), Fault> {
        self.remove(key);
        if side == Side::None || price == Price::UNDEFINED.0 || size == 0 {
            return Ok(());
        }
        let level = levels(&mut self.bids, &mut self.asks, side).entry(price).or_default();
        *level = level
            .checked_add(u64::from(size))
            .ok_or_else(|| Fault::new("size", "the level's size does not fit"))?;
        self.orders.insert(key, Order { side, price, size });
        Ok(())
    }

    /// Part or all of an order goes. False if it was never seen.
    pub(crate) fn cancel(&mut self, key: OrderKey, size: u32) -> bool {
        let Entry::Occupied(mut entry) = self.orders.entry(key) else { return false };
        let order = entry.get_mut();
        let gone = size.min(order.size);
        order.size -= gone;
        let Order { side, price, size } = *order;
        if size == 0 {
            entry.remove();
        }
        self.lower(side, price, gone);
        true
    }

    /// All orders of a publisher go, of one side or of both (`None`).
    pub(crate) fn clear(&mut self, publisher: u16, side: Side) {
        let Self { orders, bids, asks } = self;
        orders.retain(|(of, _), order| {
            let goes = *of == publisher && (side == Side::None || side == order.side);
            if goes {
                lower(levels(bids, asks, order.side), order.price, order.size);
            }
            !goes
        });
    }

    fn remove(&mut self, key: OrderKey) {
        if let Some(order) = self.orders.remove(&key) {
            self.lower(order.side, order.price, order.size);
        }
    }

    fn lower(&mut self, side: Side, price: i64, size: u32) {
        lower(levels(&mut self.bids, &mut self.asks, side), price, size);
    }

    /// The best levels of both sides, sizes times `unit`.
    ///
    /// # Errors
    /// A size that does not fit.
    pub(crate) fn best(&self, unit: i64) -> Result<[Levels; 2], Fault> {
        let mut fits = true;
        let mut level = |(price, size): (&i64, &u64)| {
            let size = i64::try_from(*size).ok().and_then(|size| size.checked_mul(unit));
            fits &= size.is_some();
            Level { price: *price, size: size.unwrap_or_default() }
        };
        let bids = Levels::of(self.bids.iter().rev().take(10).map(&mut level));
        let asks = Levels::of(self.asks.iter().take(10).map(&mut level));
        if fits {
            Ok([bids, asks])
        } else {
            Err(Fault::new("size", "the level's size does not fit"))
        }
    }
}

fn levels<'a>(
    bids: &'a mut BTreeMap<i64, u64>,
    asks: &'a mut BTreeMap<i64, u64>,
    side: Side,
) -> &'a mut BTreeMap<i64, u64> {
    if side == Side::Buy { bids } else { asks }
}

fn lower(levels: &mut BTreeMap<i64, u64>, price: i64, size: u32) {
    if let Some(level) = levels.get_mut(&price) {
        *level = level.saturating_sub(u64::from(size));
        if *level == 0 {
            levels.remove(&price);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn best(book: &OrderBook) -> [Vec<(i64, i64)>; 2] {
        book.best(1)
            .unwrap()
            .map(|side| side.as_slice().iter().map(|l| (l.price, l.size)).collect())
    }

    #[test]
    fn orders_add_up_to_levels_and_leave_them() {
        let mut book = OrderBook::default();
        book.set((1, 1), Side::Buy, 10, 5).unwrap();
        book.set((1, 2), Side::Buy, 10, 3).unwrap();
        book.set((1, 3), Side::Buy, 9, 1).unwrap();
        book.set((2, 1), Side::Sell, 11, 7).unwrap();
        assert_eq!(best(&book), [vec![(10, 8), (9, 1)], vec![(11, 7)]]);
        book.cancel((1, 1), 2);
        assert_eq!(best(&book)[0], [(10, 6), (9, 1)]);
        // More than there is, and of an order never seen.
        book.cancel((1, 1), 9);
        book.cancel((1, 77), 9);
        assert_eq!(best(&book)[0], [(10, 3), (9, 1)]);
        // A change moves it; of an order never seen, it is its arrival.
        book.set((1, 2), Side::Buy, 9, 4).unwrap();
        book.set((1, 8), Side::Sell, 12, 2).unwrap();
        assert_eq!(best(&book), [vec![(9, 5)], vec![(11, 7), (12, 2)]]);
        // One venue's clear leaves the other's orders.
        book.clear(1, Side::None);
        assert_eq!(best(&book), [vec![], vec![(11, 7)]]);
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
        let mut book = OrderBook::default();
        for number in 0..3 {
            book.set((1, number), Side::Buy, 10, u32::MAX).unwrap();
        }
        assert!(book.best(1).is_ok());
        assert_eq!(book.best(1_000_000_000).unwrap_err().column, "size");
    }

    proptest! {
        #[test]
        fn levels_are_the_sum_of_the_orders(
            steps in proptest::collection::vec(
                (0_u8..4, 0_u16..2, 0_u64..6, any::<bool>(), 1_i64..5, 0_u32..9), 0..60),
        ) {
            let mut book = OrderBook::default();
            for (what, publisher, number, buys, price, size) in steps {
                let side = if buys { Side::Buy } else { Side::Sell };
                match what {
                    0 | 1 => book.set((publisher, number), side, price, size).unwrap(),
                    2 => {
                        book.cancel((publisher, number), size);
                    }
                    _ => book.clear(publisher, side),
                }
                let mut sums = [BTreeMap::new(), BTreeMap::new()];
                for order in book.orders.values() {
                    let side = usize::from(order.side == Side::Sell);
                    *sums[side].entry(order.price).or_default() += u64::from(order.size);
                }
                prop_assert_eq!(&sums, &[book.bids.clone(), book.asks.clone()]);
            }
        }
    }
}
