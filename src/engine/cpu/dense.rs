//! One layer of a network before its activation, on a tile of samples.

use super::gemm::{Finish, Operand, product};
use super::tile::padded;
use crate::field::network::Layer;
use crate::simd::{Aligned, Simd, axpy};

/// A layer's parameters, aligned, with the transpose that the backward pass reads. Rows are padded with zeros to whole
/// cache lines; so are the tiles' rows, and what the padding computes stays zero or meets a zero.
#[derive(Clone)]
pub(super) struct Dense {
    inputs: usize,
    outputs: usize,
    /// `[input][padded output]`.
    weights: Aligned,
    /// `[output][padded input]`.
    transposed: Aligned,
    biases: Aligned,
}

/// Gradients by a layer's parameters, laid out like them.
pub(super) struct DenseGradient {
    weights: Aligned,
    biases: Aligned,
}

impl Dense {
    pub(super) fn new(layer: &Layer) -> Self {
        let Layer { inputs, outputs, .. } = *layer;
        Self {
            inputs,
            outputs,
            weights: Aligned::zeros(inputs * padded(outputs)),
            transposed: Aligned::zeros(outputs * padded(inputs)),
            biases: Aligned::zeros(padded(outputs)),
        }
    }

    /// Takes over the layer's parameters from the network's.
    pub(super) fn pack(&mut self, layer: &Layer, parameters: &[f32]) {
        let weights = &parameters[layer.weights.clone()];
        let (row, column) = (padded(self.outputs), padded(self.inputs));
        let (packed, transposed) = (self.weights.as_mut_slice(), self.transposed.as_mut_slice());
        for (i, from) in weights.chunks_exact(self.outputs).enumerate() {
            packed[i * row..][..self.outputs].copy_from_slice(from);
            for (o, &w) in from.iter().enumerate() {
                transposed[o * column + i] = w;
            }
        }
        self.biases.as_mut_slice()[..self.outputs].copy_from_slice(&parameters[layer.biases.clone()]);
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        [&self.weights, &self.transposed, &self.biases].map(|a| 4 * a.as_slice().len()).iter().sum()
    }

    /// `X W + b`, behind a ReLU when `relu`; rows of `padded(inputs)` and `padded(outputs)`.
    #[inline(always)]
    pub(super) fn forward<S: Simd>(&self, input: &[f32], output: &mut [f32], count: usize, relu: bool) {
        let biases = self.biases.as_slice();
        product::<S>(
            [count, padded(self.outputs), self.inputs],
            Operand { data: input, row_stride: padded(self.inputs), k_stride: 1 },
            (self.weights.as_slice(), padded(self.outputs)),
            (output, padded(self.outputs)),
            if relu { Finish::BiasRelu(biases) } else { Finish::Bias(biases) },
        );
    }

    /// Adds `X^T dY` and the sums of dY.
    #[inline(always)]
    pub(super) fn accumulate<S: Simd>(
        &self,
        input: &[f32],
        of_output: &[f32],
        count: usize,
        gradient: &mut DenseGradient,
    ) {
        let row = padded(self.outputs);
        product::<S>(
            [self.inputs, row, count],
            Operand { data: input, row_stride: 1, k_stride: padded(self.inputs) },
            (of_output, row),
            (gradient.weights.as_mut_slice(), row),
            Finish::Accumulate,
        );
        for of_output in of_output[..count * row].chunks_exact(row) {
            axpy::<S>(1.0, of_output, gradient.biases.as_mut_slice());
        }
    }

    /// `dX = dY W^T`, finished as the caller says.
    #[inline(always)]
    pub(super) fn backward<S: Simd>(
        &self,
        of_output: &[f32],
        of_input: &mut [f32],
        count: usize,
        finish: Finish<'_>,
    ) {
        let row = padded(self.inputs);
        product::<S>(
            [count, row, self.outputs],
            Operand { data: of_output, row_stride: padded(self.outputs), k_stride: 1 },
            (self.transposed.as_slice(), row),
            (of_input, row),
            finish,
        );
    }
}

impl DenseGradient {
    pub(super) fn new(layer: &Layer) -> Self {
        Self {
            weights: Aligned::zeros(layer.inputs * padded(layer.outputs)),
            biases: Aligned::zeros(padded(layer.outputs)),
        }
    }

    /// Moves the sums into `out`, the network's gradient, and starts again from zero.
    pub(super) fn take(&mut self, layer: &Layer, out: &mut [f32]) {
        let weights = self.weights.as_mut_slice();
        let rows = weights.chunks_exact(padded(layer.outputs));
        for (row, to) in rows.zip(out[layer.weights.clone()].chunks_exact_mut(layer.outputs)) {
            to.copy_from_slice(&row[..layer.outputs]);
        }
        weights.fill(0.0);
        out[layer.biases.clone()].copy_from_slice(&self.biases.as_slice()[..layer.outputs]);
        self.biases.as_mut_slice().fill(0.0);
    }
}
