//! Networks on a tile of samples: what all have in common, and the way to each one's passes.

use super::dense::{Dense, DenseGradient};
use super::simd::{Aligned, Simd, axpy, dot, scaled};
use super::{mlp, sine_residual};
use crate::field::Network;

/// Samples a tile: activations of a 64-wide layer are 24 kB, and 6 and 8 rows fit it without a rest.
pub(super) const TILE: usize = 96;

/// Rounds up to whole cache lines of f32.
pub(super) fn padded(width: usize) -> usize {
    width.next_multiple_of(16)
}

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

/// Activations and gradients of one tile; rows are padded to whole cache lines, and the padding stays zero.
pub(super) struct TileBuffers {
    /// Features, `[sample][padded input]`.
    pub(super) features: Aligned,
    /// Every hidden layer's output, `[sample][padded width]`.
    pub(super) hidden: Vec<Aligned>,
    /// Every sine's derivative, where there are sines and gradients are wanted.
    pub(super) slopes: Vec<Aligned>,
    /// Gradients by hidden outputs; used in turn.
    pub(super) of_hidden: [Aligned; 3],
    /// Gradient by the features.
    pub(super) of_features: Aligned,
    /// The network's value a sample.
    pub(super) outputs: [f32; TILE],
    /// Gradient by the value.
    pub(super) of_outputs: [f32; TILE],
}

impl TileBuffers {
    pub(super) fn new(shape: &Network, with_gradients: bool) -> Self {
        let tile = |width: usize| Aligned::zeros(TILE * padded(width));
        let backward = |width: usize| if with_gradients { tile(width) } else { Aligned::zeros(0) };
        let (inputs, width) = (shape.inputs(), shape.width());
        let hidden = shape.layers().len() - 1;
        let sines = match shape {
            Network::SineResidual(_) if with_gradients => hidden,
            _ => 0,
        };
        // Evaluation needs no history: two buffers in turn would do, and for two hidden layers these are two.
        Self {
            features: tile(inputs),
            hidden: (0..hidden).map(|_| tile(width)).collect(),
            slopes: (0..sines).map(|_| tile(width)).collect(),
            of_hidden: [(); 3].map(|()| backward(width)),
            of_features: backward(inputs),
            outputs: [0.0; TILE],
            of_outputs: [0.0; TILE],
        }
    }
}

/// The network's value for the first `count` samples of the tile.
#[inline(always)]
pub(super) fn forward<S: Simd>(network: &PackedNetwork, tile: &mut TileBuffers, count: usize) {
    match network.shape {
        Network::Mlp(_) => mlp::forward::<S>(network, tile, count),
        Network::SineResidual(_) => sine_residual::forward::<S>(network, tile, count),
    }
    network.output::<S>(tile, count);
}

/// The gradient by the features goes to the tile, that by the network's parameters is added to `gradient` where there
/// is one.
#[inline(always)]
pub(super) fn backward<S: Simd>(
    network: &PackedNetwork,
    tile: &mut TileBuffers,
    count: usize,
    mut gradient: Option<&mut PackedGradient>,
) {
    network.of_last_hidden::<S>(tile, count, gradient.as_deref_mut());
    match network.shape {
        Network::Mlp(_) => mlp::backward::<S>(network, tile, count, gradient),
        Network::SineResidual(_) => sine_residual::backward::<S>(network, tile, count, gradient),
    }
}
