//! Any byte that is not what was written is found, and named where it lies.

use crate::support::{
    self, Random, SMALL, append, closed, options, patch, patch_header, path, places, read,
    segment_files, writable,
};
use journal::header::{MAGIC, VERSION};
use journal::{End, Finding, Journal, JournalError, Report, Writer, verify};
use proptest::prelude::*;
use std::fs::Permissions;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

fn report(dir: &Path) -> Report {
    verify(dir, &mut |_| ()).unwrap()
}

/// Segment, offset and expected sequence of the first damage that reading meets.
fn damage(dir: &Path) -> (u32, u64, u64) {
    support::damage(dir).1
}

/// As `damage`, where everything before the named sequence must have been read and `verify` must find
/// the same and nothing else.
fn damage_after_the_whole_prefix(dir: &Path, why: &str) -> (u32, u64, u64) {
    let (slots, place) = support::damage(dir);
    assert_eq!(slots, place.2, "{why}: all slots before it are delivered");
    let report = report(dir);
    let [Finding { segment, offset, expected_seq, .. }] = report.findings[..] else {
        panic!("{why}: {report:?}");
    };
    assert_eq!((segment, offset, expected_seq), place, "{why}");
    place
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn every_flipped_bit_of_a_sealed_segment_is_found_in_its_frame() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 60, 11);
    let places = places(dir.path());
    let bytes = std::fs::read(path(dir.path(), 0)).unwrap();
    let (_, last_offset, last_len, last_seq, _) = *places.last().unwrap();
    let used = (last_offset as usize + last_len).next_multiple_of(64) + 192;
    let footer = used as u64 - 192;
    let mut random = Random(12);
    let mut expected = Vec::new();
    for at in (0..used).chain((0..200).map(|_| used + random.below(SMALL as usize - used))) {
        let at = at as u64;
        let frame = places
            .iter()
            .find(|(_, offset, len, ..)| (*offset..offset + *len as u64).contains(&at));
        let before = places.iter().rev().find(|(_, offset, len, ..)| offset + *len as u64 <= at);
        let next_seq = before.map_or(0, |(.., seq, last)| seq + u64::from(*last));
        expected.push(match frame {
            _ if at < 128 => (at, 0, 0),
            _ if at < 4096 => (at, at, 0),
            Some((_, offset, _, seq, _)) => (at, *offset, *seq),
            // Padding is named by its start, the footer by its own, what follows by the byte.
            None if at < footer => {
                let (_, offset, len, ..) = before.unwrap();
                (at, offset + *len as u64, next_seq)
            }
            None if at < footer + 128 => (at, footer, last_seq),
            None => (at, at, last_seq + 1),
        });
    }
    assert!(report(dir.path()).is_sealed());
    let file = writable(dir.path(), 0);
    for (at, offset, seq) in expected {
        for bit in 0..8 {
            file.write_all_at(&[bytes[at as usize] ^ 1 << bit], at).unwrap();
            let findings = report(dir.path()).findings;
            let [Finding { segment: 0, offset: found, expected_seq, what }] = &findings[..] else {
                panic!("byte {at} bit {bit}: {findings:?}");
            };
            assert_eq!((*found, *expected_seq), (offset, seq), "byte {at} bit {bit}: {what}");
            if at >= 128 && bit != at % 8 {
                continue;
            }
            // A footer names the last sequence, which was read.
            let (slots, place) = support::damage(dir.path());
            let footer = u64::from((footer..footer + 128).contains(&offset));
            assert_eq!((slots, place), (seq + footer, (0, offset, seq)), "byte {at} bit {bit}");
        }
        file.write_all_at(&bytes[at as usize..=at as usize], at).unwrap();
    }
    assert!(report(dir.path()).is_sealed());
}

