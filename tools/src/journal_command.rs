//! `journal describe|verify|dump|follow|export|recover|snapshot|diff|torture`.

use crate::cli::{self, Dump, JournalCommand};
use crate::run::{grouped, mib};
use crate::say::{Exit, Lines, Say, aside, print, stdout_is_gone, watched};
use crate::{diff, export, follow, rebuilt, recover, torture};
use engine::Problem;
use engine::calendar::utc;
use engine::replay::{instruments, text_of_field};
use engine::runtime::controls::Controls;
use indicatif::ProgressBar;
use journal::{End, Finding, FrameRef, Journal, Report};
use ringbuf_layout::frame::{FLAGS_OFFSET, LAST, SHARED_FIELDS, fields_of};
use ringbuf_layout::input::text_of;
use ringbuf_layout::names::{DecisionReason, OrderReason, RiskReasons};
use ringbuf_layout::{Instrument, Kind, Reasons, RunStart};
use serde_json::{Map, Value, json};
use std::path::Path;

/// `journal …`
pub fn journal(arguments: &cli::Journal, say: Say, controls: &Controls) -> Result<Exit, Problem> {
    match &arguments.command {
        JournalCommand::Describe { dir } => describe(dir, say),
        JournalCommand::Verify { dir } => verify(dir, say),
        JournalCommand::Dump(arguments) => dump(arguments, say),
        JournalCommand::Follow(arguments) => follow::follow(arguments, say, controls),
        JournalCommand::Export(arguments) => export::export(arguments, say),
        JournalCommand::Diff { a, b } => diff::diff(a, b, say),
        JournalCommand::Recover { dir, write } => recover::recover(dir, *write, say),
        JournalCommand::Snapshot { dir } => rebuilt::snapshot(dir, say),
        JournalCommand::Torture { dir, life: Some(life), stops_inside, .. } => {
            torture::write_until_killed(dir, *life, *stops_inside)
        }
        JournalCommand::Torture { dir, kills, seed, .. } => {
            torture::torture(dir, *kills, *seed, say)
        }
    }
}

/// Opens a journal for reading.
pub fn open(dir: &Path) -> Result<Journal, Problem> {
    Journal::open(dir).map_err(|e| Problem::from_journal(&e))
}

/// The next frame, or a problem.
pub fn next<'a>(frames: &mut journal::Frames<'a>) -> Result<Option<FrameRef<'a>>, Problem> {
    frames.next().map_err(|e| Problem::from_journal(&e))
}

fn checked(dir: &Path) -> Result<Report, Problem> {
    let bar = if watched() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    let report = journal::verify(dir, &mut |progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    });
    bar.finish_and_clear();
    report.map_err(|e| Problem::from_journal(&e))
}

fn end_text(end: Option<&End>) -> String {
    match end {
        Some(End::Sealed) => "sealed".to_string(),
        Some(End::Open { segment, offset }) => {
            format!(
                "open at segment {segment}, offset {offset}: the writer did not close it, or is alive"
            )
        }
        Some(End::Torn { segment, offset, bytes, reason }) => format!(
            "torn tail at segment {segment}, offset {offset}: {bytes} bytes after the last whole slot ({reason})"
        ),
        None => "hidden by damage".to_string(),
    }
}

fn kinds<'a>(kinds: impl Iterator<Item = (Kind, u64)> + 'a) -> Map<String, Value> {
    kinds.map(|(kind, count)| (kind.name().to_string(), json!(count))).collect()
}

fn report_json(report: &Report) -> Map<String, Value> {
    let (first, last) = report.seqs.unzip();
    let (from, to) = report.ts_event.unzip();
    let value = json!({
        "segments": report.segments, "sealed_segments": report.sealed_segments,
        "frames": report.frames, "slots": report.slots, "bytes": report.bytes,
        "first_seq": first, "last_seq": last, "first_ts_event": from, "last_ts_event": to,
        "inputs": kinds(report.inputs()), "outputs": kinds(report.outputs()),
        "durable": report.durable, "superblock_copies": report.superblock_copies,
        "superblock_longer": report.superblock_longer,
        "end": end_text(report.end.as_ref()),
        "findings": report.findings.iter().map(finding_json).collect::<Vec<_>>(),
    });
    if let Value::Object(map) = value { map } else { Map::new() }
}

