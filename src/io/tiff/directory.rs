//! The directories of a TIFF file: which pages it has, and what each holds.
//!
//! TIFF 6.0, section 2, and BigTIFF (<http://bigtiff.org>). Own code, since the `tiff` crate reads every field of every page
//! and refuses files for pages that nobody asks for; one walk over the chain is all that any number of pages costs.

use super::microscope_fields::{CZ_LSMINFO, LSM_BYTES, UIC2, UIC2_BYTES};
use crate::error::{Error, Result};
use crate::io::Limits;
use crate::io::elements::{ByteOrder, StoredType};
use crate::volume::SampleType;
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// Fields by number (TIFF 6.0, section 8 and appendix A; ImageDepth is SGI's).
pub(super) mod tag {
    pub(in super::super) const NEW_SUBFILE_TYPE: u16 = 254;
    pub(in super::super) const WIDTH: u16 = 256;
    pub(in super::super) const LENGTH: u16 = 257;
    pub(in super::super) const BITS_PER_SAMPLE: u16 = 258;
    pub(in super::super) const COMPRESSION: u16 = 259;
    pub(in super::super) const PHOTOMETRIC: u16 = 262;
    pub(in super::super) const DESCRIPTION: u16 = 270;
    pub(in super::super) const STRIP_OFFSETS: u16 = 273;
    pub(in super::super) const SAMPLES_PER_PIXEL: u16 = 277;
    pub(in super::super) const STRIP_BYTE_COUNTS: u16 = 279;
    pub(in super::super) const X_RESOLUTION: u16 = 282;
    pub(in super::super) const Y_RESOLUTION: u16 = 283;
    pub(in super::super) const PLANAR_CONFIGURATION: u16 = 284;
    pub(in super::super) const RESOLUTION_UNIT: u16 = 296;
    pub(in super::super) const COLOR_MAP: u16 = 320;
    pub(in super::super) const SUB_IFDS: u16 = 330;
    pub(in super::super) const EXTRA_SAMPLES: u16 = 338;
    pub(in super::super) const SAMPLE_FORMAT: u16 = 339;
    pub(in super::super) const IMAGE_DEPTH: u16 = 32997;
}

/// JPEG as it is embedded since Adobe's technical note 2.
const JPEG: u64 = 7;

/// More fields than this has no directory.
const MOST_FIELDS: u64 = 4096;

/// How a page's samples are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    Stored(StoredType),
    /// binary16, widened to float32.
    Half,
}

impl Element {
    fn of(bits: u64, format: u64) -> Option<Self> {
        use SampleType::{F32, F64, I8, I16, I32, U8, U16, U32};
        // Sample formats 1: unsigned, 2: signed, 3: floating point, 4: undefined, which counts as unsigned (section 19).
        Some(Element::Stored(match (format, bits) {
            (1 | 4, 8) => StoredType::Kept(U8),
            (1 | 4, 16) => StoredType::Kept(U16),
            (1 | 4, 32) => StoredType::Kept(U32),
            (1 | 4, 64) => StoredType::U64,
            (2, 8) => StoredType::Kept(I8),
            (2, 16) => StoredType::Kept(I16),
            (2, 32) => StoredType::Kept(I32),
            (2, 64) => StoredType::I64,
            (3, 16) => return Some(Element::Half),
            (3, 32) => StoredType::Kept(F32),
            (3, 64) => StoredType::Kept(F64),
            _ => return None,
        }))
    }

    /// Bytes of one sample in the file.
    pub(super) fn size(self) -> usize {
        match self {
            Element::Stored(stored) => stored.size(),
            Element::Half => 2,
        }
    }

    /// NumPy's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Element::Stored(stored) => stored.name(),
            Element::Half => "float16",
        }
    }
}

/// A field of a directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    tag: u16,
    kind: u16,
    count: u64,
    /// Where its values lie, in the field itself or elsewhere.
    pub(super) at: u64,
}

impl Field {
    /// Bytes of one value (section 2, "Types").
    fn value_bytes(self) -> Option<u64> {
        Some(match self.kind {
            1 | 2 | 6 | 7 => 1,
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4,
            5 | 10 | 12 | 16..=18 => 8,
            _ => return None,
        })
    }

    fn bytes(self) -> Option<u64> {
        self.value_bytes()?.checked_mul(self.count)
    }
}

