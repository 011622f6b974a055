//! The features of one instrument and timeframe, by name.

use crate::config;
use crate::indicators::atr::Atr;
use crate::indicators::fvg::Fvg;
use crate::indicators::heikin_ashi::HeikinAshi;
use crate::indicators::lvn::Lvn;
use crate::indicators::mlmi::Mlmi;
use crate::indicators::momentum::Momentum;
use crate::indicators::nwrqk::Nwrqk;
use crate::indicators::time::LocalTime;
use crate::indicators::volume::Volume;
use crate::indicators::{ClosedBar, SPEC_HISTORY_BARS};
use crate::stage::Digest;
use crate::state::{Codec, State, StateError, state};
use ringbuf_layout::output::FEATURES_MAX;
use ringbuf_layout::{Indicator, Price};

macro_rules! features {
    ($( $(#[$meta:meta])* $feature:ident = $name:literal, $warm_up:expr; )*) => {
        /// A feature; its number is its bit and its place in an indicator record.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub enum Feature { $( $(#[$meta])* $feature ),* }

        /// Names, in order: the columns of an export.
        pub const FEATURES: [&str; [$($name),*].len()] = [$($name),*];
        /// The bar, counted from 1, from which each is known. Those that may be `None` later on say so.
        pub const WARM_UP_BARS: [u32; FEATURES.len()] = [$($warm_up),*];

        impl Feature {
            /// All of them, in order.
            pub const ALL: [Self; FEATURES.len()] = [$( Self::$feature ),*];
        }
    };
}

features! {
    /// Label balance of the 5 nearest events, 0 to 1; see [`crate::indicators::mlmi`].
    MlmiValue = "mlmi_value", SPEC_HISTORY_BARS;
    /// +1 above 0.5, else −1.
    MlmiSignal = "mlmi_signal", SPEC_HISTORY_BARS;
    /// |value − 0.5| × 2.
    MlmiConfidence = "mlmi_confidence", SPEC_HISTORY_BARS;
    /// Sum of the labels of the 200 nearest events.
    MlmiKnn = "mlmi_knn", 40;
    /// WMA(20) of it.
    MlmiKnnMa = "mlmi_knn_ma", 59;
    /// Slope over volatility of 19 returns; see [`crate::indicators::nwrqk`].
    NwrqkValue = "nwrqk_value", SPEC_HISTORY_BARS;
    /// Slope of 19 returns, per bar.
    NwrqkSlope = "nwrqk_slope", SPEC_HISTORY_BARS;
    /// Standard deviation of 19 returns.
    NwrqkVolatility = "nwrqk_volatility", SPEC_HISTORY_BARS;
    /// Kernel estimate, a price.
    NwrqkKernel = "nwrqk_kernel", 27;
    /// Its change, ATR a bar.
    NwrqkKernelSlope = "nwrqk_kernel_slope", 28;
    /// +1 turning up, −1 turning down, else 0.
    NwrqkKernelSignal = "nwrqk_kernel_signal", 29;
    /// 1 if a bullish gap is active, else 0. Fast bars only, as all of [`crate::indicators::fvg`].
    FvgBullishActive = "fvg_bullish_active", 3;
    /// 1 if a bearish gap is active, else 0.
    FvgBearishActive = "fvg_bearish_active", 3;
    /// Far edge of the reported gap, a price; `None` where there is no gap, as age and size.
    FvgNearestLevel = "fvg_nearest_level", 3;
    /// Bars since it was confirmed.
    FvgAge = "fvg_age", 3;
    /// +1 a bullish gap was filled by this bar, −1 a bearish one, 0 none.
    FvgMitigationSignal = "fvg_mitigation_signal", 3;
    /// Height of the reported gap, percent of its bottom.
    FvgGapSizePct = "fvg_gap_size_pct", 3;
    /// Nearest low volume node, a price; `None` where there is none, as the next two; see
    /// [`crate::indicators::lvn`].
    LvnNearestPrice = "lvn_nearest_price", 20;
    /// Its strength, 70 to 100.
    LvnNearestStrength = "lvn_nearest_strength", 20;
    /// Distance of the close from it, in price units.
    LvnDistancePoints = "lvn_distance_points", 20;
    /// Sine of the venue's local hour of the bar's end.
    TimeHourSin = "time_hour_sin", 1;
    /// Cosine of it.
    TimeHourCos = "time_hour_cos", 1;
    /// 0 Monday … 6 Sunday.
    TimeWeekday = "time_weekday", 1;
    /// Average true range of 14 bars, in price units.
    Atr = "atr", 14;
    /// Standard deviation of 30 returns, percent.
    Volatility30 = "volatility_30", 31;
    /// Return over 5 bars, percent.
    PriceMomentum5 = "price_momentum_5", 6;
    /// Volume over its EMA(20); `None` where nothing trades.
    VolumeRatio = "volume_ratio", 20;
    /// Skewness of 20 volumes; `None` where they are equal.
    VolumeProfileSkew = "volume_profile_skew", 20;
    /// Last percent change minus the one before.
    PriceAcceleration = "price_acceleration", 3;
}

const _: () = assert!(FEATURES.len() <= FEATURES_MAX);

impl Feature {
    /// Its name.
    pub fn name(self) -> &'static str {
        FEATURES[self as usize]
    }

    /// The feature of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|feature| feature.name() == name)
    }

    /// The bar, counted from 1, from which it is known.
    pub const fn warm_up_bars(self) -> u32 {
        WARM_UP_BARS[self as usize]
    }
}

