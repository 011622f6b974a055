//! A run into a directory that holds a journal: recovered, rebuilt, gone on with.

use crate::support::{Place, SMALL, Said, flip, until};
use serde_json::Value;

fn line(place: &Place, more: &str) -> String {
    place.write("small.toml", "[host]\nsegment_mib = 1\n");
    format!("run -c small.toml --source {SMALL} --journal J --json {more}")
}

/// Kills a paced run of the small market once it is under way.
fn killed(place: &Place) {
    let slots = || {
        let said = place.run("journal describe J --json");
        if said.code == Some(0) { said.json()["slots"].as_u64().unwrap_or(0) } else { 0 }
    };
    let before = slots();
    let mut run = place.start(&line(place, "--pace 3000"));
    until(|| slots() > before + 200);
    run.signal("-KILL");
    run.end();
}

/// What does not depend on how often it was stopped.
fn core(place: &Place, record: &str, journal: &str) -> Vec<String> {
    let said = place.run(&format!("journal export {journal} --record {record} --format csv -o -"));
    // Without the sequence: run starts and sources come up again.
    said.out
        .lines()
        .skip(1)
        .map(|row| row.split_once(',').unwrap_or_default().1.to_string())
        .collect()
}

#[test]
fn a_killed_run_goes_on_where_it_was_and_comes_to_the_same_market_bars_and_features() {
    let place = Place::new();
    for _ in 0..3 {
        killed(&place);
    }
    let json = place.json(&line(&place, "").replace(" --json", ""));
    let rebuilt = &json["rebuilt"];
    assert_eq!(rebuilt["epoch"], 4, "{rebuilt}");
    assert!(rebuilt["inputs"].as_u64() > Some(100), "{rebuilt}");
    place.json(&line(&place, "").replace(" --json", "").replace("--journal J", "--journal W"));
    for record in ["tick", "bar", "indicator"] {
        let (stopped, whole) = (core(&place, record, "J"), core(&place, record, "W"));
        assert_eq!(stopped.len(), whole.len(), "{record}");
        let differs = stopped.iter().zip(&whole).find(|(a, b)| a != b);
        assert_eq!(differs, None, "{record}");
    }
    let proof = place.json("replay J");
    assert_eq!((&proof["verified"], &proof["state_hash"]), (&true.into(), &json["state_hash"]));
    assert_eq!(place.run("journal verify J").code, Some(0));
    // Nothing is left to run: it goes on once more, and ends at once with the same account.
    let again = place.json(&line(&place, "").replace(" --json", ""));
    assert_eq!((&again["ticks"], &again["rebuilt"]["epoch"]), (&0.into(), &5.into()));
    assert!(again["rebuilt"]["from_snapshot"].as_u64().is_some(), "{}", again["rebuilt"]);
    assert_eq!(again["equity"], json["equity"]);
}

#[test]
fn a_snapshot_shortens_the_start_and_a_damaged_one_is_passed_over_with_a_word() {
    let place = Place::new().with_small_config();
    place.small_run("J");
    let saved = place.json("journal snapshot J");
    assert!(place.path(saved["file"].as_str().expect("a file")).exists());
    let from_zero = place.json("replay J");
    let from_snapshot = place.json("replay J --from-snapshot");
    assert_eq!(from_snapshot["from_snapshot"], saved["seq"]);
    assert_eq!(from_zero["from_snapshot"], Value::Null);
    assert_eq!(from_zero["verified"], true);
    assert_eq!(from_snapshot["verified"], true);
    assert_eq!(from_snapshot["state_hash"], from_zero["state_hash"]);
    flip(&place.path(saved["file"].as_str().expect("a file")), 5_000);
    let said = place.run("replay J --from-snapshot --json");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("warning") && said.err.contains("snapshot"), "{}", said.err);
    assert_eq!(said.json()["state_hash"], from_zero["state_hash"]);
    assert_eq!(place.run("journal snapshot missing").code, Some(2));
}

fn refused(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, Some(code), "{}{}", said.out, said.err);
    for word in words.iter().chain(&["error: ", "where: ", "do: "]) {
        assert!(said.err.contains(word), "no {word} in {}", said.err);
    }
}

#[test]
fn another_config_needs_consent_and_begins_a_new_chain() {
    let place = Place::new();
    place.json(&line(&place, "").replace(" --json", ""));
    place.write(
        "other.toml",
        "[semantic.risk]\nmax_instrument_pct = 10.0\n[host]\nsegment_mib = 1\n",
    );
    let other = "run -c other.toml --source synthetic:days=1,ticks=5000,seed=9 --journal J";
    refused(&place.run(other), 2, &["--accept-change"]);
    let json = place.json(&format!("{other} --accept-change"));
    assert_eq!(json["rebuilt"]["new_chain"], true, "{}", json["rebuilt"]);
    let proof = place.json("replay J");
    assert_eq!((&proof["verified"], &proof["state_hash"]), (&true.into(), &json["state_hash"]));
    assert_eq!(place.run("journal verify J").code, Some(0));
}

#[test]
fn damage_refuses_to_go_on_and_changes_nothing() {
    let place = Place::new();
    place.json(&line(&place, "").replace(" --json", ""));
    flip(&place.segment("J", 0), 8_192 + 40);
    let before = std::fs::read(place.segment("J", 0)).expect("a segment");
    // Damage is a finding, wherever it is met.
    refused(&place.run(&line(&place, "")), 1, &["segment-00000000.gmj", "offset 8192"]);
    assert_eq!(std::fs::read(place.segment("J", 0)).expect("a segment"), before);
}

#[test]
fn orders_wait_for_the_disk_where_they_shall() {
    let place = Place::new();
    for backend in ["msync", "io-uring"] {
        let host = format!(
            "release = \"durable\"\nsync_backend = \"{backend}\"\norder_max_age_ms = 60000\n"
        );
        place.write("drill.toml", &crate::support::drill(200, &host));
        let json = place.json(&format!("run -c drill.toml --source {SMALL} --journal {backend}"));
        let recorded = place.recorded(backend).len() as u64;
        assert!(recorded > 50, "{backend}: {recorded}");
        assert_eq!(json["ended"], "source_ended");
        assert_eq!(place.json(&format!("replay {backend}"))["verified"], true);
    }
}
