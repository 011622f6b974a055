//! What `data inspect` says to people.

use super::inspect::{kinds, price, size_step, tick};
use crate::run::grouped;
use crate::say::Lines;
use engine::calendar::{Calendar, utc};
use engine::instrument::built_in;
use gateways::inspect::{Gap, JUMP_PCT, LONG, Quiet, Report, Tally};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ringbuf_layout::Conditions;
use ringbuf_layout::names::SessionPhase;

/// Symbols that are shown one by one.
const SYMBOLS_SHOWN: usize = 20;
/// Changes of the quiet hours that are shown.
const QUIET_SHOWN: usize = 12;

/// The report, as text.
pub fn text_of(report: &Report) -> String {
    let mut lines = Lines::default();
    lines.put("file", report.file.display());
    let packing = report.packing.map(|packing| format!(", {packing}")).unwrap_or_default();
    lines.put("format", format!("{}{packing}", report.format));
    lines.put("records", grouped(report.records));
    for (why, count) in &report.left_out {
        lines.put("", format!("{} left out: {why}", grouped(*count)));
    }
    if report.unknown > 0 {
        lines.put("", format!("{} of symbols without a number", grouped(report.unknown)));
    }
    if let Some((from, to)) = report.span {
        lines.put("span", format!("{} to {}", utc(from), utc(to)));
        if let Some(zone) = &report.zone {
            lines.put("", format!("{} to {} in {zone}", local(zone, from), local(zone, to)));
        }
    }
    let calendar = report.fits.first().map(|fit| fit.calendar.as_str());
    for (symbol, tally) in report.symbols.iter().take(SYMBOLS_SHOWN) {
        // A built-in instrument's own hours, whatever fits the file.
        let own = built_in(symbol);
        let calendar = own.as_ref().map(|def| def.calendar.as_str()).or(calendar);
        let calendar = calendar.and_then(Calendar::built_in);
        symbol_lines(&mut lines, symbol, tally, report.size_precision, calendar.as_ref());
    }
    if report.symbols.len() > SYMBOLS_SHOWN {
        lines.put("", format!("and {} symbols more", report.symbols.len() - SYMBOLS_SHOWN));
    }
    hours(&mut lines, report);
    match (report.latency.is_measured(), report.latency.range, report.latency.median()) {
        (true, Some((min, max)), Some((median, sampled))) => {
            let of = if sampled { " (of a sample)" } else { "" };
            let what = format!(
                "received less event: min {}, median {}{of}, max {}",
                seconds(min),
                seconds(median),
                seconds(max)
            );
            lines.put("latency", what);
            if min < 0 {
                lines.put("", "below 0: the receiving clock was behind the venue's");
            }
        }
        _ => lines.put("latency", "no receive time in the file"),
    }
    for (word, notes) in
        [("says", &report.facts), ("inferred", &report.inferred), ("ASKED", &report.asked)]
    {
        for note in notes {
            lines.put(word, note);
        }
    }
    if report.records == 0 && report.damage.is_none() {
        if !report.config.is_empty() {
            lines.put("config", "add what follows to the config of what shall be traded:");
        }
    } else {
        let what = "to import it: save what follows as data.toml, correct what is ASKED, then";
        lines.put("config", what);
        lines.put("", "grandmodel data import -c data.toml --journal DIR");
    }
    format!("{}\n{}", lines.0, report.config)
}

fn symbol_lines(
    lines: &mut Lines,
    symbol: &str,
    tally: &Tally,
    precision: u8,
    calendar: Option<&Calendar>,
) {
    lines.put("symbol", format!("{symbol}: {}", kinds(tally)));
    if tally.records() == 0 {
        return;
    }
    if let Some((lowest, highest)) = tally.range {
        let (tick, off) = tick(tally);
        let step = price(i64::try_from(tally.prices.step).unwrap_or(i64::MAX));
        let off = if off > 0 {
            format!("; {} prices are off it, all are on {step}", grouped(off))
        } else {
            String::new()
        };
        lines.put("", format!("prices {} to {}, tick {tick}{off}", price(lowest), price(highest)));
    }
    if tally.sizes.step > 0 {
        lines.put("", format!("sizes are multiples of {}", size_step(tally, precision)));
    }
    let order = format!(
        "{} out of order (worst {}), {} at the time of their predecessor, {} equal to it",
        grouped(tally.disorder),
        seconds(tally.worst_disorder),
        grouped(tally.ties),
        grouped(tally.equal_neighbours)
    );
    lines.put("", order);
    let jumps = format!("jumps above {JUMP_PCT} %");
    let suspicious = [
        ("zero sizes", tally.zero_sizes),
        ("prices of 0 or below", tally.bad_prices),
        (jumps.as_str(), tally.jumps),
        ("crossed quotes", tally.crossed),
        ("one-sided quotes", tally.one_sided),
        ("flagged by the venue", tally.flagged),
    ];
    let words: Vec<String> = suspicious
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(word, count)| format!("{} {word}", grouped(*count)))
        .collect();
    let words = if words.is_empty() { "none".to_string() } else { words.join(", ") };
    lines.put("", format!("suspicious: {words}"));
    let conditions: Vec<String> =
        conditions(tally).map(|(w, n)| format!("{} {w}", grouped(n))).collect();
    if !conditions.is_empty() {
        lines.put("", format!("conditions: {}", conditions.join(", ")));
    }
    let long =
        tally.long_gaps.iter().filter(|gap| gap.length() >= LONG).copied().collect::<Vec<_>>();
    for (word, gaps) in [("gap", &tally.gaps), ("long gap", &long)] {
        for gap in gaps.iter().take(3) {
            let session = session(gap, calendar);
            let (length, from) = (seconds(gap.length()), utc(gap.from));
            lines.put("", format!("{word} of {length} from {from}{session}"));
        }
    }
}

