//! Orders that wait for the disk, and a disk that has too little room left.

use engine::run::{Order, run};
use engine::runtime::controls::Controls;
use engine::runtime::gateway::Broker;
use ringbuf_layout::names::{OrderReason, OrderState};
use ringbuf_layout::{ExecutionReport, Kind, Trade};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use sync::Trading;
use tests::market::{listed, ns, steady_prints};
use tests::real_run::{memory_source, order, replay_of};
use tests::recording::Recording;

/// Looks at the watermarks as each order leaves.
struct Witness {
    controls: Arc<Controls>,
    orders: Arc<AtomicU64>,
    early: Arc<AtomicU64>,
}

impl Broker for Witness {
    fn send(&mut self, order: &ringbuf_layout::Order) -> Result<(), String> {
        let disk = &self.controls.gauges().expect("a machine that runs").disk;
        if order.state == OrderState::New as u8 {
            self.orders.fetch_add(1, Relaxed);
            self.early.fetch_add(u64::from(!disk.durable().covers(order.head.seq)), Relaxed);
        }
        Ok(())
    }

    fn cancel_all(&mut self) {}

    fn report(&mut self) -> Option<ExecutionReport> {
        None
    }
}

fn prints(count: usize) -> Vec<Trade> {
    steady_prints(&[listed("SPY", false)], count, ns("2013-10-08T14:00:00Z"), 100_000_000)
}

fn drill(dir: &Path, count: usize, host: &str) -> (Order, Arc<AtomicU64>, Arc<AtomicU64>) {
    let config = format!(
        "[semantic.venue]\nmode = \"broker\"\n\n[semantic.drill]\norder_every = 50\n\n\
         [host]\nsegment_mib = 1\nlayout = \"fused\"\ndrain_ms = 20000\n{host}"
    );
    let mut order = order(dir, &config, vec![memory_source("prints", &["SPY"], prints(count))]);
    let (orders, early) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    order.broker = Some(Box::new(Witness {
        controls: Arc::clone(&order.controls),
        orders: Arc::clone(&orders),
        early: Arc::clone(&early),
    }));
    (order, orders, early)
}

#[test]
fn an_order_that_waits_for_the_disk_leaves_when_its_slot_is_there_and_brings_it_there() {
    for backend in ["msync", "io-uring"] {
        let dir = tempfile::tempdir().unwrap();
        // Nothing but the orders themselves brings a sync.
        let host = format!(
            "release = \"durable\"\nsync_backend = \"{backend}\"\nsync_interval_ms = 60000\n\
             order_max_age_ms = 60000\n"
        );
        let (order, orders, early) = drill(dir.path(), 20_000, &host);
        let outcome = match run(order, |_| {}, |_| {}) {
            Ok(outcome) => outcome,
            // A kernel without it refuses to start, by name.
            Err(problem) if backend == "io-uring" => {
                assert!(problem.what.contains("io_uring"), "{problem}");
                continue;
            }
            Err(problem) => panic!("{problem}"),
        };
        assert_eq!((outcome.failure, outcome.summary.state), (None, Trading::Active));
        assert!(orders.load(Relaxed) > 300, "{backend}: {}", orders.load(Relaxed));
        assert_eq!(early.load(Relaxed), 0, "{backend}: left before it was on the disk");
        assert!(replay_of(dir.path()).verified());
    }
}

#[test]
fn an_order_that_waits_too_long_for_the_disk_goes_back_as_too_old() {
    let dir = tempfile::tempdir().unwrap();
    // No disk syncs in no time: what is due in 1 ms is often too old, and nothing ever hangs.
    let host = "release = \"durable\"\nsync_interval_ms = 60000\norder_max_age_ms = 1\negress_orders = 4096\n";
    let (order, orders, early) = drill(dir.path(), 20_000, host);
    let outcome = run(order, |_| {}, |_| {}).unwrap();
    assert_eq!((outcome.failure, outcome.summary.state), (None, Trading::Active));
    let recording = Recording::read(dir.path()).unwrap().0;
    let reports = recording.all::<ExecutionReport>();
    let too_old = reports.iter().filter(|r| r.reason == OrderReason::TooOld as u16).count();
    println!("{too_old} too old, {} left", orders.load(Relaxed));
    assert_eq!(early.load(Relaxed), 0);
    let made = recording
        .all::<ringbuf_layout::Order>()
        .iter()
        .filter(|order| order.state == OrderState::New as u8)
        .count();
    let back = reports.iter().filter(|r| r.reason != 0).count();
    assert_eq!(made, back + orders.load(Relaxed) as usize, "each left or came back");
    assert!(replay_of(dir.path()).verified());
}

#[test]
fn a_disk_that_is_nearly_full_halts_new_orders_by_name_before_it_is_full() {
    let dir = tempfile::tempdir().unwrap();
    // More than any disk has.
    let host = "free_floor_mib = 1073741824\norder_max_age_ms = 60000\n";
    let (order, orders, _) = drill(dir.path(), 300_000, host);
    let controls = Arc::clone(&order.controls);
    let outcome = run(order, |_| {}, |_| {}).unwrap();
    assert_eq!(outcome.failure, None);
    let summary = &outcome.summary;
    assert_eq!((summary.state, summary.state_reason), (Trading::Halted, Some("disk_low")));
    assert!(controls.last_error().unwrap().contains("MiB are free"));
    let recording = Recording::read(dir.path()).unwrap().0;
    let inputs = recording.frames().filter(|frame| frame.kind() == Kind::Trade).count();
    assert_eq!(inputs, 300_000, "inputs are consumed and journaled all the same");
    println!("{} orders left before it was seen", orders.load(Relaxed));
    let halted = |report: &&ExecutionReport| report.reason == OrderReason::Halted as u16;
    let back = recording.all::<ExecutionReport>().iter().filter(halted).count();
    assert!(back > 1_000, "{back} orders came back");
    assert!(replay_of(dir.path()).verified());
    // A new run clears it, where the disk has room again.
    let (mut order, orders, _) = drill(dir.path(), 0, "order_max_age_ms = 60000\n");
    let later =
        steady_prints(&[listed("SPY", false)], 2_000, ns("2013-10-09T14:00:00Z"), 100_000_000);
    order.sources = vec![memory_source("later", &["SPY"], later)];
    let outcome = run(order, |_| {}, |_| {}).unwrap();
    assert_eq!((outcome.failure, outcome.summary.state), (None, Trading::Active));
    assert!(orders.load(Relaxed) > 10);
    assert!(replay_of(dir.path()).verified());
}
