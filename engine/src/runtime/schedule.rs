//! What is due in event time: bar boundaries, session changes, heartbeats.
//!
//! At equal time: bar timers by instrument, session closes, session opens, then a heartbeat; then
//! operator, execution reports and data, which the sequencer adds.

use crate::calendar::{Calendar, PhaseChange};
use crate::stages::bar::bucket_start;
use crate::state::{Codec, State, StateError, checked, state};
use bytemuck::Zeroable;
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::names::{SessionPhase, TIMER_END_OF_SOURCE};
use ringbuf_layout::output::TIMEFRAMES_MAX;
use ringbuf_layout::units::{MILLISECOND, SECOND};
use ringbuf_layout::{BookLevel, ExternalBar, Frame, Heartbeat, InputCell, Session, Tail, Timer};
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
    /// End of the open bucket of each timeframe; [`NEVER`] where none is open.
    ends: [i64; TIMEFRAMES_MAX],
    /// Until this time a record opens no bucket: the per-tick test.
    covered: i64,
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
            covered: i64::MIN,
        }
    }

    /// A session record of this phase is out, from `at` on. A close that is also the next session's open (round
    /// the clock) leaves the open as the next change, due at the same instant.
    fn learn(&mut self, at: i64, phase: SessionPhase, session: (i64, i64)) {
        let closes = phase == SessionPhase::Closed;
        self.started = true;
        self.session = (!closes).then_some(session);
        self.covered = i64::MIN;
        let now =
            self.calendar.phase_at(at).filter(|now| closes && now.phase != SessionPhase::Closed);
        self.change = now.or_else(|| self.calendar.next_after(at));
    }

    fn next_timer(&self) -> i64 {
        self.ends.iter().copied().min().unwrap_or(NEVER)
    }
}

/// The schedule of all instruments.
#[derive(Clone, Debug)]
pub struct Schedule {
    timeframes_s: Vec<u32>,
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
    pub fn new(timeframes_s: &[u32], heartbeat_ms: i64, calendars: Vec<Arc<Calendar>>) -> Self {
        let tracks: Vec<Track> = calendars.into_iter().map(Track::new).collect();
        Self {
            timeframes_s: timeframes_s.to_vec(),
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

    /// Goes on with other timeframes, whose buckets begin with the next record, and another heartbeat.
    pub fn retime(&mut self, timeframes_s: &[u32], heartbeat_ms: i64) {
        self.heartbeat = heartbeat_ms * MILLISECOND;
        if self.timeframes_s != timeframes_s {
            self.timeframes_s = timeframes_s.to_vec();
            for track in &mut self.tracks {
                (track.ends, track.covered) = ([NEVER; TIMEFRAMES_MAX], i64::MIN);
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
            // Only one whose calendar changed is in a session that has to be closed.
            let was_open = track.session.take().is_some();
            if let Some(change) = track.calendar.phase_at(now) {
                let is_open = change.phase != SessionPhase::Closed;
                track.session = is_open.then_some((change.open, change.close));
                if is_open || was_open {
                    self.due.push_back(InputCell::from(&session(number, &change)));
                }
            }
            track.change = track.calendar.next_after(now);
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
            self.open_buckets(tail.instrument, head.ts_event);
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
        for (i, end) in track.ends.iter_mut().enumerate() {
            if timer.closes >> i & 1 == 1 {
                *end = NEVER;
            }
        }
        track.covered = i64::MIN;
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
        track.learn(session.head.ts_event, phase, (session.open, session.close));
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
                } else {
                    self.settle();
                }
                return self.due.pop_front();
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
            let at = self.tracks.iter().map(Track::next_timer).min().filter(|at| *at != NEVER)?;
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
    pub fn open_buckets(&mut self, instrument: u32, ts: i64) {
        let Some(track) = self.tracks.get_mut(instrument as usize) else { return };
        track.newest = track.newest.max(ts);
        if track.newest < track.covered {
            return;
        }
        let Some((open, close)) = track.session else { return };
        if track.newest < open {
            return;
        }
        for (end, timeframe_s) in track.ends.iter_mut().zip(&self.timeframes_s) {
            if *end == NEVER {
                let start = bucket_start(open, *timeframe_s, track.newest);
                *end = close.min(start + i64::from(*timeframe_s) * SECOND);
            }
        }
        track.covered = track.next_timer();
        self.next = self.next.min(track.covered);
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
        for (i, end) in track.ends.iter_mut().enumerate() {
            if *end == at {
                *end = NEVER;
                closes |= 1 << i;
            }
        }
        if closes != 0 {
            track.covered = i64::MIN;
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
        track.learn(at, change.phase, (change.open, change.close));
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

state!(PhaseChange { at, phase, open, close, trading_date, utc_offset_s });

impl State for Track {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { calendar: _, started, change, session, newest, ends, covered } = self;
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
        covered.state(codec)
    }
}

impl State for Schedule {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self {
            timeframes_s,
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
