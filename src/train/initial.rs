//! What a field's parameters are before training.

use crate::engine::hash;
use crate::field::network::SineResidual;
use crate::field::{Field, GroupKind, Model, NetworkKind};

/// Where a run begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    pub(super) seed: u64,
    /// Mean of the measurements, scaled to 0..1.
    pub(super) mean: f32,
    /// Number of voxels, masked ones too: the batch's mean, against which lambda is scaled, is over all of them.
    pub(super) voxels: usize,
    /// Number of those that are not masked.
    pub(super) measured: usize,
}

/// Features near zero, which rounds to zero; hidden biases around it, or every ReLU would be shut and nothing learn;
/// weights after He et al. 2015 (uniform, variance 2 / inputs). Sine layers after Sitzmann et al. 2020, section 3.2, with
/// omega inside the weights; their biases are any phase. The output's bias is the volume's mean, so that the first steps
/// do not go into finding it.
pub(super) fn initial_field(model: &Model, Start { seed, mean, .. }: Start) -> Field {
    let mut parameters = vec![0.0; model.parameter_count()];
    let uniform =
        |counter: usize| (hash(hash(seed) ^ counter as u64) >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
    let sines = model.network.kind() == NetworkKind::SineResidual;
    let (first_weights, output_weights) = {
        let groups = model.groups();
        let mut weights = groups.iter().filter(|g| g.kind == GroupKind::Weights).map(|g| g.range.start);
        (weights.next(), weights.next_back())
    };
    for group in model.groups() {
        let inputs = group.lattice[0] as f32;
        let start = Some(group.range.start);
        let amplitude = match group.kind {
            GroupKind::Features => 1e-4,
            GroupKind::Weights if sines && start == first_weights => SineResidual::OMEGA / inputs,
            GroupKind::Weights if sines && start == output_weights => {
                (6.0 / inputs).sqrt() / SineResidual::OMEGA
            }
            GroupKind::Weights => (6.0 / inputs).sqrt(),
            GroupKind::Biases if sines => std::f32::consts::PI,
            GroupKind::Biases => 0.3,
        };
        for p in group.range {
            parameters[p] = amplitude * uniform(p);
        }
    }
    if let Some(output_bias) = parameters.last_mut() {
        *output_bias = mean;
    }
    Field { model: model.clone(), parameters }
}
