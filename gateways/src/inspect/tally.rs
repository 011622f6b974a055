//! What the records of a symbol say about themselves, counted as they go by.

use ringbuf_layout::names::TRADE_SUSPICIOUS;
use ringbuf_layout::units::MILLISECOND;
use ringbuf_layout::{
    BookLevel, Conditions, ExternalBar, InputCell, Kind, Price, Quote, Size, Trade,
};

/// Kinds that are counted apart.
pub const KINDS: [Kind; 5] =
    [Kind::Trade, Kind::Quote, Kind::BookLevel, Kind::ExternalBar, Kind::SourceStatus];
/// Gaps that are kept of each sort.
const GAPS: usize = 5;
/// Longer gaps are nights and weekends, ns.
pub const LONG: i64 = 4 * 3_600 * 1_000 * MILLISECOND;
/// Distance to the last price that counts as a jump, percent.
pub const JUMP_PCT: i64 = 5;

/// Time without a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    /// Its last record before.
    pub from: i64,
    /// The next one.
    pub to: i64,
}

impl Gap {
    /// Its length, ns.
    pub fn length(&self) -> i64 {
        self.to.saturating_sub(self.from)
    }
}

/// Values that stand on some grid.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Grid {
    /// The largest number that divides every value.
    pub step: u64,
    /// Distinct neighbours that were looked at.
    pub values: u64,
    /// How many of them stand on each of [`ladder`].
    on: Vec<u64>,
    last: Option<i64>,
}

/// Steps that markets have: 1, 2, 2.5 and 5 of a decimal, and 1/32 to 1/256, finest first.
pub fn ladder() -> Vec<u64> {
    let decimals = (0..=12).flat_map(|power: u32| [1, 2, 5, 25].map(|n| n * 10_u64.pow(power)));
    let mut steps: Vec<u64> = decimals.collect();
    steps.extend([3_906_250, 7_812_500, 15_625_000, 31_250_000]);
    steps.sort_unstable();
    steps.dedup();
    steps
}

impl Grid {
    fn note(&mut self, value: i64, ladder: &[u64]) {
        if self.last == Some(value) || value == 0 {
            return;
        }
        self.last = Some(value);
        self.values += 1;
        let value = value.unsigned_abs();
        self.step = gcd(self.step, value);
        if self.on.is_empty() {
            self.on = vec![0; ladder.len()];
        }
        for (on, step) in self.on.iter_mut().zip(ladder) {
            *on += u64::from(value.is_multiple_of(*step));
        }
    }

    /// The step to propose, and how many values are off it: what divides all, unless a step of the ladder at least ten
    /// times as coarse holds nineteen of twenty.
    pub fn proposed(&self, ladder: &[u64]) -> (u64, u64) {
        if self.values == 1 {
            // One value says no more than how many digits it has.
            let digits = (0..=18).map(|power: u32| 10_u64.pow(power));
            let step = digits.rev().find(|step| self.step.is_multiple_of(*step));
            return (step.unwrap_or(1), 0);
        }
        let enough = |on: u64| on * 20 >= self.values * 19;
        let coarsest = self.on.iter().zip(ladder).rfind(|(on, _)| enough(**on));
        match coarsest {
            Some((on, step)) if *step >= self.step.saturating_mul(10) => (*step, self.values - on),
            _ => (self.step, 0),
        }
    }
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// What was counted of one symbol.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Records by [`KINDS`].
    pub kinds: [u64; 5],
    /// First and last event time.
    pub span: Option<(i64, i64)>,
    /// Prices.
    pub prices: Grid,
    /// Lowest and highest price.
    pub range: Option<(i64, i64)>,
    /// Sizes.
    pub sizes: Grid,
    /// Records before their predecessor, and the worst by how much.
    pub disorder: u64,
    /// ns.
    pub worst_disorder: i64,
    /// Records at the time of their predecessor.
    pub ties: u64,
    /// Records that equal their predecessor in time, price and size.
    pub equal_neighbours: u64,
    /// Sizes of zero.
    pub zero_sizes: u64,
    /// Prices of zero and below.
    pub bad_prices: u64,
    /// Prices further than [`JUMP_PCT`] from the one before.
    pub jumps: u64,
    /// Quotes with the bid above the ask.
    pub crossed: u64,
    /// Quotes without one of their sides.
    pub one_sided: u64,
    /// Prints that the venue calls suspicious.
    pub flagged: u64,
    /// Prints by the bit of each condition.
    pub conditions: [u64; 16],
    /// The longest gaps below four hours.
    pub gaps: Vec<Gap>,
    /// The longest of all.
    pub long_gaps: Vec<Gap>,
    newest: Option<i64>,
    before: Option<Before>,
    last_price: Option<i64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Before {
    kind: u8,
    ts: i64,
    price: i64,
    size: i64,
    other: i64,
}

impl Tally {
    /// Records of all kinds.
    pub fn records(&self) -> u64 {
        self.kinds.iter().sum()
    }

