//! `parquet`: every type that a column can have, row groups, and every packing, written here.

use super::*;
use ::parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel};
use ::parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DoubleType, FloatType, Int32Type, Int64Type,
};
use ::parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;
use ::parquet::schema::types::ColumnPath;
use ringbuf_layout::Price;
use std::sync::Arc;

/// Values of a column, `None` where one is missing.
pub enum Values {
    Int32(Vec<Option<i32>>),
    Int64(Vec<Option<i64>>),
    Double(Vec<Option<f64>>),
    Float(Vec<Option<f32>>),
    Bool(Vec<Option<bool>>),
    Text(Vec<Option<&'static str>>),
}

/// A file of this schema with a row group of each of `groups`.
pub fn file(schema: &str, properties: WriterProperties, groups: &[Vec<Values>]) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties.into()).unwrap();
    for group in groups {
        let mut rows = writer.next_row_group().unwrap();
        for values in group {
            let mut column = rows.next_column().unwrap().expect("a column");
            macro_rules! put {
                ($type:ty, $values:expr) => {{
                    let levels: Vec<i16> = $values.iter().map(|v| i16::from(v.is_some())).collect();
                    let present: Vec<_> = $values.iter().flatten().cloned().collect();
                    column.typed::<$type>().write_batch(&present, Some(&levels), None).unwrap();
                }};
            }
            match values {
                Values::Int32(v) => put!(Int32Type, v),
                Values::Int64(v) => put!(Int64Type, v),
                Values::Double(v) => put!(DoubleType, v),
                Values::Float(v) => put!(FloatType, v),
                Values::Bool(v) => put!(BoolType, v),
                Values::Text(v) => {
                    let v: Vec<_> = v.iter().map(|text| text.map(ByteArray::from)).collect();
                    put!(ByteArrayType, v);
                }
            }
            column.close().unwrap();
        }
        rows.close().unwrap();
    }
    writer.into_inner().unwrap()
}

pub const TRADES: &str = "message schema {
    optional int64 time (TIMESTAMP(MICROS,true));
    optional double price;
    optional double amount;
    optional binary side (UTF8);
    optional boolean note;
}";

/// Trades: one every millisecond of 2023.
pub fn trades_of(rows: std::ops::Range<i64>) -> Vec<Values> {
    let price = |i: i64| (100 + i % 977) as f64 / 1_000.0;
    vec![
        Values::Int64(rows.clone().map(|i| Some(1_672_531_200_000_000 + i * 1_000)).collect()),
        Values::Double(rows.clone().map(|i| Some(price(i))).collect()),
        Values::Double(rows.clone().map(|i| Some((1 + i % 5) as f64)).collect()),
        Values::Text(rows.clone().map(|i| Some(["buy", "sell"][i as usize % 2])).collect()),
        Values::Bool(rows.map(|i| (i % 3 > 0).then_some(true)).collect()),
    ]
}

/// Columns of [`TRADES`].
pub fn columns() -> Columns {
    let mut columns = csv::columns("price side");
    for (field, name) in [("ts_event", "time"), ("size", "amount")] {
        columns.columns.push((field.to_string(), Column::Name(name.to_string())));
    }
    columns.ts_unit = TimeUnit::Typed;
    columns
}

fn open_bytes(columns: Columns, bytes: &[u8]) -> (tempfile::TempDir, Result<Source, Problem>) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(&write(dir.path(), "parquet", "a.parquet", bytes));
    config.columns = Some(columns);
    let source = gateways::open(&config, &Catalog::default());
    (dir, source)
}

fn read(columns: Columns, bytes: &[u8]) -> (Vec<InputCell>, Option<Problem>) {
    let (_dir, source) = open_bytes(columns, bytes);
    drain(source.unwrap())
}

fn refused(columns: Columns, bytes: &[u8]) -> Problem {
    open_bytes(columns, bytes).1.unwrap_err()
}

/// Properties of a file whose texts are packed so; by a dictionary without an encoding.
pub fn packed(
    packing: Compression,
    version: WriterVersion,
    texts: Option<Encoding>,
) -> WriterPropertiesBuilder {
    let properties =
        WriterProperties::builder().set_compression(packing).set_writer_version(version);
    let Some(texts) = texts else { return properties };
    let side = ColumnPath::from("side");
    let properties = properties.set_column_dictionary_enabled(side.clone(), false);
    properties.set_column_encoding(side, texts)
}

