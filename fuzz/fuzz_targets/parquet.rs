//! Parquet files.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzz::read("parquet", "a.parquet", bytes, |config| {
        config.columns = Some(fuzz::trade_columns());
    });
});
