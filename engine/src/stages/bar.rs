//! bar: OHLCV per instrument and timeframe, and one micro-batch accumulator an instrument.
//!
//! The only stage that touches every tick, so a tick updates one [`Piece`] whatever the number of
//! timeframes: boundaries come as timers, and a timer folds the piece into every timeframe. Between two
//! timers of an instrument no bucket ends, so a piece lies in one bucket of each timeframe.
//!
//! A print belongs to the bucket of its time; one that comes after a newer record of its instrument, to
//! the bucket of that newer record (journaled order). The sequencer uses the same rule for its timers.

use crate::earlier::AfterValidate;
use crate::stage::{Digest, Emit, Stage};
use crate::state::{Codec, State, StateError, state};
use bytemuck::Zeroable;
use ringbuf_layout::names::TIMER_END_OF_SOURCE;
use ringbuf_layout::output::TIMEFRAMES_MAX;
use ringbuf_layout::units::{MILLISECOND, SECOND, div_half_even};
use ringbuf_layout::{
    Bar, BarFlags, Frame, Instrument, Part, Price, Quote, Session, Size, Slot, Tail, Timer, Trade,
};

/// Prints of a complete micro-batch.
pub const MICRO_BATCH_PRINTS: u32 = 100;
/// Event time after which a micro-batch is complete.
pub const MICRO_BATCH_NS: i64 = MILLISECOND;

/// Prints of one instrument since its last timer, or of one bucket.
#[derive(Clone, Copy, Debug, Default)]
struct Piece {
    ticks: u32,
    open: i64,
    high: i64,
    low: i64,
    close: i64,
    volume: i64,
    /// Σ price × size; fits, because `validate` keeps a session's sizes within an i64.
    notional: i128,
    ts_first: i64,
    ts_last: i64,
    /// Time that decides its bucket: of its first print, or of a newer record before that.
    ts_bucket: i64,
}

