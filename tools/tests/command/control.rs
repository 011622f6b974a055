//! Operators: `ctl`, SIGUSR1 and the halt file, and clients of the socket that mean no good.

use crate::support::{Place, Running, Said, drill, until};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Commands as the journal numbers them.
const HALT: &str = "1";
const REDUCE: &str = "2";
const RESUME: &str = "3";
const FLATTEN: &str = "4";
const CANCEL_ALL: &str = "5";
/// Instruments of the synthetic market, as it is without parameters.
const INSTRUMENTS: usize = 4;
/// Long enough for dozens of orders.
const A_WHILE: Duration = Duration::from_millis(250);

const LAYOUTS: [&str; 2] = ["fused:yield", "per-stage:yield"];

/// A drill that sends its orders to a broker, dozens a second, and has begun to.
fn trading(place: &Place, layout: &str) -> Running {
    place.write("drill.toml", &drill(100, ""));
    let run = place.start(&format!("run -c drill.toml --pace 2000 --layout {layout} --journal J"));
    until(|| place.recorded("J").len() > 2);
    run
}

/// What `ctl J …` answers, and the process that asked.
fn ctl(place: &Place, command: &str) -> (Value, u32) {
    let mut asking = place.start(&format!("ctl J {command} --json"));
    let pid = asking.pid();
    let said = asking.end();
    assert_eq!(said.code, Some(0), "{command}: {}", said.err);
    (said.json(), pid)
}

fn status(place: &Place) -> Value {
    ctl(place, "status").0
}

/// The operator records of the journal: command, instrument, user, process.
fn operators(place: &Place) -> Vec<[String; 4]> {
    let text = |record: &Value, key: &str| record[key].as_str().unwrap_or_default().to_string();
    let record = |r: &Value| ["side", "instrument", "uid", "pid"].map(|key| text(r, key));
    place.frames("J", "operator").iter().map(record).collect()
}

/// The records of a command for every instrument.
fn for_all(command: &str, uid: u32, pid: u32) -> Vec<[String; 4]> {
    let one = |n: usize| [command.to_string(), n.to_string(), uid.to_string(), pid.to_string()];
    (0..INSTRUMENTS).map(one).collect()
}

/// Us, as the kernel tells the engine.
fn our_uid(place: &Place) -> u32 {
    std::fs::metadata(place.path(".")).expect("our own folder").uid()
}

/// Ends a run that is not halted, and proves it.
fn ends_well(place: &Place, mut run: Running) {
    run.signal("-INT");
    let said = run.end();
    assert_eq!(said.code, Some(0), "{}", said.err);
    is_proven(place, &said);
}

/// Ends a halted run: it says so, and is proven all the same.
fn ends_halted(place: &Place, mut run: Running) {
    run.signal("-INT");
    let said = run.end();
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert_eq!(said.err.lines().last(), Some("the run ended Halted: operator"));
    is_proven(place, &said);
}

fn is_proven(place: &Place, said: &Said) {
    let proof = place.json("replay J");
    assert_eq!((&proof["verified"], proof["ended"].as_str()), (&Value::Bool(true), Some("sealed")));
    let hash = proof["state_hash"].as_str().expect("a hash");
    assert!(said.out.contains(hash), "{hash}: {}", said.out);
}

type Holds = fn(&Value) -> bool;

/// What each key of the status holds.
const KEYS: [(&str, Holds); 20] = [
    ("state", Value::is_string),
    ("state_reason", Value::is_null),
    ("last_error", Value::is_null),
    ("phase", Value::is_string),
    ("uptime_s", Value::is_f64),
    ("inputs", Value::is_u64),
    ("ticks", Value::is_u64),
    ("rejected", Value::is_u64),
    ("bars", Value::is_u64),
    ("orders", Value::is_u64),
    ("fills", Value::is_u64),
    ("inputs_per_s", Value::is_f64),
    ("ticks_per_s", Value::is_f64),
    ("layout", Value::is_array),
    ("lag", Value::is_object),
    ("watermarks", Value::is_object),
    ("exit", Value::is_object),
    ("positions", Value::is_object),
    ("equity", Value::is_string),
    ("sources", Value::is_object),
];

