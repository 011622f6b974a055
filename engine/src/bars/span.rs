//! Which bucket a vendor's bar is of, and when that bucket is over.
//!
//! A vendor's bar tells of the time before its end, so it belongs to the session that it overlaps (the newest of
//! them) and to the bucket in which it ends; one that ends at a boundary, to the bucket before that boundary. Of
//! the vendor's own length, the bucket is the bar itself, wherever the vendor begins to count.
//!
//! A bucket that its session cuts short is over with the vendor's bar that reaches the session's close: a bar of
//! 17:00 to 17:30 tells of a session that closed at 17:15, when 17:30 has come. If the next session opens before
//! that, such a bar is of the next one, and the bucket is over with that open.

use crate::bars::bucket_start;
use crate::state::state;
use ringbuf_layout::ExternalBar;
use ringbuf_layout::units::SECOND;

/// Longest bar of a vendor that is believed.
pub const LENGTH_MAX_S: u32 = 86_400;

/// Open and close of a session, ns UTC.
pub type Session = (i64, i64);

/// The last two sessions of an instrument: a vendor's bar may come when the next one is open already.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sessions {
    last: Session,
    before: Session,
}

impl Sessions {
    /// A session record: of a new session, or of another phase of the last one.
    pub fn learn(&mut self, session: Session) {
        if session.0 != self.last.0 {
            self.before = self.last;
        }
        self.last = session;
    }

    /// The newest session that overlaps a span of time.
    pub fn of(&self, from: i64, to: i64) -> Option<Session> {
        [self.last, self.before].into_iter().find(|(open, close)| *open < to && from < *close)
    }

    /// The newest one.
    pub fn last(&self) -> Session {
        self.last
    }

    /// In the order in which they are hashed.
    pub fn instants(&self) -> [i64; 4] {
        [self.last.0, self.last.1, self.before.0, self.before.1]
    }
}

state!(Sessions { last, before });

/// True if the times of a vendor's bar hold together: its close is its open plus its length. A day on the clock of
/// a zone has an hour less or more twice a year.
pub fn holds_together(bar: &ExternalBar) -> bool {
    const HOUR: i64 = 3_600 * SECOND;
    let length = i64::from(bar.timeframe_s) * SECOND;
    let found = bar.head.ts_event.checked_sub(bar.ts_open);
    match bar.timeframe_s {
        LENGTH_MAX_S => found.is_some_and(|found| (length - HOUR..=length + HOUR).contains(&found)),
        1..LENGTH_MAX_S => found == Some(length),
        _ => false,
    }
}

/// True if bars of this timeframe can be made of the vendor's.
pub fn can_be_made(timeframe_s: u32, length_s: u32) -> bool {
    length_s > 0 && timeframe_s.is_multiple_of(length_s)
}

/// How the buckets of a timeframe lie in a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Buckets {
    session: Session,
    timeframe_s: u32,
    /// Length of the vendor's bars.
    length: i64,
    /// An instant at which one of the vendor's bars ends.
    end: i64,
}

impl Buckets {
    /// Of a vendor with bars of `length_s`, one of which ends at `end`.
    pub fn new(session: Session, timeframe_s: u32, length_s: u32, end: i64) -> Self {
        Self { session, timeframe_s, length: i64::from(length_s) * SECOND, end }
    }

    fn timeframe(&self) -> i64 {
        i64::from(self.timeframe_s) * SECOND
    }

    /// Start of the bucket of a vendor's bar, and when it is over.
    pub fn of(&self, bar: &ExternalBar) -> (i64, i64) {
        let end = bar.head.ts_event;
        if self.timeframe() == self.length {
            return (bar.ts_open, end);
        }
        let start = self.start(end);
        (start, self.over(start))
    }

    /// Start of the bucket of a bar that ends at `end`.
    pub fn start(&self, end: i64) -> i64 {
        if self.timeframe() == self.length {
            return end - self.length;
        }
        let (open, close) = self.session;
        bucket_start(open, self.timeframe_s, end.min(close) - 1)
    }

    /// When the bucket that begins at `start` is over.
    pub fn over(&self, start: i64) -> i64 {
        let end = start + self.timeframe();
        if self.timeframe() == self.length { end } else { end.min(self.last_end()) }
    }

    /// First end of a vendor's bar at or after the close of the session.
    fn last_end(&self) -> i64 {
        let close = self.session.1;
        close + (self.end - close).rem_euclid(self.length)
    }

    /// Start of the bucket after one that was over at `over`; `None` if the session has no further one.
    pub fn after(&self, over: i64) -> Option<i64> {
        (over < self.session.1).then_some(over)
    }

    /// Start of the first bucket of the session.
    pub fn first(&self) -> i64 {
        let open = self.session.0;
        if self.timeframe() != self.length {
            return open;
        }
        // The vendor's first bar that ends within the session.
        open + (self.end - open - 1).rem_euclid(self.length) + 1 - self.length
    }
}