#[test]
fn a_slot_cut_in_the_middle_is_a_torn_tail_and_the_slots_before_it_are_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(&options(dir.path())).unwrap();
    let mut random = Random(13);
    let slots = append(&mut writer, 0, 40, &mut random);
    let long = support::frame(ringbuf_layout::Kind::Trade, 40, 0, &mut random);
    let output = support::frame(ringbuf_layout::Kind::Indicator, 40, 1, &mut random);
    support::append_slot(&mut writer, 40, &[long, output]).unwrap();
    drop(writer);
    let places = places(dir.path());
    let [.., (_, first, ..), (segment, offset, len, 40, true)] = places[..] else {
        panic!("two frames in the last slot");
    };
    for cut in [vec![0; len], vec![0; 64], vec![7; len]] {
        patch(dir.path(), segment, offset, &cut);
        let (found, end) = read(dir.path()).unwrap();
        assert!(found == slots);
        let End::Torn { segment: s, offset: whole, bytes, reason } = end else {
            panic!("{end:?}");
        };
        assert!(s == segment && whole <= first && whole + bytes > first, "{reason}");
        let report = report(dir.path());
        assert!(report.findings.is_empty() && report.slots == 40);
    }
}

#[test]
fn a_hole_with_valid_frames_after_it_is_damage_even_without_a_footer() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(&options(dir.path())).unwrap();
    append(&mut writer, 0, 300, &mut Random(14));
    drop(writer);
    let (segment, offset, len, seq, _) = places(dir.path())[100];
    patch(dir.path(), segment, offset, &vec![0; len]);
    assert_eq!(damage(dir.path()), (segment, offset, seq));
    assert_eq!(report(dir.path()).findings.len(), 1);
}

#[test]
fn frames_that_are_swapped_doubled_or_misplaced_are_found() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 2_000, 15);
    let bytes = std::fs::read(path(dir.path(), 0)).unwrap();
    let other = std::fs::read(path(dir.path(), 1)).unwrap();
    let places = places(dir.path());
    // Slots of one frame of one line, so that only the sequence tells them apart.
    let frame = |segment: u32, nth: usize| {
        let alone = places.windows(2).filter(|pair| pair[0].4 && pair[1].4).map(|pair| pair[1]);
        alone.filter(|place| place.0 == segment && place.2 == 64).nth(nth).unwrap()
    };
    let (a, b) = (frame(0, 20), frame(0, 40));
    let line = |bytes: &[u8], at: u64| bytes[at as usize..at as usize + 64].to_vec();
    let check = |name: &str, expected: (u32, u64, usize, u64, bool)| {
        let (segment, offset, _, seq, _) = expected;
        assert_eq!(damage(dir.path()), (segment, offset, seq), "{name}");
        patch(dir.path(), 0, 0, &bytes);
    };
    patch(dir.path(), 0, a.1, &line(&bytes, b.1));
    patch(dir.path(), 0, b.1, &line(&bytes, a.1));
    check("swapped", a);
    patch(dir.path(), 0, b.1, &line(&bytes, a.1));
    check("doubled", b);
    patch(dir.path(), 0, a.1, &line(&other, frame(1, 3).1));
    check("of another segment", a);
    assert_eq!(read(dir.path()).unwrap().1, End::Sealed);
}

#[test]
fn segments_that_are_swapped_missing_short_or_foreign_are_found() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 2_000, 16);
    let first_of = |n| places(dir.path()).into_iter().find(|place| place.0 == n).unwrap().3;
    let (second, third) = (first_of(1), first_of(2));
    let aside = dir.path().join("aside");
    std::fs::rename(path(dir.path(), 1), &aside).unwrap();
    assert_eq!(damage(dir.path()), (2, 0, second), "missing");
    std::fs::copy(path(dir.path(), 2), path(dir.path(), 1)).unwrap();
    assert_eq!(damage(dir.path()), (1, 0, second), "a copy of the next one");
    std::fs::rename(&aside, path(dir.path(), 1)).unwrap();

    let whole = std::fs::read(path(dir.path(), 2)).unwrap();
    std::fs::remove_file(path(dir.path(), 2)).unwrap();
    std::fs::write(path(dir.path(), 2), &whole[..whole.len() - 4096]).unwrap();
    assert_eq!(damage(dir.path()), (2, 0, third), "short");
    std::fs::write(path(dir.path(), 2), b"").unwrap();
    assert_eq!(damage(dir.path()), (2, 0, third), "empty");
    std::fs::write(path(dir.path(), 2), vec![b'x'; whole.len()]).unwrap();
    assert_eq!(damage(dir.path()), (2, 0, third), "foreign");
    std::fs::write(path(dir.path(), 2), &whole).unwrap();
    assert_eq!(read(dir.path()).unwrap().1, End::Sealed);
}

