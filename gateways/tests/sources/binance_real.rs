//! A recording of Binance's spot feed, where it is present: counts, the chain, and the book against the ticker.

use super::binance::catalog;
use super::*;
use crate::skipped::skipped;
use engine::depth::Depth;
use ringbuf_layout::names::GAP_OF_TRADES;
use ringbuf_layout::{BookLevel, Side, SourceStatus};
use std::io::Read;
use std::path::PathBuf;
use std::time::Instant;

/// The lines of the recording; `None`, said aloud, where it is not there.
fn recorded() -> Option<(String, String)> {
    let file = "../../shared/data/binance/spot-btcusdt-20240809.jsonl.gz";
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file);
    if !path.exists() {
        skipped("shared data not present");
        return None;
    }
    let mut text = String::new();
    let packed = std::fs::File::open(&path).unwrap();
    flate2::read::MultiGzDecoder::new(packed).read_to_string(&mut text).unwrap();
    Some((format!("binance-jsonl:{}", path.display()), text))
}

/// What a line says, read by another parser.
struct Plain {
    received: i64,
    data: serde_json::Value,
}

impl Plain {
    fn of(line: &str) -> Self {
        let (stamp, json) = line.split_once(' ').unwrap();
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        Self { received: stamp.parse().unwrap(), data: json["data"].clone() }
    }

    fn is_depth(&self) -> bool {
        self.data["e"] == "depthUpdate"
    }

    fn number(&self, field: &str) -> u64 {
        self.data[field].as_u64().unwrap()
    }

    /// A decimal of 8 digits as units of 10^-`digits`.
    fn decimal(&self, field: &str, digits: u32) -> i64 {
        let text = self.data[field].as_str().unwrap();
        let (whole, part) = text.split_once('.').unwrap();
        assert_eq!(part.len(), 8);
        let units = format!("{whole}{part}").parse::<i128>().unwrap();
        i64::try_from(units * 10_i128.pow(digits) / 10_i128.pow(8)).unwrap()
    }
}

/// How the book of depth compares with the ticker.
#[derive(Default, Debug)]
struct Compared {
    updates: usize,
    told: usize,
    sides: usize,
    equal: usize,
    gaps: u64,
}

/// Follows the depth records of `cells`, line by line. After an event that ends with update `u` the book's best
/// must be the newest ticker whose update is not behind `u`: the venue sends a ticker at every change of the best
/// price or its size, and both streams number the same updates.
fn compare(lines: &[Plain], cells: &[InputCell]) -> Compared {
    let tickers: Vec<&Plain> = lines
        .iter()
        .filter(|line| line.data["e"].is_null() && line.data["B"].is_string())
        .collect();
    let mut cells =
        cells.iter().filter(|c| c.is::<BookLevel>() || c.is::<SourceStatus>()).peekable();
    let (mut depth, mut found) = (Depth::default(), Compared::default());
    for event in lines.iter().filter(|line| line.is_depth()) {
        found.updates += 1;
        let is_ours = |cell: &&InputCell| cell.head().ts_recv == event.received;
        let mut told = false;
        while let Some(cell) = cells.next_if(is_ours) {
            if let Some(level) = cell.get::<BookLevel>() {
                depth.apply(level);
                told = level.ends_update();
            } else if let Some(gap) = cell.get::<SourceStatus>() {
                found.gaps += gap.lost;
                depth.reset();
            }
        }
        found.told += usize::from(told);
        let at = tickers.partition_point(|ticker| ticker.number("u") <= event.number("u"));
        let Some(ticker) = at.checked_sub(1).map(|at| tickers[at]) else { continue };
        let top = depth.top();
        let sides = [("b", "B", top.bid, top.bid_size), ("a", "A", top.ask, top.ask_size)];
        for (price, size, ours, our_size) in sides {
            let theirs = (ticker.decimal(price, 9), ticker.decimal(size, 5));
            found.sides += 1;
            found.equal += usize::from(theirs == (ours.0, our_size.0));
        }
    }
    assert!(cells.next().is_none(), "every record is of a depth line");
    found
}

