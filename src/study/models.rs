//! The paper's models at a number of parameters.

use crate::field::NetworkKind;
use crate::field::encoding::{AxisWise, HashGridShape, Wave};
use crate::field::network::SineResidual;
use crate::train::{EncodingOptions, ModelOptions};

/// L and F where the paper's text leaves them open.
pub(super) const LEVELS: usize = 8;
pub(super) const FEATURES: usize = 4;
/// N_min (Mueller et al. 2022); N_max is the number of samples along the longest axis.
pub(super) const COARSEST: f64 = 16.0;
/// The network behind a hash grid (section 4).
pub(super) const GRID_NETWORK: [usize; 2] = [64, 2];
/// The network behind the other encodings (section 4.1).
pub(super) const DEEP_NETWORK: [usize; 2] = [128, 12];

/// The paper's hash grid with F features and tables of `2^log2_table_size` entries.
pub(super) fn hash_grid(shape: [usize; 3], features: usize, log2_table_size: u32) -> ModelOptions {
    let longest = shape.into_iter().max().unwrap_or(1) as f64;
    let grid = HashGridShape {
        levels: LEVELS,
        features,
        table_size: 1 << log2_table_size,
        coarsest: COARSEST.min(longest),
        finest: longest,
    };
    ModelOptions::hash_grid(grid, GRID_NETWORK[0], GRID_NETWORK[1])
}

/// Logarithm to base 2 of T: the paper's hash grid whose number of parameters is nearest.
pub(super) fn log2_table_size_for(shape: [usize; 3], parameters: f64) -> u32 {
    let distance = |log2: &u32| off(&hash_grid(shape, FEATURES, *log2), shape, parameters);
    (4..=22).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(14)
}

/// Neurcomp's network whose number of parameters is nearest.
pub(super) fn neurcomp(shape: [usize; 3], parameters: f64) -> ModelOptions {
    let model = |width: usize| ModelOptions {
        encoding: EncodingOptions::AxisWise(AxisWise::usual(Wave::Identity)),
        network: NetworkKind::SineResidual,
        width,
        hidden_layers: SineResidual::HIDDEN_LAYERS,
    };
    let distance = |width: &usize| off(&model(*width), shape, parameters);
    model((1..=512).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(64))
}

/// The paper's network of 12 layers behind an encoding without parameters.
pub(super) fn deep(wave: Wave) -> ModelOptions {
    ModelOptions {
        encoding: EncodingOptions::AxisWise(AxisWise::usual(wave)),
        network: NetworkKind::Mlp,
        width: DEEP_NETWORK[0],
        hidden_layers: DEEP_NETWORK[1],
    }
}

/// Number of a model's parameters, on a volume of this shape.
pub(super) fn parameters(model: &ModelOptions, shape: [usize; 3]) -> usize {
    model.model(shape).parameter_count()
}

/// Parameters that half precision has room for at a ratio against float32.
pub(super) fn parameters_at(ratio: f64, voxels: usize) -> f64 {
    4.0 * voxels as f64 / ratio / 2.0
}

fn off(model: &ModelOptions, shape: [usize; 3], wanted: f64) -> f64 {
    (parameters(model, shape) as f64 / wanted).ln().abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_the_papers() {
        // Tooth at 40:1 and engine at 60:1, the nearest power of two.
        for (shape, ratio, log2) in [([103, 94, 161], 40.0, 11), ([256, 256, 128], 60.0, 13)] {
            let voxels = shape.iter().product();
            let wanted = parameters_at(ratio, voxels);
            assert_eq!(log2_table_size_for(shape, wanted), log2);
            let grid = parameters(&hash_grid(shape, FEATURES, log2), shape) as f64;
            assert!((grid / wanted - 1.0).abs() < 0.15, "{grid} of {wanted}");
            let sines = parameters(&neurcomp(shape, wanted), shape) as f64;
            assert!((sines / wanted - 1.0).abs() < 0.02, "{sines} of {wanted}");
        }
    }
}
