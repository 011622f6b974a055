//! Random markets: instruments of several calendars, sessions, gaps, ties, late and boundary records,
//! everything that `validate` knows. Small, so that thousands run, and made of parts that shrink.

use crate::market::{SYMBOLS, cell, external_bar, level, listed, ns, quote, trade};
use crate::scene::Scene;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::names::TRADE_SUSPICIOUS;
use ringbuf_layout::{InputCell, Price};

const SECOND: i64 = 1_000_000_000;
const MILLISECOND: i64 = 1_000_000;

/// Timeframes to choose from.
pub const TIMEFRAMES_S: [u32; 8] = [1, 5, 30, 60, 180, 300, 1_800, 3_600];

/// Beginnings that matter: session edges, weekends, changes of clocks and of hours.
pub const BEGINNINGS: [&str; 10] = [
    "2013-10-07T13:25:00Z",
    "2013-10-07T07:58:00Z",
    "2013-10-07T23:30:00Z",
    "2013-10-04T20:30:00Z",
    "2013-11-01T23:00:00Z",
    "2014-03-07T21:00:00Z",
    "2014-03-09T21:30:00Z",
    "2015-09-18T20:50:00Z",
    "2013-10-06T21:50:00Z",
    "2024-02-03T23:59:00Z",
];

/// How far time goes before a record.
#[derive(Clone, Copy, Debug)]
pub enum Advance {
    /// Not at all: a tie.
    Tie,
    /// Nanoseconds.
    Nanos(i64),
    /// To the next multiple of so many seconds, off by so many ns.
    Boundary(u32, i64),
    /// To the next change of the instrument's session, off by so many ns.
    SessionEdge(i64),
    /// The clock stays, and the record is older by so many ms.
    Back(i64),
}

/// What a record says.
#[derive(Clone, Copy, Debug)]
pub enum What {
    /// A print, so many ticks from the last price, of a size.
    Print(i64, i64),
    /// A print off the price grid.
    OffGrid,
    /// A print at 11/10 of the last price.
    Jump,
    /// A print at a price that is not above zero.
    BadPrice(i64),
    /// A print that the venue calls suspicious.
    Suspicious,
    /// A print of an instrument that nobody knows.
    Unknown,
    /// A print that arrived late: `ts_recv` so many ms after `ts_event`.
    Stale(i64),
    /// A quote: ticks from the last price to the bid, spread in ticks (negative: crossed).
    Quote(i64, i64),
    /// A quote of which a side is missing.
    OneSided(bool),
    /// A level of the book.
    Level,
    /// A vendor's bar.
    External,
}

/// One record.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    source: usize,
    instrument: usize,
    advance: Advance,
    what: What,
}

/// A market.
#[derive(Clone, Debug)]
pub struct Script {
    timeframes_s: Vec<u32>,
    symbols: Vec<&'static str>,
    from_mid: u8,
    sources: usize,
    begins: &'static str,
    begins_s: i64,
    heartbeat_ms: i64,
    slots_log2: u32,
    hesitation: u64,
    steps: Vec<Step>,
}

/// What kinds of records a market has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mix {
    /// Mostly prints.
    Prints,
    /// Quotes as often as prints, and bars from their middle.
    Quotes,
    /// Prints in order of time, nothing else.
    OrderedPrints,
    /// Many prints a second: buckets and micro-batches fill.
    BusyPrints,
}

/// Random markets of at most so many records.
pub fn scripts(mix: Mix, records: usize) -> impl Strategy<Value = Script> {
    let shape = (
        subsequence(&TIMEFRAMES_S[..], 1..=4),
        subsequence(&SYMBOLS[..], 1..=4).prop_shuffle(),
        any::<u8>(),
        1..=3_usize,
        select(&BEGINNINGS[..]),
        0..7_200_i64,
        select(&[250_i64, 1_000, 30_000, 600_000, 3_600_000][..]),
        (1..=7_u32, prop_oneof![Just(0_u64), 1..u64::MAX]),
    );
    (shape, vec(step(mix), 1..=records)).prop_map(move |(shape, steps)| {
        let (timeframes_s, symbols, from_mid, sources, begins, begins_s, heartbeat_ms, ring) =
            shape;
        let from_mid = if mix == Mix::Quotes { from_mid } else { 0 };
        let (slots_log2, hesitation) = ring;
        Script {
            timeframes_s,
            symbols,
            from_mid,
            sources,
            begins,
            begins_s,
            heartbeat_ms,
            slots_log2,
            hesitation,
            steps,
        }
    })
}

