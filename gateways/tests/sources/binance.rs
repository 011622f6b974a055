//! Raw streams of Binance: what a line becomes, and what becomes of a damaged chain.

use super::*;
use engine::depth::Depth;
use proptest::prelude::*;
use ringbuf_layout::names::{GAP_OF_TRADES, SourceState};
use ringbuf_layout::{BookLevel, Conditions, Kind, Price, Side, SourceStatus};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// BTCUSDT: tick 0.01, sizes of 5 digits, round the clock.
pub(crate) fn coin(symbol: &str) -> InstrumentDef {
    InstrumentDef {
        symbol: symbol.to_string(),
        tick: Price(10_000_000),
        multiplier: 1_000_000_000,
        size_precision: 5,
        fee: 0,
        calendar: "24/7".to_string(),
        no_price: Conditions::NONE,
        no_volume: Conditions::NONE,
        ..built_in("SPY").unwrap()
    }
}

pub(crate) fn catalog(symbols: &[&str]) -> Catalog {
    Catalog {
        configured: symbols.iter().map(|symbol| coin(symbol)).collect(),
        ..Catalog::default()
    }
}

/// Opens these lines as a file.
pub(crate) fn open_lines(lines: &str, symbols: &[&str]) -> Result<Source, Problem> {
    let dir = tempfile::tempdir().unwrap();
    let spec = write(dir.path(), "binance-jsonl", "a.jsonl", lines.as_bytes());
    let source = gateways::open(&config(&spec), &catalog(symbols));
    KEPT.with_borrow_mut(|kept| kept.push(dir));
    source
}

thread_local! {
    /// A file is opened with its first record: until then its folder must stay.
    static KEPT: RefCell<Vec<tempfile::TempDir>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn drain_lines(lines: &str) -> (Vec<InputCell>, Option<Problem>) {
    drain(open_lines(lines, &["BTCUSDT"]).unwrap())
}

/// Receive time of line `n` of a made recording: 1.27 s behind the venue.
fn received(n: u64) -> i64 {
    exchange(n) - 1_270_000_000
}

/// The venue's time of line `n`.
fn exchange(n: u64) -> i64 {
    1_723_161_601_000_000_000 + n as i64 * 100_000_000
}

pub(crate) fn line(n: u64, stream: &str, data: &str) -> String {
    format!("{} {{\"stream\":\"btcusdt@{stream}\",\"data\":{data}}}\n", received(n))
}

pub(crate) fn trade_line(n: u64, number: u64, price: &str, maker: bool) -> String {
    let ms = exchange(n) / 1_000_000;
    let data = format!(
        "{{\"e\":\"trade\",\"E\":{},\"s\":\"BTCUSDT\",\"t\":{number},\"p\":\"{price}\",\
         \"q\":\"0.00017000\",\"T\":{ms},\"m\":{maker},\"M\":true}}",
        ms + 1
    );
    line(n, "trade", &data)
}

pub(crate) fn ticker_line(n: u64, update: u64, bid: &str, ask: &str) -> String {
    let data = format!(
        "{{\"u\":{update},\"s\":\"BTCUSDT\",\"b\":\"{bid}\",\"B\":\"1.25869000\",\
         \"a\":\"{ask}\",\"A\":\"2.44816000\"}}"
    );
    line(n, "bookTicker", &data)
}

fn side_text(levels: &[(i64, i64)]) -> String {
    let level = |(price, size): &(i64, i64)| format!("[\"{price}.50000000\",\"0.{size:05}000\"]");
    levels.iter().map(level).collect::<Vec<_>>().join(",")
}

/// Changes of updates `first..=last`: prices and a half, sizes in 0.00001.
pub(crate) fn depth_line(
    n: u64,
    (first, last): (u64, u64),
    bids: &[(i64, i64)],
    asks: &[(i64, i64)],
) -> String {
    let data = format!(
        "{{\"e\":\"depthUpdate\",\"E\":{},\"s\":\"BTCUSDT\",\"U\":{first},\"u\":{last},\
         \"b\":[{}],\"a\":[{}]}}",
        exchange(n) / 1_000_000,
        side_text(bids),
        side_text(asks)
    );
    line(n, "depth@100ms", &data)
}

pub(crate) fn snapshot_line(n: u64, last: u64, bids: &[(i64, i64)], asks: &[(i64, i64)]) -> String {
    let (bids, asks) = (side_text(bids), side_text(asks));
    format!("{} {{\"lastUpdateId\":{last},\"bids\":[{bids}],\"asks\":[{asks}]}}\n", received(n))
}

fn of<T: ringbuf_layout::Frame>(cells: &[InputCell]) -> Vec<T> {
    cells.iter().filter_map(|cell| cell.get::<T>().copied()).collect()
}

fn kinds(cells: &[InputCell]) -> Vec<&'static str> {
    cells.iter().map(|cell| cell.kind().unwrap().name()).collect()
}

