//! Promises of `risk`, `oms` and `portfolio`, and of the books of depth that `validate` keeps, on the stages
//! themselves.

mod accounting;
mod bench;
mod brackets;
mod broker;
mod carry_over;
mod depth;
mod life;
mod operators;
mod paper;
mod properties;
mod rates;
mod risk;
mod rolls;
