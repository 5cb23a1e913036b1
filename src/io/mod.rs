//! Files in and out, one file or folder per format.

mod affine;
mod arrays;
mod collection;
mod colour;
mod contents;
mod detached;
mod dicom;
pub(crate) mod elements;
mod even;
mod folder;
mod located;
mod mapped;
mod metaimage;
mod nifti;
mod npy;
mod nrrd;
mod progress;
mod raw;
mod reading;
mod rescale;
mod save;
#[cfg(test)]
mod tests;
mod tiff;
mod volumes;
mod vtk_fields;
mod vtk_legacy;
mod vtk_xml;

pub use arrays::{ArraySources, ArrayVolumes, check_arrays_output, save_array_sources, save_arrays};
pub use contents::{InputArray, MOST_COMPONENTS};
pub use dicom::series::{Series, list_series};
pub use dicom::write::{OriginalSeries, SeriesDescription, write_series, write_series_of};
pub use located::{FoundSource, find_source, open_source};
pub use progress::ReadProgress;
pub use save::{SaveOptions, check_output, check_output_file, is_series, save, save_source};
pub use volumes::Volumes;

use crate::error::{Error, Result};
use crate::volume::{SampleType, Volume};
use contents::{Contents, NO_NAME};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Upper bounds on what a reader allocates for a file it has not yet checked.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest volume in bytes of its stored type.
    pub volume_bytes: u64,
    /// Largest extent along one axis.
    pub axis: usize,
    /// Most files of a folder (DICOM, TIFF).
    pub slices: usize,
    /// Longest header in bytes (DICOM: what precedes the pixels).
    pub header_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { volume_bytes: 1 << 38, axis: 1 << 20, slices: 1 << 18, header_bytes: 1 << 28 }
    }
}

/// What the file itself does not say.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// Raw files: samples along x, y, z.
    pub dims: Option<[usize; 3]>,
    /// Raw files: element type, little endian.
    pub sample_type: Option<SampleType>,
    /// Distance between voxel centres, for files that do not say it (raw, .npy, most TIFF files); refused where a file
    /// says another one.
    pub spacing: Option<[f64; 3]>,
    /// A value that stands for "no data"; overrides what the file declares.
    pub fill_value: Option<f64>,
    /// Which array of a VTK file, of its points or cells; the active or first scalar one of the points when absent. Which
    /// segment of a DICOM segmentation, by its label or number; the first one when absent.
    pub array: Option<String>,
    /// Which series of a DICOM folder: its number, or at least eight characters of its UID's end. Needed where there are
    /// several.
    pub series: Option<String>,
    /// DICOM: slices that are missing or unevenly spaced are interpolated to an even grid, with a warning, not refused.
    pub allow_gaps: bool,
    /// DICOM: of files that are there twice, and of slices at one position that no attribute tells apart, the first is taken,
    /// with a warning.
    pub allow_duplicates: bool,
    /// Which volume of a series that holds several beside those over time (echoes, b-values, magnitude and phase,
    /// acquisitions): its number in the list that the error gives, from 0, `NAME=VALUE[,NAME=VALUE]`, or `all`, which makes
    /// time steps of them.
    pub volume: Option<String>,
    /// DICOM: of slices that differ in size, orientation, spacing or type the largest group is taken, with a warning; images
    /// that cannot be read are left out.
    pub largest_group: bool,
    /// DICOM: a stack that leans (a tilted gantry) is resampled to a right-angled grid; otherwise its grid is sheared.
    pub resample_tilt: bool,
    /// DICOM, NIfTI: the numbers as they are stored, without rescale.
    pub stored_values: bool,
    /// Which volume of a series over time, from 0; needed where there are several ([`time_steps`]).
    pub time_step: Option<usize>,
    /// Which component of a vector, from 0; needed where there are several.
    pub component: Option<usize>,
    /// Files that a header or a list names are read wherever they lie; otherwise only in its folder and below.
    pub allow_outside: bool,
    /// Told how far reading has come.
    pub progress: Option<ReadProgress>,
    /// Bounds on what is allocated.
    pub limits: Limits,
}

/// How many volumes over time a file or folder holds; [`OpenOptions::time_step`] picks one.
///
/// # Errors
/// Those of [`open`].
pub fn time_steps(path: &Path, options: &OpenOptions) -> Result<usize> {
    Ok(Volumes::open(path, options)?.len())
}

/// What a file or folder holds, whichever component or time step is chosen.
fn contents_of(path: &Path, format: Format, options: &OpenOptions) -> Result<Contents> {
    match format {
        Format::Dicom => dicom::Volumes::open(path, options)?.contents(path, options),
        Format::List => collection::contents(path, options),
        Format::Nifti => nifti::contents(path),
        Format::Npy => npy::contents(path),
        Format::Nrrd => nrrd::contents(path),
        Format::MetaImage => metaimage::contents(path),
        Format::Tiff => tiff::contents(path, options),
        Format::VtkXml => vtk_xml::contents(path, options),
        Format::VtkLegacy => vtk_legacy::contents(path, options),
        Format::Raw => Ok(Contents::of_one(InputArray::new(NO_NAME, 1), 1, None)),
    }
}

