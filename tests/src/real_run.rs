//! Sources through `run` into a real journal directory, and what `replay` says of it.

use engine::Problem;
use engine::config::Config;
use engine::layout::Layout;
use engine::policy::Policies;
use engine::replay::{Options, Proof, replay};
use engine::run::{Order, Outcome, run};
use engine::source::{Decoder, Feed, Source, SymbolUse};
use ringbuf_layout::{InputCell, Trade};
use std::path::Path;

/// A source of records made beforehand.
pub fn source(name: &str, symbols: &[&str], feed: Feed) -> Source {
    let used = |symbol: &&str| SymbolUse { symbol: (*symbol).to_string(), trades: true, bars_s: 0 };
    Source {
        name: name.to_string(),
        spec: format!("test:{name}"),
        identity: identity(name),
        live: false,
        symbols: symbols.iter().map(used).collect(),
        front: None,
        records_hint: None,
        feed,
    }
}

/// A source of prints that lie in memory.
pub fn memory_source(name: &str, symbols: &[&str], trades: Vec<Trade>) -> Source {
    source(name, symbols, Feed::Memory(trades))
}

/// Another name is another source.
fn identity(name: &str) -> [u8; 32] {
    let mut identity = [7; 32];
    for (byte, letter) in identity.iter_mut().zip(name.bytes()) {
        *byte = letter;
    }
    identity
}

/// A source whose records come from a gateway thread, and which fails at the end if told so.
pub fn decoded_source(
    name: &str,
    symbols: &[&str],
    records: Vec<InputCell>,
    failure: Option<Problem>,
) -> Source {
    let records = records.into_iter();
    source(name, symbols, Feed::Decoder(Box::new(Records { records, failure })))
}

struct Records {
    records: std::vec::IntoIter<InputCell>,
    failure: Option<Problem>,
}

impl Decoder for Records {
    fn next(&mut self, cell: &mut InputCell) -> Result<bool, Problem> {
        match (self.records.next(), self.failure.take()) {
            (Some(record), failure) => {
                self.failure = failure;
                cell.copy_from(&record);
                Ok(true)
            }
            (None, Some(failure)) => Err(failure),
            (None, None) => Ok(false),
        }
    }
}

/// An order for a run into `dir`, as fast as it goes.
///
/// # Panics
/// If the config is not valid: a mistake in a test.
pub fn order(dir: &Path, config: &str, sources: Vec<Source>) -> Order {
    let config = Config::parse(config, "a test").expect("Condition failed: a valid config");
    let layout = Layout::of(&config.host).expect("Condition failed: a layout for this host");
    Order { build: "test build".to_string(), ..Order::new(config, layout, sources, dir.to_owned()) }
}

/// Runs sources into `dir`; the run must end well.
///
/// # Panics
/// If it does not start or does not end well.
pub fn run_into(dir: &Path, config: &str, sources: Vec<Source>) -> Outcome {
    let outcome = run(order(dir, config, sources), |_| {}, |_| {}).expect("the run starts");
    assert_eq!(outcome.failure, None);
    outcome
}

/// The policies of a replay of a run that was ordered without any of its own.
///
/// # Errors
/// Never.
pub fn by_rule(_: &Config) -> Result<Policies, Problem> {
    Ok(Policies::default())
}

/// Replays `dir` to its end, by the rule.
///
/// # Panics
/// If the replay does not start.
pub fn replay_of(dir: &Path) -> Proof {
    replay(dir, Options::default(), by_rule, |_| {}).expect("the replay starts")
}
