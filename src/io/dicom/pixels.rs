//! Pixels: decoded slice by slice, in parallel, straight into the volume's memory.

use super::{Slice, series, slice};
use crate::error::{Error, Result};
use crate::io::rescale::Rescale;
use crate::volume::{Sample, SampleType, Samples, for_each_type};
use dicom_core::value::{PrimitiveValue, Value};
use dicom_dictionary_std::tags;
use dicom_object::OpenFileOptions;
use rayon::prelude::*;
use std::path::Path;

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
pub(super) fn decode(path: &Path, slices: &[Slice]) -> Result<Decoded> {
    let first = series::first(path, slices)?;
    let rescale = Some(first.rescale).filter(|r| slices.iter().all(|s| s.rescale == *r));
    let count = first.columns * first.rows * slices.len();
    // Slices may differ in their padding: one value stands for all.
    let padding_bits = slices.iter().find_map(|s| s.padding);
    let (samples, has_padding) = match rescale {
        Some(rescale) if rescale.is_integer() => {
            let mut stored = Samples::zeros(first.stored_type(), count);
            let has_padding = for_each_type!(&mut stored, values => fill(slices, padding_bits, values, |_, value, _| value as f64))?;
            // Hounsfield units stay int16 even where a narrower type would do: readers expect it.
            let least_bytes = if first.unit() == "HU" { 2 } else { 1 };
            (rescale.apply_to(stored, least_bytes), has_padding)
        }
        uniform => {
            let mut real = vec![0f32; count];
            let has_padding = fill(slices, padding_bits, &mut real, |slice, value, padding| {
                // Padding has no one real value when slices differ in their rescale.
                if padding && uniform.is_none() { f64::NAN } else { slice.rescale.apply(value as f64) }
            })?;
            (Samples::F32(real), has_padding)
        }
    };
    let padding = match (has_padding, rescale, padding_bits) {
        (true, Some(rescale), Some(bits)) => {
            let real = rescale.apply(first.container_value(bits) as f64);
            Some(if samples.sample_type() == SampleType::F32 { f64::from(real as f32) } else { real })
        }
        _ => None,
    };
    Ok(Decoded { samples, padding, rescale })
}

/// Decodes every slice into its part of `values`; `real` gets a stored value and whether it is padding. Says whether
/// any voxel is padding.
fn fill<T: Sample>(
    slices: &[Slice],
    padding_bits: Option<u32>,
    values: &mut [T],
    real: impl Fn(&Slice, i64, bool) -> f64 + Sync,
) -> Result<bool> {
    let pixels = slices.first().map_or(1, |s| s.rows * s.columns);
    let padded: Vec<bool> = values
        .par_chunks_mut(pixels)
        .zip(slices)
        .map(|(values, slice)| {
            let mut padded = false;
            let stored = Pixels::read(slice)?;
            for (value, bits) in values.iter_mut().zip(stored.bits()) {
                let padding = slice.padding == Some(bits);
                padded |= padding;
                // Padding may use bits above the stored ones, so it is never masked.
                let stored = if padding {
                    slice.container_value(padding_bits.unwrap_or(bits))
                } else {
                    slice.stored_value(bits)
                };
                *value = T::from_f64(real(slice, stored, padding));
            }
            Ok(padded)
        })
        .collect::<Result<_>>()?;
    Ok(padded.contains(&true))
}

impl Slice {
    /// A pixel's value out of its stored bits (PS3.5, section 8.1.1).
    fn stored_value(&self, bits: u32) -> i64 {
        let value = (bits >> (self.high_bit + 1 - self.bits_stored)) & (u32::MAX >> (32 - self.bits_stored));
        let sign_bit = 1i64 << (self.bits_stored - 1);
        let value = i64::from(value);
        if self.signed && value & sign_bit != 0 { value - 2 * sign_bit } else { value }
    }

    /// A pixel's value out of all allocated bits.
    fn container_value(&self, bits: u32) -> i64 {
        match (self.signed, self.bits_allocated) {
            (true, 8) => i64::from(bits as u8 as i8),
            (true, 16) => i64::from(bits as u16 as i16),
            (true, _) => i64::from(bits as i32),
            (false, _) => i64::from(bits),
        }
    }
}

/// The pixel data of one slice as the parser gives them.
enum Pixels {
    Words(Vec<u16>),
    /// Little endian, of `size` bytes each.
    Bytes {
        bytes: Vec<u8>,
        size: usize,
    },
}

impl Pixels {
    fn read(slice: &Slice) -> Result<Self> {
        let path = &slice.path;
        let mut object = OpenFileOptions::new()
            .read_to(tags::PIXEL_DATA)
            .open_file(path)
            .map_err(|e| Error::format(path, format!("damaged DICOM file: {}", slice::reasons(&e))))?;
        let element = object
            .take(tags::PIXEL_DATA)
            .ok_or_else(|| Error::unsupported(path, "the image has no integer Pixel Data (7FE0,0010)"))?;
        let size = slice.bits_allocated as usize / 8;
        let pixels = match element.into_value() {
            Value::Primitive(PrimitiveValue::U16(words)) if size == 2 => Pixels::Words(words.into_vec()),
            Value::Primitive(PrimitiveValue::U16(mut words)) if size == 4 && slice.big_endian => {
                // The parser swapped the bytes of each word; the high word still comes first.
                words.chunks_exact_mut(2).for_each(<[u16]>::reverse);
                Pixels::Bytes { bytes: PrimitiveValue::U16(words).to_bytes().into_owned(), size }
            }
            Value::Primitive(value) => Pixels::Bytes { bytes: value.to_bytes().into_owned(), size },
            _ => return Err(Error::unsupported(path, "compressed or sequence Pixel Data are not supported")),
        };
        let (expected, found) = (slice.rows * slice.columns, pixels.len());
        // An odd number of bytes is padded to an even one; anything beyond is not an image of this size.
        if found < expected {
            return Err(Error::format(
                path,
                format!("Pixel Data hold {found} pixels of {expected}; the file is truncated"),
            ));
        }
        Ok(pixels)
    }

    fn len(&self) -> usize {
        match self {
            Pixels::Words(words) => words.len(),
            Pixels::Bytes { bytes, size } => bytes.len() / size,
        }
    }

    fn bits(&self) -> impl Iterator<Item = u32> + '_ {
        let (words, bytes, size) = match self {
            Pixels::Words(words) => (words.as_slice(), [].as_slice(), 1),
            Pixels::Bytes { bytes, size } => ([].as_slice(), bytes.as_slice(), *size),
        };
        words.iter().map(|&w| u32::from(w)).chain(
            bytes
                .chunks_exact(size)
                .map(|b| b.iter().rev().fold(0, |bits, &byte| bits << 8 | u32::from(byte))),
        )
    }
}
