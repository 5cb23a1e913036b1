//! The kernels of `step.cu`: their arguments, and who runs them and those of `fused.cu`.
//!
//! They work on memory that libtorch owns, by address. A [`StepMachine`] runs them: the driver on libtorch's stream, or
//! where there is no GPU the tests' emulation on the host, on tensors of the CPU.
#![allow(unsafe_code)] // arguments go to kernels as raw bytes

use crate::engine::adam_constants::{BETA1, BETA2};
use crate::engine::cuda::hash_grid::{DeviceLevel, MAX_LEVELS, device_levels};
use crate::engine::{GroupUpdate, Permutation};
use crate::error::{Error, Result};
use crate::field::encoding::HashGrid;
use crate::field::{ParameterGroup, Rounding};
use std::ffi::c_void;
use std::fmt::Debug;
use tch::{Device, Kind, Tensor};

/// The kernels' code for every GPU since Turing, which the driver compiles for the one at hand; `cargo xtask ptx` makes it.
pub const PTX: &str = include_str!("step.ptx");
/// Every kernel of it.
pub const KERNELS: [&str; 10] = [
    "draw_batch",
    "draw_positions",
    "encode_float",
    "encode_half",
    "scatter_float",
    "scatter_half",
    "scatter_float_fixed",
    "scatter_half_fixed",
    "fixed_to_float",
    "adam",
];
/// Threads of a block.
pub const THREADS: u32 = 256;

const MAX_GROUPS: usize = 192;

/// How a kernel is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Launch {
    /// Blocks.
    pub blocks: u32,
    /// Threads of each.
    pub threads: u32,
    /// Bytes of shared memory of each.
    pub shared_bytes: u32,
}

impl Launch {
    /// At least `count` threads, which need not know of one another.
    pub(super) fn of(count: u64) -> Result<Self> {
        let blocks = u32::try_from(count.div_ceil(THREADS.into())).ok().filter(|&n| n <= i32::MAX as u32);
        let blocks =
            blocks.ok_or_else(|| Error::Device(format!("{count} threads are more than a kernel has")))?;
        Ok(Self { blocks, threads: THREADS, shared_bytes: 0 })
    }
}

/// Runs kernels of `step.cu` and `fused.cu`, in the order in which it is asked to.
pub trait StepMachine: Debug + Send + Sync {
    /// Runs a kernel of [`KERNELS`] or [`fused::KERNELS`](super::fused::KERNELS); `arguments` are the addresses of its
    /// arguments, as `cuLaunchKernel` takes them.
    ///
    /// # Errors
    /// [`Error::Device`] when it cannot be started.
    ///
    /// # Safety
    /// The arguments are those of the kernel, and what they point to is there until the kernel is done.
    unsafe fn launch(&self, kernel: &str, how: Launch, arguments: &mut [*mut c_void]) -> Result<()>;

    /// Blocks of a kernel that run at a time, on the whole machine; 0 when none can, for want of tensor cores or shared memory.
    ///
    /// # Errors
    /// [`Error::Device`] when the device does not say.
    fn blocks_at_once(&self, kernel: &str, how: Launch) -> Result<u32>;

    /// Bytes that are free for a volume.
    ///
    /// # Errors
    /// [`Error::Device`] when the device does not say.
    fn free_bytes(&self) -> Result<usize>;
}

// The structures of step.cu: the same members in the same order there.

/// `Grid` of `gradient.cuh`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct DeviceGrid {
    levels: u32,
    features: u32,
    of: [DeviceLevel; MAX_LEVELS],
}

impl DeviceGrid {
    pub(super) fn new(grid: &HashGrid) -> Self {
        Self { levels: grid.levels().len() as u32, features: grid.features() as u32, of: device_levels(grid) }
    }
}

#[derive(Clone, Copy)]
#[repr(C)]
struct DevicePermutation {
    factors: [u64; 4],
    offsets: [u64; 4],
}

#[derive(Clone, Copy)]
#[repr(C)]
struct DeviceDraw {
    shape: [u64; 3],
    voxels: u64,
    mask: u64,
    shift: u64,
    first: u64,
    count: u64,
    epochs: [DevicePermutation; 2],
}

