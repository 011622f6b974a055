//! What is due in event time: bar boundaries, session changes, heartbeats.
//!
//! At equal time: bar timers by instrument, session closes, session opens, then a heartbeat; then
//! operator, execution reports and data, which the sequencer adds.

use crate::calendar::{Calendar, PhaseChange};
use crate::stages::bar::bucket_start;
use bytemuck::Zeroable;
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::names::{SessionPhase, TIMER_END_OF_SOURCE};
use ringbuf_layout::output::TIMEFRAMES_MAX;
use ringbuf_layout::units::{MILLISECOND, SECOND};
use ringbuf_layout::{Frame, Heartbeat, InputCell, Session, Tail, Timer};
use std::collections::VecDeque;
use std::sync::Arc;

/// Heartbeats in a row after which a silent market is left alone.
const HEARTBEATS_MAX: u64 = 60;
/// Never due.
const NEVER: i64 = i64::MAX;

/// What is due for one instrument.
#[derive(Debug)]
struct Track {
    calendar: Arc<Calendar>,
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
    fn next_timer(&self) -> i64 {
        self.ends.iter().copied().min().unwrap_or(NEVER)
    }
}

/// The schedule of all instruments.
#[derive(Debug)]
pub struct Schedule {
    timeframes_s: Vec<u32>,
    tracks: Vec<Track>,
    heartbeat: i64,
    beats: u64,
    last_input: i64,
    started: bool,
    /// Earliest timer or session change.
    next: i64,
    /// Before this time nothing is due: the per-tick test.
    quiet_until: i64,
    due: VecDeque<InputCell>,
}

impl Schedule {
    /// A schedule for instruments with these calendars.
    pub fn new(timeframes_s: &[u32], heartbeat_ms: i64, calendars: Vec<Arc<Calendar>>) -> Self {
        let tracks: Vec<Track> = calendars
            .into_iter()
            .map(|calendar| Track {
                calendar,
                change: None,
                session: None,
                newest: i64::MIN,
                ends: [NEVER; TIMEFRAMES_MAX],
                covered: i64::MIN,
            })
            .collect();
        Self {
            timeframes_s: timeframes_s.to_vec(),
            // A timer, a close and an open for each instrument can be due at once.
            due: VecDeque::with_capacity(3 * tracks.len() + 1),
            tracks,
            heartbeat: heartbeat_ms * MILLISECOND,
            beats: 0,
            last_input: 0,
            started: false,
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
        let beat = if self.beats < HEARTBEATS_MAX {
            self.last_input.saturating_add(self.heartbeat)
        } else {
            NEVER
        };
        self.quiet_until = self.next.min(beat);
    }

    /// The first market record is about to come: every instrument learns the session it is in.
    pub fn start(&mut self, now: i64) {
        if self.started {
            return;
        }
        self.started = true;
        self.last_input = now;
        for (number, track) in self.tracks.iter_mut().enumerate() {
            if let Some(change) = track.calendar.phase_at(now)
                && change.phase != SessionPhase::Closed
            {
                track.session = Some((change.open, change.close));
                self.due.push_back(InputCell::from(&session(number, &change)));
            }
            track.change = track.calendar.next_after(now);
        }
        self.plan();
    }

    /// The next record due at or before `now`, in order.
    pub fn pop(&mut self, now: i64) -> Option<InputCell> {
        if self.due.is_empty() {
            self.settle();
            let at = self.quiet_until;
            if at > now {
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

    /// A session change of the kind asked for. A close that is also the next session's open (round the
    /// clock) leaves the open as the next change, due at the same instant.
    fn fire_change(&mut self, number: usize, at: i64, closes: bool) {
        let track = &mut self.tracks[number];
        let Some(change) = track.change.filter(|change| change.at == at) else { return };
        if (change.phase == SessionPhase::Closed) != closes {
            return;
        }
        track.session = (!closes).then_some((change.open, change.close));
        track.covered = i64::MIN;
        let now =
            track.calendar.phase_at(at).filter(|now| closes && now.phase != SessionPhase::Closed);
        track.change = now.or_else(|| track.calendar.next_after(at));
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
