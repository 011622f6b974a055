//! Promises across crates, on real files and real processes
