//! `journal export`: one kind of record as a table.
//!
//! Times are integer nanoseconds UTC; prices, sizes and money exact decimals; absent is empty. Columns go
//! by name; later versions append.

mod columns;
mod decisions;
mod matrices;
mod rows;
mod write;

use crate::cli;
use crate::journal_command::{damaged, open};
use crate::say::{Exit, Say, stdout_is_gone};
use crate::window;
use engine::Problem;
use engine::replay::instruments;
use engine::runtime::feed::Filter;
use matrices::Values;
use rows::Slot;
use serde_json::{Map, json};
use write::Table;

/// One value of a row.
#[derive(Clone, PartialEq, Debug)]
pub enum Cell {
    /// Absent.
    Empty,
    /// A whole number.
    Int(i64),
    /// A text.
    Text(String),
    /// value × 10^-digits.
    Decimal(i128, u32),
    /// A float.
    Float(f64),
}

/// `journal export …`
pub fn export(arguments: &cli::Export, say: Say) -> Result<Exit, Problem> {
    let journal = open(&arguments.dir)?;
    let symbols = rows::Symbols::new(&instruments(&journal, &arguments.dir)?);
    let keep = Keep { filter: window::filter(&arguments.window)?, symbol_at: None };
    symbols.refuse_unknown(&keep.filter.symbols)?;
    let is_imported = engine::replay::is_imported(&journal, &arguments.dir);
    let mut values = values(arguments, &journal)?;
    let columns =
        if values.is_some() { columns::MATRIX_VALUES } else { columns::of(arguments.record) };
    // A table on stdout is alone there: errors go to stderr.
    let symbol_at = columns.iter().position(|(name, _)| *name == "symbol");
    let keep = Keep { symbol_at, ..keep };
    let on_stdout = arguments.output.as_os_str() == "-";
    let say = Say { json: say.json && !on_stdout };
    let mut table = Table::create(&arguments.output, arguments.format, columns)?;
    let symbols = symbols.judged(!is_imported);
    let of = (arguments.record, &symbols, &keep);
    match rows_into(&mut table, &journal, of, values.as_mut()) {
        Ok((_, Some(damage))) => Ok(damaged(&damage, say)),
        Ok((count, None)) => {
            if !on_stdout {
                let file = arguments.output.display().to_string();
                say.text(&format!("{count} rows in {file}"));
                let fields = [("rows".into(), json!(count)), ("file".into(), json!(file))];
                say.answer(Map::from_iter(fields));
            }
            Ok(Exit::Done)
        }
        Err(problem) => {
            say.problem(&problem);
            Ok(Exit::Findings)
        }
    }
}

/// Which rows are wanted.
struct Keep {
    filter: Filter,
    /// The column of symbols, if the table has one.
    symbol_at: Option<usize>,
}

impl Keep {
    fn wants(&self, slot: &Slot<'_>, row: &[Cell]) -> bool {
        let named = |at: usize| matches!(&row[at], Cell::Text(symbol) if self.filter.wants(symbol));
        let of_symbol = self.filter.symbols.is_empty() || self.symbol_at.is_none_or(named);
        of_symbol && slot.ts_event().is_none_or(|ts| self.filter.holds(ts))
    }
}

/// What `--values` needs, where it was asked for.
fn values(arguments: &cli::Export, journal: &journal::Journal) -> Result<Option<Values>, Problem> {
    if arguments.values && arguments.record != cli::Record::Matrix {
        let fix = "use --record matrix, or leave --values out";
        return Err(Problem::new("only matrices have values behind their hash", "--values", fix));
    }
    arguments.values.then(|| Values::of(journal, &arguments.dir)).transpose()
}

/// Writes all rows; returns how many, and the damage that ended them. Stops where nobody reads on.
fn rows_into(
    table: &mut Table,
    journal: &journal::Journal,
    (record, symbols, keep): (cli::Record, &rows::Symbols, &Keep),
    mut values: Option<&mut Values>,
) -> Result<(u64, Option<Problem>), Problem> {
    let mut frames = journal.frames();
    let mut slot = Slot::default();
    let (mut count, mut damage) = (0, None);
    while !stdout_is_gone() {
        let frame = match frames.next() {
            Ok(Some(frame)) => frame,
            Ok(None) => break,
            Err(error) => {
                damage = Some(Problem::from_journal(&error));
                break;
            }
        };
        slot.push(&frame);
        if frame.is_last() {
            let rows = match &mut values {
                Some(values) => values.rows(&slot, symbols)?,
                None => rows::of(record, &slot, symbols),
            };
            for row in rows.iter().filter(|row| keep.wants(&slot, row)) {
                table.row(row)?;
                count += 1;
            }
            slot.clear();
        }
    }
    table.finish()?;
    Ok((count, damage))
}
