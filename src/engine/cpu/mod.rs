//! The CPU engine: fused over tiles of samples, multithreaded, SIMD chosen at run time.

mod adam;
mod axis_wise;
mod dense;
mod encoding;
mod evaluator;
mod gemm;
mod hash_grid;
mod mlp;
mod network;
mod packed;
mod rows;
mod sine;
mod sine_residual;
mod tile;
mod trainer;

pub use crate::simd::Isa;
pub(crate) use rows::{BATCH, Fit, Rows, fit};

use super::threads::Threads;
use super::{Engine, Evaluator, Trainer, TrainingEngine};
use crate::error::{Error, Result};
use crate::field::Field;

/// The CPU engine.
#[derive(Debug, Clone)]
pub struct Cpu {
    isa: Isa,
    threads: Threads,
}

impl Cpu {
    /// An engine with `threads` threads of its own and the fastest instruction set of this machine. With 0 it works on the
    /// threads that the whole process shares, readers included: rayon's global pool, one a core unless the program set it
    /// up otherwise.
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
        Ok(Self { isa, threads: Threads::new(threads)? })
    }

    /// The instruction set in use.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// The threads themselves, for an engine beside this one.
    #[cfg(feature = "cuda")]
    pub(crate) fn shared_threads(&self) -> Threads {
        self.threads.clone()
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.threads.count()
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
        self.threads.install(work);
    }
    fn threads(&self) -> usize {
        Cpu::threads(self)
    }
}

impl TrainingEngine for Cpu {
    fn trainer(&self, field: &Field) -> Result<Box<dyn Trainer>> {
        Ok(Box::new(trainer::CpuTrainer::new(self.clone(), field)))
    }
}
