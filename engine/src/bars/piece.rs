//! Open, high, low, close and sums of prints in their journaled order.

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
}

impl Piece {
    /// Adds a print.
    #[inline]
    pub fn add(&mut self, ts: i64, ts_bucket: i64, price: i64, size: i64) {
        if self.ticks == 0 {
            *self = Self {
                open: price,
                high: price,
                low: price,
                ts_first: ts,
                ts_bucket,
                ..Self::default()
            };
        }
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
        self.high = self.high.max(later.high);
        self.low = self.low.min(later.low);
        self.close = later.close;
        self.ts_last = later.ts_last;
        self.ticks += later.ticks;
        self.volume += later.volume;
        self.notional += later.notional;
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
            vwap: vwap(self.notional, self.volume),
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
    }
}

/// Σ price × size / Σ size, rounded half to even; undefined without volume.
pub fn vwap(notional: i128, volume: i64) -> Price {
    match div_half_even(notional, i128::from(volume)) {
        Some(price) if volume > 0 => Price(price as i64),
        _ => Price::UNDEFINED,
    }
}

state!(Piece { ticks, open, high, low, close, volume, notional, ts_first, ts_last, ts_bucket });
