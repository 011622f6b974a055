//! A table of pandas in an HDF5 file: `GROUP/table`, a dataset of compound rows.
//!
//! pandas puts columns of one type into a block, `values_block_0`, and says in an attribute what
//! they are called; columns that were made searchable have fields of their own. Columns go by
//! their names; one of a block whose names cannot be read is `values_block_0[2]`.
//!
//! libhdf5 finds fields by name and reports nothing for one that it does not find, so names are
//! checked against the file's own type before a row is read. Rows are read some thousands at a
//! time. libhdf5 is C: what it does with a file made to harm is its own affair.

use crate::containment::contained;
use crate::hdf5_read::RowLayout;
use crate::row_fields::Fields;
use crate::row_plan::Plan;
use crate::table_rows::{
    Table, TableColumn, write_decimal, write_float, write_float32, write_text, write_time,
};
use engine::Problem;
use hdf5_metno::types::{
    CompoundType, FixedAscii, FixedUnicode, FloatSize, IntSize, TypeDescriptor,
};
use hdf5_metno::{Dataset, File, Group};
use jiff::tz::TimeZone;
use std::path::Path;

/// Rows that are held at a time, and bytes of them.
const BATCH_ROWS: usize = 4_096;
const BATCH_BYTES: usize = 8 << 20;
/// Largest chunk: libhdf5 unpacks one as a whole.
const CHUNK_MAX: usize = 128 << 20;
/// Groups that are looked into for a table.
const GROUPS_MAX: usize = 1_000;
/// Longest attribute that is read.
const ATTRIBUTE_MAX: usize = 1 << 14;
/// Columns of a table.
const COLUMNS_MAX: usize = 10_000;

/// Where the values of a column lie, and what they are.
#[derive(Clone, Debug)]
struct Place {
    /// The compound's field.
    field: usize,
    /// Bytes from the field's begin.
    offset: usize,
    ty: TypeDescriptor,
    /// ns of the unit, if the values are times.
    time_ns: Option<i64>,
}

/// An open table.
pub(crate) struct Hdf5Table {
    dataset: Dataset,
    /// Name and type of each field of the compound.
    fields: Vec<(String, TypeDescriptor)>,
    columns: Vec<TableColumn>,
    places: Vec<Place>,
    zone: TimeZone,
    /// Rows of the dataset, and those read so far.
    rows: usize,
    read: usize,
    /// The fields that are used; made with the first row.
    layout: Option<Used>,
    batch: Vec<u8>,
    /// Next row of the batch, and how many it has.
    next: usize,
    count: usize,
}

/// What is read of a row.
struct Used {
    layout: RowLayout,
    /// Where each column begins in a row; `None` if it is not used.
    offsets: Vec<Option<usize>>,
    /// Rows at a time.
    step: usize,
}

impl Table for Hdf5Table {
    const FORMAT: &'static str = "hdf5";

    fn open(path: &Path, part: &str, zone: &TimeZone) -> Result<Self, Problem> {
        let place = path.display().to_string();
        let damaged = |what: String| {
            let fix = "check that it is a whole HDF5 file with a table of pandas \
                       (DataFrame.to_hdf(…, format=\"table\")), or give parquet";
            Problem::new(what, place.clone(), fix)
        };
        let file = File::open(path).map_err(|e| damaged(format!("not a whole HDF5 file: {e}")))?;
        let group = if part.is_empty() {
            the_table(&file, &place)?
        } else {
            file.group(part).map_err(|e| {
                let names = tables(&file).join(", ");
                let fix = format!("name one of its tables: {names}");
                Problem::new(format!("no group `{part}`: {e}"), place.clone(), fix)
            })?
        };
        contained(|| Self::of(&group, zone)).map_err(damaged)
    }

    fn columns(&self) -> &[TableColumn] {
        &self.columns
    }

    fn rows(&self) -> u64 {
        self.rows as u64
    }

