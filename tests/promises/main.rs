//! What the engine promises, a module a promise.

mod bars;
mod code;
mod continuing;
mod decisions;
mod durable;
mod exit;
mod faults_of_decisions;
mod order;
mod panics;
mod pinned;
mod rates;
mod real_data;
mod replay;
mod retaining;
mod rolls;
mod same_bytes;
mod sessions;
mod snapshots;
mod vendors;
mod verdicts;
