//! One line of an `.hlog`.
//!
//! ```text
//!  #[StartTime: 1441812279.474 (seconds since epoch), Wed Sep 09 08:24:39 UTC 2015]
//!  "StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
//!  Tag=validate,0.127,1.007,2.769,HISTFAAAAEV42pNpmSzMwMCgyAAB…
//!      optional ──┘     │     │   └ base64                    start and length in seconds
//! ```

/// Longest tag that is taken. The tags of a log are kept, so they are bounded.
const LONGEST_TAG: usize = 256;
/// Times beyond this many seconds (30,000 years) are no times.
const LATEST_S: f64 = 1e12;

/// What a line says.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Line<'a> {
    /// A comment, the legend, or nothing.
    Nothing,
    /// When the log was started, in seconds since the epoch.
    StartTime(f64),
    /// What the starts of intervals count from, in seconds since the epoch.
    BaseTime(f64),
    /// A histogram.
    Interval(Interval<'a>),
}

/// A histogram and when it was taken.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Interval<'a> {
    /// Empty if there is none.
    pub tag: &'a str,
    /// Start, in seconds since whatever the log counts from.
    pub start_s: f64,
    /// Length in seconds.
    pub length_s: f64,
    /// Base64.
    pub payload: &'a str,
}

impl<'a> Line<'a> {
    /// Reads a line without its end; the error is what is wrong with it.
    pub fn parse(line: &'a [u8]) -> Result<Self, &'static str> {
        // Comments first: they may be in any encoding.
        if line.starts_with(b"#") {
            return Ok(Self::comment(line));
        }
        if line.is_empty() || line.starts_with(b"\"") {
            return Ok(Self::Nothing);
        }
        let text = str::from_utf8(line).map_err(|_| "a line is not text")?;
        let (tag, rest) = match text.strip_prefix("Tag=") {
            Some(tagged) => tagged.split_once(',').ok_or("a tag is not followed by a comma")?,
            None => ("", text),
        };
        if !is_tag(tag) {
            return Err("a tag is longer than 256 bytes or holds a control character");
        }
        let mut fields = rest.splitn(4, ',');
        let mut field = || fields.next().ok_or("a line is not an interval of a histogram log");
        let (start, length, _max, payload) = (field()?, field()?, field()?, field()?);
        let start_s = seconds(start).ok_or("the start of an interval is no number of seconds")?;
        let length_s =
            seconds(length).ok_or("the length of an interval is no number of seconds")?;
        Ok(Self::Interval(Interval { tag, start_s, length_s, payload }))
    }

    fn comment(line: &'a [u8]) -> Self {
        let time = |prefix: &str| {
            let rest = str::from_utf8(line.strip_prefix(prefix.as_bytes())?).ok()?;
            seconds(rest.trim_start().split([' ', ']']).next()?)
        };
        let start = time("#[StartTime:").map(Self::StartTime);
        start.or_else(|| time("#[BaseTime:").map(Self::BaseTime)).unwrap_or(Self::Nothing)
    }
}

/// True if a tag can stand in a log and on a terminal. A comma ends a tag, so a reader never sees one.
pub fn is_tag(tag: &str) -> bool {
    tag.len() <= LONGEST_TAG && !tag.chars().any(|c| c.is_control() || c == ',')
}

fn seconds(text: &str) -> Option<f64> {
    text.parse().ok().filter(|seconds| (0.0..=LATEST_S).contains(seconds))
}
