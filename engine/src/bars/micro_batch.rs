//! A micro-batch: up to 100 prints or 1 ms, whichever comes first.

use crate::bars::piece::vwap;
use crate::stage::Digest;
use crate::state::state;
use ringbuf_layout::Bar;
use ringbuf_layout::units::MILLISECOND;

/// Prints of a complete micro-batch.
pub const MICRO_BATCH_PRINTS: u32 = 100;
/// Event time after which a micro-batch is complete.
pub const MICRO_BATCH_NS: i64 = MILLISECOND;

/// Only sums while it runs; the averages are taken when a bar asks for them (a division a print cost 7 of 70 ns
/// a tick).
#[derive(Clone, Copy, Debug, Default)]
pub struct MicroBatch {
    prints: u32,
    start: i64,
    first: i64,
    last: i64,
    volume: i64,
    notional: i128,
    /// Σ and Σ² of print-to-print simple returns.
    returns: f64,
    squares: f64,
}

impl MicroBatch {
    /// True if the print at `ts` begins the next batch.
    #[inline]
    pub fn is_complete(&self, ts: i64) -> bool {
        self.prints == MICRO_BATCH_PRINTS || ts.saturating_sub(self.start) >= MICRO_BATCH_NS
    }

    /// Its first print.
    #[inline]
    pub fn begin(&mut self, ts: i64, price: i64, size: i64) {
        *self = Self {
            prints: 1,
            start: ts,
            first: price,
            last: price,
            volume: size,
            notional: i128::from(price) * i128::from(size),
            returns: 0.0,
            squares: 0.0,
        };
    }

    /// A further print.
    #[inline]
    pub fn add(&mut self, price: i64, size: i64) {
        if price != self.last {
            let change = (price - self.last) as f64 / self.last as f64;
            self.returns += change;
            self.squares += change * change;
        }
        self.prints += 1;
        self.last = price;
        self.volume += size;
        self.notional += i128::from(price) * i128::from(size);
    }

    /// A micro-batch ends with its session, so its sums fit like the bars': the next print completes it.
    pub fn end(&mut self) {
        self.start = i64::MIN;
    }

    /// Puts its averages into a bar.
    pub fn put_into(&self, bar: &mut Bar) {
        bar.micro_count = self.prints;
        bar.micro_vwap = vwap(self.notional, self.volume);
        bar.micro_change = self.last - self.first;
        bar.micro_volatility = self.volatility();
    }

    /// Population standard deviation of the print-to-print returns.
    fn volatility(&self) -> f64 {
        let n = f64::from(self.prints.saturating_sub(1).max(1));
        let mean = self.returns / n;
        // Rounding may leave a variance a hair below zero.
        libm::sqrt((self.squares / n - mean * mean).max(0.0))
    }

    /// Feeds its state to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        digest.word(u64::from(self.prints));
        for field in [self.start, self.first, self.last, self.volume] {
            digest.int(field);
        }
        digest.wide(self.notional);
        digest.float(self.returns);
        digest.float(self.squares);
    }
}

state!(MicroBatch { prints, start, first, last, volume, notional, returns, squares });
