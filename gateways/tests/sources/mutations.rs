//! T17 on every decoder: valid files, changed in the ways that disks, networks and people change them. Every one
//! ends in records or in a problem with all its parts, never in a panic, and gives no more records than it can hold.
//!
//! `GRANDMODEL_MUTATIONS` says how many changed files are read in all, a million unless it is set;
//! `GRANDMODEL_SEED` where the random numbers begin. What is packed is changed before it is packed, and every fourth
//! time after it too: a checksum would hide the decoder from most of it.

use super::binance::{depth_line, snapshot_line, ticker_line, trade_line};
use super::dbn_files::{ESH1, Mapped, front};
use super::*;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Once;
use std::time::{Duration, Instant};
use zip::CompressionMethod;

/// Peak memory of the whole test process, some tests at a time: the largest unpacking window and pages are 128 MiB
/// each.
const MEMORY_MAX_KIB: u64 = 1 << 20;
/// A file slower than this, and than all before it, is kept: a few kilobytes that keep a reader busy.
const SLOW: Duration = Duration::from_millis(300);
/// Cases between two looks at it.
const LOOKED_AT: u64 = 32;
/// [`check_share`] is called so often.
const SUBJECTS: u64 = 25;
/// Every so many files are looked at without being told what they are, some 25,000 of a subject at most: one look costs as
/// much as a dozen readings.
const INSPECTED: u64 = 16;
const INSPECTED_MAX: u64 = 25_000;

/// A stream of random numbers (splitmix64).
pub struct Random(pub u64);

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

    fn range(&mut self, len: usize, longest: usize) -> std::ops::Range<usize> {
        let start = self.below(len);
        start..(start + 1 + self.below(longest)).min(len)
    }
}

/// One change of a file: of its bits, its lengths, its text, its lines, its numbers.
pub fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    const ODD: [u32; 6] = [u32::MAX, i32::MAX as u32, 0, 1, 0x8000_0000, 0x7fff_fff0];
    if bytes.is_empty() {
        return;
    }
    let at = random.below(bytes.len());
    let piece = random.range(bytes.len(), 80);
    match random.below(12) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.next() as u8,
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(piece)),
        4 => drop(bytes.splice(at..at, bytes[piece].to_vec())),
        5 => {
            let other = random.range(bytes.len(), 80);
            drop(bytes.splice(piece, bytes[other].to_vec()));
        }
        6 => {
            // A length or a count that is too large.
            let odd = ODD[random.below(ODD.len())].to_le_bytes();
            bytes[at..].iter_mut().zip(odd).for_each(|(byte, new)| *byte = new);
        }
        7 => bytes[at] = b"0123456789.,-+eE\n\r\"; \0\xff"[random.below(23)],
        8 => drop(bytes.splice(at..at, vec![random.next() as u8; random.below(40)])),
        9 => other_number(bytes, random),
        10 => other_lines(bytes, random),
        // Brackets within brackets.
        _ => {
            let what: &[u8] = [&b"["[..], b"{\"a\":", b"\"", b"\\"][random.below(4)];
            bytes.splice(at..at, what.repeat(1 + random.below(200)));
        }
    }
}

/// A digit that is another, or many.
fn other_number(bytes: &mut Vec<u8>, random: &mut Random) {
    const NUMBERS: [&[u8]; 8] =
        [b"0", b"9", b"-1", b"99999999999999999999", b"", b"1e9", b"18446744073709551615", b"NaN"];
    let from = random.below(bytes.len());
    let Some(at) = bytes[from..].iter().position(u8::is_ascii_digit) else { return };
    let number = NUMBERS[random.below(NUMBERS.len())];
    bytes.splice(from + at..=from + at, number.iter().copied());
}

/// Lines that change places and come again.
fn other_lines(bytes: &mut Vec<u8>, random: &mut Random) {
    let mut lines: Vec<Vec<u8>> = bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    let (a, b) = (random.below(lines.len()), random.below(lines.len()));
    lines.swap(a, b);
    let again = lines[a].clone();
    lines.insert(b, again);
    *bytes = lines.join(&b'\n');
}

/// What wraps the contents of a file.
pub type Pack<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

