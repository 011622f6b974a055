//! A segment of a journal: verified, read, recovered.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let dir = fuzz::folder().join("journal");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("Condition failed: /dev/shm can be written");
    let path = dir.join("segment-00000000.gmj");
    std::fs::write(path, bytes).expect("Condition failed: /dev/shm has room");
    let _ = journal::verify(&dir, &mut |_| ());
    let _ = journal::recover(&dir, false);
    if let Ok(journal) = journal::Journal::open(&dir) {
        let mut frames = journal.frames();
        while let Ok(Some(_)) = frames.next() {}
    }
});
