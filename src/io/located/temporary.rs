//! A temporary file that samples are unpacked to.

use super::FileSource;
use crate::error::{Error, Result};
use crate::volume::{SampleType, Samples, VolumeHeader};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Samples in the machine's byte order, x fastest, in a file without a name, which is gone when it is closed.
pub(in crate::io) struct Temporary {
    file: File,
    folder: PathBuf,
    /// The input.
    of: PathBuf,
}

impl Temporary {
    /// A file for so many samples of a type, none of which is written yet.
    pub(in crate::io) fn create(
        folder: &Path,
        of: &Path,
        shape: [usize; 3],
        sample_type: SampleType,
    ) -> Result<Self> {
        let samples = shape.iter().map(|&n| n as u64).product::<u64>();
        let bytes = samples.saturating_mul(sample_type.size() as u64);
        log::info!(
            "{}: its samples are unpacked to a temporary file of {bytes} bytes in {}",
            of.display(),
            folder.display()
        );
        let file = tempfile::tempfile_in(folder).map_err(|e| failed(folder, of, &e))?;
        Ok(Self { file, folder: folder.to_owned(), of: of.to_owned() })
    }

    /// Puts samples behind those that are there.
    pub(in crate::io) fn append(&mut self, samples: &Samples) -> Result<()> {
        self.file.write_all(samples.as_bytes()).map_err(|e| failed(&self.folder, &self.of, &e))
    }

    /// Puts samples to the place of sample `index`.
    pub(in crate::io) fn put(&mut self, index: u64, sample_type: SampleType, bytes: &[u8]) -> Result<()> {
        let put = self
            .file
            .seek(SeekFrom::Start(index.saturating_mul(sample_type.size() as u64)))
            .and_then(|_| self.file.write_all(bytes));
        put.map_err(|e| failed(&self.folder, &self.of, &e))
    }

    /// What reads the samples, all of which are there.
    pub(in crate::io) fn source(self, sample_type: SampleType, header: VolumeHeader) -> Result<FileSource> {
        let found = self.file.metadata().map_err(|e| failed(&self.folder, &self.of, &e))?.len();
        let expected = header.voxels() * sample_type.size() as u64;
        if found != expected {
            return Err(Error::format(
                &self.of,
                format!("unpacked, its samples have {found} bytes, not {expected}; the file is corrupt"),
            ));
        }
        Ok(FileSource::of_temporary(self.file, &self.of, sample_type, header))
    }
}

fn failed(folder: &Path, of: &Path, reason: &std::io::Error) -> Error {
    let what =
        format!("the temporary file for the samples of '{}' cannot be written: {reason}", of.display());
    Error::io(folder, std::io::Error::new(reason.kind(), what))
}
