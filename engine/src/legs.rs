//! Plays a journal through machines, leg by leg, comparing every output: what `replay` proves with, and how a run
//! that goes on gets its state back.
//!
//! A leg is what one run start begins. Its machine is made for the config and the instruments that its manifest
//! names, and begins with the state of the leg before; where it begins a new chain, with its own snapshot.

use crate::config::Config;
use crate::image::Image;
use crate::import;
use crate::ledger::Ledger;
use crate::manifest::{self, Manifest};
use crate::pipeline::{self, Pipeline};
use crate::policy::Policies;
use crate::problem::Problem;
use crate::replay::{Comparison, Divergence, Options, RecordedPanic};
use crate::run::{close, drive, tally};
use crate::runtime::group::Group;
use crate::runtime::handler::{At, Fault, POLICIES};
use crate::runtime::sink::Tally;
use crate::snapshot::{Snapshot, Stand, shelf};
use crate::tape::Tape;
use crate::trusted;
use bytemuck::Zeroable;
use journal::{End, Journal};
use ringbuf_layout::{InputCell, Part, RunStart};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Slots of a replay's ring: the journal's `[host]` speaks of another machine.
const RING_SLOTS: usize = 1_024;

/// What a journal is played for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// To prove it: inputs that were never processed are processed, so that their panic comes again.
    Prove,
    /// To go on: the state stands before them.
    Rebuild,
}

/// Makes the policies of a config.
pub(crate) type Maker<'m> = &'m mut dyn FnMut(&Config) -> Result<Policies, Problem>;

/// A journal to play.
pub(crate) struct Play<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) journal: &'a Journal,
    pub(crate) options: Options,
    pub(crate) purpose: Purpose,
}

/// What came of it.
pub(crate) struct Played {
    /// Counts over all legs.
    pub(crate) tally: Tally,
    /// Who decided, and who ran in shadow, in the last leg.
    pub(crate) names: (String, String),
    /// The run start of the last leg.
    pub(crate) run: RunStart,
    /// What its manifest says.
    pub(crate) manifest: Option<Manifest>,
    /// The state after the last input, if nothing went wrong.
    pub(crate) standing: Option<Standing>,
    /// Inputs of the last leg that were never processed.
    pub(crate) unprocessed: Vec<InputCell>,
    /// Sequence and CRC of the newest input that was processed.
    pub(crate) newest: Option<(u64, u32)>,
    /// The input after which the snapshot stands that it began with.
    pub(crate) from_snapshot: Option<u64>,
    /// Snapshots that were of no use.
    pub(crate) notes: Vec<Problem>,
    pub(crate) divergence: Option<Divergence>,
    pub(crate) damage: Option<Problem>,
    /// The panic that the journal records.
    pub(crate) panic: Option<RecordedPanic>,
    /// The panic that the play itself ended with.
    pub(crate) fault: Option<Fault>,
    pub(crate) bytes: u64,
    pub(crate) end: Option<End>,
}

/// The state that a leg begins or ends with.
pub(crate) struct Standing {
    /// The machine's.
    pub(crate) image: Image,
    /// What stands beside it.
    pub(crate) ledger: Ledger,
    /// Rows that it was saved with.
    pub(crate) instruments: usize,
}

/// How a leg ended.
enum Ended {
    /// With its last input.
    Well,
    /// With a failure, which may be none of its own: a divergence or damage is told elsewhere.
    Badly(Option<Problem>),
    /// With a panic.
    Panicked(Fault),
}

