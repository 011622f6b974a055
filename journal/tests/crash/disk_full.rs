//! A disk that somebody else fills at any moment stops the journal by name: no signal, nothing journaled
//! lost, and it goes on once there is room.
//!
//! `GRANDMODEL_DISK_FULL=1000 cargo test --release -p journal --test crash disk_full -- --nocapture`

use crate::hooked::{Defect, Hooked};
use crate::skipped::skipped;
use crate::support::{
    Random, append, append_slot, campaign, options, patch, places, read, slot, synced, unlocked,
};
use journal::{JournalError, Options, Writer, verify};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const DIR: &str = "JOURNAL_DISK_FULL_TEST_DIR";
const DEFECT: &str = "JOURNAL_DISK_FULL_TEST_DEFECT";
const SEED: u64 = 9;

/// A file system of 64 MiB in a file, unmounted on drop.
struct Loop(PathBuf);

impl Loop {
    fn new(parent: &Path) -> Option<Self> {
        let (image, at) = (parent.join("image"), parent.join("disk"));
        std::fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
        std::fs::create_dir(&at).unwrap();
        let ok = |command: &mut Command| command.output().is_ok_and(|out| out.status.success());
        let made = ok(Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image))
            && ok(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&at));
        made.then_some(Self(at))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// What runs came to.
#[derive(Default)]
struct Tally {
    full: u64,
    goes_on: u64,
}

/// One journal on a disk that is filled at a random moment.
fn run(disk: &Path, defect: Defect, random: &mut Random, tally: &mut Tally) -> Result<(), String> {
    let (dir, filler) = (disk.join("journal"), disk.join("filler"));
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "disk_full::child_that_writes_until_the_disk_is_full", "--nocapture"])
        .env(DIR, &dir)
        .envs((defect != Defect::None).then_some((DEFECT, "1")))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_micros(random.next() % 60_000));
    // As much as fits, in steps, so that the last blocks go at some moment or other.
    let zeros = vec![1_u8; 64 << 10];
    let mut file = std::fs::File::create(&filler).unwrap();
    while std::io::Write::write_all(&mut file, &zeros).is_ok() {}
    drop(file);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    std::fs::remove_file(&filler).unwrap();
    if !output.status.success() {
        return Err(format!("{}: {text}", output.status));
    }
    let said = text.lines().find_map(|line| line.split_once("full: ")).expect("it says how").1;
    tally.full += 1;
    let journaled: u64 = said.split(' ').next().unwrap().parse().unwrap();
    if !said.contains("no space for") {
        return Err(said.to_owned());
    }
    if journaled > 0 {
        check(&dir, journaled)?;
        tally.goes_on += 1;
    }
    let _ = std::fs::remove_dir_all(&dir);
    Ok(())
}

/// Once there is room, a journal goes on behind what it had journaled, and holds just that.
fn check(dir: &Path, journaled: u64) -> Result<(), String> {
    let (writer, recovery) =
        unlocked(|| Writer::resume(&options(dir))).map_err(|e| format!("refused: {e}"))?;
    if recovery.next_seq != journaled {
        return Err(format!("{} slots left of {journaled}", recovery.next_seq));
    }
    writer.close().map_err(|e| e.to_string())?;
    let mut slots = Random(SEED);
    let found = read(dir).map_err(|e| e.to_string())?.0;
    if let Some(seq) = (0..).zip(&found).find(|(seq, found)| **found != slot(*seq, &mut slots)) {
        return Err(format!("sequence {} is not what was written", seq.0));
    }
    let findings = verify(dir, &mut |_| ()).map_err(|e| e.to_string())?.findings;
    if findings.is_empty() { Ok(()) } else { Err(format!("{findings:?}")) }
}

#[test]
fn a_disk_filled_by_somebody_else_never_kills_and_never_loses() {
    let (runs, seed) = campaign("GRANDMODEL_DISK_FULL", 3);
    let parent = tempfile::tempdir().unwrap();
    let Some(disk) = Loop::new(parent.path()) else {
        skipped("no loop device can be mounted here");
        return;
    };
    let (mut random, mut tally) = (Random(seed), Tally::default());
    let started = std::time::Instant::now();
    for n in 0..runs {
        run(&disk.0, Defect::None, &mut random, &mut tally)
            .unwrap_or_else(|why| panic!("seed {seed}, run {n}: {why}"));
    }
    let (Tally { full, goes_on }, seconds) = (tally, started.elapsed().as_secs_f64());
    println!(
        "disk full: seed {seed}, {runs} runs, {full} by name, {goes_on} went on, 0 signals, \
         {seconds:.1} s"
    );
}

/// The canary: without reserved blocks a store into the map meets the full disk, and SIGBUS ends the
/// process.
#[test]
fn a_segment_without_blocks_on_the_disk_is_noticed() {
    let parent = tempfile::tempdir().unwrap();
    let Some(disk) = Loop::new(parent.path()) else {
        skipped("no loop device can be mounted here");
        return;
    };
    let (mut random, mut tally) = (Random(1), Tally::default());
    // A run that ends for want of another segment first meets no hole.
    let mut met = (0..20).filter_map(|n| {
        let _ = std::fs::remove_dir_all(disk.0.join("journal"));
        Some((n, run(&disk.0, Defect::NoBlocks, &mut random, &mut tally).err()?))
    });
    let noticed = met.find(|(_, why)| why.contains("SIGBUS"));
    println!("canary: noticed {noticed:?}");
    assert!(noticed.is_some(), "a hole under the writer is noticed");
}

/// The canary: a slot that was journaled and is gone is missed.
#[test]
fn a_slot_that_a_full_disk_took_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(&options(dir.path())).unwrap();
    append(&mut writer, 0, 50, &mut Random(SEED));
    drop(writer);
    let last = *places(dir.path()).last().unwrap();
    patch(dir.path(), last.0, last.1, &vec![0; last.2]);
    assert_eq!(check(dir.path(), 50), Err("49 slots left of 50".to_owned()));
}

/// Not a test by itself: does nothing unless the test above starts it.
#[test]
fn child_that_writes_until_the_disk_is_full() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let options = Options { ready_segments: 2, ..synced(Path::new(&dir)) };
    let made = match std::env::var_os(DEFECT) {
        None => Writer::create(&options),
        Some(_) => Writer::create_on(Hooked::with(Defect::NoBlocks), &options, false),
    };
    let mut writer = match made {
        Err(error @ JournalError::DiskFull { .. }) => {
            println!("\nfull: 0 {error}");
            return;
        }
        made => made.unwrap(),
    };
    let mut random = Random(SEED);
    for seq in 0.. {
        match append_slot(&mut writer, seq, &slot(seq, &mut random)) {
            Ok(()) if seq % 64 == 0 => std::thread::sleep(Duration::from_micros(50)),
            Ok(()) => {}
            Err(error) => {
                assert!(matches!(error, JournalError::DiskFull { .. }), "{error}");
                println!("\nfull: {seq} {error}");
                // A halted engine closes what it has; that must work without room for more.
                writer.close().unwrap();
                return;
            }
        }
    }
}
