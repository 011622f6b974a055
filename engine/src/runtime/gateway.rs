//! The gateway: lets orders out to a broker, off the spine, and brings back what the broker says.
//!
//! An order leaves when the slot that holds it is journaled, it is not older than allowed, the exit
//! comparator agrees and trading is not halted: the kill word is read last, immediately before it leaves.
//! What is held back re-enters as an execution report `REJECTED` with the reason, so `oms` knows, and a
//! replay needs none of this.

use crate::layout::Wait;
use crate::runtime::clock::Clock;
use crate::runtime::controls::Controls;
use crate::runtime::egress::{ENTRY_WORDS, Entry};
use crate::runtime::latency::{Measure, Stamps};
use crate::runtime::sink::Progress;
use bytemuck::Zeroable;
use journal::Watermark;
use ringbuf_layout::names::{Exec, Latch, OrderReason, OrderState};
use ringbuf_layout::{ExecutionReport, Frame, Order, Side, Size};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use sync::{Gauge, ListReader, Stop, Trading};

/// Where orders go. Called by the gateway's thread only, never by the spine; it may block, and what then
/// waits too long is sent back as `too_old`.
pub trait Broker: Send {
    /// Sends a new order or a request to cancel (`order.state`).
    ///
    /// # Errors
    /// Why the broker does not take it: it goes back as `REJECTED broker`.
    fn send(&mut self, order: &Order) -> Result<(), String>;

    /// Cancels whatever works at the broker: trading is halted, or the run ends.
    fn cancel_all(&mut self);

    /// The next report, if one has come. Never blocks.
    fn report(&mut self) -> Option<ExecutionReport>;

    /// Reports that are still expected without anything happening in the market: a run drains for them.
    fn expected(&self) -> usize {
        0
    }
}

/// The exit comparator: what went out against what was approved, per instrument and side, counted from the
/// journaled outputs and not from the list. (Knight Capital's missing control.)
#[derive(Debug)]
pub struct Comparator {
    approved: Arc<Progress>,
    sent: Vec<[u64; 2]>,
}

impl Comparator {
    /// Nothing sent yet.
    pub fn new(approved: Arc<Progress>, instruments: usize) -> Self {
        Self { approved, sent: vec![[0; 2]; instruments] }
    }

    /// Counts an order that is about to leave; false if more would be out than was approved.
    fn admits(&mut self, order: &Order) -> bool {
        let instrument = order.tail.instrument as usize;
        let side = usize::from(order.tail.side == Side::Sell as u8);
        let Some(sent) = self.sent.get_mut(instrument) else { return false };
        let total = sent[side].saturating_add(order.qty.0.unsigned_abs());
        let admitted = total <= self.approved.approved(instrument, side);
        if admitted {
            sent[side] = total;
        }
        admitted
    }
}

/// What a gateway needs.
pub struct Gateway<'b> {
    /// Where orders go.
    pub broker: Box<dyn Broker + 'b>,
    /// The list that egress fills.
    pub list: ListReader<ENTRY_WORDS>,
    /// What is journaled may leave.
    pub journaled: Arc<Watermark>,
    /// Kill word and last error.
    pub controls: Arc<Controls>,
    /// Set when a thread of the spine fails: nothing leaves any more.
    pub stop: Arc<Stop>,
    /// Set when the spine has ended in good order.
    pub finish: Arc<AtomicBool>,
    /// True while there is nothing to do and nothing is expected.
    pub idle: Arc<AtomicBool>,
    /// To the sequencer.
    pub reports: rtrb::Producer<ExecutionReport>,
    /// The independent count.
    pub comparator: Comparator,
    /// Age from which an order goes back.
    pub max_age: Duration,
    /// The run's clock.
    pub clock: Clock,
    /// Its histogram: the way from due to out.
    pub stamps: Stamps,
    /// Orders and requests that left.
    pub sent: Arc<Gauge>,
    /// Orders that were held back.
    pub held: Arc<Gauge>,
}

impl core::fmt::Debug for Gateway<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Gateway({} waiting)", self.list.len())
    }
}

impl Gateway<'_> {
    /// Runs until the spine has ended and the list is empty, or the spine failed. Returns its stamps.
    pub fn run(self) -> Stamps {
        let controls = Arc::clone(&self.controls);
        let mut working =
            Working { gateway: self, backlog: VecDeque::new(), cancelled: false, source_seq: 0 };
        let ran = catch_unwind(AssertUnwindSafe(|| working.run()));
        if ran.is_err() {
            controls.kill.latch(Latch::Broker as u32);
            controls.note_error("the connection to the broker panicked; trading is halted");
        }
        working.gateway.idle.store(true, Ordering::Release);
        working.gateway.stamps
    }
}

