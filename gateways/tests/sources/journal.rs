//! `journal`: what was imported comes back, under any name and unit, and damage is named behind what came before.

use super::inspecting::mutated;
use super::*;
use engine::config::Config;
use engine::import::{Import, Imported, import};
use engine::runtime::feed::Filter;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

const BTC: &str = "[[semantic.instrument]]\nsymbol = \"BTC\"\ntick = \"0.01\"\nsize_precision = 3\n\
                   [[semantic.instrument]]\nsymbol = \"ETH\"\ntick = \"0.01\"\nsize_precision = 2\n\
                   [host]\nsegment_mib = 1\nready_segments = 1\n";

const ROWS: &str = "ts_event,ts_recv,symbol,price,size,side,bid,ask\n\
                    1381147200000000000,1381147200000000001,BTC,100.5,1.25,buy,,\n\
                    1381147200000000000,1381147200000000002,ETH,,,,10.1,10.2\n\
                    1381147199000000000,1381147200000000003,BTC,100.25,0.5,sell,,\n\
                    1381147201000000000,1381147201000000004,XYZ,7,3,,,\n\
                    1381147202000000000,1381147202000000005,ETH,10.15,2,,10.1,\n";

/// Imports rows into `dir/NAME`.
fn imported(
    dir: &Path,
    name: &str,
    text: &str,
    filter: Filter,
) -> (PathBuf, Result<Imported, Problem>) {
    let config = Config::parse(BTC, "test").unwrap();
    let mut source = config_of(dir, text);
    source.name = "rows".to_string();
    let sources = vec![gateways::open(&source, &config.catalog()).unwrap()];
    let (journal, stop) = (dir.join(name), AtomicBool::new(false));
    let order = Import {
        config: &config,
        sources,
        dir: journal.clone(),
        filter,
        build: "test".to_string(),
        stop: &stop,
    };
    let imported = import(order, |_| ());
    (journal, imported)
}

fn config_of(dir: &Path, text: &str) -> SourceConfig {
    let path = dir.join("rows.csv");
    std::fs::write(&path, text).unwrap();
    let toml = format!(
        "[[source]]\nspec = \"csv:{}\"\n[source.csv]\nts_unit = \"ns\"\ncolumns = {{ ts_event = \"ts_event\", \
         ts_recv = \"ts_recv\", symbol = \"symbol\", price = \"price\", size = \"size\", side = \"side\", \
         bid = \"bid\", ask = \"ask\" }}\n",
        path.display()
    );
    Config::parse(&toml, "test").unwrap().sources.remove(0)
}

fn journal_source(dir: &Path) -> SourceConfig {
    config(&format!("journal:{}", dir.display()))
}

/// Kind, time, receive time, instrument and the record's own bytes.
fn content(cells: &[InputCell]) -> Vec<Vec<u8>> {
    let plain = |cell: &InputCell| {
        let mut cell = *cell;
        cell.set_source_sequence(0);
        cell.bytes().to_vec()
    };
    cells.iter().map(plain).collect()
}

#[test]
fn what_was_imported_comes_back_with_its_own_definitions() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, account) = imported(dir.path(), "J", ROWS, Filter::default());
    let account = account.unwrap();
    let source = &account.sources[0];
    assert_eq!((source.read, source.delivered, source.unknown_instrument), (6, 5, 1));
    let kinds: Vec<_> = account.symbols.iter().map(|s| (s.def.symbol.as_str(), s.kinds)).collect();
    assert_eq!(kinds, [("BTC", [2, 0, 0, 0, 0]), ("ETH", [1, 2, 0, 0, 0])]);
    // No config: the definitions are the journal's.
    let plain = journal_source(&journal);
    let definitions = gateways::definitions_of(&plain).unwrap();
    assert_eq!(definitions, Config::parse(BTC, "test").unwrap().semantic.instruments);
    let source = gateways::open(&plain, &Catalog::of(definitions)).unwrap();
    assert_eq!(source.records_hint, Some(5));
    assert_eq!(source.symbols.iter().map(|u| u.trades).collect::<Vec<_>>(), [true, true]);
    let (again, problem) = drain(source);
    assert_eq!(problem, None);
    let config = Config::parse(BTC, "test").unwrap();
    let first = gateways::open(&config_of(dir.path(), ROWS), &config.catalog()).unwrap();
    let (mut first, _) = drain(first);
    first.retain(|cell| cell.tail().instrument != ringbuf_layout::frame::NO_INSTRUMENT);
    assert_eq!(content(&again), content(&first));
}

#[test]
fn a_window_and_symbols_are_accounted_for() {
    let dir = tempfile::tempdir().unwrap();
    let filter = Filter {
        from: Some(ns("2013-10-07T12:00:00Z")),
        to: Some(ns("2013-10-07T12:00:01Z")),
        symbols: vec!["BTC".to_string()],
    };
    let (_, account) = imported(dir.path(), "J", ROWS, filter);
    let source = &account.unwrap().sources[0];
    assert_eq!((source.read, source.delivered), (4, 1));
    assert_eq!((source.before_from, source.other_symbols, source.after_to), (1, 1, 1));
    assert!(source.ended_at_to);
}

