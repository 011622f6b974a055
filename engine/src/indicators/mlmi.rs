//! MLMI: the spec's value, signal and confidence over the public k-nearest-neighbours momentum index.

use crate::indicators::SPEC_HISTORY_BARS;
use crate::indicators::average::wma;
use crate::indicators::rsi::Rsi;
use crate::indicators::window::Window;
use crate::stage::Digest;
use crate::state::{Codec, State, StateError, state};
use xxhash_rust::xxh3::xxh3_64;

/// Neighbours of `mlmi_value`: few, because with fewer events than neighbours the sum counts all labels and
/// says nothing about nearness.
pub const NEIGHBOURS: usize = 5;
/// Neighbours of `mlmi_knn`, the public default.
pub const PUBLIC_NEIGHBOURS: usize = 200;
/// Events kept; the oldest gives way. A crossing comes about every 15 bars, so this is two years of 5-minute
/// bars.
pub const EVENTS_MAX: usize = 10_000;
/// Period of the slow WMA of closes and of the WMAs of both RSIs and of the predictions.
const SLOW: usize = 20;
/// Period of the quick WMA of closes.
const QUICK: usize = 5;

/// Averages closer than this part of the largest close are equal.
const EQUAL: f64 = 1e-12;

/// State of the five features of one instrument and timeframe.
///
/// q = WMA(close, 5), s = WMA(close, 20); slow feature = WMA(RSI(close, 20), 20), quick feature =
/// WMA(RSI(close, 5), 20). Where q crosses s, one event is stored: both features, and as its label +1 if the
/// close is at or above that of the event before, −1 if below, 0 for the first (no sentinel event). The label
/// looks back. Then the prediction is the sum of the labels of the k nearest events, all at the distance of the
/// k-th included. (Public: Zeiierman; store, then predict.)
#[derive(Clone, Debug)]
pub struct Mlmi {
    bars: u32,
    closes: Window<SLOW>,
    slow_rsi: Rsi,
    quick_rsi: Rsi,
    slow_rsis: Window<SLOW>,
    quick_rsis: Window<SLOW>,
    /// Of the bar before: 1 if q was above s, −1 below, 0 equal.
    side: Option<i8>,
    events: Events,
    predictions: Window<SLOW>,
}

/// Its values after a bar.
#[derive(Clone, Copy, Debug, Default)]
pub struct MlmiValues {
    /// `mlmi_value`: (1 + Σ labels / n) / 2 of the n nearest events (k = 5, with ties), 0 to 1; 0.5 before the
    /// first event. From 50 bars on, as the next two.
    pub value: Option<f64>,
    /// `mlmi_signal`: +1 if the value is above 0.5, else −1.
    pub signal: Option<f64>,
    /// `mlmi_confidence`: |value − 0.5| × 2.
    pub confidence: Option<f64>,
    /// `mlmi_knn`: Σ labels over k = 200.
    pub knn: Option<f64>,
    /// `mlmi_knn_ma`: WMA(20) of it.
    pub knn_ma: Option<f64>,
}

impl Default for Mlmi {
    fn default() -> Self {
        Self::new(EVENTS_MAX)
    }
}

impl Mlmi {
    /// A state that keeps at most `events_max` events.
    pub fn new(events_max: usize) -> Self {
        Self {
            bars: 0,
            closes: Window::default(),
            slow_rsi: Rsi::new(SLOW as u32),
            quick_rsi: Rsi::new(QUICK as u32),
            slow_rsis: Window::default(),
            quick_rsis: Window::default(),
            side: None,
            events: Events::new(events_max),
            predictions: Window::default(),
        }
    }

    /// Takes the next close.
    pub fn on_close(&mut self, close: f64) -> MlmiValues {
        self.bars = self.bars.saturating_add(1);
        self.closes.push(close);
        if let Some(rsi) = self.slow_rsi.push(close) {
            self.slow_rsis.push(rsi);
        }
        if let Some(rsi) = self.quick_rsi.push(close) {
            self.quick_rsis.push(rsi);
        }
        let crossed = self.crosses();
        let Some((slow, quick)) = self.features() else { return MlmiValues::default() };
        if crossed {
            self.events.store(slow, quick, close);
        }
        let (near, public) = self.events.nearest(slow, quick);
        let prediction = f64::from(public.labels);
        self.predictions.push(prediction);
        let spec = (self.bars >= SPEC_HISTORY_BARS).then(|| near.value());
        MlmiValues {
            value: spec,
            signal: spec.map(|value| if value > 0.5 { 1.0 } else { -1.0 }),
            confidence: spec.map(|value| libm::fabs(value - 0.5) * 2.0),
            knn: Some(prediction),
            knn_ma: self.predictions.full().map(wma),
        }
    }

    /// True if the quick average crossed the slow one with the newest close.
    fn crosses(&mut self) -> bool {
        let Some(closes) = self.closes.full() else { return false };
        // Relative to the oldest close, averages that are equal are equal to the last bit, so a price that
        // stands still crosses nothing.
        let mut relative = [0.0; SLOW];
        for (relative, close) in relative.iter_mut().zip(closes) {
            *relative = close - closes[0];
        }
        let apart = wma(&relative[SLOW - QUICK..]) - wma(&relative);
        // Averages of prices on a grid are equal, or apart by a tick over 210 at least; closer than this is what
        // rounding makes of averages that are equal.
        let scale = closes.iter().fold(0.0, |scale, close| libm::fmax(scale, libm::fabs(*close)));
        let is_equal = libm::fabs(apart) <= scale * EQUAL;
        let now = if is_equal { 0 } else { i8::from(apart > 0.0) - i8::from(apart < 0.0) };
        // Above, and not above before; below, and not below before.
        self.side.replace(now).is_some_and(|before| now != 0 && now != before)
    }

