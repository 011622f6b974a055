//! `lean-quote` and `lean-bar`: every layout, and every mistake named.

use super::*;
use ringbuf_layout::names::TRADE_SUSPICIOUS;
use ringbuf_layout::{ExternalBar, Price};

fn open_zip(
    format: &str,
    files: &[(&str, &str)],
    change: impl FnOnce(&mut SourceConfig),
) -> (tempfile::TempDir, Result<Source, Problem>) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(&write(dir.path(), format, "a.zip", &zip_bytes(files)));
    change(&mut config);
    let eurusd = InstrumentDef { symbol: "EURUSD".to_string(), ..built_in("SPY").unwrap() };
    let source =
        gateways::open(&config, &Catalog { configured: vec![eurusd], ..Catalog::default() });
    (dir, source)
}

fn cells(format: &str, files: &[(&str, &str)]) -> Vec<InputCell> {
    let (_dir, source) = open_zip(format, files, |_| {});
    let (cells, problem) = drain(source.unwrap());
    assert_eq!(problem, None);
    cells
}

fn quotes(files: &[(&str, &str)]) -> Vec<Quote> {
    cells("lean-quote", files).iter().map(quote).collect()
}

#[test]
fn a_side_that_a_row_does_not_name_stays_as_it_was() {
    let text = "14400054,0,0,1836300,100,Q,1,0\n14400241,1800100,300,0,0,P,1,0\n\
                14400242,1800200,100,0,0,Q,1,0\n14400243,0,0,1836200,200,N,1,1\n";
    let (_dir, source) = open_zip("lean-quote", &[("20131007_ibm_Quote_Tick.csv", text)], |_| {});
    let source = source.unwrap();
    assert_eq!((source.symbols[0].symbol.as_str(), source.symbols[0].trades), ("IBM", false));
    let (cells, problem) = drain(source);
    assert_eq!(problem, None);
    let got: Vec<_> = cells
        .iter()
        .map(quote)
        .map(|q| (q.bid.0 / 10_000_000, q.bid_size.0, q.ask.0 / 10_000_000, q.ask_size.0))
        .collect();
    let none = Price::UNDEFINED.0 / 10_000_000;
    let expected = [
        (none, 0, 18_363, 100),
        (18_001, 300, 18_363, 100),
        // The best is now of another exchange.
        (18_002, 100, 18_363, 100),
        (18_002, 100, 18_362, 200),
    ];
    assert_eq!(got, expected);
    assert_eq!(quote(&cells[0]).head.ts_event, ns("2013-10-07T08:00:00.054Z"));
    assert_eq!(quote(&cells[3]).tail.flags, TRADE_SUSPICIOUS);
}

#[test]
fn a_side_that_no_row_names_for_longer_than_quote_ttl_s_is_absent() {
    // The bid is named again after 2 s, the ask after 3.001 s and then not any more.
    let text = "1000,10000,1,0,0,Q,1,0\n1000,0,0,20000,2,P,1,0\n3000,10000,1,0,0,Q,1,0\n\
                4000,10000,1,0,0,Q,1,0\n4001,10000,1,0,0,Q,1,0\n4001,0,0,20000,2,P,1,0\n\
                60000,0,0,0,0,P,1,0\n";
    let told = |ttl: Option<u32>| {
        let files = [("20131007_ibm_Quote_Tick.csv", text)];
        let (_dir, source) = open_zip("lean-quote", &files, |config| config.quote_ttl_s = ttl);
        let source = source.unwrap();
        let identity = source.identity;
        let (cells, problem) = drain(source);
        assert_eq!(problem, None);
        let sides = |q: Quote| (q.bid.is_defined(), q.ask.is_defined(), q.ask_size.0);
        (identity, cells.iter().map(quote).map(sides).collect::<Vec<_>>())
    };
    let (without, stands) = told(None);
    assert_eq!(stands[1..], [(true, true, 2); 6]);
    let (with, expires) = told(Some(3));
    let both = (true, true, 2);
    let expected = [(true, false, 0), both, both, both, (true, false, 0), both, (false, false, 0)];
    assert_eq!(expires, expected);
    assert_ne!(without, with, "another source to a journal");
}

