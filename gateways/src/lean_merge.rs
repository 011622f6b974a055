//! LEAN's zipped CSV files as one stream, whatever their rows are.
//!
//! The rows of all files are merged by time; at equal time the file that comes first (zips by name,
//! then in the order of the zip's directory) goes first, and the rows of one file keep their order.
//! A file is opened when the merge reaches its midnight, so a year of zips holds open one day.

use crate::files::{self, Fault};
use crate::lean_name::{self, LeanName, NameFault};
use crate::lines::{LINE_MAX, LineError, Lines};
use crate::naming::Naming;
use crate::spec;
use crate::zip_entries::{self, Entry};
use engine::Problem;
use engine::instrument::Catalog;
use engine::source::{Decoder, Feed, Source, SourceConfig, SymbolUse};
use ringbuf_layout::InputCell;
use std::cmp::Reverse;
use std::collections::binary_heap::{BinaryHeap, PeekMut};

/// How the rows of one kind of file are read.
pub(crate) trait RowReader: Send + Sized + 'static {
    /// What a row says.
    type Row: Copy + Send;
    /// The format, as in a specification.
    const FORMAT: &'static str;
    /// What its files hold, and their names, for messages.
    const SHAPES: (&'static str, &'static str);

    /// A reader for a file of this name; `None` if the format does not read it.
    fn new(name: &LeanName, size_digits: u8) -> Option<Result<Self, String>>;
    /// Takes what the config says of its rows.
    fn declare(&mut self, _: &SourceConfig) {}
    /// Local midnight, ns UTC: no row is earlier.
    fn midnight(&self) -> i64;
    /// Reads one row.
    fn read(&mut self, line: &[u8]) -> Result<Self::Row, Fault>;
    /// When the row is due, ns UTC.
    fn ts(row: &Self::Row) -> i64;
    /// The row's record.
    fn put(row: &Self::Row, instrument: u32, cell: &mut InputCell);
}

/// Opens the zips that `pattern` names.
pub(crate) fn open<R: RowReader>(
    config: &SourceConfig,
    pattern: &str,
    catalog: &Catalog,
) -> Result<Source, Problem> {
    let paths = files::expand(&config.spec, pattern)?;
    let mut entries = Vec::new();
    for path in &paths {
        let inside = zip_entries::list(path)?;
        if inside.is_empty() {
            let (_, names) = R::SHAPES;
            let fix = format!("`{}` reads {names}", R::FORMAT);
            return Err(Problem::new("the zip holds no files", path.display().to_string(), fix));
        }
        entries.extend(inside);
    }
    let (symbols, waiting) = queue::<R>(config, entries, catalog)?;
    let mut names = Naming::canonical(config);
    if let Some(seconds) = config.quote_ttl_s {
        // Other quotes come out of the same files.
        names.push_str(&format!("quote_ttl_s = {seconds}\n"));
    }
    let texts = [config.name.as_str(), &names];
    Ok(Source {
        name: config.name.clone(),
        spec: config.spec.clone(),
        identity: files::identity(if names.is_empty() { &texts[..1] } else { &texts }, &paths)?,
        live: false,
        symbols,
        front: None,
        records_hint: None,
        feed: Feed::Decoder(Box::new(Merge { waiting, heads: BinaryHeap::new(), given: false })),
    })
}

/// The symbols in order of appearance, and the files, the earliest last.
fn queue<R: RowReader>(
    config: &SourceConfig,
    entries: Vec<Entry>,
    catalog: &Catalog,
) -> Result<(Vec<SymbolUse>, Vec<Waiting<R>>), Problem> {
    let mut naming = Naming::of(config);
    let mut waiting = Vec::new();
    for (order, entry) in entries.into_iter().enumerate() {
        let security = config.security.as_deref().or_else(|| lean_name::folder(&entry.path));
        let name = match lean_name::parse(&entry.name, security) {
            Ok(name) => name,
            Err(fault) => return Err(refused::<R>(&entry, fault)),
        };
        // What the format does not read is refused even where its symbol is not wanted.
        if R::new(&name, 0).is_none() {
            return Err(refused::<R>(&entry, NameFault::Other));
        }
        let trades = name.is_trade_ticks();
        let Some((instrument, definition)) =
            naming.meet(&name.symbol, trades, &entry.place, catalog)
        else {
            continue;
        };
        let rows = R::new(&name, definition.size_precision);
        if let Some(seconds) = name.trade_bars_s() {
            naming.has_bars(instrument, seconds);
        }
        let Some(rows) = rows else { continue };
        let mut rows = rows.map_err(|what| {
            Problem::new(what, entry.place.clone(), "correct the date in its name")
        })?;
        rows.declare(config);
        waiting.push(Waiting { rows, entry, instrument, order });
    }
    let symbols = naming.finish(&spec::place(&config.spec))?;
    waiting.sort_by_key(|w| Reverse((w.rows.midnight(), w.order)));
    Ok((symbols, waiting))
}

