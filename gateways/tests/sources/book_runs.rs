//! A source with a book, through whole runs: replayed, and gone on with.

use super::binance::{coin, depth_line, snapshot_line, ticker_line, trade_line};
use super::*;
use ::journal::Journal;
use engine::config::Config;
use engine::layout::Layout;
use engine::policy::Policies;
use engine::replay::{Options, replay};
use engine::run::{Order, Outcome, run};
use engine::source::Decoder;
use ringbuf_layout::Kind;
use ringbuf_layout::frame::{FLAGS_OFFSET, LAST};
use std::fmt::Write as _;

const CONFIG: &str = "[semantic.bars]\ntimeframes_s = [5, 60]\n\n\
                      [semantic.synergy]\nfast_s = 5\nslow_s = 60\n\n\
                      [[semantic.instrument]]\nsymbol = \"BTCUSDT\"\ntick = \"0.01\"\n\
                      multiplier = \"1\"\nsize_precision = 5\nlot = \"0.00001\"\n\
                      fee_per_share = \"0\"\ncurrency = \"USD\"\ncalendar = \"24/7\"\n\n\
                      [host]\nlayout = \"fused\"\nsegment_mib = 1\n";

/// Minutes of a market: prints, quotes, depth events, a snapshot, an event that is missing.
fn market(quotes: bool, prints: bool) -> String {
    let mut text = snapshot_line(0, 9, &[(100, 5), (99, 2)], &[(101, 4), (103, 1)]);
    for n in 1..1_500_u64 {
        let walk = (n as i64 * 7919 % 13) - 6;
        if prints && n % 3 == 0 {
            write!(text, "{}", trade_line(n, n / 3, &format!("{}.50000000", 100 + walk / 4), true))
                .unwrap();
        }
        if quotes && n % 2 == 0 {
            write!(text, "{}", ticker_line(n, n, "100.50000000", "101.50000000")).unwrap();
        }
        let first = 10 * n;
        if n == 700 {
            continue;
        }
        let (bid, ask) = (95 + walk.min(5), 107 + walk.max(-5));
        let sizes = (n as i64 % 4, (n as i64 + 1) % 4);
        write!(text, "{}", depth_line(n, (first, first + 9), &[(bid, sizes.0)], &[(ask, sizes.1)]))
            .unwrap();
        if n == 750 {
            let (bids, asks) = ([(100, 3)], [(102, 3)]);
            write!(text, "{}", snapshot_line(n, first + 9, &bids, &asks)).unwrap();
        }
    }
    text
}

/// A source that ends after some records, and is the same source all the same.
struct FirstOf(Box<dyn Decoder>, usize);

impl Decoder for FirstOf {
    fn next(&mut self, cell: &mut InputCell) -> Result<bool, Problem> {
        if self.1 == 0 {
            return Ok(false);
        }
        self.1 -= 1;
        self.0.next(cell)
    }
}

fn run_of(dir: &Path, file: &str, records: usize) -> Outcome {
    let parsed = Config::parse(CONFIG, "a test").unwrap_or_else(|problem| panic!("{problem}"));
    let catalog = Catalog { configured: vec![coin("BTCUSDT")], ..Catalog::default() };
    let mut source = gateways::open(&config(file), &catalog).unwrap();
    let Feed::Decoder(decoder) = source.feed else { panic!("records in memory") };
    source.feed = Feed::Decoder(Box::new(FirstOf(decoder, records)));
    let layout = Layout::of(&parsed.host).unwrap();
    let order = Order::new(parsed, layout, vec![source], dir.to_owned());
    let outcome = run(order, |_| {}, |_| {}).unwrap_or_else(|problem| panic!("{problem}"));
    assert_eq!(outcome.failure, None);
    outcome
}

fn replayed(dir: &Path) {
    let proof = replay(dir, Options::default(), |_| Ok(Policies::default()), |_| {}).unwrap();
    assert!(proof.verified(), "{:?} {:?}", proof.divergence, proof.damage);
}

/// Kind and content of the journaled records of the market, without what the journal adds.
fn records(dir: &Path) -> Vec<Vec<u8>> {
    let journal = Journal::open(dir).unwrap();
    let mut frames = journal.frames();
    let mut records = Vec::new();
    while let Some(frame) = frames.next().unwrap() {
        let kind = Kind::from_byte(frame.bytes[4]).unwrap();
        let of_an_instrument = frame.bytes[56..60] != u32::MAX.to_le_bytes();
        let status = kind == Kind::SourceStatus && of_an_instrument;
        if status || matches!(kind, Kind::Trade | Kind::Quote | Kind::BookLevel) {
            let mut record = vec![kind as u8];
            record.extend_from_slice(&frame.bytes[16..]);
            record[1 + FLAGS_OFFSET - 16] &= !LAST;
            records.push(record);
        }
    }
    records
}

#[test]
fn a_run_with_a_book_is_reproduced_and_goes_on_without_repeating_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "binance-jsonl", "a", market(true, true).as_bytes());
    let whole = dir.path().join("whole");
    let outcome = run_of(&whole, &file, usize::MAX);
    replayed(&whole);
    let expected = records(&whole);
    let bars = outcome.summary.tally.of(Kind::Bar);
    let gaps = expected.iter().filter(|record| record[0] == Kind::SourceStatus as u8).count();
    println!("{} records, {gaps} gap, {bars} bars", expected.len());
    assert!(expected.len() > 4_000 && gaps == 1 && bars > 25);
    let half = expected.len() / 2;
    for cut in [10, 500, half, expected.len() - 3] {
        let halves = dir.path().join(format!("halves{cut}"));
        run_of(&halves, &file, cut);
        run_of(&halves, &file, usize::MAX);
        replayed(&halves);
        let found = records(&halves);
        assert_eq!(found.len(), expected.len(), "cut at {cut}");
        assert!(found == expected, "cut at {cut}");
    }
}

#[test]
fn a_market_of_depth_alone_has_bars_from_the_middle_of_its_book() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "binance-jsonl", "a", market(false, false).as_bytes());
    let run = dir.path().join("run");
    let outcome = run_of(&run, &file, usize::MAX);
    replayed(&run);
    let bars = outcome.summary.tally.of(Kind::Bar);
    println!("{bars} bars");
    assert!(bars > 20, "{bars}");
}
