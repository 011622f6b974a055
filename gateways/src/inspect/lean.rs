//! What the names inside a zip say: LEAN's files, or the one file of another format.

use super::detect::NEW_YORK;
use super::kind::{Kind, quoted};
use super::rows::split;
use engine::Problem;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use zip::ZipArchive;

/// Names that are looked at.
const NAMES_MAX: usize = 10_000;
/// Bytes of an inner file that are looked at.
const HEAD: u64 = 4_096;

/// What a zip holds.
pub(super) enum Zip {
    /// LEAN's.
    Lean(Kind),
    /// One file of something else: its first lines.
    One(Vec<String>),
    /// Anything else: its names.
    Other(Vec<String>),
}

/// Looks into a zip.
///
/// # Errors
/// It is not a whole zip.
pub(super) fn look(path: &Path) -> Result<Zip, Problem> {
    let place = path.display().to_string();
    let damaged = |e: zip::result::ZipError| {
        let fix = "fetch or copy the file again; it is not whole";
        Problem::new(format!("not a whole zip file: {e}"), place.clone(), fix)
    };
    let file = BufReader::new(crate::files::open_file(path)?);
    let mut archive = ZipArchive::new(file).map_err(damaged)?;
    let mut names = Vec::new();
    let mut first = 0;
    for index in 0..archive.len().min(NAMES_MAX) {
        let inner = archive.by_index_raw(index).map_err(damaged)?;
        if !inner.is_dir() {
            if names.is_empty() {
                first = index;
            }
            names.push(String::from_utf8_lossy(inner.name_raw()).escape_debug().to_string());
        }
    }
    let kinds: Vec<Option<&'static str>> = names.iter().map(|name| format_of(name)).collect();
    if let Some(Some(format)) = kinds.first().copied()
        && kinds.iter().all(|kind| *kind == Some(format))
    {
        let mut kind = Kind::of(format);
        kind.packing = Some("zip");
        kind.inferred(format!("{format}, by the names inside the zip, such as `{}`", names[0]));
        if is_equity_tick(&names[0]) {
            kind.venue_zone = Some(NEW_YORK);
        }
        if format == "lean-bar" && !is_future(&names[0]) {
            security(&mut kind, path, &first_lines(&mut archive, first));
        }
        return Ok(Zip::Lean(kind));
    }
    if names.len() == 1 {
        let lines = first_lines(&mut archive, first);
        return Ok(Zip::One(lines));
    }
    Ok(Zip::Other(names))
}

/// LEAN's words in a name: a date, then kind and resolution in either order.
fn format_of(name: &str) -> Option<&'static str> {
    let lower = name.rsplit('/').next()?.to_ascii_lowercase();
    let mut words = lower.strip_suffix(".csv")?.split('_');
    let date = words.next()?;
    if date.len() != 8 || !date.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let words: Vec<&str> = words.collect();
    let has = |word: &str| words.contains(&word);
    let bars = has("minute") || has("second");
    match (has("tick"), bars, has("trade"), has("quote")) {
        (true, false, true, false) => Some("lean-trade"),
        (true, false, false, true) => Some("lean-quote"),
        (false, true, true, false) | (false, true, false, true) => Some("lean-bar"),
        _ => None,
    }
}

/// True for `YYYYMMDD_symbol_Trade_Tick.csv`, which only equities have.
fn is_equity_tick(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.ends_with("_trade_tick.csv") || lower.ends_with("_quote_tick.csv")
}

/// True if a contract month stands at the end.
fn is_future(name: &str) -> bool {
    let stem = name.strip_suffix(".csv").unwrap_or(name);
    let words = stem.rsplit('_').next();
    words.is_some_and(|last| last.len() >= 6 && last.bytes().all(|b| b.is_ascii_digit()))
}

/// Whole prices in the ten thousands are an equity's, × 10,000; unless a folder of LEAN's says it.
fn security(kind: &mut Kind, path: &Path, lines: &[String]) {
    let folders = ["equity", "forex", "cfd", "crypto"];
    let in_folder = path.components().any(|part| {
        let name = part.as_os_str().to_string_lossy().to_lowercase();
        folders.contains(&name.as_str())
    });
    if in_folder {
        return;
    }
    let price =
        lines.first().and_then(|line| split(line, b',').get(1).cloned()).unwrap_or_default();
    let whole = !price.is_empty() && price.bytes().all(|b| b.is_ascii_digit()) && price.len() > 4;
    let security = if whole { "equity" } else { "forex" };
    kind.asked.push(format!(
        "security: is this equity, forex, cfd or crypto? The names do not say; prices such as {price} look like {security}"
    ));
    if whole {
        kind.venue_zone = Some(NEW_YORK);
    }
    kind.keys.push(("security", quoted(security)));
}

fn first_lines(archive: &mut ZipArchive<BufReader<File>>, index: usize) -> Vec<String> {
    let mut bytes = Vec::new();
    if let Ok(inner) = archive.by_index(index) {
        // What cannot be unpacked is told by who reads it.
        drop(inner.take(HEAD).read_to_end(&mut bytes));
    }
    let end = memchr::memrchr(b'\n', &bytes).map_or(bytes.len(), |at| at + 1);
    let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
    text.lines().map(|line| line.trim_end().to_string()).filter(|line| !line.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_lean_say_their_format() {
        for (name, format) in [
            ("20131007_spy_Trade_Tick.csv", Some("lean-trade")),
            ("20131007_gc_tick_trade_201312.csv", Some("lean-trade")),
            ("20131007_ibm_Quote_Tick.csv", Some("lean-quote")),
            ("20140501_eurusd_tick_quote.csv", Some("lean-quote")),
            ("20131007_es_minute_quote_201312.csv", Some("lean-bar")),
            ("20131007_spy_minute_trade.csv", Some("lean-bar")),
            ("BTCUSDT-1m-2024-08.csv", None),
            ("readme.txt", None),
        ] {
            assert_eq!(format_of(name), format, "{name}");
        }
        assert!(is_future("20131007_es_minute_quote_201312.csv"));
        assert!(!is_future("20131007_spy_minute_trade.csv"));
    }
}
