//! Columnar files: their columns by name.

use super::kind::Kind;
use engine::Problem;
use std::path::Path;

fn later(format: &'static str, path: &Path) -> Problem {
    let _ = path;
    Problem::new(
        format!("this is `{format}`, which this version does not read"),
        path.display().to_string(),
        "convert it to `csv`",
    )
}

/// A Parquet file.
pub(super) fn parquet(path: &Path) -> Result<Kind, Problem> {
    Err(later("parquet", path))
}

/// An HDF5 file.
pub(super) fn hdf5(path: &Path) -> Result<Kind, Problem> {
    Err(later("hdf5", path))
}
