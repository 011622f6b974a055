//! One line of a raw Binance recording: `<local receive time, ns> <json>`.
//!
//! The JSON is an event of a stream, alone or within `{"stream":…,"data":…}`, or a REST depth snapshot. Fields
//! are borrowed from the line, and read only where the kind of event is known to have them.

use crate::decimals::{self, Scale};
use crate::depth_window::Level;
use crate::files::{Fault, quoted};
use ringbuf_layout::units::{DecimalError, MILLISECOND, parse_decimal};
use ringbuf_layout::{Price, Size};
use serde::Deserialize;
use serde_json::value::RawValue;

type Raw<'a> = Option<&'a RawValue>;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    stream: Raw<'a>,
    #[serde(borrow)]
    data: Raw<'a>,
}

/// The fields of all events; the letters are the venue's, which gives one letter several meanings.
#[derive(Deserialize)]
struct Fields<'a> {
    /// Kind of event.
    #[serde(borrow)]
    e: Raw<'a>,
    /// When the event was sent.
    #[serde(borrow, rename = "E")]
    sent: Raw<'a>,
    /// When it happened: of a trade, and of every event of futures.
    #[serde(borrow, rename = "T")]
    happened: Raw<'a>,
    /// Symbol.
    #[serde(borrow)]
    s: Raw<'a>,
    /// First update.
    #[serde(borrow, rename = "U")]
    first: Raw<'a>,
    /// Last update.
    #[serde(borrow)]
    u: Raw<'a>,
    /// Last update of the event before, of futures.
    #[serde(borrow)]
    pu: Raw<'a>,
    /// Number of a trade.
    #[serde(borrow)]
    t: Raw<'a>,
    /// Price.
    #[serde(borrow)]
    p: Raw<'a>,
    /// Quantity.
    #[serde(borrow)]
    q: Raw<'a>,
    /// The buyer is the maker.
    #[serde(borrow)]
    m: Raw<'a>,
    /// Best bid, or bids.
    #[serde(borrow)]
    b: Raw<'a>,
    /// Size at the best bid.
    #[serde(borrow, rename = "B")]
    bid_size: Raw<'a>,
    /// Best ask, or asks.
    #[serde(borrow)]
    a: Raw<'a>,
    /// Size at the best ask.
    #[serde(borrow, rename = "A")]
    ask_size: Raw<'a>,
    /// Of a snapshot: its last update.
    #[serde(borrow, rename = "lastUpdateId")]
    snapshot: Raw<'a>,
    #[serde(borrow)]
    bids: Raw<'a>,
    #[serde(borrow)]
    asks: Raw<'a>,
}

/// A line, taken apart.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    /// Local receive time, ns.
    pub received: i64,
    /// The venue's time, ns UTC: when it happened, else when it was sent; none of spot's `bookTicker`, nor of a
    /// snapshot.
    pub exchange: Option<i64>,
    /// The venue's symbol; none of a snapshot without a stream.
    pub symbol: Option<&'a str>,
    pub event: Event<'a>,
}

/// What a line tells; texts as they stand, because sizes are read with the instrument's precision.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// A print.
    Trade { number: u64, price: &'a [u8], size: &'a [u8], buyer_is_maker: bool },
    /// The best bid and ask.
    Ticker { update: u64, bid: [&'a [u8]; 2], ask: [&'a [u8]; 2] },
    /// Changes of the book by updates `first..=last`; futures name the update `before` them.
    Depth { first: u64, last: u64, before: Option<u64>, bids: Levels<'a>, asks: Levels<'a> },
    /// The whole book after an update.
    Snapshot { last: u64, bids: Levels<'a>, asks: Levels<'a> },
    /// Anything else.
    Other,
}

/// The text of `[["price","size"],…]`, known to be JSON.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Levels<'a>(&'a [u8]);

