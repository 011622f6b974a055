//! What is due in event time: bar boundaries, session changes, heartbeats.
//!
//! At equal time: bar timers by instrument, session closes, session opens, then a heartbeat; then
//! operator, execution reports and data, which the sequencer adds.
//!
//! A timer is due at the end of a bucket that had an input. Tick, volume and notional bars end with their session, as
//! a timeframe as long as the session would. With a gap policy there is a timer for every bucket from the first
//! one with an input on (`carry`: also from the open of each later session on). Where a vendor makes the bars, a
//! timer is due 1 ns after its bucket: what ends at a boundary comes with the boundary's time.

use crate::bars::extra::same_bars;
use crate::bars::span::{Buckets, LENGTH_MAX_S, Sessions, can_be_made, holds_together};
use crate::bars::{ExtraBar, Gap, bucket_start};
use crate::calendar::{Calendar, PhaseChange};
use crate::config::Bars;
use crate::state::{Codec, State, StateError, checked, state};
use bytemuck::Zeroable;
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::names::{BarSource, SessionPhase, TIMER_END_OF_SOURCE};
use ringbuf_layout::output::TIMEFRAMES_MAX;
use ringbuf_layout::units::{MILLISECOND, SECOND};
use ringbuf_layout::{
    BookLevel, ExternalBar, Frame, Heartbeat, InputCell, Instrument, Session, Tail, Timer,
};
use std::collections::VecDeque;
use std::sync::Arc;

/// Heartbeats in a row after which a silent market is left alone.
const HEARTBEATS_MAX: u64 = 60;
/// Never due.
const NEVER: i64 = i64::MAX;

/// What is due for one instrument.
#[derive(Clone, Debug)]
struct Track {
    calendar: Arc<Calendar>,
    /// Its phase is known from some instant on; what it was before concerns nobody.
    started: bool,
    change: Option<PhaseChange>,
    /// The session that is open, if one is.
    session: Option<(i64, i64)>,
    newest: i64,
    /// When the timer of each bar of the config is due; [`NEVER`] where no bucket is open.
    ends: [i64; TIMEFRAMES_MAX],
    /// Bit i: the bucket of `ends[i]` had an input. Without a gap policy every open one had.
    touched: u8,
    /// Until this time a record opens no bucket: the per-tick test.
    covered: i64,
    /// A vendor makes its bars: no other record opens a bucket.
    external: bool,
    /// Where so: its sessions, the length of its bars, the end of the newest.
    vendor: Vendor,
}

/// What is known of a vendor's bars.
#[derive(Clone, Copy, Debug, Default)]
struct Vendor {
    sessions: Sessions,
    length_s: u32,
    newest: i64,
}

/// The bars of the config: what has an end, and which ends follow.
#[derive(Clone, Debug)]
struct Row {
    timeframes_s: Vec<u32>,
    extra: Vec<ExtraBar>,
    gap: Gap,
}

impl Row {
    fn of(bars: &Bars) -> Self {
        Self { timeframes_s: bars.timeframes_s.clone(), extra: bars.extra.clone(), gap: bars.gap }
    }
}

