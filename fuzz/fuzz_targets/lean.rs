//! Rows in LEAN's zips, their kind chosen by the first byte; every sixth is the zip itself.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let (format, entry) = [
        ("lean-trade", "20131007_spy_Trade_Tick.csv"),
        ("lean-quote", "20131007_spy_Quote_Tick.csv"),
        ("lean-quote", "20140501_eurusd_tick_quote.csv"),
        ("lean-bar", "20131007_es_minute_trade_201312.csv"),
        ("lean-bar", "20131007_es_minute_quote_201312.csv"),
        ("lean-trade", ""),
    ][usize::from(*first) % 6];
    if entry.is_empty() {
        fuzz::read(format, "a.zip", rest, |_| {});
    } else {
        fuzz::read(format, "a.zip", &fuzz::zipped(entry, rest), |_| {});
    }
});
