//! What is due for one instrument: which buckets are open, when each is over, which follows.

use crate::bars::span::{Buckets, LENGTH_MAX_S, Sessions, can_be_made, holds_together};
use crate::bars::{ExtraBar, Gap, bucket_start};
use crate::calendar::{Calendar, PhaseChange};
use crate::config::Bars;
use crate::state::{Codec, State, StateError, state};
use ringbuf_layout::ExternalBar;
use ringbuf_layout::names::SessionPhase;
use ringbuf_layout::output::TIMEFRAMES_MAX;
use ringbuf_layout::units::SECOND;
use std::sync::Arc;

/// Never due.
pub(super) const NEVER: i64 = i64::MAX;

/// What is due for one instrument.
#[derive(Clone, Debug)]
pub(super) struct Track {
    pub(super) calendar: Arc<Calendar>,
    /// Its phase is known from some instant on; what it was before concerns nobody.
    pub(super) started: bool,
    pub(super) change: Option<PhaseChange>,
    /// The session that is open, if one is.
    pub(super) session: Option<(i64, i64)>,
    pub(super) newest: i64,
    /// When the timer of each bar of the config is due; [`NEVER`] where no bucket is open.
    pub(super) ends: [i64; TIMEFRAMES_MAX],
    /// Bit i: the bucket of `ends[i]` had an input. Without a gap policy every open one had.
    pub(super) touched: u8,
    /// Until this time a record opens no bucket: the per-tick test.
    pub(super) covered: i64,
    /// A vendor makes its bars: no other record opens a bucket.
    pub(super) external: bool,
    /// Where so: its sessions, the length of its bars, the end of the newest.
    pub(super) vendor: Vendor,
}

/// What is known of a vendor's bars.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Vendor {
    pub(super) sessions: Sessions,
    pub(super) length_s: u32,
    pub(super) newest: i64,
}

/// The bars of the config: what has an end, and which ends follow.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) timeframes_s: Vec<u32>,
    pub(super) extra: Vec<ExtraBar>,
    pub(super) gap: Gap,
}

impl Row {
    pub(super) fn of(bars: &Bars) -> Self {
        Self { timeframes_s: bars.timeframes_s.clone(), extra: bars.extra.clone(), gap: bars.gap }
    }
}

impl Track {
    pub(super) fn new(calendar: Arc<Calendar>) -> Self {
        Self {
            calendar,
            started: false,
            change: None,
            session: None,
            newest: i64::MIN,
            ends: [NEVER; TIMEFRAMES_MAX],
            touched: 0,
            covered: i64::MIN,
            external: false,
            vendor: Vendor::default(),
        }
    }

    /// From when on its sessions matter to a run whose first record comes now: a vendor's bar tells of a time before
    /// it comes, of a session that may be over.
    pub(super) fn from(&self, now: i64) -> i64 {
        if self.external { now - i64::from(LENGTH_MAX_S) * SECOND } else { now }
    }

    /// A session record of this phase is out, from `at` on. A close that is also the next session's open (round
    /// the clock) leaves the open as the next change, due at the same instant.
    pub(super) fn learn(&mut self, at: i64, phase: SessionPhase, session: (i64, i64), row: &Row) {
        let closes = phase == SessionPhase::Closed;
        let begins = !closes && session.0 != self.vendor.sessions.last().0;
        self.vendor.sessions.learn(session);
        if self.external && begins {
            // What comes from now on is of this session: buckets of the last one are over.
            let open = self.ends.iter_mut().filter(|end| **end != NEVER);
            open.for_each(|end| *end = (*end).min(at + 1));
        }
        self.started = true;
        self.session = (!closes).then_some(session);
        self.covered = i64::MIN;
        let now =
            self.calendar.phase_at(at).filter(|now| closes && now.phase != SessionPhase::Closed);
        self.change = now.or_else(|| self.calendar.next_after(at));
        if row.gap == Gap::Carry {
            for i in 0..row.timeframes_s.len() {
                if self.ends[i] == NEVER {
                    self.ends[i] = self.first_end(row, i);
                }
            }
        }
    }

    pub(super) fn next_timer(&self) -> i64 {
        self.ends.iter().copied().min().unwrap_or(NEVER)
    }

    /// The next timer of a bucket that had an input.
    pub(super) fn next_touched(&self) -> i64 {
        let ends = self.ends.iter().enumerate();
        ends.filter(|(i, _)| self.touched >> i & 1 == 1).map(|(_, end)| *end).min().unwrap_or(NEVER)
    }

