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
use crate::bars::span::LENGTH_MAX_S;
use crate::calendar::{Calendar, PhaseChange};
use crate::config::Bars;
use crate::runtime::track::{NEVER, Row, Track};
use crate::state::{Codec, State, StateError, checked};
use bytemuck::Zeroable;
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::names::{BarSource, SessionPhase, TIMER_END_OF_SOURCE};
use ringbuf_layout::output::TIMEFRAMES_MAX;
use ringbuf_layout::units::{MILLISECOND, SECOND};
use ringbuf_layout::{ExternalBar, Frame, Heartbeat, InputCell, Instrument, Session, Tail, Timer};
use std::collections::VecDeque;
use std::sync::Arc;

/// Heartbeats in a row after which a silent market is left alone.
const HEARTBEATS_MAX: u64 = 60;

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

    /// An instrument goes on with this calendar. If it is another than it had, the instrument learns its session
    /// anew, as one that a run adds; until then its stages believe what they were told.
    pub fn keep(&mut self, number: usize, calendar: Calendar) {
        let Some(track) = self.tracks.get_mut(number).filter(|t| *t.calendar != calendar) else {
            return;
        };
        track.calendar = Arc::new(calendar);
        (track.started, track.change) = (false, None);
        self.unstarted = true;
        self.plan();
        self.quiet_until = i64::MIN;
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
            // Only one whose calendar changed is in a session that has to be closed.
            let was_open = track.session.take().is_some();
            if let Some(change) = track.calendar.phase_at(from) {
                let is_open = change.phase != SessionPhase::Closed;
                track.session = is_open.then_some((change.open, change.close));
                if is_open {
                    track.vendor.sessions.learn((change.open, change.close));
                }
                if is_open || was_open {
                    self.due.push_back(InputCell::from(&session(number, &change)));
                }
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

/// True for what only a source delivers: market data, and what it found wrong with it.
pub fn is_of_the_market(input: &InputCell) -> bool {
    input.is_of_the_market()
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
