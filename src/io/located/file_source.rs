//! Boxes out of a file in which the samples lie as they are.

use crate::error::{Error, Result};
use crate::io::elements::{ByteOrder, FilePart, StoredType, swap_bytes};
use crate::io::rescale::Rescale;
use crate::storage::ReadAt;
use crate::volume::{SampleType, Samples, Source, VolumeHeader};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A file that is read box by box.
pub(in crate::io) struct FileSource {
    file: File,
    path: PathBuf,
    /// Where the volume begins.
    start: u64,
    stored: SampleType,
    order: ByteOrder,
    components: usize,
    component: usize,
    /// Samples of a component that lie beside each other: see [`FilePart::run`].
    run: u64,
    rescale: Rescale,
    /// Length and time of the last change, of a file that is somebody else's.
    state: Option<FileState>,
    header: VolumeHeader,
}

/// Tells whether a file was changed.
type FileState = (u64, Option<SystemTime>);

fn state(path: &Path, file: &File) -> Result<FileState> {
    let metadata = file.metadata().map_err(|e| Error::io(path, e))?;
    Ok((metadata.len(), metadata.modified().ok()))
}

impl FileSource {
    /// A part of a file whose volumes begin at `offset`.
    pub(super) fn in_place(
        path: &Path,
        offset: u64,
        stored: SampleType,
        order: ByteOrder,
        part: FilePart,
        header: VolumeHeader,
    ) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        let state = state(path, &file)?;
        if part.bytes_to_its_end(StoredType::Kept(stored)).saturating_add(offset) > state.0 {
            return Err(Error::format(
                path,
                format!(
                    "its samples should start at byte {offset}, and end behind the file's end; it is truncated"
                ),
            ));
        }
        Ok(Self {
            file,
            path: path.to_owned(),
            start: offset + part.bytes_before(StoredType::Kept(stored)),
            stored,
            order,
            components: part.components,
            component: part.component,
            run: part.run as u64,
            rescale: Rescale::NONE,
            state: Some(state),
            header: VolumeHeader { sample_type: stored, ..header },
        })
    }

    /// One volume alone, in a file of ours.
    pub(super) fn of_temporary(file: File, of: &Path, stored: SampleType, header: VolumeHeader) -> Self {
        Self {
            file,
            path: of.to_owned(),
            start: 0,
            stored,
            order: ByteOrder::NATIVE,
            components: 1,
            component: 0,
            run: 1,
            rescale: Rescale::NONE,
            state: None,
            header: VolumeHeader { sample_type: stored, ..header },
        }
    }

    /// The same, whose samples are real values of a type.
    pub(in crate::io) fn rescaled(self, rescale: Rescale, sample_type: SampleType) -> Self {
        if rescale == Rescale::NONE {
            return self;
        }
        Self { rescale, header: VolumeHeader { sample_type, ..self.header }, ..self }
    }

    pub(in crate::io) fn header_mut(&mut self) -> &mut VolumeHeader {
        &mut self.header
    }

    /// Reads bytes from sample `index` on, counted over all components.
    fn bytes(&self, index: u64, out: &mut [u8]) -> Result<()> {
        let size = self.stored.size() as u64;
        self.file.read_exact_at(out, self.start + index * size).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                Error::format(&self.path, "the file ends before its samples do; it was cut off meanwhile")
            }
            _ => Error::io(&self.path, e),
        })
    }

    /// Samples would be of two volumes where a file is written anew while it is read.
    fn refuse_changes(&self) -> Result<()> {
        match self.state {
            Some(before) if state(&self.path, &self.file)? != before => Err(Error::format(
                &self.path,
                "the file was changed while it was read; begin again once it is written",
            )),
            _ => Ok(()),
        }
    }
}

impl Source for FileSource {
    fn header(&self) -> VolumeHeader {
        self.header.clone()
    }

    fn read(&self, start: [usize; 3], size: [usize; 3]) -> Result<Samples> {
        let [nx, ny, _] = self.header.shape.map(|n| n as u64);
        let mut samples = Samples::zeros(self.stored, size.iter().product());
        let of_sample = self.stored.size();
        let interleaved = self.components > 1 && self.run == 1;
        let in_runs = self.components > 1 && self.run > 1;
        // Rows that lie behind each other are read together.
        let planes = !in_runs || self.run.is_multiple_of(nx * ny);
        let rows = if size[0] as u64 == nx && planes { size[1] } else { 1 };
        let run = size[0] * rows;
        let mut tuples = vec![0; if interleaved { run * of_sample * self.components } else { 0 }];
        for (n, out) in samples.as_bytes_mut().chunks_exact_mut(run * of_sample).enumerate() {
            let row = n * rows;
            let [y, z] = [start[1] + row % size[1], start[2] + row / size[1]].map(|n| n as u64);
            let voxel = start[0] as u64 + nx * (y + ny * z);
            if interleaved {
                self.bytes(voxel * self.components as u64, &mut tuples)?;
                let tuples = tuples.chunks_exact(of_sample * self.components);
                for (out, tuple) in out.chunks_exact_mut(of_sample).zip(tuples) {
                    out.copy_from_slice(&tuple[self.component * of_sample..][..of_sample]);
                }
            } else if in_runs {
                let [before, inside] = [voxel / self.run, voxel % self.run];
                let index = (before * self.components as u64 + self.component as u64) * self.run + inside;
                self.bytes(index, out)?;
            } else {
                self.bytes(voxel, out)?;
            }
        }
        self.refuse_changes()?;
        if self.order != ByteOrder::NATIVE {
            swap_bytes(samples.as_bytes_mut(), of_sample);
        }
        match self.rescale == Rescale::NONE {
            true => Ok(samples),
            false => Ok(self.rescale.convert(samples, self.header.sample_type)),
        }
    }
}
