//! `parquet`: rows of declared columns, a row group after another and a page of each column at a
//! time. Only the declared columns are read.
//!
//! Columns go by their names; a member of a structure is `outer.inner`. Lists are not read.

use crate::files;
use crate::parquet_column::ColumnPages;
use crate::parquet_pages::{ENCRYPTED, Pages, contained};
use crate::row_fields::Fields;
use crate::row_plan::Plan;
use crate::table_rows::{
    self, Table, TableColumn, write_decimal, write_float, write_float32, write_text, write_time,
};
use engine::Problem;
use engine::instrument::Catalog;
use engine::source::{Source, SourceConfig};
use jiff::tz::TimeZone;
use parquet::basic::{LogicalType, TimeUnit, Type};
use parquet::column::reader::{ColumnReader, get_column_reader};
use parquet::data_type::{ByteArray, FixedLenByteArray, Int96};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnDescriptor;
use std::path::Path;
use std::sync::Arc;

/// Values of a column that are held at a time.
const BATCH: usize = 1_024;
/// Columns of a file.
const COLUMNS_MAX: usize = 10_000;

/// Opens the files that `pattern` names.
pub(crate) fn open(
    config: &SourceConfig,
    pattern: &str,
    catalog: &Catalog,
) -> Result<Source, Problem> {
    table_rows::open::<ParquetTable>(config, pattern, "", catalog)
}

/// How the values of a column are written.
#[derive(Clone, Debug)]
enum Writing {
    Signed,
    Unsigned,
    /// ns of a unit; true for a wall clock without a zone.
    Time(i64, bool),
    Decimal(usize),
    Plain,
}

fn writing(column: &ColumnDescriptor) -> Writing {
    use parquet::basic::ConvertedType as Old;
    match column.logical_type_ref() {
        Some(LogicalType::Timestamp(stamp)) => {
            let unit = match stamp.unit {
                TimeUnit::MILLIS => 1_000_000,
                TimeUnit::MICROS => 1_000,
                TimeUnit::NANOS => 1,
            };
            return Writing::Time(unit, !stamp.is_adjusted_to_u_t_c);
        }
        Some(LogicalType::Decimal(decimal)) => {
            return Writing::Decimal(usize::try_from(decimal.scale).unwrap_or(0).min(76));
        }
        Some(LogicalType::Integer(int)) if !int.is_signed => return Writing::Unsigned,
        _ => {}
    }
    match column.converted_type() {
        Old::TIMESTAMP_MILLIS => Writing::Time(1_000_000, false),
        Old::TIMESTAMP_MICROS => Writing::Time(1_000, false),
        Old::DECIMAL => Writing::Decimal(usize::try_from(column.type_scale()).unwrap_or(0).min(76)),
        Old::UINT_8 | Old::UINT_16 | Old::UINT_32 | Old::UINT_64 => Writing::Unsigned,
        _ if column.physical_type() == Type::INT96 => Writing::Time(1, false),
        _ if matches!(column.physical_type(), Type::INT32 | Type::INT64) => Writing::Signed,
        _ => Writing::Plain,
    }
}

/// An open file.
pub(crate) struct ParquetTable {
    pages: Arc<Pages>,
    meta: Arc<ParquetMetaData>,
    /// True if columns are encrypted; the crate does not tell which.
    some_encrypted: bool,
    columns: Vec<TableColumn>,
    zone: TimeZone,
    /// The row group that is read next.
    group: usize,
    /// Rows of the group being read that are still to come.
    rows_left: u64,
    /// One a column, where it is used.
    cursors: Vec<Option<Cursor>>,
}

impl Table for ParquetTable {
    const FORMAT: &'static str = "parquet";

    fn open(path: &Path, _part: &str, zone: &TimeZone) -> Result<Self, Problem> {
        let place = path.display().to_string();
        let damaged = |what: String| {
            if what == ENCRYPTED {
                let fix = "write it again without encryption: this needs its keys";
                return Problem::new("the parquet file is encrypted", place.clone(), fix);
            }
            Problem::new(
                format!("not a whole parquet file: {what}"),
                place.clone(),
                "fetch or copy the file again",
            )
        };
        let pages = Pages::new(files::open_file(path)?).map_err(damaged)?;
        let (meta, some_encrypted) = pages.metadata().map_err(damaged)?;
        let schema = meta.file_metadata().schema_descr();
        if schema.num_columns() > COLUMNS_MAX {
            return Err(damaged(format!("{} columns", schema.num_columns())));
        }
        let rows = meta.row_groups().iter().map(|group| i128::from(group.num_rows())).sum::<i128>();
        let said = meta.file_metadata().num_rows();
        if let Some(group) = meta.row_groups().iter().find(|group| group.num_rows() < 0) {
            return Err(damaged(format!("a row group has {} rows", group.num_rows())));
        }
        if rows != i128::from(said) {
            return Err(damaged(format!("its row groups have {rows} rows, and it says {said}")));
        }
        let column = |column: &Arc<ColumnDescriptor>| TableColumn {
            name: column.path().parts().join("."),
            type_name: match column.logical_type_ref() {
                Some(logical) => format!("{} {logical:?}", column.physical_type()),
                None => column.physical_type().to_string(),
            },
            is_time: matches!(writing(column), Writing::Time(..)),
            is_value: column.max_rep_level() == 0,
        };
        let columns = schema.columns().iter().map(column).collect();
        let (pages, meta, zone) = (Arc::new(pages), Arc::new(meta), zone.clone());
        let (group, rows_left, cursors) = (0, 0, Vec::new());
        Ok(Self { pages, meta, some_encrypted, columns, zone, group, rows_left, cursors })
    }

