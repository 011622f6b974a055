//! Every error there is comes from something that happens to a journal, and says what, where, and what to do.

use crate::hooked::Hooked;
use crate::skipped::skipped;
use crate::support::{
    Random, SMALL, append, append_slot, closed, options, patch, patch_header, path, places,
    read_then_cut, slot, synced,
};
use journal::header::VERSION;
use journal::sim::{Fault, Sim};
use journal::{
    Case, Follower, Journal, JournalError, Limits, Options, Position, Until, Writer, objects,
    recover, verify,
};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// What happens in an empty directory, and the error of it; `None` where it cannot be made to happen.
type Scenario = fn(&Path) -> Option<JournalError>;

const SCENARIOS: &[(&str, Scenario)] = &[
    ("Io", a_file_where_its_directory_should_be),
    ("DiskFull", a_disk_without_room_for_a_segment),
    ("Locked", a_second_writer),
    ("Exists", a_new_journal_where_one_is),
    ("NoJournal", |dir| Journal::open(dir).err()),
    ("NotAFile", a_directory_named_like_a_segment),
    ("NotAJournal", a_foreign_file),
    ("NewerFormat", |dir| another_header(dir, 8, &(VERSION + 1).to_le_bytes())),
    ("OtherLayout", |dir| another_header(dir, 48, &[1; 8])),
    ("FileSystem", a_disk_that_copies_on_write),
    ("Options", |dir| Writer::create(&Options { epoch: 0, ..options(dir) }).err()),
    ("Damaged", a_rotten_frame),
    ("NoSuperblock", a_superblock_that_is_lost),
    ("SuperblockDamaged", a_superblock_that_rotted),
    ("Retired", a_position_that_retention_has_passed),
    ("PositionGone", a_position_that_a_power_cut_took),
    ("HelperGone", a_helper_that_panics),
    ("ObjectMissing", |dir| objects::get(dir, &[7; 32]).err()),
    ("ObjectDamaged", an_object_that_rotted),
];

#[test]
fn every_error_is_met_and_says_what_happened_where_and_what_to_do() {
    let mut damage = Vec::new();
    for name in JournalError::VARIANTS {
        let (_, scenario) = SCENARIOS
            .iter()
            .find(|(of, _)| of == name)
            .unwrap_or_else(|| panic!("nothing here meets {name}"));
        let parent = tempfile::tempdir().unwrap();
        let Some(error) = scenario(&parent.path().join("journal")) else {
            skipped(format!("{name} cannot be made to happen here"));
            continue;
        };
        println!("{name}: {error}");
        assert_eq!(error.variant(), *name, "{error}");
        let (what, place, fix) = error.parts();
        assert!(!what.is_empty() && !place.is_empty() && !fix.is_empty(), "{error:?}");
        assert_eq!(error.to_string(), format!("{what} ({place})"));
        assert_eq!(std::error::Error::source(&error).is_some(), *name == "Io");
        if error.is_damage() {
            damage.push(*name);
        }
    }
    assert_eq!(damage, ["Damaged", "SuperblockDamaged", "ObjectDamaged"]);
}

#[test]
fn every_case_of_a_recovery_has_words_of_its_own() {
    use Case::{A, B, C, D, E, F, G, H, I, J, K, X};
    let cases = [A, B, C, D, E, F, G, H, I, J, K, X];
    let words: BTreeSet<_> = cases.iter().map(|case| case.words()).collect();
    assert_eq!(words.len(), cases.len());
    assert_eq!(D.to_string(), "D (torn tail)");
}

fn a_file_where_its_directory_should_be(dir: &Path) -> Option<JournalError> {
    std::fs::write(dir, b"").unwrap();
    Writer::create(&options(&dir.join("journal"))).err()
}

fn a_disk_without_room_for_a_segment(_: &Path) -> Option<JournalError> {
    (1..).find_map(|call| {
        let sim = Sim::new();
        sim.set_fault(call, Fault::Fail(ErrorKind::StorageFull));
        let made = Writer::create_on(Arc::new(sim.clone()), &synced(Path::new("/sim")), true);
        (sim.met() == Some("reserve")).then(|| made.unwrap_err())
    })
}

fn a_second_writer(dir: &Path) -> Option<JournalError> {
    let _first = Writer::create(&options(dir)).unwrap();
    Writer::create(&options(dir)).err()
}

