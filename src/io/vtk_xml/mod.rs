//! VTK XML image data: `.vti`, `.pvti` (pieces in files of their own) and `.vtr` (rectilinear grids with even spacing).
//!
//! `quick-xml` reads the XML up to `<AppendedData>`; everything else is own code, because `vtkio` cannot read raw
//! appended data (ParaView's default), passes origin and spacing through float32 and drops `Direction`.
//!
//! Format: "VTK XML Formats", <https://docs.vtk.org/en/latest/design_documents/VTKFileFormats.html>.

mod array;
mod assembly;
mod base64;
mod data;
mod document;
mod fields;
mod grid;
mod pieces;
mod write;

pub(super) use write::{save, save_arrays};

use super::contents::Contents;
use super::located::{self, Content, FoundSource, Located, TextForm, Unread};
use super::reading::Reading;
use super::rescale::Rescale;
use super::vtk_fields::Fields;
use super::{OTHER_ARRAYS, OpenOptions, detached, elements};
use crate::error::{Error, Result};
use crate::volume::Volume;
use array::Chosen;
use assembly::Assembly;
use data::{ArrayContent, ArraySource};
use document::{Association, Document, Kind};
use grid::Grid;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// Reads one array of one number per point (or per cell, at the cells' centres).
pub(super) fn open(path: &Path, options: &OpenOptions) -> Result<Reading> {
    let mut opened = Opened::of(path)?;
    if opened.document.kind == Kind::ParallelImage {
        return open_parallel(path, &opened.document, options);
    }
    let chosen = Chosen::of(path, &opened.document, options)?;
    let grid = opened.grid(path, chosen.association, options)?;
    let stored = chosen.stored;
    let count = elements::sample_count(path, grid.shape, stored.size(), &options.limits)?;
    let whole = opened.document.extent(path)?;
    let (mut source, document) = opened.source(path);
    let samples = match document.pieces.as_slice() {
        // The usual case: straight into the final memory.
        [piece] if piece.extent(path)? == whole => {
            data::read(&mut source, chosen.find(path, &piece.arrays)?, chosen.component, count)?
        }
        _ => {
            let mut assembly = Assembly::new(path, whole, chosen.association, count);
            let extents = document.pieces.iter().map(|piece| piece.extent(path));
            assembly.check(extents, source.file_bytes, stored.size())?;
            opened.paste(path, &chosen, &mut assembly)?;
            assembly.finish()?
        }
    };
    let volume = Volume::new(samples, grid.shape.map(|n| n as usize))?;
    Ok(describe(volume, &grid, &chosen, &opened.fields, &opened.document))
}

/// What reads that array box by box; `None` where it has to be read whole.
pub(super) fn find_source(path: &Path, options: &OpenOptions) -> Result<Option<FoundSource>> {
    let mut opened = Opened::of(path)?;
    if opened.document.kind == Kind::ParallelImage {
        return pieces::of_parallel(path, opened.document, options);
    }
    let chosen = Chosen::of(path, &opened.document, options)?;
    let grid = opened.grid(path, chosen.association, options)?;
    let stored = chosen.stored;
    let count = elements::sample_count(path, grid.shape, stored.size(), &options.limits)?;
    let whole = opened.document.extent(path)?;
    let described = describe(located::stand_in(stored)?, &grid, &chosen, &opened.fields, &opened.document);
    let (mut source, document) = opened.source(path);
    let piece = match document.pieces.as_slice() {
        [piece] if piece.extent(path)? == whole => piece,
        _ => return pieces::of_image(path, opened, described, chosen, count, options),
    };
    let array = chosen.find(path, &piece.arrays)?;
    let part = source.part(array, chosen.component, count)?;
    if pieces::has_large_blocks(&mut source, array)? {
        return Ok(None);
    }
    let (offset, content) = match source.in_place(array, part)? {
        Some(offset) => (offset, Content::InPlace),
        None => match data::content(&mut source, array, part)? {
            ArrayContent::Bytes(bytes) => (0, Content::Bytes(bytes, 0)),
            ArrayContent::Text(text) => {
                (0, Content::Text(text, TextForm { ends: true, ..TextForm::default() }))
            }
        },
    };
    let located = Located {
        path: path.to_owned(),
        offset,
        stored,
        order: document.byte_order,
        part,
        shape: grid.shape.map(|n| n as usize),
        described: described.volume,
        declares_spacing: described.declares_spacing,
    };
    Unread { located, rescale: Rescale::NONE, content }.found(path, options).map(Some)
}

/// The arrays of numbers, and when they are.
pub(super) fn contents(path: &Path, options: &OpenOptions) -> Result<Contents> {
    let opened = Opened::of(path)?;
    let mut time = opened.fields.time;
    let arrays = match opened.document.kind {
        // All pieces have the same ones.
        Kind::ParallelImage => {
            let files = piece_files(path, &opened.document, options)?;
            let file = files.first().ok_or_else(|| no_piece(path))?;
            let piece = Opened::of(file)?;
            time = time.or(piece.fields.time);
            Chosen::all(file, &piece.document, options)?
        }
        _ => Chosen::all(path, &opened.document, options)?,
    };
    Ok(Contents { steps: 1, times: time.map(|time| vec![time]), arrays, named: true })
}

