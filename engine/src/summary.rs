//! What a run or a replay says of itself, as one JSON object.

use crate::layout::{ThreadPlan, Wait};
use crate::run::Latency;
use crate::runtime::feed_gauge::FeedReading;
use crate::runtime::sink::{Standing, Tally};
use ringbuf_layout::{Kind, Money, Reasons};
use serde_json::{Map, Value, json};
use std::path::Path;
use sync::Trading;

/// What a run did.
#[derive(Clone, Debug)]
pub struct Summary {
    /// What went through.
    pub tally: Tally,
    /// First publish to last journaled, seconds.
    pub elapsed_s: f64,
    /// Journal directory.
    pub dir: String,
    /// Bytes of frames in it.
    pub bytes: u64,
    /// Times that the spine waited for a segment.
    pub segment_waits: u64,
    /// Order events that came through egress.
    pub egress_orders: u64,
    /// Why the run ended: `source_ended`, `interrupted`, `source_failed`, or how the journal ends.
    pub ended: String,
    /// Whether trading was active, reducing or halted at the end.
    pub state: Trading,
    /// Why no order left at the end, if none did.
    pub state_reason: Option<&'static str>,
    /// What was measured; nothing in a replay.
    pub latency: Latency,
    /// The threads it ran on.
    pub layout: Vec<ThreadPlan>,
    /// Why no decision could come, if none could: see [`Config::never_decides`](crate::config::Config).
    pub no_decisions: Option<String>,
    /// What each source delivered; nothing in a replay.
    pub feeds: Vec<FeedReading>,
    /// Who decides.
    pub policy: String,
    /// Who runs in shadow.
    pub shadow: String,
}

impl Summary {
    /// Trades and quotes a second, from first publish to last journaled.
    pub fn ticks_per_s(&self) -> f64 {
        if self.elapsed_s > 0.0 { self.tally.ticks as f64 / self.elapsed_s } else { 0.0 }
    }

    /// A summary of what a tally counted, with the names of who decided and who ran in shadow.
    pub fn new(tally: Tally, names: (String, String), elapsed_s: f64, dir: &Path) -> Self {
        let (policy, shadow) = names;
        Self {
            tally,
            elapsed_s,
            dir: dir.display().to_string(),
            bytes: 0,
            segment_waits: 0,
            egress_orders: 0,
            ended: String::new(),
            state: Trading::Active,
            state_reason: None,
            latency: Latency::new(),
            // A replay is fused; a run says otherwise.
            layout: vec![ThreadPlan {
                sequencer: true,
                handlers: 0..crate::pipeline::HANDLERS.len(),
                core: None,
                wait: Wait::Yield,
                priority: 0,
            }],
            no_decisions: None,
            feeds: Vec::new(),
            policy,
            shadow,
        }
    }

    /// The JSON object of `--json`.
    pub fn json(&self) -> Map<String, Value> {
        let tally = &self.tally;
        let account = tally.account;
        let money = |of: fn(&Standing) -> Money| account.map(|a| of(&a).to_string());
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| map.insert(key.to_string(), value);
        put("inputs", json!(tally.inputs));
        put("ticks", json!(tally.ticks));
        put("accepted", json!(tally.ticks.saturating_sub(tally.rejected_ticks)));
        put("rejected", counts(&tally.rejected));
        put("flagged", counts(&tally.flagged));
        put("bars", json!(tally.bars()));
        put("filled_bars", json!(tally.filled));
        put("decisions", json!(tally.of(Kind::Decision)));
        let by_action = tally.decisions_by_action().map(|(word, n)| (word.to_string(), json!(n)));
        put("decisions_by_action", Value::Object(by_action.collect()));
        put("no_decisions", json!(self.no_decisions));
        put("orders", json!(tally.parents));
        put("egress_orders", json!(self.egress_orders));
        put("fills", json!(tally.of(Kind::Fill)));
        put("realized_pnl", json!(money(|account| account.realized)));
        put("unrealized_pnl", json!(money(|account| account.unrealized)));
        put("equity", json!(money(|account| account.equity)));
        put("exposure", json!(money(|account| account.exposure)));
        put("max_drawdown", json!(account.map(|account| account.drawdown())));
        put("elapsed_s", json!((self.elapsed_s * 1e6).round() / 1e6));
        put("ticks_per_s", json!(self.ticks_per_s().round()));
        put("state_hash", tally.state_hash.map_or(Value::Null, |h| json!(format!("{h:016x}"))));
        let (first, last) = tally.seqs.unzip();
        put(
            "journal",
            json!({
                "dir": self.dir, "first_seq": first, "last_seq": last, "bytes": self.bytes,
                "segment_waits": self.segment_waits,
            }),
        );
        put("layout", layout(&self.layout));
        // The command, which knows what tables of a histogram look like, fills it in.
        put("latency_ns", json!({}));
        let denied = tally.denials().map(|(reason, count)| (reason.to_string(), json!(count)));
        put("denied", Value::Object(denied.collect()));
        put("state", json!(self.state.name()));
        put("state_reason", json!(self.state_reason));
        put("sources", self.feeds.iter().map(FeedReading::json).collect());
        put("policy", json!(self.policy));
        put("shadow", json!(self.shadow));
        put("ended", json!(self.ended));
        map
    }
}

/// The threads: what they run, where, how they wait, and their real-time priority if they have one.
pub fn layout(threads: &[ThreadPlan]) -> Value {
    let thread = |t: &ThreadPlan| {
        let fifo = (t.priority > 0).then_some(t.priority);
        json!({ "stages": t.parts(), "core": t.core, "wait": t.wait.name(), "fifo": fifo })
    };
    threads.iter().map(thread).collect()
}

/// Reason → count, without zeros, in bit order.
fn counts(counts: &[u64; 32]) -> Value {
    let of = |reason: Reasons| counts[reason.0.trailing_zeros() as usize];
    let named = Reasons::WORDS.iter().filter(|(reason, _)| of(*reason) > 0);
    Value::Object(named.map(|(reason, word)| ((*word).to_string(), json!(of(*reason)))).collect())
}
