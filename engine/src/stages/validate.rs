//! validate: price, size, time, session, staleness, crossed book; normalises.
//!
//! Every input of market data gets a verdict: `ok`, flagged with reasons, or rejected with reasons.
//! What is rejected stays in the journal and reaches no bar, feature or fill.
//!
//! It also keeps each instrument's book of depth. A book is judged where an update ends, not between its records.
//! A change of its best bid and ask goes on beside the verdict, unless quotes speak for the instrument.

use crate::bars::span::{Sessions, holds_together};
use crate::config::Validate as Limits;
use crate::depth::Depth;
use crate::stage::Digest;
use crate::stages::grid::Grid;
use crate::state::{Codec, State, StateError, state};
use ringbuf_layout::frame::Kind;
use ringbuf_layout::names::{
    BarSource, BookAction, GAP_OF_TRADES, SessionPhase, SourceState, TRADE_SUSPICIOUS,
};
use ringbuf_layout::slot::{Found, Top};
use ringbuf_layout::units::{MILLISECOND, div_half_even};
use ringbuf_layout::{
    BookLevel, ExternalBar, Header, InputCell, Instrument, Price, Quote, Reasons, Session, Size,
    SourceStatus, Timer, Trade,
};

/// What `validate` knows of one instrument.
#[derive(Clone, Copy, Debug, Default)]
struct Book {
    grid: Grid,
    /// The last bar boundary or session change that was released: what is before it is late.
    boundary: i64,
    /// Time of the newest record.
    newest: i64,
    /// Last accepted price that was set; 0 before the first.
    last: i64,
    /// [`Reasons::OFF_GRID`] if that price was off the grid.
    last_off_grid: u32,
    /// [`Conditions`](ringbuf_layout::Conditions) of a print that keep it from setting prices.
    no_price: u16,
    /// Conditions of a print whose size is in no volume.
    no_volume: u16,
    /// Sizes accepted in this session: keeps every bar's volume within an i64.
    session_size: i64,
    phase: u8,
    known: bool,
    /// A quote has come: its book does not speak beside it.
    quoted: bool,
    /// A vendor makes its bars.
    external: bool,
    vendor: Vendor,
}

/// What is known of the bars of a vendor that make an instrument's.
#[derive(Clone, Copy, Debug, Default)]
struct Vendor {
    /// Length of the first whose times hold together: what all the others have.
    length_s: u32,
    /// End of the newest accepted: what begins before it is late.
    until: i64,
    /// Newest end of one whose times are sound, accepted or not: what ends before it is late, as the sequencer opens no
    /// bucket that it may have passed over.
    reached: i64,
    sessions: Sessions,
    /// Open of the session whose sizes are summed.
    summed: i64,
    /// The phase before the last change, and when that was.
    phase_before: u8,
    changed: i64,
}

/// What is known of the time.
#[derive(Clone, Copy, Debug)]
struct Clock {
    /// Newest `ts_event` of any market record.
    newest: i64,
    stale_after: i64,
}

/// The stage.
#[derive(Debug)]
pub struct Validate {
    books: Vec<Book>,
    /// Apart, so that what every tick touches stays small.
    depths: Vec<Depth>,
    /// The top that the last record of a book has changed.
    news: Option<Top>,
    clock: Clock,
    /// `jump_pct` in millionths.
    jump_millionths: i64,
    rejecting: u32,
}

impl Validate {
    /// A stage for at most `instruments` instruments.
    pub fn new(limits: &Limits, instruments: usize) -> Self {
        Self {
            books: vec![Book::default(); instruments],
            depths: vec![Depth::default(); instruments],
            news: None,
            clock: Clock { newest: 0, stale_after: limits.stale_after_ms * MILLISECOND },
            jump_millionths: (limits.jump_pct * 10_000.0).round() as i64,
            rejecting: Reasons::REJECTING.0 | limits.reject.0,
        }
    }

    /// The verdict on an input; `OK` for inputs that are not market data.
    #[inline]
    pub fn judge(&mut self, input: &InputCell) -> Found {
        if let Some(trade) = input.get::<Trade>() {
            return self.trade(trade);
        }
        match input.kind() {
            Some(Kind::Quote) => input.get().map_or(Found::OK, |quote| self.quote(quote)),
            Some(Kind::BookLevel) => input.get().map_or(Found::OK, |level| self.level(level)),
            Some(Kind::ExternalBar) => input.get().map_or(Found::OK, |bar| self.external_bar(bar)),
            _ => {
                self.notice(input);
                Found::OK
            }
        }
    }

