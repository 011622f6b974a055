//! What a decoder holds does not grow with its file: anonymous memory stays below 64 MiB above what the process had
//! before it was opened. A test binary of its own: nothing else runs in its process.
//!
//! `GRANDMODEL_INPUT_MB` says how large the contents are, 10 unless it is set; the promise is tested at 10 and 1,000.

use dbn::encode::DbnMetadataEncoder;
use engine::instrument::{Catalog, InstrumentDef, built_in};
use engine::source::{Column, Columns, Feed, SourceConfig, TimeUnit};
use ringbuf_layout::InputCell;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

const ALLOWED_KIB: u64 = 64 << 10;
/// Records between two looks at the memory.
const EVERY: u64 = 50_000;
const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_672_531_200 * SECOND;

fn anonymous_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a Linux /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("RssAnon");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

fn input_bytes() -> u64 {
    let set = std::env::var("GRANDMODEL_INPUT_MB").ok();
    set.map_or(10, |text| text.parse::<u64>().expect("GRANDMODEL_INPUT_MB is a number")) * 1_000_000
}

/// Lines made by `line` until they are so long.
fn lines(mut to: impl Write, head: &str, line: impl Fn(u64) -> String) {
    to.write_all(head.as_bytes()).unwrap();
    let (mut written, mut n) = (0, 0);
    while written < input_bytes() {
        let text = line(n);
        to.write_all(text.as_bytes()).unwrap();
        (written, n) = (written + text.len() as u64, n + 1);
    }
    to.flush().unwrap();
}

/// Reads it to its end: records, and the most memory above what was there before.
fn grows(config: &SourceConfig, catalog: &Catalog) -> (u64, u64) {
    let before = anonymous_kib();
    let source = gateways::open(config, catalog).unwrap_or_else(|problem| panic!("{problem}"));
    let Feed::Decoder(mut decoder) = source.feed else { panic!("records in memory") };
    let (mut cell, mut records, mut most) = (InputCell::default(), 0, anonymous_kib());
    while decoder.next(&mut cell).unwrap_or_else(|problem| panic!("{problem}")) {
        records += 1;
        if records % EVERY == 0 {
            most = most.max(anonymous_kib());
        }
    }
    (records, most.max(anonymous_kib()).saturating_sub(before))
}

fn check(format: &str, path: &Path, columns: Option<Columns>) {
    let share =
        |symbol: &str| InstrumentDef { symbol: symbol.to_string(), ..built_in("SPY").unwrap() };
    let coin = InstrumentDef { size_precision: 5, ..share("BTCUSDT") };
    let mut configured = ["SPY", "AAPL", "ESH1"].map(share).to_vec();
    configured.push(coin);
    let catalog = Catalog { configured, ..Catalog::default() };
    let config =
        SourceConfig { columns, ..SourceConfig::of(&format!("{format}:{}", path.display())) };
    let (records, grown) = grows(&config, &catalog);
    let length = std::fs::metadata(path).unwrap().len();
    println!(
        "{format} {}: {} MB, {length} bytes packed, {records} records, {grown} KiB",
        path.file_name().unwrap().display(),
        input_bytes() / 1_000_000
    );
    assert!(records > input_bytes() / 400, "{format}: {records} records");
    assert!(grown < ALLOWED_KIB, "{format}: {grown} KiB of anonymous memory");
    std::fs::remove_file(path).unwrap();
}

fn create(path: &Path) -> BufWriter<File> {
    BufWriter::new(File::create(path).unwrap())
}

fn trade_columns(ts: TimeUnit) -> Columns {
    let columns = [("ts_event", "ts"), ("price", "price"), ("size", "size")];
    let column = |(field, name): (&str, &str)| (field.to_string(), Column::Name(name.to_string()));
    Columns {
        columns: columns.map(column).to_vec(),
        symbol: Some("SPY".to_string()),
        ts_unit: ts,
        header: true,
        delimiter: b',',
        zone: "UTC".to_string(),
        ts_formats: Vec::new(),
        price_scale: "1".to_string(),
        stamp: None,
        timeframe_s: None,
    }
}

fn csv_row(n: u64) -> String {
    format!("{},{}.{:02},{}\n", START + n * 1_000_000, 100 + n % 17, n % 100, 1 + n * 7_919 % 977)
}

fn rows_in_every_packing(dir: &Path) {
    let head = "ts,price,size\n";
    let columns = || Some(trade_columns(TimeUnit::Nanoseconds));
    let plain = dir.join("a.csv");
    lines(create(&plain), head, csv_row);
    check("csv", &plain, columns());
    let packed = dir.join("a.csv.gz");
    let mut gzip = flate2::write::GzEncoder::new(create(&packed), flate2::Compression::fast());
    lines(&mut gzip, head, csv_row);
    gzip.finish().unwrap().flush().unwrap();
    check("csv", &packed, columns());
    let packed = dir.join("a.csv.zst");
    let mut zstd = zstd::Encoder::new(create(&packed), 1).unwrap();
    lines(&mut zstd, head, csv_row);
    zstd.finish().unwrap().flush().unwrap();
    check("csv", &packed, columns());
    // As large a window as is unpacked.
    let packed = dir.join("b.csv.zst");
    let mut zstd = zstd::Encoder::new(create(&packed), 1).unwrap();
    zstd.long_distance_matching(true).and_then(|()| zstd.window_log(25)).unwrap();
    lines(&mut zstd, head, csv_row);
    zstd.finish().unwrap().flush().unwrap();
    check("csv", &packed, columns());
    for (format, name, entry, head, row) in [
        ("csv", "a.csv.zip", "a.csv", head, csv_row as fn(u64) -> String),
        ("lean-trade", "b.zip", "20131007_spy_Trade_Tick.csv", "", |n| {
            format!("{},1{:06},{},P,0,0\n", 14_400_000 + n / 2_000, n % 977 * 100, 1 + n % 7)
        }),
        ("lean-quote", "c.zip", "20131007_spy_Quote_Tick.csv", "", |n| {
            let bid = 1_690_000 + n % 977 * 100;
            format!("{},{bid},1,{},2,Q,1,0\n", 14_400_000 + n / 2_000, bid + 100)
        }),
    ] {
        let path = dir.join(name);
        let mut zip = zip::ZipWriter::new(create(&path));
        let options = zip::write::SimpleFileOptions::default().large_file(true);
        zip.start_file(entry, options.compression_level(Some(1))).unwrap();
        lines(&mut zip, head, row);
        zip.finish().unwrap().flush().unwrap();
        check(format, &path, (format == "csv").then(|| trade_columns(TimeUnit::Nanoseconds)));
    }
}

