//! One writer, whoever races for it and however long it sleeps.
//!
//! `GRANDMODEL_RACES=500 cargo test --release -p journal --test crash locking -- --nocapture`

use crate::support::{Random, append, campaign, closed, memory_dir, options, read, unlocked};
use journal::{End, JournalError, Writer};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const DIR: &str = "JOURNAL_LOCK_TEST_DIR";

struct Racer {
    child: Child,
    said: String,
}

/// A process that tries to write and says how it went; a winner holds on until its stdin is closed.
fn racers(dir: &Path, count: usize) -> Vec<Racer> {
    let start = |_| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "locking::child_that_races_for_the_lock", "--nocapture"])
            .env(DIR, dir)
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
            told.expect("a racer says how it went")
        })
        .collect();
    children.into_iter().zip(said).map(|(child, said)| Racer { child, said }).collect()
}

fn end(mut racers: Vec<Racer>) {
    for racer in &mut racers {
        drop(racer.child.stdin.take());
    }
    for mut racer in racers {
        assert!(racer.child.wait().unwrap().success());
    }
}

#[test]
fn of_many_processes_that_race_for_a_journal_exactly_one_writes() {
    let (races, seed) = campaign("GRANDMODEL_RACES", 20);
    let mut random = Random(seed);
    let (mut refused, mut named) = (0, 0);
    for race in 0..races {
        let parent = memory_dir();
        let dir = parent.path().join("journal");
        let is_new = random.below(2) == 0;
        if !is_new {
            closed(&dir, 20, race);
        }
        let racers = racers(&dir, 2 + random.below(4));
        let won: Vec<_> = racers.iter().filter(|racer| racer.said == "won").collect();
        assert_eq!(
            won.len(),
            1,
            "race {race}: {:?}",
            racers.iter().map(|r| &r.said).collect::<Vec<_>>()
        );
        let owner = format!("pid {}", won[0].child.id());
        for racer in racers.iter().filter(|racer| racer.said != "won") {
            refused += 1;
            // Who has just locked may not have signed yet.
            named += u64::from(racer.said.contains(&owner));
            assert!(racer.said.contains("is being written by"), "{}", racer.said);
        }
        end(racers);
    }
    assert!(named * 2 > refused, "{named} of {refused} refusals name the owner");
    println!("races for the lock: seed {seed}, {races} races, {refused} refused, {named} by name");
}

#[test]
fn an_owner_that_is_stopped_keeps_its_journal() {
    let (ms, _) = campaign("GRANDMODEL_STOPPED_MS", 300);
    let parent = memory_dir();
    let dir = parent.path().join("journal");
    let racers = racers(&dir, 1);
    let pid = racers[0].child.id();
    let signal = |name: &str| {
        assert!(Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success());
    };
    signal("-STOP");
    let started = std::time::Instant::now();
    while started.elapsed().as_millis() < u128::from(ms) {
        let error = Writer::resume(&options(&dir)).unwrap_err();
        assert!(error.to_string().contains(&format!("pid {pid}")), "{error}");
        std::thread::sleep(std::time::Duration::from_millis(ms / 10));
    }
    signal("-CONT");
    end(racers);
    assert_eq!(read(&dir).unwrap().1, End::Sealed);
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
    let made = match Writer::create(&options) {
        // As for a run that is told to go on.
        Err(JournalError::Exists { .. }) => Writer::resume(&options).map(|(writer, _)| writer),
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
