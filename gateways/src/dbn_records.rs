//! DBN records in the engine's terms.
//!
//! | schema | gives |
//! |---|---|
//! | `trades` | a trade |
//! | `tbbo`, `tcbbo`, a trade of `mbp-1`, `cmbp-1` | the best before it, where that is news, and the trade |
//! | `mbp-1`, `cmbp-1` otherwise | a quote |
//! | `bbo-1s`, `bbo-1m`, `cbbo-1s`, `cbbo-1m` | a quote at the end of the interval |
//! | `mbp-10` | the levels that changed, a quote where the best did, the trade |
//! | `mbo` | the trade of a `T`; at the end of an event the changed ones of the best ten levels, a quote where the best did |
//! | `ohlcv-1s` … `ohlcv-1d` | a bar; DBN stamps its open, `ts_event` is its close |
//!
//! A record of a book that gives nothing is counted ([`Silent`]). Every other record is skipped and counted by type, also
//! in the [`inventory`](crate::inventory): `statistics`, `status`,
//! `imbalance`, bars of a session; `definition` serves [`definitions`](crate::definitions).
//!
//! These schemas have no sale conditions, and DBN's flags are none: they go no further. The orders of a snapshot are older
//! than it: what it says happened when it was received. An absent side has no price and size 0.

use crate::book_levels::{ABSENT, Change, Level, Levels};
use crate::book_orders::{ORDERS_MAX, OrderBook};
use crate::dbn_file::Record;
use crate::dbn_layout::{
    self as layout, Action, BarBytes, Kind, LevelsBytes, OrderBytes, TopBytes, TradeBytes, field,
};
use crate::files::Fault;
use dbn::{BidAskPair, MboMsg, Mbp1Msg, OhlcvMsg, RecordHeader, TradeMsg, flags};
use ringbuf_layout::{
    BookLevel, ExternalBar, Frame, InputCell, Price, Quote, Side, Size, Tail, Trade,
};

/// Where a side's levels begin in a record.
const LEVELS_AT: usize = core::mem::offset_of!(Mbp1Msg, levels);
const PAIR: usize = size_of::<BidAskPair>();
/// What a book level record says beside a change.
const DELETE: u8 = 1;
const CLEAR: u8 = 2;
const SNAPSHOT: u8 = 3;
const CHECKED: &str = "Invariant: a record's length fits its kind";

/// The best of both sides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Top {
    bid: Level,
    ask: Level,
}

/// What is kept of an instrument.
#[derive(Debug)]
struct Instrument {
    /// A size of 1 in a record is worth this.
    unit: i64,
    /// The last quote.
    quote: Option<Top>,
    /// Bids and asks as they were told.
    told: [Levels; 2],
    orders: OrderBook,
    /// True if an event changed the orders and is not over.
    changed: bool,
}

/// What every update begins with.
#[derive(Clone, Copy)]
struct Front {
    instrument: u32,
    ts_event: i64,
    ts_recv: i64,
    price: i64,
    size: u32,
    action: Action,
    side: Side,
    flags: u8,
}

impl Front {
    #[inline]
    fn of(bytes: &TradeBytes, instrument: u32) -> Result<Self, Fault> {
        let flags = field!(bytes, TradeMsg, flags, u8);
        let event = field!(bytes, RecordHeader, ts_event, u64);
        let (ts_event, ts_recv) = times(event, field!(bytes, TradeMsg, ts_recv, u64), flags)?;
        Ok(Self {
            instrument,
            ts_event,
            ts_recv,
            price: field!(bytes, TradeMsg, price, i64),
            size: field!(bytes, TradeMsg, size, u32),
            action: Action::of(field!(bytes, TradeMsg, action, u8))?,
            side: layout::side(field!(bytes, TradeMsg, side, u8))?,
            flags,
        })
    }

