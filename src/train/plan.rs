//! The model's size from the budget, and how long it is trained.

use super::options::{CompressOptions, ModelOptions, Preset, Target};
use super::session::RoundingSteps;
use crate::field::encoding::{HashGrid, HashGridShape};
use crate::field::{Encoding, Model};

/// A model and its training.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) model: Model,
    pub(super) rounding: RoundingSteps,
    /// Samples of a step.
    pub(super) batch: usize,
    /// Steps of the main run.
    pub(super) steps: u64,
    /// Steps of a correction.
    pub(super) correction_steps: u64,
}

/// Parameters for each byte of the budget: most features end as zeros, and a bit and a half is what one then costs.
const PARAMETERS_A_BYTE: f64 = 6.0;

/// More parameters than these a voxel do not help any volume.
const MOST_PARAMETERS_A_VOXEL: f64 = 6.0;

/// Features of an entry (the paper: 4 to 8 work best at a fixed number of parameters).
const FEATURES: usize = 4;

/// Growth of the resolution from level to level that a plan aims at.
const GROWTH: f64 = 1.8;

/// Cells of the coarsest level along the longest axis.
const COARSEST: f64 = 8.0;

/// No level has more cells along an axis, however long that is.
const MOST_CELLS: f64 = (1 << 20) as f64;

/// The finest level has a cell for this many voxels along each axis.
const VOXELS_A_CELL: f64 = 2.0;

/// Samples of a step: fewer are noise, for a tiny volume and for any; more are waste.
const LEAST_BATCH: usize = 1 << 8;
const ENOUGH_BATCH: usize = 1 << 13;
const MOST_BATCH: usize = 1 << 17;

impl Plan {
    /// A plan for a file of about `bytes`, its features' rounding steps halved `finer` times: when more
    /// parameters did not help.
    pub(super) fn new(shape: [usize; 3], bytes: f64, finer: usize, options: &CompressOptions) -> Self {
        let chosen = options.model.unwrap_or_else(|| model_for(shape, bytes, options.preset));
        let grid = HashGrid::new(chosen.hash_grid, shape);
        let model = Model::new(Encoding::HashGrid(grid), chosen.width, chosen.hidden_layers);
        let voxels = shape.iter().product::<usize>() as f64;
        let (epochs, least_steps, most_samples) = match options.preset {
            Preset::Fast => (12.0, 1_500.0, 3.3e8),
            Preset::Balanced => (60.0, 6_000.0, 3e8),
            Preset::Best => (200.0, 20_000.0, 2e9),
        };
        let samples = f64::min(epochs * voxels, most_samples);
        // A step of Adam touches every parameter: its share of the time stays small when batches grow with the model.
        // But many steps do more than large batches.
        let for_adam = (model.parameter_count() / 24).next_power_of_two().min(MOST_BATCH);
        let for_steps = ((samples / least_steps) as usize).next_power_of_two();
        let least = (voxels as usize / 16).next_power_of_two().clamp(LEAST_BATCH, ENOUGH_BATCH);
        let batch = for_adam.min(for_steps).max(least);
        let steps = (samples / batch as f64).max(least_steps);
        Self {
            model,
            rounding: rounding(finer, options.target),
            batch,
            steps: steps as u64,
            correction_steps: (steps * 0.3) as u64,
        }
    }
}

/// Steps that the parameters are rounded to: fine enough for the quality asked for, halved with every growth.
fn rounding(halvings: usize, target: Target) -> RoundingSteps {
    // Up to here the coarse steps cost nothing that training does not make good.
    const COARSE_DB: f64 = 42.0;
    let finer = match target {
        Target::Psnr(db) => 10f64.powf(-(db - COARSE_DB).max(0.0) / 20.0) as f32,
        Target::Ratio(_) | Target::Size(_) => 1.0,
    };
    RoundingSteps {
        features: 0.05 * finer * 0.5f32.powi(halvings as i32),
        weights: finer / 64.0,
        biases: finer / 256.0,
    }
}

/// The model whose coded parameters come to about `bytes`.
fn model_for(shape: [usize; 3], bytes: f64, preset: Preset) -> ModelOptions {
    let longest = shape.into_iter().max().unwrap_or(1).saturating_sub(1).max(1) as f64;
    let voxels = shape.iter().product::<usize>() as f64;
    let wanted = (bytes * PARAMETERS_A_BYTE).min(MOST_PARAMETERS_A_VOXEL * voxels);
    // A grid finer than its parameters can fill only collides; one that could hold every voxel may be that fine.
    let share = (wanted / FEATURES as f64 / voxels).cbrt().clamp(0.05, 1.0);
    let finest = (longest / VOXELS_A_CELL).max(longest * share).min(longest).clamp(1.0, MOST_CELLS);
    let coarsest = COARSEST.min(finest / 2.0).max(1.0);
    let levels = 1 + ((finest / coarsest).ln() / GROWTH.ln()).round().max(0.0) as usize;
    let grid = |table_size: usize| HashGridShape { levels, features: FEATURES, table_size, coarsest, finest };
    let parameters = |table_size: usize| {
        let model = Model::new(Encoding::HashGrid(HashGrid::new(grid(table_size), shape)), 16, 1);
        model.parameter_count() as f64
    };
    // The table whose parameters are nearest to what is wanted, by ratio.
    let table_size = (6..=24)
        .map(|log2| 1usize << log2)
        .min_by(|&a, &b| {
            let distance = |t: usize| (parameters(t) / wanted).ln().abs();
            distance(a).total_cmp(&distance(b))
        })
        .unwrap_or(1 << 13);
    // Eight bits a weight: the network takes no more than a tenth or so of the file.
    let width = match preset {
        _ if bytes < 6_000.0 => 16,
        Preset::Best if bytes > 60_000.0 => 64,
        _ => 32,
    };
    ModelOptions { hash_grid: grid(table_size), width, hidden_layers: 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_follows_the_budget() {
        for (shape, bytes) in
            [([103, 94, 161], 30_000.0), ([256, 256, 128], 80_000.0), ([512, 512, 275], 2e6)]
        {
            let plan = Plan::new(shape, bytes, 0, &CompressOptions::default());
            let per_byte = plan.model.parameter_count() as f64 / bytes;
            assert!((3.0..14.0).contains(&per_byte), "{per_byte} parameters a byte for {shape:?}");
        }
    }

    #[test]
    fn tiny_and_flat_volumes_get_a_model() {
        for shape in [[1, 1, 1], [2, 1, 1], [64, 64, 1], [1, 1, 500]] {
            let plan = Plan::new(shape, 100.0, 0, &CompressOptions::default());
            assert!(plan.model.parameter_count() > 0 && plan.steps >= 1000);
        }
    }
}
