//! What the runtime asks of the CPU and the operating system directly.
#![allow(unsafe_code)] // A prefetch instruction; the scheduler's system calls.

use std::io;

/// Bytes of a cache line.
const LINE: usize = 64;

/// Asks for the cache lines of `place`, without waiting for them.
#[inline]
pub fn prefetch<T>(place: &T) {
    #[cfg(target_arch = "x86_64")]
    for line in 0..size_of::<T>().div_ceil(LINE) {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let at = core::ptr::from_ref(place).cast::<i8>().wrapping_add(line * LINE);
        // SAFETY: a prefetch reads nothing and never faults, and SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    core::hint::black_box(place);
}

/// Slots ahead of the one being written whose cache lines the producer takes back from the core that read
/// them a lap ago: a paced input otherwise waits for that, line by line, before the next thread sees it.
pub const AHEAD: usize = 2;

/// Asks to own the cache lines of what lies `ahead` places behind `place` in its array, without waiting for
/// them. Past the array's end it asks for lines that nobody needs.
#[inline]
pub fn prefetch_to_write<T>(place: &T, ahead: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in 0..size_of::<T>().div_ceil(LINE) {
        use core::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        let at = core::ptr::from_ref(place).wrapping_add(ahead).cast::<i8>();
        // SAFETY: a prefetch reads and writes nothing and never faults, and SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_ET0>(at.wrapping_add(line * LINE)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    core::hint::black_box((place, ahead));
}

/// Puts the calling thread under `SCHED_FIFO` with this priority, and reads back that it is.
///
/// # Errors
/// If the host does not allow it.
pub fn set_fifo(priority: u8) -> io::Result<()> {
    let wanted = libc::sched_param { sched_priority: i32::from(priority) };
    let mut found = libc::sched_param { sched_priority: 0 };
    // SAFETY: both structures live on this stack frame; 0 is the calling thread.
    let policy = unsafe {
        if libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const wanted) != 0
            || libc::sched_getparam(0, &raw mut found) != 0
        {
            return Err(io::Error::last_os_error());
        }
        libc::sched_getscheduler(0)
    };
    if policy == libc::SCHED_FIFO && found.sched_priority == wanted.sched_priority {
        Ok(())
    } else {
        Err(io::Error::other("another policy was given"))
    }
}

/// The machine in a line: CPU, cores that this process may use, kernel. Stands with every figure.
pub fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown CPU", |text| text.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{model}, {cores} cores, Linux {}", read("/proc/sys/kernel/osrelease").trim())
}
