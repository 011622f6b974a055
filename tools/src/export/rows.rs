//! Turns the frames of a slot into rows.

use super::{Cell, decisions};
use crate::cli::Record;
use engine::Problem;
use journal::FrameRef;
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::input::text_of;
use ringbuf_layout::names::{BarKind, BookAction, TRADE_CROSS, TRADE_SUSPICIOUS};
use ringbuf_layout::units::PRICE_DIGITS;
use ringbuf_layout::{
    Bar, BarFlags, BookLevel, Frame, Instrument, Money, Portfolio, Price, Quote, Reasons, Side,
    Size, Trade, Verdict,
};

/// The frames of one slot.
#[derive(Debug, Default)]
pub struct Slot<'a> {
    frames: Vec<FrameRef<'a>>,
}

impl<'a> Slot<'a> {
    /// Adds the next frame.
    pub fn push(&mut self, frame: &FrameRef<'a>) {
        self.frames.push(*frame);
    }

    /// Makes room for the next slot.
    pub fn clear(&mut self) {
        self.frames.clear();
    }

    /// Event time of the input.
    pub fn ts_event(&self) -> Option<i64> {
        self.frames.first().map(|frame| frame.head().ts_event)
    }

    fn first<T: Frame>(&self) -> Option<T> {
        self.all().next()
    }

    fn rows<T: Frame>(
        &self,
        symbols: &Symbols,
        row: impl Fn(&T, &Symbols) -> Vec<Cell>,
    ) -> Vec<Vec<Cell>> {
        self.all().map(|record| row(&record, symbols)).collect()
    }

    /// The records of a kind. Money is 16-byte aligned and a frame is not, so they are copied.
    pub fn all<T: Frame>(&self) -> impl Iterator<Item = T> + '_ {
        let of_kind = self.frames.iter().filter(|frame| frame.kind() == T::KIND);
        of_kind.map(|frame| bytemuck::pod_read_unaligned(frame.bytes))
    }
}

/// Symbols and size precisions by instrument number.
#[derive(Debug)]
pub struct Symbols {
    table: Vec<(String, u8)>,
    /// True if `validate` has judged the records: an imported journal has no verdicts.
    pub judged: bool,
}

impl Symbols {
    /// From the journal's instrument records.
    pub fn new(table: &[Instrument]) -> Self {
        let named = |i: &Instrument| (text_of(&i.symbol).to_string(), i.size_precision);
        Self { table: table.iter().map(named).collect(), judged: true }
    }

    /// The same, of records that `validate` has judged or not.
    pub fn judged(self, judged: bool) -> Self {
        Self { judged, ..self }
    }

    /// Refuses symbols that the journal does not hold.
    ///
    /// # Errors
    /// Which it has not, and which it has.
    pub fn refuse_unknown(&self, wanted: &[String]) -> Result<(), Problem> {
        let has = |symbol: &&String| self.table.iter().any(|(held, _)| held == *symbol);
        let Some(absent) = wanted.iter().find(|symbol| !has(symbol)) else { return Ok(()) };
        let held: Vec<&str> = self.table.iter().map(|(held, _)| held.as_str()).take(20).collect();
        let fix = format!("choose from {}", held.join(", "));
        Err(Problem::new(format!("the journal has no {absent}"), "--symbols", fix))
    }

    /// The symbol of an instrument.
    pub fn symbol(&self, instrument: u32) -> Cell {
        match self.table.get(instrument as usize) {
            Some((symbol, _)) => Cell::Text(symbol.clone()),
            None if instrument == NO_INSTRUMENT => Cell::Empty,
            None => Cell::Text(format!("#{instrument}")),
        }
    }

    /// A size in the digits of its instrument.
    pub fn size(&self, size: Size, instrument: u32) -> Cell {
        let precision = self.table.get(instrument as usize).map_or(0, |(_, precision)| *precision);
        Cell::Decimal(i128::from(size.0), u32::from(precision))
    }
}

/// A cell of it; empty where there is none.
pub fn price(price: Price) -> Cell {
    if price.is_defined() { Cell::Decimal(i128::from(price.0), PRICE_DIGITS) } else { Cell::Empty }
}

/// A cell of it; empty where there is none.
pub fn money(money: Money) -> Cell {
    Cell::Decimal(money.0, PRICE_DIGITS)
}

/// A cell of it; empty where there is none.
pub fn text(text: &str) -> Cell {
    if text.is_empty() { Cell::Empty } else { Cell::Text(text.to_string()) }
}

/// The rows of a record in a slot.
pub fn of(record: Record, slot: &Slot<'_>, symbols: &Symbols) -> Vec<Vec<Cell>> {
    match record {
        Record::Tick => tick(slot, symbols).into_iter().collect(),
        Record::Bar => slot.rows(symbols, bar_row),
        Record::Indicator => slot.rows(symbols, decisions::indicator),
        Record::Matrix => slot.rows(symbols, decisions::matrix),
        Record::Synergy => slot.rows(symbols, decisions::synergy),
        Record::Decision => slot.rows(symbols, decisions::decision),
        Record::Risk => slot.rows(symbols, decisions::risk),
        Record::Order => slot.rows(symbols, decisions::order),
        Record::Fill => slot.rows(symbols, decisions::fill),
        Record::Portfolio => slot.rows(symbols, account_row),
    }
}

