//! Images in several pieces, put together in a temporary file.

use super::array::Chosen;
use super::assembly::Assembly;
use super::data::{self, ArrayContent, ArraySource};
use super::document::{Array, Document, Extent};
use super::grid::Grid;
use super::{Kind, Opened, describe, no_piece, piece_files};
use crate::error::{Error, Result};
use crate::io::elements::StoredType;
use crate::io::located::{self, FoundSource, Temporary, TextForm};
use crate::io::progress::Counter;
use crate::io::reading::Reading;
use crate::io::{OpenOptions, detached, elements};
use crate::volume::{SampleType, Samples, VolumeHeader};
use std::path::Path;

/// A block is unpacked in memory: larger ones make a file one that is read whole.
const LARGEST_BLOCK: u64 = 1 << 26;

/// Whether an array is compressed in blocks that are too large to be unpacked one by one.
pub(super) fn has_large_blocks(source: &mut ArraySource, array: &Array) -> Result<bool> {
    let bytes = source.largest_block(array)?;
    if bytes > LARGEST_BLOCK {
        log::info!(
            "{}: array '{}' is compressed in blocks of {bytes} bytes, so it is not unpacked piece by piece",
            source.path.display(),
            array.name
        );
    }
    Ok(bytes > LARGEST_BLOCK)
}

/// What is put together of pieces: `None` where they have to be read into memory.
fn kept_type(path: &Path, chosen: &Chosen) -> Option<SampleType> {
    match chosen.stored {
        StoredType::Kept(sample_type) => Some(sample_type),
        StoredType::I64 | StoredType::U64 => {
            log::info!("{}: its pieces are of 64-bit integers, which are narrowed in memory", path.display());
            None
        }
    }
}

/// Refuses pieces that do not make the whole; `false` where that cannot be told before they are read.
fn are_whole(path: &Path, assembly: &Assembly, extents: &[Extent]) -> Result<bool> {
    match assembly.check_coverage(extents) {
        Some(covered) => covered.map(|()| true),
        None => {
            log::info!("{}: its pieces are too many to be put together in a file", path.display());
            Ok(false)
        }
    }
}

/// Of an image whose pieces are in its own file.
pub(super) fn of_image(
    path: &Path,
    mut opened: Opened,
    described: Reading,
    chosen: Chosen,
    count: usize,
    options: &OpenOptions,
) -> Result<Option<FoundSource>> {
    let Some(sample_type) = kept_type(path, &chosen) else { return Ok(None) };
    let whole = opened.document.extent(path)?;
    let assembly = Assembly::new(path, whole, chosen.association, count);
    let (mut source, document) = opened.source(path);
    let extents = document.pieces.iter().map(|piece| piece.extent(path));
    assembly.check(extents.clone(), source.file_bytes, sample_type.size())?;
    let extents = extents.collect::<Result<Vec<_>>>()?;
    if !are_whole(path, &assembly, &extents)? {
        return Ok(None);
    }
    for piece in &document.pieces {
        if has_large_blocks(&mut source, chosen.find(path, &piece.arrays)?)? {
            return Ok(None);
        }
    }
    let shape = assembly.whole_shape();
    let header = header(path, described, shape, options)?;
    let (path, options) = (path.to_owned(), options.clone());
    Ok(Some(FoundSource::unpacked(shape, sample_type, move |folder| {
        let mut temporary = Temporary::create(folder, &path, shape, sample_type)?;
        let counter = Counter::new(&options, opened.document.pieces.len());
        paste(&path, &mut opened, &chosen, &assembly, &mut temporary, &counter)?;
        temporary.source(sample_type, header)
    })))
}