/// A valid file of a format.
pub struct Subject<'a> {
    /// As in `FORMAT:PATH`.
    pub format: &'a str,
    /// Names and contents; the last one is what the source is told to read.
    pub files: Vec<(&'a str, Vec<u8>)>,
    /// What wraps the contents on disk.
    pub pack: Pack<'a>,
    /// Declarations of the source.
    pub set: &'a dyn Fn(&mut SourceConfig),
}

/// As it stands.
pub fn plain(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// A folder in memory where there is one: a million files are written.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

fn catalog() -> Catalog {
    let share =
        |symbol: &str| InstrumentDef { symbol: symbol.to_string(), ..built_in("SPY").unwrap() };
    let coin = |symbol: &str| InstrumentDef { size_precision: 5, ..share(symbol) };
    let mut configured = ["SPY", "EURUSD", "BTC-USD", "AAPL", "ESH1"].map(share).to_vec();
    configured.extend(["BTCUSDT", "BTCUSDS"].map(coin));
    Catalog { configured, ..Catalog::default() }
}

/// Reads a source to its end: its records, or its problem. Panics where it gives more than `most`.
fn read(config: &SourceConfig, catalog: &Catalog, most: usize) -> Result<usize, Problem> {
    let Feed::Decoder(mut decoder) = gateways::open(config, catalog)?.feed else {
        panic!("records in memory")
    };
    let mut cell = InputCell::default();
    for count in 0..=most {
        if !decoder.next(&mut cell)? {
            return Ok(count);
        }
    }
    panic!("more records than the file can hold");
}

fn is_whole(problem: &Problem) {
    let parts = [&problem.what, &problem.place, &problem.fix];
    assert!(parts.iter().all(|part| !part.is_empty()), "{problem}");
}

/// What became of the changed files.
#[derive(Default, Debug)]
struct Outcome {
    well: u64,
    problems: u64,
    /// The longest that one file took, and which.
    slowest: (Duration, u64),
}

/// Changes the subject so often and gives each file to `reader`; the first that panics is kept and named.
fn hunt(
    subject: &Subject<'_>,
    count: u64,
    seed: u64,
    dir: &Path,
    reader: impl Fn(u64) -> Result<usize, Problem>,
) -> Result<Outcome, String> {
    // Some thousand in 10^8, which would hide one that is ours.
    static QUIET: Once = Once::new();
    QUIET.call_once(gateways::keep_quiet_of_contained_panics);
    let (mut outcome, mut random) = (Outcome::default(), Random(seed));
    // Kept open: to create them anew was a seventh of the time.
    let create = |name: &str| File::create(dir.join(name)).unwrap();
    let kept_open: Vec<File> = subject.files.iter().map(|(name, _)| create(name)).collect();
    let lay = |files: &[Vec<u8>]| {
        for (file, bytes) in kept_open.iter().zip(files) {
            file.set_len(bytes.len() as u64).unwrap();
            file.write_all_at(bytes, 0).unwrap();
        }
    };
    for case in 0..count {
        let mut files: Vec<_> = subject.files.iter().map(|(_, bytes)| bytes.clone()).collect();
        for _ in 0..=random.below(3) {
            let which = random.below(files.len());
            mutate(&mut files[which], &mut random);
        }
        for file in &mut files {
            *file = (subject.pack)(file);
            if random.below(4) == 0 {
                mutate(file, &mut random);
            }
        }
        lay(&files);
        let kept = std::env::temp_dir().join(format!("{}-{seed}-{case}", subject.format));
        let keep = || std::fs::write(&kept, files.concat());
        let began = Instant::now();
        let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| reader(case)));
        let took = (began.elapsed(), case);
        if took > outcome.slowest {
            outcome.slowest = took;
            if took.0 > SLOW {
                let _ = keep();
            }
        }
        match read {
            Ok(Ok(_)) => outcome.well += 1,
            Ok(Err(_)) => outcome.problems += 1,
            Err(_) => {
                let _ = keep();
                return Err(format!("case {case} of seed {seed} panics: {}", kept.display()));
            }
        }
        let peak = if case % LOOKED_AT == 0 { peak_memory_kib().unwrap_or(0) } else { 0 };
        if peak > MEMORY_MAX_KIB {
            let _ = keep();
            return Err(format!(
                "up to case {case} of seed {seed}: {peak} KiB: {}",
                kept.display()
            ));
        }
    }
    Ok(outcome)
}

