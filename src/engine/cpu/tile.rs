//! A tile of samples on its way through a network.

use crate::field::Network;
use crate::simd::Aligned;

/// Samples a tile: activations of a 64-wide layer are 24 kB, and 6 and 8 rows fit it without a rest.
pub(super) const TILE: usize = 96;

/// Rounds up to whole cache lines of f32.
pub(super) fn padded(width: usize) -> usize {
    width.next_multiple_of(16)
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
