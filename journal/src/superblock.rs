//! `DIR/superblock`: what a recovery must know and frames cannot tell.
//!
//! ```text
//!  0 ┌──────────────── copy A: even generations ─────────────────┐ 4096 ┌──── copy B: odd ────┐
//!    │        0       1       2       3       4       5       6       7
//!    │    ┌───────────────────────────────────────────────────────────────┐
//!    │  0 │ magic: 89 'G' 'M' 'S' CR LF 1A LF                             │
//!    │    ├───────────────┬───────────────┬───────────────────────────────┤
//!    │  8 │ version       │ len (128)     │ crc32c                        │
//!    │    ├───────────────┴───────────────┴───────────────────────────────┤
//!    │ 16 │ generation                                                    │
//!    │    ├───────────────────────────────┬───────────────────────────────┤
//!    │ 24 │ epoch                         │ chain                         │
//!    │    ├───────────────────────────────┼───────────────────────────────┤
//!    │ 32 │ first_segment                 │ last_segment                  │
//!    │    ├───────────────────────────────┴───────────────────────────────┤
//!    │ 40 │ durable (sequences below it are)                              │
//!    │ 48 │ first_seq (of the first segment)                              │
//!    │ 56 │ chain_first_seq                                               │
//!    │ 64 │ reserved                                             64 bytes │
//!    │    ├───────────────────────────────────────────────────────────────┤
//!    │ 128│ zeros to 4096                                                 │
//! ```
//!
//! Two pages, written by turns: the valid copy of the higher generation wins, so a write that is torn or
//! lost leaves the one before it. What a reader must never see the older side of (the epoch, the first
//! segment, a close) is written to both. `crc32c` covers bytes 0..12 and 16..128; the rest of a copy's
//! page is zero, and checked. A copy lies in one 512-byte sector.
//!
//! Segments `first_segment..=last_segment` hold the durable sequences, and all of them must be there:
//! so a lost file is told from one that was never made.
//!
//! A journal without this file was written by an earlier build: it can be read, with `durable` = 0, but
//! not continued, because nothing tells there a torn tail from rotted records.

use crate::error::JournalError;
use crate::frame::is_zero;
use crate::header::PAGE;
use crate::store::{Store, StoreFile};
use bytemuck::{Pod, Zeroable};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Its name in the journal's directory.
pub const FILE_NAME: &str = "superblock";
/// Version of its format that this build writes, and the newest that it reads.
pub const VERSION: u16 = 1;
const MAGIC: [u8; 8] = [0x89, b'G', b'M', b'S', b'\r', b'\n', 0x1A, b'\n'];
const LEN: usize = 128;
const CRC_AT: usize = 12;
const CRC_END: usize = 16;

/// One copy, as it lies in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Superblock {
    magic: [u8; 8],
    version: u16,
    len: u16,
    crc32c: u32,
    /// Counts writes; the higher one is the newer.
    pub generation: u64,
    /// Life of the directory that writes, from 1: on disk before the first frame of that epoch.
    pub epoch: u32,
    /// Number of the chain of runs that can be replayed as one, from 1.
    pub chain: u32,
    /// First segment that was not removed by retention.
    pub first_segment: u32,
    /// Segment that holds the end of what is durable.
    pub last_segment: u32,
    /// Every sequence below it is on the disk.
    pub durable: u64,
    /// First sequence of the first segment.
    pub first_seq: u64,
    /// First sequence of the chain.
    pub chain_first_seq: u64,
    reserved: [u64; 8],
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<Superblock>() == LEN);
    assert!(offset_of!(Superblock, magic) == 0);
    assert!(offset_of!(Superblock, version) == 8);
    assert!(offset_of!(Superblock, len) == 10);
    assert!(offset_of!(Superblock, crc32c) == CRC_AT);
    assert!(offset_of!(Superblock, generation) == CRC_END);
    assert!(offset_of!(Superblock, epoch) == 24);
    assert!(offset_of!(Superblock, chain) == 28);
    assert!(offset_of!(Superblock, first_segment) == 32);
    assert!(offset_of!(Superblock, last_segment) == 36);
    assert!(offset_of!(Superblock, durable) == 40);
    assert!(offset_of!(Superblock, first_seq) == 48);
    assert!(offset_of!(Superblock, chain_first_seq) == 56);
    assert!(offset_of!(Superblock, reserved) == 64);
};

