//! Who decides, from a config: the same for a run and for its replay.

use engine::Problem;
use engine::config::Config;
use engine::policy::{Policies, Rule};

/// The policies that a config names. `shadow = "burn"` finds no agents in this version, so nobody runs in shadow;
/// the summary says who does.
///
/// # Errors
/// If the config names one that this version does not have.
pub fn of(config: &Config) -> Result<Policies, Problem> {
    match config.semantic.policy.decide.as_str() {
        "rule" => Ok(Policies::own(Rule)),
        other => Err(Problem::new(
            format!("no policy is called {other}"),
            "semantic.policy.decide",
            "use decide = \"rule\"",
        )),
    }
}
