//! egress: copies what shall leave into the bounded list of the gateway and frees its slot at once.
//!
//! In paper mode it only counts. It never waits: a list that is full sends the order back as `egress_full`,
//! and one whose reserve is full as well halts trading.

use crate::earlier::AfterPortfolio;
use crate::problem::Problem;
use crate::runtime::controls::Controls;
use crate::runtime::handler::{Handler, Pass};
use crate::runtime::latency::Measure;
use bytemuck::Zeroable;
use ringbuf_layout::names::{Latch, OrderState};
use ringbuf_layout::{Order, Part, Slot};
use std::sync::Arc;
use sync::{Gauge, ListReader, ListWriter, order_list};

const ORDER_WORDS: usize = size_of::<Order>() / 8;
/// Words of an entry: the order, the stamp of its input, and whether the list was full.
pub const ENTRY_WORDS: usize = ORDER_WORDS + 2;

/// An order on its way out.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Entry {
    /// The order event: a new order or a request to cancel.
    pub order: Order,
    /// When its input was due or published, by the run's clock.
    pub due: u64,
    /// True if the list was full: it goes back.
    pub full: bool,
}

impl Entry {
    fn words(&self) -> [u64; ENTRY_WORDS] {
        let mut words = [0; ENTRY_WORDS];
        words[..ORDER_WORDS]
            .copy_from_slice(bytemuck::cast_ref::<Order, [u64; ORDER_WORDS]>(&self.order));
        words[ORDER_WORDS] = self.due;
        words[ORDER_WORDS + 1] = u64::from(self.full);
        words
    }

    /// The entry in the words of the list.
    pub fn from_words(words: &[u64; ENTRY_WORDS]) -> Self {
        let mut order = Order::zeroed();
        bytemuck::cast_mut::<Order, [u64; ORDER_WORDS]>(&mut order)
            .copy_from_slice(&words[..ORDER_WORDS]);
        Self { order, due: words[ORDER_WORDS], full: words[ORDER_WORDS + 1] != 0 }
    }
}

/// The spine's end of the exit.
#[derive(Debug)]
pub struct Outlet {
    list: ListWriter<ENTRY_WORDS>,
    /// Orders that may wait; the list holds as many again, on their way back.
    limit: usize,
    controls: Arc<Controls>,
    /// How many were pushed.
    pushed: Arc<Gauge>,
}

impl Outlet {
    /// An exit where `limit` orders may wait (a power of two), and the gateway's end of it.
    pub fn new(limit: usize, controls: Arc<Controls>) -> (Self, ListReader<ENTRY_WORDS>) {
        let (list, reader) = order_list(2 * limit);
        (Self { list, limit, controls, pushed: Arc::default() }, reader)
    }

    /// How many it took, for who waits until as many have left or come back.
    pub fn pushed(&self) -> Arc<Gauge> {
        Arc::clone(&self.pushed)
    }

    /// Takes an order; never waits.
    pub fn push(&mut self, order: &Order, due: u64) {
        let full = self.list.len() >= self.limit;
        if self.list.push(&Entry { order: *order, due, full }.words()) {
            self.pushed.set(self.pushed.get() + 1);
        } else {
            self.controls.kill.latch(Latch::EgressOverflow as u32);
            self.controls.note_error(
                "the list at the exit overflowed: an order was dropped, trading is halted",
            );
        }
    }
}

/// The handler.
#[derive(Debug)]
#[repr(align(128))]
pub struct Egress {
    lanes: AfterPortfolio,
    outlet: Option<Outlet>,
    orders: u64,
}

impl Egress {
    /// An egress that reads the order lane; without an outlet (paper mode) it counts.
    pub fn new(lanes: AfterPortfolio, outlet: Option<Outlet>) -> Self {
        Self { lanes, outlet, orders: 0 }
    }

    #[cold]
    fn orders(&mut self, slot: &Slot, pass: &mut Pass) {
        let due = pass.stamps.as_ref().map_or(0, |stamps| stamps.due(slot.seq()));
        for order in self.lanes.orders.read(slot.seq()).filter_map(|execution| execution.order()) {
            let leaves = matches!(
                OrderState::from_byte(order.state),
                Some(OrderState::New | OrderState::CancelRequested)
            );
            if !leaves {
                continue;
            }
            self.orders += 1;
            match &mut self.outlet {
                Some(outlet) => outlet.push(&order, due),
                None => {
                    if let Some(stamps) = &mut pass.stamps {
                        let now = stamps.now();
                        stamps.record(Measure::Order, due, now);
                    }
                }
            }
        }
    }
}

impl Handler for Egress {
    fn parts(&self) -> &'static [Part] {
        &[Part::Egress]
    }

    fn on_batch(&mut self, batch: &[&Slot], pass: &mut Pass) -> Result<(), Problem> {
        pass.at.part = Part::Egress;
        for (i, slot) in batch.iter().enumerate() {
            pass.at.seq = slot.seq();
            let mut taken = pass.take(i, slot);
            if self.lanes.orders.count(slot.seq()) > 0 {
                self.orders(slot, pass);
            }
            pass.leave(&mut taken, Part::Egress);
        }
        Ok(())
    }

    fn orders_out(&self) -> u64 {
        self.orders
    }
}