#[test]
fn status_has_the_same_keys_and_types_in_every_layout() {
    for (layout, threads) in [("fused:yield", 1), ("per-stage:yield", 9)] {
        let place = Place::new();
        let run = trading(&place, layout);
        let (first, second) = (status(&place), status(&place));
        let keys: Vec<&String> = first.as_object().expect("an object").keys().collect();
        assert_eq!(keys, KEYS.map(|(key, _)| key));
        for (key, holds) in KEYS {
            assert!(holds(&first[key]), "{key}: {}", first[key]);
        }
        assert_eq!((&first["state"], &first["phase"]), (&"active".into(), &"running".into()));
        for key in ["uptime_s", "inputs", "ticks"] {
            assert!(second[key].as_f64() > first[key].as_f64(), "{key} rises");
        }
        assert!(first["ticks_per_s"].as_f64() > Some(0.0));
        assert!(first["orders"].as_u64() > Some(2));
        let number = |group: &str, key: &str| first[group][key].as_u64();
        assert!(number("watermarks", "published") >= number("watermarks", "journaled"));
        assert!(number("watermarks", "journaled") > Some(0));
        assert!(
            first["watermarks"]["durable"].as_u64() <= first["watermarks"]["journaled"].as_u64()
        );
        for key in ["waiting", "sent", "held"] {
            assert!(first["exit"][key].is_u64(), "{key}");
        }
        assert_eq!(first["layout"].as_array().map(Vec::len), Some(threads));
        let lags = first["lag"].as_object().expect("by group");
        assert_eq!(lags.len(), threads.min(8), "a sequencer alone has no lag");
        assert!(lags.values().all(Value::is_u64));
        let symbols: Vec<&String> = first["positions"].as_object().expect("them").keys().collect();
        assert_eq!(symbols, ["SYN1", "SYN2", "SYN3", "SYN4"]);
        ends_well(&place, run);
    }
}

#[test]
fn status_for_people_is_a_line_a_key() {
    let place = Place::new().with_small_config();
    let mut run = place.start("run -c small.toml --pace 2000 --journal J");
    until(|| place.run("ctl J status").out.contains("phase        running"));
    let said = place.run("ctl J status");
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    let starts = [
        "state        active",
        "uptime s     ",
        "inputs       ",
        "inputs per s ",
        "thread       sequencer+",
        "watermarks   published ",
        "positions    SYN1 0, SYN2 0",
        "equity       1000000",
    ];
    for start in starts {
        assert!(said.out.lines().any(|line| line.starts_with(start)), "{start}: {}", said.out);
    }
    assert!(!said.out.contains("exit "), "paper mode has none: {}", said.out);
    let halted = place.run("ctl J halt").out;
    assert!(halted.contains("state       halted\n"), "{halted}");
    let said = place.run("ctl J status").out;
    assert!(said.contains("state        halted\nstate reason operator\n"), "{said}");
    run.signal("-INT");
    assert_eq!(run.end().code, Some(1));
}

