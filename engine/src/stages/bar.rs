//! bar: OHLCV per instrument and timeframe, and one micro-batch accumulator an instrument. The arithmetic of
//! extra bars (tick, volume, notional) and of a vendor's bars is in [`crate::bars`].
//!
//! The only stage that touches every tick, so a tick updates one [`Piece`] whatever the number of
//! timeframes: boundaries come as timers, and a timer folds the piece into every timeframe. Between two
//! timers of an instrument no bucket ends, so a piece lies in one bucket of each timeframe.
//!
//! A print belongs to the bucket of its time; one that comes after a newer record of its instrument, to
//! the bucket of that newer record (journaled order). The sequencer uses the same rule for its timers.
//!
//! With a gap policy, timers come for empty buckets as well, one a bucket, and each makes the bar that fills it:
//! nothing is ever made up for more than one bucket of a timeframe at once.

use crate::bars::extra::Extras;
use crate::bars::fill::flat;
use crate::bars::micro_batch::MicroBatch;
use crate::bars::piece::Piece;
use crate::bars::vendor::VendorBars;
use crate::bars::{ExtraBar, Gap, bucket_start};
use crate::config::Bars;
use crate::earlier::AfterValidate;
use crate::stage::{Digest, Emit, Stage};
use crate::state::{Codec, State, StateError, state};
use ringbuf_layout::names::{BarSource, TIMER_END_OF_SOURCE};
use ringbuf_layout::output::TIMEFRAMES_MAX;
use ringbuf_layout::units::SECOND;
use ringbuf_layout::{
    Bar, BarFlags, ExternalBar, Frame, Header, Instrument, Part, Quote, Reasons, Session, Slot,
    Tail, Timer, Trade,
};

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
    /// A vendor makes its bars; prints make none.
    external: bool,
    /// Last price that may fill a bucket in which nothing traded; 0 where there is none.
    last_close: i64,
    /// A print that sets prices has set it.
    last_is_priced: bool,
}

/// The stage.
#[derive(Debug)]
pub struct BarStage {
    timeframes: Vec<u32>,
    gap: Gap,
    builders: Vec<Builder>,
    extras: Extras,
    vendors: Vec<VendorBars>,
}

impl BarStage {
    /// A stage for the bars of a config, and at most `instruments` instruments.
    pub fn new(bars: &Bars, instruments: usize) -> Self {
        Self {
            timeframes: bars.timeframes_s.clone(),
            gap: bars.gap,
            builders: vec![Builder::default(); instruments],
            extras: Extras::new(&bars.extra, instruments),
            vendors: vec![VendorBars::default(); instruments],
        }
    }

    /// A market record: rejected ones only move the clock of the instrument.
    #[inline]
    fn on_tick(
        &mut self,
        slot: &Slot,
        earlier: &AfterValidate,
        is_trade: bool,
        out: &mut Emit<'_, Bar>,
    ) {
        let instrument = slot.input.tail().instrument as usize;
        let Some(builder) = self.builders.get_mut(instrument) else { return };
        builder.newest = builder.newest.max(slot.input.head().ts_event);
        let found = earlier.verdict.read(slot);
        let of_another_kind = is_trade == builder.from_mid || builder.external;
        if found.rejected || of_another_kind || !found.price.is_defined() {
            return;
        }
        if found.reasons.has(Reasons::CONDITION) {
            self.take_aside(slot, found.price.0, found.size.0, out);
        } else {
            self.take(slot, found.price.0, found.size.0, out);
        }
    }

    /// A record of the market that is no print. The sequencer opens buckets at its time; where bars come from the
    /// middle, the top of a book is as good as a quote.
    fn on_other(&mut self, slot: &Slot, earlier: &AfterValidate, out: &mut Emit<'_, Bar>) {
        let instrument = slot.input.tail().instrument as usize;
        let Some(builder) = self.builders.get_mut(instrument) else { return };
        builder.newest = builder.newest.max(slot.input.head().ts_event);
        if builder.from_mid
            && !builder.external
            && let Some(top) = earlier.verdict.top(slot)
            && top.middle().is_defined()
        {
            self.take(slot, top.middle().0, 0, out);
        }
    }

    /// A price that counts: for the bars of time, the micro-batch and the extra bars of its instrument.
    #[inline]
    fn take(&mut self, slot: &Slot, price: i64, size: i64, out: &mut Emit<'_, Bar>) {
        let instrument = slot.input.tail().instrument;
        let builder = &mut self.builders[instrument as usize];
        let ts = slot.input.head().ts_event;
        builder.piece.add(ts, builder.newest, price, size);
        if builder.micro.is_complete(ts) {
            builder.last_micro = builder.micro;
            builder.micro.begin(ts, price, size);
        } else {
            builder.micro.add(price, size);
        }
        if !self.extras.is_empty() {
            self.take_extra(slot, (price, size), true, out);
        }
    }

