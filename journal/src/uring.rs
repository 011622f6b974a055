//! Ranged `fdatasync` by `io_uring`: the kernel has no system call of its own for it.
#![allow(unsafe_code)] // A submission may name memory; these name none.

use io_uring::{IoUring, opcode, types};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;

/// One operation in flight at a time.
const ENTRIES: u32 = 2;
/// A range's length is a `u32` on this interface.
const MOST: u64 = 1 << 30;

/// A ring for syncs.
pub(crate) struct Uring(IoUring);

impl std::fmt::Debug for Uring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Uring")
    }
}

impl Uring {
    pub(crate) fn new() -> io::Result<Self> {
        IoUring::new(ENTRIES).map(Self)
    }

    /// Data of a range of the file, on the disk when this returns.
    ///
    /// # Errors
    /// The system's; nobody may try again.
    pub(crate) fn sync_range(&mut self, file: &File, range: Range<u64>) -> io::Result<()> {
        let mut start = range.start;
        while start < range.end {
            let len = (range.end - start).min(MOST);
            self.sync_one(file, start, len as u32)?;
            start += len;
        }
        Ok(())
    }

    fn sync_one(&mut self, file: &File, offset: u64, len: u32) -> io::Result<()> {
        let fsync = opcode::Fsync::new(types::Fd(file.as_raw_fd()))
            .offset(offset)
            .len(len)
            .flags(types::FsyncFlags::DATASYNC)
            .build();
        // SAFETY: the entry names a descriptor, which `file` keeps open until the completion below, and
        // no memory.
        let pushed = unsafe { self.0.submission().push(&fsync) };
        pushed.map_err(|_| io::Error::other("the submission queue is full"))?;
        loop {
            match self.0.submit_and_wait(1) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                submitted => {
                    submitted?;
                    if let Some(done) = self.0.completion().next() {
                        return match done.result() {
                            code if code < 0 => Err(io::Error::from_raw_os_error(-code)),
                            _ => Ok(()),
                        };
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_range_is_synced_and_a_file_that_cannot_be_is_an_error() {
        let Ok(mut ring) = Uring::new() else {
            eprintln!("skipped: the kernel gives no io_uring");
            return;
        };
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[1; 10_000]).unwrap();
        ring.sync_range(&file, 4096..8192).unwrap();
        ring.sync_range(&file, 0..0).unwrap();
        let (_, pipe) = io::pipe().unwrap();
        let pipe = File::from(std::os::fd::OwnedFd::from(pipe));
        assert_eq!(ring.sync_range(&pipe, 0..4096).unwrap_err().raw_os_error(), Some(libc::EINVAL));
    }
}
