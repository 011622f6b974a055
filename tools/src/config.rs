//! `config check|show|init`, and reading a config file.

use crate::cli::{self, ConfigCommand};
use crate::policy;
use crate::say::{Exit, Say, print};
use engine::Problem;
use engine::calendar;
use engine::config::Config;
use gateways::definitions;
use serde_json::{Map, json};
use std::path::Path;

/// `config …`
pub fn config(arguments: &cli::Config, say: Say) -> Result<Exit, Problem> {
    match &arguments.command {
        ConfigCommand::Check { file, config } => {
            check(file.as_deref().or(config.as_deref()).unwrap_or(Path::new("")), say)
        }
        ConfigCommand::Show { config } => {
            let mut config = load(config.as_deref())?;
            let text = config.text();
            // The hash is of what a run would journal: weights and calendars by their content, not their path.
            policy::weights(&mut config)?;
            config.resolve()?;
            let hash = hash(&config);
            if say.json {
                let fields = [("semantic_hash", json!(hash)), ("config", json!(text))];
                say.answer(fields.map(|(k, v)| (k.to_string(), v)).into_iter().collect());
            } else {
                let known: Vec<String> =
                    calendar::coverage().map(|line| format!("# {line}\n")).collect();
                print(&format!("# semantic hash {hash}\n{}{text}", known.concat()));
            }
            Ok(Exit::Done)
        }
        ConfigCommand::Init => {
            if say.json {
                say.answer(Map::from_iter([("config".into(), json!(engine::config::TEMPLATE))]));
            } else {
                print(engine::config::TEMPLATE.trim_end());
            }
            Ok(Exit::Done)
        }
    }
}

fn check(file: &Path, say: Say) -> Result<Exit, Problem> {
    let text = read(file)?;
    let checked = Config::check(&text);
    let warning = checked.as_ref().ok().and_then(Config::never_decides);
    // What a run would open at once is opened here too.
    let mut opened = checked.as_ref().ok().cloned();
    let unfit: Vec<(&str, Problem)> = opened
        .iter_mut()
        .flat_map(|config| {
            let calendars = config.resolve().err().map(|unfit| ("semantic.calendar", unfit));
            let named = definitions::resolve(&mut config.semantic).err();
            let named = named.map(|unfit| ("semantic.instruments_from", unfit));
            let policy = policy::of_run(config).err().map(|unfit| ("semantic.policy", unfit));
            calendars.into_iter().chain(named).chain(policy)
        })
        .collect();
    let violations = checked.err().unwrap_or_default();
    let mut list: Vec<_> = violations
        .iter()
        .map(|v| json!({ "line": v.line, "key": v.key, "what": v.what }))
        .collect();
    for (key, unfit) in &unfit {
        let what = format!("{} ({}); {}", unfit.what, unfit.place, unfit.fix);
        say.text(&format!("{}: {key}: {what}", file.display()));
        list.push(json!({ "line": null, "key": key, "what": what }));
    }
    if list.is_empty() {
        say.text(&format!("{}: valid", file.display()));
    }
    if let Some(warning) = &warning {
        say.text(&format!("{}: warning: {warning}", file.display()));
    }
    for v in &violations {
        say.text(&format!("{}:{}: {}: {}", file.display(), v.line, v.key, v.what));
    }
    let exit = if list.is_empty() { Exit::Done } else { Exit::Findings };
    let warnings: Vec<String> = warning.into_iter().collect();
    let answer = [("violations", json!(list)), ("warnings", json!(warnings))];
    say.answer(answer.map(|(key, value)| (key.to_string(), value)).into_iter().collect());
    Ok(exit)
}

/// SHA-256 of the resolved `[semantic]`, hex.
pub fn hash(config: &Config) -> String {
    journal::objects::hex(&config.semantic_hash())
}

/// The config of a file, or the embedded default. Definitions that it takes from files are in it.
pub fn load(file: Option<&Path>) -> Result<Config, Problem> {
    let mut config = match file {
        Some(file) => Config::parse(&read(file)?, &file.display().to_string())?,
        None => Config::default(),
    };
    definitions::resolve(&mut config.semantic)?;
    Ok(config)
}

fn read(file: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(file).map_err(|error| {
        Problem::new(
            format!("cannot read the config: {error}"),
            file.display().to_string(),
            "check the path, or write one: grandmodel config init > FILE",
        )
    })
}
