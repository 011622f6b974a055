//! Bars of an instrument whose source delivers bars: the vendor's own, and larger ones made of them.
//!
//! * A vendor's bar of a configured length is a bar at once, at the input that brings it.
//! * A larger bar is closed by the vendor's bar that ends its bucket, in the same slot, so that indicators and
//!   policies see both as they do with prints. If that one does not come, the timer closes what is there, 1 ns
//!   after the boundary: everything that ends at the boundary has come before.
//! * Timeframes that are no multiple of the vendor's length are not made; a run does not start with one.

use crate::bars::Gap;
use crate::bars::fill::flat;
use crate::bars::span::{Buckets, Session, Sessions, can_be_made, holds_together};
use crate::stage::Digest;
use crate::state::state;
use bytemuck::Zeroable;
use ringbuf_layout::names::TIMER_END_OF_SOURCE;
use ringbuf_layout::output::TIMEFRAMES_MAX;
use ringbuf_layout::units::SECOND;
use ringbuf_layout::{Bar, BarFlags, ExternalBar, Frame, Header, Price, Size, Timer};

/// The vendor's bars of one bucket.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    parts: u32,
    ticks: u32,
    start: i64,
    session: Session,
    open: i64,
    high: i64,
    low: i64,
    close: i64,
    volume: i64,
    ts_first: i64,
    ts_last: i64,
}

impl Bucket {
    fn add(&mut self, bar: &ExternalBar, start: i64, session: Session) {
        if self.parts == 0 {
            *self = Self {
                start,
                session,
                open: bar.open.0,
                high: bar.high.0,
                low: bar.low.0,
                ts_first: bar.ts_open,
                ..Self::default()
            };
        }
        self.parts += 1;
        self.ticks = self.ticks.saturating_add(bar.ticks);
        self.high = self.high.max(bar.high.0);
        self.low = self.low.min(bar.low.0);
        self.close = bar.close.0;
        self.volume += bar.volume.0;
        self.ts_last = bar.head.ts_event;
    }

    fn bar(&self) -> Bar {
        let mut bar = Bar {
            ticks: self.ticks,
            open: Price(self.open),
            high: Price(self.high),
            low: Price(self.low),
            close: Price(self.close),
            volume: Size(self.volume),
            vwap: Price::UNDEFINED,
            ts_first: self.ts_first,
            ts_last: self.ts_last,
            ..Bar::zeroed()
        };
        bar.tail.flags = BarFlags::NONE.0;
        bar
    }
}

/// The bars of one instrument.
#[derive(Clone, Debug, Default)]
pub struct VendorBars {
    /// Length of the vendor's bars; 0 before the first.
    length_s: u32,
    /// When the newest of them ended.
    newest: i64,
    sessions: Sessions,
    /// Open of the session that the newest bar is of.
    session_open: i64,
    /// End of the last bar of that session, by timeframe: its open where there was none.
    last_end: [i64; TIMEFRAMES_MAX],
    /// Last close, for buckets in which nothing traded; 0 before the first.
    last_close: i64,
    buckets: [Bucket; TIMEFRAMES_MAX],
}

impl VendorBars {
    /// A session record.
    pub fn on_session(&mut self, session: Session) {
        self.sessions.learn(session);
    }

    /// A vendor's bar that was accepted; `emit` takes what it closes.
    pub fn on_bar(
        &mut self,
        vendors: &ExternalBar,
        timeframes_s: &[u32],
        gap: Gap,
        mut emit: impl FnMut(Bar),
    ) {
        let end = vendors.head.ts_event;
        if !holds_together(vendors) {
            return;
        }
        let Some(session) = self.sessions.of(vendors.ts_open, end) else { return };
        self.turn_to(session, gap);
        (self.length_s, self.newest) = (vendors.timeframe_s, end);
        for (i, timeframe_s) in timeframes_s.iter().copied().enumerate() {
            if !can_be_made(timeframe_s, self.length_s) {
                continue;
            }
            let buckets = Buckets::new(session, timeframe_s, self.length_s, end);
            let (start, over) = buckets.of(vendors);
            self.buckets[i].add(vendors, start, session);
            if end >= over {
                let bucket = std::mem::take(&mut self.buckets[i]);
                emit(self.close(i, timeframe_s, &bucket, &vendors.head, vendors.tail.instrument));
            }
        }
        self.last_close = vendors.close.0;
    }

    /// The bars of another session begin.
    fn turn_to(&mut self, session: Session, gap: Gap) {
        if self.session_open != session.0 {
            self.session_open = session.0;
            self.last_end = [session.0; TIMEFRAMES_MAX];
            if gap == Gap::Flat {
                self.last_close = 0;
            }
        }
    }

