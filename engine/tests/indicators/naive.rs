//! Every feature again, written from its definition over the whole history, without state and without speed:
//! what the incremental code must agree with at every bar.

use crate::series::TICK;
use engine::indicators::{ClosedBar, Feature};
use std::collections::BTreeMap;

type Series = Vec<Option<f64>>;

/// Σ (n − lag) x(t − lag) / (n (n + 1) / 2).
pub fn wma(x: &[Option<f64>], n: usize, t: usize) -> Option<f64> {
    let mut sum = 0.0;
    for lag in 0..n {
        sum += (n - lag) as f64 * (*x.get(t.checked_sub(lag)?)?)?;
    }
    Some(sum / ((n * (n + 1) / 2) as f64))
}

/// Wilder's RSI, first value at index n.
pub fn rsi(closes: &[f64], n: usize) -> Series {
    by_bar(closes.len(), |t| {
        let (mut up, mut down) = (0.0, 0.0);
        let change = |i: usize| closes[i] - closes[i - 1];
        for i in 1..=n.min(t) {
            up += change(i).max(0.0);
            down += (-change(i)).max(0.0);
        }
        (up, down) = (up / n as f64, down / n as f64);
        for i in n + 1..=t {
            up = (up * (n as f64 - 1.0) + change(i).max(0.0)) / n as f64;
            down = (down * (n as f64 - 1.0) + (-change(i)).max(0.0)) / n as f64;
        }
        // The usual identity 100 − 100 / (1 + up / down) = 100 up / (up + down).
        (t >= n).then_some(if up + down > 0.0 { 100.0 * up / (up + down) } else { 50.0 })
    })
}

/// One crossing of the momentum index.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub t: usize,
    pub slow: f64,
    pub quick: f64,
    pub close: f64,
    pub label: i32,
}

/// The variants of the public index that the published numbers distinguish.
#[derive(Clone, Copy)]
pub struct Variant {
    pub k: usize,
    pub sentinel: bool,
    pub predict_first: bool,
}

/// The momentum index of a series of closes.
pub struct Momentum {
    pub quick_average: Series,
    pub slow_average: Series,
    pub slow: Series,
    pub quick: Series,
    closes: Vec<f64>,
}

impl Momentum {
    pub fn new(closes: &[f64]) -> Self {
        let all = || 0..closes.len();
        let known: Series = closes.iter().copied().map(Some).collect();
        let (rsi20, rsi5) = (rsi(closes, 20), rsi(closes, 5));
        Self {
            quick_average: all().map(|t| wma(&known, 5, t)).collect(),
            slow_average: all().map(|t| wma(&known, 20, t)).collect(),
            slow: all().map(|t| wma(&rsi20, 20, t)).collect(),
            quick: all().map(|t| wma(&rsi5, 20, t)).collect(),
            closes: closes.to_vec(),
        }
    }

    /// Sign of WMA(5) − WMA(20) × 210 in integers of 1/4096: exact for prices on a grid.
    fn side(&self, t: usize) -> Option<i64> {
        let units = |lag: usize| (self.closes[t - lag] * 4_096.0).round() as i64;
        (t >= 19).then(|| {
            let quick: i64 = (0..5).map(|lag| (5 - lag as i64) * units(lag)).sum();
            let slow: i64 = (0..20).map(|lag| (20 - lag as i64) * units(lag)).sum();
            (14 * quick - slow).signum()
        })
    }

    pub fn events(&self) -> Vec<Event> {
        let mut events: Vec<Event> = Vec::new();
        for t in 1..self.closes.len() {
            let (Some(before), Some(now)) = (self.side(t - 1), self.side(t)) else { continue };
            let (Some(slow), Some(quick)) = (self.slow[t], self.quick[t]) else { continue };
            let close = self.closes[t];
            if (now > 0 && before <= 0) || (now < 0 && before >= 0) {
                let rose = |last: &Event| if close >= last.close { 1 } else { -1 };
                let label = events.last().map_or(0, rose);
                events.push(Event { t, slow, quick, close, label });
            }
        }
        events
    }

