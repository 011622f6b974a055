//! Receive time less event time, signed: a local clock may be behind the venue's.

/// Values that are kept for the median.
const KEPT: usize = 1 << 16;

/// What is known of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Latency {
    /// Smallest and largest, ns.
    pub range: Option<(i64, i64)>,
    /// True if some receive time is not the event time.
    differs: bool,
    seen: u64,
    kept: Vec<i64>,
    state: u64,
}

impl Latency {
    pub(super) fn note(&mut self, ts_recv: i64, ts_event: i64) {
        let value = ts_recv.saturating_sub(ts_event);
        self.differs |= value != 0;
        self.range = Some(self.range.map_or((value, value), |(a, b)| (a.min(value), b.max(value))));
        self.seen += 1;
        if self.kept.len() < KEPT {
            self.kept.push(value);
            return;
        }
        // Each value has the same chance to be kept; always the same ones.
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let at = ((u128::from(self.state) * u128::from(self.seen)) >> 64) as usize;
        if let Some(place) = self.kept.get_mut(at) {
            *place = value;
        }
    }

    /// True if the file has a receive time of its own.
    pub fn is_measured(&self) -> bool {
        self.differs
    }

    /// The median, ns; true if of a sample.
    pub fn median(&self) -> Option<(i64, bool)> {
        let mut kept = self.kept.clone();
        if kept.is_empty() {
            return None;
        }
        let middle = (kept.len() - 1) / 2;
        let (_, median, _) = kept.select_nth_unstable(middle);
        Some((*median, self.seen > KEPT as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_behind_gives_negative_values() {
        let mut latency = Latency::default();
        (0..5).for_each(|n| latency.note(100 + n, 200));
        assert_eq!((latency.range, latency.median()), (Some((-100, -96)), Some((-98, false))));
        assert!(latency.is_measured());
    }

    #[test]
    fn the_median_of_a_sample_is_near_that_of_all() {
        let mut latency = Latency::default();
        (0..400_000).for_each(|n| latency.note(n, 0));
        let (median, sampled) = latency.median().unwrap();
        assert!(sampled && (195_000..205_000).contains(&median), "{median}");
    }
}
