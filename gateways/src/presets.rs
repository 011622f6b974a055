//! What the presets of `csv` share: columns by a vendor's names, and symbols out of file names.

use crate::naming::Naming;
use crate::row_plan::Declared;
use crate::{csv_rows, files, spec};
use engine::Problem;
use engine::instrument::Catalog;
use engine::source::{Column, Columns, Source, SourceConfig, TimeUnit};
use std::path::{Path, PathBuf};

/// Columns of a vendor: comma-separated, plain prices.
pub(crate) fn columns(ts_unit: TimeUnit, symbol: Option<String>) -> Columns {
    Columns {
        header: true,
        delimiter: b',',
        symbol,
        columns: Vec::new(),
        ts_unit,
        zone: "UTC".to_string(),
        ts_formats: Vec::new(),
        price_scale: "1".to_string(),
        stamp: None,
        timeframe_s: None,
    }
}

/// (field, the vendor's name) of each column.
pub(crate) fn named(pairs: &[(&str, &str)]) -> Vec<(String, Column)> {
    let column =
        |(field, name): &(&str, &str)| ((*field).to_string(), Column::Name((*name).to_string()));
    pairs.iter().map(column).collect()
}

/// (field, position) of each column.
pub(crate) fn placed(pairs: &[(&str, usize)]) -> Vec<(String, Column)> {
    let column = |(field, at): &(&str, usize)| ((*field).to_string(), Column::Position(*at));
    pairs.iter().map(column).collect()
}

/// The source of these files.
pub(crate) fn source(
    config: &SourceConfig,
    columns: &Columns,
    paths: Vec<PathBuf>,
    catalog: &Catalog,
    adjust: impl FnOnce(&mut Declared),
) -> Result<Source, Problem> {
    let mut declared = Declared::new(columns, &spec::place(&config.spec))?;
    adjust(&mut declared);
    csv_rows::source(config, declared, Some(paths), catalog)
}

/// A file's name without folders and without what says how it is packed.
pub(crate) fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut stem = name.as_str();
    loop {
        let ends = [".gz", ".zst", ".zip", ".csv"];
        match ends.iter().find_map(|end| stem.strip_suffix(end)) {
            Some(rest) => stem = rest,
            None => return stem.to_string(),
        }
    }
}

/// The wanted files of a pattern and their one symbol: the declared one, or what `of` finds in a
/// name. Files of several symbols would follow one another and not go side by side in time.
pub(crate) fn one_symbol(
    config: &SourceConfig,
    pattern: &str,
    of: impl Fn(&str) -> String,
) -> Result<(String, Vec<PathBuf>), Problem> {
    let paths = files::expand(&config.spec, pattern)?;
    if let Some(symbol) = &config.symbol {
        return Ok((symbol.clone(), paths));
    }
    let naming = Naming::of(config);
    let mut symbols: Vec<String> = Vec::new();
    let mut wanted = Vec::new();
    for path in paths {
        let symbol = of(&stem(&path)).to_uppercase();
        if naming.ours(&symbol).is_some() {
            wanted.push(path);
            if !symbols.contains(&symbol) {
                symbols.push(symbol);
            }
        }
    }
    let place = spec::place(&config.spec);
    match &symbols[..] {
        [symbol] => Ok((symbol.clone(), wanted)),
        [] => Err(Problem::new(
            "no file is of a symbol that `symbols` asks for",
            place,
            "the symbol is taken from the file's name: correct `symbols`, or give `symbol`",
        )),
        _ => Err(Problem::new(
            format!("the files are of {} symbols: {}", symbols.len(), symbols[..2].join(", ")),
            place,
            "give each symbol a [[source]] of its own: sources are merged by time, and the files \
             of one source follow one another",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stem_is_a_name_without_its_packing() {
        for (name, expected) in [
            ("a/XBTUSD.csv", "XBTUSD"),
            ("BTCUSDT-1m-2024-08.csv.gz", "BTCUSDT-1m-2024-08"),
            ("a.b.zip", "a.b"),
            ("plain", "plain"),
        ] {
            assert_eq!(stem(Path::new(name)), expected);
        }
    }
}