#[test]
fn a_trade_has_both_clocks_and_the_aggressor_sells_where_the_buyer_is_the_maker() {
    let text =
        trade_line(0, 7, "61685.99000000", true) + &trade_line(1, 8, "61686.01000000", false);
    let trades = trades(open_lines(&text, &["BTCUSDT"]).unwrap());
    let first = &trades[0];
    assert_eq!((first.price.to_string().as_str(), first.size.0), ("61685.99", 17));
    assert_eq!((first.head.ts_event, first.head.ts_recv), (exchange(0), received(0)));
    assert!(first.head.ts_recv < first.head.ts_event, "the local clock is behind: no error");
    assert_eq!([first.tail.side, trades[1].tail.side], [Side::Sell as u8, Side::Buy as u8]);
}

#[test]
fn a_best_price_goes_by_the_newest_time_of_the_venue_before_it() {
    let text = ticker_line(0, 1, "10.00000000", "11.00000000")
        + &trade_line(3, 7, "10.50000000", true)
        + &depth_line(1, (2, 3), &[(9, 1)], &[])
        + &ticker_line(4, 4, "10.00000000", "0.00000000");
    let quotes: Vec<Quote> = of(&drain_lines(&text).0);
    assert_eq!(quotes[0].head.ts_event, received(0), "no time of the venue yet");
    assert_eq!((quotes[1].head.ts_event, quotes[1].head.ts_recv), (exchange(3), received(4)));
    assert_eq!((quotes[0].bid_size.0, quotes[0].ask_size.0), (125_869, 244_816));
    assert_eq!(quotes[1].ask, Price::UNDEFINED, "no ask");
}

#[test]
fn milliseconds_and_microseconds_are_told_apart_by_their_digits() {
    let of_time = |time: &str| {
        let text = trade_line(0, 7, "1.00000000", true)
            .replace("\"T\":1723161601000", &format!("\"T\":{time}"));
        let (cells, problem) = drain_lines(&text);
        problem.map_or(Ok(cells.first().map(|cell| cell.head().ts_event)), Err)
    };
    assert_eq!(of_time("1723161601000"), Ok(Some(exchange(0))));
    assert_eq!(of_time("1723161601000123"), Ok(Some(exchange(0) + 123_000)));
    for time in ["1723161601", "1723161601000123456", "0", "-723161601000"] {
        check_problem(&of_time(time).unwrap_err(), "13 digits", "line 1, column T", "correct");
    }
}

