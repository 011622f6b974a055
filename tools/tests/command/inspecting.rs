//! `data inspect`: what is printed imports as printed, and every recorded file is known without a hint.

use crate::skipped::skipped;
use crate::support::{Place, Said};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fn inspected(place: &Place, file: &str) -> Value {
    let answer = place.json(&format!("data inspect {file}"));
    answer["files"][0].clone()
}

fn zip_bytes(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Inspects a file, imports it by the printed config as it stands, and compares the counts.
fn imports_as_printed(place: &Place, name: &str, bytes: &[u8], format: &str, records: u64) {
    std::fs::write(place.path(name), bytes).unwrap();
    let found = inspected(place, name);
    assert_eq!(
        (&found["format"], &found["records"]),
        (&format.into(), &records.into()),
        "{name}: {found}"
    );
    let config = found["config"].as_str().unwrap();
    place.write("printed.toml", &format!("{config}\n[host]\nsegment_mib = 1\n"));
    let account = place.json(&format!("data import -c printed.toml --journal J-{name}"));
    assert_eq!(account["delivered"], records, "{config}");
    let kinds = |symbol: &Value| symbol["kinds"].clone();
    for (symbol, tally) in found["symbols"].as_object().unwrap() {
        if tally["kinds"] != serde_json::json!({}) {
            assert_eq!(account["symbols"][symbol], kinds(tally), "{symbol}");
        }
    }
    // The text for people ends with the same config.
    let said = place.run(&format!("data inspect {name}"));
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.trim_end().ends_with(config.trim_end()), "{}", said.out);
}

#[test]
fn every_kind_of_file_imports_as_its_inspection_prints() {
    let place = Place::new();
    let trades =
        "time,price,size\n1704700000000,10.25,1.5\n1704700000250,10.5,2\n1704700000250,10.5,2\n";
    imports_as_printed(&place, "trades.csv", trades.as_bytes(), "csv", 3);
    let symbols = "ticker;timestamp;px;qty;side\nAA;1704700000;10;1;buy\nBB;1704700001;20;2;sell\n";
    imports_as_printed(&place, "symbols.csv", symbols.as_bytes(), "csv", 2);
    let quotes = "ts_event,ts_recv,bid,ask,bid_size,ask_size\n1704700000000000000,1704700000000000900,9,10,1,2\n";
    imports_as_printed(&place, "quotes.csv", quotes.as_bytes(), "csv", 1);
    let texts = "Timestamp,Price,Volume\n08/01/2024 09:00:00,10,1\n28/01/2024 09:00:00,11,1\n";
    imports_as_printed(&place, "texts.csv", texts.as_bytes(), "csv", 2);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(trades.as_bytes()).unwrap();
    imports_as_printed(&place, "trades.csv.gz", &packed.finish().unwrap(), "csv", 3);
    let spy = zip_bytes(&[(
        "20131007_spy_Trade_Tick.csv",
        "34200000,1674100,100,P,,0\n34200001,1674200,0,P,,1\n",
    )]);
    imports_as_printed(&place, "spy.zip", &spy, "lean-trade", 2);
    let future =
        zip_bytes(&[("20131007_zz_tick_trade_201312.csv", "1,10.5,1,usa,,0\n2,10.25,3,usa,,0\n")]);
    imports_as_printed(&place, "zz.zip", &future, "lean-trade", 2);
}

#[test]
fn the_json_says_what_was_counted() {
    let place = Place::new();
    let rows = "time,price,size\n1704700000000,10.25,1\n1704700000000,10.25,1\n1704699999000,10.25,0\n\
                1704700060000,20,1\n";
    place.write("a.csv", rows);
    let found = inspected(&place, "a.csv");
    let tally = &found["symbols"]["A"];
    for (key, value) in [
        ("ties", 1),
        ("equal_neighbours", 1),
        ("disorder", 1),
        ("worst_disorder_ns", 1_000_000_000),
        ("zero_sizes", 1),
        ("jumps", 1),
    ] {
        assert_eq!(tally[key], value, "{key}: {tally}");
    }
    assert_eq!(tally["tick"], "0.25");
    assert_eq!(tally["gaps"][0]["length_ns"], 60_000_000_000_i64);
    assert_eq!(found["latency"], Value::Null);
    assert_eq!(
        found["hours_utc"].as_array().unwrap().iter().filter_map(Value::as_u64).sum::<u64>(),
        4
    );
}