/// What a superblock file turned out to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    /// There is none.
    Absent,
    /// The newer of the whole copies, how many there are, and whether anything lies behind them.
    Whole(Superblock, u8, bool),
    /// No copy is whole.
    Damaged(&'static str),
    /// Written by a newer format.
    Newer(u16),
}

/// Why a page is no copy.
enum Flaw {
    Damaged(&'static str),
    Newer(u16),
}

impl Superblock {
    /// Of a new journal.
    pub(crate) fn new(epoch: u32) -> Self {
        let (version, len) = (VERSION, LEN as u16);
        Self { magic: MAGIC, version, len, epoch, chain: 1, ..Self::zeroed() }
    }

    /// A copy's bytes, CRC included.
    fn sealed(mut self) -> [u8; LEN] {
        self.crc32c = crc_of(bytemuck::bytes_of(&self));
        bytemuck::cast(self)
    }

    /// One copy from its page, or why it is none.
    fn read(page: &[u8]) -> Result<Self, Flaw> {
        let Some(bytes) = page.get(..LEN) else {
            return Err(Flaw::Damaged("the file is too short"));
        };
        let copy: Self = bytemuck::pod_read_unaligned(bytes);
        if copy.magic != MAGIC {
            return Err(Flaw::Damaged("the magic bytes are wrong"));
        }
        if copy.crc32c != crc_of(bytes) {
            return Err(Flaw::Damaged("the CRC does not match"));
        }
        if copy.version > VERSION {
            return Err(Flaw::Newer(copy.version));
        }
        let rest_is_zero = copy.reserved == [0; 8] && is_zero(&page[LEN..]);
        if usize::from(copy.len) != LEN || !rest_is_zero || page.len() != PAGE {
            return Err(Flaw::Damaged("a reserved byte is not zero"));
        }
        Ok(copy)
    }

    /// Judges the file's bytes. What was appended to them is no damage of a copy.
    pub(crate) fn judge(bytes: &[u8]) -> Found {
        let longer = bytes.len() > 2 * PAGE;
        let (a, b) = bytes[..bytes.len().min(2 * PAGE)].split_at(bytes.len().min(PAGE));
        match (Self::read(a), Self::read(b)) {
            (Ok(a), Ok(b)) => {
                Found::Whole(if a.generation > b.generation { a } else { b }, 2, longer)
            }
            // A newer build wrote the other one: what this one says may be long past.
            (Err(Flaw::Newer(version)), _) | (_, Err(Flaw::Newer(version))) => {
                Found::Newer(version)
            }
            (Ok(one), Err(_)) | (Err(_), Ok(one)) => Found::Whole(one, 1, longer),
            (Err(Flaw::Damaged(why)), Err(_)) => Found::Damaged(why),
        }
    }

    /// Reads a journal's superblock.
    pub(crate) fn find(store: &dyn Store, dir: &Path) -> Result<Found, JournalError> {
        let path = dir.join(FILE_NAME);
        match store.head(&path, 2 * PAGE + 1) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Absent),
            Err(error) => Err(JournalError::io("open", &path)(error)),
            Ok(None) => Err(JournalError::NotAFile { path }),
            // A copy: a writer may be alive, and a check must see what is then used.
            Ok(Some(bytes)) => Ok(Self::judge(&bytes)),
        }
    }
}

fn crc_of(copy: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&copy[..CRC_AT]), &copy[CRC_END..LEN])
}

/// The open file, and what its newest copy says. Never used by the writer's thread.
#[derive(Debug)]
pub(crate) struct SuperblockFile {
    file: Arc<dyn StoreFile>,
    path: PathBuf,
    now: Superblock,
}

impl SuperblockFile {
    /// Makes the file, both copies, durable with its name.
    pub(crate) fn create(
        store: &dyn Store,
        dir: &Path,
        now: Superblock,
    ) -> Result<Self, JournalError> {
        let path = dir.join(FILE_NAME);
        let bytes = 2 * PAGE as u64;
        let disk = |action| JournalError::disk(action, &path, "the superblock", bytes);
        let file = store.create(&path).map_err(disk("create"))?;
        let mut pages = [0; 2 * PAGE];
        for (page, generation) in pages.chunks_mut(PAGE).zip(0..) {
            page[..LEN].copy_from_slice(&Superblock { generation, ..now }.sealed());
        }
        file.write_at(&pages, 0).map_err(disk("write"))?;
        file.sync().map_err(disk("sync"))?;
        store.sync_dir(dir).map_err(disk("sync the directory of"))?;
        Ok(Self { file, path, now: Superblock { generation: 1, ..now } })
    }

