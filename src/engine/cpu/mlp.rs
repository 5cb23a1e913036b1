//! The network on a tile of samples: forward, and backward into packed gradients.

use super::gemm::{Finish, Operand, product};
use super::simd::{Aligned, Simd};
use crate::field::Mlp;

/// Samples a tile: activations of a 64-wide layer are 24 kB, and 6 and 8 rows fit it without a rest.
pub(super) const TILE: usize = 96;

/// Rounds up to whole cache lines of f32.
pub(super) fn padded(width: usize) -> usize {
    width.next_multiple_of(16)
}

/// The network's parameters, aligned, with the transposes that the backward pass reads.
#[derive(Clone)]
pub(super) struct PackedMlp {
    shape: Mlp,
    hidden: Vec<PackedLayer>,
    output_weights: Aligned,
    output_bias: f32,
}

#[derive(Clone)]
struct PackedLayer {
    /// `[input][output]`.
    weights: Aligned,
    /// `[output][padded input]`.
    transposed: Aligned,
    biases: Aligned,
}

impl PackedMlp {
    pub(super) fn new(shape: Mlp) -> Self {
        let layer = |inputs: usize| PackedLayer {
            weights: Aligned::zeros(inputs * shape.width),
            transposed: Aligned::zeros(shape.width * padded(inputs)),
            biases: Aligned::zeros(shape.width),
        };
        let hidden = (0..shape.hidden_layers)
            .map(|l| layer(if l == 0 { shape.inputs } else { shape.width }))
            .collect();
        Self { shape, hidden, output_weights: Aligned::zeros(shape.width), output_bias: 0.0 }
    }

    /// Takes over the network's parameters.
    pub(super) fn pack(&mut self, parameters: &[f32]) {
        let layers = self.shape.layers();
        for (packed, layer) in self.hidden.iter_mut().zip(&layers) {
            let weights = &parameters[layer.weights.clone()];
            packed.weights.as_mut_slice().copy_from_slice(weights);
            packed.biases.as_mut_slice().copy_from_slice(&parameters[layer.biases.clone()]);
            let stride = padded(layer.inputs);
            let transposed = packed.transposed.as_mut_slice();
            for (i, row) in weights.chunks_exact(layer.outputs).enumerate() {
                for (o, &w) in row.iter().enumerate() {
                    transposed[o * stride + i] = w;
                }
            }
        }
        let last = &layers[layers.len() - 1];
        self.output_weights.as_mut_slice().copy_from_slice(&parameters[last.weights.clone()]);
        self.output_bias = parameters[last.biases.start];
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        let of = |a: &Aligned| 4 * a.as_slice().len();
        self.hidden.iter().map(|l| of(&l.weights) + of(&l.transposed) + of(&l.biases)).sum::<usize>()
            + of(&self.output_weights)
    }
}

/// Activations and gradients of one tile.
pub(super) struct TileBuffers {
    /// Features, `[sample][padded input]`; the padding stays zero.
    pub(super) features: Aligned,
    /// Every hidden layer's output behind its ReLU, `[sample][width]`.
    hidden: Vec<Aligned>,
    /// Gradients by hidden outputs; two, used in turn.
    of_hidden: [Aligned; 2],
    /// Gradient by the features.
    pub(super) of_features: Aligned,
    /// The network's value a sample.
    pub(super) outputs: [f32; TILE],
    /// Gradient by the value.
    pub(super) of_outputs: [f32; TILE],
}

impl TileBuffers {
    pub(super) fn new(shape: &Mlp, with_gradients: bool) -> Self {
        let wide = |width: usize| Aligned::zeros(TILE * width);
        let backward = |width: usize| wide(if with_gradients { width } else { 0 });
        // Evaluation needs no history: two buffers in turn would do, and for two hidden layers these are two.
        Self {
            features: wide(padded(shape.inputs)),
            hidden: (0..shape.hidden_layers).map(|_| wide(shape.width)).collect(),
            of_hidden: [backward(shape.width), backward(shape.width)],
            of_features: backward(padded(shape.inputs)),
            outputs: [0.0; TILE],
            of_outputs: [0.0; TILE],
        }
    }
}

/// The network's value for the first `count` samples of the tile.
#[inline(always)]
pub(super) fn forward<S: Simd>(network: &PackedMlp, tile: &mut TileBuffers, count: usize) {
    let width = network.shape.width;
    for (l, layer) in network.hidden.iter().enumerate() {
        let (below, from) = tile.hidden.split_at_mut(l);
        let (input, stride, depth) = match below.last() {
            Some(h) => (h.as_slice(), width, width),
            None => (tile.features.as_slice(), padded(network.shape.inputs), network.shape.inputs),
        };
        product::<S>(
            [count, width, depth],
            Operand { data: input, row_stride: stride, k_stride: 1 },
            (layer.weights.as_slice(), width),
            (from[0].as_mut_slice(), width),
            Finish::BiasRelu(layer.biases.as_slice()),
        );
    }
    let last = tile.hidden[network.hidden.len() - 1].as_slice();
    let weights = network.output_weights.as_slice();
    for (row, output) in last.chunks_exact(width).zip(&mut tile.outputs[..count]) {
        *output = network.output_bias + dot::<S>(row, weights);
    }
}