impl Play<'_> {
    /// Plays it.
    ///
    /// # Errors
    /// What keeps a leg from starting.
    pub(crate) fn play(
        &self,
        policies: Maker<'_>,
        watch: &mut impl FnMut(&Tally),
    ) -> Result<Played, Problem> {
        let mut played = Played::new();
        let (mut tape, mut standing) = self.beginning(&mut played)?;
        let behind = played.from_snapshot.map_or(0, |seq| seq + 1);
        let mut comparison = Comparison::new(self.journal.frames_from(behind));
        let mut is_first = played.from_snapshot.is_none();
        loop {
            if let Some(start) = tape.run_start() {
                let parts =
                    !is_first && (is_other(&played.run, &start) || !tape.unprocessed().is_empty());
                played.turn_to(self.dir, &start)?;
                if parts {
                    standing = Some(self.chain_start(&start, &played)?);
                }
            } else if is_first {
                let refusal = no_run_start(self.dir, tape.first_seq());
                return Err(tape.damage.unwrap_or(refusal));
            }
            is_first = false;
            let begins_with = standing.take();
            let ended =
                self.leg(&mut played, &mut tape, &mut comparison, begins_with, policies, watch)?;
            match ended {
                Ended::Well => {}
                Ended::Badly(problem) => {
                    played.damage = problem;
                    break;
                }
                Ended::Panicked(fault) => {
                    played.fault = Some(fault);
                    break;
                }
            }
            if tape.run_start().is_none() {
                break;
            }
            standing = played.standing.take();
        }
        played.divergence = comparison.divergence;
        played.panic = comparison.panic;
        let told = played.divergence.is_some();
        played.damage = tape.damage.take().or(played.damage.filter(|_| !told));
        (played.bytes, played.end) = (tape.bytes, tape.end().cloned());
        (played.newest, played.unprocessed) = (tape.newest(), tape.unprocessed().to_vec());
        Ok(played)
    }

    /// The tape at its beginning, or behind the newest sound snapshot, with what that says.
    fn beginning(&self, played: &mut Played) -> Result<(Tape<'_>, Option<Standing>), Problem> {
        let until = self.options.until;
        let tape = |from| Tape::new(self.journal.frames_from(from), until);
        let mut bound = self.options.from_snapshot.then_some(until.unwrap_or(u64::MAX));
        while let Some(most) = bound {
            let wanted = |stand: &Stand| !stand.chain && stand.seq <= most;
            let (found, notes) = shelf::newest(self.dir, wanted)?;
            for note in notes {
                if !played.notes.contains(&note) {
                    played.notes.push(note);
                }
            }
            let Some(snapshot) = found else { break };
            let mut behind = tape(snapshot.stand.seq);
            match self.stand_on(&snapshot, &mut behind, played) {
                Ok(standing) => {
                    played.from_snapshot = Some(snapshot.stand.seq);
                    return Ok((behind, Some(standing)));
                }
                Err(note) => played.notes.push(note),
            }
            bound = snapshot.stand.seq.checked_sub(1);
        }
        Ok((tape(0), None))
    }

    /// The state of a snapshot, if it is of this journal.
    fn stand_on(
        &self,
        snapshot: &Snapshot,
        tape: &mut Tape<'_>,
        played: &mut Played,
    ) -> Result<Standing, Problem> {
        let stand = &snapshot.stand;
        let of_no_use = |what: String| {
            Problem::new(
                format!("a snapshot is of no use: {what}"),
                shelf::path_of(self.dir, stand).display().to_string(),
                "delete it; an older one or the journal itself takes its place",
            )
        };
        if !tape.pass(stand.seq, stand.input_crc) {
            return Err(of_no_use("it is not of this journal".to_string()));
        }
        let start = RunStart {
            semantic_hash: stand.semantic_hash,
            epoch: stand.epoch,
            manifest: stand.manifest,
            build: stand.build,
            ..RunStart::zeroed()
        };
        played.turn_to(self.dir, &start).map_err(|problem| of_no_use(problem.what))?;
        let empty = Ledger::new(&played.config().semantic);
        let ledger = snapshot.ledger(empty).map_err(|error| of_no_use(error.what))?;
        let instruments = ledger.instruments.len();
        Ok(Standing { image: snapshot.image.clone(), ledger, instruments })
    }

    /// The state that a chain begins with: its own snapshot.
    fn chain_start(&self, start: &RunStart, played: &Played) -> Result<Standing, Problem> {
        let missing = |what: &str, stand: &Stand| {
            Problem::new(
                format!("the chain that begins with epoch {} {what}", start.epoch),
                shelf::path_of(self.dir, stand).display().to_string(),
                "restore it from a copy of this journal; replay with --until stops before it",
            )
        };
        let seq = start.head.seq.saturating_sub(1);
        let stand = Stand { seq, epoch: start.epoch, chain: true, ..Stand::default() };
        let path = shelf::path_of(self.dir, &stand);
        if !path.exists() {
            return Err(missing("has lost its snapshot", &stand));
        }
        let snapshot = shelf::read(&path)?;
        let empty = Ledger::new(&played.config().semantic);
        let ledger = snapshot.ledger(empty).map_err(|error| missing(&error.what, &stand))?;
        let instruments = ledger.instruments.len();
        Ok(Standing { image: snapshot.image, ledger, instruments })
    }

    /// One leg.
    fn leg(
        &self,
        played: &mut Played,
        tape: &mut Tape<'_>,
        comparison: &mut Comparison<'_>,
        standing: Option<Standing>,
        policies: Maker<'_>,
        watch: &mut impl FnMut(&Tally),
    ) -> Result<Ended, Problem> {
        let instruments = played.instruments();
        let semantic = played.config().semantic.clone();
        let (mut ledger, standing) = match standing {
            Some(Standing { image, ledger, instruments }) => (ledger, Some((image, instruments))),
            None => (Ledger::new(&semantic), None),
        };
        ledger.turn_to(&semantic);
        tape.begin(ledger);
        if let Err(problem) = comparison.seek(tape.leg_seq()) {
            return Ok(Ended::Badly(Some(problem)));
        }
        let trusts = self.options.trust_decisions;
        let policies = if trusts {
            let named = &semantic.policy;
            trusted::policies(self.journal, (&named.decide, &named.shadow), tape.leg_seq())
        } else {
            policies(played.config())?
        };
        played.names = policies.names();
        let recorder = &mut *comparison;
        let mut machine =
            pipeline::build(&semantic, instruments, RING_SLOTS, &[], recorder, None, policies);
        if let Some((image, rows)) = standing {
            // Who only says what was decided remembers nothing of those who did.
            let may_miss = trusts.then_some(POLICIES);
            let image = image.without(may_miss.as_slice());
            load(&mut machine, &image, may_miss, rows == instruments, self.dir)?;
        }
        if let Some(point) = self.options.fault {
            machine.inject(point);
        }
        let driven = catch_unwind(AssertUnwindSafe(|| self.run(tape, &mut machine, watch)));
        let ended = match driven {
            Ok(Ok(())) => Ended::Well,
            Ok(Err(problem)) => Ended::Badly(Some(problem)),
            Err(payload) => {
                let at = machine.groups.first().map_or(BEFORE, Group::at);
                Ended::Panicked(Fault::caught(at, payload.as_ref()))
            }
        };
        played.tally.absorb(&tally(&machine));
        if let Ended::Well = ended {
            let image = machine.save();
            let ledger = tape.ledger().unwrap_or_else(|| Ledger::new(&semantic));
            played.standing = Some(Standing { image, ledger, instruments });
        }
        Ok(ended)
    }

    /// Drives one leg, and then, where nothing follows and the journal shall be proved, its unprocessed inputs.
    fn run(
        &self,
        tape: &mut Tape<'_>,
        machine: &mut Pipeline<'_>,
        watch: &mut impl FnMut(&Tally),
    ) -> Result<(), Problem> {
        drive(tape, machine, watch)?;
        let is_last = tape.run_start().is_none() && tape.damage.is_none();
        if self.purpose == Purpose::Prove && is_last && !tape.unprocessed().is_empty() {
            tape.feed_unprocessed();
            drive(tape, machine, watch)?;
        }
        close(machine)
    }
}

