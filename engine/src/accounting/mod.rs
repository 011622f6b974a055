//! Positions and an account in integers: what `portfolio` keeps, without the stage around it.
//!
//! * [`round`]: the one rounding, of a product too wide for 128 bits.
//! * [`position`]: quantity, open cost, mark; a fill's effect on them.
//! * [`rates`]: what money of an instrument's currency is worth in the account's.
//! * [`account`]: cash, realised and unrealised profit, equity, drawdown over all instruments.
//!
//! Source: `NautilusTrader`, `crates/model/src/position.rs` (average cost, fees in realised profit), with cost
//! kept as an integer instead of an average as a float.

pub mod account;
pub mod position;
pub mod rates;
pub mod round;

pub use account::{Account, AccountError};
pub use position::{Position, Terms};
pub use rates::{Rates, Worth};
