//! `data import` and `--source journal:DIR`: what a journal holds of the market runs again, as often as one likes.

use crate::support::{Place, SMALL};
use serde_json::Value;

const CSV: &str = "[[semantic.instrument]]\nsymbol = \"ABC\"\ntick = \"0.01\"\nsize_precision = 2\n\
                   [[source]]\nspec = \"csv:rows.csv\"\n[source.csv]\nsymbol = \"ABC\"\nts_unit = \"ms\"\n\
                   columns = { ts_event = \"ts\", price = \"price\", size = \"size\" }\n[host]\nsegment_mib = 1\n";

fn rows(count: u64) -> String {
    let row = |i: u64| {
        format!("{},{}.{:02},{}.5\n", 1_704_700_000_000 + i * 250, 100 + i % 3, i % 100, i % 7)
    };
    format!("ts,price,size\n{}", (0..count).map(row).collect::<String>())
}

fn with_rows(count: u64) -> Place {
    let place = Place::new().with_small_config();
    place.write("csv.toml", CSV);
    place.write("rows.csv", &rows(count));
    place
}

/// What of two runs must be the same.
fn same_run(a: &Value, b: &Value) {
    for key in
        ["inputs", "ticks", "bars", "decisions", "fills", "state_hash", "rejected", "flagged"]
    {
        assert_eq!(a[key], b[key], "{key}");
    }
}

#[test]
fn an_imported_journal_runs_like_the_file_it_came_from() {
    let place = with_rows(5_000);
    let direct = place.json("run -c csv.toml --journal DIRECT");
    let account = place.json("data import -c csv.toml --journal IMPORTED");
    assert_eq!((&account["read"], &account["delivered"]), (&5_000.into(), &5_000.into()));
    assert_eq!(account["symbols"]["ABC"]["trade"], 5_000);
    assert_eq!(account["sources"][0]["skipped"], serde_json::json!({}));
    assert_eq!(account["ended"], "source_ended");
    // No config names ABC: its definition comes from the journal.
    let again = place.json("run -c small.toml --source journal:IMPORTED --journal AGAIN");
    same_run(&direct, &again);
    let what_if = place.json("run -c small.toml --source journal:DIRECT --journal WHATIF");
    same_run(&direct, &what_if);
    let third = place.json("run -c small.toml --source journal:AGAIN --journal THIRD");
    same_run(&direct, &third);
    assert_eq!(place.json("replay AGAIN")["verified"], true);
    let rows = |journal: &str| {
        place.run(&format!("journal export {journal} --record bar --format csv -o -")).out
    };
    assert_eq!(rows("DIRECT"), rows("AGAIN"));
}

#[test]
fn a_run_of_many_instruments_runs_again_from_its_journal() {
    let place = Place::new().with_small_config();
    let first = place.small_run("J");
    let again = place.json("run -c small.toml --source journal:J --journal K");
    same_run(&first, &again);
    // The same source, so it has nothing new to give.
    let on = place.json("run -c small.toml --source journal:J --journal K");
    assert_eq!(on["ticks"], 0);
}

#[test]
fn an_imported_journal_says_what_it_is_wherever_outputs_are_missed() {
    let place = with_rows(100);
    place.json("data import -c csv.toml --journal J");
    assert_eq!(place.json("journal verify J")["end"], "sealed");
    assert_eq!(place.json("journal describe J")["imported"], true);
    for command in ["replay J", "run -c csv.toml --journal J", "journal snapshot J"] {
        let said = place.run(command);
        assert_eq!(said.code, Some(2), "{command}: {}", said.err);
        assert!(
            said.err.contains("imported journal") && said.err.contains("--source journal:J"),
            "{}",
            said.err
        );
    }
    let said = place.run("data import -c csv.toml --journal J");
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("a journal already"), "{}", said.err);
    // Nothing was judged.
    let table = place.run("journal export J --record tick --format csv -o -").out;
    assert!(table.lines().nth(1).is_some_and(|row| row.ends_with(",,")), "{table}");
    let kinds = place.json("journal verify J");
    assert_eq!(kinds["outputs"], serde_json::json!({}));
    assert_eq!(kinds["inputs"]["trade"], 100);
}

