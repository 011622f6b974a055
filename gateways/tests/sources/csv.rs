//! `csv`: what is declared is read, exactly, and what does not fit is named.

use super::*;
use engine::config::Config;
use flate2::Compression;
use flate2::write::GzEncoder;
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::{Price, Size};

/// Columns named like their fields, milliseconds, the symbol `SPY`.
pub fn columns(fields: &str) -> Columns {
    Columns {
        header: true,
        delimiter: b',',
        symbol: Some("spy".to_string()),
        columns: fields
            .split_whitespace()
            .map(|field| (field.to_string(), Column::Name(field.to_string())))
            .collect(),
        ts_unit: TimeUnit::Milliseconds,
        zone: "UTC".to_string(),
        ts_formats: Vec::new(),
        price_scale: "1".to_string(),
        stamp: None,
        timeframe_s: None,
    }
}

pub fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn btc() -> InstrumentDef {
    let spy = built_in("SPY").unwrap();
    InstrumentDef { symbol: "BTCUSDT".to_string(), size_precision: 8, ..spy }
}

fn open_with(csv: Columns, bytes: &[u8], catalog: &Catalog) -> Result<Source, Problem> {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(&write(dir.path(), "csv", "a.csv", bytes));
    config.columns = Some(csv);
    let mut source = gateways::open(&config, catalog)?;
    // The file goes with the folder: read it now.
    let (cells, problem) = drain_parts(&mut source);
    source.feed = Feed::Decoder(Box::new(Replayed(cells.into_iter(), problem)));
    Ok(source)
}

fn drain_parts(source: &mut Source) -> (Vec<InputCell>, Option<Problem>) {
    let feed = std::mem::replace(&mut source.feed, Feed::Memory(Vec::new()));
    let (identity, name) = (source.identity, source.name.clone());
    drain(Source {
        feed,
        identity,
        name,
        spec: String::new(),
        live: false,
        symbols: Vec::new(),
        records_hint: None,
        front: None,
    })
}

struct Replayed(std::vec::IntoIter<InputCell>, Option<Problem>);
impl engine::source::Decoder for Replayed {
    fn next(&mut self, cell: &mut InputCell) -> Result<bool, Problem> {
        match self.0.next() {
            Some(next) => *cell = next,
            None => return self.1.take().map_or(Ok(false), Err),
        }
        Ok(true)
    }
}

fn read(csv: Columns, text: &str) -> (Vec<InputCell>, Option<Problem>) {
    drain(open_with(csv, text.as_bytes(), &Catalog::default()).unwrap())
}

fn refused(csv: Columns, text: &str) -> Problem {
    open_with(csv, text.as_bytes(), &Catalog::default()).unwrap_err()
}

#[test]
fn trades_by_header_names_carry_exact_prices_sizes_sides_and_both_times() {
    let text = "side,size,price,ts_recv,ts_event,note\n\
                buy,100,167.41,1001,1000,x\n\r\n\
                S,0,0.000000001,1003.5,1002,\"a, b\"\n\
                ,7,-1,1004,1004,";
    let (cells, problem) = read(columns("ts_event ts_recv price size side"), text);
    assert_eq!(problem, None);
    let got: Vec<_> = cells
        .iter()
        .map(|cell| {
            let t = cell.get::<Trade>().unwrap();
            (t.head.ts_event, t.head.ts_recv, t.price.0, t.size.0, t.tail.side)
        })
        .collect();
    let ms = 1_000_000;
    assert_eq!(
        got,
        [
            (1_000 * ms, 1_001 * ms, 167_410_000_000, 100, 1),
            (1_002 * ms, 1_003 * ms + ms / 2, 1, 0, 2),
            (1_004 * ms, 1_004 * ms, -1_000_000_000, 7, 0),
        ]
    );
}

