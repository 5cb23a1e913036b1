//! Pixels: decoded slice by slice, in parallel, straight into the volume's memory.

use super::area::Area;
use super::colour::FramePixels;
use super::image::{Image, container_value};
use super::value_map::ValueMap;
use super::walk::PixelPlace;
use super::{Slice, codec, file, stack};
use crate::error::{Error, Result};
use crate::io::OpenOptions;
use crate::io::elements::swap_bytes;
use crate::io::progress::Counter;
use crate::io::rescale::{Range as ValueRange, Rescale};
use crate::volume::{Sample, SampleType, Samples, Volume, for_each_type};
use rayon::prelude::*;
use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// The real values of a series.
pub(super) struct Decoded {
    pub(super) samples: Samples,
    /// Smallest and largest real value of padding, where there are padding voxels.
    pub(super) padding: Option<Padding>,
}

/// The values of voxels that were not measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Padding {
    pub(super) low: f64,
    pub(super) high: f64,
    voxels: u64,
}

impl Padding {
    pub(super) fn merge(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        let (Some(a), Some(b)) = (one, other) else { return one.or(other) };
        Some(Self { low: a.low.min(b.low), high: a.high.max(b.high), voxels: a.voxels + b.voxels })
    }

    /// The same after a rescale.
    pub(super) fn rescaled(self, rescale: Rescale) -> Self {
        let (a, b) = (rescale.apply(self.low), rescale.apply(self.high));
        Self { low: a.min(b), high: a.max(b), ..self }
    }

    /// How many samples have one of the values between.
    pub(super) fn count(self, samples: &Samples) -> u64 {
        for_each_type!(samples, values => {
            values.par_iter().filter(|v| (self.low..=self.high).contains(&v.to_f64())).count() as u64
        })
    }

    /// Whether so many samples with one of the values between are more than padding, so that the values alone do not tell it.
    pub(super) fn covers_measurements(self, count: impl FnOnce() -> Result<u64>) -> Result<bool> {
        Ok(self.low != self.high && count()? > self.voxels)
    }

    /// Has its values stand for "no data" in a volume, unless they cover measurements.
    pub(super) fn mask(self, volume: &mut Volume) {
        volume.fill_value = Some(self.low);
        volume.fill_limit = Some(self.high).filter(|high| *high != self.low);
    }
}

/// How stored values become the samples that are read.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    /// Floating-point numbers, through the map of their slice.
    Floats,
    /// Integers, which are shifted once all are read: the type depends on them.
    Shifted(Rescale),
    /// Through the table of their slice.
    Tables,
    /// Through the map of their slice, to float32.
    Mapped,
}

/// Decodes slices in their order. Every sample is what its stored number stands for, padding as well.
///
/// Integer rescales keep integers: the stored ones are decoded into the final memory and shifted there. Tables have
/// integers. Others are applied pixel by pixel on the way into a float32 volume.
pub(super) struct PixelReader<'a> {
    source: Source<'a>,
    maps: Vec<&'a ValueMap>,
    way: Way,
    stored: SampleType,
    /// Hounsfield units stay int16 even where a narrower type would do: readers expect it.
    least_bytes: usize,
    counter: Counter<'a>,
}

impl<'a> PixelReader<'a> {
    pub(super) fn new(
        path: &Path,
        slices: &'a [Slice],
        component: usize,
        options: &'a OpenOptions,
    ) -> Result<Self> {
        let first = stack::first(path, slices)?;
        let maps = slices.iter().map(value_map).collect::<Result<Vec<_>>>()?;
        let uniform = maps.first().filter(|first| maps.iter().all(|map| map == *first)).copied();
        let way = match uniform {
            _ if first.image.is_float => Way::Floats,
            Some(&ValueMap::Linear(rescale)) if rescale.is_integer() => Way::Shifted(rescale),
            // Slices may have tables of their own.
            _ if maps.iter().all(|map| matches!(map, ValueMap::Table(_))) => Way::Tables,
            _ => Way::Mapped,
        };
        Ok(Self {
            source: Source { slices, component, options },
            maps,
            way,
            stored: first.stored_type(),
            least_bytes: if first.unit() == "HU" { 2 } else { 1 },
            counter: Counter::new(options, slices.len()),
        })
    }

