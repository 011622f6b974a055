//! DBN of every version, and its definitions.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzz::read("databento", "a.dbn", bytes, |config| {
        for id in ["0", "1", "5482"] {
            config.rename.insert(id.to_string(), "ESH1".to_string());
        }
    });
    let path = fuzz::folder().join("a.dbn");
    let _ = gateways::inventory(&path);
    let _ = gateways::definitions::load(&engine::config::InstrumentsFrom {
        file: path.display().to_string(),
        ..engine::config::InstrumentsFrom::default()
    });
});
