//! The search for a network: models of several sizes are trained at a lambda that is corrected until the target is met.

use super::candidate::Writer;
use super::complexity;
use super::compressed::Compressed;
use super::initial::Start;
use super::options::{Architecture, CompressOptions, Storage};
use super::plan::Plan;
use super::progress::{Progress, Reporter};
use super::sampler::VoxelSampler;
use super::schedule::{Schedule, run};
use super::session::Session;
use super::target::{Aim, Search, SearchResult, Verdict};
use crate::container::MAX_PARAMETERS;
use crate::engine::TrainingEngine;
use crate::error::{Error, Result};
use crate::sample::ValueScale;
use crate::volume::Volume;
use std::ops::ControlFlow;

/// Corrections of lambda before a target counts as missed.
const MAX_CORRECTIONS: usize = 14;
/// Times that a model of the same size is tried again with finer rounding.
const MAX_REFINEMENTS: usize = 2;
/// Times that a model may be found too small.
const MAX_GROWTHS: usize = 8;

/// Looks for the smallest network that meets an aim; what every attempt shares.
pub(super) struct NetworkSearch<'a> {
    pub(super) options: &'a CompressOptions,
    pub(super) architecture: Architecture,
    pub(super) engine: &'a dyn TrainingEngine,
    pub(super) sampler: VoxelSampler<'a>,
    pub(super) writer: Writer<'a>,
    /// Mean of the measurements, scaled to 0..1.
    pub(super) mean: f32,
    /// Number of unmasked voxels, and of all.
    pub(super) measured: usize,
    pub(super) voxels: usize,
}

/// How training one model ended.
enum Attempt {
    Met(Box<Compressed>),
    /// It misses the target whatever a bit costs: by how much, and the nearest it came, as [`Aim::figure`] has it.
    TooSmall {
        shortfall_db: f64,
        best: f64,
    },
    /// It is over the budget whatever a bit costs.
    TooLarge {
        nearest: f64,
    },
    /// What is not the model is over the budget by itself: no model helps.
    NoRoom {
        nearest: f64,
    },
}