/// An option that a format has no use for would be ignored: the volume would be another than the one asked for.
fn refuse_what_does_not_apply(path: &Path, format: Format, options: &OpenOptions) -> Result<()> {
    if format == Format::List {
        // What is left of the choices is for the files that it names.
        return Ok(());
    }
    if matches!(format, Format::Raw | Format::VtkXml | Format::VtkLegacy) {
        time_step(path, 1, options)?;
    }
    if format == Format::Raw {
        component(path, "the volume", 1, options)?;
    }
    let is_vtk = matches!(format, Format::VtkXml | Format::VtkLegacy);
    // A segmentation of DICOM has arrays; other series say that they have none when they are opened.
    if options.array.is_some() && !is_vtk && format != Format::Dicom {
        return Err(no_arrays(path));
    }
    for (given, fits, what) in [
        (options.series.is_some(), format == Format::Dicom, "DICOM series to choose; leave `series` out"),
        (options.volume.is_some(), format == Format::Dicom, "DICOM volumes to choose; leave `volume` out"),
    ] {
        if given && !fits {
            return Err(Error::Options(format!("{}: the file holds no {what}", path.display())));
        }
    }
    Ok(())
}

/// The error for an array that is asked for where there is nothing to choose.
fn no_arrays(path: &Path) -> Error {
    Error::Options(format!("{}: the file holds no arrays to choose; leave `array` out", path.display()))
}

/// The component to read of `count`, of what messages call `name`.
fn component(path: &Path, name: &str, count: usize, options: &OpenOptions) -> Result<usize> {
    match options.component {
        Some(component) if component < count => Ok(component),
        None if count == 1 => Ok(0),
        Some(component) => Err(Error::Options(format!(
            "{}: {name} has no component {component}; it has {count}, counted from 0",
            path.display()
        ))),
        None => Err(Error::Options(format!(
            "{}: {name} has {count} components; choose one with `component` 0 to {}",
            path.display(),
            count.saturating_sub(1)
        ))),
    }
}

/// The time step to read of `count`.
fn time_step(path: &Path, count: usize, options: &OpenOptions) -> Result<usize> {
    match options.time_step {
        Some(step) if step < count => Ok(step),
        None if count == 1 => Ok(0),
        Some(step) => Err(Error::Options(format!(
            "{}: there is no time step {step}; it holds {count}, counted from 0",
            path.display()
        ))),
        None => Err(Error::Options(format!(
            "{}: it holds {count} volumes over time; choose one with `time_step` 0 to {}",
            path.display(),
            count.saturating_sub(1)
        ))),
    }
}

/// First two bytes of a gzip member (RFC 1952, section 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Key of the provenance: the arrays of a VTK file, or the segments of a DICOM segmentation, that were not read.
pub const OTHER_ARRAYS: &str = "other arrays";

/// Key of a volume's provenance: which step it is of a series over time, `2 of 12, at 0.5`.
pub const TIME_STEP: &str = "time step";

/// Whether an array of a VTK file says which points count, not what is measured there.
fn is_bookkeeping(name: &str) -> bool {
    ["vtkGhostType", "vtkValidPointMask"].contains(&name)
}

/// What some editors put before UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Puts a reader behind a byte order mark, where there is one; the mark's bytes.
fn skip_byte_order_mark(path: &Path, reader: &mut impl std::io::BufRead) -> Result<u64> {
    let start = reader.fill_buf().map_err(|e| Error::io(path, e))?;
    let mark = if start.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    reader.consume(mark);
    Ok(mark as u64)
}

/// Bytes that tell the formats apart: a NIfTI-1 header, the longest of their signatures.
const SIGNATURE_BYTES: u64 = 352;

/// The formats that [`open`] reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Dicom,
    /// Of files, each of a format of its own.
    List,
    MetaImage,
    Nifti,
    Npy,
    Nrrd,
    Raw,
    Tiff,
    VtkLegacy,
    VtkXml,
}