#[test]
fn rows_of_every_packing_and_page_version_are_the_same_exact_trades() {
    let packings = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
    ];
    let versions = [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0];
    let texts = [None, Some(Encoding::DELTA_LENGTH_BYTE_ARRAY), Some(Encoding::DELTA_BYTE_ARRAY)];
    for packing in packings {
        for (version, texts) in versions.into_iter().flat_map(|v| texts.map(|text| (v, text))) {
            let properties = packed(packing, version, texts)
                .set_data_page_row_count_limit(100)
                .set_write_batch_size(10)
                .build();
            let groups = [trades_of(0..2_500), trades_of(2_500..2_500), trades_of(2_500..3_000)];
            let bytes = file(TRADES, properties, &groups);
            let (_dir, source) = open_bytes(columns(), &bytes);
            let source = source.unwrap();
            assert_eq!(source.records_hint, Some(3_000));
            let trades = trades(source);
            assert_eq!(trades.len(), 3_000, "{packing:?} {texts:?}");
            for (i, trade) in (0..).zip(&trades) {
                // A thousandth is none in binary, and is one again as a price.
                assert_eq!(trade.price, Price((100 + i % 977) * 1_000_000), "{i}");
                let ts = 1_672_531_200_000_000_000 + i * 1_000_000;
                assert_eq!((trade.head.ts_event, trade.size.0), (ts, 1 + i % 5));
                assert_eq!(i64::from(trade.tail.side), 1 + i % 2);
            }
        }
    }
}

#[test]
fn a_float_that_no_price_holds_is_named_by_its_row() {
    let bytes = file(
        TRADES,
        WriterProperties::default(),
        &[vec![
            Values::Int64(vec![Some(1_672_531_200_000_000); 2]),
            Values::Double(vec![Some(0.3), Some(0.1 + 0.2)]),
            Values::Double(vec![Some(1.0); 2]),
            Values::Text(vec![Some(""), Some("")]),
            Values::Bool(vec![None; 2]),
        ]],
    );
    let (cells, problem) = read(columns(), &bytes);
    assert_eq!(cells.len(), 1);
    assert_eq!(cells[0].get::<Trade>().unwrap().price, Price(300_000_000));
    check_problem(&problem.unwrap(), "`0.30000000000000004`", "row 2, column price", "correct");
}

#[test]
fn missing_values_and_nan_are_absent_sides() {
    let schema = "message schema {
        optional int64 ts (TIMESTAMP(NANOS,true));
        optional double bid;
        optional float ask;
        optional int32 bid_size (INTEGER(32,false));
        optional int64 ask_size;
    }";
    let bytes = file(
        schema,
        WriterProperties::default(),
        &[vec![
            Values::Int64(vec![Some(1_672_531_200_000_000_001); 3]),
            Values::Double(vec![Some(10.25), None, Some(f64::NAN)]),
            Values::Float(vec![Some(10.3), Some(10.3), None]),
            Values::Int32(vec![Some(-1), None, None]),
            Values::Int64(vec![Some(4), Some(4), None]),
        ]],
    );
    let mut columns = csv::columns("bid ask bid_size ask_size");
    columns.columns.push(("ts_event".to_string(), Column::Name("ts".to_string())));
    columns.ts_unit = TimeUnit::Typed;
    let (cells, problem) = read(columns, &bytes);
    assert_eq!(problem, None);
    let got: Vec<_> =
        cells.iter().map(quote).map(|q| (q.bid, q.ask, q.bid_size.0, q.ask_size.0)).collect();
    let (bid, ask, none) = (Price(10_250_000_000), Price(10_300_000_000), Price::UNDEFINED);
    let expected = [(bid, ask, 4_294_967_295, 4), (none, ask, 0, 4), (none, none, 0, 0)];
    assert_eq!(got, expected);
    assert_eq!(cells[0].head().ts_event, 1_672_531_200_000_000_001);
}

#[test]
fn decimals_and_wall_clocks_are_read_by_their_types() {
    let schema = "message schema {
        required int64 ts (TIMESTAMP(MILLIS,false));
        required int64 price (DECIMAL(18,5));
        required int32 size (DECIMAL(9,0));
        required group inner { required binary side (UTF8); }
    }";
    let bytes = file(
        schema,
        WriterProperties::default(),
        &[vec![
            Values::Int64(vec![Some(1_381_132_800_000)]),
            Values::Int64(vec![Some(-123_456_789)]),
            Values::Int32(vec![Some(7)]),
            Values::Text(vec![Some("b")]),
        ]],
    );
    let mut columns = csv::columns("price size");
    for (field, name) in [("ts_event", "ts"), ("side", "inner.side")] {
        columns.columns.push((field.to_string(), Column::Name(name.to_string())));
    }
    columns.ts_unit = TimeUnit::Typed;
    let check = |zone: &str, expected: &str| {
        let columns = Columns { zone: zone.to_string(), ..columns.clone() };
        let (cells, problem) = read(columns, &bytes);
        assert_eq!(problem, None);
        let trade = cells[0].get::<Trade>().unwrap();
        assert_eq!(trade.head.ts_event, ns(expected));
        assert_eq!((trade.price, trade.size.0), (Price(-1_234_567_890_000), 7));
        assert_eq!(trade.tail.side, 1);
    };
    check("UTC", "2013-10-07T08:00:00Z");
    check("America/New_York", "2013-10-07T12:00:00Z");
}

