//! What a data file is and holds, without being told anything: the format by its content, its records counted, and
//! the config that would import it. What was inferred is said, and what cannot be is asked for.
//!
//! * `detect`: the format; `head`: the first bytes behind the packing; `kind`: what was found.
//! * `lean`, `tables`, `rows`, `columns`, `stamps`: zips, columnar files, delimited rows.
//! * `tally`, `activity`, `latency`: what is counted as records go by; `zones`: what it says of clocks.
//! * `proposal`: the config.
//!
//! Nothing is held but counts: a file is read once for its declaration, once for its records, and once more where
//! that settled a zone, or sizes were finer than an integer holds.

mod activity;
mod columns;
mod detect;
mod head;
mod kind;
mod latency;
mod lean;
mod proposal;
mod rows;
mod stamps;
mod tables;
mod tally;
mod zones;

pub use activity::{Activity, Quiet};
pub use latency::Latency;
pub use tally::{Gap, Grid, JUMP_PCT, KINDS, LONG, Tally, ladder};
pub use zones::Fit;

use engine::Problem;
use engine::config::Config;
use engine::instrument::{Catalog, InstrumentDef, built_in};
use engine::source::{Feed, Source, SourceConfig};
use kind::{Kind, quoted};
use ringbuf_layout::units::SECOND;
use ringbuf_layout::{ExternalBar, InputCell};
use std::path::{Path, PathBuf};

/// Decimal digits of a size, finest first: fewer where sizes would not fit.
const PRECISIONS: [u8; 4] = [9, 6, 3, 0];
/// Records between two looks of the watcher.
const EVERY: u64 = 8_192;
/// Fits that are reported.
const FITS: usize = 5;

/// True for a format of this version.
fn known(format: &str) -> bool {
    crate::FORMATS.iter().any(|(name, _)| *name == format)
}

/// What was found in a file.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    /// The file.
    pub file: PathBuf,
    /// As in `FORMAT:PATH`.
    pub format: String,
    /// gzip, zstd or zip.
    pub packing: Option<&'static str>,
    /// Records.
    pub records: u64,
    /// What the format leaves out, by reason.
    pub left_out: Vec<(String, u64)>,
    /// Records whose symbol could not be numbered.
    pub unknown: u64,
    /// By symbol, in order of appearance.
    pub symbols: Vec<(String, Tally)>,
    /// Decimal digits of the sizes in the tallies.
    pub size_precision: u8,
    /// First and last event time.
    pub span: Option<(i64, i64)>,
    /// The zone of the file's clock, where it has one: declared, inferred or of the format.
    pub zone: Option<String>,
    /// When there are records, in UTC.
    pub activity: Activity,
    /// Zones and calendars that fit, best first.
    pub fits: Vec<Fit>,
    /// Receive time less event time.
    pub latency: Latency,
    /// What the file says of itself.
    pub facts: Vec<String>,
    /// What was inferred, and from what.
    pub inferred: Vec<String>,
    /// What only a person can say.
    pub asked: Vec<String>,
    /// The config that imports it.
    pub config: String,
    /// What ended the reading early: everything above is of what came before.
    pub damage: Option<Problem>,
}

