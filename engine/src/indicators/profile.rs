//! Volume by price.

/// Volume of price levels, in bins of equally many levels. A level is a whole number of ticks, so a key is an
/// integer; memory for the bins is taken once.
#[derive(Clone, Debug)]
pub struct Profile {
    bins: Box<[f64]>,
    /// Bins in use.
    len: usize,
    /// Lowest level, in ticks.
    first: i64,
    /// Levels in a bin.
    width: i64,
}

impl Profile {
    /// A profile of at most `bins_max` bins.
    ///
    /// # Panics
    /// If that is none.
    pub fn new(bins_max: usize) -> Self {
        assert!(bins_max > 0, "Condition failed: a profile has at least one bin");
        Self { bins: vec![0.0; bins_max].into(), len: 0, first: 0, width: 1 }
    }

    /// Empties it and spans levels `low` to `high`, both included, with the narrowest bins that are few enough:
    /// one tick, or the range divided by the number of bins, rounded up to whole ticks. The last bin may hold
    /// fewer levels than the others.
    pub fn span(&mut self, low: i64, high: i64) {
        let levels = high.saturating_sub(low).saturating_add(1).max(1);
        let ceil = |n: i64, d: i64| n / d + i64::from(n % d != 0);
        self.width = ceil(levels, self.bins.len() as i64);
        self.len = ceil(levels, self.width) as usize;
        self.first = low;
        self.bins[..self.len].fill(0.0);
    }

    /// Adds a volume, spread evenly over levels `low` to `high`, which lie in the span.
    pub fn add(&mut self, low: i64, high: i64, volume: f64) {
        let per_level = volume / (high - low + 1) as f64;
        let bin = |level: i64| ((level - self.first) / self.width) as usize;
        for i in bin(low)..=bin(high).min(self.len - 1) {
            let start = self.first + i as i64 * self.width;
            let levels = high.min(start + self.width - 1) - low.max(start) + 1;
            self.bins[i] += per_level * levels as f64;
        }
    }

    /// Volume by bin, lowest price first.
    pub fn volumes(&self) -> &[f64] {
        &self.bins[..self.len]
    }

    /// Middle of a bin, in half ticks: an integer for every width.
    pub fn middle(&self, bin: usize) -> i64 {
        let lowest = self.first + bin as i64 * self.width;
        lowest.saturating_mul(2).saturating_add(self.width - 1)
    }

    /// Point of control: the bin with the most volume, of several the one nearest the middle of the profile,
    /// of two such the lower. `None` without volume.
    pub fn poc(&self) -> Option<usize> {
        let volumes = self.volumes();
        let most = volumes.iter().copied().fold(0.0, f64::max);
        // In half bins, so that the middle of an even number is exact.
        let off_centre = |bin: &usize| (2 * bin).abs_diff(volumes.len() - 1);
        let is_most = |bin: &usize| volumes[*bin] >= most;
        (most > 0.0).then(|| (0..volumes.len()).filter(is_most).min_by_key(off_centre))?
    }

    /// First and last bin of the value area: grown from the point of control, at each step by the larger of the
    /// next bins with volume below and above (the upper if equal), until it holds more than `share` of it.
    pub fn value_area(&self, share: f64) -> Option<(usize, usize)> {
        let volumes = self.volumes();
        let poc = self.poc()?;
        let (mut low, mut high, mut held) = (poc, poc, volumes[poc]);
        let mut total = 0.0;
        for volume in volumes {
            total += volume;
        }
        while held <= share * total {
            let below = (0..low).rev().find(|bin| volumes[*bin] > 0.0);
            let above = (high + 1..volumes.len()).find(|bin| volumes[*bin] > 0.0);
            let next = match (below, above) {
                (Some(below), Some(above)) if volumes[below] > volumes[above] => below,
                (_, Some(above)) => above,
                (Some(below), None) => below,
                (None, None) => break,
            };
            held += volumes[next];
            (low, high) = (low.min(next), high.max(next));
        }
        Some((low, high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_one_tick_wide_until_there_are_too_many() {
        let mut profile = Profile::new(50);
        profile.span(100, 149);
        assert_eq!(
            (profile.volumes().len(), profile.middle(0), profile.middle(49)),
            (50, 200, 298)
        );
        profile.span(100, 150);
        // 51 levels: bins of two, the last of one.
        assert_eq!((profile.volumes().len(), profile.middle(0)), (26, 201));
        profile.span(7, 7);
        assert_eq!((profile.volumes().len(), profile.middle(0)), (1, 14));
    }

    #[test]
    fn a_bar_spreads_its_volume_over_the_levels_that_it_covers() {
        let mut profile = Profile::new(4);
        profile.span(0, 7);
        profile.add(1, 5, 10.0);
        assert_eq!(profile.volumes(), [2.0, 4.0, 4.0, 0.0]);
        profile.add(7, 7, 3.0);
        assert_eq!(profile.volumes(), [2.0, 4.0, 4.0, 3.0], "a single print is one bin");
    }

    #[test]
    fn a_tie_for_the_point_of_control_goes_to_the_middle() {
        let mut profile = Profile::new(8);
        profile.span(0, 4);
        assert_eq!(profile.poc(), None);
        for level in [0, 3, 4] {
            profile.add(level, level, 5.0);
        }
        assert_eq!(profile.poc(), Some(3));
    }

    #[test]
    fn the_value_area_grows_by_the_larger_neighbour_and_upwards_where_they_are_equal() {
        let mut profile = Profile::new(8);
        profile.span(0, 6);
        // Level 5 has no volume: the next with volume counts.
        for (level, volume) in [(0, 1.0), (1, 2.0), (2, 4.0), (3, 10.0), (4, 4.0), (6, 3.0)] {
            profile.add(level, level, volume);
        }
        let area = |share| profile.value_area(share);
        assert_eq!(area(0.3), Some((3, 3)), "10 of 24");
        assert_eq!(area(0.5), Some((3, 4)), "14 of 24");
        assert_eq!(area(0.7), Some((2, 4)), "18 of 24");
        assert_eq!(area(0.8), Some((2, 6)), "21 of 24");
        assert_eq!(area(1.0), Some((0, 6)), "all there is");
    }
}
