//! Bars a second time, from the text of the specification and by another method: the whole run is read
//! first, then its accepted prints are put into buckets by time, then each bucket is folded.
//!
//! No timers, no pieces, no session records: sessions come from the calendar, boundaries from
//! arithmetic. [`crate::naive_kinds`] has the bars that no length in time ends, [`crate::naive_vendor`] those of a
//! vendor. Only the verdicts are taken from the run, for they have a table of their own.
//!
//! | rule | source |
//! |---|---|
//! | accepted prints only; zero sizes count as ticks | design §5 |
//! | a print after a newer record of its instrument belongs to that record's bucket | `bar.rs` |
//! | buckets are counted from the session's open | `Session::open` |
//! | a bucket closes at its end or at its session's, whichever comes first | design §1 |
//! | the last bars close with the source, and say so | design §1 |
//! | vwap is Σ price × size / Σ size, half to even, undefined without volume | `Bar::vwap` |
//! | a print with a condition of its instrument's table counts with its size; prices are of the others, if any | `piece.rs` |
//! | such a print is in no micro-batch, and fills an empty bucket only where no other was before | `bar.rs` |
//! | flat: from a session's first bar on, a boundary that passes over an empty bucket makes a bar of the last close | `Gap` |
//! | carry: the same, and from the open of every session after the first print | `Gap` |
//! | a micro-batch ends before the print that is its 101st, 1 ms after its first or of another session | `bar.rs` |

use crate::recording::{Recording, View};
use crate::scene::calendar;
use crate::{naive_kinds, naive_vendor};
use bytemuck::Zeroable;
use engine::bars::Gap;
use engine::config::{Bars, Config};
use engine::instrument::InstrumentDef;
use engine::manifest::Listed;
use ringbuf_layout::names::{BarFlags, BarSource, SessionPhase};
use ringbuf_layout::{
    Bar, Conditions, ExternalBar, Frame, Kind, Price, Quote, Size, Tail, Trade, Verdict,
};
use std::collections::BTreeMap;

const SECOND: i64 = 1_000_000_000;

/// A market record of a run.
pub(crate) struct Seen {
    pub seq: u64,
    pub ts: i64,
    pub ts_recv: i64,
    pub instrument: u32,
    /// Newest time of its instrument up to here: decides the bucket.
    pub bucket_time: i64,
    /// Engine time after it.
    pub engine_time: i64,
    /// The session of its bucket, once that is known: open and close.
    pub session: (i64, i64),
    /// Price and size, if it is accepted and makes bars.
    pub print: Option<(i64, i64)>,
    /// Its conditions leave its price out.
    pub aside: bool,
    /// A vendor's bar, if it is accepted and makes bars.
    pub vendors: Option<ExternalBar>,
}

/// Where a bar belongs: instrument, timeframe, session open, bucket in the session.
type Key = (u32, usize, i64, i64);

/// The prints of a bucket, and the close of its session.
#[derive(Default)]
struct Bucket {
    session_close: i64,
    /// Of an empty one: the input from which on its boundary counts, the session's first print.
    since: u64,
    prints: Vec<Print>,
}

/// A print of a bucket.
#[derive(Clone, Copy)]
pub(crate) struct Print {
    seq: u64,
    ts: i64,
    price: i64,
    size: i64,
    aside: bool,
}

impl Print {
    /// The print of an accepted record.
    pub fn of(seen: &Seen) -> Self {
        let (price, size) = seen.print.unwrap_or_default();
        Self { seq: seen.seq, ts: seen.ts, price, size, aside: seen.aside }
    }
}

/// A bar as it should be, without its sequence and micro-batch.
pub(crate) struct Expected {
    pub bar: Bar,
    /// It comes after this input,
    pub after: u64,
    /// and before this one, if there is one, or with it.
    pub before: u64,
}

