//! The way out: orders leave once, in order, after their slot is journaled, and not after a halt; what is held
//! back comes back as an input with its reason.

use engine::run::{Order, Outcome, run};
use engine::runtime::controls::Controls;
use engine::runtime::sequencer::Pace;
use gateways::recording::{Habits, Record, Recorded, RecordingBroker};
use ringbuf_layout::names::{Command, Exec, OrderReason, OrderState};
use ringbuf_layout::{ExecutionReport, Operator, Price};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use sync::Trading;
use tests::market::{listed, ns, steady_prints};
use tests::real_run::{memory_source, order, replay_of};
use tests::recording::Recording;

const SYMBOLS: [&str; 2] = ["SPY", "SYN1"];
const LAYOUTS: [&str; 3] = [
    "fused",
    "per-stage:yield",
    "sequencer+validate+bar,indicator+matrix+synergy,decide,journal+egress:yield",
];

/// A drill into a recording broker.
fn drill(dir: &Path, prints: usize, every: u64, host: &str, habits: Habits) -> (Order, Record) {
    let instruments: Vec<_> = SYMBOLS.map(|symbol| listed(symbol, false)).into();
    let prints = steady_prints(&instruments, prints, ns("2013-10-07T13:00:00Z"), 700_000);
    let config = format!(
        "[semantic.venue]\nmode = \"broker\"\n[semantic.drill]\norder_every = {every}\n\
         [host]\nsegment_mib = 1\n{host}"
    );
    let record = Record::default();
    let broker = RecordingBroker::new(record.clone(), habits);
    let order = order(dir, &config, vec![memory_source("prints", &SYMBOLS, prints)]);
    (Order { broker: Some(Box::new(broker)), ..order }, record)
}

type Id = (u32, u64, u8);

fn ids(orders: &[ringbuf_layout::Order]) -> Vec<Id> {
    orders.iter().map(|o| (o.order_epoch, o.order_seq, o.order_index)).collect()
}

/// New orders of a journal, and its reports.
fn journaled(dir: &Path) -> (Vec<Id>, Vec<ExecutionReport>) {
    let (recording, _) = Recording::read(dir).unwrap();
    let mut orders = recording.all::<ringbuf_layout::Order>();
    orders.retain(|order| order.state == OrderState::New as u8);
    (ids(&orders), recording.all())
}

fn reasons(reports: &[ExecutionReport]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for report in reports.iter().filter(|report| report.exec == Exec::Rejected as u8) {
        let reason = OrderReason::from_byte(report.reason as u8).map_or("?", OrderReason::name);
        *counts.entry(reason).or_default() += 1;
    }
    counts
}

/// What holds of every drill that ended: each journaled order left once or came back once, and it replays.
fn accounted(dir: &Path, sent: &Recorded) -> BTreeMap<&'static str, usize> {
    let (made, reports) = journaled(dir);
    let mut known = ids(&sent.orders);
    assert!(known.is_sorted(), "orders leave in order");
    let rejected = reports.iter().filter(|report| report.exec == Exec::Rejected as u8);
    known.extend(rejected.map(|r| (r.order_epoch, r.order_seq, r.order_index)));
    known.sort_unstable();
    assert_eq!(known, made, "each order left or came back, once");
    let report = journal::verify(dir, &mut |_| {}).unwrap();
    assert!(report.is_sealed() && report.findings.is_empty());
    assert!(replay_of(dir).verified());
    reasons(&reports)
}

fn ended(order: Order) -> Outcome {
    run(order, |_| {}, |_| {}).unwrap()
}

