//! Where the mathematics runs.
//!
//! [`Engine`] is the seam: evaluate a field at points or on a lattice, train a step. [`scalar`] is the specification,
//! written like the formulae; [`cpu`] is the fast twin, tested against it, and so is `cuda` for a GPU, where the library was
//! built with the feature of that name.

#[cfg(feature = "cuda")]
mod auto;
pub mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;
mod cuda_device;
pub mod device;
pub mod scalar;
mod threads;
#[cfg(feature = "torch")]
pub mod torch;
mod voxels;

pub(crate) use voxels::hash;
pub use voxels::{Permutation, Voxels};

use crate::error::Result;
use crate::field::{Field, Rounding};
use std::ops::Range;

/// A place that can evaluate fields.
pub trait Engine: Send + Sync {
    /// `scalar`, `cpu`, ...
    fn name(&self) -> &'static str;
    /// Makes a field ready to be evaluated many times.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) when the engine's device cannot hold it.
    fn evaluator(&self, field: &Field) -> Result<Box<dyn Evaluator>>;
    /// Runs work on the engine's threads, once: what it does through `rayon` uses them and no others. Callers that want a
    /// result have [`Install::install`].
    fn run(&self, work: &mut (dyn FnMut() + Send));
    /// How many threads [`Self::run`] has.
    fn threads(&self) -> usize {
        self.install(rayon::current_num_threads)
    }
    /// The CUDA engine, where this is one or evaluates through one.
    #[cfg(feature = "cuda")]
    fn cuda(&self) -> Option<&cuda::Cuda> {
        None
    }
}

/// Work on an engine's threads that has a result; [`Engine`] itself stays a trait of objects.
pub trait Install: Engine {
    /// Runs work on the engine's threads: what it does through `rayon` uses them and no others.
    fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        let (mut work, mut result) = (Some(work), None);
        self.run(&mut || result = work.take().map(|work| work()));
        result.expect("an engine runs what it is given")
    }
}

impl<E: Engine + ?Sized> Install for E {}

/// An engine that can train, too.
pub trait TrainingEngine: Engine {
    /// Makes a field ready to be trained; it starts from the field's parameters.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) when the engine's device cannot hold it.
    fn trainer(&self, field: &Field) -> Result<Box<dyn Trainer>>;
}

/// A field, ready to be evaluated. The CPU's evaluators do not fail; a device's do when it is lost.
pub trait Evaluator: Send + Sync {
    /// The field's value at each position in `[0, 1]^3`. The slices have one length.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device), here and below.
    fn points(&self, positions: &[[f32; 3]], out: &mut [f32]) -> Result<()>;
    /// The field's value at every point of a lattice, x fastest; `out` has one value a point.
    fn lattice(&self, lattice: &Lattice, out: &mut [f32]) -> Result<()>;
    /// [`Self::points`], and the field's derivative by the position's three coordinates. Where the field has a kink (at a
    /// grid's vertex, where a neuron switches) it is the derivative of the side that the value is computed on.
    fn gradients(&self, positions: &[[f32; 3]], out: &mut [f32], gradients: &mut [[f32; 3]]) -> Result<()>;
    /// Bytes that the evaluator holds.
    fn bytes(&self) -> usize;
    /// Points that a call of [`Self::points`] should have where there are more: enough for threads to share, or to be
    /// worth the way to a device.
    fn points_a_call(&self) -> usize {
        1 << 10
    }
    /// The evaluator of the CUDA engine, where this is it: it can leave samples where they were made.
    #[cfg(feature = "cuda")]
    fn cuda(&self) -> Option<&cuda::decode::DeviceEvaluator> {
        None
    }
}

/// The positions of a lattice's points along each axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Lattice {
    /// Positions in `[0, 1]` along x, y, z.
    pub axes: [Vec<f32>; 3],
}

impl Lattice {
    /// Number of points.
    pub fn len(&self) -> usize {
        self.axes.iter().map(Vec::len).product()
    }

    /// True when an axis has no point.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The position of sample `index` of an axis with `samples` samples: `i / (n - 1)`, 0 on an axis of one.
#[inline]
pub fn axis_position(index: usize, samples: usize) -> f32 {
    if samples <= 1 { 0.0 } else { (index as f64 / (samples - 1) as f64) as f32 }
}

/// Samples to learn from.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Positions in `[0, 1]^3`.
    pub positions: Vec<[f32; 3]>,
    /// The value wanted at each, 0 to 1; NaN where the voxel is masked, which then teaches nothing.
    pub targets: Vec<f32>,
}

/// What is minimised, averaged over the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Loss {
    /// Squared error.
    #[default]
    L2,
    /// Absolute error.
    L1,
}