fn finding_json(finding: &Finding) -> Value {
    json!({
        "segment": finding.segment, "file": finding.file_name(), "offset": finding.offset,
        "expected_seq": finding.expected_seq, "what": finding.what,
    })
}

fn verify(dir: &Path, say: Say) -> Result<Exit, Problem> {
    let report = checked(dir)?;
    for finding in &report.findings {
        say.text(&format!(
            "DAMAGED    {} at offset {}: {}; the frame of sequence {} should be there",
            finding.file_name(),
            finding.offset,
            finding.what,
            finding.expected_seq
        ));
    }
    say.text(&report_text(&report));
    let objects = journal::objects::verify_all(dir).map_err(|e| Problem::from_journal(&e))?;
    let mut objects: Vec<Problem> = objects.iter().map(Problem::from_journal).collect();
    if let Ok(start) = open(dir).and_then(|journal| engine::replay::run_start(&journal, dir)) {
        let named = engine::manifest::verify(dir, &start.manifest);
        objects.extend(named.into_iter().filter(|problem| !problem.damage));
    }
    for problem in &objects {
        say.text(&format!("OBJECT     {}: {}", problem.place, problem.what));
    }
    let mut answer = report_json(&report);
    let places: Vec<&str> = objects.iter().map(|problem| problem.place.as_str()).collect();
    answer.insert("damaged_objects".to_string(), json!(places));
    say.answer(answer);
    let clean = report.findings.is_empty() && objects.is_empty();
    Ok(if clean { Exit::Done } else { Exit::Findings })
}

fn report_text(report: &Report) -> String {
    let mut lines = Lines::default();
    lines.put("segments", format!("{}, {} sealed", report.segments, report.sealed_segments));
    lines.put("frames", format!("{} in {} slots", grouped(report.frames), grouped(report.slots)));
    lines.put("bytes", format!("{} ({})", grouped(report.bytes), mib(report.bytes)));
    if let Some((first, last)) = report.seqs {
        lines.put("sequences", format!("{first} to {last}"));
    }
    if let Some(durable) = report.durable {
        lines.put("durable", format!("sequences below {durable}"));
        if report.superblock_copies < 2 {
            lines.put(
                "superblock",
                "one of its two copies is damaged; a run or `journal recover --write` mends it",
            );
        }
        if report.superblock_longer {
            lines.put(
                "superblock",
                "bytes lie behind its two copies; a run or `journal recover --write` cuts them",
            );
        }
    }
    lines.put("end", end_text(report.end.as_ref()));
    lines.0.trim_end().to_string()
}

fn describe(dir: &Path, say: Say) -> Result<Exit, Problem> {
    let report = checked(dir)?;
    let journal = open(dir)?;
    let start = engine::replay::run_start(&journal, dir)?;
    let instruments = instruments(&journal, dir)?;
    let mut answer = report_json(&report);
    let symbols: Vec<&str> = instruments.iter().map(|i| text_of(&i.symbol)).collect();
    answer.insert("build".into(), json!(text_of(&start.build)));
    answer.insert("epoch".into(), json!(start.epoch));
    answer.insert("manifest".into(), json!(journal::objects::hex(&start.manifest)));
    answer.insert("symbols".into(), json!(symbols));
    let is_imported = engine::replay::is_imported(&journal, dir);
    answer.insert("imported".into(), json!(is_imported));
    say.text(&describe_text(dir, &report, &start, &instruments));
    if is_imported {
        let what = "definitions and market data alone; run it with --source journal:";
        say.text(&format!("imported   {what}{}", dir.display()));
    }
    say.answer(answer);
    Ok(if report.findings.is_empty() { Exit::Done } else { Exit::Findings })
}

fn describe_text(dir: &Path, report: &Report, start: &RunStart, table: &[Instrument]) -> String {
    let mut lines = Lines(format!("{}\n", report_text(report)));
    lines.put("written by", text_of(&start.build).to_string());
    lines.put("started", utc(start.head.ts_recv));
    lines.put(
        "manifest",
        format!("{}/objects/{}", dir.display(), journal::objects::hex(&start.manifest)),
    );
    if let Some((_, to)) = report.ts_event {
        lines.put("event time", format!("up to {}", utc(to)));
    }
    for (title, kinds) in [
        ("inputs", report.inputs().collect::<Vec<_>>()),
        ("outputs", report.outputs().collect::<Vec<_>>()),
    ] {
        let words: Vec<String> =
            kinds.iter().map(|(kind, n)| format!("{} {}", kind.name(), grouped(*n))).collect();
        lines.put(title, words.join(", "));
    }
    for instrument in table {
        let calendar = text_of(&instrument.calendar);
        let tick = instrument.tick;
        lines.put("instrument", format!("{} tick {tick}, {calendar}", text_of(&instrument.symbol)));
    }
    lines.0.trim_end().to_string()
}

