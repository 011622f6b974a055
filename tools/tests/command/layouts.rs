//! Every layout gives the same bytes: one state hash from all of them, on any number of cores.

use crate::skipped::skipped;
use crate::support::{Place, SMALL as SYNTHETIC, Said, drill, until};
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
            _ => skipped(format!("taskset -c {cores}: not possible here")),
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
            skipped(format!("{file}: the recordings are not here"));
        }
    }
}

/// Three million inputs, five seeds:
/// `GRANDMODEL_REPLAYED=3000000 GRANDMODEL_SEEDS=5 cargo test --release -p tools --test command long_runs -- --nocapture`.
#[test]
fn long_runs_of_any_seed_are_replayed_frame_by_frame_and_every_layout_writes_the_same_frames() {
    let number = |name: &str, usual: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let (ticks, seeds) = (number("GRANDMODEL_REPLAYED", 60_000), number("GRANDMODEL_SEEDS", 1));
    for seed in 1..=seeds {
        let place = Place::new();
        place.write("config.toml", "[semantic.drill]\norder_every = 500\n");
        let mut first: Option<Value> = None;
        for (i, layout) in LAYOUTS.iter().filter(|layout| !layout.ends_with("hint")).enumerate() {
            let source = format!("synthetic:days=1,ticks={ticks},instruments=2,seed={seed}");
            let run = place.json(&format!(
                "run -c config.toml --source {source} --layout {layout} --journal J{i}"
            ));
            let proof = place.json(&format!("replay J{i}"));
            assert_eq!(proof["verified"], true, "{layout}: {proof}");
            assert_eq!(proof["state_hash"], run["state_hash"], "{layout}");
            let first = first.get_or_insert_with(|| run["state_hash"].clone());
            assert_eq!(run["state_hash"], *first, "{layout}");
            if i > 0 {
                let diff = place.run(&format!("journal diff J0 J{i} --json"));
                assert_eq!(diff.code, Some(0), "{layout}: {}", diff.out);
                std::fs::remove_dir_all(place.path(&format!("J{i}"))).expect("our own folder");
            }
        }
        println!(
            "seed {seed}: {ticks} ticks, every layout and its replay {}",
            first.expect("runs")
        );
    }
}

#[test]
fn spine_threads_are_named_and_pinned_and_helpers_kept_off_their_cores() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores < 2 {
        skipped("needs two cores");
        return;
    }
    let place = Place::new().with_small_config();
    let mut child = place
        .command("run -c small.toml --pace realtime --layout fused --journal J")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the command starts");
    until(|| is_pinned(child.id(), "gm-fused"));
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

/// The start-up table: its rows, by their words.
fn table(said: &Said) -> Vec<Vec<String>> {
    let lines = said.err.lines().skip_while(|line| !line.starts_with("thread "));
    let words = |line: &str| line.split_whitespace().map(str::to_string).collect();
    lines.take_while(|line| line.contains(' ')).map(words).collect()
}

#[test]
fn the_start_up_table_lists_thread_core_policy_and_wait() {
    let place = Place::new().with_small_config();
    let run = |layout: &str| {
        let source = "--source synthetic:days=1,ticks=100";
        let said = place.run(&format!("run -c small.toml {source} --layout {layout}"));
        assert_eq!(said.code, Some(0), "{}", said.err);
        table(&said)
    };
    let rows = run("fused:yield");
    assert_eq!(rows[0], ["thread", "core", "policy", "wait", "parts"]);
    assert_eq!(rows[1][0], "gm-fused");
    assert_eq!(rows[1][2..4], ["other", "yield"]);
    assert_eq!(rows[1][4].split('+').count(), 9);
    let rows = run("per-stage:sleep");
    let names: Vec<&str> = rows[1..].iter().map(|row| row[0].as_str()).collect();
    let parts = ["sequencer", "validate", "bar", "indicator", "matrix", "synergy", "decide"];
    for (name, part) in names.iter().zip(parts) {
        assert_eq!(*name, format!("gm-{part}"));
    }
    for row in &rows[1..10] {
        let core = row[1] == "any" || row[1].parse::<usize>().is_ok();
        assert!(core && row[2..4] == ["other", "sleep"], "{row:?}");
    }
}