impl Track {
    fn new(calendar: Arc<Calendar>) -> Self {
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

    /// A session record of this phase is out, from `at` on. A close that is also the next session's open (round
    /// the clock) leaves the open as the next change, due at the same instant.
    fn learn(&mut self, at: i64, phase: SessionPhase, session: (i64, i64), row: &Row) {
        let closes = phase == SessionPhase::Closed;
        self.vendor.sessions.learn(session);
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

    fn next_timer(&self) -> i64 {
        self.ends.iter().copied().min().unwrap_or(NEVER)
    }

    /// The next timer of a bucket that had an input.
    fn next_touched(&self) -> i64 {
        let ends = self.ends.iter().enumerate();
        ends.filter(|(i, _)| self.touched >> i & 1 == 1).map(|(_, end)| *end).min().unwrap_or(NEVER)
    }

    /// A record of a market with prints: opens the buckets of `newest`.
    fn open(&mut self, row: &Row) {
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
    fn open_external(&mut self, bar: &ExternalBar, row: &Row) {
        let end = bar.head.ts_event;
        if holds_together(bar) && self.vendor.length_s == 0 {
            self.vendor.length_s = bar.timeframe_s;
        }
        let other = !holds_together(bar) || bar.timeframe_s != self.vendor.length_s;
        if other || end < self.vendor.newest {
            return;
        }
        let Some(session) = self.vendor.sessions.of(bar.ts_open, end) else { return };
        self.vendor.newest = end;
        for (i, timeframe_s) in row.timeframes_s.iter().copied().enumerate() {
            if !can_be_made(timeframe_s, bar.timeframe_s) {
                continue;
            }
            let buckets = Buckets::new(session, timeframe_s, bar.timeframe_s, end);
            let (_, over) = buckets.of(bar);
            if self.ends[i] == NEVER && (end < over || row.gap.fills()) {
                self.ends[i] = over + 1;
            }
            let open = u8::from(end < over && self.ends[i] != NEVER);
            self.touched = self.touched & !(1 << i) | open << i;
        }
    }

    /// The timer of bar `i` is out: the gap policy may want the next bucket's as well.
    fn close(&mut self, row: &Row, i: usize) {
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
            return if self.newest < open && self.newest > i64::MIN { end.min(close) } else { NEVER };
        }
        let Vendor { length_s, newest, .. } = self.vendor;
        if !can_be_made(timeframe_s, length_s) || newest > open {
            return NEVER;
        }
        let buckets = Buckets::new((open, close), timeframe_s, length_s, newest);
        buckets.over(buckets.first()) + 1
    }
}

/// The schedule of all instruments.
#[derive(Clone, Debug)]
pub struct Schedule {
    row: Row,
    tracks: Vec<Track>,
    heartbeat: i64,
    beats: u64,
    last_input: i64,
    started: bool,
    /// An instrument has not learned yet which session it is in.
    unstarted: bool,
    /// Earliest timer or session change.
    next: i64,
    /// Before this time nothing is due: the per-tick test.
    quiet_until: i64,
    due: VecDeque<InputCell>,
}

impl Schedule {
    /// A schedule for instruments with these calendars.
    pub fn new(bars: &Bars, heartbeat_ms: i64, calendars: Vec<Arc<Calendar>>) -> Self {
        let tracks: Vec<Track> = calendars.into_iter().map(Track::new).collect();
        Self {
            row: Row::of(bars),
            // A timer, a close and an open for each instrument can be due at once.
            due: VecDeque::with_capacity(3 * tracks.len() + 1),
            tracks,
            heartbeat: heartbeat_ms * MILLISECOND,
            beats: 0,
            last_input: 0,
            started: false,
            unstarted: true,
            next: NEVER,
            quiet_until: i64::MIN,
        }
    }

    /// True if something is due at or before `now`.
    #[inline]
    pub fn is_due(&self, now: i64) -> bool {
        now >= self.quiet_until
    }

    #[inline]
    fn settle(&mut self) {
        // An instrument that has not started does so after what is due, at whatever time that is.
        self.quiet_until = if self.unstarted { i64::MIN } else { self.next_due() };
    }

    #[inline]
    fn next_due(&self) -> i64 {
        let beat = if self.beats < HEARTBEATS_MAX {
            self.last_input.saturating_add(self.heartbeat)
        } else {
            NEVER
        };
        self.next.min(beat)
    }

    /// One more instrument.
    pub fn add(&mut self, calendar: Arc<Calendar>) {
        self.tracks.push(Track::new(calendar));
        self.unstarted = true;
        self.quiet_until = i64::MIN;
        self.due.reserve(3 * self.tracks.len() + 1);
    }

    /// Goes on with other bars, whose buckets begin with the next record, and another heartbeat.
    pub fn retime(&mut self, bars: &Bars, heartbeat_ms: i64) {
        self.heartbeat = heartbeat_ms * MILLISECOND;
        let others = std::mem::replace(&mut self.row, Row::of(bars));
        if (&self.row.timeframes_s, &self.row.extra) != (&others.timeframes_s, &others.extra) {
            for track in &mut self.tracks {
                (track.ends, track.touched) = ([NEVER; TIMEFRAMES_MAX], 0);
                track.covered = i64::MIN;
            }
        }
        self.plan();
        self.settle();
    }

    /// The first market record of a run is about to come. That of the first run starts every instrument; those that
    /// a later run adds start once what is due before that record is out.
    pub fn begin(&mut self, now: i64) {
        if !self.started {
            self.last_input = now;
            self.start(now);
        }
    }

    /// Every instrument whose phase is not known from before learns the session it is in.
    fn start(&mut self, now: i64) {
        self.started = true;
        self.unstarted = false;
        for (number, track) in self.tracks.iter_mut().enumerate().filter(|(_, t)| !t.started) {
            track.started = true;
            // A vendor's bar tells of a time before it comes: of a session that may be over.
            let from = if track.external { now - i64::from(LENGTH_MAX_S) * SECOND } else { now };
            if let Some(change) = track.calendar.phase_at(from)
                && change.phase != SessionPhase::Closed
            {
                track.session = Some((change.open, change.close));
                track.vendor.sessions.learn((change.open, change.close));
                self.due.push_back(InputCell::from(&session(number, &change)));
            }
            track.change = track.calendar.next_after(from);
        }
        self.plan();
        self.quiet_until = i64::MIN;
    }

    /// An input of an earlier run, or one that the sequencer did not take from here: stands where it stood after
    /// it was published. `now` is engine time, the input included.
    ///
    /// What was due at the same instant and is not journaled is due still: it follows from what is left open.
    pub fn observe(&mut self, input: &InputCell, now: i64) {
        let (head, tail) = (input.head(), input.tail());
        if is_of_the_market(input) {
            if self.unstarted {
                self.begin(now);
                self.start(now);
                self.due.clear();
            }
            self.note(now);
            self.open_buckets(tail.instrument, head.ts_event, input);
        } else if let Some(instrument) = input.get::<Instrument>() {
            if let Some(track) = self.tracks.get_mut(tail.instrument as usize) {
                track.external = instrument.bar_price == BarSource::External as u8;
            }
        } else if let Some(timer) = input.get::<Timer>() {
            self.observe_timer(timer);
        } else if let Some(session) = input.get::<Session>() {
            self.observe_session(session);
        } else if let Some(heartbeat) = input.get::<Heartbeat>() {
            (self.beats, self.last_input) = (heartbeat.count, head.ts_event);
            self.settle();
        }
    }

    fn observe_timer(&mut self, timer: &Timer) {
        let Some(track) = self.tracks.get_mut(timer.tail.instrument as usize) else { return };
        for i in (0..TIMEFRAMES_MAX).filter(|i| timer.closes >> i & 1 == 1) {
            track.close(&self.row, i);
        }
        self.plan();
        if timer.tail.flags & TIMER_END_OF_SOURCE == 0 {
            self.note(timer.head.ts_event);
        }
        self.settle();
    }

    fn observe_session(&mut self, session: &Session) {
        let Some(track) = self.tracks.get_mut(session.tail.instrument as usize) else { return };
        let phase = SessionPhase::from_byte(session.tail.side).unwrap_or(SessionPhase::Closed);
        // One that starts an instrument tells of what has begun before: no time has passed.
        let starts = !track.started;
        track.learn(session.head.ts_event, phase, (session.open, session.close), &self.row);
        self.plan();
        if !starts {
            self.note(session.head.ts_event);
        }
        self.settle();
    }

    /// The next record due at or before `now`, in order.
    pub fn pop(&mut self, now: i64) -> Option<InputCell> {
        if self.due.is_empty() {
            let at = self.next_due();
            if at > now {
                if self.unstarted {
                    self.start(now);
                    // One that starts in the past has changes that are due before what happens now.
                    return self.due.pop_front().or_else(|| self.pop(now));
                }
                self.settle();
                return None;
            }
            if at == self.next {
                self.fire(at);
                self.note(at);
            } else {
                self.beat(at);
            }
            // Until the last record of this instant is out, the next is due at once.
            self.quiet_until = i64::MIN;
        }
        self.due.pop_front()
    }

    /// The next timer of an open bucket, whenever it ends: a finite source has ended.
    pub fn pop_at_end(&mut self) -> Option<InputCell> {
        if self.due.is_empty() {
            let at = self.tracks.iter().map(Track::next_touched).min().filter(|at| *at != NEVER)?;
            for number in 0..self.tracks.len() {
                self.fire_timer(number, at, TIMER_END_OF_SOURCE);
            }
            self.plan();
        }
        self.due.pop_front()
    }

    /// An input other than a heartbeat happened at `now`.
    #[inline]
    pub fn note(&mut self, now: i64) {
        self.last_input = self.last_input.max(now);
        self.beats = 0;
        self.settle();
    }

    /// A market record of an instrument was delivered: its buckets are open now.
    #[inline]
    pub fn open_buckets(&mut self, instrument: u32, ts: i64, record: &InputCell) {
        let Some(track) = self.tracks.get_mut(instrument as usize) else { return };
        track.newest = track.newest.max(ts);
        if track.newest < track.covered {
            return;
        }
        if !track.external {
            track.open(&self.row);
        } else if let Some(bar) = record.get::<ExternalBar>() {
            track.open_external(bar, &self.row);
        }
        self.next = self.next.min(track.next_timer());
        self.quiet_until = self.quiet_until.min(self.next);
    }

    /// Everything of one instant.
    fn fire(&mut self, at: i64) {
        for number in 0..self.tracks.len() {
            self.fire_timer(number, at, 0);
        }
        for closes in [true, false] {
            for number in 0..self.tracks.len() {
                self.fire_change(number, at, closes);
            }
        }
        self.plan();
    }

    fn fire_timer(&mut self, number: usize, at: i64, flags: u8) {
        let track = &mut self.tracks[number];
        let mut closes = 0;
        for i in 0..TIMEFRAMES_MAX {
            let had_an_input = track.touched >> i & 1 == 1 || flags & TIMER_END_OF_SOURCE == 0;
            if track.ends[i] == at && had_an_input {
                track.close(&self.row, i);
                closes |= 1 << i;
            }
        }
        if closes != 0 {
            let mut timer = Timer { head: Timer::header(at, at), closes, ..Timer::zeroed() };
            timer.tail = Tail { instrument: number as u32, flags, ..Tail::default() };
            self.due.push_back(InputCell::from(&timer));
        }
    }

    /// A session change of the kind asked for.
    fn fire_change(&mut self, number: usize, at: i64, closes: bool) {
        let track = &mut self.tracks[number];
        let Some(change) = track.change.filter(|change| change.at == at) else { return };
        if (change.phase == SessionPhase::Closed) != closes {
            return;
        }
        track.learn(at, change.phase, (change.open, change.close), &self.row);
        self.due.push_back(InputCell::from(&session(number, &change)));
    }

    fn beat(&mut self, at: i64) {
        self.beats += 1;
        self.last_input = at;
        let mut heartbeat =
            Heartbeat { head: Heartbeat::header(at, at), count: self.beats, ..Heartbeat::zeroed() };
        heartbeat.tail.instrument = NO_INSTRUMENT;
        self.due.push_back(InputCell::from(&heartbeat));
    }

    fn plan(&mut self) {
        let due = |track: &Track| track.next_timer().min(track.change.map_or(NEVER, |c| c.at));
        self.next = self.tracks.iter().map(due).min().unwrap_or(NEVER);
    }
}

fn session(number: usize, change: &PhaseChange) -> Session {
    Session {
        head: Session::header(change.at, change.at),
        open: change.open,
        close: change.close,
        trading_date: change.trading_date,
        utc_offset_s: change.utc_offset_s,
        tail: Tail { instrument: number as u32, side: change.phase as u8, ..Tail::default() },
    }
}

/// True for what only a source delivers.
pub fn is_of_the_market(input: &InputCell) -> bool {
    input.is_tick() || input.is::<BookLevel>() || input.is::<ExternalBar>()
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

impl State for Schedule {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self {
            row: Row { timeframes_s, extra, gap: _ },
            tracks,
            heartbeat: _,
            beats,
            last_input,
            started,
            unstarted,
            next: _,
            quiet_until: _,
            due,
        } = self;
        let mut four = [0; TIMEFRAMES_MAX];
        four[..timeframes_s.len()].copy_from_slice(timeframes_s);
        codec.same(&four, "timeframes_s")?;
        same_bars(extra, codec)?;
        tracks.state(codec)?;
        beats.state(codec)?;
        last_input.state(codec)?;
        started.state(codec)?;
        checked(due, codec, VecDeque::is_empty)?;
        *unstarted = tracks.iter().any(|track| !track.started);
        self.plan();
        self.settle();
        Ok(())
    }
}
