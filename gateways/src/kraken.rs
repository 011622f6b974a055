//! `kraken`: time and sales, `unix_seconds,price,volume` without a header.
//!
//! The symbol is the file's name (`XBTUSD.csv`), unless `symbol` says it. There are seconds only,
//! so many trades have one time; they keep their order.

use crate::presets::{columns, one_symbol, placed, source};
use engine::Problem;
use engine::instrument::Catalog;
use engine::source::{Source, SourceConfig, TimeUnit};

/// Opens the files that `pattern` names: all of one symbol.
pub(crate) fn open(
    config: &SourceConfig,
    pattern: &str,
    catalog: &Catalog,
) -> Result<Source, Problem> {
    let (symbol, paths) = one_symbol(config, pattern, str::to_string)?;
    let mut rows = columns(TimeUnit::Seconds, Some(symbol));
    rows.header = false;
    rows.columns = placed(&[("ts_event", 0), ("price", 1), ("size", 2)]);
    source(config, &rows, paths, catalog, |_| {})
}