struct Working<'b> {
    gateway: Gateway<'b>,
    /// Reports that the sequencer has no room for yet.
    backlog: VecDeque<ExecutionReport>,
    /// True once what works was cancelled, for this halt.
    cancelled: bool,
    source_seq: u64,
}

impl Working<'_> {
    fn run(&mut self) {
        let mut idle = 0;
        while !self.gateway.stop.is_set() {
            let finishing = self.gateway.finish.load(Ordering::Acquire);
            let moved = self.cancel_once() | self.deliver() | self.release();
            self.gateway.stamps.hand_over();
            if moved {
                idle = 0;
                continue;
            }
            let expects = self.gateway.broker.expected() > 0 || !self.backlog.is_empty();
            self.gateway.idle.store(!expects, Ordering::Release);
            if finishing {
                break;
            }
            idle += 1;
            Wait::Yield.wait(idle);
        }
        // Nobody watches from here on: what works at the broker shall not outlive the run.
        if !self.cancelled {
            self.gateway.broker.cancel_all();
        }
    }

    /// Halted: working orders are cancelled, once.
    fn cancel_once(&mut self) -> bool {
        let halted = self.gateway.controls.kill.state() == Trading::Halted;
        let now = halted && !self.cancelled;
        if now {
            self.gateway.broker.cancel_all();
        }
        self.cancelled = halted;
        now
    }

    /// What the broker says goes to the sequencer.
    fn deliver(&mut self) -> bool {
        let mut moved = false;
        while let Some(report) = self.gateway.broker.report() {
            self.gateway.idle.store(false, Ordering::Release);
            self.enter(report);
            moved = true;
        }
        while let Some(report) = self.backlog.pop_front() {
            if let Err(rtrb::PushError::Full(report)) = self.gateway.reports.push(report) {
                self.backlog.push_front(report);
                break;
            }
            moved = true;
        }
        moved
    }

    /// A report on its way to the sequencer, numbered.
    fn enter(&mut self, mut report: ExecutionReport) {
        report.source_seq = self.source_seq;
        self.source_seq += 1;
        self.backlog.push_back(report);
    }

    /// The oldest order, if its slot is journaled.
    fn release(&mut self) -> bool {
        let gateway = &mut self.gateway;
        let Some(words) = gateway.list.peek() else { return false };
        let entry = Entry::from_words(&words);
        if !gateway.journaled.covers(entry.order.head.seq) {
            return false;
        }
        gateway.idle.store(false, Ordering::Release);
        match self.let_out(&entry) {
            Ok(()) => {
                let now = self.gateway.clock.now();
                self.gateway.stamps.record(Measure::Order, entry.due, now);
            }
            Err(reason) => {
                self.gateway.held.set(self.gateway.held.get() + 1);
                self.enter(rejection(&entry.order, reason));
            }
        }
        self.gateway.list.drop_front();
        true
    }

    /// Every check at the exit, the kill word last.
    fn let_out(&mut self, entry: &Entry) -> Result<(), OrderReason> {
        let gateway = &mut self.gateway;
        let order = &entry.order;
        let age = gateway.clock.now().saturating_sub(entry.due);
        let cancels = order.state == OrderState::CancelRequested as u8;
        if entry.full {
            return Err(OrderReason::EgressFull);
        }
        if !cancels {
            if u128::from(age) > gateway.max_age.as_nanos() {
                return Err(OrderReason::TooOld);
            }
            if gateway.controls.kill.state() == Trading::Halted {
                return Err(OrderReason::Halted);
            }
            if !gateway.comparator.admits(order) {
                gateway.controls.kill.latch(Latch::Comparator as u32);
                gateway.controls.note_error(format!(
                    "the exit comparator stopped an order of sequence {}: more would have gone out than \
                     was approved",
                    order.head.seq
                ));
                return Err(OrderReason::Comparator);
            }
            gateway.controls.kill.pass().map_err(|_| OrderReason::Halted)?;
        }
        gateway.broker.send(order).map_err(|error| {
            gateway.controls.note_error(format!("the broker refused an order: {error}"));
            OrderReason::Broker
        })?;
        gateway.sent.set(gateway.sent.get() + 1);
        Ok(())
    }
}

/// The report of an order that did not leave.
fn rejection(order: &Order, reason: OrderReason) -> ExecutionReport {
    let mut report = report_on(order, Exec::Rejected);
    report.reason = reason as u16;
    report
}

