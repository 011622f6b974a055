//! `tardis`: the CSV files of Tardis, told apart by their headers.
//!
//! | data type | gives |
//! |---|---|
//! | `trades` | trades |
//! | `quotes`, `book_ticker` | quotes |
//! | `incremental_book_L2` | levels of the book; a snapshot begins with a record that empties it |
//! | `book_snapshot_N` | the quote of its best level |
//!
//! Times are microseconds: `timestamp` is the exchange's, `local_timestamp` when it was received.
//! The vendor's symbol is `SYMBOL`; where one source holds several exchanges, `rename` and the
//! lookup take `EXCHANGE:SYMBOL` first. Levels carry no place in the book (255).

use crate::presets::{columns, named, source};
use crate::{csv_rows, files};
use engine::Problem;
use engine::instrument::Catalog;
use engine::source::{Source, SourceConfig, TimeUnit};

/// What every data type has.
const SHARED: [(&str, &str); 4] = [
    ("exchange", "exchange"),
    ("symbol", "symbol"),
    ("ts_event", "timestamp"),
    ("ts_recv", "local_timestamp"),
];

/// A data type: a column that only it has, and its columns.
const TYPES: [(&str, &[(&str, &str)]); 4] = [
    (
        "is_snapshot",
        &[("snapshot", "is_snapshot"), ("side", "side"), ("price", "price"), ("size", "amount")],
    ),
    ("id", &[("side", "side"), ("price", "price"), ("size", "amount")]),
    (
        "ask_amount",
        &[
            ("bid", "bid_price"),
            ("ask", "ask_price"),
            ("bid_size", "bid_amount"),
            ("ask_size", "ask_amount"),
        ],
    ),
    (
        "asks[0].price",
        &[
            ("bid", "bids[0].price"),
            ("ask", "asks[0].price"),
            ("bid_size", "bids[0].amount"),
            ("ask_size", "asks[0].amount"),
        ],
    ),
];

/// Opens the files that `pattern` names: all of one data type.
pub(crate) fn open(
    config: &SourceConfig,
    pattern: &str,
    catalog: &Catalog,
) -> Result<Source, Problem> {
    let paths = files::expand(&config.spec, pattern)?;
    let [header] = csv_rows::first_lines(&paths[0])?;
    let has = |name: &str| header.split(',').any(|column| column.trim() == name);
    let Some((_, own)) = TYPES.iter().find(|(mark, _)| has(mark)) else {
        return Err(Problem::new(
            "the header is of no data type of Tardis that is read",
            format!("{}, line 1", paths[0].display()),
            "give trades, quotes, incremental_book_L2 or book_snapshot_N, or declare the columns \
             of a `csv` source",
        ));
    };
    let mut rows = columns(TimeUnit::Microseconds, None);
    rows.columns = named(&[&SHARED[..], own].concat());
    source(config, &rows, paths, catalog, |_| {})
}
