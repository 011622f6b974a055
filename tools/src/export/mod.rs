//! `journal export`: one kind of record as a table.
//!
//! Times are integer nanoseconds UTC; prices, sizes and money exact decimals; absent is empty. Columns go
//! by name; later versions append. The records of the deciding stages get their tables with those stages.

mod columns;
mod rows;
mod write;

use crate::cli;
use crate::journal_command::{damaged, instruments, open};
use crate::say::{Exit, Say};
use engine::Problem;
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
    let symbols = rows::Symbols::new(&instruments(&journal)?);
    let columns = columns::of(arguments.record);
    let mut table = Table::create(&arguments.output, arguments.format, columns)?;
    let mut frames = journal.frames();
    let mut slot = Slot::default();
    let mut count = 0_u64;
    loop {
        let frame = match frames.next() {
            Ok(Some(frame)) => frame,
            Ok(None) => break,
            Err(error) => {
                table.finish()?;
                return Ok(damaged(&Problem::from_journal(&error), say));
            }
        };
        slot.push(&frame);
        if frame.is_last() {
            for row in rows::of(arguments.record, &slot, &symbols) {
                table.row(&row)?;
                count += 1;
            }
            slot.clear();
        }
    }
    table.finish()?;
    if arguments.output.as_os_str() != "-" {
        say.text(&format!("{count} rows in {}", arguments.output.display()));
        let name = json!(arguments.output.display().to_string());
        say.answer(Map::from_iter([("rows".into(), json!(count)), ("file".into(), name)]));
    }
    Ok(Exit::Done)
}
