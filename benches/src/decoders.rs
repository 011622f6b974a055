//! Records a second out of each file format, on one core, from files in the page cache.
//!
//! `cargo run --release -p benches --bin decoders [-- ROUNDS [FORMAT | SCHEMA…]]`
//!
//! Each format makes its file in a temporary folder (a real one is taken where its variable names it:
//! `GRANDMODEL_LEAN_ZIP`). The clock covers opening aside: first record to last. The floor beside each
//! figure is a copy with CRC32C of the file's bytes as they lie on the disk, read in the same round.

use dbn::encode::DbnMetadataEncoder;
use dbn::{
    BidAskPair, FlagSet, MappingInterval, MboMsg, Mbp1Msg, Mbp10Msg, Metadata, RecordHeader, SType,
    Schema, SymbolMapping, TradeMsg, rtype,
};
use engine::instrument::Catalog;
use engine::source::{Feed, SourceConfig};
use ringbuf_layout::InputCell;
use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Noon of 2020-12-28, ns UTC.
const NOON: u64 = 1_609_156_800_000_000_000;
/// Instruments of a DBN file, one after another.
const INSTRUMENTS: [(u32, &str); 4] = [(5_482, "ESH1"), (5_483, "NQH1"), (77, "GCG1"), (9, "CLG1")];

/// A format: its name in `FORMAT:PATH`, what is measured of it, and how its file is made.
struct Measured {
    format: &'static str,
    what: &'static str,
    make: fn(&Path) -> Result<PathBuf>,
}

/// Every format that is measured.
const FORMATS: [Measured; 6] = [
    Measured {
        format: "databento",
        what: "trades",
        make: |dir| dbn_file(dir, "trades", 4_000_000),
    },
    Measured { format: "databento", what: "mbp-1", make: |dir| dbn_file(dir, "mbp-1", 4_000_000) },
    Measured { format: "databento", what: "mbp-10", make: |dir| dbn_file(dir, "mbp-10", 500_000) },
    Measured { format: "databento", what: "mbo", make: |dir| dbn_file(dir, "mbo", 2_000_000) },
    Measured { format: "databento", what: "trades.zst", make: packed_trades },
    Measured { format: "lean-trade", what: "a share's prints", make: lean_zip },
];

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let rounds: usize = arguments.next().map_or(Ok(3), |text| text.parse())?;
    let wanted: Vec<String> = arguments.collect();
    let dir = tempfile::tempdir()?;
    println!("machine  {}", engine::runtime::host::machine());
    println!("load     {}", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    println!("one core, {rounds} rounds, the median of each; files in {}", dir.path().display());
    println!(
        "\n{:<12}{:<18}{:>10}{:>10}{:>12}{:>12}{:>12}{:>12}",
        "format", "of", "records", "inputs", "M records/s", "ns/record", "floor ns", "best M/s"
    );
    for measured in &FORMATS {
        let is_meant = |name: &String| *name == measured.format || *name == measured.what;
        if wanted.is_empty() || wanted.iter().any(is_meant) {
            measure(measured, dir.path(), rounds)?;
        }
    }
    Ok(())
}

fn measure(measured: &Measured, dir: &Path, rounds: usize) -> Result<()> {
    let path = (measured.make)(dir)?;
    let spec = format!("{}:{}", measured.format, path.display());
    let bytes = std::fs::metadata(&path)?.len();
    let (mut seconds, mut floors) = (Vec::new(), Vec::new());
    let (mut records, mut inputs) = (0, 0);
    for _ in 0..rounds {
        let source = gateways::open(&SourceConfig::of(&spec), &Catalog::default())?;
        let Feed::Decoder(mut decoder) = source.feed else { return Err("made in memory".into()) };
        let mut cell = InputCell::default();
        inputs = 0_u64;
        let start = Instant::now();
        while decoder.next(&mut cell)? {
            black_box(&cell);
            inputs += 1;
        }
        seconds.push(start.elapsed().as_secs_f64());
        floors.push(copy_crc(&path, bytes)?);
        records =
            if measured.format == "databento" { gateways::inventory(&path)?.len() } else { inputs };
    }
    let (middle, best) = (median(&mut seconds), seconds[0]);
    let per = |seconds: f64| seconds * 1e9 / records as f64;
    println!(
        "{:<12}{:<18}{records:>10}{inputs:>10}{:>12.2}{:>12.1}{:>12.1}{:>12.2}",
        measured.format,
        measured.what,
        records as f64 / middle / 1e6,
        per(middle),
        per(median(&mut floors)),
        records as f64 / best / 1e6,
    );
    // What was made here goes; a file that the variable names is not ours.
    if path.starts_with(dir) { Ok(std::fs::remove_file(path)?) } else { Ok(()) }
}