/// Name, policy and real-time priority of every thread of a process.
fn policies(pid: u32) -> Vec<(String, u32, u32)> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let stat = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("stat")).ok();
    let policy = |stat: String| {
        let (start, rest) = stat.rsplit_once(')')?;
        let (_, name) = start.split_once('(')?;
        // Behind the name stands field 3; the priority is field 40 and the policy field 41.
        let field = |n: usize| rest.split_whitespace().nth(n - 3)?.parse().ok();
        Some((name.to_string(), field(41)?, field(40)?))
    };
    tasks.flatten().filter_map(stat).filter_map(policy).collect()
}

const FIFO: u32 = 1;

#[test]
fn a_fifo_priority_is_given_to_the_spine_and_to_nobody_else() {
    let place = Place::new();
    place.write("fifo.toml", &drill(100, "fifo_priority = 5\n"));
    let mut run = place.start("run -c fifo.toml --pace 2000 --layout fused:yield --journal J");
    let mut spine = None;
    until(|| {
        let found = policies(run.pid()).into_iter().find(|(name, ..)| name == "gm-fused");
        spine = found.filter(|(_, policy, _)| *policy == FIFO);
        spine.is_some() || run.has_ended()
    });
    let Some((_, _, priority)) = spine else {
        let said = run.end();
        assert!(said.err.contains("SCHED_FIFO"), "{}", said.err);
        assert!(matches!(said.code, Some(1 | 2)), "{:?}", said.code);
        skipped("this host does not allow it");
        return;
    };
    assert_eq!(priority, 5);
    until(|| place.recorded("J").len() > 2);
    let threads = policies(run.pid());
    println!("{threads:?}");
    for helper in ["gm-control", "gm-segments", "gm-gateway", "gm-log", "gm-source-1", "grandmodel"]
    {
        let found = threads.iter().find(|(name, ..)| name == helper).expect(helper);
        assert_eq!((found.1, found.2), (0, 0), "{helper}");
    }
    assert_eq!(threads.iter().filter(|(_, policy, _)| *policy == FIFO).count(), 1);
    run.signal("-INT");
    let said = run.end();
    assert_eq!(said.code, Some(0), "{}", said.err);
    let row = &table(&said)[1];
    assert_eq!(
        (row[0].as_str(), &row[2..5]),
        ("gm-fused", &["fifo", "5", "yield"].map(String::from)[..])
    );
    assert_eq!(place.json("replay J")["verified"], true);
}

#[test]
fn as_many_spinning_fifo_threads_as_cores_are_refused() {
    let place = Place::new();
    place.write("fifo.toml", "[host]\nsegment_mib = 1\nfifo_priority = 5\n");
    let allowed = threads(std::process::id());
    let first = allowed[0].1.split([',', '-']).next().expect("a core");
    let line = format!(
        "run -c fifo.toml --source {SYNTHETIC} --layout fused:busy-spin --journal J --json"
    );
    match on_cores(&place, first, &line) {
        Some(said) => {
            assert_eq!(said.code, Some(2), "{}", said.err);
            let error = &said.json()["error"];
            let what = "1 spinning threads under SCHED_FIFO would leave no core to the host";
            assert_eq!(error["what"], what);
            assert_eq!(error["where"], "host.fifo_priority; 1 cores are allowed");
            assert!(!place.path("J").exists());
        }
        None => skipped("no taskset here"),
    }
    let said = place.run("config check fifo.toml");
    assert_eq!(
        said.code,
        Some(0),
        "how many cores there are is not the file's to say: {}",
        said.err
    );
}
