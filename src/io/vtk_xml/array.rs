//! Which array of a file is read, and which component of it.

use super::document::{Array, Association, Document};
use crate::error::{Error, Result};
use crate::io::elements::StoredType;
use crate::io::{self, OpenOptions};
use std::path::Path;

/// Arrays that say which points count, not what is measured there.
const BOOKKEEPING: [&str; 2] = ["vtkGhostType", "vtkValidPointMask"];

/// The array to read; other pieces have it too.
pub(super) struct Chosen {
    pub(super) association: Association,
    pub(super) name: String,
    pub(super) unit: String,
    pub(super) stored: StoredType,
    pub(super) component: usize,
    components: usize,
}

impl Chosen {
    /// The array asked for, else the active scalars, else the first with one component, else the first at all; points before
    /// cells.
    pub(super) fn of(path: &Path, document: &Document, options: &OpenOptions) -> Result<Self> {
        let arrays = document.pieces.first().map(|p| p.arrays.as_slice()).unwrap_or_default();
        let of = |association| arrays.iter().filter(move |a| a.association == association);
        let candidates: Vec<&Array> = of(Association::Point).chain(of(Association::Cell)).collect();
        let listed = || {
            let names: Vec<String> = candidates.iter().map(|a| a.described()).collect();
            if names.is_empty() { "it has none".into() } else { format!("it has {}", names.join(", ")) }
        };
        if let Some(name) = options.array.as_deref() {
            return match candidates.iter().find(|a| a.name == name) {
                Some(array) => Self::component_of(path, array, options),
                None => Err(Error::Options(format!(
                    "{}: no array is named '{name}'; {}",
                    path.display(),
                    listed()
                ))),
            };
        }
        for association in [Association::Point, Association::Cell] {
            let active = document.active_scalars(association);
            let usable =
                || of(association).filter(|a| a.is_numeric() && !BOOKKEEPING.contains(&a.name.as_str()));
            let array = of(association)
                .find(|a| Some(a.name.as_str()) == active)
                .or_else(|| usable().find(|a| a.is_scalar()))
                .or_else(|| usable().next());
            if let Some(array) = array {
                return Self::component_of(path, array, options);
            }
        }
        Err(Error::unsupported(path, format!("the file has no array of numbers; {}", listed())))
    }

    fn component_of(path: &Path, array: &Array, options: &OpenOptions) -> Result<Self> {
        let components = array.components(path)?;
        Ok(Self {
            association: array.association,
            name: array.name.clone(),
            unit: array.unit.clone(),
            stored: array.stored_type(path)?,
            component: io::component(path, &format!("array '{}'", array.name), components, options)?,
            components,
        })
    }

    /// The volume's name: the array's, with the component where there are several.
    pub(super) fn label(&self) -> String {
        if self.components == 1 { self.name.clone() } else { format!("{}_{}", self.name, self.component) }
    }

    /// The same array of another piece.
    pub(super) fn find<'a>(&self, path: &Path, arrays: &'a [Array]) -> Result<&'a Array> {
        let array = arrays
            .iter()
            .find(|a| a.association == self.association && a.name == self.name)
            .ok_or_else(|| Error::format(path, format!("a piece has no array '{}'", self.name)))?;
        if array.stored_type(path)? != self.stored || array.components(path)? != self.components {
            return Err(Error::format(
                path,
                format!("array '{}' is of another type in one piece than in another", self.name),
            ));
        }
        Ok(array)
    }
}
