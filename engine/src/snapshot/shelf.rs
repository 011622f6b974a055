//! `DIR/snapshots`: written aside, synced, renamed, the directory synced, so that a crash leaves the old ones.

use crate::problem::Problem;
use crate::snapshot::file::{PEEK, Snapshot, Stand};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Name of the directory in a journal's.
pub const DIRECTORY: &str = "snapshots";
/// How the names of half-written snapshots begin.
const ASIDE: &str = "new-";

/// Where the snapshot that stands there lies.
pub fn path_of(dir: &Path, stand: &Stand) -> PathBuf {
    let name = if stand.chain {
        format!("{:020}-{}.gms", stand.seq, stand.epoch)
    } else {
        format!("{:020}.gms", stand.seq)
    };
    dir.join(DIRECTORY).join(name)
}

/// Writes a snapshot, durably; one of the same place is replaced.
///
/// # Errors
/// If it cannot be written: none is left half-written under its name.
pub fn write(dir: &Path, snapshot: &Snapshot) -> Result<PathBuf, Problem> {
    let shelf = dir.join(DIRECTORY);
    let path = path_of(dir, &snapshot.stand);
    let aside = shelf.join(format!("{ASIDE}{}", std::process::id()));
    let written = make(&shelf)
        .and_then(|()| fill(&aside, &snapshot.bytes()))
        .and_then(|()| std::fs::rename(&aside, &path))
        .and_then(|()| sync(&shelf))
        .and_then(|()| sync(dir));
    written.map(|()| path.clone()).map_err(|error| {
        // The first error is the one to tell.
        drop(std::fs::remove_file(&aside));
        Problem::new(
            format!("cannot write a snapshot: {error}"),
            path.display().to_string(),
            "free space or check the permissions, then take it with `journal snapshot`",
        )
    })
}

fn make(shelf: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(shelf)
}

fn fill(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync(directory: &Path) -> std::io::Result<()> {
    File::open(directory)?.sync_all()
}

/// A snapshot on the shelf, its header read, its content not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// Its file.
    pub path: PathBuf,
    /// What its header says; `None` if there is no whole one of this format.
    pub stand: Option<Stand>,
}

/// Every snapshot, newest first; empty if there are none. Those whose header is damaged come first.
///
/// # Errors
/// If the directory cannot be read.
pub fn list(dir: &Path) -> Result<Vec<Listed>, Problem> {
    let shelf = dir.join(DIRECTORY);
    let unreadable = |error: std::io::Error| {
        let place = shelf.display().to_string();
        Problem::new(format!("cannot list the snapshots: {error}"), place, "check its permissions")
    };
    let entries = match std::fs::read_dir(&shelf) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(unreadable)?,
    };
    let mut listed: Vec<Listed> = entries
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "gms"))
        .map(|path| Listed { stand: peek(&path), path })
        .collect();
    let place = |listed: &Listed| listed.stand.map_or((u64::MAX, 0), |s| (s.seq, s.epoch));
    listed.sort_by_key(|listed| std::cmp::Reverse(place(listed)));
    Ok(listed)
}

fn peek(path: &Path) -> Option<Stand> {
    let mut header = [0; PEEK];
    // Only a regular file is opened: a pipe would block.
    let is_file = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let read = is_file.then(|| File::open(path).and_then(|mut file| file.read_exact(&mut header)));
    let stand = Snapshot::peek(&header);
    stand.filter(|stand| read.is_some_and(|read| read.is_ok()) && is_name_of(path, stand))
}

/// True if the file is where a snapshot that stands there belongs.
fn is_name_of(path: &Path, stand: &Stand) -> bool {
    path_of(Path::new(""), stand).file_name() == path.file_name()
}

/// The snapshot in a file.
///
/// # Errors
/// If it is damaged, or was written in another format: then a note that says so, for whoever falls back.
pub fn read(path: &Path) -> Result<Snapshot, Problem> {
    let problem = |what: String| {
        let mut problem = Problem::new(
            format!("a snapshot is of no use: {what}"),
            path.display().to_string(),
            "delete it; an older one or the journal itself takes its place",
        );
        problem.damage = true;
        problem
    };
    let bytes = journal::plain::read(path).map_err(|error| problem(error.to_string()))?;
    let snapshot = Snapshot::read(&bytes).map_err(|error| problem(error.what))?;
    if is_name_of(path, &snapshot.stand) {
        Ok(snapshot)
    } else {
        Err(problem("it stands elsewhere than its name says".to_string()))
    }
}

/// The newest sound snapshot that is wanted, and what was wrong with newer ones.
///
/// # Errors
/// If the directory cannot be read.
pub fn newest(
    dir: &Path,
    mut wanted: impl FnMut(&Stand) -> bool,
) -> Result<(Option<Snapshot>, Vec<Problem>), Problem> {
    let mut notes = Vec::new();
    for Listed { path, stand } in list(dir)? {
        if stand.is_some_and(|stand| !wanted(&stand)) {
            continue;
        }
        match read(&path) {
            Ok(snapshot) => return Ok((Some(snapshot), notes)),
            Err(note) => notes.push(note),
        }
    }
    Ok((None, notes))
}

/// Deletes the snapshots that stand at or behind a sequence: what the journal held there was lost.
///
/// # Errors
/// If one cannot be deleted.
pub fn prune(dir: &Path, next_seq: u64) -> Result<(), Problem> {
    let beyond = |listed: &Listed| listed.stand.is_some_and(|stand| stand.seq >= next_seq);
    for Listed { path, .. } in list(dir)?.into_iter().filter(beyond) {
        std::fs::remove_file(&path).map_err(|error| {
            Problem::new(
                format!("cannot delete a snapshot of records that were lost: {error}"),
                path.display().to_string(),
                "delete it by hand",
            )
        })?;
    }
    Ok(())
}
