//! Writing volumes, slab by slab: what is larger than memory is written as what is in it.

use super::elements::{ByteOrder, swap_bytes};
use super::{ReadProgress, SeriesDescription, dicom, metaimage, nifti, npy, nrrd, raw, vtk_xml};
use crate::atomic;
use crate::error::{Error, Result};
use crate::volume::{Samples, Slabs, Source, Volume, VolumeHeader};
use std::cell::Cell;
use std::io::Write;
use std::ops::{ControlFlow, Range};
use std::path::Path;

/// Bytes of a slab of a volume that is in memory already: more would only be held twice.
const SLAB_OF_A_VOLUME: u64 = 1 << 24;

/// How a volume is written.
#[derive(Debug, Clone)]
pub struct SaveOptions {
    /// Bytes of the samples that are read from the source at a time, 512 MiB by default: a slab of up to 128 slices along z, or
    /// fewer where that would be more, at least one. What is written does not depend on it.
    pub slab_bytes: u64,
    /// Told how many slices were written, of how many; may end the writing.
    pub progress: Option<ReadProgress>,
}

impl Default for SaveOptions {
    fn default() -> Self {
        Self { slab_bytes: 1 << 29, progress: None }
    }
}

impl SaveOptions {
    /// For a volume that is in memory.
    pub(super) fn of_a_volume() -> Self {
        Self { slab_bytes: SLAB_OF_A_VOLUME, ..Self::default() }
    }
}

/// Writes a volume; the format is told by the name: `.vti`, `.nii`, `.nii.gz`, `.nrrd`, `.mha`, `.mhd` (with a `.raw` beside
/// it), `.npy`, `.raw`; a name that ends in `/` becomes a folder with a DICOM series.
///
/// # Errors
/// [`Error::Options`] for another name or a volume that the format cannot hold, [`Error::Io`] when writing fails; an
/// existing file is untouched then.
pub fn save(volume: &Volume, path: impl AsRef<Path>) -> Result<()> {
    save_source(volume, path, &SaveOptions::of_a_volume())
}

/// [`save`], for a volume that is read slab by slab: of an open `.nvol` file, of a file that is larger than memory. The file is
/// the same as that of the volume in memory.
///
/// # Errors
/// As for [`save`]; what the source says; [`Error::Interrupted`] when the observer ended it. An existing file is untouched
/// then, and no other is left.
pub fn save_source(source: &dyn Source, path: impl AsRef<Path>, options: &SaveOptions) -> Result<()> {
    let path = path.as_ref();
    let write = writer(path)?;
    write(&Written::new(source, options)?, path)
}

/// Refuses what [`save`] would refuse whatever the volume is: a caller with work ahead asks first.
///
/// # Errors
/// [`Error::Options`] for a name of no format, [`Error::Io`] when the folder that the output lies in is not there.
pub fn check_output(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    writer(path)?;
    match is_series(path) {
        true => atomic::folder_of(path).map(|_| ()),
        false => check_output_file(path),
    }
}

/// Refuses a file that could not be written whatever it is to hold: a caller with work ahead asks first.
///
/// # Errors
/// [`Error::Io`] when there is a folder of this name, or the folder that the file is to lie in is not there.
pub fn check_output_file(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    if path.is_dir() {
        return Err(Error::io(
            path,
            std::io::Error::new(std::io::ErrorKind::IsADirectory, "this is a folder"),
        ));
    }
    atomic::folder_of(path).map(|_| ())
}

/// What writes the format that a name tells.
fn writer(path: &Path) -> Result<fn(&Written<'_>, &Path) -> Result<()>> {
    if is_series(path) {
        return Ok(|written, path| {
            dicom::write::save(written, path, &SeriesDescription::derived_from(written.header(), None))
        });
    }
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_ascii_lowercase();
    let ends_in = |suffixes: &[&str]| suffixes.iter().any(|s| name.ends_with(s));
    if ends_in(&[".vti"]) {
        Ok(vtk_xml::save)
    } else if ends_in(&[".nii", ".nii.gz"]) {
        Ok(nifti::save)
    } else if ends_in(&[".nrrd"]) {
        Ok(nrrd::save)
    } else if ends_in(&[".mha", ".mhd"]) {
        Ok(metaimage::save)
    } else if ends_in(&[".npy"]) {
        Ok(npy::save)
    } else if ends_in(&[".raw"]) {
        Ok(raw::save)
    } else {
        Err(Error::Options(format!(
            "{}: the output's name does not tell a format that neuvol writes; end it in .vti, .nii, .nii.gz, .nrrd, .mha, \
             .mhd, .npy or .raw, or in / for a DICOM series",
            path.display()
        )))
    }
}

/// Whether a name is that of a folder, which [`save`] makes a DICOM series of.
pub fn is_series(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// How many planes were written, for whoever waits for it.
pub(super) struct WriteCounter<'a> {
    observe: Option<&'a ReadProgress>,
    done: Cell<usize>,
    all: usize,
}

impl<'a> WriteCounter<'a> {
    pub(super) fn new(options: &'a SaveOptions, all: usize) -> Self {
        Self { observe: options.progress.as_ref(), done: Cell::new(0), all }
    }

    /// So many planes more, or none where something else was done; an error when the caller asks to stop.
    pub(super) fn advance(&self, planes: usize) -> Result<()> {
        self.done.set(self.done.get() + planes);
        match self.observe.map(|observe| observe.ask(self.done.get(), self.all)) {
            Some(ControlFlow::Break(())) => Err(Error::Interrupted),
            _ => Ok(()),
        }
    }
}

/// A source that is written to one file or folder.
pub(super) struct Written<'a> {
    pub(super) slabs: Slabs<'a>,
    pub(super) counter: WriteCounter<'a>,
}

impl<'a> Written<'a> {
    pub(super) fn new(source: &'a dyn Source, options: &'a SaveOptions) -> Result<Self> {
        let slabs = Slabs::new(source, options.slab_bytes);
        let header = slabs.header();
        if header.shape.contains(&0) {
            return Err(Error::Options(format!(
                "'{}' has {:?} samples along its axes, which is no volume",
                header.name, header.shape
            )));
        }
        let counter = WriteCounter::new(options, header.shape[2]);
        Ok(Self { slabs, counter })
    }

    pub(super) fn header(&self) -> &VolumeHeader {
        self.slabs.header()
    }

    /// Smallest and largest unmasked value, for which all is read once more.
    pub(super) fn range(&self) -> Result<Option<(f64, f64)>> {
        Ok(self.slabs.range(|_| self.counter.advance(0))?.range)
    }

    /// Reads all slabs in order, and passes each on with its planes.
    pub(super) fn each_slab(&self, mut take: impl FnMut(Range<usize>, Samples) -> Result<()>) -> Result<()> {
        self.counter.advance(0)?;
        for planes in self.slabs.planes() {
            let samples = self.slabs.read(planes.clone())?;
            let count = planes.len();
            take(planes, samples)?;
            self.counter.advance(count)?;
        }
        Ok(())
    }

    /// Writes the samples' bytes, little endian on every machine; `path` is for messages.
    pub(super) fn write_little_endian(&self, path: &Path, out: &mut dyn Write) -> Result<()> {
        self.each_slab(|_, mut samples| {
            if ByteOrder::NATIVE != ByteOrder::Little {
                let size = samples.sample_type().size();
                swap_bytes(samples.as_bytes_mut(), size);
            }
            out.write_all(samples.as_bytes()).map_err(|e| Error::io(path, e))
        })
    }
}

#[cfg(test)]
mod tests;
