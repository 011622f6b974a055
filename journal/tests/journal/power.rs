//! Promises P2 and P4 on a simulated disk: after a power cut at any call, with any subset of what was
//! pending on the disk, a recovery finds everything durable, a prefix of what was written, and nothing
//! that an earlier recovery declared lost.
//!
//! `GRANDMODEL_POWER_IMAGES=1000000 cargo test --release -p journal --test journal power -- --nocapture`
//!
//! `GRANDMODEL_SEED` chooses where it begins.

use crate::support::{Random, Slot, campaign, slot, strip};
use journal::sim::{Came, Fault, Pending, Sim};
use journal::{
    Case, Durability, Journal, JournalError, Options, Recovery, Writer, recover_on, verify_on,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Subsets of more are drawn at random.
const ALL_SUBSETS_OF: usize = 12;
const DRAWN: usize = 256;
/// Slots that nearly fill a segment.
const NEAR_A_ROLL: u64 = 290;
/// Slots that fill a segment and more; Miri's hold a few each.
const ROLLS: u64 = if cfg!(miri) { 80 } else { 2 * NEAR_A_ROLL };
/// Images of the reduced campaign.
const REDUCED: u64 = 2_000;

fn dir() -> &'static Path {
    Path::new("/sim")
}

fn options() -> Options {
    Options { ready_segments: 1, ..crate::support::synced(dir()) }
}

/// What a life of the journal wrote, and what it was told was durable.
struct Life {
    log: Vec<Slot>,
    durability: Option<Durability>,
    /// What the recovery before it promised to be durable.
    promised: u64,
    error: Option<JournalError>,
}

impl Life {
    fn durable(&self) -> u64 {
        self.durability.as_ref().map_or(self.promised, |d| d.durable().next_seq())
    }
}

/// How a life goes on: slots before anything is looked at, then slots with a sync every so many.
#[derive(Clone, Copy)]
struct Script {
    seed: u64,
    ahead: u64,
    slots: u64,
    sync_every: u64,
    /// Slots to a batch: a roll can be in its middle.
    publish_every: u64,
    close: bool,
}

impl Script {
    fn draw(random: &mut Random) -> Self {
        let near_a_roll = random.below(2) == 0;
        // Many pages pending, few cuts.
        let wide = random.below(4) == 0;
        Self {
            seed: random.next(),
            ahead: if near_a_roll { NEAR_A_ROLL + random.below(40) as u64 } else { 0 },
            slots: if wide { 60 } else { 4 + random.below(10) as u64 },
            sync_every: if wide {
                20 + random.below(40) as u64
            } else {
                2 + random.below(4) as u64
            },
            publish_every: if random.below(2) == 0 { 1 } else { 2 + random.below(6) as u64 },
            close: random.below(3) == 0,
        }
    }
}

/// Writes until the script or the power ends; `ready` is called when the part to be looked at begins.
fn live(sim: &Sim, log: Vec<Slot>, script: Script, ready: &mut dyn FnMut()) -> Life {
    let promised = 0;
    let mut life = Life { log, durability: None, promised, error: None };
    let store = Arc::new(sim.clone());
    let made = if life.log.is_empty() && sim.pending().is_empty() && sim.calls() == 0 {
        Writer::create_on(store, &options(), true)
    } else {
        Writer::resume_on(store, &options(), true).map(|(writer, recovery)| {
            life.log.truncate(recovery.next_seq as usize);
            writer
        })
    };
    life.error = match made {
        Err(error) => Some(error),
        Ok(writer) => {
            life.durability = Some(writer.durability());
            write(sim, writer, &mut life, script, ready).err()
        }
    };
    life
}

fn write(
    sim: &Sim,
    mut writer: Writer,
    life: &mut Life,
    script: Script,
    ready: &mut dyn FnMut(),
) -> Result<(), JournalError> {
    let mut random = Random(script.seed);
    for n in 0..script.ahead + script.slots {
        if n == script.ahead {
            ready();
        }
        let seq = life.log.len() as u64;
        let next = slot(seq, &mut random);
        writer.begin(seq)?;
        for (index, frame) in next.iter().enumerate() {
            writer.append(frame, index + 1 == next.len());
            if n >= script.ahead && index + 1 < next.len() {
                sim.step();
            }
        }
        life.log.push(next);
        if n % script.publish_every == 0 {
            writer.publish();
        }
        if n >= script.ahead {
            sim.step();
        }
        if n % script.sync_every == 0 {
            writer.durability().want(seq);
            writer.pump();
            if let Some(failure) = writer.sync_failure() {
                return Err(failure);
            }
        }
    }
    if script.close { writer.close().map(|_| ()) } else { Ok(()) }
}

