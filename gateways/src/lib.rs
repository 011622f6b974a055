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
//! * `full_book`, `depth_window`: a venue's whole book, and its best levels as the engine is told of them.
//! * `binance_input`, `binance_symbols`, `binance_line`, `binance_depth`, `binance_jsonl`: raw streams of Binance.
//! * `lobster_name`, `lobster_row`, `lobster`: LOBSTER's message and order book files.
//! * `csv_fields`, `csv_plan`, `csv_symbols`, `csv_row`, `csv_rows`: rows of declared columns.
//! * `dice`, `price_path`, `order_flow`, `synthetic`: the synthetic market; `bench_ticks`: its
//!   bare-bones twin, made before the clock starts.
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
mod csv_fields;
mod csv_plan;
mod csv_row;
mod csv_rows;
mod csv_symbols;
mod decimals;
mod depth_window;
mod dice;
mod files;
mod full_book;
mod lean_name;
mod lean_row;
mod lean_trade;
mod lean_zip;
mod lines;
mod lobster;
mod lobster_name;
mod lobster_row;
mod local_time;
mod naming;
mod order_flow;
mod price_path;
pub mod recording;
mod spec;
mod synthetic;

use engine::Problem;
use engine::instrument::Catalog;
use engine::source::{Source, SourceConfig};

pub use spec::{FORMATS, is_stdin};

/// Opens a source. Symbols, headers and zip directories are checked here; a row is read only when
/// the engine asks for it.
///
/// # Errors
/// A [`Problem`] that says what is wrong, where, and what to do.
pub fn open(config: &SourceConfig, catalog: &Catalog) -> Result<Source, Problem> {
    match spec::parse(&config.spec)? {
        spec::Spec::LeanTrade(pattern) => lean_trade::open(config, pattern, catalog),
        spec::Spec::Csv(pattern) => csv_rows::open(config, pattern, catalog),
        spec::Spec::BinanceJsonl(pattern) => binance_jsonl::open(config, pattern, catalog),
        spec::Spec::Lobster(pattern) => lobster::open(config, pattern, catalog),
        spec::Spec::Synthetic(parameters) => synthetic::open(config, parameters, catalog),
        spec::Spec::Bench(parameters) => bench_ticks::open(config, parameters, catalog),
    }
}
