//! Rows of declared columns beyond trades and quotes: bars, levels, symbols that are chosen and
//! renamed.

use super::*;
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::{BookLevel, ExternalBar, Price};

fn open_with(
    change: impl FnOnce(&mut SourceConfig),
    text: &str,
    catalog: &Catalog,
) -> (tempfile::TempDir, Result<Source, Problem>) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(&write(dir.path(), "csv", "a.csv", text.as_bytes()));
    change(&mut config);
    let source = gateways::open(&config, catalog);
    (dir, source)
}

/// Columns named like their fields, in milliseconds, with a symbol column.
fn with_symbols(fields: &str) -> Columns {
    Columns { symbol: None, ..csv::columns(fields) }
}

fn symbols(source: &Source) -> Vec<String> {
    source.symbols.iter().map(|used| used.symbol.clone()).collect()
}

#[test]
fn only_the_chosen_symbols_come_under_our_names() {
    let text = "ts_event,symbol,price,size\n\
                1,SPY,1,1\n2,es-zc,2,2\n3,DOGE,3,3\n4,ES-ZC,4,4\n5,ES.202103,5,5\n";
    let change = |config: &mut SourceConfig| {
        config.columns = Some(with_symbols("ts_event symbol price size"));
        config.symbols = vec!["ES.202103".to_string(), "SPY".to_string()];
        config.rename = [("ES-ZC".to_string(), "ES.202103".to_string())].into();
    };
    let (_dir, source) = open_with(change, text, &Catalog::default());
    let source = source.unwrap();
    assert_eq!(symbols(&source), ["ES.202103", "SPY"]);
    let got: Vec<_> = trades(source).iter().map(|t| (t.tail.instrument, t.size.0)).collect();
    assert_eq!(got, [(1, 1), (0, 2), (0, 4), (0, 5)]);
}

#[test]
fn a_renamed_symbol_is_no_longer_itself() {
    let text = "ts_event,symbol,price,size\n1,SPY,1,1\n2,XYZ,1,2\n3,IBM,1,3\n";
    let change = |config: &mut SourceConfig| {
        config.columns = Some(with_symbols("ts_event symbol price size"));
        let pairs = [("SPY", "IBM"), ("XYZ", "SPY")];
        config.rename = pairs.map(|(a, b)| (a.to_string(), b.to_string())).into();
    };
    let catalog = Catalog {
        configured: ["SPY", "IBM"].map(|s| built_in(s).unwrap()).to_vec(),
        ..Catalog::default()
    };
    let (_dir, source) = open_with(change, text, &catalog);
    let got: Vec<_> = trades(source.unwrap()).iter().map(|t| t.tail.instrument).collect();
    assert_eq!(got, [1, 0, 1]);
}

#[test]
fn a_chosen_symbol_without_a_definition_is_named_at_open() {
    let change = |config: &mut SourceConfig| {
        config.columns = Some(with_symbols("ts_event symbol price size"));
        config.symbols = vec!["SPY".to_string(), "ZZQ".to_string()];
    };
    let (_dir, source) = open_with(change, "ts_event,symbol,price,size\n", &Catalog::default());
    check_problem(&source.unwrap_err(), "`ZZQ`", "a.csv", "[[semantic.instrument]]");
}

#[test]
fn exchanges_with_the_same_symbol_are_told_apart_by_their_names() {
    let text = "ts_event,exchange,symbol,price,size\n1,a,BTC,1,1\n2,b,btc,1,2\n3,ab,tc,1,3\n";
    let change = |config: &mut SourceConfig| {
        config.columns = Some(with_symbols("ts_event exchange symbol price size"));
        let pairs = [("B:BTC", "IBM"), ("BTC", "SPY")];
        config.rename = pairs.map(|(a, b)| (a.to_string(), b.to_string())).into();
    };
    let catalog = Catalog {
        configured: ["SPY", "IBM"].map(|s| built_in(s).unwrap()).to_vec(),
        ..Catalog::default()
    };
    let (_dir, source) = open_with(change, text, &catalog);
    let got: Vec<_> = trades(source.unwrap()).iter().map(|t| t.tail.instrument).collect();
    assert_eq!(got, [0, 1, NO_INSTRUMENT]);
}

#[test]
fn another_choice_of_symbols_is_another_identity() {
    let text = "ts_event,symbol,price,size\n1,SPY,1,1\n";
    let identity = |wanted: &[&str]| {
        let change = |config: &mut SourceConfig| {
            config.name = "n".to_string();
            config.columns = Some(with_symbols("ts_event symbol price size"));
            config.symbols = wanted.iter().map(ToString::to_string).collect();
        };
        let catalog = Catalog { configured: vec![built_in("SPY").unwrap()], ..Catalog::default() };
        let (_dir, source) = open_with(change, text, &catalog);
        source.unwrap().identity
    };
    assert_eq!(identity(&["SPY", "IBM"]), identity(&["IBM", "SPY"]));
    assert_ne!(identity(&["SPY"]), identity(&[]));
    assert_ne!(identity(&["SPY"]), identity(&["SPY", "IBM"]));
}

fn bars(columns: Columns, text: &str) -> (Vec<InputCell>, Option<Problem>) {
    let change = |config: &mut SourceConfig| config.columns = Some(columns);
    let catalog = Catalog {
        configured: vec![InstrumentDef {
            symbol: "NQ.202306".to_string(),
            ..built_in("NQ.202306").unwrap()
        }],
        ..Catalog::default()
    };
    let (_dir, source) = open_with(change, text, &catalog);
    let source = source.unwrap();
    assert!(!source.symbols[0].trades, "a bar is no print");
    drain(source)
}

