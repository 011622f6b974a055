//! Random cases with a printed seed: the same cases at every run, others with `GRANDMODEL_SEED`.

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseResult, TestRng, TestRunner};
use std::time::Instant;

/// The seed: `GRANDMODEL_SEED`, else 1.
///
/// # Panics
/// If the variable is set and no number.
pub fn seed() -> u64 {
    let set = std::env::var("GRANDMODEL_SEED").ok();
    set.map_or(1, |text| text.parse().expect("Condition failed: GRANDMODEL_SEED is a number"))
}

/// Runs a check on so many random cases and prints how many, from which seed, in what time.
///
/// # Panics
/// With the smallest case that fails, if one does.
pub fn check_cases<S: Strategy>(
    name: &str,
    cases: u32,
    strategy: &S,
    check: impl Fn(S::Value) -> TestCaseResult,
) where
    S::Value: std::fmt::Debug,
{
    let seed = seed();
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let clock = Instant::now();
    let result = TestRunner::new_with_rng(config, rng).run(strategy, check);
    let elapsed = clock.elapsed().as_secs_f64();
    if let Err(error) = result {
        panic!("{name}: seed {seed} (GRANDMODEL_SEED), {error}");
    }
    println!("{name}: {cases} cases from seed {seed} in {elapsed:.1} s");
}
