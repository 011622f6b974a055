//! Tables: the headers of the design, exact decimals, and the same rows in every format.

use crate::support::{Place, SMALL};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const TICK: &str =
    "seq,symbol,ts_event,ts_recv,kind,price,size,side,bid,ask,bid_size,ask_size,flags,verdict";
const BAR: &str = "seq,symbol,timeframe_s,ts_open,ts_close,open,high,low,close,volume,ticks,flags,bar_type,ts_first,ts_last,vwap";
const INDICATOR: &str = "seq,symbol,timeframe_s,ts_close,\
    mlmi_value,mlmi_signal,mlmi_confidence,mlmi_knn,mlmi_knn_ma,\
    nwrqk_value,nwrqk_slope,nwrqk_volatility,nwrqk_kernel,nwrqk_kernel_slope,nwrqk_kernel_signal,\
    fvg_bullish_active,fvg_bearish_active,fvg_nearest_level,fvg_age,fvg_mitigation_signal,fvg_gap_size_pct,\
    lvn_nearest_price,lvn_nearest_strength,lvn_distance_points,\
    time_hour_sin,time_hour_cos,time_weekday,atr,volatility_30,price_momentum_5,volume_ratio,\
    volume_profile_skew,price_acceleration";
const MATRIX: &str = "seq,symbol,name,rows,cols,hash";
const SYNERGY: &str = "seq,symbol,ts,kind,direction,bars_to_complete,strength";
const DECISION: &str = "seq,symbol,ts,action,confidence,strategic_action,strategic_confidence,tactical_action,tactical_confidence,shadow,policy";
const RISK: &str = "seq,symbol,approved,reason,size,total_risk,position_risk,portfolio_risk,correlation_risk,var,kelly";
const ORDER: &str = "seq,order_id,parent_id,symbol,ts,side,type,price,qty,filled,state,reason,limit_price,stop_price,tif,venue,client_id";
const FILL: &str = "seq,fill_id,order_id,symbol,ts,side,price,qty,fee,liquidity";
const PORTFOLIO: &str = "seq,ts,symbol,position,avg_price,realized_pnl,unrealized_pnl,cash,equity";

const RECORDS: [&str; 10] = [
    "tick",
    "bar",
    "indicator",
    "matrix",
    "synergy",
    "decision",
    "risk",
    "order",
    "fill",
    "portfolio",
];

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
        ("indicator", INDICATOR, run["bars"].as_u64()),
        ("matrix", MATRIX, None),
        ("synergy", SYNERGY, None),
        ("decision", DECISION, run["decisions"].as_u64()),
        ("risk", RISK, None),
        ("order", ORDER, None),
        ("fill", FILL, run["fills"].as_u64()),
        ("portfolio", PORTFOLIO, None),
    ] {
        let said = place.run(&format!("journal export J --record {record} --format csv -o -"));
        assert_eq!(said.code, Some(0), "{}", said.err);
        let (found, table) = csv(&said.out);
        let more = &["bar", "decision", "risk", "portfolio"].contains(&record);
        assert!(if *more { found.starts_with(header) } else { found == header }, "{found}");
        assert!(rows.is_none_or(|rows| rows == table.len() as u64), "{record}");
    }
}

#[test]
fn bars_say_what_ended_them_and_which_are_filled() {
    let place = Place::new();
    let config = "[semantic.bars]\ntimeframes_s = [1, 60]\ngap = \"flat\"\n\
                  extra = [\"tick:100\", \"notional:250000.5\"]\n\n[host]\nsegment_mib = 1\n";
    place.write("kinds.toml", config);
    let run = place.json(&format!("run -c kinds.toml --source {SMALL} --journal J"));
    let (_, rows) = csv(&place.run("journal export J --record bar -o -").out);
    let of = |kind: &'static str| rows.iter().filter(move |row| row["bar_type"] == kind);
    let filled = of("time").filter(|row| row["flags"].contains("filled"));
    assert!(filled.clone().all(|row| row["ticks"] == "0" && row["ts_first"].is_empty()));
    assert!(filled.clone().all(|row| row["open"] == row["close"] && row["vwap"].is_empty()));
    let (all, filled) = (rows.len() as u64, filled.count() as u64);
    assert_eq!(run["bars"].as_u64(), Some(all - filled));
    assert_eq!(run["filled_bars"].as_u64(), Some(filled));
    assert!(filled > 100, "{filled} filled bars of {all}");
    let ended = |row: &Row| row["flags"].contains("session_end") || row["flags"].contains("end_of");
    assert!(of("tick").all(|row| row["ticks"] == "100" || ended(row)));
    assert!(of("tick").count() > 10 && of("tick").all(|row| row["length"] == "100"));
    assert!(of("notional").count() > 1 && of("notional").all(|row| row["length"] == "250000.5"));
    assert!(of("time").all(|row| row["length"].is_empty()));
    let proof = place.json("replay J");
    assert_eq!(proof["verified"], true, "{proof}");
}

#[test]
fn an_audit_against_a_source_without_bars_says_so() {
    let place = Place::new().with_small_config();
    place.small_run("J");
    let said = place.run("data bars-audit J --against synthetic:days=1,ticks=100");
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("delivers no bars"), "{}", said.err);
}

