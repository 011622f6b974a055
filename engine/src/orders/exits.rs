//! One cancels the other: what a fill or a trigger means for the brackets of an instrument.
//!
//! * The trigger of the stop cancels the target, the last fill of the target the stop, in the same slot.
//! * A partial fill of one makes the other smaller by as much on paper; at a broker, which takes no change of an
//!   order from us yet, it cancels the other.
//! * An exit never opens a position: on paper it fills no more than there is, and ends when there is none.

use crate::orders::book::Place;
use crate::orders::desk::{Desk, Mode, Moment};
use crate::orders::id::OrderId;
use crate::orders::intent::Intent;
use crate::orders::order::{Role, Working};
use crate::orders::outbox::Outbox;
use crate::orders::venue::Print;
use ringbuf_layout::names::{OrderReason, OrderState, OrderType, TimeInForce};
use ringbuf_layout::{Price, Side};

impl Desk {
    /// After a fill of `filled`: its sibling, and every exit that has nothing left to reduce.
    pub(super) fn after_fill(&mut self, filled: &Working, at: &Moment, out: &mut Outbox) {
        if let Role::Exit { sibling } = filled.role {
            let over = filled.state == OrderState::Filled || !self.rules.paper;
            if over || filled.triggered {
                self.cancel(sibling, OrderReason::OneCancelsOther, at, out);
            } else {
                self.shrink(sibling, filled.left(), at, out);
            }
        }
        let position = self.position.signum();
        let idle = |order: &Working| order.is_exit() && position != -order.sign();
        self.cancel_where(idle, OrderReason::NothingToReduce, at, out);
    }

    /// Makes an exit as large as its partly filled sibling is now.
    fn shrink(&mut self, id: OrderId, left: i64, at: &Moment, out: &mut Outbox) {
        let Some(place @ Place::Live(_)) = self.book.find(id) else { return };
        let mut order = *self.book.get(place);
        if order.left() > left {
            order.qty = order.filled + left;
            order.because(OrderReason::OneCancelsOther);
            self.book.put(place, order);
            out.push(order.record(at.ts_event, at.ts_recv));
        }
    }

    /// Stops that the print triggers take part from the next print on; the targets beside them go at once.
    pub(super) fn trigger(&mut self, print: &Print, at: &Moment, out: &mut Outbox) {
        let triggered = |order: &Working| print.triggers(order);
        while let Some(place) = self.book.live().iter().position(triggered) {
            let mut order = self.book.live()[place];
            order.triggered = true;
            self.book.put(Place::Live(place), order);
            if let Role::Exit { sibling } = order.role {
                self.cancel(sibling, OrderReason::OneCancelsOther, at, out);
            }
        }
    }

    /// An entry has ended by a fill, its session's end or a rejection: its bracket follows, for the position.
    pub(super) fn after_end(&mut self, entry: &Working, at: &Moment, out: &mut Outbox) {
        let Role::Entry(Some(distances)) = entry.role else { return };
        if entry.filled == 0 || self.position == 0 || self.mode() == Mode::Halted {
            return;
        }
        let Some(contract) = self.contract else { return };
        let opened = if self.position > 0 { Side::Buy } else { Side::Sell };
        let prices = distances.around(entry.average().0, opened, contract.tick);
        // Two orders with neighbouring identities, or none: half a bracket is no bracket.
        let index = out.next_index(at.first_index).filter(|index| *index < u8::MAX);
        let (Some((stop, target)), Some(index), true) = (prices, index, self.book.room() >= 2)
        else {
            self.odd.unprotected += 1;
            return;
        };
        let side = if opened == Side::Buy { Side::Sell } else { Side::Buy };
        let qty = self.position.abs();
        let id = |index| OrderId { epoch: at.epoch, seq: at.seq, index };
        let lasting = |intent: Intent| Intent { tif: TimeInForce::GoodTillCancelled, ..intent };
        let pair = [
            (Intent::stop(side, qty, Price(stop)), id(index + 1)),
            (Intent::limit(side, qty, Price(target)), id(index)),
        ];
        for (intent, sibling) in pair {
            debug_assert!(intent.kind != OrderType::Market);
            let role = Role::Exit { sibling };
            self.make(&lasting(intent), role, entry.id, None, at, out);
        }
    }
}
