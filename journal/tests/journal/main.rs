//! What the journal promises: writing, reading back, damage, crashes.

mod crash;
mod damage;
mod faults;
mod following;
mod power;
mod resuming;
mod support;
mod writing;
