//! Section INTS: the samples themselves, as integers, brick by brick; exact, or within a bound. Beside a latent grid
//! the numbers are what it is off by; exact ones are there for some bricks only.

use super::brick_grid::{BRICK_EDGE, BrickGrid, check_edge};
use super::bytes::Fields;
use super::sections::StoredSection;
use crate::codec::{decode_integers, encode_integers};
use crate::storage::{Fault, Streams};
use crate::volume::{Sample, SampleType, Samples, for_each_type};

/// How samples become integers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct IntegerScale {
    /// The sample of number 0.
    pub(crate) low: f64,
    /// Distance of the samples of neighbouring numbers; 0: numbers are the samples themselves, bit by bit.
    pub(crate) step: f64,
    pub(crate) sample_type: SampleType,
}

impl IntegerScale {
    /// True when every sample comes back as it was, masked ones too.
    pub(crate) fn is_exact(&self) -> bool {
        self.step == 0.0
    }

    /// `base` is the sample of number 0.
    fn number<T: Sample>(&self, sample: T, base: f64) -> i64 {
        if self.step > 0.0 { ((sample.to_f64() - base) / self.step).round() as i64 } else { ordered(sample) }
    }

    fn samples<T: Sample>(&self, numbers: &[i64], base: Prediction<'_>) -> Vec<T> {
        if self.step > 0.0 {
            let sample = |(n, &number): (usize, &i64)| base.at(self, n) + number as f64 * self.step;
            numbers.iter().enumerate().map(|number| T::from_f64(sample(number))).collect()
        } else {
            numbers.iter().map(|&number| from_ordered(number)).collect()
        }
    }
}

/// The samples of number 0 in a brick.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Prediction<'a> {
    /// The scale's lowest.
    Low,
    /// One a voxel, x fastest.
    Samples(&'a Samples),
}

impl Prediction<'_> {
    fn at(self, scale: &IntegerScale, voxel: usize) -> f64 {
        match self {
            Prediction::Low => scale.low,
            Prediction::Samples(samples) => samples.get(voxel),
        }
    }
}

/// A number for every sample, in the samples' order: an integer's value; a float's bits with the sign turned into
/// numbers below 0, so that -0.0 is -1 and NaN payloads lie beyond the infinities.
fn ordered<T: Sample>(sample: T) -> i64 {
    let bytes = bytemuck::bytes_of(&sample);
    match (T::TYPE, bytes) {
        (SampleType::F32, &[a, b, c, d]) => {
            let bits = u32::from_ne_bytes([a, b, c, d]);
            let magnitude = i64::from(bits & 0x7FFF_FFFF);
            if bits >> 31 == 1 { !magnitude } else { magnitude }
        }
        (SampleType::F64, &[a, b, c, d, e, f, g, h]) => {
            let bits = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
            let magnitude = (bits & (u64::MAX >> 1)) as i64;
            if bits >> 63 == 1 { !magnitude } else { magnitude }
        }
        // Integers of 32 bits at most: exact.
        _ => sample.to_f64() as i64,
    }
}

/// The sample of a number; numbers that no sample has give the nearest bits.
fn from_ordered<T: Sample>(number: i64) -> T {
    let mut sample = T::default();
    let bytes = bytemuck::bytes_of_mut(&mut sample);
    match T::TYPE {
        SampleType::F32 => {
            let bits = if number < 0 { !number as u32 | 1 << 31 } else { number as u32 & 0x7FFF_FFFF };
            bytes.copy_from_slice(&bits.to_ne_bytes());
        }
        SampleType::F64 => {
            let bits = if number < 0 { !number as u64 | 1 << 63 } else { number as u64 };
            bytes.copy_from_slice(&bits.to_ne_bytes());
        }
        _ => return T::from_f64(number as f64),
    }
    sample
}

/// The integer sample that is a number modulo what the type holds.
fn wrapped<T: Sample>(number: i64) -> T {
    let bits = 8 * T::TYPE.size() as u32;
    let low = number & ((1 << bits) - 1);
    let (least, _) = T::TYPE.limits();
    T::from_f64(if least < 0.0 && low >> (bits - 1) == 1 { low - (1 << bits) } else { low } as f64)
}

/// The samples of a volume, coded brick by brick.
#[derive(Clone)]
pub(crate) struct IntegerBricks {
    grid: BrickGrid,
    scale: IntegerScale,
    /// One a brick.
    streams: Streams,
}

