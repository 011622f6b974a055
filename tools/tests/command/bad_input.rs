//! Bad input: one clear message, the right exit code, nothing lost.

use crate::skipped::skipped;
use crate::support::{Place, SMALL};
use std::io::Write as _;

const CSV: &str = "[[source]]\nspec = \"csv:rows.csv\"\n[source.csv]\nsymbol = \"SPY\"\nts_unit = \"ms\"\n\
                   columns = { ts_event = \"ts\", price = \"price\", size = \"size\" }\n";

/// The command must end with `code`, say all of `words` on stderr in what/where/do, and never panic.
fn check(place: &Place, arguments: &str, code: i32, words: &[&str]) {
    let said = place.run(arguments);
    assert_eq!(said.code, Some(code), "{arguments}\n{}{}", said.out, said.err);
    for word in words.iter().chain(&["error: ", "where: ", "do: "]) {
        assert!(said.err.contains(word), "{arguments}: no \"{word}\" in\n{}", said.err);
    }
    assert!(!said.err.contains("panicked"), "{arguments}\n{}", said.err);
    let said = place.run(&format!("{arguments} --json"));
    let error = &said.json()["error"];
    for part in ["what", "where", "do"] {
        assert!(error[part].is_string(), "{arguments}: {error}");
    }
}

#[test]
fn what_cannot_start_says_why_and_exits_with_2() {
    let place = Place::new();
    place.write("typo.toml", "[semantic.bars]\ntimeframe_s = [300]\n");
    place.write("ring.toml", "[host]\nring_slots = 1000\n");
    place.write("cut.zip", "PK\u{3}\u{4} and no more");
    place.write("plain.txt", "not a zip");
    check(&place, "run --source lean-trade:missing.zip", 2, &["no such file", "missing.zip"]);
    check(&place, "run --source parket:x", 2, &["no format `parket`", "lean-trade"]);
    check(&place, "run --source lean-trade:cut.zip", 2, &["zip", "cut.zip"]);
    check(&place, "run --source lean-trade:plain.txt", 2, &["zip", "plain.txt"]);
    check(&place, "run --source csv:rows.csv", 2, &["not declared", "[source.columns]"]);
    check(&place, "run --source synthetic:days=x", 2, &["days"]);
    check(&place, "run -c missing.toml", 2, &["missing.toml", "config init"]);
    check(&place, "run -c typo.toml", 2, &["line 2", "did you mean semantic.bars.timeframes_s?"]);
    check(&place, "run -c ring.toml", 2, &["line 2", "host.ring_slots", "power of two"]);
    check(&place, "run --layout per-stag", 2, &["did you mean per-stage?"]);
    check(&place, "run --layout sequencer,bar", 2, &["bar stands where validate should"]);
    check(&place, "run --layout fused:spin", 2, &["no wait strategy", "busy-spin"]);
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() < 9) {
        check(&place, "run --layout per-stage:busy-spin", 2, &["9 spinning threads", "300 ms"]);
    }
    check(&place, "run --pace fast", 2, &["--pace", "realtime"]);
    check(&place, "run --from yesterday", 2, &["--from", "yesterday"]);
    check(&place, "run --symbols SYN1,NONE", 2, &["NONE", "SYN1"]);
    let hours = "run --from 2024-01-09T00:00:00Z --to 2024-01-08T00:00:00Z";
    check(&place, hours, 2, &["--to is not after --from"]);
    check(&place, "run --source synthetic --source synthetic", 2, &["same source"]);
    check(&place, "run --source csv:- --source csv:-", 2, &["stdin"]);
    check(&place, "replay missing", 2, &["no journal", "missing"]);
    check(&place, "journal verify missing", 2, &["no journal"]);
    check(&place, "data bars-audit missing --against synthetic", 2, &["no journal"]);
    check(&place, "journal dump missing --kind x", 2, &["\"x\"", "trade"]);
    assert!(!place.path("journal").exists(), "nothing was created");
}

#[test]
fn a_word_that_cannot_be_typed_exits_with_2_and_is_json_where_json_was_asked_for() {
    let place = Place::new();
    for arguments in ["", "rum", "run --sorce x", "journal export J", "replay"] {
        let said = place.run(arguments);
        assert_eq!(said.code, Some(2), "{arguments}");
        assert!(!said.err.is_empty());
    }
    let said = place.run("run --sorce x --json");
    assert!(said.json()["error"]["what"].as_str().is_some_and(|what| what.contains("--sorce")));
}

#[test]
fn help_and_version_exit_with_0() {
    let place = Place::new();
    for arguments in ["--help", "run --help", "journal export --help", "help replay"] {
        let said = place.run(arguments);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{arguments}");
        assert!(said.out.contains("Usage: grandmodel"), "{arguments}");
    }
    assert!(place.run("--help").out.contains("Examples:"));
    assert!(place.run("run --help").out.contains("lean-trade"));
    let version = place.run("--version").out;
    assert!(version.starts_with("grandmodel 0.1.0 ("), "{version}");
}

