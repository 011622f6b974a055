//! `databento`: which instruments the numbers of a file stand for.

use super::dbn_files::{DAY, Mapped, NOON, file, front, header, pair, top, trade};
use super::*;
use dbn::{Schema, SymbolMappingMsg, rtype, v1};

/// Opens a file with options.
fn open_with(
    bytes: &[u8],
    symbols: &[&str],
    rename: &[(&str, &str)],
) -> Result<(Vec<String>, Vec<Trade>), Problem> {
    let dir = tempfile::tempdir().unwrap();
    let pair = |(a, b): &(&str, &str)| ((*a).to_string(), (*b).to_string());
    let config = SourceConfig {
        symbols: symbols.iter().map(ToString::to_string).collect(),
        rename: rename.iter().map(pair).collect(),
        ..config(&write(dir.path(), "databento", "a", bytes))
    };
    let source = gateways::open(&config, &Catalog::default())?;
    let names = source.symbols.iter().map(|s| s.symbol.clone()).collect();
    Ok((names, trades(source)))
}

/// Instrument and time of each print.
fn told(trades: &[Trade]) -> Vec<(u32, i64)> {
    trades.iter().map(|t| (t.tail.instrument, t.head.ts_event - NOON as i64)).collect()
}

fn prints(of: &[(u32, u64)]) -> Vec<u8> {
    of.iter().flat_map(|(id, at)| trade(*id, *at, 5, 1, 'A').as_ref().to_vec()).collect()
}

#[test]
fn a_number_is_the_symbol_of_its_day_and_a_symbol_goes_from_number_to_number() {
    let mapped = [
        Mapped(1, "ESH1", 0..1),
        Mapped(2, "ES.c.0", 0..1),
        Mapped(1, "ES.c.0", 1..2),
        Mapped(2, "NQH1", 1..2),
        // Listed, but nothing comes of it: it needs no definition.
        Mapped(3, "UNHEARD OF", 0..2),
    ];
    let front = front(3, Schema::Trades, &mapped);
    let records = prints(&[(1, 0), (2, 1), (1, DAY), (2, DAY + 1), (1, 2)]);
    let bytes = [front, records].concat();
    let (names, trades) = open_with(&bytes, &[], &[]).unwrap();
    assert_eq!(names, ["ESH1", "ES.C.0", "NQH1"]);
    let day = DAY as i64;
    assert_eq!(told(&trades), [(0, 0), (1, 1), (1, day), (2, day + 1), (0, 2)]);
    // Only one of them, under another name.
    let (names, trades) = open_with(&bytes, &["ES.202103"], &[("ES.C.0", "ES.202103")]).unwrap();
    assert_eq!(names, ["ES.202103"]);
    assert_eq!(told(&trades), [(0, 1), (0, day)]);
}

#[test]
fn symbols_that_are_not_defined_or_not_there_are_named() {
    let mapped = [Mapped(1, "NOPE", 0..1), Mapped(2, "ESH1", 0..1)];
    let bytes = [front(3, Schema::Trades, &mapped), prints(&[(1, 0), (2, 0)])].concat();
    let problem = open_with(&bytes, &[], &[]).unwrap_err();
    check_problem(&problem, "no definition of the instrument `NOPE`", "/a", "semantic.instrument");
    assert_eq!(open_with(&bytes, &["ESH1"], &[]).unwrap().1.len(), 1);
    let problem = open_with(&bytes, &["NQH1"], &[]).unwrap_err();
    check_problem(&problem, "holds no `NQH1`", "databento:", "correct `symbols`");
}

#[test]
fn a_mapping_in_the_stream_names_a_number_from_there_on() {
    let mapping = |id: u32, symbol: &str| {
        let msg = SymbolMappingMsg {
            hd: header::<SymbolMappingMsg>(rtype::SYMBOL_MAPPING, id, 0),
            stype_out_symbol: dbn_text(symbol),
            ..SymbolMappingMsg::default()
        };
        msg.as_ref().to_vec()
    };
    let stream = |front: Vec<u8>| {
        [
            front,
            mapping(1, "ESH1"),
            prints(&[(1, 0)]),
            mapping(1, "NQH1"),
            mapping(2, "ESH1"),
            prints(&[(1, 1), (2, 2)]),
        ]
        .concat()
    };
    // Live streams have metadata without mappings; a stream's word goes before the metadata's.
    for front in [
        Vec::new(),
        front(3, Schema::Trades, &[]),
        front(3, Schema::Trades, &[Mapped(1, "GCJ1", 0..1)]),
    ] {
        let (names, trades) = open_with(&stream(front), &[], &[]).unwrap();
        assert_eq!(names, ["ESH1", "NQH1"]);
        assert_eq!(told(&trades), [(0, 0), (1, 1), (0, 2)]);
    }
    let (names, trades) = open_with(&stream(Vec::new()), &["NQH1"], &[]).unwrap();
    assert_eq!((names, told(&trades)), (vec!["NQH1".to_string()], vec![(0, 1)]));
}