/// Bars of seconds: matrices are ready after an hour.
const DECIDING: &str = "[semantic.bars]\ntimeframes_s = [5, 60]\n\n\
                        [semantic.synergy]\nfast_s = 5\nslow_s = 60\n\n[host]\nsegment_mib = 1\n";

fn deciding_run(place: &Place) -> Value {
    place.write("deciding.toml", DECIDING);
    place.json(&format!("run -c deciding.toml --source {SMALL} --journal J"))
}

#[test]
fn the_tables_of_decisions_say_what_was_seen_and_decided() {
    let place = Place::new();
    let run = deciding_run(&place);
    let table =
        |record: &str| csv(&place.run(&format!("journal export J --record {record} -o -")).out).1;
    let (indicators, matrices) = (table("indicator"), table("matrix"));
    let (first, last) = (&indicators[0], &indicators[indicators.len() - 1]);
    assert!(first["atr"].is_empty() && first["mlmi_value"].is_empty(), "{first:?}");
    assert!(last["atr"].parse::<f64>().is_ok_and(|atr| atr > 0.0), "{last:?}");
    let shape = |row: &Row| (row["name"].clone(), row["rows"].clone(), row["cols"].clone());
    let shapes: BTreeSet<_> = matrices.iter().map(shape).collect();
    let expected = [("30m", "48", "8"), ("5m", "60", "7"), ("regime", "96", "3")];
    let expected = expected.map(|(a, b, c)| (a.to_string(), b.to_string(), c.to_string()));
    assert_eq!(shapes, BTreeSet::from(expected));
    assert!(matrices.iter().all(|row| u64::from_str_radix(&row["hash"], 16).is_ok()));
    let decisions = table("decision");
    let counts = run["decisions_by_action"].as_object().expect("counts by action");
    for (action, count) in counts {
        let of = decisions.iter().filter(|row| &row["action"] == action).count();
        assert_eq!(count.as_u64(), Some(of as u64), "{action}");
    }
    assert!(decisions.len() > 100 && counts.len() == 3, "{counts:?}");
    let of = |name: &'static str| decisions.iter().map(move |row| row[name].as_str());
    assert!(of("policy").all(|policy| policy == "rule"));
    assert!(of("strategic_action").chain(of("tactical_confidence")).all(str::is_empty));
    for synergy in table("synergy") {
        let (seq, direction) = (&synergy["seq"], &synergy["direction"]);
        let mut at_it = decisions.iter().filter(|row| &row["seq"] == seq);
        assert!(at_it.all(|row| &row["action"] == direction), "{synergy:?}");
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
    let place = Place::new();
    deciding_run(&place);
    for record in RECORDS {
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

#[test]
fn the_values_of_matrices_are_z_scores_of_the_features_that_were_exported() {
    let place = Place::new();
    place.write("c.toml", DECIDING);
    // Two hours of one instrument: every cell is a row.
    let cut = "--symbols SYN1 --to 2024-01-08T02:00:00Z";
    place.json(&format!("run -c c.toml --source {SMALL} {cut} --journal J"));
    let table = |what: &str| csv(&place.run(&format!("journal export J {what} -o -")).out).1;
    let matrices = table("--record matrix");
    let values = table("--record matrix --values");
    let cells: u64 = matrices
        .iter()
        .map(|row| row["rows"].parse::<u64>().unwrap() * row["cols"].parse::<u64>().unwrap())
        .sum();
    assert_eq!(values.len() as u64, cells);
    // The newest row of the last fast matrix, column by column, from the exported features.
    let last = matrices.iter().rfind(|row| row["name"] == "5m").expect("a matrix");
    let features: Vec<Row> = table("--record indicator")
        .into_iter()
        .filter(|row| row["symbol"] == last["symbol"] && row["timeframe_s"] == "5")
        .filter(|row| row["seq"].parse::<u64>().unwrap() <= last["seq"].parse::<u64>().unwrap())
        .collect();
    let window = &features[features.len() - 60..];
    let mut compared = 0;
    for cell in values
        .iter()
        .filter(|row| row["seq"] == last["seq"] && row["name"] == "5m" && row["row"] == "59")
    {
        let known: Vec<f64> =
            window.iter().filter_map(|row| row[&cell["column"]].parse().ok()).collect();
        let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
        let squares: f64 = known.iter().map(|x| (x - mean) * (x - mean)).sum();
        let deviation = (squares / known.len().max(1) as f64).sqrt();
        let newest = window[59][&cell["column"]].parse::<f64>().unwrap_or(mean);
        let expected = if deviation > 0.0 { (newest - mean) / deviation } else { 0.0 };
        let value: f64 = cell["value"].parse().expect("a number");
        assert!((value - expected.clamp(-3.0, 3.0)).abs() < 1e-5, "{cell:?}: {expected}");
        compared += 1;
    }
    assert_eq!(compared, 7);
    let said = place.run("journal export J --record bar --values -o -");
    assert_eq!(said.code, Some(2), "{}", said.err);
}