fn refused<R: RowReader>(entry: &Entry, fault: NameFault) -> Problem {
    let (holds, names) = R::SHAPES;
    let (what, fix) = match fault {
        NameFault::Other => (
            format!("the name of this file inside the zip says no {holds}"),
            format!("`{}` reads {names}; take other files out of the zip", R::FORMAT),
        ),
        NameFault::Security => (
            "the name does not say whether this is an equity, whose prices are x 10,000 in New \
             York time"
                .to_string(),
            "declare security = \"equity\", \"forex\", \"cfd\" or \"crypto\", or keep LEAN's \
             folders: equity/usa/minute/spy/20131007_trade.zip"
                .to_string(),
        ),
    };
    Problem::new(what, entry.place.clone(), fix)
}

/// A file whose day has not begun.
struct Waiting<R> {
    rows: R,
    entry: Entry,
    instrument: u32,
    order: usize,
}

/// A file being read.
struct Rows<R> {
    lines: Lines,
    reader: R,
    place: String,
    instrument: u32,
    count: u64,
}

impl<R: RowReader> Rows<R> {
    fn next(&mut self) -> Result<Option<R::Row>, Problem> {
        let line = match self.lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(None),
            Err(error) => return Err(self.broken(&error)),
        };
        match self.reader.read(line) {
            Ok(row) => {
                self.count += 1;
                Ok(Some(row))
            }
            Err(fault) => Err(fault.at(
                &self.place,
                self.lines.number(),
                "correct the row or take it out; everything before it was delivered",
            )),
        }
    }

    #[cold]
    fn broken(&self, error: &LineError) -> Problem {
        let what = match error {
            LineError::Io(e) => format!("the file is damaged after {} rows: {e}", self.count),
            LineError::TooLong => {
                format!("no line end in {LINE_MAX} bytes, after {} rows", self.count)
            }
        };
        Problem::new(
            what,
            format!("{}, line {}", self.place, self.lines.number()),
            "fetch or copy the zip again; the rows before were delivered",
        )
    }
}

/// The next row of a file; the heap's top is the earliest.
struct Head<R: RowReader> {
    key: Reverse<(i64, usize)>,
    row: R::Row,
    rows: Box<Rows<R>>,
}

impl<R: RowReader> PartialEq for Head<R> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}
impl<R: RowReader> Eq for Head<R> {}
impl<R: RowReader> PartialOrd for Head<R> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<R: RowReader> Ord for Head<R> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

/// All files as one stream.
struct Merge<R: RowReader> {
    /// Not yet opened, the earliest last.
    waiting: Vec<Waiting<R>>,
    heads: BinaryHeap<Head<R>>,
    /// True if the top was given out: it moves on first, so that its error comes after its last
    /// row.
    given: bool,
}

impl<R: RowReader> Merge<R> {
    fn move_on(&mut self) -> Result<(), Problem> {
        self.given = false;
        let Some(mut top) = self.heads.peek_mut() else { return Ok(()) };
        match top.rows.next() {
            Ok(Some(row)) => {
                top.row = row;
                top.key.0.0 = R::ts(&row);
            }
            Ok(None) => drop(PeekMut::pop(top)),
            Err(problem) => {
                PeekMut::pop(top);
                return Err(problem);
            }
        }
        Ok(())
    }

    /// Opens every file that could hold the earliest row.
    fn open_due(&mut self) -> Result<(), Problem> {
        loop {
            let earliest = self.heads.peek().map_or(i64::MAX, |head| head.key.0.0);
            let due = self.waiting.pop_if(|next| next.rows.midnight() <= earliest);
            let Some(Waiting { rows: reader, entry, instrument, order }) = due else {
                return Ok(());
            };
            let lines = Lines::new(entry.open()?);
            let mut rows =
                Box::new(Rows { lines, reader, place: entry.place, instrument, count: 0 });
            if let Some(row) = rows.next()? {
                self.heads.push(Head { key: Reverse((R::ts(&row), order)), row, rows });
            }
        }
    }
}

impl<R: RowReader> Decoder for Merge<R> {
    fn next(&mut self, cell: &mut InputCell) -> Result<bool, Problem> {
        if self.given {
            self.move_on()?;
        }
        self.open_due()?;
        let Some(head) = self.heads.peek() else { return Ok(false) };
        R::put(&head.row, head.rows.instrument, cell);
        self.given = true;
        Ok(true)
    }
}
