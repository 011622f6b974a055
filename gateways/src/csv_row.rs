//! One row of a `csv` source.

use crate::csv_fields::Fields;
use crate::csv_plan::{Declared, Field, Plan};
use crate::csv_symbols::Symbols;
use crate::decimals;
use crate::files::{Fault, quoted};
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::units::parse_decimal;
use ringbuf_layout::{Frame, Price, Quote, Side, Size, Tail, Trade};
use std::time::{SystemTime, UNIX_EPOCH};

/// What a row gives.
pub(crate) struct Found {
    /// Its print.
    pub trade: Option<Trade>,
    /// Its quote, after the print.
    pub quote: Option<Quote>,
}

/// Reads one row of one file.
pub(crate) struct RowReader<'a> {
    pub declared: &'a Declared,
    pub symbols: &'a Symbols,
    pub fields: &'a mut Fields,
    pub plan: &'a Plan,
    pub live: bool,
}

impl RowReader<'_> {
    /// Reads one row.
    pub(crate) fn read(&mut self, line: &[u8]) -> Result<Found, Fault> {
        self.fields.split(line)?;
        let ts_event = self.time(Field::TsEvent)?.unwrap_or_default();
        let ts_recv = match self.time(Field::TsRecv)? {
            Some(ts) => ts,
            None if self.live => wall_clock(),
            None => ts_event,
        };
        let known = match self.text(Field::Symbol)? {
            Some(text) => self.symbols.find(text),
            None => self.symbols.fixed(),
        };
        let tail = Tail {
            instrument: known.map_or(NO_INSTRUMENT, |(instrument, _)| instrument),
            ..Tail::default()
        };
        let digits = known.map(|(_, precision)| u32::from(precision));
        let trade = self.trade(ts_event, ts_recv, tail, digits)?;
        let quote = self.quote(ts_event, ts_recv, tail, digits, trade.is_some())?;
        Ok(Found { trade, quote })
    }

    /// A field's text; `None` if no column is declared for it.
    fn text(&self, field: Field) -> Result<Option<&[u8]>, Fault> {
        let Some(position) = self.plan.position(field) else { return Ok(None) };
        match self.fields.get(position) {
            Some(text) => Ok(Some(text)),
            None => Err(Fault::new(
                self.plan.label(field),
                format!("the row ends before it, after {} columns", self.fields.len()),
            )),
        }
    }

    fn time(&self, field: Field) -> Result<Option<i64>, Fault> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        let read = self.declared.clock.read(text);
        read.map(Some).map_err(|what| Fault::new(self.plan.label(field), what))
    }

    fn price(&self, field: Field, text: &[u8]) -> Result<Price, Fault> {
        let price = self.declared.scale.price(text);
        price.map_err(|error| decimals::fault(self.plan.label(field), text, error))
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

    fn trade(
        &self,
        ts_event: i64,
        ts_recv: i64,
        tail: Tail,
        digits: Option<u32>,
    ) -> Result<Option<Trade>, Fault> {
        let Some(text) = self.text(Field::Price)? else { return Ok(None) };
        // Where rows may be quotes, a row without a price is one.
        if text.is_empty() && self.declared.has(Field::Bid) {
            return Ok(None);
        }
        let price = self.price(Field::Price, text)?;
        let size = self.size(Field::Size, digits)?;
        let side = match self.text(Field::Side)? {
            Some(text) => side(text).ok_or_else(|| {
                let what = format!("{} is not buy, sell, b or s", quoted(text));
                Fault::new(self.plan.label(Field::Side), what)
            })?,
            None => Side::None,
        };
        let tail = Tail { side: side as u8, ..tail };
        let head = Trade::header(ts_event, ts_recv);
        Ok(Some(Trade { head, price, size, source_seq: 0, tail }))
    }

    fn quote(
        &self,
        ts_event: i64,
        ts_recv: i64,
        tail: Tail,
        digits: Option<u32>,
        has_trade: bool,
    ) -> Result<Option<Quote>, Fault> {
        let (Some(bid), Some(ask)) = (self.text(Field::Bid)?, self.text(Field::Ask)?) else {
            return Ok(None);
        };
        if has_trade && bid.is_empty() && ask.is_empty() {
            return Ok(None);
        }
        let side = |price: Field, text: &[u8], size: Field| {
            if text.is_empty() {
                return Ok((Price::UNDEFINED, Size(0)));
            }
            let size = if self.text(size)?.is_none_or(<[u8]>::is_empty) {
                Size(0)
            } else {
                self.size(size, digits)?
            };
            Ok((self.price(price, text)?, size))
        };
        let (bid, bid_size) = side(Field::Bid, bid, Field::BidSize)?;
        let (ask, ask_size) = side(Field::Ask, ask, Field::AskSize)?;
        let head = Quote::header(ts_event, ts_recv);
        Ok(Some(Quote {
            head,
            bid,
            ask,
            source_seq: 0,
            tail,
            bid_size,
            ask_size,
            reserved: [0; 6],
        }))
    }
}

fn side(text: &[u8]) -> Option<Side> {
    let is = |words: [&str; 2]| words.iter().any(|w| text.eq_ignore_ascii_case(w.as_bytes()));
    match text {
        b"" => Some(Side::None),
        _ if is(["b", "buy"]) => Some(Side::Buy),
        _ if is(["s", "sell"]) => Some(Side::Sell),
        _ => None,
    }
}

/// Now, ns UTC.
pub(crate) fn wall_clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