/// The gradient by the features goes to the tile, that by the network's parameters is added to `gradient` where there
/// is one.
#[inline(always)]
pub(super) fn backward<S: Simd>(
    network: &PackedMlp,
    tile: &mut TileBuffers,
    count: usize,
    mut gradient: Option<&mut PackedGradient>,
) {
    let Mlp { inputs, width, hidden_layers } = network.shape;
    let top = tile.hidden[hidden_layers - 1].as_slice();
    let weights = network.output_weights.as_slice();
    let of_top = tile.of_hidden[0].as_mut_slice();
    for s in 0..count {
        let of_output = tile.of_outputs[s];
        let row = s * width..(s + 1) * width;
        if let Some(gradient) = &mut gradient {
            gradient.output_bias += of_output;
            axpy::<S>(of_output, &top[row.clone()], gradient.output_weights.as_mut_slice());
        }
        gated_scale::<S>(of_output, weights, &top[row.clone()], &mut of_top[row]);
    }
    for l in (0..hidden_layers).rev() {
        let (of_outputs, of_inputs) = {
            let [first, second] = &mut tile.of_hidden;
            if (hidden_layers - 1 - l) % 2 == 0 { (first, second) } else { (second, first) }
        };
        let of_outputs = of_outputs.as_slice();
        let (input, stride, rows) = if l == 0 {
            (tile.features.as_slice(), padded(inputs), inputs)
        } else {
            (tile.hidden[l - 1].as_slice(), width, width)
        };
        if let Some(gradient) = &mut gradient {
            let into = &mut gradient.hidden[l];
            // dW = X^T dY: rows are inputs, the depth is samples.
            product::<S>(
                [rows, width, count],
                Operand { data: input, row_stride: 1, k_stride: stride },
                (of_outputs, width),
                (into.weights.as_mut_slice(), width),
                Finish::Accumulate,
            );
            for row in of_outputs[..count * width].chunks_exact(width) {
                axpy::<S>(1.0, row, into.biases.as_mut_slice());
            }
        }
        // dX = dY W^T, through the ReLU below.
        let of_outputs = Operand { data: of_outputs, row_stride: width, k_stride: 1 };
        let transposed = (network.hidden[l].transposed.as_slice(), stride);
        if l == 0 {
            let of_features = (tile.of_features.as_mut_slice(), stride);
            product::<S>([count, stride, width], of_outputs, transposed, of_features, Finish::Store);
        } else {
            let gate = Finish::Gate(input);
            let of_inputs = (of_inputs.as_mut_slice(), width);
            product::<S>([count, width, width], of_outputs, transposed, of_inputs, gate);
        }
    }
}

/// Gradients by the network's parameters, aligned like [`PackedMlp`].
pub(super) struct PackedGradient {
    hidden: Vec<PackedLayerGradient>,
    output_weights: Aligned,
    output_bias: f32,
}

struct PackedLayerGradient {
    weights: Aligned,
    biases: Aligned,
}

impl PackedGradient {
    pub(super) fn new(shape: &Mlp) -> Self {
        let layers = shape.layers();
        let hidden = layers[..shape.hidden_layers].iter().map(|layer| PackedLayerGradient {
            weights: Aligned::zeros(layer.weights.len()),
            biases: Aligned::zeros(layer.outputs),
        });
        Self { hidden: hidden.collect(), output_weights: Aligned::zeros(shape.width), output_bias: 0.0 }
    }

    /// Moves the sums into `out` (in the order of the network's parameters) and starts again from zero.
    pub(super) fn take(&mut self, shape: &Mlp, out: &mut [f32]) {
        let mut take = |from: &mut [f32], to: std::ops::Range<usize>| {
            out[to].copy_from_slice(from);
            from.fill(0.0);
        };
        let layers = shape.layers();
        for (packed, layer) in self.hidden.iter_mut().zip(&layers) {
            take(packed.weights.as_mut_slice(), layer.weights.clone());
            take(packed.biases.as_mut_slice(), layer.biases.clone());
        }
        let last = &layers[layers.len() - 1];
        take(self.output_weights.as_mut_slice(), last.weights.clone());
        take(std::slice::from_mut(&mut self.output_bias), last.biases.clone());
    }
}

#[inline(always)]
fn dot<S: Simd>(a: &[f32], b: &[f32]) -> f32 {
    let mut sum = S::splat(0.0);
    for (a, b) in a.chunks_exact(S::LANES).zip(b.chunks_exact(S::LANES)) {
        sum = S::mul_add(vector::<S>(a), vector::<S>(b), sum);
    }
    S::sum(sum)
}

/// `y += a x`.
#[inline(always)]
fn axpy<S: Simd>(a: f32, x: &[f32], y: &mut [f32]) {
    let a = S::splat(a);
    for (x, y) in x.chunks_exact(S::LANES).zip(y.chunks_exact_mut(S::LANES)) {
        let sum = S::mul_add(a, vector::<S>(x), vector::<S>(y));
        write::<S>(y, sum);
    }
}

/// `y = a x` where `gate > 0`, else 0.
#[inline(always)]
fn gated_scale<S: Simd>(a: f32, x: &[f32], gate: &[f32], y: &mut [f32]) {
    let a = S::splat(a);
    let lanes = x.chunks_exact(S::LANES).zip(gate.chunks_exact(S::LANES)).zip(y.chunks_exact_mut(S::LANES));
    for ((x, gate), y) in lanes {
        write::<S>(y, S::where_positive(S::mul(a, vector::<S>(x)), vector::<S>(gate)));
    }
}

#[inline(always)]
#[allow(unsafe_code)]
fn vector<S: Simd>(from: &[f32]) -> S::V {
    assert!(from.len() >= S::LANES);
    // SAFETY: the slice has LANES values.
    unsafe { S::load(from.as_ptr()) }
}

#[inline(always)]
#[allow(unsafe_code)]
fn write<S: Simd>(to: &mut [f32], v: S::V) {
    assert!(to.len() >= S::LANES);
    // SAFETY: the slice has LANES values.
    unsafe { S::store(to.as_mut_ptr(), v) }
}
