//! Coming to a target: what is cancelled for it, what counts as on its way, and what waits for a broker's reports.
//!
//! * A new target first cancels the entries at the market that work against it: an order that a later decision
//!   contradicts must not fill after it. On paper they are gone at once.
//! * At a broker they may fill until it says otherwise. What would take the position *beyond* the target counts as
//!   if it filled, what would hold it back as if it did not: so whatever comes, the position does not pass the
//!   target on account of an order that was ordered twice.
//! * What an operator sent to the market stays, and is not worked against before it is filled.
//! * What is missing then is ordered when the last such report has come: that is the goal, which the next target,
//!   and every operator, replaces.

use crate::orders::bracket::Distances;
use crate::orders::desk::{Desk, Mode, Moment};
use crate::orders::id::OrderId;
use crate::orders::intent::Intent;
use crate::orders::order::{Role, Working};
use crate::orders::outbox::Outbox;
use crate::stage::Digest;
use crate::state::state;
use ringbuf_layout::Side;
use ringbuf_layout::names::{OrderReason, OrderState, OrderType};

/// A target that waits for the reports on orders that are being cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Goal {
    /// The signed position.
    pub(super) target: i64,
    /// The bracket around it.
    pub(super) exits: Option<Distances>,
}

impl Goal {
    pub(super) fn digest(goal: Option<&Self>, digest: &mut Digest) {
        digest.word(u64::from(goal.is_some()));
        let Self { target, exits } = goal.copied().unwrap_or_default();
        digest.int(target);
        exits.unwrap_or_default().digest(digest);
    }
}

impl Working {
    /// True for an order that a target or an operator sent to the market.
    fn is_at_market(&self) -> bool {
        self.kind == OrderType::Market && !self.is_exit()
    }

    /// True while a request to cancel it is out.
    fn is_ending(&self) -> bool {
        self.state == OrderState::CancelRequested
    }

    /// What is left of it, above 0 for a buy.
    fn signed_left(&self) -> i128 {
        i128::from(self.sign()) * i128::from(self.left())
    }
}

impl Desk {
    /// Position when everything that is on its way at the market is filled, but for what is being cancelled.
    pub fn expected(&self) -> i128 {
        let live = self.book.live().iter();
        let coming = live.filter(|order| order.is_at_market() && order.can_be_cancelled());
        i128::from(self.position) + coming.map(Working::signed_left).sum::<i128>()
    }

    /// The largest position, without its sign, that its orders can take it to: as it is, or with all that works on
    /// one side, resting orders and those that are being cancelled too. Exits do not open anything.
    pub fn worst(&self) -> i128 {
        let position = i128::from(self.position);
        let (mut up, mut down) = (position, position);
        for order in self.book.live().iter().filter(|order| !order.is_exit()) {
            let left = order.signed_left();
            if left > 0 { up += left } else { down += left }
        }
        position.abs().max(up.abs()).max(down.abs())
    }

    /// What rests on a side (+1 or −1) and is no exit: a target adds to it.
    pub fn resting(&self, sign: i64) -> i64 {
        let live = self.book.live().iter().filter(|order| !order.is_exit());
        let resting = live.filter(|order| order.kind != OrderType::Market && order.sign() == sign);
        resting.fold(0, |sum, order| sum.saturating_add(order.left()))
    }

    /// The furthest that what is ordered can take the position to one side: all that works there at the market, also
    /// what is being cancelled, and of exits that are, of which one cancels the other, the larger kind. Nothing
    /// of the other side holds it back.
    fn reach(&self, sign: i128) -> i128 {
        let (mut entries, mut stops, mut limits) = (0, 0, 0);
        let side = self.book.live().iter().filter(|order| i128::from(order.sign()) == sign);
        for order in side {
            let left = i128::from(order.left());
            match order.kind {
                _ if order.is_at_market() => entries += left,
                OrderType::Stop if order.is_exit() && order.is_ending() => stops += left,
                OrderType::Limit if order.is_exit() && order.is_ending() => limits += left,
                // What else rests is no part of a target.
                _ => {}
            }
        }
        i128::from(self.position) + sign * (entries + stops.max(limits))
    }

