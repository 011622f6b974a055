//! `journal follow`: what is durable as it comes, and a place that is kept by name.

use crate::support::{Place, until};

#[test]
fn a_named_follower_goes_on_where_it_stopped_and_is_forgotten_on_request() {
    let place = Place::new().with_small_config();
    place.small_run("J");
    let lines = |said: &str| said.lines().count();
    let first = place.run("journal follow J --name sink --once --limit 1000");
    assert_eq!((first.code, lines(&first.out)), (Some(0), 1_000), "{}", first.err);
    let rest = place.run("journal follow J --name sink --once");
    assert_eq!(rest.code, Some(0));
    // A limit ends in the middle of a slot, which is then read again: nothing is passed over.
    let whole = place.run("journal dump J");
    let sequence = |line: &str| line.split('.').next().map(str::to_string);
    assert_eq!(rest.out.lines().last(), whole.out.lines().last());
    let (end, begin) = (first.out.lines().last(), rest.out.lines().next());
    let both: Vec<u64> = [end, begin]
        .into_iter()
        .map(|line| sequence(line.unwrap()).unwrap().parse().unwrap())
        .collect();
    assert!(both[1] == both[0] || both[1] == both[0] + 1, "{both:?}");
    let nothing = place.run("journal follow J --name sink --once");
    assert_eq!((nothing.code, nothing.out.as_str()), (Some(0), ""));
    let stored = std::fs::read_to_string(place.path("J/followers/sink")).unwrap();
    assert!(nothing.err.contains(stored.split_whitespace().nth(2).unwrap()), "{}", nothing.err);

    assert_eq!(place.run("journal follow J --name sink --forget").code, Some(0));
    assert!(!place.path("J/followers/sink").exists());
    assert_eq!(place.run("journal verify J").code, Some(0), "a follower's place is no damage");
    for (line, word) in [
        ("journal follow J --name ../x --once", "letters, digits"),
        ("journal follow J --kind trades --once", "not a kind of record"),
        ("journal follow missing --once", "missing"),
        ("journal follow J --forget", "--name"),
    ] {
        let said = place.run(line);
        assert_eq!(said.code, Some(2), "{line}: {}", said.err);
        assert!(said.err.contains(word), "{line}: {}", said.err);
    }
}

#[test]
fn a_follower_of_a_living_run_prints_as_it_goes_and_ends_well_on_ctrl_c() {
    let place = Place::new().with_small_config();
    let run = place.start("run -c small.toml --pace 2000 --journal J --json");
    until(|| place.run("journal describe J --json").code == Some(0));
    let mut follower = place.start("journal follow J --name sink --kind bar --json");
    let position = || {
        let text = std::fs::read_to_string(place.path("J/followers/sink")).unwrap_or_default();
        text.split_whitespace().nth(2).and_then(|seq| seq.parse::<u64>().ok())
    };
    // Bars alone: its output is a pipe that nobody empties and that holds 64 KiB.
    until(|| position() > Some(1_000));
    follower.signal("-INT");
    let said = follower.end();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.lines().count() > 5 && said.out.contains("\"kind\":\"bar\""));
    assert!(said.err.contains("followed up to sequence"), "{}", said.err);
    drop(run);
}