    fn columns(&self) -> &[TableColumn] {
        &self.columns
    }

    fn rows(&self) -> u64 {
        u64::try_from(self.meta.file_metadata().num_rows()).unwrap_or(0)
    }

    fn next(&mut self, plan: &Plan, fields: &mut Fields) -> Result<bool, String> {
        while self.rows_left == 0 {
            self.end_group()?;
            if self.group == self.meta.num_row_groups() {
                return Ok(false);
            }
            self.open_group(plan)?;
        }
        self.rows_left -= 1;
        for (at, cursor) in self.cursors.iter_mut().enumerate() {
            if let Some(cursor) = cursor {
                let name = &self.columns[at].name;
                let written = cursor.write_next(fields.text_mut(), &self.zone);
                written.map_err(|what| {
                    let or = "; or it is encrypted, which the file says some columns are";
                    let or = if self.some_encrypted { or } else { "" };
                    format!("column `{}`: {what}{or}", name.escape_debug())
                })?;
            }
            fields.end_field();
        }
        Ok(true)
    }
}

impl ParquetTable {
    fn open_group(&mut self, plan: &Plan) -> Result<(), String> {
        let meta = self.meta.row_group(self.group);
        self.group += 1;
        let rows = u64::try_from(meta.num_rows()).map_err(|_| "a negative number of rows")?;
        self.cursors.clear();
        for (at, column) in meta.columns().iter().enumerate() {
            if !plan.uses(at) {
                self.cursors.push(None);
                continue;
            }
            if column.num_values() != meta.num_rows() {
                let (name, values) = (column.column_path().string(), column.num_values());
                let name = name.escape_debug();
                return Err(format!("column `{name}` has {values} values of {rows} rows"));
            }
            let pages = Arc::clone(&self.pages);
            let description = column.column_descr_ptr();
            let reader = contained(|| {
                let (pages, column) = ColumnPages::new(pages, column)?;
                let pages =
                    SerializedPageReader::new(Arc::new(pages), &column, rows as usize, None)?;
                Ok(get_column_reader(description, Box::new(pages)))
            })?;
            self.cursors.push(Some(Cursor::new(reader, column.column_descr())));
        }
        if self.cursors.len() != self.columns.len() {
            return Err("a row group has other columns than the file".to_string());
        }
        self.rows_left = rows;
        Ok(())
    }

    /// Pages that hold more than their row group says would be lost in silence.
    fn end_group(&mut self) -> Result<(), String> {
        for (at, cursor) in self.cursors.iter_mut().enumerate() {
            let Some(cursor) = cursor else { continue };
            if cursor.record == cursor.count {
                cursor.fill()?;
            }
            if cursor.record < cursor.count {
                let name = self.columns[at].name.escape_debug();
                return Err(format!("column `{name}` has more values than its row group has rows"));
            }
        }
        Ok(())
    }
}

/// Values of one column, decoded a batch at a time.
struct Cursor {
    reader: ColumnReader,
    writing: Writing,
    /// The level of a value that is there; less for one that is missing.
    level_max: i16,
    levels: Vec<i16>,
    values: Values,
    /// Next record and next value of the batch.
    record: usize,
    value: usize,
    /// Records in the batch.
    count: usize,
}

