//! One row of declared fields: what it gives to the engine.

use crate::decimals;
use crate::files::{Fault, quoted};
use crate::row_fields::Fields;
use crate::row_plan::{Declared, Field, Gives, Plan};
use crate::row_symbols::{Lookup, Symbols};
use engine::source::Stamp;
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::units::parse_decimal;
use ringbuf_layout::{
    BookLevel, ExternalBar, Frame, InputCell, Price, Quote, Side, Size, Tail, Trade,
};
use std::time::{SystemTime, UNIX_EPOCH};

/// `BookLevel::source_seq` of a level whose place in the book the format does not say: level 255.
const LEVEL_UNKNOWN: u64 = 0xFF << 48;
const ACTION_DELETE: u64 = 1 << 56;
const ACTION_SNAPSHOT: u64 = 3 << 56;

/// What is remembered from row to row.
#[derive(Default)]
pub(crate) struct Memory {
    /// The second record of the row that gave the first.
    pub waiting: Option<InputCell>,
    /// Receive time of the snapshot that each instrument is in.
    snapshots: Vec<Option<i64>>,
}

/// Reads one row of one file.
pub(crate) struct RowReader<'a> {
    pub declared: &'a Declared,
    pub symbols: &'a mut Symbols,
    pub fields: &'a Fields,
    pub plan: &'a Plan,
    pub memory: &'a mut Memory,
    pub live: bool,
}

/// Times and instrument of a row.
#[derive(Clone, Copy)]
struct Row {
    ts_event: i64,
    ts_recv: i64,
    tail: Tail,
    /// Size digits of the instrument; `None` if it is not known.
    digits: Option<u32>,
}

