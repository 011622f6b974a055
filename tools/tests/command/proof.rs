//! One hash from two runs and a replay; damage and differences are named.

use crate::support::{Place, flip};
use serde_json::Value;

const KEYS: [&str; 21] = [
    "inputs",
    "ticks",
    "rejected",
    "flagged",
    "bars",
    "decisions",
    "orders",
    "fills",
    "realized_pnl",
    "unrealized_pnl",
    "equity",
    "elapsed_s",
    "ticks_per_s",
    "state_hash",
    "journal",
    "layout",
    "latency_ns",
    "denied",
    "policy",
    "shadow",
    "ended",
];

#[test]
fn the_first_command_runs_half_a_million_ticks_and_replays_to_the_same_hash() {
    let place = Place::new();
    let said = place.run("run");
    assert_eq!(said.code, Some(0), "{}", said.err);
    for word in ["ticks", "state hash", "grandmodel replay journal/1"] {
        assert!(said.out.contains(word), "{word} in {}", said.out);
    }
    assert!(said.err.contains("needs about") && said.err.contains("free"), "{}", said.err);
    let proof = place.json("replay journal/1");
    for key in KEYS.iter().chain(&["verified", "first_divergence"]) {
        assert!(proof.get(key).is_some(), "{key}");
    }
    assert!(proof["ticks"].as_u64().is_some_and(|ticks| ticks >= 500_000));
    assert_eq!(
        (&proof["verified"], &proof["first_divergence"]),
        (&Value::Bool(true), &Value::Null)
    );
    assert!(said.out.contains(proof["state_hash"].as_str().expect("a hash")));
}

#[test]
fn two_runs_and_a_replay_give_one_hash_and_another_seed_another() {
    let place = Place::new().with_small_config();
    let (a, b) = (place.small_run("A"), place.small_run("B"));
    let proof = place.json("replay A");
    assert_eq!(a["state_hash"], b["state_hash"]);
    assert_eq!(a["state_hash"], proof["state_hash"]);
    for key in KEYS
        .iter()
        .filter(|k| !["elapsed_s", "ticks_per_s", "journal", "ended", "latency_ns"].contains(k))
    {
        assert_eq!(a[key], proof[key], "{key}");
    }
    assert_eq!(a["journal"]["bytes"], proof["journal"]["bytes"]);
    let other = place.json("run --source synthetic:seed=2,days=1,ticks=20000 --journal C");
    assert_ne!(a["state_hash"], other["state_hash"]);
}

#[test]
fn a_flipped_byte_is_named_by_verify_and_by_replay() {
    let place = Place::new().with_small_config();
    place.small_run("J");
    // A price in the middle of the first segment.
    let offset = 4_096 + 64 * 700 + 36;
    flip(&place.segment("J", 0), offset);
    let said = place.run("journal verify J --json");
    assert_eq!(said.code, Some(1), "{}", said.err);
    let findings = said.json()["findings"].clone();
    let at = findings[0]["offset"].as_u64().expect("an offset") as usize;
    assert!(at <= offset && offset < at + 576, "{findings}");
    assert_eq!(findings[0]["file"], "segment-00000000.gmj");
    let expected = findings[0]["expected_seq"].as_u64().expect("a sequence");
    let said = place.run("replay J --json");
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert_eq!(said.json()["verified"], false);
    let text = format!("{}{}", said.err, said.out);
    assert!(text.contains("segment-00000000.gmj") && text.contains(&at.to_string()), "{text}");
    assert!(text.contains(&expected.to_string()), "{text}");
    assert_eq!(said.json()["journal"]["last_seq"].as_u64(), Some(expected - 1));
}

#[test]
fn until_stops_a_replay_and_filters_narrow_a_run() {
    let place = Place::new().with_small_config();
    let whole = place.small_run("J");
    let part = place.json("replay J --until 5000");
    assert_eq!((part["inputs"].as_u64(), part["verified"].as_bool()), (Some(5_001), Some(true)));
    let source = "--source synthetic:days=1,ticks=20000";
    let one = place.json(&format!("run {source} --symbols syn2 --journal A"));
    assert!(one["ticks"].as_u64() < whole["ticks"].as_u64());
    let hours = "--from 2024-01-08T12:00:00Z --to 2024-01-08T13:00:00Z";
    let hour = place.json(&format!("run {source} {hours} --journal B"));
    assert_eq!(hour["bars"].as_u64(), Some(4 * (12 + 2)), "{hour}");
}