impl Loss {
    /// The loss of a residual (prediction minus target) and its derivative.
    #[inline(always)]
    pub fn at(self, residual: f32) -> (f32, f32) {
        match self {
            Loss::L2 => (residual * residual, 2.0 * residual),
            Loss::L1 => (residual.abs(), if residual == 0.0 { 0.0 } else { residual.signum() }),
        }
    }
}

/// How one group of parameters moves in one step.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GroupUpdate {
    /// Adam's step size.
    pub learning_rate: f32,
    /// What the parameters are rounded to.
    pub rounding: Rounding,
    /// Derivative of the rate term by the magnitude of a parameter, added to the loss's gradient.
    pub rate_gradient: f32,
}

/// One optimiser step.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// The loss.
    pub loss: Loss,
    /// One entry a parameter group.
    pub groups: Vec<GroupUpdate>,
}

impl Update {
    /// The same update for every one of `groups` groups.
    pub fn uniform(loss: Loss, groups: usize, how: GroupUpdate) -> Self {
        Self { loss, groups: vec![how; groups] }
    }
}

/// Adam's constants (Kingma & Ba 2015; beta2 and epsilon as in Mueller et al. 2022).
pub(crate) mod adam_constants {
    pub(crate) const BETA1: f32 = 0.9;
    pub(crate) const BETA2: f32 = 0.99;
    pub(crate) const EPSILON: f32 = 1e-15;
}

/// Where the samples of a step come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drawing {
    /// The caller draws them, and hands whole batches to [`Trainer::step`].
    ByCaller,
    /// The trainer draws them from a copy of the voxels that is on its device: [`Trainer::step_drawn`].
    FromCopy,
    /// The voxels do not fit into the device's memory. The trainer knows where each sample lies, and the caller hands it the
    /// targets of many steps at a time, [`Trainer::take_stretch`], while the device is still at the steps before.
    FromStretches,
}

/// A field in training: float32 master parameters, and the rounded ones that every evaluation uses.
///
/// Every method may fail with [`Error::Device`](crate::Error::Device) where there is a device.
pub trait Trainer: Send {
    /// The gradient of the batch's mean loss by each (rounded) parameter. Returns the sum of squared errors.
    fn gradient(&mut self, batch: &Batch, loss: Loss, out: &mut [f32]) -> Result<f64>;
    /// One step of Adam on the batch's mean loss and the rate term; then the parameters are rounded again (straight
    /// through).
    fn step(&mut self, batch: &Batch, update: &Update) -> Result<()>;
    /// Gets ready to draw batches of `batch` from the voxels; says how. On the CPU the caller draws always.
    fn keep_voxels(&mut self, _voxels: &dyn Voxels, _batch: usize) -> Result<Drawing> {
        Ok(Drawing::ByCaller)
    }
    /// With [`Drawing::FromStretches`], the targets of samples `first..first + targets.len()` of the endless sequence of epochs
    /// over the voxels.
    fn take_stretch(&mut self, _first: u64, _targets: &[f32]) -> Result<()> {
        unreachable!("the caller draws")
    }
    /// [`Self::step`] on samples `first..first + count` of that sequence, where the caller does not draw.
    fn step_drawn(&mut self, _first: u64, _count: usize, _update: &Update) -> Result<()> {
        unreachable!("the caller draws")
    }
    /// The sum of squared errors before the last step. On a device, waits for it.
    fn squared_error(&mut self) -> Result<f64>;
    /// Steps between two questions for the error that cost next to nothing.
    fn error_interval(&self) -> u64 {
        1
    }
    /// The rounded parameters. On a device, waits for them.
    fn parameters(&mut self) -> Result<&[f32]>;
    /// Adds the rounded parameters to `sum`, which is as long. A device may keep what it adds, and not be waited for, until
    /// [`Self::finish_sum`].
    fn add_parameters_to(&mut self, sum: &mut [f32]) -> Result<()> {
        let parameters = self.parameters()?;
        sum.iter_mut().zip(parameters).for_each(|(sum, p)| *sum += p);
        Ok(())
    }
    /// Adds what [`Self::add_parameters_to`] kept to `sum`, as long or, when nothing was added, empty.
    fn finish_sum(&mut self, _sum: &mut [f32]) -> Result<()> {
        Ok(())
    }
    /// The mean magnitude of the rounded parameters of each range. On a device, waits for these numbers alone.
    fn mean_magnitudes(&mut self, ranges: &[Range<usize>]) -> Result<Vec<f32>> {
        let parameters = self.parameters()?;
        let mean = |range: &Range<usize>| {
            let sum: f32 = parameters[range.clone()].iter().map(|p| p.abs()).sum();
            sum / range.len() as f32
        };
        Ok(ranges.iter().map(mean).collect())
    }
}
