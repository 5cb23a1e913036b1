//! The multi-layer perceptron's hidden layers on a tile of samples.

use super::gemm::Finish;
use super::packed::{PackedGradient, PackedNetwork};
use super::tile::{TileBuffers, padded};
use crate::simd::{Simd, where_positive};

/// Every hidden layer's output.
#[inline(always)]
pub(super) fn forward<S: Simd>(network: &PackedNetwork, tile: &mut TileBuffers, count: usize) {
    for (l, layer) in network.hidden.iter().enumerate() {
        let (below, from) = tile.hidden.split_at_mut(l);
        let input = below.last().unwrap_or(&tile.features);
        layer.forward::<S>(input.as_slice(), from[0].as_mut_slice(), count, true);
    }
}

/// From the gradient by the last hidden outputs (in `tile.of_hidden[0]`) to that by the features.
#[inline(always)]
pub(super) fn backward<S: Simd>(
    network: &PackedNetwork,
    tile: &mut TileBuffers,
    count: usize,
    mut gradient: Option<&mut PackedGradient>,
) {
    let hidden_layers = network.hidden.len();
    let top = tile.hidden[hidden_layers - 1].as_slice();
    let values = count * padded(network.shape.width());
    where_positive::<S>(&top[..values], &mut tile.of_hidden[0].as_mut_slice()[..values]);
    for (l, layer) in network.hidden.iter().enumerate().rev() {
        let (of_outputs, of_inputs) = {
            let [first, second, _] = &mut tile.of_hidden;
            if (hidden_layers - 1 - l).is_multiple_of(2) { (first, second) } else { (second, first) }
        };
        let of_outputs = of_outputs.as_slice();
        let input = if l == 0 { tile.features.as_slice() } else { tile.hidden[l - 1].as_slice() };
        if let Some(gradient) = &mut gradient {
            layer.accumulate::<S>(input, of_outputs, count, &mut gradient.hidden[l]);
        }
        if l == 0 {
            layer.backward::<S>(of_outputs, tile.of_features.as_mut_slice(), count, Finish::Store);
        } else {
            // Through the ReLU below.
            layer.backward::<S>(of_outputs, of_inputs.as_mut_slice(), count, Finish::Gate(input));
        }
    }
}