    /// Opens the file whose newest copy says `now`.
    pub(crate) fn open(
        store: &dyn Store,
        dir: &Path,
        now: Superblock,
    ) -> Result<Self, JournalError> {
        let path = dir.join(FILE_NAME);
        let file = store.open(&path).map_err(JournalError::io("open", &path))?;
        // What was appended to it goes; readers copy, so the cut takes no page from under them.
        file.reserve(2 * PAGE as u64).map_err(JournalError::io("set the length of", &path))?;
        Ok(Self { file, path, now })
    }

    /// What the newest copy says.
    pub(crate) fn now(&self) -> &Superblock {
        &self.now
    }

    /// Writes the change to the older copy and syncs it: on the disk when this returns.
    pub(crate) fn store(
        &mut self,
        change: impl FnOnce(&mut Superblock),
    ) -> Result<(), JournalError> {
        let mut next = self.now;
        change(&mut next);
        next.generation = self.now.generation + 1;
        let mut page = [0; PAGE];
        page[..LEN].copy_from_slice(&next.sealed());
        let at = (next.generation % 2) * PAGE as u64;
        self.file.write_at(&page, at).map_err(JournalError::io("write", &self.path))?;
        self.file.sync_data().map_err(JournalError::io("sync", &self.path))?;
        self.now = next;
        Ok(())
    }

    /// Writes the change to both copies, one after the other: no single damage brings the old back.
    pub(crate) fn store_both(
        &mut self,
        change: impl FnOnce(&mut Superblock),
    ) -> Result<(), JournalError> {
        self.store(change)?;
        self.store(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(a: Superblock, b: Superblock) -> Vec<u8> {
        let mut bytes = vec![0; 2 * PAGE];
        bytes[..LEN].copy_from_slice(&a.sealed());
        bytes[PAGE..PAGE + LEN].copy_from_slice(&b.sealed());
        bytes
    }

    fn copies() -> (Superblock, Superblock) {
        let older = Superblock { generation: 7, durable: 100, ..Superblock::new(3) };
        (Superblock { generation: 8, durable: 200, last_segment: 4, ..older }, older)
    }

    #[test]
    fn the_newer_copy_wins_wherever_it_lies() {
        let (newer, older) = copies();
        let Found::Whole(found, 2, false) = Superblock::judge(&pages(newer, older)) else {
            panic!()
        };
        assert_eq!((found.generation, found.durable, found.last_segment), (8, 200, 4));
        let Found::Whole(found, 2, false) = Superblock::judge(&pages(older, newer)) else {
            panic!()
        };
        assert_eq!((found.generation, found.durable, found.epoch), (8, 200, 3));
    }

    #[test]
    fn what_was_appended_hides_no_copy() {
        let (newer, older) = copies();
        for extra in [1, PAGE] {
            let mut bytes = pages(older, newer);
            bytes.resize(2 * PAGE + extra, 7);
            let Found::Whole(found, 2, true) = Superblock::judge(&bytes) else { panic!("{extra}") };
            assert_eq!(found.durable, 200);
        }
    }

    #[test]
    fn every_flipped_bit_loses_its_own_copy_and_never_the_other() {
        let (newer, older) = copies();
        let whole = pages(newer, older);
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let Found::Whole(found, 1, false) = Superblock::judge(&bytes) else {
                panic!("bit {bit}")
            };
            let expected = if bit < PAGE * 8 { 100 } else { 200 };
            assert_eq!(found.durable, expected, "bit {bit}");
        }
    }

    #[test]
    fn no_whole_copy_is_damage_a_newer_one_is_refused() {
        let (newer, older) = copies();
        let mut bytes = pages(newer, older);
        for at in [20, PAGE + 20] {
            bytes[at] ^= 1;
        }
        assert!(matches!(Superblock::judge(&bytes), Found::Damaged(_)));
        for len in [0, 1, LEN - 1] {
            assert!(matches!(Superblock::judge(&bytes[..len]), Found::Damaged(_)), "{len}");
        }
        let future = Superblock { version: VERSION + 1, ..older };
        assert_eq!(Superblock::judge(&pages(newer, future)), Found::Newer(2));
        assert!(matches!(
            Superblock::judge(&pages(newer, older)[..PAGE]),
            Found::Whole(_, 1, false)
        ));
    }
}
