//! What the runtime asks of the CPU and the operating system directly.
#![allow(unsafe_code)] // A prefetch instruction.

/// Asks for the cache line of `place`, without waiting for it.
#[inline]
pub fn prefetch<T>(place: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing; the reference is valid, and SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(core::ptr::from_ref(place).cast::<i8>()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    core::hint::black_box(place);
}
