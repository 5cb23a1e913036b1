//! Inputs that are read box by box: what a reader found of a volume before it has read a sample, and how its samples come to be
//! read: where they lie in the file, or out of a temporary file that they are unpacked to piece by piece.

mod file_source;
mod pieces;
mod temporary;
#[cfg(test)]
pub(super) mod tests;
mod unread;

pub(super) use file_source::FileSource;
pub(super) use pieces::{LONGEST_NUMBER, TextForm, numbers_of_text, samples_of_bytes};
pub(super) use temporary::Temporary;
pub(super) use unread::{Content, Located, Unread, stand_in};

use super::{Format, OpenOptions, collection, dicom, format_of, metaimage, nifti, npy, nrrd, raw};
use super::{refuse_what_does_not_apply, tiff, vtk_legacy, vtk_xml};
use crate::error::Result;
use crate::volume::{SampleType, Source};
use std::path::Path;

/// An input that can be read box by box; nothing but headers has been read of it.
pub struct FoundSource {
    shape: [usize; 3],
    stored_bytes: u64,
    in_place: bool,
    name: Option<String>,
    fill_value: Option<f64>,
    time_step: Option<String>,
    /// A warning.
    left_out: Option<String>,
    open: Open,
}

/// Opens a source, with the folder that a temporary file may lie in.
type Open = Box<dyn FnOnce(&Path) -> Result<FileSource>>;

impl FoundSource {
    /// Of so many samples of a type, which are unpacked to a temporary file as such.
    pub(super) fn unpacked(
        shape: [usize; 3],
        sample_type: SampleType,
        open: impl FnOnce(&Path) -> Result<FileSource> + 'static,
    ) -> Self {
        let voxels = shape.iter().map(|&n| n as u64).product::<u64>();
        Self {
            shape,
            stored_bytes: voxels.saturating_mul(sample_type.size() as u64),
            in_place: false,
            name: None,
            fill_value: None,
            time_step: None,
            left_out: None,
            open: Box::new(open),
        }
    }

    /// The same of samples that are read where they lie.
    pub(super) fn in_place(
        shape: [usize; 3],
        sample_type: SampleType,
        open: impl FnOnce(&Path) -> Result<FileSource> + 'static,
    ) -> Self {
        Self { in_place: true, ..Self::unpacked(shape, sample_type, open) }
    }

    /// Samples along x, y, z.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Number of voxels.
    pub fn voxels(&self) -> u64 {
        self.shape.iter().map(|&n| n as u64).product()
    }

    /// Bytes of the samples as they are stored; those of the volume may be of another type where they are rescaled.
    pub fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    /// Bytes of the temporary file that the samples are unpacked to when the source is opened; 0 where they are read where they
    /// lie: uncompressed, of a type that is kept as it is.
    pub fn temporary_bytes(&self) -> u64 {
        if self.in_place { 0 } else { self.stored_bytes }
    }

    /// The same under another name: that of its array.
    pub fn named(self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self }
    }

    /// Opens the source. A temporary file in `folder` has no name, and is gone with the source; a few megabytes are in memory
    /// while it is filled, or the slices that are decoded at a time.
    ///
    /// # Errors
    /// Those of [`super::open`]; [`crate::Error::Io`], which names the folder, where the temporary file cannot be written.
    pub fn open(self, folder: &Path) -> Result<Box<dyn Source>> {
        if let Some(left_out) = self.left_out {
            log::warn!("{left_out}");
        }
        let mut source = (self.open)(folder)?;
        let header = source.header_mut();
        if let Some(fill) = self.fill_value {
            header.fill_value = Some(header.sample_type.nearest(fill));
            header.fill_limit = None;
        }
        if let Some(name) = self.name {
            header.name = name;
        }
        if let Some(step) = self.time_step {
            header.provenance.insert("time step".into(), step);
        }
        Ok(Box::new(source))
    }

    /// With the caller's fill value.
    pub(super) fn with_fill_value(self, options: &OpenOptions) -> Self {
        Self { fill_value: options.fill_value, ..self }
    }

    /// Of a list, which says which of its steps this is, and what else it holds.
    pub(super) fn of_list(self, time_step: Option<String>, left_out: Option<String>) -> Self {
        Self { time_step, left_out, ..self }
    }
}

/// Finds out whether an input can be read box by box, and reads its headers only. Inputs of every format can. `None` for what has to
/// be read whole, which [`super::open`] does: DICOM segmentations, DICOM that is resampled or whose frames are deflated together,
/// VTK blocks of more than 64 MB, and pieces of a VTK image whose 64-bit integers are narrowed. Why is logged.
///
/// # Errors
/// Those of [`super::open`].
pub fn find_source(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Option<FoundSource>> {
    let path = path.as_ref();
    let format = format_of(path, options)?;
    refuse_what_does_not_apply(path, format, options)?;
    let unread = match format {
        Format::Raw => Unread::from(raw::locate(path, options)?),
        Format::Npy => Unread::from(npy::locate(path, options)?),
        Format::Nifti => nifti::locate(path, options)?,
        Format::Nrrd => nrrd::locate(path, options)?,
        Format::MetaImage => metaimage::locate(path, options)?,
        Format::VtkLegacy => vtk_legacy::locate(path, options)?,
        Format::VtkXml => return with_fill(vtk_xml::find_source(path, options)?, options),
        Format::Tiff => return with_fill(Some(tiff::find_source(path, options)?), options),
        Format::Dicom => return with_fill(dicom::find_source(path, options)?, options),
        Format::List => return collection::find_source(path, options),
    };
    with_fill(Some(unread.found(path, options)?), options)
}

fn with_fill(found: Option<FoundSource>, options: &OpenOptions) -> Result<Option<FoundSource>> {
    Ok(found.map(|found| found.with_fill_value(options)))
}

/// [`find_source`] and [`FoundSource::open`] in one, with a temporary file in the system's folder for these (`TMPDIR`).
///
/// # Errors
/// Those of [`super::open`] and of [`FoundSource::open`].
pub fn open_source(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Option<Box<dyn Source>>> {
    find_source(path, options)?.map(|found| found.open(&std::env::temp_dir())).transpose()
}
