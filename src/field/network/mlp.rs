//! The fully connected network: ReLU behind every hidden layer, one linear output.

use crate::field::{GroupKind, ParameterGroup};
use std::ops::Range;

/// A multi-layer perceptron with one output.
///
/// Layer `l` maps `h` to `relu(W_l^T h + b_l)`; the last one has no ReLU. Weights are stored input by input:
/// `W[i * outputs + o]`, then the biases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mlp {
    /// Number of inputs.
    pub inputs: usize,
    /// Neurons of a hidden layer: a multiple of 16.
    pub width: usize,
    /// Number of hidden layers, 1 to 12.
    pub hidden_layers: usize,
}

/// One layer's place among the network's parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Number of inputs.
    pub inputs: usize,
    /// Number of outputs.
    pub outputs: usize,
    /// Weights, `[input][output]`.
    pub weights: Range<usize>,
    /// Biases, one an output.
    pub biases: Range<usize>,
}

impl Mlp {
    /// Largest width; a bound for files.
    pub const MAX_WIDTH: usize = 512;
    /// Largest number of hidden layers.
    pub const MAX_HIDDEN_LAYERS: usize = 12;

    /// Checks the sizes; the error says which one is out of its range.
    pub fn check(&self) -> Result<(), String> {
        if self.width == 0 || !self.width.is_multiple_of(16) || self.width > Self::MAX_WIDTH {
            return Err(format!(
                "a network's width is a multiple of 16 up to {}, not {}",
                Self::MAX_WIDTH,
                self.width
            ));
        }
        if self.hidden_layers == 0 || self.hidden_layers > Self::MAX_HIDDEN_LAYERS {
            return Err(format!(
                "a network has 1 to {} hidden layers, not {}",
                Self::MAX_HIDDEN_LAYERS,
                self.hidden_layers
            ));
        }
        Ok(())
    }

    /// The layers, hidden ones first, with ranges from the network's first parameter.
    pub fn layers(&self) -> Vec<Layer> {
        let mut start = 0;
        (0..=self.hidden_layers)
            .map(|l| {
                let inputs = if l == 0 { self.inputs } else { self.width };
                let outputs = if l == self.hidden_layers { 1 } else { self.width };
                let weights = start..start + inputs * outputs;
                let biases = weights.end..weights.end + outputs;
                start = biases.end;
                Layer { inputs, outputs, weights, biases }
            })
            .collect()
    }

    /// Number of weights and biases.
    pub fn parameter_count(&self) -> usize {
        self.layers().last().map_or(0, |l| l.biases.end)
    }

    /// The parameters' groups, the network's first parameter being `offset`.
    pub fn groups(&self, offset: usize) -> Vec<ParameterGroup> {
        let shift = |r: Range<usize>| r.start + offset..r.end + offset;
        let mut groups = Vec::new();
        for layer in self.layers() {
            groups.push(ParameterGroup {
                range: shift(layer.weights),
                kind: GroupKind::Weights,
                row: layer.outputs,
                lattice: [layer.inputs, 1, 1],
            });
            groups.push(ParameterGroup {
                range: shift(layer.biases),
                kind: GroupKind::Biases,
                row: 1,
                lattice: [layer.outputs, 1, 1],
            });
        }
        groups
    }

    /// Multiplications and additions of one forward evaluation.
    pub fn flops(&self) -> usize {
        self.layers().iter().map(|l| 2 * l.inputs * l.outputs).sum()
    }
}