/// The colours that a page's numbers stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Photometric {
    Grey,
    /// Grey, of which the smallest number is meant to be white.
    MinIsWhite,
    Palette,
    Rgb,
    /// A luminance and two colour differences.
    YCbCr,
    Other(u64),
    Missing,
}

/// A page of full size.
#[derive(Debug, Clone)]
pub(super) struct Page {
    /// Its number among all pages of the chain, those that are left out included.
    pub(super) number: usize,
    /// First byte of its directory.
    pub(super) at: u64,
    pub(super) size: [usize; 2],
    pub(super) samples: usize,
    bits: u64,
    format: u64,
    pub(super) compression: u64,
    pub(super) photometric: Photometric,
    /// Where the number lies that says so, and its bytes.
    pub(super) photometric_field: (u64, usize),
    /// Whether each sample of the pixels has a plane of its own.
    pub(super) planar: bool,
    /// Whether the first sample behind the colours is an opacity.
    pub(super) has_opacity: bool,
    /// Where the colours of a palette lie: three numbers of 16 bits for each number that a pixel may have.
    pub(super) palette: Option<u64>,
    depth: u64,
}

impl Page {
    /// Samples of one plane.
    pub(super) fn plane(&self) -> usize {
        self.size[0].saturating_mul(self.size[1])
    }

    /// How its samples are stored.
    pub(super) fn element(&self, path: &Path) -> Result<Element> {
        let refused = |what: String| Err(Error::unsupported(path, what));
        if self.depth > 1 {
            return refused(format!(
                "a page that is {} slices deep (ImageDepth) is not supported; save a page a slice",
                self.depth
            ));
        }
        if let Photometric::Other(code) = self.photometric {
            let what = match code {
                4 => "transparency masks",
                5 => "CMYK",
                8..=10 => "L*a*b*",
                32803 => "colour filter arrays",
                _ => {
                    return refused(format!(
                        "pixels of the photometric interpretation {code} are not supported"
                    ));
                }
            };
            return refused(format!(
                "pixels are colours ({what}), which are not supported; save them as RGB, or one channel"
            ));
        }
        let is_usual = self.compression == JPEG && self.samples == 3 && self.bits == 8 && !self.planar;
        if self.photometric == Photometric::YCbCr && !is_usual {
            return refused(
                "pixels are colours (YCbCr), which are supported in JPEG with 3 samples of 8 bits beside each other alone; \
                 save them as RGB"
                    .into(),
            );
        }
        if self.photometric == Photometric::Rgb && self.samples < 3 {
            return refused(format!("pixels are colours (RGB) of {} samples, not 3", self.samples));
        }
        if self.photometric == Photometric::Palette && self.samples != 1 {
            return refused(format!("pixels are colours of a palette with {} samples, not 1", self.samples));
        }
        Element::of(self.bits, self.format).map_or_else(
            || {
                let kind = match self.format {
                    3 => "floating point".into(),
                    1 | 2 | 4 => "integer".into(),
                    5 | 6 => "complex".into(),
                    other => format!("sample format {other}"),
                };
                refused(format!(
                    "samples of {} bits ({kind}) are not supported; save them with 8, 16, 32 or 64 bits",
                    self.bits
                ))
            },
            Ok,
        )
    }

    /// Bits of one sample.
    pub(super) fn bits(&self) -> u64 {
        self.bits
    }

    /// What a page has in common with the others of a stack, for messages.
    pub(super) fn described(&self) -> String {
        let element = Element::of(self.bits, self.format).map_or("another type", Element::name);
        let samples =
            if self.samples == 1 { String::new() } else { format!(", {} samples a pixel", self.samples) };
        format!("{} x {} of {element}{samples}", self.size[0], self.size[1])
    }
}

/// Numbers at places of a field's bytes.
pub(super) struct Fields {
    bytes: Vec<u8>,
    order: ByteOrder,
}

impl Fields {
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The unsigned number of `size` bytes at a place; 0 where the file ends.
    pub(super) fn unsigned(&self, at: usize, size: usize) -> u64 {
        unsigned(self.bytes.get(at..at + size).unwrap_or_default(), self.order)
    }
}

/// An unsigned number out of bytes in an order.
fn unsigned(bytes: &[u8], order: ByteOrder) -> u64 {
    let fold = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    match order {
        ByteOrder::Little => bytes.iter().rev().fold(0, fold),
        ByteOrder::Big => bytes.iter().fold(0, fold),
    }
}

