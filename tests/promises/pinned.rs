//! Runs of plain bars have the bytes that they always had.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tests::script::{Mix, scripts};
use xxhash_rust::xxh3::Xxh3;

/// XXH3-64 of all frames of 60 random markets of a kind.
fn hash_of(mix: Mix) -> u64 {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut hash = Xxh3::new();
    for _ in 0..60 {
        let script = scripts(mix, 200).new_tree(&mut runner).expect("a market").current();
        hash.update(&script.scene().record().bytes);
    }
    hash.digest()
}

#[test]
fn markets_without_fills_extra_bars_or_vendors_bars_keep_every_byte() {
    let hashes = [Mix::Prints, Mix::Quotes, Mix::BusyPrints].map(hash_of);
    println!("{hashes:x?}");
    assert_eq!(hashes, [0x055f_f93e_e7cf_28ab, 0x185c_e6d2_0ce3_9404, 0x2803_1770_7a79_103d]);
}
