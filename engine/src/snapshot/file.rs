//! The bytes of a snapshot.
//!
//! ```text
//!        0       1       2       3       4       5       6       7
//!    ┌───────────────────────────────────────────────────────────────┐
//!  0 │ magic: 89 'G' 'M' 'S' CR LF 1A LF                             │
//!    ├───────────────┬───────────────┬───────────────────────────────┤
//!  8 │ version       │ sections      │ epoch                         │
//!    ├───────────────┴───────────────┴───────────────────────────────┤
//! 16 │ layout (XXH3-64 of all field tables of records)               │
//! 24 │ seq: it stands after this input                               │
//! 32 │ engine_time                                                   │
//! 40 │ semantic_hash [0..8]                                          │
//! 48 │ manifest (SHA-256 of the manifest object)            32 bytes │
//! 80 │ build, zero-padded                                   32 bytes │
//! 112│ input_crc (of the frame of seq)│ chain │ reserved              │
//! 120│ length of everything behind the header, without the digests   │
//!    ╞═══════════════════════════════════════════════════════════════╡
//! 128│ sections: name, whether and what digest, length, bytes        │
//!    ╞═══════════════════════════════════════════════════════════════╡
//!    │ XXH3-64 of all before it                                      │
//!    │ SHA-256 of all before it                             32 bytes │
//!    └───────────────────────────────────────────────────────────────┘
//! ```

use crate::image::{Image, Section};
use crate::ledger::{LEDGER, Ledger};
use crate::state::{Codec, State, StateError};
use journal::header::layout_hash;
use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::xxh3_64;

/// A non-ASCII byte, CR LF, the DOS end-of-file byte and LF: whatever mangles text mangles this.
pub const MAGIC: [u8; 8] = [0x89, b'G', b'M', b'S', b'\r', b'\n', 0x1A, b'\n'];
/// Version of the format, and of the order of fields in every section.
pub const VERSION: u16 = 2;

const HEADER: usize = 128;
const TRAILER: usize = 8 + 32;
const SECTIONS_MAX: usize = 32;
const NAME_MAX: usize = 32;

/// Where and of what a snapshot is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stand {
    /// It stands after this input.
    pub seq: u64,
    /// Epoch of the run start before it; of a chain's beginning, of the run start that follows.
    pub epoch: u32,
    /// Engine time.
    pub engine_time: i64,
    /// First 8 bytes of the hash of the semantic config.
    pub semantic_hash: [u8; 8],
    /// Hash of the manifest of the run before it; of a chain's beginning, zeros: it is named by what follows.
    pub manifest: [u8; 32],
    /// Build identity, zero-padded.
    pub build: [u8; 32],
    /// CRC of the frame of that input: binds it to the journal that it was taken of.
    pub input_crc: u32,
    /// A chain begins behind it.
    pub chain: bool,
}

/// A snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// Where and of what it is.
    pub stand: Stand,
    /// The stages, and what stands beside them.
    pub image: Image,
    /// What the sequencer must know to go on: a [`Ledger`] as bytes.
    pub ledger: Vec<u8>,
}

impl Snapshot {
    /// A snapshot of a machine's state and its ledger.
    ///
    /// # Panics
    /// Never: saving does not fail.
    pub fn new(stand: Stand, image: Image, ledger: &mut Ledger) -> Self {
        let mut bytes = Vec::new();
        let saved = ledger.state(&mut Codec::save(&mut bytes));
        saved.expect("Invariant: saving does not fail");
        Self { stand, image, ledger: bytes }
    }

