//! What stands beside the stages and matters when a run goes on: engine time, what is due, which records of each
//! source are journaled, which instruments are defined. It follows from the journaled inputs alone.

use crate::calendar::user::{UserCalendar, open};
use crate::config::Semantic;
use crate::runtime::schedule::{Schedule, is_of_the_market};
use crate::runtime::taken::Taken;
use crate::state::{Codec, State, StateError};
use bytemuck::Zeroable;
use ringbuf_layout::input::{SOURCE_SEQ_MASK, text_of};
use ringbuf_layout::names::{Command, EndReason, SourceState};
use ringbuf_layout::{
    Frame, InputCell, Instrument, Operator, Part, RunEnd, RunStart, SourceStatus,
};
use std::sync::Arc;
use sync::Trading;

/// More than any journal has.
const SOURCES_MAX: usize = 1 << 20;
/// As many instruments as a run can have.
const INSTRUMENTS_MAX: usize = 1_024;
/// Where `source_seq` lies in every market record.
const SOURCE_SEQ_AT: usize = 48;

/// One source: who it is, and what of it is journaled.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Known {
    /// First 8 bytes of its identity.
    pub identity: [u8; 8],
    /// What of it is journaled.
    pub taken: Taken,
}

/// The ledger.
#[derive(Debug)]
pub struct Ledger {
    /// The next sequence.
    pub next_seq: u64,
    /// The newest input that the stages took.
    pub stands_after: Option<u64>,
    /// The epoch of the newest run start.
    pub epoch: u32,
    /// Newest event time of any market record.
    pub engine_time: i64,
    /// What is due.
    pub schedule: Schedule,
    /// The instruments by number, as they were defined: with a header of zeros.
    pub instruments: Vec<Instrument>,
    /// Every source that ever was.
    pub sources: Vec<Known>,
    /// What operators last said.
    pub trading: Trading,
    /// Why the newest run ended, if the newest input is its end.
    pub ended: Option<EndReason>,
    /// Calendars of the config.
    calendars: Vec<UserCalendar>,
    /// Place among the sources, by their number in the newest run, from 1.
    numbers: Vec<usize>,
}

impl Ledger {
    /// The ledger of an empty journal of this config.
    pub fn new(semantic: &Semantic) -> Self {
        let timeframes_s = &semantic.bars.timeframes_s;
        Self {
            next_seq: 0,
            stands_after: None,
            epoch: 0,
            engine_time: 0,
            schedule: Schedule::new(timeframes_s, semantic.clock.heartbeat_ms, Vec::new()),
            instruments: Vec::new(),
            sources: Vec::new(),
            trading: Trading::Active,
            ended: None,
            calendars: semantic.calendars.clone(),
            numbers: Vec::new(),
        }
    }

    /// Goes on with another config. A calendar that it has no more stays as it was: whoever begins a chain refuses
    /// that.
    pub fn turn_to(&mut self, semantic: &Semantic) {
        self.calendars.clone_from(&semantic.calendars);
        for (number, instrument) in self.instruments.iter().enumerate() {
            if let Some(calendar) = open(text_of(&instrument.calendar), &self.calendars) {
                self.schedule.keep(number, calendar);
            }
        }
        self.schedule.retime(&semantic.bars.timeframes_s, semantic.clock.heartbeat_ms);
    }

    /// A journaled input that the stages took.
    pub fn observe(&mut self, input: &InputCell) {
        self.next_seq = input.head().seq + 1;
        self.stands_after = Some(input.head().seq);
        self.ended = None;
        if is_of_the_market(input) {
            self.engine_time = self.engine_time.max(input.head().ts_event);
            self.take(input);
        } else if let Some(start) = input.get::<RunStart>() {
            self.epoch = start.epoch;
            self.numbers.clear();
        } else if let Some(instrument) = input.get::<Instrument>() {
            self.define(instrument);
        } else if let Some(status) = input.get::<SourceStatus>() {
            self.on_source(status);
        } else if let Some(operator) = input.get::<Operator>() {
            self.trading = match Command::from_byte(operator.tail.side) {
                Some(Command::Halt) => Trading::Halted,
                Some(Command::Reduce) => Trading::Reducing,
                Some(Command::Resume) => Trading::Active,
                _ => self.trading,
            };
        } else if let Some(end) = input.get::<RunEnd>() {
            self.ended = EndReason::from_byte(end.tail.side);
        }
        self.schedule.observe(input, self.engine_time);
    }

