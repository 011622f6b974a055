//! `binance-jsonl`: raw streams of Binance as they were received, spot and futures.
//!
//! * A line is `<local receive time, ns> <json>`: an event, alone or within `{"stream":…,"data":…}`, or a REST
//!   depth snapshot. A snapshot says no symbol: it is of its stream's, else of the only one that the source holds.
//!   Other kinds of events are left out and counted. Several files follow one another in name order.
//! * `ts_recv` is the local time, `ts_event` the venue's, `T` where there is one, else `E`, each in milliseconds
//!   or microseconds by its digits. The local clock may be behind the venue's: nothing is made of that.
//! * Spot's `bookTicker` has no time. It gets the newest venue time of any line before it: the clock that its
//!   neighbours go by, so it never comes out of order, and at most as old as the last depth event (0.1 s). The
//!   local clock is another one; with it quotes would be ahead of prints, or late, by whatever the two differ.
//!   Only before the first venue time there is no other.
//! * Prints and depth events come through streams of their own and cross by up to 50 milliseconds:
//!   `reorder_ms = 50` puts them in order. Without it prints are flagged, and one that comes behind the end of
//!   its bar is late.
//! * `trade` gives a trade (the aggressor sells where the buyer is the maker), `bookTicker` a quote,
//!   `depthUpdate` the changes among the best 20 levels, see `binance_depth`. Numbers of trades and updates are
//!   checked: what is missing is a `gap` record with how much, what comes again or late is left out and counted.
//! * Sizes are exact in the instrument's `size_precision`. A level that is finer (old orders are) may rest in the
//!   book, and is a problem only among the best levels; 8 digits hold everything.
//!
//! The files are read once before the run, for the symbols that they hold and whether prints of them come. Stdin
//! is live: its symbols are those that `symbols` names, else all that are configured, with prints.

use crate::binance_depth::{DepthChain, Outcome, Updates};
use crate::binance_input::{Current, Input};
use crate::binance_line::{self, Event, Levels, Line, TOO_FINE};
use crate::binance_symbols::Symbols;
use crate::depth_window::{Change, Level};
use crate::files::{self, Fault};
use crate::spec;
use engine::Problem;
use engine::instrument::Catalog;
use engine::source::{Decoder, Feed, Source, SourceConfig};
use ringbuf_layout::names::{GAP_OF_TRADES, SourceState};
use ringbuf_layout::{Frame, InputCell, Price, Quote, Side, Size, SourceStatus, Tail, Trade};
use std::collections::VecDeque;

/// Levels of all books of a source: about 100 MB.
const LEVELS_MAX: usize = 1 << 21;

const FIX: &str = "correct the line or take it out; everything before it was delivered";

/// Opens the files that `pattern` names, or stdin.
pub(crate) fn open(
    config: &SourceConfig,
    pattern: &str,
    catalog: &Catalog,
) -> Result<Source, Problem> {
    let place = spec::place(&config.spec);
    let live = pattern == "-";
    let paths = if live { Vec::new() } else { files::expand(&config.spec, pattern)? };
    let mut symbols = Symbols::new(config);
    if live {
        symbols.declare(config, catalog, &place)?;
    } else {
        symbols.scan(&paths, catalog)?;
    }
    let uses = symbols.naming.finish(&place)?;
    let identity = files::identity(&[&config.name], &paths)?;
    let inputs =
        if live { vec![Input::Stdin] } else { paths.into_iter().rev().map(Input::File).collect() };
    Ok(Source {
        name: config.name.clone(),
        spec: config.spec.clone(),
        identity,
        live,
        symbols: uses,
        front: None,
        records_hint: None,
        feed: Feed::Decoder(Box::new(BinanceJsonl::new(symbols, inputs))),
    })
}

/// What was read and not delivered as it stood.
#[derive(Clone, Copy, Debug, Default)]
struct LeftOut {
    other: u64,
    trades: u64,
    tickers: u64,
    depth: u64,
    snapshots: u64,
}

/// What is known of one instrument.
struct Market {
    /// Decimal digits of a size.
    digits: u32,
    /// Number of its last trade.
    trade: Option<u64>,
    /// Update of its last best bid and ask.
    ticker: Option<u64>,
    depth: DepthChain,
}

/// The lines of all files.
struct BinanceJsonl {
    symbols: Symbols,
    /// By number.
    markets: Vec<Option<Market>>,
    /// Not yet opened, the first last.
    inputs: Vec<Input>,
    current: Option<Current>,
    /// The newest time of the venue.
    newest: Option<i64>,
    out: Outbox,
    left_out: LeftOut,
}

/// Records of the line that was read last, and room to make them.
#[derive(Default)]
struct Outbox {
    ready: VecDeque<InputCell>,
    bids: Vec<Level>,
    asks: Vec<Level>,
    changes: Vec<Change>,
}

