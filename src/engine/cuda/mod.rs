//! The CUDA engine: evaluates fields on an NVIDIA GPU through the driver alone.
//!
//! `decode.cu` has the kernels, which the library carries as PTX; [`decode`] plans their launches, and a
//! [`machine::Machine`] runs them: the driver, or where there is no GPU the tests' emulation on the host.

pub mod decode;
mod driver;
pub(crate) mod hash_grid;
pub mod machine;

#[cfg(feature = "dlpack")]
pub(crate) use driver::copy_to_host;
pub(crate) use driver::count;
pub use driver::devices;

use super::{Engine, Evaluator};
use crate::error::{Error, Result};
use crate::field::Field;
use machine::Machine;
use std::sync::Arc;

/// The CUDA engine.
#[derive(Clone)]
pub struct Cuda {
    machine: Arc<dyn Machine>,
    /// For what the GPU does not do, and to feed it.
    pool: Arc<rayon::ThreadPool>,
}

impl Cuda {
    /// An engine on a device, by its number from 0, with `threads` threads beside it (0: one a core).
    ///
    /// # Errors
    /// [`Error::Device`] when there is no such device or it cannot be used, with the reason; [`Error::Options`] when the
    /// operating system gives no threads.
    pub fn new(device: usize, threads: usize) -> Result<Self> {
        Self::on(driver::Gpu::open(device)?, threads)
    }

    /// An engine on a machine that need not be a GPU.
    ///
    /// # Errors
    /// [`Error::Options`] when the operating system gives no threads.
    pub fn on(machine: Arc<dyn Machine>, threads: usize) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("neuvol-cuda-{i}"))
            .build()
            .map_err(|e| Error::Options(format!("cannot start {threads} threads: {e}")))?;
        Ok(Self { machine, pool: Arc::new(pool) })
    }
}

impl Engine for Cuda {
    fn name(&self) -> &'static str {
        "cuda"
    }
    fn evaluator(&self, field: &Field) -> Result<Box<dyn Evaluator>> {
        let pool = self.pool.clone();
        Ok(Box::new(decode::DeviceEvaluator::new(self.machine.as_ref(), field, pool)?))
    }
    fn run(&self, work: &mut (dyn FnMut() + Send)) {
        self.pool.install(work);
    }
}
