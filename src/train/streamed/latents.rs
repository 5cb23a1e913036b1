//! A PSNR, a ratio or a size met by a latent grid: its step is searched for on a sample, and corrected by what the whole gives.

use super::sample::SampleBlocks;
use super::{Making, Run};
use crate::container::{Body, Contents, MOST_STEP};
use crate::error::Result;
use crate::latents::{BlockwiseEncoder, MOST_IN_MEMORY, Rate, Workers};
use crate::train::latent_source::LAMBDA;
use crate::train::progress::Stage;
use crate::train::target::Aim;

/// Steps that are tried on the sample, and passes over the whole, at most.
const MOST_TRIES: usize = 8;
const MOST_PASSES: usize = 4;
/// A sample is not nearer to the whole than this.
const NEAR_DB: f64 = 0.03;
const NEAR_SHARE: f64 = 0.004;
/// Where passes aim: this far above a PSNR, and at this share of a size.
const AIM_DB: f64 = 0.1;
const AIM_SHARE: f64 = 0.988;
/// Results this far above a PSNR, and of this share of a size, are taken.
const TAKEN_DB: f64 = 0.3;
const TAKEN_SHARE: f64 = 0.97;
const STEPS: [f64; 2] = [1e-8, MOST_STEP as f64];

/// What passes aim at.
struct Goal(Aim);

impl Goal {
    /// How far above the target, and aimed at: dB, or the logarithm of the budget by the bytes.
    fn above(&self, psnr: f64, bytes: f64) -> f64 {
        match self.0 {
            Aim::Psnr { target } => psnr - target - AIM_DB,
            Aim::Bytes { budget } => (AIM_SHARE * budget as f64 / bytes).ln(),
        }
    }

    /// By how much that changes when the step's logarithm grows by one, about.
    fn slope(&self) -> f64 {
        match self.0 {
            Aim::Psnr { .. } => -6.0,
            Aim::Bytes { .. } => 1.1,
        }
    }

    fn near(&self) -> f64 {
        match self.0 {
            Aim::Psnr { .. } => NEAR_DB,
            Aim::Bytes { .. } => NEAR_SHARE,
        }
    }

    fn is_met(&self, psnr: f64, bytes: u64) -> bool {
        match self.0 {
            Aim::Psnr { target } => psnr >= target,
            Aim::Bytes { budget } => bytes <= budget,
        }
    }

    fn is_taken(&self, psnr: f64, bytes: u64) -> bool {
        self.is_met(psnr, bytes)
            && match self.0 {
                Aim::Psnr { target } => psnr <= target + TAKEN_DB || psnr.is_infinite(),
                Aim::Bytes { budget } => bytes as f64 >= TAKEN_SHARE * budget as f64,
            }
    }
}

/// The next step by what the last two gave: as logarithm of the step, and how far above the target.
fn next_step(aim: &Goal, tried: &[(f64, f64)]) -> f64 {
    let &(at, above) = tried.last().expect("one was tried");
    let slope = match tried {
        [.., (other, of_other), _] if (at - other).abs() > 1e-6 => {
            let found = (above - of_other) / (at - other);
            // Between half and twice what is usual: two that are near each other say little.
            let usual = aim.slope();
            (found / usual).clamp(0.5, 2.0) * usual
        }
        _ => aim.slope(),
    };
    (at - (above / slope).clamp(-2.0, 2.0)).clamp(STEPS[0].ln(), STEPS[1].ln())
}

impl Making<'_> {
    pub(super) fn latents(&self, sample: SampleBlocks, run: &mut Run<'_>) -> Result<Contents> {
        let asked = self.options.in_decibels(self.noise, self.survey.range).target;
        let stored = self.header.stored_bytes();
        let aim = Goal(Aim::new(asked, stored).expect("other targets take another way"));
        let overhead = self.contents(None).bytes() as f64 + 8.0 * self.header.voxels() as f64 / 2_097_152.0;
        // Of a fine quantiser the error is a twelfth of the squared step; dead zones double it.
        let first = match aim.0 {
            Aim::Psnr { target } => 10f64.powf(-target / 20.0) * 3.0,
            Aim::Bytes { .. } => 0.02,
        };
        let measured = (self.header.voxels() - self.survey.masked) as f64;
        let mut tried: Vec<(f64, f64)> = Vec::new();
        let mut at = first.ln();
        for n in 0..MOST_TRIES {
            let estimate = sample.estimate(at.exp() as f32, self.engine.as_ref(), run.group)?;
            let above = aim.above(estimate.psnr, overhead + estimate.bytes_a_voxel * measured);
            run.reporter.long_step(Stage::Coding, n as u64, MOST_TRIES as u64, estimate.psnr)?;
            tried.push((at, above));
            at = next_step(&aim, &tried);
            if above.abs() < aim.near() || !above.is_finite() {
                break;
            }
        }
        drop(sample);
        self.whole(&aim, at, asked, run)
    }

    /// Passes over the whole.
    fn whole(
        &self,
        aim: &Goal,
        first: f64,
        asked: crate::train::Target,
        run: &mut Run<'_>,
    ) -> Result<Contents> {
        let shape = self.header.shape;
        let on_threads = |work: &mut (dyn FnMut() + Send)| self.engine.run(work);
        let Run { reporter, group } = run;
        let encoder = {
            let mut go_on =
                |done: usize, all: usize| reporter.step(Stage::Reading, done as u64, all as u64, f64::NAN);
            let workers = Workers { run: &on_threads, threads: self.engine.threads() };
            BlockwiseEncoder::new(
                self,
                shape,
                workers,
                group,
                (&|| self.temporary(), MOST_IN_MEMORY),
                &mut go_on,
            )?
        };
        let mut best: Option<(f64, Contents)> = None;
        let mut nearest = f64::NEG_INFINITY;
        let mut tried: Vec<(f64, f64)> = Vec::new();
        let mut at = first;
        for _ in 0..MOST_PASSES {
            let file = self.temporary()?;
            let mut go_on =
                |done: usize, all: usize| reporter.step(Stage::Coding, done as u64, all as u64, f64::NAN);
            let rate = Rate { step: at.exp() as f32, focus: at.exp() as f32, lambda: LAMBDA };
            let streams = encoder.encode(rate, file, group, &mut go_on)?;
            let mut contents = self.contents(Some(Body::Latents(streams)));
            reporter.measuring()?;
            let (fidelity, ranges) = self.measure(&self.open(contents.clone())?, group)?;
            contents.put_achieved(&fidelity);
            let distortion = fidelity.distortion;
            let bytes = contents.bytes();
            let above = aim.above(distortion.psnr, bytes as f64);
            log::debug!("step {:.6}: {:.3} dB, {bytes} bytes", at.exp(), distortion.psnr);
            tried.push((at, above));
            let figure = match aim.0 {
                Aim::Psnr { .. } => distortion.psnr,
                Aim::Bytes { .. } if aim.is_met(distortion.psnr, bytes) => bytes as f64,
                Aim::Bytes { .. } => -(bytes as f64),
            };
            nearest = nearest.max(figure);
            let is_better = best.as_ref().is_none_or(|(of_best, _)| above.abs() < of_best.abs());
            if aim.is_met(distortion.psnr, bytes) && is_better {
                self.put_ranges(&mut contents, ranges);
                best = Some((above, contents));
            }
            if aim.is_taken(distortion.psnr, bytes) {
                break;
            }
            at = next_step(aim, &tried);
        }
        let missed = || aim.0.missed(nearest, asked, self.header.stored_bytes());
        best.map(|(_, contents)| contents).ok_or_else(missed)
    }
}