/// What a file holds.
pub(super) struct Directories {
    pub(super) order: ByteOrder,
    pub(super) big: bool,
    pub(super) file_bytes: u64,
    /// Those of full size, in order; never empty.
    pub(super) pages: Vec<Page>,
    /// Smaller copies of pages that are left out.
    pub(super) reduced: usize,
    /// `ImageDescription` of the first page; empty where it has no such value.
    pub(super) description: String,
    /// Width and height of a pixel by the resolution of the first page.
    pub(super) pixel: [Option<f64>; 2],
    /// 1: none, 2: inch, 3: centimetre.
    pub(super) resolution_unit: u64,
    /// What Zeiss' microscopes say of the pages.
    pub(super) lsm: Option<Fields>,
    /// What MetaMorph says of the planes behind the only directory.
    pub(super) stk: Option<Fields>,
    /// Where the first page's samples lie when they follow each other from strip to strip.
    pub(super) first_samples: Option<u64>,
}

impl Directories {
    /// Walks the chain of directories.
    pub(super) fn read(path: &Path, limits: &Limits) -> Result<Self> {
        let mut source = TagSource::open(path)?;
        let mut directories = Self {
            order: source.order,
            big: source.big,
            file_bytes: source.file_bytes,
            pages: Vec::new(),
            reduced: 0,
            description: String::new(),
            pixel: [None; 2],
            resolution_unit: 2,
            lsm: None,
            stk: None,
            first_samples: None,
        };
        let mut seen = HashSet::new();
        let mut at = source.first;
        while at != 0 {
            if !seen.insert(at) {
                return Err(source.damaged(format!("the directory at byte {at} follows itself")));
            }
            if seen.len() > limits.axis {
                return Err(Error::unsupported(
                    path,
                    format!("the file has more than {} pages", limits.axis),
                ));
            }
            let number = seen.len() - 1;
            let (fields, next) = source.directory(at)?;
            let number_of = |source: &mut TagSource, tag, default| -> Result<u64> {
                Ok(source.numbers(&fields, tag, 1)?.and_then(|n| n.first().copied()).unwrap_or(default))
            };
            // Bit 0: a smaller copy of another page.
            if number_of(&mut source, tag::NEW_SUBFILE_TYPE, 0)? & 1 == 1 {
                directories.reduced += 1;
            } else {
                if directories.pages.is_empty() {
                    directories.take_first(&mut source, &fields)?;
                }
                directories.pages.push(source.page(number, at, &fields)?);
            }
            directories.reduced +=
                fields.iter().find(|f| f.tag == tag::SUB_IFDS).map_or(0, |f| f.count as usize);
            at = next;
        }
        if directories.pages.is_empty() {
            return Err(Error::format(path, "the file has no page of full size"));
        }
        Ok(directories)
    }

    /// What the first page says for all of them.
    fn take_first(&mut self, source: &mut TagSource, fields: &[Field]) -> Result<()> {
        self.description = source.text(fields, tag::DESCRIPTION)?;
        for (pixel, tag) in self.pixel.iter_mut().zip([tag::X_RESOLUTION, tag::Y_RESOLUTION]) {
            *pixel = source.ratio(fields, tag)?.map(|resolution| 1.0 / resolution);
        }
        let unit = source.numbers(fields, tag::RESOLUTION_UNIT, 1)?;
        self.resolution_unit = unit.and_then(|n| n.first().copied()).unwrap_or(2);
        let find = |tag| fields.iter().find(|field| field.tag == tag);
        let has_all = |field: &&Field| field.bytes().is_some_and(|bytes| bytes >= LSM_BYTES);
        if let Some(field) = find(CZ_LSMINFO).filter(has_all) {
            self.lsm = Some(Fields { bytes: source.bytes(field.at, LSM_BYTES)?, order: source.order });
        }
        if let Some(field) = find(UIC2).filter(|field| field.count > 1) {
            let bytes = field.count.saturating_mul(UIC2_BYTES);
            self.stk = Some(Fields { bytes: source.bytes(field.at, bytes)?, order: source.order });
        }
        // A strip a row is the most that there can be.
        let most = self.file_bytes / 2;
        let offsets = source.numbers(fields, tag::STRIP_OFFSETS, most)?.unwrap_or_default();
        let counts = source.numbers(fields, tag::STRIP_BYTE_COUNTS, most)?.unwrap_or_default();
        let follow =
            offsets.windows(2).zip(&counts).all(|(pair, &count)| pair[0].checked_add(count) == Some(pair[1]));
        self.first_samples = offsets.first().copied().filter(|_| follow);
        Ok(())
    }
}

