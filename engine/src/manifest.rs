//! What a run start names: config, instruments, calendars and sources, as objects by content hash, so
//! that `replay` needs nothing but the journal's directory.

use crate::calendar::Calendar;
use crate::config::Config;
use crate::instrument::InstrumentDef;
use crate::problem::Problem;
use crate::source::Source;
use journal::objects;
use ringbuf_layout::Conditions;
use ringbuf_layout::names::BarSource;
use serde_json::{Value, json};
use std::path::Path;

/// One line of the instrument table: the definition, and where its bars come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// The definition.
    pub def: InstrumentDef,
    /// What its bars are made from.
    pub bars_from: BarSource,
}

impl Listed {
    /// Symbol and decimal digits of a size: what shows it to people.
    pub fn shown(&self) -> (String, u8) {
        (self.def.symbol.clone(), self.def.size_precision)
    }
}

/// Writes all objects and returns the hash of the manifest; `imported` for a journal without outputs.
///
/// # Errors
/// If an object cannot be written and synced.
pub fn write(
    dir: &Path,
    config: &Config,
    table: &[Listed],
    calendars: &[&Calendar],
    sources: &[Source],
    weights: Option<&[u8]>,
    imported: bool,
) -> Result<[u8; 32], Problem> {
    let put = |bytes: &[u8]| objects::put(dir, bytes).map_err(|e| Problem::from_journal(&e));
    let instruments: Vec<Value> = table.iter().map(instrument_json).collect();
    let calendars: Vec<Value> = calendars.iter().map(|c| c.describe()).collect();
    let sources: Vec<Value> = sources
        .iter()
        .map(|s| json!({ "name": s.name, "spec": s.spec, "identity": objects::hex(&s.identity) }))
        .collect();
    // The config names these by their hash, as it does the weights.
    let own = config.semantic.calendars.iter().filter_map(|own| own.timetable.as_ref());
    let own: Vec<Value> = own
        .map(|timetable| Ok(json!(objects::hex(&put(&timetable.bytes())?))))
        .collect::<Result<_, Problem>>()?;
    let config = put(config.text().as_bytes())?;
    let instruments = put(pretty(&Value::Array(instruments)).as_bytes())?;
    let calendars = put(pretty(&Value::Array(calendars)).as_bytes())?;
    let weights = weights.map(put).transpose()?;
    let mut manifest = json!({
        "config": objects::hex(&config),
        "instruments": objects::hex(&instruments),
        "calendars": objects::hex(&calendars),
        "sources": sources,
    });
    if let Some(weights) = weights {
        manifest["weights"] = json!(objects::hex(&weights));
    }
    if imported {
        manifest["imported"] = json!(true);
    }
    if !own.is_empty() {
        manifest["own_calendars"] = Value::Array(own);
    }
    put(pretty(&manifest).as_bytes())
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn instrument_json(listed: &Listed) -> Value {
    let def = &listed.def;
    let mut json = json!({
        "symbol": def.symbol, "tick": def.tick.0, "multiplier": def.multiplier, "lot": def.lot.0,
        "size_precision": def.size_precision, "fee": def.fee, "currency": def.currency,
        "calendar": def.calendar, "bars_from_mid": listed.bars_from == BarSource::Mid,
    });
    if listed.bars_from == BarSource::External {
        json["bars_from_external"] = json!(true);
    }
    if def.no_price != Conditions::NONE {
        json["no_price"] = json!(def.no_price.words().collect::<Vec<_>>());
    }
    if def.no_volume != Conditions::NONE {
        json["no_volume"] = json!(def.no_volume.words().collect::<Vec<_>>());
    }
    json
}

/// What a manifest says, read back.
#[derive(Debug)]
pub struct Manifest {
    /// The config of the run.
    pub config: Config,
    /// How many instruments its table has.
    pub instruments: usize,
    /// True if the journal holds definitions and market data alone.
    pub imported: bool,
}

/// Reads the manifest with this hash.
///
/// # Errors
/// If an object is missing, damaged or not what its name promises.
pub fn read(dir: &Path, hash: &[u8; 32]) -> Result<Manifest, Problem> {
    let get = |hash: &[u8; 32]| objects::get(dir, hash).map_err(|e| Problem::from_journal(&e));
    let broken = |what: &str| {
        Problem::new(
            format!("the manifest {what}"),
            dir.join("objects").join(objects::hex(hash)).display().to_string(),
            "restore the objects folder from a copy of this journal",
        )
    };
    let manifest: Value =
        serde_json::from_slice(&get(hash)?).map_err(|_| broken("is not valid JSON"))?;
    let named = |key: &str| {
        manifest[key].as_str().and_then(from_hex).ok_or_else(|| broken(&format!("names no {key}")))
    };
    let config = String::from_utf8(get(&named("config")?)?)
        .map_err(|_| broken("names a config that is not text"))?;
    let mut config = Config::parse(&config, "the config in the journal")?;
    config.resolve_from(dir)?;
    let instruments: Value = serde_json::from_slice(&get(&named("instruments")?)?)
        .map_err(|_| broken("names an instrument table that is not valid JSON"))?;
    let instruments =
        instruments.as_array().ok_or_else(|| broken("names no instrument table"))?.len();
    let imported = manifest["imported"].as_bool().unwrap_or(false);
    Ok(Manifest { config, instruments, imported })
}

/// What is wrong with the objects that a run start names: the manifest, and config, instruments and calendars
/// behind it. Empty if all are there with the content that their name promises.
pub fn verify(dir: &Path, hash: &[u8; 32]) -> Vec<Problem> {
    let get = |hash: &[u8; 32]| objects::get(dir, hash).map_err(|e| Problem::from_journal(&e));
    let bytes = match get(hash) {
        Ok(bytes) => bytes,
        Err(problem) => return vec![problem],
    };
    let manifest: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    // A journal without agents has no weights.
    let weights = manifest.get("weights").map(|_| "weights");
    let named = ["config", "instruments", "calendars"].into_iter().chain(weights);
    // Neither have all journals calendars of their own.
    let own = manifest["own_calendars"].as_array().cloned().unwrap_or_default();
    let own = own.iter().filter_map(|hash| match hash.as_str().and_then(from_hex) {
        Some(hash) => get(&hash).err(),
        None => Some(Problem::new("the manifest names a calendar that is no hash", "", "")),
    });
    let damaged: Vec<Problem> = own.collect();
    named
        .filter_map(|key| match manifest[key].as_str().and_then(from_hex) {
            Some(hash) => get(&hash).err(),
            None => Some(Problem::new(format!("the manifest names no {key}"), "", "")),
        })
        .chain(damaged)
        .collect()
}

/// The bytes that 64 hex digits stand for.
pub fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, i) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[i..i + 2], 16).ok()?;
    }
    Some(bytes)
}
