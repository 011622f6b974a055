//! Promises about what is not in the code.

use tests::sources::{CRATES, code, has_word, root, rust_files};

/// The only files that may have `unsafe` in them.
const UNSAFE: [&str; 7] = [
    "journal/src/copy.rs",
    "journal/src/map.rs",
    "journal/src/uring.rs",
    "engine/src/runtime/host.rs",
    "engine/src/runtime/signal.rs",
    "gateways/src/hdf5_read.rs",
    "tests/no_allocation/main.rs",
];

/// What a pure stage never names.
const NOT_IN_A_STAGE: [&str; 22] = [
    "std::thread",
    "std::time",
    "std::fs",
    "std::io",
    "std::net",
    "std::env",
    "std::sync",
    "std::process",
    "Instant",
    "SystemTime",
    "HashMap",
    "HashSet",
    "RefCell",
    "Mutex",
    "AtomicU64",
    "println",
    "eprintln",
    "dbg",
    "tracing",
    "rand",
    "mul_add",
    "unsafe",
];

fn files_with_unsafe() -> Vec<String> {
    let files = CRATES.iter().flat_map(|folder| rust_files(folder));
    let found = files.filter(|(_, text)| text.lines().any(|line| has_word(&code(line), "unsafe")));
    found.map(|(path, _)| path).collect()
}

#[test]
fn unsafe_is_only_in_the_named_files() {
    let found = files_with_unsafe();
    println!("unsafe is in {}", found.join(", "));
    for path in &found {
        assert!(UNSAFE.contains(&path.as_str()), "{path} is not on the list");
    }
    for path in UNSAFE {
        assert!(found.iter().any(|found| found == path), "{path} is listed without need");
    }
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"deny\""));
    for folder in CRATES {
        let manifest = std::fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{folder} has lints of its own");
    }
    for (path, text) in CRATES.iter().flat_map(|folder| rust_files(folder)) {
        let lifted = text.lines().any(|line| code(line).trim() == "#![allow(unsafe_code)]");
        assert_eq!(lifted, found.contains(&path), "{path} lifts the lint without need, or not");
    }
}

#[test]
fn stages_name_no_thread_clock_file_lock_hash_map_or_print() {
    let pure = |path: &str| {
        let folders = [
            "engine/src/stages/",
            "engine/src/bars/",
            "engine/src/indicators/",
            "engine/src/orders/",
            "engine/src/accounting/",
        ];
        let files = ["engine/src/stage.rs", "engine/src/policy.rs"];
        folders.iter().any(|folder| path.starts_with(folder)) || files.contains(&path)
    };
    let files: Vec<_> =
        rust_files("engine/src").into_iter().filter(|(path, _)| pure(path)).collect();
    assert!(files.len() >= 30, "stages, indicators and policy are in {} files", files.len());
    for (path, text) in &files {
        for (number, line) in (1..).zip(text.lines()) {
            for name in NOT_IN_A_STAGE {
                assert!(!has_word(&code(line), name), "{path}:{number} names {name}: {line}");
            }
        }
    }
}

#[test]
fn records_open_no_file_start_no_thread_and_read_no_clock() {
    for (path, text) in rust_files("ringbuf-layout/src") {
        for line in text.lines() {
            for name in ["std::fs", "std::thread", "std::time", "Instant", "SystemTime"] {
                assert!(!has_word(&code(line), name), "{path} names {name}");
            }
        }
    }
}