#[test]
fn a_sealed_last_segment_that_lost_its_footer_or_header_is_damaged_not_open() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 30, 17);
    let bytes = std::fs::read(path(dir.path(), 0)).unwrap();
    let (_, offset, len, ..) = *places(dir.path()).last().unwrap();
    patch(dir.path(), 0, offset + len as u64, &[0; 192]);
    assert_eq!(damage(dir.path()), (0, offset + len as u64, 29));
    patch(dir.path(), 0, 0, &bytes);
    patch(dir.path(), 0, 0, &[0; 4096]);
    assert_eq!(damage(dir.path()), (0, 0, 0));
}

#[test]
fn a_segment_left_unsealed_by_a_crash_is_read_through_unless_frames_are_missing() {
    let dir = tempfile::tempdir().unwrap();
    let slots = closed(dir.path(), 1_000, 20);
    let places = places(dir.path());
    let last = *places.iter().rfind(|place| place.0 == 0).unwrap();
    let slot = places.iter().find(|place| place.3 == last.3).unwrap().1;
    let end = last.1 + last.2 as u64;
    // As if killed after the roll, before the helper sealed it.
    patch(dir.path(), 0, end, &vec![0; (SMALL - end) as usize]);
    patch(dir.path(), 1, 64, &[0; 8]);
    patch(dir.path(), 2, 64, &[0; 8]);
    assert_eq!(damage(dir.path()), (0, end, last.3), "read-only, so it had a footer");
    let private = Permissions::from_mode(0o600);
    std::fs::set_permissions(path(dir.path(), 0), private).unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let mut frames = journal.frames();
    while frames.next_seq() <= last.3 + 1 {
        frames.next().unwrap();
    }
    assert!(frames.next_seq() < slots.len() as u64, "read on into the next segment");
    patch(dir.path(), 0, slot, &vec![0; (end - slot) as usize]);
    assert_eq!(damage(dir.path()), (0, slot, last.3), "the next segment does not go on here");
}

#[test]
fn a_segment_from_a_twin_journal_breaks_the_chain_of_digests() {
    let (dir, twin) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    closed(dir.path(), 2_000, 18);
    // The same shapes and sequences with other prices, as another run of a directory would have.
    let mut writer = Writer::create(&options(twin.path())).unwrap();
    for (seq, mut slot) in read(dir.path()).unwrap().0.into_iter().enumerate() {
        slot[0][32] ^= 1;
        support::append_slot(&mut writer, seq as u64, &slot).unwrap();
    }
    writer.close().unwrap();
    std::fs::remove_file(path(dir.path(), 1)).unwrap();
    std::fs::copy(path(twin.path(), 1), path(dir.path(), 1)).unwrap();
    let (segment, offset, _) = damage(dir.path());
    assert_eq!((segment, offset), (1, 0));
}

#[test]
fn a_newer_format_another_layout_and_a_foreign_file_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 3, 19);
    let check = |what: &str| {
        let error = Journal::open(dir.path()).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        assert!(verify(dir.path(), &mut |_| ()).unwrap_err().to_string().contains(what));
    };
    patch_header(dir.path(), 8, &(VERSION + 1).to_le_bytes());
    check("written by a newer format: version 2");
    patch_header(dir.path(), 8, &VERSION.to_le_bytes());
    patch_header(dir.path(), 48, &[1; 8]);
    check("written with record layout 0101010101010101");
    std::fs::remove_file(path(dir.path(), 0)).unwrap();
    for len in [50, SMALL as usize] {
        let foreign = b"some other file's bytes, of no interest to us, ".iter().cycle().take(len);
        std::fs::write(path(dir.path(), 0), foreign.copied().collect::<Vec<_>>()).unwrap();
        check("not a journal");
    }
    assert_eq!(MAGIC[0], 0x89);
}

