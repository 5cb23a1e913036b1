//! Everything that an input holds, found once and read one scalar volume at a time.

use super::contents::{Contents, InputArray, MOST_COMPONENTS, too_many_components};
use super::located::FoundSource;
use super::{Format, OpenOptions, dicom, format_of, refuse_what_does_not_apply};
use crate::error::{Error, Result};
use crate::volume::Volume;
use std::path::{Path, PathBuf};

/// The volumes that a file or folder holds: arrays, their components, and the steps of a series over time.
///
/// A DICOM folder's headers are read once, however many volumes are read then, and warned of once.
pub struct Volumes {
    path: PathBuf,
    options: OpenOptions,
    contents: Contents,
    /// The headers of a DICOM series.
    dicom: Option<Box<dicom::Volumes>>,
}

impl Volumes {
    /// Finds out what a file or folder holds. [`OpenOptions::time_step`] says nothing here.
    ///
    /// # Errors
    /// Those of [`super::open`].
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self> {
        let format = format_of(path, options)?;
        let options = OpenOptions { time_step: None, ..options.clone() };
        refuse_what_does_not_apply(path, format, &options)?;
        let (contents, dicom) = match format {
            Format::Dicom => {
                let volumes = dicom::Volumes::open(path, &options)?;
                (volumes.contents(path, &options)?, Some(Box::new(volumes)))
            }
            _ => (super::contents_of(path, format, &options)?, None),
        };
        let contents = contents.chosen(path, &options)?;
        Ok(Self { path: path.to_owned(), options, contents, dicom })
    }

    /// How many steps over time there are; never 0.
    #[expect(clippy::len_without_is_empty, reason = "an input holds a volume")]
    pub fn len(&self) -> usize {
        self.contents.steps
    }

    /// The arrays that can be read; never empty.
    ///
    /// VTK's files: the arrays of numbers of the points, or of the cells where the one that [`super::open`] reads is theirs,
    /// without those that say which points count. [`OpenOptions::array`] leaves one of them, and
    /// [`OpenOptions::component`] that component of the array that [`super::open`] reads. Of a list, those of the first step.
    pub fn arrays(&self) -> &[InputArray] {
        &self.contents.arrays
    }

    /// The time of each step, where the input says it as a number: in seconds where the format has a unit (NIfTI, DICOM,
    /// NRRD, TIFF), else as it is written (lists of files, VTK, MetaImage). DICOM's clocks count from the first step.
    pub fn times(&self) -> Option<Vec<f64>> {
        self.contents.times.clone()
    }

    /// Refuses what [`Self::read_part`] would refuse whatever the samples are: a caller who wants all parts asks first.
    ///
    /// # Errors
    /// [`Error::Options`] for an array of more than [`MOST_COMPONENTS`] components.
    pub fn check_parts(&self) -> Result<()> {
        match self.arrays().iter().find(|array| array.components > MOST_COMPONENTS) {
            Some(array) => Err(too_many_components(&self.path, array)),
            None => Ok(()),
        }
    }

    /// Reads the one volume of a step that [`super::open`] would read, counted from 0.
    ///
    /// # Errors
    /// Those of [`super::open`].
    pub fn read(&self, step: usize) -> Result<Volume> {
        self.check_step(step)?;
        self.read_with(&self.options_of(step), step)
    }

    /// Finds out whether the volume that [`Self::read`] reads can be read box by box: see [`super::find_source`].
    ///
    /// # Errors
    /// Those of [`super::open`].
    pub fn find_source(&self, step: usize) -> Result<Option<FoundSource>> {
        self.check_step(step)?;
        self.find_with(&self.options_of(step), step)
    }

    /// Reads one component of one array (their places in [`Self::arrays`]) at one step, all counted from 0. The volume has the
    /// array's name, whichever component it is.
    ///
    /// # Errors
    /// Those of [`super::open`]; [`Error::Options`] for an array of more than [`MOST_COMPONENTS`] components.
    pub fn read_part(&self, array: usize, component: usize, step: usize) -> Result<Volume> {
        let (chosen, options) = self.part(array, component, step)?;
        let mut volume = self.read_with(&options, step)?;
        volume.name.clone_from(&chosen.name);
        Ok(volume)
    }

    /// The same for the volume that [`Self::read_part`] reads.
    ///
    /// # Errors
    /// As for [`Self::read_part`].
    pub fn find_part(&self, array: usize, component: usize, step: usize) -> Result<Option<FoundSource>> {
        let (chosen, options) = self.part(array, component, step)?;
        Ok(self.find_with(&options, step)?.map(|found| found.named(&chosen.name)))
    }

    /// A component of an array at a step, and the options that choose it.
    fn part(&self, array: usize, component: usize, step: usize) -> Result<(&InputArray, OpenOptions)> {
        self.check_step(step)?;
        let arrays = self.arrays();
        let Some(chosen) = arrays.get(array) else {
            return Err(Error::Options(format!(
                "{}: there is no array {array}; it holds {}, counted from 0",
                self.path.display(),
                arrays.len()
            )));
        };
        if chosen.components > MOST_COMPONENTS {
            return Err(too_many_components(&self.path, chosen));
        }
        if component >= chosen.components {
            return Err(Error::Options(format!(
                "{}: array '{}' has no component {component}; it has {}, counted from 0",
                self.path.display(),
                chosen.name,
                chosen.components
            )));
        }
        let options = OpenOptions {
            time_step: Some(step),
            array: self.contents.named.then(|| chosen.name.clone()),
            component: self.options.component.or_else(|| (chosen.components > 1).then_some(component)),
            ..self.options.clone()
        };
        Ok((chosen, options))
    }

    fn options_of(&self, step: usize) -> OpenOptions {
        OpenOptions { time_step: Some(step), ..self.options.clone() }
    }

    fn check_step(&self, step: usize) -> Result<()> {
        if step < self.len() {
            return Ok(());
        }
        Err(Error::Options(format!(
            "{}: there is no time step {step}; it holds {}, counted from 0",
            self.path.display(),
            self.len()
        )))
    }

    fn find_with(&self, options: &OpenOptions, step: usize) -> Result<Option<FoundSource>> {
        match &self.dicom {
            Some(volumes) => {
                let found = volumes.find_source(&self.path, step, options)?;
                Ok(found.map(|found| found.with_fill_value(options)))
            }
            None => super::find_source(&self.path, options),
        }
    }

    fn read_with(&self, options: &OpenOptions, step: usize) -> Result<Volume> {
        match &self.dicom {
            Some(volumes) => Ok(super::with_fill_value(volumes.read(&self.path, step, options)?, options)),
            None => super::open(&self.path, options),
        }
    }
}

#[cfg(test)]
mod tests;