/// Looks at a file. `watch` is told now and then how many records were read.
///
/// # Errors
/// The file is of no format that is known, holds no market data, or cannot be opened as what it is.
pub fn inspect(path: &Path, watch: &mut dyn FnMut(u64)) -> Result<Report, Problem> {
    let mut kind = detect::detect(path)?;
    if !known(kind.format) {
        return Err(Problem::new(
            format!("this is `{}`, which this version does not read", kind.format),
            path.display().to_string(),
            "convert it to `csv`",
        ));
    }
    let zone_is_open = kind.zone_is_open;
    let mut seen = look(path, &kind, Some("UTC"), watch)?;
    let mut fits =
        if seen.records > 0 { zones::fits(&seen.activity, zone_is_open) } else { Vec::new() };
    let mut zone = kind.zone();
    if zone_is_open {
        let best = fits.first().map_or("UTC", |fit| &fit.zone).to_string();
        ask_for_zone(&mut kind, &fits);
        kind.csv.push(("zone", quoted(&best)));
        if best != "UTC" {
            seen = look(path, &kind, None, watch)?;
        }
        zone = Some(best);
    }
    if let Some(seconds) = seen.bars_s {
        kind.bars_s = seconds;
    }
    let is_open =
        |(symbol, tally): &(String, Tally)| tally.records() > 0 && built_in(symbol).is_none();
    let is_needed = seen.symbols.iter().any(is_open);
    let calendar = calendar(&mut kind, &fits, is_needed);
    ask_for_stamp(&mut kind, &seen.activity, &calendar);
    fits.truncate(FITS);
    let spans = seen.symbols.iter().filter_map(|(_, tally)| tally.span);
    let span = spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    let facts = facts(path, kind.format, seen.records);
    let config = if seen.records > 0 || seen.damage.is_some() {
        proposal::config(path, &mut kind, &seen, &calendar)
    } else {
        proposal::definitions(path, &mut kind)
    };
    Ok(Report {
        file: path.to_path_buf(),
        format: kind.format.to_string(),
        packing: kind.packing,
        records: seen.records,
        left_out: seen.left_out,
        unknown: seen.unknown,
        symbols: seen.symbols,
        size_precision: seen.size_precision,
        span,
        zone,
        activity: seen.activity,
        fits,
        latency: seen.latency,
        facts,
        inferred: kind.inferred,
        asked: kind.asked,
        config,
        damage: seen.damage,
    })
}

/// What a file says of itself: a DBN file's records counted by type, those that are no market data too.
fn facts(path: &Path, format: &str, records: u64) -> Vec<String> {
    let mut facts = Vec::new();
    if format == "databento"
        && let Ok(inventory) = crate::inventory(path)
    {
        let version = inventory.version;
        let version = version.map_or("a fragment".to_string(), |v| format!("DBN version {v}"));
        let schema = inventory.schema.map(|schema| format!(", schema {schema}"));
        let counts = inventory.records.iter().map(|(name, count)| format!("{name} {count}"));
        let counts: Vec<String> = counts.collect();
        let counts = if counts.is_empty() { "none".to_string() } else { counts.join(", ") };
        facts.push(format!("{version}{}; records by type: {counts}", schema.unwrap_or_default()));
    }
    if records == 0 {
        facts.push("no record of the market: there is nothing to import".to_string());
    }
    facts
}

/// The calendar to propose: the one that fits best, or the one that rejects nothing where that fits as well.
/// Asked for only where an instrument needs one.
fn calendar(kind: &mut Kind, fits: &[Fit], is_needed: bool) -> String {
    const ALWAYS: &str = "24/7";
    let Some(best) = fits.first() else { return ALWAYS.to_string() };
    let mut alike: Vec<&str> = Vec::new();
    for fit in fits.iter().filter(|fit| fit.is_like(best)) {
        if !alike.contains(&fit.calendar.as_str()) {
            alike.push(&fit.calendar);
        }
    }
    if alike.len() > 1 {
        let proposed = if alike.contains(&ALWAYS) { ALWAYS } else { alike[0] };
        if !is_needed {
            return proposed.to_string();
        }
        kind.asked.push(format!(
            "calendar: there are too few hours to tell {} apart; {proposed} is written where it is needed",
            alike.join(", ")
        ));
        return proposed.to_string();
    }
    best.calendar.clone()
}

/// Bars that are declared: how many hours would lie outside the sessions if their stamps were closes.
fn ask_for_stamp(kind: &mut Kind, activity: &Activity, calendar: &str) {
    let Some(at) = kind.asked.iter().position(|asked| asked.starts_with("stamp: ")) else { return };
    let length = i64::from(kind.bars_s) * SECOND;
    let shares = [0, -length].map(|later| zones::outside_pct(activity, calendar, later));
    if let [Some(opens), Some(closes)] = shares {
        kind.asked[at].push_str(&format!(
            "; by the hours of {calendar}, {opens:.2} % of active quarter hours lie outside every session if it is \
             the open, {closes:.2} % if it is the close"
        ));
    }
}

