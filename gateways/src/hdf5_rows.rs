//! `hdf5:FILE` or `hdf5:FILE#GROUP`: rows of declared columns in a table of pandas.
//!
//! Reading HDF5 takes the C library, so it is a feature of the build and off by default. A damaged file can bring that
//! library down by a signal (a test counts how often): what came before is in the journal, as after a `kill -9`.

use engine::Problem;
use engine::instrument::Catalog;
use engine::source::{Source, SourceConfig};

/// Opens the files that `path` names.
#[cfg(feature = "hdf5")]
pub(crate) fn open(
    config: &SourceConfig,
    path: &str,
    catalog: &Catalog,
) -> Result<Source, Problem> {
    // A file whose name happens to contain `#` is itself before it is a file and a group.
    let whole = std::path::Path::new(path).exists();
    let (pattern, part) = path.rsplit_once('#').filter(|_| !whole).unwrap_or((path, ""));
    crate::table_rows::open::<crate::hdf5_table::Hdf5Table>(config, pattern, part, catalog)
}

/// Says how to get it.
#[cfg(not(feature = "hdf5"))]
pub(crate) fn open(
    config: &SourceConfig,
    _path: &str,
    _catalog: &Catalog,
) -> Result<Source, Problem> {
    Err(Problem::new(
        "this build does not read `hdf5`",
        crate::spec::place(&config.spec),
        "install libhdf5 (Debian: `apt-get install libhdf5-dev`) and build with `cargo build \
         --release --features hdf5`; or convert the file to parquet, which every build reads: \
         pandas.read_hdf(FILE, GROUP).to_parquet(FILE)",
    ))
}