/// A file whose numbers are read where they lie.
struct TagSource<'a> {
    path: &'a Path,
    file: BufReader<File>,
    file_bytes: u64,
    order: ByteOrder,
    big: bool,
    /// The first directory.
    first: u64,
}

impl<'a> TagSource<'a> {
    fn open(path: &'a Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        let file_bytes = file.metadata().map_err(|e| Error::io(path, e))?.len();
        // Directories are short and lie apart.
        let file = BufReader::with_capacity(1 << 12, file);
        let mut source = Self { path, file, file_bytes, order: ByteOrder::Little, big: false, first: 0 };
        let start = source.bytes(0, 4)?;
        source.order = if start.starts_with(b"MM") { ByteOrder::Big } else { ByteOrder::Little };
        source.big = start.contains(&43);
        source.first = if source.big { source.number(8, 8)? } else { source.number(4, 4)? };
        if source.first == 0 {
            return Err(source.damaged("it has no directory".into()));
        }
        Ok(source)
    }

    fn damaged(&self, what: String) -> Error {
        Error::format(self.path, format!("damaged TIFF file: {what}"))
    }

    /// Bytes of the file, which are there before any memory is taken for them.
    fn bytes(&mut self, at: u64, count: u64) -> Result<Vec<u8>> {
        if at.checked_add(count).is_none_or(|end| end > self.file_bytes) {
            return Err(self.damaged(format!(
                "{count} bytes should lie at byte {at}, but the file ends at {}; it is truncated",
                self.file_bytes
            )));
        }
        let mut bytes = vec![0; count as usize];
        let read = self.file.seek(SeekFrom::Start(at)).and_then(|_| self.file.read_exact(&mut bytes));
        read.map_err(|e| Error::io(self.path, e))?;
        Ok(bytes)
    }

    /// An unsigned number out of bytes in the file's order.
    fn unsigned(&self, bytes: &[u8]) -> u64 {
        unsigned(bytes, self.order)
    }

    fn number(&mut self, at: u64, size: u64) -> Result<u64> {
        let bytes = self.bytes(at, size)?;
        Ok(self.unsigned(&bytes))
    }

    /// The fields of the directory at a byte, and where the next one is.
    fn directory(&mut self, at: u64) -> Result<(Vec<Field>, u64)> {
        let (count_bytes, field_bytes, inline) = if self.big { (8, 20, 8) } else { (2, 12, 4) };
        let count = self.number(at, count_bytes)?;
        if count > MOST_FIELDS {
            return Err(self.damaged(format!("the directory at byte {at} declares {count} fields")));
        }
        let bytes = self.bytes(at + count_bytes, count * field_bytes + inline)?;
        let (entries, next) = bytes.split_at((count * field_bytes) as usize);
        let mut fields = Vec::with_capacity(count as usize);
        for (index, entry) in (0..).zip(entries.chunks_exact(field_bytes as usize)) {
            let (head, value) = entry.split_at((field_bytes - inline) as usize);
            let mut field = Field {
                tag: self.unsigned(&head[..2]) as u16,
                kind: self.unsigned(&head[2..4]) as u16,
                count: self.unsigned(&head[4..]),
                at: at + count_bytes + index * field_bytes + field_bytes - inline,
            };
            if field.bytes().is_none_or(|bytes| bytes > inline) {
                field.at = self.unsigned(value);
            }
            fields.push(field);
        }
        let next = self.unsigned(next);
        Ok((fields, next))
    }

    /// The values of a field of integers; of more than `most` none are read.
    fn numbers(&mut self, fields: &[Field], tag: u16, most: u64) -> Result<Option<Vec<u64>>> {
        let Some(field) = fields.iter().find(|f| f.tag == tag) else { return Ok(None) };
        let size = match field.kind {
            1 | 3 | 4 | 13 | 16 | 18 => field.value_bytes().unwrap_or(1),
            kind => {
                return Err(
                    self.damaged(format!("field {tag} has the type {kind}, which is not an integer type"))
                );
            }
        };
        let bytes = self.bytes(field.at, size.saturating_mul(field.count.min(most)))?;
        Ok(Some(bytes.chunks_exact(size as usize).map(|value| self.unsigned(value)).collect()))
    }

