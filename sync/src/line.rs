//! A place of its own in the cache.

/// Keeps a word off its neighbours' cache lines: 128 bytes, since the prefetcher fetches lines of 64 in
/// pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Line<T>(pub T);

const _: () = assert!(size_of::<Line<u64>>() == 128);
