//! A run on a journal that is there already: what it may do, the state that it goes on with, and what comes first
//! in its epoch.

use crate::calendar::user::{open, unknown_calendar};
use crate::config::{Config, RING_SLOTS_MAX};
use crate::image::{Image, Unfit};
use crate::instrument::InstrumentDef;
use crate::ledger::{Ledger, defined};
use crate::legs::{Maker, Play, Played, Purpose, Standing, is_other};
use crate::manifest::Listed;
use crate::pipeline;
use crate::problem::Problem;
use crate::replay::Options;
use crate::runtime::schedule::is_of_the_market;
use crate::runtime::sink::Tally;
use crate::snapshot::{Snapshot, Stand, shelf, sound};
use bytemuck::Zeroable;
use journal::{Journal, Recovery};
use ringbuf_layout::input::text_of;
use ringbuf_layout::names::{BarSource, EndReason};
use ringbuf_layout::{
    ExecutionReport, Heartbeat, InputCell, Instrument, Kind, Operator, RunEnd, RunStart, Session,
    SourceStatus, Timer,
};
use std::path::Path;
use std::time::Instant;

/// What a run may do with a journal that is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Consent {
    /// Begin a new chain where build or semantic config are others.
    pub accept_change: bool,
    /// Leave out inputs that a run before never processed.
    pub skip_unprocessed: bool,
}

/// How the state of a run that goes on was rebuilt.
#[derive(Clone, PartialEq, Debug)]
pub struct Rebuilt {
    /// The input after which the snapshot stands that it began with; from the first input if there was none.
    pub from: Option<u64>,
    /// Inputs that were replayed and compared.
    pub inputs: u64,
    /// How long it took.
    pub seconds: f64,
    /// What was found at the end of the journal, and done about it.
    pub recovery: Recovery,
    /// The epoch that begins.
    pub epoch: u32,
    /// Its first sequence.
    pub base_seq: u64,
    /// Inputs of the run before that were never processed and come first now, or are left out.
    pub unprocessed: usize,
    /// A new chain begins.
    pub chain: bool,
    /// Stages that the changed config lets begin anew.
    pub anew: Vec<&'static str>,
    /// Snapshots that were of no use.
    pub notes: Vec<Problem>,
}

/// The newest run of a journal, as its frames say.
#[derive(Clone, Debug)]
pub(crate) struct Last {
    pub(crate) start: RunStart,
    /// Why it ended, if it did.
    ended: Option<EndReason>,
    /// Inputs of it that were never processed.
    unprocessed: usize,
}

impl Last {
    /// The newest run; `None` in a journal without any input. Reads the run's first slot, and its end as far
    /// back as inputs can be that were never processed.
    pub(crate) fn of(dir: &Path) -> Result<Option<Self>, Problem> {
        let journal = Journal::open(dir).map_err(|e| Problem::from_journal(&e))?;
        let Some(newest) = journal.segments().last().map(|segment| segment.header) else {
            return Ok(None);
        };
        let mut last = match Self::begun(&journal) {
            Some(begun) => Some(begun),
            None => Self::before(dir)?,
        };
        let mut frames = journal.frames_from(newest.base_seq.saturating_sub(RING_SLOTS_MAX));
        // Damage ends it: the recovery refuses it by name, or cuts there.
        while let Ok(Some(frame)) = frames.next() {
            if let Some(start) = frame.get::<RunStart>() {
                last = Some(Self { start: *start, ended: None, unprocessed: 0 });
                continue;
            }
            let Some(last) = &mut last else { continue };
            if frame.kind().is_input() {
                let end = frame.get::<RunEnd>();
                last.ended = end.and_then(|end| EndReason::from_byte(end.tail.side));
            }
            last.unprocessed += usize::from(frame.kind() == Kind::Unprocessed);
        }
        Ok(last)
    }

    /// The run start that is newest: each run has an epoch, and begins it, and a segment with it.
    fn begun(journal: &Journal) -> Option<Self> {
        let headers: Vec<_> = journal.segments().map(|segment| segment.header).collect();
        for pair in (0..headers.len()).rev() {
            let is_first = pair == 0 || headers[pair - 1].epoch != headers[pair].epoch;
            if !is_first {
                continue;
            }
            // A first slot that is damaged is cut, or the recovery refuses it by name.
            let first = journal.frames_from(headers[pair].base_seq).next().ok().flatten();
            if let Some(start) = first.and_then(|frame| frame.get::<RunStart>().copied()) {
                return Some(Self { start, ended: None, unprocessed: 0 });
            }
        }
        None
    }

