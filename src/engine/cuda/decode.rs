//! Plans the launches of `decode.cu` and `tensor_decode.cu` and cuts requests into chunks.

use super::hash_grid::{DeviceLevel, MAX_LEVELS, device_levels};
use super::machine::{Loaded, Machine, MachineShape, Points};
use super::store::Storing;
use super::tensor_decode;
use crate::engine::threads::Threads;
use crate::engine::{Evaluator, Lattice};
use crate::error::Result;
use crate::field::encoding::Wave;
use crate::field::{Encoding, Field, Model, Network, NetworkKind};
use rayon::prelude::*;

/// The kernels for every GPU since Turing, which the driver compiles for the one at hand. `cargo xtask ptx` makes it of
/// `decode.cu`; `tests/nvrtc.rs` compares the two.
pub const PTX: &str = include_str!("decode.ptx");

/// Every kernel of [`PTX`].
pub const KERNELS: [&str; 8] = [
    "values_16",
    "values_32",
    "values_64",
    "values_any",
    "gradients_16",
    "gradients_32",
    "gradients_64",
    "gradients_any",
];

/// Threads of a block, and columns of a tile.
pub const THREADS: u32 = 128;
/// Blocks for each multiprocessor: more than run at a time, so that the last ones to finish keep few waiting.
const BLOCKS_A_MULTIPROCESSOR: u32 = 8;
/// What the kernels for any network may use for activations, in every launch.
const SCRATCH_BYTES: u64 = 64 << 20;
/// Points of a launch: enough to fill a GPU, and so few that what is copied stays in the caches of the host's cores.
const CHUNK: usize = 1 << 18;
/// Chunks under way at a time, and with as many threads on the host: while one is computed, others are copied, which takes the
/// host longer than a GPU to compute them.
const MOST_UNDER_WAY: usize = 12;

/// `Model` of `decode.cu`: a kernel's parameter.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct DeviceModel {
    encoding: u32,
    network: u32,
    count: u32,
    features: u32,
    inputs: u32,
    width: u32,
    layers: u32,
    network_size: u32,
    network_offset: u64,
    levels: [DeviceLevel; MAX_LEVELS],
}

impl DeviceModel {
    fn new(model: &Model) -> Self {
        let mut levels = [DeviceLevel::default(); MAX_LEVELS];
        let (encoding, count, features) = match &model.encoding {
            Encoding::HashGrid(grid) => {
                levels = device_levels(grid);
                (0, grid.levels().len(), grid.features())
            }
            Encoding::AxisWise(axis_wise) => {
                let code = match axis_wise.wave() {
                    Wave::Identity => 1,
                    Wave::Frequency => 2,
                    Wave::TriangleWave => 3,
                    Wave::OneBlob => 4,
                };
                (code, axis_wise.count(), axis_wise.features_an_axis())
            }
        };
        let network = &model.network;
        Self {
            encoding,
            network: match network.kind() {
                NetworkKind::Mlp => 0,
                NetworkKind::SineResidual => 1,
            },
            count: count as u32,
            features: features as u32,
            inputs: network.inputs() as u32,
            width: network.width() as u32,
            layers: (network.layers().len() - 1) as u32,
            network_size: network.parameter_count() as u32,
            network_offset: model.network_offset() as u64,
            levels,
        }
    }
}

/// A kernel and how it is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Its name.
    pub kernel: &'static str,
    /// Blocks of [`THREADS`] threads.
    pub blocks: u32,
    /// Shared memory of a block.
    pub shared_bytes: usize,
    /// Numbers of global memory that the kernel writes to and nobody reads.
    pub scratch: usize,
}

impl Launch {
    /// The launch for `count` points. `columns` is 4 where gradients are wanted, else 1.
    fn new(model: &Model, shape: MachineShape, columns: u32, count: usize) -> Self {
        if columns == 1
            && shape.tensor_cores
            && let Some(tensor) = tensor_decode::kernel(model)
            && tensor.shared_bytes <= shape.shared_bytes
        {
            let most = shape.multiprocessors * tensor.blocks_a_multiprocessor;
            let blocks = count.div_ceil(THREADS as usize).min(most as usize) as u32;
            return Self { kernel: tensor.name, blocks, shared_bytes: tensor.shared_bytes, scratch: 0 };
        }
        let network = &model.network;
        let wide = network.inputs().max(network.width());
        let most = shape.multiprocessors * BLOCKS_A_MULTIPROCESSOR;
        let shared_bytes = 4 * (network.parameter_count().next_multiple_of(4) + wide * THREADS as usize);
        let tile = match network {
            Network::Mlp(mlp) if shared_bytes <= shape.shared_bytes => {
                [16, 32, 64].into_iter().position(|width| width == mlp.width)
            }
            _ => None,
        };
        let of_kind = if columns == 1 { &KERNELS[..4] } else { &KERNELS[4..] };
        if let Some(n) = tile {
            let tiles = count.div_ceil((THREADS / columns) as usize);
            let blocks = tiles.min(most as usize) as u32;
            return Self { kernel: of_kind[n], blocks, shared_bytes, scratch: 0 };
        }
        // Two rows of activations are kept: those of a layer and those of the next.
        let a_block = 2 * wide * columns as usize * THREADS as usize;
        let room = (SCRATCH_BYTES / (4 * a_block as u64)).max(1) as usize;
        let blocks = count.div_ceil(THREADS as usize).min(most as usize).min(room);
        Self { kernel: of_kind[3], blocks: blocks as u32, shared_bytes: 0, scratch: blocks * a_block }
    }
}

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
