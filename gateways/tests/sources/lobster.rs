//! LOBSTER's files, made by the format's documentation.

use super::*;
use engine::depth::Depth;
use proptest::prelude::*;
use ringbuf_layout::names::{SourceState, TRADE_CROSS};
use ringbuf_layout::{BookLevel, Price, Side, Size, SourceStatus};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

pub(crate) fn catalog(symbols: &[&str]) -> Catalog {
    let share =
        |symbol: &&str| InstrumentDef { symbol: (*symbol).to_string(), ..built_in("SPY").unwrap() };
    Catalog { configured: symbols.iter().map(share).collect(), ..Catalog::default() }
}

pub(crate) fn file(symbol: &str, date: &str, kind: &str, levels: usize) -> String {
    format!("{symbol}_{date}_34200000_57600000_{kind}_{levels}.csv")
}

/// A day of AAPL: messages, and the order book after each, if there is one.
pub(crate) struct Day {
    dir: tempfile::TempDir,
    levels: usize,
}

impl Day {
    pub(crate) fn new(levels: usize, messages: &str, book: Option<&str>) -> Self {
        let day = Self { dir: tempfile::tempdir().unwrap(), levels };
        std::fs::write(day.path("message"), messages).unwrap();
        if let Some(book) = book {
            std::fs::write(day.path("orderbook"), book).unwrap();
        }
        day
    }

    fn path(&self, kind: &str) -> PathBuf {
        self.dir.path().join(file("AAPL", "2012-06-21", kind, self.levels))
    }

    pub(crate) fn open(&self) -> Result<Source, Problem> {
        let spec = format!("lobster:{}", self.path("message").display());
        gateways::open(&config(&spec), &catalog(&["AAPL"]))
    }

    fn drain(&self) -> (Vec<InputCell>, Option<Problem>) {
        drain(self.open().unwrap())
    }
}

fn kinds(cells: &[InputCell]) -> Vec<&'static str> {
    cells.iter().map(|cell| cell.kind().unwrap().name()).collect()
}

const MESSAGES: &str = "34200.004241176,1,16113575,18,5853300,1\n\
                        34200.025551909,4,16113575,18,5853300,1\n\
                        34200.201743,5,0,100,5857050,-1\n\
                        34201,6,-1,2500,5850000,-1\n\
                        34202.5,7,0,0,-1,-1\n\
                        34300.5,7,0,0,0,-1\n\
                        34400.5,7,0,0,1,-1\n";

#[test]
fn messages_alone_give_trades_crosses_and_halts() {
    let day = Day::new(10, MESSAGES, None);
    let source = day.open().unwrap();
    assert_eq!((source.symbols[0].symbol.as_str(), source.symbols[0].trades), ("AAPL", true));
    let (cells, problem) = drain(source);
    assert_eq!(problem, None);
    let status = "source_status";
    assert_eq!(kinds(&cells), ["trade", "trade", "trade", status, status, status]);
    let print = |i: usize| {
        let trade = cells[i].get::<Trade>().unwrap();
        (trade.price.to_string(), trade.size.0, trade.tail.side, trade.tail.flags)
    };
    assert_eq!(print(0), ("585.33".to_string(), 18, Side::Sell as u8, 0));
    assert_eq!(print(1), ("585.705".to_string(), 100, Side::Buy as u8, 0));
    assert_eq!(print(2), ("585".to_string(), 2_500, Side::None as u8, TRADE_CROSS));
    let head = cells[0].head();
    assert_eq!((head.ts_event, head.ts_recv), (head.ts_recv, ns("2012-06-21T13:30:00.025551909Z")));
    let states = [SourceState::Halt, SourceState::Quoting, SourceState::Resume];
    for (cell, state) in cells[3..].iter().zip(states) {
        let status = cell.get::<SourceStatus>().unwrap();
        assert_eq!((status.tail.side, status.tail.instrument), (state as u8, 0));
    }
}

#[test]
fn the_order_book_beside_the_messages_gives_the_changes_after_each() {
    let book = "5859400,200,5853300,18\n\
                5859400,200,5853000,150\n\
                5859400,200,5853000,150\n\
                5859500,7,5853000,150\n\
                9999999999,0,-9999999999,0\n";
    let messages: String = MESSAGES.lines().take(5).map(|line| format!("{line}\n")).collect();
    let day = Day::new(1, &messages, Some(book));
    let (cells, problem) = day.drain();
    assert_eq!(problem, None);
    let told: Vec<_> = cells
        .iter()
        .map(|cell| match cell.get::<BookLevel>() {
            None => cell.kind().unwrap().name().to_string(),
            Some(level) => format!(
                "{} {} {}{}",
                level.action().unwrap().name(),
                level.price,
                level.size.0,
                if level.ends_update() { "." } else { "" }
            ),
        })
        .collect();
    let expected = [
        "snapshot 0 0",
        "set 585.33 18",
        "set 585.94 200.",
        "trade",
        "delete 585.33 0",
        "set 585.3 150.",
        "trade",
        "trade",
        "delete 585.94 0",
        "set 585.95 7.",
        "source_status",
        "delete 585.3 0",
        "delete 585.95 0.",
    ];
    assert_eq!(told, expected);
}

