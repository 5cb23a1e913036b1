//! VTK XML image data (`.vti`).
//!
//! `quick-xml` reads the XML up to `<AppendedData>`; everything else is own code, because `vtkio` cannot read raw
//! appended data (ParaView's default), passes origin and spacing through float32 and drops `Direction`.
//!
//! Format: "VTK XML Formats", <https://docs.vtk.org/en/latest/design_documents/VTKFileFormats.html>.

mod base64;
mod data;
mod document;
mod write;

pub(super) use write::save;

use super::{OpenOptions, affine, elements};
use crate::error::{Error, Result};
use crate::volume::{Frame, Geometry, Volume};
use document::{Array, Association, Document};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Reads one array of one scalar per point (or per cell, at the cells' centres).
pub(super) fn open(path: &Path, options: &OpenOptions) -> Result<Volume> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let file_bytes = file.metadata().map_err(|e| Error::io(path, e))?.len();
    let mut file = BufReader::with_capacity(1 << 18, file);
    let document = Document::read(path, &mut file)?;
    let array = choose(path, &document, options.array.as_deref())?;
    let stored = array.stored_type(path)?;
    let grid = Grid::of(path, &document, array.association)?;
    let count = elements::sample_count(path, grid.shape, stored.size(), &options.limits)?;
    let samples = data::read(path, &mut file, file_bytes, &document, array, stored, count)?;
    let mut volume = Volume::new(samples, grid.shape.map(|n| n as usize))?;
    volume.geometry = grid.geometry;
    volume.name = array.name.clone();
    volume.unit = array.unit.trim().into();
    let place = match array.association {
        Association::Point => "point data",
        Association::Cell => "cell data",
    };
    volume.provenance.insert("source format".into(), format!("VTK XML image data, {place}"));
    volume.provenance.insert("source type".into(), stored.name().into());
    Ok(volume)
}

/// Arrays that say which points count, not what is measured there.
const BOOKKEEPING: [&str; 2] = ["vtkGhostType", "vtkValidPointMask"];

/// The array asked for, else the active scalars, else the first with one component; points before cells.
fn choose<'a>(path: &Path, document: &'a Document, name: Option<&str>) -> Result<&'a Array> {
    let of = |association| document.arrays.iter().filter(move |a| a.association == association);
    let candidates: Vec<&Array> = of(Association::Point).chain(of(Association::Cell)).collect();
    let listed = || {
        let names: Vec<String> =
            candidates.iter().map(|a| format!("'{}' ({} components)", a.name, a.components)).collect();
        if names.is_empty() { "it has none".into() } else { format!("it has {}", names.join(", ")) }
    };
    let scalar = |array: &'a Array| {
        if array.components == 1 {
            return Ok(array);
        }
        Err(Error::unsupported(
            path,
            format!(
                "array '{}' has {} components; only scalar arrays are supported: extract one component first ({})",
                array.name,
                array.components,
                listed()
            ),
        ))
    };
    if let Some(name) = name {
        return match candidates.iter().find(|a| a.name == name) {
            Some(array) => scalar(array),
            None => {
                Err(Error::Options(format!("{}: no array is named '{name}'; {}", path.display(), listed())))
            }
        };
    }
    for association in [Association::Point, Association::Cell] {
        let active = document.active_scalars(association);
        if let Some(array) = of(association).find(|a| Some(a.name.as_str()) == active) {
            return scalar(array);
        }
        let mut usable =
            of(association).filter(|a| a.is_numeric() && !BOOKKEEPING.contains(&a.name.as_str()));
        if let Some(array) = usable.find(|a| a.components == 1) {
            return Ok(array);
        }
    }
    Err(Error::unsupported(path, format!("the file has no array of scalars; {}", listed())))
}

/// The samples' grid.
struct Grid {
    shape: [u64; 3],
    geometry: Geometry,
}

impl Grid {
    fn of(path: &Path, document: &Document, association: Association) -> Result<Self> {
        let (low, high) = document.extent(path)?;
        let mut shape = [0; 3];
        let mut start = [0.0; 3];
        for axis in 0..3 {
            // Differences of i32 values: they cannot overflow.
            let intervals = high[axis] - low[axis];
            let is_cell = association == Association::Cell && intervals > 0;
            shape[axis] = if is_cell { intervals as u64 } else { intervals as u64 + 1 };
            start[axis] = low[axis] as f64 + if is_cell { 0.5 } else { 0.0 };
        }
        let steps: [[f64; 3]; 3] =
            std::array::from_fn(|a| document.direction.map(|row| row[a] * document.spacing[a]));
        let origin = std::array::from_fn(|row| {
            document.origin[row] + (0..3).map(|a| steps[a][row] * start[a]).sum::<f64>()
        });
        let extents = shape.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        let mut geometry = affine::geometry(path, steps, origin, Frame::Unknown, extents)?;
        if document.spacing.iter().all(|&s| s > 0.0) {
            // As written, not as it comes back out of the vectors.
            geometry.spacing = document.spacing;
            geometry.direction = document.direction;
        }
        Ok(Self { shape, geometry })
    }
}

#[cfg(test)]
mod tests;
