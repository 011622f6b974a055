//! Random markets for bars of every kind: prints, quotes and a vendor's bars; gap policies; changes of clocks,
//! breaks, gaps, late and boundary records.

use crate::market::{SYMBOLS, cell, listed, ns, number_source, quote, trade};
use crate::scene::Scene;
use crate::script::{Advance, BEGINNINGS, advance};
use bytemuck::Zeroable;
use engine::bars::{ExtraBar, Gap};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use ringbuf_layout::names::BarSource;
use ringbuf_layout::{Conditions, ExternalBar, Frame, InputCell, Price, Size, Trade};

const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3_600 * SECOND;

/// Timeframes to choose from; the second row where every empty bucket becomes a bar.
const TIMEFRAMES_S: [u32; 8] = [1, 5, 60, 300, 900, 1_800, 3_600, 25_200];
const FILLED_S: [u32; 6] = [300, 900, 1_200, 1_800, 3_600, 14_400];
/// Lengths of a vendor's bars; the second row has a boundary at each of a session.
const LENGTHS_S: [u32; 6] = [1, 60, 300, 1_800, 3_600, 86_400];
const EVEN_S: [u32; 3] = [60, 300, 900];

const EXTRA: [&str; 8] = [
    "tick:1",
    "tick:3",
    "tick:17",
    "volume:0.000003",
    "volume:250",
    "volume:1000",
    "notional:0.5",
    "notional:200000",
];

/// The condition that keeps prints from setting prices, where a table has it.
const ASIDE: Conditions = Conditions::AVERAGE_PRICE;
/// Tables to choose from, none among them.
const TABLES: [Conditions; 3] = [Conditions::NONE, ASIDE, Conditions(ASIDE.0 | Conditions::CASH.0)];

/// What a record is, by the source of its instrument's bars.
#[derive(Clone, Copy, Debug)]
enum What {
    /// A print or quote: ticks from the last price, size.
    Sound(i64, i64),
    /// A print or bar at no price.
    BadPrice,
    /// A vendor's bar whose length or end is another.
    OtherLength,
    /// A vendor's bar that came already, or is of the time of one that did.
    Again(i64),
}

/// One record.
#[derive(Clone, Copy, Debug)]
struct Step {
    source: usize,
    instrument: usize,
    advance: Advance,
    what: What,
    /// Vendor's bars that are left out before it.
    skipped: i64,
    reach: (i64, i64),
    /// Of a print.
    conditions: Conditions,
}