    /// Sum and number of the labels of the nearest events at `t`.
    pub fn neighbours(&self, t: usize, variant: Variant) -> Option<(i32, usize)> {
        let (slow, quick) = (self.slow[t]?, self.quick[t]?);
        let known = |event: &Event| event.t < t || (event.t == t && !variant.predict_first);
        let mut labels: Vec<(f64, i32)> = Vec::new();
        let distance = |a: f64, b: f64| ((slow - a).powi(2) + (quick - b).powi(2)).sqrt();
        if variant.sentinel {
            labels.push((distance(0.0, 0.0), 0));
        }
        for event in self.events().iter().filter(|event| known(event)) {
            // The sentinel's price of 0 is below every price, so the first label is a rise.
            let label = if variant.sentinel && event.label == 0 { 1 } else { event.label };
            labels.push((distance(event.slow, event.quick), label));
        }
        labels.sort_by(|a, b| a.0.total_cmp(&b.0));
        let Some(limit) = labels.get(variant.k.min(labels.len()).wrapping_sub(1)) else {
            return Some((0, 0));
        };
        let limit = limit.0;
        let near: Vec<i32> = labels.iter().filter(|(d, _)| *d <= limit).map(|(_, l)| *l).collect();
        Some((near.iter().sum(), near.len()))
    }
}

/// Kernel estimate at `t` over so many lags, or over all history where that is shorter.
pub fn kernel(closes: &[f64], t: usize, lags: usize, h: f64, r: f64) -> f64 {
    let (mut sum, mut weights) = (0.0, 0.0);
    for lag in 0..lags.min(t + 1) {
        let weight = (1.0 + (lag as f64).powi(2) / (2.0 * r * h.powi(2))).powf(-r);
        sum += weight * closes[t - lag];
        weights += weight;
    }
    sum / weights
}

/// Heikin-Ashi bars.
pub fn heikin_ashi(bars: &[ClosedBar]) -> Vec<ClosedBar> {
    let mut out: Vec<ClosedBar> = Vec::new();
    for raw in bars {
        let close = (raw.open + raw.high + raw.low + raw.close) / 4.0;
        let open = match out.last() {
            Some(before) => 0.5 * (before.open + before.close),
            None => 0.5 * (raw.open + raw.close),
        };
        let high = [raw.high, open, close].into_iter().fold(f64::MIN, f64::max);
        let low = [raw.low, open, close].into_iter().fold(f64::MAX, f64::min);
        out.push(ClosedBar { open, high, low, close, ..*raw });
    }
    out
}

/// Average true range of 14 bars.
pub fn atr(bars: &[ClosedBar]) -> Series {
    let range = |t: usize| {
        let inside = bars[t].high - bars[t].low;
        let Some(before) = t.checked_sub(1) else { return inside };
        let before = bars[before].close;
        inside.max((bars[t].high - before).abs()).max((bars[t].low - before).abs())
    };
    by_bar(bars.len(), |t| {
        let seed = (0..14.min(t + 1)).map(range).sum::<f64>() / 14.0;
        (t >= 13).then(|| (14..=t).fold(seed, |average, i| (average * 13.0 + range(i)) / 14.0))
    })
}

/// Moments of a sample: mean, population deviation, population skewness.
pub fn moments(x: &[f64]) -> (f64, f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let moment = |power: i32| x.iter().map(|v| (v - mean).powi(power)).sum::<f64>() / n;
    let deviation = moment(2).sqrt();
    (mean, deviation, moment(3) / deviation.powi(3))
}

fn returns(closes: &[f64], t: usize, count: usize) -> Option<Vec<f64>> {
    let from = (t + 1).checked_sub(count)?;
    (from > 0).then(|| (from..=t).map(|i| closes[i] / closes[i - 1] - 1.0).collect())
}

/// A gap as a whole life: edges, the bar that confirmed it, the bar that filled it or on which it expired.
#[derive(Clone, Copy, Debug)]
pub struct GapLife {
    pub bullish: bool,
    pub bottom: f64,
    pub top: f64,
    pub confirmed: usize,
    pub filled: Option<usize>,
    pub gone: usize,
}

