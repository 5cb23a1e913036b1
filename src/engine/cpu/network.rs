//! A network on a tile of samples: the way to each kind's passes.

use super::packed::{PackedGradient, PackedNetwork};
use super::tile::TileBuffers;
use super::{mlp, sine_residual};
use crate::field::Network;
use crate::simd::Simd;

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