#[test]
fn a_day_begins_without_a_quote() {
    let quotes = quotes(&[
        ("20131007_ibm_Quote_Tick.csv", "1,10000,1,20000,1,Q,1,0"),
        ("20131008_ibm_Quote_Tick.csv", "1,10000,1,0,0,Q,1,0"),
    ]);
    assert!(quotes[0].ask.is_defined() && !quotes[1].ask.is_defined());
}

#[test]
fn forex_names_both_sides_and_futures_one_in_plain_prices_and_utc() {
    let text = "292,1.38676,1.38686\n920,1.38677,1.38687\n";
    let forex = quotes(&[("20140501_eurusd_tick_quote.csv", text)]);
    assert_eq!(forex[0].head.ts_event, ns("2014-05-01T00:00:00.292Z"));
    assert_eq!((forex[1].bid, forex[1].ask), (Price(1_386_770_000), Price(1_386_870_000)));
    assert_eq!((forex[1].bid_size.0, forex[1].ask_size.0), (0, 0));
    let sized = quotes(&[("20140501_eurusd_tick_quote.csv", "292,1.38676,5,1.38686,6")]);
    assert_eq!((sized[0].bid_size.0, sized[0].ask_size.0), (5, 6));
    let text = "5,1320.5,3,0,0,cme,0\n6,0,0,1320.6,4,cme,,0\n";
    let future = quotes(&[("20131007_gc_tick_quote_201312.csv", text)]);
    assert_eq!(
        (future[1].bid, future[1].ask),
        (Price(1_320_500_000_000), Price(1_320_600_000_000))
    );
    assert_eq!((future[1].bid_size.0, future[1].ask_size.0), (3, 4));
}

#[test]
fn bars_come_at_their_close_merged_over_months_and_kinds() {
    let cells = cells(
        "lean-bar",
        &[
            ("20131007_es_minute_trade_201312.csv", "0,1676.5,1677,1676.25,1676.75,9"),
            ("20131007_es_minute_quote_201403.csv", "0,,,,,0,1670,1671,1669,1670.25,44"),
            ("20131007_es_second_trade_201312.csv", "1000,1676.5,1677,1676.25,1676.75,2"),
        ],
    );
    let second = cells[0].get::<ExternalBar>().unwrap();
    assert_eq!((second.timeframe_s, second.volume.0), (1, 2));
    assert_eq!(second.ts_open, ns("2013-10-07T00:00:01Z"));
    assert_eq!(second.head.ts_event, ns("2013-10-07T00:00:02Z"));
    let minute = cells[1].get::<ExternalBar>().unwrap();
    assert_eq!(minute.head.ts_event, ns("2013-10-07T00:01:00Z"));
    let prices = [minute.open, minute.high, minute.low, minute.close].map(|p| p.to_string());
    assert_eq!(prices, ["1676.5", "1677", "1676.25", "1676.75"]);
    let quote = quote(&cells[2]);
    assert_eq!((quote.bid, quote.bid_size.0), (Price::UNDEFINED, 0));
    assert_eq!((quote.ask, quote.ask_size.0), (Price(1_670_250_000_000), 44));
    assert_eq!(quote.tail.instrument, 1);
}

