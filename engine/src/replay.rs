//! Replay: takes the inputs of a journal, runs the stages, and compares every output bit by bit with the
//! journaled one. The first difference is named: sequence, stage, field, both values.

use crate::manifest;
use crate::pipeline;
use crate::problem::Problem;
use crate::run::{close, drive, tally};
use crate::runtime::sequencer::{Inputs, Ready};
use crate::runtime::sink::{Recorder, Tally};
use crate::summary::Summary;
use journal::header::PAGE;
use journal::{End, FrameRef, Frames, Journal};
use ringbuf_layout::frame::{FLAGS_OFFSET, Field, LAST, SHARED_FIELDS, fields_of};
use ringbuf_layout::input::text_of;
use ringbuf_layout::{InputCell, Kind, RunStart};
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
    /// Build that wrote the journal.
    pub build: String,
}

impl Proof {
    /// True if every output was reproduced and nothing is damaged.
    pub fn verified(&self) -> bool {
        self.divergence.is_none() && self.damage.is_none()
    }
}

/// Replays a journal, up to and including `until` if given.
///
/// # Errors
/// What keeps the replay from starting.
pub fn replay(
    dir: &Path,
    until: Option<u64>,
    mut watch: impl FnMut(&Tally),
) -> Result<Proof, Problem> {
    let journal = Journal::open(dir).map_err(|e| Problem::from_journal(&e))?;
    let start = run_start(&journal, dir)?;
    let manifest = manifest::read(dir, &start.manifest)?;
    let config = manifest.config;
    let mut inputs = JournalInputs::new(journal.frames(), until);
    let mut comparison = Comparison { frames: journal.frames(), divergence: None, first: true };
    let mut machine = pipeline::build(
        &config.semantic,
        manifest.instruments,
        config.host.ring_slots,
        &[],
        &mut comparison,
    );
    let clock = Instant::now();
    let driven = drive(&mut inputs, &mut machine, &mut watch);
    let elapsed_s = clock.elapsed().as_secs_f64();
    let closed = close(&mut machine);
    let tally = tally(&machine);
    drop(machine);
    let mut summary = Summary::new(tally, &config, elapsed_s, dir.display().to_string());
    summary.bytes = inputs.bytes;
    let divergence = comparison.divergence;
    let stopped = driven.and(closed).err().filter(|_| divergence.is_none());
    let damage = inputs.damage.or(stopped);
    summary.ended = end_of(inputs.frames.end(), until.is_some());
    Ok(Proof { summary, divergence, damage, build: text_of(&start.build).to_string() })
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

/// The run start that every journal begins with.
///
/// # Errors
/// If it does not, or the first frame is damaged.
pub fn run_start(journal: &Journal, dir: &Path) -> Result<RunStart, Problem> {
    let first = journal.frames().next().map_err(|e| Problem::from_journal(&e))?;
    first.and_then(|frame| frame.get::<RunStart>().copied()).ok_or_else(|| {
        Problem::new(
            "the journal does not begin with a run start",
            dir.display().to_string(),
            "nothing was recorded in it; run again into another directory",
        )
    })
}

/// The inputs of a journal, as they were in the ring.
struct JournalInputs<'a> {
    frames: Frames<'a>,
    next: Option<FrameRef<'a>>,
    until: u64,
    damage: Option<Problem>,
    over: bool,
    /// Bytes of frames so far, page padding included.
    bytes: u64,
    /// Segment being read, and the bytes of those before it.
    segment: (u32, u64),
}

impl<'a> JournalInputs<'a> {
    fn new(frames: Frames<'a>, until: Option<u64>) -> Self {
        let until = until.unwrap_or(u64::MAX);
        let over = false;
        Self { frames, next: None, until, damage: None, over, bytes: 0, segment: (0, 0) }
    }

    fn count(&mut self, frame: &FrameRef<'_>) {
        if frame.segment != self.segment.0 {
            self.segment = (frame.segment, self.bytes);
        }
        let end = frame.offset + frame.bytes.len() as u64 - PAGE as u64;
        self.bytes = self.segment.1 + end;
    }
}

impl Inputs for JournalInputs<'_> {
    fn poll(&mut self) -> Ready {
        while self.next.is_none() && !self.over {
            match self.frames.next() {
                Ok(Some(frame)) if frame.head().seq > self.until => self.over = true,
                Ok(Some(frame)) => {
                    self.count(&frame);
                    self.next = frame.kind().is_input().then_some(frame);
                }
                Ok(None) => self.over = true,
                Err(error) => {
                    self.damage = Some(Problem::from_journal(&error));
                    self.over = true;
                }
            }
        }
        if self.next.is_some() { Ready::Input } else { Ready::End }
    }

    fn write(&mut self, cell: &mut InputCell) {
        if let Some(frame) = self.next.take() {
            cell.put_bytes(frame.bytes);
            cell.head_mut().crc32c = 0;
            cell.tail_mut().flags &= !LAST;
        }
    }
}

/// Takes the frames that the sink would journal and compares them with what is journaled.
struct Comparison<'a> {
    frames: Frames<'a>,
    divergence: Option<Divergence>,
    first: bool,
}

impl Comparison<'_> {
    fn part(&mut self, divergence: Divergence) -> Problem {
        let problem =
            Problem::new("the replay diverges", format!("sequence {}", divergence.seq), "");
        self.divergence = Some(divergence);
        problem
    }

    /// The journal holds another number of outputs than were computed.
    fn count_differs(&mut self, seq: u64, kind: Kind, journaled: bool) -> Problem {
        let words =
            |there: bool| if there { kind.name().to_string() } else { "nothing".to_string() };
        self.part(Divergence {
            seq,
            stage: stage_of(kind).to_string(),
            field: "output".to_string(),
            journaled: words(journaled),
            recomputed: words(!journaled),
        })
    }
}

impl Recorder for &mut Comparison<'_> {
    fn begin(&mut self, _: u64) -> Result<(), Problem> {
        self.first = true;
        Ok(())
    }

    fn frame(&mut self, ours: &[u8], last: bool) -> Result<(), Problem> {
        let seq =
            u64::from_le_bytes(ours[8..16].try_into().expect("Invariant: a frame has a header"));
        let kind = Kind::from_byte(ours[4]).expect("Invariant: we make known kinds");
        let Some(theirs) = self.frames.next().map_err(|e| Problem::from_journal(&e))? else {
            return Err(self.count_differs(seq, kind, false));
        };
        if theirs.head().seq != seq {
            return Err(self.count_differs(seq, kind, false));
        }
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
        if last && !theirs.is_last() {
            let next = self.frames.next().map_err(|e| Problem::from_journal(&e))?;
            let extra = next.map_or(kind, |frame| frame.kind());
            return Err(self.count_differs(seq, extra, true));
        }
        // Where ours goes on and theirs does not, our next frame meets the next slot and is named there.
        Ok(())
    }
}

/// The first field that differs, CRC and `last` bit aside.
fn first_difference(kind: Kind, theirs: &[u8], ours: &[u8]) -> Option<Field> {
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
fn stage_of(kind: Kind) -> &'static str {
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
                return crate::stages::NAMES[at].to_string();
            }
        }
    }
    stage_of(kind).to_string()
}