    /// A print that counts and sets no price. It is in no micro-batch: those are of prices.
    #[cold]
    fn take_aside(&mut self, slot: &Slot, price: i64, size: i64, out: &mut Emit<'_, Bar>) {
        let builder = &mut self.builders[slot.input.tail().instrument as usize];
        builder.piece.add_aside(slot.input.head().ts_event, builder.newest, price, size);
        if !self.extras.is_empty() {
            self.take_extra(slot, (price, size), false, out);
        }
    }

    /// A print of the bars that no length in time ends.
    #[inline(never)]
    fn take_extra(
        &mut self,
        slot: &Slot,
        (price, size): (i64, i64),
        sets_price: bool,
        out: &mut Emit<'_, Bar>,
    ) {
        let instrument = slot.input.tail().instrument;
        let builder = &self.builders[instrument as usize];
        let (head, first) = (slot.input.head(), self.timeframes.len());
        let print = (head.ts_event, builder.newest, price, size);
        self.extras.add(instrument, print, sets_price, |i, extra, piece| {
            let mut bar = builder.extra(extra, piece, head, builder.newest);
            (bar.timeframe_index, bar.tail.instrument) = ((first + i) as u32, instrument);
            out.push(bar);
        });
    }

    fn on_timer(&mut self, timer: &Timer, out: &mut Emit<'_, Bar>) {
        let instrument = timer.tail.instrument;
        let Some(builder) = self.builders.get_mut(instrument as usize) else { return };
        if builder.external {
            let vendor = &mut self.vendors[instrument as usize];
            vendor.on_timer(timer, &self.timeframes, self.gap, |bar| out.push(bar));
            return;
        }
        if builder.piece.ticks > 0 {
            for bucket in &mut builder.buckets[..self.timeframes.len()] {
                bucket.fold(&builder.piece);
            }
            builder.keep_last_close();
            builder.piece = Piece::default();
        }
        // What the end of a source closes early is not filled: its time has not passed.
        let ended = timer.tail.flags & TIMER_END_OF_SOURCE != 0;
        for (i, timeframe_s) in self.timeframes.iter().enumerate() {
            if timer.closes & 1 << i == 0 {
                continue;
            }
            if builder.buckets[i].ticks > 0 {
                out.push(builder.close(i, *timeframe_s, timer));
            } else if self.gap.fills() && builder.last_close > 0 && !ended {
                out.push(builder.fill(i, *timeframe_s, timer));
            }
        }
        if !self.extras.is_empty() {
            self.close_extras(timer, out);
        }
    }

    /// A session or the source has ended.
    fn close_extras(&mut self, timer: &Timer, out: &mut Emit<'_, Bar>) {
        let instrument = timer.tail.instrument;
        let (builder, first) = (&self.builders[instrument as usize], self.timeframes.len());
        for i in (first..TIMEFRAMES_MAX).filter(|i| timer.closes >> i & 1 == 1) {
            let Some((extra, piece)) = self.extras.close(instrument, i - first) else { continue };
            let mut bar = builder.extra(&extra, &piece, &timer.head, timer.head.ts_event);
            (bar.timeframe_index, bar.tail.instrument) = (i as u32, instrument);
            let ended = timer.tail.flags & TIMER_END_OF_SOURCE != 0;
            let flag = if ended { BarFlags::END_OF_SOURCE } else { BarFlags::SESSION_END };
            bar.tail.flags |= flag.0;
            out.push(bar);
        }
    }

    fn on_external(&mut self, slot: &Slot, earlier: &AfterValidate, out: &mut Emit<'_, Bar>) {
        let instrument = slot.input.tail().instrument;
        let Some(builder) = self.builders.get_mut(instrument as usize) else { return };
        // Of an instrument with prints it makes no bar, but the sequencer opens buckets at its time.
        builder.newest = builder.newest.max(slot.input.head().ts_event);
        if !builder.external || earlier.verdict.read(slot).rejected {
            return;
        }
        if let Some(bar) = slot.input.get::<ExternalBar>() {
            let vendor = &mut self.vendors[instrument as usize];
            vendor.on_bar(bar, &self.timeframes, self.gap, |bar| out.push(bar));
        }
    }

    fn on_session(&mut self, session: &Session) {
        let instrument = session.tail.instrument as usize;
        let Some(builder) = self.builders.get_mut(instrument) else { return };
        self.vendors[instrument].on_session((session.open, session.close));
        if builder.session_open != session.open {
            builder.session_open = session.open;
            builder.last_end = [session.open; TIMEFRAMES_MAX];
            builder.micro.end();
            if self.gap == Gap::Flat {
                (builder.last_close, builder.last_is_priced) = (0, false);
            }
        }
        builder.session_close = session.close;
    }

