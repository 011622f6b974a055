//! A figure of one thread that others look at: how far it has come.

use crate::line::Line;
use crate::shim::{AtomicU64, Site, ordering};

/// A figure of one thread, on a cache line of its own. Who reads a value sees what its writer did before it set
/// it. Two gauges that are read one after the other need not belong together.
#[derive(Debug)]
pub struct Gauge(Line<AtomicU64>);

impl Default for Gauge {
    fn default() -> Self {
        Self(Line(AtomicU64::new(0)))
    }
}

impl Gauge {
    /// Sets it; its one writer alone does. Release: a plain move on x86-64.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.0.store(value, ordering(Site::GaugeSet));
    }

    /// What it was set to last, as far as this thread has heard.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.0.load(ordering(Site::GaugeGet))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_holds_what_was_set_on_a_line_of_its_own() {
        let gauges = [Gauge::default(), Gauge::default()];
        gauges[1].set(7);
        assert_eq!((gauges[0].get(), gauges[1].get()), (0, 7));
        assert_eq!(size_of_val(&gauges), 2 * align_of::<Gauge>());
        assert!(align_of::<Gauge>() >= 64);
    }
}