#[test]
fn letters_for_a_price_end_the_run_with_1_and_keep_what_came_before() {
    let place = Place::new();
    place.write("csv.toml", CSV);
    place.write("rows.csv", "ts,price,size\n1381152600000,167.41,100\n1381152600001,167.4x,5\n");
    let said = place.run("run -c csv.toml --journal J --json");
    assert_eq!(said.code, Some(1), "{}", said.err);
    let json = said.json();
    assert_eq!((json["ticks"].as_u64(), json["ended"].as_str()), (Some(1), Some("source_failed")));
    assert!(json["error"]["where"].as_str().is_some_and(|place| {
        place.contains("rows.csv") && place.contains("line 3") && place.contains("price")
    }));
    let proof = place.json("replay J");
    assert_eq!(proof["ticks"], 1);
    assert_eq!(proof["state_hash"], json["state_hash"]);
}

#[test]
fn every_violation_of_a_config_is_listed_at_once() {
    let place = Place::new();
    place.write(
        "bad.toml",
        "[host]\nring_slots = 7\nlayot = \"x\"\n[semantic.account]\ncash = 1.5\n",
    );
    let said = place.run("config check -c bad.toml");
    assert_eq!(said.code, Some(1));
    for line in ["bad.toml:2: host.ring_slots", "bad.toml:3: host.layot", "bad.toml:5: semantic"] {
        assert!(said.out.contains(line), "{line} in {}", said.out);
    }
    let init = place.run("config init");
    place.write("init.toml", &init.out);
    assert_eq!(place.run("config check -c init.toml").code, Some(0));
    let shown = place.json("config show -c init.toml");
    assert_eq!(shown["semantic_hash"], place.json("config show")["semantic_hash"]);
}

/// The config that is shown, hashed and journaled holds what the file says, not where it lies.
#[test]
fn definitions_from_a_file_are_part_of_the_config_and_a_missing_file_is_a_finding() {
    let place = Place::new();
    let rows = "market,symbol,type,quote_currency,contract_multiplier,minimum_price_variation,lot_size\n\
                cme,NKD,future,USD,5.0,5.0,1.0\n";
    let config = |file: &str| {
        format!(
            "[[semantic.instruments_from]]\nfile = \"{file}\"\nmarket = \"cme\"\n\
             symbols = [\"NKDH1\"]\ncalendar = \"CMES\"\n"
        )
    };
    for name in ["a", "b"] {
        place.write(&format!("{name}.csv"), rows);
        place.write(&format!("{name}.toml"), &config(&format!("{name}.csv")));
        assert_eq!(place.run(&format!("config check -c {name}.toml")).code, Some(0));
    }
    let shown = ["a", "b"].map(|name| place.json(&format!("config show -c {name}.toml")));
    let text = shown[0]["config"].as_str().unwrap_or_default();
    assert!(text.contains("symbol = \"NKDH1\"") && !text.contains("instruments_from"), "{text}");
    assert_eq!(shown[0]["semantic_hash"], shown[1]["semantic_hash"]);
    assert_ne!(shown[0]["semantic_hash"], place.json("config show")["semantic_hash"]);
    place.write("c.toml", &config("missing.csv"));
    let said = place.run("config check -c c.toml");
    let text = format!("{}{}", said.out, said.err);
    assert_eq!(said.code, Some(1), "{text}");
    assert!(text.contains("semantic.instruments_from") && text.contains("missing.csv"), "{text}");
    check(&place, "run -c c.toml", 2, &["missing.csv", "check that the file exists"]);
}

#[test]
fn a_directory_that_holds_a_journal_of_another_config_is_refused_and_left_alone() {
    let place = Place::new().with_small_config();
    place.small_run("J");
    place.write("other.toml", "[semantic.risk]\ndaily_loss_pct = 4.0\n");
    let before = std::fs::read(place.segment("J", 0)).expect("a segment");
    check(
        &place,
        &format!("run -c other.toml --source {SMALL} --journal J"),
        2,
        &["another [semantic] config", "J", "--accept-change"],
    );
    assert_eq!(std::fs::read(place.segment("J", 0)).expect("a segment"), before);
}

#[test]
fn a_journal_that_is_being_written_is_refused_by_the_name_of_its_writer() {
    let place = Place::new().with_small_config();
    let mut writer = place
        .command("run -c small.toml --pace realtime --journal J")
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("the command starts");
    crate::support::until(|| place.segment("J", 0).exists());
    let owner = format!("pid {}", writer.id());
    check(&place, &format!("run --source {SMALL} --journal J"), 2, &["being written", &owner]);
    writer.kill().expect("our own process");
    writer.wait().expect("our own process");
}

