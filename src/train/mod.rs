//! From a volume to a field that meets a target.
//!
//! [`compress`] takes a latent grid, whose step is searched for, or picks a network for the budget, trains it with a rate
//! term (lambda times bits), measures the result with the shipped decoder, and corrects lambda until the target is met.

mod appraisal;
mod average;
mod bounded;
mod candidate;
mod complexity;
mod components;
mod compressed;
mod dataset_writer;
mod fit;
mod focus;
mod focus_step;
mod infill;
mod initial;
mod labels;
mod lambda;
mod latent_source;
mod latents;
mod network_search;
mod options;
mod plan;
mod progress;
mod ranges;
mod refine;
mod refined_grid;
mod roundings;
mod sampler;
mod schedule;
mod series;
mod session;
mod streamed;
mod target;
mod tissues;

pub use crate::container::{FocusInfo, FocusQuality};
pub use crate::processes::{Communicator, Piece};
pub use components::compress_components;
pub use compressed::Compressed;
pub use dataset_writer::DatasetWriter;
pub use fit::{CurvePoint, FitOptions, Fitted, LearningRates, fit};
pub use focus::{Focus, FocusRegion};
pub use options::{
    Architecture, CompressOptions, EncodingOptions, ModelOptions, Preset, Quality, Representation, Storage,
    Target,
};
pub use progress::{Progress, Stage};
pub use series::SeriesCompressor;
pub use streamed::{
    CompressedSource, LEAST_MEMORY, MOST_VOXELS_IN_MEMORY, Part, compress_source, compress_together,
    least_memory,
};

use crate::container::{IntegerScale, MAX_VOXELS};
use crate::engine::TrainingEngine;
use crate::error::{Error, Result};
use crate::sample::ValueScale;
use crate::volume::{Mask, Volume};
use appraisal::Original;
use candidate::Writer;
use focus::FocusVoxels;
use network_search::NetworkSearch;
use progress::Reporter;
use sampler::VoxelSampler;
use std::ops::ControlFlow;
use std::sync::Arc;
use target::Aim;

/// Compresses a volume.
///
/// # Errors
/// [`Error::Options`] for contradictory options, [`Error::Device`] when the device cannot be had, [`Error::Target`] when
/// the target cannot be met.
pub fn compress(volume: &Volume, options: &CompressOptions) -> Result<Compressed> {
    compress_with_progress(volume, options, |_| ControlFlow::Continue(()))
}