#[derive(Clone, Copy)]
#[repr(C)]
struct DeviceGroup {
    end: u32,
    learning_rate: f32,
    rounding: f32,
    rate_gradient: f32,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct DeviceUpdate {
    parameters: u32,
    groups: u32,
    loss_scale: f32,
    corrections: [f32; 2],
    unused: u32,
    of: [DeviceGroup; MAX_GROUPS],
}

/// Calls `launch` with the addresses of the arguments.
macro_rules! launch {
    ($machine:expr, $kernel:expr, $how:expr, $($argument:expr),+) => {{
        // SAFETY: each caller names the kernel's own arguments in their order; tensors outlive the kernel, since libtorch
        // frees memory in the order of the same stream.
        unsafe { $machine.launch($kernel, $how, &mut [$(std::ptr::from_ref(&$argument).cast_mut().cast()),+]) }
    }};
}
pub(super) use launch;

/// The address of a tensor's first value; what the kernels take is contiguous and of the kind they are told.
pub(super) fn address(tensor: &Tensor, kind: Kind) -> Result<u64> {
    if !tensor.is_contiguous() || tensor.kind() != kind {
        return Err(Error::Device(format!("a kernel was given a tensor that is not contiguous {kind:?}")));
    }
    Ok(tensor.data_ptr() as u64)
}

/// The hash grid's kernels.
pub(super) struct GridKernels(DeviceGrid);

impl GridKernels {
    pub(super) fn new(grid: &HashGrid) -> Self {
        Self(DeviceGrid::new(grid))
    }

    /// Features `[n, width]` in the parameters' kind, of float32 positions `[n, 3]`.
    pub(super) fn encode(
        &self,
        machine: &dyn StepMachine,
        parameters: &Tensor,
        positions: &Tensor,
    ) -> Result<Tensor> {
        let (kind, samples) = (parameters.kind(), positions.size()[0] as u64);
        let width = i64::from(self.0.levels * self.0.features);
        let features = Tensor::f_empty([samples as i64, width], (kind, positions.device()))?;
        let kernel = if kind == Kind::Half { "encode_half" } else { "encode_float" };
        let (from, of, to) =
            (address(positions, Kind::Float)?, address(parameters, kind)?, address(&features, kind)?);
        launch!(
            machine,
            kernel,
            Launch::of(samples * u64::from(self.0.levels))?,
            self.0,
            samples,
            from,
            of,
            to
        )?;
        Ok(features)
    }

    /// Adds the gradient by every table value to the first values of `gradient`, float32, which are zero. Where
    /// `deterministic`, the same sums come out every time.
    pub(super) fn scatter(
        &self,
        machine: &dyn StepMachine,
        positions: &Tensor,
        of_features: &Tensor,
        gradient: &Tensor,
        deterministic: bool,
    ) -> Result<()> {
        let (kind, samples) = (of_features.kind(), positions.size()[0] as u64);
        let how = Launch::of(samples * u64::from(self.0.levels))?;
        let (from, of) = (address(positions, Kind::Float)?, address(of_features, kind)?);
        let half = kind == Kind::Half;
        if !deterministic {
            let kernel = if half { "scatter_half" } else { "scatter_float" };
            return launch!(machine, kernel, how, self.0, samples, from, of, address(gradient, Kind::Float)?);
        }
        let values = gradient.size()[0];
        let fixed = Tensor::f_zeros([values], (Kind::Int64, gradient.device()))?;
        let kernel = if half { "scatter_half_fixed" } else { "scatter_float_fixed" };
        let sums = address(&fixed, Kind::Int64)?;
        launch!(machine, kernel, how, self.0, samples, from, of, sums)?;
        let (values, to) = (values as u64, address(gradient, Kind::Float)?);
        launch!(machine, "fixed_to_float", Launch::of(values)?, values, sums, to)
    }
}

/// Samples of a volume, drawn on the device.
pub(super) struct Draw(DeviceDraw);

impl Draw {
    /// Samples `first..first + count` of the sequence of epochs over a volume of this shape. `order` gives an epoch's permutation;
    /// they must end before the second next epoch.
    pub(super) fn new(
        shape: [usize; 3],
        (first, count): (u64, usize),
        order: impl Fn(u64) -> Permutation,
    ) -> Self {
        let voxels = shape.iter().map(|&n| n as u64).product::<u64>();
        let epoch = first / voxels;
        let [now, next] = [order(epoch), order(epoch + 1)];
        let keys = |permutation: Permutation| DevicePermutation {
            factors: permutation.keys.map(|(factor, _)| factor),
            offsets: permutation.keys.map(|(_, offset)| offset),
        };
        Self(DeviceDraw {
            shape: shape.map(|n| n as u64),
            voxels,
            mask: now.mask,
            shift: now.shift.into(),
            first: first - epoch * voxels,
            count: count as u64,
            epochs: [keys(now), keys(next)],
        })
    }

