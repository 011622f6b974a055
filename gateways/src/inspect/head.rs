//! The beginning of a file, unpacked: enough to tell what it is.

use crate::files::{self, Bytes};
use crate::lines::Lines;
use crate::packed;
use engine::Problem;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// Bytes that are looked at, of the file as it lies and of what is packed in it.
const HEAD: usize = 1 << 16;
/// Lines of a head.
const LINES: usize = 400;

/// How a file is packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zstd,
    Zip,
}

impl Packing {
    pub(super) fn of(bytes: &[u8]) -> Self {
        match bytes {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Self::Zip,
            _ => Self::Plain,
        }
    }

    /// Its name, where there is packing.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
            Self::Zip => Some("zip"),
        }
    }
}

/// What was looked at.
pub(super) struct Head {
    pub(super) packing: Packing,
    /// First bytes of the file itself.
    pub(super) raw: Vec<u8>,
    /// First bytes behind the packing; as `raw` where there is none, or it is a zip.
    pub(super) plain: Vec<u8>,
    /// Why there are no more of them, if they could not be unpacked.
    pub(super) broken: Option<String>,
}

impl Head {
    pub(super) fn of(path: &Path) -> Result<Self, Problem> {
        let place = path.display().to_string();
        let mut raw = Vec::new();
        let file = files::open_file(path)?;
        let read = file.take(HEAD as u64).read_to_end(&mut raw);
        read.map_err(|e| files::unreadable(&e, &place))?;
        let packing = Packing::of(&raw);
        let (mut plain, mut broken) = (raw.clone(), None);
        if matches!(packing, Packing::Gzip | Packing::Zstd) {
            let mut bytes = unpacked(path)?;
            (plain, broken) = first(&mut bytes);
        }
        Ok(Self { packing, raw, plain, broken })
    }

    /// Its first lines that are whole, if it is text.
    pub(super) fn lines(&self) -> Option<Vec<String>> {
        let text = self.plain.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.plain);
        let whole = text.len() < HEAD - 3;
        let end = if whole { text.len() } else { memchr::memrchr(b'\n', text)? + 1 };
        let text = std::str::from_utf8(&text[..end]).ok()?;
        let is_text = |c: char| !c.is_control() || matches!(c, '\t' | '\r' | '\n');
        if !text.chars().all(is_text) {
            return None;
        }
        let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
        Some(lines.take(LINES).map(str::to_string).collect())
    }
}

/// As many bytes as a head has, and why there are not more, if something is broken.
fn first(bytes: &mut impl Read) -> (Vec<u8>, Option<String>) {
    let mut head = vec![0; HEAD];
    let mut have = 0;
    let mut broken = None;
    while have < HEAD {
        match bytes.read(&mut head[have..]) {
            Ok(0) => break,
            Ok(n) => have += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => {
                broken = Some(e.to_string());
                break;
            }
        }
    }
    head.truncate(have);
    (head, broken)
}

/// The bytes of a file behind gzip or zstd.
fn unpacked(path: &Path) -> Result<Bytes, Problem> {
    let file = files::open_file(path)?;
    let bytes = packed::unpacked(file);
    bytes.map_err(|e| files::unreadable(&e, &path.display().to_string()))
}

/// All lines of a text file, or of the one in a zip.
pub(super) fn lines(path: &Path) -> Result<Lines, Problem> {
    Ok(Lines::new(packed::open(path)?.0))
}
