//! The histogram of a line: base64 of the V2 encoding, compressed or not.
//!
//! ```text
//!  compressed:  cookie u32 │ length u32 │ zlib of:
//!  V2:          cookie u32 │ length u32 │ 0 u32 │ digits u32 │ low u64 │ high u64 │ 1.0 f64 │ counts
//! ```
//!
//! The library's decoder allocates whatever the length says (4 GiB), and overflows on a run of 2^63 zeros
//! and on counts that sum up to more than 2^64. So a payload is inflated and looked at here first.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{
    Deserializer, Serializer as _, V2DeflateSerializeError, V2DeflateSerializer,
};
use std::io::Read as _;

const V2: u32 = 0x1c84_9313;
const V2_COMPRESSED: u32 = 0x1c84_9314;
const V2_HEADER: usize = 40;
/// The largest histogram there is (five digits up to 2^64) has 6.3 million bins of up to nine bytes.
const LARGEST_V2: usize = 64 << 20;
/// The most that a histogram may have counted: what a signed word of other tools holds.
pub const MOST_COUNTS: u64 = i64::MAX as u64;

/// A histogram as other tools read it.
pub fn encode(histogram: &Histogram<u64>) -> Result<String, V2DeflateSerializeError> {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(histogram, &mut bytes)?;
    Ok(STANDARD.encode(bytes))
}

/// A histogram that any tool may have written; the error is what is wrong with it.
pub fn decode(payload: &str) -> Result<Histogram<u64>, String> {
    let bytes = STANDARD.decode(payload).map_err(|error| format!("its base64 is bad: {error}"))?;
    let inflated;
    let plain = match word(&bytes, 0) {
        Some(V2) => bytes.as_slice(),
        Some(V2_COMPRESSED) => {
            inflated = inflate(&bytes)?;
            inflated.as_slice()
        }
        Some(cookie) => {
            return Err(format!("its cookie {cookie:08x} is neither V2 nor compressed V2"));
        }
        None => return Err("it is too short".to_string()),
    };
    let counts = plain.get(V2_HEADER..).ok_or("it is shorter than its header")?;
    let length = word(plain, 4).unwrap_or(0) as usize;
    let counts = counts.get(..length).ok_or("it is shorter than its header says")?;
    // Nine such bytes are the number -2^63, or part of a count beyond 2^62: never honest.
    if counts.windows(9).any(|nine| nine == [0xff; 9]) {
        return Err("its counts are damaged".to_string());
    }
    let mut reader = plain;
    let histogram: Histogram<u64> =
        Deserializer::new().deserialize(&mut reader).map_err(|error| error.to_string())?;
    if histogram.len() > MOST_COUNTS {
        return Err("its counts sum up to more than 2^63".to_string());
    }
    Ok(histogram)
}

/// The V2 bytes of a compressed histogram, checksum and all.
fn inflate(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let length = word(bytes, 4).ok_or("it is too short")? as usize;
    let packed = bytes[8..].get(..length).ok_or("it is shorter than its header says")?;
    let mut plain = Vec::new();
    let mut limited = ZlibDecoder::new(packed).take(LARGEST_V2 as u64 + 1);
    limited.read_to_end(&mut plain).map_err(|error| format!("its compression is bad: {error}"))?;
    if plain.len() > LARGEST_V2 {
        return Err(format!("it inflates to more than {} MiB", LARGEST_V2 >> 20));
    }
    if word(&plain, 0) != Some(V2) {
        return Err("what it compresses is not V2".to_string());
    }
    Ok(plain)
}

fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(offset..offset + 4)?.try_into().ok()?))
}
