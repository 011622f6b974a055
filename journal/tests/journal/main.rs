//! What the journal promises: writing, reading back, damage, crashes.

mod damage;
mod faults;
mod following;
mod golden;
mod hooked;
mod kills;
mod locking;
mod power;
mod resuming;
mod rot;
mod slow_disk;
mod support;
mod sync_error;
mod verdicts;
mod writing;
