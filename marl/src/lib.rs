//! The Burn agents behind the engine's [`Policy`](engine::policy::Policy): six small actors, their coordination,
//! and the files that hold their weights.
//!
//! ```text
//!  30m 48×8 ─▶ mlmi, nwrqk, regime    384→64→64→3 ─▶ vote, ⅓ each          ─┐
//!                                                                          ├─▶ act ─▶ Choice
//!  5m  60×7 ─▶ fvg, momentum, entry   420→64→64→3 ─▶ vote, by the synergy  ─┘
//! ```
//!
//! * [`shape`]: the sizes, and what must agree with the engine's matrices.
//! * [`features`]: the hash of the feature list that weights belong to.
//! * [`seeded`]: the deterministic values of untrained weights.
//! * [`manifest`], [`weights`]: the weights file and what is refused.
//! * [`trio`]: the three actors of one matrix as one Burn module, one batched forward pass.
//! * [`coordination`]: softmax, votes, weights by synergy, threshold, and who may act.
//! * [`agents`]: all of it as a policy.
//!
//! ```
//! use engine::policy::Policy;
//! use marl::Agents;
//!
//! let agents = Agents::embedded();
//! assert_eq!((agents.name(), agents.is_trained()), ("burn UNTRAINED", false));
//! ```
//!
//! # What is promised of the numbers
//!
//! Burn runs here without a thread pool, on the calling thread, so a decision is the same bits in every run on
//! the same SIMD level. Its matrix product picks kernels by SIMD level (SSE, AVX2 + FMA, …), and those round
//! differently: design §2 promises decisions on the same level only. Softmax and votes are ours, in a fixed
//! order, the same bits anywhere. Other backends agree to 1e-5:
//!
//! ```text
//! cargo test -p marl --features ndarray --test parity
//! ```
//!
//! # What is not kept
//!
//! A policy takes no memory while it decides; Burn does, for every tensor (`cargo run --release -p marl
//! --example decision_cost` prints how often and how long). Nothing is kept between decisions.

pub mod agents;
pub mod coordination;
pub mod features;
pub mod manifest;
pub mod seeded;
pub mod shape;
pub mod trio;
pub mod weights;

pub use agents::{Agents, Fault};
pub use weights::{Weights, write_untrained};