impl IntegerBricks {
    /// The stream of a brick. Where numbers are not exact, masked samples (by `codes`, one a voxel) are left out.
    pub(crate) fn encode_brick(
        samples: &Samples,
        grid: &BrickGrid,
        brick: usize,
        scale: IntegerScale,
        base: Prediction<'_>,
        codes: Option<&[u8]>,
    ) -> Vec<u8> {
        let (_, size) = grid.bounds(brick);
        let rows = || grid.rows(brick);
        let codes = codes.filter(|_| !scale.is_exact());
        let skip = codes.map(|codes| rows().flat_map(|row| codes[row].iter().copied()).collect::<Vec<u8>>());
        let numbers: Vec<i64> = for_each_type!(samples, values => {
            let samples = rows().flat_map(|row| values[row].iter().copied()).enumerate();
            samples.map(|(n, sample)| scale.number(sample, base.at(&scale, n))).collect()
        });
        encode_integers(&numbers, size, skip.as_deref())
    }

    /// The streams of all bricks, in order.
    pub(crate) fn new(grid: BrickGrid, scale: IntegerScale, streams: Vec<Vec<u8>>) -> Self {
        Self { grid, scale, streams: Streams::new(streams) }
    }

    /// Of streams that were written as they were coded.
    pub(crate) fn of_streams(grid: BrickGrid, scale: IntegerScale, streams: Streams) -> Self {
        Self { grid, scale, streams }
    }

    pub(crate) fn grid(&self) -> &BrickGrid {
        &self.grid
    }

    pub(crate) fn scale(&self) -> IntegerScale {
        self.scale
    }

    pub(crate) fn streams(&self) -> &Streams {
        &self.streams
    }

    /// A brick's samples, x fastest; `codes` are the brick's mask.
    ///
    /// # Errors
    /// When its stream cannot be read, or holds what no encoder writes.
    pub(crate) fn decode(
        &self,
        brick: usize,
        base: Prediction<'_>,
        codes: Option<&[u8]>,
    ) -> Result<Samples, Fault> {
        let (_, size) = self.grid.bounds(brick);
        let numbers =
            decode_integers(&self.streams.read(brick)?, size, codes.filter(|_| !self.scale.is_exact()))?;
        let mut samples = Samples::with_capacity(self.scale.sample_type, 0);
        for_each_type!(&mut samples, values => *values = self.scale.samples(&numbers, base));
        Ok(samples)
    }

    /// False for a brick whose samples are the latent grid's, which these numbers stand beside.
    pub(crate) fn corrects(&self, brick: usize) -> bool {
        !self.scale.is_exact() || self.streams.length(brick) > 0
    }

    /// Makes a brick's samples exact, from those that the file has without these numbers, masked ones too.
    ///
    /// # Errors
    /// As for [`Self::decode`].
    pub(crate) fn correct_exactly(&self, brick: usize, samples: &mut Samples) -> Result<(), Fault> {
        let (_, size) = self.grid.bounds(brick);
        let numbers = decode_integers(&self.streams.read(brick)?, size, None)?;
        for_each_type!(samples, values => {
            values.iter_mut().zip(numbers).for_each(|(value, number)| {
                *value = from_ordered(ordered(*value).wrapping_add(number));
            });
        });
        Ok(())
    }

    /// The stream of a brick that [`Self::correct_exactly`] makes of `base` the samples that `is_exact` names, by their places
    /// among a volume's, and leaves the others.
    pub(crate) fn encode_exact_correction(
        samples: &Samples,
        grid: &BrickGrid,
        brick: usize,
        base: &Samples,
        is_exact: impl Fn(usize) -> bool,
    ) -> Vec<u8> {
        let (_, size) = grid.bounds(brick);
        let numbers: Vec<i64> = for_each_type!(samples, values => {
            // Of the same type, and as long as the brick.
            let mut base_numbers = Vec::with_capacity(base.len());
            for_each_type!(base, base => base_numbers.extend(base.iter().map(|&sample| ordered(sample))));
            let voxels = grid.rows(brick).flatten().zip(base_numbers);
            voxels
                .map(|(i, base)| if is_exact(i) { ordered(values[i]).wrapping_sub(base) } else { 0 })
                .collect()
        });
        encode_integers(&numbers, size, None)
    }

