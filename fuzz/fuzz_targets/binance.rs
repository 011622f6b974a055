//! Raw lines of Binance.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzz::read("binance-jsonl", "a.jsonl", bytes, |_| {});
});
