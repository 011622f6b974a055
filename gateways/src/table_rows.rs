//! Rows of files whose columns have names and types: what `parquet` and `hdf5` share. Each value
//! is written out as exact text, so that a row means what the same row of a `csv` means.
//!
//! Floats are written by their shortest decimal: the one that a person would write and that reads
//! back to the same bits, so `0.00141342` is exactly that. A missing value and a NaN are an empty
//! field. A column that is a time by its type needs no `ts_unit`; one without a zone is the wall
//! clock of `zone`, UTC unless declared.

use crate::csv_rows;
use crate::files::{self, Fault};
use crate::local_time;
use crate::row_fields::Fields;
use crate::row_plan::{Declared, EXAMPLE, Field, Gives, Plan};
use crate::row_reader::{Memory, RowReader};
use crate::row_symbols::{NOT_CHOSEN, Symbols};
use crate::spec;
use engine::Problem;
use engine::instrument::Catalog;
use engine::source::{Decoder, Feed, Source, SourceConfig, TimeUnit};
use jiff::tz::TimeZone;
use ringbuf_layout::InputCell;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Longest text of a value.
pub(crate) const TEXT_MAX: usize = 1 << 16;

/// A column of a file.
#[derive(Clone, Debug)]
pub(crate) struct TableColumn {
    pub name: String,
    /// Its type, for messages.
    pub type_name: String,
    /// True if the type says that it is a time.
    pub is_time: bool,
    /// False for what cannot be a field: lists, structures.
    pub is_value: bool,
}

/// An open file.
pub(crate) trait Table: Send + Sized + 'static {
    /// The format, as in a specification.
    const FORMAT: &'static str;

    /// Opens a file, or the part of it that `part` names.
    fn open(path: &Path, part: &str, zone: &TimeZone) -> Result<Self, Problem>;
    /// Its columns.
    fn columns(&self) -> &[TableColumn];
    /// How many rows it says it has.
    fn rows(&self) -> u64;
    /// Appends the values of the next row that `plan` uses, the others empty; false at the end.
    fn next(&mut self, plan: &Plan, fields: &mut Fields) -> Result<bool, String>;
}

/// Opens the files that `pattern` names; `part` names what is inside of them.
pub(crate) fn open<T: Table>(
    config: &SourceConfig,
    pattern: &str,
    part: &str,
    catalog: &Catalog,
) -> Result<Source, Problem> {
    let place = spec::place(&config.spec);
    let Some(columns) = &config.columns else {
        let what = format!("the columns of this `{}` source are not declared", T::FORMAT);
        return Err(Problem::new(what, place, EXAMPLE));
    };
    let declared = Declared::new(columns, &place)?;
    let zone = engine::calendar::zone(&columns.zone).ok_or_else(|| {
        let what = format!("there is no time zone {}", files::quoted(columns.zone.as_bytes()));
        Problem::new(what, place.clone(), "give an IANA name such as \"America/New_York\"")
    })?;
    let symbols = Symbols::new(config, &declared, catalog, &place)?;
    let uses = symbols.uses(declared.gives_trades(), declared.bars_s());
    let paths = files::expand(&config.spec, pattern)?;
    let identity = csv_rows::identity(config, &declared, &paths)?;
    let typed = columns.ts_unit == TimeUnit::Typed;
    let rows = TableRows::<T> {
        typed,
        zone,
        part: part.to_string(),
        declared,
        symbols,
        fields: Fields::new(b','),
        memory: Memory::default(),
        inputs: paths.into_iter().rev().collect(),
        current: None,
    };
    let mut count = 0;
    for path in rows.inputs.clone() {
        count += rows.start(&path)?.table.rows();
    }
    // A row may give two records, or none.
    let exact = rows.declared.gives == Gives::Ticks && !rows.declared.has(Field::Symbol);
    Ok(Source {
        name: config.name.clone(),
        spec: config.spec.clone(),
        identity,
        live: false,
        symbols: uses,
        front: None,
        records_hint: exact.then_some(count),
        feed: Feed::Decoder(Box::new(rows)),
    })
}

/// A file being read.
struct Current<T> {
    table: T,
    plan: Plan,
    place: String,
    /// The row last read, from 1.
    row: u64,
}

/// The rows of all files.
struct TableRows<T> {
    /// True if the types of the time columns say their unit.
    typed: bool,
    zone: TimeZone,
    part: String,
    declared: Declared,
    symbols: Symbols,
    fields: Fields,
    memory: Memory,
    /// Not yet opened, the first last.
    inputs: Vec<PathBuf>,
    current: Option<Current<T>>,
}

impl<T: Table> TableRows<T> {
    fn start(&self, path: &Path) -> Result<Current<T>, Problem> {
        let mut place = path.display().to_string();
        let table = T::open(path, &self.part, &self.zone)?;
        if !self.part.is_empty() {
            place = format!("{place}#{}", self.part);
        }
        let columns = table.columns();
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let plan = self.declared.find(Some(&names), &place)?;
        for (at, column) in columns.iter().enumerate().filter(|(at, _)| plan.uses(*at)) {
            let times = [Field::TsEvent, Field::TsRecv];
            let is_ts = times.iter().any(|field| plan.position(*field) == Some(at));
            let (what, fix) = if !column.is_value {
                ("holds no single values", "declare a column of numbers or texts")
            } else if is_ts && self.typed && !column.is_time {
                (
                    "is a time without a unit",
                    "declare ts_unit = \"s\", \"ms\", \"us\", \"ns\" or \"text\"",
                )
            } else if is_ts && !self.typed && column.is_time {
                ("is a time with its unit", "take ts_unit out: the type of the column says it")
            } else {
                continue;
            };
            return Err(Problem::new(
                format!(
                    "the column `{}` ({}) {what}",
                    column.name.escape_debug(),
                    column.type_name
                ),
                place,
                fix,
            ));
        }
        Ok(Current { table, plan, place, row: 0 })
    }
}

