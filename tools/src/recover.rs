//! `journal recover DIR`: how a run would go on with this journal, and with `--write`, mended.

use crate::run::grouped;
use crate::say::{Exit, Lines, Say, aside, error_object};
use engine::Problem;
use journal::{Case, JournalError, Recovery};
use serde_json::{Map, Value, json};
use std::path::Path;
use std::time::Instant;

/// `journal recover DIR [--write]`
pub fn recover(dir: &Path, write: bool, say: Say) -> Result<Exit, Problem> {
    let clock = Instant::now();
    let recovery = match journal::recover(dir, write) {
        Ok(recovery) => recovery,
        // It was looked at, and it is a finding.
        Err(error @ (JournalError::Damaged { .. } | JournalError::SuperblockDamaged { .. })) => {
            let problem = Problem::from_journal(&error);
            say.answer(error_object(&problem));
            aside(&format!("error: {problem}"));
            return Ok(Exit::Findings);
        }
        Err(error) => return Err(Problem::from_journal(&error)),
    };
    let seconds = clock.elapsed().as_secs_f64();
    say.text(text(&recovery, seconds).trim_end());
    say.answer(json_of(&recovery, seconds));
    let mended = recovery.written || recovery.case == Case::A || recovery.case == Case::B;
    Ok(if mended { Exit::Done } else { Exit::Findings })
}

/// What a recovery found, and did, for people.
pub fn text(recovery: &Recovery, seconds: f64) -> String {
    let Recovery { segment, offset, next_seq, cut_bytes, cut_frames, cut_segments, .. } = recovery;
    let mut lines = Lines::default();
    lines.put("case", format!("{:?}: {}", recovery.case, recovery.case.words()));
    lines.put("found", &recovery.found);
    lines.put("ends", format!("segment {segment}, offset {offset}, next sequence {next_seq}"));
    lines.put("durable", format!("sequences below {}", recovery.durable_before));
    let verb = if recovery.written { "cut" } else { "to cut" };
    let bytes = grouped(*cut_bytes);
    let cut = format!("{bytes} bytes: {cut_frames} valid frames, {cut_segments} whole segments");
    lines.put(verb, cut);
    lines.put("epoch", recovery.epoch_after);
    lines.put("took", format!("{seconds:.3} s"));
    if !recovery.written && recovery.case != Case::A {
        lines.put("next", "--write mends it; a run into this directory does the same and goes on");
    }
    lines.0
}

/// The same as JSON.
pub fn json_of(recovery: &Recovery, seconds: f64) -> Map<String, Value> {
    let fields = [
        ("case", json!(format!("{:?}", recovery.case))),
        ("words", json!(recovery.case.words())),
        ("found", json!(recovery.found)),
        ("segment", json!(recovery.segment)),
        ("offset", json!(recovery.offset)),
        ("next_seq", json!(recovery.next_seq)),
        ("durable", json!(recovery.durable_before)),
        ("cut_bytes", json!(recovery.cut_bytes)),
        ("cut_frames", json!(recovery.cut_frames)),
        ("cut_segments", json!(recovery.cut_segments)),
        ("epoch", json!(recovery.epoch_after)),
        ("chain", json!(recovery.chain)),
        ("written", json!(recovery.written)),
        ("seconds", json!(seconds)),
    ];
    fields.map(|(key, value)| (key.to_string(), value)).into_iter().collect()
}