/// Every gap of the history that lives at most `max_age` bars.
pub fn gaps(bars: &[ClosedBar], max_age: usize) -> Vec<GapLife> {
    let hollow = |bar: &ClosedBar| bar.high.to_bits() == bar.low.to_bits() && bar.volume < 0.5;
    let mut out = Vec::new();
    for t in 2..bars.len() {
        let (first, last) = (bars[t - 2], bars[t]);
        let apart = bars[t - 1].after_break || last.after_break;
        if apart || bars[t - 2..=t].iter().any(hollow) {
            continue;
        }
        let (bullish, bottom, top) = match (last.low > first.high, last.high < first.low) {
            (true, _) => (true, first.high, last.low),
            (_, true) => (false, last.high, first.low),
            _ => continue,
        };
        let end = t + max_age;
        let fills = |i: &usize| if bullish { bars[*i].low <= bottom } else { bars[*i].high >= top };
        let filled = (t + 1..bars.len().min(end + 1)).find(fills);
        out.push(GapLife {
            bullish,
            bottom,
            top,
            confirmed: t,
            filled,
            gone: filled.unwrap_or(end + 1),
        });
    }
    out
}

/// Nearest low volume node at `t`: price, strength, distance.
pub fn node(bars: &[ClosedBar], t: usize) -> Option<(f64, f64, f64)> {
    let window = &bars[(t + 1).checked_sub(20)?..=t];
    let level = |price: f64| (price / TICK).round() as i64;
    let traded: Vec<(i64, i64, f64)> = window
        .iter()
        .filter(|bar| bar.volume > 0.0)
        .map(|bar| (level(bar.low), level(bar.high), bar.volume))
        .collect();
    let low = traded.iter().map(|bar| bar.0).min()?;
    let high = traded.iter().map(|bar| bar.1).max()?;
    let width = (1..=high).find(|width| (high - low) / width < 50)?;
    // Bin → volume: each bar's part of it, level by level.
    let mut bins: BTreeMap<i64, f64> = (0..=(high - low) / width).map(|bin| (bin, 0.0)).collect();
    for (bar_low, bar_high, volume) in traded {
        let mut levels: BTreeMap<i64, i64> = BTreeMap::new();
        (bar_low..=bar_high).for_each(|l| *levels.entry((l - low) / width).or_default() += 1);
        for (bin, count) in levels {
            *bins.get_mut(&bin)? += volume / (bar_high - bar_low + 1) as f64 * count as f64;
        }
    }
    let volumes: Vec<f64> = bins.into_values().collect();
    let most = volumes.iter().copied().fold(0.0, f64::max);
    // Runs of equal volumes, each with its bins.
    let mut runs: Vec<(f64, Vec<usize>)> = Vec::new();
    for (bin, volume) in volumes.iter().enumerate() {
        match runs.last_mut() {
            Some((last, bins)) if last.to_bits() == volume.to_bits() => bins.push(bin),
            _ => runs.push((*volume, vec![bin])),
        }
    }
    let close = bars[t].close;
    let mut best: Option<(f64, f64, f64)> = None;
    for three in runs.windows(3) {
        let (volume, bins) = &three[1];
        if three[0].0 > *volume && three[2].0 > *volume && *volume <= 0.3 * most {
            for bin in bins {
                let lowest = low + *bin as i64 * width;
                let price = (lowest as f64 + (width - 1) as f64 / 2.0) * TICK;
                let distance = (close - price).abs();
                // Nearer by more than the resolution of the keys.
                if best.is_none_or(|(.., nearest)| distance < nearest - TICK / 4_000.0) {
                    best = Some((price, 100.0 * (1.0 - volume / most), distance));
                }
            }
        }
    }
    best
}

/// Every feature of `bars` by name, at every bar.
pub fn features(
    bars: &[ClosedBar],
    slow_is_heikin_ashi: bool,
    fast: bool,
) -> BTreeMap<&'static str, Series> {
    let smooth = if slow_is_heikin_ashi { heikin_ashi(bars) } else { bars.to_vec() };
    let mut out = BTreeMap::new();
    let ranges = atr(bars);
    momentum_index(&smooth, &mut out);
    kernel_regression(&smooth, &ranges, &mut out);
    nodes(&smooth, &mut out);
    gap_features(bars, fast, &mut out);
    market_features(bars, &mut out);
    clock_features(bars, &mut out);
    out.insert("atr", ranges);
    assert_eq!(out.len(), Feature::ALL.len(), "a reference for every feature");
    out
}

