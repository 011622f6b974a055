//! Any bit that rots is found, and named where it lies; one rotten copy of the superblock never matters.
//!
//! `GRANDMODEL_FLIPS=8388608 GRANDMODEL_SUPERBLOCK_FLIPS=65536 cargo test --release -p journal --test journal
//! rot -- --nocapture` flips every bit of a segment of 1 MiB, and of the superblock, on all cores.

use crate::support::{Random, append_slot, campaign, options, slot};
use journal::floor::Crc;
use journal::header::file_name;
use journal::sim::Sim;
use journal::{Journal, Options, Writer, recover_on, verify_on};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

const MIB: usize = 1 << 20;

fn dir() -> &'static Path {
    Path::new("/sim")
}

fn segment(number: u32) -> PathBuf {
    dir().join(file_name(number))
}

/// A closed journal whose first segment is full, with this many slots behind it.
fn closed(sim: &Sim, segment_bytes: usize, behind: u64) -> u64 {
    let segment_bytes = segment_bytes as u64;
    let options = Options { segment_bytes, ready_segments: 1, ..options(dir()) };
    let mut writer = Writer::create_on(Arc::new(sim.clone()), &options, true).unwrap();
    let (mut random, mut seq, mut more) = (Random(5), 0, behind);
    while more > 0 {
        append_slot(&mut writer, seq, &slot(seq, &mut random)).unwrap();
        seq += 1;
        more -= u64::from(writer.stats().segments > 1);
    }
    writer.close().unwrap();
    seq
}

/// Offset, length and sequence of each frame of the first segment, its footer as the last one.
fn frames(sim: &Sim) -> Vec<(usize, usize, u64)> {
    let journal = Journal::open_on(sim, dir()).unwrap();
    let mut frames = journal.frames();
    let mut places = Vec::new();
    while let Some(frame) = frames.next().unwrap() {
        if frame.segment == 0 {
            places.push((frame.offset as usize, frame.bytes.len(), frame.head().seq));
        }
    }
    places
}

/// Where a finding about this byte must be, and for which sequence.
fn expected(places: &[(usize, usize, u64)], at: usize) -> (usize, u64) {
    let footer = {
        let (offset, len, _) = *places.last().unwrap();
        let end = offset + len;
        if end % 4096 + 128 > 4096 { end.next_multiple_of(4096) } else { end }
    };
    let last_seq = places.last().unwrap().2;
    let next = places.partition_point(|(offset, ..)| *offset <= at);
    match next.checked_sub(1).map(|n| places[n]) {
        None => (if at < 128 { 0 } else { at }, 0),
        Some((offset, len, seq)) if at < offset + len => (offset, seq),
        // Padding is named by where it begins.
        Some((offset, len, _)) if at < footer => {
            (offset + len, places[next.min(places.len() - 1)].2)
        }
        Some(_) if at < footer + 128 => (footer, last_seq),
        Some(_) => (at, last_seq + 1),
    }
}

/// Flips each of these bits once: how many were found, and how many of them named where they lie.
fn flip(
    sim: &Sim,
    places: &[(usize, usize, u64)],
    bits: impl Iterator<Item = usize>,
) -> (u64, u64) {
    let (mut found, mut located) = (0, 0);
    for bit in bits {
        let flip = |bytes: &mut [u8]| bytes[bit / 8] ^= 1 << (bit % 8);
        sim.rot(&segment(0), flip);
        let report = verify_on(sim, dir(), &mut |_| ()).unwrap();
        sim.rot(&segment(0), flip);
        let Some(finding) = report.findings.first() else { continue };
        found += 1;
        let place = (finding.offset as usize, finding.expected_seq);
        // Where the segment has lost its read-only mode, as after a cut, a footer of a roll that rots looks like a
        // sealing that was cut off: the next segment's digest of it names it.
        let (offset, len, seq) = places[places.len() - 1];
        let in_footer = (offset + len..offset + len + 128).contains(&(bit / 8));
        let by_the_next = (finding.segment, place) == (1, (0, seq + 1)) && in_footer;
        let by_itself = finding.segment == 0 && place == expected(places, bit / 8);
        located += u64::from(by_itself || by_the_next);
    }
    assert!(verify_on(sim, dir(), &mut |_| ()).unwrap().is_sealed());
    (found, located)
}