#[test]
fn the_unit_of_a_time_is_said_once() {
    let bytes = file(TRADES, WriterProperties::default(), &[trades_of(0..1)]);
    let declared = Columns { ts_unit: TimeUnit::Milliseconds, ..columns() };
    check_problem(&refused(declared, &bytes), "with its unit", "a.parquet", "take ts_unit out");
    let mut other = columns();
    other.columns[2].1 = Column::Name("amount".to_string());
    other.columns[3].1 = Column::Name("price".to_string());
    check_problem(&refused(other, &bytes), "without a unit", "a.parquet", "declare ts_unit");
    let mut absent = columns();
    absent.columns[0].1 = Column::Name("px".to_string());
    check_problem(&refused(absent, &bytes), "no `px`", "a.parquet", "`time`, `price`, `amount`");
    let text = config("parquet:a.parquet");
    let problem = gateways::open(&text, &Catalog::default()).unwrap_err();
    check_problem(&problem, "not declared", "parquet:a.parquet", "[source.columns]");
}

#[test]
fn a_list_is_no_field() {
    let schema = "message schema {
        required int64 time (TIMESTAMP(MICROS,true));
        required double price;
        required double amount;
        repeated binary side (UTF8);
    }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let bytes = writer.into_inner().unwrap();
    check_problem(&refused(columns(), &bytes), "no single values", "a.parquet", "declare a column");
}

#[test]
fn what_is_no_parquet_file_is_refused_and_a_cut_one_too() {
    let whole = file(TRADES, WriterProperties::default(), &[trades_of(0..100)]);
    for bytes in [&b""[..], b"PAR1", b"ts,price\n1,2\n", &whole[..whole.len() - 1]] {
        let problem = refused(columns(), bytes);
        check_problem(&problem, "not a whole parquet file", "a.parquet", "again");
    }
    let mut claims = whole;
    let at = claims.len() - 8;
    claims[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    check_problem(&refused(columns(), &claims), "4294967295 bytes", "a.parquet", "again");
}

/// A file as one begins and ends that is encrypted with its description.
pub fn encrypted() -> Vec<u8> {
    let mut bytes = file(TRADES, WriterProperties::default(), &[trades_of(0..100)]);
    let end = bytes.len() - 4;
    for at in [0, end] {
        bytes[at..at + 4].copy_from_slice(b"PARE");
    }
    bytes
}

#[test]
fn an_encrypted_file_is_said_to_be_so_and_not_damaged() {
    let problem = refused(columns(), &encrypted());
    check_problem(&problem, "encrypted", "a.parquet", "without encryption");
}

#[test]
fn of_a_file_with_encrypted_columns_the_others_are_read() {
    let mut bytes = file(TRADES, WriterProperties::default(), &[trades_of(0..100)]);
    // Before the byte that ends the description, a field 8 behind the last, 7: AES-GCM of no properties.
    let end = bytes.len() - 8;
    let length = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap());
    bytes.splice(end - 1..end - 1, [0x1c, 0x1c, 0, 0]);
    bytes[end + 4..end + 8].copy_from_slice(&(length + 4).to_le_bytes());
    let (rows, problem) = read(columns(), &bytes);
    assert_eq!((rows.len(), problem), (100, None));
    // The first page, of the time, as it could be encrypted.
    bytes[4..20].fill(0xee);
    let problem = read(columns(), &bytes).1.unwrap();
    check_problem(&problem, "column `time`", "a.parquet, row 1", "");
    assert!(problem.what.contains("or it is encrypted"), "{problem}");
}

/// Integers of 64 bits that are 100: of the file, of its row group, and of each column.
fn counts_of_100(bytes: &[u8]) -> Vec<usize> {
    let end = bytes.len() - 8;
    let footer = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
    (end - footer..end).filter(|at| bytes[*at..].starts_with(&[0x16, 0xc8, 0x01])).collect()
}

/// A file whose 100 rows are another number where it counts them, not where it counts values.
pub fn hundred_rows_said_to_be(number: [u8; 2]) -> Vec<u8> {
    let mut bytes = file(TRADES, WriterProperties::default(), &[trades_of(0..100)]);
    let counts = counts_of_100(&bytes);
    // The file's count stands before its row groups, a row group's behind its columns.
    for at in [counts[0], counts[counts.len() - 1]] {
        bytes[at + 1..at + 3].copy_from_slice(&number);
    }
    bytes
}

