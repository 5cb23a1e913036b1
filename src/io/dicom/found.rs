//! What a DICOM file is to us: slices, unfolded and placed, or the reason why it has no slices.

use super::attributes::Attributes;
use super::file::File;
use super::image::Image;
use super::slice::Slice;
use super::{frames, mosaic};
use crate::error::{Error, Result};
use crate::io::OpenOptions;
use dicom_dictionary_std::tags;
use std::path::Path;
use std::sync::Arc;

/// What a DICOM file is to us.
#[derive(Debug)]
pub(super) enum Found {
    /// The slices of an image.
    Image(Vec<Slice>),
    /// An image that is not handled: which series it belongs to, and why not.
    Refused { series_uid: String, why: Error },
    /// DICOM without an image: a structure set, a report.
    NoImage,
    /// Something else than DICOM.
    Foreign,
}

/// Reads a file's header. A damaged file is an error.
pub(super) fn read(path: &Path, options: &OpenOptions) -> Result<Found> {
    let file = File::open(path, &options.limits)?;
    match slices(path, &file, options) {
        Ok(Some(slices)) => Ok(Found::Image(slices)),
        Ok(None) => Ok(Found::NoImage),
        Err(why @ Error::Unsupported { .. }) => {
            Ok(Found::Refused { series_uid: Attributes::of(&file).text(tags::SERIES_INSTANCE_UID), why })
        }
        Err(damaged) => Err(damaged),
    }
}

/// The slices of a file's image; none where it has no image.
fn slices(path: &Path, file: &File, options: &OpenOptions) -> Result<Option<Vec<Slice>>> {
    let whole = Attributes::of(file);
    let Some(image) = Image::of(path, file, &options.limits)?.map(Arc::new) else { return Ok(None) };
    let mut slices = (0..image.frames)
        .map(|frame| Slice::of_frame(image.clone(), frame, &Attributes::of_frame(file, frame)))
        .collect::<Result<Vec<_>>>()?;
    frames::place(&whole, &mut slices, options)?;
    let cut = slices.first().is_some_and(|s| mosaic::is_cut(&whole, s.area.columns, s.area.rows));
    if mosaic::is_one(&whole) && !cut {
        slices = mosaic::unfold(&whole, slices)?;
    }
    Ok(Some(slices))
}