    /// A field of one ratio; none where its denominator or the ratio itself is 0.
    fn ratio(&mut self, fields: &[Field], tag: u16) -> Result<Option<f64>> {
        let Some(field) = fields.iter().find(|f| f.tag == tag && f.kind == 5 && f.count > 0) else {
            return Ok(None);
        };
        let bytes = self.bytes(field.at, 8)?;
        let [numerator, denominator] = [0, 4].map(|at| self.unsigned(&bytes[at..at + 4]) as f64);
        Ok(Some(numerator / denominator).filter(|ratio| *ratio > 0.0 && ratio.is_finite()))
    }

    /// A field of text; Latin-1 where it is no UTF-8, as ImageJ writes it.
    fn text(&mut self, fields: &[Field], tag: u16) -> Result<String> {
        let Some(field) = fields.iter().find(|f| f.tag == tag && matches!(f.kind, 1 | 2 | 7)) else {
            return Ok(String::new());
        };
        let bytes = self.bytes(field.at, field.count)?;
        let text = bytes.split(|&b| b == 0).next().unwrap_or_default();
        Ok(match std::str::from_utf8(text) {
            Ok(text) => text.to_owned(),
            Err(_) => text.iter().map(|&b| char::from(b)).collect(),
        })
    }

    fn page(&mut self, number: usize, at: u64, fields: &[Field]) -> Result<Page> {
        let all = |source: &mut Self, tag: u16, default: u64| -> Result<Vec<u64>> {
            let values = source.numbers(fields, tag, MOST_FIELDS)?;
            Ok(values.filter(|values| !values.is_empty()).unwrap_or_else(|| vec![default]))
        };
        let mut one = |tag: u16, default: u64| -> Result<u64> { Ok(all(self, tag, default)?[0]) };
        let size = [one(tag::WIDTH, 0)?, one(tag::LENGTH, 0)?];
        let samples = one(tag::SAMPLES_PER_PIXEL, 1)?;
        let compression = one(tag::COMPRESSION, 1)?;
        let photometric = match one(tag::PHOTOMETRIC, u64::MAX)? {
            0 => Photometric::MinIsWhite,
            1 => Photometric::Grey,
            2 => Photometric::Rgb,
            6 => Photometric::YCbCr,
            3 => Photometric::Palette,
            u64::MAX => Photometric::Missing,
            other => Photometric::Other(other),
        };
        let depth = one(tag::IMAGE_DEPTH, 1)?;
        let planar = samples > 1 && one(tag::PLANAR_CONFIGURATION, 1)? == 2;
        // 1 and 2: an opacity that the colours are multiplied with already, or not.
        let has_opacity = matches!(one(tag::EXTRA_SAMPLES, 0)?, 1 | 2);
        let [bits, formats] = [(tag::BITS_PER_SAMPLE, 1), (tag::SAMPLE_FORMAT, 1)];
        let bits = all(self, bits.0, bits.1)?;
        let formats = all(self, formats.0, formats.1)?;
        if size.contains(&0) || size.iter().any(|&n| n > u64::from(u32::MAX)) || samples == 0 {
            return Err(self.damaged(format!(
                "page {} is {} x {} with {samples} samples a pixel",
                number + 1,
                size[0],
                size[1]
            )));
        }
        if [&bits, &formats].iter().any(|values| values.iter().any(|&v| v != values[0])) {
            return Err(Error::unsupported(
                self.path,
                format!("the samples of page {} differ in type; save one channel", number + 1),
            ));
        }
        let field = fields.iter().find(|f| f.tag == tag::PHOTOMETRIC);
        let colours = 3u64.checked_shl(bits[0].min(32) as u32);
        let palette = fields.iter().find(|f| f.tag == tag::COLOR_MAP);
        let palette = palette.filter(|f| f.kind == 3 && Some(f.count) == colours).map(|f| f.at);
        Ok(Page {
            number,
            at,
            size: size.map(|n| n as usize),
            samples: samples as usize,
            bits: bits[0],
            format: formats[0],
            compression,
            photometric,
            photometric_field: field.map_or((0, 0), |f| (f.at, f.value_bytes().unwrap_or(0) as usize)),
            planar,
            has_opacity,
            palette,
            depth,
        })
    }
}
