//! Files in and out, one file or folder per format.

mod affine;
pub(crate) mod atomic;
mod detached;
mod dicom;
pub(crate) mod elements;
mod even;
mod mapped;
mod metaimage;
mod nifti;
mod npy;
mod nrrd;
mod progress;
mod raw;
mod rescale;
mod tiff;
mod vtk_fields;
mod vtk_legacy;
mod vtk_xml;

pub use dicom::series::{Series, list_series};
pub use dicom::write::{SeriesDescription, write_series};
pub use progress::ReadProgress;

use crate::error::{Error, Result};
use crate::volume::{Frame, SampleType, Volume};
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
}

impl Default for Limits {
    fn default() -> Self {
        Self { volume_bytes: 1 << 38, axis: 1 << 20, slices: 1 << 18 }
    }
}

/// What the file itself does not say.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// Raw files: samples along x, y, z.
    pub dims: Option<[usize; 3]>,
    /// Raw files: element type, little endian.
    pub sample_type: Option<SampleType>,
    /// Distance between voxel centres, for files that do not say it (raw, .npy, TIFF).
    pub spacing: Option<[f64; 3]>,
    /// A value that stands for "no data"; overrides what the file declares.
    pub fill_value: Option<f64>,
    /// Which array of a VTK file, of its points or cells; the active or first scalar one of the points when absent.
    pub array: Option<String>,
    /// Which series of a DICOM folder: its number, or at least eight characters of its UID's end. Needed where there are
    /// several.
    pub series: Option<String>,
    /// DICOM: slices that are missing or unevenly spaced are interpolated to an even grid, with a warning, not refused.
    pub allow_gaps: bool,
    /// DICOM: of several slices at one position that no time tells apart the first is taken, with a warning.
    pub allow_duplicates: bool,
    /// DICOM: of slices that differ in size, orientation, spacing or type the largest group is taken, with a warning.
    pub largest_group: bool,
    /// DICOM: a stack that leans (a tilted gantry) is resampled to a right-angled grid; otherwise its grid is sheared.
    pub resample_tilt: bool,
    /// DICOM, NIfTI: the numbers as they are stored, without rescale.
    pub stored_values: bool,
    /// Which volume of a series over time, from 0; needed where there are several ([`time_steps`]).
    pub time_step: Option<usize>,
    /// Which component of a vector, from 0; needed where there are several.
    pub component: Option<usize>,
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
    match format_of(path, options)? {
        Format::Dicom => dicom::time_steps(path, options),
        Format::Nifti => nifti::time_steps(path),
        Format::Npy => npy::time_steps(path),
        Format::Nrrd => nrrd::time_steps(path),
        Format::MetaImage => metaimage::time_steps(path),
        Format::Tiff => tiff::time_steps(path, options),
        Format::Raw | Format::VtkXml | Format::VtkLegacy => Ok(1),
    }
}

/// An option that a format has no use for would be ignored: the volume would be another than the one asked for.
fn refuse_what_does_not_apply(path: &Path, format: Format, options: &OpenOptions) -> Result<()> {
    if matches!(format, Format::Raw | Format::VtkXml | Format::VtkLegacy) {
        time_step(path, 1, options)?;
    }
    if matches!(format, Format::Dicom | Format::Npy | Format::Raw) {
        component(path, "the volume", 1, options)?;
    }
    let is_vtk = matches!(format, Format::VtkXml | Format::VtkLegacy);
    for (given, fits, what) in [
        (options.array.is_some(), is_vtk, "arrays to choose; leave --array out"),
        (options.series.is_some(), format == Format::Dicom, "DICOM series to choose; leave --series out"),
    ] {
        if given && !fits {
            return Err(Error::Options(format!("{}: the file holds no {what}", path.display())));
        }
    }
    Ok(())
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
            "{}: {name} has {count} components; choose one with --component 0 to {}",
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
            "{}: it holds {count} volumes over time; choose one with --time-step 0 to {}",
            path.display(),
            count - 1
        ))),
    }
}

/// First two bytes of a gzip member (RFC 1952, section 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Bytes that tell the formats apart: a NIfTI-1 header, the longest of their signatures.
const SIGNATURE_BYTES: u64 = 352;

