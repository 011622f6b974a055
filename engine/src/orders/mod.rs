//! Orders without the stage around them: what `oms` is made of.
//!
//! * [`state`]: the life of an order as one table.
//! * [`id`], [`order`]: who an order is, and what is known of it.
//! * [`intent`]: what somebody wants; [`bracket`]: the exits that follow an entry.
//! * [`book`]: the orders of an instrument, 64 of them at work.
//! * [`venue`]: the paper venue: which order the next print fills, and at what price.
//! * [`exec`], [`seen`]: what a venue says, paper or real, and what it has said before.
//! * [`desk`]: an instrument's orders and position; [`target`]: the way to a position; [`booking`]: `apply`, which
//!   books both venues; [`exits`]: one cancels the other; [`operator`]: halt, reduce, resume, flatten, cancel-all.
//! * [`outbox`]: events on their way out, sixteen of each a slot.

pub mod book;
pub mod booking;
pub mod bracket;
pub mod desk;
pub mod exec;
pub mod exits;
pub mod id;
pub mod intent;
pub mod operator;
pub mod order;
pub mod outbox;
pub mod seen;
pub mod state;
pub mod target;
pub mod venue;
