//! What happens around the fair price within one step: prints at bid or ask, and quotes.

use crate::dice::Dice;
use crate::price_path::{Point, STEP_NS};
use ringbuf_layout::{Frame, InputCell, Price, Quote, Side, Size, Tail, Trade};

/// Largest size, in lots.
const SIZE_MAX: i64 = 200;

/// One event of the synthetic market, in ticks and lots.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    /// ns UTC.
    pub ts: i64,
    instrument: u32,
    /// [`Side::None`] for a quote.
    side: Side,
    bid: i64,
    ask: i64,
    /// Of the print, or at the bid.
    size: i64,
    ask_size: i64,
}

/// What turns ticks and lots into prices and sizes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Units {
    /// Price step, 1e-9.
    pub tick: i64,
    /// Size step.
    pub lot: i64,
}

impl Event {
    /// Number of the instrument, from 0.
    pub(crate) fn instrument(&self) -> u32 {
        self.instrument
    }

    /// The event as a record.
    pub(crate) fn put(&self, units: Units, cell: &mut InputCell) {
        let (bid, ask) = (Price(self.bid * units.tick), Price(self.ask * units.tick));
        let size = Size(self.size * units.lot);
        let tail = Tail { instrument: self.instrument, side: self.side as u8, ..Tail::default() };
        if self.side == Side::None {
            cell.put(&Quote {
                head: Quote::header(self.ts, self.ts),
                bid,
                ask,
                source_seq: 0,
                tail,
                bid_size: size,
                ask_size: Size(self.ask_size * units.lot),
                reserved: [0; 6],
            });
        } else {
            let price = if self.side == Side::Buy { ask } else { bid };
            let head = Trade::header(self.ts, self.ts);
            cell.put(&Trade { head, price, size, source_seq: 0, tail });
        }
    }
}

/// The traders of one instrument.
#[derive(Debug)]
pub(crate) struct OrderFlow {
    dice: Dice,
    instrument: u32,
    tick: f64,
    times: Vec<i64>,
}

impl OrderFlow {
    /// Traders who see a price step of `tick` points.
    pub(crate) fn new(dice: Dice, instrument: u32, tick: f64) -> Self {
        Self { dice, instrument, tick, times: Vec::new() }
    }

    /// Appends the `count` events between two points, the first of which is at `start`.
    pub(crate) fn step(
        &mut self,
        start: i64,
        count: u64,
        ends: [Point; 2],
        events: &mut Vec<Event>,
    ) {
        self.times.clear();
        for _ in 0..count {
            // Never at a step's first instant, so never at the session's either.
            self.times.push(1 + self.dice.below(STEP_NS as u64 - 1) as i64);
        }
        self.times.sort_unstable();
        let (from, to) = (ends[0].price / self.tick, ends[1].price / self.tick);
        // Those who know buy before a rise.
        let lean = ((to - from) * 0.08).clamp(-0.3, 0.3);
        for i in 0..self.times.len() {
            let passed = self.times[i];
            let fair = from + (to - from) * (passed as f64 / STEP_NS as f64);
            events.push(self.event(start + passed, fair, ends[0].heat, lean));
        }
    }

    fn event(&mut self, ts: i64, fair: f64, heat: f64, lean: f64) -> Event {
        let bits = self.dice.bits();
        let share = |shift: u32| ((bits >> shift) & 0xFFFF) as f64 / 65_536.0;
        let is_quote = share(0) < 0.25;
        let ticks = spread(heat, share(16));
        let side = match (is_quote, share(32) < 0.5 + lean) {
            (true, _) => Side::None,
            (_, true) => Side::Buy,
            (_, false) => Side::Sell,
        };
        let noise = 0.8 * (share(48) - 0.5);
        let bid = (libm::floor(fair + noise - (ticks - 1) as f64 / 2.0) as i64).max(1);
        let (size, ask_size) = if is_quote {
            (self.size(2.3, 0.8), self.size(2.3, 0.8))
        } else {
            (self.size(0.8, 1.1), 0)
        };
        Event { ts, instrument: self.instrument, side, bid, ask: bid + ticks, size, ask_size }
    }

    /// A size whose logarithm is nearly normal (a sum of four uniform numbers), 1 to [`SIZE_MAX`].
    fn size(&mut self, median_log: f64, deviation: f64) -> i64 {
        let bits = self.dice.bits();
        let sum: u64 = (0..4).map(|i| (bits >> (16 * i)) & 0xFFFF).sum();
        let normal = (sum as f64 - 131_070.0) / 37_837.0;
        (libm::floor(libm::exp(median_log + deviation * normal)) as i64).clamp(1, SIZE_MAX)
    }
}

/// One to three ticks, wider where prices move more.
fn spread(heat: f64, draw: f64) -> i64 {
    let wide = (0.25 * heat).min(0.9);
    1 + i64::from(draw < wide) + i64::from(draw < wide * wide * 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_one_to_three_ticks_and_wider_where_prices_move_more() {
        let mean = |heat| (0..100).map(|i| spread(heat, f64::from(i) / 100.0)).sum::<i64>();
        assert!(mean(0.1) < mean(1.0) && mean(1.0) < mean(4.0));
        assert!((0..100).all(|i| (1..=3).contains(&spread(9.0, f64::from(i) / 100.0))));
    }

    #[test]
    fn sizes_lie_between_1_and_200_and_most_are_small() {
        let mut flow = OrderFlow::new(Dice::new(1, 0), 0, 0.25);
        let mut sizes: Vec<_> = (0..10_000).map(|_| flow.size(0.8, 1.1)).collect();
        sizes.sort_unstable();
        assert!(sizes[0] == 1 && sizes[9_999] <= SIZE_MAX);
        assert!((1..=4).contains(&sizes[5_000]) && sizes[9_900] > 10);
    }

    #[test]
    fn a_price_of_less_than_a_tick_is_still_a_price() {
        let mut flow = OrderFlow::new(Dice::new(1, 0), 0, 100.0);
        let point = Point { price: 0.001, heat: 1.0, activity: 0.0 };
        let mut events = Vec::new();
        flow.step(0, 100, [point, point], &mut events);
        assert!(events.iter().all(|e| e.bid >= 1 && e.ask > e.bid));
    }
}
