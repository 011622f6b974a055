//! `inspect`: files are what they are whatever they are called, the proposed config imports them, and no bytes harm it.

use super::*;
use engine::config::Config;
use gateways::inspect::{Report, inspect};
use proptest::prelude::*;
use std::fmt::Write as _;

fn look(name: &str, bytes: &[u8]) -> Result<Report, Problem> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    inspect(&path, &mut |_| ())
}

/// Inspects a file, opens it with nothing but the printed config, and compares the records.
fn reads_as_printed(name: &str, bytes: &[u8], format: &str, records: u64) -> Report {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let report = inspect(&path, &mut |_| ()).unwrap_or_else(|p| panic!("{name}: {p}"));
    assert_eq!((report.format.as_str(), report.records), (format, records), "{name}");
    let config = Config::parse(&report.config, "printed")
        .unwrap_or_else(|p| panic!("{p}\n{}", report.config));
    let source = gateways::open(&config.sources[0], &config.catalog());
    let source = source.unwrap_or_else(|p| panic!("{p}\n{}", report.config));
    let (cells, problem) = drain(source);
    assert_eq!((cells.len() as u64, problem), (records, None), "{}", report.config);
    report
}

fn gz(text: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

#[test]
fn a_parquet_file_without_rows_or_an_encrypted_one_is_said_to_be_so() {
    use ::parquet::file::properties::WriterProperties;
    let symbols = "message schema {
        optional int64 ts (TIMESTAMP(MICROS,true));
        optional double price;
        optional double size;
        optional binary symbol (UTF8);
    }";
    for (schema, groups) in [(parquet::TRADES, vec![parquet::trades_of(0..0)]), (symbols, vec![])] {
        let bytes = parquet::file(schema, WriterProperties::default(), &groups);
        let problem = look("a.parquet", &bytes).unwrap_err();
        check_problem(&problem, "there are no rows", "a.parquet", "nothing to import");
    }
    let problem = look("a.parquet", &parquet::encrypted()).unwrap_err();
    check_problem(&problem, "encrypted", "a.parquet", "without encryption");
    // A text that begins like it is none.
    let text = trades_text("PARENT_SYMBOL,ts,price,size\n", "A,{ns},{price},{size}", 50);
    reads_as_printed("a.csv", text.as_bytes(), "csv", 50);
    // Rows where none, or fewer than none, are said are damage.
    let [none, fewer] = [[0x80, 0x00], [0xc7, 0x01]].map(parquet::hundred_rows_said_to_be);
    let problem = look("a.parquet", &none).unwrap_err();
    check_problem(&problem, "100 values of 0 rows", "a.parquet", "fetch or copy");
    let problem = look("a.parquet", &fewer).unwrap_err();
    check_problem(&problem, "a row group has -100 rows", "a.parquet", "fetch or copy");
}

const DAY: i64 = 1_381_147_200_000_000_000;

/// Rows of trades, a second apart, from a template of {s}, {ms}, {us}, {ns}, {price}, {size}.
fn trades_text(header: &str, row: &str, rows: i64) -> String {
    let mut text = header.to_string();
    for i in 0..rows {
        let ns = DAY + i * 1_000_000_000;
        let row = row
            .replace("{s}", &(ns / 1_000_000_000).to_string())
            .replace("{ms}", &(ns / 1_000_000).to_string())
            .replace("{us}", &(ns / 1_000).to_string())
            .replace("{ns}", &ns.to_string())
            .replace("{price}", &format!("{}.{:02}", 100 + i % 7, i % 4 * 25))
            .replace("{size}", &format!("{}.{:03}", 1 + i % 5, i % 3 * 5));
        writeln!(text, "{row}").unwrap();
    }
    text
}

#[test]
fn csv_of_every_unit_is_declared_by_its_digits_and_names() {
    for unit in ["s", "ms", "us", "ns"] {
        let text = trades_text("time,price,size\n", &format!("{{{unit}}},{{price}},{{size}}"), 50);
        let report = reads_as_printed("abc.csv", text.as_bytes(), "csv", 50);
        let tally = &report.symbols[0].1;
        assert_eq!((report.symbols[0].0.as_str(), tally.kinds[0]), ("ABC", 50));
        assert_eq!(report.span, Some((DAY, DAY + 49_000_000_000)));
        assert!(report.config.contains("tick = \"0.25\""), "{}", report.config);
        assert!(report.config.contains("size_precision = 3"), "{}", report.config);
        assert!(report.config.contains("lot = \"0.005\""), "{}", report.config);
    }
}

#[test]
fn packed_quoted_and_semicolons_are_no_obstacle() {
    let text = trades_text("\"Timestamp\";\"Price\";\"Qty\"\n", "{ms};{price};{size}", 30);
    let report = reads_as_printed("x.bin", &gz(&text), "csv", 30);
    assert_eq!(report.packing, Some("gzip"));
}

