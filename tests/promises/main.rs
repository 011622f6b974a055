//! What the engine promises, a module a promise.

mod bars;
