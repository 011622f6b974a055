//! `ctl`: asks a running engine, by the socket in its journal's directory.

use crate::cli;
use crate::control::{SOCKET, connect};
use crate::say::{Exit, Say};
use engine::Problem;
use serde_json::{Map, Value, json};
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::path::Path;
use std::time::Duration;

/// How long an engine may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// `ctl DIR …`
pub fn ctl(arguments: &cli::Ctl, say: Say) -> Result<Exit, Problem> {
    let symbol = arguments.symbol.as_ref().map(|symbol| symbol.to_uppercase());
    let request = json!({ "command": arguments.command.name(), "symbol": symbol });
    let answer = ask(&arguments.dir, &request)?;
    if let Some(error) = answer.get("error") {
        let text = |key: &str| error[key].as_str().unwrap_or_default().to_string();
        return Err(Problem::new(text("what"), text("where"), text("do")));
    }
    say.text(&people(&answer));
    say.answer(answer);
    Ok(Exit::Done)
}

fn ask(dir: &Path, request: &Value) -> Result<Map<String, Value>, Problem> {
    let place = dir.join(SOCKET).display().to_string();
    let mut stream = connect(dir).map_err(|error| {
        let (what, fix) = match error.kind() {
            ErrorKind::PermissionDenied => {
                ("you may not control this engine".to_string(), "ask as the user who started it")
            }
            ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::NotADirectory => (
                "no engine runs in this directory".to_string(),
                "name the journal directory of a running engine; its start prints it",
            ),
            _ => (format!("cannot reach the engine: {error}"), "check the directory"),
        };
        Problem::new(what, place.clone(), fix)
    })?;
    let lost = |error: std::io::Error| {
        let fix = "look at its stderr and DIR/log; if it hangs, SIGINT drains it";
        Problem::new(format!("the engine did not answer: {error}"), place.clone(), fix)
    };
    stream.set_read_timeout(Some(PATIENCE)).map_err(lost)?;
    stream.write_all(format!("{request}\n").as_bytes()).map_err(lost)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).map_err(lost)?;
    if line.is_empty() {
        let fix = "see the summary that it printed";
        return Err(Problem::new("the run ended before it answered", place, fix));
    }
    match serde_json::from_str(&line) {
        Ok(Value::Object(answer)) => Ok(answer),
        _ => Err(lost(ErrorKind::UnexpectedEof.into())),
    }
}

/// The answer for people: a line a key, nested ones joined.
fn people(answer: &Map<String, Value>) -> String {
    let mut lines: Vec<(String, String)> = Vec::new();
    for (key, value) in answer {
        let name = key.replace('_', " ");
        match value {
            Value::Null => {}
            Value::Object(inner) => {
                let pairs = inner.iter().map(|(name, value)| format!("{name} {}", plain(value)));
                lines.push((name, pairs.collect::<Vec<_>>().join(", ")));
            }
            Value::Array(threads) => {
                lines.extend(threads.iter().map(|thread| ("thread".into(), thread_line(thread))));
            }
            other => lines.push((name, plain(other))),
        }
    }
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines = lines.iter().map(|(name, value)| format!("{name:<width$} {value}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn thread_line(thread: &Value) -> String {
    let parts = thread["stages"]
        .as_array()
        .map(|parts| parts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("+"));
    let core = thread["core"].as_u64().map_or("any".to_string(), |core| core.to_string());
    format!("{} on core {core}, {}", parts.unwrap_or_default(), plain(&thread["wait"]))
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            format!("{:.1}", number.as_f64().unwrap_or(0.0))
        }
        Value::Null => "none".to_string(),
        other => other.to_string(),
    }
}