#[test]
fn rows_that_name_their_symbols_are_read_by_symbol() {
    let header = "symbol,timestamp,side,price,amount\n";
    let rows = "aaa,{us},buy,{price},{size}\nbbb,{us},sell,{price},{size}";
    let text = trades_text(header, rows, 20);
    let report = reads_as_printed("mixed.csv", text.as_bytes(), "csv", 40);
    let names: Vec<_> =
        report.symbols.iter().map(|(name, tally)| (name.as_str(), tally.kinds[0])).collect();
    assert_eq!(names, [("AAA", 20), ("BBB", 20)]);
}

#[test]
fn a_built_in_symbol_in_a_row_is_defined_as_it_is_built_in() {
    let text = "symbol,ts_event,price,size\nSPY,1381147200000,167.41,100\nGC.201312,1381147200000,1313.7,1\n";
    let report = reads_as_printed("two.csv", text.as_bytes(), "csv", 2);
    let config = Config::parse(&report.config, "printed").unwrap();
    let built_in = ["SPY", "GC.201312"].map(|symbol| built_in(symbol).unwrap());
    assert_eq!(config.semantic.instruments, built_in);
}

#[test]
fn quotes_are_quotes_and_crossed_ones_are_counted() {
    let text = "ts_event,ts_recv,bid,ask,bid_size,ask_size\n\
                1381147200000000000,1381147199000000000,10.0,10.1,1,2\n\
                1381147201000000000,1381147200000000000,10.2,10.1,1,2\n\
                1381147200500000000,1381147199500000000,10.0,,1,\n";
    let report = reads_as_printed("q.csv", text.as_bytes(), "csv", 3);
    let tally = &report.symbols[0].1;
    assert_eq!((tally.kinds[1], tally.crossed, tally.one_sided), (3, 1, 1));
    assert_eq!((tally.disorder, tally.worst_disorder), (1, 500_000_000));
    assert_eq!(report.latency.range, Some((-1_000_000_000, -1_000_000_000)));
}

#[test]
fn rows_without_a_header_are_known_by_their_shape() {
    let text = trades_text("", "{s},{price},{size}", 40);
    let format =
        if gateways::FORMATS.iter().any(|(name, _)| *name == "kraken") { "kraken" } else { "csv" };
    let report = reads_as_printed("kraken-XBTUSD-trades.csv", text.as_bytes(), format, 40);
    assert!(report.config.contains("\"XBTUSD\""), "{}", report.config);
    assert!(report.inferred.iter().any(|note| note.contains("without a header")));
}

#[test]
fn lean_zips_are_known_by_the_names_inside() {
    let spy =
        [("20131007_spy_Trade_Tick.csv", "34200000,1674100,100,P,,0\n34200000,1674200,100,P,,0\n")];
    let report = reads_as_printed("a", &zip_bytes(&spy), "lean-trade", 2);
    assert_eq!(report.zone.as_deref(), Some("America/New_York"));
    assert!(report.config.contains("SPY is built in"), "{}", report.config);
    let other = [("20131007_zzz_tick_trade_201312.csv", "1,10.5,1,usa,,0\n2,10.25,3,usa,,0\n")];
    let report = reads_as_printed("b.zip", &zip_bytes(&other), "lean-trade", 2);
    assert_eq!(report.symbols[0].0, "ZZZ.201312");
}

#[test]
fn texts_of_local_time_ask_for_their_zone_with_the_evidence() {
    // New York's extended hours in New York's clock, on eight weeks around the end of daylight saving time.
    let mut text = "Date;Price;Size\n".to_string();
    for day in 0..56 {
        let date = jiff::civil::date(2013, 10, 7).checked_add(jiff::Span::new().days(day)).unwrap();
        if day % 7 < 5 {
            for quarter in 16..80 {
                let time = format!("{:02}:{:02}:00", quarter / 4, quarter % 4 * 15);
                writeln!(
                    text,
                    "{}/{}/{} {time};10.{quarter};1",
                    date.month(),
                    date.day(),
                    date.year()
                )
                .unwrap();
            }
        }
    }
    let report = reads_as_printed("zzz.csv", text.as_bytes(), "csv", 40 * 64);
    assert_eq!(report.zone.as_deref(), Some("America/New_York"), "{:?}", report.fits);
    assert_eq!(report.fits[0].calendar, "XNYS");
    assert!(report.config.contains("%m/%d/%Y %H:%M:%S"), "{}", report.config);
    assert!(report.asked.iter().any(|asked| asked.starts_with("zone: ")), "{:?}", report.asked);
    assert!(report.config.contains("# ASKED: zone"), "{}", report.config);
}

