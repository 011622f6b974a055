//! No bytes make a source panic, and damage is a problem, never a quietly shorter file.

use super::*;
use crate::skipped::skipped;
use proptest::prelude::*;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;

const NAME: &str = "20131007_spy_Trade_Tick.csv";

fn long_text(rows: u32) -> String {
    let mut text = String::new();
    for i in 0..rows {
        let random = i.wrapping_mul(2_654_435_761) >> 8;
        writeln!(text, "{},{},{},P,,0", i * 10, 1_600_000 + random % 99_991, random % 977).unwrap();
    }
    text
}

/// Opens and reads a file of these bytes; the number of records, and how it ended.
fn read(format: &str, bytes: &[u8]) -> (usize, Option<Problem>) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(&write(dir.path(), format, "a", bytes));
    config.columns = Some(csv::columns("ts_event price size bid ask bid_size ask_size side"));
    match gateways::open(&config, &Catalog::default()) {
        Err(problem) => (0, Some(problem)),
        Ok(source) => {
            let (cells, problem) = drain(source);
            (cells.len(), problem)
        }
    }
}

/// Neither read, which would wait or take data away, nor opened.
#[test]
fn what_is_not_a_regular_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let check = |path: &Path, fix: &str| {
        for format in ["csv", "lean-trade"] {
            let mut config = config(&format!("{format}:{}", path.display()));
            config.columns = Some(csv::columns("ts_event price size"));
            let problem = gateways::open(&config, &Catalog::default()).unwrap_err();
            let place = path.display().to_string();
            check_problem(&problem, "is not a regular file", &place, fix);
        }
    };
    check(dir.path(), "/*`");
    for device in ["/dev/null", "/dev/zero"].map(Path::new) {
        if device.exists() {
            check(device, "pipe it in with `csv:-`");
        } else {
            skipped(format!("no {}", device.display()));
        }
    }
    let fifo = dir.path().join("fifo");
    if !Command::new("mkfifo").arg(&fifo).status().is_ok_and(|status| status.success()) {
        skipped("no mkfifo");
        return;
    }
    check(&fifo, "pipe it in with `csv:-`");
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&fifo, &link).unwrap();
    check(&link, "pipe it in with `csv:-`");
}

#[test]
fn a_link_to_a_file_is_that_file() {
    let dir = tempfile::tempdir().unwrap();
    let target = write(dir.path(), "csv", "a.csv", b"ts_event,price,size\n1,2,3\n");
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(target.strip_prefix("csv:").unwrap(), &link).unwrap();
    let mut config = config(&format!("csv:{}", link.display()));
    config.columns = Some(csv::columns("ts_event price size"));
    assert_eq!(trades(gateways::open(&config, &Catalog::default()).unwrap()).len(), 1);
}

#[test]
fn a_truncated_zip_is_refused_at_open() {
    let zip = zip_bytes(&[(NAME, &long_text(1_000))]);
    for keep in [0, 1, 30, zip.len() / 2, zip.len() - 1] {
        let (records, problem) = read("lean-trade", &zip[..keep]);
        assert_eq!(records, 0);
        check_problem(&problem.unwrap(), "not a whole zip file", "a", "fetch or copy");
    }
}

#[test]
fn a_damaged_entry_ends_with_a_problem_that_says_how_many_rows_were_read() {
    let whole = zip_bytes(&[(NAME, &long_text(20_000))]);
    assert_eq!(read("lean-trade", &whole), (20_000, None));
    for at in (100..whole.len() - 200).step_by(whole.len() / 20) {
        let mut zip = whole.clone();
        zip[at] ^= 0x55;
        let (records, problem) = read("lean-trade", &zip);
        let problem = problem.unwrap_or_else(|| panic!("byte {at} changed unseen"));
        assert!(problem.place.contains(NAME), "{problem}");
        if problem.what.contains("damaged") {
            assert!(problem.what.contains(&format!("after {records} rows")), "{problem}");
        }
    }
}

#[test]
fn a_stored_entry_with_a_changed_digit_fails_its_checksum_after_the_last_row() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file(NAME, stored).unwrap();
    zip.write_all(b"1,10000,1,P,,0\n2,10000,1,P,,0\n").unwrap();
    let mut zip = zip.finish().unwrap().into_inner();
    assert_eq!(read("lean-trade", &zip), (2, None));
    let at = zip.windows(6).position(|w| w == b"10000,").unwrap();
    zip[at] = b'2';
    let (records, problem) = read("lean-trade", &zip);
    assert_eq!(records, 2);
    check_problem(&problem.unwrap(), "after 2 rows: its checksum is wrong", NAME, "again");
}

#[test]
fn an_entry_of_one_endless_line_is_refused_without_collecting_it() {
    let zip = zip_bytes(&[(NAME, &"1".repeat(10_000_000))]);
    let (records, problem) = read("lean-trade", &zip);
    assert_eq!(records, 0);
    check_problem(&problem.unwrap(), "no line end", "line 1", "again");
}

#[test]
fn a_truncated_gzip_is_a_problem_and_not_an_early_end() {
    let header = "ts_event,price,size,bid,ask,bid_size,ask_size,side\n";
    let mut text = header.to_string();
    for i in 0..5_000 {
        writeln!(text, "{i},{}.25,1,,,,,b", 1_000 + i * 7 % 977).unwrap();
    }
    let gzip = csv::gzip(text.as_bytes());
    assert_eq!(read("csv", &gzip), (5_000, None));
    let (records, problem) = read("csv", &gzip[..gzip.len() / 2]);
    assert!(records < 5_000);
    check_problem(&problem.unwrap(), "unpacked", "line", "whole");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_decoder_panics_on_random_bytes(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        for format in ["lean-trade", "csv"] {
            let (_, problem) = read(format, &bytes);
            if let Some(problem) = problem {
                prop_assert!(!problem.what.is_empty() && !problem.place.is_empty());
                prop_assert!(!problem.fix.is_empty());
            }
        }
    }

    #[test]
    fn no_decoder_panics_on_random_rows(
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
        rows in "([0-9.,x\"+-]{0,30}[\r\n]){0,6}",
        gzipped in any::<bool>(),
    ) {
        let text = [rows.as_bytes(), &bytes].concat();
        for inner in [NAME, "20131007_gc_tick_trade_201312.csv"] {
            let text = String::from_utf8_lossy(&text).into_owned();
            read("lean-trade", &zip_bytes(&[(inner, &text)]));
        }
        let csv = [&b"ts_event,price,size,bid,ask,bid_size,ask_size,side\n"[..], &text].concat();
        read("csv", &if gzipped { csv::gzip(&csv) } else { csv });
    }

    #[test]
    fn no_decoder_panics_on_a_mutated_file(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let text = "14400464,1674100,100,P,20002000,0\r\n14400465,1674100,1400,P,20002000,0";
        let mut zip = zip_bytes(&[(NAME, text)]);
        let index = at.index(zip.len());
        zip[index] = byte;
        read("lean-trade", &zip);
        read("lean-trade", &zip[..cut.index(zip.len())]);
        let csv = b"ts_event,price,size,bid,ask,bid_size,ask_size,side\n\
                    1,2.5,3,4,5,6,7,s\n\"8\",,,9,,,,";
        for csv in [csv.to_vec(), csv::gzip(csv)] {
            let mut csv = csv;
            let index = at.index(csv.len());
            csv[index] = byte;
            read("csv", &csv);
        }
    }
}
