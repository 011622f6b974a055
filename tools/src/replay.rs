//! `replay`: prove a journal, or name the first difference.

use crate::cli;
use crate::policy;
use crate::progress::Progress;
use crate::run::counts;
use crate::say::{Exit, Say, aside, error_object};
use engine::Problem;
use engine::config::Config;
use engine::replay::Options;
use serde_json::{Value, json};

/// `replay …`
pub fn replay(arguments: &cli::Replay, say: Say) -> Result<Exit, Problem> {
    let mut progress = Progress::new(None, false);
    let dir = &arguments.dir;
    let policies = |config: &Config| policy::of_journal(config, dir);
    let options = Options {
        until: arguments.until,
        trust_decisions: arguments.trust_decisions,
        from_snapshot: arguments.from_snapshot,
        ..Options::default()
    };
    let proof = engine::replay::replay(dir, options, policies, |tally| progress.look(tally))?;
    progress.finish();
    for note in &proof.notes {
        aside(&format!("warning: {note}"));
    }
    let mut answer = proof.summary.json();
    answer.insert("from_snapshot".to_string(), json!(proof.from_snapshot));
    answer.insert("verified".to_string(), json!(proof.verified()));
    let divergence = proof.divergence.as_ref().map_or(Value::Null, |d| {
        json!({
            "seq": d.seq, "stage": d.stage, "field": d.field, "journaled": d.journaled,
            "recomputed": d.recomputed,
        })
    });
    answer.insert("first_divergence".to_string(), divergence);
    let panic = proof.panic.map_or(Value::Null, |panic| {
        json!({
            "stage": panic.part.name(), "seq": panic.seq,
            "message_hash": format!("{:016x}", panic.message_hash), "reproduced": panic.reproduced,
        })
    });
    answer.insert("panic".to_string(), panic);
    answer.insert("written_by".to_string(), json!(proof.build));
    say.text(counts(&proof.summary).trim_end());
    if let Some(d) = &proof.divergence {
        aside(&format!(
            "DIVERGED at sequence {}: {} {}: journaled {}, recomputed {}",
            d.seq, d.stage, d.field, d.journaled, d.recomputed
        ));
    }
    if let Some(panic) = &proof.panic {
        let word = if panic.reproduced { "reproduced" } else { "not reproduced" };
        aside(&format!(
            "PANIC recorded: {} at sequence {}, message hash {:016x}: {word}",
            panic.part.name(),
            panic.seq,
            panic.message_hash
        ));
    }
    if let Some(problem) = &proof.damage {
        aside(&format!("error: {problem}"));
        answer.extend(error_object(problem));
    }
    if let Some(seq) = proof.from_snapshot {
        say.text(&format!("began      at the snapshot after sequence {seq}"));
    }
    if proof.verified() {
        say.text(&format!("verified   every output is bit-equal (written by {})", proof.build));
    }
    say.answer(answer);
    Ok(if proof.verified() { Exit::Done } else { Exit::Findings })
}