    #[inline]
    fn trade(&mut self, trade: &Trade) -> Found {
        let (price, mut size) = (trade.price.0, trade.size.0);
        let (mut reasons, book) =
            time(&mut self.clock, &mut self.books, &trade.head, trade.tail.instrument);
        reasons |= bit(is_no_price(price), Reasons::PRICE) | bit(size < 0, Reasons::SIZE);
        reasons |= bit(size == 0, Reasons::ZERO_SIZE);
        reasons |= bit(trade.tail.flags & TRADE_SUSPICIOUS != 0, Reasons::SUSPICIOUS);
        if let Some(book) = book {
            // A price seen before was measured before: most prints repeat one.
            if price == book.last {
                reasons |= book.last_off_grid;
            } else {
                reasons |= bit(!book.grid.holds(price) && price > 0, Reasons::OFF_GRID);
                reasons |= bit(is_jump(price, book.last, self.jump_millionths), Reasons::JUMP);
            }
            let sets_no_price = trade.conditions().0 & book.no_price != 0;
            reasons |= bit(sets_no_price, Reasons::CONDITION);
            if trade.conditions().0 & book.no_volume != 0 {
                size = 0;
            }
            if reasons & self.rejecting == 0 {
                match book.session_size.checked_add(size) {
                    Some(sum) => {
                        book.session_size = sum;
                        if !sets_no_price {
                            book.last = price;
                            book.last_off_grid = reasons & Reasons::OFF_GRID.0;
                        }
                    }
                    None => reasons |= Reasons::OVERFLOW.0,
                }
            }
        }
        self.found(reasons, trade.price, Size(size))
    }

    fn quote(&mut self, quote: &Quote) -> Found {
        let (mut reasons, book) =
            time(&mut self.clock, &mut self.books, &quote.head, quote.tail.instrument);
        let sides = [quote.bid, quote.ask].map(|p| p.is_defined().then_some(p.0));
        let bad = |side: Option<i64>| side.is_some_and(|p| p <= 0);
        reasons |= bit(sides == [None, None] || sides.into_iter().any(bad), Reasons::PRICE);
        reasons |= bit(quote.bid_size.0 < 0 || quote.ask_size.0 < 0, Reasons::SIZE);
        let mut middle = Price::UNDEFINED;
        if let [Some(bid), Some(ask)] = sides {
            reasons |= bit(bid > ask, Reasons::CROSSED);
            let sum = i128::from(bid) + i128::from(ask);
            middle = div_half_even(sum, 2).map_or(middle, |m| Price(m as i64));
        }
        if let Some(book) = book {
            book.quoted = true;
            let off = |side: Option<i64>| side.is_some_and(|p| p > 0 && !book.grid.holds(p));
            reasons |= bit(sides.into_iter().any(off), Reasons::OFF_GRID);
            if middle.is_defined() {
                reasons |= bit(is_jump(middle.0, book.last, self.jump_millionths), Reasons::JUMP);
                if reasons & self.rejecting == 0 {
                    book.last = middle.0;
                    book.last_off_grid = bit(!book.grid.holds(middle.0), Reasons::OFF_GRID);
                }
            }
        }
        self.found(reasons, middle, Size(0))
    }

    fn level(&mut self, level: &BookLevel) -> Found {
        self.news = None;
        let (mut reasons, book) =
            time(&mut self.clock, &mut self.books, &level.head, level.tail.instrument);
        let sets = level.action() == Some(BookAction::Set);
        reasons |= bit(sets && is_no_price(level.price.0), Reasons::PRICE);
        reasons |= bit(level.size.0 < 0, Reasons::SIZE);
        if let Some(book) = book {
            reasons |= bit(sets && !book.grid.holds(level.price.0), Reasons::OFF_GRID);
            let quoted = book.quoted;
            if let Some(depth) = self.depths.get_mut(level.tail.instrument as usize) {
                // A level that comes late is still a level: without it the book would be wrong from here on.
                // One that is no level at all leaves nothing to rely on.
                let nonsense = reasons & self.rejecting & !Reasons::OF_TIME.0 != 0;
                if nonsense {
                    depth.reset();
                } else {
                    depth.apply(level);
                }
                if level.ends_update() {
                    reasons |= bit(depth.is_crossed(), Reasons::CROSSED);
                    let accepted = reasons & self.rejecting == 0;
                    self.news = if accepted && !quoted { depth.news() } else { None };
                }
            }
        }
        self.found(reasons, level.price, level.size)
    }

    /// The best bid and ask, where the last input ended an update of a book that has no quotes beside it, was
    /// accepted, and changed them.
    #[inline]
    pub fn news(&self) -> Option<Top> {
        self.news
    }