/// Of the pieces that a `.pvti` names, each in its own file.
pub(super) fn of_parallel(
    path: &Path,
    document: Document,
    options: &OpenOptions,
) -> Result<Option<FoundSource>> {
    let whole = document.extent(path)?;
    let files = piece_files(path, &document, options)?;
    let file_bytes = detached::sizes(path, &files)?;
    let first = files.first().ok_or_else(|| no_piece(path))?;
    let opened = Opened::of(first)?;
    let chosen = Chosen::of_parallel(&document, first, &opened.document, options)?;
    let grid = Grid::of_image(path, &document, chosen.association, options.spacing)?;
    let count = elements::sample_count(path, grid.shape, chosen.stored.size(), &options.limits)?;
    let Some(sample_type) = kept_type(path, &chosen) else { return Ok(None) };
    let assembly = Assembly::new(path, whole, chosen.association, count);
    let extents = document.pieces.iter().map(|piece| piece.extent(path));
    assembly.check(extents.clone(), file_bytes, sample_type.size())?;
    let extents = extents.collect::<Result<Vec<_>>>()?;
    if !are_whole(path, &assembly, &extents)? {
        return Ok(None);
    }
    for file in &files {
        let mut opened = Opened::of(file)?;
        if opened.document.kind != Kind::Image {
            return Err(Error::unsupported(file, "the pieces of a parallel image are .vti files"));
        }
        let (mut source, document) = opened.source(file);
        for piece in &document.pieces {
            if has_large_blocks(&mut source, chosen.find(file, &piece.arrays)?)? {
                return Ok(None);
            }
        }
    }
    let stand_in = located::stand_in(chosen.stored)?;
    let described = describe(stand_in, &grid, &chosen, &opened.fields, &document);
    let shape = assembly.whole_shape();
    let header = header(path, described, shape, options)?;
    let (path, options) = (path.to_owned(), options.clone());
    Ok(Some(FoundSource::unpacked(shape, sample_type, move |folder| {
        let mut temporary = Temporary::create(folder, &path, shape, sample_type)?;
        let counter = Counter::new(&options, files.len());
        for file in &files {
            paste(file, &mut Opened::of(file)?, &chosen, &assembly, &mut temporary, &counter)?;
        }
        temporary.source(sample_type, header)
    })))
}

fn header(path: &Path, described: Reading, shape: [usize; 3], options: &OpenOptions) -> Result<VolumeHeader> {
    let volume = described.volume_with(path, options.spacing)?;
    Ok(VolumeHeader { shape, ..VolumeHeader::of(&volume) })
}

/// Puts all pieces of a file where they belong.
fn paste(
    path: &Path,
    opened: &mut Opened,
    chosen: &Chosen,
    assembly: &Assembly,
    temporary: &mut Temporary,
    counter: &Counter,
) -> Result<()> {
    let (mut source, document) = opened.source(path);
    for piece in &document.pieces {
        let array = chosen.find(path, &piece.arrays)?;
        let extent = piece.extent(path)?;
        let count = assembly.samples_of(path, &extent)?;
        let part = source.part(array, chosen.component, count)?;
        let (start, size) = assembly.place(&extent);
        let mut rows = Rows { whole: assembly.whole_shape(), start, size, at: 0 };
        let mut each = |samples: Samples| rows.put(temporary, &samples);
        match data::content(&mut source, array, part)? {
            ArrayContent::Bytes(mut bytes) => {
                let mut bytes = part.select(path, &mut *bytes, chosen.stored)?;
                located::samples_of_bytes(
                    path,
                    &mut *bytes,
                    chosen.stored,
                    document.byte_order,
                    count,
                    &mut each,
                )?;
            }
            ArrayContent::Text(mut text) => {
                let form = TextForm { ends: true, ..TextForm::default() };
                located::numbers_of_text(path, &mut *text, chosen.stored, part, form, &mut each)?;
            }
        }
        counter.advance()?;
    }
    Ok(())
}

/// A piece's samples on their way into the whole.
struct Rows {
    whole: [usize; 3],
    start: [usize; 3],
    size: [usize; 3],
    /// Samples of the piece that are there.
    at: usize,
}

impl Rows {
    fn put(&mut self, temporary: &mut Temporary, samples: &Samples) -> Result<()> {
        let Self { whole, start, size, at } = self;
        // Samples of the piece that follow each other in the whole, too.
        let run = match (size[0] == whole[0], size[1] == whole[1]) {
            (true, true) => size[0] * size[1] * size[2],
            (true, false) => size[0] * size[1],
            _ => size[0],
        };
        let mut bytes = samples.as_bytes();
        let sample_type = samples.sample_type();
        while !bytes.is_empty() {
            let length = (run - *at % run) * sample_type.size();
            let (now, later) = bytes.split_at(length.min(bytes.len()));
            let [x, y, z] = [*at % size[0], *at / size[0] % size[1], *at / (size[0] * size[1])];
            let row = start[1] + y + whole[1] * (start[2] + z);
            temporary.put((start[0] + x + whole[0] * row) as u64, sample_type, now)?;
            *at += now.len() / sample_type.size();
            bytes = later;
        }
        Ok(())
    }
}
