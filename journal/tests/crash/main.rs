//! What the journal promises when processes are killed, race or meet a failing disk. Apart from the other
//! tests: a child holds its parent's locks from its fork to its exec.

mod disk_full;
#[path = "../journal/hooked.rs"]
mod hooked;
mod kills;
mod locking;
#[path = "../../../tests/src/skipped.rs"]
mod skipped;
#[path = "../journal/support.rs"]
mod support;
mod sync_error;