fn step(mix: Mix) -> impl Strategy<Value = Step> {
    let off = || prop_oneof![Just(-1_i64), Just(0), Just(1), -2_000_000..2_000_000_i64];
    let back = if mix == Mix::OrderedPrints { 0 } else { 2 };
    // A busy market has many prints between two leaps of its clock.
    let small = if mix == Mix::BusyPrints { 40 } else { 1 };
    let advance = prop_oneof![
        4 * small => Just(Advance::Tie),
        2 * small => (0..20_000_i64).prop_map(Advance::Nanos),
        3 * small => (0..3 * MILLISECOND).prop_map(Advance::Nanos),
        8 => (0..20 * SECOND).prop_map(Advance::Nanos),
        4 => (0..600 * SECOND).prop_map(Advance::Nanos),
        1 => (0..8 * 3_600 * SECOND).prop_map(Advance::Nanos),
        4 => (select(&TIMEFRAMES_S[..]), off()).prop_map(|(s, off)| Advance::Boundary(s, off)),
        2 => off().prop_map(Advance::SessionEdge),
        back => prop_oneof![0..5_i64, 0..40_000_i64, 0..50_000_000_i64].prop_map(Advance::Back),
    ];
    let print = (-3..=3_i64, prop_oneof![9 => 1..500_i64, 1 => Just(0)])
        .prop_map(|(ticks, size)| What::Print(ticks, size));
    let rare = prop_oneof![
        Just(What::OffGrid),
        Just(What::Jump),
        (-2..=0_i64).prop_map(What::BadPrice),
        Just(What::Suspicious),
        Just(What::Unknown),
        (0..20_000_i64).prop_map(What::Stale),
        (1..100_i64).prop_map(|size| What::Print(0, -size)),
        // Two of these in a session are one too many.
        (0..3_i64).prop_map(|less| What::Print(0, i64::MAX / 2 + 1 - less)),
        Just(What::Print(0, i64::MAX - 600)),
        Just(What::Level),
        Just(What::External),
    ];
    let (rares, quotes) = match mix {
        Mix::Prints => (3, 1),
        Mix::Quotes => (2, 12),
        Mix::OrderedPrints => (0, 0),
        Mix::BusyPrints => (1, 0),
    };
    let what = prop_oneof![
        12 => print,
        rares => rare,
        quotes => (-3..=3_i64, -1..=3_i64).prop_map(|(bid, spread)| What::Quote(bid, spread)),
        quotes.min(1) => any::<bool>().prop_map(What::OneSided),
    ];
    (0..3_usize, 0..4_usize, advance, what).prop_map(|(source, instrument, advance, what)| Step {
        source,
        instrument,
        advance,
        what,
    })
}

impl Script {
    /// The machine and its sources.
    pub fn scene(&self) -> Scene {
        let listed = |(i, symbol): (usize, &&str)| listed(symbol, self.from_mid >> i & 1 == 1);
        let instruments: Vec<_> = self.symbols.iter().enumerate().map(listed).collect();
        let mut scene = Scene::new(instruments, Vec::new()).timeframes(&self.timeframes_s);
        scene.semantic.clock.heartbeat_ms = self.heartbeat_ms;
        scene.slots = 1 << self.slots_log2;
        scene.hesitation = self.hesitation;
        let mut sources = vec![Vec::new(); self.sources];
        let mut clock = ns(self.begins) + self.begins_s * SECOND;
        let mut last = vec![1_000_i64; self.symbols.len()];
        for step in &self.steps {
            let number = step.instrument % self.symbols.len();
            let ts = advance(&scene, number as u32, &mut clock, step.advance);
            let record = record(&scene, number, &mut last[number], step.what, ts);
            sources[step.source % self.sources].push(record);
        }
        for (number, records) in (1..).zip(&mut sources) {
            crate::market::number_source(records, number);
        }
        scene.sources = sources;
        scene
    }
}

/// Moves the clock and says when the record happened.
pub(crate) fn advance(scene: &Scene, number: u32, clock: &mut i64, by: Advance) -> i64 {
    let to = match by {
        Advance::Tie => *clock,
        Advance::Nanos(ns) => *clock + ns,
        Advance::Boundary(seconds, off) => {
            let step = i64::from(seconds) * SECOND;
            (*clock / step + 1) * step + off
        }
        Advance::SessionEdge(off) => {
            let change = scene.calendar(number).next_after(*clock);
            change.map_or(*clock, |change| change.at + off)
        }
        Advance::Back(ms) => return *clock - ms * MILLISECOND,
    };
    *clock = to.max(*clock);
    *clock
}

fn record(scene: &Scene, number: usize, last: &mut i64, what: What, ts: i64) -> InputCell {
    let tick = scene.instruments[number].def.tick.0;
    let instrument = number as u32;
    let price = *last * tick;
    let print = |price, size| cell(&trade(instrument, ts, price, size));
    match what {
        What::Print(ticks, size) => {
            *last = (*last + ticks).max(1);
            print(*last * tick, size)
        }
        What::OffGrid => print(price + 1, 7),
        What::Jump => {
            *last = *last * 11 / 10;
            print(*last * tick, 7)
        }
        What::BadPrice(bad) => print(bad, 7),
        What::Suspicious => {
            let mut record = trade(instrument, ts, price, 7);
            record.tail.flags = TRADE_SUSPICIOUS;
            cell(&record)
        }
        What::Unknown => cell(&trade(NO_INSTRUMENT, ts, price, 7)),
        What::Stale(ms) => {
            let mut record = trade(instrument, ts, price, 7);
            record.head.ts_recv = ts + ms * MILLISECOND;
            cell(&record)
        }
        What::Quote(ticks, spread) => {
            let bid = Price((*last + ticks).max(2) * tick);
            // A third of a tick: the middle of an odd sum is rounded.
            cell(&quote(instrument, ts, bid, Price(bid.0 + spread * tick / 3)))
        }
        What::OneSided(bid) => {
            let (there, missing) = (Price(price), Price::UNDEFINED);
            let (bid, ask) = if bid { (there, missing) } else { (missing, there) };
            cell(&quote(instrument, ts, bid, ask))
        }
        What::Level => cell(&level(instrument, ts, price, 7)),
        What::External => cell(&external_bar(instrument, ts, price, 7)),
    }
}