/// What a check of all bars of a run counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Checked {
    /// Bars.
    pub bars: u64,
    /// Prints in all of them.
    pub ticks: u64,
    /// Accepted prints of the run.
    pub prints: u64,
    /// Bars with a gap flag.
    pub gaps: u64,
    /// Bars that the end of the session cut short.
    pub cut_short: u64,
    /// Prints that set no price.
    pub aside: u64,
    /// Prints of another time than their bucket's.
    pub disordered: u64,
    /// Bars in which nothing traded.
    pub filled: u64,
    /// Bars that no length in time ends.
    pub extra: u64,
    /// Bars of a vendor, and made of them.
    pub external: u64,
}

/// [`check_all`] of a run without gap policy and extra bars.
///
/// # Errors
/// The first difference, in words.
pub fn check_bars(
    recording: &Recording,
    instruments: &[Listed],
    timeframes_s: &[u32],
) -> Result<Checked, String> {
    let bars = Bars { timeframes_s: timeframes_s.to_vec(), ..Config::default().semantic.bars };
    check_all(recording, instruments, &bars)
}

/// Compares every bar of a recording, field by field, with the naive ones.
///
/// # Errors
/// The first difference, in words.
pub fn check_all(
    recording: &Recording,
    instruments: &[Listed],
    config: &Bars,
) -> Result<Checked, String> {
    let mut seen = market_records(recording, instruments);
    find_sessions(&mut seen, instruments)?;
    let seen = seen;
    let mut expected = expected_bars(&seen, instruments, config);
    expected.extend(naive_kinds::expected(&seen, instruments, config));
    expected.extend(naive_vendor::expected(&seen, instruments, config)?);
    let place = |bar: &Bar| (bar.tail.instrument, bar.timeframe_index);
    expected.sort_by_key(|expected| place(&expected.bar));
    let micros: Vec<Vec<Micro>> =
        (0..instruments.len()).map(|number| micro_batches(&seen, number as u32)).collect();
    let mut bars = recording.all::<Bar>();
    check_emission(&bars)?;
    bars.sort_by_key(place);
    let mut checked = Checked { prints: accepted(&seen).count() as u64, ..Checked::default() };
    for (bar, expected) in bars.iter().zip(&expected) {
        check_bar(bar, expected, &micros[bar.tail.instrument as usize])?;
        let flags = BarFlags(bar.tail.flags);
        checked.ticks += u64::from(bar.ticks);
        checked.gaps += u64::from(flags.has(BarFlags::GAP));
        checked.cut_short += u64::from(flags.has(BarFlags::SESSION_END));
        checked.filled += u64::from(flags.has(BarFlags::FILLED));
        checked.external += u64::from(flags.has(BarFlags::EXTERNAL));
        checked.extra += u64::from(bar.kind != 0);
    }
    checked.bars = bars.len() as u64;
    checked.aside = accepted(&seen).filter(|seen| seen.aside).count() as u64;
    checked.disordered = accepted(&seen).filter(|seen| seen.ts < seen.bucket_time).count() as u64;
    if bars.len() != expected.len() {
        let (ours, theirs) = (expected.len(), bars.len());
        let what = (bars.get(ours), expected.get(theirs).map(|expected| expected.bar));
        return Err(format!("{theirs} bars, expected {ours}: {what:?}"));
    }
    check_volumes(&seen, &bars, instruments, &config.timeframes_s)?;
    Ok(checked)
}

pub(crate) fn accepted(seen: &[Seen]) -> impl Iterator<Item = &Seen> {
    seen.iter().filter(|seen| seen.print.is_some())
}

