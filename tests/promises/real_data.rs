//! Recorded data, where it is present: a day of SPY, and a day of gold in ten months.

use engine::config::Config;
use engine::instrument::{Catalog, built_in};
use engine::manifest::Listed;
use engine::source::{Source, SourceConfig};
use ringbuf_layout::names::BarSource;
use ringbuf_layout::{Bar, Kind, Size, Trade};
use tests::naive_bars::check_bars;
use tests::real_run::{replay_of, run_into};
use tests::recording::Recording;
use tests::sources::root;

/// A recorded file as a source; `None`, said aloud, where it is not there.
fn recorded(test: &str, name: &str) -> Option<Source> {
    let path = root().join("../shared/data/lean").join(name);
    if !path.exists() {
        println!("{test}: skipped, ../shared/data/lean/{name} is not there");
        return None;
    }
    let spec = format!("lean-trade:{}", path.display());
    let config = SourceConfig { name: name.to_string(), ..SourceConfig::of(&spec) };
    Some(gateways::open(&config, &Catalog::default()).expect("the file opens"))
}

/// What a day must hold.
struct Day {
    file: &'static str,
    rows: usize,
    symbols: usize,
    /// Accepted rows, at least, in percent.
    accepted_pct: f64,
}

fn check(test: &str, day: &Day) {
    let Some(source) = recorded(test, day.file) else { return };
    let symbols: Vec<String> = source.symbols.iter().map(|used| used.symbol.clone()).collect();
    assert_eq!(symbols.len(), day.symbols, "{symbols:?}");
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let outcome = run_into(dirs[0].path(), "", vec![source]);
    let again = recorded(test, day.file).expect("it was there");
    let second = run_into(dirs[1].path(), "", vec![again]);
    let tally = &outcome.summary.tally;
    assert_eq!(tally.ticks, day.rows as u64);
    let accepted = tally.ticks - tally.rejected_records;
    let pct = accepted as f64 * 100.0 / tally.ticks as f64;
    assert!(pct >= day.accepted_pct, "{accepted} of {} rows are accepted", tally.ticks);

    let (recording, _) = Recording::read(dirs[0].path()).unwrap();
    assert_eq!(recording.all::<Trade>().len(), day.rows);
    let listed =
        |symbol: &String| Listed { def: built_in(symbol).unwrap(), bars_from: BarSource::Trades };
    let instruments: Vec<Listed> = symbols.iter().map(listed).collect();
    assert_eq!(Config::default().semantic.bars.timeframes_s, [300, 1_800]);
    let checked = check_bars(&recording, &instruments, &[300, 1_800]).unwrap();
    assert_eq!(checked.prints, accepted);
    assert_eq!(checked.bars, tally.of(Kind::Bar));
    let volume = |timeframe| {
        let bars = recording.all::<Bar>();
        let of = bars.iter().filter(|bar| bar.timeframe_s == timeframe);
        of.fold(Size(0), |sum, bar| Size(sum.0 + bar.volume.0))
    };
    assert_eq!(volume(300), volume(1_800));

    assert!(tally.state_hash.is_some());
    assert_eq!(tally.state_hash, second.summary.tally.state_hash, "two runs");
    for dir in &dirs {
        let proof = replay_of(dir.path());
        assert!(proof.verified(), "{proof:?}");
        assert_eq!(proof.summary.tally.state_hash, tally.state_hash, "replay");
    }
    println!(
        "{test}: {} rows, {pct:.3} % accepted, volume {}, {checked:?}, state hash {:016x}",
        tally.ticks,
        volume(300).0,
        tally.state_hash.unwrap_or_default()
    );
}

#[test]
fn spy_of_2013_10_07_runs_replays_and_gives_the_naive_bars_if_present() {
    check(
        "spy_of_2013_10_07_runs_replays_and_gives_the_naive_bars_if_present",
        &Day { file: "spy-20131007-trade.zip", rows: 250_601, symbols: 1, accepted_pct: 99.0 },
    );
}

#[test]
fn gold_in_ten_months_runs_replays_and_gives_the_naive_bars_if_present() {
    check(
        "gold_in_ten_months_runs_replays_and_gives_the_naive_bars_if_present",
        &Day { file: "gc-20131007-trade.zip", rows: 40_192, symbols: 10, accepted_pct: 99.0 },
    );
}