/// Sorts; the middle one.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The file's bytes read, copied and summed; seconds.
fn copy_crc(path: &Path, bytes: u64) -> Result<f64> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 18];
    let mut copy = vec![0; 1 << 18];
    let (mut sum, mut read) = (0, 0);
    let start = Instant::now();
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        copy[..n].copy_from_slice(&buffer[..n]);
        sum = crc32c::crc32c_append(sum, &copy[..n]);
        read += n as u64;
    }
    let elapsed = start.elapsed();
    black_box(sum);
    assert_eq!(read, bytes, "Condition failed: the whole file was read");
    Ok(elapsed.as_secs_f64())
}

/// Metadata that names the instruments.
fn metadata(schema: Schema) -> Metadata {
    let build = |mappings| {
        Metadata::builder()
            .dataset("GLBX.MDP3")
            .schema(Some(schema))
            .start(NOON)
            .stype_in(Some(SType::RawSymbol))
            .stype_out(SType::InstrumentId)
            .mappings(mappings)
            .build()
    };
    let day = build(Vec::new()).start().date();
    let next = day.next_day().unwrap_or(day);
    let mapping = |(id, symbol): &(u32, &str)| SymbolMapping {
        raw_symbol: (*symbol).to_string(),
        intervals: vec![MappingInterval {
            start_date: day,
            end_date: next,
            symbol: id.to_string(),
        }],
    };
    build(INSTRUMENTS.iter().map(mapping).collect())
}

/// A few records of one instrument, then of the next; prices walk over 200 levels.
fn dbn_file(dir: &Path, schema: &str, records: u64) -> Result<PathBuf> {
    let path = dir.join(format!("{schema}.dbn"));
    let mut file = BufWriter::new(File::create(&path)?);
    write_records(&mut file, schema, records)?;
    file.flush()?;
    Ok(path)
}

fn packed_trades(dir: &Path) -> Result<PathBuf> {
    let path = dir.join("trades.dbn.zst");
    let mut file = zstd::stream::write::Encoder::new(File::create(&path)?, 3)?;
    write_records(&mut file, "trades", 2_000_000)?;
    file.finish()?;
    Ok(path)
}

fn write_records(mut out: impl Write, schema: &str, records: u64) -> Result<()> {
    DbnMetadataEncoder::new(&mut out).encode(&metadata(schema.parse()?))?;
    let mut random = 1_u64;
    for number in 0..records {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let dice = (random >> 40) as u32;
        let at = NOON + number * 1_000;
        let id = INSTRUMENTS[(number / 5 % 4) as usize].0;
        let price = i64::from(dice % 200) * 250_000_000 + 3_700_000_000_000;
        let flags = FlagSet::new(dbn::flags::LAST);
        let (action, side) = (b'T' as i8, [b'A', b'B'][(dice & 1) as usize] as i8);
        let pair = |level: i64| BidAskPair {
            bid_px: price - (level + 1) * 250_000_000,
            ask_px: price + level * 250_000_000,
            bid_sz: 1 + dice % 90,
            ask_sz: 1 + dice % 70,
            bid_ct: 1,
            ask_ct: 1,
        };
        match schema {
            "trades" => out.write_all(
                TradeMsg {
                    hd: RecordHeader::new::<TradeMsg>(rtype::MBP_0, 1, id, at),
                    price,
                    size: 1 + dice % 9,
                    action,
                    side,
                    flags,
                    ts_recv: at + 500,
                    ..TradeMsg::default()
                }
                .as_ref(),
            )?,
            "mbp-1" => out.write_all(
                Mbp1Msg {
                    hd: RecordHeader::new::<Mbp1Msg>(rtype::MBP_1, 1, id, at),
                    price,
                    action: [b'A', b'C', b'M', b'T'][(dice % 4) as usize] as i8,
                    side,
                    flags,
                    ts_recv: at + 500,
                    levels: [pair(0)],
                    ..Mbp1Msg::default()
                }
                .as_ref(),
            )?,
            "mbp-10" => out.write_all(levels(number, id, dice, flags).as_ref())?,
            _ => out.write_all(order(number, id, dice, flags).as_ref())?,
        }
    }
    Ok(())
}

