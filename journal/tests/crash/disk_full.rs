//! A disk that somebody else fills at any moment stops the journal by name: no signal, nothing journaled
//! lost, and it goes on once there is room.
//!
//! `GRANDMODEL_DISK_FULL=1000 cargo test --release -p journal --test crash disk_full -- --nocapture`

use crate::support::{Random, append_slot, campaign, options, read, slot, synced, unlocked};
use journal::{JournalError, Options, Writer, verify};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const DIR: &str = "JOURNAL_DISK_FULL_TEST_DIR";
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

#[test]
fn a_disk_filled_by_somebody_else_never_kills_and_never_loses() {
    let (runs, seed) = campaign("GRANDMODEL_DISK_FULL", 3);
    let parent = tempfile::tempdir().unwrap();
    let Some(disk) = Loop::new(parent.path()) else {
        eprintln!("skipped: a_disk_filled_…: no loop device can be mounted here");
        return;
    };
    let mut random = Random(seed);
    let (mut full, mut goes_on) = (0, 0);
    for run in 0..runs {
        let (dir, filler) = (disk.0.join(format!("journal{run}")), disk.0.join("filler"));
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "disk_full::child_that_writes_until_the_disk_is_full", "--nocapture"])
            .env(DIR, &dir)
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
        assert!(output.status.success(), "run {run}: {:?}, {text}", output.status);
        let said = text.lines().find_map(|line| line.split_once("full: ")).expect("it says how").1;
        full += 1;
        std::fs::remove_file(&filler).unwrap();
        let journaled: u64 = said.split(' ').next().unwrap().parse().unwrap();
        assert!(said.contains("no space for"), "{said}");
        if journaled > 0 {
            let (writer, recovery) = unlocked(|| Writer::resume(&options(&dir))).unwrap();
            assert_eq!(recovery.next_seq, journaled, "run {run}");
            writer.close().unwrap();
            let mut slots = Random(SEED);
            let found = read(&dir).unwrap().0;
            assert!(
                found.iter().enumerate().all(|(n, found)| *found == slot(n as u64, &mut slots))
            );
            assert!(verify(&dir, &mut |_| ()).unwrap().findings.is_empty());
            goes_on += 1;
        }
        let _ = std::fs::remove_dir_all(&dir);
    }
    println!("disk full: seed {seed}, {runs} runs, {full} by name, {goes_on} went on, 0 signals");
}

/// Not a test by itself: does nothing unless the test above starts it.
#[test]
fn child_that_writes_until_the_disk_is_full() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let options = Options { ready_segments: 2, ..synced(Path::new(&dir)) };
    let mut writer = match Writer::create(&options) {
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
