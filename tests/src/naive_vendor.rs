//! Bars of an instrument whose source delivers bars, a second time, from the text of the specification: the accepted
//! ones are put into buckets by their end, then each bucket is folded.
//!
//! | rule | source |
//! |---|---|
//! | a vendor's bar of a configured length is a bar, at its own input | `VendorBars` |
//! | it is of the newest session that it overlaps, and of the bucket in which it ends; what ends at a boundary is before it | `span` |
//! | a larger bar ends with the vendor's bar that ends its bucket, else 1 ns after the boundary | `VendorBars` |
//! | a bucket that the session cuts short is over with the first end of a vendor's bar at or after the close, or with the next session's open | `span` |
//! | timeframes that are no multiple are not made | `VendorBars` |
//! | no vwap, no micro-batch; prints as far as the vendor counts them | `Bar` |

use crate::naive_bars::{Expected, Seen, sessions};
use bytemuck::Zeroable;
use engine::bars::Gap;
use engine::config::Bars;
use engine::manifest::Listed;
use ringbuf_layout::names::{BarFlags, BarSource};
use ringbuf_layout::{Bar, ExternalBar, Frame, Price, Size, Tail};
use std::collections::BTreeMap;

const SECOND: i64 = 1_000_000_000;

/// An accepted vendor's bar and its session.
struct Part {
    seq: u64,
    bar: ExternalBar,
    session: (i64, i64),
}

/// A bucket: when it is over, and the places of its parts.
struct Bucket {
    session: (i64, i64),
    over: i64,
    parts: Vec<usize>,
    /// Of an empty one: the input from which on its boundary counts, the session's first bar.
    since: u64,
}

/// The bars of one instrument and timeframe.
struct Row<'a> {
    instrument: u32,
    place: usize,
    timeframe: i64,
    /// Length of the vendor's bars.
    length: i64,
    parts: &'a [Part],
    seen: &'a [Seen],
    listed: &'a Listed,
}

/// The bars of all instruments with a vendor's.
pub(crate) fn expected(
    seen: &[Seen],
    instruments: &[Listed],
    config: &Bars,
) -> Result<Vec<Expected>, String> {
    let mut all = Vec::new();
    for (instrument, listed) in (0..).zip(instruments) {
        if listed.bars_from != BarSource::External {
            continue;
        }
        let parts = parts(seen, instrument, listed)?;
        let Some(first) = parts.first() else { continue };
        let length = i64::from(first.bar.timeframe_s) * SECOND;
        for (place, timeframe_s) in config.timeframes_s.iter().enumerate() {
            let timeframe = i64::from(*timeframe_s) * SECOND;
            if timeframe % length == 0 {
                let parts = &parts[..];
                let row = Row { instrument, place, timeframe, length, parts, seen, listed };
                all.extend(row.bars(config.gap));
            }
        }
    }
    Ok(all)
}

fn parts(seen: &[Seen], instrument: u32, listed: &Listed) -> Result<Vec<Part>, String> {
    let mut parts: Vec<Part> = Vec::new();
    for seen in seen.iter().filter(|seen| seen.instrument == instrument) {
        let Some(bar) = seen.vendors else { continue };
        let (from, to) = (bar.ts_open, bar.head.ts_event);
        let session = sessions(listed, from, to - 1).into_iter().rfind(|s| s.0 < to && from < s.1);
        let outside = || format!("bar {} was accepted outside any session", seen.seq);
        let session = session.ok_or_else(outside)?;
        if let Some(before) = parts.last()
            && (before.bar.head.ts_event > from || before.bar.timeframe_s != bar.timeframe_s)
        {
            return Err(format!("bar {} was accepted beside the one before it", seen.seq));
        }
        parts.push(Part { seq: seen.seq, bar, session });
    }
    Ok(parts)
}

