//! The older backend agrees: `cargo test --manifest-path marl/Cargo.toml --features ndarray --test parity`.
#![cfg(feature = "ndarray")]

mod support;

use burn::tensor::Device;
use marl::Weights;
use marl::coordination::softmax;
use marl::shape::{LEVELS, STRATEGIC};
use marl::trio::Trio;
use support::Scene;

#[test]
#[expect(deprecated, reason = "the backend that flex replaces")]
fn flex_and_ndarray_agree_to_a_hundred_thousandth() {
    let weights = Weights::untrained();
    let (strategic, tactical) = weights.values().split_at(STRATEGIC.floats());
    let mut worst = 0.0_f32;
    for (level, values) in LEVELS.iter().zip([strategic, tactical]) {
        let flex = Trio::new(level, values, &Device::flex());
        let ndarray = Trio::new(level, values, &Device::ndarray());
        for seed in 0..200 {
            let cells = &Scene::new(seed).cells[level.matrix];
            let [ours, theirs] = [&flex, &ndarray].map(|trio| trio.logits(cells).expect("shape"));
            for (ours, theirs) in ours.iter().zip(&theirs) {
                let likely = [ours, theirs].map(|logits| softmax(*logits).expect("finite"));
                let logits = ours.iter().zip(theirs);
                let likelihoods = likely[0].iter().zip(&likely[1]);
                for (ours, theirs) in logits.chain(likelihoods) {
                    worst = worst.max((ours - theirs).abs());
                }
            }
        }
    }
    println!("largest difference {worst:e}");
    assert!(worst < 1e-5, "{worst:e}");
}