    /// A record of a market with prints: opens the buckets of `newest`.
    pub(super) fn open(&mut self, row: &Row) {
        let Some((open, close)) = self.session else { return };
        if self.newest < open {
            return;
        }
        for (i, timeframe_s) in row.timeframes_s.iter().enumerate() {
            if self.ends[i] == NEVER {
                let start = bucket_start(open, *timeframe_s, self.newest);
                self.ends[i] = close.min(start + i64::from(*timeframe_s) * SECOND);
            }
        }
        let all = row.timeframes_s.len() + row.extra.len();
        for end in &mut self.ends[row.timeframes_s.len()..all] {
            *end = close;
        }
        self.touched = (1 << all) - 1;
        self.covered = self.next_timer();
    }

    /// A vendor's bar: opens the buckets that it does not end.
    pub(super) fn open_external(&mut self, bar: &ExternalBar, row: &Row) {
        let end = bar.head.ts_event;
        if holds_together(bar) && self.vendor.length_s == 0 {
            self.vendor.length_s = bar.timeframe_s;
        }
        let other = !holds_together(bar) || bar.timeframe_s != self.vendor.length_s;
        // As the verdict goes: one that ends before the newest is late.
        if other || end < self.vendor.newest {
            return;
        }
        let Some(session) = self.vendor.sessions.of(bar.ts_open, end) else { return };
        self.vendor.newest = self.vendor.newest.max(end);
        for (i, timeframe_s) in row.timeframes_s.iter().copied().enumerate() {
            if !can_be_made(timeframe_s, bar.timeframe_s) {
                continue;
            }
            let buckets = Buckets::new(session, timeframe_s, bar.timeframe_s, end);
            let (_, over) = buckets.of(bar);
            if self.ends[i] == NEVER && (end < over || row.gap.fills()) {
                self.ends[i] = over + 1;
            }
            // One that ends its bucket may be rejected: what came before it is closed by the timer then.
            self.touched |= u8::from(end < over) << i;
        }
    }

    /// The timer of bar `i` is out: the gap policy may want the next bucket's as well.
    pub(super) fn close(&mut self, row: &Row, i: usize) {
        let due = std::mem::replace(&mut self.ends[i], NEVER);
        self.touched &= !(1 << i);
        self.covered = i64::MIN;
        if row.gap.fills() && i < row.timeframes_s.len() {
            self.ends[i] = if self.external {
                self.next_external_end(row, i, due - 1)
            } else {
                let next = |(_, close): (i64, i64)| {
                    let end = due + i64::from(row.timeframes_s[i]) * SECOND;
                    if due < close { end.min(close) } else { NEVER }
                };
                self.session.map_or(NEVER, next)
            };
        }
    }

    fn next_external_end(&self, row: &Row, i: usize, over: i64) -> i64 {
        let Vendor { sessions, length_s, newest } = self.vendor;
        let timeframe_s = row.timeframes_s[i];
        if !can_be_made(timeframe_s, length_s) {
            return NEVER;
        }
        let session = sessions.of(over - i64::from(timeframe_s) * SECOND, over);
        let buckets = session.map(|s| Buckets::new(s, timeframe_s, length_s, newest));
        let next = buckets.and_then(|buckets| buckets.after(over).map(|start| buckets.over(start)));
        match next {
            Some(next) => next + 1,
            // Round the clock the next session has begun before this timer.
            None if row.gap == Gap::Carry => self.first_end(row, i),
            None => NEVER,
        }
    }

    /// When the first timer of the session that has begun is due, if there was a market before.
    fn first_end(&self, row: &Row, i: usize) -> i64 {
        let Some((open, close)) = self.session else { return NEVER };
        let timeframe_s = row.timeframes_s[i];
        if !self.external {
            let end = open + i64::from(timeframe_s) * SECOND;
            return if self.newest < open && self.newest > i64::MIN {
                end.min(close)
            } else {
                NEVER
            };
        }
        let Vendor { length_s, newest, .. } = self.vendor;
        if !can_be_made(timeframe_s, length_s) || newest > open {
            return NEVER;
        }
        let buckets = Buckets::new((open, close), timeframe_s, length_s, newest);
        buckets.over(buckets.first()) + 1
    }
}

state!(Vendor { sessions, length_s, newest });
state!(PhaseChange { at, phase, open, close, trading_date, utc_offset_s });

impl State for Track {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self {
            calendar: _,
            started,
            change,
            session,
            newest,
            ends,
            touched,
            covered,
            external,
            vendor,
        } = self;
        started.state(codec)?;
        // The whole change: round the clock, a close and an open are at one instant.
        codec.option(change, || PhaseChange {
            at: 0,
            phase: SessionPhase::Closed,
            open: 0,
            close: 0,
            trading_date: 0,
            utc_offset_s: 0,
        })?;
        codec.option(session, || (0, 0))?;
        newest.state(codec)?;
        ends.state(codec)?;
        touched.state(codec)?;
        covered.state(codec)?;
        external.state(codec)?;
        vendor.state(codec)
    }
}
