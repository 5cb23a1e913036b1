//! A file of several arrays, components and time steps, written as its volumes are done.

use super::compressed::Compressed;
use crate::atomic;
use crate::container::{ArrayInfo, DatasetIndex};
use crate::error::{Error, Result};
use crate::sample::NeuralDataset;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Writes a file of several volumes, one after the other: the components of the first array, of the next array, and so on; then
/// those of the next time step. Nothing but the volume at hand is kept in memory.
pub struct DatasetWriter<'a> {
    path: &'a Path,
    out: &'a mut dyn WriteSeek,
    index: DatasetIndex,
    written: usize,
    end: u64,
}

/// What a file is written to: its index is completed when its volumes are there.
pub(crate) trait WriteSeek: Write + Seek {}
impl<T: Write + Seek> WriteSeek for T {}

impl DatasetWriter<'_> {
    /// Writes a file through `fill`, whole or not at all; an existing one is replaced. The times of the steps ascend.
    ///
    /// # Errors
    /// What `fill` returns; [`Error::Options`] for more than a file may hold, or when not every volume was added;
    /// [`Error::Io`].
    pub fn save(
        path: impl AsRef<Path>,
        arrays: Vec<ArrayInfo>,
        steps: usize,
        times: Option<Vec<f64>>,
        fill: impl FnOnce(&mut DatasetWriter<'_>) -> Result<()>,
    ) -> Result<()> {
        let path = path.as_ref();
        let refuse = |what: String| Error::Options(format!("{}: {what}", path.display()));
        let index = DatasetIndex::new(arrays, steps, times).map_err(refuse)?;
        atomic::write_seekable(path, |out| Self::write(path, out, index, fill))
    }

    /// The bytes of a file of these volumes.
    ///
    /// # Errors
    /// As for [`Self::save`].
    #[cfg(feature = "bridge")]
    pub(crate) fn bytes_of(index: DatasetIndex, volumes: &[Compressed]) -> Result<Vec<u8>> {
        let mut out = std::io::Cursor::new(Vec::new());
        Self::write(Path::new("the new file"), &mut out, index, |writer| {
            volumes.iter().try_for_each(|volume| writer.add(volume))
        })?;
        Ok(out.into_inner())
    }

    fn write(
        path: &Path,
        out: &mut dyn WriteSeek,
        index: DatasetIndex,
        fill: impl FnOnce(&mut DatasetWriter<'_>) -> Result<()>,
    ) -> Result<()> {
        let start = index.file_start();
        out.write_all(&start).map_err(|e| Error::io(path, e))?;
        let mut writer = DatasetWriter { path, out, index, written: 0, end: start.len() as u64 };
        fill(&mut writer)?;
        writer.finish()
    }

    /// Adds the next volume.
    ///
    /// # Errors
    /// [`Error::Options`] when all were added; [`Error::Io`].
    pub fn add(&mut self, volume: &Compressed) -> Result<()> {
        self.append(&mut volume.bytes.as_slice())
    }

    /// Adds the next volume out of a finished file, such as [`compress_source`](super::compress_source) makes.
    ///
    /// # Errors
    /// As for [`Self::add`]; [`Error::Options`] for a file of several volumes; those of [`NeuralDataset::open`].
    pub fn add_file(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        if NeuralDataset::open(path)?.is_of_several() {
            let what = format!("{}: a file of several volumes cannot be one of another's", path.display());
            return Err(Error::Options(what));
        }
        let mut file = File::open(path).map_err(|e| Error::io(path, e))?;
        self.append(&mut file)
    }

    fn append(&mut self, file: &mut dyn Read) -> Result<()> {
        if self.written == self.index.len() {
            let what = format!("{}: all its {} volumes are there", self.path.display(), self.written);
            return Err(Error::Options(what));
        }
        let bytes = std::io::copy(file, &mut self.out).map_err(|e| Error::io(self.path, e))?;
        self.index.set_length(self.written, bytes);
        self.end += bytes;
        self.written += 1;
        Ok(())
    }

    /// Bytes that were written.
    pub fn bytes(&self) -> u64 {
        self.end
    }

    fn finish(self) -> Result<()> {
        if self.written < self.index.len() {
            let (path, written, all) = (self.path.display(), self.written, self.index.len());
            return Err(Error::Options(format!("{path}: {written} of its {all} volumes were added")));
        }
        let complete = |out: &mut dyn WriteSeek| {
            out.seek(SeekFrom::Start(0))?;
            out.write_all(&self.index.file_start())
        };
        complete(self.out).map_err(|e| Error::io(self.path, e))
    }
}