impl Row<'_> {
    fn bars(&self, gap: Gap) -> Vec<Expected> {
        let mut buckets: BTreeMap<(i64, i64), Bucket> = BTreeMap::new();
        for (place, part) in self.parts.iter().enumerate() {
            let (end, session) = (part.bar.head.ts_event, part.session);
            let start = if self.timeframe == self.length {
                part.bar.ts_open
            } else {
                let into = end.min(session.1) - 1 - session.0;
                session.0 + into / self.timeframe * self.timeframe
            };
            let over = self.over(session, start);
            let empty = || Bucket { session, over, parts: Vec::new(), since: part.seq };
            buckets.entry((session.0, start)).or_insert_with(empty).parts.push(place);
        }
        self.add_empty(&mut buckets, gap);
        let mut expected = Vec::new();
        let mut newest: Option<((i64, i64), i64)> = None;
        for ((open, start), bucket) in &buckets {
            let reached = newest.filter(|(session, _)| session.0 == *open).map_or(*open, |n| n.1);
            newest = Some((bucket.session, start + self.timeframe));
            expected.push(self.bar(*start, bucket, *start > reached));
        }
        expected
    }

    /// First end of a vendor's bar at or after an instant.
    fn grid(&self, at: i64) -> i64 {
        let end = self.parts[0].bar.head.ts_event;
        at + (end - at).rem_euclid(self.length)
    }

    fn over(&self, session: (i64, i64), start: i64) -> i64 {
        let end = start + self.timeframe;
        if self.timeframe == self.length {
            return end;
        }
        let reached = self.grid(session.1);
        end.min(self.next_open(session, reached))
    }

    /// The open of the session after this one, or `reached` if that comes first.
    fn next_open(&self, session: (i64, i64), reached: i64) -> i64 {
        let later = sessions(self.listed, session.1, reached).into_iter();
        // One that event time has not reached ends nothing.
        let end_of_time = self.seen.last().map_or(i64::MIN, |seen| seen.engine_time);
        let mut opens = later.map(|later| later.0);
        let next = opens.find(|open| (session.1..=end_of_time).contains(open));
        reached.min(next.unwrap_or(reached))
    }

    /// The first record after input `first` that carries engine time 1 ns past `over`.
    fn releases(&self, first: u64, over: i64) -> Option<&Seen> {
        self.seen.iter().find(|seen| seen.seq > first && seen.engine_time > over)
    }

    fn add_empty(&self, buckets: &mut BTreeMap<(i64, i64), Bucket>, gap: Gap) {
        let end_of_time = self.seen.last().map_or(i64::MIN, |seen| seen.engine_time);
        if gap == Gap::None {
            return;
        }
        let first = &self.parts[0];
        for session in sessions(self.listed, first.bar.head.ts_event - 1, end_of_time) {
            let of_session = (session.0, i64::MIN)..(session.0, i64::MAX);
            let with_parts = buckets.range(of_session).next();
            let with_parts = with_parts.map(|(key, bucket)| (key.1, bucket.since));
            let begin = match gap {
                Gap::Carry if session.0 != first.session.0 => {
                    let first_end = self.grid(session.0 + 1);
                    let own = self.timeframe == self.length;
                    Some((if own { first_end - self.length } else { session.0 }, first.seq))
                }
                _ => with_parts,
            };
            let Some((begin, since)) = begin else { continue };
            let starts = (begin..).step_by(self.timeframe as usize);
            // Of the vendor's own length, what reaches into the next session is that one's.
            let until = if self.timeframe == self.length {
                self.next_open(session, session.1 + self.length) - self.length + 1
            } else {
                i64::MAX
            };
            for start in starts.take_while(|start| *start < session.1.min(until)) {
                let over = self.over(session, start);
                if self.releases(since, over).is_none() {
                    break;
                }
                let empty = || Bucket { session, over, parts: Vec::new(), since };
                buckets.entry((session.0, start)).or_insert_with(empty);
            }
        }
    }

    fn bar(&self, start: i64, bucket: &Bucket, gap: bool) -> Expected {
        let own = self.timeframe == self.length;
        let end = start + self.timeframe;
        let parts: Vec<&Part> = bucket.parts.iter().map(|place| &self.parts[*place]).collect();
        let mut flags = BarFlags::EXTERNAL;
        let mut flag = |condition, flag| {
            flags = if condition { flags.with(flag) } else { flags };
        };
        flag(gap, BarFlags::GAP);
        flag(!own && end > bucket.session.1, BarFlags::SESSION_END);
        flag(parts.is_empty(), BarFlags::FILLED);
        let complete = parts.last().filter(|part| part.bar.head.ts_event >= bucket.over);
        let first = parts.first().map_or(bucket.since, |part| part.seq);
        let releases = self.releases(first, bucket.over);
        flag(complete.is_none() && releases.is_none(), BarFlags::END_OF_SOURCE);
        let before = releases.map_or(u64::MAX, |seen| seen.seq);
        let (mut bar, after) = if parts.is_empty() {
            let last = self.parts.iter().rfind(|part| part.seq < before);
            let last = last.expect("Invariant: a filled bucket follows a bar");
            let earlier = self.seen.iter().rev().find(|seen| seen.seq < before);
            (flat(last.bar.close), earlier.map_or(0, |seen| seen.seq))
        } else {
            (fold(&parts), parts[parts.len() - 1].seq)
        };
        bar.head = Bar::header(bucket.over + 1, bucket.over + 1);
        (bar.ts_open, bar.ts_close) = (start, end);
        bar.timeframe_s = (self.timeframe / SECOND) as u32;
        bar.timeframe_index = self.place as u32;
        bar.tail = Tail { instrument: self.instrument, flags: flags.0, ..Tail::default() };
        if let Some(part) = complete {
            bar.head = Bar::header(part.bar.head.ts_event, part.bar.head.ts_recv);
            return Expected { bar, after: part.seq - 1, before: part.seq };
        }
        Expected { bar, after, before }
    }
}

fn fold(parts: &[&Part]) -> Bar {
    let bars = || parts.iter().map(|part| &part.bar);
    let (first, last) = (&parts[0].bar, &parts[parts.len() - 1].bar);
    let volume: i128 = bars().map(|bar| i128::from(bar.volume.0)).sum();
    Bar {
        ticks: bars().map(|bar| bar.ticks).fold(0, u32::saturating_add),
        open: first.open,
        high: bars().map(|bar| bar.high).max().unwrap_or(first.high),
        low: bars().map(|bar| bar.low).min().unwrap_or(first.low),
        close: last.close,
        volume: Size(i64::try_from(volume).expect("Invariant: validate keeps volumes in bounds")),
        vwap: Price::UNDEFINED,
        ts_first: first.ts_open,
        ts_last: last.head.ts_event,
        ..Bar::zeroed()
    }
}

fn flat(price: Price) -> Bar {
    Bar {
        open: price,
        high: price,
        low: price,
        close: price,
        vwap: Price::UNDEFINED,
        ..Bar::zeroed()
    }
}
