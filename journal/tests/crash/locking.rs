//! One writer, whoever races for it and however long it sleeps.
//!
//! `GRANDMODEL_RACES=500 cargo test --release -p journal --test crash locking -- --nocapture`

use crate::hooked::{Defect, Hooked};
use crate::support::{Random, append, campaign, closed, memory_dir, options, read, unlocked};
use journal::store::Store;
use journal::{Disk, End, JournalError, Writer};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

const DIR: &str = "JOURNAL_LOCK_TEST_DIR";
const DEFECT: &str = "JOURNAL_LOCK_TEST_DEFECT";

struct Racer {
    child: Child,
    said: String,
}

/// A process that tries to write and says how it went; a winner holds on until its stdin is closed.
fn racers(dir: &Path, count: usize, defect: Defect) -> Vec<Racer> {
    let start = |_| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "locking::child_that_races_for_the_lock", "--nocapture"])
            .env(DIR, dir)
            .envs((defect != Defect::None).then_some((DEFECT, "1")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let mut children: Vec<Child> = (0..count).map(start).collect();
    let said: Vec<String> = children
        .iter_mut()
        .map(|child| {
            let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
            let told =
                lines.find_map(|line| Some(line.unwrap().split_once("race: ")?.1.to_owned()));
            told.unwrap_or_else(|| "nothing".to_owned())
        })
        .collect();
    children.into_iter().zip(said).map(|(child, said)| Racer { child, said }).collect()
}

/// Lets them go; false if one did not end well.
fn end(mut racers: Vec<Racer>) -> bool {
    for racer in &mut racers {
        drop(racer.child.stdin.take());
    }
    let mut ends = racers.into_iter().map(|mut racer| racer.child.wait().unwrap().success());
    ends.all(|well| well)
}

/// One race for a journal that is new or there: how many were refused, and how many of them by name.
fn race(random: &mut Random, defect: Defect) -> Result<(u64, u64), String> {
    let parent = memory_dir();
    let dir = parent.path().join("journal");
    let is_new = random.below(2) == 0;
    if !is_new {
        closed(&dir, 20, random.next());
    }
    let racers = racers(&dir, 2 + random.below(7), defect);
    let (won, lost): (Vec<_>, Vec<_>) = racers.iter().partition(|racer| racer.said == "won");
    let said: Vec<String> = racers.iter().map(|racer| racer.said.clone()).collect();
    let owners: Vec<String> = won.iter().map(|racer| format!("pid {}", racer.child.id())).collect();
    // Who has just locked may not have signed yet.
    let named = lost.iter().filter(|racer| owners.iter().any(|pid| racer.said.contains(pid)));
    let (refused, named) = (lost.len() as u64, named.count() as u64);
    let well = end(racers);
    if owners.len() != 1 {
        return Err(format!("{} of {} write: {said:?}", owners.len(), said.len()));
    }
    if !said.iter().all(|said| said == "won" || said.contains("is being written by")) || !well {
        return Err(format!("one writes, and: {said:?}"));
    }
    Ok((refused, named))
}

#[test]
fn of_many_processes_that_race_for_a_journal_exactly_one_writes() {
    let (races, seed) = campaign("GRANDMODEL_RACES", 20);
    let started = std::time::Instant::now();
    let mut random = Random(seed);
    let (mut refused, mut named) = (0, 0);
    for n in 0..races {
        let (more, by_name) = race(&mut random, Defect::None)
            .unwrap_or_else(|why| panic!("seed {seed}, race {n}: {why}"));
        refused += more;
        named += by_name;
    }
    println!(
        "races for the lock: seed {seed}, {races} races, 0 failures, {refused} refused, {named} by \
         name, {:.1} s",
        started.elapsed().as_secs_f64()
    );
    assert!(named * 2 > refused, "{named} of {refused} refusals name the owner");
}

/// The canary: with a lock that excludes nobody, several write.
#[test]
fn a_lock_that_excludes_nobody_is_noticed() {
    let mut random = Random(1);
    let mut met = (0..20).filter_map(|n| Some((n, race(&mut random, Defect::NoLock).err()?)));
    let noticed = met.find(|(_, why)| !why.starts_with("one writes"));
    println!("canary: noticed {noticed:?}");
    assert!(noticed.is_some(), "more than one writer is noticed");
}

/// How a journal whose owner is stopped refuses others for this long, or does not.
fn while_its_owner_is_stopped(ms: u64, other: &Arc<dyn Store>) -> Result<(), String> {
    let parent = memory_dir();
    let dir = parent.path().join("journal");
    let racers = racers(&dir, 1, Defect::None);
    let pid = racers[0].child.id();
    let signal = |name: &str| {
        assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
    };
    signal("-STOP");
    let (started, mut kept) = (std::time::Instant::now(), Ok(()));
    while kept.is_ok() && started.elapsed().as_millis() < u128::from(ms) {
        kept = match Writer::resume_on(other.clone(), &options(&dir), false) {
            Ok(_) => Err("its journal was taken from it".to_owned()),
            Err(error) if error.to_string().contains(&format!("pid {pid}")) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        std::thread::sleep(std::time::Duration::from_millis(ms / 10));
    }
    signal("-CONT");
    let well = end(racers);
    kept?;
    if !well || read(&dir).map_err(|e| e.to_string())?.1 != End::Sealed {
        return Err("it could not close its journal".to_owned());
    }
    Ok(())
}

#[test]
fn an_owner_that_is_stopped_keeps_its_journal() {
    let (ms, _) = campaign("GRANDMODEL_STOPPED_MS", 300);
    let disk: Arc<dyn Store> = Arc::new(Disk::default());
    while_its_owner_is_stopped(ms, &disk).unwrap();
    println!("an owner stopped for {ms} ms: refused all the while");
}

/// The canary: who steals from an owner that does not answer is noticed.
#[test]
fn a_lock_that_is_stolen_from_a_stopped_owner_is_noticed() {
    let thief: Arc<dyn Store> = Hooked::with(Defect::NoLock);
    let noticed = while_its_owner_is_stopped(300, &thief).unwrap_err();
    assert!(noticed.contains("taken from it"), "{noticed}");
}

#[test]
fn a_lock_file_without_its_owner_and_a_copied_directory_bar_nobody() {
    let parent = memory_dir();
    let dir = parent.path().join("journal");
    let mut slots = closed(&dir, 20, 1);
    std::fs::write(dir.join("LOCK"), format!("{} - 7\n", std::process::id())).unwrap();
    let (mut writer, _) = unlocked(|| Writer::resume(&options(&dir))).unwrap();
    slots.extend(append(&mut writer, 20, 30, &mut Random(2)));
    let copy = parent.path().join("copy");
    assert!(Command::new("cp").arg("-rp").arg(&dir).arg(&copy).status().unwrap().success());
    let (twin, recovery) = unlocked(|| Writer::resume(&options(&copy))).unwrap();
    assert_eq!(recovery.next_seq, 30, "the copy goes on from what was there");
    writer.close().unwrap();
    twin.close().unwrap();
    assert!(read(&dir).unwrap().0 == slots && read(&copy).unwrap().0 == slots);
}

/// Not a test by itself: does nothing unless the tests above start it.
#[test]
fn child_that_races_for_the_lock() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let options = options(Path::new(&dir));
    let store: Arc<dyn Store> = match std::env::var_os(DEFECT) {
        None => Arc::new(Disk::default()),
        Some(_) => Hooked::with(Defect::NoLock),
    };
    let made = match Writer::create_on(store.clone(), &options, false) {
        // As for a run that is told to go on.
        Err(JournalError::Exists { .. }) => {
            Writer::resume_on(store, &options, false).map(|(writer, _)| writer)
        }
        made => made,
    };
    match &made {
        Ok(_) => println!("\nrace: won"),
        Err(error) => println!("\nrace: {error}"),
    }
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    if let Ok(writer) = made {
        writer.close().unwrap();
    }
}