/// Values of the features after a bar, in the shape of an indicator record.
#[derive(Clone, Copy, Debug)]
pub struct Features {
    /// Bit i: feature i is known.
    pub valid: u64,
    /// Its value; 0 where it is not known.
    pub values: [f64; FEATURES_MAX],
}

impl Default for Features {
    fn default() -> Self {
        Self { valid: 0, values: [0.0; FEATURES_MAX] }
    }
}

impl From<&Indicator> for Features {
    fn from(record: &Indicator) -> Self {
        Self { valid: record.valid, values: record.values }
    }
}

impl Features {
    /// A feature's value, if it is known.
    pub fn get(&self, feature: Feature) -> Option<f64> {
        let i = feature as usize;
        (self.valid & 1 << i != 0).then(|| self.values[i])
    }

    /// Sets a feature. A value that is not finite is not known: no reader has to look for NaN.
    pub fn set(&mut self, feature: Feature, value: Option<f64>) {
        let i = feature as usize;
        let value = value.filter(|value| value.is_finite());
        self.valid = self.valid & !(1 << i) | u64::from(value.is_some()) << i;
        self.values[i] = value.unwrap_or(0.0);
    }

    /// Feeds them to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        digest.word(self.valid);
        self.values[..FEATURES.len()].iter().for_each(|value| digest.float(*value));
    }
}

/// What a timeframe is to the synergies. It may be both, or neither.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Roles {
    /// `slow_s`: MLMI, NWRQK and LVN see Heikin-Ashi bars.
    pub slow: bool,
    /// `fast_s`: fair value gaps are looked for.
    pub fast: bool,
}

impl Roles {
    /// The roles of a timeframe in a config.
    pub fn of(timeframe_s: u32, config: &config::Synergy) -> Self {
        Self { slow: timeframe_s == config.slow_s, fast: timeframe_s == config.fast_s }
    }
}

/// All indicators of one instrument and timeframe. MLMI, NWRQK, LVN, time and the market's own measures are
/// computed on every timeframe, as the spec does; fair value gaps on the fast one.
#[derive(Clone, Debug)]
pub struct FeatureSet {
    roles: Roles,
    /// Set where MLMI, NWRQK and LVN see Heikin-Ashi bars.
    heikin_ashi: Option<HeikinAshi>,
    mlmi: Mlmi,
    nwrqk: Nwrqk,
    fvg: Fvg,
    lvn: Lvn,
    atr: Atr,
    momentum: Momentum,
    volume: Volume,
    features: Features,
}

impl FeatureSet {
    /// Features for a timeframe in these roles; `heikin_ashi` false lets the slow one see raw bars too. The
    /// length of the timeframe does not enter.
    pub fn new(roles: Roles, heikin_ashi: bool) -> Self {
        Self {
            roles,
            heikin_ashi: (roles.slow && heikin_ashi).then(HeikinAshi::default),
            mlmi: Mlmi::default(),
            nwrqk: Nwrqk::default(),
            fvg: Fvg::default(),
            lvn: Lvn::default(),
            atr: Atr::default(),
            momentum: Momentum::default(),
            volume: Volume::default(),
            features: Features::default(),
        }
    }

    /// The instrument's price step: until it is known there are no price levels, so no low volume node.
    pub fn set_tick(&mut self, tick: Price) {
        self.lvn.set_tick(tick);
    }

    /// Takes the next closed bar. A bar that is not sound changes nothing, and nothing is known after it.
    pub fn on_bar(&mut self, raw: &ClosedBar) -> &Features {
        self.features = Features::default();
        if raw.is_sound() {
            let atr = self.atr.on_bar(raw);
            let smooth = self.heikin_ashi.as_mut().map_or(*raw, |state| state.on_bar(raw));
            self.on_smooth_bar(&smooth, atr);
            self.on_raw_bar(raw, atr);
        }
        &self.features
    }

