//! The market data of a journal: its instruments and what came from its sources, in journaled order. A run of it is
//! what-if: everything else that the journal holds is left behind.
//!
//! An input that a panic kept from being processed is there once: where it was journaled first, not where the next
//! run of the same journal began with it again.

use crate::instrument::InstrumentDef;
use crate::problem::Problem;
use crate::replay::instruments;
use journal::{Bookmark, FrameRef, Journal};
use ringbuf_layout::frame::{FLAGS_OFFSET, LAST, NO_INSTRUMENT};
use ringbuf_layout::input::SOURCE_SEQ_MASK;
use ringbuf_layout::{ExternalBar, InputCell, Instrument, Kind, RunStart, SourceStatus, Trade};
use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;
use std::path::Path;

/// Records that are read ahead: 128 KiB.
const AHEAD: usize = 1_024;
/// Where `source_seq` lies in every market record, and how much of it a source is numbered by.
const SOURCE_SEQ_AT: usize = 48;

/// An instrument of a journal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// Its definition.
    pub def: InstrumentDef,
    /// True if bars came from its prints, or it has any.
    pub trades: bool,
    /// Length of a vendor's bars of it in seconds, 0 where it has none.
    pub bars_s: u32,
}

/// What a journal holds of the market.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Survey {
    /// The instruments by their number in the records.
    pub instruments: Vec<Held>,
    /// Market records.
    pub records: u64,
    /// SHA-256 over the definitions and the market records, without the numbers that the run gave them.
    pub content: [u8; 32],
}

/// The definitions of a journal's instruments, by their number.
///
/// # Errors
/// If it cannot be read.
pub fn definitions(dir: &Path) -> Result<Vec<InstrumentDef>, Problem> {
    let journal = open(dir)?;
    Ok(instruments(&journal, dir)?.iter().map(InstrumentDef::of).collect())
}

fn open(dir: &Path) -> Result<Journal, Problem> {
    Journal::open(dir).map_err(|e| Problem::from_journal(&e))
}

/// Reads a journal once. Damage ends the look: whoever reads the records comes to it and names it.
///
/// # Errors
/// If it cannot be opened, or holds no instruments.
pub fn survey(dir: &Path) -> Result<Survey, Problem> {
    let mut tape = MarketTape::open(dir)?;
    let table = instruments(&tape.journal, dir)?;
    if table.is_empty() {
        return Err(Problem::new(
            "the journal defines no instruments",
            dir.display().to_string(),
            "nothing was recorded in it; choose another",
        ));
    }
    let mut hash = Sha256::new();
    let mut held: Vec<Held> = table.iter().map(Held::of).collect();
    for instrument in &table {
        // Behind the header and before the tail, whose number is the place in the table.
        hash.update(&bytemuck::bytes_of(instrument)[32..56]);
        hash.update(&bytemuck::bytes_of(instrument)[64..]);
    }
    let mut cell = InputCell::default();
    let mut records = 0;
    while let Ok(true) = tape.next(&mut cell) {
        records += 1;
        if let Some(held) = held.get_mut(cell.tail().instrument as usize) {
            held.trades |= cell.is::<Trade>();
            held.bars_s = cell.get::<ExternalBar>().map_or(held.bars_s, |bar| bar.timeframe_s);
        }
        cell.tail_mut().source = 0;
        hash.update(&cell.bytes()[4..]);
    }
    Ok(Survey { instruments: held, records, content: hash.finalize().into() })
}

impl Held {
    fn of(record: &Instrument) -> Self {
        Self { def: InstrumentDef::of(record), trades: record.bar_price == 0, bars_s: 0 }
    }
}

/// The market records of a journal, one after another.
#[derive(Debug)]
pub struct MarketTape {
    journal: Journal,
    /// Where the reading stands; `None` once it has ended.
    mark: Option<Bookmark>,
    ahead: VecDeque<InputCell>,
    failure: Option<Problem>,
    /// Market records of this run that were never processed.
    unprocessed: usize,
    /// Those of the run before that may come again at the beginning of this one.
    again: usize,
    /// True behind an input of the market.
    behind_market: bool,
}