/// Every market record with what decides its bucket.
fn market_records(recording: &Recording, instruments: &[Listed]) -> Vec<Seen> {
    let mut newest = vec![i64::MIN; instruments.len()];
    let mut engine_time = 0;
    let mut seen: Vec<Seen> = Vec::new();
    for frame in recording.frames() {
        if let Some(verdict) = frame.get::<Verdict>() {
            if verdict.tail.side == 1 {
                let last = seen.last_mut().expect("Invariant: a verdict follows its input");
                assert_eq!(last.seq, verdict.head.seq, "Invariant: a verdict follows its input");
                (last.print, last.vendors) = (None, None);
            }
            continue;
        }
        if !is_market(frame.kind()) {
            continue;
        }
        let (head, instrument) = (frame.head(), frame.tail().instrument);
        engine_time = head.ts_event.max(engine_time);
        let mut bucket_time = head.ts_event;
        let (mut print, mut vendors) = (None, None);
        if let Some(newest) = newest.get_mut(instrument as usize) {
            *newest = (*newest).max(head.ts_event);
            bucket_time = *newest;
            match instruments[instrument as usize].bars_from {
                BarSource::External => vendors = frame.get::<ExternalBar>(),
                from => print = print_of(&frame, from == BarSource::Mid),
            }
        }
        let listed = instruments.get(instrument as usize);
        let has = |of: fn(&InstrumentDef) -> Conditions| {
            frame.get::<Trade>().zip(listed).is_some_and(|(trade, listed)| {
                trade.source_seq >> 48 & u64::from(of(&listed.def).0) != 0
            })
        };
        let aside = has(|def| def.no_price);
        if has(|def| def.no_volume) {
            print = print.map(|(price, _)| (price, 0));
        }
        let (seq, ts) = (head.seq, head.ts_event);
        let session = (0, 0);
        seen.push(Seen {
            seq,
            ts,
            ts_recv: head.ts_recv,
            instrument,
            bucket_time,
            engine_time,
            session,
            print,
            aside,
            vendors,
        });
    }
    seen
}

/// Finds the session of every accepted print in the calendar of its instrument.
fn find_sessions(seen: &mut [Seen], instruments: &[Listed]) -> Result<(), String> {
    let mut sessions = vec![(i64::MAX, i64::MIN); instruments.len()];
    for seen in seen.iter_mut().filter(|seen| seen.print.is_some()) {
        let session = &mut sessions[seen.instrument as usize];
        if !(session.0..session.1).contains(&seen.bucket_time) {
            let venue = calendar(&instruments[seen.instrument as usize].def.calendar);
            *session = venue
                .phase_at(seen.bucket_time)
                .filter(|phase| phase.phase != SessionPhase::Closed)
                .map(|phase| (phase.open, phase.close))
                .ok_or_else(|| format!("print {} was accepted outside any session", seen.seq))?;
        }
        seen.session = *session;
    }
    Ok(())
}

fn is_market(kind: Kind) -> bool {
    matches!(kind, Kind::Trade | Kind::Quote | Kind::BookLevel | Kind::ExternalBar)
}

/// Price and size of a record that makes bars: a print, or the middle of a quote with both sides.
fn print_of(frame: &View<'_>, from_mid: bool) -> Option<(i64, i64)> {
    if from_mid {
        let quote = frame.get::<Quote>().filter(|q| q.bid.is_defined() && q.ask.is_defined())?;
        let sum = i128::from(quote.bid.0) + i128::from(quote.ask.0);
        // Half to even: an odd sum lies between two integers, and the even one of them wins.
        let floor = sum >> 1;
        let middle = if sum & 1 == 1 && floor & 1 == 1 { floor + 1 } else { floor };
        return Some((i64::try_from(middle).ok()?, 0));
    }
    frame.get::<Trade>().map(|trade| (trade.price.0, trade.size.0))
}

