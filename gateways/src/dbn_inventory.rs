//! What a DBN file holds, for people: its records counted by type, the skipped ones too.

use crate::dbn_file;
use crate::dbn_layout::RECORD_TYPES;
use engine::Problem;
use std::path::Path;

/// What a DBN file holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inventory {
    /// True if it is packed with zstd.
    pub packed: bool,
    /// DBN version; `None` for a fragment, which does not say.
    pub version: Option<u8>,
    /// The schema by name; `None` for a fragment, and where several are mixed.
    pub schema: Option<&'static str>,
    /// Mappings of symbols in its metadata.
    pub mappings: usize,
    /// Records by type, in the order of their numbers, those that are there.
    pub records: Vec<(&'static str, u64)>,
}

impl Inventory {
    /// Records of all types.
    pub fn len(&self) -> u64 {
        self.records.iter().map(|(_, count)| count).sum()
    }

    /// True if it holds no record.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

/// Counts the records of a DBN file.
///
/// # Errors
/// It is no DBN file of versions 1 to 3, or it is damaged.
pub fn inventory(path: &Path) -> Result<Inventory, Problem> {
    let (start, mut records) = dbn_file::open(path)?;
    let mut counts = vec![0; RECORD_TYPES.len()];
    while let Some(record) = records.next()? {
        // The type is the second byte of a record, and one that is known.
        let at = RECORD_TYPES.iter().position(|(number, _)| *number == record.bytes[1]);
        counts[at.unwrap_or_default()] += 1;
    }
    let names = RECORD_TYPES.iter().map(|(_, name)| *name).zip(counts);
    Ok(Inventory {
        packed: start.packed,
        version: start.version,
        schema: start.schema,
        mappings: start.mappings.len(),
        records: names.filter(|(_, count)| *count > 0).collect(),
    })
}