#[test]
fn every_order_leaves_once_in_order_and_its_reports_come_back_as_inputs_in_any_layout() {
    for layout in LAYOUTS {
        let dir = tempfile::tempdir().unwrap();
        let habits = Habits { fill_at: Some(Price(100_000_000_000)), ..Habits::default() };
        // A busy host may keep the gateway waiting: nothing shall come back for that.
        let patient = "egress_orders = 65536\norder_max_age_ms = 60000\ndrain_ms = 20000\n";
        let host = format!("layout = \"{layout}\"\n{patient}");
        let (order, record) = drill(dir.path(), 20_000, 10, &host, habits);
        let outcome = ended(order);
        assert_eq!(outcome.failure, None, "{layout}");
        let sent = record.read();
        assert!(sent.orders.len() > 1_900, "{layout}: {}", sent.orders.len());
        assert_eq!(accounted(dir.path(), &sent), BTreeMap::new(), "{layout}");
        let (_, reports) = journaled(dir.path());
        assert_eq!(reports.len(), 2 * sent.orders.len(), "{layout}: accepted and filled");
        assert_eq!(sent.cancels, 1, "{layout}: what works does not outlive the run");
        // The drill books what it remembers: a thousand orders.
        let fills = outcome.summary.tally.of(ringbuf_layout::Kind::Fill) as usize;
        assert!(fills > 0 && fills <= sent.orders.len(), "{layout}: {fills}");
        let (_, latency) =
            outcome.summary.latency.iter().find(|(name, _)| name == "order").expect("measured");
        assert_eq!(latency.len() as usize, sent.orders.len());
    }
}

#[test]
fn an_order_that_is_too_old_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let habits = Habits { delay: Duration::from_millis(20), ..Habits::default() };
    let host = "order_max_age_ms = 5\ndrain_ms = 20000\n";
    let (order, record) = drill(dir.path(), 3_000, 50, host, habits);
    let outcome = ended(order);
    assert_eq!(outcome.failure, None);
    let reasons = accounted(dir.path(), &record.read());
    assert!(reasons["too_old"] > 10, "{reasons:?}");
    let denied: BTreeMap<_, _> = outcome.summary.tally.denials().collect();
    assert_eq!(denied["too_old"] as usize, reasons["too_old"]);
}

#[test]
fn a_full_list_sends_orders_back_and_a_full_reserve_halts() {
    let dir = tempfile::tempdir().unwrap();
    let habits = Habits { delay: Duration::from_millis(2), ..Habits::default() };
    let host = "egress_orders = 64\norder_max_age_ms = 60000\ndrain_ms = 20000\n";
    let (order, record) = drill(dir.path(), 1_000, 8, host, habits.clone());
    let outcome = ended(order);
    assert_eq!((outcome.failure, outcome.summary.state), (None, Trading::Active));
    let reasons = accounted(dir.path(), &record.read());
    assert!(reasons["egress_full"] > 5, "{reasons:?}");

    let dir = tempfile::tempdir().unwrap();
    let (order, record) = drill(dir.path(), 3_000, 2, host, habits);
    let outcome = ended(order);
    assert_eq!(outcome.summary.state, Trading::Halted);
    assert_eq!(outcome.summary.state_reason, Some("egress_overflow"));
    assert_eq!(record.read().cancels, 1, "cancelled once");
    assert!(replay_of(dir.path()).verified());
}

#[test]
fn a_broker_that_refuses_sends_orders_back_and_one_that_falls_over_halts() {
    let dir = tempfile::tempdir().unwrap();
    let habits = Habits { refuse_every: Some(5), ..Habits::default() };
    let (order, record) = drill(dir.path(), 5_000, 10, "", habits);
    let outcome = ended(order);
    assert_eq!((outcome.failure, outcome.summary.state), (None, Trading::Active));
    assert!(accounted(dir.path(), &record.read())["broker"] > 90);

    let dir = tempfile::tempdir().unwrap();
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let habits = Habits { panic_at: Some(30), ..Habits::default() };
    let (order, record) = drill(dir.path(), 5_000, 10, "drain_ms = 50\n", habits);
    let controls = Arc::clone(&order.controls);
    let outcome = ended(order);
    std::panic::set_hook(quiet);
    assert_eq!(outcome.summary.state_reason, Some("broker_panicked"));
    assert!(controls.last_error().unwrap().contains("panicked"));
    assert_eq!(record.count(), 29);
    assert!(replay_of(dir.path()).verified());
}

