//! Seeded random streams: `ChaCha8`, the same on every machine, one independent stream a purpose.

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

/// One stream of random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream `stream` of `seed`.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut key = *b"........grandmodel synthetic.v1.";
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(stream);
        Self(rng)
    }

    /// 64 random bits.
    #[inline]
    pub(crate) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in (0, 1): 53 bits, the middle of each step, so never 0 and never 1.
    #[inline]
    pub(crate) fn unit(&mut self) -> f64 {
        ((self.bits() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }

    /// Uniform in 0..`below`.
    #[inline]
    pub(crate) fn below(&mut self, below: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(below)) >> 64) as u64
    }

    /// Normal with mean 0 and deviation 1 (Box and Muller).
    #[inline]
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(self.unit()));
        radius * libm::cos(core::f64::consts::TAU * self.unit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ_and_have_the_moments_they_promise() {
        let mut dice = [Dice::new(1, 0), Dice::new(1, 0), Dice::new(1, 1), Dice::new(2, 0)];
        let first = dice.each_mut().map(Dice::bits);
        assert_eq!(first[0], first[1]);
        assert!(first[0] != first[2] && first[0] != first[3] && first[2] != first[3]);
        let n = 100_000;
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..n {
            let x = dice[0].normal();
            sum += x;
            squares += x * x;
        }
        assert!((sum / f64::from(n)).abs() < 0.02 && (squares / f64::from(n) - 1.0).abs() < 0.02);
        assert!((0..10_000).all(|_| (0.0..1.0).contains(&dice[0].unit()) && dice[0].below(7) < 7));
    }
}