    /// The book of an instrument: empty unless it has one.
    pub fn depth(&self, instrument: u32) -> Option<&Depth> {
        self.depths.get(instrument as usize)
    }

    fn external_bar(&mut self, bar: &ExternalBar) -> Found {
        let (mut reasons, book) =
            time(&mut self.clock, &mut self.books, &bar.head, bar.tail.instrument);
        let prices = [bar.open, bar.high, bar.low, bar.close];
        let outside = prices.iter().any(|p| *p > bar.high || *p < bar.low || is_no_price(p.0));
        reasons |= bit(outside, Reasons::PRICE) | bit(bar.volume.0 < 0, Reasons::SIZE);
        if let Some(book) = book.filter(|book| book.external) {
            let of_an_instant =
                Reasons::LATE.with(Reasons::CLOSED_SESSION).with(Reasons::EXTENDED_HOURS);
            reasons = reasons & !of_an_instant.0 | book.vendors_time(bar);
            if reasons & Reasons::LATE.0 != 0 {
                reasons &= !Reasons::DISORDER.0;
            }
            reasons |= bit(prices.iter().any(|p| !book.grid.holds(p.0)), Reasons::OFF_GRID);
            reasons |= bit(is_jump(bar.open.0, book.last, self.jump_millionths), Reasons::JUMP);
            if reasons & self.rejecting == 0 {
                reasons |= book.take_vendors(bar);
            }
        }
        self.found(reasons, bar.close, bar.volume)
    }

    /// Learns from inputs that are not market data: instruments, sessions, boundaries.
    fn notice(&mut self, input: &InputCell) {
        if let Some(status) = input.get::<SourceStatus>() {
            return self.lost(status);
        }
        let Some(book) = self.books.get_mut(input.tail().instrument as usize) else { return };
        if let Some(timer) = input.get::<Timer>() {
            book.boundary = book.boundary.max(timer.head.ts_event);
        } else if let Some(session) = input.get::<Session>() {
            // A run that begins within a session learns of its open afterwards.
            let closed = session.tail.side == SessionPhase::Closed as u8;
            let released = if closed { session.head.ts_event } else { session.open };
            book.boundary = book.boundary.max(released);
            if session.head.ts_event == session.open && !book.external {
                book.session_size = 0;
            }
            book.vendor.sessions.learn((session.open, session.close));
            (book.vendor.phase_before, book.vendor.changed) = (book.phase, session.head.ts_event);
            book.phase = session.tail.side;
        } else if let Some(instrument) = input.get::<Instrument>() {
            book.grid = Grid::new(instrument.tick.0.max(1));
            book.known = true;
            (book.no_price, book.no_volume) = (instrument.no_price, instrument.no_volume);
            book.external = instrument.bar_price == BarSource::External as u8;
        }
    }

    /// What a source lost, or no longer delivers, is not in its books.
    fn lost(&mut self, status: &SourceStatus) {
        use SourceState::{Down, Gap};
        let state = SourceState::from_byte(status.tail.side);
        let of_trades = status.tail.flags & GAP_OF_TRADES != 0;
        if status.is_of_its_data() {
            if let (Some(Gap), false) = (state, of_trades)
                && let Some(depth) = self.depths.get_mut(status.tail.instrument as usize)
            {
                depth.reset();
            }
        } else if let Some(Gap | Down) = state {
            let theirs = |depth: &&mut Depth| depth.source() == Some(status.tail.source);
            self.depths.iter_mut().filter(theirs).for_each(Depth::reset);
        }
    }

    #[inline]
    fn found(&self, reasons: u32, price: Price, size: Size) -> Found {
        let rejected = reasons & self.rejecting != 0;
        Found { reasons: Reasons(reasons), rejected, price, size }
    }

    /// Feeds its state to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        digest.int(self.clock.newest);
        for book in self.books.iter().filter(|book| book.known) {
            for field in [book.boundary, book.newest, book.last, book.session_size] {
                digest.int(field);
            }
            digest.word(u64::from(book.phase) | u64::from(book.last_off_grid) << 32);
            if book.no_price != 0 || book.no_volume != 0 {
                digest.word(u64::from(book.no_price) | u64::from(book.no_volume) << 16);
            }
            if book.external {
                book.vendor.digest(digest);
            }
        }
        for (book, depth) in self.books.iter().zip(&self.depths) {
            depth.digest(book.quoted, digest);
        }
    }
}