    fn next(&mut self, plan: &Plan, fields: &mut Fields) -> Result<bool, String> {
        if self.next == self.count && !self.fill(plan)? {
            return Ok(false);
        }
        let Some(used) = &self.layout else { return Ok(false) };
        let begin = self.next * used.layout.size;
        let row = &self.batch[begin..begin + used.layout.size];
        self.next += 1;
        for ((offset, place), column) in used.offsets.iter().zip(&self.places).zip(&self.columns) {
            if let Some(offset) = *offset {
                let value = &row[offset..offset + place.ty.size()];
                write_value(fields.text_mut(), value, place, &self.zone)
                    .map_err(|what| format!("column `{}`: {what}", column.name.escape_debug()))?;
            }
            fields.end_field();
        }
        Ok(true)
    }
}

impl Hdf5Table {
    fn of(group: &Group, zone: &TimeZone) -> Result<Self, String> {
        let text = |e: hdf5_metno::Error| e.to_string();
        let dataset = group.dataset("table").map_err(text)?;
        let shape = dataset.shape();
        let [rows] = shape[..] else {
            return Err(format!("the table has {} dimensions instead of one", shape.len()));
        };
        let ty = dataset.dtype().and_then(|dtype| dtype.to_descriptor()).map_err(text)?;
        let TypeDescriptor::Compound(compound) = &ty else {
            return Err(format!("the rows of the table are {ty} instead of compounds"));
        };
        sound(compound)?;
        stored(&dataset, rows, compound.size)?;
        let mut table = Self {
            fields: Vec::new(),
            columns: Vec::new(),
            places: Vec::new(),
            zone: zone.clone(),
            rows,
            read: 0,
            layout: None,
            batch: Vec::new(),
            next: 0,
            count: 0,
            dataset,
        };
        for field in &compound.fields {
            table.add(&field.name, &field.ty)?;
        }
        Ok(table)
    }

    /// The columns of one field.
    fn add(&mut self, name: &str, ty: &TypeDescriptor) -> Result<(), String> {
        let field = self.fields.len();
        self.fields.push((name.to_string(), ty.clone()));
        let time_ns = self.time_unit(name);
        let (inner, names) = match ty {
            TypeDescriptor::FixedArray(inner, count) => {
                if *count > COLUMNS_MAX {
                    return Err(format!("the field `{}` has {count} values", name.escape_debug()));
                }
                let kind = attribute(&self.dataset, &format!("{name}_kind")).unwrap_or_default();
                let mut names = pickled_texts(&kind);
                if names.len() != *count {
                    names = (0..*count).map(|at| format!("{name}[{at}]")).collect();
                }
                (&**inner, names)
            }
            other => (other, vec![name.to_string()]),
        };
        for (at, name) in names.into_iter().enumerate() {
            let is_value = matches!(
                inner,
                TypeDescriptor::Integer(_)
                    | TypeDescriptor::Unsigned(_)
                    | TypeDescriptor::Float(FloatSize::U4 | FloatSize::U8)
                    | TypeDescriptor::Boolean
                    | TypeDescriptor::FixedAscii(_)
                    | TypeDescriptor::FixedUnicode(_)
            );
            let time_ns = time_ns.filter(|_| matches!(inner, TypeDescriptor::Integer(IntSize::U8)));
            let (is_time, type_name) = (time_ns.is_some(), inner.to_string());
            self.columns.push(TableColumn { name, type_name, is_time, is_value });
            let offset = at * inner.size();
            self.places.push(Place { field, offset, ty: inner.clone(), time_ns });
        }
        if self.columns.len() > COLUMNS_MAX {
            return Err(format!("the table has more than {COLUMNS_MAX} columns"));
        }
        Ok(())
    }