impl RowReader<'_> {
    /// Puts the row's record into `cell` and a second one into the memory; false if the row is of
    /// an instrument that is not wanted.
    pub(crate) fn read(&mut self, cell: &mut InputCell) -> Result<bool, Fault> {
        let (plan, fields) = (self.plan, self.fields);
        let symbol = match text(plan, fields, Field::Symbol)? {
            Some(symbol) => {
                let exchange = text(plan, fields, Field::Exchange)?.unwrap_or_default();
                self.symbols.find(exchange, symbol)
            }
            None => self.symbols.fixed(),
        };
        let known = match symbol {
            Lookup::Known(known) => Some(known),
            Lookup::Undefined => None,
            Lookup::Unwanted => {
                self.symbols.unwanted += 1;
                return Ok(false);
            }
        };
        let ts_event = self.time(Field::TsEvent)?.unwrap_or_default();
        let ts_recv = match self.time(Field::TsRecv)? {
            Some(ts) => ts,
            None if self.live => wall_clock(),
            None => ts_event,
        };
        let instrument = known.map_or(NO_INSTRUMENT, |(instrument, _)| instrument);
        let tail = Tail { instrument, ..Tail::default() };
        let digits = known.map(|(_, precision)| u32::from(precision));
        let row = Row { ts_event, ts_recv, tail, digits };
        match self.declared.gives {
            Gives::Ticks => self.ticks(row, cell)?,
            Gives::Bars { length, stamp } => {
                cell.put(&self.bar(row, length, stamp)?);
            }
            Gives::Levels => self.level(row, cell)?,
        }
        Ok(true)
    }

    fn ticks(&mut self, row: Row, cell: &mut InputCell) -> Result<(), Fault> {
        let trade = self.trade(row)?;
        let quote = self.quote(row, trade.is_some())?;
        match (trade, quote) {
            (Some(trade), quote) => {
                cell.put(&trade);
                self.memory.waiting = quote.map(|quote| {
                    let mut cell = InputCell::default();
                    cell.put(&quote);
                    cell
                });
            }
            (None, Some(quote)) => cell.put(&quote),
            (None, None) => unreachable!("Invariant: a row gives a trade or a quote"),
        }
        Ok(())
    }

    /// A field's text; `None` if no column is declared for it.
    fn text(&self, field: Field) -> Result<Option<&[u8]>, Fault> {
        text(self.plan, self.fields, field)
    }

    fn fault(&self, field: Field, what: impl Into<String>) -> Fault {
        Fault::new(self.plan.label(field), what)
    }

    fn time(&self, field: Field) -> Result<Option<i64>, Fault> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        let read = self.declared.clock.read(text);
        read.map(Some).map_err(|what| self.fault(field, what))
    }

    fn price(&self, field: Field, text: &[u8]) -> Result<Price, Fault> {
        let price = self.declared.scale.price(text);
        price.map_err(|error| decimals::fault(self.plan.label(field), text, error))
    }

    /// True for the text of a price that is not there.
    fn is_absent(&self, text: &[u8]) -> bool {
        text.is_empty() || self.declared.undefined.is_some_and(|mark| text == mark.as_bytes())
    }

    /// A size in units of the instrument; of an unknown one, whose unit nobody knows, the whole
    /// part.
    fn size(&self, field: Field, digits: Option<u32>) -> Result<Size, Fault> {
        let Some(text) = self.text(field)? else { return Ok(Size(0)) };
        let size = parse_decimal(text, digits.unwrap_or(0)).or_else(|error| {
            let point = memchr::memchr(b'.', text).filter(|_| digits.is_none());
            point.map_or(Err(error), |at| parse_decimal(&text[..at], 0))
        });
        size.map(Size).map_err(|error| decimals::fault(self.plan.label(field), text, error))
    }

    fn trade(&self, row: Row) -> Result<Option<Trade>, Fault> {
        let Some(text) = self.text(Field::Price)? else { return Ok(None) };
        // Where rows may be quotes, a row without a price is one, and so is a row that says so.
        let may_be_quote = self.declared.has(Field::Bid);
        let is_other = self.text(Field::Action)?.is_some_and(|action| action != b"T");
        if may_be_quote && (text.is_empty() || is_other) {
            return Ok(None);
        }
        let price = self.price(Field::Price, text)?;
        let size = self.size(Field::Size, row.digits)?;
        let tail = Tail { side: self.side()? as u8, ..row.tail };
        let head = Trade::header(row.ts_event, row.ts_recv);
        Ok(Some(Trade { head, price, size, source_seq: 0, tail }))
    }

    fn side(&self) -> Result<Side, Fault> {
        if let Some(text) = self.text(Field::Side)? {
            return side(text).ok_or_else(|| {
                let what = format!("{} is not buy, sell, b, s, bid, ask, a, n", quoted(text));
                self.fault(Field::Side, what)
            });
        }
        if let Some(text) = self.text(Field::BuyerMaker)? {
            // The aggressor is the other one.
            return truth(text).map(|maker| if maker { Side::Sell } else { Side::Buy }).ok_or_else(
                || {
                    let what = format!("{} is not true or false", quoted(text));
                    self.fault(Field::BuyerMaker, what)
                },
            );
        }
        Ok(Side::None)
    }

    fn quote(&self, row: Row, has_trade: bool) -> Result<Option<Quote>, Fault> {
        let (Some(bid), Some(ask)) = (self.text(Field::Bid)?, self.text(Field::Ask)?) else {
            return Ok(None);
        };
        if has_trade && bid.is_empty() && ask.is_empty() {
            return Ok(None);
        }
        let side = |price: Field, text: &[u8], size: Field| {
            if self.is_absent(text) {
                return Ok((Price::UNDEFINED, Size(0)));
            }
            let size = if self.text(size)?.is_none_or(<[u8]>::is_empty) {
                Size(0)
            } else {
                self.size(size, row.digits)?
            };
            Ok((self.price(price, text)?, size))
        };
        let (bid, bid_size) = side(Field::Bid, bid, Field::BidSize)?;
        let (ask, ask_size) = side(Field::Ask, ask, Field::AskSize)?;
        let head = Quote::header(row.ts_event, row.ts_recv);
        let reserved = [0; 6];
        let tail = row.tail;
        Ok(Some(Quote { head, bid, ask, source_seq: 0, tail, bid_size, ask_size, reserved }))
    }

    fn bar(&self, row: Row, length: i64, stamp: Stamp) -> Result<ExternalBar, Fault> {
        let price = |field| {
            let text = self.text(field)?.unwrap_or_default();
            self.price(field, text)
        };
        let too_far = || self.fault(Field::TsEvent, "the bar's other end is out of range");
        let (open, close) = match stamp {
            Stamp::Open => (row.ts_event, row.ts_event.checked_add(length).ok_or_else(too_far)?),
            Stamp::Close => (row.ts_event.checked_sub(length).ok_or_else(too_far)?, row.ts_event),
        };
        let ticks = match self.text(Field::Ticks)? {
            None | Some(b"") => 0,
            Some(text) => {
                let count = parse_decimal(text, 0).ok().and_then(|count| u32::try_from(count).ok());
                let what = || format!("{} is not a number of trades", quoted(text));
                count.ok_or_else(|| self.fault(Field::Ticks, what()))?
            }
        };
        // A bar is complete when it ends, so it is not received before.
        let received =
            if self.declared.has(Field::TsRecv) || self.live { row.ts_recv } else { close };
        Ok(ExternalBar {
            head: ExternalBar::header(close, received),
            ts_open: open,
            volume: self.size(Field::Volume, row.digits)?,
            source_seq: 0,
            tail: row.tail,
            open: price(Field::Open)?,
            high: price(Field::High)?,
            low: price(Field::Low)?,
            close: price(Field::Close)?,
            timeframe_s: (length / ringbuf_layout::units::SECOND) as u32,
            ticks,
            reserved: [0; 3],
        })
    }

    /// A level; before the first of a snapshot a record that begins it, which empties the book.
    fn level(&mut self, row: Row, cell: &mut InputCell) -> Result<(), Fault> {
        let text = self.text(Field::Snapshot)?.unwrap_or_default();
        let snapshot = truth(text).ok_or_else(|| {
            let what = format!("{} is not true or false", quoted(text));
            self.fault(Field::Snapshot, what)
        })?;
        let price = self.price(Field::Price, self.text(Field::Price)?.unwrap_or_default())?;
        let size = self.size(Field::Size, row.digits)?;
        let side = self.side()?;
        if side == Side::None {
            return Err(self.fault(Field::Side, "a level of a book has a side"));
        }
        let head = BookLevel::header(row.ts_event, row.ts_recv);
        let action = if size.0 == 0 { ACTION_DELETE } else { 0 };
        let tail = Tail { side: side as u8, ..row.tail };
        let source_seq = LEVEL_UNKNOWN | action;
        let level = BookLevel { head, price, size, source_seq, tail };
        let begins = snapshot.then_some(row.ts_recv);
        let known = row.tail.instrument as usize;
        if row.tail.instrument != NO_INSTRUMENT {
            if known >= self.memory.snapshots.len() {
                self.memory.snapshots.resize(known + 1, None);
            }
            let last = std::mem::replace(&mut self.memory.snapshots[known], begins);
            if snapshot && last != begins {
                let source_seq = LEVEL_UNKNOWN | ACTION_SNAPSHOT;
                let (price, size, tail) = (Price(0), Size(0), row.tail);
                cell.put(&BookLevel { head, price, size, source_seq, tail });
                let mut waiting = InputCell::default();
                waiting.put(&level);
                self.memory.waiting = Some(waiting);
                return Ok(());
            }
        }
        cell.put(&level);
        Ok(())
    }
}

