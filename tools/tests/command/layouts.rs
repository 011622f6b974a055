//! Every layout gives the same bytes: one state hash from all of them, on any number of cores.

use crate::support::{Place, Said};
use serde_json::Value;
use std::process::Command;

const LAYOUTS: [&str; 7] = [
    "auto",
    "fused",
    "per-stage:yield",
    "per-stage:sleep",
    "sequencer+validate+bar,indicator+matrix+synergy,decide,journal+egress:yield",
    "sequencer,validate+bar+indicator+matrix+synergy+decide+journal+egress:yield",
    "sequencer+validate+bar+indicator+matrix+synergy+decide,journal+egress:spin-hint",
];

/// The command under `taskset`, where the host has it and lets us.
fn on_cores(place: &Place, cores: &str, arguments: &str) -> Option<Said> {
    let mut command = Command::new("taskset");
    command.args(["-c", cores, env!("CARGO_BIN_EXE_grandmodel")]);
    let command = command.args(arguments.split_whitespace()).current_dir(place.path("."));
    let output = command.output().ok()?;
    Some(Said::of(&output))
}

/// Fifty rounds of the threaded layouts:
/// `GRANDMODEL_ROUNDS=50 cargo test --release -p tools --test command layouts -- --nocapture`.
fn rounds() -> usize {
    std::env::var("GRANDMODEL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// One hash from every layout, from one core and two, and from replay.
fn one_hash(source: &str, config: &str) -> u64 {
    let place = Place::new();
    place.write("config.toml", config);
    let arguments = |layout: &str, journal: usize| {
        format!("run -c config.toml --source {source} --layout {layout} --journal J{journal}")
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut hashes: Vec<(String, Value)> = Vec::new();
    for (i, layout) in LAYOUTS.iter().cycle().take(LAYOUTS.len() * rounds()).enumerate() {
        if layout.ends_with("spin-hint") && cores < 2 {
            continue;
        }
        let run = place.json(&arguments(layout, i));
        assert!(run["orders"].as_u64() > Some(100), "{layout}: the drill orders");
        if i >= LAYOUTS.len() {
            std::fs::remove_dir_all(place.path(&format!("J{i}"))).expect("our own folder");
        }
        let threads = run["layout"].as_array().map_or(0, Vec::len);
        let is_one = ["auto", "fused"].contains(layout);
        assert!(is_one || threads > 1, "{layout}: {threads} threads");
        hashes.push(((*layout).to_string(), run["state_hash"].clone()));
    }
    for (i, (cores, layout)) in
        [("0", "fused:yield"), ("0", "per-stage:yield"), ("0,1", "per-stage:yield")]
            .iter()
            .enumerate()
    {
        let line = format!("{} --json", arguments(layout, 1_000 + i));
        match on_cores(&place, cores, &line) {
            Some(said) if said.code == Some(0) => {
                hashes.push((format!("{layout} on {cores}"), said.json()["state_hash"].clone()));
            }
            _ => println!("skipped taskset -c {cores}: not possible here"),
        }
    }
    for journal in ["J0", "J2"] {
        let proof = place.json(&format!("replay {journal}"));
        hashes.push((format!("replay {journal}"), proof["state_hash"].clone()));
    }
    let first = hashes[0].1.clone();
    assert!(first.is_string());
    for (what, hash) in &hashes {
        assert_eq!(*hash, first, "{what}");
    }
    println!("{source}: {} runs and replays, one hash {first}", hashes.len());
    hashes.len() as u64
}

/// With a drill, so that orders are in the hash.
const SMALL: &str =
    "[semantic.drill]\norder_every = 50\n[host]\nsegment_mib = 4\nring_slots = 64\n";

#[test]
fn every_layout_gives_one_hash_for_eight_synthetic_instruments() {
    assert!(one_hash("synthetic:days=1,ticks=40000,instruments=8", SMALL) >= 8);
}

#[test]
fn every_layout_gives_one_hash_for_real_files_if_present() {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/lean");
    for file in ["spy-20131007-trade.zip", "gc-20131007-trade.zip"] {
        let path = format!("{data}/{file}");
        if std::path::Path::new(&path).exists() {
            one_hash(&format!("lean-trade:{path}"), SMALL);
        } else {
            println!("skipped {file}: the recordings are not here");
        }
    }
}

#[test]
fn spine_threads_are_named_and_pinned_and_helpers_kept_off_their_cores() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores < 2 {
        println!("skipped spine_threads_are_…: needs two cores");
        return;
    }
    let place = Place::new().with_small_config();
    let mut child = place
        .command("run -c small.toml --pace realtime --layout fused --journal J")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the command starts");
    crate::support::until(|| is_pinned(child.id(), "gm-fused"));
    let table = threads(child.id());
    child.kill().expect("our own process");
    child.wait().expect("our own process");
    println!("{table:?}");
    let spine = &table.iter().find(|(name, _)| name == "gm-fused").expect("the spine's thread").1;
    assert!(!spine.contains([',', '-']), "pinned to one core: {spine}");
    for helper in ["gm-segments", "gm-source-1", "gm-log"] {
        let cores = &table.iter().find(|(name, _)| name == helper).expect(helper).1;
        assert_ne!(cores, spine, "{helper}");
    }
}

/// True once the thread is there and has pinned itself.
fn is_pinned(pid: u32, name: &str) -> bool {
    threads(pid).iter().any(|(found, cores)| found == name && !cores.contains([',', '-']))
}

/// Name and allowed cores of every thread of a process.
fn threads(pid: u32) -> Vec<(String, String)> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let status = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("status")).ok();
    let field = |status: &str, key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_default().trim().to_string()
    };
    let read = tasks.flatten().filter_map(status);
    read.map(|text| (field(&text, "Name:"), field(&text, "Cpus_allowed_list:"))).collect()
}
