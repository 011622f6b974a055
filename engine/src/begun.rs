//! The beginning of a run: a new journal, or one that is there and goes on.

use crate::calendar::Calendar;
use crate::config::{Config, Semantic};
use crate::conversion;
use crate::futures::{Future, futures};
use crate::image::Image;
use crate::import::refuse_imported;
use crate::ledger::Ledger;
use crate::legs::Standing;
use crate::manifest::Listed;
use crate::pipeline::Pipeline;
use crate::problem::Problem;
use crate::resume::{self, Last, Rebuild, Rebuilt, Rise};
use crate::retain::{Retainer, refuse_dropped};
use crate::run::{Order, refuse_exit};
use crate::runtime::merge::Merge;
use crate::runtime::schedule::Schedule;
use crate::runtime::sequencer::{Beside, Plan};
use crate::runtime::sink::Tally;
use crate::runtime::threads;
use crate::snapshot;
use crate::start::{self, Opening};
use journal::Writer;
use ringbuf_layout::input::fixed_text;
use ringbuf_layout::{InputCell, Part};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a run has before its machine.
pub(crate) struct Begun {
    pub(crate) table: Vec<Listed>,
    calendars: Vec<Arc<Calendar>>,
    /// What is due in event time; the sequencer takes it.
    schedule: Option<Schedule>,
    pub(crate) writer: Option<Writer>,
    /// What lets go of the journal's beginning.
    pub(crate) retainer: Option<Retainer>,
    prologue: Vec<InputCell>,
    base_seq: u64,
    /// The state that it goes on with, and how many instruments that has rows of.
    image: Option<Image>,
    rows: usize,
    /// What stands beside it; at the end of the run brought up to there.
    ledger: Option<Ledger>,
    pub(crate) rebuilt: Option<Rebuilt>,
}

/// Checks what was ordered, makes the journal or goes on with it, and writes what the run start names.
pub(crate) fn begin(
    order: &mut Order,
    started: impl FnOnce(&Path),
    watch: &mut impl FnMut(&Tally),
) -> Result<Begun, Problem> {
    order.config.resolve()?;
    start::refuse_twins(&order.sources)?;
    refuse_exit(&order.config, order.broker.is_some())?;
    let table = start::instrument_table(&order.config, &order.sources, &order.filter)?;
    conversion::rates_fit(&order.config.semantic, &table)?;
    start::lengths_fit(&order.config.semantic.bars, &table, &order.sources)?;
    let futures = futures(&order.sources, &order.filter)?;
    conversion::rates_are_no_contracts(&order.config.semantic, &futures)?;
    let apart = threads::keep_helpers_on(&order.layout.helpers);
    let mut begun = match start::create_writer(&order.dir, &order.config)? {
        Some(writer) => {
            started(&order.dir);
            let calendars = start::calendars(&table, &order.config.semantic)?;
            Begun::first(table, calendars, writer)
        }
        None => go_on(order, table, started, watch)?,
    };
    if let Err(problem) = apart {
        tracing::warn!("{problem}");
        order.controls.note_error(problem.to_string());
    }
    let scheduled = begun.schedule(&order.config.semantic, &futures);
    let made = scheduled.and_then(|()| begun.prologue(order)).and_then(|()| begun.retain(order));
    match made {
        Ok(()) => Ok(begun),
        Err(problem) => {
            // Nothing was journaled: the directory shall not look like a journal.
            let abandoned = begun.writer.take().map_or(Ok(()), Writer::abandon);
            abandoned.map_err(|e| Problem::from_journal(&e))?;
            Err(problem)
        }
    }
}

/// Goes on with a journal: recovers it, rebuilds the state, extends its instrument table.
fn go_on(
    order: &mut Order,
    table: Vec<Listed>,
    started: impl FnOnce(&Path),
    watch: &mut impl FnMut(&Tally),
) -> Result<Begun, Problem> {
    let (dir, config) = (order.dir.clone(), order.config.clone());
    let build = fixed_text(&order.build);
    refuse_dropped(&dir)?;
    let last = Last::of(&dir)?;
    if let Some(last) = &last {
        refuse_imported(&dir, &last.start.manifest)?;
    }
    let ours = (&config, &build);
    let chain = last.as_ref().map_or(Ok(false), |last| last.judge(&dir, ours, order.consent))?;
    let (writer, recovery) = start::resume_writer(&dir, &config, chain)?;
    started(&dir);
    // What the recovery has cut is no longer the last run's.
    let left = Last::of(&dir)?;
    let chains = left.as_ref().map_or(Ok(false), |last| last.judge(&dir, ours, order.consent))?;
    if chains != chain {
        return Err(Problem::new(
            "a recovery has cut the last run of this journal",
            dir.display().to_string(),
            "run again: it now goes on from the end of the run before",
        ));
    }
    let (epoch, base_seq) = (writer.epoch(), writer.next_seq());
    if base_seq == 0 {
        // Killed before its first input: nothing was ever recorded.
        let calendars = start::calendars(&table, &config.semantic)?;
        return Ok(Begun { base_seq, ..Begun::first(table, calendars, writer) });
    }
    let consent = order.consent;
    let rebuild =
        Rebuild { dir: &dir, config: &config, build, consent, chain, recovery, epoch, base_seq };
    let Rise { image, ledger, rows, again, rebuilt } =
        rebuild.rise(&mut order.policies_of, watch)?;
    if let Some(told) = order.rebuilt.take() {
        told(&rebuilt);
    }
    order.controls.stand(ledger.trading);
    let table = resume::extend(&ledger, table, &dir)?;
    let calendars = start::calendars(&table, &config.semantic)?;
    Ok(Begun {
        table,
        calendars,
        schedule: None,
        writer: Some(writer),
        retainer: None,
        prologue: again,
        base_seq,
        image: Some(image),
        rows,
        ledger: Some(ledger),
        rebuilt: Some(rebuilt),
    })
}

