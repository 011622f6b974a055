//! What somebody wants of one instrument: the policy by way of `risk`, a drill, a user's own rule, later issues.

use crate::orders::bracket::Distances;
use crate::state::{Codec, State, StateError};
use ringbuf_layout::names::{OrderType, TimeInForce};
use ringbuf_layout::{Price, Side};

/// An order to make, before the gate has looked at it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Intent {
    /// Buy or sell.
    pub side: Side,
    /// How much, above 0, a multiple of the lot.
    pub qty: i64,
    /// Market, limit or stop.
    pub kind: OrderType,
    /// Limit of a limit order; undefined for the others.
    pub limit: Price,
    /// Stop of a stop order; undefined for the others.
    pub stop: Price,
    /// How long it works.
    pub tif: TimeInForce,
    /// The bracket that follows when it has ended with something filled.
    pub exits: Option<Distances>,
    /// A name of its own instead of the one made of its identity.
    pub client_id: Option<[u8; 32]>,
}

impl Intent {
    /// At the market, until the session ends.
    pub fn market(side: Side, qty: i64) -> Self {
        Self {
            side,
            qty,
            kind: OrderType::Market,
            limit: Price::UNDEFINED,
            stop: Price::UNDEFINED,
            tif: TimeInForce::Day,
            exits: None,
            client_id: None,
        }
    }

    /// At this price or better, until the session ends.
    pub fn limit(side: Side, qty: i64, limit: Price) -> Self {
        Self { kind: OrderType::Limit, limit, ..Self::market(side, qty) }
    }

    /// At the market once it has come to this price, until the session ends.
    pub fn stop(side: Side, qty: i64, stop: Price) -> Self {
        Self { kind: OrderType::Stop, stop, ..Self::market(side, qty) }
    }

    /// True if its prices are those that its type has, above 0 and on the grid of ticks.
    pub fn prices_are_valid(&self, tick: i64) -> bool {
        let wanted = [self.kind == OrderType::Limit, self.kind == OrderType::Stop];
        [self.limit, self.stop].iter().zip(wanted).all(|(price, wanted)| {
            let valid = price.is_defined() && price.0 > 0 && price.0 % tick == 0;
            if wanted { valid } else { !price.is_defined() }
        })
    }
}

impl State for Intent {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { side, qty, kind, limit, stop, tif, exits, client_id } = self;
        side.state(codec)?;
        qty.state(codec)?;
        kind.state(codec)?;
        limit.state(codec)?;
        stop.state(codec)?;
        tif.state(codec)?;
        codec.option(exits, Distances::default)?;
        codec.option(client_id, || [0; 32])
    }
}
