//! One writer: an OS lock on DIR/LOCK, held for the writer's life.

use crate::error::JournalError;
use crate::plain;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often a lock that is held is tried again: [`Lock::held`] has it for some microseconds, a writer for
/// its life.
const LOOKS: u32 = 50;
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// The held lock. The kernel drops it with the file, also when the process is killed; what the file
/// says is for the refusal's message only and is never believed.
#[derive(Clone, Debug)]
pub struct Lock {
    /// None on a simulated disk, which has one user. Freed with the last clone.
    file: Option<Arc<File>>,
    path: PathBuf,
}

impl Lock {
    #[cfg(feature = "sim")]
    /// Of a disk that nobody else can reach.
    pub(crate) fn simulated(dir: &Path) -> Self {
        Self { file: None, path: dir.join("LOCK") }
    }

    /// Takes the lock; what the file says stays until [`Lock::sign`].
    pub(crate) fn take(dir: &Path) -> Result<Self, JournalError> {
        let path = dir.join("LOCK");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = plain::open(&path, &mut options);
        let mut file = file.map_err(JournalError::io("open the lock file", &path))?;
        let mut looks = 0;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { file: Some(Arc::new(file)), path }),
                Err(TryLockError::WouldBlock) if looks < LOOKS => looks += 1,
                Err(TryLockError::WouldBlock) => return Err(locked(dir, &mut file)),
                Err(TryLockError::Error(error)) => {
                    return Err(JournalError::io("lock", &path)(error));
                }
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// The refusal, if a writer holds the lock of this journal. Changes nothing.
    pub(crate) fn held(dir: &Path) -> Option<JournalError> {
        let mut file = plain::open(&dir.join("LOCK"), File::options().read(true)).ok()?;
        let held = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        held.then(|| locked(dir, &mut file))
    }

    /// Says who holds it; epoch 0: before that is known, as a recovery can take a while.
    pub(crate) fn sign(&mut self, epoch: u32) -> Result<(), JournalError> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let boot = if boot.is_empty() { "-" } else { boot.trim() };
        let text = format!("{} {boot} {epoch}\n", std::process::id());
        self.clear()?;
        let Some(file) = &self.file else { return Ok(()) };
        let written = (&**file).rewind().and_then(|()| (&**file).write_all(text.as_bytes()));
        written.map_err(JournalError::io("write the lock file", &self.path))
    }

    /// Says nothing again. The file stays: to delete it would race with the next who locks it.
    pub(crate) fn clear(&mut self) -> Result<(), JournalError> {
        let cleared = self.file.as_ref().map_or(Ok(()), |file| file.set_len(0));
        cleared.map_err(JournalError::io("write the lock file", &self.path))
    }
}

fn locked(dir: &Path, file: &mut File) -> JournalError {
    JournalError::Locked { dir: dir.to_owned(), owner: owner(file) }
}

fn owner(file: &mut File) -> String {
    let mut text = String::new();
    // An owner that has just locked may not have written its name yet.
    let _ = file.take(256).read_to_string(&mut text);
    match text.split_whitespace().collect::<Vec<_>>()[..] {
        [pid, _, "0"] => format!("pid {pid} (recovering)"),
        [pid, _, epoch] => format!("pid {pid} (epoch {epoch})"),
        _ => "another process".to_owned(),
    }
}
