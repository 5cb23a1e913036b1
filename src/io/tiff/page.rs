//! The samples of a page, as they are stored.
//!
//! The `tiff` crate decodes strips and tiles (LZW, deflate, PackBits, JPEG; predictors). It finds a page by walking the
//! chain up to it, and turns numbers round where the smallest is meant to be white. So it is shown the file with two
//! numbers replaced: the page's directory as the first one, and grey values of which the smallest is black.

use super::directory::{Directories, Element, Page, Photometric};
use crate::error::{Error, Result};
use crate::guard::guarded;
use crate::io::colour;
use crate::io::elements::{self, ByteOrder, StoredType};
use crate::volume::SampleType;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use tiff::decoder::{Decoder, DecodingResult};

/// Photometric interpretation BlackIsZero (TIFF 6.0, section 8).
const BLACK_IS_ZERO: u64 = 1;

/// No tile need have more bytes than this where its page has fewer.
const LARGEST_TILE_BYTES: usize = 1 << 24;

/// Decodes one sample of each pixel of a page; red, green or blue where the page is written in another kind of colours.
pub(super) fn decode(
    path: &Path,
    file: &mut BufReader<File>,
    directories: &Directories,
    page: &Page,
    sample: usize,
) -> Result<DecodingResult> {
    refuse_compression(path, page)?;
    let bytes_of = |number: u64, size: usize| {
        let mut bytes = number.to_le_bytes()[..size].to_vec();
        if directories.order == ByteOrder::Big {
            bytes.reverse();
        }
        bytes
    };
    let (at, size) = if directories.big { (8, 8) } else { (4, 4) };
    let mut patches = vec![Patch { at, bytes: bytes_of(page.at, size) }];
    if page.photometric != Photometric::Grey {
        let (at, size) = page.photometric_field;
        patches.push(Patch { at, bytes: bytes_of(BLACK_IS_ZERO, size.min(8)) });
    }
    let fail = |e: tiff::TiffError| match e {
        tiff::TiffError::UnsupportedError(_) => {
            Error::unsupported(path, format!("page {}: {e}", page.number + 1))
        }
        e => Error::format(path, format!("damaged TIFF file: page {}: {e}", page.number + 1)),
    };
    let element = page.element(path)?;
    let plane_bytes = page.plane().saturating_mul(element.size());
    let mut bounds = tiff::decoder::Limits::default();
    // A tile may be larger than its page.
    bounds.decoding_buffer_size = plane_bytes.saturating_mul(page.samples).max(LARGEST_TILE_BYTES);
    bounds.intermediate_buffer_size = usize::try_from(directories.file_bytes).unwrap_or(usize::MAX);
    let patched = Patched::new(file, patches).map_err(|e| Error::io(path, e))?;
    let mut decoder = Decoder::new(patched).map_err(fail)?.with_limits(bounds);
    // The decoder asserts what a damaged file may break.
    let decoded = guarded(|| match page.planar {
        true => plane(&mut decoder, page, sample),
        false => {
            let mut samples = DecodingResult::U8(Vec::new());
            decoder.read_image_to_buffer(&mut samples)?;
            Ok(match page.photometric {
                Photometric::YCbCr => rgb(samples),
                _ => Some(samples),
            }
            .and_then(|samples| pick(samples, page, sample)))
        }
    });
    let wrong = |what: &str| Error::format(path, format!("page {} {what}", page.number + 1));
    match decoded {
        Ok(picked) => picked.map_err(fail)?.ok_or_else(|| wrong("holds other samples than its header says")),
        Err(_) => Err(wrong("cannot be decoded: its header and its samples contradict each other")),
    }
}