#[test]
fn every_bit_that_rots_in_a_segment_is_found_and_named() {
    let (flips, seed) = campaign("GRANDMODEL_FLIPS", 1_500);
    let started = Instant::now();
    let sim = Sim::new();
    closed(&sim, MIB, 3);
    let places = frames(&sim);
    let total = (MIB * 8) as u64;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let counts = std::thread::scope(|scope| {
        let mut counts = Vec::new();
        for first in 0..threads as u64 {
            // A disk of its own, whose files are no longer mapped: a look at one then copies nothing.
            let (sim, places) = (sim.after_cut(&[]), &places);
            // A step that is prime to the total: as many flips as bits are every bit once.
            let bit = move |n| ((n * 2_654_435_761 + seed) % total) as usize;
            let bits = (first..flips).step_by(threads).map(bit);
            counts.push(scope.spawn(move || flip(&sim, places, bits)));
        }
        counts.into_iter().map(|count| count.join().unwrap()).collect::<Vec<_>>()
    });
    let (found, located) = counts.iter().fold((0, 0), |sum, n| (sum.0 + n.0, sum.1 + n.1));
    println!(
        "bit rot: seed {seed}, {flips} flips of {total} bits, {found} found, {located} located, {:.1} s",
        started.elapsed().as_secs_f64()
    );
    assert_eq!(found, flips);
    assert_eq!(located, flips);
}

#[test]
fn every_bit_round_a_footer_is_found_and_named_with_the_read_only_mode_and_without() {
    let sim = Sim::new();
    closed(&sim, MIB, 3);
    let places = frames(&sim);
    let (offset, len, _) = places[places.len() - 1];
    let bits = || offset * 8..(offset + len + 256) * 8;
    let count = bits().len() as u64;
    for sim in [sim.after_cut(&[]), sim] {
        assert_eq!(flip(&sim, &places, bits()), (count, count));
    }
}

#[test]
fn every_pair_of_bits_of_a_frame_changes_its_crc() {
    let sim = Sim::new();
    closed(&sim, 256 << 10, 1);
    let journal = Journal::open_on(&sim, dir()).unwrap();
    let mut frames = journal.frames();
    let (crc, mut pairs, mut seen) = (Crc::detect(), 0, 0);
    while let Some(frame) = frames.next().unwrap() {
        if frame.bytes.len() != 64 || seen == 3 {
            continue;
        }
        seen += 1;
        let whole = crc.of(frame.bytes, 7);
        let mut bytes = frame.bytes.to_vec();
        for a in 32..512 {
            bytes[a / 8] ^= 1 << (a % 8);
            assert_ne!(crc.of(&bytes, 7), whole);
            for b in a + 1..512 {
                bytes[b / 8] ^= 1 << (b % 8);
                assert_ne!(crc.of(&bytes, 7), whole, "bits {a} and {b}");
                bytes[b / 8] ^= 1 << (b % 8);
                pairs += 1;
            }
            bytes[a / 8] ^= 1 << (a % 8);
        }
    }
    println!("pairs of bits: {pairs}, 0 missed");
    assert!(pairs > 300_000);
}

#[test]
fn one_rotten_copy_of_the_superblock_is_seen_and_never_matters() {
    let (flips, _) = campaign("GRANDMODEL_SUPERBLOCK_FLIPS", 2_000);
    let sim = Sim::new();
    let slots = closed(&sim, 256 << 10, 1);
    let block = dir().join("superblock");
    let total = 8_192 * 8_u64;
    for n in 0..flips.min(total) {
        let bit = (n * 40_503 % total) as usize;
        let flip = |bytes: &mut [u8]| bytes[bit / 8] ^= 1 << (bit % 8);
        sim.rot(&block, flip);
        let report = verify_on(&sim, dir(), &mut |_| ()).unwrap();
        assert!(report.is_sealed(), "bit {bit}: {report:?}");
        assert_eq!((report.superblock_copies, report.durable), (1, Some(slots)), "bit {bit}");
        assert_eq!(recover_on(&sim, dir(), false).unwrap().next_seq, slots, "bit {bit}");
        sim.rot(&block, flip);
    }
    println!("superblock rot: {} flips of {total} bits, all seen, all recovered", flips.min(total));
}

/// The canary: a rotten byte under a CRC that was made to fit is not seen by frames, but by the digest.
#[test]
fn a_change_under_a_valid_crc_is_found_by_the_digest_only() {
    let sim = Sim::new();
    closed(&sim, 256 << 10, 1);
    let (offset, len, _) = frames(&sim)[40];
    sim.rot(&segment(0), |bytes| {
        bytes[offset + 33] ^= 1;
        let seed =
            crc32c::crc32c_append(crc32c::crc32c(&1_u32.to_le_bytes()), &0_u32.to_le_bytes());
        let crc = crc32c::crc32c_append(seed, &bytes[offset + 4..offset + len]);
        bytes[offset..offset + 4].copy_from_slice(&crc.to_le_bytes());
    });
    let report = verify_on(&sim, dir(), &mut |_| ()).unwrap();
    let [finding] = &report.findings[..] else { panic!("{report:?}") };
    assert!(finding.what.contains("digest"), "{finding:?}");
}
