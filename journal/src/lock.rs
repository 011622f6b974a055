//! One writer: an OS lock on DIR/LOCK, held for the writer's life.

use crate::error::JournalError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The held lock. The kernel drops it with the file, also when the process is killed; what the file
/// says is for the refusal's message only and is never believed.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    pub(crate) fn take(dir: &Path, epoch: u32) -> Result<Self, JournalError> {
        let path = dir.join("LOCK");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(JournalError::io("open the lock file", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(JournalError::Locked { dir: dir.to_owned(), owner: owner(&mut file) });
            }
            Err(TryLockError::Error(error)) => {
                return Err(JournalError::io("lock", &path)(error));
            }
        }
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let boot = if boot.is_empty() { "-" } else { boot.trim() };
        let text = format!("{} {boot} {epoch}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(JournalError::io("write the lock file", &path))?;
        Ok(Self { _file: file })
    }
}

fn owner(file: &mut File) -> String {
    let mut text = String::new();
    // An owner that has just locked may not have written its name yet.
    let _ = file.take(256).read_to_string(&mut text);
    match text.split_whitespace().collect::<Vec<_>>()[..] {
        [pid, _, epoch] => format!("pid {pid} (epoch {epoch})"),
        _ => "another process".to_owned(),
    }
}