fn a_new_journal_where_one_is(dir: &Path) -> Option<JournalError> {
    closed(dir, 3, 1);
    Writer::create(&options(dir)).err()
}

fn a_directory_named_like_a_segment(dir: &Path) -> Option<JournalError> {
    closed(dir, 3, 1);
    std::fs::create_dir(path(dir, 1)).unwrap();
    Journal::open(dir).err()
}

fn a_foreign_file(dir: &Path) -> Option<JournalError> {
    std::fs::create_dir(dir).unwrap();
    std::fs::write(path(dir, 0), vec![b'x'; SMALL as usize]).unwrap();
    Journal::open(dir).err()
}

fn another_header(dir: &Path, at: usize, bytes: &[u8]) -> Option<JournalError> {
    closed(dir, 3, 1);
    patch_header(dir, at, bytes);
    Journal::open(dir).err()
}

/// A btrfs in a file.
fn a_disk_that_copies_on_write(dir: &Path) -> Option<JournalError> {
    let image = dir.with_extension("image");
    std::fs::File::create(&image).unwrap().set_len(128 << 20).unwrap();
    std::fs::create_dir(dir).unwrap();
    let ok = |command: &mut Command| command.output().is_ok_and(|out| out.status.success());
    let made = ok(Command::new("mkfs.btrfs").arg("-q").arg(&image))
        && ok(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(dir));
    made.then(|| {
        let error = Writer::create(&options(&dir.join("journal"))).unwrap_err();
        assert!(ok(Command::new("umount").arg("-l").arg(dir)));
        error
    })
}

fn a_rotten_frame(dir: &Path) -> Option<JournalError> {
    closed(dir, 30, 1);
    let (segment, offset, ..) = places(dir)[20];
    patch(dir, segment, offset + 40, &[0xA5; 8]);
    recover(dir, true).err()
}

fn superblock(dir: &Path) -> PathBuf {
    closed(dir, 3, 1);
    dir.join("superblock")
}

fn a_superblock_that_is_lost(dir: &Path) -> Option<JournalError> {
    std::fs::remove_file(superblock(dir)).unwrap();
    Writer::resume(&options(dir)).err()
}

fn a_superblock_that_rotted(dir: &Path) -> Option<JournalError> {
    std::fs::write(superblock(dir), [0xA5; 8_192]).unwrap();
    verify(dir, &mut |_| ()).err()
}

fn a_position_that_retention_has_passed(dir: &Path) -> Option<JournalError> {
    let mut writer = Writer::create(&synced(dir)).unwrap();
    append(&mut writer, 0, 2_000, &mut Random(1));
    writer.close().unwrap();
    let (writer, _) = Writer::resume(&synced(dir)).unwrap();
    let followers = Vec::new();
    let limits =
        Limits { max_age_ns: None, max_bytes: Some(0), keep_from_seq: u64::MAX, followers };
    writer.retention().apply(&limits, 0).unwrap();
    let read_before = Position { segment: 0, offset: 5_000, seq: 7 };
    Follower::open(dir, Some(read_before), Until::Durable).err()
}

fn a_position_that_a_power_cut_took(_: &Path) -> Option<JournalError> {
    let dir = Path::new("/sim");
    let (image, ahead) = read_then_cut(dir);
    let (mut writer, recovery) =
        Writer::resume_on(Arc::new(image.clone()), &synced(dir), true).unwrap();
    append(&mut writer, recovery.next_seq, 60, &mut Random(5));
    let until = Until::Journaled(writer.watermark());
    let mut follower = Follower::open_on(Arc::new(image), dir, Some(ahead), until).unwrap();
    follower.next().err()
}

fn a_helper_that_panics(dir: &Path) -> Option<JournalError> {
    let store = Hooked::new(|call| {
        let helper = std::thread::current().name() == Some("gm-segments");
        assert!(!helper || call != "sync", "a fault of the helper");
        Ok(())
    });
    let mut writer = Writer::create_on(store, &options(dir), false).unwrap();
    let mut random = Random(1);
    (0..).find_map(|seq| append_slot(&mut writer, seq, &slot(seq, &mut random)).err())
}

fn an_object_that_rotted(dir: &Path) -> Option<JournalError> {
    std::fs::create_dir(dir).unwrap();
    let sha = objects::put(dir, b"abc").unwrap();
    std::fs::write(dir.join("objects").join(objects::hex(&sha)), b"abd").unwrap();
    objects::get(dir, &sha).err()
}
