//! The book of depth: what `validate` keeps of it, judges and hands on.

use super::bench::{Bench, CENT, MS, OPEN};
use bytemuck::Zeroable;
use engine::config::{Bars, Config};
use engine::depth::LEVELS;
use engine::earlier::AfterValidate;
use engine::instrument::built_in;
use engine::orders::intent::Intent;
use engine::stage::{Digest, Emit, Stage};
use engine::stages::bar::BarStage;
use engine::stages::validate::Validate;
use engine::state::{Codec, State};
use proptest::prelude::*;
use ringbuf_layout::names::{
    BOOK_UPDATE_END, BookAction, GAP_OF_TRADES, Reasons, SessionPhase, SourceState,
};
use ringbuf_layout::slot::{Found, Top};
use ringbuf_layout::{
    Bar, BookLevel, Frame, InputCell, Price, Quote, Session, Side, Size, Slot, SourceStatus, Tail,
    Timer, Trade, lane, verdict_cell,
};
use std::collections::BTreeMap;

/// One record of a book, at so many cents.
fn level(action: BookAction, side: Side, cents: i64, size: i64, ends: bool) -> BookLevel {
    let flags = if ends { BOOK_UPDATE_END } else { 0 };
    BookLevel {
        head: BookLevel::header(OPEN, OPEN),
        price: Price(cents * CENT),
        size: Size(size),
        source_seq: BookLevel::place(0, action),
        tail: Tail { instrument: 0, source: 1, side: side as u8, flags },
    }
}

fn snapshot() -> BookLevel {
    level(BookAction::Snapshot, Side::None, 0, 0, false)
}

fn status(state: SourceState, instrument: u32, source: u16, flags: u8) -> InputCell {
    InputCell::from(&SourceStatus {
        head: SourceStatus::header(OPEN, OPEN),
        tail: Tail { instrument, source, side: state as u8, flags },
        ..SourceStatus::zeroed()
    })
}

/// `validate` with one instrument, tick 0.01, in its session.
fn validate() -> Validate {
    let mut stage = Validate::new(&Config::default().semantic.validate, 2);
    let definition = built_in("SPY").unwrap();
    stage.judge(&InputCell::from(&definition.record(0, 0, 0)));
    let mut session = Session { open: OPEN - 1, close: i64::MAX, ..Session::zeroed() };
    session.head = Session::header(OPEN - 1, OPEN - 1);
    session.tail.side = SessionPhase::Regular as u8;
    stage.judge(&InputCell::from(&session));
    stage
}

fn feed(stage: &mut Validate, records: &[BookLevel]) -> Found {
    records.iter().map(|record| stage.judge(&InputCell::from(record))).last().unwrap()
}

fn levels(stage: &Validate, side: Side) -> Vec<(i64, i64)> {
    let book = stage.depth(0).unwrap();
    book.levels(side).map(|(price, size)| (price.0 / CENT, size.0)).collect()
}

fn digest(stage: &Validate) -> u64 {
    let mut digest = Digest::default();
    stage.digest(&mut digest);
    digest.finish()
}

fn top_of(bid: (i64, i64), ask: (i64, i64)) -> Top {
    let (bid_size, ask_size) = (Size(bid.1), Size(ask.1));
    Top { bid: Price(bid.0 * CENT), ask: Price(ask.0 * CENT), bid_size, ask_size }
}

/// A book of one bid and one ask.
fn begun(bid: (i64, i64), ask: (i64, i64)) -> Vec<BookLevel> {
    let set = BookAction::Set;
    vec![
        snapshot(),
        level(set, Side::Buy, bid.0, bid.1, false),
        level(set, Side::Sell, ask.0, ask.1, true),
    ]
}

/// A naive book: two maps, cut to the best levels.
#[derive(Default)]
struct Naive {
    live: bool,
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
}