/// Reads a volume from a file, a DICOM series folder or a folder of TIFF files; the format is told by content, then by name.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Format`] when it breaks its format's rules,
/// [`Error::Unsupported`] when it is valid but not a scalar volume on a regular grid, [`Error::Options`] when the file
/// needs an option that is missing.
pub fn open(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Volume> {
    let read = open_whole(path.as_ref(), options);
    // Whatever a test reads is read box by box as well.
    #[cfg(test)]
    located::tests::compare(path.as_ref(), options, &read);
    read
}

fn open_whole(path: &Path, options: &OpenOptions) -> Result<Volume> {
    let format = format_of(path, options)?;
    refuse_what_does_not_apply(path, format, options)?;
    if path.is_dir() && format == Format::Tiff {
        folder::say_what_is_left_out(path);
    }
    let reading = match format {
        // It settles spacings with the positions of its slices.
        Format::Dicom => return Ok(with_fill_value(dicom::open(path, options)?, options)),
        Format::List => return collection::open(path, options),
        Format::MetaImage => metaimage::open(path, options),
        Format::Nifti => nifti::open(path, options),
        Format::Npy => npy::open(path, options),
        Format::Nrrd => nrrd::open(path, options),
        Format::Raw => raw::open(path, options),
        Format::Tiff => tiff::open(path, options),
        Format::VtkXml => vtk_xml::open(path, options),
        Format::VtkLegacy => vtk_legacy::open(path, options),
    }?;
    let volume = reading.volume_with(path, options.spacing)?;
    let stored = volume.provenance.get("source type").map_or("", String::as_str);
    if matches!(stored, "int64" | "uint64") {
        say_what_is_narrowed(path, stored, volume.sample_type());
    }
    Ok(with_fill_value(volume, options))
}

fn say_what_is_narrowed(path: &Path, stored: &str, sample_type: SampleType) {
    log::warn!("{}: its {stored} numbers are kept as {sample_type}", path.display());
}

/// The volume with the caller's fill value, where one is given.
fn with_fill_value(mut volume: Volume, options: &OpenOptions) -> Volume {
    if let Some(fill) = options.fill_value {
        volume.fill_value = Some(volume.sample_type().nearest(fill));
        volume.fill_limit = None;
    }
    volume
}

/// Tells the format by content, then by name.
fn format_of(path: &Path, options: &OpenOptions) -> Result<Format> {
    if path.is_dir() {
        // A study's screenshots must not take the place of its images, wherever below they lie.
        let is_tiff = !tiff::files_of(path, &options.limits)?.is_empty() && !dicom::series::lies_below(path)?;
        return Ok(if is_tiff { Format::Tiff } else { Format::Dicom });
    }
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let mut start = Vec::new();
    file.take(1 << 16).read_to_end(&mut start).map_err(|e| Error::io(path, e))?;
    if dicom::recognises(&start) {
        return Ok(Format::Dicom);
    }
    if tiff::recognises(&start) {
        return Ok(Format::Tiff);
    }
    if start.starts_with(&GZIP_MAGIC) {
        // Damaged gzip is the reader's to report; here it is just not recognised.
        let mut unzipped = Vec::new();
        let _ =
            flate2::bufread::MultiGzDecoder::new(&start[..]).take(SIGNATURE_BYTES).read_to_end(&mut unzipped);
        start = unzipped;
    }
    if start.starts_with(npy::SIGNATURE) {
        return Ok(Format::Npy);
    }
    if nifti::recognises(&start) {
        return Ok(Format::Nifti);
    }
    let text = start.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&start);
    if text.starts_with(b"NRRD000") {
        return Ok(Format::Nrrd);
    }
    if metaimage::recognises(text) {
        return Ok(Format::MetaImage);
    }
    if vtk_legacy::recognises(text) {
        return Ok(Format::VtkLegacy);
    }
    let text = text.trim_ascii_start();
    if text.starts_with(b"<?xml") || text.starts_with(b"<VTKFile") {
        return Ok(if collection::recognises(text) { Format::List } else { Format::VtkXml });
    }
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_ascii_lowercase();
    let ends_in = |suffixes: &[&str]| suffixes.iter().any(|s| name.ends_with(s));
    if ends_in(&[".series", ".pvd", ".vtm"]) {
        Ok(Format::List)
    } else if ends_in(&[".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz"]) {
        Ok(Format::Nifti)
    } else if ends_in(&[".nrrd", ".nhdr"]) {
        Ok(Format::Nrrd)
    } else if ends_in(&[".mhd", ".mha"]) {
        Ok(Format::MetaImage)
    } else if ends_in(&[".vti", ".pvti", ".vtr"]) {
        Ok(Format::VtkXml)
    } else if ends_in(&[".raw", ".bin"]) || options.dims.is_some() {
        Ok(Format::Raw)
    } else if ends_in(&[".dcm", ".dicom", ".ima"]) {
        Err(Error::unsupported(
            path,
            "its name says DICOM, but it begins neither with a preamble and the prefix DICM nor with the elements of a data set",
        ))
    } else {
        Err(Error::unsupported(
            path,
            "the format is told neither by content nor by name; neuvol reads DICOM, NIfTI, NRRD, MetaImage, VTK \
             images, .npy, TIFF and raw (which needs `dims` and `sample_type`)",
        ))
    }
}
