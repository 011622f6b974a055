//! Benches with their floors, measured in one run
