//! Promise P1: what the watermark covered survives `kill -9`.

use crate::support::{Random, append_slot, options, read, slot};
use journal::{End, Writer, verify};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const DIR: &str = "JOURNAL_CRASH_TEST_DIR";

#[test]
fn every_slot_below_the_watermark_survives_a_kill_at_any_point() {
    for round in 0..6 {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child_that_writes_until_it_is_killed", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut journaled = 0;
        let numbers =
            lines.by_ref().filter_map(|line| line.unwrap().strip_prefix("at ")?.parse().ok());
        for number in numbers.take(1 + round * 40) {
            journaled = number;
        }
        std::thread::sleep(Duration::from_micros(137 * round as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(journaled > 0, "the child never wrote");
        check(dir.path(), journaled);
    }
}

fn check(dir: &Path, journaled: u64) {
    let (slots, end) = read(dir).unwrap();
    assert!(slots.len() as u64 >= journaled, "{} of {journaled}", slots.len());
    let mut random = Random(journaled_seed());
    for (seq, found) in slots.iter().enumerate() {
        assert!(*found == slot(seq as u64, &mut random), "slot {seq}");
    }
    assert!(matches!(end, End::Open { .. } | End::Torn { .. }), "{end:?}");
    let report = verify(dir, &mut |_| ()).unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!(report.slots, slots.len() as u64);
}

fn journaled_seed() -> u64 {
    77
}

/// Not a test by itself: does nothing unless the test above starts it.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let mut writer = Writer::create(&options(Path::new(&dir))).unwrap();
    let (mut random, watermark) = (Random(journaled_seed()), writer.watermark());
    for seq in 0.. {
        append_slot(&mut writer, seq, &slot(seq, &mut random)).unwrap();
        if seq % 100 == 0 {
            let mut out = std::io::stdout().lock();
            writeln!(out, "\nat {}", watermark.next_seq()).and_then(|()| out.flush()).unwrap();
        }
    }
}