    /// A timer, 1 ns after its boundary.
    pub fn on_timer(
        &mut self,
        timer: &Timer,
        timeframes_s: &[u32],
        gap: Gap,
        mut emit: impl FnMut(Bar),
    ) {
        for (i, timeframe_s) in timeframes_s.iter().copied().enumerate() {
            if timer.closes >> i & 1 == 0 {
                continue;
            }
            let instrument = timer.tail.instrument;
            let bucket = std::mem::take(&mut self.buckets[i]);
            let mut bar = if bucket.parts > 0 {
                self.close(i, timeframe_s, &bucket, &timer.head, instrument)
            } else if let Some(bar) = self.fill(i, timeframe_s, timer, gap) {
                bar
            } else {
                continue;
            };
            if timer.tail.flags & TIMER_END_OF_SOURCE != 0 {
                bar.tail.flags |= BarFlags::END_OF_SOURCE.0;
            }
            emit(bar);
        }
    }

    /// The bar of a bucket in which the vendor has none, if the policy wants one.
    fn fill(&mut self, i: usize, timeframe_s: u32, timer: &Timer, gap: Gap) -> Option<Bar> {
        // What the end of a source closes early is not filled: its time has not passed.
        let ended = timer.tail.flags & TIMER_END_OF_SOURCE != 0;
        if ended || !gap.fills() || !can_be_made(timeframe_s, self.length_s) {
            return None;
        }
        let over = timer.head.ts_event - 1;
        let session = self.sessions.of(over - i64::from(timeframe_s) * SECOND, over)?;
        let buckets = Buckets::new(session, timeframe_s, self.length_s, self.newest);
        let start = buckets.start(over);
        // Where a vendor's bars span a break, a bucket before it may be over after the next session has begun.
        if session.0 < self.session_open || buckets.over(start) != over {
            return None;
        }
        // One of the vendor's own length that the next session's open has cut is that session's, and over when a bar of
        // the vendor's would end.
        let length = i64::from(self.length_s) * SECOND;
        if timeframe_s == self.length_s && (over - self.newest).rem_euclid(length) != 0 {
            return None;
        }
        self.turn_to(session, gap);
        // The first of a session may begin before its open.
        if self.last_close == 0 || over <= self.last_end[i] {
            return None;
        }
        let bucket = Bucket { start, session, ..Bucket::default() };
        let mut bar = self.close(i, timeframe_s, &bucket, &timer.head, timer.tail.instrument);
        let Bar { open, high, low, close, vwap, tail, .. } = flat(self.last_close);
        (bar.open, bar.high, bar.low, bar.close, bar.vwap) = (open, high, low, close, vwap);
        bar.tail.flags |= tail.flags;
        Some(bar)
    }

    fn close(
        &mut self,
        i: usize,
        timeframe_s: u32,
        bucket: &Bucket,
        head: &Header,
        instrument: u32,
    ) -> Bar {
        let mut bar = bucket.bar();
        bar.head = Bar::header(head.ts_event, head.ts_recv);
        bar.ts_open = bucket.start;
        bar.ts_close = bucket.start + i64::from(timeframe_s) * SECOND;
        if timeframe_s == self.length_s && bucket.parts > 0 {
            bar.ts_close = bucket.ts_last;
        }
        (bar.timeframe_s, bar.timeframe_index) = (timeframe_s, i as u32);
        bar.micro_vwap = Price::UNDEFINED;
        bar.tail.instrument = instrument;
        let same = bucket.session.0 == self.session_open;
        let gap = same && bucket.start > self.last_end[i];
        let cut = timeframe_s != self.length_s && bar.ts_close > bucket.session.1;
        bar.tail.flags |= BarFlags::EXTERNAL.0
            | if gap { BarFlags::GAP.0 } else { 0 }
            | if cut { BarFlags::SESSION_END.0 } else { 0 };
        if same {
            self.last_end[i] = self.last_end[i].max(bar.ts_close);
        }
        bar
    }

    /// Feeds its state to the hash: nothing before the first vendor's bar.
    pub fn digest(&self, digest: &mut Digest) {
        if self.length_s == 0 {
            return;
        }
        digest.word(u64::from(self.length_s));
        for field in [self.newest, self.session_open, self.last_close] {
            digest.int(field);
        }
        self.sessions.instants().into_iter().for_each(|instant| digest.int(instant));
        self.last_end.iter().for_each(|end| digest.int(*end));
        for bucket in self.buckets.iter().filter(|bucket| bucket.parts > 0) {
            digest.word(u64::from(bucket.parts) | u64::from(bucket.ticks) << 32);
            for field in [
                bucket.start,
                bucket.session.0,
                bucket.session.1,
                bucket.open,
                bucket.high,
                bucket.low,
                bucket.close,
                bucket.volume,
                bucket.ts_first,
                bucket.ts_last,
            ] {
                digest.int(field);
            }
        }
    }
}

state!(Bucket { parts, ticks, start, session, open, high, low, close, volume, ts_first, ts_last });
state!(VendorBars { length_s, newest, sessions, session_open, last_end, last_close, buckets });