#[test]
fn an_order_book_that_does_not_belong_to_its_messages_is_a_problem() {
    let book = "5859400,200,5853300,18\n";
    let check = |messages: usize, book: &str, what: &str| {
        let messages: String =
            MESSAGES.lines().take(messages).map(|line| format!("{line}\n")).collect();
        let (cells, problem) = Day::new(1, &messages, Some(book)).drain();
        let problem = problem.unwrap();
        check_problem(&problem, what, "_orderbook_1.csv", "both files");
        cells.len()
    };
    assert_eq!(check(2, book, "ends before its message file"), 3, "the first row came");
    assert_eq!(check(1, &book.repeat(2), "goes on after its last message"), 3);
    assert_eq!(check(1, "5859400,200,5853300\n", "3 columns instead of 4"), 0);
    assert_eq!(check(1, "5859400,x,5853300,1\n", "not a decimal number"), 0);
}

#[test]
fn days_and_symbols_of_a_glob_are_one_stream_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let put = |symbol: &str, date: &str, kind: &str, text: &str| {
        std::fs::write(dir.path().join(file(symbol, date, kind, 1)), text).unwrap();
    };
    put("AAAQ", "2012-06-22", "message", "34200,4,1,3,10000,1\n");
    put("AAAQ", "2012-06-21", "message", "34200,4,1,1,10000,1\n34205,4,1,1,10000,1\n");
    put("AAAQ", "2012-06-21", "orderbook", "10100,1,10000,1\n10100,1,10000,1\n");
    put("MSFT", "2012-06-21", "message", "34200,4,1,2,10000,1\n34203,4,1,2,10000,1\n");
    let mut config = config(&format!("lobster:{}/*.csv", dir.path().display()));
    let source = gateways::open(&config, &catalog(&["AAAQ", "MSFT"])).unwrap();
    assert_eq!(source.symbols.len(), 2);
    let (cells, problem) = drain(source);
    assert_eq!(problem, None);
    assert!(cells.is_sorted_by_key(|cell| cell.head().ts_event));
    let sizes: Vec<i64> = cells.iter().filter_map(|c| c.get::<Trade>()).map(|t| t.size.0).collect();
    assert_eq!(sizes, [1, 2, 2, 1, 3]);
    config.symbols = vec!["MSFT".to_string()];
    assert_eq!(trades(gateways::open(&config, &catalog(&["MSFT"])).unwrap()).len(), 2);
    config.symbols = Vec::new();
    let problem = gateways::open(&config, &catalog(&["MSFT"])).unwrap_err();
    check_problem(&problem, "`AAAQ`", "AAAQ_2012-06-21", "[[semantic.instrument]]");
}

#[test]
fn a_name_that_says_nothing_and_an_order_book_alone_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let check = |name: &str, what: &str, fix: &str| {
        let spec = write(dir.path(), "lobster", name, b"");
        let problem = gateways::open(&config(&spec), &catalog(&["AAPL"])).unwrap_err();
        check_problem(&problem, what, "", fix);
    };
    check("AAPL.csv", "does not say symbol, date and levels", "AAPL_2012-06-21");
    check(
        &file("AAPL", "2012-06-21", "orderbook", 5),
        "none of the files is a message",
        "found by itself",
    );
}

#[test]
fn a_bad_row_is_named_and_everything_before_it_came() {
    let day = Day::new(1, "34200,4,1,3,10000,1\n34200,4,1,3,1x,1\n", None);
    let (cells, problem) = day.drain();
    assert_eq!(cells.len(), 1);
    check_problem(&problem.unwrap(), "`1x` is not a decimal", "line 2, column price", "correct");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_engine_s_book_is_the_row_after_every_message(
        changes in prop::collection::vec((any::<bool>(), 1_i64..60, 0_i64..4), 1..200),
        levels in 1_usize..25,
    ) {
        let mut books: [BTreeMap<i64, i64>; 2] = Default::default();
        let (mut messages, mut rows, mut expected) = (String::new(), String::new(), Vec::new());
        for (n, (is_ask, price, size)) in (0..).zip(&changes) {
            let side = &mut books[usize::from(*is_ask)];
            if *size == 0 { side.remove(price); } else { side.insert(*price, *size); }
            writeln!(messages, "{n}.000000001,1,5,1,10000,1").unwrap();
            let level = |(price, size): (&i64, &i64)| (*price, *size);
            let bids: Vec<_> = books[0].iter().rev().map(level).collect();
            let asks: Vec<_> = books[1].iter().map(level).collect();
            let row: Vec<String> = (0..levels)
                .map(|i| {
                    let side = |levels: &[(i64, i64)], empty: &str| levels.get(i).map_or(
                        format!("{empty},0"), |(price, size)| format!("{},{size}", price * 100),
                    );
                    format!("{},{}", side(&asks, "9999999999"), side(&bids, "-9999999999"))
                })
                .collect();
            writeln!(rows, "{}", row.join(",")).unwrap();
            let best = |side: &[(i64, i64)]| side.iter().take(levels.min(20)).copied().collect::<Vec<_>>();
            expected.push((best(&bids), best(&asks)));
        }
        let (cells, problem) = Day::new(levels, &messages, Some(&rows)).drain();
        prop_assert_eq!(problem, None);
        let midnight = ns("2012-06-21T04:00:00Z");
        let (mut depth, mut cells) = (Depth::default(), cells.iter().peekable());
        for (n, expected) in (0..).zip(expected) {
            let ts = midnight + n * 1_000_000_000 + 1;
            while let Some(cell) = cells.next_if(|cell| cell.head().ts_event == ts) {
                depth.apply(cell.get::<BookLevel>().unwrap());
            }
            let ours = |side| {
                let cents = |(price, size): (Price, Size)| (price.0 / 10_000_000, size.0);
                depth.levels(side).map(cents).collect::<Vec<_>>()
            };
            prop_assert_eq!((ours(Side::Buy), ours(Side::Sell)), expected);
        }
        prop_assert!(cells.next().is_none());
    }
}
