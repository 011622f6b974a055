//! Packing is known by content, and one CSV inside is read as it is unpacked.

use super::*;
use std::fmt::Write as _;

fn open_bytes(bytes: &[u8]) -> (tempfile::TempDir, Result<Source, Problem>) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(&write(dir.path(), "csv", "a.csv", bytes));
    config.columns = Some(csv::columns("ts_event price size"));
    let source = gateways::open(&config, &Catalog::default());
    (dir, source)
}

fn text(rows: u32) -> String {
    let mut text = "ts_event,price,size\n".to_string();
    for i in 0..rows {
        writeln!(text, "{i},{}.25,{}", 1_000 + i * 7 % 977, 1 + i % 5).unwrap();
    }
    text
}

#[test]
fn a_zstd_and_a_zip_of_one_file_give_the_same_rows_as_the_plain_file() {
    let text = text(3_000);
    let (_dir, plain) = open_bytes(text.as_bytes());
    let plain = trades(plain.unwrap());
    assert_eq!(plain.len(), 3_000);
    let halves =
        [&text[..40_000], &text[40_000..]].map(|half| zstd::encode_all(half.as_bytes(), 3));
    let halves: Vec<u8> = halves.into_iter().flat_map(Result::unwrap).collect();
    let zip = zip_bytes(&[("any name", &text)]);
    for bytes in [zstd::encode_all(text.as_bytes(), 19).unwrap(), halves, zip] {
        let (_dir, source) = open_bytes(&bytes);
        assert_eq!(trades(source.unwrap()), plain);
    }
}

#[test]
fn a_zip_of_several_files_or_none_is_refused_and_named() {
    for files in [&[("a.csv", "x"), ("b.csv", "y")][..], &[]] {
        let (_dir, source) = open_bytes(&zip_bytes(files));
        let what = format!("holds {} files instead of one", files.len());
        check_problem(&source.unwrap_err(), &what, "a.csv", "unpack it");
    }
}

#[test]
fn a_cut_zstd_delivers_what_comes_before_and_ends_with_a_problem() {
    let packed = zstd::encode_all(text(60_000).as_bytes(), 1).unwrap();
    let (_dir, source) = open_bytes(&packed[..packed.len() / 2]);
    let (cells, problem) = drain(source.unwrap());
    assert!(!cells.is_empty() && cells.len() < 60_000, "{}", cells.len());
    check_problem(&problem.unwrap(), "unpacked", "line", "whole");
}

#[test]
fn a_damaged_zip_entry_fails_its_checksum_after_its_last_row() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file("rows.csv", stored).unwrap();
    zip.write_all(b"ts_event,price,size\n1,10,1\n2,20,2\n").unwrap();
    let mut zip = zip.finish().unwrap().into_inner();
    let at = zip.windows(5).position(|w| w == b"2,20,").unwrap();
    zip[at + 2] = b'3';
    let (_dir, source) = open_bytes(&zip);
    let (cells, problem) = drain(source.unwrap());
    assert_eq!(cells.len(), 2);
    check_problem(&problem.unwrap(), "checksum is wrong", "rows.csv, line", "whole");
}