/// A market and the bars to make of it.
#[derive(Clone, Debug)]
pub struct BarScript {
    timeframes_s: Vec<u32>,
    gap: Gap,
    extra: Vec<&'static str>,
    instruments: Vec<(&'static str, BarSource)>,
    /// Of the instruments: what keeps a print from setting prices.
    no_price: Vec<Conditions>,
    length_s: u32,
    sources: usize,
    begins: &'static str,
    begins_s: i64,
    hesitation: u64,
    steps: Vec<Step>,
}

/// Random markets of at most so many records.
pub fn bar_scripts(records: usize) -> impl Strategy<Value = BarScript> {
    let gap = select(&[Gap::None, Gap::None, Gap::Flat, Gap::Carry][..]);
    gap.prop_flat_map(move |gap| {
        let (timeframes, lengths) = if gap.fills() {
            (&FILLED_S[..], &EVEN_S[..])
        } else {
            (&TIMEFRAMES_S[..], &LENGTHS_S[..])
        };
        let from = select(&[BarSource::Trades, BarSource::Mid, BarSource::External][..]);
        let table = select(&TABLES[..]);
        let shape = (
            subsequence(timeframes, 1..=3),
            subsequence(&EXTRA[..], 0..=1),
            subsequence(&SYMBOLS[..], 1..=3).prop_shuffle(),
            vec((from, table), 3),
            select(lengths),
            1..=3_usize,
            select(&BEGINNINGS[..]),
            0..7_200_i64,
            prop_oneof![Just(0_u64), 1..u64::MAX],
        );
        (shape, vec(step(), 1..=records)).prop_map(move |(shape, steps)| {
            let (
                timeframes_s,
                extra,
                symbols,
                from,
                length_s,
                sources,
                begins,
                begins_s,
                hesitation,
            ) = shape;
            let (from, no_price): (Vec<_>, Vec<_>) = from.into_iter().unzip();
            let instruments = symbols.into_iter().zip(from).collect();
            BarScript {
                timeframes_s,
                gap,
                extra,
                instruments,
                no_price,
                length_s,
                sources,
                begins,
                begins_s,
                hesitation,
                steps,
            }
        })
    })
}

fn step() -> impl Strategy<Value = Step> {
    let off = || prop_oneof![Just(-1_i64), Just(0), Just(1), -2_000_000..2_000_000_i64];
    let advance = prop_oneof![
        4 => Just(Advance::Tie),
        6 => (0..20 * SECOND).prop_map(Advance::Nanos),
        6 => (0..600 * SECOND).prop_map(Advance::Nanos),
        1 => (0..8 * HOUR).prop_map(Advance::Nanos),
        5 => (select(&[60_u32, 300, 900, 1_800][..]), off()).prop_map(|(s, off)| Advance::Boundary(s, off)),
        2 => off().prop_map(Advance::SessionEdge),
        2 => prop_oneof![0..5_i64, 0..40_000_i64, 0..5_000_000_i64].prop_map(Advance::Back),
    ];
    let size = prop_oneof![9 => 1..500_i64, 1 => Just(0)];
    let what = prop_oneof![
        16 => (-3..=3_i64, size).prop_map(|(ticks, size)| What::Sound(ticks, size)),
        1 => Just(What::BadPrice),
        1 => Just(What::OtherLength),
        2 => (0..4_i64).prop_map(What::Again),
    ];
    let skipped = prop_oneof![6 => Just(0_i64), 2 => 1..4_i64, 1 => 4..40_i64];
    let reach = (0..4_i64, 0..4_i64);
    let conditions = prop_oneof![
        5 => Just(Conditions::NONE),
        3 => Just(ASIDE),
        1 => Just(ASIDE.with(Conditions::OPENING)),
        1 => Just(Conditions::CASH),
        1 => any::<u16>().prop_map(Conditions),
    ];
    (0..3_usize, 0..3_usize, advance, what, skipped, reach, conditions).prop_map(
        |(source, instrument, advance, what, skipped, reach, conditions)| Step {
            source,
            instrument,
            advance,
            what,
            skipped,
            reach,
            conditions,
        },
    )
}

impl BarScript {
    /// The machine and its sources.
    ///
    /// # Panics
    /// Never: the extra bars are valid.
    pub fn scene(&self) -> Scene {
        let of = |((symbol, from), no_price): (&(&str, BarSource), &Conditions)| {
            let mut listed = listed(symbol, false);
            listed.bars_from = *from;
            listed.def.no_price = *no_price;
            listed.def.no_volume = Conditions(no_price.0 & Conditions::CASH.0);
            listed
        };
        let instruments: Vec<_> = self.instruments.iter().zip(&self.no_price).map(of).collect();
        let mut scene = Scene::new(instruments, Vec::new()).timeframes(&self.timeframes_s);
        scene.semantic.bars.gap = self.gap;
        let extra = |text: &&str| ExtraBar::parse(text).expect("Condition failed: an extra bar");
        scene.semantic.bars.extra = self.extra.iter().map(extra).collect();
        // Heartbeats are another promise's; here they would only cost time.
        scene.semantic.clock.heartbeat_ms = 3_600_000;
        scene.hesitation = self.hesitation;
        let mut sources = vec![Vec::new(); self.sources];
        let mut clock = ns(self.begins) + self.begins_s * SECOND;
        let mut last = vec![1_000_i64; self.instruments.len()];
        // End of each vendor's newest bar.
        let mut ends = vec![i64::MIN; self.instruments.len()];
        // Which vendors have said how long their bars are.
        let mut said = vec![false; self.instruments.len()];
        for step in &self.steps {
            let number = step.instrument % self.instruments.len();
            let records = &mut sources[step.source % self.sources];
            let tick = scene.instruments[number].def.tick.0;
            let from = self.instruments[number].1;
            if from == BarSource::External {
                let end = &mut ends[number];
                let has_said = said[number];
                said[number] |= !matches!(step.what, What::OtherLength);
                records.push(self.vendors(
                    number as u32,
                    step,
                    (end, has_said),
                    &mut clock,
                    &mut last[number],
                    tick,
                ));
                continue;
            }
            let ts = advance(&scene, number as u32, &mut clock, step.advance);
            records.push(record(number as u32, from, step, ts, &mut last[number], tick));
        }
        for (number, records) in (1..).zip(&mut sources) {
            number_source(records, number);
        }
        scene.sources = sources;
        scene
    }

