//! Promise P1: what the watermark covered survives `kill -9`, whatever the process was doing, over many
//! lives of one directory.
//!
//! `GRANDMODEL_KILLS=10000 cargo test --release -p journal --test crash kills -- --nocapture`

use crate::support::{
    Random, Slot, append_slot, campaign, memory_dir, options, read, slot, unlocked, wait_for,
};
use journal::{Case, JournalError, Options, SyncBackend, Writer, recover};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const DIR: &str = "JOURNAL_KILL_TEST_DIR";
const LIFE: &str = "JOURNAL_KILL_TEST_LIFE";
/// Lives of a directory before a new one is begun.
const LIVES: u64 = 25;

/// A slot is a function of its sequence and of the life that wrote it.
fn slot_of(life: u64, seq: u64) -> Slot {
    slot(seq, &mut Random(life << 32 | seq))
}

/// What the child says in memory that outlives it: begun at, journaled, durable, inside a frame.
fn words(file: &File) -> [u64; 4] {
    let mut bytes = [0; 32];
    let _ = file.read_exact_at(&mut bytes, 0);
    bytemuck::cast(bytes)
}

fn say(file: &File, word: u64, value: u64) {
    file.write_all_at(&value.to_le_bytes(), word * 8).unwrap();
}

fn child(dir: &Path, life: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kills::child_that_writes_until_it_is_killed", "--nocapture"])
        .env(DIR, dir)
        .env(LIFE, life.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[derive(Default, Debug)]
struct Tally {
    kills: u64,
    before_the_first_slot: u64,
    inside_a_frame: u64,
    torn_by_chance: u64,
    slots: u64,
    cases: BTreeMap<Case, u64>,
}

/// One directory through many lives; returns at the number of kills asked for.
fn directory(most: u64, random: &mut Random, tally: &mut Tally) {
    let parent = memory_dir();
    let (dir, words_path) = (parent.path().join("journal"), parent.path().join("words"));
    let mut lives: Vec<(u64, u64)> = Vec::new();
    for life in 1..=LIVES {
        let file = File::create_new(&words_path).unwrap();
        file.set_len(32).unwrap();
        let mut child = child(&dir, life * 2 + u64::from(random.below(4) == 0));
        let file = File::open(&words_path).unwrap();
        if random.below(8) == 0 {
            std::thread::sleep(Duration::from_micros(random.next() % 20_000));
        } else {
            wait_for("the child's first slot", || words(&file)[1] > words(&file)[0]);
            std::thread::sleep(Duration::from_micros(random.next() % 3_000));
            if words(&file)[3] > 0 {
                wait_for("the child to stop inside a frame", || words(&file)[3] == 2);
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        tally.kills += 1;
        let [from, journaled, durable, inside] = words(&file);
        std::fs::remove_file(&words_path).unwrap();
        if journaled > from {
            lives.push((from, life));
        } else {
            tally.before_the_first_slot += 1;
        }
        tally.inside_a_frame += u64::from(inside == 2);
        check(&dir, &mut lives, life, [from, journaled, durable, inside], tally);
        if tally.kills >= most {
            return;
        }
    }
}

fn check(
    dir: &Path,
    lives: &mut Vec<(u64, u64)>,
    life: u64,
    [from, journaled, durable, inside]: [u64; 4],
    tally: &mut Tally,
) {
    let recovery = match unlocked(|| recover(dir, false)) {
        Err(JournalError::NoJournal { .. }) if journaled == 0 => return,
        recovery => recovery.unwrap_or_else(|e| panic!("life {life} refused to start: {e}")),
    };
    assert!(recovery.next_seq >= journaled, "life {life}: {recovery:?}, journaled {journaled}");
    assert!(recovery.next_seq >= durable && recovery.durable_before >= durable);
    // A life that was killed before it said so may have begun as well.
    if recovery.next_seq > lives.last().map_or(0, |(begun, _)| *begun) && journaled <= from {
        lives.push((lives_end(lives, dir), life));
    }
    *tally.cases.entry(recovery.case).or_default() += 1;
    tally.torn_by_chance += u64::from(recovery.case == Case::D && inside != 2);
    let mended = unlocked(|| recover(dir, life.is_multiple_of(2))).unwrap();
    let whole = match read(dir) {
        Ok((slots, _)) => slots,
        Err(JournalError::NoJournal { .. }) if mended.next_seq == 0 => return,
        Err(error) => panic!("life {life}: {error}"),
    };
    assert_eq!(whole.len() as u64, recovery.next_seq);
    for (seq, found) in whole.iter().enumerate() {
        let seq = seq as u64;
        let writer = lives.iter().rev().find(|(begun, _)| *begun <= seq).expect("a life").1;
        let fits = [writer * 2, writer * 2 + 1].iter().any(|life| *found == slot_of(*life, seq));
        assert!(fits, "life {life}: sequence {seq} is not what life {writer} wrote");
    }
    tally.slots += whole.len() as u64;
}

/// Where a life that said nothing began: behind what the lives before it had left.
fn lives_end(lives: &[(u64, u64)], dir: &Path) -> u64 {
    let (slots, _) = read(dir).unwrap();
    let mut end = lives.last().map_or(0, |(begun, _)| *begun);
    while let Some(found) = slots.get(end as usize) {
        let writer = lives.last().map_or(0, |(_, life)| *life);
        if ![writer * 2, writer * 2 + 1].iter().any(|life| *found == slot_of(*life, end)) {
            break;
        }
        end += 1;
    }
    end
}

#[test]
fn every_slot_below_the_watermark_survives_a_kill_at_any_point_and_none_is_invented() {
    let (most, seed) = campaign("GRANDMODEL_KILLS", 60);
    let started = std::time::Instant::now();
    let (mut random, mut tally) = (Random(seed), Tally::default());
    while tally.kills < most {
        directory(most, &mut random, &mut tally);
    }
    println!("kills: seed {seed}, 0 failures, {:.1} s, {tally:?}", started.elapsed().as_secs_f64());
    assert!(tally.inside_a_frame * 10 >= tally.kills || most < 60, "too few inside a frame");
}

/// The canary: a slot that the watermark covers and that is taken back is missed.
#[test]
#[should_panic(expected = "journaled 50")]
fn a_slot_that_is_lost_below_the_watermark_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(&options(dir.path())).unwrap();
    for seq in 0..50 {
        append_slot(&mut writer, seq, &slot_of(2, seq)).unwrap();
    }
    drop(writer);
    let last = *crate::support::places(dir.path()).last().unwrap();
    crate::support::patch(dir.path(), last.0, last.1, &vec![0; last.2]);
    check(dir.path(), &mut vec![(0, 1)], 1, [0, 50, 0, 0], &mut Tally::default());
}

/// Not a test by itself: does nothing unless the test above starts it.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let dir = Path::new(&dir);
    let life: u64 = std::env::var(LIFE).unwrap().parse().unwrap();
    let words = dir.parent().unwrap().join("words");
    let file = File::options().write(true).open(words).unwrap();
    let backend = [SyncBackend::Msync, SyncBackend::Off, SyncBackend::IoUring][life as usize % 3];
    let options = Options { sync_backend: backend, sync_interval_ms: 1, ..options(dir) };
    let mut writer = match unlocked(|| Writer::resume(&options)) {
        Err(JournalError::NoJournal { .. }) => Writer::create(&options).unwrap(),
        resumed => resumed.unwrap().0,
    };
    let from = writer.next_seq();
    say(&file, 0, from);
    let (watermark, durable) = (writer.watermark(), writer.durable());
    let stops_inside = life % 2 == 1;
    say(&file, 3, u64::from(stops_inside));
    let mut random = Random(life);
    let until = from + 1 + random.next() % 400;
    for seq in from.. {
        let next = slot_of(life, seq);
        if stops_inside && seq == until {
            writer.begin(seq).unwrap();
            let at = random.below(next.len());
            for frame in &next[..at] {
                writer.append(frame, false);
            }
            let bytes = 1 + random.below(next[at].len() - 1);
            writer.append_part(&next[at], at + 1 == next.len(), bytes);
            say(&file, 3, 2);
            loop {
                std::thread::park();
            }
        }
        append_slot(&mut writer, seq, &next).unwrap();
        say(&file, 1, watermark.next_seq());
        say(&file, 2, durable.next_seq());
    }
}