    /// Where retention removed the beginning of a journal: the run of its newest sound snapshot.
    pub(crate) fn before(dir: &Path) -> Result<Option<Self>, Problem> {
        let (newest, _) = shelf::newest(dir, |stand| !stand.chain)?;
        Ok(newest.map(|snapshot| {
            let Stand { semantic_hash, epoch, manifest, build, .. } = snapshot.stand;
            let start = RunStart { semantic_hash, epoch, manifest, build, ..RunStart::zeroed() };
            Self { start, ended: None, unprocessed: 0 }
        }))
    }

    /// True if a run of this build and config begins a new chain here.
    ///
    /// # Errors
    /// If it must not go on here at all.
    pub(crate) fn judge(
        &self,
        dir: &Path,
        (config, build): (&Config, &[u8; 32]),
        consent: Consent,
    ) -> Result<bool, Problem> {
        let place = || dir.display().to_string();
        let mut ours = self.start;
        ours.semantic_hash.copy_from_slice(&config.semantic_hash()[..8]);
        ours.build = *build;
        let changed = is_other(&self.start, &ours);
        if changed && !consent.accept_change {
            let (was, is) = (text_of(&self.start.build), text_of(build));
            let what = if self.start.semantic_hash == ours.semantic_hash {
                format!("this journal was written by another build: {was}, not {is}")
            } else {
                "this journal was written with another [semantic] config".to_string()
            };
            let fix = "use that one again, choose another directory, or begin a new chain in this one with \
                       --accept-change";
            return Err(Problem::new(what, place(), fix));
        }
        if changed && self.ended.is_none() {
            return Err(Problem::new(
                "a new chain begins after a stop, and the last run of this journal was cut off",
                place(),
                "go on once with the build and config that wrote it, and let that run end",
            ));
        }
        if self.unprocessed > 0 && !consent.accept_change && !consent.skip_unprocessed {
            let why = match self.ended {
                Some(EndReason::Panicked) => "the last run of this journal ended by a panic",
                _ => "the last run of this journal was ended at once",
            };
            return Err(Problem::new(
                format!("{why}: {} inputs were never processed", self.unprocessed),
                place(),
                "process them first with a build that is mended (--accept-change), or leave them out \
                 (--skip-unprocessed)",
            ));
        }
        Ok(changed || self.unprocessed > 0)
    }
}

/// The state that a run goes on with.
pub(crate) struct Rise {
    /// The stages'.
    pub(crate) image: Image,
    /// What stands beside them, turned to the run's config.
    pub(crate) ledger: Ledger,
    /// Instruments that have a row in the image.
    pub(crate) rows: usize,
    /// Inputs that come first.
    pub(crate) again: Vec<InputCell>,
    /// What to say of it.
    pub(crate) rebuilt: Rebuilt,
}

/// What a rebuilding needs to know of the run that it is for.
pub(crate) struct Rebuild<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) config: &'a Config,
    pub(crate) build: [u8; 32],
    pub(crate) consent: Consent,
    pub(crate) chain: bool,
    pub(crate) recovery: Recovery,
    pub(crate) epoch: u32,
    pub(crate) base_seq: u64,
}