impl Outbox {
    fn put<T: Frame>(&mut self, record: &T) {
        self.ready.push_back(InputCell::from(record));
    }

    /// Reads the levels of a line.
    fn levels(&mut self, digits: u32, bids: Levels<'_>, asks: Levels<'_>) -> Result<(), Fault> {
        self.bids.clear();
        self.asks.clear();
        bids.read("bids", digits, &mut self.bids)?;
        asks.read("asks", digits, &mut self.asks)
    }

    fn tell_changes(
        &mut self,
        market: &mut Market,
        (ts_event, ts_recv): (i64, i64),
        instrument: u32,
    ) -> Result<(), Fault> {
        self.changes.clear();
        market.depth.changes(ts_event, &mut self.changes);
        if let Some(fine) = self.changes.iter().find(|change| change.size == TOO_FINE) {
            let size = format!("the size at {}, now among the best levels,", Price(fine.price));
            return Err(Fault::new("", binance_line::too_fine(&size, market.digits)));
        }
        let last = self.changes.len().saturating_sub(1);
        for (i, change) in self.changes.iter().enumerate() {
            let record = change.record(ts_event, ts_recv, instrument, i == last);
            self.ready.push_back(InputCell::from(&record));
        }
        Ok(())
    }

    fn tell_gap(&mut self, when: (i64, i64), instrument: u32, (next, lost): (u64, u64), flags: u8) {
        self.put(&SourceStatus {
            head: SourceStatus::header(when.0, when.1),
            first_source_seq: next,
            lost,
            identity: [0; 8],
            tail: Tail { instrument, side: SourceState::Gap as u8, flags, ..Tail::default() },
        });
    }
}

impl BinanceJsonl {
    fn new(symbols: Symbols, inputs: Vec<Input>) -> Self {
        let mut markets = Vec::new();
        for (number, precision) in symbols.known.values().flatten() {
            let number = *number as usize;
            markets.resize_with(markets.len().max(number + 1), || None);
            let digits = u32::from(*precision);
            markets[number] =
                Some(Market { digits, trade: None, ticker: None, depth: DepthChain::new() });
        }
        let (out, left_out) = (Outbox::default(), LeftOut::default());
        Self { symbols, markets, inputs, current: None, newest: None, out, left_out }
    }

    /// Reads the next line into records, of which it may give none; false at the end.
    fn line(&mut self) -> Result<bool, Problem> {
        let Some(current) = &mut self.current else {
            let Some(input) = self.inputs.pop() else { return Ok(false) };
            self.current = Some(input.open()?);
            return Ok(true);
        };
        let line = match current.lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => {
                self.current = None;
                return Ok(true);
            }
            Err(error) => return Err(current.broken(&error)),
        };
        let mut taker = Taker {
            symbols: &mut self.symbols,
            markets: &mut self.markets,
            newest: &mut self.newest,
            out: &mut self.out,
            left_out: &mut self.left_out,
        };
        match taker.take(line) {
            Ok(()) => Ok(true),
            Err(fault) => Err(fault.at(&current.place, current.lines.number(), FIX)),
        }
    }
}

impl Decoder for BinanceJsonl {
    fn next(&mut self, cell: &mut InputCell) -> Result<bool, Problem> {
        loop {
            if let Some(ready) = self.out.ready.pop_front() {
                cell.copy_from(&ready);
                return Ok(true);
            }
            if !self.line()? {
                return Ok(false);
            }
        }
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        let LeftOut { other, trades, tickers, depth, snapshots } = self.left_out;
        vec![
            ("events of other kinds", other),
            ("trades that came again or late", trades),
            ("best prices that came again or late", tickers),
            ("depth events that came again or late", depth),
            ("depth snapshots of no use", snapshots),
        ]
    }
}

/// The decoder without its line.
struct Taker<'d> {
    symbols: &'d mut Symbols,
    markets: &'d mut [Option<Market>],
    newest: &'d mut Option<i64>,
    out: &'d mut Outbox,
    left_out: &'d mut LeftOut,
}

