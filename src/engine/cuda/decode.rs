//! Evaluates a field on a machine: cuts requests into chunks and keeps several of them under way.

use super::device_samples::Storing;
use super::launch::MachineShape;
pub use super::launch::{DeviceModel, KERNELS, Launch, THREADS};
use super::machine::{Loaded, Machine, Points};
use crate::engine::threads::Threads;
use crate::engine::{Evaluator, Lattice};
use crate::error::Result;
use crate::field::{Field, Model};
use rayon::prelude::*;

/// The kernels for every GPU since Turing, which the driver compiles for the one at hand. `cargo xtask ptx` makes it of
/// `decode.cu`; `tests/nvrtc.rs` compares the two.
pub const PTX: &str = include_str!("decode.ptx");

/// Points of a launch: enough to fill a GPU, and so few that what is copied stays in the caches of the host's cores.
const CHUNK: usize = 1 << 18;
/// Chunks under way at a time, and with as many threads on the host: while one is computed, others are copied, which takes the
/// host longer than a GPU to compute them.
const MOST_UNDER_WAY: usize = 12;

/// A field on a machine.
pub struct DeviceEvaluator {
    model: Model,
    device_model: DeviceModel,
    shape: MachineShape,
    loaded: Box<dyn Loaded>,
    bytes: usize,
    threads: Threads,
}

impl DeviceEvaluator {
    pub(super) fn new(machine: &dyn Machine, field: &Field, threads: Threads) -> Result<Self> {
        Ok(Self {
            device_model: DeviceModel::new(&field.model),
            shape: machine.shape(),
            loaded: machine.load(&field.parameters)?,
            bytes: 4 * field.parameters.len(),
            model: field.model.clone(),
            threads,
        })
    }

    fn under_way(&self) -> usize {
        self.threads.count().clamp(1, MOST_UNDER_WAY)
    }

    /// Evaluates chunk by chunk; `points` says where the chunk of so many points from a first one on lies. `gradients` is
    /// empty or has one a value.
    fn evaluate<'a>(
        &self,
        points: impl Fn(usize, usize) -> Points<'a> + Sync,
        values: &mut [f32],
        gradients: &mut [[f32; 3]],
    ) -> Result<()> {
        let columns = if gradients.is_empty() { 1 } else { 4 };
        let chunk = |first: usize, values: &mut [f32], gradients: &mut [[f32; 3]]| {
            let launch = Launch::new(&self.model, self.shape, columns, values.len());
            self.loaded.run(&launch, &self.device_model, points(first, values.len()), values, gradients)
        };
        if values.len() <= CHUNK {
            return if values.is_empty() { Ok(()) } else { chunk(0, values, gradients) };
        }
        let share = values.len().div_ceil(CHUNK).div_ceil(self.under_way()) * CHUNK;
        let mut rests = gradients;
        let mut shares = Vec::new();
        for (n, values) in values.chunks_mut(share).enumerate() {
            let (gradients, rest) = rests.split_at_mut(values.len().min(rests.len()));
            rests = rest;
            shares.push((n * share, values, gradients));
        }
        self.threads.install(|| {
            shares.into_par_iter().try_for_each(|(first, values, gradients)| {
                let mut rests = gradients;
                for (n, values) in values.chunks_mut(CHUNK).enumerate() {
                    let (gradients, rest) = rests.split_at_mut(values.len().min(rests.len()));
                    rests = rest;
                    chunk(first + n * CHUNK, values, gradients)?;
                }
                Ok(())
            })
        })
    }
}

/// Samples that stay on the device.
impl DeviceEvaluator {
    /// The field at positions, as [`Evaluator::points`] evaluates it, into the memory that `storing` names.
    pub(crate) fn store_points(&self, positions: &[[f32; 3]], storing: Storing<'_>) -> Result<()> {
        let points = |first: usize, count: usize| Points::Scattered(&positions[first..first + count]);
        self.store(points, positions.len(), storing)
    }

    /// The field at a lattice, as [`Evaluator::lattice`] evaluates it, into the memory that `storing` names.
    pub(crate) fn store_lattice(&self, lattice: &Lattice, storing: Storing<'_>) -> Result<()> {
        let axes = lattice.axes.concat();
        let shape = lattice_shape(lattice);
        let points = |first: usize, _| Points::Lattice { axes: &axes, shape, first: first as u64 };
        self.store(points, lattice.len(), storing)
    }

    fn store<'a>(
        &self,
        points: impl Fn(usize, usize) -> Points<'a> + Sync,
        count: usize,
        storing: Storing<'_>,
    ) -> Result<()> {
        let chunks = count.div_ceil(CHUNK);
        let chunk = |n: usize| {
            let first = n * CHUNK;
            let count = CHUNK.min(count - first);
            let launch = Launch::new(&self.model, self.shape, 1, count);
            let stored = storing.chunk(first, count);
            self.loaded.store(&launch, &self.device_model, points(first, count), &stored)
        };
        self.threads.install(|| {
            let ways = self.under_way();
            (0..ways.min(chunks))
                .into_par_iter()
                .try_for_each(|way| (way..chunks).step_by(ways).try_for_each(chunk))
        })
    }
}

fn lattice_shape(lattice: &Lattice) -> [u64; 3] {
    [0, 1, 2].map(|a| lattice.axes[a].len() as u64)
}

impl Evaluator for DeviceEvaluator {
    fn points(&self, positions: &[[f32; 3]], out: &mut [f32]) -> Result<()> {
        assert_eq!(positions.len(), out.len(), "one value a position");
        self.evaluate(|first, count| Points::Scattered(&positions[first..first + count]), out, &mut [])
    }

    fn lattice(&self, lattice: &Lattice, out: &mut [f32]) -> Result<()> {
        assert_eq!(lattice.len(), out.len(), "one value a lattice point");
        let axes = lattice.axes.concat();
        let shape = lattice_shape(lattice);
        let points = |first: usize, _| Points::Lattice { axes: &axes, shape, first: first as u64 };
        self.evaluate(points, out, &mut [])
    }

    fn gradients(&self, positions: &[[f32; 3]], out: &mut [f32], gradients: &mut [[f32; 3]]) -> Result<()> {
        assert_eq!([positions.len(); 2], [out.len(), gradients.len()], "one value and gradient a position");
        self.evaluate(|first, count| Points::Scattered(&positions[first..first + count]), out, gradients)
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn points_a_call(&self) -> usize {
        self.under_way() * CHUNK
    }

    fn cuda(&self) -> Option<&DeviceEvaluator> {
        Some(self)
    }
}
