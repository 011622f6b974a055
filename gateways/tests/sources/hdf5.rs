//! `hdf5`: tables as pandas writes them, written here.

use super::*;
use ::parquet::file::properties::WriterProperties;
use engine::config::Config;
use engine::import::{Import, import};
use engine::runtime::feed::Filter;
use hdf5_metno::types::FixedAscii;
use hdf5_metno::{File, H5Type};
use ringbuf_layout::{Price, RunEnd, RunStart};
use std::sync::atomic::AtomicBool;

/// A row of a table with blocks of two floats and of two texts.
#[derive(Clone, Copy, H5Type)]
#[repr(C)]
struct Row {
    index: i64,
    values_block_0: [f64; 2],
    values_block_1: [FixedAscii<8>; 2],
    timestamp: i64,
}

fn row(i: i64) -> Row {
    let text = |text: &str| FixedAscii::from_ascii(text.as_bytes()).unwrap();
    Row {
        index: 1_672_531_200_000_000_000 + i * 1_000_000,
        values_block_0: [(1 + i % 5) as f64, 0.5 + (i % 8) as f64 / 4.0],
        values_block_1: [text(["buy", "sell"][i as usize % 2]), text("x")],
        timestamp: 1_672_531_200_000 + i,
    }
}

/// A file with a table in each of these groups.
fn table(groups: &[&str], rows: i64) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.h5");
    let file = File::create(&path).unwrap();
    let rows: Vec<Row> = (0..rows).map(row).collect();
    for group in groups {
        let group = file.create_group(group).unwrap();
        let builder = group.new_dataset_builder().chunk(rows.len().min(1_000)).deflate(3);
        let table = builder.with_data(&rows).create("table").unwrap();
        let put = |name: &str, text: &str| {
            let text = FixedAscii::<64>::from_ascii(text.as_bytes()).unwrap();
            let attribute = table.new_attr::<FixedAscii<64>>().create(name).unwrap();
            attribute.write_scalar(&text).unwrap();
        };
        put("index_kind", "datetime64");
        put("values_block_0_kind", "(lp0\nVamount\np1\naVprice\np2\na.");
        put("values_block_1_kind", "(lp0\nVside\np1\naVtype\np2\na.");
    }
    drop(file);
    std::fs::read(&path).unwrap()
}

fn columns(ts: &str, unit: TimeUnit) -> Columns {
    let mut columns = csv::columns("price side");
    for (field, name) in [("ts_event", ts), ("size", "amount")] {
        columns.columns.push((field.to_string(), Column::Name(name.to_string())));
    }
    columns.ts_unit = unit;
    columns
}

fn open_bytes(
    columns: Columns,
    bytes: &[u8],
    part: &str,
) -> (tempfile::TempDir, Result<Source, Problem>) {
    let dir = tempfile::tempdir().unwrap();
    let spec = write(dir.path(), "hdf5", "a.h5", bytes);
    let mut config = config(&format!("{spec}{part}"));
    config.columns = Some(columns);
    let source = gateways::open(&config, &Catalog::default());
    (dir, source)
}

fn refused(columns: Columns, bytes: &[u8], part: &str) -> Problem {
    open_bytes(columns, bytes, part).1.unwrap_err()
}

#[test]
fn a_table_is_read_in_chunks_by_the_names_of_its_blocks() {
    let bytes = table(&["a"], 10_000);
    for (ts, unit) in [("timestamp", TimeUnit::Milliseconds), ("index", TimeUnit::Typed)] {
        let (_dir, source) = open_bytes(columns(ts, unit), &bytes, "");
        let source = source.unwrap();
        assert_eq!(source.records_hint, Some(10_000));
        let trades = trades(source);
        assert_eq!(trades.len(), 10_000);
        for (i, trade) in (0..).zip(&trades) {
            let ts = 1_672_531_200_000_000_000 + i * 1_000_000;
            assert_eq!((trade.head.ts_event, trade.size.0), (ts, 1 + i % 5));
            assert_eq!(trade.price, Price(500_000_000 + i % 8 * 250_000_000));
            assert_eq!(i64::from(trade.tail.side), 1 + i % 2);
        }
    }
}

#[test]
fn a_column_that_is_not_there_is_refused_before_a_row_is_read() {
    let bytes = table(&["a"], 10);
    let mut absent = columns("timestamp", TimeUnit::Milliseconds);
    absent.columns[0].1 = Column::Name("px".to_string());
    let problem = refused(absent, &bytes, "");
    check_problem(&problem, "no `px`", "a.h5", "`index`, `amount`, `price`, `side`, `type`");
    let typed = columns("timestamp", TimeUnit::Typed);
    check_problem(&refused(typed, &bytes, ""), "without a unit", "a.h5", "declare ts_unit");
}

#[test]
fn one_of_several_tables_is_named() {
    let bytes = table(&["XRP", "ETH"], 10);
    let declared = || columns("timestamp", TimeUnit::Milliseconds);
    let problem = refused(declared(), &bytes, "");
    check_problem(&problem, "2 tables", "a.h5", "`hdf5:FILE#ETH`; there are ETH, XRP");
    let (_dir, source) = open_bytes(declared(), &bytes, "#XRP");
    assert_eq!(trades(source.unwrap()).len(), 10);
    check_problem(&refused(declared(), &bytes, "#BTC"), "no group `BTC`", "a.h5", "ETH, XRP");
}