#[test]
fn an_operators_halt_is_a_record_for_each_instrument_and_the_drill_denies_from_there() {
    let dir = tempfile::tempdir().unwrap();
    let (order, record) = drill(dir.path(), 400_000, 100, "", Habits::default());
    let controls = Arc::clone(&order.controls);
    let halted = AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| {
            while record.count() < 50 {
                std::thread::sleep(Duration::from_micros(50));
            }
            let done = controls.command(Command::Halt, None, (7, 8)).unwrap();
            assert_eq!(done.state, Trading::Halted);
            std::thread::sleep(Duration::from_millis(5));
            assert!(record.count() <= done.sent);
            halted.store(true, Ordering::Release);
        });
        ended(order)
    });
    assert!(halted.load(Ordering::Acquire));
    assert_eq!(outcome.summary.state, Trading::Halted);
    assert_eq!(outcome.summary.state_reason, Some("operator"));
    let (recording, _) = Recording::read(dir.path()).unwrap();
    let operators = recording.all::<Operator>();
    let said: Vec<_> =
        operators.iter().map(|o| (o.tail.instrument, o.tail.side, o.uid, o.pid)).collect();
    assert_eq!(said, [(0, Command::Halt as u8, 7, 8), (1, Command::Halt as u8, 7, 8)]);
    let from = operators[1].head.seq;
    let orders = recording.all::<ringbuf_layout::Order>();
    let after = orders.iter().filter(|o| o.head.seq > from && o.order_seq == o.head.seq);
    assert!(after.clone().count() > 100);
    assert!(after.clone().all(|o| o.state == OrderState::Denied as u8));
    assert!(replay_of(dir.path()).verified());
}

#[test]
fn only_halts_of_an_operator_are_resumed() {
    let controls = Controls::default();
    assert_eq!(controls.command(Command::Halt, None, (0, 0)).unwrap().state, Trading::Halted);
    assert_eq!(controls.command(Command::Resume, None, (0, 0)).unwrap().state, Trading::Active);
    controls.kill.latch(1);
    let refused = controls.command(Command::Resume, None, (0, 0)).unwrap_err().to_string();
    assert!(refused.contains("comparator_mismatch"), "{refused}");
    assert_eq!(controls.kill.state(), Trading::Halted);
}

/// 1,000 halts: `GRANDMODEL_HALTS=1000 cargo test --release -p tests --test promises exit -- --nocapture`.
fn halts_wanted() -> usize {
    std::env::var("GRANDMODEL_HALTS").ok().and_then(|text| text.parse().ok()).unwrap_or(60)
}

/// What a run of halts saw.
#[derive(Default)]
struct Halts {
    /// Nanoseconds from the command to its return: from then on nothing leaves.
    took: Vec<u64>,
    /// Orders that left after the word was set and before the command returned.
    meanwhile: u64,
    /// Orders that left after the command had returned.
    after: u64,
}

/// How a halt is commanded: as an operator does, or by a seeded defect that only says so.
type Halt = fn(&Controls) -> Option<u64>;

fn halt(controls: &Controls) -> Option<u64> {
    controls.command(Command::Halt, None, (0, 0)).ok().map(|done| done.sent)
}