#[test]
fn day_and_month_that_could_be_changed_about_are_asked_for() {
    let text = "Date,Price,Size\n01/02/2013 10:00:00,1,1\n02/02/2013 10:00:00,1,1\n";
    let report = look("d.csv", text.as_bytes()).unwrap();
    assert!(
        report.asked.iter().any(|asked| asked.contains("day or the month")),
        "{:?}",
        report.asked
    );
}

#[test]
fn five_minutes_of_data_propose_no_calendar_but_the_one_that_rejects_nothing() {
    let text = trades_text("time,price,size\n", "{ns},{price},{size}", 300);
    let report = reads_as_printed("short.csv", text.as_bytes(), "csv", 300);
    assert!(report.config.contains("calendar = \"24/7\""), "{}", report.config);
    assert!(report.asked.iter().any(|asked| asked.starts_with("calendar: ")), "{:?}", report.asked);
}

#[test]
fn bars_are_declared_with_their_length_and_their_stamp_is_asked_for() {
    let mut text = "Timestamp,Open,High,Low,Close,Volume\n".to_string();
    // Ten days of New York's hours, in half hours.
    for day in 7..12 {
        for half in 0..32 {
            let time = format!("{day:02}/10/2013 {:02}:{:02}:00", 4 + half / 2, half % 2 * 30);
            writeln!(text, "{time},10,11,9.5,10.25,{}", 100 + half).unwrap();
        }
    }
    text.push_str("28/10/2013 04:00:00,10,11,9,10,1\n");
    let report = reads_as_printed("bars.csv", text.as_bytes(), "csv", 161);
    assert_eq!(report.symbols[0].1.kinds[3], 161);
    for line in [
        "timeframe_s = 1800",
        "stamp = \"open\"",
        "zone = \"America/New_York\"",
        "timeframes_s = [1800]",
    ] {
        assert!(report.config.contains(line), "{line}\n{}", report.config);
    }
    let stamp = report.asked.iter().find(|asked| asked.starts_with("stamp: ")).unwrap();
    assert!(
        stamp
            .contains("0.00 % of active quarter hours lie outside every session if it is the open"),
        "{stamp}"
    );
}

#[test]
fn what_is_no_market_data_is_called_by_its_name() {
    let check = |name: &str, text: &str, what: &str| {
        let problem = look(name, text.as_bytes()).unwrap_err();
        assert!(problem.what.contains(what), "{problem}");
        assert!(!problem.place.is_empty() && !problem.fix.is_empty(), "{problem}");
    };
    check(
        "h.json",
        "{\n  \"entries\": {\n    \"Equity-usa\": {\"exchangeTimeZone\": \"UTC\"",
        "market-hours",
    );
    check("s.csv", "market,symbol,type,description,quote_currency\n", "symbol-properties");
    check("l.hlog", "#[Logged with x]\n#[Histogram log format version 1.2]\n", "HdrHistogram");
    check("c.csv", ",open,close,break_start,break_end\n1990-01-02,a,b,,\n", "trading sessions");
    check("f.csv", "FVG,Top,Bottom\n,,\n", "no format that is known");
    check("e.csv", "", "empty");
    check("x.bin", "\u{1}\u{2}\u{3}", "no format that is known");
    check("t.txt", "once upon a time\n", "no format that is known");
    check("k.csv", "Date,Time,Open,High,Low,Close,Volume\n", "two columns");
    let dbz = look("a.dbz", &[0x51, 0x2a, 0x4d, 0x18, 0xc0, 0, 0, 0]).unwrap_err();
    check_problem(&dbz, "retired", "a.dbz", "DBN");
    let zip = |names: &[&str]| {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for name in names {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        }
        look("a.zip", &zip.finish().unwrap().into_inner()).unwrap_err()
    };
    check_problem(&zip(&[]), "the zip holds no file", "a.zip", "unpack");
    check_problem(&zip(&["a", "b"]), "the zip holds a, b, which is", "a.zip", "unpack");
    let seven = zip(&["a", "b", "c", "d", "e", "f", "g"]);
    check_problem(&seven, "a, b, c, d, e and 2 more", "a.zip", "unpack");
    let formats = look("u", b"?").unwrap_err();
    assert!(gateways::FORMATS.iter().all(|(name, _)| formats.fix.contains(name)), "{formats}");
}

