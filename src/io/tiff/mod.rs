//! TIFF stacks: one file of many pages, or a folder with a page a file, in the order of their names' numbers.
//!
//! What the pages are is own code: directories, and the descriptions of OME-TIFF, ImageJ, tifffile and microscopes. The
//! `tiff` crate decodes the pages. Resolutions alone are not taken for spacings: most files have a printer's there.

mod arrangement;
mod conventions;
mod directory;
mod imagej;
mod microscope;
mod microscope_fields;
mod ome;
mod page;
mod shaped;
#[cfg(test)]
mod tests;
mod wanted;

pub(super) use wanted::find_source;

use super::contents::{self, Contents, InputArray, NO_NAME};
use super::elements::{Narrow, StoredType};
use super::reading::Reading;
use super::{Limits, OpenOptions, colour, folder as neighbours};
use crate::error::{Error, Result};
use crate::volume::{SampleType, Samples, Volume};
use arrangement::{Arrangement, PlanePlace, Sizes};
use directory::{Directories, Element, Photometric};
use rayon::prelude::*;
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use tiff::decoder::DecodingResult;
use wanted::WantedPlanes;

/// Whether a file's first bytes are those of TIFF or BigTIFF, in either byte order.
pub(super) fn recognises(start: &[u8]) -> bool {
    [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|magic| start.starts_with(*magic))
}

/// The TIFF files of a folder in their natural order; empty where it has no such files.
pub(super) fn files_of(folder: &Path, limits: &Limits) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))? {
        let path = entry.map_err(|e| Error::io(folder, e))?.path();
        if neighbours::is_named_tiff(&path) && !neighbours::is_of_macos(&path) && path.is_file() {
            files.push(path);
        }
    }
    if files.len() > limits.slices {
        return Err(Error::unsupported(
            folder,
            format!("{} files exceed the limit of {}; raise Limits::slices", files.len(), limits.slices),
        ));
    }
    files.sort_by_cached_key(|path| natural(&path.file_name().unwrap_or_default().to_string_lossy()));
    Ok(files)
}

/// A name with its numbers as numbers, so that `s9` comes before `s10`.
fn natural(name: &str) -> Vec<(u128, String)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let text = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (text, behind) = rest.split_at(text);
        let digits = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
        let (digits, behind) = behind.split_at(digits);
        // Text first, then its number; longer numbers than 38 digits are all the same here.
        parts.push((0, text.to_owned()));
        parts.push((digits.parse().unwrap_or(u128::MAX), String::new()));
        rest = behind;
    }
    parts
}

/// One array, of which channels of planes and samples of a pixel are the components.
pub(super) fn contents(path: &Path, options: &OpenOptions) -> Result<Contents> {
    let stack = PageStack::of(path, options)?;
    // "0.5 s", where the file says it.
    let interval = stack.parts[0]
        .arrangement
        .interval
        .split_once(' ')
        .and_then(|(number, unit)| Some(number.parse::<f64>().ok()? * contents::seconds(unit)?));
    let times = contents::even_times(0.0, interval.unwrap_or(0.0), stack.steps);
    let array = InputArray::new(NO_NAME, stack.channels * stack.samples);
    Ok(Contents::of_one(array.with_names(stack.component_names()), stack.steps, times))
}

/// Samples of a colour.
const RGB: usize = 3;

/// No compressor shrinks a page further than this.
const LARGEST_RATIO: u64 = 4096;

/// Decoded pages that wait for their turn have no more bytes than this together.
const BATCH_BYTES: usize = 1 << 28;

/// Reads the pages of a file or folder as slices.
pub(super) fn open(path: &Path, options: &OpenOptions) -> Result<Reading> {
    let wanted = WantedPlanes::of(path, options)?;
    wanted.stack.say_what_is_left_out(path);
    let mut samples = Planes::new(wanted.stack.element, wanted.shape.iter().product());
    wanted.decode(options, BATCH_BYTES, &mut |decoded, plane| samples.append(decoded, plane))?;
    let mut volume = Volume::new(samples.finish(path)?, wanted.shape)?;
    wanted.describe(&mut volume);
    let declares_spacing = wanted.stack.spacing.map(|distance| distance.is_some());
    Ok(Reading { volume, declares_spacing })
}

