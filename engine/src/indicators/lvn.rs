//! Low volume nodes: prices that the market left quickly.

use crate::indicators::ClosedBar;
use crate::indicators::profile::Profile;
use crate::indicators::window::Window;
use crate::stage::Digest;
use crate::state::state;
use ringbuf_layout::Price;
use ringbuf_layout::units::PRICE_ONE;

/// Bars of the profile.
pub const LVN_BARS: usize = 20;
/// Most bins of the profile: a bin is max(tick, range / 50).
pub const LVN_BINS: usize = 50;
/// A node has at most this share of the point of control's volume.
pub const LVN_SHARE: f64 = 0.30;

/// Nodes of the last 20 bars. Each bar's volume is spread evenly over its low to high, by tick; a node is a bin
/// with at most 0.30 of the most a bin has, in a run of equal bins with more volume on either side. So it lies
/// inside the traded range, and a bin without volume may be one.
///
/// There is no canonical definition; this one is stated in the project's domain notes (§2.4).
#[derive(Clone, Debug)]
pub struct Lvn {
    /// Price step; without it prices have no levels.
    tick: Option<Price>,
    lows: Window<LVN_BARS>,
    highs: Window<LVN_BARS>,
    volumes: Window<LVN_BARS>,
    profile: Profile,
}

/// The node nearest to the close; `None` where there is no node.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Node {
    /// `lvn_nearest_price`: the middle of its bin. Of two equally near, the lower.
    pub price: f64,
    /// `lvn_nearest_strength`: 100 × (1 − volume / volume of the point of control), 70 to 100.
    pub strength: f64,
    /// `lvn_distance_points`: |close − price|, in price units.
    pub distance: f64,
}

impl Default for Lvn {
    fn default() -> Self {
        Self {
            tick: None,
            lows: Window::default(),
            highs: Window::default(),
            volumes: Window::default(),
            profile: Profile::new(LVN_BINS),
        }
    }
}

/// `price` in thousandths of a half tick, the unit of distances: integers, so that ties are ties. Averaged
/// prices lie between levels.
fn milli_half_ticks(price: f64, tick: Price) -> i64 {
    libm::round(price * (2_000.0 * PRICE_ONE as f64) / tick.0 as f64) as i64
}

impl Lvn {
    /// Sets the price step.
    ///
    /// # Panics
    /// If it is not positive.
    pub fn set_tick(&mut self, tick: Price) {
        assert!(tick.0 > 0, "Condition failed: a tick is above 0, not {tick}");
        self.tick = Some(tick);
    }

    /// Takes the next bar.
    pub fn on_bar(&mut self, bar: &ClosedBar) -> Option<Node> {
        self.lows.push(bar.low);
        self.highs.push(bar.high);
        self.volumes.push(bar.volume);
        let tick = self.tick?;
        self.fill(tick)?;
        self.nearest(bar.close, tick)
    }

    /// Builds the profile of the window; `None` until it is full, or without volume.
    fn fill(&mut self, tick: Price) -> Option<()> {
        let (lows, highs, volumes) = (self.lows.full()?, self.highs.full()?, self.volumes.full()?);
        let level = |price: f64| libm::round(price * PRICE_ONE as f64 / tick.0 as f64) as i64;
        // Prices of bars without volume were not traded.
        let traded = || {
            let bars = lows.iter().zip(highs).zip(volumes).filter(|(_, volume)| **volume > 0.0);
            bars.map(|((low, high), volume)| (level(*low), level(*high), *volume))
        };
        let lowest = traded().map(|(low, ..)| low).min()?;
        let highest = traded().map(|(_, high, _)| high).max()?;
        self.profile.span(lowest, highest);
        for (low, high, volume) in traded() {
            self.profile.add(low, high, volume);
        }
        Some(())
    }

    fn nearest(&self, close: f64, tick: Price) -> Option<Node> {
        let volumes = self.profile.volumes();
        let most = volumes[self.profile.poc()?];
        let at = milli_half_ticks(close, tick);
        let off = |bin: &usize| self.profile.middle(*bin).saturating_mul(1_000).abs_diff(at);
        let is_low = |bin: &usize| volumes[*bin] <= LVN_SHARE * most && is_minimum(volumes, *bin);
        // The first of equals is the lower price.
        let bin = (0..volumes.len()).filter(is_low).min_by_key(off)?;
        let half_ticks = i128::from(self.profile.middle(bin));
        let price = (half_ticks * i128::from(tick.0)) as f64 / (2.0 * PRICE_ONE as f64);
        let strength = 100.0 * (1.0 - volumes[bin] / most);
        Some(Node { price, strength, distance: libm::fabs(close - price) })
    }

    /// Feeds its state to the hash; the profile is made anew at each bar.
    pub fn digest(&self, digest: &mut Digest) {
        digest.int(self.tick.map_or(0, |tick| tick.0));
        self.lows.digest(digest);
        self.highs.digest(digest);
        self.volumes.digest(digest);
    }
}

/// True if `bin` is in a run of equal volumes that has more volume on both sides.
fn is_minimum(volumes: &[f64], bin: usize) -> bool {
    let differs = |other: &&f64| other.total_cmp(&volumes[bin]).is_ne();
    let below = volumes[..bin].iter().rev().find(differs);
    let above = volumes[bin + 1..].iter().find(differs);
    matches!((below, above), (Some(below), Some(above)) if below.min(*above) > volumes[bin])
}

// The profile is made anew at each bar.
state!(Lvn { tick, lows, highs, volumes } fixed { profile } check |lvn| lvn.tick.is_none_or(|tick| tick.0 > 0));