enum Values {
    Bool(Vec<bool>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Int96(Vec<Int96>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Bytes(Vec<ByteArray>),
    Fixed(Vec<FixedLenByteArray>),
}

impl Cursor {
    fn new(reader: ColumnReader, column: &ColumnDescriptor) -> Self {
        let values = match &reader {
            ColumnReader::BoolColumnReader(_) => Values::Bool(Vec::new()),
            ColumnReader::Int32ColumnReader(_) => Values::Int32(Vec::new()),
            ColumnReader::Int64ColumnReader(_) => Values::Int64(Vec::new()),
            ColumnReader::Int96ColumnReader(_) => Values::Int96(Vec::new()),
            ColumnReader::FloatColumnReader(_) => Values::Float(Vec::new()),
            ColumnReader::DoubleColumnReader(_) => Values::Double(Vec::new()),
            ColumnReader::ByteArrayColumnReader(_) => Values::Bytes(Vec::new()),
            ColumnReader::FixedLenByteArrayColumnReader(_) => Values::Fixed(Vec::new()),
        };
        Self {
            reader,
            writing: writing(column),
            level_max: column.max_def_level(),
            levels: Vec::new(),
            values,
            record: 0,
            value: 0,
            count: 0,
        }
    }

    fn fill(&mut self) -> Result<(), String> {
        let Self { reader, values, levels, .. } = self;
        levels.clear();
        macro_rules! read {
            ($reader:expr, $values:expr) => {{
                $values.clear();
                contained(|| $reader.read_records(BATCH, Some(levels), None, $values))?
            }};
        }
        let (records, _, _) = match (reader, values) {
            (ColumnReader::BoolColumnReader(r), Values::Bool(v)) => read!(r, v),
            (ColumnReader::Int32ColumnReader(r), Values::Int32(v)) => read!(r, v),
            (ColumnReader::Int64ColumnReader(r), Values::Int64(v)) => read!(r, v),
            (ColumnReader::Int96ColumnReader(r), Values::Int96(v)) => read!(r, v),
            (ColumnReader::FloatColumnReader(r), Values::Float(v)) => read!(r, v),
            (ColumnReader::DoubleColumnReader(r), Values::Double(v)) => read!(r, v),
            (ColumnReader::ByteArrayColumnReader(r), Values::Bytes(v)) => read!(r, v),
            (ColumnReader::FixedLenByteArrayColumnReader(r), Values::Fixed(v)) => read!(r, v),
            _ => unreachable!("Invariant: the values are the reader's"),
        };
        (self.record, self.value, self.count) = (0, 0, records);
        Ok(())
    }

    /// Writes the next record's value; nothing for one that is missing.
    fn write_next(&mut self, out: &mut Vec<u8>, zone: &TimeZone) -> Result<(), String> {
        if self.record == self.count {
            self.fill()?;
        }
        if self.count == 0 {
            return Err("it ends before its row group".to_string());
        }
        let missing = self.level_max > 0
            && self.levels.get(self.record).is_none_or(|level| *level < self.level_max);
        self.record += 1;
        if missing {
            return Ok(());
        }
        let at = self.value;
        self.value += 1;
        let short = || "fewer values than records".to_string();
        match &self.values {
            Values::Bool(v) => {
                let text = if *v.get(at).ok_or_else(short)? { "true" } else { "false" };
                write_text(out, text.as_bytes())
            }
            Values::Int32(v) => {
                let value = *v.get(at).ok_or_else(short)?;
                let value = match self.writing {
                    Writing::Unsigned => i64::from(value as u32),
                    _ => i64::from(value),
                };
                self.write_int(out, value, i128::from(value), zone)
            }
            Values::Int64(v) => {
                let value = *v.get(at).ok_or_else(short)?;
                let wide = match self.writing {
                    Writing::Unsigned => i128::from(value as u64),
                    _ => i128::from(value),
                };
                self.write_int(out, value, wide, zone)
            }
            Values::Int96(v) => write_time(out, v.get(at).ok_or_else(short)?.to_nanos(), 1, None),
            Values::Float(v) => {
                write_float32(out, *v.get(at).ok_or_else(short)?);
                Ok(())
            }
            Values::Double(v) => {
                write_float(out, *v.get(at).ok_or_else(short)?);
                Ok(())
            }
            Values::Bytes(v) => self.write_bytes(out, v.get(at).ok_or_else(short)?.data()),
            Values::Fixed(v) => self.write_bytes(out, v.get(at).ok_or_else(short)?.data()),
        }
    }

    fn write_int(
        &self,
        out: &mut Vec<u8>,
        value: i64,
        wide: i128,
        zone: &TimeZone,
    ) -> Result<(), String> {
        match self.writing {
            Writing::Time(unit, is_wall) => {
                let zone = (is_wall && *zone != TimeZone::UTC).then_some(zone);
                return write_time(out, value, unit, zone);
            }
            Writing::Decimal(digits) => write_decimal(out, wide, digits),
            _ => write_decimal(out, wide, 0),
        }
        Ok(())
    }

    fn write_bytes(&self, out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), String> {
        let Writing::Decimal(digits) = self.writing else { return write_text(out, bytes) };
        if bytes.len() > size_of::<i128>() {
            return Err("a decimal of more than 16 bytes".to_string());
        }
        // Big-endian two's complement of any length.
        let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
        let begin = if negative { -1_i128 } else { 0 };
        let value = bytes.iter().fold(begin, |value, byte| value << 8 | i128::from(*byte));
        write_decimal(out, value, digits);
        Ok(())
    }
}