    fn of_order(bytes: &OrderBytes, instrument: u32) -> Result<Self, Fault> {
        let flags = field!(bytes, MboMsg, flags, u8);
        let event = field!(bytes, RecordHeader, ts_event, u64);
        let (ts_event, ts_recv) = times(event, field!(bytes, MboMsg, ts_recv, u64), flags)?;
        Ok(Self {
            instrument,
            ts_event,
            ts_recv,
            price: field!(bytes, MboMsg, price, i64),
            size: field!(bytes, MboMsg, size, u32),
            action: Action::of(field!(bytes, MboMsg, action, u8))?,
            side: layout::side(field!(bytes, MboMsg, side, u8))?,
            flags,
        })
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    #[inline]
    fn trade(&self, unit: i64) -> Trade {
        Trade {
            head: Trade::header(self.ts_event, self.ts_recv),
            price: Price(self.price),
            size: Size(i64::from(self.size) * unit),
            source_seq: 0,
            tail: self.tail(self.side),
        }
    }

    #[inline]
    fn quote(&self, top: &Top) -> Quote {
        Quote {
            head: Quote::header(self.ts_event, self.ts_recv),
            bid: Price(top.bid.price),
            ask: Price(top.ask.price),
            source_seq: 0,
            tail: self.tail(Side::None),
            bid_size: Size(top.bid.size),
            ask_size: Size(top.ask.size),
            reserved: [0; 6],
        }
    }

    fn level(&self, change: Change, action: u8) -> BookLevel {
        BookLevel {
            head: BookLevel::header(self.ts_event, self.ts_recv),
            price: Price(change.price),
            size: Size(change.size),
            source_seq: u64::from(action) << 56 | u64::from(change.level) << 48,
            tail: self.tail(change.side),
        }
    }

    fn tail(&self, side: Side) -> Tail {
        Tail { instrument: self.instrument, side: side as u8, ..Tail::default() }
    }
}

/// When it happened and when it was received, ns UTC.
#[inline]
fn times(event: u64, received: u64, flags: u8) -> Result<(i64, i64), Fault> {
    if flags & flags::SNAPSHOT != 0 {
        let received = layout::instant("ts_recv", received)?;
        return Ok((received, received));
    }
    let event = layout::instant("ts_event", event)?;
    Ok((event, i64::try_from(received).unwrap_or(event)))
}

/// What a record gave beside its first output, in order.
#[derive(Debug, Default)]
struct Queue {
    cells: Vec<InputCell>,
    /// The one that goes next.
    next: usize,
}

impl Queue {
    #[inline]
    fn push<T: Frame>(&mut self, record: &T) {
        self.cells.push(InputCell::default());
        if let Some(cell) = self.cells.last_mut() {
            cell.put(record);
        }
    }

    /// Copies the next one to `cell`; false if none is left, and then there is room again.
    #[inline]
    fn give(&mut self, cell: &mut InputCell) -> bool {
        let Some(next) = self.cells.get(self.next) else {
            self.cells.clear();
            self.next = 0;
            return false;
        };
        cell.copy_from(next);
        self.next += 1;
        true
    }
}

/// Takes a record's outputs: the first goes straight into the engine's cell.
struct Outlet<'a> {
    cell: &'a mut InputCell,
    is_filled: bool,
    queue: &'a mut Queue,
}

impl Outlet<'_> {
    #[inline]
    fn put<T: Frame>(&mut self, record: &T) {
        if !self.is_filled {
            self.cell.put(record);
            self.is_filled = true;
            return;
        }
        self.queue.push(record);
    }
}

/// Records that gave nothing, by why.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Silent {
    /// A cancel of an order that was never seen.
    unknown_order: u64,
    /// A fill, which is told as the trade and the cancel beside it, or no action at all.
    fill: u64,
    /// A change within an event, told at the event's end.
    within_event: u64,
    /// Nothing that is told of the book changed.
    unchanged: u64,
}

impl Silent {
    /// The counts with their names.
    pub(crate) fn counts(&self) -> [(&'static str, u64); 4] {
        [
            ("unknown_order", self.unknown_order),
            ("fill_told_as_trade_and_cancel", self.fill),
            ("told_at_the_end_of_its_event", self.within_event),
            ("book_unchanged", self.unchanged),
        ]
    }
}

/// The instruments of a source, and what of the last record is still to be given out.
#[derive(Debug)]
pub(crate) struct Market {
    /// What gave nothing.
    pub(crate) silent: Silent,
    instruments: Vec<Instrument>,
    queue: Queue,
    /// Orders in all books.
    resting: usize,
}

impl Market {
    /// Instruments whose sizes have so many decimal digits.
    pub(crate) fn new(size_digits: impl IntoIterator<Item = u8>) -> Self {
        let instrument = |digits: u8| {
            let unit = 10_i64.pow(u32::from(digits.min(9)));
            let (told, orders) = ([Levels::default(); 2], OrderBook::new(unit));
            Instrument { unit, quote: None, told, orders, changed: false }
        };
        let instruments = size_digits.into_iter().map(instrument).collect();
        Self { silent: Silent::default(), instruments, queue: Queue::default(), resting: 0 }
    }

    /// What is left of the record before.
    #[inline]
    pub(crate) fn left(&mut self, cell: &mut InputCell) -> bool {
        self.queue.give(cell)
    }