impl Rebuild<'_> {
    /// Plays the journal to its end, from its newest sound snapshot on, and compares.
    ///
    /// # Errors
    /// If outputs are not reproduced, or the state does not fit this run.
    pub(crate) fn rise(
        self,
        policies: Maker<'_>,
        watch: &mut impl FnMut(&Tally),
    ) -> Result<Rise, Problem> {
        let clock = Instant::now();
        // A snapshot from beyond the end is of records that were lost: they never come back.
        shelf::prune(self.dir, self.base_seq)?;
        let journal = Journal::open(self.dir).map_err(|e| Problem::from_journal(&e))?;
        let options = Options { from_snapshot: true, ..Options::default() };
        let play = Play { dir: self.dir, journal: &journal, options, purpose: Purpose::Rebuild };
        let mut played = play.play(policies, watch)?;
        let standing = sound(&mut played, self.dir)?;
        let Standing { mut image, mut ledger, instruments: rows } = standing;
        let mut anew = Vec::new();
        if self.chain {
            self.refuse_missing_calendars(&ledger)?;
            (image, anew) = self.turn(image, rows, policies)?;
            ledger.turn_to(&self.config.semantic);
            self.save(&image, &mut ledger)?;
        }
        let unprocessed = played.unprocessed.len();
        let again = if self.consent.skip_unprocessed { Vec::new() } else { again(&mut played) };
        let rebuilt = Rebuilt {
            from: played.from_snapshot,
            inputs: played.tally.inputs,
            seconds: clock.elapsed().as_secs_f64(),
            recovery: self.recovery,
            epoch: self.epoch,
            base_seq: self.base_seq,
            unprocessed,
            chain: self.chain,
            anew,
            notes: played.notes,
        };
        Ok(Rise { image, ledger, rows, again, rebuilt })
    }

    /// Instruments of the journal stay in its table, so their calendars have to stay too.
    fn refuse_missing_calendars(&self, ledger: &Ledger) -> Result<(), Problem> {
        let own = &self.config.semantic.calendars;
        let has_none = |i: &&Instrument| open(text_of(&i.calendar), own).is_none();
        match ledger.instruments.iter().find(has_none) {
            Some(i) => Err(unknown_calendar(text_of(&i.symbol), text_of(&i.calendar))),
            None => Ok(()),
        }
    }

    /// The state for another config, whole: what does not fit it begins anew.
    fn turn(
        &self,
        image: Image,
        rows: usize,
        policies: Maker<'_>,
    ) -> Result<(Image, Vec<&'static str>), Problem> {
        let semantic = &self.config.semantic;
        let refused = |unfit: Unfit| {
            Problem::new(
                format!("the account and its orders cannot be taken over: {unfit}"),
                self.dir.display().to_string(),
                "leave that part of the config as it was, or begin in another directory",
            )
        };
        let machine = |policies| {
            // Nothing is driven: the recorder is never asked.
            let nothing = Nothing;
            pipeline::build(semantic, rows, TRIAL_SLOTS, &[], nothing, None, policies)
        };
        let anew = machine(policies(self.config)?).begin_anew(&image).map_err(refused)?;
        let mut whole = machine(policies(self.config)?);
        whole.load_some(&image.without(&anew), &anew).map_err(refused)?;
        Ok((whole.save(), anew))
    }

    /// Saves the state that the chain begins with: a replay of it needs nothing of what was before.
    fn save(&self, image: &Image, ledger: &mut Ledger) -> Result<(), Problem> {
        let mut semantic_hash = [0; 8];
        semantic_hash.copy_from_slice(&self.config.semantic_hash()[..8]);
        let stand = Stand {
            seq: self.base_seq.saturating_sub(1),
            epoch: self.epoch,
            engine_time: ledger.engine_time,
            semantic_hash,
            build: self.build,
            chain: true,
            ..Stand::default()
        };
        let snapshot = Snapshot::new(stand, image.clone(), ledger);
        shelf::write(self.dir, &snapshot).map(drop)
    }
}

/// Slots of a machine that only loads and saves.
const TRIAL_SLOTS: usize = 2;

/// A recorder that is never asked.
struct Nothing;

impl crate::runtime::sink::Recorder for Nothing {
    fn begin(&mut self, _: u64) -> Result<(), Problem> {
        Ok(())
    }

    fn frame(&mut self, _: &[u8], _: bool) -> Result<(), Problem> {
        Ok(())
    }
}

/// The inputs that were never processed and still mean something: not how that run began and ended, nor which
/// sources it had.
fn again(played: &mut Played) -> Vec<InputCell> {
    let mut inputs = std::mem::take(&mut played.unprocessed);
    inputs.retain(|input| {
        is_of_the_market(input)
            || input.is::<Timer>()
            || input.is::<Session>()
            || input.is::<Heartbeat>()
            || input.is::<Operator>()
            || input.is::<ExecutionReport>()
            || input.get().is_some_and(SourceStatus::is_roll)
    });
    inputs
}

/// The table of the journal, with what is new in this run's at its end.
///
/// # Errors
/// If an instrument is another than it was.
pub(crate) fn extend(
    ledger: &Ledger,
    ours: Vec<Listed>,
    dir: &Path,
) -> Result<Vec<Listed>, Problem> {
    let mut table: Vec<Listed> = ledger.instruments.iter().map(listed).collect();
    for new in ours {
        let Some(old) = table.iter().find(|old| old.def.symbol == new.def.symbol) else {
            table.push(new);
            continue;
        };
        if old.def != new.def {
            return Err(Problem::new(
                format!("{} is defined otherwise in this journal", new.def.symbol),
                dir.display().to_string(),
                "give it the tick, multiplier, lot, fee and calendar that it had, or choose another \
                 directory",
            ));
        }
    }
    Ok(table)
}

/// A line of the table, from its record.
fn listed(instrument: &Instrument) -> Listed {
    let instrument = defined(instrument);
    let def = InstrumentDef::of(&instrument);
    let bars_from = BarSource::from_byte(instrument.bar_price).unwrap_or(BarSource::Trades);
    Listed { def, bars_from }
}
