//! What the slices of a file share: an image, of one frame or several.

use super::attributes::{Attributes, named, transfer_syntax_name};
use super::codec::transfer_syntax;
use super::colour::{Colour, Layout};
use super::file::{EXPLICIT_VR_BIG_ENDIAN, File};
use super::mosaic;
use super::origin::Origin;
use super::segmentation;
use super::walk::PixelPlace;
use crate::error::{Error, Result};
use crate::io::contents::NO_NAME;
use crate::io::{Limits, OpenOptions};
use crate::volume::SampleType;
use dicom_core::Tag;
use dicom_dictionary_std::{tags, uids};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// An image's header.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) path: PathBuf,
    /// Tells series apart within one run; never stored or printed whole.
    pub(super) series_uid: String,
    /// Tells copies of a file; never stored or printed.
    pub(super) instance_uid: String,
    pub(super) series_number: String,
    /// Free text: for lists that the user asks for, never stored.
    pub(super) series_description: String,
    /// Name and ID: for lists of patients that the user asks for, never stored.
    pub(super) patient: String,
    pub(super) modality: String,
    /// The transfer syntax's UID.
    pub(super) transfer_syntax: String,
    pub(super) pixels: PixelPlace,
    pub(super) frames: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) bits_allocated: u32,
    pub(super) bits_stored: u32,
    pub(super) high_bit: u32,
    pub(super) signed: bool,
    pub(super) photometric: String,
    pub(super) colour: Colour,
    /// How the samples of a frame lie that is not compressed.
    pub(super) layout: Layout,
    /// Whether pixels are floating-point numbers, of which `bits_allocated` says how long they are.
    pub(super) is_float: bool,
    /// Float Pixel Padding Value, or that of double floats.
    pub(super) float_padding: Option<f64>,
    /// Whether it is a parametric map, whose values have a mapping of their own.
    pub(super) is_map: bool,
    pub(super) segmentation: Option<segmentation::Header>,
    /// From Pixel Padding Value to Pixel Padding Range Limit, as values of all allocated bits.
    pub(super) padding: Option<RangeInclusive<i64>>,
    /// The values' unit, when the file names one other than that of the rescale.
    pub(super) units: String,
    /// What tells frames apart beside their positions, by the file's own word: names for [`super::dimension`].
    pub(super) dimensions: Vec<String>,
    /// What a series that is derived from this image has to say.
    pub(super) origin: Origin,
    /// What was read though it is not as the standard has it.
    pub(super) notes: Vec<&'static str>,
}