fn decoded(text: &str) -> Vec<InputCell> {
    let dir = tempfile::tempdir().unwrap();
    let spec = write(dir.path(), "binance-jsonl", "a", text.as_bytes());
    let source = gateways::open(&config(&spec), &catalog(&["BTCUSDT"])).unwrap();
    let (cells, problem) = drain(source);
    assert_eq!(problem, None);
    cells
}

#[test]
fn every_event_is_delivered_and_the_book_agrees_with_the_ticker_if_present() {
    let Some((spec, text)) = recorded() else { return };
    let began = Instant::now();
    let source = gateways::open(&config(&spec), &catalog(&["BTCUSDT"])).unwrap();
    let opened = began.elapsed().as_secs_f64();
    assert!(source.symbols[0].trades);
    let (cells, problem) = drain(source);
    let read = began.elapsed().as_secs_f64() - opened;
    assert_eq!(problem, None);
    let lines: Vec<Plain> = text.lines().map(Plain::of).collect();
    let count = |is: fn(&InputCell) -> bool| cells.iter().filter(|cell| is(cell)).count();
    assert_eq!(count(InputCell::is::<Quote>), 45_134);
    assert_eq!(count(InputCell::is::<Trade>), 10_147);
    assert_eq!(count(InputCell::is::<SourceStatus>), 0, "nothing is missing");
    let found = compare(&lines, &cells);
    println!("{found:?}; {} levels", count(InputCell::is::<BookLevel>));
    println!("{} lines: opened in {opened:.3} s, read in {read:.3} s", lines.len());
    assert_eq!(found.updates, 3_044);
    // The others change nothing among the best levels.
    assert!(found.told > 2_900, "{found:?}");
    assert_eq!((found.sides, found.equal), (2 * 3_043, 2 * 3_043));
    let latencies: Vec<f64> = cells
        .iter()
        .filter(|cell| cell.is::<Trade>())
        .map(|cell| (cell.head().ts_recv - cell.head().ts_event) as f64 / 1e9)
        .collect();
    let mean = latencies.iter().sum::<f64>() / latencies.len() as f64;
    println!("signed latency of prints: {mean:.4} s");
    assert!((-1.28..-1.26).contains(&mean), "{mean}");
    let sells = cells.iter().filter_map(InputCell::get::<Trade>);
    let sells = sells.filter(|trade| trade.tail.side == Side::Sell as u8).count();
    assert_eq!(sells, lines.iter().filter(|line| line.data["m"] == true).count());
}

#[test]
fn a_line_that_is_missing_or_in_another_place_is_found_if_present() {
    let Some((_, text)) = recorded() else { return };
    let all: Vec<&str> = text.lines().take(12_000).collect();
    let depth: Vec<usize> = (0..all.len()).filter(|i| all[*i].contains("@depth")).collect();
    let check = |lines: &[&str], lost: u64, what: &str| {
        let text = lines.join("\n");
        let plain: Vec<Plain> = lines.iter().map(|line| Plain::of(line)).collect();
        let found = compare(&plain, &decoded(&text));
        println!("{what}: {found:?}");
        assert_eq!(found.gaps, lost, "{what}");
    };
    let at = depth[depth.len() / 2];
    let event = Plain::of(all[at]);
    let updates = event.number("u") - event.number("U") + 1;
    check(&all, 0, "as it is");
    check(&[&all[..at], &all[at + 1..]].concat(), updates, "one missing");
    let mut swapped = all.clone();
    swapped.swap(at, depth[depth.len() / 2 + 1]);
    check(&swapped, updates, "two swapped");
    // The same of prints: the book is whole.
    let print = (0..all.len()).filter(|i| all[*i].contains("@trade")).nth(100).unwrap();
    let cells = decoded(&[&all[..print], &all[print + 1..]].concat().join("\n"));
    let gaps: Vec<_> = cells.iter().filter_map(InputCell::get::<SourceStatus>).collect();
    assert_eq!(
        gaps.iter().map(|gap| (gap.lost, gap.tail.flags)).collect::<Vec<_>>(),
        [(1, GAP_OF_TRADES)]
    );
}
