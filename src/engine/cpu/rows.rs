//! Regression: a network on rows of given inputs, where [`super::trainer`] has an encoding in front of it.

use super::Isa;
use super::adam::Stretch;
use super::network::{backward, forward};
use super::packed::{PackedGradient, PackedNetwork};
use super::tile::{TILE, TileBuffers, padded};
use crate::engine::GroupUpdate;
use crate::engine::adam_constants::{BETA1, BETA2};
use crate::field::{Network, Rounding};
use crate::simd::{Kernel, Simd};
use rayon::prelude::*;

/// Shares of a batch: as many whatever the number of threads, so that this changes no bit.
const SHARES: usize = 8;
/// Rows of a batch.
pub(crate) const BATCH: usize = SHARES * 5 * TILE;

/// Rows of inputs and what is wanted of each.
#[derive(Debug)]
pub(crate) struct Rows {
    /// Padded inputs of a row.
    row: usize,
    /// `[row][padded input]`.
    inputs: Vec<f32>,
    targets: Vec<f32>,
}

impl Rows {
    /// So many rows of so many inputs, all of them 0.
    pub(crate) fn zeros(inputs: usize, rows: usize) -> Self {
        Self { row: padded(inputs), inputs: vec![0.0; rows * padded(inputs)], targets: vec![0.0; rows] }
    }

    /// Sets a row.
    pub(crate) fn set(&mut self, row: usize, inputs: &[f32], target: f32) {
        self.inputs[row * self.row..][..inputs.len()].copy_from_slice(inputs);
        self.targets[row] = target;
    }

    pub(crate) fn len(&self) -> usize {
        self.targets.len()
    }
}

/// How a network is fitted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fit {
    pub(crate) steps: usize,
    /// Adam's first step size; it falls to nothing as a cosine.
    pub(crate) learning_rate: f32,
    /// What parameters are rounded to on the way.
    pub(crate) rounding: Rounding,
}

/// The share of a fit's steps, from the last one back, whose parameters' mean is its result: what rounding moves to and fro
/// in single ones.
const AVERAGED: usize = 4;

/// Fits a network to rows by the mean squared error, on the threads of the pool that this runs on. Batches are the rows in
/// their order, again and again.
pub(crate) fn fit(network: Network, parameters: &mut [f32], rows: &Rows, how: Fit) {
    let count = rows.len();
    let batch = BATCH.min(count);
    if batch == 0 {
        return;
    }
    let isa = Isa::fastest();
    let row = padded(network.inputs());
    let mut packed = PackedNetwork::new(network);
    let mut workers: Vec<Worker> = (0..SHARES).map(|_| Worker::new(&network)).collect();
    let mut masters = parameters.to_vec();
    let [mut first, mut second] = [(); 2].map(|()| vec![0.0; parameters.len()]);
    let mut sums = vec![0.0f64; parameters.len()];
    masters.iter().zip(&mut *parameters).for_each(|(&m, p)| *p = how.rounding.nearest(m));
    let averaged = how.steps.div_ceil(AVERAGED);
    for step in 0..how.steps {
        // The last batch of a round ends with the last row.
        let start = (step * batch % count).min(count - batch);
        packed.pack(parameters);
        let share = batch.div_ceil(SHARES);
        let inputs = rows.inputs[start * row..(start + batch) * row].par_chunks(share * row);
        let targets = rows.targets[start..start + batch].par_chunks(share);
        let scale = 2.0 / batch as f32;
        workers.par_iter_mut().zip(inputs.zip(targets)).for_each(|(worker, (inputs, targets))| {
            isa.run(RowShare { network: &packed, worker, inputs, targets, scale });
        });
        let phase = std::f32::consts::PI * step as f32 / how.steps as f32;
        let learning_rate = how.learning_rate * 0.5 * (1.0 + phase.cos());
        isa.run(Stretch {
            how: GroupUpdate { learning_rate, rounding: how.rounding, rate_gradient: 0.0 },
            corrections: [BETA1, BETA2].map(|beta| 1.0 - beta.powi(step as i32 + 1)),
            masters: &mut masters,
            first: &mut first,
            second: &mut second,
            parameters,
            gradients: workers.iter_mut().map(|w| w.gradient.as_mut_slice()).collect(),
        });
        if step >= how.steps - averaged {
            sums.iter_mut().zip(&masters).for_each(|(sum, &master)| *sum += f64::from(master));
        }
    }
    for (parameter, sum) in parameters.iter_mut().zip(sums) {
        *parameter = how.rounding.nearest((sum / averaged.max(1) as f64) as f32);
    }
}

