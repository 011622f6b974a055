//! The orders of one instrument: 64 at work, and the last that are over, for reports that come late.

use crate::orders::id::OrderId;
use crate::orders::order::Working;
use crate::stage::Digest;
use crate::state::{Codec, State, StateError, checked};

/// Orders of an instrument that can be at work at once.
pub const WORKING_MAX: usize = 64;
/// Orders that are over and still known.
pub const FINISHED_MAX: usize = 64;
/// As many in a drill at a broker, where orders are made faster than reports come back.
pub const FINISHED_IN_A_DRILL: usize = 1_024;

/// Where an order is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// At work.
    Live(usize),
    /// Over.
    Finished(usize),
}

/// The book. Both lists are allocated once.
#[derive(Clone, Debug)]
pub struct Book {
    /// In the order in which they were made: that is time priority.
    live: Vec<Working>,
    finished: Vec<Working>,
    /// The place that the next order to be over takes.
    next: usize,
    /// How many of them are kept.
    kept: usize,
}

impl Book {
    /// A book that keeps so many orders that are over.
    pub fn new(kept: usize) -> Self {
        let finished = Vec::with_capacity(kept);
        Self { live: Vec::with_capacity(WORKING_MAX), finished, next: 0, kept }
    }

    /// The orders at work, oldest first.
    pub fn live(&self) -> &[Working] {
        &self.live
    }

    /// Places left for orders.
    pub fn room(&self) -> usize {
        WORKING_MAX - self.live.len()
    }

    /// Takes a new order; false if 64 are at work.
    pub fn insert(&mut self, order: Working) -> bool {
        let fits = self.live.len() < WORKING_MAX;
        if fits {
            self.live.push(order);
        }
        fits
    }

    /// Where an order is, if it is still known.
    pub fn find(&self, id: OrderId) -> Option<Place> {
        let live = self.live.iter().position(|order| order.id == id).map(Place::Live);
        let is = |order: &Working| order.id == id;
        live.or_else(|| self.finished.iter().position(is).map(Place::Finished))
    }

    /// The order at a place.
    pub fn get(&self, place: Place) -> &Working {
        match place {
            Place::Live(at) => &self.live[at],
            Place::Finished(at) => &self.finished[at],
        }
    }

    /// Puts an order back where it was; one that is over goes to those.
    pub fn put(&mut self, place: Place, order: Working) {
        match place {
            Place::Live(at) if order.state.is_final() => {
                self.live.remove(at);
                self.finish(order);
            }
            Place::Live(at) => self.live[at] = order,
            Place::Finished(at) => self.finished[at] = order,
        }
    }

    /// Forgets that the oldest order is at work: a drill's, whose broker never answers.
    pub fn give_up_oldest(&mut self) {
        if !self.live.is_empty() {
            let oldest = self.live.remove(0);
            self.finish(oldest);
        }
    }

    fn finish(&mut self, order: Working) {
        match self.finished.get_mut(self.next) {
            Some(old) => *old = order,
            None => self.finished.push(order),
        }
        self.next = (self.next + 1) % self.kept;
    }

    /// Feeds its state to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        digest.word(self.live.len() as u64);
        digest.word(self.next as u64);
        self.live.iter().chain(&self.finished).for_each(|order| order.digest(digest));
    }
}

impl State for Book {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { live, finished, next, kept } = self;
        codec.same(kept, "the orders that are kept")?;
        codec.list(live, WORKING_MAX, || Working::BLANK)?;
        codec.list(finished, *kept, || Working::BLANK)?;
        next.state(codec)?;
        // The next place is one of those that are taken, or the first that is not.
        checked(self, codec, |book| book.next < book.kept && book.next <= book.finished.len())
    }
}