fn peak_memory_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Reads so many changed files of one kind.
pub fn check(subject: &Subject<'_>, count: u64) {
    let dir = folder();
    let path = |name: &str| dir.path().join(name);
    let (format, (name, _)) = (subject.format, subject.files.last().unwrap());
    let mut config = config(&format!("{format}:{}", path(name).display()));
    (subject.set)(&mut config);
    let catalog = catalog();
    for (name, bytes) in &subject.files {
        std::fs::write(path(name), (subject.pack)(bytes)).unwrap();
    }
    let whole = read(&config, &catalog, 1_000_000);
    assert!(matches!(whole, Ok(1..)), "{format}: valid before it is changed: {whole:?}");
    if let Some(to) = std::env::var_os("GRANDMODEL_CORPUS") {
        keep(&PathBuf::from(to).join(format), &path(name));
    }
    let seed = setting("GRANDMODEL_SEED", 1);
    let began = Instant::now();
    let inspected = INSPECTED.max(count / INSPECTED_MAX);
    let outcome = hunt(subject, count, seed, dir.path(), |case| {
        if case.is_multiple_of(inspected) {
            let report = gateways::inspect::inspect(&path(name), &mut |_| {});
            report.map_or_else(|problem| is_whole(&problem), |report| drop(report.config));
            if format == "databento" {
                databento_damage::read_definitions(&path(name));
            }
        }
        read(&config, &catalog, 1_000_000).inspect_err(is_whole)
    });
    let Outcome { well, problems, slowest: (took, slowest) } =
        outcome.unwrap_or_else(|what| panic!("{format}: {what}"));
    let all = began.elapsed();
    println!(
        "{format} {name}: {well} well, {problems} problems, {all:?}; case {slowest} took {took:?}"
    );
    assert!(
        count < 1_000 || well > 0 && problems > 0,
        "{format}: the changes reach what they should"
    );
}

/// A subject's share of the changes that are made in all.
fn check_share(subject: &Subject<'_>) {
    check(subject, setting("GRANDMODEL_MUTATIONS", 1_000_000).div_ceil(SUBJECTS));
}

/// A seed for a fuzzer: `GRANDMODEL_CORPUS=DIR` writes one of every kind.
fn keep(dir: &Path, file: &Path) {
    std::fs::create_dir_all(dir).unwrap();
    let bytes = std::fs::read(file).unwrap();
    let name =
        format!("{:016x}", bytes.iter().fold(0_u64, |h, b| h.rotate_left(5) ^ u64::from(*b)));
    std::fs::write(dir.join(name), bytes).unwrap();
}

fn check_text(format: &str, name: &str, text: &str, set: &dyn Fn(&mut SourceConfig)) {
    check_share(&Subject { format, files: vec![(name, text.into())], pack: &plain, set });
}

#[test]
fn changed_files_of_lean_end_in_records_or_a_problem() {
    let lean = |format: &str, entry: &str, text: &str| {
        let pack = |bytes: &[u8]| zip_of(entry, bytes);
        let files = vec![("a.zip", text.as_bytes().to_vec())];
        check_share(&Subject { format, files, pack: &pack, set: &|_| {} });
    };
    let trades = "14400001,1690000,100,P,0,0\n14400005,1690100,1,Q,80,1\n".repeat(20);
    lean("lean-trade", "20131007_spy_Trade_Tick.csv", &trades);
    let quotes = "14400054,0,0,1836300,100,Q,1,0\n14400241,1800100,300,0,0,P,1,0\n".repeat(20);
    lean("lean-quote", "20131007_spy_Quote_Tick.csv", &quotes);
    let forex = "292,1.38676,1.38686\n920,1.38676,1.38687\n".repeat(20);
    lean("lean-quote", "20140501_eurusd_tick_quote.csv", &forex);
    let bars = "0,1676.5,1677,1676.25,1676.75,9\n60000,1676.5,1677,1676.25,1676.75,9\n".repeat(9);
    lean("lean-bar", "20131007_es_minute_trade_201312.csv", &bars);
    let quotes = "0,,,,,0,1670,1671,1669,1670.25,44\n".repeat(5);
    lean("lean-bar", "20131007_es_minute_quote_201312.csv", &quotes);
}