impl Piece {
    #[inline]
    fn add(&mut self, ts: i64, ts_bucket: i64, price: i64, size: i64) {
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

    fn fold(&mut self, later: &Self) {
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

    fn digest(&self, digest: &mut Digest) {
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

/// Σ price × size / Σ size; undefined without volume.
fn vwap(notional: i128, volume: i64) -> Price {
    match div_half_even(notional, i128::from(volume)) {
        Some(price) if volume > 0 => Price(price as i64),
        _ => Price::UNDEFINED,
    }
}

/// A micro-batch: up to 100 prints or 1 ms, whichever comes first. Only sums while it runs; the averages
/// are taken when a bar asks for them (a division a print cost 7 of 70 ns a tick).
#[derive(Clone, Copy, Debug, Default)]
struct MicroBatch {
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
    fn is_complete(&self, ts: i64) -> bool {
        self.prints == MICRO_BATCH_PRINTS || ts.saturating_sub(self.start) >= MICRO_BATCH_NS
    }

    #[inline]
    fn begin(&mut self, ts: i64, price: i64, size: i64) {
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

    #[inline]
    fn add(&mut self, price: i64, size: i64) {
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

    /// Population standard deviation of the print-to-print returns.
    fn volatility(&self) -> f64 {
        let n = f64::from(self.prints.saturating_sub(1).max(1));
        let mean = self.returns / n;
        // Rounding may leave a variance a hair below zero.
        libm::sqrt((self.squares / n - mean * mean).max(0.0))
    }

    fn digest(&self, digest: &mut Digest) {
        digest.word(u64::from(self.prints));
        for field in [self.start, self.first, self.last, self.volume] {
            digest.int(field);
        }
        digest.wide(self.notional);
        digest.float(self.returns);
        digest.float(self.squares);
    }
}

/// The bars of one instrument.
#[derive(Clone, Debug, Default)]
struct Builder {
    piece: Piece,
    /// Time of the newest record, accepted or not.
    newest: i64,
    micro: MicroBatch,
    /// The last complete one.
    last_micro: MicroBatch,
    buckets: [Piece; TIMEFRAMES_MAX],
    /// End of the last bar of this session, by timeframe: its open where there was none.
    last_end: [i64; TIMEFRAMES_MAX],
    session_open: i64,
    session_close: i64,
    from_mid: bool,
}

/// The stage.
#[derive(Debug)]
pub struct BarStage {
    timeframes: Vec<u32>,
    builders: Vec<Builder>,
}

impl BarStage {
    /// A stage for these timeframes, in seconds, ascending, and at most `instruments` instruments.
    pub fn new(timeframes_s: &[u32], instruments: usize) -> Self {
        Self { timeframes: timeframes_s.to_vec(), builders: vec![Builder::default(); instruments] }
    }

    /// A market record: rejected ones only move the clock of the instrument.
    #[inline]
    fn on_tick(&mut self, slot: &Slot, earlier: &AfterValidate, is_trade: bool) {
        let tail = slot.input.tail();
        let Some(builder) = self.builders.get_mut(tail.instrument as usize) else { return };
        let ts = slot.input.head().ts_event;
        builder.newest = builder.newest.max(ts);
        let found = earlier.verdict.read(slot);
        if found.rejected || is_trade == builder.from_mid || !found.price.is_defined() {
            return;
        }
        builder.add(ts, found.price.0, found.size.0);
    }

    /// A record of the market that is no print. The sequencer opens buckets at its time; where bars come from the
    /// middle, the top of a book is as good as a quote.
    fn on_other(&mut self, slot: &Slot, earlier: &AfterValidate) {
        let Some(builder) = self.builders.get_mut(slot.input.tail().instrument as usize) else {
            return;
        };
        let ts = slot.input.head().ts_event;
        builder.newest = builder.newest.max(ts);
        if builder.from_mid
            && let Some(top) = earlier.verdict.top(slot)
            && top.middle().is_defined()
        {
            builder.add(ts, top.middle().0, 0);
        }
    }

    fn on_timer(&mut self, timer: &Timer, out: &mut Emit<'_, Bar>) {
        let Some(builder) = self.builders.get_mut(timer.tail.instrument as usize) else { return };
        if builder.piece.ticks > 0 {
            for bucket in &mut builder.buckets[..self.timeframes.len()] {
                bucket.fold(&builder.piece);
            }
            builder.piece = Piece::default();
        }
        for (i, timeframe_s) in self.timeframes.iter().enumerate() {
            if timer.closes & 1 << i != 0 && builder.buckets[i].ticks > 0 {
                out.push(builder.close(i, *timeframe_s, timer));
            }
        }
    }

    fn on_session(&mut self, session: &Session) {
        let Some(builder) = self.builders.get_mut(session.tail.instrument as usize) else { return };
        if builder.session_open != session.open {
            builder.session_open = session.open;
            builder.last_end = [session.open; TIMEFRAMES_MAX];
            // A micro-batch ends with its session, so its sums fit like the bars': the next print
            // completes it.
            builder.micro.start = i64::MIN;
        }
        builder.session_close = session.close;
    }
}

/// Start of the bucket of `ts`, counted from the session's open.
pub fn bucket_start(session_open: i64, timeframe_s: u32, ts: i64) -> i64 {
    ts - (ts - session_open).rem_euclid(i64::from(timeframe_s) * SECOND)
}

impl Builder {
    #[inline]
    fn add(&mut self, ts: i64, price: i64, size: i64) {
        self.piece.add(ts, self.newest, price, size);
        if self.micro.is_complete(ts) {
            self.last_micro = self.micro;
            self.micro.begin(ts, price, size);
        } else {
            self.micro.add(price, size);
        }
    }

    fn close(&mut self, i: usize, timeframe_s: u32, timer: &Timer) -> Bar {
        let bucket = std::mem::take(&mut self.buckets[i]);
        let ts_open = bucket_start(self.session_open, timeframe_s, bucket.ts_bucket);
        let ts_close = ts_open + i64::from(timeframe_s) * SECOND;
        let mut flags = BarFlags::NONE;
        let mut flag = |condition, flag| {
            if condition {
                flags = flags.with(flag);
            }
        };
        flag(ts_open > self.last_end[i], BarFlags::GAP);
        flag(timer.tail.flags & TIMER_END_OF_SOURCE != 0, BarFlags::END_OF_SOURCE);
        flag(ts_close > self.session_close, BarFlags::SESSION_END);
        flag(self.from_mid, BarFlags::MID);
        self.last_end[i] = self.last_end[i].max(ts_close);
        Bar {
            head: Bar::header(timer.head.ts_event, timer.head.ts_recv),
            ts_open,
            ts_close,
            timeframe_s,
            ticks: bucket.ticks,
            tail: Tail { instrument: timer.tail.instrument, flags: flags.0, ..Tail::default() },
            open: Price(bucket.open),
            high: Price(bucket.high),
            low: Price(bucket.low),
            close: Price(bucket.close),
            volume: Size(bucket.volume),
            vwap: vwap(bucket.notional, bucket.volume),
            ts_first: bucket.ts_first,
            ts_last: bucket.ts_last,
            micro_count: self.last_micro.prints,
            timeframe_index: i as u32,
            micro_vwap: vwap(self.last_micro.notional, self.last_micro.volume),
            micro_change: self.last_micro.last - self.last_micro.first,
            micro_volatility: self.last_micro.volatility(),
            ..Bar::zeroed()
        }
    }
}

impl Stage for BarStage {
    const PART: Part = Part::Bar;
    const EVERY_TICK: bool = true;
    type Earlier = AfterValidate;
    type Output = Bar;
    type Standing<'a> = ();

    #[inline]
    fn on_input(&mut self, slot: &Slot, earlier: &AfterValidate, (): (), out: &mut Emit<'_, Bar>) {
        let input = &slot.input;
        if input.is::<Trade>() {
            self.on_tick(slot, earlier, true);
        } else if input.is::<Quote>() {
            self.on_tick(slot, earlier, false);
        } else if let Some(timer) = input.get::<Timer>() {
            self.on_timer(timer, out);
        } else if let Some(session) = input.get::<Session>() {
            self.on_session(session);
        } else if let Some(instrument) = input.get::<Instrument>()
            && let Some(builder) = self.builders.get_mut(instrument.tail.instrument as usize)
        {
            builder.from_mid = instrument.bar_price == 1;
        } else if input.is_of_the_market() {
            self.on_other(slot, earlier);
        }
    }

    fn digest(&self, digest: &mut Digest) {
        for builder in self.builders.iter().filter(|b| b.newest != 0) {
            digest.int(builder.newest);
            digest.word(u64::from(builder.from_mid));
            builder.piece.digest(digest);
            builder.buckets[..self.timeframes.len()].iter().for_each(|b| b.digest(digest));
            builder.last_end.iter().for_each(|end| digest.int(*end));
            digest.int(builder.session_open);
            digest.int(builder.session_close);
            builder.micro.digest(digest);
            builder.last_micro.digest(digest);
        }
    }
}

state!(Piece { ticks, open, high, low, close, volume, notional, ts_first, ts_last, ts_bucket });
state!(MicroBatch { prints, start, first, last, volume, notional, returns, squares });
state!(Builder {
    piece,
    newest,
    micro,
    last_micro,
    buckets,
    last_end,
    session_open,
    session_close,
    from_mid,
});

impl State for BarStage {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { timeframes, builders } = self;
        same_timeframes(timeframes, codec)?;
        codec.rows(builders)
    }
}

/// Bars of other timeframes are no state of these.
fn same_timeframes(timeframes: &[u32], codec: &mut Codec<'_>) -> Result<(), StateError> {
    let mut four = [0; TIMEFRAMES_MAX];
    four[..timeframes.len()].copy_from_slice(timeframes);
    codec.same(&four, "timeframes_s")
}