    /// Puts what a record of `instrument` gives first into `cell`; false if it gives nothing.
    ///
    /// # Errors
    /// A field that has no meaning, or a number that does not fit.
    #[inline]
    pub(crate) fn take(
        &mut self,
        record: Record<'_>,
        instrument: u32,
        cell: &mut InputCell,
    ) -> Result<bool, Fault> {
        let mut out = Outlet { cell, is_filled: false, queue: &mut self.queue };
        let Some(state) = self.instruments.get_mut(instrument as usize) else { return Ok(false) };
        let Record { kind, bytes } = record;
        match kind {
            Kind::Trade => {
                let front = Front::of(bytes.first_chunk().expect(CHECKED), instrument)?;
                out.put(&front.trade(state.unit));
            }
            Kind::Top | Kind::ConsolidatedTop => {
                top(state, bytes.first_chunk().expect(CHECKED), instrument, &mut out)?;
            }
            Kind::Levels => {
                levels(state, bytes.first_chunk().expect(CHECKED), instrument, &mut out)?;
            }
            Kind::Sampled | Kind::ConsolidatedSampled => {
                sampled(state, bytes.first_chunk().expect(CHECKED), instrument, &mut out)?;
            }
            Kind::Order => {
                let before = state.orders.len();
                let bytes = bytes.first_chunk().expect(CHECKED);
                let done = order(state, bytes, instrument, (&mut out, &mut self.silent));
                self.resting = self.resting + state.orders.len() - before;
                done?;
                if self.resting > ORDERS_MAX {
                    return Err(too_many());
                }
            }
            Kind::Bar(seconds) => {
                let bytes = bytes.first_chunk().expect(CHECKED);
                out.put(&bar(state.unit, bytes, seconds, instrument)?);
            }
            Kind::Definition | Kind::Mapping | Kind::Other => {}
        }
        self.silent.unchanged += u64::from(!out.is_filled && kind != Kind::Order);
        Ok(out.is_filled)
    }
}

#[cold]
fn too_many() -> Fault {
    Fault::new("", format!("more than {ORDERS_MAX} orders rest; name fewer with `symbols`"))
}

/// The pair at `at` of a record's levels.
#[inline]
fn pair(bytes: &[u8], at: usize) -> &[u8; PAIR] {
    bytes[LEVELS_AT + PAIR * at..].first_chunk().expect(CHECKED)
}

/// The bid of that pair.
#[inline]
fn bid(bytes: &[u8], at: usize, unit: i64) -> Level {
    let pair = pair(bytes, at);
    level(field!(pair, BidAskPair, bid_px, i64), field!(pair, BidAskPair, bid_sz, u32), unit)
}

/// Its ask.
#[inline]
fn ask(bytes: &[u8], at: usize, unit: i64) -> Level {
    let pair = pair(bytes, at);
    level(field!(pair, BidAskPair, ask_px, i64), field!(pair, BidAskPair, ask_sz, u32), unit)
}

#[inline]
fn level(price: i64, size: u32, unit: i64) -> Level {
    if price == ABSENT.price { ABSENT } else { Level { price, size: i64::from(size) * unit } }
}

/// The best of a record.
#[inline]
fn best(bytes: &TopBytes, unit: i64) -> Top {
    Top { bid: bid(bytes, 0, unit), ask: ask(bytes, 0, unit) }
}

/// `mbp-1`, `tbbo` and their consolidated kin.
#[inline]
fn top(
    state: &mut Instrument,
    bytes: &TopBytes,
    instrument: u32,
    out: &mut Outlet<'_>,
) -> Result<(), Fault> {
    let front = Front::of(bytes.first_chunk().expect(CHECKED), instrument)?;
    let top = best(bytes, state.unit);
    let is_trade = front.action == Action::Trade;
    // The book of a print is the one before it, which was told already unless this is `tbbo`.
    if !is_trade || state.quote != Some(top) {
        state.quote = Some(top);
        state.orders.tell_again();
        out.put(&front.quote(&top));
    }
    if is_trade {
        out.put(&front.trade(state.unit));
    }
    Ok(())
}

/// `bbo-1s` and its kin: the best at the end of the interval. `ts_event` there is of the last trade.
fn sampled(
    state: &mut Instrument,
    bytes: &TopBytes,
    instrument: u32,
    out: &mut Outlet<'_>,
) -> Result<(), Fault> {
    let end = layout::instant("ts_recv", field!(bytes, TradeMsg, ts_recv, u64))?;
    let top = best(bytes, state.unit);
    state.quote = Some(top);
    state.orders.tell_again();
    let front = Front {
        instrument,
        ts_event: end,
        ts_recv: end,
        price: 0,
        size: 0,
        action: Action::None,
        side: Side::None,
        flags: field!(bytes, TradeMsg, flags, u8),
    };
    out.put(&front.quote(&top));
    Ok(())
}

/// `mbp-10`.
fn levels(
    state: &mut Instrument,
    bytes: &LevelsBytes,
    instrument: u32,
    out: &mut Outlet<'_>,
) -> Result<(), Fault> {
    let front = Front::of(bytes.first_chunk().expect(CHECKED), instrument)?;
    if front.action == Action::Clear {
        clear(state, &front, out);
    }
    let unit = state.unit;
    let sides = (|at| bid(bytes, at, unit), |at| ask(bytes, at, unit));
    tell((&mut state.told, &mut state.quote), &front, sides, out);
    state.orders.tell_again();
    if front.action == Action::Trade {
        out.put(&front.trade(state.unit));
    }
    Ok(())
}

/// `mbo`.
fn order(
    state: &mut Instrument,
    bytes: &OrderBytes,
    instrument: u32,
    (out, silent): (&mut Outlet<'_>, &mut Silent),
) -> Result<(), Fault> {
    let front = Front::of_order(bytes, instrument)?;
    let publisher = field!(bytes, RecordHeader, publisher_id, u16);
    let key = (publisher, field!(bytes, MboMsg, order_id, u64));
    // Why it gives nothing, if it does.
    let mut why =
        if front.has(flags::LAST) { &mut silent.unchanged } else { &mut silent.within_event };
    match front.action {
        Action::Trade => out.put(&front.trade(state.unit)),
        // A fill is told as the trade and the cancel beside it.
        Action::Fill | Action::None => why = &mut silent.fill,
        Action::Add | Action::Modify => {
            if front.has(flags::TOB) && front.side != Side::None {
                // Not an order, but the best of its venue: the side has nothing else.
                state.orders.clear(publisher, front.side);
            }
            state.orders.set(key, front.side, front.price, front.size)?;
            state.changed = true;
        }
        Action::Cancel => {
            if !state.orders.cancel(key, front.side, front.size) {
                why = &mut silent.unknown_order;
            }
            state.changed = true;
        }
        Action::Clear => {
            state.orders.clear(publisher, Side::None);
            state.changed = true;
            // Other venues' orders may be left: then the levels tell what went.
            if state.orders.len() == 0 {
                clear(state, &front, out);
            }
        }
    }
    if front.has(flags::LAST) && state.changed {
        state.changed = false;
        let Instrument { told, quote, orders, .. } = state;
        if let Some([bids, asks]) = orders.best_if_changed()? {
            tell((told, quote), &front, (|at| bids.at(at), |at| asks.at(at)), out);
        }
    }
    *why += u64::from(!out.is_filled);
    Ok(())
}

/// Both sides are empty; what follows may be a snapshot.
fn clear(state: &mut Instrument, front: &Front, out: &mut Outlet<'_>) {
    let nothing = |side| Change { side, level: 0, price: 0, size: 0 };
    if front.has(flags::SNAPSHOT) {
        out.put(&front.level(nothing(Side::None), SNAPSHOT));
    }
    for side in [Side::Buy, Side::Sell] {
        out.put(&front.level(nothing(side), CLEAR));
    }
    state.told = [Levels::default(); 2];
}

/// The levels that changed, and the quote if the best did.
fn tell(
    (told, quote): (&mut [Levels; 2], &mut Option<Top>),
    front: &Front,
    (bids, asks): (impl Fn(usize) -> Level, impl Fn(usize) -> Level),
    out: &mut Outlet<'_>,
) {
    let mut put = |change: Change| {
        let action = if change.size == 0 { DELETE } else { 0 };
        out.put(&front.level(change, action));
    };
    let [told_bids, told_asks] = told;
    told_bids.update(Side::Buy, bids, &mut put);
    told_asks.update(Side::Sell, asks, &mut put);
    let top = Top { bid: told_bids.at(0), ask: told_asks.at(0) };
    let nothing_yet = quote.is_none() && top.bid == ABSENT && top.ask == ABSENT;
    if *quote != Some(top) && !nothing_yet {
        *quote = Some(top);
        out.put(&front.quote(&top));
    }
}

/// `ohlcv-1s` to `ohlcv-1d`.
fn bar(
    unit: i64,
    bytes: &BarBytes,
    timeframe_s: u32,
    instrument: u32,
) -> Result<ExternalBar, Fault> {
    let open = field!(bytes, RecordHeader, ts_event, u64);
    let (ts_open, close) = layout::bar_times(open, timeframe_s)?;
    let volume = i64::try_from(field!(bytes, OhlcvMsg, volume, u64)).ok();
    let volume = volume
        .and_then(|volume| volume.checked_mul(unit))
        .ok_or_else(|| Fault::new("volume", "the volume does not fit"))?;
    Ok(ExternalBar {
        head: ExternalBar::header(close, close),
        ts_open,
        volume: Size(volume),
        source_seq: 0,
        tail: Tail { instrument, ..Tail::default() },
        open: Price(field!(bytes, OhlcvMsg, open, i64)),
        high: Price(field!(bytes, OhlcvMsg, high, i64)),
        low: Price(field!(bytes, OhlcvMsg, low, i64)),
        close: Price(field!(bytes, OhlcvMsg, close, i64)),
        timeframe_s,
        ticks: 0,
        reserved: [0; 3],
    })
}