/// What one share needs.
struct Worker {
    tile: TileBuffers,
    of_network: PackedGradient,
    gradient: Vec<f32>,
}

impl Worker {
    fn new(network: &Network) -> Self {
        Self {
            tile: TileBuffers::new(network, true),
            of_network: PackedGradient::new(network),
            gradient: vec![0.0; network.parameter_count()],
        }
    }
}

/// One share of a batch.
struct RowShare<'a> {
    network: &'a PackedNetwork,
    worker: &'a mut Worker,
    inputs: &'a [f32],
    targets: &'a [f32],
    /// Of the derivative by an output.
    scale: f32,
}

impl Kernel for RowShare<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Worker { tile, of_network, gradient } = self.worker;
        let row = padded(self.network.shape.inputs());
        for (inputs, targets) in self.inputs.chunks(TILE * row).zip(self.targets.chunks(TILE)) {
            tile.features.as_mut_slice()[..inputs.len()].copy_from_slice(inputs);
            forward::<S>(self.network, tile, targets.len());
            for (s, target) in targets.iter().enumerate() {
                tile.of_outputs[s] = (tile.outputs[s] - target) * self.scale;
            }
            backward::<S>(self.network, tile, targets.len(), Some(of_network));
        }
        of_network.take(&self.network.shape, gradient);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::hash;
    use crate::field::NetworkKind;

    #[test]
    fn a_kink_is_learned_and_threads_change_no_bit() {
        let network = Network::new(NetworkKind::Mlp, 3, 8, 2);
        let mut rows = Rows::zeros(3, 20_000);
        for i in 0..20_000u32 {
            let uniform = |n: u64| (hash(3 * u64::from(i) + n) >> 40) as f32 / (1 << 23) as f32 - 1.0;
            let [a, b, c] = [0, 1, 2].map(uniform);
            rows.set(i as usize, &[a, b, c], (a + 0.5 * b).max(0.0) - 0.25 * c);
        }
        let fitted = [1, 3].map(|threads| {
            let mut parameters: Vec<f32> =
                (0..network.parameter_count()).map(|i| ((i * 37 % 23) as f32 - 11.0) * 0.04).collect();
            let how = Fit { steps: 600, learning_rate: 0.01, rounding: Rounding::Step(1.0 / 64.0) };
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(network, &mut parameters, &rows, how));
            parameters
        });
        assert_eq!(fitted[0], fitted[1]);
        assert!(fitted[0].iter().all(|p| (p * 64.0).fract() == 0.0));
        let packed = &mut PackedNetwork::new(network);
        packed.pack(&fitted[0]);
        let mut worker = Worker::new(&network);
        worker.tile.features.as_mut_slice().copy_from_slice(&rows.inputs[..TILE * padded(3)]);
        struct Forward<'a>(&'a PackedNetwork, &'a mut TileBuffers);
        impl Kernel for Forward<'_> {
            type Output = ();
            fn run<S: Simd>(self) {
                forward::<S>(self.0, self.1, TILE);
            }
        }
        Isa::Portable.run(Forward(packed, &mut worker.tile));
        let squares = worker.tile.outputs.iter().zip(&rows.targets).map(|(o, t)| (o - t).powi(2));
        let rms = (squares.sum::<f32>() / TILE as f32).sqrt();
        assert!(rms < 0.05, "{rms}");
    }
}
