//! One cancels the other: what a fill or a trigger means for the brackets of an instrument.
//!
//! * The trigger of the stop cancels the target, the last fill of the target the stop, in the same slot.
//! * A partial fill of one makes the other smaller by as much on paper; at a broker, which takes no change of an
//!   order from us yet, it cancels the other.
//! * An exit never opens a position: on paper it fills no more than there is, and ends when there is none.
//! * There is one bracket, for the whole position: a new one is placed when the exits before it have ended. One that
//!   cannot be placed leaves the events of its denied orders.

use crate::orders::book::Place;
use crate::orders::bracket::Distances;
use crate::orders::desk::{Desk, Mode, Moment};
use crate::orders::id::OrderId;
use crate::orders::intent::Intent;
use crate::orders::order::{Role, Working};
use crate::orders::outbox::Outbox;
use crate::orders::venue::Print;
use crate::stage::Digest;
use crate::state::state;
use ringbuf_layout::names::{OrderReason, OrderState, OrderType, TimeInForce};
use ringbuf_layout::{Price, Side};

impl Desk {
    /// After a fill of `filled`: its sibling, and every exit that has nothing left to reduce.
    pub(super) fn after_fill(&mut self, filled: &Working, at: &Moment, out: &mut Outbox) {
        if let Role::Exit { sibling } = filled.role {
            self.give_up_goal(filled);
            let over = filled.state == OrderState::Filled || !self.rules.paper;
            if over || filled.triggered {
                self.cancel(sibling, OrderReason::OneCancelsOther, at, out);
            } else {
                self.shrink(sibling, filled.left(), OrderReason::OneCancelsOther, at, out);
            }
        }
        let position = self.position.signum();
        let idle = |order: &Working| order.is_exit() && position != -order.sign();
        self.cancel_where(idle, OrderReason::NothingToReduce, at, out);
        self.fit_exits(at, out);
    }

    /// Something else has reduced the position: its exits are made as small on paper, and at a broker, which takes
    /// no change of an order from us yet, placed anew at the same prices.
    fn fit_exits(&mut self, at: &Moment, out: &mut Outbox) {
        let open = self.position.abs();
        let too_large =
            |order: &&Working| order.is_exit() && order.can_be_cancelled() && order.left() > open;
        if self.rules.paper {
            while let Some(id) = self.book.live().iter().find(too_large).map(|order| order.id) {
                self.shrink(id, open, OrderReason::NothingToReduce, at, out);
            }
            return;
        }
        let Some(parent) = self.book.live().iter().find(too_large).map(|order| order.parent) else {
            return;
        };
        if self.guard.is_none() {
            let price = |kind: OrderType| {
                let mut exits = self.book.live().iter().filter(|order| order.is_exit());
                let exit = exits.find(|order| order.kind == kind);
                exit.map_or(Price::UNDEFINED, |exit| exit.limit.min(exit.stop))
            };
            let (stop, target) = (price(OrderType::Stop), price(OrderType::Limit));
            self.guard = Some(Guard { parent, opened: self.opened(), stop, target });
        }
        self.protect(at, out);
    }

