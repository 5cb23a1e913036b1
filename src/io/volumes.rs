//! The volumes of an input over time, found once and read one by one.

use super::{Format, OpenOptions, dicom, format_of, refuse_what_does_not_apply};
use crate::error::{Error, Result};
use crate::volume::Volume;
use std::path::{Path, PathBuf};

/// The volumes that a file or folder holds: one, or the steps of a series over time.
///
/// A DICOM folder's headers are read once, however many volumes are read then, and warned of once.
pub struct Volumes {
    path: PathBuf,
    options: OpenOptions,
    found: FoundVolumes,
}

enum FoundVolumes {
    Dicom(Box<dicom::Volumes>, usize),
    Other(usize),
}

impl Volumes {
    /// Finds out what a file or folder holds. [`OpenOptions::time_step`] says nothing here.
    ///
    /// # Errors
    /// Those of [`super::open`].
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self> {
        let format = format_of(path, options)?;
        let options = OpenOptions { time_step: None, ..options.clone() };
        let found = match format {
            Format::Dicom => {
                refuse_what_does_not_apply(path, format, &options)?;
                let volumes = dicom::Volumes::open(path, &options)?;
                let steps = volumes.steps(path)?;
                FoundVolumes::Dicom(Box::new(volumes), steps)
            }
            _ => FoundVolumes::Other(super::time_steps_of(path, format, &options)?),
        };
        Ok(Self { path: path.to_owned(), options, found })
    }

    /// How many there are; never 0.
    #[expect(clippy::len_without_is_empty, reason = "an input holds a volume")]
    pub fn len(&self) -> usize {
        match self.found {
            FoundVolumes::Dicom(_, steps) | FoundVolumes::Other(steps) => steps,
        }
    }

    /// Reads one, counted from 0.
    ///
    /// # Errors
    /// Those of [`super::open`].
    pub fn read(&self, step: usize) -> Result<Volume> {
        if step >= self.len() {
            return Err(Error::Options(format!(
                "{}: there is no time step {step}; it holds {}, counted from 0",
                self.path.display(),
                self.len()
            )));
        }
        match &self.found {
            FoundVolumes::Dicom(volumes, _) => {
                let volume = volumes.read(&self.path, step, &self.options)?;
                Ok(super::with_fill_value(volume, &self.options))
            }
            FoundVolumes::Other(_) => {
                super::open(&self.path, &OpenOptions { time_step: Some(step), ..self.options.clone() })
            }
        }
    }
}
