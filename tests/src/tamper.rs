//! Journals with a lie in them: a frame changed in its file under a valid CRC, or a journal written
//! again with frames left out or added.

use crate::recording::Recording;
use journal::{Journal, Options, Writer};
use ringbuf_layout::frame::Kind;
use std::fs::{File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where a frame lies.
#[derive(Clone, Debug)]
pub struct Place {
    /// The segment's file.
    pub path: PathBuf,
    /// Number of the segment.
    pub segment: u32,
    /// Epoch that wrote it.
    pub epoch: u32,
    /// First byte of the frame.
    pub offset: u64,
    /// The frame as it lies there.
    pub bytes: Vec<u8>,
}

/// The frames of these kinds, in order.
///
/// # Panics
/// If the journal cannot be read.
pub fn places(dir: &Path, kind: Kind) -> Vec<Place> {
    let journal = Journal::open(dir).expect("a journal");
    let segments: Vec<_> = journal.segments().collect();
    let mut frames = journal.frames();
    let mut places = Vec::new();
    while let Some(frame) = frames.next().expect("whole frames") {
        if frame.kind() == kind {
            let info = &segments[frame.segment as usize];
            places.push(Place {
                path: info.path.clone(),
                segment: frame.segment,
                epoch: info.header.epoch,
                offset: frame.offset,
                bytes: frame.bytes.to_vec(),
            });
        }
    }
    places
}

/// Overwrites bytes of a file, sealed or not; its permissions stay.
///
/// # Panics
/// If the file cannot be written.
pub fn patch(path: &Path, offset: u64, bytes: &[u8]) {
    let mode = std::fs::metadata(path).expect("a file").permissions();
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).expect("our own file");
    let file = File::options().write(true).open(path).expect("our own file");
    file.write_all_at(bytes, offset).expect("room in the file");
    std::fs::set_permissions(path, mode).expect("our own file");
}

/// Changes a frame in its file and gives it a CRC that fits: seeded with epoch and segment, over all
/// bytes behind itself.
pub fn rewrite(place: &Place, change: impl FnOnce(&mut [u8])) {
    let mut bytes = place.bytes.clone();
    change(&mut bytes);
    let seed = crc32c::crc32c(&place.epoch.to_le_bytes());
    let seed = crc32c::crc32c_append(seed, &place.segment.to_le_bytes());
    let crc = crc32c::crc32c_append(seed, &bytes[4..]);
    bytes[..4].copy_from_slice(&crc.to_le_bytes());
    patch(&place.path, place.offset, &bytes);
}

/// Writes a journal again, slot by slot, with `edit` applied to the frames of each slot.
///
/// # Panics
/// If either journal fails.
pub fn write_again(from: &Path, to: &Path, mut edit: impl FnMut(&mut Vec<Vec<u8>>)) {
    let (recording, _) = Recording::read(from).expect("a whole journal");
    let mut writer = Writer::create(&Options::new(to)).expect("a new journal");
    let mut slots: Vec<Vec<Vec<u8>>> = Vec::new();
    for frame in recording.frames() {
        if frame.kind().is_input() {
            slots.push(Vec::new());
        }
        slots.last_mut().expect("a slot begins with its input").push(frame.bytes().to_vec());
    }
    for (seq, mut slot) in (0..).zip(slots) {
        edit(&mut slot);
        writer.begin(seq).expect("room");
        let count = slot.len();
        for (index, frame) in slot.iter_mut().enumerate() {
            frame[5] = index as u8;
            writer.append(frame, index + 1 == count);
        }
    }
    writer.close().expect("a closed journal");
    copy_objects(from, to);
}

/// Writes the first slots of a journal again and leaves it as a kill would: no footer, spares in place.
///
/// # Panics
/// If either journal fails, or the first is shorter.
pub fn killed_after(from: &Path, to: &Path, slots: u64) {
    let (recording, _) = Recording::read(from).expect("a whole journal");
    let options = Options { segment_bytes: 1 << 20, ..Options::new(to) };
    let mut writer = Writer::create(&options).expect("a new journal");
    let frames: Vec<_> = recording.frames().take_while(|f| f.head().seq < slots).collect();
    for (i, frame) in frames.iter().enumerate() {
        if frame.kind().is_input() {
            writer.begin(frame.head().seq).expect("room");
        }
        let is_last = frames.get(i + 1).is_none_or(|next| next.kind().is_input());
        writer.append(frame.bytes(), is_last);
    }
    writer.publish();
    assert_eq!(writer.next_seq(), slots, "Condition failed: so many slots");
    drop(writer);
    copy_objects(from, to);
}

fn copy_objects(from: &Path, to: &Path) {
    let target = to.join("objects");
    std::fs::create_dir_all(&target).expect("a new directory");
    for entry in std::fs::read_dir(from.join("objects")).expect("objects") {
        let entry = entry.expect("an object");
        std::fs::copy(entry.path(), target.join(entry.file_name())).expect("a copy");
    }
}
