//! Synergies: three signals, of MLMI, NWRQK and FVG, that point the same way in one of four orders.

use crate::indicators::features::{Feature, Features};
use crate::stage::Digest;
use crate::state::{Codec, State, StateError, state};
use ringbuf_layout::units::SECOND;

/// What a signal is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignalKind {
    /// Momentum, on slow bars.
    Mlmi,
    /// Kernel regression, on slow bars.
    Nwrqk,
    /// A filled fair value gap, on fast bars.
    Fvg,
}

use SignalKind::{Fvg, Mlmi, Nwrqk};

/// The four orders, types 1 to 4. The two that begin with a gap are not among them.
pub const ORDERS: [[SignalKind; 3]; 4] =
    [[Mlmi, Nwrqk, Fvg], [Mlmi, Fvg, Nwrqk], [Nwrqk, Fvg, Mlmi], [Nwrqk, Mlmi, Fvg]];

/// When a feature is a signal, how long signals belong together, how long a synergy keeps others out.
#[derive(Clone, Copy, Debug)]
pub struct SynergyRules {
    /// Length of a fast bar, seconds: the unit of the two below.
    pub fast_s: u32,
    /// Whole fast bars from the first to the last signal, at most.
    pub window_bars: u32,
    /// Whole fast bars after a synergy in which another is not reported.
    pub cooldown_bars: u32,
    /// Least |`mlmi_value` − 0.5|; the strength is full at 0.5.
    pub mlmi_deviation_min: f64,
    /// Least |`nwrqk_kernel_slope`|, ATR a bar.
    pub slope_min: f64,
    /// The slope of full strength.
    pub slope_full: f64,
    /// Least `fvg_gap_size_pct`, percent.
    pub gap_pct_min: f64,
    /// The gap of full strength, percent.
    pub gap_pct_full: f64,
}

impl Default for SynergyRules {
    /// Window, cooldown, MLMI and gap as the earlier system has them. Its slope of 0.3 (full at 2) is a relative
    /// change, which no bar reaches; in ATR a kernel that has just turned does not reach it either (2 of 3,018
    /// turns in three years of 30-minute NQ bars). 0.02 is the median of those turns, 0.1 their 95th percentile.
    fn default() -> Self {
        Self {
            fast_s: 300,
            window_bars: 10,
            cooldown_bars: 5,
            mlmi_deviation_min: 0.25,
            slope_min: 0.02,
            slope_full: 0.1,
            gap_pct_min: 0.1,
            gap_pct_full: 1.0,
        }
    }
}

/// A signal.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Signal {
    /// Of what.
    pub kind: SignalKind,
    /// +1 up, −1 down.
    pub direction: i8,
    /// 0 to 1.
    pub strength: f64,
    /// When, ns UTC.
    pub ts: i64,
}

/// A completed sequence.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SynergyFound {
    /// Type 1 to 4, see [`ORDERS`].
    pub kind: u32,
    /// +1 up, −1 down.
    pub direction: i8,
    /// Mean strength of its signals, 0 to 1.
    pub strength: f64,
    /// Whole fast bars from the first signal to the last, plus 1.
    pub bars_to_complete: u32,
}

/// The sequence detector of one instrument.
///
/// A signal joins the sequence unless its kind is there already. It starts a new one, dropping what there was,
/// if it comes more than the window after the first, or points the other way. Three signals end a sequence:
/// in one of the four orders, and outside a cooldown, as a synergy; else as nothing, so that an order that is
/// none of the four jams nothing. A slow bar signals once, not with every fast bar for which its features hold.
///
/// Time is event time, in whole fast bars: a night in between counts in full.
#[derive(Clone, Debug)]
pub struct SynergyDetector {
    rules: SynergyRules,
    /// The signals so far; the third completes.
    signals: [Option<Signal>; 2],
    last_slow: Option<i64>,
    last_found: Option<i64>,
}

impl SynergyDetector {
    /// A detector with these rules.
    ///
    /// # Panics
    /// If a fast bar has no length.
    pub fn new(rules: SynergyRules) -> Self {
        assert!(rules.fast_s > 0, "Condition failed: a fast bar has a length");
        Self { rules, signals: [None; 2], last_slow: None, last_found: None }
    }

    /// Takes the features of a slow bar that closed at `ts`: MLMI first, then NWRQK. Where a fast bar closed at
    /// the same instant, its features come after.
    pub fn on_slow(&mut self, ts: i64, features: &Features) -> Option<SynergyFound> {
        if self.last_slow.is_some_and(|last| ts <= last) {
            return None;
        }
        self.last_slow = Some(ts);
        let mut found = None;
        for signal in [self.mlmi(ts, features), self.nwrqk(ts, features)].into_iter().flatten() {
            // At most one completes: a synergy leaves the sequence empty.
            found = self.on_signal(signal).or(found);
        }
        found
    }

