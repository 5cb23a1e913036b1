//! Training: every thread takes a share of the batch through encoding, network, loss and back; then Adam runs over
//! stretches of the parameters, summing the threads' gradients on the way.

use super::Cpu;
use super::adam::Stretch;
use super::encoding::TileEncoder;
use super::network::{backward, forward};
use super::packed::{PackedGradient, PackedNetwork};
use super::tile::{TILE, TileBuffers, padded};
use crate::engine::adam_constants::{BETA1, BETA2};
use crate::engine::{Batch, Loss, Trainer, Update};
use crate::error::Result;
use crate::field::{Field, Model};
use crate::simd::{Kernel, Simd};
use rayon::prelude::*;

/// Parameters that one task of Adam takes.
const PARAMETERS_A_TASK: usize = 8192;

pub(super) struct CpuTrainer {
    engine: Cpu,
    model: Model,
    masters: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    parameters: Vec<f32>,
    network: PackedNetwork,
    workers: Vec<Worker>,
    steps: i32,
    squared_error: f64,
}

/// What one thread owns.
struct Worker {
    tile: TileBuffers,
    encoder: TileEncoder,
    of_network: PackedGradient,
    gradient: Vec<f32>,
}

impl CpuTrainer {
    pub(super) fn new(engine: Cpu, field: &Field) -> Self {
        let model = field.model.clone();
        let parameters = field.parameters.clone();
        let worker = || Worker {
            tile: TileBuffers::new(&model.network, true),
            encoder: TileEncoder::new(&model.encoding),
            of_network: PackedGradient::new(&model.network),
            gradient: vec![0.0; parameters.len()],
        };
        let workers = (0..engine.threads()).map(|_| worker()).collect();
        Self {
            masters: parameters.clone(),
            first: vec![0.0; parameters.len()],
            second: vec![0.0; parameters.len()],
            network: PackedNetwork::new(model.network),
            workers,
            steps: 0,
            squared_error: 0.0,
            engine,
            model,
            parameters,
        }
    }

    /// Every thread's gradient of the batch's mean loss, into the workers. Returns the sum of squared errors.
    fn accumulate(&mut self, batch: &Batch, loss: Loss) -> f64 {
        let samples = batch.positions.len();
        assert_eq!(samples, batch.targets.len(), "one target a position");
        if samples == 0 {
            return 0.0;
        }
        self.network.pack(&self.parameters[self.model.network_offset()..]);
        let share = samples.div_ceil(self.workers.len()).next_multiple_of(TILE);
        let isa = self.engine.isa;
        let (model, network, parameters) = (&self.model, &self.network, &self.parameters);
        let scale = 1.0 / samples as f32;
        let shares = batch.positions.par_chunks(share).zip(batch.targets.par_chunks(share));
        let workers = self.workers.par_iter_mut().zip(shares);
        // Summed in the workers' order: the figure does not depend on which thread was first.
        let sums: Vec<f64> = self.engine.threads.install(|| {
            let sums = workers.map(|(worker, (positions, targets))| {
                isa.run(TrainerShare { model, network, parameters, worker, positions, targets, loss, scale })
            });
            sums.collect()
        });
        sums.iter().sum()
    }

    fn adam(&mut self, update: &Update) {
        self.steps += 1;
        let corrections = [1.0 - BETA1.powi(self.steps), 1.0 - BETA2.powi(self.steps)];
        let mut masters = self.masters.as_mut_slice();
        let mut first = self.first.as_mut_slice();
        let mut second = self.second.as_mut_slice();
        let mut parameters = self.parameters.as_mut_slice();
        let mut gradients: Vec<&mut [f32]> =
            self.workers.iter_mut().map(|w| w.gradient.as_mut_slice()).collect();
        let mut stretches = Vec::new();
        for (group, how) in self.model.groups().iter().zip(&update.groups) {
            let mut left = group.range.len();
            while left > 0 {
                let n = left.min(PARAMETERS_A_TASK);
                left -= n;
                stretches.push(Stretch {
                    how: *how,
                    corrections,
                    masters: take(&mut masters, n),
                    first: take(&mut first, n),
                    second: take(&mut second, n),
                    parameters: take(&mut parameters, n),
                    gradients: gradients.iter_mut().map(|g| take(g, n)).collect(),
                });
            }
        }
        let isa = self.engine.isa;
        self.engine.threads.install(|| stretches.into_par_iter().for_each(|stretch| isa.run(stretch)));
    }
}

/// Splits the first `n` values off.
fn take<'a>(from: &mut &'a mut [f32], n: usize) -> &'a mut [f32] {
    let (head, tail) = std::mem::take(from).split_at_mut(n);
    *from = tail;
    head
}

impl Trainer for CpuTrainer {
    fn gradient(&mut self, batch: &Batch, loss: Loss, out: &mut [f32]) -> Result<f64> {
        let squared_errors = self.accumulate(batch, loss);
        out.fill(0.0);
        for worker in &mut self.workers {
            for (sum, g) in out.iter_mut().zip(&mut worker.gradient) {
                *sum += std::mem::take(g);
            }
        }
        Ok(squared_errors)
    }

    fn step(&mut self, batch: &Batch, update: &Update) -> Result<()> {
        self.squared_error = self.accumulate(batch, update.loss);
        self.adam(update);
        Ok(())
    }

    fn squared_error(&mut self) -> Result<f64> {
        Ok(self.squared_error)
    }

    fn parameters(&mut self) -> Result<&[f32]> {
        Ok(&self.parameters)
    }
}

/// One thread's share of a batch.
struct TrainerShare<'a> {
    model: &'a Model,
    network: &'a PackedNetwork,
    parameters: &'a [f32],
    worker: &'a mut Worker,
    positions: &'a [[f32; 3]],
    targets: &'a [f32],
    loss: Loss,
    scale: f32,
}

impl Kernel for TrainerShare<'_> {
    type Output = f64;
    #[inline(always)]
    fn run<S: Simd>(self) -> f64 {
        let Model { encoding, network } = self.model;
        let Worker { tile, encoder, of_network, gradient } = self.worker;
        let (of_encoding, of_network_flat) = gradient.split_at_mut(self.model.network_offset());
        let stride = padded(network.inputs());
        let mut squared_errors = 0.0;
        for (positions, targets) in self.positions.chunks(TILE).zip(self.targets.chunks(TILE)) {
            let count = positions.len();
            encoder.encode::<S>(encoding, self.parameters, positions, tile.features.as_mut_slice(), stride);
            forward::<S>(self.network, tile, count);
            for (s, &target) in targets.iter().enumerate() {
                let residual = tile.outputs[s] - target;
                // A masked voxel has no target and teaches nothing.
                let (residual, of_output) = if target.is_nan() {
                    (0.0, 0.0)
                } else {
                    (residual, self.loss.at(residual).1 * self.scale)
                };
                tile.of_outputs[s] = of_output;
                squared_errors += f64::from(residual) * f64::from(residual);
            }
            backward::<S>(self.network, tile, count, Some(of_network));
            encoder.backward::<S>(encoding, count, tile.of_features.as_slice(), stride, of_encoding);
        }
        of_network.take(network, of_network_flat);
        squared_errors
    }
}
