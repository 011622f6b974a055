//! Signals: SIGINT and SIGTERM drain, `kill -9` leaves a readable prefix, a reader that goes away is no
//! error.

use crate::support::{Place, Running, Said, drill, until};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A paced run that has journaled something.
fn started(place: &Place) -> Running {
    let run = place.start("run -c small.toml --pace 2000 --journal J --json");
    // The first frame begins behind the header page.
    let journaled = || {
        std::fs::read(place.segment("J", 0)).is_ok_and(|s| s.get(4_096).is_some_and(|b| *b != 0))
    };
    until(journaled);
    run
}

#[test]
fn sigint_and_sigterm_drain_and_exit_with_0() {
    for name in ["-INT", "-TERM"] {
        let place = Place::new().with_small_config();
        let mut run = started(&place);
        std::thread::sleep(Duration::from_millis(120));
        run.signal(name);
        let said = run.end();
        assert_eq!(said.code, Some(0), "{}", said.err);
        let json = said.json();
        assert_eq!(json["ended"], "interrupted");
        let drained = format!("drained to seq {}", json["journal"]["last_seq"]);
        assert!(said.err.contains(&drained), "{}", said.err);
        let proof = place.json("replay J");
        assert_eq!(proof["inputs"], json["inputs"]);
        assert_eq!(proof["state_hash"], json["state_hash"]);
        assert_eq!(proof["ended"], "sealed");
    }
}

#[test]
fn sigint_drains_every_thread_of_a_threaded_run() {
    let place = Place::new().with_small_config();
    let mut run =
        place.start("run -c small.toml --pace 2000 --layout per-stage:yield --journal J --json");
    until(|| place.path("J/log").exists());
    std::thread::sleep(Duration::from_millis(150));
    let start = Instant::now();
    run.signal("-INT");
    let said = run.end();
    assert!(start.elapsed() < Duration::from_secs(5), "the drain is bounded");
    assert_eq!(said.code, Some(0), "{}", said.err);
    let proof = place.json("replay J");
    assert_eq!(proof["state_hash"], said.json()["state_hash"]);
    assert_eq!(proof["ended"], "sealed");
}

#[test]
fn kill_9_leaves_a_prefix_that_verifies_and_replays() {
    for round in 0..5_u64 {
        let place = Place::new().with_small_config();
        let mut run = started(&place);
        std::thread::sleep(Duration::from_millis(20 + 37 * round));
        run.signal("-KILL");
        assert_eq!(run.end().code, None);
        let said = place.run("journal verify J");
        assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
        assert!(said.out.contains("open at") || said.out.contains("torn tail"), "{}", said.out);
        let proof = place.json("replay J");
        assert_eq!(proof["verified"], true, "{proof}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new().with_small_config();
    place.small_run("J");
    for arguments in ["journal export J --record tick -o -", "journal dump J"] {
        let mut child = place
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut out = child.stdout.take().expect("a pipe");
        let mut first = [0_u8; 10];
        std::io::Read::read_exact(&mut out, &mut first).expect("it prints");
        drop(out);
        let said = Said::of(&child.wait_with_output().expect("it ends"));
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{arguments}");
    }
}