/// [`compress`] under observation: `observe` is told of the progress a few times a second and stops the work by answering
/// [`ControlFlow::Break`].
///
/// # Errors
/// As for [`compress`], and [`Error::Interrupted`] when `observe` said so.
pub fn compress_with_progress(
    volume: &Volume,
    options: &CompressOptions,
    observe: impl FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Compressed> {
    compress_on(options.device.training_engine(options.threads)?, volume, options, observe)
}

/// [`compress_with_progress`] on an engine of the caller's choice.
///
/// # Errors
/// As for [`compress`], and [`Error::Device`] when the engine's device fails.
pub fn compress_on(
    engine: Arc<dyn TrainingEngine>,
    volume: &Volume,
    options: &CompressOptions,
    mut observe: impl FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Compressed> {
    options.check()?;
    check_shape(volume)?;
    let range = volume.range();
    let mask = Mask::of(volume);
    let original = Original::new(volume, mask.as_ref(), range, engine.as_ref());
    let focus =
        options.focus.as_ref().map(|focus| FocusVoxels::new(focus, volume, mask.as_ref())).transpose()?;
    let found = smallest(&engine, &original, focus.as_ref(), options, &mut observe)?;
    if found.distortion.max_error == 0.0 {
        labels::say_where_deflate_is_smaller(volume, found.bytes.len());
    }
    original.appraise(found, engine, options.target.byte_budget(volume.stored_bytes()))
}

/// The smallest file found that meets the target.
fn smallest(
    engine: &Arc<dyn TrainingEngine>,
    original: &Original<'_>,
    focus: Option<&FocusVoxels>,
    options: &CompressOptions,
    observe: &mut impl FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Compressed> {
    let &Original { volume, mask, range, noise, .. } = original;
    let writer = Writer::new(volume, range, mask, options.asked_for(), original.described(), engine.clone())
        .with_focus(focus);
    // Explicit targets mean what they say: the smallest file.
    let keeps_tissues =
        focus.is_none() && matches!(options.target, Target::Quality(Quality::Standard | Quality::Fine));
    let tissues = keeps_tissues.then(|| latent_source::Tissues { original, engine: engine.clone() });
    let options = &options.in_decibels(noise, range);
    let Some(aim) = Aim::new(options.target, volume.stored_bytes()) else {
        let mut reporter = Reporter::new(observe, 0, 1);
        let scale = ValueScale::new(range, volume.sample_type());
        let source = latent_source::LatentSource {
            volume,
            mask,
            scale,
            options,
            engine: engine.as_ref(),
            focus: None,
            tissues: None,
            before: None,
        };
        return bounded::compress(&source, range, &writer, &mut reporter);
    };
    if range.is_none_or(|(low, high)| low == high) {
        // A field of one value has no bits of -0.0, nor of what is masked.
        let constant = match writer.focus_quality() {
            Some(FocusQuality::Lossless) => {
                let exact = IntegerScale { low: 0.0, step: 0.0, sample_type: volume.sample_type() };
                writer.integers(exact, &mut Reporter::new(observe, 0, 1))?
            }
            _ => writer.constant()?,
        };
        let size = constant.bytes.len() as u64;
        return match options.target.byte_budget(volume.stored_bytes()) {
            Some(budget) if size > budget => {
                let stored = volume.stored_bytes();
                Err(aim.missed(-(size as f64), options.target, stored))
            }
            _ => Ok(constant),
        };
    }
    check_range(range)?;
    let scale = ValueScale::new(range, volume.sample_type());
    let representation = options.representation();
    let architecture = match representation {
        Representation::Network(architecture) => Some(architecture),
        // Networks were smaller on none of the volumes tried, and take minutes.
        // None of them has a focus.
        Representation::Smallest if options.preset == Preset::Best && focus.is_none() => {
            Some(Architecture::default())
        }
        Representation::Smallest | Representation::LatentGrid => None,
    };
    let (mut found, mut nearest) = (None, f64::NEG_INFINITY);
    if !matches!(representation, Representation::Network(_)) {
        let mut reporter = Reporter::new(observe, 0, 1);
        let engine = engine.as_ref();
        let source = latent_source::LatentSource {
            volume,
            mask,
            scale,
            options,
            engine,
            focus,
            tissues,
            before: None,
        };
        let latents = latents::compress(&source, aim, &writer, &mut reporter)?;
        (found, nearest) = (latents.met, latents.nearest);
        if representation == Representation::Smallest {
            let integers =
                integers_for(volume, scale, aim, (found.as_ref(), nearest), &writer, &mut reporter)?;
            nearest = integers.as_ref().map_or(nearest, |integers| nearest.max(aim.figure(integers)));
            let is_met = |file: &Compressed| !aim.is_over_budget(file) && writer.meets_focus(file);
            found = smaller(aim, found, integers.filter(is_met));
        }
    }
    if let Some(architecture) = architecture {
        let sampler = VoxelSampler::new(volume, mask, scale, options.seed);
        let measured = volume.len() - mask.map_or(0, Mask::masked);
        let mean = sampler.mean(engine.as_ref());
        let voxels = volume.len();
        let engine = engine.as_ref();
        let search = NetworkSearch { options, architecture, engine, sampler, writer, mean, measured, voxels };
        let network = search.smallest(volume, scale, aim, observe)?;
        if network.met.is_none() {
            log::info!(
                "no network meets the target: {}",
                aim.cannot(network.nearest, options.target, volume.stored_bytes())
            );
        }
        nearest = nearest.max(network.nearest);
        found = smaller(aim, found, network.met);
    }
    let found = found.ok_or_else(|| match options.focus.as_ref().map(|focus| focus.quality) {
        None => aim.missed(nearest, options.target, volume.stored_bytes()),
        Some(quality) => aim.missed_with_focus(quality, nearest, options.target, volume.stored_bytes()),
    })?;
    warn_if_outside_window(aim, found.psnr(), found.bytes.len() as u64);
    Ok(found)
}

/// The better of two results that meet the aim.
fn smaller(aim: Aim, one: Option<Compressed>, other: Option<Compressed>) -> Option<Compressed> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if aim.prefers(&other, &one) { other } else { one }),
        (one, other) => one.or(other),
    }
}

