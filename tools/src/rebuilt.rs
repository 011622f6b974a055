//! What a run says of the journal that it goes on with, and `journal snapshot`.

use crate::policy;
use crate::progress::Progress;
use crate::recover;
use crate::run::grouped;
use crate::say::{Exit, Lines, Say, aside};
use engine::Problem;
use engine::config::Config;
use engine::resume::Rebuilt;
use serde_json::{Map, Value, json};
use std::path::Path;

/// For people, before the run begins.
pub fn text(rebuilt: &Rebuilt) -> String {
    let Rebuilt { from, inputs, seconds, recovery, epoch, base_seq, .. } = rebuilt;
    let mut lines = Lines::default();
    lines.put("recovered", format!("{:?}: {}", recovery.case, recovery.case.words()));
    if recovery.cut_bytes > 0 {
        let (bytes, frames) = (grouped(recovery.cut_bytes), recovery.cut_frames);
        lines
            .put("cut", format!("{bytes} bytes behind the last whole slot, {frames} valid frames"));
    }
    let origin =
        from.map_or("the first input".to_string(), |seq| format!("the snapshot after {seq}"));
    let inputs = grouped(*inputs);
    lines.put("rebuilt", format!("{inputs} inputs from {origin}, compared, in {seconds:.3} s"));
    lines.put("goes on", format!("in epoch {epoch} at sequence {base_seq}"));
    if rebuilt.chain {
        lines.put("chain", "a new one: build or config are others, as you accepted");
    }
    if !rebuilt.anew.is_empty() {
        lines.put(
            "anew",
            format!("{}: their state does not fit the config", rebuilt.anew.join(", ")),
        );
    }
    if rebuilt.unprocessed > 0 {
        let count = rebuilt.unprocessed;
        lines.put("panicked", format!("{count} inputs were left unprocessed by the run before"));
    }
    for note in &rebuilt.notes {
        lines.put("warning", note);
    }
    lines.0
}

/// The same as JSON.
pub fn json_of(rebuilt: &Rebuilt) -> Value {
    let notes: Vec<String> = rebuilt.notes.iter().map(ToString::to_string).collect();
    json!({
        "from_snapshot": rebuilt.from, "inputs": rebuilt.inputs, "seconds": rebuilt.seconds,
        "epoch": rebuilt.epoch, "base_seq": rebuilt.base_seq, "unprocessed": rebuilt.unprocessed,
        "new_chain": rebuilt.chain, "anew": rebuilt.anew, "notes": notes,
        "recovery": Value::Object(recover::json_of(&rebuilt.recovery, rebuilt.seconds)),
    })
}

/// `journal snapshot DIR`
pub fn snapshot(dir: &Path, say: Say) -> Result<Exit, Problem> {
    let mut progress = Progress::new(None, false);
    let policies = |config: &Config| policy::of_journal(config, dir);
    let taken = engine::snapshot::take(dir, policies, |tally| progress.look(tally))?;
    progress.finish();
    for note in &taken.notes {
        aside(&format!("warning: {note}"));
    }
    let file = taken.path.display().to_string();
    let (inputs, seq, seconds) = (grouped(taken.inputs), taken.seq, taken.seconds);
    say.text(&format!("{file}: after sequence {seq}; {inputs} inputs compared in {seconds:.3} s"));
    let fields = [
        ("file", json!(file)),
        ("seq", json!(seq)),
        ("from_snapshot", json!(taken.from_snapshot)),
        ("inputs", json!(taken.inputs)),
        ("seconds", json!(seconds)),
    ];
    say.answer(Map::from_iter(fields.map(|(key, value)| (key.to_string(), value))));
    Ok(Exit::Done)
}
