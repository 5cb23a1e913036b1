//! The encodings behind one face.

use super::{axis_wise, hash_grid};
use crate::field::Encoding;

/// The features at a position.
pub(super) fn encode(encoding: &Encoding, parameters: &[f32], position: [f32; 3]) -> Vec<f32> {
    match encoding {
        Encoding::HashGrid(grid) => hash_grid::encode(grid, parameters, position),
        Encoding::AxisWise(axis_wise) => axis_wise::encode(axis_wise, position),
    }
}

/// Adds the gradient by each of the encoding's parameters, given the gradient by each feature.
pub(super) fn backward(encoding: &Encoding, position: [f32; 3], of_features: &[f32], gradient: &mut [f32]) {
    match encoding {
        Encoding::HashGrid(grid) => hash_grid::backward(grid, position, of_features, gradient),
        Encoding::AxisWise(_) => {}
    }
}

/// The gradient by the position, given the gradient by each feature.
pub(super) fn by_position(
    encoding: &Encoding,
    parameters: &[f32],
    position: [f32; 3],
    of_features: &[f32],
) -> [f32; 3] {
    match encoding {
        Encoding::HashGrid(grid) => hash_grid::by_position(grid, parameters, position, of_features),
        Encoding::AxisWise(axis_wise) => axis_wise::by_position(axis_wise, position, of_features),
    }
}
