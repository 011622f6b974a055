//! `synthetic`: a seeded market of up to 64 instruments, the same on every machine.
//!
//! Each instrument has random streams of its own: with another one in the market its prices stay as
//! they are, and only its share of the day's events gets smaller.

use crate::dice::Dice;
use crate::files;
use crate::order_flow::{Event, OrderFlow, Units};
use crate::price_path::{Point, PricePath, STEP_NS, STEPS};
use crate::spec;
use engine::Problem;
use engine::instrument::{Catalog, InstrumentDef};
use engine::source::{Decoder, Feed, Source, SourceConfig, SymbolUse};
use ringbuf_layout::InputCell;
use ringbuf_layout::units::{PRICE_ONE, SECOND};

/// Sunday 2024-01-07T22:00:00Z, when Monday's session opens.
const FIRST_OPEN: i64 = 1_704_664_800 * SECOND;
const DAY_NS: i64 = 86_400 * SECOND;
/// First price and deviation of a session without trends (which make it four times as wide), by
/// kind; SYN5 is of SYN1's kind, and so on.
const KINDS: [(f64, f64); 4] =
    [(4_500.0, 0.005), (16_000.0, 0.0065), (2_000.0, 0.0045), (75.0, 0.010)];
/// Relative number of events, by kind.
const ACTIVITY: [u64; 4] = [4, 3, 2, 1];

/// Opening of the session of trading day `day`, from 0: weekdays from Monday 2024-01-08.
pub(crate) fn session_open(day: u64) -> i64 {
    FIRST_OPEN + (day / 5 * 7 + day % 5) as i64 * DAY_NS
}

/// `key=value,…` with a default and bounds a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Key {
    /// Its name.
    pub name: &'static str,
    /// Its value, where none is given.
    pub default: u64,
    /// Smallest and largest value.
    pub bounds: (u64, u64),
}

const KEYS: [Key; 4] = [
    Key { name: "seed", default: 1, bounds: (0, u64::MAX) },
    Key { name: "days", default: 5, bounds: (1, 10_000) },
    Key { name: "ticks", default: 200_000, bounds: (1, 100_000_000) },
    Key { name: "instruments", default: 4, bounds: (1, 64) },
];

/// The values of `keys` in `text`.
pub(crate) fn parameters<const N: usize>(
    spec: &str,
    text: &str,
    keys: [Key; N],
) -> Result<[u64; N], Problem> {
    let list = || {
        let bounds = keys.map(|k| match k.bounds {
            (low, u64::MAX) => format!("{} ({low} or more, default {})", k.name, k.default),
            (low, high) => format!("{} ({low} to {high}, default {})", k.name, k.default),
        });
        format!("the keys are {}", bounds.join(", "))
    };
    let problem = |what: String| Err(Problem::new(what, spec::place(spec), list()));
    let mut values = [None; N];
    for part in text.split(',').filter(|_| !text.is_empty()) {
        let Some((name, value)) = part.split_once('=') else {
            return problem(format!("`{part}` is not key=value"));
        };
        let Some(index) = keys.iter().position(|key| key.name == name) else {
            return problem(format!("there is no key `{name}`"));
        };
        let (low, high) = keys[index].bounds;
        let digits = value.bytes().all(|b| b.is_ascii_digit());
        match value.parse::<u64>().ok().filter(|v| digits && (low..=high).contains(v)) {
            None => return problem(format!("`{value}` is no value of `{name}`")),
            Some(_) if values[index].is_some() => {
                return problem(format!("`{name}` is given twice"));
            }
            found => values[index] = found,
        }
    }
    Ok(std::array::from_fn(|i| values[i].unwrap_or(keys[i].default)))
}

/// Definition of `SYN<number>`, checked against the first price of its kind.
pub(crate) fn instrument(
    spec: &str,
    catalog: &Catalog,
    number: u64,
) -> Result<(InstrumentDef, Units), Problem> {
    let symbol = format!("SYN{number}");
    let (price, _) = KINDS[(number - 1) as usize % KINDS.len()];
    let refused = |what: String| {
        let fix =
            format!("correct its [[semantic.instrument]]; without one, `{symbol}` is built in");
        Err(Problem::new(what, spec::place(spec), fix))
    };
    let Some(definition) = catalog.get(&symbol) else {
        return refused(format!("no definition of the instrument `{symbol}`"));
    };
    let (tick, lot) = (definition.tick.0, definition.lot.0);
    if !(1..=price as i64 * PRICE_ONE / 8).contains(&tick) {
        return refused(format!("the tick of `{symbol}` does not fit a price around {price}"));
    }
    if !(1..=i64::MAX / 1_000).contains(&lot) {
        return refused(format!("the lot of `{symbol}` is too large or not positive"));
    }
    Ok((definition, Units { tick, lot }))
}

