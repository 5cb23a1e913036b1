//! Legacy VTK files (`.vtk`) with `DATASET STRUCTURED_POINTS`, or `RECTILINEAR_GRID` with even spacing; ascii and binary.
//!
//! All own code: `vtkio` (0.7.0-rc2) passes origin and spacing through float32, holds three copies of the samples and
//! fails on the files of version 1.0 that have an empty line behind `BINARY`.
//!
//! Format: "VTK File Formats", section "Simple Legacy Formats".

mod arrays;
#[cfg(test)]
mod tests;
mod text;

use super::contents::Contents;
use super::elements::{ByteOrder, StoredType};
use super::located::{Content, Located, TextForm, Unread, stand_in};
use super::mapped::Mapped;
use super::reading::{self, Reading};
use super::rescale::Rescale;
use super::vtk_fields::Fields;
use super::{BYTE_ORDER_MARK, OTHER_ARRAYS, OpenOptions, even};
use crate::error::{Error, Result};
use crate::volume::{Association, SampleType, Volume};
use arrays::{Arrays, Component};
use std::path::Path;
use text::Text;

/// Whether a file's first bytes are those of every legacy file.
pub(super) fn recognises(start: &[u8]) -> bool {
    const SIGNATURE: &[u8] = b"# vtk DataFile Version";
    start.get(..SIGNATURE.len()).is_some_and(|start| start.eq_ignore_ascii_case(SIGNATURE))
}

/// Reads one array of one number per point (or per cell, at the cells' centres).
pub(super) fn open(path: &Path, options: &OpenOptions) -> Result<Reading> {
    let bytes = Mapped::open(path)?;
    let (scanned, component, others) = Scanned::of(path, &bytes, options)?.chosen(path)?;
    let samples = scanned.reader.read(&scanned.text, &component)?;
    let volume = Volume::new(samples, scanned.reader.shape.map(|n| n as usize))?;
    scanned.describe(path, volume, &component, others)
}

/// Where the samples of that array lie: as they are, big endian, or as text.
pub(super) fn locate(path: &Path, options: &OpenOptions) -> Result<Unread> {
    let bytes = Mapped::open(path)?;
    let (scanned, component, others) = Scanned::of(path, &bytes, options)?.chosen(path)?;
    let Component { stored, part, start, .. } = component;
    let content = match scanned.reader.binary {
        true => Content::InPlace,
        false => Content::Text(Box::new(arrays::reader_at(path, start)?), TextForm::default()),
    };
    let Reading { volume, declares_spacing } =
        scanned.describe(path, stand_in(stored)?, &component, others)?;
    let located = Located {
        path: path.to_owned(),
        offset: start,
        stored,
        order: ByteOrder::Big,
        part,
        shape: scanned.reader.shape.map(|n| n as usize),
        described: volume,
        declares_spacing,
    };
    Ok(Unread { located, rescale: Rescale::NONE, content })
}

/// The arrays of numbers, and when they are.
pub(super) fn contents(path: &Path, options: &OpenOptions) -> Result<Contents> {
    let bytes = Mapped::open(path)?;
    let Scanned { reader, .. } = Scanned::of(path, &bytes, options)?;
    let arrays = reader.listed(path)?;
    Ok(Contents { steps: 1, times: reader.fields.time.map(|time| vec![time]), arrays, named: true })
}

/// A file whose grid and arrays are known.
struct Scanned<'a> {
    text: Text<'a>,
    grid: Grid,
    reader: Arrays<'a>,
}

impl<'a> Scanned<'a> {
    fn of(path: &'a Path, bytes: &'a [u8], options: &'a OpenOptions) -> Result<Self> {
        let at = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        let mut text = Text { path, bytes, at };
        text.line()?;
        text.line()?;
        let binary = match text.word()?.to_ascii_uppercase().as_str() {
            "ASCII" => false,
            "BINARY" => true,
            other => return Err(text.error(format!("'{other}' is neither ASCII nor BINARY"))),
        };
        text.expect("DATASET")?;
        let dataset = text.word()?.to_ascii_uppercase();
        if dataset != "STRUCTURED_POINTS" && dataset != "RECTILINEAR_GRID" {
            return Err(Error::unsupported(
                path,
                format!(
                    "a dataset of type {dataset}: only STRUCTURED_POINTS and RECTILINEAR_GRID are supported; resample it to \
                     an image first"
                ),
            ));
        }
        let mut grid =
            Grid { points: None, spacing: [1.0; 3], declares_spacing: [false; 3], origin: [0.0; 3] };
        let mut reader = Arrays {
            options,
            binary,
            samples_each: 0,
            cells: false,
            shape: [0; 3],
            fields: Fields::default(),
            found: Vec::new(),
        };
        match (reader.scan(&mut text, &mut grid), &options.array) {
            (Ok(()), _) => {}
            // What was asked for by name may lie before the damage.
            (Err(damage), Some(_)) if reader.chosen(path).is_err() => return Err(damage),
            (Err(_), Some(_)) => {}
            (Err(damage), None) => return Err(damage),
        }
        Ok(Self { text, grid, reader })
    }

