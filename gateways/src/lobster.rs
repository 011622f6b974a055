//! `lobster`: reconstructed NASDAQ data as LOBSTER delivers it, a message and an order book file a day.
//!
//! Symbol and date come from the file's name. Executions of visible and hidden orders give trades, whose aggressor
//! is the side opposite to the resting order; crosses give trades with the flag
//! [`TRADE_CROSS`]; a halt and its end give source status records. Where the
//! order book file lies beside the message file, each of its rows gives the changes among the best 20 levels (fewer
//! where the file holds fewer), after the trade of the same row; without it there are trades alone, because
//! messages speak of orders that rested before the file begins. A glob is one source: message files are merged by
//! time, at equal time in name order, and order book files are met through their message file. There is no receive
//! time: `ts_recv` is `ts_event`.

use crate::depth_window::{Change, DEPTH, DepthWindow, Level};
use crate::files::{self, Fault};
use crate::lines::{LINE_MAX, LineError, Lines};
use crate::lobster_name::{self, Role};
use crate::lobster_row::{Message, RowReader};
use crate::naming::Naming;
use crate::packed;
use crate::spec;
use engine::Problem;
use engine::instrument::Catalog;
use engine::source::{Decoder, Feed, Source, SourceConfig};
use ringbuf_layout::names::TRADE_CROSS;
use ringbuf_layout::{Frame, InputCell, Price, Side, Size, SourceStatus, Tail, Trade};
use std::cmp::Reverse;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

const FIX: &str =
    "correct the row or take it out of both files; everything before it was delivered";

/// Opens the message files that `pattern` names, with the order books beside them.
pub(crate) fn open(
    config: &SourceConfig,
    pattern: &str,
    catalog: &Catalog,
) -> Result<Source, Problem> {
    let place = spec::place(&config.spec);
    let mut naming = Naming::of(config);
    let (mut waiting, mut read) = (Vec::new(), Vec::new());
    for path in files::expand(&config.spec, pattern)? {
        let role = lobster_name::parse(&path).ok_or_else(|| unnamed(&path))?;
        let Role::Message(name) = role else { continue };
        let file = path.display().to_string();
        let Some((instrument, definition)) = naming.meet(&name.symbol, true, &file, catalog) else {
            continue;
        };
        let rows = RowReader::new(name.date, definition.size_precision)
            .map_err(|what| Problem::new(what, file, "correct the date in its name"))?;
        let book = lobster_name::orderbook_of(&path);
        read.push(path.clone());
        read.extend(book.clone());
        waiting.push(Waiting { path, book, rows, instrument, levels: name.levels });
    }
    let symbols = naming.finish(&place)?;
    if waiting.is_empty() {
        return Err(Problem::new(
            "none of the files is a message file",
            place,
            "name the `…_message_N.csv`; the order book beside it is found by itself",
        ));
    }
    let identity = files::identity(&[&config.name], &read)?;
    // The earliest last; files of one day stay in name order.
    waiting.reverse();
    waiting.sort_by_key(|file| Reverse(file.rows.midnight()));
    Ok(Source {
        name: config.name.clone(),
        spec: config.spec.clone(),
        identity,
        live: false,
        symbols,
        front: None,
        records_hint: None,
        feed: Feed::Decoder(Box::new(Merge { waiting, streams: Vec::new(), at: None })),
    })
}

#[cold]
fn unnamed(path: &Path) -> Problem {
    Problem::new(
        "the name of the file does not say symbol, date and levels",
        path.display().to_string(),
        "LOBSTER's names are like AAPL_2012-06-21_34200000_57600000_message_10.csv",
    )
}

/// A file whose day has not begun.
struct Waiting {
    path: PathBuf,
    book: Option<PathBuf>,
    rows: RowReader,
    instrument: u32,
    levels: usize,
}

impl Waiting {
    fn open(self) -> Result<Stream, Problem> {
        let book = self.book.map(|path| Book::open(&path, self.levels)).transpose()?;
        let file = TextFile::open(&self.path)?;
        let (rows, instrument) = (self.rows, self.instrument);
        Ok(Stream { rows, instrument, file, book, ts: 0, ready: VecDeque::new() })
    }
}

/// A text file, and how messages name it.
struct TextFile {
    lines: Lines,
    place: String,
}

impl TextFile {
    fn open(path: &Path) -> Result<Self, Problem> {
        let (bytes, place) = packed::open(path)?;
        Ok(Self { lines: Lines::new(bytes), place })
    }

    fn next(&mut self) -> Result<Option<&[u8]>, Problem> {
        // Not `?` on the line itself: it would keep `self` borrowed.
        match self.lines.next() {
            Ok(line) => Ok(line),
            Err(error) => Err(broken(&self.place, &error)),
        }
    }

    #[cold]
    fn fault(&self, fault: Fault) -> Problem {
        fault.at(&self.place, self.lines.number(), FIX)
    }
}

#[cold]
fn broken(place: &str, error: &LineError) -> Problem {
    let what = match error {
        LineError::Io(e) => format!("the file cannot be read or unpacked any further: {e}"),
        LineError::TooLong => format!("no line end in {LINE_MAX} bytes"),
    };
    Problem::new(what, place, "fetch or copy the file again; the rows before were delivered")
}

/// The order book beside the messages.
struct Book {
    file: TextFile,
    levels: usize,
    window: DepthWindow,
    bids: Vec<Level>,
    asks: Vec<Level>,
    changes: Vec<Change>,
}

