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
use crate::start::wall_ns;
use bytemuck::Zeroable;
use journal::{Durability, Watermark};
use ringbuf_layout::names::{Exec, Latch, OrderReason, OrderState};
use ringbuf_layout::{ExecutionReport, Frame, Order, Side, Size};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
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

    /// Reports that are still expected without anything happening in the market: a run waits for them.
    fn expected(&self) -> usize {
        0
    }
}

/// The exit comparator: what went out against what was approved, per instrument and side, counted from the
/// journaled outputs and not from the list; and no order twice. (Knight Capital's missing control.)
#[derive(Debug)]
pub struct Comparator {
    approved: Arc<Progress>,
    sent: Vec<[u64; 2]>,
    /// Sequence and index of the latest order.
    last: Option<(u64, u8)>,
}

impl Comparator {
    /// Nothing sent yet.
    pub fn new(approved: Arc<Progress>, instruments: usize) -> Self {
        Self { approved, sent: vec![[0; 2]; instruments], last: None }
    }

    /// Counts an order that is about to leave; false if more would be out than was approved.
    fn admits(&mut self, order: &Order) -> bool {
        let instrument = order.tail.instrument as usize;
        let side = usize::from(order.tail.side == Side::Sell as u8);
        let Some(sent) = self.sent.get_mut(instrument) else { return false };
        let total = sent[side].saturating_add(order.qty.0.unsigned_abs());
        let place = Some((order.head.seq, order.head.index));
        let admitted = total <= self.approved.approved(instrument, side) && place > self.last;
        if admitted {
            (sent[side], self.last) = (total, place);
        }
        admitted
    }
}

/// What an order waits for.
#[derive(Clone, Debug)]
pub struct Release {
    /// Its slot is journaled: survives the end of the process.
    pub journaled: Arc<Watermark>,
    /// And on the disk: survives the end of the host's power. `None` if that is not waited for.
    pub durable: Option<Durability>,
}

/// What a gateway needs.
pub struct Gateway<'b> {
    /// Where orders go.
    pub broker: Box<dyn Broker + 'b>,
    /// The list that egress fills.
    pub list: ListReader<ENTRY_WORDS>,
    /// What may leave.
    pub release: Release,
    /// Kill word and last error.
    pub controls: Arc<Controls>,
    /// Set when a thread of the spine fails: nothing leaves any more.
    pub stop: Arc<Stop>,
    /// The stages of the end.
    pub closing: Arc<Closing>,
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

/// How a gateway is brought to its end, and how it says that it is there.
#[derive(Debug, Default)]
pub struct Closing {
    /// Nothing leaves any more, what works is cancelled, what waits comes back.
    pub closed: Stop,
    /// The run end is written: nobody takes reports any more.
    pub finished: Stop,
    /// Entries of the list that left or came back, with every report on them on its way and none expected.
    pub done: Gauge,
    /// 1 once what works was cancelled and its reports are on their way.
    pub cancelled: Gauge,
}

impl Gateway<'_> {
    /// Runs until the spine has ended, in good order or not. Returns its stamps.
    pub fn run(self) -> Stamps {
        let controls = Arc::clone(&self.controls);
        let mut working = Working {
            gateway: self,
            backlog: VecDeque::with_capacity(BACKLOG),
            handled: 0,
            cancelled: false,
            source_seq: 0,
        };
        let ran = catch_unwind(AssertUnwindSafe(|| working.run()));
        if ran.is_err() {
            controls.kill.latch(Latch::Broker as u32);
            controls.note_error("the connection to the broker panicked; trading is halted");
            // It may still be able to do this one thing.
            let broker = &mut working.gateway.broker;
            drop(catch_unwind(AssertUnwindSafe(|| broker.cancel_all())));
        }
        working.gateway.stamps
    }
}

/// Reports that wait for the sequencer before the broker is asked for more.
const BACKLOG: usize = 1_024;

struct Working<'b> {
    gateway: Gateway<'b>,
    /// Reports that the sequencer has no room for yet.
    backlog: VecDeque<ExecutionReport>,
    /// Entries that left or came back.
    handled: u64,
    /// True once what works was cancelled, for this halt or this end.
    cancelled: bool,
    source_seq: u64,
}

