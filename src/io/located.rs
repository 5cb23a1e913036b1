//! A volume whose samples lie in a file as they are, read box by box.

use super::elements::{ByteOrder, FilePart, StoredType, swap_bytes};
use super::{Format, OpenOptions, format_of, metaimage, nifti, npy, nrrd, raw, refuse_what_does_not_apply};
use crate::error::{Error, Result};
use crate::storage::ReadAt;
use crate::volume::{Samples, Source, Volume, VolumeHeader};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Where a volume's samples lie.
pub(super) struct Located {
    pub(super) path: PathBuf,
    /// Where the first volume begins.
    pub(super) offset: u64,
    pub(super) stored: StoredType,
    pub(super) order: ByteOrder,
    pub(super) part: FilePart,
    pub(super) shape: [usize; 3],
    /// The volume but for its samples, of which it has one.
    pub(super) described: Volume,
    pub(super) declares_spacing: [bool; 3],
}

impl Located {
    /// Whether boxes can be read: samples of a type that volumes hold, components beside each other.
    fn is_plain(&self) -> bool {
        matches!(self.stored, StoredType::Kept(_)) && (self.part.components == 1 || self.part.run == 1)
    }
}

/// A stand-in for a volume of which nothing was read, to be described.
pub(super) fn stand_in(stored: StoredType) -> Result<Volume> {
    let sample_type = match stored {
        StoredType::Kept(sample_type) => sample_type,
        StoredType::I64 | StoredType::U64 => crate::volume::SampleType::I32,
    };
    Volume::new(Samples::zeros(sample_type, 1), [1; 3])
}

/// A file that is read box by box.
struct FileSource {
    file: File,
    path: PathBuf,
    start: u64,
    order: ByteOrder,
    components: usize,
    component: usize,
    header: VolumeHeader,
}

/// Opens an input whose samples need not be read whole: uncompressed `.nii`, `.nrrd`, `.mha`, `.npy` and raw files of types that are
/// kept as they are. `None` where the input is another one, which [`super::open`] reads.
///
/// # Errors
/// Those of [`super::open`].
pub fn open_source(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Option<Box<dyn Source>>> {
    let path = path.as_ref();
    let format = format_of(path, options)?;
    refuse_what_does_not_apply(path, format, options)?;
    let located = match format {
        Format::Raw => Some(raw::locate(path, options)?),
        Format::Npy => Some(npy::locate(path, options)?),
        Format::Nifti => nifti::locate(path, options)?,
        Format::Nrrd => nrrd::locate(path, options)?,
        Format::MetaImage => metaimage::locate(path, options)?,
        _ => None,
    };
    let Some(located) = located.filter(Located::is_plain) else { return Ok(None) };
    let reading =
        super::reading::Reading { volume: located.described, declares_spacing: located.declares_spacing };
    let volume = super::with_fill_value(reading.volume_with(path, options.spacing)?, options);
    let FilePart { components, component, step, .. } = located.part;
    let size = located.stored.size() as u64;
    let header = VolumeHeader { shape: located.shape, ..VolumeHeader::of(&volume) };
    let before = header.voxels() * components as u64 * size * step as u64;
    let file = File::open(&located.path).map_err(|e| Error::io(&located.path, e))?;
    Ok(Some(Box::new(FileSource {
        file,
        path: located.path,
        start: located.offset + before,
        order: located.order,
        components,
        component,
        header,
    })))
}

impl FileSource {
    /// The bytes of `count` samples of all components, from a voxel on.
    fn bytes(&self, voxel: u64, out: &mut [u8]) -> Result<()> {
        let size = (self.header.sample_type.size() * self.components) as u64;
        self.file.read_exact_at(out, self.start + voxel * size).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                Error::format(&self.path, "the file ends before its samples do; it was cut off meanwhile")
            }
            _ => Error::io(&self.path, e),
        })
    }
}

impl Source for FileSource {
    fn header(&self) -> VolumeHeader {
        self.header.clone()
    }