/// Opens the synthetic market.
pub(crate) fn open(
    config: &SourceConfig,
    text: &str,
    catalog: &Catalog,
) -> Result<Source, Problem> {
    let [seed, days, ticks, instruments] = parameters(&config.spec, text, KEYS)?;
    let mut traded = Vec::new();
    for number in 1..=instruments {
        let (_, units) = instrument(&config.spec, catalog, number)?;
        traded.push(Traded::new(seed, number, units));
    }
    share_out(ticks, &mut traded);
    let symbols = (1..=instruments)
        .map(|number| SymbolUse { symbol: format!("SYN{number}"), trades: true, bars_s: 0 })
        .collect();
    let text =
        format!("synthetic v1 seed={seed},days={days},ticks={ticks},instruments={instruments}");
    let (pool, step, at) = (Vec::new(), STEPS, 0);
    let market = Market { traded, days, day: 0, step, pool, at };
    Ok(Source {
        name: config.name.clone(),
        spec: config.spec.clone(),
        identity: files::text_identity(&text),
        live: false,
        symbols,
        front: None,
        records_hint: Some(days * ticks),
        feed: Feed::Decoder(Box::new(market)),
    })
}

/// One instrument of the market.
struct Traded {
    path: PricePath,
    flow: OrderFlow,
    units: Units,
    /// Events a session.
    quota: u64,
    /// Events of this session so far.
    done: u64,
    points: Vec<Point>,
}

impl Traded {
    fn new(seed: u64, number: u64, units: Units) -> Self {
        let (price, daily) = KINDS[(number - 1) as usize % KINDS.len()];
        let tick = units.tick as f64 / PRICE_ONE as f64;
        Self {
            path: PricePath::new(Dice::new(seed, 2 * number), price, daily),
            flow: OrderFlow::new(Dice::new(seed, 2 * number + 1), (number - 1) as u32, tick),
            units,
            quota: 0,
            done: 0,
            points: Vec::new(),
        }
    }

    /// Appends the events of one step.
    fn step(&mut self, start: i64, step: usize, events: &mut Vec<Event>) {
        let ends = [self.points[step], self.points[step + 1]];
        let due = if step + 1 == STEPS {
            self.quota
        } else {
            (libm::floor(ends[1].activity * self.quota as f64) as u64).min(self.quota)
        };
        self.flow.step(start, due - self.done, ends, events);
        self.done = due;
    }
}

/// Gives every instrument its part of the day's events; together exactly `ticks`.
fn share_out(ticks: u64, traded: &mut [Traded]) {
    let whole: u64 = ACTIVITY.iter().cycle().take(traded.len()).sum();
    let (mut weight, mut given) = (0, 0);
    for (one, activity) in traded.iter_mut().zip(ACTIVITY.iter().cycle()) {
        weight += activity;
        let so_far = ticks * weight / whole;
        one.quota = so_far - given;
        given = so_far;
    }
}

/// The market, step by step.
struct Market {
    traded: Vec<Traded>,
    days: u64,
    /// Sessions begun.
    day: u64,
    /// Next step of the session; [`STEPS`] when it is over.
    step: usize,
    /// Events of the step, in time order.
    pool: Vec<Event>,
    at: usize,
}

impl Market {
    /// Makes the events of the next step; false after the last session.
    fn refill(&mut self) -> bool {
        if self.step == STEPS {
            if self.day == self.days {
                return false;
            }
            (self.day, self.step) = (self.day + 1, 0);
            for one in &mut self.traded {
                one.done = 0;
                one.path.session(&mut one.points);
            }
        }
        let start = session_open(self.day - 1) + self.step as i64 * STEP_NS;
        self.pool.clear();
        self.at = 0;
        for one in &mut self.traded {
            one.step(start, self.step, &mut self.pool);
        }
        // Stable: at equal time by instrument, and each instrument in its own order.
        self.pool.sort_by_key(|event| event.ts);
        self.step += 1;
        true
    }
}

impl Decoder for Market {
    fn next(&mut self, cell: &mut InputCell) -> Result<bool, Problem> {
        while self.at == self.pool.len() {
            if !self.refill() {
                return Ok(false);
            }
        }
        let event = self.pool[self.at];
        self.at += 1;
        event.put(self.traded[event.instrument() as usize].units, cell);
        Ok(true)
    }
}