fn by_bar(count: usize, value: impl Fn(usize) -> Option<f64>) -> Series {
    (0..count).map(value).collect()
}

fn closes_of(bars: &[ClosedBar]) -> Vec<f64> {
    bars.iter().map(|bar| bar.close).collect()
}

fn momentum_index(bars: &[ClosedBar], out: &mut BTreeMap<&'static str, Series>) {
    let index = Momentum::new(&closes_of(bars));
    let at = |t, k| index.neighbours(t, Variant { k, sentinel: false, predict_first: false });
    let value = by_bar(bars.len(), |t| {
        let (labels, count) = at(t, 5).filter(|_| t >= 49)?;
        Some(if count == 0 { 0.5 } else { 0.5 + 0.5 * f64::from(labels) / count as f64 })
    });
    let knn = by_bar(bars.len(), |t| at(t, 200).map(|(labels, _)| f64::from(labels)));
    out.insert("mlmi_knn_ma", by_bar(bars.len(), |t| wma(&knn, 20, t)));
    out.insert("mlmi_knn", knn);
    let of_value = |f: fn(f64) -> f64| value.iter().map(|v| v.map(f)).collect::<Series>();
    out.insert("mlmi_signal", of_value(|v| if v > 0.5 { 1.0 } else { -1.0 }));
    out.insert("mlmi_confidence", of_value(|v| (v - 0.5).abs() * 2.0));
    out.insert("mlmi_value", value);
}

fn kernel_regression(bars: &[ClosedBar], atr: &Series, out: &mut BTreeMap<&'static str, Series>) {
    let closes = closes_of(bars);
    let n = bars.len();
    let spec = |t: usize| returns(&closes, t, 19).filter(|_| t >= 49);
    // Slope by the normal equations, Σ over x = 0 … 18.
    let slope = |y: &[f64]| {
        let (n, sum_x, sum_xx) = (19.0, 171.0, 2_109.0);
        let sum_y = y.iter().sum::<f64>();
        let sum_xy = y.iter().enumerate().map(|(x, y)| x as f64 * y).sum::<f64>();
        (n * sum_xy - sum_x * sum_y) / (n * sum_xx - sum_x * sum_x)
    };
    let values = by_bar(n, |t| spec(t).map(|r| slope(&r) / (moments(&r).1 + 1e-8)));
    out.insert("nwrqk_value", values);
    out.insert("nwrqk_slope", by_bar(n, |t| spec(t).map(|r| slope(&r))));
    out.insert("nwrqk_volatility", by_bar(n, |t| spec(t).map(|r| moments(&r).1)));
    let y = by_bar(n, |t| (t >= 26).then(|| kernel(&closes, t, 27, 8.0, 8.0)));
    out.insert(
        "nwrqk_kernel_slope",
        by_bar(n, |t| {
            let change = y[t]? - y[t.checked_sub(1)?]?;
            Some(if atr[t]? > 0.0 { change / atr[t]? } else { 0.0 })
        }),
    );
    out.insert(
        "nwrqk_kernel_signal",
        by_bar(n, |t| {
            let (now, at, before) = (y[t]?, y[t.checked_sub(1)?]?, y[t.checked_sub(2)?]?);
            Some(match (at - before, now - at) {
                (fell, rises) if fell < 0.0 && rises > 0.0 => 1.0,
                (rose, falls) if rose > 0.0 && falls < 0.0 => -1.0,
                _ => 0.0,
            })
        }),
    );
    out.insert("nwrqk_kernel", y);
}

fn nodes(bars: &[ClosedBar], out: &mut BTreeMap<&'static str, Series>) {
    let nodes: Vec<_> = (0..bars.len()).map(|t| node(bars, t)).collect();
    out.insert("lvn_nearest_price", nodes.iter().map(|n| n.map(|n| n.0)).collect());
    out.insert("lvn_nearest_strength", nodes.iter().map(|n| n.map(|n| n.1)).collect());
    out.insert("lvn_distance_points", nodes.iter().map(|n| n.map(|n| n.2)).collect());
}

