//! Rows of declared columns, plain or packed.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzz::read("csv", "a.csv", bytes, |config| config.columns = Some(fuzz::trade_columns()));
});