/// The bars of prints in order of instrument, timeframe and time.
fn expected_bars(seen: &[Seen], instruments: &[Listed], config: &Bars) -> Vec<Expected> {
    let mut buckets: BTreeMap<Key, Bucket> = BTreeMap::new();
    for seen in accepted(seen) {
        let session = seen.session;
        for (i, timeframe_s) in config.timeframes_s.iter().enumerate() {
            let number = (seen.bucket_time - session.0) / (i64::from(*timeframe_s) * SECOND);
            let bucket = buckets.entry((seen.instrument, i, session.0, number)).or_default();
            bucket.session_close = session.1;
            bucket.prints.push(Print::of(seen));
        }
    }
    add_empty(&mut buckets, seen, instruments, config);
    let mut expected = Vec::with_capacity(buckets.len());
    let mut previous: Option<(u32, usize, i64, i64)> = None;
    for ((instrument, i, open, number), bucket) in &buckets {
        let before = previous.filter(|p| (p.0, p.1, p.2) == (*instrument, *i, *open));
        let follows = before.map_or(*number == 0, |p| p.3 + 1 == *number);
        previous = Some((*instrument, *i, *open, *number));
        let length = i64::from(config.timeframes_s[*i]) * SECOND;
        let (start, end) = (open + number * length, open + (number + 1) * length);
        let closes_at = end.min(bucket.session_close);
        // The first record after the bucket opened that carries engine time to its end.
        let first = bucket.prints.first().map_or(bucket.since, |print| print.seq);
        let releases = seen.iter().find(|s| s.seq > first && s.engine_time >= closes_at);
        let before = releases.map_or(u64::MAX, |s| s.seq);
        let (mut bar, after) = match bucket.prints.last() {
            Some(last) => (fold(&bucket.prints), last.seq),
            None => nothing_traded(seen, *instrument, before, (config.gap, *open)),
        };
        (bar.ts_open, bar.ts_close) = (start, end);
        bar.timeframe_s = config.timeframes_s[*i];
        bar.timeframe_index = *i as u32;
        let mut flags = BarFlags::NONE;
        for (condition, flag) in [
            (!follows, BarFlags::GAP),
            (releases.is_none(), BarFlags::END_OF_SOURCE),
            (end > bucket.session_close, BarFlags::SESSION_END),
            (bucket.prints.is_empty(), BarFlags::FILLED),
            (instruments[*instrument as usize].bars_from == BarSource::Mid, BarFlags::MID),
        ] {
            flags = if condition { flags.with(flag) } else { flags };
        }
        bar.head = Bar::header(closes_at, closes_at);
        bar.tail = Tail { instrument: *instrument, flags: flags.0, ..Tail::default() };
        expected.push(Expected { bar, after, before });
    }
    expected
}

/// The sessions of an instrument that have a part of a span of time, in order.
pub(crate) fn sessions(listed: &Listed, from: i64, to: i64) -> Vec<(i64, i64)> {
    let venue = calendar(&listed.def.calendar);
    let mut found = Vec::new();
    let mut change = venue.phase_at(from);
    while let Some(phase) = change.filter(|change| change.at <= to) {
        let session = (phase.open, phase.close);
        if phase.phase != SessionPhase::Closed && found.last() != Some(&session) {
            found.push(session);
        }
        // Round the clock a close and an open are at one instant: the open counts.
        let next = venue.next_after(phase.at);
        change = next.and_then(|next| venue.phase_at(next.at));
    }
    found
}

/// The buckets without a print that the gap policy makes bars of: those whose end event time has passed.
fn add_empty(
    buckets: &mut BTreeMap<Key, Bucket>,
    seen: &[Seen],
    instruments: &[Listed],
    config: &Bars,
) {
    let end_of_time = seen.last().map_or(i64::MIN, |seen| seen.engine_time);
    if config.gap == Gap::None {
        return;
    }
    for (instrument, listed) in (0..).zip(instruments) {
        let Some(first) = accepted(seen).find(|seen| seen.instrument == instrument) else {
            continue;
        };
        for (open, close) in sessions(listed, first.bucket_time, end_of_time) {
            for (i, timeframe_s) in config.timeframes_s.iter().enumerate() {
                let of_session = (instrument, i, open, i64::MIN)..(instrument, i, open, i64::MAX);
                let with_prints = buckets.range(of_session).next();
                let with_prints = with_prints.map(|(key, bucket)| (key.3, bucket.prints[0].seq));
                let begin = match config.gap {
                    Gap::Carry if open != first.session.0 => Some((0, first.seq)),
                    _ => with_prints,
                };
                let Some((begin, since)) = begin else { continue };
                let length = i64::from(*timeframe_s) * SECOND;
                // A record passes the boundary, and comes after the print: a print may be older than event time.
                let passed = |number: &i64| {
                    let start = open + number * length;
                    let end = (start + length).min(close);
                    start < close && seen.iter().any(|s| s.seq > since && s.engine_time >= end)
                };
                for number in (begin..).take_while(passed) {
                    let bucket = buckets.entry((instrument, i, open, number)).or_default();
                    (bucket.session_close, bucket.since) = (close, since);
                }
            }
        }
    }
}

