//! Orders on their way from egress to the gateway: a bounded list with one writer and one reader.
//!
//! ```text
//!  tail (writer)        entries, W words each         head (reader)
//!  ┌───────────┐       ┌──────┬──────┬──────┬────     ┌───────────┐
//!  │ pushed    │       │ n    │ n+1  │ n+2  │ …       │ dropped   │
//!  └───────────┘       └──────┴──────┴──────┴────     └───────────┘
//! ```
//!
//! The reader looks at the oldest entry without removing it, since what it may do with it depends
//! on others: an order leaves when the watermark covers its sequence and the kill word lets it.
//!
//! Head and tail count entries since the start, on cache lines of their own; each side keeps the
//! other's as it last saw it, and looks again only when the list seems full or empty. Entries are
//! relaxed atomic words (plain moves on x86-64); head and tail order them.

use crate::line::Line;
use crate::shim::{Arc, AtomicU64, Ordering::Relaxed, Site, ordering};
use core::fmt;

struct OrderList<const W: usize> {
    tail: Line<AtomicU64>,
    head: Line<AtomicU64>,
    entries: Box<[[AtomicU64; W]]>,
}

impl<const W: usize> OrderList<W> {
    fn capacity(&self) -> u64 {
        self.entries.len() as u64
    }

    #[inline]
    fn entry(&self, number: u64) -> &[AtomicU64; W] {
        &self.entries[number as usize & (self.entries.len() - 1)]
    }
}

/// The writing end: the egress handler's own.
pub struct ListWriter<const W: usize> {
    list: Arc<OrderList<W>>,
    tail: u64,
    /// The reader's head as last seen: never ahead of it.
    head: u64,
}

/// The reading end: the gateway thread's own.
pub struct ListReader<const W: usize> {
    list: Arc<OrderList<W>>,
    head: u64,
    /// The writer's tail as last seen: never ahead of it.
    tail: u64,
}

/// How full a list is, for status.
pub struct ListGauge<const W: usize>(Arc<OrderList<W>>);

/// A list of at most `capacity` entries of `W` words.
///
/// # Panics
/// If `capacity` is not a power of two.
pub fn order_list<const W: usize>(capacity: usize) -> (ListWriter<W>, ListReader<W>) {
    assert!(capacity.is_power_of_two(), "Condition failed: a list of {capacity}");
    let entry = |_| std::array::from_fn(|_| AtomicU64::new(0));
    let list = Arc::new(OrderList {
        tail: Line(AtomicU64::new(0)),
        head: Line(AtomicU64::new(0)),
        entries: (0..capacity).map(entry).collect(),
    });
    (
        ListWriter { list: Arc::clone(&list), tail: 0, head: 0 },
        ListReader { list, head: 0, tail: 0 },
    )
}

impl<const W: usize> ListWriter<W> {
    /// Appends an entry; false, and nothing is changed, if the list is full. Everything that this thread
    /// wrote before is visible to who sees the entry; and what the reader did before it dropped the
    /// entry whose place this one takes is visible here.
    #[inline]
    pub fn push(&mut self, entry: &[u64; W]) -> bool {
        if self.tail - self.head == self.list.capacity() {
            self.head = self.list.head.0.load(ordering(Site::PushHead));
            if self.tail - self.head == self.list.capacity() {
                return false;
            }
        }
        for (cell, word) in self.list.entry(self.tail).iter().zip(entry) {
            cell.store(*word, Relaxed);
        }
        self.tail += 1;
        self.list.tail.0.store(self.tail, ordering(Site::PushTail));
        true
    }

    /// How many entries wait, at most: the reader may have dropped more by now.
    #[inline]
    pub fn len(&self) -> usize {
        (self.tail - self.list.head.0.load(Relaxed)) as usize
    }

    /// True if no entry waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How full the list is, for another thread.
    pub fn gauge(&self) -> ListGauge<W> {
        ListGauge(Arc::clone(&self.list))
    }
}

impl<const W: usize> ListReader<W> {
    /// A copy of the oldest entry, which stays.
    #[inline]
    pub fn peek(&mut self) -> Option<[u64; W]> {
        if self.head == self.tail {
            self.tail = self.list.tail.0.load(ordering(Site::PeekTail));
            if self.head == self.tail {
                return None;
            }
        }
        let entry = self.list.entry(self.head);
        Some(std::array::from_fn(|at| entry[at].load(Relaxed)))
    }

