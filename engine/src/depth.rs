//! The best levels of an instrument's book: a fixed number a side, ordered by price, without allocation.
//!
//! A book begins with a snapshot, and again after a gap: before one nothing is known of it, and its levels are
//! ignored. A gateway tells every change among its best [`LEVELS`] levels (a level that falls out of them is
//! deleted, one that moves up into them is set), so these are exact.

use crate::stage::Digest;
use crate::state::{Codec, State, StateError, state};
use ringbuf_layout::names::BookAction;
use ringbuf_layout::slot::Top;
use ringbuf_layout::{BookLevel, Price, Side, Size};

/// Levels a side.
pub const LEVELS: usize = 20;

/// One side, best price first.
#[derive(Clone, Copy, Debug, Default)]
struct Ladder {
    prices: [i64; LEVELS],
    sizes: [i64; LEVELS],
    len: usize,
}

impl Ladder {
    /// The place of `price`, or the place where it belongs.
    #[inline]
    fn find(&self, price: i64, side: Side) -> Result<usize, usize> {
        let prices = &self.prices[..self.len];
        let is_behind = |p: &i64| if side == Side::Sell { *p >= price } else { *p <= price };
        let at = prices.iter().position(is_behind).unwrap_or(self.len);
        if prices.get(at) == Some(&price) { Ok(at) } else { Err(at) }
    }

    /// Gives a price its size. Where the side is full the worst price drops out.
    fn set(&mut self, price: i64, size: i64, side: Side) {
        match self.find(price, side) {
            Ok(at) => self.sizes[at] = size,
            Err(LEVELS) => {}
            Err(at) => {
                let end = self.len.min(LEVELS - 1);
                self.prices.copy_within(at..end, at + 1);
                self.sizes.copy_within(at..end, at + 1);
                (self.prices[at], self.sizes[at]) = (price, size);
                self.len = end + 1;
            }
        }
    }

    fn delete(&mut self, price: i64, side: Side) {
        if let Ok(at) = self.find(price, side) {
            self.prices.copy_within(at + 1..self.len, at);
            self.sizes.copy_within(at + 1..self.len, at);
            self.len -= 1;
        }
    }

    /// The best level; an empty side is [`Price::UNDEFINED`] with size 0.
    fn best(&self) -> (Price, Size) {
        if self.len == 0 {
            return (Price::UNDEFINED, Size(0));
        }
        (Price(self.prices[0]), Size(self.sizes[0]))
    }

    fn levels(&self) -> impl Iterator<Item = (Price, Size)> + '_ {
        let levels = self.prices.iter().zip(&self.sizes).take(self.len);
        levels.map(|(price, size)| (Price(*price), Size(*size)))
    }
}

/// The book of one instrument.
#[derive(Clone, Copy, Debug)]
pub struct Depth {
    bids: Ladder,
    asks: Ladder,
    /// Snapshots that it has had; 0 for an instrument without a book.
    snapshots: u64,
    /// True from a snapshot on, until something is lost.
    live: bool,
    /// The source that it is of.
    source: u16,
    /// The top that was told last: bid, ask, their sizes.
    told: [i64; 4],
}

impl Default for Depth {
    fn default() -> Self {
        let (bids, asks) = (Ladder::default(), Ladder::default());
        let told = [Price::UNDEFINED.0, Price::UNDEFINED.0, 0, 0];
        Self { bids, asks, snapshots: 0, live: false, source: 0, told }
    }
}

impl Depth {
    /// Applies one record.
    #[inline]
    pub fn apply(&mut self, level: &BookLevel) {
        let Some(action) = level.action() else { return };
        if action == BookAction::Snapshot {
            self.reset();
            self.live = true;
            self.snapshots += 1;
            self.source = level.tail.source;
            return;
        }
        if !self.live {
            return;
        }
        let side = match level.tail.side {
            1 => Side::Buy,
            2 => Side::Sell,
            _ => Side::None,
        };
        let ladder = match side {
            Side::Sell => &mut self.asks,
            Side::Buy => &mut self.bids,
            // Only a clear can mean both sides.
            Side::None if action == BookAction::Clear => {
                (self.bids.len, self.asks.len) = (0, 0);
                return;
            }
            Side::None => return self.reset(),
        };
        match action {
            BookAction::Set if level.size.0 > 0 => ladder.set(level.price.0, level.size.0, side),
            BookAction::Set | BookAction::Delete => ladder.delete(level.price.0, side),
            BookAction::Clear => ladder.len = 0,
            BookAction::Snapshot => {}
        }
    }

    /// Something was lost: nothing is known of the book until the next snapshot.
    pub fn reset(&mut self) {
        (self.bids.len, self.asks.len, self.live) = (0, 0, false);
    }

    /// True from a snapshot on, until something is lost.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// The source that it is of, if it is live.
    pub fn source(&self) -> Option<u16> {
        self.live.then_some(self.source)
    }

    /// The levels of a side, best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = (Price, Size)> + '_ {
        if side == Side::Sell { self.asks.levels() } else { self.bids.levels() }
    }

    /// The best bid and ask; an empty side is [`Price::UNDEFINED`] with size 0.
    pub fn top(&self) -> Top {
        let ((bid, bid_size), (ask, ask_size)) = (self.bids.best(), self.asks.best());
        Top { bid, ask, bid_size, ask_size }
    }

    /// True if the best bid is above the best ask. A locked book is legal, and is not.
    pub fn is_crossed(&self) -> bool {
        self.bids.len > 0 && self.asks.len > 0 && self.bids.prices[0] > self.asks.prices[0]
    }

    /// The top, if it is another than the one that was told before; from now on it is told.
    pub fn news(&mut self) -> Option<Top> {
        let top = self.top();
        let now = [top.bid.0, top.ask.0, top.bid_size.0, top.ask_size.0];
        let is_new = self.live && now != self.told;
        if is_new {
            self.told = now;
        }
        is_new.then_some(top)
    }

    /// Feeds its state to the hash: nothing of an instrument that never had a book.
    /// `quoted` is true where quotes speak in its place.
    pub fn digest(&self, quoted: bool, digest: &mut Digest) {
        if self.snapshots == 0 {
            return;
        }
        digest.word(self.snapshots);
        let flags = u64::from(self.live) | u64::from(quoted) << 1;
        digest.word(flags | u64::from(self.source) << 16);
        for ladder in [&self.bids, &self.asks] {
            digest.word(ladder.len as u64);
            for (price, size) in ladder.levels() {
                digest.int(price.0);
                digest.int(size.0);
            }
        }
        self.told.iter().for_each(|field| digest.int(*field));
    }
}

/// Only the levels that there are.
impl State for Ladder {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { prices, sizes, len } = self;
        *len = codec.len(*len, LEVELS)?;
        prices[..*len].state(codec)?;
        sizes[..*len].state(codec)
    }
}

state!(Depth { bids, asks, snapshots, live, source, told });
