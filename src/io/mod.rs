//! Files in and out, one file per format.

pub(crate) mod atomic;

use crate::error::Result;
use crate::volume::{SampleType, Volume};
use std::path::Path;

/// Upper bounds on what a reader allocates for a file it has not yet checked.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest volume in bytes of its stored type.
    pub volume_bytes: u64,
    /// Largest extent along one axis.
    pub axis: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { volume_bytes: 1 << 38, axis: 1 << 20 }
    }
}

/// What the file itself does not say.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// Raw files: samples along x, y, z.
    pub dims: Option<[usize; 3]>,
    /// Raw files: element type, little endian.
    pub sample_type: Option<SampleType>,
    /// Raw files: distance between voxel centres.
    pub spacing: Option<[f64; 3]>,
    /// A value that stands for "no data"; overrides what the file declares.
    pub fill_value: Option<f64>,
    /// Which point array of a VTK file; the first scalar one when absent.
    pub array: Option<String>,
    /// Bounds on what is allocated.
    pub limits: Limits,
}

/// Reads a volume from a file or a DICOM series folder; the format is told by content, then by name.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Volume> {
    let _ = (path, options);
    todo!()
}

/// Writes a volume; the format is told by the name: `.vti`, `.nii`, `.nii.gz`, `.nrrd`, `.raw`.
pub fn save(volume: &Volume, path: &Path) -> Result<()> {
    let _ = (volume, path);
    todo!()
}
