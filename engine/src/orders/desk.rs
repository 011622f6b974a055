//! An instrument's orders and position: the gate that lets orders in, and the paper venue's print.

use crate::orders::book::{Book, Place};
use crate::orders::exec::Exec;
use crate::orders::exits::Guard;
use crate::orders::id::OrderId;
use crate::orders::intent::Intent;
use crate::orders::order::{Role, Working};
use crate::orders::outbox::Outbox;
use crate::orders::seen::Seen;
use crate::orders::state::{Illegal, Next, OrderEvent, next};
use crate::orders::target::Goal;
use crate::orders::venue::{Contract, Match, Print, Rules, next_match};
use crate::stage::Digest;
use crate::state::{Codec, State, StateError, state};
use ringbuf_layout::names::{
    Exec as Said, OrderReason, OrderState, OrderType, SessionPhase, TimeInForce,
};
use ringbuf_layout::{Header, Instrument, Session, Side};

/// What the operators last said of an instrument.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// Every order.
    #[default]
    Active,
    /// Orders that reduce the position.
    Reducing,
    /// None.
    Halted,
}

/// Where an instrument stands among the contracts of its future.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Rank {
    /// It is of no future that is followed: positions may be opened.
    #[default]
    Alone,
    /// It is the front: positions may be opened.
    Front,
    /// It is not: only what reduces goes out.
    Back,
}

/// The input that the desk acts on.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Life of the journal directory.
    pub epoch: u32,
    /// Its sequence.
    pub seq: u64,
    /// Its event time.
    pub ts_event: i64,
    /// When it came.
    pub ts_recv: i64,
    /// Engine time: the newest event time so far.
    pub now: i64,
    /// Index of the first output of `oms` in its slot.
    pub first_index: u8,
}

impl Moment {
    /// The moment of an input.
    pub fn of(head: &Header, epoch: u32, now: i64, first_index: u8) -> Self {
        let Header { seq, ts_event, ts_recv, .. } = *head;
        Self { epoch, seq, ts_event, ts_recv, now, first_index }
    }
}

/// What went by that should not have: counted, in the state hash, and nothing breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Odd {
    /// Reports on orders that are not known.
    pub unknown: u64,
    /// Executions that are booked already.
    pub repeated: u64,
    /// Fills without a size or a price.
    pub senseless: u64,
    /// Fills that the position cannot hold.
    pub overflow: u64,
    /// Corrections of earlier reports: not supported.
    pub corrections: u64,
    /// Entries whose bracket could not be placed.
    pub unprotected: u64,
    /// Orders that were denied, because more events waited than an index can count.
    pub unnumbered: u64,
    /// Events that cannot happen, by [`Illegal`].
    pub illegal: [u64; Illegal::ALL.len()],
}

/// The desk of one instrument.
#[derive(Clone, Debug)]
pub struct Desk {
    /// Its number.
    pub instrument: u32,
    /// Where its orders go.
    pub rules: Rules,
    /// What it is; `None` until it is defined.
    pub contract: Option<Contract>,
    /// What the operators last said.
    pub(super) ordered: Mode,
    /// Where it stands among the contracts of its future.
    pub(super) rank: Rank,
    /// When the position shall be closed before its session ends; `i64::MAX` for never.
    pub flat_from: i64,
    /// That time has come: until the next session only what reduces goes out.
    pub(super) closing: bool,
    /// Signed, with every fill that was applied, also those that are still on their way out.
    pub position: i64,
    /// What should not have happened.
    pub odd: Odd,
    /// What it wants to come to once orders that are being cancelled have ended.
    pub(super) goal: Option<Goal>,
    /// The bracket that is placed once the exits before it have ended.
    pub(super) guard: Option<Guard>,
    pub(super) book: Book,
    pub(super) seen: Seen,
}

