//! Writes rows as CSV, JSON lines or Parquet.

use super::Cell;
use super::columns::{Column, Type};
use crate::cli::Format;
use crate::say::stdout_failed;
use engine::Problem;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, FixedLenByteArray};
use parquet::data_type::{FixedLenByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use ringbuf_layout::units::{Decimal, PRICE_DIGITS};
use serde_json::{Map, Number, Value};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

/// Rows of a Parquet row group: a few MiB.
const GROUP_ROWS: usize = 65_536;

type Out = Box<dyn Write + Send>;

/// A table being written.
pub struct Table {
    kind: Kind,
    columns: &'static [Column],
    place: String,
}

enum Kind {
    Csv(Box<csv::Writer<Out>>),
    Jsonl(Out),
    Parquet { file: Option<Box<SerializedFileWriter<Out>>>, rows: Vec<Vec<Cell>> },
}

impl Table {
    /// Creates the file and writes the header.
    pub fn create(
        path: &Path,
        format: Format,
        columns: &'static [Column],
    ) -> Result<Self, Problem> {
        let place = path.display().to_string();
        let failed = |error: &dyn std::fmt::Display| cannot_write(&place, error);
        let out: Out = if place == "-" {
            Box::new(BufWriter::new(Stdout))
        } else {
            Box::new(BufWriter::new(File::create(path).map_err(|e| failed(&e))?))
        };
        let kind = match format {
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(out);
                writer
                    .write_record(columns.iter().map(|(name, _)| name))
                    .map_err(|e| failed(&e))?;
                Kind::Csv(Box::new(writer))
            }
            Format::Jsonl => Kind::Jsonl(out),
            Format::Parquet => {
                let schema = parse_message_type(&schema(columns)).map_err(|e| failed(&e))?;
                let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
                let properties = Arc::new(properties.build());
                let file = SerializedFileWriter::new(out, Arc::new(schema), properties)
                    .map_err(|e| failed(&e))?;
                Kind::Parquet { file: Some(Box::new(file)), rows: Vec::with_capacity(GROUP_ROWS) }
            }
        };
        Ok(Self { kind, columns, place })
    }

    /// Writes a row.
    pub fn row(&mut self, row: &[Cell]) -> Result<(), Problem> {
        assert_eq!(row.len(), self.columns.len(), "Invariant: a row fills its columns");
        let result = match &mut self.kind {
            Kind::Csv(writer) => {
                writer.write_record(row.iter().map(text)).map_err(|e| e.to_string())
            }
            Kind::Jsonl(out) => jsonl(out, self.columns, row).map_err(|e| e.to_string()),
            Kind::Parquet { file, rows } => {
                rows.push(row.to_vec());
                let full = rows.len() == GROUP_ROWS;
                if full { group(file, self.columns, rows) } else { Ok(()) }
            }
        };
        result.map_err(|e| cannot_write(&self.place, &e))
    }

    /// Writes what is left, and the end.
    pub fn finish(&mut self) -> Result<(), Problem> {
        let result = match &mut self.kind {
            Kind::Csv(writer) => writer.flush().map_err(|e| e.to_string()),
            Kind::Jsonl(out) => out.flush().map_err(|e| e.to_string()),
            Kind::Parquet { file, rows } => {
                let rest = if rows.is_empty() { Ok(()) } else { group(file, self.columns, rows) };
                rest.and_then(|()| match file.take() {
                    Some(file) => file.close().map(drop).map_err(|e| e.to_string()),
                    None => Ok(()),
                })
            }
        };
        result.map_err(|e| cannot_write(&self.place, &e))
    }
}

fn cannot_write(place: &str, error: &dyn std::fmt::Display) -> Problem {
    let fix = "choose another file with -o, or make room on the disk";
    Problem::new(format!("cannot write the export: {error}"), place, fix)
}

