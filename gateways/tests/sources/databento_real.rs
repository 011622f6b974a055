//! Databento's own conformance files, where they are present: each of them decodes, and what is the same
//! schema is the same records in every version. Generated files cover the same behaviour elsewhere.

use super::dbn_files::fields;
use super::*;
use crate::skipped::skipped;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The conformance files, in name order; none, said aloud, where they are not there.
fn files() -> Vec<PathBuf> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/databento");
    let Ok(listing) = std::fs::read_dir(dir) else {
        skipped("shared data not present");
        return Vec::new();
    };
    let mut files: Vec<_> = listing.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Everything that the files hold has a definition, whatever it is called.
fn open_any(path: &Path) -> Result<Source, Problem> {
    let spec = format!("databento:{}", path.display());
    let defined = ["ESH1", "SPOT", "QQQ", "TSLA"]
        .iter()
        .map(|symbol| InstrumentDef {
            symbol: (*symbol).to_string(),
            ..built_in("ES.202103").unwrap()
        })
        .collect();
    let catalog = Catalog::of(defined);
    gateways::open(&config(&spec), &catalog)
}

fn ends(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|of| of == extension)
}

/// What a conformance file is named by: `schema[.version].dbn[.frag][.zst]`.
fn schema(path: &Path) -> &str {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.strip_prefix("test_data.").unwrap_or(name).split('.').next().unwrap()
}

#[test]
fn every_conformance_file_decodes_and_every_dbz_is_refused_if_present() {
    let (mut decoded, mut refused) = (0, 0);
    for path in files() {
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        if ends(&path, "dbz") {
            check_problem(&open_any(&path).unwrap_err(), "DBZ", &name, "dbn FILE.dbz");
            refused += 1;
            continue;
        }
        let held = gateways::inventory(&path).unwrap_or_else(|problem| panic!("{problem}"));
        let (cells, problem) = drain(open_any(&path).unwrap_or_else(|problem| panic!("{problem}")));
        assert_eq!(problem, None, "{name}");
        let mut kinds = BTreeMap::new();
        for cell in &cells {
            *kinds.entry(cell.kind().unwrap().name()).or_insert(0) += 1;
        }
        println!("{name}: {:?} give {kinds:?}", held.records);
        let is_named = |version: u8| name.contains(&format!(".v{version}."));
        let is_fragment = name.contains(".frag");
        assert_eq!(held.version.is_none(), is_fragment, "{name}");
        assert_eq!(held.packed, ends(&path, "zst"), "{name}");
        if let Some(version) = held.version {
            assert!(is_named(version) || !(1..=3).any(is_named), "{name}");
        }
        // The daily bars of this set are none.
        assert_eq!(held.is_empty(), schema(&path) == "ohlcv-1d", "{name}");
        decoded += 1;
    }
    if decoded + refused > 0 {
        println!("{decoded} files decoded, {refused} refused");
        assert_eq!((decoded, refused), (71, 10));
    }
}

#[test]
fn every_version_of_a_schema_gives_the_same_records_if_present() {
    let mut by_schema: BTreeMap<String, Vec<(String, Vec<InputCell>)>> = BTreeMap::new();
    for path in files().iter().filter(|path| !ends(path, "dbz")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let (cells, problem) = drain(open_any(path).unwrap());
        assert_eq!(problem, None, "{name}");
        by_schema.entry(schema(path).into()).or_default().push((name.into(), cells));
    }
    for (schema, versions) in &by_schema {
        let (first, expected) = &versions[0];
        for (name, cells) in versions {
            assert_eq!(cells.len(), expected.len(), "{schema}: {name} and {first}");
            for (at, (cell, expected)) in cells.iter().zip(expected).enumerate() {
                assert_eq!(
                    fields(cell),
                    fields(expected),
                    "{schema}, record {at}: {name}, {first}"
                );
            }
        }
        println!("{schema}: {} files, {} records each", versions.len(), expected.len());
    }
}

/// Against figures that were read off the files with another reader.
#[test]
fn first_records_of_the_conformance_files_are_what_they_say_if_present() {
    let first = |name: &str| {
        let path = files().into_iter().find(|path| path.ends_with(name))?;
        let (cells, _) = drain(open_any(&path).unwrap());
        Some(cells)
    };
    let Some(cells) = first("test_data.trades.v3.dbn.zst") else { return };
    let trade = cells[0].get::<Trade>().unwrap();
    assert_eq!((trade.price.to_string().as_str(), trade.size.0), ("3720.25", 5));
    assert_eq!(
        (trade.head.ts_event, trade.head.ts_recv),
        (1_609_160_400_098_821_953, 1_609_160_400_099_150_057)
    );
    assert_eq!(trade.tail.side, ringbuf_layout::Side::Sell as u8);
    assert_eq!(trade.conditions(), ringbuf_layout::Conditions::NONE);
    let Some(cells) = first("test_data.ohlcv-1m.v1.dbn.zst") else { return };
    let bar = cells[0].get::<ringbuf_layout::ExternalBar>().unwrap();
    assert_eq!(
        (bar.ts_open, bar.head.ts_event),
        (1_609_160_400_000_000_000, 1_609_160_400_000_000_000 + 60_000_000_000)
    );
    let prices = [bar.open, bar.high, bar.low, bar.close].map(|price| price.to_string());
    assert_eq!(
        (prices, bar.volume.0),
        (["372025", "372150", "372025", "372100"].map(str::to_string), 353)
    );
    let Some(cells) = first("test_data.mbp-1.v2.dbn.zst") else { return };
    let quote = quote(&cells[0]);
    assert_eq!((quote.bid.to_string(), quote.ask.to_string()), ("3720.25".into(), "3720.5".into()));
    assert_eq!((quote.bid_size.0, quote.ask_size.0), (24, 11));
}