impl Image {
    /// Reads an image's attributes; none where the file holds no image.
    pub(super) fn of(path: &Path, file: &File, limits: &Limits) -> Result<Option<Self>> {
        let whole = Attributes::of(file);
        let integer = |tag: Tag| whole.integer(tag).map_err(|e| e.of(path));
        let (Some(rows), Some(columns)) = (integer(tags::ROWS)?, integer(tags::COLUMNS)?) else {
            return Ok(None);
        };
        let segmentation = segmentation::Header::of(path, &whole)?;
        // A palette shows labels, and does not change them.
        let colour = if segmentation.is_some() { Colour::Grey } else { Colour::of(path, &whole)? };
        if !transfer_syntax::is_supported(&file.transfer_syntax) {
            return Err(Error::unsupported(
                path,
                format!(
                    "the transfer syntax {} is not supported; decompress the series first (dcmdjpeg, gdcmconv --raw)",
                    transfer_syntax_name(&file.transfer_syntax)
                ),
            ));
        }
        let pixels = file.pixels.clone().ok_or_else(|| {
            Error::unsupported(
                path,
                "the image has no Pixel Data (7FE0,0010), nor Float Pixel Data (7FE0,0008)",
            )
        })?;
        let is_float = matches!(pixels, PixelPlace::Native { float: true, .. });
        let pixel = PixelFormat::of(path, &whole, is_float)?;
        if pixel.bits_allocated == 1 && !transfer_syntax::keeps_bits(&file.transfer_syntax) {
            let name = transfer_syntax_name(&file.transfer_syntax);
            return Err(Error::unsupported(path, format!("pixels of 1 bit in {name} are not supported")));
        }
        if !(1..=65535).contains(&rows) || !(1..=65535).contains(&columns) {
            return Err(Error::format(path, format!("an image of {columns} x {rows} pixels")));
        }
        let frames = integer(tags::NUMBER_OF_FRAMES)?.unwrap_or(1);
        let Some(frames) = usize::try_from(frames).ok().filter(|&n| n > 0) else {
            return Err(Error::format(path, format!("Number of Frames (0028,0008) is {frames}")));
        };
        let signed = integer(tags::PIXEL_REPRESENTATION)? == Some(1);
        // The value representation is US or SS, not always the one of the pixels: only the bits count.
        let bits = pixel.bits_allocated.min(32);
        let container =
            |tag| integer(tag).map(|value| value.map(|v| container_value(v as u32, bits, signed)));
        let padding = container(tags::PIXEL_PADDING_VALUE)?;
        let padding_limit = container(tags::PIXEL_PADDING_RANGE_LIMIT)?;
        let has_padding = colour == Colour::Grey && segmentation.is_none() && !is_float;
        let float_padding = match is_float {
            true if pixel.bits_allocated == 64 => whole.number(tags::DOUBLE_FLOAT_PIXEL_PADDING_VALUE),
            true => whole.number(tags::FLOAT_PIXEL_PADDING_VALUE),
            false => Ok(None),
        };
        let most = match &pixels {
            // Frames are made of fragments.
            PixelPlace::Encapsulated { fragments, .. } => fragments.len().min(limits.axis),
            PixelPlace::Native { .. } => limits.axis,
        };
        if frames > most {
            return Err(Error::format(
                path,
                format!("Number of Frames (0028,0008) is {frames}, of at most {most}"),
            ));
        }
        let mut image = Self {
            path: path.to_owned(),
            series_uid: whole.text(tags::SERIES_INSTANCE_UID),
            instance_uid: whole.text(tags::SOP_INSTANCE_UID),
            series_number: whole.text(tags::SERIES_NUMBER),
            series_description: whole.text(tags::SERIES_DESCRIPTION),
            patient: [tags::PATIENT_NAME, tags::PATIENT_ID].map(|tag| whole.text(tag)).join(", "),
            modality: whole.text(tags::MODALITY),
            transfer_syntax: file.transfer_syntax.clone(),
            pixels,
            frames,
            rows: rows as usize,
            columns: columns as usize,
            bits_allocated: pixel.bits_allocated,
            bits_stored: pixel.bits_stored,
            high_bit: pixel.high_bit,
            signed,
            photometric: whole.text(tags::PHOTOMETRIC_INTERPRETATION),
            layout: match colour {
                Colour::Ybr { shared: true } => Layout::Pairs,
                _ if integer(tags::PLANAR_CONFIGURATION)? == Some(1) => Layout::Planes,
                _ => Layout::Pixels,
            },
            // Colours have no padding (PS3.3, C.7.5.1.1.2), and that of labels is the background.
            padding: padding.filter(|_| has_padding).map(|value| {
                let limit = padding_limit.unwrap_or(value);
                value.min(limit)..=value.max(limit)
            }),
            units: [tags::DOSE_UNITS, tags::UNITS]
                .map(|tag| whole.text(tag))
                .into_iter()
                .find(|unit| !unit.is_empty())
                .unwrap_or_default(),
            dimensions: super::own_dimensions::names(&whole),
            origin: Origin::of(&whole, file),
            notes: file.notes.clone(),
            colour,
            is_float,
            float_padding: float_padding.map_err(|e| e.of(path))?,
            is_map: whole.text(tags::SOP_CLASS_UID) == uids::PARAMETRIC_MAP_STORAGE,
            segmentation,
        };
        image.settle_colours()?;
        image.check_size()?;
        if mosaic::is_cut(&whole, image.columns, image.rows) {
            image.notes.push(mosaic::NO_MOSAIC);
        }
        Ok(Some(image))
    }

    /// What a volume of it is called: the modality.
    pub(super) fn name(&self) -> String {
        if self.modality.is_empty() { NO_NAME.into() } else { self.modality.to_ascii_lowercase() }
    }

    pub(super) fn big_endian(&self) -> bool {
        self.transfer_syntax == EXPLICIT_VR_BIG_ENDIAN
    }

    /// Bytes of one frame, uncompressed.
    pub(super) fn frame_bytes(&self) -> usize {
        let samples = match self.layout {
            Layout::Pairs => 2,
            _ => self.colour.samples(),
        };
        (self.rows * self.columns * samples * self.bits_allocated as usize).div_ceil(8)
    }

    /// Bytes of one sample as it is decoded: pixels of one bit have a byte each.
    pub(super) fn cell_bytes(&self) -> usize {
        (self.bits_allocated as usize).div_ceil(8)
    }

    /// Whether it is made of other images, and is not what a folder of images is opened for.
    pub(super) fn is_made_of_images(&self) -> bool {
        self.is_map || self.segmentation.is_some()
    }

    /// How many components are read of a pixel; 0 where it is one value without a name.
    pub(super) fn components(&self, options: &OpenOptions) -> usize {
        self.colour.components(options.stored_values).len()
    }

    /// Refuses colours of more bits than can be converted, and sees whether differences are shared as they are said to be.
    fn settle_colours(&mut self) -> Result<()> {
        let Colour::Ybr { shared } = self.colour else { return Ok(()) };
        if self.bits_allocated > 16 {
            let what = format!("colours ({}) of {} allocated bits", self.photometric, self.bits_allocated);
            return Err(Error::unsupported(
                &self.path,
                format!("{what} are not supported; only 8 and 16 are"),
            ));
        }
        let PixelPlace::Native { bytes, .. } = &self.pixels else { return Ok(()) };
        if shared
            && bytes.len() as u64 / 3 * 2 >= (self.frame_bytes() as u64).saturating_mul(self.frames as u64)
        {
            self.notes.push(
                "the pixels are said to share their colour differences (YBR_FULL_422), but there are bytes for those of each; \
                 they are read so",
            );
            self.layout = Layout::Pixels;
        }
        if self.layout == Layout::Pairs && !self.columns.is_multiple_of(2) {
            let what =
                format!("{} columns, where two pixels share their colours (YBR_FULL_422)", self.columns);
            return Err(Error::format(&self.path, what));
        }
        Ok(())
    }