    /// The one rescale of all slices.
    pub(super) fn rescale(&self) -> Option<Rescale> {
        let first = self.maps.first().filter(|first| self.maps.iter().all(|map| map == *first));
        match first {
            Some(ValueMap::Linear(rescale)) => Some(*rescale),
            _ => None,
        }
    }

    /// The type of what [`Self::read`] gives.
    pub(super) fn sample_type(&self) -> SampleType {
        match self.way {
            Way::Floats if self.stored == SampleType::F64 => SampleType::F64,
            Way::Floats | Way::Mapped => SampleType::F32,
            Way::Shifted(_) => self.stored,
            Way::Tables => {
                let is_narrow = |map: &&ValueMap| matches!(map, ValueMap::Table(table) if table.is_narrow());
                if self.maps.iter().all(is_narrow) { SampleType::U8 } else { SampleType::U16 }
            }
        }
    }

    /// What is still to be done to what [`Self::read`] gives, and the type that it has then; `range` is that of all of it.
    pub(super) fn shift(&self, range: ValueRange) -> (Rescale, SampleType) {
        match self.way {
            Way::Shifted(rescale) if rescale != Rescale::NONE => {
                (rescale, rescale.result_type(self.stored, range, self.least_bytes))
            }
            _ => (Rescale::NONE, self.sample_type()),
        }
    }

    /// The samples of some slices, before they are shifted; and padding among them, as it is afterwards.
    pub(super) fn read(&self, slices: Range<usize>) -> Result<(Samples, Option<Padding>)> {
        let Self { way, counter, .. } = self;
        let maps = self.maps.get(slices.clone()).unwrap_or_default();
        let source = Source { slices: self.source.slices.get(slices).unwrap_or_default(), ..self.source };
        let pixels = source.slices.first().map_or(0, |slice| slice.area.columns * slice.area.rows);
        let count = pixels * source.slices.len();
        let real = |slice: usize, stored: i64| maps.get(slice).map_or(0.0, |map| map.apply(stored));
        match way {
            Way::Floats => {
                let samples = match self.stored {
                    SampleType::F64 => {
                        Samples::F64(source.floats(counter, count, maps, f64::from_le_bytes)?)
                    }
                    _ => Samples::F32(source.floats(counter, count, maps, f32::from_le_bytes)?),
                };
                Ok((samples, None))
            }
            Way::Shifted(rescale) => {
                let mut samples = Samples::zeros(self.stored, count);
                let padding = for_each_type!(&mut samples, values => {
                    source.fill(counter, values, |_, value| value as f64)
                })?;
                Ok((samples, padding.map(|p| p.rescaled(*rescale))))
            }
            Way::Tables => {
                let mut samples = Samples::zeros(self.sample_type(), count);
                let padding = for_each_type!(&mut samples, values => {
                    source.fill(counter, values, real)
                })?;
                Ok((samples, padding))
            }
            Way::Mapped => {
                let mut samples = vec![0f32; count];
                // As it is rounded in the volume.
                let rounded = |slice: usize, stored: i64| f64::from(real(slice, stored) as f32);
                let padding = source.fill(counter, &mut samples, rounded)?;
                Ok((Samples::F32(samples), padding))
            }
        }
    }

    /// Decodes all of them.
    pub(super) fn decode(&self) -> Result<Decoded> {
        let (samples, padding) = self.read(0..self.source.slices.len())?;
        let samples = match self.way {
            Way::Shifted(rescale) => rescale.apply_to(samples, self.least_bytes),
            _ => samples,
        };
        Ok(Decoded { samples, padding })
    }
}

fn value_map(slice: &Slice) -> Result<&ValueMap> {
    slice.values.as_ref().map_err(|why| {
        let way_on = "`stored_values` takes the numbers as they are stored";
        Error::format(&slice.image.path, format!("{why}; {way_on}"))
    })
}

