//! Replay: takes the inputs of a journal, runs the stages, and compares every output bit by bit with the
//! journaled one. The first difference is named: sequence, stage, field, both values.

use crate::config::Config;
use crate::ledger::Ledger;
use crate::legs::{Play, Purpose, no_run_start};
use crate::manifest;
use crate::policy::Policies;
use crate::problem::Problem;
use crate::resume::Last;
use crate::retain::refuse_dropped;
use crate::runtime::fail_point::FailPoint;
use crate::runtime::handler::Fault;
use crate::runtime::sink::{Recorder, Tally};
use crate::snapshot::shelf;
use crate::summary::Summary;
use journal::{End, FrameRef, Frames, Journal};
use ringbuf_layout::frame::{FLAGS_OFFSET, Field, LAST, SHARED_FIELDS, fields_of};
use ringbuf_layout::input::text_of;
use ringbuf_layout::{Instrument, Kind, Panic, Part, RunStart};
use std::path::Path;
use std::time::Instant;

/// Where the recomputed outputs part from the journaled ones.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Divergence {
    /// Sequence of the input.
    pub seq: u64,
    /// Stage that made the output.
    pub stage: String,
    /// Field that differs; `output` where one of the two is missing.
    pub field: String,
    /// What the journal holds.
    pub journaled: String,
    /// What the replay computed.
    pub recomputed: String,
}

/// What a replay found.
#[derive(Debug)]
pub struct Proof {
    /// The counts and the hash, as of a run.
    pub summary: Summary,
    /// The first difference, if there is one.
    pub divergence: Option<Divergence>,
    /// Damage that ended the reading.
    pub damage: Option<Problem>,
    /// The panic that ended the run, if one did.
    pub panic: Option<RecordedPanic>,
    /// Build that wrote the journal; the newest, if there were several.
    pub build: String,
    /// The input after which the snapshot stands that it began with, if it did.
    pub from_snapshot: Option<u64>,
    /// Snapshots that were of no use.
    pub notes: Vec<Problem>,
}

impl Proof {
    /// True if every output was reproduced, nothing is damaged and the run did not panic.
    pub fn verified(&self) -> bool {
        self.divergence.is_none() && self.damage.is_none() && self.panic.is_none()
    }
}

/// What of a journal to replay, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// The last input.
    pub until: Option<u64>,
    /// Begins at the newest sound snapshot at or below `until`, if there is one, instead of the first input.
    pub from_snapshot: bool,
    /// Takes the decisions from the journal instead of asking policies.
    pub trust_decisions: bool,
    /// A fail point, for a journal that was written with one.
    pub fault: Option<FailPoint>,
}

/// Replays a journal. `policies` makes those that decided, from the config in the journal.
///
/// # Errors
/// What keeps the replay from starting.
pub fn replay(
    dir: &Path,
    options: Options,
    mut policies: impl FnMut(&Config) -> Result<Policies, Problem>,
    mut watch: impl FnMut(&Tally),
) -> Result<Proof, Problem> {
    let journal = Journal::open(dir).map_err(|e| Problem::from_journal(&e))?;
    refuse_dropped(dir)?;
    let clock = Instant::now();
    let play = Play { dir, journal: &journal, options, purpose: Purpose::Prove };
    let played = play.play(&mut policies, &mut watch)?;
    let elapsed_s = clock.elapsed().as_secs_f64();
    let mut summary = Summary::new(played.tally, played.names, elapsed_s, dir);
    let manifest = played.manifest.as_ref();
    summary.no_decisions = manifest.and_then(|manifest| manifest.config.never_decides());
    summary.bytes = played.bytes;
    summary.ended = end_of(played.end.as_ref(), options.until.is_some());
    // Behind a snapshot no checkpoint may follow: the state that was loaded and gone on with has a hash all the same.
    let standing = played.standing.as_ref();
    let hash = standing.and_then(|standing| standing.image.state_hash());
    summary.tally.state_hash =
        summary.tally.state_hash.or(hash.filter(|_| played.from_snapshot.is_some()));
    let mut proof = Proof {
        summary,
        divergence: played.divergence,
        damage: played.damage,
        panic: played.panic,
        build: text_of(&played.run.build).to_string(),
        from_snapshot: played.from_snapshot,
        notes: played.notes,
    };
    if let Some(fault) = played.fault {
        proof.panicked(&fault, &journal);
    }
    Ok(proof)
}