fn parquet_row_groups_of_a_million(dir: &Path) {
    use ::parquet::data_type::{DoubleType, Int64Type};
    use ::parquet::file::writer::SerializedFileWriter;
    let schema =
        "message schema { required int64 ts; required double price; required double size; }";
    let schema = Arc::new(::parquet::schema::parser::parse_message_type(schema).unwrap());
    let path = dir.join("a.parquet");
    let mut writer = SerializedFileWriter::new(create(&path), schema, Arc::default()).unwrap();
    // 24 bytes a row, without the encodings.
    let rows = input_bytes() / 24;
    for from in (0..rows).step_by(1_000_000) {
        let range = from..rows.min(from + 1_000_000);
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let times: Vec<i64> = range.clone().map(|n| (START + n * 1_000_000) as i64).collect();
        column.typed::<Int64Type>().write_batch(&times, None, None).unwrap();
        column.close().unwrap();
        for modulus in [977, 89] {
            let mut column = group.next_column().unwrap().unwrap();
            let values: Vec<f64> =
                range.clone().map(|n| (100 + n * 7_919 % modulus) as f64).collect();
            column.typed::<DoubleType>().write_batch(&values, None, None).unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
    check("parquet", &path, Some(trade_columns(TimeUnit::Nanoseconds)));
}

fn databento_prints(dir: &Path) {
    let (path, mut n) = (dir.join("a.dbn.zst"), 0);
    let mut to = zstd::Encoder::new(create(&path), 1).unwrap();
    let front = |start, mappings| {
        dbn::Metadata::builder()
            .dataset("GLBX.MDP3")
            .schema(Some(dbn::Schema::Trades))
            .start(start)
            .stype_in(Some(dbn::SType::RawSymbol))
            .stype_out(dbn::SType::InstrumentId)
            .mappings(mappings)
            .build()
    };
    let date = |day: u64| front(START + day * 86_400 * SECOND, Vec::new()).start().date();
    let interval = dbn::MappingInterval {
        start_date: date(0),
        end_date: date(1_000),
        symbol: "1".to_string(),
    };
    let mapping = dbn::SymbolMapping { raw_symbol: "ESH1".to_string(), intervals: vec![interval] };
    DbnMetadataEncoder::new(&mut to).encode(&front(START, vec![mapping])).unwrap();
    while n * 48 < input_bytes() {
        let header = dbn::RecordHeader::new::<dbn::TradeMsg>(dbn::rtype::MBP_0, 1, 1, START + n);
        let mut trade = dbn::TradeMsg { hd: header, ..dbn::TradeMsg::default() };
        (trade.price, trade.size, trade.sequence) = (100 * SECOND as i64, 1, n as u32);
        (trade.ts_recv, trade.side, trade.action) = (START + n, b'A' as _, b'T' as _);
        to.write_all(trade.as_ref()).unwrap();
        n += 1;
    }
    to.finish().unwrap().flush().unwrap();
    check("databento", &path, None);
}

fn lines_of_binance_and_of_lobster(dir: &Path) {
    let path = dir.join("a.jsonl");
    lines(create(&path), "", |n| {
        let at = START / 1_000_000 + n;
        format!(
            "{} {{\"stream\":\"btcusdt@trade\",\"data\":{{\"e\":\"trade\",\"E\":{at},\
             \"s\":\"BTCUSDT\",\"t\":{n},\"p\":\"61685.99000000\",\"q\":\"0.00017000\",\"T\":{at},\
             \"m\":false,\"M\":true}}}}\n",
            at * 1_000_000
        )
    });
    check("binance-jsonl", &path, None);
    let path = dir.join("AAPL_2012-06-21_34200000_57600000_message_1.csv");
    lines(create(&path), "", |n| {
        format!("{}.{:09},4,{n},1,5853300,1\n", 34_200 + n / 2_000, n % 2_000 * 1_000)
    });
    check("lobster", &path, None);
}

#[test]
fn no_decoder_holds_more_than_64_mib_however_long_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    rows_in_every_packing(dir);
    parquet_row_groups_of_a_million(dir);
    databento_prints(dir);
    lines_of_binance_and_of_lobster(dir);
    // A reader that keeps its file is seen.
    let before = anonymous_kib();
    let kept = std::hint::black_box(vec![1_u8; 80 << 20]);
    assert!(anonymous_kib() - before > ALLOWED_KIB, "{}", kept.len());
    // A release build would not make it at all, were it not looked at.
    drop(std::hint::black_box(kept));
}
