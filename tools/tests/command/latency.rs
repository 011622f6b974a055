//! Latency logs: those of other tools read here, ours read by others, and no file that breaks the reader.

use crate::skipped::skipped;
use crate::support::Place;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};
use tools::latency::{LatencyLog, percentiles, read, table, write_hgrm};

const SECOND: Duration = Duration::from_secs(1);
const KEYS: [&str; 7] = ["p50", "p90", "p99", "p999", "p9999", "max", "count"];

/// Value and count of every bin that holds something.
type Bins = Vec<(u64, u64)>;

fn sample(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/hdr").join(name);
    if !path.exists() {
        skipped(format!("{name}: the logs of other tools are not here"));
    }
    path.exists().then_some(path)
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000_000, 3).expect("a histogram up to an hour")
}

/// Three decades of nanoseconds, with a tail that moves with `seed`.
fn recorded(seed: u64) -> Histogram<u64> {
    let mut histogram = histogram();
    for i in 0..1_000 {
        histogram.record(100 + i * i % 977 + seed).expect("below an hour");
    }
    histogram.record(1_000_000 * (seed + 1)).expect("below an hour");
    histogram
}

fn bins(histogram: &Histogram<u64>) -> Bins {
    histogram.iter_recorded().map(|bin| (bin.value_iterated_to(), bin.count_at_value())).collect()
}

/// A log of ours: two tags and none, three seconds. Returns what was recorded.
fn our_log(path: &Path) -> BTreeMap<String, Histogram<u64>> {
    let start = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_250);
    let mut log = LatencyLog::create(path, start).expect("a new log");
    let mut sums = BTreeMap::new();
    for second in 0..3_u64 {
        for (i, tag) in ["validate", "order", ""].into_iter().enumerate() {
            let histogram = recorded(10 * second + i as u64);
            log.interval(tag, SECOND * second as u32, SECOND, &histogram).expect("an interval");
            let sum = sums.entry(tag.to_string()).or_insert_with(self::histogram);
            sum.add(histogram).expect("the same bounds");
        }
    }
    sums
}

#[test]
fn the_logs_of_other_tools_are_reported() {
    // As HdrHistogram 2.1.11 of Java computes them from the same files.
    let (jhiccup, tagged) = (
        [344_063, 425_983, 1_434_451_967, 1_753_219_071, 1_803_550_719, 1_803_550_719, 48_761],
        [360_447, 425_983, 1_392_508_927, 1_543_503_871, 1_551_892_479, 1_551_892_479, 16_145],
    );
    for (name, tags) in [
        ("hdr-jHiccup-2.0.7S.logV2.hlog", vec![("all", jhiccup, 62)]),
        ("hdr-tagged.logV2.hlog", vec![("all", tagged, 21), ("A", tagged, 21)]),
    ] {
        let Some(path) = sample(name) else { continue };
        let place = Place::new();
        let answer = place.json(&format!("latency report {}", path.display()));
        let latencies = answer["latency_ns"].as_object().expect("an object");
        assert_eq!(latencies.len(), tags.len());
        for (tag, figures, intervals) in tags {
            let found = KEYS.map(|key| latencies[tag][key].as_u64().expect("a number"));
            assert_eq!(found, figures, "{name} {tag}");
            let of_log = &answer["logs"][0]["intervals"][tag];
            assert_eq!(of_log["count"], json!(intervals));
            assert_eq!(of_log["first_start_s"], json!(1_441_812_279.601));
        }
        let said = place.run(&format!("latency report {}", path.display()));
        assert_eq!(said.code, Some(0));
        assert!(said.out.contains("426 µs"), "{}", said.out);
    }
}

