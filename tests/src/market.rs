//! Records and instruments by hand.

use bytemuck::Zeroable;
use engine::instrument::{InstrumentDef, built_in};
use engine::manifest::Listed;
use ringbuf_layout::names::BarSource;
use ringbuf_layout::units::PRICE_ONE;
use ringbuf_layout::{
    BookLevel, Conditions, ExternalBar, Frame, InputCell, Price, Quote, Size, Tail, Trade,
};

/// An instrument that trades round the clock, with a step that divides nothing else.
pub const ROUND_THE_CLOCK: &str = "COIN";

/// Instruments of every built-in calendar: XNYS, METALS, SYNTH, CMES, 24/7.
pub const SYMBOLS: [&str; 5] = ["SPY", "GC.201312", "SYN1", "ES.201309", ROUND_THE_CLOCK];

/// The instant of RFC 3339 text, ns UTC.
///
/// # Panics
/// If the text is no instant of this era: a mistake in a test.
pub fn ns(text: &str) -> i64 {
    let instant: jiff::Timestamp = text.parse().expect("Condition failed: an RFC 3339 instant");
    i64::try_from(instant.as_nanosecond()).expect("Condition failed: an instant before 2262")
}

/// The instrument of this symbol, as it stands in an instrument table.
///
/// # Panics
/// If it is not built in: a mistake in a test.
pub fn listed(symbol: &str, bars_from_mid: bool) -> Listed {
    let def = if symbol == ROUND_THE_CLOCK {
        InstrumentDef {
            symbol: symbol.to_string(),
            tick: Price(7 * PRICE_ONE / 1_000),
            multiplier: PRICE_ONE,
            lot: Size(1),
            size_precision: 8,
            fee: 0,
            currency: "USD".to_string(),
            calendar: "24/7".to_string(),
            no_price: Conditions::NONE,
            no_volume: Conditions::NONE,
        }
    } else {
        built_in(symbol).expect("Condition failed: a built-in symbol")
    };
    let bars_from = if bars_from_mid { BarSource::Mid } else { BarSource::Trades };
    Listed { def, bars_from }
}

/// A print.
pub fn trade(instrument: u32, ts: i64, price: i64, size: i64) -> Trade {
    Trade {
        head: Trade::header(ts, ts),
        price: Price(price),
        size: Size(size),
        source_seq: 0,
        tail: Tail { instrument, ..Tail::default() },
    }
}

/// A quote with both sides, 10 up.
pub fn quote(instrument: u32, ts: i64, bid: Price, ask: Price) -> Quote {
    let mut quote = Quote { head: Quote::header(ts, ts), bid, ask, ..Quote::zeroed() };
    quote.bid_size = Size(10);
    quote.ask_size = Size(10);
    quote.tail.instrument = instrument;
    quote
}

/// A level of a book.
pub fn level(instrument: u32, ts: i64, price: i64, size: i64) -> BookLevel {
    let mut level = BookLevel {
        head: BookLevel::header(ts, ts),
        price: Price(price),
        size: Size(size),
        ..BookLevel::zeroed()
    };
    level.tail.instrument = instrument;
    level
}

/// A vendor's bar of one price.
pub fn external_bar(instrument: u32, ts: i64, price: i64, volume: i64) -> ExternalBar {
    let price = Price(price);
    let mut bar = ExternalBar { head: ExternalBar::header(ts, ts), ..ExternalBar::zeroed() };
    (bar.open, bar.high, bar.low, bar.close) = (price, price, price, price);
    bar.volume = Size(volume);
    bar.tail.instrument = instrument;
    bar
}

/// A record as a source delivers it.
pub fn cell<T: Frame>(record: &T) -> InputCell {
    InputCell::from(record)
}

/// Numbers the records of a source as its gateway thread would.
pub fn number_source(records: &mut [InputCell], source: u16) {
    for (sequence, record) in (0..).zip(records) {
        record.set_source_sequence(sequence);
        record.tail_mut().source = source;
    }
}

/// Prints of several instruments in turn, one every `step` ns with some jitter, on a bounded walk along
/// the price grid; the same at every run.
pub fn steady_prints(instruments: &[Listed], count: usize, from: i64, step: i64) -> Vec<Trade> {
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut walk = vec![5_000_i64; instruments.len()];
    let mut prints = Vec::with_capacity(count);
    for i in 0..count {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let number = i % instruments.len();
        let price = &mut walk[number];
        *price = (*price + (random % 3) as i64 - 1).clamp(4_000, 6_000);
        let ts = from + i as i64 * step + (random >> 20) as i64 % step;
        let size = 1 + (random >> 8) as i64 % 100;
        prints.push(trade(number as u32, ts, *price * instruments[number].def.tick.0, size));
    }
    prints
}