/// The panic that a journal records, if it does: in its last slot.
fn recorded_panic(journal: &Journal) -> Option<RecordedPanic> {
    let mut frames = journal.frames();
    let mut found = None;
    while let Ok(Some(frame)) = frames.next() {
        found = frame.get::<Panic>().map(RecordedPanic::of).or(found);
    }
    found
}

impl Proof {
    /// The replay panicked: either as the journal says, or on its own.
    fn panicked(&mut self, fault: &Fault, journal: &Journal) {
        self.panic = recorded_panic(journal);
        let same = |recorded: &RecordedPanic| {
            (recorded.part, recorded.seq, recorded.message_hash)
                == (fault.part, fault.seq, fault.message_hash())
        };
        match &mut self.panic {
            Some(recorded) if same(recorded) => recorded.reproduced = true,
            _ => {
                self.damage = Some(Problem::new(
                    format!("{} panicked in the replay: {}", fault.part.name(), fault.message),
                    format!("sequence {}", fault.seq),
                    "report it with the journal",
                ));
            }
        }
    }
}

fn end_of(end: Option<&End>, cut: bool) -> String {
    match end {
        Some(End::Sealed) => "sealed".into(),
        Some(End::Open { .. }) => "open: the writer did not close it".into(),
        Some(End::Torn { segment, offset, bytes, .. }) => {
            format!(
                "torn: {bytes} bytes after the last whole slot in segment {segment} at {offset}"
            )
        }
        None if cut => "stopped at --until".into(),
        None => "damaged".into(),
    }
}

/// The run start that a journal begins with; where retention removed it, that of its newest snapshot's run.
///
/// # Errors
/// If it does not, or the first frame is damaged.
pub fn run_start(journal: &Journal, dir: &Path) -> Result<RunStart, Problem> {
    let first = journal.frames().next().map_err(|e| Problem::from_journal(&e))?;
    if let Some(start) = first.and_then(|frame| frame.get::<RunStart>().copied()) {
        return Ok(start);
    }
    let first = first.map_or(0, |frame| frame.head().seq);
    let known = if first > 0 { Last::before(dir)? } else { None };
    known.map(|last| last.start).ok_or_else(|| no_run_start(dir, first))
}

/// True if the journal was imported: it has market data and no outputs.
pub fn is_imported(journal: &Journal, dir: &Path) -> bool {
    let start = run_start(journal, dir);
    start.and_then(|start| manifest::read(dir, &start.manifest)).is_ok_and(|m| m.imported)
}

/// The instruments of a journal, in the order of their numbers: those of the first run, and what those after it added,
/// each at the beginning of a segment of a new epoch.
///
/// # Errors
/// If the journal cannot be read.
pub fn instruments(journal: &Journal, dir: &Path) -> Result<Vec<Instrument>, Problem> {
    let mut table = first_instruments(journal, dir)?;
    let headers: Vec<_> = journal.segments().map(|segment| segment.header).collect();
    for pair in headers.windows(2).filter(|pair| pair[0].epoch != pair[1].epoch) {
        let mut frames = journal.frames_from(pair[1].base_seq);
        // Damage is named when the records before it were read.
        while let Ok(Some(frame)) = frames.next() {
            match frame.get::<Instrument>() {
                Some(new) if new.tail.instrument as usize == table.len() => table.push(*new),
                Some(_) => {}
                None if frame.kind() == Kind::RunStart || !frame.kind().is_input() => {}
                None => break,
            }
        }
    }
    Ok(table)
}

/// They stand behind the first run start, before any other input, or, where retention removed that, in the newest
/// snapshot.
fn first_instruments(journal: &Journal, dir: &Path) -> Result<Vec<Instrument>, Problem> {
    let mut frames = journal.frames();
    let mut table = Vec::new();
    while let Some(frame) = frames.next().map_err(|e| Problem::from_journal(&e))? {
        if frame.head().seq > 0 && table.is_empty() && frame.get::<Instrument>().is_none() {
            return kept_instruments(dir);
        }
        if let Some(instrument) = frame.get::<Instrument>() {
            table.push(*instrument);
        } else if frame.kind().is_input() && frame.kind() != Kind::RunStart {
            break;
        }
    }
    Ok(table)
}

