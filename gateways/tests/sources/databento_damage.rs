//! `databento`: wrappings told apart by content, damage named after everything before it, and no bytes
//! that make it panic or take memory.

use super::dbn_files::{
    ESH1, LAST, Mapped, all_fields, cells, front, levels, order, pair, read, top, trade,
};
use super::*;
use dbn::Schema;
use proptest::prelude::*;

pub fn prints(count: u64) -> Vec<u8> {
    (0..count).flat_map(|i| trade(ESH1, i, 5, 1, 'A').as_ref().to_vec()).collect()
}

/// A file with prints in a version.
fn version(version: u8, count: u64) -> Vec<u8> {
    [front(version, Schema::Trades, &[Mapped(ESH1, "ESH1", 0..1)]), prints(count)].concat()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

fn refused(bytes: &[u8]) -> Problem {
    let dir = tempfile::tempdir().unwrap();
    open(&write(dir.path(), "databento", "a", bytes)).unwrap_err()
}

#[test]
fn versions_and_wrappings_are_told_apart_by_content_and_give_the_same_records() {
    let expected = all_fields(&cells(&version(3, 100)));
    assert_eq!(expected.len(), 100);
    let halves = |bytes: &[u8]| {
        [packed(&bytes[..bytes.len() / 2]), packed(&bytes[bytes.len() / 2..])].concat()
    };
    for number in 1..=3 {
        let plain = version(number, 100);
        for bytes in [plain.clone(), packed(&plain), halves(&plain)] {
            assert_eq!(all_fields(&cells(&bytes)), expected, "v{number}");
        }
    }
    // Fragments, plain, packed and in frames.
    let dir = tempfile::tempdir().unwrap();
    for bytes in [prints(100), packed(&prints(100)), halves(&prints(100))] {
        let mut config = config(&write(dir.path(), "databento", "a", &bytes));
        config.rename.insert(ESH1.to_string(), "ESH1".into());
        let (cells, problem) = drain(gateways::open(&config, &Catalog::default()).unwrap());
        assert_eq!((all_fields(&cells), problem), (expected.clone(), None));
    }
    // A time of sending that a live stream appends is passed over.
    let sent: Vec<u8> = prints(100)
        .chunks(48)
        .flat_map(|record| {
            let mut record = [record, &[9; 8]].concat();
            record[0] += 2;
            record
        })
        .collect();
    let front = front(3, Schema::Trades, &[Mapped(ESH1, "ESH1", 0..1)]);
    assert_eq!(all_fields(&cells(&[front, sent].concat())), expected);
}

#[test]
fn what_is_no_dbn_of_these_versions_is_refused_by_what_it_is() {
    let dbz = [&[0x51, 0x2a, 0x4d, 0x18, 0, 0, 0, 0][..], b"DBZ\x01", &[0; 200]].concat();
    check_problem(&refused(&dbz), "DBZ", "/a", "dbn FILE.dbz -o FILE.dbn");
    let mut four = version(3, 1);
    four[3] = 4;
    check_problem(&refused(&four), "DBN version 4 is not read", "/a", "versions 1 to 3");
    check_problem(&refused(b"ts_event,price\n1,2\n"), "no DBN file", "/a", ".dbn.frag");
    check_problem(&refused(&packed(b"not at all, but longer")), "no DBN file", "/a", "1 to 3");
    check_problem(&refused(b"DBN"), "ends within its first 8 bytes", "/a", "again");
    // An empty file is an empty fragment, and one of metadata an empty file.
    for bytes in [&b""[..], &version(3, 0)] {
        let dir = tempfile::tempdir().unwrap();
        let source = open(&write(dir.path(), "databento", "a", bytes)).unwrap();
        assert!(source.symbols.is_empty());
        let (cells, problem) = drain(source);
        assert_eq!((cells.len(), problem), (0, None));
    }
}

#[test]
fn a_file_that_is_cut_delivers_all_before_the_cut_and_names_it() {
    let whole = version(3, 3_000);
    let start = whole.len() - 3_000 * 48;
    for keep in [start + 1, start + 47, start + 48 * 1_000 + 1, whole.len() - 1] {
        let (cells, problem) = read(&whole[..keep]);
        let records = (keep - start) / 48;
        assert_eq!(cells.len(), records, "{keep}");
        let place = format!("record {} at byte {}", records + 1, start + records * 48);
        check_problem(&problem.unwrap(), "ends within a record", &place, "again");
    }
    for keep in [9, start - 1] {
        check_problem(&refused(&whole[..keep]), "ends within its metadata", "/a", "again");
    }
    let packed = packed(&whole);
    let (cells, problem) = read(&packed[..packed.len() - 10]);
    assert!(cells.len() > 1_000 && cells.len() <= 3_000, "{}", cells.len());
    let place = format!("record {}", cells.len() + 1);
    check_problem(&problem.unwrap(), "unpacked any further", &place, "again");
}

#[test]
fn a_record_that_is_none_is_named_by_its_number_and_byte() {
    let check = |at: usize, byte: u8, what: &str| {
        let mut bytes = version(3, 10);
        let start = bytes.len() - 480;
        bytes[start + 5 * 48 + at] = byte;
        let (cells, problem) = read(&bytes);
        assert_eq!(cells.len(), 5, "{what}");
        check_problem(&problem.unwrap(), what, "record 6", "delivered");
    };
    check(0, 0, "does not have 0 bytes");
    check(0, 3, "does not have 12 bytes");
    check(0, 13, "does not have 52 bytes");
    check(0, 255, "ends within a record");
    check(1, 0x7f, "no record type 0x7f");
    check(28, b'x', "the code x is none of A, C, M");
    check(29, 0, "none of A, B and N");
    check(15, 0xff, "is no instant");
}

#[test]
fn lengths_and_counts_that_lie_set_no_memory_aside() {
    let mut long = version(3, 1);
    long[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    check_problem(&refused(&long), "4294967295 bytes long", "/a", "fewer symbols");
    long[4..8].copy_from_slice(&(60_u32 << 20).to_le_bytes());
    check_problem(&refused(&long), "ends within its metadata", "/a", "again");
    // Counts of symbols and intervals inside the metadata.
    let whole = version(3, 1);
    for at in 108..whole.len() - 48 {
        let mut bytes = whole.clone();
        bytes[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        let dir = tempfile::tempdir().unwrap();
        if let Err(problem) = open(&write(dir.path(), "databento", "a", &bytes)) {
            assert!(!problem.what.is_empty() && !problem.fix.is_empty(), "{problem}");
        }
    }
}

/// A file of every kind of record, in a version, a fragment or packed.
pub fn mixture(kind: u8) -> Vec<u8> {
    let records = [
        prints(3),
        top(4, 'A', pair((10, 1), (11, 2))).as_ref().to_vec(),
        top(5, 'T', pair((10, 1), (11, 2))).as_ref().to_vec(),
        levels(6, 'A', &[pair((10, 1), (11, 2)), pair((9, 3), (12, 4))]).as_ref().to_vec(),
        levels(7, 'R', &[]).as_ref().to_vec(),
        order(8, 'A', (1, 'B', 10, 5), 0).as_ref().to_vec(),
        order(8, 'A', (2, 'A', 11, 5), LAST).as_ref().to_vec(),
        order(9, 'C', (1, 'B', 10, 2), LAST).as_ref().to_vec(),
        dbn::SymbolMappingMsg::default().as_ref().to_vec(),
        dbn::InstrumentDefMsg::default().as_ref().to_vec(),
        dbn::v1::InstrumentDefMsg::default().as_ref().to_vec(),
        dbn::OhlcvMsg::default_for_schema(Schema::Ohlcv1M).as_ref().to_vec(),
        dbn::StatusMsg::default().as_ref().to_vec(),
        prints(2),
    ]
    .concat();
    if kind == 0 {
        return records;
    }
    [front(kind, Schema::Trades, &[Mapped(ESH1, "ESH1", 0..1)]), records].concat()
}

/// Opens and reads it to its end, as a source and for its definitions.
fn survives(bytes: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    let spec = write(dir.path(), "databento", "a", bytes);
    let sound = |problem: Problem| {
        assert!(!problem.what.is_empty() && !problem.place.is_empty() && !problem.fix.is_empty());
    };
    let mut config = config(&spec);
    for id in [0, ESH1] {
        config.rename.insert(id.to_string(), "ESH1".into());
    }
    for symbols in [vec![], vec!["ESH1".to_string()]] {
        config.symbols = symbols;
        match gateways::open(&config, &Catalog::default()) {
            Ok(source) => {
                let (cells, problem) = drain(source);
                // A record gives at most its levels, twice, and what goes with them.
                assert!(cells.len() <= 45 * (1 + bytes.len() / 48), "{}", cells.len());
                problem.into_iter().for_each(sound);
            }
            Err(problem) => sound(problem),
        }
    }
    read_definitions(Path::new(spec.strip_prefix("databento:").unwrap()));
}

/// Reads a file for what it holds and for its definitions.
pub fn read_definitions(path: &Path) {
    let sound = |problem: Problem| {
        assert!(!problem.what.is_empty() && !problem.place.is_empty() && !problem.fix.is_empty());
    };
    gateways::inventory(path).map_or_else(sound, drop);
    let from = engine::config::InstrumentsFrom {
        file: path.display().to_string(),
        ..engine::config::InstrumentsFrom::default()
    };
    gateways::definitions::load(&from).map_or_else(sound, drop);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_random_bytes_make_it_panic(
        prefix in prop::sample::select(vec![&b""[..], b"DBN\x01", b"DBN\x03", b"\x28\xb5\x2f\xfd"]),
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        survives(&[prefix, &bytes].concat());
    }
}

#[test]
fn the_unmutated_mixtures_are_whole() {
    for kind in 0..4 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, mixture(kind)).unwrap();
        let held = gateways::inventory(&path).unwrap();
        assert_eq!((held.len(), held.records.len()), (17, 8), "{held:?}");
    }
}
