//! The engine over libtorch: parameters and optimiser state are tensors, on a GPU or, as a reference, on the CPU.
//!
//! On the CPU every step is made of tensor operations and libtorch's own differentiation, so that it shares no line of
//! mathematics with the other engines. On a GPU, kernels of our own ([`step`], [`fused`]) do what is slow that way; no step waits for
//! the host.

mod adam;
mod encoding;
mod evaluator;
// Hidden modules are open to the tests alone, which run the kernels on a machine of their own.
#[doc(hidden)]
pub mod fused;
mod gpu;
mod library;
mod network;
#[doc(hidden)]
pub mod step;
mod trainer;

use super::cpu::Cpu;
use super::cuda::Cuda;
use super::{Engine, Evaluator, Trainer, TrainingEngine};
use crate::error::{Error, Result};
use crate::field::Field;
use std::sync::Arc;
use step::StepMachine;
use tch::Device;

/// Numbers of the forward and backward passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Float32.
    #[default]
    Float,
    /// Mixed, as in the paper: half precision in the passes of a multi-layer perceptron, with a scaled loss; float32 for
    /// master parameters, optimiser, loss, and sines, whose arguments half precision has too few bits for.
    Mixed,
}

/// How the engine trains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TorchOptions {
    /// Numbers of the passes.
    pub precision: Precision,
    /// Add gradients in fixed point, so that the same steps give the same bits: slower on a GPU, where threads add in any
    /// order otherwise. The CPU is deterministic anyway.
    pub deterministic: bool,
}

impl From<Precision> for TorchOptions {
    fn from(precision: Precision) -> Self {
        Self { precision, deterministic: false }
    }
}

/// The libtorch engine.
#[derive(Clone)]
pub struct Torch {
    device: Device,
    options: TorchOptions,
    /// Runs the step's kernels; without one, every step is tensor operations.
    machine: Option<Arc<dyn StepMachine>>,
    /// Evaluates on a GPU.
    decoder: Option<Cuda>,
    /// For work on the host.
    cpu: Cpu,
}

impl Torch {
    /// An engine on the CPU.
    ///
    /// # Errors
    /// [`Error::Device`] when libtorch has another version than this program was built for.
    pub fn on_cpu(threads: usize, options: impl Into<TorchOptions>) -> Result<Self> {
        library::prepare()?;
        Ok(Self {
            device: Device::Cpu,
            options: options.into(),
            machine: None,
            decoder: None,
            cpu: Cpu::new(threads)?,
        })
    }

    /// An engine on CUDA device `index`; `threads` are the host's.
    ///
    /// # Errors
    /// [`Error::Device`] when there is no such device, with what libtorch says of it.
    pub fn on_cuda(index: usize, threads: usize, options: impl Into<TorchOptions>) -> Result<Self> {
        Self::on_cuda_beside(index, Cpu::new(threads)?, options)
    }

    /// [`Self::on_cuda`] with the threads of an engine on the CPU.
    pub(crate) fn on_cuda_beside(index: usize, cpu: Cpu, options: impl Into<TorchOptions>) -> Result<Self> {
        let cuda = library::prepare()?;
        if !tch::utils::has_cuda() {
            let why =
                if tch::utils::has_cudart() { "finds no CUDA device" } else { "was built without CUDA" };
            return Err(Error::Device(format!("libtorch {why}")));
        }
        let devices = tch::Cuda::device_count();
        if index as i64 >= devices {
            return Err(Error::Device(format!("there is no CUDA device {index}, but {devices} from 0 on")));
        }
        let cuda = cuda.ok_or_else(|| Error::Device("libtorch_cuda was not found".into()))?;
        let machine: Arc<dyn StepMachine> = Arc::new(gpu::Gpu::open(index, cuda)?);
        let (device, options) = (Device::Cuda(index), options.into());
        let decoder = Some(Cuda::beside(index, &cpu)?);
        Ok(Self { device, options, machine: Some(machine), decoder, cpu })
    }

    /// The engine with a machine that runs the step's kernels on its device's memory.
    #[must_use]
    pub fn with_machine(self, machine: Arc<dyn StepMachine>) -> Self {
        Self { machine: Some(machine), ..self }
    }
}

impl Engine for Torch {
    fn name(&self) -> &'static str {
        "torch"
    }
    fn evaluator(&self, field: &Field) -> Result<Box<dyn Evaluator>> {
        // On a GPU, the kernels that viewers use: a training run measures itself with the shipped decoder.
        if let Some(decoder) = &self.decoder {
            return decoder.evaluator(field);
        }
        Ok(Box::new(evaluator::TorchEvaluator::new(self.device, field)?))
    }
    fn run(&self, work: &mut (dyn FnMut() + Send)) {
        self.cpu.run(work);
    }
    fn cuda(&self) -> Option<&Cuda> {
        self.decoder.as_ref()
    }
}

impl TrainingEngine for Torch {
    fn trainer(&self, field: &Field) -> Result<Box<dyn Trainer>> {
        Ok(Box::new(trainer::TorchTrainer::new(self.device, self.machine.clone(), self.options, field)?))
    }
}
