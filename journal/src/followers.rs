//! `DIR/followers/NAME`: how far each named follower has read, so that retention spares what it has not.
//!
//! One line, `segment offset sequence crc32c`, replaced as a whole: a kill leaves the old one or the new one.
//! The follower writes its own, in whatever process it lives; the writer's side only reads.

use crate::error::JournalError;
use crate::follower::Position;
use crate::header::PAGE;
use crate::plain;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

const FOLDER: &str = "followers";
/// How the names of half-written positions begin: no name of a follower does.
const ASIDE: &str = ".new-";
/// Longest name.
const LONGEST: usize = 64;

/// A follower's name: 1 to 64 letters, digits, `-` and `_`.
///
/// # Errors
/// [`JournalError::Options`], with what a name may be.
fn path_of(dir: &Path, name: &str) -> Result<PathBuf, JournalError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name.is_empty() || name.len() > LONGEST || !name.bytes().all(fits) {
        let what =
            format!("a follower's name is 1 to {LONGEST} letters, digits, - and _: {name:?}");
        return Err(JournalError::Options { what });
    }
    Ok(dir.join(FOLDER).join(name))
}

/// Stores a follower's position, durably. To be called after what it made of the slots before it is safe.
///
/// # Errors
/// The name is none ([`JournalError::Options`]), or the file cannot be written.
pub fn store(dir: &Path, name: &str, position: Position) -> Result<(), JournalError> {
    let path = path_of(dir, name)?;
    let folder = dir.join(FOLDER);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.map_err(JournalError::io("create", &folder))?;
    let aside = folder.join(format!("{ASIDE}{name}"));
    let Position { segment, offset, seq } = position;
    let write = || {
        let mut file = File::create(&aside)?;
        let words = format!("{segment} {offset} {seq}");
        file.write_all(format!("{words} {:08x}\n", crc32c::crc32c(words.as_bytes())).as_bytes())?;
        file.sync_all()?;
        fs::rename(&aside, &path)?;
        File::open(&folder)?.sync_all()
    };
    write().map_err(JournalError::io("store the position", &path))
}

/// A follower's position; `None` if it never stored one.
///
/// # Errors
/// The name is none, or the file cannot be read, or holds no position.
pub fn stored(dir: &Path, name: &str) -> Result<Option<Position>, JournalError> {
    read(&path_of(dir, name)?)
}

/// Removes a follower's position: retention no longer waits for it. True if there was one.
///
/// # Errors
/// The name is none, or the file cannot be removed.
pub fn forget(dir: &Path, name: &str) -> Result<bool, JournalError> {
    let path = path_of(dir, name)?;
    match fs::remove_file(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        removed => removed.map(|()| true).map_err(JournalError::io("remove", &path)),
    }
}

/// Every follower that has stored a position, by name.
///
/// # Errors
/// One of them cannot be read: nothing may be removed then, as nobody knows what it has read.
pub fn all(dir: &Path) -> Result<Vec<(String, Position)>, JournalError> {
    let folder = dir.join(FOLDER);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(JournalError::io("list", &folder))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(JournalError::io("list", &folder))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with(ASIDE) {
            continue;
        }
        if let Some(position) = read(&entry.path())? {
            found.push((name, position));
        }
    }
    found.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

fn read(path: &Path) -> Result<Option<Position>, JournalError> {
    let io = || JournalError::io("read the position", path);
    let bytes = match plain::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(io())?,
    };
    let position = std::str::from_utf8(&bytes).ok().and_then(parse);
    position.map(Some).ok_or_else(|| {
        let what = "it holds no position; delete it, and that follower starts anew";
        io()(io::Error::new(ErrorKind::InvalidData, what))
    })
}

fn parse(text: &str) -> Option<Position> {
    let (words, crc) = text.strip_suffix('\n')?.rsplit_once(' ')?;
    if u32::from_str_radix(crc, 16).ok()? != crc32c::crc32c(words.as_bytes()) {
        return None;
    }
    let mut words = words.split(' ');
    let segment = words.next()?.parse().ok()?;
    let offset = words.next()?.parse().ok().filter(|offset| *offset >= PAGE as u64)?;
    let seq = words.next()?.parse().ok()?;
    words.next().is_none().then_some(Position { segment, offset, seq })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_comes_back_and_damage_is_an_error_for_all() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        assert_eq!(all(dir).unwrap(), []);
        assert_eq!(stored(dir, "sink").unwrap(), None);
        let first = Position { segment: 3, offset: 8_192, seq: 70 };
        let second = Position { segment: 4, offset: 4_096, seq: 90 };
        store(dir, "sink", first).unwrap();
        store(dir, "sink", second).unwrap();
        store(dir, "a-dashboard", first).unwrap();
        assert_eq!(stored(dir, "sink").unwrap(), Some(second));
        let expected = [("a-dashboard".to_string(), first), ("sink".to_string(), second)];
        assert_eq!(all(dir).unwrap(), expected);
        // A half-written one is nobody's.
        fs::write(dir.join("followers/.new-sink"), "3 81").unwrap();
        assert_eq!(all(dir).unwrap().len(), 2);
        let whole = fs::read_to_string(dir.join("followers/sink")).unwrap();
        for at in 0..whole.len() {
            let mut damage = whole.clone().into_bytes();
            damage[at] ^= 1;
            fs::write(dir.join("followers/sink"), &damage).unwrap();
            assert!(all(dir).is_err() && stored(dir, "sink").is_err(), "{at}: {damage:?}");
        }
        for damage in ["", "4 4096 90", "4 4096 90\n", &whole[..whole.len() - 1]] {
            fs::write(dir.join("followers/sink"), damage).unwrap();
            let error = all(dir).unwrap_err().to_string();
            assert!(error.contains("holds no position"), "{damage:?}: {error}");
        }
        assert!(forget(dir, "sink").unwrap());
        assert!(!forget(dir, "sink").unwrap());
        assert_eq!(all(dir).unwrap().len(), 1);
    }

    #[test]
    fn a_name_that_is_a_path_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let position = Position { segment: 0, offset: 4_096, seq: 0 };
        for name in ["", "..", "a/b", ".new-x", "a b", &"x".repeat(65)] {
            assert!(matches!(store(dir.path(), name, position), Err(JournalError::Options { .. })));
        }
    }
}