impl Desk {
    /// The desk of an instrument that is not defined yet; it keeps `kept` orders that are over.
    pub fn new(instrument: u32, rules: Rules, kept: usize) -> Self {
        Self {
            instrument,
            rules,
            contract: None,
            ordered: Mode::Active,
            rank: Rank::Alone,
            flat_from: i64::MAX,
            closing: false,
            position: 0,
            odd: Odd::default(),
            goal: None,
            guard: None,
            book: Book::new(kept),
            seen: Seen::default(),
        }
    }

    /// Learns what the instrument is.
    pub fn define(&mut self, instrument: &Instrument) {
        self.contract = Some(Contract::of(instrument));
    }

    /// What may go out: what the operators said, and before the close what reduces at most. What its rank allows is
    /// apart: see [`Desk::is_back`].
    pub fn mode(&self) -> Mode {
        if self.closing && self.ordered == Mode::Active { Mode::Reducing } else { self.ordered }
    }

    /// The orders at work, oldest first.
    pub fn orders(&self) -> &[Working] {
        self.book.live()
    }

    /// Makes an order, if the gate lets it in; else an event says why not. Returns its identity if it works now.
    pub fn submit(&mut self, intent: &Intent, at: &Moment, out: &mut Outbox) -> Option<OrderId> {
        let refusal = self.check_intent(intent).err();
        self.make(intent, Role::Entry(intent.exits), OrderId::NONE, refusal, at, out)
    }

    /// The checks of what comes from outside: size, prices, value, and the gate.
    fn check_intent(&self, intent: &Intent) -> Result<(), OrderReason> {
        let contract = self.contract.ok_or(OrderReason::UnknownInstrument)?;
        if intent.qty <= 0 || intent.qty % contract.lot != 0 || intent.side == Side::None {
            return Err(OrderReason::Size);
        }
        if !intent.prices_are_valid(contract.tick) {
            return Err(OrderReason::Price);
        }
        let price = intent.limit.0.min(intent.stop.0);
        if intent.kind != OrderType::Market && !contract.is_sane(price, intent.qty) {
            return Err(OrderReason::Overflow);
        }
        self.gate(intent.side, intent.qty)
    }

    /// The gate: what trading is, and whether there is a place.
    pub(super) fn gate(&self, side: Side, qty: i64) -> Result<(), OrderReason> {
        if self.contract.is_none() {
            return Err(OrderReason::UnknownInstrument);
        }
        match self.mode() {
            Mode::Halted => return Err(OrderReason::Halted),
            Mode::Reducing if !self.reduces(side, qty) => return Err(OrderReason::Reducing),
            Mode::Reducing | Mode::Active => {}
        }
        if self.is_back() && !self.reduces(side, qty) {
            return Err(OrderReason::NotFront);
        }
        if self.book.room() == 0 {
            return Err(OrderReason::BookFull);
        }
        Ok(())
    }

    /// True if an order, with those that work on its side already, takes the position no further than to zero.
    pub fn reduces(&self, side: Side, qty: i64) -> bool {
        let sign = if side == Side::Sell { -1 } else { 1 };
        let same = self.book.live().iter().filter(|o| o.side == side && !o.is_exit());
        let working: i128 = same.map(|order| i128::from(order.left())).sum();
        let open = i128::from(self.position).abs();
        self.position.signum() == -sign && i128::from(qty) + working <= open
    }

