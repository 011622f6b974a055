//! SIGBUS: a page of a mapped journal file could not be backed, because the disk is full or someone cut the
//! file. The thread that touched it cannot go on, so the process ends at once, exit 1; what is journaled stays.
#![allow(unsafe_code)] // A signal handler.

use crate::problem::Problem;

const MESSAGE: &[u8] =
    b"error: SIGBUS: a journal page could not be backed; the disk is full or the file was cut\n\
    do: free space, then `grandmodel journal verify` the directory; what was journaled is kept\n\
    the run ended Halted: sigbus\n";

/// Writes the message and ends the process, by calls that are allowed in a signal handler.
extern "C" fn on_sigbus(_: libc::c_int) {
    // SAFETY: `write` and `_exit` are async-signal-safe; the message is a constant.
    unsafe {
        libc::write(libc::STDERR_FILENO, MESSAGE.as_ptr().cast(), MESSAGE.len());
        libc::_exit(1);
    }
}

/// Installs the handler; once is enough.
///
/// # Errors
/// If the host refuses.
pub fn install_sigbus() -> Result<(), Problem> {
    // SAFETY: the action is zeroed and then filled in; the handler is async-signal-safe.
    let installed = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_sigbus as *const () as libc::sighandler_t;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut())
    };
    if installed == 0 {
        return Ok(());
    }
    let error = std::io::Error::last_os_error();
    Err(Problem::new(format!("cannot handle SIGBUS: {error}"), "the process", ""))
}
