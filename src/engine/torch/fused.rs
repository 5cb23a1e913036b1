//! Plans the launches of `fused.cu`: a hash grid and a perceptron, forward and back in one kernel on tensor cores.
#![allow(unsafe_code)] // arguments go to kernels as raw bytes

use super::step::{DeviceGrid, Launch, StepMachine, address, launch};
use crate::engine::Loss;
use crate::error::Result;
use crate::field::{Encoding, Model, Network};
use tch::{Kind, Tensor};

/// The kernels' code by the compute capability that it is for, the newest first: each for later GPUs, too.
pub const PTX: [((u32, u32), &str); 2] =
    [((9, 0), include_str!("fused.90.ptx")), ((8, 0), include_str!("fused.80.ptx"))];
/// Every kernel of it.
pub const KERNELS: [&str; 7] =
    ["fused_16", "fused_32", "fused_64", "fused_16_fixed", "fused_32_fixed", "fused_64_fixed", "add_up"];

/// Threads of a block, and samples of its tile.
const THREADS: u32 = 128;
/// `PAD` of `fused.cu`.
const PAD: usize = 8;
/// Threads of a block of `add_up`, and the numbers that it adds up.
const ADDING_THREADS: u32 = 256;
const ADDED: u32 = 32;

/// `Fused` of `fused.cu`: the same members in the same order there.
#[derive(Clone, Copy)]
#[repr(C)]
struct DeviceFused {
    grid: DeviceGrid,
    inputs: u32,
    hidden_layers: u32,
    network_offset: u64,
    network_size: u32,
    is_absolute: u32,
    samples: u64,
    scale: f32,
    of_a_sample: f32,
}

/// A batch on the device, and what is made of it there.
pub(super) struct Pass<'a> {
    /// The rounded parameters in half precision.
    pub(super) halves: &'a Tensor,
    /// Float32 `[n, 3]`.
    pub(super) positions: &'a Tensor,
    /// Float32 `[n]`, NaN where a voxel is masked.
    pub(super) targets: &'a Tensor,
    pub(super) loss: Loss,
    /// What the loss is multiplied with.
    pub(super) scale: f32,
    /// Gets the gradient by every parameter, of the mean loss times `scale`; float32, zero before.
    pub(super) gradient: &'a Tensor,
    /// Gets the sum of squared errors, float64.
    pub(super) squared_error: &'a Tensor,
}

/// The kernels for one model on one machine.
pub(super) struct FusedKernels {
    model: DeviceFused,
    kernel: &'static str,
    fixed_kernel: &'static str,
    shared_bytes: usize,
    /// Blocks that run at a time.
    most_blocks: u32,
}

impl FusedKernels {
    /// `None` where the kernels are not for the model, or the machine cannot run them or has no room for it.
    pub(super) fn new(model: &Model, machine: &dyn StepMachine) -> Result<Option<Self>> {
        let (Encoding::HashGrid(grid), Network::Mlp(mlp)) = (&model.encoding, &model.network) else {
            return Ok(None);
        };
        let Some(n) = [16, 32, 64].iter().position(|&width| width == mlp.width) else { return Ok(None) };
        let shared_bytes = shared_bytes(mlp.inputs, mlp.width, mlp.hidden_layers);
        let how = Launch { blocks: 1, threads: THREADS, shared_bytes: shared_bytes as u32 };
        let most_blocks = machine.blocks_at_once(KERNELS[n], how)?;
        if most_blocks == 0 {
            return Ok(None);
        }
        Ok(Some(Self {
            model: DeviceFused {
                grid: DeviceGrid::new(grid),
                inputs: mlp.inputs as u32,
                hidden_layers: mlp.hidden_layers as u32,
                network_offset: model.network_offset() as u64,
                network_size: model.network.parameter_count() as u32,
                is_absolute: 0,
                samples: 0,
                scale: 1.0,
                of_a_sample: 1.0,
            },
            kernel: KERNELS[n],
            fixed_kernel: KERNELS[3 + n],
            shared_bytes,
            most_blocks,
        }))
    }

    /// Forward and back. Where `deterministic`, the same gradient comes out every time.
    pub(super) fn run(&self, machine: &dyn StepMachine, pass: &Pass<'_>, deterministic: bool) -> Result<()> {
        let samples = pass.targets.size()[0] as u64;
        let blocks = samples.div_ceil(THREADS.into()).min(self.most_blocks.into()) as u32;
        if blocks == 0 {
            return Ok(());
        }
        let fused = DeviceFused {
            is_absolute: matches!(pass.loss, Loss::L1).into(),
            samples,
            scale: pass.scale,
            of_a_sample: 1.0 / samples as f32,
            ..self.model
        };
        let network_size = i64::from(fused.network_size);
        let device = pass.gradient.device();
        let of_blocks = Tensor::f_empty([i64::from(blocks), network_size], (Kind::Float, device))?;
        let errors = Tensor::f_empty([i64::from(blocks)], (Kind::Double, device))?;
        let table_size = fused.network_offset as i64;
        let of_network = pass.gradient.f_narrow(0, table_size, network_size)?;
        // Numbers with a fixed point are added to first, and become the gradient's floats then.
        let fixed = match deterministic {
            true => Some(Tensor::f_zeros([table_size], (Kind::Int64, device))?),
            false => None,
        };
        let float = |tensor: &Tensor| address(tensor, Kind::Float);
        let (kernel, table_sums) = match &fixed {
            Some(fixed) => (self.fixed_kernel, address(fixed, Kind::Int64)?),
            None => (self.kernel, float(pass.gradient)?),
        };
        let (positions, targets) = (float(pass.positions)?, float(pass.targets)?);
        let halves = address(pass.halves, Kind::Half)?;
        let (network_sums, error_sums) = (float(&of_blocks)?, address(&errors, Kind::Double)?);
        let how = Launch { blocks, threads: THREADS, shared_bytes: self.shared_bytes as u32 };
        launch!(
            machine,
            kernel,
            how,
            fused,
            positions,
            targets,
            halves,
            table_sums,
            network_sums,
            error_sums
        )?;
        if fixed.is_some() {
            let (count, to) = (table_size as u64, float(pass.gradient)?);
            launch!(machine, "fixed_to_float", Launch::of(count)?, count, table_sums, to)?;
        }
        let (size, to) = (fused.network_size, float(&of_network)?);
        let squared_error = address(pass.squared_error, Kind::Double)?;
        let how = Launch { blocks: (size + 1).div_ceil(ADDED), threads: ADDING_THREADS, shared_bytes: 0 };
        launch!(machine, "add_up", how, blocks, size, network_sums, error_sums, to, squared_error)
    }
}

/// Shared memory of a block: `Tile` of `fused.cu`.
fn shared_bytes(inputs: usize, width: usize, hidden_layers: usize) -> usize {
    let (inputs, stride, threads) = (inputs.next_multiple_of(16), width + PAD, THREADS as usize);
    let weights = (inputs + (hidden_layers - 1) * width) * stride;
    let of_neurons = (hidden_layers + 1) * (2 * threads + width) + threads;
    let activations = threads * (inputs + PAD + hidden_layers * stride);
    4 * (weights + of_neurons) + 2 * (weights + activations)
}
