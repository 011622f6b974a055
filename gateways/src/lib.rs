//! Market data in: file formats and the synthetic market. Orders out: a recording broker for drills.
//!
//! [`open`] turns `FORMAT:PATH` into an [`engine::source::Source`]. Nothing is guessed: zone, scale
//! and columns come from the format or are declared.
//!
//! * `spec`: `FORMAT:PATH`, and what to say to an unknown one.
//! * `files`: globs, identity, places in messages; `packed`, `zip_entries`: gzip, zstd and zip;
//!   `lines`: bounded lines out of any bytes.
//! * `decimals`: prices and sizes as exact integers; `local_time`: wall clocks of a zone as
//!   instants.
//! * `naming`: a vendor's symbols and ours.
//! * `lean_name`, `lean_day`, `lean_merge`: LEAN's zipped files as one stream; `lean_trade`,
//!   `lean_quote`, `lean_bar`: their rows.
//! * `dbn_layout`, `dbn_file`, `dbn_metadata`, `dbn_symbols`, `dbn_records`, `dbn_inventory`,
//!   `databento`: Databento's files; `book_levels`, `book_orders`: books out of levels and orders.
//! * `dbn_definition`, `lean_properties`, `definitions`: instrument definitions out of files.
//! * `full_book`, `depth_window`: a venue's whole book, and its best levels as the engine is told of them.
//! * `binance_input`, `binance_symbols`, `binance_line`, `binance_depth`, `binance_jsonl`: raw streams of Binance.
//! * `lobster_name`, `lobster_row`, `lobster`: LOBSTER's message and order book files.
//! * `row_plan`, `row_fields`, `row_symbols`, `row_reader`: rows of declared columns, wherever they
//!   come from: `csv_rows`; `table_rows` with `parquet_rows`, `parquet_pages`, `parquet_column`, and `hdf5_rows`,
//!   `hdf5_table`, `hdf5_read` (feature `hdf5`); `containment`: what their crates panic at.
//! * `presets`, `tardis`, `kraken`, `binance_vision`, `databento_csv`: declarations of vendors' CSV.
//! * `dice`, `price_path`, `order_flow`, `synthetic`: the synthetic market; `bench_ticks`: its
//!   bare-bones twin, made before the clock starts.
//! * `inspect`: what a file is and holds, and the config that imports it.
//! * `journal`: a journal's market data as a source, read by the engine.
//! * `recording`: a broker that takes every order and keeps a record.
//!
//! No float touches a price that came from a file, no bytes make a decoder panic, and no file is
//! ever held decompressed as a whole.

mod bench_ticks;
mod binance_depth;
mod binance_input;
mod binance_jsonl;
mod binance_line;
mod binance_symbols;
mod binance_vision;
mod book_levels;
mod book_orders;
mod containment;
mod csv_rows;
mod databento;
mod databento_csv;
mod dbn_definition;
mod dbn_file;
mod dbn_inventory;
mod dbn_layout;
mod dbn_metadata;
mod dbn_records;
mod dbn_symbols;
mod decimals;
pub mod definitions;
mod depth_window;
mod dice;
mod files;
mod full_book;
#[cfg(feature = "hdf5")]
mod hdf5_read;
mod hdf5_rows;
#[cfg(feature = "hdf5")]
mod hdf5_table;
pub mod inspect;
mod journal;
mod kraken;
mod lean_bar;
mod lean_conditions;
mod lean_day;
mod lean_merge;
mod lean_name;
mod lean_properties;
mod lean_quote;
mod lean_trade;
mod lines;
mod lobster;
mod lobster_name;
mod lobster_row;
mod local_time;
mod naming;
mod order_flow;
mod packed;
mod parquet_column;
mod parquet_pages;
mod parquet_rows;
mod presets;
mod price_path;
pub mod recording;
mod row_fields;
mod row_plan;
mod row_reader;
mod row_symbols;
mod spec;
mod synthetic;
mod table_rows;
mod tardis;
mod thrift_shape;
mod zip_entries;

use engine::Problem;
use engine::instrument::{Catalog, InstrumentDef};
use engine::source::{Source, SourceConfig};
use spec::Spec;

pub use containment::keep_quiet_of_contained_panics;
pub use dbn_inventory::{Inventory, inventory};
pub use spec::{FORMATS, is_stdin};

/// Opens a source. Symbols, headers and zip directories are checked here; a row is read only when
/// the engine asks for it.
///
/// # Errors
/// A [`Problem`] that says what is wrong, where, and what to do.
pub fn open(config: &SourceConfig, catalog: &Catalog) -> Result<Source, Problem> {
    Ok(Source { front: config.front.clone(), ..open_format(config, catalog)? })
}

fn open_format(config: &SourceConfig, catalog: &Catalog) -> Result<Source, Problem> {
    match spec::parse(&config.spec)? {
        Spec::LeanTrade(pattern) => {
            lean_merge::open::<lean_trade::TradeRows>(config, pattern, catalog)
        }
        Spec::LeanQuote(pattern) => {
            lean_merge::open::<lean_quote::QuoteRows>(config, pattern, catalog)
        }
        Spec::LeanBar(pattern) => lean_merge::open::<lean_bar::BarRows>(config, pattern, catalog),
        Spec::Databento(pattern) => databento::open(config, pattern, catalog),
        Spec::BinanceJsonl(pattern) => binance_jsonl::open(config, pattern, catalog),
        Spec::Lobster(pattern) => lobster::open(config, pattern, catalog),
        Spec::Csv(pattern) => csv_rows::open(config, pattern, catalog),
        Spec::Parquet(pattern) => parquet_rows::open(config, pattern, catalog),
        Spec::Hdf5(path) => hdf5_rows::open(config, path, catalog),
        Spec::Tardis(pattern) => tardis::open(config, pattern, catalog),
        Spec::Kraken(pattern) => kraken::open(config, pattern, catalog),
        Spec::BinanceVision(pattern) => binance_vision::open(config, pattern, catalog),
        Spec::DatabentoCsv(pattern) => databento_csv::open(config, pattern, catalog),
        Spec::Journal(dir) => journal::open(config, dir, catalog),
        Spec::Synthetic(parameters) => synthetic::open(config, parameters, catalog),
        Spec::Bench(parameters) => bench_ticks::open(config, parameters, catalog),
    }
}

/// The definitions that a source brings with it, under our names: those of a journal. A config that
/// has none of its own takes them.
///
/// # Errors
/// A [`Problem`] if the source cannot be read.
pub fn definitions_of(config: &SourceConfig) -> Result<Vec<InstrumentDef>, Problem> {
    match spec::parse(&config.spec)? {
        Spec::Journal(dir) => journal::definitions(config, dir),
        _ => Ok(Vec::new()),
    }
}
