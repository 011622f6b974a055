//! The three actors of one matrix as one Burn module: one batched forward pass for all of them.
//!
//! Weights lie in memory output by output, so that each output is a dot product of two rows; the tensors are
//! views of that, turned. One row times 384×192 weights took 26 µs where they lay input by input, and 6 µs so.

use crate::shape::{ACTIONS, ACTORS, HIDDEN, Level};
use burn::module::{Module, Param};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};

/// What three actors say before softmax: a row an actor, in the order of the level's names; a column an action.
pub type Logits = [[f32; ACTIONS]; ACTORS];

/// Three actors, each `relu(relu(x·W₁ + b₁)·W₂ + b₂)·W₃ + b₃`, stacked along the first dimension.
#[derive(Module, Debug)]
pub struct Trio {
    /// `[actors, inputs, 64]`, a turned view.
    first: Param<Tensor<3>>,
    /// `[actors, 1, 64]`.
    first_bias: Param<Tensor<3>>,
    /// `[actors, 64, 64]`.
    second: Param<Tensor<3>>,
    /// `[actors, 1, 64]`.
    second_bias: Param<Tensor<3>>,
    /// `[actors, 64, actions]`.
    head: Param<Tensor<3>>,
    /// `[actors, 1, actions]`.
    head_bias: Param<Tensor<3>>,
}

impl Trio {
    /// The actors of a level, with their weights in the order of a weights file.
    ///
    /// # Panics
    /// If those are not the level's number of floats.
    pub fn new(level: &Level, values: &[f32], device: &Device) -> Self {
        assert_eq!(values.len(), level.floats(), "Condition failed: weights of another shape");
        let mut rest = values;
        let mut next = |inputs: usize, outputs: usize| {
            let shape = [ACTORS, outputs, inputs];
            let (these, others) = rest.split_at(shape.iter().product());
            rest = others;
            let data = TensorData::new(these.to_vec(), shape);
            Param::from_tensor(Tensor::<3>::from_data(data, device).swap_dims(1, 2))
        };
        Self {
            first: next(level.inputs(), HIDDEN),
            first_bias: next(1, HIDDEN),
            second: next(HIDDEN, HIDDEN),
            second_bias: next(1, HIDDEN),
            head: next(HIDDEN, ACTIONS),
            head_bias: next(1, ACTIONS),
        }
    }

    /// `[batch, 1, inputs]` to `[actors, 1, actions]`; a batch of one is shown to every actor.
    pub fn forward(&self, cells: Tensor<3>) -> Tensor<3> {
        let hidden = relu(cells.matmul(self.first.val()) + self.first_bias.val());
        let hidden = relu(hidden.matmul(self.second.val()) + self.second_bias.val());
        hidden.matmul(self.head.val()) + self.head_bias.val()
    }

    /// What the actors say to a matrix, row by row and oldest row first. None if it has another number of cells.
    ///
    /// # Panics
    /// If the backend answers in another type than it was asked in.
    pub fn logits(&self, cells: &[f32]) -> Option<Logits> {
        let inputs = self.first.dims()[1];
        if cells.len() != inputs {
            return None;
        }
        let data = TensorData::new(cells.to_vec(), [1, 1, inputs]);
        let answer = self.forward(Tensor::from_data(data, &self.first.device())).into_data();
        let mut logits = Logits::default();
        let values = answer.try_into_vec::<f32>().expect("Invariant: floats in, floats out");
        logits.as_flattened_mut().copy_from_slice(&values);
        Some(logits)
    }
}