    /// Their positions `[n, 3]` and targets `[n]`, of the values of all voxels.
    pub(super) fn batch(&self, machine: &dyn StepMachine, values: &Tensor) -> Result<(Tensor, Tensor)> {
        let (count, to) = (self.0.count, (Kind::Float, values.device()));
        let positions = Tensor::f_empty([count as i64, 3], to)?;
        let targets = Tensor::f_empty([count as i64], to)?;
        let from = address(values, Kind::Float)?;
        let (at, of) = (address(&positions, Kind::Float)?, address(&targets, Kind::Float)?);
        launch!(machine, "draw_batch", Launch::of(count)?, self.0, from, at, of)?;
        Ok((positions, targets))
    }

    /// Their positions `[n, 3]` alone.
    pub(super) fn positions(&self, machine: &dyn StepMachine, device: Device) -> Result<Tensor> {
        let count = self.0.count;
        let positions = Tensor::f_empty([count as i64, 3], (Kind::Float, device))?;
        let at = address(&positions, Kind::Float)?;
        launch!(machine, "draw_positions", Launch::of(count)?, self.0, at)?;
        Ok(positions)
    }
}

/// Adam's tensors, all float32 but for the half-precision copy of the rounded parameters.
pub(super) struct AdamTensors<'a> {
    pub(super) masters: &'a Tensor,
    pub(super) first: &'a Tensor,
    pub(super) second: &'a Tensor,
    pub(super) parameters: &'a Tensor,
    pub(super) halves: Option<&'a Tensor>,
}

/// Step number `step` (from 1) of Adam.
pub(super) fn adam(
    machine: &dyn StepMachine,
    tensors: &AdamTensors<'_>,
    gradient: &Tensor,
    loss_scale: f32,
    (groups, update): (&[ParameterGroup], &[GroupUpdate]),
    step: i32,
) -> Result<()> {
    if groups.len() > MAX_GROUPS {
        return Err(Error::Device(format!(
            "{} groups of parameters are more than the kernel takes",
            groups.len()
        )));
    }
    let none = DeviceGroup { end: 0, learning_rate: 0.0, rounding: 0.0, rate_gradient: 0.0 };
    let mut of = [none; MAX_GROUPS];
    for (to, (group, how)) in of.iter_mut().zip(groups.iter().zip(update)) {
        *to = DeviceGroup {
            end: group.range.end as u32,
            learning_rate: how.learning_rate,
            rounding: match how.rounding {
                Rounding::None => 0.0,
                Rounding::Step(step) => step,
                Rounding::Half => -1.0,
            },
            rate_gradient: how.rate_gradient,
        };
    }
    let count = tensors.parameters.size()[0] as u64;
    let update = DeviceUpdate {
        parameters: count as u32,
        groups: groups.len() as u32,
        loss_scale,
        corrections: [BETA1, BETA2].map(|beta| 1.0 - beta.powi(step)),
        unused: 0,
        of,
    };
    let at = |tensor: &Tensor| address(tensor, Kind::Float);
    let halves = tensors.halves.map_or(Ok(0), |halves| address(halves, Kind::Half))?;
    let [gradient, masters] = [at(gradient)?, at(tensors.masters)?];
    let [first, second, parameters] = [at(tensors.first)?, at(tensors.second)?, at(tensors.parameters)?];
    launch!(machine, "adam", Launch::of(count)?, update, gradient, masters, first, second, parameters, halves)
}