    /// Takes the features of a fast bar that closed at `ts`.
    pub fn on_fast(&mut self, ts: i64, features: &Features) -> Option<SynergyFound> {
        let signal = self.fvg(ts, features)?;
        self.on_signal(signal)
    }

    fn mlmi(&self, ts: i64, features: &Features) -> Option<Signal> {
        let deviation = libm::fabs(features.get(Feature::MlmiValue)? - 0.5);
        let direction = sign(features.get(Feature::MlmiSignal)?)?;
        (deviation >= self.rules.mlmi_deviation_min).then(|| Signal {
            kind: Mlmi,
            direction,
            strength: (deviation / 0.5).min(1.0),
            ts,
        })
    }

    fn nwrqk(&self, ts: i64, features: &Features) -> Option<Signal> {
        let slope = libm::fabs(features.get(Feature::NwrqkKernelSlope)?);
        let direction = sign(features.get(Feature::NwrqkKernelSignal)?)?;
        (slope >= self.rules.slope_min).then(|| Signal {
            kind: Nwrqk,
            direction,
            strength: (slope / self.rules.slope_full).min(1.0),
            ts,
        })
    }

    fn fvg(&self, ts: i64, features: &Features) -> Option<Signal> {
        let direction = sign(features.get(Feature::FvgMitigationSignal)?)?;
        let size_pct = features.get(Feature::FvgGapSizePct)?;
        (size_pct >= self.rules.gap_pct_min).then(|| Signal {
            kind: Fvg,
            direction,
            strength: (size_pct / self.rules.gap_pct_full).min(1.0),
            ts,
        })
    }

    /// Takes the next signal.
    pub fn on_signal(&mut self, signal: Signal) -> Option<SynergyFound> {
        let Some(first) = self.signals[0] else {
            self.signals[0] = Some(signal);
            return None;
        };
        let elapsed = self.fast_bars(first.ts, signal.ts);
        if elapsed > u64::from(self.rules.window_bars) || signal.direction != first.direction {
            self.signals = [Some(signal), None];
            return None;
        }
        if self.signals.iter().flatten().any(|held| held.kind == signal.kind) {
            return None;
        }
        let Some(second) = self.signals[1] else {
            self.signals[1] = Some(signal);
            return None;
        };
        self.signals = [None; 2];
        let order = [first.kind, second.kind, signal.kind];
        let kind = (1..).zip(ORDERS).find(|(_, valid)| *valid == order)?.0;
        if self.is_cooling(signal.ts) {
            return None;
        }
        self.last_found = Some(signal.ts);
        Some(SynergyFound {
            kind,
            direction: signal.direction,
            strength: (first.strength + second.strength + signal.strength) / 3.0,
            // The window bounds it.
            bars_to_complete: elapsed as u32 + 1,
        })
    }

    fn is_cooling(&self, ts: i64) -> bool {
        let cooldown = u64::from(self.rules.cooldown_bars);
        self.last_found.is_some_and(|last| self.fast_bars(last, ts) < cooldown)
    }

    /// Whole fast bars between two instants.
    fn fast_bars(&self, from: i64, to: i64) -> u64 {
        let elapsed = to.saturating_sub(from).max(0);
        (elapsed / (i64::from(self.rules.fast_s) * SECOND)) as u64
    }

    /// Feeds its state to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        for signal in self.signals {
            digest.word(signal.map_or(0, |signal| 1 + signal.kind as u64));
            if let Some(signal) = signal {
                digest.int(i64::from(signal.direction));
                digest.float(signal.strength);
                digest.int(signal.ts);
            }
        }
        for ts in [self.last_slow, self.last_found] {
            digest.word(u64::from(ts.is_some()));
            digest.int(ts.unwrap_or(0));
        }
    }
}

/// +1 or −1; `None` for 0, which is no signal.
fn sign(value: f64) -> Option<i8> {
    if value > 0.0 {
        Some(1)
    } else if value < 0.0 {
        Some(-1)
    } else {
        None
    }
}

impl State for SignalKind {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let kinds = [Mlmi, Nwrqk, Fvg];
        codec.code(self, *self as u8, |byte| kinds.get(usize::from(byte)).copied())
    }
}

state!(Signal { kind, direction, strength, ts });

impl State for SynergyDetector {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { rules: _, signals, last_slow, last_found } = self;
        let none = Signal { kind: Mlmi, direction: 0, strength: 0.0, ts: 0 };
        signals.iter_mut().try_for_each(|signal| codec.option(signal, || none))?;
        last_slow.state(codec)?;
        last_found.state(codec)
    }
}