    /// Makes an order, or the event of one that is denied.
    pub(super) fn make(
        &mut self,
        intent: &Intent,
        role: Role,
        parent: OrderId,
        refusal: Option<OrderReason>,
        at: &Moment,
        out: &mut Outbox,
    ) -> Option<OrderId> {
        // An order without a place among the outputs of its input has no identity, and cannot go out: the event
        // that says so bears the index of the input itself.
        let index = out.next_index(at.first_index);
        let unnumbered = index.is_none().then_some(OrderReason::OutputsFull);
        self.odd.unnumbered += u64::from(index.is_none());
        let id = OrderId { epoch: at.epoch, seq: at.seq, index: index.unwrap_or(0) };
        let mut order = Working {
            id,
            parent,
            instrument: self.instrument,
            side: intent.side,
            kind: intent.kind,
            tif: intent.tif,
            role,
            state: OrderState::New,
            reason: OrderReason::None as u16,
            qty: intent.qty,
            filled: 0,
            cost: 0,
            limit: intent.limit,
            stop: intent.stop,
            works_from: at.now.saturating_add(self.rules.latency),
            triggered: false,
            resting: false,
            acknowledged: false,
            client_id: intent.client_id.unwrap_or_else(|| id.client_id()),
        };
        if let Some(reason) = refusal.or(unnumbered) {
            order.state = OrderState::Denied;
            order.because(reason);
        } else if !self.book.insert(order) {
            order.state = OrderState::Denied;
            order.because(OrderReason::BookFull);
        }
        out.push(order.record(at.ts_event, at.ts_recv));
        (order.state == OrderState::New).then_some(id)
    }

    /// One step of an order's life, with its event. False, and counted, if it cannot happen.
    pub(super) fn step(
        &mut self,
        place: Place,
        event: OrderEvent,
        reason: u16,
        at: &Moment,
        out: &mut Outbox,
    ) -> bool {
        let mut order = *self.book.get(place);
        match next(order.state, event) {
            Next::Never(why) => {
                self.odd.illegal[why as usize] += 1;
                false
            }
            Next::To(state) => {
                order.state = state;
                order.reason = reason;
                self.book.put(place, order);
                out.push(order.record(at.ts_event, at.ts_recv));
                true
            }
        }
    }

    /// Gives up what was still to come: a goal, and a bracket that waits.
    pub(super) fn forget_plans(&mut self) {
        (self.goal, self.guard) = (None, None);
    }

    /// Cancels an order: at once on paper, by a request at a broker.
    pub fn cancel(&mut self, id: OrderId, reason: OrderReason, at: &Moment, out: &mut Outbox) {
        let Some(place) = self.book.find(id) else { return };
        if self.book.get(place).can_be_cancelled() {
            let paper = self.rules.paper;
            let event = if paper { OrderEvent::Cancel } else { OrderEvent::RequestCancel };
            self.step(place, event, reason as u16, at, out);
        }
    }

    /// Cancels the orders at work that are so, oldest first.
    pub(super) fn cancel_where(
        &mut self,
        is_so: impl Fn(&Working) -> bool,
        reason: OrderReason,
        at: &Moment,
        out: &mut Outbox,
    ) {
        let which = |order: &&Working| order.can_be_cancelled() && is_so(order);
        while let Some(id) = self.book.live().iter().find(which).map(|order| order.id) {
            self.cancel(id, reason, at, out);
        }
    }

    /// A print at the paper venue: fills in their turn, then stops that it triggers, then acceptance of what
    /// has seen it and rests.
    pub fn on_print(&mut self, mut print: Print, at: &Moment, out: &mut Outbox) {
        let Some(contract) = self.contract.filter(|_| !self.book.live().is_empty()) else { return };
        loop {
            let found = next_match(self.book.live(), &print, &contract, &self.rules, self.position);
            let Some(found) = found else { break };
            match found {
                Match::Reject { at: place, reason } => {
                    let order = self.book.live()[place];
                    self.step(Place::Live(place), OrderEvent::Reject, reason as u16, at, out);
                    self.after_end(&order, at, out);
                    self.protect(at, out);
                }
                Match::Fill { at: place, qty, price, fee, liquidity } => {
                    let order = &self.book.live()[place];
                    print.take(order.side, qty);
                    let exec = Exec {
                        id: order.id,
                        said: if qty == order.left() { Said::Fill } else { Said::PartialFill },
                        qty,
                        cum_qty: order.filled + qty,
                        price,
                        fee,
                        reason: OrderReason::None as u16,
                        exec_id: [0; 24],
                        liquidity: Some(liquidity),
                    };
                    self.apply(&exec, at, out);
                }
            }
        }
        self.trigger(&print, at, out);
        self.acknowledge(&print, at, out);
    }