    /// ns of the unit of a field that holds times, as pandas says it: `datetime64`, `datetime64[us]`.
    fn time_unit(&self, name: &str) -> Option<i64> {
        let said = |end: &str| attribute(&self.dataset, &format!("{name}_{end}"));
        let word = said("dtype").filter(|word| word.starts_with("datetime64"));
        let word = word.or_else(|| said("kind").filter(|word| word.starts_with("datetime64")))?;
        let unit = word.strip_prefix("datetime64").map(|rest| rest.trim_matches(['[', ']']));
        match unit.and_then(|unit| unit.split(',').next()) {
            Some("s") => Some(1_000_000_000),
            Some("ms") => Some(1_000_000),
            Some("us") => Some(1_000),
            _ => Some(1),
        }
    }

    /// Reads the next rows; false at the end.
    fn fill(&mut self, plan: &Plan) -> Result<bool, String> {
        if self.read == self.rows {
            return Ok(false);
        }
        if self.layout.is_none() {
            self.layout = Some(self.used(plan)?);
        }
        let Some(used) = &self.layout else { return Ok(false) };
        let end = self.rows.min(self.read.saturating_add(used.step));
        used.layout.read(&self.dataset, self.read..end, &mut self.batch)?;
        (self.next, self.count) = (0, end - self.read);
        self.read = end;
        Ok(true)
    }

    /// The fields of the columns that the plan uses.
    fn used(&self, plan: &Plan) -> Result<Used, String> {
        let is_used = |field: usize| {
            let mut places = self.places.iter().enumerate();
            places.any(|(at, place)| place.field == field && plan.uses(at))
        };
        let (mut begins, mut size, mut wanted) = (vec![0; self.fields.len()], 0, Vec::new());
        for (field, (name, ty)) in self.fields.iter().enumerate() {
            if is_used(field) {
                begins[field] = size;
                size += ty.size();
                wanted.push((name.clone(), ty.clone()));
            }
        }
        let layout = RowLayout::new(&wanted)?;
        if layout.size != size || size == 0 || size > BATCH_BYTES {
            return Err(format!("a row of the table has {} bytes", layout.size));
        }
        let offset = |(at, place): (usize, &Place)| {
            plan.uses(at).then(|| begins[place.field] + place.offset)
        };
        let offsets = self.places.iter().enumerate().map(offset).collect();
        Ok(Used { layout, offsets, step: BATCH_ROWS.min(BATCH_BYTES / size) })
    }
}

/// Refuses a compound whose fields do not lie in it one behind the other: libhdf5 copies what they
/// say, wherever it lies.
fn sound(compound: &CompoundType) -> Result<(), String> {
    let mut fields: Vec<_> = compound.fields.iter().collect();
    fields.sort_by_key(|field| field.offset);
    let mut end = 0;
    for field in fields {
        let size = field.ty.size();
        let begins = field.offset;
        if begins < end || size == 0 || size > compound.size || begins > compound.size - size {
            let name = field.name.escape_debug();
            return Err(format!("the field `{name}` does not lie in the rows of the table"));
        }
        end = begins + size;
    }
    Ok(())
}

/// Refuses more rows than are stored, which libhdf5 would make up, and chunks that it would take too
/// much memory for.
fn stored(dataset: &Dataset, rows: usize, size: usize) -> Result<(), String> {
    let room = match dataset.chunk() {
        Some(chunk) => {
            let per_chunk = chunk.iter().product::<usize>();
            if per_chunk.saturating_mul(size) > CHUNK_MAX {
                return Err(format!("a chunk of the table has {per_chunk} rows"));
            }
            dataset.num_chunks().unwrap_or(0).saturating_mul(per_chunk)
        }
        None => usize::try_from(dataset.storage_size()).unwrap_or(0) / size.max(1),
    };
    if rows > room {
        return Err(format!("the table says {rows} rows and has room for {room}"));
    }
    Ok(())
}