#[test]
fn columns_by_position_need_no_header_and_any_delimiter_does() {
    let mut csv = columns("");
    csv.header = false;
    csv.delimiter = b';';
    csv.ts_unit = TimeUnit::Seconds;
    csv.price_scale = "0.0001".to_string();
    csv.columns = [("ts_event", 2), ("price", 0), ("size", 1)]
        .map(|(field, at)| (field.to_string(), Column::Position(at)))
        .to_vec();
    let (cells, problem) = read(csv, "1674100;5;1381147200.5\n1674101;6;1381147201.000000001\n");
    assert_eq!(problem, None);
    let rows: Vec<_> = cells.iter().map(|cell| *cell.get::<Trade>().unwrap()).collect();
    assert_eq!((rows[0].price, rows[0].size), (Price(167_410_000_000), Size(5)));
    assert_eq!(rows[0].head.ts_event, ns("2013-10-07T12:00:00.5Z"));
    assert_eq!(rows[1].head.ts_event, ns("2013-10-07T12:00:01.000000001Z"));
    assert_eq!(rows[1].head.ts_recv, rows[1].head.ts_event);
}

#[test]
fn quotes_keep_an_absent_side_undefined() {
    let text =
        "ts_event,bid,ask,bid_size,ask_size\n1,10.5,10.6,3,4\n2,,10.6,,4\n3,10.5,,3,\n4,,,,\n";
    let (cells, problem) = read(columns("ts_event bid ask bid_size ask_size"), text);
    assert_eq!(problem, None);
    let got: Vec<_> =
        cells.iter().map(quote).map(|q| (q.bid, q.ask, q.bid_size.0, q.ask_size.0)).collect();
    let (bid, ask) = (Price(10_500_000_000), Price(10_600_000_000));
    let none = Price::UNDEFINED;
    assert_eq!(got, [(bid, ask, 3, 4), (none, ask, 0, 4), (bid, none, 3, 0), (none, none, 0, 0)]);
}

#[test]
fn a_row_with_both_gives_the_trade_and_then_the_quote() {
    let text =
        "ts_event,price,size,bid,ask\n1,10.5,1,10.4,10.6\n2,10.6,2,,\n3,,,10.5,10.7\n4,,,,\n";
    let csv = columns("ts_event price size bid ask");
    let source = open_with(csv, text.as_bytes(), &Catalog::default()).unwrap();
    assert!(source.symbols[0].trades);
    let (cells, problem) = drain(source);
    assert_eq!(problem, None);
    let kinds: Vec<_> = cells
        .iter()
        .map(|c| (c.head().ts_event / 1_000_000, c.is::<Trade>(), c.is::<Quote>()))
        .collect();
    let (trade, quote) = ((true, false), (false, true));
    let expected = [(1, trade), (1, quote), (2, trade), (3, quote), (4, quote)];
    assert_eq!(kinds, expected.map(|(ms, (t, q))| (ms, t, q)));
}

#[test]
fn a_symbol_column_knows_the_configured_instruments_and_no_other() {
    let mut csv = columns("ts_event price size symbol");
    csv.symbol = None;
    let text = "ts_event,symbol,price,size\n\
                1,btcusdt,60000.01,0.00012\n2,DOGE,0.1,0.5\n3,BTCUSDT,60000,1\n4,,1,2\n\
                5,a symbol longer than any instrument can have,1,2\n";
    let catalog = Catalog::of(vec![built_in("IBM").unwrap(), btc()]);
    let source = open_with(csv.clone(), text.as_bytes(), &catalog).unwrap();
    let names: Vec<_> = source.symbols.iter().map(|s| (s.symbol.clone(), s.trades)).collect();
    assert_eq!(names, [("IBM".to_string(), true), ("BTCUSDT".to_string(), true)]);
    let got: Vec<_> = trades(source).iter().map(|t| (t.tail.instrument, t.size.0)).collect();
    let none = NO_INSTRUMENT;
    assert_eq!(got, [(1, 12_000), (none, 0), (1, 100_000_000), (none, 2), (none, 2)]);
    check_problem(&refused(csv, text), "no instrument is configured", "a.csv", "[[semantic.instr");
}