/// One sample of each pixel, which has a plane of its own. The decoder's own way fails at the lower edge of tiles.
fn plane<R: Read + Seek>(
    decoder: &mut Decoder<R>,
    page: &Page,
    sample: usize,
) -> tiff::TiffResult<Option<DecodingResult>> {
    let [width, height] = page.size;
    let (chunk_width, chunk_height) = decoder.chunk_dimensions();
    let (chunk_width, chunk_height) = (chunk_width.max(1) as usize, chunk_height.max(1) as usize);
    let [across, down] = [width.div_ceil(chunk_width), height.div_ceil(chunk_height)];
    let mut whole = None;
    for chunk in 0..across * down {
        let index =
            u32::try_from(sample * across * down + chunk).map_err(|_| tiff::TiffError::LimitsExceeded)?;
        // Rows that a tile has below the page's end may be there or not.
        let row_samples = decoder.chunk_data_dimensions(index).0 as usize;
        let [left, top] = [chunk % across * chunk_width, chunk / across * chunk_height];
        let columns = chunk_width.min(width - left);
        let rows = chunk_height.min(height - top);
        let samples = decoder.read_chunk(index)?;
        macro_rules! paste {
            ($($variant:ident)*) => {
                match samples {
                    $(DecodingResult::$variant(samples) => {
                        let whole = whole.get_or_insert_with(|| {
                            DecodingResult::$variant(vec![Default::default(); page.plane()])
                        });
                        let DecodingResult::$variant(whole) = whole else { return Ok(None) };
                        for (row, samples) in samples.chunks(row_samples.max(1)).take(rows).enumerate() {
                            let to = whole.get_mut((top + row) * width + left..).unwrap_or_default();
                            let (Some(to), Some(from)) = (to.get_mut(..columns), samples.get(..columns)) else {
                                return Ok(None);
                            };
                            to.copy_from_slice(from);
                        }
                        if samples.len() < rows * row_samples {
                            return Ok(None);
                        }
                    })*
                }
            };
        }
        paste!(U8 U16 U32 U64 F16 F32 F64 I8 I16 I32 I64);
    }
    Ok(whole)
}

/// Reads a plane that lies where the file stands, uncompressed; its bytes are there.
pub(super) fn read_plain(
    path: &Path,
    file: &mut BufReader<File>,
    order: ByteOrder,
    element: Element,
    plane: usize,
) -> Result<DecodingResult> {
    let mut bytes = vec![0; plane * element.size()];
    file.read_exact(&mut bytes).map_err(|e| Error::io(path, e))?;
    if order != ByteOrder::NATIVE {
        elements::swap_bytes(&mut bytes, element.size());
    }
    macro_rules! cast {
        ($variant:ident) => {
            DecodingResult::$variant(bytemuck::pod_collect_to_vec(&bytes))
        };
    }
    Ok(match element {
        Element::Half => {
            let bits: Vec<u16> = bytemuck::pod_collect_to_vec(&bytes);
            DecodingResult::F16(bits.into_iter().map(half::f16::from_bits).collect())
        }
        Element::Stored(StoredType::I64) => cast!(I64),
        Element::Stored(StoredType::U64) => cast!(U64),
        Element::Stored(StoredType::Kept(sample_type)) => match sample_type {
            SampleType::U8 => DecodingResult::U8(bytes),
            SampleType::I8 => cast!(I8),
            SampleType::U16 => cast!(U16),
            SampleType::I16 => cast!(I16),
            SampleType::U32 => cast!(U32),
            SampleType::I32 => cast!(I32),
            SampleType::F32 => cast!(F32),
            SampleType::F64 => cast!(F64),
        },
    })
}

/// One sample of each pixel; `None` where they are not as many as should be.
fn pick(all: DecodingResult, page: &Page, sample: usize) -> Option<DecodingResult> {
    let (plane, count) = (page.plane(), page.samples);
    macro_rules! each {
        ($($variant:ident)*) => {
            match all {
                $(DecodingResult::$variant(values) => {
                    if values.len() != plane.checked_mul(count)? {
                        return None;
                    }
                    DecodingResult::$variant(match count {
                        1 => values,
                        _ => values.into_iter().skip(sample).step_by(count).collect(),
                    })
                })*
            }
        };
    }
    Some(each!(U8 U16 U32 U64 F16 F32 F64 I8 I16 I32 I64))
}

/// RGB out of YCbCr; `None` for samples of another type than these have.
fn rgb(all: DecodingResult) -> Option<DecodingResult> {
    let DecodingResult::U8(mut values) = all else { return None };
    for pixel in values.as_chunks_mut::<3>().0 {
        *pixel = colour::rgb_of_ybr(pixel.map(u32::from), 8).map(|value| value as u8);
    }
    Some(DecodingResult::U8(values))
}