impl MarketTape {
    /// Opens a journal: it may have been cut off, and may be written by somebody else.
    ///
    /// # Errors
    /// If there is none, or it is of another version.
    pub fn open(dir: &Path) -> Result<Self, Problem> {
        let journal = open(dir)?;
        let mark = Some(journal.frames().bookmark());
        Ok(Self {
            journal,
            mark,
            ahead: VecDeque::with_capacity(AHEAD),
            failure: None,
            unprocessed: 0,
            again: 0,
            behind_market: false,
        })
    }

    /// Puts the next market record into `cell`, as a source made it: without sequence, CRC, `last` bit and source
    /// sequence; `tail.instrument` is its number in [`Survey::instruments`]. False at the end.
    ///
    /// # Errors
    /// Damage, by segment and offset; again at every further call.
    pub fn next(&mut self, cell: &mut InputCell) -> Result<bool, Problem> {
        if self.ahead.is_empty() {
            self.read_ahead();
        }
        match (self.ahead.pop_front(), &self.failure) {
            (Some(record), _) => {
                cell.copy_from(&record);
                Ok(true)
            }
            (None, Some(problem)) => Err(problem.clone()),
            (None, None) => Ok(false),
        }
    }

    fn read_ahead(&mut self) {
        let Some(mark) = self.mark.take() else { return };
        let mut frames = self.journal.frames_at(mark);
        let mut ahead = std::mem::take(&mut self.ahead);
        let mut look = Look {
            unprocessed: self.unprocessed,
            again: self.again,
            behind_market: self.behind_market,
        };
        let ended = loop {
            match frames.next() {
                Ok(Some(frame)) => ahead.extend(look.at(&frame)),
                Ok(None) => break true,
                Err(error) => {
                    self.failure = Some(Problem::from_journal(&error));
                    break true;
                }
            }
            if ahead.len() == AHEAD {
                break false;
            }
        };
        self.mark = (!ended).then(|| frames.bookmark());
        self.ahead = ahead;
        (self.unprocessed, self.again, self.behind_market) =
            (look.unprocessed, look.again, look.behind_market);
    }
}

/// What is known while frames go by.
struct Look {
    unprocessed: usize,
    again: usize,
    behind_market: bool,
}

impl Look {
    /// The market record that this frame is, if it is one that was not there before.
    fn at(&mut self, frame: &FrameRef<'_>) -> Option<InputCell> {
        let kind = frame.kind();
        if !kind.is_input() {
            self.unprocessed += usize::from(kind == Kind::Unprocessed && self.behind_market);
            return None;
        }
        self.behind_market = false;
        if frame.get::<RunStart>().is_some() {
            self.again = std::mem::take(&mut self.unprocessed);
            return None;
        }
        let cell = plain(frame);
        if cell.is::<SourceStatus>() && cell.tail().instrument == NO_INSTRUMENT {
            // Of a source as a whole: those that come again stand before it.
            self.again = 0;
            return None;
        }
        if !cell.is_of_the_market() {
            return None;
        }
        self.behind_market = true;
        if self.again > 0 {
            self.again -= 1;
            return None;
        }
        Some(cell)
    }
}

/// A frame as its source made it.
fn plain(frame: &FrameRef<'_>) -> InputCell {
    const { assert!(FLAGS_OFFSET == 63) };
    let mut bytes = [0; 128];
    bytes[..frame.bytes.len()].copy_from_slice(frame.bytes);
    let low = SOURCE_SEQ_MASK.to_le_bytes();
    for (byte, mask) in bytes[SOURCE_SEQ_AT..].iter_mut().zip(low) {
        *byte &= !mask;
    }
    let mut cell = InputCell::default();
    cell.put_bytes(&bytes[..frame.bytes.len()]);
    let head = cell.head_mut();
    (head.crc32c, head.seq) = (0, 0);
    let tail = cell.tail_mut();
    tail.source = 0;
    tail.flags &= !LAST;
    cell
}