#[test]
fn what_is_no_table_of_pandas_is_refused() {
    let declared = || columns("timestamp", TimeUnit::Milliseconds);
    let problem = refused(declared(), b"no hdf5", "");
    check_problem(&problem, "not a whole HDF5 file", "a.h5", "give parquet");
    let made = |make: &dyn Fn(&hdf5_metno::Group)| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.h5");
        {
            let file = File::create(&path).unwrap();
            make(&file.create_group("a").unwrap());
        }
        std::fs::read(&path).unwrap()
    };
    let numbers = made(&|group| {
        group.new_dataset_builder().with_data(&[1.0, 2.0]).create("table").unwrap();
    });
    check_problem(&refused(declared(), &numbers, ""), "instead of compounds", "a.h5", "to_hdf");
    let empty = made(&|_| {});
    check_problem(&refused(declared(), &empty, ""), "no table of pandas", "a.h5", "to_hdf");
    // Rows that were never written would be read as zeros.
    let unwritten = made(&|group| {
        group.new_dataset_builder().chunk(10).empty::<Row>().shape(1_000).create("table").unwrap();
    });
    check_problem(&refused(declared(), &unwritten, ""), "says 1000 rows", "a.h5", "to_hdf");
}

/// Batches of changed files, each in a process of its own.
const BATCHES: u64 = 10;
/// Set in such a process.
const CHILD: &str = "GRANDMODEL_HDF5_CHILD";

/// The reader is a library in C, and a changed file can bring it down by a signal (1.10.8 does): that costs its process,
/// and is counted. Nothing of ours panics.
#[test]
fn changed_files_of_hdf5_end_in_records_a_problem_or_a_signal_in_the_library() {
    use std::os::unix::process::ExitStatusExt;
    let binary = std::env::current_exe().unwrap();
    let mut signals = 0;
    for batch in 1..=BATCHES {
        let mut child = std::process::Command::new(&binary);
        child.args(["--exact", "hdf5::child_that_reads_changed_files", "--nocapture"]);
        let output =
            child.env(CHILD, "1").env("GRANDMODEL_SEED", batch.to_string()).output().unwrap();
        match output.status.signal() {
            None => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
            Some(signal) => {
                println!("batch {batch}: signal {signal} in the library");
                signals += 1;
            }
        }
    }
    assert!(signals < BATCHES / 2, "{signals} of {BATCHES}");
}

#[test]
fn child_that_reads_changed_files() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let set = |config: &mut SourceConfig| {
        config.columns = Some(columns("timestamp", TimeUnit::Milliseconds));
    };
    let files = vec![("a.h5", table(&["a"], 50))];
    let subject = mutations::Subject { format: "hdf5", files, pack: &mutations::plain, set: &set };
    mutations::check(&subject, 10);
}

/// Every frame of an import of these sources, but for what names the source and the wall clock: the run start, and the
/// receive time of the run end.
pub fn journaled(dir: &Path, source: &SourceConfig, instrument: &InstrumentDef) -> Vec<Vec<u8>> {
    let mut config = Config::parse("[host]\nsegment_mib = 1\n", "test").unwrap();
    config.semantic.instruments = vec![instrument.clone()];
    let sources = vec![gateways::open(source, &config.catalog()).unwrap()];
    let (stop, build) = (AtomicBool::new(false), "test".to_string());
    let (dir, filter) = (dir.to_path_buf(), Filter::default());
    let order = Import { config: &config, sources, dir: dir.clone(), filter, build, stop: &stop };
    assert_eq!(import(order, |_| ()).unwrap().failure, None);
    let journal = ::journal::Journal::open(&dir).unwrap();
    let mut frames = journal.frames();
    let mut all = Vec::new();
    while let Some(frame) = frames.next().unwrap() {
        let mut cell = InputCell::default();
        cell.put_bytes(frame.bytes);
        if cell.is::<RunStart>() {
            continue;
        }
        let mut bytes = frame.bytes.to_vec();
        if cell.is::<RunEnd>() {
            cell.head_mut().ts_recv = 0;
            cell.head_mut().crc32c = 0;
            bytes = cell.bytes().to_vec();
        }
        all.push(bytes);
    }
    all
}

#[test]
fn the_same_rows_in_either_format_are_the_same_journal_byte_for_byte() {
    use super::parquet::{Values, file};
    let rows = 2_500;
    let each = |value: &dyn Fn(&Row) -> f64| (0..rows).map(|i| Some(value(&row(i)))).collect();
    let sides = (0..rows).map(|i| Some(["buy", "sell"][i as usize % 2])).collect();
    let columns_of = [
        Values::Int64((0..rows).map(|i| Some(row(i).timestamp)).collect()),
        Values::Double(each(&|row| row.values_block_0[0])),
        Values::Double(each(&|row| row.values_block_0[1])),
        Values::Text(sides),
    ];
    let schema = "message schema { optional int64 timestamp; optional double amount; \
                  optional double price; optional binary side (UTF8); }";
    let parquet = file(schema, WriterProperties::default(), &[columns_of.into()]);
    let instrument = built_in("SPY").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let frames = |format: &str, bytes: &[u8]| {
        let mut source = config(&write(dir.path(), format, &format!("a.{format}"), bytes));
        source.columns = Some(columns("timestamp", TimeUnit::Milliseconds));
        journaled(&dir.path().join(format!("J-{format}")), &source, &instrument)
    };
    let (one, other) = (frames("hdf5", &table(&["a"], rows)), frames("parquet", &parquet));
    // The definition, the source's coming up, the rows, the end.
    assert!(one.len() >= rows as usize + 2, "{}", one.len());
    let differs = one.iter().zip(&other).position(|(one, other)| one != other);
    assert_eq!((differs, one.len()), (None, other.len()));
}
