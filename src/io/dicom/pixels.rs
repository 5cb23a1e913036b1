//! Pixels: decoded slice by slice, in parallel, straight into the volume's memory.

use super::file::{self, PixelPlace};
use super::slice::{Image, container_value};
use super::{Slice, codec, series};
use crate::error::{Error, Result};
use crate::io::OpenOptions;
use crate::io::elements::swap_bytes;
use crate::io::progress::Counter;
use crate::io::rescale::Rescale;
use crate::volume::{Sample, Samples, for_each_type};
use rayon::prelude::*;
use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

/// The real values of a series.
pub(super) struct Decoded {
    pub(super) samples: Samples,
    /// The real value of padding, when there are padding voxels.
    pub(super) padding: Option<f64>,
    /// The one rescale of all slices.
    pub(super) rescale: Option<Rescale>,
}

/// Decodes the slices in their order.
///
/// Integer rescales keep integers: the stored ones are decoded into the final memory and shifted there. Others are
/// applied pixel by pixel on the way into a float32 volume.
pub(super) fn decode(path: &Path, slices: &[Slice], options: &OpenOptions) -> Result<Decoded> {
    let first = series::first(path, slices)?;
    let rescale = Some(first.rescale).filter(|r| slices.iter().all(|s| s.rescale == *r));
    let count = first.image.columns * first.image.rows * slices.len();
    // Slices may differ in their padding: one value stands for all.
    let padding_value = slices.iter().find_map(|s| s.image.padding.as_ref().map(|range| *range.start()));
    let counter = Counter::new(options, slices.len());
    let (samples, has_padding) = match rescale {
        Some(rescale) if rescale.is_integer() => {
            let mut stored = Samples::zeros(first.stored_type(), count);
            let has_padding = for_each_type!(&mut stored, values => {
                fill(slices, options, &counter, values, |_, value| match value {
                    Pixel::Stored(value) => value as f64,
                    Pixel::Padding(own) => padding_value.unwrap_or(own) as f64,
                })
            })?;
            // Hounsfield units stay int16 even where a narrower type would do: readers expect it.
            let least_bytes = if first.unit() == "HU" { 2 } else { 1 };
            (rescale.apply_to(stored, least_bytes), has_padding)
        }
        uniform => {
            let mut real = vec![0f32; count];
            let has_padding = fill(slices, options, &counter, &mut real, |slice, value| match value {
                Pixel::Stored(value) => slice.rescale.apply(value as f64),
                // Padding has no one real value when slices differ in their rescale.
                Pixel::Padding(_) if uniform.is_none() => f64::NAN,
                Pixel::Padding(own) => slice.rescale.apply(padding_value.unwrap_or(own) as f64),
            })?;
            (Samples::F32(real), has_padding)
        }
    };
    let padding = match (has_padding, rescale, padding_value) {
        (true, Some(rescale), Some(value)) => {
            Some(samples.sample_type().nearest(rescale.apply(value as f64)))
        }
        _ => None,
    };
    Ok(Decoded { samples, padding, rescale })
}

/// A pixel before the rescale.
enum Pixel {
    Stored(i64),
    /// No measurement; padding may use bits above the stored ones, so it is never cut to them.
    Padding(i64),
}

