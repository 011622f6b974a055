//! What every source promises, through the one public door: `gateways::open`.

mod binance;
mod binance_real;
mod book_runs;
mod csv;
mod damage;
mod databento;
mod databento_damage;
mod databento_real;
mod databento_symbols;
mod dbn_files;
mod definitions;
mod definitions_real;
mod every_file;
#[cfg(feature = "hdf5")]
mod hdf5;
mod inspecting;
mod journal;
mod lean;
mod lean_ticks;
mod lobster;
mod mutations;
mod packed;
mod parquet;
mod presets;
mod real_data;
mod rows;
#[path = "../../../tests/src/skipped.rs"]
mod skipped;
mod synthetic;

use engine::Problem;
use engine::instrument::{Catalog, InstrumentDef, built_in};
use engine::source::{Column, Columns, Feed, Source, SourceConfig, Stamp, TimeUnit};
use ringbuf_layout::{InputCell, Quote, Trade};
use std::io::{Cursor, Write};
use std::path::Path;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A source of this specification, without declared columns.
fn config(spec: &str) -> SourceConfig {
    SourceConfig::of(spec)
}

/// Opens a source on the built-in instruments.
fn open(spec: &str) -> Result<Source, Problem> {
    gateways::open(&config(spec), &Catalog::default())
}

/// The records of a source, and the problem that ended it.
fn drain(source: Source) -> (Vec<InputCell>, Option<Problem>) {
    let Feed::Decoder(mut decoder) = source.feed else { panic!("records in memory") };
    let mut cells = Vec::new();
    loop {
        let mut cell = InputCell::default();
        match decoder.next(&mut cell) {
            Ok(true) => cells.push(cell),
            Ok(false) => return (cells, None),
            Err(problem) => return (cells, Some(problem)),
        }
    }
}

/// The trades of a source that ends well and holds nothing else.
fn trades(source: Source) -> Vec<Trade> {
    let (cells, problem) = drain(source);
    assert_eq!(problem, None);
    cells.iter().map(|cell| *cell.get::<Trade>().expect("a trade")).collect()
}

/// The quote of a cell.
fn quote(cell: &InputCell) -> Quote {
    *cell.get::<Quote>().expect("a quote")
}

/// A zip with these files.
fn zip_bytes(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Writes a file and returns `FORMAT:PATH`.
fn write(dir: &Path, format: &str, name: &str, bytes: &[u8]) -> String {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    format!("{format}:{}", path.display())
}

/// The instant of RFC 3339 text, ns UTC.
fn ns(text: &str) -> i64 {
    i64::try_from(text.parse::<jiff::Timestamp>().unwrap().as_nanosecond()).unwrap()
}

/// All three parts of a problem are there, and these words in them.
fn check_problem(problem: &Problem, what: &str, place: &str, fix: &str) {
    assert!(problem.what.contains(what), "what: {what}\n{problem}");
    assert!(problem.place.contains(place), "place: {place}\n{problem}");
    assert!(problem.fix.contains(fix), "fix: {fix}\n{problem}");
    assert!(!problem.place.is_empty() && !problem.fix.is_empty(), "{problem}");
}