/// A file of a stack.
struct PagePart {
    path: PathBuf,
    directories: Directories,
    arrangement: Arrangement,
}

/// The files of a volume or of several, whose pages are all of one size and type.
struct PageStack {
    /// Never empty.
    parts: Vec<PagePart>,
    size: [usize; 2],
    /// What is read: of a palette its colours.
    element: Element,
    /// Of a pixel, as it is read.
    samples: usize,
    /// Whether pixels are numbers of colours.
    has_palette: bool,
    spacing: [Option<f64>; 3],
    /// Of planes.
    channels: usize,
    steps: usize,
}

impl PageStack {
    fn of(path: &Path, options: &OpenOptions) -> Result<Self> {
        let files = if path.is_dir() { files_of(path, &options.limits)? } else { vec![path.to_owned()] };
        let parts: Vec<PagePart> =
            files.into_par_iter().map(|file| PagePart::of(file, options)).collect::<Result<_>>()?;
        let Some(first) = parts.first() else {
            return Err(Error::unsupported(path, "the folder holds no TIFF file"));
        };
        let page = &first.directories.pages[0];
        let element = page.element(&first.path)?;
        let Sizes { channels, steps, .. } = first.arrangement.sizes;
        for part in &parts {
            let other = &part.directories.pages[0];
            let differs = other.size != page.size || other.samples != page.samples;
            let differs = differs || part.has_palette() != first.has_palette();
            if differs || other.element(&part.path)? != element {
                return Err(Error::format(
                    &part.path,
                    format!(
                        "its pages are {}, those of the first file {}",
                        other.described(),
                        page.described()
                    ),
                ));
            }
            let sizes = part.arrangement.sizes;
            if parts.len() > 1 && (sizes.steps > 1 || sizes.channels != channels) {
                return Err(Error::unsupported(
                    &part.path,
                    format!(
                        "it holds {} channels and {} time steps, the first file {channels} and {steps}; files with time \
                         steps of their own make no stack: name one of them",
                        sizes.channels, sizes.steps
                    ),
                ));
            }
        }
        let (size, spacing, has_palette) = (page.size, first.arrangement.spacing, first.has_palette());
        let (element, samples) = match has_palette {
            true => (Element::Stored(StoredType::Kept(SampleType::U16)), RGB),
            false => (element, page.samples),
        };
        Ok(Self { size, element, samples, has_palette, spacing, channels, steps, parts })
    }

    /// `R`, `G`, `B` and perhaps `A` of colours; no names where there are several of a pixel.
    fn component_names(&self) -> Vec<&'static str> {
        let page = &self.parts[0].directories.pages[0];
        let is_colour = matches!(page.photometric, Photometric::Rgb | Photometric::YCbCr) || self.has_palette;
        let named = RGB + usize::from(page.has_opacity);
        let name = |n: usize| if n < named { colour::RGBA.get(n).copied().unwrap_or_default() } else { "" };
        (0..self.samples).filter(|_| is_colour).map(name).collect()
    }

    /// Smaller copies of pages are no slices.
    fn say_what_is_left_out(&self, path: &Path) {
        let reduced: usize = self.parts.iter().map(|part| part.directories.reduced).sum();
        if reduced > 0 {
            let noun = if reduced == 1 { "copy" } else { "copies" };
            log::warn!("{}: {reduced} smaller {noun} of its pages left out", path.display());
        }
    }
}

impl PagePart {
    fn of(path: PathBuf, options: &OpenOptions) -> Result<Self> {
        let directories = Directories::read(&path, &options.limits)?;
        let first = &directories.pages[0];
        let element = first.element(&path)?;
        let arrangement = conventions::arrangement(&path, &directories, options.spacing)?;
        for page in &directories.pages {
            let same = page.size == first.size
                && page.samples == first.samples
                && page.photometric == first.photometric;
            if !same || page.element(&path)? != element {
                return Err(Error::format(
                    &path,
                    format!(
                        "page {} is {}, the first one {}; a stack's pages are all alike",
                        page.number + 1,
                        page.described(),
                        first.described()
                    ),
                ));
            }
        }
        let part = Self { path, directories, arrangement };
        match part.directories.pages.iter().find(|page| page.palette.is_none()).filter(|_| part.has_palette())
        {
            Some(page) => Err(page::no_palette(&part.path, page)),
            None => Ok(part),
        }
    }

