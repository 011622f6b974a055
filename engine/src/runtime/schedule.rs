//! What is due in event time: bar boundaries, session changes, rolls, heartbeats.
//!
//! At equal time: bar timers by instrument, session closes, rolls of the futures whose sessions are over, session
//! opens, then a heartbeat; then operator, execution reports and data, which the sequencer adds.
//!
//! A timer is due at the end of a bucket that had an input. Tick, volume and notional bars end with their session, as
//! a timeframe as long as the session would. With a gap policy there is a timer for every bucket from the first
//! one with an input on (`carry`: also from the open of each later session on). Where a vendor makes the bars, a
//! timer is due 1 ns after its bucket: what ends at a boundary comes with the boundary's time.

use crate::bars::extra::same_bars;
use crate::bars::span::holds_together;
use crate::calendar::{Calendar, PhaseChange};
use crate::config::Bars;
use crate::runtime::front::{Fronts, Misfit, Told};
use crate::runtime::track::{NEVER, Row, Track};
use crate::state::{Codec, State, StateError, checked};
use bytemuck::Zeroable;
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::names::{BarSource, SessionPhase, TIMER_END_OF_SOURCE};
use ringbuf_layout::output::TIMEFRAMES_MAX;
use ringbuf_layout::units::MILLISECOND;
use ringbuf_layout::{
    ExternalBar, Frame, Heartbeat, InputCell, Instrument, Session, SourceStatus, Tail, Timer, Trade,
};
use std::collections::VecDeque;
use std::sync::Arc;

/// Heartbeats in a row after which a silent market is left alone.
const HEARTBEATS_MAX: u64 = 60;

