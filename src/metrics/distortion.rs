//! How far two volumes are apart.

use crate::error::{Error, Result};
use crate::volume::{Mask, Samples, Volume, for_each_type};
use rayon::prelude::*;

/// Errors of a decoded volume against its original, over unmasked voxels, accumulated in f64.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Distortion {
    /// `20 log10((max - min) / RMSE)` over the original's own range, in dB; infinite where nothing differs.
    pub psnr: f64,
    /// Root of the mean squared error, in the volume's unit.
    pub rmse: f64,
    /// Largest absolute error, in the volume's unit.
    pub max_error: f64,
    /// Number of voxels compared.
    pub voxels: u64,
}

/// The PSNR of errors of this root mean square, for an original of this range.
pub(crate) fn psnr(rmse: f64, range: Option<(f64, f64)>) -> f64 {
    match range {
        Some((low, high)) if rmse > 0.0 => 20.0 * ((high - low) / rmse).log10(),
        _ => f64::INFINITY,
    }
}

/// Sums of errors, to be collected chunk by chunk.
///
/// Samples are counted in a power of two near the range's largest magnitude: that changes no digit, and no square leaves
/// float64, whatever finite numbers the volume holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ErrorSums {
    unit: f64,
    /// Of decoded less original.
    errors: f64,
    squares: f64,
    max: f64,
    voxels: u64,
}

/// Units beyond 2 to plus or minus this have an inverse that is no normal number; squares of what is left over are far
/// from the ends.
const MOST_EXPONENT: f64 = 1000.0;

impl ErrorSums {
    /// For an original of this range.
    pub(crate) fn new(range: Option<(f64, f64)>) -> Self {
        let largest = range.map_or(0.0, |(low, high)| low.abs().max(high.abs()));
        let exponent = if largest > 0.0 { largest.log2().floor() } else { 0.0 };
        let unit = 2f64.powi(exponent.clamp(-MOST_EXPONENT, MOST_EXPONENT) as i32);
        Self { unit, errors: 0.0, squares: 0.0, max: 0.0, voxels: 0 }
    }

    /// Nothing yet, in the same unit.
    fn empty(&self) -> Self {
        Self { errors: 0.0, squares: 0.0, max: 0.0, voxels: 0, ..*self }
    }

    /// Adds the differences of two stretches of samples of one type; `mask` holds a code a sample, 0 for a measurement.
    pub(crate) fn add(&mut self, original: &Samples, at: usize, decoded: &Samples, mask: Option<&[u8]>) {
        let (empty, inverse) = (self.empty(), self.unit.recip());
        let sums = for_each_type!(original, original => {
            let original = &original[at..at + decoded.len()];
            for_each_type!(decoded, decoded => {
                const CHUNK: usize = 1 << 14;
                let chunks = original.par_chunks(CHUNK).zip(decoded.par_chunks(CHUNK)).enumerate();
                let chunks = chunks.map(|(chunk, (original, decoded))| {
                    let mut sums = empty;
                    for (i, (a, b)) in original.iter().zip(decoded).enumerate() {
                        if mask.is_some_and(|m| m[chunk * CHUNK + i] != 0) {
                            continue;
                        }
                        let error = b.to_f64() * inverse - a.to_f64() * inverse;
                        sums.errors += error;
                        sums.squares += error * error;
                        sums.max = sums.max.max(error.abs());
                        sums.voxels += 1;
                    }
                    sums
                });
                // In order, so that the sum does not depend on the threads.
                chunks.collect::<Vec<_>>().into_iter().fold(empty, ErrorSums::merge)
            })
        });
        *self = self.merge(sums);
    }

    pub(crate) fn merge(self, other: Self) -> Self {
        Self {
            errors: self.errors + other.errors,
            squares: self.squares + other.squares,
            max: self.max.max(other.max),
            voxels: self.voxels + other.voxels,
            ..self
        }
    }

    /// Sums, largest and number, for another process.
    pub(crate) fn to_bytes(self) -> [u8; 32] {
        let numbers = [self.errors.to_bits(), self.squares.to_bits(), self.max.to_bits(), self.voxels];
        std::array::from_fn(|n| numbers[n / 8].to_le_bytes()[n % 8])
    }