    /// Removes the oldest entry, the one that [`peek`](Self::peek) showed.
    ///
    /// # Panics
    /// If none was seen: an entry would be lost.
    #[inline]
    pub fn drop_front(&mut self) {
        assert!(self.head < self.tail, "Condition failed: an entry is seen before it is dropped");
        self.head += 1;
        self.list.head.0.store(self.head, ordering(Site::DropHead));
    }

    /// Removes the oldest entry and returns it.
    #[inline]
    pub fn pop(&mut self) -> Option<[u64; W]> {
        let entry = self.peek()?;
        self.drop_front();
        Some(entry)
    }

    /// How many entries wait, at least: the writer may have pushed more by now.
    #[inline]
    pub fn len(&self) -> usize {
        (self.list.tail.0.load(Relaxed) - self.head) as usize
    }

    /// True if no entry waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How full the list is, for another thread.
    pub fn gauge(&self) -> ListGauge<W> {
        ListGauge(Arc::clone(&self.list))
    }
}

impl<const W: usize> ListGauge<W> {
    /// How many entries wait, about: head and tail move while they are read.
    pub fn occupancy(&self) -> usize {
        // Head first: it then is the older of the two, unless the CPU has it otherwise.
        let head = self.0.head.0.load(Relaxed);
        let tail = self.0.tail.0.load(Relaxed);
        tail.saturating_sub(head).min(self.0.capacity()) as usize
    }

    /// How many entries the list can hold.
    pub fn capacity(&self) -> usize {
        self.0.entries.len()
    }
}

impl<const W: usize> Clone for ListGauge<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<const W: usize> fmt::Debug for ListWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ListWriter({} of {})", self.len(), self.list.capacity())
    }
}

impl<const W: usize> fmt::Debug for ListReader<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ListReader({} of {})", self.len(), self.list.capacity())
    }
}

impl<const W: usize> fmt::Debug for ListGauge<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ListGauge({} of {})", self.occupancy(), self.capacity())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::thread::{scope, yield_now};

    #[test]
    fn a_full_list_refuses_and_a_dropped_entry_makes_room() {
        let (mut writer, mut reader) = order_list::<2>(2);
        assert!(writer.push(&[1, 10]) && writer.push(&[2, 20]) && !writer.push(&[3, 30]));
        assert_eq!((reader.peek(), reader.peek()), (Some([1, 10]), Some([1, 10])));
        assert_eq!((writer.len(), reader.len(), reader.gauge().occupancy()), (2, 2, 2));
        reader.drop_front();
        assert!(writer.push(&[3, 30]));
        assert_eq!(
            [reader.pop(), reader.pop(), reader.pop()],
            [Some([2, 20]), Some([3, 30]), None]
        );
        assert!(reader.is_empty() && writer.is_empty());
    }

    #[test]
    #[should_panic(expected = "seen before it is dropped")]
    fn an_entry_that_was_not_seen_is_not_dropped() {
        let (mut writer, mut reader) = order_list::<1>(2);
        writer.push(&[1]);
        reader.drop_front();
    }

    #[test]
    #[should_panic(expected = "a list of 3")]
    fn a_capacity_is_a_power_of_two() {
        let _ = order_list::<1>(3);
    }

    #[test]
    fn a_million_entries_cross_threads_in_order_and_whole() {
        const ENTRIES: u64 = 1_000_000;
        let (mut writer, mut reader) = order_list::<4>(1024);
        let gauge = writer.gauge();
        scope(|scope| {
            scope.spawn(move || {
                for n in 0..ENTRIES {
                    while !writer.push(&[n, !n, n * 3, n ^ 0x5a]) {
                        yield_now();
                    }
                }
            });
            for n in 0..ENTRIES {
                let entry = loop {
                    match reader.pop() {
                        Some(entry) => break entry,
                        None => yield_now(),
                    }
                };
                assert_eq!(entry, [n, !n, n * 3, n ^ 0x5a]);
                assert!(n % 1024 != 0 || gauge.occupancy() <= gauge.capacity());
            }
        });
        assert_eq!((reader.pop(), gauge.occupancy()), (None, 0));
    }
}
