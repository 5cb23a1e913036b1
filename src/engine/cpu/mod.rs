//! The CPU engine: fused over tiles of samples, multithreaded, SIMD chosen at run time.

mod adam;
mod axis_wise;
mod dense;
mod encoding;
mod evaluator;
mod gemm;
mod hash_grid;
mod integers;
mod mlp;
mod network;
mod rows;
mod simd;
mod sine;
mod sine_residual;
mod trainer;

pub(crate) use integers::{Integers, integers, nearest_integer, pair_of_i16};
pub(crate) use rows::{BATCH, Fit, Rows, fit};
pub use simd::Isa;
pub(crate) use simd::{Kernel, vector, write};

use super::{Engine, Evaluator, Trainer, TrainingEngine};
use crate::error::{Error, Result};
use crate::field::Field;
use std::sync::Arc;

/// The CPU engine.
#[derive(Debug, Clone)]
pub struct Cpu {
    isa: Isa,
    pool: Arc<rayon::ThreadPool>,
}

impl Cpu {
    /// An engine with `threads` threads (0: one a core) and the fastest instruction set of this machine.
    ///
    /// # Errors
    /// [`Error::Options`] when the operating system gives no threads.
    pub fn new(threads: usize) -> Result<Self> {
        let isa = Isa::fastest();
        Self::with_isa(threads, isa)
    }

    /// An engine that uses one instruction set.
    ///
    /// # Errors
    /// [`Error::Options`] when this machine does not have it, or gives no threads.
    pub fn with_isa(threads: usize, isa: Isa) -> Result<Self> {
        if !Isa::available().contains(&isa) {
            return Err(Error::Options(format!("this machine has no {}", isa.name())));
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("neuvol-{i}"))
            .build()
            .map_err(|e| Error::Options(format!("cannot start {threads} threads: {e}")))?;
        Ok(Self { isa, pool: Arc::new(pool) })
    }

    /// The instruction set in use.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }
}

impl Engine for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }
    fn evaluator(&self, field: &Field) -> Result<Box<dyn Evaluator>> {
        Ok(Box::new(evaluator::CpuEvaluator::new(self.clone(), field)))
    }
    fn run(&self, work: &mut (dyn FnMut() + Send)) {
        self.pool.install(work);
    }
}

impl TrainingEngine for Cpu {
    fn trainer(&self, field: &Field) -> Result<Box<dyn Trainer>> {
        Ok(Box::new(trainer::CpuTrainer::new(self.clone(), field)))
    }
}