/// Halts and resumes at random moments while the machine runs as fast as it can.
fn halt_often(
    controls: &Controls,
    record: &Record,
    over: &AtomicBool,
    random: &mut u64,
    halt: Halt,
) -> Halts {
    let mut seen = Halts::default();
    while record.count() == 0 && !over.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
    while !over.load(Ordering::Acquire) {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        std::thread::sleep(Duration::from_micros(*random % 400));
        let (before, clock) = (record.count(), Instant::now());
        let Some(sent) = halt(controls) else { continue };
        seen.took.push(clock.elapsed().as_nanos() as u64);
        std::thread::sleep(Duration::from_micros(300));
        let left = record.count();
        seen.meanwhile += sent.saturating_sub(before);
        seen.after += left.saturating_sub(sent);
        // The sequencer must have room for the next commands.
        while controls.command(Command::Resume, None, (0, 0)).is_err()
            && !over.load(Ordering::Acquire)
        {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    seen
}

/// Runs drills at full load until so many halts were commanded.
fn halts(wanted: usize, halt: Halt) -> (Halts, u64) {
    let mut random = 0xD1B5_4A32_D192_ED03_u64;
    let (mut all, mut orders) = (Halts::default(), 0);
    for layout in LAYOUTS.iter().cycle() {
        if all.took.len() >= wanted {
            break;
        }
        let dir = tempfile::tempdir().unwrap();
        // At every fourth input the list overflowed, which halts for good: a broker is slower than the spine.
        let host = format!("layout = \"{layout}\"\negress_orders = 65536\n");
        let (order, record) = drill(dir.path(), 300_000, 16, &host, Habits::default());
        let controls = Arc::clone(&order.controls);
        let over = AtomicBool::new(false);
        let seen = std::thread::scope(|scope| {
            let halting = scope.spawn(|| halt_often(&controls, &record, &over, &mut random, halt));
            let outcome = ended(order);
            over.store(true, Ordering::Release);
            assert_eq!((outcome.failure, controls.latch_reason()), (None, None));
            halting.join().unwrap()
        });
        orders += record.count();
        all.took.extend(seen.took);
        all.meanwhile += seen.meanwhile;
        all.after += seen.after;
    }
    (all, orders)
}

#[test]
fn no_order_leaves_once_a_halt_has_returned_however_full_the_load() {
    let (mut all, orders) = halts(halts_wanted(), halt);
    all.took.sort_unstable();
    let at = |quantile: f64| all.took[(all.took.len() as f64 * quantile) as usize];
    println!(
        "{} halts over {orders} orders: the command took p50 {} ns, p99 {} ns, worst {} ns; {} orders left \
         meanwhile, {} afterwards",
        all.took.len(),
        at(0.5),
        at(0.99),
        all.took.last().unwrap(),
        all.meanwhile,
        all.after
    );
    assert_eq!(all.after, 0, "an order left after the halt had returned");
    // The seeded defect: a halt that only says so is caught.
    let (defective, _) = halts(5, |controls| Some(controls.kill.announced()));
    assert!(defective.after > 0, "the campaign would not notice");
}

#[test]
fn what_does_not_come_from_the_market_is_due_when_it_comes_so_no_order_of_it_is_too_old() {
    let dir = tempfile::tempdir().unwrap();
    let habits = Habits { delay: Duration::from_millis(1), ..Habits::default() };
    let (order, record) = drill(dir.path(), 40, 1, "order_max_age_ms = 1500\n", habits);
    // Twenty ticks, and twenty more 2.5 s later; in between there are reports alone, and each makes an order.
    let order = Order { pace: Pace::Rate { per_second: 8.0, burst: 20 }, ..order };
    let controls = Arc::clone(&order.controls);
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| {
            while record.count() == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(2_200));
            controls.command(Command::Halt, None, (0, 0)).unwrap();
        });
        ended(order)
    });
    let denied: BTreeMap<_, _> = outcome.summary.tally.denials().collect();
    assert!(!denied.contains_key("too_old"), "{denied:?}");
}

#[test]
fn a_reduction_does_not_lift_a_halt_and_only_a_resume_does() {
    let controls = Controls::default();
    controls.command(Command::Halt, None, (0, 0)).unwrap();
    let reduced = controls.command(Command::Reduce, None, (0, 0)).unwrap();
    assert_eq!(reduced.state, Trading::Halted);
    assert_eq!(controls.command(Command::Resume, None, (0, 0)).unwrap().state, Trading::Active);
    let reduced = controls.command(Command::Reduce, None, (0, 0)).unwrap();
    assert_eq!(reduced.state, Trading::Reducing);
}

#[test]
fn a_halt_file_that_is_there_from_the_start_lets_nothing_out_and_is_on_record() {
    let dir = tempfile::tempdir().unwrap();
    // A link that leads nowhere is there as well.
    std::os::unix::fs::symlink("nowhere", dir.path().join(engine::run::HALT_FILE)).unwrap();
    let (order, record) = drill(dir.path(), 5_000, 10, "", Habits::default());
    let controls = Arc::clone(&order.controls);
    let outcome = ended(order);
    assert_eq!((record.count(), outcome.summary.state), (0, Trading::Halted));
    let refused = controls.command(Command::Resume, None, (0, 0)).unwrap_err().to_string();
    assert!(refused.contains("halt is there"), "{refused}");
    let (recording, _) = Recording::read(dir.path()).unwrap();
    assert_eq!(recording.all::<Operator>().len(), 2, "one for each instrument");
    assert!(replay_of(dir.path()).verified());
}

