//! `databento`: DBN files of versions 1 to 3, packed with zstd or not, with metadata or as fragments.
//!
//! Every file is looked through once before the run, like for its identity: which instruments its market
//! records are of, and whether prints of them come. So only symbols that deliver something need a
//! definition, whatever the metadata lists. Damage met there ends the look; the run delivers all before
//! it and then names it. Several files follow one another in name order.
//!
//! Symbols are those of the metadata (`ESH1`; `ES.C.0` where a continuous one was asked for) or of the
//! mappings in a live stream; a fragment's are its instrument numbers, to be named by `rename`.

use crate::dbn_file::{self, Record, Records};
use crate::dbn_layout::{self, Kind};
use crate::dbn_records::Market;
use crate::dbn_symbols::{Numbers, Survey};
use crate::files;
use crate::naming::Naming;
use crate::spec;
use engine::Problem;
use engine::instrument::Catalog;
use engine::source::{Decoder, Feed, Source, SourceConfig};
use ringbuf_layout::InputCell;
use std::path::{Path, PathBuf};

/// Opens the files that `pattern` names.
pub(crate) fn open(
    config: &SourceConfig,
    pattern: &str,
    catalog: &Catalog,
) -> Result<Source, Problem> {
    let place = spec::place(&config.spec);
    let paths = files::expand(&config.spec, pattern)?;
    let mut naming = Naming::of(config);
    let mut waiting = Vec::new();
    for path in &paths {
        let numbers = survey(path, &mut naming, catalog)?;
        waiting.push(Waiting { path: path.clone(), numbers });
    }
    waiting.reverse();
    let symbols = naming.finish(&place)?;
    let digits = symbols.iter().map(|s| catalog.get(&s.symbol).map_or(0, |d| d.size_precision));
    let market = Market::new(digits);
    Ok(Source {
        name: config.name.clone(),
        spec: config.spec.clone(),
        identity: files::identity(&[&config.name], &paths)?,
        live: false,
        symbols,
        front: None,
        records_hint: None,
        feed: Feed::Decoder(Box::new(Dbn {
            waiting,
            current: None,
            market,
            skipped: Skipped::default(),
        })),
    })
}

/// Looks through a file for the instruments of its market records.
fn survey(path: &Path, naming: &mut Naming, catalog: &Catalog) -> Result<Numbers, Problem> {
    let (start, mut records) = dbn_file::open(path)?;
    let is_fragment = start.version.is_none();
    let mut survey = Survey::new(naming, catalog, start.mappings);
    let file = records.file().to_string();
    // Damage is named when the run comes to it.
    while let Ok(Some(record)) = records.next() {
        if !survey.note(record, &file)? {
            break;
        }
    }
    let unnamed = survey.unnamed;
    let numbers = survey.numbers();
    if unnamed {
        return Err(without_names(naming, &file, is_fragment));
    }
    Ok(numbers)
}

/// Numbers that nothing names: a definition of `4916` would help nobody.
fn without_names(naming: &Naming, file: &str, is_fragment: bool) -> Problem {
    let Err(problem) = naming.finish(file) else {
        return Problem::new("no symbols", file, "report this");
    };
    let why = if is_fragment {
        "a fragment has no metadata to name its instrument numbers"
    } else {
        "neither metadata nor stream name these instrument numbers"
    };
    Problem::new(
        format!("{}: {why}", problem.what),
        problem.place,
        "name them in the source: rename = [\"4916=ESH1\"], or leave them out with `symbols`",
    )
}

/// A file that is not yet read.
struct Waiting {
    path: PathBuf,
    numbers: Numbers,
}

/// The records of all files.
struct Dbn {
    /// Not yet opened, the first last.
    waiting: Vec<Waiting>,
    current: Option<(Records, Numbers)>,
    market: Market,
    skipped: Skipped,
}

/// Records that are not the market's, or not wanted.
#[derive(Clone, Copy, Default, Debug)]
struct Skipped {
    definitions: u64,
    mappings: u64,
    other_schemas: u64,
    other_instruments: u64,
}

impl Dbn {
    /// Opens the next file; false after the last.
    #[cold]
    fn open_next(&mut self) -> Result<bool, Problem> {
        self.current = None;
        let Some(Waiting { path, numbers }) = self.waiting.pop() else { return Ok(false) };
        let (_, records) = dbn_file::open(&path)?;
        self.current = Some((records, numbers));
        Ok(true)
    }
}

impl Decoder for Dbn {
    fn next(&mut self, cell: &mut InputCell) -> Result<bool, Problem> {
        if self.market.left(cell) {
            return Ok(true);
        }
        loop {
            let Some((records, numbers)) = &mut self.current else {
                if self.open_next()? {
                    continue;
                }
                return Ok(false);
            };
            let Some(record) = records.next()? else {
                self.current = None;
                continue;
            };
            let Record { kind, bytes } = record;
            let taken = match kind {
                Kind::Definition => {
                    self.skipped.definitions += 1;
                    continue;
                }
                Kind::Other => {
                    self.skipped.other_schemas += 1;
                    continue;
                }
                Kind::Mapping => {
                    self.skipped.mappings += 1;
                    let symbol = dbn_layout::mapped_symbol(bytes);
                    numbers.map(dbn_layout::instrument_id(bytes), &symbol);
                    continue;
                }
                _ => {
                    let id = dbn_layout::instrument_id(bytes);
                    let Some(index) = numbers.find(id, dbn_layout::index_time(kind, bytes)) else {
                        self.skipped.other_instruments += 1;
                        continue;
                    };
                    self.market.take(record, index, cell)
                }
            };
            match taken {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(fault) => return Err(records.problem(fault)),
            }
        }
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        let Skipped { definitions, mappings, other_schemas, other_instruments } = self.skipped;
        let skipped = [
            ("definition", definitions),
            ("symbol_mapping", mappings),
            ("no_market_data", other_schemas),
            ("instrument_without_name_or_not_chosen", other_instruments),
        ];
        skipped.into_iter().chain(self.market.silent.counts()).collect()
    }
}
