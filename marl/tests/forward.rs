//! The forward pass: what plain Rust computes, one actor or three, always the same bits.

mod support;

use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use engine::policy::Policy;
use marl::seeded::SplitMix;
use marl::shape::{LEVELS, Level, STRATEGIC};
use marl::trio::Trio;
use marl::{Agents, Weights};
use std::process::Command;
use support::{Scene, reference};

/// Weights with biases that are not zero, so that a bias in the wrong place shows.
fn lively() -> Weights {
    let untrained = Weights::untrained();
    let mut dice = SplitMix(7);
    let values: Vec<_> =
        untrained.values().iter().map(|x| x + 0.02 * (dice.next_unit() - 0.5)).collect();
    untrained.with_values(values)
}

/// The part of a file's numbers that is this level's.
fn of_level<'a>(values: &'a [f32], level: &Level) -> &'a [f32] {
    let (strategic, tactical) = values.split_at(STRATEGIC.floats());
    if level.matrix == STRATEGIC.matrix { strategic } else { tactical }
}

#[test]
fn burn_computes_what_plain_rust_does() {
    let weights = lively();
    for level in LEVELS {
        let values = of_level(weights.values(), &level);
        let trio = Trio::new(&level, values, &Device::flex());
        for seed in 0..50 {
            let cells = &Scene::new(seed).cells[level.matrix];
            let logits = trio.logits(cells).expect("its own shape");
            for (actor, logits) in logits.iter().enumerate() {
                let expected = reference(values, level.layers(), actor, cells);
                for (logit, expected) in logits.iter().zip(expected) {
                    let error = (f64::from(*logit) - expected).abs();
                    assert!(error < 1e-5, "{} {actor} seed {seed}: {error:e}", level.name);
                }
            }
        }
    }
}

#[test]
fn three_actors_at_once_are_each_of_them_alone_to_the_bit() {
    let device = Device::flex();
    let weights = lively();
    for level in LEVELS {
        let values = of_level(weights.values(), &level);
        let trio = Trio::new(&level, values, &device);
        let cells = &Scene::new(3).cells[level.matrix];
        let together = trio.logits(cells).expect("its own shape");
        for (actor, together) in together.iter().enumerate() {
            let data = TensorData::new(cells.clone(), [1, level.inputs()]);
            let mut signal = Tensor::<2>::from_data(data, &device);
            let mut rest = values;
            for (layer, pair) in level.layers().windows(2).enumerate() {
                let [inputs, outputs] = [pair[0], pair[1]];
                let (stack, others) = rest.split_at(3 * inputs * outputs);
                let (biases, others) = others.split_at(3 * outputs);
                rest = others;
                let mine = stack[actor * inputs * outputs..][..inputs * outputs].to_vec();
                let bias = biases[actor * outputs..][..outputs].to_vec();
                let mine =
                    Tensor::<2>::from_data(TensorData::new(mine, [outputs, inputs]), &device);
                let bias = Tensor::<2>::from_data(TensorData::new(bias, [1, outputs]), &device);
                let sum = signal.matmul(mine.transpose()) + bias;
                signal = if layer == 2 { sum } else { relu(sum) };
            }
            let alone = signal.into_data().try_into_vec::<f32>().expect("floats");
            assert_eq!(alone.map_bits(), together.to_vec().map_bits(), "{} {actor}", level.name);
        }
    }
}

trait Bits {
    fn map_bits(&self) -> Vec<u32>;
}

impl Bits for Vec<f32> {
    fn map_bits(&self) -> Vec<u32> {
        self.iter().map(|value| value.to_bits()).collect()
    }
}

/// Every bit of a hundred choices, folded.
fn bits_of_a_hundred_choices() -> u64 {
    let mut agents = Agents::embedded();
    let mut fold = SplitMix(0);
    for seed in 0..100 {
        let scene = Scene::new(seed).after_synergy((seed % 5) as u32);
        let choice = agents.decide(&scene.view());
        for vote in [choice.strategic, choice.tactical] {
            let vote = vote.expect("both levels speak");
            fold.0 ^= vote.confidence.to_bits() ^ vote.action as u64;
            fold.0 = fold.next_word();
        }
        fold.0 ^=
            choice.confidence.to_bits() ^ choice.action as u64 ^ u64::from(choice.reason as u8);
        fold.0 = fold.next_word();
    }
    fold.0
}

#[test]
fn the_same_input_gives_the_same_bits_wherever_its_memory_lies() {
    let expected = bits_of_a_hundred_choices();
    let mut ballast = Vec::new();
    for odd in 0..20 {
        ballast.push(vec![0_u8; 16 * odd + 8]);
        assert_eq!(bits_of_a_hundred_choices(), expected);
    }
}

#[test]
fn bits_for_another_process() {
    println!("bits {:016x}", bits_of_a_hundred_choices());
}

#[test]
fn two_processes_decide_the_same_bits() {
    let own = format!("bits {:016x}", bits_of_a_hundred_choices());
    let exe = std::env::current_exe().expect("this test");
    let other = Command::new(exe)
        .args(["--exact", "bits_for_another_process", "--nocapture"])
        .output()
        .expect("it runs again");
    let text = String::from_utf8_lossy(&other.stdout);
    assert!(other.status.success() && text.contains(&own), "{own} is not in: {text}");
}
