//! `lean-trade`: trade ticks in LEAN's zipped CSV files.
//!
//! The rows of all files are merged by time; at equal time the file that comes first (zips by name,
//! then in the order of the zip's directory) goes first, and the rows of one file keep their order.
//! Exchange and condition codes are not carried (the record's `conditions` are 0); a `suspicious` 1
//! is [`TRADE_SUSPICIOUS`]. A file is opened when the merge reaches its midnight, so a year of zips
//! holds open one day.

use crate::files;
use crate::lean_row::{Row, RowReader};
use crate::lean_zip::{self, Entry};
use crate::lines::{LINE_MAX, LineError, Lines};
use crate::naming::Naming;
use crate::spec;
use engine::Problem;
use engine::instrument::Catalog;
use engine::source::{Decoder, Feed, Source, SourceConfig, SymbolUse};
use ringbuf_layout::names::TRADE_SUSPICIOUS;
use ringbuf_layout::{Frame, InputCell, Tail, Trade};
use std::cmp::Reverse;
use std::collections::binary_heap::{BinaryHeap, PeekMut};

/// Opens the zips that `pattern` names.
pub(crate) fn open(
    config: &SourceConfig,
    pattern: &str,
    catalog: &Catalog,
) -> Result<Source, Problem> {
    let paths = files::expand(&config.spec, pattern)?;
    let mut entries = Vec::new();
    for path in &paths {
        entries.extend(lean_zip::directory(path)?);
    }
    let (symbols, waiting) = queue(config, entries, catalog)?;
    Ok(Source {
        name: config.name.clone(),
        spec: config.spec.clone(),
        identity: files::identity(&[&config.name], &paths)?,
        live: false,
        symbols,
        records_hint: None,
        feed: Feed::Decoder(Box::new(Merge { waiting, heads: BinaryHeap::new(), given: false })),
    })
}

/// The symbols in order of appearance, and the files, the earliest last.
fn queue(
    config: &SourceConfig,
    entries: Vec<Entry>,
    catalog: &Catalog,
) -> Result<(Vec<SymbolUse>, Vec<Waiting>), Problem> {
    let mut naming = Naming::of(config);
    let mut waiting = Vec::new();
    for (order, entry) in entries.into_iter().enumerate() {
        let name = &entry.name;
        let Some((instrument, definition)) = naming.meet(&name.symbol, true, &entry.place, catalog)
        else {
            continue;
        };
        let rows =
            RowReader::new(name.market, name.date, definition.size_precision).map_err(|what| {
                Problem::new(what, entry.place.clone(), "correct the date in its name")
            })?;
        waiting.push(Waiting { rows, entry, instrument, order });
    }
    let symbols = naming.finish(&spec::place(&config.spec))?;
    waiting.sort_by_key(|w| Reverse((w.rows.midnight(), w.order)));
    Ok((symbols, waiting))
}

/// A file whose day has not begun.
struct Waiting {
    rows: RowReader,
    entry: Entry,
    instrument: u32,
    order: usize,
}

/// A file being read.
struct Rows {
    lines: Lines,
    reader: RowReader,
    place: String,
    instrument: u32,
    count: u64,
}

impl Rows {
    fn next(&mut self) -> Result<Option<Row>, Problem> {
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
struct Head {
    key: Reverse<(i64, usize)>,
    row: Row,
    rows: Box<Rows>,
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}
impl Eq for Head {}
impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

/// All files as one stream.
struct Merge {
    /// Not yet opened, the earliest last.
    waiting: Vec<Waiting>,
    heads: BinaryHeap<Head>,
    /// True if the top was given out: it moves on first, so that its error comes after its last
    /// row.
    given: bool,
}

impl Merge {
    fn move_on(&mut self) -> Result<(), Problem> {
        self.given = false;
        let Some(mut top) = self.heads.peek_mut() else { return Ok(()) };
        match top.rows.next() {
            Ok(Some(row)) => {
                top.row = row;
                top.key.0.0 = row.ts;
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
            let earliest = self.heads.peek().map_or(i64::MAX, |head| head.row.ts);
            let due = self.waiting.pop_if(|next| next.rows.midnight() <= earliest);
            let Some(Waiting { rows: reader, entry, instrument, order }) = due else {
                return Ok(());
            };
            let lines = Lines::new(entry.open()?);
            let mut rows =
                Box::new(Rows { lines, reader, place: entry.place, instrument, count: 0 });
            if let Some(row) = rows.next()? {
                self.heads.push(Head { key: Reverse((row.ts, order)), row, rows });
            }
        }
    }
}

impl Decoder for Merge {
    fn next(&mut self, cell: &mut InputCell) -> Result<bool, Problem> {
        if self.given {
            self.move_on()?;
        }
        self.open_due()?;
        let Some(head) = self.heads.peek() else { return Ok(false) };
        let Row { ts, price, size, suspicious } = head.row;
        cell.put(&Trade {
            head: Trade::header(ts, ts),
            price,
            size,
            source_seq: 0,
            tail: Tail {
                instrument: head.rows.instrument,
                flags: if suspicious { TRADE_SUSPICIOUS } else { 0 },
                ..Tail::default()
            },
        });
        self.given = true;
        Ok(true)
    }
}
