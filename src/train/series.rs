//! The steps of a series over time, each by the one before.

use super::appraisal::Original;
use super::candidate::{Writer, open_own};
use super::compressed::Compressed;
use super::latent_source::{LatentSource, Tissues};
use super::options::{CompressOptions, Quality, Target};
use super::progress::{Progress, Reporter};
use super::target::Aim;
use super::{Representation, check_range, check_shape, compress_on, latents, warn_if_outside_window};
use crate::container::StepBefore;
use crate::engine::{Install, TrainingEngine};
use crate::error::Result;
use crate::latents::WholeBefore;
use crate::sample::ValueScale;
use crate::storage::Fault;
use crate::volume::{Mask, Volume};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Compresses the steps of a series over time, one after the other: each by the step before where that is smaller. Every step meets
/// the target by itself; it is read in the file that a [`DatasetWriter`](super::DatasetWriter) makes of all of them.
pub struct SeriesCompressor {
    key_frames: usize,
    before: Option<(StepBefore, usize)>,
}

impl SeriesCompressor {
    /// Every `key_frames`-th step at least follows no other one, so that any step is decoded from at most as many; 1: none
    /// follows another one. More than 256 count as 256.
    pub fn new(key_frames: usize) -> Self {
        Self { key_frames: key_frames.clamp(1, 256), before: None }
    }

    /// Compresses the next step.
    ///
    /// # Errors
    /// As for [`compress_on`].
    pub fn compress(
        &mut self,
        engine: &Arc<dyn TrainingEngine>,
        volume: &Volume,
        options: &CompressOptions,
        mut observe: impl FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Compressed> {
        let before = self.before.take().filter(|(_, steps)| steps + 1 < self.key_frames);
        if let Some((before, steps)) = &before
            && let Some(found) = follow(engine, before, volume, options, &mut observe)?
        {
            self.before = Self::step_before(&found, Some(before), engine)?.map(|step| (step, steps + 1));
            return Ok(found);
        }
        let found = compress_on(engine.clone(), volume, options, observe)?;
        if self.key_frames > 1 {
            self.before = Self::step_before(&found, None, engine)?.map(|step| (step, 0));
        }
        Ok(found)
    }

    /// What the next step may follow.
    fn step_before(
        found: &Compressed,
        before: Option<&StepBefore>,
        engine: &Arc<dyn TrainingEngine>,
    ) -> Result<Option<StepBefore>> {
        Ok(open_own(&found.bytes, before, engine.clone())?.as_step_before())
    }
}

/// A step by the one before; `None` where it cannot follow, or is smaller by itself.
fn follow(
    engine: &Arc<dyn TrainingEngine>,
    before: &StepBefore,
    volume: &Volume,
    options: &CompressOptions,
    observe: &mut impl FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Option<Compressed>> {
    options.check()?;
    check_shape(volume)?;
    let range = volume.range();
    let spans = [before.description.range, range].map(|range| range.map_or(0.0, |(low, high)| high - low));
    if matches!(options.representation(), Representation::Network(_))
        || options.focus.is_some()
        || before.description.shape != volume.shape()
        || spans.iter().any(|span| !(span.is_finite() && *span > 0.0))
    {
        return Ok(None);
    }
    check_range(range)?;
    let mask = Mask::of(volume);
    let original = Original::new(volume, mask.as_ref(), range, engine.as_ref()).with_before(Some(before));
    let writer =
        Writer::new(volume, range, mask.as_ref(), options.asked_for(), original.described(), engine.clone())
            .with_before(Some(before));
    let keeps_tissues = matches!(options.target, Target::Quality(Quality::Standard | Quality::Fine));
    let tissues = keeps_tissues.then(|| Tissues { original: &original, engine: engine.clone() });
    let in_decibels = options.in_decibels(original.noise, range);
    let Some(aim) = Aim::new(in_decibels.target, volume.stored_bytes()) else { return Ok(None) };
    let whole =
        engine.install(|| WholeBefore::decode(before.reader.clone(), spans)).map_err(Fault::of_own)?;
    let streams = before.reader.streams();
    let first = f64::from(streams.step) * spans[0] / spans[1];
    let source = LatentSource {
        volume,
        mask: mask.as_ref(),
        scale: ValueScale::new(range, volume.sample_type()),
        options: &in_decibels,
        engine: engine.as_ref(),
        focus: None,
        tissues,
        before: Some(Arc::new(whole)),
    };
    let mut reporter = Reporter::new(observe, 0, 1);
    let (found, alone) = latents::follow(&source, streams, first, aim, &writer, &mut reporter)?;
    let Some(found) = found.met.zip(alone).filter(|(found, alone)| found.bytes.len() < alone + LEAST_HEADER)
    else {
        return Ok(None);
    };
    warn_if_outside_window(aim, found.0.psnr(), found.0.bytes.len() as u64);
    let budget = options.target.byte_budget(volume.stored_bytes());
    original.appraise(found.0, engine.clone(), budget).map(Some)
}

/// Bytes of a file beside its streams, at least, about.
const LEAST_HEADER: usize = 100;
