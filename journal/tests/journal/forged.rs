//! Bytes that were changed under a CRC that was made to fit: what they contradict names them.

use crate::support::{
    Random, append, append_slot, closed, frame, options, patch, path, places, read, strip,
};
use journal::{
    End, Follower, Journal, JournalError, Limits, Options, Position, Until, Writer, verify,
};
use ringbuf_layout::frame::{FLAGS_OFFSET, LAST, LINE};
use ringbuf_layout::{Footer, Kind, Trade};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Changes a frame of this many bytes, of the first epoch, and gives it the CRC that fits.
fn forge(dir: &Path, segment: u32, offset: u64, len: usize, change: impl FnOnce(&mut [u8])) {
    let at = offset as usize;
    let mut frame = std::fs::read(path(dir, segment)).unwrap()[at..at + len].to_vec();
    change(&mut frame);
    let seed = crc32c::crc32c(&1_u32.to_le_bytes());
    let seed = crc32c::crc32c_append(seed, &segment.to_le_bytes());
    let crc = crc32c::crc32c_append(seed, &frame[4..]);
    frame[..4].copy_from_slice(&crc.to_le_bytes());
    patch(dir, segment, offset, &frame);
}

/// Changes a segment's header and gives it the CRC that fits.
fn forge_header(dir: &Path, segment: u32, at: usize, bytes: &[u8]) {
    let mut line = std::fs::read(path(dir, segment)).unwrap()[..64].to_vec();
    line[at..at + bytes.len()].copy_from_slice(bytes);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&line[..12]), &line[16..]);
    line[12..16].copy_from_slice(&crc.to_le_bytes());
    patch(dir, segment, 0, &line);
}

/// Where the first damage lies, its sequence, and what is said of it.
fn said(dir: &Path) -> (u32, u64, u64, String) {
    match read(dir) {
        Err(JournalError::Damaged { segment, offset, expected_seq, what }) => {
            (segment, offset, expected_seq, what)
        }
        other => panic!("not damaged: {:?}", other.map(|(slots, end)| (slots.len(), end))),
    }
}

/// Where the footer of a closed segment lies.
fn footer(dir: &Path, segment: u32) -> u64 {
    let bytes = std::fs::read(path(dir, segment)).unwrap();
    let last = bytes.chunks(LINE).rposition(|line| line[4] == Kind::Footer as u8).unwrap();
    (last * LINE) as u64
}

#[test]
fn a_frame_with_another_index_or_over_a_page_is_named() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 200, 1);
    let whole = std::fs::read(path(dir.path(), 0)).unwrap();
    let places = places(dir.path());
    let second = *places.windows(2).find(|pair| !pair[0].4).map(|pair| &pair[1]).unwrap();
    forge(dir.path(), 0, second.1, second.2, |frame| frame[5] += 1);
    let (_, offset, seq, what) = said(dir.path());
    assert_eq!((offset, seq, &what[..]), (second.1, second.3, "index 2 where 1 should be"));
    patch(dir.path(), 0, 0, &whole);

    let at_the_end = |place: &&(u32, u64, usize, u64, bool)| place.1 % 4096 == 4096 - 64;
    let last = *places.iter().find(at_the_end).expect("a frame at the end of a page");
    let longer = frame(Kind::Bar, last.3, 1, &mut Random(1));
    assert!(longer.len() > LINE);
    patch(dir.path(), 0, last.1, &longer[..32]);
    let (_, offset, seq, what) = said(dir.path());
    assert_eq!((offset, seq), (last.1, last.3), "{what}");
    assert!(what.ends_with("the frame crosses a page"), "{what}");
}

#[test]
fn a_footer_inside_a_slot_or_that_contradicts_its_frames_is_named() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 200, 2);
    let whole = std::fs::read(path(dir.path(), 0)).unwrap();
    let (last, footer) = (*places(dir.path()).last().unwrap(), footer(dir.path(), 0));
    forge(dir.path(), 0, last.1, last.2, |frame| frame[FLAGS_OFFSET] &= !LAST);
    let (_, offset, seq, what) = said(dir.path());
    assert_eq!((offset, seq, &what[..]), (footer, 199, "a footer inside a slot"));
    patch(dir.path(), 0, 0, &whole);

    for change in [
        (|footer: &mut Footer| footer.frames += 1) as fn(&mut Footer),
        |footer| footer.first_seq += 1,
        |footer| footer.last_seq += 1,
        |footer| footer.bytes += 64,
    ] {
        forge(dir.path(), 0, footer, size_of::<Footer>(), |frame| {
            let mut footer: Footer = bytemuck::pod_read_unaligned(frame);
            change(&mut footer);
            frame.copy_from_slice(bytemuck::bytes_of(&footer));
        });
        let (_, offset, seq, what) = said(dir.path());
        assert_eq!((offset, seq), (footer, 199));
        assert_eq!(what, "the footer contradicts the frames before it");
        patch(dir.path(), 0, 0, &whole);
    }
}