    /// Slow and quick feature; from index 39 on.
    fn features(&self) -> Option<(f64, f64)> {
        Some((wma(self.slow_rsis.full()?), wma(self.quick_rsis.full()?)))
    }

    /// Events stored so far, those that gave way included.
    pub fn events_stored(&self) -> u64 {
        self.events.stored
    }

    /// Feeds its state to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        digest.word(u64::from(self.bars));
        self.closes.digest(digest);
        self.slow_rsi.digest(digest);
        self.quick_rsi.digest(digest);
        self.slow_rsis.digest(digest);
        self.quick_rsis.digest(digest);
        digest.int(self.side.map_or(2, i64::from));
        self.events.digest(digest);
        self.predictions.digest(digest);
    }
}

/// The nearest events, summed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Neighbours {
    /// Σ labels.
    labels: i32,
    /// How many: more than k where distances tie, fewer where there are fewer events.
    count: u32,
}

impl Neighbours {
    /// (1 + mean label) / 2; without neighbours the label is as likely one as the other.
    fn value(self) -> f64 {
        f64::midpoint(1.0, f64::from(self.labels) / f64::from(self.count.max(1)))
    }
}

/// The event store: a ring over arrays, made once.
#[derive(Clone, Debug)]
struct Events {
    slow: Box<[f64]>,
    quick: Box<[f64]>,
    labels: Box<[i8]>,
    /// Distances, permuted by the selection of the k-th.
    scratch: Box<[f64]>,
    /// Events ever stored.
    stored: u64,
    last_close: f64,
    /// Hash of all events ever stored, in order, so that a digest need not walk them.
    running: u64,
}

impl Events {
    fn new(max: usize) -> Self {
        assert!(max > 0, "Condition failed: an event store holds at least one event");
        Self {
            slow: vec![0.0; max].into(),
            quick: vec![0.0; max].into(),
            labels: vec![0; max].into(),
            scratch: vec![0.0; max].into(),
            stored: 0,
            last_close: 0.0,
            running: 0,
        }
    }

    fn store(&mut self, slow: f64, quick: f64, close: f64) {
        let label: i8 = match self.stored {
            0 => 0,
            _ if close >= self.last_close => 1,
            _ => -1,
        };
        let at = (self.stored % self.labels.len() as u64) as usize;
        (self.slow[at], self.quick[at], self.labels[at]) = (slow, quick, label);
        self.stored += 1;
        self.last_close = close;
        let mut bytes = [0; 32];
        let words = [self.running, slow.to_bits(), quick.to_bits(), i64::from(label) as u64];
        for (bytes, word) in bytes.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        self.running = xxh3_64(&bytes);
    }

    fn len(&self) -> usize {
        self.stored.min(self.labels.len() as u64) as usize
    }

    fn distance(&self, at: usize, slow: f64, quick: f64) -> f64 {
        let (x, y) = (self.slow[at] - slow, self.quick[at] - quick);
        libm::sqrt(x * x + y * y)
    }

    /// The 5 and the 200 nearest, in time linear in the number of events: about 20 ns an event.
    fn nearest(&mut self, slow: f64, quick: f64) -> (Neighbours, Neighbours) {
        let len = self.len();
        if len == 0 {
            return <_>::default();
        }
        for at in 0..len {
            self.scratch[at] = self.distance(at, slow, quick);
        }
        let kth = |k: usize| k.min(len) - 1;
        let distances = &mut self.scratch[..len];
        let (nearer, far, _) =
            distances.select_nth_unstable_by(kth(PUBLIC_NEIGHBOURS), f64::total_cmp);
        let far = *far;
        // The 5 nearest are among the 200 nearest, or are all of them.
        let near = match nearer.len() {
            0..NEIGHBOURS => far,
            _ => *nearer.select_nth_unstable_by(kth(NEIGHBOURS), f64::total_cmp).1,
        };
        let (mut five, mut public) = (Neighbours::default(), Neighbours::default());
        for at in 0..len {
            let distance = self.distance(at, slow, quick);
            for (limit, sum) in [(near, &mut five), (far, &mut public)] {
                if distance <= limit {
                    sum.labels += i32::from(self.labels[at]);
                    sum.count += 1;
                }
            }
        }
        (five, public)
    }

    fn digest(&self, digest: &mut Digest) {
        digest.word(self.stored);
        digest.word(self.running);
        digest.float(self.last_close);
    }
}

state!(Mlmi {
    bars,
    closes,
    slow_rsi,
    quick_rsi,
    slow_rsis,
    quick_rsis,
    side,
    events,
    predictions,
});

impl State for Events {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        // Distances are made anew at each bar.
        let Self { slow, quick, labels, scratch: _, stored, last_close, running } = self;
        codec.same(&labels.len(), "the room for events")?;
        stored.state(codec)?;
        last_close.state(codec)?;
        running.state(codec)?;
        let len = (*stored).min(labels.len() as u64) as usize;
        slow[..len].iter_mut().try_for_each(|value| value.state(codec))?;
        quick[..len].iter_mut().try_for_each(|value| value.state(codec))?;
        labels[..len].iter_mut().try_for_each(|label| label.state(codec))
    }
}