    /// What [`Self::to_bytes`] gave, in the unit of these sums.
    pub(crate) fn of_bytes(self, bytes: &[u8; 32]) -> Self {
        let number = |n: usize| u64::from_le_bytes(std::array::from_fn(|b| bytes[8 * n + b]));
        let [errors, squares, max] = [0, 1, 2].map(|n| f64::from_bits(number(n)));
        Self { errors, squares, max, voxels: number(3), ..self }
    }

    /// The mean error, decoded less original.
    pub(crate) fn bias(&self) -> f64 {
        if self.voxels == 0 { 0.0 } else { self.errors / self.voxels as f64 * self.unit }
    }

    /// The figures, for an original of this range.
    pub(crate) fn distortion(&self, range: Option<(f64, f64)>) -> Distortion {
        let rmse = if self.voxels == 0 { 0.0 } else { (self.squares / self.voxels as f64).sqrt() };
        let span = range.map_or(0.0, |(low, high)| high / self.unit - low / self.unit);
        let psnr = if rmse == 0.0 { f64::INFINITY } else { 20.0 * (span / rmse).log10() };
        Distortion { psnr, rmse: rmse * self.unit, max_error: self.max * self.unit, voxels: self.voxels }
    }
}

/// Compares a decoded volume with its original; masked voxels of the original do not count.
///
/// # Errors
/// [`Error::Options`] when the shapes differ.
pub fn compare(original: &Volume, decoded: &Volume) -> Result<Distortion> {
    if original.shape() != decoded.shape() {
        return Err(Error::Options(format!(
            "volumes of {:?} and {:?} samples cannot be compared",
            original.shape(),
            decoded.shape()
        )));
    }
    let mask = Mask::of(original);
    let range = original.range();
    let mut sums = ErrorSums::new(range);
    sums.add(original.samples(), 0, decoded.samples(), mask.as_ref().map(Mask::codes));
    Ok(sums.distortion(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn psnr_is_over_the_full_range_of_the_original() {
        let original = Volume::new(vec![0u8, 100, 200, 50], [4, 1, 1]).unwrap();
        let decoded = Volume::new(vec![1u8, 98, 200, 52], [4, 1, 1]).unwrap();
        let d = compare(&original, &decoded).unwrap();
        // Squares 1, 4, 0, 4: RMSE 1.5, range 200.
        assert_eq!(d.rmse, 1.5);
        assert_eq!(d.max_error, 2.0);
        assert!((d.psnr - 20.0 * (200.0f64 / 1.5).log10()).abs() < 1e-12);
    }

    #[test]
    fn errors_of_any_finite_size_are_measured() {
        // Sample by sample the same numbers, in units as far apart as float64 has them.
        for unit in [1.0, 1e-310, 1e-160, 1e160, 1e304, 4.0 / 3.0] {
            let volume =
                |values: [f64; 4]| Volume::new(values.map(|v| v * unit).to_vec(), [4, 1, 1]).unwrap();
            let d = compare(&volume([0.0, 100.0, 200.0, 50.0]), &volume([1.0, 98.0, 200.0, 52.0])).unwrap();
            let near = |found: f64, expected: f64| (found / expected - 1.0).abs() < 1e-9;
            assert!(near(d.rmse, 1.5 * unit) && near(d.max_error, 2.0 * unit), "{unit}: {d:?}");
            assert!((d.psnr - 20.0 * (200.0f64 / 1.5).log10()).abs() < 1e-6, "{unit}: {d:?}");
        }
        // A range that is itself beyond float64.
        let ends = [f64::MIN, f64::MAX, 0.0, 1e300];
        let d = compare(
            &Volume::new(ends.to_vec(), [4, 1, 1]).unwrap(),
            &Volume::new(vec![f64::MIN, f64::MAX, 1e300, 0.0], [4, 1, 1]).unwrap(),
        );
        let d = d.unwrap();
        assert!(d.psnr.is_finite() && d.max_error == 1e300, "{d:?}");
    }

    #[test]
    fn masked_voxels_do_not_count() {
        let original = Volume::new(vec![0.0f32, f32::NAN, 4.0], [3, 1, 1]).unwrap();
        let decoded = Volume::new(vec![0.0f32, 99.0, 4.0], [3, 1, 1]).unwrap();
        let d = compare(&original, &decoded).unwrap();
        assert_eq!((d.voxels, d.max_error), (2, 0.0));
        assert_eq!(d.psnr, f64::INFINITY);
    }
}