    /// With the wanted component of the wanted array, before whose samples the text stands then, and the names of the other
    /// arrays.
    fn chosen(mut self, path: &Path) -> Result<(Self, Component, String)> {
        let array = self.reader.chosen(path)?;
        let others = self.reader.others(&array);
        (self.reader.cells, self.reader.shape) = (array.cells, array.shape);
        self.text.at = array.at;
        let component = self.reader.component(&mut self.text, array)?;
        Ok((self, component, others))
    }

    /// Says of a volume what the file does.
    fn describe(
        &self,
        path: &Path,
        mut volume: Volume,
        component: &Component,
        others: String,
    ) -> Result<Reading> {
        let declares_spacing = self.grid.describe(path, &mut volume, component, &self.reader)?;
        if !others.is_empty() {
            volume.provenance.insert(OTHER_ARRAYS.into(), others);
        }
        Ok(Reading { volume, declares_spacing })
    }
}

fn stored_type(text: &Text, name: &str) -> Result<StoredType> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "unsigned_char" => StoredType::Kept(SampleType::U8),
        "char" | "signed_char" => StoredType::Kept(SampleType::I8),
        "unsigned_short" => StoredType::Kept(SampleType::U16),
        "short" => StoredType::Kept(SampleType::I16),
        "unsigned_int" => StoredType::Kept(SampleType::U32),
        "int" | "vtkidtype" => StoredType::Kept(SampleType::I32),
        // As 64-bit systems write them.
        "unsigned_long" | "vtktypeuint64" => StoredType::U64,
        "long" | "vtktypeint64" => StoredType::I64,
        "float" => StoredType::Kept(SampleType::F32),
        "double" => StoredType::Kept(SampleType::F64),
        other => {
            return Err(Error::unsupported(
                text.path,
                format!("samples of type '{other}' are not supported"),
            ));
        }
    })
}

/// The grid as the header gives it.
struct Grid {
    points: Option<[u64; 3]>,
    spacing: [f64; 3],
    declares_spacing: [bool; 3],
    origin: [f64; 3],
}

impl Grid {
    /// Points along each axis, or cells; an axis of one point counts one cell.
    fn shape(&self, text: &Text, cells: bool) -> Result<[u64; 3]> {
        let points = self.points.ok_or_else(|| text.error("data before DIMENSIONS".into()))?;
        Ok(points.map(|n| if cells && n > 1 { n - 1 } else { n }))
    }

    /// Says of a volume what the header does; along which axes that is the spacing.
    fn describe(
        &self,
        path: &Path,
        volume: &mut Volume,
        component: &Component,
        reader: &Arrays,
    ) -> Result<[bool; 3]> {
        let is_cell = |a: usize| reader.cells && self.points.is_some_and(|points| points[a] > 1);
        let (spacing, is_distance) =
            reading::distances(path, "SPACING", self.spacing, reader.shape, reader.options.spacing)?;
        let axes = std::array::from_fn(|a| (self.origin[a], spacing[a]));
        volume.geometry = even::geometry(path, axes, is_cell, reader.shape)?;
        if reader.cells {
            volume.association = Association::of_cells(self.points.unwrap_or_default());
        }
        reader.fields.describe(&component.name, volume);
        volume.name.clone_from(&component.name);
        volume.unit.clone_from(&component.unit);
        let place = if reader.cells { "cell data" } else { "point data" };
        volume.provenance.insert("source format".into(), format!("legacy VTK, {place}"));
        volume.provenance.insert("source type".into(), component.stored.name().into());
        Ok(std::array::from_fn(|a| self.declares_spacing[a] && is_distance[a]))
    }
}