    /// Comes to a signed position by an order at the market, with what is on its way there already. The old
    /// bracket goes; the new one follows the fill.
    pub fn target(
        &mut self,
        target: i64,
        exits: Option<Distances>,
        at: &Moment,
        out: &mut Outbox,
    ) -> Option<OrderId> {
        self.goal = None;
        let toward = (i128::from(target) - self.expected()).signum();
        if toward == 0 {
            self.wait_for_reports(target, exits);
            return None;
        }
        let (mut sign, mut replaced) = (toward, OrderId::NONE);
        // What is left when those are gone may be too much on the other side: a smaller target.
        for _ in 0..2 {
            let against = |order: &Working| {
                let is_entry = matches!(order.role, Role::Entry(_)) && order.is_at_market();
                is_entry && i128::from(order.sign()) == -sign
            };
            let entries = self.book.live().iter().filter(|order| against(order));
            replaced = entries.map(|order| order.id).next_back().unwrap_or(replaced);
            self.cancel_where(against, OrderReason::Superseded, at, out);
            sign = (i128::from(target) - self.expected()).signum();
        }
        if sign == 0 {
            // To cancel was all there was to do; the bracket went when the cancelled order was made.
            self.wait_for_reports(target, exits);
            self.cover(exits, replaced, at, out);
            return None;
        }
        let rest = sign * (i128::from(target) - self.reach(sign));
        if rest <= 0 {
            self.wait_for_reports(target, exits);
            return None;
        }
        let side = if sign < 0 { Side::Sell } else { Side::Buy };
        let mut qty = i64::try_from(rest);
        let overflow = qty.is_err().then_some(OrderReason::Overflow);
        let refusal = overflow.or_else(|| self.gate(side, qty.unwrap_or(i64::MAX)).err());
        if refusal.is_none() {
            self.guard = None;
            self.cancel_where(Working::is_exit, OrderReason::Superseded, at, out);
            qty = i64::try_from(sign * (i128::from(target) - self.reach(sign)));
        }
        self.wait_for_reports(target, exits);
        let qty = qty.unwrap_or(i64::MAX);
        if qty <= 0 {
            return None;
        }
        let intent = Intent { exits, ..Intent::market(side, qty) };
        self.make(&intent, Role::Entry(exits), OrderId::NONE, refusal, at, out)
    }

    /// True while an order at the market may still reduce what is held.
    pub(super) fn is_being_reduced(&self) -> bool {
        let reduces =
            |order: &Working| order.is_at_market() && order.sign() == -self.position.signum();
        self.book.live().iter().any(reduces)
    }

    /// Keeps a target as the goal while orders that count for it are being cancelled.
    pub(super) fn wait_for_reports(&mut self, target: i64, exits: Option<Distances>) {
        let counts = |order: &Working| order.is_at_market() || order.is_exit();
        let waits = self.book.live().iter().any(|order| order.is_ending() && counts(order));
        self.goal = waits.then_some(Goal { target, exits });
    }

    /// An order that the goal waited for has ended: orders what is missing of it.
    pub(super) fn settle(&mut self, ended: OrderId, at: &Moment, out: &mut Outbox) {
        if let Some(Goal { target, exits }) = self.goal
            && self.mode() != Mode::Halted
        {
            self.target(target, exits, at, out);
            self.cover(exits, ended, at, out);
        }
    }

    /// An exit has filled though the goal wanted more of what it closed: the market has decided, and the next
    /// decision goes on from there.
    pub(super) fn give_up_goal(&mut self, exit: &Working) {
        let is_away = |goal: &Goal| {
            let missing = i128::from(goal.target) - i128::from(self.position);
            goal.target != 0 && missing.signum() == -i128::from(exit.sign())
        };
        self.goal = self.goal.filter(|goal| !is_away(goal));
    }

    /// Cancels what would open a position or take it further. Orders that reduce it stay, the oldest first, as
    /// far as they do no more together than close it.
    pub fn cancel_openings(&mut self, reason: OrderReason, at: &Moment, out: &mut Outbox) {
        self.goal = None;
        let position = self.position;
        loop {
            let mut open = i128::from(position).abs();
            let grows = |order: &&Working| {
                if order.is_exit() {
                    return false;
                }
                let left = i128::from(order.left());
                let reduces = position.signum() == -order.sign() && left <= open;
                open -= if reduces { left } else { 0 };
                !reduces && order.can_be_cancelled()
            };
            let Some(id) = self.book.live().iter().find(grows).map(|order| order.id) else { break };
            self.cancel(id, reason, at, out);
        }
    }
}

state!(Goal { target, exits });