#[test]
fn what_cannot_be_unpacked_or_is_not_what_its_name_says_is_told() {
    let refused = |name: &str, bytes: &[u8]| look(name, bytes).unwrap_err().what;
    let noise = [0x9d, 0xe1, 0xa1, 0, 1, 2, 3, 0xff, 0xfe];
    assert!(refused("a.csv.gz", &noise).contains("it is named .gz and is no gzip"));
    assert!(refused("a.dbn.zst", &noise).contains("it is named .zst and is no zstd"));
    let packed = zstd::encode_all(
        trades_text("time,price,size\n", "{ms},{price},{size}", 400).as_bytes(),
        3,
    );
    let packed = packed.unwrap();
    let what = refused("a.csv.zst", &packed[..packed.len().min(40)]);
    assert!(what.contains("nothing of the file can be unpacked"), "{what}");
}

#[test]
fn the_currency_of_a_pair_is_read_off_its_name_and_any_other_is_asked_for() {
    let config = |symbol: &str| {
        let text = trades_text(
            "time,symbol,price,size\n",
            &format!("{{ms}},{symbol},{{price}},{{size}}"),
            60,
        );
        reads_as_printed("a.csv", text.as_bytes(), "csv", 60).config
    };
    assert!(config("BCHEUR").contains("currency = \"EUR\"   # inferred"));
    assert!(config("btc-usd").contains("currency = \"USD\"   # inferred"));
    assert!(config("ABCDEF").contains("currency = \"USD\"   # ASKED"));
}

#[test]
fn damage_in_the_middle_is_reported_behind_what_came_before() {
    for bad in ["nonsense,1,1", "1381147300000000000,1x,1", "13811473", "1381147300000000000"] {
        let mut text = trades_text("time,price,size\n", "{ns},{price},{size}", 100);
        text.push_str(&format!("{bad}\n1381147300000000000,1,1\n"));
        let report = look("d.csv", text.as_bytes()).unwrap();
        assert_eq!(report.records, 100, "{bad}");
        check_problem(&report.damage.unwrap(), "", "line 102", "");
    }
    let problem = look("d.csv", b"time,price,size\nnonsense,1,1\n").unwrap_err();
    check_problem(&problem, "nonsense", "d.csv", "config init");
}

#[test]
fn sizes_that_no_nine_digits_hold_are_read_with_fewer() {
    let text = "time,price,size\n1381147200000,1.5,123456789012.5\n1381147201000,1.5,0.25\n";
    let report = reads_as_printed("big.csv", text.as_bytes(), "csv", 2);
    assert_eq!((report.size_precision, report.damage), (6, None));
}

/// Number of mutations of each file.
fn mutations() -> u64 {
    std::env::var("GRANDMODEL_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(300)
}

/// Flips, cuts, insertions, repetitions and moves of parts, by a seed.
pub(super) fn mutated(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    let mut out = bytes.to_vec();
    for _ in 0..=next(4) {
        let (at, length) = (next(out.len()), 1 + next(64));
        let end = (at + length).min(out.len());
        match next(6) {
            0 if at < out.len() => out[at] ^= 1 << next(8),
            1 => out.truncate(at),
            2 => out.insert(at, next(256) as u8),
            3 => {
                let part = out[at..end].to_vec();
                let to = next(out.len());
                out.splice(to..to, part);
            }
            4 => drop(out.drain(at..end)),
            _ if end > at => out[at..end].fill([0, 0xff, b'9', b','][next(4)]),
            _ => {}
        }
    }
    out
}

#[test]
fn mutated_files_are_reported_or_refused_and_never_panic() {
    let files = [
        (
            "a.csv",
            trades_text("symbol,time,price,size\n", "A,{ns},{price},{size}", 30).into_bytes(),
        ),
        ("b.csv", trades_text("", "{s},{price},{size}", 30).into_bytes()),
        ("c.gz", gz(&trades_text("Date,Price,Size\n", "07/10/2013 10:00:00,{price},{size}", 30))),
        ("d.zip", zip_bytes(&[("20131007_spy_Trade_Tick.csv", "34200000,1674100,100,P,,0\n")])),
        ("e.frag", [&[14_u8, 0, 1, 0, 1, 0, 0, 0][..], &DAY.to_le_bytes(), &[0; 40]].concat()),
    ];
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = dir.path().join(name);
        for seed in 0..mutations() {
            std::fs::write(&path, mutated(&bytes, seed)).unwrap();
            match inspect(&path, &mut |_| ()) {
                Ok(report) => {
                    let parsed = Config::parse(&report.config, "printed");
                    assert!(parsed.is_ok(), "{name}, seed {seed}: {parsed:?}\n{}", report.config);
                }
                Err(problem) => {
                    let parts = [&problem.what, &problem.place, &problem.fix];
                    assert!(
                        parts.iter().all(|part| !part.is_empty()),
                        "{name}, seed {seed}: {problem:?}"
                    );
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_are_reported_or_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        text in "([a-z0-9.,;:/ {}\"-]{0,30}\n){0,10}",
    ) {
        for bytes in [&bytes[..], text.as_bytes()] {
            let _ = look("any", bytes);
        }
    }
}
