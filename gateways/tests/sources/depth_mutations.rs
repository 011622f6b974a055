//! Damaged files of every kind of damage: a source ends well or with a problem, never with a panic, and within
//! bounds of memory. `GRANDMODEL_MUTATIONS` says how many of each format, 300 unless it is set.

use super::binance::{depth_line, snapshot_line, ticker_line, trade_line};
use super::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use std::fmt::Write as _;

fn mutations() -> u64 {
    let count = std::env::var("GRANDMODEL_MUTATIONS").ok();
    count.map_or(300, |count| count.parse().expect("GRANDMODEL_MUTATIONS is a number"))
}

struct Dice(ChaCha8Rng);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        (self.0.next_u64() % end.max(1) as u64) as usize
    }

    fn range(&mut self, len: usize, longest: usize) -> std::ops::Range<usize> {
        let start = self.below(len);
        start..(start + 1 + self.below(longest)).min(len)
    }

    /// One change of some bytes: of the bytes themselves, of lines, of numbers.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self.below(9) {
            0 => {
                let at = self.below(bytes.len());
                bytes[at] ^= 1 << self.below(8);
            }
            1 => bytes.truncate(self.below(bytes.len())),
            2 => drop(bytes.drain(self.range(bytes.len(), 80))),
            3 => {
                let piece = bytes[self.range(bytes.len(), 200)].to_vec();
                let at = self.below(bytes.len());
                bytes.splice(at..at, piece);
            }
            4 => {
                let (at, count) = (self.below(bytes.len()), self.below(50));
                let noise: Vec<u8> = (0..count).map(|_| self.0.next_u64() as u8).collect();
                bytes.splice(at..at, noise);
            }
            // A digit that is another, or many.
            5 | 6 => {
                let digits: Vec<usize> =
                    (0..bytes.len()).filter(|i| bytes[*i].is_ascii_digit()).collect();
                let Some(at) = digits.get(self.below(digits.len())) else { return };
                let texts: [&[u8]; 7] = [
                    b"0",
                    b"9",
                    b"-1",
                    b"99999999999999999999",
                    b"",
                    b"1e9",
                    b"18446744073709551615",
                ];
                bytes.splice(*at..=*at, texts[self.below(texts.len())].iter().copied());
            }
            // Lines that change places, come again, or are none.
            7 => {
                let mut lines: Vec<Vec<u8>> =
                    bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
                let (a, b) = (self.below(lines.len()), self.below(lines.len()));
                lines.swap(a, b);
                let again = lines[a].clone();
                lines.insert(b, again);
                *bytes = lines.join(&b'\n');
            }
            // Brackets within brackets.
            _ => {
                let at = self.below(bytes.len());
                let what: &[u8] = [&b"["[..], b"{\"a\":", b"\"", b"\\"][self.below(4)];
                bytes.splice(at..at, what.repeat(1 + self.below(5_000)));
            }
        }
    }
}

/// Memory of this process at its highest, in MiB.
fn highest_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib >> 10)
}

/// Opens and reads what was damaged; `write` lays it down and says its specification.
fn check(
    format: &str,
    catalog: &Catalog,
    originals: &[&[u8]],
    is_packed: bool,
    mut write: impl FnMut(&[Vec<u8>]) -> String,
) {
    let before = highest_mib();
    let (mut well, mut problems, mut records) = (0, 0, 0);
    for seed in 0..mutations() {
        let mut dice = Dice(ChaCha8Rng::seed_from_u64(seed));
        let mut files: Vec<Vec<u8>> = originals.iter().map(|bytes| bytes.to_vec()).collect();
        for _ in 0..=dice.below(4) {
            let at = dice.below(files.len());
            dice.damage(&mut files[at]);
        }
        let spec = write(&files);
        let read = std::panic::catch_unwind(|| match gateways::open(&config(&spec), catalog) {
            Err(problem) => (0, Some(problem)),
            Ok(source) => {
                let (cells, problem) = drain(source);
                (cells.len(), problem)
            }
        });
        let (count, problem) = read.unwrap_or_else(|_| panic!("{format}: seed {seed} panics"));
        records += count;
        match problem {
            None => well += 1,
            Some(problem) => {
                problems += 1;
                let whole = [&problem.what, &problem.place, &problem.fix];
                assert!(whole.iter().all(|text| !text.is_empty()), "seed {seed}: {problem}");
            }
        }
    }
    println!("{format}: {well} end well, {problems} with a problem, {records} records");
    // A checksum finds all damage.
    assert_eq!(well == 0, is_packed, "the damage reaches what it should");
    assert!(problems > 0 && records > 0, "the damage reaches what it should");
    if let (Some(before), Some(after)) = (before, highest_mib()) {
        println!("{format}: {before} MiB before, {after} MiB at most");
        assert!(after < before + 256, "{format} took {} MiB", after - before);
    }
}

#[test]
fn no_damage_makes_binance_lines_panic() {
    let mut text = String::new();
    for n in 0..40 {
        let i = n as i64;
        write!(text, "{}", trade_line(n, 100 + n, "61685.99000000", n % 2 == 0)).unwrap();
        write!(text, "{}", ticker_line(n, 2 * n + 1, "61685.99000000", "61686.00000000")).unwrap();
        let (bids, asks) = ([(100 + i % 7, i % 5), (90, 1)], [(110 + i % 3, i % 4)]);
        write!(text, "{}", depth_line(n, (3 * n, 3 * n + 2), &bids, &asks)).unwrap();
        if n % 15 == 7 {
            write!(text, "{}", snapshot_line(n, 3 * n, &bids, &asks)).unwrap();
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let packed = csv::gzip(text.as_bytes());
    let catalog = binance::catalog(&["BTCUSDT", "BTCUSDS"]);
    for (original, is_packed) in [(text.as_bytes(), false), (&packed, true)] {
        check("binance-jsonl", &catalog, &[original], is_packed, |files| {
            write(dir.path(), "binance-jsonl", "a", &files[0])
        });
    }
}

#[test]
fn no_damage_makes_lobster_files_panic() {
    let (mut messages, mut book) = (String::new(), String::new());
    for n in 0..60 {
        let kind = 1 + n % 7;
        let price = if kind == 7 { -1 } else { 5_853_300 };
        writeln!(messages, "{}.01,{kind},{n},{},{price},1", 34_200 + n, n % 50).unwrap();
        let ask = 5_859_400 + n % 3 * 100;
        writeln!(book, "{ask},7,5853300,{},9999999999,0,5853200,{}", 1 + n % 4, 1 + n % 3).unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let name = |kind| lobster::file("AAPL", "2012-06-21", kind, 2);
    let catalog = lobster::catalog(&["AAPL"]);
    check("lobster", &catalog, &[messages.as_bytes(), book.as_bytes()], false, |files| {
        write(dir.path(), "lobster", &name("orderbook"), &files[1]);
        write(dir.path(), "lobster", &name("message"), &files[0])
    });
}
