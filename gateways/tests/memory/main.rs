//! What a decoder holds does not grow with the file. A binary of its own: the figure is the process's.

use dbn::encode::DbnMetadataEncoder;
use dbn::{MappingInterval, Metadata, RecordHeader, SType, Schema, SymbolMapping, TradeMsg, rtype};
use engine::instrument::Catalog;
use engine::source::{Feed, SourceConfig};
use ringbuf_layout::InputCell;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Prints in the large file: 192 MB unpacked.
const PRINTS: usize = 4_000_000;
/// What opening and reading it may add to the process.
const BOUND_KIB: u64 = 16 << 10;

/// The most memory that the process held so far.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|text| text.trim().trim_end_matches(" kB").trim().parse().ok()).unwrap_or(0)
}

fn write(path: &Path, prints: usize) {
    let build = |mappings| {
        Metadata::builder()
            .dataset("GLBX.MDP3")
            .schema(Some(Schema::Trades))
            .start(1_609_156_800_000_000_000)
            .stype_in(Some(SType::RawSymbol))
            .stype_out(SType::InstrumentId)
            .mappings(mappings)
            .build()
    };
    let day = build(Vec::new()).start().date();
    let mappings = vec![SymbolMapping {
        raw_symbol: "ESH1".to_string(),
        intervals: vec![MappingInterval {
            start_date: day,
            end_date: day.next_day().unwrap(),
            symbol: "7".to_string(),
        }],
    }];
    let mut file = zstd::stream::write::Encoder::new(File::create(path).unwrap(), 1).unwrap();
    DbnMetadataEncoder::new(&mut file).encode(&build(mappings)).unwrap();
    let print = TradeMsg {
        hd: RecordHeader::new::<TradeMsg>(rtype::MBP_0, 1, 7, 1_609_156_800_000_000_000),
        ts_recv: 1_609_156_800_000_000_000,
        action: b'T' as i8,
        side: b'A' as i8,
        price: 5,
        size: 1,
        ..TradeMsg::default()
    };
    let many = print.as_ref().repeat(1_000);
    for _ in 0..prints / 1_000 {
        file.write_all(&many).unwrap();
    }
    file.finish().unwrap();
}

fn read(path: &Path) -> usize {
    let config = SourceConfig::of(&format!("databento:{}", path.display()));
    let source = gateways::open(&config, &Catalog::default()).unwrap();
    let Feed::Decoder(mut decoder) = source.feed else { panic!("records in memory") };
    let mut cell = InputCell::default();
    let mut count = 0;
    while decoder.next(&mut cell).unwrap() {
        count += 1;
    }
    count
}

#[test]
fn a_packed_file_of_any_length_is_read_in_the_same_memory() {
    if peak_kib() == 0 {
        println!("skipped: no /proc/self/status");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (small, large) = (dir.path().join("small"), dir.path().join("large"));
    write(&small, 10_000);
    write(&large, PRINTS);
    assert_eq!(read(&small), 10_000);
    let before = peak_kib();
    assert_eq!(read(&large), PRINTS);
    let grown = peak_kib() - before;
    println!("{grown} KiB more for {PRINTS} prints");
    assert!(grown < BOUND_KIB, "{grown} KiB");
}