fn gap_features(bars: &[ClosedBar], fast: bool, out: &mut BTreeMap<&'static str, Series>) {
    let all = gaps(bars, 50);
    let ready = |t: usize| (fast && t >= 2).then_some(t);
    let active = |t: usize| all.iter().filter(move |gap| gap.confirmed <= t && t < gap.gone);
    let filled = |t: usize| all.iter().rev().find(|gap| gap.filled == Some(t));
    let told = |t: usize| ready(t).and_then(|t| filled(t).or(active(t).next_back()));
    let flag = |condition: bool| if condition { 1.0 } else { 0.0 };
    let by = |value: &dyn Fn(usize) -> Option<f64>| by_bar(bars.len(), value);
    let has = |t: usize, bullish| ready(t).map(|t| flag(active(t).any(|g| g.bullish == bullish)));
    out.insert("fvg_bullish_active", by(&|t| has(t, true)));
    out.insert("fvg_bearish_active", by(&|t| has(t, false)));
    let level = |gap: &GapLife| if gap.bullish { gap.bottom } else { gap.top };
    out.insert("fvg_nearest_level", by(&|t| told(t).map(level)));
    out.insert("fvg_age", by(&|t| told(t).map(|gap| (t - gap.confirmed) as f64)));
    let size = |gap: &GapLife| (gap.top / gap.bottom - 1.0) * 100.0;
    out.insert("fvg_gap_size_pct", by(&|t| told(t).map(size)));
    let sign = |gap: &GapLife| if gap.bullish { 1.0 } else { -1.0 };
    out.insert("fvg_mitigation_signal", by(&|t| ready(t).map(|t| filled(t).map_or(0.0, sign))));
}

fn market_features(bars: &[ClosedBar], out: &mut BTreeMap<&'static str, Series>) {
    let closes = closes_of(bars);
    let volumes: Vec<f64> = bars.iter().map(|bar| bar.volume).collect();
    let n = bars.len();
    let change = |t: usize| returns(&closes, t, 1).map(|r| 100.0 * r[0]);
    out.insert(
        "volatility_30",
        by_bar(n, |t| returns(&closes, t, 30).map(|r| 100.0 * moments(&r).1)),
    );
    out.insert(
        "price_momentum_5",
        by_bar(n, |t| Some(100.0 * (closes[t] / closes[t.checked_sub(5)?] - 1.0))),
    );
    out.insert("price_acceleration", by_bar(n, |t| Some(change(t)? - change(t.checked_sub(1)?)?)));
    out.insert(
        "volume_ratio",
        by_bar(n, |t| {
            let seed = volumes[..20.min(t + 1)].iter().sum::<f64>() / 20.0;
            let later = volumes[20.min(t + 1)..=t].iter();
            let average = later.fold(seed, |average, v| average * 19.0 / 21.0 + v * 2.0 / 21.0);
            (t >= 19 && average > 0.0).then(|| volumes[t] / average)
        }),
    );
    out.insert(
        "volume_profile_skew",
        by_bar(n, |t| {
            let window = &volumes[(t + 1).checked_sub(20)?..=t];
            let all_equal = window.iter().all(|v| v.to_bits() == window[0].to_bits());
            (!all_equal).then(|| moments(window).2)
        }),
    );
}

fn clock_features(bars: &[ClosedBar], out: &mut BTreeMap<&'static str, Series>) {
    let local = |bar: &ClosedBar| {
        let offset = jiff::tz::Offset::from_seconds(bar.utc_offset_s).unwrap();
        offset.to_datetime(jiff::Timestamp::from_nanosecond(i128::from(bar.ts_close)).unwrap())
    };
    let angle = |bar: &ClosedBar| {
        let time = local(bar);
        let minutes = f64::from(time.hour()) * 60.0 + f64::from(time.minute());
        let seconds = f64::from(time.second()) + f64::from(time.subsec_nanosecond()) * 1e-9;
        std::f64::consts::TAU * (minutes + seconds / 60.0) / 1_440.0
    };
    let by =
        |value: &dyn Fn(&ClosedBar) -> f64| bars.iter().map(|b| Some(value(b))).collect::<Series>();
    out.insert("time_hour_sin", by(&|bar| angle(bar).sin()));
    out.insert("time_hour_cos", by(&|bar| angle(bar).cos()));
    let weekday = |bar: &ClosedBar| f64::from(local(bar).weekday().to_monday_zero_offset());
    out.insert("time_weekday", by(&weekday));
}