impl NetworkSearch<'_> {
    /// The smallest network found that meets the aim.
    pub(super) fn smallest(
        &self,
        volume: &Volume,
        scale: ValueScale,
        aim: Aim,
        observe: &mut impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<SearchResult> {
        let options = self.options;
        let mut bytes = match aim {
            Aim::Bytes { budget } => budget as f64,
            Aim::Psnr { target } => {
                complexity::expected_bytes(volume, scale, 10f64.powf(-target / 10.0), options.seed)
            }
        };
        log::info!("expecting about {bytes:.0} bytes");
        let mut best = f64::NEG_INFINITY;
        let (mut last_parameters, mut unchanged, mut finer) = (0, 0, 0);
        for growth in 0..=MAX_GROWTHS {
            let plan = Plan::new(volume.shape(), bytes, finer, options, self.architecture);
            let parameters = plan.model.parameter_count();
            check_parameters(parameters)?;
            // A model that cannot grow further has had its chance, but for finer rounding.
            if parameters == last_parameters {
                unchanged += 1;
                if unchanged > MAX_REFINEMENTS {
                    break;
                }
            }
            last_parameters = parameters;
            log::info!("model of {parameters} parameters, {} steps of {}", plan.steps, plan.batch);
            let mut reporter = Reporter::new(observe, growth, plan.steps);
            match self.attempt(&plan, aim, unchanged == 0 && growth < MAX_GROWTHS, &mut reporter)? {
                Attempt::Met(compressed) => {
                    let nearest = aim.figure(&compressed);
                    return Ok(SearchResult { met: Some(*compressed), nearest });
                }
                Attempt::NoRoom { nearest } => {
                    best = best.max(nearest);
                    break;
                }
                Attempt::TooLarge { nearest } => {
                    best = best.max(nearest);
                    // In half precision only what is not the model was left out of account.
                    bytes *= if options.storage == Storage::Half { 0.95 } else { 0.5 };
                    log::info!("the model is too large");
                }
                Attempt::TooSmall { shortfall_db, best: reached } => {
                    best = best.max(reached);
                    bytes *= if shortfall_db > 4.0 { 4.0 } else { 2.0 };
                    if unchanged > 0 || matches!(aim, Aim::Bytes { .. }) {
                        finer += 1;
                    }
                    log::info!("the model is too small by about {shortfall_db:.1} dB");
                }
            }
        }
        Ok(SearchResult { met: None, nearest: best })
    }

    /// Trains one model and corrects lambda until the target is met.
    fn attempt(&self, plan: &Plan, aim: Aim, may_grow: bool, reporter: &mut Reporter<'_>) -> Result<Attempt> {
        let start =
            Start { seed: self.options.seed, mean: self.mean, voxels: self.voxels, measured: self.measured };
        let mut session = Session::new(self.engine, plan, &self.sampler, self.options.loss, start)?;
        let mut search = Search::new(aim, self.measured);
        let main = Schedule::main(plan.steps, may_grow);
        if let ControlFlow::Break(shortfall_db) = run(&mut session, self.engine, main, &mut search, reporter)?
        {
            return Ok(Attempt::TooSmall { shortfall_db, best: f64::NEG_INFINITY });
        }
        if self.options.storage == Storage::Half {
            return self.judge_half(&mut session, aim, reporter);
        }
        let mut best: Option<Compressed> = None;
        let mut reached = f64::NEG_INFINITY;
        let mut over_budget = false;
        let mut exceeding: Option<Compressed> = None;
        for correction in 0..=MAX_CORRECTIONS {
            reporter.measuring()?;
            let candidate = self.writer.write(&mut session)?;
            let charged = search.lambda();
            let verdict = search.judge(&candidate);
            reached = reached.max(aim.figure(&candidate));
            over_budget = aim.is_over_budget(&candidate);
            if over_budget && search.overhead_exceeds_budget() {
                return Ok(Attempt::NoRoom { nearest: reached });
            }
            log::info!(
                "{:.2} dB, {} bytes at a lambda of {:.3e}: {verdict:?}",
                candidate.distortion.psnr,
                candidate.bytes.len(),
                charged
            );
            if verdict.is_met() && best.as_ref().is_none_or(|b| aim.prefers(&candidate, b)) {
                best = Some(candidate);
            } else if aim.is_exceeded_by(&candidate)
                && exceeding.as_ref().is_none_or(|e| aim.prefers(&candidate, e))
            {
                exceeding = Some(candidate);
            }
            let tries_left = correction < MAX_CORRECTIONS && !(over_budget && search.is_exhausted());
            match verdict {
                Verdict::Met => break,
                Verdict::TooSmall { shortfall_db } if best.is_none() && exceeding.is_none() => {
                    return Ok(Attempt::TooSmall { shortfall_db, best: reached });
                }
                // Near enough to be taken, far enough to try for better once or twice.
                Verdict::Acceptable if best.is_some() && correction >= 2 => break,
                _ if !tries_left => break,
                _ => {
                    let schedule = Schedule::correction(plan.correction_steps);
                    // A correction is never abandoned: only the main run can find the model too small on its way.
                    let _ = run(&mut session, self.engine, schedule, &mut search, reporter)?;
                }
            }
        }
        if best.is_none()
            && let Some(better) = &exceeding
        {
            log::warn!("no lambda lands within 1 dB of the target; this is {:.2} dB", better.distortion.psnr);
        }
        match best.or(exceeding) {
            Some(compressed) => Ok(Attempt::Met(Box::new(compressed))),
            None if over_budget => Ok(Attempt::TooLarge { nearest: reached }),
            None => Ok(Attempt::TooSmall { shortfall_db: 1.0, best: reached }),
        }
    }

    /// In half precision there is no rate term: a model meets the target, or another size is tried.
    fn judge_half(
        &self,
        session: &mut Session<'_>,
        aim: Aim,
        reporter: &mut Reporter<'_>,
    ) -> Result<Attempt> {
        reporter.measuring()?;
        let candidate = self.writer.write(session)?;
        let reached = aim.figure(&candidate);
        Ok(match aim {
            _ if aim.is_over_budget(&candidate) => Attempt::TooLarge { nearest: reached },
            Aim::Psnr { target } if reached < target => {
                Attempt::TooSmall { shortfall_db: target - reached, best: reached }
            }
            _ => Attempt::Met(Box::new(candidate)),
        })
    }
}

/// A file holds so many parameters.
pub(super) fn check_parameters(parameters: usize) -> Result<()> {
    if parameters > MAX_PARAMETERS {
        return Err(Error::Options(format!(
            "a model of {parameters} parameters is beyond the {MAX_PARAMETERS} that a file holds"
        )));
    }
    Ok(())
}
