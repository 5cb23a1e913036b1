//! Runs of steps: learning rates, and lambda on its way up.

use super::average;
use super::progress::{Reporter, Stage};
use super::session::Session;
use super::target::Search;
use crate::engine::TrainingEngine;
use crate::error::Result;
use std::ops::ControlFlow;

/// What the rates have fallen to at the end of a run.
const FINAL_SHARE: f64 = 0.04;
/// Steps of the first warm-up.
const WARM_UP: f64 = 100.0;

/// A stretch of training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Schedule {
    stage: Stage,
    steps: u64,
    /// Height of the learning rates.
    height: f64,
    /// Share of the run before the rates fall.
    plateau: f64,
    /// Whether a larger model can be tried when this one is found too small halfway.
    may_give_up: bool,
}

impl Schedule {
    /// The main run: warm-up, a plateau for half of it, exponential decay.
    pub(super) fn main(steps: u64, may_give_up: bool) -> Self {
        Self { stage: Stage::Training, steps, height: 1.0, plateau: 0.5, may_give_up }
    }

    /// A fixed model's run of `steps`: the rates fall for the second half of it, or stay.
    pub(super) fn fit(steps: u64, falls: bool) -> Self {
        let plateau = if falls { 0.5 } else { 1.0 };
        Self { stage: Stage::Training, steps, height: 1.0, plateau, may_give_up: false }
    }

    /// A correction: restarted at a lower height, falling for longer.
    pub(super) fn correction(steps: u64) -> Self {
        Self { stage: Stage::Correcting, steps, height: 0.3, plateau: 0.3, may_give_up: false }
    }

    /// How far the learning rates have come on their way down, 0 to 1.
    fn fallen(&self, done: f64) -> f64 {
        if done <= self.plateau { 0.0 } else { ((done - self.plateau) / (1.0 - self.plateau)).min(1.0) }
    }

    /// Share of the learning rates' height after a share `done` of the run.
    pub(super) fn rate_share(&self, step: u64, done: f64) -> f64 {
        // Short runs warm up for a tenth of their steps.
        let steps = WARM_UP.min(self.steps as f64 / 10.0).max(1.0);
        let warm_up = if self.stage == Stage::Training { (step as f64 / steps).min(1.0) } else { 1.0 };
        warm_up * self.height * (FINAL_SHARE / self.height).powf(self.fallen(done))
    }

    /// How much of lambda is charged: in the main run the field first learns what is there.
    fn lambda_share(&self, done: f64) -> f64 {
        match self.stage {
            Stage::Training => ((done - 0.1) / 0.3).clamp(0.0, 1.0),
            _ => 1.0,
        }
    }
}

/// Looks at the coded size in a run, to correct lambda on the way.
const LOOKS: u64 = 40;
/// The last share of a run is left to settle at a fixed lambda.
const SETTLE_FROM: f64 = 0.95;
/// After this share of the main run it is clear whether the model is far too small.
const DOUBT_AT: f64 = 0.5;
/// The mean error looks back over about this many steps.
const MEMORY: f64 = 40.0;

/// Mean squared error of the latest batches, of values scaled to 0..1.
pub(super) struct RecentError(f64);

impl RecentError {
    /// No batch was seen.
    pub(super) fn new() -> Self {
        Self(f64::NAN)
    }

    /// Takes the error of step `step` in, when it is one whose error costs next to nothing.
    pub(super) fn follow(&mut self, session: &mut Session<'_>, step: u64) -> Result<()> {
        let interval = session.error_interval();
        if step.is_multiple_of(interval) {
            let error = session.mean_error()?;
            let weight = 1.0 / (MEMORY / interval as f64).clamp(1.0, step as f64 + 1.0);
            self.0 = if self.0.is_nan() { error } else { self.0 + weight * (error - self.0) };
        }
        Ok(())
    }

    /// In dB.
    pub(super) fn psnr(&self) -> f64 {
        -10.0 * self.0.log10()
    }
}

/// Runs a schedule. Breaks with the shortfall in dB when the main run shows that the model is too small.
pub(super) fn run(
    session: &mut Session<'_>,
    engine: &dyn TrainingEngine,
    schedule: Schedule,
    search: &mut Search,
    reporter: &mut Reporter<'_>,
) -> Result<ControlFlow<f64>> {
    session.begin_average()?;
    let mut recent = RecentError::new();
    let look_every = (schedule.steps / LOOKS).max(1);
    let doubt = (schedule.steps as f64 * DOUBT_AT) as u64;
    for step in 0..schedule.steps {
        let done = step as f64 / schedule.steps as f64;
        let charged = schedule.lambda_share(done);
        if charged > 0.0 {
            search.begin(recent.0);
        }
        session.step(engine, schedule.rate_share(step, done), search.for_step(), charged)?;
        recent.follow(session, step)?;
        if average::counts(step, schedule.steps) {
            session.take_into_average()?;
        }
        let psnr = recent.psnr();
        reporter.step(schedule.stage, step + 1, schedule.steps, psnr)?;
        let main = schedule.stage == Stage::Training;
        if search.wants_size() && charged == 1.0 && done < SETTLE_FROM && step % look_every == 0 {
            search.follow_size(session.bytes_now(engine)?);
        }
        if main
            && step == doubt
            && schedule.may_give_up
            && let Some(shortfall) = search.shortfall(psnr)
        {
            return Ok(ControlFlow::Break(shortfall));
        }
    }
    Ok(ControlFlow::Continue(()))
}
