//! Columnar files: their columns by name, and what their values say of times and symbols.

use super::columns::Rows;
use super::detect;
use super::kind::{Kind, quoted};
use super::rows::{SYMBOLS_MAX, Steps, clock_of, declare_times, take_symbols};
use super::stamps::Stamps;
use crate::parquet_rows::ParquetTable;
use crate::row_fields::Fields;
use crate::row_plan::{Declared, Plan};
use crate::table_rows::Table;
use engine::Problem;
use engine::source::{Column, Columns, TimeUnit};
use jiff::tz::TimeZone;
use std::path::Path;

/// A Parquet file.
pub(super) fn parquet(path: &Path) -> Result<Kind, Problem> {
    look::<ParquetTable>(path)
}

/// An HDF5 file.
#[cfg(feature = "hdf5")]
pub(super) fn hdf5(path: &Path) -> Result<Kind, Problem> {
    look::<crate::hdf5_table::Hdf5Table>(path)
}

/// An HDF5 file, in a build without the C library.
#[cfg(not(feature = "hdf5"))]
pub(super) fn hdf5(path: &Path) -> Result<Kind, Problem> {
    let config = engine::source::SourceConfig::of(&format!("hdf5:{}", path.display()));
    let refused = crate::open(&config, &engine::instrument::Catalog::default());
    Err(refused.err().unwrap_or_else(|| Problem::new("not read", config.spec, "report this")))
}

fn look<T: Table>(path: &Path) -> Result<Kind, Problem> {
    let table = T::open(path, "", &TimeZone::UTC)?;
    let columns: Vec<_> = table.columns().iter().filter(|column| column.is_value).collect();
    let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    let (mut kind, found) = detect::of_table(T::FORMAT, path, &names)?;
    let is_time = |field: &str| found.position(field).is_some_and(|at| columns[at].is_time);
    let typed = is_time("ts_event");
    let seen = seen::<T>(path, &kind, typed)?;
    if seen.rows == 0 {
        let fix = "there is nothing to import; fetch or write it again";
        return Err(Problem::new("there are no rows", path.display().to_string(), fix));
    }
    if found.position("symbol").is_some() {
        take_symbols(&mut kind, seen.symbols, seen.more_symbols);
    }
    if typed {
        kind.inferred("times by the type of their column; one without a zone is taken for UTC");
    } else {
        let reading = seen.stamps.reading().map_err(|what| {
            let fix = "declare the source by hand: `grandmodel config init` shows how";
            Problem::new(what, format!("{}, the time column", path.display()), fix)
        })?;
        declare_times(&mut kind, &reading);
    }
    if found.rows == Rows::Bars {
        seen.steps.declare(&mut kind);
    }
    Ok(kind)
}

/// What the rows say.
#[derive(Default)]
struct Seen {
    /// Those that were looked at.
    rows: u64,
    stamps: Stamps,
    symbols: Vec<String>,
    more_symbols: bool,
    steps: Steps,
}

fn seen<T: Table>(path: &Path, kind: &Kind, typed: bool) -> Result<Seen, Problem> {
    let mut table = T::open(path, "", &TimeZone::UTC)?;
    let names: Vec<String> = table.columns().iter().map(|column| column.name.clone()).collect();
    let plan = plan(kind, &names, typed, &path.display().to_string())?;
    let of = |field: &str| {
        let column = kind.columns.iter().find(|(name, _)| *name == field)?;
        names.iter().position(|name| quoted(name) == column.1)
    };
    let (time, symbol) = (of("ts_event"), of("symbol"));
    let mut seen = Seen::default();
    let mut fields = Fields::new(b',');
    loop {
        fields.begin();
        match table.next(&plan, &mut fields) {
            Ok(true) => seen.rows += 1,
            Err(what) if seen.rows == 0 => {
                let fix = "fetch or copy the file again; nothing of it can be read";
                return Err(Problem::new(what, path.display().to_string(), fix));
            }
            // Damage behind rows is named by who delivers those.
            Ok(false) | Err(_) => break,
        }
        if let Some(text) = time.and_then(|at| fields.get(at)) {
            seen.time(&String::from_utf8_lossy(text), typed);
        }
        if let Some(text) = symbol.and_then(|at| fields.get(at)) {
            seen.symbol(&String::from_utf8_lossy(text).to_uppercase());
        }
        // Times alone are told from the first rows.
        if symbol.is_none() && seen.rows == ROWS_MAX {
            break;
        }
    }
    Ok(seen)
}

/// Rows that are looked at for their times.
const ROWS_MAX: u64 = 100_000;

impl Seen {
    fn time(&mut self, text: &str, typed: bool) {
        let rows = self.rows;
        if rows > ROWS_MAX || text.is_empty() {
            return;
        }
        self.stamps.note(text);
        let ns = if typed {
            text.parse().ok()
        } else {
            let clock =
                self.stamps.reading().ok().filter(|_| rows < 2_000).as_ref().and_then(clock_of);
            clock.and_then(|clock| clock.read(text.as_bytes()).ok())
        };
        if let Some(ns) = ns {
            self.steps.note(ns);
        }
    }

    fn symbol(&mut self, symbol: &str) {
        if symbol.is_empty() || self.symbols.last().is_some_and(|last| last == symbol) {
            return;
        }
        if !self.symbols.iter().any(|known| known == symbol) {
            if self.symbols.len() < SYMBOLS_MAX {
                self.symbols.push(symbol.to_string());
            } else {
                self.more_symbols = true;
            }
        }
    }
}

/// Where the columns lie, by the declaration so far.
fn plan(kind: &Kind, names: &[String], typed: bool, place: &str) -> Result<Plan, Problem> {
    let column = |(field, value): &(&'static str, String)| {
        let name = names.iter().find(|name| quoted(name) == *value)?;
        Some(((*field).to_string(), Column::Name(name.clone())))
    };
    let has = |field: &str| kind.columns.iter().any(|(name, _)| *name == field);
    let is_bar = has("open");
    let columns = Columns {
        header: true,
        delimiter: b',',
        symbol: (!has("symbol")).then(|| "ANY".to_string()),
        columns: kind.columns.iter().filter_map(column).collect(),
        ts_unit: if typed { TimeUnit::Typed } else { TimeUnit::Nanoseconds },
        zone: "UTC".to_string(),
        ts_formats: Vec::new(),
        price_scale: "1".to_string(),
        stamp: is_bar.then_some(engine::source::Stamp::Open),
        timeframe_s: is_bar.then_some(60),
    };
    Declared::new(&columns, place)?.find(Some(names), place)
}
