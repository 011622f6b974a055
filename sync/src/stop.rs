//! The end of a run, and the gate at its start.

use crate::line::Line;
use crate::shim::{AtomicBool, AtomicUsize, Ordering::Relaxed, Site, ordering};

/// The one word that every wait of the spine looks at. Once set it stays set.
#[derive(Debug, Default)]
pub struct Stop(Line<AtomicBool>);

impl Stop {
    /// Not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the run. Release: who sees it set also sees what was written before, such as why.
    #[inline]
    pub fn set(&self) {
        self.0.0.store(true, ordering(Site::StopSet));
    }

    /// True once it was set, by whomever. Acquire: the other side of [`set`](Self::set).
    #[inline]
    pub fn is_set(&self) -> bool {
        self.0.0.load(ordering(Site::StopRead))
    }
}

/// Where the threads meet before the clock starts. For one start: it does not close again.
#[derive(Debug)]
pub struct StartGate {
    missing: AtomicUsize,
}

impl StartGate {
    /// A gate that opens when `n` threads have arrived.
    pub fn new(n: usize) -> Self {
        Self { missing: AtomicUsize::new(n) }
    }

    /// Arrives and waits, with `yield_fn` after every look, for the others or for a stop: one of them
    /// could not be started. True if all have arrived: what each wrote before is visible then.
    ///
    /// # Panics
    /// If more threads arrive than the gate was made for.
    pub fn arrive_and_wait(&self, stop: &Stop, mut yield_fn: impl FnMut()) -> bool {
        // Release alone: it is the look below that acquires, from every arrival, since each one
        // carries on the release sequence of those before it.
        let missing = self.missing.fetch_sub(1, ordering(Site::GateArrive));
        assert!(missing > 0, "Condition failed: more threads at the gate than it was made for");
        while self.missing.load(ordering(Site::GateWait)) > 0 {
            if stop.is_set() {
                return false;
            }
            yield_fn();
        }
        true
    }

    /// How many have not arrived.
    pub fn missing(&self) -> usize {
        self.missing.load(Relaxed)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::thread::{scope, yield_now};

    #[test]
    fn the_gate_opens_when_all_have_arrived() {
        let (gate, stop) = (StartGate::new(3), Stop::new());
        scope(|scope| {
            let threads: Vec<_> =
                (0..3).map(|_| scope.spawn(|| gate.arrive_and_wait(&stop, yield_now))).collect();
            assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
        });
        assert_eq!(gate.missing(), 0);
    }

    #[test]
    fn a_stop_lets_go_of_who_waits_at_the_gate() {
        let (gate, stop) = (StartGate::new(2), Stop::new());
        scope(|scope| {
            let waiting = scope.spawn(|| gate.arrive_and_wait(&stop, yield_now));
            stop.set();
            assert!(!waiting.join().unwrap());
        });
        assert_eq!((gate.missing(), stop.is_set()), (1, true));
    }
}