#[test]
fn a_halt_by_a_signal_is_on_record_even_at_the_very_end_and_later_commands_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (order, _) = drill(dir.path(), 500, 10, "", Habits::default());
    let controls = Arc::clone(&order.controls);
    controls.stop.store(true, Ordering::SeqCst);
    controls.kill.operator_word().store(Trading::Halted as usize, Ordering::SeqCst);
    let outcome = ended(order);
    assert_eq!(outcome.summary.ended, "interrupted");
    let (recording, _) = Recording::read(dir.path()).unwrap();
    assert_eq!(recording.all::<Operator>().len(), 2);
    let refused = controls.command(Command::Flatten, None, (0, 0)).unwrap_err().to_string();
    assert!(refused.contains("the run has ended"), "{refused}");
}

#[test]
fn at_the_end_working_orders_are_cancelled_and_the_journal_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (order, record) = drill(dir.path(), 5_000, 10, "", Habits::default());
    assert_eq!(ended(order).failure, None);
    let (_, reports) = journaled(dir.path());
    let cancelled = reports.iter().filter(|report| report.exec == Exec::Cancelled as u8).count();
    assert_eq!(cancelled as u64, record.count());
    assert!(cancelled > 400);
    // The reports are inputs, and the drill orders at every tenth: those come back.
    let reasons = accounted(dir.path(), &record.read());
    assert!(reasons.keys().all(|reason| *reason == "closing"), "{reasons:?}");
}

#[test]
fn what_cannot_leave_within_the_bound_comes_back_and_the_run_ends_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let habits = Habits { delay: Duration::from_millis(10), ..Habits::default() };
    let host = "egress_orders = 1024\norder_max_age_ms = 60000\ndrain_ms = 100\n";
    let (order, record) = drill(dir.path(), 4_000, 5, host, habits);
    let clock = Instant::now();
    let outcome = ended(order);
    assert_eq!(outcome.failure, None);
    assert!(clock.elapsed() < Duration::from_secs(5), "{:?}", clock.elapsed());
    let reasons = accounted(dir.path(), &record.read());
    assert!(reasons["closing"] > 500, "{reasons:?}");
}

#[test]
fn a_broker_that_never_returns_is_left_behind_with_the_journal_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let habits = Habits { delay: Duration::from_secs(30), ..Habits::default() };
    let (order, _) = drill(dir.path(), 1_000, 50, "drain_ms = 100\n", habits);
    let clock = Instant::now();
    let outcome = ended(order);
    assert!(clock.elapsed() < Duration::from_secs(10), "{:?}", clock.elapsed());
    let failure = outcome.failure.expect("it is said").to_string();
    assert!(failure.contains("does not return"), "{failure}");
    let report = journal::verify(dir.path(), &mut |_| {}).unwrap();
    assert!(report.is_sealed() && report.findings.is_empty());
    assert!(replay_of(dir.path()).verified());
}

#[test]
fn a_run_that_is_aborted_keeps_its_inputs_seals_its_journal_and_replays_without_a_panic() {
    for layout in LAYOUTS {
        let dir = tempfile::tempdir().unwrap();
        let host = format!("layout = \"{layout}\"\n");
        let (order, _) = drill(dir.path(), 400_000, 100, &host, Habits::default());
        let controls = Arc::clone(&order.controls);
        let outcome = std::thread::scope(|scope| {
            scope.spawn(|| {
                while controls.gauges().is_none_or(|gauges| gauges.published.get() < 5_000) {
                    std::thread::yield_now();
                }
                controls.abort.store(true, Ordering::SeqCst);
            });
            ended(order)
        });
        let ended = outcome.summary.ended;
        let report = journal::verify(dir.path(), &mut |_| {}).unwrap();
        assert!(report.is_sealed() && report.findings.is_empty(), "{layout}");
        let proof = replay_of(dir.path());
        assert!(proof.verified(), "{layout}: {ended}: {:?} {:?}", proof.divergence, proof.panic);
        if ended == "source_ended" {
            println!("{layout}: it was over before the look");
            continue;
        }
        assert_eq!(ended, "aborted", "{layout}");
        assert!(outcome.failure.unwrap().to_string().contains("without draining"), "{layout}");
    }
}
