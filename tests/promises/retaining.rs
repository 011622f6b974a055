//! Old segments go while a run goes on: those that a snapshot covers and every follower has read; or all, where the
//! config says that the journal need not be rebuilt.

use engine::replay::{Options, replay};
use engine::run::{Order, run};
use engine::runtime::sequencer::Pace;
use engine::source::Source;
use journal::{Journal, Position, followers};
use std::path::Path;
use std::time::{Duration, SystemTime};
use tests::market::{listed, ns, steady_prints};
use tests::real_run::{by_rule, memory_source, order, run_into};

const SMALL: &str = "[host]\nsegment_mib = 1\nring_slots = 256\n";

fn day(name: &'static str, from: &str, count: usize) -> Source {
    let prints = steady_prints(&[listed("SPY", false)], count, ns(from), 10_000_000);
    memory_source(name, &["SPY"], prints)
}

fn first_segment(dir: &Path) -> u32 {
    let journal = Journal::open(dir).unwrap();
    journal.segments().next().map_or(0, |info| info.header.segment)
}

/// As if it had been written three days ago.
fn age(dir: &Path) {
    let then = SystemTime::now() - Duration::from_hours(72);
    for info in Journal::open(dir).unwrap().segments() {
        std::fs::File::open(info.path).unwrap().set_modified(then).unwrap();
    }
}

#[test]
fn old_segments_stay_until_every_named_follower_has_read_them() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    run_into(dir, SMALL, vec![day("monday", "2013-10-07T14:00:00Z", 60_000)]);
    age(dir);
    let keep_a_day = format!("{SMALL}retention_days = 1\n");
    followers::store(dir, "sink", Position { segment: 0, offset: 4_096, seq: 0 }).unwrap();
    run_into(dir, &keep_a_day, vec![day("tuesday", "2013-10-08T14:00:00Z", 2_000)]);
    assert_eq!(first_segment(dir), 0, "the sink has read nothing");

    let last = Journal::open(dir).unwrap().segments().last().unwrap().header;
    let read = Position { segment: last.segment, offset: 4_096, seq: last.base_seq };
    followers::store(dir, "sink", read).unwrap();
    age(dir);
    run_into(dir, &keep_a_day, vec![day("wednesday", "2013-10-09T14:00:00Z", 2_000)]);
    assert!(first_segment(dir) >= 3, "{}", first_segment(dir));
    let options = Options { from_snapshot: true, ..Options::default() };
    let proof = replay(dir, options, by_rule, |_| {}).unwrap();
    assert!(proof.verified(), "{proof:?}");

    // A position that nobody can read: nothing may go, and the run does not start without knowing.
    std::fs::write(dir.join("followers/sink"), "?").unwrap();
    let sources = vec![day("thursday", "2013-10-10T14:00:00Z", 100)];
    let problem = run(order(dir, &keep_a_day, sources), |_| {}, |_| {}).unwrap_err();
    assert!(problem.what.contains("holds no position"), "{problem}");
}

#[test]
fn a_snapshot_that_the_journal_does_not_bear_out_lets_nothing_go() {
    let (ours, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let dir = ours.path();
    run_into(dir, SMALL, vec![day("monday", "2013-10-07T14:00:00Z", 60_000)]);
    // One of another journal, sound in itself, that stands before the end of this one.
    run_into(other.path(), SMALL, vec![day("sunday", "2013-10-06T14:00:00Z", 50_000)]);
    std::fs::remove_dir_all(dir.join("snapshots")).unwrap();
    std::fs::create_dir(dir.join("snapshots")).unwrap();
    for file in std::fs::read_dir(other.path().join("snapshots")).unwrap() {
        let from = file.unwrap();
        std::fs::copy(from.path(), dir.join("snapshots").join(from.file_name())).unwrap();
    }
    age(dir);
    let keep_a_day = format!("{SMALL}retention_days = 1\n");
    run_into(dir, &keep_a_day, vec![day("tuesday", "2013-10-08T14:00:00Z", 2_000)]);
    assert_eq!(first_segment(dir), 0);
    assert!(replay(dir, Options::default(), by_rule, |_| {}).unwrap().verified());
    // The run has left one of its own: now the beginning may go, and who it was is still known.
    age(dir);
    run_into(dir, &keep_a_day, vec![day("wednesday", "2013-10-09T14:00:00Z", 2_000)]);
    assert!(first_segment(dir) > 0);
    let journal = Journal::open(dir).unwrap();
    let table = engine::replay::instruments(&journal, dir).unwrap();
    assert_eq!(table.len(), 1);
    assert!(engine::replay::run_start(&journal, dir).is_ok());
}

/// A run that lasts for some looks at the journal, into segments that it fills meanwhile.
fn paced(dir: &Path, config: &str) -> Order {
    let sources = vec![day("monday", "2013-10-07T14:00:00Z", 250_000)];
    Order { pace: Pace::Rate { per_second: 100_000.0, burst: 1 }, ..order(dir, config, sources) }
}

#[test]
fn a_journal_that_need_not_be_rebuilt_lets_go_of_all_while_it_is_written_and_says_so_ever_after() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let dropping = format!("{SMALL}retention = \"drop\"\n");
    let outcome = run(paced(dir, &dropping), |_| {}, |_| {}).unwrap();
    assert_eq!(outcome.failure, None);
    assert!(outcome.snapshot.is_none(), "a snapshot of it could not be used");
    assert!(first_segment(dir) >= 5, "{}", first_segment(dir));
    let report = journal::verify(dir, &mut |_| {}).unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);

    let problem = replay(dir, Options::default(), by_rule, |_| {}).unwrap_err();
    assert!(problem.what.contains("retention = \"drop\""), "{problem}");
    let more = || vec![day("tuesday", "2013-10-08T14:00:00Z", 100)];
    let problem = run(order(dir, SMALL, more()), |_| {}, |_| {}).unwrap_err();
    assert!(problem.what.contains("retention = \"drop\""), "{problem}");

    // Once its files are gone, the directory is like any other.
    for file in std::fs::read_dir(dir).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() && path.file_name().is_none_or(|name| name != "dropped") {
            std::fs::remove_file(path).unwrap();
        }
    }
    run_into(dir, SMALL, more());
    assert!(replay(dir, Options::default(), by_rule, |_| {}).unwrap().verified());

    // And one that was kept is never dropped afterwards.
    let kept = tempfile::tempdir().unwrap();
    run_into(kept.path(), SMALL, vec![day("monday", "2013-10-07T14:00:00Z", 100)]);
    let problem = run(order(kept.path(), &dropping, more()), |_| {}, |_| {}).unwrap_err();
    assert!(problem.what.contains("kept so far"), "{problem}");
    assert!(!kept.path().join("dropped").exists());
}
