//! DICOM: a folder of slices, a DICOMDIR, or one file; single and multi-frame images, dose grids, time series.
//!
//! Of the `dicom` crates, `dictionary-std` knows the elements, `encoding` the character sets, `transfer-syntax-registry`
//! the names of the transfer syntaxes, and `object` writes. Reading a file's elements is own code, since the parser trusts their lengths (file.rs), and
//! so are grouping, sorting, geometry and time steps, which the crates leave to their users, and pixels, which
//! go straight into the volume's memory.
//!
//! Nothing that identifies a patient leaves this module unasked: no names, dates, identifiers, UIDs or free text.

mod area;
mod attributes;
mod codec;
mod colour;
mod data_set;
mod decimal;
mod dicomdir;
mod dimension;
mod dimension_value;
mod file;
mod found;
mod frames;
mod image;
mod mosaic;
mod origin;
mod own_dimensions;
mod passes;
mod pixels;
mod real_world;
mod regrid;
mod segmentation;
mod separate;
pub(super) mod series;
mod slice;
mod source;
mod spacing;
mod stack;
mod syntax;
#[cfg(test)]
mod tests;
mod times;
mod value_map;
mod walk;
mod wanted;
pub(super) mod write;

use super::contents::{Contents, InputArray};
use super::located::FoundSource;
use super::{OpenOptions, elements};
use crate::error::Result;
use crate::volume::Volume;
use pixels::{Padding, PixelReader};
use segmentation::Segmentation;
use separate::{Parts, SeparatePart};
use slice::Slice;
use std::path::Path;
use wanted::WantedVolume;

/// Key of the provenance: `MONOCHROME1` where small values are meant to be white. The values are kept as they are.
const PHOTOMETRIC: &str = "photometric interpretation";

/// Whether a file's first bytes are a DICOM file's.
pub(super) fn recognises(start: &[u8]) -> bool {
    syntax::start(start).is_some()
}

/// The volumes of a series, with their headers read and nothing else.
pub(super) struct Volumes(SeriesContent);

enum SeriesContent {
    Images { parts: Vec<SeparatePart>, over_time: bool },
    Segments(Box<Segmentation>),
}

impl Volumes {
    /// Finds the series of a folder (searched recursively) or of a DICOMDIR, or takes one file, and tells its volumes apart.
    pub(super) fn open(path: &Path, options: &OpenOptions) -> Result<Self> {
        let mut slices = stack::alike(path, series::find(path, options)?, options)?;
        spacing::settle(path, &mut slices, options)?;
        if let Some(segments) = Segmentation::of(path, &slices, options)? {
            return Ok(Self(SeriesContent::Segments(Box::new(segments))));
        }
        if options.array.is_some() {
            return Err(super::no_arrays(path));
        }
        let Parts { parts, over_time } = separate::volumes(path, slices, options)?;
        Ok(Self(SeriesContent::Images { parts, over_time }))
    }

    /// How many volumes there are to read: steps over time.
    ///
    /// # Errors
    /// Where the volumes are no steps over time, so that the caller has to choose.
    pub(super) fn steps(&self, path: &Path) -> Result<usize> {
        match &self.0 {
            SeriesContent::Images { parts, over_time: true } => Ok(parts.len()),
            SeriesContent::Images { parts, .. } => Err(separate::choose_one(path, parts)),
            SeriesContent::Segments(_) => Ok(1),
        }
    }

    /// The segments, or one array that is named after the modality; and when each step is.
    pub(super) fn contents(&self, path: &Path, options: &OpenOptions) -> Result<Contents> {
        let steps = self.steps(path)?;
        let parts = match &self.0 {
            SeriesContent::Images { parts, .. } => parts,
            SeriesContent::Segments(segments) => return segments.contents(path, options),
        };
        let slices = parts.first().map(|part| part.slices.as_slice()).unwrap_or_default();
        let image = &stack::first(path, slices)?.image;
        let names = image.colour.components(options.stored_values);
        let array = InputArray::new(image.name(), names.len().max(1)).with_names(names.iter().copied());
        Ok(Contents::of_one(array, steps, times::of(parts)))
    }

    /// What reads one of them box by box; `None` where it has to be read whole.
    pub(super) fn find_source(
        &self,
        path: &Path,
        step: usize,
        options: &OpenOptions,
    ) -> Result<Option<FoundSource>> {
        let count = self.steps(path)?;
        let whole = |why: &str| {
            log::info!("{}: it is read whole: {why}", path.display());
            Ok(None)
        };
        match &self.0 {
            SeriesContent::Images { .. } if options.allow_gaps || options.resample_tilt => {
                whole("slices that are resampled need their neighbours")
            }
            SeriesContent::Images { parts, .. } => {
                let part = parts.get(step).ok_or_else(|| stack::no_image(path))?;
                let wanted = WantedVolume::of(path, part, (step, count), options)?;
                match wanted.is_inflated_at_once() {
                    true => whole("its frames are deflated together"),
                    false => source::of(path, wanted, options).map(Some),
                }
            }
            SeriesContent::Segments(_) => whole("it is a segmentation, whose frames are of several planes"),
        }
    }

    /// Reads one of them into LPS millimetres.
    pub(super) fn read(&self, path: &Path, step: usize, options: &OpenOptions) -> Result<Volume> {
        let count = self.steps(path)?;
        match &self.0 {
            SeriesContent::Images { parts, .. } => {
                let part = parts.get(step).ok_or_else(|| stack::no_image(path))?;
                read(path, part, (step, count), options)
            }
            SeriesContent::Segments(segments) => segments.read(path, options),
        }
    }
}

/// What reads the only volume of a series box by box, or the one that is chosen; `None` where it has to be read whole.
pub(super) fn find_source(path: &Path, options: &OpenOptions) -> Result<Option<FoundSource>> {
    let volumes = Volumes::open(path, options)?;
    let step = super::time_step(path, volumes.steps(path)?, options)?;
    volumes.find_source(path, step, options)
}

/// Reads the only volume of a series, or the one that is chosen.
pub(super) fn open(path: &Path, options: &OpenOptions) -> Result<Volume> {
    let volumes = Volumes::open(path, options)?;
    let step = super::time_step(path, volumes.steps(path)?, options)?;
    volumes.read(path, step, options)
}

fn read(path: &Path, part: &SeparatePart, steps: (usize, usize), options: &OpenOptions) -> Result<Volume> {
    let wanted = WantedVolume::of(path, part, steps, options)?;
    let mut stack = wanted.measure(path, options)?;
    let shape = wanted.shape();
    let pixels = PixelReader::new(path, &stack.slices, wanted.component, options)?;
    let decoded = pixels.decode()?;

    let mut volume = Volume::new(decoded.samples, shape)?;
    if let Some(padding) = decoded.padding {
        match padding.covers_measurements(|| Ok(padding.count(volume.samples())))? {
            true => say_that_padding_covers(path, padding),
            false => padding.mask(&mut volume),
        }
    }
    wanted.describe(&mut volume, &stack, pixels.rescale(), options);
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

/// Says that padding cannot be told from measurements.
fn say_that_padding_covers(path: &Path, padding: Padding) {
    log::warn!(
        "{}: the values of padding, {} to {}, have measurements between them: none is masked",
        path.display(),
        padding.low,
        padding.high
    );
}