#[test]
fn a_window_is_imported_and_accounted_for() {
    let place = with_rows(1_000);
    let window = "--from 2024-01-08T07:46:50Z --to 2024-01-08T07:47:00Z";
    let account = place.json(&format!("data import -c csv.toml --journal J {window}"));
    assert_eq!(account["delivered"], 40);
    let source = &account["sources"][0];
    assert_eq!(source["skipped"], serde_json::json!({ "before_from": 40, "after_to": 1 }));
    assert_eq!(source["ended_at_to"], true);
    let said = place.run("data import -c csv.toml --journal K --symbols XYZ");
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("no source delivers XYZ"), "{}", said.err);
    assert!(!place.path("K").join("segment-00000000.gmj").exists());
}

#[test]
fn an_export_takes_a_window_and_symbols() {
    let place = Place::new().with_small_config();
    place.small_run("J");
    let lines = |arguments: &str| {
        let said =
            place.run(&format!("journal export J --record tick --format csv -o - {arguments}"));
        assert_eq!(said.code, Some(0), "{}", said.err);
        said.out.lines().skip(1).map(str::to_string).collect::<Vec<_>>()
    };
    let all = lines("");
    let one = lines("--symbols syn2");
    assert!(!one.is_empty() && one.iter().all(|row| row.split(',').nth(1) == Some("SYN2")));
    assert_eq!(one.len(), all.iter().filter(|row| row.contains(",SYN2,")).count());
    let ts = |row: &String| row.split(',').nth(2).unwrap().parse::<i64>().unwrap();
    let middle = ts(&all[all.len() / 2]);
    let stamp = jiff_text(middle);
    let (before, after) = (lines(&format!("--to {stamp}")), lines(&format!("--from {stamp}")));
    assert_eq!(before.len() + after.len(), all.len());
    assert!(before.iter().all(|row| ts(row) < middle) && after.iter().all(|row| ts(row) >= middle));
    let said = place.run("journal export J --record tick --format csv -o - --symbols NONE");
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("SYN1"), "{}", said.err);
}

fn jiff_text(ns: i64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(ns)).unwrap().to_string()
}

#[test]
fn a_source_that_fails_in_the_middle_keeps_what_came_before_and_exits_with_1() {
    let place = with_rows(100);
    place.write("rows.csv", &format!("{}1704700900000,abc,1\n", rows(100)));
    let said = place.run("data import -c csv.toml --journal J --json");
    assert_eq!(said.code, Some(1), "{}", said.err);
    let account = said.json();
    assert_eq!((&account["delivered"], &account["ended"]), (&100.into(), &"source_failed".into()));
    assert!(account["error"]["where"].as_str().is_some_and(|place| place.contains("line 102")));
    assert_eq!(place.json("journal verify J")["end"], "sealed");
    let again = place.json("run -c small.toml --source journal:J --journal K");
    assert_eq!(again["ticks"], 100);
}

#[test]
fn a_journal_damaged_in_the_middle_is_run_up_to_there() {
    let place = Place::new().with_small_config();
    place.small_run("J");
    crate::support::flip(&place.segment("J", 0), 600_000);
    let said = place.run("run -c small.toml --source journal:J --journal K --json");
    assert_eq!(said.code, Some(1), "{}", said.err);
    let summary = said.json();
    assert_eq!(summary["ended"], "source_failed");
    // As many as a dump prints before it comes to the same place.
    let lines = |kind| place.run(&format!("journal dump J --kind {kind}")).out.lines().count();
    let whole = lines("trade") + lines("quote");
    assert!(whole > 100 && summary["ticks"] == whole, "{whole} of {summary}");
    assert!(summary["error"]["where"].as_str().is_some_and(|place| place.contains("segment")));
}

#[test]
fn nothing_to_import_and_no_journal_are_said() {
    let place = Place::new();
    for (arguments, word) in [
        ("data import", "no source to import"),
        ("data import journal:missing", "no journal"),
        ("data import csv:missing.csv", "not declared"),
        (&format!("data import {SMALL} --from x"), "--from"),
    ] {
        let said = place.run(arguments);
        assert_eq!(said.code, Some(2), "{arguments}: {}", said.err);
        assert!(said.err.contains(word), "{arguments}: {}", said.err);
    }
}