#[test]
fn our_log_reads_back_bin_by_bin() {
    let place = Place::new();
    let path = place.path("latency.hlog");
    let sums = our_log(&path);
    let text = std::fs::read_to_string(&path).expect("our log");
    assert!(text.contains("#[Histogram log format version 1.3]\n#[StartTime: 1700000000.250 "));
    assert!(text.contains("\nTag=order,1.000,1.000,12.001,HIST"), "{text}");
    let mut theirs: BTreeMap<String, Histogram<u64>> = BTreeMap::new();
    for entry in IntervalLogIterator::new(text.as_bytes()) {
        let interval = match entry.expect("a line that the library reads") {
            LogEntry::Interval(interval) => interval,
            LogEntry::StartTime(start) => {
                assert_eq!(start, Duration::from_millis(1_700_000_000_250));
                continue;
            }
            LogEntry::BaseTime(base) => panic!("a base time {base:?}"),
        };
        assert_eq!(interval.duration(), SECOND);
        let bytes = STANDARD.decode(interval.encoded_histogram()).expect("base64");
        let histogram = Deserializer::new().deserialize(&mut bytes.as_slice()).expect("V2");
        let tag = interval.tag().map_or("", |tag| tag.as_str()).to_string();
        theirs.entry(tag).or_insert_with(self::histogram).add(histogram).expect("the same bounds");
    }
    let ours = read(&path).expect("our log");
    assert_eq!((ours.tags.len(), theirs.len(), ours.cut), (3, 3, None));
    assert_eq!(
        ours.tags.iter().map(|sum| &*sum.tag).collect::<Vec<_>>(),
        ["validate", "order", ""]
    );
    for sum in &ours.tags {
        let expected = bins(&sums[&sum.tag]);
        assert_eq!(bins(&sum.histogram), expected, "read here");
        assert_eq!(bins(&theirs[&sum.tag]), expected, "read by the library");
        assert_eq!((sum.intervals, sum.first_start_s), (3, 1_700_000_000.25));
        assert_eq!(sum.histogram.len(), 3_003);
    }
}

/// Prints `tag value count` of every bin of the log in argv[1].
const PYTHON_BINS: &str = r#"
import sys
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
reader = HistogramLogReader(sys.argv[1], HdrHistogram(1, 3600000000000, 3))
sums = {}
while True:
    histogram = reader.get_next_interval_histogram()
    if histogram is None:
        break
    tag = histogram.get_tag() or "-"
    if tag in sums:
        sums[tag].add(histogram)
    else:
        sums[tag] = histogram
for tag, histogram in sums.items():
    for bin in histogram.get_recorded_iterator():
        print(tag, bin.value_iterated_to, bin.count_at_value_iterated_to)
"#;

/// Prints the distribution of the untagged histogram in argv[1] in microseconds.
const PYTHON_HGRM: &str = r"
import sys
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
reader = HistogramLogReader(sys.argv[1], HdrHistogram(1, 3600000000000, 3))
reader.get_next_interval_histogram().output_percentile_distribution(sys.stdout.buffer, 1000.0)
";

