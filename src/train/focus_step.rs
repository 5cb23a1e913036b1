//! The step of a latent grid in a focus, which follows from what is asked there.

use super::compressed::Compressed;
use super::focus::FocusVoxels;
use super::latents::{DB_A_NEPER, STEPS, Tried, next_step, step_for};
use super::progress::{Reporter, Stage};
use crate::container::FocusQuality;
use crate::error::Result;

/// Steps that are tried at a time.
const MOST_TRIES: u64 = 10;
/// A PSNR this far above what is asked is taken: a little, so that what the step outside changes does not undo it.
const NEAR_DB: [f64; 2] = [0.02, 0.15];

/// The step in a focus of a PSNR, as far as it is known.
pub(super) struct FocusStep {
    psnr: f64,
    step: f64,
}

impl FocusStep {
    /// `None` where a focus has no step of its own.
    pub(super) fn of(focus: Option<&FocusVoxels>) -> Option<Self> {
        match focus?.quality() {
            FocusQuality::Psnr(psnr) => Some(Self { psnr, step: step_for(psnr) }),
            FocusQuality::Lossless => None,
        }
    }

    pub(super) fn step(&self) -> f64 {
        self.step
    }

    fn above(&self, candidate: &Compressed) -> f64 {
        candidate.focus.map_or(f64::NEG_INFINITY, |focus| focus.inside.psnr - self.psnr)
    }

    /// Whether a file has what is asked.
    pub(super) fn is_met(&self, candidate: &Compressed) -> bool {
        self.above(candidate) >= 0.0
    }

    /// Finds the step beside one outside, than which it is not longer. Gives the file of both, where the last one tried is it.
    pub(super) fn settle(
        &mut self,
        outside: f64,
        attempt: &mut dyn FnMut(f64, f64) -> Result<Compressed>,
        reporter: &mut Reporter<'_>,
    ) -> Result<Option<Compressed>> {
        let (mut met, mut missed): (Option<Tried>, Option<Tried>) = (None, None);
        for tries in 0..MOST_TRIES {
            self.step = self.step.min(outside);
            let candidate = attempt(outside, self.step)?;
            let above = self.above(&candidate);
            log::debug!("step {:.6} in the focus: {:.3} dB above what is asked", self.step, above);
            reporter.long_step(Stage::Coding, tries + 1, MOST_TRIES, candidate.psnr())?;
            let is_longest = above >= 0.0 && self.step == outside;
            if is_longest || (NEAR_DB[0]..=NEAR_DB[1]).contains(&above) {
                return Ok(Some(candidate));
            }
            let tried = Tried { at: self.step.ln(), above: above - NEAR_DB[0] };
            if tried.above >= 0.0 {
                met = Some(tried);
            } else {
                missed = Some(tried);
            }
            let next =
                next_step(met.as_ref(), missed.as_ref(), DB_A_NEPER).clamp(STEPS[0].ln(), outside.ln());
            if (next - self.step.ln()).abs() < 1e-5 {
                break;
            }
            self.step = next.exp();
        }
        self.step = met.map_or(self.step, |met| met.at.exp());
        Ok(None)
    }
}
