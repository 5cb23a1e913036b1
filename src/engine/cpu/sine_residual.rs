//! The residual sine network's hidden layers on a tile of samples.
//!
//! `tile.hidden` holds h_0, then for every block what is between its sine layers and its output.

use super::dense::{Dense, DenseGradient};
use super::gemm::Finish;
use super::packed::{PackedGradient, PackedNetwork};
use super::sine::sin_cos;
use super::tile::{TileBuffers, padded};
use crate::simd::{Aligned, Simd};

/// Every hidden layer's output; the sines' derivatives where the tile has room for them.
#[inline(always)]
pub(super) fn forward<S: Simd>(network: &PackedNetwork, tile: &mut TileBuffers, count: usize) {
    let values = count * padded(network.shape.width());
    for (l, layer) in network.hidden.iter().enumerate() {
        let (below, from) = tile.hidden.split_at_mut(l);
        let input = below.last().unwrap_or(&tile.features);
        layer.forward::<S>(input.as_slice(), from[0].as_mut_slice(), count, false);
        let sines = &mut from[0].as_mut_slice()[..values];
        let slopes = tile.slopes.get_mut(l).map(|s| &mut s.as_mut_slice()[..values]);
        // The second layer of a block is averaged with what came into the block.
        let skipped = (l > 0 && l % 2 == 0).then(|| &below[l - 2].as_slice()[..values]);
        activate(sines, slopes, skipped);
    }
}

/// Sums become their sines, or the mean of their sines and `skipped`.
#[inline(always)]
fn activate(sums: &mut [f32], slopes: Option<&mut [f32]>, skipped: Option<&[f32]>) {
    match slopes {
        None => sums.iter_mut().for_each(|z| *z = sin_cos(*z).0),
        Some(slopes) => {
            for (z, slope) in sums.iter_mut().zip(slopes) {
                (*z, *slope) = sin_cos(*z);
            }
        }
    }
    if let Some(skipped) = skipped {
        for (sine, h) in sums.iter_mut().zip(skipped) {
            *sine = 0.5 * (*sine + h);
        }
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
    let values = count * padded(network.shape.width());
    let TileBuffers { features, hidden, slopes, of_hidden, of_features, .. } = tile;
    let [of_h, of_sums, of_between] = of_hidden;
    for inner in (1..network.hidden.len()).step_by(2).rev() {
        let outer = inner + 1;
        of_h.as_mut_slice()[..values].iter_mut().for_each(|g| *g *= 0.5);
        scale(&of_h.as_slice()[..values], &slopes[outer].as_slice()[..values], of_sums.as_mut_slice());
        accumulate::<S>(&network.hidden[outer], &hidden[outer - 1], of_sums, count, at(&mut gradient, outer));
        let into = of_between.as_mut_slice();
        network.hidden[outer].backward::<S>(of_sums.as_slice(), into, count, Finish::Store);
        scale(&of_between.as_slice()[..values], &slopes[inner].as_slice()[..values], of_sums.as_mut_slice());
        accumulate::<S>(&network.hidden[inner], &hidden[inner - 1], of_sums, count, at(&mut gradient, inner));
        // What came into the block also went round it.
        let into = of_h.as_mut_slice();
        network.hidden[inner].backward::<S>(of_sums.as_slice(), into, count, Finish::Accumulate);
    }
    scale(&of_h.as_slice()[..values], &slopes[0].as_slice()[..values], of_sums.as_mut_slice());
    accumulate::<S>(&network.hidden[0], features, of_sums, count, at(&mut gradient, 0));
    network.hidden[0].backward::<S>(of_sums.as_slice(), of_features.as_mut_slice(), count, Finish::Store);
}

/// Layer `l`'s gradient, where gradients are wanted.
fn at<'a>(gradient: &'a mut Option<&mut PackedGradient>, l: usize) -> Option<&'a mut DenseGradient> {
    gradient.as_mut().map(|gradient| &mut gradient.hidden[l])
}

/// Not a closure: one that is not inlined is compiled without the instruction set.
#[inline(always)]
fn accumulate<S: Simd>(
    layer: &Dense,
    input: &Aligned,
    of_sums: &Aligned,
    count: usize,
    gradient: Option<&mut DenseGradient>,
) {
    if let Some(gradient) = gradient {
        layer.accumulate::<S>(input.as_slice(), of_sums.as_slice(), count, gradient);
    }
}

/// `out = a * b`, value by value.
#[inline(always)]
fn scale(a: &[f32], b: &[f32], out: &mut [f32]) {
    for ((a, b), out) in a.iter().zip(b).zip(out) {
        *out = a * b;
    }
}
