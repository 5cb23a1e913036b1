//! The CUDA engine: evaluates fields on an NVIDIA GPU through the driver alone.
//!
//! `decode.cu` has the kernels, which the library carries as PTX, and `tensor_decode.cu` faster ones for GPUs with tensor cores
//! and the usual fields; [`decode`] plans their launches, and a
//! [`machine::Machine`] runs them: the driver, or where there is no GPU the tests' emulation on the host. What is to stay on
//! the device as samples, `store.cu` makes of the field's values.

// Hidden modules are open to the tests alone, which run the kernels on a machine of their own.
#[doc(hidden)]
pub mod decode;
pub(crate) mod device_samples;
mod driver;
mod failure;
pub(crate) mod hash_grid;
mod lane;
#[doc(hidden)]
pub mod launch;
#[doc(hidden)]
pub mod machine;
mod memory;
#[doc(hidden)]
pub mod store;
#[doc(hidden)]
pub mod tensor_decode;

#[cfg(feature = "dlpack")]
pub(crate) use driver::copy_to_host;
pub(crate) use driver::count;
pub use driver::devices;

use super::cpu::Cpu;
use super::threads::Threads;
use super::{Engine, Evaluator};
use crate::error::{Error, Result};
use crate::field::Field;
use crate::volume::SampleType;
use device_samples::DeviceSamples;
use machine::Machine;
use std::sync::Arc;

/// The CUDA engine.
#[derive(Clone)]
pub struct Cuda {
    machine: Arc<dyn Machine>,
    /// For what the GPU does not do, and to feed it.
    threads: Threads,
}

impl Cuda {
    /// An engine on a device, by its number from 0, with `threads` threads of its own beside it (0: those that the process shares, as
    /// [`Cpu::new`] says).
    ///
    /// # Errors
    /// [`Error::Device`] when there is no such device or it cannot be used, with the reason; [`Error::Options`] when the
    /// operating system gives no threads.
    pub fn new(device: usize, threads: usize) -> Result<Self> {
        Self::on(driver::Gpu::open(device)?, threads)
    }

    /// An engine on a device, with the threads of an engine on the CPU.
    ///
    /// # Errors
    /// [`Error::Device`] as for [`Self::new`].
    pub(crate) fn beside(device: usize, cpu: &Cpu) -> Result<Self> {
        Ok(Self { machine: driver::Gpu::open(device)?, threads: cpu.shared_threads() })
    }

    /// An engine on a machine that need not be a GPU.
    ///
    /// # Errors
    /// [`Error::Options`] when the operating system gives no threads.
    pub fn on(machine: Arc<dyn Machine>, threads: usize) -> Result<Self> {
        Ok(Self { machine, threads: Threads::new(threads)? })
    }

    /// Room for samples in the device's memory; what is in it nobody has written.
    pub(crate) fn samples(&self, sample_type: SampleType, shape: &[usize]) -> Result<DeviceSamples> {
        let bytes = shape.iter().try_fold(sample_type.size(), |product, &n| product.checked_mul(n));
        let bytes = bytes.ok_or_else(|| Error::TooLarge {
            bytes: u64::MAX,
            what: format!("{shape:?} samples of {sample_type} are more than any memory holds"),
        })?;
        let memory = self.machine.allocate(bytes)?;
        Ok(DeviceSamples::new(memory, self.machine.number(), sample_type, shape))
    }
}

impl Engine for Cuda {
    fn name(&self) -> &'static str {
        "cuda"
    }
    fn evaluator(&self, field: &Field) -> Result<Box<dyn Evaluator>> {
        let threads = self.threads.clone();
        Ok(Box::new(decode::DeviceEvaluator::new(self.machine.as_ref(), field, threads)?))
    }
    fn run(&self, work: &mut (dyn FnMut() + Send)) {
        self.threads.install(work);
    }
    fn cuda(&self) -> Option<&Cuda> {
        Some(self)
    }
}
