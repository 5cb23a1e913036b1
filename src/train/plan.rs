//! The model's size from the budget, and how long it is trained.

use super::options::{Architecture, CompressOptions, Preset, Storage, Target};
use super::roundings::Roundings;
use crate::field::encoding::{AxisWise, EncodingKind, HashGrid, HashGridShape};
use crate::field::network::SineResidual;
use crate::field::{Encoding, Model, Network, NetworkKind, Rounding};

/// A model and its training.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) model: Model,
    pub(super) roundings: Roundings,
    /// Height of the learning rates of features and of the network.
    pub(super) rates: [f64; 2],
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

/// Adam's step sizes at their height: half of the usual one for hash grids (Mueller et al. 2022: 1e-2), since a feature
/// should not cross a rounding step in a few of them.
const FEATURE_RATE: f64 = 5e-3;
const NETWORK_RATE: f64 = 5e-3;
/// Deep networks diverge at that one.
const DEEP_NETWORK_RATE: f64 = 1e-3;
/// Sines' rate times the square root of their width: an angle is a sum of so many steps. Omega inside the weights makes rates
/// that much larger than those of Sitzmann et al. 2020. (At 1e-3 tooth, engine and nucleon were 2 to 10 dB worse; at four times
/// this, tooth diverged: benches/README.md.)
const SINE_RATE_BY_ROOT_OF_WIDTH: f64 = 0.04;
const DEEP: usize = 4;

/// Bytes of a coded weight that is not charged for its bits.
const BYTES_A_WEIGHT: f64 = 0.9;

impl Plan {
    /// A plan for a file of about `bytes`, its features' rounding steps halved `finer` times: when more
    /// parameters did not help.
    pub(super) fn new(
        shape: [usize; 3],
        bytes: f64,
        finer: usize,
        options: &CompressOptions,
        architecture: Architecture,
    ) -> Self {
        let model = match options.model {
            Some(chosen) => chosen.model(shape),
            None => model_for(shape, bytes, options, architecture),
        };
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
            rates: [FEATURE_RATE, network_rate(&model.network)],
            model,
            roundings: match options.storage {
                Storage::Coded => roundings(finer, options.target),
                Storage::Half => HALF,
            },
            batch,
            steps: steps as u64,
            correction_steps: (steps * 0.3) as u64,
        }
    }
}

/// What `storage` rounds to when no quality is asked for.
pub(super) fn usual_roundings(storage: Storage) -> Roundings {
    match storage {
        Storage::Coded => roundings(0, Target::Psnr(COARSE_DB)),
        Storage::Half => HALF,
    }
}

/// Half precision throughout.
const HALF: Roundings =
    Roundings { features: Rounding::Half, weights: Rounding::Half, biases: Rounding::Half };

/// Up to this quality the coarse steps cost nothing that training does not make good.
const COARSE_DB: f64 = 42.0;

/// The height of a network's learning rate.
pub(super) fn network_rate(network: &Network) -> f64 {
    match network.kind() {
        NetworkKind::Mlp if network.hidden_layers() < DEEP => NETWORK_RATE,
        NetworkKind::Mlp => DEEP_NETWORK_RATE,
        NetworkKind::SineResidual => SINE_RATE_BY_ROOT_OF_WIDTH / (network.width() as f64).sqrt(),
    }
}

/// Steps that the parameters are rounded to: fine enough for the quality asked for, halved with every growth.
fn roundings(halvings: usize, target: Target) -> Roundings {
    let finer = match target {
        Target::Psnr(db) => 10f64.powf(-(db - COARSE_DB).max(0.0) / 20.0) as f32,
        _ => 1.0,
    };
    let halved = 0.5f32.powi(halvings as i32);
    Roundings {
        features: Rounding::Step(0.05 * finer * halved),
        weights: Rounding::Step(finer / 64.0),
        biases: Rounding::Step(finer / 256.0),
    }
}

/// The model whose stored parameters come to about `bytes`; in half precision, the largest that is not above.
fn model_for(
    shape: [usize; 3],
    bytes: f64,
    options: &CompressOptions,
    Architecture { encoding, network }: Architecture,
) -> Model {
    let half = options.storage == Storage::Half;
    match (encoding, network) {
        (EncodingKind::HashGrid, NetworkKind::Mlp) => hash_grid_for(shape, bytes, options.preset, half),
        (EncodingKind::HashGrid, NetworkKind::SineResidual) => {
            // The grid holds the volume; sines behind it take the place of the perceptron.
            let Model { encoding, network } = hash_grid_for(shape, bytes, options.preset, half);
            Model::with(NetworkKind::SineResidual, encoding, network.width(), network.hidden_layers())
        }
        (EncodingKind::AxisWise(wave), network) => {
            let encoding = Encoding::AxisWise(AxisWise::usual(wave));
            let weights = bytes / if half { 2.0 } else { BYTES_A_WEIGHT };
            network_for(network, encoding, weights)
        }
    }
}

