//! Runs of a vendor's bars into real journals, and the audit of a journal against a vendor.

use bytemuck::Zeroable;
use engine::Problem;
use engine::audit::{Counts, Difference, What, audit};
use engine::run::run;
use engine::source::Source;
use ringbuf_layout::{Bar, ExternalBar, Frame, InputCell, Price};
use std::path::Path;
use tests::market::{cell, listed, ns, steady_prints};
use tests::real_run::{decoded_source, memory_source, order, replay_of, run_into};
use tests::recording::Recording;

const CONFIG: &str = "[semantic.bars]\ntimeframes_s = [60, 300]\n\n[host]\nsegment_mib = 1\n";

/// Ten hours of two symbols, a print every five seconds.
fn ticks(dir: &Path) -> Recording {
    let instruments = [listed("SYN1", false), listed("SYN2", false)];
    let from = ns("2024-02-05T22:00:00Z");
    let prints = steady_prints(&instruments, 7_200, from, 5_000_000_000);
    run_into(dir, CONFIG, vec![memory_source("prints", &["SYN1", "SYN2"], prints)]);
    Recording::read(dir).unwrap().0
}

/// The minutes of a recording as a vendor would deliver them.
fn minutes(recording: &Recording) -> Vec<ExternalBar> {
    let bars = recording.all::<Bar>().into_iter().filter(|bar| bar.timeframe_s == 60);
    let mut minutes: Vec<ExternalBar> = bars
        .map(|bar| {
            let head = ExternalBar::header(bar.ts_close, bar.ts_close);
            let mut vendors = ExternalBar { head, ts_open: bar.ts_open, ..ExternalBar::zeroed() };
            (vendors.open, vendors.high, vendors.low) = (bar.open, bar.high, bar.low);
            (vendors.close, vendors.volume) = (bar.close, bar.volume);
            (vendors.timeframe_s, vendors.ticks) = (60, bar.ticks);
            vendors.tail.instrument = bar.tail.instrument;
            vendors
        })
        .collect();
    minutes.sort_by_key(|bar| bar.head.ts_event);
    minutes
}

fn vendor(bars: &[ExternalBar], bars_s: u32) -> Source {
    let cells: Vec<InputCell> = bars.iter().map(cell).collect();
    let mut source = decoded_source("vendor", &["SYN1", "SYN2"], cells, None);
    for used in &mut source.symbols {
        (used.trades, used.bars_s) = (false, bars_s);
    }
    source
}

fn differences(dir: &Path, bars: &[ExternalBar]) -> (Counts, Vec<Difference>) {
    let mut all = Vec::new();
    let counts = audit(dir, vendor(bars, 60), &mut |d| all.push(d.clone())).unwrap();
    (counts, all)
}

#[test]
fn an_audit_lists_every_difference_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let mut bars = minutes(&ticks(dir.path()));
    let all = bars.len() as u64;
    assert!(all > 1_000, "{all} bars");
    let (counts, none) = differences(dir.path(), &bars);
    assert_eq!((counts.compared, counts.equal, counts.is_clean()), (all, all, true));
    assert!(none.is_empty());

    let high = bars[100].high;
    bars[100].high.0 += 1;
    bars[200].volume.0 -= 3;
    let extra = bars.remove(300);
    let mut invented = bars[400];
    (invented.ts_open, invented.head.ts_event) = (invented.ts_open + 7, invented.head.ts_event + 7);
    bars.insert(401, invented);
    let mut later = bars[bars.len() - 1];
    later.ts_open += 86_400_000_000_000;
    later.head.ts_event += 86_400_000_000_000;
    bars.push(later);
    let (counts, all_of_them) = differences(dir.path(), &bars);
    let found = (counts.fields, counts.missing, counts.extra, counts.outside);
    assert_eq!(found, (2, 1, 1, 1));
    assert_eq!((counts.compared, counts.equal), (all - 1, all - 3));
    assert_eq!(all_of_them.len(), 4);
    let at = |ts: i64| all_of_them.iter().filter(move |d| d.ts_open == ts).map(|d| &d.what);
    let what = What::Field("high", high.to_string(), Price(high.0 + 1).to_string());
    assert!(at(bars[100].ts_open).any(|found| *found == what));
    assert!(at(bars[200].ts_open).any(|found| matches!(found, What::Field("volume", ..))));
    assert!(at(extra.ts_open).any(|found| matches!(found, What::Extra(_))));
    assert!(at(invented.ts_open).any(|found| matches!(found, What::Missing(_))));
}

#[test]
fn a_source_without_bars_of_the_journal_is_no_audit() {
    let dir = tempfile::tempdir().unwrap();
    let bars = minutes(&ticks(dir.path()));
    let of = |source: Source| -> Problem { audit(dir.path(), source, &mut |_| {}).unwrap_err() };
    assert!(of(vendor(&bars, 0)).what.contains("delivers no bars"));
    let mut hours = bars;
    for bar in &mut hours {
        bar.timeframe_s = 3_600;
        bar.ts_open = bar.head.ts_event + 400 * 86_400_000_000_000;
    }
    assert!(of(vendor(&hours, 3_600)).what.contains("no bar in common"));
}

#[test]
fn a_run_of_a_vendor_s_bars_replays_and_makes_the_larger_bars_of_the_prints() {
    let (prints, bars) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let of_prints = ticks(prints.path());
    let outcome = run_into(bars.path(), CONFIG, vec![vendor(&minutes(&of_prints), 60)]);
    assert_eq!(outcome.failure, None);
    let proof = replay_of(bars.path());
    assert!(proof.verified(), "{proof:?}");
    let larger = |recording: &Recording| {
        let bars = recording.all::<Bar>().into_iter().filter(|bar| bar.timeframe_s == 300);
        let row = |bar: Bar| {
            let prices = [bar.open, bar.high, bar.low, bar.close];
            (bar.tail.instrument, bar.ts_open, prices, bar.volume, bar.ticks)
        };
        let mut rows: Vec<_> = bars.map(row).collect();
        rows.sort_by_key(|row| (row.1, row.0));
        rows
    };
    let (ours, theirs) = (larger(&of_prints), larger(&Recording::read(bars.path()).unwrap().0));
    assert!(ours.len() > 200, "{}", ours.len());
    assert_eq!(ours, theirs);
    // Its own audit finds nothing.
    assert!(differences(bars.path(), &minutes(&of_prints)).0.is_clean());
}

#[test]
fn a_run_does_not_start_with_a_timeframe_that_the_vendor_s_bars_cannot_make() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |config: &str, bars_s| {
        let order = order(dir.path(), config, vec![vendor(&[], bars_s)]);
        run(order, |_| {}, |_| {}).unwrap_err()
    };
    let problem = refused(CONFIG, 120);
    assert!(problem.what.contains("bars of 120 s, which make none of 60 s"), "{problem}");
    assert!(problem.fix.contains("multiples"), "{problem}");
    let extra = "[semantic.bars]\ntimeframes_s = [300]\nprice = \"external\"\n";
    assert!(refused(extra, 0).what.contains("has bars of []"));
}
