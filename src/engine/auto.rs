//! The engine of a machine that nobody has looked at yet.

use super::cpu::Cpu;
use super::cuda::Cuda;
use super::{Engine, Evaluator};
use crate::engine::device::first_cuda;
use crate::error::Result;
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