#[test]
fn counts_of_rows_that_contradict_each_other_are_a_problem_and_lose_no_row_in_silence() {
    let bytes = file(TRADES, WriterProperties::default(), &[trades_of(0..100)]);
    let counts = counts_of_100(&bytes);
    assert!(counts.len() >= 5, "{counts:?}");
    let mut contradictions = 0;
    for at in &counts {
        let mut less = bytes.clone();
        less[at + 1] = 0xc6;
        let (_dir, source) = open_bytes(columns(), &less);
        let (rows, problem) = source.map_or_else(|problem| (Vec::new(), Some(problem)), drain);
        assert!(problem.is_some() || rows.len() == 100, "{} rows and no problem", rows.len());
        contradictions += usize::from(problem.is_some());
    }
    assert!(contradictions >= 5, "{contradictions} of {counts:?}");
    // All of them say fewer than the pages hold: the rows that are said come, and then what is left over is named.
    let mut less = bytes;
    for at in &counts {
        less[at + 1] = 0xc6;
    }
    let (rows, problem) = read(columns(), &less);
    assert_eq!(rows.len(), 99);
    check_problem(&problem.unwrap(), "more values than its row group has rows", "a.parquet", "");
}

#[test]
fn a_page_header_with_lists_that_are_longer_than_the_file_is_refused_at_once() {
    let mut bytes = file(TRADES, WriterProperties::default(), &[trades_of(0..50)]);
    // The first page is a dictionary: behind the number of its values, a byte for less than 64, one more field, a
    // list of 2^31 - 1 doubles. Passed over one by one, beyond the end of the file, they would take minutes. Of booleans,
    // which take no byte, a hundred lists.
    let header = bytes[4..40].windows(2).position(|two| two == [0x4c, 0x15]);
    let behind = 4 + header.expect("the first page has a dictionary") + 3;
    let whole = bytes.clone();
    for lists in [[0x39, 0xf7].to_vec(), [0x39, 0xf1].repeat(100)] {
        let lists =
            lists.chunks(2).flat_map(|list| [list, &[0xff, 0xff, 0xff, 0xff, 0x07]].concat());
        bytes.clone_from(&whole);
        bytes.splice(behind..behind, lists);
        let (_dir, source) = open_bytes(columns(), &bytes);
        let problem = source.map(drain).map_or_else(Some, |(_, problem)| problem);
        let problem = problem.expect("the file is not whole");
        assert!(problem.what.contains("a page header is damaged"), "{problem}");
    }
}

#[test]
fn a_description_with_lists_of_what_takes_no_byte_is_refused_at_once() {
    let mut bytes = file(TRADES, WriterProperties::default(), &[trades_of(0..100)]);
    let end = bytes.len() - 8;
    let footer = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap());
    // In the place of the last byte, which ends the description: 1,000 lists of 2^31 - 1 booleans, half an hour.
    let lists = [0x19, 0xf2, 0xff, 0xff, 0xff, 0xff, 0x07].repeat(1_000);
    bytes.splice(end - 1..end - 1, lists);
    let end = bytes.len() - 8;
    bytes[end..end + 4].copy_from_slice(&(footer + 7_000).to_le_bytes());
    check_problem(&refused(columns(), &bytes), "its description is damaged", "a.parquet", "again");
}

#[test]
fn a_page_that_claims_gigabytes_is_refused_before_memory_is_taken() {
    let bytes = file(TRADES, WriterProperties::default(), &[trades_of(0..100)]);
    // Page headers begin with kind, unpacked size, packed size, each a field 0x15; the first page of
    // each declared column is made to claim 2 GiB - 1.
    let mut claims = bytes.clone();
    let mut patched = 0;
    let mut at = 4;
    while at + 8 < claims.len() && patched < 4 {
        let is_header = claims[at] == 0x15 && claims[at + 2] == 0x15 && claims[at + 1] <= 4;
        let long = claims[at + 3] & 0x80 != 0 && claims[at + 4] & 0x80 == 0;
        if is_header && long && claims[at + 5] == 0x15 {
            claims[at + 4] |= 0x80;
            claims.splice(at + 5..at + 5, [0xff, 0xff, 0x0f]);
            patched += 1;
            at += 8;
        }
        at += 1;
    }
    assert!(patched > 0);
    let (dir, source) = open_bytes(columns(), &claims);
    let problem = source.map(drain).map_or_else(Some, |(_, problem)| problem);
    drop(dir);
    let problem = problem.expect("the file is not whole");
    assert!(problem.what.contains("is said to have"), "{problem}");
}