#[test]
fn sizes_follow_another_precision_exactly_or_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = imported(dir.path(), "J", ROWS, Filter::default());
    let catalog = |precision: u8| {
        let mut definitions = gateways::definitions_of(&journal_source(&journal)).unwrap();
        definitions[0].size_precision = precision;
        Catalog::of(definitions)
    };
    let sizes = |precision| {
        let (cells, problem) =
            drain(gateways::open(&journal_source(&journal), &catalog(precision)).unwrap());
        let trades = cells.iter().filter_map(|cell| cell.get::<Trade>());
        (trades.filter(|t| t.tail.instrument == 0).map(|t| t.size.0).collect::<Vec<_>>(), problem)
    };
    assert_eq!(sizes(3), (vec![1_250, 500], None));
    assert_eq!(sizes(5), (vec![125_000, 50_000], None));
    assert_eq!(sizes(2), (vec![125, 50], None));
    let (before, problem) = sizes(1);
    assert!(before.is_empty());
    check_problem(
        &problem.unwrap(),
        "3 decimal digits does not fit into 1",
        "market record 1",
        "= 3",
    );
}

#[test]
fn symbols_and_names_are_chosen_as_of_any_source() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = imported(dir.path(), "J", ROWS, Filter::default());
    let mut chosen = journal_source(&journal);
    chosen.rename.insert("ETH".to_string(), "ETHER".to_string());
    chosen.symbols = vec!["ETHER".to_string()];
    let definitions = gateways::definitions_of(&chosen).unwrap();
    assert_eq!(definitions.iter().map(|d| d.symbol.as_str()).collect::<Vec<_>>(), ["ETHER"]);
    let source = gateways::open(&chosen, &Catalog::of(definitions)).unwrap();
    let all = gateways::definitions_of(&journal_source(&journal)).unwrap();
    let whole = gateways::open(&journal_source(&journal), &Catalog::of(all)).unwrap();
    assert_ne!(source.identity, whole.identity);
    let (cells, _) = drain(source);
    assert_eq!(cells.len(), 3);
    assert!(cells.iter().all(|cell| cell.tail().instrument == 0));
    let problem = gateways::open(&journal_source(&journal), &Catalog::default()).unwrap_err();
    check_problem(&problem, "`BTC`, `ETH`", "J", "[[semantic.instrument]]");
}

#[test]
fn two_imports_of_the_same_rows_are_one_identity_and_the_same_frames() {
    let dir = tempfile::tempdir().unwrap();
    let made: Vec<_> =
        ["A", "B"].map(|name| imported(dir.path(), name, ROWS, Filter::default()).0).into();
    let identity = |journal: &PathBuf| {
        let mut source = journal_source(journal);
        source.name = "one".to_string();
        let catalog = Catalog::of(gateways::definitions_of(&source).unwrap());
        gateways::open(&source, &catalog).unwrap().identity
    };
    assert_eq!(identity(&made[0]), identity(&made[1]));
    let less = ROWS.replace("100.25", "100.26");
    let (other, _) = imported(dir.path(), "C", &less, Filter::default());
    assert_ne!(identity(&made[0]), identity(&other));
}

#[test]
fn a_source_that_fails_leaves_what_came_before_in_a_sealed_journal() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, account) =
        imported(dir.path(), "J", &format!("{ROWS}1,2,BTC,x,1,,,\n"), Filter::default());
    let account = account.unwrap();
    check_problem(&account.failure.unwrap(), "`x`", "rows.csv, line 7", "");
    assert_eq!(account.sources[0].delivered, 5);
    let catalog = Catalog::of(gateways::definitions_of(&journal_source(&journal)).unwrap());
    let (cells, problem) = drain(gateways::open(&journal_source(&journal), &catalog).unwrap());
    assert_eq!((cells.len(), problem), (5, None));
    let (_, again) = imported(dir.path(), "J", ROWS, Filter::default());
    check_problem(&again.unwrap_err(), "a journal already", "J", "another directory");
}

#[test]
fn what_is_no_journal_is_a_problem() {
    let dir = tempfile::tempdir().unwrap();
    let problem = gateways::open(&journal_source(dir.path()), &Catalog::default()).unwrap_err();
    assert!(problem.what.contains("no journal"), "{problem}");
}

#[test]
fn mutated_journals_end_with_a_problem_or_well_and_never_panic() {
    // Segments are large: a ten-thousandth of the mutations of other formats.
    let set: Option<u64> = std::env::var("GRANDMODEL_MUTATIONS").ok().and_then(|n| n.parse().ok());
    let count = set.unwrap_or(1_000_000) / 10_000;
    let dir = tempfile::tempdir().unwrap();
    let mut text = ROWS.to_string();
    for i in 0..200 {
        text.push_str(&format!("{},{},BTC,100,1,,,\n", 1_381_147_203_000_000_000_i64 + i, i));
    }
    let (journal, _) = imported(dir.path(), "J", &text, Filter::default());
    let segment = journal.join("segment-00000000.gmj");
    let whole = std::fs::read(&segment).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let mut ended_early = 0;
    for seed in 0..count {
        // The length stays: another one is told from the header alone.
        let mut bytes = mutated(&whole[..used], seed);
        bytes.resize(whole.len(), 0);
        std::fs::remove_file(&segment).unwrap();
        std::fs::write(&segment, &bytes).unwrap();
        let source = journal_source(&journal);
        let definitions = gateways::definitions_of(&source);
        let opened = definitions.and_then(|d| gateways::open(&source, &Catalog::of(d)));
        let (records, problem) = opened.map_or_else(
            |p| (0, Some(p)),
            |source| {
                let (cells, problem) = drain(source);
                (cells.len(), problem)
            },
        );
        assert!(records <= 205, "seed {seed}: {records} records");
        ended_early += usize::from(problem.is_some() || records < 205);
    }
    assert!(ended_early * 2 > count as usize, "{ended_early} of {count} mutations were noticed");
}
