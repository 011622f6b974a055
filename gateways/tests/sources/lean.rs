//! `lean-trade`: both shapes, merged, and every mistake named.

use super::*;
use ringbuf_layout::names::TRADE_SUSPICIOUS;
use ringbuf_layout::{Conditions, Price, Size};

const SPY: &str = "20131007_spy_Trade_Tick.csv";

/// Opens a zip with these files.
fn open_zip(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Source, Problem>) {
    let dir = tempfile::tempdir().unwrap();
    let spec = write(dir.path(), "lean-trade", "a.zip", &zip_bytes(files));
    let source = open(&spec);
    (dir, source)
}

fn rows(files: &[(&str, &str)]) -> Vec<Trade> {
    let (_dir, source) = open_zip(files);
    trades(source.unwrap())
}

#[test]
fn an_equity_file_gives_exact_trades_in_new_york_time() {
    let text = "14400464,1674100,100,P,20002000,0\r\n\r\n14400464,1674100,0,P,,1\n\
                34200000,1674150.5,7.0,T,,0";
    let (_dir, source) = open_zip(&[(SPY, text)]);
    let source = source.unwrap();
    assert_eq!((source.live, source.records_hint), (false, None));
    assert_eq!(source.symbols.len(), 1);
    assert_eq!((source.symbols[0].symbol.as_str(), source.symbols[0].trades), ("SPY", true));
    let rows = trades(source);
    assert_eq!(rows.len(), 3);
    let first = rows[0];
    assert_eq!(first.head.ts_event, ns("2013-10-07T08:00:00.464Z"));
    assert_eq!(first.head.ts_recv, first.head.ts_event);
    assert_eq!((first.price, first.size), (Price(167_410_000_000), Size(100)));
    assert_eq!((first.tail.instrument, first.tail.side, first.tail.flags), (0, 0, 0));
    assert_eq!(first.conditions(), Conditions::FORM_T);
    assert_eq!(first.source_sequence(), 0);
    assert_eq!((rows[1].size, rows[1].tail.flags), (Size(0), TRADE_SUSPICIOUS));
    assert_eq!(rows[1].conditions(), Conditions::NONE);
    assert_eq!((rows[2].price, rows[2].size), (Price(167_415_050_000), Size(7)));
}

#[test]
fn a_byte_order_mark_before_the_rows_is_no_part_of_them() {
    let files = [
        (SPY, "\u{feff}1,10000,1,P,,0\r\n2,10000,2,P,,0"),
        ("20131008_spy_Trade_Tick.csv", "\u{feff}1,10000,3,P,,0"),
    ];
    let sizes: Vec<_> = rows(&files).iter().map(|t| t.size.0).collect();
    assert_eq!(sizes, [1, 2, 3]);
}

#[test]
fn ten_contract_months_are_one_stream_by_time_and_at_ties_by_file_order() {
    let months: Vec<_> = (0..10)
        .map(|i| {
            let name = format!("20131007_gc_tick_trade_{}{:02}.csv", 2013 + i / 5, 2 * (i % 5) + 1);
            // Every file has a row at 1000 ms, two at 2000 ms, and one of its own time.
            let own = 1_000 + 100 * (10 - i);
            (name, format!("1000,{i},1,u,,0\n{own},{i},2,u,,0\n2000,{i},3,u,,0\n2000,{i},4,u,,0\n"))
        })
        .collect();
    let files: Vec<_> = months.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
    let (_dir, source) = open_zip(&files);
    let source = source.unwrap();
    let symbols: Vec<_> = source.symbols.iter().map(|s| s.symbol.clone()).collect();
    assert_eq!(symbols[..2], ["GC.201301", "GC.201303"]);
    let rows = trades(source);
    let seen: Vec<_> = rows
        .iter()
        .map(|t| (t.head.ts_event - ns("2013-10-07T00:00:00Z"), t.tail.instrument, t.size.0))
        .collect();
    let mut expected: Vec<(i64, u32, i64)> = (0..10).map(|i| (1_000, i, 1)).collect();
    expected.extend((0..9).rev().map(|i| (1_000 + 100 * (10 - i64::from(i)), i, 2)));
    expected.retain(|(ms, i, _)| *ms < 2_000 || *i > 0);
    // File 9 comes first of the own times, file 0 has 2000 ms itself, before its two others.
    expected.insert(10, (1_100, 9, 2));
    expected.push((2_000, 0, 2));
    expected.extend((0..10).flat_map(|i| [(2_000, i, 3), (2_000, i, 4)]));
    let expected: Vec<_> = expected.into_iter().map(|(ms, i, s)| (ms * 1_000_000, i, s)).collect();
    assert_eq!(seen, expected);
    assert!(rows.iter().all(|t| t.price == Price(i64::from(t.tail.instrument) * 1_000_000_000)));
}

