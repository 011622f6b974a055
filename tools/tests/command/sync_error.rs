//! A disk that fails under the engine: the first sync error halts trading for good, and the command says so.

use crate::skipped::skipped;
use crate::support::{Place, Said};
use serde_json::Value;
use std::process::Command;

const SHIM: &str = include_str!("../../../journal/tests/crash/sync_shim.c");

/// Orders all the time, and none may leave before its slot is on the disk.
const CONFIG: &str = "[semantic.venue]\nmode = \"broker\"\n\n[semantic.drill]\norder_every = 50\n\n\
     [host]\nbroker = \"recording\"\nrelease = \"durable\"\nsegment_mib = 1\nfree_floor_mib = 0\n\
     order_max_age_ms = 60000\negress_orders = 65536\ndrain_ms = 20000\n";

#[test]
fn after_a_sync_that_fails_under_the_engine_nothing_is_tried_again_and_no_order_leaves() {
    let place = Place::new();
    place.write("shim.c", SHIM);
    place.write("c.toml", CONFIG);
    let shim = place.path("shim.so");
    let mut gcc = Command::new("gcc");
    gcc.args(["-shared", "-fPIC", "-o"]).arg(&shim).arg(place.path("shim.c")).arg("-ldl");
    if !gcc.output().is_ok_and(|output| output.status.success()) {
        skipped("no gcc");
        return;
    }
    for nth in [5, 12, 40, 41] {
        let (name, log) = (format!("J{nth}"), place.path(&format!("log{nth}")));
        let line = format!("run -c c.toml --source synthetic:ticks=60000 --journal {name} --json");
        let mut command = place.command(&line);
        command.env("LD_PRELOAD", &shim);
        command.env("JOURNAL_SHIM_LOG", &log).env("JOURNAL_SHIM_NTH", nth.to_string());
        let said = Said::of(&command.output().expect("the command starts"));
        assert_eq!(said.code, Some(1), "{nth}: {}", said.err);
        assert!(said.err.contains("error 5"), "{nth}: it says what the disk said: {}", said.err);
        let calls = std::fs::read_to_string(&log).expect("the shim's log");
        let calls: Vec<&str> = calls.lines().collect();
        // Syncs of segments ahead, of objects and directories are `fsync`; these two bring records to the disk.
        assert_eq!(calls.len(), nth, "{nth}: nothing is tried again: {calls:?}");
        assert!(calls[nth - 1].ends_with("fails"), "{calls:?}");
        let left = left_after_the_failure(&place, &name);
        println!("{nth}: {left} orders left before it");
    }
}

/// Orders that left, all of which were durable by the superblock that the failure left behind.
fn left_after_the_failure(place: &Place, name: &str) -> usize {
    let recovery: Value = {
        let said = place.run(&format!("journal recover {name} --json"));
        said.json()
    };
    let durable = recovery["durable"].as_u64().expect("what the superblock says");
    let broker = std::fs::read_to_string(place.path(&format!("{name}/broker.csv")));
    let broker = broker.unwrap_or_default();
    let mut orders = 0;
    for line in broker.lines().skip(1) {
        let seq: u64 = line.split(',').nth(1).and_then(|seq| seq.parse().ok()).expect("a sequence");
        assert!(
            seq < durable,
            "the order of {seq} left, and only what is below {durable} is durable"
        );
        orders += 1;
    }
    orders
}