/// What is read of which slices.
#[derive(Clone, Copy)]
struct Source<'a> {
    slices: &'a [Slice],
    /// Of a pixel's colour.
    component: usize,
    options: &'a OpenOptions,
}

impl Source<'_> {
    /// Floating-point pixels, through the map of their slice.
    fn floats<T: Sample, const N: usize>(
        &self,
        counter: &Counter,
        count: usize,
        maps: &[&ValueMap],
        number: fn([u8; N]) -> T,
    ) -> Result<Vec<T>> {
        let Source { slices, options, .. } = *self;
        let mut values = vec![T::from_f64(0.0); count];
        let pixels = slices.first().map_or(1, |slice| slice.area.rows * slice.area.columns);
        values.par_chunks_mut(pixels).zip(slices.par_iter().zip(maps)).try_for_each_init(
            || Frames { options, open: None },
            |frames, (values, (slice, map))| {
                let bytes = frames.read(slice)?.bytes;
                let stored = bytes.as_chunks().0.iter().map(|bytes| number(*bytes));
                for (value, stored) in values.iter_mut().zip(stored) {
                    *value = match map {
                        ValueMap::Linear(rescale) if *rescale != Rescale::NONE => {
                            T::from_f64(rescale.apply(stored.to_f64()))
                        }
                        _ => stored,
                    };
                }
                counter.advance()
            },
        )?;
        Ok(values)
    }

    /// Decodes every slice into its part of `values`, through `real`, which is given the slice's place in the stack and the stored
    /// number. What of it is padding.
    fn fill<T: Sample>(
        &self,
        counter: &Counter,
        values: &mut [T],
        real: impl Fn(usize, i64) -> f64 + Sync,
    ) -> Result<Option<Padding>> {
        let Source { slices, component, options } = *self;
        let pixels = slices.first().map_or(1, |s| s.area.rows * s.area.columns);
        let padded = values.par_chunks_mut(pixels).zip(slices).enumerate().map_init(
            || Frames { options, open: None },
            |frames, (place, (values, slice))| {
                let bytes = frames.read(slice)?.component(&slice.image, component, options.stored_values);
                let Image { bits_allocated, signed, padding, columns, .. } = &*slice.image;
                let mut padded: Option<Padding> = None;
                let mut put = |value: &mut T, bits: u32| {
                    let container = container_value(bits, *bits_allocated, *signed);
                    match padding {
                        // It may use bits above the stored ones, so it is never cut to them.
                        Some(range) if range.contains(&container) => {
                            let real = real(place, container);
                            padded =
                                Padding::merge(padded, Some(Padding { low: real, high: real, voxels: 1 }));
                            *value = T::from_f64(real);
                        }
                        _ => *value = T::from_f64(real(place, slice.stored_value(bits))),
                    }
                };
                let size = slice.image.cell_bytes();
                let Area { left, top, columns: width, rows: height } = slice.area;
                for (row, values) in values.chunks_exact_mut(width).take(height).enumerate() {
                    let start = ((top + row) * columns + left) * size;
                    let bytes = bytes.get(start..start + width * size).unwrap_or_default();
                    match size {
                        1 => values.iter_mut().zip(bytes).for_each(|(value, b)| put(value, u32::from(*b))),
                        2 => values.iter_mut().zip(bytes.as_chunks().0).for_each(|(value, b)| {
                            put(value, u32::from(u16::from_le_bytes(*b)));
                        }),
                        _ => values.iter_mut().zip(bytes.as_chunks().0).for_each(|(value, b)| {
                            put(value, u32::from_le_bytes(*b));
                        }),
                    }
                }
                counter.advance()?;
                Ok(padded)
            },
        );
        Ok(padded.collect::<Result<Vec<_>>>()?.into_iter().fold(None, Padding::merge))
    }
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
    open: Option<(Arc<Image>, PixelSource)>,
}

