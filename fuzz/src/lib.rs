//! What the fuzz targets share: bytes as a file, read to its end.

use engine::instrument::{Catalog, InstrumentDef, built_in};
use engine::source::{Column, Columns, Feed, SourceConfig, TimeUnit};
use ringbuf_layout::InputCell;
use std::path::PathBuf;
use std::sync::OnceLock;

/// More records than any file of the fuzzer can hold.
const RECORDS_MAX: u64 = 10_000_000;

/// A folder in memory, of this process.
pub fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        // The fuzzer's hook aborts at every panic, and would at one that is contained (`parquet` has asserts on what
        // files say).
        gateways::keep_quiet_of_contained_panics();
        let folder = PathBuf::from(format!("/dev/shm/grandmodel-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("Condition failed: /dev/shm can be written");
        folder
    })
}

/// The instruments that the seeds name.
pub fn catalog() -> Catalog {
    let share = |symbol: &str| InstrumentDef {
        symbol: symbol.to_string(),
        ..built_in("SPY").expect("Invariant: SPY is built in")
    };
    let mut configured = ["SPY", "EURUSD", "BTC-USD", "AAPL", "ESH1"].map(share).to_vec();
    configured.push(InstrumentDef { size_precision: 5, ..share("BTCUSDT") });
    Catalog { configured, ..Catalog::default() }
}

/// Columns of trades: `time`, `price`, `amount`, of SPY.
pub fn trade_columns() -> Columns {
    let columns = [("ts_event", "time"), ("price", "price"), ("size", "amount")];
    let column = |(field, name): (&str, &str)| (field.to_string(), Column::Name(name.to_string()));
    Columns {
        columns: columns.map(column).to_vec(),
        symbol: Some("SPY".to_string()),
        ts_unit: TimeUnit::Nanoseconds,
        header: true,
        delimiter: b',',
        zone: "UTC".to_string(),
        ts_formats: Vec::new(),
        price_scale: "1".to_string(),
        stamp: None,
        timeframe_s: None,
    }
}

/// Writes the bytes under this name and reads them as a source to their end. An error must have all its parts.
pub fn read(format: &str, name: &str, bytes: &[u8], set: impl Fn(&mut SourceConfig)) {
    let path = folder().join(name);
    std::fs::write(&path, bytes).expect("Condition failed: /dev/shm has room");
    let mut config = SourceConfig::of(&format!("{format}:{}", path.display()));
    set(&mut config);
    let opened = gateways::open(&config, &catalog());
    let problem = match opened {
        Err(problem) => problem,
        Ok(source) => {
            let Feed::Decoder(mut decoder) = source.feed else { panic!("records in memory") };
            let mut cell = InputCell::default();
            let mut records = 0;
            loop {
                match decoder.next(&mut cell) {
                    Ok(true) => records += 1,
                    Ok(false) => return,
                    Err(problem) => break problem,
                }
                assert!(records < RECORDS_MAX, "more records than the file can hold");
            }
        }
    };
    let parts = [&problem.what, &problem.place, &problem.fix];
    assert!(parts.iter().all(|part| !part.is_empty()), "{problem}");
}

/// A zip with one file.
pub fn zipped(name: &str, bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored);
    let written = zip.start_file(name, stored).and_then(|()| Ok(zip.write_all(bytes)?));
    written.and_then(|()| zip.finish()).expect("Invariant: memory takes all").into_inner()
}