/// Those that the newest sound snapshot knows.
fn kept_instruments(dir: &Path) -> Result<Vec<Instrument>, Problem> {
    let (newest, _) = shelf::newest(dir, |stand| !stand.chain)?;
    let Some(snapshot) = newest else { return Ok(Vec::new()) };
    let semantic = manifest::read(dir, &snapshot.stand.manifest)?.config.semantic;
    let ledger = snapshot.ledger(Ledger::new(&semantic));
    Ok(ledger.map(|ledger| ledger.instruments).unwrap_or_default())
}

/// A panic that the journal records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordedPanic {
    /// Which part.
    pub part: Part,
    /// The sequence that it was at.
    pub seq: u64,
    /// XXH3-64 of its message.
    pub message_hash: u64,
    /// True if this replay panicked at the same part and sequence with the same message.
    pub reproduced: bool,
}

impl RecordedPanic {
    fn of(panic: &Panic) -> Self {
        Self {
            part: Part::from_byte(panic.part as u8).unwrap_or(Part::Sequencer),
            seq: panic.at_seq,
            message_hash: panic.message_hash,
            reproduced: false,
        }
    }
}

/// Takes the frames that the sink would journal and compares them with what is journaled.
pub(crate) struct Comparison<'a> {
    frames: Frames<'a>,
    ahead: Option<FrameRef<'a>>,
    /// The slot was never processed when it was journaled: there is nothing to compare.
    unprocessed: bool,
    /// The panic that the journal records, once its slot was compared.
    pub(crate) panic: Option<RecordedPanic>,
    /// The first difference.
    pub(crate) divergence: Option<Divergence>,
}

impl<'a> Comparison<'a> {
    pub(crate) fn new(frames: Frames<'a>) -> Self {
        Self { frames, ahead: None, unprocessed: false, panic: None, divergence: None }
    }