/// The slots on a disk must be the log's first `next_seq` ones.
fn check_log(sim: &Sim, log: &[Slot], recovery: &Recovery) -> Result<(), String> {
    let journal = match Journal::open_on(sim, dir()) {
        // Nothing was left to keep.
        Err(JournalError::NoJournal { .. }) if recovery.next_seq == 0 => return Ok(()),
        journal => journal.map_err(|e| format!("open: {e}"))?,
    };
    let mut frames = journal.frames();
    let mut slots = log.iter();
    let (mut due, mut seen) = (Vec::new().into_iter(), 0);
    while let Some(frame) = frames.next().map_err(|e| format!("read: {e}"))? {
        if frame.head().index == 0 {
            due = slots.next().ok_or("a slot that was never written")?.clone().into_iter();
        }
        if due.next() != Some(strip(frame.bytes)) {
            return Err(format!("sequence {}: another record", frame.head().seq));
        }
        seen += u64::from(frame.is_last());
    }
    if seen != recovery.next_seq {
        return Err(format!("{seen} slots of {}", recovery.next_seq));
    }
    Ok(())
}

fn refused(error: &JournalError) -> String {
    format!("refused: {error}")
}

/// Recovers a disk and holds it against the log.
fn check(
    sim: &Sim,
    life: &Life,
    cases: &mut BTreeMap<Case, u64>,
) -> Result<Option<Recovery>, String> {
    let durable = life.durable();
    let recovery = match recover_on(sim, dir(), true) {
        // Cut before there was anything.
        Err(JournalError::NoJournal { .. }) if durable == 0 => return Ok(None),
        recovery => recovery.map_err(|error| refused(&error))?,
    };
    *cases.entry(recovery.case).or_default() += 1;
    if recovery.next_seq < durable {
        return Err(format!("{} left of {durable} durable", recovery.next_seq));
    }
    check_log(sim, &life.log, &recovery)?;
    if recovery.next_seq == 0 {
        return Ok(Some(recovery));
    }
    let report = verify_on(sim, dir(), &mut |_| ()).map_err(|e| format!("verify: {e}"))?;
    match &report.findings[..] {
        [] => Ok(Some(recovery)),
        findings => Err(format!("verify: {findings:?}")),
    }
}

/// Every subset of what is pending, or some of them, with torn pages or without.
fn subsets(pending: &[Pending], torn: bool, random: &mut Random) -> Vec<Vec<(Pending, Came)>> {
    let draw = |random: &mut Random| match (torn, random.below(4)) {
        (_, 0) => Came::No,
        (true, 1 | 2) => Came::Torn(random.below(256) as u8),
        _ => Came::Whole,
    };
    let all = !torn && pending.len() <= ALL_SUBSETS_OF;
    let count = match pending.len() {
        0 => 1,
        len if all => 1 << len,
        _ => DRAWN,
    };
    (0..count)
        .map(|mask: usize| {
            let came = |(at, pending): (usize, &Pending)| {
                let came = match all {
                    true if mask & 1 << at != 0 => Came::Whole,
                    true => Came::No,
                    false => draw(random),
                };
                (pending.clone(), came)
            };
            pending.iter().enumerate().map(came).collect()
        })
        .collect()
}

#[derive(Default)]
struct Tally {
    images: u64,
    points: u64,
    second: u64,
    calls: u64,
    cases: BTreeMap<Case, u64>,
    most_pending: usize,
}

