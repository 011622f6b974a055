//! Valid files, changed in the ways that disks, networks and people change them: every one ends in
//! records or in a problem, never in a panic, and takes no more memory than a bound.
//!
//! `GRANDMODEL_MUTATIONS` says how many changed files of each kind are read, `GRANDMODEL_SEED` where
//! the random numbers begin.

use super::*;

/// Peak memory of the whole test process: the largest unpacking window and pages are 128 MiB each.
const MEMORY_MAX_KIB: u64 = 1 << 20;

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// A stream of random numbers (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// One change of a file.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    const ODD: [u32; 6] = [u32::MAX, i32::MAX as u32, 0, 1, 0x8000_0000, 0x7fff_fff0];
    let at = random.below(bytes.len());
    let end = (at + 1 + random.below(64)).min(bytes.len());
    match random.below(9) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.next() as u8,
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..end)),
        4 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
        5 => {
            let from = random.below(bytes.len());
            let piece = bytes[from..(from + end - at).min(bytes.len())].to_vec();
            bytes.splice(at..end, piece);
        }
        6 => {
            // A length or a count that is too large.
            let odd = ODD[random.below(ODD.len())].to_le_bytes();
            for (byte, new) in bytes[at..].iter_mut().zip(odd) {
                *byte = new;
            }
        }
        7 => {
            let new = b"0123456789.,-+eE\n\r\"; \0\xff"[random.below(23)];
            bytes[at] = new;
        }
        _ => drop(bytes.splice(at..at, vec![random.next() as u8; random.below(40)])),
    }
}

/// Reads a file to its end, or to more records than it can hold.
fn read(config: &SourceConfig, catalog: &Catalog) -> Option<Problem> {
    let source = match gateways::open(config, catalog) {
        Ok(source) => source,
        Err(problem) => return Some(problem),
    };
    let Feed::Decoder(mut decoder) = source.feed else { panic!("records in memory") };
    let mut cell = InputCell::default();
    for _ in 0..1_000_000 {
        match decoder.next(&mut cell) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(problem) => return Some(problem),
        }
    }
    panic!("more records than the file can hold");
}

fn peak_memory_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Reads changed files of one kind.
pub fn check(format: &str, name: &str, valid: &[u8], usual: u64, set: impl Fn(&mut SourceConfig)) {
    let dir = tempfile::tempdir().unwrap();
    let spec = write(dir.path(), format, name, valid);
    let mut config = config(&spec);
    set(&mut config);
    let instrument =
        |symbol: &str| InstrumentDef { symbol: symbol.to_string(), ..built_in("SPY").unwrap() };
    let catalog = Catalog {
        configured: ["SPY", "EURUSD", "BTC-USD", "BTCUSDT"].map(instrument).to_vec(),
        ..Catalog::default()
    };
    assert_eq!(read(&config, &catalog), None, "{format}: the file is valid before it is changed");
    let count = setting("GRANDMODEL_MUTATIONS", usual);
    let seed = setting("GRANDMODEL_SEED", 1);
    let (mut whole, mut random) = (0, Random(seed));
    for case in 0..count {
        let mut bytes = valid.to_vec();
        for _ in 0..=random.below(3) {
            if !bytes.is_empty() {
                mutate(&mut bytes, &mut random);
            }
        }
        std::fs::write(dir.path().join(name), &bytes).unwrap();
        let outcome = std::panic::catch_unwind(|| read(&config, &catalog));
        match outcome {
            Ok(None) => whole += 1,
            Ok(Some(problem)) => {
                let parts = [&problem.what, &problem.place, &problem.fix];
                assert!(parts.iter().all(|part| !part.is_empty()), "{problem}");
            }
            Err(_) => {
                let kept = std::env::temp_dir().join(format!("grandmodel-{format}-{seed}-{case}"));
                std::fs::write(&kept, &bytes).unwrap();
                panic!("{format}: case {case} of seed {seed} panics; kept as {}", kept.display());
            }
        }
    }
    if let Some(peak) = peak_memory_kib() {
        assert!(peak < MEMORY_MAX_KIB, "{format}: {peak} KiB");
    }
    println!("{format}: {count} changed files, {whole} still whole");
}