    /// Passes over the slots below a sequence: a snapshot says what came of them, or nothing did.
    pub(crate) fn seek(&mut self, seq: u64) -> Result<(), Problem> {
        while let Some(frame) = self.next()? {
            if frame.head().seq >= seq {
                self.ahead = Some(frame);
                break;
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<FrameRef<'a>>, Problem> {
        match self.ahead.take() {
            Some(frame) => Ok(Some(frame)),
            None => self.frames.next().map_err(|e| Problem::from_journal(&e)),
        }
    }

    fn part(&mut self, divergence: Divergence) -> Problem {
        let problem =
            Problem::new("the replay diverges", format!("sequence {}", divergence.seq), "");
        self.divergence = Some(divergence);
        problem
    }

    /// The journal holds another number of outputs than were computed.
    fn count_differs(&mut self, seq: u64, kind: Kind, journaled: bool) -> Problem {
        let words = |there: bool| if there { kind.name() } else { "nothing" }.to_string();
        self.part(Divergence {
            seq,
            stage: stage_of(kind).to_string(),
            field: "output".to_string(),
            journaled: words(journaled),
            recomputed: words(!journaled),
        })
    }

    /// Behind an input: takes the rest of a slot that was journaled as unprocessed.
    fn skip_unprocessed(&mut self) -> Result<(), Problem> {
        self.ahead = self.next()?;
        let kind = self.ahead.map(|frame| frame.kind());
        self.unprocessed = matches!(kind, Some(Kind::Unprocessed | Kind::Panic));
        while self.unprocessed {
            let Some(frame) = self.next()? else { break };
            self.panic = frame.get::<Panic>().map(RecordedPanic::of).or(self.panic);
            if frame.is_last() {
                break;
            }
        }
        Ok(())
    }

    /// One computed frame against the journaled one.
    fn compare(&mut self, ours: &[u8], last: bool) -> Result<(), Problem> {
        let seq =
            u64::from_le_bytes(ours[8..16].try_into().expect("Invariant: a frame has a header"));
        let kind = Kind::from_byte(ours[4]).expect("Invariant: we make known kinds");
        let theirs = self.next()?.filter(|theirs| theirs.head().seq == seq);
        let Some(theirs) = theirs else { return Err(self.count_differs(seq, kind, false)) };
        if theirs.kind() != kind {
            // Outputs are in stage order: the earlier of the two stages made or missed one.
            let (missing, journaled) =
                if kind < theirs.kind() { (kind, false) } else { (theirs.kind(), true) };
            return Err(self.count_differs(seq, missing, journaled));
        }
        if let Some(field) = first_difference(kind, theirs.bytes, ours) {
            let (journaled, recomputed) = (value(&field, theirs.bytes), value(&field, ours));
            let stage = stage_of_field(kind, &field, theirs.bytes, ours);
            let field = field.name.to_string();
            return Err(self.part(Divergence { seq, stage, field, journaled, recomputed }));
        }
        if theirs.is_last() {
            // Where ours goes on, our next frame meets the next slot and is named there.
            return Ok(());
        }
        if ours[5] == 0 {
            self.skip_unprocessed()?;
        }
        if last && !self.unprocessed {
            let extra = self.next()?.map_or(kind, |frame| frame.kind());
            return Err(self.count_differs(seq, extra, true));
        }
        Ok(())
    }
}

impl Recorder for &mut Comparison<'_> {
    fn begin(&mut self, _: u64) -> Result<(), Problem> {
        self.unprocessed = false;
        Ok(())
    }

    fn frame(&mut self, ours: &[u8], last: bool) -> Result<(), Problem> {
        if self.unprocessed { Ok(()) } else { self.compare(ours, last) }
    }
}

/// The first field that differs, CRC and `last` bit aside. Frames are compared as bytes; fields are looked up
/// only where they differ.
fn first_difference(kind: Kind, theirs: &[u8], ours: &[u8]) -> Option<Field> {
    let same = theirs.len() == ours.len()
        && theirs[4..FLAGS_OFFSET] == ours[4..FLAGS_OFFSET]
        && (theirs[FLAGS_OFFSET] ^ ours[FLAGS_OFFSET]) & !LAST == 0
        && theirs[FLAGS_OFFSET + 1..] == ours[FLAGS_OFFSET + 1..];
    if same {
        return None;
    }
    let (own, _) = fields_of(kind);
    let mut fields: Vec<Field> = SHARED_FIELDS.iter().chain(own).copied().collect();
    fields.sort_by_key(|field| field.offset);
    fields.into_iter().skip(1).find(|field| masked(field, theirs) != masked(field, ours))
}

/// A field's bytes, with the `last` bit cleared.
fn masked(field: &Field, frame: &[u8]) -> Vec<u8> {
    let mut bytes = frame[field.offset..field.offset + field.size].to_vec();
    if field.offset == FLAGS_OFFSET {
        bytes[0] &= !LAST;
    }
    bytes
}

/// A field's value as text.
fn value(field: &Field, frame: &[u8]) -> String {
    text_of_field(field, &masked(field, frame))
}

/// A field's bytes as text, by its type.
pub fn text_of_field(field: &Field, bytes: &[u8]) -> String {
    fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
        bytes.try_into().unwrap_or([0; N])
    }
    match field.type_name {
        "u8" => array::<1>(bytes)[0].to_string(),
        "u16" => u16::from_le_bytes(array(bytes)).to_string(),
        "u32" => u32::from_le_bytes(array(bytes)).to_string(),
        "i32" => i32::from_le_bytes(array(bytes)).to_string(),
        "u64" => u64::from_le_bytes(array(bytes)).to_string(),
        "i64" | "Size" => i64::from_le_bytes(array(bytes)).to_string(),
        "f64" => f64::from_le_bytes(array(bytes)).to_string(),
        "Price" => match i64::from_le_bytes(array(bytes)) {
            i64::MAX => "undefined".to_string(),
            price => ringbuf_layout::Price(price).to_string(),
        },
        "Money" => ringbuf_layout::Money(i128::from_le_bytes(array(bytes))).to_string(),
        _ => bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")),
    }
}

/// Which stage makes outputs of this kind.
pub fn stage_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Verdict => "validate",
        Kind::Bar => "bar",
        Kind::Indicator => "indicator",
        Kind::Matrix => "matrix",
        Kind::Synergy => "synergy",
        Kind::Decision => "marl",
        Kind::Risk => "risk",
        Kind::Order | Kind::Fill => "oms",
        Kind::Portfolio => "portfolio",
        Kind::StateHash => "state_hash",
        _ => "input",
    }
}

/// A state hash names the first stage whose digest differs.
fn stage_of_field(kind: Kind, field: &Field, theirs: &[u8], ours: &[u8]) -> String {
    if kind == Kind::StateHash && field.name == "hash" {
        let (own, _) = fields_of(kind);
        if let Some(digests) = own.iter().find(|f| f.name == "stages") {
            let range = digests.offset..digests.offset + digests.size;
            let pairs = theirs[range.clone()].chunks(8).zip(ours[range].chunks(8));
            if let Some(at) = pairs.into_iter().position(|(a, b)| a != b) {
                return Part::ALL[at + 1].name().to_string();
            }
        }
    }
    stage_of(kind).to_string()
}
