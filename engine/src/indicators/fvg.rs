//! Fair value gaps: a price range that three candles in a row left untraded.

use crate::indicators::ClosedBar;
use crate::stage::Digest;
use crate::state::{Codec, State, StateError, checked, state};

/// Bars after which a gap that was not filled no longer counts.
pub const MAX_AGE_BARS: u32 = 50;

/// A gap. Candles −2, −1, 0: bullish if the low of 0 is above the high of −2, bearish if the high of 0 is below
/// the low of −2, both strictly; it is known at the close of 0 (packages that index the middle candle say one
/// bar less).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Gap {
    /// True: below the price, left by a rise.
    pub bullish: bool,
    /// Lower edge: the high of −2 of a bullish gap, the high of 0 of a bearish one.
    pub bottom: f64,
    /// Upper edge: the low of 0 of a bullish gap, the low of −2 of a bearish one.
    pub top: f64,
    /// Bars since the one that confirmed it.
    pub age: u32,
    /// The edge that price meets first was reached after the gap was known.
    pub touched: bool,
}

impl Gap {
    /// The edge whose reaching fills the gap: bottom of a bullish one, top of a bearish one.
    pub fn far_edge(&self) -> f64 {
        if self.bullish { self.bottom } else { self.top }
    }

    /// Its height in percent of its bottom.
    pub fn size_pct(&self) -> f64 {
        100.0 * (self.top - self.bottom) / self.bottom
    }

    fn is_touched_by(&self, bar: &ClosedBar) -> bool {
        if self.bullish { bar.low <= self.top } else { bar.high >= self.bottom }
    }

    fn is_filled_by(&self, bar: &ClosedBar) -> bool {
        if self.bullish { bar.low <= self.bottom } else { bar.high >= self.top }
    }
}

/// What a bar did to a gap, in the order in which it is told: by age, oldest first, the new one last.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum GapEvent {
    /// It outlived its age without being filled.
    Expired(Gap),
    /// Its near edge was reached for the first time; a fill by the same bar follows.
    Touched(Gap),
    /// Its far edge was reached: it is gone.
    Filled(Gap),
    /// This bar confirmed it.
    Opened(Gap),
}

/// Its values after a bar, from the third bar on.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct FvgValues {
    /// `fvg_bullish_active`: 1 if a bullish gap is neither filled nor expired, else 0.
    pub bullish_active: f64,
    /// `fvg_bearish_active`: the same of bearish gaps.
    pub bearish_active: f64,
    /// `fvg_mitigation_signal`: +1 if this bar filled a bullish gap, −1 a bearish one, 0 none; of several, the
    /// youngest decides. Other gaps may still be active.
    pub mitigation_signal: f64,
    /// `fvg_nearest_level`, `fvg_age`, `fvg_gap_size_pct` are of one gap: the one that this bar filled if there
    /// is a mitigation signal, else the youngest active one; `None` if there is neither.
    pub gap: Option<Gap>,
}

/// What is kept of a candle.
#[derive(Clone, Copy, Debug, Default)]
struct Candle {
    high: f64,
    low: f64,
    after_break: bool,
    /// One price and no volume: made up, or as good as.
    hollow: bool,
}

impl Candle {
    fn new(bar: &ClosedBar) -> Self {
        let hollow = bar.high <= bar.low && bar.volume <= 0.0;
        Self { high: bar.high, low: bar.low, after_break: bar.after_break, hollow }
    }
}

/// The detector, on raw bars.
#[derive(Clone, Debug)]
pub struct Fvg {
    max_age: u32,
    /// Bars seen, up to 3.
    bars: u32,
    /// Candles −2 and −1.
    before: [Candle; 2],
    /// Active gaps, oldest first; room for one of every age.
    gaps: Vec<Gap>,
}

impl Default for Fvg {
    fn default() -> Self {
        Self::new(MAX_AGE_BARS)
    }
}

impl Fvg {
    /// A detector whose gaps expire after this many bars.
    pub fn new(max_age_bars: u32) -> Self {
        let gaps = Vec::with_capacity(max_age_bars as usize + 1);
        Self { max_age: max_age_bars, bars: 0, before: <_>::default(), gaps }
    }

