//! DICOM series: a folder of slices, or one file.
//!
//! `dicom-object` parses the files. Grouping, sorting, geometry and pixels are own code: the crates have none of the
//! first three, and their pixel decoder goes through one `Vec` per slice and type.
//!
//! Nothing that identifies a patient leaves this module: no names, dates, identifiers, UIDs or free text.

mod geometry;
mod lengths;
mod pixels;
pub(super) mod series;
mod slice;
#[cfg(test)]
mod tests;
pub(super) mod write;

use super::{OpenOptions, elements};
use crate::error::Result;
use crate::volume::Volume;
use slice::Slice;
use std::path::Path;

/// Whether a file's first bytes are a DICOM file's: the prefix behind the preamble (PS3.10, section 7.1).
pub(super) fn recognises(start: &[u8]) -> bool {
    start.get(128..132) == Some(b"DICM")
}

/// Reads a series of a folder (searched recursively), or one file, into LPS millimetres.
pub(super) fn open(path: &Path, options: &OpenOptions) -> Result<Volume> {
    let mut slices = series::find(path, options.series.as_deref())?;
    let geometry = geometry::sort_and_measure(path, &mut slices)?;
    let first = series::first(path, &slices)?;
    let shape = [first.columns, first.rows, slices.len()];
    elements::sample_count(path, shape.map(|n| n as u64), first.stored_type().size(), &options.limits)?;
    let decoded = pixels::decode(path, &slices)?;

    let mut volume = Volume::new(decoded.samples, shape)?;
    volume.geometry = geometry;
    volume.fill_value = decoded.padding;
    volume.unit = first.unit().into();
    if !first.modality.is_empty() {
        volume.name = first.modality.to_ascii_lowercase();
    }
    let mut note = |key: &str, value: String| volume.provenance.insert(key.into(), value);
    note("source format", "DICOM".into());
    note("modality", first.modality.clone());
    note("slices", slices.len().to_string());
    note("source type", format!("{}, {} bits stored", first.stored_type(), first.bits_stored));
    note("transfer syntax", first.transfer_syntax.clone());
    note("pixel spacing", format!("{} {}", first.pixel_spacing[0], first.pixel_spacing[1]));
    note("photometric interpretation", first.photometric.clone());
    match decoded.rescale {
        Some(rescale) => {
            note("rescale slope", rescale.slope.to_string());
            note("rescale intercept", rescale.intercept.to_string());
        }
        None => drop(note("rescale", "differs between slices".into())),
    }
    Ok(volume)
}
