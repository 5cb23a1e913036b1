//! Between the field's value, 0 to 1, and the volume's values (FORMAT.md, "From the field to samples").

use crate::volume::{Sample, SampleType, Samples, SamplesMut, for_each_type};
use rayon::prelude::*;

/// Maps a field's values onto a volume's range and type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ValueScale {
    low: f64,
    span: f64,
    sample_type: SampleType,
}

impl ValueScale {
    /// A wholly masked volume (no range) decodes to zeros below its mask.
    pub(crate) fn new(range: Option<(f64, f64)>, sample_type: SampleType) -> Self {
        let (low, high) = range.unwrap_or((0.0, 0.0));
        Self { low, span: high - low, sample_type }
    }

    /// Smallest value.
    #[cfg(feature = "cuda")]
    pub(crate) fn low(&self) -> f64 {
        self.low
    }

    /// Largest minus smallest value.
    pub(crate) fn span(&self) -> f64 {
        self.span
    }

    /// The unrounded value, held inside the volume's range.
    #[inline]
    pub(crate) fn value(&self, field_value: f32) -> f64 {
        self.low + f64::from(field_value.clamp(0.0, 1.0)) * self.span
    }

    /// The value at a voxel: rounded to the stored type.
    #[inline]
    pub(crate) fn voxel_value(&self, field_value: f32) -> f64 {
        match self.sample_type {
            // `low` is an integer, so rounding the distance from it rounds the value; the distance is not negative,
            // so that the conversion's truncation is a floor.
            t if t.is_integer() => {
                self.low + (f64::from(field_value.clamp(0.0, 1.0)) * self.span + 0.5) as u32 as f64
            }
            SampleType::F32 => f64::from(self.value(field_value) as f32),
            _ => self.value(field_value),
        }
    }

    /// The field's value for a sample: 0 for the smallest, 1 for the largest.
    #[inline]
    pub(crate) fn normalised(&self, value: f64) -> f32 {
        ((value - self.low) / self.span) as f32
    }

    /// Voxels in the volume's type.
    pub(crate) fn samples(&self, field_values: &[f32]) -> Samples {
        let mut samples = Samples::zeros(self.sample_type, field_values.len());
        for_each_type!(&mut samples, out => {
            for (out, value) in out.iter_mut().zip(field_values) {
                *out = Sample::narrow(self.voxel_value(*value));
            }
        });
        samples
    }

    /// Converts voxels into `out[at..]`, whatever type that has.
    pub(crate) fn store(&self, field_values: &[f32], out: &mut SamplesMut<'_>, at: usize) {
        const CHUNK: usize = 1 << 15;
        for_each_type!(SamplesMut: out, out => {
            let out = &mut out[at..at + field_values.len()];
            let chunks = out.par_chunks_mut(CHUNK).zip(field_values.par_chunks(CHUNK));
            chunks.for_each(|(out, values)| {
                for (out, value) in out.iter_mut().zip(values) {
                    *out = Sample::narrow(self.voxel_value(*value));
                }
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Samples;

    #[test]
    fn integers_round_and_stay_in_the_range() {
        let scale = ValueScale::new(Some((-1000.0, 1979.0)), SampleType::I16);
        assert_eq!(scale.voxel_value(-0.1), -1000.0);
        assert_eq!(scale.voxel_value(1.5), 1979.0);
        assert_eq!(scale.voxel_value(f32::NAN).fract(), 0.0);
        let half = (1000.5 / 2979.0) as f32;
        assert!([0.0, 1.0].contains(&scale.voxel_value(half)));
        let mut out = Samples::zeros(SampleType::I16, 3);
        scale.store(&[0.0, 1.0], &mut out.as_mut(), 1);
        assert_eq!(out, Samples::I16(vec![0, -1000, 1979]));
        for value in [-1000.0, -3.0, 0.0, 77.0, 1979.0] {
            assert_eq!(scale.voxel_value(scale.normalised(value)), value);
        }
    }

    #[test]
    fn the_largest_unsigned_range_fits() {
        let scale = ValueScale::new(Some((0.0, f64::from(u32::MAX))), SampleType::U32);
        assert_eq!(scale.voxel_value(1.0), f64::from(u32::MAX));
    }
}
