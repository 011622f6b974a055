//! Opens the sources of a config.

use crate::say::aside;
use engine::Problem;
use engine::config::Config;
use engine::instrument::built_in;
use engine::source::{Source, SourceConfig};

/// The sources that were typed in place of the config's: one of the config with the same specification keeps what it
/// declares, and a journal in the place of the only one keeps its front and symbols. A front that is not followed any more is told.
///
/// # Errors
/// Two that read stdin.
pub fn choose(config: &mut Config, typed: &[String]) -> Result<(), Problem> {
    if !typed.is_empty() {
        let declared = std::mem::take(&mut config.sources);
        let of = |spec: &String| {
            let mut plain = SourceConfig::of(spec);
            if let ([only], [_]) = (&declared[..], typed)
                && spec.starts_with("journal:")
            {
                (plain.front, plain.symbols) = (only.front.clone(), only.symbols.clone());
            }
            declared.iter().find(|source| &source.spec == spec).cloned().unwrap_or(plain)
        };
        config.sources = typed.iter().map(of).collect();
        let followed = |front: &SourceConfig| config.sources.iter().any(|s| s.front == front.front);
        for dropped in declared.iter().filter(|source| source.front.is_some() && !followed(source))
        {
            aside(&format!(
                "note: --source takes the place of [[source]] {}, and its front = \"volume\" is not followed; to \
                 follow it, give what you typed a [[source]] with `front` and the contracts in `symbols`",
                dropped.name
            ));
        }
    }
    let pipes = config.sources.iter().filter(|source| gateways::is_stdin(&source.spec));
    if pipes.count() > 1 {
        let fix = "name one source with the path -";
        return Err(Problem::new("two sources cannot share stdin", "the sources", fix));
    }
    Ok(())
}

/// Opens them, in order. What a journal defines and the config does not is taken into the config: so it is recorded
/// and hashed like everything that decides outputs.
///
/// # Errors
/// The first that cannot be opened.
pub fn open(config: &mut Config) -> Result<Vec<Source>, Problem> {
    for source in config.sources.clone() {
        for def in gateways::definitions_of(&source)? {
            let known = config.semantic.instruments.iter().any(|other| other.symbol == def.symbol);
            if !known && built_in(&def.symbol).as_ref() != Some(&def) {
                config.semantic.instruments.push(def);
            }
        }
    }
    let catalog = config.catalog();
    config.sources.iter().map(|source| gateways::open(source, &catalog)).collect()
}