/// The error for a page of numbers of colours without these.
pub(super) fn no_palette(path: &Path, page: &Page) -> Error {
    let what = "has no palette (ColorMap) of a colour for each number that its pixels may have";
    Error::format(path, format!("page {} {what}", page.number + 1))
}

/// A palette's red, green or blue of each number (TIFF 6.0, section 5): all reds come first, then greens, then blues.
pub(super) fn colours(
    path: &Path,
    file: &mut BufReader<File>,
    order: ByteOrder,
    page: &Page,
    numbers: DecodingResult,
    colour: usize,
) -> Result<DecodingResult> {
    let wrong = |what: &str| Error::format(path, format!("page {} {what}", page.number + 1));
    let at = page.palette.ok_or_else(|| no_palette(path, page))?;
    let entries = 1usize << page.bits().min(16);
    let start = at.checked_add(2 * (entries * colour) as u64);
    let mut bytes = vec![0; 2 * entries];
    let read =
        file.seek(SeekFrom::Start(start.unwrap_or(u64::MAX))).and_then(|_| file.read_exact(&mut bytes));
    read.map_err(|_| wrong("has a palette (ColorMap) beyond the file's end; the file is truncated"))?;
    let word = if order == ByteOrder::Big { u16::from_be_bytes } else { u16::from_le_bytes };
    let palette: Vec<u16> = bytes.as_chunks().0.iter().map(|bytes| word(*bytes)).collect();
    let of = |number: usize| palette.get(number).copied().unwrap_or_default();
    match numbers {
        DecodingResult::U8(numbers) => {
            Ok(DecodingResult::U16(numbers.into_iter().map(|n| of(n.into())).collect()))
        }
        DecodingResult::U16(numbers) => {
            Ok(DecodingResult::U16(numbers.into_iter().map(|n| of(n.into())).collect()))
        }
        _ => Err(wrong("has a palette for numbers that are not unsigned integers of 8 or 16 bits")),
    }
}

fn refuse_compression(path: &Path, page: &Page) -> Result<()> {
    let name = match page.compression {
        1 | 5 | 7 | 8 | 32773 | 32946 => return Ok(()),
        2..=4 => "a fax code",
        6 => "JPEG as TIFF 6.0 had it",
        33003 | 33005 | 34712 => "JPEG 2000",
        34887 => "LERC",
        34925 => "LZMA",
        34926 | 50000 => "Zstandard",
        34927 | 50001 => "WebP",
        50002 | 52546 => "JPEG XL",
        _ => "a method that is unknown here",
    };
    Err(Error::unsupported(
        path,
        format!(
            "page {} is compressed with {name} ({}); save it uncompressed, or with LZW or deflate",
            page.number + 1,
            page.compression
        ),
    ))
}

/// Bytes that stand in for the file's own.
struct Patch {
    at: u64,
    bytes: Vec<u8>,
}

/// A file of which a few bytes are replaced.
struct Patched<'a> {
    source: &'a mut BufReader<File>,
    at: u64,
    patches: Vec<Patch>,
}

impl<'a> Patched<'a> {
    /// Stands at the file's first byte.
    fn new(source: &'a mut BufReader<File>, patches: Vec<Patch>) -> std::io::Result<Self> {
        let at = source.stream_position()?;
        let mut patched = Self { source, at, patches };
        patched.seek(SeekFrom::Start(0))?;
        Ok(patched)
    }
}

impl Read for Patched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.source.read(buffer)?;
        for patch in &self.patches {
            for (at, byte) in (patch.at..).zip(&patch.bytes) {
                let inside = at.checked_sub(self.at).and_then(|at| usize::try_from(at).ok());
                if let Some(place) = inside.filter(|&at| at < read).and_then(|at| buffer.get_mut(at)) {
                    *place = *byte;
                }
            }
        }
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Patched<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.at = match to {
            // Keeps what is buffered.
            SeekFrom::Start(to) => {
                let offset = i128::from(to) - i128::from(self.at);
                match i64::try_from(offset) {
                    Ok(offset) => {
                        self.source.seek_relative(offset)?;
                        to
                    }
                    Err(_) => self.source.seek(SeekFrom::Start(to))?,
                }
            }
            to => self.source.seek(to)?,
        };
        Ok(self.at)
    }
}
