//! The launches of `decode.cu` and `tensor_decode.cu`: which kernel, how many blocks, what they get.

use super::hash_grid::{DeviceLevel, MAX_LEVELS, device_levels};
use super::tensor_decode;
use crate::field::encoding::Wave;
use crate::field::{Encoding, Model, Network, NetworkKind};

/// Every kernel of [`decode::PTX`](super::decode::PTX).
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

/// The sizes that a launch is planned by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MachineShape {
    /// Multiprocessors: blocks beyond a few for each wait.
    pub multiprocessors: u32,
    /// Bytes of shared memory that a block may ask for.
    pub shared_bytes: usize,
    /// Has tensor cores that multiply floats: the kernels of [`tensor_decode`](super::tensor_decode) run.
    pub tensor_cores: bool,
}

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
    pub(super) fn new(model: &Model) -> Self {
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
    pub(super) fn new(model: &Model, shape: MachineShape, columns: u32, count: usize) -> Self {
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
