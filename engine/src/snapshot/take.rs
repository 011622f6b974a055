//! A snapshot of the end of a journal, taken offline.

use crate::config::Config;
use crate::legs::{Play, Played, Purpose, Standing};
use crate::policy::Policies;
use crate::problem::Problem;
use crate::replay::Options;
use crate::retain::refuse_dropped;
use crate::runtime::sequencer::{Inputs, Ready};
use crate::runtime::sink::Tally;
use crate::snapshot::{Snapshot, Stand, shelf};
use crate::tape::Tape;
use journal::Journal;
use ringbuf_layout::{InputCell, RunStart};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A snapshot that was taken.
#[derive(Clone, PartialEq, Debug)]
pub struct Taken {
    /// Its file.
    pub path: PathBuf,
    /// It stands after this input.
    pub seq: u64,
    /// The input after which the snapshot stands that it was made from, if there was one.
    pub from_snapshot: Option<u64>,
    /// Inputs that were replayed for it.
    pub inputs: u64,
    /// How long it took.
    pub seconds: f64,
    /// Older snapshots that were of no use.
    pub notes: Vec<Problem>,
}

/// Replays a journal to its end, from its newest sound snapshot if it has one, compares every output, and saves the
/// state. `policies` makes those that decided, from the config in the journal.
///
/// # Errors
/// If the journal is damaged or its outputs are not reproduced, there is nothing in it, or the snapshot cannot be
/// written.
pub fn take(
    dir: &Path,
    mut policies: impl FnMut(&Config) -> Result<Policies, Problem>,
    mut watch: impl FnMut(&Tally),
) -> Result<Taken, Problem> {
    let clock = Instant::now();
    refuse_dropped(dir)?;
    let journal = Journal::open(dir).map_err(|e| Problem::from_journal(&e))?;
    let options = Options { from_snapshot: true, ..Options::default() };
    let play = Play { dir, journal: &journal, options, purpose: Purpose::Rebuild };
    let mut played = play.play(&mut policies, &mut watch)?;
    let standing = sound(&mut played, dir)?;
    let Some(newest) = played.newest else {
        let fix = "run something into it first";
        return Err(Problem::new("the journal holds no input", dir.display().to_string(), fix));
    };
    let snapshot = of(standing, &played.run, newest);
    let path = shelf::write(dir, &snapshot)?;
    let (from_snapshot, inputs) = (played.from_snapshot, played.tally.inputs);
    let seconds = clock.elapsed().as_secs_f64();
    Ok(Taken { path, seq: newest.0, from_snapshot, inputs, seconds, notes: played.notes })
}

/// The snapshot of a state in a run, after an input and the CRC of its frame.
fn of(standing: Standing, run: &RunStart, (seq, input_crc): (u64, u32)) -> Snapshot {
    let Standing { image, mut ledger, .. } = standing;
    let stand = Stand {
        seq,
        epoch: run.epoch,
        engine_time: ledger.engine_time,
        semantic_hash: run.semantic_hash,
        manifest: run.manifest,
        build: run.build,
        input_crc,
        chain: false,
    };
    Snapshot::new(stand, image, &mut ledger)
}

/// The state that a journal was played to, if every output was reproduced.
pub(crate) fn sound(played: &mut Played, dir: &Path) -> Result<Standing, Problem> {
    if let Some(found) = &played.divergence {
        let mut problem = Problem::new(
            format!(
                "the state cannot be rebuilt: at sequence {} {} {} was {} and is now {}",
                found.seq, found.stage, found.field, found.journaled, found.recomputed
            ),
            dir.display().to_string(),
            "use the build and the policies that wrote the journal; replay names the difference",
        );
        problem.damage = true;
        return Err(problem);
    }
    if let Some(problem) = played.damage.take() {
        return Err(problem);
    }
    if let Some(fault) = &played.fault {
        return Err(Problem::new(
            format!(
                "{} panicked while the state was rebuilt: {}",
                fault.part.name(),
                fault.message
            ),
            format!("sequence {}", fault.seq),
            "report it with the journal",
        ));
    }
    played.standing.take().ok_or_else(|| {
        Problem::new("the state was not rebuilt", dir.display().to_string(), "report it")
    })
}

/// The snapshot of the end of a run that has just ended: the machine's state is at hand, and the ledger, which stood
/// before the run, is brought up to its end by the journal itself.
///
/// # Errors
/// If the journal cannot be read back, or the snapshot not be written.
pub(crate) fn leave(dir: &Path, standing: Standing, base_seq: u64) -> Result<PathBuf, Problem> {
    let Standing { image, ledger, instruments } = standing;
    let journal = Journal::open(dir).map_err(|e| Problem::from_journal(&e))?;
    let mut tape = Tape::new(journal.frames_from(base_seq.saturating_sub(1)), None);
    if let Some(before) = base_seq.checked_sub(1) {
        tape.pass(before, 0);
    }
    let unread = |tape: Tape<'_>| {
        tape.damage.unwrap_or_else(|| {
            let fix = "verify the journal; take a snapshot with `journal snapshot`";
            Problem::new("the run cannot be read back", dir.display().to_string(), fix)
        })
    };
    let Some(start) = tape.run_start() else { return Err(unread(tape)) };
    tape.begin(ledger);
    let mut cell = InputCell::default();
    while tape.poll() == Ready::Input {
        tape.write(&mut cell);
    }
    match (tape.ledger(), tape.newest(), &tape.damage) {
        (Some(ledger), Some(newest), None) => {
            shelf::write(dir, &of(Standing { image, ledger, instruments }, &start, newest))
        }
        _ => Err(unread(tape)),
    }
}