/// What packs into frames without a content size: they name the window that a change may enlarge.
fn zstd_packer() -> RefCell<zstd::bulk::Compressor<'static>> {
    let mut packer = zstd::bulk::Compressor::new(1).unwrap();
    packer.include_contentsize(false).unwrap();
    RefCell::new(packer)
}

/// A zip with one file, every fourth of them packed: to set up a packer costs as much as to read the file.
fn zip_of(name: &str, bytes: &[u8]) -> Vec<u8> {
    let packed = bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>().is_multiple_of(4);
    let method = if packed { CompressionMethod::Deflated } else { CompressionMethod::Stored };
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(name, SimpleFileOptions::default().compression_method(method)).unwrap();
    zip.write_all(bytes).unwrap();
    zip.finish().unwrap().into_inner()
}

#[test]
fn changed_files_of_rows_end_in_records_or_a_problem() {
    let bars = "Timestamp,Open,High,Low,Close,Volume\n29/06/2020 01:00:00,1,2,1,2,5\n\
                1/7/2020 1:30,1,2,1,2,5\n";
    let set = |config: &mut SourceConfig| {
        let columns = every_file::bar_columns();
        config.columns = Some(Columns { symbol: Some("SPY".to_string()), ..columns });
    };
    let zipped = |bytes: &[u8]| zip_of("a.csv", bytes);
    let packer = zstd_packer();
    let zstd = |bytes: &[u8]| packer.borrow_mut().compress(bytes).unwrap();
    let packings: [Pack<'_>; 4] = [&plain, &csv::gzip, &zstd, &zipped];
    for pack in packings {
        let files = vec![("a.csv", bars.as_bytes().to_vec())];
        check_share(&Subject { format: "csv", files, pack, set: &set });
    }
}

#[test]
fn changed_files_of_vendors_end_in_records_or_a_problem() {
    let check = |format: &str, name: &str, text: &str| {
        check_text(format, name, text, &|config: &mut SourceConfig| {
            config.price_scale = Some("0.000000001".to_string());
        });
    };
    let head = "exchange,symbol,timestamp,local_timestamp";
    let row = "h,BTC-USD,1585699200245000,1585699200355684";
    check("tardis", "a", &format!("{head},id,side,price,amount\n{row},x,buy,6421.5,18640\n"));
    let book = format!("{head},is_snapshot,side,price,amount\n{row},true,ask,6421.5,18640\n");
    check("tardis", "a", &book);
    check("kraken", "SPY.csv", "1672531436,90.540000,1\n1672531437,90.540000,0\n");
    let trade = "26129,0.01633102,4,27781,27781,1498793709153,true,true\n";
    check("binance-vision", "BTCUSDT-aggTrades-2024-12.csv", trade);
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
    use ::parquet::basic::{Compression, Encoding};
    use ::parquet::file::properties::WriterVersion;
    let packings = [
        (Compression::UNCOMPRESSED, WriterVersion::PARQUET_1_0, None),
        (Compression::UNCOMPRESSED, WriterVersion::PARQUET_2_0, Some(Encoding::DELTA_BYTE_ARRAY)),
        (Compression::LZ4, WriterVersion::PARQUET_1_0, Some(Encoding::DELTA_LENGTH_BYTE_ARRAY)),
    ];
    for (packing, version, texts) in packings {
        let properties = parquet::packed(packing, version, texts)
            .set_data_page_row_count_limit(20)
            .set_write_batch_size(10)
            .build();
        let groups = [parquet::trades_of(0..40), parquet::trades_of(40..50)];
        let bytes = parquet::file(parquet::TRADES, properties, &groups);
        let set = |config: &mut SourceConfig| config.columns = Some(parquet::columns());
        let files = vec![("a.parquet", bytes)];
        check_share(&Subject { format: "parquet", files, pack: &plain, set: &set });
    }
}

#[test]
fn changed_lines_of_binance_end_in_records_or_a_problem() {
    let mut text = String::new();
    for n in 0..12 {
        let i = n as i64;
        write!(text, "{}", trade_line(n, 100 + n, "61685.99000000", n % 2 == 0)).unwrap();
        write!(text, "{}", ticker_line(n, 2 * n + 1, "61685.99000000", "61686.00000000")).unwrap();
        let (bids, asks) = ([(100 + i % 7, i % 5), (90, 1)], [(110 + i % 3, i % 4)]);
        write!(text, "{}", depth_line(n, (3 * n, 3 * n + 2), &bids, &asks)).unwrap();
        if n % 15 == 7 {
            write!(text, "{}", snapshot_line(n, 3 * n, &bids, &asks)).unwrap();
        }
    }
    let packings: [Pack<'_>; 2] = [&plain, &csv::gzip];
    for pack in packings {
        let files = vec![("a", text.as_bytes().to_vec())];
        check_share(&Subject { format: "binance-jsonl", files, pack, set: &|_| {} });
    }
}

#[test]
fn changed_files_of_lobster_end_in_records_or_a_problem() {
    let (mut messages, mut book) = (String::new(), String::new());
    for n in 0..30 {
        let kind = 1 + n % 7;
        let price = if kind == 7 { -1 } else { 5_853_300 };
        writeln!(messages, "{}.01,{kind},{n},{},{price},1", 34_200 + n, n % 50).unwrap();
        let ask = 5_859_400 + n % 3 * 100;
        writeln!(book, "{ask},7,5853300,{},9999999999,0,5853200,{}", 1 + n % 4, 1 + n % 3).unwrap();
    }
    let names = ["orderbook", "message"].map(|kind| lobster::file("AAPL", "2012-06-21", kind, 2));
    let files = vec![(&*names[0], book.into_bytes()), (&*names[1], messages.clone().into())];
    check_share(&Subject { format: "lobster", files, pack: &plain, set: &|_| {} });
    check_text("lobster", &names[1], &messages, &|_| {});
}

#[test]
fn changed_files_of_databento_end_in_records_or_a_problem() {
    let set = |config: &mut SourceConfig| {
        for id in [0, ESH1] {
            config.rename.insert(id.to_string(), "ESH1".into());
        }
        config.symbols = vec!["ESH1".to_string()];
    };
    let packer = zstd_packer();
    let zstd = |bytes: &[u8]| packer.borrow_mut().compress(bytes).unwrap();
    for kind in 0..4 {
        let mut bytes = databento_damage::mixture(kind);
        let pack: Pack<'_> = if kind == 2 { &zstd } else { &plain };
        if kind == 3 {
            // Only the front: lengths and counts of the metadata.
            bytes = front(3, dbn::Schema::Trades, &[Mapped(ESH1, "ESH1", 0..1)]);
            bytes.extend(databento_damage::prints(2));
        }
        check_share(&Subject { format: "databento", files: vec![("a", bytes)], pack, set: &set });
    }
}

#[test]
fn every_subject_has_its_share_of_the_million() {
    // LEAN, rows, vendors, Parquet, Binance, LOBSTER, Databento.
    assert_eq!(5 + 4 + 5 + 3 + 2 + 2 + 4, SUBJECTS);
}

#[test]
fn a_reader_that_trusts_its_file_is_caught() {
    let dir = folder();
    let text = "14400001,1690000,100,P,0,0\n14400005,1690100,1,Q,80,1\n".repeat(20);
    let files = vec![("a.csv", text.into_bytes())];
    let subject = Subject { format: "trusting", files, pack: &plain, set: &|_| {} };
    let trusting = |_| {
        let text = std::fs::read_to_string(dir.path().join("a.csv")).unwrap_or_default();
        let prices = text.lines().filter_map(|line| line.split(',').nth(1)?.parse::<u64>().ok());
        // The product of two 20-digit numbers is seen as what it is by nobody who does not check.
        let scaled: Vec<u64> =
            prices.map(|price| price.checked_mul(100_000).expect("a price")).collect();
        Ok(scaled.len())
    };
    let found = hunt(&subject, 20_000, 1, dir.path(), trusting).unwrap_err();
    assert!(found.contains("panics"), "{found}");
}
