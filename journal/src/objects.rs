//! `DIR/objects/<sha256>`: what a run start names. A file's name is the hash of its bytes.

use crate::error::JournalError;
use crate::plain;
use sha2::{Digest, Sha256};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Stores bytes under their hash, durably: written aside, synced, renamed, the directory synced.
/// Bytes that are already there are left alone; a damaged file is replaced.
///
/// # Errors
/// [`JournalError::Io`] or [`JournalError::DiskFull`]; no half-written object is ever visible.
pub fn put(dir: &Path, bytes: &[u8]) -> Result<[u8; 32], JournalError> {
    let sha: [u8; 32] = Sha256::digest(bytes).into();
    if get(dir, &sha).is_ok() {
        return Ok(sha);
    }
    let objects = dir.join("objects");
    DirBuilder::new().recursive(true).mode(0o700).create(&objects).map_err(JournalError::disk(
        "create",
        &objects,
        "an object",
        bytes.len() as u64,
    ))?;
    let aside = objects.join(format!("{ASIDE}{}-{}", std::process::id(), hex(&sha)));
    let written = write(&aside, bytes);
    if written.is_err() {
        // The first error is the one to tell.
        let _ = std::fs::remove_file(&aside);
    }
    written?;
    let path = path_of(dir, &sha);
    std::fs::rename(&aside, &path).map_err(JournalError::io("rename to", &path))?;
    for directory in [&objects, dir] {
        File::open(directory)
            .and_then(|file| file.sync_all())
            .map_err(JournalError::io("sync", directory))?;
    }
    Ok(sha)
}

/// Hashes every object of the journal again and returns what is wrong with each, by path: another hash
/// than the name says, a name that is no hash, or no regular file. A journal without objects has
/// nothing wrong; files that a killed [`put`] left half-written are passed over.
///
/// # Errors
/// [`JournalError::Io`] where a file cannot be read at all.
pub fn verify_all(dir: &Path) -> Result<Vec<JournalError>, JournalError> {
    let objects = dir.join("objects");
    let entries = match std::fs::read_dir(&objects) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(JournalError::io("list", &objects))?,
    };
    let mut paths: Vec<PathBuf> = entries
        .iter()
        .filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(ASIDE.as_bytes()))
        .map(std::fs::DirEntry::path)
        .collect();
    paths.sort_unstable();
    let mut damaged = Vec::new();
    for path in paths {
        let metadata = std::fs::metadata(&path).map_err(JournalError::io("look up", &path))?;
        // Only a regular file is opened: a pipe would block.
        let sound = metadata.is_file() && {
            let mut sha = Sha256::new();
            let read = File::open(&path).and_then(|mut file| feed(&mut file, &mut sha));
            read.map_err(JournalError::io("read", &path))?;
            path.file_name().is_some_and(|name| *name == *hex(&sha.finalize().into()))
        };
        if !sound {
            damaged.push(JournalError::ObjectDamaged { path });
        }
    }
    Ok(damaged)
}

fn feed(file: &mut File, sha: &mut Sha256) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            len => sha.update(&buffer[..len]),
        }
    }
}

/// The bytes with this hash.
///
/// # Errors
/// [`JournalError::ObjectMissing`], or [`JournalError::ObjectDamaged`] if the file's bytes have
/// another hash.
pub fn get(dir: &Path, sha: &[u8; 32]) -> Result<Vec<u8>, JournalError> {
    let path = path_of(dir, sha);
    let bytes = match plain::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(JournalError::ObjectMissing { path });
        }
        read => read.map_err(JournalError::io("read", &path))?,
    };
    if Sha256::digest(&bytes)[..] != sha[..] {
        return Err(JournalError::ObjectDamaged { path });
    }
    Ok(bytes)
}

/// A hash as its file name: 64 lower-case digits.
pub fn hex(sha: &[u8; 32]) -> String {
    sha.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|n| DIGITS[usize::from(n)]).collect()
}

/// How the names of half-written objects begin.
const ASIDE: &str = "new-";

const DIGITS: [char; 16] =
    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];

fn path_of(dir: &Path, sha: &[u8; 32]) -> PathBuf {
    dir.join("objects").join(hex(sha))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), JournalError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(JournalError::disk("write", path, "an object", bytes.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_comes_back_under_the_hash_of_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let sha = put(dir.path(), b"abc").unwrap();
        assert_eq!(hex(&sha), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(put(dir.path(), b"abc").unwrap(), sha);
        assert_eq!(get(dir.path(), &sha).unwrap(), b"abc");
        assert_eq!(std::fs::read_dir(dir.path().join("objects")).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_object_is_never_returned_and_is_mended_by_storing_it_again() {
        let dir = tempfile::tempdir().unwrap();
        let sha = put(dir.path(), b"abc").unwrap();
        std::fs::write(path_of(dir.path(), &sha), b"abd").unwrap();
        assert!(matches!(get(dir.path(), &sha), Err(JournalError::ObjectDamaged { .. })));
        put(dir.path(), b"abc").unwrap();
        assert_eq!(get(dir.path(), &sha).unwrap(), b"abc");
        let missing = get(dir.path(), &[0; 32]);
        assert!(matches!(missing, Err(JournalError::ObjectMissing { .. })));
    }

    #[test]
    fn all_objects_are_hashed_again_and_the_damaged_ones_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let damaged = || -> Vec<PathBuf> {
            let errors = verify_all(dir.path()).unwrap();
            assert!(errors.iter().all(JournalError::is_damage));
            let path = |error| match error {
                JournalError::ObjectDamaged { path } => path,
                other => panic!("{other}"),
            };
            errors.into_iter().map(path).collect()
        };
        assert_eq!(damaged(), [] as [PathBuf; 0], "no objects at all");
        let long = vec![7; 200_000];
        let paths =
            [&b"abc"[..], b"abd", &long].map(|b| path_of(dir.path(), &put(dir.path(), b).unwrap()));
        std::fs::write(dir.path().join("objects/new-1-half"), b"ab").unwrap();
        assert_eq!(damaged(), [] as [PathBuf; 0]);
        std::fs::write(&paths[0], b"").unwrap();
        std::fs::write(&paths[2], &long[1..]).unwrap();
        let renamed = dir.path().join("objects/renamed");
        std::fs::rename(&paths[1], &renamed).unwrap();
        let mut expected = [paths[0].clone(), paths[2].clone(), renamed];
        expected.sort();
        assert_eq!(damaged(), expected);
    }
}