    /// A journaled input that the stages never took: its record is not delivered again, and nothing else of it
    /// counts.
    pub fn pass_over(&mut self, input: &InputCell) {
        self.next_seq = input.head().seq + 1;
        if is_of_the_market(input) {
            self.take(input);
        } else if let Some(end) = input.get::<RunEnd>() {
            self.ended = EndReason::from_byte(end.tail.side);
        }
    }

    /// What of a source is journaled, if it ever was up.
    pub fn taken(&self, identity: &[u8; 32]) -> Option<&Taken> {
        let known = self.sources.iter().find(|known| known.identity == identity[..8]);
        known.map(|known| &known.taken)
    }

    fn take(&mut self, input: &InputCell) {
        let number = usize::from(input.tail().source);
        let place = number.checked_sub(1).and_then(|number| self.numbers.get(number));
        if let Some(source) = place.and_then(|place| self.sources.get_mut(*place)) {
            let word =
                input.line()[SOURCE_SEQ_AT..].first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
            source.taken.take(word & SOURCE_SEQ_MASK);
        }
    }

    fn define(&mut self, instrument: &Instrument) {
        let known = defined(instrument);
        let number = instrument.tail.instrument as usize;
        if let Some(old) = self.instruments.get_mut(number) {
            *old = known;
        } else if number == self.instruments.len()
            && let Some(calendar) = open(text_of(&instrument.calendar), &self.calendars)
        {
            self.instruments.push(known);
            self.schedule.add(Arc::new(calendar));
        }
    }

    fn on_source(&mut self, status: &SourceStatus) {
        if status.tail.side != SourceState::Up as u8 {
            return;
        }
        let identity = status.identity;
        let known = self.sources.iter().position(|known| known.identity == identity);
        let place = known.unwrap_or_else(|| {
            self.sources.push(Known { identity, taken: Taken::default() });
            self.sources.len() - 1
        });
        let number = usize::from(status.tail.source);
        self.numbers.resize(self.numbers.len().max(number), usize::MAX);
        if let Some(numbered) = number.checked_sub(1).and_then(|n| self.numbers.get_mut(n)) {
            *numbered = place;
        }
    }
}

/// A definition without what its moment put into its header.
pub fn defined(instrument: &Instrument) -> Instrument {
    Instrument { head: Instrument::header(0, 0), ..*instrument }
}

impl State for Known {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { identity, taken } = self;
        identity.state(codec)?;
        taken.state(codec)
    }
}

/// A definition as bytes.
struct Definition(Instrument);

impl State for Definition {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        codec.bytes(bytemuck::bytes_of_mut(&mut self.0))
    }
}

/// Loads into a new ledger of the same config.
impl State for Ledger {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self {
            next_seq,
            stands_after,
            epoch,
            engine_time,
            schedule,
            instruments,
            sources,
            trading,
            ended,
            calendars,
            numbers,
        } = self;
        next_seq.state(codec)?;
        stands_after.state(codec)?;
        epoch.state(codec)?;
        engine_time.state(codec)?;
        let mut table: Vec<Definition> = instruments.iter().copied().map(Definition).collect();
        codec.list(&mut table, INSTRUMENTS_MAX, || Definition(Instrument::zeroed()))?;
        if codec.is_loading() {
            *instruments = table.into_iter().map(|definition| definition.0).collect();
            for instrument in instruments.iter() {
                let name = text_of(&instrument.calendar);
                let calendar = open(name, calendars)
                    .ok_or_else(|| StateError::new(format!("no calendar is called {name}")))?;
                schedule.add(Arc::new(calendar));
            }
        }
        schedule.state(codec)?;
        codec.list(sources, SOURCES_MAX, Known::default)?;
        codec.code(trading, *trading as u8, |byte| match byte {
            0 => Some(Trading::Active),
            1 => Some(Trading::Reducing),
            2 => Some(Trading::Halted),
            _ => None,
        })?;
        codec.code(ended, ended.map_or(0, |reason| reason as u8), |byte| {
            if byte == 0 { Some(None) } else { EndReason::from_byte(byte).map(Some) }
        })?;
        codec.list(numbers, usize::from(u16::MAX), || 0)
    }
}

/// Name of its section in a snapshot.
pub const LEDGER: &str = Part::Sequencer.name();