#[test]
fn a_halt_lets_no_order_out_and_a_resume_does_while_the_run_goes_on() {
    for layout in LAYOUTS {
        let place = Place::new();
        let run = trading(&place, layout);
        let (halted, halter) = ctl(&place, "halt");
        let keys: Vec<&String> = halted.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["command", "state", "orders_left", "published"]);
        assert_eq!((&halted["command"], &halted["state"]), (&"halt".into(), &"halted".into()));
        let left = halted["orders_left"].as_u64().expect("a number");
        let before = status(&place);
        assert_eq!(
            (&before["state"], &before["state_reason"]),
            (&"halted".into(), &"operator".into())
        );
        std::thread::sleep(A_WHILE);
        let after = status(&place);
        assert!(after["inputs"].as_u64() > before["inputs"].as_u64(), "it goes on consuming");
        let recorded = place.recorded("J").len() as u64;
        assert!(recorded == left || recorded + 1 == left, "{recorded} left, {left} were told");
        let (resumed, resumer) = ctl(&place, "resume");
        assert_eq!(
            (&resumed["state"], &resumed["orders_left"]),
            (&"active".into(), &recorded.into())
        );
        until(|| place.recorded("J").len() as u64 > recorded + 2);
        assert_eq!(status(&place)["state"], "active");
        let (_, last) = ctl(&place, "halt");
        ends_halted(&place, run);
        let uid = our_uid(&place);
        let commanded = [(HALT, halter), (RESUME, resumer), (HALT, last)];
        let expected = commanded.map(|(command, pid)| for_all(command, uid, pid)).concat();
        assert_eq!(operators(&place), expected, "{layout}");
        none_is_made_while_halted(&place);
    }
}

/// Between the records of a halt and those of the resume the drill denied what it would have ordered.
fn none_is_made_while_halted(place: &Place) {
    let seq = |frame: &Value| frame["seq"].as_u64().expect("a number");
    let commands = place.frames("J", "operator");
    let (from, to) = (seq(&commands[INSTRUMENTS - 1]), seq(&commands[INSTRUMENTS]));
    let orders = place.frames("J", "order");
    let states: Vec<&Value> =
        orders.iter().filter(|o| (from..to).contains(&seq(o))).map(|o| &o["state"]).collect();
    // 8 is denied; what waited at the exit comes back as 7, rejected, or was on its way: 1, accepted.
    assert!(states.iter().filter(|state| **state == "8").count() > 2, "{states:?}");
    assert!(!states.iter().any(|state| **state == "0"), "a new order: {states:?}");
}

#[test]
fn the_other_commands_are_journaled_for_all_instruments_or_for_one() {
    let place = Place::new();
    let run = trading(&place, "fused:yield");
    let (reduced, reducer) = ctl(&place, "reduce");
    assert_eq!(reduced["state"], "reducing");
    let (_, flattener) = ctl(&place, "flatten --symbol syn2");
    let (_, canceller) = ctl(&place, "cancel-all");
    let (_, one) = ctl(&place, "cancel-all --symbol SYN4");
    let (_, all) = ctl(&place, "flatten");
    let (resumed, resumer) = ctl(&place, "resume");
    assert_eq!(resumed["state"], "active");
    ends_well(&place, run);
    let uid = our_uid(&place);
    let single = |command: &str, instrument: u32, pid: u32| {
        vec![[command.into(), instrument.to_string(), uid.to_string(), pid.to_string()]]
    };
    let expected = [
        for_all(REDUCE, uid, reducer),
        single(FLATTEN, 1, flattener),
        for_all(CANCEL_ALL, uid, canceller),
        single(CANCEL_ALL, 3, one),
        for_all(FLATTEN, uid, all),
        for_all(RESUME, uid, resumer),
    ];
    assert_eq!(operators(&place), expected.concat());
}