/// The widest network of at most so many weights behind an encoding without parameters.
fn network_for(kind: NetworkKind, encoding: Encoding, weights: f64) -> Model {
    let (step, hidden_layers) = match kind {
        NetworkKind::Mlp => (16, DEEP),
        NetworkKind::SineResidual => (1, SineResidual::HIDDEN_LAYERS),
    };
    let model = |width: usize| Model::with(kind, encoding.clone(), width, hidden_layers);
    let widths = (step..=Network::MAX_WIDTH).step_by(step);
    let fitting = widths.take_while(|&width| model(width).parameter_count() as f64 <= weights).last();
    model(fitting.unwrap_or(step))
}

/// A hash grid and a small perceptron.
fn hash_grid_for(shape: [usize; 3], bytes: f64, preset: Preset, half: bool) -> Model {
    let longest = shape.into_iter().max().unwrap_or(1).saturating_sub(1).max(1) as f64;
    let voxels = shape.iter().product::<usize>() as f64;
    // Eight bits a weight: the network takes no more than a tenth or so of the file.
    let width = match preset {
        _ if bytes < 6_000.0 => 16,
        Preset::Best if bytes > 60_000.0 => 64,
        _ => 32,
    };
    let per_byte = if half { 0.5 } else { PARAMETERS_A_BYTE };
    let wanted = (bytes * per_byte).min(MOST_PARAMETERS_A_VOXEL * voxels);
    // A grid finer than its parameters can fill only collides; one that could hold every voxel may be that fine.
    let share = (wanted / FEATURES as f64 / voxels).cbrt().clamp(0.05, 1.0);
    let finest = (longest / VOXELS_A_CELL).max(longest * share).min(longest).clamp(1.0, MOST_CELLS);
    let coarsest = COARSEST.min(finest / 2.0).max(1.0);
    let levels = 1 + ((finest / coarsest).ln() / GROWTH.ln()).round().max(0.0) as usize;
    let model = |features: usize, table_size: usize| {
        let grid = HashGridShape { levels, features, table_size, coarsest, finest };
        Model::new(Encoding::HashGrid(HashGrid::new(grid, shape)), width, 2)
    };
    let tables = || (6..=24).map(|log2| 1usize << log2);
    if half {
        // Nothing trims the file later: of the sizes that fit, the largest.
        let choices = tables().flat_map(|table| [FEATURES, 8, 2].map(|features| model(features, table)));
        let fitting = choices.filter(|m| m.parameter_count() as f64 <= wanted);
        return fitting.max_by_key(Model::parameter_count).unwrap_or_else(|| model(2, 1 << 6));
    }
    // The table whose parameters are nearest to what is wanted, by ratio.
    let distance = |m: &Model| (m.encoding.parameter_count() as f64 / wanted).ln().abs();
    let models = tables().map(|table| model(FEATURES, table));
    models.min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or_else(|| model(FEATURES, 1 << 13))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::encoding::Wave;

    #[test]
    fn the_model_follows_the_budget() {
        for (shape, bytes) in
            [([103, 94, 161], 30_000.0), ([256, 256, 128], 80_000.0), ([512, 512, 275], 2e6)]
        {
            let plan = Plan::new(shape, bytes, 0, &CompressOptions::default(), Architecture::default());
            let per_byte = plan.model.parameter_count() as f64 / bytes;
            assert!((3.0..14.0).contains(&per_byte), "{per_byte} parameters a byte for {shape:?}");
        }
    }

    #[test]
    fn other_models_follow_the_budget_too() {
        let wave = |wave, network| Architecture { encoding: EncodingKind::AxisWise(wave), network };
        let architectures = [
            wave(Wave::Frequency, NetworkKind::Mlp),
            wave(Wave::OneBlob, NetworkKind::Mlp),
            wave(Wave::Identity, NetworkKind::SineResidual),
        ];
        for architecture in architectures {
            for (storage, least, most) in [(Storage::Coded, 0.6, 1.2), (Storage::Half, 0.3, 0.5)] {
                let options = CompressOptions { storage, ..Default::default() };
                let plan = Plan::new([103, 94, 161], 40_000.0, 0, &options, architecture);
                let per_byte = plan.model.parameter_count() as f64 / 40_000.0;
                assert!((least..=most).contains(&per_byte), "{per_byte} a byte: {}", plan.model.describe());
            }
        }
        let options = CompressOptions { storage: Storage::Half, ..Default::default() };
        let plan = Plan::new([103, 94, 161], 40_000.0, 0, &options, Architecture::default());
        assert!((14_000..=20_000).contains(&plan.model.parameter_count()), "{}", plan.model.describe());
    }

    #[test]
    fn tiny_and_flat_volumes_get_a_model() {
        for shape in [[1, 1, 1], [2, 1, 1], [64, 64, 1], [1, 1, 500]] {
            let plan = Plan::new(shape, 100.0, 0, &CompressOptions::default(), Architecture::default());
            assert!(plan.model.parameter_count() > 0 && plan.steps >= 1000);
        }
    }
}
