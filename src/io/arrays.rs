//! Several arrays of one grid in one file.

use super::{SaveOptions, save_source, vtk_xml};
use crate::error::{Error, Result};
use crate::volume::{Source, Volume, VolumeHeader};
use std::path::Path;

/// An array of one or more components, one volume each.
#[derive(Debug, Clone)]
pub struct ArrayVolumes {
    /// The array's name.
    pub name: String,
    /// The components' names, empty where they have no name.
    pub component_names: Vec<String>,
    /// The components, at least one, all of one shape and type.
    pub components: Vec<Volume>,
}

/// An array of one or more components, which are read slab by slab.
pub struct ArraySources<'a> {
    /// The array's name.
    pub name: String,
    /// The components' names, empty where they have no name.
    pub component_names: Vec<String>,
    /// The components, at least one, all of one shape and type.
    pub components: Vec<Box<dyn Source + 'a>>,
}

impl<'a> ArraySources<'a> {
    fn of(array: &'a ArrayVolumes) -> Self {
        let source = |volume: &'a Volume| -> Box<dyn Source + 'a> { Box::new(volume) };
        Self {
            name: array.name.clone(),
            component_names: array.component_names.clone(),
            components: array.components.iter().map(source).collect(),
        }
    }
}

/// Refuses a file that has no place for several arrays or components: a caller with work ahead asks first.
///
/// # Errors
/// [`Error::Options`] for every format but `.vti`.
pub fn check_arrays_output(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("vti")) {
        return Ok(());
    }
    Err(Error::Options(format!(
        "{}: only a .vti file has a place for several arrays or components; choose one with `array` and `component`",
        path.display()
    )))
}

/// Writes arrays of one grid to one file: several, or several components, to `.vti`, a single volume to what
/// [`save`](super::save()) knows.
///
/// # Errors
/// As for [`save`](super::save()); [`Error::Options`] for arrays that the format has no place for, or of several grids or types.
pub fn save_arrays(arrays: &[ArrayVolumes], path: impl AsRef<Path>) -> Result<()> {
    let sources: Vec<ArraySources<'_>> = arrays.iter().map(ArraySources::of).collect();
    save_array_sources(&sources, path, &SaveOptions::of_a_volume())
}

/// [`save_arrays`], for arrays that are read slab by slab. The file is the same as that of the arrays in memory.
///
/// # Errors
/// As for [`save_arrays`] and [`save_source`].
pub fn save_array_sources(
    arrays: &[ArraySources<'_>],
    path: impl AsRef<Path>,
    options: &SaveOptions,
) -> Result<()> {
    let path = path.as_ref();
    let refuse = |what: &str| Err(Error::Options(format!("{}: {what}", path.display())));
    if let [ArraySources { components, .. }] = arrays
        && let [only] = components.as_slice()
    {
        return save_source(only.as_ref(), path, options);
    }
    check_arrays_output(path)?;
    let headers = |array: &ArraySources<'_>| -> Vec<VolumeHeader> {
        array.components.iter().map(|component| component.header()).collect()
    };
    let Some(first) = arrays.first().and_then(|array| headers(array).into_iter().next()) else {
        return refuse("there is no array to write");
    };
    for array in arrays {
        let headers = headers(array);
        let Some(own) = headers.first() else { return refuse("an array has no component") };
        let is_alike = |header: &VolumeHeader| {
            header.shape == first.shape
                && header.geometry == first.geometry
                && header.association == first.association
                && header.sample_type == own.sample_type
        };
        if !headers.iter().all(is_alike) {
            return refuse(&format!(
                "array '{}' has another grid, or components of several types",
                array.name
            ));
        }
    }
    vtk_xml::save_arrays(arrays, path, options)
}