impl Working<'_> {
    fn run(&mut self) {
        let mut idle = 0_u32;
        while !self.gateway.stop.is_set() && !self.gateway.closing.finished.is_set() {
            // Read first: what was expected before the exit closed is still waited for.
            let closed = self.gateway.closing.closed.is_set();
            let moved = self.cancel_once(closed) | self.deliver() | self.release(closed);
            self.gateway.stamps.hand_over();
            // Only where nothing moved: an order that has just left may have brought reports that nobody has asked
            // for yet, and the exit would close before what they bring forth.
            if !moved && self.backlog.is_empty() && self.gateway.broker.expected() == 0 {
                self.gateway.closing.done.set(self.handled);
                self.gateway.closing.cancelled.set(u64::from(closed));
            }
            idle = if moved { 0 } else { idle.saturating_add(1) };
            if !moved {
                Wait::Yield.wait(idle);
            }
        }
        // Nobody watches from here on: what works at the broker shall not outlive the run.
        if !self.cancelled {
            self.gateway.broker.cancel_all();
        }
    }

    /// Halted, or at the end: working orders are cancelled, once.
    fn cancel_once(&mut self, closed: bool) -> bool {
        let stopped = closed || self.gateway.controls.kill.state() == Trading::Halted;
        let now = stopped && !self.cancelled;
        if now {
            self.gateway.broker.cancel_all();
        }
        self.cancelled = stopped;
        now
    }

    /// What the broker says goes to the sequencer, a bounded number a round.
    fn deliver(&mut self) -> bool {
        let mut moved = false;
        while self.backlog.len() < BACKLOG
            && let Some(report) = self.gateway.broker.report()
        {
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
        report.head.ts_recv = wall_ns();
        self.source_seq += 1;
        self.backlog.push_back(report);
    }

    /// The oldest order, if its slot is journaled.
    fn release(&mut self, closed: bool) -> bool {
        let gateway = &mut self.gateway;
        let Some(words) = gateway.list.peek() else { return false };
        let entry = Entry::from_words(&words);
        if !gateway.may_leave(&entry, closed) {
            return false;
        }
        match gateway.let_out(&entry, closed) {
            Ok(()) => {
                let now = gateway.clock.now();
                gateway.stamps.record(Measure::Order, entry.due, now);
                gateway.sent.set(gateway.sent.get() + 1);
            }
            Err(reason) => {
                gateway.held.set(gateway.held.get() + 1);
                self.enter(rejection(&entry.order, reason));
            }
        }
        self.gateway.list.drop_front();
        self.handled += 1;
        true
    }
}

impl Gateway<'_> {
    /// True if nothing has to be waited for: the entry leaves now, or goes back. Where the disk is waited for, no
    /// longer than an order may grow old, nor once the exit is closed.
    fn may_leave(&self, entry: &Entry, closed: bool) -> bool {
        let seq = entry.order.head.seq;
        if !self.release.journaled.covers(seq) {
            return false;
        }
        let Some(disk) = &self.release.durable else { return true };
        if disk.durable().covers(seq) || closed || disk.has_failed() || self.is_old(entry) {
            return true;
        }
        disk.want_now(seq);
        false
    }

    fn is_old(&self, entry: &Entry) -> bool {
        let age = self.clock.now().saturating_sub(entry.due);
        u128::from(age) > self.max_age.as_nanos()
    }

    /// Every check at the exit, the kill word last.
    fn let_out(&mut self, entry: &Entry, closed: bool) -> Result<(), OrderReason> {
        let order = &entry.order;
        if order.state == OrderState::New as u8 {
            self.admit(entry, closed)?;
        } else if entry.full {
            return Err(OrderReason::EgressFull);
        }
        self.broker.send(order).map_err(|error| {
            self.controls.note_error(format!("the broker refused an order: {error}"));
            OrderReason::Broker
        })
    }

    /// What a new order must pass; a request to cancel always leaves.
    fn admit(&mut self, entry: &Entry, closed: bool) -> Result<(), OrderReason> {
        // Counted first, whatever becomes of it: an order that goes back leaves no room for a twin.
        if !self.comparator.admits(&entry.order) {
            self.controls.kill.latch(Latch::Comparator as u32);
            self.controls.note_error(format!(
                "the exit comparator stopped an order of sequence {}: more would have gone out than was \
                 approved",
                entry.order.head.seq
            ));
            return Err(OrderReason::Comparator);
        }
        self.controls.look_at_disk();
        if entry.full {
            Err(OrderReason::EgressFull)
        } else if closed {
            Err(OrderReason::Closing)
        } else if self.is_old(entry) {
            Err(OrderReason::TooOld)
        } else {
            self.controls.kill.pass().map(drop).map_err(|_| OrderReason::Halted)
        }
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

/// Brings the exit to its end before the run end is written: orders leave or come back, then nothing leaves any
/// more, what works is cancelled, and the reports on that come in. Each within a bound.
#[derive(Debug)]
pub struct Settle {
    /// Egress has taken the sequences below this.
    pub taken: Arc<Gauge>,
    /// Egress has pushed so many orders.
    pub pushed: Arc<Gauge>,
    /// The gateway's side.
    pub closing: Arc<Closing>,
    /// How long orders may still leave, and then how long they may come back.
    pub bound: Duration,
    /// When it began.
    pub since: Option<Instant>,
}

/// How far the end has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Settling {
    /// Orders are on their way.
    Waiting,
    /// Every order has left or come back, or the bound has passed: the exit may be closed.
    Quiet,
    /// And what worked was cancelled.
    Settled,
    /// Both bounds have passed: nothing more is waited for.
    Over,
}