/// Where a panic was that came before any input.
const BEFORE: At = At { part: Part::Validate, seq: 0 };

/// Loads the state of the leg before; with its digests, where the tables have the same length.
fn load(
    machine: &mut Pipeline<'_>,
    image: &Image,
    may_miss: Option<&str>,
    same_rows: bool,
    dir: &Path,
) -> Result<(), Problem> {
    let loaded = if same_rows && may_miss.is_none() {
        machine.load(image)
    } else {
        machine.load_some(image, may_miss.as_slice())
    };
    loaded.map_err(|unfit| {
        Problem::new(
            format!("the state of an earlier leg does not fit: {unfit}"),
            dir.display().to_string(),
            "use the policies that the journal was written with; else report it",
        )
    })
}

/// True if a run start begins a new chain after a run of another.
pub(crate) fn is_other(before: &RunStart, start: &RunStart) -> bool {
    before.semantic_hash != start.semantic_hash || before.build != start.build
}

pub(crate) fn no_run_start(dir: &Path, first: u64) -> Problem {
    if first > 0 {
        return Problem::new(
            format!("the journal begins with sequence {first}: retention removed what was before"),
            dir.display().to_string(),
            "replay it with --from-snapshot; if its snapshot is damaged, restore that from a copy",
        );
    }
    Problem::new(
        "the journal does not begin with a run start",
        dir.display().to_string(),
        "nothing was recorded in it; run again into another directory",
    )
}

impl Played {
    fn new() -> Self {
        Self {
            tally: Tally::default(),
            names: Default::default(),
            run: RunStart::zeroed(),
            manifest: None,
            standing: None,
            unprocessed: Vec::new(),
            newest: None,
            from_snapshot: None,
            notes: Vec::new(),
            divergence: None,
            damage: None,
            panic: None,
            fault: None,
            bytes: 0,
            end: None,
        }
    }

    /// The config of the last leg.
    ///
    /// # Panics
    /// Before the first leg.
    pub(crate) fn config(&self) -> &Config {
        &self.manifest.as_ref().expect("Invariant: a leg has begun").config
    }

    fn instruments(&self) -> usize {
        self.manifest.as_ref().map_or(0, |manifest| manifest.instruments)
    }

    /// Reads what a run start names.
    fn turn_to(&mut self, dir: &Path, start: &RunStart) -> Result<(), Problem> {
        let manifest = manifest::read(dir, &start.manifest)?;
        if manifest.imported {
            return Err(import::refusal(dir));
        }
        if start.semantic_hash != manifest.config.semantic_hash()[..8] {
            return Err(Problem::new(
                "the config in the journal is not the one that its run start names",
                dir.display().to_string(),
                "restore the objects folder from a copy of this journal",
            ));
        }
        (self.run, self.manifest) = (*start, Some(manifest));
        Ok(())
    }
}
