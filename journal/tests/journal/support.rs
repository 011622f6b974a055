//! Slots of random frames, a journal of them, and what a reader makes of it.
#![allow(dead_code)] // Two test binaries share it.

use journal::sim::Sim;
use journal::{
    End, Follower, Journal, JournalError, Options, Position, SyncBackend, Until, Writer,
};
use ringbuf_layout::frame::{FLAGS_OFFSET, Header, Kind, LAST, fields_of};
use std::fs::{File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A frame without CRC and `last` bit, and the frames of one input.
pub type Bytes = Vec<u8>;
pub type Slot = Vec<Bytes>;

/// The smallest segment, so that a test rolls often.
pub const SMALL: u64 = journal::header::SEGMENT_BYTES_MIN;

/// A small stream of random numbers (`SplitMix64`), the same on every machine.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// A frame as it lies in the ring: random content, CRC and `last` bit 0.
pub fn frame(kind: Kind, seq: u64, index: u8, random: &mut Random) -> Vec<u8> {
    let len = fields_of(kind).1;
    let mut bytes: Vec<u8> = (0..len / 8).flat_map(|_| random.next().to_le_bytes()).collect();
    let ts = 1_000 + seq as i64;
    let head = Header {
        crc32c: 0,
        kind: kind as u8,
        index,
        len: len as u16,
        seq,
        ts_event: ts,
        ts_recv: ts,
    };
    bytes[..32].copy_from_slice(bytemuck::bytes_of(&head));
    bytes[FLAGS_OFFSET] &= !LAST;
    bytes
}

/// One slot: an input and up to 19 outputs, of 64 to 576 bytes.
pub fn slot(seq: u64, random: &mut Random) -> Slot {
    let inputs = [Kind::Trade, Kind::Trade, Kind::Quote, Kind::Timer];
    let outputs =
        [Kind::Verdict, Kind::Bar, Kind::Indicator, Kind::Decision, Kind::Order, Kind::StateHash];
    // Miri's segments are small.
    let most = if cfg!(miri) { 4 } else { 20 };
    let more = if random.below(4) == 0 { random.below(most) as u8 } else { 0 };
    let mut frames = vec![frame(inputs[random.below(4)], seq, 0, random)];
    for index in 1..=more {
        frames.push(frame(outputs[random.below(6)], seq, index, random));
    }
    frames
}

pub fn options(dir: &Path) -> Options {
    let sync_backend = SyncBackend::Off;
    Options { segment_bytes: SMALL, created_ns: 7, sync_backend, ..Options::new(dir) }
}

/// Appends whole slots until there are `until`, and returns them.
pub fn append(writer: &mut Writer, from: u64, until: u64, random: &mut Random) -> Vec<Slot> {
    (from..until)
        .map(|seq| {
            let slot = slot(seq, random);
            append_slot(writer, seq, &slot).unwrap();
            slot
        })
        .collect()
}

pub fn append_slot(writer: &mut Writer, seq: u64, slot: &[Bytes]) -> Result<(), JournalError> {
    writer.begin(seq)?;
    for (index, frame) in slot.iter().enumerate() {
        writer.append(frame, index + 1 == slot.len());
    }
    writer.publish();
    Ok(())
}

/// Reads all whole slots, without CRC and `last` bit, and how it ends.
pub fn read(dir: &Path) -> Result<(Vec<Slot>, End), JournalError> {
    let journal = Journal::open(dir)?;
    let mut frames = journal.frames();
    let (mut slots, mut slot) = (Vec::new(), Vec::new());
    while let Some(frame) = frames.next()? {
        let mut bytes = frame.bytes.to_vec();
        bytes[..4].fill(0);
        bytes[FLAGS_OFFSET] &= !LAST;
        slot.push(bytes);
        if frame.is_last() {
            slots.push(std::mem::take(&mut slot));
        }
    }
    assert!(slot.is_empty(), "only whole slots are yielded");
    Ok((slots, frames.end().expect("it has ended").clone()))
}

/// Whole slots read before the damage, and the damage: segment, offset, expected sequence. Opening
/// never fails of damage.
pub fn damage(dir: &Path) -> (u64, (u32, u64, u64)) {
    let journal = Journal::open(dir).unwrap();
    let mut frames = journal.frames();
    let mut slots = 0;
    loop {
        match frames.next() {
            Ok(Some(frame)) => slots += u64::from(frame.is_last()),
            Ok(None) => panic!("not damaged: {slots} slots, {:?}", frames.end()),
            Err(error) => {
                assert!(error.is_damage(), "{error}");
                let JournalError::Damaged { segment, offset, expected_seq, .. } = error else {
                    panic!("{error}");
                };
                return (slots, (segment, offset, expected_seq));
            }
        }
    }
}

/// A closed journal of this many random slots.
pub fn closed(dir: &Path, slots: u64, seed: u64) -> Vec<Slot> {
    let mut writer = Writer::create(&options(dir)).unwrap();
    let slots = append(&mut writer, 0, slots, &mut Random(seed));
    writer.close().unwrap();
    slots
}

pub fn path(dir: &Path, segment: u32) -> PathBuf {
    dir.join(format!("segment-{segment:08}.gmj"))
}

/// A segment's file to be damaged, sealed or not; the permissions stay.
pub fn writable(dir: &Path, segment: u32) -> File {
    let path = path(dir, segment);
    let mode = std::fs::metadata(&path).unwrap().permissions();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    std::fs::set_permissions(&path, mode).unwrap();
    file
}

/// Overwrites bytes of a segment.
pub fn patch(dir: &Path, segment: u32, offset: u64, bytes: &[u8]) {
    writable(dir, segment).write_all_at(bytes, offset).unwrap();
}

/// Rewrites bytes of the first segment's header with a valid CRC.
pub fn patch_header(dir: &Path, at: usize, bytes: &[u8]) {
    let mut page = std::fs::read(path(dir, 0)).unwrap();
    page[at..at + bytes.len()].copy_from_slice(bytes);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&page[..12]), &page[16..64]);
    page[12..16].copy_from_slice(&crc.to_le_bytes());
    patch(dir, 0, 0, &page[..64]);
}