#[test]
fn what_is_not_known_exits_with_2_and_damage_with_1() {
    let place = Place::new();
    place.write("novel.txt", "once upon a time\n");
    let said = place.run("data inspect novel.txt");
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("lean-trade") && said.err.contains("novel.txt"), "{}", said.err);
    place.write("cut.csv", "time,price,size\n1704700000000,10.25,1\n1704700000001,1x,1\n");
    let said = place.run("data inspect cut.csv --json");
    assert_eq!(said.code, Some(1), "{}", said.err);
    let found = &said.json()["files"][0];
    assert_eq!(found["records"], 1);
    assert!(found["error"]["where"].as_str().is_some_and(|place| place.contains("line 3")));
    // Of several files, the others are still looked at.
    place.write("good.csv", "time,price,size\n1704700000000,10.25,1\n");
    let said = place.run("data inspect novel.txt good.csv --json");
    assert_eq!(said.code, Some(1), "{}", said.err);
    let files = said.json();
    assert!(files["files"][0]["error"].is_object() && files["files"][1]["records"] == 1);
    let said = place.run("data inspect missing.csv");
    assert_eq!(said.code, Some(2));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new();
    place.write("a.csv", "time,price,size\n1704700000000,10.25,1\n");
    let mut command = place.command("data inspect a.csv");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let said = Said::of(&child.wait_with_output().unwrap());
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
}

/// Recorded data; `None`, said aloud, where it is not there.
fn recorded(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    if path.exists() {
        return Some(path);
    }
    skipped(format!("shared data not present ({name})"));
    None
}

fn known(format: &str) -> bool {
    gateways::FORMATS.iter().any(|(name, _)| *name == format)
}

/// Records by kind, over all symbols.
fn count(found: &Value, kind: &str) -> u64 {
    let symbols = found["symbols"].as_object().unwrap().values();
    symbols.filter_map(|tally| tally["kinds"][kind].as_u64()).sum()
}

/// (file, format, records by kind), as the folder's README has them; those that it does not count are at least there.
type Recorded = (&'static str, &'static str, &'static [(&'static str, u64)]);

const RECORDED: [Recorded; 17] = [
    ("lean/spy-20131007-trade.zip", "lean-trade", &[("trade", 250_601)]),
    ("lean/spy-20131008-trade.zip", "lean-trade", &[("trade", 451_545)]),
    ("lean/ibm-20131007-trade.zip", "lean-trade", &[("trade", 24_293)]),
    ("lean/gc-20131007-trade.zip", "lean-trade", &[("trade", 40_192)]),
    ("lean/ibm-20131007-quote.zip", "lean-quote", &[]),
    ("lean/eurusd-20140501-quote.zip", "lean-quote", &[]),
    ("lean/es-20131007-minute-trade.zip", "lean-bar", &[]),
    ("lean/es-20131007-minute-quote.zip", "lean-bar", &[]),
    ("binance/spot-btcusdt-20240809.jsonl.gz", "binance-jsonl", &[("trade", 10_147)]),
    ("hdf5-parquet/freqtrade-XRP_ETH-trades.parquet", "parquet", &[]),
    ("misc/tardis-bitmex-trades.csv", "tardis", &[]),
    ("misc/tardis-deribit-l2.csv", "tardis", &[]),
    ("misc/tardis-huobi-quotes.csv", "tardis", &[]),
    ("misc/kraken-BCHEUR-trades.csv", "kraken", &[]),
    ("databento/test_data.trades.dbn", "databento", &[]),
    ("databento/test_data.mbp-10.v3.dbn.zst", "databento", &[]),
    ("databento/test_data.ohlcv-1h.v1.dbn.zst", "databento", &[]),
];