    /// Takes the next bar and tells `on_event` what it did to each gap. A gap is not met by the bar that
    /// confirmed it.
    ///
    /// # Panics
    /// If there were more gaps than ages, which one a bar cannot make.
    pub fn on_bar(
        &mut self,
        bar: &ClosedBar,
        mut on_event: impl FnMut(GapEvent),
    ) -> Option<FvgValues> {
        let filled = self.age_and_fill(bar, &mut on_event);
        let candle = Candle::new(bar);
        if let Some(gap) = self.find(candle) {
            assert!(self.gaps.len() <= self.max_age as usize, "Invariant: a gap of every age fits");
            self.gaps.push(gap);
            on_event(GapEvent::Opened(gap));
        }
        self.before = [self.before[1], candle];
        self.bars = (self.bars + 1).min(3);
        (self.bars == 3).then(|| self.values(filled))
    }

    /// Ages every gap, drops the expired and the filled, and gives the youngest that was filled.
    fn age_and_fill(
        &mut self,
        bar: &ClosedBar,
        on_event: &mut impl FnMut(GapEvent),
    ) -> Option<Gap> {
        let mut filled = None;
        let max_age = self.max_age;
        self.gaps.retain_mut(|gap| {
            gap.age += 1;
            if gap.age > max_age {
                on_event(GapEvent::Expired(*gap));
                return false;
            }
            if !gap.touched && gap.is_touched_by(bar) {
                gap.touched = true;
                on_event(GapEvent::Touched(*gap));
            }
            if gap.is_filled_by(bar) {
                on_event(GapEvent::Filled(*gap));
                filled = Some(*gap);
                return false;
            }
            true
        });
        filled
    }

    /// The gap that this bar confirms. None across a session boundary or a roll, where price was not traded
    /// through, and none with a hollow candle.
    fn find(&self, last: Candle) -> Option<Gap> {
        let [first, middle] = self.before;
        if self.bars < 2
            || (middle.after_break || last.after_break)
            || (first.hollow || middle.hollow || last.hollow)
        {
            return None;
        }
        let gap = |bullish, bottom, top| Gap { bullish, bottom, top, age: 0, touched: false };
        if last.low > first.high {
            Some(gap(true, first.high, last.low))
        } else if last.high < first.low {
            Some(gap(false, last.high, first.low))
        } else {
            None
        }
    }

    fn values(&self, filled: Option<Gap>) -> FvgValues {
        let flag = |condition: bool| f64::from(u8::from(condition));
        FvgValues {
            bullish_active: flag(self.gaps.iter().any(|gap| gap.bullish)),
            bearish_active: flag(self.gaps.iter().any(|gap| !gap.bullish)),
            mitigation_signal: filled.map_or(0.0, |gap| if gap.bullish { 1.0 } else { -1.0 }),
            gap: filled.or(self.gaps.last().copied()),
        }
    }

    /// Active gaps, oldest first.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Feeds its state to the hash.
    pub fn digest(&self, digest: &mut Digest) {
        digest.word(u64::from(self.bars));
        for candle in self.before {
            digest.float(candle.high);
            digest.float(candle.low);
            digest.word(u64::from(candle.after_break) | u64::from(candle.hollow) << 1);
        }
        digest.word(self.gaps.len() as u64);
        for gap in &self.gaps {
            digest.float(gap.bottom);
            digest.float(gap.top);
            let flags = u64::from(gap.bullish) | u64::from(gap.touched) << 1;
            digest.word(flags | u64::from(gap.age) << 2);
        }
    }
}

state!(Gap { bullish, bottom, top, age, touched });
state!(Candle { high, low, after_break, hollow });

impl State for Fvg {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { max_age, bars, before, gaps } = self;
        codec.same(max_age, "the age of gaps")?;
        bars.state(codec)?;
        before.state(codec)?;
        let none = Gap { bullish: false, bottom: 0.0, top: 0.0, age: 0, touched: false };
        codec.list(gaps, *max_age as usize + 1, || none)?;
        checked(self, codec, |fvg| fvg.bars <= 3)
    }
}
