//! What operators can say of an instrument, and what happens then; and what the end of a session and a roll do as if
//! one had said so.
//!
//! | command | new orders | working orders |
//! |---|---|---|
//! | halt | none | cancelled (at a broker the gateway does that, with the kill word) |
//! | reduce | those that reduce | those that would not reduce, or together would pass zero, are cancelled |
//! | resume | all | stay |
//! | flatten | all | cancelled, and the position is closed at the market, good till cancelled |
//! | cancel-all | all | cancelled |
//!
//! A contract that is not the front of its future only reduces, whatever was said. One that a halt kept from being
//! flattened when it rolled is flattened once the halt is over.

use crate::orders::desk::{Desk, Mode, Moment, Rank};
use crate::orders::id::OrderId;
use crate::orders::intent::Intent;
use crate::orders::order::{Role, Working};
use crate::orders::outbox::Outbox;
use ringbuf_layout::Side;
use ringbuf_layout::names::{Command, OrderReason, TimeInForce};

impl Desk {
    /// Takes a command.
    pub fn on_command(&mut self, command: Command, at: &Moment, out: &mut Outbox) {
        let was_halted = self.mode() == Mode::Halted;
        match command {
            Command::Halt => {
                self.ordered = Mode::Halted;
                self.forget_plans();
                if self.rules.paper {
                    self.cancel_where(|_| true, OrderReason::Halted, at, out);
                }
            }
            Command::Reduce => {
                self.ordered = Mode::Reducing;
                self.cancel_openings(OrderReason::Reducing, at, out);
            }
            Command::Resume => self.ordered = Mode::Active,
            Command::Flatten => self.flatten(OrderReason::Operator, at, out),
            Command::CancelAll => {
                self.forget_plans();
                self.cancel_where(|_| true, OrderReason::Operator, at, out);
            }
        }
        if was_halted && self.mode() != Mode::Halted && self.is_back() {
            self.flatten(OrderReason::Roll, at, out);
        }
    }

    /// The front of its future is this contract now, `None` for none so far. One that is the front no longer, or was
    /// none before it joined the future, is flattened.
    pub fn on_roll(&mut self, front: Option<u32>, at: &Moment, out: &mut Outbox) {
        let rank = if front == Some(self.instrument) { Rank::Front } else { Rank::Back };
        let leaves = rank == Rank::Back && !self.is_back();
        if leaves && self.mode() != Mode::Halted {
            self.flatten(OrderReason::Roll, at, out);
        }
        self.rank = rank;
    }

    /// True for a contract that is not the front of its future: it only reduces.
    pub fn is_back(&self) -> bool {
        self.rank == Rank::Back
    }

    /// The session of the instrument ends soon: as flatten, and nothing is opened until the next.
    pub fn close_for_session(&mut self, at: &Moment, out: &mut Outbox) {
        self.closing = true;
        if self.mode() != Mode::Halted {
            self.flatten(OrderReason::SessionEnd, at, out);
        }
    }

    /// True if `close_for_session` is due.
    pub fn is_closing_due(&self, now: i64) -> bool {
        now >= self.flat_from && !self.closing
    }

    /// True once it has, until the next session.
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// Cancels what works and closes the position; an order that does so already stays. At a broker, what fills
    /// before it is cancelled is closed when the report says so.
    fn flatten(&mut self, reason: OrderReason, at: &Moment, out: &mut Outbox) {
        let other = |order: &Working| order.role != Role::Flatten;
        self.forget_plans();
        self.cancel_where(other, reason, at, out);
        self.wait_for_reports(0, None);
        let left = self.expected();
        if left == 0 {
            return;
        }
        let side = if left > 0 { Side::Sell } else { Side::Buy };
        let qty = i64::try_from(left.unsigned_abs()).unwrap_or(i64::MAX);
        let intent = Intent { tif: TimeInForce::GoodTillCancelled, ..Intent::market(side, qty) };
        let refusal = self.gate(side, qty).err();
        self.make(&intent, Role::Flatten, OrderId::NONE, refusal, at, out);
    }
}
