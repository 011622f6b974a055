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
    /// Length in seconds of the bars that the source has of it; 0 where it has none. Bars come from them where no
    /// source has prints.
    pub bars_s: u32,
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
    /// Its symbols are the contracts of one future, of which the front is followed.
    pub front: Option<Front>,
    /// How many records it has, where that is known without reading it.
    pub records_hint: Option<u64>,
    /// The records.
    pub feed: Feed,
}

/// The contracts of a source are those of one future; its front goes by volume
/// (see [`runtime::front`](crate::runtime::front)).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Front {
    /// The front before any session has ended, ours, upper case; none if not given: then nothing is opened before.
    pub first: Option<String>,
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
    /// Declared columns of a `csv`, `parquet` or `hdf5` source.
    pub columns: Option<Columns>,
    /// Symbol of every row, upper case, where neither rows nor file names say it.
    pub symbol: Option<String>,
    /// What a price of 1 in the file is worth, for the formats that leave it open.
    pub price_scale: Option<String>,
    /// LEAN's word for the kind of instrument (`equity`, `forex`, …), where no name says it.
    pub security: Option<String>,
    /// `lean-quote`: seconds after which a side of the best quote that no row named again is absent; never if not given.
    pub quote_ttl_s: Option<u32>,
    /// Symbols to deliver, ours; empty: all that the files hold.
    pub symbols: Vec<String>,
    /// The vendor's symbol → ours, both upper case; a symbol that is not here keeps its name.
    pub rename: BTreeMap<String, String>,
    /// `front = "volume"`, with `front_first`.
    pub front: Option<Front>,
}

impl SourceConfig {
    /// A source without options, named by its specification.
    pub fn of(spec: &str) -> Self {
        Self { spec: spec.to_string(), name: spec.to_string(), ..Self::default() }
    }
}

/// What the fields of [`Columns`] are called.
pub const COLUMN_FIELDS: [&str; 20] = [
    "ts_event",
    "ts_recv",
    "price",
    "size",
    "side",
    "symbol",
    "bid",
    "ask",
    "bid_size",
    "ask_size",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "ticks",
    "exchange",
    "snapshot",
    "buyer_maker",
    "action",
];

/// What a source of rows declares: nothing is guessed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Columns {
    /// `csv`: true if the first row names the columns.
    pub header: bool,
    /// `csv`: field separator.
    pub delimiter: u8,
    /// Symbol of every row, if there is no symbol column.
    pub symbol: Option<String>,
    /// Which column holds what: (field of [`COLUMN_FIELDS`], column).
    pub columns: Vec<(String, Column)>,
    /// Unit of the time columns.
    pub ts_unit: TimeUnit,
    /// IANA zone of text times; ignored for numbers, which are UTC.
    pub zone: String,
    /// `strptime` formats of text times: the one that a text fits is taken, and a text that two of them
    /// read differently is an error.
    pub ts_formats: Vec<String>,
    /// What a price of 1 in the file is worth, as a decimal (LEAN equities: `0.0001`).
    pub price_scale: String,
    /// Bars: which of their two ends the time column is.
    pub stamp: Option<Stamp>,
    /// Bars: their length in seconds.
    pub timeframe_s: Option<u32>,
}

/// Which end of a bar its time stamp is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stamp {
    /// Its begin.
    Open,
    /// Its end.
    Close,
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
    /// Milliseconds or microseconds since 1970, told apart by their 13 or 16 digits: a vendor changed
    /// its unit, and between 2001 and 2286 no instant has both numbers of digits.
    MillisecondsOrMicroseconds,
    /// Text in one of `ts_formats`, in `zone`.
    Text,
    /// `parquet`, `hdf5`: the type of the column says it.
    Typed,
}

impl TimeUnit {
    /// Every unit and its word in a config; no word means [`TimeUnit::Typed`].
    pub const WORDS: [(Self, &'static str); 6] = [
        (Self::Seconds, "s"),
        (Self::Milliseconds, "ms"),
        (Self::Microseconds, "us"),
        (Self::Nanoseconds, "ns"),
        (Self::MillisecondsOrMicroseconds, "ms_or_us"),
        (Self::Text, "text"),
    ];
}