/// The formats that [`open`] reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Dicom,
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
pub fn open(path: &Path, options: &OpenOptions) -> Result<Volume> {
    let format = format_of(path, options)?;
    refuse_what_does_not_apply(path, format, options)?;
    let mut volume = match format {
        Format::Dicom => dicom::open(path, options),
        Format::MetaImage => metaimage::open(path, options),
        Format::Nifti => nifti::open(path, options),
        Format::Npy => npy::open(path, options),
        Format::Nrrd => nrrd::open(path, options),
        Format::Raw => raw::open(path, options),
        Format::Tiff => tiff::open(path, options),
        Format::VtkXml => vtk_xml::open(path, options),
        Format::VtkLegacy => vtk_legacy::open(path, options),
    }?;
    if let Some(spacing) = options.spacing {
        if !spacing.iter().all(|&s| s.is_finite() && s > 0.0) {
            return Err(Error::Options(format!("a spacing must be positive, not {spacing:?}")));
        }
        if volume.geometry.frame != Frame::Unknown {
            return Err(Error::Options(format!(
                "{}: the file says its spacing itself ({:?}); leave --spacing out",
                path.display(),
                volume.geometry.spacing
            )));
        }
        volume.geometry.spacing = spacing;
    }
    if let Some(fill) = options.fill_value {
        volume.fill_value = Some(volume.sample_type().nearest(fill));
    }
    Ok(volume)
}

/// Tells the format by content, then by name.
fn format_of(path: &Path, options: &OpenOptions) -> Result<Format> {
    if path.is_dir() {
        let is_tiff = !tiff::files_of(path, &options.limits)?.is_empty() && !dicom::series::lies_in(path)?;
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
    if start.starts_with(b"NRRD000") {
        return Ok(Format::Nrrd);
    }
    if start.starts_with(npy::SIGNATURE) {
        return Ok(Format::Npy);
    }
    if metaimage::recognises(&start) {
        return Ok(Format::MetaImage);
    }
    if start.starts_with(vtk_legacy::SIGNATURE) {
        return Ok(Format::VtkLegacy);
    }
    if nifti::recognises(&start) {
        return Ok(Format::Nifti);
    }

    if start.trim_ascii_start().starts_with(b"<?xml") || start.trim_ascii_start().starts_with(b"<VTKFile") {
        return Ok(Format::VtkXml);
    }
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_ascii_lowercase();
    let ends_in = |suffixes: &[&str]| suffixes.iter().any(|s| name.ends_with(s));
    if ends_in(&[".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz"]) {
        Ok(Format::Nifti)
    } else if ends_in(&[".nrrd", ".nhdr"]) {
        Ok(Format::Nrrd)
    } else if ends_in(&[".mhd", ".mha"]) {
        Ok(Format::MetaImage)
    } else if ends_in(&[".vti", ".pvti", ".vtr"]) {
        Ok(Format::VtkXml)
    } else if ends_in(&[".raw", ".bin"]) || options.dims.is_some() {
        Ok(Format::Raw)
    } else {
        Err(Error::unsupported(
            path,
            "the format is told neither by content nor by name; neuvol reads DICOM, NIfTI, NRRD, MetaImage, VTK \
             images, .npy, TIFF and raw (which needs --dims and --type)",
        ))
    }
}

/// Writes a volume; the format is told by the name: `.vti`, `.nii`, `.nii.gz`, `.nrrd`, `.mha`, `.mhd` (with a `.raw` beside
/// it), `.npy`, `.raw`; a name that ends in `/` becomes a folder with a DICOM series.
///
/// # Errors
/// [`Error::Options`] for another name or a volume that the format cannot hold, [`Error::Io`] when writing fails; an
/// existing file is untouched then.
pub fn save(volume: &Volume, path: &Path) -> Result<()> {
    if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        let series = SeriesDescription {
            description: "derived by neuvol".into(),
            derivation: derivation(volume),
            lossy_ratio: volume.provenance.get(LOSSY_RATIO).and_then(|ratio| ratio.parse().ok()),
            ..SeriesDescription::default()
        };
        return write_series(volume, path, &series);
    }
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_ascii_lowercase();
    if name.ends_with(".vti") {
        vtk_xml::save(volume, path)
    } else if name.ends_with(".nii") || name.ends_with(".nii.gz") {
        nifti::save(volume, path)
    } else if name.ends_with(".nrrd") {
        nrrd::save(volume, path)
    } else if name.ends_with(".mha") || name.ends_with(".mhd") {
        metaimage::save(volume, path)
    } else if name.ends_with(".npy") {
        npy::save(volume, path)
    } else if name.ends_with(".raw") {
        raw::save(volume, path)
    } else {
        Err(Error::Options(format!(
            "{}: the output's name does not tell a format that neuvol writes; end it in .vti, .nii, .nii.gz, .nrrd, .mha, \
             .mhd, .npy or .raw, or in / for a DICOM series",
            path.display()
        )))
    }
}

/// Key of the provenance of a decoded volume: how many times smaller the file was that it came from.
pub const LOSSY_RATIO: &str = "lossy compression ratio";

/// What a derived series says of its origin.
fn derivation(volume: &Volume) -> String {
    let source = volume.provenance.get("source format").map_or("a volume", String::as_str);
    match volume.provenance.get(LOSSY_RATIO) {
        Some(ratio) => format!("{source}, compressed {ratio}:1 to a neural volume and decoded by neuvol"),
        None => format!("{source}, converted by neuvol"),
    }
}