#[test]
fn a_glob_is_one_source_by_time_even_where_zones_make_days_overlap() {
    let dir = tempfile::tempdir().unwrap();
    // Monday evening in New York is Tuesday in UTC.
    let equity = zip_bytes(&[(SPY, "34200000,10000,1,P,,0\n82800000,10000,3,P,,0")]);
    let future = zip_bytes(&[
        ("20131008_gc_tick_trade_201312.csv", "3600000,1300,2,u,,0\n14400000,1300,4,u,,0"),
        ("20131007_gc_tick_trade_201312.csv", "0,1300,0,u,,0"),
    ]);
    write(dir.path(), "", "b.zip", &equity);
    write(dir.path(), "", "a.zip", &future);
    let source = open(&format!("lean-trade:{}/*.zip", dir.path().display())).unwrap();
    let symbols: Vec<_> = source.symbols.iter().map(|s| s.symbol.clone()).collect();
    assert_eq!(symbols, ["GC.201312", "SPY"]);
    let sizes: Vec<_> = trades(source).iter().map(|t| t.size.0).collect();
    assert_eq!(sizes, [0, 1, 2, 3, 4]);
}

#[test]
fn rows_out_of_order_within_a_file_keep_the_files_order() {
    let sizes = |text| rows(&[(SPY, text)]).iter().map(|t| t.size.0).collect::<Vec<_>>();
    assert_eq!(sizes("2,1,1,P,,0\n1,1,2,P,,0\n3,1,3,P,,0"), [1, 2, 3]);
}

#[test]
fn days_of_a_clock_change_have_wall_clock_milliseconds() {
    for (name, expected) in [
        ("20130310_spy_Trade_Tick.csv", "2013-03-10T13:30:00Z"),
        ("20131103_spy_Trade_Tick.csv", "2013-11-03T14:30:00Z"),
        ("20131104_spy_Trade_Tick.csv", "2013-11-04T14:30:00Z"),
    ] {
        assert_eq!(rows(&[(name, "34200000,10000,1,P,,0")])[0].head.ts_event, ns(expected));
    }
}

#[test]
fn a_bad_row_is_named_by_zip_file_line_and_column_and_what_came_before_is_kept() {
    let check = |row: &str, what: &str, column: &str| {
        let text = format!("1,10000,1,P,,0\n\n{row}\n2,10000,1,P,,0\n");
        let (_dir, source) = open_zip(&[(SPY, &text)]);
        let (cells, problem) = drain(source.unwrap());
        assert_eq!(cells.len(), 1, "{row}");
        let place = format!("a.zip, {SPY}, line 3{column}");
        let problem = problem.unwrap();
        check_problem(&problem, what, &place, "correct the row");
    };
    check("1,abc,1,P,,0", "`abc` is not a decimal number", ", column price");
    check("1,0.000001,1,P,,0", "more decimal digits", ", column price");
    check("1,1,x,P,,0", "`x`", ", column size");
    check("1,1,1", "3 columns", ", column exchange");
    check("1,1,1,P,,0,0", "7 columns", "");
    check("86400000,1,1,P,,0", "time of day", ", column ms");
    check("1,1,1,P,,yes", "not 0 or 1", ", column suspicious");
}

#[test]
fn other_files_in_a_zip_are_named_with_the_shapes_that_are_read() {
    let (_dir, source) = open_zip(&[(SPY, ""), ("20131007_spy_Quote_Tick.csv", "")]);
    let problem = source.unwrap_err();
    check_problem(
        &problem,
        "no trade ticks",
        "a.zip, 20131007_spy_Quote_Tick.csv",
        "tick_trade_YYYYMM",
    );
    let (_dir, source) = open_zip(&[]);
    check_problem(&source.unwrap_err(), "no files", "a.zip", "Trade_Tick");
}

#[test]
fn a_symbol_without_definition_is_a_problem_at_open_that_says_what_to_add() {
    let (_dir, source) = open_zip(&[("20131007_zzz_Trade_Tick.csv", "")]);
    let problem = source.unwrap_err();
    check_problem(&problem, "`ZZZ`", "20131007_zzz", "[[semantic.instrument]]");
}

#[test]
fn a_configured_instrument_brings_its_size_precision() {
    let dir = tempfile::tempdir().unwrap();
    let zip = zip_bytes(&[("20131007_aapl_Trade_Tick.csv", "1,10000,1.25,P,,0")]);
    let spec = write(dir.path(), "lean-trade", "a.zip", &zip);
    let mut definition = built_in("SPY").unwrap();
    (definition.symbol, definition.size_precision) = ("AAPL".to_string(), 2);
    let source = gateways::open(&config(&spec), &Catalog::of(vec![definition])).unwrap();
    assert_eq!(trades(source)[0].size, Size(125));
}

#[test]
fn an_identity_is_name_and_content_and_not_the_path() {
    let bytes = zip_bytes(&[(SPY, "1,1,1,P,,0")]);
    let identity = |name: &str, bytes: &[u8]| {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(&write(dir.path(), "lean-trade", "a.zip", bytes));
        config.name = name.to_string();
        gateways::open(&config, &Catalog::default()).unwrap().identity
    };
    assert_eq!(identity("x", &bytes), identity("x", &bytes));
    assert_ne!(identity("x", &bytes), identity("y", &bytes));
    let other = zip_bytes(&[(SPY, "1,1,2,P,,0")]);
    assert_ne!(identity("x", &bytes), identity("x", &other));
}
