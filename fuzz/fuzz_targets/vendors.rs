//! Vendors' CSV, chosen by the first byte.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let (format, name) = [
        ("tardis", "a.csv"),
        ("kraken", "SPY.csv"),
        ("binance-vision", "BTCUSDT-aggTrades-2024-12.csv"),
        ("databento-csv", "a.csv"),
        ("lobster", "AAPL_2012-06-21_34200000_57600000_message_2.csv"),
    ][usize::from(*first) % 5];
    fuzz::read(format, name, rest, |config| {
        config.price_scale = Some("0.000000001".to_string());
    });
});