fn dump(arguments: &Dump, say: Say) -> Result<Exit, Problem> {
    let kind = arguments.kind.as_deref().map(kind_of).transpose()?;
    let journal = open(&arguments.dir)?;
    let mut frames = journal.frames();
    let mut left = arguments.limit.unwrap_or(u64::MAX);
    while left > 0 && !stdout_is_gone() {
        // A damaged frame ends the dump with exit 1: what came before it was printed.
        let frame = match frames.next() {
            Ok(Some(frame)) => frame,
            Ok(None) => break,
            Err(error) => {
                say.problem(&Problem::from_journal(&error));
                return Ok(Exit::Findings);
            }
        };
        if frame.head().seq < arguments.from || kind.is_some_and(|kind| kind != frame.kind()) {
            continue;
        }
        left -= 1;
        show(&frame, say);
    }
    Ok(Exit::Done)
}

/// Prints a frame, field by field.
pub fn show(frame: &FrameRef<'_>, say: Say) {
    let fields = fields(frame);
    if say.json {
        print(&Value::Object(fields).to_string());
        return;
    }
    let words = fields.iter().skip(3);
    let words = words.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or("")));
    let (seq, index) = (frame.head().seq, frame.head().index);
    let words = words.collect::<Vec<_>>().join(" ");
    print(&format!("{seq}.{index} {} {words}", frame.kind().name()));
}

/// The kind of this name.
pub fn kind_of(name: &str) -> Result<Kind, Problem> {
    let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
        let fix = format!("one of {}", names.join(", "));
        Problem::new(format!("\"{name}\" is not a kind of record"), "--kind", fix)
    })
}

/// Every field of a frame as text, reserved ones left out.
fn fields(frame: &FrameRef<'_>) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("seq".into(), json!(frame.head().seq));
    map.insert("index".into(), json!(frame.head().index));
    map.insert("kind".into(), json!(frame.kind().name()));
    let shared = SHARED_FIELDS.iter().filter(|f| f.offset >= 16);
    for field in shared.chain(fields_of(frame.kind()).0) {
        if field.name.starts_with("reserved") {
            continue;
        }
        let mut bytes = frame.bytes[field.offset..field.offset + field.size].to_vec();
        if field.offset == FLAGS_OFFSET {
            bytes[0] &= !LAST;
        }
        let is_text = ["symbol", "calendar", "currency", "build", "exec_id", "client_id"];
        let text = if is_text.contains(&field.name) {
            text_of(&bytes).to_string()
        } else {
            word_of(frame.kind(), field.name, &bytes)
                .unwrap_or_else(|| text_of_field(field, &bytes))
        };
        // A bar's or a synergy's own kind is another than the frame's.
        let name = if field.name == "kind" { "kind_code" } else { field.name };
        map.insert(name.to_string(), json!(text));
    }
    map
}

/// Reasons in words instead of numbers; `None` for every other field. Codes stay numbers: scripts compare them.
fn word_of(kind: Kind, field: &str, bytes: &[u8]) -> Option<String> {
    let number = bytes.iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let code = u8::try_from(number).ok();
    let word = match (kind, field) {
        (Kind::Risk, "reason") => return Some(RiskReasons(number as u32).to_string()),
        (Kind::Verdict, "reasons") => return Some(Reasons(number as u32).to_string()),
        (Kind::Order | Kind::ExecutionReport, "reason") => OrderReason::from_byte(code?)?.name(),
        (Kind::Decision, "reason" | "shadow_reason") => DecisionReason::from_byte(code?)?.name(),
        _ => return None,
    };
    Some(word.to_string())
}

/// Ends a command that found damage while it wrote.
pub fn damaged(problem: &Problem, say: Say) -> Exit {
    aside("what came before the damage was written");
    say.problem(problem);
    Exit::Findings
}