    /// Orders that this print has seen and left: the venue has them, and limits rest from now on.
    fn acknowledge(&mut self, print: &Print, at: &Moment, out: &mut Outbox) {
        for place in 0..self.book.live().len() {
            let mut order = self.book.live()[place];
            if order.resting || !print.can_see(&order) {
                continue;
            }
            order.resting = true;
            self.book.put(Place::Live(place), order);
            if order.state == OrderState::New {
                self.step(Place::Live(place), OrderEvent::Accept, 0, at, out);
            }
        }
    }

    /// The session of the instrument has changed: day orders end with it. A broker's end at the broker.
    pub fn on_session(&mut self, session: &Session, at: &Moment, out: &mut Outbox) {
        if session.tail.side != SessionPhase::Closed as u8 {
            let new = self.rules.flat_before.map(|before| session.close.saturating_sub(before));
            let new = new.unwrap_or(i64::MAX);
            if new != self.flat_from || at.now < new {
                (self.flat_from, self.closing) = (new, false);
            }
            return;
        }
        if !self.rules.paper {
            return;
        }
        let is_day = |order: &Working| order.tif == TimeInForce::Day;
        while let Some(place) = self.book.live().iter().position(is_day) {
            let order = self.book.live()[place];
            let reason = OrderReason::SessionEnd as u16;
            self.step(Place::Live(place), OrderEvent::Expire, reason, at, out);
            self.after_end(&order, at, out);
            self.protect(at, out);
        }
    }

    /// Makes room for a drill's next order: its broker may never answer.
    pub fn give_up_oldest(&mut self) {
        if self.book.room() == 0 && !self.rules.paper {
            self.book.give_up_oldest();
        }
    }

    /// Feeds its state to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        let Some(contract) = &self.contract else {
            digest.word(0);
            return;
        };
        for field in [contract.tick, contract.lot, contract.fee, contract.terms.multiplier] {
            digest.int(field);
        }
        digest.int(contract.terms.size_one);
        let flags = u64::from(contract.quoted)
            | u64::from(self.closing) << 1
            | u64::from(contract.barred) << 2;
        digest.word(flags | (self.ordered as u64) << 8 | (self.rank as u64) << 16);
        digest.int(self.flat_from);
        digest.int(self.position);
        let odd = &self.odd;
        for count in [
            odd.unknown,
            odd.repeated,
            odd.senseless,
            odd.overflow,
            odd.corrections,
            odd.unprotected,
            odd.unnumbered,
        ] {
            digest.word(count);
        }
        odd.illegal.iter().for_each(|count| digest.word(*count));
        Goal::digest(self.goal.as_ref(), digest);
        Guard::digest(self.guard.as_ref(), digest);
        self.book.digest(digest);
        self.seen.digest(digest);
    }
}

impl State for Mode {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        codec.code(self, *self as u8, |byte| match byte {
            0 => Some(Self::Active),
            1 => Some(Self::Reducing),
            2 => Some(Self::Halted),
            _ => None,
        })
    }
}

impl State for Rank {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        codec.code(self, *self as u8, |byte| match byte {
            0 => Some(Self::Alone),
            1 => Some(Self::Front),
            2 => Some(Self::Back),
            _ => None,
        })
    }
}

state!(Odd {
    unknown,
    repeated,
    senseless,
    overflow,
    corrections,
    unprotected,
    unnumbered,
    illegal,
});

impl State for Desk {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self {
            instrument: _,
            rules: _,
            contract,
            ordered,
            rank,
            flat_from,
            closing,
            position,
            odd,
            goal,
            guard,
            book,
            seen,
        } = self;
        codec.option(contract, || Contract::BLANK)?;
        ordered.state(codec)?;
        rank.state(codec)?;
        flat_from.state(codec)?;
        closing.state(codec)?;
        position.state(codec)?;
        odd.state(codec)?;
        codec.option(goal, Goal::default)?;
        codec.option(guard, || Guard::BLANK)?;
        book.state(codec)?;
        seen.state(codec)
    }
}