#[test]
fn a_line_alone_or_in_its_stream_plain_or_packed_is_the_same() {
    let mut text = String::new();
    for n in 0..300 {
        text += &trade_line(n, 100 + n, "61685.99000000", n % 3 == 0);
        text += &depth_line(n, (n + 1, n + 1), &[(100 + n as i64 % 7, n as i64 % 5)], &[]);
    }
    let bare: String = text
        .lines()
        .map(|line| {
            let (stamp, json) = line.split_once(' ').unwrap();
            let data = json.split_once("\"data\":").unwrap().1.strip_suffix('}').unwrap();
            format!("{stamp} {data}\r\n")
        })
        .collect();
    let expected: Vec<_> = drain_lines(&text).0.iter().map(|cell| cell.bytes().to_vec()).collect();
    assert!(expected.len() > 500);
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in [("b", bare.into_bytes()), ("c", csv::gzip(text.as_bytes()))] {
        let spec = write(dir.path(), "binance-jsonl", name, &bytes);
        let source = gateways::open(&config(&spec), &catalog(&["BTCUSDT"])).unwrap();
        let found: Vec<_> = drain(source).0.iter().map(|cell| cell.bytes().to_vec()).collect();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn other_events_are_left_out_and_counted() {
    let text =
        line(0, "aggTrade", "{\"e\":\"aggTrade\",\"E\":1,\"s\":\"BTCUSDT\",\"a\":5,\"m\":1}")
            + &format!("{} {{\"result\":null,\"id\":1}}\n", received(0))
            + &line(0, "ticker", "[{\"e\":\"24hrTicker\"}]")
            + &line(0, "depth5", "{\"lastUpdateId\":5,\"bids\":[],\"asks\":[]}")
            + &trade_line(0, 1, "1.00000000", true);
    let Feed::Decoder(mut decoder) = open_lines(&text, &["BTCUSDT"]).unwrap().feed else {
        panic!()
    };
    let mut cell = InputCell::default();
    assert_eq!(decoder.next(&mut cell), Ok(true));
    assert!(cell.is::<Trade>());
    assert_eq!(decoder.next(&mut cell), Ok(false));
    assert_eq!(decoder.left_out()[0], ("events of other kinds", 4));
}

#[test]
fn symbols_are_filtered_renamed_and_undefined_ones_are_refused() {
    let mut text = trade_line(0, 7, "1.00000000", true);
    text += &trade_line(1, 7, "2.00000000", true).replace("BTCUSDT", "ETHUSDT");
    let problem = open_lines(&text, &["BTCUSDT"]).unwrap_err();
    check_problem(&problem, "`ETHUSDT`", "line 2", "[[semantic.instrument]]");
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(&write(dir.path(), "binance-jsonl", "a", text.as_bytes()));
    config.symbols = vec!["ETH".to_string()];
    config.rename = BTreeMap::from([("ETHUSDT".to_string(), "ETH".to_string())]);
    let source = gateways::open(&config, &catalog(&["ETH"])).unwrap();
    assert_eq!((source.symbols[0].symbol.as_str(), source.symbols[0].trades), ("ETH", true));
    let trades = trades(source);
    assert_eq!((trades.len(), trades[0].price.0), (1, 2_000_000_000));
    config.symbols = vec!["XRP".to_string()];
    let problem = gateways::open(&config, &catalog(&["XRP"])).unwrap_err();
    check_problem(&problem, "holds no `XRP`", "source", "symbols");
}

#[test]
fn a_source_of_quotes_alone_says_that_no_prints_come() {
    let source = open_lines(&ticker_line(0, 1, "1.0", "2.0"), &["BTCUSDT"]).unwrap();
    assert!(!source.symbols[0].trades);
}

#[test]
fn a_snapshot_without_a_stream_needs_a_source_of_one_symbol() {
    let snapshot = snapshot_line(0, 5, &[(10, 1)], &[(11, 1)]);
    let both = trade_line(0, 7, "1.00000000", true)
        + &trade_line(1, 7, "2.00000000", true).replace("BTCUSDT", "ETHUSDT");
    let symbols = ["BTCUSDT", "ETHUSDT"];
    let (cells, problem) = drain(open_lines(&(both.clone() + &snapshot), &symbols).unwrap());
    assert_eq!(cells.len(), 2);
    check_problem(&problem.unwrap(), "says no symbol", "line 3", "correct");
    let json = snapshot.split_once(' ').unwrap().1.trim_end();
    let named = both + &line(2, "snapshot", json).replace("btcusdt", "ethusdt");
    let (cells, problem) = drain(open_lines(&named, &symbols).unwrap());
    assert_eq!(problem, None);
    assert_eq!(of::<BookLevel>(&cells).len(), 3);
    assert_eq!(cells[2].tail().instrument, 1);
}

#[test]
fn a_bad_line_ends_the_source_after_everything_before_it() {
    let check = |bad: &str, what: &str, column: &str| {
        let text = trade_line(0, 7, "1.00000000", true) + bad + "\n";
        let (cells, problem) = drain_lines(&text);
        assert_eq!(cells.len(), 1, "{bad}");
        let place =
            if column.is_empty() { "line 2".into() } else { format!("line 2, column {column}") };
        check_problem(&problem.unwrap(), what, &place, "correct");
    };
    let good = trade_line(1, 8, "1.00000000", true);
    let good = good.trim_end();
    check("x", "is not `<ns> <json>`", "");
    check("5 {}", "no time in nanoseconds", "receive time");
    check(&good[..good.len() - 1], "JSON cannot be read", "");
    check(&good.replace("1.00000000", "1.0000000001"), "more decimal digits", "p");
    check(&good.replace("0.00017000", "0.00017010"), "`size_precision`, 5", "q");
    check(&good.replace("\"m\":true", "\"m\":1"), "true or false", "m");
    check(&good.replace("\"t\":8", "\"t\":-8"), "not a number", "t");
    check(&good.replace("\"s\":\"BTCUSDT\",", ""), "has no symbol", "s");
    let depth = depth_line(1, (5, 5), &[(10, 1)], &[]);
    let depth = depth.trim_end();
    check(&depth.replace("\"10.50000000\"", "10.5"), "no list of", "bids");
    check(&depth.replace("\"10.50000000\"", "\"-10\""), "a level has the price", "bids");
    check(&depth.replace("\"U\":5", "\"U\":6"), "behind `u`", "U");
    check(&depth.replace("\"E\":1723161601100,", ""), "has no time", "E");
}

#[test]
fn a_level_that_is_too_fine_may_rest_behind_the_best_and_not_among_them() {
    let bids: Vec<(i64, i64)> = (0..21).map(|i| (200 - i, 1)).collect();
    let book = depth_line(1, (1, 1), &bids, &[]);
    let fine = depth_line(2, (2, 2), &[(150, 1)], &[]).replace("0.00001000", "191.38900600");
    let (cells, problem) = drain_lines(&(book.clone() + &fine));
    assert_eq!((cells.len(), problem), (21, None), "a snapshot and twenty levels");
    let last_two = depth_line(3, (3, 3), &[(181, 0), (180, 0)], &[]);
    let (cells, problem) = drain_lines(&(book + &fine + &last_two));
    assert_eq!(cells.len(), 21);
    check_problem(&problem.unwrap(), "the size at 150.5, now among the best", "line 3", "correct");
}

#[test]
fn a_missing_depth_line_is_a_gap_of_so_many_updates_and_the_book_begins_anew() {
    let lines: Vec<_> =
        (1..=5).map(|n| depth_line(n, (10 * n, 10 * n + 9), &[(100 + n as i64, 5)], &[])).collect();
    let (whole, _) = drain_lines(&lines.concat());
    assert!(of::<SourceStatus>(&whole).is_empty());
    let (cells, problem) = drain_lines(&[&lines[..2], &lines[3..]].concat().concat());
    assert_eq!(problem, None);
    let gaps: Vec<SourceStatus> = of(&cells);
    assert_eq!(gaps.len(), 1);
    assert_eq!((gaps[0].lost, gaps[0].first_source_seq), (10, 40));
    assert_eq!((gaps[0].tail.side, gaps[0].tail.flags), (SourceState::Gap as u8, 0));
    assert_eq!(gaps[0].head.ts_event, exchange(4));
    let at = cells.iter().position(InputCell::is::<SourceStatus>).unwrap();
    let after: Vec<BookLevel> = of(&cells[at..]);
    assert_eq!(after[0].action().unwrap().name(), "snapshot");
    assert_eq!((after[1].price.to_string().as_str(), after[1].level()), ("104.5", 0));
}

#[test]
fn two_depth_lines_that_changed_places_are_a_gap_and_one_that_is_left_out() {
    let mut lines: Vec<_> =
        (1..=5).map(|n| depth_line(n, (n, n), &[(100 + n as i64, 5)], &[])).collect();
    lines.swap(2, 3);
    let source = open_lines(&lines.concat(), &["BTCUSDT"]).unwrap();
    let Feed::Decoder(mut decoder) = source.feed else { panic!() };
    let (mut cell, mut gaps) = (InputCell::default(), 0);
    while decoder.next(&mut cell).unwrap() {
        gaps += cell.get::<SourceStatus>().map_or(0, |gap| gap.lost);
    }
    assert_eq!(gaps, 1);
    assert!(decoder.left_out().contains(&("depth events that came again or late", 1)));
}

#[test]
fn missing_trades_are_a_gap_of_trades_alone_and_one_that_comes_again_is_left_out() {
    let text: String = [7, 8, 8, 11, 9].map(|t| trade_line(t, t, "1.00000000", true)).concat();
    let (cells, problem) = drain_lines(&text);
    assert_eq!(problem, None);
    assert_eq!(kinds(&cells), ["trade", "trade", "source_status", "trade"]);
    let gap = of::<SourceStatus>(&cells)[0];
    assert_eq!((gap.lost, gap.first_source_seq, gap.tail.flags), (2, 11, GAP_OF_TRADES));
}

/// One change an update: ask or bid, price, size.
type Change = (bool, i64, i64);

/// A recording of a venue: depth events of one to three updates, after its snapshot.
fn recording(changes: &[Change]) -> (String, Vec<[BTreeMap<i64, i64>; 2]>) {
    let (mut text, mut books) = (snapshot_line(0, 0, &[], &[]), Vec::new());
    let mut book: [BTreeMap<i64, i64>; 2] = Default::default();
    let mut update = 1;
    for (n, event) in (1..).zip(changes.chunks(3)) {
        let mut sides = [Vec::new(), Vec::new()];
        for (is_ask, price, size) in event {
            let side = usize::from(*is_ask);
            sides[side].push((*price, *size));
            if *size == 0 {
                book[side].remove(price);
            } else {
                book[side].insert(*price, *size);
            }
        }
        let last = update + event.len() as u64 - 1;
        write!(text, "{}", depth_line(n, (update, last), &sides[0], &sides[1])).unwrap();
        update = last + 1;
        books.push(book.clone());
    }
    (text, books)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_engine_s_book_is_the_best_of_the_venue_s_after_every_event(
        changes in prop::collection::vec((any::<bool>(), 1_i64..80, 0_i64..4), 1..400),
    ) {
        let (text, books) = recording(&changes);
        // The snapshot says no symbol; a trade does.
        let (cells, problem) = drain_lines(&(text + &trade_line(0, 1, "1.0", true)));
        prop_assert_eq!(problem, None);
        let (mut depth, mut cells) = (Depth::default(), cells.iter().peekable());
        for (n, [bids, asks]) in (0..).zip(std::iter::once(&Default::default()).chain(&books)) {
            let mut last = None;
            while let Some(cell) = cells.next_if(|cell| cell.head().ts_recv == received(n)) {
                let Some(level) = cell.get::<BookLevel>() else { break };
                depth.apply(level);
                last = Some(level.ends_update());
            }
            prop_assert!(last.unwrap_or(true), "the last of an update says so");
            let ours = |side| {
                let levels = depth.levels(side).map(|(price, size)| (price.0 / 1_000_000_000, size.0));
                levels.collect::<Vec<_>>()
            };
            let level = |(price, size): (&i64, &i64)| (*price, *size);
            let bids: Vec<_> = bids.iter().rev().map(level).take(20).collect();
            let asks: Vec<_> = asks.iter().map(level).take(20).collect();
            prop_assert_eq!((ours(Side::Buy), ours(Side::Sell)), (bids, asks));
        }
        prop_assert!(cells.all(|cell| cell.kind() == Some(Kind::Trade)));
    }
}
