//! `journal recover` and `journal torture`, on real files and real kills.

use crate::support::{Place, SMALL, flip, until};

/// A run that was killed once it had journaled something.
fn killed(place: &Place) {
    let mut run = place.start("run -c small.toml --pace 2000 --journal J --json");
    until(|| place.run("journal describe J --json").code == Some(0));
    std::thread::sleep(std::time::Duration::from_millis(100));
    run.signal("-KILL");
    run.end();
}

#[test]
fn a_killed_run_is_described_and_mended_only_where_that_was_asked_for() {
    let place = Place::new().with_small_config();
    killed(&place);
    let before = std::fs::read(place.segment("J", 0)).expect("a segment");
    let looked = place.run("journal recover J --json");
    assert_eq!(looked.code, Some(1), "{}", looked.err);
    let found = looked.json();
    assert!(["C", "D"].contains(&found["case"].as_str().expect("a letter")), "{found}");
    assert_eq!(found["written"], false);
    assert_eq!(std::fs::read(place.segment("J", 0)).expect("a segment"), before, "only looked at");
    let mended = place.json("journal recover J --write");
    assert_eq!((&mended["written"], &mended["next_seq"]), (&true.into(), &found["next_seq"]));
    let again = place.json("journal recover J");
    assert_eq!((again["case"].as_str(), &again["next_seq"]), (Some("B"), &found["next_seq"]));
    assert_eq!(place.run("journal verify J").code, Some(0));
    assert_eq!(place.json("replay J")["verified"], true);
}

#[test]
fn damage_is_refused_with_its_place_and_left_as_it_is() {
    let place = Place::new().with_small_config();
    place.small_run("J");
    assert_eq!(place.json("journal recover J")["case"], "A");
    flip(&place.segment("J", 0), 8_192 + 40);
    let before = std::fs::read(place.segment("J", 0)).expect("a segment");
    for line in ["journal recover J", "journal recover J --write"] {
        let said = place.run(line);
        assert_eq!(said.code, Some(1), "{line}: {}", said.err);
        for word in ["segment-00000000.gmj", "offset 8192", "sequence"] {
            assert!(said.err.contains(word), "{line}: no {word} in {}", said.err);
        }
    }
    assert_eq!(std::fs::read(place.segment("J", 0)).expect("a segment"), before);
    assert_eq!(place.run("journal recover missing").code, Some(2));
}

/// `GRANDMODEL_TORTURE=10000 cargo test --release -p tools --test command torture -- --nocapture`.
#[test]
fn torture_kills_a_writer_many_times_and_leaves_nothing_behind() {
    let kills = std::env::var("GRANDMODEL_TORTURE").unwrap_or_else(|_| "30".to_string());
    let place = Place::new();
    let json = place.json(&format!("journal torture D --kills {kills} --seed 7"));
    println!("{json}");
    assert_eq!(json["kills"].to_string(), kills);
    assert_eq!(json["failures"], serde_json::json!([]));
    assert!(json["slots_read"].as_u64() > Some(1_000), "{json}");
    let left = std::fs::read_dir(place.path("D")).expect("the directory").count();
    assert_eq!(left, 0, "what was made is deleted");
}

#[test]
fn a_run_goes_on_from_a_tail_that_lost_a_page_as_recover_says_it_would() {
    let place = Place::new();
    // Nothing is durable, so that a power cut may take any page.
    place.write(
        "slow.toml",
        "[host]\nsegment_mib = 1\nfree_floor_mib = 0\nsync_interval_ms = 60000\n",
    );
    let source = "synthetic:days=1,ticks=400000";
    let mut run = place.start(&format!("run -c slow.toml --source {source} --pace 50 --journal J"));
    until(|| place.run("journal describe J --json").code == Some(0));
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    run.signal("-KILL");
    run.end();
    let file =
        std::fs::OpenOptions::new().write(true).open(place.segment("J", 0)).expect("a segment");
    std::os::unix::fs::FileExt::write_all_at(&file, &[0; 4_096], 2 * 4_096).expect("a page");
    let found = place.run("journal recover J --json");
    assert_eq!((found.code, found.json()["case"].as_str()), (Some(1), Some("E")), "{}", found.err);
    let on = place.run(&format!("run -c slow.toml --source {source} --journal J --json"));
    assert_eq!(on.code, Some(0), "{}", on.err);
    assert_eq!(place.json("replay J")["verified"], true);
    assert_eq!(place.run("journal verify J").code, Some(0));
}

#[test]
fn a_pipe_where_a_file_should_be_keeps_nobody_waiting() {
    let place = Place::new().with_small_config();
    place.small_run("J");
    let pipe = |name: &str| {
        let path = place.path(name);
        drop(std::fs::remove_file(&path));
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.is_ok_and(|status| status.success()), "{name}");
        path
    };
    let newest = std::fs::read_dir(place.path("J/snapshots")).expect("snapshots");
    let newest = newest.map(|file| file.expect("a file").file_name()).max().expect("a snapshot");
    pipe(&format!("J/snapshots/{}", newest.to_str().expect("its name")));
    assert_eq!(place.json("replay J --from-snapshot")["verified"], true, "from the beginning");
    std::fs::create_dir_all(place.path("J/followers")).expect("a folder");
    let follower = pipe("J/followers/x");
    place.write("days.toml", "[host]\nsegment_mib = 1\nretention_days = 1\n");
    let said = place.run(&format!("run -c days.toml --source {SMALL},seed=9 --journal J"));
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(
        said.err.contains("not a regular file") && said.err.contains("followers/x"),
        "{}",
        said.err
    );
    std::fs::remove_file(follower).expect("a pipe");
    pipe("J/LOCK");
    let said = place.run(&format!("run -c small.toml --source {SMALL},seed=9 --journal J"));
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("LOCK"), "{}", said.err);
}