#[test]
fn a_minute_of_an_equity_is_told_by_security_or_by_its_folder() {
    let file = [("20131007_spy_minute_trade.csv", "34200000,1674100,1675000,1674000,1674500,9")];
    let (_dir, source) = open_zip("lean-bar", &file, |_| {});
    check_problem(&source.unwrap_err(), "does not say whether", "spy_minute", "security = ");
    let equity = |config: &mut SourceConfig| config.security = Some("equity".to_string());
    let (_dir, source) = open_zip("lean-bar", &file, equity);
    let (cells, problem) = drain(source.unwrap());
    assert_eq!(problem, None);
    let bar = cells[0].get::<ExternalBar>().unwrap();
    assert_eq!((bar.ts_open, bar.open), (ns("2013-10-07T13:30:00Z"), Price(167_410_000_000)));
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("equity/usa/minute/spy");
    std::fs::create_dir_all(&folder).unwrap();
    let spec = write(&folder, "lean-bar", "20131007_trade.zip", &zip_bytes(&file));
    let (cells, _) = drain(open(&spec).unwrap());
    assert_eq!(cells[0].get::<ExternalBar>().unwrap().open, Price(167_410_000_000));
}

#[test]
fn each_format_refuses_the_files_of_the_others_by_name() {
    let check = |format: &str, name: &str, what: &str| {
        let (_dir, source) = open_zip(format, &[(name, "")], |_| {});
        check_problem(&source.unwrap_err(), what, name, format);
    };
    check("lean-quote", "20131007_ibm_Trade_Tick.csv", "no quote ticks");
    check("lean-quote", "20131007_es_minute_quote_201312.csv", "no quote ticks");
    check("lean-bar", "20131007_ibm_Quote_Tick.csv", "no bars");
    check("lean-bar", "20131007_es_hour_trade_201312.csv", "no bars");
    check("lean-trade", "20131007_gc_tick_quote_201312.csv", "no trade ticks");
    for format in ["lean-quote", "lean-bar"] {
        let (_dir, source) = open_zip(format, &[], |_| {});
        check_problem(&source.unwrap_err(), "no files", "a.zip", format);
    }
}

#[test]
fn a_bad_row_of_quotes_or_bars_is_named_by_its_column() {
    let check = |format: &str, name: &str, row: &str, what: &str, column: &str| {
        let (_dir, source) = open_zip(format, &[(name, row)], |_| {});
        let (cells, problem) = drain(source.unwrap());
        assert!(cells.is_empty());
        let place = format!("{name}, line 1{column}");
        check_problem(&problem.unwrap(), what, &place, "correct the row");
    };
    let quote = "20131007_ibm_Quote_Tick.csv";
    check("lean-quote", quote, "1,x,1,0,0,Q,1,0", "`x`", ", column bid");
    check("lean-quote", quote, "1,0,0,5,,Q,1,0", "empty", ", column ask_size");
    check("lean-quote", quote, "1,0,0,5,1,Q,1,7", "not 0 or 1", ", column suspicious");
    check("lean-quote", quote, "1,0,0", "3 columns", ", column ask");
    check("lean-quote", quote, "1,0,0,5,1,Q,1,0,0", "9 columns", "");
    check("lean-quote", "20140501_eurusd_tick_quote.csv", "1,2", "2 columns", ", column bid_size");
    let bar = "20131007_es_minute_trade_201312.csv";
    check("lean-bar", bar, "0,1,2,0.5,,3", "empty", ", column close");
    check("lean-bar", bar, "0,1,2,0.5,1", "5 columns", ", column volume");
    check("lean-bar", bar, "86400000,1,2,0.5,1,3", "time of day", ", column ms");
    let bar = "20131007_es_minute_quote_201312.csv";
    check("lean-bar", bar, "0,1,,1,1,3,,,,,0", "empty", ", column bid_high");
    check("lean-bar", bar, "0,1,1,1,1,3,,,,0", "10 columns", ", column ask_size");
}

#[test]
fn only_the_chosen_months_are_opened() {
    let files = [
        ("20131007_gc_tick_quote_201312.csv", "5,1320.5,3,0,0,cme,0"),
        ("20131007_gc_tick_quote_201402.csv", "this is no row"),
    ];
    let one = |config: &mut SourceConfig| config.symbols = vec!["GC.201312".to_string()];
    let (_dir, source) = open_zip("lean-quote", &files, one);
    let (cells, problem) = drain(source.unwrap());
    assert_eq!((cells.len(), problem), (1, None));
}