impl<T: Table> Decoder for TableRows<T> {
    fn next(&mut self, cell: &mut InputCell) -> Result<bool, Problem> {
        if let Some(waiting) = self.memory.waiting.take() {
            cell.copy_from(&waiting);
            return Ok(true);
        }
        loop {
            if self.current.is_none() {
                let Some(path) = self.inputs.pop() else { return Ok(false) };
                self.current = Some(self.start(&path)?);
            }
            let Some(current) = &mut self.current else { return Ok(false) };
            self.fields.begin();
            current.row += 1;
            match current.table.next(&current.plan, &mut self.fields) {
                Ok(true) => {}
                Ok(false) => {
                    self.current = None;
                    continue;
                }
                Err(what) => {
                    return Err(Problem::new(
                        what,
                        format!("{}, row {}", current.place, current.row),
                        "fetch or copy the file again; the rows before were delivered",
                    ));
                }
            }
            let mut reader = RowReader {
                declared: &self.declared,
                symbols: &mut self.symbols,
                fields: &self.fields,
                plan: &current.plan,
                memory: &mut self.memory,
                live: false,
            };
            match reader.read(cell) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(Fault { column, what }) => {
                    return Err(Problem::new(
                        what,
                        format!("{}, row {}, column {column}", current.place, current.row),
                        "correct the value or the declared columns; everything before it was \
                         delivered",
                    ));
                }
            }
        }
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        vec![(NOT_CHOSEN, self.symbols.unwanted)]
    }
}

/// Writes a float as its shortest decimal; nothing for NaN.
pub(crate) fn write_float(out: &mut Vec<u8>, value: f64) {
    if !value.is_nan() {
        // Writing to a Vec does not fail.
        let _ = write!(out, "{value}");
    }
}

/// As [`write_float`], by the shortest decimal of 32 bits.
pub(crate) fn write_float32(out: &mut Vec<u8>, value: f32) {
    if !value.is_nan() {
        let _ = write!(out, "{value}");
    }
}

/// Writes an integer of 10^-`digits`.
pub(crate) fn write_decimal(out: &mut Vec<u8>, value: i128, digits: usize) {
    if digits == 0 {
        let _ = write!(out, "{value}");
        return;
    }
    let sign = if value < 0 { "-" } else { "" };
    let text = format!("{:0>width$}", value.unsigned_abs(), width = digits + 1);
    let (whole, fraction) = text.split_at(text.len() - digits);
    let _ = write!(out, "{sign}{whole}.{fraction}");
}

/// Writes an instant as nanoseconds. `zone` is that of a wall clock, `None` for UTC.
pub(crate) fn write_time(
    out: &mut Vec<u8>,
    value: i64,
    unit_ns: i64,
    zone: Option<&TimeZone>,
) -> Result<(), String> {
    let ns = i128::from(value) * i128::from(unit_ns);
    let ns = match zone {
        None => ns,
        Some(zone) => {
            let wall = jiff::Timestamp::from_nanosecond(ns).map_err(|e| e.to_string())?;
            let wall = TimeZone::UTC.to_datetime(wall);
            i128::from(local_time::instant(zone, wall)?)
        }
    };
    let _ = write!(out, "{ns}");
    Ok(())
}

/// Writes a text, if it is short enough to be one.
pub(crate) fn write_text(out: &mut Vec<u8>, text: &[u8]) -> Result<(), String> {
    if text.len() > TEXT_MAX {
        return Err(format!("a text of {} bytes", text.len()));
    }
    out.extend_from_slice(text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn floats_are_their_shortest_decimals_and_nan_is_nothing() {
        for (value, text) in
            [(0.1, "0.1"), (0.001_413_42, "0.00141342"), (23.0, "23"), (1e-9, "0.000000001")]
        {
            assert_eq!(written(|out| write_float(out, value)), text);
        }
        assert_eq!(written(|out| write_float(out, f64::NAN)), "");
        assert_eq!(written(|out| write_float(out, f64::NEG_INFINITY)), "-inf");
        assert_eq!(written(|out| write_float32(out, 0.1)), "0.1");
    }

    #[test]
    fn decimals_keep_every_digit() {
        for (value, digits, text) in
            [(12345, 2, "123.45"), (-5, 3, "-0.005"), (7, 0, "7"), (0, 1, "0.0")]
        {
            assert_eq!(written(|out| write_decimal(out, value, digits)), text);
        }
    }

    #[test]
    fn a_wall_clock_follows_its_zone() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let noon = 1_381_147_200_000; // 2013-10-07T12:00:00
        let at = |zone| written(|out| write_time(out, noon, 1_000_000, zone).unwrap());
        assert_eq!(at(None), "1381147200000000000");
        assert_eq!(at(Some(&zone)), "1381161600000000000");
        assert!(write_time(&mut Vec::new(), i64::MAX, 1_000_000, Some(&zone)).is_err());
    }
}