/// One level of ten changes.
fn levels(number: u64, id: u32, dice: u32, flags: FlagSet) -> Mbp10Msg {
    let at = NOON + number * 1_000;
    let mut levels = core::array::from_fn(|level| BidAskPair {
        bid_px: 3_700_000_000_000 - level as i64 * 250_000_000,
        ask_px: 3_700_250_000_000 + level as i64 * 250_000_000,
        bid_sz: 5,
        ask_sz: 5,
        bid_ct: 1,
        ask_ct: 1,
    });
    levels[(dice % 10) as usize].bid_sz = 1 + dice % 90;
    Mbp10Msg {
        hd: RecordHeader::new::<Mbp10Msg>(rtype::MBP_10, 1, id, at),
        action: b'M' as i8,
        side: b'B' as i8,
        flags,
        ts_recv: at + 500,
        levels,
        ..Mbp10Msg::default()
    }
}

/// 500 orders an instrument come, and go in the order in which they came.
fn order(number: u64, id: u32, dice: u32, flags: FlagSet) -> MboMsg {
    let at = NOON + number * 1_000;
    let turn = number / 20;
    let place = number % 5;
    let is_arrival = turn.is_multiple_of(2);
    let order_id = (turn / 2) * 5 + place;
    let is_buy = order_id.is_multiple_of(2);
    let distance = 1 + (order_id.wrapping_mul(2_654_435_761) >> 8) % 40;
    let away = distance as i64 * 250_000_000;
    MboMsg {
        hd: RecordHeader::new::<MboMsg>(rtype::MBO, 1, id, at),
        order_id: if is_arrival { order_id } else { order_id.saturating_sub(500) },
        price: 3_700_000_000_000 + if is_buy { -away } else { away },
        size: if is_arrival { 1 + dice % 9 } else { 10 },
        action: if is_arrival { b'A' as i8 } else { b'C' as i8 },
        side: if is_buy { b'B' as i8 } else { b'A' as i8 },
        flags,
        ts_recv: at + 500,
        ..MboMsg::default()
    }
}

/// A day of a share's prints as LEAN packs them, or the zip that the variable names.
fn lean_zip(dir: &Path) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("GRANDMODEL_LEAN_ZIP") {
        return Ok(path.into());
    }
    let path = dir.join("spy-trade.zip");
    let mut zip = ZipWriter::new(BufWriter::new(File::create(&path)?));
    zip.start_file("20131007_spy_Trade_Tick.csv", SimpleFileOptions::default())?;
    let mut random = 1_u64;
    for row in 0..1_000_000_u64 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let dice = random >> 40;
        let (ms, price, size) =
            (14_400_464 + row / 20, 1_674_100 + dice % 900, 100 * (1 + dice % 9));
        let exchange = [b'P', b'T', b'D', b'Z'][(dice % 4) as usize] as char;
        writeln!(zip, "{ms},{price},{size},{exchange},20002000,0\r")?;
    }
    zip.finish()?.flush()?;
    Ok(path)
}
