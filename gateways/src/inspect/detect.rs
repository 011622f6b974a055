//! What a file is, by its content: no hint is taken, and a name only where a format keeps its facts there.

use super::columns::Found;
use super::head::{Head, Packing};
use super::kind::{Kind, quoted, symbol_of};
use super::lean::{self, Zip};
use super::{rows, tables};
use crate::spec::FORMATS;
use engine::Problem;
use std::path::Path;

/// Where LOBSTER and LEAN's equities count from midnight.
pub(super) const NEW_YORK: &str = "America/New_York";
/// First bytes of what zstd calls a skippable frame: how a `.dbz` begins.
const SKIPPABLE: std::ops::RangeInclusive<u8> = 0x50..=0x5f;

/// What a file is.
///
/// # Errors
/// Nothing that is known, or known and no market data: what it is instead, and what to do with it.
pub(super) fn detect(path: &Path) -> Result<Kind, Problem> {
    if path.is_dir() {
        return Err(folder(path));
    }
    crate::files::regular(path)?;
    let head = Head::of(path)?;
    if head.raw.is_empty() {
        return Err(no("the file is empty", path, "fetch or write it again".to_string()));
    }
    let mut kind = match of_bytes(path, &head)? {
        Some(kind) => kind,
        None => of_text(path, &head)?.ok_or_else(|| unknown(path, &head))?,
    };
    kind.packing = kind.packing.or(head.packing.name());
    Ok(kind)
}

fn no(what: impl Into<String>, path: &Path, fix: String) -> Problem {
    Problem::new(what, path.display().to_string(), fix)
}

fn folder(path: &Path) -> Problem {
    let shown = path.display();
    if path.join("segment-00000000.gmj").exists() || path.join("superblock").exists() {
        return no(
            "this is a journal, not a data file",
            path,
            format!(
                "`grandmodel journal describe {shown}` looks into it; --source journal:{shown} runs it"
            ),
        );
    }
    no("a folder is not a regular file", path, format!("name its files: {shown}/*"))
}

/// By magic bytes.
fn of_bytes(path: &Path, head: &Head) -> Result<Option<Kind>, Problem> {
    let starts = |magic: &[u8]| head.plain.starts_with(magic);
    // The second begins those that are encrypted, and a text can begin so too.
    if starts(b"PAR1") || (starts(b"PARE") && head.lines().is_none()) {
        return tables::parquet(path).map(Some);
    }
    if starts(b"\x89HDF\r\n\x1a\n") {
        return tables::hdf5(path).map(Some);
    }
    if starts(b"DBN") {
        let mut kind = Kind::of("databento");
        kind.inferred("databento, by the letters DBN it begins with");
        return Ok(Some(kind));
    }
    if head.raw.len() > 4
        && SKIPPABLE.contains(&head.raw[0])
        && head.raw[1..4] == [0x2a, 0x4d, 0x18]
    {
        return Err(no(
            "this is a `.dbz`, a format that Databento retired in 2023",
            path,
            "convert it with Databento's own tool, `dbn FILE.dbz -o FILE.dbn`, or fetch the data again as DBN"
                .to_string(),
        ));
    }
    if head.lines().is_none() && is_dbn_fragment(&head.plain) {
        let mut kind = Kind::of("databento");
        kind.inferred(
            "databento, a fragment without metadata, by the lengths and types of its records",
        );
        return Ok(Some(kind));
    }
    if head.packing == Packing::Zip {
        return match lean::look(path)? {
            Zip::Lean(kind) => Ok(Some(kind)),
            Zip::One(lines) => rows::classify(path, &lines),
            Zip::Other(names) => {
                Err(no(what_is_in(&names), path, "unpack it, and inspect its files".to_string()))
            }
        };
    }
    if starts(b"GMJ") || path.extension().is_some_and(|end| end == "gmj") {
        return Err(no(
            "this is a segment of a journal, not a data file",
            path,
            "`grandmodel journal describe DIR` looks into a journal".to_string(),
        ));
    }
    Ok(None)
}

/// What a zip that is no source holds: its first names.
fn what_is_in(names: &[String]) -> String {
    let first = names.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => "the zip holds no file".to_string(),
        1..=5 => format!("the zip holds {first}, which is no one format"),
        count => format!("the zip holds {first} and {} more, which is no one format", count - 5),
    }
}

/// Records of DBN without anything before them: a length in words of four bytes, then a type.
fn is_dbn_fragment(bytes: &[u8]) -> bool {
    const TYPES: [u8; 28] = [
        0x00, 0x01, 0x0a, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x20, 0x21, 0x22, 0x23,
        0x24, 0xa0, 0xb1, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xb0, 0xa1, 0xa2, 0xa3, 0xa4,
    ];
    let (mut at, mut records) = (0, 0);
    while records < 16 && at + 16 <= bytes.len() {
        let length = usize::from(bytes[at]) * 4;
        let reserved = bytes[at + 2..at + 4] == [0, 0] && length < 16;
        if length < 32 || reserved || !TYPES.contains(&bytes[at + 1]) {
            return false;
        }
        // Times of an event are within reason, and not text.
        let ts = bytes[at + 8..at + 16].first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk));
        if ts != u64::MAX && !(500_000_000_000_000_000..7_258_118_400_000_000_000).contains(&ts) {
            return false;
        }
        (at, records) = (at + length, records + 1);
    }
    records > 0
}

