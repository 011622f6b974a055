//! The command as a user meets it: real processes, real files, real signals.

mod bad_input;
mod calendars;
mod continuing;
mod control;
mod currencies;
mod diff;
mod exports;
mod following;
mod importing;
mod inspecting;
mod interruption;
mod latency;
mod layouts;
mod policies;
mod proof;
mod recovery;
#[path = "../../../tests/src/skipped.rs"]
mod skipped;
mod support;
mod sync_error;