/// Writes a value out of its bytes.
fn write_value(
    out: &mut Vec<u8>,
    bytes: &[u8],
    place: &Place,
    zone: &TimeZone,
) -> Result<(), String> {
    // A value of fewer bytes than 8, as 8.
    let wide = |fill: u8| {
        let mut all = [fill; 8];
        all[..bytes.len().min(8)].copy_from_slice(&bytes[..bytes.len().min(8)]);
        all
    };
    match &place.ty {
        TypeDescriptor::Integer(_) => {
            let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
            let value = i64::from_le_bytes(wide(if negative { 0xff } else { 0 }));
            match place.time_ns {
                // pandas has no time for this one.
                Some(_) if value == i64::MIN => {}
                Some(unit) => {
                    let zone = (*zone != TimeZone::UTC).then_some(zone);
                    return write_time(out, value, unit, zone);
                }
                None => write_decimal(out, i128::from(value), 0),
            }
        }
        TypeDescriptor::Unsigned(_) => {
            write_decimal(out, i128::from(u64::from_le_bytes(wide(0))), 0);
        }
        TypeDescriptor::Float(FloatSize::U4) => {
            let [a, b, c, d, ..] = wide(0);
            write_float32(out, f32::from_le_bytes([a, b, c, d]));
        }
        TypeDescriptor::Float(_) => write_float(out, f64::from_le_bytes(wide(0))),
        TypeDescriptor::Boolean => {
            let text: &[u8] = if bytes.first() == Some(&0) { b"false" } else { b"true" };
            return write_text(out, text);
        }
        _ => {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            return write_text(out, &bytes[..end]);
        }
    }
    Ok(())
}

/// The texts of a pickled list of texts, protocol 0, which attributes are written in.
fn pickled_texts(pickle: &str) -> Vec<String> {
    let text = |line: &str| {
        let line = line.strip_prefix('a').unwrap_or(line);
        line.strip_prefix('V').map(str::to_string).or_else(|| {
            let quoted = line.strip_prefix("S'")?.strip_suffix('\'')?;
            Some(quoted.to_string())
        })
    };
    pickle.lines().filter_map(text).collect()
}

/// A text attribute of a dataset.
fn attribute(dataset: &Dataset, name: &str) -> Option<String> {
    let attribute = dataset.attr(name).ok()?;
    let ascii = attribute.read_scalar::<FixedAscii<ATTRIBUTE_MAX>>();
    let text = ascii.map(|text| text.as_str().to_string()).or_else(|_| {
        attribute.read_scalar::<FixedUnicode<ATTRIBUTE_MAX>>().map(|text| text.as_str().to_string())
    });
    text.ok()
}

/// The one table of a file.
fn the_table(file: &File, place: &str) -> Result<Group, Problem> {
    let names = tables(file);
    let (what, fix) = match &names[..] {
        [name] => {
            return file.group(name).map_err(|e| {
                Problem::new(format!("cannot open `{name}`: {e}"), place, "fetch the file again")
            });
        }
        [] => (
            "the file holds no table of pandas".to_string(),
            "write it with DataFrame.to_hdf(…, format=\"table\"), or give parquet".to_string(),
        ),
        _ => (
            format!("the file holds {} tables", names.len()),
            format!("name one: `hdf5:FILE#{}`; there are {}", names[0], names.join(", ")),
        ),
    };
    Err(Problem::new(what, place, fix))
}

/// The groups of a file that have a table.
fn tables(file: &File) -> Vec<String> {
    let Ok(root) = file.group("/") else { return Vec::new() };
    let (mut open, mut found, mut seen) = (vec![root], Vec::new(), 0);
    while let Some(group) = open.pop() {
        seen += 1;
        if seen > GROUPS_MAX {
            break;
        }
        if group.link_exists("table") && group.dataset("table").is_ok() {
            found.push(group.name().trim_start_matches('/').to_string());
        } else {
            open.extend(group.groups().unwrap_or_default());
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_a_block_are_read_out_of_their_pickle() {
        let pickle = "(lp0\nVamount\np1\naVcost\np2\naVprice\np3\na.";
        assert_eq!(pickled_texts(pickle), ["amount", "cost", "price"]);
        assert_eq!(pickled_texts("(lp1\nS'id'\np2\na."), ["id"]);
        assert_eq!(pickled_texts("N."), [""; 0]);
    }
}