/// What the Python port of `HdrHistogram` prints, if it is installed.
fn python(script: &str, path: &Path) -> Option<String> {
    let there = Command::new("python3").args(["-c", "import hdrh.log"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        skipped("python3 with hdrhistogram (PyPI) is not here");
        return None;
    }
    let output = Command::new("python3").args(["-c", script]).arg(path).output();
    let output = output.expect("python3 starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).expect("text"))
}

#[test]
fn our_log_is_read_by_the_python_port() {
    let place = Place::new();
    let path = place.path("latency.hlog");
    let sums = our_log(&path);
    let Some(text) = python(PYTHON_BINS, &path) else {
        return;
    };
    let mut theirs: BTreeMap<String, Bins> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        let tag = words.next().expect("a tag").trim_matches('-').to_string();
        let mut number = || words.next().and_then(|word| word.parse().ok()).expect("a number");
        theirs.entry(tag).or_default().push((number(), number()));
    }
    let ours: BTreeMap<String, Bins> = sums.iter().map(|(tag, h)| (tag.clone(), bins(h))).collect();
    assert_eq!(theirs, ours);
}

/// Ten times 1 to 10 µs and once 1,234,567 ns, printed with `outputPercentileDistribution(out, 5, 1000.0)` of
/// `HdrHistogram` 2.1.11 (Java).
const GOLDEN: &str = include_str!("golden.hgrm");

fn golden_histogram() -> Histogram<u64> {
    let mut histogram = histogram();
    for us in 1..=10 {
        histogram.record_n(us * 1_000, 10).expect("below an hour");
    }
    histogram.record(1_234_567).expect("below an hour");
    histogram
}

#[test]
fn a_distribution_is_the_text_that_java_writes() {
    let place = Place::new();
    let path = place.path("golden.hgrm");
    write_hgrm(&path, &golden_histogram(), 1_000.0).expect("a file");
    let text = std::fs::read_to_string(&path).expect("our file");
    for (line, expected) in text.lines().zip(GOLDEN.lines()) {
        assert_eq!(line, expected);
    }
    assert_eq!(text, GOLDEN);
    // Neither an empty histogram nor one whose ticks get too small to move may hang.
    write_hgrm(&path, &histogram(), 1_000.0).expect("a file");
    assert_eq!(std::fs::read_to_string(&path).expect("our file").lines().count(), 5);
    let mut much = histogram();
    much.record_n(1, i64::MAX as u64 - 1).expect("in range");
    much.record(2).expect("in range");
    write_hgrm(&path, &much, 1_000.0).expect("a file");
}

/// Its ticks are not those of Java (it does not truncate the halvings), and its footer neither scales the
/// deviation nor prints the count as a whole number: compared is what is left.
#[test]
fn a_distribution_agrees_with_the_python_port() {
    let place = Place::new();
    let (log, path) = (place.path("one.hlog"), place.path("one.hgrm"));
    for histogram in [golden_histogram(), recorded(7)] {
        let mut writer = LatencyLog::create(&log, SystemTime::now()).expect("a new log");
        writer.interval("", Duration::ZERO, SECOND, &histogram).expect("an interval");
        write_hgrm(&path, &histogram, 1_000.0).expect("a file");
        let Some(theirs) = python(PYTHON_HGRM, &log) else { return };
        let ours = std::fs::read_to_string(&path).expect("our file");
        assert_eq!(ours.lines().next(), theirs.lines().next());
        let (of_ours, of_theirs) = (totals(&ours), totals(&theirs));
        let both = of_ours.iter().filter(|(value, _)| of_theirs.contains_key(*value));
        let same = both.inspect(|(value, total)| assert_eq!(of_theirs[*value], **total, "{value}"));
        assert!(same.count() >= 10);
        let last =
            |text: &str| text.lines().rfind(|line| !line.starts_with('#')).map(str::to_string);
        assert_eq!(last(&ours), last(&theirs));
        for word in ["#[Mean    =", "#[Max     =", "#[Buckets ="] {
            let of = |text: &str| {
                let line = text.lines().find(|line| line.starts_with(word));
                line.and_then(|line| line.split(',').next()).map(str::to_string)
            };
            assert_eq!(of(&ours), of(&theirs));
        }
        std::fs::remove_file(&log).expect("our file");
    }
}

/// The total count of each value of a distribution.
fn totals(text: &str) -> BTreeMap<&str, &str> {
    let rows = text.lines().skip(2).filter(|line| !line.starts_with('#'));
    rows.map(|row| {
        let mut words = row.split_whitespace();
        let mut word = || words.next().expect("a column");
        (word(), (word(), word()).1)
    })
    .collect()
}

#[test]
fn two_logs_are_compared_and_never_judged() {
    let place = Place::new();
    let log = |name: &str, tags: &[(&str, u64)]| {
        let mut log = LatencyLog::create(&place.path(name), SystemTime::now()).expect("a new log");
        for (tag, ns) in tags {
            let mut histogram = histogram();
            histogram.record_n(*ns, 5).expect("below an hour");
            log.interval(tag, Duration::ZERO, SECOND, &histogram).expect("an interval");
        }
    };
    log("a.hlog", &[("bar", 500), ("gone", 1)]);
    std::fs::create_dir(place.path("J")).expect("a folder");
    log("J/latency.hlog", &[("bar", 2_000), ("new", 1)]);
    let answer = place.json("latency diff a.hlog J");
    let bar = &answer["latency_ns"]["bar"];
    assert_eq!((&bar["a"]["p50"], &bar["b"]["p99"]), (&json!(500), &json!(2_000)));
    assert_eq!((&bar["ratio"]["max"], &bar["a"]["count"]), (&json!(4.0), &json!(5)));
    assert_eq!(answer["latency_ns"].as_object().map(serde_json::Map::len), Some(1));
    assert_eq!(answer["only_in_a"], json!(["gone"]));
    assert_eq!(answer["only_in_b"], json!(["new"]));
    let said = place.run("latency diff a.hlog J");
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    for words in ["500 ns", "2.00 µs", "4.00", "only in A: gone", "only in B: new"] {
        assert!(said.out.contains(words), "no \"{words}\" in\n{}", said.out);
    }
}

#[test]
fn several_logs_are_reported_alone_and_together() {
    let place = Place::new();
    our_log(&place.path("a.hlog"));
    our_log(&place.path("b.hlog"));
    let answer = place.json("latency report a.hlog b.hlog");
    assert_eq!(answer["logs"].as_array().map(Vec::len), Some(2));
    for tag in ["validate", "order", "all"] {
        let figures = answer["latency_ns"][tag].as_object().expect("an object");
        assert_eq!(figures.keys().collect::<Vec<_>>(), KEYS);
        assert!(figures.values().all(Value::is_u64), "{figures:?}");
        assert_eq!(figures["count"], json!(6_006));
        assert_eq!(answer["logs"][1]["latency_ns"][tag]["count"], json!(3_003));
    }
    let said = place.run("latency report a.hlog b.hlog");
    assert!(said.out.contains("all 2 logs together"), "{}", said.out);
}

#[test]
fn figures_are_exact_ranks() {
    let mut histogram = histogram();
    (1..=100).for_each(|ns| histogram.record(ns).expect("below an hour"));
    let expected = json!({
        "p50": 50, "p90": 90, "p99": 99, "p999": 100, "p9999": 100, "max": 100, "count": 100,
    });
    assert_eq!(percentiles(&histogram).to_string(), expected.to_string());
    let empty = percentiles(&self::histogram());
    assert!(empty.as_object().is_some_and(|figures| figures.values().all(|ns| *ns == json!(0))));
    let table = table(&[("bar".to_string(), histogram), ("order".to_string(), self::histogram())]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[1].starts_with("bar ") && lines[1].ends_with("100 ns"), "{table}");
    assert!(lines[2].starts_with("order ") && lines[2].ends_with(" -"), "{table}");
}

#[test]
fn what_other_tools_could_not_read_is_not_written() {
    let place = Place::new();
    let path = place.path("latency.hlog");
    let mut log = LatencyLog::create(&path, SystemTime::now()).expect("a new log");
    let before = std::fs::read(&path).expect("our log");
    for tag in ["a,b", "a b", "a\nb", "\u{1b}[2J", &"x".repeat(300)] {
        assert!(log.interval(tag, Duration::ZERO, SECOND, &histogram()).is_err(), "{tag:?}");
    }
    let wide = Histogram::new_with_bounds(1, u64::MAX, 3).expect("a histogram");
    assert!(log.interval("", Duration::ZERO, SECOND, &wide).is_err(), "Java cannot read it");
    assert_eq!(std::fs::read(&path).expect("our log"), before);
    let again = LatencyLog::create(&path, SystemTime::now()).expect_err("it is there");
    assert!(again.fix.contains("name another"), "{again}");
}

/// The V2 encoding of one histogram, with whatever header and counts.
fn v2(length: u32, digits: u32, high: u64, counts: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [0x1c84_9313, length, 0, digits] {
        bytes.extend(u32::to_be_bytes(word));
    }
    bytes.extend(1_u64.to_be_bytes());
    bytes.extend(high.to_be_bytes());
    bytes.extend(1.0_f64.to_be_bytes());
    bytes.extend(counts);
    bytes
}

fn compressed(plain: &[u8]) -> Vec<u8> {
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    zlib.write_all(plain).expect("memory");
    let zlib = zlib.finish().expect("memory");
    let mut bytes = 0x1c84_9314_u32.to_be_bytes().to_vec();
    bytes.extend((zlib.len() as u32).to_be_bytes());
    bytes.extend(zlib);
    bytes
}

fn line(bytes: &[u8]) -> String {
    format!("0.000,1.000,0.000,{}\n", STANDARD.encode(bytes))
}

/// One record of value 0: count 1 is 2 in zig-zag.
fn one() -> String {
    line(&v2(1, 3, 3_600_000_000_000, &[2]))
}

#[test]
fn what_is_no_log_says_so_and_exits_with_2() {
    let place = Place::new();
    std::fs::create_dir(place.path("J")).expect("a folder");
    let check = |path: &str, words: &[&str]| {
        let said = place.run(&format!("latency report {path} --json"));
        let text = said.err.clone();
        assert_eq!(said.code, Some(2), "{path}: {text}");
        for word in words.iter().chain(&["error: ", "where: ", "do: "]) {
            assert!(text.contains(word), "{path}: no \"{word}\" in\n{text}");
        }
        assert!(!text.contains("panicked"), "{path}: {text}");
        let error = &said.json()["error"];
        assert!(["what", "where", "do"].iter().all(|part| error[part].is_string()), "{error}");
        assert_eq!(place.run(&format!("latency diff {path} {path}")).code, Some(2));
    };
    check("missing.hlog", &["no such file", "missing.hlog"]);
    check("J", &["no latency log in this journal", "J/latency.hlog"]);
    let most = &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let lowest: &[u8] = &[0xff; 9];
    let sound = 3_600_000_000_000;
    let bomb = compressed(&vec![0; 100 << 20]);
    let large = |tag: u32| format!("Tag={tag},{}", line(&v2(1, 5, u64::MAX, &[2])));
    for (name, text, words) in [
        ("empty", String::new(), &["no histogram in this file"][..]),
        (
            "head",
            "#[Histogram log format version 1.3]\n".to_string(),
            &["no histogram", "let the run"],
        ),
        ("other", "a text,\nof two lines\n".to_string(), &["line 1", "not an interval"]),
        ("bad-time", one().replacen("0.000", "soon", 1), &["line 1", "no number of seconds"]),
        ("not-a-time", one().replacen("0.000", "NaN", 1), &["line 1", "no number of seconds"]),
        ("middle", format!("{0}{1}\n{0}", one(), &one()[..30]), &["line 2", "decoded"]),
        ("base64", one().replace("AAA", "A*A"), &["line 1", "base64"]),
        ("cookie", line(b"\x00\x01\x02\x03 no histogram"), &["line 1", "cookie 00010203"]),
        ("short", line(&[0x1c]), &["line 1", "too short"]),
        ("gigabytes", line(&v2(u32::MAX, 3, sound, &[2])), &["shorter than its header says"]),
        ("digits", line(&v2(1, 77, sound, &[2])), &["line 1", "parameters"]),
        ("bins", line(&v2(3, 0, 2, &[0xff, 0x7f, 2])), &["line 1", "longer than it should"]),
        ("negative", line(&v2(9, 3, sound, lowest)), &["line 1", "damaged"]),
        ("counts", line(&v2(27, 3, sound, &most.repeat(3))), &["line 1", "2^63"]),
        ("sum", line(&v2(9, 3, sound, most)).repeat(3), &["line 2", "2^63"]),
        ("zlib", line(&[&compressed(&[1; 99])[..12], &[7; 40]].concat()), &["line 1"]),
        ("bomb", line(&bomb), &["line 1", "64 MiB"]),
        ("long", format!("{}1,1,1,{}\n", one(), "A".repeat(17 << 20)), &["line 2", "16 MiB"]),
        ("tags", (0..2_000).map(|i| format!("Tag={i},{}", one())).collect(), &["1024 tags"]),
        ("memory", (0..20).map(large).collect(), &["512 MiB"]),
        ("tag", format!("Tag=\u{1b}[2J,{}", one()), &["line 1", "control character"]),
    ] {
        let name = format!("{name}.hlog");
        place.write(&name, &text);
        check(&name, words);
        // Without its last line end it might be a cut line, but never one that breaks the reader.
        place.write(&name, text.trim_end());
        assert!(matches!(place.run(&format!("latency report {name}")).code, Some(0 | 2)), "{name}");
    }
    std::fs::write(place.path("binary.hlog"), [0, 159, 146, 150].repeat(999)).expect("a file");
    check("binary.hlog", &["line 1", "not text"]);
}

#[test]
fn a_log_is_read_up_to_any_cut() {
    let place = Place::new();
    let path = place.path("latency.hlog");
    our_log(&path);
    let whole = std::fs::read(&path).expect("our log");
    let ends: Vec<usize> = (0..whole.len()).filter(|i| whole[*i] == b'\n').collect();
    let (before, last) = (ends[ends.len() - 2] + 1, whole.len() - 1);
    for end in before + 1..last {
        std::fs::write(&path, &whole[..end]).expect("a file");
        let log = read(&path).expect("a log without its last line");
        assert_eq!(log.cut, Some(ends.len() as u64), "{end} of {last}");
        assert_eq!(log.tags.iter().map(|sum| sum.intervals).sum::<u64>(), 8);
    }
    let said = place.run("latency report latency.hlog");
    assert_eq!(said.code, Some(0));
    assert!(said.err.contains("cut off") && said.out.contains("validate"), "{}", said.err);
    // A missing line end is no cut, nor are the line ends of another system.
    let windows = String::from_utf8_lossy(&whole).replace('\n', "\r\n").into_bytes();
    for text in [&whole[..last], &windows] {
        std::fs::write(&path, text).expect("a file");
        let log = read(&path).expect("a whole log");
        assert_eq!((log.cut, log.tags[2].intervals), (None, 3));
    }
}

#[test]
fn no_changed_byte_breaks_the_reader() {
    let place = Place::new();
    let path = place.path("latency.hlog");
    let plain = v2(5, 3, 3_600_000_000_000, &[2, 9, 4, 0x83, 2]);
    for bytes in [plain.clone(), compressed(&plain)] {
        for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            std::fs::write(&path, line(&bytes)).expect("a file");
            if let Ok(log) = read(&path) {
                percentiles(&log.tags[0].histogram);
                write_hgrm(&place.path("x.hgrm"), &log.tags[0].histogram, 1e3).expect("a file");
            }
        }
    }
}