/// The schedule of all instruments.
#[derive(Clone, Debug)]
pub struct Schedule {
    row: Row,
    tracks: Vec<Track>,
    fronts: Fronts,
    heartbeat: i64,
    beats: u64,
    last_input: i64,
    started: bool,
    /// An instrument has not learned yet which session it is in, or of which future it is a contract.
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
            // A timer, a close, a roll and an open for each instrument can be due at once.
            due: VecDeque::with_capacity(4 * tracks.len() + 1),
            tracks,
            fronts: Fronts::default(),
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
        self.due.reserve(4 * self.tracks.len() + 1);
    }

    /// Follows a future with these contracts: see [`Fronts::follow`].
    ///
    /// # Errors
    /// Contracts with other sessions than those beside them, or of another future.
    pub fn follow(&mut self, contracts: &[u32], first: Option<u32>) -> Result<(), Misfit> {
        self.fronts.follow(contracts, first)?;
        if let Some(one) = contracts.first() {
            let calendar = |number: u32| self.tracks.get(number as usize).map(|t| &t.calendar);
            let other = |other: &u32| calendar(*other) != calendar(*one);
            if let Some(other) = self.fronts.beside(*one).find(other) {
                return Err(Misfit::Calendars(*one, other));
            }
        }
        self.unstarted |= self.fronts.has_new();
        self.settle();
        Ok(())
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

    /// Every instrument whose phase is not known from before learns the session it is in, and every new contract of
    /// a future which is the front.
    fn start(&mut self, now: i64) {
        self.start_sessions(now);
        let Self { fronts, tracks, due, .. } = self;
        let at = |contract: u32| tracks.get(contract as usize).map_or(now, |track| track.from(now));
        fronts.tell_new(at, |told| due.push_back(InputCell::from(&roll(&told))));
        self.unstarted = false;
        self.plan();
        self.quiet_until = i64::MIN;
    }

    fn start_sessions(&mut self, now: i64) {
        self.started = true;
        self.unstarted = self.fronts.has_new();
        for (number, track) in self.tracks.iter_mut().enumerate().filter(|(_, t)| !t.started) {
            track.started = true;
            let from = track.from(now);
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
        self.observe_time(input, now);
        if is_of_the_market(input) {
            if self.unstarted {
                if !self.started {
                    self.last_input = now;
                }
                self.start_sessions(now);
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
        } else if let Some((future, front)) = input.get().and_then(SourceStatus::rolled) {
            let told = Told { at: head.ts_event, contract: tail.instrument, future, front };
            let begins = self.fronts.observe(&told);
            self.plan();
            if !begins {
                self.note(told.at);
            }
            self.settle();
        } else if let Some(heartbeat) = input.get::<Heartbeat>() {
            (self.beats, self.last_input) = (heartbeat.count, head.ts_event);
            self.settle();
        }
    }

    /// What is decided by the time that an input tells of is decided. The timers at the end of a source tell of none.
    fn observe_time(&mut self, input: &InputCell, now: i64) {
        let market = is_of_the_market(input);
        let at_end = |timer: &Timer| timer.tail.flags & TIMER_END_OF_SOURCE != 0;
        if !input.get::<Timer>().is_some_and(at_end) {
            self.fronts.decide(if market { now } else { input.head().ts_event });
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
        if !starts {
            self.close_contract(session);
        }
        self.plan();
        if !starts {
            self.note(session.head.ts_event);
        }
        self.settle();
    }

    /// The next record due at or before `now`, in order.
    pub fn pop(&mut self, now: i64) -> Option<InputCell> {
        while self.due.is_empty() {
            let at = self.next_due();
            if at > now {
                if self.unstarted {
                    // One that starts in the past has changes that are due before what happens now.
                    self.start(now);
                    continue;
                }
                self.settle();
                return None;
            }
            if at == self.next {
                self.fire(at);
                // A front that is decided and stays is no input: nobody who reads the journal knows of it.
                if !self.due.is_empty() {
                    self.note(at);
                }
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
        if self.fronts.holds(instrument)
            && let Some((open, size)) = traded(track, record)
        {
            self.fronts.count(instrument, open, size);
        }
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
        for number in 0..self.tracks.len() {
            self.fire_change(number, at, true);
        }
        let due = &mut self.due;
        self.fronts.decide(at);
        self.fronts.tell(at, |told| due.push_back(InputCell::from(&roll(&told))));
        for number in 0..self.tracks.len() {
            self.fire_change(number, at, false);
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
        let session = session(number, &change);
        self.due.push_back(InputCell::from(&session));
        self.close_contract(&session);
    }

    /// A session change of a contract, which has learned it: its last close of a trading date may end the session of
    /// its future.
    fn close_contract(&mut self, session: &Session) {
        let Self { fronts, tracks, .. } = self;
        let number = session.tail.instrument;
        let Some(track) = tracks.get(number as usize).filter(|_| fronts.holds(number)) else {
            return;
        };
        let goes_on = |next: PhaseChange| next.trading_date == session.trading_date;
        if session.tail.side != SessionPhase::Closed as u8 || track.change.is_some_and(goes_on) {
            return;
        }
        let lag = track.external
            || fronts
                .beside(number)
                .any(|other| tracks.get(other as usize).is_some_and(|t| t.external));
        let is_open = |n: u32| tracks.get(n as usize).is_some_and(|track| track.session.is_some());
        fronts.close(number, session.head.ts_event, lag, is_open);
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
        self.next = self.tracks.iter().map(due).min().unwrap_or(NEVER).min(self.fronts.due());
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

fn roll(told: &Told) -> SourceStatus {
    SourceStatus::roll(told.at, told.contract, told.future, told.front)
}

/// The open of the session in which a record tells of trading, and the size: prints, or a vendor's bars where they make
/// the instrument's.
fn traded(track: &Track, record: &InputCell) -> Option<(i64, i64)> {
    if track.external {
        let bar: &ExternalBar = record.get()?;
        let length_s = track.vendor.length_s;
        let is_one = holds_together(bar) && (length_s == 0 || bar.timeframe_s == length_s);
        let (open, _) = track.vendor.sessions.of(bar.ts_open, bar.head.ts_event)?;
        return is_one.then_some((open, bar.volume.0));
    }
    let trade: &Trade = record.get()?;
    let (open, _) = track.session?;
    (trade.head.ts_event >= open).then_some((open, trade.size.0))
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
            fronts,
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
        fronts.state(codec)?;
        beats.state(codec)?;
        last_input.state(codec)?;
        started.state(codec)?;
        checked(due, codec, VecDeque::is_empty)?;
        *unstarted = tracks.iter().any(|track| !track.started) || fronts.has_new();
        self.plan();
        self.settle();
        Ok(())
    }
}