    pub(super) fn note(&mut self, cell: &InputCell, ladder: &[u64]) {
        let ts = cell.head().ts_event;
        let Some(place) = KINDS.iter().position(|kind| Some(*kind) == cell.kind()) else { return };
        self.kinds[place] += 1;
        self.span = Some(self.span.map_or((ts, ts), |(from, to)| (from.min(ts), to.max(ts))));
        let (price, size, other) = self.values(cell, ladder);
        self.order(Before { kind: cell.head().kind, ts, price, size, other });
    }

    /// Price, size and a third value by which neighbours are compared.
    fn values(&mut self, cell: &InputCell, ladder: &[u64]) -> (i64, i64, i64) {
        if let Some(Trade { price, size, tail, .. }) = cell.get() {
            self.flagged += u64::from(tail.flags & TRADE_SUSPICIOUS != 0);
            self.conditions(cell);
            self.price(*price, ladder, true);
            self.size(*size, ladder);
            return (price.0, size.0, i64::from(tail.side));
        }
        if let Some(quote) = cell.get::<Quote>() {
            let Quote { bid, ask, bid_size, ask_size, .. } = *quote;
            let both = bid.is_defined() && ask.is_defined();
            self.one_sided += u64::from(!both);
            self.crossed += u64::from(both && bid > ask);
            for (price, size) in [(bid, bid_size), (ask, ask_size)] {
                if price.is_defined() {
                    self.price(price, ladder, false);
                    self.sizes.note(size.0, ladder);
                }
            }
            let sizes = bid_size.0.wrapping_mul(31).wrapping_add(ask_size.0);
            return (bid.0, ask.0, sizes);
        }
        if let Some(level) = cell.get::<BookLevel>() {
            // An action without a price, such as a clear, has a price of 0 or none; a size of 0 deletes.
            if level.price.is_defined() && level.price.0 != 0 {
                self.prices.note(level.price.0, ladder);
                self.range(level.price.0);
            }
            self.sizes.note(level.size.0, ladder);
            let place = (level.source_seq >> 48) as i64;
            return (level.price.0, level.size.0, i64::from(level.tail.side) << 32 | place);
        }
        if let Some(bar) = cell.get::<ExternalBar>() {
            for price in [bar.open, bar.high, bar.low] {
                self.prices.note(price.0, ladder);
                self.range(price.0);
            }
            self.price(bar.close, ladder, true);
            self.size(bar.volume, ladder);
            return (bar.close.0, bar.volume.0, bar.open.0);
        }
        (0, 0, 0)
    }

    fn conditions(&mut self, cell: &InputCell) {
        let found = cell.get().map_or(Conditions::NONE, Trade::conditions);
        if found != Conditions::NONE {
            for (i, count) in self.conditions.iter_mut().enumerate() {
                *count += u64::from(found.0 >> i & 1);
            }
        }
    }

    fn range(&mut self, price: i64) {
        let range = self.range.get_or_insert((price, price));
        *range = (range.0.min(price), range.1.max(price));
    }

    fn price(&mut self, Price(price): Price, ladder: &[u64], follows: bool) {
        if price <= 0 {
            self.bad_prices += 1;
            return;
        }
        self.prices.note(price, ladder);
        self.range(price);
        if follows {
            let last = self.last_price.replace(price);
            let jumped = |last: i64| {
                i128::from(price.abs_diff(last)) * 100 > i128::from(last) * i128::from(JUMP_PCT)
            };
            self.jumps += u64::from(last.is_some_and(jumped));
        }
    }