/// Takes a line apart.
pub(crate) fn read(line: &[u8]) -> Result<Line<'_>, Fault> {
    let space = line.iter().position(|byte| *byte == b' ');
    let Some((stamp, json)) = space.map(|at| line.split_at(at)) else {
        return Err(Fault::new("", format!("{} is not `<ns> <json>`", quoted(line))));
    };
    let received = parse_decimal(stamp, 0)
        .ok()
        // From 2001 on, so that another unit shows.
        .filter(|ns| (1_000_000_000_000_000_000..7_258_118_400_000_000_000).contains(ns))
        .ok_or_else(|| {
            let what = format!("{} is no time in nanoseconds since 1970", quoted(stamp));
            Fault::new("receive time", what)
        })?;
    let text = std::str::from_utf8(json).map_err(|e| Fault::new("", e.to_string()))?;
    let envelope: Envelope<'_> = json_of(text)?;
    let (stream, body) = match envelope.data {
        Some(data) => (envelope.stream.map(|s| string(s, "stream")).transpose()?, data.get()),
        None => (None, text),
    };
    // Streams of lists are of no kind that is read.
    if !body.trim_start().starts_with('{') {
        return Ok(Line { received, exchange: None, symbol: None, event: Event::Other });
    }
    let fields: Fields<'_> = json_of(body)?;
    let (symbol, event) = fields.event(stream)?;
    let exchange = if matches!(event, Event::Other) {
        None
    } else {
        let time = |raw: Raw<'_>, column| raw.map(|raw| exchange_time(raw, column)).transpose();
        time(fields.happened, "T")?.or(time(fields.sent, "E")?)
    };
    Ok(Line { received, exchange, symbol, event })
}

fn json_of<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|e| Fault::new("", format!("the JSON cannot be read: {e}")))
}

impl<'a> Fields<'a> {
    fn event(&self, stream: Option<&'a str>) -> Result<(Option<&'a str>, Event<'a>), Fault> {
        let symbol = self.s.map(|raw| string(raw, "s")).transpose()?;
        let kind = self.e.map(|raw| string(raw, "e")).transpose()?;
        let event = match kind {
            Some("trade") => Event::Trade {
                number: number(self.t, "t")?,
                price: bytes(self.p, "p")?,
                size: bytes(self.q, "q")?,
                buyer_is_maker: match needed(self.m, "m")?.get() {
                    "true" => true,
                    "false" => false,
                    other => return Err(odd("m", other, "true or false")),
                },
            },
            Some("depthUpdate") => Event::Depth {
                first: number(self.first, "U")?,
                last: number(self.u, "u")?,
                before: self.pu.map(|raw| number(Some(raw), "pu")).transpose()?,
                bids: levels(self.b, "b")?,
                asks: levels(self.a, "a")?,
            },
            Some("bookTicker") => self.ticker()?,
            None if self.snapshot.is_some() => return self.snapshot(symbol, stream),
            // Spot's bookTicker says no kind.
            None if self.u.is_some() && self.bid_size.is_some() && self.ask_size.is_some() => {
                self.ticker()?
            }
            _ => Event::Other,
        };
        if symbol.is_none() && !matches!(event, Event::Other) {
            return Err(Fault::new("s", "the event has no symbol"));
        }
        Ok((symbol, event))
    }

    fn ticker(&self) -> Result<Event<'a>, Fault> {
        Ok(Event::Ticker {
            update: number(self.u, "u")?,
            bid: [bytes(self.b, "b")?, bytes(self.bid_size, "B")?],
            ask: [bytes(self.a, "a")?, bytes(self.ask_size, "A")?],
        })
    }

    /// A snapshot says no symbol: the name of its stream does, if it has one.
    fn snapshot(
        &self,
        symbol: Option<&'a str>,
        stream: Option<&'a str>,
    ) -> Result<(Option<&'a str>, Event<'a>), Fault> {
        let (of_stream, topic) = match stream.and_then(|stream| stream.split_once('@')) {
            Some((symbol, topic)) => (Some(symbol), topic),
            None => (None, ""),
        };
        // `depth5`, `depth10@100ms`, …: the best levels of the book alone, again and again.
        let rest = topic.strip_prefix("depth").unwrap_or_default();
        let event = if rest.starts_with(|c: char| c.is_ascii_digit()) {
            Event::Other
        } else {
            Event::Snapshot {
                last: number(self.snapshot, "lastUpdateId")?,
                bids: levels(self.bids, "bids")?,
                asks: levels(self.asks, "asks")?,
            }
        };
        Ok((symbol.or(of_stream), event))
    }
}

fn needed<'a>(raw: Raw<'a>, column: &str) -> Result<&'a RawValue, Fault> {
    raw.ok_or_else(|| Fault::new(column, "the event has no such field"))
}

fn odd(column: &str, text: &str, what: &str) -> Fault {
    Fault::new(column, format!("{} is not {what}", quoted(text.as_bytes())))
}

/// A text without escapes, which the venue never needs.
fn string<'a>(raw: &'a RawValue, column: &str) -> Result<&'a str, Fault> {
    let text = raw.get().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    match text {
        Some(text) if !text.contains('\\') => Ok(text),
        _ => Err(odd(column, raw.get(), "a plain text")),
    }
}

fn bytes<'a>(raw: Raw<'a>, column: &str) -> Result<&'a [u8], Fault> {
    string(needed(raw, column)?, column).map(str::as_bytes)
}