#[test]
fn a_gzip_is_known_by_its_bytes_and_a_byte_order_mark_is_no_name() {
    let text = b"\xef\xbb\xbfts_event,price,size\r\n1,10,1\r\n2,11,1";
    for bytes in [text.to_vec(), gzip(text), [gzip(&text[..30]), gzip(&text[30..])].concat()] {
        let source =
            open_with(columns("ts_event price size"), &bytes, &Catalog::default()).unwrap();
        assert_eq!(trades(source).len(), 2);
    }
}

#[test]
fn several_files_follow_one_another_each_with_its_own_header() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "", "2.csv", b"size,price,ts_event\n3,30,3\n");
    write(dir.path(), "", "1.csv", b"ts_event,price,size\n1,10,1\n2,20,2");
    let mut config = config(&format!("csv:{}/*.csv", dir.path().display()));
    config.columns = Some(columns("ts_event price size"));
    let source = gateways::open(&config, &Catalog::default()).unwrap();
    let sizes: Vec<_> = trades(source).iter().map(|t| t.size.0).collect();
    assert_eq!(sizes, [1, 2, 3]);
    write(dir.path(), "", "3.csv", b"ts_event,px,size\n");
    let problem = gateways::open(&config, &Catalog::default()).unwrap_err();
    check_problem(&problem, "no `price`", "3.csv, line 1", "`px`");
}

#[test]
fn text_times_are_read_in_their_zone() {
    let mut csv = columns("ts_event price size");
    csv.ts_unit = TimeUnit::Text;
    csv.ts_formats = vec!["%d/%m/%Y %H:%M:%S%.f".to_string()];
    csv.zone = "America/New_York".to_string();
    let text = "ts_event,price,size\n07/10/2013 09:30:00.25,1,1\n03/11/2013 01:30:00,1,1\n\
                10/03/2013 02:30:00,1,1\n";
    let (cells, problem) = read(csv, text);
    let times: Vec<_> = cells.iter().map(|cell| cell.head().ts_event).collect();
    assert_eq!(times, [ns("2013-10-07T13:30:00.25Z"), ns("2013-11-03T05:30:00Z")]);
    check_problem(&problem.unwrap(), "does not exist", "a.csv, line 4, column ts_event", "");
}

#[test]
fn a_bad_field_is_named_by_file_line_and_column() {
    let mut csv = columns("ts_event size side");
    csv.columns.push(("price".to_string(), Column::Name("Px".to_string())));
    let check = |row: &str, what: &str, column: &str| {
        let (cells, problem) =
            read(csv.clone(), &format!("ts_event,Px,size,side\n1,1,1,b\n{row}\n"));
        assert_eq!(cells.len(), 1);
        let place = format!("a.csv, line 3{column}");
        check_problem(&problem.unwrap(), what, &place, "correct the row");
    };
    check("1,12x,1,b", "`12x` is not a decimal number", ", column price (`Px`)");
    check("1,,1,b", "the field is empty", ", column price (`Px`)");
    check("1,0.0000000001,1,b", "more decimal digits", ", column price (`Px`)");
    check("1,1,0.5,b", "more decimal digits", ", column size");
    check("1,1,1,up", "`up` is not buy", ", column side");
    check("1,1,1", "ends before it, after 3", ", column side");
    check(",1,1,b", "empty", ", column ts_event");
    check("99999999999999,1,1,b", "is the unit right?", ", column ts_event");
    check("1,\"1,1,b", "quoted", "");
}

