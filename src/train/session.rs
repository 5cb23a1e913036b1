//! One field in training on one volume: steps, the rate term, the learning rate.

use super::plan::Plan;
use super::sampler::{VoxelSampler, hash};
use crate::container::StoredModel;
use crate::engine::{Batch, Engine, GroupUpdate, Loss, Trainer, Update};
use crate::field::{Field, GroupKind, Model, ParameterGroup};

/// Rounding steps of the stored parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RoundingSteps {
    pub(super) features: f32,
    pub(super) weights: f32,
    pub(super) biases: f32,
}

impl RoundingSteps {
    fn of(&self, kind: GroupKind) -> f32 {
        match kind {
            GroupKind::Features => self.features,
            GroupKind::Weights => self.weights,
            GroupKind::Biases => self.biases,
        }
    }
}

/// Where a run begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    pub(super) seed: u64,
    /// Mean of the measurements, scaled to 0..1.
    pub(super) mean: f32,
    /// Number of voxels, masked ones too: the batch's mean, against which a bit is priced, is over all of them.
    pub(super) voxels: usize,
}

/// Steps between two looks at the statistics of the parameters.
const REFRESH: u64 = 32;

/// A training run that can be stopped, measured and continued.
pub(super) struct Session<'a> {
    model: Model,
    groups: Vec<ParameterGroup>,
    trainer: Box<dyn Trainer>,
    sampler: &'a VoxelSampler<'a>,
    batch: Batch,
    steps: RoundingSteps,
    loss: Loss,
    voxels: f64,
    /// Mean magnitude of each group's integers, refreshed now and then.
    magnitudes: Vec<f32>,
    drawn: u64,
    done: u64,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        engine: &dyn Engine,
        plan: &Plan,
        sampler: &'a VoxelSampler<'a>,
        loss: Loss,
        start: Start,
    ) -> Self {
        let model = plan.model.clone();
        let groups = model.groups();
        let field = initial_field(&model, start);
        let batch = Batch { positions: vec![[0.0; 3]; plan.batch], targets: vec![0.0; plan.batch] };
        Self {
            trainer: engine.trainer(&field),
            magnitudes: vec![1.0; groups.len()],
            model,
            groups,
            sampler,
            batch,
            steps: plan.rounding,
            loss,
            voxels: start.voxels as f64,
            drawn: 0,
            done: 0,
        }
    }

    /// One step at these learning rates (features, network) and this price of a bit in mean squared error times voxels.
    /// Returns the batch's mean squared error before it.
    pub(super) fn step(&mut self, engine: &dyn Engine, [features, network]: [f32; 2], lambda: f64) -> f64 {
        let (sampler, batch, drawn) = (self.sampler, &mut self.batch, self.drawn);
        engine.run(&mut || sampler.draw(drawn, batch));
        self.drawn += self.batch.positions.len() as u64;
        if self.done.is_multiple_of(REFRESH) {
            self.refresh();
        }
        self.done += 1;
        let update = Update {
            loss: self.loss,
            groups: self
                .groups
                .iter()
                .zip(&self.magnitudes)
                .map(|(group, &magnitude)| {
                    let rounding_step = self.steps.of(group.kind);
                    GroupUpdate {
                        learning_rate: if group.kind == GroupKind::Features { features } else { network },
                        rounding_step,
                        rate_gradient: match group.kind {
                            // A Laplace-distributed integer of mean magnitude b costs about |q| / (b ln 2) bits.
                            GroupKind::Features => {
                                let bits_per_unit =
                                    1.0 / (f64::from(magnitude.max(0.1)) * std::f64::consts::LN_2);
                                (lambda / self.voxels * bits_per_unit / f64::from(rounding_step)) as f32
                            }
                            GroupKind::Weights | GroupKind::Biases => 0.0,
                        },
                    }
                })
                .collect(),
        };
        // The engine averages over the whole batch; what is shown and followed is the error of a measurement.
        let measured = self.batch.targets.iter().filter(|t| !t.is_nan()).count().max(1);
        self.trainer.step(&self.batch, &update) / measured as f64
    }

    fn refresh(&mut self) {
        let parameters = self.trainer.parameters();
        for (group, magnitude) in self.groups.iter().zip(&mut self.magnitudes) {
            let sum: f32 = parameters[group.range.clone()].iter().map(|v| v.abs()).sum();
            *magnitude = sum / group.range.len() as f32 / self.steps.of(group.kind);
        }
    }

    /// The field, coded on the engine's threads.
    pub(super) fn stored_on(&self, engine: &dyn Engine) -> StoredModel {
        let steps: Vec<f32> = self.groups.iter().map(|g| self.steps.of(g.kind)).collect();
        let field = Field { model: self.model.clone(), parameters: self.trainer.parameters().to_vec() };
        let mut stored = None;
        engine.run(&mut || stored = Some(StoredModel::encode(&field, &steps)));
        stored.expect("an engine runs the work it is given")
    }
}

/// Features near zero, which rounds to zero; hidden biases around it, or every ReLU would be shut and nothing learn;
/// weights after He et al. 2015 (uniform, variance 2 / inputs); the output's bias at the volume's mean, so that the
/// first steps do not go into finding it.
fn initial_field(model: &Model, Start { seed, mean, .. }: Start) -> Field {
    let mut parameters = vec![0.0; model.parameter_count()];
    let uniform =
        |counter: usize| (hash(hash(seed) ^ counter as u64) >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
    for group in model.groups() {
        let amplitude = match group.kind {
            GroupKind::Features => 1e-4,
            GroupKind::Weights => (6.0 / group.lattice[0] as f32).sqrt(),
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