/// Bits a voxel above which integers to a PSNR may be smaller than a latent grid.
const MANY_BITS: f64 = 1.0;

/// The samples as integers: exact, where that is no larger than what was found or than a byte budget allows, whatever the
/// volume is; to a PSNR, where a latent grid takes many bits or misses the aim. `found` has how near the nearest came.
fn integers_for(
    volume: &Volume,
    scale: ValueScale,
    aim: Aim,
    (found, nearest): (Option<&Compressed>, f64),
    writer: &Writer<'_>,
    reporter: &mut Reporter<'_>,
) -> Result<Option<Compressed>> {
    let most = match aim {
        Aim::Psnr { .. } => found.map(|found| found.bytes.len()),
        // Nothing fits: what was the smallest is to be told.
        Aim::Bytes { .. } if found.is_none() => Some(-nearest as usize),
        Aim::Bytes { budget } => usize::try_from(budget).ok(),
    };
    let exact = bounded::exact(volume, most, writer, reporter)?;
    let bits = found.map_or(f64::INFINITY, |f| 8.0 * f.bytes.len() as f64 / volume.len() as f64);
    let Aim::Psnr { target } = aim else { return Ok(exact) };
    if bits < MANY_BITS || exact.as_ref().is_some_and(|exact| exact.distortion.psnr.is_finite()) {
        return Ok(exact);
    }
    let most = match writer.focus_quality() {
        Some(FocusQuality::Psnr(psnr)) => target.max(psnr),
        Some(FocusQuality::Lossless) => return Ok(exact),
        None => target,
    };
    let rmse = scale.span() * 10f64.powf(-most / 20.0);
    let range = (scale.value(0.0), scale.value(1.0));
    let integers = bounded::with_rmse(volume, range, rmse, writer, reporter)?;
    Ok(smaller(aim, exact, Some(integers).filter(|integers| integers.psnr() >= target)))
}

/// Says so where a result is beyond the target's window.
fn warn_if_outside_window(aim: Aim, psnr: f64, bytes: u64) {
    let bytes = bytes as f64;
    match aim {
        Aim::Psnr { target } if psnr.is_finite() && psnr > target + 1.0 => {
            log::warn!("nothing lands within 1 dB of the target; this is {psnr:.2} dB");
        }
        Aim::Bytes { budget } if psnr.is_finite() && bytes < 0.97 * budget as f64 => {
            log::warn!("nothing lands at 97 to 100 % of {budget} bytes; this is {bytes:.0} bytes");
        }
        _ => {}
    }
}

/// A file holds so many voxels.
fn check_shape(volume: &Volume) -> Result<()> {
    if volume.len() as u64 > MAX_VOXELS || volume.shape().iter().any(|&n| u32::try_from(n).is_err()) {
        return Err(Error::Options(format!(
            "a volume of {:?} samples is beyond what a file holds",
            volume.shape()
        )));
    }
    Ok(())
}

/// Measurements are scaled by their range.
fn check_range(range: Option<(f64, f64)>) -> Result<()> {
    if range.is_some_and(|(low, high)| !(high - low).is_finite()) {
        return Err(Error::Options(
            "the volume's range is beyond what a float64 can hold; scale it down".into(),
        ));
    }
    Ok(())
}