impl Taker<'_> {
    /// Makes records of a line.
    fn take(&mut self, line: &[u8]) -> Result<(), Fault> {
        let Line { received, exchange, symbol, event } = binance_line::read(line)?;
        *self.newest = exchange.max(*self.newest);
        if matches!(event, Event::Other) {
            self.left_out.other += 1;
            return Ok(());
        }
        let Some((instrument, _)) = self.symbols.find(symbol)? else { return Ok(()) };
        let market = self.markets.get_mut(instrument as usize).and_then(Option::as_mut);
        let Some(market) = market else { return Ok(()) };
        let timed = || {
            let time = exchange.ok_or_else(|| Fault::new("E", "the event has no time"))?;
            Ok::<_, Fault>((time, received))
        };
        let untimed = (exchange.or(*self.newest).unwrap_or(received), received);
        match event {
            Event::Other => {}
            Event::Trade { number, price, size, buyer_is_maker } => {
                let trade = Trade {
                    price: binance_line::price(price, "p")?,
                    size: binance_line::size(size, market.digits, "q")?,
                    ..print(timed()?, instrument, buyer_is_maker)
                };
                self.trade(instrument, number, &trade);
            }
            Event::Ticker { update, bid, ask } => {
                let sides = [side(bid, market.digits, "b")?, side(ask, market.digits, "a")?];
                self.ticker(instrument, update, sides, untimed);
            }
            Event::Depth { first, last, before, bids, asks } => {
                if first > last {
                    return Err(Fault::new("U", format!("update {first} is behind `u`, {last}")));
                }
                self.out.levels(market.digits, bids, asks)?;
                self.depth(instrument, Updates { first, last, before }, timed()?)?;
            }
            Event::Snapshot { last, bids, asks } => {
                self.out.levels(market.digits, bids, asks)?;
                self.snapshot(instrument, last, untimed)?;
            }
        }
        Ok(())
    }

    fn market(&mut self, instrument: u32) -> &mut Market {
        let market = self.markets.get_mut(instrument as usize).and_then(Option::as_mut);
        market.expect("Invariant: a symbol that was found has a market")
    }

    fn trade(&mut self, instrument: u32, number: u64, trade: &Trade) {
        if let Some(known) = self.market(instrument).trade {
            if number <= known {
                self.left_out.trades += 1;
                return;
            }
            let lost = number - known - 1;
            if lost > 0 {
                let when = (trade.head.ts_event, trade.head.ts_recv);
                self.out.tell_gap(when, instrument, (number, lost), GAP_OF_TRADES);
            }
        }
        self.market(instrument).trade = Some(number);
        self.out.put(trade);
    }

    fn ticker(&mut self, instrument: u32, update: u64, sides: [Level; 2], when: (i64, i64)) {
        let market = self.market(instrument);
        if market.ticker.is_some_and(|known| update <= known) {
            self.left_out.tickers += 1;
            return;
        }
        market.ticker = Some(update);
        let [bid, ask] = sides;
        market.depth.ticker(update, bid, ask);
        // A side without orders is priced 0.
        let price = |(price, _): Level| if price == 0 { Price::UNDEFINED } else { Price(price) };
        self.out.put(&Quote {
            head: Quote::header(when.0, when.1),
            bid: price(bid),
            ask: price(ask),
            source_seq: 0,
            tail: Tail { instrument, ..Tail::default() },
            bid_size: Size(bid.1),
            ask_size: Size(ask.1),
            reserved: [0; 6],
        });
    }

    fn depth(&mut self, instrument: u32, updates: Updates, when: (i64, i64)) -> Result<(), Fault> {
        let Self { markets, out, left_out, .. } = self;
        let Some(Some(market)) = markets.get_mut(instrument as usize) else { return Ok(()) };
        match market.depth.event(updates, &out.bids, &out.asks) {
            Outcome::LeftOut => {
                left_out.depth += 1;
                return Ok(());
            }
            Outcome::AfterGap(lost) => out.tell_gap(when, instrument, (updates.first, lost), 0),
            Outcome::Applied => {}
        }
        out.tell_changes(market, when, instrument)?;
        self.bounded()
    }

    fn snapshot(&mut self, instrument: u32, last: u64, when: (i64, i64)) -> Result<(), Fault> {
        let Self { markets, out, left_out, .. } = self;
        let Some(Some(market)) = markets.get_mut(instrument as usize) else { return Ok(()) };
        if market.depth.snapshot(last, &out.bids, &out.asks) == Outcome::LeftOut {
            left_out.snapshots += 1;
            return Ok(());
        }
        out.tell_changes(market, when, instrument)?;
        self.bounded()
    }

    /// Memory is bounded whatever comes.
    fn bounded(&self) -> Result<(), Fault> {
        let held: usize = self.markets.iter().flatten().map(|market| market.depth.len()).sum();
        if held <= LEVELS_MAX {
            return Ok(());
        }
        let what = format!("the books hold {held} price levels; {LEVELS_MAX} is the most");
        Err(Fault::new("", what))
    }
}

/// A print without price and size.
fn print((ts_event, ts_recv): (i64, i64), instrument: u32, buyer_is_maker: bool) -> Trade {
    let side = if buyer_is_maker { Side::Sell } else { Side::Buy };
    Trade {
        head: Trade::header(ts_event, ts_recv),
        price: Price(0),
        size: Size(0),
        source_seq: 0,
        tail: Tail { instrument, side: side as u8, ..Tail::default() },
    }
}

/// Price and size of a best bid or ask.
fn side([at, amount]: [&[u8]; 2], digits: u32, column: &str) -> Result<Level, Fault> {
    let price = binance_line::price(at, column)?;
    let size = binance_line::size(amount, digits, column)?;
    Ok((price.0, size.0))
}