/// `ok`, `flag:R+R` or `reject:R+R`.
fn verdict(slot: &Slot<'_>) -> Cell {
    Cell::Text(slot.first::<Verdict>().map_or("ok".to_string(), |verdict| {
        let word = if verdict.tail.side == 1 { "reject" } else { "flag" };
        format!("{word}:{}", Reasons(verdict.reasons))
    }))
}

/// The words of the flags that are set, and further ones, joined by `+`.
fn flag_words(
    flags: u8,
    words: &[(u8, &'static str)],
    further: impl Iterator<Item = &'static str>,
) -> Cell {
    let set = words.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, word)| *word);
    let set: Vec<&str> = set.chain(further).collect();
    if set.is_empty() { Cell::Empty } else { text(&set.join("+")) }
}

fn tick(slot: &Slot<'_>, symbols: &Symbols) -> Option<Vec<Cell>> {
    let frame = slot.frames.first()?;
    let (head, tail) = (frame.head(), frame.tail());
    let instrument = tail.instrument;
    let size = |size: Size| symbols.size(size, instrument);
    let mut flags = Cell::Empty;
    // price, size, bid, ask, bid_size, ask_size
    let (kind, values) = if let Some(trade) = slot.first::<Trade>() {
        let words = [(TRADE_SUSPICIOUS, "suspicious"), (TRADE_CROSS, "cross")];
        let conditions = trade.conditions().words();
        flags = flag_words(trade.tail.flags, &words, conditions);
        let [bid, ask, bid_size, ask_size] = [const { Cell::Empty }; 4];
        ("trade", [price(trade.price), size(trade.size), bid, ask, bid_size, ask_size])
    } else if let Some(quote) = slot.first::<Quote>() {
        let sizes = [(quote.bid, quote.bid_size), (quote.ask, quote.ask_size)]
            .map(|(side, s)| if side.is_defined() { size(s) } else { Cell::Empty });
        let [bid_size, ask_size] = sizes;
        let (bid, ask) = (price(quote.bid), price(quote.ask));
        ("quote", [Cell::Empty, Cell::Empty, bid, ask, bid_size, ask_size])
    } else if let Some(level) = slot.first::<BookLevel>() {
        let [bid, ask, bid_size, ask_size] = [const { Cell::Empty }; 4];
        let action = level.action().map_or("unknown", BookAction::name);
        let end = if level.ends_update() { "+end" } else { "" };
        flags = text(&format!("{action}{end}"));
        ("book", [price(level.price), size(level.size), bid, ask, bid_size, ask_size])
    } else {
        return None;
    };
    let [at, quantity, bid, ask, bid_size, ask_size] = values;
    Some(vec![
        Cell::Int(head.seq as i64),
        symbols.symbol(instrument),
        Cell::Int(head.ts_event),
        Cell::Int(head.ts_recv),
        text(kind),
        at,
        quantity,
        text(Side::name(tail.side)),
        bid,
        ask,
        bid_size,
        ask_size,
        flags,
        if symbols.judged { verdict(slot) } else { Cell::Empty },
    ])
}

fn bar_row(bar: &Bar, symbols: &Symbols) -> Vec<Cell> {
    let instrument = bar.tail.instrument;
    let flags = BarFlags(bar.tail.flags & 0x7F);
    let kind = BarKind::from_byte(bar.kind).unwrap_or(BarKind::Time);
    let some_if = |condition: bool, cell: Cell| if condition { cell } else { Cell::Empty };
    let (micro, filled) = (bar.micro_count > 0, flags.has(BarFlags::FILLED));
    let some = |cell: Cell| some_if(micro, cell);
    vec![
        Cell::Int(bar.head.seq as i64),
        symbols.symbol(instrument),
        Cell::Int(i64::from(bar.timeframe_s)),
        Cell::Int(bar.ts_open),
        Cell::Int(bar.ts_close),
        price(bar.open),
        price(bar.high),
        price(bar.low),
        price(bar.close),
        symbols.size(bar.volume, instrument),
        Cell::Int(i64::from(bar.ticks)),
        text(&flags.to_string()),
        text(kind.name()),
        some_if(!filled, Cell::Int(bar.ts_first)),
        some_if(!filled, Cell::Int(bar.ts_last)),
        price(bar.vwap),
        Cell::Int(i64::from(bar.micro_count)),
        some(price(bar.micro_vwap)),
        some(price(Price(bar.micro_change))),
        some(Cell::Float(bar.micro_volatility)),
        match kind {
            BarKind::Time => Cell::Empty,
            BarKind::Tick => Cell::Decimal(i128::from(bar.length), 0),
            BarKind::Volume | BarKind::Notional => price(Price(bar.length)),
        },
    ]
}

fn account_row(account: &Portfolio, symbols: &Symbols) -> Vec<Cell> {
    let instrument = account.tail.instrument;
    let has_instrument = instrument != NO_INSTRUMENT;
    vec![
        Cell::Int(account.head.seq as i64),
        Cell::Int(account.head.ts_event),
        symbols.symbol(instrument),
        if has_instrument { symbols.size(account.position, instrument) } else { Cell::Empty },
        price(account.avg_price),
        money(account.realized_pnl),
        money(account.unrealized_pnl),
        money(account.cash),
        money(account.equity),
        // In 1e-9 of the highest equity: a fraction with nine digits.
        Cell::Decimal(i128::from(account.max_drawdown), PRICE_DIGITS),
    ]
}