#[test]
fn a_truncated_gzip_ends_the_run_with_1_and_names_the_file() {
    let place = Place::new();
    place.write("csv.toml", CSV);
    let mut rows = String::from("ts,price,size\n");
    for i in 0..20_000_u64 {
        rows.push_str(&format!("{},167.{:02},{}\n", 1_381_152_600_000 + i * 7, i * i % 97, i % 13));
    }
    let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    zip.write_all(rows.as_bytes()).expect("memory");
    let zip = zip.finish().expect("memory");
    std::fs::write(place.path("rows.csv"), &zip[..zip.len() * 2 / 3]).expect("a file");
    let said = place.run("run -c csv.toml --journal J --json");
    assert_eq!(said.code, Some(1), "{}", said.err);
    let json = said.json();
    assert!(json["ticks"].as_u64().is_some_and(|n| n > 1_000), "{json}");
    assert!(json["error"]["where"].as_str().is_some_and(|place| place.contains("rows.csv")));
    assert_eq!(place.json("replay J")["ticks"], json["ticks"]);
}

/// A tmpfs of a few MiB, unmounted at the end.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(at: std::path::PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir(&at).ok()?;
        let options = format!("size={size}");
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(&at)
            .output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(std::process::Command::new("umount").arg("-l").arg(&self.0).output());
    }
}

#[test]
fn a_full_disk_ends_the_run_with_1_and_keeps_what_was_journaled() {
    let place = Place::new().with_small_config();
    let Some(_disk) = SmallDisk::mount(place.path("disk"), "8m") else {
        skipped("mounting a tmpfs is not permitted here");
        return;
    };
    let source = "synthetic:days=1,ticks=200000";
    let run = format!("run -c small.toml --source {source}");
    for layout in ["fused:yield", "per-stage:yield"] {
        let said = place.run(&format!("{run} --layout {layout} --journal disk/J --json"));
        assert_eq!(said.code, Some(1), "{layout}: {}", said.err);
        let json = said.json();
        assert!(json["error"]["what"].as_str().is_some_and(|w| w.contains("no space")), "{json}");
        let proof = place.json("replay disk/J");
        assert_eq!(proof["verified"], true);
        for key in ["inputs", "ticks", "accepted", "bars", "state_hash"] {
            assert_eq!(proof[key], json[key], "{layout}, {key}: what was counted is journaled");
        }
        assert!(proof["inputs"].as_u64().is_some_and(|n| n > 50_000), "{proof}");
        assert_eq!(place.run("journal verify disk/J").code, Some(0));
        if layout.starts_with("fused") {
            std::fs::remove_dir_all(place.path("disk/J")).expect("our own folder");
        }
    }
    // And a start on the full disk is refused.
    let said = place.run(&format!("run -c small.toml --source {source} --journal disk/K"));
    assert_eq!(said.code, Some(2), "{}", said.err);
}

#[test]
fn an_argument_that_is_no_text_exits_with_2() {
    use std::os::unix::ffi::OsStrExt as _;
    let place = Place::new();
    for arguments in [vec![b"\xff".as_slice()], vec![b"run", b"--source", b"\xff"]] {
        let mut command = place.command("");
        let arguments = arguments.into_iter().map(std::ffi::OsStr::from_bytes);
        let output = command.args(arguments).output().expect("the command starts");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
}

#[test]
fn a_named_pipe_is_refused_because_it_can_be_read_only_once() {
    let place = Place::new();
    let made = std::process::Command::new("mkfifo").arg(place.path("rows.csv")).status();
    if !made.is_ok_and(|status| status.success()) {
        skipped("no mkfifo here");
        return;
    }
    place.write("csv.toml", CSV);
    check(&place, "run -c csv.toml", 2, &["not a regular file", "csv:-"]);
}

#[test]
fn stdout_that_cannot_be_written_is_a_finding_and_keeps_a_commands_own_exit_code() {
    if !std::path::Path::new("/dev/full").exists() {
        skipped("no /dev/full here");
        return;
    }
    let full = || std::fs::File::options().write(true).open("/dev/full").expect("a device");
    let place = Place::new().with_small_config();
    place.small_run("J");
    for arguments in ["journal verify J", "replay J --json", "journal export J --record bar -o -"] {
        let said = crate::support::Said::of(
            &place.command(arguments).stdout(full()).output().expect("the command starts"),
        );
        assert_eq!(said.code, Some(1), "{arguments}: {}", said.err);
        assert!(said.err.contains("error: "), "{arguments}: {}", said.err);
    }
    crate::support::flip(&place.segment("J", 0), 4_096 + 64 * 700 + 36);
    // A reader that goes away does not hide the damage.
    let mut child = place
        .command("replay J --json")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the command starts");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(1));
}

#[test]
fn commands_that_start_together_get_a_journal_each() {
    let place = Place::new().with_small_config();
    let arguments = format!("run -c small.toml --source {SMALL} --json");
    let children: Vec<_> = (0..4)
        .map(|_| {
            let mut command = place.command(&arguments);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            command.spawn().expect("the command starts")
        })
        .collect();
    let mut dirs: Vec<String> = Vec::new();
    for child in children {
        let said = crate::support::Said::of(&child.wait_with_output().expect("it ends"));
        assert_eq!(said.code, Some(0), "{}", said.err);
        dirs.push(said.json()["journal"]["dir"].to_string());
    }
    dirs.sort();
    dirs.dedup();
    assert_eq!(dirs.len(), 4);
}