#[test]
fn changed_files_of_lean_end_in_records_or_a_problem() {
    let quotes = "14400054,0,0,1836300,100,Q,1,0\n14400241,1800100,300,0,0,P,1,0\n".repeat(20);
    let zip = zip_bytes(&[("20131007_ibm_Quote_Tick.csv", &quotes)]);
    check("lean-quote", "a.zip", &zip, 300, |_| {});
    let forex = "292,1.38676,1.38686\n920,1.38676,1.38687\n".repeat(20);
    let zip = zip_bytes(&[("20140501_eurusd_tick_quote.csv", &forex)]);
    check("lean-quote", "a.zip", &zip, 300, |_| {});
    let mut stored = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, row) in [
        ("20131007_es_minute_trade_201312.csv", &b"0,1676.5,1677,1676.25,1676.75,9\n"[..]),
        ("20131007_es_minute_quote_201312.csv", b"0,,,,,0,1670,1671,1669,1670.25,44\n"),
    ] {
        stored.start_file(name, options).unwrap();
        stored.write_all(row).unwrap();
    }
    check("lean-bar", "a.zip", &stored.finish().unwrap().into_inner(), 300, |_| {});
}

#[test]
fn changed_files_of_rows_end_in_records_or_a_problem() {
    let bars = "Timestamp,Open,High,Low,Close,Volume\n29/06/2020 01:00:00,1,2,1,2,5\n\
                1/7/2020 1:30,1,2,1,2,5\n"
        .replace("NQ", "SPY");
    let set = |config: &mut SourceConfig| {
        let columns = every_file::bar_columns();
        config.columns = Some(Columns { symbol: Some("SPY".to_string()), ..columns });
    };
    check("csv", "a.csv", bars.as_bytes(), 300, set);
    check("csv", "a.csv.gz", &csv::gzip(bars.as_bytes()), 300, set);
    check("csv", "a.csv.zst", &zstd::encode_all(bars.as_bytes(), 3).unwrap(), 300, set);
    check("csv", "a.csv.zip", &zip_bytes(&[("a.csv", &bars)]), 300, set);
}

#[test]
fn changed_files_of_vendors_end_in_records_or_a_problem() {
    let check = |format: &str, name: &str, text: &str| {
        check(format, name, text.as_bytes(), 300, |config| {
            config.price_scale = Some("0.000000001".to_string());
        });
    };
    let head = "exchange,symbol,timestamp,local_timestamp";
    let row = "h,BTC-USD,1585699200245000,1585699200355684";
    check("tardis", "a", &format!("{head},id,side,price,amount\n{row},x,buy,6421.5,18640\n"));
    check(
        "tardis",
        "a",
        &format!("{head},is_snapshot,side,price,amount\n{row},true,ask,6421.5,18640\n"),
    );
    check("kraken", "SPY.csv", "1672531436,90.540000,1\n1672531437,90.540000,0\n");
    check(
        "binance-vision",
        "BTCUSDT-aggTrades-2024-12.csv",
        "26129,0.01633102,4,27781,27781,1498793709153,true,true\n",
    );
    check(
        "databento-csv",
        "a.csv",
        "ts_event,rtype,instrument_id,open,high,low,close,volume,symbol\n\
         1609160400000000000,33,5482,372025000000000,372050000000000,372000000000000,\
         372050000000000,353,SPY\n",
    );
}

#[test]
fn changed_files_of_parquet_end_in_records_or_a_problem() {
    use ::parquet::basic::Compression;
    use ::parquet::file::properties::WriterProperties;
    for packing in [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::LZ4_RAW] {
        let properties = WriterProperties::builder()
            .set_compression(packing)
            .set_data_page_row_count_limit(20)
            .set_write_batch_size(10)
            .build();
        let groups = [parquet::trades_of(0..40), parquet::trades_of(40..50)];
        let bytes = parquet::file(parquet::TRADES, properties, &groups);
        check("parquet", "a.parquet", &bytes, 300, |config| {
            config.columns = Some(parquet::columns());
        });
    }
}
