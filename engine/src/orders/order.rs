//! What `oms` knows of one order.

use crate::orders::bracket::Distances;
use crate::orders::id::OrderId;
use crate::stage::Digest;
use crate::state::{Codec, State, StateError, state};
use bytemuck::Zeroable;
use ringbuf_layout::names::{OrderReason, OrderState, OrderType, TimeInForce};
use ringbuf_layout::units::div_half_even;
use ringbuf_layout::{Frame, Order, Price, Side, Size};

/// What an order is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// To come to a position; with the bracket that shall follow it.
    Entry(Option<Distances>),
    /// One of a bracket's two.
    Exit {
        /// The other one.
        sibling: OrderId,
    },
    /// To close a position, because an operator said so.
    Flatten,
}

/// An order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Working {
    /// Who it is.
    pub id: OrderId,
    /// The entry that it is an exit of.
    pub parent: OrderId,
    /// Instrument number.
    pub instrument: u32,
    /// Buy or sell.
    pub side: Side,
    /// Market, limit or stop.
    pub kind: OrderType,
    /// How long it works.
    pub tif: TimeInForce,
    /// What it is for.
    pub role: Role,
    /// Where in its life it is.
    pub state: OrderState,
    /// Why it is there.
    pub reason: u16,
    /// Ordered size.
    pub qty: i64,
    /// Filled size.
    pub filled: i64,
    /// Σ price × size of its fills.
    pub cost: i128,
    /// Limit; undefined if none.
    pub limit: Price,
    /// Stop; undefined if none.
    pub stop: Price,
    /// Event time from which the paper venue has it.
    pub works_from: i64,
    /// The market has come to its stop.
    pub triggered: bool,
    /// It has seen the market without being filled: it rests at its limit.
    pub resting: bool,
    /// The venue has said that it has it: a rejection is then of a request to cancel.
    pub acknowledged: bool,
    /// The name that the venue knows it by.
    pub client_id: [u8; 32],
}

impl Working {
    /// What is not filled yet.
    pub fn left(&self) -> i64 {
        self.qty - self.filled
    }

    /// Above 0 for a buy.
    pub fn sign(&self) -> i64 {
        if self.side == Side::Sell { -1 } else { 1 }
    }

    /// True for an order of a bracket.
    pub fn is_exit(&self) -> bool {
        matches!(self.role, Role::Exit { .. })
    }

    /// True if a request to cancel it makes sense.
    pub fn can_be_cancelled(&self) -> bool {
        use OrderState::{Accepted, New, PartiallyFilled};
        matches!(self.state, New | Accepted | PartiallyFilled)
    }

    /// Average price of its fills, rounded half to even; undefined without any.
    pub fn average(&self) -> Price {
        div_half_even(self.cost, i128::from(self.filled))
            .map_or(Price::UNDEFINED, |price| Price(price as i64))
    }

    /// It as an order event.
    pub fn record(&self, ts_event: i64, ts_recv: i64) -> Order {
        let mut order = Order {
            head: Order::header(ts_event, ts_recv),
            order_seq: self.id.seq,
            order_epoch: self.id.epoch,
            order_index: self.id.index,
            order_type: self.kind as u8,
            state: self.state as u8,
            tif: self.tif as u8,
            qty: Size(self.qty),
            price: self.average(),
            filled: Size(self.filled),
            limit_price: self.limit,
            stop_price: self.stop,
            parent_seq: self.parent.seq,
            parent_epoch: self.parent.epoch,
            parent_index: self.parent.index,
            reason: self.reason,
            client_id: self.client_id,
            ..Order::zeroed()
        };
        order.tail.instrument = self.instrument;
        order.tail.side = self.side as u8;
        order
    }

    /// Sets why it is where it is.
    pub fn because(&mut self, reason: OrderReason) {
        self.reason = reason as u16;
    }

    /// Feeds its state to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        self.id.digest(digest);
        self.parent.digest(digest);
        let codes = [self.side as u8, self.kind as u8, self.tif as u8, self.state as u8];
        digest.word(u64::from(u32::from_le_bytes(codes)) | u64::from(self.instrument) << 32);
        let flags = [self.triggered, self.resting, self.acknowledged].map(u64::from);
        digest.word(flags[0] | flags[1] << 1 | flags[2] << 2 | u64::from(self.reason) << 8);
        for field in [self.qty, self.filled, self.limit.0, self.stop.0, self.works_from] {
            digest.int(field);
        }
        digest.wide(self.cost);
        match self.role {
            Role::Entry(exits) => {
                digest.int(1);
                exits.unwrap_or_default().digest(digest);
            }
            Role::Exit { sibling } => {
                digest.int(2);
                sibling.digest(digest);
            }
            Role::Flatten => digest.int(3),
        }
        let words: [u64; 4] = bytemuck::cast(self.client_id);
        for word in words {
            digest.word(word);
        }
    }
}

impl Role {
    const ENTRY: u8 = 0;
    const EXIT: u8 = 1;
    const FLATTEN: u8 = 2;
}

impl State for Role {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let byte = match self {
            Self::Entry(_) => Self::ENTRY,
            Self::Exit { .. } => Self::EXIT,
            Self::Flatten => Self::FLATTEN,
        };
        codec.code(self, byte, |byte| match byte {
            Self::ENTRY => Some(Self::Entry(None)),
            Self::EXIT => Some(Self::Exit { sibling: OrderId::NONE }),
            Self::FLATTEN => Some(Self::Flatten),
            _ => None,
        })?;
        match self {
            Self::Entry(exits) => codec.option(exits, Distances::default),
            Self::Exit { sibling } => sibling.state(codec),
            Self::Flatten => Ok(()),
        }
    }
}

state!(Working {
    id, parent, instrument, side, kind, tif, role, state, reason, qty, filled, cost, limit, stop,
    works_from, triggered, resting, acknowledged, client_id,
} check |order| (0..=order.qty).contains(&order.filled) && order.side != Side::None);

impl Working {
    /// No order: what a saved one is loaded into.
    pub(super) const BLANK: Self = Self {
        id: OrderId::NONE,
        parent: OrderId::NONE,
        instrument: 0,
        side: Side::Buy,
        kind: OrderType::Market,
        tif: TimeInForce::Day,
        role: Role::Flatten,
        state: OrderState::New,
        reason: 0,
        qty: 0,
        filled: 0,
        cost: 0,
        limit: Price::UNDEFINED,
        stop: Price::UNDEFINED,
        works_from: 0,
        triggered: false,
        resting: false,
        acknowledged: false,
        client_id: [0; 32],
    };
}
