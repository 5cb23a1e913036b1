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
mod spacing;
mod stack;
mod syntax;
#[cfg(test)]
mod tests;
mod times;
mod value_map;
mod walk;
pub(super) mod write;

use super::contents::{Contents, InputArray};
use super::rescale::Rescale;
use super::{OpenOptions, elements};
use crate::error::Result;
use crate::volume::Volume;
use colour::Colour;
use pixels::Padding;
use segmentation::Segmentation;
use separate::{Parts, SeparatePart};
use slice::Slice;
use std::path::Path;
use value_map::ValueMap;

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

/// Reads the only volume of a series, or the one that is chosen.
pub(super) fn open(path: &Path, options: &OpenOptions) -> Result<Volume> {
    let volumes = Volumes::open(path, options)?;
    let step = super::time_step(path, volumes.steps(path)?, options)?;
    volumes.read(path, step, options)
}

fn read(
    path: &Path,
    part: &SeparatePart,
    (step, step_count): (usize, usize),
    options: &OpenOptions,
) -> Result<Volume> {
    let mut slices = part.slices.clone();
    if options.stored_values {
        slices.iter_mut().for_each(|slice| slice.values = Ok(ValueMap::Linear(Rescale::NONE)));
    }
    let components = slices.first().map_or(1, |slice| slice.image.components(options).max(1));
    let component = super::component(path, "each pixel", components, options)?;
    if !options.stored_values {
        for slice in &mut slices {
            if let Some(colours) = slice.image.colour.values(component) {
                slice.values = Ok(colours);
            }
        }
    }
    let mut stack = stack::measure(path, slices, options)?;
    let first = stack::first(path, &stack.slices)?;
    let shape = [first.area.columns, first.area.rows, stack.slices.len()];
    elements::sample_count(path, shape.map(|n| n as u64), first.stored_type().size(), &options.limits)?;
    let decoded = pixels::decode(path, &stack.slices, component, options)?;

    let mut volume = Volume::new(decoded.samples, shape)?;
    volume.geometry = stack.geometry;
    if let Some(padding) = decoded.padding {
        mask_padding(path, &mut volume, padding);
    }
    if let (Some(padding), Some(rescale)) = (first.image.float_padding, decoded.rescale) {
        volume.fill_value = Some(volume.sample_type().nearest(rescale.apply(padding)));
    }
    volume.unit = if options.stored_values { String::new() } else { first.unit().into() };
    let image = &first.image;
    volume.name = image.name();
    let mut note = |key: &str, value: String| volume.provenance.insert(key.into(), value);
    note("source format", "DICOM".into());
    note("modality", image.modality.clone());
    note("slices", stack.slices.len().to_string());
    note("source type", format!("{}, {} bits stored", first.stored_type(), image.bits_stored));
    note("transfer syntax", attributes::transfer_syntax_name(&image.transfer_syntax));
    let [between_rows, between_columns] = first.pixel_spacing.or_one();
    note("pixel spacing", format!("{between_rows} {between_columns}"));
    note(PHOTOMETRIC, image.photometric.clone());
    match decoded.rescale {
        Some(rescale) => {
            note("rescale slope", rescale.slope.to_string());
            note("rescale intercept", rescale.intercept.to_string());
        }
        None if image.colour != Colour::Grey => {}
        None if slices_have_tables(&stack.slices) => drop(note("rescale", "by a table".into())),
        None => drop(note("rescale", "differs between slices".into())),
    }
    if !part.label.is_empty() {
        note("volume", part.label.clone());
    }
    if step_count > 1 {
        note("time step", format!("{} of {step_count}", step + 1));
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

fn slices_have_tables(slices: &[Slice]) -> bool {
    slices.iter().any(|slice| matches!(slice.values, Ok(ValueMap::Table(_))))
}

/// Has the values of padding stand for "no data", where no measurement lies between them.
fn mask_padding(path: &Path, volume: &mut Volume, padding: Padding) {
    if padding.covers_measurements(volume.samples()) {
        log::warn!(
            "{}: the values of padding, {} to {}, have measurements between them: none is masked",
            path.display(),
            padding.low,
            padding.high
        );
        return;
    }
    volume.fill_value = Some(padding.low);
    volume.fill_limit = Some(padding.high).filter(|high| *high != padding.low);
}
