//! Open, high, low, close and sums of prints in their journaled order.
//!
//! A print may be set aside by its conditions (an average of earlier prices, an odd lot): it counts, with its size,
//! and sets no price. The plans that rule the tapes say the same: volume yes, high, low and last no. Nor is it in the
//! vwap, which so lies between low and high; at somebody else's price its size would weigh twice. A piece of nothing
//! else takes its prices from what it has, until the first print that sets them.

use crate::stage::Digest;
use crate::state::state;
use bytemuck::Zeroable;
use ringbuf_layout::units::div_half_even;
use ringbuf_layout::{Bar, Price, Size};

/// Prints of one instrument since its last timer, or of one bucket.
#[derive(Clone, Copy, Debug, Default)]
pub struct Piece {
    /// How many.
    pub ticks: u32,
    /// First price.
    pub open: i64,
    /// Highest price.
    pub high: i64,
    /// Lowest price.
    pub low: i64,
    /// Last price.
    pub close: i64,
    /// Σ size.
    pub volume: i64,
    /// Σ price × size; fits, because `validate` keeps a session's sizes within an i64.
    pub notional: i128,
    /// Time of the first print.
    pub ts_first: i64,
    /// Time of the last print.
    pub ts_last: i64,
    /// Time that decides its bucket: of its first print, or of a newer record before that.
    pub ts_bucket: i64,
    /// The prints that set no price.
    pub aside: Aside,
}

/// Prints that set no price, which are in the sums of their piece as well.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Aside {
    /// How many.
    pub ticks: u32,
    /// Σ size.
    pub volume: i64,
    /// Σ price × size.
    pub notional: i128,
}

impl Piece {
    /// Adds a print that sets prices.
    #[inline]
    pub fn add(&mut self, ts: i64, ts_bucket: i64, price: i64, size: i64) {
        if self.ticks == self.aside.ticks {
            self.begin(ts, ts_bucket, price);
        }
        self.take(ts, price, size);
    }

    /// Adds a print that sets none.
    #[cold]
    pub fn add_aside(&mut self, ts: i64, ts_bucket: i64, price: i64, size: i64) {
        let prices = (self.open, self.high, self.low, self.close);
        let is_priced = self.is_priced();
        if self.ticks == 0 {
            self.begin(ts, ts_bucket, price);
        }
        self.take(ts, price, size);
        self.aside.ticks += 1;
        self.aside.volume += size;
        self.aside.notional += i128::from(price) * i128::from(size);
        if is_priced {
            (self.open, self.high, self.low, self.close) = prices;
        }
    }

    /// True if a print has set its prices.
    pub fn is_priced(&self) -> bool {
        self.ticks > self.aside.ticks
    }

    /// Its first print, or the first that sets prices after some that do not.
    fn begin(&mut self, ts: i64, ts_bucket: i64, price: i64) {
        if self.ticks == 0 {
            *self = Self { ts_first: ts, ts_bucket, ..Self::default() };
        }
        (self.open, self.high, self.low) = (price, price, price);
    }

    #[inline]
    fn take(&mut self, ts: i64, price: i64, size: i64) {
        self.high = self.high.max(price);
        self.low = self.low.min(price);
        self.close = price;
        self.ts_last = ts;
        self.ticks += 1;
        self.volume += size;
        self.notional += i128::from(price) * i128::from(size);
    }

    /// Adds the prints that came after its own.
    pub fn fold(&mut self, later: &Self) {
        if self.ticks == 0 {
            *self = *later;
            return;
        }
        match (self.is_priced(), later.is_priced()) {
            (true, false) => {}
            (false, true) => {
                (self.open, self.high) = (later.open, later.high);
                (self.low, self.close) = (later.low, later.close);
            }
            _ => {
                self.high = self.high.max(later.high);
                self.low = self.low.min(later.low);
                self.close = later.close;
            }
        }
        self.ts_last = later.ts_last;
        self.ticks += later.ticks;
        self.volume += later.volume;
        self.notional += later.notional;
        self.aside.ticks += later.aside.ticks;
        self.aside.volume += later.aside.volume;
        self.aside.notional += later.aside.notional;
    }

    /// Σ price × size / Σ size of the prints that set prices; of all where none does.
    fn vwap(&self) -> Price {
        let aside = if self.is_priced() { self.aside } else { Aside::default() };
        vwap(self.notional - aside.notional, self.volume - aside.volume)
    }

    /// It as a bar, without times of the bucket, flags and micro-batch.
    pub fn bar(&self) -> Bar {
        Bar {
            ticks: self.ticks,
            open: Price(self.open),
            high: Price(self.high),
            low: Price(self.low),
            close: Price(self.close),
            volume: Size(self.volume),
            vwap: self.vwap(),
            ts_first: self.ts_first,
            ts_last: self.ts_last,
            ..Bar::zeroed()
        }
    }

    /// Feeds its state to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        digest.word(u64::from(self.ticks));
        if self.ticks > 0 {
            for field in [self.open, self.high, self.low, self.close, self.volume] {
                digest.int(field);
            }
            digest.wide(self.notional);
            for ts in [self.ts_first, self.ts_last, self.ts_bucket] {
                digest.int(ts);
            }
        }
        // Nothing where there are none: so runs of before keep their hashes.
        if self.aside.ticks > 0 {
            digest.word(u64::from(self.aside.ticks));
            digest.int(self.aside.volume);
            digest.wide(self.aside.notional);
        }
    }
}

/// Σ price × size / Σ size, rounded half to even; undefined without volume.
pub fn vwap(notional: i128, volume: i64) -> Price {
    match div_half_even(notional, i128::from(volume)) {
        Some(price) if volume > 0 => Price(price as i64),
        _ => Price::UNDEFINED,
    }
}

state!(Aside { ticks, volume, notional });
state!(Piece {
    ticks,
    open,
    high,
    low,
    close,
    volume,
    notional,
    ts_first,
    ts_last,
    ts_bucket,
    aside,
});
