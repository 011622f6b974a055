//! The k-way merge: the next record of all sources, by event time, source number, source sequence.
//!
//! A finite source is waited for, so the order never depends on which thread was faster. Live sources
//! come in arrival order: one that has nothing is not waited for.

use crate::problem::Problem;
use crate::runtime::feed::Inflow;
use crate::runtime::group::BATCH;
use crate::runtime::host::prefetch;
use ringbuf_layout::InputCell;
use std::sync::PoisonError;

/// One source in the merge.
#[derive(Debug)]
pub struct Inlet {
    /// Where its records come from.
    pub inflow: Inflow,
    /// True if it is not waited for.
    pub live: bool,
    /// True once it has ended and the end was reported.
    pub ended: bool,
}

/// What the merge has to offer.
#[derive(Debug)]
pub enum Head {
    /// The next record is of this inlet and has this time.
    Record(usize, i64),
    /// This inlet has just ended, with its failure if it failed.
    Ended(usize, Option<Problem>),
    /// Nothing now; more may come.
    Wait,
    /// Every source has ended.
    End,
}

enum Peek {
    At(i64),
    Empty,
    Ended,
}

impl Inlet {
    fn peek(&self) -> Peek {
        match &self.inflow {
            Inflow::Memory { records, at } => {
                records.get(*at).map_or(Peek::Ended, |trade| Peek::At(trade.head.ts_event))
            }
            Inflow::Queue { records, .. } => {
                if let Ok(cell) = records.peek() {
                    return Peek::At(cell.head().ts_event);
                }
                // Empty. If the thread has ended, what it pushed last may have come since we looked.
                let abandoned = records.is_abandoned();
                match records.peek() {
                    Ok(cell) => Peek::At(cell.head().ts_event),
                    Err(_) if abandoned => Peek::Ended,
                    Err(_) => Peek::Empty,
                }
            }
        }
    }

    /// Moves the next record into `cell`.
    #[inline]
    fn take(&mut self, cell: &mut InputCell) {
        match &mut self.inflow {
            Inflow::Memory { records, at } => {
                cell.put(&records[*at]);
                *at += 1;
                // The next batch's line: without this every batch began with a cold page, and waiting for
                // it was 24 of 85 ns a tick.
                if let Some(later) = records.get(*at + BATCH) {
                    prefetch(later);
                }
            }
            Inflow::Queue { records, .. } => {
                if let Ok(chunk) = records.read_chunk(1) {
                    chunk.as_slices().0.iter().for_each(|record| cell.copy_from(record));
                    chunk.commit_all();
                }
            }
        }
    }

    fn failure(&self) -> Option<Problem> {
        match &self.inflow {
            Inflow::Queue { end, .. } => end.lock().unwrap_or_else(PoisonError::into_inner).take(),
            Inflow::Memory { .. } => None,
        }
    }
}

/// All sources.
#[derive(Debug)]
pub struct Merge {
    inlets: Vec<Inlet>,
}

impl Merge {
    /// A merge of these sources, numbered from 1 in this order.
    pub fn new(inlets: Vec<Inlet>) -> Self {
        Self { inlets }
    }

    /// True if any source that has not ended is live.
    pub fn any_live(&self) -> bool {
        self.inlets.iter().any(|inlet| inlet.live && !inlet.ended)
    }

    /// What comes next.
    #[inline]
    pub fn head(&mut self) -> Head {
        let mut best: Option<(i64, usize)> = None;
        let mut open = false;
        let mut wait = false;
        for (i, inlet) in self.inlets.iter_mut().enumerate() {
            if inlet.ended {
                continue;
            }
            match inlet.peek() {
                Peek::At(ts) => best = Some(best.map_or((ts, i), |b| b.min((ts, i)))),
                Peek::Empty => wait |= !inlet.live,
                Peek::Ended if !wait => {
                    inlet.ended = true;
                    return Head::Ended(i, inlet.failure());
                }
                // One before it may be about to end, and ends are told in order of number.
                Peek::Ended => {}
            }
            open = true;
        }
        match best {
            Some((ts, i)) if !wait => Head::Record(i, ts),
            _ if open => Head::Wait,
            _ => Head::End,
        }
    }

    /// Moves the record that [`Merge::head`] offered into `cell`.
    #[inline]
    pub fn take(&mut self, inlet: usize, cell: &mut InputCell) {
        self.inlets[inlet].take(cell);
    }
}
