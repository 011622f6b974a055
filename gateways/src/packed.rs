//! Bytes however they were packed: gzip, zstd and zip are known by their first bytes, never by a
//! name, and unpacked as they are read.

use crate::files::{self, Bytes};
use crate::zip_entries;
use engine::Problem;
use flate2::read::MultiGzDecoder;
use std::io::{self, Cursor, ErrorKind, Read, Seek};
use std::path::Path;

/// Largest window of zstd that is unpacked, as a power of two: 32 MiB, so that a file takes less than 64. Levels up to
/// 20 stay below; `--long` and `--ultra -22` make 128 MiB. A frame that asks for more is an error.
const WINDOW_LOG_MAX: u32 = 25;

/// What the first bytes say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
    Zip,
}

fn packing(magic: &[u8]) -> Packing {
    match magic {
        [0x1f, 0x8b, ..] => Packing::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd] => Packing::Zstd,
        // The second is a zip without files.
        [b'P', b'K', 3, 4] | [b'P', b'K', 5, 6] => Packing::Zip,
        _ => Packing::Plain,
    }
}

/// The bytes of a file, and how messages name it: with the inner name, if it is a zip.
pub(crate) fn open(path: &Path) -> Result<(Bytes, String), Problem> {
    let place = path.display().to_string();
    let mut file = files::open_file(path)?;
    let unreadable = |e: io::Error| files::unreadable(&e, &place);
    let (magic, have) = first_bytes(&mut file).map_err(unreadable)?;
    if packing(&magic[..have]) != Packing::Zip {
        file.rewind().map_err(unreadable)?;
        return Ok((unpacked(file).map_err(unreadable)?, place));
    }
    let entries = zip_entries::list(path)?;
    let [entry] = &entries[..] else {
        return Err(Problem::new(
            format!("the zip holds {} files instead of one", entries.len()),
            place,
            "unpack it, and name the files or a glob for them",
        ));
    };
    Ok((entry.open()?, entry.place.clone()))
}

/// The bytes of a stream, which is read once: a zip needs a file.
pub(crate) fn unpacked(mut input: impl Read + Send + 'static) -> io::Result<Bytes> {
    let (magic, have) = first_bytes(&mut input)?;
    let packing = packing(&magic[..have]);
    let whole = Cursor::new(magic).take(have as u64).chain(input);
    Ok(match packing {
        Packing::Plain => Box::new(whole),
        Packing::Gzip => Box::new(MultiGzDecoder::new(whole)),
        Packing::Zstd => {
            let mut decoder = zstd::Decoder::new(whole)?;
            decoder.window_log_max(WINDOW_LOG_MAX)?;
            Box::new(Windowed(decoder))
        }
        Packing::Zip => {
            let what = "a zip is read from its end, which a stream does not have: unpack it first";
            return Err(io::Error::new(ErrorKind::InvalidData, what));
        }
    })
}

/// Says what is to be done about a window that is too large.
struct Windowed<R>(R);

impl<R: Read> Read for Windowed<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes).map_err(|error| {
            if !error.to_string().contains("too much memory") {
                return error;
            }
            let what =
                "its zstd window is larger than 32 MiB: pack it again without --long and --ultra";
            io::Error::new(ErrorKind::InvalidData, what)
        })
    }
}

fn first_bytes(input: &mut impl Read) -> io::Result<([u8; 4], usize)> {
    let mut magic = [0; 4];
    let mut have = 0;
    while have < magic.len() {
        match input.read(&mut magic[have..]) {
            Ok(0) => break,
            Ok(n) => have += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok((magic, have))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        unpacked(Cursor::new(bytes.to_vec()))?.read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn short_inputs_are_not_taken_for_packed_ones() {
        for text in [&b""[..], b"\x1f", b"ab", b"1,2\n", b"PK", &[0x28, 0xb5, 0x2f]] {
            assert_eq!(read(text).unwrap(), text);
        }
    }

    #[test]
    fn zstd_frames_follow_one_another_and_a_cut_one_is_an_error() {
        let frames = [b"one,".as_slice(), b"two"].map(|text| zstd::encode_all(text, 3).unwrap());
        let whole = frames.concat();
        assert_eq!(read(&whole).unwrap(), b"one,two");
        assert!(read(&whole[..whole.len() - 2]).is_err());
    }

    #[test]
    fn a_zstd_window_beyond_the_bound_is_refused() {
        // A frame header that asks for 2 GiB: window descriptor exponent 21, no content size.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00];
        assert!(read(&frame).is_err());
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 10 << 3, 0x01, 0x00, 0x00];
        assert_eq!(read(&frame).unwrap(), b"");
    }

    #[test]
    fn a_zip_needs_a_file_of_one_entry() {
        assert!(read(b"PK\x03\x04rest").unwrap_err().to_string().contains("unpack it"));
    }
}