#[test]
fn a_first_header_that_is_wiped_is_damage_where_anything_shows_that_the_journal_is_ours() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 3, 22);
    let whole = std::fs::read(path(dir.path(), 0)).unwrap();
    patch(dir.path(), 0, 0, &[b'x'; 4096]);
    assert_eq!(damage_after_the_whole_prefix(dir.path(), "valid frames"), (0, 0, 0));
    for len in [0, 4, 100] {
        writable(dir.path(), 0).set_len(0).unwrap();
        patch(dir.path(), 0, 0, &whole[..len]);
        assert_eq!(damage_after_the_whole_prefix(dir.path(), "truncated"), (0, 0, 0));
    }
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 1_000, 22);
    patch(dir.path(), 0, 0, &vec![b'x'; SMALL as usize]);
    assert_eq!(damage_after_the_whole_prefix(dir.path(), "other segments"), (0, 0, 0));
}

#[test]
fn a_closed_journal_that_lost_its_end_is_damaged_where_the_rest_should_begin() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 2_000, 23);
    let last = segment_files(dir.path()) as u32 - 1;
    let first_of = |n| places(dir.path()).into_iter().find(|place| place.0 == n).unwrap().3;
    let (seq, before) = (first_of(last), first_of(last - 1));
    let whole = std::fs::read(path(dir.path(), last)).unwrap();
    let check = |why| {
        assert_eq!(damage_after_the_whole_prefix(dir.path(), why), (last, 0, seq), "{why}");
        writable(dir.path(), last).set_len(0).unwrap();
        patch(dir.path(), last, 0, &whole);
        assert!(report(dir.path()).is_sealed(), "{why}, mended");
    };
    patch(dir.path(), last, 0, &vec![0; SMALL as usize]);
    check("zeros");
    writable(dir.path(), last).set_len(0).unwrap();
    check("no bytes");
    writable(dir.path(), last).set_len(64 << 10).unwrap();
    check("cut");
    writable(dir.path(), last).set_len(SMALL + 4096).unwrap();
    check("longer");
    set_mode(&path(dir.path(), last), 0o400);
    patch(dir.path(), last, 0, &vec![0; SMALL as usize]);
    check("zeros, read-only as another umask leaves it");

    std::fs::remove_file(path(dir.path(), last)).unwrap();
    assert_eq!(damage_after_the_whole_prefix(dir.path(), "deleted"), (last, 0, seq));
    std::fs::remove_file(path(dir.path(), last - 1)).unwrap();
    assert_eq!(damage_after_the_whole_prefix(dir.path(), "deleted"), (last - 1, 0, before));
}

#[test]
fn a_writer_killed_right_after_a_roll_leaves_an_open_end_in_a_whole_spare() {
    let dir = tempfile::tempdir().unwrap();
    let slots = closed(dir.path(), 2_000, 24);
    let last = segment_files(dir.path()) as u32 - 1;
    let seq = places(dir.path()).into_iter().find(|place| place.0 == last).unwrap().3;
    let spare = path(dir.path(), last);
    std::fs::remove_file(&spare).unwrap();
    std::fs::write(&spare, vec![0; SMALL as usize]).unwrap();
    set_mode(&spare, 0o600);
    let gone = "the superblock knows that more was durable";
    assert_eq!(damage_after_the_whole_prefix(dir.path(), gone), (last, 0, seq));
    // Without one, as an earlier build left it.
    std::fs::remove_file(dir.path().join("superblock")).unwrap();
    // The one behind it may be half-made.
    std::fs::write(path(dir.path(), last + 1), b"").unwrap();
    let (found, end) = read(dir.path()).unwrap();
    assert!(found == slots[..seq as usize]);
    assert_eq!(end, End::Open { segment: last, offset: 4096 });
    assert!(report(dir.path()).findings.is_empty());

    set_mode(&spare, 0o644);
    assert_eq!(damage_after_the_whole_prefix(dir.path(), "not the writer's"), (last, 0, seq));
    set_mode(&spare, 0o600);
    for len in [0, SMALL - 4096] {
        writable(dir.path(), last).set_len(len).unwrap();
        assert_eq!(damage_after_the_whole_prefix(dir.path(), "half-made"), (last, 0, seq));
    }
}

