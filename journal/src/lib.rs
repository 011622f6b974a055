//! The memory-mapped journal: segments, frames, one writer, readers; knows bytes and sequences, not trading