/// A report about an order, with nothing filled.
pub fn report_on(order: &Order, exec: Exec) -> ExecutionReport {
    let mut report = ExecutionReport {
        head: ExecutionReport::header(order.head.ts_event, order.head.ts_event),
        order_seq: order.order_seq,
        order_epoch: order.order_epoch,
        order_index: order.order_index,
        exec: exec as u8,
        price: order.price,
        qty: Size(0),
        cum_qty: order.filled,
        ..ExecutionReport::zeroed()
    };
    report.tail.instrument = order.tail.instrument;
    report.tail.side = order.tail.side;
    report
}

/// What the sequencer asks before it writes the run end in broker mode: has everything left or come back?
#[derive(Debug)]
pub struct Settle {
    /// Egress has taken the sequences below this.
    pub egress: Arc<Gauge>,
    /// The list.
    pub list: sync::ListGauge<ENTRY_WORDS>,
    /// The gateway has nothing to do.
    pub idle: Arc<AtomicBool>,
    /// How long it may take.
    pub bound: Duration,
    /// When it began.
    pub since: Option<Instant>,
}

impl Settle {
    /// True if every order of the inputs below `next_seq` has left or come back, or the bound has passed.
    pub fn is_settled(&mut self, next_seq: u64) -> bool {
        let since = *self.since.get_or_insert_with(Instant::now);
        let quiet = self.egress.get() >= next_seq
            && self.list.occupancy() == 0
            && self.idle.load(Ordering::Acquire);
        quiet || since.elapsed() >= self.bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::egress::Outlet;
    use crate::runtime::latency::Collector;
    use ringbuf_layout::names::OrderReason;

    struct Counting(Arc<Gauge>);

    impl Broker for Counting {
        fn send(&mut self, _: &Order) -> Result<(), String> {
            self.0.set(self.0.get() + 1);
            Ok(())
        }

        fn cancel_all(&mut self) {}

        fn report(&mut self) -> Option<ExecutionReport> {
            None
        }
    }

    fn order(seq: u64, qty: i64) -> Order {
        let mut order = Order { qty: Size(qty), order_seq: seq, ..Order::zeroed() };
        (order.head.seq, order.tail.side) = (seq, Side::Buy as u8);
        order
    }

    /// A gateway whose list holds these orders, of which the first `approved` were journaled as approved; returns
    /// what left, what came back, and the handle.
    fn let_out(orders: &[Order], approved: usize) -> (u64, Vec<ExecutionReport>, Arc<Controls>) {
        let controls = Arc::<Controls>::default();
        let (mut outlet, list) = Outlet::new(16, Arc::clone(&controls));
        let progress = Arc::new(Progress::new(1));
        orders[..approved].iter().for_each(|order| progress.approve(order));
        for order in orders {
            outlet.push(order, 1);
        }
        let clock = Clock::default();
        let (mut collector, _) = Collector::new(&clock, 16, true);
        let (reports, mut way_back) = rtrb::RingBuffer::new(16);
        let sent = Arc::<Gauge>::default();
        let gateway = Gateway {
            broker: Box::new(Counting(Arc::clone(&sent))),
            list,
            journaled: Arc::new(Watermark::new(100)),
            controls: Arc::clone(&controls),
            stop: Arc::default(),
            finish: Arc::new(AtomicBool::new(true)),
            idle: Arc::default(),
            reports,
            comparator: Comparator::new(progress, 1),
            max_age: Duration::from_hours(1),
            clock,
            stamps: collector.stamps(&[Measure::Order]),
            sent: Arc::default(),
            held: Arc::default(),
        };
        gateway.run();
        let back = std::iter::from_fn(|| way_back.pop().ok()).collect();
        (sent.get(), back, controls)
    }

    #[test]
    fn what_was_approved_leaves() {
        let (sent, back, controls) = let_out(&[order(1, 5), order(2, 7)], 2);
        assert_eq!((sent, back.len(), controls.latch_reason()), (2, 0, None));
    }

    #[test]
    fn an_order_that_is_on_the_list_twice_leaves_once_and_halts() {
        let (sent, back, controls) = let_out(&[order(1, 5), order(1, 5), order(2, 7)], 1);
        assert_eq!((sent, controls.latch_reason()), (1, Some(Latch::Comparator)));
        let reasons: Vec<u16> = back.iter().map(|report| report.reason).collect();
        assert_eq!(reasons, [OrderReason::Comparator as u16, OrderReason::Halted as u16]);
        assert!(controls.last_error().is_some_and(|error| error.contains("comparator")));
    }

    #[test]
    fn an_order_that_grew_on_its_way_stays() {
        let mut grown = order(1, 5);
        let progress = Arc::new(Progress::new(1));
        progress.approve(&grown);
        grown.qty = Size(6);
        assert!(!Comparator::new(Arc::clone(&progress), 1).admits(&grown));
        grown.tail.instrument = 9;
        assert!(!Comparator::new(progress, 1).admits(&grown), "an instrument that is not ours");
    }
}
