//! What the journal promises: writing, reading back, damage, crashes.

mod crash;
mod damage;
mod resuming;
mod support;
mod writing;
