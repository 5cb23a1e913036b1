//! One field in training on one volume: steps and the rate term.

use super::average::Average;
use super::initial::{Start, initial_field};
use super::lambda::Lambda;
use super::plan::Plan;
use super::roundings::Roundings;
use super::sampler::VoxelSampler;
use crate::container::StoredModel;
use crate::engine::{Batch, Drawing, GroupUpdate, Install, Loss, Trainer, TrainingEngine, Update};
use crate::error::Result;
use crate::field::{Field, GroupKind, Model, ParameterGroup, Rounding};

/// Bounds of how much coarser than at first weights are rounded where lambda says so.
const LEAST_COARSENING: f64 = 1.0 / 32.0;
const MOST_COARSENING: f64 = 16.0;

/// Targets that are streamed to a device at a time.
const TARGETS_AT_ONCE: usize = 1 << 22;

/// Steps between two looks at the statistics of the parameters.
const REFRESH: u64 = 32;

/// A training run that can be stopped, measured and continued.
pub(super) struct Session<'a> {
    model: Model,
    groups: Vec<ParameterGroup>,
    trainer: Box<dyn Trainer>,
    sampler: &'a VoxelSampler<'a>,
    batch: Batch,
    /// Samples of a step.
    batch_len: usize,
    drawing: Drawing,
    /// Where samples are streamed to a device: the sample of the sequence that it has no targets of any more, and the targets
    /// from there on, as far as they are drawn.
    stretch: (u64, Vec<f32>),
    roundings: Roundings,
    /// Features are charged for their bits one by one. Without features, lambda sets how coarsely the weights are
    /// rounded: they are few, and all of them matter.
    has_features: bool,
    /// The weights' rounding at the first lambda.
    weights_at_first: Rounding,
    /// Height of the learning rates of features and of the network.
    rates: [f64; 2],
    loss: Loss,
    voxels: f64,
    /// Share of the voxels that are not masked.
    measured_share: f64,
    /// Mean magnitude of the integers of each group that is charged for its bits, refreshed now and then.
    magnitudes: Vec<f32>,
    average: Average,
    drawn: u64,
    done: u64,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        engine: &dyn TrainingEngine,
        plan: &Plan,
        sampler: &'a VoxelSampler<'a>,
        loss: Loss,
        start: Start,
    ) -> Result<Self> {
        let model = plan.model.clone();
        let groups = model.groups();
        let has_features = groups.iter().any(|group| group.kind == GroupKind::Features);
        let field = initial_field(&model, start);
        let mut trainer = engine.trainer(&field)?;
        let drawing = trainer.keep_voxels(sampler, plan.batch)?;
        let drawn_here = if drawing == Drawing::ByCaller { plan.batch } else { 0 };
        let batch = Batch { positions: vec![[0.0; 3]; drawn_here], targets: vec![0.0; drawn_here] };
        Ok(Self {
            trainer,
            batch_len: plan.batch,
            drawing,
            stretch: (0, Vec::new()),
            magnitudes: vec![1.0; groups.len()],
            average: Average::default(),
            model,
            groups,
            sampler,
            batch,
            roundings: plan.roundings,
            has_features,
            weights_at_first: plan.roundings.weights,
            rates: plan.rates,
            loss,
            voxels: start.voxels as f64,
            measured_share: start.measured as f64 / start.voxels as f64,
            drawn: 0,
            done: 0,
        })
    }

    /// One step at this share of the learning rates' height and this lambda in mean squared error times voxels,
    /// of which `charged` is charged by now.
    pub(super) fn step(
        &mut self,
        engine: &dyn TrainingEngine,
        share: f64,
        lambda: Lambda,
        charged: f64,
    ) -> Result<()> {
        let first = self.drawn;
        self.drawn += self.batch_len as u64;
        if self.done.is_multiple_of(REFRESH) {
            self.refresh()?;
        }
        self.done += 1;
        if let Rounding::Step(step) = self.weights_at_first
            && !self.has_features
        {
            let coarser = lambda.relative.clamp(LEAST_COARSENING, MOST_COARSENING) as f32;
            self.roundings.weights = Rounding::Step(step * coarser);
        }
        let [of_features, of_network] = self.rates.map(|rate| (rate * share) as f32);
        let groups = self.groups.iter().zip(&self.magnitudes).map(|(group, &magnitude)| {
            let rounding = self.roundings.of(group.kind);
            GroupUpdate {
                learning_rate: if group.kind == GroupKind::Features { of_features } else { of_network },
                rounding,
                rate_gradient: match rounding {
                    // A Laplace-distributed integer of mean magnitude b costs about |q| / (b ln 2) bits.
                    Rounding::Step(step) if group.kind == GroupKind::Features => {
                        let bits_per_unit = 1.0 / (f64::from(magnitude.max(0.1)) * std::f64::consts::LN_2);
                        (charged * lambda.value / self.voxels * bits_per_unit / f64::from(step)) as f32
                    }
                    _ => 0.0,
                },
            }
        });
        let update = Update { loss: self.loss, groups: groups.collect() };
        match self.drawing {
            Drawing::ByCaller => {
                let (sampler, batch) = (self.sampler, &mut self.batch);
                engine.install(|| sampler.draw(first, batch));
                self.trainer.step(&self.batch, &update)
            }
            Drawing::FromCopy => self.trainer.step_drawn(first, self.batch_len, &update),
            Drawing::FromStretches => {
                // Whole batches, so that none lies in two stretches.
                let len = (TARGETS_AT_ONCE / self.batch_len).max(1) * self.batch_len;
                if first == self.stretch.0 {
                    self.draw_ahead(engine, len);
                    let (end, targets) = &mut self.stretch;
                    self.trainer.take_stretch(first, targets)?;
                    *end += len as u64;
                    targets.clear();
                }
                self.trainer.step_drawn(first, self.batch_len, &update)?;
                // The device is at work for a while, and the host has nothing else to do.
                self.draw_ahead(engine, (self.stretch.1.len() + self.batch_len).min(len));
                Ok(())
            }
        }
    }

    /// Draws so many targets of the next stretch, those that are there included.
    fn draw_ahead(&mut self, engine: &dyn TrainingEngine, len: usize) {
        let (sampler, (end, targets)) = (self.sampler, &mut self.stretch);
        let there = targets.len();
        targets.resize(len, 0.0);
        let (first, rest) = (*end + there as u64, &mut targets[there..]);
        engine.install(|| sampler.draw_targets(first, rest));
    }

    /// The last batch's mean squared error before its step, over its measurements.
    pub(super) fn mean_error(&mut self) -> Result<f64> {
        let measured = match self.drawing {
            Drawing::ByCaller => self.batch.targets.iter().filter(|t| !t.is_nan()).count() as f64,
            Drawing::FromCopy | Drawing::FromStretches => self.batch_len as f64 * self.measured_share,
        };
        Ok(self.trainer.squared_error()? / measured.max(1.0))
    }

    /// Steps after which the error may be asked for.
    pub(super) fn error_interval(&self) -> u64 {
        self.trainer.error_interval()
    }

    fn refresh(&mut self) -> Result<()> {
        let charged =
            self.groups.iter().zip(&mut self.magnitudes).filter_map(|(group, magnitude)| {
                match self.roundings.of(group.kind) {
                    Rounding::Step(step) if group.kind == GroupKind::Features => {
                        Some((group.range.clone(), step, magnitude))
                    }
                    _ => None,
                }
            });
        let charged: Vec<_> = charged.collect();
        if charged.is_empty() {
            return Ok(());
        }
        let ranges: Vec<_> = charged.iter().map(|(range, ..)| range.clone()).collect();
        let means = self.trainer.mean_magnitudes(&ranges)?;
        for ((_, step, magnitude), mean) in charged.into_iter().zip(means) {
            *magnitude = mean / step;
        }
        Ok(())
    }

    /// Forgets the states that were averaged: a new run begins.
    pub(super) fn begin_average(&mut self) -> Result<()> {
        self.trainer.finish_sum(self.average.sum())?;
        self.average.clear();
        Ok(())
    }

    /// Takes the state after the last step into the average that is stored.
    pub(super) fn take_into_average(&mut self) -> Result<()> {
        self.trainer.add_parameters_to(self.average.with_one_more(self.model.parameter_count()))
    }

    /// What is stored: the average where states were taken into one, else the field as it is. Coded on the engine's threads.
    pub(super) fn stored_on(&mut self, engine: &dyn TrainingEngine) -> Result<StoredModel> {
        let mut parameters = self.trainer.parameters()?.to_vec();
        self.trainer.finish_sum(self.average.sum())?;
        let roundings = self.groups.iter().map(|g| (g.range.clone(), self.roundings.of(g.kind)));
        self.average.replace(&mut parameters, roundings);
        Ok(self.coded_on(engine, parameters))
    }

    /// Bytes that the parameters take as they are now.
    pub(super) fn bytes_now(&mut self, engine: &dyn TrainingEngine) -> Result<usize> {
        let parameters = self.trainer.parameters()?.to_vec();
        Ok(self.coded_on(engine, parameters).streams().bytes())
    }

    fn coded_on(&self, engine: &dyn TrainingEngine, parameters: Vec<f32>) -> StoredModel {
        let roundings: Vec<Rounding> = self.groups.iter().map(|g| self.roundings.of(g.kind)).collect();
        let field = Field { model: self.model.clone(), parameters };
        engine.install(|| StoredModel::encode(&field, &roundings))
    }
}
