//! What the journal promises: writing, reading back, damage, crashes.

mod damage;
mod errors;
mod faults;
mod following;
mod forged;
mod golden;
mod hooked;
mod opening;
mod power;
mod resuming;
mod rot;
#[path = "../../../tests/src/skipped.rs"]
mod skipped;
mod slow_disk;
mod support;
mod verdicts;
mod writing;
