//! Every disk call fails once, at each place in turn, until a run goes through: the end always has a name,
//! nothing durable is lost, and after a sync that failed `durable` stands still.
//!
//! `GRANDMODEL_FAULT_SCRIPTS=200 cargo test --release -p journal --test journal faults -- --nocapture`

use crate::support::{Random, Slot, campaign, slot, strip, synced};
use journal::sim::{Fault, Sim};
use journal::{Durability, Journal, JournalError, Options, Writer, recover_on, verify_on};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

fn dir() -> &'static Path {
    Path::new("/sim")
}

fn options() -> Options {
    Options { ready_segments: 1, ..synced(dir()) }
}

struct Run {
    log: Vec<Slot>,
    durability: Option<Durability>,
    /// `durable` when the first failure was seen.
    at_failure: Option<u64>,
    error: Option<JournalError>,
}

/// Create, write over a roll, close; resume, write, close. Goes on after a sync that failed, as a halted
/// engine does.
fn run(sim: &Sim, seed: u64) -> Run {
    let mut run = Run { log: Vec::new(), durability: None, at_failure: None, error: None };
    run.error = both_lives(sim, seed, &mut run).err();
    run
}

fn both_lives(sim: &Sim, seed: u64, run: &mut Run) -> Result<(), JournalError> {
    let mut random = Random(seed);
    let writer = Writer::create_on(Arc::new(sim.clone()), &options(), true)?;
    live(writer, 330 + random.next() % 40, run, &mut random)?;
    let (writer, recovery) = Writer::resume_on(Arc::new(sim.clone()), &options(), true)?;
    assert_eq!(recovery.next_seq, run.log.len() as u64, "it was closed");
    live(writer, 20, run, &mut random)
}

fn live(
    mut writer: Writer,
    slots: u64,
    run: &mut Run,
    random: &mut Random,
) -> Result<(), JournalError> {
    run.durability = Some(writer.durability());
    for n in 0..slots {
        let seq = run.log.len() as u64;
        let next = slot(seq, random);
        writer.begin(seq)?;
        for (index, frame) in next.iter().enumerate() {
            writer.append(frame, index + 1 == next.len());
        }
        run.log.push(next);
        writer.publish();
        if n % 16 == 0 {
            writer.durability().want(seq);
        }
        if n % 8 == 0 {
            writer.pump();
        }
        if writer.sync_failure().is_some() && run.at_failure.is_none() {
            run.at_failure = Some(writer.durable().next_seq());
            assert!(writer.durability().has_failed());
        }
    }
    writer.close().map(|_| ())
}

/// What is on the disk afterwards, in the page cache and after a power cut, holds everything durable.
fn check(sim: &Sim, run: &Run) -> Result<(), String> {
    let durable = run.durability.as_ref().map_or(0, |d| d.durable().next_seq());
    if let Some(at_failure) = run.at_failure
        && at_failure != durable
    {
        return Err(format!("durable moved from {at_failure} to {durable} after a failed sync"));
    }
    for (name, image) in [("cut", sim.after_cut(&[])), ("killed", sim.clone())] {
        let recovered = match recover_on(&image, dir(), true) {
            Err(JournalError::NoJournal { .. }) if durable == 0 => continue,
            recovered => recovered.map_err(|e| format!("{name}: {e}"))?,
        };
        if recovered.next_seq < durable {
            return Err(format!("{name}: {} of {durable} durable", recovered.next_seq));
        }
        // What a failed sync left clean in the cache must be on the disk now as well.
        for image in [image.after_cut(&[]), image.clone()] {
            read(&image, &run.log, recovered.next_seq).map_err(|why| format!("{name}: {why}"))?;
        }
    }
    Ok(())
}

fn read(sim: &Sim, log: &[Slot], due: u64) -> Result<(), String> {
    if due == 0 {
        return Ok(());
    }
    let journal = Journal::open_on(sim, dir()).map_err(|e| e.to_string())?;
    let mut frames = journal.frames();
    let mut expected = log.iter().take(due as usize).flatten();
    while let Some(frame) = frames.next().map_err(|e| e.to_string())? {
        if expected.next() != Some(&strip(frame.bytes)) {
            return Err(format!("sequence {}: another record", frame.head().seq));
        }
    }
    if expected.next().is_some() {
        return Err(format!("{} of {due} slots", frames.next_seq()));
    }
    let report = verify_on(sim, dir(), &mut |_| ()).map_err(|e| e.to_string())?;
    if report.findings.is_empty() { Ok(()) } else { Err(format!("{:?}", report.findings)) }
}

#[test]
fn every_call_that_fails_ends_by_name_and_loses_nothing_durable() {
    let (scripts, seed) = campaign("GRANDMODEL_FAULT_SCRIPTS", 1);
    let mut met = BTreeMap::<&str, (u64, u64)>::new();
    let (mut cases, mut unneeded) = (0, 0);
    for seed in seed..seed + scripts {
        for call in 1.. {
            let kind = [ErrorKind::Other, ErrorKind::StorageFull][call as usize % 2];
            let sim = Sim::new();
            sim.set_fault(call, Fault::Fail(kind));
            let run = run(&sim, seed);
            let Some(name) = sim.met() else {
                assert!(run.error.is_none(), "a clean run: {:?}", run.error);
                break;
            };
            cases += 1;
            let count = met.entry(name).or_default();
            count.0 += 1;
            count.1 += u64::from(run.at_failure.is_some());
            let told = format!("seed {seed}, {name} at call {call}: {:?}", run.error);
            match &run.error {
                Some(JournalError::Io { .. } | JournalError::DiskFull { .. }) => {}
                Some(_) => panic!("{told}: not its name"),
                // A spare that could not be made and that nobody needed: all is closed and whole.
                None => {
                    unneeded += 1;
                    let durable = run.durability.as_ref().map(|d| d.durable().next_seq());
                    assert_eq!(durable, Some(run.log.len() as u64), "{told}: in silence");
                    let report = verify_on(&sim, dir(), &mut |_| ()).unwrap();
                    assert!(report.is_sealed(), "{told}: {report:?}");
                }
            }
            check(&sim, &run).unwrap_or_else(|why| panic!("{told}: {why}"));
        }
    }
    println!(
        "fail the n-th call: seed {seed}, {cases} cases, 0 failures, {unneeded} of a spare that was not \
         needed; (met, of them latched) {met:?}"
    );
    assert!(met["sync_range"].1 > 0 && met["sync_data"].1 > 0, "syncs that failed were latched");
}

/// The canary: a recovery that only synced what is in the cache would believe pages that the disk lost.
#[test]
fn a_failed_sync_leaves_pages_that_a_second_sync_does_not_bring() {
    let sim = Sim::new();
    let path = Path::new("/sim/file");
    let file = journal::store::Store::create(&sim, path).unwrap();
    file.write_at(&[1; 5_000], 0).unwrap();
    file.sync().unwrap();
    journal::store::Store::sync_dir(&sim, dir()).unwrap();
    file.write_at(&[2; 5_000], 0).unwrap();
    sim.set_fault(sim.calls() + 1, Fault::Fail(ErrorKind::Other));
    assert!(file.sync().is_err());
    file.sync().unwrap();
    let on_disk =
        |sim: &Sim| journal::store::Store::view(&sim.after_cut(&[]), path).unwrap().bytes[0];
    assert_eq!(on_disk(&sim), 1, "a second sync brings nothing");
    file.write_at(&[2; 5_000], 0).unwrap();
    file.sync().unwrap();
    assert_eq!(on_disk(&sim), 2, "written again, it does");
}