fn no_piece(path: &Path) -> Error {
    Error::format(path, "the parallel file names no piece")
}

/// The files of a `.pvti`'s pieces, in their order.
fn piece_files(path: &Path, document: &Document, options: &OpenOptions) -> Result<Vec<PathBuf>> {
    let file = |piece: &document::Piece| match &piece.source {
        Some(source) => detached::file_of(path, source, options.allow_outside),
        None => Err(Error::format(path, "a piece of the parallel file has no Source")),
    };
    document.pieces.iter().map(file).collect()
}

/// Reads the pieces that a `.pvti` names, each from its own file beside it.
fn open_parallel(path: &Path, document: &Document, options: &OpenOptions) -> Result<Reading> {
    let whole = document.extent(path)?;
    let files = piece_files(path, document, options)?;
    let file_bytes = detached::sizes(path, &files)?;
    let mut found: Option<(Grid, Chosen, Fields, Assembly)> = None;
    for file in files {
        let mut opened = Opened::of(&file)?;
        if opened.document.kind != Kind::Image {
            return Err(Error::unsupported(&file, "the pieces of a parallel image are .vti files"));
        }
        let (_, chosen, _, assembly) = match &mut found {
            Some(found) => found,
            None => {
                let chosen = Chosen::of_parallel(document, &file, &opened.document, options)?;
                let grid = Grid::of_image(path, document, chosen.association, options.spacing)?;
                let count = elements::sample_count(path, grid.shape, chosen.stored.size(), &options.limits)?;
                let assembly = Assembly::new(path, whole, chosen.association, count);
                let extents = document.pieces.iter().map(|piece| piece.extent(path));
                assembly.check(extents, file_bytes, chosen.stored.size())?;
                found.insert((grid, chosen, opened.fields.clone(), assembly))
            }
        };
        opened.paste(&file, chosen, assembly)?;
    }
    let Some((grid, chosen, fields, assembly)) = found else {
        return Err(no_piece(path));
    };
    let volume = Volume::new(assembly.finish()?, grid.shape.map(|n| n as usize))?;
    Ok(describe(volume, &grid, &chosen, &fields, document))
}

/// Says of a volume what the file does.
fn describe(
    mut volume: Volume,
    grid: &Grid,
    chosen: &Chosen,
    fields: &Fields,
    document: &Document,
) -> Reading {
    volume.geometry = grid.geometry;
    volume.association = grid.association;
    fields.describe(&chosen.name, &mut volume);
    volume.name = chosen.label();
    volume.unit = chosen.unit.trim().into();
    let place = match chosen.association {
        Association::Point => "point data",
        Association::Cell => "cell data",
    };
    let kind = match document.kind {
        Kind::Image => "image data",
        Kind::Rectilinear => "rectilinear grid",
        Kind::ParallelImage => "parallel image data",
    };
    volume.provenance.insert("source format".into(), format!("VTK XML {kind}, {place}"));
    volume.provenance.insert("source type".into(), chosen.stored.name().into());
    if !chosen.others.is_empty() {
        volume.provenance.insert(OTHER_ARRAYS.into(), chosen.others.clone());
    }
    Reading { volume, declares_spacing: grid.declares_spacing }
}

/// A file whose XML has been read.
struct Opened {
    file: BufReader<File>,
    file_bytes: u64,
    document: Document,
    fields: Fields,
}

impl Opened {
    fn of(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        let file_bytes = file.metadata().map_err(|e| Error::io(path, e))?.len();
        let mut file = BufReader::with_capacity(1 << 18, file);
        let document = Document::read(path, &mut file)?;
        let fields =
            fields::read(&mut ArraySource { path, file: &mut file, file_bytes, document: &document })?;
        Ok(Self { file, file_bytes, document, fields })
    }

    fn grid(&mut self, path: &Path, association: Association, options: &OpenOptions) -> Result<Grid> {
        match self.document.kind {
            Kind::Rectilinear => Grid::of_coordinates(path, self, association, &options.limits),
            _ => Grid::of_image(path, &self.document, association, options.spacing),
        }
    }

    /// Where samples are read from, and the XML that says where they are.
    fn source<'a>(&'a mut self, path: &'a Path) -> (ArraySource<'a>, &'a Document) {
        let Self { file, file_bytes, document, .. } = self;
        (ArraySource { path, file, file_bytes: *file_bytes, document }, document)
    }

    /// Puts all its pieces where they belong.
    fn paste(&mut self, path: &Path, chosen: &Chosen, assembly: &mut Assembly) -> Result<()> {
        let (mut source, document) = self.source(path);
        for piece in &document.pieces {
            let array = chosen.find(path, &piece.arrays)?;
            let extent = piece.extent(path)?;
            let count = assembly.samples_of(path, &extent)?;
            assembly.paste(path, &extent, data::read(&mut source, array, chosen.component, count)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
