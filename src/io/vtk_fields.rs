//! Field data of VTK's files: what VTK has no place for, as neuvol's VTK classes and its writer of `.vti` say it. VTK's filters
//! and writers keep it.

use crate::error::{Error, Result};
use crate::volume::{Frame, Volume};
use std::path::Path;

/// The frame of the world coordinates: one string, as [`Frame::name`] gives it.
pub(super) const FRAME: &str = "neuvol_frame";
/// The array that the fill value is of: one string.
pub(super) const ARRAY: &str = "neuvol_array";
/// The value that marks masked samples of that array: one number.
pub(super) const FILL_VALUE: &str = "neuvol_fill_value";
/// The other end of the masked values, where they are a range: one number.
pub(super) const FILL_LIMIT: &str = "neuvol_fill_limit";

/// When the data are, as VTK's own writers say it: one number.
pub(super) const TIME: &str = "TimeValue";

/// What a file says in field data.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields {
    pub(super) frame: Frame,
    /// The array that the fill value is of.
    pub(super) array: Option<String>,
    pub(super) fill_value: Option<f64>,
    pub(super) fill_limit: Option<f64>,
    pub(super) time: Option<f64>,
}

impl Fields {
    /// Says it of a volume made of the array of this name: field data travels through filters, which may add arrays.
    pub(super) fn describe(&self, array: &str, volume: &mut Volume) {
        volume.geometry.frame = self.frame;
        if let (Some(of), Some(value)) = (&self.array, self.fill_value)
            && of == array
        {
            volume.fill_value = Some(volume.sample_type().nearest(value));
            volume.fill_limit = self.fill_limit.map(|limit| volume.sample_type().nearest(limit));
        }
    }
}

/// The frame that a file names.
pub(super) fn frame(path: &Path, name: &str) -> Result<Frame> {
    Frame::from_name(name).ok_or_else(|| {
        Error::format(
            path,
            format!(
                "the field data array {FRAME} is '{name}', but '{}' and '{}' are the frames that neuvol knows",
                Frame::Lps.name(),
                Frame::Unknown.name()
            ),
        )
    })
}
