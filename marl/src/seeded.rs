//! The deterministic values of untrained weights: the same bits on every machine and in every version.
//!
//! `SplitMix64` (Steele, Lea, Flood 2014) gives 64 bits a step; their top 24 are a multiple of 2⁻²⁴ in [0, 1). A
//! weight is uniform in ±√(6 / inputs), He's scale for layers with a rectifier: variance 2 / inputs. A bias is 0.
//! Only additions, multiplications, shifts and one correctly rounded square root: nothing that could differ.

use crate::shape::{ACTORS, FLOATS, LEVELS};

/// The seed of the embedded weights.
pub const SEED: u64 = 20_240_501;

/// `SplitMix64`.
#[derive(Clone, Debug)]
pub struct SplitMix(pub u64);

impl SplitMix {
    /// The next 64 bits.
    pub fn next_word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next value in [0, 1), a multiple of 2⁻²⁴: exact as a float.
    pub fn next_unit(&mut self) -> f32 {
        (self.next_word() >> 40) as f32 / 16_777_216.0
    }
}

/// Weights and biases from a seed, in the order of a weights file.
pub fn values(seed: u64) -> Vec<f32> {
    let mut dice = SplitMix(seed);
    let mut values = Vec::with_capacity(FLOATS);
    for level in LEVELS {
        for pair in level.layers().windows(2) {
            let bound = libm::sqrtf(6.0 / pair[0] as f32);
            let weights = ACTORS * pair[0] * pair[1];
            values.extend((0..weights).map(|_| (2.0 * dice.next_unit() - 1.0) * bound));
            values.extend(std::iter::repeat_n(0.0, ACTORS * pair[1]));
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::STRATEGIC;

    #[test]
    fn the_generator_is_the_published_one() {
        // First outputs for seed 1234567, as other implementations print them.
        let mut dice = SplitMix(1_234_567);
        let first = [dice.next_word(), dice.next_word(), dice.next_word()];
        assert_eq!(
            first,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn weights_have_the_variance_that_the_scale_promises() {
        let values = values(SEED);
        assert_eq!(values.len(), FLOATS);
        let first = &values[..ACTORS * STRATEGIC.inputs() * 64];
        let variance = first.iter().map(|x| f64::from(x * x)).sum::<f64>() / first.len() as f64;
        let expected = 2.0 / STRATEGIC.inputs() as f64;
        assert!((variance / expected - 1.0).abs() < 0.02, "{variance} against {expected}");
        let biases = &values[first.len()..first.len() + ACTORS * 64];
        assert!(biases.iter().all(|bias| *bias == 0.0));
    }
}
