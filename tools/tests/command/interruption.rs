//! Signals: SIGINT and SIGTERM drain, `kill -9` leaves a readable prefix, also at any other moment; a second
//! SIGINT ends at once; SIGBUS ends with a message. A reader that goes away is no error.
//!
//! `GRANDMODEL_SIGNALS=100 cargo test -p tools random_moment -- --nocapture` is the campaign, and
//! `GRANDMODEL_SEED` varies its moments.

use crate::support::{Place, Running, SMALL, Said, drill, until};
use serde_json::Value;
use std::collections::HashSet;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A paced run that has journaled something.
fn started(place: &Place) -> Running {
    let run = place.start("run -c small.toml --pace 2000 --journal J --json");
    // The first frame begins behind the header page.
    let journaled = || {
        let segment = std::fs::read(place.segment("J", 0));
        // The whole line: its first byte is of a CRC over the wall time, and 0 once in 256 starts.
        segment.is_ok_and(|s| s.get(4_096..4_160).is_some_and(|line| line != [0; 64]))
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

/// How many moments a test tries.
fn moments() -> u64 {
    let rounds = std::env::var("GRANDMODEL_SIGNALS").ok();
    rounds.map_or(10, |rounds| rounds.parse().expect("a number"))
}

/// Random numbers (`SplitMix64`), the same for the same seed.
struct Dice(u64);

impl Dice {
    fn seeded(test: u64) -> Self {
        let seed: u64 =
            std::env::var("GRANDMODEL_SEED").map_or(1, |seed| seed.parse().expect("a number"));
        println!("seed {seed}, {} moments", moments());
        Self(seed.wrapping_mul(1_000) + test)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

const LAYOUTS: [&str; 3] = [
    "fused:yield",
    "per-stage:yield",
    "sequencer+validate+bar,indicator+matrix+synergy,decide,journal+egress:yield",
];

/// A shell that waits for a signal and a process: starting one for each would take milliseconds.
fn sender() -> Child {
    let script =
        Command::new("sh").args(["-c", "read line; kill $line"]).stdin(Stdio::piped()).spawn();
    script.expect("a shell")
}

/// How long a small run takes from its start to its end here and now, which says how long a start takes: 30 ms on a
/// free machine, seconds on a busy one.
fn short_run() -> Duration {
    static TAKEN: OnceLock<Duration> = OnceLock::new();
    *TAKEN.get_or_init(|| {
        let place = Place::new().with_small_config();
        let start = Instant::now();
        place.small_run("J");
        start.elapsed()
    })
}

/// A run of any kind, and a signal within its first 400 ms, or longer where starts take long; a quarter of them within
/// its first 4 ms, in which it comes to its `main` and opens its sources. What was run, and how it ended.
fn signalled(place: &Place, dice: &mut Dice, signal: &str) -> (String, Said) {
    let layout = LAYOUTS[dice.below(3) as usize];
    let config = ["small.toml", "drill.toml"][dice.below(2) as usize];
    let pace = ["2000", "max"][dice.below(2) as usize];
    let most = (3 * short_run().as_micros() as u64).max(400_000);
    let stretch = [4_000, most, most, most][dice.below(4) as usize];
    let moment = Duration::from_micros(dice.below(stretch));
    place.write("drill.toml", &drill(100, ""));
    let line = format!(
        "run -c {config} --source synthetic:days=500 --pace {pace} --layout {layout} --journal J --json"
    );
    let mut sender = sender();
    let mut run = place.start(&line);
    std::thread::sleep(moment);
    let order = format!("{signal} {}\n", run.pid());
    let sent = sender.stdin.take().expect("a pipe").write_all(order.as_bytes());
    assert!(sent.is_ok() && sender.wait().is_ok_and(|status| status.success()), "{line}");
    (format!("{signal} after {moment:?}: {line}"), run.end())
}

/// What the broker recorded and the journal does not hold: there is no such order, ever.
fn unjournaled(place: &Place) -> Vec<String> {
    let columns = ["order_epoch", "order_seq", "order_index", "instrument", "side", "qty"];
    let text = |order: &Value, key: &str| order[key].as_str().unwrap_or_default().to_string();
    let orders = place.frames("J", "order");
    // 0 is a new order; only such ones leave in a drill.
    let made = orders.iter().filter(|order| order["state"] == "0");
    let made: HashSet<_> = made.map(|order| columns.map(|key| text(order, key))).collect();
    let is_made = |line: &String| {
        let fields: Vec<&str> = line.split(',').collect();
        let [epoch, seq, index, "new", instrument, side, qty] = fields[..] else { return false };
        let side = if side == "buy" { "1" } else { "2" };
        made.contains(&[epoch, seq, index, instrument, side, qty].map(str::to_string))
    };
    place.recorded("J").into_iter().filter(|line| !is_made(line)).collect()
}

#[test]
fn an_order_that_is_not_in_the_journal_is_found_by_the_check() {
    let place = Place::new();
    place.write("drill.toml", &drill(100, ""));
    place.json(&format!("run -c drill.toml --source {SMALL} --journal J"));
    let recorded = place.recorded("J");
    assert!(recorded.len() > 100);
    assert_eq!(unjournaled(&place), Vec::<String>::new());
    // One field of one order changed, an order that was made up, half a line.
    // Its index is 1 or, beside a report's event, more.
    let mut fields: Vec<&str> = recorded[50].split(',').collect();
    fields[2] = "9";
    let changed = fields.join(",");
    let resized = recorded[60].clone() + "0";
    for line in [&changed, &resized, "1,7,1,new,0,buy,1", &recorded[70][..9]] {
        let mut lines = recorded.clone();
        lines.insert(0, "order_epoch".to_string());
        lines[51] = line.to_string();
        place.write("J/broker.csv", &lines.join("\n"));
        assert_eq!(unjournaled(&place), [line], "{}", recorded[50]);
    }
}

#[test]
fn sigint_at_a_random_moment_drains_to_a_sealed_journal() {
    let mut dice = Dice::seeded(1);
    let (mut drained, mut before_start, mut before_main, mut orders) = (0, 0, 0, 0);
    let start = Instant::now();
    for _ in 0..moments() {
        let place = Place::new().with_small_config();
        let (line, said) = signalled(&place, &mut dice, "-INT");
        match said.code {
            Some(0) => {
                drained += 1;
                let json = said.json();
                // A release build may have come to the end of its source just before.
                if json["ended"] != "source_ended" {
                    assert_eq!(json["ended"], "interrupted", "{line}");
                    let to = format!("drained to seq {}", json["journal"]["last_seq"]);
                    assert!(said.err.contains(&to), "{line}: {}", said.err);
                }
                is_sealed(&place, &line);
                let proof = place.json("replay J");
                assert_eq!(proof["verified"], true, "{line}");
                assert_eq!(proof["state_hash"], json["state_hash"], "{line}");
                assert_eq!(unjournaled(&place), Vec::<String>::new(), "{line}");
                orders += place.recorded("J").len();
            }
            Some(2) => {
                before_start += 1;
                let what = "interrupted before the run started";
                assert_eq!(said.json()["error"]["what"], what, "{line}");
                assert!(!place.path("J").exists(), "{line}");
            }
            // The kernel ends a process that has not come to its `main`: it had no say.
            None if said.out.is_empty() && said.err.is_empty() && !place.path("J").exists() => {
                before_main += 1;
            }
            code => panic!("{line}: {code:?}: {}{}", said.out, said.err),
        }
    }
    println!(
        "SIGINT: {drained} drained, {before_start} before the start, {before_main} before main, \
         {orders} orders out, {:?}",
        start.elapsed()
    );
    assert!(drained > 0);
}

/// Every byte of the journal is well, and it was closed.
fn is_sealed(place: &Place, line: &str) {
    let said = place.run("journal verify J");
    assert_eq!(said.code, Some(0), "{line}: {}{}", said.out, said.err);
    assert!(said.out.ends_with("sealed\n"), "{line}: {}", said.out);
}

#[test]
fn kill_9_at_a_random_moment_leaves_every_order_that_left_in_the_journal() {
    let mut dice = Dice::seeded(2);
    let (mut prefixes, mut no_frame, mut no_journal, mut orders) = (0, 0, 0, 0);
    let start = Instant::now();
    for _ in 0..moments() {
        let place = Place::new().with_small_config();
        let (line, said) = signalled(&place, &mut dice, "-KILL");
        assert_eq!(said.code, None, "{line}: {}", said.err);
        let verify = place.run("journal verify J --json");
        if verify.code == Some(2) {
            // Before its first header: nothing was journaled, and the next run does not mind.
            no_journal += 1;
            assert!(!place.path("J/broker.csv").exists(), "{line}");
            place.small_run("J");
            is_sealed(&place, &line);
            continue;
        }
        assert_eq!(verify.code, Some(0), "{line}: {}{}", verify.out, verify.err);
        if verify.json()["frames"] == 0 {
            no_frame += 1;
            assert!(!place.path("J/broker.csv").exists(), "{line}");
            continue;
        }
        prefixes += 1;
        let proof = place.json("replay J");
        assert_eq!(proof["verified"], true, "{line}: {proof}");
        assert_eq!(unjournaled(&place), Vec::<String>::new(), "{line}");
        orders += place.recorded("J").len();
    }
    println!(
        "SIGKILL: {prefixes} prefixes, {no_frame} before the first frame, {no_journal} before the first \
         header, {orders} orders out, {:?}",
        start.elapsed()
    );
    assert!(prefixes > 0);
}

/// A drill whose reports bring forth further orders: such a run drains for as long as it may.
fn endless(place: &Place, drain_ms: u32, layout: &str) -> Running {
    let host = format!("drain_ms = {drain_ms}\norder_max_age_ms = 60000\negress_orders = 65536\n");
    place.write("endless.toml", &drill(1, &host));
    let line = format!("run -c endless.toml --pace 2000 --layout {layout} --journal J --json");
    let run = place.start(&line);
    until(|| place.recorded("J").len() > 10);
    run
}

#[test]
fn a_second_sigint_ends_a_drain_at_once_with_the_journal_sealed() {
    for layout in ["fused:yield", "per-stage:yield"] {
        let ended = (0..5).find_map(|_| {
            let place = Place::new();
            let mut run = endless(&place, 3_000, layout);
            run.signal("-INT");
            // The engine looks every 20 ms: signals between two looks are one.
            std::thread::sleep(Duration::from_millis(70));
            assert!(!run.has_ended(), "it drains for as long as it may");
            let second = Instant::now();
            run.signal("-INT");
            let said = run.end();
            println!("{layout}: {:?} after the second", second.elapsed());
            is_sealed(&place, layout);
            assert_eq!(unjournaled(&place), Vec::<String>::new());
            // 0 where a busy host kept it from looking in between: then it drained.
            assert!(matches!(said.code, Some(0 | 1)), "{}", said.err);
            (said.code == Some(1)).then_some(said)
        });
        let said = ended.expect("one of five");
        assert!(said.err.contains("ended without draining, by a second interrupt"), "{}", said.err);
        assert_eq!(said.json()["ended"], "aborted");
    }
}

#[test]
fn two_sigints_at_random_moments_of_a_drain_leave_a_sealed_journal() {
    let mut dice = Dice::seeded(3);
    let (mut drained, mut aborted) = (0, 0);
    for _ in 0..moments().div_ceil(5) {
        let place = Place::new();
        let layout = LAYOUTS[dice.below(3) as usize];
        let mut run = endless(&place, 200, layout);
        std::thread::sleep(Duration::from_millis(dice.below(50)));
        let gap = Duration::from_millis(dice.below(300));
        run.signal("-INT");
        std::thread::sleep(gap);
        run.signal("-INT");
        let said = run.end();
        let line = format!("{layout}, {gap:?}");
        match said.code {
            Some(0) => drained += 1,
            Some(1) => aborted += 1,
            code => panic!("{line}: {code:?}: {}", said.err),
        }
        is_sealed(&place, &line);
        assert_eq!(unjournaled(&place), Vec::<String>::new(), "{line}");
    }
    println!("two SIGINTs: {drained} drained, {aborted} ended at once");
}

#[test]
fn a_journal_that_is_cut_under_a_running_engine_ends_it_with_a_message() {
    for layout in ["fused:yield", "per-stage:yield"] {
        let place = Place::new().with_small_config();
        let run = place
            .start(&format!("run -c small.toml --pace 2000 --layout {layout} --journal J --json"));
        until(|| place.run("ctl J status").out.contains("running"));
        let file = std::fs::File::options().write(true).open(place.segment("J", 0));
        file.and_then(|file| file.set_len(4_096)).expect("our own file");
        let said = run.end();
        assert_eq!(said.code, Some(1), "{}", said.err);
        for words in ["error: SIGBUS: a journal page could not be backed", "journal verify"] {
            assert!(said.err.contains(words), "{}", said.err);
        }
        assert_eq!(said.err.lines().last(), Some("the run ended Halted: sigbus"));
        for command in ["journal verify J", "journal describe J", "journal dump J", "replay J"] {
            let said = place.run(command);
            println!("{command}: {:?} {}", said.code, said.err.trim());
            assert!(matches!(said.code, Some(0..=2)), "{command}: {}", said.err);
            assert!(!said.err.contains("panicked"), "{command}: {}", said.err);
        }
        assert!(matches!(place.run("journal verify J").code, Some(0 | 1)));
    }
}