#[test]
fn rows_from_a_pipe_run_live_and_replay() {
    let place = Place::new();
    place.write(
        "live.toml",
        "[[source]]\nspec = \"csv:-\"\n[source.csv]\nheader = false\nsymbol = \"SPY\"\nts_unit = \"ms\"\n\
         columns = { ts_event = 0, price = 1, size = 2 }\n",
    );
    let rows: String = (0..500)
        .map(|i| format!("{},167.{:02},{i}\n", 1_381_152_600_000_u64 + i, i % 100))
        .collect();
    let mut child = place
        .command("run -c live.toml --journal J --json")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the command starts");
    std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), rows.as_bytes())
        .expect("the command reads");
    let said = crate::support::Said::of(&child.wait_with_output().expect("it ends"));
    assert_eq!((said.code, said.json()["ticks"].as_u64()), (Some(0), Some(500)), "{}", said.err);
    let proof = place.json("replay J");
    assert_eq!(proof["state_hash"], said.json()["state_hash"]);
}

#[test]
fn a_live_source_ends_at_the_time_to_stop_before() {
    let place = Place::new();
    place.write(
        "live.toml",
        "[[source]]\nspec = \"csv:-\"\n[source.csv]\nheader = false\nsymbol = \"SPY\"\nts_unit = \"ms\"\n\
         columns = { ts_event = 0, price = 1, size = 2 }\n",
    );
    let mut child = place
        .command("run -c live.toml --journal J --json --to 2013-10-07T13:30:00.100Z")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    for i in 0..200_u64 {
        let row = format!("{},167.5,{i}\n", 1_381_152_600_000 + i);
        if std::io::Write::write_all(&mut pipe, row.as_bytes()).is_err() {
            break;
        }
    }
    // The pipe stays open: the run ends by itself.
    let said = crate::support::Said::of(&child.wait_with_output().expect("it ends"));
    drop(pipe);
    assert_eq!((said.code, said.json()["ticks"].as_u64()), (Some(0), Some(100)), "{}", said.err);
}

/// A journal of several segments.
fn long_journal() -> Place {
    let place = Place::new().with_small_config();
    place.json("run -c small.toml --source synthetic:days=1,ticks=60000 --journal J");
    assert!(place.segment("J", 3).exists(), "several segments");
    place
}

fn last_segment(place: &Place) -> u32 {
    (0..1_000).rfind(|n| place.segment("J", *n).exists()).expect("a segment")
}

#[test]
fn a_flip_in_header_padding_or_footer_is_damage_to_every_command_that_reads() {
    for (segment, offset) in [(0, 0), (0, 20), (0, 100), (0, 4_000), (2, 0), (2, 30), (2, 4_000)] {
        let place = long_journal();
        flip(&place.segment("J", segment), offset);
        for command in
            ["journal verify J", "replay J", "journal dump J", "journal export J --record bar -o -"]
        {
            let said = place.run(command);
            assert_eq!(said.code, Some(1), "{command}, {segment} {offset}: {}", said.err);
        }
    }
}

#[test]
fn a_journal_that_lost_its_beginning_or_its_end_is_never_verified() {
    let removed = |n: u32| {
        let place = long_journal();
        let last = last_segment(&place);
        std::fs::remove_file(place.segment("J", if n == 0 { 0 } else { last }))
            .expect("our own file");
        place
    };
    let emptied = || {
        let place = long_journal();
        let segment = place.segment("J", last_segment(&place));
        std::fs::remove_file(&segment).expect("our own file");
        std::fs::write(&segment, "").expect("our own folder");
        place
    };
    for (what, place) in [("first", removed(0)), ("last", removed(1)), ("empty", emptied())] {
        for command in ["journal verify J", "replay J"] {
            let said = place.run(command);
            assert_eq!(said.code, Some(1), "{what}, {command}: {}{}", said.out, said.err);
        }
    }
}

#[test]
fn an_object_that_changed_or_went_missing_is_found() {
    let place = Place::new().with_small_config();
    place.small_run("J");
    let objects = std::fs::read_dir(place.path("J/objects")).expect("objects");
    let paths: Vec<_> = objects.flatten().map(|entry| entry.path()).collect();
    assert_eq!(paths.len(), 5, "config, instruments, calendars, weights, manifest");
    for path in paths {
        let bytes = std::fs::read(&path).expect("an object");
        std::fs::remove_file(&path).expect("our own file");
        std::fs::write(&path, [&bytes[..], b"x"].concat()).expect("our own folder");
        assert_eq!(place.run("journal verify J").code, Some(1), "{}", path.display());
        std::fs::remove_file(&path).expect("our own file");
        assert_eq!(place.run("journal verify J").code, Some(1), "{} is gone", path.display());
        std::fs::write(&path, bytes).expect("our own folder");
    }
    assert_eq!(place.run("journal verify J").code, Some(0));
}