#[test]
fn an_import_says_what_is_out_of_order_off_the_tick_not_chosen_and_missing() {
    let place = Place::new();
    place.write(
        "rows.csv",
        "ts,symbol,price,size\n1000,ABC,10.01,1\n2000,ABC,10.005,1\n1500,ABC,10.02,1\n2500,XYZ,1,1\n",
    );
    let config = "[[semantic.instrument]]\nsymbol = \"ABC\"\ntick = \"0.01\"\n[[source]]\n\
                  spec = \"csv:rows.csv\"\nsymbols = [\"ABC\"]\n[source.csv]\nts_unit = \"ms\"\n\
                  columns = { ts_event = \"ts\", symbol = \"symbol\", price = \"price\", size = \"size\" }\n\
                  [host]\nsegment_mib = 1\n";
    place.write("a.toml", config);
    let account = place.json("data import -c a.toml --journal J");
    assert_eq!((&account["read"], &account["delivered"]), (&4.into(), &3.into()));
    let expected = serde_json::json!({ "trade": 3, "out_of_order": 1, "off_tick": 1 });
    assert_eq!(account["symbols"]["ABC"], expected);
    let skipped = serde_json::json!({ "symbol_not_chosen": 1 });
    assert_eq!(account["sources"][0]["skipped"], skipped);
    let said = place.run("data import -c a.toml --journal K");
    assert!(said.out.contains("journaled as they are: 1 out of order, 1 off tick"), "{}", said.out);
    let said = place.run("data import -c a.toml --from 2024-01-01T00:00:00Z --journal L");
    assert!(said.err.contains("holds no record of the market"), "{}", said.err);
}

#[test]
fn a_front_that_a_typed_source_drops_is_told_and_a_journal_keeps_that_of_the_only_source() {
    let place = Place::new();
    place.write("rows.csv", "ts,symbol,price,size\n1000,GCZ3,1300,1\n2000,GCG4,1301,1\n");
    let source = |front: &str, name: &str| {
        format!(
            "[[source]]\nspec = \"csv:rows.csv\"\nname = \"{name}\"\n{front}[source.csv]\nts_unit = \"ms\"\n\
             columns = {{ ts_event = \"ts\", symbol = \"symbol\", price = \"price\", size = \"size\" }}\n"
        )
    };
    let front = "symbols = [\"GCZ3\", \"GCG4\"]\nfront = \"volume\"\n";
    let host = "[host]\nsegment_mib = 1\n";
    place.write("one.toml", &format!("{}{host}", source(front, "gold")));
    let other = "[[source]]\nspec = \"synthetic:days=1,ticks=10\"\n";
    place.write("two.toml", &format!("{}{other}{host}", source(front, "gold")));
    place.json("data import -c one.toml --journal J");
    let kept = place.run("run -c one.toml --source journal:J --journal A");
    assert!(kept.code == Some(0) && !kept.err.contains("note:"), "{}", kept.err);
    let dropped = place.run("run -c two.toml --source journal:J --journal B");
    assert_eq!(dropped.code, Some(0), "{}", dropped.err);
    assert!(dropped.err.contains("its front = \"volume\" is not followed"), "{}", dropped.err);
    let said = place.run("data import -c two.toml --journal K");
    assert!(said.out.contains("spec = \"journal:K\" in each [[source]]"), "{}", said.out);
    // Names of sources, for the audit of bars.
    let said = place.run("data bars-audit A --against golt -c one.toml");
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("did you mean gold?"), "{}", said.err);
}

#[test]
fn an_instrument_that_a_later_run_adds_is_exported_by_its_name() {
    let place = with_rows(2_000);
    place.json("run -c csv.toml --journal J");
    let all = rows(4_000);
    let rest: Vec<&str> = all.lines().skip(3_000).collect();
    place.write("more.csv", &format!("ts,price,size\n{}\n", rest.join("\n")));
    let more = CSV.replace("rows.csv", "more.csv").replace("\"ABC\"\nts_unit", "\"NEW\"\nts_unit");
    let more = format!(
        "[[semantic.instrument]]\nsymbol = \"NEW\"\ntick = \"0.01\"\nsize_precision = 2\n{more}"
    );
    place.write("more.toml", &more);
    place.json("run -c more.toml --journal J --accept-change");
    let said = place.run("journal export J --record tick --symbols NEW --format csv -o -");
    assert_eq!(said.code, Some(0), "{}", said.err);
    let row = said.out.lines().nth(1).unwrap_or_default();
    assert!(row.contains(",NEW,") && row.contains(".5"), "{row}");
}