    fn size(&mut self, Size(size): Size, ladder: &[u64]) {
        self.zero_sizes += u64::from(size == 0);
        self.sizes.note(size, ladder);
    }

    fn order(&mut self, now: Before) {
        if let Some(before) = self.before.replace(now) {
            self.ties += u64::from(now.ts == before.ts);
            self.equal_neighbours += u64::from(now == before);
            self.disorder += u64::from(now.ts < before.ts);
        }
        let newest = self.newest.map_or(now.ts, |newest| newest.max(now.ts));
        if let Some(newest) = self.newest {
            self.worst_disorder = self.worst_disorder.max(newest.saturating_sub(now.ts));
            if now.ts > newest {
                let gap = Gap { from: newest, to: now.ts };
                keep(&mut self.long_gaps, gap);
                if gap.length() < LONG {
                    keep(&mut self.gaps, gap);
                }
            }
        }
        self.newest = Some(newest);
    }
}

/// Keeps the longest few, longest first.
fn keep(gaps: &mut Vec<Gap>, gap: Gap) {
    if gaps.len() == GAPS && gaps.last().is_some_and(|least| least.length() >= gap.length()) {
        return;
    }
    let at = gaps.partition_point(|kept| kept.length() >= gap.length());
    gaps.insert(at, gap);
    gaps.truncate(GAPS);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringbuf_layout::{Frame, Tail};

    fn trade(ts: i64, price: i64, size: i64) -> InputCell {
        InputCell::from(&Trade {
            head: Trade::header(ts, ts),
            price: Price(price),
            size: Size(size),
            source_seq: 0,
            tail: Tail::default(),
        })
    }

    fn tally(trades: &[(i64, i64, i64)]) -> Tally {
        let (ladder, mut tally) = (ladder(), Tally::default());
        for (ts, price, size) in trades {
            tally.note(&trade(*ts, *price, *size), &ladder);
        }
        tally
    }

    #[test]
    fn order_ties_and_equal_neighbours_are_counted() {
        let found = tally(&[(5, 100, 1), (5, 100, 1), (5, 101, 1), (3, 101, 1), (9, 101, 0)]);
        assert_eq!((found.ties, found.equal_neighbours), (2, 1));
        assert_eq!((found.disorder, found.worst_disorder), (1, 2));
        assert_eq!((found.zero_sizes, found.kinds[0], found.span), (1, 5, Some((3, 9))));
        assert_eq!(found.long_gaps, [Gap { from: 5, to: 9 }]);
    }

    #[test]
    fn a_jump_is_more_than_its_part_and_a_price_below_zero_is_none() {
        let found =
            tally(&[(1, 100, 1), (2, 105, 1), (3, 111, 1), (4, -5, 1), (5, 0, 1), (6, 111, 1)]);
        assert_eq!((found.jumps, found.bad_prices, found.range), (1, 2, Some((100, 111))));
    }

    #[test]
    fn a_few_prices_off_the_grid_do_not_hide_it() {
        let ladder = ladder();
        let cent = 10_000_000;
        let mut grid = Grid::default();
        (1..100).for_each(|n| grid.note(n * cent, &ladder));
        assert_eq!(grid.proposed(&ladder), (cent as u64, 0));
        grid.note(cent + 100_000, &ladder);
        assert_eq!(grid.proposed(&ladder), (cent as u64, 1));
        assert_eq!(grid.step, 100_000);
        let mut quarter = Grid::default();
        (1..100).for_each(|n| quarter.note(n * 250_000_000, &ladder));
        assert_eq!(quarter.proposed(&ladder).0, 250_000_000);
    }

    #[test]
    fn one_value_is_no_step_of_its_own() {
        let ladder = ladder();
        let mut grid = Grid::default();
        grid.note(8_531_500_000_000, &ladder);
        grid.note(8_531_500_000_000, &ladder);
        assert_eq!(grid.proposed(&ladder), (100_000_000, 0));
    }

    #[test]
    fn only_the_longest_gaps_are_kept() {
        let mut gaps = Vec::new();
        for length in [3, 9, 1, 7, 5, 8, 2] {
            keep(&mut gaps, Gap { from: 0, to: length });
        }
        assert_eq!(gaps.iter().map(Gap::length).collect::<Vec<_>>(), [9, 8, 7, 5, 3]);
    }
}
