//! Market data in: file formats and the synthetic market. Orders out: a recording broker for drills.
//!
//! [`open`] turns `FORMAT:PATH` into an [`engine::source::Source`]. Nothing is guessed: zone, scale
//! and columns come from the format or are declared.
//!
//! * `spec`: `FORMAT:PATH`, and what to say to an unknown one.
//! * `files`: globs, identity, gzip, places in messages; `lines`: bounded lines out of any bytes.
//! * `decimals`: prices and sizes as exact integers; `local_time`: wall clocks of a zone as
//!   instants.
//! * `naming`: a vendor's symbols and ours.
//! * `lean_name`, `lean_row`, `lean_zip`, `lean_trade`: LEAN's zipped trade ticks.
//! * `dbn_layout`, `dbn_file`, `dbn_metadata`, `dbn_symbols`, `dbn_records`, `dbn_inventory`,
//!   `databento`: Databento's files; `book_levels`, `book_orders`: books out of levels and orders.
//! * `dbn_definition`, `lean_properties`, `definitions`: instrument definitions out of files.
//! * `csv_fields`, `csv_plan`, `csv_symbols`, `csv_row`, `csv_rows`: rows of declared columns.
//! * `dice`, `price_path`, `order_flow`, `synthetic`: the synthetic market; `bench_ticks`: its
//!   bare-bones twin, made before the clock starts.
//! * `inspect`: what a file is and holds, and the config that imports it.
//! * `journal`: a journal's market data as a source, read by the engine.
//! * `recording`: a broker that takes every order and keeps a record.
//!
//! No float touches a price that came from a file, no bytes make a decoder panic, and no file is
//! ever held decompressed as a whole.

mod bench_ticks;
mod book_levels;
mod book_orders;
mod csv_fields;
mod csv_plan;
mod csv_row;
mod csv_rows;
mod csv_symbols;
mod databento;
mod dbn_definition;
mod dbn_file;
mod dbn_inventory;
mod dbn_layout;
mod dbn_metadata;
mod dbn_records;
mod dbn_symbols;
mod decimals;
pub mod definitions;
mod dice;
mod files;
pub mod inspect;
mod journal;
mod lean_name;
mod lean_properties;
mod lean_row;
mod lean_trade;
mod lean_zip;
mod lines;
mod local_time;
mod naming;
mod order_flow;
mod price_path;
pub mod recording;
mod spec;
mod synthetic;

use engine::Problem;
use engine::instrument::{Catalog, InstrumentDef};
use engine::source::{Source, SourceConfig};

pub use dbn_inventory::{Inventory, inventory};
pub use spec::{FORMATS, is_stdin};

/// Opens a source. Symbols, headers and zip directories are checked here; a row is read only when
/// the engine asks for it.
///
/// # Errors
/// A [`Problem`] that says what is wrong, where, and what to do.
pub fn open(config: &SourceConfig, catalog: &Catalog) -> Result<Source, Problem> {
    match spec::parse(&config.spec)? {
        spec::Spec::LeanTrade(pattern) => lean_trade::open(config, pattern, catalog),
        spec::Spec::Databento(pattern) => databento::open(config, pattern, catalog),
        spec::Spec::Csv(pattern) => csv_rows::open(config, pattern, catalog),
        spec::Spec::Journal(dir) => journal::open(config, dir, catalog),
        spec::Spec::Synthetic(parameters) => synthetic::open(config, parameters, catalog),
        spec::Spec::Bench(parameters) => bench_ticks::open(config, parameters, catalog),
    }
}

/// The definitions that a source brings with it, under our names: those of a journal. A config that
/// has none of its own takes them.
///
/// # Errors
/// A [`Problem`] if the source cannot be read.
pub fn definitions_of(config: &SourceConfig) -> Result<Vec<InstrumentDef>, Problem> {
    match spec::parse(&config.spec)? {
        spec::Spec::Journal(dir) => journal::definitions(config, dir),
        _ => Ok(Vec::new()),
    }
}