impl Naive {
    fn take(&mut self, step: &Step) {
        match *step {
            Step::Snapshot => *self = Self { live: true, ..Self::default() },
            Step::Gap => *self = Self::default(),
            _ if !self.live => {}
            Step::Clear(None) => *self = Self { live: true, ..Self::default() },
            Step::Clear(Some(Side::Sell)) => self.asks.clear(),
            Step::Clear(Some(_)) => self.bids.clear(),
            Step::Set(side, price, size) => {
                let book = if side == Side::Sell { &mut self.asks } else { &mut self.bids };
                if size == 0 {
                    book.remove(&price);
                } else {
                    book.insert(price, size);
                }
                while self.bids.len() > LEVELS {
                    self.bids.pop_first();
                }
                while self.asks.len() > LEVELS {
                    self.asks.pop_last();
                }
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Snapshot,
    Gap,
    Clear(Option<Side>),
    Set(Side, i64, i64),
}

impl Step {
    fn input(&self, ends: bool) -> InputCell {
        let record = match *self {
            Self::Gap => return status(SourceState::Gap, 0, 1, 0),
            Self::Snapshot => snapshot(),
            Self::Clear(side) => level(BookAction::Clear, side.unwrap_or(Side::None), 0, 0, ends),
            Self::Set(side, price, 0) => level(BookAction::Delete, side, price, 0, ends),
            Self::Set(side, price, size) => level(BookAction::Set, side, price, size, ends),
        };
        InputCell::from(&record)
    }
}

fn steps() -> impl Strategy<Value = Vec<(Step, bool)>> {
    let side = || prop_oneof![Just(Side::Buy), Just(Side::Sell)];
    let step = prop_oneof![
        2 => Just(Step::Snapshot),
        1 => Just(Step::Gap),
        1 => prop::option::of(side()).prop_map(Step::Clear),
        // Half of them delete: deletes of what is not there, and sizes that change, among them.
        400 => (side(), 1_i64..60, -6_i64..6).prop_map(|(s, p, n)| Step::Set(s, p, n.max(0))),
        300 => (side(), 1_i64..60, 1_i64..6).prop_map(|(s, p, n)| Step::Set(s, p, n)),
    ];
    prop::collection::vec((step, any::<bool>()), 500..3_000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_book_is_a_naive_one_and_a_loaded_one_goes_on_alike(
        steps in steps(), cut in any::<prop::sample::Index>(),
    ) {
        let (mut stage, mut naive) = (validate(), Naive::default());
        feed(&mut stage, &[snapshot()]);
        naive.take(&Step::Snapshot);
        let cut = cut.index(steps.len());
        let mut loaded = None;
        for (i, (step, ends)) in steps.iter().enumerate() {
            if i == cut {
                let mut bytes = Vec::new();
                stage.state(&mut Codec::save(&mut bytes)).unwrap();
                let mut other = validate();
                let mut codec = Codec::load(&bytes);
                other.state(&mut codec).unwrap();
                codec.finish().unwrap();
                prop_assert_eq!(digest(&other), digest(&stage));
                loaded = Some(other);
            }
            let input = step.input(*ends);
            let found = stage.judge(&input);
            if let Some(loaded) = &mut loaded {
                prop_assert_eq!(loaded.judge(&input), found);
                if input.is::<BookLevel>() {
                    prop_assert_eq!(loaded.news(), stage.news());
                }
            }
            naive.take(step);
            let bids: Vec<_> = naive.bids.iter().rev().map(|(p, s)| (*p, *s)).collect();
            let asks: Vec<_> = naive.asks.iter().map(|(p, s)| (*p, *s)).collect();
            prop_assert_eq!(levels(&stage, Side::Buy), bids.clone());
            prop_assert_eq!(levels(&stage, Side::Sell), asks.clone());
            let best = (bids.first(), asks.first());
            let crossed = matches!(best, (Some(bid), Some(ask)) if bid.0 > ask.0);
            let ends = input.get::<BookLevel>().is_some_and(BookLevel::ends_update);
            prop_assert_eq!(found.reasons.has(Reasons::CROSSED), crossed && ends);
        }
        prop_assert_eq!(digest(&loaded.unwrap()), digest(&stage));
    }
}

#[test]
fn levels_before_a_snapshot_are_no_book_and_change_no_hash() {
    let (mut stage, mut other) = (validate(), validate());
    feed(&mut stage, &[level(BookAction::Set, Side::Buy, 100, 5, true)]);
    assert_eq!(levels(&stage, Side::Buy), []);
    assert_eq!(stage.news(), None);
    feed(&mut other, &[level(BookAction::Delete, Side::Buy, 100, 0, true)]);
    assert_eq!(digest(&stage), digest(&other), "no trace of the level");
    feed(&mut stage, &[snapshot()]);
    assert_ne!(digest(&stage), digest(&other));
}

#[test]
fn a_crossed_book_is_flagged_where_its_update_ends_and_not_between() {
    let mut stage = validate();
    feed(&mut stage, &begun((100, 5), (101, 5)));
    let set = BookAction::Set;
    let half = level(set, Side::Buy, 102, 1, false);
    assert_eq!(feed(&mut stage, &[half]).reasons, Reasons::NONE);
    let rest = level(BookAction::Delete, Side::Sell, 101, 0, true);
    assert_eq!(feed(&mut stage, &[rest]).reasons, Reasons::NONE);
    let crossing = level(set, Side::Sell, 101, 1, true);
    let found = feed(&mut stage, &[crossing]);
    assert_eq!((found.reasons, found.rejected), (Reasons::CROSSED, false));
    let locking = [
        level(BookAction::Delete, Side::Sell, 101, 0, false),
        level(set, Side::Sell, 102, 1, true),
    ];
    assert_eq!(feed(&mut stage, &locking).reasons, Reasons::NONE, "locked is legal");
}

#[test]
fn a_new_top_is_told_once_and_a_change_behind_it_is_no_news() {
    let mut stage = validate();
    feed(&mut stage, &begun((100, 5), (101, 7)));
    assert_eq!(stage.news(), Some(top_of((100, 5), (101, 7))));
    let set = BookAction::Set;
    feed(&mut stage, &[level(set, Side::Buy, 99, 3, true)]);
    assert_eq!(stage.news(), None);
    feed(&mut stage, &[level(set, Side::Buy, 100, 6, false)]);
    assert_eq!(stage.news(), None, "the update goes on");
    feed(&mut stage, &[level(set, Side::Buy, 98, 3, true)]);
    assert_eq!(stage.news(), Some(top_of((100, 6), (101, 7))));
    feed(&mut stage, &[level(BookAction::Clear, Side::None, 0, 0, true)]);
    let top = stage.news().unwrap();
    assert_eq!((top.bid, top.ask), (Price::UNDEFINED, Price::UNDEFINED));
}

#[test]
fn a_level_that_is_late_is_rejected_and_still_a_level() {
    let mut stage = validate();
    feed(&mut stage, &begun((100, 5), (101, 7)));
    let mut late = level(BookAction::Set, Side::Buy, 100, 9, true);
    late.head.ts_event = OPEN - 2;
    let found = feed(&mut stage, &[late]);
    assert!(found.rejected && found.reasons.has(Reasons::LATE));
    assert_eq!(levels(&stage, Side::Buy), [(100, 9)]);
    assert_eq!(stage.news(), None, "what is rejected goes no further");
    feed(&mut stage, &[level(BookAction::Set, Side::Buy, 99, 1, true)]);
    assert_eq!(stage.news(), Some(top_of((100, 9), (101, 7))), "but is told with the next");
}

#[test]
fn a_level_that_is_none_voids_the_book_until_the_next_snapshot() {
    let set = BookAction::Set;
    for nonsense in [
        level(set, Side::Buy, 0, 5, true),
        level(set, Side::Buy, -3, 5, true),
        level(set, Side::Sell, 102, -1, true),
        level(set, Side::None, 102, 1, true),
    ] {
        let mut stage = validate();
        feed(&mut stage, &begun((100, 5), (101, 7)));
        feed(&mut stage, &[nonsense]);
        assert!(!stage.depth(0).unwrap().is_live(), "{nonsense:?}");
        feed(&mut stage, &[level(set, Side::Buy, 99, 1, true)]);
        assert_eq!((levels(&stage, Side::Buy), stage.news()), (vec![], None));
        feed(&mut stage, &begun((100, 5), (101, 7)));
        assert_eq!(levels(&stage, Side::Buy), [(100, 5)]);
    }
}

#[test]
fn a_gap_in_the_book_or_the_end_of_its_source_voids_it_and_nothing_else_does() {
    const ALL: u32 = u32::MAX;
    use SourceState::{Down, Gap, Halt, Resume, Roll, Up};
    for (record, voids) in [
        (status(Gap, 0, 1, 0), true),
        (status(Roll, 0, 1, 0), false),
        (status(Gap, ALL, 1, 0), true),
        (status(Down, ALL, 1, 0), true),
        (status(Gap, 0, 1, GAP_OF_TRADES), false),
        (status(Gap, 1, 1, 0), false),
        (status(Gap, ALL, 2, 0), false),
        (status(Down, ALL, 2, 0), false),
        (status(Up, ALL, 1, 0), false),
        (status(Halt, 0, 1, 0), false),
        (status(Resume, 0, 1, 0), false),
    ] {
        let mut stage = validate();
        feed(&mut stage, &begun((100, 5), (101, 7)));
        assert_eq!(stage.judge(&record), Found::OK);
        assert_eq!(!stage.depth(0).unwrap().is_live(), voids, "{:?}", record.get::<SourceStatus>());
    }
}

#[test]
fn a_book_is_silent_where_quotes_speak() {
    let mut stage = validate();
    let mut quote = Quote { head: Quote::header(OPEN, OPEN), ..Quote::zeroed() };
    (quote.bid, quote.ask) = (Price(100 * CENT), Price(101 * CENT));
    stage.judge(&InputCell::from(&quote));
    feed(&mut stage, &begun((100, 5), (101, 7)));
    assert_eq!(stage.news(), None);
    assert_eq!(levels(&stage, Side::Buy), [(100, 5)], "and kept all the same");
}

/// A bench whose instrument has bars from the middle.
fn quoted_bench() -> Bench {
    let mut bench = Bench::plain("[semantic.venue]\nslippage_ticks = 0\n");
    let mut definition = built_in("SPY").unwrap().record(0, 1, 0);
    definition.fee = 0;
    bench.feed(&InputCell::from(&definition), None);
    bench
}

#[test]
fn the_paper_venue_takes_a_new_top_of_a_book_for_a_quote() {
    let mut bench = quoted_bench();
    let at = |bench: &Bench, records: &[BookLevel]| -> Vec<InputCell> {
        let stamp = |record: &BookLevel| {
            let mut record = *record;
            record.head.ts_event = bench.now;
            InputCell::from(&record)
        };
        records.iter().map(stamp).collect()
    };
    for cell in at(&bench, &begun((100, 5), (102, 3))) {
        bench.feed(&cell, None);
    }
    bench.place(Intent::market(Side::Buy, 4));
    bench.now += 10 * MS;
    let set = BookAction::Set;
    // Behind the top: no print. Then a new top, in two records.
    let behind = at(&bench, &[level(set, Side::Sell, 104, 9, true)]);
    assert_eq!(bench.feed(&behind[0], None).trades(), []);
    let news = [
        level(BookAction::Delete, Side::Sell, 102, 0, false),
        level(set, Side::Sell, 103, 3, true),
    ];
    let news = at(&bench, &news);
    assert_eq!(bench.feed(&news[0], None).trades(), [], "the update goes on");
    assert_eq!(bench.feed(&news[1], None).trades(), [(3, 103)]);
    let more = at(&bench, &[level(set, Side::Sell, 103, 8, true)]);
    assert_eq!(bench.feed(&more[0], None).trades(), [(1, 103)]);
    assert_eq!(bench.position(), 4);
}

#[test]
fn bars_from_the_middle_come_from_the_top_of_a_book_without_quotes() {
    let (mut cells, verdict) = verdict_cell();
    let earlier = AfterValidate { verdict };
    let (mut bars, bars_in) = lane::<Bar>(64, 4);
    let minute = Bars { timeframes_s: vec![60], ..Config::default().semantic.bars };
    let (mut validate, mut stage) = (validate(), BarStage::new(&minute, 2));
    let mut seq = 0;
    let mut feed = |cell: &InputCell| {
        let mut cell = *cell;
        cell.head_mut().seq = seq;
        seq += 1;
        let slot = Slot::holding(&cell);
        let found = validate.judge(&slot.input);
        cells.write(&slot, found);
        if let Some(top) = validate.news().filter(|_| slot.input.is::<BookLevel>()) {
            cells.write_top(&slot, top);
        }
        let mut out = Emit::new(&mut bars, &slot, &earlier);
        stage.on_input(&slot, &earlier, (), &mut out);
        bars_in.read(slot.seq()).collect::<Vec<Bar>>()
    };
    feed(&InputCell::from(&built_in("SPY").unwrap().record(0, 1, 0)));
    let set = BookAction::Set;
    let updates = [
        level(set, Side::Buy, 99, 9, true),
        level(set, Side::Sell, 103, 1, true),
        level(BookAction::Delete, Side::Sell, 102, 0, true),
    ];
    for record in begun((100, 5), (102, 7)).iter().chain(&updates) {
        assert_eq!(feed(&InputCell::from(record)), []);
    }
    // A print is none of its bars.
    let mut trade = Trade { head: Trade::header(OPEN, OPEN), ..Trade::zeroed() };
    (trade.price, trade.size) = (Price(100 * CENT), Size(1));
    feed(&InputCell::from(&trade));
    let timer = Timer { head: Timer::header(OPEN, OPEN), closes: 1, ..Timer::zeroed() };
    let bar = feed(&InputCell::from(&timer))[0];
    assert_eq!((bar.ticks, bar.open.0, bar.close.0), (2, 101 * CENT, 1015 * CENT / 10));
}
