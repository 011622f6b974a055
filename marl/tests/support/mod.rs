//! Matrices, views and weights of tests.
#![allow(dead_code, missing_docs)] // Each test crate uses a part.

use bytemuck::Zeroable;
use engine::indicators::Features;
use engine::indicators::matrices::MATRICES;
use engine::policy::View;
use marl::seeded::SplitMix;
use marl::shape::{FLOATS, STRATEGIC, TACTICAL};
use marl::{Agents, Weights};
use ringbuf_layout::{Bar, Size, Synergy};

/// The matrices of one decision.
pub struct Scene {
    pub cells: [Vec<f32>; 3],
    pub synergy: Option<Synergy>,
    bar: Bar,
    features: Features,
}

impl Scene {
    /// Cells within ±3, as the engine clips them.
    pub fn new(seed: u64) -> Self {
        let mut dice = SplitMix(seed);
        let cells = MATRICES.map(|shape| {
            (0..shape.rows * shape.columns.len()).map(|_| 6.0 * dice.next_unit() - 3.0).collect()
        });
        Self { cells, synergy: None, bar: Bar::zeroed(), features: Features::default() }
    }

    pub fn after_synergy(self, kind: u32) -> Self {
        Self { synergy: Some(Synergy { kind, ..Synergy::zeroed() }), ..self }
    }

    pub fn view(&self) -> View<'_> {
        let [slow, fast, regime] = &self.cells;
        View {
            ts: 0,
            instrument: 0,
            fast_bar: &self.bar,
            slow_bar: None,
            fast: &self.features,
            slow: &self.features,
            matrices: [slow, fast, regime],
            synergy: self.synergy.as_ref(),
            position: Size(0),
        }
    }
}

/// Agents whose actors say the same to everything: the biases of their heads, a row an actor in the order of the
/// file.
pub fn agents_that_say(strategic: [[f32; 3]; 3], tactical: [[f32; 3]; 3]) -> Agents {
    let mut values = vec![0.0; FLOATS];
    for (end, heads) in
        [(STRATEGIC.floats(), strategic), (STRATEGIC.floats() + TACTICAL.floats(), tactical)]
    {
        values[end - 9..end].copy_from_slice(heads.as_flattened());
    }
    Agents::new(&Weights::untrained().with_values(values))
}

/// A forward pass in plain Rust, in f64: the logits of one actor of three, straight from the file's order.
pub fn reference(values: &[f32], layers: [usize; 4], actor: usize, cells: &[f32]) -> Vec<f64> {
    let mut rest = values;
    let mut signal: Vec<f64> = cells.iter().map(|cell| f64::from(*cell)).collect();
    for layer in 0..3 {
        let (inputs, outputs) = (layers[layer], layers[layer + 1]);
        let (weights, others) = rest.split_at(3 * inputs * outputs);
        let (biases, others) = others.split_at(3 * outputs);
        rest = others;
        signal = (0..outputs)
            .map(|output| {
                let weight = |input| weights[(actor * outputs + output) * inputs + input];
                let products = signal.iter().enumerate().map(|(i, x)| x * f64::from(weight(i)));
                products.sum::<f64>() + f64::from(biases[actor * outputs + output])
            })
            .map(|sum| if layer == 2 { sum } else { sum.max(0.0) })
            .collect();
    }
    assert!(rest.is_empty());
    signal
}
