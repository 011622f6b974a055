//! The indicator mathematics against published numbers, naive references and what must never happen.

mod golden;
mod matrices;
mod naive;
mod properties;
mod real_data;
mod series;
mod synergies;
mod traps;
