//! `apply`: books what a venue says, paper or real, once.
//!
//! * An execution that was booked is known by its name (`exec_id`), and by the order's filled size: what counts
//!   is `cum_qty` less what is booked, so a report that was lost is made up for by the next one, at that one's
//!   price, and is nothing when it comes after all.
//! * A rejection of an order that the venue has, while a request to cancel it is out, is a refusal of the request.

use crate::orders::book::Place;
use crate::orders::desk::{Desk, Moment};
use crate::orders::exec::Exec;
use crate::orders::id::OrderId;
use crate::orders::order::Working;
use crate::orders::outbox::Outbox;
use crate::orders::state::{Illegal, Next, OrderEvent, next};
use bytemuck::Zeroable;
use ringbuf_layout::names::{Exec as Said, OrderState};
use ringbuf_layout::{Fill, Frame, Money, Price, Size};

impl Desk {
    /// Books an execution.
    pub fn apply(&mut self, exec: &Exec, at: &Moment, out: &mut Outbox) {
        let Some(place) = self.book.find(exec.id) else {
            self.odd.unknown += 1;
            return;
        };
        if exec.said == Said::Correction {
            self.odd.corrections += 1;
            return;
        }
        let order = *self.book.get(place);
        let new = match self.news(&order, exec) {
            Ok(0) if exec.is_fill() => {
                self.odd.repeated += 1;
                return;
            }
            Ok(new) => new,
            Err(()) => return,
        };
        let mut place = Some(place);
        if new > 0 {
            if !self.book_fill(order.id, new, exec, at, out) {
                return;
            }
            // The fill may have ended it.
            place = self.book.find(order.id);
        }
        if let Some(place) = place.filter(|_| !exec.is_fill()) {
            let order = *self.book.get(place);
            if self.step(place, event_of(&order, exec.said), exec.reason, at, out) {
                self.note(order, exec.said, at, out);
            }
        }
        self.after_report(&order, at, out);
    }

    /// What waited for an order to end goes on: a bracket, a goal.
    fn after_report(&mut self, before: &Working, at: &Moment, out: &mut Outbox) {
        let ended = match self.book.find(before.id) {
            Some(place @ Place::Finished(_)) => self.book.get(place).state,
            _ => return,
        };
        if before.state.is_final() {
            return;
        }
        self.protect(at, out);
        // An order that was turned down is not made again at once: it would be turned down again.
        if before.state == OrderState::CancelRequested || ended == OrderState::Filled {
            self.settle(before.id, at, out);
        }
    }

    /// Notes that the venue has the order, or that it has ended there.
    fn note(&mut self, order: Working, said: Said, at: &Moment, out: &mut Outbox) {
        if said == Said::Accepted {
            if let Some(place) = self.book.find(order.id) {
                let mut order = *self.book.get(place);
                order.acknowledged = true;
                self.book.put(place, order);
            }
        } else if matches!(said, Said::Expired | Said::Rejected) {
            self.after_end(&order, at, out);
        }
    }

    /// How much of an execution is news.
    fn news(&mut self, order: &Working, exec: &Exec) -> Result<i64, ()> {
        let filled_more = exec.cum_qty > order.filled;
        if !exec.is_fill() && !filled_more {
            return Ok(0);
        }
        let sized = exec.qty > 0 || filled_more;
        let in_bounds = exec.qty >= 0 && exec.cum_qty >= 0;
        if !sized || !in_bounds || !exec.has_price() {
            self.odd.senseless += 1;
            // A cancel that tells of a lost fill without its price is a cancel all the same.
            return if exec.is_fill() { Err(()) } else { Ok(0) };
        }
        if !self.seen.is_new(exec.exec_id) {
            return Ok(0);
        }
        let new = if exec.cum_qty > 0 { exec.cum_qty - order.filled } else { exec.qty };
        let bounded = new.max(0).min(order.left());
        if new > order.left() {
            self.odd.illegal[Illegal::Overfilled as usize] += 1;
            return if bounded == 0 { Err(()) } else { Ok(bounded) };
        }
        Ok(bounded)
    }

    /// Books a fill of `qty`: order, position, both events, and what follows for the bracket.
    fn book_fill(
        &mut self,
        id: OrderId,
        qty: i64,
        exec: &Exec,
        at: &Moment,
        out: &mut Outbox,
    ) -> bool {
        let Some(place) = self.book.find(id) else { return false };
        let mut order = *self.book.get(place);
        let full = qty == order.left();
        let event = if full { OrderEvent::Fill } else { OrderEvent::PartialFill };
        let state = match next(order.state, event) {
            Next::To(state) => state,
            Next::Never(why) => {
                self.odd.illegal[why as usize] += 1;
                return false;
            }
        };
        let position = self.position.checked_add(order.sign() * qty).filter(|p| *p != i64::MIN);
        let Some(position) = position else {
            self.odd.overflow += 1;
            return false;
        };
        self.position = position;
        order.filled += qty;
        order.cost += i128::from(exec.price) * i128::from(qty);
        order.state = state;
        order.reason = exec.reason;
        (order.acknowledged, order.resting) = (true, true);
        self.book.put(place, order);
        out.push(order.record(at.ts_event, at.ts_recv));
        out.push(fill_record(&order, qty, exec, at));
        self.after_fill(&order, at, out);
        if order.state == OrderState::Filled {
            self.after_end(&order, at, out);
        }
        true
    }
}

/// What a report that is not a fill means for this order.
fn event_of(order: &Working, said: Said) -> OrderEvent {
    match said {
        Said::Accepted => OrderEvent::Accept,
        Said::Cancelled => OrderEvent::Cancel,
        Said::Expired => OrderEvent::Expire,
        Said::Rejected if order.state == OrderState::CancelRequested && order.acknowledged => {
            if order.filled > 0 {
                OrderEvent::RefuseCancelPartly
            } else {
                OrderEvent::RefuseCancel
            }
        }
        // Fills and corrections are not asked here.
        Said::Rejected | Said::PartialFill | Said::Fill | Said::Correction => OrderEvent::Reject,
    }
}

fn fill_record(order: &Working, qty: i64, exec: &Exec, at: &Moment) -> Fill {
    let mut fill = Fill {
        head: Fill::header(at.ts_event, at.ts_recv),
        order_seq: order.id.seq,
        order_epoch: order.id.epoch,
        order_index: order.id.index,
        liquidity: exec.liquidity.map_or(0, |liquidity| liquidity as u8),
        qty: Size(qty),
        price: Price(exec.price),
        fee: Money(exec.fee),
        exec_id: exec.exec_id,
        ..Fill::zeroed()
    };
    fill.tail.instrument = order.instrument;
    fill.tail.side = order.side as u8;
    fill
}