impl Settle {
    /// How it stands, if the next sequence is `next_seq`. What it calls done has its reports in the queue.
    pub fn look(&mut self, next_seq: u64) -> Settling {
        let passed = self.since.get_or_insert_with(Instant::now).elapsed();
        // Taken first: it makes what was pushed visible, as `done` does with what came back.
        let quiet = self.taken.get() >= next_seq && self.closing.done.get() == self.pushed.get();
        if passed >= 2 * self.bound {
            Settling::Over
        } else if !self.closing.closed.is_set() && (quiet || passed >= self.bound) {
            Settling::Quiet
        } else if quiet && self.closing.cancelled.get() == 1 {
            Settling::Settled
        } else {
            Settling::Waiting
        }
    }

    /// From now on nothing leaves: what works is cancelled, what waits comes back.
    pub fn close(&self) {
        self.closing.closed.set();
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

    /// A gateway whose list holds `orders`, of which `approved` were journaled as approved; returns what left,
    /// what came back, and the handle.
    fn let_out(orders: &[Order], approved: &[Order]) -> (u64, Vec<ExecutionReport>, Arc<Controls>) {
        let controls = Arc::<Controls>::default();
        let (mut outlet, list) = Outlet::new(16, Arc::clone(&controls));
        let progress = Arc::new(Progress::new(1));
        for order in approved {
            progress.approve(order);
        }
        for order in orders {
            outlet.push(order, 1);
        }
        let clock = Clock::default();
        let (mut collector, _) = Collector::new(&clock, 16, true);
        let (reports, mut way_back) = rtrb::RingBuffer::new(16);
        let (sent, closing) = (Arc::<Gauge>::default(), Arc::<Closing>::default());
        let gateway = Gateway {
            broker: Box::new(Counting(Arc::clone(&sent))),
            list,
            release: Release { journaled: Arc::new(Watermark::new(100)), durable: None },
            controls: Arc::clone(&controls),
            stop: Arc::default(),
            closing: Arc::clone(&closing),
            reports,
            comparator: Comparator::new(progress, 1),
            max_age: Duration::from_hours(1),
            clock,
            stamps: collector.stamps(&[Measure::Order]),
            sent: Arc::default(),
            held: Arc::default(),
        };
        let count = orders.len() as u64;
        std::thread::scope(|scope| {
            scope.spawn(move || gateway.run());
            while closing.done.get() < count {
                std::thread::yield_now();
            }
            closing.finished.set();
        });
        let back = std::iter::from_fn(|| way_back.pop().ok()).collect();
        (sent.get(), back, controls)
    }

    #[test]
    fn what_was_approved_leaves() {
        let (sent, back, controls) =
            let_out(&[order(1, 5), order(2, 7)], &[order(1, 5), order(2, 7)]);
        assert_eq!((sent, back.len(), controls.latch_reason()), (2, 0, None));
    }

    #[test]
    fn an_order_that_is_on_the_list_twice_leaves_once_and_halts() {
        let (sent, back, controls) =
            let_out(&[order(1, 5), order(1, 5), order(2, 7)], &[order(1, 5), order(2, 7)]);
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