    /// A brick's samples where the numbers are differences, modulo what the type holds, to another component's samples.
    ///
    /// # Errors
    /// As for [`Self::decode`].
    pub(crate) fn decode_difference(&self, brick: usize, base: &IntegerBricks) -> Result<Samples, Fault> {
        let (_, size) = self.grid.bounds(brick);
        let mut samples = base.decode(brick, Prediction::Low, None)?;
        let numbers = decode_integers(&self.streams.read(brick)?, size, None)?;
        for_each_type!(&mut samples, values => {
            values.iter_mut().zip(numbers).for_each(|(value, number)| {
                *value = wrapped(ordered(*value).wrapping_add(number));
            });
        });
        Ok(samples)
    }

    /// The streams of a volume's differences to `base`, of the same type of integers.
    pub(crate) fn encode_difference(
        samples: &Samples,
        base: &Samples,
        grid: &BrickGrid,
        brick: usize,
    ) -> Vec<u8> {
        let (_, size) = grid.bounds(brick);
        let rows = || grid.rows(brick).flatten();
        let numbers: Vec<i64> = match samples.sample_type().size() {
            1 => rows().map(|i| i64::from((samples.get(i) - base.get(i)) as i64 as i8)).collect(),
            2 => rows().map(|i| i64::from((samples.get(i) - base.get(i)) as i64 as i16)).collect(),
            _ => rows().map(|i| i64::from((samples.get(i) - base.get(i)) as i64 as i32)).collect(),
        };
        encode_integers(&numbers, size, None)
    }

    /// What of the section is no stream.
    pub(super) fn section(&self) -> Vec<u8> {
        let mut out = (BRICK_EDGE as u16).to_le_bytes().to_vec();
        out.extend(self.scale.step.to_le_bytes());
        out
    }

    /// `low` and `sample_type` are section VOLM's.
    pub(super) fn parse(
        section: StoredSection<'_>,
        shape: [usize; 3],
        low: f64,
        sample_type: SampleType,
    ) -> Result<Self, String> {
        let mut fields = Fields::new(section.bytes);
        check_edge(&mut fields)?;
        let step = fields.f64("step")?;
        if !(step.is_finite() && step >= 0.0) {
            return Err(format!("invalid step {step}"));
        }
        let grid = BrickGrid::new(shape);
        let streams = section.streams(fields.rest(), grid.len())?;
        Ok(Self { grid, scale: IntegerScale { low, step, sample_type }, streams })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_float_has_a_number_in_order() {
        let floats =
            [f32::NEG_INFINITY, f32::MIN, -1.5, -f32::MIN_POSITIVE, -0.0, 0.0, 1e-40, 2.0, f32::INFINITY];
        let numbers = floats.map(ordered);
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        for bits in [0x7FC0_0001u32, 0xFFC1_2345, 0x8000_0000, 0, 0x7F80_0000, 1] {
            assert_eq!(from_ordered::<f32>(ordered(f32::from_bits(bits))).to_bits(), bits);
            let wide = u64::from(bits) << 32 | 77;
            assert_eq!(from_ordered::<f64>(ordered(f64::from_bits(wide))).to_bits(), wide);
        }
        assert_eq!([-128i8, 0, 127].map(|v| from_ordered::<i8>(ordered(v))), [-128, 0, 127]);
        assert_eq!(from_ordered::<u32>(ordered(u32::MAX)), u32::MAX);
    }

    #[test]
    fn bricks_come_back() {
        let shape = [70, 65, 3];
        let samples = Samples::F32((0..70 * 65 * 3).map(|i| ((i % 70) as f32 * 0.1).sin()).collect());
        for step in [0.0, 0.01] {
            let scale = IntegerScale { low: -1.0, step, sample_type: SampleType::F32 };
            let grid = BrickGrid::new(shape);
            let stream =
                |brick| IntegerBricks::encode_brick(&samples, &grid, brick, scale, Prediction::Low, None);
            let bricks = IntegerBricks::new(grid, scale, (0..grid.len()).map(stream).collect());
            let bricks =
                crate::container::sections::read_back(bricks.section(), bricks.streams(), |section| {
                    IntegerBricks::parse(section, shape, -1.0, SampleType::F32)
                })
                .unwrap();
            for brick in 0..bricks.grid().len() {
                let decoded = bricks.decode(brick, Prediction::Low, None).unwrap();
                let originals = bricks.grid().rows(brick).flatten().map(|i| samples.get(i));
                for (i, original) in originals.enumerate() {
                    assert!((decoded.get(i) - original).abs() <= 0.5 * step + 1e-7, "{step}");
                }
            }
        }
    }
}
