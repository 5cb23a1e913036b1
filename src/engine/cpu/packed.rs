//! A network's parameters and their gradients, laid out for its passes; the last layer, which all networks have in common.

use super::dense::{Dense, DenseGradient};
use super::tile::{TileBuffers, padded};
use crate::field::Network;
use crate::simd::{Aligned, Simd, axpy, dot, scaled};

/// The network's parameters as its passes read them.
#[derive(Clone)]
pub(super) struct PackedNetwork {
    pub(super) shape: Network,
    pub(super) hidden: Vec<Dense>,
    output_weights: Aligned,
    output_bias: f32,
}

impl PackedNetwork {
    pub(super) fn new(shape: Network) -> Self {
        let layers = shape.layers();
        Self {
            shape,
            hidden: layers[..layers.len() - 1].iter().map(Dense::new).collect(),
            output_weights: Aligned::zeros(padded(shape.width())),
            output_bias: 0.0,
        }
    }

    /// Takes over the network's parameters.
    pub(super) fn pack(&mut self, parameters: &[f32]) {
        let layers = self.shape.layers();
        for (packed, layer) in self.hidden.iter_mut().zip(&layers) {
            packed.pack(layer, parameters);
        }
        let last = &layers[layers.len() - 1];
        self.output_weights.as_mut_slice()[..last.inputs].copy_from_slice(&parameters[last.weights.clone()]);
        self.output_bias = parameters[last.biases.start];
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.hidden.iter().map(Dense::bytes).sum::<usize>() + 4 * self.output_weights.as_slice().len()
    }

    /// The last layer, from the tile's last hidden outputs.
    #[inline(always)]
    pub(super) fn output<S: Simd>(&self, tile: &mut TileBuffers, count: usize) {
        let width = padded(self.shape.width());
        let weights = self.output_weights.as_slice();
        let Some(last) = tile.hidden.last() else { return };
        for (row, output) in last.as_slice().chunks_exact(width).zip(&mut tile.outputs[..count]) {
            *output = self.output_bias + dot::<S>(row, weights);
        }
    }

    /// The gradient by the last hidden outputs, into `tile.of_hidden[0]`; that by the last layer's parameters is added.
    #[inline(always)]
    pub(super) fn of_last_hidden<S: Simd>(
        &self,
        tile: &mut TileBuffers,
        count: usize,
        gradient: Option<&mut PackedGradient>,
    ) {
        let width = padded(self.shape.width());
        let weights = self.output_weights.as_slice();
        let Some(last) = tile.hidden.last() else { return };
        let into = tile.of_hidden[0].as_mut_slice();
        for (row, &of_output) in into.chunks_exact_mut(width).zip(&tile.of_outputs[..count]) {
            scaled::<S>(of_output, weights, row);
        }
        if let Some(gradient) = gradient {
            for (row, &of_output) in last.as_slice().chunks_exact(width).zip(&tile.of_outputs[..count]) {
                gradient.output_bias += of_output;
                axpy::<S>(of_output, row, gradient.output_weights.as_mut_slice());
            }
        }
    }
}

/// Gradients by the network's parameters, laid out like [`PackedNetwork`].
pub(super) struct PackedGradient {
    pub(super) hidden: Vec<DenseGradient>,
    output_weights: Aligned,
    output_bias: f32,
}

impl PackedGradient {
    pub(super) fn new(shape: &Network) -> Self {
        let layers = shape.layers();
        Self {
            hidden: layers[..layers.len() - 1].iter().map(DenseGradient::new).collect(),
            output_weights: Aligned::zeros(padded(shape.width())),
            output_bias: 0.0,
        }
    }

    /// Moves the sums into `out` (in the order of the network's parameters) and starts again from zero.
    pub(super) fn take(&mut self, shape: &Network, out: &mut [f32]) {
        let layers = shape.layers();
        for (packed, layer) in self.hidden.iter_mut().zip(&layers) {
            packed.take(layer, out);
        }
        let last = &layers[layers.len() - 1];
        out[last.weights.clone()].copy_from_slice(&self.output_weights.as_slice()[..last.inputs]);
        self.output_weights.as_mut_slice().fill(0.0);
        out[last.biases.start] = std::mem::take(&mut self.output_bias);
    }
}