/// Stdout whose reader may go away (`| head`): then what is written is dropped, which is no error.
struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match io::stdout().write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                stdout_failed(&error);
                Ok(bytes.len())
            }
            other => other,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match io::stdout().flush() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                stdout_failed(&error);
                Ok(())
            }
            other => other,
        }
    }
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Int(value) => value.to_string(),
        Cell::Text(value) => value.clone(),
        Cell::Decimal(value, digits) => Decimal { value: *value, digits: *digits }.to_string(),
        Cell::Float(value) => value.to_string(),
    }
}

/// Decimals stand as texts: a JSON number would pass through a float in most readers.
fn jsonl(out: &mut Out, columns: &[Column], row: &[Cell]) -> io::Result<()> {
    let values = row.iter().map(|cell| match cell {
        Cell::Empty => Value::Null,
        Cell::Int(value) => Value::from(*value),
        Cell::Float(value) => Number::from_f64(*value).map_or(Value::Null, Value::Number),
        Cell::Text(_) | Cell::Decimal(..) => Value::from(text(cell)),
    });
    let names = columns.iter().map(|(name, _)| (*name).to_string());
    let object: Map<String, Value> = names.zip(values).collect();
    writeln!(out, "{}", Value::Object(object))
}

/// The Parquet schema: every column optional, decimals exact with nine digits after the point.
fn schema(columns: &[Column]) -> String {
    columns.iter().fold("message record {\n".to_string(), |schema, (name, kind)| {
        let kind = match kind {
            Type::Int => format!("int64 {name}"),
            Type::Text => format!("binary {name} (utf8)"),
            Type::Decimal => {
                format!("fixed_len_byte_array(16) {name} (decimal(38, {PRICE_DIGITS}))")
            }
            Type::Float => format!("double {name}"),
        };
        format!("{schema}  optional {kind};\n")
    }) + "}"
}

/// One row group, column by column.
fn group(
    file: &mut Option<Box<SerializedFileWriter<Out>>>,
    columns: &[Column],
    rows: &mut Vec<Vec<Cell>>,
) -> Result<(), String> {
    let Some(file) = file else { return Err("the file is closed".to_string()) };
    let mut writer = file.next_row_group().map_err(|e| e.to_string())?;
    for (i, (_, kind)) in columns.iter().enumerate() {
        column(&mut writer, *kind, rows.iter().map(|row| &row[i])).map_err(|e| e.to_string())?;
    }
    writer.close().map_err(|e| e.to_string())?;
    rows.clear();
    Ok(())
}

fn column<'a>(
    writer: &mut SerializedRowGroupWriter<'_, Out>,
    kind: Type,
    cells: impl Iterator<Item = &'a Cell> + Clone,
) -> parquet::errors::Result<()> {
    let levels: Vec<i16> = cells.clone().map(|cell| i16::from(*cell != Cell::Empty)).collect();
    let Some(mut column) = writer.next_column()? else { return Ok(()) };
    macro_rules! write {
        ($type:ty, $value:expr) => {{
            let values: Vec<_> = cells.filter_map($value).collect();
            column.typed::<$type>().write_batch(&values, Some(&levels), None)?;
        }};
    }
    match kind {
        Type::Int => write!(Int64Type, |cell: &Cell| match cell {
            Cell::Int(value) => Some(*value),
            _ => None,
        }),
        Type::Float => write!(DoubleType, |cell: &Cell| match cell {
            Cell::Float(value) => Some(*value),
            _ => None,
        }),
        Type::Text => write!(ByteArrayType, |cell: &Cell| match cell {
            Cell::Text(value) => Some(ByteArray::from(value.as_str())),
            _ => None,
        }),
        Type::Decimal => write!(FixedLenByteArrayType, |cell: &Cell| match cell {
            Cell::Decimal(value, digits) => {
                let nine = value * 10_i128.pow(PRICE_DIGITS - digits);
                let bytes = ByteArray::from(nine.to_be_bytes().to_vec());
                Some(FixedLenByteArray::from(bytes))
            }
            _ => None,
        }),
    }
    column.close()
}