#[test]
fn mistakes_in_declaration_and_header_are_found_at_open() {
    let text = "ts_event,price,price,size\n";
    check_problem(&refused(columns("ts_event price size"), text), "twice", "line 1", "`size`");
    let text = "time,price,size\n";
    let problem = refused(columns("ts_event price size"), text);
    check_problem(&problem, "no `ts_event`", "line 1", "`time`, `price`, `size`");
    let mut unknown = columns("ts_event price size");
    unknown.symbol = Some("ZZZ".to_string());
    check_problem(&refused(unknown, text), "`ZZZ`", "a.csv", "[[semantic.instrument]]");
    check_problem(&open("csv:a.csv").unwrap_err(), "not declared", "csv:a.csv", "[source.columns]");
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_row_either() {
    let mut csv = columns("");
    csv.header = false;
    csv.columns = [("ts_event", 0), ("price", 1), ("size", 2)]
        .map(|(field, at)| (field.to_string(), Column::Position(at)))
        .to_vec();
    let text = "\u{feff}1,10,1\n2,11,2\n";
    let source = open_with(csv.clone(), text.as_bytes(), &Catalog::default()).unwrap();
    let sizes: Vec<_> = trades(source).iter().map(|t| t.size.0).collect();
    assert_eq!(sizes, [1, 2]);
    // In the middle of a text it is a mistake, and is named.
    let (cells, problem) = read(csv, "1,10,1\n\u{feff}2,11,2\n");
    assert_eq!(cells.len(), 1);
    check_problem(&problem.unwrap(), "feff", "a.csv, line 2, column ts_event", "correct the row");
}

#[test]
fn the_example_of_undeclared_columns_is_a_config_and_reads_a_file() {
    let fix = open("csv:trades.csv").unwrap_err().fix;
    let (_, example) = fix.split_once('\n').expect("the example is on lines of its own");
    let parsed = Config::parse(example, "example").unwrap_or_else(|p| panic!("{p}\n{example}"));
    let [source] = &parsed.sources[..] else { panic!("{:?}", parsed.sources) };
    assert_eq!(source.spec, "csv:trades.csv");
    let csv = source.columns.clone().expect("declared columns");
    let text = "time,price,quantity\n1386331200000,1230.5,3\n";
    let source = open_with(csv, text.as_bytes(), &parsed.catalog()).unwrap();
    assert_eq!(source.symbols[0].symbol, "GC.201312");
    let [trade] = trades(source)[..] else { panic!("one trade") };
    assert_eq!(trade.head.ts_event, ns("2013-12-06T12:00:00Z"));
    assert_eq!((trade.price, trade.size), (Price(1_230_500_000_000), Size(3)));
}

#[test]
fn another_declaration_of_the_same_bytes_is_another_identity() {
    let dir = tempfile::tempdir().unwrap();
    let spec = write(dir.path(), "csv", "a.csv", b"ts_event,price,px,size\n1,2,3,4\n");
    let identity = |change: &dyn Fn(&mut Columns)| {
        let mut csv = columns("ts_event price size");
        change(&mut csv);
        let config = SourceConfig { columns: Some(csv), ..config(&spec) };
        gateways::open(&config, &Catalog::default()).unwrap().identity
    };
    let one = identity(&|_| {});
    assert_eq!(identity(&|c| c.price_scale = "1.0".into()), one);
    assert_ne!(identity(&|c| c.price_scale = "0.01".into()), one);
    assert_ne!(identity(&|c| c.columns[1].1 = Column::Name("px".into())), one);
    assert_ne!(identity(&|c| c.symbol = Some("IBM".into())), one);
}

#[test]
fn stdin_is_live_and_its_identity_is_its_name_and_declaration() {
    let mut config = config("csv:-");
    config.columns = Some(columns("ts_event price size"));
    let source = gateways::open(&config, &Catalog::default()).unwrap();
    assert!(source.live && gateways::is_stdin(&config.spec));
    config.name = "other".to_string();
    let other = gateways::open(&config, &Catalog::default()).unwrap();
    assert_ne!(source.identity, other.identity);
    config.columns = Some(columns("ts_event bid ask"));
    let quotes = gateways::open(&config, &Catalog::default()).unwrap();
    assert_ne!(quotes.identity, other.identity);
}
