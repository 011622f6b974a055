//! Promises of `risk`, `oms` and `portfolio`, on the stages themselves.

mod accounting;
mod bench;
mod brackets;
mod broker;
mod carry_over;
mod life;
mod operators;
mod paper;
mod properties;
mod risk;
