//! The inputs of a journal, as they were in the ring, leg by leg: a leg is what one run start begins.

use crate::ledger::Ledger;
use crate::problem::Problem;
use crate::runtime::sequencer::{Inputs, Ready};
use journal::header::PAGE;
use journal::{End, FrameRef, Frames};
use ringbuf_layout::frame::{FLAGS_OFFSET, LAST};
use ringbuf_layout::{InputCell, Kind, RunStart};

/// The inputs.
pub(crate) struct Tape<'a> {
    frames: Frames<'a>,
    /// A frame that was looked at.
    ahead: Option<FrameRef<'a>>,
    next: Option<FrameRef<'a>>,
    until: u64,
    /// The leg has no further input that was processed.
    leg_over: bool,
    /// Inputs of this leg that were never processed.
    unprocessed: Vec<InputCell>,
    /// How many of them are out; `None` while they are held back.
    fed: Option<usize>,
    /// Sequence and CRC of the newest input that is out or was passed over.
    newest: Option<(u64, u32)>,
    /// What stands beside the stages.
    ledger: Option<Ledger>,
    /// What ended the reading.
    pub(crate) damage: Option<Problem>,
    /// Bytes of frames so far, page padding included.
    pub(crate) bytes: u64,
    /// Segment being read, and the bytes of those before it.
    segment: (Option<u32>, u64),
}

impl<'a> Tape<'a> {
    pub(crate) fn new(frames: Frames<'a>, until: Option<u64>) -> Self {
        Self {
            frames,
            ahead: None,
            next: None,
            until: until.unwrap_or(u64::MAX),
            leg_over: false,
            unprocessed: Vec::new(),
            fed: None,
            newest: None,
            ledger: None,
            damage: None,
            bytes: 0,
            segment: (None, 0),
        }
    }

    /// Passes over the inputs up to this one, included. False if the journal ends before it, or the frame there
    /// has another CRC.
    pub(crate) fn pass(&mut self, seq: u64, crc: u32) -> bool {
        // A journal whose beginning was removed may begin right behind it.
        let mut found = None;
        while let Some(frame) = self.frame() {
            if frame.head().seq > seq {
                self.ahead = Some(frame);
                break;
            }
            if frame.head().seq == seq && frame.kind().is_input() {
                found = Some(frame.head().crc32c);
                self.newest = found.map(|crc| (seq, crc));
            }
        }
        found.is_some_and(|found| found == crc)
    }

    /// The run start that comes next, if one does.
    pub(crate) fn run_start(&mut self) -> Option<RunStart> {
        if self.next.is_none() && self.ahead.is_none() {
            self.ahead = self.frame();
        }
        let frame = self.next.or(self.ahead)?;
        frame.get::<RunStart>().copied().filter(|start| start.head.seq <= self.until)
    }

    /// Begins a leg.
    pub(crate) fn begin(&mut self, ledger: Ledger) {
        self.ledger = Some(ledger);
        self.leg_over = false;
        self.unprocessed.clear();
        self.fed = None;
        if self.next.is_none() {
            self.advance(true);
        }
    }

    /// The ledger, at the end of a leg.
    pub(crate) fn ledger(&mut self) -> Option<Ledger> {
        self.ledger.take()
    }

    /// Inputs of this leg that were never processed.
    pub(crate) fn unprocessed(&self) -> &[InputCell] {
        &self.unprocessed
    }

    /// Lets them out as well.
    pub(crate) fn feed_unprocessed(&mut self) {
        self.fed = Some(0);
    }

    /// The first sequence that there is, before anything was taken.
    pub(crate) fn first_seq(&self) -> u64 {
        self.ahead.map_or(0, |frame| frame.head().seq)
    }

    /// The first input of the leg that has just begun.
    pub(crate) fn leg_seq(&self) -> u64 {
        let next = self.next.map(|frame| frame.head().seq);
        let unprocessed = self.unprocessed.first().map(|cell| cell.head().seq);
        unprocessed.into_iter().chain(next).min().unwrap_or_else(|| self.frames.next_seq())
    }

    /// Sequence and CRC of the newest input that is out.
    pub(crate) fn newest(&self) -> Option<(u64, u32)> {
        self.newest
    }

    /// How the journal ends, once it was read to its end.
    pub(crate) fn end(&self) -> Option<&End> {
        self.frames.end()
    }

    fn frame(&mut self) -> Option<FrameRef<'a>> {
        if let Some(frame) = self.ahead.take() {
            return Some(frame);
        }
        if self.damage.is_some() {
            return None;
        }
        match self.frames.next() {
            Ok(frame) => frame.inspect(|frame| self.count(frame)),
            Err(error) => {
                self.damage = Some(Problem::from_journal(&error));
                None
            }
        }
    }

    fn count(&mut self, frame: &FrameRef<'_>) {
        if self.segment.0 != Some(frame.segment) {
            self.segment = (Some(frame.segment), self.bytes);
        }
        let end = frame.offset + frame.bytes.len() as u64 - PAGE as u64;
        self.bytes = self.segment.1 + end;
    }

    /// Goes to the next input that was processed; those that were not are kept.
    fn advance(&mut self, mut first: bool) {
        while !self.leg_over {
            let Some(frame) = self.frame() else {
                self.leg_over = true;
                return;
            };
            if frame.head().seq > self.until || (frame.get::<RunStart>().is_some() && !first) {
                self.ahead = Some(frame);
                self.leg_over = true;
                return;
            }
            if !frame.kind().is_input() {
                continue;
            }
            first = false;
            self.ahead = if frame.is_last() { None } else { self.frame() };
            let behind = self.ahead.map(|behind| behind.kind());
            if !matches!(behind, Some(Kind::Unprocessed | Kind::Panic)) {
                self.next = Some(frame);
                return;
            }
            let cell = cell_of(&frame);
            if let Some(ledger) = &mut self.ledger {
                ledger.pass_over(&cell);
            }
            self.unprocessed.push(cell);
        }
    }
}

/// A frame as it was in the ring.
fn cell_of(frame: &FrameRef<'_>) -> InputCell {
    let mut cell = InputCell::default();
    put(frame, &mut cell);
    cell
}

fn put(frame: &FrameRef<'_>, cell: &mut InputCell) {
    const { assert!(FLAGS_OFFSET == 63) };
    cell.put_bytes(frame.bytes);
    cell.head_mut().crc32c = 0;
    cell.tail_mut().flags &= !LAST;
}

impl Inputs for Tape<'_> {
    fn poll(&mut self) -> Ready {
        if self.next.is_none() {
            self.advance(false);
        }
        let waits = self.fed.is_some_and(|fed| fed < self.unprocessed.len());
        if self.next.is_some() || waits { Ready::Input } else { Ready::End }
    }

    fn write(&mut self, cell: &mut InputCell) {
        if let Some(frame) = self.next.take() {
            put(&frame, cell);
            self.newest = Some((frame.head().seq, frame.head().crc32c));
            if let Some(ledger) = &mut self.ledger {
                ledger.observe(cell);
            }
        } else if let Some(fed) = &mut self.fed {
            cell.copy_from(&self.unprocessed[*fed]);
            *fed += 1;
        }
    }

    fn next_seq(&self) -> u64 {
        let fed = self.fed.and_then(|fed| self.unprocessed.get(fed)).map(|cell| cell.head().seq);
        let next = self.next.map(|frame| frame.head().seq);
        next.or(fed).unwrap_or_else(|| self.frames.next_seq())
    }
}
