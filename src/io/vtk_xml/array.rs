//! Which array of a file is read, and which component of it.

use super::document::{Array, Association, Document};
use crate::error::{Error, Result};
use crate::io::elements::StoredType;
use crate::io::{self, InputArray, OpenOptions};
use std::path::Path;

/// The array to read; other pieces have it too.
pub(super) struct Chosen {
    pub(super) association: Association,
    pub(super) name: String,
    pub(super) unit: String,
    pub(super) stored: StoredType,
    pub(super) component: usize,
    /// The names of the arrays that could have been read instead.
    pub(super) others: String,
    components: usize,
}

impl Chosen {
    /// The array asked for, else the active scalars, else the first with one component, else the first at all; points before
    /// cells. Where a component is asked for, arrays of several come before those of one.
    pub(super) fn of(path: &Path, document: &Document, options: &OpenOptions) -> Result<Self> {
        let arrays = document.pieces.first().map(|p| p.arrays.as_slice()).unwrap_or_default();
        let of = |association| arrays.iter().filter(move |a| a.association == association);
        let candidates: Vec<&Array> = of(Association::Point).chain(of(Association::Cell)).collect();
        let listed = || {
            let names: Vec<String> = candidates.iter().map(|a| a.described()).collect();
            if names.is_empty() { "it has none".into() } else { format!("it has {}", names.join(", ")) }
        };
        let others = |chosen: &Array| {
            let is_other =
                |a: &&&Array| a.is_numeric() && !io::is_bookkeeping(&a.name) && !std::ptr::eq(**a, chosen);
            let others = candidates.iter().filter(is_other).map(|a| match a.association {
                Association::Point => a.name.clone(),
                Association::Cell => format!("{} (cells)", a.name),
            });
            others.collect::<Vec<_>>().join(", ")
        };
        if let Some(name) = options.array.as_deref() {
            // A name may be that of a string of the points and of numbers of the cells.
            let mut named = candidates.iter().filter(|a| a.name == name);
            return match named.clone().find(|a| a.is_numeric()).or_else(|| named.next()) {
                Some(array) => Self::component_of(path, array, others(array), options),
                None => Err(Error::Options(format!(
                    "{}: no array is named '{name}'; {}",
                    path.display(),
                    listed()
                ))),
            };
        }
        for association in [Association::Point, Association::Cell] {
            let active = document.active_scalars(association);
            let usable = || of(association).filter(|a| a.is_numeric() && !io::is_bookkeeping(&a.name));
            let is_active = |a: &&Array| Some(a.name.as_str()) == active;
            let vector = || {
                let vectors = || usable().filter(|a| !a.is_scalar());
                vectors().find(is_active).or_else(|| vectors().next()).filter(|_| options.component.is_some())
            };
            let array = vector()
                .or_else(|| of(association).find(is_active))
                .or_else(|| usable().find(|a| a.is_scalar()))
                .or_else(|| usable().next());
            if let Some(array) = array {
                return Self::component_of(path, array, others(array), options);
            }
        }
        Err(Error::unsupported(path, format!("the file has no array of numbers; {}", listed())))
    }

    /// The same in the first piece of a parallel file, which says what array is active.
    pub(super) fn of_parallel(
        parallel: &Document,
        file: &Path,
        piece: &Document,
        options: &OpenOptions,
    ) -> Result<Self> {
        let chosen = Self::of(file, piece, options)?;
        match parallel.active_scalars(chosen.association) {
            Some(name) if options.array.is_none() => {
                Self::of(file, piece, &OpenOptions { array: Some(name.into()), ..options.clone() })
            }
            _ => Ok(chosen),
        }
    }

    fn component_of(path: &Path, array: &Array, others: String, options: &OpenOptions) -> Result<Self> {
        let components = array.components(path)?;
        Ok(Self {
            association: array.association,
            name: array.name.clone(),
            unit: array.unit.clone(),
            stored: array.stored_type(path)?,
            component: io::component(path, &format!("array '{}'", array.name), components, options)?,
            others,
            components,
        })
    }

    /// The arrays that can be read: the one that the options choose alone where they choose, else those of numbers that
    /// belong to what the default one belongs to.
    pub(super) fn all(path: &Path, document: &Document, options: &OpenOptions) -> Result<Vec<InputArray>> {
        // Of the default array some component: whether it has several is not asked here.
        let any = OpenOptions { component: options.component.or(Some(0)), ..options.clone() };
        let default = Self::of(path, document, &any)?;
        let arrays = document.pieces.first().map(|p| p.arrays.as_slice()).unwrap_or_default();
        let is_chosen = options.array.is_some() || options.component.is_some();
        let mut listed: Vec<InputArray> = Vec::new();
        for array in arrays.iter().filter(|a| a.association == default.association && a.is_numeric()) {
            let wanted = match is_chosen {
                true => array.name == default.name,
                false => !io::is_bookkeeping(&array.name),
            };
            // Of two of one name the first is read.
            if wanted && !listed.iter().any(|other| other.name == array.name) {
                let listed_array = InputArray::new(array.name.clone(), array.components(path)?);
                listed.push(listed_array.with_names(array.component_names.clone()));
            }
        }
        Ok(listed)
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
