//! Every byte that the engine shares between threads or writes to its journal.
//!
//! * [`units`]: prices, sizes and money as integers, and their decimal text.
//! * [`frame`]: the 32-byte header and 8-byte tail that all records share.
//! * [`input`] and [`output`]: the records, one box diagram each.
//! * [`names`]: sides, flags, reasons: the bits and the words for them.
//! * [`slot`]: what lies in the ring: the input cell and the validate cell.
//! * [`lane`]: marks and side rings beside the ring: where a stage leaves its rare outputs.
//!
//! Nothing here opens a file, starts a thread or reads a clock, and nothing here is `unsafe`: cells
//! that one thread writes while another may look are relaxed atomics. The ring's own release and
//! acquire give the order, one owner per writer gives the exclusivity, and a wiring mistake
//! shows as a wrong sequence (asserted on every read) instead of undefined behaviour.

pub mod conditions;
pub mod frame;
pub mod input;
pub mod lane;
pub mod names;
pub mod output;
pub mod slot;
pub mod units;

#[cfg(target_endian = "big")]
compile_error!("records are little-endian in memory and on disk");

pub use conditions::Conditions;
pub use frame::{Frame, Header, Kind, Tail};
pub use input::{
    BookLevel, ExecutionReport, ExternalBar, Heartbeat, Instrument, Operator, Quote, RunEnd,
    RunStart, Session, SourceStatus, Timer, Trade,
};
pub use lane::{Handle, LaneReader, LaneWriter, lane};
pub use names::{BarFlags, Part, Reasons, Side};
pub use output::{
    Bar, Decision, Execution, Fill, Footer, Indicator, Matrix, Order, Panic, Portfolio, Risk,
    StateHash, Synergy, Unprocessed, Verdict,
};
pub use slot::{InputCell, Slot, VerdictReader, VerdictWriter, verdict_cell};
pub use units::{Money, Price, Size};