/// Places of all frames in reading order: segment, offset, length, sequence, last.
pub fn places(dir: &Path) -> Vec<(u32, u64, usize, u64, bool)> {
    let journal = Journal::open(dir).unwrap();
    let mut frames = journal.frames();
    let mut places = Vec::new();
    while let Some(frame) = frames.next().unwrap() {
        let seq = frame.head().seq;
        places.push((frame.segment, frame.offset, frame.bytes.len(), seq, frame.is_last()));
    }
    places
}

/// Files of segments in the directory, spares included.
pub fn segment_files(dir: &Path) -> usize {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    entries.filter(|name| name.to_string_lossy().ends_with(".gmj")).count()
}

/// As `options`, synced: on a simulated disk, when something waits, a segment was rolled or the journal is closed.
pub fn synced(dir: &Path) -> Options {
    Options { sync_backend: SyncBackend::Msync, ..options(dir) }
}

/// A frame as it lay in the ring: without CRC and `last` bit.
pub fn strip(frame: &[u8]) -> Bytes {
    let mut bytes = frame.to_vec();
    bytes[..4].fill(0);
    bytes[FLAGS_OFFSET] &= !LAST;
    bytes
}

/// How many cases a campaign runs, by its variable, and the seed it begins with.
pub fn campaign(variable: &str, reduced: u64) -> (u64, u64) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    (number(variable).unwrap_or(reduced), number("GRANDMODEL_SEED").unwrap_or(1))
}

/// A directory in memory where there is one: thousands of journals are made there.
pub fn memory_dir() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::tempdir_in(parent).unwrap()
}

/// A follower in the writer's process read 40 slots, of which a power cut left 20: the disk after the cut,
/// and the follower's place.
pub fn read_then_cut(dir: &Path) -> (Sim, Position) {
    let sim = Sim::new();
    let mut writer = Writer::create_on(Arc::new(sim.clone()), &synced(dir), true).unwrap();
    append(&mut writer, 0, 20, &mut Random(3));
    writer.durability().want(19);
    writer.pump();
    append(&mut writer, 20, 40, &mut Random(4));
    let until = Until::Journaled(writer.watermark());
    let mut follower = Follower::open_on(Arc::new(sim.clone()), dir, None, until).unwrap();
    while follower.next().unwrap().is_some() {}
    assert_eq!(follower.position().seq, 40);
    (sim.after_cut(&[]), follower.position())
}

/// Waits for something that another thread or process does, and fails by name if it never does.
pub fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let started = std::time::Instant::now();
    while !done() {
        assert!(started.elapsed().as_secs() < 60, "no sign of {what}");
        std::thread::sleep(std::time::Duration::from_micros(100));
    }
}

/// Tries again while the lock is held: another test's child holds it too, from its fork to its exec.
pub fn unlocked<T>(mut work: impl FnMut() -> Result<T, JournalError>) -> Result<T, JournalError> {
    let mut result = None;
    wait_for("the lock", || {
        let done = work();
        let locked = matches!(done, Err(JournalError::Locked { .. }));
        result = Some(done);
        !locked
    });
    result.expect("it was tried")
}