/// Cuts one script at every call, and each image a second time: in its recovery, or in its next life.
fn explore(
    script: Script,
    torn: bool,
    lies: bool,
    most: u64,
    random: &mut Random,
    tally: &mut Tally,
) -> Result<(), String> {
    let fresh = || {
        let sim = Sim::new();
        if lies {
            sim.lie();
        }
        sim
    };
    let (clean, mut first) = (fresh(), 0);
    let whole = live(&clean, Vec::new(), script, &mut || first = clean.calls());
    if let Some(error) = &whole.error {
        return Err(format!("a clean run: {error}"));
    }
    // With nothing ahead, the making of the journal is looked at as well.
    let first = if script.ahead == 0 { 0 } else { first };
    for call in first + 1..=clean.calls() {
        let sim = fresh();
        sim.set_fault(call, Fault::Cut);
        let life = live(&sim, Vec::new(), script, &mut || ());
        let pending = sim.pending();
        tally.points += 1;
        tally.most_pending = tally.most_pending.max(pending.len());
        for came in subsets(&pending, torn, random) {
            let told =
                |why: String| format!("cut at call {call} ({:?}): {why}; {came:?}", sim.met());
            let image = sim.after_cut(&came);
            tally.images += 1;
            if random.below(4) == 0 {
                cut_again(&image, &life, torn, random, tally).map_err(told)?;
            } else {
                check(&image, &life, &mut tally.cases).map_err(told)?;
            }
            if tally.images >= most {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// A second life that is cut at a random call of its recovery or of its writing.
fn cut_again(
    image: &Sim,
    life: &Life,
    torn: bool,
    random: &mut Random,
    tally: &mut Tally,
) -> Result<(), String> {
    let script = Script { ahead: 0, slots: 3 + random.below(6) as u64, ..Script::draw(random) };
    // How many calls a whole second life takes: asked now and then, as it costs one.
    if tally.second.is_multiple_of(16) {
        let dry = image.after_cut(&[]);
        let trial = live(&dry, life.log.clone(), script, &mut || ());
        match &trial.error {
            None => {}
            Some(JournalError::NoJournal { .. }) if life.durable() == 0 => return Ok(()),
            Some(error) => return Err(refused(error)),
        }
        tally.calls = dry.calls();
    }
    let twice = image.after_cut(&[]);
    twice.set_fault(1 + random.next() % tally.calls, Fault::Cut);
    let mut second = live(&twice, life.log.clone(), script, &mut || ());
    second.promised = life.durable();
    let drawn = subsets(&twice.pending(), torn, random);
    let last = twice.after_cut(&drawn[random.below(drawn.len())]);
    tally.images += 1;
    tally.second += 1;
    check(&last, &second, &mut tally.cases).map(|_| ()).map_err(|why| format!("second cut: {why}"))
}

fn run(torn: bool, lies: bool, most: u64, seed: u64) -> (Tally, Option<String>) {
    let mut tally = Tally::default();
    let mut random = Random(seed);
    while tally.images < most {
        let script = Script::draw(&mut random);
        // Several scripts also where few images are asked for.
        let until = most.min(tally.images + most / 8 + 1);
        if let Err(why) = explore(script, torn, lies, until, &mut random, &mut tally) {
            return (tally, Some(why));
        }
    }
    (tally, None)
}

fn told(name: &str, torn: bool, reduced: u64) {
    let (most, seed) = campaign("GRANDMODEL_POWER_IMAGES", reduced);
    let started = std::time::Instant::now();
    let (tally, failure) = run(torn, false, most, seed);
    println!(
        "{name}: seed {seed}, {} images ({} of a second cut) of {} cut points, at most {} pending, \
         {} failures, {:.1} s, cases {:?}",
        tally.images,
        tally.second,
        tally.points,
        tally.most_pending,
        u8::from(failure.is_some()),
        started.elapsed().as_secs_f64(),
        tally.cases,
    );
    assert!(failure.is_none(), "seed {seed}: {}", failure.unwrap_or_default());
    assert!(tally.second > 0 && tally.cases.contains_key(&Case::D));
}

#[test]
fn any_subset_of_pending_pages_at_any_cut_keeps_what_was_durable_and_a_prefix() {
    told("page subsets", false, REDUCED);
}

#[test]
fn pages_torn_at_sectors_at_any_cut_keep_what_was_durable_and_a_prefix() {
    told("sector tears", true, REDUCED);
}

/// What Miri can interpret, where a campaign would take days: a life with a roll, cut at a call
/// in its middle; a recovery; a life behind it, closed.
#[test]
fn a_life_with_a_roll_a_cut_and_a_life_behind_it_keep_what_was_durable() {
    let (_, seed) = campaign("", 0);
    let mut random = Random(seed);
    let script = Script {
        ahead: 0,
        slots: ROLLS,
        sync_every: 2,
        publish_every: 1,
        close: true,
        ..Script::draw(&mut random)
    };
    let clean = Sim::new();
    let whole = live(&clean, Vec::new(), script, &mut || ());
    assert!(whole.error.is_none(), "{:?}", whole.error);
    let segments = Journal::open_on(&clean, dir()).unwrap().segments().count();
    assert!(segments > 1, "it rolled");
    let sim = Sim::new();
    sim.set_fault(1 + clean.calls() * 3 / 4, Fault::Cut);
    let life = live(&sim, Vec::new(), script, &mut || ());
    let came: Vec<_> = sim
        .pending()
        .into_iter()
        .map(|pending| (pending, if random.below(2) == 0 { Came::Whole } else { Came::No }))
        .collect();
    let image = sim.after_cut(&came);
    assert!(sim.met().is_some() && life.durable() > 0, "seed {seed}: cut behind a sync");
    let recovery = check(&image, &life, &mut BTreeMap::new()).unwrap();
    let left = recovery.map_or(0, |recovery| recovery.next_seq);
    assert!(left > 0, "seed {seed}: nothing is left");
    let script = Script { slots: 2, ..script };
    let second = live(&image, life.log.clone(), script, &mut || ());
    assert!(second.error.is_none(), "{:?}", second.error);
    check(&image, &second, &mut BTreeMap::new()).unwrap();
}

#[test]
fn a_disk_that_lies_about_a_sync_is_noticed() {
    let (tally, failure) = run(false, true, 20_000, 1);
    println!("canary: noticed after {} images: {failure:?}", tally.images);
    let failure = failure.expect("the canary is noticed");
    assert!(failure.contains("durable"), "{failure}");
}

/// A log without epochs, as the crate's is not: scans to the first bad record and appends there.
mod naive {
    use super::*;
    use journal::store::Store;

    const RECORD: usize = 2_048;
    const PAGES: usize = 4;

    fn record(epoch: Option<u32>, seq: u64, life: u64) -> Vec<u8> {
        let mut bytes = vec![0; RECORD];
        bytes[8..16].copy_from_slice(&seq.to_le_bytes());
        bytes[16..24].copy_from_slice(&life.to_le_bytes());
        let crc = crc32c::crc32c_append(epoch.unwrap_or(7), &bytes[4..]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The lives that wrote the records that a scan believes, with the epochs that it has seen.
    fn scan(file: &[u8], epochs: Option<&[u32]>) -> Vec<u64> {
        let mut lives = Vec::new();
        let mut epoch = 0;
        for (seq, bytes) in (0..).zip(file.chunks(RECORD)) {
            let life = u64::from_le_bytes(bytes[16..24].try_into().unwrap());
            let known = match epochs {
                None => (*bytes == record(None, seq, life)).then_some(0),
                Some(epochs) => {
                    (epoch..epochs.len()).find(|at| *bytes == record(Some(epochs[*at]), seq, life))
                }
            };
            let Some(at) = known else { break };
            epoch = at;
            lives.push(life);
        }
        lives
    }

    /// Two cuts over 4 pages of 2 records: in how many images does a record come back that the first
    /// recovery had declared lost?
    pub fn resurrections(with_epochs: bool) -> (u64, u64) {
        let path = Path::new("/log");
        let (mut images, mut phantoms) = (0, 0);
        for first in 1..=PAGES * 2 {
            let sim = Sim::new();
            let file = sim.create(path).unwrap();
            file.reserve((PAGES * 4096) as u64).unwrap();
            file.sync().and_then(|()| sim.sync_dir(Path::new("/"))).unwrap();
            let epoch = |life: u32| with_epochs.then_some(life);
            for seq in 0..first {
                file.write_at(&record(epoch(1), seq as u64, 1), (seq * RECORD) as u64).unwrap();
            }
            for came in subsets(&sim.pending(), false, &mut Random(1)) {
                let image = sim.after_cut(&came);
                let epochs = with_epochs.then_some(&[1_u32, 2][..]);
                let left = scan(&image.view(path).unwrap().bytes, epochs).len();
                for more in 0..=PAGES * 2 - left {
                    let second = image.after_cut(&[]);
                    let file = second.open(path).unwrap();
                    for seq in left..left + more {
                        let at = (seq * RECORD) as u64;
                        file.write_at(&record(epoch(2), seq as u64, 2), at).unwrap();
                    }
                    for came in subsets(&second.pending(), false, &mut Random(1)) {
                        let last = second.after_cut(&came);
                        let found = scan(&last.view(path).unwrap().bytes, epochs);
                        images += 1;
                        phantoms += u64::from(found.iter().skip(left).any(|life| *life == 1));
                    }
                }
            }
        }
        (images, phantoms)
    }
}

#[test]
fn a_log_without_epochs_brings_dead_records_back_and_one_with_epochs_does_not() {
    let (images, without) = naive::resurrections(false);
    let (_, with) = naive::resurrections(true);
    println!(
        "canary: of {images} images, {without} with a dead record without epochs, {with} with"
    );
    assert!(without > 0 && with == 0);
}