#[test]
fn a_header_that_contradicts_the_segment_before_it_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(&Options { epoch: 2, ..options(dir.path()) }).unwrap();
    append(&mut writer, 0, 1_000, &mut Random(3));
    writer.close().unwrap();
    let whole = std::fs::read(path(dir.path(), 1)).unwrap();
    let seq = Journal::open(dir.path()).unwrap().segments().nth(1).unwrap().header.base_seq;
    let check = |words: &str| {
        let (segment, offset, expected, what) = said(dir.path());
        assert_eq!((segment, offset, expected), (1, 0, seq), "{what}");
        assert!(what.contains(words), "{what}");
        patch(dir.path(), 1, 0, &whole);
    };
    forge_header(dir.path(), 1, 20, &1_u32.to_le_bytes());
    check("the epoch falls");
    forge_header(dir.path(), 1, 56, &[1]);
    check("a reserved byte of the header is not zero");
    patch(dir.path(), 1, 64, &[0; 8]);
    check("it follows another previous segment");

    Writer::resume(&options(dir.path())).unwrap().0.close().unwrap();
    let last = Journal::open(dir.path()).unwrap().segments().last().unwrap().header;
    forge_header(dir.path(), last.segment, 20, &2_u32.to_le_bytes());
    assert_eq!(said(dir.path()).3, "it follows the close of its own epoch");
}

#[test]
fn a_segment_whose_sealing_was_cut_off_inside_the_footer_is_read_on_through() {
    let dir = tempfile::tempdir().unwrap();
    let slots = closed(dir.path(), 1_000, 4);
    let last = Journal::open(dir.path()).unwrap().segments().last().unwrap().header.segment;
    for segment in [last - 1, last] {
        let mode = Permissions::from_mode(0o600);
        std::fs::set_permissions(path(dir.path(), segment), mode).unwrap();
    }
    patch(dir.path(), last - 1, footer(dir.path(), last - 1) + 64, &[0xA5; 64]);
    // Its digest never came to the next one.
    patch(dir.path(), last, 64, &[0; 8]);
    patch(dir.path(), last, footer(dir.path(), last), &[0; 128]);
    let (found, end) = read(dir.path()).unwrap();
    assert!(found == slots, "{} of {}", found.len(), slots.len());
    assert!(matches!(end, End::Open { .. }), "{end:?}");

    let next = std::fs::read(path(dir.path(), last)).unwrap();
    std::fs::write(path(dir.path(), last), vec![0; next.len()]).unwrap();
    let (segment, .., what) = said(dir.path());
    assert_eq!(segment, last - 1, "{what}");
}

fn follow(dir: &Path, position: Option<Position>) -> JournalError {
    let mut follower = match Follower::open(dir, position, Until::Durable) {
        Ok(follower) => follower,
        Err(error) => return error,
    };
    loop {
        match follower.next() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it read to the end"),
            Err(error) => return error,
        }
    }
}

#[test]
fn a_follower_names_what_is_wrong_below_its_limit() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 1_000, 5);
    let whole = std::fs::read(path(dir.path(), 1)).unwrap();
    let seq = Journal::open(dir.path()).unwrap().segments().nth(1).unwrap().header.base_seq;
    let check = |offset: u64, seq: u64, words: &str| {
        let error = follow(dir.path(), None);
        let JournalError::Damaged { segment, offset: at, expected_seq, what } = error else {
            panic!("{words}: {error}");
        };
        assert_eq!((segment, at, expected_seq), (1, offset, seq), "{what}");
        assert!(what.contains(words), "{what}");
        patch(dir.path(), 1, 0, &whole);
    };
    let place = *places(dir.path()).iter().find(|place| place.0 == 1).unwrap();
    forge(dir.path(), 1, place.1, place.2, |frame| frame[8] ^= 1);
    check(4_096, seq, "another frame");
    patch(dir.path(), 1, 4_096, &[0; 8_192]);
    check(4_096, seq, "zeros where a frame should be");

    let at = Some(Position { segment: 1, offset: 4_096, seq });
    let early = Some(Position { segment: 1, offset: 4_096, seq: seq - 1 });
    assert!(matches!(follow(dir.path(), early), JournalError::PositionGone { .. }));
    patch(dir.path(), 1, 0, &[b'x'; 64]);
    let error = follow(dir.path(), at);
    assert!(error.to_string().contains("header is not what was written"), "{error}");
    std::fs::remove_file(path(dir.path(), 1)).unwrap();
    let error = follow(dir.path(), at);
    assert!(error.to_string().contains("the segment is missing, or not in use"), "{error}");
}

