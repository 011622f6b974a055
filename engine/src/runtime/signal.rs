//! Signal handlers: interrupts are counted where they arrive, whatever the other threads are doing; and SIGBUS.
//!
//! SIGBUS: a page of a mapped journal file could not be backed, because the disk is full or someone cut the
//! file. The thread that touched it cannot go on, so the process ends at once, exit 1; what is journaled stays.
#![allow(unsafe_code)] // Signal handlers.

use crate::problem::Problem;
use crate::runtime::controls::Controls;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

/// SIGINT and SIGTERM: the first sets `stop`, the second `abort`, the third ends the process with exit code 1,
/// whatever the other threads are stuck in.
///
/// # Errors
/// If the host refuses.
pub fn install_interrupts(controls: &Controls) -> Result<(), Problem> {
    for signal in [SIGINT, SIGTERM] {
        let (stop, abort) = (Arc::clone(&controls.stop), Arc::clone(&controls.abort));
        let count = move || {
            if abort.load(SeqCst) {
                low_level::exit(1);
            }
            if stop.swap(true, SeqCst) {
                abort.store(true, SeqCst);
            }
        };
        // SAFETY: the handler touches atomics that live as long as it, and calls `_exit`.
        let installed = unsafe { low_level::register(signal, count) };
        installed.map_err(|error| {
            Problem::new(format!("cannot handle signals: {error}"), "the process", "")
        })?;
    }
    Ok(())
}

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