/// A bar of the last close before an input, and the record before that input.
fn nothing_traded(
    seen: &[Seen],
    instrument: u32,
    before: u64,
    (gap, open): (Gap, i64),
) -> (Bar, u64) {
    let earlier = || seen.iter().rev().filter(move |seen| seen.seq < before);
    let ours = || {
        earlier()
            .filter(move |seen| seen.instrument == instrument && seen.print.is_some())
            .filter(move |seen| gap == Gap::Carry || seen.session.0 == open)
    };
    let print = ours().find(|seen| !seen.aside).or_else(|| ours().next());
    let print = print.and_then(|seen| seen.print);
    let price = Price(print.expect("Invariant: a filled bucket follows a print").0);
    let bar = Bar {
        open: price,
        high: price,
        low: price,
        close: price,
        vwap: Price::UNDEFINED,
        ..Bar::zeroed()
    };
    (bar, earlier().next().map_or(0, |seen| seen.seq))
}

/// Open, high, low, close, sums and times of prints in journaled order.
pub(crate) fn fold(prints: &[Print]) -> Bar {
    let mut priced: Vec<Print> = prints.iter().filter(|print| !print.aside).copied().collect();
    if priced.is_empty() {
        priced = prints.to_vec();
    }
    let prices = || priced.iter().map(|print| print.price);
    let sizes = |prints: &[Print]| prints.iter().map(|p| i128::from(p.size)).sum::<i128>();
    let volume = sizes(prints);
    let notional: i128 = priced.iter().map(|p| i128::from(p.price) * i128::from(p.size)).sum();
    let (first, last) = (prints[0], prints[prints.len() - 1]);
    Bar {
        ticks: prints.len() as u32,
        open: Price(priced[0].price),
        high: Price(prices().max().unwrap_or_default()),
        low: Price(prices().min().unwrap_or_default()),
        close: Price(priced[priced.len() - 1].price),
        volume: Size(i64::try_from(volume).expect("Invariant: validate keeps volumes in bounds")),
        vwap: average(notional, sizes(&priced)),
        ts_first: first.ts,
        ts_last: last.ts,
        ..Bar::zeroed()
    }
}

/// n / d for positive numbers, half to even.
fn average(n: i128, d: i128) -> Price {
    if d == 0 {
        return Price::UNDEFINED;
    }
    let (whole, rest) = (n / d, n % d);
    let up = rest > d - rest || (rest == d - rest && whole & 1 == 1);
    Price(i64::try_from(whole + i128::from(up)).expect("Invariant: an average lies between prices"))
}

/// A complete micro-batch.
struct Micro {
    /// The print that completed it.
    by: u64,
    prints: Vec<(i64, i64)>,
}

fn micro_batches(seen: &[Seen], instrument: u32) -> Vec<Micro> {
    let mut batches = Vec::new();
    let mut start = (0, 0);
    let mut prints: Vec<(i64, i64)> = Vec::new();
    for seen in accepted(seen).filter(|seen| seen.instrument == instrument && !seen.aside) {
        let over = seen.ts - start.0 >= 1_000_000 || seen.session.0 != start.1;
        if prints.len() == 100 || (!prints.is_empty() && over) {
            batches.push(Micro { by: seen.seq, prints: std::mem::take(&mut prints) });
        }
        if prints.is_empty() {
            start = (seen.ts, seen.session.0);
        }
        prints.extend(seen.print);
    }
    batches
}