#[inline]
fn text<'f>(plan: &Plan, fields: &'f Fields, field: Field) -> Result<Option<&'f [u8]>, Fault> {
    let Some(position) = plan.position(field) else { return Ok(None) };
    match fields.get(position) {
        Some(text) => Ok(Some(text)),
        None => Err(Fault::new(
            plan.label(field),
            format!("the row ends before it, after {} columns", fields.len()),
        )),
    }
}

/// Who took the price, or which side of the book: vendors write it out or shorten it.
fn side(text: &[u8]) -> Option<Side> {
    let is = |words: &[&str]| words.iter().any(|w| text.eq_ignore_ascii_case(w.as_bytes()));
    match text {
        b"" => Some(Side::None),
        _ if is(&["b", "buy", "bid"]) => Some(Side::Buy),
        _ if is(&["s", "sell", "a", "ask"]) => Some(Side::Sell),
        _ if is(&["n", "none", "unknown"]) => Some(Side::None),
        _ => None,
    }
}

fn truth(text: &[u8]) -> Option<bool> {
    let is = |word: &str| text.eq_ignore_ascii_case(word.as_bytes());
    if is("true") || is("1") {
        Some(true)
    } else if is("false") || is("0") {
        Some(false)
    } else {
        None
    }
}

/// Now, ns UTC.
pub(crate) fn wall_clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
