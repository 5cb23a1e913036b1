//! The engine of a machine that nobody has looked at yet.

use super::cpu::Cpu;
use super::cuda::{self, Cuda};
use super::{Engine, Evaluator};
use crate::error::{Error, Result};
use crate::field::Field;
use std::sync::{Arc, OnceLock};

/// The first CUDA device that can be used, else the CPU; looked for when a field is to be evaluated. A device's context and its
/// kernels cost a part of a second and hundreds of megabytes of its memory, which a file without a network has no use for.
pub(super) struct Auto {
    cpu: Cpu,
    chosen: OnceLock<Arc<dyn Engine>>,
}

impl Auto {
    pub(super) fn new(cpu: Cpu) -> Self {
        Self { cpu, chosen: OnceLock::new() }
    }

    fn chosen(&self) -> &dyn Engine {
        let choose = || match first_cuda(&self.cpu) {
            Ok(engine) => engine,
            Err(why) => {
                log::info!("evaluating on the CPU: {why}");
                Arc::new(self.cpu.clone())
            }
        };
        self.chosen.get_or_init(choose).as_ref()
    }
}

/// The first CUDA device that can be used.
fn first_cuda(cpu: &Cpu) -> Result<Arc<dyn Engine>> {
    let open = |number| Cuda::beside(number, cpu).map(|engine| Arc::new(engine) as Arc<dyn Engine>);
    // What is wrong with the first one is told, when all are.
    let first = open(0);
    match first {
        Err(Error::Device(_)) => (1..cuda::count()?).find_map(|number| open(number).ok()).map_or(first, Ok),
        _ => first,
    }
}

impl Engine for Auto {
    fn name(&self) -> &'static str {
        self.chosen.get().map_or("auto", |engine| engine.name())
    }
    fn evaluator(&self, field: &Field) -> Result<Box<dyn Evaluator>> {
        self.chosen().evaluator(field)
    }
    fn run(&self, work: &mut (dyn FnMut() + Send)) {
        self.cpu.run(work);
    }
    fn cuda(&self) -> Option<&Cuda> {
        self.chosen().cuda()
    }
}