#[test]
fn every_recorded_file_is_known_without_a_hint_if_present() {
    let place = Place::new();
    for (name, format, kinds) in RECORDED {
        let Some(path) = recorded(name) else { continue };
        if !known(format) {
            skipped(format!("{format} is not in this version ({name})"));
            continue;
        }
        let found = inspected(&place, path.to_str().unwrap());
        assert_eq!(found["format"], format, "{name}");
        assert!(found["records"].as_u64() > Some(0), "{name}");
        for (kind, expected) in kinds {
            assert_eq!(count(&found, kind), *expected, "{name}: {kind}");
        }
    }
}

#[test]
fn recorded_bars_are_said_to_be_of_a_zone_that_fits_if_present() {
    let name = "bars/nq-30min-20200629-20230630.csv.gz";
    let Some(path) = recorded(name) else { return };
    if !known("kraken") {
        skipped(format!("bars in csv are not in this version ({name})"));
        return;
    }
    let found = inspected(&Place::new(), path.to_str().unwrap());
    assert_eq!((&found["format"], count(&found, "external_bar")), (&"csv".into(), 35_502));
    let config = found["config"].as_str().unwrap();
    assert!(config.contains("timeframe_s = 1800") && config.contains("%d/%m/%Y"), "{config}");
    let asked = found["asked"].to_string();
    assert!(asked.contains("Asia/Jerusalem"), "{asked}");
    assert_eq!(found["fits"][0]["calendar"], "CMES");
    // Athens differs for a week a year, in which six bars would lie in the break.
    assert_eq!(found["fits"][0]["zone"], "Asia/Jerusalem");
}

#[test]
fn recorded_files_that_are_no_market_data_are_called_by_name_if_present() {
    let place = Place::new();
    for (name, what) in [
        ("calendars/market-hours-database.json", "market-hours"),
        ("calendars/symbol-properties-database.csv", "symbol-properties"),
        ("calendars/cmes.csv", "trading sessions"),
        ("hdr/hdr-tagged.logV2.hlog", "HdrHistogram"),
        ("golden/fvg_result_data.csv.gz", "no format that is known"),
        ("databento/test_data.trades.dbz", "retired"),
        ("README.md", "no format that is known"),
    ] {
        let Some(path) = recorded(name) else { continue };
        let said = place.run(&format!("data inspect {}", path.display()));
        assert_eq!(said.code, Some(2), "{name}: {}", said.out);
        assert!(said.err.contains(what), "{name}: {}", said.err);
    }
}

#[test]
fn damage_that_the_parquet_crate_panics_at_is_a_problem_like_any_other() {
    let schema =
        "message schema { required int64 time (TIMESTAMP(MICROS,true)); required double price;
        required double size; required binary symbol (UTF8); }";
    let schema = parse_message_type(schema).unwrap().into();
    let plain = WriterProperties::builder().set_dictionary_enabled(false).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, plain.into()).unwrap();
    let mut rows = writer.next_row_group().unwrap();
    macro_rules! column {
        ($type:ty, $values:expr) => {{
            let mut column = rows.next_column().unwrap().unwrap();
            column.typed::<$type>().write_batch(&$values, None, None).unwrap();
            column.close().unwrap();
        }};
    }
    column!(Int64Type, [1_704_700_000_000_000, 1_704_700_001_000_000]);
    column!(DoubleType, [10.25, 10.5]);
    column!(DoubleType, [1.0, 2.0]);
    column!(ByteArrayType, ["AAAA", "BBBB"].map(ByteArray::from));
    rows.close().unwrap();
    let mut bytes = writer.into_inner().unwrap();
    // The first text goes up to the page's end: where the second's length would be, nothing is.
    let text = b"\x04\0\0\0AAAA\x04\0\0\0BBBB";
    let at = bytes.windows(text.len()).position(|piece| piece == text).expect("the page of texts");
    bytes[at] = 12;
    let place = Place::new();
    std::fs::write(place.path("damaged.parquet"), bytes).unwrap();
    let said = place.run("data inspect damaged.parquet");
    assert_eq!(said.code, Some(2), "{}", said.err);
    let why = "column `symbol`: it is damaged in a way that its reader does not expect: ";
    assert!(said.err.contains(why) && !said.err.contains("panicked"), "{}", said.err);
}
