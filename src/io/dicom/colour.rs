//! Colours: what the samples of a pixel are, and how a frame becomes a plane for one of red, green and blue
//! (PS3.3, C.7.6.3.1.2).

use super::attributes::Attributes;
use super::image::Image;
use super::value_map::{Table, ValueMap};
use crate::error::{Error, Result};
use crate::io::colour::{RGBA, rgb_of_ybr};
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

/// What the samples of a pixel are.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Colour {
    Grey,
    /// Numbers of colours: a table each of red, green and blue.
    Palette([Arc<Table>; 3]),
    Rgb,
    /// A luminance and two colour differences.
    Ybr {
        /// Two pixels beside each other share their differences, where they are not compressed.
        shared: bool,
    },
}

/// What the three samples are called where they are taken as they are stored.
const YBR: [&str; 3] = ["Y", "CB", "CR"];

impl Colour {
    /// What an image says; an error for colours that are not read.
    pub(super) fn of(path: &Path, whole: &Attributes) -> Result<Self> {
        let samples = whole.integer(tags::SAMPLES_PER_PIXEL).map_err(|e| e.of(path))?.unwrap_or(1);
        let photometric = whole.text(tags::PHOTOMETRIC_INTERPRETATION);
        match (samples, photometric.as_str()) {
            (1, "PALETTE COLOR") => palette(path, whole),
            (1, photometric) if photometric.is_empty() || photometric.starts_with("MONOCHROME") => {
                Ok(Self::Grey)
            }
            // The transform of JPEG 2000 belongs to its codestream, which is decoded to RGB.
            (3, "RGB" | "YBR_RCT" | "YBR_ICT") => Ok(Self::Rgb),
            (3, "YBR_FULL") => Ok(Self::Ybr { shared: false }),
            (3, "YBR_FULL_422") => Ok(Self::Ybr { shared: true }),
            _ => Err(Error::unsupported(
                path,
                format!(
                    "the image holds colours of a kind that is not supported ({samples} samples per pixel, {photometric}); \
                     convert it to RGB or YBR_FULL"
                ),
            )),
        }
    }

    /// How many samples a pixel has.
    pub(super) fn samples(&self) -> usize {
        match self {
            Self::Grey | Self::Palette(_) => 1,
            Self::Rgb | Self::Ybr { .. } => 3,
        }
    }

    /// What the components are called that are read of a pixel; nothing where there is one.
    pub(super) fn components(&self, stored_values: bool) -> &'static [&'static str] {
        match self {
            Self::Grey => &[],
            Self::Palette(_) if stored_values => &[],
            Self::Ybr { .. } if stored_values => &YBR,
            _ => &RGBA[..3],
        }
    }

    /// How the numbers of a palette become one of its colours.
    pub(super) fn values(&self, component: usize) -> Option<ValueMap> {
        match self {
            Self::Palette(tables) => tables.get(component).cloned().map(ValueMap::Table),
            _ => None,
        }
    }
}

/// The tables of a palette (PS3.3, C.7.6.3.1.5 and C.7.6.3.1.6).
fn palette(path: &Path, whole: &Attributes) -> Result<Colour> {
    const SEGMENTED: [Tag; 3] = [
        tags::SEGMENTED_RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
        tags::SEGMENTED_GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA,
        tags::SEGMENTED_BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA,
    ];
    const PLACES: [(Tag, Tag); 3] = [
        (tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR, tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA),
        (tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR, tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA),
        (tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR, tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA),
    ];
    if SEGMENTED.iter().any(|tag| whole.bytes(*tag).is_some()) {
        return Err(Error::unsupported(
            path,
            "the colours of its palette are given in segments (0028,1221), which are not supported; convert it to RGB",
        ));
    }
    let signed = whole.integer(tags::PIXEL_REPRESENTATION).map_err(|e| e.of(path))? == Some(1);
    let table = |(descriptor, data)| match Table::of_palette(whole, (descriptor, data), signed) {
        Ok(table) => Ok(Arc::new(table)),
        Err(why) => Err(Error::format(path, why)),
    };
    let [red, green, blue] = PLACES.map(table);
    Ok(Colour::Palette([red?, green?, blue?]))
}

/// How the samples of a frame lie in its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Those of a pixel beside each other.
    Pixels,
    /// All of one kind, then all of the next (Planar Configuration 1).
    Planes,
    /// Two luminances, then the two differences that both pixels share (`YBR_FULL_422`).
    Pairs,
}

/// A frame's samples, little endian.
pub(super) struct FramePixels<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    pub(super) layout: Layout,
    /// What a compressed image says itself: whether its samples are YBR rather than RGB.
    pub(super) is_ybr: Option<bool>,
}

impl<'a> FramePixels<'a> {
    /// One component of each pixel, in cells of the same bits.
    pub(super) fn component(self, image: &Image, component: usize, stored: bool) -> Cow<'a, [u8]> {
        if image.colour.samples() == 1 {
            return self.bytes;
        }
        let size = image.bits_allocated as usize / 8;
        let pixels = image.rows * image.columns;
        let is_ybr = self.is_ybr.unwrap_or(matches!(image.colour, Colour::Ybr { .. }));
        let cell = |pixel: usize, sample: usize| {
            let at = match self.layout {
                Layout::Pixels => 3 * pixel + sample,
                Layout::Planes => pixels * sample + pixel,
                Layout::Pairs if sample == 0 => 4 * (pixel / 2) + pixel % 2,
                Layout::Pairs => 4 * (pixel / 2) + 1 + sample,
            };
            self.bytes.get(at * size..(at + 1) * size).unwrap_or_default()
        };
        let mut plane = Vec::with_capacity(pixels * size);
        if stored || !is_ybr {
            (0..pixels).for_each(|pixel| plane.extend_from_slice(cell(pixel, component)));
            return Cow::Owned(plane);
        }
        let shift = image.high_bit + 1 - image.bits_stored;
        let mask = u32::MAX >> (32 - image.bits_stored);
        let value = |cell: &[u8]| {
            let bits = cell.iter().rev().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
            bits >> shift & mask
        };
        for pixel in 0..pixels {
            let ybr = [0, 1, 2].map(|sample| value(cell(pixel, sample)));
            let rgb = rgb_of_ybr(ybr, image.bits_stored);
            let bits = rgb.get(component).copied().unwrap_or_default() << shift;
            plane.extend_from_slice(bits.to_le_bytes().get(..size).unwrap_or_default());
        }
        Cow::Owned(plane)
    }
}