enum PixelSource {
    /// Uncompressed frames are read where they lie.
    File(File),
    /// Compressed ones are taken out of the file's bytes.
    Bytes(file::Bytes),
}

impl Frames<'_> {
    /// A frame's pixels, little endian.
    fn read(&mut self, slice: &Slice) -> Result<FramePixels<'_>> {
        let image = &slice.image;
        let as_stored = |bytes| FramePixels { bytes, layout: image.layout, is_ybr: None };
        if !self.open.as_ref().is_some_and(|(open, _)| Arc::ptr_eq(open, image)) {
            self.open = Some((image.clone(), PixelSource::open(image, self.options)?));
        }
        let Some((_, source)) = &mut self.open else { return Ok(as_stored(Cow::Borrowed(&[]))) };
        let (native, words) = match &image.pixels {
            PixelPlace::Native { bytes, words, .. } => (bytes.clone(), *words),
            PixelPlace::Encapsulated { .. } => {
                let PixelSource::Bytes(bytes) = source else { return Ok(as_stored(Cow::Borrowed(&[]))) };
                let frame = codec::decode(image, slice.frame, bytes)?;
                return Ok(match image.bits_allocated {
                    1 => as_stored(Cow::Owned(bits(&frame.bytes, 0, image.rows * image.columns))),
                    _ => frame,
                });
            }
        };
        // Of frames of one bit a pixel the next begins in the byte in which the last one ends.
        let pixels = image.rows * image.columns;
        let first_bit = if image.bits_allocated == 1 { slice.frame * pixels % 8 } else { 0 };
        let (start, length) = match image.bits_allocated {
            1 => (native.start + slice.frame * pixels / 8, (first_bit + pixels).div_ceil(8)),
            _ => (native.start + slice.frame * image.frame_bytes(), image.frame_bytes()),
        };
        let unpacked = |bytes: &[u8]| as_stored(Cow::Owned(bits(bytes, first_bit, pixels)));
        match source {
            PixelSource::Bytes(bytes) => {
                let range = start..start + length;
                bytes
                    .get(range)
                    .map(|bytes| match image.bits_allocated {
                        1 => unpacked(bytes),
                        _ => as_stored(Cow::Borrowed(bytes)),
                    })
                    .ok_or_else(|| Error::format(&image.path, "the file changed while it was read"))
            }
            PixelSource::File(file) => {
                let words = image.big_endian() && words && image.bits_allocated <= 8;
                // Bytes in words: what is read begins and ends with a word, wherever the frame does.
                let lead = if words { (start - native.start) % 2 } else { 0 };
                let all = if words { (lead + length).next_multiple_of(2) } else { length };
                let mut bytes = vec![0; all.min(native.end + lead - start)];
                file.seek(SeekFrom::Start((start - lead) as u64))
                    .and_then(|_| file.read_exact(&mut bytes))
                    .map_err(|e| Error::io(&image.path, e))?;
                if image.big_endian() {
                    swap_bytes(&mut bytes, if words { 2 } else { image.cell_bytes() });
                }
                bytes.drain(..lead);
                bytes.truncate(length);
                Ok(if image.bits_allocated == 1 { unpacked(&bytes) } else { as_stored(Cow::Owned(bytes)) })
            }
        }
    }
}

/// Pixels of one bit each, a byte for each: the lowest bit of a byte is the first one (PS3.5, section 8.1.1).
fn bits(bytes: &[u8], first: usize, count: usize) -> Vec<u8> {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (at % 8) & 1);
    (first..first + count).map(bit).collect()
}

impl PixelSource {
    fn open(image: &Image, options: &OpenOptions) -> Result<Self> {
        let path = &image.path;
        let is_native = matches!(image.pixels, PixelPlace::Native { .. });
        if is_native
            && image.transfer_syntax != dicom_dictionary_std::uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
        {
            return Ok(PixelSource::File(File::open(path).map_err(|e| Error::io(path, e))?));
        }
        Ok(PixelSource::Bytes(file::File::open(path, &options.limits)?.into_bytes()))
    }
}
