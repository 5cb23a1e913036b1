//! The encodings' fast twins behind one face: the only place of this engine that knows which there are.

use super::axis_wise::{self, LatticeFeatures};
use super::hash_grid::{self, Corners, LatticePlan};
use super::tile::TILE;
use crate::engine::Lattice;
use crate::field::Encoding;
use crate::simd::Simd;

/// What an encoding remembers of a tile between the forward and the backward pass.
pub(super) enum TileEncoder {
    HashGrid(Box<Corners>),
    /// The positions.
    AxisWise(Box<[[f32; 3]; TILE]>),
}

impl TileEncoder {
    pub(super) fn new(encoding: &Encoding) -> Self {
        match encoding {
            Encoding::HashGrid(grid) => TileEncoder::HashGrid(Box::new(Corners::new(grid))),
            Encoding::AxisWise(_) => TileEncoder::AxisWise(Box::new([[0.0; 3]; TILE])),
        }
    }

    /// Features of up to a tile of positions, `[sample][stride]`.
    #[inline(always)]
    pub(super) fn encode<S: Simd>(
        &mut self,
        encoding: &Encoding,
        parameters: &[f32],
        positions: &[[f32; 3]],
        features: &mut [f32],
        stride: usize,
    ) {
        match (self, encoding) {
            (TileEncoder::HashGrid(corners), Encoding::HashGrid(grid)) => {
                corners.locate::<S>(grid, positions);
                hash_grid::encode::<S>(grid, parameters, corners, positions.len(), features, stride);
            }
            (TileEncoder::AxisWise(kept), Encoding::AxisWise(axis_wise)) => {
                kept[..positions.len()].copy_from_slice(positions);
                axis_wise::encode(axis_wise, positions, features, stride);
            }
            _ => mismatch(),
        }
    }

    /// Adds the gradient by the encoding's parameters for the tile encoded last.
    #[inline(always)]
    pub(super) fn backward<S: Simd>(
        &self,
        encoding: &Encoding,
        count: usize,
        of_features: &[f32],
        stride: usize,
        gradient: &mut [f32],
    ) {
        match (self, encoding) {
            (TileEncoder::HashGrid(corners), Encoding::HashGrid(grid)) => {
                hash_grid::scatter::<S>(grid, corners, count, of_features, stride, gradient);
            }
            (TileEncoder::AxisWise(_), Encoding::AxisWise(_)) => {}
            _ => mismatch(),
        }
    }

    /// Writes the gradient by the positions of the tile encoded last.
    #[inline(always)]
    pub(super) fn by_position<S: Simd>(
        &self,
        encoding: &Encoding,
        parameters: &[f32],
        of_features: &[f32],
        stride: usize,
        out: &mut [[f32; 3]],
    ) {
        match (self, encoding) {
            (TileEncoder::HashGrid(corners), Encoding::HashGrid(grid)) => {
                hash_grid::by_position::<S>(grid, parameters, corners, of_features, stride, out);
            }
            (TileEncoder::AxisWise(positions), Encoding::AxisWise(axis_wise)) => {
                axis_wise::by_position(axis_wise, &positions[..], of_features, stride, out);
            }
            _ => mismatch(),
        }
    }
}

/// An encoding's precomputation for a lattice.
pub(super) enum LatticeEncoder {
    HashGrid(LatticePlan),
    AxisWise(LatticeFeatures),
}

impl LatticeEncoder {
    pub(super) fn new(encoding: &Encoding, lattice: &Lattice) -> Self {
        match encoding {
            Encoding::HashGrid(grid) => LatticeEncoder::HashGrid(LatticePlan::new(grid, lattice)),
            Encoding::AxisWise(axis_wise) => {
                LatticeEncoder::AxisWise(LatticeFeatures::new(axis_wise, lattice))
            }
        }
    }

    /// Room that a row needs, in f32.
    pub(super) fn row_len(&self, encoding: &Encoding) -> usize {
        match (self, encoding) {
            (LatticeEncoder::HashGrid(plan), Encoding::HashGrid(grid)) => plan.row_len(grid.features()),
            (LatticeEncoder::AxisWise(features), Encoding::AxisWise(_)) => features.row_len(),
            _ => mismatch(),
        }
    }

    /// Prepares the row at (`iy`, `iz`).
    #[inline(always)]
    pub(super) fn begin_row<S: Simd>(
        &self,
        encoding: &Encoding,
        parameters: &[f32],
        at: (usize, usize),
        row: &mut [f32],
    ) {
        match (self, encoding) {
            (LatticeEncoder::HashGrid(plan), Encoding::HashGrid(grid)) => {
                plan.interpolate_row::<S>(grid, parameters, at, row);
            }
            (LatticeEncoder::AxisWise(features), Encoding::AxisWise(_)) => features.begin_row(at, row),
            _ => mismatch(),
        }
    }

    /// Features of points `from..from + count` of the prepared row, `[point][stride]`.
    #[inline(always)]
    pub(super) fn encode_row<S: Simd>(
        &self,
        encoding: &Encoding,
        row: &[f32],
        points: (usize, usize),
        features: &mut [f32],
        stride: usize,
    ) {
        match (self, encoding) {
            (LatticeEncoder::HashGrid(plan), Encoding::HashGrid(grid)) => {
                plan.encode_row::<S>(grid, row, points, features, stride);
            }
            (LatticeEncoder::AxisWise(of_axes), Encoding::AxisWise(_)) => {
                of_axes.encode_row(row, points, features, stride);
            }
            _ => mismatch(),
        }
    }
}

/// An encoder is made for one field and used with no other.
#[cold]
fn mismatch() -> ! {
    panic!("an encoder was used with another encoding than it was made for");
}