#[test]
fn a_follower_without_a_sound_superblock_of_this_format_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 10, 6);
    let block = dir.path().join("superblock");
    let mut pages = std::fs::read(&block).unwrap();
    for copy in pages.chunks_mut(4_096) {
        copy[8] += 1;
        let crc = crc32c::crc32c_append(crc32c::crc32c(&copy[..12]), &copy[16..128]);
        copy[12..16].copy_from_slice(&crc.to_le_bytes());
    }
    std::fs::write(&block, &pages).unwrap();
    for error in [follow(dir.path(), None), Journal::open(dir.path()).unwrap_err()] {
        assert!(matches!(error, JournalError::NewerFormat { found: 2, known: 1, .. }), "{error}");
    }
    std::fs::write(&block, [0xA5; 8_192]).unwrap();
    assert!(matches!(follow(dir.path(), None), JournalError::SuperblockDamaged { .. }));
    std::fs::remove_file(&block).unwrap();
    assert!(matches!(follow(dir.path(), None), JournalError::NoSuperblock { .. }));
    std::fs::create_dir(&block).unwrap();
    assert!(matches!(follow(dir.path(), None), JournalError::NotAFile { .. }));
}

#[test]
fn a_follower_that_retention_overtakes_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 2_000, 7);
    let (writer, _) = Writer::resume(&options(dir.path())).unwrap();
    let mut follower = Follower::open(dir.path(), None, Until::Durable).unwrap();
    let followers = Vec::new();
    let limits =
        Limits { max_age_ns: None, max_bytes: Some(0), keep_from_seq: u64::MAX, followers };
    let removed = writer.retention().apply(&limits, 0).unwrap();
    let error = follower.next().unwrap_err();
    let JournalError::Retired { segment: 0, first } = error else { panic!("{error}") };
    assert_eq!(first, removed.first_segment);
}

#[test]
fn a_slot_of_one_line_is_the_one_that_begin_and_append_make() {
    let [dir, twin] = [0, 1].map(|_| tempfile::tempdir().unwrap());
    let mut writers = [&dir, &twin].map(|dir| Writer::create(&options(dir.path())).unwrap());
    assert_eq!(writers[0].epoch(), 1);
    let mut random = Random(8);
    for seq in 0..9_000 {
        let line = frame(Kind::Trade, seq, 0, &mut random);
        writers[0].append_slot(seq, line[..].try_into().unwrap()).unwrap();
        writers[0].publish();
        append_slot(&mut writers[1], seq, std::slice::from_ref(&line)).unwrap();
    }
    let stats = writers.map(|writer| writer.close().unwrap());
    assert!(stats[0].segments > 2 && stats[0].frames == stats[1].frames, "{stats:?}");
    assert!(read(dir.path()).unwrap() == read(twin.path()).unwrap());
    for segment in 0..stats[0].segments as u32 {
        let [ours, theirs] = [&dir, &twin].map(|d| std::fs::read(path(d.path(), segment)).unwrap());
        assert!(ours == theirs, "segment {segment}");
    }
    let journal = Journal::open(dir.path()).unwrap();
    let first = journal.frames().next().unwrap().unwrap();
    assert_eq!((first.kind(), first.tail().flags & LAST), (Kind::Trade, LAST));
    assert_eq!(first.get::<Trade>().map(|trade| trade.head.seq), Some(0));
    assert!(first.get::<Footer>().is_none());
    assert_eq!(strip(first.bytes), frame(Kind::Trade, 0, 0, &mut Random(8)));
}

#[test]
fn a_finding_names_the_file_that_it_lies_in() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path(), 1_000, 9);
    let (segment, offset, ..) = *places(dir.path()).iter().find(|place| place.0 == 1).unwrap();
    patch(dir.path(), segment, offset + 40, &[0xA5; 8]);
    let findings = verify(dir.path(), &mut |_| ()).unwrap().findings;
    let file = path(dir.path(), 1);
    assert_eq!(file.file_name().unwrap().to_str().unwrap(), findings[0].file_name());
}