    /// Makes an exit as large as its partly filled sibling, or what is held, is now.
    fn shrink(
        &mut self,
        id: OrderId,
        left: i64,
        reason: OrderReason,
        at: &Moment,
        out: &mut Outbox,
    ) {
        let Some(place @ Place::Live(_)) = self.book.find(id) else { return };
        let mut order = *self.book.get(place);
        if order.left() > left {
            order.qty = order.filled + left;
            order.because(reason);
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
    /// Where the entry has no fills, what was held before it stays, and its bracket went for the entry: it gets one
    /// around the close that the decision saw.
    pub(super) fn after_end(&mut self, entry: &Working, at: &Moment, out: &mut Outbox) {
        let Role::Entry(Some(distances)) = entry.role else { return };
        if entry.filled == 0 {
            self.cover(Some(distances), entry.id, at, out);
        } else {
            self.plan_bracket(entry.id, distances, entry.average().0, at, out);
        }
    }

    /// Brackets what is held around the close of the decision, if nothing is there and no entry is on its way that
    /// will bring a bracket with it. `parent` is the order that the bracket before it went for.
    pub(super) fn cover(
        &mut self,
        exits: Option<Distances>,
        parent: OrderId,
        at: &Moment,
        out: &mut Outbox,
    ) {
        let brings =
            |order: &Working| order.is_exit() || matches!(order.role, Role::Entry(Some(_)));
        self.protect(at, out);
        let Some(distances) = exits.filter(|exits| exits.from > 0) else { return };
        if self.guard.is_none() && !self.book.live().iter().any(brings) {
            self.plan_bracket(parent, distances, distances.from, at, out);
        }
    }

    fn plan_bracket(
        &mut self,
        parent: OrderId,
        distances: Distances,
        reference: i64,
        at: &Moment,
        out: &mut Outbox,
    ) {
        let Some(contract) = self.contract.filter(|_| self.position != 0) else { return };
        let opened = self.opened();
        let around = distances.around(reference, opened, contract.tick);
        let (stop, target) = around.unwrap_or((i64::MAX, i64::MAX));
        self.guard = Some(Guard { parent, opened, stop: Price(stop), target: Price(target) });
        self.protect(at, out);
    }

    /// The side that opened what is held.
    fn opened(&self) -> Side {
        if self.position > 0 { Side::Buy } else { Side::Sell }
    }

    /// Places the bracket that is planned, once no exit is left: those before it are cancelled first, so that the
    /// exits of an instrument never come to more than its position. A broker's reports bring us back.
    pub(super) fn protect(&mut self, at: &Moment, out: &mut Outbox) {
        let Some(guard) = self.guard else { return };
        if self.position == 0 || self.opened() != guard.opened || self.mode() == Mode::Halted {
            self.guard = None;
            return;
        }
        self.cancel_where(Working::is_exit, OrderReason::Superseded, at, out);
        // Nor beside an order that closes or reverses the position: its end brings us back as well.
        if !self.book.live().iter().any(Working::is_exit) && !self.is_being_reduced() {
            self.guard = None;
            self.place(&guard, at, out);
        }
    }

    /// The pair, or the events of one that is denied: half a bracket is no bracket.
    fn place(&mut self, guard: &Guard, at: &Moment, out: &mut Outbox) {
        let both = guard.stop.is_defined() && guard.target.is_defined();
        let none = !guard.stop.is_defined() && !guard.target.is_defined();
        // Two orders have neighbouring identities.
        let index = out.next_index(at.first_index).filter(|index| *index < u8::MAX);
        let refusal = match index {
            _ if none => Some(OrderReason::Overflow),
            None => Some(OrderReason::OutputsFull),
            Some(_) if self.book.room() < 2 => Some(OrderReason::BookFull),
            Some(_) => None,
        };
        self.odd.unprotected += u64::from(refusal.is_some());
        let side = if guard.opened == Side::Buy { Side::Sell } else { Side::Buy };
        let qty = self.position.abs();
        let index = index.unwrap_or(0);
        let are_two = both && refusal.is_none();
        let id = |index: u8| OrderId { epoch: at.epoch, seq: at.seq, index };
        let sibling = |index: u8| if are_two { id(index) } else { OrderId::NONE };
        let pair = [
            (Intent::stop(side, qty, guard.stop), sibling(index.saturating_add(1))),
            (Intent::limit(side, qty, guard.target), sibling(index)),
        ];
        for (intent, sibling) in pair {
            debug_assert!(intent.kind != OrderType::Market);
            if none || intent.stop.is_defined() || intent.limit.is_defined() {
                let intent = Intent { tif: TimeInForce::GoodTillCancelled, ..intent };
                self.make(&intent, Role::Exit { sibling }, guard.parent, refusal, at, out);
            }
        }
    }
}

/// A bracket that is to be placed for whatever is held then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Guard {
    /// The entry that it is of.
    parent: OrderId,
    /// The side that opened the position.
    opened: Side,
    /// Price of the stop; undefined for none.
    stop: Price,
    /// Price of the target; undefined for none.
    target: Price,
}

impl Guard {
    /// No bracket: what a saved one is loaded into.
    pub(super) const BLANK: Self = Self {
        parent: OrderId::NONE,
        opened: Side::Buy,
        stop: Price::UNDEFINED,
        target: Price::UNDEFINED,
    };

    pub(super) fn digest(guard: Option<&Self>, digest: &mut Digest) {
        let Self { parent, opened, stop, target } = guard.copied().unwrap_or(Self::BLANK);
        digest.word(u64::from(guard.is_some()) | (opened as u64) << 1);
        parent.digest(digest);
        digest.int(stop.0);
        digest.int(target.0);
    }
}

state!(Guard { parent, opened, stop, target } check |guard| guard.opened != Side::None);