    /// Its bytes.
    ///
    /// # Panics
    /// Never: saving does not fail.
    pub fn bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let mut sections = self.image.sections.clone();
        sections.push(Section { name: LEDGER.to_string(), hash: None, bytes: self.ledger.clone() });
        let mut codec = Codec::save(&mut body);
        for section in &mut sections {
            section.state(&mut codec).expect("Invariant: saving does not fail");
        }
        let mut bytes = Vec::with_capacity(HEADER + body.len() + TRAILER);
        bytes.extend_from_slice(&MAGIC);
        let mut header = Header {
            version: VERSION,
            sections: sections.len() as u16,
            layout: layout_hash(),
            stand: self.stand,
            body: body.len() as u64,
        };
        header.state(&mut Codec::save(&mut bytes)).expect("Invariant: saving does not fail");
        debug_assert_eq!(bytes.len(), HEADER);
        bytes.extend_from_slice(&body);
        bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
        let sha = Sha256::digest(&bytes);
        bytes.extend_from_slice(&sha);
        bytes
    }

    /// The snapshot in these bytes.
    ///
    /// # Errors
    /// If a byte is not what was written, or it was written in another format.
    pub fn read(bytes: &[u8]) -> Result<Self, StateError> {
        let wrong = |what: &str| Err(StateError::new(what));
        let header = Header::read(bytes)?;
        let end = header.body.saturating_add(HEADER as u64);
        if bytes.len() as u64 != end.saturating_add(TRAILER as u64) {
            return wrong("it has another length than it says");
        }
        let (digested, trailer) = bytes.split_at(end as usize);
        let (xxh3, sha) = trailer.split_at(8);
        let hashed = &bytes[..digested.len() + 8];
        if xxh3 != xxh3_64(digested).to_le_bytes() || sha != &Sha256::digest(hashed)[..] {
            return wrong("its digest is another");
        }
        let mut codec = Codec::load(&digested[HEADER..]);
        let mut sections = Vec::new();
        for _ in 0..usize::from(header.sections).min(SECTIONS_MAX) {
            let mut section = Section { name: String::new(), hash: None, bytes: Vec::new() };
            section.state(&mut codec)?;
            sections.push(section);
        }
        codec.finish()?;
        let Some(ledger) = sections.pop().filter(|section| section.name == LEDGER) else {
            return wrong("it has no ledger");
        };
        Ok(Self { stand: header.stand, image: Image { sections }, ledger: ledger.bytes })
    }

    /// Where and of what the snapshot is that begins with these bytes, if they are a whole header of this format;
    /// whether the rest is sound is not looked at.
    pub fn peek(bytes: &[u8]) -> Option<Stand> {
        Header::read(bytes).ok().map(|header| header.stand)
    }

    /// The ledger.
    ///
    /// # Errors
    /// If it is of another config.
    pub fn ledger(&self, mut empty: Ledger) -> Result<Ledger, StateError> {
        let mut codec = Codec::load(&self.ledger);
        empty.state(&mut codec)?;
        codec.finish()?;
        Ok(empty)
    }
}

/// Bytes of the header: what [`Snapshot::peek`] needs.
pub const PEEK: usize = HEADER;

struct Header {
    version: u16,
    sections: u16,
    layout: u64,
    stand: Stand,
    body: u64,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self, StateError> {
        let wrong = |what: &str| Err(StateError::new(what));
        if bytes.len() < HEADER || bytes[..8] != MAGIC {
            return wrong("it is not a snapshot");
        }
        let mut header =
            Self { version: 0, sections: 0, layout: 0, stand: Stand::default(), body: 0 };
        header.state(&mut Codec::load(&bytes[8..HEADER]))?;
        if header.version != VERSION || header.layout != layout_hash() {
            return wrong("it was written in another format");
        }
        Ok(header)
    }
}

impl State for Header {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { version, sections, layout, stand, body } = self;
        let Stand { seq, epoch, engine_time, semantic_hash, manifest, build, input_crc, chain } =
            stand;
        version.state(codec)?;
        sections.state(codec)?;
        epoch.state(codec)?;
        layout.state(codec)?;
        seq.state(codec)?;
        engine_time.state(codec)?;
        semantic_hash.state(codec)?;
        manifest.state(codec)?;
        build.state(codec)?;
        input_crc.state(codec)?;
        chain.state(codec)?;
        [0_u8; 3].state(codec)?;
        body.state(codec)
    }
}

impl State for Section {
    fn state(&mut self, codec: &mut Codec<'_>) -> Result<(), StateError> {
        let Self { name, hash, bytes } = self;
        let mut text = name.clone().into_bytes();
        codec.list(&mut text, NAME_MAX, || 0)?;
        if codec.is_loading() {
            *name = String::from_utf8(text).map_err(|_| StateError::new("a name is no text"))?;
        }
        hash.state(codec)?;
        let len = codec.len(bytes.len(), usize::MAX)?;
        // The codec has as many bytes.
        bytes.resize(len, 0);
        codec.bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn snapshot() -> Snapshot {
        let mut ledger = Ledger::new(&Config::default().semantic);
        ledger.next_seq = 78;
        let section =
            |name: &str| Section { name: name.to_string(), hash: Some(7), bytes: vec![1, 2, 3] };
        let image = Image { sections: vec![section("validate"), section("bar")] };
        let stand = Stand { seq: 77, epoch: 3, build: [b'b'; 32], ..Stand::default() };
        Snapshot::new(stand, image, &mut ledger)
    }

    #[test]
    fn a_snapshot_reads_back() {
        let snapshot = snapshot();
        let bytes = snapshot.bytes();
        assert_eq!(Snapshot::read(&bytes), Ok(snapshot.clone()));
        assert_eq!(Snapshot::peek(&bytes), Some(snapshot.stand));
        let ledger = snapshot.ledger(Ledger::new(&Config::default().semantic)).unwrap();
        assert_eq!(ledger.next_seq, 78);
    }

    #[test]
    fn every_flipped_bit_cut_and_addition_is_an_error() {
        let bytes = snapshot().bytes();
        for bit in 0..bytes.len() * 8 {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(Snapshot::read(&other).is_err(), "bit {bit}");
        }
        for cut in 0..bytes.len() {
            assert!(Snapshot::read(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        assert!(Snapshot::read(&[&bytes[..], &[0]].concat()).is_err());
    }
}