/// Decodes every slice into its part of `values`, through `real`. Says whether any voxel is padding.
fn fill<T: Sample>(
    slices: &[Slice],
    options: &OpenOptions,
    counter: &Counter,
    values: &mut [T],
    real: impl Fn(&Slice, Pixel) -> f64 + Sync,
) -> Result<bool> {
    let pixels = slices.first().map_or(1, |s| s.image.rows * s.image.columns);
    let padded = values.par_chunks_mut(pixels).zip(slices).map_init(
        || Frames { options, open: None },
        |frames, (values, slice)| {
            let bytes = frames.read(slice)?;
            let Image { bits_allocated, signed, padding, .. } = &*slice.image;
            let mut padded = false;
            let mut pixel = |bits: u32| {
                let container = container_value(bits, *bits_allocated, *signed);
                match padding {
                    Some(range) if range.contains(&container) => {
                        padded = true;
                        Pixel::Padding(container)
                    }
                    _ => Pixel::Stored(slice.stored_value(bits)),
                }
            };
            let mut put = |value: &mut T, bits: u32| *value = T::from_f64(real(slice, pixel(bits)));
            match bits_allocated {
                8 => values.iter_mut().zip(bytes.iter()).for_each(|(value, b)| put(value, u32::from(*b))),
                16 => values.iter_mut().zip(bytes.as_chunks().0).for_each(|(value, b)| {
                    put(value, u32::from(u16::from_le_bytes(*b)));
                }),
                _ => values.iter_mut().zip(bytes.as_chunks().0).for_each(|(value, b)| {
                    put(value, u32::from_le_bytes(*b));
                }),
            }
            counter.advance()?;
            Ok(padded)
        },
    );
    Ok(padded.collect::<Result<Vec<bool>>>()?.contains(&true))
}

impl Slice {
    /// A pixel's value out of its stored bits (PS3.5, section 8.1.1).
    fn stored_value(&self, bits: u32) -> i64 {
        let Image { high_bit, bits_stored, signed, .. } = *self.image;
        let value = (bits >> (high_bit + 1 - bits_stored)) & (u32::MAX >> (32 - bits_stored));
        let sign_bit = 1i64 << (bits_stored - 1);
        let value = i64::from(value);
        if signed && value & sign_bit != 0 { value - 2 * sign_bit } else { value }
    }
}

/// Reads frames; the file of the last one stays open, since the next is often in it too.
struct Frames<'a> {
    options: &'a OpenOptions,
    open: Option<(Arc<Image>, Source)>,
}

enum Source {
    /// Uncompressed frames are read where they lie.
    File(File),
    /// Compressed ones are taken out of the file's bytes.
    Bytes(file::Bytes),
}

impl Frames<'_> {
    /// A frame's pixels, little endian.
    fn read(&mut self, slice: &Slice) -> Result<Cow<'_, [u8]>> {
        let image = &slice.image;
        if !self.open.as_ref().is_some_and(|(open, _)| Arc::ptr_eq(open, image)) {
            self.open = Some((image.clone(), Source::open(image, self.options)?));
        }
        let Some((_, source)) = &mut self.open else { return Ok(Cow::Borrowed(&[])) };
        let (native, words) = match &image.pixels {
            PixelPlace::Native { bytes, words } => (bytes.clone(), *words),
            PixelPlace::Encapsulated { .. } => {
                let Source::Bytes(bytes) = source else { return Ok(Cow::Borrowed(&[])) };
                return codec::decode(image, slice.frame, bytes).map(Cow::Owned);
            }
        };
        let start = native.start + slice.frame * image.frame_bytes();
        match source {
            Source::Bytes(bytes) => {
                let range = start..start + image.frame_bytes();
                bytes
                    .get(range)
                    .map(Cow::Borrowed)
                    .ok_or_else(|| Error::format(&image.path, "the file changed while it was read"))
            }
            Source::File(file) => {
                let mut bytes = vec![0; image.frame_bytes()];
                file.seek(SeekFrom::Start(start as u64))
                    .and_then(|_| file.read_exact(&mut bytes))
                    .map_err(|e| Error::io(&image.path, e))?;
                if image.big_endian() {
                    let size = if words && image.bits_allocated == 8 {
                        2
                    } else {
                        image.bits_allocated as usize / 8
                    };
                    swap_bytes(&mut bytes, size);
                }
                Ok(Cow::Owned(bytes))
            }
        }
    }
}

impl Source {
    fn open(image: &Image, options: &OpenOptions) -> Result<Self> {
        let path = &image.path;
        let is_native = matches!(image.pixels, PixelPlace::Native { .. });
        if is_native
            && image.transfer_syntax != dicom_dictionary_std::uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
        {
            return Ok(Source::File(File::open(path).map_err(|e| Error::io(path, e))?));
        }
        Ok(Source::Bytes(file::File::open(path, &options.limits)?.into_bytes()))
    }
}
