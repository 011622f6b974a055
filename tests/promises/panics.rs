//! A panic in any part: what was handed on is processed, the rest is journaled as unprocessed with a record
//! of the panic, the journal is sealed, and replay reproduces it.

use engine::replay::Options;
use engine::run::{Order, run};
use engine::runtime::fail_point::FailPoint;
use gateways::recording::{Habits, Record, RecordingBroker};
use ringbuf_layout::names::EndReason;
use ringbuf_layout::{Kind, Panic, Part, RunEnd, Unprocessed};
use std::time::{Duration, Instant};
use tests::market::{listed, ns, steady_prints};
use tests::real_run::{by_rule, memory_source, order};
use tests::recording::Recording;

const LAYOUTS: [&str; 3] = [
    "fused",
    "per-stage:yield",
    "sequencer+validate+bar,indicator+matrix+synergy,decide,journal+egress:yield",
];
const SYMBOLS: [&str; 2] = ["SPY", "SYN1"];

/// A run of a few hundred inputs on a ring of 64 slots, with a fail point, an order every three inputs and a
/// broker that takes them.
fn order_with(dir: &std::path::Path, layout: &str, point: FailPoint) -> (Order, Record) {
    let instruments: Vec<_> = SYMBOLS.map(|symbol| listed(symbol, false)).into();
    let prints = steady_prints(&instruments, 600, ns("2013-10-07T13:00:00Z"), 700_000_000);
    let host = format!(
        "[semantic.venue]\nmode = \"broker\"\n[semantic.drill]\norder_every = 3\n\
         [host]\nlayout = \"{layout}\"\nring_slots = 64\nsegment_mib = 1\n"
    );
    let source = memory_source("prints", &SYMBOLS, prints);
    let record = Record::default();
    let broker = RecordingBroker::new(record.clone(), Habits::default());
    let order = order(dir, &host, vec![source]);
    (Order { fault: Some(point), broker: Some(Box::new(broker)), ..order }, record)
}

/// Runs with a fail point and checks everything that must hold whatever part it is in. Returns how long the
/// run took, its start (which syncs segments) included.
fn check(layout: &str, point: FailPoint) -> Duration {
    let what = format!("{} at {} in {layout}", point.part.name(), point.seq);
    let dir = tempfile::tempdir().unwrap();
    let clock = Instant::now();
    let (order, record) = order_with(dir.path(), layout, point);
    let outcome = run(order, |_| {}, |_| {}).unwrap();
    let sent = record.read();
    let last = sent.orders.last().map_or(0, |order| order.head.seq);
    assert!(last < point.seq, "{what}: an order of {last} left");
    assert_eq!(sent.cancels, 1, "{what}: what works is cancelled once");
    let took = clock.elapsed();
    assert!(took < Duration::from_secs(5), "{what}: it hung");
    let failure = outcome.failure.expect("a panic is a failure").to_string();
    assert!(
        failure.contains("fail point") && failure.contains("are journaled"),
        "{what}: {failure}"
    );
    assert_eq!(outcome.summary.ended, "panicked", "{what}");

    let report = journal::verify(dir.path(), &mut |_| {}).unwrap();
    assert!(report.is_sealed() && report.findings.is_empty(), "{what}: {:?}", report.findings);
    let (recording, _) = Recording::read(dir.path()).unwrap();
    let panics = recording.all::<Panic>();
    assert_eq!(panics.len(), 1, "{what}");
    assert_eq!((panics[0].part, panics[0].at_seq), (point.part as u32, point.seq), "{what}");
    let end = recording.inputs().last().and_then(|view| view.get::<RunEnd>()).unwrap();
    assert_eq!(end.tail.side, EndReason::Panicked as u8, "{what}");
    // Unprocessed inputs are the last ones, without a gap, and include the fatal one of a stage.
    let unprocessed = recording.all::<Unprocessed>();
    let first = unprocessed.first().map_or(end.head.seq, |u| u.head.seq);
    let all: Vec<u64> = unprocessed.iter().map(|u| u.head.seq).collect();
    assert_eq!(all, (first..end.head.seq).collect::<Vec<_>>(), "{what}");
    if point.part == Part::Sequencer {
        assert_eq!(point.seq, end.head.seq, "{what}: the fatal input was never published");
    } else if point.part != Part::Egress {
        assert!(first <= point.seq && point.seq < end.head.seq, "{what}: {first}");
    }
    assert!(recording.all::<Panic>()[0].head.seq == end.head.seq, "{what}");
    let processed = recording.frames().filter(|view| view.head().seq >= first);
    let outputs = processed.filter(|view| {
        view.head().index > 0 && !matches!(view.kind(), Kind::Unprocessed | Kind::Panic)
    });
    assert_eq!(outputs.count(), 0, "{what}: an unprocessed input has no other output");

    // The same fault reproduces it; without the fault the replay goes through and says so.
    let replay = |fault| {
        let options = Options { fault, ..Options::default() };
        engine::replay::replay(dir.path(), options, by_rule, |_| {}).unwrap()
    };
    let without = replay(None);
    assert_eq!((without.divergence.clone(), without.damage.clone()), (None, None), "{what}");
    assert!(!without.verified() && !without.panic.unwrap().reproduced, "{what}");
    if point.part.is_stage() {
        let proof = replay(Some(point));
        assert_eq!((proof.divergence.clone(), proof.damage.clone()), (None, None), "{what}");
        assert!(proof.panic.unwrap().reproduced, "{what}");
        let elsewhere = FailPoint { seq: point.seq - 1, ..point };
        assert!(!replay(Some(elsewhere)).panic.unwrap().reproduced, "{what}: another place");
    }
    took
}

/// 1,188 runs: `GRANDMODEL_PANICS=33 cargo test -p tests --test promises panics -- --nocapture`.
fn rounds() -> u64 {
    std::env::var("GRANDMODEL_PANICS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

#[test]
fn a_panic_in_any_part_on_any_lap_in_any_layout_ends_by_name_and_is_reproduced() {
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let caught = std::panic::catch_unwind(|| {
        let (mut runs, mut worst) = (0, Duration::ZERO);
        for part in Part::ALL {
            for layout in LAYOUTS {
                // From the second lap of the ring on, at ever other places of a batch.
                for seq in (0..rounds()).map(|round| 70 + round * 61 % 480) {
                    worst = worst.max(check(layout, FailPoint { part, seq }));
                    runs += 1;
                }
            }
        }
        (runs, worst)
    });
    std::panic::set_hook(quiet);
    match caught {
        Ok((runs, worst)) => println!("{runs} panics, all by name; the longest run took {worst:?}"),
        Err(payload) => std::panic::resume_unwind(payload),
    }
}
