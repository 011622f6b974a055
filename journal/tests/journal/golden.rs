//! A journal of each format version reads the same for ever; a newer one is refused by name.
//!
//! `tests/journal/golden/v1` holds the files of a closed journal, the zeros at their ends left out.
//! `GRANDMODEL_WRITE_GOLDEN=1` writes them anew, which only a new version may need.

use crate::support::{Random, SMALL, append, options, read};
use journal::{End, Journal, JournalError, Writer, verify};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Files, their lengths and their modes.
const FILES: [(&str, u64, u32); 2] =
    [("segment-00000000.gmj", SMALL, 0o444), ("superblock", 8_192, 0o600)];
/// CRC32C over all its frames as they lie in the file.
const FRAMES_CRC: u32 = 0xC003_6DFE;
const SLOTS: u64 = 40;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journal/golden/v1")
}

fn write_golden() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(&options(dir.path())).unwrap();
    append(&mut writer, 0, SLOTS, &mut Random(35));
    writer.close().unwrap();
    std::fs::create_dir_all(golden()).unwrap();
    for (name, ..) in FILES {
        let mut bytes = std::fs::read(dir.path().join(name)).unwrap();
        bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1);
        std::fs::write(golden().join(name), bytes).unwrap();
    }
}

/// The golden journal as it was.
fn restore(dir: &Path) {
    for (name, len, mode) in FILES {
        let mut bytes = std::fs::read(golden().join(name)).expect("a golden file");
        bytes.resize(len as usize, 0);
        std::fs::write(dir.join(name), bytes).unwrap();
        std::fs::set_permissions(dir.join(name), Permissions::from_mode(mode)).unwrap();
    }
}

#[test]
fn the_journal_of_format_version_1_reads_as_it_was_written() {
    if std::env::var_os("GRANDMODEL_WRITE_GOLDEN").is_some() {
        write_golden();
    }
    let dir = tempfile::tempdir().unwrap();
    restore(dir.path());
    let report = verify(dir.path(), &mut |_| ()).unwrap();
    assert!(report.is_sealed() && report.slots == SLOTS, "{report:?}");
    assert_eq!((report.durable, report.superblock_copies), (Some(SLOTS), 2));
    let journal = Journal::open(dir.path()).unwrap();
    let (mut frames, mut crc) = (journal.frames(), 0);
    while let Some(frame) = frames.next().unwrap() {
        crc = crc32c::crc32c_append(crc, frame.bytes);
    }
    assert_eq!(crc, FRAMES_CRC, "{crc:#010X}");

    // As the build before the superblock left it.
    std::fs::remove_file(dir.path().join("superblock")).unwrap();
    let (slots, end) = read(dir.path()).unwrap();
    assert_eq!((slots.len() as u64, end), (SLOTS, End::Sealed));
    let error = Writer::resume(&options(dir.path())).unwrap_err();
    assert!(matches!(error, JournalError::NoSuperblock { .. }), "{error}");
}

#[test]
fn a_superblock_of_a_newer_version_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    restore(dir.path());
    let path = dir.path().join("superblock");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[8] += 1;
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..128]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    for error in [
        Journal::open(dir.path()).map(|_| ()).unwrap_err(),
        Writer::resume(&options(dir.path())).map(|_| ()).unwrap_err(),
    ] {
        assert!(matches!(error, JournalError::NewerFormat { found: 2, .. }), "{error}");
    }
    let error = Writer::create(&options(dir.path())).unwrap_err();
    assert!(matches!(error, JournalError::Exists { .. }), "{error}");
}
