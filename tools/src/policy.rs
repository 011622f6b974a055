//! Who decides, from a config: the same for a run and for its replay.

use engine::Problem;
use engine::config::Config;
use engine::manifest::from_hex;
use engine::policy::{Policies, Policy, Rule};
use journal::objects;
use marl::{Agents, Weights};
use std::path::Path;

/// What the config that a journal names says of its weights: the object that holds them.
const OBJECT: &str = "sha256:";

/// The policies of a run, and the weights that they run, as the bytes of their file. The config then names these
/// by their hash: what it was resolved to is what is journaled, wherever the file lay.
///
/// # Errors
/// Weights that cannot be read, are for something else, or are untrained where money could be at stake.
pub fn of_run(config: &mut Config) -> Result<(Policies, Option<Vec<u8>>), Problem> {
    let Some(weights) = weights(config)? else { return Ok((chosen(config, None)?, None)) };
    let agents = Agents::new(&weights);
    let policy = &config.semantic.policy;
    if policy.decide == "burn" && !agents.is_trained() && config.semantic.venue.mode == "broker" {
        return Err(Problem::new(
            "untrained weights do not decide in broker mode",
            "semantic.policy.decide",
            "use decide = \"rule\" and the agents in shadow, or name trained weights",
        ));
    }
    let policies = chosen(config, Some(agents))?;
    Ok((policies, Some(weights.to_bytes())))
}

/// The policies of a journal: its weights are in it.
///
/// # Errors
/// The weights are missing or damaged, or for another build.
pub fn of_journal(config: &Config, dir: &Path) -> Result<Policies, Problem> {
    let named = config.semantic.policy.weights.strip_prefix(OBJECT).and_then(from_hex);
    let Some(hash) = named.filter(|_| config.semantic.policy.uses_weights()) else {
        return chosen(config, None);
    };
    let bytes = objects::get(dir, &hash).map_err(|error| Problem::from_journal(&error))?;
    let place = dir.join("objects").join(objects::hex(&hash)).display().to_string();
    chosen(config, Some(Agents::new(&Weights::parse(&bytes, &place)?)))
}

/// Reads the weights that a config asks for, and names them by their hash from then on.
///
/// # Errors
/// They cannot be read, or are for something else.
pub fn weights(config: &mut Config) -> Result<Option<Weights>, Problem> {
    let policy = &mut config.semantic.policy;
    if !policy.uses_weights() {
        return Ok(None);
    }
    let weights = match policy.weights.as_str() {
        "embedded" => Weights::untrained(),
        path => Weights::read(Path::new(path))?,
    };
    policy.weights = format!("{OBJECT}{}", objects::hex(&weights.sha256()));
    Ok(Some(weights))
}

/// Who a config asks for. `agents` are there if it asks for them and names weights.
fn chosen(config: &Config, agents: Option<Agents>) -> Result<Policies, Problem> {
    let policy = &config.semantic.policy;
    let unknown = |name: &str, key: &str| {
        let what = format!("no policy called {name} can run here");
        Problem::new(what, format!("semantic.policy.{key}"), "use \"rule\" or \"burn\"")
    };
    let mut agents = agents.map(|agents| Box::new(agents) as Box<dyn Policy>);
    let mut named = |name: &str, key: &str| match name {
        "none" => Ok(None),
        "rule" => Ok(Some(Box::new(Rule) as Box<dyn Policy>)),
        "burn" => agents.take().map(Some).ok_or_else(|| unknown(name, key)),
        other => Err(unknown(other, key)),
    };
    let decide = named(&policy.decide, "decide")?;
    let shadow = named(&policy.shadow, "shadow")?;
    Ok(Policies { decide: decide.ok_or_else(|| unknown("none", "decide"))?, shadow })
}