    fn on_smooth_bar(&mut self, bar: &ClosedBar, atr: Option<f64>) {
        let features = &mut self.features;
        let mlmi = self.mlmi.on_close(bar.close);
        features.set(Feature::MlmiValue, mlmi.value);
        features.set(Feature::MlmiSignal, mlmi.signal);
        features.set(Feature::MlmiConfidence, mlmi.confidence);
        features.set(Feature::MlmiKnn, mlmi.knn);
        features.set(Feature::MlmiKnnMa, mlmi.knn_ma);
        let nwrqk = self.nwrqk.on_close(bar.close, atr);
        features.set(Feature::NwrqkValue, nwrqk.value);
        features.set(Feature::NwrqkSlope, nwrqk.slope);
        features.set(Feature::NwrqkVolatility, nwrqk.volatility);
        features.set(Feature::NwrqkKernel, nwrqk.kernel);
        features.set(Feature::NwrqkKernelSlope, nwrqk.kernel_slope);
        features.set(Feature::NwrqkKernelSignal, nwrqk.kernel_signal);
        let node = self.lvn.on_bar(bar);
        features.set(Feature::LvnNearestPrice, node.map(|node| node.price));
        features.set(Feature::LvnNearestStrength, node.map(|node| node.strength));
        features.set(Feature::LvnDistancePoints, node.map(|node| node.distance));
    }

    fn on_raw_bar(&mut self, bar: &ClosedBar, atr: Option<f64>) {
        let features = &mut self.features;
        let fvg = if self.roles.fast { self.fvg.on_bar(bar, |_| {}) } else { None };
        let gap = fvg.and_then(|fvg| fvg.gap);
        features.set(Feature::FvgBullishActive, fvg.map(|fvg| fvg.bullish_active));
        features.set(Feature::FvgBearishActive, fvg.map(|fvg| fvg.bearish_active));
        features.set(Feature::FvgNearestLevel, gap.map(|gap| gap.far_edge()));
        features.set(Feature::FvgAge, gap.map(|gap| f64::from(gap.age)));
        features.set(Feature::FvgMitigationSignal, fvg.map(|fvg| fvg.mitigation_signal));
        features.set(Feature::FvgGapSizePct, gap.map(|gap| gap.size_pct()));
        let time = LocalTime::new(bar.ts_close, bar.utc_offset_s);
        features.set(Feature::TimeHourSin, Some(time.hour_sin));
        features.set(Feature::TimeHourCos, Some(time.hour_cos));
        features.set(Feature::TimeWeekday, Some(time.weekday));
        features.set(Feature::Atr, atr);
        let momentum = self.momentum.on_close(bar.close);
        features.set(Feature::Volatility30, momentum.volatility);
        features.set(Feature::PriceMomentum5, momentum.momentum);
        features.set(Feature::PriceAcceleration, momentum.acceleration);
        let volume = self.volume.on_volume(bar.volume);
        features.set(Feature::VolumeRatio, volume.ratio);
        features.set(Feature::VolumeProfileSkew, volume.skew);
    }

    /// The features after the last bar.
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// Feeds its whole state to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        if let Some(heikin_ashi) = &self.heikin_ashi {
            heikin_ashi.digest(digest);
        }
        self.mlmi.digest(digest);
        self.nwrqk.digest(digest);
        self.fvg.digest(digest);
        self.lvn.digest(digest);
        self.atr.digest(digest);
        self.momentum.digest(digest);
        self.volume.digest(digest);
        self.features.digest(digest);
    }
}

state!(Features { valid, values });
state!(Roles { slow, fast });

impl State for FeatureSet {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { roles, heikin_ashi, mlmi, nwrqk, fvg, lvn, atr, momentum, volume, features } =
            self;
        codec.same(roles, "the roles of a timeframe")?;
        codec.part(heikin_ashi, "heikin_ashi")?;
        mlmi.state(codec)?;
        nwrqk.state(codec)?;
        fvg.state(codec)?;
        lvn.state(codec)?;
        atr.state(codec)?;
        momentum.state(codec)?;
        volume.state(codec)?;
        features.state(codec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_bits_and_places_agree() {
        assert_eq!(FEATURES.len(), 29);
        for (i, feature) in Feature::ALL.into_iter().enumerate() {
            assert_eq!(feature as usize, i);
            assert_eq!(Feature::parse(FEATURES[i]), Some(feature));
        }
        assert_eq!(Feature::parse("mmd_1"), None);
    }

    #[test]
    fn a_value_that_is_not_finite_is_not_known() {
        let mut features = Features::default();
        features.set(Feature::Atr, Some(2.5));
        assert_eq!((features.get(Feature::Atr), features.valid.count_ones()), (Some(2.5), 1));
        for absent in [None, Some(f64::NAN), Some(f64::INFINITY)] {
            features.set(Feature::Atr, absent);
            assert_eq!((features.get(Feature::Atr), features.valid), (None, 0));
        }
    }
}
