//! What a caller learns of a compression while it runs.

use crate::error::{Error, Result};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// What is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Reading a volume that is larger than memory.
    Reading,
    /// The main training run.
    Training,
    /// A shorter run after a measurement.
    Correcting,
    /// Coding a latent grid at one step and another, or the samples themselves brick by brick.
    Coding,
    /// Decoding everything to see what was achieved.
    Measuring,
}

/// A compression's progress.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// What is going on.
    pub stage: Stage,
    /// Steps done and to be done in this stage.
    pub step: u64,
    /// See `step`.
    pub steps: u64,
    /// PSNR of the latest batches in dB: what training sees, not yet what the file achieves.
    pub psnr: f64,
    /// How often the model was found too small and a larger one begun.
    pub restarts: usize,
}

/// Passes progress on, not too often.
pub(super) struct Reporter<'a> {
    observe: &'a mut dyn FnMut(&Progress) -> ControlFlow<()>,
    now: Progress,
    last: Instant,
}

const INTERVAL: Duration = Duration::from_millis(80);

impl<'a> Reporter<'a> {
    pub(super) fn new(
        observe: &'a mut dyn FnMut(&Progress) -> ControlFlow<()>,
        restarts: usize,
        steps: u64,
    ) -> Self {
        let now = Progress { stage: Stage::Training, step: 0, steps, psnr: f64::NAN, restarts };
        Self { observe, now, last: Instant::now() }
    }

    pub(super) fn step(&mut self, stage: Stage, step: u64, steps: u64, psnr: f64) -> Result<()> {
        self.now = Progress { stage, step, steps, psnr, ..self.now };
        if self.last.elapsed() < INTERVAL && step < steps {
            return Ok(());
        }
        self.last = Instant::now();
        self.tell()
    }

    /// [`Self::step`] for steps that take a while each: told of every one.
    pub(super) fn long_step(&mut self, stage: Stage, step: u64, steps: u64, psnr: f64) -> Result<()> {
        self.now = Progress { stage, step, steps, psnr, ..self.now };
        self.last = Instant::now();
        self.tell()
    }

    pub(super) fn measuring(&mut self) -> Result<()> {
        self.now.stage = Stage::Measuring;
        self.tell()
    }

    fn tell(&mut self) -> Result<()> {
        match (self.observe)(&self.now) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Interrupted),
        }
    }
}
