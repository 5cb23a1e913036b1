//! What latent grids are made of.

use super::appraisal::Original;
use super::focus::FocusVoxels;
use super::infill::infill;
use super::refine::Refiner;
use super::tissues::Shift;
use crate::engine::{Engine, Install, TrainingEngine};
use crate::latents::{FocusCells, LatentEncoder, Rate, WholeBefore};
use crate::sample::ValueScale;
use crate::train::CompressOptions;
use crate::volume::{Mask, Volume, for_each_type};
use rayon::prelude::*;
use std::sync::Arc;

/// What a bit costs, in squared steps: the slope of the error by the rate of a fine uniform quantiser is
/// `ln(2) / 6 = 0.116`; a little less was best on every volume tried (benches/README.md).
pub(super) const LAMBDA: f32 = 0.07;

/// A rate of these steps, outside of a focus and in it, which is never longer there.
pub(super) fn rate(step: f64, focus: f64) -> Rate {
    Rate { step: step as f32, focus: focus.min(step) as f32, lambda: LAMBDA }
}

/// What latent grids are made of.
pub(super) struct LatentSource<'a> {
    pub(super) volume: &'a Volume,
    pub(super) mask: Option<&'a Mask>,
    pub(super) scale: ValueScale,
    pub(super) options: &'a CompressOptions,
    pub(super) engine: &'a dyn Engine,
    /// What is to be better than the rest.
    pub(super) focus: Option<&'a FocusVoxels>,
    /// Where tissues are to stay where they are in the mean: what tells how far they are off.
    pub(super) tissues: Option<Tissues<'a>>,
    /// The grid of the step before, where this one's is to be coded by it.
    pub(super) before: Option<Arc<WholeBefore>>,
}

/// The original and what measures files against it.
#[derive(Clone)]
pub(super) struct Tissues<'a> {
    pub(super) original: &'a Original<'a>,
    pub(super) engine: Arc<dyn TrainingEngine>,
}

impl<'a> LatentSource<'a> {
    /// The coefficients of the volume, transformed on the engine's threads.
    pub(super) fn encoder(&self) -> LatentEncoder {
        let cells = self.cells().cloned();
        self.engine.install(|| {
            LatentEncoder::new(self.grid(None), self.volume.shape())
                .with_focus(cells)
                .with_before(self.before.clone())
        })
    }

    /// What learns perceptrons for grids that take about `bytes`.
    pub(super) fn refiner(&self, bytes: usize) -> Option<Refiner<'a>> {
        Refiner::new(self, bytes)
    }

    /// The cells of the focus, where it is to have a step of its own.
    pub(super) fn cells(&self) -> Option<&Arc<FocusCells>> {
        self.focus.and_then(FocusVoxels::cells)
    }

    /// The volume's values, 0 to 1 but for what is added to them, smooth where it is masked.
    pub(super) fn grid(&self, shift: Option<&Shift>) -> Vec<f32> {
        let shifted = |value: f64| shift.map_or(value, |shift| shift.apply(value));
        let mut values: Vec<f32> = for_each_type!(self.volume.samples(), samples => {
            samples.par_iter().map(|&v| self.scale.normalised(shifted(crate::volume::Sample::to_f64(v)))).collect()
        });
        if let Some(mask) = self.mask {
            infill(&mut values, mask.codes(), self.volume.shape());
        }
        values
    }
}
