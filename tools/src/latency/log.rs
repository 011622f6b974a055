//! An `.hlog`: a histogram an interval and tag, as jHiccup and other `HdrHistogram` tools write and read it.

use super::line::{Interval, Line, is_tag};
use super::payload::{self, MOST_COUNTS};
use engine::Problem;
use hdrhistogram::Histogram;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Name of the log in a journal directory.
pub const FILE_NAME: &str = "latency.hlog";

/// What stands at the head of a log, between the comments that other tools look for.
const HEAD: &str = "\
#Latencies of a grandmodel run in nanoseconds; Interval_Max is in milliseconds.
#A tag that names a part of the engine: from the moment it takes an input until it leaves it.
#Tag journaled: from the moment an input was due or published until its whole slot is journaled.
#Tag order: from the same moment until an order of it left the engine.
#[Histogram log format version 1.3]
";
const LEGEND: &str =
    "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";
/// The maximum is the only figure of a line that people read; all tools write it in milliseconds.
const NS_PER_MS: f64 = 1e6;

/// Longest line that is read: the largest histogram there is, compressed to a third.
const LONGEST_LINE: u64 = 16 << 20;
/// Most tags of a log.
const MOST_TAGS: usize = 1_024;
/// Most bins of all sums of a log, 8 bytes each: 512 MiB.
const MOST_BINS: usize = 64 << 20;
const YEAR_S: f64 = 365.0 * 24.0 * 3600.0;

/// Writes a log. Each interval is one write, so a run that is killed leaves whole lines.
#[derive(Debug)]
pub struct LatencyLog {
    file: File,
    path: PathBuf,
    length: u64,
}

impl LatencyLog {
    /// Makes a new log that starts at `start`; a file that is already there is left alone.
    ///
    /// # Errors
    /// The file is there, or cannot be made.
    pub fn create(path: &Path, start: SystemTime) -> Result<Self, Problem> {
        let file = OpenOptions::new().create_new(true).append(true).open(path);
        let file = file.map_err(|error| cannot("make a latency log", path, &error))?;
        let mut log = Self { file, path: path.to_path_buf(), length: 0 };
        let start = start.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let instant = i64::try_from(start.as_millis()).ok();
        let instant = instant.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        let date = instant.unwrap_or_default().strftime("%a %b %d %H:%M:%S UTC %Y");
        let start = start.as_secs_f64();
        log.append(&format!(
            "{HEAD}#[StartTime: {start:.3} (seconds since epoch), {date}]\n{LEGEND}"
        ))?;
        Ok(log)
    }

    /// Adds what was recorded under `tag` (none if empty) in `length` from `offset` after the start.
    ///
    /// # Errors
    /// The disk is full, or the tag or the histogram is none that other tools can read.
    pub fn interval(
        &mut self,
        tag: &str,
        offset: Duration,
        length: Duration,
        histogram: &Histogram<u64>,
    ) -> Result<(), Problem> {
        let refused =
            |what: &str, fix: &str| Problem::new(what, self.path.display().to_string(), fix);
        if !is_tag(tag) || tag.contains(char::is_whitespace) {
            let fix = "name it with letters and dashes";
            return Err(refused(&format!("{tag:?} cannot be a tag of a latency log"), fix));
        }
        // Java reads the bounds as signed words and refuses the whole log.
        if histogram.high() > i64::MAX as u64 {
            let fix = "make it with a highest value below 2^63";
            return Err(refused("other tools cannot read a histogram of values beyond 2^63", fix));
        }
        let payload = payload::encode(histogram).map_err(|error| {
            refused(&format!("cannot encode a histogram: {error}"), "report this")
        })?;
        let tag = if tag.is_empty() { String::new() } else { format!("Tag={tag},") };
        let (offset, length) = (offset.as_secs_f64(), length.as_secs_f64());
        let max = histogram.max() as f64 / NS_PER_MS;
        self.append(&format!("{tag}{offset:.3},{length:.3},{max:.3},{payload}\n"))
    }

    /// Appends whole lines or nothing: what a full disk took of a line is taken back.
    fn append(&mut self, lines: &str) -> Result<(), Problem> {
        if let Err(error) = self.file.write_all(lines.as_bytes()) {
            drop(self.file.set_len(self.length));
            return Err(cannot("write the latency log", &self.path, &error));
        }
        self.length += lines.len() as u64;
        Ok(())
    }
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Problem {
    let fix = match error.kind() {
        io::ErrorKind::AlreadyExists => "move it away, or name another file",
        io::ErrorKind::StorageFull => "free space on that disk",
        _ => "choose a place that can be written",
    };
    Problem::new(format!("cannot {what}: {error}"), path.display().to_string(), fix)
}

/// A log that was read: per tag the sum of its intervals.
#[derive(Debug)]
pub struct Log {
    /// In the order in which they first stand in the log, which is the one of the pipeline in ours.
    pub tags: Vec<Summed>,
    /// The number of the last line if a killed run left only a part of it.
    pub cut: Option<u64>,
}

impl Log {
    /// The tags as people see them: histograms without a tag are `all` of the log.
    pub fn shown<'a>(&self, tag: &'a str) -> &'a str {
        match tag {
            "" if self.tags.iter().any(|sum| sum.tag == "all") => "untagged",
            "" => "all",
            tag => tag,
        }
    }
}