impl Micro {
    /// Puts its numbers into a bar; the volatility by two passes over the returns.
    fn put_into(&self, bar: &mut Bar) {
        let sums = self.prints.iter().fold((0, 0), |(notional, volume), (price, size)| {
            (notional + i128::from(*price) * i128::from(*size), volume + i128::from(*size))
        });
        bar.micro_count = self.prints.len() as u32;
        bar.micro_vwap = average(sums.0, sums.1);
        bar.micro_change = self.prints[self.prints.len() - 1].0 - self.prints[0].0;
        let pairs = self.prints.windows(2);
        let returns: Vec<f64> =
            pairs.map(|pair| (pair[1].0 - pair[0].0) as f64 / pair[0].0 as f64).collect();
        let count = returns.len().max(1) as f64;
        let mean = returns.iter().sum::<f64>() / count;
        let squares: f64 = returns.iter().map(|r| (r - mean) * (r - mean)).sum();
        bar.micro_volatility = (squares / count).sqrt();
    }
}

/// Bars leave in order of their input and, there, of their timeframe.
fn check_emission(bars: &[Bar]) -> Result<(), String> {
    let key = |bar: &Bar| (bar.head.seq, bar.head.index, bar.timeframe_index);
    let rising = bars.windows(2).all(|pair| {
        let (a, b) = (key(&pair[0]), key(&pair[1]));
        let same_slot = a.0 == b.0 && a.1 + 1 == b.1 && a.2 < b.2;
        // Before the bars of a slot there may be a verdict.
        let next_slot = a.0 < b.0 && b.1 <= 2;
        let one_instrument = pair[0].tail.instrument == pair[1].tail.instrument;
        (same_slot && one_instrument) || next_slot
    });
    if rising { Ok(()) } else { Err("bars of a slot are not in order of timeframe".to_string()) }
}

fn check_bar(bar: &Bar, expected: &Expected, micros: &[Micro]) -> Result<(), String> {
    let mut ours = expected.bar;
    ours.head.seq = bar.head.seq;
    ours.head.index = bar.head.index;
    ours.micro_vwap = Price::UNDEFINED;
    // A print completes the batch before it, then its bars.
    let micro = micros.iter().rfind(|micro| micro.by <= bar.head.seq);
    if let Some(micro) = micro {
        micro.put_into(&mut ours);
    }
    let scale = 1e-6 * ours.micro_volatility.abs().max(1e-3);
    if (bar.micro_volatility - ours.micro_volatility).abs() <= scale {
        ours.micro_volatility = bar.micro_volatility;
    }
    if ours != *bar {
        return Err(format!("a bar differs\nengine {bar:?}\nnaive  {ours:?}"));
    }
    if bar.head.seq <= expected.after || bar.head.seq > expected.before {
        let (after, before) = (expected.after, expected.before);
        return Err(format!("{bar:?}\nlies not between inputs {after} and {before}"));
    }
    Ok(())
}

/// Every source has ended, so every accepted print is in one bar of every timeframe.
fn check_volumes(
    seen: &[Seen],
    bars: &[Bar],
    instruments: &[Listed],
    timeframes_s: &[u32],
) -> Result<(), String> {
    for number in 0..instruments.len() as u32 {
        let ours = accepted(seen).filter(|seen| seen.instrument == number);
        let (count, volume) = ours.fold((0_u64, 0_i128), |(count, volume), seen| {
            (count + 1, volume + i128::from(seen.print.unwrap_or_default().1))
        });
        for timeframe in timeframes_s {
            let theirs = bars
                .iter()
                .filter(|bar| !BarFlags(bar.tail.flags).has(BarFlags::EXTERNAL))
                .filter(|bar| bar.tail.instrument == number && bar.timeframe_s == *timeframe)
                .fold((0_u64, 0_i128), |(count, volume), bar| {
                    (count + u64::from(bar.ticks), volume + i128::from(bar.volume.0))
                });
            if theirs != (count, volume) {
                return Err(format!(
                    "instrument {number}, {timeframe} s: {theirs:?} prints and volume in bars, \
                     {count} and {volume} accepted"
                ));
            }
        }
    }
    Ok(())
}
