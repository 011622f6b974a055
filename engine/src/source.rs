//! What the engine asks of a source of market data. Formats live in `gateways`; here is only the seam.

use crate::problem::Problem;
use ringbuf_layout::{InputCell, Trade};
use std::collections::BTreeMap;

/// Reads one input, record by record, in source order. Runs on a thread of its own, so it may allocate
/// and read files; the spine never waits for it except when it has nothing else to do.
pub trait Decoder: Send {
    /// Puts the next record into `cell` and returns true; false at the end.
    ///
    /// The decoder fills kind, length, times, prices, sizes, `tail.side`, `tail.flags`, and puts into
    /// `tail.instrument` the index into [`Source::symbols`]
    /// ([`NO_INSTRUMENT`](ringbuf_layout::frame::NO_INSTRUMENT) for a symbol it was not told of). The
    /// engine fills sequence, source number and source sequence.
    ///
    /// # Errors
    /// A [`Problem`] that names file and line: the run ends there, and keeps what came before.
    fn next(&mut self, cell: &mut InputCell) -> Result<bool, Problem>;

    /// What it has read so far and not delivered as it stood, by reason: duplicates, other kinds of events. For the
    /// log, once it has ended; nothing is left out that is not counted.
    fn left_out(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

/// Where the records come from.
#[allow(missing_debug_implementations)] // a decoder is a trait object
pub enum Feed {
    /// A decoder, run on a gateway thread.
    Decoder(Box<dyn Decoder>),
    /// Records made before the clock starts: benches measure the spine, not the making.
    Memory(Vec<Trade>),
}

/// A symbol that a source delivers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SymbolUse {
    /// The symbol, upper case.
    pub symbol: String,
    /// True if the source has prints of it: bars come from prints where there are any, else from
    /// the middle of the quotes.
    pub trades: bool,
}

/// An opened source, ready to run.
pub struct Source {
    /// Its name in logs and in its identity.
    pub name: String,
    /// The specification it was opened from.
    pub spec: String,
    /// SHA-256 over name and content, for `csv` with the declared columns (synthetic: seed and
    /// parameters; live: the name).
    pub identity: [u8; 32],
    /// True if records come at the pace of the world: stdin, a gateway.
    pub live: bool,
    /// What it delivers.
    pub symbols: Vec<SymbolUse>,
    /// How many records it has, where that is known without reading it.
    pub records_hint: Option<u64>,
    /// The records.
    pub feed: Feed,
}

impl core::fmt::Debug for Source {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .field("spec", &self.spec)
            .finish_non_exhaustive()
    }
}

/// One `[[source]]` of the config, or one `--source` of the command line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SourceConfig {
    /// `FORMAT:PATH`; a glob is one source, `-` is stdin.
    pub spec: String,
    /// Name; the spec if none is given.
    pub name: String,
    /// Declared columns of a `csv` source.
    pub csv: Option<CsvColumns>,
    /// Symbols to deliver, ours; empty: all that the files hold.
    pub symbols: Vec<String>,
    /// The vendor's symbol → ours, both upper case; a symbol that is not here keeps its name.
    pub rename: BTreeMap<String, String>,
}

impl SourceConfig {
    /// A source without options, named by its specification.
    pub fn of(spec: &str) -> Self {
        Self { spec: spec.to_string(), name: spec.to_string(), ..Self::default() }
    }
}

/// What a `csv` source declares: nothing is guessed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CsvColumns {
    /// True if the first row names the columns.
    pub header: bool,
    /// Field separator.
    pub delimiter: u8,
    /// Symbol of every row, if there is no symbol column.
    pub symbol: Option<String>,
    /// Which column holds what: (field, column). Fields: `ts_event`, `ts_recv`, `price`, `size`, `side`,
    /// `symbol`, `bid`, `ask`, `bid_size`, `ask_size`.
    pub columns: Vec<(String, Column)>,
    /// Unit of the time columns: `s`, `ms`, `us`, `ns` since 1970 UTC, or `text`.
    pub ts_unit: TimeUnit,
    /// IANA zone of text times; ignored for numbers, which are UTC.
    pub zone: String,
    /// `strptime` format of text times.
    pub ts_format: String,
    /// What a price of 1 in the file is worth, as a decimal (LEAN equities: `0.0001`).
    pub price_scale: String,
}

/// A column by its header name or by its position from 0.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Column {
    /// The header's name.
    Name(String),
    /// The position, from 0.
    Position(usize),
}

/// Unit of a time column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeUnit {
    /// Seconds since 1970, a fraction allowed.
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
    /// Microseconds since 1970.
    Microseconds,
    /// Nanoseconds since 1970.
    Nanoseconds,
    /// Text in `ts_format`, in `zone`.
    Text,
}