#[test]
fn a_journal_that_does_not_begin_with_segment_0_and_sequence_0_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 1_000, 25);
    patch_header(dir.path(), 24, &5_u64.to_le_bytes());
    assert_eq!(damage_after_the_whole_prefix(dir.path(), "base_seq"), (0, 0, 0));
    std::fs::remove_file(path(dir.path(), 0)).unwrap();
    assert_eq!(damage_after_the_whole_prefix(dir.path(), "no segment 0"), (1, 0, 0));
}

#[test]
fn damage_in_any_header_page_is_met_after_the_whole_prefix_and_never_on_opening() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 1_000, 26);
    let mut random = Random(27);
    let first_of = |n| places(dir.path()).into_iter().find(|place| place.0 == n).unwrap().3;
    let bytes = (0..128).chain((0..50).map(|_| 128 + random.below(4096 - 128))).collect::<Vec<_>>();
    for segment in 0..3 {
        let seq = first_of(segment);
        let whole = std::fs::read(path(dir.path(), segment)).unwrap();
        for at in &bytes {
            patch(dir.path(), segment, *at as u64, &[whole[*at] ^ 1 << random.below(8)]);
            let (slots, (found, offset, expected)) = support::damage(dir.path());
            assert_eq!((slots, found, expected), (seq, segment, seq), "byte {at}");
            assert_eq!(offset, if *at < 128 { 0 } else { *at as u64 }, "byte {at}");
            patch(dir.path(), segment, *at as u64, &whole[*at..=*at]);
        }
        for len in [0, 1, 100, 5_000, SMALL - 4096, SMALL + 1, SMALL + 4096] {
            writable(dir.path(), segment).set_len(len).unwrap();
            let met = support::damage(dir.path());
            assert_eq!(met, (seq, (segment, 0, seq)), "length {len}");
            writable(dir.path(), segment).set_len(0).unwrap();
            patch(dir.path(), segment, 0, &whole);
        }
    }
    let seq = first_of(1);
    for (from, to) in [(1, "aside"), (2, "segment-00000001.gmj"), (1, "segment-00000002.gmj")] {
        let from =
            if to.ends_with("2.gmj") { dir.path().join("aside") } else { path(dir.path(), from) };
        std::fs::rename(from, dir.path().join(to)).unwrap();
    }
    assert_eq!(support::damage(dir.path()), (seq, (1, 0, seq)), "swapped");
}

#[test]
fn a_directory_or_a_pipe_named_like_a_segment_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 3, 28);
    let odd = path(dir.path(), 1);
    let check = |dir: &Path, odd: &Path| {
        for error in [Journal::open(dir).unwrap_err(), verify(dir, &mut |_| ()).unwrap_err()] {
            assert!(matches!(&error, JournalError::NotAFile { path } if path == odd), "{error}");
            assert!(!error.is_damage());
        }
    };
    let pipe = |path: &Path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    std::fs::create_dir(&odd).unwrap();
    check(dir.path(), &odd);
    std::fs::remove_dir(&odd).unwrap();
    pipe(&odd);
    check(dir.path(), &odd);

    let dir = tempfile::tempdir().unwrap();
    pipe(&path(dir.path(), 0));
    check(dir.path(), &path(dir.path(), 0));
    let error = Writer::create(&options(dir.path())).unwrap_err();
    assert!(matches!(error, JournalError::NotAFile { .. }), "{error}");
    assert!(!dir.path().join("LOCK").exists());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn random_bytes_anywhere_never_panic_and_never_pass_for_what_was_written(
        seed: u64,
        sealed: bool,
        garbage in proptest::collection::vec((0..SMALL, proptest::collection::vec(any::<u8>(), 1..300)), 1..6),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::create(&options(dir.path())).unwrap();
        let slots = append(&mut writer, 0, 120, &mut Random(seed));
        if sealed { writer.close().unwrap(); } else { drop(writer); }
        for (offset, bytes) in garbage {
            let len = bytes.len().min((SMALL - offset) as usize);
            patch(dir.path(), 0, offset, &bytes[..len]);
        }
        if let Ok((found, end)) = read(dir.path()) {
            prop_assert!(found.len() <= slots.len() && found[..] == slots[..found.len()]);
            prop_assert!(end != End::Sealed || found.len() == slots.len());
        }
        let _ = verify(dir.path(), &mut |_| ());
    }
}
