//! A drill in place of decisions: an order every k inputs, whatever the market does. For tests of the order
//! path, the kill switch and the panic procedure, and to measure the way from due to out. It takes
//! reports and denies when halted, as `oms` does.

use crate::stage::{Digest, Emit};
use bytemuck::Zeroable;
use ringbuf_layout::input::fixed_text;
use ringbuf_layout::names::{Command, Exec, OrderReason, OrderState};
use ringbuf_layout::{
    Execution, ExecutionReport, Fill, Frame, InputCell, Instrument, Operator, Order, Price,
    RunStart, Side, Size, Slot,
};

/// Orders that it remembers: a report on an older one is counted and not booked.
const REMEMBERED: usize = 1_024;

/// Outcome of an instrument: defined, and what the operators last said.
#[derive(Clone, Copy, Debug)]
struct Traded {
    lot: Size,
    halted: bool,
}

/// The drill.
#[derive(Debug)]
pub struct Drill {
    every: u64,
    since: u64,
    epoch: u32,
    instruments: Vec<Option<Traded>>,
    orders: Vec<Order>,
    made: u64,
    denied: u64,
    filled: i64,
    unknown: u64,
}

impl Drill {
    /// An order every `every` inputs, for at most so many instruments.
    pub fn new(every: u64, instruments: usize) -> Self {
        Self {
            every,
            since: 0,
            epoch: 0,
            instruments: vec![None; instruments],
            orders: Vec::with_capacity(REMEMBERED),
            made: 0,
            denied: 0,
            filled: 0,
            unknown: 0,
        }
    }

    /// Takes an input.
    pub fn on_input(&mut self, slot: &Slot, out: &mut Emit<'_, Execution>) {
        if let Some(report) = slot.input.get::<ExecutionReport>() {
            self.on_report(report, out);
        } else if !slot.input.is_tick() {
            self.on_other(&slot.input);
        }
        self.since += 1;
        let instrument = slot.input.tail().instrument;
        let traded = self.instruments.get(instrument as usize).copied().flatten();
        if let Some(traded) = traded
            && self.since >= self.every
        {
            self.since = 0;
            self.order(slot, instrument, traded, out);
        }
    }

    fn on_other(&mut self, input: &InputCell) {
        if let Some(start) = input.get::<RunStart>() {
            self.epoch = start.epoch;
        } else if let Some(instrument) = input.get::<Instrument>() {
            if let Some(place) = self.instruments.get_mut(instrument.tail.instrument as usize) {
                *place = Some(Traded { lot: instrument.lot, halted: false });
            }
        } else if let Some(operator) = input.get::<Operator>()
            && let Some(Some(traded)) = self.instruments.get_mut(operator.tail.instrument as usize)
        {
            match Command::from_byte(operator.tail.side) {
                Some(Command::Halt) => traded.halted = true,
                Some(Command::Resume) => traded.halted = false,
                // They take effect with positions.
                Some(Command::Reduce | Command::Flatten | Command::CancelAll) | None => {}
            }
        }
    }

    /// Buys and sells in turn, one lot at the market.
    fn order(
        &mut self,
        slot: &Slot,
        instrument: u32,
        traded: Traded,
        out: &mut Emit<'_, Execution>,
    ) {
        let head = slot.input.head();
        let mut order = Order {
            head: Order::header(head.ts_event, head.ts_recv),
            order_seq: head.seq,
            order_epoch: self.epoch,
            order_index: out.next_index(),
            qty: traded.lot,
            price: Price::UNDEFINED,
            limit_price: Price::UNDEFINED,
            stop_price: Price::UNDEFINED,
            client_id: fixed_text("drill"),
            ..Order::zeroed()
        };
        order.tail.instrument = instrument;
        order.tail.side = if self.made.is_multiple_of(2) { Side::Buy } else { Side::Sell } as u8;
        if traded.halted {
            self.denied += 1;
            order.state = OrderState::Denied as u8;
            order.reason = OrderReason::Halted as u16;
        } else {
            let place = (self.made as usize) % REMEMBERED;
            self.made += 1;
            match self.orders.get_mut(place) {
                Some(old) => *old = order,
                None => self.orders.push(order),
            }
        }
        out.push(order.into());
    }

    fn on_report(&mut self, report: &ExecutionReport, out: &mut Emit<'_, Execution>) {
        let id = (report.order_epoch, report.order_seq, report.order_index);
        let known = |o: &&mut Order| (o.order_epoch, o.order_seq, o.order_index) == id;
        let Some(order) = self.orders.iter_mut().find(known) else {
            self.unknown += 1;
            return;
        };
        let fill = matches!(Exec::from_byte(report.exec), Some(Exec::PartialFill | Exec::Fill));
        if fill {
            order.filled = Size(order.filled.0.saturating_add(report.qty.0));
            order.price = report.price;
            self.filled = self.filled.saturating_add(report.qty.0);
        }
        order.state = match Exec::from_byte(report.exec) {
            Some(Exec::Accepted) => OrderState::Accepted,
            Some(Exec::PartialFill) => OrderState::PartiallyFilled,
            Some(Exec::Fill) => OrderState::Filled,
            Some(Exec::Cancelled) => OrderState::Cancelled,
            Some(Exec::Rejected) => OrderState::Rejected,
            Some(Exec::Expired) => OrderState::Expired,
            Some(Exec::Correction) | None => return,
        } as u8;
        order.reason = report.reason;
        let mut event = *order;
        event.head = Order::header(report.head.ts_event, report.head.ts_recv);
        out.push(event.into());
        if fill {
            let mut fill = Fill {
                head: Fill::header(report.head.ts_event, report.head.ts_recv),
                order_seq: report.order_seq,
                order_epoch: report.order_epoch,
                order_index: report.order_index,
                qty: report.qty,
                price: report.price,
                fee: report.fee,
                exec_id: report.exec_id,
                ..Fill::zeroed()
            };
            fill.tail = report.tail;
            out.push(fill.into());
        }
    }

    /// Feeds its state to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        for word in [self.since, self.made, self.denied, self.unknown] {
            digest.word(word);
        }
        digest.int(self.filled);
        let halted = self.instruments.iter().flatten().filter(|traded| traded.halted).count();
        digest.word(halted as u64);
        for order in &self.orders {
            digest.word(order.order_seq);
            digest.word(u64::from(order.state));
            digest.int(order.filled.0);
        }
    }
}
