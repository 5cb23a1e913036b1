//! DICOM: a folder of slices, a DICOMDIR, or one file; single and multi-frame images, dose grids, time series.
//!
//! Of the `dicom` crates, `dictionary-std` knows the elements, `encoding` the character sets, `transfer-syntax-registry`
//! the codecs, and `object` writes. Reading a file's elements is own code, since the parser trusts their lengths (file.rs), and
//! so are grouping, sorting, geometry and time steps, which the crates leave to their users, and pixels, which
//! go straight into the volume's memory.
//!
//! Nothing that identifies a patient leaves this module unasked: no names, dates, identifiers, UIDs or free text.

mod attributes;
mod codec;
mod dicomdir;
mod file;
mod frames;
mod jpeg_extended;
mod origin;
mod pixels;
mod regrid;
mod rle;
pub(super) mod series;
mod slice;
mod stack;
#[cfg(test)]
mod tests;
mod time;
pub(super) mod write;

use super::rescale::Rescale;
use super::{OpenOptions, elements};
use crate::error::Result;
use crate::volume::Volume;
use slice::Slice;
use std::path::Path;

/// Key of the provenance: `MONOCHROME1` where small values are meant to be white. The values are kept as they are.
const PHOTOMETRIC: &str = "photometric interpretation";

/// Whether a file's first bytes are a DICOM file's: the prefix behind the preamble (PS3.10, section 7.1).
pub(super) fn recognises(start: &[u8]) -> bool {
    start.get(128..132) == Some(b"DICM")
}

/// How many volumes a series holds.
pub(super) fn time_steps(path: &Path, options: &OpenOptions) -> Result<usize> {
    let slices = stack::alike(path, series::find(path, options)?, options)?;
    Ok(time::steps(path, slices, options)?.0.len())
}

/// Reads a series of a folder (searched recursively) or of a DICOMDIR, or one file, into LPS millimetres.
pub(super) fn open(path: &Path, options: &OpenOptions) -> Result<Volume> {
    let mut slices = stack::alike(path, series::find(path, options)?, options)?;
    if options.stored_values {
        slices.iter_mut().for_each(|slice| slice.rescale = Rescale::NONE);
    }
    let (mut steps, told_apart) = time::steps(path, slices, options)?;
    let step_count = steps.len();
    let step = super::time_step(path, step_count, options)?;
    let mut stack = stack::measure(path, steps.swap_remove(step), options)?;
    let first = series::first(path, &stack.slices)?;
    let shape = [first.image.columns, first.image.rows, stack.slices.len()];
    elements::sample_count(path, shape.map(|n| n as u64), first.stored_type().size(), &options.limits)?;
    let decoded = pixels::decode(path, &stack.slices, options)?;

    let mut volume = Volume::new(decoded.samples, shape)?;
    volume.geometry = stack.geometry;
    volume.fill_value = decoded.padding;
    volume.unit = if options.stored_values { String::new() } else { first.unit().into() };
    let image = &first.image;
    if !image.modality.is_empty() {
        volume.name = image.modality.to_ascii_lowercase();
    }
    let mut note = |key: &str, value: String| volume.provenance.insert(key.into(), value);
    note("source format", "DICOM".into());
    note("modality", image.modality.clone());
    note("slices", stack.slices.len().to_string());
    note("source type", format!("{}, {} bits stored", first.stored_type(), image.bits_stored));
    note("transfer syntax", attributes::transfer_syntax_name(&image.transfer_syntax));
    note("pixel spacing", format!("{} {}", first.pixel_spacing[0], first.pixel_spacing[1]));
    note(PHOTOMETRIC, image.photometric.clone());
    match decoded.rescale {
        Some(rescale) => {
            note("rescale slope", rescale.slope.to_string());
            note("rescale intercept", rescale.intercept.to_string());
        }
        None => drop(note("rescale", "differs between slices".into())),
    }
    if let Some(by) = told_apart {
        note("time step", format!("{} of {step_count}, by {by}", step + 1));
    }
    origin::keep(&stack.slices, &mut volume);
    if let Some(positions) = stack.uneven.take() {
        let resampled = "missing or uneven slices interpolated to an even grid";
        volume.provenance.insert("resampled".into(), resampled.into());
        let count = positions.last().map_or(1, |last| last.round() as usize + 1);
        elements::sample_count(
            path,
            [shape[0], shape[1], count].map(|n| n as u64),
            volume.sample_type().size(),
            &options.limits,
        )?;
        volume = regrid::fill_gaps(volume, &positions, count)?;
    }
    if let Some(lean) = stack.lean.filter(|_| options.resample_tilt) {
        volume.provenance.insert("resampled".into(), "leaning slices set upright".into());
        volume = regrid::upright(path, volume, &stack, lean)?;
    }
    Ok(volume)
}
