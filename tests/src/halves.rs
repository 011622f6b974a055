//! A run in two halves, as if it had been killed between two inputs: the state saved after the first, loaded into a
//! machine of its own for the second.

use crate::recording::Recording;
use crate::scene::Scene;
use bytemuck::Zeroable;
use engine::image::Image;
use engine::ledger::Ledger;
use engine::run::{close, drive, tally};
use engine::runtime::schedule::is_of_the_market;
use engine::runtime::sequencer::{Inputs, Plan, Ready, Sequencer};
use engine::state::{Codec, State};
use ringbuf_layout::frame::NO_INSTRUMENT;
use ringbuf_layout::{Frame, InputCell, RunEnd, RunStart, SourceStatus};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Inputs that are there already, numbered.
#[derive(Debug)]
pub struct Canned<'a> {
    inputs: &'a [InputCell],
}

impl Inputs for Canned<'_> {
    fn poll(&mut self) -> Ready {
        if self.inputs.is_empty() { Ready::End } else { Ready::Input }
    }

    fn write(&mut self, cell: &mut InputCell) {
        if let Some((first, rest)) = self.inputs.split_first() {
            cell.copy_from(first);
            self.inputs = rest;
        }
    }

    fn next_seq(&self) -> u64 {
        self.inputs.first().map_or(0, |input| input.head().seq)
    }
}

/// The inputs of a recording, as they were in the ring.
pub fn inputs_of(recording: &Recording) -> Vec<InputCell> {
    let cell = |bytes: &[u8]| {
        let mut cell = InputCell::default();
        cell.put_bytes(bytes);
        cell
    };
    recording.inputs().map(|view| cell(view.bytes())).collect()
}

/// Runs inputs through a machine of a scene that begins with `image`, and returns what it recorded and its state.
///
/// # Panics
/// If the image does not fit.
pub fn play(scene: &Scene, image: Option<&Image>, inputs: &[InputCell]) -> (Recording, Image) {
    let first = inputs.first().map_or(0, |input| input.head().seq);
    let mut recording = Recording::beginning(first);
    let mut machine = scene.machine(&mut recording);
    if let Some(image) = image {
        machine.load(image).unwrap_or_else(|unfit| panic!("{unfit}"));
    }
    drive(&mut Canned { inputs }, &mut machine, &mut |_| {}).expect("memory takes all frames");
    let image = machine.save();
    close(&mut machine).expect("memory takes all frames");
    drop(machine);
    (recording, image)
}

/// The ledger of a run so far, once through its bytes.
///
/// # Panics
/// If it does not read back.
pub fn ledger_of(scene: &Scene, inputs: &[InputCell]) -> Ledger {
    let mut ledger = Ledger::new(&scene.semantic);
    for input in inputs {
        ledger.observe(input);
    }
    let mut bytes = Vec::new();
    ledger.state(&mut Codec::save(&mut bytes)).expect("saving does not fail");
    let mut other = Ledger::new(&scene.semantic);
    let mut codec = Codec::load(&bytes);
    other.state(&mut codec).and_then(|()| codec.finish()).unwrap_or_else(|error| panic!("{error}"));
    let mut again = Vec::new();
    other.state(&mut Codec::save(&mut again)).expect("saving does not fail");
    assert_eq!(bytes, again, "a ledger reads back to the byte");
    other
}

/// Goes on with a scene whose first inputs these are: run start, sources up, and what the sequencer makes of the
/// records that are not among them. Returns all that it recorded.
///
/// # Panics
/// If the state does not fit.
pub fn go_on(scene: &Scene, image: &Image, before: &[InputCell]) -> Recording {
    let ledger = ledger_of(scene, before);
    let base_seq = before.last().map_or(0, |input| input.head().seq + 1);
    let mut recording = Recording::beginning(base_seq);
    let mut machine = scene.machine(&mut recording);
    machine.load(image).unwrap_or_else(|unfit| panic!("{unfit}"));
    let mut sequencer = Sequencer::new(plan(scene, &ledger, before, base_seq));
    drive(&mut sequencer, &mut machine, &mut |_| {}).expect("memory takes all frames");
    close(&mut machine).expect("memory takes all frames");
    let counted = tally(&machine);
    drop(machine);
    recording.tally = counted;
    recording
}

fn plan(scene: &Scene, ledger: &Ledger, before: &[InputCell], base_seq: u64) -> Plan {
    let taken = |record: &InputCell| {
        before.iter().any(|b| is_of_the_market(b) && b.line()[32..] == record.line()[32..])
    };
    let rest = |records: &Vec<InputCell>| {
        records.iter().copied().filter(|record| !taken(record)).collect::<Vec<_>>()
    };
    let mut rest_of = scene.clone();
    rest_of.sources = scene.sources.iter().map(rest).collect();
    let mut plan = rest_of.plan(Arc::new(AtomicBool::new(false)));
    let head = RunStart::header(ledger.engine_time, 0);
    let mut start = RunStart { head, epoch: 2, base_seq, ..RunStart::zeroed() };
    start.tail.instrument = NO_INSTRUMENT;
    let sources = plan.prologue.split_off(1 + scene.instruments.len());
    let missing = plan.prologue.split_off(1 + ledger.instruments.len());
    plan.prologue = [vec![InputCell::from(&start)], missing, sources].concat();
    let mut schedule = ledger.schedule.clone();
    for listed in scene.instruments.iter().skip(ledger.instruments.len()) {
        schedule.add(crate::scene::calendar(&listed.def.calendar));
    }
    scene.follow(&mut schedule);
    Plan { base_seq, engine_time: ledger.engine_time, schedule, ..plan }
}

/// The inputs that the market, its calendar and its operators made: without what runs and their sources said of
/// themselves, and without what differs between one run and two (sequences).
pub fn story(inputs: &[InputCell]) -> Vec<Vec<u8>> {
    let of_a_run = |input: &InputCell| {
        input.is::<RunStart>() || input.is::<SourceStatus>() || input.is::<RunEnd>()
    };
    let told = inputs.iter().filter(|input| !of_a_run(input));
    told.map(|input| {
        let mut input = *input;
        input.head_mut().seq = 0;
        input.bytes().to_vec()
    })
    .collect()
}

/// The records of kind `T`, without sequence and index.
pub fn outputs<T: Frame>(recordings: &[&Recording]) -> Vec<Vec<u8>> {
    let of = |recording: &&Recording| {
        let strip = |mut record: T| {
            let head = record.head_mut();
            if head.seq == 0 {
                // The run start's slot carries wall time.
                head.ts_recv = 0;
            }
            (head.seq, head.index) = (0, 0);
            bytemuck::bytes_of(&record).to_vec()
        };
        recording.all::<T>().into_iter().map(strip).collect::<Vec<_>>()
    };
    recordings.iter().flat_map(of).collect()
}