#[test]
fn a_run_under_load_measures_every_input_from_its_due_time_and_prints_its_floors() {
    let place = Place::new().with_small_config();
    let run = "latency run -c small.toml --rate 50000 --seconds 1 --burst 5 --layout fused:yield";
    let json = place.json(&format!("{run} --journal J"));
    assert_eq!((json["rate"].as_u64(), json["burst"].as_u64()), (Some(50_000), Some(5)));
    assert!(json["machine"].as_str().is_some_and(|machine| machine.contains("cores")));
    let inputs = json["inputs"].as_u64();
    assert_eq!(json["latency_ns"]["journaled"]["count"].as_u64(), inputs, "every input");
    for hop in ["hop_before", "hop_after"] {
        assert!(json["floors_ns"][hop]["p50"].as_u64() > Some(0));
        assert!(json["floors_ns"][hop]["count"].as_u64() == Some(50_000));
    }
    assert!(json["journaled_p50_hops"].as_f64() > Some(0.0));
    // What it wrote is what it said.
    let log = place.json("latency report J");
    assert_eq!(log["latency_ns"]["journaled"], json["latency_ns"]["journaled"]);
    assert!(place.path("J/latency-journaled.hgrm").exists());
    assert_eq!(place.json("replay J")["state_hash"], json["state_hash"]);
    let odd = place.run("latency run --rate 0");
    assert_eq!(odd.code, Some(2), "{}", odd.err);
}