impl Begun {
    /// At the beginning of a journal.
    fn first(table: Vec<Listed>, calendars: Vec<Arc<Calendar>>, writer: Writer) -> Self {
        Self {
            table,
            calendars,
            schedule: None,
            writer: Some(writer),
            retainer: None,
            prologue: Vec::new(),
            base_seq: 0,
            image: None,
            rows: 0,
            ledger: None,
            rebuilt: None,
        }
    }

    /// Makes the inputs that come first; those that come again are there already.
    fn prologue(&mut self, order: &Order) -> Result<(), Problem> {
        let again = std::mem::take(&mut self.prologue);
        let epoch = self.writer.as_ref().map_or(1, Writer::epoch);
        let (base_seq, ledger) = (self.base_seq, self.ledger.as_ref());
        let opening = Opening { epoch, base_seq, ledger, again: &again };
        let Order { config, sources, build, dir, weights, .. } = order;
        let (table, calendars, weights) = (&self.table, &self.calendars, weights.as_deref());
        self.prologue =
            start::prologue(dir, &opening, config, table, calendars, sources, build, weights)?;
        Ok(())
    }

    /// Loads the state that the run goes on with, if it does.
    pub(crate) fn stand(&mut self, machine: &mut Pipeline<'_>, dir: &Path) -> Result<(), Problem> {
        let Some(image) = self.image.take() else { return Ok(()) };
        let same_rows = self.rows == self.table.len();
        let loaded = if same_rows { machine.load(&image) } else { machine.load_some(&image, &[]) };
        loaded.map_err(|unfit| {
            Problem::new(
                format!("the state of this journal does not fit the run: {unfit}"),
                dir.display().to_string(),
                "use the policies that it was written with, or --accept-change to begin a new chain",
            )
        })
    }

    /// Lets go of what the config does not keep, now and from now on.
    fn retain(&mut self, order: &Order) -> Result<(), Problem> {
        let Some(writer) = &self.writer else { return Ok(()) };
        // Only a snapshot that this run has just stood on is worth what it lets go of.
        let stood_on = self.rebuilt.as_ref().and_then(|rebuilt| rebuilt.from);
        self.retainer = Retainer::of(&order.dir, &order.config.host, writer, stood_on)?;
        self.retainer.as_mut().map_or(Ok(()), |retainer| retainer.apply(start::wall_ns()).map(drop))
    }

    /// Saves the state of the end, with a ledger that the journal itself brings up to there.
    pub(crate) fn leave(
        &mut self,
        image: Image,
        dir: &Path,
        config: &Config,
    ) -> Result<PathBuf, Problem> {
        let ledger = self.ledger.take().unwrap_or_else(|| Ledger::new(&config.semantic));
        let instruments = self.table.len();
        snapshot::leave(dir, Standing { image, ledger, instruments }, self.base_seq)
    }
}

impl Begun {
    /// Plans what is due: from the beginning, or from where the journal stands, with the instruments and the contracts
    /// that are new.
    fn schedule(&mut self, semantic: &Semantic, futures: &[Future]) -> Result<(), Problem> {
        let (bars, heartbeat_ms) = (&semantic.bars, semantic.clock.heartbeat_ms);
        let mut schedule = if let Some(ledger) = &self.ledger {
            let mut schedule = ledger.schedule.clone();
            let known = ledger.instruments.len();
            self.calendars.iter().skip(known).for_each(|new| schedule.add(Arc::clone(new)));
            schedule
        } else {
            Schedule::new(bars, heartbeat_ms, self.calendars.clone())
        };
        futures.iter().try_for_each(|future| future.follow(&self.table, &mut schedule))?;
        self.schedule = Some(schedule);
        Ok(())
    }
}

/// Starts the sources and plans the sequencer.
pub(crate) fn plan(order: &mut Order, begun: &mut Begun, beside: Beside) -> Result<Plan, Problem> {
    let semantic = &order.config.semantic;
    let clock = &semantic.clock;
    let sources = std::mem::take(&mut order.sources);
    let (reorder_ms, ledger) = (semantic.validate.reorder_ms, begun.ledger.as_ref());
    let feeds = order.controls.gauges().map_or(&[][..], |gauges| &gauges.feeds);
    let inlets = start::inlets(sources, &begun.table, &order.filter, reorder_ms, ledger, feeds)?;
    let fault = order.fault.filter(|point| point.part == Part::Sequencer);
    Ok(Plan {
        base_seq: begun.base_seq,
        engine_time: ledger.map_or(0, |ledger| ledger.engine_time),
        prologue: std::mem::take(&mut begun.prologue),
        merge: Merge::new(inlets),
        schedule: begun.schedule.take().expect("Invariant: a run that has begun has a schedule"),
        pace: order.pace,
        bar_close_delay_ms: clock.bar_close_delay_ms,
        stop: Arc::clone(&order.controls.stop),
        instruments: begun.table.len() as u32,
        beside,
        fail_at: fault.map(|point| point.seq),
    })
}
