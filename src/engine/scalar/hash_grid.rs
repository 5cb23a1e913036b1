//! Encoding by a multi-resolution hash grid, and its gradient (paper, section 3.1).

use crate::field::encoding::{HashGrid, Level};

/// A corner of the cell around a position.
struct Corner {
    /// Its entry in the level's table.
    entry: usize,
    /// Its trilinear weight.
    weight: f32,
    /// The weight's derivative by the position.
    slope: [f32; 3],
}

/// The eight corners of the cell around a position.
fn corners(level: &Level, position: [f32; 3]) -> [Corner; 8] {
    let mut cell = [0u32; 3];
    let mut fraction = [0f32; 3];
    for axis in 0..3 {
        let cells = level.resolution[axis];
        let scaled = position[axis] * cells as f32;
        cell[axis] = (scaled as u32).min(cells.saturating_sub(1));
        fraction[axis] = scaled - cell[axis] as f32;
    }
    std::array::from_fn(|corner| {
        let mut vertex = [0u32; 3];
        let mut along = [0f32; 3];
        let mut along_slope = [0f32; 3];
        for axis in 0..3 {
            let upper = corner >> axis & 1 == 1;
            let cells = level.resolution[axis] as f32;
            vertex[axis] = (cell[axis] + u32::from(upper)).min(level.resolution[axis]);
            along[axis] = if upper { fraction[axis] } else { 1.0 - fraction[axis] };
            along_slope[axis] = if upper { cells } else { -cells };
        }
        let [x, y, z] = along;
        let [of_x, of_y, of_z] = along_slope;
        Corner {
            entry: level.entry(vertex),
            weight: x * y * z,
            slope: [of_x * y * z, x * of_y * z, x * y * of_z],
        }
    })
}

/// The features at a position: every level's, trilinearly interpolated, one after the other.
pub(super) fn encode(grid: &HashGrid, parameters: &[f32], position: [f32; 3]) -> Vec<f32> {
    let mut features = Vec::with_capacity(grid.levels().len() * grid.features());
    for level in grid.levels() {
        let corners = corners(level, position);
        for f in 0..grid.features() {
            features.push(
                corners
                    .iter()
                    .map(|c| c.weight * parameters[level.offset + c.entry * grid.features() + f])
                    .sum(),
            );
        }
    }
    features
}

/// Adds the gradient by each table value, given the gradient by each feature.
pub(super) fn backward(grid: &HashGrid, position: [f32; 3], of_features: &[f32], gradient: &mut [f32]) {
    for (level, of_level) in grid.levels().iter().zip(of_features.chunks(grid.features())) {
        for Corner { entry, weight, .. } in corners(level, position) {
            for (f, of_feature) in of_level.iter().enumerate() {
                gradient[level.offset + entry * grid.features() + f] += weight * of_feature;
            }
        }
    }
}

/// The gradient by the position, given the gradient by each feature.
pub(super) fn by_position(
    grid: &HashGrid,
    parameters: &[f32],
    position: [f32; 3],
    of_features: &[f32],
) -> [f32; 3] {
    let mut gradient = [0.0; 3];
    for (level, of_level) in grid.levels().iter().zip(of_features.chunks(grid.features())) {
        for Corner { entry, slope, .. } in corners(level, position) {
            for (f, of_feature) in of_level.iter().enumerate() {
                let value = parameters[level.offset + entry * grid.features() + f];
                for axis in 0..3 {
                    gradient[axis] += slope[axis] * value * of_feature;
                }
            }
        }
    }
    gradient
}