    fn on_instrument(&mut self, instrument: &Instrument) {
        let number = instrument.tail.instrument as usize;
        if let Some(builder) = self.builders.get_mut(number) {
            builder.from_mid = instrument.bar_price == BarSource::Mid as u8;
            builder.external = instrument.bar_price == BarSource::External as u8;
            self.extras.define(instrument);
        }
    }
}

impl Builder {
    /// The last price of the open piece becomes what fills empty buckets. One that a print has set is not given up
    /// for one of a print that sets none.
    fn keep_last_close(&mut self) {
        let is_priced = self.piece.is_priced();
        if is_priced || !self.last_is_priced {
            (self.last_close, self.last_is_priced) = (self.piece.close, is_priced);
        }
    }

    fn close(&mut self, i: usize, timeframe_s: u32, timer: &Timer) -> Bar {
        let bucket = std::mem::take(&mut self.buckets[i]);
        let mut bar = bucket.bar();
        self.bound(&mut bar, i, timeframe_s, bucket.ts_bucket, timer);
        if timer.tail.flags & TIMER_END_OF_SOURCE != 0 {
            bar.tail.flags |= BarFlags::END_OF_SOURCE.0;
        }
        bar
    }

    /// The bar of a bucket in which nothing traded.
    fn fill(&mut self, i: usize, timeframe_s: u32, timer: &Timer) -> Bar {
        let mut bar = flat(self.last_close);
        self.bound(&mut bar, i, timeframe_s, timer.head.ts_event - 1, timer);
        bar
    }

    /// Gives a bar the bounds of the bucket of `ts`, their flags, and the last micro-batch.
    fn bound(&mut self, bar: &mut Bar, i: usize, timeframe_s: u32, ts: i64, timer: &Timer) {
        bar.ts_open = bucket_start(self.session_open, timeframe_s, ts);
        bar.ts_close = bar.ts_open + i64::from(timeframe_s) * SECOND;
        let mut flags = BarFlags(bar.tail.flags);
        for (condition, flag) in [
            (bar.ts_open > self.last_end[i], BarFlags::GAP),
            (bar.ts_close > self.session_close, BarFlags::SESSION_END),
            (self.from_mid, BarFlags::MID),
        ] {
            flags = if condition { flags.with(flag) } else { flags };
        }
        self.last_end[i] = self.last_end[i].max(bar.ts_close);
        bar.head = Bar::header(timer.head.ts_event, timer.head.ts_recv);
        (bar.timeframe_s, bar.timeframe_index) = (timeframe_s, i as u32);
        bar.tail = Tail { instrument: timer.tail.instrument, flags: flags.0, ..Tail::default() };
        self.last_micro.put_into(bar);
    }

    /// A bar that no length in time ends, closed at an instant by an input.
    fn extra(&self, extra: &ExtraBar, piece: &Piece, head: &Header, closed: i64) -> Bar {
        let mut bar = piece.bar();
        bar.head = Bar::header(head.ts_event, head.ts_recv);
        (bar.ts_open, bar.ts_close) = (piece.ts_bucket, closed);
        (bar.kind, bar.length) = (extra.kind as u8, extra.length);
        bar.tail.flags = if self.from_mid { BarFlags::MID.0 } else { BarFlags::NONE.0 };
        self.last_micro.put_into(&mut bar);
        bar
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
            self.on_tick(slot, earlier, true, out);
        } else if input.is::<Quote>() {
            self.on_tick(slot, earlier, false, out);
        } else if let Some(timer) = input.get::<Timer>() {
            self.on_timer(timer, out);
        } else if let Some(session) = input.get::<Session>() {
            self.on_session(session);
        } else if let Some(instrument) = input.get::<Instrument>() {
            self.on_instrument(instrument);
        } else if input.is::<ExternalBar>() {
            self.on_external(slot, earlier, out);
        } else if input.is_of_the_market() {
            self.on_other(slot, earlier, out);
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
            if self.gap.fills() {
                digest.int(builder.last_close);
                if builder.last_close > 0 && !builder.last_is_priced {
                    digest.word(1);
                }
            }
        }
        self.extras.digest(digest);
        for (builder, vendor) in self.builders.iter().zip(&self.vendors) {
            if builder.external {
                vendor.digest(digest);
            }
        }
    }
}

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
    external,
    last_close,
    last_is_priced,
});

impl State for BarStage {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        // Another gap policy goes on with the same buckets.
        let Self { timeframes, gap: _, builders, extras, vendors } = self;
        same_timeframes(timeframes, codec)?;
        codec.rows(builders)?;
        extras.state(codec)?;
        codec.rows(vendors)
    }
}

/// Bars of other timeframes are no state of these.
fn same_timeframes(timeframes: &[u32], codec: &mut Codec<'_>) -> Result<(), StateError> {
    let mut four = [0; TIMEFRAMES_MAX];
    four[..timeframes.len()].copy_from_slice(timeframes);
    codec.same(&four, "timeframes_s")
}
