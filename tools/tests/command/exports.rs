//! Tables: the headers of the design, exact decimals, and the same rows in every format.

use crate::support::Place;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use serde_json::Value;
use std::collections::BTreeMap;

const TICK: &str =
    "seq,symbol,ts_event,ts_recv,kind,price,size,side,bid,ask,bid_size,ask_size,flags,verdict";
const BAR: &str = "seq,symbol,timeframe_s,ts_open,ts_close,open,high,low,close,volume,ticks,flags,bar_type,ts_first,ts_last,vwap";
const PORTFOLIO: &str = "seq,ts,symbol,position,avg_price,realized_pnl,unrealized_pnl,cash,equity";

type Row = BTreeMap<String, String>;

fn csv(text: &str) -> (String, Vec<Row>) {
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    let names: Vec<&str> = header.split(',').collect();
    let row = |line: &str| {
        let values = line.split(',').map(str::to_string);
        names.iter().map(|name| (*name).to_string()).zip(values).collect()
    };
    (header.to_string(), lines.map(row).collect())
}

#[test]
fn every_record_that_exists_exports_with_its_header() {
    let place = Place::new().with_small_config();
    let run = place.small_run("J");
    for (record, header, rows) in [
        ("tick", TICK, run["ticks"].as_u64()),
        ("bar", BAR, run["bars"].as_u64()),
        ("portfolio", PORTFOLIO, Some(1)),
    ] {
        let said = place.run(&format!("journal export J --record {record} --format csv -o -"));
        assert_eq!(said.code, Some(0), "{}", said.err);
        let (found, table) = csv(&said.out);
        assert!(found.starts_with(header), "{found}");
        assert_eq!(Some(table.len() as u64), rows, "{record}");
    }
}

#[test]
fn the_bars_hold_what_the_ticks_hold() {
    let place = Place::new().with_small_config();
    place.small_run("J");
    let (_, ticks) = csv(&place.run("journal export J --record tick -o -").out);
    let (_, bars) = csv(&place.run("journal export J --record bar -o -").out);
    let number = |text: &String| text.parse::<i64>().unwrap_or(0);
    let traded: i64 = ticks
        .iter()
        .filter(|row| row["kind"] == "trade" && !row["verdict"].starts_with("reject"))
        .map(|row| number(&row["size"]))
        .sum();
    for timeframe in ["300", "1800"] {
        let of = bars.iter().filter(|row| row["timeframe_s"] == timeframe);
        let volume: i64 = of.map(|row| number(&row["volume"])).sum();
        assert_eq!(volume, traded, "{timeframe} s");
    }
    assert!(ticks.iter().any(|row| row["kind"] == "quote" && row["bid"] < row["ask"]));
}

#[test]
fn all_formats_hold_the_same_rows() {
    let place = Place::new().with_small_config();
    place.small_run("J");
    for record in ["tick", "bar", "portfolio"] {
        let (_, expected) =
            csv(&place.run(&format!("journal export J --record {record} -o -")).out);
        for format in ["jsonl", "parquet"] {
            let file = format!("{record}.{format}");
            let answer = place
                .json(&format!("journal export J --record {record} --format {format} -o {file}"));
            assert_eq!(answer["rows"].as_u64(), Some(expected.len() as u64));
            let rows = match format {
                "jsonl" => jsonl(&place, &file),
                _ => parquet(&place, &file),
            };
            assert_eq!(rows.len(), expected.len());
            for (row, expected) in rows.iter().zip(&expected) {
                assert_eq!(row, expected, "{file}");
            }
        }
    }
}

fn jsonl(place: &Place, file: &str) -> Vec<Row> {
    let text = std::fs::read_to_string(place.path(file)).expect("the export");
    let value = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        // The CSV writes a float as Rust does.
        Value::Number(n) if n.is_f64() => n.as_f64().expect("a float").to_string(),
        other => other.to_string(),
    };
    let row = |line: &str| {
        let object: serde_json::Map<String, Value> = serde_json::from_str(line).expect("an object");
        object.iter().map(|(name, v)| (name.clone(), value(v))).collect()
    };
    text.lines().map(row).collect()
}

fn parquet(place: &Place, file: &str) -> Vec<Row> {
    let file = std::fs::File::open(place.path(file)).expect("the export");
    let reader = SerializedFileReader::new(file).expect("a Parquet file");
    let value = |field: &Field| match field {
        Field::Null => String::new(),
        Field::Str(text) => text.clone(),
        Field::Long(value) => value.to_string(),
        Field::Double(value) => value.to_string(),
        Field::Decimal(decimal) => {
            let bytes: [u8; 16] = decimal.data().try_into().expect("16 bytes");
            let (value, digits) = (i128::from_be_bytes(bytes), decimal.scale() as u32);
            ringbuf_layout::units::Decimal { value, digits }.to_string()
        }
        other => panic!("an unexpected field {other:?}"),
    };
    let rows = reader.get_row_iter(None).expect("rows");
    rows.map(|row| {
        let row = row.expect("a row");
        row.get_column_iter().map(|(name, field)| (name.clone(), value(field))).collect()
    })
    .collect()
}