fn ask_for_zone(kind: &mut Kind, fits: &[Fit]) {
    let Some(best) = fits.first() else { return };
    let alike = fits.iter().filter(|fit| fit.is_like(best)).map(|fit| fit.zone.as_str());
    let mut zones: Vec<&str> = Vec::new();
    for zone in alike {
        if !zones.contains(&zone) {
            zones.push(zone);
        }
    }
    let evidence = format!(
        "in {} with the hours of {}, {:.2} % of active quarter hours lie outside every session",
        best.zone, best.calendar, best.outside_pct
    );
    kind.asked.push(match &zones[..] {
        [one] => format!("zone: which clock do the times show? {one} fits best: {evidence}"),
        many => format!(
            "zone: which clock do the times show? {} fit alike: {evidence}",
            many.join(", ")
        ),
    });
}

/// What a reading of all records finds.
struct Seen {
    records: u64,
    left_out: Vec<(String, u64)>,
    unknown: u64,
    symbols: Vec<(String, Tally)>,
    size_precision: u8,
    activity: Activity,
    latency: Latency,
    /// Length of a vendor's bars.
    bars_s: Option<u32>,
    damage: Option<Problem>,
}

/// Reads all records; with fewer digits of a size where that does not fit.
fn look(
    path: &Path,
    kind: &Kind,
    zone: Option<&str>,
    watch: &mut dyn FnMut(u64),
) -> Result<Seen, Problem> {
    let text = proposal::source(path, kind, zone);
    let config = Config::parse(&text, "the proposed config")?;
    let [source] = &config.sources[..] else {
        return Err(Problem::new("the proposed config has no source", text, "report this"));
    };
    let mut first = None;
    for size_precision in PRECISIONS {
        let mut catalog = Catalog::permissive(size_precision);
        let defined = kind.symbols.iter().filter_map(|symbol| catalog.get(symbol));
        catalog.configured = defined.collect::<Vec<InstrumentDef>>();
        let seen = read(source, &catalog, size_precision, watch)?;
        let too_large =
            seen.damage.as_ref().is_some_and(|problem| problem.what.contains("too large"));
        if !too_large {
            return Ok(seen);
        }
        // A price that is too large stays so: what was read first says where.
        first.get_or_insert(seen);
    }
    first.ok_or_else(|| Problem::new("nothing was read", path.display().to_string(), "report this"))
}

fn read(
    config: &SourceConfig,
    catalog: &Catalog,
    size_precision: u8,
    watch: &mut dyn FnMut(u64),
) -> Result<Seen, Problem> {
    let Source { symbols, feed, .. } = crate::open(config, catalog)?;
    let Feed::Decoder(mut decoder) = feed else {
        return Err(Problem::new("not a file", config.spec.clone(), "report this"));
    };
    let ladder = ladder();
    let names = symbols.into_iter().map(|used| (used.symbol, Tally::default()));
    let mut seen = Seen {
        records: 0,
        left_out: Vec::new(),
        unknown: 0,
        symbols: names.collect(),
        size_precision,
        activity: Activity::default(),
        latency: Latency::default(),
        bars_s: None,
        damage: None,
    };
    let mut cell = InputCell::default();
    loop {
        match decoder.next(&mut cell) {
            Ok(true) => {}
            Ok(false) => break,
            Err(problem) => {
                seen.damage = Some(problem);
                break;
            }
        }
        seen.records += 1;
        if seen.records.is_multiple_of(EVERY) {
            watch(seen.records);
        }
        let head = cell.head();
        // A bar's hours are those that it covers.
        let bar = cell.get::<ExternalBar>();
        let at = bar.map_or(head.ts_event, |bar| bar.ts_open);
        let lasts = bar.map_or(0, |bar| i64::from(bar.timeframe_s) * SECOND);
        seen.bars_s = bar.map(|bar| bar.timeframe_s).or(seen.bars_s);
        seen.activity.note(at, lasts);
        seen.latency.note(head.ts_recv, head.ts_event);
        match seen.symbols.get_mut(cell.tail().instrument as usize) {
            Some((_, tally)) => tally.note(&cell, &ladder),
            None => seen.unknown += 1,
        }
    }
    let left_out = decoder.left_out().into_iter().filter(|(_, count)| *count > 0);
    seen.left_out = left_out.map(|(why, count)| (why.to_string(), count)).collect();
    Ok(seen)
}
