//! The fair price of a synthetic instrument, one point each five seconds of a session.
//!
//! Log price with a Markov regime (trend up, trend down, range, wild), volatility that clusters
//! (its log is an AR(1)) and follows the hours, and activity with a hump in the main hours,
//! 14:30–21:00 UTC. A trend moves about one and a half deviations in half an hour, so a trend rule
//! can find its turns.

use crate::dice::Dice;
use ringbuf_layout::units::SECOND;

/// Length of a session: 22:00 UTC to 21:00 UTC.
pub(crate) const SESSION_NS: i64 = 23 * 3_600 * SECOND;
/// Time between two points.
pub(crate) const STEP_NS: i64 = 5 * SECOND;
/// Steps of a session.
pub(crate) const STEPS: usize = (SESSION_NS / STEP_NS) as usize;

/// Memory of volatility: half a shock is gone after an hour.
const VOLATILITY_MEMORY: f64 = 0.999;
/// Innovation of log volatility, for a deviation of about a third.
const VOLATILITY_SHOCK: f64 = 0.015;
/// Drift of a trend a step, in deviations of the step.
const TREND: f64 = 0.08;
/// Pull of a range towards its middle, a step.
const RANGE_PULL: f64 = 0.01;
/// Pull towards the first price, a step: half a distance is gone after about 80 days.
const HOME_PULL: f64 = 5e-7;
/// The price stays within this factor (as a logarithm) of the first one: 4.
const FARTHEST: f64 = 2.0 * core::f64::consts::LN_2;

/// One point of the path.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Point {
    /// Fair price, in points.
    pub price: f64,
    /// Volatility from here to the next point, 1 is usual.
    pub heat: f64,
    /// Activity before this point, as a share of the session's: 0 at the open, 1 at the close.
    pub activity: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Regime {
    Up,
    Down,
    Range,
    Wild,
}

impl Regime {
    /// Mean stay in steps: trends 100 minutes, a range 80, wild 60.
    fn stay(self) -> f64 {
        match self {
            Self::Up | Self::Down => 1_200.0,
            Self::Range => 960.0,
            Self::Wild => 720.0,
        }
    }

    /// The regime that follows. Of four other trends three turn.
    fn next(self, draw: f64) -> Self {
        let (first, second, third) = match self {
            Self::Up => (Self::Down, Self::Range, Self::Wild),
            Self::Down => (Self::Up, Self::Range, Self::Wild),
            Self::Range => (Self::Up, Self::Down, Self::Wild),
            Self::Wild => (Self::Up, Self::Down, Self::Range),
        };
        match draw {
            d if d < 0.45 => first,
            d if d < 0.80 => second,
            _ => third,
        }
    }
}

/// The market behind one instrument.
#[derive(Debug)]
pub(crate) struct PricePath {
    dice: Dice,
    /// Deviation of a step of usual volatility.
    step: f64,
    home: f64,
    log_price: f64,
    /// Logarithm of the clustering part of volatility.
    mood: f64,
    regime: Regime,
    /// Middle of the present range.
    middle: f64,
}

impl PricePath {
    /// A path from `price` with a deviation of `daily` (0.01 is one percent) a session.
    pub(crate) fn new(dice: Dice, price: f64, daily: f64) -> Self {
        let home = libm::log(price);
        Self {
            dice,
            step: daily / libm::sqrt(STEPS as f64),
            home,
            log_price: home,
            mood: 0.0,
            regime: Regime::Range,
            middle: home,
        }
    }

    /// Fills the next session: [`STEPS`] + 1 points.
    pub(crate) fn session(&mut self, points: &mut Vec<Point>) {
        points.clear();
        // What happened while the market was closed.
        self.log_price += 20.0 * self.step * self.dice.normal();
        let mut total = 0.0;
        for step in 0..=STEPS {
            let hours = shape(step);
            let calm = if self.regime == Regime::Wild { 2.2 } else { 1.0 };
            let heat = calm * libm::exp(self.mood) * libm::sqrt(hours);
            points.push(Point { price: libm::exp(self.log_price), heat, activity: total });
            total +=
                hours * libm::sqrt(calm) * libm::exp(0.5 * self.mood + 0.3 * self.dice.normal());
            self.advance(heat);
        }
        let whole = points[STEPS].activity;
        for point in points {
            point.activity /= whole;
        }
    }

    fn advance(&mut self, heat: f64) {
        if self.dice.unit() < 1.0 / self.regime.stay() {
            self.regime = self.regime.next(self.dice.unit());
            self.middle = self.log_price;
        }
        self.mood = VOLATILITY_MEMORY * self.mood + VOLATILITY_SHOCK * self.dice.normal();
        let deviation = self.step * heat;
        let drift = match self.regime {
            Regime::Up => TREND * deviation,
            Regime::Down => -TREND * deviation,
            Regime::Range => RANGE_PULL * (self.middle - self.log_price),
            Regime::Wild => 0.0,
        };
        let pull = HOME_PULL * (self.home - self.log_price);
        let moved = self.log_price + drift + pull + deviation * self.dice.normal();
        self.log_price = moved.clamp(self.home - FARTHEST, self.home + FARTHEST);
    }
}

/// Activity by the time of day, about 1 on average: a quiet night, a busier European morning, and
/// from 14:30 UTC the main hours, busiest at their open and close.
fn shape(step: usize) -> f64 {
    let hours = step as f64 * 5.0 / 3_600.0; // since 22:00 UTC
    match hours {
        h if h < 9.0 => 0.35,
        h if h < 16.5 => 0.55 + 0.4 * (h - 9.0) / 7.5,
        h => {
            let x = 2.0 * (h - 16.5) / 6.5 - 1.0; // -1 at 14:30, 1 at 21:00
            1.4 + 2.0 * x * x
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_whole_and_its_activity_rises_from_0_to_1_with_a_hump_in_the_main_hours() {
        let mut path = PricePath::new(Dice::new(1, 0), 4_500.0, 0.01);
        let mut points = Vec::new();
        for _ in 0..20 {
            path.session(&mut points);
            assert_eq!(points.len(), STEPS + 1);
            assert!(points.is_sorted_by(|a, b| a.activity < b.activity));
            assert!(points[0].activity == 0.0 && (points[STEPS].activity - 1.0).abs() < 1e-12);
            let main = 1.0 - points[STEPS * 165 / 230].activity;
            assert!((0.4..0.8).contains(&main), "share of the main hours: {main}");
            assert!(points.iter().all(|p| (1_125.0..18_000.0).contains(&p.price) && p.heat > 0.0));
        }
    }

    #[test]
    fn trends_last_long_enough_to_be_found() {
        // Successive half hours go the same way more often than in a random walk.
        let mut path = PricePath::new(Dice::new(1, 0), 4_500.0, 0.01);
        let (mut points, mut same, mut all) = (Vec::new(), 0, 0);
        for _ in 0..100 {
            path.session(&mut points);
            let closes: Vec<_> = points.iter().step_by(360).map(|p| p.price).collect();
            for w in closes.windows(3) {
                all += 1;
                same += u32::from((w[1] > w[0]) == (w[2] > w[1]));
            }
        }
        let share = f64::from(same) / f64::from(all);
        assert!((0.55..0.75).contains(&share), "{share}");
    }
}
