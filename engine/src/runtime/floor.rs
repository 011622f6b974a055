//! Floors for latency figures, measured in the same run: a hop through a bare ring at the same rate, and what
//! an idle loop sees of the host.

use crate::layout::Wait;
use crate::problem::Problem;
use crate::runtime::clock::Clock;
use crate::runtime::latency::histogram;
use crate::runtime::threads::pin;
use disruptor::{BusySpin, Producer as _, build_single_producer};
use hdrhistogram::Histogram;
use ringbuf_layout::Slot;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The way of one slot from the moment it was due through a bare ring of `slots` to another thread that sees it,
/// at `rate` slots a second for so long, or until `stop`: nothing is done with it. Cores are those of the spine.
///
/// # Errors
/// If a core cannot be had.
pub fn raw_hop(
    rate: f64,
    length: Duration,
    slots: usize,
    cores: [Option<usize>; 2],
    wait: Wait,
    stop: &AtomicBool,
) -> Result<Histogram<u64>, Problem> {
    let clock = Clock::default();
    let builder = build_single_producer(slots, Slot::default, BusySpin);
    let (mut poller, builder) = builder.new_event_poller();
    let mut producer = builder.build();
    let count = (rate * length.as_secs_f64()) as u64;
    let failed = AtomicBool::new(false);
    let over = || failed.load(Ordering::Relaxed) || stop.load(Ordering::Relaxed);
    std::thread::scope(|scope| {
        let (failed, over, receiver_clock) = (&failed, &over, clock.clone());
        let receiver = scope.spawn(move || {
            let mut seen = histogram();
            let pinned = cores[1].map_or(Ok(()), pin);
            failed.fetch_or(pinned.is_err(), Ordering::Relaxed);
            let (mut taken, mut idle) = (0, 0);
            while taken < count && !over() {
                let Ok(mut guard) = poller.poll() else {
                    idle += 1;
                    wait.wait(idle);
                    continue;
                };
                idle = 0;
                (&mut guard).for_each(|slot: &Slot| {
                    let due = slot.input.head().seq;
                    seen.saturating_record(receiver_clock.now().saturating_sub(due));
                    taken += 1;
                });
            }
            pinned.map(|()| seen)
        });
        let sender = scope.spawn(move || {
            let pinned = cores[0].map_or(Ok(()), pin);
            failed.fetch_or(pinned.is_err(), Ordering::Relaxed);
            let began = clock.now();
            let mut sent = 0;
            while sent < count && !over() {
                let due = began + (sent as f64 * 1e9 / rate) as u64;
                if clock.now() < due {
                    wait.wait(0);
                } else if producer.try_publish(|slot| slot.input.head_mut().seq = due).is_ok() {
                    sent += 1;
                }
            }
            pinned
        });
        let gone = |_| Problem::new("a thread of the floor panicked", "latency run", "report it");
        sender.join().map_err(gone)??;
        receiver.join().map_err(gone)?
    })
}

/// Gaps between two looks at the clock by a loop that does nothing else: what the host takes from a thread.
/// Only gaps of a microsecond and more are kept.
pub fn hiccups(length: Duration, stop: &AtomicBool) -> Histogram<u64> {
    let clock = Clock::default();
    let mut gaps = histogram();
    let began = clock.now();
    let mut last = began;
    while last - began < length.as_nanos() as u64 && !stop.load(Ordering::Relaxed) {
        let now = clock.now();
        if now - last >= 1_000 {
            gaps.saturating_record(now - last);
        }
        last = now;
    }
    gaps
}
