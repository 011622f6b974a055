//! A drill in place of decisions: an order every k inputs, whatever the market does. For tests of the order
//! path, the kill switch and the panic procedure, and to measure the way from due to out. Its orders go the
//! way of any other: through the gate, to the paper venue or a broker, and are booked.

use crate::orders::intent::Intent;
use crate::stage::Digest;
use crate::state::state;
use ringbuf_layout::Side;
use ringbuf_layout::input::fixed_text;

/// The drill.
#[derive(Debug)]
pub struct Drill {
    every: u64,
    since: u64,
    made: u64,
    denied: u64,
}

impl Drill {
    /// An order every `every` inputs.
    pub fn new(every: u64) -> Self {
        Self { every, since: 0, made: 0, denied: 0 }
    }

    /// Counts an input.
    pub fn count(&mut self) {
        self.since += 1;
    }

    /// The order that is due, on an input of an instrument with this lot: buys and sells in turn, one lot at
    /// the market.
    pub fn due(&mut self, lot: i64) -> Option<Intent> {
        if self.since < self.every {
            return None;
        }
        self.since = 0;
        let side = if self.made.is_multiple_of(2) { Side::Buy } else { Side::Sell };
        let client_id = Some(fixed_text("drill"));
        Some(Intent { client_id, ..Intent::market(side, lot) })
    }

    /// Notes whether the gate let it in.
    pub fn note(&mut self, made: bool) {
        *(if made { &mut self.made } else { &mut self.denied }) += 1;
    }

    /// Feeds its state to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        for word in [self.since, self.made, self.denied] {
            digest.word(word);
        }
    }
}

state!(Drill { since, made, denied } fixed { every });