fn number(raw: Raw<'_>, column: &str) -> Result<u64, Fault> {
    let text = needed(raw, column)?.get();
    text.parse().map_err(|_| odd(column, text, "a number"))
}

/// Milliseconds, or microseconds where the stream was asked for with `timeUnit=MICROSECOND`. Of a time between
/// 2001 and 2286 the former have 13 digits and the latter 16, so the number itself says which.
fn exchange_time(raw: &RawValue, column: &str) -> Result<i64, Fault> {
    let text = raw.get();
    let ns = text.parse::<i64>().ok().and_then(|time| match text.len() {
        13 => time.checked_mul(MILLISECOND),
        16 => time.checked_mul(1_000),
        _ => None,
    });
    ns.filter(|ns| *ns > 0)
        .ok_or_else(|| odd(column, text, "a time in milliseconds (13 digits) or microseconds (16)"))
}

/// A price as it stands.
pub(crate) fn price(text: &[u8], column: &str) -> Result<Price, Fault> {
    Scale::ONE.price(text).map_err(|error| decimals::fault(column, text, error))
}

/// A size in units of 10^-`digits`.
pub(crate) fn size(text: &[u8], digits: u32, column: &str) -> Result<Size, Fault> {
    parse_decimal(text, digits).map(Size).map_err(|error| match error {
        DecimalError::TooFine => Fault::new(column, too_fine(&quoted(text), digits)),
        _ => decimals::fault(column, text, error),
    })
}

/// What to say of a size that the instrument's precision does not hold.
#[cold]
pub(crate) fn too_fine(size: &str, digits: u32) -> String {
    format!(
        "{size} has more decimal digits than the instrument's `size_precision`, {digits}; the venue writes 8"
    )
}

fn levels<'a>(raw: Raw<'a>, column: &str) -> Result<Levels<'a>, Fault> {
    let text = needed(raw, column)?.get();
    if !text.starts_with('[') {
        return Err(odd(column, text, "a list of levels"));
    }
    Ok(Levels(text.as_bytes()))
}

impl Levels<'_> {
    /// Appends the levels to `out`; sizes in units of 10^-`digits`, [`TOO_FINE`] where that is not exact.
    pub(crate) fn read(self, column: &str, digits: u32, out: &mut Vec<Level>) -> Result<(), Fault> {
        let mut scan = Scan { text: self.0, at: 0 };
        let not_levels = || Fault::new(column, "the field is no list of [\"price\",\"size\"]");
        scan.expect(b'[').ok_or_else(not_levels)?;
        if scan.expect(b']').is_some() {
            return Ok(());
        }
        loop {
            let (at, amount) = scan.pair().ok_or_else(not_levels)?;
            let at = price(at, column)?;
            let size = match parse_decimal(amount, digits) {
                Ok(size) if size >= 0 && at.0 > 0 => size,
                Err(DecimalError::TooFine) if at.0 > 0 && is_plain(amount) => TOO_FINE,
                Ok(_) | Err(DecimalError::TooFine) => {
                    let what =
                        format!("a level has the price {at} and the size {}", quoted(amount));
                    return Err(Fault::new(column, what));
                }
                Err(error) => return Err(decimals::fault(column, amount, error)),
            };
            out.push((at.0, size));
            if scan.expect(b',').is_none() {
                return scan.expect(b']').ok_or_else(not_levels);
            }
        }
    }
}

/// The size of a level that the instrument's precision does not hold: old orders may be finer than what can be
/// ordered today. Far from the touch it does no harm; among the best levels it is a fault.
pub(crate) const TOO_FINE: i64 = -1;

/// True for digits with at most one point among them.
fn is_plain(text: &[u8]) -> bool {
    let points = memchr::memchr_iter(b'.', text).count();
    points <= 1 && text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

/// A place in JSON text.
struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    /// Steps over `byte`, and over white space before it.
    fn expect(&mut self, byte: u8) -> Option<()> {
        let rest = &self.text[self.at..];
        let space = rest.iter().position(|b| !b.is_ascii_whitespace())?;
        (rest[space] == byte).then(|| self.at += space + 1)
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let rest = &self.text[self.at..];
        let end = memchr::memchr(b'"', rest)?;
        self.at += end + 1;
        Some(&rest[..end])
    }

    /// `["price","size"]`.
    fn pair(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        self.expect(b'[')?;
        let price = self.string()?;
        self.expect(b',')?;
        let size = self.string()?;
        self.expect(b']')?;
        Some((price, size))
    }
}