    /// Whether pixels are numbers of colours. In an ImageJ file a palette is how numbers are shown, not what they are.
    fn has_palette(&self) -> bool {
        let first = self.directories.pages.first();
        first.is_some_and(|page| page.photometric == Photometric::Palette)
            && !imagej::recognises(&self.directories.description)
    }

    /// One sample of each pixel of a plane.
    fn read(&self, place: PlanePlace, stack: &PageStack, sample: usize) -> Result<DecodingResult> {
        let file = File::open(&self.path).map_err(|e| Error::io(&self.path, e))?;
        let mut file = BufReader::with_capacity(1 << 14, file);
        let index = if let PlanePlace::Page(index) = place { index } else { 0 };
        let page = self.directories.pages.get(index);
        let page =
            page.ok_or_else(|| Error::format(&self.path, format!("there is no page {}", index + 1)))?;
        // A palette's three colours are those of one sample.
        let (stored, colour) = if stack.has_palette { (0, sample) } else { (sample, 0) };
        let order = self.directories.order;
        let samples = match place {
            PlanePlace::Page(_) => page::decode(&self.path, &mut file, &self.directories, page, stored)?,
            PlanePlace::At(at) => {
                file.seek(SeekFrom::Start(at)).map_err(|e| Error::io(&self.path, e))?;
                let element = page.element(&self.path)?;
                page::read_plain(&self.path, &mut file, order, element, page.plane())?
            }
        };
        match stack.has_palette {
            true => page::colours(&self.path, &mut file, order, page, samples, colour),
            false => Ok(samples),
        }
    }
}

/// Samples of planes that come one after the other.
enum Planes {
    /// All of them, and how many are there already.
    Kept(Samples, usize),
    Narrowed(Narrow),
}

impl Planes {
    /// Room for `count` samples, whose limit has been checked.
    fn new(element: Element, count: usize) -> Self {
        match element {
            Element::Half => Planes::Kept(Samples::zeros(SampleType::F32, count), 0),
            Element::Stored(StoredType::Kept(sample_type)) => {
                Planes::Kept(Samples::zeros(sample_type, count), 0)
            }
            Element::Stored(StoredType::I64 | StoredType::U64) => {
                Planes::Narrowed(Narrow::new(Vec::with_capacity(count)))
            }
        }
    }

    /// Puts a plane behind the others; `None` where it is of another size or type.
    fn append(&mut self, decoded: DecodingResult, plane: usize) -> Option<Result<()>> {
        match (self, decoded) {
            (Planes::Narrowed(narrow), DecodingResult::I64(values)) if values.len() == plane => {
                values.into_iter().for_each(|value| narrow.push(value.into()));
            }
            (Planes::Narrowed(narrow), DecodingResult::U64(values)) if values.len() == plane => {
                values.into_iter().for_each(|value| narrow.push(value.into()));
            }
            (Planes::Narrowed(_), _) => return None,
            (Planes::Kept(all, at), decoded) => {
                let samples = samples(decoded)?;
                if samples.len() != plane || samples.sample_type() != all.sample_type() {
                    return None;
                }
                all.as_mut().copy_from(*at, &samples, 0, plane);
                *at += plane;
            }
        }
        Some(Ok(()))
    }

    fn finish(self, path: &Path) -> Result<Samples> {
        match self {
            Planes::Kept(samples, _) => Ok(samples),
            Planes::Narrowed(narrow) => narrow.finish(path),
        }
    }
}

/// Decoded samples of a type that volumes hold; `None` for others.
fn samples(decoded: DecodingResult) -> Option<Samples> {
    Some(match decoded {
        DecodingResult::U8(v) => Samples::U8(v),
        DecodingResult::I8(v) => Samples::I8(v),
        DecodingResult::U16(v) => Samples::U16(v),
        DecodingResult::I16(v) => Samples::I16(v),
        DecodingResult::U32(v) => Samples::U32(v),
        DecodingResult::I32(v) => Samples::I32(v),
        DecodingResult::F16(v) => Samples::F32(v.into_iter().map(f32::from).collect()),
        DecodingResult::F32(v) => Samples::F32(v),
        DecodingResult::F64(v) => Samples::F64(v),
        _ => return None,
    })
}
