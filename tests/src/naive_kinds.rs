//! Tick, volume and notional bars a second time, from the text of the specification: the prints of each session are
//! taken in turn, and a bar ends with the print that fills it.
//!
//! | rule | source |
//! |---|---|
//! | a bar ends with the print that brings its prints, size or money to the length, and has that print whole | `ExtraBar` |
//! | the next one begins with nothing: an excess is not carried | `ExtraBar` |
//! | a session's end closes what is open and says so; the end of a source too | `ExtraBar` |
//! | money is price × size × multiplier | `ExtraBar` |
//! | start and end are bucket times: of the first print, of the last or the session's close | `Bar::ts_open` |

use crate::naive_bars::{Expected, Print, Seen, accepted, fold};
use engine::bars::ExtraBar;
use engine::config::Bars;
use engine::manifest::Listed;
use ringbuf_layout::names::{BarFlags, BarKind, BarSource};
use ringbuf_layout::{Bar, Frame, Tail};

/// The bars that no length in time ends, by instrument.
pub(crate) fn expected(seen: &[Seen], instruments: &[Listed], config: &Bars) -> Vec<Expected> {
    let mut all = Vec::new();
    for (instrument, listed) in (0..).zip(instruments) {
        for (place, extra) in config.extra.iter().enumerate() {
            let prints: Vec<&Seen> =
                accepted(seen).filter(|seen| seen.instrument == instrument).collect();
            for session in prints.chunk_by(|a, b| a.session == b.session) {
                let mut rest = session;
                while !rest.is_empty() {
                    let full = (1..=rest.len()).find(|n| is_full(extra, listed, &rest[..*n]));
                    let (bar, after) = rest.split_at(full.unwrap_or(rest.len()));
                    let mut expected = close(seen, bar, full.is_some());
                    let bar = &mut expected.bar;
                    (bar.kind, bar.length) = (extra.kind as u8, extra.length);
                    bar.timeframe_index = (config.timeframes_s.len() + place) as u32;
                    if listed.bars_from == BarSource::Mid {
                        bar.tail.flags |= BarFlags::MID.0;
                    }
                    all.push(expected);
                    rest = after;
                }
            }
        }
    }
    all
}

fn is_full(extra: &ExtraBar, listed: &Listed, prints: &[&Seen]) -> bool {
    let one = 10_i128.pow(u32::from(listed.def.size_precision));
    let of = |seen: &&Seen| seen.print.unwrap_or_default();
    let length = i128::from(extra.length);
    match extra.kind {
        BarKind::Time => false,
        BarKind::Tick => prints.len() as i128 >= length,
        // Sizes are in 10^-precision, lengths in 1e-9.
        BarKind::Volume => {
            let size: i128 = prints.iter().map(|seen| i128::from(of(seen).1)).sum();
            size * 1_000_000_000 >= length * one
        }
        BarKind::Notional => {
            let value = |seen: &&Seen| i128::from(of(seen).0) * i128::from(of(seen).1);
            let points: i128 = prints.iter().map(value).sum();
            // Multipliers of whole numbers: dividing them first keeps the product within an i128.
            let multiplier = i128::from(listed.def.multiplier / 1_000_000_000);
            points * multiplier >= length * one
        }
    }
}

/// The bar of these prints, ended by the last of them or by what comes after.
fn close(seen: &[Seen], prints: &[&Seen], is_full: bool) -> Expected {
    let (first, last) = (prints[0], prints[prints.len() - 1]);
    let mut bar = fold(&prints.iter().map(|seen| Print::of(seen)).collect::<Vec<_>>());
    bar.tail = Tail { instrument: first.instrument, ..Tail::default() };
    bar.ts_open = first.bucket_time;
    if is_full {
        bar.ts_close = last.bucket_time;
        bar.head = Bar::header(last.ts, last.ts);
        bar.head.ts_recv = last.ts_recv;
        return Expected { bar, after: last.seq - 1, before: last.seq };
    }
    let end = first.session.1;
    bar.ts_close = end;
    bar.head = Bar::header(end, end);
    let releases = seen.iter().find(|s| s.seq > last.seq && s.engine_time >= end);
    let flag = if releases.is_some() { BarFlags::SESSION_END } else { BarFlags::END_OF_SOURCE };
    bar.tail.flags = flag.0;
    Expected { bar, after: last.seq, before: releases.map_or(u64::MAX, |seen| seen.seq) }
}
