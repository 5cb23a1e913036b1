//! Several arrays of one grid in one file.

use super::{save, vtk_xml};
use crate::error::{Error, Result};
use crate::volume::Volume;
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

/// Writes arrays of one grid to one file: several, or several components, to `.vti`, a single volume to what [`save`] knows.
///
/// # Errors
/// As for [`save`]; [`Error::Options`] for arrays that the format has no place for, or of several grids or types.
pub fn save_arrays(arrays: &[ArrayVolumes], path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let refuse = |what: &str| Err(Error::Options(format!("{}: {what}", path.display())));
    if let [ArrayVolumes { components, .. }] = arrays
        && let [only] = components.as_slice()
    {
        return save(only, path);
    }
    check_arrays_output(path)?;
    let Some(first) = arrays.first().and_then(|array| array.components.first()) else {
        return refuse("there is no array to write");
    };
    for array in arrays {
        let Some(own) = array.components.first() else { return refuse("an array has no component") };
        let is_alike = |volume: &Volume| {
            volume.shape() == first.shape()
                && volume.geometry == first.geometry
                && volume.association == first.association
                && volume.sample_type() == own.sample_type()
        };
        if !array.components.iter().all(is_alike) {
            return refuse(&format!(
                "array '{}' has another grid, or components of several types",
                array.name
            ));
        }
    }
    vtk_xml::save_arrays(arrays, path)
}