    /// The type that holds the stored pixels.
    pub(super) fn stored_type(&self) -> SampleType {
        match (self.bits_allocated, self.signed) {
            (64, _) => SampleType::F64,
            _ if self.is_float => SampleType::F32,
            (1 | 8, false) => SampleType::U8,
            (1, true) => SampleType::I8,
            (8, true) => SampleType::I8,
            (16, false) => SampleType::U16,
            (16, true) => SampleType::I16,
            (_, false) => SampleType::U32,
            (_, true) => SampleType::I32,
        }
    }

    /// Refuses more pixels than the file can hold.
    fn check_size(&self) -> Result<()> {
        let expected = match self.bits_allocated {
            // Frames follow each other without gaps.
            1 => ((self.rows * self.columns) as u64).saturating_mul(self.frames as u64).div_ceil(8),
            _ => (self.frame_bytes() as u64).saturating_mul(self.frames as u64),
        };
        if let PixelPlace::Native { bytes, .. } = &self.pixels
            && bytes.len() as u64 / 2 >= expected.max(1)
            && expected > 1
        {
            return Err(Error::format(
                &self.path,
                format!(
                    "Pixel Data have {} bytes where {expected} are needed; the header does not fit them (colours?)",
                    bytes.len()
                ),
            ));
        }
        let (most, available) = match &self.pixels {
            PixelPlace::Native { bytes, .. } => (bytes.len() as u64, bytes.len()),
            PixelPlace::Encapsulated { fragments, .. } => {
                let bytes: usize = fragments.iter().map(|f| f.len()).sum();
                ((bytes as u64).saturating_mul(LARGEST_COMPRESSION), bytes)
            }
        };
        if expected > most {
            let Image { rows, columns, frames, .. } = self;
            return Err(Error::format(
                &self.path,
                format!(
                    "{frames} x {columns} x {rows} pixels need {expected} bytes, Pixel Data have {available}; the file is \
                     truncated or corrupt"
                ),
            ));
        }
        Ok(())
    }
}

/// No codec shrinks an image to less than this part of its size.
const LARGEST_COMPRESSION: u64 = 8192;

/// A pixel's value out of all its allocated bits.
pub(super) fn container_value(bits: u32, bits_allocated: u32, signed: bool) -> i64 {
    match (signed, bits_allocated) {
        (true, 8) => i64::from(bits as u8 as i8),
        (true, 16) => i64::from(bits as u16 as i16),
        (true, _) => i64::from(bits as i32),
        (false, _) => i64::from(bits & (u32::MAX >> (32 - bits_allocated))),
    }
}

/// How a pixel lies in its bits.
struct PixelFormat {
    bits_allocated: u32,
    bits_stored: u32,
    high_bit: u32,
}

impl PixelFormat {
    fn of(path: &Path, attributes: &Attributes, is_float: bool) -> Result<Self> {
        let integer = |tag: Tag| attributes.integer(tag).map_err(|e| e.of(path));
        let allocated = integer(tags::BITS_ALLOCATED)?.ok_or_else(|| {
            Error::format(path, format!("the attribute {} is missing", named(tags::BITS_ALLOCATED)))
        })?;
        if is_float && !matches!(allocated, 32 | 64) {
            let what =
                format!("floating-point pixels of {allocated} allocated bits, where they have 32 or 64");
            return Err(Error::format(path, what));
        }
        if is_float {
            // They have no bits to say more of.
            let bits = allocated as u32;
            return Ok(Self { bits_allocated: bits, bits_stored: bits, high_bit: bits - 1 });
        }
        if !matches!(allocated, 1 | 8 | 16 | 32) {
            return Err(Error::unsupported(
                path,
                format!("pixels of {allocated} allocated bits are not supported; only 1, 8, 16 and 32 are"),
            ));
        }
        let stored = integer(tags::BITS_STORED)?.unwrap_or(allocated);
        let high_bit = integer(tags::HIGH_BIT)?.unwrap_or(stored.saturating_sub(1));
        if !(1..=allocated).contains(&stored) || !(stored - 1..allocated).contains(&high_bit) {
            return Err(Error::format(
                path,
                format!("{stored} stored bits below bit {high_bit} do not fit {allocated} allocated bits"),
            ));
        }
        let bits = |n: i64| n as u32; // at most 32, checked above
        Ok(Self { bits_allocated: bits(allocated), bits_stored: bits(stored), high_bit: bits(high_bit) })
    }
}