/// A command that is refused, for people and as JSON.
fn is_refused(place: &Place, arguments: &str, word: &str) {
    let said = place.run(arguments);
    assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{arguments}: {}", said.err);
    assert!(
        said.err.starts_with("error: ") && said.err.contains(word),
        "{arguments}: {}",
        said.err
    );
    let said = place.run(&format!("{arguments} --json"));
    assert_eq!(said.code, Some(2), "{arguments}");
    let error = &said.json()["error"];
    assert!(error["what"].as_str().is_some_and(|what| what.contains(word)), "{error}");
    for key in ["where", "do"] {
        assert!(error[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {error}");
    }
}

#[test]
fn ctl_without_an_engine_says_so_with_exit_code_2() {
    let place = Place::new();
    let none = "no engine runs in this directory";
    std::fs::create_dir(place.path("empty")).expect("our own folder");
    place.write("file", "");
    for dir in ["empty", "missing", "file", "missing/deeper"] {
        is_refused(&place, &format!("ctl {dir} status"), none);
        is_refused(&place, &format!("ctl {dir} halt"), none);
    }
    let run = trading(&place, "fused:yield");
    ends_well(&place, run);
    is_refused(&place, "ctl J status", none);
    assert!(!place.path("J/control.sock").exists(), "it goes with its engine");
}

#[test]
fn a_socket_that_kill_9_left_behind_is_no_engine() {
    let place = Place::new();
    let mut run = trading(&place, "fused:yield");
    run.signal("-KILL");
    assert_eq!(run.end().code, None);
    assert!(place.path("J/control.sock").exists());
    is_refused(&place, "ctl J halt", "no engine runs in this directory");
    // A later run goes on with what is there, and takes the socket's place.
    let before = place.run("journal recover J --json").json()["next_seq"].as_u64();
    let said = place
        .run("run -c drill.toml --source synthetic:days=1,ticks=2000,seed=5 --journal J --json");
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(said.json()["rebuilt"]["base_seq"].as_u64(), before);
    assert!(!place.path("J/control.sock").exists());
    assert_eq!(place.run("journal verify J").code, Some(0));
}

#[test]
fn ctl_refuses_what_an_engine_does_not_know() {
    let place = Place::new();
    let run = trading(&place, "fused:yield");
    is_refused(&place, "ctl J flatten --symbol NOPE", "NOPE is not traded by this run");
    for command in ["halt", "reduce", "resume"] {
        is_refused(&place, &format!("ctl J {command} --symbol SYN1"), "is for the whole engine");
    }
    assert_eq!(place.run("ctl J explode").code, Some(2));
    assert_eq!(status(&place)["state"], "active", "none of them took effect");
    ends_well(&place, run);
    assert!(operators(&place).is_empty());
}

#[test]
fn the_socket_is_its_owners_alone() {
    let place = Place::new();
    let run = trading(&place, "fused:yield");
    let found = std::fs::metadata(place.path("J/control.sock")).expect("a socket");
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    let names = std::fs::read_dir(place.path("J")).expect("a journal").flatten();
    let hidden = names.filter(|entry| entry.file_name().to_string_lossy().starts_with('.'));
    assert_eq!(hidden.count(), 0, "the folder that it was bound in is gone");
    ends_well(&place, run);
}

#[test]
fn an_engine_with_a_long_path_is_controlled_as_any_other() {
    let place = Place::new().with_small_config();
    // A socket's own path may have 107 bytes.
    let dir = format!("{}/{}/J", "a".repeat(90), "b".repeat(90));
    let mut run = place.start(&format!("run -c small.toml --pace 2000 --journal {dir}"));
    until(|| place.path(&dir).join("control.sock").exists());
    assert_eq!(place.json(&format!("ctl {dir} halt"))["state"], "halted");
    let whole = place.path(&dir).display().to_string();
    assert_eq!(place.json(&format!("ctl {whole} status"))["state"], "halted");
    assert_eq!(place.json(&format!("ctl {dir} resume"))["state"], "active");
    run.signal("-INT");
    assert_eq!(run.end().code, Some(0));
}

/// Says something to the socket; what comes back, if anything does.
fn said_to(place: &Place, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(place.path("J/control.sock")).expect("an engine");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket");
    // The engine may hang up before it has read everything.
    drop(stream.write_all(bytes));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn garbage_on_the_socket_is_answered_with_an_error_and_changes_nothing() {
    let place = Place::new();
    let run = trading(&place, "fused:yield");
    let long = vec![b'x'; 1 << 20];
    let requests: [&[u8]; 9] = [
        b"halt\n",
        b"\n",
        b"{}\n",
        b"[\"halt\"]\n",
        b"{\"command\":5}\n",
        b"{\"command\":\"explode\"}\n",
        b"{\"command\":\"halt\"",
        b"\xff\xfe\x00\n",
        &long,
    ];
    for request in &requests[..6] {
        let answer = said_to(&place, request);
        let what = "the request is not understood";
        assert!(answer.contains(what), "{}: {answer}", String::from_utf8_lossy(request));
    }
    for request in &requests[6..] {
        let answer = said_to(&place, request);
        assert!(answer.is_empty() || answer.contains("not understood"), "{answer}");
    }
    assert_eq!(status(&place)["state"], "active");
    ends_well(&place, run);
    assert!(operators(&place).is_empty());
}

#[test]
fn a_halt_gets_through_in_spite_of_clients_that_say_nothing_or_little() {
    let place = Place::new();
    let run = trading(&place, "fused:yield");
    let connect = || UnixStream::connect(place.path("J/control.sock")).expect("an engine");
    let slow: Vec<UnixStream> = (0..8).map(|_| connect()).collect();
    let silent: Vec<UnixStream> = (0..20).map(|_| connect()).collect();
    let start = Instant::now();
    let took = std::thread::scope(|scope| {
        let halting = scope.spawn(|| {
            ctl(&place, "halt");
            start.elapsed()
        });
        // A byte now and then buys no more time than silence does.
        while !halting.is_finished() {
            for mut stream in &slow {
                drop(stream.write_all(b" "));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        halting.join().expect("it halts")
    });
    println!("halted after {took:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
    drop((slow, silent));
    assert_eq!(status(&place)["state"], "halted");
    ends_halted(&place, run);
}

#[test]
fn sigusr1_halts_and_is_journaled_as_nobodys_command() {
    for layout in LAYOUTS {
        let place = Place::new();
        let mut run = trading(&place, layout);
        run.signal("-USR1");
        until(|| status(&place)["state"] == "halted");
        stays_halted(&place);
        assert_eq!(ctl(&place, "resume").0["state"], "active");
        let before = place.recorded("J").len();
        until(|| place.recorded("J").len() > before);
        run.signal("-USR1");
        until(|| operators(&place).len() == 3 * INSTRUMENTS);
        ends_halted(&place, run);
        let records = operators(&place);
        assert_eq!(records[..INSTRUMENTS], for_all(HALT, 0, 0));
        assert_eq!(records[2 * INSTRUMENTS..], for_all(HALT, 0, 0));
    }
}

/// Halted by an operator, and no order leaves although inputs come.
fn stays_halted(place: &Place) {
    let before = status(place);
    assert_eq!((&before["state"], &before["state_reason"]), (&"halted".into(), &"operator".into()));
    let recorded = place.recorded("J").len();
    std::thread::sleep(A_WHILE);
    assert!(status(place)["inputs"].as_u64() > before["inputs"].as_u64());
    assert_eq!(place.recorded("J").len(), recorded);
}

#[test]
fn a_halt_file_halts_for_as_long_as_it_is_there() {
    let place = Place::new();
    let run = trading(&place, "fused:yield");
    place.write("J/halt", "");
    until(|| status(&place)["state"] == "halted");
    stays_halted(&place);
    let refused = place.run("ctl J resume");
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(refused.err.contains("halt is there"), "{}", refused.err);
    assert_eq!(status(&place)["state"], "halted");
    std::fs::remove_file(place.path("J/halt")).expect("our own file");
    assert_eq!(ctl(&place, "resume").0["state"], "active");
    std::thread::sleep(A_WHILE);
    assert_eq!(status(&place)["state"], "active");
    ends_well(&place, run);
    let records = operators(&place);
    assert_eq!(records[..INSTRUMENTS], for_all(HALT, 0, 0));
    let halts = records.iter().filter(|r| r[0] == HALT).count();
    let resumes = records.iter().filter(|r| r[0] == RESUME).count();
    assert_eq!((halts, resumes), (INSTRUMENTS, INSTRUMENTS));
}
