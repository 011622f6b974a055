//! Any file at all, without being told what it is.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let path = fuzz::folder().join("a");
    std::fs::write(&path, bytes).expect("Condition failed: /dev/shm has room");
    let _ = gateways::inspect::inspect(&path, &mut |_| {});
});