/// The intervals of a tag.
#[derive(Debug)]
pub struct Summed {
    /// Their tag; empty if they have none.
    pub tag: String,
    /// Their sum.
    pub histogram: Histogram<u64>,
    /// How many there were.
    pub intervals: u64,
    /// Start of the first in seconds since the epoch, as far as the log says.
    pub first_start_s: f64,
    /// Their lengths together.
    pub seconds: f64,
}

/// Reads an `.hlog`, or the one of a journal directory. A last line that was cut is left out and told.
///
/// # Errors
/// There is no such file, or it holds something else than a log.
pub fn read(path: &Path) -> Result<Log, Problem> {
    let in_journal = path.is_dir();
    let path = if in_journal { path.join(FILE_NAME) } else { path.to_path_buf() };
    let place = path.display().to_string();
    let file = File::open(&path).map_err(|error| {
        let what = match error.kind() {
            io::ErrorKind::NotFound if in_journal => "no latency log in this journal".to_string(),
            io::ErrorKind::NotFound => "no such file".to_string(),
            _ => format!("cannot read: {error}"),
        };
        Problem::new(
            what,
            &place,
            "name an .hlog file or the journal of a run that measured latency",
        )
    })?;
    let mut reader = BufReader::new(file);
    let mut sums = Sums::default();
    let (mut bytes, mut number, mut cut) = (Vec::new(), 0_u64, None);
    loop {
        bytes.clear();
        number += 1;
        let read = reader.by_ref().take(LONGEST_LINE + 1).read_until(b'\n', &mut bytes);
        let at = |what: &str| {
            let fix =
                "name an .hlog file as HdrHistogram tools write it; a damaged line can be deleted";
            Problem::new(what, format!("{place}, line {number}"), fix)
        };
        if read.map_err(|error| at(&format!("cannot read: {error}")))? == 0 {
            break;
        }
        if bytes.len() as u64 > LONGEST_LINE {
            return Err(at("a line is longer than 16 MiB"));
        }
        let whole = bytes.ends_with(b"\n");
        let line = bytes.trim_ascii_end();
        match sums.take(line) {
            Ok(()) => {}
            // Only a line after good ones can be one that a kill cut; else it is some other file.
            Err(_) if !whole && !sums.tags.is_empty() => cut = Some(number),
            Err(what) => return Err(at(&what)),
        }
    }
    if sums.tags.is_empty() {
        let fix = "let the run go on for at least one interval, or name another file";
        return Err(Problem::new("no histogram in this file", place, fix));
    }
    Ok(Log { tags: sums.tags, cut })
}

/// What was read so far.
#[derive(Default)]
struct Sums {
    tags: Vec<Summed>,
    start_time_s: Option<f64>,
    base_time_s: Option<f64>,
    bins: usize,
}

impl Sums {
    fn take(&mut self, line: &[u8]) -> Result<(), String> {
        match Line::parse(line)? {
            Line::Nothing => Ok(()),
            Line::StartTime(seconds) => {
                self.start_time_s = Some(seconds);
                Ok(())
            }
            Line::BaseTime(seconds) => {
                self.base_time_s = Some(seconds);
                Ok(())
            }
            Line::Interval(interval) => self.add(interval),
        }
    }

    fn add(&mut self, interval: Interval<'_>) -> Result<(), String> {
        let mut histogram = payload::decode(interval.payload)
            .map_err(|what| format!("a histogram cannot be decoded: {what}"))?;
        histogram.auto(true);
        let start_s = self.since_epoch(interval.start_s);
        let known = self.tags.iter_mut().find(|sum| sum.tag == interval.tag);
        let (before, after) = if let Some(sum) = known {
            let before = sum.histogram.distinct_values();
            add(&mut sum.histogram, histogram)?;
            sum.intervals += 1;
            sum.seconds += interval.length_s;
            (before, sum.histogram.distinct_values())
        } else if self.tags.len() == MOST_TAGS {
            return Err(format!("there are more than {MOST_TAGS} tags"));
        } else {
            let after = histogram.distinct_values();
            let (intervals, first_start_s, seconds) = (1, start_s, interval.length_s);
            let tag = interval.tag.to_string();
            self.tags.push(Summed { tag, histogram, intervals, first_start_s, seconds });
            (0, after)
        };
        self.bins = self.bins - before + after;
        if self.bins > MOST_BINS {
            return Err("the histograms need more than 512 MiB".to_string());
        }
        Ok(())
    }

    /// As `HistogramLogReader` of Java does it: without a base time, starts that are more than a year
    /// before the start time count from it.
    fn since_epoch(&self, start_s: f64) -> f64 {
        let relative = self.start_time_s.filter(|start_time_s| start_s < start_time_s - YEAR_S);
        start_s + self.base_time_s.or(relative).unwrap_or(0.0)
    }
}

/// Adds to a sum, which keeps the most digits that any interval had.
pub fn add(sum: &mut Histogram<u64>, mut more: Histogram<u64>) -> Result<(), String> {
    if sum.len().saturating_add(more.len()) > MOST_COUNTS {
        return Err("the counts of a tag sum up to more than 2^63".to_string());
    }
    if more.sigfig() > sum.sigfig() {
        std::mem::swap(sum, &mut more);
    }
    sum.add(more).map_err(|error| error.to_string())
}