    /// The next bar of a vendor, on a grid that begins at 0 UTC; the clock goes to its end.
    fn vendors(
        &self,
        instrument: u32,
        step: &Step,
        (end, has_said): (&mut i64, bool),
        clock: &mut i64,
        last: &mut i64,
        tick: i64,
    ) -> InputCell {
        let length = i64::from(self.length_s) * SECOND;
        let is_first = *end == i64::MIN;
        let mut ends = ((*clock - 1).div_euclid(length) + 1) * length;
        if *end >= ends {
            ends = *end + length;
        }
        // Left out: as many as the clock may leap over without leaving the other markets far behind.
        ends += (step.skipped * length).min(8 * HOUR) / length * length;
        match step.what {
            What::Again(back) if !is_first => ends = *end - back * length,
            _ => (*end, *clock) = (ends, ends.max(*clock)),
        }
        let mut bar =
            ExternalBar { head: ExternalBar::header(ends, ends), ..ExternalBar::zeroed() };
        (bar.ts_open, bar.timeframe_s) = (ends - length, self.length_s);
        let (ticks, size) =
            if let What::Sound(ticks, size) = step.what { (ticks, size) } else { (1, 7) };
        let open = *last;
        *last = (*last + ticks).max(1);
        let high = open.max(*last) + step.reach.0;
        let low = (open.min(*last) - step.reach.1).max(1);
        bar.open = Price(open * tick);
        (bar.high, bar.low, bar.close) =
            (Price(high * tick), Price(low * tick), Price(*last * tick));
        (bar.volume, bar.ticks) = (Size(size), step.reach.0 as u32);
        match step.what {
            What::BadPrice => bar.low = Price(bar.high.0 + 1),
            // The first whose times hold together says how long all are; twice as long, it would lie on no one grid.
            What::OtherLength if step.reach.0 > 1 || !has_said => bar.ts_open += 1,
            What::OtherLength => {
                bar.timeframe_s *= 2;
                bar.ts_open -= length;
            }
            What::Sound(..) | What::Again(_) => {}
        }
        bar.tail.instrument = instrument;
        cell(&bar)
    }
}

fn record(
    instrument: u32,
    from: BarSource,
    step: &Step,
    ts: i64,
    last: &mut i64,
    tick: i64,
) -> InputCell {
    let (ticks, size) =
        if let What::Sound(ticks, size) = step.what { (ticks, size) } else { (0, 7) };
    *last = (*last + ticks).max(2);
    if matches!(step.what, What::BadPrice) {
        return cell(&trade(instrument, ts, 0, size));
    }
    if from == BarSource::Mid {
        let bid = Price(*last * tick);
        return cell(&quote(instrument, ts, bid, Price(bid.0 + step.reach.0 * tick / 3)));
    }
    // A print that sets no price may stand far away: were it taken for one, a bar would show it.
    let off = if step.conditions.has(ASIDE) { step.reach.0 * 9 } else { 0 };
    let mut print = trade(instrument, ts, (*last + off) * tick, size);
    print.source_seq = Trade::with_conditions(step.conditions);
    cell(&print)
}