fn dbn_text<const N: usize>(text: &str) -> [i8; N] {
    let bytes = text.as_bytes();
    core::array::from_fn(|i| bytes.get(i).map_or(0, |b| *b as i8))
}

#[test]
fn a_mapping_of_the_first_version_is_read_too() {
    let msg = v1::SymbolMappingMsg {
        hd: header::<v1::SymbolMappingMsg>(rtype::SYMBOL_MAPPING, 1, 0),
        stype_out_symbol: dbn_text("ESH1"),
        ..v1::SymbolMappingMsg::default()
    };
    let bytes = [front(1, Schema::Trades, &[]), msg.as_ref().to_vec(), prints(&[(1, 0)])].concat();
    assert_eq!(open_with(&bytes, &[], &[]).unwrap().0, ["ESH1"]);
}

#[test]
fn a_fragment_is_named_by_rename_or_says_that_it_must_be() {
    let fragment = prints(&[(4_916, 0), (4_917, 1)]);
    let problem = open_with(&fragment, &[], &[]).unwrap_err();
    check_problem(&problem, "`4916`, `4917`: a fragment has no metadata", "/a", "4916=ESH1");
    let (names, trades) = open_with(&fragment, &[], &[("4916", "ESH1"), ("4917", "NQH1")]).unwrap();
    assert_eq!(names, ["ESH1", "NQH1"]);
    assert_eq!(told(&trades), [(0, 0), (1, 1)]);
    let (names, trades) = open_with(&fragment, &["NQH1"], &[("4917", "NQH1")]).unwrap();
    assert_eq!((names, told(&trades)), (vec!["NQH1".to_string()], vec![(0, 1)]));
    // A definition may be given under the number too.
    let numbered = ["4916", "4917"]
        .map(|symbol| InstrumentDef { symbol: symbol.into(), ..built_in("ESH1").unwrap() });
    let catalog = Catalog::of(numbered.to_vec());
    let dir = tempfile::tempdir().unwrap();
    let spec = write(dir.path(), "databento", "a.frag", &fragment);
    assert_eq!(trades_of(&spec, &catalog), 2);
    // A file of prints has prints, one of quotes has none.
    let source = gateways::open(&config(&spec), &catalog).unwrap();
    assert!(source.symbols.iter().all(|symbol| symbol.trades));
    let quotes = file(Schema::Mbp1, &[top(1, 'A', pair((10, 1), (11, 1))).as_ref()]);
    let spec = write(dir.path(), "databento", "quotes", &quotes);
    assert!(!open(&spec).unwrap().symbols[0].trades);
    let both = [quotes, top(2, 'T', pair((10, 1), (11, 1))).as_ref().to_vec()].concat();
    let spec = write(dir.path(), "databento", "both", &both);
    assert!(open(&spec).unwrap().symbols[0].trades);
}

fn trades_of(spec: &str, catalog: &Catalog) -> usize {
    trades(gateways::open(&config(spec), catalog).unwrap()).len()
}

#[test]
fn files_of_a_pattern_follow_one_another_each_with_its_own_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let day = |id: u32, symbol, at| {
        [front(3, Schema::Trades, &[Mapped(id, symbol, 0..2)]), prints(&[(id, at)])].concat()
    };
    write(dir.path(), "databento", "1.dbn", &day(7, "ESH1", 1));
    write(dir.path(), "databento", "2.dbn", &day(7, "NQH1", 2));
    write(dir.path(), "databento", "3.dbn", &day(9, "ESH1", 3));
    let source = open(&format!("databento:{}/*.dbn", dir.path().display())).unwrap();
    assert_eq!(told(&trades(source)), [(0, 1), (1, 2), (0, 3)]);
}
