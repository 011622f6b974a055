//! The weights file: a manifest line, then little-endian f32.
//!
//! ```text
//! {"sha256":"<64 hex digits>","format":1,"status":"UNTRAINED",…,"floats":180882}⏎
//! strategic  W₁ [3][64][384]   b₁ [3][64]   W₂ [3][64][64]   b₂ [3][64]   W₃ [3][3][64]   b₃ [3][3]
//! tactical   W₁ [3][64][420]   the same after it
//! ```
//!
//! The hash is of every byte after its closing quote, so that no byte of the file can change unseen:
//! `tail -c +77 FILE | sha256sum` prints it. A weight `[actor][output][input]` multiplies that input for that
//! output. What is refused is refused when it is read, with a [`Problem`]; numbers that are none are read, and
//! the agents then hold with a reason.

use crate::features::hex;
use crate::manifest::{Manifest, Status};
use crate::seeded;
use crate::shape::FLOATS;
use engine::Problem;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

/// What a file begins with.
const HEAD: &[u8] = b"{\"sha256\":\"";
/// Hex digits of its hash.
const HASH_DIGITS: usize = 64;
/// More bytes than any weights file has.
const BYTES_MAX: u64 = 16 << 20;

/// Weights of all six actors, and what they are.
#[derive(Clone, PartialEq, Debug)]
pub struct Weights {
    manifest: Manifest,
    values: Vec<f32>,
}

impl Weights {
    /// Untrained weights from [`seeded::SEED`]: the embedded default.
    pub fn untrained() -> Self {
        let seed = seeded::SEED;
        Self { manifest: Manifest::of(Status::Untrained, seed), values: seeded::values(seed) }
    }

    /// Trained weights, in the order of the file; `seed` is what training began with.
    ///
    /// # Panics
    /// If there is another number of them than the actors have.
    pub fn trained(seed: u64, values: Vec<f32>) -> Self {
        assert_eq!(values.len(), FLOATS, "Condition failed: weights of another shape");
        Self { manifest: Manifest::of(Status::Trained, seed), values }
    }

    /// Reads a weights file.
    ///
    /// # Errors
    /// If it cannot be read, is not what was written, or is for something else than this build.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let place = path.display().to_string();
        let unreadable = |error: std::io::Error| {
            let fix = "check [semantic.policy] weights: a file, or \"embedded\"";
            Problem::new(format!("cannot read the weights: {error}"), &place, fix)
        };
        if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
            // Not opened: a pipe would block, and nothing has handlers for signals yet.
            let fix = "check [semantic.policy] weights: a file, or \"embedded\"";
            return Err(Problem::new("cannot read the weights: not a regular file", &place, fix));
        }
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(BYTES_MAX).read_to_end(&mut bytes).map_err(unreadable)?;
        Self::parse(&bytes, &place)
    }

    /// Reads the bytes of a weights file; `place` is where they are from.
    ///
    /// # Errors
    /// If they are not what was written, or are for something else than this build.
    pub fn parse(bytes: &[u8], place: &str) -> Result<Self, Problem> {
        let refused =
            |what: &str, fix: &str| Problem::new(format!("the weights {what}"), place, fix);
        let no_file = || refused("do not begin like a weights file", "give a weights file");
        let hash_and_rest = bytes.strip_prefix(HEAD).ok_or_else(no_file)?;
        let (hash, rest) = hash_and_rest.split_at_checked(HASH_DIGITS).ok_or_else(no_file)?;
        let fields = rest.strip_prefix(b"\",").ok_or_else(no_file)?;
        if hash != hash_after(&rest[1..]).as_bytes() {
            return Err(refused("do not have the SHA-256 that they state", "copy the file again"));
        }
        let end = fields.iter().position(|byte| *byte == b'\n').ok_or_else(no_file)?;
        let (line, numbers) = (&fields[..end], &fields[end + 1..]);
        let manifest: Manifest =
            serde_json::from_slice(&[b"{", line].concat()).map_err(|error| {
                refused(&format!("have an odd manifest: {error}"), "write it again")
            })?;
        manifest.check(place)?;
        let (values, odd) = numbers.as_chunks();
        if values.len() != manifest.floats || !odd.is_empty() {
            let what = format!("have {} bytes of numbers for {FLOATS} floats", numbers.len());
            return Err(refused(&what, "write them again"));
        }
        Ok(Self {
            manifest,
            values: values.iter().map(|value| f32::from_le_bytes(*value)).collect(),
        })
    }

    /// The bytes of their file.
    ///
    /// # Panics
    /// Never: a manifest of words and numbers is JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        let manifest = serde_json::to_string(&self.manifest);
        let manifest = manifest.expect("Invariant: a manifest of words and numbers is JSON");
        let mut rest = format!(",{}\n", &manifest[1..]).into_bytes();
        rest.extend(self.values.iter().flat_map(|value| value.to_le_bytes()));
        [HEAD, hash_after(&rest).as_bytes(), b"\"", &rest].concat()
    }

    /// SHA-256 of their whole file: the name of the object, and in decisions its first 8 bytes.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.to_bytes()).into()
    }

    /// What they are.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Weights and biases, in the order of the file.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The same with other numbers behind the manifest: what training changes step by step, and tests break.
    ///
    /// # Panics
    /// If there is another number of them.
    #[must_use]
    pub fn with_values(self, values: Vec<f32>) -> Self {
        assert_eq!(values.len(), FLOATS, "Condition failed: weights of another shape");
        Self { values, ..self }
    }
}

/// The hash that a file states: of every byte after its quote.
fn hash_after(rest: &[u8]) -> String {
    hex(&Sha256::digest(rest).into())
}

/// Writes the untrained weights to a new file.
///
/// # Errors
/// If it exists or cannot be written.
pub fn write_untrained(path: &Path) -> Result<(), Problem> {
    let write = || {
        let mut file = File::create_new(path)?;
        file.write_all(&Weights::untrained().to_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| {
        let what = format!("cannot write the weights: {error}");
        Problem::new(what, path.display().to_string(), "name a new file in a directory of yours")
    })
}