impl Book {
    fn open(path: &Path, levels: usize) -> Result<Self, Problem> {
        Ok(Self {
            file: TextFile::open(path)?,
            levels,
            window: DepthWindow::new(levels.min(DEPTH)),
            bids: Vec::new(),
            asks: Vec::new(),
            changes: Vec::new(),
        })
    }

    /// Reads the row of the next message into `changes`.
    fn row(&mut self, rows: &RowReader, ts: i64) -> Result<(), Problem> {
        let Self { file, levels, window, bids, asks, changes } = self;
        let Some(line) = file.next()? else {
            return Err(Problem::new(
                "the order book ends before its message file",
                file.place.clone(),
                "fetch both files again: row by row they belong together",
            ));
        };
        if let Err(fault) = rows.book(line, *levels, DEPTH, bids, asks) {
            return Err(file.fault(fault));
        }
        changes.clear();
        window.update(ts, bids.iter().copied(), asks.iter().copied(), changes);
        Ok(())
    }
}

/// The files of one symbol and day.
struct Stream {
    rows: RowReader,
    instrument: u32,
    file: TextFile,
    book: Option<Book>,
    /// Time of the records that are ready.
    ts: i64,
    ready: VecDeque<InputCell>,
}

impl Stream {
    /// Reads on to the next message that gives records; false at the end.
    fn advance(&mut self) -> Result<bool, Problem> {
        while self.ready.is_empty() {
            let Some(line) = self.file.next()? else { return self.end() };
            let (ts, message) = match self.rows.message(line) {
                Ok(message) => message,
                Err(fault) => return Err(self.file.fault(fault)),
            };
            self.ts = ts;
            self.tell(message);
            let Some(book) = &mut self.book else { continue };
            if let Err(problem) = book.row(&self.rows, ts) {
                // A message without its book is not delivered.
                self.ready.clear();
                return Err(problem);
            }
            let last = book.changes.len().saturating_sub(1);
            for (i, change) in book.changes.iter().enumerate() {
                let record = change.record(ts, ts, self.instrument, i == last);
                self.ready.push_back(InputCell::from(&record));
            }
        }
        Ok(true)
    }

    /// The messages have ended: so must the book.
    fn end(&mut self) -> Result<bool, Problem> {
        let Some(book) = &mut self.book else { return Ok(false) };
        if book.file.next()?.is_none() {
            return Ok(false);
        }
        let line = book.file.lines.number();
        Err(Problem::new(
            "the order book goes on after its last message",
            format!("{}, line {line}", book.file.place),
            "fetch both files again: row by row they belong together",
        ))
    }

    fn tell(&mut self, message: Message) {
        let (price, size, side, flags) = match message {
            Message::Order => return,
            Message::Trade { price, size, aggressor } => (price, size, aggressor as u8, 0),
            Message::Cross { price, size } => (price, size, Side::None as u8, TRADE_CROSS),
            Message::Status(state) => {
                let head = SourceStatus::header(self.ts, self.ts);
                self.ready.push_back(InputCell::from(&SourceStatus {
                    head,
                    first_source_seq: 0,
                    lost: 0,
                    identity: [0; 8],
                    tail: self.tail(state as u8, 0),
                }));
                return;
            }
        };
        self.trade(price, size, side, flags);
    }

    fn trade(&mut self, price: Price, size: Size, side: u8, flags: u8) {
        let head = Trade::header(self.ts, self.ts);
        let trade = Trade { head, price, size, source_seq: 0, tail: self.tail(side, flags) };
        self.ready.push_back(InputCell::from(&trade));
    }

    fn tail(&self, side: u8, flags: u8) -> Tail {
        Tail { instrument: self.instrument, side, flags, ..Tail::default() }
    }
}

/// All files as one stream.
struct Merge {
    /// Not yet opened, the earliest last.
    waiting: Vec<Waiting>,
    /// Open, with records ready each, in name order within a day.
    streams: Vec<Stream>,
    /// The stream whose records go out.
    at: Option<usize>,
}

impl Merge {
    /// The stream with the earliest records; opens every file that could hold earlier ones.
    fn earliest(&mut self) -> Result<Option<usize>, Problem> {
        loop {
            let best = self.streams.iter().enumerate().min_by_key(|(_, stream)| stream.ts);
            let (at, ts) = best.map_or((None, i64::MAX), |(at, stream)| (Some(at), stream.ts));
            let Some(file) = self.waiting.pop_if(|file| file.rows.midnight() <= ts) else {
                return Ok(at);
            };
            let mut stream = file.open()?;
            if stream.advance()? {
                self.streams.push(stream);
            }
        }
    }
}

impl Decoder for Merge {
    fn next(&mut self, cell: &mut InputCell) -> Result<bool, Problem> {
        if let Some(at) = self.at
            && self.streams[at].ready.is_empty()
        {
            self.at = None;
            match self.streams[at].advance() {
                Ok(true) => {}
                Ok(false) => drop(self.streams.remove(at)),
                Err(problem) => {
                    self.streams.remove(at);
                    return Err(problem);
                }
            }
        }
        if self.at.is_none() {
            self.at = self.earliest()?;
        }
        let Some(at) = self.at else { return Ok(false) };
        if let Some(ready) = self.streams[at].ready.pop_front() {
            cell.copy_from(&ready);
        }
        Ok(true)
    }
}