/// The conditions that prints have, with how many.
pub fn conditions(tally: &Tally) -> impl Iterator<Item = (&'static str, u64)> {
    let words = Conditions::WORDS.iter().map(|(_, word)| *word);
    words.zip(tally.conditions).filter(|(_, count)| *count > 0)
}

/// Whether a gap lies inside a session of the calendar that fits.
fn session(gap: &Gap, calendar: Option<&Calendar>) -> String {
    let Some(calendar) = calendar else { return String::new() };
    let phase = |at| calendar.phase_at(at);
    match (phase(gap.from), phase(gap.to)) {
        (Some(from), Some(to)) if from.open == to.open && to.phase != SessionPhase::Closed => {
            format!(", inside a session of {}", calendar.name)
        }
        _ => format!(", across a close of {}", calendar.name),
    }
}

fn hours(lines: &mut Lines, report: &Report) {
    let total: u64 = report.activity.hours.iter().sum();
    if total == 0 {
        return;
    }
    let shares: Vec<String> = report
        .activity
        .hours
        .iter()
        .map(|count| format!("{:.0}", 100.0 * *count as f64 / total as f64))
        .collect();
    lines.put("hours UTC", format!("percent of records from 00 to 23: {}", shares.join(" ")));
    let quiet = report.activity.quiet();
    for Quiet { from, begin, quarters } in quiet.iter().take(QUIET_SHOWN) {
        let clock = |quarter: usize| format!("{:02}:{:02}", quarter / 4 % 24, quarter % 4 * 15);
        let date = utc(*from).chars().take(10).collect::<String>();
        let what = if *quarters == 0 {
            format!("from {date}: none on working days")
        } else {
            format!("from {date}: {} to {}", clock(*begin), clock(begin + quarters))
        };
        lines.put("quiet", what);
    }
    if quiet.len() > QUIET_SHOWN {
        lines.put("", format!("and {} changes more", quiet.len() - QUIET_SHOWN));
    }
    for fit in report.fits.iter().take(3) {
        let what = format!(
            "{} hours with times in {}: {:.2} % of active quarter hours outside them, {:.1} % of open ones silent",
            fit.calendar, fit.zone, fit.outside_pct, fit.silent_pct
        );
        lines.put("suggests", what);
    }
}

/// The clock of a zone at an instant.
fn local(zone: &str, ns: i64) -> String {
    let stamp = Timestamp::from_nanosecond(i128::from(ns)).ok();
    let zoned = stamp.zip(TimeZone::get(zone).ok()).map(|(stamp, zone)| stamp.to_zoned(zone));
    zoned.map_or_else(|| utc(ns), |zoned| zoned.strftime("%Y-%m-%d %H:%M:%S%.f %:z").to_string())
}

/// A length of time, readable whatever its size.
fn seconds(ns: i64) -> String {
    let s = ns as f64 / 1e9;
    match s.abs() {
        0.0 => "0 s".to_string(),
        below if below < 1e-3 => format!("{:.1} µs", s * 1e6),
        below if below < 1.0 => format!("{:.3} ms", s * 1e3),
        below if below < 120.0 => format!("{s:.3} s"),
        below if below < 7_200.0 => format!("{:.1} min", s / 60.0),
        below if below < 172_800.0 => format!("{:.1} h", s / 3_600.0),
        _ => format!("{:.1} d", s / 86_400.0),
    }
}
