//! Rows of a compound dataset as bytes: the one call into libhdf5 that its safe wrapper has no way
//! for, because the type of the rows is known only when the file is open.
#![allow(unsafe_code)]

use hdf5_metno::types::{CompoundField, CompoundType, TypeDescriptor};
use hdf5_metno::{Dataset, Dataspace, Datatype, Error};
use hdf5_metno_sys::h5d::H5Dread;
use hdf5_metno_sys::h5p::H5P_DEFAULT;
use std::ops::Range;

/// Some fields of a dataset's rows, packed one behind the other.
#[derive(Debug)]
pub(crate) struct RowLayout {
    memory: Datatype,
    /// Bytes of a row.
    pub size: usize,
}

impl RowLayout {
    /// The layout of these fields, in their order: name, type.
    ///
    /// # Errors
    /// A type that holds pointers (texts or lists of any length), or one that libhdf5 refuses.
    pub(crate) fn new(fields: &[(String, TypeDescriptor)]) -> Result<Self, String> {
        let mut size = 0;
        let mut packed = Vec::new();
        for (index, (name, ty)) in fields.iter().enumerate() {
            if !is_flat(ty) {
                return Err(format!("the field `{}` is {ty}", name.escape_debug()));
            }
            packed.push(CompoundField::new(name, ty.clone(), size, index));
            size += ty.size();
        }
        let memory = TypeDescriptor::Compound(CompoundType { fields: packed, size });
        let memory = Datatype::from_descriptor(&memory).map_err(|e| e.to_string())?;
        Ok(Self { memory, size })
    }

    /// Reads rows of a one-dimensional dataset into `out`. libhdf5 finds the fields by their names, and
    /// leaves alone what it does not find: whoever made the layout took the names from the dataset.
    ///
    /// # Panics
    /// If the dataset has another number of dimensions than one.
    pub(crate) fn read(
        &self,
        dataset: &Dataset,
        rows: Range<usize>,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        assert_eq!(dataset.ndim(), 1, "Invariant: rows lie in one dimension");
        let text = |e: Error| e.to_string();
        let count = rows.len();
        let bytes = count.checked_mul(self.size).ok_or("too many rows at a time")?;
        out.clear();
        out.resize(bytes, 0);
        let file_space = dataset.space().and_then(|space| space.select(rows)).map_err(text)?;
        let memory_space = Dataspace::try_new(count).map_err(text)?;
        let selected = file_space.selection_size();
        assert_eq!(selected, count, "Invariant: as many rows are selected as there is room for");
        let ids = (dataset.id(), self.memory.id(), memory_space.id(), file_space.id());
        // libhdf5 is not made for threads: its wrapper takes this lock for each of its calls.
        let _lock = hdf5_metno_sys::LOCK.lock();
        // SAFETY: the handles live until the end of this function. libhdf5 writes `count` rows, the
        // size of both selections, of `size` bytes each, the size of the memory type, and `out` has
        // that many. The memory type is flat, so no pointers are written, and any bytes are valid.
        // Tests: `both_formats_give_the_same_ticks`, `a_table_is_read_in_chunks`.
        let status =
            unsafe { H5Dread(ids.0, ids.1, ids.2, ids.3, H5P_DEFAULT, out.as_mut_ptr().cast()) };
        if status < 0 {
            return Err(text(Error::query().unwrap_or_else(|e| e)));
        }
        Ok(())
    }
}

/// Whether the bytes of a type are its value.
fn is_flat(ty: &TypeDescriptor) -> bool {
    use TypeDescriptor::{Boolean, FixedArray, FixedAscii, FixedUnicode, Float, Integer, Unsigned};
    match ty {
        Integer(_) | Unsigned(_) | Float(_) | Boolean | FixedAscii(_) | FixedUnicode(_) => true,
        FixedArray(inner, _) => is_flat(inner),
        _ => false,
    }
}