    fn read(&self, start: [usize; 3], size: [usize; 3]) -> Result<Samples> {
        let [nx, ny, _] = self.header.shape.map(|n| n as u64);
        let sample_type = self.header.sample_type;
        let mut samples = Samples::zeros(sample_type, size.iter().product());
        let of_sample = sample_type.size();
        // Rows that lie behind each other are read together.
        let rows = if size[0] as u64 == nx { size[1] } else { 1 };
        let run = size[0] * rows;
        let mut tuples = vec![0; if self.components > 1 { run * of_sample * self.components } else { 0 }];
        for (n, out) in samples.as_bytes_mut().chunks_exact_mut(run * of_sample).enumerate() {
            let row = n * rows;
            let [y, z] = [start[1] + row % size[1], start[2] + row / size[1]].map(|n| n as u64);
            let voxel = start[0] as u64 + nx * (y + ny * z);
            if self.components == 1 {
                self.bytes(voxel, out)?;
            } else {
                self.bytes(voxel, &mut tuples)?;
                let tuples = tuples.chunks_exact(of_sample * self.components);
                for (out, tuple) in out.chunks_exact_mut(of_sample).zip(tuples) {
                    out.copy_from_slice(&tuple[self.component * of_sample..][..of_sample]);
                }
            }
        }
        if self.order != ByteOrder::NATIVE {
            swap_bytes(samples.as_bytes_mut(), of_sample);
        }
        Ok(samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::{Geometry, SampleType};

    /// Every box and all that is said are those of the volume that is read whole.
    fn agree(path: &Path, options: &OpenOptions) {
        let whole = crate::io::open(path, options).unwrap();
        let source = open_source(path, options).unwrap().unwrap_or_else(|| panic!("{}", path.display()));
        assert_eq!(source.header(), VolumeHeader::of(&whole), "{}", path.display());
        for (start, size) in
            [([0; 3], whole.shape()), ([1, 2, 1], [4, 2, 2]), ([0, 1, 0], [7, 3, 2]), ([6, 4, 2], [1; 3])]
        {
            let same = Source::read(&whole, start, size).unwrap();
            assert_eq!(source.read(start, size).unwrap(), same, "{} {start:?}", path.display());
        }
    }

    #[test]
    fn boxes_are_those_of_the_whole_in_every_format_and_type() {
        let folder = tempfile::tempdir().unwrap();
        for sample_type in SampleType::ALL {
            let mut samples = Samples::zeros(sample_type, 7 * 5 * 3);
            (0..samples.len()).for_each(|i| samples.set(i, i as f64));
            let mut volume = Volume::new(samples, [7, 5, 3]).unwrap();
            volume.geometry = Geometry { spacing: [0.5, 1.0, 2.0], ..Geometry::default() };
            for ending in ["nii", "nrrd", "mha", "mhd", "npy", "raw"] {
                let path = folder.path().join(format!("{sample_type}.{ending}"));
                crate::io::save(&volume, &path).unwrap();
                let is_raw = ending == "raw";
                let options = OpenOptions {
                    dims: is_raw.then_some([7, 5, 3]),
                    sample_type: is_raw.then_some(sample_type),
                    fill_value: Some(3.0),
                    ..OpenOptions::default()
                };
                let packed =
                    matches!(ending, "nrrd" | "mha") && open_source(&path, &options).unwrap().is_none();
                if !packed {
                    agree(&path, &options);
                }
            }
        }
    }

    #[test]
    fn components_steps_and_byte_orders_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mha");
        let header = "NDims = 4\nDimSize = 7 5 3 2\nElementNumberOfChannels = 3\nElementType = MET_SHORT\n\
                      BinaryDataByteOrderMSB = True\nElementSpacing = 1 2 3 1\nElementDataFile = LOCAL\n";
        let samples: Vec<u8> = (0..7 * 5 * 3 * 2 * 3u16).flat_map(u16::to_be_bytes).collect();
        std::fs::write(&path, [header.as_bytes(), &samples].concat()).unwrap();
        for (component, step) in [(0, 0), (2, 1), (1, 0)] {
            let options =
                OpenOptions { component: Some(component), time_step: Some(step), ..OpenOptions::default() };
            agree(&path, &options);
        }
        let path = folder.path().join("a.npy");
        let mut header =
            b"\x93NUMPY\x01\x00\x76\x00{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3, 5, 7), }"
                .to_vec();
        header.resize(127, b' ');
        header.push(b'\n');
        let samples: Vec<u8> = (0..2 * 3 * 5 * 7).flat_map(|i| (i as f32).to_be_bytes()).collect();
        std::fs::write(&path, [header, samples].concat()).unwrap();
        agree(&path, &OpenOptions { time_step: Some(1), ..OpenOptions::default() });
        // A text is read whole.
        let path = folder.path().join("a.nrrd");
        std::fs::write(&path, "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 2 1 1\nencoding: ascii\n\n1 2\n")
            .unwrap();
        assert!(open_source(&path, &OpenOptions::default()).unwrap().is_none());
    }
}