#[test]
fn bars_carry_both_ends_whichever_of_them_is_the_stamp() {
    let text = "Timestamp,Open,High,Low,Close,Volume\n\
                29/06/2020 01:00:00,9785.5,9830,9780.25,9822.5,5122\n\
                1/7/2020 1:30,9822,9836,9811.75,9826.5,2245\n";
    let check = |stamp, open: [&str; 2]| {
        let columns = Columns { stamp: Some(stamp), ..every_file::bar_columns() };
        let (cells, problem) = bars(columns, text);
        assert_eq!(problem, None);
        for (cell, open) in cells.iter().zip(open) {
            let bar = cell.get::<ExternalBar>().unwrap();
            assert_eq!(bar.ts_open, ns(open));
            assert_eq!(bar.head.ts_event, ns(open) + 1_800_000_000_000);
            assert_eq!((bar.head.ts_recv, bar.timeframe_s), (bar.head.ts_event, 1_800));
        }
        let bar = cells[0].get::<ExternalBar>().unwrap();
        let prices = [bar.open, bar.high, bar.low, bar.close].map(|price| price.to_string());
        assert_eq!(prices, ["9785.5", "9830", "9780.25", "9822.5"]);
        assert_eq!((bar.volume.0, bar.ticks), (5_122, 0));
    };
    check(Stamp::Open, ["2020-06-28T22:00:00Z", "2020-06-30T22:30:00Z"]);
    check(Stamp::Close, ["2020-06-28T21:30:00Z", "2020-06-30T22:00:00Z"]);
}

#[test]
fn repeated_and_disordered_stamps_are_delivered_as_they_stand() {
    let text = "Timestamp,Open,High,Low,Close,Volume\n\
                29/06/2020 01:30:00,1,2,1,2,5\n29/06/2020 01:00:00,1,2,1,2,6\n\
                29/06/2020 01:00:00,1,2,1,2,7\n";
    let (cells, problem) = bars(every_file::bar_columns(), text);
    assert_eq!(problem, None);
    let volume = |cell: &InputCell| cell.get::<ExternalBar>().unwrap().volume.0;
    assert_eq!(cells.iter().map(volume).collect::<Vec<_>>(), [5, 6, 7]);
}

#[test]
fn a_date_that_reads_two_ways_is_an_error_and_not_a_guess() {
    let mut columns = every_file::bar_columns();
    columns.ts_formats = ["%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"].map(str::to_string).to_vec();
    let text = "Timestamp,Open,High,Low,Close,Volume\n\
                13/06/2020 01:30,1,2,1,2,5\n05/06/2020 01:00,1,2,1,2,6\n";
    let (cells, problem) = bars(columns, text);
    assert_eq!(cells.len(), 1);
    check_problem(&problem.unwrap(), "one time by", "line 3, column ts_event", "declared columns");
}

#[test]
fn a_bar_without_a_price_is_named() {
    let text = "Timestamp,Open,High,Low,Close,Volume\n29/06/2020 01:30:00,1,,1,2,5\n";
    let (_, problem) = bars(every_file::bar_columns(), text);
    check_problem(&problem.unwrap(), "the field is empty", "column high (`High`)", "correct");
}

#[test]
fn a_snapshot_of_levels_begins_with_a_record_that_empties_the_book() {
    let text = "ts_event,ts_recv,snapshot,side,price,size\n\
                1,2,true,ask,10.5,3\n1,2,true,bid,10.4,2\n3,4,false,bid,10.4,0\n\
                5,6,true,ask,10.6,1\n7,8,true,ask,10.7,1\n9,9,false,buy,10.3,4\n";
    let change = |config: &mut SourceConfig| {
        config.columns = Some(csv::columns("ts_event ts_recv snapshot side price size"));
    };
    let (_dir, source) = open_with(change, text, &Catalog::default());
    let (cells, problem) = drain(source.unwrap());
    assert_eq!(problem, None);
    let got: Vec<_> = cells
        .iter()
        .map(|cell| {
            let level = cell.get::<BookLevel>().unwrap();
            let (action, place) = (level.source_seq >> 56, level.source_seq >> 48 & 0xff);
            assert_eq!(place, 255);
            (action, level.tail.side, level.price.0 / 100_000_000, level.size.0)
        })
        .collect();
    let begins = (3, 0, 0, 0);
    let expected = [
        begins,
        (0, 2, 105, 3),
        (0, 1, 104, 2),
        (1, 1, 104, 0),
        begins,
        (0, 2, 106, 1),
        // Another receive time: another snapshot.
        begins,
        (0, 2, 107, 1),
        (0, 1, 103, 4),
    ];
    assert_eq!(got, expected);
    assert_eq!(cells[1].get::<BookLevel>().unwrap().price, Price(10_500_000_000));
}

#[test]
fn a_level_without_a_side_is_named() {
    let text = "ts_event,snapshot,side,price,size\n1,false,,10.5,3\n";
    let change = |config: &mut SourceConfig| {
        config.columns = Some(csv::columns("ts_event snapshot side price size"));
    };
    let (_dir, source) = open_with(change, text, &Catalog::default());
    let (_, problem) = drain(source.unwrap());
    check_problem(&problem.unwrap(), "has a side", "line 2, column side", "correct the row");
}