fn of_text(path: &Path, head: &Head) -> Result<Option<Kind>, Problem> {
    let Some(lines) = head.lines() else { return Ok(None) };
    let Some(first) = lines.first() else { return Ok(None) };
    if let Some(other) = not_market_data(first, &lines) {
        return Err(no(
            format!("this is not market data: it is {}", other.0),
            path,
            other.1.into(),
        ));
    }
    if is_lobster(path) {
        let mut kind = Kind::of("lobster");
        kind.venue_zone = Some(NEW_YORK);
        kind.inferred("lobster, by the file's name, where symbol and date stand");
        return Ok(Some(kind));
    }
    if let Some((ns, json)) = first.split_once(' ')
        && (16..=19).contains(&ns.len())
        && ns.bytes().all(|b| b.is_ascii_digit())
        && json.starts_with('{')
    {
        let mut kind = Kind::of("binance-jsonl");
        kind.inferred("binance-jsonl, by lines of `<ns> {json}`");
        return Ok(Some(kind));
    }
    rows::classify(path, &lines)
}

/// LOBSTER's names: `AAPL_2012-06-21_34200000_57600000_message_10.csv`.
fn is_lobster(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = name.split('.').next().unwrap_or_default();
    let parts: Vec<&str> = stem.rsplitn(6, '_').collect();
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    matches!(parts[..], [levels, "message" | "orderbook", to, from, date, _]
        if number(levels) && number(to) && number(from) && date.len() == 10)
}

/// Files of the trade that hold no market data: what they are, and what to do with them.
fn not_market_data(first: &str, lines: &[String]) -> Option<(&'static str, &'static str)> {
    let has = |word: &str| lines.iter().take(8).any(|line| line.contains(word));
    if first.starts_with('{') && (has("\"exchangeTimeZone\"") || has("\"entries\"")) {
        return Some((
            "LEAN's market-hours database: time zones, sessions and holidays",
            "calendars come from it: name it in the config, not as a source",
        ));
    }
    if first.starts_with("market,symbol,type,description") {
        return Some((
            "LEAN's symbol-properties database: ticks, multipliers and lots",
            "take tick, multiplier and lot of your instruments from it into [[semantic.instrument]]",
        ));
    }
    if first.starts_with("#[") && has("Histogram log format") {
        return Some(("an HdrHistogram log", "`grandmodel latency report FILE` reads it"));
    }
    let columns: Vec<&str> = first.split(',').collect();
    if columns.contains(&"open") && columns.contains(&"close") && columns.contains(&"break_start") {
        return Some((
            "a table of trading sessions: opens, closes and breaks",
            "it can check a calendar; it is no source",
        ));
    }
    None
}

fn unknown(path: &Path, head: &Head) -> Problem {
    if let (Some(why), true) = (&head.broken, head.plain.is_empty()) {
        let what = format!("nothing of the file can be unpacked: {why}");
        return no(what, path, "fetch or copy it again".to_string());
    }
    let formats: Vec<&str> = FORMATS.iter().map(|(name, _)| *name).collect();
    let begins = if let Some(line) = head.lines().and_then(|lines| lines.first().cloned()) {
        let line: String = line.chars().take(60).collect();
        format!("it begins with the line {}", quoted(&line))
    } else {
        let bytes: Vec<String> = head.plain.iter().take(8).map(|b| format!("{b:02x}")).collect();
        format!("it begins with the bytes {}", bytes.join(" "))
    };
    let name = path.to_string_lossy().to_lowercase();
    let packings = [(".gz", "gzip"), (".zst", "zstd"), (".zip", "zip")];
    let named =
        packings.iter().find(|(end, _)| name.ends_with(end) && head.packing == Packing::Plain);
    let broken = match (&head.broken, named) {
        (Some(why), _) => Some(format!("; it cannot be unpacked: {why}")),
        (None, Some((end, packing))) => Some(format!("; it is named {end} and is no {packing}")),
        (None, None) => None,
    };
    no(
        format!("the file is of no format that is known: {begins}{}", broken.unwrap_or_default()),
        path,
        format!("formats are {}; rows of any text can be declared as `csv`", formats.join(", ")),
    )
}

/// Declared columns of a table with names, such as Parquet: what a `csv` would declare.
pub(super) fn of_table(
    format: &'static str,
    path: &Path,
    names: &[String],
) -> Result<(Kind, Found), Problem> {
    let Some(found) = super::columns::find(names) else {
        // As they stand they could end the line or colour the terminal.
        let names = names.join(", ");
        let names = names.escape_debug();
        return Err(no(
            format!("its columns {names} are neither trades, quotes nor bars"),
            path,
            format!("declare the columns of a `{format}` source by hand"),
        ));
    };
    let mut kind = Kind::of(format);
    kind.columns = found.fields.iter().map(|(field, at)| (*field, quoted(&names[*at]))).collect();
    let named: Vec<_> = kind.columns.iter().map(|(f, c)| format!("{f} = {c}")).collect();
    kind.inferred(format!("columns by their names: {}", named.join(", ")));
    if found.position("symbol").is_none() {
        kind.symbol_from_name(&symbol_of(path));
    }
    Ok((kind, found))
}