impl Book {
    /// What is wrong with the times of a vendor's bar. It tells of the time before its end: of a session that may be
    /// over when it comes, and of a boundary that it ends at.
    fn vendors_time(&mut self, bar: &ExternalBar) -> u32 {
        // The first whose times hold together says how long they are, whatever else is wrong with it: the sequencer,
        // which knows no verdicts, goes by the same rule.
        if self.vendor.length_s == 0 && holds_together(bar) {
            self.vendor.length_s = bar.timeframe_s;
        }
        let (vendor, end) = (&mut self.vendor, bar.head.ts_event);
        let phase = if end > vendor.changed { self.phase } else { vendor.phase_before };
        let other = bar.timeframe_s != vendor.length_s || !holds_together(bar);
        let closed = vendor.sessions.of(bar.ts_open, end).is_none();
        let late = end < self.boundary.max(vendor.reached) || bar.ts_open < vendor.until;
        if !other {
            vendor.reached = vendor.reached.max(end);
        }
        bit(late, Reasons::LATE)
            | bit(other, Reasons::TIMEFRAME)
            | bit(closed, Reasons::CLOSED_SESSION)
            | bit(phase == SessionPhase::Extended as u8, Reasons::EXTENDED_HOURS)
    }

    /// A vendor's bar is accepted, unless its session's sizes no longer fit.
    fn take_vendors(&mut self, bar: &ExternalBar) -> u32 {
        let vendor = &mut self.vendor;
        let open = vendor.sessions.of(bar.ts_open, bar.head.ts_event).map_or(0, |(open, _)| open);
        if vendor.summed != open {
            (vendor.summed, self.session_size) = (open, 0);
        }
        let Some(sum) = self.session_size.checked_add(bar.volume.0) else {
            return Reasons::OVERFLOW.0;
        };
        vendor.until = bar.head.ts_event;
        (self.session_size, self.last) = (sum, bar.close.0);
        0
    }
}

impl Vendor {
    fn digest(&self, digest: &mut Digest) {
        digest.word(u64::from(self.length_s) | u64::from(self.phase_before) << 32);
        for instant in [self.until, self.reached, self.summed, self.changed] {
            digest.int(instant);
        }
        self.sessions.instants().into_iter().for_each(|instant| digest.int(instant));
    }
}

/// What is wrong with the time of a market record and with the session that it falls in, and what is
/// known of its instrument.
#[inline]
fn time<'b>(
    clock: &mut Clock,
    books: &'b mut [Book],
    head: &Header,
    instrument: u32,
) -> (u32, Option<&'b mut Book>) {
    let ts = head.ts_event;
    clock.newest = clock.newest.max(ts);
    let known = clock.newest.max(head.ts_recv);
    let mut reasons = bit(known.saturating_sub(ts) > clock.stale_after, Reasons::STALE);
    let Some(book) = books.get_mut(instrument as usize).filter(|book| book.known) else {
        return (reasons | Reasons::UNKNOWN_INSTRUMENT.0, None);
    };
    let late = ts < book.boundary;
    reasons |= bit(late, Reasons::LATE);
    reasons |= bit(!late && ts < book.newest, Reasons::DISORDER);
    reasons |= bit(book.phase == SessionPhase::Closed as u8, Reasons::CLOSED_SESSION);
    reasons |= bit(book.phase == SessionPhase::Extended as u8, Reasons::EXTENDED_HOURS);
    book.newest = book.newest.max(ts);
    (reasons, Some(book))
}

#[inline]
fn bit(condition: bool, reason: Reasons) -> u32 {
    if condition { reason.0 } else { 0 }
}

/// True for what no print, level or bar can have: zero, less, or the mark of an absent side.
#[inline]
fn is_no_price(price: i64) -> bool {
    price <= 0 || price == Price::UNDEFINED.0
}

/// True if `price` is further from `last` than `millionths` of it.
#[inline]
fn is_jump(price: i64, last: i64, millionths: i64) -> bool {
    last > 0
        && i128::from(price.abs_diff(last)) * 1_000_000 > i128::from(last) * i128::from(millionths)
}

state!(Book {
    grid,
    boundary,
    newest,
    last,
    last_off_grid,
    no_price,
    no_volume,
    session_size,
    phase,
    known,
    quoted,
    external,
    vendor,
});
state!(Vendor { length_s, until, reached, sessions, summed, phase_before, changed });
state!(Clock { newest } fixed { stale_after });

impl State for Validate {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        // What the last record changed is of no later input.
        let Self { books, depths, news: _, clock, jump_millionths: _, rejecting: _ } = self;
        codec.rows(books)?;
        codec.rows(depths)?;
        clock.state(codec)
    }
}
