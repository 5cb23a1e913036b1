//! How far two volumes are apart.

use crate::error::{Error, Result};
use crate::volume::{Mask, Samples, Volume, for_each_type};
use rayon::prelude::*;

/// Errors of a decoded volume against its original, over unmasked voxels, accumulated in f64.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
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

/// Sums of errors, to be collected piece by piece.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ErrorSums {
    squares: f64,
    max: f64,
    voxels: u64,
}

impl ErrorSums {
    /// Adds the differences of two stretches of samples of one type; `mask` holds a code a sample, 0 for a measurement.
    pub(crate) fn add(&mut self, original: &Samples, at: usize, decoded: &Samples, mask: Option<&[u8]>) {
        let sums = for_each_type!(original, original => {
            let original = &original[at..at + decoded.len()];
            for_each_type!(decoded, decoded => {
                const PIECE: usize = 1 << 14;
                let pieces = original.par_chunks(PIECE).zip(decoded.par_chunks(PIECE)).enumerate();
                let pieces = pieces.map(|(piece, (original, decoded))| {
                    let mut sums = ErrorSums::default();
                    for (i, (a, b)) in original.iter().zip(decoded).enumerate() {
                        if mask.is_some_and(|m| m[piece * PIECE + i] != 0) {
                            continue;
                        }
                        let error = (a.to_f64() - b.to_f64()).abs();
                        sums.squares += error * error;
                        sums.max = sums.max.max(error);
                        sums.voxels += 1;
                    }
                    sums
                });
                // In order, so that the sum does not depend on the threads.
                pieces.collect::<Vec<_>>().into_iter().fold(ErrorSums::default(), ErrorSums::merge)
            })
        });
        *self = self.merge(sums);
    }

    fn merge(self, other: Self) -> Self {
        Self {
            squares: self.squares + other.squares,
            max: self.max.max(other.max),
            voxels: self.voxels + other.voxels,
        }
    }

    /// The figures, for an original of this range.
    pub(crate) fn distortion(&self, range: Option<(f64, f64)>) -> Distortion {
        let rmse = if self.voxels == 0 { 0.0 } else { (self.squares / self.voxels as f64).sqrt() };
        let span = range.map_or(0.0, |(low, high)| high - low);
        let psnr = if rmse == 0.0 { f64::INFINITY } else { 20.0 * (span / rmse).log10() };
        Distortion { psnr, rmse, max_error: self.max, voxels: self.voxels }
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
    let mut sums = ErrorSums::default();
    sums.add(original.samples(), 0, decoded.samples(), mask.as_ref().map(Mask::codes));
    Ok(sums.distortion(original.range()))
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
    fn masked_voxels_do_not_count() {
        let original = Volume::new(vec![0.0f32, f32::NAN, 4.0], [3, 1, 1]).unwrap();
        let decoded = Volume::new(vec![0.0f32, 99.0, 4.0], [3, 1, 1]).unwrap();
        let d = compare(&original, &decoded).unwrap();
        assert_eq!((d.voxels, d.max_error), (2, 0.0));
        assert_eq!(d.psnr, f64::INFINITY);
    }
}
